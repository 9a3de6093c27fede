"""What an author's code must not do while it runs: read what is none of its streams, or take long."""

from __future__ import annotations

import cProfile
import gc
import os
import pstats
import random
import sys
import time
from datetime import date, datetime
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from actors.engine.authors import is_authors

_OURS = str(Path(__file__).parent)
"""Calls from these places are not those of what is checked."""


class Watch:
    """Notes what an author's code reads that is none of its streams, while the block runs."""

    _CLOCKS = frozenset(
        map(id, (time.time, time.time_ns, time.monotonic, time.monotonic_ns, time.perf_counter, time.perf_counter_ns,
                 time.process_time, time.localtime, time.gmtime, time.sleep))
    )  # fmt: skip

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], int] = {}

    def __enter__(self) -> Watch:
        gc.disable()  # what the collector calls is not the chain's call
        sys.setprofile(self._look)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        gc.enable()

    def _look(self, frame: FrameType, event: str, called: Any) -> None:
        if event != "c_call":
            return
        what = self._forbidden(called)
        if not what:
            return
        outer: FrameType | None = frame
        while outer is not None and not is_authors(outer.f_code.co_filename):
            outer = None if outer.f_code.co_filename.startswith(_OURS) else outer.f_back
        if outer is not None:
            where = f"{outer.f_code.co_name} ({Path(outer.f_code.co_filename).name}:{outer.f_lineno})"
            self.found.setdefault((what, where), 1)

    def _forbidden(self, called: Any) -> str:
        own = getattr(called, "__self__", None)
        if id(called) in self._CLOCKS:
            return "a clock"
        if isinstance(own, type) and issubclass(own, date | datetime) and called.__name__ in ("now", "utcnow", "today"):
            return "a clock"
        if own is getattr(random, "_inst", None) or called is os.urandom:
            return "chance"
        if type(own).__module__.startswith("numpy.random"):
            return "chance"
        if called is open or called in (os.open, os.listdir, os.scandir):
            return "a file"
        if type(own).__module__ in ("socket", "_socket"):
            return "the network"
        return ""


class Slow(NamedTuple):
    where: str
    each_ms: float


def slowest_call(profile: cProfile.Profile) -> Slow | None:
    """Return the author's function whose one call takes the longest, what it calls included."""
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    found = [
        Slow(f"{function} ({Path(file).name}:{line})", taken / calls * 1e3)
        for (file, line, function), (calls, _, _, taken, _) in stats.items()
        if calls >= 20 and is_authors(file) and file != "~"
    ]
    return max(found, key=lambda slow: slow.each_ms, default=None)
