"""Trading hours at the mock exchange: when it is open, what waits until it is, and nights that are skipped."""

from __future__ import annotations

from datetime import date
from itertools import pairwise, takewhile
from typing import Any

import msgspec
import pytest

from mock_exchange.alpaca.calls import Request
from mock_exchange.alpaca.rest import respond
from mock_exchange.broadcast import Broadcast
from mock_exchange.events import SECOND, Event, Quote, Trade
from mock_exchange.exchange import Exchange
from mock_exchange.faults import Faults
from mock_exchange.market import NIGHT_EDGE, Market, tape
from mock_exchange.settings import ExchangeSettings, parse_start_at
from mock_exchange.venue import hours
from mock_exchange.venue_state import VenueState

SYMBOLS = ("AAPL", "MSFT")


def ns(text: str) -> int:
    """Return an ISO time with its offset in ns since the epoch."""
    found = parse_start_at(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("at", "is_open", "opens", "closes"),
    [
        ("2026-10-30T09:29:59-04:00", False, "2026-10-30T09:30:00-04:00", "2026-10-30T16:00:00-04:00"),
        ("2026-10-30T09:30:00-04:00", True, "2026-11-02T09:30:00-05:00", "2026-10-30T16:00:00-04:00"),  # DST ends
        ("2026-10-30T16:00:00-04:00", False, "2026-11-02T09:30:00-05:00", "2026-11-02T16:00:00-05:00"),
        ("2027-03-12T16:00:00-05:00", False, "2027-03-15T09:30:00-04:00", "2027-03-15T16:00:00-04:00"),  # it begins
        ("2026-11-26T12:00:00-05:00", False, "2026-11-27T09:30:00-05:00", "2026-11-27T13:00:00-05:00"),  # Thanksgiving
        ("2026-11-27T12:59:59-05:00", True, "2026-11-30T09:30:00-05:00", "2026-11-27T13:00:00-05:00"),  # early close
        ("2026-11-27T13:00:00-05:00", False, "2026-11-30T09:30:00-05:00", "2026-11-30T16:00:00-05:00"),
        ("2026-12-31T20:00:00-05:00", False, "2027-01-04T09:30:00-05:00", "2027-01-04T16:00:00-05:00"),  # a new year
    ],
)
def test_the_hours_are_those_of_new_york(at: str, is_open: bool, opens: str, closes: str) -> None:
    ts = ns(at)
    assert hours.is_open(ts) is is_open
    assert hours.next_open(ts) == ns(opens)
    assert hours.close_after(ts) == ns(closes)


@pytest.mark.parametrize(("hour", "overnight"), [(3, True), (4, False), (19, False), (20, True)])
def test_the_overnight_session_is_from_twenty_to_four(hour: int, overnight: bool) -> None:
    assert hours.is_overnight(ns(f"2026-11-25T{hour:02}:00:00-05:00")) is overnight


def test_outside_the_hours_nothing_happens_and_prices_go_on_where_they_were() -> None:
    start = ns("2026-11-27T12:58:00-05:00")
    events = list(tape(SYMBOLS, 7, start, 68 * 3600 + 36 * 60, hours.sessions_from))
    gaps = [(a, b) for a, b in pairwise(events) if b.ts - a.ts > 3600 * SECOND]
    ((last, first),) = gaps
    assert last.ts < ns("2026-11-27T13:00:00-05:00") <= last.ts + 60 * SECOND
    assert 0 <= first.ts - ns("2026-11-30T09:30:00-05:00") < 60 * SECOND
    trades = [event for event in events if isinstance(event, Trade) and event.symbol == "AAPL"]
    assert max(abs(b.price / a.price - 1) for a, b in pairwise(trades)) < 0.005
    for symbol in SYMBOLS:
        times = [event.ts for event in events if event.symbol == symbol]
        assert times == sorted(set(times))


def test_without_hours_the_tape_is_what_it_was() -> None:
    start = ns("2026-11-27T12:59:50-05:00")
    always = list(tape(SYMBOLS, 7, start, 60))
    kept = takewhile(
        lambda event: event.ts < ns("2026-11-27T13:00:00-05:00"), Market(SYMBOLS, 7, start, hours.sessions_from)
    )
    expected = [event for event in always if event.ts < ns("2026-11-27T13:00:00-05:00")]
    assert list(kept) == expected
    assert len(always) > len(expected)


class Floor:
    """A venue that keeps hours, and one account, from a time on."""

    def __init__(self, start: str, cash: int = 100_000, **words: Any) -> None:
        self.now = ns(start)
        settings = ExchangeSettings(history_events=1_000, trading_hours=True, cash=cash, **words)
        self.venue = VenueState(settings, ["ANN"], self.now)

    def at(self, time: str) -> None:
        self.now = ns(time)

    def show(self, price: float) -> None:
        self.venue.advance([Quote(symbol, self.now, price, price + 0.02, 500, 500) for symbol in SYMBOLS])

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        raw = msgspec.json.encode(body) if body is not None else b""
        answer = respond(self.venue, "ANN", Request(method, path, query, raw), self.now)
        return answer.status, msgspec.json.decode(answer.body) if answer.body else None

    def order(self, **words: Any) -> tuple[int, Any]:
        body = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"} | words
        return self.ask("POST", "/v2/orders", body)

    def status(self, order: Any) -> str:
        return str(self.ask("GET", f"/v2/orders/{order['id']}")[1]["status"])


def test_the_clock_and_the_calendar_say_when_it_is_open() -> None:
    floor = Floor("2026-11-25T15:59:59-05:00")
    status, clock = floor.ask("GET", "/v2/clock")
    assert (status, clock["is_open"], clock["next_close"]) == (200, True, "2026-11-25T16:00:00-05:00")
    floor.at("2026-11-25T16:00:00-05:00")
    _, clock = floor.ask("GET", "/v2/clock")
    assert clock == {
        "timestamp": "2026-11-25T16:00:00-05:00",
        "is_open": False,
        "next_open": "2026-11-27T09:30:00-05:00",
        "next_close": "2026-11-27T13:00:00-05:00",
    }
    _, days = floor.ask("GET", "/v2/calendar", start="2026-11-25", end="2026-11-30")
    assert [(day["date"], day["open"], day["close"], day["settlement_date"]) for day in days] == [
        ("2026-11-25", "09:30", "16:00", "2026-11-27"),
        ("2026-11-27", "09:30", "13:00", "2026-11-30"),
        ("2026-11-30", "09:30", "16:00", "2026-12-01"),
    ]
    assert {(day["session_open"], len(day)) for day in days} == {("0400", 6)}


def test_an_order_outside_the_hours_waits_for_the_open() -> None:
    floor = Floor("2026-11-27T12:59:00-05:00")
    floor.show(100.0)
    floor.at("2026-11-27T13:00:00-05:00")
    _, market = floor.order()
    _, limit = floor.order(type="limit", limit_price="99", qty="1")
    _, at_once = floor.order(time_in_force="ioc")
    assert [floor.status(order) for order in (market, limit, at_once)] == ["new", "new", "canceled"]
    floor.at("2026-11-30T09:30:00-05:00")
    floor.show(100.0)
    assert [floor.status(order) for order in (market, limit)] == ["filled", "new"]


def test_a_day_order_ends_at_the_close_also_at_an_early_one() -> None:
    floor = Floor("2026-11-27T12:59:00-05:00")
    floor.show(100.0)
    _, day = floor.order(type="limit", limit_price="99")
    _, stays = floor.order(type="limit", limit_price="99", time_in_force="gtc")
    assert floor.status(day) == "new"
    floor.at("2026-11-27T13:00:00-05:00")
    floor.venue.matching.roll(floor.now)
    assert [floor.status(order) for order in (day, stays)] == ["expired", "new"]


def test_while_it_is_closed_a_market_order_counts_by_the_last_trade() -> None:
    floor = Floor("2026-11-27T12:59:00-05:00", cash=1_000)
    floor.show(99.98)
    floor.venue.advance([Trade("AAPL", floor.now, 99.99, 1, 99.98, 100.0, 1)])
    floor.show(100.0)  # at the ask of 100.02, ten shares are too dear
    assert floor.order()[1]["cost_basis"] == "1000.2"
    floor.at("2026-11-27T13:00:00-05:00")
    assert floor.order()[0] == 200


def test_overnight_no_more_than_twice_the_equity_is_carried() -> None:
    floor = Floor("2026-11-25T15:59:00-05:00")
    floor.show(100.0)
    powers = []
    for time in ("15:59:00", "19:59:59", "20:00:00"):
        floor.at(f"2026-11-25T{time}-05:00")
        powers.append(floor.ask("GET", "/v2/account")[1]["buying_power"])
        floor.venue.matching.roll(floor.now)
    floor.at("2026-11-25T20:00:01-05:00")
    account = floor.ask("GET", "/v2/account")[1]
    assert powers[:2] == ["400000", "400000"]
    assert (account["buying_power"], account["multiplier"]) == ("200000", "4")


def test_an_exchange_that_opens_at_night_has_prices_and_fills_nothing() -> None:
    floor = Floor("2026-11-28T12:00:00-05:00")
    assert floor.venue.matching.prices.keys() == set(SYMBOLS)
    status, order = floor.order()
    assert (status, floor.status(order)) == (200, "new")


class Running:
    """An exchange with a clock that the test turns."""

    def __init__(self, start: str, **words: Any) -> None:
        self.real_ns = 0
        self.events: list[Event] = []
        settings = ExchangeSettings(start_at=ns(start), trading_hours=True, speed=50.0, **words)
        faults = Faults(settings.seed)
        self.exchange = Exchange(settings, faults, lambda: 0, lambda: self.real_ns, self.take)
        self.exchange.advance()

    def take(self, sent: Broadcast) -> None:
        self.events += [event for event in sent._published if isinstance(event, Trade | Quote)]

    def run(self, seconds: float) -> int:
        """Let so many real seconds go by; return the market's time."""
        end = self.real_ns + round(seconds * SECOND)
        while self.real_ns < end:
            wait = max(1_000_000, round(self.exchange.seconds_to_next() * SECOND))
            self.real_ns = min(end, self.real_ns + wait)
            self.exchange.advance()
        return self.exchange.advance()


def test_a_night_that_is_skipped_begins_after_the_close_and_ends_before_the_open() -> None:
    running = Running("2026-11-25T15:59:00-05:00", skip_nights=True)
    opens = ns("2026-11-27T09:30:00-05:00")
    assert running.run(1.2 + 5.9) < ns("2026-11-25T16:05:00-05:00")
    assert opens - NIGHT_EDGE <= running.run(0.2) < opens
    assert all(event.ts < ns("2026-11-25T16:00:00-05:00") for event in running.events)
    assert running.run(6.2) >= opens
    assert running.events[-1].ts >= opens


def test_a_night_that_is_not_skipped_lasts_as_long_as_it_does() -> None:
    running = Running("2026-11-25T15:59:00-05:00")
    assert running.run(20) == ns("2026-11-25T16:15:40-05:00")


def test_only_a_market_with_hours_has_nights() -> None:
    with pytest.raises(ValueError, match="skip_nights needs trading_hours"):
        ExchangeSettings(skip_nights=True)


def test_the_sessions_of_dates_include_both() -> None:
    found = hours.sessions_of(date(2026, 12, 31), date(2027, 1, 4))
    assert [str(hours.date_of(session)) for session in found] == ["2026-12-31", "2027-01-04"]
