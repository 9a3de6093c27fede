"""What is said of a strategy that could do nothing: it was never ready, or an exit never had its turn."""

from __future__ import annotations

from typing import Any

import pytest
from reactivex import operators as rx

from microbot import Strategy, op
from pipeline.strategy import StrategySettings, default_exits
from service import settings
from service.conditions import MANY
from service.recorded.replay import decide
from tests.support.market import trade


def said(pipe: Any, ticks: int = MANY, exits: Any = None, **given: float | None) -> list[str]:
    """Return what a replay of so many seconds says of a strategy, `pipe` of its ticks."""
    sentences: list[str] = []
    strategy = Strategy("mine", pipe, exits or default_exits(StrategySettings()))
    risk = {f"risk.{key}": value for key, value in given.items()}
    events = [trade(n, 100 + n % 3) for n in range(ticks)]
    decide([events], settings.load(given=risk, environment={}), strategy, say=sentences.append)
    return sentences


def pointed(ticks: Any, *frames: Any) -> Any:
    return ticks.pipe(*frames, op.when(op.above("price", 100), go="LONG"), op.once_per("rise"))


@pytest.mark.parametrize(
    ("pipe", "why"),
    [
        (lambda ticks: pointed(ticks, op.readings(fast=op.ema(3), slow=op.ema(5_000))), "no value of slow; "),
        (
            lambda ticks, market: pointed(ticks, op.readings(other=op.on(market("SPY").ticks, op.ema(3)))),
            "no value of other; ask for fewer items or seconds, or take a tape that has the stream",
        ),
        (lambda ticks: pointed(ticks, op.readings(n=op.indicator("n", lambda: lambda _: None))), "no value of n; "),
        (lambda ticks: pointed(ticks, op.candles(seconds=10**9), op.readings(a=op.sma(1))), "no frame came to the end"),
        (lambda ticks: pointed(ticks, op.window(seconds=50_000)), "its window was never full by the end of the tape"),
    ],
)
def test_what_was_never_ready_is_said_with_what_it_lacked(pipe: Any, why: str) -> None:
    [sentence] = said(pipe)
    assert sentence.startswith(f"mine was never ready, so it could not signal: {why}")


def test_nothing_is_said_of_what_was_ready_or_needs_no_frames_or_had_few_inputs() -> None:
    assert said(lambda ticks: pointed(ticks, op.readings(fast=op.ema(3)))) == []
    assert said(lambda ticks: ticks.pipe(rx.filter(lambda _: False))) == []
    assert said(lambda ticks: pointed(ticks, op.readings(slow=op.ema(5_000))), ticks=MANY - 1) == []


def test_an_exit_that_the_fallback_comes_before_is_said_with_the_setting_that_leaves_it_room() -> None:
    def quiet(ticks: Any) -> Any:
        return ticks.pipe(rx.filter(lambda _: False))

    exits = [op.stop_loss(0.02), op.time_stop(7_200), op.trailing_stop(0.02), op.stop_loss(0.001), op.time_stop(599)]
    assert said(quiet, ticks=2, exits=exits) == [
        "op.stop_loss(0.02) never has its turn: the fallback closes at 0.005; set risk.fallback_stop to more than 0.02",
        "op.time_stop(7200) never has its turn: the fallback closes at 600; set risk.fallback_hold_s to more than 7200",
    ]
    assert said(quiet, ticks=2, exits=exits, fallback_stop=0.03, fallback_hold_s=8_000) == []
