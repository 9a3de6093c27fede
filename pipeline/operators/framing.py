"""Framing: the frames of an operator, made together with the conditions that follow it in the pipe."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from reactivex import Observable

from pipeline.operators.frame import Condition, Frame
from pipeline.operators.lift import Lifted, Scheduler, Step, directed

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
    ) -> None:
        """`directs` says that the frames point somewhere; `listed` is the name where operators are listed.

        `windowed` is said where they may be made of what are no frames yet: whether they look back over a window.
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
        self.conditions = conditions
        self._with = partial(Framing, source, name, framing, directs=directs, windowed=windowed, listed=listed)

    def given(self, condition: Condition) -> Framing:
        """Return the same frames with one more condition to meet."""
        return self._with(conditions=(*self.conditions, condition))


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
