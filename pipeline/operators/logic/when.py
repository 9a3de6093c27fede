"""when: which way a frame points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from reactivex import Observable

from pipeline.checked import word
from pipeline.events import Side
from pipeline.operators.condition import EitherWay
from pipeline.operators.frame import Condition, Frame, needs_frames
from pipeline.operators.lift import Lifted, Operator, Scheduler, Step
from pipeline.operators.logic.rule import Holds, Rule, rule_of

_POINTED = EitherWay.of(lambda frame: float(frame.go), 1.0)

_DIRECTION = Condition(
    name="direction",
    reason="NO_DIRECTION",
    threshold=1.0,
    value=_POINTED.value,
    passed=lambda frame: frame.go != 0,
    direction=_POINTED,
    bound="either_way",
    checked=True,
)


def when(rule: Rule | Holds, go: Side | str) -> Operator[Frame, Frame]:
    """Point the frames at which a rule holds LONG or SHORT; where two rules of a pipe hold, the first one points.

    `rule` may be a function of the frame: `op.when(lambda frame: frame["z"] < -2, go="LONG")`.

    Cost: that of the rule, and 0.3 us where it holds. Raises WrongValue for another side, TypeError for no rule.
    """
    sign = word("op.when: go is", go, Side).sign
    inner = rule_of("op.when", rule)

    def step(emit: Callable[[Frame], None], scheduler: Scheduler) -> Step:
        holds = inner.begin()
        held, not_held = ((inner.name, sign),), ((inner.name, 0),)
        known: tuple[Condition, ...] | None = None
        conditions: tuple[Condition, ...] = ()

        def on_next(frame: Frame) -> None:
            nonlocal known, conditions
            needs_frames("op.when", frame)
            if frame.conditions is not known:
                known = conditions = frame.conditions
                if _DIRECTION not in conditions:
                    conditions = (*conditions, _DIRECTION)
            pointed, said = frame.go, not_held
            if frame.ready and holds(frame):
                pointed, said = pointed or sign, held
            rules = frame.rules + said
            emit(msgspec.structs.replace(frame, conditions=conditions, go=pointed, rules=rules))

        return Step(on_next)

    def operator(source: Observable[Any]) -> Observable[Frame]:
        return Lifted(source, step, "frames, those of op.when", True, f"when {inner.name}")

    return operator
