"""An independent model of the strategy: as plain as possible, and as slow as that makes it.

It decides what the core must decide, by other means: lists instead of deques and running sums, a search for what is
due next instead of a heap, candles looked up in the history of prices, floats instead of exact numbers. `without`
leaves operators and exits out, by name.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from actors.engine.core import CoreSettings, Input
from pipeline.events import NEW_LEVEL, Clock, Gap, Quote, Refused, Trade

NANO = 1_000_000_000
NOISE = 1e-9

Line = dict[str, Any]


@dataclass
class Burst:
    direction: int
    signalled: bool = False
    spike: bool = False
    wide: bool = False


@dataclass
class Held:
    direction: int
    quantity: float
    entry: float
    entry_ts: int
    next_close: int  # end of the next candle that counts
    flat_run: int = 0


@dataclass
class Market:
    """One symbol."""

    name: str
    last_ts: int = 0
    quote: tuple[float, float] | None = None
    ticks: list[Trade] = field(default_factory=list)  # all since the window was last made empty
    first_in_window: int = 0
    warm_from: int = 0
    moments: list[int] = field(default_factory=list)  # `now` at each tick
    prices: list[float] = field(default_factory=list)
    burst: Burst | None = None
    held: Held | None = None
    cooldown: int = 0


class Model:
    """Feed it events; then read `signals`, `trades` and `summary`."""

    def __init__(self, settings: CoreSettings, without: Iterable[str] = ()) -> None:
        self.s, self.r, self.x = settings.strategy, settings.risk, settings.execution
        self.without = frozenset(without)
        self.zone = ZoneInfo(self.r.timezone)
        self.now = 0
        self.day: date | None = None
        self.markets: dict[str, Market] = {}
        self.halted = False
        self.equity = self.day_start = self.high = float(self.r.starting_equity)
        self.signals: list[Line] = []
        self.trades: list[Line] = []
        self.counts = dict.fromkeys(("ticks", "late", "rejected", "ready", "bursts", "approved"), 0)
        self.blocked = dict.fromkeys(("NO_VOLUME_SPIKE", "NO_VOLATILITY", "NEVER_TOGETHER"), 0)
        self.losing_run = 0
        self.max_drawdown = self.max_drawdown_pct = 0.0

    def run(self, events: Iterable[Input]) -> Model:
        for event in events:
            if isinstance(event, Refused):
                self.counts["rejected"] += 1
            elif isinstance(event, Trade):
                self.on_trade(event)
            elif isinstance(event, Quote):
                market = self.market(event.symbol)
                self.move(event.ts)
                take_quote(market, event.bid, event.ask)
            elif isinstance(event, Clock):
                self.move(event.ts)
            elif isinstance(event, Gap):
                self.on_gap(event)
        return self

    def finish(self) -> Model:
        for market in self.markets.values():
            self.end_burst(market)
        return self

    def market(self, symbol: str) -> Market:
        if symbol not in self.markets:
            self.markets[symbol] = Market(symbol)
        return self.markets[symbol]

    # -------------------------------------------------------------------------------------------- time

    def move(self, ts: int) -> None:
        if ts <= self.now:
            return
        while (due := self.next_due()) is not None and due[0] <= ts:
            when, rank, _, market = due
            self.set_now(max(self.now, when))
            if rank == 0:
                self.close(market, "TIME")
            else:
                self.on_candle(market)
        self.set_now(ts)

    def set_now(self, ts: int) -> None:
        self.now = ts
        today = datetime.fromtimestamp(ts // NANO, self.zone).date()
        if today != self.day:
            self.day = today
            self.day_start = self.equity
            self.halted = False

    def next_due(self) -> tuple[int, int, int, Market] | None:
        due: list[tuple[int, int, int, Market]] = []
        for index, market in enumerate(self.markets.values()):
            if market.held is None:
                continue
            if "time_stop" not in self.without:
                due.append((market.held.entry_ts + round(self.s.time_stop_seconds * NANO), 0, index, market))
            if "flat_market" not in self.without:
                due.append((market.held.next_close, 1, index, market))
        return min(due, key=lambda d: d[:3], default=None)

    def on_candle(self, market: Market) -> None:
        """Close a candle of a held symbol; those that count start at or after the entry."""
        held = market.held
        assert held is not None
        end = held.next_close
        start = end - NANO
        held.next_close += NANO
        if start < held.entry_ts:
            return
        close, before = price_before(market, end), price_before(market, start)
        flat = before is not None and close is not None and abs(close / before - 1) <= self.s.flat_threshold + NOISE
        held.flat_run = held.flat_run + 1 if flat else 0
        if held.flat_run >= self.s.flat_seconds:
            self.close(market, "FLAT")

    # ------------------------------------------------------------------------------------------- ticks

    def on_trade(self, tick: Trade) -> None:
        market = self.market(tick.symbol)
        if tick.ts < market.last_ts:
            self.counts["late"] += 1
            return
        self.counts["ticks"] += 1
        market.last_ts = tick.ts
        self.move(tick.ts)
        if tick.bid is not None and tick.ask is not None:
            take_quote(market, tick.bid, tick.ask)
        market.moments.append(self.now)
        market.prices.append(tick.price)
        was_open = market.held is not None
        if was_open:
            self.look_at_exits(market, tick.price)
        signal = self.look_for_signal(market, tick)
        if signal is not None:
            self.decide(market, signal, closed_by_this_tick=was_open and market.held is None)

    def look_at_exits(self, market: Market, price: float) -> None:
        assert market.held is not None
        move = market.held.direction * (price / market.held.entry - 1)
        if "profit_target" not in self.without and move >= self.s.profit_target - NOISE:
            self.close(market, "TP")
        elif "stop_loss" not in self.without and move <= -self.s.stop_loss + NOISE:
            self.close(market, "SL")
        else:
            self.look_at_loss()

    def look_for_signal(self, market: Market, tick: Trade) -> Line | None:
        span = round(self.s.window_size * NANO)
        ticks = market.ticks
        while market.first_in_window < len(ticks) and ticks[market.first_in_window].ts <= tick.ts - span:
            market.first_in_window += 1
        if market.first_in_window == len(ticks):
            market.warm_from = tick.ts
        ticks.append(tick)
        window = ticks[market.first_in_window :]
        if len(window) < self.s.min_ticks or tick.ts - market.warm_from < span:
            self.set_direction(market, 0)
            return None
        self.counts["ready"] += 1
        momentum = tick.price / window[0].price - 1
        if "momentum" in self.without:
            direction = (momentum > 0) - (momentum < 0)
        else:
            enough = self.s.entry_threshold - NOISE
            direction = (momentum >= enough) - (momentum <= -enough)
        self.set_direction(market, direction)
        burst = market.burst
        if not direction or (burst is not None and burst.signalled):
            return None
        prices = [t.price for t in window]
        spread = max(prices) / min(prices) - 1
        others = math.fsum([t.size for t in window[:-1]])
        ratio = tick.size / (others / (len(window) - 1)) if others > 0 else 0.0
        spike = "volume_spike" in self.without or ratio > self.s.volume_spike_multiplier + NOISE
        wide = "volatility_guard" in self.without or spread >= self.s.volatility_guard_threshold - NOISE
        if burst is not None:
            burst.spike |= spike
            burst.wide |= wide
            burst.signalled = spike and wide
        if not (spike and wide):
            return None
        side = "LONG" if direction > 0 else "SHORT"
        return {
            "ts": tick.ts,
            "symbol": tick.symbol,
            "side": side,
            "price": tick.price,
            "momentum": momentum,
            "volume_ratio": ratio,
            "range": spread,
        }

    def set_direction(self, market: Market, direction: int) -> None:
        if "bursts" in self.without or direction == (market.burst.direction if market.burst else 0):
            return
        self.end_burst(market)
        if direction:
            self.counts["bursts"] += 1
            market.burst = Burst(direction)

    def end_burst(self, market: Market) -> None:
        burst, market.burst = market.burst, None
        if burst is not None and not burst.signalled:
            why = (
                "NEVER_TOGETHER"
                if burst.spike and burst.wide
                else "NO_VOLATILITY"
                if burst.spike
                else "NO_VOLUME_SPIKE"
            )
            self.blocked[why] += 1

    def on_gap(self, gap: Gap) -> None:
        """Forget what a gap separates; it moves no time, since no one checked when it happened."""
        for market in self.markets.values():
            if gap.symbol in (None, market.name):
                self.end_burst(market)
                market.ticks, market.first_in_window = [], 0
                if gap.reason == NEW_LEVEL:
                    market.quote = None

    # ---------------------------------------------------------------------------------------- decisions

    def decide(self, market: Market, signal: Line, *, closed_by_this_tick: bool) -> None:
        reason = None
        if self.halted:
            reason = "HALTED"
        elif market.held is not None or closed_by_this_tick:
            reason = "POSITION_OPEN"
        elif market.cooldown:
            reason = "COOLDOWN"
            market.cooldown -= 1
        signal["decision"] = "REJECTED" if reason else "APPROVED"
        signal["reason"] = reason
        self.signals.append(signal)
        if reason is None:
            self.counts["approved"] += 1
            direction = 1 if signal["side"] == "LONG" else -1
            second = -(-self.now // NANO)  # the first whole second at or after the entry
            entry = self.fill(market, direction)
            market.held = Held(direction, self.r.position_size, entry, self.now, (second + 1) * NANO)

    def fill(self, market: Market, direction: int) -> float:
        price = market.prices[-1]
        if self.x.fill == "quote" and market.quote is not None:
            price = market.quote[1] if direction > 0 else market.quote[0]
        return price * (1 + direction * self.x.slippage_bps / 10_000)

    def close(self, market: Market, reason: str) -> None:
        held, market.held = market.held, None
        assert held is not None
        exit_price = self.fill(market, -held.direction)
        fees = 2 * self.x.fee_per_share * held.quantity
        pnl = held.direction * (exit_price - held.entry) * held.quantity - fees
        self.trades.append(
            {
                "symbol": market.name,
                "side": "LONG" if held.direction > 0 else "SHORT",
                "quantity": held.quantity,
                "entry_ts": held.entry_ts,
                "entry_price": held.entry,
                "exit_ts": self.now,
                "exit_price": exit_price,
                "exit_reason": reason,
                "pnl": pnl,
                "pnl_pct": pnl / (held.entry * held.quantity),
                "fees": fees,
            }
        )
        self.equity += pnl
        self.high = max(self.high, self.equity)
        self.max_drawdown = max(self.max_drawdown, self.high - self.equity)
        self.max_drawdown_pct = max(self.max_drawdown_pct, (self.high - self.equity) / self.high)
        if pnl > NOISE:
            self.losing_run = 0
        elif pnl < -NOISE:
            self.losing_run += 1
            market.cooldown = self.r.cooldown_trades_after_loss
        self.look_at_loss()

    def look_at_loss(self) -> None:
        worth = self.equity
        for market in self.markets.values():
            if market.held is not None:
                worth += market.held.direction * (market.prices[-1] - market.held.entry) * market.held.quantity
        if self.halted or worth - self.day_start > self.r.daily_loss_limit * self.day_start + NOISE:
            return
        self.halted = True
        for market in self.markets.values():
            if market.held is not None:
                self.close(market, "HALT")

    # ----------------------------------------------------------------------------------------- summary

    @property
    def summary(self) -> Line:
        wins = sum(trade["pnl"] > NOISE for trade in self.trades)
        losses = sum(trade["pnl"] < -NOISE for trade in self.trades)
        return {
            "ticks": self.counts["ticks"],
            "ticks_late": self.counts["late"],
            "ticks_rejected": self.counts["rejected"],
            "trades": len(self.trades),
            "wins": wins,
            "losses": losses,
            "breakeven": len(self.trades) - wins - losses,
            "win_rate": wins / len(self.trades) if self.trades else 0.0,
            "total_pnl": sum(trade["pnl"] for trade in self.trades),
            "daily_pnl": self.equity - self.day_start,
            "equity": self.equity,
            "max_drawdown": self.max_drawdown,
            "max_drawdown_pct": self.max_drawdown_pct,
            "current_drawdown": self.high - self.equity,
            "consecutive_losses": self.losing_run,
            "halted": self.halted,
            "open_positions": sum(market.held is not None for market in self.markets.values()),
            "funnel": {
                "ticks": self.counts["ticks"],
                "ready": self.counts["ready"],
                "bursts": self.counts["bursts"],
                "signals": len(self.signals),
                "approved": self.counts["approved"],
                "trades": len(self.trades),
            },
            "blocked": self.blocked,
        }


def take_quote(market: Market, bid: float, ask: float) -> None:
    if 0 < bid <= ask < math.inf:
        market.quote = (bid, ask)


def price_before(market: Market, moment: int) -> float | None:
    """Return the last price before a moment; None if there was no tick yet."""
    count = bisect_left(market.moments, moment)
    return market.prices[count - 1] if count else None
