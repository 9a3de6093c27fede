"""The list of recorded sessions, for people and for other programs."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.events import SECOND
from service import outlet
from service.data_folder import SESSIONS, running
from service.errors import UserError
from service.recorded import archive, tapes
from service.visible import visible, visible_json

Row = dict[str, Any]
_NUMBERS = ("length", "inputs", "kB")


def rows(data_dir: Path) -> list[Row]:
    """Describe the sessions in an archive, oldest first.

    A torn one breaks off, as after a kill; it replays up to its last whole line. Its inputs are not counted.
    """
    sessions = archive.found_in(data_dir / SESSIONS)
    writing = sessions[-1] if sessions and running.is_claimed(data_dir) else None
    return [_row(path, going_on=path == writing) for path in sessions]


def _row(path: Path, *, going_on: bool) -> Row:
    started = archive.start_of(path)
    ended = tapes.ended(path)
    try:
        first = tapes.recorded_settings(path)
    except UserError:  # torn before its first line
        first = None
    state = "whole" if ended is not None else "recording" if going_on else "torn"
    return {
        "started": started.isoformat() if started is not None else None,
        "seconds": (ended.last_ts - ended.first_ts) / SECOND if ended is not None else None,
        "inputs": ended.inputs if ended is not None else None,
        "bytes": path.stat().st_size,
        "venue": path.name.split("-", 1)[1].partition(".")[0],
        "data_feed": (first.data_feed or None) if first is not None else None,
        "strategy": _strategies(first) if first is not None else None,
        "state": state,
        "file": str(path),
    }


def _strategies(recorded: tapes.SettingsRecorded) -> str:
    return ", ".join((*recorded.settings.get("strategies", {}), recorded.strategy or "momentum_burst"))


def show(data_dir: Path, *, as_json: bool | None) -> None:
    """Write the list to stdout: a table for people, JSON Lines for programs."""
    found = rows(data_dir)
    if outlet.for_machines(as_json):
        for row in found:
            sys.stdout.write(visible_json(msgspec.json.encode(row).decode()) + "\n")
    elif not found:
        print(f"no sessions in {data_dir / SESSIONS} yet: `microbot run` records one")
    else:
        print(f"in {data_dir / SESSIONS}:")
        table = Table(box=None)
        for name in ("started", "length", "inputs", "kB", "state", "feed", "strategy", "file"):
            table.add_column(name, justify="right" if name in _NUMBERS else "left", overflow="fold")
        for row in found:
            table.add_row(*(visible(cell) for cell in _cells(row)))
        Console().print(table)


def _cells(row: Row) -> list[str]:
    # The machine's time, and as it is in the file's name.
    started = datetime.fromisoformat(row["started"]).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    seconds = row["seconds"]
    length = "" if seconds is None else f"{seconds // 3600:.0f}:{seconds % 3600 // 60:02.0f}:{seconds % 60:02.0f}"
    inputs = "" if row["inputs"] is None else f"{row['inputs']:,}"
    return [
        *(started, length, inputs, f"{row['bytes'] / 1000:,.0f}", row["state"]),
        *(row["data_feed"] or "", row["strategy"] or "", Path(row["file"]).name),
    ]
