"""The time-outs of orders: timers of the core, in the venue's time."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class TimerKind(StrEnum):
    """What is done about an order when its time is up."""

    ANSWER = "answer"  # unanswered: its state is unknown
    LOOK_UP = "look up"  # still unknown: the venue is asked again
    ENTRY = "entry"  # an entry that was not filled: what is left of it is canceled
    REPRICE = "reprice"  # an exit that was not filled: it is canceled, and the next one priced again
    CANCEL = "cancel"  # a cancel that the venue refused may be sent again


class OrderTimer(msgspec.Struct, frozen=True):
    """A time-out: an order was in the same state (`changes`) for that long."""

    kind: TimerKind
    order: str
    changes: int
