"""The data beside the repository, ../shared: vectors (tapes with the decisions they must produce), recordings."""

from __future__ import annotations

import json
import os
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from actors.engine.core import Input
from service.recorded import tapes
from service.settings import SECTIONS, Settings

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("MICROBOT_SHARED", ROOT.parent / "shared"))


class Vector(NamedTuple):
    """A tape, the settings to replay it with, and the decisions that it must produce."""

    name: str
    tape: Path
    settings: Settings
    expected: dict[str, Any]


def describe() -> str:
    """Say in a line whether the data is there."""
    count = len(vectors())
    if count:
        return f"../shared: {count} vector tapes"
    return (
        "../shared: ABSENT (no vectors); tests fall back on small tapes of their own. MICROBOT_SHARED names the folder"
    )


@cache
def vectors() -> tuple[Vector, ...]:
    """Load every vector whose tape is there; none without ../shared."""
    return tuple(
        vector for path in sorted((SHARED / "vectors").glob("*.expected.json")) if (vector := load(path)).tape.exists()
    )


def load(path: Path) -> Vector:
    """Load one expected.json, and find its tape: beside it, or by the name that it gives."""
    name = path.name.removesuffix(".expected.json")
    expected = json.loads(path.read_text(encoding="utf-8"))
    beside = next(iter(path.parent.glob(f"{name}.tape.jsonl*")), path.parent / f"{name}.tape.jsonl")
    tape = SHARED / expected["tape"] if "tape" in expected else beside
    return Vector(name, tape, settings_of(expected["settings"]), expected)


def settings_of(flat: dict[str, Any]) -> Settings:
    """Make settings of {"section.key": value}."""
    sections: dict[str, dict[str, Any]] = {}
    for path, value in flat.items():
        section, _, key = path.partition(".")
        sections.setdefault(section, {})[key] = value
    made: dict[str, Any] = {name: msgspec.convert(values, SECTIONS[name]) for name, values in sections.items()}
    return Settings(**made)


def beginning(tape: Path, most: int) -> tuple[Input, ...]:
    """Read the first events of a tape, and not much more of it than that takes."""
    return tuple(islice((event for batch in tapes.read(tape) for event in batch), most))
