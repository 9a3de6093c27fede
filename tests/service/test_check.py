"""`microbot check`: each fault that is planted is found, by the name of what has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from microbot import Strategy, op
from service import settings, strategies
from service.check.checks import Checks, Finding
from service.check.trial_tapes import events_of
from service.cli import main
from service.errors import UserError
from tests.service import planted

FILE = planted.__file__


def failed(name: str, events: int = 3_000) -> list[Finding]:
    effective = settings.load(environment={})
    strategy = strategies.chosen(f"{FILE}:{name}", effective)
    checks = Checks(strategy, effective, events_of(None)[:events], 0.5)
    return [found for found in checks.all_of_them() if not found.passed]


def line(text: str) -> int:
    """Return the number of the first line of the planted file that has a text."""
    lines = Path(FILE).read_text(encoding="utf-8").splitlines()
    return next(number for number, found in enumerate(lines, 1) if text in found)


def test_a_sound_strategy_passes_every_check() -> None:
    assert failed("good") == []


@pytest.mark.parametrize(
    ("name", "check", "says"),
    [
        ("speaks_at_the_end", "no look-ahead", "it signals as its stream ends"),
        ("knows_the_run_before", "symbols are independent", "the global PRICES in on_next (planted.py:"),
        ("says_of_the_tick_before", "it runs", "a signal is about now"),
        ("shares_its_window", "symbols are independent", "the global WINDOW in move (planted.py:"),
        ("reads_a_clock", "no clock, no chance, no file", "reads a clock"),
        ("reads_the_date", "no clock, no chance, no file", "reads a clock"),
        ("rolls_dice", "no clock, no chance, no file", "reads chance"),
        ("reads_a_file", "no clock, no chance, no file", "reads a file"),
        ("keeps_everything", "bounded memory", "the list prices in value (planted.py:"),
        ("misspells_a_side", "it runs", "a signal's side is 'long', neither LONG nor SHORT (planted.py:"),
        ("fails_on_a_silence", "it survives bad data", "with an hour's silence it raised RuntimeError"),
        ("exit_that_raises", "exit the exits", "ZeroDivisionError"),
        ("carries_an_exit_that_never_fires", "exit profit_target(0.9)", "it never closed a LONG nor a SHORT"),
        ("carries_another_quantity_each_time", "same input, same output", "two runs over one tape differ"),
        ("exit_that_never_fires", "exit profit_target(0.9)", "it never closed a LONG nor a SHORT"),
    ],
)
def test_a_planted_fault_is_found_and_named(name: str, check: str, says: str) -> None:
    found = {finding.name: finding.sentence for finding in failed(name)}
    assert says in found[check]


def test_an_exit_that_waits_for_long_is_tried_for_as_long_where_the_fallback_leaves_it_room() -> None:
    waits = Strategy("waits", planted.sound, [op.time_stop(700)])
    wide = settings.load(given={"risk.fallback_hold_s": 900}, environment={})
    events = events_of(None)[:100]
    assert list(Checks(waits, wide, events, 0.5).exits_fire()) == [
        Finding("exit time_stop(700)", True, "LONG TIME 1, SHORT TIME 1")
    ]
    [found] = Checks(waits, settings.load(environment={}), events, 0.5).exits_fire()
    assert (found.passed, found.sentence) == (
        False,
        "op.time_stop(700) never has its turn: the fallback closes at 600; set risk.fallback_hold_s to more than 700",
    )


def test_what_a_tick_costs_is_found_and_named() -> None:
    found = {finding.name: finding.sentence for finding in failed("is_slow", events=200)}
    assert "<lambda> (planted.py:" in found["cost of a tick"]


def test_the_line_that_reads_a_clock_is_named() -> None:
    [found] = failed("reads_a_clock")
    assert f"planted.py:{line('time.time()')}" in found.sentence


def test_the_smallest_tape_is_shown() -> None:
    [found] = [finding for finding in failed("says_of_the_tick_before") if finding.name == "it runs"]
    events = [json.loads(event) for event in found.tape]
    assert len(events) == 2  # of two prices: nothing can be left out
    assert events[0]["price"] != events[1]["price"]


ASKS_FOR_SHARES = """
from microbot import op

def strategy(ticks):
    return ticks.pipe(op.readings(n=op.ema(5)), op.when(op.above("n", 0), go="LONG", quantity=QUANTITY), op.signals())
"""


@pytest.mark.parametrize(("quantity", "said"), [("2", "; with these settings, risk refuses "), ("1", "")])
def test_signals_that_risk_refuses_for_what_they_ask_are_reported(quantity: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(ASKS_FOR_SHARES.replace("QUANTITY", quantity))
    effective = settings.load(environment={})
    strategy = strategies.chosen(f"{tmp_path / 'mine.py'}:strategy", effective)
    found = Checks(strategy, effective, events_of(None)[:500], 0.5).works()
    signals, _, rest = found.sentence.partition(" signals on 500 events")
    assert (found.passed, rest) == (True, f"{said}{signals} as MAX_QUANTITY" if said else "")


def test_a_tape_without_trades_is_refused(tmp_path: Path) -> None:
    tape = tmp_path / "quotes.jsonl"
    tape.write_text('{"type":"quote","symbol":"A","ts":1767623400000000000,"bid":1,"ask":2}\n', encoding="utf-8")
    with pytest.raises(UserError, match="has no trades"):
        events_of(tape)


def test_the_command_says_what_it_found_and_ends_with_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tape = tmp_path / "short.jsonl"
    from pipeline.events import as_json

    tape.write_bytes(b"\n".join(map(as_json, events_of(None)[:500])) + b"\n")
    with pytest.raises(SystemExit) as ended:
        main(["check", f"{FILE}:misspells_a_side", "--tape", str(tape)])
    assert ended.value.code == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [finding["passed"] for finding in found if finding["name"] == "it runs"] == [False]
