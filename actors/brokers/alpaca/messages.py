"""What goes into the protocol of Alpaca's broker, and what comes out of it: values, whatever drives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

import msgspec

from actors.messages import Report
from actors.orders import OrderCommand


class Now(NamedTuple):
    """The time of an event."""

    monotonic_ns: int  # real time, for delays and time-outs
    venue_ns: int  # for reports that carry none; 0 as long as it is not known


class Quota(msgspec.Struct, frozen=True):
    """What the venue tells of its limit on requests (`X-RateLimit-*`)."""

    limit: int  # requests a minute
    remaining: int  # of them, until the reset
    reset_in_s: float | None  # seconds; None if it did not say when


class Answer(msgspec.Struct, frozen=True):
    """What the venue answered."""

    status: int
    body: bytes
    quota: Quota | None = None  # if it told


class NotSent(msgspec.Struct, frozen=True):
    """No connection could be opened: the venue has certainly not heard of the request."""

    reason: str


class Unanswered(msgspec.Struct, frozen=True):
    """The request may have reached the venue, and no answer tells what became of it."""

    reason: str


Outcome = Answer | NotSent | Unanswered
"""What became of a request."""


# ----------------------------------------------------------------------------------------------------- events


class Started(msgspec.Struct, frozen=True):
    """The broker is to connect, and to read the account from now on."""


class RequestDone(msgspec.Struct, frozen=True):
    """A request got an answer, or none."""

    number: int
    outcome: Outcome


class StreamListening(msgspec.Struct, frozen=True):
    """The trading stream is connected, has taken our keys, and tells from now on what happens to orders."""


class StreamFrame(msgspec.Struct, frozen=True):
    """The trading stream said something."""

    payload: str | bytes


class StreamLost(msgspec.Struct, frozen=True):
    """The trading stream's connection, or the attempt to make one, has ended, and why."""

    reason: str
    refused: bool = False  # the keys: trying again soon would not help


class TimerDue(msgspec.Struct, frozen=True):
    """The time that `SetTimer` named has come."""


class Hold(msgspec.Struct, frozen=True):
    """The venue is away: the trading stream is to be connected no more until `GoOn`."""

    reason: str


class GoOn(msgspec.Struct, frozen=True):
    """The venue is there again: the trading stream is to be connected at once."""


class ReadAccount(msgspec.Struct, frozen=True):
    """The account is to be read at once."""


class Stop(msgspec.Struct, frozen=True):
    """No more effects come: what runs may end within the grace, and then everything does."""

    grace_s: float


class Fault(msgspec.Struct, frozen=True):
    """The driver, or who hears its reports, has failed: everything ends now."""

    error: str


Event = (
    OrderCommand
    | Started
    | RequestDone
    | StreamListening
    | StreamFrame
    | StreamLost
    | TimerDue
    | Hold
    | GoOn
    | ReadAccount
    | Stop
    | Fault
)
"""What the protocol handles: effects that the gate hands over, what the venue says, time, and wishes."""


# ---------------------------------------------------------------------------------------------------- actions


class RequestKind(IntEnum):
    """What a request is for; of those that have to wait, the lowest goes first."""

    EXIT = 0  # also every cancel
    LOOK_UP = 1  # of an order whose fate is not known
    STOP = 2
    ENTRY = 3
    READING = 4  # of the account and the assets


class SendRequest(msgspec.Struct, frozen=True):
    """Send a request, once; answer with `RequestDone` of the same number."""

    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: bytes | None = None
    kind: RequestKind = RequestKind.READING
    number: int = 0  # once it is to be sent


class Publish(msgspec.Struct, frozen=True):
    """Report to the core."""

    reports: Sequence[Report]


class SetTimer(msgspec.Struct, frozen=True):
    """Say `TimerDue` at that time, instead of at any that was named before."""

    due_ns: int  # monotonic


class ConnectStream(msgspec.Struct, frozen=True):
    """Open the trading stream; answer with `StreamListening`, and in any case with `StreamLost` once it is over."""


class DropStream(msgspec.Struct, frozen=True):
    """Cut the trading stream's connection, or give up the attempt to make one; `StreamLost` follows."""


Action = SendRequest | Publish | SetTimer | ConnectStream | DropStream
"""What the protocol wants done, in this order."""
