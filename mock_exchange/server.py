"""The venue on a socket: one port, a market in real time, and clients that cannot hold it up."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web
from loguru import logger

from mock_exchange.alpaca.data import DataSession, Line
from mock_exchange.alpaca.keys import Keys
from mock_exchange.alpaca.rest import UNAUTHORIZED, Conduct, Request, Response, answer, respond
from mock_exchange.alpaca.ticks import Codec
from mock_exchange.alpaca.updates import TradingSession
from mock_exchange.distortion import Distortion, Told, reported
from mock_exchange.events import SECOND
from mock_exchange.faults import CATALOGUE, Faults
from mock_exchange.floor import Floor
from mock_exchange.frames import BINARY, CHUNK_BYTES, TEXT, framed
from mock_exchange.hindrance import JSON_FEED, MSGPACK_FEED, PUSH, UPDATES, Hindrance, Words
from mock_exchange.live import LiveMarket
from mock_exchange.market import Market
from mock_exchange.outbox import Bounds, Outbox
from mock_exchange.protocol import Hello, Session
from mock_exchange.settings import FEEDS, ExchangeSettings
from mock_exchange.tick import Tick
from mock_exchange.venue.money import DOLLAR
from mock_exchange.venue.orders import Update

EVENTS_A_TURN = 25
"""Events published before the loop's other work has its turn."""

TURN_S = 0.001
"""Real seconds between two turns of the market at least."""

CLOSE_S = 0.5
"""Real seconds that clients have for the closing handshake when the exchange stops."""


_UPGRADE = {"Upgrade": "websocket"}


class Switches(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The faults that are to be on, and no others."""

    faults: tuple[str, ...]


class CannotListen(Exception):
    """The address could not be listened on; the text is one sentence for people."""


class _Conversation(NamedTuple):
    """What a route says to a client and what it tells it, once the handshake is done."""

    outbox: Outbox
    greet: Callable[[], None]
    publish: Callable[[Tick], None]
    words: Words


class _Client:
    """One connection."""

    def __init__(
        self, ws: web.WebSocketResponse, request: web.Request, said: _Conversation, hindrance: Hindrance, name: str
    ) -> None:
        self.ws = ws
        self.request = request
        self.outbox = said.outbox
        self.publish = said.publish
        self.hears_updates = said.words is UPDATES
        self.hindrance = hindrance
        self.name = name  # for logs: the peer's address
        self.wake = asyncio.Event()  # something waits in the outbox
        self.sender: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether the system has taken all that was sent before."""
        transport = self.request.transport
        return transport is not None and transport.get_write_buffer_size() == 0

    def write(self, frames: bytes) -> None:
        """Hand frames to the system: it keeps what the client does not read yet."""
        if frames and self.request.transport is not None and not self.ws.closed:
            self.request.transport.write(frames)

    def abort(self) -> None:
        """Cut the connection without a word."""
        if self.request.transport is not None:
            self.request.transport.abort()


class Exchange:
    """A mock exchange: its market, its venue and its clients.

    The market opens when the first client has connected, so that the seed fixes what that client sees; from
    then on it runs whether or not anybody listens. The wall clock, which a market that starts now asks once,
    and the monotonic one are handed in; both tell nanoseconds.
    """

    def __init__(self, settings: ExchangeSettings, wall_ns: Callable[[], int], monotonic_ns: Callable[[], int]) -> None:
        self.settings = settings
        self.url = ""  # where clients connect, once it listens
        self.published = 0  # events
        self.dropped = 0  # clients that did not read
        self.faults = Faults(settings.seed, settings.faults)
        self._keys = Keys(settings.keys)
        self._distortion = Distortion(self.faults)
        self._planted = False  # the orders of nobody, if they are asked for
        self._connections = 0  # so far
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._clients: set[_Client] = set()
        self._farewells: set[asyncio.Task[None]] = set()
        self._open: tuple[LiveMarket, Floor] | None = None  # not before the first client
        self._opened = asyncio.Event()
        self._bounds = Bounds(settings.queue_events, settings.queue_bytes, settings.frame_events)
        self._lines = {
            feed: Line(feed, settings.feed_connections, settings.feed_channels, covered=feed in settings.feeds)
            for feed in FEEDS
        }

    # -- the market --------------------------------------------------------------------------------------------

    async def pace(self) -> None:
        """Publish every event when it is due, for ever."""
        await self._opened.wait()
        while True:
            self._advance()
            seconds = self._seconds_to_next()
            # Events closer together than this share a turn: waking every client costs more than an event.
            await asyncio.sleep(max(TURN_S, seconds) if seconds else 0)

    def _advance(self) -> tuple[Floor, int]:
        """Publish what is due, or a part of it; return the venue and its time. The first call opens the market."""
        monotonic_ns = self._monotonic_ns()
        market, floor = self._open or self._open_market(monotonic_ns)
        slipped_s = market.slipped_s
        events = market.take_due(monotonic_ns, EVENTS_A_TURN)
        if market.slipped_s > slipped_s:
            logger.bind(event="exchange.clock_slipped", lost_s=market.slipped_s - slipped_s).warning(
                "the market fell behind its clock, which waits for it"
            )
        if events:
            self.published += len(events)
            floor.matching.most_displayed = self.faults.status("slow_fills")
            told = self._distortion(floor.advance(events))
            self._publish(told, floor.take_updates())
        return floor, market.now(monotonic_ns)

    def _now(self) -> tuple[Floor, int]:
        """Return the venue and its time. The first call opens the market."""
        if self._open is None:
            return self._advance()
        market, floor = self._open
        return floor, market.now(self._monotonic_ns())

    def _seconds_to_next(self) -> float:
        """Return the real seconds until the next event is due."""
        return self._open[0].seconds_to_next(self._monotonic_ns()) if self._open else 0.0

    def _open_market(self, monotonic_ns: int) -> tuple[LiveMarket, Floor]:
        settings = self.settings
        start_ns = settings.start_at if settings.start_at is not None else self._wall_ns()
        market = Market(settings.symbols, settings.seed, start_ns)
        self._open = (
            LiveMarket(market, start_ns, settings.speed, settings.most_lag_s, monotonic_ns),
            Floor(
                settings.symbols,
                self._keys.accounts,
                cash=settings.cash * DOLLAR,
                seed=settings.seed,
                start_ns=start_ns,
                history_events=settings.history_events,
            ),
        )
        self._opened.set()
        logger.bind(event="exchange.market_opened", start_ns=start_ns, seed=settings.seed).info("the market opens")
        return self._open

    def _publish(self, told: Sequence[Told], updates: Sequence[Update]) -> None:
        tick = Tick(told, reported(updates, self.faults))
        for client in list(self._clients):
            if not (told or client.hears_updates):
                continue  # after an order that is most of them
            client.publish(tick)
            if client.outbox.waits:
                self._wake(client)

    # -- conversations -----------------------------------------------------------------------------------------

    async def push(self, request: web.Request) -> web.StreamResponse:
        """Serve the simple push."""
        settings = self.settings
        session = Session(settings.symbols, settings.queue_events, settings.queue_bytes, settings.frame_events)

        def greet() -> None:
            if "refuse" in self.faults or "wrong_key" in self.faults:
                session.turn_away("You are not wanted here.")
                return
            # What was due before the greeting goes to those who are there already.
            _, now = self._advance()
            session.greet(Hello("mock", now, settings.speed, settings.symbols, settings.seed))

        return await self._serve(request, _Conversation(session, greet, lambda tick: session.publish(tick.lines), PUSH))

    async def feed(self, request: web.Request) -> web.StreamResponse:
        """Serve the market-data stream."""
        line = self._lines[request.path.rpartition("/")[2]]
        codec = Codec.MSGPACK if request.content_type == "application/msgpack" else Codec.JSON
        session = DataSession(self.keys, line, codec, len(self.settings.symbols), self._bounds)
        session.refuse = self.faults.status("refuse")
        words = MSGPACK_FEED if codec is Codec.MSGPACK else JSON_FEED

        def publish(tick: Tick) -> None:
            if session.listens:
                session.publish(tick.data(codec))

        account = self.keys.account_of(request.headers)
        return await self._serve(request, _Conversation(session, lambda: session.greet(account), publish, words))

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Serve the trading stream."""
        session = TradingSession(self.keys, self._bounds)
        account = self.keys.account_of(request.headers)
        conversation = _Conversation(
            session, lambda: session.greet(account), lambda tick: session.publish(tick.reports), UPDATES
        )
        return await self._serve(request, conversation)

    async def rest(self, request: web.Request) -> web.StreamResponse:
        """Answer a REST call."""
        asked = Request(request.method, request.path, request.query, await request.read())
        delay_s = self.faults.delay_s("latency")
        if (status := self.faults.status("rest")) is not None:
            response = answer({"message": "the venue is out of order"}, status)
        elif self.keys.account_of(request.headers) is None:
            response = UNAUTHORIZED  # a stranger does not open the market
        else:
            floor, now = await self._ready()
            response = self._answer(floor, asked, request.headers, now)
            if asked.method == "POST":
                delay_s += (self.faults.value("early_fills") or 0.0) / 1_000
        if delay_s:
            await asyncio.sleep(delay_s)
        content_type = "application/json" if response.body else None
        return web.Response(status=response.status, body=response.body or None, content_type=content_type)

    async def _ready(self) -> tuple[Floor, int]:
        """Return the venue and its time, once no stock is without a quote: it may have opened just now."""
        floor, now = self._now()
        while len(floor.matching.prices) < len(floor.symbols):
            await asyncio.sleep(self._seconds_to_next())
            floor, now = self._advance()
        shares = self.faults.status("foreign_orders")
        if shares is not None and not self._planted:
            self._planted = True
            floor.plant(shares, now)
            self._publish((), floor.take_updates())
        return floor, now

    def _answer(self, floor: Floor, asked: Request, headers: Mapping[str, str], now: int) -> Response:
        """Do what is asked and tell whom it concerns."""
        ordering = (asked.method, asked.path) == ("POST", "/v2/orders")
        conduct = Conduct(
            reject=ordering and self.faults.strikes("rejects"),
            cancel_delay_ns=int((self.faults.value("late_cancels") or 0.0) * SECOND),
        )
        response = respond(floor, self.keys, headers, asked, now, conduct)
        if updates := floor.take_updates():
            self._publish((), updates)
        if ordering and self.faults.strikes("lost_answers"):
            return answer({"message": "gateway timeout"}, 504)
        return response

    # -- faults ------------------------------------------------------------------------------------------------

    @property
    def keys(self) -> Keys:
        """The pairs that are right."""
        return Keys(()) if "wrong_key" in self.faults else self._keys

    async def control(self, request: web.Request) -> web.StreamResponse:
        """Tell which faults are on, or turn on exactly those that are named. Only this machine may."""
        if not _is_here(request.remote):
            return _json({"message": "only from the exchange's own machine"}, 403)
        if request.method == "POST":
            # A browser asks before it sends JSON to another site, and gets no leave here.
            if request.content_type != "application/json":
                return _json({"message": "send JSON, with its content type"}, 415)
            try:
                specs = msgspec.json.decode(await request.read(), type=Switches).faults
                self.faults.switch(specs)
            except (msgspec.MsgspecError, ValueError) as error:
                return _json({"message": str(error)}, 422)
            logger.bind(event="exchange.faults", faults=self.faults.active).info("faults were switched")
            self._planted = False
            if "foreign_orders" in self.faults:
                await self._ready()
        known = [msgspec.to_builtins(fault) for fault in CATALOGUE.values()]
        return _json({"faults": self.faults.active, "known": known})

    # -- connections -------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request, said: _Conversation) -> web.StreamResponse:
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
        if (status := self.faults.status("handshake")) is not None:
            return web.Response(status=status, text="It does not open.\n")
        if len(self._clients) >= settings.most_clients:
            return web.Response(status=503, text=f"There are {settings.most_clients} clients already.\n")
        await ws.prepare(request)
        transport = request.transport
        if transport is None:
            return ws  # it left during the handshake
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.send_buffer_bytes)
        self._connections += 1
        hindrance = Hindrance(self.faults, self._connections, said.words)
        name = _address(transport.get_extra_info("peername"))
        await self._converse(_Client(ws, request, said, hindrance, name), said.greet)
        return ws

    async def _converse(self, client: _Client, greet: Callable[[], None]) -> None:
        greet()
        self._clients.add(client)
        client.sender = asyncio.create_task(self._send(client), name=f"send to {client.name}")
        timeout = asyncio.get_running_loop().call_later(self.settings.auth_timeout_s, self._expire, client)
        logger.bind(event="exchange.client_connected", client=client.name, clients=len(self._clients)).info(
            "a client connected"
        )
        try:
            self._admit(client)
            async for message in client.ws:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    client.outbox.receive(message.data)
                    self._admit(client)
        finally:
            timeout.cancel()
            client.outbox.leave()
            self._clients.discard(client)
            client.sender.cancel()
            await asyncio.wait([client.sender])
            logger.bind(event="exchange.client_left", client=client.name, clients=len(self._clients)).info(
                "a client left"
            )

    def _admit(self, client: _Client) -> None:
        """Let the client's words have their effect."""
        if client.outbox.admitted and self._open is None:
            self._advance()
        self._wake(client)

    def _expire(self, client: _Client) -> None:
        client.outbox.expire()
        self._wake(client)

    async def _send(self, client: _Client) -> None:
        """Send what waits, many frames at a time. Only this waits for the client to read."""
        with contextlib.suppress(ConnectionError):  # it left: the reading side ends the conversation
            while True:
                while frames := _take_frames(client):
                    client.write(frames)
                    await client.request.writer.drain()
                if client.hindrance.cut:
                    client.abort()
                if client.outbox.closing:
                    break
                await client.wake.wait()
                client.wake.clear()
            await client.ws.close()

    def _wake(self, client: _Client) -> None:
        """Have the client's queue sent, or drop the client if the queue ran over."""
        if client.idle:
            client.write(_take_frames(client))  # at once, which spares a task's turn
        if client.outbox.waits or client.hindrance.cut:
            client.wake.set()
        if client.outbox.overflow and client in self._clients:
            self._clients.discard(client)
            self.dropped += 1
            farewell = asyncio.create_task(_dismiss(client), name=f"dismiss {client.name}")
            self._farewells.add(farewell)
            farewell.add_done_callback(self._farewells.discard)
            logger.bind(event="exchange.client_dropped", client=client.name, reason=client.outbox.overflow).warning(
                "a client that does not read was dropped"
            )

    async def close_clients(self) -> None:
        """Say goodbye to everybody, and cut off who does not answer in time."""
        if self._farewells:
            await asyncio.wait(self._farewells)
        clients = list(self._clients)
        goodbyes = [asyncio.create_task(client.ws.close(code=WSCloseCode.GOING_AWAY)) for client in clients]
        if goodbyes:
            _, late = await asyncio.wait(goodbyes, timeout=CLOSE_S)
            for task in late:
                task.cancel()
        for client in clients:
            client.abort()


def _take_frames(client: _Client) -> bytes:
    """Take what waits, as frames, up to about CHUNK_BYTES; what is hindered may be other than what waited."""
    kind = BINARY if client.outbox.binary else TEXT
    payloads = client.outbox.take_frames(CHUNK_BYTES)
    if not client.hindrance.active:
        return framed(payloads, kind)
    passed = chain.from_iterable(client.hindrance.passed(payload, kind) for payload in payloads)
    return b"".join(framed([payload], kind) for payload, kind in passed)


async def _dismiss(client: _Client) -> None:
    """Tell a client that does not read why it has to go, if it can be told, and cut it off."""
    if client.sender is not None:
        client.sender.cancel()
    if client.outbox.farewell:
        client.write(framed([client.outbox.farewell], BINARY if client.outbox.binary else TEXT))
        # Behind all that it did not read, the closing handshake may never come.
        with contextlib.suppress(TimeoutError, ConnectionError):
            await asyncio.wait_for(client.ws.close(), CLOSE_S)
    client.abort()


EXCHANGE = web.AppKey("exchange", Exchange)
PACING = web.AppKey("pacing", asyncio.Task[None])


def application(exchange: Exchange) -> web.Application:
    """Make the web application: Alpaca's protocols on their paths, the simple push on every other."""

    async def pacing(app: web.Application) -> AsyncIterator[None]:
        app[PACING] = asyncio.create_task(exchange.pace(), name="pace the market")
        yield
        app[PACING].cancel()
        await asyncio.wait([app[PACING]])

    async def say_goodbye(_: web.Application) -> None:
        await exchange.close_clients()

    app = web.Application(client_max_size=exchange.settings.message_bytes)
    app[EXCHANGE] = exchange
    app.cleanup_ctx.append(pacing)
    app.on_shutdown.append(say_goodbye)
    app.router.add_get("/v2/{feed:iex|sip}", exchange.feed)
    app.router.add_get("/stream{slash:/?}", exchange.stream)
    app.router.add_get("/control/faults", exchange.control)
    app.router.add_post("/control/faults", exchange.control)
    app.router.add_route("*", "/v2/{call:.*}", exchange.rest)
    app.router.add_get("/{path:.*}", exchange.push)
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


def _is_here(remote: str | None) -> bool:
    """Tell whether a peer's address is of this machine."""
    if remote is None:
        return False
    address = ipaddress.ip_address(remote.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")


def _address(name: tuple[str, int] | tuple[str, int, int, int] | None) -> str:
    if not name:
        return "unknown"
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
