"""The finished trades that the dashboard is told of: those that the journal holds, and each as it ends."""

from __future__ import annotations

from collections import deque

from actors.gateway.kept_trades import KeptTrades
from actors.messages import Fact, PositionClosed, PositionOpened, SignalRaised
from actors.portfolio.closed_trades import ClosedTrade, closed_trade
from actors.portfolio.positions import of_session
from web.messages import TradesTold

MOST = 10_000
"""Trades that the dashboard knows: the newest; the journal has all."""

_A_MESSAGE = 500  # trades, some 150 kB, well within a frame
_MOST_SIGNALS = 1_000  # approved ones whose trades have not ended


class TradeHistory:
    """Keeps the newest trades, for a web process that starts; `note_fact` costs a trade a little, and a tick nothing.

    `kept` are those of earlier sessions; `run` is this session's number in the journal (0: there is none), and `name`
    that of its book.
    """

    def __init__(self, kept: KeptTrades, run: int, name: str, started_ts: int) -> None:
        self._trades: deque[ClosedTrade] = deque(kept.trades, MOST)
        self._new: list[ClosedTrade] = []
        self._started = kept.started
        self._left_out = kept.left_out
        self._carried = kept.carried
        self._open: set[tuple[str, str]] = set()  # what this session opened: decision and symbol
        self._prices: dict[str, float] = {}  # of approved signals, by origin
        self._run = run
        self._name = name
        self._started[run] = started_ts

    def follow(self, name: str, started_ts: int) -> None:
        """Go on with the next session, whose book is called `name`: what is open has another name there."""
        opened = {
            (of_session(self._name, decision), symbol): f"{self._run}/{decision}" for decision, symbol in self._open
        }
        self._carried |= opened
        self._open.clear()
        self._run += self._run > 0
        self._name = name
        self._started[self._run] = started_ts

    def note_fact(self, fact: Fact) -> None:
        """Take a fact, if it is about a trade."""
        if isinstance(fact, SignalRaised):
            if fact.approved:
                self._prices[f"{self._run}/{fact.decision}"] = fact.signal.price
                if len(self._prices) > _MOST_SIGNALS:
                    del self._prices[next(iter(self._prices))]
        elif isinstance(fact, PositionOpened):
            if (key := (fact.decision, fact.symbol)) not in self._carried:
                self._open.add(key)
        elif isinstance(fact, PositionClosed):
            self._end(fact)

    def _end(self, fact: PositionClosed) -> None:
        key = fact.decision, fact.symbol
        self._open.discard(key)
        origin = self._carried.pop(key, f"{self._run}/{fact.decision}")
        trade = closed_trade(fact, self._run, origin, self._prices.pop(origin, None))
        self._left_out += len(self._trades) == MOST
        self._trades.append(trade)
        self._new.append(trade)

    def told(self) -> list[TradesTold]:
        """Return all that is kept, in messages that fit into a frame: for a web process that starts."""
        self._new.clear()
        trades = list(self._trades)
        parts = [tuple(trades[start : start + _A_MESSAGE]) for start in range(0, len(trades), _A_MESSAGE)]
        return [TradesTold(part, self._started, self._left_out) for part in parts or [()]]

    def new(self) -> list[TradesTold]:
        """Return what ended since the last call, or since all was told."""
        if not self._new:
            return []
        trades, self._new = tuple(self._new), []
        return [TradesTold(trades, {self._run: self._started[self._run]}, self._left_out)]
