"""`microbot run`: wires feed, core, gate, logs and the other two processes, and takes them down in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
import webbrowser
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from loguru import logger

from actors.core import Core, Input
from actors.feeds.backoff import BackOff
from actors.feeds.feed import FeedFailed
from actors.feeds.tape import TapeFeed
from actors.feeds.websocket import WebSocketFeed
from actors.gate import Gate, Trouble
from actors.journal import MemoryJournal
from actors.messages import COMMANDS, Command, Fact, SessionStarted
from actors.supervisor import ChildSpec, Supervisor
from pipeline.admission import Admission
from pipeline.events import Clock
from pipeline.venue_clock import VenueClock
from pipeline.venues.dialect import Dialect
from service import fact_log, running, strategies, tapes, venues
from service.children import ExchangeProcess, WebProcess
from service.cost_guard import CostGuard
from service.errors import UserError
from service.recording import Recorder
from service.session import Session
from service.settings import Settings
from service.telemetry import Telemetry

TAPE = "tape:"
CLOCKS_PER_VENUE_SECOND = 10
_LEAST_CLOCK_S = 0.005  # real seconds between two clock inputs, however fast the venue's time
_TELEMETRY_S = 0.1  # real seconds
_START_S = 15.0  # real seconds that another process may take until it listens


class RunOptions(msgspec.Struct, frozen=True):
    """What the command line says beyond the settings."""

    feed: str | None = None  # ws://..., wss://... or tape:FILE; None starts the mock exchange
    venue: venues.Venue | None = None  # a venue's own feed, instead of `feed`
    url: str | None = None  # in place of the venue's own address
    speed: float = 1.0  # of a tape
    symbols: tuple[str, ...] = ()  # none: whatever the feed brings
    strategy: str | None = None  # FILE.py:NAME
    record: Path | None = None
    duration_s: float | None = None
    flatten_on_exit: bool = True
    open_browser: bool = False
    data_dir: Path = Path("data")


class Outcome(msgspec.Struct, frozen=True):
    """How a session ended."""

    summary: dict[str, object]
    open_positions: tuple[str, ...]  # symbols left open
    record: Path | None
    record_failure: str = ""  # why the recording is not whole
    failure: str = ""  # of the core, or of a feed that cannot go on; empty after an orderly stop


def run(settings: Settings, options: RunOptions, say: Callable[[str], None]) -> Outcome:
    """Run a session until a signal, the duration or the tape's end stops it. Raises UserError for bad input."""
    with running.claim(options.data_dir) as claimed:
        bot = _Bot(settings, options, say, claimed)
        runner = asyncio.Runner(loop_factory=_loop_factory())
        with runner:
            return runner.run(bot.run())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


class _Stopped(Exception):
    """Asked to stop while still starting."""


class _Bot:
    """One session's parts, and the tasks that drive them."""

    def __init__(
        self, settings: Settings, options: RunOptions, say: Callable[[str], None], claimed: running.Claim
    ) -> None:
        self._settings = settings
        self._options = options
        self._say = say
        self._claimed = claimed
        self._failure = ""
        self._strategy = strategies.load(options.strategy, settings.strategy)
        self._clock = VenueClock(settings.admission.max_skew_s)
        self._admission = Admission(settings.admission, self._clock, options.symbols)
        self._random = Random(os.urandom(16))  # jitter of reconnects only: it decides nothing

    async def run(self) -> Outcome:
        """Start everything in order, wait, and stop it in reverse."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # not on Windows
                self._loop.add_signal_handler(number, self._on_signal, number)
        try:
            return await self._run()
        except _Stopped:  # before any input: the summary is that of a core that has heard nothing
            return Outcome(Core(self._settings.core, self._strategy).summary(), (), None, failure=self._failure)

    async def _run(self) -> Outcome:
        async with contextlib.AsyncExitStack() as stack:
            recorder = self._start_recorder(stack)
            feed_name, venue = await self._start_feed(stack)
            self._start_core(stack, recorder, feed_name, venue)
            await self._start_web(stack)
            self._subscribe(stack)
            for task in (self._drive_clock(), self._drive_telemetry(recorder)):
                self._start_task(stack, task)
            if self._options.duration_s is not None:
                self._loop.call_later(self._options.duration_s, self._stop.set)
            # What was set up lives as long as the session: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            await self._stop.wait()
            gc.unfreeze()
            return await self._end(recorder)

    # ------------------------------------------------------------------------------------------------ starting

    async def _start_feed(self, stack: contextlib.AsyncExitStack) -> tuple[str, str]:
        """Make the feed; return its name and the venue's."""
        options, settings = self._options, self._settings
        monotonic = time.monotonic_ns
        if options.feed is not None and options.feed.startswith(TAPE):
            path = Path(options.feed.removeprefix(TAPE))
            tapes.size(path)
            warn = logger.bind(logger="microbot.feed", event="tape.cut").warning
            batches = tapes.read(path, say=warn)
            first = next(batches, [])  # a tape that cannot be read is said at once, not in the middle of a session
            self._feed: WebSocketFeed | TapeFeed = TapeFeed(
                _chain(first, batches), options.speed, self._clock, self._admission, monotonic
            )
            return f"{path} ({options.speed:g}x)", "tape"
        url = options.feed
        dialect: Callable[[], Dialect] | None = None
        if options.venue is not None:
            url, dialect = venues.connection(options.venue, options.url, options.symbols, os.environ)
        elif url is None:
            url = await self._start_exchange(stack)
        elif not url.startswith(("ws://", "wss://")):
            raise UserError(f"--feed wants ws://..., wss://... or tape:FILE, not {url!r}")
        else:
            venues.check_address("--feed", url, url, "ws://127.0.0.1:8765")
        self._feed = WebSocketFeed(
            url, settings.feed, self._clock, self._admission, monotonic, self._random, options.symbols, dialect
        )
        return self._feed.name, options.venue or ("mock exchange" if options.feed is None else "feed")

    def _start_recorder(self, stack: contextlib.AsyncExitStack) -> Recorder | None:
        if self._options.record is None:
            return None
        recorder = Recorder(self._options.record, self._settings.core, self._options.strategy)

        def close(kind: type[BaseException] | None, *_: object) -> None:
            if kind in (UserError, _Stopped):  # while we start: there is nothing to replay, and the name stays free
                recorder.discard()
            else:
                recorder.close()

        stack.push(close)
        return recorder

    def _start_core(self, stack: contextlib.AsyncExitStack, recorder: Recorder | None, feed: str, venue: str) -> None:
        settings = self._settings
        facts: list[Fact] = []
        debug = "DEBUG" in (settings.log.level, settings.log.file_level)
        core = Core(settings.core, self._strategy, facts.append, debug=debug)
        self._gate = Gate(MemoryJournal(), None, self._on_trouble, settings.gate)
        self._gate.start()
        stack.callback(self._gate.stop)
        self._session_started = SessionStarted(
            session=time.strftime("%Y-%m-%d %H:%M:%S"),
            strategy=self._strategy.name,
            feed=feed,
            venue=venue,
            symbols=self._options.symbols or (settings.exchange.symbols if self._options.feed is None else ()),
            paper=True,
            started_ts=time.time_ns(),
            settings=msgspec.to_builtins(settings.core),
        )
        self._telemetry = Telemetry(core, self._session_started, settings.strategy.time_stop_seconds)
        self._session = Session(
            core, facts, self._gate, recorder, self._telemetry.gather, (fact_log.see, self._telemetry.see)
        )
        logger.bind(
            logger="microbot.service",
            event="session.started",
            version=version("microbot"),
            strategy=self._strategy.name,
            feed=feed,
            settings=self._session_started.settings,
        ).info(f"session started: {self._strategy.name} on {feed}")

    async def _start_exchange(self, stack: contextlib.AsyncExitStack) -> str:
        exchange = ExchangeProcess(self._settings.exchange, self._venue_now)
        await self._supervise(stack, "exchange", exchange)
        if exchange.refused:
            raise UserError(f"the mock exchange cannot start: {exchange.refused}")
        return exchange.url

    async def _start_web(self, stack: contextlib.AsyncExitStack) -> None:
        web = self._web = WebProcess(self._settings.web, self._on_command, self._tell_history)
        await self._supervise(stack, "web", web)
        if web.refused:
            raise UserError(f"the dashboard cannot start: {web.refused}")
        host = self._settings.web.host
        url = f"http://{f'[{host}]' if ':' in host else host}:{web.port}"
        self._claimed.publish(url)
        self._say(f"dashboard: {url}")
        if self._options.open_browser:
            webbrowser.open(url)

    async def _supervise(
        self, stack: contextlib.AsyncExitStack, name: str, child: ExchangeProcess | WebProcess
    ) -> None:
        """Start a child under supervision, and wait until it listens, says why it cannot, or we are to stop."""

        async def run() -> str:
            reason = await child.run()
            if child.refused:
                await self._stop.wait()  # it never listened, and never will: starting fails with its own words
            return reason

        back_off = BackOff(0.2, 5.0, self._random)
        supervisor = Supervisor(ChildSpec(name, run), back_off, time.monotonic, self._on_given_up)
        supervisor.start()
        stack.push_async_callback(supervisor.stop)
        waits = [self._loop.create_task(event.wait()) for event in (child.listening, self._stop)]
        await asyncio.wait(waits, timeout=_START_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if self._stop.is_set():
            raise _Stopped
        if not child.listening.is_set():
            child.refused = "it did not start"

    def _subscribe(self, stack: contextlib.AsyncExitStack) -> None:
        subscription = self._feed.subscribe(self._take, self._on_feed_error, self._on_feed_end)
        stack.callback(subscription.dispose)

    def _start_task(self, stack: contextlib.AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        task.add_done_callback(self._on_task_done)

        async def cancel() -> None:
            task.cancel()
            await asyncio.wait([task], timeout=1)

        stack.push_async_callback(cancel)

    # ----------------------------------------------------------------------------------------------- the inputs

    def _take(self, inputs: list[Input]) -> None:
        if not self._ended:  # what still comes while the parts are taken down is of no session
            self._session.take(inputs)

    _ended = False

    def _venue_now(self) -> int:
        return self._clock.now(time.monotonic_ns()) or 0

    def _on_command(self, command: Command) -> None:
        if command.name not in COMMANDS:
            logger.bind(logger="microbot.service", event="command.unknown", name=command.name).warning(
                f"there is no command {command.name!r}"
            )
            return
        logger.bind(logger="microbot.service", event="command.taken", command=command.name, source=command.source).info(
            f"COMMAND {command.name}"
        )
        self._take([msgspec.structs.replace(command, ts=self._venue_now(), source=command.source or "dashboard")])

    async def _drive_clock(self) -> None:
        """Feed the time about ten times a venue second, so that timers fire although no tick arrives."""
        while True:
            await asyncio.sleep(max(_LEAST_CLOCK_S, 1 / CLOCKS_PER_VENUE_SECOND / self._clock.rate))
            now = self._venue_now()
            if now > self._session.core.now:
                self._take([Clock(now)])

    async def _drive_telemetry(self, recorder: Recorder | None) -> None:
        cost_guard = CostGuard(self._session.core)
        while True:
            await asyncio.sleep(_TELEMETRY_S)
            self._gate.beat()
            self._telemetry.queues = {
                "gate": self._gate.depth,
                "web_bytes": self._web.waiting,
                "web_dropped": self._web.dropped,
            }
            for message in self._telemetry.messages():
                self._web.tell(message)
            cost_guard.look()
            if recorder is not None:
                recorder.flush()
                if recorder.failed and not self._failure_told:
                    self._failure_told = True
                    logger.bind(logger="microbot.service", event="recording.stopped").error(recorder.failed)

    _failure_told = False

    # -------------------------------------------------------------------------------------------------- the ends

    def _on_signal(self, number: int) -> None:
        if self._stop.is_set():
            os._exit(128 + number)  # asked twice: whoever asks wants out now
        self._say("")
        logger.bind(logger="microbot.service", event="session.stopping", signal=number).info("stopping")
        self._stop.set()

    def _on_feed_end(self) -> None:
        logger.bind(logger="microbot.service", event="feed.ended").info("the tape has ended")
        self._stop.set()

    def _on_feed_error(self, error: Exception) -> None:
        if isinstance(error, FeedFailed | UserError):
            self._fail(str(error))
        else:
            self._fail(f"the core failed: {type(error).__name__}: {error}", error)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(f"the core failed: {type(error).__name__}: {error}", error)

    def _on_trouble(self, trouble: Trouble) -> None:
        """Hear of the gate's trouble, on its thread; the core learns of a halt as an input."""
        say = logger.bind(logger="microbot.gate", event=f"gate.{trouble.kind}")
        (say.info if trouble.kind == "recovered" else say.error)(trouble.detail)
        if trouble.kind in ("journal", "overflow"):
            halt = Command("halt", 0, "gate", f"{trouble.kind}: {trouble.detail}")
            with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left to halt
                self._loop.call_soon_threadsafe(self._on_command, halt)

    def _on_given_up(self, child: str, reason: str) -> None:
        if child == "exchange":
            self._fail(f"the mock exchange could not be kept running ({reason})")
        else:
            self._say(f"the {child} process could not be kept running ({reason}); trading goes on without it")

    def _fail(self, sentence: str, error: BaseException | None = None) -> None:
        if not self._failure and not self._stop.is_set():
            self._failure = sentence
            logger.bind(logger="microbot.service", event="session.failed").opt(exception=error).critical(sentence)
        self._stop.set()

    def _tell_history(self, web: WebProcess) -> None:
        for message in self._telemetry.history():
            web.tell(message)

    async def _end(self, recorder: Recorder | None) -> Outcome:
        """Flatten or keep, tell the dashboard the last of it, and sum up."""
        core = self._session.core
        if self._options.flatten_on_exit and core.positions.open and not self._failure.startswith("the core failed"):
            self._take([Command("flatten", self._venue_now(), "shutdown")])
        self._ended = True
        core.finish()
        for message in self._telemetry.messages():
            self._web.tell(message)
        summary = core.summary()
        logger.bind(logger="microbot.service", event="session.ended", summary=summary, failure=self._failure).info(
            "session ended"
        )
        cut_short = ""
        if recorder is not None:
            recorder.close()
            if recorder.failed:
                cut_short = f"{recorder.failed} ({recorder.lost:,} inputs are not in it)"
        return Outcome(summary, tuple(core.positions.open), self._options.record, cut_short, self._failure)


def _chain(first: list[Input], rest: Any) -> Any:
    yield first
    yield from rest
