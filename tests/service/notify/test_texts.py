"""What a trader reads."""

from __future__ import annotations

import doctest
from decimal import Decimal

import pytest

from actors.messages import ChainFailed, Fact, FeedChanged, FeedState, GateActed, StateChanged, TradingState
from service.notify import texts
from service.notify_settings import Kind

HALTED, ACTIVE = TradingState.HALTED, TradingState.ACTIVE


def told(fact: Fact, limit: float = -500.0, held: tuple[str, ...] = ()) -> tuple[str, str, Kind, bool]:
    event = texts.of_fact(fact, 3, 17, 1.0, limit=limit, held=held)
    assert event is not None
    return event.id, event.text, event.kind, event.urgent


def test_the_examples_of_the_docstrings_hold() -> None:
    assert doctest.testmod(texts).failed == 0


def test_a_daily_loss_halt_says_the_limit_and_what_is_open() -> None:
    fact = StateChanged(HALTED, ACTIVE, "daily loss limit", 1, 17)
    minus = "\N{MINUS SIGN}"
    assert told(fact) == ("3/17/halted", f"HALTED: daily loss limit {minus}$500 reached. Flat.", Kind.HALTS, True)
    assert told(fact, held=("AAPL 100", "MSFT -50"))[1].endswith("reached. Open: AAPL 100, MSFT -50.")


def test_what_is_open_is_not_said_where_nobody_knows() -> None:
    fact = StateChanged(HALTED, ACTIVE, "by hand", 1, 17)
    event = texts.of_fact(fact, 3, 17, 1.0, limit=0, held=None)
    assert event is not None
    assert event.text == "HALTED: by hand. What is open is not known."
    assert texts.of_death(3, 7, "", 1.0, None).text.endswith("without a word. What is open is not known.")


def test_a_mismatch_is_a_kind_of_its_own_and_masks_the_account() -> None:
    reason = "the account and the book differ: account PA3K8G2HX91Q holds 5 AAPL"
    _, text, kind, urgent = told(StateChanged(HALTED, ACTIVE, reason, 1, 17))
    assert (kind, urgent) == (Kind.MISMATCH, True)
    assert "PA3K8G2HX91Q" not in text
    assert "account …91Q holds 5 AAPL" in text


def test_a_strategy_is_urgent_once_it_is_not_restarted() -> None:
    assert told(ChainFailed("A", "ValueError: no", 1, 17, restart_ts=9, restarts_left=2))[3] is False
    assert told(ChainFailed("A", "ValueError: no", 1, 17)) == (
        "3/17/failed/A",
        "STRATEGY FAILED: A: ValueError: no. It is not restarted.",
        Kind.STRATEGY,
        True,
    )


def test_what_the_gate_cancels_by_itself_is_not_told() -> None:
    assert texts.of_fact(GateActed("cancel", "halt", 1, 17), 3, 17, 1.0, limit=0, held=()) is None


def test_a_feed_has_an_id_of_the_change_whoever_asks_when() -> None:
    change = FeedChanged(FeedState.DOWN, 5, "closed by the venue")
    first, later = (texts.of_feed(change, 3, at, urgent=True) for at in (1.0, 2.0))
    assert first.id == later.id
    assert first.text == "FEED DOWN (closed by the venue). No entries until it is back."


@pytest.mark.parametrize("state", [TradingState.PAUSED, TradingState.REDUCING])
def test_a_pause_is_no_halt(state: TradingState) -> None:
    assert texts.of_state(StateChanged(state, ACTIVE, "", 1, 17), 3, 1.0, limit=0, held=()) is None


def test_a_day_says_what_it_came_to() -> None:
    assert texts.of_day("2026-01-05", 12, 7, Decimal("31.5"), 1.0).text == (
        "Day 2026-01-05: 12 trades, 7 won, P/L +$31.50."
    )
