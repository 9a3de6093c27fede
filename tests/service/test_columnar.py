"""columnar: a tape in Parquet gives the events, and so the decisions, of the tape that it was made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

import microbot as microbot_
from actors.engine.core import Input
from pipeline.events import Clock, Prints, Quote, Refused, Trade
from pipeline.venues.conditions import PrintKind
from pipeline.venues.jsonl import BAD_TRADE
from service.check.trial_tapes import events_of
from service.errors import UserError
from service.recorded import columnar, replay as replaying, tapes
from service.recorded.columnar import CLOCK, QUOTE, TRADE, Source, TapeInfo, TapeWriter, rows_of
from service.settings import Settings
from tests.service.test_cli import Run, assert_one_line, bytes_of, run
from tests.service.test_replay import OWN
from tests.service.test_run import EAGER, LATE, with_settings, write_tape
from tests.support import shared
from tests.support.live import Bot, microbot
from tests.support.market import START, at, clock, gap, quote, tape, trade
from tests.support.random_tapes import seeded_tape
from tests.support.shared import Vector

pa = pytest.importorskip("pyarrow")

__all__ = ["run"]

SHARED_ONES = [vector for vector in shared.vectors() if not vector.name.startswith("dense")]
"""Those that differ in what stands on the tape; the real morning of AAPL is among them."""
SETTINGS = b'{"type":"settings","settings":{"risk":{"position_size":2}},"version":"1"}'
MANY: list[Input] = [
    trade(0, 100, bid=99.9, ask=100.1),
    quote(1, 99, 101),
    trade(1, 100, symbol="B"),
    clock(2),
    gap(2.5, "A"),
    msgspec.structs.replace(trade(3, 101), id="x7"),
    Quote("A", at(3), 0.0, 101.0, None, 3.0),
    Refused("bad price", 3),
    Prints(PrintKind.VOLUME, 1, 3.0),
]


def columnar_of(path: Path, batches: Iterable[Iterable[Input | bytes]], info: TapeInfo | None = None) -> TapeInfo:
    """Write events as a columnar tape."""
    with TapeWriter(path, info or TapeInfo()) as writer:
        for batch in batches:
            writer.write(rows_of(batch))
        return writer.finish({})


def events(path: Path) -> list[Input]:
    return list(chain.from_iterable(tapes.read(path)))


def of_table(path: Path, **columns: Any) -> Path:
    """Write a tape of columns as an importer gives them."""
    with TapeWriter(path, TapeInfo()) as writer:
        writer.write(pa.table(columns))
        writer.finish({})
    return path


# --------------------------------------------------------------------------------------------- round trips


def test_every_kind_of_event_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columnar_of(path, [MANY[:3], MANY[3:]])
    assert events(path) == MANY


_NUMBER = st.floats(allow_nan=True, allow_infinity=True, width=64) | st.integers(-3, 10**20) | st.none() | st.just("1")
_PRICE = st.floats(0.01, 1e6) | _NUMBER
_SYMBOL = st.sampled_from(["A", "B", "BRK.B", "Ä", "a" * 40]) | st.sampled_from(["", None, 7])
_TS = st.integers(START, START + 10**9) | st.sampled_from([0, -1, 1.5, True, 2**63 - 1, 2**63, None])
_ID = st.integers(-(2**63), 2**63 - 1) | st.text("abc-0", min_size=2) | st.none()
_TRADE = st.fixed_dictionaries(
    {"type": st.just("trade"), "symbol": _SYMBOL, "ts": _TS, "price": _PRICE, "size": _PRICE},
    optional={
        "bid": _PRICE,
        "ask": _PRICE,
        "id": _ID.filter(lambda id_: not isinstance(id_, str) or not id_.strip("-0").isdigit()),
        "conditions": st.lists(st.sampled_from(["@", "I", "F", "4", "?"]), max_size=2),
        "tape": st.sampled_from(["A", "C"]),
    },
)
_QUOTE = st.fixed_dictionaries(
    {"type": st.just("quote"), "symbol": _SYMBOL, "ts": _TS, "bid": _PRICE, "ask": _PRICE},
    optional={"bid_size": _PRICE, "ask_size": _PRICE},
)
_LINES = st.lists(
    st.one_of(
        _TRADE,
        _QUOTE,
        st.fixed_dictionaries({"type": st.just("clock"), "ts": _TS}),
        st.sampled_from([{"type": "gap", "ts": 5, "symbol": "A"}, {"type": "bar"}, [], {"type": "command", "ts": 3}]),
    ).map(lambda event: json.dumps(event).encode())
    | st.sampled_from([b"", b"{nonsense", b'{"type":"trade"'])
    | _TRADE.filter(lambda event: event["symbol"] == "A").map(lambda event: json.dumps(event).encode()),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(_LINES, st.integers(1, 41))
def test_any_tape_of_json_comes_back_from_parquet_with_the_same_events(lines: list[bytes], split: int) -> None:
    with TemporaryDirectory() as folder:
        plain, path = Path(folder, "t.jsonl"), Path(folder, "t.parquet")
        plain.write_bytes(b"\n".join(lines))
        before = events(plain)
        columnar_of(path, [before[at : at + split] for at in range(0, len(before), split)])
        assert events(path) == [_as_read(event) for event in before]


def _as_read(event: Input) -> Input:
    """An id in digits is a number."""
    if isinstance(event, Trade) and isinstance(event.id, str) and event.id.lstrip("-").isdigit():
        return msgspec.structs.replace(event, id=int(event.id)) if str(int(event.id)) == event.id else event
    return event


@pytest.mark.parametrize(("ids", "read"), [(("7", "-3", None), (7, -3, None)), (("7", "07", "x"), (7, "07", "x"))])
def test_an_id_of_digits_is_a_number_as_it_is_in_json(
    ids: tuple[Any, ...], read: tuple[Any, ...], tmp_path: Path
) -> None:
    path = of_table(
        tmp_path / "t.parquet",
        kind=pa.array([TRADE] * 3, "int8"),
        symbol=["A"] * 3,
        ts=[START] * 3,
        price=[1.0] * 3,
        size=[1.0] * 3,
        id=pa.array(ids, "string"),
    )
    assert tuple(event.id for event in events(path) if isinstance(event, Trade)) == read


# ------------------------------------------------------------------------------------------------ decisions


def assert_decides_the_same(source: Path, settings: Settings, folder: Path) -> None:
    """Assert that a tape and its columns lead to the same three files, byte for byte."""
    path = folder / "tape.parquet"
    columnar_of(path, tapes.read(source))
    replaying.replay(source, settings, out=folder / "json")
    replaying.replay(path, settings, out=folder / "columns")
    assert bytes_of(folder / "columns") == bytes_of(folder / "json")


@pytest.mark.parametrize("vector", OWN, ids=lambda vector: vector.name)
def test_our_own_day_in_columns_is_decided_byte_for_byte(vector: Vector, tmp_path: Path) -> None:
    assert_decides_the_same(vector.tape, vector.settings, tmp_path)


@pytest.mark.skipif(not SHARED_ONES, reason="there are no vectors in ../shared")
@pytest.mark.parametrize("vector", SHARED_ONES, ids=lambda vector: vector.name)
def test_a_vector_in_columns_is_decided_byte_for_byte(vector: Vector, tmp_path: Path) -> None:
    assert_decides_the_same(vector.tape, vector.settings, tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_a_random_tape_in_columns_is_decided_byte_for_byte(seed: int, tmp_path: Path) -> None:
    source = tmp_path / "t.jsonl"
    source.write_bytes(tape(seeded_tape(seed)))
    assert_decides_the_same(source, Settings(), tmp_path)


def test_a_recording_in_columns_brings_its_settings(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "t.parquet"
    columnar_of(path, [[SETTINGS], MANY])
    recorded = tapes.recorded_settings(path)
    assert recorded is not None
    assert recorded.settings["risk"]["position_size"] == 2
    assert events(path) == MANY
    columnar_of(path, [MANY])
    assert tapes.recorded_settings(path) is None


# ------------------------------------------------------------------------------------------------ the file


def test_a_tape_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    source = Source("day.csv", hashlib.sha256(b"").hexdigest())
    with TapeWriter(path, TapeInfo(source="csv", files=(source,), timezone="America/New_York")) as writer:
        writer.write(rows_of(MANY))
        told = writer.finish({"bad price": 2})
    assert told == columnar.info(path)
    assert (told.source, told.files, told.timezone) == ("csv", (source,), "America/New_York")
    assert told.symbols == ("A", "B")
    assert told.counts == {"trade": 3, "quote": 2, "clock": 1, "other": 3}
    assert (told.first_ts, told.last_ts, told.rows) == (at(0), at(3), len(MANY))
    assert told.refused == {"bad price": 2}


def test_the_same_symbol_has_the_same_index_in_every_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar, "ROW_GROUP", 4)
    path = tmp_path / "t.parquet"
    names = ["C", "A", "C", "B", "A", "B", "D", "D", "C", "A"]
    columnar_of(
        path, [[trade(n, symbol=name) for n, name in list(enumerate(names))[at : at + 3]] for at in (0, 3, 6, 9)]
    )
    assert pa.parquet.ParquetFile(path).num_row_groups == 3
    read = list(columnar.batches(path, ["symbol"], rows=3))
    assert {tuple(batch.column(0).dictionary.to_pylist()) for batch in read} == {("C", "A", "B", "D")}
    assert [index for batch in read for index in batch.column(0).indices.to_pylist()] == [0, 1, 0, 2, 1, 2, 3, 3, 0, 1]
    assert [event.symbol for event in events(path) if isinstance(event, Trade)] == names


@pytest.mark.parametrize("symbols", [[], ["A"], ["BRK.B", "", "Ä", "日本", "🙂X"]])
def test_symbols_are_an_array_of_what_they_are(symbols: list[str]) -> None:
    found = columnar._strings(symbols)
    found.validate(full=True)
    assert found.to_pylist() == symbols


def test_values_that_no_tape_may_have_are_refused_where_they_are_read(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    bad = [(0.0, 1.0), (-1.0, 1.0), (nan, 1.0), (inf, 1.0), (None, 1.0), (1.0, nan), (1.0, -1.0), (1.0, None)]
    trades = len(bad) + 4
    path = of_table(
        tmp_path / "t.parquet",
        kind=pa.array([TRADE] * trades + [QUOTE] * 2 + [CLOCK] * 2, "int8"),
        symbol=["A"] * len(bad) + ["A", None, "", "A"] + ["A", None] + [None] * 2,
        ts=[5] * len(bad) + [5, 5, 5, 0] + [6, 6] + [7, 0],
        price=pa.array([price for price, _ in bad] + [1.0] * 4 + [None] * 4, "float64"),
        size=pa.array([size for _, size in bad] + [1.0] * 4 + [None] * 4, "float64"),
        bid=pa.array([None] * len(bad) + [inf, None, None, None] + [nan, 1.0] + [None] * 2, "float64"),
        ask=pa.array([None] * len(bad) + [2.0, None, None, None] + [2.0, 1.0] + [None] * 2, "float64"),
    )
    expected: list[Input] = [Refused(BAD_TRADE)] * len(bad)
    expected += [Trade("A", 5, 1.0, 1.0, None, 2.0), *[Refused(BAD_TRADE)] * 3, Quote("A", 6, 0.0, 2.0), Clock(7)]
    assert events(path) == expected


def test_an_empty_tape_is_one(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "t.parquet"
    told = columnar_of(path, [])
    assert (told.rows, told.symbols, events(path)) == (0, (), [])
    assert tapes.recorded_settings(path) is None
    assert json.loads(run("replay", path).out)["ticks"] == 0


def test_the_bar_goes_on_with_the_bytes_of_the_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar, "ROW_GROUP", 100)
    path = tmp_path / "t.parquet"
    columnar_of(path, [[trade(n) for n in range(1000)]])
    told: list[int] = []
    list(tapes.read(path, told.append))
    assert told == sorted(set(told))
    assert len(told) == 10
    assert told[-1] == tapes.size(path)


def _fail_after(writer: TapeWriter, error: type[BaseException]) -> None:
    writer.write(rows_of(MANY))
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_writer_that_is_interrupted_leaves_what_was_there(error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columnar_of(path, [MANY])
    before = path.read_bytes()
    with pytest.raises(error), TapeWriter(path, TapeInfo()) as writer:
        _fail_after(writer, error)
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written: No such file"):
        TapeWriter(tmp_path / "none" / "t.parquet", TapeInfo())


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"kind": [0], "ts": [1], "prise": [1.0]}, "no column prise"),
        ({"kind": [None], "ts": [1]}, "has no kind"),
        ({"ts": [1]}, "has no kind"),
        ({"kind": [5], "ts": [1]}, "has the kind 5"),
    ],
)
def test_rows_that_are_none_are_refused_by_the_writer(columns: dict[str, Any], words: str, tmp_path: Path) -> None:
    with TapeWriter(tmp_path / "t.parquet", TapeInfo()) as writer, pytest.raises(ValueError, match=words):
        writer.write(pa.table(columns))


# ------------------------------------------------------------------------------- commands, and bad files


def test_the_commands_that_take_a_tape_take_columns(tmp_path: Path, run: Run) -> None:
    path, plain = tmp_path / "t.parquet", tmp_path / "t.jsonl"
    day = list(seeded_tape(1))
    plain.write_bytes(tape(day))
    columnar_of(path, [day])
    assert run("replay", path, "--json").out == run("replay", plain, "--json").out
    assert run("diff", path, plain).code == 0
    assert run("diff", path, "--set-b", "strategy.entry_threshold=0.0003", path).code == 1


def foreign(path: Path) -> Path:
    pa.parquet.write_table(pa.table({"time": [1], "last": [2.0]}), path)
    return path


def broken_off(path: Path) -> Path:
    columnar_of(path, [[trade(n) for n in range(1000)]])
    path.write_bytes(path.read_bytes()[:-100])
    return path


def flipped(path: Path) -> Path:
    """Damage a byte of the data, which alone the checksum of its page tells."""
    columnar_of(path, [[trade(n, 100 + n % 7, n % 13) for n in range(1000)]])
    data = bytearray(path.read_bytes())
    prices = pa.parquet.ParquetFile(path).metadata.row_group(0).column(3)
    data[prices.data_page_offset + prices.total_compressed_size // 2] ^= 0x10
    path.write_bytes(data)
    return path


def of_tomorrow(path: Path) -> Path:
    info = msgspec.json.encode(TapeInfo(form=2)).decode()
    table = pa.Table.from_batches([rows_of(MANY)]).replace_schema_metadata({"microbot": info})
    pa.parquet.write_table(table, path)
    return path


def without_size(path: Path) -> Path:
    info = msgspec.json.encode(TapeInfo()).decode()
    table = pa.Table.from_batches([rows_of(MANY)]).drop_columns(["size"]).replace_schema_metadata({"microbot": info})
    pa.parquet.write_table(table, path)
    return path


BAD = {
    foreign: "is none: it is a Parquet file of other columns (time, last); `microbot import",
    broken_off: "it is a Parquet file that is damaged, or not whole",
    flipped: "it is a Parquet file that is damaged, or not whole",
    of_tomorrow: "has the form 2, and this version reads 1",
    without_size: "its column size is missing",
}


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_a_parquet_file_that_is_no_tape_is_said_in_one_sentence(make: Any, tmp_path: Path, run: Run) -> None:
    path = make(tmp_path / "t.parquet")
    for command in (("replay", path), ("diff", path, path)):
        outcome = run(*command)
        assert outcome.code == 2
        assert BAD[make] in outcome.err
        assert "Traceback" not in outcome.err
    assert columnar.is_columnar(path) is (make is flipped)


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    path = tmp_path / "t.parquet"
    columnar_of(path, [MANY])
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert_one_line(run("replay", path), "need pyarrow", "pip install 'microbot-trading[parquet]'")


def test_a_bot_plays_columns_and_its_recording_replays_to_the_same(tmp_path: Path) -> None:
    write_tape(tmp_path / "tape.jsonl", 120)
    told = columnar_of(tmp_path / "t.parquet", tapes.read(tmp_path / "tape.jsonl"))
    feed = ("--feed", "tape:t.parquet", "--speed", "1000", *with_settings(*EAGER, LATE))
    with Bot(tmp_path, *feed, "--record", "r.jsonl.gz") as bot:
        summary = bot.ended()
    assert summary["ticks"] == told.counts["trade"]
    replayed = microbot("replay", "r.jsonl.gz", cwd=tmp_path)
    assert msgspec.json.decode(replayed.stdout) == summary


def test_python_reads_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    day = list(seeded_tape(2))
    columnar_of(path, [day])
    assert list(microbot_.read_tape(path)) == day
    assert microbot_.backtest(path).summary == microbot_.backtest(day).summary


def test_a_strategy_is_tried_on_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columnar_of(path, [MANY])
    assert events_of(path) == [event for event in MANY if isinstance(event, Trade | Quote | Clock)]
