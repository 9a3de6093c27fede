"""docs/signals.md, run from top to bottom in an empty folder; and the figures of docs/HONEST.md that need no data."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import earnings
from tests.microbot.test_documents import README, ROOT, commands_in
from tests.service.test_cli import Run, run

__all__ = ["run"]

DOCS = ROOT / "docs"


def steps() -> Iterator[tuple[str, str]]:
    """Yield the language and the text of each block of the tutorial."""
    text = (DOCS / "signals.md").read_text(encoding="utf-8")
    yield from re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_ten_minutes_run_and_say_what_they_tell(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    summaries: list[dict[str, Any]] = []
    for language, text in steps():
        named = re.match(r"# (\w+\.py)\n", text)
        if named:
            (tmp_path / named[1]).write_text(text, encoding="utf-8")
        elif language == "python":
            exec(text, {})
            assert [int(line.split()[0]) for line in capsys.readouterr().out.splitlines()] == [5, 9, 12]
        else:
            [command] = text.splitlines()
            words = shlex.split(command)[1:]
            if words[0] == "run":  # it goes on until it is stopped; a second shows that it starts
                words += ["--duration", "1", "--port", "0", "--exchange-port", "0"]
            done = run(*words)
            assert done.code == 0, (command, done)
            if words[0] == "replay":
                summaries.append(json.loads(done.out))
    first, second, _ = summaries
    assert (first["funnel"]["bursts"], first["funnel"]["signals"], first["trades"]) == (292, 292, 113)
    blocked = {name: count for name, count in second["blocked"].items() if count}
    assert blocked == {"NO_SPREAD": 96, "NO_RSI_LONG": 16, "NO_RSI_SHORT": 13}


@pytest.mark.slow
def test_the_figures_of_the_mock_exchange_are_those_that_are_told(run: Run, tmp_path: Path) -> None:
    line = next(command for command in commands_in(README) if "--write-tape" in command)
    tape = tmp_path / "hour.jsonl.gz"
    assert run(*shlex.split(line.replace("hour.jsonl.gz", str(tape)))[1:]).code == 0
    told = (DOCS / "HONEST.md").read_text(encoding="utf-8").splitlines()
    made = list(earnings.rows(earnings.read(tape), ["momentum_burst", "trailing"]))
    assert len(made) == 2
    assert [line for line in made if line not in told] == []
    assert list(earnings.HEAD) == [line for line in told if line in earnings.HEAD]
