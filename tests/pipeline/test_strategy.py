"""strategy: the composition, and that leaving a part out removes its condition and nothing else.

Each composition with a part left out is held against an independent model without that condition, on the beginnings of
the vector tapes of ../shared, where they are, and on two tapes of our own; and, on the shorter ones, against the whole
composition with settings under which the condition always holds (or the exit never comes).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec
import pytest
from reactivex import Observable

from actors.engine.core import CoreSettings, Input
from actors.messages import ChainFailed
from pipeline import operators as op
from pipeline.events import Trade
from pipeline.exits import ExitSignal, Held, flat_market, profit_target, stop_loss, time_stop
from pipeline.strategy import Market, Strategy, StrategySettings, momentum_burst
from tests.support import shared, streams
from tests.support.decisions import Decisions, decided_by_core, decided_by_model, differences
from tests.support.market import trade
from tests.support.raising import raised_in
from tests.support.random_tapes import QUICK, seeded_tape
from tests.support.sessions import ONE_CHANCE, Session
from tests.support.streams import Pipe, chain

OPERATORS = ("momentum", "volume_spike", "volatility_guard", "bursts")
LONGEST = 1_500  # events of a tape: what leaving a part out does is seen in these
LONGEST_REAL = 4_000  # of the real morning, in which less happens
OWN = ("own", "own-quick")
EXITS = ("profit_target", "stop_loss", "time_stop", "flat_market")

ANY_MOVE = math.nextafter(1e-9, 1)
"""The threshold that is the least move that is no noise."""

# What makes a condition hold always, or an exit come never. The multiplier is below what a setting may be: a spike is
# strictly more than it, and 0 would still ask for some volume.
VACUOUS: dict[str, dict[str, Any]] = {
    "momentum": {"entry_threshold": ANY_MOVE},
    "volume_spike": {"volume_spike_multiplier": -1.0},
    "volatility_guard": {"volatility_guard_threshold": 0.0},
    "profit_target": {"profit_target": 1e9},
    "stop_loss": {"stop_loss": 1e9},
    "time_stop": {"time_stop_seconds": 1e9},
    "flat_market": {"flat_seconds": 10**9},
}


class Case(NamedTuple):
    """A tape and the settings to run it with."""

    name: str
    settings: CoreSettings
    tape: Sequence[Input]


@cache
def cases() -> dict[str, Case]:
    """The beginning of every vector (of the real morning with one of its fill models), and two tapes of our own."""
    found = []
    for name, tape, chosen, _ in shared.vectors():
        if name != "aapl-morning-last":
            longest = LONGEST_REAL if name == "aapl-morning" else LONGEST
            found.append(Case(name, alone(chosen.core), shared.beginning(tape, longest)))
    found.append(Case("own", alone(CoreSettings()), tuple(seeded_tape(7, 2000))))
    found.append(Case("own-quick", alone(CoreSettings(strategy=QUICK)), tuple(seeded_tape(8, 2000))))
    return {case.name: case for case in found}


def alone(settings: CoreSettings) -> CoreSettings:
    """Leave the exits alone: where one of them is left out, the fallback would do its work."""
    risk = msgspec.structs.replace(settings.risk, fallback_stop=None, fallback_hold_s=None)
    return msgspec.structs.replace(settings, risk=risk)


def composed(s: StrategySettings, without: str | None = None) -> Strategy:
    """Compose the default strategy by hand, as an author would, with one part left out.

    A pipe must end in signals: without `bursts`, which leaves one of each burst, it ends in all of them. Its ticks must
    point somewhere: without `momentum`, they point wherever the price moved.
    """
    parts: dict[str, Pipe] = {
        "window": op.window(s.window_size, s.min_ticks),
        "momentum": op.momentum(s.entry_threshold),
        "volume_spike": op.volume_spike(s.volume_spike_multiplier),
        "volatility_guard": op.volatility_guard(s.volatility_guard_threshold),
        "bursts": op.bursts(),
    }

    def exits(held: Held, market: Market) -> Observable[ExitSignal]:
        parts_of_exit = {
            "profit_target": market.ticks.pipe(profit_target(held, s.profit_target)),
            "stop_loss": market.ticks.pipe(stop_loss(held, s.stop_loss)),
            "time_stop": time_stop(held, s.time_stop_seconds, market.clock),
            "flat_market": market.candles.pipe(flat_market(held, s.flat_seconds, s.flat_threshold)),
        }
        return op.merge(*(stream for name, stream in parts_of_exit.items() if name != without))

    if without == "momentum":
        parts["any_move"] = op.condition("any_move", lambda frame: frame.momentum, either_way=ANY_MOVE)
        parts["bursts"] = parts.pop("bursts")
    if without == "bursts":
        parts["signals"] = op.signals()
    return Strategy("composed", chain(*(part for name, part in parts.items() if name != without)), exits)


@cache
def whole(name: str) -> Decisions:
    """What the whole strategy decides on a tape."""
    case = cases()[name]
    return decided_by_core(case.settings, momentum_burst(case.settings.strategy), case.tape)


@cache
def left_out(part: str, name: str) -> Decisions:
    """What is decided on a tape with one part left out."""
    case = cases()[name]
    return decided_by_core(case.settings, composed(case.settings.strategy, without=part), case.tape)


@pytest.mark.parametrize("name", cases())
def test_the_default_strategy_is_its_parts_in_a_pipe(name: str) -> None:
    case = cases()[name]
    assert decided_by_core(case.settings, composed(case.settings.strategy), case.tape) == whole(name)


@pytest.mark.parametrize("name", cases())
@pytest.mark.parametrize("part", OPERATORS + EXITS)
def test_a_part_left_out_removes_its_condition_and_nothing_else(part: str, name: str) -> None:
    case = cases()[name]
    assert differences(decided_by_model(case.settings, case.tape, without=[part]), left_out(part, name)) == []


@pytest.mark.parametrize("name", [name for name, case in cases().items() if len(case.tape) < 1000 or name in OWN])
@pytest.mark.parametrize("part", VACUOUS)
def test_a_part_left_out_is_a_condition_that_always_holds_or_an_exit_that_never_comes(part: str, name: str) -> None:
    case = cases()[name]
    vacuous = msgspec.structs.replace(case.settings.strategy, **VACUOUS[part])
    assert left_out(part, name) == decided_by_core(case.settings, momentum_burst(vacuous), case.tape)


@pytest.mark.parametrize("part", OPERATORS + EXITS)
def test_every_part_matters_on_our_own_tapes(part: str) -> None:
    """Else the tests above would show nothing."""
    assert any(left_out(part, name) != whole(name) for name in OWN)


@pytest.mark.parametrize("reason", ["TP", "SL", "TIME", "FLAT"])
def test_our_own_tapes_know_every_exit(reason: str) -> None:
    trades = [closed["exit_reason"] for name in OWN for closed in whole(name)["trades"]]
    assert trades.count(reason) > 2


@pytest.mark.parametrize(
    ("first", "parts"),
    [
        ("momentum", [op.momentum(0.0005), op.volume_spike(1.5), op.volatility_guard(0.001), op.bursts()]),
        ("volume_spike", [op.volume_spike(1.5), op.bursts()]),
        ("volatility_guard", [op.volatility_guard(0.001), op.bursts()]),
        ("vwap_gap", [op.condition("vwap_gap", lambda f: f.price, at_most=1), op.bursts()]),
    ],
)
def test_the_window_left_out_stops_the_chain_and_says_what_to_do(first: str, parts: list[Any]) -> None:
    session = Session(entries=chain(*parts), chains=ONE_CHANCE).feed(trade(0), trade(1))
    assert session.of(ChainFailed) == [
        ChainFailed(
            "A",
            f"TypeError: {first} works on frames but got a Trade: put op.window(seconds=...) before it in the pipe"
            f" (in the strategy made at {raised_in(streams.__file__, 'return lambda source: reduce')})",
            trade(0).ts,
            1,
        )
    ]


def test_a_strategy_of_two_lines_trades() -> None:
    """The look of a strategy that its author writes."""

    def strategy(ticks: Observable[Trade]) -> Any:
        return op.momentum(0.0005)(op.window(seconds=15)(ticks)).pipe(op.bursts())

    decisions = decided_by_core(
        CoreSettings(), Strategy("two lines", strategy, momentum_burst(StrategySettings()).exits), seeded_tape(7)
    )
    assert len(decisions["trades"]) > 10


# ------------------------------------------------------------------------------------------------ settings


def test_the_defaults_are_those_of_the_strategy() -> None:
    assert msgspec.to_builtins(StrategySettings()) == {
        "window_size": 15.0,
        "entry_threshold": 0.0005,
        "volume_spike_multiplier": 1.5,
        "volatility_guard_threshold": 0.001,
        "min_ticks": 3,
        "profit_target": 0.0015,
        "stop_loss": 0.0005,
        "time_stop_seconds": 8.0,
        "flat_seconds": 2,
        "flat_threshold": 0.00005,
        "parameters": {},
    }


@pytest.mark.parametrize(
    "values",
    [
        {"window_size": 0},
        {"window_size": 86_401},
        {"entry_threshold": 0},
        {"volume_spike_multiplier": -0.1},
        {"volatility_guard_threshold": -0.1},
        {"min_ticks": 0},
        {"min_ticks": 1.5},
        {"profit_target": 0},
        {"stop_loss": 0},
        {"time_stop_seconds": 0},
        {"flat_seconds": 0},
        {"flat_threshold": -0.1},
        {"surprise": 1},
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(values, StrategySettings)


def test_the_strategy_has_a_name() -> None:
    assert momentum_burst(StrategySettings()).name == "momentum_burst"
