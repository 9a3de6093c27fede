"""The simulated broker, given the orders that a real one was given, one at a time, in the market that each met."""

from __future__ import annotations

import heapq
from collections import deque
from decimal import Decimal
from itertools import count

import msgspec

from actors.actor import Actor, Message, Receiver
from actors.brokers.simulated import ExecutionSettings, SimulatedBroker
from actors.messages import Fact
from actors.orders import OVER, CancelOrder, Execution, OrderReport
from pipeline.events import Quote, Trade
from research.calibration.observed import HORIZON, Fill, LiveOrder


class _View:
    """What the broker may read of the symbol."""

    index = 0
    held_at_input = 0

    def __init__(self, live: LiveOrder) -> None:
        self.symbol = live.order.symbol
        self.bid, self.ask, self.price = live.bid, live.ask, live.last

    def take(self, event: Trade | Quote) -> None:
        bid, ask = event.bid, event.ask
        if bid is not None and ask is not None and 0 < bid <= ask:
            self.bid, self.ask = bid, ask
        if isinstance(event, Trade):
            self.price = event.price


class Imitation:
    """One order at the simulated broker: the core's part in it, as far as the broker sees it.

    Timers that are due fire before an event, and a trade is heard by whom listens, as in `Core`.
    """

    def __init__(self, live: LiveOrder, settings: ExecutionSettings) -> None:
        self.input = self.told_ts = 0
        self.now = live.ts
        self.fills: list[Fill] = []
        self._live = live
        self._view = _View(live)
        self._listener: Actor | None = None
        self._over = False
        self._mail: deque[tuple[Receiver[object], object]] = deque()
        self._timers: list[tuple[int, int, Receiver[object], object]] = []
        self._numbers = count()
        self._broker = SimulatedBroker(settings, self, self)

    def run(self) -> list[Fill]:
        """Return what the order gets there until it is over, or its market ends."""
        live = self._live
        if live.cancel_ts is not None:
            self.wake(self._broker, CancelOrder(live.order.id), live.cancel_ts)
        self.tell(self._broker, live.order)
        self._settle()
        for event in live.market:
            if self._over:
                break
            self._move(event.ts)
            self._view.take(event)
            if isinstance(event, Trade) and self._listener is not None:
                self.tell(self._listener, event)
                self._settle()
        if not self._over:
            self._move(live.ts + HORIZON)
        return self.fills

    # ------------------------------------------------------------------------------------------- the broker's context

    def not_after_now(self, ts: int) -> int:
        return min(ts, self.now)

    def tell(self, actor: Receiver[Message], message: Message) -> None:
        self._mail.append((actor, message))  # type: ignore[arg-type]  # each gets its own

    def wake(self, actor: Receiver[Message], message: Message, at: int) -> None:
        heapq.heappush(self._timers, (at, next(self._numbers), actor, message))  # type: ignore[misc]

    def listen(self, symbol: str, actor: Actor | None) -> None:
        self._listener = actor

    def publish(self, fact: Fact) -> None: ...

    def symbol_view(self, symbol: str) -> _View:
        return self._view

    def receive(self, message: object) -> None:
        """Hear what the broker reports."""
        if isinstance(message, Execution):
            self.fills.append(Fill(message.ts, message.quantity, message.price))
            self._over = sum((fill.quantity for fill in self.fills), Decimal(0)) >= self._live.order.quantity
        elif isinstance(message, OrderReport):
            self._over = message.status in OVER
        else:
            self._over = True  # refused for want of a price

    def _move(self, ts: int) -> None:
        while self._timers and self._timers[0][0] <= ts:
            due, _, actor, message = heapq.heappop(self._timers)
            self.now = max(self.now, due)
            self.tell(actor, message)
            self._settle()
        self.now = max(self.now, ts)

    def _settle(self) -> None:
        while self._mail:
            actor, message = self._mail.popleft()
            actor.receive(message)


def imitated(live: LiveOrder, settings: ExecutionSettings) -> LiveOrder:
    """Return the order as it would have fared with these settings; when and how it ended is left open."""
    return msgspec.structs.replace(live, fills=Imitation(live, settings).run())
