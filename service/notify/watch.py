"""The watcher: a process beside the bot that says when the bot died or is stuck, and when it is back.

It is no child of the bot's, so that it outlives whatever ends that. Where no notifier tells of the journal, as of a bot
that died with its notifier, it does that too.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from service.data_folder import JOURNAL, running
from service.errors import UserError, writing
from service.locking import try_lock
from service.notify import texts
from service.notify.desk import LOCK, WATCHED, Desk, Incident, was_told
from service.notify.event import Event
from service.notify.journal_facts import read, run_before
from service.notify.sender import Sender
from service.notify.targets import Target
from service.notify_settings import NotifySettings

_LOCK = "watch.lock"
_ANSWER_S = 2.0  # that the bot has to answer
_NOTIFIER_S = 7.0  # that the notifier of a bot that died has to say so itself
_LAST_S = 2.0  # for what is under way when the watcher ends; it is sent again by the next one


class Seen(NamedTuple):
    """What was seen of the bot at one look."""

    pid: int = 0  # of one that published itself; 0: there is none
    claimed: bool = False  # whether it lives
    silent_s: float | None = None  # since its loop's last sign of life; None: it does not answer
    failed: running.Failed | None = None  # how the last one ended, if it could say so
    run: int = 0  # the journal's newest
    held: tuple[str, ...] | None = None  # what is open, in words; None: nobody knows
    live: bool | None = None  # whether that run is about real money
    started: int = 0  # when it was, ns since 1970: another one may have its number
    killed: tuple[int, int] = (0, 0)  # the one before it, if that was killed: its number, and when it was started
    killed_run: int = 0  # the last one of that


class Watch:
    """Decides what is wrong. `incident` is what was told last and still holds, also by a watcher before this one."""

    def __init__(self, incident: Incident | None, stuck_s: float) -> None:
        self.incident = incident
        self._stuck_s = stuck_s
        self._silent_s = 0.0  # that this watcher has seen
        self._unanswered = 0  # looks in a row
        self._well_last = (0, 0)  # the bot that was well last: its number, and when it was started

    def look(self, seen: Seen, passed_s: float, now: float) -> Event | None:
        """Return what is to be told of what was seen, `passed_s` after the look before, at `now` (since 1970)."""
        if seen.pid and seen.claimed:
            return self._look_at_living(seen, passed_s, now)
        if seen.pid:
            return self._died(seen.pid, "", seen, now, seen.started)
        if seen.failed is not None:
            return self._died(seen.failed.pid, seen.failed.failure, seen, now)
        self._silent_s, self._unanswered = 0.0, 0
        return None

    def _look_at_living(self, seen: Seen, passed_s: float, now: float) -> Event | None:
        self._silent_s += passed_s
        self._unanswered = self._unanswered + 1 if seen.silent_s is None else 0
        silent = self._silent_s if seen.silent_s is None else seen.silent_s
        if seen.silent_s is not None and silent <= self._stuck_s:
            return self._well(seen, now)
        if self._unanswered == 1 or silent <= self._stuck_s:  # once may be the machine that wakes up
            return None
        if self.incident is not None and (self.incident.pid, self.incident.started) == (seen.pid, seen.started):
            return None
        event = texts.of_stuck(seen.run, seen.pid, silent, now, seen.held)
        self.incident = Incident(event.id, seen.pid, stuck=True, started=seen.started)
        return event

    def _well(self, seen: Seen, now: float) -> Event | None:
        before, self._well_last, self._silent_s = self._well_last, (seen.pid, seen.started), 0.0
        if self.incident is not None:
            told, self.incident = self.incident, None
            return texts.of_return(told.id, seen.pid, now)
        if before[0] and before != self._well_last and before == seen.killed:  # between two looks
            return texts.of_death(seen.killed_run, seen.killed[0], "", now, seen.held, seen.pid)
        return None

    def _died(self, pid: int, why: str, seen: Seen, now: float, started: int = 0) -> Event | None:
        event = texts.of_death(seen.run, pid, why, now, seen.held)
        incident = Incident(event.id, pid, stuck=False, started=started)
        if self.incident is not None and msgspec.structs.replace(self.incident, id=event.id) == incident:
            return None
        self.incident = incident
        return event


def look_at(folder: Path) -> Seen:
    """Look at the bot of a data folder; it takes as long as the bot takes to answer, 2 s at most."""
    bot = running.find(folder)
    found = read(folder / JOURNAL, None)
    seen = Seen()
    if found is not None:
        seen = Seen(run=found.run, held=texts.held_of(found.book), live=found.live)
    if bot is None:
        return seen._replace(failed=running.failed(folder))
    silent = running.silent_s(bot, _ANSWER_S)
    # Its lock is looked at only where it does not answer: for that moment, a bot that starts waits.
    claimed = silent is not None or running.is_claimed(folder)
    if not claimed and running.find(folder) != bot:  # it ended in order meanwhile: its file goes before its lock does
        return seen._replace(failed=running.failed(folder))
    seen = seen._replace(pid=bot.pid, started=bot.started_ts, claimed=claimed, silent_s=silent)
    if (killed := running.killed(folder)) is None:
        return seen
    run = run_before(folder / JOURNAL, bot.started_ts)
    return seen._replace(killed=(killed.pid, killed.started_ts), killed_run=run)


class StandIn:
    """Tells of the journal in the place of a notifier, where there is none."""

    def __init__(
        self, folder: Path, settings: NotifySettings, targets: Sequence[Target], say: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._make_desk: Callable[[], Desk] = lambda: Desk(folder, settings, targets, say)
        self._desk: Desk | None = None  # the one before, with its tries in vain, as long as no other went on from it
        self._sender: Sender | None = None
        self._lock: IO[bytes] | None = None  # held while something is under way

    def look(self) -> bool:
        """Tell what is new, if there is no notifier; return whether there is none. Raises OSError."""
        if self._lock is None:
            lock = (self._folder / LOCK).open("wb")
            if not try_lock(lock.fileno()):
                lock.close()
                return False
            self._lock = lock
        if self._desk is None or self._sender is None or not (self._sender.busy or self._desk.is_as_kept()):
            self._desk = self._make_desk()
            self._sender = Sender(self._desk)
        self._desk.poll(time.time())
        self._sender.send()
        if not self._sender.busy:
            self.close()
        return True

    def close(self) -> None:
        """Let a notifier have its place."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def settle(self) -> None:
        """Wait for what is under way, for a moment."""
        if self._sender is not None:
            await self._sender.wait(_LAST_S)


class Watcher:
    """Looks at the bot of a data folder, and tells what is wrong with it. Raises UserError where another one does.

    `every_s` are the seconds between two looks, and `stuck_s` those without a sign of life after which a bot is stuck.
    """

    def __init__(
        self,
        folder: Path,
        settings: NotifySettings,
        targets: Sequence[Target],
        say: Callable[[str], None],
        *,
        every_s: float,
        stuck_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        with writing(f"--data-dir {folder}"):
            self._lock = (folder / _LOCK).open("wb")
        if not try_lock(self._lock.fileno()):
            self._lock.close()
            raise UserError(f"another watcher runs on {folder}: one is enough")
        self._folder = folder
        self._say = say
        self._every_s = every_s
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._desk = Desk(folder, settings, targets, say, name=WATCHED)
        self._sender = Sender(self._desk)
        self._deciding = Watch(self._desk.incident, stuck_s)
        self._stand_in = StandIn(folder, settings, targets, say)
        self._waiting: list[Event] = []  # a death, which the notifier may be telling of itself
        self._waiting_since = 0.0
        self._in_vain = 0  # looks in a row
        self._blind = ""  # the id under which that was told

    async def watch(self, stop: asyncio.Event) -> None:
        """Look again and again, until `stop` is set."""
        try:
            while not stop.is_set():
                await self.look()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._every_s)
            await self.settle()
        finally:
            self.close()

    async def settle(self) -> None:
        """Wait for what is under way, for a moment."""
        await self._sender.wait(_LAST_S)
        await self._stand_in.settle()

    def close(self) -> None:
        """Let another one watch."""
        self._lock.close()
        self._stand_in.close()

    async def look(self) -> None:
        """Look once, and have sent what there is to be told; what is under way is not waited for."""
        try:
            seen = await asyncio.to_thread(look_at, self._folder)
            free = self._stand_in.look()
        except UserError as error:
            self._looked_in_vain(str(error))
        except OSError as error:
            self._looked_in_vain(f"{self._folder} cannot be looked at: {error.strerror or type(error).__name__}")
        else:
            self._looked(seen, free)
        self._sender.send()

    def _looked(self, seen: Seen, free: bool) -> None:
        now, desk = self._monotonic(), self._desk
        passed_s = min(now - self._looked_at, self._every_s + 2 * _ANSWER_S)  # more: the machine slept, or this process
        self._looked_at = now
        desk.live = seen.live
        self._in_vain = 0
        if self._blind:
            self._tell(texts.of_sight(self._blind, time.time()))
            self._blind = ""
        if (event := self._deciding.look(seen, passed_s, time.time())) is not None:
            self._say(event.text)
            self._waiting_since = now if not self._waiting else self._waiting_since
            self._waiting.append(event)
        if not self._waiting:
            return
        if free or "/died/" not in self._waiting[-1].id or now > self._waiting_since + _NOTIFIER_S:
            for event in self._waiting:
                if not was_told(self._folder, event.id):
                    desk.outbox.take(event)
            self._waiting.clear()
            desk.incident = self._deciding.incident  # not before: a watcher that starts again tells what waited

    def _looked_in_vain(self, why: str) -> None:
        """Say that nothing can be seen, once, when it is so at a second look: the bot may be in the same trouble."""
        self._in_vain += 1
        if self._in_vain == 2:
            event = texts.of_blindness(why, time.time())
            self._blind = event.id
            self._tell(event)

    def _tell(self, event: Event) -> None:
        self._say(event.text)
        self._desk.outbox.take(event)
