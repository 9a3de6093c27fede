"""A sweep that the tests let several workers share out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from research.engine.port import Chosen, Engine
from research.sweeps import tables
from research.sweeps.space import space_of
from research.sweeps.sweep import Question, Sweep
from tests.support.market import tape
from tests.support.random_tapes import seeded_tape


def sweep(folder: Path, engine: Engine | None, on: str, jobs: int, **others: Any) -> dict[str, bytes]:
    """Sweep over 200 settings on two tapes with an engine, or the compiled one; return the files of the answer."""
    tapes = [folder / "a.jsonl", folder / "b.jsonl"]
    for seed, path in enumerate(tapes):
        path.write_bytes(tape(seeded_tape(seed, 300)))
    question = Question(
        tapes=tuple(tapes), space=space_of(["strategy.entry_threshold=0.0002:0.001195:0.000005"]), least=1, check=3,
        assignments=("strategy.volatility_guard_threshold=0",), engine="exact" if engine else "compiled",
        on=on, jobs=jobs, **others,
    )  # fmt: skip
    out = folder / f"{on}-{jobs}".replace("/", "_")
    asked = Sweep(question, lambda _: out)
    if engine is not None:
        asked.chosen = Chosen(engine, None)
    tables.write(asked.run())
    return {name: (out / name).read_bytes() for name in ("results.parquet", "trades.parquet")}
