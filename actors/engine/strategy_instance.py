"""A symbol's running strategy: what becomes of one that fails, or that is too slow to stay."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from actors.actor import Context
from actors.engine.authors import described, traced
from actors.messages import ChainFailed, ChainRemoved, ChainRestarted
from pipeline.checked import WrongValue, shown
from pipeline.clock import RANK_OTHER, SymbolClock, Timer
from pipeline.events import SECOND


class ChainSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[chains]: how often a symbol's strategy that raised may be restarted. All of it in venue seconds."""

    restarts: Annotated[int, Meta(ge=0)] = 3  # at most so many ...
    within_s: Annotated[float, Meta(gt=0)] = 60.0  # ... in so many seconds; one failure more, and it stays FAILED
    first_delay_s: Annotated[float, Meta(gt=0)] = 1.0  # before the first restart; then it doubles
    most_delay_s: Annotated[float, Meta(gt=0)] = 30.0  # before any restart
    # What `within_s` counts: the time that it worked, from its warm-up to the last tick that did not fail; or all time,
    # as recordings of old did, in which one that fails whenever it is warm is restarted for ever.
    counts: Literal["worked", "elapsed"] = "worked"


class InstanceState(StrEnum):
    """How a symbol's strategy is."""

    RUNNING = "RUNNING"
    RESTARTING = "RESTARTING"  # it failed, and is restarted after a delay
    FAILED = "FAILED"  # it failed once more than its budget allows
    REMOVED = "REMOVED"  # it was too slow


class Failures:
    """What strategies raised in a session: how often, by symbol, and the first of it."""

    def __init__(self) -> None:
        self.by_symbol: dict[str, int] = {}
        self._first: dict[str, Any] | None = None

    @property
    def count(self) -> int:
        return sum(self.by_symbol.values())

    def note(self, symbol: str, error: BaseException, words: str, ts: int, number: int) -> None:
        """Count a failure that the input of that number led to, at `ts` (ns)."""
        self.by_symbol[symbol] = self.by_symbol.get(symbol, 0) + 1
        if self._first is None:
            traceback = list(traced(error))
            self._first = {"symbol": symbol, "ts": ts, "input": number, "error": words, "traceback": traceback}

    def summary(self) -> dict[str, Any]:
        """Return them as the summary says them."""
        return {"count": self.count, "by_symbol": dict(self.by_symbol), "first": self._first}


class Budget:
    """The restarts that one symbol's strategy has; times are ns, of one clock that only goes forward."""

    def __init__(self, settings: ChainSettings) -> None:
        self._settings = settings
        self._within = round(settings.within_s * SECOND)
        self._failures: deque[int] = deque(maxlen=settings.restarts + 1)  # those that count

    def spend(self, now: int) -> int | None:
        """Count a failure; return the delay of the restart that follows (ns), None if there is none left."""
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

    @property
    def spent(self) -> bool:
        """Whether any failure counts."""
        return bool(self._failures)

    def renew(self) -> None:
        """Forget the failures so far."""
        self._failures.clear()


class StrategyInstance:
    """Supervises one symbol's strategy: stops it when it fails, and restarts it while its budget lasts.

    Time is the core's, and the delay is one of its timers, so that a replay restarts at the same input. `begin`
    subscribes the strategy afresh, so that its windows warm up again, and `stop` ends its subscription.

    A strategy that failed is on probation: `note_good_tick` is called with each tick after it, and what counts as time
    without failure is that from the end of its warm-up to the last such tick. So one that fails at each tick at which
    it is warm spends its budget, however long it warms up and however rare the ticks are.
    """

    def __init__(
        self,
        symbol: str,
        settings: ChainSettings,
        context: Context,
        clock: SymbolClock,
        failures: Failures,
        begin: Callable[[], None],
        stop: Callable[[], None],
        author: Callable[..., Any] | None = None,
    ) -> None:
        self.state = InstanceState.RUNNING
        self.reason = ""  # why it does not run
        self._symbol = symbol
        self._budget = Budget(settings)
        self._within = round(settings.within_s * SECOND)
        self._by_work = settings.counts == "worked"
        self._failures = failures
        self._author = author  # whose line a failure is that went through none
        self._worked = 0  # ns, before it began last
        self._begun = 0
        self._good_until = 0  # when the last tick came that it dealt with
        self._context = context
        self._clock = clock
        self._begin = begin
        self._stop = stop
        self._timer: Timer | None = None  # of the restart that is due

    @property
    def runs(self) -> bool:
        return self.state is InstanceState.RUNNING

    @property
    def described(self) -> str:
        """The state, and the reason if there is one, for people."""
        return f"{self.state}: {self.reason}" if self.reason else str(self.state)

    @property
    def on_probation(self) -> bool:
        """Whether it failed, and has not worked for long enough since."""
        return self._by_work and self._budget.spent

    def begins(self) -> None:
        """Note that it is subscribed afresh."""
        self._worked += self._work()
        self._begun = self._good_until = self._context.now

    def note_good_tick(self, _: object) -> None:
        """Note a tick that the strategy dealt with."""
        if self.runs:
            self._good_until = self._context.now
            if self._budget.spent and self._work() > self._within:
                self._budget.renew()

    def _work(self) -> int:
        """Return for how long it has worked since it began, in ns, its warm-up left out."""
        return max(0, self._good_until - self._begun - self._clock.probe.warm_up)

    def fail(self, error: Any, author: Callable[..., Any] | None = None) -> None:
        """Stop the strategy, and restart it after a while if that is within its budget.

        `author` is the function whose stream it was, if that is not the strategy's own.
        """
        context = self._context
        now = context.now
        if not isinstance(error, BaseException):  # `on_error` of an author's own may be called with anything
            error = WrongValue(f"a stream ended with {shown(error)}, which is no exception")
        words = described(error, author or self._author)
        self._failures.note(self._symbol, error, words, now, context.input)
        self._clock.probe.blame(error)
        if not self.runs:
            return
        delay = self._budget.spend(self._worked + self._work() if self._by_work else now)
        restart_ts = 0 if delay is None else now + delay
        self.state = InstanceState.RESTARTING if restart_ts else InstanceState.FAILED
        self.reason = words
        self._stop()
        if restart_ts:  # a timer of the core's own: what it raises is no fault of the strategy's
            self._timer = self._clock.clock.at(restart_ts, self._restart, RANK_OTHER, self._clock.symbol_index)
        context.publish(ChainFailed(self._symbol, self.reason, now, context.input, restart_ts, self._budget.left))

    def remove(self, reason: str) -> None:
        """Stop the strategy for good: its time costs the other symbols theirs."""
        if self.state is InstanceState.REMOVED:
            return
        self._forget_timer()
        ran, self.state, self.reason = self.runs, InstanceState.REMOVED, reason
        if ran:
            self._stop()
        self._context.publish(ChainRemoved(self._symbol, reason, self._context.now, self._context.input))

    def retire(self) -> None:
        """Begin no more: another strategy takes this one's place."""
        self._forget_timer()

    def restart(self) -> None:
        """Restart with the whole budget, because a command asked for it; what runs is left alone."""
        if self.runs:
            return
        self._forget_timer()
        self._budget.renew()
        self._restart()

    def _restart(self) -> None:
        self._timer = None
        self.state = InstanceState.RUNNING
        self.reason = ""
        context = self._context
        context.publish(ChainRestarted(self._symbol, context.now, context.input, self._budget.left))
        self._begin()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
