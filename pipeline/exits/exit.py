"""Exits to be listed: each is made once, and begins with each position."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from reactivex import Observable

from pipeline.checked import WrongValue, shown, text
from pipeline.exits.held import ExitSignal, Held
from pipeline.exits.market import Market
from pipeline.operators.lift import merge


class Exit(msgspec.Struct, frozen=True, eq=False):
    """One way to leave; `begin` is called once a position, so its memory is that position's own."""

    name: str
    begin: Callable[[Held, Market], Observable[ExitSignal]]
    part: float = 1.0  # of the position that it closes
    stop: float | None = None  # fraction against the entry at which it closes, where that is its rule
    asks: frozenset[str] = frozenset()  # for readings of the strategy, by name
    loss: float | None = None  # fraction that a position loses before it closes, whatever the price did before
    hold: float | None = None  # seconds that a position is held before it closes


class ListedExits:
    """What a `Strategy` takes of a list of exits; of two that are due at once, the first in the list wins."""

    def __init__(self, exits: Iterable[Any]) -> None:
        self.exits: tuple[Exit, ...] = tuple(exits)
        if not self.exits:
            raise ValueError("exits is an empty list: name at least one, such as op.stop_loss(0.001)")
        for given in self.exits:
            if not isinstance(given, Exit):
                raise TypeError(f"exits lists {given!r}, which is no exit such as op.stop_loss(0.001)")
        names = [given.name for given in self.exits if given.part < 1]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"exits lists op.{name} twice, and each takes its part once: make it one, larger")

    @property
    def asks(self) -> frozenset[str]:
        """The names of the readings that they ask for."""
        return frozenset().union(*(each.asks for each in self.exits))

    @property
    def stop(self) -> float | None:
        """The nearest stop among them, as a fraction of the entry's price; None without one."""
        return min((each.stop for each in self.exits if each.stop is not None and each.part == 1), default=None)

    def __call__(self, held: Held, market: Market) -> Observable[ExitSignal]:
        """Begin all of them for a position."""
        return merge(*(given.begin(held, market) for given in self.exits))


def stop_of(exits: Any) -> float | None:
    """Return where exits stop a position, as a fraction against its entry; None where they do not say.

    A list says it by its stops, the default exits by their settings; a function of an author's own does not.
    """
    found = getattr(exits, "stop", None)
    return found if isinstance(found, float) else None


class SignalExits(tuple[str, ...]):
    """The exits that a signal carries: their names, which are all that is written of them, and what begins them."""

    begin: Callable[[Held, Market], Observable[ExitSignal]]
    asks: frozenset[str] = frozenset()  # for readings of the strategy, by name

    @classmethod
    def of(cls, who: str, given: Any) -> SignalExits:
        """Make it of a list of exits, or of a function of `held` and `market`. Raises WrongValue."""
        if isinstance(given, cls):
            return given
        if isinstance(given, list | tuple):
            try:
                begin: Any = ListedExits(given)
            except (TypeError, ValueError) as error:
                raise WrongValue(f"{who}: {error}") from None
            names = [each.name for each in begin.exits]
        elif callable(given):
            name = getattr(given, "__name__", type(given).__name__)
            begin, names = given, [text(f"{who}: the name of the exits is", name)]
        else:
            raise WrongValue(
                f"{who}: exits is {shown(given)}, neither a list such as [op.stop_loss(0.001)] "
                "nor a function of held and market"
            )
        found = cls(names)
        found.begin = begin
        found.asks = getattr(begin, "asks", frozenset())
        return found
