"""Trades and quotes, as on the tape and on the wire of the simple push.

Times (`ts`) are integer nanoseconds since the Unix epoch, UTC; prices are in the stock's currency, sizes in
shares. Encoded by msgspec, each is one JSON object with its `type` first.
"""

from __future__ import annotations

import msgspec

SECOND = 1_000_000_000
"""Nanoseconds in a second."""


# gc=False: an event holds no containers, so the garbage collector need not know it.


class Trade(msgspec.Struct, frozen=True, gc=False, tag="trade", tag_field="type"):
    """A trade, with the quote that it met."""

    symbol: str
    ts: int
    price: float
    size: int
    bid: float
    ask: float
    id: int  # rises by one from trade to trade of a symbol


class Quote(msgspec.Struct, frozen=True, gc=False, tag="quote", tag_field="type", omit_defaults=True):
    """The best bid and ask, in force from now on, and the shares that wait at them."""

    symbol: str
    ts: int
    bid: float
    ask: float
    bid_size: int | None = None  # None: not known
    ask_size: int | None = None


Event = Trade | Quote
