"""The manual state: what a person set, or a halt that only a person lifts."""

from __future__ import annotations

from actors.book import Book
from actors.messages import SHUTDOWN, Command, HaltCause, TradingState

SESSION_ENDS = "the session ends"

_LESS_THAN_HALTED = (TradingState.PAUSED, TradingState.REDUCING)
"""States that a command does not set while the bot is halted by hand: only `resume` lifts that."""


class ManualState:
    """Holds the state until a person changes it, with its reason; what a shutdown sets ends with the session."""

    def __init__(self) -> None:
        self.state = TradingState.ACTIVE
        self.reason = ""
        self.cause: HaltCause | None = None  # of HALTED
        self.halted_before = ""  # a reason to halt that a mismatch came after
        self._ending: TradingState | None = None

    @property
    def in_force(self) -> TradingState:
        """The state, as long as nothing overrules it."""
        return self._ending or self.state

    @property
    def sentence(self) -> str:
        """Why it is so, in words."""
        if self._ending is not None:
            return SESSION_ENDS
        before = f"; halted before that: {self.halted_before}" if self.halted_before else ""
        return f"{self.reason}{before}"

    @property
    def is_deep(self) -> bool:
        """Whether a drawdown is why it is halted, or is so beneath what came after it."""
        return self.cause is HaltCause.DRAWDOWN or self.halted_before.startswith(HaltCause.DRAWDOWN)

    def apply(self, state: TradingState, command: Command) -> None:
        """Set what a command asks for."""
        if self.state is TradingState.HALTED and state in _LESS_THAN_HALTED:
            return
        if command.source == SHUTDOWN:
            self._ending = state
            return
        self.state = state
        self.cause = HaltCause.COMMAND if state is TradingState.HALTED else None
        self.halted_before = ""
        by = f" by {command.source}" if command.source else ""
        self.reason = "" if state is TradingState.ACTIVE else command.reason or f"{command.name}{by}"

    def halt(self, cause: HaltCause, reason: str) -> bool:
        """Halt until `resume`; return False if it is halted for that very reason."""
        if self.state is TradingState.HALTED and self.reason == reason:
            return False
        if self.cause in (HaltCause.COMMAND, HaltCause.DRAWDOWN):
            self.halted_before = self.reason  # it holds, whatever becomes of a mismatch
        self.state, self.reason, self.cause = TradingState.HALTED, reason, cause
        return True

    def restore(self, book: Book) -> None:
        """Go on where an earlier session ended."""
        self.state, self.reason = book.state, book.reason
        self.cause, self.halted_before = book.halt_cause, book.halted_before
