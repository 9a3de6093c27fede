"""History: what the journal holds of trades, signals and orders, for people and for other programs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from actors.gateway.sqlite_journal import JournalUnusable, read, settings_of
from service import figures, outlet
from service.errors import UserError, said_plainly, writing
from service.extras import needed
from service.visible import visible, visible_json

Row = dict[str, Any]

_KINDS = {
    "trades": ("position_closed",),
    "signals": ("signal",),
    "orders": ("order_submitted", "order_changed", "order_filled", "order_rejected"),
}
COLUMNS = {
    "trades": (
        *("run", "decision", "symbol", "side", "quantity", "entry_ts", "entry_price", "exit_ts", "exit_price"),
        *("exit_reason", "pnl", "pnl_pct", "fees", "equity", "origin"),
    ),
    "signals": (
        *("run", "decision", "ts", "symbol", "side", "price", "momentum", "volume_ratio", "range", "verdict"),
        "origin",
    ),
    "orders": (
        *("run", "ts", "order", "symbol", "side", "quantity", "leg", "status", "filled", "price", "reason"),
        "origin",
    ),
}
_LEAST_WANTED = {
    "trades": (
        *("origin", "equity", "fees", "run", "entry_ts", "pnl_pct", "entry_price", "quantity", "exit_price"),
        "exit_reason",
    ),
    "signals": ("origin", "run", "range", "volume_ratio", "momentum", "price", "side"),
    "orders": ("origin", "run", "reason", "leg", "price", "filled", "quantity", "symbol"),
}
"""Columns that go where a terminal is too narrow for all."""
_TIMES = ("ts", "entry_ts", "exit_ts")
_NUMBERS = (
    *("quantity", "entry_price", "exit_price", "pnl", "pnl_pct", "fees", "equity"),
    *("price", "momentum", "volume_ratio", "range", "filled"),
)
_PRICES = ("price", "entry_price", "exit_price")
_MONEY = ("pnl", "fees", "equity")


def since(text: str | None, option: str = "--since") -> int:
    """Read a time, ISO 8601 (a local one without an offset), as ns. Raises UserError."""
    if text is None:
        return 0
    try:
        ts = round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1e9)
        if abs(ts) >= 1 << 63:  # more than a journal holds
            raise ValueError
        return ts
    except (ValueError, OverflowError):
        raise UserError(f"{option} wants a time such as 2026-01-05 or 2026-01-05T09:30, not {text!r}") from None


def rows(path: Path, what: str, from_ts: int = 0) -> Iterator[Row]:
    """Read rows of "trades", "signals" or "orders", oldest first. Raises UserError if there is no journal."""
    with said_plainly(JournalUnusable):
        for fact in read(path, _KINDS[what], from_ts):
            flat = _flat(fact)
            yield {name: flat.get(name) for name in COLUMNS[what]}


def zones(path: Path) -> dict[int, str]:
    """Return the time zone of the trading day, by run. Raises UserError if there is no journal."""
    with said_plainly(JournalUnusable):
        return {run: zone_in(text) for run, text in settings_of(path)}


def zone_in(settings: str | bytes) -> str:
    """Return the time zone that the settings of a run name, as the journal has them; UTC where they name none."""
    try:
        return msgspec.json.decode(settings, type=_Settings).risk.timezone
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "UTC"


class _Risk(msgspec.Struct):
    timezone: str = "UTC"


class _Settings(msgspec.Struct):
    risk: _Risk = msgspec.field(default_factory=_Risk)


def _flat(fact: Row) -> Row:
    match fact["type"]:
        case "signal":
            return {**fact["signal"], **fact, "verdict": "approved" if fact["approved"] else fact["reason"]}
        case "order_submitted":
            order = fact["order"]
            return {**order, **fact, "order": order["id"], "status": "submitted"}
        case "order_filled":
            done = fact["execution"]
            return {**done, **fact, "filled": done["quantity"], "quantity": None, "status": done.get("undone", "fill")}
        case "order_rejected":
            return {**fact, "status": "rejected"}
    return fact


def show(
    found: Iterator[Row], what: str, *, as_json: bool | None, as_csv: bool, zones: Mapping[int, str] | None = None
) -> None:
    """Write rows to stdout: a table for people, JSON Lines or CSV for programs.

    `zones` are the time zones in which people read the times of each run; UTC where none is known.
    """
    if as_csv:
        first = list(islice(found, 1))  # where there is no journal, this says so: there is nothing to head then
        writer = csv.DictWriter(sys.stdout, COLUMNS[what])
        writer.writeheader()
        for row in chain(first, found):
            writer.writerow({name: _harmless(value) for name, value in row.items()})
    elif outlet.for_machines(as_json):
        for row in found:
            sys.stdout.write(visible_json(msgspec.json.encode(row).decode()) + "\n")
    else:
        _print_table(list(found), what, zones)


def write_parquet(found: Iterator[Row], what: str, path: Path) -> int:
    """Write rows as a table for notebooks, and return their number; pyarrow comes with an extra of the package.

    Times are nanoseconds in UTC; money and quantities, exact in the journal, become doubles, with which notebooks
    count. Raises UserError without pyarrow, for a file that is there already, and for one that cannot be written.
    """
    with needed("--parquet needs", "parquet"):
        import pyarrow
        import pyarrow.parquet
    kinds = {"run": pyarrow.int64()} | dict.fromkeys(_TIMES, pyarrow.timestamp("ns", "UTC"))
    kinds |= dict.fromkeys(_NUMBERS, pyarrow.float64())
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in COLUMNS[what]])
    rows = [
        {name: float(value) if name in _NUMBERS and value is not None else value for name, value in row.items()}
        for row in found
    ]
    if path.exists():
        raise UserError(f"--parquet {path} is there already: choose another name, or remove it")
    with writing(f"--parquet {path}"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema), path)
    return len(rows)


def _harmless(value: Any) -> Any:
    """Return a cell in which nothing moves a cursor."""
    return visible(value, longest=len(value) + 1) if isinstance(value, str) else value


def _print_table(found: list[Row], what: str, zones: Mapping[int, str] | None = None) -> None:
    if not found:
        print(f"no {what} yet")
        return
    console = Console()
    cells = {
        name: [visible(_shown(name, row[name], (zones or {}).get(row["run"], "UTC"))) for row in found]
        for name in COLUMNS[what]
    }
    names = _fitting({name: max(len(_head(name)), *map(len, cells[name])) for name in cells}, what, console.width)
    table = Table(box=None)
    for name in names:
        table.add_column(_head(name), no_wrap=True)
    for row in zip(*(cells[name] for name in names), strict=True):
        table.add_row(*row)
    console.print(table)
    if left_out := [_head(name) for name in cells if name not in names]:
        print(f"left out, for the terminal is {console.width} wide: {', '.join(left_out)} (--json has all)")


def _fitting(widths: dict[str, int], what: str, width: int) -> list[str]:
    """Return the columns that fit side by side: the least wanted go first, and what names a row never does."""
    names = list(widths)
    for name in _LEAST_WANTED[what]:
        if sum(widths[kept] + 2 for kept in names) <= width:
            break
        names.remove(name)
    return names


def _head(name: str) -> str:
    return name.removesuffix("_ts").replace("_", " ")


def _shown(name: str, value: Any, zone: str) -> str:
    if value is None:
        return ""
    if name in _TIMES:
        return figures.instant(value, zone)
    if value == "":
        return ""
    if name in _PRICES:
        return figures.price(value)
    if name in _MONEY:
        return figures.money(value)
    if name == "pnl_pct":
        return figures.percent(float(value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
