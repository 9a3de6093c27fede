"""Conversations with the venue: several requests and pauses in their order, written as one function that never waits.

A conversation is a generator. It yields the request that it wants sent, or the seconds after which it wants to go on,
and goes on with the answer.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator
from typing import Any, TypeVar

import msgspec

from actors.brokers.alpaca.context import BrokerContext
from actors.brokers.alpaca.messages import Answer, Outcome, SendRequest
from pipeline.events import SECOND

MOST_LOOK_UPS = 4
"""Look-ups on the wire at a time: orders and cancels never wait behind them."""

T = TypeVar("T")

Steps = Generator[SendRequest | float, Any, T]
"""A conversation that comes to a `T`. A request is answered by an `Answer`, or raises NotSent or Unanswered."""


class Conversations:
    """Runs conversations: has sent what they ask for, and lets each go on with its answer or after its pause."""

    def __init__(self, context: BrokerContext) -> None:
        self._context = context
        self._ready: deque[tuple[Steps[None], Outcome | None]] = deque()
        self._asking: dict[int, tuple[Steps[None], SendRequest]] = {}  # by the number of the request on the wire
        self._look_ups = 0  # of those
        self._waiting: deque[tuple[Steps[None], SendRequest]] = deque()  # look-ups that are too many
        self._pausing: list[tuple[int, int, Steps[None]]] = []  # a heap, by due time and number
        self._number = 0

    @property
    def due_ns(self) -> int | None:
        """When the next one goes on by itself, in monotonic time."""
        return self._pausing[0][0] if self._pausing else None

    def start(self, steps: Steps[None]) -> None:
        """Start a conversation at the next `run`."""
        self._ready.append((steps, None))

    def go_on(self, number: int, outcome: Outcome) -> None:
        """Resume the conversation that sent a request, at the next `run`; do nothing if there is none."""
        if (found := self._asking.pop(number, None)) is None:
            return
        steps, request = found
        if not isinstance(outcome, Answer) or outcome.status >= 500 or outcome.status in (401, 429):
            self._context.counts["failures"] += 1
        self._ready.append((steps, outcome))
        if request.is_look_up:
            self._look_ups -= 1
            if self._waiting:
                self._send(*self._waiting.popleft())

    def run(self, now_ns: int) -> None:
        """Run every conversation that can go on, until all of them wait. Raises what a conversation raises."""
        while self._pausing and self._pausing[0][0] <= now_ns:
            self._ready.append((heapq.heappop(self._pausing)[2], None))
        while self._ready:
            steps, outcome = self._ready.popleft()
            try:
                wish = steps.throw(outcome) if isinstance(outcome, Exception) else steps.send(outcome)
            except StopIteration:
                continue
            if not isinstance(wish, SendRequest):
                self._number += 1
                heapq.heappush(self._pausing, (now_ns + round(wish * SECOND), self._number, steps))
            elif wish.is_look_up and self._look_ups >= MOST_LOOK_UPS:
                self._waiting.append((steps, wish))
            else:
                self._send(steps, wish)

    def _send(self, steps: Steps[None], request: SendRequest) -> None:
        self._number += 1
        self._asking[self._number] = steps, request
        self._look_ups += request.is_look_up
        self._context.counts["requests"] += 1
        self._context.actions.append(msgspec.structs.replace(request, number=self._number))
