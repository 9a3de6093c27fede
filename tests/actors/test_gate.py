"""The gate: what leaves, in which order, and what stops when the journal or the broker does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal

import pytest

from actors.book import Book
from actors.gateway.gate import Batch, Gate, GateSettings, Trouble, TroubleKind
from actors.gateway.journal import Entry, MemoryJournal, Run
from actors.messages import DayStarted
from actors.orders import CancelOrder, OrderCommand, OrderRole, OrderSide, SubmitOrder
from tests.support.live import PATIENCE_S, wait_until
from tests.support.sessions import Session

QUICK = GateSettings(stall_s=0.02)
CALM = GateSettings(stall_s=1000.0)


def fact(number: int) -> DayStarted:
    return DayStarted(f"day {number}", Decimal(1), number, number)


def entry(name: str) -> SubmitOrder:
    return SubmitOrder(name, "A", OrderSide.BUY, Decimal(1), "1", OrderRole.ENTRY)


def exit_of(name: str) -> SubmitOrder:
    return SubmitOrder(name, "A", OrderSide.SELL, Decimal(1), "1", OrderRole.EXIT, "TP")


class Journal:
    """A journal that writes what happens into a list, waits while it is held, and fails when told to."""

    def __init__(self, log: list[str], fails: Callable[[int], Exception | None] = lambda _: None) -> None:
        self.close_fails: Exception | None = None
        self.closed = False
        self.free = threading.Event()
        self.free.set()
        self.reached = threading.Event()  # an append began
        self.at: dict[int, threading.Event] = {}  # for what the append of an input waits
        self._log = log
        self._fails = fails

    def begin(self, run: Run) -> None:
        if (error := self._fails(0)) is not None:
            raise error
        self._log.append(f"begin {run.name}")

    def append(self, number: int, facts: Sequence[Entry], book: Book | None = None) -> None:
        self.reached.set()
        assert self.free.wait(PATIENCE_S)
        if number in self.at:
            assert self.at[number].wait(PATIENCE_S)
        error = self._fails(number)
        if error is not None:
            raise error
        self._log.append(f"journal {number}: {len(facts)}")

    def close(self) -> None:
        if self.close_fails is not None:
            raise self.close_fails
        self.closed = True
        self._log.append("closed")


class Broker:
    """A broker that writes what it is sent into the same list, and refuses connections when told to."""

    def __init__(self, log: list[str], fails: Sequence[str] = ()) -> None:
        self._log = log
        self._fails = fails

    def send(self, effect: OrderCommand) -> None:
        if effect.id in self._fails:
            raise ConnectionResetError("the venue hung up")
        self._log.append(f"sent {effect.id}")


class Told:
    """What the gate reported, and a way to wait for it."""

    def __init__(self) -> None:
        self.troubles: list[Trouble] = []
        self.threads: list[str] = []
        self._news = threading.Condition()

    def __call__(self, trouble: Trouble) -> None:
        with self._news:
            self.troubles.append(trouble)
            self.threads.append(threading.current_thread().name)
            self._news.notify_all()

    @property
    def kinds(self) -> list[str]:
        return [trouble.kind for trouble in self.troubles]

    def wait_for(self, *kinds: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: self.kinds == list(kinds), PATIENCE_S), self.kinds


class Bench:
    """A gate with everything around it."""

    def __init__(
        self,
        settings: GateSettings = CALM,
        *,
        fails: Callable[[int], Exception | None] = lambda _: None,
        broker: bool = True,
        broker_fails: Sequence[str] = (),
    ) -> None:
        self.log: list[str] = []
        self.told = Told()
        self.now = 0.0
        self.journal = Journal(self.log, fails)
        away = Broker(self.log, broker_fails) if broker else None
        self.gate = Gate(self.journal, away, self.told, settings, lambda: self.now)

    def submit(self, number: int, *effects: OrderCommand, facts: int = 1) -> None:
        self.gate.submit(Batch(number, [fact(number)] * facts, effects))

    def hold(self) -> None:
        """Let the journal's next append wait, and be in it."""
        self.journal.free.clear()
        self.journal.reached.clear()
        self.submit(0)
        assert self.journal.reached.wait(PATIENCE_S)

    def finish(self) -> list[str]:
        """Stop the gate, and return what happened."""
        self.journal.free.set()
        assert self.gate.stop(PATIENCE_S)
        return self.log


@contextmanager
def a_gate(
    settings: GateSettings = CALM,
    *,
    fails: Callable[[int], Exception | None] = lambda _: None,
    broker: bool = True,
    broker_fails: Sequence[str] = (),
) -> Iterator[Bench]:
    bench = Bench(settings, fails=fails, broker=broker, broker_fails=broker_fails)
    bench.gate.start()
    try:
        yield bench
    finally:
        bench.finish()


def disk_full(number: int) -> OSError:
    return OSError(28, "No space left on device")


# --------------------------------------------------------------------------------------------------------- the way


def test_an_effect_leaves_after_the_facts_that_led_to_it_are_in_the_journal_and_in_order() -> None:
    with a_gate() as bench:
        bench.submit(1, facts=2)
        bench.submit(2, entry("a"), CancelOrder("b"))
        bench.submit(5, exit_of("c"))
        assert bench.finish() == [
            *("journal 1: 2", "journal 2: 1", "sent a", "sent b", "journal 5: 1", "sent c", "closed"),
        ]


def test_nothing_leaves_while_the_journal_is_at_work() -> None:
    with a_gate() as bench:
        bench.hold()
        bench.submit(1, entry("a"))
        assert bench.log == []
        bench.finish()
        assert bench.log[-2:] == ["sent a", "closed"]


def test_to_submit_never_waits_and_what_waits_can_be_counted() -> None:
    with a_gate() as bench:
        bench.hold()
        for number in range(1, 100):
            bench.submit(number)
        assert bench.gate.depth == 99
        bench.finish()
        assert bench.gate.depth == 0


def test_stopping_lets_out_what_waits_closes_the_journal_and_ends_the_thread() -> None:
    with a_gate() as bench:
        bench.hold()
        for number in range(1, 50):
            bench.submit(number, exit_of(f"{number}"))
        log = bench.finish()
        assert [line for line in log if line.startswith("sent")] == [f"sent {number}" for number in range(1, 50)]
        assert bench.journal.closed
        assert not any(thread.name == "gate" and thread.is_alive() for thread in threading.enumerate())


def test_a_gate_that_cannot_stop_in_time_says_so() -> None:
    with a_gate() as bench:
        bench.hold()
        assert not bench.gate.stop(0.01)


def test_a_full_gate_that_cannot_stop_in_time_says_so() -> None:
    with a_gate(GateSettings(queue_batches=1, stall_s=1000.0)) as bench:
        bench.hold()
        bench.submit(1)
        assert not bench.gate.stop(0.01)


def test_what_comes_behind_the_end_while_the_gate_is_at_it_is_still_written_and_leaves() -> None:
    with a_gate() as bench:
        bench.hold()
        bench.gate._queue.put(None)
        bench.submit(1, exit_of("a"))
        assert bench.finish() == ["journal 0: 1", "journal 1: 1", "sent a", "closed"]
        assert bench.gate.unwritten is None


def test_what_comes_after_the_end_is_reported_as_missing_from_the_journal() -> None:
    with a_gate() as bench:
        bench.finish()
        bench.submit(7)
        assert bench.gate.unwritten == "what input 7 led to came after the end"
        assert [(trouble.kind, trouble.halts) for trouble in bench.told.troubles] == [(TroubleKind.JOURNAL, True)]


def test_a_journal_that_cannot_be_closed_is_reported_as_incomplete() -> None:
    with a_gate() as bench:
        bench.journal.close_fails = OSError(28, "No space left on device")
        bench.finish()
        assert bench.gate.unwritten == "it could not be closed: [Errno 28] No space left on device"
        assert bench.told.kinds == ["journal"]


def test_a_gate_stops_twice() -> None:
    with a_gate() as bench:
        assert bench.gate.stop()
        assert bench.gate.stop()


# ------------------------------------------------------------------------------------------------- a journal that fails


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("no more"), MemoryError()], ids=repr
)
def test_when_the_journal_fails_entries_are_refused_and_exits_and_cancels_still_go_out(error: Exception) -> None:
    with a_gate(fails=lambda number: error) as bench:
        bench.submit(1, entry("a"), exit_of("b"), CancelOrder("c"))
        bench.submit(2, entry("d"), exit_of("e"))
        assert bench.finish() == ["sent b", "sent c", "sent e", "closed"]
        assert bench.gate.refused == 2
        assert bench.gate.unwritten == (str(error) or "MemoryError")
        assert str(bench.gate.halted).startswith("journal: ")
        assert bench.told.kinds == ["journal"]
        assert bench.told.threads == ["gate"]


def test_a_journal_that_works_again_lifts_no_halt() -> None:
    with a_gate(fails=lambda number: disk_full(number) if number == 1 else None) as bench:
        bench.submit(1)
        bench.submit(2, entry("a"), exit_of("b"))
        assert bench.finish() == ["journal 2: 1", "sent b", "closed"]
        assert bench.gate.refused == 1


def test_what_left_before_the_journal_failed_is_not_touched() -> None:
    with a_gate(fails=lambda number: disk_full(number) if number > 1 else None) as bench:
        bench.submit(1, entry("a"))
        bench.submit(2, entry("b"))
        assert bench.finish() == ["journal 1: 1", "sent a", "closed"]


def test_too_much_that_waits_halts_the_gate() -> None:
    with a_gate(GateSettings(queue_batches=3, stall_s=1000.0)) as bench:
        bench.hold()
        for number in range(1, 4):
            bench.submit(number, entry(f"{number}"), exit_of(f"x{number}"))
        assert bench.gate.halted is None
        bench.submit(4)
        assert str(bench.gate.halted).startswith("overflow: ")
        assert bench.told.kinds == ["overflow"]
        log = bench.finish()
        assert [line for line in log if line.startswith("sent")] == ["sent x1", "sent x2", "sent x3"]
        assert bench.gate.refused == 3


def test_while_the_kill_switch_has_taken_over_no_order_of_the_core_leaves_neither_entry_nor_exit() -> None:
    with a_gate() as bench:
        epoch = bench.gate.take_over()
        bench.submit(1, entry("a"), exit_of("b"), CancelOrder("c"))
        bench.gate.hand_over(epoch)
        bench.submit(2, entry("d"))
        assert [line for line in bench.finish() if line.startswith("sent")] == ["sent c", "sent d"]


def test_an_exit_that_found_the_queue_full_before_a_hand_over_does_not_leave_after_it() -> None:
    log: list[str] = []
    refused: list[str] = []
    small = GateSettings(queue_batches=1, stall_s=1000.0)
    gate = Gate(Journal(log), Broker(log), Told(), small, on_refused=lambda order, why: refused.append(order.id))
    epoch = gate.take_over()
    gate.submit(Batch(1, [fact(1)]))
    gate.submit(Batch(2, [fact(2)], [exit_of("a")]))
    gate._queue.get_nowait()  # as the gate's thread does, and before it looks again at what found the queue full
    gate.hand_over(epoch)
    gate.start()
    assert gate.stop(PATIENCE_S)
    assert refused == ["a"]
    assert "sent a" not in log


def test_a_hand_over_that_finds_the_queue_full_waits_until_everything_has_left() -> None:
    with a_gate(GateSettings(queue_batches=2, stall_s=0.02)) as bench:
        epoch = bench.gate.take_over()
        bench.hold()
        bench.submit(1, exit_of("a"))
        bench.submit(2, exit_of("b"))
        bench.gate.hand_over(epoch)
        assert bench.gate.taken_over
        bench.journal.free.set()
        wait_until(lambda: not bench.gate.taken_over)
        assert not [line for line in bench.finish() if line.startswith("sent")]


def test_whoever_looks_on_and_fails_keeps_nothing_from_leaving() -> None:
    log: list[str] = []
    told = Told()

    def look(batch: Batch) -> None:
        raise ValueError("no")

    gate = Gate(Journal(log), Broker(log), told, CALM, on_batch=look)
    gate.start()
    gate.submit(Batch(1, [fact(1)], [exit_of("a")]))
    assert gate.stop(PATIENCE_S)
    assert "sent a" in log
    assert told.kinds == ["gate"]


def test_a_halt_is_told_once() -> None:
    with a_gate(GateSettings(queue_batches=1, stall_s=1000.0), fails=disk_full) as bench:
        bench.hold()
        for number in range(1, 9):
            bench.submit(number)
        bench.finish()
        assert bench.told.kinds == ["overflow"]


def test_a_halt_that_two_threads_find_at_once_is_told_once() -> None:
    both = threading.Barrier(2)

    class Observed(Gate):
        """A gate where whoever finds that it has not halted waits a while for another who does."""

        @property
        def halted(self) -> str | None:
            found = self._found
            if found is None:
                with suppress(threading.BrokenBarrierError):
                    both.wait(0.1)
            return found

        @halted.setter
        def halted(self, reason: str | None) -> None:
            self._found = reason

    told = Told()
    gate = Observed(Journal([]), None, told, CALM)
    threads = [threading.Thread(target=gate._halt, args=(kind, "no")) for kind in list(TroubleKind)[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(told.kinds) == 1


def test_a_gap_in_the_journal_is_told_once_also_where_something_else_had_halted() -> None:
    log: list[str] = []
    gaps: list[str] = []
    gate = Gate(Journal(log, disk_full), None, Told(), CALM, on_gap=gaps.append)
    gate._halt(TroubleKind.OVERFLOW, "too much")
    gate.start()
    for number in (1, 2):
        gate.submit(Batch(number, [fact(number)]))
    assert gate.stop(PATIENCE_S)
    assert gaps == [gate.unwritten]
    assert "No space left" in gaps[0]


# -------------------------------------------------------------------------------------------------------- the broker


def test_a_broker_that_cannot_be_reached_is_reported_and_stops_nothing_else() -> None:
    with a_gate(broker_fails=["a"]) as bench:
        bench.submit(1, entry("a"), entry("b"))
        assert bench.finish() == ["journal 1: 1", "sent b", "closed"]
        assert bench.told.kinds == ["broker"]
        assert "a" in bench.told.troubles[0].detail
        assert "hung up" in bench.told.troubles[0].detail
        assert bench.gate.halted is None


def test_an_order_without_a_broker_halts_the_gate() -> None:
    with a_gate(broker=False) as bench:
        bench.submit(1, entry("a"))
        bench.submit(2, entry("b"))
        bench.finish()
        assert bench.told.kinds == ["broker"]
        assert str(bench.gate.halted).startswith("broker: ")
        assert bench.gate.refused == 1


# ---------------------------------------------------------------------------------------------------- signs of life


def test_a_loop_that_gives_no_sign_of_life_is_reported_once_and_its_return_too() -> None:
    with a_gate(QUICK) as bench:
        bench.gate.beat()
        bench.now = 5.0
        bench.told.wait_for("stall")
        assert "5.0 s" in bench.told.troubles[0].detail
        bench.submit(1)
        bench.gate.beat()
        bench.told.wait_for("stall", "recovered")
        bench.now = 10.0
        bench.told.wait_for("stall", "recovered", "stall")
        assert bench.gate.halted is None


def test_a_stall_is_seen_also_while_there_is_much_to_do() -> None:
    with a_gate(GateSettings(stall_s=10.0)) as bench:
        bench.gate.beat()
        bench.now = 11.0
        bench.submit(1)
        bench.told.wait_for("stall")


def test_a_loop_exactly_as_silent_as_it_may_be_is_not_reported() -> None:
    with a_gate(GateSettings(stall_s=10.0)) as bench:
        bench.gate.beat()
        bench.now = 10.0
        bench.submit(1)
        bench.finish()
        assert bench.told.kinds == []


def test_a_loop_that_has_not_begun_to_beat_is_not_missed() -> None:
    with a_gate(GateSettings(stall_s=10.0)) as bench:
        bench.now = 1000.0
        bench.submit(1)
        bench.finish()
        assert bench.told.kinds == []


def test_a_loop_that_beats_is_not_reported() -> None:
    with a_gate(GateSettings(stall_s=10.0)) as bench:
        bench.gate.beat()
        for number in range(1, 20):
            bench.now += 9.0
            bench.gate.beat()
            bench.submit(number)
        bench.finish()
        assert bench.told.kinds == []


def test_exits_go_out_while_the_loop_is_stuck() -> None:
    with a_gate(QUICK) as bench:
        bench.gate.beat()
        bench.submit(1, exit_of("a"))
        bench.now = 5.0
        bench.told.wait_for("stall")
        assert bench.finish() == ["journal 1: 1", "sent a", "closed"]


def test_a_gate_works_with_a_journal_in_memory() -> None:
    journal = MemoryJournal()
    gate = Gate(journal)
    gate.start()
    gate.submit(Batch(1, [fact(1)]))
    assert gate.stop(PATIENCE_S)
    assert list(journal.entries) == [(1, [fact(1)])]


# ---------------------------------------------------------------------------------------------- what gates fell over


def test_exits_and_cancels_of_the_batch_that_finds_the_queue_full_still_go_out() -> None:
    with a_gate(GateSettings(queue_batches=1, stall_s=1000.0)) as bench:
        bench.hold()
        bench.submit(1)
        bench.submit(2, entry("a"), exit_of("b"), CancelOrder("c"))
        assert [line for line in bench.finish() if line.startswith("sent")] == ["sent b", "sent c"]


def test_what_changed_the_book_and_found_the_queue_full_is_written_behind_what_was_before_it() -> None:
    book = Session().core.book()
    with a_gate(GateSettings(queue_batches=2, stall_s=1000.0)) as bench:
        bench.hold()
        bench.submit(1)
        bench.submit(2)
        for number, changed in ((3, book), (4, None), (5, book), (6, book)):  # only 5 would find room again
            bench.gate.submit(Batch(number, [fact(number)], (), changed))
        assert bench.gate.overflowed == 4
        log = bench.finish()
        assert [line for line in log if line.startswith("journal")] == [
            f"journal {number}: 1" for number in (0, 1, 2, 3, 5)
        ]
        assert bench.gate.refused == 0


def test_what_comes_while_the_spilled_is_written_does_not_overtake_it() -> None:
    book = Session().core.book()
    with a_gate(GateSettings(queue_batches=2, stall_s=0.02)) as bench:
        bench.hold()
        bench.submit(1)
        bench.submit(2)
        bench.gate.submit(Batch(3, [fact(3)], (), book))
        bench.journal.at[3] = threading.Event()
        bench.journal.free.set()
        wait_until(lambda: "journal 2: 1" in bench.log)
        bench.gate.submit(Batch(4, [fact(4)], (), book))  # the queue is empty, and 3 is being written
        bench.journal.at[3].set()
        wait_until(lambda: "journal 4: 1" in bench.log)
        wait_until(lambda: not bench.gate._spilled)
        bench.submit(5)  # all is written: the queue is used again
        wait_until(lambda: "journal 5: 1" in bench.log)
        assert bench.gate.overflowed == 2
        assert bench.finish() == [*(f"journal {number}: 1" for number in range(6)), "closed"]


def test_the_kill_switch_sees_what_found_the_queue_full_before_it_leaves() -> None:
    log: list[str] = []
    journal = Journal(log)
    gate = Gate(
        journal,
        Broker(log),
        settings=GateSettings(queue_batches=1, stall_s=1000.0),
        on_batch=lambda batch: log.extend(f"seen {effect.id}" for effect in batch.effects),
    )
    gate.start()
    journal.free.clear()
    gate.submit(Batch(0, [fact(0)]))
    assert journal.reached.wait(PATIENCE_S)
    gate.submit(Batch(1, [fact(1)]))
    gate.submit(Batch(2, [fact(2)], (exit_of("a"), CancelOrder("b"))))
    journal.free.set()
    assert gate.stop(PATIENCE_S)
    assert log == [
        *("journal 0: 1", "seen a", "sent a", "seen b", "sent b", "journal 1: 1", "journal 2: 1", "closed"),
    ]


def test_a_session_that_could_not_be_noted_is_noted_before_anything_that_belongs_to_it() -> None:
    run = Run(1, "1", "momentum_burst", "test", True, "paper-2", {})
    failing = iter((disk_full(0), disk_full(0), None))
    with a_gate(fails=lambda number: next(failing) if number == 0 else None) as bench:
        bench.submit(7)
        bench.gate.submit(Batch(1, [fact(1)], (), None, run))
        bench.submit(2)
        bench.submit(3)
        assert bench.finish() == ["journal 7: 1", "begin paper-2", "journal 3: 1", "closed"]


def test_an_unforeseen_error_halts_the_gate_and_exits_still_go_out() -> None:
    with a_gate(fails=lambda number: ValueError("I/O operation on closed file")) as bench:
        bench.submit(1, entry("a"))
        bench.submit(2, exit_of("b"))
        assert bench.finish() == ["sent b", "closed"]
        assert bench.told.kinds == ["journal"]


def test_what_became_of_the_journal_s_file_halts_although_nothing_is_written() -> None:
    said = [""]
    troubles: list[Trouble] = []
    gate = Gate(MemoryJournal(), None, troubles.append, check_journal_file=lambda: said[0])
    gate.start()
    said[0] = "the journal was removed"
    wait_until(lambda: bool(gate.halted))
    assert gate.stop()
    assert [(trouble.kind, trouble.detail) for trouble in troubles] == [("journal", "the journal was removed")]
    assert gate.unwritten == "the journal was removed"


def test_the_journal_s_file_is_looked_at_once_more_at_the_end() -> None:
    said = [""]
    gate = Gate(MemoryJournal(), None, check_journal_file=lambda: said[0])
    gate._check_file_at = float("inf")  # it was looked at a moment ago
    gate.start()
    said[0] = "the journal was removed"
    assert gate.stop()
    assert gate.unwritten == "the journal was removed"
