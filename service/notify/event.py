"""An event that is told, and the message that it becomes."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from service.notify_settings import Kind


class Event(msgspec.Struct, frozen=True):
    """Something that happened, in words, under an id that it keeps whatever comes."""

    id: str
    kind: Kind
    text: str
    at: float  # seconds since 1970
    urgent: bool = False  # it waits neither for quiet hours nor for a gap, and is never dropped
    pnl: Decimal | None = None  # of a closed trade: it is told with fills, and is none


class Message(msgspec.Struct, frozen=True):
    """What is sent: an event, or several of one kind. `owed` are the addresses that have not got it."""

    id: str
    kind: Kind
    text: str
    at: float  # of the first of its events
    urgent: bool
    events: tuple[str, ...]  # their ids
    owed: tuple[str, ...]
