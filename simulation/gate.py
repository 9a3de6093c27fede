"""The gate's twin: the gate itself, with the agenda in place of its thread."""

from __future__ import annotations

import queue
from collections.abc import Callable

from actors.gate import Batch, Broker, Gate, GateSettings, Trouble
from actors.journal import Journal
from pipeline.events import SECOND
from simulation.agenda import Agenda
from simulation.chance import Chance
from simulation.disk import Disk


class Killed(BaseException):
    """The process was killed, in the middle of whatever it did: nobody catches that."""


class VirtualGate(Gate):
    """Takes batches out of the gate's own queue: at once, or, while the disk is slow, when it is done with the last.

    `sent` is called when all effects of a batch have left, with their number.
    """

    def __init__(
        self,
        journal: Journal,
        broker: Broker | None,
        on_trouble: Callable[[Trouble], None],
        agenda: Agenda,
        disk: Disk,
        chance: Chance,
        slow_disk: float,
        on_sent: Callable[[int], None],
        guarded: Callable[[Callable[[], None]], None],
    ) -> None:
        super().__init__(journal, broker, on_trouble, GateSettings(), lambda: agenda.now / SECOND)
        self._agenda = agenda
        self._disk = disk
        self._chance = chance
        self._slow_disk = slow_disk
        self._on_sent = on_sent
        self._guarded = guarded  # runs what may end in `Killed`
        self._busy = False
        self.leaving = 0  # effects of the batch in hand
        self._unwritten: Batch | None = None  # in hand, and not in the journal yet

    @property
    def waiting_from(self) -> int | None:
        """Number of the first batch that the journal does not hold; None if it holds all."""
        first = self._unwritten or next(iter(self._queue.queue), None)
        return first.number if isinstance(first, Batch) else None

    def written(self) -> None:
        """Know that the journal holds the batch in hand."""
        self._unwritten = None

    def start(self) -> None:
        """There is no thread."""

    def stop(self, timeout_s: float = 3.0) -> bool:
        """There is no thread."""
        return True

    def submit(self, batch: Batch) -> None:
        super().submit(batch)
        if not self._busy:
            self._work_off()

    def _work_off(self) -> None:
        """Let out what waits, unless the disk is busy: then later."""
        self._busy = False
        while not self._queue.empty():
            if random := self._chance.occurs("slow_disk", self._slow_disk, "the journal takes its time"):
                self._busy = True
                self._agenda.after(random.uniform(0.01, 3), lambda: self._guarded(self._let_go))
                return
            self._let_one_out()

    def _let_go(self) -> None:
        self._let_one_out()  # the one that took its time
        self._work_off()

    def _let_one_out(self) -> None:
        try:
            batch = self._queue.get_nowait()
        except queue.Empty:
            return
        assert isinstance(batch, Batch)  # nobody pulls the kill switch here, nor stops the gate
        self._unwritten = batch
        self.leaving = len(batch.effects)
        self._take(batch)
        self._unwritten = None
        self._on_sent(len(batch.effects))
