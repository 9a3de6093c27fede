"""The faults of one run: how often what goes wrong, drawn from the run's seed."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

import msgspec
from reactivex import Observable

from actors.brokers.simulated import ExecutionSettings
from actors.engine.core import CoreSettings
from actors.risk.limits import LimitSettings
from actors.risk.risk import RiskSettings
from mock_exchange.market import Sessions
from pipeline.events import SECOND
from pipeline.exits import ExitSignal, Held, Market
from pipeline.exits.listed import take_profit
from pipeline.operators.lift import merge
from pipeline.strategy import Strategy, StrategySettings, default_exits, momentum_burst
from simulation.outside import listening

MORNING = 1_767_623_400 * SECOND  # 2026-01-05, 09:30 in New York
LATE_EVENING = MORNING + (14 * 3600 + 28 * 60) * SECOND  # 23:58 there: the trading day changes on the way
EAGER = CoreSettings(
    strategy=StrategySettings(
        window_size=5.0, entry_threshold=0.0001, volume_spike_multiplier=0.5, volatility_guard_threshold=0.0001
    ),
    risk=RiskSettings(position_size=3.0, cooldown_trades_after_loss=1),
)
"""A strategy that trades all the time: what is tested is what happens to its orders."""
LEAST_PRICE = 100
"""Below what a share of the market costs, in money."""
SMALL_GAIN = 0.00002
"""A fraction that many a position gains before it is left."""


class Faults(msgspec.Struct, frozen=True):
    """Chances are of each occasion; times are mean seconds between two occasions, 0 for never."""

    latency_s: float = 0.02  # mean, of each way between bot and venue
    lost_request: float = 0.0  # a request never arrives, and is not answered
    lost_answer: float = 0.0  # a request is done, and its answer lost
    unreachable: float = 0.0  # no connection can be opened for a request
    throttled: float = 0.0  # a request is refused for coming too often
    hides_limit: bool = False  # answers do not tell what is left of the limit on requests
    crowd_s: float = 0.0  # another program uses up the account's requests of the minute
    garbled_answer: float = 0.0  # an answer comes, and cannot be read
    slow_answer: float = 0.0  # an answer is seconds on its way, and says what was when it was given
    deaf: float = 0.0  # what the gate lets out gets nowhere, without an error
    reject: float = 0.0  # the venue takes an order and rejects it
    double_update: float = 0.0  # an update comes twice
    late_update: float = 0.0  # an update comes seconds late, after others
    lost_update: float = 0.0  # an update never comes
    garbled_update: float = 0.0  # it comes, and cannot be read
    slow_cancel: float = 0.0  # a cancel is confirmed, and comes into effect a second later
    thin_book: bool = False  # a quote shows one share: fills come in parts
    gap_s: float = 0.0  # a price gaps, most often against a position, before its stop rests or while it does
    lost_tick: float = 0.0
    double_tick: float = 0.0
    late_tick: float = 0.0  # it comes after others
    bad_tick: float = 0.0  # a price ten times too high, or a time an hour off
    slow_disk: float = 0.0  # the journal takes its time, and what waits for it waits
    stream_down_s: float = 0.0  # the trading stream is cut
    stream_mute_s: float = 0.0  # it stays open, and says nothing
    feed_down_s: float = 0.0  # the market data likewise
    feed_mute_s: float = 0.0
    refusal_s: float = 0.0  # for some seconds, every connection attempt is refused
    crash_s: float = 0.0  # the bot is killed, and started again some seconds later
    disk_full_s: float = 0.0  # nothing can be written, for seconds or until the bot is restarted
    clock_step_s: float = 0.0  # the machine's wall clock is set
    roll_over_s: float = 0.0  # the recording has its size, and the session rolls over
    stuck_s: float = 0.0  # the bot's loop is stuck for some seconds, and its threads go on
    bust_s: float = 0.0  # the venue undoes an execution, or a part of it
    tells_busts: bool = True  # the trading stream tells of that
    hand_s: float = 0.0  # the owner closes a position of the bot, or trades in its symbol, at the venue's own site
    command_s: float = 0.0  # the user gives a command
    resume_s: float = 0.0  # the user resumes: a bot that is halted for long finds little to do wrong
    symbol_s: float = 0.0  # the user locks, unlocks or flattens one symbol
    said_s: float = 0.0  # a program outside says something of a symbol, to which the strategy listens then

    @classmethod
    def drawn(cls, random: Random) -> Faults:
        """Draw the faults of a run: each is on in about half of them, and rarer or more frequent."""
        chance = partial(_chance, random)

        def every(least_s: float, share: float = 0.5) -> float:
            return random.uniform(least_s, 4 * least_s) if random.random() < share else 0.0

        return cls(
            latency_s=random.choice((0.001, 0.02, 0.2)),
            lost_request=chance(0.1),
            lost_answer=chance(0.2),
            deaf=chance(0.03),
            reject=chance(0.1),
            double_update=chance(0.3),
            late_update=chance(0.2),
            lost_update=chance(0.2),
            slow_cancel=chance(0.3),
            thin_book=random.random() < 0.5,
            lost_tick=chance(0.05),
            double_tick=chance(0.1),
            late_tick=chance(0.05),
            bad_tick=chance(0.01),
            slow_disk=chance(0.02),
            stream_down_s=every(30),
            stream_mute_s=every(60),
            feed_down_s=every(40),
            feed_mute_s=every(60),
            refusal_s=every(60),
            crash_s=every(15, 0.75),
            disk_full_s=every(80),
            clock_step_s=every(60),
            roll_over_s=every(20),
            stuck_s=every(40),
            command_s=every(30),
            resume_s=every(10, 0.9),
        )


def _chance(random: Random, most: float) -> float:
    return random.uniform(0, most) if random.random() < 0.5 else 0.0


NONE = Faults()
"""A world in which everything works, and takes its time."""


class Scenario(msgspec.Struct, frozen=True):
    """What a run is of."""

    faults: Faults
    settings: CoreSettings = EAGER
    simulated: bool = False  # the fills: in the core, instead of at the venue
    start: int = MORNING  # venue time, ns
    rollover_wait_s: float = 30.0  # that orders on their way may hold a rollover up
    carrying: bool = False  # signals carry quantities, limits, times to live, exits
    sessions: Sessions | None = None  # when prices move at a market that keeps hours; None: it never closes
    parts: tuple[float, ...] = ()  # of a position: which parts exits of the strategy take, one after another

    @property
    def with_fees(self) -> bool:
        """Whether the account is charged, and the bot estimates that; else it is a paper account."""
        return self.settings.execution.fees == "alpaca"

    @property
    def strategy(self) -> Strategy:
        """The strategy: the default one, with exits for the parts before its own where there are any."""
        settings = self.settings.strategy
        found = momentum_burst(settings)
        if self.faults.said_s:
            found = listening(found)
        if not self.parts:
            return found
        takes = [take_profit(SMALL_GAIN * n, part) for n, part in enumerate(self.parts, 1)]
        own = default_exits(settings)

        def exits(held: Held, market: Market) -> Observable[ExitSignal]:
            return merge(*(take.begin(held, market) for take in takes), own(held, market))

        return msgspec.structs.replace(found, exits=exits)

    @classmethod
    def drawn(cls, random: Random) -> Scenario:
        """Draw a scenario.

        One in four fills in the core, one in five sees midnight, one in four a loss limit; in one in four signals carry
        something.
        """
        faults = Faults.drawn(random)
        simulated = random.random() < 0.25
        execution = ExecutionSettings()
        if simulated and random.random() < 0.75:
            execution = ExecutionSettings(
                slippage_bps=random.choice((0.0, 1.0)),
                slippage_model=random.choice(("fixed", "random")),
                latency_ms=random.choice((0.0, 50.0, 1000.0)),
                latency_jitter_ms=random.choice((0.0, 100.0)),
                liquidity=random.choice(("unlimited", "displayed")),
                participation=random.choice((0.01, 0.2)),
            )
        settings = CoreSettings(
            strategy=msgspec.structs.replace(EAGER.strategy, time_stop_seconds=random.choice((3.0, 8.0, 30.0))),
            risk=msgspec.structs.replace(
                EAGER.risk,
                cooldown_trades_after_loss=random.choice((1, 4)),
                daily_loss_limit=-0.00003 if random.random() < 0.25 else EAGER.risk.daily_loss_limit,
            ),
            execution=execution,
        )
        start = LATE_EVENING if random.random() < 0.2 else MORNING
        rollover_wait_s = random.choice((0.0, 1.0, 30.0))
        faults = msgspec.structs.replace(  # drawn last, so that a seed is what it was without them
            faults,
            unreachable=_chance(random, 0.05),
            throttled=_chance(random, 0.1),
            garbled_answer=_chance(random, 0.05),
            garbled_update=_chance(random, 0.1),
            hides_limit=random.random() < 0.5,
            crowd_s=random.uniform(40, 160) if random.random() < 0.5 else 0.0,
        )
        carrying = random.random() < 0.25
        parts = random.choice(((0.5,), (0.3,), (1 / 3, 0.5), (0.9,))) if random.random() < 0.5 else ()
        if parts and random.random() < 0.5:
            risk = msgspec.structs.replace(settings.risk, position_size=random.choice((2.0, 7.0, 10.0)))
            settings = msgspec.structs.replace(settings, risk=risk)
        if random.random() < 0.3:
            settings = _limited(random, settings, whole_shares=not simulated)
        symbol_s = random.uniform(20, 80) if random.random() < 0.3 else 0.0
        faults = msgspec.structs.replace(faults, symbol_s=symbol_s)
        if random.random() < 0.3 and not simulated:
            bust_s, tells = random.uniform(40, 120), random.random() < 0.7
            faults = msgspec.structs.replace(faults, bust_s=bust_s, tells_busts=tells)
        faults = msgspec.structs.replace(faults, gap_s=random.uniform(8, 40) if random.random() < 0.5 else 0.0)
        if faults.gap_s and random.random() < 0.6:  # nothing but the stop at the venue guards against a loss
            alone: dict[str, Any] = {"stop_loss": 0.4, "flat_seconds": 1_000, "time_stop_seconds": 30.0}
            strategy = msgspec.structs.replace(settings.strategy, **alone)
            settings = msgspec.structs.replace(settings, strategy=strategy)
        faults = msgspec.structs.replace(faults, slow_answer=0.3 if random.random() < 0.15 else 0.0)
        faults = msgspec.structs.replace(faults, said_s=random.uniform(1, 8) if random.random() < 0.3 else 0.0)
        if random.random() < 0.12 and not simulated and not faults.bust_s:
            faults = msgspec.structs.replace(faults, hand_s=random.uniform(40, 160))
        return cls(faults, settings, simulated, start, rollover_wait_s, carrying, parts=parts)

    @property
    def most(self) -> Decimal:
        """The shares that one position may have at most."""
        risk = self.settings.risk
        if risk.size_amount is None:
            return Decimal(str(risk.position_size))
        return Decimal(str(risk.size_amount)) / LEAST_PRICE


def _limited(random: Random, settings: CoreSettings, *, whole_shares: bool) -> CoreSettings:
    """Draw limits of the account, each on in about half of the runs that have any, and a size in money at a venue."""

    def maybe(*values: float) -> Any:
        return random.choice(values) if random.random() < 0.5 else None

    limits = LimitSettings(
        max_exposure=maybe(500.0, 1_000.0, 1_300.0),
        max_positions=maybe(1),
        trades_per_day=maybe(2, 5, 12),
        losing_streak=maybe(3, 6),
    )
    drawdown, of_symbol, amount = maybe(-0.0001, -0.00003), maybe(-0.00003, -0.00001), maybe(500.0, 1_300.0)
    risk = msgspec.structs.replace(settings.risk, drawdown_limit=drawdown, symbol_loss_limit=of_symbol)
    if amount is not None and whole_shares:
        risk = msgspec.structs.replace(risk, size="dollars", size_amount=amount)
    return msgspec.structs.replace(settings, limits=limits, risk=risk)
