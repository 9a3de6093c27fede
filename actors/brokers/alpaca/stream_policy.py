"""When the trading stream is connected, and when again: after growing delays, and not at all while it is held."""

from __future__ import annotations

import math

from actors.brokers.alpaca.context import BrokerContext
from actors.brokers.alpaca.messages import ConnectStream, DropStream, StreamLost
from actors.feeds.backoff import Quota
from pipeline.events import SECOND


class StreamPolicy:
    """One connection at a time, made again after growing, jittered delays.

    Only a connection that lasted `stale_s` resets them: one that is cut again and again has each time listened, too.
    There are never more than MOST_CONNECTS a minute.
    Refused keys are tried again slowly, since a person may put them right at the venue. What it connects to may be
    held: then it is not tried, since the venue is known to be down, until it may go on.
    """

    def __init__(self, context: BrokerContext) -> None:
        self.number = 0  # of the connections that have listened
        self.due_ns: int | None = None  # monotonic: when the next attempt is made
        self.back_off = context.back_off()
        self._context = context
        self._is_open = False  # or being opened
        self._was_lost = False
        self._quota = Quota()
        self._held = ""  # why nothing is tried
        self._at_once = False  # the next attempt is not to wait
        self._dropped: StreamLost | None = None  # why the connection was cut here
        self._listening_since = 0  # monotonic ns

    def start(self, now_ns: int) -> None:
        """Connect with the next `connect_if_due`."""
        self.due_ns = now_ns

    def connect_if_due(self, now_ns: int) -> None:
        """Make an attempt if it is time."""
        if self.due_ns is not None and self.due_ns <= now_ns:
            if (left_s := self._quota.left(now_ns / SECOND)) > 0:
                self.due_ns = now_ns + math.ceil(left_s * SECOND)
                return
            self._quota.take(now_ns / SECOND)
            self.due_ns = None
            self._is_open = True
            self._context.counts["reconnects"] += self._was_lost
            self._context.actions.append(ConnectStream())

    def on_listening(self, now_ns: int) -> None:
        """Know that the connection listens."""
        self._is_open = self._context.is_heard = True
        self.number += 1
        self._listening_since = now_ns

    def on_lost(self, lost: StreamLost, now_ns: int) -> str:
        """Know that the connection, or the attempt, is over; return why, as it is to be told."""
        settings = self._context.settings
        lost, self._dropped = self._dropped or lost, None
        if self._context.is_heard and now_ns - self._listening_since >= settings.stale_s * SECOND:
            self.back_off.reset()
        self._is_open = self._context.is_heard = False
        self._was_lost = True
        delay_s = settings.refused_delay_s if lost.refused else self.back_off.next()
        if self._held:
            self.due_ns = None
        else:
            self.due_ns = now_ns + (0 if self._at_once else round(delay_s * SECOND))
            self._at_once = False
        return self._held or lost.reason

    def drop(self, reason: str, *, refused: bool = False) -> None:
        """Cut the connection, if there is one; the next one follows."""
        if self._is_open and self._dropped is None:
            self._dropped = StreamLost(reason, refused=refused)
            self._context.actions.append(DropStream())

    def hold(self, reason: str) -> None:
        """Hang up, and connect no more until `release`."""
        self._held, self._at_once, self.due_ns = reason, False, None
        self.drop(reason)

    def release(self, now_ns: int) -> None:
        """Connect at once; if there is a connection still, as soon as it is lost."""
        self._held = ""
        self.back_off.reset()
        if self._is_open:
            self._at_once = True
        else:
            self.due_ns = now_ns
