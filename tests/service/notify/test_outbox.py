"""The outbox: folds, gaps, quiet hours, retries, bounds, and ids that stay."""

from __future__ import annotations

import msgspec
from hypothesis import given, strategies as st

from service.notify.event import Event, Message
from service.notify.outbox import GATHER_S, MOST_BACKOFF_S, MOST_MESSAGES, MOST_TOLD, Kept, Outbox
from service.notify_settings import Kind, NotifySettings

NOON = 12 * 3600.0


def minute_of(at: float) -> int:
    return int(at // 60) % (24 * 60)


def outbox(kept: Kept | None = None, *targets: str, **settings: object) -> Outbox:
    made = NotifySettings(**settings)  # type: ignore[arg-type]
    return Outbox(kept if kept is not None else Kept(), made, targets or ("a",), minute_of)


def fill(number: int, at: float = NOON) -> Event:
    return Event(f"1/{number}/fill", Kind.FILLS, f"bought {number} A at 1", at)


def halt(number: int = 1, at: float = NOON) -> Event:
    return Event(f"1/{number}/halted", Kind.HALTS, "HALTED: by hand. Flat.", at, urgent=True)


def texts(found: list[tuple[str, Message]]) -> list[str]:
    return [message.text for _, message in found]


def test_a_halt_is_due_at_once_and_is_over_when_it_was_delivered() -> None:
    box = outbox()
    box.take(halt())
    ((key, message),) = box.due(NOON)
    assert (key, message.id, message.events) == ("a", "1/1/halted", ("1/1/halted",))
    assert box.due(NOON) == []  # it is under way
    box.sent(key, message, NOON, delivered=True)
    assert not box.waiting


def test_fills_that_come_together_are_one_message_with_the_id_of_the_first() -> None:
    box = outbox()
    for number in range(1, 13):
        box.take(fill(number))
    assert not box.seal(NOON + GATHER_S / 2)
    assert box.seal(NOON + GATHER_S)
    ((_, message),) = box.due(NOON + GATHER_S)
    assert message.id == "1/1/fill"
    assert message.text.startswith("12 fills: bought 1 A at 1; bought 2 A at 1; ")
    assert message.text.endswith("; and 7 more")
    assert message.events == tuple(f"1/{number}/fill" for number in range(1, 13))


def test_what_is_not_urgent_keeps_the_gap_and_a_halt_does_not() -> None:
    box = outbox(gap_s=10)
    box.take(fill(1))
    box.seal(NOON + 1)
    ((key, message),) = box.due(NOON + 1)
    box.sent(key, message, NOON + 1, delivered=True)
    box.take(fill(2, NOON + 2))
    assert not box.seal(NOON + 10)
    box.take(halt(3, NOON + 10))
    ((_, urgent),) = box.due(NOON + 10)
    assert urgent.kind is Kind.HALTS
    box.sent(key, urgent, NOON + 10, delivered=True)
    assert box.seal(NOON + 11)
    assert texts(box.due(NOON + 11)) == ["bought 2 A at 1"]


def test_an_event_is_told_once_also_after_a_restart() -> None:
    kept = Kept()
    box = outbox(kept)
    box.take(halt())
    box.take(halt())
    ((key, message),) = box.due(NOON)
    box.sent(key, message, NOON, delivered=True)
    again = outbox(msgspec.json.decode(msgspec.json.encode(kept), type=Kept))
    again.take(halt())
    assert not again.waiting


def test_a_message_that_was_under_way_at_a_crash_comes_again_as_it_was() -> None:
    kept = Kept()
    box = outbox(kept)
    box.take(fill(1))
    box.seal(NOON + 1)
    ((_, first),) = box.due(NOON + 1)
    box.take(fill(2, NOON + 1))  # goes into the next one
    again = outbox(msgspec.json.decode(msgspec.json.encode(kept), type=Kept))
    ((_, second),) = again.due(NOON + 2)
    assert second == first


def test_an_address_that_takes_nothing_is_tried_again_ever_later_and_holds_up_no_other() -> None:
    box = outbox(None, "down", "up")
    box.take(halt())
    for key, message in box.due(NOON):
        box.sent(key, message, NOON, delivered=key == "up")
    now, waits = NOON, []
    for _ in range(8):
        since = now
        while not (found := box.due(now)):
            now += 0.25
        assert [key for key, _ in found] == ["down"]
        box.sent("down", found[0][1], now, delivered=False)
        waits.append(now - since)
    assert waits == sorted(waits)
    assert max(waits) <= MOST_BACKOFF_S
    box.take(halt(2, now))
    assert [key for key, _ in box.due(now)] == ["up"]


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    box = outbox(gap_s=10)
    box.take(fill(1))
    box.seal(NOON + 1)
    ((key, message),) = box.due(NOON + 1)
    box.sent(key, message, NOON + 1, delivered=True)
    box.take(halt(2, NOON + 1))
    ((key, message),) = box.due(NOON + 1)
    box.sent(key, message, NOON + 1, delivered=False)
    assert box.due(NOON + 1.5) == []
    earlier = NOON - 3_600
    assert texts(box.due(earlier)) == [message.text]
    box.sent(key, message, earlier, delivered=True)
    box.take(fill(3, NOON + 1))
    assert box.seal(earlier)
    assert texts(box.due(earlier)) == ["bought 3 A at 1"]


def test_fills_go_on_to_an_address_while_another_takes_none() -> None:
    box = outbox(None, "down", "up", gap_s=0)
    for number in range(1, 4):
        at = NOON + 2 * number
        box.take(fill(number, at))
        box.seal(at + 1)
        for key, message in box.due(at + 1):
            box.sent(key, message, at + 1, delivered=key == "up")
    assert [message.owed for message in box.kept.messages] == [("down",)] * 3


def test_in_quiet_hours_only_what_is_urgent_is_sent_and_the_rest_is_one_message_afterwards() -> None:
    box = outbox(quiet_hours="22:00-07:00")
    night, morning = 23 * 3600.0, 31 * 3600.0
    assert box.is_quiet(night)
    assert not box.is_quiet(morning)
    for number in range(1, 4):
        box.take(fill(number, night))
    box.take(halt(4, night))
    assert not box.seal(night + 60)
    ((key, message),) = box.due(night + 60)
    assert message.kind is Kind.HALTS
    box.sent(key, message, night + 60, delivered=True)
    assert box.due(night + 60) == []
    assert box.seal(morning)
    assert texts(box.due(morning))[0].startswith("3 fills: ")


def test_what_is_not_wished_for_is_not_told_but_what_the_watcher_says_always_is() -> None:
    box = outbox(events=("halts",))
    box.take(fill(1))
    assert not box.waiting
    box.take(Event("1/died/2", Kind.BOT, "BOT DIED", NOON, urgent=True))
    assert texts(box.due(NOON)) == ["BOT DIED"]


def test_a_message_for_an_address_that_is_no_more_goes_to_those_that_are() -> None:
    kept = Kept()
    outbox(kept, "old").take(halt())
    assert [key for key, _ in outbox(kept, "new").due(NOON)] == ["new"]


@given(st.lists(st.booleans(), max_size=3 * MOST_MESSAGES))
def test_however_many_there_are_no_halt_is_dropped_and_the_rest_is_bounded_and_counted(urgent: list[bool]) -> None:
    box = outbox(gap_s=0)
    for number, is_halt in enumerate(urgent):
        if is_halt:
            box.take(halt(number))
        else:
            box.take(Event(f"1/{number}/x", Kind.FEED, "x", NOON))
            box.seal(NOON + 1, hurry=True)
    halts = [message.id for message in box.kept.messages if message.urgent]
    assert halts == [f"1/{number}/halted" for number, is_halt in enumerate(urgent) if is_halt]
    assert len(box.kept.messages) <= max(MOST_MESSAGES, len(halts))
    assert len(box.kept.told) <= MOST_TOLD
