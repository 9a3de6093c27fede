"""The outbox: which message goes out when. Pure: time is handed in, and what it holds is one value that can be kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from service.notify import texts
from service.notify.event import Event, Message
from service.notify_settings import Kind, NotifySettings

MOST_MESSAGES = 200
"""That wait: beyond it the oldest that is not urgent is dropped."""

MOST_TOLD = 2_000
"""Ids that are remembered: what comes once more is not told again."""

GATHER_S = 1.0
"""Seconds that what is not urgent waits for more of its kind."""

MOST_BACKOFF_S = 8.0
"""Between two tries of an address that takes nothing: one that is back is found within this."""

_SHOWN = 5  # texts of a fold
_IDS = 100  # of its events


class Gathered(msgspec.Struct, frozen=True):
    """Events of one kind that wait to become one message."""

    id: str  # of the first
    at: float
    count: int
    closed: int  # of these, trades that were closed
    texts: tuple[str, ...]
    events: tuple[str, ...]
    pnl: Decimal = Decimal(0)  # of these


class Kept(msgspec.Struct):
    """What outlives the process."""

    gathered: dict[Kind, Gathered] = {}
    messages: list[Message] = []
    told: list[str] = []
    sent_at: dict[str, float] = {}  # when an address was last sent what is not urgent
    dropped: int = 0


class Outbox:
    """Takes events, folds what is not urgent, and says what is to be sent now to which address.

    `targets` are the addresses' keys. `minute_of` gives the minute of the day of a time (seconds since 1970).
    """

    def __init__(
        self,
        kept: Kept,
        settings: NotifySettings,
        targets: Iterable[str],
        minute_of: Callable[[float], int] | None = None,
    ) -> None:
        self.kept = kept
        self._settings = settings
        self._targets = tuple(targets)
        self._minute_of = minute_of or _local_minute
        self._told = set(kept.told)
        self._sent_at = kept.sent_at
        self._tries: dict[str, int] = {}  # in vain, in a row, by address
        self._tried: dict[str, tuple[float, float]] = {}  # in vain, when, and how long to wait since then
        self._under_way: set[str] = set()  # addresses that are being sent to
        for message in list(kept.messages):  # what is owed to addresses that are no more is owed to those that are
            self._replace(message, tuple(key for key in message.owed if key in self._targets) or self._targets)

    def take(self, event: Event) -> None:
        """Take an event, unless it was told already, or is not wished for."""
        if (
            not self._targets
            or event.id in self._told
            or (event.kind is not Kind.BOT and event.kind.value not in self._settings.events)
        ):
            return
        if event.kind is not Kind.FILLS:  # those come by the cursor alone, once, and many would crowd out the rest
            self._remember(event.id)
        if event.urgent:
            self._add(Message(event.id, event.kind, event.text, event.at, True, (event.id,), self._targets))
            return
        before = self.kept.gathered.get(event.kind) or Gathered(event.id, event.at, 0, 0, (), ())
        self.kept.gathered[event.kind] = msgspec.structs.replace(
            before,
            count=before.count + 1,
            closed=before.closed + (event.pnl is not None),
            pnl=before.pnl + (event.pnl or 0),
            texts=(*before.texts, event.text)[:_SHOWN],
            events=(*before.events, event.id)[:_IDS],
        )

    def _remember(self, id: str) -> None:
        self._told.add(id)
        self.kept.told.append(id)
        if len(self.kept.told) > MOST_TOLD:
            self._told.discard(self.kept.told.pop(0))

    def was_told(self, id: str) -> bool:
        """Whether an event was taken already."""
        return id in self._told

    def seal(self, now: float, *, hurry: bool = False) -> bool:
        """Make messages of what was gathered, if it is time; return whether there are new ones.

        A message that exists is never changed: whatever is sent again under its id is the same. With `hurry` nothing is
        waited for but the end of quiet hours.
        """
        if self.is_quiet(now):
            return False
        sealed = False
        for kind, found in list(self.kept.gathered.items()):
            soon = is_within(found.at, GATHER_S, now) or is_within(self._last_sent(), self._settings.gap_s, now)
            if not hurry and (soon or self._all_wait_for(kind)):
                continue
            del self.kept.gathered[kind]
            text = found.texts[0] if found.count == 1 else _folded(kind, found)
            if self.kept.dropped:
                text = f"{text} ({self.kept.dropped} older messages were dropped)"
                self.kept.dropped = 0
            self._add(Message(found.id, kind, text, found.at, False, found.events, self._targets))
            sealed = True
        return sealed

    def _all_wait_for(self, kind: Kind) -> bool:
        """Whether every address has yet to take what was sealed of a kind before: then this may grow."""
        waiting = [message.owed for message in self.kept.messages if message.kind is kind and not message.urgent]
        return all(any(key in owed for owed in waiting) for key in self._targets)

    def _last_sent(self) -> float:
        return max(self._sent_at.values(), default=0.0)

    def due(self, now: float, *, hurry: bool = False) -> list[tuple[str, Message]]:
        """Return what to send now, by address: one message each, the urgent ones first. Each is answered by `sent`."""
        found = []
        for key in self._targets:
            if key in self._under_way or is_within(*self._tried.get(key, (0.0, 0.0)), now):
                continue
            owed = [message for message in self.kept.messages if key in message.owed]
            urgent = [message for message in owed if message.urgent]
            soon = is_within(self._sent_at.get(key, 0.0), self._settings.gap_s, now)
            if not urgent and (self.is_quiet(now) or (soon and not hurry)):
                continue
            if chosen := (urgent or owed)[:1]:
                self._under_way.add(key)
                found.append((key, chosen[0]))
        return found

    def sent(self, key: str, message: Message, now: float, *, delivered: bool) -> None:
        """Hear what became of a message at an address."""
        self._under_way.discard(key)
        if not delivered:
            self._tries[key] = self._tries.get(key, 0) + 1
            self._tried[key] = now, min(MOST_BACKOFF_S, 0.5 * 2.0 ** min(self._tries[key], 10))
            return
        self._tries.pop(key, None)
        self._tried.pop(key, None)
        if not message.urgent:
            self._sent_at[key] = now
        current = next((other for other in self.kept.messages if other.id == message.id), None)
        if current is not None:
            self._replace(current, tuple(other for other in current.owed if other != key))

    def forget(self) -> None:
        """Forget which events were told: others may have their ids now."""
        self._told.clear()
        self.kept.told.clear()

    def body(self, message: Message, now: float, title: str, bot: str) -> Mapping[str, Any]:
        """Return what a webhook gets of a message beside its text; the ids are of this `bot` alone."""
        return {
            "id": f"{bot}/{message.id}",
            "kind": message.kind.value,
            "urgent": message.urgent,
            "events": [f"{bot}/{id}" for id in message.events],
            "at": message.at,
            "late_s": round(max(0.0, now - message.at), 1),
            "source": title,
        }

    def is_quiet(self, now: float) -> bool:
        """Whether it is the time of day at which only what is urgent is sent."""
        if (hours := self._settings.quiet_minutes) is None:
            return False
        start, end = hours
        minute = self._minute_of(now)
        return start <= minute < end if start <= end else minute >= start or minute < end

    @property
    def waiting(self) -> bool:
        """Whether something is still to be sent, or to be sealed."""
        return bool(self.kept.messages or self.kept.gathered)

    def _add(self, message: Message) -> None:
        if not message.owed:
            return
        messages = self.kept.messages
        if len(messages) >= MOST_MESSAGES:
            place = next((place for place, other in enumerate(messages) if not other.urgent), None)
            if place is not None:
                del messages[place]
                self.kept.dropped += 1
            elif not message.urgent:
                self.kept.dropped += 1
                return
        messages.append(message)

    def _replace(self, message: Message, owed: tuple[str, ...]) -> None:
        place = self.kept.messages.index(message)
        if owed:
            self.kept.messages[place] = msgspec.structs.replace(message, owed=owed)
        else:
            del self.kept.messages[place]


def is_within(since: float, seconds: float, now: float) -> bool:
    """Whether fewer seconds than that have passed; where the clock was set back, nobody knows, and nothing waits."""
    return since <= now < since + seconds


def _folded(kind: Kind, found: Gathered) -> str:
    pnl = found.pnl if found.closed > 1 else None  # that of one stands in its text
    return texts.fold(found.texts, found.count, found.count - found.closed, texts.NOUNS[kind], pnl)


def _local_minute(at: float) -> int:
    found = time.localtime(at)
    return found.tm_hour * 60 + found.tm_min
