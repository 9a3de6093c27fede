"""What the tests of the live path share: a venue to command, a feed, logs, and the whole bot as a process."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import msgspec
from loguru import logger
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from actors.feeds.feed import Batch
from actors.feeds.websocket import FeedSettings, WebSocketFeed
from actors.messages import FeedChanged, FeedState
from pipeline.admission import Admission, AdmissionSettings
from pipeline.events import SECOND, Trade
from pipeline.venue_clock import VenueClock
from pipeline.venues.dialect import Dialect
from tests.support.market import START

PATIENCE_S = 240
"""Real seconds after which something that has to happen is given up; nothing waits that long when all is well."""

HASTY = FeedSettings(first_delay_s=0.002, most_delay_s=0.01, connects_per_minute=1_000)
"""A feed that reconnects at once, as far as a test is concerned."""

TRUSTING = AdmissionSettings()
"""What a live feed may say by default."""

F = TypeVar("F")

ServeOne = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What a raw server does with one connection."""

Script = Callable[[ServerConnection], Awaitable[None]]
"""What the venue does with one connection; when it returns, the connection is closed."""


# ------------------------------------------------------------------------------------------------------- the venue


class Venue:
    """A WebSocket server on loopback. Each connection is served by the next script, the last one serving all others.

    The first handshakes are refused with `statuses`. One that `asks` says nothing before its client has subscribed.
    """

    def __init__(self, *scripts: Script, statuses: tuple[int, ...] = (), asks: bool = False) -> None:
        self.url = ""
        self.asked = 0  # handshakes, refused ones among them
        self.connections: list[ServerConnection] = []
        self.said: list[list[str]] = []  # what each client said
        self._scripts = scripts
        self._statuses = list(statuses)
        self._asks = asks
        self._news = asyncio.Event()

    async def handshake(self, connection: ServerConnection, _: Request) -> Response | None:
        self.asked += 1
        self._news.set()
        return connection.respond(self._statuses.pop(0), "no\n") if self._statuses else None

    def refuse(self, *statuses: int) -> None:
        """Refuse the next handshakes."""
        self._statuses += statuses

    async def serve(self, connection: ServerConnection) -> None:
        place = len(self.connections)
        self.connections.append(connection)
        said: list[str] = []
        self.said.append(said)
        hearing = asyncio.create_task(self._hear(connection, said))
        try:
            if self._asks:
                await self.until(lambda: bool(said))
            with contextlib.suppress(ConnectionClosed):
                await self._scripts[min(place, len(self._scripts) - 1)](connection)
        finally:
            await connection.close()
            await asyncio.wait([hearing])
            self._news.set()

    async def _hear(self, connection: ServerConnection, said: list[str]) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                said.append(str(message))
                self._news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true of the venue."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def a_venue(*scripts: Script, statuses: tuple[int, ...] = (), asks: bool = False) -> AsyncIterator[Venue]:
    """Open a venue on a port that the system gives."""
    venue = Venue(*scripts, statuses=statuses, asks=asks)
    options: dict[str, Any] = {"compression": None, "close_timeout": 1, "process_request": venue.handshake}
    async with serve(venue.serve, "127.0.0.1", 0, **options) as server:
        venue.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield venue


class _Noted(asyncio.StreamReaderProtocol):
    """A connection to a server of streams; its transport is noted as soon as there is one."""

    def __init__(self, serve_one: ServeOne, noted: list[asyncio.WriteTransport]) -> None:
        super().__init__(asyncio.StreamReader(), serve_one)
        self._noted = noted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._noted.append(transport)
        super().connection_made(transport)


@contextlib.asynccontextmanager
async def a_raw_server(serve_one: ServeOne) -> AsyncIterator[int]:
    """Serve connections as `asyncio.start_server` does; yield the port.

    At the end all of them are closed: one that its loop leaves open is told of in whatever test runs by then.
    """
    noted: list[asyncio.WriteTransport] = []
    server = await asyncio.get_running_loop().create_server(lambda: _Noted(serve_one, noted), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for _ in range(3):  # those that were accepted just now
            await asyncio.sleep(0)
        for transport in noted:
            transport.abort()
        await asyncio.sleep(0)


async def stay(connection: ServerConnection) -> None:
    """Keep a connection open and say nothing."""
    await connection.wait_closed()


def says(*frames: str | bytes | msgspec.Struct, then: Script | None = stay) -> Script:
    """Send some frames, then go on as another script does; without one, drop the connection."""

    async def script(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame if isinstance(frame, str | bytes) else msgspec.json.encode(frame).decode())
        if then is None:
            drop(connection)
        else:
            await then(connection)

    return script


def drop(connection: ServerConnection) -> None:
    """Lose a connection as a network does: no closing handshake, but what was sent before arrives."""
    connection.transport.close()


def hello(ts: int = START, rate: float = 1.0) -> str:
    return json.dumps({"type": "hello", "venue": "test", "ts": ts, "rate": rate})


def print_of(number: int, *, symbol: str = "A", price: float = 100.0, ts: int = 0) -> Trade:
    """Print a trade whose id is its number; times rise with the numbers."""
    return Trade(symbol, ts or START + number * SECOND // 1000, price, 10.0, None, None, number)


# -------------------------------------------------------------------------------------------------------- the feed


class Heard:
    """Everything that a feed told its subscriber, and a way to wait for it."""

    def __init__(self, take: Callable[[Batch], None] = lambda _: None) -> None:
        self.batches: list[Batch] = []
        self.inputs: list[Any] = []
        self.errors: list[Exception] = []
        self.ended = False
        self._take = take
        self._news = asyncio.Event()

    def on_next(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.inputs += batch
        self._news.set()
        self._take(batch)

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)
        self._news.set()

    def on_completed(self) -> None:
        self.ended = True
        self._news.set()

    def of(self, kind: type[F]) -> list[F]:
        return [event for event in self.inputs if isinstance(event, kind)]

    @property
    def ids(self) -> list[int | str | None]:
        """The ids of the trades, in order."""
        return [trade.id for trade in self.of(Trade)]

    @property
    def states(self) -> list[FeedState]:
        return [change.state for change in self.of(FeedChanged)]

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true of what was heard."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._news.clear()
                await self._news.wait()


class Listener:
    """A feed, its clock, and what it says."""

    def __init__(self, feed: WebSocketFeed, heard: Heard) -> None:
        self.feed = feed
        self.heard = heard
        self.subscription = feed.subscribe(heard)


@contextlib.asynccontextmanager
async def listening_to(
    url: str,
    *symbols: str,
    settings: FeedSettings = HASTY,
    admission: AdmissionSettings = TRUSTING,
    seed: int = 1,
    take: Callable[[Batch], None] = lambda _: None,
    dialect: Callable[[], Dialect] | None = None,
    monotonic: Callable[[], int] = time.monotonic_ns,
) -> AsyncIterator[Listener]:
    """Subscribe to a feed of `url` for as long as the context lasts."""
    clock = VenueClock(admission.max_skew_s)
    clock.expect(START, monotonic())
    admitting = Admission(admission, clock, symbols)
    feed = WebSocketFeed(url, settings, clock, admitting, monotonic, Random(seed), symbols, dialect)
    listener = Listener(feed, Heard(take))
    try:
        yield listener
    finally:
        listener.subscription.dispose()
        await feeds_ended()


async def feeds_ended() -> None:
    """Wait until no feed runs on this loop."""
    if tasks := [task for task in asyncio.all_tasks() if task.get_name() == "feed"]:
        await asyncio.wait(tasks, timeout=PATIENCE_S)


# ------------------------------------------------------------------------------------------------------------ logs


@contextlib.contextmanager
def events_logged() -> Iterator[list[dict[str, Any]]]:
    """Collect the fields of what is logged meanwhile; how it reads is nobody's business."""
    events: list[dict[str, Any]] = []

    def take(message: Any) -> None:
        events.append({"level": message.record["level"].name, **message.record["extra"]})

    sink = logger.add(take, level="DEBUG", format="{message}")
    try:
        yield events
    finally:
        logger.remove(sink)


@contextlib.contextmanager
def loguru_restored() -> Iterator[None]:
    """Put loguru, and `logging`, which it takes over, back to where a test found them."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []  # code that takes logging over would close them
    try:
        yield
    finally:
        logger.remove()
        logger.add(_to_stderr, level="DEBUG")
        root.handlers[:] = handlers
        root.setLevel(level)


def _to_stderr(message: str) -> None:
    sys.stderr.write(message)  # looked up again each time: a test may have put another in its place


# ------------------------------------------------------------------------------------------------- the whole command

ROOT = Path(__file__).resolve().parents[2]
MICROBOT = Path(sys.executable).with_name("microbot")


FREE_PORTS = {"MICROBOT_WEB__PORT": "0", "MICROBOT_EXCHANGE__PORT": "0"}
"""The default ports may belong to a bot of the user who runs the tests."""


OWN_FOLDER = {"MICROBOT_DATA_DIR": "data"}
"""The system's folder for data may hold the books of that bot."""


UNHURRIED = {"MICROBOT_WEB__ANSWER_TIMEOUT_S": "60"}
"""A command from a page is refused when it is late, and on a busy machine it easily is."""


def environment() -> dict[str, str]:
    """Return an environment without settings of this machine's bot or ways around this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MICROBOT_")}
    return kept | FREE_PORTS | OWN_FOLDER | UNHURRIED | {"PYTHONPATH": str(ROOT), "no_proxy": "*", "NO_PROXY": "*"}


def microbot(*arguments: object, cwd: Path, said: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the bot to its end; `said` is what it is told on stdin, `environ` further variables."""
    command = [str(MICROBOT), *map(str, arguments)]
    options: dict[str, Any] = {"input": said, "capture_output": True, "text": True}
    return subprocess.run(command, cwd=cwd, env=environment() | environ, timeout=PATIENCE_S, check=False, **options)


class Bot:
    """`microbot run` as a person starts it, in a folder of its own, with whatever ports are free."""

    def __init__(self, folder: Path, *options: object, **environ: str) -> None:
        self.folder = folder
        command = [str(MICROBOT), "run", "--port", "0", "--exchange-port", "0", *map(str, options)]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment() | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []  # on stderr
        self._news = threading.Condition()
        self._hearing = threading.Thread(target=self._hear)
        self._hearing.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        children = self.children.values() if self.process.poll() is None else ()
        self.process.kill()
        self.process.wait(PATIENCE_S)
        for pid in children:
            wait_until(lambda pid=pid: not alive(pid))  # type: ignore[misc]  # mypy does not know such a default
        self._hearing.join(PATIENCE_S)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def _hear(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.said.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self.said.append("")  # it ended: a caller that still waits for a line need not
            self._news.notify_all()

    def line(self, beginning: str) -> str:
        """Wait for a line on stderr that begins so, and return the rest of it."""

        def found() -> list[str]:
            return [line.removeprefix(beginning) for line in self.said if line.startswith(beginning)]

        with self._news:
            assert self._news.wait_for(lambda: found() or not self._hearing.is_alive(), PATIENCE_S), self.said
            assert found(), self.said
            return found()[0]

    @property
    def dashboard(self) -> str:
        """Where the dashboard is, once the bot has said so."""
        return self.line("dashboard: ")

    @property
    def port(self) -> int:
        port = urlsplit(self.dashboard).port
        assert port is not None
        return port

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
        """Ask the dashboard."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def post(self, path: str, body: object) -> tuple[int, dict[str, Any]]:
        """Tell the dashboard something, as its page does."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    @property
    def state(self) -> dict[str, Any]:
        status, state = self.get("/api/state")
        assert status == 200
        return state

    def until(self, true: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Ask for the state until something is true of it, and return it."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            with contextlib.suppress(OSError, http.client.HTTPException):  # the web process is on its way back
                found[:] = [self.state]
            with contextlib.suppress(LookupError):  # of a symbol, or a session, that is not there yet
                return bool(found and true(found[0]))
            return False

        wait_until(look)
        return found[0]

    @property
    def children(self) -> dict[str, int]:
        """Process ids of the other two processes, by module."""
        return {words[words.index("-m") + 1]: pid for pid, words in _children(self.process.pid) if "-m" in words}

    def command(self, name: str, *options: str) -> subprocess.CompletedProcess[str]:
        return microbot(name, "--data-dir", self.folder / "data", *options, cwd=self.folder)

    def stop(self, number: int = signal.SIGTERM, *, code: int = 0) -> dict[str, Any]:
        """Ask it to stop, and return the summary that it prints."""
        self.process.send_signal(number)
        return self.ended(code)

    def ended(self, code: int = 0) -> dict[str, Any]:
        """Wait for an orderly end, and return the summary that it prints."""
        assert self.process.stdout is not None
        assert self.process.wait(PATIENCE_S) == code, self.said
        summary = json.loads(self.process.stdout.read())
        assert isinstance(summary, dict)
        self._hearing.join(PATIENCE_S)
        return summary


def wait_until(true: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    """Ask again and again, where nobody tells: ever less often, since an answer costs those that are asked."""
    begun = time.monotonic()
    while not true():
        waited = time.monotonic() - begun
        assert waited < within_s, "it did not happen"
        time.sleep(min(0.01 + waited / 20, 0.05))


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody asked about does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, PermissionError):
        return False
    except OSError:  # a system without /proc
        return True


def _children(parent: int) -> list[tuple[int, list[str]]]:
    """Return the ids and words of a process's children; `ps` knows them where there is no /proc."""
    if Path("/proc/self/stat").exists():
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                    found.append((int(folder.name), (folder / "cmdline").read_text().split("\0")))
        return found
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
    return [(int(row[0]), row[2].split()) for row in rows if len(row) == 3 and int(row[1]) == parent]
