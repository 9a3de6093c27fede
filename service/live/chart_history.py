"""What the bot keeps of a symbol's market, so that a web process that is restarted can show its past."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from pipeline.events import SECOND
from web.messages import SymbolRecalled, Tick

_POINTS_A_MESSAGE = 10_000  # some 150 kB, well within a frame


class ChartHistory:
    """One symbol's newest ticks, and the last price of each second; `points` and `ticks` bound them."""

    def __init__(self, symbol: str, first_price: float, points: int, ticks: int) -> None:
        self._symbol = symbol
        self._first_price = first_price
        self._seen = 0  # ticks, the skipped ones included
        self._points: deque[tuple[int, float]] = deque(maxlen=points)
        self._ticks: deque[Tick] = deque(maxlen=ticks)

    def add(self, ticks: Sequence[Tick], skipped: int) -> None:
        """Take ticks in their order; `skipped` more there were that nobody kept."""
        points = self._points
        newest = points[-1][0] if points else -1
        for tick in ticks:
            second = tick.ts // SECOND
            if second > newest:
                points.append((second, tick.price))
                newest = second
            elif second == newest:
                points[-1] = (second, tick.price)
        self._ticks.extend(ticks)
        self._seen += len(ticks) + skipped

    def messages(self) -> Iterator[SymbolRecalled]:
        """Yield what was kept, in messages that fit into a frame; the ticks come with the last."""
        points = tuple(self._points)
        for start in range(0, len(points), _POINTS_A_MESSAGE):
            end = start + _POINTS_A_MESSAGE
            ticks = tuple(self._ticks) if end >= len(points) else ()
            yield SymbolRecalled(self._symbol, self._seen, self._first_price, points[start:end], ticks)
