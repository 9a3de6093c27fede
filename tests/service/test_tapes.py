"""tapes: plain, compressed, recorded and LOBSTER; what is damaged is said in one sentence."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.engine.core import Input
from actors.messages import Command, FeedChanged, FeedState
from pipeline.events import Gap, Prints, Quote, Refused, Trade
from pipeline.venues.conditions import UNKNOWN_CONDITION, PrintKind
from service.errors import UserError
from service.recorded import tapes
from tests.support.market import at, clock, gap, quote, tape, trade
from tests.support.shared import SHARED

EVENTS: list[Input] = [trade(0, 100, bid=99.9, ask=100.1), quote(1, 99, 101), clock(2), trade(3, 101)]
SETTINGS = b'{"type":"settings","settings":{"risk":{"position_size":2}},"strategy":"mine.py:go","version":"1"}\n'

MESSAGES = "34200.000000001,4,1,100,1000000,1\n34201.5,1,2,50,1000100,-1\n"
BOOKS = "9999999999,0,-9999999999,0\n1000200,10,1000100,20\n"


def events(path: Path) -> list[Input]:
    return [event for batch in tapes.read(path) for event in batch]


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.jsonl"
    path.write_bytes(tape(EVENTS))
    return path


def lobster_pair(folder: Path, day: str = "2012-06-21", symbol: str = "AAPL", price: str = "1000000") -> Path:
    """Write a CSV pair; return its message file."""
    stem = f"{symbol}_{day}_34200000_57600000"
    message = folder / f"{stem}_message_1.csv"
    message.write_text(MESSAGES.replace("1000000", price), encoding="ascii")
    (folder / f"{stem}_orderbook_1.csv").write_text(BOOKS, encoding="ascii")
    return message


def lobster_zip(folder: Path) -> Path:
    """Write the same pair as a zip."""
    path = folder / "AAPL.zip"
    inside = folder / "inside"
    inside.mkdir()
    lobster_pair(inside)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(inside.iterdir()):
            archive.write(file, file.name)
    return path


# -------------------------------------------------------------------------------------------- JSON Lines


def test_a_tape_is_read_in_its_order(plain: Path) -> None:
    assert events(plain) == EVENTS


def test_a_compressed_tape_is_read_like_a_plain_one(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl.gz"
    path.write_bytes(gzip.compress(tape(EVENTS)))
    assert events(path) == EVENTS


def test_a_tape_of_several_compressed_parts_is_read_whole(tmp_path: Path) -> None:
    """As `cat a.gz b.gz` makes it."""
    path = tmp_path / "tape.jsonl.gz"
    path.write_bytes(gzip.compress(tape(EVENTS[:2])) + gzip.compress(tape(EVENTS[2:])))
    assert events(path) == EVENTS


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_bytes(tape(EVENTS).removesuffix(b"\n"))
    assert events(path) == EVENTS


@pytest.mark.parametrize("name", ["empty.jsonl", "empty.jsonl.gz"])
def test_an_empty_tape_has_no_events(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")
    assert events(path) == []


def test_bad_lines_are_refused_in_their_place(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_bytes(tape(EVENTS[:1]) + b"nonsense\n\n[]\n" + tape(EVENTS[1:]))
    assert events(path) == [EVENTS[0], Refused("not JSON"), Refused("not an object"), *EVENTS[1:]]


@given(st.integers(1, 300))
def test_how_much_is_read_at_once_changes_nothing(chunk: int) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tapes, "CHUNK", chunk)
        path = Path(folder) / "tape.jsonl"
        path.write_bytes(tape(EVENTS[:1]) + b"nonsense\r\n" + tape(EVENTS[1:]))
        assert events(path) == [EVENTS[0], Refused("not JSON"), *EVENTS[1:]]


@pytest.mark.parametrize("compressed", [False, True])
def test_progress_is_told_in_bytes_of_the_file(compressed: bool, tmp_path: Path) -> None:
    path = tmp_path / ("tape.gz" if compressed else "tape")
    data = tape(EVENTS * 3000)
    path.write_bytes(gzip.compress(data) if compressed else data)
    told: list[int] = []
    for _ in tapes.read(path, told.append):
        pass
    assert told == sorted(told)
    assert len(told) > 3
    assert told[-1] == tapes.size(path)


# --------------------------------------------------------------------------------- recordings that break off


def read_and_told(path: Path) -> tuple[list[Input], list[str]]:
    told: list[str] = []
    return [event for batch in tapes.read(path, say=told.append) for event in batch], told


@given(st.data())
def test_a_compressed_tape_that_breaks_off_is_read_up_to_its_last_whole_line(data: st.DataObject) -> None:
    whole = [trade(n, 100 + n % 7) for n in range(300)]
    compressed = gzip.compress(tape(whole))
    length = data.draw(st.integers(len(compressed) // 4, len(compressed) - 1))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tape.jsonl.gz"
        path.write_bytes(compressed[:length])
        found, told = read_and_told(path)
    assert found == whole[: len(found)]
    assert len(told) == 1
    assert "tape.jsonl.gz ends in mid-stream" in told[0]


@pytest.mark.parametrize("cut", [0, 1, 20, 400])
@pytest.mark.parametrize("name", ["session.jsonl", "session.jsonl.gz"])
def test_a_recording_cut_short_has_what_was_written_whole(name: str, cut: int, tmp_path: Path) -> None:
    path = tmp_path / name
    data = SETTINGS + tape(EVENTS * 3)
    whole = data[: len(data) - cut]
    if name.endswith(".gz"):
        flushed = zlib.compressobj(1, zlib.DEFLATED, 31)
        path.write_bytes(flushed.compress(whole) + flushed.flush(zlib.Z_SYNC_FLUSH))
    else:
        path.write_bytes(whole)
    found, told = read_and_told(path)
    lines = whole.count(b"\n") - 1 + (cut == 1)  # a line that lacks nothing but its end is whole
    assert found == (EVENTS * 3)[:lines]
    assert len(told) == (name.endswith(".gz") or cut > 1)


def test_a_last_line_of_any_other_tape_is_refused_if_it_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_bytes(tape(EVENTS)[:-20])
    found, told = read_and_told(path)
    assert found == [*EVENTS[:-1], Refused("not JSON")]
    assert [f"1 line was refused; it: line {len(EVENTS)} is no JSON" in sentence for sentence in told] == [True]


def test_the_settings_of_a_recording_that_breaks_off_are_read_if_they_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl.gz"
    for length, found in ((len(SETTINGS), True), (len(SETTINGS) - 9, False), (0, False)):
        flushed = zlib.compressobj(1, zlib.DEFLATED, 31)
        path.write_bytes(flushed.compress(SETTINGS[:length]) + flushed.flush(zlib.Z_SYNC_FLUSH))
        assert (tapes.recorded_settings(path) is not None) is found


# -------------------------------------------------------------------------------------------- recordings


def test_everything_that_can_be_an_input_is_read_from_a_recording(tmp_path: Path) -> None:
    inputs: list[Input] = [
        trade(0),
        gap(1, "A"),
        Command("pause", at(2), "dashboard", "lunch"),
        FeedChanged(FeedState.STALE, at(3), "mute"),
        Refused("bad trade"),
        clock(4),
    ]
    path = tmp_path / "session.jsonl"
    path.write_bytes(SETTINGS + tape(inputs))
    assert events(path) == inputs


@pytest.mark.parametrize("name", ["session.jsonl", "session.jsonl.gz"])
def test_the_first_line_of_a_recording_says_how_it_was_traded(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    data = SETTINGS + tape(EVENTS)
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    recorded = tapes.recorded_settings(path)
    assert recorded is not None
    assert (recorded.settings["risk"]["position_size"], recorded.strategy, recorded.version) == (2, "mine.py:go", "1")
    # What is younger than the recording stands as it was in its time.
    assert recorded.settings["chains"] == {"restarts": 0, "counts": "elapsed"}
    assert (recorded.settings["risk"]["fallback_stop"], recorded.settings["risk"]["fallback_hold_s"]) == (None, None)
    assert recorded.settings["limits"] == {"flatten_late": False}
    assert recorded.settings["orders"] == {"cap_by_account": False, "stop_patience_s": None}


def test_settings_count_only_in_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_bytes(tape(EVENTS[:1]) + SETTINGS + tape(EVENTS[1:]))
    assert tapes.recorded_settings(path) is None
    assert events(path) == EVENTS


@pytest.mark.parametrize(
    "first",
    [b"", b"\n", b"nonsense\n", b'{"a":{"type":"settings"}}\n', b"\x00" * 100],
)
def test_another_first_line_says_nothing(first: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_bytes(first + tape(EVENTS))
    assert tapes.recorded_settings(path) is None


@pytest.mark.parametrize(
    "first", [b'{"type":"settings"}\n', b'{"type":"settings","settings":5}\n', SETTINGS.replace(b"2}", b"2")]
)
def test_settings_that_cannot_be_read_are_not_replaced_by_others_in_silence(first: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_bytes(first + tape(EVENTS))
    for read in (tapes.recorded_settings, tapes.check, events):
        with pytest.raises(UserError, match=r"^the settings in the first line of .* cannot be read: "):
            read(path)


def test_blank_lines_before_the_settings_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_bytes(b"\n \r\n" + SETTINGS + tape(EVENTS))
    recorded = tapes.recorded_settings(path)
    assert recorded is not None
    assert recorded.strategy == "mine.py:go"


# ----------------------------------------------------------------------------------------------- LOBSTER


def assert_is_the_recording(found: list[Input], price: float = 100.0) -> None:
    midnight = 1_340_251_200_000_000_000
    assert found == [
        Trade("AAPL", midnight + 34_200_000_000_001, price, 100.0),
        Quote("AAPL", midnight + 34_201_500_000_000, 100.01, 100.02),
    ]


@pytest.mark.parametrize("make", [lobster_zip, lobster_pair])
def test_a_lobster_recording_is_read_as_a_zip_and_as_a_pair(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path)
    assert_is_the_recording(events(path))
    assert tapes.recorded_settings(path) is None


def test_either_file_of_a_pair_stands_for_both(tmp_path: Path) -> None:
    message = lobster_pair(tmp_path)
    assert_is_the_recording(events(message.with_name(message.name.replace("message", "orderbook"))))


@pytest.mark.parametrize("other", [{"day": "2012-06-22"}, {"day": "2012-06-20"}])
def test_a_recording_of_another_day_beside_it_is_another_recording(other: dict[str, str], tmp_path: Path) -> None:
    lobster_pair(tmp_path, price="2000000", **other)
    first, last = sorted([lobster_pair(tmp_path), lobster_pair(tmp_path, price="2000000", **other)])
    prices = [event.price for path in (first, last) for event in events(path) if isinstance(event, Trade)]
    assert sorted(prices) == [100.0, 200.0]


def test_progress_of_a_recording_ends_at_its_size(tmp_path: Path) -> None:
    told: list[int] = []
    path = lobster_zip(tmp_path)
    for _ in tapes.read(path, told.append):
        pass
    assert told[-1] == tapes.size(path)


def test_a_pair_needs_its_other_half(tmp_path: Path) -> None:
    message = lobster_pair(tmp_path)
    message.with_name(message.name.replace("message", "orderbook")).unlink()
    with pytest.raises(UserError, match="is not a LOBSTER recording: it needs a message and an orderbook CSV"):
        events(message)


def test_a_zip_of_something_else_says_what_it_should_hold(tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(UserError, match="is not a LOBSTER recording"):
        events(path)


def test_a_bad_row_is_said_with_the_file(tmp_path: Path) -> None:
    message = lobster_pair(tmp_path)
    message.write_text("nonsense\n", encoding="ascii")
    with pytest.raises(UserError, match=r"^the tape .*message_1\.csv cannot be read: row 1 of the AAPL recording"):
        events(message)


def test_a_recording_that_is_not_ascii_is_said_in_one_sentence(tmp_path: Path) -> None:
    message = lobster_pair(tmp_path)
    message.write_bytes(b"\xff" + MESSAGES.encode())
    with pytest.raises(UserError, match="cannot be read"):
        events(message)


def test_a_zip_with_a_password_is_said_in_one_sentence(tmp_path: Path) -> None:
    path = lobster_zip(tmp_path)
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        place = -1
        while (place := data.find(signature, place + 1)) >= 0:
            data[place + flags] |= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="cannot be read"):
        events(path)


@pytest.mark.skipif(not list((SHARED / "data").glob("AAPL*.zip")), reason="there is no recording in ../shared")
def test_the_real_morning_is_read_whole() -> None:
    found = events(next((SHARED / "data").glob("AAPL*.zip")))
    assert sum(isinstance(event, Trade) for event in found) == 16_542
    assert all(isinstance(event, Trade | Quote) for event in found)


# --------------------------------------------------------------------------------------- what goes wrong


def test_a_missing_tape_is_said(tmp_path: Path) -> None:
    for name in ("missing.jsonl", "missing.jsonl.gz"):
        path = tmp_path / name
        for read in (events, tapes.size, tapes.recorded_settings):
            with pytest.raises(UserError, match=rf"^there is no tape .*{name}$"):
                read(path)


def test_a_missing_zip_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing\.zip"):
        events(tmp_path / "missing.zip")


@pytest.mark.parametrize("name", ["folder", "folder.gz", "folder.zip"])
def test_a_folder_is_no_tape(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=rf"^the tape .*{name} cannot be read: "):
        events(tmp_path / name)


COMPRESSED = gzip.compress(tape([trade(n, 100 + n % 7) for n in range(2000)]), mtime=0)


@pytest.mark.parametrize(
    "data",
    [
        b"not compressed",
        COMPRESSED[:5],
        COMPRESSED[:3000] + b"\xff" * 40 + COMPRESSED[3040:],
        COMPRESSED[:-8] + b"\0" * 8,
    ],
    ids=["no gzip", "only a header", "damaged", "a wrong checksum"],
)
def test_a_damaged_compressed_tape_is_said_in_one_sentence(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl.gz"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"^the tape .*bad\.jsonl\.gz cannot be read: [^\n]+$"):
        events(path)


def test_a_damaged_compressed_tape_is_said_when_its_settings_are_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl.gz"
    path.write_bytes(b"not compressed")
    with pytest.raises(UserError, match="cannot be read"):
        tapes.recorded_settings(path)


def test_a_damaged_zip_is_said_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    path.write_bytes(b"no zip at all")
    with pytest.raises(UserError, match=r"^the tape .*bad\.zip cannot be read: [^\n]+$"):
        events(path)


def test_a_zip_with_a_damaged_member_is_said_in_one_sentence(tmp_path: Path) -> None:
    path = lobster_zip(tmp_path)
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x03\x04") + 30 + len("AAPL_2012-06-21_34200000_57600000_message_1.csv")
    data[start : start + 8] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(UserError, match="cannot be read"):
        events(path)


def test_a_gap_in_a_recording_may_be_of_all_symbols(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    path.write_bytes(tape([gap(1)]))
    assert events(path) == [Gap(at(1), None, "a test")]


# ------------------------------------------------------------------------------------------- prints with conditions


def said(*conditions: str, seconds: float, price: float = 100.0, size: float = 10.0, tape: str = "C") -> bytes:
    """Write a print as a line of a tape, with its conditions."""
    told: dict[str, object] = {"type": "trade", "symbol": "A", "ts": at(seconds), "price": price, "size": size}
    return msgspec.json.encode(told | {"conditions": list(conditions), "tape": tape}) + b"\n"


def test_conditions_of_a_tape_decide_what_is_a_tick_and_whose_size_it_has(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    average = said(" ", "B", seconds=2, price=104.8, size=125_984, tape="A")
    path.write_bytes(
        said("@", seconds=0)
        + said("@", "I", seconds=1, size=3)
        + average
        + tape([trade(3, size=7)])
        + said("@", "O", seconds=4, size=1e6)
        + said("@", "?", seconds=5, size=2)
        + tape([trade(6, size=1), quote(7, 99, 101)])
    )
    assert events(path) == [
        trade(0),
        Prints(PrintKind.VOLUME, 1, 3.0),
        Prints(PrintKind.ELSEWHERE, 1, 125_984.0),
        trade(3, size=10),
        Prints(PrintKind.AUCTION, 1, 1e6),
        trade(4, size=0),
        Prints(PrintKind.VOLUME, 1, 2.0),
        Refused(UNKNOWN_CONDITION),
        trade(6, size=3),
        quote(7, 99, 101),
    ]


def test_a_size_waits_across_chunks_and_a_late_tick_leaves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tapes, "CHUNK", 64)
    path = tmp_path / "day.jsonl"
    path.write_bytes(said("@", seconds=5) + said("@", "I", seconds=6, size=3) + tape([trade(4), trade(7, size=1)]))
    assert [event.size for event in events(path) if isinstance(event, Trade)] == [10, 10, 4]


@pytest.mark.parametrize("conditions", ["null", "[]", '["@"]', '["@","F"]'])
def test_regular_conditions_change_nothing(conditions: str, tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    plain = tape([trade(0, 100, bid=99.9, ask=100.1)])
    path.write_bytes(plain.replace(b"}", b',"conditions":%s,"tape":"C"}' % conditions.encode()))
    assert events(path) == [trade(0, 100, bid=99.9, ask=100.1)]


@pytest.mark.parametrize("conditions", ['"@"', "5", "{}"])
def test_what_is_no_list_is_no_conditions_whatever_lines_it_is_read_with(conditions: str) -> None:
    line = said(seconds=0).replace(b"[]", conditions.encode())
    whole = tapes.Reader().lines([line])
    assert whole == tapes.Reader().lines([line, said("@", seconds=1)])[:1]
    assert [type(event) for event in whole] == [Trade]


def test_a_refused_line_with_conditions_is_refused_as_any_other(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_bytes(said("@", "I", seconds=1, price=-1) + said("@", seconds=2))
    assert [event.__class__ for event in events(path)] == [Refused, Trade]
