"""Where a strategy of a test raises: what a failure of it is to name."""

from __future__ import annotations

from pathlib import Path


def raised_in(file: str, words: str = "raise Mistake(", *, text: str = "") -> str:
    """Return the first line of `file` (or of its `text`) with these words, as file:line."""
    lines = (text or Path(file).read_text(encoding="utf-8")).splitlines()
    return f"{Path(file).name}:{next(n for n, line in enumerate(lines, 1) if words in line)}"
