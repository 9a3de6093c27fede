"""How orders are executed: filled in the simulation, or priced, timed and guarded at a venue."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple, Protocol

from actors.actor import SymbolView
from actors.execution.pricing import OrderSettings, entry_limit, exit_limit, protective_stop
from actors.execution.timers import TimerKind
from actors.orders import OrderSide


class Terms(NamedTuple):
    """At what price an order is sent, and what happens if it is not filled in time."""

    limit: Decimal | None = None  # money a share; None: at market
    timer: TimerKind | None = None
    within_s: float = 0.0


AT_MARKET = Terms()


class ExecutionPolicy(Protocol):
    """What the executor asks of the way in which its orders are executed. Seconds are the venue's; None: no time-out.

    `outlives_session` says whether orders and positions go on while the bot is away, so that an account tells of them;
    `exits_unpriced` whether an exit that may not wait goes out before a price is known.
    """

    outlives_session: bool
    exits_unpriced: bool
    retry_s: float  # after the venue refused an exit or a stop
    missing_s: float  # an order that the venue does not know for so long was never placed
    answer_timeout_s: float | None
    look_up_s: float | None  # between two look-ups of an order, and two cancels

    def entry_terms(self, view: SymbolView, side: OrderSide) -> Terms:
        """Price an entry."""

    def exit_terms(self, view: SymbolView, side: OrderSide, tries: int, *, at_market: bool) -> Terms:
        """Price an exit that was tried so often before; `at_market` means that it may not wait for a better price."""

    def stop_price(self, entry_price: Decimal, side: OrderSide) -> Decimal | None:
        """Return where the protective stop of a position rests, `side` being the stop's; None: there is none."""


class SimulatedExecution:
    """Orders are filled in the core: at market and at once, so that nothing rests and there is nothing to wait for."""

    outlives_session = False
    exits_unpriced = False
    retry_s = 1.0
    missing_s = float("inf")
    answer_timeout_s: float | None = None
    look_up_s: float | None = None

    def entry_terms(self, view: SymbolView, side: OrderSide) -> Terms:
        return AT_MARKET

    def exit_terms(self, view: SymbolView, side: OrderSide, tries: int, *, at_market: bool) -> Terms:
        return AT_MARKET

    def stop_price(self, entry_price: Decimal, side: OrderSide) -> Decimal | None:
        return None


class VenueExecution:
    """Orders go to a venue: priced by the quote, each with a time-out, and a stop rests for what is held."""

    outlives_session = True
    exits_unpriced = True

    def __init__(self, settings: OrderSettings) -> None:
        self._settings = settings
        self.retry_s = settings.retry_s
        self.missing_s = settings.missing_s
        self.answer_timeout_s: float | None = settings.answer_timeout_s
        self.look_up_s: float | None = settings.look_up_s

    def entry_terms(self, view: SymbolView, side: OrderSide) -> Terms:
        settings = self._settings
        return Terms(entry_limit(settings, view, side), TimerKind.ENTRY, settings.entry_timeout_s)

    def exit_terms(self, view: SymbolView, side: OrderSide, tries: int, *, at_market: bool) -> Terms:
        settings = self._settings
        if at_market or tries > settings.reprices:
            return AT_MARKET
        limit = exit_limit(settings, view, side)
        return Terms(limit, TimerKind.REPRICE, settings.reprice_s) if limit is not None else AT_MARKET

    def stop_price(self, entry_price: Decimal, side: OrderSide) -> Decimal | None:
        return protective_stop(self._settings, entry_price, side)
