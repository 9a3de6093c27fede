"""Ticks that come in vain: a state by symbol, whatever the reason, and two log lines instead of one a tick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from loguru import logger

from pipeline.admission import IMPLAUSIBLE_TIME, NOT_SUBSCRIBED, PRICE_COLLAR
from pipeline.events import Quote, Refused, Trade
from service.live.telemetry import Telemetry
from service.live.unused import AFTER_S, LATE, Unused
from tests.support.market import at, trade
from tests.support.sessions import Session
from web.messages import SessionStarted


class Feed:
    """A bot's telemetry, ten times a second, and what a test lets come."""

    def __init__(self) -> None:
        self.now = 100.0
        self.refused: dict[str, Counter[str]] = {}
        self.session = Session().feed(trade(0), trade(0, symbol="B"))
        self.unused = Unused(lambda: self.refused, lambda: self.now)
        who = SessionStarted("s", "burst", "feed", "mock", (), True, 0, {})
        self.telemetry = Telemetry(self.session.core, who, unused=self.unused)

    def hear(self, *events: Trade | Quote | Refused, refuse: tuple[str, str] | None = None) -> Feed:
        self.now += 0.1
        if refuse is not None:
            symbol, reason = refuse
            self.refused.setdefault(symbol, Counter())[reason] += 1
            events = (*events, Refused(reason))
        self.session.feed(*events)
        self.telemetry.gather(events)
        return self

    def chains(self) -> dict[str, str]:
        metrics = self.telemetry.messages()[-1]
        chains: dict[str, str] = metrics.chains
        return chains


@pytest.fixture
def said() -> Iterator[list[tuple[str, str, str]]]:
    lines: list[tuple[str, str, str]] = []

    def sink(message: object) -> None:
        record = message.record  # type: ignore[attr-defined]  # loguru's messages are strings that carry it
        extra = record["extra"]
        lines.append((record["level"].name, extra.get("event", ""), extra.get("symbol", "")))

    number = logger.add(sink, level="INFO")
    yield lines
    logger.remove(number)


@pytest.mark.parametrize("reason", [IMPLAUSIBLE_TIME, PRICE_COLLAR, "whatever comes to be a reason"])
def test_a_symbol_whose_ticks_are_all_refused_says_so_and_why(said: list[tuple[str, str, str]], reason: str) -> None:
    feed = Feed()
    for n in range(60):
        chains = feed.hear(trade(n / 10, symbol="B"), refuse=("A", reason)).chains()
        assert chains["B"] == "RUNNING"
    assert chains["A"].startswith("UNUSED: none was used for 6 s: 60 " + reason)
    assert said == [("WARNING", "ticks.unused", "A")]
    for n in range(5):
        chains = feed.hear(trade(7 + n)).chains()
    assert chains["A"] == "RUNNING"
    assert said == [("WARNING", "ticks.unused", "A"), ("INFO", "ticks.used", "A")]


def test_a_symbol_whose_ticks_are_all_late_says_so(said: list[tuple[str, str, str]]) -> None:
    feed = Feed().hear(trade(3600))
    feed.chains()
    for n in range(60):
        chains = feed.hear(trade(n / 10)).chains()
    assert chains["A"].startswith("UNUSED: none was used")
    assert f"60 {LATE}" in chains["A"]
    assert said == [("WARNING", "ticks.unused", "A")]


def test_a_symbol_that_never_had_a_tick_that_could_be_used_is_shown_too() -> None:
    feed = Feed()
    for _ in range(60):
        chains = feed.hear(refuse=("C", IMPLAUSIBLE_TIME)).chains()
    assert chains["C"].startswith("UNUSED")


def test_a_few_that_are_refused_among_others_are_no_state(said: list[tuple[str, str, str]]) -> None:
    feed = Feed()
    for n in range(200):
        chains = feed.hear(*([trade(n / 10)] if n % 5 == 0 else []), refuse=("A", IMPLAUSIBLE_TIME)).chains()
        assert chains["A"] == "RUNNING"
    assert said == []


def test_a_feed_of_which_one_tick_in_forty_is_used_says_so_once(said: list[tuple[str, str, str]]) -> None:
    """The same four seconds again and again: only the last tick of each round is no older than the one before."""
    feed = Feed()
    for n in range(400):
        chains = feed.hear(trade(n % 40 / 10)).chains()
    assert chains["A"].startswith("UNUSED: only ")
    assert said == [("WARNING", "ticks.unused", "A")]


def test_two_strays_of_a_quiet_symbol_are_no_state() -> None:
    feed = Feed()
    for n in range(200):
        feed.now += AFTER_S
        chains = feed.hear(trade(n, symbol="B"), refuse=("A", PRICE_COLLAR) if n in (5, 100) else None).chains()
    assert chains["A"] == "RUNNING"


def test_a_feed_of_which_nothing_can_be_read_is_a_state_of_every_symbol(said: list[tuple[str, str, str]]) -> None:
    feed = Feed()
    for _ in range(60):
        chains = feed.hear(Refused("not JSON")).chains()
    assert set(chains) == {"A", "B"}
    assert all(chain.startswith("UNUSED: none was used") and "60 not JSON" in chain for chain in chains.values())
    assert said == [("WARNING", "ticks.unused", "")]
    assert set(feed.hear(trade(9)).chains().values()) == {"RUNNING"}


def test_what_nobody_asked_for_is_no_tick_of_ours() -> None:
    feed = Feed()
    for _ in range(100):
        chains = feed.hear(Refused(NOT_SUBSCRIBED)).chains()
    assert set(chains.values()) == {"RUNNING"}


def test_a_session_that_begins_anew_counts_from_its_own_start() -> None:
    feed = Feed().hear(trade(3600))
    for n in range(20):
        feed.hear(trade(n / 10)).chains()
    feed.session = Session().feed(trade(0))
    feed.telemetry.follow(feed.session.core, "paper", 0)
    assert feed.hear(trade(1)).chains() == {"A": "RUNNING"}
    assert at(1) == feed.session.core.now
