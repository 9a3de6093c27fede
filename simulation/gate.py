"""The gate's twin: the gate itself, with the agenda in place of its thread."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable

from actors.gate import Batch, Broker, Gate, GateSettings, Trouble, _HandOver
from actors.journal import Journal
from actors.orders import SubmitOrder
from pipeline.events import SECOND
from simulation.agenda import Agenda
from simulation.chance import Chance
from simulation.disk import Disk


class Killed(BaseException):
    """The process was killed, in the middle of whatever it did: nobody catches that."""


class VirtualGate(Gate):
    """Takes batches out of the gate's own queue: at once, or, while the disk is slow, when it is done with the last.

    `position` tells how many inputs the bot has taken in all its sessions. `on_sent` is called when all effects of a
    batch have left, with their number.
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
        position: Callable[[], int],
        on_sent: Callable[[int], None],
        guarded: Callable[[Callable[[], None]], None],
        watch: Callable[[Batch], None],
        refuse: Callable[[SubmitOrder, str], None],
    ) -> None:
        monotonic = lambda: agenda.now / SECOND  # noqa: E731
        super().__init__(journal, broker, on_trouble, GateSettings(), monotonic, watch=watch, refuse=refuse)
        self._agenda = agenda
        self._disk = disk
        self._chance = chance
        self._slow_disk = slow_disk
        self._position = position
        self._on_sent = on_sent
        self._guarded = guarded  # runs what may end in `Killed`
        self._busy = False
        self.leaving = 0  # effects of the batch in hand
        self.in_hand = 0  # the position of that batch
        self._waiting: deque[int] = deque()  # positions of those that wait for the journal

    @property
    def waiting_from(self) -> int | None:
        """The position of the first batch that the journal does not hold; None if it holds all."""
        return self._waiting[0] if self._waiting else None

    def written(self) -> None:
        """Know that the journal holds the batch in hand."""
        self._waiting.popleft()

    def start(self) -> None:
        """There is no thread."""

    def stop(self, timeout_s: float = 3.0) -> bool:
        """There is no thread."""
        return True

    def submit(self, batch: Batch) -> None:
        self._waiting.append(self._position())
        super().submit(batch)
        if not self._busy:
            self._work_off()

    def hand_over(self, turn: int) -> None:
        super().hand_over(turn)
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
        if isinstance(batch, _HandOver):
            self._end_turn(batch.turn)
            return
        assert batch is not None  # nobody stops the gate here
        waiting = len(self._waiting)
        self.in_hand = self._waiting[0]
        self.leaving = len(batch.effects)
        self._take(batch)
        if len(self._waiting) == waiting:  # the journal has failed
            self._waiting.popleft()
        self._on_sent(len(batch.effects))
