"""when: which way a frame points."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import msgspec
from reactivex import Observable

from pipeline.checked import positive, word
from pipeline.events import LONGEST_GOOD_FOR, Side
from pipeline.exits.exit import SignalExits
from pipeline.operators.condition import EitherWay
from pipeline.operators.frame import Condition, Frame, needs_frames
from pipeline.operators.framing import Framing, Join, check_asked
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

Amount = float | Callable[[Frame], float]
"""A number, or a function of the frame."""

Carry = Callable[[Frame], dict[str, Any]]


def when(
    rule: Rule | Holds,
    go: Side | str,
    *,
    quantity: Amount | None = None,
    limit: Amount | None = None,
    good_for: float | None = None,
    exits: Any = None,
) -> Operator[Frame, Frame]:
    """Point the frames at which a rule holds LONG or SHORT; where two rules of a pipe hold, the first one points.

    `rule` may be a function of the frame: `op.when(lambda frame: frame["z"] < -2, go="LONG")`.

    A signal of such a frame carries what is named here: `quantity` (shares, `risk.position_size` at most) and `limit`
    (the worst price at which the entry may fill) are numbers or functions of the frame, `good_for` is the seconds after
    which what is not filled is canceled, and `exits`, a list or a function of `held` and `market`, are those of the
    position that it opens. Where another condition gives the direction, a signal
    that points the other way carries none of it.

    Cost: that of the rule, and 0.3 us where it holds. Raises WrongValue for another side, for an amount that is not
    above 0, for exits that are none and, as the pipe is built, for a rule that asks for a reading that is not there,
    TypeError for no rule.
    """
    sign = word("op.when: go is", go, Side).sign
    carry = _carrying(quantity, limit, good_for, exits)
    inner = rule_of("op.when", rule)

    def step(emit: Callable[[Frame], None], scheduler: Scheduler, join: Join) -> Step:
        holds = inner.begin()
        held, not_held = ((inner.name, sign),), ((inner.name, 0),)
        known: tuple[Condition, ...] | None = None
        conditions: tuple[Condition, ...] = ()

        def on_next(frame: Frame) -> None:
            nonlocal known, conditions
            needs_frames("op.when", frame)
            if frame.conditions is not known:
                known = frame.conditions
                conditions = join(known if _DIRECTION in known else (*known, _DIRECTION))
            if not (frame.ready and holds(frame)):
                emit(msgspec.structs.replace(frame, conditions=conditions, rules=frame.rules + not_held))
            elif frame.go:
                emit(msgspec.structs.replace(frame, conditions=conditions, rules=frame.rules + held))
            else:
                rules = frame.rules + held
                emit(msgspec.structs.replace(frame, conditions=conditions, go=sign, carry=carry, rules=rules))

        return Step(on_next)

    def operator(source: Observable[Any]) -> Observable[Frame]:
        check_asked("op.when", inner.asks, source)
        asked = SignalExits.of("op.when", exits).asks if exits is not None else frozenset()
        return Framing(source, "op.when", step, directs=True, listed=f"when {inner.name}", exits_ask=asked)

    return operator


def _carrying(quantity: Amount | None, limit: Amount | None, good_for: float | None, exits: Any) -> Carry | None:
    """Return what gives the fields that a signal carries; None where nothing was asked for."""
    fixed: dict[str, Any] = {}
    asked: dict[str, Callable[[Frame], float]] = {}
    for name, given in (("quantity", quantity), ("limit", limit), ("good_for", good_for)):
        if callable(given) and name != "good_for":
            asked[name] = given
        elif given is not None:
            most = LONGEST_GOOD_FOR if name == "good_for" else inf
            fixed[name] = positive(f"op.when: {name} is", given, most=most)
    if exits is not None:
        fixed["exits"] = SignalExits.of("op.when", exits)
    if not fixed and not asked:
        return None

    def carry(frame: Frame) -> dict[str, Any]:
        found = {name: positive(f"op.when: {name} gave", of(frame), of) for name, of in asked.items()}
        return {**fixed, **found}

    return carry
