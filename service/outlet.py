"""What goes to the terminal and into pipes: a reader that is slow, or gone, holds up and breaks nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Collection, Iterator
from typing import IO, Any

_MOST_WAITING = 1_000  # pieces of text for a reader that is slow; further ones are dropped, and counted
_LAST_S = 1.0  # real seconds that the reader has at the end


class OutputGone(Exception):  # no OSError: those of a broken pipe the command line's library takes for itself
    """Standard output takes no more: its reader has left, or the disk is full."""

    def __init__(self, error: OSError) -> None:
        self.why = error.strerror or str(error)
        self.is_left = error.errno in (errno.EPIPE, errno.EIO)  # as `head` leaves when it has enough
        super().__init__(self.why)


class _Stream:
    """A text stream that stands before another one."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def write(self, text: str) -> int:
        raise NotImplementedError


class Said(_Stream):
    """Standard error: what cannot be written there is lost, and no writer is told.

    Within `behind` a thread writes, so that a reader who does not read (a terminal after Ctrl-S, a full pipe) holds up
    no one; what does not fit in is dropped, and counted in the next line that is written.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.dropped = 0
        self._news = threading.Condition()
        self._waiting: deque[str] = deque()
        self._busy = False  # the thread is at it
        self._thread: threading.Thread | None = None
        self._fd = -1

    def write(self, text: str) -> int:
        if self._thread is None:
            with contextlib.suppress(OSError, ValueError, AttributeError):  # also where there is no standard error
                self._stream.write(text)
        else:
            with self._news:
                if len(self._waiting) < _MOST_WAITING:
                    self._waiting.append(text)
                    self._news.notify_all()
                else:
                    self.dropped += 1
        return len(text)

    def flush(self) -> None:
        if self._thread is None:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                self._stream.flush()

    @contextlib.contextmanager
    def behind(self) -> Iterator[None]:
        """Have a thread write for as long as the context lasts; what waits at its end gets a second."""
        self.flush()
        try:
            # One of its own: a number that is closed and given to another file must never get what is said here.
            self._fd = os.dup(self._stream.fileno())
        except (AttributeError, OSError, ValueError):  # it is no file: nothing that could be full, either
            yield
            return
        self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)
        with deaf_to(signal.valid_signals()):  # another thread waits for SIGUSR1, which would end the process here
            self._thread.start()
        try:
            yield
        finally:
            if self.drain():
                self._thread = None  # it waits for more, and ends with the process

    def drain(self) -> bool:
        """Wait until all that was said is written, but no longer than a second; return whether it is."""
        with self._news:
            return self._news.wait_for(lambda: not self._waiting and not self._busy, _LAST_S)

    def _run(self) -> None:
        while True:
            with self._news:
                self._busy = False
                self._news.notify_all()
                self._news.wait_for(lambda: bool(self._waiting))
                self._busy = True
                text = "".join(self._waiting)
                self._waiting.clear()
                dropped, self.dropped = self.dropped, 0
            if dropped:
                text += f"({dropped} lines were not shown: they were not read)\n"
            data = text.encode(getattr(self._stream, "encoding", None) or "utf-8", "backslashreplace")
            # Past the stream, whose lock a write that never returns would hold when the process ends.
            with contextlib.suppress(OSError):
                while data:
                    data = data[os.write(self._fd, data) :]


class Told(_Stream):
    """Standard output: what cannot be written raises OutputGone."""

    def write(self, text: str) -> int:
        try:
            return int(self._stream.write(text))
        except OSError as error:
            raise self._gone(error) from None

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise self._gone(error) from None

    def _gone(self, error: OSError) -> OutputGone:
        """Drop what is still buffered, or Python complains of it at its end; return the error."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        return OutputGone(error)


@contextlib.contextmanager
def deaf_to(signals: Collection[int]) -> Iterator[None]:
    """Keep signals from all threads that begin within."""
    if sys.platform == "win32" or not signals:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Put these two before the process's own, for as long as the context lasts."""
    _open_the_closed()
    out, err = sys.stdout, sys.stderr
    for stream in (out, err):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # where it is a real one
    sys.stdout, sys.stderr = _as_stream(Told(out)), _as_stream(Said(err))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err


def _open_the_closed() -> None:
    """Open what was closed at the start (`2>&-`), or the journal would be what is written to as standard error."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if fd == 0 else "w", encoding="utf-8"))  # noqa: SIM115  # for good


@contextlib.contextmanager
def nobody_waits() -> Iterator[None]:
    """Have a thread write what is said on standard error, where `guarded` stands before it."""
    said: Any = sys.stderr
    with said.behind() if isinstance(said, Said) else contextlib.nullcontext():
        yield


def drain() -> None:
    """Give what was said on standard error a second to be written, before the process ends without a word."""
    said: Any = sys.stderr
    if isinstance(said, Said):
        said.drain()


def _as_stream(stream: Any) -> IO[str]:
    found: IO[str] = stream
    return found


def for_machines(as_json: bool | None) -> bool:
    """Whether output is to be JSON: as wished, and where nothing is, if a program reads it."""
    return not sys.stdout.isatty() if as_json is None else as_json


@contextlib.contextmanager
def prints_aside() -> Iterator[None]:
    """Send to stderr what is printed meanwhile: stdout is what a command answers, and may be JSON."""
    with contextlib.redirect_stdout(_as_stream(Said(sys.stderr))):
        yield
