"""`python -m bench`: measure, print a table, write JSON."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Column, Table

from bench import (
    columns,
    compiled,
    honesty,
    importing,
    latency,
    memory,
    notifying,
    operators,
    page,
    replay,
    sweeps,
    symbols,
    throughput,
    workers,
)
from bench.results import ROOT, Machine, Number, Options, Report, Result, shown


def _sharing(options: Options) -> Result:
    from bench import sharing  # numba, which no other asks for

    return sharing.measure(options)


BENCHMARKS: dict[str, Callable[[Options], Result]] = {
    "replay": replay.measure,
    "columns": columns.measure,
    "columns-long": columns.measure_long,
    "operators": operators.measure,
    "symbols": symbols.measure,
    "memory": memory.measure,
    "throughput": throughput.measure,
    "latency": latency.measure,
    "notifying": notifying.measure,
    "page": page.measure,
    "compiled": compiled.measure,
    "honesty": honesty.measure,
    "importing": importing.measure,
    "sweeps": sweeps.measure,
    "sharing": _sharing,
    "workers": workers.measure,
}
RESEARCH = ("columns", "columns-long", "importing", "compiled", "sharing", "sweeps", "honesty", "workers")
"""What `--only research` measures in one run: answers from data, from the import to a sweep on many workers."""
_WIDTH = 120
LATEST = ROOT / "bench" / "results" / "latest.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that were asked for; the exit code says only whether they ran."""
    given = _arguments(arguments)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)  # a file has no width of its own
    shared = given.shared or Path(os.environ.get("MICROBOT_SHARED", ROOT.parent / "shared"))
    fused = shared / "checks" / "fused.py"
    if not fused.is_file():
        console.print(f"There is no yardstick at {fused}: ratios to it are left out (--shared names another folder).")
    machine = Machine.here()
    console.print(_describe(machine), highlight=False)
    results = []
    with tempfile.TemporaryDirectory(prefix="microbot-bench-") as folder:
        options = Options(Path(folder), fused if fused.is_file() else None, given.quick)
        for name in chosen(given.only):
            console.print(f"measuring {name} ...", style="dim")
            results.append(_timed(name, options))
            console.print(_table(results[-1]))
            console.print(results[-1].about + "\n", style="dim", highlight=False)
    Report(machine, given.quick, results).write(given.json)
    console.print(f"written: {given.json}", highlight=False)
    return 0


def chosen(only: Sequence[str] | None) -> list[str]:
    """Return the benchmarks that were asked for, each once: all of them where none was."""
    asked = [each for name in only or BENCHMARKS for each in (RESEARCH if name == "research" else (name,))]
    return [name for name in dict.fromkeys(asked) if name in BENCHMARKS]


def _timed(name: str, options: Options) -> Result:
    """Run one benchmark, and note what it took."""
    began = time.perf_counter()
    result = BENCHMARKS[name](options)
    return msgspec.structs.replace(result, seconds=round(time.perf_counter() - began, 1))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description="Measure; compare runs of one quiet machine only.")
    names = [*BENCHMARKS, "research"]
    parser.add_argument(
        "--only",
        action="append",
        choices=names,
        metavar="NAME",
        help=f"{', '.join(names)} ({', '.join(chosen(names[-1:]))})",
    )
    parser.add_argument("--quick", action="store_true", help="sizes that show that it runs, and mean nothing")
    parser.add_argument("--json", type=Path, default=LATEST, metavar="FILE", help="default: bench/results/latest.json")
    parser.add_argument(
        "--shared", type=Path, metavar="DIR", help="where checks/fused.py is [$MICROBOT_SHARED, ../shared]"
    )
    return parser.parse_args(arguments)


def _describe(machine: Machine) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    commit = machine.commit + (" and changes" if machine.changed else "")
    return (
        f"{machine.cpu}, {machine.cores} cores, load {machine.load:g}, {machine.system}\n"
        f"{machine.python}, {packages}\ncommit {commit}, {machine.taken_at}"
    )


def _table(result: Result) -> Table:
    table = Table(
        *("what", Column("measured", justify="right"), Column("unit", style="dim")),
        *(Column("target", justify="right"), "", Column("note", style="dim")),
        title=f"{result.name} ({result.seconds:g} s)",
        title_justify="left",
        show_edge=False,
    )
    for number in result.numbers:
        name = number.key.removeprefix(f"{result.name}.")
        target = str(number.target) if number.target is not None else ""
        table.add_row(name, shown(number.value), number.unit, target, _verdict(number), number.note)
    return table


def _verdict(number: Number) -> str:
    return "" if number.met is None else "[green]met[/]" if number.met else "[red]missed[/]"


if __name__ == "__main__":
    raise SystemExit(main())
