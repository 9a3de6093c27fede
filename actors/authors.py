"""Whose line it is: code that is neither ours nor a library's is that of a strategy's author."""

from __future__ import annotations

import re
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pipeline
from pipeline.checked import WrongValue

_OURS = tuple(str(Path(place).parent) for place in (pipeline.__file__, __file__))
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})

_LONGEST = 500  # characters of a failure's words
_DEEPEST = 30  # lines of a traceback
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def is_authors(file: str) -> bool:
    """Whether a source file is an author's."""
    return not file.startswith((*_OURS, *_LIBRARIES, "<"))


def described(failure: BaseException, maker: Callable[..., Any] | None = None) -> str:
    """Return a failure in a few words, with the author's innermost line (file:line).

    If it went through no line of the author's, it is that of the function that gave the wrong value, else of `maker`,
    the author's function that made the stream. The file is named without its folder, and no object by its address, so
    that a replay on another machine states the same.
    """
    places = [f"{name}:{line}" for name, line, _, authors in _lines(failure) if authors]
    for function in (failure.maker if isinstance(failure, WrongValue) else None, maker):
        if not places and (place := _place(function)):
            places.append(place)
    where = f" ({places[-1]})" if places else ""
    return f"{type(failure).__name__}: {_words(failure)}{where}"


def traced(failure: BaseException) -> tuple[str, ...]:
    """Return a failure's traceback, a line each (file:line in function), from the author's first line on."""
    lines = list(_lines(failure))
    first = next((n for n, (*_, authors) in enumerate(lines) if authors), 0)
    told = [f"{name}:{line} in {function}" for name, line, function, _ in lines[first:]]
    return (*told[-_DEEPEST:], f"{type(failure).__name__}: {_words(failure)}")


def _lines(failure: BaseException) -> Iterator[tuple[str, int, str, bool]]:
    for frame, line in traceback.walk_tb(failure.__traceback__):
        code = frame.f_code
        yield Path(code.co_filename).name, line, code.co_name, is_authors(code.co_filename)


def _place(function: Callable[..., Any] | None) -> str:
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code and is_authors(code.co_filename) else ""


def _words(failure: BaseException) -> str:
    try:
        said = str(failure)
    except Exception:  # of a class of the author's own
        said = "it cannot say what it is"
    return _ADDRESS.sub("", said)[:_LONGEST]
