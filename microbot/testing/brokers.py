"""The conformance kit for brokers: the life of an order, and the faults of a venue, as tests that an adapter passes.

    from microbot.testing.brokers import Bench, BrokerTests

    class TestMyBroker(BrokerTests):
        def bench(self):
            return MyBench()        # your adapter, before a venue that can be made to fail

pytest collects the tests from the subclass. What a bench cannot bring about (`Bench.situations`) is skipped, by name.
Nothing here knows a venue: orders go in by `send`, reports come out, and what the venue itself holds is asked of the
bench. docs/BROKER.md says what an adapter promises.
"""

from __future__ import annotations

import abc
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeVar

import pytest

from actors.execution.order_cache import Order, OrderCache
from actors.execution.order_states import OrderEvent
from actors.messages import BrokerChanged, FeedState, Report
from actors.orders import (
    OVER,
    AccountReport,
    CancelOrder,
    CancelRefused,
    Execution,
    LookUpOrder,
    OrderCommand,
    OrderMissing,
    OrderRejected,
    OrderReport,
    OrderRole,
    OrderSide,
    OrderStatus,
    SubmitOrder,
    SubmitUnanswered,
)

__all__ = ["Bench", "BrokerAdapter", "BrokerTests", "Line", "Situation"]

R = TypeVar("R")

ONE = "mb-kit-1.1.X.entry.1"
TWO = "mb-kit-1.2.X.entry.1"
"""Ids as the bot makes them, which begin with `mb-kit-`: an adapter that asks `is_ours` has to know them by that."""

MANY = Decimal(2_000)
"""Shares that take a while to be filled one by one."""

OURS = "mb-kit-"


class Situation(StrEnum):
    """What a bench can bring about; `Bench.strike` turns those on that are faults."""

    # What the broker and its venue have
    ACCOUNT = "an account that is reported"
    LOOK_UPS = "orders can be asked for by our id"
    REFUSALS = "orders that cannot be paid are refused"
    PASSED_STOPS = "a stop that the market has passed is refused"
    GUARDED = "entries can be blocked, as the kill switch does"
    # Faults of the venue
    PARTIAL_FILLS = "an order is filled a share at a time"
    LATE_REJECTIONS = "an order is taken, and rejected afterwards"
    LOST_ANSWERS = "an order is taken, and its answer is lost"
    LOST_FILLS = "a fill is not told on the stream"
    DOUBLE_FILLS = "a fill is told twice"
    EARLY_FILLS = "a fill is told before the order is answered"
    LATE_CANCELS = "a cancel is confirmed, and fills go on for a while"
    DISORDER = "an update is told after the one that follows it"
    STREAM_MUTE = "the stream of updates is open, and tells nothing"
    STREAM_DOWN = "the stream of updates is down"
    GARBAGE = "the stream says what cannot be read, and tells of strangers"
    TOO_MANY = "requests are refused for their number"
    AWAY = "requests are answered by 5xx, and nothing is done"
    KEYS_REVOKED = "the keys are refused"
    FOREIGN = "an order and a position in the account are not ours"


class BrokerAdapter(Protocol):
    """The adapter, as the gate and the end of a session know it; with GUARDED also `block_entries`."""

    def send(self, effect: OrderCommand) -> None: ...

    def stop(self, timeout_s: float) -> bool: ...


class Bench(abc.ABC):
    """A venue of the adapter's author, and the adapter before it. The venue stays while brokers come and go."""

    symbol = "AAPL"
    shares = 5  # that the market fills at once
    far = Decimal(10)  # money: a limit to buy at, that the market does not reach
    passed = Decimal(100_000)  # money: a stop to sell at, that the market has passed
    dear = Decimal(10_000_000)  # shares that no account of this venue can pay
    patience_s = 30.0  # real seconds until something has to have been reported
    situations: frozenset[Situation] = frozenset()

    @abc.abstractmethod
    def connect(self, on_report: Callable[[list[Report]], None]) -> BrokerAdapter:
        """Start the adapter, and have it report there, on any thread."""

    @abc.abstractmethod
    def strike(self, *situations: Situation) -> None:
        """Turn on exactly these faults of the venue, and all others off."""

    @abc.abstractmethod
    def held(self) -> Decimal:
        """Return the shares that the account holds, as the venue itself knows it."""

    @abc.abstractmethod
    def orders(self) -> int:
        """Return how many orders the venue has taken so far, as it knows itself."""

    def turn(self) -> None:
        """Pass a little time, while a report is waited for: a venue without a clock of its own moves on by this."""
        time.sleep(0.01)


class Line:
    """One broker, what it was told, and what it reported: folded as the core folds it."""

    def __init__(self, bench: Bench) -> None:
        self.reports: list[Report] = []
        self.cache = OrderCache()
        self.wrong: list[str] = []  # reports that no adapter may make
        self._bench = bench
        self._lock = threading.Lock()
        self.broker = bench.connect(self._take)

    def send(self, effect: OrderCommand) -> None:
        """Send an effect, as the gate does."""
        if isinstance(effect, SubmitOrder) and self.cache.get(effect.id) is None:
            self.cache.add(effect)
        self.broker.send(effect)

    def order(self, order_id: str = ONE) -> Order:
        """Return an order as it is known by now."""
        found = self.cache.get(order_id)
        assert found is not None
        return found

    def of(self, kind: type[R]) -> list[R]:
        """Return the reports of a kind, oldest first."""
        with self._lock:
            return [report for report in self.reports if isinstance(report, kind)]

    @property
    def account(self) -> AccountReport | None:
        """The newest report of the account."""
        return next(reversed(self.of(AccountReport)), None)

    @property
    def state(self) -> FeedState | None:
        """How the line to the venue is, as it was told last."""
        return next((change.state for change in reversed(self.of(BrokerChanged))), None)

    def until(self, true: Callable[[], object], what: str) -> None:
        """Wait until something is true of what was reported. Raises AssertionError that says what did not come."""
        __tracebackhide__ = True
        give_up = time.monotonic() + self._bench.patience_s
        while not true():
            if time.monotonic() > give_up:
                told = "\n".join(f"  {report}" for report in self.reports[-12:])
                raise AssertionError(
                    f"this did not come within {self._bench.patience_s:g} s: {what}; last told:\n{told}"
                )
            self._bench.turn()

    def until_over(self, status: OrderStatus, order_id: str = ONE) -> Order:
        """Wait until an order has ended like this."""
        __tracebackhide__ = True
        self.until(lambda: self.order(order_id).status is status, f"{order_id} is {status}")
        return self.order(order_id)

    def settle(self, turns: int = 20) -> None:
        """Pass some more time: what should not come has a chance to."""
        for _ in range(turns):
            self._bench.turn()

    def _take(self, reports: list[Report]) -> None:
        with self._lock:
            for report in reports:
                self.reports.append(report)
                self._fold(report)

    def _fold(self, report: Report) -> None:
        match report:
            case OrderReport():
                self._check(report)
                order = self.cache.get(report.order)
                if order is not None:
                    if (execution := self.cache.execution_of(order, report)) is not None:
                        self.cache.count_execution(execution)
                    self.cache.apply_status(order, report)
            case Execution():
                self.cache.count_execution(report)
            case OrderRejected():
                self._move(report.order, OrderEvent.REJECT)
            case SubmitUnanswered():
                self._move(report.order, OrderEvent.LOSE)

    def _move(self, order_id: str, event: OrderEvent) -> None:
        if (order := self.cache.get(order_id)) is not None:
            self.cache.move(order, event)

    def _check(self, it: OrderReport) -> None:
        order = self.cache.get(it.order)
        if order is None:
            self.wrong.append(f"a report of an order that this broker was not given: {it}")
        elif not 0 <= it.filled <= order.request.quantity:
            self.wrong.append(f"more was filled than was ordered: {it}")
        elif it.filled and it.average is None:
            self.wrong.append(f"a fill without a price: {it}")
        elif it.status is OrderStatus.REJECTED and not it.reason:
            self.wrong.append(f"a rejection without a reason: {it}")


class BrokerTests:
    """The tests: subclass it, and return your bench from `bench`. A name says what an adapter promises."""

    def bench(self) -> AbstractContextManager[Bench]:
        """Return a context with a new venue."""
        raise NotImplementedError

    @pytest.fixture
    def at(self) -> Iterable[Bench]:
        """The bench of one test."""
        with self.bench() as bench:
            yield bench

    @staticmethod
    def begin(at: Bench, *needed: Situation) -> Line:
        """Connect, where the bench has what a test needs; wait until the line is up."""
        if missing := [situation for situation in needed if situation not in at.situations]:
            pytest.skip(f"the bench has no such situation: {'; '.join(missing)}")
        line = Line(at)
        if Situation.ACCOUNT in at.situations:
            line.until(lambda: line.state is FeedState.LIVE and line.account is not None, "the line is LIVE")
        return line

    @staticmethod
    def end(at: Bench, *lines: Line) -> None:
        """Compare what was reported with what the venue holds, and stop."""
        at.strike()
        for line in lines:
            assert line.broker.stop(10.0), "the broker does not stop"
            assert not line.wrong, line.wrong[0]
        counted = sum((it.filled * it.request.side.sign for line in lines for it in every(line)), Decimal(0))
        assert counted == at.held(), f"executions reported come to {counted} shares, the account holds {at.held()}"

    # ------------------------------------------------------------------------------------- the life of an order

    def test_a_market_order_is_filled_whole_and_at_a_price(self, at: Bench) -> None:
        line = self.begin(at)
        line.send(entry(at))
        assert line.until_over(OrderStatus.FILLED).value > 0
        self.end(at, line)

    def test_a_position_is_closed_again(self, at: Bench) -> None:
        line = self.begin(at)
        line.send(entry(at))
        line.until_over(OrderStatus.FILLED)
        line.send(entry(at, TWO, side=OrderSide.SELL, role=OrderRole.EXIT))
        line.until_over(OrderStatus.FILLED, TWO)
        self.end(at, line)

    def test_a_resting_order_is_canceled_and_was_not_filled(self, at: Bench) -> None:
        line = self.begin(at)
        line.send(entry(at, limit=at.far))
        line.send(CancelOrder(ONE))
        assert line.until_over(OrderStatus.CANCELED).filled == 0
        self.end(at, line)

    def test_partial_fills_come_to_their_sum(self, at: Bench) -> None:
        line = self.begin(at, Situation.PARTIAL_FILLS)
        at.strike(Situation.PARTIAL_FILLS)
        line.send(entry(at, quantity=MANY))
        line.until(lambda: len(line.order().executions) > 1, "a second fill")
        line.send(CancelOrder(ONE))
        assert 0 < line.until_over(OrderStatus.CANCELED).filled < MANY
        self.end(at, line)

    def test_what_is_refused_is_rejected_with_the_reason(self, at: Bench) -> None:
        line = self.begin(at, Situation.REFUSALS)
        line.send(entry(at, quantity=at.dear))
        line.until_over(OrderStatus.REJECTED)
        self.end(at, line)
        assert at.orders() == 0

    def test_what_is_taken_and_rejected_afterwards_is_rejected(self, at: Bench) -> None:
        line = self.begin(at, Situation.LATE_REJECTIONS)
        at.strike(Situation.LATE_REJECTIONS)
        line.send(entry(at))
        line.until_over(OrderStatus.REJECTED)
        self.end(at, line)

    def test_a_stop_that_the_market_has_passed_is_rejected_as_passed(self, at: Bench) -> None:
        line = self.begin(at, Situation.PASSED_STOPS)
        line.send(entry(at))
        line.until_over(OrderStatus.FILLED)
        line.send(entry(at, TWO, side=OrderSide.SELL, role=OrderRole.STOP, stop=at.passed, rests=True))
        line.until_over(OrderStatus.REJECTED, TWO)
        assert line.of(OrderReport)[-1].passed, "it is not told that the price is beyond the stop"
        self.end(at, line)

    def test_a_cancel_of_what_is_over_is_refused_or_tells_its_end(self, at: Bench) -> None:
        line = self.begin(at, Situation.LOOK_UPS)
        line.send(entry(at))
        line.until_over(OrderStatus.FILLED)
        told = len(line.of(OrderReport))
        line.send(CancelOrder(ONE))
        line.until(lambda: line.of(CancelRefused) or line.of(OrderReport)[told:], "what became of the cancel")
        assert line.order().status is OrderStatus.FILLED
        self.end(at, line)

    # ------------------------------------------------------------------------------------------ unknown outcomes

    def test_an_order_whose_answer_is_lost_is_not_sent_again_and_found_by_its_id(self, at: Bench) -> None:
        line = self.begin(at, Situation.LOST_ANSWERS, Situation.LOOK_UPS)
        at.strike(Situation.LOST_ANSWERS)
        line.send(entry(at))
        line.until(lambda: line.of(SubmitUnanswered), "it is told that the answer was lost")
        at.strike()
        line.send(LookUpOrder(ONE))
        line.until_over(OrderStatus.FILLED)
        line.settle()
        assert at.orders() == 1, "an order whose answer was lost was sent again"
        self.end(at, line)

    def test_an_order_that_never_got_there_is_missing(self, at: Bench) -> None:
        line = self.begin(at, Situation.AWAY, Situation.LOOK_UPS)
        at.strike(Situation.AWAY)
        line.send(entry(at))
        line.until(lambda: line.of(SubmitUnanswered) or line.order().status in OVER, "that it is not known, or over")
        at.strike()
        line.send(LookUpOrder(ONE))
        line.until(lambda: any(it.order == ONE for it in line.of(OrderMissing)), "the venue does not know it")
        assert at.orders() == 0
        self.end(at, line)

    def test_an_id_that_is_known_already_is_adopted_and_bought_once(self, at: Bench) -> None:
        line = self.begin(at, Situation.LOOK_UPS)
        line.send(entry(at))
        line.until_over(OrderStatus.FILLED)
        told = len(line.of(OrderReport))
        line.send(entry(at))
        line.until(lambda: line.of(OrderReport)[told:], "the order that has this id")
        assert line.order().status is OrderStatus.FILLED
        assert at.orders() == 1, "the same id was bought twice"
        self.end(at, line)

    # -------------------------------------------------------------------------------------- twice, late, disordered

    def test_a_fill_that_is_told_twice_counts_once(self, at: Bench) -> None:
        line = self.begin(at, Situation.DOUBLE_FILLS)
        at.strike(Situation.DOUBLE_FILLS)
        line.send(entry(at))
        line.until_over(OrderStatus.FILLED)
        line.settle()
        self.end(at, line)

    def test_news_out_of_order_takes_nothing_back(self, at: Bench) -> None:
        line = self.begin(at, Situation.DISORDER)
        at.strike(Situation.DISORDER)
        line.send(entry(at))
        line.until_over(OrderStatus.FILLED)
        line.settle()
        assert line.order().status is OrderStatus.FILLED
        self.end(at, line)

    def test_a_fill_before_the_answer_counts_once_and_the_answer_takes_nothing_back(self, at: Bench) -> None:
        line = self.begin(at, Situation.EARLY_FILLS)
        at.strike(Situation.EARLY_FILLS)
        line.send(entry(at))
        line.until_over(OrderStatus.FILLED)
        line.settle(50)
        assert line.order().status is OrderStatus.FILLED
        self.end(at, line)

    def test_fills_after_a_cancel_are_told(self, at: Bench) -> None:
        line = self.begin(at, Situation.LATE_CANCELS, Situation.PARTIAL_FILLS)
        at.strike(Situation.LATE_CANCELS, Situation.PARTIAL_FILLS)
        line.send(entry(at, quantity=MANY))
        line.until(lambda: line.order().filled > 0, "a first fill")
        line.send(CancelOrder(ONE))
        assert 0 < line.until_over(OrderStatus.CANCELED).filled < MANY
        self.end(at, line)

    def test_a_fill_that_no_stream_tells_is_found_by_asking(self, at: Bench) -> None:
        line = self.begin(at, Situation.LOST_FILLS, Situation.LOOK_UPS)
        at.strike(Situation.LOST_FILLS)
        line.send(entry(at))
        line.until(lambda: at.held() == at.shares, "the venue fills it")
        line.send(LookUpOrder(ONE))
        line.until_over(OrderStatus.FILLED)
        self.end(at, line)

    # ------------------------------------------------------------------------------------------- the line goes down

    def test_what_fills_while_the_stream_is_down_is_found_and_the_line_comes_back(self, at: Bench) -> None:
        line = self.begin(at, Situation.STREAM_DOWN, Situation.ACCOUNT, Situation.LOOK_UPS)
        at.strike(Situation.STREAM_DOWN)
        line.send(entry(at))
        line.until(lambda: line.state is FeedState.DOWN, "it is told that the line is down")
        line.until(lambda: holds(line, at.shares), "an account that holds what was filled")
        line.send(LookUpOrder(ONE))
        line.until_over(OrderStatus.FILLED)
        at.strike()
        line.until(lambda: line.state is FeedState.LIVE, "the line is LIVE again")
        self.end(at, line)

    def test_what_fills_while_the_stream_is_mute_is_found(self, at: Bench) -> None:
        line = self.begin(at, Situation.STREAM_MUTE, Situation.ACCOUNT, Situation.LOOK_UPS)
        at.strike(Situation.STREAM_MUTE)
        line.send(entry(at))
        line.until(lambda: holds(line, at.shares), "an account that holds what was filled")
        line.send(LookUpOrder(ONE))
        line.until_over(OrderStatus.FILLED)
        self.end(at, line)

    def test_what_cannot_be_read_costs_nothing(self, at: Bench) -> None:
        line = self.begin(at, Situation.GARBAGE)
        at.strike(Situation.GARBAGE)
        line.send(entry(at))
        line.until_over(OrderStatus.FILLED)
        self.end(at, line)

    def test_refused_keys_are_told_and_no_order_is_sent(self, at: Bench) -> None:
        line = self.begin(at, Situation.KEYS_REVOKED, Situation.ACCOUNT)
        at.strike(Situation.KEYS_REVOKED)
        line.send(entry(at))
        line.until_over(OrderStatus.REJECTED)
        line.until(lambda: line.state is FeedState.DOWN, "it is told that the line is down")
        self.end(at, line)
        assert at.orders() == 0

    def test_at_the_limit_of_requests_an_entry_is_dropped_and_an_exit_waits(self, at: Bench) -> None:
        line = self.begin(at, Situation.TOO_MANY)
        line.send(entry(at))
        line.until_over(OrderStatus.FILLED)
        at.strike(Situation.TOO_MANY)
        late = f"{OURS}1.3.X.entry.1"
        line.send(entry(at, late))
        line.until_over(OrderStatus.REJECTED, late)
        line.send(entry(at, TWO, side=OrderSide.SELL, role=OrderRole.EXIT))
        line.settle(50)
        assert line.order(TWO).status not in OVER, "an exit is given up at the limit"
        at.strike()
        line.until_over(OrderStatus.FILLED, TWO)
        assert at.orders() == 2
        self.end(at, line)

    # --------------------------------------------------------------------------------- the account, and other lives

    def test_the_account_is_told_with_what_it_holds_and_what_is_open(self, at: Bench) -> None:
        line = self.begin(at, Situation.ACCOUNT)
        line.send(entry(at))
        line.send(entry(at, TWO, limit=at.far, rests=True))
        line.until(
            lambda: holds(line, at.shares) and open_ids(line) == [TWO], "an account with a position and an order"
        )
        self.end(at, line)

    def test_what_is_not_ours_is_told_with_the_account_only(self, at: Bench) -> None:
        line = self.begin(at, Situation.FOREIGN, Situation.ACCOUNT)
        at.strike(Situation.FOREIGN)
        line.until(lambda: open_ids(line) and not holds(line, 0), "an account with what is foreign")
        line.settle()
        assert not line.of(OrderReport), "an order that is not ours was reported as if it were"
        at.strike()
        assert line.broker.stop(10.0)

    def test_a_later_life_finds_its_position_and_takes_its_order_back(self, at: Bench) -> None:
        first = self.begin(at, Situation.ACCOUNT, Situation.LOOK_UPS)
        first.send(entry(at))
        first.until_over(OrderStatus.FILLED)
        resting = entry(at, TWO, limit=at.far, rests=True)
        first.send(resting)
        first.until(lambda: first.order(TWO).status is OrderStatus.ACCEPTED, "the order rests")
        assert first.broker.stop(10.0)
        later = Line(at)
        later.cache.add(resting)  # as the reconciler does
        later.until(
            lambda: holds(later, at.shares) and open_ids(later) == [TWO], "position and order of the first life"
        )
        later.send(CancelOrder(TWO))
        later.until_over(OrderStatus.CANCELED, TWO)
        self.end(at, first, later)

    def test_blocked_entries_do_not_leave_and_exits_do(self, at: Bench) -> None:
        line = self.begin(at, Situation.GUARDED)
        line.send(entry(at))
        line.until_over(OrderStatus.FILLED)
        line.broker.block_entries(blocked=True)  # type: ignore[attr-defined]
        late = f"{OURS}1.3.X.entry.1"
        line.send(entry(at, late))
        line.until_over(OrderStatus.REJECTED, late)
        line.send(entry(at, TWO, side=OrderSide.SELL, role=OrderRole.EXIT))
        line.until_over(OrderStatus.FILLED, TWO)
        assert at.orders() == 2
        self.end(at, line)

    def test_a_broker_that_is_stopped_takes_nothing_more_and_has_told_every_fate(self, at: Bench) -> None:
        line = self.begin(at, Situation.ACCOUNT)
        line.send(entry(at, limit=at.far))
        assert line.broker.stop(10.0)
        told = [it.order for it in line.of(OrderReport)] + [lost.order for lost in line.of(SubmitUnanswered)]
        assert ONE in told, "what became of an order that was under way was not told"
        with pytest.raises(OSError):  # noqa: PT011  # with any text: the gate reports it
            line.broker.send(entry(at, TWO))
        self.end(at, line)


def entry(
    at: Bench,
    order_id: str = ONE,
    *,
    quantity: Decimal | None = None,
    side: OrderSide = OrderSide.BUY,
    role: OrderRole = OrderRole.ENTRY,
    limit: Decimal | None = None,
    stop: Decimal | None = None,
    rests: bool = False,
) -> SubmitOrder:
    """Make an order of a bench's symbol; at market, unless it has a limit."""
    shares = Decimal(at.shares) if quantity is None else quantity
    return SubmitOrder(order_id, at.symbol, side, shares, "kit", role, limit=limit, stop=stop, rests=rests)


def every(line: Line) -> list[Order]:
    """Return every order that a line was given."""
    reported, filled = line.of(OrderReport), line.of(Execution)
    told = [report.order for report in reported] + [fill.order for fill in filled]
    ids = dict.fromkeys([*line.cache.working, *told])
    return [order for order in map(line.cache.get, ids) if order is not None]


def holds(line: Line, shares: int) -> bool:
    """Return whether the newest account holds so many shares, of any symbol."""
    return line.account is not None and sum(it.quantity for it in line.account.positions) == shares


def open_ids(line: Line) -> list[str]:
    """Return our ids of the orders that are open in the newest account."""
    return [it.order for it in line.account.orders] if line.account is not None else []
