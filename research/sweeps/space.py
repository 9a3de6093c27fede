"""The settings that a sweep tries: an axis for each `--param`, as a list, as a range with a step, or on a log scale."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import product

import msgspec

from service.errors import UserError

Value = float | int | str | bool
Sample = tuple[Value, ...]
"""One choice of settings: a value for each axis, in the order of the axes."""

EXAMPLE = "strategy.entry_threshold=0.0003:0.001:0.0001"
MOST = 100_000  # combinations of a grid: their trades are held in memory
_EXPONENTS = 300  # of ten, that a number has at most
_MOST_VALUES = 10_000  # of one axis
_WRITTEN = 12  # significant digits of a number that was drawn: it is written and read back as it was used


class Axis(msgspec.Struct, frozen=True):
    """What one setting may be: the values of a list or of a range with a step; else anything from `low` to `high`."""

    path: str  # such as strategy.entry_threshold
    values: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False  # drawn evenly by ratio
    whole: bool = False  # whole numbers alone

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values to try a setting with, to learn whether it may have them."""
        return self.values or (self.plain(self.low), self.plain(self.high))

    def at(self, share: float) -> Value:
        """Return the value at a share of the way, from 0 to below 1, each value of a list being as long as another."""
        if self.values:
            return self.values[int(share * len(self.values))]
        if self.whole and self.log:  # each number as often as its share of the ratio says
            return min(int(self.low * ((self.high + 1) / self.low) ** share), int(self.high))
        if self.whole:
            return int(self.low) + int(share * (int(self.high) - int(self.low) + 1))
        if self.log:
            return self.plain(self.low * (self.high / self.low) ** share)
        return self.plain(self.low + share * (self.high - self.low))

    def plain(self, value: float) -> Value:
        """Return a number that was drawn as it is used, and written: whole, or of twelve digits."""
        return int(value) if self.whole else float(f"{value:.{_WRITTEN}g}")


class Space(msgspec.Struct, frozen=True):
    """All axes of a sweep."""

    axes: tuple[Axis, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The settings that are swept, in the order in which they were named."""
        return tuple(axis.path for axis in self.axes)

    def count(self) -> int:
        """Return how many combinations the grid has. Raises UserError for an axis without a step."""
        for axis in self.axes:
            if not axis.values:
                raise UserError(
                    f"--param {axis.path} is a range without a step, of which a grid cannot be made: give it one, "
                    "as in 0.0003:0.001:0.0001, or draw from it by --method random or tpe"
                )
        return math.prod(len(axis.values) for axis in self.axes)

    def grid(self) -> Iterator[Sample]:
        """Yield every combination, the last axis changing fastest. Raises UserError if they are too many."""
        if (count := self.count()) > MOST:
            raise UserError(
                f"the grid has {count:,} combinations, of at most {MOST:,}: make steps larger, or draw some of them "
                "by --method random --trials 1000"
            )
        return product(*(axis.values for axis in self.axes))

    def given(self, sample: Sample) -> dict[str, Value]:
        """Return a sample by the paths of its settings."""
        return dict(zip(self.paths, sample, strict=True))


def space_of(parameters: Iterable[str]) -> Space:
    """Read the axes of `--param PATH=VALUES`. Raises UserError, in one sentence, for one that cannot be read."""
    axes: dict[str, Axis] = {}
    for text in parameters:
        path, equals, values = (part.strip() for part in text.partition("="))
        if not equals or "." not in path or not values:
            raise UserError(f"--param wants SECTION.KEY=VALUES, such as {EXAMPLE}, not {text!r}")
        if path in axes:
            raise UserError(f"--param {path} is given twice: name all its values in one")
        axes[path] = _axis(path, values)
    if not axes:
        raise UserError(f"a sweep wants at least one --param, such as --param {EXAMPLE}")
    return Space(tuple(axes.values()))


def space_from(parameters: Mapping[str, object]) -> Space:
    """Read the axes from Python: a list of values, or the text of a `--param`, by path. Raises UserError."""
    axes = []
    for path, values in parameters.items():
        if isinstance(values, str):
            axes.append(space_of([f"{path}={values}"]).axes[0])
        elif isinstance(values, Iterable):
            plain = [each.item() if hasattr(each, "item") else each for each in values]
            axes.append(Axis(path, _distinct(path, plain)))
        else:
            raise UserError(f"{path} wants a list of values or a text such as 0.0003:0.001:0.0001, not {values!r}")
    if not axes:
        raise UserError("a sweep wants at least one setting to change")
    return Space(tuple(axes))


def _axis(path: str, text: str) -> Axis:
    if ":" not in text:
        return Axis(path, _distinct(path, [_value(part.strip()) for part in text.split(",")]))
    low_text, high_text, *step = (part.strip() for part in text.split(":"))
    low, high = _number(path, low_text), _number(path, high_text)
    if len(step) > 1:
        raise UserError(f"--param {path} wants LOW:HIGH:STEP, not {text!r}")
    if low > high:
        raise UserError(f"--param {path} begins at {low_text}, above its end {high_text}: put the lower one first")
    whole = low_text.lstrip("+-").isdigit() and high_text.lstrip("+-").isdigit()
    if not step:
        return Axis(path, low=float(low), high=float(high), whole=whole)
    if step[0].startswith("log"):
        return _log_axis(path, low, high, step[0], whole=whole)
    return Axis(path, _steps(path, low, high, step[0], whole=whole and step[0].isdigit()))


def _log_axis(path: str, low: Decimal, high: Decimal, step: str, *, whole: bool) -> Axis:
    """Make an axis of `log` (drawn from) or `logN` (N values, each the same multiple of the one before)."""
    if low <= 0:
        raise UserError(f"--param {path} is on a log scale, which begins above 0, not at {low}")
    if step == "log":
        return Axis(path, low=float(low), high=float(high), log=True, whole=whole)
    number = step.removeprefix("log")
    if not number.isdigit() or not 2 <= int(number) <= _MOST_VALUES:
        raise UserError(f"--param {path} wants log and a count of values, such as log10, not {step!r}")
    last = int(number) - 1
    ratio = float(high / low)
    values = [float(f"{float(low) * ratio ** (i / last):.{_WRITTEN}g}") for i in range(last + 1)]
    values[-1] = float(high)
    return Axis(path, _distinct(path, [round(value) for value in values] if whole else list(values)))


def _steps(path: str, low: Decimal, high: Decimal, text: str, *, whole: bool) -> tuple[Value, ...]:
    """Return low, low + step ... up to high, in exact decimals: the third step of 0.1 is 0.3."""
    step = _number(path, text)
    if step <= 0:
        raise UserError(f"--param {path} wants a step above 0, not {text}")
    if (high - low) / step >= _MOST_VALUES:
        raise UserError(f"--param {path} has more than {_MOST_VALUES:,} values: make its step larger")
    count = int((high - low) / step) + 1
    return tuple(int(low + i * step) if whole else float(low + i * step) for i in range(count))


def _number(path: str, text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("nan")
    if not found.is_finite():
        raise UserError(f"--param {path} wants numbers for a range, and {text!r} is none")
    if found and not -_EXPONENTS < found.adjusted() < _EXPONENTS:
        raise UserError(f"--param {path} wants numbers that a setting may be, and {text!r} is none")
    return found


def _value(text: str) -> Value:
    """Read one value of a list as `--set` reads it: TOML, or a bare word as a string."""
    try:
        read = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return read if isinstance(read, str | int | float | bool) else text


def _distinct(path: str, values: Sequence[Value]) -> tuple[Value, ...]:
    """Return values without those that come again. Raises UserError for none."""
    if not values or "" in values:
        raise UserError(f"--param {path} has an empty value: name values, such as 1,2,3")
    return tuple(dict.fromkeys(values))
