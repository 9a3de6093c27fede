"""The world: everything wired, the faults let loose, and at the end everything flat and equal on both sides."""

from __future__ import annotations

from random import Random

import msgspec

from actors.core import CoreSettings
from actors.messages import TradingState
from actors.reconciler import OrderName
from actors.risk import RiskSettings
from pipeline.events import SECOND
from pipeline.strategy import StrategySettings
from simulation.agenda import Agenda
from simulation.audit import Broken
from simulation.bot import Bot
from simulation.faults import NONE, Faults
from simulation.venue import Venue

START = 1_767_623_400 * SECOND  # 2026-01-05, 09:30 in New York
SYMBOLS = ("AAPL", "MSFT")
EAGER = CoreSettings(
    strategy=StrategySettings(
        window_size=5.0, entry_threshold=0.0001, volume_spike_multiplier=0.5, volatility_guard_threshold=0.0001
    ),
    risk=RiskSettings(position_size=3.0, cooldown_trades_after_loss=1),
)
"""A strategy that trades all the time: what is tested is what happens to its orders."""
SETTLE_S = 180.0  # without faults, until everything has to be flat
COMMANDS = ("pause", "resume", "resume", "reduce", "flatten", "halt", "resume")


class Result(msgspec.Struct, frozen=True):
    """What a run came to."""

    seed: int
    faults: Faults
    lives: int  # of the bot
    inputs: int
    orders: int  # at the venue
    trades: int


class World:
    """One run, decided by its seed."""

    def __init__(self, seed: int, settings: CoreSettings = EAGER, faults: Faults | None = None) -> None:
        self.random = Random(f"simulation/{seed}")
        self.seed = seed
        self.faults = faults if faults is not None else Faults.drawn(self.random)
        self.start = START
        self.agenda = Agenda(START)
        self.venue = Venue(SYMBOLS, seed, START, self.faults, self.random)
        self.bots: list[Bot] = []
        self._settings = settings
        self._calm = False  # the faults are over

    def run(self, seconds: float) -> Result:
        """Run for so many seconds of the market with faults, and then on without until everything is settled.

        Raises Broken as soon as an invariant does not hold.
        """
        self._move_market()
        while not self.venue.quoted:
            self.agenda.run_to(self.venue.next_ts)
        self._start_bot()
        for every_s, occasion in (
            (self.faults.stream_down_s, self._lose_stream),
            (self.faults.feed_down_s, self._lose_feed),
            (self.faults.crash_s, self._crash),
            (self.faults.command_s, self._command),
        ):
            if every_s:
                self._now_and_then(every_s, occasion)
        self.agenda.run_to(START + round(seconds * SECOND))
        self._settle()
        orders = self.venue.orders(self.agenda.now)
        self._join(set(orders))
        trades = sum(len([f for f in bot.audit.facts if type(f).__name__ == "PositionClosed"]) for bot in self.bots)
        inputs = sum(len(bot.log) for bot in self.bots)
        return Result(self.seed, self.faults, len(self.bots), inputs, len(orders), trades)

    @property
    def bot(self) -> Bot:
        return self.bots[-1]

    # ------------------------------------------------------------------------------------------------- what goes on

    def _move_market(self) -> None:
        events = self.venue.advance(self.agenda.now)
        updates = self.venue.updates()
        if self.bots:
            self.bot.hear(events)
            if updates:
                self.bot.audit.account(self.venue.positions(self.agenda.now))
            self.bot.broker.hear(updates)
        self.agenda.at(self.venue.next_ts, self._move_market)

    def _start_bot(self) -> None:
        faults = NONE if self._calm else self.faults
        self.bots.append(Bot(self.agenda, self.venue, faults, self.random, self._settings, len(self.bots)))
        self.bot.start()

    def _now_and_then(self, every_s: float, occasion: object) -> None:
        assert callable(occasion)

        def happen() -> None:
            if not self._calm:
                occasion()
                self.agenda.after(self.random.expovariate(1 / every_s), happen)

        self.agenda.after(self.random.expovariate(1 / every_s), happen)

    def _lose_stream(self) -> None:
        bot = self.bot
        bot.broker.disconnect()
        self.agenda.after(self.random.uniform(0.5, 10), bot.broker.connect)

    def _lose_feed(self) -> None:
        bot = self.bot
        bot.disconnect_feed()
        self.agenda.after(self.random.uniform(0.5, 10), bot.connect_feed)

    def _crash(self) -> None:
        self.bot.kill()
        self.agenda.after(self.random.uniform(0.1, 20), self._restart)

    def _restart(self) -> None:
        if self.bot.dead:
            self._start_bot()

    def _command(self) -> None:
        self.bot.command(self.random.choice(COMMANDS))

    # ------------------------------------------------------------------------------------------------- the end

    def _settle(self) -> None:
        """Stop what goes wrong, flatten, and wait until both sides are done."""
        self._calm = True
        self.venue.faults = NONE
        if self.bot.dead:
            self._start_bot()
        self.bot.calm()
        self.bot.broker.connect()
        self.bot.connect_feed()
        self.agenda.run_to(self.agenda.now + 15 * SECOND)
        self.bot.command("flatten")
        end = self.agenda.now + round(SETTLE_S * SECOND)
        while self.agenda.now < end and not self._flat():
            self.agenda.run_to(self.agenda.now + SECOND)
        positions, cash = self.venue.positions(self.agenda.now), self.venue.cash(self.agenda.now)
        self.bot.audit.settled(positions, cash)
        if positions:
            raise Broken(f"still open after {SETTLE_S:g} s: {positions}")
        if self.bot.core.executor.blotter.working:
            raise Broken(f"orders still work: {sorted(self.bot.core.executor.blotter.working)}")
        if self.bot.core.risk.state is TradingState.HALTED and "differ" in self.bot.core.risk.state_reason:
            raise Broken(f"the bot found a mismatch where there is none: {self.bot.core.risk.state_reason}")

    def _flat(self) -> bool:
        core = self.bot.core
        return (
            not core.positions.open and not core.executor.blotter.working and not self.venue.positions(self.agenda.now)
        )

    def _join(self, at_venue: set[str]) -> None:
        """Each order at the venue was sent by exactly one life of the bot, and both agree on its end."""
        submitted = [order for bot in self.bots for order in bot.audit.submitted]
        if len(submitted) != len(set(submitted)):
            raise Broken("two lives sent an order of the same id")
        if strange := at_venue - set(submitted):
            raise Broken(f"orders that nobody sent: {sorted(strange)}")
        if unnamed := [order for order in at_venue if OrderName.of(order) is None]:
            raise Broken(f"orders without a cause: {unnamed}")
        last = self.bot
        reports = self.venue.orders(self.agenda.now)
        for order_id in last.audit.submitted & at_venue:
            entry = last.core.executor.blotter.get(order_id)
            report = reports[order_id]
            if entry is None or (entry.filled, entry.status) != (report.filled, report.status):
                raise Broken(f"{order_id}: here {entry and (entry.status, entry.filled)}, there {report}")
