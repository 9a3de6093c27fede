"""The compiled engine: the default strategy by the kernel, the money by the pipeline's own code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from research.engine import columns
from research.engine.columns import Columns, Unreadable
from research.engine.machine import BeyondReckoning, Machine
from research.engine.port import CannotDecide, Outcome, why_not_compiled
from service import strategies
from service.settings import Settings

if TYPE_CHECKING:
    from research.engine.decided import Decided

_TOGETHER = 64  # machines that are fed side by side: so often is a tape read once


class CompiledEngine:
    """Decides as `microbot replay` does, byte for byte, some 50 times as fast, for what `why_not` says nothing against.

    A tape is read once for many settings; memory is that of a batch, a window a symbol and setting, and the decisions.
    """

    name = "compiled"

    def decide(self, tape: Path, settings: Sequence[Settings]) -> list[Outcome]:
        """Return an outcome for each of the settings, in their order.

        Raises UserError for a tape that is none, and CannotDecide, which says that the exact engine can.
        """
        for each in settings:
            if (why := why_not(each)) is not None:
                raise CannotDecide(f"{why}; --engine exact decides it through the core, more slowly")
        found: list[Outcome] = []
        try:
            for start in range(0, len(settings), _TOGETHER):
                found += decided(columns.read(tape), settings[start : start + _TOGETHER])
        except (Unreadable, BeyondReckoning) as error:
            raise CannotDecide(f"{error} ({tape}); --engine exact decides it through the core, more slowly") from None
        return found

    def decide_in_columns(self, tape: Path, settings: Sequence[Settings]) -> list[Decided]:
        """Return what each of the settings decides, in columns: they share the facts of a tape that fits in memory.

        Raises UserError for a tape that is none, and CannotDecide for what only the core can decide on.
        """
        from research.engine.many import decide_in_columns

        return decide_in_columns(tape, settings)


def decided(batches: Iterable[Columns], settings: Sequence[Settings]) -> list[Outcome]:
    """Return what each of the settings decides on a tape that comes in batches.

    Raises Unreadable and BeyondReckoning for what only the core can decide on.
    """
    machines = [Machine(each.core) for each in settings]
    for batch in batches:
        for machine in machines:
            machine.feed(batch)
    return [outcome_of(machine) for machine in machines]


def outcome_of(machine: Machine) -> Outcome:
    """End a machine's tape, and return what it decided."""
    machine.finish()
    booking = machine.booking
    return Outcome(booking.signals, booking.trades, booking.summary(machine.counts()))


def why_not(settings: Settings, strategy: strategies.Wanted = None) -> str | None:
    """Say in a sentence why the compiled engine cannot decide as the core does with these settings; None: it can."""
    return why_not_compiled(settings, strategy)
