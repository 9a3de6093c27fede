"""What became of the orders of a broker's session: each with the market that it met."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import chain
from pathlib import Path

import msgspec

from actors.engine.core import Core, Input
from actors.orders import OVER, CancelOrder, OrderRejected, OrderReport, OrderStatus, SubmitOrder
from pipeline.events import SECOND, Quote, Trade
from service import settings as settings_, strategies
from service.errors import UserError
from service.order_course import ZERO, Fill as Fill, LiveOrder as LiveOrder
from service.recorded import replay, tapes
from service.recorded.trust import Trust

HORIZON = 30 * SECOND
"""ns of market after an order was sent that are kept: what takes longer than that is no latency."""


def orders_of(path: Path, trust: Trust, progress: tapes.Progress = lambda _: None) -> Iterator[LiveOrder]:
    """Decide a session again, and yield its orders as they end; protective stops, which wait for a price, are left out.

    Times of fills are the venue's, as its reports say them. Raises UserError for a recording without a broker.
    """
    tapes.check(path)
    recorded = tapes.recorded_settings(path)
    if recorded is None or not recorded.book:
        what = "is a tape" if recorded is None else "is a session with simulated fills"
        raise UserError(f"{path} {what}: `calibrate` needs sessions at a broker (microbot run --venue alpaca)")
    effective = settings_.load(recorded=recorded.settings, environment={})
    strategy = trust.strategy(path, recorded, None, effective)
    watched = _Watched()
    core = replay.core_of(
        recorded,
        effective,
        strategies.lineup(strategy, effective),
        lambda fact: None,
        reloading=replay.reloading_of(recorded, effective, strategy),
        broker=watched,
    )
    watched.look_at(core)
    for event in chain.from_iterable(tapes.read(path, progress)):
        yield from watched.before(event)
        core.run((event,))
    yield from watched.rest()


class _Watched:
    """The broker of that replay: it notes what is sent, and what the recording says became of it."""

    def __init__(self) -> None:
        self._orders: dict[str, LiveOrder] = {}  # those that are open, or whose market is still to be kept
        self._known: dict[str, tuple[Decimal, Decimal]] = {}  # shares and money of each, as told so far
        self._core: Core | None = None

    def look_at(self, core: Core) -> None:
        self._core = core

    def receive(self, message: object) -> None:
        """Take what the core sends."""
        core = self._core
        assert core is not None
        if isinstance(message, SubmitOrder) and message.stop is None and not message.rests:
            view = core.symbol_view(message.symbol)
            self._orders[message.id] = LiveOrder(message, core.now, view.bid, view.ask, view.price)
        elif isinstance(message, CancelOrder) and (found := self._orders.get(message.id)) is not None:
            found.cancel_ts = found.cancel_ts if found.cancel_ts is not None else core.now

    def before(self, event: Input) -> Iterator[LiveOrder]:
        """Note an input before the core has it; yield the orders of which no more is to be learnt."""
        match event:
            case Trade() | Quote():
                yield from self._on_market(event)
            case OrderReport():
                self._on_report(event)
            case OrderRejected() if (found := self._orders.get(event.order)) is not None:
                found.status, found.ended_ts, found.odd = OrderStatus.REJECTED, event.ts, "rejected"

    def _on_market(self, event: Trade | Quote) -> Iterator[LiveOrder]:
        for found in [each for each in self._orders.values() if each.order.symbol == event.symbol]:
            if event.ts > found.ts + HORIZON and (found.status is not None or event.ts > found.ts + 4 * HORIZON):
                yield self._orders.pop(found.order.id)
            elif event.ts <= found.ts + HORIZON:
                found.market.append(event)

    def _on_report(self, report: OrderReport) -> None:
        found = self._orders.get(report.order)
        if found is None:
            return
        shares, money = self._known.get(report.order, (ZERO, ZERO))
        if report.revises is not msgspec.UNSET:
            found.odd = "undone or corrected by the venue"
        elif report.filled > shares and report.average is not None:
            total = report.filled * report.average
            more = report.filled - shares
            found.fills.append(Fill(report.ts, more, (total - money) / more))
            self._known[report.order] = report.filled, total
        if report.status in OVER and found.status is None:
            found.status, found.ended_ts = report.status, report.ts
            if report.status is OrderStatus.REJECTED:
                found.odd = "rejected"

    def rest(self) -> Iterator[LiveOrder]:
        """Yield what is left at the end of the session."""
        left, self._orders = list(self._orders.values()), {}
        yield from left


def learnt_from(orders: list[LiveOrder]) -> tuple[list[LiveOrder], dict[str, int]]:
    """Part the orders from which something can be learnt from the others, which are counted by why they cannot."""
    good: list[LiveOrder] = []
    why: dict[str, int] = {}
    for order in orders:
        unfinished = "" if order.status is not None else "open at the end"
        reason = order.odd or unfinished or ("" if order.last else "sent without a price")
        if reason:
            why[reason] = why.get(reason, 0) + 1
        else:
            good.append(order)
    return good, why
