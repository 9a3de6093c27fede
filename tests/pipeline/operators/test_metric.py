"""metric: what it measures, what it lets pass, and what it refuses."""

from __future__ import annotations

from fractions import Fraction
from itertools import count
from typing import Any

import pytest
from hypothesis import given, strategies as st
from reactivex import Observable, operators as rx

from pipeline import operators as op
from pipeline.checked import WrongValue
from pipeline.clock import InputClock, SymbolClock
from pipeline.events import Signal, Trade
from pipeline.operators.lift import Source
from pipeline.probe import Probe
from pipeline.strategy import Strategy, Streams
from service.errors import UserError
from service.settings import Settings
from service.strategies import chosen
from tests.support.market import at, trade
from tests.support.sessions import Session, on_demand
from tests.support.streams import assert_no_look_ahead, assert_two_subscriptions_are_independent, outputs

SIZE = op.metric("size", lambda tick: tick.size)
DROPPED = rx.filter(lambda _: False)


def measured(pipe: Any, values: list[Any]) -> tuple[list[Any], dict[str, dict[str, float]]]:
    """Return what comes out of a pipe, and what its metrics came to."""
    probe, source, out = Probe(), Source[Any](), list[Any]()
    pipe(source).subscribe(out.append, scheduler=SymbolClock(InputClock(), probe=probe))
    for value in values:
        source.on_next(value)
    return out, {name: found.summary() for name, found in probe.metrics.items()}


@given(st.lists(st.floats(-1e9, 1e9), min_size=1))
def test_it_counts_each_value_and_passes_everything_on_as_it_is(values: list[float]) -> None:
    ticks = [trade(n, 100.0, size=value) for n, value in enumerate(values)]
    out, found = measured(SIZE, ticks)
    assert [id(item) for item in out] == [id(tick) for tick in ticks]
    mean = float(sum(map(Fraction, values)) / len(values))
    assert found == {
        "size": {
            "last": values[-1],
            "min": min(values),
            "max": max(values),
            "mean": pytest.approx(mean, rel=1e-9, abs=1e-3),
            "count": len(values),
        }
    }


def test_of_frames_only_ready_ones_are_measured() -> None:
    def pipe(source: Observable[Any]) -> Observable[Any]:
        return source.pipe(op.readings(r=op.sma(3)), op.metric("r", lambda frame: frame["r"]))

    out, found = measured(pipe, [trade(n, float(n + 1)) for n in range(5)])
    assert len(out) == 5
    assert found["r"] == {"last": 4.0, "min": 2.0, "max": 4.0, "mean": 3.0, "count": 3}


def test_what_stands_behind_it_knows_what_it_would_without_it() -> None:
    parts = op.window(15), op.momentum(0.0005)
    bare, with_it = Source[Trade]().pipe(*parts), Source[Trade]().pipe(*parts, op.metric("m", lambda f: f.momentum))
    for name in ("gives", "windowed", "directed"):
        assert getattr(with_it, name) == getattr(bare, name)
    with pytest.raises(ValueError, match="no condition before"):
        Source[Trade]().pipe(op.window(15), op.metric("m", lambda f: f.momentum), op.bursts())


def test_two_subscriptions_are_independent_and_nothing_looks_ahead() -> None:
    values = [trade(n, 100.0 + n) for n in range(6)]
    assert_two_subscriptions_are_independent(SIZE, values, key=lambda tick: tick)
    assert_no_look_ahead(SIZE, values, 3, key=lambda tick: tick)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "None, not a number: is there a `return`"),
        ("1", "'1', not a number"),
        (float("nan"), "nan, not a finite"),
    ],
)
def test_what_is_no_number_is_refused(value: Any, said: str) -> None:
    with pytest.raises(WrongValue, match=f"the metric 'x' gave {said}"):
        outputs(op.metric("x", lambda _: value), [trade(0)])


@pytest.mark.parametrize(
    ("name", "f", "said"),
    [("", len, "not a text of 1 to"), (3, len, "3, not a text"), ("x", 3, "takes a function of what comes by, not 3")],
)
def test_its_name_is_a_text_and_its_function_a_function(name: Any, f: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        op.metric(name, f)


def twice(ticks: Observable[Trade]) -> Observable[Signal]:
    return ticks.pipe(SIZE, rx.map(lambda tick: tick), op.metric("size", lambda tick: tick.price), DROPPED)


def test_two_of_one_name_are_refused_before_anything_starts() -> None:
    with pytest.raises(UserError, match=r"cannot be built: ValueError: two metrics are called 'size': give each"):
        chosen(twice, Settings())


def test_one_that_is_subscribed_twice_is_refused_where_that_shows() -> None:
    def entries(ticks: Observable[Trade]) -> Observable[Signal]:
        both = ticks.pipe(SIZE)
        return op.merge(both, both).pipe(DROPPED)

    session = Session(entries=entries).feed(trade(0))
    assert "two metrics are called 'size'" in session.core.summary()["failures"]["first"]["error"]  # type: ignore[index]


def test_the_same_strategy_may_be_built_for_one_symbol_after_the_other() -> None:
    strategy = Strategy("s", lambda ticks: ticks.pipe(SIZE, DROPPED), lambda held, market: market.ticks)
    for _ in range(2):
        strategy.signals(Streams(Source(), Source(), SymbolClock(InputClock()), lambda _: None))  # type: ignore[arg-type, return-value]


def test_the_summary_has_them_by_symbol_also_those_of_exits_and_of_what_was_restarted() -> None:
    numbers = count(1)

    def exits(held: Any, market: Any) -> Any:
        return market.ticks.pipe(op.metric("held", lambda tick: tick.price - held.entry_price), DROPPED)

    session = Session(
        entries=lambda ticks: on_demand(ticks.pipe(op.metric("nth", lambda _: (next(numbers) % 4 and 1.0) or None))),  # type: ignore[arg-type,return-value]
        exits=exits,
    )
    session.feed(trade(0, says="LONG"), trade(1, 102.0), trade(2, 101.0), trade(3), trade(5), trade(6, symbol="B"))
    found: Any = session.core.summary()["metrics"]
    assert found == {
        "A": {
            "held": {"last": 0.0, "min": 0.0, "max": 2.0, "mean": 0.75, "count": 4},
            "nth": {"last": 1.0, "min": 1.0, "max": 1.0, "mean": 1.0, "count": 4},  # the fourth failed, and it went on
        },
        "B": {"nth": {"last": 1.0, "min": 1.0, "max": 1.0, "mean": 1.0, "count": 1}},
    }
    assert session.core.now == at(6)


def test_a_summary_without_any_is_as_it_was() -> None:
    assert not {"metrics", "parameters"} & set(Session().feed(trade(0)).core.summary())
