"""The program that tells of a decision: one at a time, bounded, and its words passed on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import pytest

from web.explainer import MOST_WAITING, Explainer, NoStory

T = TypeVar("T")


def program(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import json, os, sys\n{text}")


def told_by(text: str, decision: str = "3/a1", *, at_exit: bool = False, most_s: float = 60.0) -> bytes:
    return asyncio.run(Explainer(program(text), most_s).explain(decision, at_exit=at_exit))


def refused_by(explainer: Explainer, decision: str = "3/a1") -> NoStory:
    with pytest.raises(NoStory) as caught:
        asyncio.run(explainer.explain(decision))
    return caught.value


def test_the_decision_is_the_last_word_and_the_priority_the_lowest() -> None:
    patient = "while os.getpriority(os.PRIO_PROCESS, 0) < 19: pass"
    told = json.loads(told_by(f"{patient}\nprint(json.dumps(sys.argv[1:]))", at_exit=True))
    assert told == ["--at-exit", "--", "3/a1"]


def test_its_complaint_is_the_answer() -> None:
    problem = refused_by(Explainer(program("sys.exit('microbot: the journal knows no decision a1')"), 60.0))
    assert (problem.status, str(problem)) == (404, "The journal knows no decision a1")


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    text = f"open({str(pid)!r}, 'w').write(str(os.getpid()))\nimport time\ntime.sleep(600)"
    explainer = Explainer(program(text), 3.0)
    problem = refused_by(explainer)
    assert problem.status == 504
    assert "`microbot explain 3/a1` in a terminal" in str(problem)
    if pid.exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)


def test_one_that_says_too_much_is_ended() -> None:
    problem = refused_by(Explainer(program("sys.stdout.write('x' * (9 << 20))\nimport time\ntime.sleep(600)"), 60.0))
    assert (problem.status, str(problem)) == (500, "The story is longer than 8 MiB.")


@pytest.mark.parametrize("decision", ["", "--help", "a b", "x" * 200, "1/2/3", "a;b", "é\n"])
def test_what_is_no_id_reaches_no_program(decision: str) -> None:
    assert refused_by(Explainer(program("print('{}')"), 60.0), decision).status == 400


def test_without_a_journal_it_says_so() -> None:
    problem = refused_by(Explainer((), 60.0))
    assert (problem.status, "no journal" in str(problem)) == (404, True)


def test_a_program_that_is_not_there_is_said() -> None:
    assert refused_by(Explainer(("/nowhere/at/all",), 60.0)).status == 500


def test_one_runs_at_a_time_and_few_may_wait(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    held = f"os.close(os.open({str(lock)!r}, os.O_CREAT | os.O_EXCL))"
    text = f"import time\n{held}\ntime.sleep(0.1)\nos.unlink({str(lock)!r})"

    async def outcome(ask: Awaitable[bytes]) -> int:
        try:
            await ask
        except NoStory as problem:
            return problem.status
        return 200

    async def all_at_once() -> list[int]:
        explainer = Explainer(program(text), 120.0)
        asks = [outcome(explainer.explain("a1")) for _ in range(MOST_WAITING + 2)]
        return list(await asyncio.gather(*asks))

    assert sorted(asyncio.run(all_at_once())) == [200] * MOST_WAITING + [503, 503]
