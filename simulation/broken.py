"""What an auditor says when a rule does not hold."""

from __future__ import annotations


class Broken(BaseException):
    """An invariant does not hold; `rule` is its name in docs/SIMULATION.md. `except Exception` does not catch it."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"[{rule}] {detail}")
        self.rule = rule
