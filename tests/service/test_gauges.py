"""Gauges: a condition that raises, remembers or gives no number, where the dashboard looks at it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from math import nan
from typing import Any

import pytest

from actors.engine.core import Core, CoreSettings
from pipeline import operators as op
from pipeline.events import SECOND, Trade
from pipeline.operators.frame import Frame
from pipeline.strategy import Strategy, StrategySettings, default_exits
from service.live.telemetry import Telemetry
from tests.support.live import events_logged
from web.messages import GaugesSeen, SessionStarted

START = 1_767_623_400 * SECOND


def remembering() -> Callable[[Frame], float]:
    """Return a function that counts how often it is asked."""
    asked = count()
    return lambda frame: float(next(asked))


def raising(frame: Frame) -> float:
    raise ValueError("my bug")


def shown(value: Callable[[Frame], float], *, running: bool = False) -> tuple[list[GaugesSeen], list[dict[str, Any]]]:
    """Return the gauges of a strategy with a condition of one's own, and what was logged about it."""
    own: Any = (
        op.running_condition("mine", lambda: value, at_least=0.0)
        if running
        else op.condition("mine", value, at_least=0.0)
    )
    strategy = Strategy(
        "faulty",
        lambda ticks: ticks.pipe(op.window(1.0), op.momentum(0.5), own, op.bursts()),
        default_exits(StrategySettings()),
    )
    core = Core(CoreSettings(), strategy)
    core.run(Trade("AAPL", START + n * SECOND // 4, 100.0, 1.0) for n in range(20))
    session = SessionStarted("s", "faulty", "feed", "venue", ("AAPL",), True, START, {})
    telemetry = Telemetry(core, session)
    with events_logged() as logged:
        messages = telemetry.messages() + telemetry.messages()
    assert core.contexts["AAPL"].instance.runs
    return [message for message in messages if isinstance(message, GaugesSeen)], logged


def test_the_gauges_leave_out_a_condition_that_raises() -> None:
    gauges, logged = shown(raising)
    assert [[reading.name for reading in gauge.readings] for gauge in gauges] == [["momentum"]] * 2
    assert logged == []


@pytest.mark.parametrize(
    ("value", "event", "shows"),
    [
        (lambda frame: 1.0, None, True),
        (remembering(), "condition.remembers", True),
        (lambda frame: nan, "condition.not_a_number", False),
    ],
    ids=["pure", "with a memory", "no number"],
)
def test_what_cannot_be_trusted_is_named_once(value: Callable[[Frame], float], event: str | None, shows: bool) -> None:
    gauges, logged = shown(value)
    names = ["momentum", "mine"] if shows else ["momentum"]
    assert [[reading.name for reading in gauge.readings] for gauge in gauges] == [names] * 2
    assert [(line["event"], line["condition"]) for line in logged] == ([(event, "mine")] if event else [])


def test_numbers_and_rules_are_shown_and_cast_no_doubt_on_the_conditions() -> None:
    strategy = Strategy(
        "named",
        lambda ticks: ticks.pipe(
            op.readings(fast=op.ema(2), slow=op.ema(3)),
            op.when(op.above("fast", "slow"), go="LONG"),
            op.condition("mine", remembering(), at_least=0.0),
            op.once_per("cross"),
        ),
        default_exits(StrategySettings()),
    )
    core = Core(CoreSettings(), strategy)
    core.run(Trade("AAPL", START + n * SECOND, 100.0 + n, 1.0) for n in range(5))
    telemetry = Telemetry(core, SessionStarted("s", "named", "feed", "venue", ("AAPL",), True, START, {}))
    with events_logged() as logged:
        [gauges] = [message for message in telemetry.messages() if isinstance(message, GaugesSeen)]
    assert [reading.name for reading in gauges.readings] == ["fast", "slow", "fast above slow", "direction", "mine"]
    assert [(line["event"], line["condition"]) for line in logged] == [("condition.remembers", "mine")]


def test_a_running_condition_may_have_a_memory() -> None:
    _, logged = shown(remembering(), running=True)
    assert logged == []
