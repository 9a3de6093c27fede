"""Order states: what can happen to an order, and the one table of what follows."""

from __future__ import annotations

from enum import StrEnum, auto

from actors.orders import OrderStatus


class OrderEvent(StrEnum):
    """What can happen to an order."""

    SUBMIT = auto()
    ACCEPT = auto()
    PARTIAL_FILL = auto()
    FILL = auto()  # the rest of it
    CANCEL = auto()  # a cancel was sent
    CANCELED = auto()
    REJECT = auto()
    EXPIRE = auto()
    LOSE = auto()  # an answer did not come in time


_S, _E = OrderStatus, OrderEvent

# What any order that the venue may hold can meet.
_AT_VENUE = {
    _E.PARTIAL_FILL: _S.PARTIALLY_FILLED,
    _E.FILL: _S.FILLED,
    _E.CANCEL: _S.CANCEL_PENDING,
    _E.CANCELED: _S.CANCELED,
    _E.REJECT: _S.REJECTED,
    _E.EXPIRE: _S.EXPIRED,
    _E.LOSE: _S.UNKNOWN,
}

TRANSITIONS: dict[OrderStatus, dict[OrderEvent, OrderStatus]] = {
    _S.CREATED: {_E.SUBMIT: _S.SUBMITTED},
    _S.SUBMITTED: _AT_VENUE | {_E.ACCEPT: _S.ACCEPTED},
    _S.ACCEPTED: _AT_VENUE | {_E.ACCEPT: _S.ACCEPTED},
    _S.PARTIALLY_FILLED: _AT_VENUE | {_E.ACCEPT: _S.PARTIALLY_FILLED},
    # A cancel that is on its way is not undone by older news.
    _S.CANCEL_PENDING: _AT_VENUE | {_E.ACCEPT: _S.CANCEL_PENDING, _E.PARTIAL_FILL: _S.CANCEL_PENDING},
    _S.UNKNOWN: _AT_VENUE | {_E.ACCEPT: _S.ACCEPTED},
    # What is over may still be filled: the fill was on its way before the end was told. An order that the venue did
    # not know may turn up after all.
    _S.CANCELED: {_E.PARTIAL_FILL: _S.CANCELED, _E.FILL: _S.FILLED, _E.CANCELED: _S.CANCELED},
    _S.EXPIRED: {_E.PARTIAL_FILL: _S.EXPIRED, _E.FILL: _S.FILLED, _E.EXPIRE: _S.EXPIRED},
    _S.REJECTED: _AT_VENUE | {_E.ACCEPT: _S.ACCEPTED},
    _S.FILLED: {_E.FILL: _S.FILLED},
}
"""The one table: a status and an event give the next status; what is not in it does not happen."""


def after(status: OrderStatus, event: OrderEvent) -> OrderStatus | None:
    """Return the status after an event, or None if it cannot happen there (old news, most of the time)."""
    return TRANSITIONS[status].get(event)
