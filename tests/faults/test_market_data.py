"""Faults of market data: one bot at the mock exchange lives through them all, each seen where a person would look."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from actors.feeds.backoff import BackOff
from actors.feeds.websocket import FeedSettings
from actors.messages import SignalRaised
from mock_exchange.faults import Faults
from mock_exchange.market import tape
from mock_exchange.market_data_faults import MarketDataFaults
from pipeline.admission import (
    BAD_PRICE,
    CROSSED_QUOTE,
    DUPLICATE,
    IMPLAUSIBLE_TIME,
    NOT_SUBSCRIBED,
    PRICE_COLLAR,
    Admission,
    AdmissionSettings,
)
from pipeline.events import NEW_LEVEL, SECOND, Gap, Quote, Trade
from pipeline.strategy import StrategySettings, momentum_burst
from pipeline.venue_clock import VenueClock
from pipeline.venues.dialect import EMPTY_QUOTE, UNKNOWN_TYPE
from pipeline.venues.jsonl import NOT_JSON
from tests.support.faults import Struck, resident_bytes
from tests.support.live import wait_until
from tests.support.market import START
from tests.support.sessions import Session

FIRST_S, MOST_S = 0.05, 0.5
"""Delays before a reconnect, as the bot of these tests is set."""


def delays_grow(struck: Struck, tries: int) -> None:
    """Wait for so many tries in a row; each one waits twice as long as the one before, less a random part of it."""
    wait_until(lambda: len(struck.log.of("feed.reconnecting")) >= tries)
    waits = struck.log.of("feed.reconnecting")[:tries]
    first = waits[0]["failures"]
    assert [wait["failures"] for wait in waits] == list(range(first, first + tries))
    for wait in waits:
        longest = min(MOST_S, FIRST_S * 2 ** (wait["failures"] - 1))
        assert longest / 2 - 0.001 <= wait["delay_s"] <= longest + 0.001


# ------------------------------------------------------------------------------------------------------- connections


def test_a_connection_that_is_cut_ten_times_is_made_again_and_every_tick_counts_once(struck: Struck) -> None:
    struck.strike("drop:12")
    wait_until(lambda: len(struck.log.of("feed.changed", state="LIVE")) >= 10)
    struck.recovers()
    waits = struck.log.of("feed.reconnecting")
    assert max(wait["failures"] for wait in waits) >= 5  # data had come each time, and none of them has lasted
    assert len({wait["delay_s"] for wait in waits}) > 3
    assert len(struck.fed(Gap)) == len(struck.log.of("feed.changed", state="LIVE"))
    trades = [(trade.symbol, trade.id, trade.ts) for trade in struck.fed(Trade)]
    assert len(trades) == len(set(trades))
    assert [notice for notice in struck.bot.state["notices"] if notice["text"].startswith("feed DOWN")]


def test_a_connection_that_is_cut_before_any_data_is_made_again_later_each_time(struck: Struck) -> None:
    struck.strike("drop:0")
    delays_grow(struck, 5)
    struck.recovers()


def test_a_connection_limit_is_waited_for_with_growing_delays(struck: Struck) -> None:
    struck.cut("refuse:406")
    delays_grow(struck, 5)
    assert any("406" in line["reason"] for line in struck.log.of("feed.changed", state="DOWN"))
    assert struck.bot.state["feed"]["state"] != "LIVE"
    struck.recovers()


@pytest.mark.parametrize("luck", [0.0, 0.5, 1.0])
def test_a_minute_of_refusals_is_met_by_at_most_twelve_connections(luck: float) -> None:
    settings = FeedSettings()
    back_off = BackOff(settings.first_delay_s, settings.most_delay_s, Chance(luck))
    now, connections = 0.0, 0
    while now < 60:
        connections += 1
        now += back_off.next()
    assert 3 <= connections <= 12


class Chance(Random):
    """Dice that always fall alike."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self._value = value

    def random(self) -> float:
        return self._value


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_handshake_that_is_refused_for_now_is_tried_again_later_each_time(status: int, struck: Struck) -> None:
    struck.cut(f"handshake:{status}")
    delays_grow(struck, 3)
    assert any(str(status) in line["reason"] for line in struck.log.of("feed.changed", state="DOWN"))
    struck.recovers()


def test_frames_of_two_mebibytes_cost_a_connection_each_and_no_memory(struck: Struck) -> None:
    def refusals() -> list[str]:
        return [line["reason"] for line in struck.log.of("feed.changed") if "max_frame_bytes" in line["reason"]]

    struck.strike("oversized:0.5")
    wait_until(lambda: len(refusals()) >= 3)  # from here on, whatever they cost once is paid
    before = resident_bytes(struck.bot.process.pid)
    wait_until(lambda: len(refusals()) >= 13)
    assert resident_bytes(struck.bot.process.pid) - before < 5 * FRAME
    struck.recovers()


FRAME = 2 << 20


# ------------------------------------------------------------------------------------------------- what the feed says


def test_frames_that_cannot_be_read_are_dropped_and_counted_and_the_next_tick_is_taken(struck: Struck) -> None:
    struck.strike("malformed:0.3")
    struck.refused(30)
    struck.goes_on()
    assert not struck.log.of("feed.changed")  # not one connection was lost over it
    assert NOT_JSON in struck.reasons()
    struck.recovers()


def test_prices_that_cannot_be_reach_nobody(struck: Struck) -> None:
    before = prices(struck)
    struck.strike("bad_prices:0.4")
    struck.refused(40)
    struck.recovers()
    assert struck.reasons() >= {NOT_JSON, BAD_PRICE, PRICE_COLLAR}
    for trade in struck.fed(Trade):
        assert trade.price == pytest.approx(before[trade.symbol], rel=0.1)


def prices(struck: Struck) -> dict[str, float]:
    """Return the last prices on the dashboard."""
    return {name: view["price"] for name, view in struck.bot.state["symbols"].items()}


def test_ticks_told_twice_or_out_of_order_count_once_and_move_nothing_back(struck: Struck) -> None:
    late = struck.bot.state["metrics"]["ticks_late"]
    struck.strike("duplicates:0.4", "reorder:0.4")
    struck.refused(30)
    struck.bot.until(lambda state: state["metrics"]["ticks_late"] >= late + 5)
    struck.recovers()
    assert DUPLICATE in struck.reasons()
    trades = [(trade.symbol, trade.id, trade.ts) for trade in struck.fed(Trade)]
    assert len(trades) == len(set(trades))


SYMBOLS = ("AAPL", "MSFT")
LIVELY = StrategySettings(
    window_size=5.0, entry_threshold=0.0001, volume_spike_multiplier=0.5, volatility_guard_threshold=0.0001
)
EVENTS: msgspec.json.Decoder[Trade | Quote] = msgspec.json.Decoder(Trade | Quote)


def test_a_market_told_twice_gives_the_signals_of_a_market_told_once() -> None:
    def signals(*faults: str) -> list[SignalRaised]:
        session = Session(entries=momentum_burst(LIVELY).entries, strategy=LIVELY)
        clock = VenueClock(60.0)
        clock.declare(START, 1.0, 0)
        admission = Admission(AdmissionSettings(), clock, SYMBOLS)
        market_data_faults = MarketDataFaults(Faults(7, faults))
        for event in tape(SYMBOLS, 7, START, 600):
            told = [EVENTS.decode(msgspec.json.encode(it)) for it in market_data_faults([event])]
            session.feed(*admission.admit(told, event.ts - START))
        return [msgspec.structs.replace(fact, input=0, decision="") for fact in session.of(SignalRaised)]

    once = signals()
    assert len(once) > 10
    assert signals("duplicates:0.5") == once


def test_a_price_ten_times_too_high_is_held_back(struck: Struck) -> None:
    before = prices(struck)
    struck.strike("spikes:0.1")
    struck.refused(10)
    struck.recovers()
    assert PRICE_COLLAR in struck.reasons()
    for trade in struck.fed(Trade):
        assert trade.price == pytest.approx(before[trade.symbol], rel=0.1)


def test_a_price_that_stays_ten_times_as_high_is_the_new_level_after_five_trades(struck: Struck) -> None:
    before = prices(struck)
    struck.strike("spikes:1")
    struck.bot.until(lambda state: all(state["symbols"][name]["price"] > 5 * before[name] for name in before))
    struck.exchange.strike()
    struck.bot.until(lambda state: all(state["symbols"][name]["price"] < 2 * before[name] for name in before))
    struck.recovers()
    assert [gap.symbol for gap in struck.fed(Gap) if gap.reason == NEW_LEVEL].count("AAPL") >= 2


def test_times_an_hour_off_are_flagged_and_not_traded_on(struck: Struck) -> None:
    struck.strike("late_times:0.3", "future_times:0.3")
    struck.refused(40)
    struck.recovers()
    assert IMPLAUSIBLE_TIME in struck.reasons()
    times = [event.ts for event in struck.fed(Trade)]
    assert max(times) - min(times) < 600 * SECOND


def test_quotes_that_are_crossed_locked_or_empty_price_no_order(struck: Struck) -> None:
    trades = struck.bot.state["metrics"]["trades"]
    struck.strike("crossed:0.6")
    struck.refused(30)
    struck.bot.until(lambda state: state["metrics"]["trades"] > trades)
    struck.recovers()
    assert struck.reasons() >= {CROSSED_QUOTE, EMPTY_QUOTE}
    assert all(0 < quote.bid < quote.ask for quote in struck.fed(Quote))


def test_strange_symbols_and_messages_are_ignored_and_counted(struck: Struck) -> None:
    struck.strike("strangers:0.3")
    struck.refused(20)
    struck.recovers()
    assert struck.reasons() >= {NOT_SUBSCRIBED, UNKNOWN_TYPE}
    assert set(struck.bot.state["symbols"]) == {"AAPL", "MSFT"}
