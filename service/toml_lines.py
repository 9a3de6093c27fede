"""On which line of a TOML file a key stands: the standard library's reader does not say."""

from __future__ import annotations

import re
from pathlib import Path

_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-.\" ]+?)\s*=")


def lines_of(path: Path) -> dict[str, int]:
    """Return the line on which a TOML file sets each key, by its path; what cannot be told is left out."""
    found: dict[str, int] = {}
    section = ""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return found
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            section = _plain(header[1])
        elif key := _KEY.match(line):
            found.setdefault(".".join(filter(None, (section, _plain(key[1])))), number)
    return found


def _plain(name: str) -> str:
    return ".".join(part.strip().strip('"') for part in name.split("."))
