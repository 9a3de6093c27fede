"""spread, microprice and imbalance: what the best bid and ask say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactivex import Observable

from pipeline.events import Quote
from pipeline.operators.indicator import Begin, Indicator, Measure
from pipeline.operators.quotes.newest import newest


def spread(quotes: Observable[Quote]) -> Indicator:
    """Ask less bid over their middle: a fraction. No value before the first quote.

    O(1): 0.2 us an item.
    """
    return _of_quote("spread", quotes, lambda quote: 2 * (quote.ask - quote.bid) / (quote.ask + quote.bid))


def microprice(quotes: Observable[Quote]) -> Indicator:
    """Bid and ask weighted by the size on the other side (Gatheral and Oomen, 2010): where the next trade leans to.

    (bid x ask size + ask x bid size) / (bid size + ask size); without sizes, the middle. O(1): 0.2 us an item.
    """

    def value(quote: Quote) -> float:
        bid_size, ask_size = quote.bid_size or 0.0, quote.ask_size or 0.0
        both = bid_size + ask_size
        if not both > 0:
            return (quote.bid + quote.ask) / 2
        return (quote.bid * ask_size + quote.ask * bid_size) / both

    return _of_quote("microprice", quotes, value)


def imbalance(quotes: Observable[Quote]) -> Indicator:
    """(bid size - ask size) / (bid size + ask size) at the best prices, -1 to 1; 0 where a venue tells no sizes.

    O(1): 0.2 us an item.
    """

    def value(quote: Quote) -> float:
        bid_size, ask_size = quote.bid_size or 0.0, quote.ask_size or 0.0
        both = bid_size + ask_size
        return (bid_size - ask_size) / both if both > 0 else 0.0

    return _of_quote("imbalance", quotes, value)


def _of_quote(name: str, quotes: Observable[Quote], of: Callable[[Quote], float]) -> Indicator:
    if not isinstance(quotes, Observable):
        raise TypeError(f"op.{name} is of the quotes: def strategy(ticks, quotes): ... op.{name}(quotes)")

    def begin(start: Begin) -> Measure:
        quote = newest(quotes, start)

        def value(_: Any) -> float | None:
            now = quote()
            return None if now is None else of(now)

        return value

    return Indicator(f"{name}(quotes)", begin)
