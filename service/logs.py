"""Logs: the one place where loguru is set up, and reading them back."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from loguru import logger

from service import figures
from service.errors import UserError, refusal
from service.log_file import LogFile, is_elsewhere
from service.settings import LogSettings
from service.visible import visible

FILE = "microbot.jsonl"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_LOOK_S = 0.2  # real seconds between two looks at a log that is followed
_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode


def _nobody_says() -> int:
    return 0


class Context(NamedTuple):
    """What every line of a log knows: the zone in which people read times, the run, and the time at the venue."""

    zone: str = "UTC"
    run: Callable[[], int | None] = lambda: None
    venue_now: Callable[[], int] = _nobody_says  # ns; 0 as long as the venue has said nothing


_context = Context()


def know(context: Context) -> None:
    """Add this to each line that is logged from here on."""
    global _context  # as loguru itself: there is one log in a process
    _context = context


def configure(settings: LogSettings, *, zone: str = "UTC", terminal: Any = None) -> Path:
    """Send logs to the terminal and to DIR/microbot.jsonl; return that file. Raises UserError if it cannot be written.

    A line of the file is one flat JSON object: ts (machine time, ns), level, logger, event, message, run, venue_ts
    (ns), zone, and the event's own fields. Whatever happens to the terminal, or to the file's disk, no caller that logs
    hears of it.
    """
    path = Path(settings.dir) / FILE
    know(Context(zone))
    logger.remove()
    terminal = terminal or sys.stderr
    to_journal = is_journal(terminal, os.environ)
    line = _journal_line if to_journal else _terminal_line
    colorize = not to_journal and _wants_colors(terminal, os.environ)
    logger.add(terminal, level=settings.level, format=line, colorize=colorize, diagnose=False, catch=True)

    def tell(sentence: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            terminal.write(f"microbot: {sentence}\n")

    try:
        file = LogFile(path, settings.max_bytes, settings.keep, tell, time.monotonic, settings.keep_days)
    except OSError as error:
        said = f"logs cannot be written to {path}: {error.strerror}; choose another --log-dir"
        raise refusal(said, error.errno) from None
    logger.add(file, level=settings.file_level, format=_json_line, colorize=False, diagnose=False, catch=True)
    logging.basicConfig(handlers=[_Intercept()], level=logging.WARNING, force=True)
    return path


@contextlib.contextmanager
def thread_faults() -> Iterator[None]:
    """Log meanwhile each fault that ends a thread, as `thread.failed`: Python itself says it on the terminal alone."""

    def tell(args: threading.ExceptHookArgs) -> None:
        if before is not threading.__excepthook__:  # which says no more than this log does
            before(args)
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            name = args.thread.name if args.thread else "?"
            log = logger.bind(logger="microbot.service", event="thread.failed", thread=name)
            log.opt(exception=args.exc_value).error("{}", f"the thread {name!r} has ended by a fault")

    before, threading.excepthook = threading.excepthook, tell
    try:
        yield
    finally:
        threading.excepthook = before


def on_terminal() -> None:
    """Send logs to the terminal alone, from INFO on."""
    logger.remove()
    colorize = _wants_colors(sys.stderr, os.environ)
    logger.add(sys.stderr, level="INFO", format=_terminal_line, colorize=colorize, diagnose=False)


def is_journal(stream: Any, environment: Mapping[str, str]) -> bool:
    """Whether a stream goes to systemd's journal, by device and inode, as sd-journal has it (JOURNAL_STREAM)."""
    try:
        found = os.fstat(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _wants_colors(stream: Any, environment: Mapping[str, str]) -> bool:
    """Whether a stream is a terminal that shows colors, and its user wants them (no-color.org)."""
    if environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return False
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def _name(record: Any) -> str:
    return str(record["extra"].get("logger", "microbot"))


def _machine_ts(record: Any) -> int:
    return int(record["time"].timestamp() * 1_000_000) * 1_000


def _venue_ts(record: Any) -> int | None:
    """Return what time it was at the venue: a fact says so itself, and the same for each who writes the line."""
    extra = record["extra"]
    if "venue_ts" not in extra:
        extra["venue_ts"] = _context.venue_now() or None
    found = extra["venue_ts"]
    return found if isinstance(found, int) and found else None  # 0: no time is known yet


def _terminal_line(record: Any) -> str:
    extra = record["extra"]
    venue_ts = _venue_ts(record)
    at = figures.of_day(venue_ts or _machine_ts(record), _context.zone)
    # Before the venue has said what time it is there, it is ours, which may be far ahead or behind: marked as such.
    extra["_at"] = at if venue_ts or _context.venue_now is _nobody_says else f"{at}*"
    extra["_name"] = visible(_name(record))
    extra["_message"] = visible(record["message"])
    extra["_exception"] = ""
    if record["exception"] is not None:
        told = "".join(traceback.format_exception(*record["exception"])).split("\n")
        # Indented, so that nothing in it can be taken for another line of the log.
        extra["_exception"] = "\n".join(f"  {visible(line)}" for line in told if line) + "\n"
    return "[{extra[_at]}] - {extra[_name]} - <level>{level}</level> - {extra[_message]}\n{extra[_exception]}"


_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
"""Levels as syslog(3) numbers them: the journal takes such a number off the beginning of a line."""


def _journal_line(record: Any) -> str:
    """Write a line for the journal, which has a time and a level of its own; a traceback's lines have the same one."""
    extra, priority = record["extra"], f"<{_PRIORITIES.get(record['level'].name, 6)}>"
    told = [f"{_name(record)} - {record['message']}"]
    if record["exception"] is not None:
        told += [f"  {line}" for line in "".join(traceback.format_exception(*record["exception"])).split("\n") if line]
    extra["_journal"] = "".join(f"{priority}{visible(line)}\n" for line in told)
    return "{extra[_journal]}"


_FIRST = ("logger", "event", "venue_ts")  # fields that have a place of their own


def _json_line(record: Any) -> str:
    fields = {k: v for k, v in record["extra"].items() if not k.startswith("_") and k not in _FIRST}
    line = {
        "ts": _machine_ts(record),
        "level": record["level"].name,
        "logger": _name(record),
        "event": record["extra"].get("event", "log"),
        "message": record["message"],
        "run": _context.run(),
        "venue_ts": _venue_ts(record),
        "zone": _context.zone,
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
    """Yield the lines of a log as dictionaries; with `wait`, go on as it grows.

    Also across a rotation, after the file was moved or removed, and after it was cut to nothing and written again.
    """
    if not path.is_file() and not wait:
        raise UserError(f"there is no log {path}: start the bot, or name its folder with --log-dir")
    while not path.is_file():
        sleep(_LOOK_S)
    file = path.open("rb")
    held = b""
    rotated = False
    try:
        while True:
            held += file.readline()
            if held.endswith(b"\n"):
                line: dict[str, Any] = {}
                with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):  # a line cut short by a crash
                    line = msgspec.json.decode(held, type=dict[str, Any])
                held = b""
                if line:
                    yield line
            elif not wait:
                return
            elif rotated:  # and read to its end since
                with contextlib.suppress(FileNotFoundError):  # moved again: the next is waited for
                    new = path.open("rb")
                    file.close()
                    file = new
                    held = b""
                rotated = False
            elif os.fstat(file.fileno()).st_size < file.tell():  # cut, as logrotate's copytruncate does
                file.seek(0)
                held = b""
            else:
                sleep(_LOOK_S)
                rotated = is_elsewhere(path, file.fileno())
    finally:
        file.close()


def matches(line: dict[str, Any], *, event: str | None, level: str) -> bool:
    """Whether a line is of an event (`trade.closed`, or all of a kind: `trade.`, `trade`) and of a level or above."""
    if event is not None:
        name = str(line.get("event"))
        if name != event and not name.startswith(f"{event.removesuffix('.')}."):
            return False
    found = str(line.get("level"))
    return found not in LEVELS or LEVELS.index(found) >= LEVELS.index(level)


def for_people(line: dict[str, Any]) -> str:
    """Return a line of the log as the terminal shows it, with its day: [day time zone] - logger - level - message."""
    ts = line.get("venue_ts") or line.get("ts")
    at = figures.instant(ts if isinstance(ts, int) else 0, str(line.get("zone", "UTC")))
    return visible(f"[{at}] - {line.get('logger')} - {line.get('level')} - {line.get('message')}")
