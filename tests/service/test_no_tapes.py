"""What is no tape: said with what was found and what is expected, and never taken for a day without trades."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from actors.engine.core import Input
from service.errors import UserError
from service.recorded import tapes, unlike
from tests.service.test_cli import Run, assert_one_line, run
from tests.service.test_tapes import EVENTS, SETTINGS, events
from tests.support.market import START, clock, quote, tape, trade
from tests.support.shared import SHARED

__all__ = ["run"]

TRADE = {"type": "trade", "symbol": "A", "ts": START, "price": 100.0, "size": 1}


def lines(*values: object) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


FOREIGN = {
    "an Alpaca frame": lines([{"T": "success", "msg": "connected"}], [{"T": "t", "S": "AAPL", "p": 1.0}]),
    "a Polygon frame": lines([{"ev": "T", "sym": "AAPL", "p": 1.0}]),
    "a Binance frame": lines({"stream": "btcusdt@trade", "data": {"e": "trade", "s": "BTCUSDT", "p": "1"}}),
    "a Binance frame, behind a time": b'1723161253937085768 {"stream":"btcusdt@trade","data":{}}\n',
    "a Finnhub frame": lines({"type": "trade", "data": [{"s": "AAPL", "p": 1.0, "t": 1_680_286_537_580}]}),
    "a Coinbase message": lines({"type": "match", "product_id": "BTC-USD", "price": "1"}),
    "a row of CSV": b"time,symbol,price,size\n1,AAPL,100,1\n",
    "no JSON": b"# A readme\n\nIt says much.\n",
    "no text": b"\xff\xfa\x00\x01\n" * 5,
    "a JSON object without a type": lines({"symbol": "A", "price": 1.0}),
    "an object of the type bar": lines({"type": "bar", "symbol": "A"}),
    "a trade without price": lines({name: value for name, value in TRADE.items() if name != "price"}),
    "a trade whose ts is text, where whole nanoseconds": lines({**TRADE, "ts": "2026-01-05T14:30:00Z"}),
    "a trade whose ts is a fraction": lines({**TRADE, "ts": 1767623400.5}),
    "a trade whose price is text": lines({**TRADE, "price": "100.0"}),
    "a trade with a value that is out of range": lines({**TRADE, "price": -1}),
    "it is compressed by zstd": b"\x28\xb5\x2f\xfd\x00\x00",
    "it is an SQLite file": b"SQLite format 3\x00",
    "it is a Parquet file that is damaged": b"PAR1\x15\x04",
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_no_tape_is_said_by_what_its_first_line_is(what: str, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(FOREIGN[what])
    for command in (
        ("replay", path),
        ("diff", path, "--set", "risk.position_size=2"),
        ("run", "--feed", f"tape:{path}"),
    ):
        outcome = run(*command, *(("--data-dir", tmp_path / "data") if command[0] != "replay" else ()))
        assert_one_line(outcome, path, what)
        assert ("line 1 is " in outcome.err) is not what.startswith("it is")


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="there is no ../shared")
def test_real_files_of_other_makers_are_told_from_tapes() -> None:
    for path in sorted((SHARED / "data").rglob("*.*")):
        if path.is_file() and not path.name.startswith("AAPL"):
            with pytest.raises(UserError, match=r"is none: (line 1 |it )is |is not a LOBSTER recording"):
                tapes.check(path)


def test_a_tape_with_bad_lines_stays_one_and_its_first_bad_line_is_said(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(tape(EVENTS) + b"\nnonsense\n" * 9 + b"[]\n")
    outcome = run("replay", path)
    assert (outcome.code, json.loads(outcome.out)["ticks_rejected"]) == (0, 10)
    assert f"10 lines were refused; the first: line {len(EVENTS) + 2} is no JSON (nonsense)" in outcome.err


def test_more_than_nine_refused_lines_to_an_event_are_no_tape(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for refused, fails in ((9, False), (10, True)):
        path.write_bytes(b"nonsense\n" * refused + tape([trade(0)]))
        if fails:
            with pytest.raises(UserError, match="1 of its lines are events, 10 are none"):
                tapes.check(path)
        else:
            tapes.check(path)


def test_only_the_first_thousand_lines_are_judged(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(tape([trade(0)] * 1000) + b"nonsense\n" * 20_000)
    tapes.check(path)
    path.write_bytes(b"nonsense\n" * 1000 + tape([trade(0)] * 20_000))
    with pytest.raises(UserError, match="line 1 is no JSON"):
        tapes.check(path)


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", SETTINGS, tape([quote(0, 99, 101)]), tape([clock(0)]), SETTINGS + b"x\n" * 50]
)
def test_a_day_without_trades_is_a_tape(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    tapes.check(path)


UNITS = {"seconds": 10**9, "milliseconds": 10**6, "microseconds": 10**3}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("make", [trade, lambda second: quote(second, 99, 101), clock])
def test_times_in_another_unit_are_refused_by_its_name(
    unit: str, make: Callable[[float], Input], tmp_path: Path, run: Run
) -> None:
    path = tmp_path / "a.jsonl"
    told = [json.loads(line) for line in tape([make(second) for second in range(9)]).splitlines()]
    path.write_bytes(lines(*({**event, "ts": event["ts"] // UNITS[unit]} for event in told)))
    for command in ("replay", path), ("run", "--feed", f"tape:{path}", "--data-dir", tmp_path / "data"):
        assert_one_line(run(*command), f"its times in {unit} (line 1: {START // UNITS[unit]})", "19 digits")


@pytest.mark.parametrize("first", [1, 10**9, 10**12, 10**15, START])
def test_a_tape_with_times_of_its_own_is_read(first: int, tmp_path: Path) -> None:
    """Made up, and counted from nothing: the unit of a time is told by its size, where all have the same."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(*({**TRADE, "ts": first + n * 10**9} for n in range(3))))
    tapes.check(path)
    assert len(events(path)) == 3


@given(st.binary(max_size=200))
def test_whatever_a_line_is_it_is_described_in_one_line(line: bytes) -> None:
    assert "\n" not in unlike.describe(line.replace(b"\n", b"")).strip()
    assert unlike.describe(line)
