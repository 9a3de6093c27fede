"""A condition that raises costs its own chain only, also where only the dashboard looks at it."""

from __future__ import annotations

from actors.core import Core, CoreSettings
from pipeline import operators as op
from pipeline.events import SECOND, Frame, Trade
from pipeline.strategy import Strategy, StrategySettings, default_exits
from service.live.telemetry import Telemetry
from web.messages import GaugesSeen, SessionStarted

START = 1_767_623_400 * SECOND


def raising(frame: Frame) -> float:
    raise ValueError("my bug")


def test_the_gauges_leave_out_a_condition_that_raises() -> None:
    strategy = Strategy(
        "faulty",
        lambda ticks: ticks.pipe(
            op.window(1.0), op.momentum(0.5), op.condition("mine", raising, at_least=0.0), op.bursts()
        ),
        default_exits(StrategySettings()),
    )
    core = Core(CoreSettings(), strategy)
    core.run(Trade("AAPL", START + n * SECOND // 4, 100.0, 1.0) for n in range(20))
    session = SessionStarted("s", "faulty", "feed", "venue", ("AAPL",), True, START, {})
    gauges = [message for message in Telemetry(core, session, 8.0).messages() if isinstance(message, GaugesSeen)]
    assert [[reading.name for reading in gauge.readings] for gauge in gauges] == [["momentum"]]
    assert core.lanes["AAPL"].chain.runs
