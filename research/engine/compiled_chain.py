"""A replay through the real core, with the default strategy's signals and bursts computed ahead, a batch at a time.

The core is the live bot's: time, exits, risk, fills, money. In the place of window, conditions and bursts its strategy
has a step that counts the ticks of its symbol and, at those for which compiled code left a mark, says what they say.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from reactivex import Observable

from actors.engine.core import Input
from actors.messages import Fact
from pipeline.events import Clock, Prints, Quote, Refused, Side, Signal, Trade
from pipeline.operators.frame import Condition, Frame, signal_of
from pipeline.operators.lift import Lifted, Scheduler, Source, Step
from pipeline.operators.signals.bursts import NEVER_TOGETHER as TOGETHER_NEVER
from pipeline.probe import BurstEnded, Probe
from pipeline.strategy import Strategies, Strategy, StrategySettings, momentum_burst
from research.engine.chain import ENDED, NEVER_TOGETHER, NOT_BLOCKED, Follower, Mark, Rules
from research.engine.columns import numbers
from research.engine.port import CannotDecide
from service import strategies
from service.recorded import columnar, replay as replaying, tapes
from service.settings import Settings

_LATEST = 1 << 62  # ns; a window's beginning is reckoned in 64 bits
_MISSING = {"ts": 0, "price": np.nan, "size": np.nan}  # what stands for a null, and is not sound
_PLAIN = (Trade, Quote, Clock, Refused, Prints)
"""Inputs that touch no strategy's subscription."""


def why_not(tape: Path, settings: Settings, strategy: strategies.Wanted = None) -> str | None:
    """Say in a sentence why a replay needs the exact engine; None if it does not."""
    if strategy is not None:
        return "the compiled chain is the default strategy's, and this is another"
    if settings.strategies:
        return "the compiled chain is one for all symbols, and the settings have [strategies.NAME]"
    if tapes.recorded_settings(tape) is not None:
        return f"{tape} is a session's recording, which is decided by the code that recorded it"
    return None


def replay(
    tape: Path,
    settings: Settings,
    strategy: strategies.Wanted = None,
    out: Path | None = None,
    progress: tapes.Progress = lambda _: None,
    say: tapes.Say = lambda _: None,
    *,
    fail_fast: bool = False,
) -> dict[str, object]:
    """Decide on a tape as `service.recorded.replay.replay` does, byte for byte, and raise what that raises.

    Where there is a reason not to, it is said, and that one decides.
    """
    tapes.check(tape)
    reason = why_not(tape, settings, strategy)
    if reason is None:
        try:
            return _replay(tape, settings, out, progress, say)
        except CannotDecide as error:
            reason = str(error)
    say(f"{reason}: the exact engine decided")
    return replaying.replay(tape, settings, strategy, out, progress, say, fail_fast=fail_fast)


def _replay(
    tape: Path, settings: Settings, out: Path | None, progress: tapes.Progress, say: tapes.Say
) -> dict[str, object]:
    strategies.chosen(None, settings)  # refuses the settings that a replay refuses
    chain = CompiledChain(settings.strategy)
    told: list[str] = []  # once it is sure that nobody else tells it
    with ExitStack() as stack:
        decisions = stack.enter_context(contextlib.closing(replaying.Decisions(out))) if out is not None else None

        def look(fact: Fact) -> None:
            if decisions is not None:
                decisions.see(fact)

        batches = chain.marked(_read(tape, progress, told.append))
        summary = replaying.decide(batches, settings, Strategies(chain.strategy), look, told.append)
        if decisions is not None:
            decisions.finish(summary)
    for sentence in told:
        say(sentence)
    return summary


Ticks = tuple[Sequence[str], Any, Any, Any, Any]
"""Trades as columns: the symbols' names, and for each trade the index of its symbol, ts, price and size."""


def _read(tape: Path, progress: tapes.Progress, say: tapes.Say) -> Iterator[tuple[list[Input], Ticks]]:
    """Give a tape's events in batches, each with its trades; an input that may touch a subscription ends its batch."""
    if columnar.is_parquet(tape):
        for rows, events in columnar.with_rows(tape, progress):
            ticks = _of_rows(rows)
            yield from _split(events) if ticks is None else [(events, ticks)]
    else:
        for events in tapes.read(tape, progress, say):
            yield from _split(events)


def _split(events: list[Input]) -> Iterator[tuple[list[Input], Ticks]]:
    ends = [at for at, event in enumerate(events, 1) if not isinstance(event, _PLAIN)]
    for start, end in zip([0, *ends], [*ends, len(events)], strict=True):
        if start < end:
            yield events[start:end], _of_events(events[start:end])


def _of_events(events: list[Input]) -> Ticks:
    trades = [event for event in events if isinstance(event, Trade)]
    names: dict[str, int] = {}
    codes = [names.setdefault(trade.symbol, len(names)) for trade in trades]
    if any(trade.ts > _LATEST for trade in trades):
        raise CannotDecide("the tape has a time beyond what the compiled chain reckons with")
    ts = np.array([trade.ts for trade in trades], np.int64)
    price = np.array([trade.price for trade in trades], np.float64)
    size = np.array([trade.size for trade in trades], np.float64)
    return list(names), np.array(codes, np.int64), ts, price, size


def _of_rows(rows: Any) -> Ticks | None:
    """Return the trades of rows; None for a batch that has to be looked at event by event."""
    kind = numbers(rows.column("kind"), -1)
    if (kind > columnar.CLOCK).any() or (kind < columnar.TRADE).any():
        return None
    trades = rows.filter(_mask(kind == columnar.TRADE)) if kind.any() else rows
    symbol = trades.column("symbol")
    names = symbol.dictionary.to_pylist()
    if symbol.null_count or "" in names:
        return None
    ts, price, size = (numbers(trades.column(name), missing) for name, missing in _MISSING.items())
    # A value that is no number is the least and the most of its column, and no comparison holds for it.
    sound = not len(ts) or (
        (ts.min() > 0 and ts.max() <= _LATEST)
        and (price.min() > 0 and price.max() < np.inf)
        and (size.min() >= 0 and size.max() < np.inf)
    )
    return (names, numbers(symbol.indices, -1), ts, price, size) if sound else None


def _mask(which: Any) -> Any:
    """Return what to filter rows by; `pyarrow.array` would load pandas, where it is installed."""
    return pa.Array.from_buffers(pa.bool_(), len(which), [None, pa.py_buffer(np.packbits(which, bitorder="little"))])


def _conditions_of(settings: StrategySettings) -> tuple[Condition, ...]:
    """Return the conditions that the frames of the default strategy carry."""
    source: Source[Trade] = Source()
    entries: Any = momentum_burst(settings).entries(source)
    frames: list[Frame] = []
    entries.source.subscribe(frames.append)
    source.on_next(Trade("A", 1, 1.0, 1.0))
    return frames[0].conditions


class _Followed:
    """A symbol's ticks as they are followed, and the subscription that is to say what they say."""

    def __init__(self, symbol: str, follower: Follower, conditions: tuple[Condition, ...]) -> None:
        self.symbol = symbol
        self.follower = follower
        self._conditions = conditions
        self._reasons = [condition.reason for condition in conditions[1:]]  # of the gates: momentum is none
        self._waiting: deque[Mark] = deque()
        self._ready = self._bursts = 0  # that the probe was told of
        self._probe: Probe | None = None
        self._emit: Callable[[Signal], None] = lambda _: None
        self._wait_for: Callable[[int], None] = lambda _: None
        self._heard: Callable[[], int] = lambda: 0

    def follow(self, ts: Any, price: Any, size: Any) -> None:
        """Take trades in that the core is about to have. Raises CannotDecide."""
        self._waiting += self.follower.follow(ts, price, size)
        if self.follower.told("beyond"):
            raise CannotDecide(f"the tape has readings of {self.symbol} that are no finite numbers")
        if self._waiting:
            self._wait_for(self._waiting[0].tick)

    def begin(
        self,
        probe: Probe,
        emit: Callable[[Signal], None],
        wait_for: Callable[[int], None],
        heard: Callable[[], int],
    ) -> None:
        """Serve a subscription: it is told which tick to wait for, and says how many it heard."""
        self._probe, self._emit, self._wait_for, self._heard = probe, emit, wait_for, heard

    def say(self, tick: Trade, number: int) -> None:
        """Say what the symbol's tick of that number says."""
        waiting = self._waiting
        while waiting and waiting[0].tick == number:
            mark = waiting.popleft()
            if mark.kind == ENDED:
                self._say_ended(mark)
            else:
                self._signal(tick, mark)
        self._wait_for(waiting[0].tick if waiting else 0)

    def _signal(self, tick: Trade, mark: Mark) -> None:
        price, base = tick.price, mark.oldest_price
        numbers = price / base - 1, mark.ticks, base, mark.others, 0.0, mark.high, mark.low
        frame = Frame(tick, price, True, *numbers, self._conditions)
        self._emit(signal_of(frame, Side.LONG if mark.direction > 0 else Side.SHORT))

    def _say_ended(self, mark: Mark) -> None:
        if mark.blocked == NOT_BLOCKED:
            blocked = None
        else:
            blocked = TOGETHER_NEVER if mark.blocked == NEVER_TOGETHER else self._reasons[mark.blocked]
        side = Side.LONG if mark.direction > 0 else Side.SHORT
        if self._probe is not None:
            self._probe.on_burst(BurstEnded(self.symbol, mark.ts, side, mark.ticks, blocked))

    def settle(self) -> None:
        """Tell the probe the counts, once the core has had what was followed. Raises RuntimeError if it had not."""
        if self._probe is None:  # its strategy was removed: nobody hears
            self._waiting.clear()
            return
        heard, ticks = self._heard(), self.follower.told("ticks")
        if heard != ticks or self._waiting:
            raise RuntimeError(f"the compiled chain of {self.symbol} followed {ticks} ticks, and the core had {heard}")
        self._tell(self._probe)

    def _tell(self, probe: Probe) -> None:
        ready, begun = self.follower.told("ready"), self.follower.told("bursts")
        probe.ready += ready - self._ready
        probe.bursts += begun - self._bursts
        self._ready, self._bursts = ready, begun

    def end(self) -> None:
        """Say the end of the burst that runs, as the ticks end, and tell the probe what it was not told yet."""
        if self._probe is not None:
            self._tell(self._probe)
        if (mark := self.follower.running()) is not None:
            self._say_ended(mark)


class CompiledChain:
    """The default strategy, and what its chains will say.

    `marked` follows the trades of a batch before the core has it. What it finds waits with the subscription of each
    symbol, which begins with that symbol's first tick and ends as any operator's: a symbol whose strategy was restarted
    is followed afresh.
    """

    def __init__(self, settings: StrategySettings) -> None:
        self._rules = Rules.of(settings)
        self._conditions = _conditions_of(settings)
        self._span, self._min_ticks = self._rules.span, self._rules.min_ticks
        self._followed: dict[str, _Followed] = {}
        self._last_ts: dict[str, int] = {}  # of symbols whose strategy was restarted
        self.strategy: Strategy = msgspec.structs.replace(momentum_burst(settings), entries=self._entries)

    def marked(self, batches: Iterator[tuple[list[Input], Ticks]]) -> Iterator[list[Input]]:
        """Give batches of events, each when its marks are known; it is to be decided before the next is asked for."""
        for events, ticks in batches:
            self._follow(*ticks)
            yield events
            for followed in list(self._followed.values()):
                followed.settle()

    def _follow(self, names: Sequence[str], codes: Any, ts: Any, price: Any, size: Any) -> None:
        if len(names) == 1:
            self._of(names[0]).follow(ts, price, size)
            return
        order = np.argsort(codes, kind="stable")
        ts, price, size = ts[order], price[order], size[order]
        ends = np.searchsorted(codes[order], np.arange(len(names) + 1))
        for name, start, end in zip(names, ends[:-1], ends[1:], strict=True):
            if start < end:
                self._of(name).follow(ts[start:end], price[start:end], size[start:end])

    def _of(self, symbol: str) -> _Followed:
        found = self._followed.get(symbol)
        if found is None:
            follower = Follower(self._rules, self._last_ts.get(symbol, 0))
            found = self._followed[symbol] = _Followed(symbol, follower, self._conditions)
        return found

    def _entries(self, ticks: Observable[Trade]) -> Observable[Signal]:
        return Lifted(ticks, self._subscribed, name="bursts")

    def _subscribed(self, emit: Callable[[Signal], None], scheduler: Scheduler) -> Step:
        """Begin a subscription, whose symbol its first tick tells."""
        probe = Probe.of(scheduler)
        probe.warm_up = max(probe.warm_up, self._span)
        probe.min_ticks = max(probe.min_ticks, self._min_ticks)
        followed: _Followed | None = None
        count, due = 0, 1  # ticks so far; the one at which there is something to say

        def on_next(tick: Trade) -> None:
            nonlocal count
            count += 1
            if count == due:
                reach(tick)

        def reach(tick: Trade) -> None:
            nonlocal followed
            if followed is None:
                followed = self._of(tick.symbol)
                followed.begin(probe, emit, wait_for, lambda: count)
            followed.say(tick, count)

        def wait_for(number: int) -> None:
            nonlocal due
            due = number

        def on_completed() -> None:
            if followed is not None:
                followed.end()

        def dispose() -> None:
            if followed is not None and self._followed.get(followed.symbol) is followed:
                self._last_ts[followed.symbol] = followed.follower.told("last_ts")
                del self._followed[followed.symbol]

        return Step(on_next, on_completed, dispose)
