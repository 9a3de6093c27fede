"""Whose line it is: code that is neither ours nor a library's is that of a strategy's author."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

import pipeline

_OURS = tuple(str(Path(place).parent) for place in (pipeline.__file__, __file__))
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def is_authors(file: str) -> bool:
    """Whether a source file is an author's."""
    return not file.startswith((*_OURS, *_LIBRARIES, "<"))


def described(failure: Exception) -> str:
    """Return a failure in a few words, with the author's innermost line (file:line) if it went through any.

    The file is named without its folder, so that a replay on another machine states the same.
    """
    lines = [
        (code.co_filename, line)
        for frame, line in traceback.walk_tb(failure.__traceback__)
        if is_authors((code := frame.f_code).co_filename)
    ]
    where = f" ({Path(lines[-1][0]).name}:{lines[-1][1]})" if lines else ""
    return f"{type(failure).__name__}: {failure}{where}"
