"""Values that an author's code made, accepted only as what they have to be.

The words of `pipeline.events` and `pipeline.exits` that an author's code makes check themselves by these, where they
are made: what was made can be relied on, and a mistake is raised in the line that made it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from math import inf, isfinite
from typing import Any, TypeVar

Word = TypeVar("Word", bound=StrEnum)

FAULTS = (Exception, SystemExit)
"""What an author's code may raise at the cost of its own symbol: `exit()` in a strategy does not end the bot."""

_LONGEST = 100  # characters of a name or a reason
_SHOWN = 80  # characters of a value in a sentence


class WrongValue(TypeError):
    """A value that is not what it has to be.

    `maker` is the author's function that gave it, where that is known; `said` is the value, where an author's stream
    said it and it was found out only later.
    """

    def __init__(self, sentence: str, maker: Callable[..., Any] | None = None, said: Any = None) -> None:
        super().__init__(sentence)
        self.maker = maker
        self.said = said


_MADE_AT = "made at"  # no name that a field could have


def note_maker(value: Any) -> None:
    """Note on a Struct, from its `__post_init__`, the line that makes it: what is wrong with it may show only later.

    It is kept beside the fields: no part of what is compared, shown or written.
    """
    frame = sys._getframe(2)
    value.__dict__[_MADE_AT] = (frame.f_code.co_filename, frame.f_lineno)


def made_at(value: Any) -> tuple[str, int] | None:
    """Return the file and the line that made a value, where it was noted."""
    found: tuple[str, int] | None = getattr(value, "__dict__", {}).get(_MADE_AT)
    return found


def number(what: str, value: Any, maker: Callable[..., Any] | None = None) -> float:
    """Return a finite number as a float. Raises WrongValue, naming `what` was to be one, and the value."""
    if value.__class__ is float and isfinite(value):
        return value
    found: float | None = None
    if hasattr(type(value), "__float__"):  # what a text has not, and NumPy's numbers and `Decimal` have
        with suppress(Exception):  # too large for a float, or of a class of the author's own
            found = float(value)
    if found is None:
        hint = ": is there a `return`?" if value is None else ""
        raise WrongValue(f"{what} {shown(value)}, not a number{hint}", maker)
    if not isfinite(found):
        raise WrongValue(f"{what} {shown(value)}, not a finite number", maker)
    return found


def positive(what: str, value: Any, maker: Callable[..., Any] | None = None, most: float = inf) -> float:
    """Return a finite number above 0, and not above `most`, as a float. Raises WrongValue."""
    found = number(what, value, maker)
    if not found > 0:
        raise WrongValue(f"{what} {shown(value)}, not a number above 0", maker)
    if found > most:
        raise WrongValue(f"{what} {shown(value)}, more than {most:g}", maker)
    return found


def text(what: str, value: Any) -> str:
    """Return a short printable text as a plain str. Raises WrongValue."""
    if not isinstance(value, str):
        raise WrongValue(f"{what} {shown(value)}, not a text")
    plain = str.__str__(value)
    if not (plain and plain.isprintable() and len(plain) <= _LONGEST):
        raise WrongValue(f"{what} {shown(value)}, not a text of 1 to {_LONGEST} printable characters")
    return plain


def word(what: str, value: Any, kind: type[Word]) -> Word:
    """Return a member of a closed list, also by its exact text. Raises WrongValue."""
    if value.__class__ is kind:
        return value
    if isinstance(value, str) and str.__str__(value) in kind.__members__:
        return kind[str.__str__(value)]
    raise WrongValue(f"{what} {shown(value)}, neither {' nor '.join(kind)}")


def shown(value: Any) -> str:
    """Return a value as a sentence may show it."""
    try:
        found = repr(value)
    except Exception:  # of a class of the author's own
        found = f"a {type(value).__name__}"
    return found if len(found) <= _SHOWN else f"{found[: _SHOWN - 3]}..."
