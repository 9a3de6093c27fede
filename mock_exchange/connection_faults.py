"""What goes wrong with one connection: it is cut, falls silent, or carries frames that mean nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mock_exchange.faults import Faults
from mock_exchange.frames import BINARY, TEXT

OVERSIZED_BYTES = 2 << 20
DEPTH = 10_000


class JunkFrames(NamedTuple):
    """What a connection's protocol makes of the frames that mean nothing."""

    unreadable: tuple[tuple[bytes, int], ...]
    strange: tuple[bytes, ...]


_DEEP = b"[" * DEPTH + b"]" * DEPTH
_JUNK = (
    (b'{"type":"trade","symbol":"AAPL","pri', TEXT),
    (b'[{"T":"t","S":"AAPL","p":{},"s":[],"t":5}]', TEXT),
    (b'{"type":"trade","symbol":5,"ts":"now","price":[],"size":{}}', TEXT),
    (b"\xff\xfe\xfd", BINARY),
    (b"", TEXT),
    (b"null", TEXT),
    (_DEEP, TEXT),
)

PUSH = JunkFrames(
    _JUNK,
    (
        b'{"type":"trade","symbol":"ZZZZ","ts":1767623400000000000,"price":1.0,"size":1,"bid":1.0,"ask":1.01,"id":1}',
        b'{"type":"weather","symbol":"AAPL","ts":1767623400000000000}',
    ),
)
JSON_FEED = JunkFrames(
    _JUNK,
    (
        b'[{"T":"t","S":"ZZZZ","i":1,"x":"V","p":1.0,"s":1,"t":"2026-01-05T14:30:00Z","c":["@"],"z":"C"}]',
        b'[{"T":"weather","S":"AAPL"}]',
    ),
)
MSGPACK_FEED = JunkFrames(
    (
        (b"\x91\x82\xa1T\xa1t\xa1S", BINARY),  # it ends in the middle
        (b"\x91\x83\xa1T\xa1t\xa1S\x05\xa1p\x90", BINARY),  # wrong types
        (b"\xc1", BINARY),  # a byte that msgpack never uses
        (b"", BINARY),
        (b"\xc0", BINARY),  # nil
        (b"\x91" * DEPTH + b"\xc0", BINARY),
    ),
    (b"\x91\x82\xa1T\xa7weather\xa1S\xa4AAPL", b"\x91\x82\xa1T\xa7climate\xa1S\xa4ZZZZ"),
)
UPDATES = JunkFrames(
    tuple((junk, BINARY) for junk, _ in _JUNK),
    (b'{"stream":"weather","data":{}}', b'{"stream":"trade_updates","data":{"event":"sunshine","order":{}}}'),
)


class ConnectionFaults:
    """Stands between one client's buffer and its connection. `cut` asks for the connection's end."""

    def __init__(self, faults: Faults, connection: int, words: JunkFrames) -> None:
        self.cut = False
        self._faults = faults
        self._dice = faults.dice_of(connection)
        self._words = words
        suffix = "_updates" if words is UPDATES else ""
        self._drop, self._mute = "drop" + suffix, "mute" + suffix
        self._sent = 0  # frames

    @property
    def active(self) -> bool:
        """Whether anything may be in the way."""
        return bool(self._faults)

    def passed(self, payload: bytes, kind: int) -> Sequence[tuple[bytes, int]]:
        """Return the frames that go out instead of this one, each with its kind."""
        drop, mute = self._faults.value(self._drop), self._faults.value(self._mute)
        if drop is not None and self._sent >= drop:
            self.cut = True
        if self.cut or (mute is not None and self._sent >= mute):
            return ()
        self._sent += 1
        frames = [(payload, kind)]
        if self._strikes("malformed"):
            frames.append(self._dice.choice(self._words.unreadable))
        if self._strikes("strangers"):
            frames.append((self._dice.choice(self._words.strange), kind))
        if self._strikes("oversized"):
            frames.append((b" " * OVERSIZED_BYTES, kind))
        return frames

    def _strikes(self, name: str) -> bool:
        chance = self._faults.value(name)
        return chance is not None and self._dice.random() < chance
