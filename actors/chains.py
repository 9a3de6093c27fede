"""Users' chains: what becomes of one that fails, or that is too slow to stay."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from actors.actor import Context
from actors.authors import described
from actors.messages import ChainFailed, ChainRemoved, ChainRestarted
from pipeline.clock import RANK_OTHER, SymbolClock, Timer
from pipeline.events import SECOND


class ChainSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[chains]: how often a symbol's strategy that raised may begin anew. All of it in venue seconds."""

    restarts: Annotated[int, Meta(ge=0)] = 3  # at most so many ...
    within_s: Annotated[float, Meta(gt=0)] = 60.0  # ... in so many seconds; one failure more, and it stays FAILED
    first_delay_s: Annotated[float, Meta(gt=0)] = 1.0  # before the first restart; then it doubles
    most_delay_s: Annotated[float, Meta(gt=0)] = 30.0  # before any restart


class ChainState(StrEnum):
    """How a symbol's chain is."""

    RUNNING = "RUNNING"
    RESTARTING = "RESTARTING"  # it failed, and begins anew after a delay
    FAILED = "FAILED"  # it failed once more than its budget allows
    REMOVED = "REMOVED"  # it was too slow


class Budget:
    """The restarts that one chain has; times are ns of the core's `now`."""

    def __init__(self, settings: ChainSettings) -> None:
        self._settings = settings
        self._within = round(settings.within_s * SECOND)
        self._failures: deque[int] = deque(maxlen=settings.restarts + 1)  # those that count

    def spend(self, now: int) -> int | None:
        """Take note of a failure; return the delay of the restart that follows, None if there is none left."""
        failures = self._failures
        failures.append(now)
        while now - failures[0] > self._within:
            failures.popleft()
        if len(failures) > self._settings.restarts:
            return None
        delay_s = min(self._settings.first_delay_s * 2.0 ** min(len(failures) - 1, 30), self._settings.most_delay_s)
        return round(delay_s * SECOND)

    @property
    def left(self) -> int:
        """Restarts left after the last failure."""
        return max(0, self._settings.restarts - len(self._failures))

    def renew(self) -> None:
        """Forget the failures so far."""
        self._failures.clear()


class Chain:
    """Supervises one symbol's chain: stops it when it fails, and begins it anew while its budget lasts.

    Time is the core's, and the delay is one of its timers, so that a replay restarts at the same input. `begin`
    subscribes the chain afresh, so that its windows warm up again, and `stop` ends its subscription.
    """

    def __init__(
        self,
        symbol: str,
        settings: ChainSettings,
        context: Context,
        clock: SymbolClock,
        begin: Callable[[], None],
        stop: Callable[[], None],
    ) -> None:
        self.state = ChainState.RUNNING
        self.reason = ""  # why it does not run
        self._symbol = symbol
        self._budget = Budget(settings)
        self._context = context
        self._clock = clock
        self._begin = begin
        self._stop = stop
        self._timer: Timer | None = None  # of the restart that is due

    @property
    def runs(self) -> bool:
        return self.state is ChainState.RUNNING

    @property
    def described(self) -> str:
        """The state, and the reason if there is one, for people."""
        return f"{self.state}: {self.reason}" if self.reason else str(self.state)

    def fail(self, error: Exception) -> None:
        """Stop the chain, and begin it anew after a while if that is within its budget."""
        if not self.runs:
            return
        context = self._context
        now = context.now
        delay = self._budget.spend(now)
        restart_ts = 0 if delay is None else now + delay
        self.state = ChainState.RESTARTING if restart_ts else ChainState.FAILED
        self.reason = described(error)
        self._stop()
        if restart_ts:  # a timer of the core's own: what it raises is no fault of the strategy's
            self._timer = self._clock.clock.at(restart_ts, self._restart, RANK_OTHER, self._clock.symbol_index)
        context.publish(ChainFailed(self._symbol, self.reason, now, context.input, restart_ts, self._budget.left))

    def remove(self, reason: str) -> None:
        """Stop the chain for good: its time costs the other symbols theirs."""
        if self.state is ChainState.REMOVED:
            return
        self._forget_timer()
        ran, self.state, self.reason = self.runs, ChainState.REMOVED, reason
        if ran:
            self._stop()
        self._context.publish(ChainRemoved(self._symbol, reason, self._context.now, self._context.input))

    def restart(self) -> None:
        """Begin anew with the whole budget, because somebody asked for it; what runs is left alone."""
        if self.runs:
            return
        self._forget_timer()
        self._budget.renew()
        self._restart()

    def _restart(self) -> None:
        self._timer = None
        self.state = ChainState.RUNNING
        self.reason = ""
        context = self._context
        context.publish(ChainRestarted(self._symbol, context.now, context.input, self._budget.left))
        self._begin()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
