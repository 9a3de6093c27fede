"""The simulated broker: fills inside the core, and answers by reports like any other broker."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Context as DecimalContext, Decimal
from random import Random
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta

from actors.actor import Actor, Context, UnknownMessage
from actors.orders import (
    CancelOrder,
    Execution,
    OrderRejected,
    OrderReport,
    OrderRole,
    OrderSide,
    OrderStatus,
    SubmitOrder,
)
from actors.portfolio.fees import FeeModel
from actors.risk.instruments import Instrument, Instruments
from pipeline.events import SECOND, Trade

_PRICE = DecimalContext(prec=15, rounding=ROUND_HALF_EVEN)
"""A fill's price is exact from here on: the float that was quoted, times the slippage, to 15 digits, half-even."""

ZERO = Decimal(0)
_MILLISECOND = SECOND // 1000
_DIGITS = 6  # of a random slippage in basis points: beyond them, two machines' logarithms need not agree
_MOST = Decimal("0.99")  # fraction of the price that chance and impact may cost: a sale never pays for being made
_PARTS = 1_000_000  # of a share that is ordered in fractions

Milliseconds = Annotated[float, Meta(ge=0, le=60_000)]
Points = Annotated[float, Meta(ge=0, lt=10_000)]


def price_after(quoted: float, factor: Decimal) -> Decimal:
    """Return the exact price of a fill: the one quoted times what slippage makes of it, to 15 digits."""
    return _PRICE.multiply(Decimal(repr(quoted)), factor)


class ExecutionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[execution]: what a simulated fill costs, how long it takes, and how much of it there is. Times are the venue's.

    With `liquidity = "displayed"`, an order is filled as others trade: by at most `participation` of the volume that
    was traded in the symbol since it arrived, in whole shares (an order for a fraction: in millionths). Whatever of an
    entry is not filled within `patience_s` is canceled; the rest of an exit then goes at market, for `impact_bps` more.
    An entry with a limit of its own waits as long for a trade at which that can be had; one whose signal says how long
    it is good waits until then, and no longer.
    """

    fill: Literal["quote", "last"] = "quote"  # buy at the ask and sell at the bid, or at the last price
    slippage_bps: Points = 0.0  # basis points against us, at entry and exit; their mean, if they are random
    fee_per_share: Annotated[float, Meta(ge=0)] = 0.0  # money a share, at entry and exit
    fee_bps: Points = 0.0  # basis points of a fill's value, at entry and exit
    maker_fee_bps: Points | None = None  # the same where an order rested until others traded with it; None: as fee_bps
    fees: Literal["none", "alpaca"] = "none"  # alpaca: what its schedule charges comes on top, at a venue as well
    venue_rules: bool = False  # ticks, lots and buying power hold in simulation; with `instruments` they do anyway
    instruments: dict[str, Instrument] = {}  # by symbol, where it is no US stock like others
    slippage_model: Literal["fixed", "random"] = "fixed"  # random: half-normal, drawn afresh for each fill
    latency_ms: Milliseconds = 0.0  # between an order and its fill
    latency_jitter_ms: Milliseconds = 0.0  # mean of what comes on top of it, exponential, fresh for each order
    liquidity: Literal["unlimited", "displayed"] = "unlimited"
    participation: Annotated[float, Meta(gt=0, le=1)] = 0.1  # fraction of the volume
    patience_s: Annotated[float, Meta(gt=0, le=86_400)] = 3.0
    impact_bps: Points = 5.0
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 7  # with an order's id, it fixes all that is random about it

    @property
    def fee_model(self) -> FeeModel:
        """What a fill costs."""
        taker = Decimal(str(self.fee_bps)) / 10_000
        maker = taker if self.maker_fee_bps is None else Decimal(str(self.maker_fee_bps)) / 10_000
        return FeeModel(Decimal(str(self.fee_per_share)), taker, maker, self.fees == "alpaca")

    @property
    def rules(self) -> Instruments | None:
        """The rules that hold for fills and entries in simulation; None: there are none."""
        return Instruments(self.instruments) if self.venue_rules or self.instruments else None


class _Arrive(msgspec.Struct, frozen=True):
    """An order has reached the market."""

    order: str


class _LosePatience(msgspec.Struct, frozen=True):
    """An order has waited long enough for others to trade."""

    order: str


class _Waiting(msgspec.Struct, eq=False):
    """An order that is on its way, or waits for others to trade."""

    order: SubmitOrder
    random: Random  # of this order alone: leaving one out changes no other
    over_by: int  # ns: filled, canceled or rejected by then
    arrived: bool = False
    rests: bool = False  # at its limit, which nothing reached when it arrived: a maker
    volume: Decimal = ZERO  # shares traded since it arrived, ours apart
    filled: Decimal = ZERO
    value: Decimal = ZERO  # money paid or got for them
    fills: int = 0


class SimulatedBroker:
    """The actor that fills market orders: whole and at once, unless the settings model how real ones fare.

    A buy fills at the ask, a sell at the bid in force at the fill; with no quote yet, or `fill = "last"`, at the last
    price; slippage moves each of them against us. A cancel is heard at once, also where an order takes its time.
    """

    def __init__(self, settings: ExecutionSettings, context: Context, executor: Actor) -> None:
        self._settings = settings
        self._context = context
        self._executor = executor
        self._at_quote = settings.fill == "quote"
        slippage = Decimal(str(settings.slippage_bps)) / 10_000
        self._factor = {OrderSide.BUY: 1 + slippage, OrderSide.SELL: 1 - slippage}
        self._chance = settings.slippage_model == "random" and settings.slippage_bps > 0
        self._limited = settings.liquidity == "displayed"
        self._at_once = not (self._chance or self._limited or settings.latency_ms or settings.latency_jitter_ms)
        self._participation = Decimal(str(settings.participation))
        self._waiting: dict[str, _Waiting] = {}  # by order, oldest first
        self._rules = settings.rules

    @property
    def over_by(self) -> int:
        """When the last of the orders that wait is over, in ns; 0 without one."""
        return max((waiting.over_by for waiting in self._waiting.values()), default=0)

    def receive(self, message: object) -> None:
        match message:
            case SubmitOrder() if self._at_once and message.limit is None:
                self._fill(message, message.quantity, 1, self._factor[message.side])
            case SubmitOrder():
                self._take(message)
            case Trade():
                self._on_trade(message)
            case _Arrive(order):
                self._on_arrival(order)
            case _LosePatience(order):
                self._on_patience_lost(order)
            case CancelOrder(order):
                self._cancel(order)
            case _:
                raise UnknownMessage(self, message)

    def _price_for(self, order: SubmitOrder) -> float:
        """Return what an order would trade at now, without slippage; 0 while there is no price."""
        view = self._context.symbol_view(order.symbol)
        quote = (view.ask if order.side is OrderSide.BUY else view.bid) if self._at_quote else None
        return view.price if quote is None else quote

    def _within_limit(self, order: SubmitOrder) -> bool:
        """Whether an order can be filled now without getting a worse price than its limit."""
        return order.limit is None or order.side.sign * (Decimal(repr(self._price_for(order))) - order.limit) <= 0

    def _fill(
        self, order: SubmitOrder, quantity: Decimal, number: int, factor: Decimal, *, maker: bool = False
    ) -> Decimal | None:
        """Fill some of an order now, and return the price; None if there was none, and it was rejected."""
        price = self._price_for(order)
        if not price > 0:
            report = OrderRejected(order.id, order.symbol, self._context.now, "no price seen yet")
            self._context.tell(self._executor, report)
            return None
        exact = price_after(price, factor)
        if order.limit is not None:
            exact = order.side.better(exact, order.limit)
        if self._rules is not None:
            exact = self._rules.on_tick(order.symbol, exact, order.side, order.limit)
        execution_id, ts = f"{order.id}/{number}", self._context.now
        rested = maker or UNSET
        execution = Execution(execution_id, order.id, order.symbol, order.side, quantity, exact, ts, rested)
        self._context.tell(self._executor, execution)
        return exact

    # ------------------------------------------------------------------------------------ orders that wait

    def _take(self, order: SubmitOrder) -> None:
        """Send an order on its way."""
        s = self._settings
        random = Random(f"{s.seed}:{order.id}")
        jitter = random.expovariate(1.0) * s.latency_jitter_ms  # drawn in any case, so that what follows is the same
        arrives = self._context.now + round((s.latency_ms + jitter) * _MILLISECOND)
        patience = round(s.patience_s * SECOND) if self._limited or order.limit is not None else 0
        self._waiting[order.id] = waiting = _Waiting(order, random, order.until or arrives + patience)
        if order.until:
            self._context.wake(self, _LosePatience(order.id), waiting.over_by)
        if arrives > self._context.now:
            self._context.wake(self, _Arrive(order.id), arrives)
        else:
            self._on_arrival(order.id)

    def _on_arrival(self, order_id: str) -> None:
        waiting = self._waiting.get(order_id)
        if waiting is None:
            return  # canceled on its way
        if not self._limited and self._within_limit(waiting.order):
            self._fill_some(waiting, waiting.order.quantity)
            return
        waiting.arrived = True
        waiting.rests = not self._within_limit(waiting.order)
        self._context.listen(waiting.order.symbol, self)
        if not waiting.order.until:
            self._context.wake(self, _LosePatience(order_id), waiting.over_by)

    def _on_trade(self, trade: Trade) -> None:
        """Fill what others' trade brings; that of the tick at which an order arrives was over before."""
        for waiting in [each for each in self._waiting.values() if each.order.symbol == trade.symbol and each.arrived]:
            order = waiting.order
            if not self._within_limit(order):
                continue
            if not self._limited:
                self._fill_some(waiting, order.quantity)
                continue
            waiting.volume += Decimal(repr(trade.size))
            share = min(self._participation * waiting.volume, order.quantity)
            if share < order.quantity:
                lot = self._rules.lot(order.symbol) if self._rules is not None else None
                if lot is None:
                    parts = 1 if order.quantity == order.quantity.to_integral_value() else _PARTS
                    share = Decimal(int(share * parts)) / parts
                else:
                    share -= share % lot
            if share > waiting.filled:
                self._fill_some(waiting, share - waiting.filled)

    def _on_patience_lost(self, order_id: str) -> None:
        waiting = self._waiting.get(order_id)
        if waiting is None:
            return
        if waiting.order.role is OrderRole.ENTRY:
            self._cancel(order_id, "not filled in time")
        else:
            extra = Decimal(str(self._settings.impact_bps)) / 10_000
            self._fill_some(waiting, waiting.order.quantity - waiting.filled, extra)

    def _cancel(self, order_id: str, reason: str = "") -> None:
        waiting = self._waiting.get(order_id)
        if waiting is None:
            return  # filled, or never heard of
        self._end(waiting)
        order = waiting.order
        average = _PRICE.divide(waiting.value, waiting.filled) if waiting.filled else None
        self._context.tell(
            self._executor,
            OrderReport(
                order.id,
                order.symbol,
                order.side,
                OrderStatus.CANCELED,
                order.quantity,
                waiting.filled,
                average,
                self._context.now,
                reason=reason,
            ),
        )

    def _fill_some(self, waiting: _Waiting, quantity: Decimal, extra: Decimal = ZERO) -> None:
        """Fill some of an order that waited; `extra` is a further fraction of the price against us."""
        order = waiting.order
        waiting.fills += 1
        maker = waiting.rests and order.limit is not None
        price = self._fill(order, quantity, waiting.fills, self._factor_of(waiting, extra), maker=maker)
        if price is None:
            self._end(waiting)
            return
        waiting.filled += quantity
        waiting.value += quantity * price
        if waiting.filled == order.quantity:
            self._end(waiting)

    def _factor_of(self, waiting: _Waiting, extra: Decimal) -> Decimal:
        """Return what a fill's price is multiplied by. A half-normal of mean m is |N(0, m sqrt(pi/2))|."""
        side = waiting.order.side
        if not self._chance and not extra:
            return self._factor[side]
        points = Decimal(str(self._settings.slippage_bps))
        if self._chance:
            deviation = self._settings.slippage_bps * math.sqrt(math.pi / 2)
            points = Decimal(str(round(abs(waiting.random.gauss(0.0, deviation)), _DIGITS)))
        return 1 + side.sign * min(points / 10_000 + extra, _MOST)

    def _end(self, waiting: _Waiting) -> None:
        """Forget an order, and listen to its symbol no more if it was the last one there."""
        del self._waiting[waiting.order.id]
        symbol = waiting.order.symbol
        if waiting.arrived and not any(each.order.symbol == symbol and each.arrived for each in self._waiting.values()):
            self._context.listen(symbol, None)
