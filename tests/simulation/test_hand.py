"""A person's hand in the account: it is said, what it left is guarded, and nothing is closed that is not there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from actors.execution.account_cap import AccountCap
from actors.execution.policy import OrderSettings
from actors.gateway.shadow_ledger import ShadowLedger
from actors.messages import HaltCause
from actors.portfolio.positions import Position
from actors.reconciliation.reconciler import Reconciler
from actors.risk.risk import Mismatch, Risk
from pipeline.events import SECOND
from simulation.broken import Broken
from simulation.faults import NONE, Scenario
from simulation.world import World

MINUTES = 5
HANDS = Scenario(msgspec.structs.replace(NONE, hand_s=30.0, crash_s=30.0, resume_s=30.0))
SWITCHES = Scenario(msgspec.structs.replace(NONE, hand_s=30.0, stuck_s=15.0, resume_s=10.0))
UNCAPPED = msgspec.structs.replace(
    HANDS, settings=msgspec.structs.replace(HANDS.settings, orders=OrderSettings(cap_by_account=False))
)


def run(seed: int, scenario: Scenario = HANDS) -> World:
    world = World(seed, scenario)
    world.run(MINUTES * 60)  # it raises what is wrong
    return world


def found(scenario: Scenario = HANDS, seeds: int = 50) -> Broken:
    """Run seeds until one fails; return what it says."""
    for seed in range(1, seeds + 1):
        try:
            run(seed, scenario)
        except Broken as broken:
            return broken
    pytest.fail(f"{seeds} seeds pass although a rule is broken")


def test_what_a_hand_changes_is_said_and_the_books_differ_by_nothing_else() -> None:
    worlds = [run(seed) for seed in range(1, 9)]
    changed = [world for world in worlds if world.venue.hand.done.positions]
    assert len(changed) > 3
    assert all(world.bot.core.book().halt_cause is HaltCause.MISMATCH for world in changed)
    words = [occurrence.words for world in worlds for occurrence in world.chance.occurred]
    for said in ("half of a", "closes a position", "at market", "`close position`", "while the bot is down", "buys"):
        assert any(said in of for of in words), said


def test_a_hand_is_drawn_rarely_and_last_of_all_so_that_other_seeds_keep_their_worlds() -> None:
    drawn = [World(seed).scenario for seed in range(1, 301)]
    hands = [scenario for scenario in drawn if scenario.faults.hand_s]
    assert 10 <= len(hands) <= 40
    assert not any(scenario.simulated or scenario.faults.bust_s for scenario in hands)


def test_a_close_of_more_than_the_account_has_is_found() -> None:
    broken = found(UNCAPPED)
    assert broken.rule == "by hand"
    assert "and the account has 0" in str(broken)


def test_a_first_reading_after_a_start_that_does_not_count_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Reconciler._quantities

    def later(reconciler: Reconciler, *given: Any, opening: bool) -> list[str]:
        return whole(reconciler, *given, opening=False)

    monkeypatch.setattr(Reconciler, "_quantities", later)
    assert found().rule == "by hand"


def test_a_rest_of_a_position_that_nothing_guards_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(cap: AccountCap, position: Position) -> Decimal:
        return Decimal(0) if position.symbol in cap._lacks else position.quantity

    monkeypatch.setattr(AccountCap, "closable", none)
    assert found().rule in {"guarded", "settled"}


def test_a_difference_that_is_not_said_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(risk: Risk, mismatch: Mismatch) -> None:
        pass

    monkeypatch.setattr(Risk, "_on_mismatch", nothing)
    assert found().rule == "by hand"


def test_a_gate_that_closes_what_the_account_has_not_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_book(ledger: ShadowLedger, symbol: str) -> Decimal:
        return ledger.positions().get(symbol, (Decimal(0), ""))[0]

    monkeypatch.setattr(ShadowLedger, "in_account", of_book)
    assert found(SWITCHES).rule == "by hand"


def test_a_hand_acts_past_all_faults_and_leaves_the_venues_chances_as_they_were() -> None:
    world = World(1, Scenario(msgspec.structs.replace(NONE, reject=1.0)))
    world.begin()
    hand, venue = world.venue.hand, world.venue
    assert hand.close("AAPL", world.scheduler.now, half=False, first_cancels=True) == "position does not exist"
    assert hand.trade("AAPL", 2, world.scheduler.now) == "taken"
    world.scheduler.run_to(world.scheduler.now + 5 * SECOND)
    assert venue.positions()["AAPL"] == hand.shares("AAPL") == 2
    assert hand.close("AAPL", world.scheduler.now, half=True, first_cancels=False) == "taken"
    world.scheduler.run_to(world.scheduler.now + 5 * SECOND)
    assert venue.positions()["AAPL"] == hand.shares("AAPL") == 1
    assert not world.chance.occurred
    world.close()
