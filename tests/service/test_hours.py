"""The market's hours: known on every day of a bot that runs for months, with early closes and both changes of DST."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from actors.messages import MarketHours, Refusal
from actors.risk.venue_facts import VenueFacts
from pipeline.events import SECOND, Clock, Side, Trade
from pipeline.strategy import StrategySettings
from service.live.hours import DAY_NS, Hours, market_hours
from tests.support.sessions import Session

NEW_YORK = ZoneInfo("America/New_York")
MINUTE = 60 * SECOND
FOR_DAYS = StrategySettings(profit_target=0.5, stop_loss=0.4, time_stop_seconds=1e6, flat_seconds=10**6)


def ns(text: str) -> int:
    """Return a local time of New York in ns."""
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * SECOND


def _calendar(name: str, now: int) -> MarketHours:
    """Stand for the exchange's calendar: weekdays from 9:30 to 16:00, for eleven days."""
    day = datetime.fromtimestamp(now // SECOND, UTC).date() - timedelta(days=1)
    days = [day + timedelta(n) for n in range(12)]
    return MarketHours(
        tuple((ns(f"{d} 09:30"), ns(f"{d} 16:00")) for d in days if d.weekday() < 5),
        now,
    )


class Noon:
    """What the hours allow, minute by minute, of a bot that runs on."""

    def __init__(self, hours: Hours) -> None:
        self.hours = hours
        self.facts = VenueFacts(with_broker=False)
        self.session = Session().feed(Trade("A", 1, 100.0, 1.0))
        self.reads = 0

    def is_open(self, now: int) -> bool:
        """Look for news of the hours, as the bot does, and say whether an entry is allowed."""
        if self.hours.due(now):
            self.reads += 1
            self.facts.remember(self.hours.read(now))
        refusal = self.facts.refusal(self.session.core.symbol_view("A"), Side.LONG, Decimal(1), now, 0)
        assert refusal in (None, Refusal.MARKET_CLOSED)
        return refusal is None


def test_the_market_is_as_open_on_day_sixty_as_on_the_first() -> None:
    """It was read once, for ten days: then every signal was refused as MARKET_CLOSED."""
    noon = Noon(Hours("XNYS", _calendar))
    day = datetime(2026, 10, 1, 12, tzinfo=NEW_YORK)  # with the end of daylight saving on the way
    for n in range(60):
        now = int((day + timedelta(n)).timestamp()) * SECOND
        weekday = (day + timedelta(n)).weekday() < 5
        assert noon.is_open(now) is weekday, day + timedelta(n)
        assert noon.is_open(now + 5 * 3600 * SECOND) is False
    assert noon.reads in range(60, 125)  # once a day, or when the night begins in London; not at every look


def test_hours_are_not_read_before_any_time_is_known_nor_twice_on_a_day() -> None:
    hours = Hours("XNYS", _calendar)
    now = ns("2026-10-05 12:00")
    assert not hours.due(0)
    assert hours.due(now)
    hours.read(now)
    assert not hours.due(now + MINUTE)
    assert hours.due(now + DAY_NS)
    assert hours.due(now - DAY_NS)  # the feed has gone back: its day is another


def test_a_calendar_that_cannot_be_read_is_tried_again_before_long_and_not_at_once() -> None:
    def broken(name: str, now: int) -> MarketHours:
        raise OSError("no calendar today")

    hours = Hours("XNYS", broken)
    now = ns("2026-10-05 12:00")
    with pytest.raises(OSError, match="no calendar"):
        hours.read(now)
    assert not hours.due(now + MINUTE)
    assert hours.due(now + 16 * MINUTE)


def test_a_calendar_that_was_read_and_cannot_be_read_the_next_day_is_tried_again_before_long() -> None:
    answers = [MarketHours(((0, ns("2026-12-31 12:00")),), 0)]
    hours = Hours("XNYS", lambda name, now: answers.pop())
    hours.read(ns("2026-10-05 12:00"))
    now = ns("2026-10-06 12:00")
    with pytest.raises(IndexError):
        hours.read(now)
    assert not hours.due(now + MINUTE)
    assert hours.due(now + 16 * MINUTE)


def test_hours_that_run_out_are_read_again_on_the_same_day() -> None:
    hours = Hours("XNYS", lambda name, now: MarketHours(((now - 1, now + DAY_NS // 2),), now))
    now = ns("2026-10-05 06:00")
    hours.read(now)
    assert hours.due(now + 16 * MINUTE)


def test_no_known_session_is_a_closed_market_and_not_one_that_never_closes() -> None:
    noon = Noon(Hours("XNYS", lambda name, now: MarketHours((), now)))
    assert not noon.is_open(ns("2026-10-05 12:00"))


def test_hours_that_are_told_each_day_close_the_positions_once_a_day() -> None:
    session = Session(strategy=FOR_DAYS)
    hours = Hours("XNYS", _calendar)
    start = ns("2026-10-05 12:00")
    session.feed(Clock(start))
    for n in range(5):  # Monday to Friday
        now = start + n * DAY_NS
        session.feed(Clock(now), hours.read(now), hours.read(now))
        session.feed(Trade("A", now, 100.0, 1.0), Trade("A", now + 1, 100.0, 1.0, id="LONG"))
        session.feed(Clock(ns(f"2026-10-{5 + n:02d} 15:57:59")))
        assert len(session.trades) == n
        session.feed(Clock(ns(f"2026-10-{5 + n:02d} 15:58:00")))
        assert session.exits == ["CLOSE"] * (n + 1)
    of_exits = 2 * len(session.trades)  # the time stop and the fallback of each: cancelled, and kept until they are due
    assert session.core.clock.waiting - of_exits < 5  # no timers of the hours pile up


def test_hours_that_are_told_before_any_time_is_known_close_nothing_when_it_is() -> None:
    """The first close among them may be yesterday's."""
    start = ns("2026-10-06 12:00")
    before = Session(strategy=FOR_DAYS).feed(
        Trade("A", start, 100.0, 1.0), Trade("A", start + 1, 100.0, 1.0, id="LONG")
    )
    session = Session(strategy=FOR_DAYS)
    session.core.run([_calendar("XNYS", start), before.core.book(), Clock(start + SECOND)])
    assert session.core.positions.open
    session.core.run([_calendar("XNYS", start), Trade("A", start + 2 * SECOND, 100.0, 1.0)])
    assert not session.trades
    session.core.run([Clock(ns("2026-10-06 15:58:00"))])
    assert session.exits == ["CLOSE"]


def test_an_early_close_that_is_announced_later_counts() -> None:
    start = ns("2026-11-27 11:00")
    session = Session(strategy=FOR_DAYS).feed(
        Trade("A", start, 100.0, 1.0), Trade("A", start + 1, 100.0, 1.0, id="LONG")
    )
    session.feed(MarketHours(((ns("2026-11-27 09:30"), ns("2026-11-27 16:00")),), start))
    session.feed(MarketHours(((ns("2026-11-27 09:30"), ns("2026-11-27 13:00")),), start))
    session.feed(Clock(ns("2026-11-27 12:58:00")))
    assert session.exits == ["CLOSE"]


def test_the_real_calendar_knows_early_closes_holidays_and_both_changes_of_daylight_saving() -> None:
    noon = Noon(Hours("XNYS"))
    expected = {
        "2026-10-30 15:59": True,  # the last day of daylight saving
        "2026-11-02 09:29": False,
        "2026-11-02 09:31": True,
        "2026-11-26 12:00": False,  # Thanksgiving
        "2026-11-27 12:59": True,
        "2026-11-27 13:01": False,  # the early close after it
        "2026-11-30 15:59": True,
        "2027-03-12 09:31": True,
        "2027-03-15 09:29": False,  # daylight saving again
        "2027-03-15 09:31": True,
        "2027-03-15 16:01": False,
    }
    for text, is_open in expected.items():
        assert noon.is_open(ns(text)) is is_open, text
    assert market_hours("XNYS", ns("2026-11-27 12:00")).sessions
