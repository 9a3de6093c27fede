"""boundary: what an author's strategy says comes in right, or fails its chain by its own line and orders nothing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from math import inf, nan
from typing import Any

import msgspec
import pytest
import reactivex
from reactivex import operators as ops

from actors.messages import ChainFailed, OrderSubmitted, SignalRaised
from pipeline import operators as op
from pipeline.checked import WrongValue
from pipeline.events import Reading, Side, Signal, Trade
from pipeline.exits import ExitSignal
from pipeline.operators.condition import given
from pipeline.operators.frame import Condition, Frame, signal_of
from pipeline.operators.lift import Step
from tests.support.market import at, quote, trade
from tests.support.raising import raised_in
from tests.support.sessions import ONE_CHANCE, PATIENT, Session, on_demand


def said(tick: Trade, **other: Any) -> Signal:
    """A signal of an author's own about a tick."""
    values: dict[str, Any] = {"symbol": tick.symbol, "ts": tick.ts, "side": "LONG", "price": tick.price}
    values |= {"momentum": 0.0, "volume_ratio": 0.0, "range": 0.0} | other
    return Signal(**values)  # the author's line


def mapped(make: Callable[[Trade], Any]) -> Any:
    return lambda ticks: ticks.pipe(ops.map(make))


def stepped(make: Callable[[Trade], Any]) -> Any:
    return lambda ticks: op.lift(lambda emit, scheduler: Step(lambda tick: emit(make(tick))))(ticks)


WAYS = pytest.mark.parametrize("way", [mapped, stepped], ids=["RxPY's map", "a step"])


# ------------------------------------------------------------------------------------------------------- the side


@WAYS
@pytest.mark.parametrize("side", ["LONG", "SHORT", Side.LONG, Side.SHORT])
def test_a_side_or_its_exact_text_opens_that_side(side: str, way: Any) -> None:
    session = Session(entries=way(lambda tick: said(tick, side=side))).feed(trade(0))
    position = session.core.positions.open["A"]
    assert (position.side, position.signed_held) == (Side(side), 1.0 if side == "LONG" else -1.0)
    assert session.of(SignalRaised)[0].signal.side is Side(side)


class Theirs(StrEnum):
    LONG = "LONG"


def test_an_enumeration_of_the_author_s_own_is_a_text_too() -> None:
    assert said(trade(0), side=Theirs.LONG).side is Side.LONG


WRONG: dict[str, Any] = {
    "BUY": {"side": "BUY"},
    "long": {"side": "long"},
    "Long": {"side": " LONG"},
    "a number": {"side": 1},
    "a truth": {"side": True},
    "no side": {"side": None},
    "a price that is none": {"price": nan},
    "a price as text": {"price": "100"},
    "another price": {"price": 99.0},
    "an endless momentum": {"momentum": inf},
    "no ratio": {"volume_ratio": None},
    "a range of two": {"range": (1.0, 2.0)},
    "another symbol": {"symbol": "B"},
    "no symbol": {"symbol": None},
    "another time": {"ts": at(-1)},
    "seconds": {"ts": at(0) / 1e9},
    "readings as numbers": {"readings": (1.0,)},
    "a reading alone": {"readings": Reading("x", 1.0, 1.0, True)},
}


@WAYS
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_signal_fails_its_chain_names_the_value_and_the_line_and_orders_nothing(wrong: Any, way: Any) -> None:
    session = Session(entries=way(lambda tick: said(tick, **wrong)), chains=ONE_CHANCE).feed(trade(0), trade(1))
    [failed] = session.of(ChainFailed)
    assert failed.error.startswith("WrongValue: ")
    assert "test_boundary.py:" in failed.error
    value = next(iter(wrong.values()))
    assert (f"{value:g}" if isinstance(value, float) and value == 99.0 else repr(value))[:60] in failed.error
    assert (session.of(OrderSubmitted), session.of(SignalRaised)) == ([], [])


def test_a_wrong_value_is_raised_in_the_author_s_line_that_made_it() -> None:
    session = Session(entries=mapped(lambda tick: said(tick, side="BUY")), chains=ONE_CHANCE).feed(trade(0))
    here = raised_in(__file__, "# the author's line")
    assert session.of(ChainFailed)[0].error == f"WrongValue: a signal's side is 'BUY', neither LONG nor SHORT ({here})"


@WAYS
@pytest.mark.parametrize("wrong", [{"symbol": "B"}, {"ts": at(-1)}, {"price": 99.0}], ids=["symbol", "time", "price"])
def test_a_signal_that_is_refused_only_by_the_core_is_told_by_the_line_that_made_it(wrong: Any, way: Any) -> None:
    session = Session(entries=way(lambda tick: said(tick, **wrong)), chains=ONE_CHANCE).feed(trade(0))
    place = raised_in(__file__, "# the author's line")
    assert session.of(ChainFailed)[0].error.endswith(f" ({place})")


def test_a_signal_that_was_made_long_before_it_is_said_is_told_by_its_own_line() -> None:
    def entries(ticks: Any) -> Any:
        return ticks.pipe(ops.map(said), ops.delay(1.0))

    session = Session(entries=entries, chains=ONE_CHANCE).feed(trade(0), trade(0.5, 101), trade(0.6, 102), trade(1.2))
    place = raised_in(__file__, "# the author's line")
    assert session.of(ChainFailed)[0].error.endswith(f" ({place})")


def as_text(tick: Trade) -> Any:  # the author's function
    return "BUY"


def test_what_is_no_signal_is_told_by_the_function_that_gave_it() -> None:
    def entries(ticks: Any) -> Any:
        return ticks.pipe(ops.map(lambda tick: tick), ops.map(as_text), ops.filter(lambda found: True))

    session = Session(entries=entries, chains=ONE_CHANCE).feed(trade(0))
    place = raised_in(__file__, "# the author's function")
    assert session.of(ChainFailed)[0].error.endswith(f" ({place})")


def test_where_nothing_tells_who_gave_it_the_strategy_is_named_as_such() -> None:
    def entries(ticks: Any) -> Any:  # the author's strategy
        return reactivex.return_value("BUY")

    session = Session(entries=entries, chains=ONE_CHANCE).feed(trade(0))
    place = raised_in(__file__, "# the author's strategy")
    assert session.of(ChainFailed)[0].error.endswith(f" (in the strategy made at {place})")


def test_a_signal_needs_no_more_than_symbol_time_side_and_price_and_is_written_with_what_it_shows() -> None:
    short = Signal("A", at(0), Side.LONG, 100.0)
    assert short == said(trade(0))
    shown = ["symbol", "ts", "side", "price", "momentum", "volume_ratio", "range", "readings"]
    assert list(msgspec.to_builtins(short)) == ["type", *shown]


def test_where_a_signal_was_made_is_no_part_of_it() -> None:
    one, other = said(trade(0)), Signal("A", at(0), Side.LONG, 100.0, 0.0, 0.0, 0.0)
    assert (one, hash(one), repr(one), msgspec.json.encode(one)) == (
        other,
        hash(other),
        repr(other),
        msgspec.json.encode(other),
    )


@WAYS
@pytest.mark.parametrize("value", [None, "LONG", 5, {"side": "LONG"}, Side.LONG, ExitSignal("A", "TP")])
def test_what_is_no_signal_fails_its_chain_and_orders_nothing(value: Any, way: Any) -> None:
    session = Session(entries=way(lambda tick: value), chains=ONE_CHANCE).feed(trade(0), trade(1))
    [failed] = session.of(ChainFailed)
    assert failed.error.startswith("WrongValue: a strategy must give signals, not ")
    assert session.of(OrderSubmitted) == []


# ---------------------------------------------------------------------------------------------- time and price


def test_time_and_price_may_be_left_to_the_core() -> None:
    session = Session(entries=mapped(lambda tick: said(tick, ts=0, price=0))).feed(trade(3, 101.5))
    signal = session.of(SignalRaised)[0].signal
    assert (signal.ts, signal.price) == (at(3), 101.5)


def test_a_signal_has_its_tick_s_time_where_now_is_ahead_of_it() -> None:
    session = Session(entries=mapped(said)).feed(quote(5, 99, 101, symbol="B"), trade(3))
    assert session.of(SignalRaised)[0].signal.ts == at(3)


def about_now(tick: Trade) -> Signal:
    return said(tick, ts=0, price=0)


def test_a_signal_of_a_timer_is_about_now() -> None:
    def entries(ticks: Any) -> Any:
        return ticks.pipe(ops.delay(1.0), ops.map(about_now))

    session = Session(entries=entries).feed(trade(0, 100), trade(0.5, 101), trade(1.2, 102))
    assert [(s.signal.ts, s.signal.price) for s in session.of(SignalRaised)] == [(at(1), 101.0)]


def test_a_signal_before_the_first_trade_is_refused() -> None:
    early = reactivex.return_value(said(trade(0), ts=0, price=0))
    session = Session(entries=lambda ticks: early, chains=ONE_CHANCE).feed(quote(0, 99, 101))
    assert "there was no trade of A yet" in session.of(ChainFailed)[0].error
    assert session.of(OrderSubmitted) == []


# ------------------------------------------------------------------------------------------- numbers of any kind


@pytest.mark.parametrize("value", [Decimal("0.5"), True, 1])
def test_what_a_condition_gives_is_a_plain_number_in_its_reading(value: Any) -> None:
    own = op.condition("own", lambda frame: value, at_least=0.1)
    frames: list[Frame] = []
    session = Session(
        entries=lambda ticks: ticks.pipe(op.window(1, 1), own, ops.do_action(frames.append), op.signals())
    )
    session.feed(trade(0))
    [reading] = frames[0].readings
    assert (type(reading.value), reading.value, reading.passed) == (float, float(value), True)
    assert msgspec.json.decode(msgspec.json.encode(reading), type=Reading) == reading


@pytest.mark.parametrize("value", [None, nan, inf, "0.5", [0.5], 10**400])
@pytest.mark.parametrize("kind", ["condition", "running", "raw"])
def test_a_condition_that_gives_no_finite_number_fails_its_chain_by_its_line(kind: str, value: Any) -> None:
    function = lambda frame: value  # noqa: E731  # what the author wrote
    own: Any = {
        "condition": lambda: op.condition("own", function, at_least=0.1),
        "running": lambda: op.running_condition("own", lambda: function, at_least=0.1),
        "raw": lambda: given(Condition("own", "NO_OWN", 0.1, function, function)),
    }[kind]()
    session = Session(entries=lambda ticks: ticks.pipe(op.window(1, 1), own, op.signals()), chains=ONE_CHANCE)
    session.feed(trade(0), trade(0.5), trade(1, 101))
    [failed] = session.of(ChainFailed)
    assert failed.error.startswith("WrongValue: the condition 'own' gave ")
    assert failed.error.endswith(f"({raised_in(__file__, '# what the author wrote')})")
    assert session.of(OrderSubmitted) == []


@pytest.mark.parametrize("direction", [nan, "LONG", None])
def test_a_direction_that_is_none_never_becomes_short(direction: Any) -> None:
    own = given(Condition("own", "NO_OWN", 0.0, lambda f: 1.0, lambda f: True, lambda f: direction))
    for end in (op.bursts(), op.signals()):
        session = Session(entries=lambda ticks, e=end: ticks.pipe(op.window(1, 1), own, e), chains=ONE_CHANCE)
        session.feed(trade(0), trade(0.5), trade(1, 101))
        assert "the condition 'own' gave the direction" in session.of(ChainFailed)[0].error
        assert session.of(SignalRaised) == []


def test_a_direction_of_any_size_counts_by_its_sign() -> None:
    own = given(Condition("own", "NO_OWN", 0.0, lambda f: 1.0, lambda f: True, lambda f: 2.5))  # type: ignore[arg-type,return-value]
    session = Session(entries=lambda ticks: ticks.pipe(op.window(1, 1), own, op.bursts()))
    session.feed(trade(0), trade(0.5), trade(1))
    assert session.of(SignalRaised)[0].signal.side is Side.LONG


def test_a_frame_that_points_nowhere_is_no_short_signal() -> None:
    def entries(ticks: Any) -> Any:
        return ticks.pipe(op.window(1, 1), op.momentum(0.1), ops.map(signal_of))

    session = Session(entries=entries, chains=ONE_CHANCE).feed(trade(0), trade(1))
    assert "points neither up nor down" in session.of(ChainFailed)[0].error
    assert session.of(SignalRaised) == []


def test_a_condition_of_one_s_own_called_momentum_gives_its_own_direction() -> None:
    own = given(Condition("momentum", "NO_OWN", 0.0, lambda f: 1.0, lambda f: True, lambda f: -1))
    session = Session(entries=lambda ticks: ticks.pipe(op.window(1, 1), own, op.bursts()))
    session.feed(trade(0), trade(0.5), trade(1, 101))
    assert session.of(SignalRaised)[0].signal.side is Side.SHORT


@pytest.mark.parametrize("threshold", [nan, inf, "0.1", None])
def test_a_threshold_that_is_no_number_is_refused_where_it_is_given(threshold: Any) -> None:
    with pytest.raises((WrongValue, ValueError)):
        op.condition("own", lambda f: 1.0, at_least=threshold)
    with pytest.raises(WrongValue):
        op.momentum(threshold)


def test_a_negative_momentum_is_refused_since_every_tick_would_be_long() -> None:
    with pytest.raises(ValueError, match="must be 0 or more"):
        op.momentum(-0.001)


# ---------------------------------------------------------------------------------------------------- the exits


@pytest.mark.parametrize(
    "make",
    [
        lambda: ExitSignal("A", 5),  # type: ignore[arg-type]
        lambda: ExitSignal("A", ""),
        lambda: ExitSignal("A", None),  # type: ignore[arg-type]
        lambda: ExitSignal("A", "a\nb"),
        lambda: ExitSignal("A", "x" * 1000),
        lambda: ExitSignal(None, "MINE"),  # type: ignore[arg-type]
        lambda: ExitSignal("B", "MINE"),
        lambda: ExitSignal("A", "HALT"),  # the core's own: it would be shown, and priced, as what it is not
        lambda: ExitSignal("A", "FALLBACK"),
        lambda: "MINE",
        lambda: None,
    ],
)
def test_a_wrong_exit_fails_the_chain_by_its_line_and_orders_nothing(make: Callable[[], Any]) -> None:
    def exits(held: Any, market: Any) -> Any:
        return market.ticks.pipe(op.lift(lambda emit, scheduler: Step(lambda tick: emit(make()))))

    session = Session(exits=exits, chains=ONE_CHANCE).feed(trade(0, says="LONG"), trade(1))
    [failed] = session.of(ChainFailed)
    assert failed.error.startswith("WrongValue: ")
    assert "test_boundary.py:" in failed.error
    assert len(session.of(OrderSubmitted)) == 1  # the entry


def elsewhere(tick: Trade) -> ExitSignal:
    return ExitSignal("B", "MINE")  # the author's exit


def test_an_exit_of_another_symbol_is_told_by_the_line_that_made_it() -> None:
    exits = lambda held, market: market.ticks.pipe(ops.map(elsewhere))  # noqa: E731
    session = Session(exits=exits, chains=ONE_CHANCE).feed(trade(0, says="LONG"), trade(1))
    place = raised_in(__file__, "# the author's exit")
    assert session.of(ChainFailed)[0].error.endswith(f" ({place})")


def test_a_reason_of_the_author_s_own_kind_of_text_is_a_plain_one() -> None:
    class Why(StrEnum):
        TRAIL = "TRAIL"

    assert type(ExitSignal("A", Why.TRAIL).reason) is str


# ------------------------------------------------------------------------------------------- whatever is raised


class Rude(Exception):
    def __str__(self) -> str:
        raise ValueError("it cannot even say")


@pytest.mark.parametrize("error", [SystemExit(3), Rude(), ValueError("x" * 100_000), ValueError(f"{object()}")])
@WAYS
def test_whatever_a_strategy_raises_costs_its_own_chain_only(error: BaseException, way: Any) -> None:
    def fail(tick: Trade) -> Any:
        if tick.symbol == "A":
            raise error
        return said(tick)

    session = Session(entries=way(fail), chains=ONE_CHANCE).feed(trade(0), trade(0, symbol="B"))
    [failed] = session.of(ChainFailed)
    assert len(failed.error) < 1_000
    assert " at 0x" not in failed.error
    assert list(session.core.positions.open) == ["B"]


def test_an_error_that_is_no_exception_costs_its_own_chain_only() -> None:
    def entries(ticks: Any) -> Any:
        failing: Any = lambda observer, scheduler: observer.on_error("no exception")  # noqa: E731
        return reactivex.create(failing)

    [failed] = Session(entries=entries, chains=ONE_CHANCE).feed(trade(0)).of(ChainFailed)
    assert "ended with 'no exception', which is no exception" in failed.error


class Clinging:
    """A subscription of an author's own that raises when it is let go."""

    def dispose(self) -> None:
        raise SystemExit("not yet")


def clinging(stream: Any) -> Any:
    found: Any = reactivex.create(lambda observer, scheduler: stream.subscribe(observer, scheduler=scheduler))
    subscribe = found.subscribe

    def kept(*arguments: Any, **named: Any) -> Any:
        subscribe(*arguments, **named)
        return Clinging()

    found.subscribe = kept
    return found


def test_a_subscription_that_raises_when_it_is_let_go_costs_nobody_else() -> None:
    exits = lambda held, market: clinging(market.ticks.pipe(ops.map(lambda tick: ExitSignal("A", "MINE"))))  # noqa: E731
    session = Session(entries=lambda ticks: clinging(on_demand(ticks)), exits=exits, strategy=PATIENT)
    session.feed(trade(0, says="LONG"), trade(1), trade(2, symbol="B", says="LONG"))
    session.core.finish()
    assert session.exits == ["MINE"]
