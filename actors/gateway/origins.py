"""Origins: where each decision began, however often a session took it over from the one before and renamed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from actors.portfolio.positions import of_session

OPENED, CLOSED = "position_opened", "position_closed"

KINDS = ("order_submitted", "order_changed", OPENED, CLOSED)
"""The facts that say where a decision is held or ordered for."""


class Origin(NamedTuple):
    """The run that a decision began in, and what it is called there."""

    run: int
    decision: str

    def __str__(self) -> str:
        return f"{self.run}/{self.decision}"


class Origins:
    """A fold of the journal's facts, oldest first; `names` are those of the runs' books.

    Sessions of the same name call their decisions alike, and so do those that take them over: a name alone does not
    say which is meant. What is not closed goes on, under the name that the next session has for it.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self.taken_over: dict[tuple[int, str], dict[str, Origin]] = {}  # by run and its name for it, by symbol
        self._names = names
        self._run = 0
        self._held: dict[tuple[str, str], Origin] = {}  # in that run, by its name for it and symbol
        self._closed: set[tuple[str, str]] = set()
        self._left: dict[tuple[str, str], Origin] = {}  # by the runs before it, under the name of the next one

    def see(self, run: int, kind: str, decision: str, symbol: str) -> None:
        """Take a fact of one of `KINDS`."""
        if run != self._run:
            self._hand_over()
            self._run = run
        key = decision, symbol
        if key not in self._held:
            origin = self._left.get(key) if self._next_name(decision) == decision else None
            if origin is not None:
                self.taken_over.setdefault((run, decision), {})[symbol] = origin
            self._held[key] = origin or Origin(run, decision)
        if kind == CLOSED:
            self._closed.add(key)
        elif kind == OPENED:
            self._closed.discard(key)

    def _next_name(self, decision: str) -> str:
        return of_session(self._names.get(self._run, ""), decision)

    def _hand_over(self) -> None:
        for key in self._held:
            self._left.pop(key, None)
        for (decision, symbol), origin in self._held.items():
            if (decision, symbol) not in self._closed:
                self._left[self._next_name(decision), symbol] = origin
        self._held.clear()
        self._closed.clear()

    def of(self, run: int, decision: str, symbol: str) -> Origin:
        """Return where a decision of a run began: there, unless it was taken over."""
        return self.taken_over.get((run, decision), {}).get(symbol) or Origin(run, decision)

    def carried(self) -> dict[tuple[str, str], Origin]:
        """Return what the runs so far left open, by what the next one calls it, and symbol. No fact may follow."""
        self._hand_over()
        return self._left

    def later(self, origin: Origin) -> list[tuple[int, str, str]]:
        """Return the later runs of what began there, in their order, each with its name for it and the symbol."""
        return sorted(
            (run, decision, symbol)
            for (run, decision), symbols in self.taken_over.items()
            for symbol, began in symbols.items()
            if began == origin
        )
