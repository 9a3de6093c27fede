"""When tapes were recorded, and how that time is parted: walk-forward windows, and blocks for the statistics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from pipeline.venues import lobster
from service.errors import UserError
from service.recorded import columnar, tapes
from service.recorded.lines import Lines, is_zip

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SECOND = 1_000_000_000
PAUSE = 3_600 * SECOND
"""A tape without an event for so long has a night in it, which is no recorded time."""

Span = tuple[int, int]
"""A stretch of recorded time: its first and its last event, ns since 1970, UTC."""


def spans_of(tape: Path) -> list[Span]:
    """Return the stretches of time that a tape has events of. Raises UserError for one without any."""
    if columnar.is_columnar(tape):
        return _parted(tape, _times_of_columns(tape))
    if (named := _named_span(tape)) is not None:
        return [named]
    return _parted(tape, _times_of_lines(tape))


def is_quoted(tape: Path) -> bool:
    """Whether a tape has a quote, or a trade with one: without, fills are at last prices, and no spread is paid."""
    if columnar.is_columnar(tape):
        return any(batch.column(0).null_count < len(batch) for batch in columnar.batches(tape, ["bid"]))
    if _named_span(tape) is not None:
        return True
    with Lines(tape, tapes.CHUNK) as source:
        while lines := source.batch():
            if any(b'"bid"' in line and b'"bid":null' not in line.replace(b" ", b"") for line in lines):
                return True
    return False


class _Timed(msgspec.Struct):
    ts: int = 0


_ONE = msgspec.json.Decoder(_Timed)


def _times_of_lines(tape: Path) -> Iterator[NDArray[np.int64]]:
    """Yield the times of a tape of lines, of which nothing else is decoded."""
    import numpy as np

    with Lines(tape, tapes.CHUNK) as source:
        while lines := source.batch():
            try:
                found = _ONE.decode_lines(b"".join(lines))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                found = list(_readable(lines))
            yield np.array([each.ts for each in found if 0 < each.ts < 1 << 63], np.int64)


def _readable(lines: Iterable[bytes]) -> Iterator[_Timed]:
    """Yield what can be read of lines of which some cannot."""
    for line in lines:
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            yield _ONE.decode(line)


def _times_of_columns(tape: Path) -> Iterator[NDArray[np.int64]]:
    for batch in columnar.batches(tape, ["ts"]):
        yield batch.column(0).to_numpy()


def _parted(tape: Path, parts: Iterable[NDArray[np.int64]]) -> list[Span]:
    """Return the stretches between which nothing happened for `PAUSE`, such as days. Raises UserError for none."""
    import numpy as np

    found: list[Span] = []
    for part in parts:
        times = np.maximum.accumulate(part)
        times = times[times > 0]
        if not len(times):
            continue
        breaks = np.flatnonzero(np.diff(times) > PAUSE)
        for first, last in zip((0, *(breaks + 1)), (*breaks, len(times) - 1), strict=True):
            begins, ends = int(times[first]), int(times[last])
            if found and begins - found[-1][1] <= PAUSE:
                found[-1] = (found[-1][0], max(ends, found[-1][1]))
            else:
                found.append((begins, ends))
    if not found:
        raise UserError(f"the tape {tape} has no event with a time: there is nothing to sweep over")
    return found


def _named_span(tape: Path) -> Span | None:
    """Return what the name of a LOBSTER recording says: date, and milliseconds after midnight in New York."""
    names = [tape.name]
    if is_zip(tape):
        import zipfile

        with zipfile.ZipFile(tape) as archive:
            names = archive.namelist()
    for name in names:
        if (found := lobster.Name.of(name)) is not None:
            begins, ends = (int(part) for part in Path(name).name.split("_")[2:4])
            midnight = datetime.combine(found.date, datetime.min.time(), ZoneInfo("America/New_York"))
            start = int(midnight.timestamp()) * SECOND
            return start + begins * 1_000_000, start + ends * 1_000_000
    return None


class Window(msgspec.Struct, frozen=True):
    """A stretch to choose settings on, and the one behind it, which no choice has seen. All in ns since 1970, UTC.

    In sample are trades that were entered from `begins` on and left by `purged`; out of sample are those that were
    entered from `cut` on and before `ends`. No tick counts for both: between them lies the purge gap.
    """

    begins: int
    purged: int
    cut: int
    ends: int


class Timeline:
    """Recorded time alone, without the nights between tapes."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self.spans = _merged(spans)
        self.length = sum(last - first for first, last in self.spans)
        if self.length <= 0:
            raise UserError("the tapes last no time at all: a sweep wants more than one moment")

    def at(self, share: float) -> int:
        """Return the time at which a share of the recorded time has passed; just behind the last event for 1."""
        left = round(share * self.length)
        for first, last in self.spans:
            if left < last - first:
                return first + left
            left -= last - first
        return self.spans[-1][1] + 1

    def blocks(self, times: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """Return in which of `count` equal blocks of recorded time each time lies, from 0."""
        import numpy as np

        firsts = np.array([first for first, _ in self.spans], dtype=np.int64)
        lengths = np.array([last - first for first, last in self.spans], dtype=np.int64)
        before = np.cumsum(lengths) - lengths
        span = np.maximum(np.searchsorted(firsts, times, side="right") - 1, 0)
        passed = before[span] + np.clip(times - firsts[span], 0, lengths[span])
        found: NDArray[np.int64] = np.minimum((passed / self.length * count).astype(np.int64), count - 1)
        return found

    def windows(self, count: int, purge_s: float, *, rolling: bool = False) -> tuple[Window, ...]:
        """Part the time into `count` + 1 equal stretches: each but the first is out of sample once.

        In sample is all that comes before it, or with `rolling` the one stretch before it, less `purge_s` seconds.
        """
        cuts = [self.at(number / (count + 1)) for number in range(count + 2)]
        purge = round(purge_s * SECOND)
        return tuple(
            Window(cuts[number - 1] if rolling else cuts[0], cuts[number] - purge, cuts[number], cuts[number + 1])
            for number in range(1, count + 1)
        )


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Return stretches in their order, those that overlap as one."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found
