"""What goes into the protocol of Alpaca's broker, and what comes out of it: values, whatever drives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from actors.gateway.gate import Effect
from actors.messages import Report


class Now(NamedTuple):
    """The time of an event."""

    monotonic_ns: int  # real time, for delays and time-outs
    venue_ns: int  # for reports that carry none; 0 as long as it is not known


class Answer(msgspec.Struct, frozen=True):
    """What the venue answered."""

    status: int
    body: bytes


class NotSent(Exception):
    """No connection could be opened: the venue has certainly not heard of the request."""


class Unanswered(Exception):
    """The request may have reached the venue, and no answer tells what became of it."""


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


class StreamLost(Exception):
    """The trading stream's connection, or the attempt to make one, has ended, and why."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.refused = refused  # the keys: trying again soon would not help


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
    Effect
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


class SendRequest(msgspec.Struct, frozen=True):
    """Send a request, once; answer with `RequestDone` of the same number."""

    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: bytes | None = None
    is_look_up: bool = False  # may wait for others
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
