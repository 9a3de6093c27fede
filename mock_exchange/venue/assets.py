"""What may be done with a stock at this venue, which may change during the day."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from mock_exchange.venue.account import Account
from mock_exchange.venue.orders import OrderClass, OrderRequest, Reason, Refusal, Side

EASY: Final = "easy_to_borrow"

Attribute = Literal[
    "ptp_no_exception",
    "ptp_with_exception",
    "ipo",
    "has_options",
    "options_late_close",
    "fractional_eh_enabled",
    "overnight_tradable",
    "overnight_halted",
]
"""Those that Alpaca's schema of 2026-08-13 names."""


class Asset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be done with a stock: all of it, unless it says otherwise."""

    status: Literal["active", "inactive"] = "active"
    tradable: bool = True
    shortable: bool = True
    borrow_status: Literal["easy_to_borrow", "hard_to_borrow"] = EASY
    fractionable: bool = True
    attributes: tuple[Attribute, ...] = ("fractional_eh_enabled", "overnight_tradable")

    def forbids(self, request: OrderRequest, account: Account) -> Refusal | None:
        """Refuse an order that cannot be placed in the stock, in Alpaca's words.

        What is hard to borrow needs a locate first, which is not modelled: it is refused like what cannot be borrowed.
        Which words Alpaca has for that is not verified.
        """
        symbol = request.symbol
        if self.status != "active" or not self.tradable:
            return Refusal(Reason.BAD_VALUE, f'asset "{symbol}" is not tradable')
        shorts = request.side is Side.SELL and account.qty(symbol) <= 0 and request.order_class is not OrderClass.OCO
        if shorts and not (self.shortable and self.borrow_status == EASY):
            return Refusal(Reason.BAD_VALUE, f'asset "{symbol}" cannot be sold short')
        if request.fractional and not self.fractionable:
            return Refusal(Reason.NOT_FRACTIONABLE, f'asset "{symbol}" is not fractionable')
        return None
