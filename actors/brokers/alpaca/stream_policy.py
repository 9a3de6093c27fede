"""When the trading stream is connected, and when again: after growing delays, and not at all while it is held."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from enum import Enum, auto

from actors.brokers.alpaca.messages import Action, ConnectStream, DropStream, Now
from actors.brokers.alpaca.settings import BrokerSettings
from actors.feeds.backoff import BackOff, Quota
from pipeline.events import SECOND


class Connection(Enum):
    """How the trading stream is."""

    NONE = auto()
    OPENING = auto()
    LISTENING = auto()


class StreamPolicy:
    """One connection at a time, made again after growing, jittered delays.

    Only a connection that lasted `stale_s` resets them: one that is cut again and again has each time listened, too.
    There are never more than MOST_CONNECTS a minute.
    Refused keys are tried again slowly, since a person may put them right at the venue. What it connects to may be
    held: then nothing is tried, since nobody is there, until it may go on.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        counts: Counter[str],
        back_off: BackOff,
        now: Callable[[], Now],
        act: Callable[[Action], None],
    ) -> None:
        self.state = Connection.NONE
        self.number = 0  # of the connections that have listened
        self.due_ns: int | None = None  # monotonic: when the next attempt is made
        self.back_off = back_off
        self._settings = settings
        self._counts = counts
        self._was_lost = False
        self._now = now
        self._act = act
        self._quota = Quota()
        self._held = ""  # why nothing is tried
        self._at_once = False  # the next attempt is not to wait
        self._dropped: tuple[str, bool] | None = None  # why the connection was cut here, and whether for its keys
        self._listening_since = 0  # monotonic ns

    @property
    def is_listening(self) -> bool:
        """Whether what happens to orders is told."""
        return self.state is Connection.LISTENING

    def start(self) -> None:
        """Connect with the next `connect_if_due`."""
        self.due_ns = self._now().monotonic_ns

    def connect_if_due(self) -> None:
        """Make an attempt if it is time."""
        now_ns = self._now().monotonic_ns
        if self.due_ns is not None and self.due_ns <= now_ns:
            if (left_s := self._quota.left(now_ns / SECOND)) > 0:
                self.due_ns = now_ns + math.ceil(left_s * SECOND)
                return
            self._quota.take(now_ns / SECOND)
            self.due_ns = None
            self.state = Connection.OPENING
            self._counts["reconnects"] += self._was_lost
            self._act(ConnectStream())

    def listening(self) -> None:
        """Know that the connection listens."""
        self.state = Connection.LISTENING
        self.number += 1
        self._listening_since = self._now().monotonic_ns

    def lost(self, reason: str, *, refused: bool) -> str:
        """Know that the connection, or the attempt, is over; return why, as it is to be told."""
        dropped, self._dropped = self._dropped, None
        if dropped is not None:
            reason, refused = dropped
        now_ns = self._now().monotonic_ns
        if self.is_listening and now_ns - self._listening_since >= self._settings.stale_s * SECOND:
            self.back_off.reset()
        self.state = Connection.NONE
        self._was_lost = True
        delay_s = self._settings.refused_delay_s if refused else self.back_off.next()
        if self._held:
            self.due_ns = None
        else:
            self.due_ns = now_ns + (0 if self._at_once else round(delay_s * SECOND))
            self._at_once = False
        return self._held or reason

    def drop(self, reason: str, *, refused: bool = False) -> None:
        """Cut the connection, if there is one; the next one follows."""
        if self.state is not Connection.NONE and self._dropped is None:
            self._dropped = reason, refused
            self._act(DropStream())

    def hold(self, reason: str) -> None:
        """Hang up, and connect no more until `go_on`."""
        self._held, self._at_once, self.due_ns = reason, False, None
        self.drop(reason)

    def go_on(self) -> None:
        """Connect at once; if there is a connection still, as soon as it is lost."""
        self._held = ""
        self.back_off.reset()
        if self.state is Connection.NONE:
            self.due_ns = self._now().monotonic_ns
        else:
            self._at_once = True
