"""microbot.testing: tapes by hand and as marbles are what they say, and an assertion that fails shows what came."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from reactivex import Observable, operators as rx

from microbot import Clock, Quote, Side, Signal, StrategyFailed, Trade, UserError, backtest, op, read_tape
from microbot.testing import (
    START,
    Tape,
    assert_marbles,
    assert_signals,
    assert_trades,
    marbles,
    picture,
    said,
    tape,
)
from microbot.testing.hypothesis import tapes
from pipeline.events import SECOND, Gap, TradingStatus


def seconds_of(made: Tape) -> list[float]:
    return [(event.ts - START) / SECOND for event in made if not isinstance(event, Gap)]  # type: ignore[union-attr]


def prices_of(made: Tape) -> list[float]:
    return [event.price for event in made if isinstance(event, Trade)]


def at_prices(long: float, short: float) -> Callable[[Any], Observable[Any]]:
    """Go long or short at ticks of these prices."""

    def strategy(ticks: Any) -> Any:
        def signal(tick: Trade) -> Signal:
            return Signal(tick.symbol, 0, Side.LONG if tick.price == long else Side.SHORT, 0)

        def due(tick: Trade) -> bool:
            return tick.price in (long, short)

        return ticks.pipe(rx.filter(due), rx.map(signal))

    return strategy


# ------------------------------------------------------------------------------------------------- marbles


def test_marbles_are_trades_at_their_times() -> None:
    made = marbles("--a-b--|", a=100.0, b=100.2, each="1s")
    assert list(made) == [
        Clock(START),
        Trade("AAPL", START + 2 * SECOND, 100.0, 100.0),
        Trade("AAPL", START + 4 * SECOND, 100.2, 100.0),
        Clock(START + 7 * SECOND),
    ]
    assert made.seconds == 7


@pytest.mark.parametrize(
    ("picture", "each", "seconds"),
    [
        ("a", "1s", [0]),
        ("aa", 1, [0, 1]),
        ("-a", "250ms", [0.25]),
        ("-a", "2min", [120]),
        ("-a", 0.5, [0.5]),
        ("- a  -a", "1s", [1, 3]),
        ("-(aa)a", "1s", [1, 1, 5]),
    ],
)
def test_a_column_is_a_moment(picture: str, each: Any, seconds: list[float]) -> None:
    assert seconds_of(marbles(picture, each=each, a=100))[1:] == seconds


def test_a_marble_may_be_a_quote_or_any_event() -> None:
    made = marbles("-q-g", symbol="B", q=(99.9, 100.1), g=Gap(1, "B", "mine"))
    assert list(made)[1:] == [Quote("B", START + SECOND, 99.9, 100.1), Gap(START + 3 * SECOND, "B", "mine")]


@pytest.mark.parametrize(
    ("picture", "given", "sentence"),
    [
        ("-x", {}, "the marble 'x' has no value: give it one, as in x=100.0"),
        ("-|-", {}, "go on after their end"),
        ("-(ab", {"a": 1, "b": 1}, r"have a \( without its \)"),
        ("-(a-)", {"a": 1}, "'-' in column 3"),
        ("-#", {}, "'#' in column 1"),
        ("a", {"a": "dear"}, "is 'dear': it must be a price, "),
        ("a", {"a": 1, "each": "1h"}, "each='1h' is no time"),
        ("a", {"a": 1, "each": 0}, "each=0 is no time"),
    ],
)
def test_marbles_that_cannot_be_read_are_refused_in_a_sentence(
    picture: str, given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        marbles(picture, **given)


def test_what_a_stream_says_is_written_as_marbles() -> None:
    heard = marbles("a-b-c-|", a=100.0, b=100.1, c=100.2)
    closes: dict[str, Any] = {"x": 100.0, "y": 100.1, "z": 100.2}
    assert_marbles(op.candles(seconds=2), heard, "--x-y-z", show=lambda candle: candle.close, **closes)
    assert_marbles(op.candles(seconds=2), heard, "--x-y-(z|)", show=lambda candle: candle.close, **closes)
    assert_marbles(rx.take(1), heard, "(t|)", t=Trade("AAPL", START, 100.0, 100.0))
    with pytest.raises(AssertionError, match=r"came \? at 0 s: Trade"):
        assert_marbles(rx.take(1), heard, "t", t=Trade("AAPL", START, 100.0, 99.0))
    assert_marbles(at_prices(100.1, 100.2), heard, "--L-S", L="LONG", S="SHORT")


def test_other_marbles_than_expected_are_shown_beside_them() -> None:
    with pytest.raises(AssertionError) as failed:
        assert_marbles(
            op.candles(seconds=2),
            marbles("a-b-c-|", a=100.0, b=100.1, c=100.2),
            "-x--y|",
            show=lambda candle: candle.close,
            x=100.0,
            y=100.1,
        )
    assert str(failed.value).splitlines() == [
        "the stream says something else:",
        "  trades    o-o-o--",
        "  expected  -x--y|",
        "  came      --x-y-+",
        "  expected x at 1 s: 100.0",
        "  expected y at 4 s: 100.1",
        "  came x at 2 s: 100.0",
        "  came y at 4 s: 100.1",
        "  came ? at 6 s: 100.2",
    ]


@pytest.mark.parametrize("says", ["--L", "L", "-S", "LL", "-", "L|", "-L-L"])
def test_marbles_in_another_column_or_of_another_value_or_too_many_are_told_apart(says: str) -> None:
    heard = marbles("-ab-|", a=100.0, b=100.1)
    assert_marbles(at_prices(100.0, 1), heard, "-L", L="LONG")
    with pytest.raises(AssertionError, match="says something else"):
        assert_marbles(at_prices(100.0, 1), heard, says, L="LONG", S="SHORT")


def test_a_stream_hears_what_it_asks_for_by_name() -> None:
    def spreads(quotes: Any) -> Any:
        def spread(quote: Quote) -> float:
            return quote.ask - quote.bid

        return quotes.pipe(rx.map(spread))

    def other(ticks: Any, market: Any) -> Any:
        return market("SPY").ticks

    both = tape("AAPL", spread=0.5).flat(1)
    assert [value for _, value in said(spreads, [Trade("A", START, 100, 1), *both])] == []  # that of the first symbol
    assert [value for _, value in said(spreads, both)] == [0.5, 0.5]
    beside = said(other, both.beside(tape("SPY", price=500).flat(2)))
    assert [(at, tick.price) for at, tick in beside] == [(0, 500), (1, 500), (2, 500)]


def test_a_stream_that_raises_fails_with_its_line() -> None:
    with pytest.raises(StrategyFailed, match=r"ZeroDivisionError: .*test_testing\.py:\d+\)"):
        said(lambda ticks: ticks.pipe(rx.map(lambda tick: 1 / 0)), tape())
    no_stream: Any = lambda ticks: 5  # noqa: E731
    with pytest.raises(UserError, match=r"must return what ticks.pipe\(...\) gives, not a int"):
        said(no_stream, tape())


# --------------------------------------------------------------------------------------------------- tapes


@pytest.mark.parametrize(
    ("made", "prices", "seconds"),
    [
        (tape(), [100], [0]),
        (tape().flat(2), [100] * 3, [0, 1, 2]),
        (tape(every=0.5).flat(1), [100] * 3, [0, 0.5, 1]),
        (tape().drift(0.01, 2), [100, 100.5, 101], [0, 1, 2]),
        (tape().drift(-0.01, 0.1), [100, 99], [0, 0.1]),  # shorter than between two trades: one
        (tape().burst(0.003), [100, 100.1, 100.2, 100.3], [0, 1, 2, 3]),
        (tape().spike(0.1).flat(1), [100, 110, 100, 100], [0, 1, 2, 3]),
        (tape().prices(101, 99.5), [100, 101, 99.5], [0, 1, 2]),
        (tape().quiet(60).flat(1), [100, 100], [0, 60, 61]),
        (tape().gap(60, move=0.01).flat(1), [100, 101], [0, 60, 61]),
        (tape().halt(60, move=-0.01).flat(1), [100, 99], [0, 0, 60, 60, 61]),
        (tape().crossed(2), [100] * 3, [0, 1, 2]),
    ],
)
def test_a_tape_is_what_its_methods_say(made: Tape, prices: list[float], seconds: list[float]) -> None:
    assert prices_of(made) == prices
    assert seconds_of(made) == seconds
    assert made.seconds == seconds[-1]


def test_a_burst_is_on_large_trades_and_a_crossed_quote_crossed_until_it_ends() -> None:
    made = [event for event in tape(spread=0.04).burst(0.01, 1).crossed(1).flat(1) if isinstance(event, Trade)]
    assert [trade.size for trade in made] == [100, 500, 100, 100]
    assert [(trade.bid, trade.ask) for trade in made] == [
        (99.98, 100.02), (100.98, 101.02), (101.02, 100.98), (100.98, 101.02),
    ]  # fmt: skip
    assert [(trade.bid, trade.ask) for trade in tape(spread=None) if isinstance(trade, Trade)] == [(None, None)]
    assert tape().quote(99, 101, 5, 7).events[-1] == Quote("AAPL", START, 99, 101, 5, 7)


def test_a_gap_and_a_halt_are_told_of_as_a_venue_tells_of_them() -> None:
    assert Gap(START + 60 * SECOND, "AAPL", "missed") in tape().gap(60).events
    halted = [event.halted for event in tape().halt(60) if isinstance(event, TradingStatus)]
    assert halted == [True, False]
    begun = tape().flat(1)
    inside = [*begun, TradingStatus(begun.now, "AAPL", True), *begun.prices(101).events[-1:]]
    assert_signals(backtest(inside, strategy=at_prices(101, 1)), ("LONG", 2, "TRADING_HALT"))


def test_a_window_warms_up_again_behind_a_gap() -> None:
    def ready(made: Tape) -> list[bool]:
        return [frame.ready for _, frame in said(op.window(seconds=2, min_ticks=2), made)]

    assert ready(tape().flat(5)) == [False, False, True, True, True, True]
    assert ready(tape().flat(3).gap(1).flat(2)) == [False, False, True, True, False, False]


def test_timers_fire_where_nothing_is_traded() -> None:
    found = backtest(tape().prices(101).quiet(60), strategy=at_prices(101, 1))
    assert_trades(found, "FLAT")  # by candles, which the clock alone closes
    assert (found.trades[0].exit_ts - START) / SECOND == 4


def test_a_beginning_can_be_shared() -> None:
    begun = tape().flat(2)
    assert prices_of(begun.prices(101)) != prices_of(begun.prices(102))
    assert len(begun) == 3
    assert repr(begun) == "<Tape of AAPL: 3 events in 2 s, at 100>"


def test_symbols_side_by_side_are_in_order_and_go_on_after_both() -> None:
    both = tape("AAPL").flat(2).beside(tape("SPY", price=500).flat(4)).flat(1)
    assert seconds_of(both) == [0, 0, 1, 1, 2, 2, 3, 4, 5]
    assert prices_of(both) == [100, 500, 100, 500, 100, 500, 500, 500, 100]


def test_one_seed_is_one_path() -> None:
    assert tape().wander(20) == tape().wander(20)
    assert tape().wander(20) != tape().wander(20, seed=2)


STEPS: dict[str, Callable[[Tape, float], Tape]] = {
    "flat": lambda made, x: made.flat(1 + x),
    "drift": lambda made, x: made.drift(x - 0.5, 3),
    "burst": lambda made, x: made.burst(x / 100),
    "spike": lambda made, x: made.spike(x - 0.5),
    "wander": lambda made, x: made.wander(5, seed=round(x * 100)),
    "quiet": lambda made, x: made.quiet(1 + x),
    "gap": lambda made, x: made.gap(1 + x, x),
    "halt": lambda made, x: made.halt(1 + x),
    "crossed": lambda made, x: made.crossed(),
    "quote": lambda made, x: made.quote(99, 101, x),
}


@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.floats(0, 1)), max_size=6), st.sampled_from(["", ".gz"]))
def test_whatever_is_composed_is_in_order_and_is_read_back_as_it_was_written(
    steps: list[tuple[str, float]], compressed: str
) -> None:
    made = tape()
    for name, x in steps:
        made = STEPS[name](made, x)
    times = [getattr(event, "ts", 0) for event in made]
    assert times == sorted(times)
    assert times[-1] == made.now
    with tempfile.TemporaryDirectory() as folder:
        path = made.write(Path(folder) / f"made.jsonl{compressed}")
        assert list(read_tape(path)) == list(made)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: tape(""), "a symbol has 1 to 32 characters, and '' has 0"),
        (lambda: tape(price=0), "a price must be above 0, not 0"),
        (lambda: tape(every=0), "a time must be a number of seconds above 0, not 0"),
        (lambda: tape().flat(-1), "a time must be a number of seconds above 0, not -1"),
        (lambda: tape().burst(float("nan")), "a move is a fraction above -1"),
        (lambda: tape().gap(1, -1), "a move is a fraction above -1"),
        (lambda: tape().write("/nowhere/made.jsonl"), "made.jsonl cannot be written"),
    ],
)
def test_what_is_no_tape_is_refused_in_a_sentence(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make()


@given(tapes(symbols=("X",), most=60))
def test_a_tape_by_chance_can_be_decided(events: list[Any]) -> None:
    assert {event.symbol for event in events if isinstance(event, Trade)} == {"X"}
    assert backtest(events).summary["ticks"] <= len(events) <= 60


def test_without_hypothesis_its_part_says_how_to_get_it() -> None:
    code = "import sys; sys.modules['hypothesis'] = None; import microbot.testing; import microbot.testing.hypothesis"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: microbot.testing.hypothesis needs hypothesis: pip install 'microbot-trading[testing]' adds it"
    )


# ---------------------------------------------------------------------------------------------- assertions

FOUND = backtest(tape().flat(4).prices(101, 100.5, 99).quiet(20), strategy=at_prices(101, 99))
SHOWN = """\
  a column is 1 s, from the tape's start
  AAPL signals  -----L-s
  AAPL trades   -----[]-
  5 s: AAPL LONG at 101, approved
  6 s: AAPL LONG closed by SL at 100.49, P/L -0.5200
  7 s: AAPL SHORT at 99, refused: COOLDOWN
  funnel: ticks 8, ready 0, bursts 0, signals 2, approved 1, trades 1"""


def test_the_signals_and_trades_that_came_are_asserted() -> None:
    assert_signals(FOUND, ("LONG", 5), ("SHORT", 7, "COOLDOWN"))
    assert_trades(FOUND, "SL")
    assert_signals(FOUND, symbol="MSFT")
    assert_trades(FOUND, symbol="MSFT")


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ([], "expected 0 signals, came 2:\n  expected: none"),
        ([("LONG", 5)], "expected 1 signal, came 2:\n  expected: LONG at 5 s"),
        (
            [("SHORT", 5), ("SHORT", 7, "COOLDOWN")],
            "expected 2 signals, came 2:\n  expected: SHORT at 5 s; SHORT at 7 s, refused: COOLDOWN",
        ),
        ([("LONG", 5.5), ("SHORT", 7, "COOLDOWN")], "expected 2 signals, came 2:\n  expected: LONG at 5.5 s; "),
        ([("LONG", 5), ("SHORT", 7)], "expected 2 signals, came 2:\n  expected: LONG at 5 s; SHORT at 7 s\n"),
        ([("LONG", 5, "COOLDOWN"), ("SHORT", 7, "COOLDOWN")], "expected 2 signals, came 2:"),
    ],
)
def test_other_signals_than_expected_are_shown(expected: list[Any], told: str) -> None:
    with pytest.raises(AssertionError) as failed:
        assert_signals(FOUND, *expected)
    assert str(failed.value).startswith(told)
    assert str(failed.value).endswith(f"\n{SHOWN}")


def test_other_trades_than_expected_are_shown() -> None:
    with pytest.raises(AssertionError) as failed:
        assert_trades(FOUND, "TP", "SL")
    assert str(failed.value) == f"expected 2 trades, came 1:\n  expected: TP, SL\n  came:     SL\n{SHOWN}"


@pytest.mark.parametrize("signal", ["LONG", ("UP", 3), ("LONG", "3"), ("LONG",), ("LONG", 3, None)])
def test_what_is_no_signal_is_not_expected(signal: Any) -> None:
    with pytest.raises(UserError, match=r'a signal is expected as \("LONG", seconds\)'):
        assert_signals(FOUND, signal)


def test_a_picture_is_no_wider_than_a_page_and_as_long_as_one() -> None:
    nothing = picture(backtest(tape().flat(10), strategy=at_prices(1, 2)))
    assert nothing.startswith("  no signals\n  funnel: ticks 11, ")
    assert picture(backtest([])).startswith("  no signals")
    long = picture(backtest(tape().flat(3_000), strategy=at_prices(100, 1)))
    assert max(map(len, long.splitlines())) < 120
    assert len(long.splitlines()) < 50
    assert "a column is 60 s" in long


def test_a_picture_tells_what_kept_bursts_from_becoming_signals() -> None:
    slowly = backtest(tape().flat(30).drift(0.01, 60))
    assert picture(slowly).splitlines()[-1] == "  blocked: NO_VOLUME_SPIKE 1"


def test_each_symbol_has_its_lines() -> None:
    both = tape("AAPL").flat(3).beside(tape("MSFT").flat(3))
    shown = picture(backtest(both, strategy=at_prices(100, 1)))
    assert [line.split()[:2] for line in shown.splitlines()[1:5]] == [
        ["AAPL", "signals"], ["AAPL", "trades"], ["MSFT", "signals"], ["MSFT", "trades"],
    ]  # fmt: skip
