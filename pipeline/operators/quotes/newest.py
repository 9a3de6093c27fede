"""newest: the quote that is in force, for the indicators that need it."""

from __future__ import annotations

from collections.abc import Callable

from reactivex import Observable

from pipeline.events import Quote
from pipeline.operators.indicator import Begin


def newest(quotes: Observable[Quote], start: Begin) -> Callable[[], Quote | None]:
    """Return what gives the last sound quote; None before the first. It ends with the subscription that began it."""
    last: Quote | None = None

    def keep(quote: Quote) -> None:
        nonlocal last
        if 0 < quote.bid <= quote.ask:
            last = quote

    start.subscriptions.add(quotes.subscribe(keep, scheduler=start.scheduler))
    return lambda: last
