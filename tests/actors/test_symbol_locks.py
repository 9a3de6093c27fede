"""Locks: entries of one symbol refused, until a time or until further notice, over restarts, and no other symbol's."""

from __future__ import annotations

import msgspec
import pytest

from actors.book import Book
from actors.messages import (
    Command,
    Refusal,
    SignalRaised,
    SymbolCommand,
    SymbolLocked,
    SymbolUnlocked,
)
from actors.orders import CancelOrder, SubmitOrder
from actors.risk.symbol_locks import until_words
from pipeline.events import Trade
from tests.support.market import at, clock, trade
from tests.support.sessions import RestingBroker, Session, encoded

HOUR = 3600


def buy(seconds: float, symbol: str = "A") -> Trade:
    return trade(seconds, symbol=symbol, says="LONG")


def lock(seconds: float, until: float | None = None, symbol: str = "A", reason: str = "earnings") -> SymbolCommand:
    return SymbolCommand("lock", symbol, at(seconds), 0 if until is None else at(until), "dashboard", reason)


def unlock(seconds: float, symbol: str = "A") -> SymbolCommand:
    return SymbolCommand("unlock", symbol, at(seconds))


def again(session: Session) -> Session:
    book = msgspec.json.decode(msgspec.json.encode(session.core.book()), type=Book)
    return Session(book="paper-2").feed(book)


def test_a_locked_symbol_is_refused_and_no_other() -> None:
    session = Session().feed(trade(0), lock(1), buy(2), buy(2, "B"), unlock(3), buy(4))
    assert session.verdicts == [Refusal.LOCKED, None, None]
    [raised, *_] = session.of(SignalRaised)
    assert raised.why == "until `unlock`: earnings"


def test_a_lock_ends_at_its_time() -> None:
    session = Session().feed(trade(0), lock(1, 90 * 60), buy(90 * 60 - 1), buy(90 * 60))
    assert session.verdicts == [Refusal.LOCKED, None]
    assert session.of(SignalRaised)[0].why == "until 11:00 (America/New_York): earnings"
    [ended] = session.of(SymbolUnlocked)
    assert (ended.reason, ended.ts) == ("its time is over", at(90 * 60))


def test_it_ends_without_a_tick_of_the_symbol() -> None:
    session = Session().feed(trade(0), lock(1, 5), clock(6))
    assert len(session.of(SymbolUnlocked)) == 1
    assert not session.core.risk.locks.words


@pytest.mark.parametrize(
    ("later", "ends"),
    [(lock(2, 100), [100]), (lock(2), []), (lock(2, 3), [3])],
)
def test_a_later_lock_replaces_an_earlier(later: SymbolCommand, ends: list[float]) -> None:
    session = Session().feed(trade(0), lock(1, 10), later, clock(200))
    assert [fact.ts for fact in session.of(SymbolUnlocked)] == [at(end) for end in ends]


def test_what_is_open_keeps_its_exits() -> None:
    session = Session().feed(buy(0), lock(1), trade(2, 102.0))
    assert session.exits == ["TP"]


def test_flatten_closes_one_symbol_and_locks_it() -> None:
    session = Session().feed(buy(0), buy(0, "B"), SymbolCommand("flatten", "A", at(1), 0, "dashboard"), buy(2))
    assert [(trade.symbol, trade.exit_reason) for trade in session.trades] == [("A", "FLATTEN")]
    assert session.verdicts == [None, None, Refusal.LOCKED]
    assert session.core.positions.open.keys() == {"B"}
    assert session.states == []
    assert session.core.risk.locks.words == {"A": "until `unlock`: flatten by dashboard"}


def test_flatten_takes_back_the_entry_of_its_symbol_alone() -> None:
    broker = RestingBroker()
    Session(broker=broker).feed(buy(0), buy(0, "B"), SymbolCommand("flatten", "A", at(1)))
    entries = {order.id: order.symbol for order in broker.of(SubmitOrder)}
    assert [entries[cancel.id] for cancel in broker.of(CancelOrder)] == ["A"]


@pytest.mark.parametrize("command", ["pause", "resume", "halt"])
def test_commands_to_the_bot_lift_no_lock(command: str) -> None:
    session = Session().feed(trade(0), lock(1), Command(command, at(2)), Command("resume", at(3)), buy(4))
    assert session.verdicts == [Refusal.LOCKED]


def test_locks_survive_a_restart_with_their_ends() -> None:
    first = Session().feed(trade(0), lock(1, 100), lock(1, symbol="B"))
    second = again(first).feed(buy(2), buy(2, "B"), buy(101), buy(102, "B"))
    assert second.verdicts == [Refusal.LOCKED, Refusal.LOCKED, None, Refusal.LOCKED]
    assert not second.of(SymbolLocked)


def test_one_that_ran_out_meanwhile_is_over_with_the_first_input() -> None:
    second = again(Session().feed(trade(0), lock(1, 100))).feed(clock(200))
    assert second.core.risk.locks.to_book() == {}
    assert second.feed(buy(201)).verdicts == [None]


def test_the_same_inputs_lock_the_same() -> None:
    events = (
        trade(0),
        lock(1, 60),
        buy(2),
        SymbolCommand("flatten", "B", at(3)),
        unlock(4, "B"),
        buy(61),
        buy(62, "B"),
    )
    assert encoded(Session().feed(*events).facts) == encoded(Session().feed(*events).facts)


def test_unlocking_what_is_not_locked_says_nothing() -> None:
    assert not Session().feed(trade(0), unlock(1)).of(SymbolUnlocked)


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (0, "until `unlock`"),
        (at(90 * 60), "until 11:00 (America/New_York)"),
        (at(24 * HOUR), "until 2026-01-06 09:30 (America/New_York)"),
    ],
)
def test_the_end_is_told_in_the_exchanges_time(until: int, said: str) -> None:
    assert until_words(until, at(0), "America/New_York") == said
