"""What is published at one moment, encoded once for all clients, and only in the encodings that they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import msgspec

from mock_exchange.alpaca.data_schema import Codec, Message, careless, streamed
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
    """What the market did, and updates of orders that this, or a client, caused."""

    def __init__(self, published: Sequence[Published], updates: Sequence[Update]) -> None:
        self._published = published
        self._updates = updates
        self._data: dict[Codec, list[Message]] = {}

    @cached_property
    def lines(self) -> list[Line]:
        """For clients of the simple push, which know trades and quotes only."""
        return [(it.symbol, _line(it)) for it in self._published if isinstance(it, _PUSHED)]

    def data(self, codec: Codec) -> list[Message]:
        """For clients of the market-data stream."""
        if codec not in self._data:
            self._data[codec] = [streamed(it, codec) for it in self._published]
        return self._data[codec]

    @cached_property
    def reports(self) -> list[Report]:
        """For clients of the trading stream."""
        return [report(update) for update in self._updates]
