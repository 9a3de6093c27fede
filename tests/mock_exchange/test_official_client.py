"""Alpaca's own client takes the exchange for real. The client runs in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mock_exchange.events import SECOND
from mock_exchange.server import Server, listening
from mock_exchange.settings import ExchangeSettings

START = 1_767_623_400 * SECOND
ROOT = Path(__file__).parents[2]
PATIENCE_S = 240
"""Real seconds after which a test that hangs fails."""


async def run_client(script: str, **changes: Any) -> Any:
    """Run a module against an exchange of its own; return what it prints."""
    settings = ExchangeSettings(port=0, start_at=START, speed=100.0, **changes)
    server = Server(settings, wall_ns=lambda: START, monotonic_ns=time.monotonic_ns)
    async with asyncio.timeout(PATIENCE_S), listening(server):
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                f"tests.mock_exchange.{script}",
                str(urlsplit(server.url).port),
                "MOCK-KEY",
                "MOCK-SECRET",
            ),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, errors.decode()
        return json.loads(out)


@pytest.fixture(scope="module")
def seen() -> Any:
    """What the client saw of one session."""
    return asyncio.run(run_client("official_client"))


def of(seen: Any, order_id: str) -> list[str]:
    """Return the names of an order's updates."""
    return [event for order, event, _, _ in seen["updates"] if order == order_id]


def test_it_streams_trades_quotes_and_bars_that_agree_with_the_history(seen: Any) -> None:
    ids = seen["streamed"]
    assert ids == list(range(ids[0], ids[0] + 20))
    assert seen["agree"]
    assert seen["told"] > 0
    assert seen["bars"] > 0
    assert seen["spread"] > 0
    assert seen["bar"] in ("AAPL", "MSFT")
    assert seen["quote"]


def test_it_receives_every_update_once_and_in_order(seen: Any) -> None:
    ids = seen["ids"]
    assert of(seen, ids["market"]) == ["new", "fill"]
    assert of(seen, ids["limit"]) == ["new", "replaced"]
    assert of(seen, ids["replaced"]) == ["new", "canceled"]
    assert of(seen, ids["stop"]) == ["new", "canceled"]
    assert of(seen, ids["trailing"]) == ["new", "canceled"]
    assert of(seen, ids["bracket"]) == ["new", "fill"]
    assert [of(seen, leg) for leg in ids["legs"]] == [["new", "canceled"]] * 2
    assert [of(seen, order) for order in ids["closing"]] == [["new", "fill"]] * 2
    assert len(seen["executions"]) == len(set(seen["executions"])) == len(seen["updates"])


def test_it_is_refused_with_the_codes_that_it_knows(seen: Any) -> None:
    assert seen["refusals"] == [
        [422, 40010001],
        [403, 40310000],
        [403, 40310000],
        [404, 40410000],
        [422, 42210000],
        [404, 40410000],
        [403, 40310000],
    ]


def test_it_reads_orders_positions_and_account_and_closes_out(seen: Any) -> None:
    ids = seen["ids"]
    assert seen["account"] == ["ACTIVE", "100000"]
    assert seen["legs"] == [["limit", "new"], ["stop_limit", "new"]]
    assert seen["positions"] == {"AAPL": "5", "MSFT": "3"}
    assert seen["opened"] == sorted([ids["stop"], ids["trailing"], *ids["legs"]])
    assert seen["left"] == []
    assert seen["by_client_id"] == ids["market"]
    assert seen["is_open"]
    assert seen["next_close"] in seen["closes"]
    assert seen["trailing_type"]


def test_its_cash_is_what_its_fills_come_to(seen: Any) -> None:
    bought = {seen["ids"]["market"], seen["ids"]["bracket"]}
    fills = [
        (1 if order in bought else -1, Decimal(str(qty)) * Decimal(str(price)))
        for order, _, qty, price in seen["updates"]
        if price is not None
    ]
    assert len(fills) == 4
    assert Decimal(seen["cash"]) == 100_000 - sum(sign * amount for sign, amount in fills)


def test_it_hears_of_a_halt_and_its_order_waits_for_the_end_of_it(seen: Any) -> None:
    assert seen["statuses"] == [["MSFT", "P", "Volatility Trading Pause"], ["MSFT", "T", "Trading Resumption"]]
    assert seen["waiting"] == "new"


def test_it_buys_parts_of_a_share_and_for_an_amount_of_money(seen: Any) -> None:
    (part, spent, half, rest), (held, kept) = seen["parts"], seen["held"]
    assert part == ["0.123456789", None, "0.123456789"]
    assert spent[:2] == [None, "100"]
    assert Decimal(held) == Decimal(part[2]) + Decimal(spent[2])
    assert Decimal(held) == Decimal(half[2]) + Decimal(kept)
    assert 0 <= Decimal(kept) - Decimal(half[2]) <= Decimal("0.000000001")
    assert rest == [kept, None, kept]
    assert seen["short_part"] == [403, 40310000]
    assert seen["fractionable"]


def test_its_cash_stays_exact_when_it_trades_in_parts(seen: Any) -> None:
    first, last = map(Decimal, seen["cash_in_parts"])
    fills = seen["fills_in_parts"]
    assert len(fills) == 4
    sign = {"buy": 1, "sell": -1}
    assert last == first - sum(sign[side] * Decimal(qty) * Decimal(str(price)) for side, qty, price in fills)
    spent = Decimal(fills[1][1]) * Decimal(str(fills[1][2]))
    assert 0 <= 100 - spent < Decimal("0.00001")


# -- orders in every way -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ordered() -> Any:
    """What the client saw while it ordered in every way, with enough cash for far too many shares."""
    return asyncio.run(run_client("official_orders", cash=10_000_000))


def test_it_places_orders_of_every_kind(ordered: Any) -> None:
    simple = [kind[:4] + kind[5:] for kind in ordered["kinds"]]
    assert simple == [
        ["limit", "day", "new", "10.01", None, None, False, "simple"],
        ["limit", "gtc", "new", "10.02", None, None, True, "simple"],
        ["stop_limit", "day", "new", "2050", None, None, False, "simple"],  # as the venue takes a buy stop
        ["stop_limit", "gtc", "new", "2001.5", None, None, False, "simple"],
        ["trailing_stop", "day", "new", None, "90.5", None, False, "simple"],
        ["trailing_stop", "gtc", "new", None, None, "40.5", False, "simple"],
    ]
    assert [kind[4] for kind in ordered["kinds"][:4]] == [None, None, "2000", "2000"]
    assert ordered["trails"] == [["80", None], [None, "30.5"]]
    assert ordered["trails_hang"] == [90.5, 1.405]


def test_what_must_be_filled_at_once_is_filled_or_canceled(ordered: Any) -> None:
    assert ordered["filled_at_once"] == [["ioc", "filled", "1"], ["ioc", "filled", "1"], ["fok", "filled", "1"]]
    assert ordered["not_at_once"] == [["canceled", True], ["canceled", True]]
    assert ordered["part_at_once"] == ["canceled", True]


def test_it_places_brackets_oto_and_oco_orders_and_replaces_what_may_be(ordered: Any) -> None:
    assert ordered["held"] == [["limit", "sell", "held", "2"], ["stop", "sell", "held", "2"]]
    assert ordered["nested"] == [True, 2, 3]
    assert ordered["oto_leg"] == ["stop", "5", "oto orders cannot be replaced"]
    assert ordered["oco"] == ["limit", "5000", ["stop"]]
    assert ordered["left"] == []


def test_it_lists_orders_by_everything_that_it_can_name(ordered: Any) -> None:
    assert ordered["filters"] == {
        "default": ["3", "2", "1"],
        "asc": ["1", "2", "3"],
        "limit": ["3", "2"],
        "symbols": ["3", "1"],
        "both": ["3", "2", "1"],
        "after": ["3", "2"],
        "until": ["2", "1"],
        "window": ["2"],
        "closed": [],
        "sells": [],
        "then_open": ["3", "1"],
        "then_closed": ["2"],
        "then_all": ["1", "2", "3"],
    }
    assert ordered["by_client_id"] == [True, "canceled"]
    assert ordered["replaced"] == ["2", "11.5", "gtc", "listed-4", True, "replaced", True]
    assert ordered["canceled"]
    assert ordered["open"] == 0


def test_it_is_refused_what_cannot_be_had(ordered: Any) -> None:
    assert ordered["refusals"] == {
        "duplicate": [422, 40010001],
        "sub_penny": [422, 42210000],
        "sub_penny_below_a_dollar": [422, 42210000],
        "symbol": [422, 42210000],
        "buying_power": [403, 40310000],
        "no_shares": [422, 42210000],
        "negative": [422, 42210000],
        "inverted_bracket": [422, 42210000],
        "oco_without_shares": [403, 40310000],
        "get": [404, 40410000],
        "get_by_client_id": [404, 40410000],
        "replace": [404, 40410000],
        "cancel": [404, 40410000],
        "position": [404, 40410000],
        "close": [404, 40410000],
        "cancel_again": [422, 42210000],
        "replace_ended": [422, 42210000],
    }


def test_it_goes_long_and_short_and_closes_in_parts_and_at_once(ordered: Any) -> None:
    assert ordered["long"] == ["long", "10", True]
    assert ordered["parts"] == [["sell", "4", "6"], ["sell", "3", "3"]]
    assert ordered["short"] == ["short", "-5", "-", "-5"]
    assert ordered["turned"] == [403, 40310000]
    assert ordered["covered"] == ["-3", "MSFT"]
    assert ordered["listed"] == ["AAPL", "MSFT"]
    assert ordered["short_value"]
    assert ordered["stuck"] == {"AAPL": [200, None], "MSFT": [403, 40310000]}
    assert ordered["closed"] == [["MSFT", 200, "buy"]]
    assert ordered["flat"]
    assert ordered["resting"] == "canceled"


ENDS = {"fill": "filled", "canceled": "canceled", "replaced": "replaced", "expired": "expired"}
"""What ends an order, and what it is then."""


def test_updates_come_once_in_order_and_agree_with_what_rest_tells(ordered: Any) -> None:
    updates, orders = ordered["updates"], ordered["orders"]
    executions = [it["execution"] for it in updates]
    assert len(executions) == len(set(executions))
    times = [it["at"] for it in updates]
    assert times == sorted(times)
    told = {order: [it for it in updates if it["order"] == order] for order in orders}
    assert {it["order"] for it in updates} <= orders.keys()
    for order, (status, filled, price, _, _) in orders.items():
        events = [it["event"] for it in told[order]]
        if not events:
            assert status == "canceled"  # the orders with which the client found out whether it listens
            continue
        assert events[-1] in ENDS
        assert ENDS[events[-1]] == status
        assert events[0] == "new" or events in (["canceled"], ["replaced"])  # a leg that was still held
        assert all(event == "partial_fill" for event in events[1:-1])
        fills = [it for it in told[order] if it["qty"] is not None]
        assert sum(it["qty"] for it in fills) == float(filled)
        if fills:
            paid = sum(Decimal(str(it["qty"])) * Decimal(str(it["price"])) for it in fills)
            assert abs(paid / Decimal(filled) - Decimal(price)) < Decimal("0.000001")


def test_updates_activities_positions_and_cash_tell_the_same_executions(ordered: Any) -> None:
    fills = [it for it in ordered["updates"] if it["qty"] is not None]
    assert ordered["activities"] == [[it["execution"], it["order"], it["qty"], it["price"]] for it in fills]
    held: dict[str, float] = {}
    cash = Decimal(10_000_000)
    for it in fills:
        _, _, _, symbol, side = ordered["orders"][it["order"]]
        sign = 1 if side == "buy" else -1
        held[symbol] = held.get(symbol, 0.0) + sign * it["qty"]
        cash -= sign * Decimal(str(it["qty"])) * Decimal(str(it["price"]))
        assert it["position"] == held[symbol]
    assert set(held.values()) == {0.0}
    assert Decimal(ordered["cash"]) == cash


# -- data, and what there is to know -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def looked() -> Any:
    """What the client saw while it read everything."""
    return asyncio.run(run_client("official_data"))


def test_its_stream_has_what_it_subscribed_to_until_it_no_longer_does(looked: Any) -> None:
    both = ["AAPL", "MSFT"]
    assert looked["symbols"] == {"trades": both, "quotes": both, "bars": both}
    assert looked["lists"] == [
        "trades: ['*'], quotes: ['AAPL', 'MSFT'], bars: ['*'], corrections: ['*'], cancelErrors: ['*']",
        "trades: ['*'], quotes: ['MSFT'], bars: ['*'], corrections: ['*'], cancelErrors: ['*']",
        "quotes: ['MSFT'], bars: ['*']",
        "trades: ['MSFT'], quotes: ['MSFT'], bars: ['*'], corrections: ['MSFT'], cancelErrors: ['MSFT']",
    ]
    assert looked["again"] == ["MSFT"]


def _with_trades(*symbols: str) -> dict[str, list[str]]:
    return {"corrections": list(symbols), "cancelErrors": list(symbols)}


@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_both_codecs_say_and_tell_the_same(looked: Any, codec: str) -> None:
    assert looked[codec] == [
        {"T": "success", "msg": "connected"},
        {"T": "success", "msg": "authenticated"},
        {"T": "subscription", "trades": ["AAPL"], "quotes": ["AAPL", "MSFT"]} | _with_trades("AAPL"),
        ["q AAPL", "q MSFT", "t AAPL"],
        {"T": "subscription", "trades": ["AAPL"]} | _with_trades("AAPL"),
        ["t AAPL"],
        {"T": "subscription", "trades": ["*", "AAPL"]} | _with_trades("*", "AAPL"),
        {"T": "subscription"},
        {"T": "error", "code": 400, "msg": "invalid syntax"},
    ]


def test_it_reads_the_history_whole_and_in_parts(looked: Any) -> None:
    assert looked["told"] == {"AAPL": True, "MSFT": True}
    assert looked["backwards"]
    assert looked["few"] == [True, True]
    assert looked["late"]
    assert looked["pages"]
    assert looked["latest"] == [["AAPL", "MSFT"]] * 3
    assert looked["snapshot"] == [True, True]
    assert looked["nowhere"] == {}
    assert looked["feeds"] == [400, 403]


def test_it_reads_bars_of_every_length(looked: Any) -> None:
    began = {
        "1Min": "2026-01-05T14:30:00+00:00",
        "5Min": "2026-01-05T14:30:00+00:00",
        "1Hour": "2026-01-05T14:00:00+00:00",
        "1Day": "2026-01-05T05:00:00+00:00",
        "1Week": "2026-01-05T05:00:00+00:00",
        "1Month": "2026-01-01T05:00:00+00:00",
        "12Month": "2026-01-01T05:00:00+00:00",
    }
    assert looked["bars"] == {length: [start, True] for length, start in began.items()}
    assert looked["bars_add_up"]
    assert looked["minute_is_its_trades"] == [True, True]


def test_it_reads_account_clock_calendar_and_assets_and_sets_what_the_account_may_do(looked: Any) -> None:
    assert looked["account"] == ["ACTIVE", "USD", "100000", "4", True]
    assert looked["power"] == "400000"
    assert looked["clock"] == [True, True]
    assert looked["calendar"]
    assert looked["asset"] == ["AAPL", "active", True, "us_equity"]
    assert looked["by_id"] == "AAPL"
    assert looked["assets"] == [["AAPL", "MSFT"]] * 3 + [[]] * 3
    assert looked["configured"] == [False, True, True, [403, 40310000], True]
    assert looked["worth"] == [100_000.0, "1H"]
    assert looked["watchlists"] == [["AAPL", "MSFT"], ["MSFT"], ["MSFT", "AAPL"], "renamed", 0, [404, 40410000]]
