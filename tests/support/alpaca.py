"""What the tests of Alpaca's broker share: venues to talk to, and a broker whose reports can be waited for."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from decimal import Decimal
from random import Random
from typing import Any, ParamSpec, TypeVar

import msgspec
from aiohttp import web

from actors.brokers.alpaca.broker import AlpacaBroker
from actors.brokers.alpaca.settings import AlpacaAddress, BrokerSettings
from actors.messages import BrokerChanged, FeedState, Report
from actors.orders import AccountReport, OrderReport, OrderRole, OrderSide, OrderStatus, SubmitOrder
from mock_exchange.server import Server, listening
from mock_exchange.settings import ExchangeSettings
from tests.support.live import PATIENCE_S
from tests.support.market import START

KEY, SECRET = "MOCK-KEY", "MOCK-SECRET"

UNLIMITED = 1_000_000
"""Requests a minute: what a test asks often is not to wait for."""

HASTY = BrokerSettings(
    requests_per_minute=UNLIMITED,
    poll_s=0.1,
    down_poll_s=0.05,
    first_delay_s=0.01,
    most_delay_s=0.05,
    refused_delay_s=600.0,
)
"""A broker that does again at once what it does again, as far as a test is concerned."""

R = TypeVar("R", bound=Report)
P = ParamSpec("P")
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


def order(
    id: str = "one",
    quantity: int = 5,
    *,
    side: OrderSide = OrderSide.BUY,
    symbol: str = "AAPL",
    limit: str | None = None,
    stop: str | None = None,
    rests: bool = False,
    role: OrderRole = OrderRole.ENTRY,
) -> SubmitOrder:
    price, trigger = (None if text is None else Decimal(text) for text in (limit, stop))
    return SubmitOrder(id, symbol, side, Decimal(quantity), "d", role, limit=price, stop=trigger, rests=rests)


def on_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test that is a coroutine on an event loop of its own."""

    @functools.wraps(test)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        asyncio.run(test(*arguments, **options))

    return run


class Reported:
    """Everything that a broker reported, on the test's loop, and a way to wait for it."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def take(self, reports: list[Report]) -> None:
        """Take reports on the broker's thread."""
        self._loop.call_soon_threadsafe(self._add, reports)

    def _add(self, reports: list[Report]) -> None:
        self.reports += reports
        self._news.set()

    def of(self, kind: type[R]) -> list[R]:
        return [report for report in self.reports if isinstance(report, kind)]

    def statuses(self, order: str = "one") -> list[OrderStatus]:
        return [report.status for report in self.of(OrderReport) if report.order == order]

    @property
    def states(self) -> list[FeedState]:
        return [change.state for change in self.of(BrokerChanged)]

    @property
    def account(self) -> AccountReport:
        """The newest one."""
        return self.of(AccountReport)[-1]

    @property
    def held(self) -> dict[str, Decimal]:
        """The newest positions."""
        return {held.symbol: held.quantity for held in self.account.positions}

    async def until(self, true: Callable[[], object]) -> None:
        """Wait until something is true of what was reported, or of what nobody tells and has to be asked for."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 0.02)

    async def live(self) -> None:
        await self.until(lambda: self.states[-1:] == [FeedState.LIVE])

    async def another_account(self) -> None:
        """Wait until the account was told once more."""
        told = len(self.of(AccountReport))
        await self.until(lambda: len(self.of(AccountReport)) > told)


@contextlib.asynccontextmanager
async def a_broker(
    url: str,
    settings: BrokerSettings = HASTY,
    *,
    key: str = KEY,
    secret: str = SECRET,
    is_ours: Callable[[str], bool] = lambda _: True,
    now: Callable[[], int] = lambda: START,
) -> AsyncIterator[tuple[AlpacaBroker, Reported]]:
    """Start a broker of the venue at `url` (ws://...), and stop it in the end."""
    reported = Reported()
    address = AlpacaAddress(url.replace("ws", "http", 1), f"{url}/stream")
    broker = AlpacaBroker(address, key, secret, settings, ["AAPL"], reported.take, now, Random(1), is_ours)
    broker.start()
    try:
        yield broker, reported
    finally:
        assert await asyncio.to_thread(broker.stop, 5.0)


@contextlib.asynccontextmanager
async def an_exchange(*faults: str, **settings: Any) -> AsyncIterator[Server]:
    """Open the mock exchange on a port that the system gives, with its market a hundred times as fast as ours."""
    settings = {"requests_per_minute": UNLIMITED} | settings
    chosen = ExchangeSettings(port=0, start_at=START, speed=100.0, faults=faults, **settings)
    exchange = Server(chosen, wall_ns=lambda: START, monotonic_ns=time.monotonic_ns)
    async with listening(exchange):
        yield exchange


# ------------------------------------------------------------------------------------------------- a venue by script

ACCOUNT = {"account_number": "PA1", "cash": "1000", "equity": "1000", "buying_power": "2000"}


def body(id: str = "one", status: str = "new", **more: Any) -> dict[str, Any]:
    """Write an order as the venue does."""
    return {
        "id": f"v-{id}",
        "client_order_id": id,
        "symbol": "AAPL",
        "side": "buy",
        "status": status,
        "qty": "5",
        "filled_qty": "0",
        "filled_avg_price": None,
        "submitted_at": "2026-01-02T15:04:05Z",
        "updated_at": "2026-01-02T15:04:05.5Z",
        "time_in_force": "day",
        **more,
    }


def says(
    status: int = 200, value: Any = None, text: str | None = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """Answer with JSON, or with a text that is none."""

    async def reply(_: web.Request) -> web.StreamResponse:
        content = msgspec.json.encode(value) if text is None else text.encode()
        return web.Response(status=status, body=b"" if status == 204 else content, headers=headers)

    return reply


def refuses(status: int, message: str, code: int | None = None) -> Reply:
    return says(status, {"message": message} if code is None else {"code": code, "message": message})


TOO_MANY = says(
    429,
    {"message": "too many requests"},
    headers={"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "0"},
)
"""Too many requests, and the reset has come already."""


async def breaks(request: web.Request) -> web.StreamResponse:
    """Cut the connection instead of an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


class ScriptedVenue:
    """A venue that answers each call as the next reply of its script says, the last one answering all others.

    `stream` is what it does with a connection that listens; without it, it tells nothing.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, bytes]] = []  # call and body, of orders only
        self.gate = asyncio.Event()  # what `waits` waits for
        self.script: dict[str, list[Reply]] = {
            "GET /v2/account": [says(200, ACCOUNT)],
            "GET /v2/positions": [says(200, [])],
            "GET /v2/orders": [says(200, [])],
            "GET /v2/assets/AAPL": [says(200, {"symbol": "AAPL", "tradable": True})],
        }
        self.frames: list[str | bytes] = []  # sent after `listening`
        self.hangs_up = False  # once these are sent

    async def waits(self, _: web.Request) -> web.StreamResponse:
        """Answer when the test has seen enough."""
        await self.gate.wait()
        return web.Response(status=500)

    def calls(self, call: str) -> list[bytes]:
        """The bodies of one call."""
        return [body for asked, body in self.asked if asked == call]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        call = f"{request.method} {request.path}"
        if call.startswith(("POST", "DELETE", "GET /v2/orders:")):
            self.asked.append((call, await request.read()))
        replies = self.script.get(call) or [refuses(404, "endpoint not found.")]
        return await (replies.pop(0) if len(replies) > 1 else replies[0])(request)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.receive()
        await ws.send_bytes(b'{"stream":"authorization","data":{"status":"authorized","action":"authenticate"}}')
        await ws.receive()
        await ws.send_str('{"stream":"listening","data":{"streams":["trade_updates"]}}')
        for frame in self.frames:
            await (ws.send_bytes(frame) if isinstance(frame, bytes) else ws.send_str(frame))
        if not self.hangs_up:
            async for _ in ws:
                pass
        return ws


@contextlib.asynccontextmanager
async def a_scripted_venue() -> AsyncIterator[ScriptedVenue]:
    """Open a venue by script on a port that the system gives."""
    venue = ScriptedVenue()

    async def stream(request: web.Request) -> web.StreamResponse:
        return await venue.stream(request)  # a test may have put another in its place

    async def answer(request: web.Request) -> web.StreamResponse:
        return await venue.answer(request)

    app = web.Application()
    app.router.add_get("/stream", stream)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    venue.url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield venue
    finally:
        venue.gate.set()
        await runner.cleanup()
        for _ in range(3):  # the loop closes connections a turn or two after it is told to
            await asyncio.sleep(0)
