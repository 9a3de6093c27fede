"""One life of the bot: the real session, core, gate and journal, fed by the scheduler instead of sockets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from actors.book import Book
from actors.brokers.outbox import Outbox
from actors.engine.core import Core, Input
from actors.gateway.gate import Gate, Trouble, TroubleKind
from actors.gateway.journal import Entry, Run
from actors.gateway.kill_switch import KillSwitch
from actors.messages import Command, Fact, MarketHours, Report, Rollover, SymbolCommand
from actors.orders import OrderCommand
from mock_exchange.events import Event
from pipeline.events import SECOND
from service.live.bookkeeping import Bookkeeping, new_book, next_book
from service.live.halt_file import HaltFile
from service.live.hours import Hours, market_hours
from service.live.rotation import RotationPolicy
from service.live.session import Session
from service.live.timekeeping import Timekeeper
from service.options import RunOptions
from service.recorded.replay import PAPER
from service.venues import Venue as VenueName
from simulation.audit import Audit
from simulation.broken import Broken
from simulation.broker_driver import BrokerDriver
from simulation.carrying import carrying
from simulation.disk import WatchedJournal
from simulation.feed import Feed
from simulation.gate import Killed, VirtualGate
from simulation.kill_switch import STEP_S, LoopLink, VirtualKillSwitch
from simulation.memory import CrashSnapshot
from simulation.outside import reception_of
from simulation.place import Place
from web.messages import Asked

BOT = "mb-51b07a11"
"""What its order ids begin with, in all its lives."""

NOW = "at once"
BEFORE, AFTER = "before the journal has orders", "after the journal has orders"
BETWEEN, SENT = "between two orders that leave", "after orders have left"
MOMENTS = (NOW, BEFORE, AFTER, BETWEEN, SENT)
"""When, in what the gate does with a batch, a bot is killed."""
MOMENTS_WEIGHTS = (1, 2, 3, 3, 2)

CALENDAR = "XNYS"
"""The exchange whose hours are kept, where any are."""

LOOK_S = 0.25
"""Seconds between two looks of the gate's thread, when nothing waits."""

MOMENT_S = 15.0
"""Seconds that such a moment may take to come; then the bot is killed wherever it is."""


class Part:
    """One session: what it was fed, and what it stated. A rollover ends it, and begins the next."""

    def __init__(self, book: str) -> None:
        self.book = book
        self.log: list[Input] = []
        self.facts: list[Fact] = []

    @property
    def names(self) -> tuple[str, str]:
        """What a recorder is told of the book: its name where orders go to a venue, and where fills are simulated."""
        simulated = self.book.startswith(PAPER)
        return ("", self.book if self.book != PAPER else "") if simulated else (self.book, "")

    def write(self, inputs: Sequence[Input]) -> None:
        """Take down inputs that are about to be fed."""
        self.log.extend(inputs)

    def take_back(self, count: int) -> None:
        """Strike the last ones out: they were not fed."""
        del self.log[-count:]


def _options(place: Place) -> RunOptions:
    if place.scenario.simulated:
        return RunOptions(data_dir=place.disk.folder)
    return RunOptions(data_dir=place.disk.folder, venue=VenueName.ALPACA, url="http://simulation")


class Bot:
    """A process that runs until it is killed; what it was fed is in its parts."""

    def __init__(self, place: Place, before: CrashSnapshot | None) -> None:
        scenario = place.scenario
        self.dead = False
        self.recording_is_full = False
        self.crash_snapshot: CrashSnapshot | None = None  # once it is dead
        strategy, time_stop_s = scenario.strategy, scenario.settings.strategy.time_stop_seconds
        self.strategy = carrying(strategy, time_stop_s) if scenario.carrying else strategy
        self.died = ""  # at which of the moments
        self.on_death: Callable[[], None] = lambda: None
        self._place = place
        self._stuck = False  # the loop is, and what it is to do waits
        self._waiting: list[Callable[[], None]] = []
        self._doom = ""  # where it is to be killed
        self._sent = 0  # effects of the batch that leaves
        machine, simulated = place.machine, scenario.simulated
        self.books = Bookkeeping(_options(place), machine.wall_ns)
        book = PAPER if simulated else new_book(BOT, self.books.last_name, machine.wall_ns() / SECOND)
        facts: list[Fact] = []
        self._outbox = None if simulated else Outbox()
        self._rotation_policy = RotationPolicy(scenario.rollover_wait_s, lambda: machine.monotonic_ns() / SECOND)
        self.parts = [Part(book)]
        core = self._make_core(self.parts[0], facts.append)
        self._hours = Hours(CALENDAR) if scenario.sessions is not None else None
        self.feed = Feed(place, self.take)
        self._timekeeper = Timekeeper(self.feed.clock, self.feed.admission, machine.monotonic_ns, machine.wall_ns)
        self.feed.monotonic = self._timekeeper.monotonic
        self.broker = BrokerDriver(
            place.scheduler,
            place.venue,
            scenario.faults,
            place.chance,
            self.feed.now,
            lambda order: order.startswith(f"{BOT}-"),
            self._on_reports,
            with_fees=scenario.with_fees,
        )
        self.audit = Audit(core, self.feed, place, before)
        if self.audit.awaiting is not self.books.pending:
            raise Broken("memory", "the journal has lost its book")
        link = LoopLink(place.scheduler, self._on_loop, self.take, self._on_command)
        to_broker = None if simulated else self.broker

        def make_gate(switch: KillSwitch) -> Gate:
            self.gate = self._make_gate(switch)
            return self.gate

        folder = place.disk.folder
        self.switch = VirtualKillSwitch(place.scheduler, link, make_gate, to_broker, book, folder, self.feed.now)
        self._halt_file = HaltFile(folder, self.switch)
        self.session = Session(
            core, facts, self.gate, self.parts[0], lambda _: None, (), self._outbox, timekeeper=self._timekeeper
        )
        self._reception = reception_of(self, machine, place.outside, place.venue.symbols, self._timekeeper)

    def _make_gate(self, switch: KillSwitch) -> VirtualGate:
        place, faults = self._place, self._place.scenario.faults
        return VirtualGate(
            WatchedJournal(
                self.books.journal,
                lambda: place.scheduler.now < place.disk.full_until,
                self._before_append,
                self._on_appended,
                lambda: self.audit.on_failed(self.gate.in_hand),
            ),
            None if place.scenario.simulated else self,
            self._on_trouble,
            switch.see,
            switch.refuse,
            place.scheduler,
            place.chance,
            faults.slow_disk,
            lambda: self.audit.position,
            self._on_sent,
            self._guarded,
        )

    @property
    def core(self) -> Core:
        """The core of the session that runs, or ran last."""
        return self.session.core

    def _make_core(self, part: Part, on_fact: Callable[[Fact], None]) -> Core:
        settings = self._place.scenario.settings

        def state(fact: Fact) -> None:
            self.audit.check_fact(fact)
            part.facts.append(fact)
            on_fact(fact)

        if self._outbox is None:
            return Core(settings, self.strategy, state, book=part.book)
        return Core(settings, self.strategy, state, book=part.book, broker=self._outbox)

    def start(self) -> None:
        """Start: the session begins in the journal, the feed connects, and so does the broker."""
        self.books.begin(self._run_of(self.parts[0]))
        self._halt_file.block_entries()
        self._every(LOOK_S, self.gate.idle)
        self._every(STEP_S, self.switch.step)
        self.feed.start()
        if self._hours is not None:
            self._take_hours(market_hours(CALENDAR, self._place.machine.wall_ns()))
        if self._outbox is not None:
            self.broker.start()
        if (command := self._halt_file.pending_command()) is not None:
            self._on_command(command)
        self._tick_clock()

    def _run_of(self, part: Part) -> Run:
        return self.books.run(self.strategy.name, "simulation", part.book, self._place.scenario.settings, None)

    # ------------------------------------------------------------------------------------------------- inputs

    def take(self, inputs: Sequence[Input], heard_at: int | None = None) -> None:
        """Feed inputs, and let out what they lead to, as `service/live/commands.py` does."""
        if self.dead:
            return
        if self._stuck:
            heard_at = self._place.machine.monotonic_ns() if heard_at is None else heard_at
            self._waiting.append(lambda: self.take(inputs, heard_at))
            return
        if not self.feed.now():
            self._timekeeper.hear_account_time(inputs, heard_at)
        try:
            if self.books.pending and (book := self.books.due(inputs, self.feed.now(), self._say)) is not None:
                self.audit.restoring = True
                self.session.take([book])
                self.audit.restoring = False
                self.audit.restored(book)
            self.audit.note_inputs(inputs)
            self.session.take(inputs)
            self.audit.step()
        except Killed:
            self.kill()

    def command(self, name: str, source: str = "dashboard", reason: str = "") -> None:
        """Give it a command."""
        self._on_loop(lambda: self._on_command(Command(name, 0, source, reason)))

    def _on_command(self, command: Command) -> None:
        """Take a command, as `service/live/commands.py` does."""
        if command.name == "resume" and self._halt_file.lift():
            return
        if command.source == "dashboard":
            self._halt_file.hold(command.name, command.reason)
        self.take([msgspec.structs.replace(command, ts=command.ts or self.feed.now())])

    def command_symbol(self, name: str, symbol: str, lasts_s: float) -> None:
        """Give it a command for one symbol; a lock lasts for so many seconds, 0: until it is lifted."""

        def give() -> None:
            if now := self.feed.now():  # else it cannot be said until when
                until = now + round(lasts_s * SECOND) if lasts_s else 0
                self.take([SymbolCommand(name, symbol, now, until, "dashboard")])

        self._on_loop(give)

    def hear(self, asked: Asked) -> None:
        """Hear what a program outside says."""

        def take() -> None:
            self._reception.take(asked)

        self._on_loop(take)

    def press(self, name: str) -> None:
        """Pull the kill switch."""
        self._guarded(lambda: self.switch.press(name, self._guarded))

    def deliver_events(self, events: Sequence[Event]) -> None:
        """Deliver market events to the feed, on the loop."""
        self._on_loop(lambda: self.feed.deliver_events(events))

    def stick(self, seconds: float) -> None:
        """Block the loop for some seconds: nothing gets to the core, and the threads go on."""
        self._stuck = True
        self._place.scheduler.after(seconds, self.unstick)

    def unstick(self) -> None:
        """Unblock the loop, and run what has come meanwhile."""
        self._stuck = False
        while self._waiting and not self.dead:
            self._waiting.pop(0)()

    def _on_loop(self, what: Callable[[], None]) -> None:
        """Have the loop do something, once it is not stuck."""
        if self._stuck:
            self._waiting.append(what)
        elif not self.dead:
            what()

    def _on_reports(self, reports: list[Report]) -> None:
        """Hear the broker, on its thread."""
        if not self.dead:
            self.switch.hear(reports)
            self.take(reports)

    def _tick_clock(self) -> None:
        if self.dead:
            return
        if self._outbox is not None:
            self.broker.check()
        if self._stuck:
            self._place.scheduler.after(0.1, self._tick_clock)
            return
        self.gate.beat()
        now, truth = self.feed.now(), self._place.scheduler.now
        if now > self.core.now and abs(now - truth) > 5 * SECOND:
            raise Broken("venue time", f"the bot believes {now}, it is {truth}")
        if inputs := self._timekeeper.beat(self.core.now):
            self.take(inputs)
        if self._hours is not None and self._hours.due(now):
            self._take_hours(self._hours.read(now))
        self._look_at_recording()
        self._place.scheduler.after(0.1, self._tick_clock)

    def _take_hours(self, hours: MarketHours) -> None:
        """Tell the core and the feed when the market is open, as `service/live/runtime.py` does."""
        self.take([hours])
        self.feed.expect(hours)

    def _look_at_recording(self) -> None:
        """Roll over when it is time, as `service/live/rotation.py` does."""
        if self.dead or self.books.pending:
            return
        reason = self._rotation_policy.due(self.core, full=self.recording_is_full)
        if reason is not None:
            self.recording_is_full = False
            self._guarded(lambda: self._roll_over(reason))

    def _roll_over(self, reason: str) -> None:
        old = self.core
        part = Part(next_book(old.book().name, self._place.machine.wall_ns() / SECOND))

        def begin(on_fact: Callable[[Fact], None]) -> Core:
            self.parts.append(part)
            core = self._make_core(part, on_fact)
            self.audit.follow(core)
            return core

        self.session.roll_over(Rollover(reason, part.book, old.now), begin, part, self._run_of(part))
        self.audit.rolled_over()
        if self._outbox is not None:
            self.broker.read_account()

    def _say(self, sentence: str) -> None:
        if "a new one is begun" in sentence:
            raise Broken("memory", f"the book was not taken up: {sentence}")

    # ------------------------------------------------------------------------------------------------- the gate

    def send(self, effect: OrderCommand) -> None:
        """Hear of an effect that leaves the gate, and let the broker have it."""
        if self._sent == 1:
            self._reach(BETWEEN)
        self._sent += 1
        self.audit.leaving(effect, self.gate.halted, self.switch.pulled)
        self.broker.send(effect)

    def _before_append(self) -> None:
        if self.gate.leaving:
            self._reach(BEFORE)

    def _on_appended(self, facts: Sequence[Entry], book: Book | None) -> None:
        self.gate.written()
        self.audit.on_appended(self.gate.in_hand, facts, book)
        self._sent = 0
        if self.gate.leaving:
            self._reach(AFTER)

    def _on_sent(self, effects: int) -> None:
        self._sent = 0
        if effects:
            self._reach(SENT)

    def _on_trouble(self, trouble: Trouble) -> None:
        reason = f"{trouble.kind}: {trouble.detail}"
        if trouble.kind in (TroubleKind.GATE, TroubleKind.BROKER):  # nothing here is allowed to fail there
            raise Broken("gate", reason)
        if trouble.halts:
            self._place.scheduler.after(0.001, lambda: self.command("halt", "gate", reason))

    def _every(self, seconds: float, action: Callable[[], None]) -> None:
        """Have a thread of its own do something again and again."""
        if not self.dead:
            self._guarded(action)
            self._place.scheduler.after(seconds, lambda: self._every(seconds, action))

    def _guarded(self, action: Callable[[], None]) -> None:
        """Have a thread of its own do something, in which it may be killed."""
        if not self.dead:
            try:
                action()
            except Killed:
                self.kill()

    # ------------------------------------------------------------------------------------------------- its end

    @property
    def doomed(self) -> bool:
        """Whether it is to be killed."""
        return bool(self._doom)

    def doom(self, where: str) -> None:
        """Kill it as soon as it gets to that part of what the gate does, and at the latest some seconds from now."""
        self._doom = where
        if where == NOW:
            self.died = NOW
            self.kill()
        else:
            self._place.scheduler.after(MOMENT_S, self.kill)
            if where == BETWEEN:  # which is rare, unless all is to be closed
                self._place.scheduler.after(MOMENT_S / 2, lambda: self.command("flatten"))

    def _reach(self, where: str) -> None:
        if self._doom == where:
            self.died = where
            raise Killed

    def kill(self) -> None:
        """Kill the process, in the middle of whatever it does; its files stay as they are."""
        if self.dead:
            return
        self.dead = True
        self.crash_snapshot = self.audit.crash_snapshot(self.gate.waiting_from)
        self._place.ledgers.kill()
        self._place.disk.survive()
        self.broker.cut()
        self.feed.cut()
        self.books.close()
        self.on_death()

    def stop(self) -> None:
        """Close its files, when the run is over."""
        if not self.dead:
            self.dead = True
            self.books.close()
