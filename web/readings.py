"""What conditions saw, for people: in basis points, per cent or multiples where they are known to be that."""

from __future__ import annotations

from typing import Any

import msgspec

from pipeline.events import Reading

NEAR = 0.2
"""A condition is nearly met where its value is off the threshold by no more than this fraction of it."""

_FRACTIONS = frozenset(("momentum", "volatility_guard", "range", "spread"))
_MULTIPLES = frozenset(("volume_spike", "volume_ratio"))
_WORDS = {"volatility_guard": "range"}
"""Conditions that are called otherwise where people read of them."""

_PER_CENT_FROM = 0.01
_WANTED = {"at_least": "at least", "at_most": "at most", "more_than": "more than", "less_than": "less than"}
_MOST_DIGITS = 4  # more than usual
_CEILINGS = ("at_most", "less_than")
PLAIN = ("none", "rule")
"""Bounds of what has no threshold."""


def unit(reading: Reading) -> str:
    """Return what a reading is counted in: "bp", "%" or "x"; nothing where that is not known.

    >>> unit(Reading("momentum", 0.0002, 0.0005, False))
    'bp'
    """
    if reading.name in _MULTIPLES:
        return "x"
    if reading.name not in _FRACTIONS:
        return ""
    return "%" if abs(reading.threshold) >= _PER_CENT_FROM else "bp"


def is_near(reading: Reading) -> bool:
    """Whether a condition is not met, and nearly is.

    >>> is_near(Reading("momentum", -0.0004, 0.0005, False, "either_way"))
    True
    """
    if reading.passed or reading.bound in PLAIN:
        return False
    value = abs(reading.value) if reading.bound == "either_way" else reading.value
    return abs(value - reading.threshold) <= NEAR * abs(reading.threshold) * (1 + 1e-9)


def reading_data(reading: Reading) -> dict[str, Any]:
    """Return a reading ready for JSON, with its `label`, its `unit`, and `near` for a near miss, where there is one."""
    data: dict[str, Any] = msgspec.to_builtins(reading)
    if label := _WORDS.get(reading.name):
        data["label"] = label
    if found := unit(reading):
        data["unit"] = found
    if is_near(reading):
        data["near"] = True
    return data


def unmet(reading: Reading) -> str:
    """Say what a condition lacks.

    >>> unmet(Reading("volatility_guard", 0.0006, 0.001, False))
    'range 6 of 10 bp'
    >>> unmet(Reading("spread", 0.0003, 0.0002, False, "at_most"))
    'spread 3 bp, at most 2 bp'
    >>> unmet(Reading("momentum", 0.000499, 0.0005, False))
    'momentum 4.99 of 5 bp'
    """
    name = _WORDS.get(reading.name) or reading.name.replace("_", " ")
    if reading.bound == "rule":
        return f"{name} does not hold"
    counted = unit(reading)
    after = f" {counted}" if counted else ""
    value = abs(reading.value) if reading.bound == "either_way" else reading.value
    seen, wanted = _told_apart(value, reading.threshold, counted)
    if reading.bound in _CEILINGS or reading.threshold <= 0:
        return f"{name} {seen}{after}, {_WANTED.get(reading.bound, 'at least')} {wanted}{after}"
    return f"{name} {seen} of {wanted}{after}"


def _told_apart(value: float, threshold: float, counted: str) -> tuple[str, str]:
    """Write two figures with as many more digits, up to a limit, as it takes to make them differ."""
    seen = wanted = ""
    for more in range(_MOST_DIGITS + 1):
        seen, wanted = _figure(value, counted, more), _figure(threshold, counted, more)
        if seen != wanted:
            break
    return seen, wanted


def _figure(value: float, counted: str, more: int) -> str:
    """Write a value: one decimal of basis points, two of a per cent or a multiple, three digits of anything else."""
    if not counted:
        return f"{value:.{3 + more}g}"
    scaled, decimals = {"bp": (value * 10_000, 1), "%": (value * 100, 2), "x": (value, 2)}[counted]
    text = f"{scaled:.{decimals + more}f}"
    return text.rstrip("0").rstrip(".")
