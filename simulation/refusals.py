"""Refusals: how often a bot tries to connect while the venue refuses it."""

from __future__ import annotations

from pipeline.events import SECOND
from simulation.broken import Broken
from simulation.scheduler import VirtualScheduler

MOST_REFUSALS = 12
"""Connections that may be tried in vain within a minute."""


class Refusals:
    """Counts the tries to connect that were refused in a row: a venue that refuses is not to be run over."""

    def __init__(self, scheduler: VirtualScheduler, what: str) -> None:
        self._scheduler = scheduler
        self._what = what
        self._at: list[int] = []

    def over(self) -> None:
        """Know that a connection was made."""
        self._at.clear()

    def count(self) -> None:
        """Count one. Raises Broken if there are too many within a minute."""
        now = self._scheduler.now
        self._at = [at for at in self._at if at > now - 60 * SECOND] + [now]
        if len(self._at) > MOST_REFUSALS:
            raise Broken(
                "reconnects", f"the {self._what} tried to connect {len(self._at)} times in vain within a minute"
            )
