"""Rules: what may hold of a frame, named, with a memory of a subscription's own where one is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import msgspec

from pipeline.checked import number, text
from pipeline.operators.frame import OF_ITSELF, Frame

Holds = Callable[[Frame], bool]
Operand = str | float | Callable[[Frame], float]
"""The name of a reading or of what a frame has (`price`), a number, or a function of the frame."""


class Rule(msgspec.Struct, frozen=True, eq=False):
    """Something that holds of a frame or does not; `begin` is called once a subscription.

    What `begin` returns is called with every ready frame once, in order, and with no other.
    """

    name: str
    begin: Callable[[], Holds]
    plain: Holds | None = None  # of ours, without a memory: what `begin` returns, and may be asked of any frame or none
    asks: frozenset[str] = frozenset()  # for readings, by name; an author's function does not say which

    @classmethod
    def of(cls, name: str, holds: Holds, *asked: Operand) -> Rule:
        """Return a rule without a memory; it is plain unless what is asked is an author's function."""
        return cls(name, lambda: holds, None if any(map(callable, asked)) else holds, named(*asked))

    def __bool__(self, *_: object) -> NoReturn:
        """Raise TypeError: Python's `and` would take one of two rules, and drop the other."""
        raise TypeError(
            f"the rule {self.name!r} is neither true nor false before a frame comes: write op.all_of(a, b) for `and`, "
            "op.any_of(a, b) for `or`, and op.not_(a) for `not`"
        )

    __and__ = __or__ = __invert__ = __bool__


def rule_of(who: str, given: Rule | Holds) -> Rule:
    """Return a rule, also of a function of the frame. Raises TypeError for anything else."""
    if isinstance(given, Rule):
        return given
    if not callable(given):
        raise TypeError(f"{who} takes a rule, as op.above('fast', 'slow'), or a function of a frame, not {given!r}")
    name = getattr(given, "__name__", "rule")
    gave = f"the rule {name} gave"

    def holds(frame: Frame) -> bool:
        found: Any = given(frame)
        return found if found.__class__ is bool else bool(number(gave, found, given))

    return Rule(name if name != "<lambda>" else "a function", lambda: holds)


def named(*operands: Operand) -> frozenset[str]:
    """Return the names of the readings, and of what only a window shows, that operands are."""
    return frozenset(each for each in operands if isinstance(each, str)) - {"price", "size"}


def operand(who: str, given: Operand) -> tuple[str, Callable[[Frame], float]]:
    """Return how an operand is called, and what gives its value. Raises TypeError, WrongValue."""
    if isinstance(given, str):
        name = text(f"{who}: the name of a reading is", given)
        if name in OF_ITSELF:
            return name, lambda frame: float(getattr(frame, name))

        def reading(frame: Frame) -> float:
            found = frame.values.get(name)
            return frame[name] if found is None else found

        return name, reading
    if callable(given):
        function = given
        name = getattr(given, "__name__", "value")
        gave = f"{who}: {name} gave"
        return name, lambda frame: number(gave, function(frame), function)
    constant = number(f"{who}: an operand is", given)
    return f"{constant:g}", lambda _: constant
