"""Exits that a strategy lists: where each of them leaves, for both sides, and what is no exit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st
from reactivex import never

from microbot import op
from pipeline.clock import InputClock, SymbolClock
from pipeline.events import Side, Trade
from pipeline.exits import Held, ListedExits, Market
from pipeline.exits.exit import Exit
from pipeline.operators.frame import Frame
from pipeline.operators.lift import Source
from tests.support.market import at, trade

SIDES = (Side.LONG, Side.SHORT)


class Position:
    """A position of one exit, and the ticks that it hears; `price` is said as a move in its favour."""

    def __init__(self, exit_: Exit, side: Side, frame: Frame | None = None) -> None:
        self.side = side
        self.frame = frame
        self.reasons: list[str] = []
        ticks: Source[Trade] = Source()
        clock = SymbolClock(InputClock())
        market = Market(ticks, never(), clock, never(), lambda: self.frame)
        held = Held("A", side, 100.0, at(0))
        subscription = exit_.begin(held, market).subscribe(lambda s: self.reasons.append(s.reason), scheduler=clock)
        self.let_go = subscription.dispose
        self._ticks = ticks
        self._levels = clock.probe.levels

    def moves(self, *cents: float) -> list[str]:
        """Print prices that are so many cents in the position's favour; return the reasons to leave so far."""
        for number, cent in enumerate(cents):
            self._ticks.on_next(trade(number, 100.0 + self.side.sign * cent / 100))
        return self.reasons

    @property
    def levels(self) -> list[tuple[str, float | None]]:
        """Where it says that it leaves, as a move in its favour."""
        prices = [(level.reason, level.price()) for level in self._levels]
        return [(why, p if p is None else round(self.side.sign * (p - 100.0) * 100, 6)) for why, p in prices]


@pytest.mark.parametrize("side", SIDES)
def test_a_trailing_stop_follows_the_best_price(side: Side) -> None:
    position = Position(op.trailing_stop(0.01), side)
    assert position.moves(-99.0, 50.0, 200.0, 150.0, 105.0) == []  # from 102 or 98, a hundredth is 1.02 or 0.98
    assert position.moves(90.0) == ["TRAIL"]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("exit_", "moves", "before", "after"),
    [
        (op.profit_target(0.01), (50.0,), ("TP", 100.0), ("TP", 100.0)),
        (op.stop_loss(0.01), (50.0,), ("SL", -100.0), ("SL", -100.0)),
        (op.take_profit(0.01), (100.0,), ("TP", 100.0), ("TP", None)),
        (op.break_even(0.01), (100.0,), ("BREAK_EVEN", None), ("BREAK_EVEN", 0.0)),
        (op.trailing_stop(0.01, after=0.02), (199.0,), ("TRAIL", None), ("TRAIL", None)),
    ],
)
def test_an_exit_says_where_it_leaves_for_as_long_as_it_watches(
    exit_: Exit, moves: tuple[float, ...], before: tuple[str, float | None], after: tuple[str, float | None], side: Side
) -> None:
    position = Position(exit_, side)
    assert position.levels == [before]
    position.moves(*moves)
    assert position.levels == [after]
    position.let_go()
    assert position.levels == []


@pytest.mark.parametrize(("side", "level"), [(Side.LONG, 98.0), (Side.SHORT, 102.0)])
def test_a_trailing_stop_says_where_it_trails(side: Side, level: float) -> None:
    position = Position(op.trailing_stop(0.01, after=0.02), side)
    position.moves(200.0)
    assert position.levels == [("TRAIL", level)]


@pytest.mark.parametrize("side", SIDES)
def test_a_trailing_stop_is_a_stop_loss_at_first(side: Side) -> None:
    assert Position(op.trailing_stop(0.01), side).moves(-100.0) == ["TRAIL"]


@given(
    st.sampled_from(SIDES),
    st.lists(st.integers(-300, 300).map(float), min_size=1, max_size=40),
    st.sampled_from([0.002, 0.01]),
    st.sampled_from([0.0, 0.005]),
)
def test_a_trailing_stop_leaves_at_each_price_that_is_so_far_from_the_best_once_it_trails(
    side: Side, cents: list[float], fraction: float, after: float
) -> None:
    prices = [100.0 + side.sign * cent / 100 for cent in cents]
    best, expected = 100.0, []
    for price in prices:
        best = max(best, price) if side is Side.LONG else min(best, price)
        trails = side.sign * (best / 100.0 - 1) >= after - 1e-9
        if trails and side.sign * (price / best - 1) <= -fraction + 1e-9:
            expected.append("TRAIL")
    assert Position(op.trailing_stop(fraction, after), side).moves(*cents) == expected


@pytest.mark.parametrize("side", SIDES)
def test_take_profit_says_once_that_a_part_leaves_and_goes_on_where_it_is_all_of_it(side: Side) -> None:
    assert Position(op.take_profit(0.01, part=0.5), side).moves(-200.0, 99.0, 100.0, 150.0, 50.0, 200.0) == ["TP"]
    assert Position(op.take_profit(0.01, part=1), side).moves(99.0, 100.0, 150.0) == ["TP", "TP"]
    said = op.take_profit(0.01, 0.25)
    assert (said.name, said.part) == ("take_profit(0.01, 0.25)", 0.25)


@pytest.mark.parametrize("side", SIDES)
def test_break_even_waits_until_there_was_something_to_keep(side: Side) -> None:
    position = Position(op.break_even(after=0.005), side)
    assert position.moves(-50.0, 49.0, 0.0) == []
    assert position.moves(50.0, 1.0) == []
    assert position.moves(0.0) == ["BREAK_EVEN"]


def framed(**values: float) -> Frame:
    return Frame(trade(0, 100.0), 100.0, True, 0.0, 1, 100.0, 0.0, 0.0, 100.0, 100.0, (), values)


@pytest.mark.parametrize("side", SIDES)
def test_a_volatility_stop_is_as_wide_as_the_reading_at_the_entry(side: Side) -> None:
    position = Position(op.volatility_stop("atr", 2), side, framed(atr=0.25))
    position.frame = framed(atr=9.0)  # what comes later does not move it
    assert position.moves(-49.0) == []
    assert position.moves(-50.0) == ["VOL_STOP"]


def test_an_exit_on_a_reading_is_asked_once_a_frame() -> None:
    position = Position(op.exit_when(op.above("rsi", 70), "HOT"), Side.LONG, framed(rsi=60))
    assert position.moves(1.0, 2.0) == []
    position.frame = framed(rsi=71)
    assert position.moves(1.0, 2.0) == ["HOT"]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("exit_", "cents", "reason"), [(op.profit_target(0.01), 100.0, "TP"), (op.stop_loss(0.01), -100.0, "SL")]
)
def test_target_and_stop_may_be_listed(exit_: Exit, cents: float, reason: str, side: Side) -> None:
    assert Position(exit_, side).moves(cents * 0.99) == []
    assert Position(exit_, side).moves(cents) == [reason]


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: ListedExits([]), ValueError, "an empty list"),
        (lambda: ListedExits([op.bursts()]), TypeError, "which is no exit"),
        (lambda: op.stop_loss(0), ValueError, "more than 0"),
        (lambda: op.trailing_stop(-0.1), ValueError, "more than 0"),
        (
            lambda: op.stop_loss(1),
            ValueError,
            r"op\.stop_loss: the fraction must be less than 1 \(0\.01 is 1 %\), not 1",
        ),
        (lambda: op.profit_target(2), ValueError, "less than 1"),
        (lambda: op.take_profit(1.5), ValueError, "less than 1"),
        (lambda: op.trailing_stop(0.1, after=1), ValueError, "less than 1"),
        (lambda: op.break_even(5), ValueError, "less than 1"),
        (lambda: op.time_stop(seconds=0), ValueError, "more than 0"),
        (lambda: op.flat_market(0, 0.1), ValueError, "1 or more"),
        (lambda: op.volatility_stop("atr", 0), ValueError, "more than 0"),
        (lambda: op.exit_when(cast("Any", "rsi")), TypeError, "takes a rule"),
    ],
)
def test_what_is_no_exit_is_refused_where_it_is_listed(
    make: Callable[[], Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        make()
