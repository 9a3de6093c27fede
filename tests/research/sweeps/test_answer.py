"""What a sweep says of its trades: windows, choices before them, and whether to believe the best setting."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from pipeline.events import Clock
from research.sweeps.answer import Found, Trades, found_in
from research.sweeps.timeline import SECOND, Timeline, spans_of
from service.errors import UserError
from service.recorded.columnar import TapeInfo, TapeWriter, rows_of
from tests.support.market import START, tape, trade
from tests.support.random_tapes import seeded_tape

HOUR = 3_600 * SECOND
ZONE = ZoneInfo("America/New_York")


def test_recorded_time_leaves_nights_out_and_counts_two_symbols_of_a_day_once() -> None:
    timeline = Timeline([(100 * HOUR, 106 * HOUR), (124 * HOUR, 130 * HOUR), (101 * HOUR, 105 * HOUR)])
    assert timeline.length == 12 * HOUR
    assert timeline.at(0.25) == 103 * HOUR
    assert timeline.at(0.75) == 127 * HOUR
    blocks = timeline.blocks(np.array([100, 103, 106, 110, 124, 127, 130], dtype=np.int64) * HOUR, 4)
    assert blocks.tolist() == [0, 1, 2, 2, 2, 3, 3]


def test_windows_follow_each_other_and_a_purge_gap_lies_before_each() -> None:
    timeline = Timeline([(0, 50 * HOUR)])
    windows = timeline.windows(4, 60)
    assert [window.cut for window in windows] == [10 * HOUR, 20 * HOUR, 30 * HOUR, 40 * HOUR]
    assert [window.ends for window in windows] == [20 * HOUR, 30 * HOUR, 40 * HOUR, 50 * HOUR + 1]
    assert {window.cut - window.purged for window in windows} == {60 * SECOND}
    assert {window.begins for window in windows} == {0}
    assert [window.begins for window in timeline.windows(4, 60, rolling=True)] == [0, 10 * HOUR, 20 * HOUR, 30 * HOUR]


def test_a_tape_says_from_when_to_when_it_is_whatever_its_form(tmp_path: Path) -> None:
    events = list(seeded_tape(3, 3_000))
    plain, columns = tmp_path / "tape.jsonl", tmp_path / "tape.parquet"
    plain.write_bytes(tape(events))
    with TapeWriter(columns, TapeInfo()) as writer:
        writer.write(rows_of(events))
        writer.finish({})
    assert spans_of(plain) == [(events[0].ts, events[-1].ts)]  # type: ignore[union-attr]
    assert spans_of(columns) == spans_of(plain)
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    with pytest.raises(UserError, match="no event with a time"):
        spans_of(empty)


def test_a_tape_of_several_days_has_a_stretch_for_each_whatever_its_form(tmp_path: Path) -> None:
    columns, plain = tmp_path / "days.parquet", tmp_path / "days.jsonl"
    seconds = [0, 60, 120, 86_400, 86_500, 3 * 86_400, 3 * 86_400 + 9]
    events = [trade(s, 100.0, symbol="A") if s else Clock(START) for s in seconds]
    with TapeWriter(columns, TapeInfo()) as writer:
        writer.write(rows_of(events))
        writer.finish({})
    damaged = b'{"type": "trade", "ts": "yesterday"}\n\xff\n{"type": "quote", "ts": 5}\n'
    plain.write_bytes(tape(events[:3]) + tape(events[3:]))
    stretches = [
        (0, 120 * SECOND), (86_400 * SECOND, 86_500 * SECOND), (3 * 86_400 * SECOND, (3 * 86_400 + 9) * SECOND)
    ]  # fmt: skip
    for path in (columns, plain):
        assert [(first - START, last - START) for first, last in spans_of(path)] == stretches
    plain.write_bytes(damaged + plain.read_bytes())
    assert Timeline(spans_of(plain)).length == Timeline(spans_of(columns)).length == 229 * SECOND


def made(settings: int, each: int, seed: int = 1, edge: dict[int, float] | None = None) -> Trades:
    """Make trades of settings without any edge, but for those that `edge` names: money a trade, deviation 1."""
    chance = np.random.default_rng(seed)
    setting = np.repeat(np.arange(settings), each)
    entry = np.sort(chance.integers(0, 50 * HOUR, (settings, each)), axis=1).ravel()
    pnl = chance.normal(0, 1, settings * each)
    for number, worth in (edge or {}).items():
        pnl[setting == number] += worth
    return Trades(settings, setting, entry, entry + 8 * SECOND, pnl)


def judged(trades: Trades, least: int = 10, windows: int = 4) -> Found:
    timeline = Timeline([(0, 50 * HOUR)])
    return found_in(trades, timeline, timeline.windows(windows, 23), "net", least, ZONE)


def test_settings_without_an_edge_are_not_believed() -> None:
    believed = [judged(made(40, 60, seed)).believe for seed in range(20)]
    assert sum(believed) <= 1


def test_a_setting_with_an_edge_is_found_out_of_sample_and_believed() -> None:
    found = judged(made(40, 200, edge={7: 0.5}))
    assert found.best == 7
    assert [fold.chosen for fold in found.folds] == [7, 7, 7, 7]
    assert found.believe
    assert found.outside.per_trade == pytest.approx(0.5, abs=0.25)
    assert found.interval.low is not None
    assert found.interval.low > 0
    assert found.deflated is not None
    assert found.deflated.probability > 0.95
    assert found.overfitting is not None
    assert found.overfitting.probability < 0.05
    assert found.superiority is not None
    assert found.superiority.spa < 0.05


def test_the_sentence_says_in_how_many_windows_the_best_was_chosen() -> None:
    for seed, expected in ((2, 4), (8, 2)):
        found = judged(made(40, 200, seed, edge={7: 0.6, 9: 0.6}))
        assert found.believe
        assert [fold.chosen == found.best for fold in found.folds].count(True) == expected
        assert "choosing this way earned out of sample" in found.sentence
        assert f"chosen in {expected} of 4 windows" in found.sentence


def test_shares_that_survive_are_of_settings_that_traded_in_the_window() -> None:
    """Settings 0 and 1 earn early, and of them 1 alone trades late, and earns; setting 2 only loses late."""
    entry = np.array([1, 1, 45, 45]) * HOUR
    trades = Trades(3, np.array([0, 1, 1, 2]), entry, entry + SECOND, np.array([1.0, 1.0, 1.0, -1.0]))
    survival = judged(trades, windows=1).survival
    assert (survival.earned, survival.survived, survival.share, survival.of_all) == (1, 1, 1.0, 0.5)


def test_where_all_have_the_same_edge_it_is_believed_and_the_choice_is_not() -> None:
    chance = np.random.default_rng(1)
    found = judged(made(40, 400, 3, edge={number: 0.4 + 0.001 * chance.random() for number in range(40)}))
    assert found.believe
    assert "not this setting" in found.sentence
    assert found.survival.share == pytest.approx(1.0, abs=0.05)


def test_a_choice_is_made_on_what_lies_before_its_window_less_the_gap_alone() -> None:
    # Setting 0 earns early, setting 1 late, and setting 2 a fortune in the gap before the first cut, and across it.
    hours = np.array([2, 3, 4, 30, 31, 32])
    entry = np.concatenate([hours * HOUR, hours * HOUR, [10 * HOUR - 9 * SECOND, 10 * HOUR - SECOND]])
    pnl = np.array([1.0, 1, 1, -1, -1, -1, -2, -2, -2, 9, 9, 9, 500, 500])
    trades = Trades(3, np.array([0] * 6 + [1] * 6 + [2] * 2), entry, entry + 2 * SECOND, pnl)
    found = judged(trades, least=2)
    assert [fold.chosen for fold in found.folds] == [0, 2, 2, 2]
    assert found.folds[0].inside.net == 3
    assert found.folds[0].outside.trades == 0
    assert found.best == 2
    assert not found.believe


@pytest.mark.parametrize(
    ("trades", "least", "sentence"),
    [
        (made(5, 4), 10, "no setting made 10 trades or more"),
        (made(5, 100, edge=dict.fromkeys(range(5), -2.0)), 10, "none earned anything, even in sample"),
        (made(5, 10, edge=dict.fromkeys(range(5), 2.0)), 5, "trades out of sample are too few"),
        (made(30, 60, 4), 10, "Do not believe it"),
    ],
)
def test_why_it_is_not_to_be_believed_is_said_in_a_sentence(trades: Trades, least: int, sentence: str) -> None:
    found = judged(trades, least)
    assert not found.believe
    assert sentence in found.sentence


def test_no_trades_at_all_are_no_fault() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    found = judged(Trades(3, nothing, nothing, nothing, np.zeros(0)))
    assert (found.tried, found.traded, found.best) == (3, 0, None)


@pytest.mark.parametrize("objective", ["net", "per_trade", "sharpe"])
def test_the_objective_says_what_the_best_has_most_of(objective: str) -> None:
    timeline = Timeline([(0, 50 * HOUR)])
    often, dearly, steady = [1.0, -0.9] * 60 + [30.0], [8.0] * 3 + [-2.0] * 2, [0.5] * 44 + [0.4] * 16
    pnl = [often, dearly, steady]
    setting = np.repeat([0, 1, 2], [len(each) for each in pnl])
    entry = np.concatenate([np.linspace(0, 50 * HOUR - 1, len(each)) for each in pnl]).astype(np.int64)
    trades = Trades(3, setting, entry, entry + SECOND, np.concatenate(pnl))
    found = found_in(trades, timeline, timeline.windows(4, 23), objective, 5, ZONE)  # type: ignore[arg-type]
    assert found.best == {"net": 0, "per_trade": 1, "sharpe": 2}[objective]
