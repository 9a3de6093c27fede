"""WebSocket frames of a server, as bytes: unmasked, whole, not compressed (RFC 6455, section 5.2)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

TEXT = 0x81
BINARY = 0x82

CHUNK_BYTES = 65_536
"""Frames are handed to the system together, up to about so many bytes."""


@lru_cache(maxsize=4_096)
def head(kind: int, size: int) -> bytes:
    """Return the head of a frame whose payload has so many bytes."""
    if size < 126:
        return bytes((kind, size))
    if size < 65_536:
        return bytes((kind, 126)) + size.to_bytes(2, "big")
    return bytes((kind, 127)) + size.to_bytes(8, "big")


def framed(payloads: Iterable[bytes], kind: int) -> bytes:
    """Return frames that hold the payloads, one each."""
    parts: list[bytes] = []
    for payload in payloads:
        parts.append(head(kind, len(payload)))
        parts.append(payload)
    return b"".join(parts)
