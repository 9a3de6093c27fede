"""The limit on requests: kept whatever is asked, with room for what is urgent, and at the real venue's count."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.brokers.alpaca.messages import Answer, Quota, RequestKind
from actors.brokers.alpaca.request_budget import RequestBudget
from actors.messages import Report
from actors.orders import CancelOrder, OrderRole, OrderSide, SubmitOrder
from mock_exchange.alpaca.calls import Response
from mock_exchange.alpaca.rate_limit import Quota as Counted
from pipeline.events import SECOND
from simulation.broker_driver import BrokerDriver
from simulation.chance import Chance
from simulation.faults import MORNING, Faults
from simulation.scheduler import VirtualScheduler
from simulation.venue import Venue

LIMIT, MINUTE = 40, 60 * SECOND
OK = Answer(200, b"")


def most_in_a_minute(times: list[int]) -> int:
    """Return how many of those times (sorted, ns) lie within one minute at the most."""
    return max((bisect.bisect_left(times, time + MINUTE) - i for i, time in enumerate(times)), default=0)


steps = st.lists(st.tuples(st.integers(0, 20 * SECOND), st.sampled_from(RequestKind)), max_size=300)


@given(steps)
def test_the_limit_is_kept_and_a_request_goes_out_when_it_is_said_to(
    steps: list[tuple[int, RequestKind]],
) -> None:
    budget, now, sent = RequestBudget(LIMIT), 0, []
    for delay, kind in steps:
        now = max(now + delay, budget.free_at(kind, now + delay))
        assert budget.has_room(kind, now)
        budget.note_sent(kind, now)
        sent.append(now)
    assert most_in_a_minute(sent) <= LIMIT


@given(st.lists(st.sampled_from(RequestKind), max_size=80))
def test_what_is_less_urgent_leaves_room_for_what_is_more(kinds: list[RequestKind]) -> None:
    budget = RequestBudget(LIMIT)
    for kind in kinds:
        if budget.has_room(kind, 0):
            budget.note_sent(kind, 0)
        has_room = [budget.has_room(other, 0) for other in RequestKind if other is not RequestKind.READING]
        assert has_room == sorted(has_room, reverse=True)
    if RequestKind.EXIT not in kinds:
        assert budget.has_room(RequestKind.EXIT, 0)


def test_readings_keep_a_little_of_their_own_where_orders_take_their_share() -> None:
    budget = RequestBudget(LIMIT)
    for _ in range(26):  # 65 % of it: no entry has room
        budget.note_sent(RequestKind.ENTRY, 0)
    assert not budget.has_room(RequestKind.ENTRY, 0)
    readings = 0
    while budget.has_room(RequestKind.READING, 0):
        budget.note_sent(RequestKind.READING, 0)
        readings += 1
    assert readings == 1
    assert budget.free_at(RequestKind.READING, 0) == 61 * SECOND // 6


def test_the_venues_own_count_is_believed_where_it_is_stricter() -> None:
    budget = RequestBudget(LIMIT)
    budget.note_sent(RequestKind.READING, 0)
    budget.note_outcome(Answer(200, b"", Quota(LIMIT, 2, 30.0)), 0)  # somebody else asked 37 times
    assert [kind for kind in RequestKind if budget.has_room(kind, 0)] == [RequestKind.EXIT]
    assert budget.free_at(RequestKind.ENTRY, 0) == 30 * SECOND
    budget.note_sent(RequestKind.EXIT, 0)
    budget.note_sent(RequestKind.EXIT, 0)
    assert budget.free_at(RequestKind.EXIT, 0) == 30 * SECOND
    budget.note_outcome(Answer(200, b"", Quota(10, 10, 60.0)), 31 * SECOND)  # and the limit itself
    assert [budget.has_room(kind, 31 * SECOND) for kind in (RequestKind.EXIT, RequestKind.READING)] == [True, True]
    for _ in range(2):
        budget.note_sent(RequestKind.READING, 31 * SECOND)
    assert not budget.has_room(RequestKind.READING, 31 * SECOND)  # three and two in the minute: half of ten


def test_after_a_refusal_that_does_not_say_until_when_one_request_at_a_time_tries() -> None:
    budget = RequestBudget(LIMIT)
    budget.note_outcome(Answer(429, b""), 0)
    assert (budget.free_at(RequestKind.EXIT, 0), budget.free_at(RequestKind.READING, 0)) == (SECOND, 5 * SECOND)
    budget.note_sent(RequestKind.EXIT, SECOND)
    assert budget.free_at(RequestKind.EXIT, SECOND) == 2 * SECOND
    assert budget.free_at(RequestKind.STOP, SECOND) == 6 * SECOND
    budget.note_outcome(OK, SECOND + 1)
    assert budget.has_room(RequestKind.READING, SECOND + 1)


@pytest.mark.parametrize("speed", [1.0, 20.0])
def test_a_minute_is_one_of_the_venues_clock(speed: float) -> None:
    budget = RequestBudget(LIMIT, speed)
    for _ in range(LIMIT):
        budget.note_sent(RequestKind.EXIT, 0)
    assert budget.free_at(RequestKind.EXIT, 1) == pytest.approx(61 * SECOND / speed)


# ------------------------------------------------------------------------- ten minutes without the trading stream


@dataclass(frozen=True)
class Call:
    """A call of ours, as the venue saw it."""

    name: str  # of an order that is sent: its id
    at: int  # ns
    reset_at: int  # when the venue's minute ends, ns
    refused: bool  # it was one too many


class CountingVenue(Venue):
    """The mock exchange, and a note of every call of ours."""

    calls: list[Call]

    def call(
        self, method: str, path: str, body: bytes, now: int, query: Mapping[str, str] | None = None
    ) -> tuple[Response, Counted]:
        response, quota = super().call(method, path, body, now, query)
        name = msgspec.json.decode(body)["client_order_id"] if method == "POST" else f"{method} {path}"
        self.calls.append(Call(name, now, now + quota.reset_in_ns, refused=quota.exceeded))
        return response, quota


class Outage:
    """Ten minutes: the trading stream is down, orders are in flight, and others may use up the account's requests."""

    def __init__(self, others: int, *, hides_limit: bool) -> None:
        self.scheduler = scheduler = VirtualScheduler(MORNING)
        chance = Chance(5, lambda: scheduler.now)
        faults = Faults(hides_limit=hides_limit)
        self.venue = CountingVenue(("AAPL", "MSFT"), 5, MORNING, faults, chance)
        self.venue.calls = []
        self.reports: list[Report] = []
        self.wanted: dict[str, int] = {}  # exits: when they were
        self.driver = BrokerDriver(
            scheduler,
            self.venue,
            faults,
            chance,
            lambda: scheduler.now,
            lambda order: True,
            self.reports.extend,
        )
        self.move()
        scheduler.run_to(MORNING + 5 * SECOND)
        self.driver.start()
        scheduler.run_to(MORNING + 10 * SECOND)
        self.venue.refuses_until = MORNING + 620 * SECOND
        self.driver.disconnect("cut")
        for minute in range(10):
            scheduler.after(60 * minute + 20, lambda: self.others_ask(others))

    def others_ask(self, times: int) -> None:
        for _ in range(times):
            Venue.call(self.venue, "GET", "/v2/clock", b"", self.scheduler.now)

    def move(self) -> None:
        self.venue.advance(self.scheduler.now)
        self.scheduler.after(0.1, self.move)

    def rest(self, id: str) -> None:
        limit = Decimal(1)
        self.driver.send(
            SubmitOrder(id, "MSFT", OrderSide.BUY, Decimal(1), "d", OrderRole.ENTRY, limit=limit, rests=True)
        )

    def hold(self) -> None:
        """Have a share to sell: bought past the line that is tested."""
        body = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
        assert self.venue.ask("POST", "/v2/orders", msgspec.json.encode(body), self.scheduler.now).status == 200

    def leave(self, number: int) -> None:
        self.wanted[f"out-{number}"] = self.scheduler.now
        self.driver.send(SubmitOrder(f"out-{number}", "AAPL", OrderSide.SELL, Decimal(1), "d", OrderRole.EXIT))

    def run(self) -> None:
        """Ten resting orders, which are canceled and sent again over and over, and an exit each fourteen seconds."""
        for number in range(40):
            at = 14.0 * number
            for place in range(10):
                id = f"entry-{number}-{place}"
                self.scheduler.after(at, partial(self.rest, id))
                self.scheduler.after(at + 7, partial(self.driver.send, CancelOrder(id)))
            self.scheduler.after(at + 9, self.hold)
            self.scheduler.after(at + 11, partial(self.leave, number))
        self.scheduler.run_to(MORNING + 700 * SECOND)


@pytest.mark.parametrize("hides_limit", [False, True])
@pytest.mark.parametrize("others", [0, 190])
def test_ten_minutes_without_the_stream_stay_inside_the_limit_and_exits_go_first(
    others: int, *, hides_limit: bool
) -> None:
    outage = Outage(others, hides_limit=hides_limit)
    outage.run()
    calls = outage.venue.calls
    assert most_in_a_minute([call.at for call in calls]) <= 200
    assert len(calls) > 800  # the limit was near: nobody was idle
    tries_a_minute = 60 if hides_limit else 20
    assert sum(call.refused for call in calls) <= (10 * tries_a_minute if others else 0)  # who is refused waits
    done = {call.name: call for call in calls if not call.refused}
    for name, wanted in outage.wanted.items():
        call = done[name]
        reset_at = next(other.reset_at for other in reversed(calls) if other.at <= wanted)  # in force at that time
        if others and call.at > reset_at:  # no request could get through before
            assert call.at - reset_at <= (2 if hides_limit else 1) * SECOND, name
        else:
            assert call.at - wanted <= 2 * SECOND, name
    assert outage.venue.positions() == {}
