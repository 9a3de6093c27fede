"""The watch on a session's chains: what it sees is told at once, and what is too slow is removed by an input."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from loguru import logger

from actors.at_work import at_work
from actors.chain_watch import ChainSlow, ChainWatch, WatchSettings, WatchThread
from actors.core import Core
from actors.messages import RemoveChain
from web.messages import ChainLate


class SlowStrategies:
    """Watches the core that the calling thread runs; `core` gives it, since each session has its own.

    The log and the dashboard hear of a slow chain from the watch's own thread, since the loop may be stuck in that
    very chain. Its removal is an input: `due` are those that wait to be fed, `cut` makes room for them in the batch
    that runs, and `feed` feeds them where none does.
    """

    def __init__(
        self,
        settings: WatchSettings,
        core: Callable[[], Core],
        now: Callable[[], int],
        tell: Callable[[ChainLate], None],
        cut: Callable[[], None],
        feed: Callable[[], None],
    ) -> None:
        self._within_s = settings.within_s
        self._now = now
        self._tell = tell
        self._cut = cut
        self._feed = feed
        self._loop = asyncio.get_running_loop()
        self._due: deque[ChainSlow] = deque()
        self._slow: dict[str, ChainSlow] = {}  # by symbol: the newest that was seen
        main, root = threading.get_ident(), str(Path.cwd())
        self._watch = ChainWatch(
            settings,
            lambda: at_work(core(), main, root),
            self._on_slow,
            time.monotonic,
            time.process_time,
            lambda: core().input,
        )
        self._thread = WatchThread(self._watch)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._thread.stop()

    def due(self) -> list[RemoveChain]:
        """Take the removals that wait to be fed."""
        found = []
        while self._due:
            slow = self._due.popleft()
            found.append(RemoveChain(slow.symbol, self._now(), slow.reason))
        return found

    def slow(self) -> dict[str, str]:
        """Describe the chains that run, but were too slow of late, by symbol."""
        for symbol, slow in tuple(self._slow.items()):  # the watch adds to it
            if time.monotonic() - slow.seen_s > self._within_s:
                self._slow.pop(symbol, None)
        return {symbol: slow.described for symbol, slow in tuple(self._slow.items())}

    def forgive(self, symbol: str) -> None:
        """Forget that a symbol's strategy was slow: it begins anew."""
        self._slow.pop(symbol, None)

    def _on_slow(self, slow: ChainSlow) -> None:
        """Hear of a slow chain, on the watch's thread."""
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
        self._tell(ChainLate(slow.symbol, f"{slow.described}{then}", self._now()))
        if slow.remove:
            self._due.append(slow)
            self._cut()
            with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left to remove
                self._loop.call_soon_threadsafe(self._feed)
