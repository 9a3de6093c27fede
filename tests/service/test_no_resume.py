"""What a resume does not lift, and until when: the dashboard does not offer it then."""

from __future__ import annotations

from actors.messages import Command
from actors.risk.risk import RiskSettings
from service.live.no_resume import why_not_resume
from tests.support.market import at, trade
from tests.support.sessions import Session


def test_a_halt_by_the_day_s_loss_holds_until_midnight_at_the_exchange() -> None:
    session = Session(risk=RiskSettings(daily_loss_limit=-0.0001))
    session.feed(trade(0, says="LONG"), trade(1, 90.0))
    said = why_not_resume(session.core, None)
    assert said == "the daily loss limit is reached, until 2026-01-06 00:00 (America/New_York)"


def test_what_a_person_set_or_a_drawdown_did_is_lifted_by_a_resume() -> None:
    session = Session().feed(trade(0), Command("halt", at(1)))
    assert why_not_resume(session.core, None) == ""
    deep = Session(risk=RiskSettings(daily_loss_limit=-0.9, drawdown_limit=-0.0001))
    deep.feed(trade(0, says="LONG"), trade(1, 90.0))
    assert deep.core.risk.state == "HALTED"
    assert why_not_resume(deep.core, None) == ""
    deep.feed(Command("resume", at(2)))
    assert deep.core.risk.state == "ACTIVE"


def test_a_gate_that_halted_wants_a_new_start() -> None:
    session = Session().feed(trade(0))
    said = why_not_resume(session.core, "journal: the disk is full")
    assert said == "no entry leaves until the bot is started again: journal: the disk is full"
