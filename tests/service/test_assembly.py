"""How the parts of a run are joined."""

from __future__ import annotations

from typing import Any

import pytest

from actors.gateway.gate import Trouble, TroubleKind
from actors.messages import Command
from service.live.assembly import _on_trouble


class Mailbox:
    """Keeps the commands that the core is given."""

    def __init__(self) -> None:
        self.given: list[Command] = []

    def give(self, command: Command) -> None:
        self.given.append(command)


@pytest.mark.parametrize("halts", [True, False])
@pytest.mark.parametrize("kind", TroubleKind)
def test_the_core_is_given_a_halt_where_the_gate_has_halted_and_only_there(kind: TroubleKind, halts: bool) -> None:
    mailbox: Any = Mailbox()
    _on_trouble(mailbox, Trouble(kind, "so it is", halts))
    assert mailbox.given == ([Command("halt", 0, "gate", f"{kind}: so it is")] if halts else [])
