"""The two things that the command line can have done: serve the market, or write a tape of it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from loguru import logger

from mock_exchange.market import tape
from mock_exchange.server import CannotListen, Server, listening
from mock_exchange.settings import ExchangeSettings
from mock_exchange.venue import hours


def run(settings: ExchangeSettings, *, stop_on_stdin_eof: bool = False) -> int:
    """Serve the market until a signal, or the end of standard input, stops it; return the exit code.

    The first line on standard output says where it listens. 0 after an orderly stop, 2 (and a sentence on
    standard error) if it cannot listen. Logs go to loguru, whose sinks are the caller's matter.
    """
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(settings, stop_on_stdin_eof))
    except CannotListen as error:
        print(f"mock exchange: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass  # it came before the handlers were in place: there is nothing to stop yet
    return 0


def write_tape(path: Path, settings: ExchangeSettings, seconds: float) -> int:
    """Write the market's first `seconds` to a tape, JSON Lines, compressed if the name ends in .gz.

    Returns the exit code: 2, and a sentence on standard error, if the file cannot be written.
    """
    start_ns = settings.start_at if settings.start_at is not None else time.time_ns()
    encode = msgspec.json.Encoder().encode
    count = 0
    try:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(path.open("wb"))
            # Without a name and a time inside, the same tape is the same file.
            out = stack.enter_context(gzip.GzipFile("", "wb", 6, file, mtime=0)) if path.suffix == ".gz" else file
            of_market = settings.symbols, settings.seed, start_ns, seconds
            events = tape(*of_market, hours.sessions_from if settings.trading_hours else None)
            for count, event in enumerate(events, start=1):  # noqa: B007
                out.write(encode(event) + b"\n")
    except OSError as error:
        print(f"mock exchange: cannot write {path}: {(error.strerror or str(error)).lower()}", file=sys.stderr)
        return 2
    print(f"mock exchange: wrote {count:,} events of {seconds:g} s to {path}")
    return 0


async def _serve(settings: ExchangeSettings, stop_on_stdin_eof: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    _on_signals(loop, stop.set)
    server = Server(settings, time.time_ns, time.monotonic_ns)
    # What is here by now stays, and what comes holds no cycles to speak of: looking for some, through all history and
    # all orders, would stop everything for milliseconds.
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    async with listening(server) as pacing:
        print(_listening_line(server), flush=True)
        if stop_on_stdin_eof:
            _on_stdin_eof(loop, stop.set)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([stopping, pacing], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if pacing.done():
            pacing.result()  # a fault of the market ends the exchange: raise it here rather than serve silence
    logger.bind(event="exchange.stopped", events=server.exchange.published, dropped=server.connections.dropped).info(
        "stopped"
    )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the faster event loop where there is one: not on Windows."""
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


def _listening_line(server: Server) -> str:
    settings = server.settings
    symbols = ", ".join(settings.symbols[:8]) + (", ..." if len(settings.symbols) > 8 else "")
    return (
        f"mock exchange: listening on {server.url} ({symbols}; seed {settings.seed}; speed {settings.speed:g}x), "
        "waiting for clients"
    )


def _on_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # on Windows a loop has no signal handlers
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))


def _on_stdin_eof(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    """Stop when the parent is gone, however it went: then the pipe that it held open ends."""

    def wait() -> None:
        # os.read, not sys.stdin: a thread that holds that one's lock breaks the interpreter's own end.
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):  # the loop is closed: it stopped for another reason
            loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait, name="stdin", daemon=True).start()
