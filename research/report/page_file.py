"""The file of a report's page: nothing but a report is written over, and a page is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from research.report.page import MARK
from service.errors import UserError, writing


def check(path: Path) -> None:
    """Raise UserError, in one sentence, for a place where no page may be written."""
    with writing(f"the report {path}"):
        if path.is_dir():
            raise UserError(f"{path} is a folder: name a file in it")
        if not path.exists():
            return
        if not path.is_file():
            raise UserError(f"{path} is no file that a report could be written over: choose another name")
        with path.open("rb") as file:
            begins = file.read(4096)
    if MARK.encode() not in begins and begins.strip():
        raise UserError(f"{path} is there already, and no report: choose another name")


def write(path: Path, text: str) -> None:
    """Write a page beside its place, which it takes once it is whole. Raises UserError."""
    check(path)
    place = path.resolve()  # a link stays one
    beside = place.with_name(f".{place.name}.{os.getpid()}.part")
    with writing(f"the report {path}"):
        try:
            beside.write_text(text, encoding="utf-8", newline="\n")
            beside.replace(place)
        finally:
            beside.unlink(missing_ok=True)
