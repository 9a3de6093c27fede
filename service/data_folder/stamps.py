"""Stamps: what `microbot check` found sound, for a run with real money to ask for.

A stamp is for what was checked and nothing else: the sources of the strategy and of what it imports from beside it, the
values of its parameters and of the keys of [strategy] that it reads, and the version of this program.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from pipeline.strategy import Strategy, StrategySettings
from service.errors import make_folder, writing
from service.private_files import write_private
from service.version import VERSION

_FOLDER = "checked"


class Subject(msgspec.Struct, frozen=True):
    """What is checked: two that are equal decide alike."""

    strategy: str
    version: str
    values: dict[str, float]  # of parameters, and of keys of [strategy]
    sources: tuple[tuple[str, str], ...]  # a file's name, and the SHA-256 of its content

    @classmethod
    def of(cls, strategy: Strategy, settings: StrategySettings) -> Subject:
        """Return what a strategy is now, made with these settings. Raises OSError if a source is gone."""
        read = {key: float(getattr(settings, key)) for key in strategy.reads}
        declared = {name: float(found.value) for name, found in strategy.parameters.declared.items()}
        hashes = ((Path(file).name, hashlib.sha256(Path(file).read_bytes()).hexdigest()) for file in strategy.files)
        return cls(strategy.name, VERSION, dict(sorted((read | declared).items())), tuple(sorted(hashes)))

    def file(self, data_dir: Path) -> Path:
        """Return where its stamp is, if there is one."""
        return data_dir / _FOLDER / f"{hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:32]}.json"


class Stamp(msgspec.Struct, frozen=True):
    """A check that was passed."""

    subject: Subject
    tape: str  # empty: the mock exchange's
    budget_ms: float
    checked: str  # when, UTC


def stamp(data_dir: Path, subject: Subject, tape: Path | None, budget_ms: float) -> None:
    """Note that a check was passed. Raises UserError if that cannot be written."""
    passed = Stamp(subject, str(tape or ""), budget_ms, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    file = subject.file(data_dir)
    with writing(f"--data-dir {data_dir}"):
        make_folder(file.parent)
        write_private(file, msgspec.json.format(msgspec.json.encode(passed), indent=2) + b"\n")


def take_back(data_dir: Path, subject: Subject) -> None:
    """Note that a check was failed: one that was passed before does not count any more."""
    with writing(f"--data-dir {data_dir}"):
        subject.file(data_dir).unlink(missing_ok=True)


def is_checked(data_dir: Path, strategy: Strategy, settings: StrategySettings) -> bool:
    """Whether a strategy was checked as it is now."""
    try:
        subject = Subject.of(strategy, settings)
        return msgspec.json.decode(subject.file(data_dir).read_bytes(), type=Stamp).subject == subject
    except (OSError, msgspec.MsgspecError):
        return False
