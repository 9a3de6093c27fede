"""What a command is answered: what it did, and nothing that it did not do."""

from __future__ import annotations

import pytest

from actors.messages import Command, RemoveChain
from actors.risk.risk import RiskSettings
from service.live.commands import CommandResult, restarted, result_of, standing
from tests.support.market import at, trade
from tests.support.sessions import Session


def done(session: Session, command: str) -> CommandResult:
    before = standing(session.core)
    session.feed(Command(command, at(5)))
    return result_of(command, before, standing(session.core))


@pytest.mark.parametrize(
    ("given", "command", "changed", "sentence"),
    [
        ((), "pause", True, "trading is PAUSED now: no new entries"),
        ((), "resume", False, "trading was ACTIVE already"),
        (("pause",), "pause", False, "trading was PAUSED already"),
        (("pause",), "resume", True, "trading is ACTIVE now"),
        (("halt",), "pause", False, "trading stays HALTED: only `resume` lifts that"),
        (("halt",), "reduce", False, "trading stays HALTED: only `resume` lifts that"),
        (("halt",), "flatten", False, "trading stays HALTED: only `resume` lifts that"),
        (("halt",), "halt", False, "trading was HALTED already"),
        (("halt",), "resume", True, "trading is ACTIVE now"),
    ],
)
def test_a_command_is_answered_with_what_it_did(
    given: tuple[str, ...], command: str, changed: bool, sentence: str
) -> None:
    session = Session().feed(trade(0), *(Command(name, at(1)) for name in given))
    assert done(session, command) == CommandResult(changed, sentence)


def test_positions_that_a_command_closed_are_counted() -> None:
    two = (trade(0, says="LONG"), trade(1, symbol="B", says="SHORT"))
    assert done(Session().feed(*two), "halt").sentence == "2 positions closed, trading is HALTED now"
    one_paused = Session().feed(two[0], Command("pause", at(1)))
    assert done(one_paused, "flatten") == CommandResult(True, "1 position closed, trading was PAUSED already")
    assert (
        done(Session().feed(*two), "pause").sentence
        == "trading is PAUSED now: no new entries; A and B keep their exits"
    )


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (
            "resume",
            "trading stays HALTED by the daily loss limit until the next trading day: `resume` does not lift that",
        ),
        ("pause", "trading stays HALTED by the daily loss limit until the next trading day, and then until `resume`"),
    ],
)
def test_no_command_lifts_the_halt_of_the_loss_limit(command: str, sentence: str) -> None:
    session = Session(risk=RiskSettings(daily_loss_limit=-0.0001))
    session.feed(trade(0, says="LONG"), trade(1, 90.0))
    assert done(session, command) == CommandResult(False, sentence)


def test_a_wish_to_restart_a_strategy_is_answered_with_what_becomes_of_it() -> None:
    session = Session().feed(trade(0), trade(0, symbol="B"), RemoveChain("B", at(1), "too slow"))
    answers = [restarted(session.core, symbol) for symbol in ("A", "B", "C")]
    assert answers == [
        CommandResult(False, "the strategy of A runs already"),
        CommandResult(True, "the strategy of B restarts, and warms up; other symbols go on"),
        CommandResult(False, "no C is traded here, only A, B", wrong=True),
    ]
