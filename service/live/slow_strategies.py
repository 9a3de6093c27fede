"""Slow strategies: they are told of at once, also while the loop is stuck in one, and removed by an input."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from loguru import logger

from actors.messages import RemoveChain
from actors.supervision.at_work import at_work
from actors.supervision.periodic import Periodic
from actors.supervision.strategy_watch import StrategySlow, StrategyWatch, WatchSettings
from service.live.session import Session
from web.messages import ChainLate


def removals(due: deque[StrategySlow], now: Callable[[], int]) -> list[RemoveChain]:
    """Return the inputs that remove the strategies that are due, dated now; each is returned once."""
    found = []
    while due:
        slow = due.popleft()
        found.append(RemoveChain(slow.symbol, now(), slow.reason))
    return found


class SlowStrategies:
    """Watches the core of a session, which the thread that makes this runs, for strategies that take too long.

    The log and the dashboard (`show`) are told from the watch's own thread, since the loop may be stuck in that very
    strategy. One that is to be removed waits in `due`, for an input that the session feeds between two ticks of the
    batch that runs, which is cut for it; where none runs, `feed` does. `thread` is the watch's.
    """

    def __init__(
        self,
        settings: WatchSettings,
        session: Session,
        due: deque[StrategySlow],
        now: Callable[[], int],
        show: Callable[[ChainLate], object],
        feed: Callable[[], object],
    ) -> None:
        self._within_s = settings.within_s
        self._session = session
        self._due = due
        self._now = now
        self._show = show
        self._feed = feed
        self._slow: dict[str, StrategySlow] = {}  # by symbol: the newest that was seen
        main, root = threading.get_ident(), str(Path.cwd())
        watch = StrategyWatch(
            settings,
            lambda: at_work(session.core, main, root),
            self._on_slow,
            time.monotonic,
            time.process_time,
            lambda: session.core.input,
        )
        self.thread = Periodic("strategy", watch.look, watch.interval_s)

    def slow(self) -> dict[str, str]:
        """Describe the strategies that run, but were too slow of late, by symbol."""
        for symbol, slow in tuple(self._slow.items()):  # the watch adds to it
            if time.monotonic() - slow.seen_s > self._within_s:
                self._slow.pop(symbol, None)
        return {symbol: slow.described for symbol, slow in tuple(self._slow.items())}

    def forgive(self, symbol: str) -> None:
        """Forget that a symbol's strategy was slow: it is started again."""
        self._slow.pop(symbol, None)

    def _on_slow(self, slow: StrategySlow) -> None:
        """Tell of a slow strategy, on the watch's thread, and have it removed if it is too slow."""
        self._slow[slow.symbol] = slow
        then = "; it is removed as soon as it returns" if slow.remove else ""
        said = f"the strategy of {slow.symbol} is slow: {slow.reason}{then}"
        logger.bind(
            logger="microbot.watch",
            event="chain.slow",
            symbol=slow.symbol,
            place=slow.place,
            took_s=round(slow.took_s, 3),
            strikes=slow.strikes,
        ).log("ERROR" if slow.remove else "WARNING", "{}", said)
        self._show(ChainLate(slow.symbol, f"{slow.described}{then}", self._now()))
        if slow.remove:
            self._due.append(slow)
            self._session.cut()
            self._feed()
