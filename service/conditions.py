"""What a person should know of a strategy, beside its decisions.

Conditions that cannot be trusted are named: those that remember, that give no number, or that share a name. So are
readings that never had a value, and exits that the fallback comes before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec

from actors.engine.core import Core
from actors.engine.guard import Fallback
from pipeline.checked import WrongValue
from pipeline.events import Reading
from pipeline.exits import ListedExits
from pipeline.operators.frame import Condition, Frame
from pipeline.operators.lift import readings_of
from pipeline.probe import Probe


class Doubt(msgspec.Struct, frozen=True):
    """What is wrong with a condition: `event` for machines, `sentence` for people."""

    event: str
    condition: str
    sentence: str


class Judge:
    """Looks at the conditions of frames past the strategy that asks them for its decisions; each doubt is said once.

    A condition that remembers is changed by being asked, and a replay, which has no dashboard, decides otherwise. So
    each is asked twice: one that answers the second time otherwise is named. So is one that gives no number while its
    window is ready, which stops its strategy as soon as that asks, and a name that two conditions share.
    """

    def __init__(self) -> None:
        self._named: set[tuple[str, str]] = set()
        self._known: tuple[Condition, ...] = ()  # whose names were looked at last

    def readings(self, frame: Frame) -> tuple[tuple[Reading, ...], list[Doubt]]:
        """Return a frame's readings, and what is to be said of its conditions."""
        readings, again = frame.readings, frame.readings
        seen = sum(reading.bound not in ("none", "rule") for reading in readings)
        if readings == again and seen == len(frame.conditions) and frame.conditions is self._known:
            return readings, []
        self._known = frame.conditions
        doubts = [*_twice(frame), *_remembering(readings, again), *(_numberless(frame) if frame.ready else ())]
        new = [doubt for doubt in doubts if (doubt.event, doubt.condition) not in self._named]
        self._named.update((doubt.event, doubt.condition) for doubt in new)
        return readings, new


def doubts(core: Core) -> list[Doubt]:
    """Judge the conditions of every symbol's newest frame, when all is decided: it changes nothing any more."""
    judge = Judge()
    frames = [context.probe.frame for context in core.contexts.values()]
    return [doubt for frame in frames if frame is not None for doubt in judge.readings(frame)[1]]


MANY = 1_000
"""Inputs after which a strategy ought to have been ready."""


def never_ready(core: Core) -> list[str]:
    """Say of each strategy that no frame of any symbol was ready for, when all is decided: it could not signal."""
    chains = [context.chain for context in core.contexts.values()]
    ready = {chain.strategy.name for chain in chains if chain.probe.ready}
    found: dict[str, str] = {}
    for chain in chains:
        name = chain.strategy.name
        waits = core.input >= MANY and name not in ready and not core.failures.by_symbol
        if waits and (why := _unready(chain.probe)):
            found.setdefault(name, f"{name} was never ready, so it could not signal: {why}")
    return list(found.values())


def never_in_turn(exits: Any, fallback: Fallback) -> list[str]:
    """Say of each exit of a list that `[risk]` closes a position before it, and which setting leaves it room."""
    found = []
    for each in exits.exits if isinstance(exits, ListedExits) else ():
        for most, key, said in ((each.loss, "stop", fallback.stop), (each.hold, "hold_s", fallback.hold_s)):
            if most is not None and said is not None and most >= said:
                room = f"set risk.fallback_{key} to more than {most:g}"
                found.append(f"op.{each.name} never has its turn: the fallback closes at {said:g}; {room}")
    return found


def _unready(probe: Probe) -> str:
    """Say what a strategy lacked; nothing of one whose signals are not made of frames."""
    operators = [wired.operator for wired in probe.wired]
    if not any(getattr(operator, "signals", False) for operator in operators):
        return ""
    if probe.frame is None:
        return "no frame came to the end of its pipe; are its candles longer than the tape?"
    put = frozenset().union(*(readings_of(operator) or () for operator in operators))
    if lacking := sorted(put - probe.frame.values.keys()):
        return f"no value of {', '.join(lacking)}; ask for fewer items or seconds, or take a tape that has the stream"
    return "its window was never full by the end of the tape"


def _twice(frame: Frame) -> Iterator[Doubt]:
    for name, count in Counter(condition.name for condition in frame.conditions).items():
        if count > 1:
            sentence = (
                f"{count} conditions are called {name}: gauges, funnel and sweeps cannot tell them apart; "
                "give each a name of its own"
            )
            yield Doubt("condition.named_twice", name, sentence)


def _remembering(readings: tuple[Reading, ...], again: tuple[Reading, ...]) -> Iterator[Doubt]:
    if len(readings) != len(again):  # one of them raised in between
        again = ()
    for reading, second in zip(readings, again, strict=False):
        if reading != second:
            sentence = (
                f"{reading.name} gives another value when it is asked again about the same tick: it remembers, the "
                "dashboard changes it, and a replay will decide otherwise; use op.running_condition for it"
            )
            yield Doubt("condition.remembers", reading.name, sentence)


def _numberless(frame: Frame) -> Iterator[Doubt]:
    for condition in frame.conditions:
        with suppress(Exception):  # an author's function may raise anything; where it is asked, that fails its strategy
            try:
                condition.value(frame)
            except WrongValue as wrong:
                yield Doubt("condition.not_a_number", condition.name, f"{wrong}, and stops its chain when that asks")
