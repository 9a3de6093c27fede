"""What an actor is: something that receives one message at a time, and what it may use while it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Never, Protocol, TypeAlias, TypeVar

from actors.messages import Fact

Message = TypeVar("Message")
Received = TypeVar("Received", contravariant=True)


class Receiver(Protocol[Received]):
    """An actor of which it is known what it takes: a union of messages that is declared beside it."""

    def receive(self, message: Received, /) -> None:
        """Handle one message, run to completion, and never wait."""


Actor: TypeAlias = Receiver[Any]

Port: TypeAlias = Callable[[Message], None]
"""Puts a message into an actor's mailbox. It is there before the actor is, so that two actors can know each other."""


class SymbolView(Protocol):
    """What an actor may read of a symbol's context. Prices are floats; None where nothing was seen yet."""

    symbol: str
    index: int  # order in which symbols were first seen
    bid: float | None  # quote in force
    ask: float | None
    held_at_input: int  # number of the last tick's input that found a position open

    @property
    def price(self) -> float:
        """The last accepted trade's; 0 before the first."""


class Context(Protocol):
    """The core, as its actors see it."""

    input: int  # number of the input being handled
    told_ts: int  # ns: the time that the newest input of no market was told with, before it was bounded by `now`

    @property
    def now(self) -> int:
        """The largest ts that the market has told so far, in ns."""

    def not_after_now(self, ts: int) -> int:
        """Bound a time that another clock told: no later than `now`, if that is known."""

    def tell(self, actor: Receiver[Message], message: Message) -> None:
        """Put a message into an actor's mailbox; it is delivered before the next input is taken."""

    def wake(self, actor: Receiver[Message], message: Message, at: int) -> None:
        """Put a message into an actor's mailbox when `now` reaches `at` (ns)."""

    def listen(self, symbol: str, actor: Actor | None) -> None:
        """Send an actor each accepted trade of a symbol from the next one on, before all others; None ends that."""

    def publish(self, fact: Fact) -> None:
        """State a fact to all who read facts."""

    def symbol_view(self, symbol: str) -> SymbolView:
        """Return what is known of a symbol."""


class UnknownMessage(TypeError):
    """An actor was sent what it has no use for: a fault in the wiring, which stops the core."""

    def __init__(self, actor: Actor, message: object) -> None:
        super().__init__(f"{type(actor).__name__} does not know what to do with a {type(message).__name__}")
        self.actor = actor
        self.message = message


def assert_known(actor: Actor, message: Never) -> Never:
    """End an actor's `receive`, where mypy proves that nothing is left to come; raise UnknownMessage if it does."""
    raise UnknownMessage(actor, message)
