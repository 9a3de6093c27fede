"""The market: what the seed fixes, what always holds, and whether it moves like one."""

from __future__ import annotations

import itertools
import statistics
from collections import deque

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from mock_exchange.events import SECOND, Event, Quote, Trade
from mock_exchange.market import Market, tape
from mock_exchange.price_process import start_price

START = 1_767_623_400 * SECOND  # 2026-01-05 09:30 in New York
HOUR = 3_600


def trades_of(events: list[Event]) -> list[Trade]:
    return [event for event in events if isinstance(event, Trade)]


def quotes_of(events: list[Event]) -> list[Quote]:
    return [event for event in events if isinstance(event, Quote)]


def in_slices(trades: list[Trade], seconds: int) -> list[list[Trade]]:
    """Cut an hour into slices of so many seconds; a slice may be empty."""
    slices: list[list[Trade]] = [[] for _ in range(HOUR // seconds)]
    for trade in trades:
        slices[(trade.ts - START) // (seconds * SECOND)].append(trade)
    return slices


@pytest.fixture(scope="module")
def hour() -> list[Event]:
    """An hour of one stock."""
    return list(tape(["AAPL"], 7, START, HOUR))


# ------------------------------------------------------------------------------------ what the seed fixes


def test_the_same_seed_gives_the_same_tape() -> None:
    assert list(tape(["AAPL", "MSFT"], 7, START, 60)) == list(tape(["AAPL", "MSFT"], 7, START, 60))


def test_another_seed_gives_another_tape() -> None:
    assert list(tape(["AAPL"], 7, START, 60)) != list(tape(["AAPL"], 8, START, 60))


def test_the_start_shifts_the_times_and_changes_nothing_else() -> None:
    shift = 12_345_678_901
    early = list(tape(["AAPL", "MSFT"], 7, START, 60))
    late = list(tape(["AAPL", "MSFT"], 7, START + shift, 60))
    assert [msgspec.structs.replace(event, ts=event.ts + shift) for event in early] == late


def test_another_symbol_changes_no_other_tape() -> None:
    alone = list(tape(["AAPL"], 7, START, 120))
    among = list(tape(["MSFT", "AAPL", "NVDA"], 7, START, 120))
    assert [event for event in among if event.symbol == "AAPL"] == alone


def test_symbols_move_independently() -> None:
    events = list(tape(["AAPL", "MSFT"], 7, START, 60))
    gaps = {
        symbol: [b.ts - a.ts for a, b in itertools.pairwise(e for e in events if e.symbol == symbol)][:20]
        for symbol in ("AAPL", "MSFT")
    }
    assert gaps["AAPL"] != gaps["MSFT"]


def test_a_longer_tape_begins_with_the_shorter_one() -> None:
    short = list(tape(["AAPL", "MSFT"], 7, START, 30))
    assert list(tape(["AAPL", "MSFT"], 7, START, 60))[: len(short)] == short


def test_a_tape_ends_before_its_last_second_does() -> None:
    events = list(tape(["AAPL"], 7, START, 30))
    assert events[0].ts >= START
    assert events[-1].ts < START + 30 * SECOND


def test_known_stocks_start_near_their_price_and_others_where_their_name_puts_them() -> None:
    assert start_price("AAPL") == 150.0
    assert start_price("MSFT") == 400.0
    assert start_price("NVDA") == 90.84  # pinned: it must be the same in every process, on every machine
    for symbol in ("AAPL", "MSFT", "NVDA", "BRK.B"):
        first = next(Market([symbol], 7, START))
        assert isinstance(first, Quote)
        assert first.bid == pytest.approx(start_price(symbol), rel=0.01)


@pytest.mark.parametrize("symbols", [[], ["AAPL", "AAPL"]])
def test_a_market_needs_different_symbols(symbols: list[str]) -> None:
    with pytest.raises(ValueError, match="a market needs"):
        Market(symbols, 7, START)


# ------------------------------------------------------------------------------------ what always holds


@given(seed=st.integers(), symbol=st.sampled_from(["AAPL", "MSFT", "NVDA", "F", "BTC/USD"]))
@settings(max_examples=30, deadline=None)
def test_every_tape_keeps_the_rules_of_a_tape(seed: int, symbol: str) -> None:
    check_rules(list(itertools.islice(Market([symbol], seed, START), 400)))


def test_an_hour_keeps_the_rules_of_a_tape(hour: list[Event]) -> None:
    check_rules(hour)


def check_rules(events: list[Event]) -> None:
    """Check that times rise, prices lie on the grid, trades inside the quote last told, and ids rise by one."""
    assert all(a.ts < b.ts for a, b in itertools.pairwise(events))
    quote = None
    ids = itertools.count(1)
    for event in events:
        assert 0 < event.bid < event.ask
        assert all(price == round(price, 2) for price in (event.bid, event.ask))
        if isinstance(event, Quote):
            quote = (event.bid, event.ask)
        else:
            assert (event.bid, event.ask) == quote
            assert event.bid <= event.price <= event.ask
            assert event.price == round(event.price, 2)
            assert event.size > 0
            assert event.id == next(ids)


def test_several_symbols_come_in_one_order_of_time() -> None:
    events = list(tape(["AAPL", "MSFT", "NVDA"], 7, START, 120))
    assert {event.symbol for event in events} == {"AAPL", "MSFT", "NVDA"}
    assert all(a.ts <= b.ts for a, b in itertools.pairwise(events))


def test_due_takes_the_events_up_to_a_time_and_no_more_than_the_limit() -> None:
    expected = list(itertools.islice(Market(["AAPL"], 7, START), 10))
    market = Market(["AAPL"], 7, START)
    assert market.due(expected[0].ts - 1, limit=100) == []
    assert market.due(expected[4].ts, limit=3) == expected[:3]
    assert market.due(expected[4].ts, limit=100) == expected[3:5]
    assert market.next_ts == expected[5].ts


# ---------------------------------------------------------------------------------- whether it is a market


def test_events_come_as_often_as_on_a_real_tape(hour: list[Event]) -> None:
    assert 1 < len(trades_of(hour)) / HOUR < 5
    assert 1 < len(quotes_of(hour)) / HOUR < 5


def test_trades_come_in_clusters(hour: list[Event]) -> None:
    counts = [len(slice_) for slice_ in in_slices(trades_of(hour), 1)]
    assert statistics.pvariance(counts) / statistics.fmean(counts) > 4  # of trades without memory it is 1


def test_the_spread_is_a_cent_to_a_few_and_wider_where_the_price_is_higher() -> None:
    for symbol, widest in (("AAPL", 2), ("MSFT", 5)):
        spreads = [round(100 * (q.ask - q.bid)) for q in quotes_of(list(tape([symbol], 7, START, HOUR)))]
        assert 1 <= statistics.median(spreads) <= widest
        assert max(spreads) > statistics.median(spreads)


def test_sizes_are_mostly_round_lots_with_odd_ones_and_a_heavy_tail(hour: list[Event]) -> None:
    sizes = [trade.size for trade in trades_of(hour)]
    assert 0.5 < sum(size % 100 == 0 for size in sizes) / len(sizes) < 0.9
    assert sum(size < 100 for size in sizes) > 0.1 * len(sizes)
    assert max(sizes) >= 2_000


@pytest.mark.parametrize("seed", [1, 7, 42])
@pytest.mark.parametrize("symbol", ["AAPL", "MSFT"])
def test_volume_clusters_with_moves(symbol: str, seed: int) -> None:
    volumes, moves = [], []
    for slice_ in in_slices(trades_of(list(tape([symbol], seed, START, HOUR))), 10):
        if slice_:
            volumes.append(sum(trade.size for trade in slice_))
            moves.append(abs(slice_[-1].price / slice_[0].price - 1))
    assert statistics.correlation(volumes, moves) > 0.25
    by_move = sorted(zip(moves, volumes, strict=True))
    tenth = len(by_move) // 10
    quiet = statistics.fmean(volume for _, volume in by_move[: 5 * tenth])
    lively = statistics.fmean(volume for _, volume in by_move[-tenth:])
    assert lively > 2 * quiet


def test_moves_have_fat_tails_and_bursts_go_both_ways() -> None:
    returns = []
    for seed in range(4):
        last = [s[-1].price for s in in_slices(trades_of(list(tape(["AAPL"], seed, START, HOUR))), 15) if s]
        returns += [b / a - 1 for a, b in itertools.pairwise(last)]
    deviation = statistics.pstdev(returns)
    assert statistics.fmean((r / deviation) ** 4 for r in returns) > 4  # of a normal distribution it is 3
    assert min(returns) < -0.0010
    assert max(returns) > 0.0010


def test_prices_stay_near_their_start_for_hours() -> None:
    prices = [trade.price for trade in trades_of(list(tape(["AAPL"], 3, START, 6 * HOUR)))]
    assert min(prices) > 0.9 * 150
    assert max(prices) < 1.1 * 150


def bursts_worth_a_look(trades: list[Trade]) -> list[int]:
    """Times at which a 15 s window first shows a move of 0.05 %, a range of 0.1 % and a size of 1.5 times the mean."""
    window: deque[Trade] = deque()
    found: list[int] = []
    pointing = fired = 0
    for trade in trades:
        while window and window[0].ts <= trade.ts - 15 * SECOND:
            window.popleft()
        others = sum(other.size for other in window) / len(window) if window else 0.0
        window.append(trade)
        move = trade.price / window[0].price - 1
        direction = (move >= 0.0005) - (move <= -0.0005) if len(window) >= 3 else 0
        if direction != pointing:
            pointing, fired = direction, 0
        if direction and not fired and trade.size > 1.5 * others > 0:
            prices = [each.price for each in window]
            if max(prices) / min(prices) - 1 >= 0.001:
                fired = 1
                found.append(trade.ts)
    return found


def test_something_happens_within_minutes_whatever_the_seed() -> None:
    rates = []
    for seed in range(12):
        found = {symbol: bursts_worth_a_look(trades_of(list(tape([symbol], seed, START, 1_200)))) for symbol in "AB"}
        assert min(itertools.chain(*found.values())) < START + 900 * SECOND
        rates += [len(times) / 2 for times in found.values()]  # in ten minutes
    assert 2 < statistics.median(rates) < 12
