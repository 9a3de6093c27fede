"""bursts: runs of ticks with one direction, at most one signal each, and why there was none."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, strategies as st
from reactivex import Observable, operators as ops
from reactivex.scheduler import ImmediateScheduler

from microbot.testing.hypothesis import ticks
from pipeline import operators as op
from pipeline.clock import InputClock, SymbolClock
from pipeline.events import Reading, Side, Signal, Trade
from pipeline.operators.condition import given as given_condition
from pipeline.operators.frame import Condition, Frame
from pipeline.operators.lift import Source, Step
from pipeline.operators.momentum.momentum import MOMENTUM
from pipeline.probe import BurstEnded, Probe
from tests.support.frames import frame
from tests.support.market import at, trade
from tests.support.streams import (
    Pipe,
    Tap,
    assert_marbles,
    assert_no_look_ahead,
    assert_two_subscriptions_are_independent,
    chain,
    outputs,
    then,
)


def conditions(source: Observable[Any]) -> Observable[Any]:
    """The gates of the default strategy, on frames that a test made."""
    return source.pipe(op.momentum(0.0005), op.volume_spike(1.5), op.volatility_guard(0.001), op.bursts())


def whole(source: Observable[Any]) -> Observable[Any]:
    return op.window(2.0, 2)(source).pipe(
        op.momentum(0.0005), op.volume_spike(1.5), op.volatility_guard(0.001), op.bursts()
    )


def look(direction: int, *, spike: bool = False, wide: bool = False, seconds: float = 0, ready: bool = True) -> Frame:
    """A frame that points up (1), down (-1) or nowhere (0), with or without the spike and the range."""
    return frame(
        seconds,
        momentum=0.001 * direction,
        size=20.0 if spike else 10.0,
        high=100.1 if wide else 100.0,
        ready=ready,
    )


class Watched:
    """Bursts with a probe that is shown what they do not pass on."""

    def __init__(self, pipe: Pipe = conditions) -> None:
        self.bursts: list[BurstEnded] = []
        self.probe = Probe(on_burst=self.bursts.append)
        self.tap = Tap(pipe, SymbolClock(InputClock(), probe=self.probe))

    def push(self, *frames: Frame) -> Watched:
        self.tap.push(*frames)
        return self

    @property
    def blocked(self) -> list[str | None]:
        return [burst.blocked for burst in self.bursts]


# ----------------------------------------------------------------------------------------------- signals


def test_the_first_tick_that_meets_every_condition_gives_the_signal() -> None:
    first, second = look(1, spike=True, wide=True, seconds=1), look(1, spike=True, wide=True, seconds=2)
    [signal] = outputs(conditions, [look(1), first, second])
    assert (signal.ts, signal.side) == (at(1), Side.LONG)


def test_a_signal_carries_what_its_tick_read() -> None:
    [signal] = outputs(conditions, [look(-1, spike=True, wide=True, seconds=3)])
    assert isinstance(signal, Signal)
    assert (signal.symbol, signal.ts, signal.side, signal.price) == ("A", at(3), Side.SHORT, 100.0)
    assert (signal.momentum, signal.volume_ratio, signal.range) == (-0.001, 2.0, 100.1 / 100 - 1)
    assert [reading.name for reading in signal.readings] == ["momentum", "volume_spike", "volatility_guard"]


def test_a_burst_gives_at_most_one_signal() -> None:
    assert len(outputs(conditions, [look(1, spike=True, wide=True)] * 10)) == 1


def test_conditions_must_be_met_by_one_tick_together() -> None:
    assert outputs(conditions, [look(1, spike=True), look(1, wide=True)]) == []


def test_the_signal_may_come_late_in_the_burst() -> None:
    values = [look(1), look(1, spike=True), look(1, wide=True), look(1, spike=True, wide=True, seconds=9)]
    assert [signal.ts for signal in outputs(conditions, values)] == [at(9)]


@pytest.mark.parametrize("between", [look(0), look(-1), look(1, ready=False)])
def test_a_change_of_direction_ends_the_burst_and_the_next_may_signal_again(between: Frame) -> None:
    strong = look(1, spike=True, wide=True)
    assert len(outputs(conditions, [strong, strong, between, strong, strong])) == 2


def test_a_turn_from_long_to_short_is_a_new_burst() -> None:
    values = [look(1, spike=True, wide=True), look(-1, spike=True, wide=True)]
    assert [signal.side for signal in outputs(conditions, values)] == [Side.LONG, Side.SHORT]


def test_a_tick_that_is_not_ready_signals_nothing() -> None:
    assert outputs(conditions, [look(1, spike=True, wide=True, ready=False)]) == []


def test_bursts_are_refused_where_no_condition_gives_a_direction() -> None:
    whatever = op.condition("narrow", lambda f: f.high, at_most=50)
    counted = op.running_condition("third", _counter, at_least=3)
    for parts in ([], [op.volume_spike(1.5)], [whatever], [counted], [counted, whatever]):
        with pytest.raises(
            ValueError, match=r"put op\.momentum\(0\.0005\), or an op\.condition\(\.\.\.\) with either_way="
        ):
            chain(op.window(), *parts, op.bursts())(Source())


@pytest.mark.parametrize("plain", [ops.filter(lambda _: True), op.lift(lambda emit, _: Step(emit))])
def test_bursts_that_cannot_see_the_conditions_are_refused_at_the_first_frame(plain: Any) -> None:
    tap = Tap(chain(op.window(), plain, op.volume_spike(1.5), op.bursts()))
    for seconds in (0, 1):
        with pytest.raises(ValueError, match="no condition before"):
            tap.push(trade(seconds))


@pytest.mark.parametrize(
    "direction",
    [
        op.condition("against", lambda f: -f.momentum, either_way=0.0005),
        op.running_condition("against", lambda: lambda f: -f.momentum, either_way=0.0005),
    ],
)
@pytest.mark.parametrize("plain", [[], [op.lift(lambda emit, _: Step(emit))]])
def test_a_condition_either_way_gives_the_direction(direction: Any, plain: list[Any]) -> None:
    values = [look(1), frame(momentum=0.0005 - 2e-9), frame(momentum=0.0005 - 5e-10), look(-1)]
    pipe = chain(*plain, direction, op.bursts())
    assert [signal.side for signal in outputs(pipe, values)] == [Side.SHORT, Side.SHORT, Side.LONG]
    [reading] = outputs(pipe, [look(1)])[0].readings
    assert reading == Reading("against", -0.001, 0.0005, True, "either_way")


def test_a_direction_that_does_not_meet_its_own_condition_signals_nothing() -> None:
    picky = Condition("picky", "NO_PICK", 0.0, value=lambda f: 0.0, passed=lambda f: False, direction=lambda f: 1)
    watched = Watched(chain(given_condition(picky), op.bursts())).push(look(1))
    watched.tap.complete()
    assert (watched.tap.values, watched.blocked) == ([], ["NO_PICK"])


def test_a_second_momentum_condition_must_be_met_as_well() -> None:
    pipe: Pipe = lambda s: s.pipe(op.momentum(0.0005), op.momentum(0.5), op.bursts())  # noqa: E731
    assert [frame.passed for frame in outputs(chain(op.momentum(0.0005), op.momentum(0.5)), [look(1)])] == [False]
    assert outputs(pipe, [look(1)]) == []


def test_a_condition_of_one_s_own_may_give_the_direction() -> None:
    """Against the move, for one: whoever bets on a return."""
    against = Condition(
        name="against",
        reason="NO_MOVE",
        threshold=0.0,
        value=lambda f: f.momentum,
        passed=lambda f: f.momentum != 0,
        direction=lambda f: (f.momentum < 0) - (f.momentum > 0),
    )
    values = [look(1), look(0), look(-1)]
    pipe = chain(given_condition(against), op.bursts())
    assert [signal.side for signal in outputs(pipe, values)] == [Side.SHORT, Side.LONG]
    watched = Watched(pipe).push(*values)
    assert [burst.side for burst in watched.bursts] == [Side.SHORT]
    assert watched.probe.bursts == 2


def test_a_signal_points_where_its_burst_does_whatever_the_condition_looks_at() -> None:
    against = Condition(
        name="momentum",
        reason="NO_MOVE",
        threshold=0.0005,
        value=MOMENTUM,
        passed=lambda f: abs(f.momentum) >= 0.0005,
        direction=lambda f: (f.momentum < 0) - (f.momentum > 0),
        checked=True,
    )
    watched = Watched(chain(given_condition(against), op.bursts())).push(look(1), look(0), look(-1))
    sides = [Side.SHORT, Side.LONG]
    watched.tap.complete()
    assert [burst.side for burst in watched.bursts] == sides
    assert [signal.side for signal in watched.tap.values] == sides


def test_exactly_the_threshold_points_with_float_noise_forgiven() -> None:
    values = [frame(momentum=0.0005 - 5e-10), frame(momentum=0), frame(momentum=-0.0005 + 5e-10)]
    pipe: Pipe = lambda s: s.pipe(op.momentum(0.0005), op.bursts())  # noqa: E731
    assert [signal.side for signal in outputs(pipe, values)] == [Side.LONG, Side.SHORT]
    assert outputs(pipe, [frame(momentum=0.0005 - 2e-9), frame(momentum=-0.0005 + 2e-9)]) == []


def test_bursts_without_a_window_say_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"bursts works on frames but got a Trade: put op\.window\(seconds=\.\.\.\)"):
        outputs(op.bursts(), [trade(0)])


# ------------------------------------------------------------------------------------------- why not


@pytest.mark.parametrize(
    ("looks", "reason"),
    [
        ([look(1)], "NO_VOLUME_SPIKE"),
        ([look(1), look(1, wide=True)], "NO_VOLUME_SPIKE"),
        ([look(1), look(1, spike=True)], "NO_VOLATILITY"),
        ([look(1, wide=True), look(1, spike=True)], "NEVER_TOGETHER"),
        ([look(1, spike=True), look(1, wide=True)], "NEVER_TOGETHER"),
        ([look(1, spike=True, wide=True)], None),
        ([look(1), look(1, spike=True, wide=True), look(1)], None),
    ],
)
def test_a_burst_that_ends_says_what_stood_in_the_way(looks: list[Frame], reason: str | None) -> None:
    watched = Watched().push(*looks)
    assert watched.blocked == []
    assert watched.push(look(0)).blocked == [reason]


def test_each_burst_has_a_reason_of_its_own() -> None:
    watched = Watched().push(look(1, spike=True), look(0), look(1), look(-1), look(0))
    assert watched.blocked == ["NO_VOLATILITY", "NO_VOLUME_SPIKE", "NO_VOLUME_SPIKE"]


def test_a_condition_of_one_s_own_gives_the_reason_by_its_name() -> None:
    def pipe(source: Observable[Any]) -> Observable[Any]:
        return source.pipe(op.momentum(0.0005), op.condition("narrow", lambda f: f.high, at_most=50), op.bursts())

    assert Watched(pipe).push(look(1), look(0)).blocked == ["NO_NARROW"]


def test_a_condition_of_one_s_own_may_name_its_reason() -> None:
    def pipe(source: Observable[Any]) -> Observable[Any]:
        own = op.condition("narrow", lambda f: f.high, at_most=50, reason="TOO_WIDE")
        return source.pipe(op.momentum(0.0005), own, op.bursts())

    assert Watched(pipe).push(look(1), look(0)).blocked == ["TOO_WIDE"]


def test_a_running_condition_gates_a_burst_like_any_other() -> None:
    def pipe(source: Observable[Any]) -> Observable[Any]:
        return source.pipe(op.momentum(0.0005), op.running_condition("third", _counter, at_least=3), op.bursts())

    watched = Watched(pipe).push(look(1), look(1), look(0), look(1))
    assert watched.blocked == ["NO_THIRD"]
    assert len(watched.tap.values) == 1


def _counter() -> Any:
    seen = 0

    def value(_: Frame) -> float:
        nonlocal seen
        seen += 1
        return seen

    return value


def test_the_first_condition_in_the_pipe_that_was_never_met_gives_the_reason() -> None:
    def pipe(source: Observable[Any]) -> Observable[Any]:
        return source.pipe(op.momentum(0.0005), op.volatility_guard(0.001), op.volume_spike(1.5), op.bursts())

    assert Watched(pipe).push(look(1), look(0)).blocked == ["NO_VOLATILITY"]


def test_the_end_of_the_stream_ends_a_burst_that_runs() -> None:
    watched = Watched().push(look(1))
    watched.tap.complete()
    assert watched.blocked == ["NO_VOLUME_SPIKE"]
    assert watched.tap.completions == 1


def test_the_end_of_the_stream_counts_a_burst_once() -> None:
    watched = Watched().push(look(1), look(0))
    watched.tap.complete()
    assert watched.blocked == ["NO_VOLUME_SPIKE"]


def test_a_burst_that_is_cut_off_by_a_disposal_is_told_by_no_one() -> None:
    watched = Watched().push(look(1), look(1))
    watched.tap.subscription.dispose()
    watched.tap.complete()
    assert watched.bursts == []


@pytest.mark.parametrize(("way", "side"), [(1, Side.LONG), (-1, Side.SHORT)])
def test_a_burst_says_its_way_and_when_it_began_and_how_many_ticks_it_had(way: int, side: Side) -> None:
    watched = Watched().push(look(0), look(way, seconds=1), look(way, seconds=2), look(way, seconds=3), look(0))
    assert watched.bursts == [BurstEnded("A", at(1), side, 3, "NO_VOLUME_SPIKE")]


def test_a_probe_is_shown_the_newest_frame_and_how_many_were_ready() -> None:
    newest = look(0, seconds=9)
    watched = Watched().push(look(0, ready=False), look(1), newest)
    assert watched.probe.ready == 2
    assert watched.probe.frame is not None
    assert watched.probe.frame.ts == newest.ts


def test_a_probe_that_asks_is_shown_every_frame() -> None:
    seen: list[Frame] = []
    Tap(conditions, SymbolClock(InputClock(), probe=Probe(seen.append))).push(look(0), look(1), look(1, ready=False))
    assert len(seen) == 3


@pytest.mark.parametrize("scheduler", [None, ImmediateScheduler()])
def test_without_a_probe_they_say_the_same_and_show_nothing(scheduler: ImmediateScheduler | None) -> None:
    values = [look(1), look(1, spike=True, wide=True), look(0)]
    expected = Watched().push(*values)
    assert outputs(conditions, values, scheduler) == expected.tap.values
    assert (Probe.of(scheduler).frame, Probe.of(scheduler).ready) == (None, 0)


# ------------------------------------------------------------------------------------------ in a pipe


@pytest.mark.parametrize(
    "plain",
    [ops.filter(lambda _: True), ops.do_action(lambda _: None), ops.map(lambda value: value)],
    ids=["filter", "do_action", "map"],
)
@pytest.mark.parametrize("place", range(5))
def test_a_plain_operator_in_between_works_and_changes_nothing(plain: Any, place: int) -> None:
    parts: list[Any] = [
        op.window(2.0, 2),
        op.momentum(0.0005),
        op.volume_spike(1.5),
        op.volatility_guard(0.001),
        op.bursts(),
    ]
    values = [trade(n * 0.5, 100 + n % 5 / 10, 1 + n * 7 % 5) for n in range(60)]
    expected = Watched(chain(*parts))
    found = Watched(chain(*parts[:place], plain, *parts[place:]))
    expected.tap.push(*values)
    found.tap.push(*values)
    assert len(expected.tap.values) > 3
    assert found.tap.values == expected.tap.values
    assert found.bursts == expected.bursts
    assert found.probe.ready == expected.probe.ready


def test_a_signal_comes_at_the_time_of_its_tick() -> None:
    strong = look(1, spike=True, wide=True)
    assert_marbles(
        then(conditions, lambda signal: str(signal.side)),
        hears="-a-b-b-a-c-|",
        says="---L-----S-|",
        heard={"a": look(1), "b": strong, "c": look(-1, spike=True, wide=True)},
        said={"L": "LONG", "S": "SHORT"},
    )


def test_an_error_of_the_source_goes_through() -> None:
    assert_marbles(conditions, "-a-#", "---#", {"a": look(1)}, {}, error=RuntimeError("the feed broke"))


def test_two_subscriptions_are_independent() -> None:
    values = [trade(n * 0.25, 100 + n % 5 / 10, 1 + n % 3) for n in range(40)]
    assert_two_subscriptions_are_independent(whole, values, key=lambda signal: signal)


@given(ticks(), st.integers(0, 60))
def test_a_prefix_of_the_ticks_gives_a_prefix_of_the_signals(values: list[Trade], cut: int) -> None:
    assert_no_look_ahead(whole, values, cut, key=lambda signal: signal)


@given(st.lists(st.tuples(st.sampled_from([1, 1, -1, 0]), st.tuples(*[st.booleans()] * 3)), max_size=40))
def test_a_burst_signals_at_its_first_tick_that_meets_all_and_else_says_what_none_of_its_ticks_met(
    said: list[tuple[int, tuple[bool, bool, bool]]],
) -> None:
    """Beside the obvious: each burst's ticks put together first, and asked for everything then."""
    met = {at(second): gates for second, (_, gates) in enumerate(said)}
    names = ("first", "second", "third")

    def gate(place: int) -> Pipe:
        return op.condition(names[place], lambda frame: float(met[frame.ts][place]), at_least=1.0)

    gates = map(gate, range(3))
    watched = Watched(chain(op.momentum(0.0005), *gates, op.bursts()))
    watched.push(*(look(direction, seconds=second) for second, (direction, _) in enumerate(said))).tap.complete()
    signals: list[int] = []
    blocked: list[str | None] = []
    for direction, run in groupby(enumerate(said), key=lambda one: one[1][0]):
        ticks = [(second, gates) for second, (_, gates) in run]
        if direction:
            together = [second for second, gates in ticks if all(gates)]
            signals += together[:1]
            never = (f"NO_{name.upper()}" for place, name in enumerate(names) if not any(g[place] for _, g in ticks))
            blocked.append(None if together else next(never, "NEVER_TOGETHER"))
    assert [signal.ts for signal in watched.tap.values] == [at(second) for second in signals]
    assert watched.blocked == blocked
