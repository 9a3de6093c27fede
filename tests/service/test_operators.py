"""The operators of a strategy, measured while it trades: figures that are right, and decisions that are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count, islice
from typing import Any

import pytest
from reactivex import Observable, operators as rx

from pipeline import operators as op
from pipeline.events import Candle, Side, Signal, Trade
from pipeline.operators.lift import Source
from pipeline.strategy import StrategySettings, momentum_burst
from service.live.operators import SAMPLES, Operators, in_words, place_of
from tests.support.frames import frame
from tests.support.market import at, trade
from tests.support.random_tapes import seeded_tape
from tests.support.sessions import Session, on_demand
from web.messages import OperatorSeen, OperatorsSeen

MS = 1_000_000
DROPPED = rx.filter(lambda _: False)


class Timer:
    """A clock of ns that a test moves; operators that take time move it themselves."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def taking(timer: Timer, ns: int, name: str = "f") -> Any:
    """Return an operator that takes so long for each item."""

    def work(_: object) -> float:
        timer.now += ns
        return 1.0

    return op.metric(name, work)


class Bot:
    """A core whose operators are measured; a second goes by on its timer with each `second`."""

    def __init__(self, pipe: Callable[[Timer], Iterable[Any]], symbols: str = "A") -> None:
        self.timer = Timer()
        parts = tuple(pipe(self.timer))
        self.session = Session(entries=lambda ticks: ticks.pipe(*parts))
        self.operators = Operators(self.timer)
        self.numbers = count()
        self.symbols = symbols
        self.tick()
        assert list(self.operators.messages(self.session.core)) == []  # it follows them from here on

    def tick(self, ticks: int = 1) -> None:
        for _ in range(ticks):
            number = next(self.numbers)
            self.session.feed(*(trade(number, 100.0 + number % 7, symbol=symbol) for symbol in self.symbols))

    def second(self, ticks: int = 1) -> dict[str, OperatorSeen]:
        began = self.timer.now
        self.tick(ticks)
        self.timer.now = max(self.timer.now, began + 1000 * MS)
        seen = list(self.operators.messages(self.session.core))
        assert [message.symbol for message in seen] in (list(self.symbols), [])
        return {found.name: found for message in seen[:1] for found in message.operators}


def test_each_operator_is_told_with_its_own_time_and_not_that_of_those_behind_it() -> None:
    bot = Bot(lambda timer: (taking(timer, 5_000, "slow"), taking(timer, 1_000, "quick"), DROPPED))
    for _ in range(3):
        seen = bot.second(ticks=4)
    assert list(seen) == ["metric slow", "metric quick"]
    assert (seen["metric slow"].us, seen["metric quick"].us) == (5.0, 1.0)
    assert seen["metric slow"].rate == seen["metric quick"].rate == pytest.approx(4.0)
    assert seen["metric slow"].last.endswith(" x 10")


def test_a_rate_beyond_what_is_sampled_is_that_of_the_samples() -> None:
    bot = Bot(lambda timer: (taking(timer, 2 * MS), DROPPED))
    for _ in range(3):
        seen = bot.second(ticks=SAMPLES * 5)  # which are over before the second is
    assert seen["metric f"].rate == pytest.approx(500.0, rel=0.1)


def test_when_a_link_was_sampled_nothing_stands_in_it_any_more() -> None:
    timer_reads = count()
    bot = Bot(lambda timer: (taking(timer, 10), DROPPED))
    bot.second()
    bot.tick(SAMPLES)
    timer = bot.timer
    bot.operators._timer = lambda: next(timer_reads)  # no meter is left that would read any
    bot.tick(100)
    assert next(timer_reads) == 0
    assert timer.now > 0
    head = bot.session.core.contexts["A"].ticks.on_next
    assert head is bot.session.core.contexts["A"].probe.wired[-1].on_next


def test_what_a_timer_sets_off_is_measured_too() -> None:
    bot = Bot(lambda timer: (op.candles(seconds=2), taking(timer, 3_000), DROPPED))
    for _ in range(5):
        seen = bot.second(ticks=4)
    assert seen["candles"].rate == pytest.approx(2.0)
    assert seen["metric f"].us == 3.0


def test_a_link_through_a_plain_operator_of_rxpy_is_passed_over() -> None:
    bot = Bot(lambda timer: (taking(timer, 1_000, "a"), rx.map(lambda tick: tick), taking(timer, 9_000, "b"), DROPPED))
    for _ in range(3):
        seen = bot.second(ticks=2)
    assert seen["metric a"].us == 1.0
    assert seen["metric b"].us is None  # what calls it is not ours
    assert seen["metric b"].rate == pytest.approx(2.0)


def test_what_stands_twice_in_a_pipe_has_two_names() -> None:
    rule = op.above("p", 0)
    bot = Bot(
        lambda timer: (
            *(op.readings(p=op.sma(1)), op.when(rule, go="LONG"), op.when(rule, go="LONG")),
            *(op.require("p", above=0), op.once_per("side"), DROPPED),
        )
    )
    assert list(bot.second()) == ["readings", "when p above 0", "when p above 0, p", "once_per side"]


def test_every_symbol_has_figures_of_its_own() -> None:
    bot = Bot(lambda timer: (taking(timer, 1_000), DROPPED), symbols="AB")
    assert bot.second(ticks=3)["metric f"].rate == pytest.approx(3.0)


def test_an_error_is_counted_with_the_operator_that_raised_it() -> None:
    numbers = count()

    def failing(frame: Any) -> float:
        if next(numbers) == 3:
            raise ValueError("my bug")
        return 1.0

    bot = Bot(
        lambda timer: (
            taking(timer, 1_000, "before"),
            op.metric("mine", failing),
            taking(timer, 1_000, "behind"),
            DROPPED,
        )
    )
    bot.second(ticks=2)
    assert bot.second(ticks=4) == {}  # in which it raised and was restarted: it is followed afresh
    seen = bot.second(ticks=3)
    assert {name: found.errors for name, found in seen.items()} == {
        "metric before": 0,
        "metric mine": 1,
        "metric behind": 0,
    }
    assert seen["metric mine"].rate == pytest.approx(3.0)


def test_the_default_strategy_is_told_with_the_conditions_that_its_window_took_in() -> None:
    session = Session(entries=momentum_burst(StrategySettings()).entries).feed(trade(0))
    names = list(session.core.contexts["A"].probe.operators)
    assert names == ["window, momentum, volume_spike, volatility_guard", "bursts"]


@pytest.mark.parametrize("seed", range(3))
def test_a_core_that_is_measured_decides_what_it_would_without_it(seed: int) -> None:
    def entries(ticks: Observable[Trade]) -> Observable[Signal]:
        numbers = count(1)

        def at_times(frame: Any) -> float:
            if next(numbers) % 150 == 0:
                raise ValueError("my bug")
            return 1.0

        return ticks.pipe(
            op.window(5), op.momentum(0.0002), op.metric("mine", at_times), op.volume_spike(1.1), op.bursts()
        )

    tape = list(islice(seeded_tape(seed), 2_000))
    bare, measured, nanoseconds = Session(entries=entries), Session(entries=entries), count(0, 1000)
    operators = Operators(lambda: next(nanoseconds))
    told: list[OperatorsSeen] = []
    for n, event in enumerate(tape):
        bare.feed(event)
        measured.feed(event)
        if n % 10 == 0:
            operators._due = 0  # a period at every tenth input
            told += operators.messages(measured.core)
    assert sum(bool(message.operators) for message in told) > 50
    assert measured.facts == bare.facts
    assert measured.core.summary() == bare.core.summary()  # the traceback of the first failure among it
    assert bare.core.failures.count > 0


ANY: Any = rx.filter(lambda _: True)  # hides what the ticks are: op.cool_off takes signals alone


def test_a_place_is_found_in_a_closure_and_in_an_object_of_ours() -> None:
    out: list[Any] = []
    for operator in (op.metric("m", lambda tick: tick.size), op.candles(ticks=1), op.cool_off(1)):
        session = Session(entries=lambda ticks, operator=operator: ticks.pipe(ANY, operator, DROPPED)).feed(trade(0))
        [wired] = session.core.contexts["A"].probe.wired
        put = place_of(wired.emit, wired.on_next)
        assert put is not None
        put(out.append)
        wired.on_next(Signal("A", at(1), Side.LONG, 1.0) if "cool_off" in str(wired.operator.name) else trade(1))
    assert len(out) == 3
    assert place_of(print, Source[Any]().on_next) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, ""),
        (3, "3"),
        (1.23456789, "1.23457"),
        (trade(0, 100.25, size=7.0), "100.25 x 7"),
        (Candle("A", 0, 1, 4.0, None, 2.0, 5.0, 1.0, 3.0, 9.0, 1), "2 5 1 4"),
        (Signal("A", 1, Side.LONG, 151.5), "LONG at 151.5"),
        (frame(price=101.5), "101.5"),
        (object(), "object"),
    ],
)
def test_the_last_value_is_told_in_few_words(value: object, words: str) -> None:
    assert in_words(value) == words


def test_signals_on_demand_are_followed_to_the_end_of_the_pipe() -> None:
    bot = Bot(lambda timer: (on_demand,))
    bot.second()
    bot.session.feed(trade(900, says="LONG"))
    bot.timer.now += 1000 * MS
    [seen] = bot.operators.messages(bot.session.core)
    assert seen.operators[-1].last == "LONG at 100"
