"""Parameters: numbers of a strategy that are declared where they are used, and may be set from outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import msgspec

from pipeline.checked import number

Number = TypeVar("Number", int, float)


class Parameter(msgspec.Struct, frozen=True):
    """A number that a strategy declared: its bounds are inclusive, and it is whole where its default is."""

    name: str
    default: float
    low: float
    high: float
    value: float

    @property
    def whole(self) -> bool:
        return isinstance(self.default, int)

    @property
    def bounds(self) -> str:
        """Its default and its bounds, for people."""
        return f"default {self.default:g}, {self.low:g} to {self.high:g}"

    def __str__(self) -> str:
        return f"{self.name} = {self.value:g} ({self.low:g} to {self.high:g})"


class Parameters:
    """What a strategy declared, in order, and what was chosen for it."""

    def __init__(self, chosen: Mapping[str, float] | None = None) -> None:
        self.chosen = dict(chosen or {})
        self.declared: dict[str, Parameter] = {}

    def summary(self) -> dict[str, dict[str, float]]:
        """Return value, default and bounds of each, by name."""
        names = ("value", "default", "low", "high")
        return {name: {key: getattr(found, key) for key in names} for name, found in self.declared.items()}

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Have `param` give these values while the block runs."""
        token = _in_force.set(self)
        try:
            yield
        finally:
            _in_force.reset(token)

    def declare(self, name: str, default: float, low: float, high: float) -> float:
        """Note a parameter, and return its value. Raises ValueError if that is out of its bounds."""
        value = number(f"the parameter {name!r} is", self.chosen.get(name, default))
        if isinstance(default, int):
            if value != int(value):
                raise ValueError(f"the parameter {name!r} must be a whole number, not {value:g}")
            value = int(value)
        if not low <= value <= high:
            raise ValueError(f"the parameter {name!r} must be from {low:g} to {high:g}, not {value:g}")
        found = Parameter(name, default, low, high, value)
        if self.declared.setdefault(name, found) != found:
            raise ValueError(f"the parameter {name!r} is declared twice, and not alike")
        return value


# Of each thread its own: one may try a strategy while another subscribes the one that trades.
_in_force: ContextVar[Parameters | None] = ContextVar("parameters in force", default=None)


def param(name: str, default: Number, low: Number, high: Number) -> Number:
    """Declare a number that may be set from outside, and return its value.

    `--set strategy.NAME=VALUE`, `backtest(settings={"strategy.NAME": VALUE})` and sweeps set it; else it is `default`.
    It is whole where `default` is. Bounds are inclusive.

    Raises ValueError for a default or a value out of the bounds, or a name declared twice and not alike.

    >>> param("fast", 9, 2, 100)
    9
    """
    if not name.isidentifier():
        raise ValueError(f"a parameter is named like a variable of Python, not {name!r}")
    if not low <= default <= high:
        raise ValueError(f"the parameter {name!r} has the default {default:g}, which is not from {low:g} to {high:g}")
    found = (_in_force.get() or Parameters()).declare(name, default, low, high)
    return type(default)(found)
