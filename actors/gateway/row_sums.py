"""Check sums of the journal's rows: what is read back is what was written, or is said not to be.

SQLite looks at how its pages hang together, not at what is in them: a bit that flips inside a row is passed over. Each
row has a CRC-32 of all that it says. That of a fact goes on from the fact before it in its run, so that one that is
missing, or was put elsewhere, is found as well.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator

SUMMED = {
    "runs": "id, started_ts, version, strategy, venue, paper, name, settings, recording",
    "books": "name, run, input, body",
    "ticks": "run, decision, symbol, body",
}
"""Tables whose rows stand by themselves, and the columns that are summed."""

FACT = "run, input, kind, ts, symbol, decision, body"


def row_sum(*values: object, after: int = 0) -> int:
    """Return the sum of a row's values, in the order of its columns, that goes on from the one `after` which it is."""
    return zlib.crc32("\x1f".join(map(str, values)).encode("utf-8", "surrogatepass"), after)


class Chain:
    """The sums of facts as they are read from the file, in their order."""

    def __init__(self) -> None:
        self._last: dict[object, int] = {}  # by run

    def next(self, run: object, *rest: object) -> int:
        """Return the sum of the next fact, of its run and the rest of its values."""
        found = self._last[run] = row_sum(run, *rest, after=self._last.get(run, 0))
        return found


def fill(connection: sqlite3.Connection) -> None:
    """Register the functions for SQL to fill in missing sums: `row_sum`, and `fact_sum`, in the order of facts."""
    connection.create_function("row_sum", -1, row_sum, deterministic=True)
    connection.create_function("fact_sum", -1, Chain().next)


def complaints(connection: sqlite3.Connection) -> Iterator[str]:
    """Say of each row that is not what was written which one it is. Raises sqlite3.Error."""
    for table, columns in SUMMED.items():
        for number, told, *values in connection.execute(f"SELECT rowid, sum, {columns} FROM {table} NOT INDEXED"):
            if row_sum(*values) != told:
                yield f"row {number} of the table {table} is not what was written"
    chain = Chain()
    bad: set[object] = set()  # runs: what follows a break is told once
    for number, told, run, *values in connection.execute(f"SELECT id, sum, {FACT} FROM facts NOT INDEXED ORDER BY id"):
        if chain.next(run, *values) != told and run not in bad:
            bad.add(run)
            yield f"fact {number}, of run {run}, or one before it, is not what was written"
