"""Tables of trades, signals and orders as Parquet, for notebooks; pyarrow comes with an extra of the package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from service.errors import UserError

_TIMES = {"ts", "entry_ts", "exit_ts"}
_WHOLE = {"run"}
_NUMBERS = {
    *("quantity", "entry_price", "exit_price", "pnl", "pnl_pct", "fees", "equity"),
    *("price", "momentum", "volume_ratio", "range", "filled"),
}


def write(rows: Iterable[dict[str, Any]], columns: Sequence[str], path: Path) -> int:
    """Write rows with these columns, and return their number.

    Times are nanoseconds in UTC; money and quantities, exact in the journal, become doubles, with which notebooks
    count. Raises UserError without pyarrow, for a file that is there already, and for one that cannot be written.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError("--parquet needs pyarrow: `pip install pyarrow` in the bot's environment adds it") from None
    kinds = {name: pyarrow.timestamp("ns", "UTC") for name in _TIMES}
    kinds |= {name: pyarrow.int64() for name in _WHOLE} | {name: pyarrow.float64() for name in _NUMBERS}
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in columns])
    found = [{name: _value(name, row[name]) for name in columns} for row in rows]
    if path.exists():
        raise UserError(f"--parquet {path} is there already: choose another name, or remove it")
    try:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(found, schema), path)
    except OSError as error:
        raise UserError(f"--parquet {path} cannot be written: {error.strerror or error}") from None
    return len(found)


def _value(name: str, value: Any) -> Any:
    return float(value) if name in _NUMBERS and value is not None else value
