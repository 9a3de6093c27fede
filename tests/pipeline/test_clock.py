"""clock: timers in one order, each at its own time, and RxPY's time operators in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given, strategies as st
from reactivex import abc, operators as ops

from pipeline import clock as clocks
from pipeline.clock import (
    NEVER,
    RANK_CANDLE,
    RANK_DAY,
    RANK_OTHER,
    RANK_TIME_STOP,
    InputClock,
    SymbolClock,
    TooManyTimers,
)
from pipeline.operators.lift import Source
from tests.support.market import at

RANKS = (RANK_DAY, RANK_TIME_STOP, RANK_CANDLE, RANK_OTHER)


class Log:
    """What fired, and what `now` was then."""

    def __init__(self) -> None:
        self.clock = InputClock()
        self.entries: list[tuple[Any, int]] = []

    def note(self, what: Any) -> Callable[[], None]:
        return lambda: self.entries.append((what, self.clock.now))

    @property
    def names(self) -> list[Any]:
        return [what for what, _ in self.entries]


# ------------------------------------------------------------------------------------------------- order


def test_time_never_goes_back() -> None:
    clock = InputClock()
    clock.advance(10)
    clock.advance(5)
    assert clock.now == 10


def test_a_timer_fires_at_its_time_and_not_before() -> None:
    log = Log()
    log.clock.at(10, log.note("x"))
    log.clock.advance(9)
    assert log.entries == []
    log.clock.advance(10)
    assert log.entries == [("x", 10)]


def test_now_is_each_timer_s_own_time() -> None:
    log = Log()
    for due in (30, 10, 20):
        log.clock.at(due, log.note(due))
    log.clock.advance(100)
    assert log.entries == [(10, 10), (20, 20), (30, 30)]
    assert log.clock.now == 100


def test_a_timer_fires_once() -> None:
    log = Log()
    log.clock.at(10, log.note("x"))
    log.clock.advance(10)
    log.clock.advance(20)
    assert log.names == ["x"]


def test_timers_of_one_time_fire_by_rank() -> None:
    for order in permutations(RANKS):
        log = Log()
        for rank in order:
            log.clock.at(10, log.note(rank), rank)
        log.clock.advance(10)
        assert log.names == [RANK_DAY, RANK_TIME_STOP, RANK_CANDLE, RANK_OTHER]


def test_timers_of_one_rank_fire_by_the_order_in_which_symbols_were_first_seen() -> None:
    for order in permutations(range(3)):
        log = Log()
        for index in order:
            log.clock.at(10, log.note(index), RANK_CANDLE, index)
        log.clock.advance(10)
        assert log.names == [0, 1, 2]


def test_the_rank_goes_before_the_symbol() -> None:
    log = Log()
    log.clock.at(10, log.note("candle of the first"), RANK_CANDLE, 0)
    log.clock.at(10, log.note("stop of the second"), RANK_TIME_STOP, 1)
    log.clock.advance(10)
    assert log.names == ["stop of the second", "candle of the first"]


def test_the_time_goes_before_the_rank() -> None:
    log = Log()
    log.clock.at(11, log.note("stop"), RANK_TIME_STOP)
    log.clock.at(10, log.note("candle"), RANK_CANDLE)
    log.clock.advance(11)
    assert log.names == ["candle", "stop"]


def test_equal_timers_fire_in_the_order_in_which_they_were_set() -> None:
    log = Log()
    for number in range(5):
        log.clock.at(10, log.note(number))
    log.clock.advance(10)
    assert log.names == [0, 1, 2, 3, 4]


timer = st.tuples(st.integers(0, 5), st.sampled_from(RANKS), st.integers(0, 2))


@given(st.lists(timer, max_size=20), st.lists(st.integers(0, 7), max_size=5))
def test_timers_fire_in_one_order_however_time_moves(timers: list[tuple[int, int, int]], moves: list[int]) -> None:
    log = Log()
    for sequence, (due, rank, index) in enumerate(timers):
        log.clock.at(due, log.note((due, rank, index, sequence)), rank, index)
    for ts in moves:
        log.clock.advance(ts)
    log.clock.advance(10)
    assert log.names == sorted(log.names)
    assert len(log.names) == len(timers)
    assert [now for _, now in log.entries] == [due for due, *_ in log.names]


# ---------------------------------------------------------------------------------- setting and cancelling


def test_a_timer_set_for_the_past_fires_at_the_next_move_and_takes_nothing_back() -> None:
    log = Log()
    log.clock.advance(100)
    log.clock.at(50, log.note("late"))
    log.clock.advance(100)
    assert log.entries == [("late", 100)]


def test_a_timer_may_set_another_that_is_due_on_the_same_way() -> None:
    log = Log()
    log.clock.at(10, lambda: (log.note("first")(), log.clock.at(15, log.note("second")))[0])
    log.clock.at(20, log.note("third"))
    log.clock.advance(20)
    assert log.entries == [("first", 10), ("second", 15), ("third", 20)]


def test_a_cancelled_timer_does_not_fire() -> None:
    log = Log()
    cancelled = log.clock.at(10, log.note("cancelled"))
    log.clock.at(10, log.note("stays"))
    cancelled.cancel()
    log.clock.advance(10)
    assert log.names == ["stays"]


def test_a_timer_may_cancel_one_of_the_same_time() -> None:
    log = Log()
    second = log.clock.at(10, log.note("second"), RANK_CANDLE)
    log.clock.at(10, second.cancel, RANK_TIME_STOP)
    log.clock.advance(10)
    assert log.names == []


def test_a_cancelled_timer_does_not_move_the_time() -> None:
    seen: list[int] = []
    clock = InputClock(lambda: seen.append(clock.now))
    clock.at(10, lambda: None).cancel()
    clock.at(20, lambda: None)
    clock.advance(30)
    assert seen == [20]


def test_cancelling_after_it_fired_does_nothing() -> None:
    log = Log()
    fired = log.clock.at(10, log.note("x"))
    log.clock.advance(10)
    fired.cancel()
    assert log.names == ["x"]


def test_what_a_timer_set_off_is_settled_before_the_next() -> None:
    log = Log()
    clock = log.clock = InputClock(log.note("settled"))
    clock.at(10, log.note("first"))
    clock.at(10, log.note("second"))
    clock.advance(10)
    assert log.names == ["first", "settled", "second", "settled"]


def test_the_next_due_time_is_known() -> None:
    clock = InputClock()
    assert clock.next_due == NEVER
    clock.at(20, lambda: None)
    assert clock.next_due == 20
    clock.at(10, lambda: None)
    assert clock.next_due == 10
    clock.advance(10)
    assert clock.next_due == 20
    clock.advance(20)
    assert clock.next_due == NEVER


def test_an_action_knows_where_the_time_is_going() -> None:
    clock = InputClock()
    targets: list[int] = []
    clock.at(10, lambda: targets.append(clock.target))
    clock.advance(33)
    assert targets == [33]


def test_too_many_timers_are_a_fault_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "MAX_TIMERS", 3)
    clock = InputClock()
    for due in range(3):
        clock.at(due, lambda: None)
    with pytest.raises(TooManyTimers, match="more than 3 timers are waiting") as caught:
        clock.at(9, lambda: None)
    assert caught.value.limit == 3


def test_timers_that_fired_make_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "MAX_TIMERS", 3)
    clock = InputClock()
    for due in range(20):
        clock.at(due, lambda: None)
        clock.advance(due)


def test_timers_that_were_cancelled_make_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tick of a debounced stream cancels a timer and sets one: at most one of them is waiting."""
    monkeypatch.setattr(clocks, "MAX_TIMERS", 3)
    clock = InputClock()
    for due in range(20):
        clock.at(100 + due, lambda: None).cancel()


def test_making_room_changes_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers of which many are cancelled in no order at all, and the rest of which still fire by their time."""
    monkeypatch.setattr(clocks, "MAX_TIMERS", 64)
    clock = InputClock()
    fired: list[int] = []
    timers = {due: clock.at(due, partial(fired.append, due)) for due in Random(3).sample(range(1, 1000), 64)}
    gone = Random(5).sample(sorted(timers), 40)
    for due in gone:
        timers[due].cancel()
    clock.at(1000, partial(fired.append, 1000))
    assert clock.waiting == 25
    clock.advance(1000)
    assert fired == [*sorted(timers.keys() - set(gone)), 1000]


# ------------------------------------------------------------------------------------ a symbol's scheduler


def symbol_clock(seconds: float = 0.0) -> SymbolClock:
    time = InputClock()
    time.advance(at(seconds))
    return SymbolClock(time)


def test_its_now_is_the_core_s() -> None:
    assert symbol_clock(1.5).now == datetime(2026, 1, 5, 14, 30, 1, 500_000, tzinfo=UTC)


def test_two_symbols_share_the_time_and_keep_their_order() -> None:
    log = Log()
    SymbolClock(log.clock, 1).at(10, log.note("second"))
    SymbolClock(log.clock, 0).at(10, log.note("first"))
    log.clock.advance(10)
    assert log.names == ["first", "second"]


@pytest.mark.parametrize("delay", [0.5, timedelta(milliseconds=500)])
def test_an_action_may_be_set_a_while_ahead(delay: Any) -> None:
    scheduler = symbol_clock()
    fired: list[int] = []
    scheduler.schedule_relative(delay, lambda *_: fired.append(scheduler.clock.now))
    scheduler.clock.advance(at(9))
    assert fired == [at(0.5)]


@pytest.mark.parametrize("moment", [at(2) / 1e9, datetime(2026, 1, 5, 14, 30, 2, tzinfo=UTC)])
def test_an_action_may_be_set_to_a_moment(moment: Any) -> None:
    scheduler = symbol_clock()
    fired: list[int] = []
    scheduler.schedule_absolute(moment, lambda *_: fired.append(scheduler.clock.now))
    scheduler.clock.advance(at(9))
    assert fired == [at(2)]


def test_a_delay_below_zero_is_none() -> None:
    scheduler = symbol_clock(1)
    fired: list[int] = []
    scheduler.schedule_relative(-5, lambda *_: fired.append(scheduler.clock.now))
    scheduler.clock.advance(at(1.001))
    assert fired == [at(1)]


def test_a_disposed_action_does_not_run() -> None:
    scheduler = symbol_clock()
    fired: list[int] = []
    scheduler.schedule_relative(0.5, lambda *_: fired.append(1)).dispose()
    scheduler.clock.advance(at(9))
    assert fired == []


def test_an_action_gets_its_state_and_the_scheduler() -> None:
    scheduler = symbol_clock()
    got: list[Any] = []
    scheduler.schedule(lambda s, state: got.append((s, state)), "now")
    scheduler.schedule_relative(0.5, lambda s, state: got.append((s, state)), "later")
    scheduler.clock.advance(at(1))
    assert got == [(scheduler, "now"), (scheduler, "later")]


def test_an_action_scheduled_by_a_running_one_runs_right_after_it() -> None:
    scheduler = symbol_clock()
    order: list[str] = []

    def outer(inner_scheduler: abc.SchedulerBase, state: Any) -> None:
        inner_scheduler.schedule(lambda *_: order.append("inner"))
        order.append("outer")

    scheduler.schedule(outer)
    assert order == ["outer", "inner"]


def test_a_waiting_action_may_be_disposed_of() -> None:
    scheduler = symbol_clock()
    order: list[str] = []

    def outer(inner_scheduler: abc.SchedulerBase, state: Any) -> None:
        inner_scheduler.schedule(lambda *_: order.append("inner")).dispose()

    scheduler.schedule(outer)
    assert order == []


def test_an_action_that_raises_leaves_the_scheduler_usable() -> None:
    scheduler = symbol_clock()

    def failing(*_: Any) -> None:
        raise RuntimeError("an author's mistake")

    with pytest.raises(RuntimeError, match="an author's mistake"):
        scheduler.schedule(failing)
    ran: list[bool] = []
    scheduler.schedule(lambda *_: ran.append(True))
    assert ran == [True]


def test_actions_that_set_each_other_off_without_end_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "MAX_TIMERS", 10)

    def twice(scheduler: abc.SchedulerBase, state: Any) -> None:
        scheduler.schedule(twice)
        scheduler.schedule(twice)

    with pytest.raises(TooManyTimers):
        symbol_clock().schedule(twice)


def test_what_a_timer_raises_goes_to_whoever_asked_and_else_to_the_caller() -> None:
    def failing() -> None:
        raise RuntimeError("an author's mistake")

    time = InputClock()
    scheduler = SymbolClock(time)
    scheduler.at(at(1), failing)
    with pytest.raises(RuntimeError, match="an author's mistake"):
        scheduler.clock.advance(at(1))
    faults: list[BaseException] = []
    scheduler = SymbolClock(time, on_fault=faults.append)
    scheduler.at(at(2), failing)
    scheduler.clock.advance(at(2))
    assert [str(fault) for fault in faults] == ["an author's mistake"]


# ------------------------------------------------------------------------------ time operators of RxPY


def test_debounce_runs_in_the_time_of_the_inputs() -> None:
    scheduler = symbol_clock()
    source: Source[str] = Source()
    heard: list[tuple[str, int]] = []
    source.pipe(ops.debounce(1.0)).subscribe(
        lambda value: heard.append((value, scheduler.clock.now)), scheduler=scheduler
    )
    for seconds, value in [(0.0, "a"), (0.5, "b"), (2.0, "c"), (2.9, "d")]:
        scheduler.clock.advance(at(seconds))
        source.on_next(value)
    scheduler.clock.advance(at(10))
    assert heard == [("b", at(1.5)), ("d", at(3.9))]


def test_delay_runs_in_the_time_of_the_inputs() -> None:
    scheduler = symbol_clock()
    source: Source[str] = Source()
    heard: list[tuple[str, int]] = []
    source.pipe(ops.delay(2.0)).subscribe(lambda value: heard.append((value, scheduler.clock.now)), scheduler=scheduler)
    for seconds, value in [(0.0, "a"), (0.5, "b"), (3.0, "c")]:
        scheduler.clock.advance(at(seconds))
        source.on_next(value)
    assert heard == [("a", at(2.0)), ("b", at(2.5))]
    scheduler.clock.advance(at(10))
    assert heard[2:] == [("c", at(5.0))]


def test_sample_runs_in_the_time_of_the_inputs() -> None:
    scheduler = symbol_clock()
    source: Source[str] = Source()
    heard: list[tuple[str, int]] = []
    source.pipe(ops.sample(1.0)).subscribe(
        lambda value: heard.append((value, scheduler.clock.now)), scheduler=scheduler
    )
    for seconds, value in [(0.2, "a"), (0.7, "b"), (3.5, "c")]:
        scheduler.clock.advance(at(seconds))
        source.on_next(value)
    scheduler.clock.advance(at(4))
    assert heard == [("b", at(1)), ("c", at(4))]


def test_time_operators_wait_for_inputs_and_never_for_real_time() -> None:
    scheduler = symbol_clock()
    source: Source[str] = Source()
    heard: list[str] = []
    source.pipe(ops.delay(1e-6)).subscribe(heard.append, scheduler=scheduler)
    source.on_next("a")
    assert heard == []
    scheduler.clock.advance(at(0.001))
    assert heard == ["a"]
