"""Logs: the one place where loguru is set up, how facts become log events, and reading them back."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from loguru import logger

from actors.messages import (
    BurstBlocked,
    ChainFailed,
    DayStarted,
    EntryLooked,
    Fact,
    FeedChanged,
    FeedState,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    PositionClosed,
    PositionOpened,
    SignalRaised,
    StateChanged,
    TradingState,
)
from pipeline.events import Reading
from service.errors import UserError
from service.settings import LogSettings

FILE = "microbot.jsonl"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode


def configure(settings: LogSettings, *, terminal: Any = None) -> Path:
    """Send logs to the terminal and to DIR/microbot.jsonl; return that file. Raises UserError if it cannot be written.

    A line of the file is one flat JSON object: ts (ns), level, logger, event, message, and the event's own fields.
    """
    path = Path(settings.dir) / FILE
    logger.remove()
    logger.add(
        terminal or sys.stderr, level=settings.level, format=_terminal_line, colorize=None, diagnose=False, catch=True
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        logger.add(
            path,
            level=settings.file_level,
            format=_json_line,
            rotation=settings.max_bytes,
            retention=settings.keep,
            encoding="utf-8",
            diagnose=False,
            catch=True,  # a full disk is told on stderr, and does not stop the bot
        )
    except OSError as error:
        raise UserError(f"logs cannot be written to {path}: {error.strerror}; choose another --log-dir") from None
    logging.basicConfig(handlers=[_Intercept()], level=logging.WARNING, force=True)
    return path


def _name(record: Any) -> str:
    return str(record["extra"].get("logger", "microbot"))


def _terminal_line(record: Any) -> str:
    record["extra"]["_name"] = _name(record)
    return "[{time:HH:mm:ss.SSS}] - {extra[_name]} - <level>{level}</level> - {message}\n{exception}"


def _json_line(record: Any) -> str:
    fields = {k: v for k, v in record["extra"].items() if not k.startswith("_") and k not in ("logger", "event")}
    line = {
        "ts": int(record["time"].timestamp() * 1_000_000) * 1_000,
        "level": record["level"].name,
        "logger": _name(record),
        "event": record["extra"].get("event", "log"),
        "message": record["message"],
        **fields,
    }
    if record["exception"] is not None:
        line["exception"] = repr(record["exception"].value)
    record["extra"]["_json"] = _encode(line).decode()
    return "{extra[_json]}\n"


class _Intercept(logging.Handler):
    """Passes what libraries log through `logging` on to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname if record.levelname in LEVELS else "WARNING"
        logger.bind(logger=record.name, event="library").opt(exception=record.exc_info).log(level, record.getMessage())


# --------------------------------------------------------------------------------------------- facts as events


class FactLog:
    """Logs facts as events, each with its decision's id."""

    def __init__(self) -> None:
        self._by_type: dict[type, Callable[[Any], None]] = {
            SignalRaised: self._signal,
            OrderSubmitted: self._submitted,
            OrderFilled: self._filled,
            OrderRejected: self._order_rejected,
            PositionOpened: self._opened,
            PositionClosed: self._closed,
            StateChanged: self._state,
            DayStarted: self._day,
            ChainFailed: self._failed,
            BurstBlocked: self._blocked,
            FeedChanged: self._feed,
            EntryLooked: self._looked,
        }

    def see(self, fact: Fact) -> None:
        """Log one fact."""
        self._by_type[type(fact)](fact)

    def _signal(self, fact: SignalRaised) -> None:
        s = fact.signal
        readings = {r.name: r.value for r in s.readings}
        bound = logger.bind(
            logger="microbot.risk",
            event="signal.approved" if fact.approved else "signal.refused",
            decision=fact.decision,
            symbol=s.symbol,
            side=s.side,
            price=s.price,
            reason=fact.reason,
            tick_ts=s.ts,
            momentum=s.momentum,
            volume_ratio=s.volume_ratio,
            range=s.range,
            input=fact.input,
            readings=readings,
        )
        if fact.approved:
            bound.info(f"SIGNAL {s.side} {s.symbol} @ ${s.price:.2f} approved")
        else:
            bound.info(f"SIGNAL {s.side} {s.symbol} @ ${s.price:.2f} refused: {fact.reason}")

    def _submitted(self, fact: OrderSubmitted) -> None:
        o = fact.order
        logger.bind(
            logger="microbot.executor",
            event="order.submitted",
            decision=o.decision,
            order=o.id,
            symbol=o.symbol,
            side=o.side,
            quantity=o.quantity,
            leg=o.leg,
            now=fact.ts,
            input=fact.input,
        ).debug(f"ORDER {o.side} {o.quantity} {o.symbol} ({o.leg})")

    def _filled(self, fact: OrderFilled) -> None:
        e = fact.execution
        logger.bind(
            logger="microbot.executor",
            event="order.filled",
            decision=fact.decision,
            order=e.order,
            execution=e.id,
            symbol=e.symbol,
            side=e.side,
            quantity=e.quantity,
            price=e.price,
            now=e.ts,
            input=fact.input,
        ).debug(f"FILL {e.side} {e.quantity} {e.symbol} @ ${e.price:.2f}")

    def _order_rejected(self, fact: OrderRejected) -> None:
        logger.bind(
            logger="microbot.executor",
            event="order.rejected",
            order=fact.order,
            symbol=fact.symbol,
            reason=fact.reason,
            now=fact.ts,
        ).warning(f"ORDER of {fact.symbol} rejected: {fact.reason}")

    def _opened(self, fact: PositionOpened) -> None:
        logger.bind(
            logger="microbot.executor",
            event="position.opened",
            decision=fact.decision,
            symbol=fact.symbol,
            side=fact.side,
            quantity=fact.quantity,
            entry_price=fact.entry_price,
            entry_ts=fact.entry_ts,
            input=fact.input,
        ).info(f"OPEN {fact.side} {fact.symbol} @ ${fact.entry_price:.2f}")

    def _closed(self, fact: PositionClosed) -> None:
        logger.bind(
            logger="microbot.executor",
            event="trade.closed",
            decision=fact.decision,
            symbol=fact.symbol,
            side=fact.side,
            quantity=fact.quantity,
            entry_ts=fact.entry_ts,
            entry_price=fact.entry_price,
            exit_ts=fact.exit_ts,
            exit_price=fact.exit_price,
            reason=fact.exit_reason,
            pnl=fact.pnl,
            pnl_pct=fact.pnl_pct,
            fees=fact.fees,
            equity=fact.equity,
            input=fact.input,
        ).info(
            f"CLOSE {fact.side} {fact.symbol} @ ${fact.exit_price:.2f} ({fact.exit_reason}) "
            f"| PnL: {_money(float(fact.pnl))} ({fact.pnl_pct:.2%})"
        )

    def _state(self, fact: StateChanged) -> None:
        bound = logger.bind(
            logger="microbot.risk",
            event="state.changed",
            state=fact.state,
            previous=fact.previous,
            reason=fact.reason,
            now=fact.ts,
            input=fact.input,
        )
        say = bound.warning if fact.state is TradingState.HALTED else bound.info
        say(f"STATE {fact.previous} -> {fact.state}" + (f": {fact.reason}" if fact.reason else ""))

    def _day(self, fact: DayStarted) -> None:
        logger.bind(logger="microbot.risk", event="day.started", date=fact.date, equity=fact.equity, now=fact.ts).info(
            f"DAY {fact.date} starts with ${fact.equity:,.2f}"
        )

    def _failed(self, fact: ChainFailed) -> None:
        logger.bind(
            logger="microbot.core", event="chain.failed", symbol=fact.symbol, error=fact.error, now=fact.ts
        ).error(f"the strategy of {fact.symbol} FAILED and trades no more: {fact.error}")

    def _blocked(self, fact: BurstBlocked) -> None:
        logger.bind(
            logger="microbot.pipeline",
            event="burst.blocked",
            symbol=fact.symbol,
            side=fact.side,
            ticks=fact.ticks,
            reason=fact.reason,
            now=fact.ts,
        ).debug(f"BURST {fact.side} {fact.symbol} of {fact.ticks} ticks gave no signal: {fact.reason}")

    def _feed(self, fact: FeedChanged) -> None:
        bound = logger.bind(
            logger="microbot.feed", event="feed.changed", state=fact.state, reason=fact.reason, now=fact.ts
        )
        say = bound.warning if fact.state in (FeedState.DOWN, FeedState.STALE) else bound.info
        say(f"FEED {fact.state}" + (f": {fact.reason}" if fact.reason else ""))

    def _looked(self, fact: EntryLooked) -> None:
        for reading in fact.readings:
            logger.bind(
                logger="microbot.pipeline",
                event="entry.looked",
                symbol=fact.symbol,
                tick_ts=fact.ts,
                name=reading.name,
                value=reading.value,
                threshold=reading.threshold,
                passed=reading.passed,
            ).debug(_reading(reading))


def _reading(reading: Reading) -> str:
    if reading.name == "volume_spike":
        return f"Volume spike: {reading.value:.1f}x avg (threshold: {reading.threshold:g}x)"
    name = reading.name.replace("_", " ").capitalize()
    return f"{name}: {reading.value:.4f} (threshold: {reading.threshold:g})"


def _money(amount: float) -> str:
    return f"-${-amount:.2f}" if amount < 0 else f"${amount:.2f}"


# -------------------------------------------------------------------------------------------------- reading back


def follow(path: Path, *, wait: bool, sleep: Callable[[float], None] = time.sleep) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log as dictionaries; with `wait`, go on as it grows, also across a rotation."""
    if not path.is_file() and not wait:
        raise UserError(f"there is no log {path}: start the bot, or name its folder with --log-dir")
    while not path.is_file():
        sleep(0.2)
    file = path.open("rb")
    held = b""
    try:
        while True:
            held += file.readline()
            if held.endswith(b"\n"):
                try:
                    line = msgspec.json.decode(held, type=dict[str, Any])
                except msgspec.DecodeError:
                    line = {}  # a line cut short by a crash
                held = b""
                if line:
                    yield line
            elif not wait:
                return
            else:
                sleep(0.2)
                if _rotated(path, file.fileno()):
                    file.close()
                    file = path.open("rb")
                    held = b""
    finally:
        file.close()


def _rotated(path: Path, fileno: int) -> bool:
    """Whether another file has taken the log's place."""
    import os

    try:
        return not os.path.samestat(path.stat(), os.fstat(fileno))
    except FileNotFoundError:
        return False


def matches(line: dict[str, Any], *, event: str | None, level: str) -> bool:
    """Whether a line is of an event (`trade.closed`, or a prefix such as `trade`) and of a level or above."""
    if event is not None and line.get("event") != event and not str(line.get("event")).startswith(f"{event}."):
        return False
    found = str(line.get("level"))
    return found not in LEVELS or LEVELS.index(found) >= LEVELS.index(level)


def for_people(line: dict[str, Any]) -> str:
    """Return a line of the log as the terminal shows it."""
    at = datetime.fromtimestamp(line.get("ts", 0) / 1e9, UTC).astimezone()
    return f"[{at:%Y-%m-%d %H:%M:%S}] - {line.get('logger')} - {line.get('level')} - {line.get('message')}"
