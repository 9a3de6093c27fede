"""A program outside: it says something of a symbol, also late, again, or under the id of something else."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any, cast

import msgspec
from reactivex import Observable

from actors.messages import TradingState
from pipeline import operators as op
from pipeline.events import SECOND, ExternalSignal, Signal, Trade
from pipeline.operators.lift import merge
from pipeline.strategy import Strategy
from service.live.commands import Intake
from service.live.external_signals import ExternalSignals
from service.live.reception import Reception
from simulation.broken import Broken
from simulation.scheduler import Machine
from web.deadline import Moment, moment_of
from web.messages import Asked, SignalWish
from web.settings import AHEAD_S, SignalsSettings, WebSettings

NAME = "desk"
WITHIN_S = 5.0
"""Seconds that what it says is fresh to the strategy."""

MAX_AGE_S = SignalsSettings().max_age_s
_PATIENCE_S = WebSettings().answer_timeout_s
_SLACK_NS = SECOND // 1_000  # deadlines are whole milliseconds
_RECENT = 3  # words that may be said again


class Outside:
    """What was said, and what was taken of it, over all lives of the bot."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._said: list[SignalWish] = []
        self._made: dict[str, int] = {}  # by id: when, by a clock that is right, ns
        self._taken: set[str] = set()

    def word(self, random: Random, symbols: tuple[str, ...]) -> Asked | None:
        """Return what is asked of the bot, as its web process asks it; None for what is refused there."""
        wish, came = self._wish(random, symbols), self.clocks()
        age_s = came.wall_ms / 1_000 - wish.made
        left_s = (min(MAX_AGE_S, wish.good_for) if wish.good_for else MAX_AGE_S) - age_s
        if left_s < 0 or age_s < -AHEAD_S:
            return None
        return Asked(0, wish, "", came.after(min(_PATIENCE_S, left_s)))

    def _wish(self, random: Random, symbols: tuple[str, ...]) -> SignalWish:
        if self._said and random.random() < 0.3:
            again = random.choice(self._said[-_RECENT:])
            return again if random.random() < 0.8 else msgspec.structs.replace(again, value=-again.value - 0.5)
        age_s = random.choice((0.0, 0.0, 0.0, 1.0, 4.9))
        wish = SignalWish(
            random.choice((NAME,) * 9 + ("dusk",)),
            random.choice((*symbols * 5, "NONE")),
            random.choice((1.0, -1.0, 1.0, -1.0, 0.3, 1e308)),
            str(len(self._said)),
            self._machine.wall_ns() / SECOND - age_s,
            random.choice((0.0, 0.0, 0.2, 2.0, 30.0)),
        )
        self._said.append(wish)
        self._made[wish.id] = self._machine.monotonic_ns() - round(age_s * SECOND)
        return wish

    def clocks(self) -> Moment:
        """Read the machine's clocks."""
        return moment_of(self._machine.monotonic_ns(), self._machine.wall_ns())

    def take(self, signal: ExternalSignal, state: TradingState) -> None:
        """Hear what the core is about to be fed in this state; raise Broken if it must not be."""
        if state is TradingState.HALTED:
            raise Broken("states", f"the signal {signal.id} from outside was taken while HALTED")
        if signal.id in self._taken:
            raise Broken("said once", f"the signal {signal.id} from outside was taken twice")
        self._taken.add(signal.id)
        age_s = (self._machine.monotonic_ns() - self._made[signal.id]) / SECOND
        if age_s > MAX_AGE_S + _SLACK_NS / SECOND:
            raise Broken("said once", f"the signal {signal.id} from outside was {age_s:.1f} s old when it was taken")


class Words:
    """What one session was told from outside, by the auditor's reading: the newest word of each symbol."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[ExternalSignal, int]] = {}  # and the core's time before it, ns

    def note(self, signal: ExternalSignal, now: int) -> None:
        """Hear what the core is about to be fed at `now`, ns."""
        self._newest[signal.symbol] = signal, now

    def check(self, signal: Signal, now: int) -> None:
        """A signal of the strategy carries what was said last, as long as it is good, and nothing else.

        The core dates it when it was told, or when it was itself, if that was earlier.
        """
        symbol, carried = signal.symbol, signal.external or ()
        if symbol not in self._newest:
            if carried:
                raise Broken("said once", f"{symbol}: {carried} is in force, and nothing was said")
            return
        said, told_at = self._newest[symbol]
        ended = 0 < said.until <= now
        if not carried and not ended and now - min(said.ts, told_at) <= WITHIN_S * SECOND:
            raise Broken("said once", f"{symbol}: {said.words} is good, and not in force")
        for word in carried:
            if (word.words, len(carried)) != (said.words, 1) or word.ts > said.ts:
                raise Broken("said once", f"{symbol}: {word.words} is in force, and {said.words} was said last")
            if ended or now - word.ts > WITHIN_S * SECOND:
                raise Broken("said once", f"{symbol}: {word.words} is in force, and good no more")


def reception_of(bot: Any, machine: Machine, outside: Outside, symbols: tuple[str, ...], timekeeper: Any) -> Reception:
    """Return where a bot takes in what is said from outside: the service's own, with the bot in an intake's place."""
    ending = SimpleNamespace(over=False, core_failed=False)
    intake = SimpleNamespace(session=bot.session, timekeeper=timekeeper, ending=ending, symbols=symbols, feed=bot.take)
    wall = machine.wall_ns
    external = ExternalSignals(cast(Intake, intake), wall() / SECOND, lambda: wall() / SECOND)
    return Reception(external.carry_out, outside.clocks)


def listening(strategy: Strategy) -> Strategy:
    """Have a strategy do what is said from outside as well, once for each time."""

    def entries(ticks: Observable[Trade]) -> Observable[Signal]:
        told = ticks.pipe(
            op.readings(desk=op.external(NAME, within=WITHIN_S)),
            op.when(op.above("desk", 0.5), go="LONG"),
            op.when(op.below("desk", -0.5), go="SHORT"),
            op.once_per("word from outside"),
        )
        return merge(strategy.entries(ticks), told)

    return msgspec.structs.replace(strategy, entries=entries)
