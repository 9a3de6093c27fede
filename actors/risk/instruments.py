"""Instruments: the steps in which a symbol's price and quantity move, and what money can carry of it in simulation."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from actors.actor import Context, SymbolView
from actors.execution.order_cache import OrdersView
from actors.messages import Refusal
from actors.orders import OrderRole, OrderSide
from actors.portfolio.fee_rates import is_crypto
from actors.portfolio.positions import PositionsView
from pipeline.events import EPSILON, Side

_CENT, _FINE = Decimal("0.01"), Decimal("0.0001")  # of a US stock: from one dollar, and below (SEC Rule 612)
_MARGIN_EQUITY = 2_000.0  # money, below which nothing may be borrowed, neither money nor shares (FINRA 4210)
_SHORT_SURCHARGE = 1.03  # of the ask: what Alpaca takes a short sale to need
_STOCK_LEVERAGE, _NONE = 4.0, 1.0  # intraday; crypto is paid in full

Step = Annotated[float, Meta(gt=0)]


class Instrument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of [execution.instruments]: what is left out is that of a US stock, or of a crypto pair (BTC/USD)."""

    tick: Step | None = None  # money; None: of a stock a cent, below $1 a hundredth of it; of a pair none
    lot: Step | None = None  # the least quantity, and the step; None: any
    leverage: Annotated[float, Meta(ge=1, le=10)] | None = None  # money of positions a unit of equity carries


class Instruments:
    """The rules of every symbol, from a table where it names them."""

    def __init__(self, table: Mapping[str, Instrument]) -> None:
        self._ticks = {symbol: Decimal(str(it.tick)) for symbol, it in table.items() if it.tick}
        self._lots = {symbol: Decimal(str(it.lot)) for symbol, it in table.items() if it.lot}
        self._leverage = {symbol: it.leverage for symbol, it in table.items() if it.leverage}

    def on_tick(self, symbol: str, price: Decimal, side: OrderSide, limit: Decimal | None = None) -> Decimal:
        """Move a fill's price to the next step against who trades, but never past the order's limit."""
        step = self._ticks.get(symbol)
        if step is None:
            if is_crypto(symbol):
                return price
            step = _CENT if price >= 1 else _FINE
        buys = side is OrderSide.BUY
        moved = (price / step).to_integral_value(ROUND_CEILING if buys else ROUND_FLOOR) * step
        if limit is not None and side.better(moved, limit) == limit != moved:
            moved = (limit / step).to_integral_value(ROUND_FLOOR if buys else ROUND_CEILING) * step
        return moved if moved > 0 else step

    def lot(self, symbol: str) -> Decimal | None:
        """Return the step of quantities; None: there is none."""
        return self._lots.get(symbol)

    def leverage(self, symbol: str, equity: float) -> float:
        """Return how much of a symbol a unit of equity carries."""
        if (named := self._leverage.get(symbol)) is not None:
            return named
        return _NONE if is_crypto(symbol) or equity < _MARGIN_EQUITY else _STOCK_LEVERAGE


class SimulatedAccount:
    """What an account with the book's equity could not carry, where no broker says so.

    Like Alpaca, it takes a buy at the ask, a short sale 3 % above it, and counts what is ordered like what is held.
    """

    def __init__(
        self, context: Context, positions: PositionsView, orders: OrdersView, instruments: Instruments
    ) -> None:
        self._context = context
        self._positions = positions
        self._orders = orders
        self._instruments = instruments

    def refusal(self, view: SymbolView, side: Side, quantity: Decimal) -> Refusal | None:
        """Return why an entry would not be taken, or None."""
        lot = self._instruments.lot(view.symbol)
        if lot is not None and quantity % lot:
            return Refusal.LOT_SIZE
        used, equity = self._used()
        if side is Side.SHORT and (is_crypto(view.symbol) or equity < _MARGIN_EQUITY):
            return Refusal.NOT_SHORTABLE
        price = view.price if view.ask is None else view.ask
        value = float(quantity) * price * (_SHORT_SURCHARGE if side is Side.SHORT else 1.0)
        if used + value / self._instruments.leverage(view.symbol, equity) > equity + EPSILON:
            return Refusal.BUYING_POWER
        return None

    def _used(self) -> tuple[float, float]:
        """Return what of the equity positions and working entries need, and the equity itself, open profit included."""
        held: list[tuple[str, float]] = []
        equity = self._positions.equity_reading
        for symbol, position in self._positions.open.items():
            price = self._context.symbol_view(symbol).price or position.price_held
            equity += position.open_profit(price)
            held.append((symbol, abs(position.signed_held) * price))
        for order in self._orders.working.values():
            if order.role is OrderRole.ENTRY:
                limit = order.request.limit
                price = float(limit) if limit is not None else self._context.symbol_view(order.symbol).price
                held.append((order.symbol, float(order.open) * price))
        return sum(value / self._instruments.leverage(symbol, equity) for symbol, value in held), equity
