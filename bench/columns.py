"""columns: a tape in Parquet to the files of its decisions, by the core alone and with the chain compiled."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median

import msgspec

from bench import tape
from bench.children import Child
from bench.results import Number, Options, Result, Target
from pipeline.events import Trade
from service.recorded.columnar import TapeInfo, TapeWriter, rows_of

ABOUT = (
    "A tape in columns to the decisions' files, at 5 and 50 trades a second of tape time, by CPU time; best of "
    "interleaved rounds, and ratios to the same tape in JSON Lines as medians over the rounds."
)
ABOUT_LONG = (
    "A million ticks, again and again with later times, each row group written before the next is made: CPU time and "
    "the most memory of a fresh process, Python and its libraries included."
)
TICKS = (500_000, 4_000)
LONG = (50_000_000, 8_000)
GROUP = (1_000_000, 2_000)
ROUNDS = (5, 1)
RATES = (5, 50)  # trades a second of tape time
LONG_RATE = 50
PATIENCE_S = 1_800.0
EXACT, CHAIN = "exact", "compiled_chain"
_KINDS = {EXACT: "ours", CHAIN: "chain"}


class _Run(msgspec.Struct, frozen=True):
    """One pass over the tape."""

    cpu_seconds: float
    trades: int
    most_bytes: int


def measure(options: Options) -> Result:
    """Measure both tapes."""
    return Result("columns", ABOUT, [number for rate in RATES for number in _measure(options, rate)])


def _measure(options: Options, rate: int) -> list[Number]:
    ticks = options.sized(*TICKS)
    plain = tape.write(options.folder / f"columns-{rate}.jsonl", islice(tape.trades(7, rate), ticks))
    path = options.folder / f"columns-{rate}.parquet"
    _write(path, islice(tape.trades(7, rate), ticks))
    runs: dict[str, list[_Run]] = {"json": [], EXACT: [], CHAIN: []}
    for _ in range(options.sized(*ROUNDS)):
        for name, some in runs.items():
            some.append(_run(_KINDS.get(name, "ours"), plain if name == "json" else path, options))
    plain.unlink()
    path.unlink()
    at, numbers = f"columns.at_{rate}_a_second", []
    for name, target in ((EXACT, 500_000), (CHAIN, 1_000_000)):
        best = min(run.cpu_seconds for run in runs[name])
        numbers.append(Number(f"{at}.{name}", ticks / best, "ticks/s", Target(at_least=target), _note(runs, name)))
        ratios = [json.cpu_seconds / run.cpu_seconds for json, run in zip(runs["json"], runs[name], strict=True)]
        numbers.append(Number(f"{at}.{name}_ratio", median(ratios), "x JSON Lines"))
    return numbers


def _note(runs: dict[str, list[_Run]], name: str) -> str:
    mine, others = runs[name][0].trades, runs["json"][0].trades
    return f"{mine} trades" + ("" if mine == others else f", {others} of JSON Lines: THEY DECIDE DIFFERENTLY")


def measure_long(options: Options) -> Result:
    """Measure a tape that no memory holds."""
    ticks, group = options.sized(*LONG), options.sized(*GROUP)
    path = options.folder / "columns-long.parquet"
    _write_long(path, ticks, group)
    numbers = []
    for name, seconds in ((EXACT, 150.0), (CHAIN, 75.0)):
        run = _run(_KINDS[name], path, options)
        at, note = f"columns-long.{name}", f"{ticks:,} ticks, {run.trades:,} trades"
        numbers += [
            Number(f"{at}.cpu", run.cpu_seconds, "s", Target(at_most=seconds), note),
            Number(f"{at}.memory", run.most_bytes / 1e6, "MB", Target(at_most=200.0) if name == EXACT else None),
        ]
    path.unlink()
    return Result("columns-long", ABOUT_LONG, numbers)


def _run(kind: str, path: Path, options: Options) -> _Run:
    with Child("replayer", kind, str(path), str(options.folder / "out")) as child:
        return msgspec.convert(child.hear("replayed", PATIENCE_S), _Run)


def _write(path: Path, trades: Iterator[Trade]) -> None:
    with TapeWriter(path, TapeInfo(source="bench")) as writer:
        while some := list(islice(trades, 50_000)):
            writer.write(rows_of(some))
        writer.finish({})


def _write_long(path: Path, ticks: int, group: int) -> None:
    """Write the same group of ticks with later times until there are enough."""
    import pyarrow.compute as pc

    batch = rows_of(islice(tape.trades(7, LONG_RATE), group))
    span = pc.max(batch.column("ts")).as_py() - tape.START
    with TapeWriter(path, TapeInfo(source="bench")) as writer:
        for number in range(ticks // group):
            writer.write(batch.set_column(2, batch.schema.field(2), pc.add(batch.column("ts"), number * span)))
        writer.finish({})
