"""Text of strangers on a terminal: what a feed calls its symbols must not move the cursor or forge a line."""

from __future__ import annotations

import json

_LONGEST = 1000  # characters of one sentence; what is longer loses its middle
_TAIL = 200


def visible(text: str, longest: int = _LONGEST) -> str:
    r"""Return one line in which everything that is not printed is escaped, and what is too long loses its middle.

    >>> visible("AAPL\x1b[2J\n[09:31] all is well")
    'AAPL\\x1b[2J\\n[09:31] all is well'
    """
    if len(text) > longest:
        text = f"{text[: longest - _TAIL]} ... {text[-_TAIL:]}"
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def visible_json(text: str) -> str:
    """Return JSON that reads the same, and in which everything that is not printed is escaped, save its line ends."""
    text = text.replace("\x7f", "\\u007f")  # the only control character that JSON lets pass
    if text.isascii():
        return text
    return "".join(
        letter if letter.isprintable() or letter == "\n" else json.dumps(letter).strip('"') for letter in text
    )


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
