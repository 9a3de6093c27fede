"""What the doctor says of an account: each judgement by itself, then at a mock exchange, its switches either way."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from actors.brokers.alpaca.messages import Answer, NotSent, Quota
from actors.brokers.alpaca.rest import Rest
from actors.brokers.alpaca.settings import AlpacaAddress
from mock_exchange.server import Server, listening
from mock_exchange.settings import ExchangeSettings
from service.doctor import assumptions, paper_test
from service.doctor.assumptions import examine
from service.doctor.findings import Finding, Verdict
from service.doctor.paper_test import PaperTest
from tests.support.alpaca import KEY, SECRET, on_a_loop
from tests.support.exchange import KEYS
from tests.support.live import PATIENCE_S
from tests.support.market import START

OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED

ACCOUNT = {
    "account_number": "PA1",
    "cash": "5000",
    "equity": "5000",
    "buying_power": "20000",
    "multiplier": "4",
}
DAY = dict.fromkeys(("date", "open", "close", "session_open", "session_close", "settlement_date"), "x")
ASSET = {"tradable": True, "shortable": True, "fractionable": True}


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


@pytest.mark.parametrize(
    ("finding", "verdict", "said"),
    [
        (assumptions.account(ACCOUNT), OK, "nothing of day trades"),
        (assumptions.account(without(ACCOUNT, "buying_power")), FAILED, "does not tell buying_power"),
        (assumptions.account(None), FAILED, "does not tell account_number, cash"),
        (assumptions.account(ACCOUNT | {"cash": 5000}), WARNING, "not text"),
        (assumptions.account(ACCOUNT | {"daytrade_count": 0}), WARNING, "still tells daytrade_count"),
        (assumptions.configuration({}), WARNING, "disable_overnight_trading"),
        (assumptions.margin(ACCOUNT, {}), OK, "multiplier 4 at $5,000.00"),
        (assumptions.margin(ACCOUNT | {"multiplier": "2"}, {"max_margin_multiplier": "2"}), WARNING, "more than that"),
        (assumptions.margin(ACCOUNT | {"multiplier": "2"}, {}), WARNING, "assumed: 4"),
        (assumptions.margin(ACCOUNT | {"equity": "1999"}, {}), WARNING, "assumed: 1"),
        (assumptions.margin({}, None), WARNING, "does not tell equity"),
        (assumptions.clock({"timestamp": "noon", "is_open": True, "next_open": "", "next_close": ""}), FAILED, "noon"),
        (assumptions.clock({}), WARNING, "timestamp"),
        (assumptions.calendar([DAY, DAY]), OK, "next 2 days"),
        (assumptions.calendar([DAY, without(DAY, "settlement_date")]), WARNING, "settlement_date"),
        (assumptions.calendar([]), WARNING, "no day"),
        (assumptions.asset("A", ASSET | {"borrow_status": "hard_to_borrow"}), OK, "hard_to_borrow, no easy"),
        (assumptions.asset("A", ASSET | {"easy_to_borrow": True}), WARNING, "no borrow_status"),
        (assumptions.asset("A", None), FAILED, "does not tell tradable"),
        (assumptions.unknown_order(Answer(404, b'{"code":40410000,"message":"x"}')), OK, "missing"),
        (assumptions.unknown_order(Answer(404, b"<html>")), FAILED, "assumed: 404"),
        (assumptions.unknown_order(NotSent("no route")), FAILED, "no route"),
        (assumptions.without_keys(Answer(401, b"<html>nginx</html>")), OK, "401"),
        (assumptions.without_keys(Answer(200, b"{}")), WARNING, "assumed: 401"),
        (assumptions.limit(Answer(200, b"", Quota(200, 7, None)), 200), OK, "200 a minute, 7 left"),
        (assumptions.limit(Answer(200, b"", Quota(1000, 7, None)), 200), OK, "requests_per_minute=1000"),
        (assumptions.limit(Answer(200, b"", Quota(100, 7, None)), 200), FAILED, "100 a minute"),
        (assumptions.limit(Answer(200, b""), 200), WARNING, "do not tell it"),
    ],
)
def test_a_contradiction_is_named(finding: Finding, verdict: Verdict, said: str) -> None:
    assert finding.verdict is verdict, finding
    assert said in f"{finding.found} {finding.remedy}"
    assert bool(finding.remedy) is (verdict is not OK)


# -- at a mock exchange ------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def at_a_mock(*unverified: str, **settings: Any) -> AsyncIterator[AlpacaAddress]:
    chosen = ExchangeSettings(port=0, start_at=START, unverified=unverified, **settings)
    exchange = Server(chosen, wall_ns=lambda: START, monotonic_ns=time.monotonic_ns)
    async with listening(exchange), asyncio.timeout(PATIENCE_S * 3):
        yield AlpacaAddress(exchange.url.replace("ws", "http", 1), f"{exchange.url}/stream")


@pytest.mark.parametrize(("on", "verdict"), [((), OK), (("no_limit_headers",), WARNING)])
@on_a_loop
async def test_at_a_mock_nothing_has_failed_and_a_switch_is_noticed(on: tuple[str, ...], verdict: Verdict) -> None:
    async with at_a_mock(*on) as address:
        found = {it.check: it for it in await examine(address, KEYS, ["AAPL"], 200)}
    assert {it.verdict for it in found.values()} <= {OK, WARNING}
    for check in ("configuration", "margin", "venue's clock", "unknown order", "missing keys"):
        assert found[check].verdict is OK, found[check]
    assert found["limit on requests"].verdict is verdict


@on_a_loop
async def test_a_lower_limit_than_the_bot_assumes_has_failed() -> None:
    async with at_a_mock(requests_per_minute=100) as address:
        assert (await examine(address, KEYS, ["AAPL"], 200))[-1].verdict is FAILED


CHECKS = {
    "price_away": "a far limit",
    "duplicate_as_bad_value": "the same id twice",
    "retail_times_in_force": "an ioc order",
}
"""What the paper test notices, by the switch that makes it so."""


@pytest.mark.parametrize("on", [(), tuple(CHECKS)])
@on_a_loop
async def test_the_paper_test_notices_switches_either_way_and_leaves_nothing(on: tuple[str, ...]) -> None:
    async with at_a_mock(*on) as address:
        test = PaperTest(address, KEYS, "AAPL")
        await test.make()
        found = {it.check: it for it in test.findings}
        for check in CHECKS.values():
            assert found[check].verdict is (WARNING if on else OK), found[check]
        assert found["too dear"].verdict is (WARNING if on else OK)  # its limit is far away as well
        for check in ("trading stream", "too many requests", "tidying up"):
            assert found[check].verdict is OK, found[check]
        assert {"a buy stop", "a passed stop"} <= set(found)


async def left(address: AlpacaAddress) -> list[Any]:
    """Ask the venue for what is open and what is held."""
    rest = Rest(address.rest_url, KEY, SECRET, 5.0)
    try:
        asked = [await rest.call("GET", path) for path in ("/v2/orders", "/v2/positions")]
    finally:
        await rest.close()
    bodies = [it.body for it in asked if isinstance(it, Answer)]
    assert len(bodies) == 2
    return [it for body in bodies for it in msgspec.json.decode(body)]


@on_a_loop
async def test_an_interrupted_paper_test_takes_its_orders_back() -> None:
    async with at_a_mock() as address:
        test = PaperTest(address, KEYS, "AAPL")
        task = asyncio.create_task(test.make())
        while not await left(address):
            assert not task.done(), test.findings
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # and again, while it tidies up
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await left(address) == []
        assert [it.verdict for it in test.findings[-2:]] == [FAILED, OK]


@on_a_loop
async def test_what_was_filled_is_sold_again() -> None:
    async with at_a_mock() as address:
        test = PaperTest(address, KEYS, "AAPL")
        await test._submit(type="market")
        assert [it["qty"] for it in await left(address)] == ["1"]
        await test._end(None)
        assert await left(address) == []
        assert test.findings[-1].verdict is OK


async def halt(address: AlpacaAddress, *symbols: str) -> None:
    rest = Rest(address.rest_url, KEY, SECRET, 5.0)
    try:
        answer = await rest.call("POST", "/control/halts", body=msgspec.json.encode({"symbols": symbols}))
    finally:
        await rest.close()
    assert isinstance(answer, Answer)
    assert answer.status == 200, answer.body


@on_a_loop
async def test_what_could_not_be_sold_is_not_said_to_be_gone_and_is_sold_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper_test, "_TIDY_S", 0.5)
    async with at_a_mock() as address:
        test = PaperTest(address, KEYS, "AAPL")
        await test._submit(type="market")
        await halt(address, "AAPL")
        for _ in range(2):
            with pytest.raises(paper_test.Stopped):
                await test._tidy()
        assert await left(address) != []
        await halt(address)
        await test._end(None)
        assert await left(address) == []
        assert test.findings[-1].verdict is OK


@on_a_loop
async def test_an_account_that_holds_the_symbol_or_is_no_paper_account_is_left_alone() -> None:
    async with at_a_mock() as address:
        holder = PaperTest(address, KEYS, "AAPL")
        await holder._submit(type="market")
        test = PaperTest(address, KEYS, "AAPL")
        await test.make()
        assert [(it.verdict, "holds AAPL" in it.found) for it in test.findings] == [(FAILED, True)]
        assert len(await left(address)) == 1
        await holder._end(None)
