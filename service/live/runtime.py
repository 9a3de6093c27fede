"""The life of a run: its parts are started in order, driven until something ends it, and stopped in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
import webbrowser
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from loguru import logger

from actors.feeds.websocket import WebSocketFeed
from actors.messages import SHUTDOWN, Command, MarketHours
from actors.supervision.periodic import Periodic
from actors.supervision.supervisor import Dependant
from pipeline.events import Clock
from service.data_folder import place, web_secret
from service.figures import money
from service.live.brokerage import still_open
from service.live.children import LAST_NOTICE_S, SHUTDOWN_S, WebProcess
from service.live.commands import Intake
from service.live.control import Control
from service.live.cost_guard import CostGuard
from service.live.disk_watch import DiskWatch
from service.live.hours import earlier, keep_known, market_hours
from service.live.notices import Notices
from service.live.parts import Groundwork, Host, SessionParts, WayOut
from service.live.rotation import SessionRotation
from service.live.service_manager import Beat, ServiceManager
from service.live.session import Session
from service.live.slow_strategies import SlowStrategies
from service.live.sources import Source
from service.live.stopping import Guarded, watch_for_stuck
from service.live.telemetry import Telemetry
from service.options import Outcome
from service.settings import as_layer
from service.version import VERSION
from service.visible import visible

CLOCKS_PER_VENUE_SECOND = 10
_LEAST_CLOCK_S = 0.005  # real seconds between two clock inputs, however fast the venue's time
_REPORT_S = 0.1  # real seconds between two looks at everything that is looked at now and then
_BROKER_STOP_S = 1.5  # real seconds that requests on their way have

_log = logger.bind(logger="microbot.service")


@dataclass(frozen=True)
class Runtime:
    """A run, whole but not started; `run` is its life, once."""

    host: Host
    ground: Groundwork
    out: WayOut
    parts: SessionParts
    source: Source
    intake: Intake
    session: Session
    telemetry: Telemetry
    slow_strategies: SlowStrategies
    rotation: SessionRotation
    source_watch: Periodic | None
    web: WebProcess
    manager: ServiceManager | None  # of services, if one started the bot
    notices: Notices | None

    async def run(self) -> Outcome:
        """Start the parts, wait for the end, and stop them. Raises UserError or Stopped if it does not start.

        What brings something in stops first: the feed, then the run's own tasks. Then what shows it: the dashboard, and
        the watch on strategies. The kill switch can be pulled until that is done. The gate follows, which writes what
        waits, and the broker, through which the gate may still let something out. The notifier is the last: all of that
        may be news.
        """
        async with AsyncExitStack() as stack:
            if self.manager is not None:
                stack.callback(self.manager.close)
            driving = asyncio.Event()
            await self._start_notifier(stack)
            control = self._start_core(stack, driving)
            await self._start_edges(stack, control, driving)
            # What was set up lives as long as the session: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            await self.host.ending.stop.wait()
            gc.unfreeze()
            return await self._finish()

    def judged(self, outcome: Outcome) -> Outcome:
        """Return the outcome of a run once its last fact is written: one that the journal does not hold has failed."""
        if self.out.gate.unwritten is None or outcome.failure:
            return outcome
        failure = f"the journal does not hold all of this session: {self.out.gate.unwritten}"
        return msgspec.structs.replace(outcome, failure=failure)

    # ------------------------------------------------------------------------------------------------ starting

    def _start_core(self, stack: AsyncExitStack, driving: asyncio.Event) -> Control:
        """Start the journal, the gate and the kill switch, so that the core can be fed."""
        self.ground.mailbox.open(self.intake)
        if self.out.brokerage is not None:
            stack.callback(self.out.brokerage.broker.stop, _BROKER_STOP_S)
        self.ground.books.begin(self.parts.run(self.out.session_id))
        self.out.gate.start()
        stack.callback(self.out.gate.stop)
        self._start_task(stack, self._beat(driving))
        at_broker = self.out.brokerage is not None
        self.host.stuck.guard(Guarded(self.session, self.out.gate, self.parts.recordings, at_broker))
        plan = self.parts.plan
        control = Control(plan.options.data_dir, self.out.switch, self.out.halt_file, self.ground.mailbox)
        stack.callback(control.close)
        control.serve(self.host.claimed)
        _log.bind(
            event="session.started",
            version=VERSION,
            strategy=plan.strategy.name,
            feed=self.source.name,
            settings=as_layer(plan.settings.core),
        ).info(f"session started: {plan.strategy.name} on {self.source.name}")
        if gap := self.ground.books.tell_gap():
            _log.bind(event="book.older").warning(gap)
        return control

    async def _start_edges(self, stack: AsyncExitStack, control: Control, driving: asyncio.Event) -> None:
        """Start what feeds the core and what shows it, the dashboard first: it is there before anything is decided."""
        self.slow_strategies.thread.start()
        stack.callback(self.slow_strategies.thread.stop)
        await self._start_web(stack)
        self.out.gate.beat()
        driving.set()  # from here on a strategy may get stuck
        plan = self.parts.plan
        folders = (plan.options.data_dir, Path(plan.settings.log.dir))
        now = self.ground.timekeeper.venue_now
        show, call = self.telemetry.note_disk, self.ground.mailbox.call
        disks = DiskWatch(folders, plan.settings.disk.warn_bytes, now, lambda seen: call(lambda: show(seen)))
        disks.start()
        stack.callback(disks.stop)
        if (limit_s := self.parts.plan.options.watchdog_s) is not None:
            watch = watch_for_stuck(lambda: self.out.gate.silent_s, limit_s, self.host.stuck.leave)
            watch.start()
            stack.callback(watch.stop)
        tasks = [self._drive_clock(), self._report()]
        if (calendar := self.parts.plan.calendar) is not None:
            tasks.append(keep_known(calendar, self.ground.timekeeper.venue_now, self._take_hours))
        for task in tasks:
            self._start_task(stack, task)
        self._start_feed(stack)
        if self.source_watch is not None:
            self.source_watch.start()
            stack.callback(self.source_watch.stop)
        await self._start_broker()
        control.begin()
        if (seconds := self.parts.plan.options.duration_s) is not None:
            stack.callback(self.host.stopping.end_after(seconds).cancel)

    async def _start_notifier(self, stack: AsyncExitStack) -> None:
        if self.notices is None:
            return
        process, within_s = self.notices.process, LAST_NOTICE_S + SHUTDOWN_S
        await self.ground.processes.start(stack, "notifier", process, "notifier", vital=False, shutdown_s=within_s)
        stack.push(self.notices.goodbye(lambda: self.host.ending.failure))

    async def _start_web(self, stack: AsyncExitStack) -> None:
        await self.ground.processes.start(stack, "web", self.web, "dashboard", vital=False)
        settings, options = self.parts.plan.settings.web, self.parts.plan.options
        where = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"{settings.scheme}://{where}:{self.web.port}{settings.base}"
        self.host.claimed.publish(url, settings.tls_cert)
        shown = web_secret.shown(settings, self.host.secret)
        address = web_secret.address(url, shown if options.ask is not None else "")
        self.host.say(f"dashboard: {address}")
        if place.is_system_s(options.data_dir):  # nobody told us that, and nobody sees it where the bot was started
            self.host.say(f"data: {options.data_dir}")
        if shown and options.ask is None:  # what nobody reads now may be a log, which others read later
            self.host.say(f"its secret is in {web_secret.file_of(options.data_dir)}")

        def open_browser() -> None:
            opened = False
            with contextlib.suppress(OSError):  # the disk: the address is on the terminal all the same
                opened = webbrowser.open(web_secret.page(url, self.host.secret, options.data_dir))
            if not opened:
                self.host.say(f"no browser could be opened: {address} is for you to open")

        if options.open_browser:
            # A browser of the terminal returns when it is closed: never on the loop.
            threading.Thread(target=open_browser, name="browser", daemon=True).start()

    def _start_feed(self, stack: AsyncExitStack) -> None:
        feed, ending = self.source.feed, self.host.ending
        if isinstance(feed, WebSocketFeed):
            self.ground.processes.depend("exchange", Dependant("feed", feed.hold, feed.go_on))
        subscription = feed.subscribe(self.intake.feed, ending.on_feed_error, ending.on_feed_end)
        stack.callback(subscription.dispose)

    async def _start_broker(self) -> None:
        if self.out.brokerage is None:
            return
        if (calendar := self.parts.plan.calendar) is not None:
            # Beside the loop: loading the calendar takes a second, and longer on a busy machine.
            self._take_hours([await asyncio.to_thread(market_hours, calendar, time.time_ns())])
        broker = self.out.brokerage.broker
        broker.start()
        self.ground.processes.depend("exchange", Dependant("broker", broker.hold, broker.go_on))

    def _take_hours(self, hours: list[MarketHours]) -> None:
        """Tell the core and the feed when the market is open, by the time of the feed."""
        if self.source.feed.delay_s:
            hours = [earlier(it, self.source.feed.delay_s) for it in hours]
        self.intake.feed(hours)
        if isinstance(self.source.feed, WebSocketFeed):
            self.source.feed.expect(hours[-1])

    def _start_task(self, stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self.host.ending.on_task_done)

        async def cancel() -> None:
            task.cancel()
            await asyncio.wait([task], timeout=1)

        stack.push_async_callback(cancel)

    # ----------------------------------------------------------------------------------------------- running

    async def _beat(self, driving: asyncio.Event) -> None:
        """Show the gate that the loop is alive until the gate is stopped: a dashboard may take its time to end."""
        await driving.wait()
        while True:
            self.out.gate.beat()
            if self.manager is not None:
                self.manager.beat(Beat(self.session.core.input, bool(self.ground.timekeeper.venue_now())))
            await asyncio.sleep(_REPORT_S)

    async def _drive_clock(self) -> None:
        """Feed the time about ten times a venue second, so that timers fire although no tick arrives."""
        while True:
            await asyncio.sleep(max(_LEAST_CLOCK_S, 1 / CLOCKS_PER_VENUE_SECOND / self.ground.clock.rate))
            if inputs := self.ground.timekeeper.beat(self.session.core.now):
                self.intake.feed(inputs)

    async def _report(self) -> None:
        """Look ten times a second at what need not be looked at on the tick path, and tell the dashboard."""
        cost_guard = CostGuard()
        while True:
            await asyncio.sleep(_REPORT_S)
            broker = self.out.brokerage.broker if self.out.brokerage is not None else None
            self.telemetry.note_queues(self.out.gate, self.web, broker)
            self.telemetry.slow = self.slow_strategies.slow()
            self._tell_web()
            if self.notices is not None:
                self.notices.look(self.session.core)
            self.telemetry.tick_keeper.write(self.session)
            if self.telemetry.quality is not None:
                self.telemetry.quality.write(self.session)
            cost_guard.warn_of_changes(self.session.core)
            if self.manager is not None:
                self.manager.tell(self._status())
            if not self.host.ending.stop.is_set():
                if self.parts.recordings is not None:
                    self.parts.recordings.flush()
                self.rotation.rotate_if_due()

    def _tell_web(self) -> None:
        for message in self.telemetry.messages():
            self.web.send(message)

    def _status(self) -> str:
        """Say in a line how the bot is, without what changes with every tick."""
        core = self.session.core
        reason = f": {core.risk.state_reason}" if core.risk.state_reason else ""
        held = ", ".join(core.positions.open) or "nothing"
        profit = money(core.metrics.equity - core.metrics.day_start_equity, grouped=True)
        return visible(f"{core.risk.state}{reason}; open: {held}; P/L of the day {profit}")

    # ---------------------------------------------------------------------------------------------- stopping

    async def _finish(self) -> Outcome:
        """Flatten or keep, tell the dashboard the last of it, and sum up."""
        core, ending, options = self.session.core, self.host.ending, self.parts.plan.options
        if self.manager is not None:
            self.manager.stopping()
        if not ending.core_failed and not ending.refused:
            if self.out.brokerage is not None:
                await self.out.brokerage.leave(core, self._give, options.on_exit, options.ask, ending.hurry)
            elif options.on_exit != "keep" and (core.positions.open or core.orders_over_by):
                self._give("flatten")
                while (due := core.orders_over_by) > core.now:  # an order that takes its time gets it at once
                    self.intake.feed([Clock(due)])
        ending.over = True
        core.finish()
        self._tell_web()
        self.telemetry.tick_keeper.write(self.session, all_of_them=True)
        if self.telemetry.quality is not None:
            self.telemetry.quality.write(self.session)
        summary = self.telemetry.summary()
        _log.bind(event="session.ended", summary=summary, failure=ending.failure).info("session ended")
        cut_short = self.parts.recordings.close() if self.parts.recordings is not None else ""
        paths = self.parts.recordings.paths if self.parts.recordings is not None else []
        left = still_open(core) if self.out.brokerage is not None else tuple(core.positions.open)
        return Outcome(
            summary, left, paths[-1] if paths else None, cut_short, ending.failure, ending.refused, len(paths)
        )

    def _give(self, command: str) -> None:
        """Give a command with which the session ends."""
        self.intake.feed([Command(command, self.ground.timekeeper.venue_now(), SHUTDOWN)])
