"""The symbols that the dashboard shows: so many of them, in the order in which they came."""

from __future__ import annotations

from collections.abc import Iterator, KeysView
from typing import Any

from web.symbol_view import SymbolView


class SymbolViews:
    """A view for each symbol, `most` at most; further symbols are counted, and not shown."""

    def __init__(self, most: int, chart_points: int) -> None:
        self._most = most
        self._chart_points = chart_points
        self._views: dict[str, SymbolView] = {}
        self._ignored: set[str] = set()

    def __iter__(self) -> Iterator[SymbolView]:
        return iter(self._views.values())

    def __getitem__(self, symbol: str) -> SymbolView:
        return self._views[symbol]

    @property
    def names(self) -> KeysView[str]:
        """The symbols that are shown, the first one first."""
        return self._views.keys()

    @property
    def ignored(self) -> int:
        """How many symbols are not shown; it is not counted beyond as many as are."""
        return len(self._ignored)

    def get(self, symbol: str) -> SymbolView | None:
        """Return the view of a symbol, None of one that is not shown."""
        return self._views.get(symbol)

    def of(self, symbol: str) -> SymbolView | None:
        """Return the view of a symbol, a new one if it is new; None if there are too many."""
        view = self._views.get(symbol)
        if view is None and len(self._views) < self._most:
            view = self._views[symbol] = SymbolView(symbol, self._chart_points)
        elif view is None and len(self._ignored) < self._most:
            self._ignored.add(symbol)
        return view

    def prices(self) -> dict[str, tuple[float, float | None, int]]:
        """Return last price, first price and time of the last tick of each symbol that had one since the last call."""
        return {view.name: told for view in self if (told := view.untold_price()) is not None}

    def untold(self, part: str) -> dict[str, Any]:
        """Return what is new of a part of each symbol in which something is."""
        return {view.name: new for view in self if (new := view.untold(part)) is not None}

    def forget_untold(self) -> None:
        """Count everything as told."""
        for view in self:
            view.forget_untold()
