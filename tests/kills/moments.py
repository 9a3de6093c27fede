"""Moments at which a bot is killed: what is waited for, and what was so when it happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum, auto
from typing import Any, NamedTuple

from actors.book import Book
from actors.execution.known_orders import OrderName
from actors.orders import OrderStatus


class Moment(StrEnum):
    """What is waited for before the kill."""

    ENTRY = auto()  # an entry works at the venue
    EXIT = auto()  # an exit works at the venue
    POSITION = auto()  # a position is held, with its stop
    START = auto()  # somewhere between the first instruction and the first trade
    RECONNECT = auto()  # the trading stream was cut
    COMMAND = auto()  # somebody paused or halted the bot
    ANY = auto()


ROUND = (
    *(Moment.ENTRY, Moment.POSITION, Moment.START, Moment.EXIT, Moment.COMMAND, Moment.RECONNECT),
    *(Moment.ENTRY, Moment.POSITION, Moment.EXIT, Moment.ANY),
)
"""The order in which moments are asked for, over and over."""


class Killed(NamedTuple):
    """A kill, and what the stopped process, its journal and its venue held at that instant."""

    moment: Moment
    run: int  # the journal's last run then
    book: Book | None
    position: bool
    in_flight: bool


def leg(order: dict[str, Any]) -> str:
    name = OrderName.of(order["client_order_id"])
    return name.role if name is not None else ""


def in_flight(book: Book | None, at_venue: Iterable[dict[str, Any]]) -> bool:
    """Whether an order was on its way: it works at the venue, or nobody knows its fate. A resting stop is not."""
    if any(leg(order) != "stop" for order in at_venue):
        return True
    working = book.orders if book is not None else ()
    return any(order.order.role != "stop" or order.status is not OrderStatus.ACCEPTED for order in working)


def histogram(kills: Iterable[Killed]) -> str:
    """Say at which moments the kills came."""
    counts = Counter((kill.moment, kill.position, kill.in_flight) for kill in kills)
    lines = [f"{'moment':<12}{'nothing':>9}{'position':>10}{'order':>8}{'both':>6}"]
    for moment in Moment:
        row = [counts[moment, position, order] for order in (False, True) for position in (False, True)]
        lines.append(f"{moment:<12}{row[0]:>9}{row[1]:>10}{row[2]:>8}{row[3]:>6}")
    total = sum(counts.values())
    held = sum(count for (_, position, _), count in counts.items() if position)
    working = sum(count for (_, _, order), count in counts.items() if order)
    lines.append(f"of {total} kills, {held} with a position open and {working} with an order in flight")
    return "\n".join(lines)
