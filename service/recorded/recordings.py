"""The recordings of a run: one session after the other, each written by a thread, off the tick path."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from loguru import logger

from actors.engine.core import Input
from service.errors import Stopped, UserError
from service.recorded import archive
from service.recorded.recording import Recorder
from service.settings import RecordSettings

_CLOSE_S = 10.0  # real seconds that the end of a session waits for its recording: a disk may stand still for some


class WrittenBehind:
    """A recorder that is written by a thread of its own.

    `write` is on the tick path, before its inputs are fed, and only appends. `flush`, a few times a second, hands over
    what was taken: a bot that is killed loses no more than that. If more than `limit` inputs wait, because the disk is
    too slow, the recording ends and says so: one with a hole in it would replay something that never was. The trading
    goes on in any case. So it does if the disk has not taken all of it `close_s` after it was closed.
    """

    def __init__(self, recorder: Recorder, limit: int, close_s: float = _CLOSE_S) -> None:
        self.path = recorder.path
        self._recorder = recorder
        self._limit = limit
        self._close_s = close_s
        self._taken: list[Input] = []
        self._handed = 0  # inputs that the thread was given
        self._lost = 0
        self._overflow = ""
        self._late = ""
        self._queue: queue.SimpleQueue[list[Input] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    @property
    def size(self) -> int:
        """Bytes of the file so far."""
        return self._recorder.size

    @property
    def failed(self) -> str:
        """Why the recording stopped, if it did."""
        return self._recorder.failed or self._overflow or self._late

    @property
    def lost(self) -> int:
        """Inputs that are not in it."""
        return self._recorder.lost + self._lost + (self.waiting if self._late else 0)

    @property
    def waiting(self) -> int:
        """Inputs that were handed over and are not written."""
        return self._handed - self._recorder.written - self._recorder.lost

    def write(self, inputs: Sequence[Input]) -> None:
        """Take inputs that are about to be fed."""
        self._taken += inputs

    def take_back(self, count: int) -> None:
        """Forget the newest inputs, which were not fed after all; they were taken since the last flush."""
        if count:
            del self._taken[-count:]

    def flush(self) -> None:
        """Hand over what was taken."""
        taken, self._taken = self._taken, []
        if not taken:
            return
        if not self._overflow and self.waiting + len(taken) > self._limit:
            self._overflow = f"the recording {self.path} stopped: more than {self._limit:,} inputs waited to be written"
        if self._overflow:
            self._lost += len(taken)
            return
        self._handed += len(taken)
        self._queue.put(taken)

    def end(self) -> None:
        """Hand over the last, and let the thread close the file; returns at once."""
        self.flush()
        self._queue.put(None)

    def close(self) -> None:
        """Close the file, and wait for it; `failed` says if that took too long, and `lost` what is not in it."""
        self.end()
        self._thread.join(self._close_s)
        if self._thread.is_alive():
            self._late = f"the recording {self.path} was not written to its end: the disk took over {self._close_s:g} s"

    def discard(self) -> None:
        """Remove the file: the session that it was to record did not even start."""
        self.close()
        self._recorder.discard()

    def _run(self) -> None:
        while (inputs := self._queue.get()) is not None:
            self._recorder.write(inputs)
        self._recorder.close()


class Recordings:
    """Where a run's sessions are recorded. Without a `path` of its own, a session gets one in the archive.

    `make` makes a recorder: of a path, the settings, the strategy's name and what order ids begin with.
    """

    def __init__(
        self,
        folder: Path,
        venue: str,
        path: Path | None,
        settings: RecordSettings,
        make: Callable[[Path, str], Recorder],
    ) -> None:
        self.current: WrittenBehind | None = None
        self.paths: list[Path] = []  # of all the sessions of this run
        self._folder = folder
        self._venue = venue
        self._path = path
        self._settings = settings
        self._make = make
        self._told = ""
        self._session_bytes = settings.session_bytes
        self._previous: WrittenBehind | None = None

    def start(self, book: str) -> WrittenBehind:
        """Begin to record a session, and make room for it. Raises UserError if the file cannot be written.

        The caller ends the recording of the session before it, once that session's last record is written.
        """
        path = self._path
        if path is None:
            path = archive.new_path(self._folder, self._venue, datetime.now(UTC))
        elif self.paths:
            path = archive.next_path(path, len(self.paths) + 1)
        try:
            recorder = WrittenBehind(self._make(path, book), self._settings.queue_inputs)
        except UserError:
            self._session_bytes *= 2  # the session before it goes on, and need not ask again at once
            raise
        self._previous, self.current = self.current, recorder
        self.paths.append(path)
        self._prune()
        return recorder

    def _prune(self) -> None:
        log = logger.bind(logger="microbot.service", event="sessions.removed")
        try:
            removed = archive.prune(self._folder, self._settings, self.paths[-1])
        except OSError as error:
            log.bind(event="sessions.kept").warning(f"old sessions could not be removed: {error}")
        else:
            if removed:
                log.bind(files=[path.name for path in removed]).info(f"removed {len(removed)} old sessions")

    @property
    def full(self) -> bool:
        """Whether the session that is recorded has reached its size."""
        current = self.current
        return current is not None and not current.failed and current.size >= self._session_bytes

    def flush(self) -> None:
        """Hand over what was taken, and log, once, that a recording stopped."""
        if self.current is None:
            return
        self.current.flush()
        self._log_failure()

    def close(self) -> str:
        """Close the recording; return why it is not whole, if it is not."""
        if self.current is None:
            return ""
        sessions = [self._previous, self.current] if self._previous is not None else [self.current]
        for session in sessions:  # the one before may have been ended a moment ago
            session.close()
        self._log_failure()
        lost = [f"{session.failed} ({session.lost:,} inputs are not in it)" for session in sessions if session.failed]
        return lost[0] if lost else ""

    def _log_failure(self) -> None:
        if self.current is not None and self.current.failed and self.current.failed != self._told:
            self._told = self.current.failed
            logger.bind(logger="microbot.service", event="recording.stopped").error(self._told)

    def cut_off(self, unfed: int) -> None:
        """Close the recording from another thread, where the loop is stuck; the newest inputs were not fed."""
        if self.current is not None:
            self.current.take_back(unfed)
            self.current.close()

    def end(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close it as a context does; one of a session that did not start is removed."""
        if self.current is None:
            return
        if kind is not None and issubclass(kind, UserError | Stopped):
            self.current.discard()
        else:
            self.current.close()
