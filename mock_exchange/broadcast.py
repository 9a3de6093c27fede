"""What is published at one moment, encoded once for all clients, and only in the encodings that they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import msgspec

from mock_exchange.alpaca.data_schema import TEST_SYMBOL, Codec, Message, careless, streamed
from mock_exchange.alpaca.schema import Report, report
from mock_exchange.events import Event, Quote, Trade
from mock_exchange.market_data_faults import BadPriceTrade, Published
from mock_exchange.venue.orders import Update

Line = tuple[str, bytes]
"""An event as the simple push sends it: its symbol, and its JSON."""

_encode = msgspec.json.Encoder().encode
_PUSHED = (Trade, Quote, BadPriceTrade)


def _line(it: Event | BadPriceTrade) -> bytes:
    if isinstance(it, BadPriceTrade):
        return _encode({**msgspec.to_builtins(it.trade), "price": careless(it.price)})
    return _encode(it)


class Broadcast:
    """What the market did, and updates of orders that this, or a client, caused; `late`: what it did a while ago.

    What happens to the stock `first` is what the test feed tells of its own symbol.
    """

    def __init__(
        self, published: Sequence[Published], updates: Sequence[Update], late: Sequence[Published] = (), first: str = ""
    ) -> None:
        self._published = published
        self._updates = updates
        self._late = late
        self._first = first
        self._data: dict[tuple[Codec, str], list[Message]] = {}

    @cached_property
    def lines(self) -> list[Line]:
        """For clients of the simple push, which know trades and quotes only."""
        return [(it.symbol, _line(it)) for it in self._published if isinstance(it, _PUSHED)]

    def data(self, codec: Codec, feed: str) -> list[Message]:
        """For clients of a feed of the market-data stream."""
        kind = feed if feed in ("delayed_sip", "test") else ""  # the venue is the only one there is
        found = self._data.get((codec, kind))
        if found is None:
            found = self._data[codec, kind] = self._encoded(codec, kind)
        return found

    def _encoded(self, codec: Codec, kind: str) -> list[Message]:
        if kind == "test":
            return [streamed(it, codec, TEST_SYMBOL) for it in self._published if it.symbol == self._first]
        return [streamed(it, codec) for it in (self._late if kind else self._published)]

    @cached_property
    def reports(self) -> list[Report]:
        """For clients of the trading stream."""
        return [report(update) for update in self._updates]
