"""`microbot run`: wires feed, core, gate, logs and the other two processes, and takes them down in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from loguru import logger

from actors import messages
from actors.at_work import at_work
from actors.core import Core, Input
from actors.feeds.feed import FeedFailed
from actors.feeds.websocket import WebSocketFeed
from actors.gate import Batch, Gate, Trouble
from actors.journal import Run
from actors.messages import (
    COMMANDS,
    SHUTDOWN,
    AccountOpened,
    ChainFailed,
    Command,
    Fact,
    Report,
    RestartChain,
    StateChanged,
)
from actors.supervisor import ChildSpec, Dependant
from pipeline.admission import Admission
from pipeline.events import SECOND, Clock
from pipeline.venue_clock import VenueClock
from service import fact_log, figures, logs, outlet, strategies, venues
from service.errors import UserError
from service.listening import check_free
from service.live import commands, running, stopping, web_secret
from service.live.book_names import next_book
from service.live.bookkeeping import Bookkeeping
from service.live.brokerage import Brokerage, address_of, at_broker, still_open
from service.live.children import ExchangeProcess, WebProcess
from service.live.control import Control, signal_blocked
from service.live.cost_guard import CostGuard
from service.live.hours import Hours, market_hours
from service.live.processes import Processes, Stopped
from service.live.queues import bounded
from service.live.rollover import Rollover
from service.live.running_clock import running_clock
from service.live.session import Session
from service.live.sources import Source, source_of
from service.live.telemetry import Telemetry
from service.live.timekeeping import Timekeeper
from service.live.trade_ticks import TickKeeper
from service.live.unused import Unused
from service.live.watching import Watching
from service.options import Outcome, RunOptions
from service.recorded import archive
from service.recorded.recording import Recorder
from service.recorded.recordings import Recordings
from service.recorded.replay import PAPER
from service.settings import Settings
from service.version import VERSION
from web.messages import SessionStarted

CLOCKS_PER_VENUE_SECOND = 10
_LEAST_CLOCK_S = 0.005  # real seconds between two clock inputs, however fast the venue's time
_TELEMETRY_S = 0.1  # real seconds
_HOURS_S = 1.0  # real seconds between two looks whether the market's hours are still known
_GATE_STOP_S = 2.0  # real seconds that it has to write what waits, where the loop is stuck
_BROKER_STOP_S = 1.5  # real seconds that requests on their way have


def run(settings: Settings, options: RunOptions, say: Callable[[str], None]) -> Outcome:
    """Run a session until a signal, the duration or the tape's end stops it. Raises UserError for bad input."""
    web_secret.check(settings.web)
    with running.claim(options.data_dir) as claimed, signal_blocked():
        bot = _Bot(settings, options, say, claimed)
        runner = asyncio.Runner(loop_factory=_loop_factory())
        with runner:
            return runner.run(bot.run())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


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
        self._core_failed = False  # then it decides nothing any more, not even how to end
        self._strategy = strategies.chosen(options.strategy, settings)
        # A rehearsal's venue cannot declare its rate: the venue that it plays has none.
        rate = settings.exchange.speed if options.rehearse else options.speed if options.url is not None else 1.0
        self._clock = VenueClock(settings.admission.max_skew_s, rate)
        self._running_s = running_clock(settings.gate)
        if options.venue is not None:  # a real venue keeps the time that we keep
            self._clock.expect(time.time_ns(), time.monotonic_ns())
        self._admission = Admission(settings.admission, self._clock, options.symbols)
        self._timekeeper = Timekeeper(self._clock, self._admission, running_s=self._running_s)
        self._main_thread = threading.get_ident()
        self._begun = False  # there is a session
        self._brokerage: Brokerage | None = None
        self._recordings: Recordings | None = None
        self._environment: Mapping[str, str] = os.environ
        self._secret = web_secret.prepare(settings.web, options.data_dir)
        self._random = Random(os.urandom(16))  # jitter of reconnects only: it decides nothing

    async def run(self) -> Outcome:
        """Start everything in order, wait, and stop it in reverse."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()  # asked twice: end as soon as what is open is guarded
        self._stopping = stopping.Stopping(
            self._loop, self._on_signal, self._hurry.set, self._leave_stuck, stopping.STUCK_S
        )
        with stopping.caught(self._stopping):
            try:
                return self._judged(await self._run())
            except Stopped:  # before any input: the summary is that of a core that has heard nothing
                return Outcome(Core(self._settings.core, self._strategy).summary(), (), None, failure=self._failure)

    def _judged(self, outcome: Outcome) -> Outcome:
        """Look back at a session, once its last fact is written: one that the journal does not hold has failed."""
        if not self._gate.unwritten or outcome.failure:
            return outcome
        failure = f"the journal does not hold all of this session: {self._gate.unwritten}"
        return msgspec.structs.replace(outcome, failure=failure)

    async def _run(self) -> Outcome:
        web = self._settings.web
        check_free("the dashboard", web.host, web.port, "--port")  # before there is a run: it would be one of nothing
        async with contextlib.AsyncExitStack() as stack:
            self._processes = Processes(stack, self._stop, self._random, self._settings.supervision, self._on_given_up)
            self._books = Bookkeeping(self._options)
            stack.callback(self._books.close)
            logs.know(logs.Context(self._settings.risk.timezone, lambda: self._books.run_number, self._venue_now))
            if self._options.rehearse:
                await self._prepare_rehearsal()
            self._prepare_broker()
            self._start_recorder(stack)
            source = await self._start_feed()
            self._start_core(stack, source)
            self._start_watching(stack)
            await self._start_web()
            self._gate.beat()  # from here on a strategy may get stuck
            self._subscribe(stack)
            self._start_broker()
            self._control.begin()
            for task in (self._drive_clock(), self._drive_telemetry(), self._drive_hours()):
                self._start_task(stack, task)
            stack.enter_context(stopping.duration(self._stopping, self._options.duration_s))
            # What was set up lives as long as the session: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            await self._stop.wait()
            gc.unfreeze()
            return await self._end()

    # ------------------------------------------------------------------------------------------------ starting

    async def _start_feed(self) -> Source:
        """Make the feed, with an exchange to feed it if there is no other."""
        options = self._options
        url = await self._start_exchange() if options.feed is None and options.venue is None else options.feed
        source = source_of(
            self._settings.feed,
            options,
            url,
            self._environment,
            self._clock,
            self._admission,
            self._random,
            self._timekeeper.monotonic,
        )
        self._feed = source.feed
        if isinstance(source.feed, WebSocketFeed):
            self._processes.depend("exchange", Dependant("feed", source.feed.hold, source.feed.go_on))
        return source

    def _start_recorder(self, stack: contextlib.AsyncExitStack) -> None:
        options = self._options
        if not options.recorded:
            return
        venue = options.venue or ("simulated" if options.feed is None else "feed")
        folder = options.data_dir / archive.SESSIONS
        self._recordings = Recordings(folder, venue, options.record, self._settings.record, self._make_recorder)
        self._recordings.start(self._book)
        stack.push(self._recordings.end)

    def _make_recorder(self, path: Path, book: str) -> Recorder:
        outside = self._brokerage is not None
        paper = "" if outside or book == PAPER else book
        return Recorder(path, self._settings.core, self._options.strategy, book if outside else "", paper)

    @property
    def _book(self) -> str:
        """What the order ids of the first session begin with."""
        return self._brokerage.book if self._brokerage is not None else PAPER

    def _make_core(self, book: str, on_fact: Callable[[Fact], None]) -> Core:
        settings = self._settings
        debug = "DEBUG" in (settings.log.level, settings.log.file_level)
        if self._brokerage is None:
            return Core(settings.core, self._strategy, on_fact, book=book, debug=debug)
        return Core(
            settings.core,
            self._strategy,
            on_fact,
            book=book,
            debug=debug,
            broker=self._brokerage.outbox,
            style=settings.orders,
        )

    def _run_of(self, book: str) -> Run:
        recorder = self._recordings.current if self._recordings is not None else None
        return self._books.run(
            self._options.strategy or self._strategy.name,
            self._session_started.venue,
            book,
            self._settings.core,
            recorder.path if recorder is not None else None,
        )

    def _start_core(self, stack: contextlib.AsyncExitStack, source: Source) -> None:
        settings = self._settings
        facts: list[Fact] = []
        brokerage = self._brokerage
        core = self._make_core(self._book, facts.append)
        broker = brokerage.broker if brokerage is not None else None
        if broker is not None:
            stack.callback(broker.stop, _BROKER_STOP_S)  # after the gate, which may still let something out
        self._control = Control(
            self._options.data_dir,
            self._loop,
            self._take,
            self._on_command,
            self._venue_now,
            self._show,
            self._running_s,
        )
        switch = self._control.make_switch(broker, self._book, settings.gate)
        self._gate = switch.gate = Gate(
            self._books.journal,
            broker,
            self._on_trouble,
            settings.gate,
            self._running_s,
            watch=switch.see,
            refuse=switch.refuse,
            look=self._books.look,
            on_gap=self._books.keep_gap,
        )
        now = time.time_ns()
        self._session_started = SessionStarted(
            session=figures.instant(now, settings.risk.timezone),
            strategy=self._strategy.name,
            feed=source.name,
            venue=source.venue,
            symbols=self._options.symbols or (settings.exchange.symbols if self._options.feed is None else ()),
            paper=not self._options.live,
            started_ts=now,
            settings=msgspec.to_builtins(settings.core),
        )
        self._books.begin(self._run_of(self._book))
        self._gate.start()
        stack.callback(self._gate.stop)
        self._control.serve(self._claimed)
        stack.callback(self._control.close)
        self._keeper = TickKeeper(settings.strategy.window_size, settings.web.max_symbols)
        self._telemetry = Telemetry(
            core,
            self._session_started,
            chart_points=settings.web.chart_points,
            max_symbols=settings.web.max_symbols,
            keeper=self._keeper,
            unused=Unused(lambda: self._admission.refused, time.monotonic),
        )
        self._session = Session(
            core,
            facts,
            self._gate,
            self._recordings.current if self._recordings is not None else None,
            self._telemetry.gather,
            (fact_log.see, self._telemetry.see, self._keeper.see, self._see),
            brokerage.outbox if brokerage is not None else None,
            lambda: self._watching.due(),
            self._timekeeper,
        )
        self._begun = True
        logger.bind(
            logger="microbot.service",
            event="session.started",
            version=VERSION,
            strategy=self._strategy.name,
            feed=source.name,
            settings=self._session_started.settings,
        ).info(f"session started: {self._strategy.name} on {source.name}")
        if gap := self._books.tell_gap():
            logger.bind(logger="microbot.service", event="book.older").warning(gap)

    async def _prepare_rehearsal(self) -> None:
        """Start a mock exchange, and trade there as if it were the venue, with its keys."""
        url = (await self._start_exchange()).replace("ws:", "http:", 1)
        self._clock.expect(time.time_ns(), time.monotonic_ns())  # its market starts now, and runs at its own rate
        key, _, secret = self._settings.exchange.keys[0].partition(":")
        self._environment = {venues.KEY: key, venues.SECRET: secret}
        symbols = self._options.symbols or self._settings.exchange.symbols
        self._options = msgspec.structs.replace(self._options, url=url, symbols=symbols)

    def _prepare_broker(self) -> None:
        """Make the broker, if there is to be a real one; it is started last, when its reports can be heard."""
        options = self._options
        if options.venue is not venues.Venue.ALPACA:
            return
        self._settings = at_broker(self._settings)
        self._brokerage = Brokerage(
            address_of(options.url, live=options.live),
            self._environment,
            self._settings.broker,
            options.symbols,
            options.data_dir,
            self._on_reports,
            self._venue_now,
            self._random,
            self._books.last_name,
        )

    def _start_broker(self) -> None:
        if self._brokerage is None:
            return
        if (calendar := self._calendar) is not None:
            self._take([market_hours(calendar, time.time_ns())])
        broker = self._brokerage.broker
        broker.start()
        self._processes.depend("exchange", Dependant("broker", broker.hold, broker.go_on))

    @property
    def _calendar(self) -> str | None:
        """The calendar whose hours hold; None where the market never closes, as far as the bot knows."""
        if self._brokerage is None:
            return None
        return self._settings.hours.wanted(real=self._options.url is None)

    async def _start_exchange(self) -> str:
        settings = self._settings.exchange
        check_free("the mock exchange", settings.host, settings.port, "--exchange-port")
        exchange = ExchangeProcess(self._settings.exchange, self._market_now)
        await self._processes.start("exchange", exchange, vital=True)
        if exchange.refused:
            raise UserError(f"the mock exchange cannot start: {exchange.refused}")
        return exchange.url

    async def _start_web(self) -> None:
        secret_file = web_secret.file_of(self._options.data_dir) if self._secret else None
        web = self._web = WebProcess(self._settings.web, self._on_command, self._tell_history, secret_file)
        await self._processes.start("web", web, vital=False)
        if web.refused:
            raise UserError(f"the dashboard cannot start: {web.refused}")
        host = self._settings.web.host
        url = f"http://{f'[{host}]' if ':' in host else host}:{web.port}"
        self._claimed.publish(url)
        self._say(f"dashboard: {web_secret.address(url, self._secret)}")
        if self._options.open_browser:
            # A browser of the terminal returns when it is closed: never on the loop.
            threading.Thread(target=self._open_browser, args=(url,), name="browser", daemon=True).start()

    def _open_browser(self, url: str) -> None:
        opened = False
        with contextlib.suppress(OSError):  # the disk: the address is on the terminal all the same
            opened = webbrowser.open(web_secret.page(url, self._secret, self._options.data_dir))
        if not opened:
            self._say(f"no browser could be opened: {web_secret.address(url, self._secret)} is for you to open")

    def _start_watching(self, stack: contextlib.AsyncExitStack) -> None:
        self._watching = Watching(
            self._settings.watch,
            lambda: self._session.core,
            self._venue_now,
            lambda late: self._web.tell_past_the_loop(late),
            self._session.cut,
            lambda: self._take(self._watching.due()),
        )
        self._watching.start()
        stack.callback(self._watching.stop)

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

    def _take(self, inputs: Sequence[Input]) -> None:
        if self._ended or self._core_failed:  # what still comes while the parts are taken down is of no session
            return
        if self._clock.now(time.monotonic_ns()) is None:
            self._timekeeper.hear(inputs)
        try:
            if self._books.pending and (book := self._books.due(inputs, self._venue_now(), self._say)) is not None:
                self._session.take([book])
            self._session.take(inputs)
        except Exception as error:  # whoever brought these inputs: a core that failed once decides nothing more
            self._fail_core(error)
            raise
        if self._brokerage is not None:
            self._brokerage.look(self._session.core)

    _ended = False

    def _venue_now(self) -> int:
        return self._clock.now(time.monotonic_ns()) or 0

    def _market_now(self) -> int:
        """Where a market that is started goes on: its time never runs back, neither that of the last session."""
        now = self._venue_now()
        if not now and self._settings.exchange.start_at is None and self._books.last_ts:
            now = max(self._books.last_ts, time.time_ns())
        return now

    def _on_command(self, command: Command | RestartChain) -> commands.Effect:
        if isinstance(command, RestartChain):
            return self._restart_chain(command)
        if command.name not in COMMANDS:
            unknown = f"there is no command {command.name!r}"
            logger.bind(logger="microbot.service", event="command.unknown", name=command.name).warning(unknown)
            return commands.Effect(False, unknown)
        logger.bind(logger="microbot.service", event="command.taken", command=command.name, source=command.source).info(
            f"COMMAND {command.name}"
        )
        if self._ended:
            return commands.Effect(False, "the bot is stopping, and takes no more commands")
        if command.name == "resume" and (hindrance := self._control.latch.lift()):
            return commands.Effect(False, hindrance)
        source = command.source or "dashboard"
        lost = self._control.latch.hold(command.name, command.reason) if source == "dashboard" else ""
        before = commands.standing(self._session.core)
        self._take([msgspec.structs.replace(command, ts=command.ts or self._venue_now(), source=source)])
        effect = commands.effect(command.name, before, commands.standing(self._session.core))
        return effect if not lost else commands.Effect(effect.changed, f"{effect.sentence}; {lost}")

    def _restart_chain(self, wish: RestartChain) -> commands.Effect:
        if self._ended:
            return commands.Effect(False, "the bot is stopping, and takes no more commands")
        logger.bind(logger="microbot.service", event="command.taken", command="restart", symbol=wish.symbol).info(
            f"COMMAND restart {wish.symbol}"
        )
        done = commands.restarted(self._session.core, wish.symbol)
        if done.changed:
            self._watching.forgive(wish.symbol)
            self._take([msgspec.structs.replace(wish, ts=self._venue_now())])
        return done

    def _on_reports(self, reports: list[Report]) -> None:
        """Hear the broker, on its thread."""
        self._control.switch.hear(reports)
        with contextlib.suppress(RuntimeError):  # the loop is closed: the next start reads the account anew
            self._loop.call_soon_threadsafe(self._take, reports)

    def _show(self, state: StateChanged) -> None:
        """Show a state of which the stuck loop cannot tell, from another thread."""
        with contextlib.suppress(AttributeError):  # there is no dashboard yet
            self._web.tell_past_the_loop(state)

    def _see(self, fact: Fact) -> None:
        """Look at what ends the session: a strategy that failed, if it is to, and an account that was not meant."""
        if isinstance(fact, ChainFailed) and self._options.fail_fast and not self._stop.is_set():
            self._say(f"the strategy of {fact.symbol} failed, and --fail-fast ends the session")
            self._stop.set()
        if isinstance(fact, AccountOpened) and self._options.live and fact.number != self._options.account:
            self._ended = True  # whatever is in that account: hands off
            self._fail(f"the keys are of the account {fact.number}, not of {self._options.account}: nothing is traded")

    async def _drive_clock(self) -> None:
        """Feed the time about ten times a venue second, so that timers fire although no tick arrives."""
        while True:
            await asyncio.sleep(max(_LEAST_CLOCK_S, 1 / CLOCKS_PER_VENUE_SECOND / self._clock.rate))
            if inputs := self._timekeeper.beat(self._session.core.now):
                self._take(inputs)

    async def _drive_hours(self) -> None:
        """Keep the market's hours known, however long the bot runs; a calendar is read beside the loop."""
        if (calendar := self._calendar) is None:
            return
        hours = Hours(calendar)
        while True:
            await asyncio.sleep(_HOURS_S)
            if not hours.due(now := self._venue_now()):
                continue
            log = logger.bind(logger="microbot.service", event="hours.read", calendar=calendar)
            try:
                told = await asyncio.to_thread(hours.read, now)
            except Exception as error:  # whatever a calendar raises, the hours that are known hold
                log.bind(event="hours.failed").error(f"the hours of {calendar} cannot be read: {error}")
                continue
            log.debug(f"the hours of {calendar} are known for {len(told.sessions)} sessions")
            self._take([told])

    async def _drive_telemetry(self) -> None:
        cost_guard = CostGuard(self._session.core)
        rollover = Rollover(self._settings.record.rollover_wait_s)
        while True:
            await asyncio.sleep(_TELEMETRY_S)
            self._gate.beat()
            self._telemetry.queues = {
                "gate": self._gate.depth,
                "web_bytes": self._web.waiting,
                "web_dropped": self._web.dropped,
            }
            if self._brokerage is not None:
                self._telemetry.queues |= {
                    f"broker_{name}": count for name, count in self._brokerage.broker.counts.items() if count
                }
            broker = self._brokerage.broker if self._brokerage is not None else None
            self._telemetry.bounded = bounded(self._session.core, self._gate, self._web, self._telemetry, broker)
            self._telemetry.slow = self._watching.slow()
            for message in self._telemetry.messages():
                self._web.tell(message)
            self._keep_ticks()
            cost_guard.look()
            if self._recordings is not None and not self._stop.is_set():
                self._recordings.flush()
                core = self._session.core
                reason = None if self._books.pending else rollover.due(core, full=self._recordings.full)
                if reason is not None and self._roll_over(reason):
                    cost_guard.follow(self._session.core)
            if not self._books.pending and not self._stop.is_set() and self._go_back():
                cost_guard.follow(self._session.core)

    def _go_back(self) -> bool:
        """Begin anew at an earlier time, if the feed has gone back to one and stays there: `now` never does that."""
        earlier = self._timekeeper.earlier()
        if earlier is None or (earlier >= self._session.core.now):
            return False
        back_s = (self._session.core.now - earlier) / SECOND
        logger.bind(logger="microbot.feed", event="feed.went_back", back_s=round(back_s, 3), venue_ts=earlier).warning(
            f"the feed's time went back by {back_s:,.1f} s and stays there: a new session begins at it, "
            "and what is open has as long until its deadlines as before"
        )
        if not self._roll_over("time", earlier):
            return False
        self._timekeeper.go_back()
        return True

    def _keep_ticks(self, *, all_of_them: bool = False) -> None:
        """Have the ticks around finished trades written down."""
        core = self._session.core
        for kept in self._keeper.finished(core.now, all_of_them=all_of_them):
            self._gate.submit(Batch(core.input, (kept,)))

    def _roll_over(self, reason: str, to: int | None = None) -> bool:
        """End the session and begin the next; False if that cannot be recorded, then this one goes on.

        `to` is an earlier time at which the next one begins, ns.
        """
        recordings = self._recordings
        old = self._session.core
        book = next_book(old.book().name, time.time())
        log = logger.bind(logger="microbot.service", event="session.rolled_over", reason=reason, book=book)
        before = recordings.current if recordings is not None else None
        try:
            recorder = recordings.start(book) if recordings is not None else None
        except UserError as error:
            log.bind(event="session.not_rolled_over").error(f"{error}; the session goes on")
            return False
        self._keep_ticks(all_of_them=True)
        end = messages.Rollover(reason, book, old.now)
        self._session.roll_over(end, partial(self._make_core, book), recorder, self._run_of(book), to)
        if before is not None:
            before.end()
        self._telemetry.follow(self._session.core)
        if self._brokerage is not None:
            self._brokerage.broker.read_account()  # nothing is sent for a position until the account was seen
        gc.unfreeze()  # the session that is over may go
        gc.collect()
        gc.freeze()
        path = recorder.path if recorder is not None else None
        log.bind(recording=str(path)).info(f"session rolled over ({reason}){f': {path.name}' if path else ''}")
        return True

    # -------------------------------------------------------------------------------------------------- the ends

    def _on_signal(self, number: int) -> None:
        self._stop.set()  # before anything is said: no output matters to a stop
        if number != stopping.DURATION:
            self._say("")  # behind the ^C that the terminal shows
        logger.bind(logger="microbot.service", event="session.stopping", signal=number).info("stopping")

    def _leave_stuck(self, code: int) -> None:
        """End the process, on another thread, since the loop does not: what waits is written before."""
        writing = [threading.Thread(target=self._write_what_waits, daemon=True)]
        if self._begun:
            writing.append(threading.Thread(target=self._gate.stop, args=(_GATE_STOP_S,), daemon=True))
        for thread in writing:
            thread.start()
        busy = at_work(self._session.core, self._main_thread, str(Path.cwd())) if self._begun else None
        where = f" in {busy.place}, of {busy.symbol}'s chain" if busy is not None else ""
        kept = "what is open stays in the book for the next start" + (
            ", and stops rest at the venue" if self._brokerage is not None else ""
        )
        sentence = f"the loop is stuck{where}, and cannot stop in order: the process ends; {kept}"
        telling = threading.Thread(target=self._tell_stuck, args=(sentence,), daemon=True)
        telling.start()  # a log that takes no line any more must not keep the process
        until = time.monotonic() + _GATE_STOP_S
        for thread in (*writing, telling):
            thread.join(max(0.0, until - time.monotonic()))
        os._exit(code)

    def _write_what_waits(self) -> None:
        if self._begun and self._recordings is not None:
            self._recordings.cut_off(self._session.unfed())

    def _tell_stuck(self, sentence: str) -> None:
        logger.bind(logger="microbot.service", event="session.stuck").critical(sentence)
        outlet.drain()

    def _on_feed_end(self) -> None:
        logger.bind(logger="microbot.service", event="feed.ended").info("the tape has ended")
        self._stop.set()

    def _on_feed_error(self, error: Exception) -> None:
        if isinstance(error, FeedFailed | UserError):
            self._fail(str(error))
        else:
            self._fail_core(error)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail_core(error)

    def _on_trouble(self, trouble: Trouble) -> None:
        """Hear of the gate's trouble, on its thread; the core learns of a halt as an input."""
        say = logger.bind(logger="microbot.gate", event=f"gate.{trouble.kind}")
        (say.info if trouble.kind == "recovered" else say.error)(trouble.detail)
        if trouble.kind in ("journal", "overflow", "gate"):
            halt = Command("halt", 0, "gate", f"{trouble.kind}: {trouble.detail}")
            with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left to halt
                self._loop.call_soon_threadsafe(self._on_command, halt)

    def _on_given_up(self, child: ChildSpec, reason: str) -> None:
        sentence = f"the {child.id} process could not be kept running ({reason})"
        if child.vital:
            self._fail(sentence)
        else:
            self._say(f"{sentence}; trading goes on without it")

    def _fail_core(self, error: BaseException) -> None:
        self._core_failed = True
        self._fail(f"the core failed: {type(error).__name__}: {error}", error)

    def _fail(self, sentence: str, error: BaseException | None = None) -> None:
        if not self._failure and not self._stop.is_set():
            self._failure = sentence
            logger.bind(logger="microbot.service", event="session.failed").opt(exception=error).critical(sentence)
        self._stop.set()

    def _give(self, command: str) -> None:
        """Give a command with which the session ends."""
        self._take([Command(command, self._venue_now(), SHUTDOWN)])

    def _tell_history(self, web: WebProcess) -> None:
        for message in self._telemetry.history():
            web.tell(message)

    async def _end(self) -> Outcome:
        """Flatten or keep, tell the dashboard the last of it, and sum up."""
        core = self._session.core
        if not self._core_failed:
            if self._brokerage is not None:
                await self._brokerage.leave(core, self._give, self._options.on_exit, self._options.ask, self._hurry)
            elif self._options.on_exit != "keep" and (core.positions.open or core.orders_over_by):
                self._give("flatten")
                while (due := core.orders_over_by) > core.now:  # an order that takes its time gets it at once
                    self._take([Clock(due)])
        self._ended = True
        core.finish()
        for message in self._telemetry.messages():
            self._web.tell(message)
        self._keep_ticks(all_of_them=True)
        summary = self._telemetry.summary()
        logger.bind(logger="microbot.service", event="session.ended", summary=summary, failure=self._failure).info(
            "session ended"
        )
        cut_short = self._recordings.close() if self._recordings is not None else ""
        paths = self._recordings.paths if self._recordings is not None else []
        left = still_open(core) if self._brokerage is not None else tuple(core.positions.open)
        return Outcome(summary, left, paths[-1] if paths else None, cut_short, self._failure, len(paths))
