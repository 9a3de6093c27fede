"""Text that a person may have edited: a byte order mark changes nothing, and UTF-16 is refused, wherever it is read."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.events import Quote, Trade
from service import plain_text, settings
from service.data_folder.bot_id import BOT_ID, bot_id
from service.errors import UserError
from service.recorded import decisions, replay as replaying, tapes
from tests.service.test_cli import DAY, Run, assert_one_line, run
from tests.service.test_tapes import EVENTS, SETTINGS, events, lobster_pair
from tests.support.market import tape

__all__ = ["run"]

BOM = b"\xef\xbb\xbf"
MANY = tape(EVENTS)
TOML = "[risk]\nposition_size = 3\n"


def plain(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def compressed(path: Path, data: bytes) -> None:
    path.write_bytes(gzip.compress(data))


Write = Callable[[Path, bytes], None]
WIDE = ("utf-16", "utf-16-le", "utf-16-be", "utf-32")


@pytest.mark.parametrize("write", [plain, compressed])
def test_a_mark_before_a_recording_takes_neither_its_settings_nor_its_first_event(write: Write, tmp_path: Path) -> None:
    path = tmp_path / ("a.jsonl.gz" if write is compressed else "a.jsonl")
    write(path, BOM + SETTINGS + MANY)
    recorded = tapes.recorded_settings(path)
    assert recorded is not None
    assert recorded.settings["risk"]["position_size"] == 2
    assert events(path) == EVENTS


@pytest.mark.parametrize("write", [plain, compressed])
def test_a_mark_before_a_tape_changes_nothing(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write(path, BOM + MANY)
    assert events(path) == EVENTS


def test_a_mark_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    """As in two files that were put one behind the other."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(MANY + BOM + b'{"type":"command","name":"pause"}\n' + BOM + b"\n" + MANY)
    found = events(path)
    assert len(found) == 2 * len(EVENTS) + 1
    assert getattr(found[len(EVENTS)], "name", "") == "pause"  # what only a recording holds


@pytest.mark.parametrize("write", [plain, compressed])
@pytest.mark.parametrize("encoding", WIDE)
def test_a_tape_in_a_wide_encoding_is_refused_wherever_it_is_read(encoding: str, write: Write, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write(path, (SETTINGS + MANY).decode().encode(encoding))
    for read in (tapes.recorded_settings, tapes.check, events):
        with pytest.raises(UserError, match=r"^the tape .* cannot be read: it is UTF-16 text.*: save it as UTF-8$"):
            read(path)


def test_a_mark_before_the_settings_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bot.toml"
    path.write_bytes(BOM + TOML.encode())
    assert settings.load(path, environment={}).risk.position_size == 3


@pytest.mark.parametrize("encoding", WIDE)
def test_a_settings_file_in_a_wide_encoding_is_refused(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "bot.toml"
    path.write_bytes(TOML.encode(encoding))
    with pytest.raises(UserError, match=r"bot\.toml is not TOML: it is UTF-16 text"):
        settings.load(path, environment={})


def test_a_settings_file_that_is_none_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "bot.toml"
    for content, words in (
        (b"#" * (plain_text.MOST_BYTES + 1), "larger than"),
        (b"a = " + b"[" * 50_000, "nested too"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=rf"bot\.toml is not TOML.*: it is {words}"):
            settings.load(path, environment={})


def test_a_mark_before_the_bot_s_name_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / BOT_ID).write_bytes(BOM + b"0123abcd\r\n")
    assert bot_id(tmp_path) == "0123abcd"
    (tmp_path / BOT_ID).write_bytes("0123abcd\n".encode("utf-16"))
    with pytest.raises(UserError, match="should hold 8 hexadecimal digits"):
        bot_id(tmp_path)


def test_a_mark_before_a_list_of_faults_is_no_part_of_it(tmp_path: Path, run: Run) -> None:
    wrong, wide = tmp_path / "faults.txt", tmp_path / "wide.txt"
    wrong.write_bytes(BOM + b"no_such_fault\n")
    assert_one_line(run("exchange", "--faults", wrong), "'no_such_fault'")
    wide.write_bytes("mute\n".encode("utf-16"))
    assert_one_line(run("exchange", "--faults", wide), "cannot be read: it is UTF-16 text")


def test_a_mark_before_decisions_or_before_a_csv_changes_nothing(tmp_path: Path) -> None:
    replaying.replay(DAY, settings.load(environment={}), out=tmp_path / "out")
    expected = list(decisions.written(tmp_path / "out"))
    for name in ("signals.jsonl", "trades.jsonl"):
        path = tmp_path / "out" / name
        path.write_bytes(BOM + path.read_bytes())
    assert list(decisions.written(tmp_path / "out")) == expected
    message = lobster_pair(tmp_path)
    message.write_bytes(BOM + message.read_bytes())
    assert [type(event) for event in events(message)] == [Trade, Quote]
