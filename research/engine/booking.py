"""Booking: what the kernel decided, as the pipeline's own exact money code writes it down."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

from actors.brokers.simulated import price_after
from actors.engine.core_settings import CoreSettings
from actors.engine.strategy_instance import Failures
from actors.messages import DayStarted, ExitReason, PositionClosed, Refusal
from actors.orders import OrderSide
from actors.portfolio.fees import FeeLedger
from actors.portfolio.lines import SignalLine, TradeLine
from actors.portfolio.metrics import Metrics
from actors.portfolio.positions import EXACT, Position, closed_trade
from pipeline.events import EPSILON, Prints, Refused, Side
from research.engine import kernel

_REFUSALS = (None, Refusal.HALTED, Refusal.POSITION_OPEN, Refusal.COOLDOWN)
_REASONS = (ExitReason.TP, ExitReason.SL, ExitReason.TIME, ExitReason.FLAT, ExitReason.HALT)
_SIDES = {1: Side.LONG, -1: Side.SHORT}


class Counts(NamedTuple):
    """What a run counted that is no money, for the summary."""

    ticks: int
    late: int
    ready: int
    bursts: int
    no_spike: int
    no_range: int
    never_together: int
    halted: bool


class Booking:
    """The account of one run: records in their order go in, lines and a summary come out.

    Prices, sizes and money are the exact numbers that positions and metrics of a session fold; `equity` is theirs.
    """

    def __init__(self, settings: CoreSettings) -> None:
        execution, risk = settings.execution, settings.risk
        self.signals: list[SignalLine] = []
        self.trades: list[TradeLine] = []
        self.equity = Decimal(str(risk.starting_equity))
        self.was_loss = False  # the last trade
        self.entry_price = 0.0  # of the position that was opened last, as a reading
        self.metrics = Metrics(self.equity)
        self._fees = FeeLedger(execution.fee_model)
        self._quantity = Decimal(str(risk.position_size))
        slippage = Decimal(str(execution.slippage_bps)) / 10_000
        self._factors = {OrderSide.BUY: 1 + slippage, OrderSide.SELL: 1 - slippage}
        self._loss_limit = risk.daily_loss_limit
        self._open: dict[int, Position] = {}

    @property
    def loss_floor(self) -> float:
        """The equity, open profit included, at or below which the day's losses halt the bot; as risk reckons it."""
        return float(self.metrics.day_start_equity) * (1 + self._loss_limit)

    def count(self, event: Any) -> None:
        """Count an input that does nothing else."""
        if isinstance(event, Refused):
            self.metrics.rejected[event.reason] += event.count
        elif isinstance(event, Prints):
            self.metrics.count_prints(event.kind, event.count, event.size)

    def book(self, records: Any, symbols: Sequence[str]) -> None:
        """Book decisions, in their order; `symbols` are the names by index."""
        with localcontext(EXACT):
            for what, reason, side, at, number, ts, now, price, quoted, momentum, ratio, reach in records.tolist():
                if what == kernel.SIGNAL:
                    symbol, refusal = symbols[at], _REFUSALS[reason]
                    decision = "REJECTED" if refusal else "APPROVED"
                    seen = momentum, ratio, reach
                    line = SignalLine(ts, symbol, _SIDES[side], price, *seen, decision, refusal, f"{number}")
                    self._signal(line, refusal)
                    if refusal is None:
                        self._enter(at, symbol, _SIDES[side], number, now, quoted)
                elif what == kernel.EXIT:
                    self._leave(at, _REASONS[reason], number, now, quoted)
                else:
                    self.metrics.fold(DayStarted("", self.equity, now, number))

    def _signal(self, line: SignalLine, refusal: Refusal | None) -> None:
        self.signals.append(line)
        self.metrics.signals += 1
        if refusal is None:
            self.metrics.approved += 1
        else:
            self.metrics.refusals[refusal] += 1

    def _enter(self, at: int, symbol: str, side: Side, number: int, now: int, quoted: float) -> None:
        self._open[at] = position = Position(symbol, side, now, f"{number}")
        order = OrderSide.BUY if side is Side.LONG else OrderSide.SELL
        price = price_after(quoted, self._factors[order])
        position.enter(self._quantity, price)
        position.fees += self._fee(symbol, order, price, now)
        self.entry_price = position.price_held

    def _leave(self, at: int, reason: ExitReason, number: int, now: int, quoted: float) -> None:
        position = self._open.pop(at)
        order = OrderSide.SELL if position.side is Side.LONG else OrderSide.BUY
        price = price_after(quoted, self._factors[order])
        position.leave(self._quantity, price)
        position.fees += self._fee(position.symbol, order, price, now)
        trade = closed_trade(position, self.equity, now, reason, number)
        self.equity = trade.equity
        self.was_loss = trade.pnl < -EPSILON
        self.metrics.fold(trade)
        self.trades.append(_line(trade))

    def _fee(self, symbol: str, side: OrderSide, price: Decimal, now: int) -> Decimal:
        """Return what a fill costs, and count it in the account's day."""
        model, value = self._fees.model, self._quantity * price
        own = model.own(self._quantity, value)
        if not model.alpaca:
            return own
        return sum(self._fees.charge(symbol, side, self._quantity, value, now, maker=False).values(), own)

    def summary(self, counts: Counts) -> dict[str, object]:
        """Return the fields of summary.json."""
        metrics = self.metrics
        metrics.late = counts.late
        for reason, blocked in zip(
            ("NO_VOLUME_SPIKE", "NO_VOLATILITY", "NEVER_TOGETHER"),
            (counts.no_spike, counts.no_range, counts.never_together),
            strict=True,
        ):
            metrics.blocked[reason] = blocked
        summary = metrics.summary(
            ticks=counts.ticks,
            ready=counts.ready,
            bursts=counts.bursts,
            halted=counts.halted,
            open_positions=len(self._open),
        ) | {"failed": {}, "failures": Failures().summary()}
        if self._fees.days:
            summary["fees"] = self._fees.summary()
        if metrics.prints:
            summary["prints"] = dict(sorted(metrics.prints.items()))
            summary["prints_shares"] = dict(sorted(metrics.prints_shares.items()))
        return summary


def _line(trade: PositionClosed) -> TradeLine:
    """Return the line of a trade: what `TradeLine.of` makes of it, without a detour through a dict."""
    numbers = float(trade.quantity), trade.entry_ts, float(trade.entry_price), trade.exit_ts, float(trade.exit_price)
    pnl, fees = float(trade.pnl), float(trade.fees)
    return TradeLine(trade.symbol, trade.side, *numbers, trade.exit_reason, pnl, trade.pnl_pct, fees, trade.decision)
