"""Framing: the frames of an operator, made together with the conditions that follow it in the pipe."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial
from typing import Any

from reactivex import Observable

from pipeline.checked import WrongValue
from pipeline.operators.frame import OF_ITSELF, Condition, Frame
from pipeline.operators.lift import Lifted, Scheduler, Step, asked_by_exits, directed, readings_of

Join = Callable[[tuple[Condition, ...]], tuple[Condition, ...]]
"""Adds conditions to those that a frame came with: one tuple for as long as frames come with one."""

MakeFraming = Callable[[Callable[[Any], None], Scheduler, Join], Step]


class Framing(Lifted[Frame]):
    """Frames that know the conditions that stand behind them in the pipe.

    A condition directly behind an operator adds nothing to the work of a tick: the operator's frames are born with it.
    """

    def __init__(
        self,
        source: Observable[Any],
        name: str,
        framing: MakeFraming,
        conditions: tuple[Condition, ...] = (),
        *,
        directs: bool = False,
        windowed: bool | None = None,
        listed: str = "",
        puts: frozenset[str] = frozenset(),
        exits_ask: frozenset[str] = frozenset(),
    ) -> None:
        """`directs` says that the frames point somewhere; `listed` is the name where operators are listed.

        `windowed` is said where they may be made of what are no frames yet: whether they look back over a window.
        `puts` are the names of readings that they have beside those of the source, and `exits_ask` of those that exits
        of their signals ask for.
        """

        def make(emit: Callable[[Any], None], scheduler: Scheduler) -> Step:
            return framing(emit, scheduler, joining(conditions))

        called = conditions[-1].name if conditions else name
        points = directs or any(condition.direction is not None for condition in conditions) or directed(source)
        names = dict.fromkeys((listed or name.removeprefix("op."), *(condition.name for condition in conditions)))
        points = points if windowed is None else bool(points)
        super().__init__(source, make, f"frames, those of {called}", points, ", ".join(names))
        if windowed is not None:
            self.windowed = windowed or bool(self.windowed)
        before = readings_of(source)
        self.readings = None if before is None else before | puts
        self.exits_ask = asked_by_exits(source) | exits_ask
        self.conditions = conditions
        self._with = partial(
            Framing, source, name, framing,
            directs=directs, windowed=windowed, listed=listed, puts=puts, exits_ask=exits_ask,
        )  # fmt: skip

    def given(self, condition: Condition) -> Framing:
        """Return the same frames with one more condition to meet."""
        return self._with(conditions=(*self.conditions, condition))


def check_asked(who: str, asked: frozenset[str], source: Observable[Any]) -> None:
    """Raise WrongValue for the name of a reading that a stream's frames will not have, as far as that is known."""
    known = readings_of(source)
    if known is None:
        return
    for name in sorted(asked - known):
        if name not in OF_ITSELF:
            raise WrongValue(f"{who} asks for the reading {name!r}, {_instead(name, known)}")
        if getattr(source, "windowed", None) is False:
            raise WrongValue(f"{who} asks for {name}, which looks back over a window: put op.window(seconds=...) first")


def _instead(name: str, known: frozenset[str]) -> str:
    if not known:
        return f"and no op.readings puts it on the frames: op.readings({name}=...) does"
    close = difflib.get_close_matches(name, sorted(known), n=1)
    there = f"and op.readings puts {', '.join(sorted(known))} on the frames"
    return f"{there}: did you mean {close[0]!r}?" if close else f"{there}, not that one"


def joining(conditions: tuple[Condition, ...]) -> Join:
    """Return what adds these conditions to a frame's: state of one subscription."""
    known: tuple[Condition, ...] = ()
    joined = conditions

    def join(come: tuple[Condition, ...]) -> tuple[Condition, ...]:
        nonlocal known, joined
        if come is not known:
            known = come
            joined = (*come, *conditions) if conditions else come
        return joined

    return join
