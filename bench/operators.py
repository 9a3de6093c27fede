"""operators: what each operator and each exit costs a tick."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Any

import reactivex as rx
from reactivex import Observable
from reactivex.internal import noop

from actors.engine.core import Core, CoreSettings
from bench import tape
from bench.results import Number, Options, Result, Target
from pipeline import operators as op
from pipeline.clock import InputClock, SymbolClock
from pipeline.events import Side, Trade
from pipeline.exits import ExitSignal, Held, flat_market, profit_target, stop_loss, time_stop
from pipeline.operators.lift import Source
from pipeline.operators.timing.candles import Candles
from pipeline.strategy import Market, Strategy, StrategySettings, default_exits, momentum_burst

ABOUT = (
    "Microseconds a tick, at 5 ticks a second of tape time, best of interleaved rounds. An operator's own cost is the "
    "difference that it makes to the pipe before it; an exit's, to a tick of a position without exits."
)
TICKS = (100_000, 2_000)
ROUNDS = (15, 1)

S = StrategySettings()
TWELVE = {
    "twelve_conditions": "the core, twelve conditions on a window",
    "twelve_with_readings": "the core, twelve conditions, nine of them on four readings",
}
NEVER = 1e9  # a fraction that no price moves by: the exit goes on watching

Run = Callable[[list[Trade]], None]


def measure(options: Options) -> Result:
    """Time every run over the same ticks, in turn, and subtract."""
    ticks = list(islice(tape.trades(7, 5), options.sized(*TICKS)))
    runs = {**_pipes(), **_exits(), **_cores()}
    best = dict.fromkeys(runs, float("inf"))
    cpu = dict(best)
    for _ in range(options.sized(*ROUNDS)):
        for name, run in runs.items():
            began, cpu_began = time.perf_counter(), time.process_time()
            run(ticks)
            best[name] = min(best[name], time.perf_counter() - began)
            cpu[name] = min(cpu[name], time.process_time() - cpu_began)
    us = {name: seconds / len(ticks) * 1e6 for name, seconds in best.items()}
    cpu_us = {name: seconds / len(ticks) * 1e6 for name, seconds in cpu.items()}
    numbers = [
        Number("operators.window", us["window"] - us["source"], "us/tick"),
        Number("operators.momentum", us["momentum"] - us["window"], "us/tick", note="after the window"),
        Number("operators.volume_spike", us["volume_spike"] - us["momentum"], "us/tick"),
        Number("operators.volatility_guard", us["volatility_guard"] - us["volume_spike"], "us/tick"),
        Number("operators.bursts", us["bursts"] - us["volatility_guard"], "us/tick"),
        Number("operators.pipe", us["bursts"] - us["source"], "us/tick", note="the five together"),
        Number("operators.candles", us["candles"] - us["source"], "us/tick", note="while nothing subscribes to them"),
    ]
    numbers += [
        Number(f"operators.{name}", us[name] - us["held"], "us/tick", note="while a position is held")
        for name in ("profit_target", "stop_loss", "time_stop", "flat_market", "all_exits")
    ]
    numbers += [
        Number("operators.core_empty", us["core_empty"], "us/tick", note="the core with a strategy that ignores ticks"),
        Number("operators.core", us["core"], "us/tick", note="the core with everything, trades included"),
        Number("operators.loop", us["loop"], "us/tick", note="an empty loop over the ticks, part of each core"),
        *(
            Number(f"operators.{name}", 1e6 / cpu_us[name], "ticks/s", Target(at_least=200_000), f"{of}, by CPU time")
            for name, of in TWELVE.items()
        ),
    ]
    return Result("operators", ABOUT, numbers)


# ----------------------------------------------------------------------------------------------- the entries


def _pipes() -> dict[str, Run]:
    operators: dict[str, Any] = {
        "window": op.window(S.window_size, S.min_ticks),
        "momentum": op.momentum(S.entry_threshold),
        "volume_spike": op.volume_spike(S.volume_spike_multiplier),
        "volatility_guard": op.volatility_guard(S.volatility_guard_threshold),
        "bursts": op.bursts(),
    }
    steps = list(operators.values())
    pipes = {name: _pushed_through(*steps[:length]) for length, name in enumerate(operators, 1)}
    return {"source": _pushed_through(), **pipes, "candles": _candles}


def _pushed_through(*operators: Any) -> Run:
    """Return a run that pushes ticks into a pipe of operators."""

    def run(ticks: list[Trade]) -> None:
        source: Source[Trade] = Source()
        source.pipe(*operators).subscribe(noop, scheduler=SymbolClock(InputClock()))
        push = source.on_next
        for tick in ticks:
            push(tick)

    return run


def _candles(ticks: list[Trade]) -> None:
    clock = InputClock()
    candles = Candles(SymbolClock(clock))
    update = candles.update
    for tick in ticks:
        clock.now = tick.ts
        update(tick)


# ------------------------------------------------------------------------------------------------- the exits


def _exits() -> dict[str, Run]:
    never = StrategySettings(profit_target=NEVER, stop_loss=NEVER, time_stop_seconds=NEVER, flat_seconds=1 << 60)
    return {
        "held": _held(lambda held, watched, candles, clock: []),
        "profit_target": _held(lambda h, watched, candles, clock: [watched.pipe(profit_target(h, NEVER))]),
        "stop_loss": _held(lambda h, watched, candles, clock: [watched.pipe(stop_loss(h, NEVER))]),
        "time_stop": _held(lambda h, watched, candles, clock: [time_stop(h, NEVER, clock)]),
        "flat_market": _held(lambda h, watched, candles, clock: [candles.pipe(flat_market(h, 1 << 60, 0.0))]),
        "all_exits": _held(lambda h, *market: [default_exits(never)(h, Market(*market))]),
    }


Compose = Callable[[Held, Source[Trade], Candles, SymbolClock], Iterable[Observable[ExitSignal]]]


def _held(compose: Compose) -> Run:
    """Return a run that shows every tick to the exits of one position, in the core's order of things."""

    def run(ticks: list[Trade]) -> None:
        clock = InputClock()
        symbol_clock = SymbolClock(clock)
        candles = Candles(symbol_clock)
        watched: Source[Trade] = Source()
        first = ticks[0]
        clock.advance(first.ts)
        candles.update(first)
        held = Held(first.symbol, Side.LONG, first.price, first.ts)
        for exits in compose(held, watched, candles, symbol_clock):
            exits.subscribe(noop, scheduler=symbol_clock)
        push = watched.on_next
        for tick in ticks:
            ts = tick.ts
            if ts >= clock.next_due:
                clock.advance(ts)
            else:
                clock.now = ts
            if ts >= candles.end:
                candles.roll(tick.symbol)
            candles.price = tick.price
            push(tick)

    return run


# -------------------------------------------------------------------------------------------------- the core


def _cores() -> dict[str, Run]:
    empty = Strategy("empty", lambda ticks: rx.never(), default_exits(S))
    twelve = {name: Strategy(name, entries, default_exits(S)) for name, entries in _twelve().items()}
    return {
        **{name: partial(_core, strategy) for name, strategy in twelve.items()},
        "core_empty": lambda ticks: Core(CoreSettings(), empty).run(ticks),
        "core": lambda ticks: Core(CoreSettings(), momentum_burst(S)).run(ticks),
        "loop": _loop,
    }


def _core(strategy: Strategy, ticks: list[Trade]) -> None:
    Core(CoreSettings(), strategy).run(ticks)


def _twelve() -> dict[str, Any]:
    """Return chains of twelve conditions: those of the default strategy but for its bursts, and nine more."""
    conditions = (op.volume_spike(S.volume_spike_multiplier), op.volatility_guard(S.volatility_guard_threshold))
    begin = (op.window(S.window_size, S.min_ticks), op.momentum(S.entry_threshold))
    readings = op.readings(fast=op.ema(9), slow=op.ema(21), rsi=op.rsi(14), z=op.z_score(50))
    of_window = [
        op.condition(f"of_window_{n}", lambda frame: frame.price / frame.window.vwap - 1, at_most=0.01 * n)
        for n in range(1, 10)
    ]
    of_readings = [
        op.require("rsi", below=90, go="LONG"),
        op.require("rsi", above=10, go="SHORT"),
        op.require("z", at_most=9),
        op.require("z", at_least=-9),
        op.require("fast", above=0),
        op.require("slow", above=0),
        op.require("slow", below=1e6),
        op.require(lambda frame: frame["fast"] > 0.9 * frame["slow"]),
        op.require(op.between("z", -9, 9)),
    ]
    return {
        "twelve_conditions": lambda ticks: ticks.pipe(*begin, *conditions, *of_window, op.bursts()),
        "twelve_with_readings": lambda ticks: ticks.pipe(*begin, readings, *conditions, *of_readings, op.bursts()),
    }


def _loop(ticks: list[Trade]) -> None:
    for _ in enumerate(ticks):
        pass
