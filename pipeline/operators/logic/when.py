"""when: which way a frame points."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pipeline.checked import word
from pipeline.events import Side
from pipeline.operators.condition import EitherWay
from pipeline.operators.frame import Condition, Frame, needs_frames
from pipeline.operators.framing import Framing, Join
from pipeline.operators.lift import Operator, Scheduler, Step
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

    def step(emit: Callable[[Frame], None], scheduler: Scheduler, join: Join) -> Step:
        holds = inner.begin()
        known: tuple[Condition, ...] | None = None
        conditions: tuple[Condition, ...] = ()

        def on_next(frame: Frame) -> None:
            nonlocal known, conditions
            needs_frames("op.when", frame)
            if frame.conditions is not known:
                known = frame.conditions
                conditions = join(known if _DIRECTION in known else (*known, _DIRECTION))
            pointed = frame.go
            if frame.ready and holds(frame) and not pointed:
                pointed = sign
            if pointed != frame.go or conditions is not frame.conditions:
                frame = msgspec.structs.replace(frame, conditions=conditions, go=pointed)
            emit(frame)

        return Step(on_next)

    return lambda source: Framing(source, "op.when", step, directs=True)
