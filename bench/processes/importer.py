"""Imports files, once small to load everything, then whole, and says what the second took."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.children import tell
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
        peak=_peak(),
        size=source.with_suffix(".parquet").stat().st_size,
    )


def _peak() -> int:
    """Return the most bytes of memory that the process has held."""
    status = Path("/proc/self/status")
    if status.is_file():  # what getrusage says includes the process that this one was forked off
        return int(status.read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    main(sys.argv[1:])
