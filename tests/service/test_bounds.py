"""Whatever a tape's file holds, it is read in bounded memory, or refused in one sentence."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import Command
from pipeline.events import Refused, Trade
from pipeline.venues.jsonl import MOST_LENIENT
from service.errors import UserError
from service.recorded import lines, tapes
from service.recorded.replay import replay
from service.settings import Settings
from tests.service.test_tapes import BOOKS, EVENTS, MESSAGES, events, lobster_pair
from tests.support.market import START, tape, trade

MEGABYTE = 1 << 20
STEM = "AAPL_2012-06-21_34200000_57600000"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a test reaches in a moment."""
    monkeypatch.setattr(lines, "MOST_LINE", MEGABYTE)
    monkeypatch.setattr(lines, "FREE_BYTES", MEGABYTE)


def bomb(path: Path, unit: bytes, megabytes: int = 200) -> Path:
    """Write a gzip file that holds one megabyte again and again."""
    whole = unit * (MEGABYTE // len(unit))
    with path.open("wb") as file:
        stream = zlib.compressobj(9, zlib.DEFLATED, 31)
        for _ in range(megabytes):
            file.write(stream.compress(whole))
        file.write(stream.flush())
    return path


@pytest.fixture
def memory() -> Iterator[list[int]]:
    """Tell the most memory that the test took, in bytes, when it asks by `[0]`."""

    class Peak(list[int]):
        def __getitem__(self, _: object) -> int:  # type: ignore[override]
            return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    yield Peak()
    tracemalloc.stop()


# -------------------------------------------------------------------------------------- lines without an end


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_line_without_end_is_refused_in_bounded_memory(name: str, tmp_path: Path, memory: list[int]) -> None:
    path = tmp_path / name
    if path.suffix == ".gz":
        bomb(path, b"x")
    else:
        with path.open("wb") as file:
            file.truncate(200 * MEGABYTE)
    for read in (tapes.recorded_settings, tapes.check, events):
        with pytest.raises(UserError, match=r"cannot be read: its line 1 is longer than 1,048,576 bytes$"):
            read(path)
    assert memory[0] < 20 * MEGABYTE


@pytest.mark.usefixtures("small")
def test_the_line_that_is_too_long_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(tape(EVENTS) + b"x" * (2 * MEGABYTE))
    with pytest.raises(UserError, match=rf"its line {len(EVENTS) + 1} is longer"):
        events(path)


def test_a_long_line_of_no_use_is_refused_without_being_built(tmp_path: Path, memory: list[int]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(tape(EVENTS) + b'{"type":"book","levels":[' + b"[]," * MEGABYTE + b"[]]}\n" + tape(EVENTS))
    assert events(path) == [*EVENTS, Refused("too long"), *EVENTS]
    assert memory[0] < 30 * MEGABYTE


def test_a_line_as_long_as_a_recording_has_them_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    long = Command("halt", 1, "test", "A" * 3 * MEGABYTE)  # as long as an account with thousands of orders
    path.write_bytes(tape([long, *EVENTS]))
    assert events(path) == [long, *EVENTS]


# --------------------------------------------------------------------------------------------------- bombs


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("unit", [b"\n", b'{"type":"x"}\n'])
def test_a_bomb_of_short_lines_is_refused(unit: bytes, tmp_path: Path, memory: list[int], monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(lines, "MOST_RATIO", 100)
    with pytest.raises(UserError, match="no tape is compressed that well"):
        events(bomb(tmp_path / "a.jsonl.gz", unit, 2))
    assert memory[0] < 20 * MEGABYTE


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("part", ["message", "orderbook"])
@pytest.mark.usefixtures("small")
def test_a_zip_that_is_a_bomb_is_refused(method: int, part: str, tmp_path: Path, memory: list[int]) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for kind, rows in (("message", MESSAGES), ("orderbook", BOOKS)):
            archive.writestr(f"{STEM}_{kind}_1.csv", "1" * 30 * MEGABYTE if kind == part else rows)
    tracemalloc.reset_peak()
    with pytest.raises(UserError, match=r"is longer than 65,536 bytes|is not compressed by deflate"):
        events(path)
    assert memory[0] < 20 * MEGABYTE


@pytest.mark.usefixtures("small")
def test_a_zip_of_too_many_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_RATIO", 100)
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for kind, rows in (("message", MESSAGES), ("orderbook", BOOKS)):
            archive.writestr(f"{STEM}_{kind}_1.csv", rows.splitlines(keepends=True)[-1] * 50_000)
    with pytest.raises(UserError, match="no tape is compressed that well"):
        events(path)


def test_a_tape_that_is_compressed_well_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(tape([trade(0)] * 20_000), 9))
    assert len(events(path)) == 20_000


# -------------------------------------------------------------------------------------------- large numbers


@pytest.mark.parametrize("digits", [20, 400, 5000])
@pytest.mark.parametrize("field", ["price", "size", "ts", "bid", "id"])
def test_a_number_of_hundreds_of_digits_breaks_nothing(digits: int, field: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    values = {"symbol": '"A"', "ts": str(START), "price": "100", "size": "1", "bid": "99", "ask": "101", "id": "1"}
    line = ",".join(f'"{name}":{value}' for name, value in ({**values, field: "9" * digits}).items())
    path.write_bytes(b'{"type":"trade",' + line.encode() + b"}\n" + tape([trade(n, 100) for n in range(1, 4)]))
    summary = replay(path, Settings())
    assert isinstance(summary["ticks"], int)
    late = summary["ticks_late"] if field == "ts" else 0  # a time is any positive integer: what follows is late
    assert summary["ticks"] + summary["ticks_rejected"] + late == 4  # type: ignore[operator]


@pytest.mark.parametrize("row", ["34200.0,4,1,100,{n},1", "34200.0,4,1,{n},1000000,1", "{n}.0,4,1,100,1000000,1"])
@pytest.mark.parametrize("digits", [15, 20, 400, 5000])
def test_a_number_of_hundreds_of_digits_in_a_csv_is_a_trade_or_a_sentence(
    digits: int, row: str, tmp_path: Path
) -> None:
    message = lobster_pair(tmp_path)
    message.write_text(row.format(n="9" * digits) + "\n" + MESSAGES.splitlines()[1] + "\n")
    told: dict[str, object] = {"ticks": 1, "ticks_rejected": 0}
    said = "row 1 of the AAPL recording cannot be read"
    try:
        told = replay(message, Settings())
    except UserError as error:
        said = str(error)
    assert (told["ticks"], told["ticks_rejected"]) in ((1, 0), (0, 1))
    assert "row 1 of the AAPL recording cannot be read" in said


# ------------------------------------------------------------------------------------------- what else it is


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name here")
def test_a_device_is_no_tape() -> None:
    with pytest.raises(UserError, match="it is a pipe or a device"):
        tapes.recorded_settings(Path("/dev/zero"))


def test_a_compressed_tape_and_a_zip_are_known_by_what_they_hold(tmp_path: Path) -> None:
    """A browser may take the ending off."""
    path = tmp_path / "tape.jsonl"
    path.write_bytes(gzip.compress(tape(EVENTS)))
    assert events(path) == EVENTS
    packed = tmp_path / "AAPL"
    with zipfile.ZipFile(packed, "w") as archive:
        for kind, rows in (("message", MESSAGES), ("orderbook", BOOKS)):
            archive.writestr(f"{STEM}_{kind}_1.csv", rows)
    assert isinstance(events(packed)[0], Trade)


def test_a_zip_of_several_recordings_is_not_read_as_its_last(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for day in ("2012-06-21", "2012-06-22"):
            for kind, rows in (("message", MESSAGES), ("orderbook", BOOKS)):
                archive.writestr(f"{STEM.replace('2012-06-21', day)}_{kind}_1.csv", rows)
    with pytest.raises(UserError, match="holds more than one LOBSTER recording"):
        events(path)


def test_a_refused_line_of_a_megabyte_is_not_said_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(tape(EVENTS) + b"x" * (2 * MOST_LENIENT) + b"\n")
    told: list[str] = []
    for _ in tapes.read(path, say=told.append):
        pass
    assert len(told) == 1
    assert len(told[0]) < 500
