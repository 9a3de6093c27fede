"""The exchange on its port: REST calls and streams share it, served by aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from mock_exchange.connections import CLOSE_S, Connections, host_and_port
from mock_exchange.exchange import Exchange
from mock_exchange.faults import Faults
from mock_exchange.handlers import Handlers, errors_in_json, own_names_only
from mock_exchange.names import Names
from mock_exchange.pacing import Pacer
from mock_exchange.settings import ExchangeSettings

IDLE_S = 75.0
"""Real seconds after which a connection is closed on which no whole request came, however it trickles."""

LINGER_S = 1.0
"""Real seconds for which the rest of a refused body is read, so that the client gets the answer."""


class CannotListen(Exception):
    """The address could not be listened on; the text is one sentence for people."""


class Server:
    """A mock exchange, its clients, and what paces it.

    The wall clock, which a market that starts now asks once, and the monotonic one are handed in; both return
    nanoseconds.
    """

    def __init__(self, settings: ExchangeSettings, wall_ns: Callable[[], int], monotonic_ns: Callable[[], int]) -> None:
        self.settings = settings
        self.url = ""  # where clients connect, once it listens
        faults = Faults(settings.seed, settings.faults)
        self.connections = Connections(settings, faults)
        self.exchange = Exchange(settings, faults, wall_ns, monotonic_ns, self.connections.broadcast)
        self.pacer = Pacer(self.exchange)

    def application(self) -> web.Application:
        """Make the web application."""
        names = Names(self.settings.host, self.settings.allowed_hosts)
        app = web.Application(
            client_max_size=self.settings.message_bytes, middlewares=[errors_in_json, own_names_only(names)]
        )
        app.add_routes(Handlers(self.exchange, self.connections, self.pacer).routes())
        app.on_shutdown.append(lambda _: self.connections.close())
        return app


@contextlib.asynccontextmanager
async def listening(server: Server) -> AsyncIterator[asyncio.Task[None]]:
    """Listen while the context lasts; yield the task that paces the market, which ends only by a fault.

    Raises CannotListen if the address is not to be had.
    """
    settings = server.settings
    runner = web.AppRunner(
        server.application(),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=CLOSE_S,
        keepalive_timeout=IDLE_S,
        lingering_time=LINGER_S,
    )
    await runner.setup()
    pacing = asyncio.create_task(server.pacer.run(), name="pace the market")
    try:
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
        except OSError as error:
            raise CannotListen(f"cannot listen on {settings.host}:{settings.port}: {_reason(error)}") from error
        server.url = f"ws://{host_and_port(runner.addresses[0])}"
        yield pacing
    finally:
        await runner.cleanup()
        pacing.cancel()
        await asyncio.wait([pacing])


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "the host is not known"
    if error.errno == errno.EADDRINUSE:
        return "the port is in use"
    return os.strerror(error.errno).lower() if error.errno else str(error)
