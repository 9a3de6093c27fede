"""A bot that is killed again and again, in one data folder and at one exchange with faults that lives through it."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from tests.kills import rules
from tests.kills.journal import JournalFile
from tests.kills.moments import ROUND, Killed, Moment, in_flight, leg
from tests.support.bots import EAGER, HASTY, ORDERS_IN_A_HURRY
from tests.support.exchange import ExchangeServer
from tests.support.live import PATIENCE_S, Bot, wait_until

SPEED = 20
TIME_STOP_S = 60.0  # three real seconds: about half of the positions are overdue when the bot is back
COOLDOWN = 1
FAULTS = (
    *("lost_answers:0.1", "lost_fills:0.2", "double_fills:0.2", "early_fills:60", "slow_fills:1", "late_cancels:2"),
    *("rejects:0.03", "drop_updates:60", "drop:400", "duplicates:0.05"),
)
STRATEGY = (
    *(*EAGER, "--set", "risk.position_size=12"),  # share by share, which takes a while
    *("--set", f"strategy.time_stop_seconds={TIME_STOP_S}", "--set", "strategy.flat_seconds=100000"),
    *("--set", f"risk.cooldown_trades_after_loss={COOLDOWN}", "--set", "risk.daily_loss_limit=-0.9"),
    *("--symbols", "AAPL,MSFT", "--speed", SPEED),
)
LONGEST_WAIT_S = 6.0  # for a moment to come; then the kill comes without it


class Killing:
    """Kills bots, and keeps what was so at each kill. `simulated`: the bot fills its own orders, without a venue."""

    def __init__(self, exchange: ExchangeServer, folder: Path, seed: int, *, simulated: bool = False) -> None:
        self.exchange = exchange
        self.folder = folder
        self.journal = JournalFile(folder / "data")
        self.kills: list[Killed] = []
        self.broken: list[str] = []  # what was seen to be wrong on the way
        self.commands: list[str] = []
        self._random = Random(seed)
        self._simulated = simulated

    def start(self) -> Bot:
        if self._simulated:
            return Bot(self.folder, "--feed", f"ws://127.0.0.1:{self.exchange.port}", *HASTY, *STRATEGY)
        where = ("--venue", "alpaca", "--url", self.exchange.url)
        return Bot(self.folder, *where, *HASTY, *ORDERS_IN_A_HURRY, *STRATEGY)

    def kill(self) -> Killed:
        """Start a bot, wait for the next moment, and kill it there."""
        moment = ROUND[len(self.kills) % len(ROUND)]
        before = self.journal.last_run
        with self.start() as bot:
            if moment is Moment.START:
                time.sleep(self._random.uniform(0.1, 2.5))
            else:
                self.reconciled(bot, before)
                self._await(moment, bot)
                time.sleep(self._random.uniform(0, 0.02 if moment in (Moment.ENTRY, Moment.EXIT) else 0.2))
            bot.process.send_signal(signal.SIGSTOP)  # nothing moves on that side while it is looked at
            killed = self._look(moment)
        self.exchange.strike(*FAULTS)
        self.kills.append(killed)
        return killed

    def reconciled(self, bot: Bot, before: int) -> None:
        """Wait until a bot goes on: its run has seen the account. What was set by hand is still so; then lift it."""
        said = "position_opened" if self._simulated else "account_opened"
        wanted = self.kills[-1].book.state if self.kills and self.kills[-1].book is not None else "ACTIVE"
        if self._simulated:
            self._until(bot, lambda state: state["metrics"]["ticks"] > 0)
        else:
            wait_until(lambda: self.journal.has(said, before + 1), PATIENCE_S * 2)
        if wanted != "ACTIVE":
            found = self._until(bot, lambda state: state["metrics"]["ticks"] > 0)["state"]["state"]
            if found != wanted:
                self.broken.append(f"kill {len(self.kills)}: it was {wanted}, and came back {found}")
            bot.command("resume")
            bot.until(lambda state: state["state"]["state"] == "ACTIVE")

    def _until(self, bot: Bot, true: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait until the dashboard shows something, on a machine that may have much else to do."""
        for _ in range(2):
            with contextlib.suppress(AssertionError):
                return bot.until(true)
        return bot.until(true)

    def _await(self, moment: Moment, bot: Bot) -> None:
        if moment is Moment.COMMAND:
            name = self._random.choice(("pause", "halt"))
            self.commands.append(name)
            bot.command(name)
            return
        if moment is Moment.ANY:
            time.sleep(self._random.uniform(0, LONGEST_WAIT_S))
            return
        seen = self._seen(moment)
        deadline = time.monotonic() + LONGEST_WAIT_S
        while not seen() and time.monotonic() < deadline:
            time.sleep(0.01)
        if moment is Moment.RECONNECT:
            self.exchange.strike(*(fault for fault in FAULTS if not fault.startswith("drop")), "drop_updates:0")

    def _seen(self, moment: Moment) -> Callable[[], bool]:
        if self._simulated:
            return lambda: (book := self.journal.book) is not None and bool(book.positions)
        match moment:
            case Moment.ENTRY | Moment.EXIT:
                return lambda: any(leg(order) == moment for order in self.exchange.open_orders)
            case _:
                return lambda: bool(self.exchange.positions)

    def _look(self, moment: Moment) -> Killed:
        book = self.journal.book
        if self._simulated:
            held, working = book is not None and bool(book.positions), False
        else:
            working = in_flight(book, self.exchange.open_orders)
            held = bool(self.exchange.positions)
        return Killed(moment, self.journal.last_run, book, held, working)

    def end(self) -> list[str]:
        """Start once more without faults, close everything, and return what is wrong in all that happened."""
        self.exchange.strike()
        before = self.journal.last_run
        with self.start() as bot:
            self.reconciled(bot, before)
            self._until(bot, lambda state: state["metrics"]["ticks"] > 0)
            bot.command("pause")
            try:
                bot.until(lambda state: not state["positions"])  # each by an exit of its own, the clock's at the latest
            except AssertionError:
                self.broken.append("after the last start a position was not left by itself")
            bot.command("flatten")
            try:
                if not self._simulated:
                    self.exchange.until_flat()
                self._until(bot, lambda state: not state["positions"])
            except AssertionError:
                held = {} if self._simulated else self.exchange.positions
                self.broken.append(f"it could not be flattened: the account holds {held}")
            bot.stop()
        return [*self.broken, *self._judge()]

    def _judge(self) -> list[str]:
        facts = self.journal.facts
        at_venue = None if self._simulated else self.exchange.orders
        broken = [
            *rules.orders_join(facts, at_venue),
            *rules.executions_join(facts, at_venue),
            *rules.trades_join(facts),
            *rules.entry_times_kept(facts),
            *rules.deadlines_kept(facts, TIME_STOP_S),
            *rules.overdue_leave_on_time(facts, self.kills, TIME_STOP_S),
            *rules.cooldown_kept(facts, COOLDOWN),
            *rules.days_kept(facts, self.kills),
            *rules.halted_by_hand_only(facts, self.commands.count("halt")),
        ]
        if not self._simulated:
            earned = self.exchange.earned
            if earned != rules.profit(facts).quantize(Decimal("0.01")):
                broken.append(f"the venue's cash changed by {earned}, the trades made {rules.profit(facts)}")
        return broken
