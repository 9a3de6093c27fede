"""Session rotation: when a session ends and another goes on from it, in the same process."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from loguru import logger

from actors.engine.core import Core
from actors.messages import Rollover
from pipeline.events import SECOND
from service.errors import UserError
from service.live.bookkeeping import next_book
from service.live.brokerage import at_rest
from service.live.parts import SessionParts
from service.live.session import Session
from service.live.telemetry import Telemetry
from service.live.timekeeping import Timekeeper

_log = logger.bind(logger="microbot.service")


class RotationPolicy:
    """Decides when a session ends and the next begins: its recording has its size, or the trading day has changed.

    It waits for orders that are on their way, since a simulated one does not outlive its session; but no longer than
    `wait_s` real seconds: an exit that is lost then is sent again, as after a restart.
    """

    def __init__(self, wait_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wait_s = wait_s
        self._monotonic = monotonic
        self._day = ""
        self._since: float | None = None  # when it was due

    def due(self, core: Core, *, full: bool) -> str | None:
        """Return "day" or "size" if the session is to end now."""
        day = core.risk.date
        self._day = self._day or day
        reason = "day" if day != self._day else "size" if full else None
        if reason is None or not core.now:
            self._since = None
            return None
        now = self._monotonic()
        self._since = now if self._since is None else self._since
        if not at_rest(core) and now - self._since < self._wait_s:
            return None
        self._day, self._since = day, None
        return reason


@dataclass(frozen=True)
class SessionRotation:
    """Ends the session that runs and begins the next, with its book, where that is due.

    Each session has a recording of its own, so where nothing is recorded only a feed that goes back in time makes
    another one begin.
    """

    policy: RotationPolicy
    parts: SessionParts
    session: Session
    timekeeper: Timekeeper
    telemetry: Telemetry

    def rotate_if_due(self) -> None:
        """Rotate if it is time; while the last session's book waits to be taken up, it never is."""
        if self.parts.books.pending:
            return
        if self.parts.recordings is not None:
            reason = self.policy.due(self.session.core, full=self.parts.recordings.full)
            if reason is not None:
                self._rotate(reason)
        self._go_back()

    def _go_back(self) -> None:
        """Begin a session at an earlier time, if the feed has gone back to one and stays there: `now` never does."""
        now, earlier = self.session.core.now, self.timekeeper.earlier()
        if earlier is None or earlier >= now:
            return
        back_s = (now - earlier) / SECOND
        logger.bind(logger="microbot.feed", event="feed.went_back", back_s=round(back_s, 3), venue_ts=earlier).warning(
            f"the feed's time went back by {back_s:,.1f} s and stays there: a new session begins at it, "
            "and what is open has as long until its deadlines as before"
        )
        if self._rotate("time", earlier):
            self.timekeeper.go_back()

    def _rotate(self, reason: str, to: int | None = None) -> bool:
        """End the session and begin the next; False if that cannot be recorded, then this one goes on.

        `to` is an earlier time at which the next one begins, ns.
        """
        recordings, old = self.parts.recordings, self.session.core
        book = next_book(old.book().name, time.time())
        log = _log.bind(event="session.rolled_over", reason=reason, book=book)
        before = recordings.current if recordings is not None else None
        try:
            recorder = recordings.start(book) if recordings is not None else None
        except UserError as error:
            log.bind(event="session.not_rolled_over").error(f"{error}; the session goes on")
            return False
        self.telemetry.tick_keeper.write(self.session, all_of_them=True)
        if self.telemetry.quality is not None:
            self.telemetry.quality.write(self.session)
        end = Rollover(reason, book, old.now)
        run = self.parts.run(book)
        self.session.roll_over(end, partial(self.parts.core, book), recorder, run, to)
        if before is not None:
            before.end()
        self.telemetry.follow(self.session.core, book, run.started_ts)
        if self.parts.brokerage is not None:  # nothing is sent for a position of the new session until that was seen
            self.parts.brokerage.broker.read_account()
        gc.unfreeze()  # the session that is over may go
        gc.collect()
        gc.freeze()
        path = recorder.path if recorder is not None else None
        log.bind(recording=str(path)).info(f"session rolled over ({reason}){f': {path.name}' if path else ''}")
        return True
