"""Account limits: what all symbols together may put at stake, how often, and what one of them may lose in a day."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from math import inf
from typing import NamedTuple

from msgspec import UNSET

from actors.actor import Context
from actors.book import AccountDay, Book, StrategyDay
from actors.execution.order_cache import OrdersView
from actors.messages import PositionClosed, PositionOpened, Refusal
from actors.orders import OrderRole
from actors.portfolio.positions import EXACT, PositionsView, of_session
from actors.risk.limits import LimitSettings
from pipeline.events import EPSILON

ZERO = Decimal(0)


class Verdict(NamedTuple):
    """Why an entry is refused, and the numbers; without a reason it is not."""

    reason: Refusal | None
    why: str = ""


APPROVED = Verdict(None)


class AccountLimits:
    """Refuses entries that would take the account over a limit, by name; each limit is off unless it is set.

    It counts entries under way as if they were filled, from their approval on, so that no fill takes the account over
    a limit that its approval had not. What it counts is in the book. Fractions are of equity, money is exact; profits
    that are looked at on every tick are readings.
    """

    def __init__(
        self,
        settings: LimitSettings,
        drawdown_limit: float | None,
        symbol_loss_limit: float | None,
        context: Context,
        positions: PositionsView,
        orders: OrdersView,
    ) -> None:
        self._settings = settings
        self._drawdown_limit = drawdown_limit
        self._symbol_loss_limit = symbol_loss_limit
        self._context = context
        self._positions = positions
        self._orders = orders
        self._entering: dict[str, Decimal] = {}  # money that entries were approved for, by symbol; no position yet
        self._counted: dict[str, str] = {}  # by symbol: the decision that was counted as a trade last
        self._trades = 0
        self._streak = 0
        self._streak_over = False
        self._peak = positions.equity
        self._closed: dict[str, Decimal] = {}  # the day's profit of finished trades, by symbol
        self._readings: dict[str, float] = {}  # the same, for what is looked at on every tick
        self._halted: set[str] = set()  # symbols
        self._symbol_floor = -inf  # the day's profit of a symbol at or below which it is halted
        kept = settings.trades_per_day, settings.losing_streak, drawdown_limit, symbol_loss_limit
        self._is_kept = any(limit is not None for limit in kept)  # something that the book needs

    # ------------------------------------------------------------------------------------------------- entries

    def refusal(self, quantity: Decimal, price: Decimal) -> Verdict:
        """Say whether an entry of so many shares at a price (money a share) breaks a limit, the first of them."""
        s = self._settings
        if s.losing_streak is not None and self._streak_over:
            said = f"{self._streak} losing trades in a row, limits.losing_streak is {s.losing_streak}"
            return Verdict(Refusal.LOSING_STREAK, f"{said}: no entries until the next trading day")
        under_way = len(self._entering.keys() - self._positions.open.keys())
        if s.trades_per_day is not None and self._trades + under_way >= s.trades_per_day:
            said = f"{self._trades} positions opened today and {under_way} entries under way"
            return Verdict(Refusal.TRADES_PER_DAY, f"{said}, limits.trades_per_day is {s.trades_per_day}")
        taken = len(self._entering.keys() | self._positions.open.keys())
        if s.max_positions is not None and taken >= s.max_positions:
            said = f"{taken} positions are open or being entered, limits.max_positions is {s.max_positions}"
            return Verdict(Refusal.MAX_POSITIONS, said)
        if s.max_exposure is not None:
            with localcontext(EXACT):
                exposed, added, most = self.exposure(), quantity * price, Decimal(str(s.max_exposure))
                if exposed + added > most:
                    said = f"{exposed:,.2f} at stake and {added:,.2f} more are {exposed + added:,.2f}"
                    return Verdict(Refusal.MAX_EXPOSURE, f"{said}, limits.max_exposure is {most:,.2f}")
        return APPROVED

    def exposure(self) -> Decimal:
        """Return the money at stake: positions at the last price and entries under way, long and short added up."""
        total = ZERO
        for position in self._positions.open.values():
            total += position.quantity * (self._price(position.symbol) or position.entry_price)
        counted = set(self._positions.open)
        for order in self._orders.working.values():
            price = order.request.limit or self._price(order.symbol)
            if order.role is OrderRole.ENTRY and price:
                counted.add(order.symbol)
                total += order.open * price
        return total + sum((money for symbol, money in self._entering.items() if symbol not in counted), ZERO)

    def _price(self, symbol: str) -> Decimal:
        """Return the last price; 0 where there is none yet, as after a restart."""
        return Decimal(repr(self._context.symbol_view(symbol).price))

    def entered(self, symbol: str, quantity: Decimal, price: Decimal) -> None:
        """Count an entry that was approved, of so many shares at a price, until it is a position or over."""
        self._entering[symbol] = EXACT.multiply(quantity, price)

    def over(self, symbol: str) -> None:
        """Count no entry of a symbol any more: nothing of it works, and nothing is held."""
        self._entering.pop(symbol, None)

    def opened(self, position: PositionOpened) -> None:
        """Count a position that opened; one that grew, or whose entry filled late, is the same trade."""
        symbol = position.symbol
        self._entering.pop(symbol, None)
        if self._counted.get(symbol) != position.decision:
            self._counted[symbol] = position.decision
            self._trades += 1

    # ------------------------------------------------------------------------------------------------- losses

    @property
    def floor(self) -> float:
        """The equity, open profit included, at or below which the drawdown is too deep; money."""
        return -inf if self._drawdown_limit is None else float(self._peak) * (1 + self._drawdown_limit)

    def closed(self, trade: PositionClosed) -> None:
        """Count a finished trade."""
        if trade.pnl < -EPSILON:
            self._streak += 1
            most = self._settings.losing_streak
            self._streak_over = self._streak_over or (most is not None and self._streak >= most)
        elif trade.pnl > EPSILON and not self._streak_over:
            self._streak = 0
        self._peak = max(self._peak, trade.equity)
        self._closed[trade.symbol] = self._closed.get(trade.symbol, ZERO) + trade.pnl
        self._readings[trade.symbol] = float(self._closed[trade.symbol])

    def deep(self, worth: float) -> str:
        """Say how deep the drawdown is at an equity with open profit of `worth`; empty while that is allowed."""
        if self._drawdown_limit is None or worth > self.floor + EPSILON:
            return ""
        fallen = 1 - worth / float(self._peak)
        return (
            f"{worth:,.2f} is {fallen * 100:.2f} % below the highest equity of {self._peak:,.2f}, "
            f"risk.drawdown_limit is {self._drawdown_limit:g}"
        )

    def measure_drawdown_from(self, equity: Decimal) -> None:
        """Take an equity for the highest."""
        self._peak = equity

    @property
    def halted(self) -> dict[str, str]:
        """The symbols that have lost what they may lose today, and the numbers."""
        return {symbol: self.symbol_refusal(symbol) for symbol in sorted(self._halted)}

    def symbol_refusal(self, symbol: str) -> str:
        """Say that a symbol has lost what it may lose today; empty while it has not."""
        return self._symbol_sentence(self._readings.get(symbol, 0.0)) if symbol in self._halted else ""

    def halt_if_over(self, symbol: str, position_profit: Callable[[str], float]) -> str:
        """Halt a symbol that has lost what it may lose today, and say so if that is new; called on the tick path.

        `position_profit` is that of the position in a symbol, its closed parts included; 0 without one.
        """
        if self._symbol_loss_limit is None or symbol in self._halted:
            return ""
        profit = self._readings.get(symbol, 0.0) + position_profit(symbol)
        if profit > self._symbol_floor + EPSILON:
            return ""
        self._halted.add(symbol)
        return self._symbol_sentence(profit)

    def _symbol_sentence(self, profit: float) -> str:
        return (
            f"its profit of the day was {profit:,.2f}, risk.symbol_loss_limit is {self._symbol_loss_limit:g} of the "
            f"day's first equity, {self._symbol_floor:,.2f}: no entries until the next trading day"
        )

    # ------------------------------------------------------------------------------------------- days, the book

    def measure_by(self, equity: Decimal) -> None:
        """Take fractions of the equity that the day began with."""
        if self._symbol_loss_limit is not None:
            self._symbol_floor = float(equity) * self._symbol_loss_limit

    def begin_day(self) -> None:
        """Count the day's from nothing; what was halted for it goes on."""
        self._trades = 0
        if self._streak_over:
            self._streak, self._streak_over = 0, False
        self._closed.clear()
        self._readings.clear()
        self._halted.clear()

    def to_book(self) -> AccountDay | None:
        """Return what is counted, to be written down; None without a limit that needs it."""
        if not self._is_kept:
            return None
        symbols = {symbol: StrategyDay(pnl, symbol in self._halted) for symbol, pnl in self._closed.items()}
        symbols |= {symbol: StrategyDay(ZERO, halted=True) for symbol in sorted(self._halted - symbols.keys())}
        peak = self._peak if self._drawdown_limit is not None else None
        return AccountDay(self._trades, self._streak, self._streak_over, peak, symbols)

    def restore(self, book: Book) -> None:
        """Go on with an earlier session's; a book without it is of a time when there was no such limit."""
        day = AccountDay(streak=book.tally.consecutive_losses) if book.account_day is UNSET else book.account_day
        self._trades, self._streak, self._streak_over = day.trades, day.streak, day.streak_over
        self._peak = book.tally.high if day.peak is None else day.peak
        self._closed = {symbol: found.pnl for symbol, found in day.symbols.items()}
        self._readings = {symbol: float(pnl) for symbol, pnl in self._closed.items()}
        self._halted = {symbol for symbol, found in day.symbols.items() if found.halted}
        self._counted = {held.symbol: of_session(book.name, held.decision) for held in book.positions}
        self._entering = {
            entry.order.symbol: (entry.order.quantity - entry.filled) * (entry.order.limit or ZERO)
            for entry in book.orders
            if entry.order.role is OrderRole.ENTRY and entry.order.symbol not in self._counted
        }
