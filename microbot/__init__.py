"""microbot's public face: what a strategy file or a notebook imports, and nothing else.

    from microbot import Side, Signal, Strategy, backtest, op

Times are whole nanoseconds since 1970, UTC; prices and money are in the symbol's currency, sizes in shares; ratios are
fractions (0.01 is one percent). Names that are not in `__all__` may change with any release.
"""

from actors.portfolio.lines import SignalLine, TradeLine
from microbot import op
from microbot.backtesting import Backtest, EquityPoint, ReadingPoint, StrategyFailed, backtest, read_tape, replay
from microbot.reporting import Report, report
from microbot.sweeping import SweepRefused, SweepResult, sweep
from pipeline.events import Candle, Clock, Quote, Reading, Side, Signal, Trade
from pipeline.exits import ExitSignal, Held, Market, flat_market, profit_target, stop_loss, time_stop
from pipeline.operators.frame import Frame
from pipeline.operators.lift import Operator, Scheduler, Step
from pipeline.parameters import param
from pipeline.strategy import Strategy, StrategySettings, default_exits
from service.errors import UserError
from service.version import VERSION as __version__

__all__ = [
    "Backtest",
    "Candle",
    "Clock",
    "EquityPoint",
    "ExitSignal",
    "Frame",
    "Held",
    "Market",
    "Operator",
    "Quote",
    "Reading",
    "ReadingPoint",
    "Report",
    "Scheduler",
    "Side",
    "Signal",
    "SignalLine",
    "Step",
    "Strategy",
    "StrategyFailed",
    "StrategySettings",
    "SweepRefused",
    "SweepResult",
    "Trade",
    "TradeLine",
    "UserError",
    "__version__",
    "backtest",
    "default_exits",
    "flat_market",
    "op",
    "param",
    "profit_target",
    "read_tape",
    "replay",
    "report",
    "stop_loss",
    "sweep",
    "time_stop",
]
