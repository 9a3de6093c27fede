"""Conditions of US stock prints: which print may set the last price.

A print is reported with a code for each condition that it was made under. What was priced elsewhere or earlier (an
average price, one agreed before, a late report) is no move of the market now, and neither is an odd lot. The codes mean
different things on different tapes: `B` is an average price on tapes A and B, and a bunched trade on tape C.

Source: CTA and UTP specifications, table of sale conditions (consolidated last), read strictly: what sets the last
price only as the first print of a day does not set it here, and neither do late prints (`L`) and extended hours (`T`).
"""

from __future__ import annotations

ODD_LOT = "odd lot"
NO_LAST_PRICE = "print sets no last price"
UNKNOWN_CONDITION = "unknown print condition"

_EVERYWHERE = frozenset((" ", "@", "F", "K", "X", "O", "5", "6"))
_NYSE = _EVERYWHERE | {"E"}  # tapes A and B: NYSE, and the exchanges that are neither it nor NASDAQ
_NASDAQ = _EVERYWHERE | {"A", "B", "D", "S", "Y", "1"}  # tape C, and those that go by its codes: O (OTC), N (overnight)

_SETTING = {"A": _NYSE, "B": _NYSE, "C": _NASDAQ, "O": _NASDAQ, "N": _NASDAQ}
"""Codes with which a print may set the last price, by tape; on a tape that is not known, those of all tapes."""

_OTHERS = frozenset("BCGHILMNPQRTUVWZ479")
"""Codes with which it may not."""

_KNOWN = _NYSE | _NASDAQ | _OTHERS


def why_no_last_price(tape: str, conditions: object) -> str:
    """Return why a print may not set the last price; "" if it may. Of several conditions the strictest counts.

    >>> why_no_last_price("C", ["@", "F"]), why_no_last_price("C", ["@", "I"]), why_no_last_price("A", [" ", "B"])
    ('', 'odd lot', 'print sets no last price')
    """
    if not isinstance(conditions, list):
        return UNKNOWN_CONDITION
    if (setting := _SETTING.get(tape, _EVERYWHERE)).issuperset(conditions):
        return ""
    barring = set(conditions) - setting
    if barring == {"I"}:
        return ODD_LOT
    return NO_LAST_PRICE if _KNOWN.issuperset(barring) else UNKNOWN_CONDITION
