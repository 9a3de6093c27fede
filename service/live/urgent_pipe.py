"""The second pipe to the web process: for what cannot wait until the loop has time for it."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

from web.pipe import FrameWriter, PipeError


class UrgentPipe:
    """A pipe of its own, written by any thread: the loop, which writes the other one, may be stuck.

    A frame is written whole or not at all, and nobody waits: a pipe that is full, or not there (as on Windows, where a
    child inherits none), drops it.
    """

    def __init__(self) -> None:
        self.dropped = 0  # messages
        self._lock = threading.Lock()
        self._writer = FrameWriter(limit=4096)  # what a pipe takes whole, or not at all
        self._fd = -1

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        """Open the pipe for a child that is started meanwhile: yields its arguments, and the options of its start."""
        if sys.platform == "win32":
            yield (), {}
            return
        reader, writer = os.pipe()
        try:
            os.set_blocking(writer, False)
            yield ("--news", str(reader)), {"pass_fds": (reader,)}
        except BaseException:
            os.close(writer)
            raise
        finally:
            os.close(reader)
        with self._lock:
            self._fd = writer

    def send(self, message: Any) -> bool:
        """Write a message; False if it had to be dropped."""
        with self._lock, contextlib.suppress(OSError, PipeError):
            if self._fd >= 0:
                os.write(self._fd, self._writer.frame(message))
                return True
        self.dropped += 1
        return False

    def close(self) -> None:
        """Close the pipe; the child reads its end."""
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
