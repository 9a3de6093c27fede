"""require: what else must hold for a signal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactivex import Observable

from pipeline.events import Side
from pipeline.operators.condition import condition, running_condition
from pipeline.operators.frame import Frame
from pipeline.operators.framing import check_asked
from pipeline.operators.lift import Operator
from pipeline.operators.logic.rule import Holds, Rule, named, operand, rule_of


def require(
    what: str | Rule | Holds,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    go: Side | str | None = None,
    reason: str | None = None,
) -> Operator[Frame, Frame]:
    """Let only those frames signal whose reading is within a bound, or of which a rule holds.

    `what` is the name of a reading, with exactly one bound, or a rule, with none. With `go`, it is required of frames
    that point that way alone. A burst in which it never held counts as blocked by `reason` (default: NO_ and the name
    in capitals).

    Raises ValueError for a wrong number of bounds, WrongValue for one that is no finite number, for another side and,
    as the pipe is built, for a reading that is not there.

    >>> calm = require("rsi", below=70)
    >>> not_too_high = require("rsi", below=70, go="LONG")
    """
    bounds = [bound for bound in (at_least, at_most, above, below) if bound is not None]
    if isinstance(what, str):
        if len(bounds) != 1:
            raise ValueError(
                f"op.require({what!r}): give exactly one of at_least, at_most, above and below; "
                "a range takes two op.require, or op.between"
            )
        name, value = operand("op.require", what)
        name = f"{name} {go}" if go else name
        required = condition(
            name,
            value,
            at_least=at_least,
            at_most=at_most,
            more_than=above,
            less_than=below,
            go=go,
            reason=reason or (_reason(name) if go else None),
        )
        return _of_known(named(what), required)
    if bounds:
        raise ValueError("op.require: a rule has no bound: it holds or does not")
    rule = rule_of("op.require", what)
    name = f"{rule.name} {go}" if go else rule.name
    reason = reason or _reason(name)
    if (plain := rule.plain) is not None:  # asked where an answer is wanted, and no part of other ticks' work
        required = condition(
            name, lambda frame: 1.0 if frame.ready and plain(frame) else 0.0, at_least=1.0, go=go, reason=reason
        )
        return _of_known(rule.asks, required)

    def make() -> Callable[[Frame], float]:
        holds = rule.begin()
        return lambda frame: 1.0 if frame.ready and holds(frame) else 0.0

    return _of_known(rule.asks, running_condition(name, make, at_least=1.0, go=go, reason=reason))


def _of_known(asked: frozenset[str], required: Operator[Frame, Frame]) -> Operator[Frame, Frame]:
    """Return the operator that refuses a pipe whose frames have no such reading."""

    def operator(source: Observable[Any]) -> Observable[Frame]:
        check_asked("op.require", asked, source)
        return required(source)

    return operator


def _reason(name: str) -> str:
    return "NO_" + "_".join("".join(c if c.isalnum() else " " for c in name.upper()).split())
