"""The tail of a log: its newest lines, those behind a place, and what a rotation or a crash does to both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from web.log_tail import MOST_LINES, LogTail, Wanted

ALL = Wanted()


def write(path: Path, *numbers: int, **fields: Any) -> None:
    with path.open("ab") as file:
        for number in numbers:
            line = {"ts": number, "level": "INFO", "event": "e", "message": f"m{number}"} | fields
            file.write(json.dumps(line).encode() + b"\n")


def seen(lines: list[dict[str, Any]]) -> list[int]:
    return [line["ts"] for line in lines]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "microbot.jsonl"


def test_a_log_that_is_not_there_has_no_lines(log: Path) -> None:
    assert LogTail(log).newest(ALL) == ([], "", False)
    write(log, 1)
    assert seen(LogTail(log).after("", ALL).lines) == [1]


@pytest.mark.parametrize("place", ["x", "1:", "1:-1", "1:\N{SUPERSCRIPT TWO}", ":1"])
def test_a_place_that_is_none_begins_with_the_newest_lines(log: Path, place: str) -> None:
    write(log, 1)
    assert seen(LogTail(log).after(place, ALL).lines) == [1]


def test_the_newest_come_first_and_then_what_is_written_behind_them(log: Path) -> None:
    write(log, *range(1_000))
    newest = LogTail(log).newest(ALL)
    assert seen(newest.lines) == list(range(1_000 - MOST_LINES, 1_000))
    assert LogTail(log).after(newest.place, ALL) == ([], newest.place, False)
    write(log, 1_000, 1_001)
    more = LogTail(log).after(newest.place, ALL)
    assert (seen(more.lines), more.missed) == ([1_000, 1_001], False)
    assert LogTail(log).after(more.place, ALL).lines == []


def test_a_line_that_is_being_written_is_read_once_it_is_whole(log: Path) -> None:
    write(log, 1)
    with log.open("ab") as file:
        file.write(b'{"ts": 2, "level"')
    page = LogTail(log).newest(ALL)
    assert seen(page.lines) == [1]
    with log.open("ab") as file:
        file.write(b': "INFO"}\n')
    assert seen(LogTail(log).after(page.place, ALL).lines) == [2]


def test_nothing_is_lost_at_a_rotation(log: Path) -> None:
    write(log, 1)
    page = LogTail(log).newest(ALL)
    write(log, 2)
    log.rename(log.with_name("microbot.2026-01-05_10-00-00_000000.jsonl"))
    write(log, 3)
    log.rename(log.with_name("microbot.2026-01-05_11-00-00_000000.jsonl"))
    write(log, 4)
    more = LogTail(log).after(page.place, ALL)
    assert (seen(more.lines), more.missed) == ([2, 3, 4], False)
    assert seen(LogTail(log).newest(ALL).lines) == [1, 2, 3, 4]


def test_a_log_that_was_removed_or_cut_says_that_lines_are_missing(log: Path) -> None:
    write(log, 1, 2, 3)
    page = LogTail(log).newest(ALL)
    log.write_bytes(b"")
    write(log, 4)
    cut = LogTail(log).after(page.place, ALL)
    assert (seen(cut.lines), cut.missed) == ([4], True)
    other = log.with_name("other")
    write(other, 5)
    other.rename(log)
    gone = LogTail(log).after(cut.place, ALL)
    assert (seen(gone.lines), gone.missed) == ([5], True)


def test_a_broken_line_costs_only_itself(log: Path) -> None:
    write(log, 1)
    with log.open("ab") as file:
        file.write(b'{"ts": 2, "lev\n\xff\xfe\n[]\n' + b"x" * 100_000 + b"\n")
    write(log, 3)
    assert seen(LogTail(log).newest(ALL).lines) == [1, 3]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(level="WARNING"), [2, 3]),
        (Wanted(level="ERROR"), [3]),
        (Wanted(event="trade"), [4, 5]),
        (Wanted(event="trade."), [4, 5]),
        (Wanted(event="trade.closed"), [5]),
        (Wanted(event="tra"), []),
        (Wanted(symbol="AAPL"), [5, 6]),
        (Wanted(text="DISK"), [3]),
        (Wanted(text="earnings"), [6]),
        (Wanted(level="WARNING", text="nothing of the kind"), []),
    ],
)
def test_lines_are_found_by_level_event_symbol_and_text(log: Path, wanted: Wanted, found: list[int]) -> None:
    write(log, 1)
    write(log, 2, level="WARNING")
    write(log, 3, level="ERROR", message="the disk is full")
    write(log, 4, event="trade.opened", symbol="MSFT")
    write(log, 5, event="trade.closed", symbol="AAPL")
    write(log, 6, event="tradeable", symbols=["AAPL"], reason="earnings")
    assert seen(LogTail(log).newest(wanted).lines) == found
    page = LogTail(log).newest(ALL)
    assert seen(LogTail(log).after(page.place.split(":")[0] + ":0", wanted).lines) == found


def test_a_rare_line_is_found_far_back_but_not_without_end(log: Path) -> None:
    write(log, 1, level="ERROR")
    write(log, *range(2, 20_000))
    assert seen(LogTail(log).newest(Wanted(level="ERROR")).lines) == [1]
    assert LogTail(log, most_back=100_000).newest(Wanted(level="ERROR")).lines == []


def test_what_is_answered_is_bounded_and_goes_on_where_it_stopped(log: Path) -> None:
    write(log, 0)
    page = LogTail(log).newest(ALL)
    write(log, *range(1, 1_000))
    found: list[int] = []
    for _ in range(4):
        page = LogTail(log).after(page.place, ALL)
        assert len(page.lines) <= MOST_LINES
        found += seen(page.lines)
    assert found == list(range(1, 1_000))
