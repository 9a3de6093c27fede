"""WebSocket frames of a server, as bytes: unmasked, whole, not compressed (RFC 6455, section 5.2)."""

from __future__ import annotations

TEXT = 0x81
BINARY = 0x82

CHUNK_BYTES = 65_536
"""Frames are handed to the system together, up to about so many bytes."""


def framed(payload: bytes, kind: int) -> bytes:
    """Return a frame that holds the payload."""
    size = len(payload)
    if size < 126:
        return bytes((kind, size)) + payload
    if size < 65_536:
        return bytes((kind, 126)) + size.to_bytes(2, "big") + payload
    return bytes((kind, 127)) + size.to_bytes(8, "big") + payload
