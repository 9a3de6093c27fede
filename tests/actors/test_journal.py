"""The journal in memory."""

from __future__ import annotations

from decimal import Decimal

from actors.gateway.journal import Journal, MemoryJournal
from actors.messages import DayStarted


def fact(number: int) -> DayStarted:
    return DayStarted(f"day {number}", Decimal(1), number, number)


def test_facts_are_kept_in_the_order_of_their_inputs() -> None:
    journal: Journal = MemoryJournal()
    journal.append(1, [fact(1)])
    journal.append(4, [fact(4), fact(4)])
    journal.append(5, [])
    assert isinstance(journal, MemoryJournal)
    assert list(journal.entries) == [(1, [fact(1)]), (4, [fact(4), fact(4)]), (5, [])]


def test_the_oldest_entries_make_room_for_new_ones() -> None:
    journal = MemoryJournal(limit=2)
    for number in range(5):
        journal.append(number, [fact(number)])
    assert [number for number, _ in journal.entries] == [3, 4]


def test_what_was_kept_can_be_read_after_it_is_closed() -> None:
    journal = MemoryJournal()
    journal.append(1, [fact(1)])
    journal.close()
    assert list(journal.entries) == [(1, [fact(1)])]
