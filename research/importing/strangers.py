"""What a file is that is of no format that is known: said to the person who named it."""

from __future__ import annotations

import re

from research.importing.formats import KNOWN, first_lines
from research.importing.sources import Source
from service.recorded.unlike import describe, foreign, shown

_LOG = re.compile(
    rb"^\W?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\d\d:\d\d:\d\d|\w{3} +\d+ \d\d:)"
    rb".*\b(DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|TRACE|SUCCESS)\b",
    re.M,
)
_MAGICS = ((b"\x89PNG", "a picture"), (b"\xff\xd8\xff", "a picture"), (b"GIF8", "a picture"), (b"\x7fELF", "a program"))
_BINARY = 0.1  # of the first bytes, so many that are no text


def sentence(source: Source) -> str:
    """Say what was found in a file, and which formats are known."""
    return (
        f"{source.label} is of no format that is known: it is {what(source)}; {KNOWN}; --format NAME takes it for one"
    )


def what(source: Source) -> str:
    """Say in a few words what a file is."""
    head = source.head
    if not head:
        return "empty"
    if kind := foreign(head) or next((name for magic, name in _MAGICS if head.startswith(magic)), ""):
        return kind
    start = head.lstrip()[:200].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page, perhaps that of a login or an error: fetch the file itself"
    if start.startswith((b"<?xml", b"<error", b"<")):
        return f"XML ({shown(head.lstrip())}), as a store answers for a file that it has not"
    if sum(byte < 9 or 13 < byte < 32 for byte in head[:4096]) > _BINARY * len(head[:4096]):
        return f"no text ({head[:8].hex(' ')})"
    lines = first_lines(source)
    if not lines:
        return "blank"
    if _LOG.search(head[:4096]):
        return f"a log ({shown(lines[0])})"
    if (
        lines[0].startswith(b"#")
        or source.name.lower().startswith(("readme", "license"))
        or source.name.endswith((".md", ".rst"))
    ):
        return f"a text for people ({shown(lines[0])})"
    if re.fullmatch(rb"[0-9a-f]{64}\s+\S+", lines[0].strip()):
        return "a checksum: import the file that it is of"
    return f"{describe(lines[0].strip())} ({shown(lines[0])})"
