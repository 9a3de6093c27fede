"""What the conditions of sale make of prints: ticks, sizes that wait for the next tick, and what is only counted.

The same as `pipeline.venues.sale_prints`, by columns, once the rows are in order.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.events import Prints, Refused
from pipeline.venues.conditions import UNKNOWN_CONDITION, PrintKind
from research.importing import rows
from research.importing.rows import COUNTED, PRINT, PRINT_KINDS, TRADE, UNKNOWN, Numbers

_TICK, _AUCTION, _VOLUME = (PRINT_KINDS.index(k) for k in (PrintKind.TICK, PrintKind.AUCTION, PrintKind.VOLUME))


class SalePrints:
    """Applies conditions to rows in their order; what is counted is told at the end, since it moves nothing."""

    def __init__(self) -> None:
        self.counted: dict[PrintKind, tuple[int, float]] = {}  # prints, and their shares
        self.unknown = 0  # prints with a code that stands in no table
        self._waiting: dict[str, float] = {}  # shares
        self._latest: dict[str, int] = {}  # ns, of each symbol's ticks

    def apply(self, table: pa.Table) -> pa.Table:
        """Return the rows that remain, of the columns of a tape."""
        named = PRINT in table.column_names
        plain = table.drop_columns([PRINT]) if named else table
        if not (named or self._waiting) or "size" not in table.column_names:
            return plain
        found = table.column(PRINT) if named else pa.nulls(len(table), pa.int8())
        given = found.fill_null(_TICK).to_numpy()
        kind = given & (UNKNOWN - 1)
        trades = rows.numbers(table, "kind") == TRADE
        size = rows.numbers(table, "size").copy()
        self._count(kind, given, trades, size)
        size[trades & (kind == _AUCTION)] = 0.0
        ticks = trades & (kind <= _AUCTION)
        self._add_waiting(table, ticks, trades & (kind == _VOLUME), size)
        kept = ~trades | ticks
        place = plain.column_names.index("size")
        plain = plain.set_column(place, plain.schema.field("size"), pa.array(size, pa.float64(), from_pandas=True))
        return plain if kept.all() else plain.filter(pa.array(kept))

    def rest(self) -> pa.Table | None:
        """Return the counts as rows, or None where there are none."""
        events: list[Prints | Refused] = [Prints(kind, count, size) for kind, (count, size) in self.counted.items()]
        if self.unknown:
            events.append(Refused(UNKNOWN_CONDITION, self.unknown))
        return rows.of_events(events) if events else None

    def _count(self, kind: Numbers, given: Numbers, trades: Numbers, size: Numbers) -> None:
        new = trades & (given < COUNTED)
        for place, name in enumerate(PRINT_KINDS):
            if place != _TICK and (which := new & (kind == place)).any():
                count, before = self.counted.get(name, (0, 0.0))
                self.counted[name] = (count + int(which.sum()), before + float(size[which].sum()))
        self.unknown += int((new & (given & UNKNOWN > 0)).sum())

    def _add_waiting(self, table: pa.Table, ticks: Numbers, volume: Numbers, size: Numbers) -> None:
        """Add the sizes of prints that are no ticks to the symbol's next tick, in place."""
        codes, names = rows.codes(table)
        ts = rows.numbers(table, "ts")
        if not volume.any() and not self._waiting:
            latest = np.zeros(len(names), np.int64)
            np.maximum.at(latest, codes[ticks], ts[ticks])
            for name, last in zip(names, latest.tolist(), strict=True):
                self._latest[name] = max(self._latest.get(name, 0), last)
            return
        for code, mine in rows.groups(codes, ticks | volume):
            self._of_symbol(names[code], mine, ts[mine], ticks[mine], size)

    def _of_symbol(self, name: str, mine: Numbers, ts: Numbers, ticks: Numbers, size: Numbers) -> None:
        latest = np.maximum.accumulate(np.where(ticks, ts, 0))
        latest = np.maximum(latest, self._latest.get(name, 0))
        takes = ticks & (ts >= latest)  # a late tick takes nothing: it is not used
        self._latest[name] = int(latest[-1])
        sizes = np.where(ticks, 0.0, size[mine])
        before = np.concatenate(
            ([0], np.cumsum(takes)[:-1])
        )  # ticks before: all with one number wait for the same tick
        sums = np.bincount(before, weights=sizes, minlength=int(takes.sum()) + 1)
        sums[0] += self._waiting.pop(name, 0.0)
        taken = mine[takes]
        size[taken] += sums[: len(taken)]
        if sums[len(taken)] > 0:
            self._waiting[name] = float(sums[len(taken)])
