"""The venue on a socket: one port, a market in real time, and clients that cannot hold it up."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from itertools import chain
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.typedefs import Handler
from loguru import logger

from mock_exchange.alpaca.calls import Request, Response
from mock_exchange.broadcast import Broadcast
from mock_exchange.connection_faults import UPDATES, ConnectionFaults
from mock_exchange.door import IDLE_S, REQUEST_S, Desk, Door
from mock_exchange.exchange import Conversation, Exchange
from mock_exchange.faults import CATALOGUE
from mock_exchange.frames import BINARY, CHUNK_BYTES, TEXT, framed
from mock_exchange.names import Names, Refusal
from mock_exchange.settings import ExchangeSettings

TURN_S = 0.001
"""Real seconds between two turns of the market at least."""

CLOSE_S = 0.5
"""Real seconds that clients have for the closing handshake when the exchange stops."""


_UPGRADE = {"Upgrade": "websocket"}


class Halted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The stocks that are to be halted, and no others."""

    symbols: tuple[str, ...]


class Switches(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The faults that are to be on, and no others."""

    faults: tuple[str, ...]


class CannotListen(Exception):
    """The address could not be listened on; the text is one sentence for people."""


class _Client:
    """One connection."""

    def __init__(
        self, ws: web.WebSocketResponse, request: web.Request, said: Conversation, faults: ConnectionFaults, name: str
    ) -> None:
        self.ws = ws
        self.request = request
        self.buffer = said.buffer
        self.publish = said.publish
        self.at_once = said.at_once
        self.hears_updates = said.words is UPDATES
        self.faults = faults
        self.name = name  # for logs: the peer's address
        self.wake = asyncio.Event()  # something waits in the buffer
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


class Server:
    """A mock exchange on its port: the exchange, and the clients that it talks to.

    The market opens when the first client has connected, so that the seed fixes what that client sees; from
    then on it runs whether or not anybody listens. The wall clock, which a market that starts now asks once,
    and the monotonic one are handed in; both tell nanoseconds.
    """

    def __init__(self, settings: ExchangeSettings, wall_ns: Callable[[], int], monotonic_ns: Callable[[], int]) -> None:
        self.settings = settings
        self.url = ""  # where clients connect, once it listens
        self.dropped = 0  # clients that did not read
        self.names = Names(settings.host, settings.allowed_hosts)
        self.exchange = Exchange(settings, wall_ns, monotonic_ns, self._tell)
        self._connections = 0  # so far
        self._clients: set[_Client] = set()
        self._hearing: set[_Client] = set()  # those for whom something waits
        self._flushing = False  # it is about to be sent
        self._farewells: set[asyncio.Task[None]] = set()
        self._opened = asyncio.Event()

    @property
    def published(self) -> int:
        """How many events the market has had."""
        return self.exchange.published

    # -- the market --------------------------------------------------------------------------------------------

    async def pace(self) -> None:
        """Publish every event when it is due, for ever."""
        await self._opened.wait()
        while True:
            self.exchange.advance()
            seconds = self.exchange.seconds_to_next()
            # Events closer together than this share a turn: waking every client costs more than an event.
            await asyncio.sleep(max(TURN_S, seconds) if seconds else 0)

    def _tell(self, broadcast: Broadcast) -> None:
        """Tell the clients what there is to tell."""
        clear = not self.exchange.faults
        for client in list(self._clients):
            if broadcast.only_updates and not client.hears_updates:
                continue  # after an order that is most of them
            if clear and client.at_once is not None and client.buffer.up_to_date and client.idle:
                client.write(client.at_once(broadcast))
                continue
            client.publish(broadcast)
            if client.buffer.waits:
                self._hearing.add(client)
        if self._hearing and not self._flushing:
            # What else is told in this turn of the loop, such as the fills of other orders, goes out with it.
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Send what was told in this turn of the loop."""
        self._flushing = False
        hearing, self._hearing = self._hearing, set()
        for client in hearing:
            self._wake(client)

    # -- routes ------------------------------------------------------------------------------------------------

    async def push(self, request: web.Request) -> web.StreamResponse:
        """Serve the simple push."""
        return await self._serve(request, self.exchange.push())

    async def feed(self, request: web.Request) -> web.StreamResponse:
        """Serve the market-data stream."""
        name = request.path.rpartition("/")[2]
        return await self._serve(request, self.exchange.feed(name, request.content_type, request.headers))

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Serve the trading stream."""
        return await self._serve(request, self.exchange.stream(request.headers))

    async def rest(self, request: web.Request) -> web.StreamResponse:
        """Answer a REST call."""
        asked = Request(request.method, request.path, request.query, await _body(request))
        account = self.exchange.account_of(request.headers)
        if account is not None:
            await self.quoted()
        response, delay_s = self.exchange.rest(asked, account)
        if delay_s:
            await asyncio.sleep(delay_s)
        content_type = "application/json" if response.body else None
        return web.Response(status=response.status, body=response.body or None, content_type=content_type)

    def respond(self, asked: Request, headers: Mapping[str, str]) -> tuple[Response, float] | None:
        """Answer a REST call, and say after how many real seconds; None if the market has to be quoted first."""
        host, origin, site = headers.get("HOST", ""), headers.get("ORIGIN"), headers.get("SEC-FETCH-SITE")
        if (refused := self.names.refusal((host,), origin, site)) is not None:
            return _refusal(refused), 0.0
        account = self.exchange.account_of(headers)
        return None if account is not None and not self.exchange.is_quoted() else self.exchange.rest(asked, account)

    async def quoted(self) -> None:
        """Wait until no stock is without a quote: the market may open just now."""
        self._see_it_open()
        while not self.exchange.is_quoted():
            await asyncio.sleep(self.exchange.seconds_to_next())
            self.exchange.advance()

    async def control(self, request: web.Request) -> web.StreamResponse:
        """Tell which faults are on, or turn on exactly those that are named. Only this machine may."""
        if (refused := await self._controlled(request, self._switch)) is not None:
            return refused
        known = [msgspec.to_builtins(fault) for fault in CATALOGUE.values()]
        return _json({"faults": self.exchange.faults.active, "known": known})

    async def control_halts(self, request: web.Request) -> web.StreamResponse:
        """Tell which stocks are halted, or halt exactly those that are named. Only this machine may."""
        if (refused := await self._controlled(request, self._halt)) is not None:
            return refused
        return _json({"halted": self.exchange.halted})

    def _switch(self, body: bytes) -> None:
        self.exchange.switch(msgspec.json.decode(body, type=Switches).faults)

    def _halt(self, body: bytes) -> None:
        wanted = msgspec.json.decode(body, type=Halted).symbols
        self.exchange.halt(wanted)
        self._opened.set()

    async def _controlled(self, request: web.Request, change: Callable[[bytes], None]) -> web.Response | None:
        """Let somebody on this machine change something, if that is wanted; return why it is refused."""
        if not _is_here(request.remote):
            return _json({"message": "only from the exchange's own machine"}, 403)
        if request.method == "POST":
            # A browser asks before it sends JSON to another site, and gets no leave here.
            if request.content_type != "application/json":
                return _json({"message": "send JSON, with its content type"}, 415)
            try:
                change(await _body(request))
            except (msgspec.MsgspecError, ValueError) as error:
                return _json({"message": str(error)}, 422)
        return None

    # -- connections -------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request, said: Conversation) -> web.StreamResponse:
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
        if (status := self.exchange.faults.status("handshake")) is not None:
            return web.Response(status=status, text="It does not open.\n")
        if len(self._clients) >= settings.most_clients:
            return web.Response(status=503, text=f"There are {settings.most_clients} clients already.\n")
        await ws.prepare(request)
        transport = request.transport
        if transport is None:
            return ws  # it left during the handshake
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.send_buffer_bytes)
        self._connections += 1
        faults = ConnectionFaults(self.exchange.faults, self._connections, said.words)
        name = _address(transport.get_extra_info("peername"))
        await self._converse(_Client(ws, request, said, faults, name), said.greet)
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
                    client.buffer.receive(message.data)
                    self._admit(client)
        finally:
            timeout.cancel()
            client.buffer.leave()
            self._clients.discard(client)
            client.sender.cancel()
            await asyncio.wait([client.sender])
            logger.bind(event="exchange.client_left", client=client.name, clients=len(self._clients)).info(
                "a client left"
            )

    def _admit(self, client: _Client) -> None:
        """Let the client's words have their effect."""
        if client.buffer.admitted:
            self._see_it_open()
        self._wake(client)

    def _see_it_open(self) -> None:
        """Open the market, if it is not open yet, and have it go on by itself."""
        if not self._opened.is_set():
            self.exchange.advance()
            self._opened.set()

    def _expire(self, client: _Client) -> None:
        client.buffer.expire()
        self._wake(client)

    async def _send(self, client: _Client) -> None:
        """Send what waits, many frames at a time. Only this waits for the client to read."""
        with contextlib.suppress(ConnectionError):  # it left: the reading side ends the conversation
            while True:
                while frames := _take_frames(client):
                    client.write(frames)
                    await client.request.writer.drain()
                if client.faults.cut:
                    client.abort()
                if client.buffer.closing:
                    break
                await client.wake.wait()
                client.wake.clear()
            await client.ws.close()

    def _wake(self, client: _Client) -> None:
        """Have the client's queue sent, or drop the client if the queue ran over."""
        if client.idle:
            client.write(_take_frames(client))  # at once, which spares a task's turn
        if client.buffer.waits or client.faults.cut:
            client.wake.set()
        if client.buffer.overflow and client in self._clients:
            self._clients.discard(client)
            self.dropped += 1
            farewell = asyncio.create_task(_dismiss(client), name=f"dismiss {client.name}")
            self._farewells.add(farewell)
            farewell.add_done_callback(self._farewells.discard)
            logger.bind(event="exchange.client_dropped", client=client.name, reason=client.buffer.overflow).warning(
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
    kind = BINARY if client.buffer.binary else TEXT
    payloads = client.buffer.take_frames(CHUNK_BYTES)
    if not client.faults.active:
        return framed(payloads, kind)
    passed = chain.from_iterable(client.faults.passed(payload, kind) for payload in payloads)
    return b"".join(framed([payload], kind) for payload, kind in passed)


async def _dismiss(client: _Client) -> None:
    """Tell a client that does not read why it has to go, if it can be told, and cut it off."""
    if client.sender is not None:
        client.sender.cancel()
    if client.buffer.farewell:
        client.write(framed([client.buffer.farewell], BINARY if client.buffer.binary else TEXT))
        # Behind all that it did not read, the closing handshake may never come.
        with contextlib.suppress(TimeoutError, ConnectionError):
            await asyncio.wait_for(client.ws.close(), CLOSE_S)
    client.abort()


EXCHANGE = web.AppKey("exchange", Server)
PACING = web.AppKey("pacing", asyncio.Task[None])


def application(exchange: Server) -> web.Application:
    """Make the web application: Alpaca's protocols on their paths, the simple push on every other."""

    async def pacing(app: web.Application) -> AsyncIterator[None]:
        app[PACING] = asyncio.create_task(exchange.pace(), name="pace the market")
        yield
        app[PACING].cancel()
        await asyncio.wait([app[PACING]])

    async def say_goodbye(_: web.Application) -> None:
        await exchange.close_clients()

    app = web.Application(client_max_size=exchange.settings.message_bytes, middlewares=[_in_json, _by_name])
    app[EXCHANGE] = exchange
    app.cleanup_ctx.append(pacing)
    app.on_shutdown.append(say_goodbye)
    app.router.add_get("/v2/{feed:iex|sip}", exchange.feed)
    app.router.add_get("/stream{slash:/?}", exchange.stream)
    app.router.add_get("/control/faults", exchange.control)
    app.router.add_post("/control/faults", exchange.control)
    app.router.add_get("/control/halts", exchange.control_halts)
    app.router.add_post("/control/halts", exchange.control_halts)
    app.router.add_route("*", "/v2/{call:.*}", exchange.rest)
    app.router.add_route("*", "/v1{call:.*}", exchange.rest)  # news, crypto and the like, which are not there
    app.router.add_get("/{path:.*}", exchange.push)
    return app


@contextlib.asynccontextmanager
async def listening(exchange: Server) -> AsyncIterator[asyncio.Task[None]]:
    """Listen while the context lasts; yield the task that paces the market, which ends only by a fault.

    Raises CannotListen if the address is not to be had.
    """
    app = application(exchange)
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=CLOSE_S, keepalive_timeout=IDLE_S
    )
    await runner.setup()
    assert runner.server is not None
    desk = Desk(exchange.respond, exchange.quoted, exchange.settings.message_bytes, runner.server)
    doors: set[Door] = set()
    server: asyncio.Server | None = None
    try:
        settings = exchange.settings
        try:
            loop = asyncio.get_running_loop()
            server = await loop.create_server(lambda: Door(desk, doors), settings.host, settings.port)
        except OSError as error:
            raise CannotListen(f"cannot listen on {settings.host}:{settings.port}: {_reason(error)}") from error
        exchange.url = f"ws://{_address(server.sockets[0].getsockname())}"
        yield app[PACING]
    finally:
        if server is not None:
            server.close()
        for door in list(doors):
            door.close()
        await runner.cleanup()


@web.middleware
async def _in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Have what aiohttp itself refuses, such as a body that is too long, answered in JSON like all else."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return web.json_response(
            {"code": error.status * 100_000 + 10_000, "message": error.text or error.reason},
            status=error.status,
            headers=headers,
        )


@web.middleware
async def _by_name(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve only who calls the exchange by a name of its own, and no page of another origin."""
    headers = request.headers
    hosts = headers.getall("Host", [])
    refused = request.app[EXCHANGE].names.refusal(hosts, headers.get("Origin"), headers.get("Sec-Fetch-Site"))
    if refused is None:
        return await handler(request)
    response = _refusal(refused)
    return web.Response(status=response.status, body=response.body, content_type="application/json")


def _refusal(refused: Refusal) -> Response:
    body = {"code": refused.status * 100_000 + 10_000, "message": refused.sentence}
    return Response(refused.status, msgspec.json.encode(body))


async def _body(request: web.Request) -> bytes:
    """Read a request's body, which has to come in time."""
    try:
        async with asyncio.timeout(REQUEST_S):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body did not come within {REQUEST_S:g} s") from None


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
