"""Framing: conditions stand on the frames of the operator before them, in the order of the pipe, at no cost a tick."""

from __future__ import annotations

from typing import Any

import pytest
from reactivex import operators as rx

from microbot import op
from pipeline.events import Trade
from pipeline.operators.frame import Frame
from tests.support.market import trade
from tests.support.streams import outputs

TICKS = [trade(n, 100 + n % 3, size=100 + n) for n in range(8)]


def frames(*pipe: Any, ticks: list[Trade] = TICKS) -> list[Frame]:
    return outputs(lambda source: source.pipe(*pipe), ticks)


def rising() -> Any:
    last = 0.0

    def value(frame: Frame) -> float:
        nonlocal last
        before, last = last, frame.price
        return frame.price - before

    return value


PIPES = {
    "a window": (op.window(3), op.condition("a", lambda f: f.price, at_least=0)),
    "readings": (op.readings(fast=op.ema(2)), op.require("fast", above=0), op.require("fast", below=1e6)),
    "when": (op.readings(fast=op.ema(2)), op.when(op.above("fast", 1), go="LONG"), op.require("fast", above=0)),
    "a memory": (
        op.window(3),
        op.running_condition("rising", rising, at_least=0),
        op.momentum(0.1),
    ),
    "an operator of RxPY": (op.window(3), rx.take(5), op.require(lambda f: f.price > 0)),
}


@pytest.mark.parametrize("pipe", PIPES.values(), ids=PIPES)
def test_all_frames_of_a_pipe_carry_one_tuple_of_conditions(pipe: Any) -> None:
    made = frames(*pipe)
    assert made
    assert {id(frame.conditions) for frame in made} == {id(made[0].conditions)}


def test_the_conditions_stand_in_the_order_of_the_pipe() -> None:
    made = frames(
        op.window(2, 1),
        op.condition("a", lambda f: f.price, at_least=0),
        op.running_condition("b", rising, at_least=0),
        op.condition("c", lambda f: f.price, at_least=0),
        op.readings(fast=op.ema(2)),
        op.require("fast", above=0),
        op.when(op.above("fast", 0), go="LONG"),
        op.when(op.below("fast", 0), go="SHORT"),
        op.require(op.above("fast", 0)),
        op.condition("d", lambda f: f.price, at_least=0),
    )
    assert [c.name for c in made[-1].conditions] == ["a", "b", "c", "fast", "direction", "fast above 0", "d"]


def test_conditions_with_a_memory_each_show_what_they_saw_themselves() -> None:
    def doubled() -> Any:
        return lambda frame: 2 * frame.price

    made = frames(
        op.window(3),
        op.running_condition("rising", rising, at_least=0),
        op.running_condition("doubled", doubled, more_than=201),
    )
    seen = [{r.name: (r.value, r.passed) for r in frame.readings} for frame in made]
    prices = [tick.price for tick in TICKS]
    before = [0.0, *prices]
    assert [s["rising"] for s in seen] == [(p - b, p >= b) for p, b in zip(prices, before, strict=False)]
    assert [s["doubled"] for s in seen] == [(2 * p, 2 * p > 201) for p in prices]


def test_a_stream_that_two_pipes_share_has_the_conditions_of_neither() -> None:
    shared: list[Any] = []

    def share(source: Any) -> Any:
        shared.append(source.pipe(op.readings(fast=op.ema(1))))
        return shared[-1].pipe(op.require("fast", above=0))

    assert [c.name for c in outputs(share, TICKS)[-1].conditions] == ["fast"]
    assert shared[0].conditions == ()


def test_a_function_in_the_pipe_sees_the_conditions_before_it_alone() -> None:
    seen: list[int] = []

    def look(frame: Frame) -> bool:
        seen.append(len(frame.conditions))
        return True

    frames(
        op.readings(fast=op.ema(1)),
        op.require("fast", above=0),
        op.when(look, go="LONG"),
        op.require("fast", above=1),
    )
    assert set(seen) == {1}
