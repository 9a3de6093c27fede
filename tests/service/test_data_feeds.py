"""Alpaca's feeds: which the plan has, what may be done with each, and what is told of it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from actors.brokers.alpaca import codec
from actors.engine.core import CoreSettings
from actors.feeds.websocket import FeedSettings
from actors.messages import MarketHours
from mock_exchange.server import Server, listening
from mock_exchange.settings import ExchangeSettings
from service import data_feeds
from service.data_feeds import DataFeed
from service.doctor import venue
from service.doctor.findings import Verdict
from service.errors import UserError
from service.live.hours import earlier
from service.options import RunOptions
from service.recorded import diff, tapes
from service.recorded.decisions import Changes
from service.recorded.recording import Recorder
from service.recorded.trust import Trust
from service.settings import Settings
from service.venues import KEY, SECRET, Venue
from tests.support.market import START, trade

ANN = {KEY: "ANN", SECRET: "1"}


def at_alpaca(**more: Any) -> RunOptions:
    return RunOptions(venue=Venue.ALPACA, **more)


# ------------------------------------------------------------------------------------------------- what may be done


@pytest.mark.parametrize("feed", ["delayed_sip", "test"])
def test_old_or_invented_prices_are_never_traded_with_real_money(feed: str) -> None:
    with pytest.raises(UserError, match=f"--data-feed {feed} exclude each other"):
        data_feeds.checked(feed, at_alpaca(live=True))
    data_feeds.checked(feed, at_alpaca())


@pytest.mark.parametrize("feed", ["auto", "iex", "sip"])
def test_the_others_may_be(feed: str) -> None:
    options = at_alpaca(live=True, symbols=("AAPL",))
    assert data_feeds.checked(feed, options) == options


def test_the_test_feed_has_its_own_symbol() -> None:
    assert data_feeds.checked("test", at_alpaca()).symbols == ("FAKEPACA",)
    with pytest.raises(UserError, match="FAKEPACA"):
        data_feeds.checked("test", at_alpaca(symbols=("AAPL",)))


def test_where_there_is_no_choice_nothing_is_said_of_it() -> None:
    options = RunOptions(venue=Venue.BINANCE, symbols=("BTCUSDT",))
    assert data_feeds.of("sip", options) is None
    assert data_feeds.delay_s("delayed_sip", options) == 0
    assert data_feeds.delay_s("delayed_sip", at_alpaca()) == 900


# ------------------------------------------------------------------------------------------------- what the plan has


def exchange(plan: tuple[str, ...]) -> Server:
    settings = ExchangeSettings(port=0, symbols=("AAPL",), keys=("ANN:1",), feeds=plan)
    return Server(settings, lambda: START, time.monotonic_ns)


def asked(feeds: tuple[str, ...], environment: dict[str, str] = ANN) -> DataFeed:
    async def scenario() -> DataFeed:
        server = exchange(feeds)
        async with listening(server):
            return await data_feeds.best(at_alpaca(url=server.url, symbols=("AAPL",)), environment)

    return asyncio.run(scenario())


def test_auto_is_the_best_that_the_plan_has() -> None:
    assert asked(("iex", "sip")) is DataFeed.SIP
    assert asked(("iex",)) is DataFeed.IEX


def test_wrong_keys_are_said_and_no_feed_is_guessed() -> None:
    with pytest.raises(data_feeds.Unasked, match="refused the keys"):
        asked(("iex",), {KEY: "BOB", SECRET: "2"})


def test_without_an_answer_it_says_how_to_start_all_the_same() -> None:
    with pytest.raises(data_feeds.Unasked, match="--data-feed iex or sip starts without asking"):
        asyncio.run(data_feeds.best(at_alpaca(url="http://127.0.0.1:9"), ANN))


@pytest.mark.parametrize("code", [42210000, 40010001])
def test_a_refusal_for_the_plan_is_none_for_the_keys(code: int) -> None:
    said = {"code": code, "message": "subscription does not permit querying recent SIP data"}
    refusal = codec.refusal(msgspec.json.encode(said), 403)
    assert codec.is_about_plan(403, refusal)
    assert not codec.is_about_keys(403, refusal)
    assert not codec.is_about_plan(403, codec.refusal(b'{"code":40310000,"message":"insufficient buying power"}', 403))


@pytest.mark.parametrize(
    ("wanted", "plan", "status", "tried"),
    [
        ("auto", ("iex", "sip"), Verdict.OK, "sip"),
        ("auto", ("iex",), Verdict.OK, "iex"),
        ("iex", ("iex",), Verdict.OK, "iex"),
        ("iex", ("iex", "sip"), Verdict.WARNING, "iex"),
        ("sip", ("iex",), Verdict.FAILED, "sip"),
        ("delayed_sip", ("iex",), Verdict.OK, "delayed_sip"),
    ],
)
def test_doctor_says_which_feed_it_is_and_whether_the_plan_has_it(
    wanted: Any, plan: tuple[str, ...], status: Verdict, tried: str
) -> None:
    async def scenario() -> None:
        server = exchange(plan)
        async with listening(server):
            options = at_alpaca(url=server.url, symbols=("AAPL",))
            found, effective, _ = await venue.data_feed(Settings(feed=FeedSettings(data_feed=wanted)), options, ANN)
            assert (found.verdict, effective.feed.data_feed) == (status, tried)

    asyncio.run(scenario())


# ------------------------------------------------------------------------------------------------- what is told of it


def recorded(path: Path, feed: str | None) -> Path:
    recorder = Recorder(path, CoreSettings(), None, data_feed=feed or UNSET)
    recorder.write([trade(0)])
    recorder.close()
    return path


def test_a_recording_says_which_feed_it_is_of_and_nothing_where_there_is_no_choice(tmp_path: Path) -> None:
    first = tapes.recorded_settings(recorded(tmp_path / "iex.jsonl", "iex"))
    assert first is not None
    assert first.data_feed == "iex"
    assert b"data_feed" not in recorded(tmp_path / "other.jsonl", None).read_bytes()


@pytest.mark.parametrize(("a", "b", "said"), [("iex", "sip", 1), ("iex", "iex", 0), (None, "sip", 0)])
def test_a_comparison_of_two_feeds_says_that_their_volumes_are_none(
    tmp_path: Path, a: str | None, b: str | None, said: int
) -> None:
    one, other = recorded(tmp_path / "a.jsonl", a), recorded(tmp_path / "b.jsonl", b)
    told: list[str] = []
    diff.compare(one, other, Changes(), Changes(), Trust(tmp_path, say=told.append))
    assert len([sentence for sentence in told if "volumes cannot be compared" in sentence]) == said


def test_hours_are_earlier_by_a_feed_that_is_late() -> None:
    hours = MarketHours(((START, START + 10**12),), 5)
    assert earlier(hours, 900.0) == MarketHours(((START - 900 * 10**9, START + 100 * 10**9),), 5)
