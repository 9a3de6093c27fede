"""Rows of several files come in one order, whatever lies between them; conditions are applied as on a feed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings, strategies as st

from actors.engine.core import Input
from pipeline.events import Prints, Quote, Refused, Trade
from pipeline.venues.sale_prints import SalePrints as ByEvents
from research.importing import importer, ordering, rows
from research.importing.notes import Notes, Options
from research.importing.ordering import Disordered, Stream, in_order, kept, merged, runs
from research.importing.prints import SalePrints
from service.recorded import columnar
from tests.research.importing import files

STEPS = st.lists(st.integers(0, 3), max_size=12)


def table(times: list[int], symbol: str) -> pa.Table:
    ts = np.array(times, np.int64)
    return rows.table(rows.TRADE, symbol, ts, price=np.ones(len(ts)), size=np.arange(len(ts), dtype=np.float64))


def cut(whole: pa.Table, size: int) -> Iterator[pa.Table]:
    return (whole.slice(start, size) for start in range(0, len(whole), size))


def read(tables: Iterator[pa.Table]) -> list[tuple[int, str, float]]:
    found = [
        (row["ts"], row["symbol"], row["size"])
        for part in tables
        for row in part.select(["ts", "symbol", "size"]).to_pylist()
    ]
    return found


@given(st.lists(STEPS, min_size=1, max_size=5), st.integers(1, 4))
def test_merged_streams_are_by_time_then_by_rank_and_nothing_is_lost(steps: list[list[int]], size: int) -> None:
    held, ordering._HELD = ordering._HELD, 4
    try:
        streams, expected = [], []
        for place, found in enumerate(steps):
            times = np.cumsum(found).tolist()
            if not times:
                continue
            whole = table(times, f"S{place}")
            streams.append(
                Stream((place,), times[0], lambda whole=whole: in_order(cut(whole, size), Notes()))  # type: ignore[misc]
            )
            expected += [(ts, place, number) for number, ts in enumerate(times)]
        found_ = read(merged(streams)) if streams else []
    finally:
        ordering._HELD = held
    assert found_ == [(ts, f"S{place}", float(number)) for ts, place, number in sorted(expected)]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(1, 8))
def test_what_is_out_of_order_is_sorted_or_said_to_be_too_far_apart(times: list[int], size: int) -> None:
    expected = [(ts, "A", float(number)) for ts, number in sorted(zip(times, range(len(times)), strict=True))]
    notes = Notes()
    try:
        found = read(part.rows for part in in_order(cut(table(times, "A"), size), notes))
    except Disordered:
        assert size < len(times)
    else:
        assert found == expected
        assert notes.unordered == sum(ts < max(times[: place + 1]) for place, ts in enumerate(times))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(1, 8), st.integers(2, 9))
@settings(deadline=None)
def test_runs_sort_any_order(times: list[int], size: int, run: int) -> None:
    held, ordering.RUN = ordering.RUN, run
    try:
        with TemporaryDirectory() as folder:
            streams = list(runs([cut(table(times, "A"), size)], Path(folder), (0, 0), Notes()))
            found = read(merged(streams))
    finally:
        ordering.RUN = held
    assert found == [(ts, "A", float(number)) for ts, number in sorted(zip(times, range(len(times)), strict=True))]


def test_an_order_that_is_a_fact_stays() -> None:
    late = table([5, 9, 7, 10], "A")
    other = table([8, 9], "B")
    streams = [
        Stream((0,), 5, lambda: kept(cut(late, 2))),
        Stream((1,), 8, lambda: kept(cut(other, 1))),
    ]
    assert [(ts, symbol) for ts, symbol, _ in read(merged(streams))] == [
        *((5, "A"), (8, "B"), (9, "A"), (7, "A"), (9, "B"), (10, "A"))
    ]


def test_a_file_in_no_order_at_all_is_sorted_beside_the_tape_and_nothing_is_left_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("research.importing.sources.BLOCK", 256)
    monkeypatch.setattr("research.importing.ordering.RUN", 50)
    monkeypatch.setattr("research.importing.csv_rows._PARSED_AT_ONCE", 1 << 16)
    generator = np.random.default_rng(3)
    stamps = generator.permutation(500)
    lines = [f"{1_723_075_200_000 + stamp},{1 + stamp},1" for stamp in stamps.tolist()]
    source = tmp_path / "shuffled.csv"
    source.write_text("ts,price,size\n" + "\n".join(lines) + "\n")
    sorted_: list[int] = []
    run_of = ordering._run

    def count(tables: list[pa.Table], folder: Path, rank: tuple[int, ...]) -> Stream:
        sorted_.append(len(tables))
        return run_of(tables, folder, rank)

    monkeypatch.setattr(ordering, "_run", count)
    told: list[int] = []

    @contextmanager
    def show(what: str, total: int) -> Iterator[Callable[[int], None]]:
        assert total == source.stat().st_size
        told.append(-1)
        yield told.append

    report = importer.run([source], tmp_path / "out.parquet", Options(symbol="A"), show)
    assert len(sorted_) > 5
    passes = told[told.index(-1, 1) + 1 :]  # it was begun again, to sort
    assert passes == sorted(passes)
    assert (passes[-1], len(set(passes)) > 10) == (source.stat().st_size, True)
    events = [event for batch in columnar.events(tmp_path / "out.parquet") for event in batch]
    assert [event.price for event in events if isinstance(event, Trade)] == [float(1 + n) for n in range(500)]
    assert report.notes.unordered > 400
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", "shuffled.csv"]


def test_a_stream_that_begins_before_it_said_is_not_merged_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "_HELD", 4)
    steady = Stream((0,), 0, lambda: in_order(cut(table(list(range(99)), "A"), 2), Notes()))
    early = Stream((1,), 50, lambda: in_order(cut(table([10, 60], "B"), 2), Notes()))
    with pytest.raises(Disordered):
        list(merged([steady, early]))


# ------------------------------------------------------------------------------------------------- conditions

CODES = st.sampled_from(["", "@", "@,F", "@,I", "O", "W", "T", "M", "@,?", "I,L"])
PRINTS = st.lists(st.tuples(st.sampled_from("AB"), st.integers(-2, 3), st.integers(0, 300), CODES), max_size=30)


@given(PRINTS, st.integers(1, 7))
@settings(deadline=None, max_examples=60)
def test_conditions_make_of_prints_what_they_make_of_them_on_a_tape(
    given_: list[tuple[str, int, int, str]], size: int
) -> None:
    """Also where they are late, and wherever batches end."""
    by_events, expected, now = ByEvents(), [], 1_000
    times = []
    for symbol, step, shares, codes in given_:
        now += step
        times.append(now)
        trade = Trade(symbol, now, 1.0, float(shares))
        expected += by_events.take(trade, "C", codes.split(",") if codes else None)
    symbols, _, sizes, texts = ([found[n] for found in given_] for n in range(4))
    kinds, conditions = rows.kinds_of_prints(pa.array([text or None for text in texts], pa.string()), "C")
    whole = rows.table(
        rows.TRADE,
        pa.array(symbols, pa.string()),
        np.array(times, np.int64),
        price=np.ones(len(times)),
        size=np.array(sizes, np.float64),
        conditions=conditions,
        print=kinds,
    )
    prints = SalePrints()
    found: list[Input] = []
    if len(whole):
        found += events_of(pa.concat_tables([prints.apply(part) for part in cut(whole, size)]))
    assert found == [event for event in expected if isinstance(event, Trade)]
    counted: dict[str, list[float]] = {}
    for event in expected:
        if isinstance(event, Prints):
            count, shares_ = counted.get(event.kind, [0, 0.0])
            counted[event.kind] = [count + event.count, shares_ + event.size]
    assert {kind: list(pair) for kind, pair in prints.counted.items()} == counted
    assert prints.unknown == sum(isinstance(event, Refused) for event in expected)


def events_of(table_: pa.Table) -> list[Input]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        with columnar.TapeWriter(path, columnar.TapeInfo()) as writer:
            writer.write(table_)
            writer.finish({})
        return [event for batch in columnar.events(path) for event in batch]


def test_quotes_are_left_alone_by_conditions() -> None:
    made = rows.of_events([Quote("A", 5, 1.0, 2.0), Trade("A", 6, 1.5, 1.0)])
    assert events_of(SalePrints().apply(made)) == [Quote("A", 5, 1.0, 2.0), Trade("A", 6, 1.5, 1.0)]


@pytest.mark.parametrize("form", ["csv", "parquet", "databento"])
@pytest.mark.parametrize("shuffled", [False, True])
def test_of_equal_times_trades_come_before_quotes_of_another_file(form: str, shuffled: bool, tmp_path: Path) -> None:
    """Whatever the files are called: a quote of the same millisecond may be later than the trade."""
    at = [3, 1, 2] if shuffled else [1, 2, 3]
    ns = [1_723_110_000_000_000_000 + 1_000_000 * n for n in at]
    if form == "databento":
        first = files.dbn(*(files.dbn_record(ts, "A", 99, 1, (99, n), (101, 2)) for n, ts in enumerate(ns, 1)))
        files.written(tmp_path / "a.dbn", first)
        second = files.dbn(*(files.dbn_record(ts, "T", 99, 1, (99, 1), (101, 2)) for ts in ns))
        files.written(tmp_path / "b.dbn", second)
    else:
        quotes = pa.table({"ts": ns, "symbol": ["A"] * 3, "bid": [99.0] * 3, "ask": [101.0] * 3})
        trades = pa.table({"ts": ns, "symbol": ["A"] * 3, "price": [100.0] * 3, "size": [1.0] * 3})
        write = pa.csv.write_csv if form == "csv" else pa.parquet.write_table
        write(quotes, tmp_path / f"a.{form}")
        write(trades, tmp_path / f"b.{form}")
    importer.run([tmp_path], tmp_path / "t.parquet", Options())
    found = [event for batch in columnar.events(tmp_path / "t.parquet") for event in batch]
    assert [type(event) for event in found] == [Trade, Quote] * 3


@pytest.mark.parametrize("most", [3, 200])
def test_many_files_of_a_day_are_one_tape_however_many_are_read_at_once(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more than so many, rows are sorted apart: handles and memory do not grow with their number."""
    monkeypatch.setattr(importer, "MOST_OPEN", most)
    opened: list[int] = []

    def counted(streams: list[Stream], most: int) -> Iterator[pa.Table]:
        opened.append(len(streams))
        return merged(streams, most)

    monkeypatch.setattr(importer, "merged", counted)
    for place in range(8):
        rows_ = "".join(f"{n},100,1,100,{1_723_110_000_000 + n},true,true\n" for n in range(50))
        files.written(tmp_path / f"S{place}-trades-2024-08-08.csv", rows_)
    report = importer.run([tmp_path], tmp_path / "t.parquet", Options())
    found = [event for batch in columnar.events(tmp_path / "t.parquet") for event in batch]
    assert [(event.ts, event.symbol) for event in found if isinstance(event, Trade)] == [
        ((1_723_110_000_000 + n) * 1_000_000, f"S{place}") for n in range(50) for place in range(8)
    ]
    assert report.notes.unordered == 0
    assert opened == ([8, 1] if most == 3 else [8])
