"""The gate's policy: what becomes of what waits at the gate, as values, without a thread, a clock or I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from actors.book import Book
from actors.gateway.journal import Entry, Run
from actors.orders import CancelOrder, LookUpOrder, OrderRole, SubmitOrder

Effect = SubmitOrder | CancelOrder | LookUpOrder

LOOK_S = 1.0
"""Real seconds between two looks at the journal's file."""


class GateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[gate]: the bounds of what is on its way out."""

    queue_batches: Annotated[int, Meta(ge=1)] = 10_000  # inputs whose facts wait for the journal; beyond it: HALT
    stall_s: Annotated[float, Meta(gt=0)] = 1.0  # real seconds without a sign of life before the loop counts as stuck
    answer_s: Annotated[float, Meta(gt=0)] = 1.0  # real seconds that the core has to take a halt before the gate acts


# ------------------------------------------------------------------------------------------------- what waits


class Batch(msgspec.Struct, frozen=True):
    """What one input led to."""

    number: int
    facts: Sequence[Entry]
    effects: Sequence[Effect] = ()
    book: Book | None = None  # after it, if it changed
    run: Run | None = None  # the session that begins with it


class HandOver(msgspec.Struct, frozen=True):
    """Stands where the core begins to decide again, after being taken over for the `turn`-th time."""

    turn: int


# ------------------------------------------------------------------------------------------- what is to be done


class Begin(msgspec.Struct, frozen=True):
    """Note a session in the journal."""

    run: Run


class Write(msgspec.Struct, frozen=True):
    """Make a batch durable."""

    batch: Batch


class Show(msgspec.Struct, frozen=True):
    """Show the kill switch what is about to leave."""

    batch: Batch


class LetOut(msgspec.Struct, frozen=True):
    """Send an effect, unless `refusal` has a reason not to: answer with that reason."""

    effect: Effect


class Refuse(msgspec.Struct, frozen=True):
    """Say that an order does not leave, and why."""

    order: SubmitOrder
    reason: str


class Look(msgspec.Struct, frozen=True):
    """Look at the journal's file: answer with what is wrong with it."""


class Gap(msgspec.Struct, frozen=True):
    """Say why the journal does not hold everything."""

    reason: str


class Trouble(msgspec.Struct, frozen=True):
    """Report trouble: `kind` is journal, overflow, gate, broker, stall or recovered."""

    kind: str
    detail: str


Action = Begin | Write | Show | LetOut | Refuse | Look | Gap | Trouble


class NoBroker(Exception):
    """An order was to leave, and there is no broker behind the gate."""


Steps = Generator[Action, str, None]
"""Actions in their order. Each is answered with a word (empty if there is none), or the error that it raised."""


class GatePolicy:
    """Decides what becomes of each batch: it is written down, then shown, and then its effects leave or are refused.

    If the journal fails, or so much waits that the queue is full, the gate halts: it refuses entries from then on.
    Cancels and exits still go out, under their deterministic ids; of what found the queue full at once, while what
    changed the book is written behind what was before it. The kill switch blocks entries, and takes over while the core
    decides nothing: until the turn ends, no order of the core's leaves.

    `spill` and what sets the switch may be called on any thread; everything else on one.
    """

    def __init__(self, settings: GateSettings) -> None:
        self.entries_blocked = ""  # why a person's kill switch refuses entries; empty while it does not
        self.taken_over = False  # by the kill switch: the core's orders are refused
        self.late_turn = 0  # of taking over: one that ends when nothing waits any more
        self.halted = ""  # why entries are refused; empty while they are not
        self.unwritten = ""  # why the journal does not hold everything; empty while it does
        self.durable = 0  # input number up to which the journal is durable
        self.refused = 0  # entries that were not let out
        self.overflowed = 0  # batches that found the queue full
        self.spilled: deque[Batch] = deque()  # what has to be written behind all that is in the queue
        self._settings = settings
        self._turn = 0  # how often the core was taken over
        self._urgent: deque[Effect] = deque()  # exits and cancels of batches that found the queue full
        self._beginning: Run | None = None  # a session that the journal could not note yet
        self._look_at = 0.0  # when the journal's file is looked at next
        self._stalled = False

    # -------------------------------------------------------------------------------------- from any thread

    def spill(self, batch: Batch) -> Sequence[Action]:
        """Take a batch for which the queue has no room, and halt: what may leave or changed the book is not lost."""
        self.overflowed += 1
        most = self._settings.queue_batches
        exits = [effect for effect in batch.effects if not _is_entry(effect)]
        if exits or (len(self.spilled) < most and (batch.book is not None or batch.run is not None)):
            self.spilled.append(msgspec.structs.replace(batch, effects=()))
        self._urgent.extend(exits)
        return self.halt("overflow", f"more than {most} inputs wait for the journal")

    def halt(self, kind: str, detail: str) -> Sequence[Trouble]:
        """Refuse entries from here on."""
        if self.halted:
            return ()
        self.halted = f"{kind}: {detail}"
        return (Trouble(kind, detail),)

    def take_over(self) -> int:
        """Refuse every order of the core's until this turn ends, which is returned."""
        self.taken_over = True
        self._turn += 1
        return self._turn

    def refusal(self, effect: Effect) -> str:
        """Return why an effect must not leave; empty if it may."""
        if not isinstance(effect, SubmitOrder) or effect.leg == OrderRole.GATE:
            return ""
        if self.taken_over:
            return "the kill switch has taken over"
        return self.halted or self.entries_blocked if _is_entry(effect) else ""

    # ---------------------------------------------------------------------------------------- what is done

    def work(self, item: Batch | HandOver) -> Steps:
        """Do what waits next."""
        if isinstance(item, Batch):
            yield from self._process(item)
        if self._urgent:  # it was decided before the core decides again
            yield from self._send_urgent()
        if isinstance(item, HandOver):
            self._end_turn(item.turn)

    def catch_up(self) -> Steps:
        """Do what found the queue full, now that it is empty."""
        yield from self._send_urgent()
        while self.spilled:
            yield from self._process(self.spilled[0])
            yield from self._send_urgent()
            self.spilled.popleft()  # only now: what comes meanwhile comes after it
        if self.late_turn:
            self._end_turn(self.late_turn)
            self.late_turn = 0

    def has_to_look(self, now_s: float, silent_s: float) -> bool:
        """Whether `watch` has something to do: it is asked after each batch."""
        return now_s >= self._look_at or (silent_s > self._settings.stall_s) is not self._stalled

    def watch(self, now_s: float, silent_s: float, *, at_the_end: bool = False) -> Steps:
        """Look at the journal's file now and then, and report when the loop is silent for too long, and its return."""
        if at_the_end or now_s >= self._look_at:
            self._look_at = now_s + LOOK_S
            if not self.unwritten and (wrong := (yield Look())):
                yield from self._lose(wrong)
        if (stalled := silent_s > self._settings.stall_s) is not self._stalled:
            self._stalled = stalled
            if stalled:
                yield Trouble("stall", f"the loop has been stuck for {silent_s:.1f} s")
            else:
                yield Trouble("recovered", "the loop goes on")

    def _process(self, batch: Batch) -> Steps:
        try:
            self._beginning = batch.run or self._beginning
            if self._beginning is not None:
                yield Begin(self._beginning)
                self._beginning = None
                self.durable = 0  # its inputs are counted from the start again
            yield Write(batch)
            if not self.halted:  # what is after a gap in the journal is not durable
                self.durable = max(self.durable, batch.number)
        except Exception as error:  # whatever it is: exits go out all the same
            yield from self._lose(str(error))
        yield from self._let_go(batch)

    def _let_go(self, batch: Batch) -> Steps:
        try:
            yield Show(batch)
        except Exception as error:  # the observer's fault: what is to leave, leaves
            yield from self._halt("gate", f"{type(error).__name__}: {error}")
        for effect in batch.effects:
            yield from self._let_out(effect)

    def _lose(self, why: str) -> Steps:
        """Know that the journal lacks something."""
        if not self.unwritten:
            self.unwritten = why
            yield Gap(why)
        yield from self._halt("journal", why)

    def _let_out(self, effect: Effect) -> Steps:
        try:
            refusal = yield LetOut(effect)
        except OSError as error:
            yield Trouble("broker", f"{effect.id}: {error}")
            return
        except NoBroker:
            yield from self._halt("broker", "an order was to leave, but there is no broker behind the gate")
            return
        if refusal and isinstance(effect, SubmitOrder):
            self.refused += _is_entry(effect)
            yield Refuse(effect, refusal)

    def _send_urgent(self) -> Steps:
        """Send what does not wait for the queue; the observer sees it now, and what led to it in its turn."""
        while self._urgent:
            yield from self._let_go(Batch(0, (), (self._urgent.popleft(),)))

    def _halt(self, kind: str, detail: str) -> Steps:
        for trouble in self.halt(kind, detail):  # noqa: UP028 a tuple takes no answers
            yield trouble

    def _end_turn(self, turn: int) -> None:
        if turn == self._turn:  # else it was taken over once more meanwhile
            self.taken_over = False


def _is_entry(effect: Effect) -> bool:
    return isinstance(effect, SubmitOrder) and effect.leg == OrderRole.ENTRY
