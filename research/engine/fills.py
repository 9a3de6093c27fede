"""What fills cost and trades earn: the pipeline's own arithmetic, to the last digit, for many at once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Any

import numpy as np

_PRICE = Context(prec=15, rounding=ROUND_HALF_EVEN)  # as in `actors/brokers/simulated.py`
_DIGITS = 10**15
_PLACES = 13  # at most, of prices that are reckoned with as whole numbers


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


_EXACT = Context(prec=60)  # as in `actors/portfolio/positions.py`
_MOST = 2**53  # whole numbers up to here are floats


def earned(
    side: Any, entry: Any, exit: Any, setting: Any, quantities: Sequence[float], fees_per_share: Sequence[float]
) -> tuple[Any, Any]:
    """Return what trades earned after fees, and those (money), as the exact numbers are as floats.

    `entry` and `exit` are prices, `setting` the index of each trade's own among quantities (shares) and fees a share.
    """
    quantity, quantity_places = _decimals(quantities)
    fee, fee_places = _decimals(fees_per_share)
    places, prices = _whole(np.concatenate((entry, exit)))
    more = fee_places - places
    scale, of_fees = places + max(more, 0) + quantity_places, fee_places + quantity_places
    if not len(entry):
        return np.empty(0), np.empty(0)
    widest = int(prices.max()) * 10 ** max(more, 0) + 2 * max(fee) * 10 ** max(-more, 0) if places >= 0 else _MOST
    if widest * max(quantity) >= _MOST or max(scale, of_fees) > 22:
        return _earned_exactly(side, entry, exit, setting, quantities, fees_per_share)
    shares, a_share = np.array(quantity, np.int64)[setting], 2 * np.array(fee, np.int64)[setting]
    moves = side * (prices[len(entry) :] - prices[: len(entry)]) * np.int64(10 ** max(more, 0))
    money = (moves - a_share * np.int64(10 ** max(-more, 0))) * shares
    return money / 10.0**scale, a_share * shares / 10.0**of_fees


def _decimals(numbers: Sequence[float]) -> tuple[list[int], int]:
    """Return numbers as whole numbers of 10^-places, and the places."""
    exact = {number: Decimal(str(number)) for number in set(numbers)}
    places = max((-int(each.as_tuple().exponent) for each in exact.values()), default=0)
    whole = {number: int(each.scaleb(max(places, 0), _EXACT)) for number, each in exact.items()}
    return [whole[number] for number in numbers], max(places, 0)


def _earned_exactly(
    side: Any, entry: Any, exit: Any, setting: Any, quantities: Sequence[float], fees_per_share: Sequence[float]
) -> tuple[Any, Any]:
    found = np.empty((2, len(entry)))
    rows = zip(side.tolist(), entry.tolist(), exit.tolist(), setting.tolist(), strict=True)
    with localcontext(_EXACT):
        for row, (sign, entered, left, at) in enumerate(rows):
            quantity, fee = Decimal(str(quantities[at])), Decimal(str(fees_per_share[at]))
            fees = 2 * quantity * fee
            move = Decimal(repr(left)) - Decimal(repr(entered))
            found[:, row] = float(sign * move * quantity - fees), float(fees)
    return found[0], found[1]
