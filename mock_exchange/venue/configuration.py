"""What the owner of an account has allowed and forbidden it."""

from __future__ import annotations

from typing import Literal

import msgspec

Check = Literal["both", "entry", "exit"]


class Configuration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account's settings. Of these, the first four have an effect here; the others are only kept."""

    suspend_trade: bool = False  # no new orders
    no_shorting: bool = False  # no sale of what is not held
    max_margin_multiplier: Literal["1", "2", "4"] = "4"  # dollars of positions a dollar of equity carries at most
    fractional_trading: bool = True
    dtbp_check: Check = "entry"
    pdt_check: Check = "entry"
    trade_confirm_email: Literal["all", "none"] = "all"
    ptp_no_exception_entry: bool = False
    max_options_trading_level: Literal[0, 1, 2, 3] | None = None
