"""The sentence of a symbol: why it is not entered right now, or what becomes of what is held."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors.messages import FeedChanged, FeedState, Refusal, TradingState
from pipeline.events import Reading
from tests.web.builders import at, feed, gauges, held, metrics, session, state, ticks
from web.messages import GaugesSeen, NoEntry
from web.read_model import ReadModel
from web.why import Known, Why, why
from web.words import REASONS

RANGE = Reading("volatility_guard", 0.0006, 0.001, False)
MET = Reading("volume_spike", 2.0, 1.5, True, "more_than")


def known(**changes: Any) -> Known:
    usual: dict[str, Any] = {
        "running": True,
        "state": "ACTIVE",
        "state_reason": "",
        "feed": FeedChanged(FeedState.LIVE),
        "chain": "RUNNING",
        "no_entry": None,
        "position": None,
        "gauges": gauges("AAPL", RANGE, MET),
        "ticks": 9,
        "now": at(5),
    }
    return Known(**usual | changes)


def said(**changes: Any) -> str:
    return why(known(**changes)).sentence(at(5))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "No entry: range 6 of 10 bp"),
        ({"no_entry": NoEntry("COOLDOWN", "", 1)}, "No entry: cooling down, 1 signal left to skip"),
        ({"no_entry": NoEntry("COOLDOWN", "", 2)}, "No entry: cooling down, 2 signals left to skip"),
        ({"no_entry": NoEntry("POSITION_OPEN")}, "No entry: an entry order is under way"),
        ({"no_entry": NoEntry("LOCKED", "until 11:00: news")}, "No entry: symbol is locked: until 11:00: news"),
        ({"no_entry": NoEntry("MARKET_CLOSED")}, "No entry: market is closed"),
        ({"feed": FeedChanged(FeedState.STALE)}, "No entry: the feed is stale"),
        ({"feed": FeedChanged(FeedState.CONNECTING)}, "No entry: the feed is connecting"),
        ({"feed": FeedChanged(FeedState.LIVE, delay_s=900.0)}, "No entry: prices are minutes old"),
        ({"state": "PAUSED", "state_reason": "lunch"}, "No entry: trading is paused (lunch)"),
        ({"chain": "FAILED: ZeroDivisionError"}, "No entry: the strategy failed: ZeroDivisionError"),
        ({"chain": "UNUSED: none was used for 6 s"}, "No entry: ticks come, but none was used for 6 s"),
        ({"running": False}, "No entry: the bot has stopped"),
        ({"position": held(time_stop_ts=at(8.2))}, "Holding: exits in 3.2 s at the latest"),
        ({"position": held(time_stop_ts=None, fallback_ts=at(65))}, "Holding: exits in 60.0 s at the latest"),
        ({"position": held(time_stop_ts=at(99_862))}, "Holding: exits in 27 h 44 min at the latest"),
        ({"position": held(time_stop_ts=None)}, "Holding: its exits decide when it is closed"),
        ({"position": held(time_stop_ts=at(4))}, "Holding: its exit is under way"),
        ({"gauges": None, "ticks": 0}, "No entry: no tick has come in yet"),
        ({"gauges": None}, "No entry: its strategy has not signalled"),
        ({"gauges": GaugesSeen("AAPL", at(2), False, (), 2, 3, 15.0)}, "No entry: warming up: 2 of 3 ticks"),
        (
            {"gauges": GaugesSeen("AAPL", at(2), False, (), 9, 3, 15.0)},
            "No entry: warming up: the window of 15 s is not full yet",
        ),
        ({"gauges": gauges("AAPL", MET)}, "Ready: every condition was met at the last tick"),
        (
            {"gauges": gauges("AAPL", Reading("momentum", -0.0002, 0.0005, False, "either_way"), RANGE, MET)},
            "No entry: momentum 2 of 5 bp (2 of 3 conditions not met)",
        ),
        (
            {"gauges": gauges("AAPL", Reading("volatility_guard", 0.0008, 0.001, False), MET)},
            "No entry: range 8 of 10 bp, a near miss",
        ),
        (
            {"gauges": gauges("AAPL", Reading("spread", 0.0003, 0.0002, False, "at_most"))},
            "No entry: spread 3 bp, at most 2 bp",
        ),
        ({"gauges": gauges("AAPL", Reading("moon_phase", 0.2, 0.9, False))}, "No entry: moon phase 0.2 of 0.9"),
        ({"gauges": gauges("AAPL", Reading("a over b", 0, 1.0, False, "rule"))}, "No entry: a over b does not hold"),
    ],
)
def test_it_says_why(changes: dict[str, Any], sentence: str) -> None:
    assert said(**changes) == sentence


def test_what_the_bot_asks_first_is_said_first() -> None:
    barriers: list[tuple[dict[str, Any], str]] = [
        ({"state": "HALTED"}, "HALTED"),
        ({"feed": FeedChanged(FeedState.DOWN)}, "STALE_FEED"),
        ({"chain": "REMOVED: too slow"}, "REMOVED"),
        ({"no_entry": NoEntry("COOLDOWN", "", 2)}, "COOLDOWN"),
        ({"gauges": gauges("AAPL", RANGE)}, "CONDITIONS"),
    ]
    for place, (_, code) in enumerate(barriers):
        together = {name: value for change, _ in barriers[place:] for name, value in change.items()}
        assert why(known(**together)).code == code


def test_what_is_held_is_said_before_what_rules_an_entry_out_after_it() -> None:
    assert said(state="PAUSED", position=held(time_stop_ts=at(8))) == (
        "Holding: exits in 3.0 s at the latest; no entry after it: trading is paused"
    )


def test_every_refusal_has_its_own_words() -> None:
    of_old = {Refusal.DAY_TRADES}
    named = [reason for reason in Refusal if reason not in of_old | {Refusal.NOT_TRADABLE, Refusal.NOT_SHORTABLE}]
    assert [reason for reason in named if reason not in REASONS and "_" in reason] == [
        Refusal.BUYING_POWER,
        Refusal.LOT_SIZE,
    ]
    assert len(set(REASONS.values())) == len(REASONS)


def whys(model: ReadModel) -> list[Why]:
    return [data["AAPL"] for name, data in model.drain() if name == "why"]


def test_another_reason_is_told_at_once_and_another_figure_about_once_a_second() -> None:
    model = ReadModel()
    for message in (session(), feed(), ticks(150.0), gauges("AAPL", RANGE), metrics()):
        model.apply(message)
    model.drain()
    told = 0
    for n in range(40):
        model.apply(gauges("AAPL", msgspec.structs.replace(RANGE, value=n / 1e6)))
        model.apply(metrics())
        told += len(whys(model))
    assert told == 4
    model.apply(state(TradingState.PAUSED))
    model.apply(metrics(state=TradingState.PAUSED, state_reason="by hand"))
    assert [found.text for found in whys(model)] == ["No entry: trading is paused (by hand)"]


def test_the_state_of_everything_has_the_sentence_too() -> None:
    model = ReadModel()
    for message in (session(), feed(), ticks(150.0), metrics(positions=(held(time_stop_ts=at(9)),))):
        model.apply(message)
    assert model.snapshot()["symbols"]["AAPL"]["sentence"] == "Holding: exits in 4.0 s at the latest"
