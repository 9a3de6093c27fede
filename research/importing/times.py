"""Times of other people's files as ns since 1970: units told by their size, texts read exactly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.events import SECOND
from pipeline.venues.units import other_unit
from research.importing.notes import UNITS, Unit
from research.importing.rows import Numbers
from service.errors import UserError

_SHORT = {"seconds": "s", "milliseconds": "ms", "microseconds": "us"}
_LONG = {"ns": "nanoseconds", **{short: long for long, short in _SHORT.items()}}
_FIRST, _LAST = 978_307_200, 4_102_444_800  # seconds since 1970: 2001 to 2100

_DAY = 86_400  # seconds
_DIGITS_OF_SECONDS = 10
_DECIMAL = pa.decimal128(27, 9)  # times a unit of ten digits it has 38, which is the most
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_ZONED = re.compile(r"(Z|[+-]\d\d:?\d\d)$")


def kind_of(example: str, others: Sequence[str] = ()) -> pa.DataType:
    """Return the type that a column of times is read as, by one of them. Raises ValueError for what is none.

    Whole numbers of seconds may stand among those with decimals, so that the `others` are looked at as well; times of
    ten digits may have some further on than is looked.
    """
    if (found := _NUMBER.fullmatch(example)) is not None:
        parted = found[1] or any((other := _NUMBER.fullmatch(text)) and other[1] for text in others)
        return _DECIMAL if parted or len(example) <= _DIGITS_OF_SECONDS else pa.int64()
    kind = pa.timestamp("ns", "UTC") if _ZONED.search(example) else pa.timestamp("ns")
    try:
        pa.array([example]).cast(kind)
    except pa.ArrowException:
        raise ValueError(example) from None
    return kind


def unit_of(example: float | str, given: Unit | None, where: str) -> Unit:
    """Return the unit of times that are numbers, by one of them. Raises UserError where another one was given.

    `where` says where the example stands.
    """
    whole = int(float(example))
    found = _SHORT.get(other_unit(whole), "ns")
    plausible = _FIRST * 10**9 < whole * UNITS[found] < _LAST * 10**9
    if not plausible:
        raise UserError(
            f"{where}: the time {example} is none since 1970 in seconds, milliseconds, microseconds or nanoseconds; "
            "name the column that holds the date as well (--columns ts=NAME)"
        )
    if given is not None and given != found:
        raise UserError(
            f"{where}: the times are in {_LONG[found]} ({example}), not in {_LONG[given]}: --unit {found}, or nothing"
        )
    return found  # type: ignore[return-value]  # one of the four


def zone_of(name: str) -> str:
    """Return the name of a time zone, checked. Raises UserError."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UserError(f"there is no time zone {name}: name one as America/New_York, or UTC") from None
    return name


def scaled(values: Numbers, unit: Unit) -> Numbers:
    """Return whole numbers as ns; 0 where that is no time from 2001 to 2100, as that of a row in another unit."""
    factor = UNITS[unit]
    in_seconds = SECOND // factor
    sound = (values >= _FIRST * in_seconds) & (values < _LAST * in_seconds)
    found: Numbers = np.where(sound, values, 0).astype(np.int64) * factor
    return found


def has_changes(column: Any, timezone: str) -> bool:
    """Whether clocks may be put forward or back within the days of times without a zone."""
    ends = [end.cast(pa.timestamp("s"), safe=False).cast(pa.int64()).as_py() for end in pc.min_max(column).values()]
    if None in ends:
        return False
    low, high = (min(max(end, _FIRST), _LAST) // _DAY for end in ends)
    zone = ZoneInfo(timezone)
    return len({datetime.fromtimestamp(day * _DAY, zone).utcoffset() for day in range(low - 1, high + 3)}) > 1


def skipped(column: Any, timezone: str) -> Numbers:
    """Return which times are none of their zone: those of the hour that it leaves out where summer time begins."""
    taken = pc.assume_timezone(column, timezone, ambiguous="earliest", nonexistent="latest")
    return np.asarray(pc.fill_null(pc.not_equal(pc.local_timestamp(taken), column), False))


def twice(column: Any, timezone: str) -> Any:
    """Return the first time that its zone has twice, where summer time ends; None without one."""
    first, second = (
        pc.assume_timezone(column, timezone, ambiguous=which, nonexistent="latest") for which in ("earliest", "latest")
    )
    place = pc.index(pc.not_equal(first, second), True).as_py()
    return column[place].cast(pa.string()).as_py() if place >= 0 else None


def ns(column: Any, unit: Unit, timezone: str) -> Numbers:
    """Return times in ns, 0 where there is none from 2001 to 2100. `timezone` is that of texts without one.

    One that the zone has `twice` is the first of both, and one that it `skipped` the moment after.
    """
    kind = column.type
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            column = pc.assume_timezone(column, timezone, ambiguous="earliest", nonexistent="latest")
        return _stamped(column, pa.timestamp("ns", "UTC"))
    if pa.types.is_date(kind):
        return _stamped(column.cast(pa.timestamp("ms")), pa.timestamp("ns"))
    if pa.types.is_decimal(kind):
        factor = pa.scalar(UNITS[unit], pa.int64()).cast(pa.decimal128(19, 0)).cast(pa.decimal128(10, 0))
        sound = pc.if_else(_between(column.cast(pa.float64()), SECOND // UNITS[unit]), column, None)
        return _filled(pc.cast(pc.multiply(sound, factor), pa.int64(), safe=False))
    if pa.types.is_floating(kind):
        # Exact as far as a float is: 1e-7 s of a time of today.
        seconds = np.nan_to_num(column.to_numpy() if hasattr(column, "to_numpy") else column)
        with np.errstate(over="ignore"):
            return scaled(np.rint(seconds * float(UNITS[unit])), "ns")
    return scaled(_filled(column), unit)


def _stamped(column: Any, kind: pa.DataType) -> Numbers:
    """Return timestamps in ns; one of another century may be none in ns at all."""
    per_second = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": SECOND}[column.type.unit]
    sound = pc.if_else(_between(column.cast(pa.int64()), per_second), column, None)
    return _filled(sound.cast(kind, safe=False))


def _between(column: Any, per_second: int) -> Any:
    return pc.and_(pc.greater_equal(column, _FIRST * per_second), pc.less(column, _LAST * per_second))


def _filled(column: Any) -> Numbers:
    found: Numbers = pc.fill_null(column.cast(pa.int64()), 0).to_numpy()
    return found
