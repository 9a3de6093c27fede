"""The default strategy's chain, compiled: what it says of each tick of a symbol, batch after batch.

Window, conditions and bursts are `pipeline/operators`, step by step and to the last bit. Nearly all ticks say nothing;
those that do are marks: a burst that ended, and a signal.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.events import EPSILON, SECOND
from pipeline.strategy import StrategySettings
from research.engine.jit import compiled
from research.engine.windows import FIRST_SLOTS, SLOT, WINDOW, is_full, move, push

ENDED, SIGNALLED = 0, 1
"""Kinds of marks."""

NOT_BLOCKED, NEVER_TOGETHER = -1, 2
"""What blocked a burst that ended: nothing, or no single gate; from 0 on, the first gate that no tick of it met."""

_MARKS = 256  # that a symbol has room for before they are taken

_STATE = np.dtype(
    [
        *WINDOW,
        ("last_ts", np.int64),  # of the last tick, ns: one from before it is late
        ("ticks", np.int64),  # accepted so far
        ("ready", np.int64),  # of them
        ("bursts", np.int64),  # that began
        ("pointed", np.int64),  # direction of the burst that runs, 0 for none
        ("first_ts", np.int64),  # of the burst's first tick
        ("burst_ticks", np.int64),
        ("met", np.int64),  # bits of the gates that some tick of it met
        ("signalled", np.int64),
        ("marks", np.int64),  # that wait to be taken
        ("beyond", np.int64),  # 1 once a reading was no finite number
    ]
)

_MARK = np.dtype(
    [
        ("tick", np.int64),  # number of the symbol's tick at which it is due, from 1
        ("kind", np.int64),
        ("ts", np.int64),  # of a burst's first tick; of the tick that signals
        ("direction", np.int64),
        ("ticks", np.int64),  # of the burst; in the window
        ("blocked", np.int64),
        ("oldest_price", np.float64),
        ("others", np.float64),  # the sizes of the others in the window
        ("high", np.float64),
        ("low", np.float64),
    ]
)


class Rules(NamedTuple):
    """What the chain asks of a tick, float noise forgiven."""

    span: int  # ns that the window looks back
    min_ticks: int
    up: float
    down: float
    spike: float  # more than that
    guard: float  # that at least

    @classmethod
    def of(cls, s: StrategySettings) -> Rules:
        """Return the rules that settings stand for."""
        up, down = s.entry_threshold - EPSILON, EPSILON - s.entry_threshold
        spike, guard = s.volume_spike_multiplier + EPSILON, s.volatility_guard_threshold - EPSILON
        return cls(round(s.window_size * SECOND), s.min_ticks, float(up), float(down), float(spike), float(guard))


class Mark(NamedTuple):
    """What a tick says: the fields of `_MARK`, as numbers of Python."""

    tick: int
    kind: int
    ts: int
    direction: int
    ticks: int
    blocked: int
    oldest_price: float
    others: float
    high: float
    low: float


class Follower:
    """Follows the ticks of one symbol, none of which is accepted that is from before `last_ts` (ns)."""

    def __init__(self, rules: Rules, last_ts: int = 0) -> None:
        # What numba keeps for the next process names the types of arguments: a plain tuple is none of ours.
        self._rules = tuple(rules)
        self._states = np.zeros(1, _STATE)
        self._states["mask"], self._states["left"] = FIRST_SLOTS - 1, -1
        self._states["last_ts"] = last_ts
        self._ring = np.zeros(FIRST_SLOTS, SLOT)
        self._marks = np.zeros(_MARKS, _MARK)

    def follow(self, ts: Any, price: Any, size: Any) -> list[Mark]:
        """Return what a batch of trades says: late ones are passed over. Memory is that of a window's ticks."""
        found: list[Mark] = []
        done = 0
        while done < len(ts):
            done = _follow(done, ts, price, size, self._rules, self._states, self._ring, self._marks)
            waiting = self.told("marks")
            found += map(Mark._make, self._marks[:waiting].tolist())
            self._states["marks"] = 0
            if done < len(ts) and waiting < _MARKS - 1:  # it was the ring that had no more room
                self._grow()
        return found

    def told(self, field: str) -> int:
        """Return a count of what was followed so far: ticks, ready, bursts, beyond."""
        return int(self._states[field][0])

    def running(self) -> Mark | None:
        """Return the end of the burst that runs, as if the ticks ended here; None without one."""
        if not self.told("pointed"):
            return None
        _end(self._states, self._marks)
        self._states["marks"] = 0
        return Mark._make(self._marks[0].item())

    def _grow(self) -> None:
        slots = 2 * (self.told("mask") + 1)
        ring = np.zeros(slots, SLOT)
        move(self._ring, self._states[0], slots, ring, 0)
        self._ring = ring


@compiled
def _follow(done: int, ts: Any, price: Any, size: Any, rules: Any, states: Any, ring: Any, marks: Any) -> int:
    """Follow trades from one on, for as long as there is room; return how many are done.

    `rules` are the fields of `Rules`.
    """
    own = states[0]
    span, min_ticks, up, down, _, _ = rules
    for tick in range(done, len(ts)):
        time = ts[tick]
        if time < own.last_ts:
            continue
        if own.marks >= len(marks) - 1 or is_full(own):
            return tick
        own.last_ts = time
        own.ticks += 1
        others = push(own, ring, time, price[tick], size[tick], span)
        count = own.next - own.oldest
        direction = 0
        if count >= min_ticks and own.warm_from <= time - span:
            own.ready += 1
            moved = price[tick] / own.oldest_price - 1
            if moved >= up:
                direction = 1
            elif moved <= down:
                direction = -1
        if direction != own.pointed:
            if own.pointed != 0:
                _end(states, marks)
            own.pointed = direction
            if direction != 0:
                own.first_ts = time
                own.signalled = own.met = own.burst_ticks = 0
                own.bursts += 1
        if direction != 0:
            own.burst_ticks += 1
            if own.signalled == 0:
                ratio = size[tick] * (count - 1) / others if others > 0 else 0.0
                _look(states, marks, rules, count, others, ratio)
    return len(ts)


@compiled
def _look(states: Any, marks: Any, rules: Any, count: int, others: float, ratio: float) -> None:
    """Look at a tick of a burst without a signal so far: does it meet every condition?"""
    own = states[0]
    _, _, _, _, spike, guard = rules
    spread = own.high / own.low - 1
    if not (np.isfinite(ratio) and np.isfinite(spread)):
        own.beyond = 1
    if ratio > spike:
        own.met |= 1
    if spread >= guard:
        own.met |= 2
    if ratio > spike and spread >= guard:
        own.signalled = 1
        mark = marks[own.marks]
        own.marks += 1
        mark.tick, mark.kind, mark.ts, mark.direction = own.ticks, SIGNALLED, own.last_ts, own.pointed
        mark.ticks, mark.blocked = count, NOT_BLOCKED
        mark.oldest_price, mark.others, mark.high, mark.low = own.oldest_price, others, own.high, own.low


@compiled
def _end(states: Any, marks: Any) -> None:
    """Mark the end of the burst that runs, at the tick after it."""
    own = states[0]
    mark = marks[own.marks]
    own.marks += 1
    mark.tick, mark.kind, mark.ts, mark.direction = own.ticks, ENDED, own.first_ts, own.pointed
    mark.ticks = own.burst_ticks
    mark.blocked = NOT_BLOCKED
    if own.signalled == 0:
        mark.blocked = 0 if own.met & 1 == 0 else 1 if own.met & 2 == 0 else NEVER_TOGETHER
    mark.oldest_price = mark.others = mark.high = mark.low = 0.0
