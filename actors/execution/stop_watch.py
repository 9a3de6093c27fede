"""The stop watch: whether the protective stops at the venue still do what they are there for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from actors.actor import Context, Port, assert_known
from actors.execution.messages import OrderTimer, TimerKind
from actors.execution.order_cache import Order, OrdersView
from actors.messages import ExitReason, PositionClosed, PositionOpened, StopPassed
from actors.orders import AccountReport, OrderRole
from actors.portfolio.positions import Position
from pipeline.events import SECOND
from pipeline.exits import ExitSignal

RENEW_NS = 24 * 3600 * SECOND
"""How long before the venue lets a stop expire it is placed again."""


class LookAtStop(msgspec.Struct, frozen=True):
    """Look at the protective stop of a symbol's position."""

    symbol: str


WatchMessage = PositionOpened | PositionClosed | LookAtStop | AccountReport


class StopWatch:
    """The actor that looks at the stop of each open position, twice in `patience_s`.

    A stop that the price has passed for `patience_s` and that rests all the same protects nothing: at Alpaca a buy stop
    is a limit order from then on, 2.5 or 4 % above its stop, and a price beyond that leaves it where it is. So the
    executor is told to leave, who takes the stop back before it sends an exit: nothing is closed twice. The price is
    the last trade's, and the account's own where two of its readings agree, for a feed that is down. While the market
    is closed (`is_open`) the price elects no stop.

    A stop that the venue lets expire within a day is taken back; the executor places another for what is held.
    """

    def __init__(
        self,
        context: Context,
        patience_s: float,
        positions: Mapping[str, Position],
        orders: OrdersView,
        is_open: Callable[[int], bool],
        tell_executor: Port[ExitSignal | OrderTimer],
    ) -> None:
        self._context = context
        self._patience = round(patience_s * SECOND)
        self._positions = positions
        self._orders = orders
        self._is_open = is_open
        self._tell_executor = tell_executor
        self._watched: set[str] = set()  # symbols for which a look is due
        # By order and by whether the account told the price: since when (ns) it is beyond the stop.
        self._passed: dict[tuple[str, bool], int] = {}

    def receive(self, message: WatchMessage) -> None:
        match message:
            case PositionOpened():
                if message.symbol not in self._watched:
                    self._watched.add(message.symbol)
                    self._look_later(message.symbol)
            case LookAtStop():
                self._look(message.symbol)
            case AccountReport():
                for held in message.positions:
                    stop = self._stop_of(held.symbol)
                    if stop is not None and held.price:
                        self._judge(stop, held.price, of_account=True)
            case PositionClosed():
                pass  # the next look finds that there is nothing to look at
            case _:
                assert_known(self, message)

    def _look_later(self, symbol: str) -> None:
        self._context.wake(self, LookAtStop(symbol), self._context.now + self._patience // 2)

    def _look(self, symbol: str) -> None:
        if symbol not in self._positions:
            self._watched.discard(symbol)
            self._passed = {key: since for key, since in self._passed.items() if key[0] in self._orders.working}
            return
        self._look_later(symbol)
        stop = self._stop_of(symbol)
        if stop is None:
            return
        price = self._context.symbol_view(symbol).price
        self._judge(stop, Decimal(repr(price)), of_account=False)
        if stop.expires_at and self._context.now >= stop.expires_at - RENEW_NS:
            self._tell_executor(OrderTimer(TimerKind.RENEW, stop.id, stop.changes))

    def _stop_of(self, symbol: str) -> Order | None:
        """Return the stop that guards a position; None without one, and for one that is being taken back."""
        if symbol not in self._positions:
            return None
        stops = (o for o in self._orders.working.values() if o.symbol == symbol and o.role is OrderRole.STOP)
        return next((order for order in stops if not order.unwanted), None)

    def _judge(self, order: Order, price: Decimal, *, of_account: bool) -> None:
        """Have the position closed if its stop has been passed for long enough; `price` is 0 where none is known."""
        now, stop, key = self._context.now, order.request.stop, (order.id, of_account)
        if stop is None or not price or not order.request.side.has_reached(price, stop) or not self._is_open(now):
            self._passed.pop(key, None)
            return
        if now - self._passed.setdefault(key, now) < self._patience:
            return
        del self._passed[key]
        symbol, decision, number = order.symbol, order.request.decision, self._context.input
        self._context.publish(StopPassed(symbol, order.id, stop, order.limit, price, now, decision, number))
        self._tell_executor(ExitSignal(symbol, ExitReason.STOP))
