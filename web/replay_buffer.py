"""What was sent to the browsers of late, so that one whose stream broke gets what it missed."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable

import msgspec

MOST_SENDINGS = 300
"""Sendings that are kept: half a minute of them at ten a second."""

MOST_BYTES = 1 << 20
"""Bytes of sendings that are kept."""

Look = frozenset[str]
"""The symbols that a browser looks at."""


class Sending(msgspec.Struct, frozen=True):
    """What was sent at one moment: to all, and for each symbol to those that look at it."""

    number: int
    common: bytes
    pieces: dict[str, bytes]
    covered: Look  # the symbols that have a piece if there was anything to say of them

    def for_look(self, look: Look) -> bytes:
        """Return what a browser gets that looks at these symbols."""
        return b"".join(piece for symbol, piece in self.pieces.items() if symbol in look) + self.common

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.common) + sum(len(piece) for piece in self.pieces.values())


class ReplayBuffer:
    """The newest sendings, and the ids by which a browser says which of them it had.

    An id is `RUN.NUMBER.LOOK`: which run of this process sent it, which sending it was, and a checksum of the symbols
    that the browser was looking at, since it has seen nothing of the others.
    """

    def __init__(self, run: str) -> None:
        self.number = 0  # of the newest sending
        self._run = run
        self._kept: deque[Sending] = deque()
        self._size = 0

    def add(self, common: bytes, pieces: dict[str, bytes], covered: Look) -> Sending:
        """Number a sending and keep it."""
        self.number += 1
        sending = Sending(self.number, common, pieces, covered)
        self._kept.append(sending)
        self._size += sending.size
        while len(self._kept) > MOST_SENDINGS or self._size > MOST_BYTES:
            self._size -= self._kept.popleft().size
        return sending

    def forget(self) -> None:
        """Drop what is kept: no browser can go on with what was sent so far."""
        self.number += 1
        self._kept.clear()
        self._size = 0

    def id_of(self, look: Look) -> str:
        """Return the id of the newest sending for browsers that look at these symbols."""
        return f"{self._run}.{self.number}.{_checksum(look)}"

    def missed(self, last_id: str, look: Look) -> list[bytes] | None:
        """Return what was sent since then to those that look at these symbols; None if that is not known any more."""
        run, _, rest = last_id.partition(".")
        number, _, checksum = rest.partition(".")
        if run != self._run or checksum != _checksum(look) or not (number.isascii() and number.isdecimal()):
            return None
        behind = self.number - int(number[:20])
        if not 0 <= behind <= len(self._kept):
            return None
        missed = list(self._kept)[len(self._kept) - behind :]
        if not all(look <= sending.covered for sending in missed):
            return None
        return [sending.for_look(look) for sending in missed]


def _checksum(look: Iterable[str]) -> str:
    said = "\n".join(sorted(look))
    return f"{zlib.crc32(said.encode()):08x}"
