"""A strategy takes another's place between two inputs, warmed up with what was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from reactivex import Observable

from actors.engine.core import Core, CoreSettings, Input
from actors.engine.reloading import Reloading
from actors.engine.strategy_instance import ChainSettings, InstanceState
from actors.messages import (
    Fact,
    GuardChanged,
    PositionClosed,
    RemoveChain,
    ReplaceStrategy,
    SignalRaised,
    StrategyRefused,
    StrategyReplaced,
    StrategySource,
)
from microbot import op
from pipeline.events import SECOND, Gap, Quote, Side, Signal, Trade
from pipeline.exits import ExitSignal, Held, Market
from pipeline.operators.lift import Step
from pipeline.strategy import Strategy, StrategySettings, default_exits, momentum_burst
from service.recorded.decisions import decision_of
from tests.support.market import at, clock, gap, quote, trade
from tests.support.random_tapes import QUICK, tapes
from tests.support.sessions import PATIENT, encoded, on_demand

LONG = 100_000
"""A memory that holds every tape here."""


class Reloaded:
    """A core whose strategies have names, and are replaced by them."""

    def __init__(self, size: int = LONG, strategy: StrategySettings = PATIENT, **strategies: Any) -> None:
        exits = default_exits(strategy)
        self.strategies = {
            name: made if isinstance(made, Strategy) else Strategy(name, made, exits)
            for name, made in strategies.items()
        }
        self.facts: list[Fact] = []
        self.core = Core(
            CoreSettings(strategy, chains=ChainSettings(restarts=0)),
            next(iter(self.strategies.values())),
            self.facts.append,
            reloading=Reloading(lambda source: self.strategies[source.reference], size),
        )

    def feed(self, *events: Input) -> Reloaded:
        self.core.run(events)
        return self

    def replace(self, name: str, warm_up: int | None = None) -> Any:
        """Put a strategy in place, warmed up with all that is kept; return what the core says to it."""
        kept = len(self.core.reloading or ()) if warm_up is None else warm_up
        self.core.run([ReplaceStrategy(StrategySource(name, {}, "0"), kept)])
        return next(f for f in reversed(self.facts) if isinstance(f, StrategyReplaced | StrategyRefused))

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    @property
    def signals(self) -> list[int]:
        return [fact.signal.ts for fact in self.of(SignalRaised)]

    @property
    def decided(self) -> list[Any]:
        return [found.key for fact in self.facts if (found := decision_of(fact, 0)) is not None]


def everything(ticks: Observable[Trade], quotes: Observable[Quote], market: Any) -> Observable[Signal]:
    """Ask for all that a strategy may: candles and their timers, quotes, another symbol, readings."""
    other = op.on(market("B").ticks, op.sma(3))
    return ticks.pipe(
        op.candles(seconds=1),
        op.readings(fast=op.ema(2), slow=op.ema(4), spread=op.spread(quotes), other=other),
        op.when(op.crosses_above("fast", "slow"), go="LONG"),
        op.when(op.crosses_below("fast", "slow"), go="SHORT"),
        op.require("other", above=0),
        op.once_per("cross"),
    )


EVERYTHING = Strategy("everything", everything, [op.exit_when(op.below("fast", "slow")), op.time_stop(seconds=2.5)])
BURSTS = momentum_burst(QUICK)


@pytest.mark.parametrize("strategy", [EVERYTHING, BURSTS], ids=["everything", "bursts"])
@given(tape=tapes(most=150), places=st.lists(st.integers(0, 150), min_size=1, max_size=3))
@settings(max_examples=25, deadline=None)
def test_a_strategy_that_takes_its_own_place_decides_as_if_nothing_had_happened(
    strategy: Strategy, tape: list[Input], places: list[int]
) -> None:
    tape = [event for event in tape if not isinstance(event, Gap)]
    plain = Reloaded(strategy=QUICK, same=strategy).feed(*tape)
    reloaded = Reloaded(strategy=QUICK, same=strategy)
    for number, event in enumerate(tape):
        if number in places:
            assert isinstance(reloaded.replace("same"), StrategyReplaced)
        reloaded.feed(event)
    for session in (plain, reloaded):
        session.core.finish()
    assert reloaded.decided == plain.decided
    assert reloaded.core.summary() == plain.core.summary()


@given(tapes(most=150), st.integers(0, 150))
@settings(max_examples=15, deadline=None)
def test_the_same_inputs_give_the_same_facts(tape: list[Input], place: int) -> None:
    source = ReplaceStrategy(StrategySource("other", {}, "0"), 50)
    fed = [*tape[:place], source, *tape[place:]]
    one = Reloaded(60, QUICK, everything=EVERYTHING, other=everything).feed(*fed)
    same = Reloaded(60, QUICK, everything=EVERYTHING, other=everything)
    for event in fed:  # however they are batched
        same.feed(event)
    assert encoded(one.facts) == encoded(same.facts)


def raising_at(count: int) -> Callable[[Observable[Trade]], Observable[Signal]]:
    """A strategy that raises at its nth tick."""

    def entries(ticks: Observable[Trade]) -> Observable[Signal]:
        heard = 0

        def look(tick: Trade) -> bool:
            nonlocal heard
            heard += 1
            if heard == count:
                raise ZeroDivisionError("a typo")
            return False

        return on_demand(ticks.pipe(op.lift(_only(look))))

    return entries


def _only(look: Callable[[Trade], bool]) -> Any:
    def make(emit: Callable[[Trade], None], _: Any) -> Any:
        def on_next(tick: Trade) -> None:
            look(tick)
            emit(tick)

        return Step(on_next)

    return make


@given(tapes(most=150), st.integers(20, 150))
@settings(max_examples=15, deadline=None)
def test_one_that_raises_while_it_is_warmed_up_changes_nothing(tape: list[Input], place: int) -> None:
    plain = Reloaded(strategy=QUICK, everything=EVERYTHING).feed(*tape)
    kept = Reloaded(strategy=QUICK, everything=EVERYTHING, wrong=raising_at(1)).feed(*tape[:place])
    assert kept.core.reloading is not None
    heard = any(isinstance(event, Trade) for event in kept.core.reloading.kept)
    said = kept.replace("wrong")
    kept.feed(*tape[place:])
    if heard:
        assert isinstance(said, StrategyRefused)
        assert "ZeroDivisionError: a typo" in said.error
        assert said.traceback[-1] == "ZeroDivisionError: a typo"
        assert kept.decided == plain.decided


def test_what_it_says_while_it_is_warmed_up_is_dropped_and_what_it_says_then_is_not() -> None:
    session = Reloaded(first=lambda ticks: ticks.pipe(op.lift(_only(lambda _: False)), _never()), other=on_demand)
    session.feed(trade(0), trade(1, says="LONG"))
    assert session.replace("other") == StrategyReplaced("other", "0", 2, at(1), 3)
    assert session.signals == []
    session.feed(trade(2, says="LONG"))
    assert session.signals == [at(2)]


def _never() -> Any:
    return op.lift(lambda emit, scheduler: Step(lambda _: None))


def test_a_signal_that_would_be_refused_as_wrong_refuses_the_strategy() -> None:
    def wrong(ticks: Observable[Trade]) -> Observable[Any]:
        return ticks.pipe(op.lift(lambda emit, _: Step(lambda tick: emit(5))))

    session = Reloaded(first=on_demand, wrong=wrong).feed(trade(0))
    assert "a strategy must give signals, not a int" in session.replace("wrong").error
    session.feed(trade(1, says="LONG"))
    assert session.signals == [at(1)]


def in_a_row(ticks: Observable[Trade]) -> Observable[Signal]:
    """Signal at the third tick that it hears, and at each after that."""
    return ticks.pipe(op.readings(n=op.indicator("n", _count)), op.when(lambda f: f["n"] >= 3, go="LONG"), op.signals())


def _count() -> Any:
    heard = 0

    def step(tick: Trade) -> float:
        nonlocal heard
        heard += 1
        return float(heard)

    return step


@pytest.mark.parametrize(
    ("size", "warm_up", "signals"),
    [(100, 2, [3, 4]), (100, 0, [5]), (100, 1, [4, 5]), (1, 2, [4, 5])],
    ids=["warm", "cold", "half warm", "a short memory"],
)
def test_it_is_warmed_up_with_as_much_as_the_input_says_and_as_is_kept(
    size: int, warm_up: int, signals: list[int]
) -> None:
    session = Reloaded(size, first=_silent, other=in_a_row).feed(trade(0), trade(1))
    session.replace("other", warm_up)
    session.feed(*(trade(n) for n in range(3, 6)))
    assert session.signals[: len(signals)] == [at(n) for n in signals]


def _silent(ticks: Observable[Trade]) -> Observable[Signal]:
    return ticks.pipe(_never())


def test_what_was_before_a_gap_warms_nothing_up() -> None:
    session = Reloaded(first=_silent, other=in_a_row).feed(trade(0), trade(1), gap(1.5), trade(2))
    assert session.replace("other").warm_up == 1
    of_another = Reloaded(first=_silent, other=in_a_row).feed(trade(0), trade(1), gap(1.5, "B"), trade(2))
    assert of_another.replace("other").warm_up == 3


def test_a_late_trade_is_not_heard_by_the_rehearsal_either() -> None:
    session = Reloaded(first=_silent, other=in_a_row).feed(trade(1), trade(0), trade(0.5))
    assert session.replace("other").warm_up == 1


def test_symbols_that_come_later_get_the_new_strategy() -> None:
    session = Reloaded(first=_silent, other=on_demand).feed(trade(0))
    session.replace("other")
    session.feed(trade(1, says="LONG", symbol="NEW"))
    assert session.signals == [at(1)]


def test_before_the_first_tick_there_is_nothing_to_warm_up_with() -> None:
    session = Reloaded(first=_silent, other=on_demand)
    assert session.replace("other").warm_up == 0
    session.feed(trade(1, says="LONG"))
    assert session.signals == [at(1)]


# -------------------------------------------------------------------------------------------------------- positions


def leaving_at(price: float, reason: str) -> Callable[[Held, Market], Observable[ExitSignal]]:
    def exits(held: Held, market: Market) -> Observable[ExitSignal]:
        def make(emit: Callable[[ExitSignal], None], _: Any) -> Any:
            return Step(lambda tick: emit(ExitSignal(held.symbol, reason)) if tick.price >= price else None)

        return market.ticks.pipe(op.lift(make))

    return exits


def test_an_open_position_keeps_its_exits_and_the_next_has_those_of_the_new_strategy() -> None:
    session = Reloaded(
        first=Strategy("first", on_demand, leaving_at(100.5, "OLD")),
        other=Strategy("other", on_demand, leaving_at(100.2, "NEW")),
    ).feed(trade(0), trade(1, says="LONG"), trade(2))
    session.replace("other")
    session.feed(trade(3, 100.3), trade(4, 100.5), trade(5), trade(6, says="LONG"), trade(7), trade(8, 100.2), trade(9))
    assert [str(done.exit_reason) for done in session.of(PositionClosed)] == ["OLD", "NEW"]
    assert session.of(GuardChanged) == []


def test_a_position_that_grows_after_a_reload_is_guarded_by_the_same_exits_again() -> None:
    session = Reloaded(
        first=Strategy("first", on_demand, leaving_at(100.5, "OLD")),
        other=Strategy("other", on_demand, leaving_at(100.2, "NEW")),
    ).feed(trade(0), trade(1, says="LONG"), trade(2))
    session.replace("other")
    session.core.contexts["A"].guard(Held("A", Side.LONG, 100.1, at(1)))  # as the executor does at each fill
    session.feed(trade(3, 100.3), trade(4, 100.5))
    assert [str(done.exit_reason) for done in session.of(PositionClosed)] == ["OLD"]


def test_exits_that_ask_for_the_frames_of_their_strategy_get_those_after_it_was_replaced() -> None:
    def framed(name: str) -> Callable[[Observable[Trade]], Observable[Signal]]:
        indicator = op.indicator("price", lambda: lambda tick: tick.price)
        readings = op.readings(**{name: indicator})
        return lambda ticks: op.merge(on_demand(ticks), ticks.pipe(readings, op.signals(), _never()))

    session = Reloaded(
        first=Strategy("first", framed("mine"), [op.exit_when(op.above("mine", 100.4))]),
        other=Strategy("other", framed("another"), [op.exit_when(op.above("another", 100.4))]),
        third=Strategy("third", framed("another"), [op.exit_when(op.above("another", 100.4))]),
    ).feed(trade(0), trade(1, says="LONG"), trade(2))
    for name in ("other", "third"):
        session.replace(name)
    session.feed(trade(3, 100.3), trade(4, 100.5))
    assert session.of(PositionClosed) == []
    session.feed(trade(5, 100.3), trade(6, 100.3))
    assert [str(done.exit_reason) for done in session.of(PositionClosed)] == ["TURNED"]
    assert session.of(GuardChanged) == []
    session.feed(trade(7, says="SHORT"), trade(8, says="SHORT"))
    assert session.signals == [at(1), at(7), at(8)]  # of one strategy: that which was replaced is silent


def test_what_the_replaced_one_raises_is_counted_and_costs_the_new_one_nothing() -> None:
    session = Reloaded(first=raising_at(4), other=on_demand).feed(trade(0), trade(1, says="LONG"), trade(2))
    session.replace("other")
    session.feed(trade(3), trade(4, says="SHORT"))
    assert session.core.failures.count == 1
    assert session.core.contexts["A"].instance.state is InstanceState.RUNNING
    assert session.signals == [at(1), at(4)]


def test_who_listens_beside_the_strategy_does_not_hear_the_rehearsal() -> None:
    heard: list[Any] = []

    def exits(held: Held, market: Market) -> Observable[ExitSignal]:
        note: Any = op.lift(lambda emit, _: Step(heard.append))
        return op.merge(market.quotes.pipe(note), market.ticks.pipe(note))

    def quoting(ticks: Observable[Trade], quotes: Observable[Quote]) -> Observable[Signal]:
        return op.merge(on_demand(ticks), quotes.pipe(_never()))

    session = Reloaded(first=Strategy("first", quoting, exits), other=quoting)
    session.feed(trade(0), quote(0.5, 99, 101), trade(1, says="LONG"), quote(1.5, 99, 101), trade(2))
    before = list(heard)
    assert len(before) == 2
    session.replace("other")
    assert heard == before
    session.feed(quote(3, 99, 101), trade(3))
    assert len(heard) == 4


# ----------------------------------------------------------------------------------------- what did not run


def test_a_strategy_that_had_failed_runs_again_once_it_is_mended() -> None:
    session = Reloaded(first=raising_at(2), other=on_demand).feed(trade(0), trade(1))
    assert session.core.contexts["A"].instance.state is InstanceState.FAILED
    session.replace("other")
    session.feed(trade(2, says="LONG"))
    assert session.signals == [at(2)]


def test_one_that_was_to_restart_later_does_not() -> None:
    session = Reloaded(first=raising_at(2), other=on_demand)
    core = Core(
        CoreSettings(PATIENT, chains=ChainSettings(restarts=3)),
        session.strategies["first"],
        session.facts.append,
        reloading=Reloading(lambda source: session.strategies[source.reference], LONG),
    )
    session.core = core
    session.feed(trade(0), trade(1))
    assert core.contexts["A"].instance.state is InstanceState.RESTARTING
    session.replace("other")
    said = len(session.facts)
    session.feed(clock(60))
    assert [type(fact).__name__ for fact in session.facts[said:]] == []


def test_one_that_was_too_slow_is_given_another_chance() -> None:
    session = Reloaded(first=on_demand, other=on_demand)
    session.feed(trade(0), RemoveChain("A", at(0), "slow"), RemoveChain("B", at(0), "slow"))
    session.replace("other")
    session.feed(trade(2, says="LONG"), trade(3, says="LONG", symbol="B"))
    assert session.signals == [at(2), at(3)]


def test_a_core_that_replaces_nothing_passes_such_inputs_over() -> None:
    facts: list[Fact] = []
    core = Core(CoreSettings(PATIENT), Strategy("first", on_demand, default_exits(PATIENT)), facts.append)
    core.run([trade(0), ReplaceStrategy(StrategySource("other", {}, "0"), 5), trade(1, says="LONG")])
    assert [fact.signal.ts for fact in facts if isinstance(fact, SignalRaised)] == [at(1)]


def test_timers_that_waited_are_due_when_they_were() -> None:
    session = Reloaded(
        first=on_demand, other=everything, strategy=msgspec.structs.replace(PATIENT, time_stop_seconds=5.0)
    )
    session.feed(trade(0), trade(1, says="LONG"), trade(2))
    session.replace("other")
    session.feed(clock(30))
    (closed,) = session.of(PositionClosed)
    assert closed.exit_ts == at(1) + 5 * SECOND
