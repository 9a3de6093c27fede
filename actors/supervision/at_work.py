"""Whose strategy the core's thread runs at this moment, and in which line. Another thread asks.

The core says whose, in a slot that it sets when it enters a strategy and when it leaves it. Which line, the
interpreter says: the innermost one of the stack that is neither ours nor a library's is the author's.
"""

from __future__ import annotations

import os
import sys
from traceback import walk_stack
from types import FrameType
from typing import NamedTuple

from actors.engine.authors import SERVICE, is_authors
from actors.engine.core import Core

_CALLERS = (Core.run.__code__.co_filename, SERVICE)
"""Who calls strategies: what is further out on a stack is no strategy's."""


class AtWork(NamedTuple):
    """A symbol's strategy, busy with one thing."""

    symbol: str
    place: str  # file:line
    turn: tuple[int, int]  # the same for as long as it is the same thing


def at_work(core: Core, thread: int, root: str = "") -> AtWork | None:
    """Return whose strategy a core runs on a thread (by its ident), or None. Files in `root` are named without it."""
    found = core.at_work
    innermost = sys._current_frames().get(thread)
    if found is None or innermost is None or core.at_work != found:
        return None  # no chain runs, or it went on meanwhile: then the stack may be another's
    symbol, turn = found
    return AtWork(symbol, _place(innermost, root), turn)


def _place(innermost: FrameType, root: str) -> str:
    place = f"{innermost.f_code.co_filename}:{innermost.f_lineno}"
    for frame, line in walk_stack(innermost):
        file = frame.f_code.co_filename
        if is_authors(file):
            place = f"{file}:{line}"
            break
        if file.startswith(_CALLERS):
            break
    return place.removeprefix(root + os.sep) if root else place
