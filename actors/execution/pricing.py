"""Pricing: the limit and stop prices of orders, on the venue's grid, never better for us than they were meant."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from actors.actor import SymbolView
from actors.orders import OrderSide

Positive = Annotated[float, Meta(gt=0)]
Points = Annotated[float, Meta(ge=0, lt=10_000)]
_CENT, _FINE = Decimal("0.01"), Decimal("0.0001")


class OrderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[orders]: how orders are priced at a broker, and how long they may take. Seconds are the venue's."""

    entry_limit_bps: Points = 10.0  # basis points beyond the quote that an entry may cost
    entry_timeout_s: Positive = 3.0  # what is left of an entry then is canceled
    exit_limit_bps: Points = 2.0  # beyond the quote, for an exit that may wait
    reprice_s: Positive = 1.0  # an exit that was not filled by then is priced again
    reprices: Annotated[int, Meta(ge=0)] = 2  # so often; then it goes at market
    protective_stop: Annotated[float, Meta(gt=0, lt=1)] = 0.005  # fraction from the entry at which the venue closes
    answer_timeout_s: Positive = 5.0  # an order or a cancel unanswered for so long is looked up
    look_up_s: Positive = 2.0  # between two look-ups of an order, and two cancels
    missing_s: Positive = 10.0  # an order that the venue does not know for so long was never placed
    retry_s: Positive = 1.0  # after the venue refused an exit or a stop; twice as long each time


def entry_limit(settings: OrderSettings, view: SymbolView, side: OrderSide) -> Decimal | None:
    """Return the worst price that an entry may get; None while there is no price at all."""
    return _beyond(settings.entry_limit_bps, view, side)


def exit_limit(settings: OrderSettings, view: SymbolView, side: OrderSide) -> Decimal | None:
    """Return the worst price that an exit may get while it may wait for a better one; None without any price."""
    return _beyond(settings.exit_limit_bps, view, side)


def protective_stop(settings: OrderSettings, entry_price: Decimal, side: OrderSide) -> Decimal:
    """Return where the protective stop rests: `side` is that of the stop order, against the position."""
    away = Decimal(str(settings.protective_stop))
    # Rounded away from the entry: the stop is never nearer than it was meant.
    return on_grid(entry_price * (1 + side.sign * away), side)


def on_grid(price: Decimal, side: OrderSide) -> Decimal:
    """Round to the venue's grid (cents; below 1, hundredths of them): up for a buy, down for a sell."""
    step = _CENT if price >= 1 else _FINE
    return price.quantize(step, ROUND_CEILING if side is OrderSide.BUY else ROUND_FLOOR)


def _beyond(bps: float, view: SymbolView, side: OrderSide) -> Decimal | None:
    quote = view.ask if side is OrderSide.BUY else view.bid
    price = Decimal(repr(view.price if quote is None else quote))
    if not price:
        return None
    return on_grid(price * (1 + side.sign * Decimal(str(bps)) / 10_000), side)
