"""Proof before it trades: what holds of every strategy that can be trusted, tried on a tape, failure by failure."""

from __future__ import annotations

import cProfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import reactivex
from reactivex import operators as rx

from actors.engine.core import Core, Input
from actors.messages import PositionClosed, PositionReduced, Refusal
from pipeline.events import Side, Signal, Trade, as_json
from pipeline.exits.exit import ListedExits
from pipeline.strategy import Strategy, Streams
from service.check.reach import Held, containers
from service.check.runs import Run, run
from service.check.trial_tapes import (
    LONGEST,
    MOST_EVENTS,
    PATHS,
    WARM_UP,
    along,
    busiest,
    damaged,
    later,
    mirrored,
    with_another_future,
)
from service.check.watch import Watch, slowest_call
from service.conditions import never_in_turn, never_ready
from service.settings import Settings

_FIRST = 1_000
"""Events that show how long it takes."""

_GROWTH = 1.5  # a container is unbounded that grows by more than this from one round of the tape to the next two
_SHOWN = 12  # events of the smallest tape
_CARRIED = 8  # lists of exits that signals carry and that are tried, of those that differ
_WAITS = (Refusal.POSITION_OPEN, Refusal.COOLDOWN)  # refusals that every strategy meets
_TRIES = 80  # tapes that are tried to find the smallest


class Finding(NamedTuple):
    """What one check found: a sentence, and the smallest tape that shows it."""

    name: str
    passed: bool
    sentence: str
    tape: tuple[str, ...] = ()


class Checks:
    """The checks of one strategy on one tape. Each returns its finding; `all_of_them` yields them in order."""

    def __init__(self, strategy: Strategy, settings: Settings, events: Sequence[Input], budget_ms: float) -> None:
        self._strategy = strategy
        self._settings = settings
        self._events = list(events[:MOST_EVENTS])
        self._budget_ms = budget_ms

    def all_of_them(self) -> Iterator[Finding]:
        """Run every check; of one that takes long, on a part of the tape."""
        speed = self.is_fast_enough()
        if not speed.passed:
            self._events = self._events[:_FIRST]
        yield self.works()
        yield self.says_the_same_twice()
        yield self.looks_at_nothing_ahead()
        yield self.is_the_same_beside_another_symbol()
        yield self.survives_what_feeds_do()
        yield self.reads_nothing_but_its_streams()
        yield self.remembers_no_more_with_time()
        yield speed
        if speed.passed:
            yield from self.exits_fire()
        else:
            yield Finding("exits", False, "not tried: it is too slow")

    def _run(self, events: Iterable[Input]) -> Run:
        return run(self._strategy, self._settings, events)

    # --------------------------------------------------------------------------------------- what it says

    def works(self) -> Finding:
        """It runs through the tape without raising, and signals."""
        name = "it runs"
        done = self._run(self._events)
        if done.failures:
            first = done.failures[0]
            tape = self._smallest(self._events[: first.input], lambda events: bool(self._run(events).failures))
            return Finding(name, False, f"it raised {first.error}", tape)
        if not done.signals:
            why = "; ".join(never_ready(done.core)) or "try another tape"
            return Finding(name, True, f"it ran through {len(self._events):,} events, and gave no signal: {why}")
        sentence = f"{len(done.signals):,} signals on {len(self._events):,} events"
        if refused := _refused(done.core):
            sentence += f"; with these settings, risk refuses {refused}"
        return Finding(name, True, sentence)

    def says_the_same_twice(self) -> Finding:
        """The same input gives the same output."""
        name = "same input, same output"

        def differ(events: Sequence[Input]) -> bool:
            return self._run(events).signals != self._run(events).signals

        if differ(self._events):
            tape = self._smallest(self._events, differ)
            return Finding(name, False, f"two runs over one tape differ{self._culprit_of_memory()}", tape)
        return Finding(name, True, "two runs over the tape decide the same")

    def looks_at_nothing_ahead(self) -> Finding:
        """A prefix of the tape gives a prefix of the decisions, and a changed future changes nothing."""
        name = "no look-ahead"
        whole = self._run(self._events).signals
        for cut in (len(self._events) // 4, len(self._events) // 2, len(self._events) * 3 // 4):
            before = [signal for signal in whole if signal.input <= cut]
            if self._run(self._events[:cut]).signals != before:
                sentence = f"what it says of the first {cut:,} events depends on whether others follow"
                return Finding(name, False, sentence + self._culprit_of_the_end(), self._smallest_ahead())
            changed = [*self._events[:cut], *map(with_another_future, self._events[cut:])]
            if [signal for signal in self._run(changed).signals if signal.input <= cut] != before:
                sentence = f"what it says of the first {cut:,} events changes with what comes after them"
                return Finding(name, False, sentence, self._smallest_ahead())
        return Finding(name, True, "prefixes of the tape decide the same, whatever follows")

    def _smallest_ahead(self) -> tuple[str, ...]:
        def ahead(events: Sequence[Input]) -> bool:
            cut = len(events) // 2
            before = [signal for signal in self._run(events).signals if signal.input <= cut]
            return self._run(events[:cut]).signals != before

        return self._smallest(self._events, ahead)

    def _culprit_of_the_end(self) -> str:
        """Say so where it is the end of the stream that makes it speak."""
        done = run(self._strategy, self._settings, self._events[: len(self._events) // 2], finish=False)
        before = len(done.signals)
        done.core.finish()
        if len(done.signals) > before:
            return (
                ": it signals as its stream ends, which a market's never does; is there a last, a to_list or a reduce?"
            )
        return ""

    def is_the_same_beside_another_symbol(self) -> Finding:
        """Two subscriptions are independent."""
        name = "symbols are independent"
        symbol = busiest(self._events)
        alone = [event for event in self._events if getattr(event, "symbol", symbol) == symbol][: MOST_EVENTS // 4]

        def differ(events: Sequence[Input]) -> bool:
            own = [(s.side, s.ts) for s in self._run(events).signals]
            return own != [(s.side, s.ts) for s in self._run(mirrored(events)).signals if s.symbol == symbol]

        if differ(alone):
            shared = self._shared(alone)
            sentence = f"what it says of {symbol} changes when another symbol has the same ticks{shared}"
            return Finding(name, False, sentence, self._smallest(alone, differ))
        return Finding(name, True, f"{symbol} decides the same beside another symbol")

    def _shared(self, events: Sequence[Input]) -> str:
        """Name what two symbols' operators both hold and change."""
        core = run(self._strategy, self._settings, mirrored(events), finish=False).core
        mine, other = (containers(context.ticks) for context in list(core.contexts.values())[:2])
        both = [mine[key] for key in mine.keys() & other.keys() if mine[key].authors]
        return f": {both[0].where} is one for all symbols; make it where the subscription begins" if both else ""

    def _culprit_of_memory(self) -> str:
        core = run(self._strategy, self._settings, self._events[:200], finish=False).core
        found = [
            held
            for context in core.contexts.values()
            for held in containers(context.ticks).values()
            if held.authors and held.where.startswith(("the global", "a default"))
        ]
        return f": {found[0].where} outlives the run" if found else ""

    # -------------------------------------------------------------------------------------- what it stands

    def survives_what_feeds_do(self) -> Finding:
        """Gaps, crossed and missing quotes, ticks out of order, extreme prices and sizes."""
        name = "it survives bad data"

        def fails(events: Sequence[Input]) -> bool:
            return bool(self._run(events).failures)

        for what, events in damaged(self._events[: MOST_EVENTS // 4]):
            done = self._run(events)
            if done.failures:
                first = done.failures[0]
                return Finding(name, False, f"with {what} it raised {first.error}", self._smallest(events, fails))
        return Finding(name, True, "gaps, bad and missing quotes, late ticks and odd sizes stop nothing")

    def reads_nothing_but_its_streams(self) -> Finding:
        """No clock, no randomness, no file, no network while it trades."""
        name = "no clock, no chance, no file"
        with Watch() as watch:
            self._run(self._events[: MOST_EVENTS // 10])
        if watch.found:
            what, where = next(iter(watch.found))
            return Finding(name, False, f"{where} reads {what}: a replay would decide otherwise; use the streams' time")
        return Finding(name, True, "it reads its streams alone")

    def remembers_no_more_with_time(self) -> Finding:
        """Its memory is bounded."""
        name = "bounded memory"
        events = self._events[: MOST_EVENTS // 10]
        core = Core(self._settings.core, self._strategy)
        sizes: list[dict[int, tuple[int, Held]]] = []
        for round_ in range(3):
            core.run(later(events, round_))
            sizes.append(
                {
                    key: (len(held.container), held)
                    for context in core.contexts.values()
                    for key, held in containers(context.ticks).items()
                }
            )
        first, second, third = sizes
        grown = [
            (third[key][0], held)
            for key, (size, held) in second.items()
            if key in first and key in third
            and size > first[key][0] * _GROWTH and third[key][0] > size + (size - first[key][0]) / 2
            and size > 100
        ]  # fmt: skip
        if grown:
            size, held = max(grown, key=lambda pair: pair[0])
            kind = type(held.container).__name__
            after = 3 * len(events)
            return Finding(
                name, False, f"the {kind} {held.where} grows without end: {size:,} items after {after:,} events"
            )
        return Finding(name, True, "what it remembers stops growing")

    def is_fast_enough(self) -> Finding:
        """A tick costs less than the budget, by the clock of this machine."""
        name = "cost of a tick"
        events = self._events[:_FIRST]
        began = time.process_time()
        self._run(events)
        each_us = (time.process_time() - began) / max(1, len(events)) * 1e6
        profile = cProfile.Profile()
        profile.runcall(self._run, events)
        slowest = slowest_call(profile)
        if slowest is not None and slowest.each_ms > self._budget_ms:
            sentence = f"{slowest.where} takes {slowest.each_ms:.1f} ms each time, more than {self._budget_ms:g} ms"
            return Finding(name, False, sentence)
        return Finding(name, True, f"{each_us:.1f} us an event, the core's own work included")

    # ------------------------------------------------------------------------------------------- the exits

    def exits_fire(self) -> Iterator[Finding]:
        """Each exit that is listed closes a long and a short position on some path of prices, and none raises.

        So does each that its signals carry.
        """
        yield from self._each_fires("the exits", self._strategy.exits)
        for carried in self._run(self._events).exits[:_CARRIED]:
            yield from self._each_fires(f"{', '.join(carried)} of a signal", carried.begin)

    def _each_fires(self, called: str, exits: Any) -> Iterator[Finding]:
        if isinstance(exits, ListedExits):
            for listed in exits.exits:
                yield self._fires(listed.name, ListedExits([listed]), listed.hold)
        else:
            yield self._fires(called, exits)

    def _fires(self, called: str, exits: Any, hold: float | None = None) -> Finding:
        name = f"exit {called}"
        if never := never_in_turn(exits, self._settings.core.fallback):
            return Finding(name, False, never[0])
        lasts = LONGEST if hold is None or hold < LONGEST else int(hold) + 60
        fired: Counter[str] = Counter()
        for side in Side:
            for path in PATHS:
                strategy = msgspec.structs.replace(self._strategy, entries=_entering(self._strategy, side), exits=exits)
                done = run(strategy, self._settings, along(path, lasts if path == "stands still" else LONGEST))
                if done.failures:
                    return Finding(name, False, f"it raised {done.failures[0].error}")
                fired.update(f"{side} {reason}" for reason in map(_reason, done.closed) if reason != "FALLBACK")
        silent = [side for side in Side if not any(key.startswith(side) for key in fired)]
        if silent:
            minutes = "ten minutes" if lasts == LONGEST else f"{lasts / 60:,.0f} minutes"
            tried = f"prices that rise, fall, turn and stand still, for {minutes}"
            return Finding(name, False, f"it never closed a {' nor a '.join(silent)}: tried on {tried}")
        return Finding(name, True, ", ".join(f"{key} {times}" for key, times in sorted(fired.items())))

    # ------------------------------------------------------------------------------------- the smallest tape

    def _smallest(self, events: Sequence[Input], fails: Callable[[Sequence[Input]], bool]) -> tuple[str, ...]:
        """Return a tape on which it still fails, from which no part can be left out; only its end if it is long."""
        left, tries = list(events), 0
        size = len(left) // 2
        while size and tries < _TRIES:
            start = 0
            while start < len(left) and tries < _TRIES:
                rest = left[:start] + left[start + size :]
                tries += 1
                if rest and fails(rest):
                    left = rest
                else:
                    start += size
            size //= 2
        lines = [as_json(event).decode() for event in left]
        return tuple(
            lines if len(lines) <= _SHOWN else [f"... {len(lines) - _SHOWN:,} events before these", *lines[-_SHOWN:]]
        )


def _refused(core: Core) -> str:
    """Return how many signals were refused, by reason; those are left out that only wait for a position or its end."""
    refused = core.metrics.refusals
    return ", ".join(f"{refused[reason]:,} as {reason}" for reason in sorted(refused) if reason not in _WAITS)


def _reason(closed: PositionClosed | PositionReduced) -> str:
    return closed.exit_reason if isinstance(closed, PositionClosed) else closed.reason


def _entering(strategy: Strategy, side: Side) -> Callable[..., Any]:
    """Return entries that show what the strategy's own do, but enter once: when the warm-up is over."""
    count = 0

    def forced(tick: Trade) -> Signal | None:
        nonlocal count
        count += 1
        return Signal(tick.symbol, 0, side, 0.0) if count == WARM_UP + 1 else None

    def entries(ticks: Any, quotes: Any, clock: Any, market: Any) -> Any:
        own = strategy.signals(Streams(ticks, quotes, clock, market)).pipe(rx.filter(lambda _: False))
        return reactivex.merge(own, ticks.pipe(rx.map(forced), rx.filter(lambda signal: signal is not None)))

    return entries
