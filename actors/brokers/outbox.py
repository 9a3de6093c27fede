"""The outbox: stands in the core for a broker outside of it, and collects what is to go there."""

from __future__ import annotations

from actors.actor import UnknownMessage
from actors.orders import CancelOrder, LookUpOrder, OrderCommand, SubmitOrder


class Outbox:
    """The actor that turns orders into effects; the gate takes them after each input, numbered by it."""

    def __init__(self) -> None:
        self.effects: list[OrderCommand] = []

    def receive(self, message: object) -> None:
        if not isinstance(message, SubmitOrder | CancelOrder | LookUpOrder):
            raise UnknownMessage(self, message)
        self.effects.append(message)

    def take(self) -> list[OrderCommand]:
        """Return what was collected and start over."""
        taken, self.effects = self.effects, []
        return taken
