"""Imports files, once small to load everything, then whole, and says what the second took."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.children import most_held, tell
from research.importing import importer
from research.importing.notes import Options


def main(arguments: Sequence[str]) -> None:
    """Import WARMUP, then SRC, as SYMBOL."""
    warmup, source, symbol = Path(arguments[0]), Path(arguments[1]), arguments[2]
    importer.run([warmup], warmup.with_suffix(".parquet"), Options(symbol=symbol), replace=True)
    began, began_cpu = time.perf_counter(), time.process_time()
    report = importer.run([source], source.with_suffix(".parquet"), Options(symbol=symbol), replace=True)
    tell(
        event="imported",
        seconds=time.perf_counter() - began,
        cpu_seconds=time.process_time() - began_cpu,
        rows=report.info.rows,
        peak=most_held(),
        size=source.with_suffix(".parquet").stat().st_size,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
