"""How orders are executed: filled in the simulation, or priced, timed and guarded at a venue."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from actors.actor import SymbolView
from actors.execution.messages import TimerKind
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
    cap_by_account: bool = True  # nothing that closes is for more than the account has; of old: it was for all
    stop_patience_s: Positive | None = 2.0  # a stop passed for so long and not filled is closed; None, of old: never


class Terms(NamedTuple):
    """At what price an order is sent, and what happens if it is not filled in time."""

    limit: Decimal | None = None  # money a share; None: at market
    timer: TimerKind | None = None
    within_s: float = 0.0


AT_MARKET = Terms()


class ExecutionPolicy:
    """What the executor asks of the way in which its orders are executed. Seconds are the venue's; None: no time-out.

    `outlives_session` says whether orders and positions go on while the bot is away, so that an account tells of them;
    `exits_unpriced` whether an exit that may not wait goes out before a price is known.
    """

    outlives_session = False
    cap_by_account = False  # what closes a position is for no more than the account has of it
    exits_unpriced = False
    retry_s = 1.0  # after the venue refused an exit or a stop
    missing_s = float("inf")  # an order that the venue does not know for so long was never placed
    answer_timeout_s: float | None = None
    look_up_s: float | None = None  # between two look-ups of an order, and two cancels
    entry_timeout_s: float | None = None  # what is left of an entry then is canceled
    stop_patience_s: float | None = None  # a stop passed for so long and not filled is closed

    def entry_terms(
        self, view: SymbolView, side: OrderSide, limit: Decimal | None = None, within_s: float | None = None
    ) -> Terms:
        """Price an entry, at `limit` at worst, which is to be filled within so many seconds, where that is said."""
        return Terms(limit)

    def exit_terms(self, view: SymbolView, side: OrderSide, tries: int, *, at_market: bool) -> Terms:
        """Price an exit that was tried so often before; `at_market` means that it may not wait for a better price."""
        return AT_MARKET

    def stop_price(self, entry_price: Decimal, side: OrderSide) -> Decimal | None:
        """Return where the protective stop of a position rests, `side` being the stop's; None: there is none."""
        return None


class SimulatedExecution(ExecutionPolicy):
    """Orders are filled in the core, which waits for liquidity and for limits by itself: nothing rests elsewhere."""


class VenueExecution(ExecutionPolicy):
    """Orders go to a venue: priced by the quote, each with a time-out, and a stop rests for what is held.

    Limits and stops are on the venue's grid, and never nearer than they were meant, but for a limit beyond 1.00 that is
    reckoned from a price below it.
    """

    outlives_session = True
    exits_unpriced = True

    def __init__(self, settings: OrderSettings) -> None:
        self._settings = settings
        self.retry_s = settings.retry_s
        self.missing_s = settings.missing_s
        self.cap_by_account = settings.cap_by_account
        self.answer_timeout_s = settings.answer_timeout_s
        self.look_up_s = settings.look_up_s
        self.entry_timeout_s: float = settings.entry_timeout_s
        self.stop_patience_s = settings.stop_patience_s

    def entry_terms(
        self, view: SymbolView, side: OrderSide, limit: Decimal | None = None, within_s: float | None = None
    ) -> Terms:
        worst = _beyond(self._settings.entry_limit_bps, view, side)
        if limit is not None:
            limit = on_grid(limit, side.opposite)  # away from the market: never worse than it was meant
            worst = limit if worst is None else side.better(worst, limit)
        return Terms(worst, TimerKind.ENTRY, self.entry_timeout_s if within_s is None else within_s)

    def exit_terms(self, view: SymbolView, side: OrderSide, tries: int, *, at_market: bool) -> Terms:
        settings = self._settings
        if at_market or tries > settings.reprices:
            return AT_MARKET
        limit = _beyond(settings.exit_limit_bps, view, side)
        return Terms(limit, TimerKind.REPRICE, settings.reprice_s) if limit is not None else AT_MARKET

    def stop_price(self, entry_price: Decimal, side: OrderSide) -> Decimal | None:
        away = Decimal(str(self._settings.protective_stop))
        # Rounded away from the entry: the stop is never nearer than it was meant.
        return on_grid(entry_price * (1 + side.sign * away), side)


def on_grid(price: Decimal, side: OrderSide) -> Decimal:
    """Round to the venue's grid (cents; below 1, hundredths of them): up for a buy, down for a sell, never to 0."""
    rounded = price.quantize(_tick(price), ROUND_CEILING if side is OrderSide.BUY else ROUND_FLOOR)
    return max(rounded, _FINE)


def _tick(price: Decimal) -> Decimal:
    return _CENT if price >= 1 else _FINE


def _beyond(bps: float, view: SymbolView, side: OrderSide) -> Decimal | None:
    """Return the worst price that an order may get, so far beyond the quote; None while there is no price at all.

    Rounding adds less than a tick at the quote. Where there is no such price, from below 1 to above it, it takes some
    away: 10 basis points beyond 0.9999 are not 1.01, a hundred of them.
    """
    quote = view.ask if side is OrderSide.BUY else view.bid
    price = Decimal(repr(view.price if quote is None else quote))
    if not price:
        return None
    worst = price * (1 + side.sign * Decimal(str(bps)) / 10_000)
    limit = on_grid(worst, side)
    return limit if abs(limit - worst) < _tick(price) else on_grid(worst, side.opposite)
