"""importing: files of other people to tapes in columns, rows a second of CPU time, and the memory that it takes."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from bench.children import Child
from bench.results import Number, Options, Result, Target

ABOUT = (
    "A CSV of times in ms, prices and sizes, and a day of Binance's trades as it is downloaded, each to a tape in "
    "Parquet with all its checks, in a fresh process; best of the rounds, by the CPU time of all threads."
)
ROWS = (4_000_000, 5_000)
ROUNDS = (2, 1)


def measure(options: Options) -> Result:
    """Measure both."""
    rows = options.sized(*ROWS)
    table = _trades(rows)
    plain = options.folder / "importing.csv"
    pa.csv.write_csv(table.select(["timestamp", "price", "size"]), plain)
    dump = _dump(options.folder, table)
    warmup = options.folder / "warmup.csv"
    pa.csv.write_csv(table.select(["timestamp", "price", "size"]).slice(0, 1_000), warmup)
    numbers: list[Number] = []
    for name, source, target in (("csv", plain, Target(at_least=2_000_000)), ("binance", dump, None)):
        said = [_run(warmup, source) for _ in range(options.sized(*ROUNDS))]
        best = min(said, key=lambda found: found["cpu_seconds"])
        note = f"{source.stat().st_size / 1e6:,.0f} MB become {best['size'] / 1e6:,.0f} MB"
        numbers += [
            Number(f"importing.{name}", best["rows"] / best["cpu_seconds"], "rows/s", target, note),
            Number(f"importing.{name}.peak", min(found["peak"] for found in said) / 1e6, "MB"),
        ]
    return Result("importing", ABOUT, numbers)


def _trades(rows: int) -> pa.Table:
    """Return trades of a random walk in ticks of a cent."""
    generator = np.random.default_rng(7)
    cents = 10_000 + np.cumsum(generator.integers(-1, 2, rows))
    return pa.table(
        {
            "id": np.arange(rows),
            "timestamp": 1_723_075_200_000 + np.cumsum(generator.integers(0, 30, rows)),
            "price": cents / 100,
            "size": generator.integers(1, 500, rows),
        }
    )


def _dump(folder: Path, table: pa.Table) -> Path:
    quote = np.round(table["price"].to_numpy() * table["size"].to_numpy(), 2)
    made = pa.table([*table.select(["id", "price", "size"]).columns, quote, table["timestamp"]], list("abcde"))
    maker = pa.array(np.arange(len(made)) % 2 == 0)
    made = made.append_column("f", maker).append_column("g", maker)
    text = folder / "BTCUSDT-trades-2024-08-08.csv"
    pa.csv.write_csv(made, text, pa.csv.WriteOptions(include_header=False))
    path = text.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(text, text.name)
    text.unlink()
    return path


def _run(warmup: Path, source: Path) -> dict[str, Any]:
    with Child("importer", str(warmup), str(source), "BTCUSDT") as child:
        return child.hear("imported")
