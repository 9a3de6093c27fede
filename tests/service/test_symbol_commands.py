"""Commands about one symbol, as a person gives them: times as they are written, and what they are answered."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from actors.messages import SymbolCommand
from pipeline.events import SECOND
from service.live.symbol_commands import CannotBe, command_of, done_by, until_of
from tests.support.market import START, at, trade
from tests.support.sessions import Session
from web.messages import SymbolWish

NEW_YORK = "America/New_York"


def ns(text: str, zone: str = NEW_YORK) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("text", "now", "zone", "expected"),
    [
        ("11:00", "2026-01-05 09:30", NEW_YORK, "2026-01-05 11:00"),
        (" 9:31 ", "2026-01-05 09:30", NEW_YORK, "2026-01-05 09:31"),
        ("2026-01-06 09:30", "2026-01-05 09:30", NEW_YORK, "2026-01-06 09:30"),
        ("2026-01-06T09:30", "2026-01-05 09:30", NEW_YORK, "2026-01-06 09:30"),
        ("11:00", "2026-07-06 09:30", NEW_YORK, "2026-07-06 11:00"),  # summer time
        ("00:30", "2026-11-01 00:10", NEW_YORK, "2026-11-01 00:30"),
        ("11:00", "2026-01-05 09:30", "Asia/Tokyo", "2026-01-05 11:00"),
    ],
)
def test_a_time_is_the_exchanges(text: str, now: str, zone: str, expected: str) -> None:
    assert until_of(text, ns(now, zone), zone) == ns(expected, zone)


@pytest.mark.parametrize(
    ("text", "now", "said"),
    [
        ("09:00", "2026-01-05 09:30", "09:00 is past: it is 2026-01-05 09:30 in America/New_York"),
        ("09:30", "2026-01-05 09:30", "09:30 is past"),
        ("2026-01-04 11:00", "2026-01-05 09:30", "2026-01-04 11:00 is past"),
        ("25:00", "2026-01-05 09:30", "--until wants a time such as 11:00, or 2026-01-05 11:00, not '25:00'"),
        ("noon", "2026-01-05 09:30", "--until wants a time"),
        ("2026-02-30 11:00", "2026-01-05 09:30", "--until wants a time"),
        ("02:30", "2026-03-08 01:30", "there is no 02:30 on 2026-03-08 in America/New_York: clocks go forward then"),
    ],
)
def test_a_time_that_cannot_be_is_refused_in_one_sentence(text: str, now: str, said: str) -> None:
    with pytest.raises(CannotBe) as refused:
        until_of(text, ns(now), NEW_YORK)
    assert str(refused.value).startswith(said)


def test_without_the_exchanges_time_no_end_can_be_told() -> None:
    with pytest.raises(CannotBe, match="not known yet"):
        until_of("11:00", 0, NEW_YORK)
    assert command_of(SymbolWish("lock", "A"), frozenset("A"), 0, NEW_YORK).until == 0


@given(st.text(max_size=30))
def test_whatever_is_written_gives_a_time_to_come_or_a_sentence(text: str) -> None:
    with suppress(CannotBe):
        assert until_of(text, START, NEW_YORK) > START


@pytest.mark.parametrize(
    ("symbol", "known", "said"),
    [
        ("X", frozenset("AB"), "no X is traded here, only A, B"),
        ("a", frozenset("AB"), "no a is traded here, only A, B"),
        ("X", frozenset(), "no X is traded here"),
    ],
)
def test_an_unknown_symbol_is_refused(symbol: str, known: frozenset[str], said: str) -> None:
    with pytest.raises(CannotBe) as refused:
        command_of(SymbolWish("lock", symbol), known, START, NEW_YORK)
    assert str(refused.value) == said


def test_a_wish_becomes_an_input_with_its_time() -> None:
    wish = SymbolWish("lock", "A", "11:00", "dashboard", "earnings")
    expected = SymbolCommand("lock", "A", START, at(90 * 60), "dashboard", "earnings")
    assert command_of(wish, frozenset("A"), START, NEW_YORK) == expected


@pytest.mark.parametrize(
    ("given", "command", "until", "changed", "sentence"),
    [
        ((), "lock", 90 * 60, True, "A is locked until 11:00 (America/New_York)"),
        (("buy",), "lock", 0, True, "A is locked until `unlock`; its open position keeps its exits"),
        (("buy",), "flatten", 0, True, "1 position closed, A is locked until `unlock`"),
        ((), "flatten", 0, True, "nothing of A was open; A is locked until `unlock`"),
        ((), "unlock", 0, False, "A was not locked"),
        (("lock",), "unlock", 0, True, "A is unlocked"),
    ],
)
def test_a_command_is_answered_with_what_it_did(
    given: tuple[str, ...], command: str, until: float, changed: bool, sentence: str
) -> None:
    session = Session().feed(trade(0, says="LONG" if "buy" in given else None))
    if "lock" in given:
        session.feed(SymbolCommand("lock", "A", at(1)))
    held, locked = "A" in session.core.positions.open, session.core.risk.locks.lock_of("A") is not None
    asked = SymbolCommand(command, "A", at(2), at(until) if until else 0)
    session.feed(asked)
    assert done_by(asked, session.core, was_held=held, was_locked=locked, zone=NEW_YORK) == (changed, sentence)
