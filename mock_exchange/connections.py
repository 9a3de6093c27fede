"""The clients' WebSockets: a task of its own sends to each, so that a client that does not read holds up no other."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from aiohttp import WSCloseCode, WSMsgType, web
from loguru import logger

from mock_exchange.broadcast import Broadcast
from mock_exchange.connection_faults import ConnectionFaults, Frame
from mock_exchange.faults import Faults
from mock_exchange.push import PushSession
from mock_exchange.session import Session
from mock_exchange.settings import ExchangeSettings

CLOSE_S = 0.5
"""Real seconds that a client has for the closing handshake."""

_UPGRADE = {"Upgrade": "websocket"}


class Connection:
    """One client. Only its own sending task waits for it to read; what does not fit its buffer ends it."""

    def __init__(
        self, ws: web.WebSocketResponse, request: web.Request, session: Session, faults: ConnectionFaults
    ) -> None:
        self.name = host_and_port(request.get_extra_info("peername"))  # for logs
        self.ws = ws
        self.session = session
        self._request = request
        self._faults = faults
        self.wake = asyncio.Event()  # something waits in the buffer
        self._sending = asyncio.create_task(self._send_waiting(), name=f"send to {self.name}")

    def abort(self) -> None:
        """Cut the connection without a closing handshake."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def stop(self) -> None:
        """End the sending task; the client is gone."""
        self._sending.cancel()
        await asyncio.wait([self._sending])

    async def dismiss(self) -> None:
        """Say why the connection ends to a client that does not read, if its protocol can, and cut it."""
        self._sending.cancel()
        if self.session.farewell:
            # Behind all that it did not read, neither may ever arrive.
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(CLOSE_S):
                    opcode = WSMsgType.BINARY if self.session.binary else WSMsgType.TEXT
                    await self.ws.send_frame(self.session.farewell, opcode)
                    await self.ws.close()
        self.abort()

    async def _send_waiting(self) -> None:
        buffer = self.session.buffer
        with contextlib.suppress(ConnectionError):  # the client left, which the receiving side notices as well
            while True:
                await self.wake.wait()
                self.wake.clear()
                while payload := buffer.take_frame():
                    await self._send(payload)
                if buffer.closing:
                    break
            await self.ws.close()

    async def _send(self, payload: bytes) -> None:
        for frame in self._faults.passed(Frame(payload, self.session.binary)):
            await self.ws.send_frame(frame.payload, WSMsgType.BINARY if frame.binary else WSMsgType.TEXT)
        if self._faults.cut:
            await asyncio.sleep(0)  # the system has what was sent before once the loop has had its turn
            self.abort()


class Connections:
    """All connections: they are served here, and told what happens."""

    def __init__(self, settings: ExchangeSettings, faults: Faults) -> None:
        self.dropped = 0  # clients that did not read
        self._settings = settings
        self._faults = faults
        self._count = 0  # so far
        self._open: set[Connection] = set()
        self._dismissals: set[asyncio.Task[None]] = set()

    def broadcast(self, broadcast: Broadcast) -> None:
        """Queue for all clients what they want of it."""
        for connection in list(self._open):
            connection.session.publish(broadcast)
            self._wake(connection)

    def greet_again(self) -> None:
        """Greet the clients of the simple push once more: time runs at another rate."""
        for connection in list(self._open):
            if isinstance(connection.session, PushSession) and connection.session.admitted:
                connection.session.greet()
                self._wake(connection)

    async def serve(
        self, request: web.Request, session: Session, on_admitted: Callable[[], None]
    ) -> web.StreamResponse:
        """Serve one client for as long as it stays."""
        settings = self._settings
        ws = web.WebSocketResponse(
            compress=False,  # on the same host it costs more than it saves
            heartbeat=settings.heartbeat_s,
            max_msg_size=settings.message_bytes,
            timeout=CLOSE_S,
            autoclose="rude_close" not in self._faults,
        )
        if not ws.can_prepare(request):
            return web.Response(status=426, headers=_UPGRADE, text=f"Connect a WebSocket to ws://{request.host}.\n")
        if (status := self._faults.status("handshake")) is not None:
            return web.Response(status=status, text="It does not open.\n")
        if len(self._open) >= settings.most_clients:
            return web.Response(status=503, text=f"There are {settings.most_clients} clients already.\n")
        await ws.prepare(request)
        if (sock := request.get_extra_info("socket")) is None:
            return ws  # it left during the handshake
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.send_buffer_bytes)
        self._count += 1
        session.greet()
        faults = ConnectionFaults(self._faults, self._count, session.junk)
        connection = Connection(ws, request, session, faults)
        self._open.add(connection)
        timeout = asyncio.get_running_loop().call_later(settings.auth_timeout_s, self._expire, connection)
        logger.bind(event="exchange.client_connected", client=connection.name, clients=len(self._open)).info(
            "a client connected"
        )
        try:
            if session.admitted:
                on_admitted()
            self._wake(connection)
            async for message in ws:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    session.receive(message.data)
                    if session.admitted:
                        on_admitted()
                    self._wake(connection)
            if "rude_close" in self._faults:
                connection.abort()
        finally:
            timeout.cancel()
            self._let_go(session)
            self._open.discard(connection)
            await connection.stop()
            logger.bind(event="exchange.client_left", client=connection.name, clients=len(self._open)).info(
                "a client left"
            )
        return ws

    def _let_go(self, session: Session) -> None:
        """Release what a conversation holds, at once or a while after its connection is gone."""
        lingering_s = self._faults.value("lingering")
        if lingering_s is None:
            session.leave()
        else:
            asyncio.get_running_loop().call_later(lingering_s, session.leave)

    def _expire(self, connection: Connection) -> None:
        connection.session.expire()
        self._wake(connection)

    def _wake(self, connection: Connection) -> None:
        """Have the client sent what waits, or drop it if its buffer ran over."""
        buffer = connection.session.buffer
        if buffer.waits:
            connection.wake.set()
        if buffer.overflow and connection in self._open:
            self._open.discard(connection)
            self.dropped += 1
            dismissal = asyncio.create_task(connection.dismiss(), name=f"dismiss {connection.name}")
            self._dismissals.add(dismissal)
            dismissal.add_done_callback(self._dismissals.discard)
            logger.bind(event="exchange.client_dropped", client=connection.name, reason=buffer.overflow).warning(
                "a client that does not read was dropped"
            )

    async def close(self) -> None:
        """Close all connections, and cut those whose clients do not answer in time."""
        if self._dismissals:
            await asyncio.wait(self._dismissals)
        connections = list(self._open)
        goodbyes = [connection.ws.close(code=WSCloseCode.GOING_AWAY) for connection in connections]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await asyncio.gather(*goodbyes, return_exceptions=True)
        for connection in connections:
            connection.abort()


def host_and_port(name: tuple[str, int] | tuple[str, int, int, int] | None) -> str:
    """Write the name of a socket."""
    if not name:
        return "unknown"
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
