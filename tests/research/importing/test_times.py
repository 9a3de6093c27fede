"""Times in another unit than that of their file are refused, and none of them wraps around."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.engine.core import Input
from pipeline.events import Gap, Trade
from research.importing import importer
from research.importing.notes import NO_TIME, SKIPPED, Options
from service.errors import UserError
from service.recorded import columnar
from tests.research.importing.files import written

MS = 1_000_000
GOOD, OTHER = 1_735_600_000_000, 1_735_689_600_000_000  # ms, us


def events(path: Path, options: Options) -> tuple[list[Input], importer.Report]:
    out = path.parent / "out.parquet"
    report = importer.run([path], out, options, replace=True)
    return [event for batch in columnar.events(out) for event in batch], report


def mixed(folder: Path, form: str) -> Path:
    """Write two rows in ms, and between them one in us: as a month whose unit changed has them."""
    every = (GOOD, OTHER, GOOD + 1)
    if form == "parquet":
        path = folder / "a.parquet"
        pq.write_table(pa.table({"ts": list(every), "price": [1.0] * 3, "size": [1.0] * 3}), path)
        return path
    lines = {
        "binance": "1,1,1,1,{},true,true",
        "csv": "{},1,1",
        "decimals": "{}.0,1,1",
        "tape": '{{"type":"trade","symbol":"A","ts":{},"price":1.0,"size":1}}',
    }
    text = "\n".join(lines[form].format(ts) for ts in every) + "\n"
    if form in ("csv", "decimals"):
        return written(folder / "a.csv", "ts,price,size\n" + text)
    return written(folder / {"binance": "A-trades-2024-12-31.csv", "tape": "a.jsonl"}[form], text)


@pytest.mark.parametrize("form", ["binance", "csv", "decimals", "parquet", "tape"])
def test_a_row_in_another_unit_is_refused_and_does_not_wrap_around(form: str, tmp_path: Path) -> None:
    found, report = events(mixed(tmp_path, form), Options(symbol="A", unit="ms"))
    assert [event.ts for event in found if isinstance(event, Trade)] == [GOOD * MS, (GOOD + 1) * MS]
    assert report.notes.counts == {NO_TIME: 1}


def test_a_dump_whose_first_row_has_no_time_is_read_from_the_next_on(tmp_path: Path) -> None:
    path = written(tmp_path / "A-trades-2024-12-31.csv", f"1,1,1,1,,true,true\n2,1,1,1,{GOOD},true,true\n")
    found, report = events(path, Options())
    assert [event.ts for event in found if isinstance(event, Trade)] == [GOOD * MS]
    assert report.notes.counts == {NO_TIME: 1}


def test_times_of_day_of_lean_are_within_a_day(tmp_path: Path) -> None:
    rows = "34200000,12000,1,C,0,0\n,12000,1,C,0,0\n99999999999999,12000,1,C,0,0\n"
    found, report = events(written(tmp_path / "20131007_aapl_trade_tick.csv", rows), Options())
    assert (len(found), report.notes.counts) == (1, {NO_TIME: 2})


def test_dates_of_other_centuries_do_not_wrap_around(tmp_path: Path) -> None:
    times = pa.array([1_735_600_000, 99_999_999_999], pa.timestamp("s", "UTC"))
    pq.write_table(pa.table({"ts": times, "price": [1.0, 2.0], "size": [1.0, 1.0]}), tmp_path / "a.parquet")
    found, report = events(tmp_path / "a.parquet", Options(symbol="A"))
    assert (len(found), report.notes.counts) == (1, {NO_TIME: 1})


def test_what_is_a_line_on_the_tape_is_scaled_in_it(tmp_path: Path) -> None:
    lines = (
        f'{{"type":"trade","symbol":"A","ts":{GOOD},"price":1.0,"size":1}}\n'
        f'{{"type":"gap","ts":{GOOD + 5},"symbol":"A","reason":"x","print_ts":{GOOD}}}\n'
    )
    found, _ = events(written(tmp_path / "a.jsonl", lines), Options(unit="ms"))
    assert found == [Trade("A", GOOD * MS, 1.0, 1.0), Gap((GOOD + 5) * MS, "A", "x", GOOD * MS)]


def test_a_recording_has_no_other_unit(tmp_path: Path) -> None:
    line = '{"type":"settings","settings":{},"version":"1"}\n'
    with pytest.raises(UserError, match="is a recording, whose times are in nanoseconds"):
        events(written(tmp_path / "a.jsonl", line), Options(unit="ms"))


def local(folder: Path, form: str, *texts: str) -> Path:
    """Write trades at times of day without an offset."""
    if form == "csv":
        return written(folder / "a.csv", "ts,price,size\n" + "".join(f"{text},1,1\n" for text in texts))
    path = folder / "a.parquet"
    stamps = pa.array(texts).cast(pa.timestamp("us"))
    pq.write_table(pa.table({"ts": stamps, "price": [1.0] * len(texts), "size": [1.0] * len(texts)}), path)
    return path


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_time_that_summer_time_leaves_out_is_refused_and_not_moved(form: str, tmp_path: Path) -> None:
    path = local(tmp_path, form, "2024-03-10 01:59:59", "2024-03-10 02:30:00", "2024-03-10 03:00:00")
    found, report = events(path, Options(symbol="A", timezone="America/New_York"))
    assert [event.ts // 10**9 for event in found if isinstance(event, Trade)] == [1_710_053_999, 1_710_054_000]
    assert report.notes.counts == {SKIPPED: 1}


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_times_of_an_hour_that_comes_twice_are_told(form: str, tmp_path: Path) -> None:
    path = local(tmp_path, form, "2024-11-03 00:59:59", "2024-11-03 01:30:00", "2024-11-03 01:10:00")
    _, report = events(path, Options(symbol="A", timezone="America/New_York"))
    assert any("has twice" in said and "2024-11-03 01:30:00" in said for said in report.notes.said)
    _, report = events(local(tmp_path, form, "2024-11-04 01:30:00"), Options(symbol="A", timezone="America/New_York"))
    assert not any("has twice" in said for said in report.notes.said)


def test_local_times_of_another_century_are_refused_and_not_looked_up(tmp_path: Path) -> None:
    path = local(tmp_path, "parquet", "0001-01-01 00:00:00", "9999-12-31 23:59:59", "2024-07-01 12:00:00")
    found, report = events(path, Options(symbol="A", timezone="America/New_York"))
    assert (len(found), report.notes.counts) == (1, {NO_TIME: 2})
