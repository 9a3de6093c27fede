"""visible: what strangers wrote is shown as they wrote it, and does nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from service import cli
from service.cli import terminal
from service.visible import visible, visible_json

HOSTILE = "\x1b[31mA\n\u202e[red]"


@given(st.text())
def test_what_is_shown_is_one_printable_line(text: str) -> None:
    assert visible(text).isprintable()


@given(st.text(st.characters(categories=("L", "N", "P", "S")), max_size=100))
def test_what_can_be_printed_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_reads_the_same_and_is_printable_but_for_its_line_ends(value: object) -> None:
    shown = visible_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert json.loads(shown) == value
    assert shown.replace("\n", "").isprintable()


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("as_json", [False, True])
def test_a_summary_names_a_failed_symbol_without_obeying_it(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Screen()
    summary: dict[str, object] = {"failed": {HOSTILE: f"ValueError: {HOSTILE}"}}
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", screen)
        terminal.print_summary(summary, as_json=as_json)
    terminal.say_failures(summary)
    for said in (screen.getvalue(), capsys.readouterr().err):
        assert "\x1b[31mA" not in said
        assert "\u202e" not in said
        assert "[red]" in said.replace("\n", "")


def test_money_in_a_summary_has_its_sign_before_the_dollar_and_none_before_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Screen()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", screen)
        terminal.print_summary({"total_pnl": -1234.5, "daily_pnl": -0.001, "equity": 8765.5})
    assert [line.split()[-1] for line in screen.getvalue().splitlines()] == ["-$1,234.50", "-$0.001", "$8,765.50"]


def test_a_log_is_printed_as_json_without_obeying_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = {"ts": 1, "level": "INFO", "message": "\x1b[2J\x9b2J\u202e"}
    (tmp_path / "microbot.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(SystemExit):
        cli.main(["logs", "--json", "--log-dir", str(tmp_path)])
    printed = capsys.readouterr().out
    assert json.loads(printed) == line
    assert printed.removesuffix("\n").isprintable()


def test_an_error_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["replay", "no\x1b[2Jwhere\n.jsonl"])
    assert capsys.readouterr().err == "microbot: there is no tape no\\x1b[2Jwhere\\n.jsonl\n"
