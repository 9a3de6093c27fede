"""Whose line it is: code that is neither ours nor a library's is that of a strategy's author."""

from __future__ import annotations

import os
import re
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pipeline
from pipeline.checked import WrongValue, made_at

_ROOT = Path(pipeline.__file__).parent.parent
ACTORS, MICROBOT, PIPELINE, SERVICE = (
    f"{_ROOT / name}{os.sep}" for name in ("actors", "microbot", "pipeline", "service")
)
"""The folders of our own code that an author's is called by, or calls."""

_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})

_installed: set[str] = set()

_LONGEST = 500  # characters of a failure's words
_DEEPEST = 30  # lines of a traceback
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def is_authors(file: str) -> bool:
    """Whether a source file is an author's."""
    return file in _installed or not file.startswith((ACTORS, MICROBOT, PIPELINE, SERVICE, *_LIBRARIES, "<"))


def add(*files: str) -> None:
    """Take files for an author's although they lie where libraries do: those of a strategy that was installed."""
    _installed.update(files)


def described(failure: BaseException, maker: Callable[..., Any] | None = None) -> str:
    """Return a failure in a few words, with the author's innermost line (file:line).

    Of a wrong value that a stream said, it is the line that made the value. If the failure went through no line of the
    author's, it is that of the function that gave the wrong value, else of `maker`, the author's function that made the
    stream. The file is named without its folder, and no object by its address, so that a replay on another machine
    states the same.
    """
    where = _where(failure, maker)
    return f"{type(failure).__name__}: {_words(failure)}{f' ({where})' if where else ''}"


def _where(failure: BaseException, maker: Callable[..., Any] | None) -> str:
    wrong = failure if isinstance(failure, WrongValue) else WrongValue("")
    made = made_at(wrong.said)
    if made is not None and is_authors(made[0]):
        return f"{Path(made[0]).name}:{made[1]}"
    if isinstance(failure, SyntaxError) and failure.filename and failure.lineno and is_authors(failure.filename):
        return f"{Path(failure.filename).name}:{failure.lineno}"
    places = [f"{name}:{line}" for name, line, _, authors in _lines(failure) if authors]
    if places:
        return places[-1]
    if place := place_of(wrong.maker) or place_of(_giver(failure, wrong.said)):
        return place
    place = place_of(maker)
    return f"in the strategy made at {place}" if place else ""


def _giver(failure: BaseException, said: Any) -> Callable[..., Any] | None:
    """Return the author's function whose result an operator of RxPY passed on, as `map` does."""
    for frame, _ in reversed(list(traceback.walk_tb(failure.__traceback__))):
        held = frame.f_locals
        if "result" in held and held["result"] is said and not is_authors(frame.f_code.co_filename):
            return next((value for value in held.values() if callable(value) and place_of(value)), None)
    return None


def traced(failure: BaseException) -> tuple[str, ...]:
    """Return a failure's traceback, a line each (file:line in function), from the author's first line on."""
    lines = list(_lines(failure))
    first = next((n for n, (*_, authors) in enumerate(lines) if authors), 0)
    told = [f"{name}:{line} in {function}" for name, line, function, _ in lines[first:]]
    return (*told[-_DEEPEST:], f"{type(failure).__name__}: {_words(failure)}")


def _lines(failure: BaseException) -> Iterator[tuple[str, int, str, bool]]:
    for frame, line in traceback.walk_tb(failure.__traceback__):
        code = frame.f_code
        if code.co_filename.startswith(SERVICE):  # what times operators is there live, and in no replay
            continue
        yield Path(code.co_filename).name, line, code.co_name, is_authors(code.co_filename)


def place_of(function: Callable[..., Any] | None) -> str:
    """Return where an author's function begins (file:line); nothing for any other, and for what is none."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code and is_authors(code.co_filename) else ""


def _words(failure: BaseException) -> str:
    try:
        said = str(failure.msg if isinstance(failure, SyntaxError) else failure)  # its own words name the line as well
    except Exception:  # of a class of the author's own
        said = "it cannot say what it is"
    return _ADDRESS.sub("", said)[:_LONGEST]
