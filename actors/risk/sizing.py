"""Sizing: how many shares an entry is of, where that is computed for each."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context as DecimalContext, Decimal, localcontext
from typing import Literal

from actors.actor import SymbolView
from actors.messages import Sized
from pipeline.events import Side, Signal

SizeMethod = Literal["shares", "dollars", "percent", "risk_per_stop"]

WHOLE, MILLIONTH = Decimal(1), Decimal("0.000001")
"""Steps of a quantity, in shares: where a stop has to rest at the venue, and where fills are simulated."""
MOST_SHARES = Decimal(10**9)
_EXACT = DecimalContext(prec=200)  # products of money, prices and shares of any length, without rounding


def price_to_enter(view: SymbolView, side: Side) -> Decimal:
    """Return the price to enter at now: the quote to trade at, or the last price where there is none; money a share."""
    quote = view.ask if side is Side.LONG else view.bid
    return Decimal(repr(view.price if quote is None else quote))


class Sizing:
    """Computes the size of each entry, rounded down: it never costs, or risks, more than it was meant to.

    - dollars: `amount` is money, divided by the price to enter at
    - percent: `amount` percent of the equity, which counts what finished trades earned, divided by that price
    - risk_per_stop: `amount` is money, divided by the distance from that price to the stop

    `stop_of` returns where the position of a signal would be stopped: a fraction of the price, None for nowhere.
    `lot_of` returns the lot of a symbol, in shares, which is its step; None: that is `step`.
    """

    def __init__(
        self,
        method: SizeMethod,
        amount: float,
        step: Decimal,
        stop_of: Callable[[Signal], float | None],
        lot_of: Callable[[str], Decimal | None] = lambda _: None,
    ) -> None:
        self._method = method
        self._amount = Decimal(str(amount))
        self._step = step
        self._stop_of = stop_of
        self._lot_of = lot_of

    def size(self, signal: Signal, view: SymbolView, equity: Decimal, share: Decimal | None) -> Sized:
        """Return the size of an entry, a multiple of the step; 0 where that is all there is to it.

        `share` is the part that the strategy of the symbol may take; None: all of it.
        """
        step = self._lot_of(signal.symbol) or self._step
        with localcontext(_EXACT):
            price = price_to_enter(view, signal.side)
            money, divisor, stop, of = self._amount * (1 if share is None else share), price, None, None
            if self._method == "percent":
                of, money = equity, max(money * equity / 100, Decimal(0))
            elif self._method == "risk_per_stop":
                stop = self._stop_of(signal)
                divisor = price * Decimal(str(stop or 0))
            steps = money // (divisor * step) if divisor > 0 else Decimal(0)
            quantity = min(steps * step, MOST_SHARES)
        return Sized(self._method, money, divisor, step, quantity, price, of, stop, share)


def arithmetic(sized: Sized) -> str:
    """Say how a size came about.

    >>> arithmetic(Sized("dollars", Decimal(5000), Decimal("187.5"), Decimal(1), Decimal(26), Decimal("187.5")))
    '5,000 / 187.5 a share = 26.67, rounded down to 26 shares'
    """
    said = f"{_shown(sized.money)}"
    if sized.equity is not None:
        said += f" ({_shown(sized.money / sized.equity * 100) if sized.equity else '0'} % of {_shown(sized.equity)})"
    if sized.share is not None:
        said += f" after the strategy's share of {_shown(sized.share)}"
    by = f"{_shown(sized.divisor)} a share"
    if sized.method == "risk_per_stop":
        by += (
            f" to the stop ({sized.stop * 100:.4g} % of {_shown(sized.price)})" if sized.stop else ": no stop is known"
        )
    if not sized.divisor:
        return f"{said} / {by}: 0 shares"
    return f"{said} / {by} = {sized.money / sized.divisor:,.2f}, rounded down to {_shown(sized.quantity)} shares"


def _shown(number: Decimal) -> str:
    """Write a number with at most six places, and none that say nothing."""
    text = f"{number:,.6f}"
    return text.rstrip("0").rstrip(".")
