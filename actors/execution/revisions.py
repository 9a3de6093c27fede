"""Revisions: what a venue takes back of an order's executions, or changes, as an execution that sets it right.

A venue tells by `trade_bust` that an execution never was, and by `trade_correct` that it was of another price or
quantity (docs.alpaca.markets, broker API, trade events). Whatever it names, the order beside it says what is left.
What is counted is the difference to that, so it does not matter which executions were heard of, nor how often a
revision is told.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import UNSET, UnsetType

from actors.execution.order_cache import Order, OrderCache
from actors.orders import Execution, OrderReport
from actors.portfolio.positions import AVERAGES

ZERO = Decimal(0)

RECOUNTED = "recounted"
"""Stands for the venue's word where it said none: the order was asked for, since the account holds something else."""

_ROUNDING = Decimal("0.00001")
"""Money a share by which an average may be off without being another one."""


def news_of(orders: OrderCache, order: Order, report: OrderReport) -> Execution | None:
    """Return the execution that a report tells of: more that was filled, or what was undone; None for neither.

    Fewer shares than are counted are old news, unless the report says that it revises, or the order is doubted and
    the report is of after what is counted: the answer to the order itself may come after news of its fill, and be of
    the same instant.
    """
    undone = order.doubted and report.filled < order.filled and report.ts > order.counted_at
    if not (report.revises or undone):
        return orders.execution_of(order, report)
    order.doubted = False
    if report.revises and order.newest is not None and order.newest.ts > report.ts:
        # What was counted last may be of before the revision: what was told last is not.
        return revision(order, msgspec.structs.replace(order.newest, revises=report.revises))
    return revision(order, report) if report.ts >= order.counted_at else None


def revision(order: Order, report: OrderReport) -> Execution | None:
    """Return the execution that makes of what is counted of an order what a report says; None if that agrees.

    Shares go at the price that they came at, as far as that can be known; what is left of a change of price is its
    `correction`.
    """
    shares = report.filled - order.filled
    money = report.filled * (report.average or ZERO) - order.value
    if not shares and abs(money) <= report.filled * _ROUNDING:
        return None
    before = AVERAGES.divide(order.value, order.filled) if order.filled else report.average or ZERO
    price = AVERAGES.divide(money, shares) if shares else before
    undone: str | UnsetType = report.revises or RECOUNTED
    correction: Decimal | UnsetType = UNSET
    if shares > 0 and before / 2 < price < 2 * before:
        undone = UNSET  # more was filled, before or since
    elif not before / 2 < price < 2 * before:
        price, correction = before, money - shares * before
    elif not shares:
        correction = money
    return Execution(
        f"{order.id}/{report.filled.normalize():f}~{report.ts}",
        order.id,
        order.symbol,
        order.request.side,
        shares,
        price,
        report.ts,
        undone=undone,
        correction=correction,
    )
