"""How well orders fare: each stage's time and the slippage, beside what the simulator takes them to be.

All that is measured of an order but its receipt is made of times that are recorded inputs already, so a calibration of
the session's recording finds the same. None of it goes back into the core.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from statistics import fmean, median, stdev
from typing import Any

import msgspec
from loguru import logger

from actors.brokers.simulated import ExecutionSettings
from actors.engine.core import Core
from actors.gateway.journal import OrderMeasured
from actors.messages import Fact, OrderChanged, OrderFilled, OrderSubmitted
from actors.orders import OVER, OrderRole, OrderStatus
from pipeline.venue_clock import VenueClock
from service.live.session import Session
from service.order_course import MEASURES, MS, Fill, LiveOrder, latencies, percentiles, shortfalls
from service.settings import LIVE_COSTS, Settings
from web.messages import ExecutionParted

ENOUGH = 20
"""Orders of a symbol from which on they are held against what the simulator assumes."""

_KEPT = 1_000  # values of a measure, and orders, of a symbol
_MOST_SYMBOLS = 200
_MOST_OPEN = 1_000
_CLEARLY_MS = 20.0  # beyond half or twice what is assumed
_CLEARLY_BPS = 1.0
_SURE = 3.0  # standard errors


class _Course(msgspec.Struct):
    """An order that is not over yet."""

    live: LiveOrder
    decision: str
    received_ns: int | None  # venue time at which the tick came that it was decided at
    decided_ms: float | None  # real ms from there to the decision
    tick_ts: int
    accepted_ts: int | None = None  # when it was heard of, as the next
    filled_ts: int | None = None


class _OfSymbol:
    """What the orders of one symbol came to."""

    def __init__(self) -> None:
        self.values: dict[str, deque[float]] = {name: deque(maxlen=_KEPT) for name in MEASURES}
        self.orders = 0
        self.courses: deque[LiveOrder] = deque(maxlen=_KEPT)

    def add(self, measured: OrderMeasured, live: LiveOrder) -> None:
        self.orders += 1
        if live.fills:
            self.courses.append(live)
        for name, kept in self.values.items():
            if (value := getattr(measured, name)) is not None:
                kept.append(value)


def assumed_by(settings: Settings, *, at_broker: bool) -> ExecutionSettings:
    """Return what a simulated fill costs: at a broker, what `microbot run` without one assumes unless it was set."""
    if not at_broker:
        return settings.execution
    chosen = settings.chosen_in("execution")
    usual = {key: value for key, value in LIVE_COSTS["execution"].items() if key not in chosen}
    return msgspec.structs.replace(settings.execution, **usual)


class ExecutionQuality:
    """Follows orders by their facts. `received` says when the newest batch of the feed came, by `monotonic` (ns)."""

    def __init__(
        self,
        core: Core,
        assumed: ExecutionSettings,
        clock: VenueClock,
        received: Callable[[], int],
        monotonic: Callable[[], int],
        *,
        at_broker: bool,
    ) -> None:
        self._core = core
        self._assumed = assumed
        self._clock = clock
        self._received = received
        self._monotonic = monotonic
        self._at_broker = at_broker
        self._open: dict[str, _Course] = {}
        self._over: list[str] = []
        self._measured: list[OrderMeasured] = []
        self._parted: list[ExecutionParted] = []
        self._said: set[str] = set()
        self._symbols: dict[str, _OfSymbol] = {}
        self._figures: dict[str, Any] | None = None
        self._folds: dict[type, Callable[[Any], None]] = {
            OrderSubmitted: self._submitted,
            OrderChanged: self._changed,
            OrderFilled: self._filled,
        }

    def follow(self, core: Core) -> None:
        """Go on with the core of the next session, in which each symbol may be warned of again."""
        self._core = core
        self._said.clear()

    def note_fact(self, fact: Fact) -> None:
        """Take a fact, if it is of an order."""
        if (fold := self._folds.get(fact.__class__)) is not None:
            fold(fact)

    def _submitted(self, fact: OrderSubmitted) -> None:
        order = fact.order
        if order.stop is not None or order.rests or len(self._open) >= _MOST_OPEN:
            return
        view = self._core.symbol_view(order.symbol)
        live = LiveOrder(order, fact.ts, view.bid, view.ask, view.price)
        received_ns, decided_ms = None, None
        if order.role is OrderRole.ENTRY and (received := self._received()):
            received_ns = self._clock.now(received)
            decided_ms = (self._monotonic() - received) / MS
        self._open[order.id] = _Course(live, order.decision, received_ns, decided_ms, view.last_ts)

    def _changed(self, fact: OrderChanged) -> None:
        course = self._open.get(fact.order)
        if course is None:
            return
        if fact.status is OrderStatus.ACCEPTED and course.accepted_ts is None:
            course.accepted_ts = fact.ts
        if fact.status in OVER:
            course.live.status = fact.status
            self._over.append(fact.order)

    def _filled(self, fact: OrderFilled) -> None:
        done = fact.execution
        course = self._open.get(done.order)
        if course is None or done.quantity <= 0:
            return
        live = course.live
        live.fills.append(Fill(done.ts, done.quantity, done.price))
        course.filled_ts = course.filled_ts or self._core.now
        if live.filled >= live.order.quantity:
            live.status = OrderStatus.FILLED
            self._over.append(done.order)

    def settle(self) -> None:
        """Measure the orders that are over, off the tick path."""
        over, self._over = self._over, []
        for name in over:
            if (course := self._open.pop(name, None)) is None:
                continue  # it was told twice that it is over
            measured = _measured(course, self._core.now)
            self._measured.append(measured)
            symbol = course.live.order.symbol
            if symbol in self._symbols or len(self._symbols) < _MOST_SYMBOLS:
                self._symbols.setdefault(symbol, _OfSymbol()).add(measured, course.live)
                self._figures = None
                self._warn(symbol)

    def write(self, session: Session) -> None:
        """Have what was measured written to the journal."""
        self.settle()
        measured, self._measured = self._measured, []
        for each in measured:
            session.write(each)

    def parted(self) -> list[ExecutionParted]:
        """Return what is to be told of symbols whose orders fare otherwise than is assumed: once a session each."""
        told, self._parted = self._parted, []
        return told

    def figures(self) -> dict[str, Any]:
        """Return, for all orders and by symbol, p50, p99 and count of each measure, beside what is assumed.

        `status` and the read model's `execution` have it as it is.
        """
        if self._figures is None:
            assumed = {name: getattr(self._assumed, name) for name in ("latency_ms", "latency_jitter_ms")}
            assumed |= {"slippage_bps": self._assumed.slippage_bps}
            found = dict(sorted(self._symbols.items()))
            self._figures = {
                "simulated": not self._at_broker,
                "assumed": assumed,
                "all": _figures_of(found.values()),
                "symbols": {symbol: _figures_of([each]) for symbol, each in found.items()},
            }
        return self._figures

    def _warn(self, symbol: str) -> None:
        """Say that live and simulated orders part, where simulated ones are not all that there are."""
        courses = self._symbols[symbol].courses
        if not self._at_broker or symbol in self._said or len(courses) < ENOUGH:
            return
        said = apart(list(courses), self._assumed)
        if not said:
            return
        self._said.add(symbol)
        sentence = f"{said}: `microbot calibrate` finds what the simulator should assume"
        logger.bind(logger="microbot.executor", event="execution.parted", symbol=symbol).warning(
            "EXECUTION {} {}", symbol, sentence
        )
        self._parted.append(ExecutionParted(symbol, sentence, self._core.now))


def apart(orders: list[LiveOrder], assumed: ExecutionSettings) -> str:
    """Say how orders fared otherwise than the simulator assumes, by a clear margin; empty where they did not.

    Their median latency is to be within half and twice the simulator's, 20 ms forgiven; what they cost on average
    beyond the quote at their sending within 1 bp of its slippage, three standard errors forgiven.
    """
    said = []
    waited = latencies(orders)
    usual = assumed.latency_ms + assumed.latency_jitter_ms * math.log(2)  # the median of a shifted exponential
    if len(waited) >= ENOUGH and not usual / 2 - _CLEARLY_MS <= (found := median(waited)) <= 2 * usual + _CLEARLY_MS:
        said.append(f"fills take {found:,.0f} ms (median of {len(waited)}), the simulator assumes {usual:,.0f}")
    costs = shortfalls(orders)
    if len(costs) >= ENOUGH:
        mean, sure = fmean(costs), _SURE * stdev(costs) / math.sqrt(len(costs))
        if abs(mean - assumed.slippage_bps) > _CLEARLY_BPS + sure:
            simulated = f"{assumed.slippage_bps:.2f}"
            said.append(f"fills cost {mean:.2f} bp beyond the quote (mean of {len(costs)}), assumed are {simulated}")
    return "; ".join(said)


def _measured(course: _Course, now: int) -> OrderMeasured:
    live, order = course.live, course.live.order
    filled = live.fills[0].ts if live.fills else None
    average, trigger = live.average, live.last
    bps = money = None
    if average is not None and trigger > 0:
        worse = order.side.sign * (float(average) - trigger)
        bps, money = worse / trigger * 10_000, worse * float(live.filled)
    return OrderMeasured(
        order=order.id,
        symbol=order.symbol,
        decision=course.decision,
        role=order.role.value,
        ts=now,
        quantity=order.quantity,
        filled=live.filled,
        venue_to_receipt_ms=_ms(course.tick_ts, course.received_ns),
        receipt_to_decision_ms=course.decided_ms,
        submit_to_accept_ms=_ms(live.ts, course.accepted_ts),
        accept_to_fill_ms=_ms(course.accepted_ts, course.filled_ts),
        submit_to_fill_ms=_ms(live.ts, filled),
        slippage_bps=bps,
        slippage=money,
    )


def _ms(start: int | None, end: int | None) -> float | None:
    """Return ms between two times; none below 0, where two clocks differ; None where one is not known."""
    return None if start is None or end is None else max((end - start) / MS, 0.0)


def _figures_of(found: Iterable[_OfSymbol]) -> dict[str, Any]:
    found = list(found)
    figures: dict[str, Any] = {"orders": sum(each.orders for each in found)}
    for name in MEASURES:
        if told := percentiles(value for each in found for value in each.values[name]):
            figures[name] = told
    return figures
