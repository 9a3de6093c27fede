"""all_of, any_of, not_ and vote; score, which weighs rules instead of counting them."""

from __future__ import annotations

from pipeline.checked import number
from pipeline.operators.frame import Frame, needs_frames
from pipeline.operators.indicator import Begin, Indicator, Measure
from pipeline.operators.logic.rule import Holds, Rule, rule_of
from pipeline.operators.rolling import count


def all_of(*rules: Rule | Holds) -> Rule:
    """Hold where every rule does."""
    return _vote("all_of", rules, len(rules), " and ")


def any_of(*rules: Rule | Holds) -> Rule:
    """Hold where at least one rule does."""
    return _vote("any_of", rules, 1, " or ")


def vote(*rules: Rule | Holds, at_least: int) -> Rule:
    """Hold where at least so many of the rules do. Raises ValueError for more than there are."""
    at_least = count("vote", at_least)
    if at_least > len(rules):
        raise ValueError(f"vote: at_least is {at_least}, of {len(rules)} rules")
    return _vote("vote", rules, at_least, ", ")


def not_(rule: Rule | Holds) -> Rule:
    """Hold where the rule does not."""
    inner = rule_of("not_", rule)

    def begin() -> Holds:
        holds = inner.begin()
        return lambda frame: not holds(frame)

    return Rule(f"not {inner.name}", begin, begin() if inner.plain is not None else None, inner.asks)


def score(*weighted: tuple[Rule | Holds, float]) -> Indicator:
    """Add up the weights of the rules that hold; put on the frame by an `op.readings` behind another one.

    Raises ValueError without rules, TypeError where a pair is none.
    """
    if not weighted:
        raise ValueError("score: give pairs of a rule and its weight")
    pairs = []
    for pair in weighted:
        try:
            rule, weight = pair
        except (TypeError, ValueError):
            raise TypeError(f"score: give pairs of a rule and its weight, not {pair!r}") from None
        pairs.append((rule_of("score", rule), number("score: a weight is", weight)))

    def begin(_: Begin) -> Measure:
        begun = [(rule.begin(), weight) for rule, weight in pairs]

        def value(frame: Frame) -> float | None:
            needs_frames("op.score", frame)
            return sum([weight for holds, weight in begun if holds(frame)]) if frame.ready else None

        return value

    return Indicator("score()", begin, _asked([rule for rule, _ in pairs]))


def _vote(who: str, given: tuple[Rule | Holds, ...], at_least: int, word: str) -> Rule:
    if not given:
        raise ValueError(f"{who}: give at least one rule")
    rules = [rule_of(who, rule) for rule in given]

    def begin() -> Holds:
        begun = [rule.begin() for rule in rules]
        # Each is asked, whatever the others say: a rule with a memory has to see every frame.
        return lambda frame: sum([holds(frame) for holds in begun]) >= at_least

    plain = begin() if all(rule.plain is not None for rule in rules) else None
    return Rule(word.join(rule.name for rule in rules), begin, plain, _asked(rules))


def _asked(rules: list[Rule]) -> frozenset[str]:
    return frozenset().union(*(rule.asks for rule in rules))
