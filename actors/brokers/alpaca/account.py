"""The account: what it holds and what works in it, read so that the parts fit together."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from decimal import Decimal

from actors.brokers.alpaca import words
from actors.brokers.alpaca.known import KnownOrders
from actors.brokers.alpaca.questions import Questions
from actors.orders import OVER, AccountReport, AssetReport, HeldAtVenue, OrderReport

READINGS = 4
"""How often the account is read anew because something happened meanwhile."""

PAGE = 500
"""Orders that the venue lists at a time."""

MOST_PAGES = 10


class Account:
    """Reads the account. `now` is venue time in ns, 0 while it is not known; `loop_time` is the loop's, in s.

    `is_heard` is whether the trading stream tells what happens to orders; `body_s` how old the account's own numbers
    may be, since the venue counts our requests.
    """

    def __init__(
        self,
        questions: Questions,
        known: KnownOrders,
        counts: Counter[str],
        symbols: Iterable[str],
        now: Callable[[], int],
        loop_time: Callable[[], float],
        is_heard: Callable[[], bool],
        body_s: float,
    ) -> None:
        self._questions = questions
        self._known = known
        self._counts = counts
        self._now = now
        self._loop_time = loop_time
        self._is_heard = is_heard
        self._body_s = body_s
        self._had_history = False
        # Open orders with what is filled of them, and the news until then, at the last reading.
        self._last_read: tuple[frozenset[tuple[str, Decimal]], int] | None = None
        self._last_body: tuple[float, tuple[HeldAtVenue, ...], words.AccountBody] | None = None
        self._assets = set(symbols)  # symbols seen
        self._assets_left = sorted(self._assets)  # of those, the ones whose asset is not reported yet

    # -------------------------------------------------------------------------------------------------- assets

    def wants(self, symbol: str) -> bool:
        """Have a symbol's asset read with the next look; False if it is known already."""
        if symbol in self._assets:
            return False
        self._assets.add(symbol)
        self._assets_left.append(symbol)
        return True

    async def assets(self) -> AsyncIterator[AssetReport]:
        """Read the assets that are not reported yet. Raises Failed, and Unreadable."""
        while self._assets_left:
            symbol = self._assets_left[0]
            body = await self._questions.asset(symbol)
            if body is None:
                report = AssetReport(symbol, self._now(), tradable=False, shortable=False)
            else:
                report = words.asset_report(body, self._now())
            self._assets_left.remove(symbol)
            yield report

    # ------------------------------------------------------------------------------------------- the account itself

    async def read(self) -> AccountReport:
        """Read the account so that its parts fit together; the first time, with orders that are over.

        Each part is read at a time of its own, and a fill between two of them would look like a position from nowhere.
        So positions are read first, then the open orders, until these are the same, and filled as far, as at the
        reading before: then nothing that rested was filled in between. A market order of ours could come and go
        unseen, but not unnoticed: its submit and its updates are news, and there must be none since that reading. If it
        never gets quiet, the last reading is told; whoever compares it with orders under way has to wait for those.
        Raises Failed, and Unreadable.
        """
        for _ in range(READINGS):
            ts = self._now() or await self._venue_time()
            positions = tuple(map(words.held, await self._questions.list("/v2/positions", words.PositionBody)))
            orders = await self._open_orders()
            now_open = frozenset((order.venue_id, order.filled) for order in orders)
            quiet = (now_open, self._known.news) == self._last_read
            self._last_read = now_open, self._known.news
            if quiet:
                break
        for order in orders:
            if quiet and self._is_heard() and self._known.is_ours(order.order):
                self._known.watch(order.order, order.filled)
            self._known.learn(order)
        body = await self._body(positions)
        history = () if self._had_history else await self._history()
        report = words.account_report(body, ts, positions, orders, history)
        self._had_history = True
        return report

    async def _venue_time(self) -> int:
        """Ask for the time, while the market data has not told it: what is adopted at the start is timed from here."""
        return words.decode(await self._questions.ask("/v2/clock") or b"", words.ClockBody).ts

    async def _body(self, positions: tuple[HeldAtVenue, ...]) -> words.AccountBody:
        """Read the account's own numbers, unless they are new and nothing has changed that they depend on."""
        at = self._loop_time()
        if self._last_body is not None:
            then, held, body = self._last_body
            if held == positions and at - then < self._body_s:
                return body
        body = words.decode(await self._questions.ask("/v2/account") or b"", words.AccountBody)
        self._last_body = at, positions, body
        return body

    async def _open_orders(self) -> tuple[OrderReport, ...]:
        """Read all open orders, the newest first, page by page. What is submitted meanwhile shifts no page."""
        found: dict[str, words.OrderBody] = {}
        query = {"status": "open", "limit": str(PAGE), "direction": "desc"}
        for _ in range(MOST_PAGES):
            page = await self._questions.list("/v2/orders", words.OrderBody, query)
            known = len(found)
            found.update((body.id, body) for body in page)
            if len(page) < PAGE:
                return tuple(map(self._known.report, found.values()))
            oldest = words.nanoseconds(page[-1].submitted_at)
            if oldest is None or len(found) == known:
                break
            query["until"] = words.rfc3339(oldest + 1)  # it excludes what it names: several may be as old
        raise words.Unreadable(f"more than {MOST_PAGES * PAGE} open orders")

    async def _history(self) -> tuple[OrderReport, ...]:
        """Read the newest orders that are over; what cannot be read of them is left out."""
        reports = []
        for body in await self._questions.list("/v2/orders", words.OrderBody, {"status": "all", "limit": str(PAGE)}):
            try:
                report = self._known.report(body)
            except words.Unreadable:
                self._counts["unreadable"] += 1
                continue
            self._known.remember(report)
            if report.status in OVER:
                reports.append(report)
        return tuple(reports)
