"""The whole bot in virtual time: seeds with faults, the same log from the same seed, and rules that are broken."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from actors.blotter import Blotter, Order
from actors.core import Core
from actors.executor import Executor
from actors.messages import Refusal
from actors.orders import Execution, OrderEvent, OrderReport, OrderStatus
from actors.risk import Risk
from simulation.audit import Broken
from simulation.faults import NONE, Faults
from simulation.world import EAGER, World
from tests.support.live import ROOT

MINUTES = 5


@pytest.mark.parametrize("seed", range(1001, 1026))
def test_whatever_goes_wrong_the_books_agree_and_nothing_is_left_unguarded(seed: int) -> None:
    result = World(seed).run(MINUTES * 60)
    assert result.orders > 0


def test_without_faults_it_trades_all_the_time() -> None:
    result = World(7, faults=NONE).run(MINUTES * 60)
    assert result.lives == 1
    assert result.trades > 20


def test_the_same_seed_gives_the_same_log_and_another_one_another() -> None:
    def log(seed: int) -> list[bytes]:
        world = World(seed)
        world.run(60)
        return [msgspec.json.encode(event) for bot in world.bots for event in bot.log]

    assert log(5) == log(5)
    assert log(5) != log(6)


@pytest.mark.parametrize("seed", [1001, 1002, 1003])
def test_each_life_replays_to_the_same_facts(seed: int) -> None:
    """Broker reports, commands and gaps are inputs like any other: a log is all that it takes."""
    world = World(seed)
    world.run(MINUTES * 60)
    for bot in world.bots:
        facts: list[bytes] = []
        core = Core(
            EAGER,
            bot.strategy,
            lambda fact: facts.append(msgspec.json.encode(fact)),  # noqa: B023
            book=bot.book,
            broker=_Nowhere(),
            style=EAGER.orders,
        )
        core.run(bot.log)
        assert facts == [msgspec.json.encode(fact) for fact in bot.audit.facts]


class _Nowhere:
    def receive(self, message: object) -> None: ...


# ------------------------------------------------------------------------------------------- rules that are broken


def found(seeds: int = 50) -> str:
    """Run seeds until one fails, and return what it says."""
    for seed in range(1, seeds + 1):
        try:
            World(seed).run(MINUTES * 60)
        except Broken as broken:
            return str(broken)
    return ""


def test_an_unknown_order_that_is_taken_for_rejected_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(executor: Executor, entry: object, reason: str) -> None:
        executor._change(entry, OrderEvent.LOSE)  # type: ignore[arg-type]
        executor._change(entry, OrderEvent.REJECT, reason)  # type: ignore[arg-type]

    monkeypatch.setattr(Executor, "_lose", lose)
    assert found()


def test_entries_while_halted_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Risk.refusal

    def refusal(risk: Risk, symbol: str) -> Refusal | None:
        reason = whole(risk, symbol)
        return None if reason is Refusal.HALTED else reason

    monkeypatch.setattr(Risk, "refusal", refusal)
    assert "was sent while HALTED" in found()


def test_an_exit_that_is_never_tried_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Executor, "_on_refused", lambda executor, entry: None)
    monkeypatch.setattr(Executor, "_waits", lambda executor, symbol: symbol in executor.wishes)
    assert found()


def test_fills_that_count_twice_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Blotter.execution

    def execution(blotter: Blotter, entry: Order, report: OrderReport) -> Execution | None:
        told = whole(blotter, entry, report)
        if told is None and report.filled and report.status is OrderStatus.PARTIALLY_FILLED:
            return whole(blotter, Order(entry.order), report)
        return told

    monkeypatch.setattr(Blotter, "execution", execution)
    assert found()


def test_a_seed_that_fails_says_how_to_run_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from simulation import __main__ as command

    monkeypatch.setattr(World, "run", lambda world, seconds: (_ for _ in ()).throw(Broken("on purpose")))
    assert command.main(["--seed", "12", "--seeds", "3"]) == 1
    assert "python -m simulation --seed 12 --minutes 5" in capsys.readouterr().out


def test_the_command_runs_seeds() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "simulation", "--seed", "3", "--minutes", "0.5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "1 seeds of 0.5 minutes passed" in ran.stdout


def test_faults_are_drawn_from_the_seed() -> None:
    assert World(1).faults == World(1).faults != World(2).faults
    assert Faults() == NONE
