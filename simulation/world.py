"""The world: everything wired, the faults let loose, and at the end everything flat and equal on both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from random import Random

import msgspec

from actors.execution.known_orders import OrderName
from actors.gateway.kill_switch import FLATTEN, HALT
from actors.messages import SYMBOL_COMMANDS, PositionClosed, TradingState
from actors.orders import OVER, OrderRole, OrderStatus
from pipeline.events import SECOND
from simulation.bot import MOMENTS, MOMENTS_WEIGHTS, Bot
from simulation.broken import Broken
from simulation.chance import Chance
from simulation.disk import Disk
from simulation.faults import Scenario
from simulation.hand import Hand
from simulation.hand_audit import check_said, is_closed, is_said
from simulation.ledger import Ledgers
from simulation.outside import Outside
from simulation.place import Place
from simulation.scheduler import Machine, VirtualScheduler
from simulation.venue import FOREVER, Venue
from web.messages import SignalWish

SYMBOLS = ("AAPL", "MSFT")
STICK_WITHIN_S = 20.0
"""Within so many seconds, a loop gets stuck as soon as something is held or ordered: else that would be rare."""
SETTLE_S = 180.0  # without faults, until everything has to be flat
HALT_WITHIN_S = 10.0
BETWEEN_BUSTS_S = 60.0
CROWDED_S = 61.0
"""So long after another program used up the account's requests it may stay so: until the venue's minute is over."""
COMMANDS = ("pause", "resume", "reduce", "flatten", "halt")
STEPS_S = (-5400, -600, -90, 30, 600, 5400)
"""By how much the wall clock is set. Never by as much as an absurd tick is off: the two would agree on a wrong time."""


class Result(msgspec.Struct, frozen=True):
    """What a run came to."""

    seed: int
    scenario: Scenario
    lives: int  # of the bot
    sessions: int  # of all its lives; the others began by a rollover
    faults: int  # that happened
    inputs: int
    orders: int  # at the venue; in the core, where fills are simulated
    trades: int


class World:
    """One run, decided by its seed. `only` names the faults that may happen, of those that would."""

    def __init__(self, seed: int, scenario: Scenario | None = None, *, only: Iterable[str] | None = None) -> None:
        scenario = scenario or Scenario.drawn(Random(f"{seed}/scenario"))
        self.seed = seed
        self.scenario = scenario
        self.scheduler = VirtualScheduler(scenario.start)
        self.chance = Chance(seed, lambda: self.scheduler.now, only)
        of_market = SYMBOLS, seed, scenario.start, scenario.faults, self.chance, scenario.sessions
        self.venue = Venue(*of_market, paper=not scenario.with_fees)
        self.bots: list[Bot] = []
        self.rows: list[tuple[object, ...]] = []  # of the journal, at the end, if they were asked for
        self._machine, self._disk = Machine(self.scheduler), Disk()
        fee = Decimal(str(scenario.settings.execution.fee_per_share)) if scenario.simulated else Decimal(0)
        ledgers = Ledgers(fee, simulated=scenario.simulated)
        outside = self._outside = Outside(self._machine)
        self._place = Place(
            self.scheduler, self._machine, self._disk, self.venue, self.chance, scenario, ledgers, outside
        )
        self._hand = Hand(self.scheduler, self.venue, lambda: self.bot.dead, lambda: self._calm)
        self._most = scenario.most
        self._calm = False  # the faults are over
        self._next_bust = 0  # venue time, ns

    @property
    def seconds(self) -> float:
        """Seconds of the market so far."""
        return (self.scheduler.now - self.scenario.start) / SECOND

    @property
    def bot(self) -> Bot:
        """The one that lives, or did so last."""
        return self.bots[-1]

    def run(self, seconds: float, *, keep_rows: bool = False) -> Result:
        """Run for so many seconds of the market with faults, and then on without until everything is settled.

        Raises Broken as soon as an invariant does not hold.
        """
        try:
            return self._run(seconds)
        finally:
            if keep_rows:
                for bot in self.bots:
                    bot.stop()
                self.rows = self._disk.rows()
            self.close()

    def begin(self) -> None:
        """Open the market, and start the bot."""
        self._move_market()
        while not self.venue.quoted:
            self.scheduler.run_to(self.venue.next_ts)
        self._start_bot()

    def close(self) -> None:
        """Close all files, and remove them."""
        for bot in self.bots:
            bot.stop()
        self._disk.remove()

    def _run(self, seconds: float) -> Result:
        self.begin()
        faults = self.scenario.faults
        for kind, every_s, words, occasion in (
            ("stream_down", faults.stream_down_s, "the trading stream is cut", self._lose_stream),
            ("stream_mute", faults.stream_mute_s, "the trading stream goes mute", self._mute_stream),
            ("feed_down", faults.feed_down_s, "the market data are cut", self._lose_feed),
            ("feed_mute", faults.feed_mute_s, "the market data go mute", self._mute_feed),
            ("refusal", faults.refusal_s, "connections are refused (406)", self._refuse),
            ("crash", faults.crash_s, "the bot is killed", self._crash),
            ("disk_full", faults.disk_full_s, "the disk is full", self._fill_disk),
            ("clock_step", faults.clock_step_s, "the wall clock is set", self._step_clock),
            ("roll_over", faults.roll_over_s, "the recording has its size", self._fill_recording),
            ("stuck", faults.stuck_s, "the bot's loop is stuck", self._stick),
            ("command", faults.command_s, "somebody gives a command", self._command),
            ("resume", faults.resume_s, "somebody says: resume", self._resume),
            ("bust", faults.bust_s, "the venue undoes an execution", self._bust),
            ("gap", faults.gap_s, "a price gaps", self._gap),
            ("crowd", faults.crowd_s, "another program uses up the account's requests", self._crowd),
            ("symbol", faults.symbol_s, "somebody gives a command for one symbol", self._symbol_command),
            ("hand", faults.hand_s, "a person has a hand in the account", self._reach_in),
            ("said", faults.said_s, "a program outside says something", self._say),
        ):
            if every_s:
                self._now_and_then(kind, every_s, words, occasion)
        self.scheduler.run_to(self.scenario.start + round(seconds * SECOND))
        orders = self.settle()
        trades = sum(isinstance(fact, PositionClosed) for bot in self.bots for fact in bot.audit.facts)
        inputs = sum(len(part.log) for bot in self.bots for part in bot.parts)
        happened = len(self.chance.occurred)
        sessions = sum(len(bot.parts) for bot in self.bots)
        return Result(self.seed, self.scenario, len(self.bots), sessions, happened, inputs, orders, trades)

    # ------------------------------------------------------------------------------------------------- what goes on

    def _move_market(self) -> None:
        events = self.venue.advance(self.scheduler.now)
        updates = self.venue.updates()
        if updates:
            self.venue.check_account(self._most)
        if self.bots:
            self.bot.deliver_events(events)
            self.bot.broker.deliver_updates(updates)
        self.scheduler.at(self.venue.next_ts, self._move_market)

    def _start_bot(self) -> None:
        if self._disk.full_until == FOREVER:
            self._disk.full_until = 0
        self.bots.append(Bot(self._place, self.bot.crash_snapshot if self.bots else None))
        self.bot.start()

    def _now_and_then(self, kind: str, every_s: float, words: str, occasion: Callable[[Random], None]) -> None:
        times = Random(f"{self.seed}/{kind}/times")

        def happen() -> None:
            if not self._calm:
                if random := self.chance.occurs(kind, 1.0, words):
                    occasion(random)
                self.scheduler.after(times.expovariate(1 / every_s), happen)

        self.scheduler.after(times.expovariate(1 / every_s), happen)

    def _lose_stream(self, random: Random) -> None:
        self.bot.broker.disconnect("the stream was cut")

    def _mute_stream(self, random: Random) -> None:
        self.bot.broker.mute = True

    def _lose_feed(self, random: Random) -> None:
        self.bot.feed.disconnect("cut")

    def _mute_feed(self, random: Random) -> None:
        self.bot.feed.mute = True

    def _refuse(self, random: Random) -> None:
        seconds = random.uniform(1, 70)
        self.chance.detail(f"for {seconds:.1f} s")
        self.venue.refuses_until = self.scheduler.now + round(seconds * SECOND)
        if random.random() < 0.7:  # else it is noticed only when the next connection is lost
            self._cut_all()

    def _cut_all(self) -> None:
        self.bot.feed.disconnect("cut")
        self.bot.broker.disconnect("the stream was cut")

    def _crash(self, random: Random) -> None:
        bot, away_s = self.bot, random.uniform(0.1, 20)
        if bot.dead or bot.doomed:
            self.chance.detail("it is dead already, or as good as dead")
            return
        reconnecting = random.random() < 0.2
        (where,) = ("while it reconnects",) if reconnecting else random.choices(MOMENTS, MOMENTS_WEIGHTS)
        self.chance.detail(f"{where}; started again {away_s:.1f} s later")
        bot.on_death = lambda: self.scheduler.after(away_s, self._restart)
        if reconnecting:
            self._cut_all()
            self.scheduler.after(random.uniform(0, 0.3), bot.kill)
        else:
            bot.doom(where)

    def _restart(self) -> None:
        if self.bot.dead:
            self._start_bot()

    def _fill_disk(self, random: Random) -> None:
        if random.random() < 0.5:
            self.chance.detail("until the bot is restarted")
            self._disk.full_until = FOREVER
        else:
            seconds = random.uniform(0.1, 10)
            self.chance.detail(f"for {seconds:.1f} s")
            self._disk.full_until = self.scheduler.now + round(seconds * SECOND)

    def _step_clock(self, random: Random) -> None:
        seconds = random.choice(STEPS_S)
        self.chance.detail(f"{seconds} s from the truth")
        self._machine.wrong_ns = seconds * SECOND

    def _fill_recording(self, random: Random) -> None:
        self.bot.recording_is_full = True

    def _command(self, random: Random) -> None:
        name = random.choice(COMMANDS)
        pulled = name in (HALT, FLATTEN) and random.random() < 0.5
        self.chance.detail(f"{name}, by the kill switch" if pulled else name)
        if pulled:
            self.bot.press(name)
        else:
            self.bot.command(name)

    def _stick(self, random: Random) -> None:
        seconds, bot = random.uniform(0.5, 12), self.bot
        self.chance.detail(f"for {seconds:.1f} s")
        pull, later = "", 0.0
        if random.random() < 0.7:
            pull, later = random.choice((HALT, FLATTEN)), random.uniform(0, 3)
            self.chance.detail(f"and {later:.1f} s later somebody pulls the kill switch: {pull}")
        ends = self.scheduler.now + round(STICK_WITHIN_S * SECOND)

        def stick() -> None:
            if self._calm or bot.dead:
                return
            if self.scheduler.now < ends and not (bot.core.positions.open or bot.core.orders.working):
                self.scheduler.after(0.05, stick)
                return
            bot.stick(seconds)
            if pull:
                self.scheduler.after(later, lambda: bot.press(pull))

        stick()

    def _gap(self, random: Random) -> None:
        fraction, against, before = random.uniform(0.006, 0.06), random.random() < 0.8, random.random() < 0.5
        ends = self.scheduler.now + round(STICK_WITHIN_S * SECOND)

        def gap() -> None:
            if self._calm:
                return
            symbol = self._exposed(before=before)
            if symbol is None and self.scheduler.now < ends:
                self.scheduler.after(0.01, gap)
                return
            position = self.bot.core.positions.open.get(symbol or "")
            sign = position.side.sign if position is not None else 1
            fraction_of_it = fraction * (-sign if against else sign)
            self.venue.gap(symbol or random.choice(SYMBOLS), fraction_of_it, self.scheduler.now)

        self.chance.detail(f"by {fraction:.1%}, {'before' if before else 'while'} a stop rests")
        gap()

    def _exposed(self, *, before: bool) -> str | None:
        """Return a symbol with an open position whose stop is not at the venue yet (`before`), or rests there."""
        core = self.bot.core
        for symbol in core.positions.open:
            stops = [order for order in core.orders.of(symbol) if order.role is OrderRole.STOP]
            if before is not any(order.status is OrderStatus.ACCEPTED for order in stops):
                return symbol
        return None

    def _crowd(self, random: Random) -> None:
        self.venue.crowded_until_s = self.scheduler.ran_s + CROWDED_S
        for _ in range(random.randint(100, 250)):
            self.venue.call("GET", "/v2/clock", b"", self.scheduler.now)

    def _symbol_command(self, random: Random) -> None:
        name, symbol = random.choice((*SYMBOL_COMMANDS, "unlock")), random.choice(SYMBOLS)
        lasts_s = random.choice((0.0, random.uniform(1, 60)))
        self.chance.detail(f"{name} {symbol} for {lasts_s:.1f} s" if name == "lock" else f"{name} {symbol}")
        self.bot.command_symbol(name, symbol, lasts_s if name == "lock" else 0.0)

    def _say(self, random: Random) -> None:
        asked = self._outside.word(random, SYMBOLS)
        if asked is None:
            self.chance.detail("too late, or by a clock that is ahead")
            return
        wish = asked.command
        assert isinstance(wish, SignalWish)
        self.chance.detail(f"{wish.name} {wish.symbol} {wish.value:g} ({wish.id})")
        self.bot.hear(asked)

    def _bust(self, random: Random) -> None:
        """Undo an execution; of two without a report, one may hide the other, so they are not close together."""
        if self.scheduler.now < self._next_bust:
            self.chance.detail("the last one is not long ago")
            return
        self._next_bust = self.scheduler.now + round(BETWEEN_BUSTS_S * SECOND)
        self.chance.detail(self.venue.bust(random, self.scheduler.now))

    def _reach_in(self, random: Random) -> None:
        self.chance.detail(self._hand.reach(random))

    def _resume(self, random: Random) -> None:
        self.bot.command("resume")

    # ------------------------------------------------------------------------------------------------- the end

    def settle(self) -> int:
        """Stop what goes wrong, flatten, wait until both sides are done, and compare them; return the orders."""
        self._calm = True
        self.chance.calm()
        self.venue.calm()
        self._disk.full_until = 0
        self._restart()
        bot = self.bot
        bot.unstick()
        bot.feed.mute = bot.broker.mute = False
        self.scheduler.run_to(self.scheduler.now + 45 * SECOND)
        self._restart()  # it may have been doomed before
        self.bot.command("flatten")
        end = self.scheduler.now + round(SETTLE_S * SECOND)
        while self.scheduler.now < end and not self._flat():
            self.scheduler.run_to(self.scheduler.now + SECOND)
        core = self.bot.core
        if self.bot.audit.differs():
            return 0  # an execution was undone, and nothing said whose shares these are: a person has to look
        self.bot.audit.settled()
        if not is_closed(core, self.venue):
            raise Broken("settled", f"still open after {SETTLE_S:g} s: {core.positions.open or self.venue.positions()}")
        check_said(core, self.venue)
        if core.orders.working:
            raise Broken("settled", f"orders still work: {sorted(core.orders.working)}")
        if core.risk.state not in (TradingState.PAUSED, TradingState.HALTED):
            raise Broken("states", f"after `flatten` the bot is {core.risk.state}")
        if self.venue.hand.done.positions:
            self._halt_at_last()
        return self._join()

    def _flat(self) -> bool:
        core = self.bot.core
        return is_closed(core, self.venue) and not core.orders.working and is_said(core, self.venue)

    def _halt_at_last(self) -> None:
        """Stop a bot whose books a hand has left behind by its kill switch, while its loop is stuck."""
        bot = self.bot
        bot.stick(HALT_WITHIN_S)
        bot.press(HALT)
        self.scheduler.run_to(self.scheduler.now + round(3 * HALT_WITHIN_S * SECOND))
        state, working = bot.core.risk.state, sorted(bot.core.orders.working)
        if state is not TradingState.HALTED or working:
            raise Broken("states", f"after `halt` the bot is {state}, and these orders work: {working}")
        bot.audit.settled()

    def _join(self) -> int:
        """Each order at the venue was sent by exactly one life of the bot, and both agree on its end."""
        submitted = [order for bot in self.bots for order in bot.audit.submitted]
        if self.scenario.simulated:
            return len(submitted)
        if len(submitted) != len(set(submitted)):
            raise Broken("one order, one cause", "two lives sent an order of the same id")
        reports, by_hand = self.venue.orders(self.scheduler.now), self.venue.hand.orders
        reports = {order: report for order, report in reports.items() if order not in by_hand}
        of_gate = {order for bot in self.bots for order in bot.audit.of_gate}
        if strange := reports.keys() - set(submitted) - of_gate:
            raise Broken("one order, one cause", f"orders that the bot did not send: {sorted(strange)}")
        if unnamed := [order for order in reports if OrderName.of(order) is None]:
            raise Broken("one order, one cause", f"orders without a cause: {unnamed}")
        last = self.bot
        if last.audit.differs():
            return len(reports)
        for order_id in last.audit.of_session & reports.keys():
            entry = last.core.orders.get(order_id)
            report = reports[order_id]
            if entry is None and self.scenario.sessions is not None and report.status in OVER:
                continue  # a day has more orders than the bot remembers of those that are over
            if entry is None or (entry.filled, entry.status) != (report.filled, report.status):
                raise Broken("both sides", f"{order_id}: here {entry and (entry.status, entry.filled)}, there {report}")
        return len(reports)
