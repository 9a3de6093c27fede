"""Lists of stocks that a client keeps at the venue. They change nothing."""

from __future__ import annotations

import msgspec

MOST_LISTS = 200
"""Of one account."""


class Watchlist(msgspec.Struct, frozen=True):
    """A named list of stocks, in the client's order, each once."""

    id: str
    name: str
    symbols: tuple[str, ...]
    created_ns: int
    updated_ns: int
