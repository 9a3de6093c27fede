"""A seed that fails: made small, told in words, and run again by what is printed. The command line around it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from actors.book import Book
from actors.messages import TradingState
from actors.risk.risk import Risk
from simulation import __main__ as command, chance
from simulation.chance import Chance
from simulation.shrink import Failure, Shrinker, attempt
from simulation.world import World
from tests.support.live import ROOT, microbot


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Break a rule: a state set by hand does not survive a restart."""
    whole = Risk.restore

    def restore(risk: Risk, book: Book) -> None:
        whole(risk, msgspec.structs.replace(book, state=TradingState.ACTIVE))

    monkeypatch.setattr(Risk, "restore", restore)


def first_failure() -> Failure:
    failures = (attempt(seed, 5.0)[1] for seed in range(1, 51))
    return next(failure for failure in failures if failure is not None and failure.seconds < 290)  # while faults happen


def keys(failure: Failure) -> list[str]:
    return [occurrence.key for occurrence in failure.occurred]


# ---------------------------------------------------------------------------------------------------- shrinking


@pytest.mark.usefixtures("forgetful")
def test_a_failure_is_shrunk_to_the_faults_that_it_takes_and_none_can_be_left_out() -> None:
    whole = first_failure()
    smallest = Shrinker(whole, lambda: False).shrink()
    assert smallest.rule == whole.rule == "memory"
    assert len(smallest.occurred) <= 3 < len(whole.occurred)
    assert smallest.seconds <= whole.seconds
    assert any(occurrence.kind == "crash" for occurrence in smallest.occurred)
    for left_out in keys(smallest):
        _, failure = attempt(whole.seed, smallest.minutes, [key for key in keys(smallest) if key != left_out])
        assert failure is None or failure.rule != whole.rule


@pytest.mark.usefixtures("forgetful")
def test_shrinking_takes_no_longer_than_it_may() -> None:
    whole = first_failure()
    tries = iter(range(100))
    shrinker = Shrinker(whole, lambda: next(tries) >= 3)
    assert shrinker.shrink().rule == whole.rule
    assert shrinker.tries <= 3


def test_a_fault_of_the_program_fails_a_seed_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def restore(risk: Risk, book: Book) -> None:
        raise KeyError("a typo")

    monkeypatch.setattr(Risk, "restore", restore)
    failure = first_failure()
    assert failure.rule == "KeyError"
    assert "a typo" in failure.sentence


# ------------------------------------------------------------------------------------------------- the command


@pytest.mark.usefixtures("forgetful")
def test_a_failing_seed_is_told_in_words_with_a_command_that_fails_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = first_failure().seed
    assert command.main([f"--seed={seed}", "--seeds=2", "--jobs=1", f"--out={tmp_path}"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"\d+\.\d{3} s  crash:\d+ +the bot is killed: .*; started again .* s later", said)
    assert "does NOT fail" not in said
    again = re.search(r"reproduce: python -m simulation (.*)", said)
    assert again is not None
    assert command.main([*again[1].split(), f"--out={tmp_path}"]) == 1
    assert re.search(rf"seed {seed} FAILED .* \[memory\] by_hand: ACTIVE instead of", capsys.readouterr().out)


@pytest.mark.usefixtures("forgetful")
def test_what_the_failing_life_was_fed_is_written_down_and_replays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = first_failure()
    assert command.main([f"--seed={failure.seed}", "--shrink-s=0", f"--out={tmp_path}"]) == 1
    path = tmp_path / f"simulation-{failure.seed}.jsonl"
    assert f"microbot replay {path}" in capsys.readouterr().out
    world, _ = attempt(failure.seed, 5.0)
    kinds = [msgspec.json.decode(line)["type"] for line in path.read_bytes().splitlines()]
    assert kinds[:1] == ["settings"]
    assert len(kinds) == 1 + len(world.bot.parts[-1].log)
    assert "book" in kinds
    assert microbot("replay", path, "--json", cwd=tmp_path).returncode == 0


def test_the_command_runs_seeds_side_by_side() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "simulation", "--seed", "3", "--seeds", "4", "--minutes", "0.3", "--jobs", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "4 seeds of 0.3 minutes passed" in ran.stdout


def test_one_seed_tells_what_it_came_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--seed", "3", "--minutes", "0.5"]) == 0
    assert re.search(r"seed 3: fills .*, \d+ lives of the bot, \d+ sessions, \d+ faults", capsys.readouterr().out)


def test_a_mask_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        command.main(["--seed", "3", "--only", "crash"])
    assert refused.value.code == 2
    assert "'crash' is no mask" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------- chance


def test_a_mask_is_read_as_it_is_written() -> None:
    some = ["crash:3", "lost_answer:12", "crash:11"]
    assert chance.written(some) == "crash:3+11,lost_answer:12"
    assert chance.read(chance.written(some)) == frozenset(some)
    assert chance.read(chance.written([])) == frozenset()


def test_what_is_masked_leaves_the_numbers_and_the_randomness_of_the_others_alone() -> None:
    def drawn(only: list[str] | None) -> dict[str, float]:
        made = Chance(7, lambda: 0, only)
        found = {}
        for _ in range(200):
            for kind in ("a", "b"):
                if random := made.occurs(kind, 0.1, "something"):
                    found[made.occurred[-1].key] = random.random()
        return found

    whole = drawn(None)
    some = [key for n, key in enumerate(whole) if n % 3]
    assert drawn(some) == {key: whole[key] for key in some}


def test_nothing_goes_wrong_in_a_calm() -> None:
    made = Chance(7, lambda: 0)
    made.calm()
    assert not made.occurs("a", 1.0, "something")


def test_without_any_fault_a_seed_takes_no_kill() -> None:
    world = World(1001, only=[])
    assert world.run(60).lives == 1
    assert world.chance.occurred == []
