"""Each indicator beside a slow and obvious reference in numpy or pandas, and beside talipp where it has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import talipp.indicators as talipp
from hypothesis import given, strategies as st
from reactivex.disposable import CompositeDisposable
from reactivex.subject import Subject
from talipp.ohlcv import OHLCV

from pipeline import operators as op
from pipeline.events import SECOND, Candle, Quote, Trade
from pipeline.operators.indicator import Begin

Measured = list[float | None]

PRICES = st.lists(st.integers(9_000, 11_000).map(lambda cents: cents / 100), min_size=1, max_size=60)


def trades(prices: list[float], sizes: list[float] | None = None, gaps: list[float] | None = None) -> list[Trade]:
    """Return trades a second apart, or `gaps` apart."""
    ts, made = 1_000 * SECOND, []
    for number, price in enumerate(prices):
        ts += round((gaps[number] if gaps else 1.0) * SECOND)
        made.append(Trade("A", ts, price, sizes[number] if sizes else 1.0))
    return made


def values(indicator: op.Indicator, items: list[Any]) -> Measured:
    measure = indicator.begin(Begin(None, CompositeDisposable()))
    return [measure(item) for item in items]


def agrees(found: Measured, wanted: Any, *, within: float = 1e-9) -> None:
    """Say where two series first part; None and NaN are alike."""
    wanted = [None if value is None or np.isnan(value) else float(value) for value in wanted]
    assert len(found) == len(wanted)
    for place, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
        assert (ours is None) == (theirs is None), (place, ours, theirs)
        if ours is not None and theirs is not None:
            assert ours == pytest.approx(theirs, rel=within, abs=within), place


@given(PRICES, st.integers(1, 15))
def test_sma_is_the_rolling_mean(prices: list[float], n: int) -> None:
    agrees(values(op.sma(n), trades(prices)), pd.Series(prices).rolling(n).mean())


@given(PRICES, st.integers(1, 15))
def test_ema_is_that_of_talipp(prices: list[float], n: int) -> None:
    agrees(values(op.ema(n), trades(prices)), talipp.EMA(n, prices).output_values)


@given(PRICES, st.integers(2, 15))
def test_rsi_is_that_of_talipp(prices: list[float], n: int) -> None:
    ours = values(op.rsi(n), trades(prices))
    theirs = talipp.RSI(n, prices).output_values
    for mine, other in zip(ours, theirs, strict=True):
        if mine == 50.0:
            continue  # where nothing moved, it says 100
        agrees([mine], [other], within=1e-7)


@given(PRICES, st.integers(2, 5), st.integers(6, 12), st.integers(1, 5))
def test_macd_and_its_lines_are_those_of_talipp(prices: list[float], fast: int, slow: int, signal: int) -> None:
    found = talipp.MACD(fast, slow, signal, prices).output_values
    for line in ("macd", "signal", "histogram"):
        theirs = [None if value is None else getattr(value, line) for value in found]
        agrees(values(op.macd(fast, slow, signal, line=line), trades(prices)), theirs)


@given(PRICES, st.integers(2, 15), st.floats(0.5, 3))
def test_bollinger_bands_are_those_of_talipp(prices: list[float], n: int, width: float) -> None:
    found = talipp.BB(n, width, prices).output_values
    items = trades(prices)
    lines: list[tuple[Literal["upper", "middle", "lower"], str]] = [("upper", "ub"), ("middle", "cb"), ("lower", "lb")]
    for line, name in lines:
        theirs = [None if value is None else getattr(value, name) for value in found]
        agrees(values(op.bollinger(n, width, line=line), items), theirs, within=1e-6)
    mean, deviation = pd.Series(prices).rolling(n).mean(), pd.Series(prices).rolling(n).std(ddof=0)
    for place, b in enumerate(values(op.bollinger(n, width), items)):
        if b is not None and deviation[place] > 1e-3:
            assert b == pytest.approx((prices[place] - mean[place]) / (2 * width * deviation[place]) + 0.5, abs=1e-6)


@given(PRICES, st.integers(2, 20))
def test_a_z_score_is_the_distance_from_the_mean_in_deviations(prices: list[float], n: int) -> None:
    series = pd.Series(prices)
    mean, deviation = series.rolling(n).mean(), series.rolling(n).std(ddof=0)
    for place, z in enumerate(values(op.z_score(n), trades(prices))):
        assert (z is None) == (place < n - 1)
        if z is not None:
            window = prices[place - n + 1 : place + 1]
            wanted = (prices[place] - mean[place]) / deviation[place] if len(set(window)) > 1 else 0.0
            assert z == pytest.approx(wanted, abs=1e-6)


@given(PRICES, st.integers(1, 20))
def test_rate_of_change_and_log_return_look_so_many_items_back(prices: list[float], n: int) -> None:
    series = pd.Series(prices)
    agrees(values(op.rate_of_change(n), trades(prices)), series / series.shift(n) - 1)
    agrees(values(op.log_return(n), trades(prices)), np.log(series / series.shift(n)))


@given(PRICES, st.integers(1, 20))
def test_realized_volatility_is_the_root_of_the_squared_returns(prices: list[float], n: int) -> None:
    squares = np.log(pd.Series(prices) / pd.Series(prices).shift(1)) ** 2
    agrees(values(op.realized_volatility(n), trades(prices)), np.sqrt(squares.rolling(n).sum()), within=1e-7)


@given(PRICES, st.integers(2, 20))
def test_slope_is_that_of_the_least_squares_line(prices: list[float], n: int) -> None:
    wanted = [
        None if place < n - 1 else np.polyfit(np.arange(n), prices[place - n + 1 : place + 1], 1)[0]
        for place in range(len(prices))
    ]
    agrees(values(op.slope(n), trades(prices)), wanted, within=1e-7)


@st.composite
def candles(draw: st.DrawFn) -> list[Candle]:
    made, before = [], None
    for number, close in enumerate(draw(PRICES)):
        opened = draw(st.integers(9_000, 11_000)) / 100
        high = max(opened, close) + draw(st.integers(0, 200)) / 100
        low = min(opened, close) - draw(st.integers(0, 200)) / 100
        volume = float(draw(st.integers(0, 1_000)))
        start = (1_000 + number) * SECOND
        made.append(
            Candle("A", start, start + SECOND, close, before, opened, high, low, volume, close * volume, int(volume))
        )
        before = close
    return made


def bars(items: list[Candle]) -> list[OHLCV]:
    return [OHLCV(c.open, c.high, c.low, c.close, c.volume) for c in items]


@given(candles(), st.integers(1, 12))
def test_atr_is_that_of_talipp(items: list[Candle], n: int) -> None:
    agrees(values(op.atr(n), items), talipp.ATR(n, bars(items)).output_values, within=1e-7)


@given(candles(), st.integers(1, 12))
def test_donchian_channels_are_the_rolling_extremes(items: list[Candle], n: int) -> None:
    highs, lows = pd.Series([c.high for c in items]), pd.Series([c.low for c in items])
    upper, lower = highs.rolling(n).max(), lows.rolling(n).min()
    agrees(values(op.donchian(n, line="upper"), items), upper)
    agrees(values(op.donchian(n, line="lower"), items), lower)
    agrees(values(op.donchian(n, line="middle"), items), (upper + lower) / 2)


@given(candles(), st.integers(1, 12), st.integers(1, 4))
def test_stochastic_is_the_place_in_the_range_and_smoothed(items: list[Candle], n: int, smooth: int) -> None:
    highs, lows = pd.Series([c.high for c in items]), pd.Series([c.low for c in items])
    lowest = lows.rolling(n).min()
    width = highs.rolling(n).max() - lowest
    k = (100 * (pd.Series([c.close for c in items]) - lowest) / width).where((width > 0) | width.isna(), 50.0)
    agrees(values(op.stochastic(n, smooth), items), k.rolling(smooth).mean(), within=1e-7)


@given(candles(), st.integers(1, 10), st.integers(1, 10))
def test_keltner_channels_are_an_average_and_true_ranges(items: list[Candle], n: int, m: int) -> None:
    middle = talipp.EMA(n, [c.close for c in items]).output_values
    reach = talipp.ATR(m, bars(items)).output_values
    for line, sign in (("upper", 1), ("lower", -1)):
        wanted = [None if a is None or b is None else a + sign * 2 * b for a, b in zip(middle, reach, strict=True)]
        agrees(values(op.keltner(n, 2, m, line=line), items), wanted, within=1e-7)  # type: ignore[arg-type]


@given(candles())
def test_obv_adds_the_volume_of_rises_and_takes_that_of_falls(items: list[Candle]) -> None:
    closes = pd.Series([c.close for c in items])
    signs = np.sign(closes.diff().fillna(0))
    agrees(values(op.obv(), items), (signs * pd.Series([c.volume for c in items])).cumsum())


@given(candles(), st.integers(1, 12), st.sampled_from([0.0, 1.5, -2.0]))
def test_vwap_and_its_bands_weigh_by_volume(items: list[Candle], n: int, width: float) -> None:
    wanted: Measured = []
    for place in range(len(items)):
        some = items[max(0, place - n + 1) : place + 1]
        weights = np.array([c.volume for c in some])
        prices = np.array([c.close for c in some])
        if place < n - 1:
            wanted.append(None)
        elif weights.sum() == 0:
            wanted.append(items[place].close)
        else:
            mean = np.average(prices, weights=weights)
            wanted.append(mean + width * np.sqrt(np.average((prices - mean) ** 2, weights=weights)))
    agrees(values(op.vwap(n, width=width), items), wanted, within=1e-6)


@st.composite
def uneven(draw: st.DrawFn) -> list[Trade]:
    """Return trades at uneven times, several at one time among them."""
    prices = draw(PRICES)
    n = len(prices)
    gaps = draw(st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0, 7.0]), min_size=n, max_size=n))
    sizes = draw(st.lists(st.integers(0, 500).map(float), min_size=n, max_size=n))
    return trades(prices, sizes, gaps)


def windows(items: list[Trade], seconds: float) -> list[list[Trade] | None]:
    """Return the items of the last `seconds` at each item; None as long as so much time has not passed."""
    span = round(seconds * SECOND)
    return [
        [other for other in items[: place + 1] if other.ts > item.ts - span] if items[0].ts <= item.ts - span else None
        for place, item in enumerate(items)
    ]


TIMED: list[tuple[str, Callable[[float], op.Indicator], Callable[[list[Trade]], float]]] = [
    ("sma", lambda s: op.sma(seconds=s), lambda w: float(np.mean([t.price for t in w]))),
    ("trade_rate", op.trade_rate, lambda w: float(len(w))),
    ("rate_of_change", lambda s: op.rate_of_change(seconds=s), lambda w: w[-1].price / w[0].price - 1),
    ("donchian", lambda s: op.donchian(seconds=s, line="upper"), lambda w: max(t.price for t in w)),
    (
        "volume_ratio",
        lambda s: op.volume_ratio(seconds=s),
        lambda w: w[-1].size * (len(w) - 1) / others if (others := sum(t.size for t in w[:-1])) > 0 else 0.0,
    ),
]


@pytest.mark.parametrize(("name", "make", "reference"), TIMED)
@given(items=uneven(), seconds=st.sampled_from([0.5, 2.0, 5.0]))
def test_a_span_of_seconds_holds_what_came_within_them(
    name: str,
    make: Callable[[float], op.Indicator],
    reference: Callable[[list[Trade]], float],
    items: list[Trade],
    seconds: float,
) -> None:
    scale = seconds if name == "trade_rate" else 1.0
    wanted = [None if window is None else reference(window) / scale for window in windows(items, seconds)]
    agrees(values(make(seconds), items), wanted, within=1e-7)


@given(uneven(), st.integers(1, 10))
def test_signed_volume_follows_the_tick_rule(items: list[Trade], n: int) -> None:
    signs, sign = [], 0.0
    for before, item in zip([None, *items], items, strict=False):
        if before is not None and item.price != before.price:
            sign = 1.0 if item.price > before.price else -1.0
        signs.append(sign)
    sizes = pd.Series([t.size for t in items])
    signed = (pd.Series(signs) * sizes).rolling(n).sum()
    agrees(values(op.signed_volume(n, of="sum"), items), signed, within=1e-7)
    share = (signed / sizes.rolling(n).sum()).where(sizes.rolling(n).sum() > 0, 0.0).where(signed.notna())
    agrees(values(op.signed_volume(n), items), share, within=1e-7)


def test_signed_volume_asks_the_quote_first() -> None:
    quotes: Subject[Quote] = Subject()
    measure = op.signed_volume(1, quotes=quotes, of="sum").begin(Begin(None, CompositeDisposable()))
    quotes.on_next(Quote("A", 1, 100.0, 100.2))
    bought, in_the_middle, sold = trades([100.2, 100.1, 100.0], [5, 7, 3])
    assert [measure(bought), measure(in_the_middle), measure(sold)] == [5, -7, -3]  # the tick rule where it is neither


@given(st.lists(st.tuples(st.integers(9_000, 10_000), st.integers(1, 50), st.integers(0, 500), st.integers(0, 500))))
def test_what_quotes_say_is_computed_of_the_newest_one(given_quotes: list[tuple[int, int, int, int]]) -> None:
    quotes: Subject[Quote] = Subject()
    start = Begin(None, CompositeDisposable())
    spread, microprice, imbalance = (made(quotes).begin(start) for made in (op.spread, op.microprice, op.imbalance))
    tick = trades([100.0])[0]
    assert spread(tick) is microprice(tick) is imbalance(tick) is None
    for number, (bid, cents, bid_size, ask_size) in enumerate(given_quotes, 1):
        quote = Quote("A", number, bid / 100, (bid + cents) / 100, float(bid_size), float(ask_size))
        quotes.on_next(quote)
        middle, both = (quote.bid + quote.ask) / 2, bid_size + ask_size
        assert spread(tick) == pytest.approx((quote.ask - quote.bid) / middle)
        weighted = (quote.bid * ask_size + quote.ask * bid_size) / both if both else middle
        assert microprice(tick) == pytest.approx(weighted)
        assert imbalance(tick) == pytest.approx((bid_size - ask_size) / both if both else 0.0)


@pytest.mark.parametrize(("bid", "ask"), [(100.3, 100.2), (0.0, 100.2), (float("nan"), 1.0)])
def test_a_quote_that_is_none_leaves_the_one_before(bid: float, ask: float) -> None:
    quotes: Subject[Quote] = Subject()
    measure = op.spread(quotes).begin(Begin(None, CompositeDisposable()))
    quotes.on_next(Quote("A", 1, 100.0, 100.2))
    before = measure(None)
    quotes.on_next(Quote("A", 2, bid, ask))
    assert measure(None) == before


def test_indicators_of_quotes_end_with_their_subscription() -> None:
    quotes: Subject[Quote] = Subject()
    subscriptions = CompositeDisposable()
    op.spread(quotes).begin(Begin(None, subscriptions))
    assert len(quotes.observers) == 1
    subscriptions.dispose()
    assert not quotes.observers


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        ("2026-01-05T14:30:00Z", 9.5),  # winter: five hours behind
        ("2026-07-06T13:30:00Z", 9.5),  # summer: four
        ("2026-03-08T06:59:59Z", 1 + 3599 / 3600),  # the last second before the clocks go forward
        ("2026-03-08T07:00:00Z", 3.0),
        ("2026-01-05T04:59:00Z", 23 + 59 / 60),
    ],
)
def test_time_of_day_is_that_of_new_york_in_summer_and_winter(moment: str, hours: float) -> None:
    ts = pd.Timestamp(moment).value
    tick = Trade("A", ts, 1.0, 1.0)
    assert values(op.time_of_day(), [tick]) == [pytest.approx(hours)]
    assert values(op.minutes_from("09:30"), [tick]) == [pytest.approx((hours - 9.5) * 60)]
    assert values(op.minutes_to("16:00"), [tick]) == [pytest.approx((16 - hours) * 60)]


@given(st.lists(st.integers(0, 86_400 * 400), min_size=1, max_size=50))
def test_time_of_day_follows_any_order_of_times(seconds: list[int]) -> None:
    begin = pd.Timestamp("2026-01-01T00:00:00Z").value
    ticks = [Trade("A", begin + s * SECOND, 1.0, 1.0) for s in seconds]
    local = [pd.Timestamp(t.ts, tz="UTC").tz_convert("America/New_York") for t in ticks]
    agrees(values(op.time_of_day(), ticks), [t.hour + t.minute / 60 + t.second / 3600 for t in local])


@given(
    st.lists(st.tuples(st.integers(1, 9_000), st.integers(9_000, 11_000)), min_size=1, max_size=60),
    st.sampled_from([1.0, 30.0, 390.0]),
)
def test_the_opening_range_is_that_of_the_day_s_first_minutes(steps: list[tuple[int, int]], minutes: float) -> None:
    now, ticks = pd.Timestamp("2026-03-05T08:00:00", tz="America/New_York"), []  # over a change of the clocks
    for seconds, cents in steps:
        now += pd.Timedelta(seconds=seconds)
        ticks.append(Trade("A", now.value, cents / 100, 1.0))
    times = [pd.Timestamp(t.ts, tz="UTC").tz_convert("America/New_York") for t in ticks]
    opens = [time.replace(hour=9, minute=30, second=0, microsecond=0, nanosecond=0) for time in times]
    length = pd.Timedelta(minutes=minutes)
    for line, of in (("upper", max), ("lower", min)):
        wanted: list[float | None] = []
        for place, (time, open_) in enumerate(zip(times, opens, strict=True)):
            first = [t.price for t, at in zip(ticks[: place + 1], times, strict=False) if open_ <= at < open_ + length]
            wanted.append(of(first) if first and time >= open_ + length else None)
        assert values(op.opening_range(line, minutes), ticks) == wanted  # type: ignore[arg-type]


def test_a_candle_belongs_to_the_minutes_in_which_it_closes() -> None:
    open_ = pd.Timestamp("2026-01-05T09:30:00", tz="America/New_York").value
    closes = [(0, 9.0), (60, 10.0), (120, 11.0), (180, 12.0), (240, 13.0)]
    items = [
        Candle("A", open_ + (end - 60) * SECOND, open_ + end * SECOND, close, None, close, close + 1, close - 1)
        for end, close in closes
    ]
    assert values(op.opening_range("upper", 2), items) == [None, None, None, 12.0, 12.0]
    assert values(op.opening_range("lower", 2), items) == [None, None, None, 9.0, 9.0]


@given(PRICES, st.integers(1, 5))
def test_before_says_what_was_said_so_many_items_ago(prices: list[float], n: int) -> None:
    agrees(values(op.before(op.sma(3), n), trades(prices)), pd.Series(prices).rolling(3).mean().shift(n))


@given(PRICES)
def test_an_indicator_of_another_one_takes_its_values_for_prices(prices: list[float]) -> None:
    returns = pd.Series(prices).pct_change()
    agrees(values(op.sma(4).of(op.rate_of_change(1)), trades(prices)), returns.rolling(4).mean(), within=1e-8)


def test_since_last_is_the_time_between_two_items() -> None:
    assert values(op.since_last(), trades([1.0, 1.0, 1.0], gaps=[1.0, 0.25, 3.0])) == [None, 0.25, 3.0]


ALL: list[op.Indicator] = [
    op.ema(5), op.sma(5), op.sma(seconds=3), op.macd(2, 4, 3), op.slope(4), op.rate_of_change(3), op.log_return(),
    op.rsi(3), op.stochastic(4), op.realized_volatility(4), op.atr(3), op.bollinger(5), op.z_score(5),
    op.donchian(4, line="upper"), op.keltner(3, 2, 3, line="lower"), op.vwap(4), op.obv(), op.volume_ratio(4),
    op.signed_volume(4), op.trade_rate(3), op.since_last(), op.time_of_day(), op.before(op.ema(2)),
    op.opening_range("upper"), op.session_vwap(1.5),
]  # fmt: skip


@pytest.mark.parametrize("indicator", ALL, ids=lambda indicator: indicator.name)
@given(items=uneven(), cut=st.integers(0, 120))
def test_a_prefix_of_the_items_gives_a_prefix_of_the_values(
    indicator: op.Indicator, items: list[Trade], cut: int
) -> None:
    whole = values(indicator, items)
    assert values(indicator, items[:cut]) == whole[:cut]  # and so two subscriptions share nothing


@pytest.mark.parametrize("indicator", ALL, ids=lambda indicator: indicator.name)
def test_what_an_indicator_remembers_is_bounded(indicator: op.Indicator) -> None:
    def held(value: Any, seen: set[int]) -> int:
        """Count the values that a function's closure holds."""
        if id(value) in seen:
            return 0
        seen.add(id(value))
        inside: list[Any] = []
        if isinstance(value, float | int | str | type(None)):
            return 1
        if callable(value):
            inside = [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
        elif hasattr(value, "__slots__"):
            inside = [getattr(value, name) for name in value.__slots__]
        elif hasattr(value, "__iter__"):
            inside = list(value)
        return sum(held(part, seen) for part in inside)

    measure = indicator.begin(Begin(None, CompositeDisposable()))
    for item in trades([100.0 + n % 7 for n in range(50)]):
        measure(item)
    early = held(measure, set())
    for item in trades([100.0 + n % 7 for n in range(3_000)]):
        measure(item)
    assert held(measure, set()) <= early + 20


OPEN = 1_767_623_400 * SECOND  # 2026-01-05, 09:30 in New York


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(9_900, 10_100), st.integers(0, 50)), min_size=1, max_size=60),
    st.sampled_from([-1_800, 0, 200, 1_200]),
    st.sampled_from([0.0, 2.0]),
)
def test_the_session_vwap_is_that_of_the_ticks_since_the_open_of_a_day_that_was_heard_from_its_beginning(
    steps: list[tuple[int, int, int]], begins: int, width: float
) -> None:
    ts, ticks = OPEN + begins * SECOND, []
    for delay, cents, size in steps:
        ts += delay * SECOND
        ticks.append(Trade("A", ts, cents / 100, float(size)))
    day = 86_400 * SECOND
    wanted: Measured = []
    for place, tick in enumerate(ticks):
        opened = OPEN + (tick.ts - OPEN) // day * day
        is_after_midnight = tick.ts - opened >= 14.5 * 3_600 * SECOND  # 09:30 and fourteen and a half hours
        some = [t for t in ticks[: place + 1] if t.ts >= opened]
        if tick.ts < OPEN or is_after_midnight or some[0].ts - opened > 300 * SECOND:
            wanted.append(None)
            continue
        weights, prices = np.array([t.size for t in some]), np.array([t.price for t in some])
        if weights.sum() == 0:
            wanted.append(tick.price)
            continue
        mean = np.average(prices, weights=weights)
        wanted.append(mean + width * np.sqrt(np.average((prices - mean) ** 2, weights=weights)))
    agrees(values(op.session_vwap(width), ticks), wanted, within=1e-6)
