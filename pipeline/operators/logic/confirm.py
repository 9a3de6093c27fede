"""confirm: what held for long enough."""

from __future__ import annotations

from pipeline.operators.frame import Frame
from pipeline.operators.logic.rule import Holds, Rule, rule_of
from pipeline.operators.rolling import Span


def confirm(rule: Rule | Holds, frames: int | None = None, *, seconds: float | None = None) -> Rule:
    """Hold where the rule has held at the last `frames` frames in a row, or since `seconds` ago or longer.

    ```
    rule      --x--x--x-----x--x--
              confirm(2)
    holds     -----x--x--------x--
    ```

    Raises ValueError unless exactly one length is given.
    """
    inner = rule_of("confirm", rule)
    span = Span.of("confirm", frames, seconds)

    def begin() -> Holds:
        holds = inner.begin()
        run, since = 0, 0

        def confirmed(frame: Frame) -> bool:
            nonlocal run, since
            if not holds(frame):
                run = 0
                return False
            if not run:
                since = frame.ts
            run += 1
            return run >= span.items if span.items else frame.ts - since >= span.ns

        return confirmed

    return Rule(f"{inner.name} for {span}", begin, asks=inner.asks)
