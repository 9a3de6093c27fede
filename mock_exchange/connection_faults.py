"""Faults of one connection: it is cut, falls silent, or carries frames that mean nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mock_exchange.faults import Faults

OVERSIZED_BYTES = 2 << 20
DEPTH = 10_000


class Frame(NamedTuple):
    """A message as it is sent on a WebSocket."""

    payload: bytes
    binary: bool = False


class JunkFrames(NamedTuple):
    """What a connection's protocol makes of the frames that mean nothing."""

    unreadable: tuple[Frame, ...]
    strange: tuple[bytes, ...]
    switches: str = ""  # how the names of its switches to drop and to mute end


_DEEP = b"[" * DEPTH + b"]" * DEPTH
_JUNK = (
    Frame(b'{"type":"trade","symbol":"AAPL","pri'),
    Frame(b'[{"T":"t","S":"AAPL","p":{},"s":[],"t":5}]'),
    Frame(b'{"type":"trade","symbol":5,"ts":"now","price":[],"size":{}}'),
    Frame(b"\xff\xfe\xfd", binary=True),
    Frame(b""),
    Frame(b"null"),
    Frame(_DEEP),
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
        Frame(b"\x91\x82\xa1T\xa1t\xa1S", binary=True),  # it ends in the middle
        Frame(b"\x91\x83\xa1T\xa1t\xa1S\x05\xa1p\x90", binary=True),  # wrong types
        Frame(b"\xc1", binary=True),  # a byte that msgpack never uses
        Frame(b"", binary=True),
        Frame(b"\xc0", binary=True),  # nil
        Frame(b"\x91" * DEPTH + b"\xc0", binary=True),
    ),
    (b"\x91\x82\xa1T\xa7weather\xa1S\xa4AAPL", b"\x91\x82\xa1T\xa7climate\xa1S\xa4ZZZZ"),
)
UPDATES = JunkFrames(
    tuple(Frame(junk.payload, binary=True) for junk in _JUNK),
    (b'{"stream":"weather","data":{}}', b'{"stream":"trade_updates","data":{"event":"sunshine","order":{}}}'),
    switches="_updates",
)


class ConnectionFaults:
    """Decides what becomes of each frame on its way to one client. `cut` asks for the connection's end."""

    def __init__(self, faults: Faults, connection: int, junk: JunkFrames) -> None:
        self.cut = False
        self._faults = faults
        self._dice = faults.dice_of(connection)
        self._junk = junk
        self._drop, self._mute = "drop" + junk.switches, "mute" + junk.switches
        self._sent = 0  # frames

    def passed(self, frame: Frame) -> Sequence[Frame]:
        """Return the frames that go out instead of this one."""
        if not self._faults:
            return (frame,)
        drop, mute = self._faults.value(self._drop), self._faults.value(self._mute)
        if drop is not None and self._sent >= drop:
            self.cut = True
        if self.cut or (mute is not None and self._sent >= mute):
            return ()
        self._sent += 1
        frames, strikes, dice = [frame], self._faults.strikes, self._dice
        if strikes("malformed", dice):
            frames.append(dice.choice(self._junk.unreadable))
        if strikes("strangers", dice):
            frames.append(Frame(dice.choice(self._junk.strange), frame.binary))
        if strikes("oversized", dice):
            frames.append(Frame(b" " * OVERSIZED_BYTES, frame.binary))
        return frames
