"""The gate in virtual time: with the scheduler in place of its thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from actors.gateway.gate import Batch, Broker, Gate, HandOver, Trouble
from actors.gateway.journal import Journal
from actors.orders import SubmitOrder
from simulation.chance import Chance
from simulation.scheduler import VirtualScheduler


class Killed(BaseException):
    """The process was killed, in the middle of what it did: this is not to be caught."""


class VirtualGate(Gate):
    """The gate without its thread: it works off what waits at once, or, while the disk is slow, when the last is done.

    `position` tells how many inputs the bot has taken in all its sessions. `on_sent` is called when all effects of a
    batch have left, with their number. `guarded` runs what may end in `Killed`.
    """

    def __init__(
        self,
        journal: Journal,
        broker: Broker | None,
        on_trouble: Callable[[Trouble], None],
        on_batch: Callable[[Batch], None],
        on_refused: Callable[[SubmitOrder, str], None],
        scheduler: VirtualScheduler,
        chance: Chance,
        slow_disk: float,
        position: Callable[[], int],
        on_sent: Callable[[int], None],
        guarded: Callable[[Callable[[], None]], None],
    ) -> None:
        super().__init__(
            journal,
            broker,
            on_trouble,
            running_s=lambda: scheduler.ran_s,
            on_batch=on_batch,
            on_refused=on_refused,
            waiting=self,
        )
        self.leaving = 0  # effects of the batch in hand
        self.in_hand = 0  # the position of that batch
        self._scheduler = scheduler
        self._chance = chance
        self._slow_disk = slow_disk
        self._position = position
        self._on_sent = on_sent
        self._guarded = guarded
        self._items: deque[Batch | HandOver] = deque()
        self._positions: deque[int] = deque()  # of the batches that the journal does not hold yet
        self._written = 0  # the position of the last batch that the journal holds
        self._busy = False

    @property
    def waiting_from(self) -> int | None:
        """The first position of which the journal does not hold the batch; None if it holds all.

        A batch of the kill switch has the position of the last input, whose own may be written already.
        """
        return next((position for position in self._positions if position > self._written), None)

    def written(self) -> None:
        """Know that the journal holds the batch in hand."""
        self._written = self._positions.popleft()

    # ------------------------------------------------------------------------------------ what the gate asks for

    def put(self, item: Batch | HandOver) -> None:
        """Queue an item, and process it in its turn."""
        if isinstance(item, Batch):
            self._positions.append(self._position())
        self._items.append(item)
        if not self._busy:
            self._work_off()

    def qsize(self) -> int:
        """How much waits."""
        return len(self._items)

    # ------------------------------------------------------------------------------------------- working it off

    def _work_off(self) -> None:
        """Process what waits, unless the disk is busy: then later."""
        self._busy = False
        while self._items:
            if random := self._chance.occurs("slow_disk", self._slow_disk, "the journal takes its time"):
                self._busy = True
                self._scheduler.after(random.uniform(0.01, 3), lambda: self._guarded(self._go_on))
                return
            self._work_one_off()

    def _go_on(self) -> None:
        self._work_one_off()  # the one that took its time
        self._work_off()

    def _work_one_off(self) -> None:
        item = self._items.popleft()
        if isinstance(item, HandOver):
            self.work(item)
            return
        waiting = len(self._positions)
        self.in_hand, self.leaving = self._positions[0], len(item.effects)
        self.work(item)
        if len(self._positions) == waiting:  # the journal has failed
            self._positions.popleft()
        self._on_sent(len(item.effects))
