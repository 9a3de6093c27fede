"""The ticks around each trade, gathered off the tick path, so that it can be looked at later."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence

from actors.gateway.journal import TradeTicks
from actors.messages import Fact, PositionClosed, PositionOpened
from pipeline.events import SECOND
from service.live.session import Session
from web.messages import Tick

MOST = 1_000
"""Ticks kept of one trade; of a longer one every second, fourth ... of those between its entry and its exit."""
AFTER_NS = 5 * SECOND  # venue time after the exit
_BEFORE = 2_000  # newest ticks of a symbol that are remembered for a trade that begins


class _Around:
    """The ticks of one trade so far."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.every = 1  # of so many ticks one is kept
        self._turn = 0

    def add(self, ticks: Sequence[Tick], until: int | None = None) -> None:
        for tick in ticks:
            if until is not None and tick.ts > until:
                return
            self._turn += 1
            if self._turn % self.every == 0:
                self.ticks.append(tick)
                if len(self.ticks) >= MOST:
                    self.ticks = self.ticks[::2]
                    self.every *= 2


class TickKeeper:
    """Keeps what is traded from one window before a position's entry until some seconds after its exit.

    `note_fact` only appends; `note_ticks` is called a few times a second, and `finished` after it, which gives what
    can be written down.
    """

    def __init__(self, window_s: float, max_symbols: int) -> None:
        self._window = round(window_s * SECOND)
        self._max_symbols = max_symbols
        self._recent: dict[str, deque[Tick]] = {}
        self._facts: list[PositionOpened | PositionClosed] = []
        self._open: dict[str, _Around] = {}
        self._closed: list[tuple[PositionClosed, _Around]] = []

    def note_ticks(self, symbol: str, ticks: Sequence[Tick]) -> None:
        """Take ticks of a symbol in their order."""
        recent = self._recent.get(symbol)
        if recent is None:
            if len(self._recent) >= self._max_symbols:
                return
            recent = self._recent[symbol] = deque(maxlen=_BEFORE)
        recent.extend(ticks[-_BEFORE:])
        if (around := self._open.get(symbol)) is not None:
            around.add(ticks)
        for closed, around in self._closed:
            if closed.symbol == symbol:
                around.add(ticks, closed.exit_ts + AFTER_NS)

    def note_fact(self, fact: Fact) -> None:
        """Take a fact, if it is about a position."""
        if isinstance(fact, PositionOpened | PositionClosed):
            self._facts.append(fact)

    def _follow(self, fact: PositionOpened | PositionClosed) -> None:
        if isinstance(fact, PositionOpened):
            if fact.symbol not in self._open:
                recent = list(self._recent.get(fact.symbol, ()))
                start = bisect_left(recent, fact.entry_ts - self._window, key=lambda tick: tick.ts)
                self._open[fact.symbol] = around = _Around()
                around.add(recent[start:])
        elif (begun := self._open.pop(fact.symbol, None)) is not None:
            self._closed.append((fact, begun))

    def finished(self, now: int, *, all_of_them: bool = False) -> list[TradeTicks]:
        """Return what is complete: of trades whose exit is long enough ago; at the end of a run, of all."""
        facts, self._facts = self._facts, []
        for fact in facts:
            self._follow(fact)
        ready = [kept for kept in self._closed if all_of_them or now > kept[0].exit_ts + AFTER_NS]
        self._closed = [kept for kept in self._closed if kept not in ready]
        return [TradeTicks(trade.decision, trade.symbol, around.every, around.ticks) for trade, around in ready]

    def write(self, session: Session, *, all_of_them: bool = False) -> None:
        """Have what is complete written to the journal."""
        for kept in self.finished(session.core.now, all_of_them=all_of_them):
            session.write(kept)
