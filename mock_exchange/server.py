"""The venue on a socket: one port, a market in real time, and clients that cannot hold it up."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import AsyncIterator, Callable

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web
from loguru import logger

from mock_exchange.live import LiveMarket
from mock_exchange.market import Market
from mock_exchange.protocol import Hello, Session
from mock_exchange.settings import ExchangeSettings

EVENTS_A_TURN = 500
"""Events published before the loop's other work has its turn."""

CLOSE_S = 0.5
"""Real seconds that clients have for the closing handshake when the exchange stops."""


_UPGRADE = {"Upgrade": "websocket"}


class CannotListen(Exception):
    """The address could not be listened on; the text is one sentence for people."""


class _Client:
    """One connection."""

    def __init__(self, ws: web.WebSocketResponse, session: Session, transport: asyncio.Transport, name: str) -> None:
        self.ws = ws
        self.session = session
        self.transport = transport
        self.name = name  # for logs: the peer's address
        self.wake = asyncio.Event()  # something waits in the session
        self.sender: asyncio.Task[None] | None = None


class Exchange:
    """A mock exchange: its market and its clients.

    The market opens when the first client has connected, so that the seed fixes what that client sees; from
    then on it runs whether or not anybody listens. The wall clock, which a market that starts now asks once,
    and the monotonic one are handed in; both tell nanoseconds.
    """

    def __init__(self, settings: ExchangeSettings, wall_ns: Callable[[], int], monotonic_ns: Callable[[], int]) -> None:
        self.settings = settings
        self.url = ""  # where clients connect, once it listens
        self.published = 0  # events
        self.dropped = 0  # clients that did not read
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._clients: set[_Client] = set()
        self._market: LiveMarket | None = None  # none before the first client
        self._opened = asyncio.Event()
        self._encode = msgspec.json.Encoder().encode

    # -- the market --------------------------------------------------------------------------------------------

    async def pace(self) -> None:
        """Publish every event when it is due, for ever."""
        await self._opened.wait()
        while True:
            monotonic_ns = self._monotonic_ns()
            market = self._open_market(monotonic_ns)
            self._advance(market, monotonic_ns)
            await asyncio.sleep(market.seconds_to_next(self._monotonic_ns()))

    def _open_market(self, monotonic_ns: int) -> LiveMarket:
        """Return the market, which opens at the first call."""
        if self._market is None:
            settings = self.settings
            start_ns = settings.start_at if settings.start_at is not None else self._wall_ns()
            market = Market(settings.symbols, settings.seed, start_ns)
            self._market = LiveMarket(market, start_ns, settings.speed, settings.most_lag_s, monotonic_ns)
            self._opened.set()
            logger.bind(event="exchange.market_opened", start_ns=start_ns, seed=settings.seed).info("the market opens")
        return self._market

    def _advance(self, market: LiveMarket, monotonic_ns: int) -> None:
        """Publish what is due, or a part of it."""
        slipped_s = market.slipped_s
        events = market.take_due(monotonic_ns, EVENTS_A_TURN)
        if market.slipped_s > slipped_s:
            logger.bind(event="exchange.clock_slipped", lost_s=market.slipped_s - slipped_s).warning(
                "the market fell behind its clock, which waits for it"
            )
        if events:
            self.published += len(events)
            lines = [(event.symbol, self._encode(event)) for event in events]
            for client in list(self._clients):
                client.session.publish(lines)
                self._wake(client)

    def _hello(self) -> Hello:
        """Make the greeting; what was due before it goes to those who are there already."""
        monotonic_ns = self._monotonic_ns()
        market = self._open_market(monotonic_ns)
        self._advance(market, monotonic_ns)
        settings = self.settings
        return Hello("mock", market.now(monotonic_ns), settings.speed, settings.symbols, settings.seed)

    # -- clients -----------------------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one client for as long as it stays."""
        settings = self.settings
        ws = web.WebSocketResponse(
            compress=False,  # on the same host it costs more than it saves
            heartbeat=settings.heartbeat_s,
            max_msg_size=settings.message_bytes,
            timeout=CLOSE_S,
        )
        if not ws.can_prepare(request):
            return web.Response(status=426, headers=_UPGRADE, text=f"Connect a WebSocket to {self.url}.\n")
        if len(self._clients) >= settings.most_clients:
            return web.Response(status=503, text=f"There are {settings.most_clients} clients already.\n")
        await ws.prepare(request)
        transport = request.transport
        if transport is None:
            return ws  # it left during the handshake
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.send_buffer_bytes)
        session = Session(settings.symbols, settings.queue_events, settings.queue_bytes, settings.frame_events)
        client = _Client(ws, session, transport, _address(transport.get_extra_info("peername")))
        await self._converse(client)
        return ws

    async def _converse(self, client: _Client) -> None:
        client.session.greet(self._hello())
        client.wake.set()
        self._clients.add(client)
        client.sender = asyncio.create_task(self._send(client), name=f"send to {client.name}")
        logger.bind(event="exchange.client_connected", client=client.name, clients=len(self._clients)).info(
            "a client connected"
        )
        try:
            async for message in client.ws:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    client.session.receive(message.data)
                    self._wake(client)
        finally:
            self._clients.discard(client)
            client.sender.cancel()
            await asyncio.wait([client.sender])
            logger.bind(event="exchange.client_left", client=client.name, clients=len(self._clients)).info(
                "a client left"
            )

    async def _send(self, client: _Client) -> None:
        """Send what waits, frame by frame. Only this waits for the client to read."""
        with contextlib.suppress(ConnectionError):  # it left: the reading side ends the conversation
            while True:
                await client.wake.wait()
                client.wake.clear()
                while frame := client.session.take_frame():
                    await client.ws.send_frame(frame, WSMsgType.TEXT)

    def _wake(self, client: _Client) -> None:
        """Have the client's queue sent, or drop the client if the queue ran over."""
        client.wake.set()
        if client.session.overflow and client in self._clients:
            self._clients.discard(client)
            self.dropped += 1
            # No closing handshake: what could be sent of it would wait behind all that the client did not read.
            client.transport.abort()
            logger.bind(event="exchange.client_dropped", client=client.name, reason=client.session.overflow).warning(
                "a client that does not read was dropped"
            )

    async def close_clients(self) -> None:
        """Say goodbye to everybody, and cut off who does not answer in time."""
        clients = list(self._clients)
        goodbyes = [asyncio.create_task(client.ws.close(code=WSCloseCode.GOING_AWAY)) for client in clients]
        if goodbyes:
            _, late = await asyncio.wait(goodbyes, timeout=CLOSE_S)
            for task in late:
                task.cancel()
        for client in clients:
            client.transport.abort()


EXCHANGE = web.AppKey("exchange", Exchange)
PACING = web.AppKey("pacing", asyncio.Task[None])


def application(exchange: Exchange) -> web.Application:
    """Make the web application: further protocols add their routes here, before the one that takes any path."""

    async def pacing(app: web.Application) -> AsyncIterator[None]:
        app[PACING] = asyncio.create_task(exchange.pace(), name="pace the market")
        yield
        app[PACING].cancel()
        await asyncio.wait([app[PACING]])

    async def say_goodbye(_: web.Application) -> None:
        await exchange.close_clients()

    app = web.Application()
    app[EXCHANGE] = exchange
    app.cleanup_ctx.append(pacing)
    app.on_shutdown.append(say_goodbye)
    app.router.add_get("/{path:.*}", exchange.handle)
    return app


@contextlib.asynccontextmanager
async def listening(exchange: Exchange) -> AsyncIterator[asyncio.Task[None]]:
    """Listen while the context lasts; yield the task that paces the market, which ends only by a fault.

    Raises CannotListen if the address is not to be had.
    """
    app = application(exchange)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=CLOSE_S)
    await runner.setup()
    try:
        settings = exchange.settings
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
        except OSError as error:
            raise CannotListen(f"cannot listen on {settings.host}:{settings.port}: {_reason(error)}") from error
        exchange.url = f"ws://{_address(runner.addresses[0])}"
        yield app[PACING]
    finally:
        await runner.cleanup()


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "the host is not known"
    if error.errno == errno.EADDRINUSE:
        return "the port is in use"
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _address(name: tuple[str, int] | tuple[str, int, int, int] | None) -> str:
    if not name:
        return "unknown"
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
