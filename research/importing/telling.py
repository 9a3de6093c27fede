"""What an import came to, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from research.importing import picture
from research.importing.checks import as_dict
from research.importing.importer import Report
from service.visible import visible_json


def blocks_of(encoding: str) -> str:
    """Return the blocks that a terminal can show."""
    try:
        picture.BLOCKS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return picture.PLAIN
    return picture.BLOCKS


def for_people(report: Report, blocks: str, most: int) -> Iterator[str]:
    """Give the lines that are printed; of so many symbols, those with the most events, a picture each."""
    zone = ZoneInfo(report.info.timezone)
    for name, count in _files(report).items():
        yield f"{name}: {count}"
    found = report.checks.found
    unit = f"{report.info.timezone}; times are whole {report.checks.resolution}"
    yield f"{picture.sessions(report.checks, zone)} ({unit})"
    for one in found[:most]:
        yield ""
        yield from picture.lines(one, report.checks, zone, blocks)
    if len(found) > most:
        yield ""
        names = ", ".join(one.symbol for one in found[most : most + 20]) + (" ..." if len(found) > most + 20 else "")
        yield f"and {len(found) - most:,} symbols more: {names}"
    yield from _troubles(report)
    if report.tape is not None:
        rows = sum(report.info.counts.values())
        size = report.tape.stat().st_size
        yield ""
        yield f"{report.tape}: {rows:,} events, {size / 1e6:,.1f} MB (microbot replay {report.tape})"
    else:
        yield ""
        yield "nothing was written: --out TAPE.parquet makes a tape of it"


def _files(report: Report) -> dict[str, str]:
    """Return the formats, by file; of many files, how many there are of each format."""
    if len(report.pieces) <= 5:
        return {piece.source.label: piece.format.title for piece in report.pieces}
    counts: dict[str, int] = {}
    for piece in report.pieces:
        counts[piece.format.title] = counts.get(piece.format.title, 0) + 1
    return {f"{count:,} files": title for title, count in counts.items()}


def _troubles(report: Report) -> Iterator[str]:
    """Give what was left out, and what a person should know."""
    lines = []
    for refusal in report.notes.refused.values():
        where = f"{refusal.file}, line {refusal.line}" if refusal.line else refusal.file
        shown = f": {refusal.example}" if refusal.example else ""
        lines.append(f"refused {refusal.count:,}: {refusal.reason}; the first in {where}{shown}")
    if report.notes.unordered:
        lines.append(f"{report.notes.unordered:,} rows stood behind later ones: they are sorted by time")
    for kind, (count, size) in _prints(report).items():
        lines.append(f"{count:,} prints of {size:,.10g} shares are no plain ticks: {kind}")
    if report.prints.unknown:
        lines.append(f"{report.prints.unknown:,} prints have a condition that stands in no table")
    lines += report.notes.said
    if lines:
        yield ""
        yield from lines


def _prints(report: Report) -> dict[str, tuple[int, float]]:
    """Return prints that are no plain ticks, by what they are: how many, and their shares."""
    found = dict(report.notes.prints)
    for kind, (count, size) in report.prints.counted.items():
        before, shares = found.get(kind.value, (0, 0.0))
        found[kind.value] = (before + count, shares + size)
    return found


def as_json(report: Report) -> str:
    """Return it as JSON."""
    info: dict[str, Any] = msgspec.to_builtins(report.info)
    told = {
        "tape": str(report.tape) if report.tape is not None else None,
        **info,
        "formats": [{"file": piece.source.label, "format": piece.format.name} for piece in report.pieces],
        "resolution": report.checks.resolution,
        "sessions": [{"start": span.start, "end": span.end} for span in report.checks.sessions],
        "checks": [as_dict(one) for one in report.checks.found],
        "prints": {kind: {"count": count, "size": size} for kind, (count, size) in _prints(report).items()},
        "unordered": report.notes.unordered,
        "refusals": [msgspec.to_builtins(refusal) for refusal in report.notes.refused.values()],
        "notes": list(report.notes.said),
    }
    return visible_json(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
