"""What a new order needs of its account: buying power, or a part of the position that it closes."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from mock_exchange.venue.account import MARGIN_EQUITY, Account
from mock_exchange.venue.book import Book
from mock_exchange.venue.money import money, quantity
from mock_exchange.venue.orders import Kind, Order, OrderClass, OrderRequest, Reason, Refusal, Side
from mock_exchange.venue.registry import Registry

SHORT_SALE_PERCENT = 103
"""Of the ask: what a share sold short counts for."""


class Claim(NamedTuple):
    """What is set aside for an order while it works."""

    reserve: int = 0  # points of buying power for each share to be filled
    holds: bool = False  # the parts of the position that it closes


def measured(request: OrderRequest, book: Book) -> OrderRequest:
    """Give a request for an amount of money the quantity that this buys at its limit, or as the market is now."""
    if request.notional is None:
        return request
    price = request.limit or book.price[request.side] or book.last
    return replace(request, qty=max(1, request.notional // price))


def wash_trade(request: OrderRequest, account: str, orders: Registry) -> Refusal | None:
    """Refuse an order that may be filled against one of its own account; complex orders see to that themselves.

    So do trailing stops, by the venue's rules; a buy stop counts as one without a limit.
    """
    if request.order_class is not OrderClass.SIMPLE or request.kind is Kind.TRAILING_STOP:
        return None
    sign = 1 if request.side is Side.BUY else -1
    for other in orders.working(account, request.symbol, request.side.other):
        if other.kind is Kind.TRAILING_STOP:
            continue
        limit = None if other.capped else other.limit
        if request.limit is None or limit is None or sign * (request.limit - limit) >= 0:
            kind = "market/stop" if limit is None else "limit"
            return Refusal(
                Reason.WASH_TRADE,
                "potential wash trade detected. use complex orders",
                {"existing_order_id": other.id, "reject_reason": f"opposite side {kind} order exists"},
            )
    return None


def claim_of(
    request: OrderRequest, account: Account, book: Book, prices: dict[str, int], released: Order | None = None
) -> Claim | Refusal:
    """Find what an order needs, or why the account does not have it.

    `prices` are of all stocks, in points; what `released` has set aside is free again.
    """
    position = account.qty(request.symbol)
    closing = position < 0 if request.side is Side.BUY else position > 0
    if closing or request.order_class is OrderClass.OCO:
        available = account.available(request.symbol) if closing else 0
        if released is not None and released.holds:
            available += released.left
        return Claim(holds=True) if request.qty <= available else _insufficient_shares(request, account, available)
    if request.side is Side.SELL and request.fractional:
        return Refusal(Reason.NOT_FRACTIONABLE, "fractional orders cannot be sold short")
    if request.side is Side.SELL and account.equity(prices) < MARGIN_EQUITY:
        return Refusal(Reason.INSUFFICIENT_BUYING_POWER, "account is not allowed to short")
    price = _price_to_reserve(request, book)
    power = account.buying_power(prices) + (released.reserve * released.left if released else 0)
    if price * request.qty > power:
        return Refusal(
            Reason.INSUFFICIENT_BUYING_POWER,
            "insufficient buying power",
            {"buying_power": money(power), "cost_basis": money(price * request.qty)},
        )
    return Claim(reserve=price)


def _insufficient_shares(request: OrderRequest, account: Account, available: int) -> Refusal:
    symbol, there = request.symbol, quantity(available)
    return Refusal(
        Reason.INSUFFICIENT_SHARES,
        f"insufficient qty available for order (requested: {quantity(request.qty)}, available: {there})",
        {
            "available": there,
            "existing_qty": quantity(abs(account.qty(symbol))),
            "held_for_orders": quantity(account.held.get(symbol, 0)),
            "symbol": symbol,
        },
    )


def _price_to_reserve(request: OrderRequest, book: Book) -> int:
    """Return what a share counts for when an order is taken that opens a position.

    A purchase counts by its limit, else by the far side of the quote, and while the market is closed by the last trade
    (docs, orders at Alpaca, buying power).
    """
    ask = book.price[Side.BUY]
    if request.side is Side.SELL:
        return max(request.limit or 0, ask * SHORT_SALE_PERCENT // 100)
    return request.limit or max(request.stop or 0, book.last if book.closed else ask)
