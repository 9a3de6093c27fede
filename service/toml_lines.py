"""On which line of a TOML file a key stands: the standard library's reader does not say."""

from __future__ import annotations

import re
from pathlib import Path

from service import plain_text

_KEY = re.compile(r"[\w\-.\"' ]+", re.ASCII)


def lines_of(path: Path) -> dict[str, int]:
    """Return the line on which a TOML file sets each key, by its path; what cannot be told is left out.

    What stands within a text of several lines may be taken for further keys.
    """
    found: dict[str, int] = {}
    section = ""
    try:
        text = plain_text.read(path)
    except (OSError, plain_text.NoText):
        return found
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        header, closes, rest = line.partition("]")
        key, equals, _ = line.partition("=")
        if header.startswith("[") and closes and rest.lstrip()[:1] in ("", "#"):
            section = _plain(header[1:])
        elif equals and _KEY.fullmatch(key):
            found.setdefault(".".join(filter(None, (section, _plain(key)))), number)
    return found


def _plain(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))
