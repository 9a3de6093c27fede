"""candles: whole seconds of the core's time, also those in which nothing happens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from microbot.testing.hypothesis import ticks
from pipeline import operators as op
from pipeline.clock import NEVER, InputClock, SymbolClock
from pipeline.events import SECOND, Candle, Trade
from pipeline.operators.lift import Source
from pipeline.operators.timing.candles import Candles
from tests.support.market import at, trade


class Exchange:
    """Ticks pushed at their times into `op.candles()`, and the candles that come out."""

    def __init__(self) -> None:
        self.time = InputClock()
        self.clock = SymbolClock(self.time)
        self.source: Source[Trade] = Source()
        self.pipe = op.candles()(self.source)
        self.candles: list[Candle] = []

    def listen(self) -> Exchange:
        self.pipe.subscribe(self.candles.append, scheduler=self.clock)
        return self

    def tick(self, seconds: float, price: float) -> Exchange:
        self.time.advance(at(seconds))
        self.source.on_next(trade(seconds, price))
        return self

    def wait(self, seconds: float) -> Exchange:
        self.time.advance(at(seconds))
        return self

    @property
    def closes(self) -> list[tuple[float | None, float]]:
        return [(candle.previous_close, candle.close) for candle in self.candles]


def hot(seconds: float = 0.0) -> tuple[InputClock, Candles]:
    """The candles of a symbol as its context keeps them."""
    time = InputClock()
    time.advance(at(seconds))
    return time, Candles(SymbolClock(time))


def see(time: InputClock, candles: Candles, seconds: float, price: float) -> None:
    time.advance(at(seconds))
    candles.update(trade(seconds, price))


# ------------------------------------------------------------------------------------------ as an operator


def test_a_candle_closes_at_the_next_whole_second_with_the_last_price() -> None:
    exchange = Exchange().listen().tick(0.2, 100).tick(0.9, 101)
    assert exchange.candles == []
    exchange.wait(1.0)
    size = 2 * trade(0).size
    assert exchange.candles == [
        Candle("A", at(0), at(1), 101.0, None, 100.0, 101.0, 100.0, size, size * 100.5, trades=2)
    ]


def test_a_candle_closes_before_the_tick_of_its_last_moment_is_seen() -> None:
    assert Exchange().listen().tick(0.2, 100).tick(1.0, 101).closes == [(None, 100.0)]


def test_a_second_without_trades_has_a_candle_too() -> None:
    exchange = Exchange().listen().tick(0.2, 100).wait(3.5)
    assert exchange.closes == [(None, 100.0), (100.0, 100.0), (100.0, 100.0)]
    assert [candle.start for candle in exchange.candles] == [at(0), at(1), at(2)]


def test_each_candle_knows_the_close_before_it() -> None:
    exchange = Exchange().listen().tick(0, 100).tick(1, 101).tick(2.5, 102).wait(3)
    assert exchange.closes == [(None, 100.0), (100.0, 101.0), (101.0, 102.0)]


def test_a_tick_on_a_whole_second_opens_the_candle_of_that_second() -> None:
    exchange = Exchange().listen().tick(5, 100).wait(6)
    assert [(candle.start, candle.end) for candle in exchange.candles] == [(at(5), at(6))]


def test_no_candle_closes_before_the_first_tick() -> None:
    assert Exchange().listen().wait(10).candles == []


def test_the_end_of_the_ticks_is_passed_on() -> None:
    exchange = Exchange()
    ended: list[bool] = []
    exchange.pipe.subscribe(on_completed=lambda: ended.append(True), scheduler=exchange.clock)
    exchange.source.on_completed()
    assert ended == [True]


def test_a_disposed_subscription_stops_its_timer() -> None:
    exchange = Exchange()
    subscription = exchange.pipe.subscribe(exchange.candles.append, scheduler=exchange.clock)
    exchange.tick(0, 100)
    subscription.dispose()
    assert exchange.wait(5).tick(6, 101).wait(9).candles == []


def test_two_subscriptions_are_independent() -> None:
    """One that comes later starts with a first candle of its own."""
    exchange = Exchange().listen().tick(0, 100).tick(1, 101)
    late: list[Candle] = []
    exchange.pipe.subscribe(late.append, scheduler=exchange.clock)
    exchange.tick(2, 102).wait(3)
    assert exchange.closes == [(None, 100.0), (100.0, 101.0), (101.0, 102.0)]
    assert [(candle.previous_close, candle.close) for candle in late] == [(None, 102.0)]


def test_candles_need_the_time_of_the_core() -> None:
    source: Source[Trade] = Source()
    heard: list[Any] = []
    with pytest.raises(TypeError, match="subscribe with a SymbolClock"):
        op.candles()(source).subscribe(heard.append)


@given(ticks(), st.integers(0, 60))
def test_a_prefix_of_the_ticks_gives_a_prefix_of_the_candles(values: list[Trade], cut: int) -> None:
    def run(some: list[Trade]) -> list[Candle]:
        exchange = Exchange().listen()
        for tick in some:
            exchange.time.advance(tick.ts)
            exchange.source.on_next(tick)
        return exchange.candles

    part, all_of_it = run(values[:cut]), run(values)
    assert part == all_of_it[: len(part)]


@given(ticks())
def test_candles_follow_each_other_without_a_hole(values: list[Trade]) -> None:
    exchange = Exchange().listen()
    for tick in values:
        exchange.time.advance(tick.ts)
        exchange.source.on_next(tick)
    assert [candle.previous_close for candle in exchange.candles[:1]] in ([], [None])
    assert all(candle.end - candle.start == SECOND and candle.start % SECOND == 0 for candle in exchange.candles)
    for before, after in zip(exchange.candles, exchange.candles[1:], strict=False):
        assert (after.start, after.previous_close) == (before.end, before.close)


# ------------------------------------------------------------------------------------- as a context keeps them


def test_while_nobody_listens_no_timer_runs() -> None:
    time, candles = hot()
    for second in range(5):
        see(time, candles, second, 100)
    assert not candles.observed
    assert time.next_due == NEVER


def test_whoever_comes_in_the_middle_hears_the_candle_that_runs_with_its_predecessor() -> None:
    time, candles = hot()
    see(time, candles, 0.5, 100)
    see(time, candles, 1.5, 101)
    see(time, candles, 2.2, 102)
    heard: list[Candle] = []
    candles.subscribe(heard.append)
    time.advance(at(3))
    assert heard == [Candle("A", at(2), at(3), 102.0, 101.0)]


def test_whoever_comes_after_a_quiet_time_hears_a_candle_whose_predecessor_was_quiet() -> None:
    time, candles = hot()
    see(time, candles, 0.5, 100)
    see(time, candles, 7.5, 101)
    heard: list[Candle] = []
    candles.subscribe(heard.append)
    time.advance(at(8))
    assert heard == [Candle("A", at(7), at(8), 101.0, 100.0)]


def test_whoever_comes_in_a_quiet_second_hears_a_candle_at_the_last_price() -> None:
    """No tick came since the candle of second 0, and time went on: second 5 is the one that runs."""
    time, candles = hot()
    see(time, candles, 0.5, 100)
    time.advance(at(5.5))
    heard: list[Candle] = []
    candles.subscribe(heard.append)
    time.advance(at(6))
    assert heard == [Candle("A", at(5), at(6), 100.0, 100.0)]


def test_whoever_comes_as_a_candle_ends_hears_the_next_one() -> None:
    time, candles = hot()
    see(time, candles, 0.5, 100)
    time.advance(at(1))
    heard: list[Candle] = []
    candles.subscribe(heard.append)
    time.advance(at(2))
    assert heard == [Candle("A", at(1), at(2), 100.0, 100.0)]


def test_whoever_comes_and_leaves_before_the_first_price_leaves_no_close_behind() -> None:
    """A position that was taken up again, and closed before its symbol's first tick."""
    time, candles = hot()
    candles.subscribe(lambda _: None).dispose()
    see(time, candles, 5.5, 100)
    heard: list[Candle] = []
    candles.subscribe(heard.append)
    time.advance(at(6))
    assert [candle.previous_close for candle in heard] == [None]


def test_whoever_comes_in_the_first_candle_hears_it_without_a_predecessor() -> None:
    time, candles = hot()
    see(time, candles, 0.5, 100)
    heard: list[Candle] = []
    candles.subscribe(heard.append)
    time.advance(at(1))
    assert [candle.previous_close for candle in heard] == [None]


def test_whoever_leaves_and_comes_back_misses_only_what_closed_between() -> None:
    time, candles = hot()
    see(time, candles, 0, 100)
    heard: list[Candle] = []
    leaving = candles.subscribe(heard.append)
    time.advance(at(1))
    leaving.dispose()
    assert not candles.observed
    see(time, candles, 2.5, 102)
    candles.subscribe(heard.append)
    see(time, candles, 3.5, 103)
    assert [(candle.start, candle.previous_close, candle.close) for candle in heard] == [
        (at(0), None, 100.0),
        (at(2), 100.0, 102.0),
    ]


def test_when_the_last_listener_leaves_the_timer_stops() -> None:
    time, candles = hot()
    see(time, candles, 0, 100)
    candles.subscribe(print).dispose()
    time.advance(at(5))
    assert time.next_due == NEVER


def test_a_tick_on_a_whole_second_belongs_to_the_candle_that_begins_there_also_unheard() -> None:
    time, candles = hot()
    see(time, candles, 0.5, 100)
    see(time, candles, 1.0, 101)
    heard: list[Candle] = []
    candles.subscribe(heard.append)
    time.advance(at(2))
    assert heard == [Candle("A", at(1), at(2), 101.0, 100.0)]


def test_several_listeners_hear_the_same_candles_from_one_timer() -> None:
    time, candles = hot()
    see(time, candles, 0, 100)
    first: list[Candle] = []
    second: list[Candle] = []
    leaving = candles.subscribe(first.append)
    candles.subscribe(second.append)
    time.advance(at(1))
    leaving.dispose()
    time.advance(at(2))
    assert (len(first), len(second)) == (1, 2)


def test_the_price_is_the_last_tick_s() -> None:
    time, candles = hot()
    assert candles.price == 0
    see(time, candles, 0, 100)
    see(time, candles, 0.5, 99)
    assert candles.price == 99


def test_before_the_first_price_there_is_nothing_to_close() -> None:
    """A position that was taken up from a book is guarded before its first tick."""
    time = InputClock()
    stream = Candles(SymbolClock(time))
    candles: list[Candle] = []
    time.advance(at(0))
    stream.subscribe(candles.append)
    time.advance(at(3.5))
    assert candles == []
    stream.update(trade(3.5, 100.0))
    time.advance(at(5))
    assert [(candle.start, candle.close, candle.previous_close) for candle in candles] == [
        (at(3), 100.0, None),
        (at(4), 100.0, 100.0),
    ]


# ------------------------------------------------------------------------------------------- of other lengths


def of(pipe: Any, *prints: tuple[float, float]) -> list[Candle]:
    """Return the candles of prices and sizes, a second apart."""
    time = InputClock()
    source: Source[Trade] = Source()
    found: list[Candle] = []
    pipe(source).subscribe(found.append, scheduler=SymbolClock(time))
    for second, (price, size) in enumerate(prints):
        time.advance(at(second))
        source.on_next(trade(second, price, size))
    return found


def test_a_candle_of_ticks_closes_with_the_tick_that_fills_it() -> None:
    first, second = of(op.candles(ticks=3), (10, 1), (12, 2), (9, 3), (11, 4), (11, 5), (8, 6), (7, 7))
    assert first == Candle("A", at(0), at(2), 9, None, 10, 12, 9, 6, 10 + 24 + 27, 3)
    assert second == Candle("A", at(3), at(5), 8, 9, 11, 11, 8, 15, 44 + 55 + 48, 3)


@pytest.mark.parametrize(("pipe", "ends"), [(op.candles(volume=5), [1, 2, 4]), (op.candles(dollars=50), [1, 2, 4])])
def test_a_candle_of_shares_or_dollars_has_all_of_the_tick_that_fills_it(pipe: Any, ends: list[int]) -> None:
    found = of(pipe, (10, 3), (10, 3), (10, 9), (10, 4), (10, 1))
    assert [candle.end for candle in found] == [at(end) for end in ends]
    assert [candle.volume for candle in found] == [6, 9, 5]


def test_a_candle_of_five_seconds_closes_at_their_multiples_also_without_a_trade() -> None:
    found = of(op.candles(seconds=5), *[(100 + n, 1) for n in range(6)])
    assert [(candle.start, candle.end, candle.close) for candle in found] == [(at(0), at(5), 104)]
    exchange = Exchange()
    exchange.pipe = op.candles(seconds=5)(exchange.source)
    exchange.listen().tick(1, 100).wait(12)
    empty = Candle("A", at(5), at(10), 100, 100, 100, 100, 100)
    assert exchange.candles[1:] == [empty]


def test_a_candle_s_timer_ends_with_its_subscription() -> None:
    exchange = Exchange()
    subscription = exchange.pipe.subscribe(exchange.candles.append, scheduler=exchange.clock)
    exchange.tick(0.5, 100)
    subscription.dispose()
    exchange.wait(5)
    assert exchange.candles == []
    assert exchange.time.earliest == NEVER


@given(
    st.lists(st.tuples(st.integers(90, 110).map(float), st.integers(1, 9).map(float)), min_size=1, max_size=40),
    st.sampled_from([op.candles(seconds=3), op.candles(ticks=4), op.candles(volume=12), op.candles(dollars=900)]),
)
def test_candles_hold_every_tick_once_in_order(prints: list[tuple[float, float]], pipe: Any) -> None:
    found = of(pipe, *prints)
    held = prints[: sum(candle.trades for candle in found)]
    assert sum(candle.volume for candle in found) == sum(size for _, size in held)
    assert sum(candle.notional for candle in found) == pytest.approx(sum(price * size for price, size in held))
    rest = held.copy()
    for candle, before in zip(found, [None, *found], strict=False):
        own, rest = rest[: candle.trades], rest[candle.trades :]
        prices = [price for price, _ in own]
        assert (candle.open, candle.high, candle.low, candle.close) == (prices[0], max(prices), min(prices), prices[-1])
        assert candle.previous_close == (before.close if before else None)
