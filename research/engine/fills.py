"""What fills cost: the simulated broker's own arithmetic, to the last digit, for all prices of a tape at once."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import numpy as np

_PRICE = Context(prec=15, rounding=ROUND_HALF_EVEN)  # as in `actors/brokers/simulated.py`
_DIGITS = 10**15
_PLACES = 9  # at most, of prices that are reckoned with as whole numbers


def filled(prices: Any, factor: Decimal) -> Any:
    """Return prices (an array of floats) times a factor, as decimal numbers rounded to 15 digits, half to even.

    A float stands for the shortest decimal number that reads as it.
    """
    places, whole = _whole(prices)
    if places < 0:
        return _one_by_one(prices, factor)
    if factor == 1:
        return prices  # of 15 digits at most: nothing is rounded
    exponent = int(factor.as_tuple().exponent)
    multiplier = int(factor.scaleb(-exponent)) if exponent < 0 else int(factor)
    more = max(0, -exponent)
    if int(whole.max(initial=1)) * multiplier >= 2**63 or places + more > 22:
        return _one_by_one(prices, factor)
    products = whole * np.int64(multiplier)
    return _rounded(products, places + more)


def _whole(prices: Any) -> tuple[int, Any]:
    """Return the prices as whole numbers of 10^-places; places are -1 where they have too many digits for that."""
    for places in range(_PLACES):
        scale = 10.0**places
        whole = np.rint(prices * scale)
        if not np.all(whole < _DIGITS):
            break
        if np.array_equal(whole / scale, prices):  # the division rounds once, as reading the decimal number does
            return places, whole.astype(np.int64)
    return -1, prices


def _rounded(products: Any, places: int) -> Any:
    """Return whole numbers of 10^-places, which have 19 digits at most, rounded to 15 digits, as floats."""
    found = products / 10.0**places
    for more in range(1, 5):
        step = 10**more
        wide = (products >= _DIGITS * step // 10) & (products <= min(_DIGITS * step - 1, 2**63 - 1))
        if not wide.any():
            continue
        kept, rest = np.divmod(products[wide], step)
        kept += (2 * rest > step) | ((2 * rest == step) & (kept % 2 == 1))
        found[wide] = kept / 10.0 ** (places - more) if places >= more else kept * 10.0 ** (more - places)
    return found


def _one_by_one(prices: Any, factor: Decimal) -> Any:
    found, where = np.unique(prices, return_inverse=True)
    exact = [float(_PRICE.multiply(Decimal(repr(price)), factor)) for price in found.tolist()]
    return np.array(exact, np.float64)[where]
