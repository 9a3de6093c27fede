"""Measure the exchange under load, by hand: `python -m tests.mock_exchange.load`; `--help` lists the options.

The exchange runs in a process of its own, bound to one core where the system allows it. Ten clients are fed, one
event a frame; at the same time orders come at a steady rate, whatever becomes of those before, so that a delay
is not hidden by those who wait. Latency is counted from the moment at which an order should have been sent until
its answer is there. Bounded: some seconds a step, and as many orders as the rate says. The load is measured as
asked for, again with one client more that never reads, then with ever more of it until the exchange cannot follow.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import itertools
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

from mock_exchange.run import run
from mock_exchange.settings import MOST_SPEED, MOST_SYMBOLS, ExchangeSettings

KEYS = tuple(f"LOAD-{number}:SECRET" for number in range(4))
CONNECTIONS = 32
EVENTS_A_MARKET_SECOND = 4.75
"""Of one stock, about."""

LEAST_SYMBOLS = 2
WORST_MS = 50.0
"""Of the latency's p99; above it, the exchange does not follow."""

LEAST_SHARE = 0.9
"""Of the events and of the orders, which have to be told and answered."""

REFINEMENTS = 2
"""Steps between the last load that it followed and the first that it did not."""


class Figures(NamedTuple):
    """What one step came to."""

    seconds: float
    frames: int  # received by all clients of the push together
    sent: int  # orders
    answered: int
    refused: int
    reports: int  # received on the trading streams
    latencies_s: list[float]
    cpu_s: float  # of the exchange

    def follows(self, events: float) -> bool:
        """Return whether the exchange did all that was asked for, in time."""
        return (
            self.answered >= LEAST_SHARE * self.sent
            and self.frames >= LEAST_SHARE * events * self.seconds
            and self.percentile_ms(99) <= WORST_MS
        )

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile of the latencies, in milliseconds."""
        ordered = sorted(self.latencies_s)
        return 1_000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else float("nan")


def bind(core: int) -> None:
    """Keep this process on one core, where the system knows how."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {core})


def market_for(events: float) -> tuple[int, float]:
    """Return how many stocks, at which speed, make so many events a second: more stocks where no speed is enough."""
    symbols = max(LEAST_SYMBOLS, math.ceil(events / EVENTS_A_MARKET_SECOND / MOST_SPEED))
    return symbols, events / EVENTS_A_MARKET_SECOND / symbols


def serve(symbols: int, speed: float) -> int:
    """Be the exchange."""
    bind(0)
    settings = ExchangeSettings(
        port=0,
        symbols=("AAPL", *(f"LOAD{number}" for number in range(2, symbols + 1))),
        speed=speed,
        frame_events=1,
        allowed_hosts=("load",),
        keys=KEYS,
        cash=100_000_000,
        queue_events=200_000,
        queue_bytes=1 << 25,
    )
    return run(settings, stop_on_stdin_eof=True)


@contextlib.contextmanager
def an_exchange(symbols: int, speed: float) -> Iterator[tuple[str, int]]:
    """Start it; yield its address and its process id."""
    command = [sys.executable, "-m", "tests.mock_exchange.load", "--serve"]
    command += ["--symbols", str(symbols), "--speed", str(speed)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline().split()
            if len(said) < 5:
                raise SystemExit(f"the exchange does not start with {symbols} stocks at {speed:g}x")
            yield said[4], process.pid
        finally:
            process.communicate(timeout=10)


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used; nan where the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def handshake(path: str, key: str = "") -> bytes:
    """Return the request that opens a WebSocket."""
    lines = [f"GET {path} HTTP/1.1", "Host: load", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}=="]
    if key:
        lines += headers_of(key)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def headers_of(key: str) -> list[str]:
    """Return the header lines that authenticate."""
    name, _, secret = key.partition(":")
    return [f"APCA-API-KEY-ID: {name}", f"APCA-API-SECRET-KEY: {secret}"]


class Counter(asyncio.Protocol):
    """Opens a WebSocket, says something, and counts the frames that come: less work than a real client has."""

    def __init__(self, opening: bytes) -> None:
        self.frames = 0
        self._opening = opening
        self._rest = b""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the conversation."""
        cast("asyncio.Transport", transport).write(self._opening)

    def data_received(self, data: bytes) -> None:
        """Count whole frames; keep what is left of one."""
        buffer = self._rest + data
        at = 0
        if not self._open:
            at = buffer.find(b"\r\n\r\n") + 4
            if at < 4:
                self._rest = buffer
                return
            self._open = True
        size = len(buffer)
        while at + 2 <= size:
            length, head = buffer[at + 1], 2
            if length == 126:
                length, head = int.from_bytes(buffer[at + 2 : at + 4], "big"), 4
            elif length == 127:
                length, head = int.from_bytes(buffer[at + 2 : at + 10], "big"), 10
            if at + head + length > size:
                break
            at += head + length
            self.frames += 1
        self._rest = buffer[at:]


class Stuck(Counter):
    """Opens a WebSocket and never reads: what it is sent fills the buffers of the system, then of the exchange."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the conversation, and listen to none of it."""
        super().connection_made(transport)
        cast("asyncio.Transport", transport).pause_reading()


class Orders(asyncio.Protocol):
    """One connection that sends orders, one after the other."""

    def __init__(self, key: str, idle: collections.deque[Orders]) -> None:
        self.latencies_s: list[float] = []
        self.refused = 0
        self._idle = idle
        self._due = 0.0
        self._side = b"buy" if KEYS.index(key) % 2 else b"sell"  # an account that does both may meet itself
        self._key = key
        self._transport: asyncio.Transport | None = None
        self._waiting: collections.deque[float] = collections.deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for work."""
        self._transport = cast("asyncio.Transport", transport)
        self._idle.append(self)

    def send(self, due: float) -> None:
        """Send an order that should have been sent at `due`."""
        self._due = due
        body = b'{"symbol":"AAPL","qty":"1","side":"%s","type":"market","time_in_force":"day"}' % self._side
        lines = ["POST /v2/orders HTTP/1.1", "Host: load", "Content-Type: application/json", *headers_of(self._key)]
        assert self._transport is not None
        self._transport.write(("\r\n".join(lines) + f"\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body)

    def data_received(self, data: bytes) -> None:
        """Take the answer, which is small enough to come whole."""
        self.latencies_s.append(time.perf_counter() - self._due)
        self.refused += not data.startswith(b"HTTP/1.1 200")
        self._idle.append(self)


P = TypeVar("P", bound=asyncio.Protocol)


async def connected(loop: asyncio.AbstractEventLoop, host: str, port: int, protocol: P) -> P:
    """Connect a protocol and return it."""
    await loop.create_connection(lambda: protocol, host, port)
    return protocol


async def measure(url: str, pid: int, clients: int, rate: float, seconds: float, stuck: int) -> Figures:
    """Feed clients and send orders for some seconds, while others are stuck."""
    loop = asyncio.get_running_loop()
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 0
    push = [await connected(loop, host, port, Counter(handshake("/"))) for _ in range(clients)]
    for _ in range(stuck):
        await connected(loop, host, port, Stuck(handshake("/")))
    listen = b'{"action":"listen","data":{"streams":["trade_updates"]}}'
    opening = bytes((0x81, 0x80 | len(listen))) + bytes(4) + listen
    streams = [await connected(loop, host, port, Counter(handshake("/stream", key) + opening)) for key in KEYS]
    idle: collections.deque[Orders] = collections.deque()
    keys = itertools.islice(itertools.cycle(KEYS), CONNECTIONS)
    senders = [await connected(loop, host, port, Orders(key, idle)) for key in keys]
    await asyncio.sleep(1.0)  # everybody is there, and the market goes
    before, cpu_before = sum(it.frames for it in push), cpu_s(pid)
    reports_before = sum(it.frames for it in streams)
    start = time.perf_counter()
    sent, waiting = 0, collections.deque[float]()
    while (now := time.perf_counter()) < start + seconds:
        while start + sent / rate <= now:
            waiting.append(start + sent / rate)
            sent += 1
        while waiting and idle:
            idle.popleft().send(waiting.popleft())
        await asyncio.sleep(0.0005)
    elapsed = time.perf_counter() - start
    frames, used = sum(it.frames for it in push) - before, cpu_s(pid) - cpu_before
    await asyncio.sleep(0.5)  # the last answers and reports
    latencies = [latency for sender in senders for latency in sender.latencies_s]
    # Orders that found no connection free have waited at least until now.
    latencies += [time.perf_counter() - due for due in waiting]
    return Figures(
        seconds=elapsed,
        frames=frames,
        sent=sent,
        answered=sum(len(sender.latencies_s) for sender in senders),
        refused=sum(sender.refused for sender in senders),
        reports=sum(it.frames for it in streams) - reports_before,
        latencies_s=latencies,
        cpu_s=used,
    )


def step(clients: int, events: float, rate: float, seconds: float, stuck: int = 0) -> Figures:
    """Measure one load with a new exchange, and print it."""
    with an_exchange(*market_for(events / clients)) as (url, pid):
        figures = asyncio.run(measure(url, pid, clients, rate, seconds, stuck))
    print(
        f"{events:9,.0f} {figures.frames / figures.seconds:10,.0f}  {rate:7,.0f} "
        f"{figures.answered / figures.seconds:9,.0f} {figures.refused:7} "
        f"{figures.reports / max(1, figures.answered):8.2f}"
        f"  {figures.percentile_ms(50):7.2f} {figures.percentile_ms(99):7.2f} {figures.percentile_ms(100):7.2f}"
        f"  {100 * figures.cpu_s / figures.seconds:4.0f}%" + (f"  {stuck} never reads" if stuck else ""),
        flush=True,
    )
    return figures


def saturation(options: argparse.Namespace) -> str:
    """Raise the load until the exchange cannot follow, come closer to that point, and say where it is."""

    def follows(factor: float) -> bool:
        events = options.events * factor
        return step(options.clients, events, options.orders * factor, options.seconds).follows(events)

    most = options.clients * EVENTS_A_MARKET_SECOND * MOST_SPEED * MOST_SYMBOLS / options.events
    good, factor = 0.0, 1.0
    for _ in range(min(options.steps, 20)):
        if factor > most:
            break
        if not follows(factor):
            return _narrowed(follows, good, factor, options)
        good, factor = factor, factor * 1.5
    return f"not saturated at {good:g} times the load: ask for more --steps"


def _narrowed(follows: Callable[[float], bool], good: float, bad: float, options: argparse.Namespace) -> str:
    """Halve the distance between a load that is followed and one that is not, some times."""
    for _ in range(REFINEMENTS if good else 0):
        middle = (good + bad) / 2
        good, bad = (middle, bad) if follows(middle) else (good, middle)
    if not good:
        return "saturated by the load itself"
    return (
        f"saturated between {good:g} and {bad:g} times the load: it follows {options.events * good:,.0f} events "
        f"and {options.orders * good:,.0f} orders a second"
    )


def main() -> int:
    """Measure the load that is asked for, with and without a client that is stuck, then more of it."""
    parser = argparse.ArgumentParser(description="Measure the exchange under load.")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--events", type=float, default=50_000, help="a second, to all clients together (%(default)s)")
    parser.add_argument("--orders", type=float, default=2_000, help="a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="a step (%(default)s)")
    parser.add_argument("--steps", type=int, default=6, help="at most; each is half as much again (%(default)s)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--symbols", type=int, default=LEAST_SYMBOLS, help=argparse.SUPPRESS)
    parser.add_argument("--speed", type=float, default=1.0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.symbols, options.speed)
    bind(1)
    print("      events a second        orders a second        reports      latency, ms           exchange")
    print("   wanted        got   wanted  answered refused an order     p50     p99     max   processor")
    step(options.clients, options.events, options.orders, options.seconds, stuck=1)
    if options.steps > 0:
        print(saturation(options))
    print(f"the load's own process: {resource.getrusage(resource.RUSAGE_SELF).ru_utime:.1f} s of processor")
    return 0


if __name__ == "__main__":
    sys.exit(main())
