"""chains: restarts within a budget that the core's own clock counts, and the removal of one that is too slow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from reactivex import Observable, operators as ops

from actors.brokers.simulated import ExecutionSettings
from actors.engine.strategy_instance import Budget, ChainSettings, InstanceState
from actors.messages import ChainFailed, ChainRemoved, ChainRestarted, Fact, RemoveChain, RestartChain
from pipeline import operators as op
from pipeline.events import SECOND, Trade
from pipeline.operators.lift import Step
from pipeline.strategy import StrategySettings, default_exits, momentum_burst
from tests.support.market import at, clock, gap, trade
from tests.support.raising import raised_in
from tests.support.random_tapes import QUICK, SYMBOLS, tapes
from tests.support.sessions import PATIENT, Session, encoded, on_demand

THREE = ChainSettings(restarts=3, within_s=60.0, first_delay_s=1.0, most_delay_s=30.0)


class Mistake(Exception):
    """What a user's operator raises."""


def raising_while(true: Callable[[Trade], bool]) -> Any:
    """Signals on demand, behind an operator that raises at some ticks."""

    def step(tick: Trade) -> Trade:
        if true(tick):
            raise Mistake("a mistake of its author")
        return tick

    return lambda ticks: on_demand(op.lift(lambda emit, scheduler: Step(lambda tick: emit(step(tick))))(ticks))


def always(tick: Trade) -> bool:
    return tick.symbol == "A"


def hearing(heard: list[float], market: Any) -> Any:
    """An exit that never leaves, and notes the prices that it hears."""

    def hear(tick: Trade) -> None:
        heard.append(tick.price)

    return market.ticks.pipe(ops.do_action(hear), ops.ignore_elements())


def state(session: Session, symbol: str = "A") -> InstanceState:
    return session.core.contexts[symbol].instance.state


# ------------------------------------------------------------------------------------------------------ the budget


def test_delays_double_up_to_the_longest() -> None:
    budget = Budget(ChainSettings(restarts=6, within_s=1000, first_delay_s=1.0, most_delay_s=5.0))
    assert [budget.spend(n * SECOND) for n in range(7)] == [n * SECOND for n in (1, 2, 4, 5, 5, 5)] + [None]


def test_failures_count_for_as_long_as_the_budget_reaches_and_no_longer() -> None:
    settings = ChainSettings(restarts=1, within_s=60.0)
    assert Budget(settings).spend(0) is not None
    on_time, late = Budget(settings), Budget(settings)
    for budget, second in ((on_time, 60), (late, 61)):
        budget.spend(0)
        assert (budget.spend(second * SECOND) is None) is (second == 60)


def test_a_quiet_time_makes_the_delay_short_again() -> None:
    budget = Budget(THREE)
    assert [budget.spend(s * SECOND) for s in (0, 1, 200)] == [SECOND, 2 * SECOND, SECOND]


# -------------------------------------------------------------------------------------------------------- restarts


def test_a_chain_that_raises_on_every_tick_is_restarted_within_its_budget_and_then_failed_for_good() -> None:
    session = Session(entries=raising_while(always), chains=THREE)
    session.feed(*(trade(n / 10) for n in range(600)))
    # Each restart is followed by a tick that raises at once: after 1 s, then 2 s, then 4 s.
    assert [(fact.ts, fact.restart_ts, fact.restarts_left) for fact in session.of(ChainFailed)] == [
        (at(0), at(1), 2),
        (at(1), at(3), 1),
        (at(3), at(7), 0),
        (at(7), 0, 0),
    ]
    assert [(fact.ts, fact.restarts_left) for fact in session.of(ChainRestarted)] == [
        (at(1), 2),
        (at(3), 1),
        (at(7), 0),
    ]
    assert state(session) is InstanceState.FAILED
    assert session.summary["failed"] == {"A": f"FAILED: Mistake: a mistake of its author ({raised_in(__file__)})"}
    assert session.summary["ticks"] == 600


def test_without_restarts_the_first_failure_is_the_last() -> None:
    session = Session(entries=raising_while(always), chains=ChainSettings(restarts=0))
    session.feed(*(trade(n) for n in range(100)))
    assert [fact.restart_ts for fact in session.of(ChainFailed)] == [0]


def test_a_restarted_chain_trades_again() -> None:
    session = Session(entries=raising_while(lambda tick: tick.ts == at(0)), chains=THREE)
    session.feed(trade(0, says="LONG"), trade(0.9, says="LONG"))
    assert (session.verdicts, state(session)) == ([], InstanceState.RESTARTING)
    session.feed(trade(1.1, says="LONG"))
    assert (session.verdicts, state(session)) == ([None], InstanceState.RUNNING)
    assert session.summary["failed"] == {}


def test_the_delay_is_the_core_s_time_so_that_a_clock_input_restarts() -> None:
    session = Session(entries=raising_while(lambda tick: tick.ts == at(0)), chains=THREE).feed(trade(0), clock(0.99))
    assert state(session) is InstanceState.RESTARTING
    assert state(session.feed(clock(1))) is InstanceState.RUNNING


def test_windows_warm_up_anew_after_a_restart() -> None:
    def entries(ticks: Observable[Trade]) -> Any:
        def step(tick: Trade) -> Trade:
            if tick.ts == at(1.5):
                raise Mistake
            return tick

        return ticks.pipe(ops.map(step), op.window(1.0, 1), op.momentum(0.0005), op.bursts())

    session = Session(entries=entries, chains=THREE)
    session.feed(trade(0), trade(0.5), trade(1), trade(1.5), trade(2))
    assert session.summary["funnel"]["ready"] == 1
    session.feed(trade(2.6), trade(3.1), trade(3.5))
    assert session.summary["funnel"]["ready"] == 1
    assert session.feed(trade(3.6)).summary["funnel"]["ready"] == 2


def test_a_composition_that_raises_is_composed_again_in_the_time_of_its_first_tick() -> None:
    tries: list[int] = []

    def entries(ticks: Observable[Trade]) -> Any:
        tries.append(1)
        raise Mistake("not yet")

    session = Session(entries=entries, chains=THREE).feed(*(trade(n / 2) for n in range(40)))
    assert [fact.ts for fact in session.of(ChainFailed)] == [at(0), at(1), at(3), at(7)]
    assert len(tries) == 4


def test_a_gap_while_a_chain_waits_for_its_restart_begins_nothing() -> None:
    session = Session(entries=raising_while(lambda tick: tick.ts == at(0)), chains=THREE)
    session.feed(trade(0), gap(0.5), trade(0.6, says="LONG"))
    assert session.verdicts == []
    assert state(session) is InstanceState.RESTARTING


def test_what_a_stopped_chain_saw_last_is_shown_no_more() -> None:
    """Its gauges would be computed by the very conditions that stopped it."""

    def entries(ticks: Observable[Trade]) -> Any:
        return raising_while(lambda tick: tick.ts == at(1))(ticks.pipe(ops.do_action(lambda _: None)))

    session = Session(
        entries=lambda ticks: op.merge(op.window(1.0, 1)(ticks).pipe(op.momentum(0.0005), op.bursts()), entries(ticks)),
        chains=THREE,
    )
    session.feed(trade(0))
    assert session.core.contexts["A"].probe.frame is not None
    session.feed(trade(1))
    assert session.core.contexts["A"].probe.frame is None


@given(tapes(), st.integers(1, 30), st.sampled_from(SYMBOLS))
def test_the_same_inputs_restart_at_the_same_place(tape: list[Any], place: int, sick: str) -> None:
    def entries(ticks: Observable[Trade]) -> Any:
        seen = 0

        def step(tick: Trade) -> Trade:
            nonlocal seen
            seen += 1
            if tick.symbol == sick and seen % place == 0:
                raise Mistake
            return tick

        return momentum_burst(QUICK).entries(ticks.pipe(ops.map(step)))

    def facts() -> list[Fact]:
        session = Session(entries=entries, strategy=QUICK).feed(*tape)
        session.core.finish()
        return session.facts

    assert encoded(facts()) == encoded(facts())


# ------------------------------------------------------------------------------------------ what counts as a failure


def failing_when_warm(every: float, ticks: int, chains: ChainSettings = THREE, window_s: float = 15.0) -> Session:
    """A session with a tick every so many seconds, whose strategy raises at each tick at which its window is warm."""

    def raising(frame: Any) -> Any:
        if frame.ready:
            raise Mistake
        return frame

    def entries(ticks: Observable[Trade]) -> Any:
        return ticks.pipe(op.window(window_s, 1), ops.map(raising), op.momentum(0.0005), op.bursts())

    return Session(entries=entries, chains=chains).feed(*(trade(n * every) for n in range(ticks)))


@pytest.mark.parametrize("window_s", [15.0, 100.0, 1000.0])
def test_a_chain_that_fails_whenever_it_is_warm_spends_its_budget_however_long_it_warms_up(window_s: float) -> None:
    session = failing_when_warm(1, 6000, window_s=window_s)
    assert (len(session.of(ChainFailed)), state(session)) == (4, InstanceState.FAILED)


@pytest.mark.parametrize("every", [0.5, 90.0, 3600.0])
def test_a_chain_that_fails_at_every_tick_spends_its_budget_however_rare_they_are(every: float) -> None:
    session = Session(entries=raising_while(always), chains=THREE).feed(*(trade(n * every) for n in range(100)))
    assert (len(session.of(ChainFailed)), state(session)) == (4, InstanceState.FAILED)


def test_exits_that_fail_at_every_tick_spend_it_as_well() -> None:
    exits: Any = lambda held, market: market.ticks.pipe(raising_while(always))  # noqa: E731
    session = Session(exits=exits, chains=THREE).feed(trade(0, says="LONG"), *(trade(n * 90) for n in range(1, 50)))
    assert (len(session.of(ChainFailed)), state(session)) == (4, InstanceState.FAILED)
    assert session.core.failures.count > 4  # also those while it did not run


def test_a_chain_that_works_for_long_enough_after_a_failure_has_its_whole_budget_again() -> None:
    session = Session(entries=raising_while(lambda tick: tick.ts % (200 * SECOND) == at(0) % (200 * SECOND)))
    session.feed(*(trade(n) for n in range(2_000)))
    assert ({fact.restarts_left for fact in session.of(ChainFailed)}, state(session)) == ({2}, InstanceState.RUNNING)
    assert len(session.of(ChainFailed)) == 10


def test_a_recording_of_old_counts_all_time_as_it_did() -> None:
    session = failing_when_warm(1, 3000, msgspec.structs.replace(THREE, counts="elapsed"), window_s=40.0)
    assert len(session.of(ChainFailed)) > 50


# --------------------------------------------------------------------------------------------------- its position


@pytest.mark.parametrize(("price", "reason"), [(102.0, "TP"), (98.0, "SL")])
def test_a_position_is_guarded_before_while_and_after_its_chain_begins_anew(price: float, reason: str) -> None:
    for moment in (0.5, 2.0, 4.0, 30.0):
        session = Session(entries=raising_while(lambda tick: tick.id is None), chains=THREE)
        session.feed(trade(0, says="LONG"), *(trade(n / 10) for n in range(1, round(moment * 10))))
        assert session.feed(trade(moment, price)).exits == [reason]


def test_a_time_stop_keeps_its_time_through_all_restarts_and_the_end() -> None:
    strategy = StrategySettings(time_stop_seconds=20.0, flat_seconds=1000)
    session = Session(entries=raising_while(lambda tick: tick.id is None), strategy=strategy, chains=THREE)
    session.feed(trade(0, says="LONG"), *(trade(n / 10) for n in range(1, 150)), clock(19.99))
    assert (session.exits, state(session)) == ([], InstanceState.FAILED)
    assert session.feed(clock(20)).exits == ["TIME"]


# ---------------------------------------------------------------------------------------------------------- removal


def test_a_removed_chain_is_silent_and_says_why_and_the_others_go_on() -> None:
    session = Session().feed(trade(0), trade(0, symbol="B"), RemoveChain("A", at(1), "too slow"))
    session.feed(trade(2, says="LONG"), trade(2, symbol="B", says="LONG"), gap(3), trade(4, says="LONG"))
    assert session.of(ChainRemoved) == [ChainRemoved("A", "too slow", at(1), 4)]
    assert list(session.core.positions.open) == ["B"]
    assert session.summary["failed"] == {"A": "REMOVED: too slow"}
    assert session.summary["ticks"] == 5


def test_a_removal_moves_the_time() -> None:
    session = Session(strategy=StrategySettings(time_stop_seconds=5.0, flat_seconds=1000))
    assert session.feed(trade(0, says="LONG"), RemoveChain("B", at(6))).exits == ["TIME"]


def test_a_removal_takes_the_strategy_s_own_exits_and_leaves_the_default_ones() -> None:
    heard: list[float] = []

    def exits(held: Any, market: Any) -> Any:
        return hearing(heard, market)

    session = Session(exits=exits).feed(trade(0, says="LONG"), trade(1, 100.1), RemoveChain("A", at(2), "too slow"))
    assert session.feed(trade(3, 102)).exits == ["TP"]
    assert heard == [100.1]


def test_the_default_exits_that_a_removal_leaves_keep_the_position_s_time_stop() -> None:
    strategy = StrategySettings(time_stop_seconds=5.0, flat_seconds=1000)
    session = Session(strategy=strategy, exits=lambda held, market: hearing([], market))
    session.feed(trade(0, says="LONG"), RemoveChain("A", at(4)), clock(4.99))
    assert session.exits == []
    assert session.feed(clock(5)).exits == ["TIME"]


def test_a_removal_calls_the_restart_off() -> None:
    session = Session(entries=raising_while(lambda tick: tick.ts == at(0)), chains=THREE)
    session.feed(trade(0), RemoveChain("A", at(0.5), "too slow"), trade(10, says="LONG"))
    assert (session.of(ChainRestarted), session.verdicts) == ([], [])
    assert state(session) is InstanceState.REMOVED


def test_a_chain_is_removed_once() -> None:
    session = Session().feed(trade(0), RemoveChain("A", at(1), "slow"), RemoveChain("A", at(2), "slow"))
    assert len(session.of(ChainRemoved)) == 1


def test_to_remove_or_restart_what_was_never_heard_of_changes_nothing() -> None:
    session = Session().feed(trade(0), RemoveChain("B", at(1)), RestartChain("C", at(2)))
    assert list(session.core.contexts) == ["A"]
    assert state(session) is InstanceState.RUNNING


# -------------------------------------------------------------------------------------------------- on request


@pytest.mark.parametrize("end", [RemoveChain("A", at(20), "too slow"), clock(20)], ids=["removed", "failed"])
def test_a_chain_that_ended_begins_anew_on_request_with_its_whole_budget(end: Any) -> None:
    session = Session(entries=raising_while(lambda tick: tick.ts < at(20)), chains=THREE)
    session.feed(*(trade(n / 10) for n in range(150)), end)
    assert state(session) in (InstanceState.FAILED, InstanceState.REMOVED)
    session.feed(RestartChain("A", at(21), "it is mended"), trade(22, says="LONG"))
    assert (state(session), session.verdicts) == (InstanceState.RUNNING, [None])
    assert session.of(ChainRestarted)[-1] == ChainRestarted("A", at(21), session.of(ChainRestarted)[-1].input, 3)


def test_a_chain_that_runs_is_left_alone_by_a_request() -> None:
    session = Session(entries=lambda ticks: op.window(1.0, 1)(ticks).pipe(op.momentum(0.0005), op.bursts()))
    session.feed(trade(0), trade(0.5), trade(1), RestartChain("A", at(1.1)), trade(1.2))
    assert session.summary["funnel"]["ready"] == 2
    assert session.of(ChainRestarted) == []


def test_a_request_does_not_wait_for_the_delay() -> None:
    session = Session(entries=raising_while(lambda tick: tick.ts == at(0)), chains=THREE)
    session.feed(trade(0), RestartChain("A", at(0.1)), trade(0.2, says="LONG"), clock(5))
    assert session.verdicts == [None]
    assert len(session.of(ChainRestarted)) == 1


def test_exits_of_a_position_that_opens_after_a_removal_are_the_default_ones() -> None:
    """An order that was on its way is filled after its chain is gone."""
    heard: list[float] = []

    def exits(held: Any, market: Any) -> Any:
        return op.merge(hearing(heard, market), default_exits(PATIENT)(held, market))

    session = Session(exits=exits, execution=ExecutionSettings(latency_ms=1000.0))
    session.feed(trade(0, says="LONG"), RemoveChain("A", at(0.5), "too slow"), trade(1.5), trade(2))
    assert list(session.core.positions.open) == ["A"]
    assert session.feed(trade(3, 102), trade(5, 102)).exits == ["TP"]
    assert heard == []
