"""Facts as log events: which logger, event and level a fact has, and what it says to people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
from loguru import logger

from actors.messages import (
    NOT_OUTLIVED,
    AccountOpened,
    BookReconciled,
    BrokerChanged,
    BurstBlocked,
    ChainFailed,
    ChainRemoved,
    ChainRestarted,
    DayStarted,
    EntryLooked,
    ExitDecided,
    Fact,
    FeedChanged,
    FeedState,
    GateActed,
    GuardChanged,
    OrderChanged,
    OrderFilled,
    OrderSubmitted,
    PositionClosed,
    PositionOpened,
    SignalRaised,
    StateChanged,
    TradingState,
)
from actors.orders import OrderRejected, OrderStatus
from pipeline.events import SECOND, Reading
from service.figures import dollars, money, percent

# `ts` is the line's own time in the log; what a fact calls so is venue time, and has a name of its own there.
_RENAMED = {"ts": "venue_ts", "exit_reason": "reason", "id": "order"}
_TIMES = ("exit_ts", "entry_ts")  # where there is no `ts`: the newest is that of the line


class Line(NamedTuple):
    """One log event."""

    logger: str
    event: str
    level: str
    message: str
    fields: dict[str, Any]


def log_fact(fact: Fact) -> None:
    """Log one fact. What is wrong with a log is told there, and is no reason to trade no more."""
    try:
        for line in lines(fact):
            logger.bind(logger=line.logger, event=line.event, **line.fields).log(line.level, "{}", line.message)
    except Exception as error:
        logger.bind(logger="microbot.service", event="log.failed").error(
            f"{type(fact).__name__} could not be logged: {type(error).__name__}: {error}"
        )


def lines(fact: Fact) -> Iterator[Line]:
    """Return the log events of a fact: one, or one a reading."""
    yield from _LINES[type(fact)](fact)


def _fields(fact: msgspec.Struct, *without: str) -> dict[str, Any]:
    """Return a fact's fields, flat, without those that are told otherwise."""
    values = {name: getattr(fact, name) for name in fact.__struct_fields__ if name not in without}
    fields = {_RENAMED.get(name, name): value for name, value in values.items()}
    if "venue_ts" not in fields and (ts := next((fields[name] for name in _TIMES if name in fields), None)):
        fields["venue_ts"] = ts
    return fields


def _signal(fact: SignalRaised) -> Iterator[Line]:
    signal = fact.signal
    fields = _fields(signal, "readings") | _fields(fact, "signal", "approved")
    fields |= {f"reading_{reading.name}": reading.value for reading in signal.readings}
    verdict = "approved" if fact.approved else f"refused: {fact.reason}"
    event = "signal.approved" if fact.approved else "signal.refused"
    said = f"SIGNAL {signal.side} {signal.symbol} @ {dollars(signal.price)} {verdict}"
    yield Line("microbot.risk", event, "INFO", said, fields)


def _submitted(fact: OrderSubmitted) -> Iterator[Line]:
    order = fact.order
    fields = _fields(order) | _fields(fact, "order")
    said = f"ORDER {order.side} {order.quantity} {order.symbol} ({order.leg})"
    yield Line("microbot.executor", "order.submitted", "DEBUG", said, fields)


def _filled(fact: OrderFilled) -> Iterator[Line]:
    execution = fact.execution
    fields = _fields(execution, "id") | {"execution": execution.id} | _fields(fact, "execution")
    said = f"FILL {execution.side} {execution.quantity} {execution.symbol} @ {dollars(execution.price)}"
    yield Line("microbot.executor", "order.filled", "DEBUG", said, fields)


def _order_rejected(fact: OrderRejected) -> Iterator[Line]:
    said = f"ORDER of {fact.symbol} rejected{_times(fact.refusals)}: {fact.reason}"
    yield Line("microbot.executor", "order.rejected", _loud(fact.refusals), said, _fields(fact))


def _order_changed(fact: OrderChanged) -> Iterator[Line]:
    said = f"ORDER {fact.order} {fact.previous} -> {fact.status}, filled {fact.filled}{_times(fact.refusals)}"
    told = fact.status is OrderStatus.UNKNOWN or fact.reason == NOT_OUTLIVED
    level = _loud(fact.refusals) if told else "DEBUG"
    yield Line(
        "microbot.executor", "order.changed", level, said + (f": {fact.reason}" if fact.reason else ""), _fields(fact)
    )


def _loud(refusals: int) -> str:
    """Return the level of the n-th refusal in a row: the 1st, 10th, 100th ... are loud, the rest says nothing new."""
    while refusals and refusals % 10 == 0:
        refusals //= 10
    return "WARNING" if refusals <= 1 else "DEBUG"


def _times(refusals: int) -> str:
    return f" for the {refusals:,}th time" if refusals >= 10 else ""


def _account(fact: AccountOpened) -> Iterator[Line]:
    cash, equity = money(fact.cash, grouped=True), money(fact.equity, grouped=True)
    said = f"ACCOUNT {fact.number} holds {cash} in cash, {equity} in all"
    yield Line("microbot.risk", "account.opened", "INFO", said, _fields(fact))


def _reconciled(fact: BookReconciled) -> Iterator[Line]:
    said = f"BOOK RECONCILED with the account {fact.account}: {'; '.join(fact.differences)}"
    foreign = ", ".join(f"{symbol} {shares:f}" for symbol, shares in fact.foreign.items())
    fields = {"foreign": foreign, "foreign_orders": ", ".join(fact.foreign_orders)}
    flat = _fields(fact, "differences", "foreign", "foreign_orders") | fields
    yield Line("microbot.risk", "book.reconciled", "WARNING", said, flat)


def _broker(fact: BrokerChanged) -> Iterator[Line]:
    level = "INFO" if fact.state is FeedState.LIVE else "WARNING"
    said = f"BROKER {fact.state}" + (f": {fact.reason}" if fact.reason else "")
    yield Line("microbot.risk", "broker.changed", level, said, _fields(fact))


def _opened(fact: PositionOpened) -> Iterator[Line]:
    said = f"{'RESUME' if fact.adopted else 'OPEN'} {fact.side} {fact.symbol} @ {dollars(fact.entry_price)}"
    yield Line("microbot.executor", "position.opened", "INFO", said, _fields(fact))


def _exit(fact: ExitDecided) -> Iterator[Line]:
    yield Line("microbot.executor", "exit.decided", "DEBUG", f"EXIT {fact.symbol} ({fact.reason})", _fields(fact))


def _closed(fact: PositionClosed) -> Iterator[Line]:
    said = (
        f"CLOSE {fact.side} {fact.symbol} @ {dollars(fact.exit_price)} ({fact.exit_reason}) "
        f"| PnL: {money(fact.pnl)} ({percent(fact.pnl_pct)})"
    )
    yield Line("microbot.executor", "trade.closed", "INFO", said, _fields(fact))


def _state(fact: StateChanged) -> Iterator[Line]:
    level = "WARNING" if fact.state is TradingState.HALTED else "INFO"
    said = f"STATE {fact.previous} -> {fact.state}" + (f": {fact.reason}" if fact.reason else "")
    yield Line("microbot.risk", "state.changed", level, said, _fields(fact))


def _day(fact: DayStarted) -> Iterator[Line]:
    yield Line(
        "microbot.risk",
        "day.started",
        "INFO",
        f"DAY {fact.date} starts with {money(fact.equity, grouped=True)}",
        _fields(fact),
    )


def _failed(fact: ChainFailed) -> Iterator[Line]:
    in_s = (fact.restart_ts - fact.ts) / SECOND
    then = f"restarts in {in_s:g} s ({fact.restarts_left} left)" if fact.restart_ts else "trades no more"
    said = f"the strategy of {fact.symbol} FAILED and {then}: {fact.error}"
    yield Line("microbot.core", "chain.failed", "ERROR", said, _fields(fact))


def _restarted(fact: ChainRestarted) -> Iterator[Line]:
    said = f"the strategy of {fact.symbol} restarts"
    yield Line("microbot.core", "chain.restarted", "WARNING", said, _fields(fact))


def _removed(fact: ChainRemoved) -> Iterator[Line]:
    said = f"the strategy of {fact.symbol} is REMOVED and trades no more: {fact.reason}"
    yield Line("microbot.core", "chain.removed", "ERROR", said, _fields(fact))


def _guard_changed(fact: GuardChanged) -> Iterator[Line]:
    said = f"the position in {fact.symbol} is guarded by {fact.guard}: {fact.reason}"
    yield Line("microbot.core", "guard.changed", "WARNING", said, _fields(fact))


def _blocked(fact: BurstBlocked) -> Iterator[Line]:
    said = f"BURST {fact.side} {fact.symbol} of {fact.ticks} ticks gave no signal: {fact.reason}"
    yield Line("microbot.pipeline", "burst.blocked", "DEBUG", said, _fields(fact))


def _feed(fact: FeedChanged) -> Iterator[Line]:
    level = "WARNING" if fact.state in (FeedState.DOWN, FeedState.STALE) else "INFO"
    said = f"FEED {fact.state}" + (f": {fact.reason}" if fact.reason else "")
    yield Line("microbot.feed", "feed.changed", level, said, _fields(fact))


def _looked(fact: EntryLooked) -> Iterator[Line]:
    for reading in fact.readings:
        fields = _fields(fact, "readings") | _fields(reading)
        yield Line("microbot.pipeline", "entry.looked", "DEBUG", _reading(reading), fields)


def _reading(reading: Reading) -> str:
    if reading.name == "volume_spike":
        return f"Volume spike: {reading.value:.1f}x avg (threshold: {reading.threshold:g}x)"
    name = reading.name.replace("_", " ").capitalize()
    return f"{name}: {reading.value:z.4f} (threshold: {reading.threshold:g})"


def _gate_acted(fact: GateActed) -> Iterator[Line]:
    order = fact.order
    what = f"{order.side} {order.quantity:f} {order.symbol} at market" if order is not None else fact.order_id
    said = f"GATE {fact.action.upper()} {what or fact.reason}"
    fields = _fields(fact, "order") | (_fields(order, "id") if order is not None else {}) | {"reason": fact.reason}
    yield Line("microbot.gate", "gate.acted", "WARNING", said, fields)


_LINES: dict[type, Callable[[Any], Iterator[Line]]] = {
    SignalRaised: _signal,
    OrderSubmitted: _submitted,
    OrderFilled: _filled,
    OrderRejected: _order_rejected,
    OrderChanged: _order_changed,
    AccountOpened: _account,
    BookReconciled: _reconciled,
    BrokerChanged: _broker,
    PositionOpened: _opened,
    ExitDecided: _exit,
    PositionClosed: _closed,
    StateChanged: _state,
    GateActed: _gate_acted,
    DayStarted: _day,
    ChainFailed: _failed,
    ChainRestarted: _restarted,
    ChainRemoved: _removed,
    GuardChanged: _guard_changed,
    BurstBlocked: _blocked,
    FeedChanged: _feed,
    EntryLooked: _looked,
}
