"""What a strategy prints goes to stderr: stdout is what a command answers, and may be JSON."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress


class _Aside(io.TextIOBase):
    """Stderr as it is at the moment, where no failure to write matters: a strategy that prints trades on."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError, AttributeError):  # it is full, closed, or none
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()


@contextmanager
def prints_aside() -> Iterator[None]:
    """Send to stderr what is printed meanwhile."""
    with redirect_stdout(_Aside()):
        yield
