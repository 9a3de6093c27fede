"""Decide a tape with the bot's own core, and keep what decisions do not tell: quotes at triggers, prices, ranges."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import floor, log10
from typing import Any

import msgspec

from actors.engine.core import Core, Input
from actors.messages import Fact, OrderFilled, OrderSubmitted, PositionClosed, PositionOpened, SignalRaised
from actors.orders import OrderRole, OrderSide, SubmitOrder
from actors.portfolio.lines import SignalLine, TradeLine
from pipeline.events import SECOND, Side, Trade as Tick
from research.report.gathered import Bars, Costs, Trade

MOST_BARS = 20_000
"""Prices that are kept of a symbol; of more, only every second, fifth ... second's last."""
_WIDTHS = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400)
_NEVER = 1 << 62
_KEPT = 65_536  # ticks of a symbol that are held at once, for the ranges of open positions


class _Way(msgspec.Struct):
    """The fills of one decision beside their triggers, in money, added up."""

    spread: float = 0.0
    slippage: float = 0.0
    held: Decimal = Decimal(0)  # shares bought less sold
    is_quoted: bool = False  # of one fill at least
    is_all_quoted: bool = True
    is_known: bool = True


class _Quoted(msgspec.Struct, frozen=True):
    middle: float
    half: float | None  # of the spread


class Ways:
    """Follows each decision's orders and fills, and says at its end where the money went."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._signals: dict[str, _Quoted] = {}  # by decision
        self._orders: dict[str, tuple[_Quoted, str]] = {}  # by id: the trigger, and the decision
        self._ways: dict[str, _Way] = {}

    def _quote(self, symbol: str) -> _Quoted | None:
        context = self._core.contexts.get(symbol)
        if context is None or not context.price:
            return None
        if context.bid is None or context.ask is None:
            return _Quoted(context.price, None)
        return _Quoted((context.bid + context.ask) / 2, (context.ask - context.bid) / 2)

    def signal(self, fact: SignalRaised) -> None:
        """Note the quote that a signal was raised at."""
        seen = self._quote(fact.signal.symbol)
        if fact.approved and seen is not None:
            self._signals[fact.decision] = seen

    def ordered(self, order: SubmitOrder) -> None:
        """Note the quote at the trigger of an order: of its signal, else now; a stop's trigger is its own price."""
        if order.stop is not None:
            self._orders[order.id] = _Quoted(float(order.stop), None), order.decision
            return
        seen = self._quote(order.symbol)
        if order.role is OrderRole.ENTRY:
            seen = self._signals.get(order.decision, seen)
        if seen is not None:
            self._orders[order.id] = seen, order.decision

    def filled(self, fact: OrderFilled) -> None:
        """Add a fill to its decision's way."""
        done = fact.execution
        way = self._ways.setdefault(fact.decision, _Way())
        trigger = self._orders.get(done.order)
        if trigger is None or done.undone:
            way.is_known = False
            return
        seen, quantity = trigger[0], float(done.quantity)
        sign = 1 if done.side is OrderSide.BUY else -1
        way.held += done.quantity * sign
        beyond = sign * (float(done.price) - seen.middle) * quantity
        half = (seen.half or 0.0) * quantity
        way.spread += half
        way.slippage += beyond - half
        way.is_quoted = way.is_quoted or seen.half is not None
        way.is_all_quoted = way.is_all_quoted and seen.half is not None

    def closed(self, fact: PositionClosed) -> Costs | None:
        """Return where the money of a finished trade went; None where a fill or its trigger is not known.

        Where no quote is known of one of its triggers, as of a stop's, what the spread cost there is in the slippage:
        a trade that a stop closed stays among the others.
        """
        way = self._ways.pop(fact.decision, None)
        self._signals.pop(fact.decision, None)
        self._orders = {name: found for name, found in self._orders.items() if found[1] != fact.decision}
        if way is None or not way.is_known or way.held:
            return None
        net, fees, value = float(fact.pnl), float(fact.fees), float(fact.entry_price * fact.quantity)
        spread = _plain(way.spread, value) if way.is_quoted else None
        slippage = _plain(way.slippage, value)
        gross = _plain(net + fees + slippage + (spread or 0.0), value)
        return Costs(gross, spread, slippage, fees, net, way.is_all_quoted)


class _Open(msgspec.Struct):
    """An open position: the input and the time that opened it, and its range so far."""

    since: int
    entry_ts: int
    low: float = float("inf")
    high: float = float("-inf")

    def see(self, found: tuple[float, float] | None) -> None:
        """Take the lowest and highest of some prices in."""
        if found is not None:
            self.low, self.high = min(self.low, found[0]), max(self.high, found[1])

    def excursions(self, entry: float, side: Side) -> tuple[float, float]:
        """Return how far the price went against and for the position, as fractions of its entry price."""
        if self.low > self.high:
            return 0.0, 0.0
        down, up = self.low / entry - 1, self.high / entry - 1
        against, along = (down, up) if side is Side.LONG else (-up, -down)
        return min(against, 0.0) + 0.0, max(along, 0.0) + 0.0


def _plain(money: float, value: float) -> float:
    """Return money without the noise of sums of floats, and without a sign before nothing.

    Of an entry worth a millionth, a billionth is ten basis points: twelve digits of the entry's value stay.
    """
    return round(money, max(9, 12 - floor(log10(value)))) + 0.0


class _Prices:
    """The accepted prices of one symbol: the newest as they came, all of them as bars."""

    def __init__(self) -> None:
        self.inputs = array("q")  # numbers of the inputs
        self.times = array("q")
        self.prices = array("d")
        self.bars = Bars()
        self.last_ts = 0

    def take(self, number: int, tick: Tick) -> None:
        """Add a tick; one that is late was not used."""
        if tick.ts < self.last_ts:
            return
        self.last_ts = tick.ts
        self.inputs.append(number)
        self.times.append(tick.ts)
        self.prices.append(tick.price)
        bars = self.bars
        second = tick.ts // SECOND
        second -= second % bars.width_s
        if bars.seconds and bars.seconds[-1] == second:
            bars.prices[-1] = tick.price
            return
        bars.seconds.append(second)
        bars.prices.append(tick.price)
        if len(bars.seconds) > MOST_BARS:
            widen(bars, next((width for width in _WIDTHS if width > bars.width_s), bars.width_s * 2))

    def range(self, held: _Open, upto: int, until_ts: int) -> tuple[float, float] | None:
        """Return the lowest and highest price from a position's entry up to an input and a time; None without one.

        A timer that fires on the way to a tick acts before it: such a tick is of what came after.
        """
        first, end = bisect_left(self.inputs, held.since), bisect_right(self.inputs, upto)
        if first < end and self.inputs[first] == held.since and self.times[first] <= held.entry_ts:
            first += 1
        if first < end and self.times[end - 1] > until_ts:
            end -= 1
        seen = self.prices[first:end]
        return (min(seen), max(seen)) if seen else None

    def forget(self) -> None:
        """Let go of the ticks as they came; the bars stay."""
        del self.inputs[:], self.times[:], self.prices[:]


def widen(bars: Bars, width_s: int) -> None:
    """Make bars wider: the last price of each remains."""
    kept: dict[int, float] = {}
    for second, price in zip(bars.seconds, bars.prices, strict=True):
        kept[second - second % width_s] = price
    bars.width_s, bars.seconds, bars.prices = width_s, list(kept), list(kept.values())


class Watch:
    """Feeds a core, and keeps trades with costs and ranges, signals and bars.

    Attributes:
        trades: Finished trades, in their order.
        signals: Signals, in their order.
    """

    def __init__(self) -> None:
        self.trades: list[Trade] = []
        self.signals: list[SignalLine] = []
        self._prices: dict[str, _Prices] = {}
        self._open: dict[str, _Open] = {}
        self._closed: list[tuple[PositionClosed, Costs | None, _Open | None]] = []
        self._ways: Ways | None = None
        self._number = 0  # of inputs that were fed

    @property
    def bars(self) -> dict[str, Bars]:
        """The last prices by symbol."""
        return {symbol: prices.bars for symbol, prices in self._prices.items()}

    def begin(self, core: Core) -> None:
        """Follow this core from its first input on; `see` is to be told each of its facts."""
        self._ways = Ways(core)

    def see(self, fact: Fact) -> None:
        """Take a fact at the moment at which it is stated."""
        ways = self._ways
        if ways is None:
            return
        match fact:
            case SignalRaised():
                ways.signal(fact)
                self.signals.append(SignalLine.of(fact))
            case OrderSubmitted(order=order):
                ways.ordered(order)
            case OrderFilled():
                ways.filled(fact)
            case PositionOpened():
                self._open[fact.symbol] = _Open(fact.input, fact.entry_ts)
            case PositionClosed():
                self._closed.append((fact, ways.closed(fact), self._open.pop(fact.symbol, None)))

    def fed(self, batch: Sequence[Input]) -> None:
        """Take a batch that the core has just dealt with."""
        number = self._number
        for event in batch:
            number += 1
            if type(event) is Tick:
                prices = self._prices.get(event.symbol)
                if prices is None:
                    prices = self._prices[event.symbol] = _Prices()
                prices.take(number, event)
        self._number = number
        self._finish_trades()
        if any(len(prices.inputs) > _KEPT for prices in self._prices.values()) or not self._open:
            self._forget()

    def _finish_trades(self) -> None:
        for fact, costs, held in self._closed:
            worst = best = None
            prices = self._prices.get(fact.symbol)
            if held is not None and prices is not None:
                held.see(prices.range(held, fact.input, fact.exit_ts))
                worst, best = held.excursions(float(fact.entry_price), fact.side)
            self.trades.append(Trade(TradeLine.of(fact), costs, worst, best))
        self._closed.clear()

    def _forget(self) -> None:
        """Fold what open positions saw so far into their ranges, and let the ticks go."""
        for symbol, held in self._open.items():
            if symbol in self._prices:
                held.see(self._prices[symbol].range(held, self._number, _NEVER))
        for prices in self._prices.values():
            prices.forget()


def open_positions(core: Core) -> list[dict[str, Any]]:
    """Describe what a core still holds, at its last prices."""
    found = []
    for symbol, held in core.positions.open.items():
        context = core.contexts.get(symbol)
        entry, quantity = float(held.entry_price), float(held.quantity)
        price = context.price if context is not None and context.price else entry
        sign = 1 if held.side is Side.LONG else -1
        found.append(
            {
                "symbol": symbol,
                "side": str(held.side),
                "quantity": quantity,
                "entry_ts": held.entry_ts,
                "entry_price": entry,
                "price": price,
                "open_pnl": sign * (price - entry) * quantity,
            }
        )
    return found


def watched(core: Core, batches: Iterable[Sequence[Input]], watch: Watch) -> dict[str, object]:
    """Feed batches to a core that is watched, to the end; return its summary."""
    for batch in batches:
        core.run(batch)
        watch.fed(batch)
    core.finish()
    return core.summary()
