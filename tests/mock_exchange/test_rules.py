"""The table of rules: its page, its switches, and the rules that have no test of their own elsewhere."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mock_exchange.alpaca import rules
from mock_exchange.alpaca.calls import Request
from mock_exchange.broadcast import Broadcast
from mock_exchange.exchange import Exchange
from mock_exchange.faults import CATALOGUE, Faults
from mock_exchange.settings import ExchangeSettings
from tests.mock_exchange import test_rest as rest
from tests.mock_exchange.test_rest import START, read

PAGE = Path(__file__).parents[2] / "docs" / "EXCHANGE.md"


class Desk(rest.Desk):
    """A desk where some rules are on that nobody has verified."""

    def __init__(self, *unverified: str) -> None:
        super().__init__()
        self.venue.unverified = frozenset(unverified)


LIMIT = {"type": "limit", "limit_price": "90"}


def test_the_page_shows_the_table() -> None:
    assert rules.markdown() in PAGE.read_text()


def test_each_rule_has_a_source_and_each_setting_is_there() -> None:
    for it in (rule for about in rules.TABLE.values() for rule in about):
        assert it.source in rules.SOURCES
        assert len(list(filter(None, (it.setting, it.fault, it.switch)))) <= 1
        assert not it.fault or it.fault in CATALOGUE, it
        assert not it.setting or it.setting in ExchangeSettings.__struct_fields__, it


def test_what_switches_a_rule_is_in_the_table() -> None:
    named = {it.setting or it.fault for about in rules.TABLE.values() for it in about}
    settings = {"stream_events", "legs_for_parts", "trading_hours", "paper", "easy_to_borrow"}
    assert settings | {"rude_close", "lingering", "average_prices", "late_prints", "undone"} <= named


def test_nothing_unverified_is_on_by_itself_and_a_strange_name_is_refused() -> None:
    assert ExchangeSettings().unverified == ()
    with pytest.raises(ValueError, match=r"unverified must be among .*price_away.*, not 'prize_away'"):
        ExchangeSettings(unverified=("prize_away",))


# -- the switches, off and on -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["ioc", "fok"])
def test_retail_accounts_may_or_may_not_have_ioc_and_fok(word: str) -> None:
    Desk().order(time_in_force=word)
    status, body = Desk("retail_times_in_force").refused(time_in_force=word)
    assert (status, body["code"], body["message"][-13:]) == (422, 42210000, "contact sales")


def test_a_limit_far_from_the_market_may_be_refused() -> None:
    far = LIMIT | {"limit_price": "49"}
    Desk().order(**far)
    status, body = Desk("price_away").refused(**far)
    assert (status, body["message"]) == (422, "limit_price is too far away from the market")
    Desk("price_away").order(**LIMIT)


@pytest.mark.parametrize(("on", "code"), [((), 40010001), (("duplicate_as_bad_value",), 42210000)])
def test_a_duplicate_id_has_one_code_or_the_other_and_the_same_text(on: tuple[str, ...], code: int) -> None:
    desk = Desk(*on)
    desk.order(client_order_id="one")
    assert desk.refused(client_order_id="one") == (
        422,
        {"code": code, "message": "client_order_id must be unique"},
    )


def test_the_history_may_hold_null() -> None:
    assert Desk().get("/v2/account/portfolio/history")["profit_loss"][0] == 0.0
    assert Desk("null_history").get("/v2/account/portfolio/history")["profit_loss"][0] is None


def an_exchange(*on: str, fault: str = "slow_fills:1000") -> tuple[Exchange, list[Broadcast]]:
    told: list[Broadcast] = []
    settings = ExchangeSettings(start_at=START, unverified=on)
    exchange = Exchange(settings, Faults(7, [fault]), lambda: START, time.monotonic_ns, told.append)
    exchange.advance()
    return exchange, told


@pytest.mark.parametrize("on", [False, True])
def test_trading_calls_may_come_without_headers_of_the_limit(on: bool) -> None:
    exchange, _ = an_exchange(*["no_limit_headers"] * on)
    account, _ = exchange.rest(Request("GET", "/v2/account", {}), "MOCK-KEY")
    clock, _ = exchange.rest(Request("GET", "/v2/clock", {}), "MOCK-KEY")
    assert ("X-RateLimit-Limit" in account.headers) is not on
    assert "X-RateLimit-Limit" in clock.headers


@pytest.mark.parametrize("on", [False, True])
def test_a_rejection_may_say_why(on: bool) -> None:
    async def scenario() -> None:
        exchange, told = an_exchange(*["reject_reasons"] * on, fault="rejects:1")
        while not exchange.is_quoted():
            await asyncio.sleep(0.01)
            exchange.advance()
        wanted = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
        exchange.rest(Request("POST", "/v2/orders", {}, msgspec.json.encode(wanted)), "MOCK-KEY")
        data = [msgspec.json.decode(it)["data"] for broadcast in told for _, it in broadcast.reports]
        rejected = next(it for it in data if it["event"] == "rejected")
        assert ("reason" in rejected) is on

    asyncio.run(scenario())


# -- rules that are on ------------------------------------------------------------------------------------------------


def test_orders_are_listed_before_and_after_an_id_and_not_with_a_time() -> None:
    desk = Desk()
    ids = [desk.order(**LIMIT)["id"] for _ in range(3)]

    def listed(**query: str) -> list[Any]:
        return [it["id"] for it in desk.get("/v2/orders", **query)]

    assert listed(before_order_id=ids[1]) == [ids[0]]
    assert listed(after_order_id=ids[1]) == [ids[2]]
    assert listed(after_order_id=ids[0], before_order_id=ids[2]) == [ids[1]]
    assert listed(asset_class="crypto") == []
    assert len(listed(asset_class="us_equity,crypto")) == 3
    assert read(desk.ask("GET", "/v2/orders", before_order_id=ids[0], until="2026-01-06"), 422)["code"] == 42210000
    assert read(desk.ask("GET", "/v2/orders", after_order_id="none"), 404)["code"] == 40410000


def test_activities_are_chosen_by_order_and_kinds_are_those_of_the_schema() -> None:
    desk = Desk()
    first, second = desk.order(), desk.order(symbol="MSFT")
    assert [it["order_id"] for it in desk.get("/v2/account/activities", order_id=first["id"])] == [first["id"]]
    assert len(desk.get("/v2/account/activities")) == 2
    assert second["id"] != first["id"]
    assert desk.get("/v2/account/activities/CGD") == desk.get("/v2/account/activities/FOPT") == []
    assert read(desk.ask("GET", "/v2/account/activities/MEM"), 422)["code"] == 42210000


def test_the_date_of_an_activity_is_that_of_utc() -> None:
    desk = Desk()
    desk.now = START + 12 * 3_600 * 10**9  # 02:30 UTC on the 6th, still the 5th in New York
    desk.order()
    assert len(desk.get("/v2/account/activities", date="2026-01-06")) == 1
    assert desk.get("/v2/account/activities", date="2026-01-05") == []


def test_a_configuration_has_the_overnight_session() -> None:
    desk = Desk()
    changed = read(desk.ask("PATCH", "/v2/account/configurations", body={"disable_overnight_trading": True}))
    assert changed["disable_overnight_trading"] is True
