"""The checks find what a person should know of a tape, however its rows come, and show it."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from pipeline.events import SECOND, Quote, Trade
from research.importing import checks as checking, picture, rows
from research.importing.checks import Checks, Found, Span
from research.importing.picture import PLAIN, sparkline
from research.importing.telling import blocks_of

START = 1_723_075_200 * SECOND
UTC = ZoneInfo("UTC")


def looked(events: Sequence[Trade | Quote], size: int = 3) -> Checks:
    """Look at events in small tables."""
    checks = Checks()
    for start in range(0, len(events), size):
        checks.look(rows.of_events(events[start : start + size]))
    checks.finish()
    return checks


def trade(seconds: float, price: float = 100.0, size: float = 1.0, symbol: str = "A") -> Trade:
    return Trade(symbol, START + round(seconds * SECOND), price, size)


def quote(seconds: float, bid: float, ask: float, symbol: str = "A") -> Quote:
    return Quote(symbol, START + round(seconds * SECOND), bid, ask)


def only(checks: Checks) -> Found:
    [found] = checks.found
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_counts_are_the_same_wherever_tables_end(size: int) -> None:
    events: list[Trade | Quote] = [
        trade(0, 100),
        quote(0.5, 99, 101),
        trade(1, 101, 0.0),
        trade(1, 101),
        quote(2, 101, 100),
        quote(3, 101, 101),
        trade(2.5, 102, 7.0),
        trade(2, 103),
    ]
    found = only(looked(events, size))
    assert (found.trades, found.quotes, found.ties, found.late, found.no_size) == (5, 3, 1, 1, 1)
    assert (found.crossed, found.locked) == (1, 1)
    assert (found.low, found.high, found.first_price, found.last_price, found.volume) == (100, 103, 100, 103, 10)
    assert (found.first_ts, found.last_ts) == (START, START + 3 * SECOND)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_price_that_stands_alone_is_told_and_a_move_is_not(size: int) -> None:
    prices = [100, 100.1, 110, 100.2, 100.1, 103, 103.1, 103, 90, 89.9]
    found = only(looked([trade(n, price) for n, price in enumerate(prices)], size))
    assert found.alone == 1
    [example] = found.alone_examples
    assert (example.ts, example.before, example.price, example.after) == (START + 2 * SECOND, 100.1, 110.0, 100.2)


@pytest.mark.parametrize("size", [2, 5, 1_000])
def test_a_silence_within_a_session_is_a_gap_and_a_longer_one_parts_sessions(size: int) -> None:
    morning = [trade(n) for n in range(200)]
    after_gap = [trade(500 + n) for n in range(200)]
    next_day = [trade(86_400 + n) for n in range(200)]
    checks = looked([*morning, *after_gap, *next_day], size)
    found = only(checks)
    assert found.longest_gaps == [Span(START + 199 * SECOND, START + 500 * SECOND)]
    assert found.gaps == 1
    assert [(span.start - START, span.end - START) for span in checks.sessions] == [
        (0, 699 * SECOND),
        (86_400 * SECOND, 86_599 * SECOND),
    ]
    assert picture.sessions(checks, UTC).startswith("2 sessions: 2024-08-08 00:00:00 to 2024-08-08 00:11:39; ")


def test_a_symbol_that_is_slow_has_no_gaps() -> None:
    assert only(looked([trade(n * 120) for n in range(50)])).gaps == 0


@pytest.mark.parametrize(("step", "unit"), [(SECOND, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")])
def test_the_finest_unit_of_times_is_told(step: int, unit: str) -> None:
    assert looked([trade(0), Trade("A", START + 3 * step, 1.0, 1.0)]).resolution == unit


def test_many_symbols_are_looked_at_together_and_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_AT_ONCE", 64)
    events = [trade(n, 100 + n % 60, symbol=f"S{n % 60}") for n in range(600)]
    checks = Checks()
    whole = rows.of_events(events)
    for start in range(0, 600, 7):
        checks.look(whole.slice(start, 7))
    checks.finish()
    assert [found.trades for found in checks.found] == [10] * 60
    assert all(found.low == found.high == 100 + int(found.symbol[1:]) for found in checks.found)


def test_a_long_picture_has_a_bounded_number_of_buckets_and_loses_no_volume() -> None:
    ts = START + np.arange(100_000) * SECOND
    made = picture_of(ts, np.linspace(1, 2, len(ts)))
    assert len(made.price) <= checking.MOST_BUCKETS
    assert sum(made.volume.values()) == 100_000
    prices, volumes, start, end = picture.columns(made, 50)
    assert prices == sorted(price for price in prices if price is not None)
    assert sum(volume for volume in volumes if volume is not None) == 100_000
    assert start <= START < START + 100_000 * SECOND <= end


def picture_of(ts: rows.Numbers, price: rows.Numbers) -> checking.Picture:
    checks = Checks()
    checks.look(rows.table(rows.TRADE, "A", ts, price=price, size=np.ones(len(ts))))
    return checks.picture("A")


def test_a_sparkline_shows_high_and_low_and_where_nothing_is() -> None:
    assert sparkline([1, 2, None, 3]) == "▁▅ █"
    assert sparkline([5, 5]) == "▁▁"
    assert sparkline([2, 4], floor=0.0) == "▅█"
    assert sparkline([None]) == ""
    assert sparkline([0, 1], PLAIN) == "_#"
    assert (blocks_of("ascii"), blocks_of("utf-8"), blocks_of("nonsense")) == (PLAIN, picture.BLOCKS, PLAIN)


def test_rows_that_stand_twice_are_told_of_trades_at_one_time() -> None:
    moves = [trade(n, 100 + n % 2) for n in range(10)]
    twice = looked([each for each in moves for _ in range(2)])
    assert (only(twice).ties, only(twice).repeated) == (10, 10)
    said = "\n".join(picture.lines(only(twice), twice, UTC))
    assert "10 of them its price and size too: rows that stand twice in a file look like that" in said
    swept = looked([trade(n, 100 + step) for n in range(10) for step in range(2)])
    assert (only(swept).ties, only(swept).repeated) == (10, 0)
    assert "stand twice" not in "\n".join(picture.lines(only(swept), swept, UTC))


def test_rows_that_stand_twice_are_counted_over_the_end_of_a_batch() -> None:
    checks = Checks()
    for _ in range(2):
        checks.look(rows.of_events([trade(0, 100)]))
    checks.finish()
    assert only(checks).repeated == 1


def test_what_is_odd_is_said_in_sentences() -> None:
    checks = looked([*(trade(0) for _ in range(3)), quote(1, 101, 100), trade(0.5)])
    said = "\n".join(picture.lines(only(checks), checks, UTC))
    assert "2 trades (50 %) share the time of the one before" in said
    assert "1 quotes are crossed (bid above ask): a replay keeps the quote before them" in said
    assert "no quotes" not in said
    bare = looked([trade(0), trade(1)])
    assert "no quotes: what the spread costs cannot be told" in "\n".join(picture.lines(only(bare), bare, UTC))
    mute = looked([quote(0, 1, 2)])
    assert "no trades: a strategy that follows trades decides nothing here" in picture.lines(only(mute), mute, UTC)[-1]


def test_rows_that_are_no_market_data_are_passed_over() -> None:
    checks = Checks()
    checks.look(
        pa.table(
            {"kind": pa.array([9], pa.int8()), "symbol": pa.nulls(1, rows.schema().field("symbol").type), "ts": [0]}
        )
    )
    assert (checks.found, checks.sessions, picture.sessions(checks, UTC)) == ([], [], "no sessions")
