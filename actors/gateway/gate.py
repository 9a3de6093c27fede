"""The gate: the only way out. Effects leave once the journal holds what led to them.

It is a thread of its own, so that it can refuse, cancel and report while an operator holds the loop.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol, assert_never

from actors.gateway import gate_policy
from actors.gateway.gate_policy import (
    Action,
    Batch,
    Effect,
    GatePolicy,
    GateSettings,
    HandOver,
    NoBroker,
    Steps,
    Trouble,
)
from actors.gateway.journal import Journal
from actors.orders import SubmitOrder

__all__ = ["Batch", "Effect", "Gate", "GateSettings", "HandOver", "Trouble"]

_LOOK_S = 0.25  # real seconds between two looks for a stuck loop, at most
_DEFAULT = GateSettings()


class Broker(Protocol):
    """A broker behind the gate: takes an effect, answers by reports, never here."""

    def send(self, effect: Effect) -> None:
        """Send one effect to the venue. Raises OSError if that failed; the caller looks the order up later."""


class Waiting(Protocol):
    """Where batches wait until the gate works on them; it has no bound of its own."""

    def put(self, item: Batch | HandOver) -> None: ...

    def qsize(self) -> int: ...


class Gate:
    """Does what the gate's policy decides, by a journal and a broker, on a thread of its own.

    `submit` never blocks. Trouble is reported through `on_trouble`, on the gate's thread. The loop calls `beat` as a
    sign of life; the thread reports when it stops coming. The kill switch (`kill_switch.py`) blocks entries
    here, and takes over. `watch` is called with each batch before its effects leave, `refuse` with each order that does
    not, and why; both on the gate's thread. So is `look`, every second and at the end: it says what has become of the
    journal's file, and what it says halts as a journal that fails does. `on_gap` is told why the journal does not hold
    everything, once, whatever halted before; it must not raise. `waiting` is for a driver other than the thread: it
    takes what waits, and has the gate `work` on each.
    """

    def __init__(
        self,
        journal: Journal,
        broker: Broker | None = None,
        on_trouble: Callable[[Trouble], None] = lambda _: None,
        settings: GateSettings = _DEFAULT,
        running_s: Callable[[], float] = time.monotonic,
        *,
        watch: Callable[[Batch], None] = lambda _: None,
        refuse: Callable[[SubmitOrder, str], None] = lambda _, __: None,
        look: Callable[[], str] = lambda: "",
        on_gap: Callable[[str], None] = lambda _: None,
        waiting: Waiting | None = None,
    ) -> None:
        self.limit = settings.queue_batches
        self._policy = GatePolicy(settings)
        self._journal = journal
        self._broker = broker
        self._on_trouble = on_trouble
        self._stall_s = settings.stall_s
        self._running_s = running_s  # seconds in which this process ran: a stopped one is not stuck
        self._watch_batch = watch
        self._refuse = refuse
        self._look = look
        self._on_gap = on_gap
        self._sending = threading.Lock()  # a caller that blocks entries knows that none leaves after that
        self._queue: queue.SimpleQueue[Batch | HandOver | None] = queue.SimpleQueue()  # of the thread; None ends it
        self._waiting: Waiting = self._queue if waiting is None else waiting
        self._beat_at: float | None = None  # the loop's last sign of life; before the first there is nothing to miss
        self._thread = threading.Thread(target=self._run, name="gate", daemon=True)

    # ------------------------------------------------------------------------------------- from other threads

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> bool:
        """Process what waits, close the journal and end the thread; return False if that took too long."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def beat(self) -> None:
        """Say that the loop is alive."""
        self._beat_at = self._running_s()

    @property
    def silent_s(self) -> float:
        """How long ago the loop's last sign of life was, in seconds in which we ran; 0 before the first."""
        return 0.0 if self._beat_at is None else self._running_s() - self._beat_at

    def submit(self, batch: Batch) -> None:
        """Hand over what one input led to; returns at once."""
        if self._policy.spilled or self._waiting.qsize() >= self.limit:  # it must not overtake what came before it
            self._do_all(self._policy.spill(batch))
        else:
            self._waiting.put(batch)

    def block_entries(self, reason: str) -> None:
        """Refuse entries until `allow_entries`: none leaves after this returns."""
        with self._sending:
            self._policy.entries_blocked = reason

    def allow_entries(self) -> None:
        """Allow entries again, unless the gate has halted."""
        self._policy.entries_blocked = ""

    def take_over(self) -> int:
        """Refuse every order of the core's until `hand_over`: none leaves after this returns. Returns the turn."""
        with self._sending:
            return self._policy.take_over()

    def hand_over(self, turn: int) -> None:
        """Accept the core's orders again, if submitted after this, unless it was taken over again meanwhile."""
        if self._waiting.qsize() >= self.limit:
            self._policy.late_turn = turn
        else:
            self._waiting.put(HandOver(turn))

    @property
    def depth(self) -> int:
        """Batches waiting."""
        return self._waiting.qsize()

    @property
    def entries_blocked(self) -> str:
        """Why a person's kill switch refuses entries; empty while it does not."""
        return self._policy.entries_blocked

    @property
    def taken_over(self) -> bool:
        """Whether the kill switch has taken over: the core's orders are refused."""
        return self._policy.taken_over

    @property
    def halted(self) -> str:
        """Why entries are refused; empty while they are not."""
        return self._policy.halted

    @property
    def unwritten(self) -> str:
        """Why the journal does not hold everything; empty while it does."""
        return self._policy.unwritten

    @property
    def durable(self) -> int:
        """Input number up to which the journal is durable."""
        return self._policy.durable

    @property
    def refused(self) -> int:
        """Entries that were not let out."""
        return self._policy.refused

    @property
    def overflowed(self) -> int:
        """Batches that found the queue full."""
        return self._policy.overflowed

    # ------------------------------------------------------------------------------------- the gate's thread

    def _run(self) -> None:
        patience_s = min(self._stall_s / 4, _LOOK_S)
        while True:
            try:
                item = self._queue.get(timeout=patience_s)
            except queue.Empty:
                self.idle()
                continue
            if item is None:
                self._take(self._policy.catch_up())
                self._take(self._policy.watch(self._running_s(), 0.0, at_the_end=True))
                self._journal.close()
                return
            self.work(item)

    def work(self, item: Batch | HandOver) -> None:
        """Do what waits next, and all that can be done behind it."""
        self._take(self._policy.work(item))
        if self._waiting.qsize():
            self._watch()
        else:
            self.idle()

    def idle(self) -> None:
        """Do what is to be done while nothing waits."""
        self._take(self._policy.catch_up())
        self._watch()

    def _watch(self) -> None:
        now_s = self._running_s()
        silent_s = 0.0 if self._beat_at is None else now_s - self._beat_at
        if self._policy.has_to_look(now_s, silent_s):
            self._take(self._policy.watch(now_s, silent_s))

    def _take(self, steps: Steps) -> None:
        """Do what the policy wants done, step by step."""
        try:
            action = next(steps)
            while True:
                try:
                    answer = self._do(action)
                except Exception as error:
                    action = steps.throw(error)
                else:
                    action = steps.send(answer)
        except StopIteration:
            pass
        except Exception as error:  # whatever it is, a gate that dies silently is worse
            self._do_all(self._policy.halt("gate", f"{type(error).__name__}: {error}"))

    def _do_all(self, actions: Iterable[Action]) -> None:
        for action in actions:
            self._do(action)

    def _do(self, action: Action) -> str:
        match action:  # without captures in the patterns: they cost a batch a quarter more
            case gate_policy.Write():
                batch = action.batch
                self._journal.append(batch.number, batch.facts, batch.book)
            case gate_policy.Show():
                self._watch_batch(action.batch)
            case gate_policy.LetOut():
                return self._let_out(action.effect)
            case gate_policy.Refuse():
                self._refuse(action.order, action.reason)
            case gate_policy.Begin():
                self._journal.begin(action.run)
            case gate_policy.Look():
                return self._look()
            case gate_policy.Gap():
                self._on_gap(action.reason)
            case Trouble():
                self._on_trouble(action)
            case _:
                assert_never(action)
        return ""

    def _let_out(self, effect: Effect) -> str:
        with self._sending:
            refusal = self._policy.refusal(effect)
            if not refusal:
                if self._broker is None:
                    raise NoBroker
                self._broker.send(effect)
        return refusal
