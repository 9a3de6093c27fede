"""The newest entries of a kind, and those of them that were not told yet."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

E = TypeVar("E")


class Recent(Generic[E]):
    """Keeps the newest entries, `most` of them, and as many that are `untold`: the oldest go first."""

    def __init__(self, most: int) -> None:
        self.shown: deque[E] = deque(maxlen=most)
        self.untold: deque[E] = deque(maxlen=most)

    def add(self, entry: E) -> None:
        """Add the newest entry."""
        self.shown.append(entry)
        self.untold.append(entry)
