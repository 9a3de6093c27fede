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
from mock_exchange.server import Exchange, listening
from mock_exchange.settings import ExchangeSettings

START = 1_767_623_400 * SECOND
SCRIPT = Path(__file__).with_name("official_client.py")
PATIENCE_S = 90
"""Real seconds after which a test that hangs fails."""


async def run_client(key: str = "MOCK-KEY", secret: str = "MOCK-SECRET") -> Any:
    settings = ExchangeSettings(port=0, start_at=START, speed=100.0)
    exchange = Exchange(settings, wall_ns=lambda: START, monotonic_ns=time.monotonic_ns)
    async with asyncio.timeout(PATIENCE_S), listening(exchange):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, SCRIPT, str(urlsplit(exchange.url).port), key, secret),
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
    return asyncio.run(run_client())


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
    assert seen["statuses"] == [["MSFT", "H", "Trading Halt"], ["MSFT", "T", "Trading Resumption"]]
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
