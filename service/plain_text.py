"""Text files that a person may have edited, or another program saved: UTF-8, with or without its mark, and bounded."""

from __future__ import annotations

import codecs
from pathlib import Path

MOST_BYTES = 1 << 20
"""Of a file that is read whole."""

_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32's other mark begins like UTF-16's


class NoText(ValueError):
    """Why a file cannot be read as text, in words that follow "it is"."""


def mark(head: bytes) -> int:
    """Return how many bytes at a file's beginning are a byte order mark. Raises NoText for UTF-16 and UTF-32."""
    if head.startswith(codecs.BOM_UTF8):
        return len(codecs.BOM_UTF8)
    # Without a mark, every other byte of plain Latin text is empty.
    if head.startswith(_WIDE) or (len(head) > 1 and (head[0] == 0) != (head[1] == 0)):
        raise NoText("UTF-16 text, as some editors and PowerShell's > write it: save it as UTF-8")
    return 0


def decode(data: bytes) -> str:
    """Return a file's text. Raises NoText."""
    start = mark(data)
    try:
        return data[start:].decode()
    except UnicodeDecodeError as error:
        line = data[: start + error.start].count(b"\n") + 1
        raise NoText(f"no UTF-8 text: its line {line} holds {data[start + error.start :][:1]!r}") from None


def read(path: Path) -> str:
    """Read a file whole. Raises OSError, or NoText, also for one that is too large to be what is meant."""
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise NoText(f"larger than {MOST_BYTES:,} bytes")
    return decode(data)
