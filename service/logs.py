"""Logs: the one place where loguru is set up, and reading them back."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from loguru import logger

from service.errors import UserError
from service.settings import LogSettings
from service.visible import visible

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


def on_terminal() -> None:
    """Send logs to the terminal alone, from INFO on."""
    logger.remove()
    logger.add(sys.stderr, level="INFO", format=_terminal_line, diagnose=False)


def _name(record: Any) -> str:
    return str(record["extra"].get("logger", "microbot"))


def _terminal_line(record: Any) -> str:
    extra = record["extra"]
    extra["_name"] = visible(_name(record))
    extra["_message"] = visible(record["message"])
    extra["_exception"] = ""
    if record["exception"] is not None:
        told = "".join(traceback.format_exception(*record["exception"])).split("\n")
        # Indented, so that nothing in it can be taken for another line of the log.
        extra["_exception"] = "\n".join(f"  {visible(line)}" for line in told if line) + "\n"
    return "[{time:HH:mm:ss.SSS}] - {extra[_name]} - <level>{level}</level> - {extra[_message]}\n{extra[_exception]}"


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
        level = record.levelname if record.levelname in (*LEVELS, "CRITICAL") else "WARNING"
        logger.bind(logger=record.name, event="library").opt(exception=record.exc_info).log(level, record.getMessage())


# -------------------------------------------------------------------------------------------------- reading back


def follow(path: Path, *, wait: bool, sleep: Callable[[float], None] = time.sleep) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log as dictionaries; with `wait`, go on as it grows, also across a rotation."""
    if not path.is_file() and not wait:
        raise UserError(f"there is no log {path}: start the bot, or name its folder with --log-dir")
    while not path.is_file():
        sleep(0.2)
    file = path.open("rb")
    held = b""
    rotated = False
    try:
        while True:
            held += file.readline()
            if held.endswith(b"\n"):
                try:
                    line = msgspec.json.decode(held, type=dict[str, Any])
                except (msgspec.DecodeError, UnicodeDecodeError):
                    line = {}  # a line cut short by a crash
                held = b""
                if line:
                    yield line
            elif not wait:
                return
            else:
                if not rotated:
                    sleep(0.2)
                if rotated:  # and read to its end since
                    file.close()
                    file = path.open("rb")
                    held = b""
                    rotated = False
                else:
                    rotated = _rotated(path, file.fileno())
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
    """Whether a line is of an event (`trade.closed`, or all of a kind: `trade.`, `trade`) and of a level or above."""
    if event is not None:
        name = str(line.get("event"))
        if name != event and not name.startswith(f"{event.removesuffix('.')}."):
            return False
    found = str(line.get("level"))
    return found not in LEVELS or LEVELS.index(found) >= LEVELS.index(level)


def for_people(line: dict[str, Any]) -> str:
    """Return a line of the log as the terminal shows it, with its day: [day time] - logger - level - message."""
    at = datetime.fromtimestamp(line.get("ts", 0) / 1e9, UTC).astimezone()
    return visible(f"[{at:%Y-%m-%d %H:%M:%S}] - {line.get('logger')} - {line.get('level')} - {line.get('message')}")
