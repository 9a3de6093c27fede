"""exits: when each of them wants to leave, and when not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st
from reactivex import Observable

from microbot.testing.hypothesis import ticks
from pipeline.clock import RANK_CANDLE, RANK_TIME_STOP, InputClock, SymbolClock
from pipeline.events import SECOND, Candle, Side, Trade
from pipeline.exits import ExitSignal, Held, flat_market, profit_target, stop_loss, time_stop
from pipeline.operators.lift import Source
from pipeline.operators.timing.candles import Candles
from pipeline.strategy import Market, StrategySettings, default_exits
from tests.support.market import at, trade
from tests.support.streams import (
    assert_marbles,
    assert_no_look_ahead,
    assert_two_subscriptions_are_independent,
    outputs,
    then,
)

SIDES = (Side.LONG, Side.SHORT)


def held(side: Side = Side.LONG, entry_price: float = 100.0, seconds: float = 0.0) -> Held:
    return Held("A", side, entry_price, at(seconds))


def moved(side: Side, fraction: float, entry_price: float = 100.0) -> Trade:
    """A tick at which a position of `side` has earned `fraction`."""
    return trade(1, entry_price * (1 + side.sign * fraction))


def reasons(pipe: Any, *values: Any) -> list[str]:
    return [signal.reason for signal in outputs(pipe, values)]


# ---------------------------------------------------------------------------------- profit target and stop


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("fraction", "leaves"),
    [(0.0015, True), (0.002, True), (0.0015 - 5e-10, True), (0.0015 - 2e-9, False), (0.0, False), (-0.01, False)],
)
def test_the_profit_target_is_reached_exactly_at_its_fraction(side: Side, fraction: float, leaves: bool) -> None:
    found = reasons(profit_target(held(side), 0.0015), moved(side, fraction))
    assert found == (["TP"] if leaves else [])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("fraction", "leaves"),
    [(-0.0005, True), (-0.001, True), (-0.0005 + 5e-10, True), (-0.0005 + 2e-9, False), (0.0, False), (0.01, False)],
)
def test_the_stop_loss_is_reached_exactly_at_its_fraction(side: Side, fraction: float, leaves: bool) -> None:
    found = reasons(stop_loss(held(side), 0.0005), moved(side, fraction))
    assert found == (["SL"] if leaves else [])


def test_float_noise_does_not_hide_a_target_that_was_reached() -> None:
    """135.2025 / 135 - 1 is 0.0014999999999998348 as a float, and 0.15 % to a trader."""
    assert 135.2025 / 135 - 1 < 0.0015
    assert reasons(profit_target(held(entry_price=135.0), 0.0015), trade(1, 135.2025)) == ["TP"]
    assert 149.925 / 150 - 1 > -0.0005
    assert reasons(stop_loss(held(entry_price=150.0), 0.0005), trade(1, 149.925)) == ["SL"]


def test_the_move_is_measured_from_the_entry_price() -> None:
    assert reasons(profit_target(held(entry_price=200.0), 0.0015), trade(1, 200.2)) == []
    assert reasons(profit_target(held(entry_price=200.0), 0.0015), trade(1, 200.3)) == ["TP"]


@pytest.mark.parametrize("exit_of", [profit_target, stop_loss])
def test_an_exit_names_its_symbol(exit_of: Any) -> None:
    [signal] = outputs(exit_of(held(), -1.0), [trade(1, 100)])
    assert signal.symbol == "A"


def test_an_exit_speaks_at_the_tick_that_reaches_it() -> None:
    assert_marbles(
        then(profit_target(held(), 0.0015), lambda signal: signal.reason),
        hears="-a-b-c-|",
        says="---T---|",
        heard={"a": trade(1, 100.1), "b": trade(2, 100.15), "c": trade(3, 100)},
        said={"T": "TP"},
    )


@pytest.mark.parametrize("exit_of", [profit_target, stop_loss])
def test_exits_on_ticks_keep_nothing_between_subscriptions(exit_of: Any) -> None:
    values = [trade(n, 100 + n % 3 - 1) for n in range(20)]
    assert_two_subscriptions_are_independent(exit_of(held(), 0.001), values, key=lambda signal: signal.reason)


@given(ticks(), st.integers(0, 60))
def test_a_prefix_of_the_ticks_gives_a_prefix_of_the_exits(values: list[Trade], cut: int) -> None:
    assert_no_look_ahead(profit_target(held(), 0.0005), values, cut, key=lambda signal: signal.reason)
    assert_no_look_ahead(stop_loss(held(), 0.0005), values, cut, key=lambda signal: signal.reason)


# ---------------------------------------------------------------------------------------------- time stop


def stopped(seconds: float, *moves: float, entry: float = 0.0) -> list[int]:
    """Return when the time stop spoke, while the time moved on by `moves`."""
    clock = SymbolClock(InputClock())
    clock.clock.advance(at(entry))
    fired: list[int] = []
    time_stop(held(seconds=entry), seconds, clock).subscribe(lambda _: fired.append(clock.clock.now))
    for move in moves:
        clock.clock.advance(at(move))
    return fired


def test_the_time_stop_fires_without_a_tick() -> None:
    assert stopped(8, 8.0) == [at(8)]


def test_the_time_stop_does_not_fire_before_its_time() -> None:
    assert stopped(8, 7.999999999) == []


def test_the_time_stop_fires_at_its_own_time_however_far_time_jumps() -> None:
    assert stopped(8, 100.0) == [at(8)]


def test_the_time_stop_fires_once() -> None:
    assert stopped(8, 8.0, 9.0, 100.0) == [at(8)]


def test_a_time_stop_may_be_a_fraction_of_a_second() -> None:
    assert stopped(2.5, 10.0, entry=1.25) == [at(3.75)]


def test_the_time_stop_says_time() -> None:
    clock = SymbolClock(InputClock())
    heard: list[ExitSignal] = []
    time_stop(held(), 8, clock).subscribe(heard.append)
    clock.clock.advance(at(9))
    assert heard == [ExitSignal("A", "TIME")]


def test_a_disposed_time_stop_is_silent() -> None:
    clock = SymbolClock(InputClock())
    heard: list[ExitSignal] = []
    time_stop(held(), 8, clock).subscribe(heard.append).dispose()
    clock.clock.advance(at(9))
    assert heard == []


def test_a_time_stop_works_in_a_pipe_of_plain_operators() -> None:
    clock = SymbolClock(InputClock())
    heard: list[str] = []
    then(lambda _: time_stop(held(), 8, clock), lambda signal: signal.reason)(Source()).subscribe(heard.append)
    clock.clock.advance(at(9))
    assert heard == ["TIME"]


def test_two_subscriptions_of_a_time_stop_are_independent() -> None:
    clock = SymbolClock(InputClock())
    heard: list[str] = []
    stop = time_stop(held(), 8, clock)
    stop.subscribe(lambda _: heard.append("first")).dispose()
    stop.subscribe(lambda _: heard.append("second"))
    clock.clock.advance(at(9))
    assert heard == ["second"]


# -------------------------------------------------------------------------------------------- flat market


def candle(start: float, close: float, before: float | None) -> Candle:
    return Candle("A", at(start), at(start) + SECOND, close, before)


FLAT = (100.0, 100.0)
MOVED = (100.5, 100.0)


def flat(seconds: int, *closes: tuple[float, float | None], entry: float = 0.0) -> list[int]:
    """Return after which candles the flat market spoke; candle n is of second n."""
    spoke = []
    clock = [0]
    source: Source[Candle] = Source()
    source.pipe(flat_market(held(seconds=entry), seconds, 0.00005)).subscribe(lambda _: spoke.append(clock[0]))
    for number, (close, before) in enumerate(closes):
        clock[0] = number
        source.on_next(candle(number, close, before))
    return spoke


def test_so_many_flat_candles_in_a_row_are_a_flat_market() -> None:
    assert flat(2, FLAT, FLAT)[0] == 1
    assert flat(3, FLAT, FLAT) == []


def test_a_candle_that_moved_starts_the_count_anew() -> None:
    assert flat(2, FLAT, MOVED, FLAT, FLAT) == [3]


def test_a_candle_that_moved_down_starts_the_count_anew_too() -> None:
    assert flat(2, FLAT, (99.5, 100.0), FLAT, FLAT) == [3]


def test_the_first_candle_of_a_symbol_is_not_flat() -> None:
    assert flat(1, (100.0, None), FLAT) == [1]
    assert flat(2, FLAT, (100.0, None), FLAT) == []


@pytest.mark.parametrize(
    ("close", "is_flat"),
    [(100.005, True), (99.995, True), (100.005 + 5e-8, True), (100.005 + 2e-7, False), (99.995 - 2e-7, False)],
)
def test_a_candle_is_flat_up_to_exactly_the_threshold(close: float, is_flat: bool) -> None:
    assert flat(1, (close, 100.0)) == ([0] if is_flat else [])


def test_only_candles_that_start_at_or_after_the_entry_count() -> None:
    assert flat(1, FLAT, FLAT, FLAT, entry=0.5) == [1, 2]


def test_a_candle_that_starts_with_the_entry_counts() -> None:
    assert flat(1, FLAT, FLAT, FLAT, entry=1.0) == [1, 2]


def test_a_candle_that_started_a_nanosecond_before_the_entry_does_not_count() -> None:
    assert flat(1, FLAT, FLAT, FLAT, entry=1.000000001) == [2]


def test_a_flat_market_says_flat() -> None:
    assert outputs(flat_market(held(), 1, 0.0), [candle(0, 100, 100)]) == [ExitSignal("A", "FLAT")]


def test_two_subscriptions_of_a_flat_market_are_independent() -> None:
    values = [candle(n, 100.0 if n % 4 else 101.0, 100.0) for n in range(20)]
    assert_two_subscriptions_are_independent(flat_market(held(), 2, 0.0), values, key=lambda signal: signal.reason)


@given(st.lists(st.sampled_from([FLAT, MOVED, (100.0, None)]), max_size=20), st.integers(1, 4), st.integers(0, 20))
def test_a_prefix_of_the_candles_gives_a_prefix_of_the_exits(
    closes: list[tuple[float, float | None]], seconds: int, cut: int
) -> None:
    values = [candle(n, close, before) for n, (close, before) in enumerate(closes)]
    assert_no_look_ahead(flat_market(held(), seconds, 0.0), values, cut, key=lambda signal: signal.reason)


# ----------------------------------------------------------------------------------------- all of them


class Position:
    """A position guarded by the default exits, in a market that a test moves."""

    def __init__(self, side: Side, settings: StrategySettings, entry: float = 0.0) -> None:
        self.time = InputClock()
        self.clock = SymbolClock(self.time)
        self.ticks: Source[Trade] = Source()
        self.candles = Candles(self.clock)
        self.heard: list[tuple[str, int]] = []
        self.side = side
        self.move(entry, 0.0)
        exits: Observable[ExitSignal] = default_exits(settings)(
            held(side, seconds=entry), Market(self.ticks, self.candles, self.clock)
        )
        self.subscription = exits.subscribe(
            lambda signal: self.heard.append((signal.reason, self.time.now)), scheduler=self.clock
        )

    def move(self, seconds: float, fraction: float) -> Position:
        """Print a trade at which the position has earned `fraction`."""
        tick = trade(seconds, 100 * (1 + self.side.sign * fraction))
        self.time.advance(tick.ts)
        self.candles.update(tick)
        self.ticks.on_next(tick)
        return self

    def wait(self, seconds: float) -> Position:
        self.time.advance(at(seconds))
        return self


SETTINGS = StrategySettings()


@pytest.mark.parametrize("side", SIDES)
def test_a_position_leaves_by_its_profit_target(side: Side) -> None:
    assert Position(side, SETTINGS).move(0.5, 0.002).heard == [("TP", at(0.5))]


@pytest.mark.parametrize("side", SIDES)
def test_a_position_leaves_by_its_stop_loss(side: Side) -> None:
    assert Position(side, SETTINGS).move(0.5, -0.001).heard == [("SL", at(0.5))]


@pytest.mark.parametrize("side", SIDES)
def test_a_position_leaves_by_its_time_stop(side: Side) -> None:
    position = Position(side, SETTINGS, entry=0.3)
    for second in range(1, 8):
        position.move(second + 0.5, 0.0001 * second)
    assert position.wait(8.3).heard == [("TIME", at(8.3))]


@pytest.mark.parametrize("side", SIDES)
def test_a_position_leaves_a_flat_market(side: Side) -> None:
    assert Position(side, SETTINGS, entry=0.3).wait(3).heard == [("FLAT", at(3))]


@pytest.mark.parametrize("side", SIDES)
def test_a_position_entered_on_a_whole_second_counts_the_candle_of_that_second(side: Side) -> None:
    """The candle of second 0 is the symbol's first, and not flat; those of seconds 1 and 2 are."""
    assert Position(side, SETTINGS, entry=0.0).wait(9).heard[0] == ("FLAT", at(3))
    impatient = Position(side, StrategySettings(flat_seconds=1)).wait(1.0)
    assert impatient.heard == []
    assert impatient.wait(2.0).heard == [("FLAT", at(2))]


def test_the_time_stop_goes_before_a_flat_market_of_the_same_moment() -> None:
    assert RANK_TIME_STOP < RANK_CANDLE
    settings = StrategySettings(time_stop_seconds=3, flat_seconds=2)
    assert Position(Side.LONG, settings).wait(3).heard == [("TIME", at(3)), ("FLAT", at(3))]


def test_the_profit_target_goes_before_a_stop_loss_of_the_same_tick() -> None:
    """Only with thresholds below the noise can one tick reach both."""
    settings = StrategySettings(profit_target=1e-10, stop_loss=1e-10)
    assert [reason for reason, _ in Position(Side.LONG, settings).move(0.5, 0.0).heard] == ["TP", "SL"]


def test_exits_fall_silent_with_their_subscription() -> None:
    position = Position(Side.LONG, SETTINGS)
    position.subscription.dispose()
    position.move(0.5, 0.5).move(1.5, -0.5).wait(100)
    assert position.heard == []
    assert position.time.next_due > at(1e9)
