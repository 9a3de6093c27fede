"""How orders are executed: filled in the simulation, or priced, timed and guarded at a venue."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple, Protocol

from actors.actor import Instrument
from actors.execution.pricing import OrderSettings, entry_limit, exit_limit, protective_stop
from actors.execution.retries import wait_s
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

    `outlives_session` says whether orders and positions go on while the bot is away, so that an account tells of them.
    """

    outlives_session: bool
    retry_s: float  # after the venue refused an exit or a stop
    missing_s: float  # an order that the venue does not know for so long was never placed
    answer_timeout_s: float | None
    look_up_s: float | None

    def entry_terms(self, market: Instrument, side: OrderSide) -> Terms:
        """Price an entry."""

    def exit_terms(self, market: Instrument, side: OrderSide, tries: int, *, at_market: bool) -> Terms:
        """Price an exit that was tried so often before; `at_market` means that it may not wait for a better price."""

    def stop_price(self, entry_price: Decimal, side: OrderSide) -> Decimal | None:
        """Return where the protective stop of a position rests, `side` being the stop's; None: there is none."""

    def needs_price(self, *, at_market: bool) -> bool:
        """Tell whether an exit has to wait until a price is known."""

    def cancel_again_s(self, cancels: int) -> float:
        """Return how long to wait before an order is canceled again that was canceled so often."""


class SimulatedExecution:
    """Orders are filled in the core: at market and at once, so that nothing rests and there is nothing to wait for."""

    outlives_session = False
    retry_s = 1.0
    missing_s = float("inf")
    answer_timeout_s: float | None = None
    look_up_s: float | None = None

    def entry_terms(self, market: Instrument, side: OrderSide) -> Terms:
        return AT_MARKET

    def exit_terms(self, market: Instrument, side: OrderSide, tries: int, *, at_market: bool) -> Terms:
        return AT_MARKET

    def stop_price(self, entry_price: Decimal, side: OrderSide) -> Decimal | None:
        return None

    def needs_price(self, *, at_market: bool) -> bool:
        return True

    def cancel_again_s(self, cancels: int) -> float:
        return 0.0


class VenueExecution:
    """Orders go to a venue: priced by the quote, each with a time-out, and a stop rests for what is held."""

    outlives_session = True

    def __init__(self, settings: OrderSettings) -> None:
        self._settings = settings
        self.retry_s = settings.retry_s
        self.missing_s = settings.missing_s
        self.answer_timeout_s: float | None = settings.answer_timeout_s
        self.look_up_s: float | None = settings.look_up_s

    def entry_terms(self, market: Instrument, side: OrderSide) -> Terms:
        settings = self._settings
        return Terms(entry_limit(settings, market, side), TimerKind.ENTRY, settings.entry_timeout_s)

    def exit_terms(self, market: Instrument, side: OrderSide, tries: int, *, at_market: bool) -> Terms:
        settings = self._settings
        if at_market or tries > settings.reprices:
            return AT_MARKET
        limit = exit_limit(settings, market, side)
        return Terms(limit, TimerKind.REPRICE, settings.reprice_s) if limit is not None else AT_MARKET

    def stop_price(self, entry_price: Decimal, side: OrderSide) -> Decimal | None:
        return protective_stop(self._settings, entry_price, side)

    def needs_price(self, *, at_market: bool) -> bool:
        return not at_market

    def cancel_again_s(self, cancels: int) -> float:
        return wait_s(self._settings.look_up_s, cancels)
