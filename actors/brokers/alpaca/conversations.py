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
from actors.brokers.alpaca.messages import Answer, Outcome, RequestKind, SendRequest
from actors.brokers.alpaca.request_budget import is_over_quota
from pipeline.events import SECOND

MOST_LOOK_UPS = 4
"""Look-ups on the wire at a time: orders and cancels never wait behind them."""

T = TypeVar("T")

Steps = Generator[SendRequest | float, Any, T]
"""A conversation that comes to a `T`. A request is answered by its `Outcome`."""


class Conversations:
    """Runs conversations: has sent what they ask for, and lets each go on with its answer or after its pause."""

    def __init__(self, context: BrokerContext) -> None:
        self._context = context
        self._ready: deque[tuple[Steps[None], Outcome | None]] = deque()
        self._asking: dict[int, tuple[Steps[None], SendRequest]] = {}  # by the number of the request on the wire
        self._look_ups = 0  # of those
        # Requests without room under the venue's limit, and look-ups that are too many at a time.
        self._waiting: dict[RequestKind, deque[tuple[Steps[None], SendRequest]]] = {k: deque() for k in RequestKind}
        self._pausing: list[tuple[int, int, Steps[None]]] = []  # a heap, by due time and number
        self._number = 0

    @property
    def due_ns(self) -> int | None:
        """When the next one goes on by itself, in monotonic time."""
        dues_ns = [self._pausing[0][0]] if self._pausing else []
        if (kind := self._next_kind()) is not None:
            dues_ns.append(self._context.budget.free_at(kind, self._context.now.monotonic_ns))
        return min(dues_ns, default=None)

    def start(self, steps: Steps[None]) -> None:
        """Start a conversation at the next `run`."""
        self._ready.append((steps, None))

    def resume(self, number: int, outcome: Outcome) -> None:
        """Resume the conversation that sent a request, at the next `run`; do nothing if there is none."""
        if (found := self._asking.pop(number, None)) is None:
            return
        steps, request = found
        counts = self._context.counts
        if not isinstance(outcome, Answer) or outcome.status >= 500 or outcome.status in (401, 429):
            counts["failures"] += 1
        counts["throttled"] += is_over_quota(outcome)
        self._context.budget.note_outcome(outcome, self._context.now.monotonic_ns)
        self._ready.append((steps, outcome))
        self._look_ups -= request.kind is RequestKind.LOOK_UP

    def hurry(self, steps: Steps[None]) -> None:
        """Send the request that a conversation waits to send as an exit's, if it is not on the wire yet."""
        for kind, waiting in self._waiting.items():
            for entry in waiting if kind is not RequestKind.EXIT else ():
                if entry[0] is steps:
                    waiting.remove(entry)
                    urgent = msgspec.structs.replace(entry[1], kind=RequestKind.EXIT)
                    self._waiting[RequestKind.EXIT].append((steps, urgent))
                    return

    def run(self, now_ns: int) -> None:
        """Run every conversation that can go on, until all of them wait. Raises what a conversation raises."""
        while self._pausing and self._pausing[0][0] <= now_ns:
            self._ready.append((heapq.heappop(self._pausing)[2], None))
        self._send_waiting(now_ns)  # before what comes now looks whether there is room
        while self._ready:
            steps, outcome = self._ready.popleft()
            try:
                wish = steps.send(outcome)
            except StopIteration:
                continue
            if isinstance(wish, SendRequest):
                self._waiting[wish.kind].append((steps, wish))
                self._send_waiting(now_ns)
                self._context.counts["held_back"] += (steps, wish) in self._waiting[wish.kind]
            else:
                self._number += 1
                heapq.heappush(self._pausing, (now_ns + round(wish * SECOND), self._number, steps))

    def _next_kind(self) -> RequestKind | None:
        """Return the most urgent kind of those that wait for room alone; until it has some, no other goes out."""
        for kind, waiting in self._waiting.items():
            if waiting and (kind is not RequestKind.LOOK_UP or self._look_ups < MOST_LOOK_UPS):
                return kind
        return None

    def _send_waiting(self, now_ns: int) -> None:
        """Send what there is room for, the most urgent first."""
        budget = self._context.budget
        while (kind := self._next_kind()) is not None and budget.has_room(kind, now_ns):
            steps, request = self._waiting[kind].popleft()
            budget.note_sent(kind, now_ns)
            self._number += 1
            self._asking[self._number] = steps, request
            self._look_ups += kind is RequestKind.LOOK_UP
            self._context.counts["requests"] += 1
            self._context.actions.append(msgspec.structs.replace(request, number=self._number))
