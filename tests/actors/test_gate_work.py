"""What becomes of what waits at the gate, step by step, without its thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal

import pytest

from actors.book import Book
from actors.gateway.gate import Batch, Gate, GateSettings, HandOver, Trouble, TroubleKind
from actors.gateway.journal import Entry, Run
from actors.orders import CancelOrder, OrderCommand, OrderRole, OrderSide, SubmitOrder

RUN = Run(1, "1", "momentum_burst", "test", True, "paper-2", {})
DISK_FULL = OSError("disk full")


def entry(name: str) -> SubmitOrder:
    return SubmitOrder(name, "A", OrderSide.BUY, Decimal(1), "1", OrderRole.ENTRY)


def exit_of(name: str) -> SubmitOrder:
    return SubmitOrder(name, "A", OrderSide.SELL, Decimal(1), "1", OrderRole.EXIT, "TP")


def batch(number: int, *effects: OrderCommand, run: Run | None = None) -> Batch:
    return Batch(number, (), effects, None, run)


class Bench:
    """A gate that this test drives, and all that it does: journal, broker and whoever looks on write it down here."""

    def __init__(self, **settings: float) -> None:
        self.done: list[object] = []
        self.fails: dict[str, Exception] = {}  # by what is done
        self.wrong = ""  # with the journal's file
        self.now = 0.0
        self.waiting: deque[Batch | HandOver] = deque()
        self.gate = Gate(
            self,
            self,
            self.done.append,
            GateSettings(**settings),  # type: ignore[arg-type]
            lambda: self.now,
            on_batch=lambda batch: self._do("show", batch.number),
            on_refused=lambda order, reason: self._do("refuse", order.id, reason),
            check_journal_file=self._look,
            on_gap=lambda why: self._do("gap", why),
            waiting=self,
        )
        self.gate.idle()  # so that the file was looked at a moment ago
        self.done.clear()

    def _do(self, what: str, *about: object) -> None:
        self.done.append((what, *about))
        if what in self.fails:
            raise self.fails[what]

    def _look(self) -> str:
        self._do("look")
        return self.wrong

    # the journal

    def begin(self, run: Run) -> None:
        self._do("begin", run.name)

    def append(self, number: int, facts: Sequence[Entry], book: Book | None = None) -> None:
        self._do("write", number)

    def close(self) -> None:
        self._do("close")

    # the broker, and what waits

    def send(self, effect: OrderCommand) -> None:
        self._do("send", effect.id)

    def put(self, item: Batch | HandOver) -> None:
        self.waiting.append(item)

    def qsize(self) -> int:
        return len(self.waiting)

    def work(self, item: Batch | HandOver) -> list[object]:
        """Have the gate work on an item; return what was done."""
        self.done.clear()
        self.gate.work(item)
        return self.done.copy()

    def look(self, now: float) -> list[object]:
        """Have the gate do at a time what is to be done while nothing waits; return what was done."""
        self.now = now
        self.done.clear()
        self.gate.idle()
        return self.done.copy()


def test_a_batch_is_written_then_shown_and_then_its_effects_leave() -> None:
    bench = Bench()
    done = bench.work(batch(1, entry("a"), CancelOrder("b")))
    assert done == [("write", 1), ("show", 1), ("send", "a"), ("send", "b")]


def test_a_journal_that_fails_refuses_entries_and_lets_exits_out() -> None:
    bench = Bench()
    bench.fails["write"] = DISK_FULL
    assert bench.work(batch(1, entry("a"), exit_of("b"))) == [
        ("write", 1),
        ("gap", "disk full"),
        Trouble(TroubleKind.JOURNAL, "disk full", halts=True),
        ("show", 1),
        ("refuse", "a", "journal: disk full"),
        ("send", "b"),
    ]
    assert bench.gate.refused == 1


def test_a_session_is_begun_before_what_belongs_to_it_until_that_has_worked() -> None:
    bench = Bench()
    bench.fails["begin"] = DISK_FULL
    assert bench.work(batch(1, run=RUN))[0] == ("begin", RUN.name)
    bench.fails.clear()
    assert bench.work(batch(2)) == [("begin", RUN.name), ("write", 2), ("show", 2)]


def test_a_broker_that_fails_is_trouble_and_the_next_effect_leaves() -> None:
    bench = Bench()
    bench.fails["send"] = OSError("hung up")
    assert bench.work(batch(1, exit_of("a"), exit_of("b")))[2:] == [
        ("send", "a"),
        Trouble(TroubleKind.BROKER, "a: hung up"),
        ("send", "b"),
        Trouble(TroubleKind.BROKER, "b: hung up"),
    ]
    assert not bench.gate.halted


@pytest.mark.parametrize("what", ["send", "refuse"])
def test_one_order_that_fails_in_a_way_unforeseen_costs_no_other(what: str) -> None:
    bench = Bench()
    if what == "refuse":
        bench.gate.block_entries("enough")
    bench.fails[what] = ValueError("no")
    done = bench.work(batch(1, entry("a"), exit_of("b"), exit_of("c")))
    assert [step[1] for step in done if isinstance(step, tuple) and step[0] in ("send", "refuse")] == ["a", "b", "c"]
    assert [step for step in done if isinstance(step, Trouble)] == [
        Trouble(TroubleKind.GATE, "ValueError: no", halts=True)
    ]


def test_what_finds_no_room_halts_and_its_exits_leave_before_what_waits_is_written() -> None:
    bench, late = Bench(queue_batches=1), batch(2, entry("a"), exit_of("b"))
    bench.gate.submit(batch(1, entry("c")))
    bench.gate.submit(late)
    assert bench.done == [Trouble(TroubleKind.OVERFLOW, "more than 1 inputs wait for the journal", halts=True)]
    bench.gate.submit(late)
    assert len(bench.done) == 1
    done = bench.work(bench.waiting.popleft())
    assert [step for step in done if isinstance(step, tuple) and step[0] != "show"] == [
        ("write", 1),
        ("refuse", "c", bench.gate.halted),
        ("send", "b"),
        ("send", "b"),
        ("write", 2),
        ("write", 2),
    ]
    assert not bench.gate._spilled


def test_none_of_the_core_s_orders_leaves_until_it_hands_over_and_the_gate_s_own_do() -> None:
    bench = Bench()
    epoch = bench.gate.take_over()
    own = SubmitOrder("g", "A", OrderSide.SELL, Decimal(1), "1", OrderRole.GATE, "HALT")
    refused = "the kill switch has taken over"
    assert bench.work(batch(1, entry("a"), exit_of("b"), own, CancelOrder("c")))[2:] == [
        ("refuse", "a", refused),
        ("refuse", "b", refused),
        ("send", "g"),
        ("send", "c"),
    ]
    assert bench.work(HandOver(epoch - 1)) == []
    assert bench.gate.taken_over  # that was an earlier turn
    bench.work(HandOver(epoch))
    assert ("send", "a") in bench.work(batch(2, entry("a")))


def test_entries_that_are_blocked_are_refused_and_exits_are_not() -> None:
    bench = Bench()
    bench.gate.block_entries("enough")
    assert bench.work(batch(1, entry("a"), exit_of("b")))[2:] == [("refuse", "a", "enough"), ("send", "b")]


def test_the_journal_s_file_is_looked_at_every_second_and_what_is_wrong_with_it_halts() -> None:
    bench = Bench()
    assert bench.look(5.0) == [("look",)]
    assert bench.look(5.9) == []
    bench.wrong = "it is gone"
    assert bench.look(6.0) == [("look",), ("gap", "it is gone"), Trouble(TroubleKind.JOURNAL, "it is gone", halts=True)]
    assert bench.look(9.0) == []  # there is nothing more to find


def test_a_loop_that_is_silent_is_reported_once_and_its_return_too() -> None:
    bench = Bench(stall_s=2.0)
    bench.gate.unwritten = "known"
    told = []
    for silent_s in (2.0, 2.5, 9.0, 2.0, 0.0):
        bench.gate.beat()
        done = bench.look(bench.now + silent_s)
        told.append([trouble.kind for trouble in done if isinstance(trouble, Trouble)])
    assert told == [[], ["stall"], [], ["recovered"], []]
