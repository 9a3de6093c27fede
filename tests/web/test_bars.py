"""Bars: whatever is made coarser, nothing that mattered is lost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from pipeline.events import SECOND
from tests.web.builders import tick
from web.bars import DAY_BARS, DAY_WIDTH, PRICES, WIDTHS, PriceCourse, Row, Series, bars_of, folded, width_for
from web.messages import Tick

FOLDS = tuple(PRICES.values())

seconds = st.integers(0, 400)
prices = st.integers(1, 10_000).map(float)
tapes = st.lists(st.tuples(seconds, prices, st.integers(1, 500)), min_size=1, max_size=120).map(
    lambda found: [tick(second, price, float(size)) for second, price, size in sorted(found, key=lambda one: one[0])]
)


def whole(rows: Sequence[Row]) -> tuple[float, ...]:
    """Return first, highest, lowest and last price of bars, and their volume."""
    opens, highs, lows, closes, volumes = ([row[n] for row in rows] for n in range(1, 6))
    return opens[0], max(highs), min(lows), closes[-1], sum(volumes)


def of_ticks(ticks: Sequence[Tick]) -> tuple[float, ...]:
    """Return the same of the ticks themselves."""
    found = [one.price for one in ticks]
    return found[0], max(found), min(found), found[-1], sum(one.size for one in ticks)


@given(tapes, st.lists(st.integers(0, 120), max_size=6), st.sampled_from(WIDTHS))
def test_no_decimation_loses_high_low_first_last_or_volume(tape: list[Tick], cuts: list[int], width: int) -> None:
    course = PriceCourse(3_600)
    edges = [0, *sorted(cuts), len(tape)]
    for start, end in pairwise(edges):  # as it comes from the bot: cut anywhere
        course.see(bars_of(tape[start:end]))
    since, until = tape[0].ts // SECOND, tape[-1].ts // SECOND + 1

    got, rows = course.between(since, until, width)

    assert whole(rows) == of_ticks(tape)
    assert (got, [row[0] % width for row in rows]) == (width, [0] * len(rows))
    assert [row[0] for row in rows] == sorted({row[0] for row in rows})


@given(tapes, st.integers(1, 60), st.sampled_from(WIDTHS))
def test_the_day_loses_nothing_either_once_its_seconds_are_gone(tape: list[Tick], kept: int, width: int) -> None:
    course = PriceCourse(kept)
    course.see(bars_of(tape))
    since, until = tape[0].ts // SECOND, tape[-1].ts // SECOND + 1

    _, rows = course.between(since, until, max(width, DAY_WIDTH))

    assert whole(rows) == of_ticks(tape)


@given(tapes, st.sampled_from(WIDTHS), st.sampled_from(WIDTHS))
def test_made_coarser_twice_is_made_coarser_once(tape: list[Tick], one: int, other: int) -> None:
    course = PriceCourse(3_600)
    course.see(bars_of(tape))
    rows = course.since(0)
    narrow, wide = sorted((one, other))
    if wide % narrow == 0:
        assert folded(folded(rows, FOLDS, narrow), FOLDS, wide) == folded(rows, FOLDS, wide)


@given(tapes, st.integers(0, 120))
def test_another_process_recalls_the_same_whether_before_or_behind_the_news(tape: list[Tick], cut: int) -> None:
    older, newer = tape[:cut], tape[cut:]
    before, all_of_it = PriceCourse(3_600), PriceCourse(3_600)
    before.see(bars_of(older))
    for ticks in (older, newer):
        all_of_it.see(bars_of(ticks))
    for first in (True, False):
        again = PriceCourse(3_600)
        if not first:
            again.see(bars_of(newer))
        for part in before.parts():
            again.recall(part)
        if first:
            again.see(bars_of(newer))
        assert again.since(0) == all_of_it.since(0)
        assert again.between(0, 4e9, DAY_WIDTH) == all_of_it.between(0, 4e9, DAY_WIDTH)


def test_a_spike_of_one_tick_in_a_day_is_on_the_chart_of_the_day() -> None:
    course = PriceCourse(3_600)
    for minute in range(24 * 60):
        course.see(bars_of([tick(minute * 60 + s, 100.0) for s in (0, 30)]))
        if minute == 17:
            course.see(bars_of([tick(minute * 60 + 31, 250.0), tick(minute * 60 + 32, 100.0)]))
    width, rows = course.between(0, 4e9, 60)
    assert width == 60
    assert max(row[2] for row in rows) == 250.0


def test_a_series_is_bounded_and_the_oldest_go_first() -> None:
    series = Series(PRICES, 1, 10)
    for second in range(5_000):
        assert series.add(second, *[1.0] * 7)
    assert [row[0] for row in series.rows()] == list(range(4_990, 5_000))
    assert len(series) < 300
    assert series.trimmed
    assert not series.add(4_998, *[1.0] * 7)


def test_of_the_whole_day_as_much_is_kept_as_a_day_has() -> None:
    assert DAY_WIDTH * DAY_BARS == 86_400


@pytest.mark.parametrize(
    ("span", "points", "width"),
    [(60, 600, 1), (900, 900, 1), (901, 900, 2), (3_600, 900, 5), (86_400, 1_500, 60), (86_400 * 400, 1, 86_400 * 400)],
)
def test_bars_are_as_wide_as_they_have_to_be(span: float, points: int, width: int) -> None:
    assert width_for(span, points) == width
