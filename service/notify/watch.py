"""The watcher: a process beside the bot that says when the bot died or is stuck, and when it is back.

It is no child of the bot's, so that it outlives whatever ends that. Where no notifier tells of the journal, as of a bot
that died with its notifier, it does that too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from service.data_folder import JOURNAL, running
from service.errors import UserError, writing
from service.locking import try_lock
from service.notify import texts
from service.notify.desk import LOCK, Desk, Incident, was_told
from service.notify.event import Event
from service.notify.journal_facts import read
from service.notify.sender import Sender
from service.notify.targets import Target
from service.notify_settings import NotifySettings

STATE = "watch.json"
"""What is kept of the watcher, in the data folder."""

_LOCK = "watch.lock"
_ANSWER_S = 2.0  # that the bot has to answer
_NOTIFIER_S = 7.0  # that the notifier of a bot that died has to say so itself
_SEND_S = 6.0  # that is waited for what is sent, between two looks


class Seen(NamedTuple):
    """What was seen of the bot at one look."""

    pid: int = 0  # of one that published itself; 0: there is none
    claimed: bool = False  # whether it lives
    silent_s: float | None = None  # since its loop's last sign of life; None: it does not answer
    failed: running.Failed | None = None  # how the last one ended, if it could say so
    run: int = 0  # the journal's newest
    held: tuple[str, ...] = ()  # what is open, in words
    live: bool | None = None  # whether that run is about real money


class Watch:
    """Decides what is wrong. `incident` is what was told last and still holds, also by a watcher before this one."""

    def __init__(self, incident: Incident | None, stuck_s: float, now: float) -> None:
        self.incident = incident
        self._stuck_s = stuck_s
        self._well_at = now
        self._pid = 0  # of the bot that was well last

    def look(self, seen: Seen, now: float) -> Event | None:
        """Return what is to be told of what was seen."""
        if seen.pid and seen.claimed:
            return self._look_at_living(seen, now)
        if seen.pid:
            return self._died(seen.pid, "", seen, now)
        if seen.failed is not None:
            return self._died(seen.failed.pid, seen.failed.failure, seen, now)
        self._pid, self._well_at = 0, now
        return None

    def _look_at_living(self, seen: Seen, now: float) -> Event | None:
        silent = now - self._well_at if seen.silent_s is None else seen.silent_s
        if seen.silent_s is not None and silent <= self._stuck_s:
            return self._well(seen, now)
        if silent <= self._stuck_s or (self.incident is not None and self.incident.pid == seen.pid):
            return None
        event = texts.of_stuck(seen.run, seen.pid, silent, now, seen.held)
        self.incident = Incident(event.id, seen.pid, stuck=True)
        return event

    def _well(self, seen: Seen, now: float) -> Event | None:
        before, self._pid, self._well_at = self._pid, seen.pid, now
        if self.incident is not None:
            told, self.incident = self.incident, None
            return texts.of_return(told.id, seen.pid, now)
        if before not in (0, seen.pid):
            return texts.of_restart(seen.run, before, seen.pid, now)
        return None

    def _died(self, pid: int, why: str, seen: Seen, now: float) -> Event | None:
        if self.incident is not None and self.incident.pid == pid and not self.incident.stuck:
            return None
        event = texts.of_death(seen.run, pid, why, now, seen.held)
        self.incident = Incident(event.id, pid, stuck=False)
        return event


def look_at(folder: Path) -> Seen:
    """Look at the bot of a data folder; it takes as long as the bot takes to answer, 2 s at most."""
    bot = running.find(folder)
    found = read(folder / JOURNAL, None)
    seen = Seen()
    if found is not None:
        held = texts.held_in_words(found.book.positions) if found.book is not None else ()
        seen = Seen(run=found.run, held=held, live=found.live)
    if bot is None:
        return seen._replace(failed=running.failed(folder))
    silent = running.silent_s(bot, _ANSWER_S)
    # Its lock is looked at only where it does not answer: for that moment, a bot that starts waits.
    claimed = silent is not None or running.is_claimed(folder)
    if not claimed and running.find(folder) != bot:  # it ended in order meanwhile: its file goes before its lock does
        return seen._replace(failed=running.failed(folder))
    return seen._replace(pid=bot.pid, claimed=claimed, silent_s=silent)


async def watch(
    folder: Path,
    settings: NotifySettings,
    targets: Sequence[Target],
    *,
    every_s: float,
    stuck_s: float,
    say: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Watch the bot of a data folder until `stop` is set. Raises UserError where another watcher does."""
    with writing(f"--data-dir {folder}"):
        lock = (folder / _LOCK).open("wb")
    with lock:
        if not try_lock(lock.fileno()):
            raise UserError(f"another watcher runs on {folder}: one is enough")
        await _watch(folder, settings, targets, every_s, stuck_s, say, stop)


async def _watch(
    folder: Path,
    settings: NotifySettings,
    targets: Sequence[Target],
    every_s: float,
    stuck_s: float,
    say: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    desk = Desk(folder, settings, targets, say, name=STATE)
    sender, deciding = Sender(desk), Watch(desk.incident, stuck_s, time.time())
    waiting: list[Event] = []  # a death, which the notifier may be telling of itself
    while not stop.is_set():
        seen = await asyncio.to_thread(look_at, folder)
        desk.live = seen.live
        free = await _stand_in(folder, settings, targets, say)
        if (event := deciding.look(seen, time.time())) is not None:
            say(event.text)
            waiting.append(event)
        desk.incident = deciding.incident
        if waiting and (free or "/died/" not in waiting[-1].id or time.time() > waiting[0].at + _NOTIFIER_S):
            for event in waiting:
                if not was_told(folder, event.id):
                    desk.outbox.take(event)
            waiting.clear()
        sender.send()
        await sender.wait(_SEND_S)
        try:
            await asyncio.wait_for(stop.wait(), every_s)
        except TimeoutError:
            continue


async def _stand_in(
    folder: Path, settings: NotifySettings, targets: Sequence[Target], say: Callable[[str], None]
) -> bool:
    """Tell of the journal in the place of a notifier, if there is none; return whether there was none."""
    with (folder / LOCK).open("wb") as lock:  # closing it lets go
        if not try_lock(lock.fileno()):
            return False
        desk = Desk(folder, settings, targets, say)
        desk.poll(time.time())
        sender = Sender(desk)
        sender.send()
        await sender.wait(_SEND_S)
        desk.save()
    return True
