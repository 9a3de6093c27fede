"""What the log says of a decision."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from actors.gateway.sqlite_journal import Story
from service.logs import FILE

MOST_LINES = 200
_MOST_BYTES = 128 << 20  # of the log, the newest; what is older is not looked at
_MARGIN_NS = 1_000_000_000  # venue time before the first and after the last of its facts
_GRAVE = ("WARNING", "ERROR")

Row = dict[str, Any]


def lines_of(found: Story, folder: Path) -> list[Row]:
    """Return the newest lines of the log that are about a decision: its own, and what was said meanwhile.

    Its own name it, or an order of its. While it was under way, all of its symbol belong to it, and warnings of no
    symbol.
    """
    runs = {found.run, *(fact["run"] for fact in found.facts)}
    decisions = {found.decision, *(fact["decision"] for fact in found.facts if fact.get("decision"))}
    orders = {fact["order"]["id"] for fact in found.facts if fact["type"] == "order_submitted"}
    symbol = next(filter(None, (fact.get("symbol") or _symbol(fact) for fact in found.facts)), "")
    times = sorted(ts for fact in found.facts if (ts := _ts(fact)))
    first, last = (times[0] - _MARGIN_NS, times[-1] + _MARGIN_NS) if times else (0, 0)

    def is_about(line: Row) -> bool:
        if line.get("run") not in runs:
            return False
        if line.get("decision") in decisions or line.get("order") in orders:
            return True
        at = line.get("venue_ts") or 0
        if not first <= at <= last:
            return False
        return line.get("symbol") == symbol or (not line.get("symbol") and line.get("level") in _GRAVE)

    words = [
        f'"{name}":"{value}"'.encode() for name, value in (("symbol", symbol), *(("level", one) for one in _GRAVE))
    ]
    words += [f'"{one}"'.encode() for one in (*decisions, *orders)]
    kept: deque[Row] = deque(maxlen=MOST_LINES)
    for path in _files(folder):
        with path.open("rb") as file:
            for text in file:
                if any(word in text for word in words):
                    try:
                        line = msgspec.json.decode(text, type=Row)
                    except (msgspec.DecodeError, UnicodeDecodeError):
                        continue  # cut short by a crash
                    if is_about(line):
                        kept.append(line)
    return list(kept)


def _files(folder: Path) -> list[Path]:
    """Return the log's files, the oldest first, as far as they are looked at."""
    stem, suffix = FILE.split(".")
    rotated = sorted(path for path in folder.glob(f"{stem}.*.{suffix}"))
    chosen: list[Path] = []
    held = 0
    for path in (folder / FILE, *reversed(rotated)):
        if path.is_file() and held <= _MOST_BYTES:
            held += path.stat().st_size
            chosen.append(path)
    return chosen[::-1]


def _inner(fact: Row) -> Row:
    nested = (fact.get(name) for name in ("signal", "order", "execution"))
    return next((found for found in nested if isinstance(found, dict)), {})


def _symbol(fact: Row) -> str:
    return str(_inner(fact).get("symbol", ""))


def _ts(fact: Row) -> int:
    return int(fact.get("ts") or fact.get("exit_ts") or fact.get("entry_ts") or _inner(fact).get("ts") or 0)
