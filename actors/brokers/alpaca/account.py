"""The account: what it holds and what works in it, read so that the parts fit together."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec import structs

from actors.brokers.alpaca import codec
from actors.brokers.alpaca.context import BrokerContext
from actors.brokers.alpaca.conversations import Steps
from actors.brokers.alpaca.order_tracker import OrderTracker
from actors.brokers.alpaca.rest_client import RestClient
from actors.orders import OVER, AccountReport, AssetReport, FeesReport, HeldAtVenue, OrderReport
from pipeline.events import SECOND

READINGS = 4
"""How often the account is read again because something happened meanwhile."""

PAGE = 500
"""Orders that the venue lists at a time."""

MOST_PAGES = 10

CHARGES = 100
"""Fees that are read: those of about a month."""


_AS_OLD = 0.9
"""Of the time between two readings: how old the account's own numbers may be, since the venue counts our requests."""


ASSET_MINUTES = 5
"""Minutes of the venue's for which what it said of a symbol is believed; then one more reading asks for it again."""


class Account:
    """Reads the account, and what may be done with the symbols that are traded in it."""

    def __init__(
        self, context: BrokerContext, client: RestClient, tracker: OrderTracker, symbols: Iterable[str]
    ) -> None:
        self._context = context
        self._client = client
        self._tracker = tracker
        self._body_ns = round(context.settings.poll_s * _AS_OLD * SECOND)
        self._had_history = False
        # Open orders with what is filled of them, and the changes until then, at the last reading.
        self._last_read: tuple[frozenset[tuple[str, Decimal]], int] | None = None
        self._last_body: tuple[int, tuple[tuple[HeldAtVenue, ...], int], codec.AccountBody] | None = None
        self._assets = set(symbols)  # symbols seen
        self._assets_left = sorted(self._assets)  # of those, the ones whose asset is not reported yet
        self._asset_age_ns = ASSET_MINUTES * context.budget.minute_ns
        self._asset_reports: dict[str, tuple[int, AssetReport]] = {}  # by symbol, read longest ago first, and when

    # -------------------------------------------------------------------------------------------------- assets

    def request_asset(self, symbol: str) -> bool:
        """Have a symbol's asset read with the next look; False if it is known already."""
        if symbol in self._assets:
            return False
        self._assets.add(symbol)
        self._assets_left.append(symbol)
        return True

    def assets(self) -> Steps[None]:
        """Read assets: those not reported yet, those in doubt, and one that is old. Raises Failed, and Unreadable.

        What is told again is published where it has changed.
        """
        while self._assets_left:
            symbol = self._assets_left[0]
            yield from self._read_asset(symbol)
            self._assets_left.remove(symbol)
        while self._context.doubted_assets:
            symbol = min(self._context.doubted_assets)
            yield from self._read_asset(symbol)
            self._context.doubted_assets.discard(symbol)
        now_ns = self._context.now.monotonic_ns
        symbol, (read_ns, _) = next(iter(self._asset_reports.items()), ("", (now_ns, None)))
        if now_ns - read_ns >= self._asset_age_ns:
            yield from self._read_asset(symbol)

    def _read_asset(self, symbol: str) -> Steps[None]:
        body = yield from self._client.asset(symbol)
        report = codec.asset_report(body or codec.AssetBody(symbol), self._context.now.venue_ns)
        _, before = self._asset_reports.pop(symbol, (0, None))
        self._asset_reports[symbol] = self._context.now.monotonic_ns, report
        if before is None or structs.replace(before, ts=report.ts) != report:
            self._context.publish(report)

    # ---------------------------------------------------------------------------------------------------- fees

    def charges(self) -> Steps[None]:
        """Read what the account was charged of late, and publish it. Raises Failed, and Unreadable."""
        query = {"activity_types": "FEE,CFEE", "direction": "desc", "page_size": str(CHARGES)}
        bodies = yield from self._client.read("/v2/account/activities", list[codec.ChargeBody], query)
        self._context.publish(FeesReport(self._context.now.venue_ns, tuple(map(codec.fee_charge, bodies))))

    # ------------------------------------------------------------------------------------------- the account itself

    def read(self) -> Steps[AccountReport]:
        """Read the account so that its parts fit together; the first time, with orders that are over.

        Each part is read at a time of its own, and a fill between two of them would look like a position from nowhere.
        So positions are read first, then the open orders, until these are the same, and filled as far, as at the
        reading before: then nothing that rested was filled in between. A market order of ours could come and go
        unseen, but not unnoticed: its submit and its updates are changes, and there must be none since that reading. If
        it never gets quiet, the last reading is told; code that compares it with orders under way has to wait for
        those. Raises Failed, and Unreadable.
        """
        for _ in range(READINGS):
            # While the market data has not told the time, the venue is asked: what is adopted is timed from here.
            ts = self._context.now.venue_ns or (yield from self._client.read("/v2/clock", codec.ClockBody)).ts
            began = self._context.now.monotonic_ns
            positions = tuple(
                map(codec.held, (yield from self._client.read("/v2/positions", list[codec.PositionBody])))
            )
            orders = yield from self._open_orders()
            now_open = frozenset((order.venue_id, order.filled) for order in orders)
            quiet = (now_open, self._tracker.changes) == self._last_read
            self._last_read = now_open, self._tracker.changes
            if quiet:
                break
        for order in orders:
            if quiet and self._context.is_heard and self._context.is_ours(order.order):
                self._tracker.watch(order.order, order.filled)
            self._tracker.note_answer(order)
        body = yield from self._body(positions)
        history = () if self._had_history else (yield from self._history())
        report = codec.account_report(body, ts, positions, orders, history)
        report = structs.replace(report, took=self._context.now.monotonic_ns - began)
        self._had_history = True
        return report

    def _body(self, positions: tuple[HeldAtVenue, ...]) -> Steps[codec.AccountBody]:
        """Read the account's own numbers, unless they are new and nothing has changed that they depend on."""
        at = self._context.now.monotonic_ns
        if self._last_body is not None:
            then, known, body = self._last_body
            is_new = at - then < self._body_ns and not self._context.account_doubted
            if is_new and known == (positions, self._tracker.changes):  # a position may have come and gone
                return body
        known = positions, self._tracker.changes
        body = yield from self._client.read("/v2/account", codec.AccountBody)
        self._context.account_doubted = False
        self._last_body = at, known, body
        return body

    def _open_orders(self) -> Steps[tuple[OrderReport, ...]]:
        """Read all open orders, the newest first, page by page. What is submitted meanwhile shifts no page."""
        found: dict[str, codec.OrderBody] = {}
        query = {"status": "open", "limit": str(PAGE), "direction": "desc"}
        for _ in range(MOST_PAGES):
            page = yield from self._client.read("/v2/orders", list[codec.OrderBody], query)
            known = len(found)
            found.update((body.id, body) for body in page)
            if len(page) < PAGE:
                return tuple(map(self._tracker.report, found.values()))
            oldest = codec.nanoseconds(page[-1].submitted_at)
            if oldest is None or len(found) == known:
                break
            query = query | {"until": codec.rfc3339(oldest + 1)}  # it excludes what it names: several may be as old
        raise codec.Unreadable(f"more than {MOST_PAGES * PAGE} open orders")

    def _history(self) -> Steps[tuple[OrderReport, ...]]:
        """Read the newest orders that are over; what cannot be read of them is left out."""
        reports = []
        query = {"status": "all", "limit": str(PAGE)}
        for body in (yield from self._client.read("/v2/orders", list[codec.OrderBody], query)):
            try:
                report = self._tracker.report(body)
            except codec.Unreadable:
                self._context.counts["unreadable"] += 1
                continue
            self._tracker.remember(report)
            if report.status in OVER:
                reports.append(report)
        return tuple(reports)
