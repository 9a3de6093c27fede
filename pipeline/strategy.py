"""The default strategy: enter on a burst of momentum, leave by the first of four exits."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr
from reactivex import Observable

from pipeline import operators as op
from pipeline.clock import SymbolClock
from pipeline.events import Quote, Signal, Trade
from pipeline.exits import ExitSignal, Held, ListedExits, flat_market, profit_target, stop_loss, time_stop
from pipeline.exits.market import Market as Market
from pipeline.operators.metric import metrics_told_apart
from pipeline.parameters import Parameters

Fraction = Annotated[float, Meta(ge=0)]


class StrategySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[strategy]: what the default strategy looks for. Thresholds are fractions: 0.001 is 0.1 %."""

    window_size: Annotated[float, Meta(gt=0, le=86_400)] = 15.0  # s that the window looks back
    entry_threshold: Annotated[float, Meta(gt=0)] = 0.0005  # momentum that starts a burst
    volume_spike_multiplier: Fraction = 1.5  # size over the mean of the others in the window
    volatility_guard_threshold: Fraction = 0.001  # least range of the window
    min_ticks: Annotated[int, Meta(ge=1)] = 3  # fewer in the window: not ready
    profit_target: Annotated[float, Meta(gt=0)] = 0.0015
    stop_loss: Annotated[float, Meta(gt=0)] = 0.0005
    time_stop_seconds: Annotated[float, Meta(gt=0)] = 8.0
    flat_seconds: Annotated[int, Meta(ge=1)] = 2  # flat one-second candles in a row
    flat_threshold: Fraction = 0.00005
    # What a strategy of your own declares by `param`: `strategy.fast = 12` is `parameters.fast` here.
    parameters: dict[str, float] = {}


class StrategyUse(StrategySettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[strategies.NAME]: a strategy with symbols of its own, and beside this the keys of [strategy], for it alone."""

    file: str = ""  # FILE.py:NAME, or the name of an installed one; empty: the default strategy
    symbols: Annotated[tuple[Annotated[str, Meta(min_length=1)], ...], Meta(min_length=1)]
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0  # of the size of a position, and of the day's loss limit


class Streams(msgspec.Struct, frozen=True):
    """What a strategy may listen to: its symbol's ticks and quotes, the core's time, and other symbols by name."""

    ticks: Observable[Trade]
    quotes: Observable[Quote]
    clock: SymbolClock
    market: Callable[[str], Streams]


Entries = Callable[..., Observable[Signal]]
"""Asks by their names for what it needs of `Streams`: `def strategy(ticks, quotes): ...`."""

Exits = Callable[[Held, Market], Observable[ExitSignal]]


def asked_for(entries: Entries) -> tuple[str, ...]:
    """Return which of the `Streams` a strategy asks for, in the order of its parameters.

    One parameter may have any name: it is given the ticks. Raises TypeError for a parameter that is none of them.
    """
    try:
        parameters = list(signature(entries).parameters.values())
    except ValueError:  # a callable without a signature: calling it will tell
        return ("ticks",)
    wanted = tuple(
        p.name for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    )
    if len(wanted) == 1 and wanted[0] not in Streams.__struct_fields__:
        return ("ticks",)
    for name in wanted:
        if name not in Streams.__struct_fields__:
            has = ", ".join(Streams.__struct_fields__)
            raise TypeError(f"its parameter {name!r} is none of {has}")
    if not wanted and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise TypeError("it must take at least one parameter, the ticks")
    return wanted or ("ticks",)


class Strategy(msgspec.Struct, frozen=True):
    """How to enter (subscribed once a symbol) and how to leave (once a position): a list of exits, or a function.

    `reads` are the keys of [strategy] that it was made from, `parameters` what it declares by `param`. `reference` is
    how it was named, and `files` are the sources that it was loaded from; empty where it was made in Python.
    """

    name: str
    entries: Entries
    exits: Any
    reads: frozenset[str] = frozenset()
    parameters: Parameters = msgspec.field(default_factory=Parameters)
    reference: str = ""
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.exits, list | tuple):
            force_setattr(self, "exits", ListedExits(self.exits))

    def signals(self, streams: Streams) -> Observable[Signal]:
        """Build the entries upon a symbol's streams, with the parameters in force."""
        with self.parameters.in_force(), metrics_told_apart():
            return self.entries(*(getattr(streams, name) for name in asked_for(self.entries)))


class Strategies(msgspec.Struct, frozen=True):
    """The strategies of a session: those that have symbols of their own, by name, and that of all the rest."""

    rest: Strategy
    named: dict[str, Strategy] = {}

    @property
    def name(self) -> str:
        """What they are called together."""
        return ", ".join((*self.named, self.rest.name))


def momentum_burst(s: StrategySettings) -> Strategy:
    """Compose the default strategy."""

    def entries(ticks: Observable[Trade]) -> Observable[Signal]:
        return ticks.pipe(
            op.window(s.window_size, s.min_ticks),
            op.momentum(s.entry_threshold),
            op.volume_spike(s.volume_spike_multiplier),
            op.volatility_guard(s.volatility_guard_threshold),
            op.bursts(),
        )

    return Strategy("momentum_burst", entries, default_exits(s), frozenset(s.__struct_fields__) - {"parameters"})


EXIT_KEYS = frozenset(("profit_target", "stop_loss", "time_stop_seconds", "flat_seconds", "flat_threshold"))
"""The keys of [strategy] that the default exits read."""


def default_exits(s: StrategySettings) -> Exits:
    """Compose the default exits; where two are due at once, the first in the list wins."""

    def exits(held: Held, market: Market) -> Observable[ExitSignal]:
        return op.merge(
            market.ticks.pipe(profit_target(held, s.profit_target)),
            market.ticks.pipe(stop_loss(held, s.stop_loss)),
            time_stop(held, s.time_stop_seconds, market.clock),
            market.candles.pipe(flat_market(held, s.flat_seconds, s.flat_threshold)),
        )

    exits.stop = s.stop_loss  # type: ignore[attr-defined]  # what `stop_of` asks
    return exits
