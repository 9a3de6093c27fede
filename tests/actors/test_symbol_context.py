"""context: a symbol's chain, what a user's mistake costs, and what a gap does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import reactivex
from hypothesis import given, strategies as st
from reactivex import Observable, operators as ops

from actors.engine.core import Core, CoreSettings
from actors.messages import BurstBlocked, ChainFailed, EntryLooked, Fact, SignalRaised
from pipeline import operators as op
from pipeline.events import Side, Trade
from pipeline.exits import ExitSignal
from pipeline.operators.frame import Frame
from pipeline.operators.lift import Step
from pipeline.strategy import StrategySettings, default_exits, momentum_burst
from tests.support.market import at, clock, gap, trade
from tests.support.raising import raised_in
from tests.support.random_tapes import QUICK, SYMBOLS, tapes
from tests.support.sessions import ONE_CHANCE, PATIENT, Session, encoded, on_demand


class Mistake(Exception):
    """What a user's operator raises."""


def fail_at(seconds: float, symbol: str = "A") -> Callable[[Any], Any]:
    """Make a function that raises at a tick, and otherwise gives it back."""

    def step(value: Any) -> Any:
        if (value.symbol, value.ts) == (symbol, at(seconds)):
            raise Mistake("a mistake of its author")
        return value

    return step


def raising(*_: Any) -> Any:
    raise Mistake("a mistake of its author")


def lifted(on_next: Callable[[Any], None], on_completed: Callable[[], None] = lambda: None) -> Any:
    return op.lift(lambda emit, scheduler: Step(on_next, on_completed))


def pushing(step: Callable[[Any], Any]) -> Any:
    """An operator that passes on what `step` makes of a value, raising where it raises."""
    return op.lift(lambda emit, scheduler: Step(lambda value: emit(step(value))))


# ------------------------------------------------------------------------------------- a user's mistakes


@pytest.mark.parametrize("mistaken", [lambda f: ops.map(f), pushing], ids=["map", "step"])
def test_an_operator_that_raises_stops_its_own_symbol_and_says_so(mistaken: Callable[[Any], Any]) -> None:
    def entries(ticks: Observable[Trade]) -> Any:
        return on_demand(mistaken(fail_at(1))(ticks))

    session = Session(entries=entries, chains=ONE_CHANCE).feed(
        trade(0), trade(1), trade(2, says="LONG"), trade(2, symbol="B", says="LONG")
    )
    error = f"Mistake: a mistake of its author ({raised_in(__file__)})"
    assert session.of(ChainFailed) == [ChainFailed("A", error, at(1), 2)]
    assert [fact.signal.symbol for fact in session.of(SignalRaised)] == ["B"]


def test_a_stopped_chain_stays_stopped_and_fails_once() -> None:
    session = Session(entries=lambda ticks: on_demand(pushing(raising)(ticks)), chains=ONE_CHANCE)
    session.feed(trade(0), trade(1), gap(2), trade(3), clock(100))
    assert len(session.of(ChainFailed)) == 1


def test_ticks_of_a_stopped_chain_are_still_seen() -> None:
    session = Session(entries=lambda ticks: on_demand(pushing(raising)(ticks))).feed(trade(0), trade(1, 105))
    assert session.summary["ticks"] == 2
    assert session.core.contexts["A"].price == 105


@pytest.mark.parametrize("price", [102.0, 98.0])
def test_a_position_keeps_its_exits_when_its_chain_stops(price: float) -> None:
    def entries(ticks: Observable[Trade]) -> Any:
        return on_demand(pushing(fail_at(1))(ticks))

    session = Session(entries=entries).feed(trade(0, says="LONG"), trade(1))
    assert session.summary["open_positions"] == 1
    assert session.feed(trade(2, price)).exits == ["TP" if price > 100 else "SL"]


def test_a_position_keeps_its_time_stop_when_its_chain_stops() -> None:
    def entries(ticks: Observable[Trade]) -> Any:
        return on_demand(pushing(fail_at(1))(ticks))

    strategy = StrategySettings(time_stop_seconds=5.0, flat_seconds=1000)
    session = Session(entries=entries, strategy=strategy).feed(trade(0, says="LONG"), trade(1), clock(5))
    assert session.exits == ["TIME"]


def test_the_signal_before_the_mistake_is_still_traded() -> None:
    """The mistake comes after the signal, within one tick."""

    def entries(ticks: Observable[Trade]) -> Any:
        return op.merge(on_demand(ticks), pushing(fail_at(1))(ticks).pipe(ops.ignore_elements()))

    session = Session(entries=entries).feed(trade(0), trade(1, says="LONG"))
    assert len(session.of(ChainFailed)) == 1
    assert session.summary["open_positions"] == 1


@given(tapes(), st.integers(1, 30), st.sampled_from(SYMBOLS))
def test_a_mistake_in_one_symbol_changes_no_other_symbol_s_decisions(tape: list[Any], place: int, sick: str) -> None:
    """With settings under which symbols do not share a loss limit: what others decide is byte for byte the same."""

    def chain(stops: bool) -> Callable[[Observable[Trade]], Any]:
        def entries(ticks: Observable[Trade]) -> Any:
            return momentum_burst(QUICK).entries(op.lift(_fail_at_tick(place if stops else None, sick))(ticks))

        return entries

    def others(stops: bool) -> list[Fact]:
        session = Session(entries=chain(stops), strategy=QUICK).feed(*tape)
        session.core.finish()
        return [fact for fact in session.facts if _symbol(fact) not in (sick, None)]

    # The account is shared, so a closed trade knows of the other symbols' money: that field alone is left out.
    assert _without_equity(others(True)) == _without_equity(others(False))


def _fail_at_tick(place: int | None, symbol: str) -> Any:
    def make(emit: Callable[[Any], None], scheduler: Any) -> Step:
        seen = 0

        def on_next(tick: Trade) -> None:
            nonlocal seen
            seen += 1
            if tick.symbol == symbol and seen == place:
                raise Mistake
            emit(tick)

        return Step(on_next)

    return make


def _symbol(fact: Any) -> str | None:
    for holder in (fact, *(getattr(fact, name, None) for name in ("signal", "order", "execution"))):
        if isinstance(getattr(holder, "symbol", None), str):
            return str(holder.symbol)
    return None


def _without_equity(facts: list[Fact]) -> list[Any]:
    plain = [msgspec.to_builtins(fact) for fact in facts]
    return [{key: value for key, value in fact.items() if key != "equity"} for fact in plain]


def test_a_composition_that_raises_stops_its_symbol() -> None:
    session = Session(entries=raising).feed(trade(0), trade(0, symbol="B"))
    assert [fact.symbol for fact in session.of(ChainFailed)] == ["A", "B"]
    assert session.summary["ticks"] == 2


def test_a_composition_that_raises_hears_no_tick_of_what_it_had_begun() -> None:
    heard: list[Trade] = []

    def entries(ticks: Observable[Trade]) -> Any:
        ticks.subscribe(heard.append)
        raise Mistake

    Session(entries=entries).feed(trade(0), trade(1))
    assert heard == []


def test_a_strategy_that_is_no_stream_stops_its_symbol() -> None:
    [failed] = Session(entries=lambda ticks: 5).feed(trade(0)).of(ChainFailed)  # type: ignore[arg-type,return-value]
    assert "AttributeError" in failed.error


def test_a_strategy_that_gives_no_signals_stops_and_says_what_it_should_give() -> None:
    [failed] = Session(entries=lambda ticks: ticks).feed(trade(0)).of(ChainFailed)
    assert failed.error.startswith("WrongValue: a strategy must give signals, not a Trade (Trade(symbol='A'")


def test_an_error_on_the_stream_stops_its_symbol_and_names_the_function_that_made_it() -> None:
    [failed] = Session(entries=lambda ticks: reactivex.throw(Mistake("at once"))).feed(trade(0)).of(ChainFailed)
    here = raised_in(__file__, "Session(entries=lambda ticks: reactivex.throw(")
    assert failed.error == f"Mistake: at once (in the strategy made at {here})"


def test_a_stream_that_ends_by_itself_is_no_failure() -> None:
    session = Session(entries=lambda ticks: on_demand(ticks.pipe(ops.take(1))))
    session.feed(trade(0, says="LONG"), trade(1, 102), trade(2, says="LONG"))
    session.core.finish()
    assert session.of(ChainFailed) == []
    assert session.verdicts == [None]


def test_an_operator_that_raises_in_a_timer_stops_its_own_symbol_only() -> None:
    def entries(ticks: Observable[Trade]) -> Any:
        return op.merge(on_demand(ticks), ticks.pipe(ops.delay(1.0), pushing(fail_at(0)), ops.ignore_elements()))

    session = Session(entries=entries).feed(trade(0), trade(5, symbol="B", says="LONG"))
    assert [fact.symbol for fact in session.of(ChainFailed)] == ["A"]
    assert session.verdicts == [None]


def test_an_operator_that_raises_when_a_gap_ends_its_stream_stops_its_own_symbol_only() -> None:
    session = Session(entries=lambda ticks: op.merge(on_demand(ticks), lifted(lambda _: None, raising)(ticks)))
    session.feed(trade(0), gap(1, "A"), trade(2, symbol="B", says="LONG"))
    assert [fact.symbol for fact in session.of(ChainFailed)] == ["A"]
    assert session.verdicts == [None]


def test_an_operator_that_raises_at_the_end_of_the_tape_stops_its_own_symbol_only() -> None:
    session = Session(entries=lambda ticks: op.merge(on_demand(ticks), lifted(lambda _: None, raising)(ticks)))
    session.feed(trade(0), trade(0, symbol="B"))
    session.core.finish()
    assert [fact.symbol for fact in session.of(ChainFailed)] == ["A", "B"]


def with_own(own: Any, merge: Any = op.merge) -> Any:
    """The default exits, and one of an author's own before them."""

    def exits(held: Any, market: Any) -> Any:
        return merge(own(held, market), default_exits(PATIENT)(held, market))

    return exits


def failing_step(held: Any, market: Any) -> Any:
    return market.ticks.pipe(pushing(fail_at(1)), ops.ignore_elements())


def failing_map(held: Any, market: Any) -> Any:
    return market.ticks.pipe(ops.map(fail_at(1)), ops.ignore_elements())


def failing_candle(held: Any, market: Any) -> Any:
    return market.candles.pipe(pushing(raising))


@pytest.mark.parametrize("own", [failing_step, failing_map, failing_candle])
def test_an_exit_of_one_s_own_that_raises_leaves_the_other_exits_and_symbols_alone(own: Any) -> None:
    session = Session(exits=with_own(own)).feed(trade(0, says="LONG"), trade(0, symbol="B"), trade(1), clock(2))
    assert [fact.symbol for fact in session.of(ChainFailed)] == ["A"]
    assert session.feed(trade(3, 102), trade(4, symbol="B", says="LONG")).exits == ["TP"]
    assert session.verdicts == [None, None]


def test_exits_that_end_with_an_error_leave_the_position_with_the_default_ones() -> None:
    """`rx.merge` does so where one of its sources fails."""
    session = Session(exits=with_own(failing_map, reactivex.merge)).feed(trade(0, says="LONG"), trade(1), trade(2, 102))
    assert [fact.symbol for fact in session.of(ChainFailed)] == ["A"]
    assert session.exits == ["TP"]


@pytest.mark.parametrize("merge", [op.merge, reactivex.merge], ids=["op.merge", "rx.merge"])
def test_exits_that_failed_fall_silent_with_their_position(merge: Any) -> None:
    """None of them waits for candles or a time stop when the position is gone."""
    session = Session(exits=with_own(failing_map, merge)).feed(trade(0, says="LONG"), trade(1), trade(2, 102))
    context = session.core.contexts["A"]
    assert (session.exits, context.guarded, context.candles.observed) == (["TP"], False, False)
    assert context.watched._observers == ()


def throwing(held: Any, market: Any) -> Any:
    return reactivex.throw(Mistake("at once"))


@pytest.mark.parametrize("exits", [raising, throwing])
def test_exits_that_cannot_be_composed_leave_the_position_with_the_default_ones(exits: Any) -> None:
    session = Session(exits=exits).feed(trade(0, says="LONG"), trade(1, 102))
    assert [fact.symbol for fact in session.of(ChainFailed)] == ["A"]
    assert session.exits == ["TP"]


def test_exits_that_return_nothing_are_named_and_leave_the_position_with_the_default_ones() -> None:
    forgotten: Any = lambda held, market: None  # noqa: E731
    session = Session(exits=forgotten).feed(trade(0, says="LONG"), trade(1, 102))
    (failed,) = session.of(ChainFailed)
    assert failed.error.startswith("TypeError: exits must return an observable, not a NoneType: is there a `return`?")
    assert session.exits == ["TP"]


def test_an_exit_that_says_something_else_stops_its_own_chain_only() -> None:
    session = Session(exits=with_own(lambda held, market: market.ticks), chains=ONE_CHANCE)
    session.feed(trade(0, says="LONG"), trade(1), trade(2, 102), trade(3, symbol="B", says="LONG"))
    assert [fact.symbol for fact in session.of(ChainFailed)] == ["A"]
    assert session.exits == ["TP"]


def test_an_exit_cannot_close_another_symbol_s_position() -> None:
    def stray(held: Any, market: Any) -> Any:
        return market.ticks.pipe(pushing(lambda tick: ExitSignal("B", "MINE")))

    session = Session(exits=with_own(stray)).feed(trade(0, says="LONG"), trade(0, symbol="B", says="LONG"), trade(1))
    assert session.trades == []


# ----------------------------------------------------------------------------------- pipes without bursts


def signals_only(ticks: Observable[Trade]) -> Any:
    return op.window(1.0, 1)(ticks).pipe(op.momentum(0.001), op.signals())


def test_a_pipe_may_end_in_a_signal_of_each_tick_that_meets_every_condition() -> None:
    session = Session(entries=signals_only).feed(trade(0), trade(0.5, 100.5), trade(1, 101), trade(1.2, 101))
    assert [(fact.signal.ts, fact.signal.side) for fact in session.of(SignalRaised)] == [
        (at(1), Side.LONG),
        (at(1.2), Side.LONG),
    ]
    assert session.summary["funnel"]["ready"] == 2


def test_a_pipe_without_bursts_shows_the_newest_frame() -> None:
    session = Session(entries=signals_only).feed(trade(0), trade(0.5))
    frame = session.core.contexts["A"].probe.frame
    assert frame is not None
    assert frame.ts == at(0.5)


@pytest.mark.parametrize("last", [op.momentum(0.001), ops.do_action(lambda _: None)], ids=["ours", "RxPY's"])
def test_a_pipe_that_ends_in_frames_orders_nothing_and_says_how_to_end_it(last: Any) -> None:
    session = Session(entries=lambda ticks: last(op.window(1.0, 1)(ticks)), chains=ONE_CHANCE)
    session.feed(trade(0), trade(0.5, 100.5), trade(1, 101), trade(1.2, 101))
    [failed] = session.of(ChainFailed)
    assert "put op.bursts() (or op.signals()) at the end of its pipe" in failed.error
    assert session.of(SignalRaised) == []


# ------------------------------------------------------------------------------------------------- gaps


def ready(session: Session) -> int:
    return int(session.summary["funnel"]["ready"])


def warm(*symbols: str) -> Session:
    """A session in which these symbols' windows of a second are warm since second 1."""
    session = Session(entries=lambda ticks: op.window(1.0, 1)(ticks).pipe(op.momentum(0.0005), op.bursts()))
    for seconds in (0, 0.5, 1):
        session.feed(*(trade(seconds, symbol=symbol) for symbol in symbols))
    assert ready(session) == len(symbols)
    return session


def test_a_gap_makes_the_windows_of_its_symbol_warm_up_again() -> None:
    session = warm("A").feed(gap(1.1, "A"), trade(1.2), trade(1.7), trade(2.1))
    assert ready(session) == 1
    assert ready(session.feed(trade(2.2))) == 2


def test_a_gap_of_one_symbol_leaves_the_others_warm() -> None:
    session = warm("A", "B").feed(gap(1.1, "A"), trade(1.2), trade(1.2, symbol="B"))
    assert ready(session) == 3


def test_a_gap_of_no_symbol_is_one_of_all() -> None:
    session = warm("A", "B").feed(gap(1.1), trade(1.2), trade(1.2, symbol="B"))
    assert ready(session) == 2


def test_a_gap_of_a_symbol_that_was_never_seen_changes_nothing() -> None:
    session = warm("A").feed(gap(1.1, "C"), trade(1.2))
    assert ready(session) == 2
    assert list(session.core.contexts) == ["A"]


def test_a_gap_moves_the_time() -> None:
    session = Session(strategy=StrategySettings(time_stop_seconds=5.0, flat_seconds=1000))
    session.feed(trade(0, says="LONG"), gap(6))
    assert session.exits == ["TIME"]


def test_a_gap_ends_a_burst_that_runs_and_counts_it() -> None:
    def entries(ticks: Observable[Trade]) -> Any:
        return ticks.pipe(op.window(1.0, 1), op.momentum(0.001), op.volume_spike(100), op.bursts())

    session = Session(entries=entries).feed(trade(0), trade(0.5), trade(1, 101), gap(2))
    assert session.of(BurstBlocked) == [BurstBlocked("A", Side.LONG, 1, "NO_VOLUME_SPIKE", at(2))]


def test_a_gap_keeps_positions_and_their_exits() -> None:
    session = Session().feed(trade(0, says="LONG"), gap(1), trade(2, 102))
    assert session.exits == ["TP"]


def test_a_gap_keeps_what_is_known_of_the_market() -> None:
    session = Session().feed(trade(0, bid=99.9, ask=100.1), gap(1), trade(2, says="LONG"))
    assert float(session.core.positions.open["A"].entry_price) == 100.1


def test_a_late_tick_is_late_after_a_gap_too() -> None:
    assert Session().feed(trade(5), gap(6), trade(4)).summary["ticks_late"] == 1


# --------------------------------------------------------------------------------------- what it shows


def looks(debug: bool) -> list[EntryLooked]:
    facts: list[Fact] = []
    strategy = momentum_burst(StrategySettings(window_size=1.0, min_ticks=1))
    core = Core(CoreSettings(), strategy, facts.append, debug=debug)
    core.run([trade(0), trade(0.5), trade(1), trade(1.5, 101)])
    return [fact for fact in facts if isinstance(fact, EntryLooked)]


def test_every_look_at_an_entry_is_a_fact_at_debug() -> None:
    first, second = looks(debug=True)
    assert (first.symbol, first.ts, second.ts) == ("A", at(1), at(1.5))
    assert [(r.name, r.passed) for r in second.readings] == [
        ("momentum", True),
        ("volume_spike", False),
        ("volatility_guard", True),
    ]


def test_without_debug_nobody_looks() -> None:
    assert looks(debug=False) == []


def test_looks_are_facts_for_a_pipe_without_bursts_too() -> None:
    session = Session(entries=signals_only, debug=True)
    session.feed(trade(0), trade(0.5), trade(1))
    assert len(session.of(EntryLooked)) == 1


@given(tapes())
def test_debug_changes_no_decision(tape: list[Any]) -> None:
    def facts(debug: bool) -> list[bytes]:
        session = Session(entries=momentum_burst(QUICK).entries, strategy=QUICK, debug=debug).feed(*tape)
        return encoded(fact for fact in session.facts if not isinstance(fact, EntryLooked))

    assert facts(True) == facts(False)


def test_every_symbol_has_a_window_of_its_own() -> None:
    frames: list[Frame] = []

    def entries(ticks: Observable[Trade]) -> Any:
        return ticks.pipe(op.window(10, 1), ops.do_action(frames.append), op.momentum(0.0005), op.bursts())

    Session(entries=entries).feed(trade(0), trade(1, symbol="B"), trade(2), trade(3, symbol="B"))
    assert [(f.symbol, f.count) for f in frames] == [("A", 1), ("B", 1), ("A", 2), ("B", 2)]
