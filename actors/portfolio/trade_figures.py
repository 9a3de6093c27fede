"""The figures of closed trades: one fold, whatever trades it is given; docs/DASHBOARD.md has each definition."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

from actors.messages import ExitReason
from actors.portfolio.closed_trades import ClosedTrade
from pipeline.events import SECOND

LEAST_TRADES = 5
"""Trades below which a ratio says more about chance than about trading: then it is None."""

CURVE_POINTS = 128
"""Points that the curve of the profit has at most; of more trades every second, fourth ... is one."""


class Group:
    """What the trades of one symbol, exit reason or hour came to."""

    def __init__(self) -> None:
        self.trades = self.wins = self.losses = 0
        self.pnl = self.won = self.lost = self.fees = Decimal(0)  # money; `lost` is below 0, or nothing

    def add(self, trade: ClosedTrade) -> None:
        """Fold one trade in."""
        self.trades += 1
        self.pnl += trade.pnl
        self.fees += trade.fees
        if trade.result == "win":
            self.wins += 1
            self.won += trade.pnl
        elif trade.result == "loss":
            self.losses += 1
            self.lost += trade.pnl

    def data(self) -> dict[str, Any]:
        """Return the counts and the money, ready for JSON."""
        counts = {"trades": self.trades, "wins": self.wins, "losses": self.losses}
        return counts | {"win_rate": _ratio(self.wins, self.trades), "pnl": float(self.pnl), "fees": float(self.fees)}


class Drawdown:
    """How far the equity is, and was at worst, below its highest after any trade; both are of these trades alone."""

    def __init__(self) -> None:
        self.base: Decimal | None = None  # the equity before the first trade
        self.current = self.worst = Decimal(0)
        self.current_pct = self.worst_pct = 0.0  # the same falls as fractions of the high before
        self.since_ts = self.worst_ts = self.worst_since_ts = 0  # of the high, the low, and the high before that low
        self._high = Decimal(0)

    def add(self, equity: Decimal, trade: ClosedTrade) -> None:
        """Take the equity after a trade: `base` and what the trades came to."""
        if self.base is None:
            self.base = self._high = trade.equity - trade.pnl
            self.since_ts = trade.entry_ts
        equity += self.base
        if equity >= self._high:
            self._high, self.since_ts = equity, trade.exit_ts
        self.current = self._high - equity
        self.current_pct = float(self.current / self._high) if self._high > 0 else 0.0
        if self.current > self.worst:
            self.worst, self.worst_pct = self.current, self.current_pct
            self.worst_ts, self.worst_since_ts = trade.exit_ts, self.since_ts

    def data(self) -> dict[str, Any]:
        """Return it ready for JSON; times are 0 where there was none."""
        return {
            "current_drawdown": float(self.current),
            "current_drawdown_pct": self.current_pct,
            "drawdown_since_ts": self.since_ts if self.current > 0 else 0,
            "max_drawdown": float(self.worst),
            "max_drawdown_pct": self.worst_pct,
            "max_drawdown_ts": self.worst_ts,
            "max_drawdown_since_ts": self.worst_since_ts,
        }


class Exposure:
    """The time in which any position was open: what overlaps counts once."""

    def __init__(self) -> None:
        self._starts: list[int] = []  # of spans that do not touch, in order
        self._ends: list[int] = []
        self.ns = 0

    def add(self, start: int, end: int) -> None:
        """Take a time in which a position was open, ns."""
        first = bisect_left(self._ends, start)  # the first span that ends no earlier than this begins
        after = bisect_right(self._starts, end)  # the first one that begins after this ends
        if first < after:
            start, end = min(start, self._starts[first]), max(end, self._ends[after - 1])
            self.ns -= sum(self._ends[first:after]) - sum(self._starts[first:after])
        self._starts[first:after] = [start]
        self._ends[first:after] = [end]
        self.ns += end - start


class Curve:
    """The profit added up after each trade, in a bounded number of points."""

    def __init__(self) -> None:
        self._points: list[tuple[int, float]] = []
        self._last: tuple[int, float] | None = None
        self._count = 0
        self._every = 1

    def add(self, ts: int, pnl: Decimal) -> None:
        """Take the profit as it is after a trade that ended at `ts`."""
        self._last = (ts, float(pnl))
        self._count += 1
        if self._count % self._every == 0:
            self._points.append(self._last)
            if len(self._points) >= CURVE_POINTS:
                self._points = self._points[1::2]
                self._every *= 2

    def data(self) -> list[tuple[int, float]]:
        """Return the points, the newest one as the last."""
        newest = [self._last] if self._last is not None and self._points[-1:] != [self._last] else []
        return [*self._points, *newest]


class TradeFigures:
    """Folds closed trades, oldest first, into the figures that people judge them by; `zone` is that of the hours."""

    def __init__(self, zone: tzinfo = UTC) -> None:
        self._zone = zone
        self._all = Group()
        self._by: dict[str, defaultdict[str, Group]] = {
            name: defaultdict(Group) for name in ("symbol", "exit_reason", "hour")
        }
        self._drawdown = Drawdown()
        self._exposure = Exposure()
        self._curve = Curve()
        self._slippage = Decimal(0)
        self._slippage_trades = 0  # of which it is known
        self._held_ns = 0
        self._best: Decimal | None = None
        self._worst: Decimal | None = None
        self._first_ts = self._last_ts = 0

    def add(self, trade: ClosedTrade) -> None:
        """Fold one trade in."""
        hour = datetime.fromtimestamp(trade.entry_ts // SECOND, self._zone).hour
        for name, key in (("symbol", trade.symbol), ("exit_reason", trade.exit_reason), ("hour", f"{hour:02}")):
            self._by[name][key].add(trade)
        self._all.add(trade)
        self._drawdown.add(self._all.pnl, trade)
        self._exposure.add(trade.entry_ts, trade.exit_ts)
        self._curve.add(trade.exit_ts, self._all.pnl)
        self._held_ns += trade.exit_ts - trade.entry_ts
        if trade.entry_slippage is not None:
            self._slippage += trade.entry_slippage
            self._slippage_trades += 1
        self._best = trade.pnl if self._best is None else max(self._best, trade.pnl)
        self._worst = trade.pnl if self._worst is None else min(self._worst, trade.pnl)
        self._first_ts = self._first_ts or trade.entry_ts
        self._last_ts = trade.exit_ts

    def data(self) -> dict[str, Any]:
        """Return the figures ready for JSON; those of summary.json have its names. None: too few trades to say."""
        found, stops = self._all, self._by["exit_reason"].get(ExitReason.TIME) or Group()
        average_win = _ratio(found.won, found.wins, least=1)
        average_loss = _ratio(found.lost, found.losses, least=1)
        return {
            **found.data(),
            "breakeven": found.trades - found.wins - found.losses,
            "total_pnl": float(found.pnl),
            "before_fees": float(found.pnl + found.fees),
            "gross_profit": float(found.won),
            "gross_loss": float(found.lost),
            "average_win": average_win,
            "average_loss": average_loss,
            "best": _float(self._best),
            "worst": _float(self._worst),
            "expectancy": _ratio(found.pnl, found.trades),
            "profit_factor": _ratio(found.won, -found.lost, enough=found.trades),
            "payoff_ratio": _ratio(average_win or 0.0, -(average_loss or 0.0), enough=found.trades),
            "time_stops": stops.trades,
            "time_stops_won": stops.wins,
            "time_stop_accuracy": _ratio(stops.wins, stops.trades),
            "entry_slippage": float(self._slippage) if self._slippage_trades else None,
            "entry_slippage_trades": self._slippage_trades,
            "exposure_s": self._exposure.ns / SECOND,
            "average_held_s": _ratio(self._held_ns / SECOND, found.trades, least=1),
            **self._drawdown.data(),
            "first_ts": self._first_ts,
            "last_ts": self._last_ts,
            "curve": self._curve.data(),
            **{f"by_{name}": {key: groups[key].data() for key in sorted(groups)} for name, groups in self._by.items()},
            "least_trades": LEAST_TRADES,
        }


def figures(trades: Iterable[ClosedTrade], zone: tzinfo = UTC) -> dict[str, Any]:
    """Return the figures of trades, which come oldest first."""
    fold = TradeFigures(zone)
    for trade in trades:
        fold.add(trade)
    return fold.data()


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _ratio(
    of: Decimal | float, by: Decimal | float, *, enough: int | None = None, least: int = LEAST_TRADES
) -> float | None:
    """Return a ratio; None where it is of fewer than `least` (`enough` of them, else `by`), or of nothing."""
    return float(of) / float(by) if by and (by if enough is None else enough) >= least else None
