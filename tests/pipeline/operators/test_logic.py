"""Rules, directions and requirements: what makes a signal of frames with readings, and when."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st
from msgspec import UNSET

from microbot import op
from pipeline.checked import WrongValue
from pipeline.events import SECOND, Reading, Side, Signal, Trade
from pipeline.operators.frame import Frame
from pipeline.operators.logic.rule import Rule
from tests.support.market import at, trade
from tests.support.streams import (
    assert_no_look_ahead,
    assert_two_subscriptions_are_independent,
    outputs,
)

PRICE = op.sma(1)
BEFORE = op.before(op.sma(1))


def ticks(*prices: float, every: float = 1.0) -> list[Trade]:
    return [trade(n * every, price) for n, price in enumerate(prices)]


def frames(*prices: float) -> list[Frame]:
    found: list[Frame] = outputs(op.readings(p=PRICE), ticks(*prices))
    return found


def held(rule: Rule, *prices: float, every: float = 1.0) -> list[bool]:
    """Say at which of some prices a rule holds of the reading `p`."""
    holds = rule.begin()
    return [holds(frame) for frame in outputs(op.readings(p=PRICE), ticks(*prices, every=every))]


T, F = True, False


def test_comparisons_forgive_float_noise() -> None:
    assert held(op.above("p", 100), 99.9, 100.0, 100.0 + 1e-10, 100.1) == [F, F, F, T]
    assert held(op.below("p", 100), 99.9, 100.0, 100.0 - 1e-10, 100.1) == [T, F, F, F]
    assert held(op.between("p", 99, 101), 98.9, 99.0, 101.0, 101.1) == [F, T, T, F]


def test_an_operand_is_a_reading_a_number_what_a_frame_has_or_a_function() -> None:
    assert held(op.above("price", 100), 99.0, 101.0) == [F, T]
    assert held(op.above(lambda frame: frame.price * 2, "p"), 1.0) == [T]
    with pytest.raises(WrongValue, match=r"no reading 'fast': it has p; op\.readings"):
        held(op.above("fast", 1), 1.0)


def test_a_cross_holds_at_one_frame_only_and_never_at_the_first() -> None:
    prices = (101.0, 99.0, 100.0, 101.0, 102.0, 100.0, 99.0, 103.0)
    assert held(op.crosses_above("p", 100), *prices) == [F, F, F, T, F, F, F, T]
    assert held(op.crosses_below("p", 100), *prices) == [F, T, F, F, F, F, T, F]


@given(st.lists(st.integers(90, 110), max_size=40))
def test_crosses_up_and_down_take_turns(prices: list[int]) -> None:
    up, down = (held(make("p", 100.5), *map(float, prices)) for make in (op.crosses_above, op.crosses_below))
    crosses = [+1 if u else -1 for u, d in zip(up, down, strict=True) if u or d]
    assert all(a == -b for a, b in itertools.pairwise(crosses))


def test_rising_and_falling_look_so_many_frames_back() -> None:
    assert held(op.rising("p", 2), 1.0, 2.0, 2.0, 1.5, 3.0) == [F, F, T, F, T]
    assert held(op.falling("p"), 1.0, 2.0, 2.0, 1.5, 3.0) == [F, F, F, T, F]


def test_rules_combine_and_each_sees_every_frame() -> None:
    up, high = op.rising("p"), op.above("p", 100)
    prices = (99.0, 101.0, 100.5, 99.5, 99.7)
    assert held(op.all_of(up, high), *prices) == [F, T, F, F, F]
    assert held(op.any_of(up, high), *prices) == [F, T, T, F, T]
    assert held(op.not_(up), *prices) == [T, F, T, T, F]
    assert held(op.vote(up, high, op.above("p", 0), at_least=2), *prices) == [F, T, T, F, T]
    # Whether the price rose is asked at each frame, also where the other rule alone would decide.
    assert held(op.any_of(high, up), *prices) == held(op.any_of(up, high), *prices)


def test_a_score_weighs_rules() -> None:
    score = op.score((op.above("p", 100), 1.0), (op.rising("p"), 0.5))
    found = outputs(lambda source: source.pipe(op.readings(p=PRICE), op.readings(s=score)), ticks(99.0, 101.0, 101.0))
    assert [frame["s"] for frame in found] == [0.0, 1.5, 1.0]


def test_what_is_confirmed_held_in_a_row_or_for_a_time() -> None:
    prices = (101.0, 101.0, 99.0, 101.0, 101.0, 101.0)
    assert held(op.confirm(op.above("p", 100), 2), *prices) == [F, T, F, F, T, T]
    assert held(op.confirm(op.above("p", 100), seconds=1.0), *prices, every=0.5) == [F, F, F, F, F, T]


def pointed(*parts: Any) -> Callable[[Any], Any]:
    return lambda source: source.pipe(op.readings(p=PRICE, was=BEFORE), *parts)


UP_RULE, DOWN_RULE = op.above("p", 100), op.below("p", 100)
UP = op.when(UP_RULE, go="LONG")
DOWN = op.when(DOWN_RULE, go=Side.SHORT)


def test_frames_point_where_the_first_rule_that_holds_says() -> None:
    prices = ticks(99.0, 99.0, 100.0, 101.0)
    assert [f.direction for f in outputs(pointed(UP, DOWN), prices)] == [0, -1, 0, 1]
    both = pointed(op.when(lambda f: f["p"] > 0, go="LONG"), DOWN)
    assert [f.direction for f in outputs(both, prices)] == [0, 1, 1, 1]


def test_a_frame_that_is_not_ready_points_nowhere_and_no_rule_is_asked() -> None:
    asked = []

    def always(frame: Frame) -> bool:
        asked.append(frame.price)
        return True

    found = outputs(pointed(op.when(always, go="LONG")), ticks(1.0, 2.0, 3.0))
    assert [(f.ready, f.direction) for f in found] == [(False, 0), (True, 1), (True, 1)]
    assert asked == [2.0, 3.0]


def signals(*parts: Any, prices: tuple[float, ...]) -> list[tuple[float, str]]:
    found: list[Signal] = outputs(pointed(*parts), ticks(*prices))
    return [((signal.ts - at(0)) / SECOND, signal.side) for signal in found]


def test_a_run_of_frames_that_point_one_way_signals_once() -> None:
    prices = (99.0, 101.0, 101.0, 102.0, 99.0, 98.0, 101.0, 100.0, 101.0)
    expected = [(1, "LONG"), (4, "SHORT"), (6, "LONG"), (8, "LONG")]
    assert signals(UP, DOWN, op.once_per("side"), prices=prices) == expected
    assert len(signals(UP, DOWN, op.signals(), prices=prices)) == 7


def test_a_signal_carries_what_the_rule_that_points_it_says() -> None:
    up = op.when(
        op.above("p", 100), go="LONG", quantity=lambda f: 1000 / f["p"], limit=lambda f: f.price * 1.01, good_for=2
    )
    down = op.when(op.below("p", 100), go="SHORT", quantity=7, exits=[op.stop_loss(0.001), op.time_stop(9)])
    unheard = op.when(op.above("p", 0), go="SHORT", quantity=99)
    found: list[Signal] = outputs(pointed(up, down, unheard, op.signals()), ticks(90.0, 125.0, 80.0))
    assert [(s.side, s.quantity, s.limit, s.good_for) for s in found] == [
        (Side.LONG, 8.0, 126.25, 2.0),
        (Side.SHORT, 7.0, UNSET, UNSET),
    ]
    assert [s.exits for s in found] == [UNSET, ("stop_loss(0.001)", "time_stop(9)")]


def test_a_signal_that_momentum_points_carries_only_what_the_same_way_says() -> None:
    up = op.when(op.above("p", 100), go="LONG", quantity=7)
    pipe = (op.window(seconds=2, min_ticks=2), op.readings(p=PRICE), op.momentum(0.001), up, op.bursts())
    found = outputs(lambda source: source.pipe(*pipe), ticks(101.0, 102.0, 103.0, 101.5, 99.0))
    assert [(s.side, s.quantity) for s in found] == [(Side.LONG, 7.0), (Side.SHORT, UNSET)]


@pytest.mark.parametrize(("name", "gives"), [("quantity", 0), ("limit", -1.0), ("quantity", None), ("limit", "1")])
def test_an_amount_that_is_none_is_told_with_the_function_that_gave_it(name: str, gives: Any) -> None:
    def amount(frame: Frame) -> Any:
        return gives

    amounts: dict[str, Any] = {name: amount}
    part = op.when(op.above("p", 0), go="LONG", **amounts)
    with pytest.raises(WrongValue, match=f"op.when: {name} gave {gives!r}, not a number") as failure:
        outputs(pointed(part, op.once_per("tick")), ticks(1.0, 2.0))
    assert failure.value.maker is amount


def test_a_requirement_that_is_met_later_in_the_run_signals_there() -> None:
    far = op.require("p", above=101.5)
    assert signals(UP, far, op.once_per("side"), prices=(99.0, 101.0, 102.0, 103.0)) == [(2, "LONG")]
    calm = op.require("p", below=102)
    assert signals(UP, calm, op.once_per("side"), prices=(99.0, 102.0, 101.9, 101.0)) == [(2, "LONG")]


def test_a_rule_may_be_required_too() -> None:
    rising = op.require(op.rising("p"))
    assert signals(UP, rising, op.once_per("side"), prices=(99.0, 105.0, 104.0, 104.5)) == [(3, "LONG")]


PLAIN = (
    op.above("p", 100),
    op.below("p", 101),
    op.between("p", 99, 101),
    op.not_(op.between("p", 100, 101)),
    op.any_of(op.above("p", 101), op.below("p", 99)),
    op.vote(op.above("p", 99), op.below("p", 101), op.above("price", 100), at_least=2),
)


@given(st.sampled_from(PLAIN), st.lists(st.sampled_from([98.0, 99.0, 100.0, 101.0, 102.0]), max_size=12))
def test_a_rule_without_a_memory_is_asked_only_for_what_it_decides_and_decides_the_same(
    rule: Rule, prices: list[float]
) -> None:
    kinds = (rule, Rule(rule.name, rule.begin))
    asked, always = (outputs(pointed(UP, DOWN, op.require(one), op.once_per("side")), ticks(*prices)) for one in kinds)
    assert asked == always
    assert [frame.seen for frame in outputs(pointed(op.require(rule)), ticks(*prices))] == [()] * len(prices)


def test_a_rule_of_an_author_s_function_is_asked_at_every_frame() -> None:
    asked: list[float] = []

    def price_of(frame: Frame) -> float:
        asked.append(frame.price)
        return frame.price

    outputs(pointed(op.require(op.all_of(op.above(price_of, 1), op.above("p", 1)))), ticks(1, 2, 3))
    assert asked == [2, 3]  # the first frame is not ready


@pytest.mark.parametrize(
    "what", [op.require("p", below=101.5, go="LONG"), op.require(lambda f: f["p"] < 101.5, go="LONG")]
)
def test_what_is_required_of_one_side_is_required_of_that_side_alone(what: Any) -> None:
    prices = (99.0, 102.0, 99.0, 101.0, 99.0)
    assert signals(UP, DOWN, what, op.once_per("side"), prices=prices) == [(2, "SHORT"), (3, "LONG"), (4, "SHORT")]
    of_short = op.require("p", below=98.5, go="SHORT")
    assert signals(UP, DOWN, of_short, op.once_per("side"), prices=prices) == [(1, "LONG"), (3, "LONG")]


def test_a_requirement_of_one_side_is_called_after_it() -> None:
    parts = (UP, op.require("p", below=1, go="LONG"), op.require("p", above=9, go="SHORT"))
    [*_, last] = outputs(pointed(*parts), ticks(99.0, 102.0))
    assert [(c.name, c.reason) for c in last.conditions[1:]] == [("p LONG", "NO_P_LONG"), ("p SHORT", "NO_P_SHORT")]


def test_cool_off_drops_what_comes_too_soon() -> None:
    parts = (UP, op.signals(), op.cool_off(2.0))
    assert signals(*parts, prices=(99.0, *[101.0] * 6)) == [(1, "LONG"), (3, "LONG"), (5, "LONG")]


def test_a_frame_shows_its_numbers_and_which_rules_hold_beside_its_conditions() -> None:
    pipe = pointed(UP, DOWN, op.require("p", below=101.5))
    frames = outputs(pipe, ticks(99.0, 101.0, 102.0, 99.0))
    up, down = UP_RULE.name, DOWN_RULE.name
    shown = [[(r.name, r.value, r.passed) for r in frame.readings if r.bound == "rule"] for frame in frames]
    assert shown[1:] == [
        [(up, 1.0, T), (down, 0.0, F)],
        [(up, 1.0, T), (down, 0.0, F)],
        [(up, 0.0, F), (down, -1.0, T)],
    ]
    assert frames[2].readings == (
        Reading("was", 101.0, 0.0, True, "none"),  # `p` is shown by its condition
        Reading(up, 1.0, 1.0, True, "rule"),
        Reading(down, 0.0, 1.0, False, "rule"),
        Reading("direction", 1.0, 1.0, True, "either_way"),
        Reading("p", 102.0, 101.5, False, "less_than"),
    )


def test_where_two_rules_hold_both_are_said_to_and_the_first_points() -> None:
    found = outputs(pointed(UP, op.when(UP_RULE, go="SHORT")), ticks(99.0, 101.0))[-1]
    assert (found.direction, found.rules) == (1, ((UP_RULE.name, 1), (UP_RULE.name, -1)))


def test_a_signal_carries_the_numbers_and_rules_of_its_frame() -> None:
    [signal] = outputs(pointed(UP, op.once_per("side")), ticks(99.0, 101.0))
    assert [(r.name, r.value, r.bound) for r in signal.readings[:3]] == [
        ("p", 101.0, "none"),
        ("was", 99.0, "none"),
        (UP_RULE.name, 1.0, "rule"),
    ]


def test_leaving_a_requirement_out_leaves_out_its_condition_only() -> None:
    prices = (99.0, 101.0, 101.9, 103.0, 99.0)
    whole = (UP, DOWN, op.require("p", above=101.5), op.require(op.rising("p")))
    names = ["direction", "p", "p rising"]
    for left_out in (2, 3):
        rest = [part for place, part in enumerate(whole) if place != left_out]
        kept = [name for place, name in enumerate(names, 1) if place != left_out]
        found = outputs(pointed(*rest), ticks(*prices))
        assert [condition.name for condition in found[-1].conditions] == kept


def test_once_per_wants_a_direction_and_says_so_where_the_pipe_is_built() -> None:
    with pytest.raises(ValueError, match=r'op.once_per\(\'cross\'\).*put op.when\(..., go="LONG"\) before it'):
        outputs(pointed(op.require("p", above=1), op.once_per("cross")), [])


@pytest.mark.parametrize("operator", [op.momentum(0.001), op.volume_spike(1.5), op.volatility_guard(0.001)])
def test_what_looks_back_over_a_window_is_refused_where_there_is_none(operator: Any) -> None:
    with pytest.raises(ValueError, match=r"looks back over a window: put op.window\(seconds=...\) before op.readings"):
        outputs(pointed(UP, operator), [])
    windowed = op.window(seconds=2)
    assert outputs(lambda source: source.pipe(windowed, op.readings(p=PRICE), UP, operator), ticks(1.0, 2.0))


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: op.when(cast("Any", "fast"), go="LONG"), TypeError, "takes a rule"),
        (lambda: op.when(op.above("p", 1), go="long"), WrongValue, "neither LONG nor SHORT"),
        (lambda: op.when(op.above("p", 1), go="LONG", quantity=0), WrongValue, "quantity is 0, not a number above 0"),
        (lambda: op.when(op.above("p", 1), go="LONG", limit=cast("Any", "1")), WrongValue, "limit is '1', not a num"),
        (lambda: op.when(op.above("p", 1), go="LONG", good_for=-1), WrongValue, "good_for is -1, not a number abov"),
        (lambda: op.when(op.above("p", 1), go="LONG", good_for=90_000), WrongValue, "good_for is 90000, more than"),
        (lambda: op.when(op.above("p", 1), go="LONG", good_for=cast("Any", abs)), WrongValue, "good_for is <built-in"),
        (lambda: op.when(op.above("p", 1), go="LONG", exits=[]), WrongValue, "op.when: exits is an empty list"),
        (lambda: op.when(op.above("p", 1), go="LONG", exits=[1]), WrongValue, "op.when: exits lists 1, which is no"),
        (lambda: op.when(op.above("p", 1), go="LONG", exits="SL"), WrongValue, "exits is 'SL', neither a list"),
        (lambda: op.require("p"), ValueError, "exactly one of at_least"),
        (lambda: op.require("p", above=1, below=2), ValueError, "exactly one of at_least"),
        (lambda: op.require("p", above=1, go="up"), WrongValue, "neither LONG nor SHORT"),
        (lambda: op.require(op.above("p", 1), go="up"), WrongValue, "neither LONG nor SHORT"),
        (lambda: op.require(op.above("p", 1), above=2), ValueError, "a rule has no bound"),
        (lambda: op.vote(op.above("p", 1), at_least=2), ValueError, "of 1 rules"),
        (lambda: op.all_of(), ValueError, "at least one rule"),
        (lambda: op.score(), ValueError, "pairs of a rule"),
        (lambda: op.score(cast("Any", op.above("p", 1))), TypeError, "pairs of a rule"),
        (lambda: op.confirm(op.above("p", 1)), ValueError, "not both"),
        (lambda: op.confirm(op.above("p", 1), 2, seconds=1), ValueError, "not both"),
        (lambda: op.ema(0), ValueError, "1 or more"),
        (lambda: op.ema(cast("Any", 2.5)), ValueError, "whole"),
        (lambda: op.sma(), ValueError, "a number of items, or seconds="),
        (lambda: op.macd(9, 3), ValueError, "fast must be less than slow"),
        (lambda: op.macd(line=cast("Any", "upper")), ValueError, "macd, signal or histogram"),
        (lambda: op.readings(a=cast("Any", 3)), TypeError, "not an indicator"),
        (lambda: op.spread(cast("Any", "quotes")), TypeError, "def strategy"),
        (lambda: op.minutes_from("9 o'clock"), ValueError, "written as 09:30"),
        (lambda: op.time_of_day("Mars/Olympus"), ValueError, "no time zone"),
        (lambda: op.cool_off(0), ValueError, "more than 0"),
        (lambda: op.candles(seconds=0), ValueError, "more than 0"),
        (lambda: op.candles(seconds=1, ticks=3), ValueError, "give one of"),
        (lambda: op.on(cast("Any", "SPY"), op.ema(2)), TypeError, "takes a stream"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_where_it_is_written(
    make: Callable[[], Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        make()


PIPES = {
    "crosses": (op.when(op.crosses_above("p", "was"), go="LONG"), op.once_per("cross")),
    "confirmed": (op.when(op.confirm(op.rising("p"), 2), go="SHORT"), op.signals()),
    "required": (UP, op.require(op.rising("p", 2)), op.once_per("side"), op.cool_off(3)),
}


@pytest.mark.parametrize("name", PIPES)
def test_two_subscriptions_of_a_pipe_are_independent(name: str) -> None:
    values = ticks(*[100 + (n * 7 % 11) / 5 - 1 for n in range(40)])
    # The late one warms up by itself: what it hears first is as if the stream had begun there.
    assert_two_subscriptions_are_independent(pointed(*PIPES[name]), values, lambda signal: (signal.ts, signal.side))


@pytest.mark.parametrize("name", PIPES)
@given(prices=st.lists(st.integers(95, 105).map(float), max_size=30), cut=st.integers(0, 30))
def test_a_prefix_of_the_ticks_gives_a_prefix_of_the_signals(name: str, prices: list[float], cut: int) -> None:
    assert_no_look_ahead(pointed(*PIPES[name]), ticks(*prices), cut, lambda signal: (signal.ts, signal.side))


def test_rules_are_not_joined_by_words_of_pythons_own() -> None:
    rule: Any = op.above("a", "b")
    other: Any = op.below("price", 5)
    for joined in (
        lambda: rule and other,
        lambda: rule or other,
        lambda: not rule,
        lambda: rule & other,
        lambda: rule | other,
        lambda: ~rule,
    ):
        with pytest.raises(TypeError, match=r"^the rule 'a above b' is neither true nor false .+ op\.all_of\(a, b\)"):
            joined()


def test_nothing_lies_between_bounds_that_are_swapped() -> None:
    with pytest.raises(ValueError, match=r"^op\.between: low is 3, above high, which is 1: nothing lies there$"):
        op.between("a", 3, 1)


@pytest.mark.parametrize("name", ["price", "size", "momentum", "range", "volume_ratio"])
def test_a_reading_has_no_name_that_rules_read_off_the_frame_itself(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^op\.readings: rules read {name} off the frame itself: give the reading"):
        op.readings(**{name: op.ema(9)})
