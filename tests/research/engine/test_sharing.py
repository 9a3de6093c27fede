"""Many settings decided together against the core, one by one: no trade, no price and no count may differ."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings as hypothesis_settings, strategies as st

from actors.brokers.simulated import _PRICE, ExecutionSettings
from actors.engine.core import CoreSettings, Input
from actors.risk.risk import RiskSettings
from pipeline.events import Gap, Trade
from pipeline.strategy import StrategySettings
from research.engine.columns import columns_of
from research.engine.fills import filled
from research.engine.in_full import through_core
from research.engine.sharing import REASONS, Result, SharedTape, can_share, decide_many
from service.recorded import tapes as tape_files
from service.settings import Settings
from tests.support.market import at, clock, quote, trade
from tests.support.random_tapes import QUICK, core_settings, seeded_tape, tapes
from tests.support.shared import vectors


def assert_same(found: Result, wanted: Result) -> None:
    """Compare what was shared with what the core decides, to the last bit."""
    assert (found.funnel, found.open_positions) == (wanted.funnel, wanted.open_positions)
    for name in found.trades._fields:
        mine, its = getattr(found.trades, name), getattr(wanted.trades, name)
        assert np.array_equal(mine, its), f"{name}: {mine} is not {its}"


def assert_as_core(events: Sequence[Input], choices: Sequence[Settings]) -> tuple[int, int]:
    """Decide together and one by one; return how many were shared, and their trades."""
    tape = SharedTape(columns_of(events))
    shared = trades = 0
    for choice, found in zip(choices, decide_many(tape, choices), strict=True):
        if not found.in_full:
            shared += 1
            trades += len(found.trades)
            assert_same(found, through_core(tape.facts, choice))
    return shared, trades


def of_core(core: CoreSettings) -> Settings:
    return Settings(strategy=core.strategy, risk=core.risk, execution=core.execution)


def drawn(chance: random.Random, base: Settings) -> Settings:
    """Draw settings around others, wide enough for every exit and every reason not to enter."""
    pick = chance.choice
    strategy = StrategySettings(
        window_size=pick([2.0, 5.0, 15.0, base.strategy.window_size]),
        entry_threshold=pick([base.strategy.entry_threshold, chance.uniform(0.0002, 0.001)]),
        volume_spike_multiplier=pick([0.0, 1.0, 1.5, chance.uniform(0, 3)]),
        volatility_guard_threshold=pick([0.0, 0.0005, chance.uniform(0, 0.002)]),
        min_ticks=pick([2, 3, 6]),
        profit_target=pick([0.0005, 0.0015, chance.uniform(0.0001, 0.003)]),
        stop_loss=pick([0.0005, 0.001, chance.uniform(0.0001, 0.003)]),
        time_stop_seconds=pick([2.5, 8.0, 30.0, 600.0]),
        flat_seconds=pick([1, 2, 3, 100]),
        flat_threshold=pick([0.0, 0.00005, 0.0005]),
    )
    risk = msgspec.structs.replace(
        base.risk, cooldown_trades_after_loss=pick([0, 1, 2, 5]), position_size=pick([1.0, 0.3, 20.0])
    )
    execution = ExecutionSettings(
        fill=pick(["quote", "last"]), slippage_bps=pick([0.0, 1.0, 2.375]), fee_per_share=pick([0.0, 0.005])
    )
    return Settings(strategy=strategy, risk=risk, execution=execution)


def ten_tapes() -> Iterable[tuple[str, list[Input], Settings]]:
    """Return ten tapes, recorded ones among them where they are at hand, each with settings that find something."""
    wanted = ("aapl-morning", "plain", "symbols", "sparse", "faults", "clocks", "quotes", "costs", "edge", "dense-24")
    recorded = [vector for vector in vectors() if vector.name in wanted]
    for vector in recorded:
        yield vector.name, [event for batch in tape_files.read(vector.tape) for event in batch], vector.settings
    for seed in range(10 - len(recorded)):
        yield f"seed {seed}", list(seeded_tape(seed)), Settings(strategy=QUICK)


@pytest.mark.slow
def test_200_random_settings_on_ten_tapes_decide_as_the_core_does() -> None:
    """Recorded tapes among them: the AAPL morning, several symbols, clocks, gaps, faults. No decision differs."""
    shared = trades = 0
    for number, (_, events, base) in enumerate(ten_tapes()):
        chance = random.Random(number)
        found = assert_as_core(events, [base, *(drawn(chance, base) for _ in range(19))])
        shared, trades = shared + found[0], trades + found[1]
    assert shared >= 190  # of 200: the rest could lose what may be lost in a day
    assert trades > 1000


@hypothesis_settings(deadline=None, max_examples=120)
@given(tapes(), st.lists(core_settings(), min_size=1, max_size=6))
def test_any_tape_is_decided_as_by_the_core(events: list[Input], choices: list[CoreSettings]) -> None:
    """Ties, late trades, crossed quotes, timers before ticks, two exits at one time, midnight, every loss limit."""
    assert_as_core([event for event in events if not isinstance(event, Gap)], [of_core(each) for each in choices])


def test_a_loss_near_the_limit_is_decided_in_full_and_one_far_from_it_is_not() -> None:
    """The bound is of the account: what is lost in one symbol counts in another, and a new day begins afresh."""
    events = list(seeded_tape(5, ticks=2500))
    lost = min(
        0.0,
        float(np.cumsum(decide_many(SharedTape(columns_of(events)), [Settings(strategy=QUICK)])[0].trades.pnl).min()),
    )
    assert lost < 0
    near = Settings(strategy=QUICK, risk=RiskSettings(daily_loss_limit=lost / 10_000))
    far = Settings(strategy=QUICK, risk=RiskSettings(daily_loss_limit=10 * lost / 10_000))
    found = decide_many(SharedTape(columns_of(events)), [near, far])
    assert [each.in_full for each in found] == [True, False]


def bursting(*more: Input, tick: tuple[Trade, ...] = ()) -> list[Input]:
    """Return a tape on which a LONG signal comes at 3 s, and what follows it."""
    before = [trade(second, 100.0, 10.0, bid=99.99, ask=100.01) for second in (0, 1, 2)]
    return [*before, trade(3, 100.2, 50.0, bid=100.19, ask=100.21), *tick, *more]


BURST = StrategySettings(window_size=2.0, min_ticks=2, time_stop_seconds=2.0, flat_seconds=2, flat_threshold=0.0)


def test_what_only_the_core_can_decide_is_decided_by_the_core() -> None:
    """Latency, and a position that takes the account to its limit of the day: what follows is refused."""
    again = [*(trade(second, 100.0, 10.0) for second in (5, 6, 7)), trade(8, 100.2, 50.0)]
    events = bursting(trade(3.5, 100.0), *again)
    patient = msgspec.structs.replace(BURST, stop_loss=0.01, time_stop_seconds=100.0, flat_seconds=100)
    plain = Settings(strategy=patient)
    late = Settings(strategy=patient, execution=ExecutionSettings(latency_ms=50.0))
    halting = Settings(strategy=patient, risk=RiskSettings(daily_loss_limit=-0.0002, position_size=40.0))
    assert [can_share(each) for each in (plain, halting, late)] == [True, True, False]
    tape = SharedTape(columns_of(events))
    found = decide_many(tape, [late, plain, halting])
    assert [each.in_full for each in found] == [True, False, True]
    assert [REASONS[code] for code in found[2].trades.reason] == ["HALT"]
    assert found[2].funnel.halted == 1
    for choice, each in zip([late, plain, halting], found, strict=True):
        assert_same(each, through_core(tape.facts, choice))


@pytest.mark.parametrize(
    ("following", "reason"),
    [
        ([trade(3, 101.0)], "TP"),  # at the entry's own time
        ([trade(3.5, 99.0), trade(3.6, 101.0)], "SL"),
        ([quote(4.9, 100.0, 100.4), clock(5)], "TIME"),  # TIME and FLAT are due together: TIME comes first
        ([trade(3.2, 100.2), trade(5, 101.0)], "TIME"),  # the tick that brings the time comes too late
        ([trade(3.2, 100.2), clock(4.999999999)], ""),  # nothing is due yet
    ],
)
def test_the_first_exit_wins(following: list[Input], reason: str) -> None:
    choice = Settings(strategy=BURST)
    tape = SharedTape(columns_of(bursting(*following)))
    found = decide_many(tape, [choice])[0]
    assert [REASONS[code] for code in found.trades.reason] == ([reason] if reason else [])
    assert found.open_positions == (not reason)
    assert_same(found, through_core(tape.facts, choice))


def test_a_stagnant_market_is_left_before_the_time_is_up() -> None:
    """The first flat candles are those that begin after the entry; one that moved breaks the run."""
    slow = msgspec.structs.replace(BURST, time_stop_seconds=60.0)
    events = bursting(trade(3.5, 100.2), trade(4.5, 100.21), trade(5.2, 100.21), clock(30))
    tape = SharedTape(columns_of(events))
    found = decide_many(tape, [Settings(strategy=slow)])[0]
    assert [REASONS[code] for code in found.trades.reason] == ["FLAT"]
    assert found.trades.exit_ts.tolist() == [at(7)]
    assert_same(found, through_core(tape.facts, Settings(strategy=slow)))


def test_a_tick_that_is_dominated_by_none_alone_is_kept() -> None:
    """One tick has the size, another the range, and a third has enough of both though it leads in neither."""
    events = [
        *(trade(second, 100.0, 10.0) for second in (0, 1, 2)),
        trade(2.5, 100.06, 100.0),  # the largest
        trade(2.6, 100.30, 1.0),  # the farthest
        trade(2.7, 100.25, 40.0),
    ]
    grid = [
        Settings(
            strategy=msgspec.structs.replace(
                BURST,
                volume_spike_multiplier=spike,
                volatility_guard_threshold=guard,
                profit_target=0.01,
                stop_loss=0.01,
            )
        )
        for spike in (0.0, 1.0, 1.2, 3.0, 9.0)
        for guard in (0.0, 0.001, 0.0025, 0.003, 0.1)
    ]
    assert assert_as_core(events, grid)[0] == len(grid)
    found = decide_many(SharedTape(columns_of(events)), grid)
    assert len({(each.funnel.signals, each.funnel.never_together, each.funnel.no_volatility) for each in found}) >= 3


def test_what_was_found_for_one_is_used_for_another_with_the_same_exits() -> None:
    """Many entries, few exits: the same whether each has a memo of its own or they share one."""
    chance = random.Random(1)
    entries = [drawn(chance, Settings(strategy=QUICK)).strategy for _ in range(40)]
    names = ("entry_threshold", "volume_spike_multiplier", "volatility_guard_threshold")
    choices = [
        Settings(strategy=msgspec.structs.replace(QUICK, **{name: getattr(each, name) for name in names}))
        for each in entries
    ]
    events = list(seeded_tape(8, ticks=1500))
    assert assert_as_core(events, choices)[1] > 100
    alone = [decide_many(SharedTape(columns_of(events)), [choice])[0] for choice in choices]
    for mine, its in zip(decide_many(SharedTape(columns_of(events)), choices), alone, strict=True):
        assert_same(mine, its)


def test_an_empty_tape_and_no_settings_are_decided() -> None:
    assert decide_many(SharedTape(columns_of([])), []) == []
    for events in ([], [clock(1)], [quote(1, 100.0, 100.1)]):
        found = decide_many(SharedTape(columns_of(events)), [Settings()])[0]
        assert (len(found.trades), found.funnel.ticks, found.in_full) == (0, 0, False)


PRICES = st.one_of(
    st.decimals(Decimal("0.0001"), 100_000, places=4).map(float),
    st.floats(1e-6, 1e9),
    st.sampled_from([999_999.9999, 0.5, 1.0000005, 123456789.123456]),
)
POINTS = st.one_of(st.sampled_from([0.0, 1.0, 0.5, 2.375, 9_999.0]), st.floats(0, 9_999, allow_subnormal=False))


@hypothesis_settings(deadline=None, max_examples=300)
@given(st.lists(PRICES, max_size=8), POINTS, st.sampled_from([1, -1]))
def test_fills_are_those_of_the_simulated_broker(prices: list[float], points: float, sign: int) -> None:
    factor = 1 + sign * Decimal(str(points)) / 10_000
    wanted = [float(_PRICE.multiply(Decimal(repr(price)), factor)) for price in prices]
    assert filled(np.array(prices, float), factor).tolist() == wanted
    if prices:  # alone, with as few places as it has
        assert filled(np.array(prices[:1], float), factor).tolist() == wanted[:1]
