"""Messages as the bot sends them, with defaults for whatever a test does not care about."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from actors.messages import (
    BurstBlocked,
    ChainFailed,
    DayStarted,
    ExitReason,
    FeedChanged,
    FeedState,
    PositionClosed,
    PositionOpened,
    Refusal,
    SignalRaised,
    StateChanged,
    TradingState,
)
from actors.portfolio.closed_trades import closed_trade
from pipeline.events import SECOND, Reading, Side, Signal
from web.bars import bars_of
from web.messages import (
    GaugesSeen,
    MetricsSeen,
    OpenPosition,
    OperatorSeen,
    OperatorsSeen,
    SessionStarted,
    Tick,
    TicksSeen,
    ToWeb,
    TradesTold,
)

START = 1_767_623_400 * SECOND
"""2026-01-05 14:30 UTC: half past nine in New York, a Monday."""


def at(seconds: float) -> int:
    """Return a time so many seconds into the session."""
    return START + round(seconds * SECOND)


def session(*symbols: str, **settings: dict[str, object]) -> SessionStarted:
    return SessionStarted(
        session="s1",
        strategy="momentum_burst",
        feed="ws://127.0.0.1:8765",
        venue="mock exchange",
        symbols=symbols or ("AAPL",),
        paper=True,
        started_ts=START,
        settings=settings or {"risk": {"timezone": "America/New_York", "starting_equity": 10_000.0}},
    )


def tick(seconds: float, price: float, size: float = 100.0) -> Tick:
    return Tick(at(seconds), price, size, price - 0.01, price + 0.01)


def ticks(*prices: float, symbol: str = "AAPL", first_at: float = 0, skipped: int = 0) -> TicksSeen:
    """Return ticks a second apart."""
    seen = tuple(tick(first_at + i, price) for i, price in enumerate(prices))
    return TicksSeen(symbol, seen, skipped, bars_of(seen))


def opened(
    symbol: str = "AAPL", side: Side = Side.LONG, price: str = "150.25", seconds: float = 1, decision: str = "d1"
) -> PositionOpened:
    return PositionOpened(symbol, side, Decimal(1), Decimal(price), at(seconds), decision, 7)


def closed(
    symbol: str = "AAPL",
    side: Side = Side.LONG,
    pnl: str = "0.23",
    reason: ExitReason = ExitReason.TP,
    seconds: float = 3,
    decision: str = "d1",
) -> PositionClosed:
    return PositionClosed(
        symbol=symbol,
        side=side,
        quantity=Decimal(1),
        entry_ts=at(1),
        entry_price=Decimal("150.25"),
        exit_ts=at(seconds),
        exit_price=Decimal("150.25") + Decimal(pnl) * side.sign,
        exit_reason=reason,
        pnl=Decimal(pnl),
        pnl_pct=float(Decimal(pnl) / Decimal("150.25")),
        fees=Decimal(0),
        equity=Decimal(10_000) + Decimal(pnl),
        decision=decision,
        input=9,
    )


def listed(*trades: PositionClosed, run: int = 0, signal_price: float | None = None, left_out: int = 0) -> TradesTold:
    """Return the list of trades that the bot keeps, as far as these; they ended in a run, and began there."""
    kept = [closed_trade(trade, run, f"{run}/{trade.decision}", signal_price) for trade in trades]
    return TradesTold(tuple(kept), {run: START}, left_out)


def held(symbol: str = "AAPL", **changes: Any) -> OpenPosition:
    position: dict[str, Any] = {
        "symbol": symbol,
        "side": Side.LONG,
        "quantity": 1.0,
        "entry_price": 150.25,
        "entry_ts": at(1),
        "last_price": 150.30,
        "open_profit": 0.05,
        "time_stop_ts": at(9),
    }
    return OpenPosition(**position | changes)


def metrics(seconds: float = 5, **changes: Any) -> MetricsSeen:
    told: dict[str, Any] = {
        "now": at(seconds),
        "state": TradingState.ACTIVE,
        "state_reason": "",
        "summary": {},
        "positions": (),
        "refusals": {},
        "queues": {},
        "chains": {},
    }
    return MetricsSeen(**told | changes)


def signal(
    symbol: str = "AAPL", seconds: float = 1, reason: Refusal | None = None, decision: str = "d1"
) -> SignalRaised:
    readings = (Reading("momentum", 0.0006, 0.0005, True), Reading("volume_spike", 2.1, 1.5, True))
    raised = Signal(symbol, at(seconds), Side.LONG, 150.25, 0.0006, 2.1, 0.0013, readings)
    return SignalRaised(raised, decision, reason is None, reason, 7)


def gauges(symbol: str = "AAPL", *readings: Reading, ready: bool = True) -> GaugesSeen:
    return GaugesSeen(symbol, at(2), ready, readings or (Reading("momentum", 0.0002, 0.0005, False),))


def blocked(reason: str = "NO_VOLUME_SPIKE", seconds: float = 2) -> BurstBlocked:
    return BurstBlocked("AAPL", Side.SHORT, 4, reason, at(seconds))


def state(to: TradingState, reason: str = "by hand") -> StateChanged:
    return StateChanged(to, TradingState.ACTIVE, reason, at(4), 8)


def feed(to: FeedState = FeedState.LIVE, reason: str = "") -> FeedChanged:
    return FeedChanged(to, at(0), reason)


def one_of_each() -> list[ToWeb]:
    """Return one message of every kind that the bot sends."""
    return [
        session(),
        ticks(150.0, 150.1),
        gauges(),
        OperatorsSeen("AAPL", (OperatorSeen("window", 9.5, "150.1", 2.5, 0),)),
        metrics(positions=(held(),)),
        signal(),
        opened(),
        closed(),
        listed(closed()),
        state(TradingState.PAUSED),
        DayStarted("2026-01-05", Decimal(10_000), at(0), 1),
        ChainFailed("AAPL", "ZeroDivisionError", at(6), 11),
        blocked(),
        feed(),
    ]
