"""Who is at work: whose chain the main thread runs at this moment, and in which line. It costs that thread nothing.

Another thread asks. What it reads is the main thread's stack: which of our own functions it is in says whose chain
that is, and the innermost line that is neither ours nor a library's is the author's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, NamedTuple

from actors.authors import is_authors
from actors.core import Core
from actors.lane import Lane
from pipeline.clock import InputClock, SymbolClock
from pipeline.events import Trade
from pipeline.operators.frame import Frame


class AtWork(NamedTuple):
    """A symbol's chain, busy with one thing."""

    symbol: str
    place: str  # file:line
    turn: tuple[object, int]  # the same for as long as it is the same thing


def at_work(core: Core, thread: int, root: str = "") -> AtWork | None:
    """Return whose chain a thread (by its ident) runs, None if it runs none. Files in `root` are named without it."""
    innermost = sys._current_frames().get(thread)
    if innermost is None:
        return None
    inside: list[FrameType] = []
    for frame in _outwards(innermost):
        inside.append(frame)
        find = _MARKS.get(frame.f_code)
        if find is not None:
            symbol = find(core, frame)
            return AtWork(symbol, _place(inside, root), (frame, core.input)) if symbol is not None else None
    return None


def _outwards(innermost: FrameType) -> Iterator[FrameType]:
    frame: FrameType | None = innermost
    while frame is not None:
        yield frame
        frame = frame.f_back


def _place(inside: list[FrameType], root: str) -> str:
    frame = next((each for each in inside if is_authors(each.f_code.co_filename)), inside[0])
    file = frame.f_code.co_filename
    return f"{file.removeprefix(root + os.sep) if root else file}:{frame.f_lineno}"


# ------------------------------------------------------------------------------------------------- what is whose


def _of_run(core: Core, frame: FrameType) -> str | None:
    event = frame.f_locals.get("event")
    return event.symbol if isinstance(event, Trade) else None


def _of_lane(core: Core, frame: FrameType) -> str | None:
    return str(_self(frame).symbol)


def _of_clock(core: Core, frame: FrameType) -> str | None:
    index = _self(frame).symbol_index
    return next((lane.symbol for lane in tuple(core.lanes.values()) if lane.index == index), None)


def _of_nobody(core: Core, frame: FrameType) -> str | None:
    return None


def _self(frame: FrameType) -> Any:
    return frame.f_locals["self"]


_MARKS: dict[CodeType, Callable[[Core, FrameType], str | None]] = {
    Core.run.__code__: _of_run,
    Core._settle.__code__: _of_nobody,  # the actors' time is ours ...
    InputClock.advance.__code__: _of_nobody,  # ... as is that of timers that no chain set
    SymbolClock.guarded.__code__: _of_clock,
    Lane._subscribe.__code__: _of_lane,
    Lane.guard.__code__: _of_lane,  # where a position's exits are composed
    Frame.readings.fget.__code__: _of_lane,  # type: ignore[attr-defined]  # a gauge asks a chain's conditions
}
