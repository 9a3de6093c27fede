"""What a user did that cannot work, said in one sentence."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """Bad input: the command line prints the sentence and exits with code 2, without a traceback."""


class NotNow(UserError):
    """What cannot work now, and may later: said likewise, with an exit code after which a service tries again."""


_PASSING = frozenset(
    getattr(errno, name)
    for name in (
        *("EADDRINUSE", "EADDRNOTAVAIL", "EAGAIN", "EBUSY", "EDQUOT", "EIO"),
        *("EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "ESTALE", "ETIMEDOUT"),
    )
    if hasattr(errno, name)
)
"""What the system cannot give at a moment: room, a port, an address, an answer."""


class Stopped(Exception):
    """Asked to stop while still starting."""


@contextmanager
def said_plainly(*kinds: type[Exception]) -> Iterator[None]:
    """Raise UserError in place of errors of these kinds, which say in one sentence themselves what is wrong."""
    try:
        yield
    except kinds as error:
        raise UserError(str(error)) from None


def refusal(sentence: str, number: int | None) -> UserError:
    """Return what to raise for an error of the system, by its number: NotNow where it may be over at the next start.

    A service is started again after the one and not after the other. So what is in doubt is NotNow: that costs a few
    starts, and the other a bot that stays away while a position is open.
    """
    return NotNow(sentence) if number in _PASSING else UserError(sentence)


@contextmanager
def writing(what: object) -> Iterator[None]:
    """Raise UserError where something cannot be written, in place of OSError."""
    try:
        yield
    except OSError as error:
        raise refusal(f"{what} cannot be written: {error.strerror or error}", error.errno) from None


@contextmanager
def reading(what: object) -> Iterator[None]:
    """Raise UserError where something cannot be read, in place of OSError."""
    try:
        yield
    except OSError as error:
        raise refusal(f"{what} cannot be read: {error.strerror or error}", error.errno) from None


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where they are missing. Raises OSError, also where a file is in the way."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # of a folder to write in, "File exists" does not say what is wrong
        raise NotADirectoryError(error.errno, "it is no folder", os.fspath(path)) from None
