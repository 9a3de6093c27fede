"""Facts as log events: which logger, event and level a fact has, and what it says to people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from loguru import logger
from msgspec import UNSET

from actors.execution.known_orders import OrderName
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
    EquityRestated,
    ExitDecided,
    Fact,
    FeedChanged,
    FeedState,
    FeesReconciled,
    GateActed,
    GuardChanged,
    OrderChanged,
    OrderFilled,
    OrderSubmitted,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    PositionSplit,
    ProfitCorrected,
    SignalRaised,
    StateChanged,
    StopPassed,
    StrategyHalted,
    StrategyRefused,
    StrategyReplaced,
    SymbolHalted,
    SymbolLocked,
    SymbolStale,
    SymbolUnlocked,
    TradingState,
)
from actors.orders import Execution, OrderRejected, OrderRole, OrderStatus
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
    if isinstance(fact, SignalRaised):
        yield _signal(fact)
    elif isinstance(fact, EntryLooked):
        for reading in fact.readings:
            fields = _fields(fact, "readings") | _fields(reading)
            yield Line("microbot.pipeline", "entry.looked", "DEBUG", _reading(reading), fields)
    elif isinstance(fact, StrategyRefused):
        yield from _refused(fact)
    else:
        name, event, say = _LINES[type(fact)]
        said = say(fact)
        yield Line(name, event, said.level, said.message, _fields(fact) if said.fields is None else said.fields)


def _fields(fact: msgspec.Struct, *without: str) -> dict[str, Any]:
    """Return a fact's fields, flat, without those that are told otherwise."""
    found = ((name, getattr(fact, name)) for name in fact.__struct_fields__ if name not in without)
    values = {name: value for name, value in found if value is not UNSET}
    fields = {_RENAMED.get(name, name): value for name, value in values.items()}
    if "venue_ts" not in fields and (ts := next((fields[name] for name in _TIMES if name in fields), None)):
        fields["venue_ts"] = ts
    return fields


def _signal(fact: SignalRaised) -> Line:
    signal = fact.signal
    fields = _fields(signal, "readings", "external") | _fields(fact, "signal", "approved", "sized")
    told = [each.words for each in signal.external or ()]
    fields |= {"external": told} if told else {}
    fields |= {f"reading_{reading.name}": reading.value for reading in signal.readings}
    verdict = "approved" if fact.approved else f"refused: {fact.reason}"
    event = "signal.approved" if fact.approved else "signal.refused"
    said = f"SIGNAL {signal.side} {signal.symbol} @ {dollars(signal.price)} {verdict}{_because(fact.why or '')}"
    return Line("microbot.risk", event, "INFO", said, fields)


def _refused(fact: StrategyRefused) -> Iterator[Line]:
    said = f"STRATEGY {fact.strategy} as it was saved is refused, the one before goes on: {fact.error}"
    yield Line("microbot.core", "strategy.refused", "ERROR", said, _fields(fact, "traceback"))
    for line in fact.traceback:
        yield Line("microbot.core", "strategy.traceback", "ERROR", f"  {line}", {})


def _reading(reading: Reading) -> str:
    if reading.name == "volume_spike":
        return f"Volume spike: {reading.value:.1f}x avg (threshold: {reading.threshold:g}x)"
    name = reading.name.replace("_", " ").capitalize()
    if reading.bound == "none":
        return f"{name}: {reading.value:z.6g}"
    if reading.bound == "rule":
        return f"{name}: {'holds' if reading.passed else 'does not hold'}"
    return f"{name}: {reading.value:z.4f} (threshold: {reading.threshold:g})"


class _Said(NamedTuple):
    """What a fact says: `fields` where they are not its own."""

    level: str
    message: str
    fields: dict[str, Any] | None = None


def _submitted(fact: OrderSubmitted) -> _Said:
    order = fact.order
    said = f"ORDER {order.side} {order.quantity} {order.symbol} ({order.role})"
    return _Said("DEBUG", said, _fields(order) | _fields(fact, "order"))


def _filled(fact: OrderFilled) -> _Said:
    execution = fact.execution
    fields = _fields(execution, "id") | {"execution": execution.id} | _fields(fact, "execution", "fees")
    if fact.fees is not UNSET:
        fields["fees"] = sum(fact.fees.values())
    if execution.undone:
        return _undone(execution, fields)
    said = f"FILL {execution.side} {execution.quantity} {execution.symbol} @ {dollars(execution.price)}"
    return _Said("DEBUG", said, fields)


def _undone(execution: Execution, fields: dict[str, Any]) -> _Said:
    what = f"{execution.side} {abs(execution.quantity):f} {execution.symbol} @ {dollars(execution.price)}"
    if execution.quantity < 0:
        said = f"UNDONE by the venue ({execution.undone}): {what} never was"
    elif execution.quantity:
        said = f"CORRECTED by the venue ({execution.undone}): {what} more"
    else:
        said = f"CORRECTED by the venue ({execution.undone}): {execution.side} {execution.symbol}"
    if execution.correction:
        said += f", {money(execution.correction)} in price"
    return _Said("WARNING", said, fields)


def _split(fact: PositionSplit) -> _Said:
    before, after = (
        f"{fact.before:f} @ {dollars(fact.price_before)}",
        f"{fact.quantity:f} @ {dollars(fact.entry_price)}",
    )
    return _Said("WARNING", f"SPLIT of {fact.symbol}: {before} are {after} now, and its stop is placed again")


def _corrected(fact: ProfitCorrected) -> _Said:
    said = f"CORRECTED the P/L of a closed trade in {fact.symbol} by {money(fact.pnl)} ({fact.reason})"
    return _Said("WARNING", said)


def _restated(fact: EquityRestated) -> _Said:
    change = f"{money(fact.change)} by counting shares of {fact.symbol} at what the book says that they cost"
    return _Said("INFO", f"EQUITY {dollars(fact.equity)}: {change}")


def _order_rejected(fact: OrderRejected) -> _Said:
    said = f"ORDER of {fact.symbol} rejected{_times(fact.refusals)}: {fact.reason}"
    return _Said(_loud(fact.refusals), said)


def _order_changed(fact: OrderChanged) -> _Said:
    said = f"ORDER {fact.order} {fact.previous} -> {fact.status}, filled {fact.filled}{_times(fact.refusals)}"
    told = fact.status is OrderStatus.UNKNOWN or fact.reason == NOT_OUTLIVED
    level = _loud(fact.refusals) if told else "INFO" if _is_missed_entry(fact) else "DEBUG"
    return _Said(level, said + _because(fact.reason))


def _is_missed_entry(fact: OrderChanged) -> bool:
    """Whether an approved entry came to nothing: the answer to "why did it not trade?"."""
    name = OrderName.of(fact.order)
    is_entry = name is not None and name.role is OrderRole.ENTRY
    return is_entry and not fact.filled and fact.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED)


def _loud(refusals: int) -> str:
    """Return the level of the n-th refusal in a row: the 1st, 10th, 100th ... are loud, the rest says nothing new."""
    while refusals and refusals % 10 == 0:
        refusals //= 10
    return "WARNING" if refusals <= 1 else "DEBUG"


def _times(refusals: int) -> str:
    return f" for the {refusals:,}th time" if refusals >= 10 else ""


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _account(fact: AccountOpened) -> _Said:
    cash, equity = money(fact.cash, grouped=True), money(fact.equity, grouped=True)
    return _Said("INFO", f"ACCOUNT {fact.number} holds {cash} in cash, {equity} in all")


def _reconciled(fact: BookReconciled) -> _Said:
    said = f"BOOK RECONCILED with the account {fact.account}: {'; '.join(fact.differences)}"
    foreign = ", ".join(f"{symbol} {shares:f}" for symbol, shares in fact.foreign.items())
    fields = {"foreign": foreign, "foreign_orders": ", ".join(fact.foreign_orders)}
    return _Said("WARNING", said, _fields(fact, "differences", "foreign", "foreign_orders") | fields)


def _broker(fact: BrokerChanged) -> _Said:
    level = "INFO" if fact.state is FeedState.LIVE else "WARNING"
    return _Said(level, f"BROKER {fact.state}{_because(fact.reason)}")


def _opened(fact: PositionOpened) -> _Said:
    what = "RESUME" if fact.adopted else "OPEN"
    said = f"{what} {fact.side} {fact.symbol} @ {dollars(fact.entry_price)}"
    if fact.undone:
        return _Said("WARNING", f"{said}: an execution was undone ({fact.undone}), and what is open by it is closed")
    return _Said("INFO", said)


def _exit(fact: ExitDecided) -> _Said:
    of = f"{fact.quantity:f} of " if fact.quantity else ""
    return _Said("DEBUG", f"EXIT {of}{fact.symbol} ({fact.reason})")


def _stop_passed(fact: StopPassed) -> _Said:
    at = f"stop at {dollars(fact.stop)}"
    why = f": it is a limit at {dollars(fact.limit)}" if fact.limit is not None else ""
    said = f"the {at} of {fact.symbol} was passed ({dollars(fact.price)}) and is not filled{why}; closing it at market"
    return _Said("WARNING", said)


def _reduced(fact: PositionReduced) -> _Said:
    said = f"REDUCE {fact.side} {fact.symbol} by {fact.quantity:f} @ {dollars(fact.price)} ({fact.reason})"
    return _Said("INFO", f"{said} | PnL: {money(fact.pnl)}, {fact.held:f} held")


def _closed(fact: PositionClosed) -> _Said:
    said = f"CLOSE {fact.side} {fact.symbol} @ {dollars(fact.exit_price)} ({fact.exit_reason})"
    return _Said("INFO", f"{said} | PnL: {money(fact.pnl)} ({percent(fact.pnl_pct)})")


def _state(fact: StateChanged) -> _Said:
    level = "WARNING" if fact.state is TradingState.HALTED else "INFO"
    return _Said(level, f"STATE {fact.previous} -> {fact.state}{_because(fact.reason)}")


def _strategy_halted(fact: StrategyHalted) -> _Said:
    said = f"the strategy {fact.strategy} has lost its share of the day's loss limit, and is HALTED until the next day"
    return _Said("WARNING", said, _fields(fact, "symbols") | {"symbols": ", ".join(fact.symbols)})


def _fees_reconciled(fact: FeesReconciled) -> _Said:
    expected, charged = sum(fact.expected.values(), Decimal(0)), sum(fact.charged.values(), Decimal(0))
    kinds = dict.fromkeys((*fact.expected, *fact.charged))
    each = (f"{kind} {money(fact.charged.get(kind, 0))} of {money(fact.expected.get(kind, 0))}" for kind in kinds)
    said = f"FEES of {fact.date}: {money(charged)} charged, {money(expected)} expected ({', '.join(each)})"
    fields: dict[str, Any] = {"date": fact.date, "expected": expected, "charged": charged, "residual": fact.residual}
    fields |= {"venue_ts": fact.ts, "input": fact.input}
    if not fact.residual:
        return _Said("INFO", said, fields)
    return _Said("WARNING", f"{said}: a residual of {money(fact.residual)}", fields)


def _symbol_locked(fact: SymbolLocked) -> _Said:
    minutes = -(-(fact.until - fact.ts) // (60 * SECOND))
    held = f"for {minutes:,} min" if fact.until else "until `unlock`"
    return _Said("WARNING", f"{fact.symbol} is LOCKED {held}: {fact.reason}")


def _symbol_unlocked(fact: SymbolUnlocked) -> _Said:
    return _Said("INFO", f"{fact.symbol} is unlocked{_because(fact.reason)}")


def _symbol_halted(fact: SymbolHalted) -> _Said:
    return _Said("WARNING", f"{fact.symbol} is HALTED until the next day: {fact.reason}")


def _day(fact: DayStarted) -> _Said:
    return _Said("INFO", f"DAY {fact.date} starts with {money(fact.equity, grouped=True)}")


def _failed(fact: ChainFailed) -> _Said:
    in_s = (fact.restart_ts - fact.ts) / SECOND
    then = f"restarts in {in_s:g} s ({fact.restarts_left} left)" if fact.restart_ts else "trades no more"
    return _Said("ERROR", f"the strategy of {fact.symbol} FAILED and {then}: {fact.error}")


def _restarted(fact: ChainRestarted) -> _Said:
    return _Said("WARNING", f"the strategy of {fact.symbol} restarts")


def _removed(fact: ChainRemoved) -> _Said:
    return _Said("ERROR", f"the strategy of {fact.symbol} is REMOVED and trades no more: {fact.reason}")


def _replaced(fact: StrategyReplaced) -> _Said:
    warm = f"warmed up with {fact.warm_up:,} trades and quotes" if fact.warm_up else "cold"
    return _Said("INFO", f"STRATEGY {fact.strategy} ({fact.sha256[:8]}) takes over, {warm}")


def _guard_changed(fact: GuardChanged) -> _Said:
    return _Said("WARNING", f"the position in {fact.symbol} is guarded by {fact.guard}: {fact.reason}")


def _blocked(fact: BurstBlocked) -> _Said:
    return _Said("DEBUG", f"BURST {fact.side} {fact.symbol} of {fact.ticks} ticks gave no signal: {fact.reason}")


def _feed(fact: FeedChanged) -> _Said:
    level = "WARNING" if fact.state in (FeedState.DOWN, FeedState.STALE) else "INFO"
    late = f"; its prices are {fact.delay_s:g} s old, entries are refused" if fact.delay_s else ""
    return _Said(level, f"FEED {fact.state}{_because(fact.reason)}{late}")


def _symbol_stale(fact: SymbolStale) -> _Said:
    if not fact.stale:
        return _Said("INFO", f"FEED {fact.symbol} is heard again")
    return _Said("WARNING", f"FEED {fact.symbol} is STALE{_because(fact.reason)}; its entries are refused, exits go on")


def _gate_acted(fact: GateActed) -> _Said:
    order = fact.order
    what = f"{order.side} {order.quantity:f} {order.symbol} at market" if order is not None else fact.order_id
    fields = _fields(fact, "order") | (_fields(order, "id") if order is not None else {}) | {"reason": fact.reason}
    return _Said("WARNING", f"GATE {fact.action.upper()} {what or fact.reason}", fields)


_LINES: dict[type, tuple[str, str, Callable[[Any], _Said]]] = {
    OrderSubmitted: ("microbot.executor", "order.submitted", _submitted),
    OrderFilled: ("microbot.executor", "order.filled", _filled),
    OrderRejected: ("microbot.executor", "order.rejected", _order_rejected),
    OrderChanged: ("microbot.executor", "order.changed", _order_changed),
    AccountOpened: ("microbot.risk", "account.opened", _account),
    BookReconciled: ("microbot.risk", "book.reconciled", _reconciled),
    BrokerChanged: ("microbot.risk", "broker.changed", _broker),
    PositionOpened: ("microbot.executor", "position.opened", _opened),
    StopPassed: ("microbot.executor", "stop.passed", _stop_passed),
    ExitDecided: ("microbot.executor", "exit.decided", _exit),
    PositionSplit: ("microbot.executor", "position.split", _split),
    ProfitCorrected: ("microbot.executor", "trade.corrected", _corrected),
    PositionReduced: ("microbot.executor", "position.reduced", _reduced),
    PositionClosed: ("microbot.executor", "trade.closed", _closed),
    StateChanged: ("microbot.risk", "state.changed", _state),
    StrategyHalted: ("microbot.risk", "strategy.halted", _strategy_halted),
    SymbolLocked: ("microbot.risk", "symbol.locked", _symbol_locked),
    SymbolUnlocked: ("microbot.risk", "symbol.unlocked", _symbol_unlocked),
    SymbolHalted: ("microbot.risk", "symbol.halted", _symbol_halted),
    GateActed: ("microbot.gate", "gate.acted", _gate_acted),
    EquityRestated: ("microbot.executor", "equity.restated", _restated),
    FeesReconciled: ("microbot.risk", "fees.reconciled", _fees_reconciled),
    DayStarted: ("microbot.risk", "day.started", _day),
    ChainFailed: ("microbot.core", "chain.failed", _failed),
    ChainRestarted: ("microbot.core", "chain.restarted", _restarted),
    ChainRemoved: ("microbot.core", "chain.removed", _removed),
    StrategyReplaced: ("microbot.core", "strategy.replaced", _replaced),
    GuardChanged: ("microbot.core", "guard.changed", _guard_changed),
    BurstBlocked: ("microbot.pipeline", "burst.blocked", _blocked),
    FeedChanged: ("microbot.feed", "feed.changed", _feed),
    SymbolStale: ("microbot.feed", "feed.symbol_stale", _symbol_stale),
}
"""Of each fact: its logger and event, and what it says. A signal and a look at an entry have more to say."""
