"""The kill switch: when the gate acts by itself, when it leaves it to the core, and what it acknowledges."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from actors.gateway.gate import Batch, Gate, GateSettings
from actors.gateway.journal import MemoryJournal
from actors.gateway.kill_switch import KillSwitch
from actors.messages import Command, GateActed, GateOrder, StateChanged, TradingState
from actors.orders import CancelOrder, OrderCommand, OrderReport, OrderRole, OrderSide, OrderStatus, SubmitOrder
from tests.actors.test_close_out import BOOK, STOP, account, book, report
from tests.support.live import wait_until

D = Decimal
QUICK = GateSettings(answer_s=0.05)
PATIENT = GateSettings(answer_s=60)


def entry(number: int) -> SubmitOrder:
    return SubmitOrder(f"{BOOK}.{number}.A.entry.1", "A", OrderSide.BUY, D(3), f"{number}", OrderRole.ENTRY)


def exit_of(number: int) -> SubmitOrder:
    return SubmitOrder(f"{BOOK}.{number}.A.exit.1", "A", OrderSide.SELL, D(3), f"{number}", OrderRole.EXIT, "TP")


class Loop:
    """The bot's loop: what is put there is done when the test lets it run."""

    def __init__(self) -> None:
        self.inputs: list[object] = []
        self.alive = False
        self._waiting: list[Callable[[], None]] = []

    def tell(self, inputs: Sequence[OrderReport | GateOrder]) -> None:
        self._put(lambda: self.inputs.extend(inputs))

    def give(self, command: Command) -> Future[str]:
        return self.call(lambda: self.inputs.append(command), "taken")

    def call(self, function: Callable[[], None], answer: str = "") -> Future[str]:
        future: Future[str] = Future()

        def run() -> None:
            function()
            future.set_result(answer)

        self._put(run)
        return future

    def _put(self, work: Callable[[], None]) -> None:
        if self.alive:
            work()
        else:
            self._waiting.append(work)

    def run(self) -> None:
        self.alive = True
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            work()


class Broker:
    """A broker whose venue takes everything; what becomes of it, the test tells."""

    def __init__(self) -> None:
        self.sent: list[OrderCommand] = []
        self.entries_blocked = False
        self.asked = threading.Event()

    def send(self, effect: OrderCommand) -> None:
        self.sent.append(effect)

    def block_entries(self, *, blocked: bool) -> None:
        self.entries_blocked = blocked

    def read_account(self) -> None:
        self.asked.set()


class Bench:
    """A gate and its kill switch."""

    def __init__(self, settings: GateSettings, *, broker: bool = True, lost: str = "") -> None:
        self.loop = Loop()
        self.broker = Broker()
        self.journal = MemoryJournal()
        self.kept: list[tuple[str, str]] = []
        self.now = 0.0
        self.shown: list[object] = []
        away = self.broker if broker else None

        def keep(name: str, reason: str) -> str:
            self.kept.append((name, reason))
            return lost

        def gate(switch: KillSwitch) -> Gate:
            return Gate(self.journal, away, settings=settings, on_batch=switch.see, on_refused=switch.refuse)

        self.switch = KillSwitch(
            self.loop, gate, away, BOOK, keep, lambda: 7, lambda *_: None, self.shown.append, lambda: self.now, settings
        )
        self.gate = self.switch.gate

    def let_out(self, number: int, *effects: OrderCommand) -> None:
        """Submit what the core decided, and wait until it went through the gate."""
        self.gate.submit(Batch(number, (), effects))
        self.settle()

    def settle(self) -> None:
        done = GateActed("settled", "", 0, 0)
        self.gate.submit(Batch(0, (done,)))
        wait_until(lambda: any(done in facts for _, facts in list(self.journal.entries)))
        self.journal.entries.clear()

    def sent(self, kind: type[Any] = SubmitOrder) -> list[str]:
        return [effect.id for effect in list(self.broker.sent) if isinstance(effect, kind)]


@contextmanager
def a_switch(settings: GateSettings = QUICK, *, broker: bool = True, lost: str = "") -> Iterator[Bench]:
    bench = Bench(settings, broker=broker, lost=lost)
    bench.gate.start()
    bench.switch.start()
    try:
        yield bench
    finally:
        bench.switch.stop()
        assert bench.gate.stop()


def test_the_command_is_of_the_time_at_which_the_switch_was_pulled_whenever_the_core_takes_it() -> None:
    with a_switch() as bench:
        bench.switch.pull("halt", "enough", "terminal")
        bench.switch._now = lambda: 9_000
        bench.loop.run()
        assert [command.ts for command in bench.loop.inputs if isinstance(command, Command)] == [7]


def test_once_it_is_acknowledged_no_entry_leaves_and_the_core_hears_of_each_that_did_not() -> None:
    with a_switch(PATIENT) as bench:
        bench.loop.alive = True
        answer = bench.switch.pull("halt", "enough", "terminal")
        assert answer.durable
        assert [type(fact).__name__ for fact in bench.shown] == ["GateActed"]  # the core tells of the state itself
        assert "taken" in answer.sentence
        assert bench.kept == [("halt", "enough")]
        assert bench.broker.entries_blocked
        bench.let_out(1, entry(1), exit_of(2), CancelOrder("x"))
        assert bench.sent() == [exit_of(2).id]
        assert bench.sent(CancelOrder) == ["x"]
        [command, refused] = bench.loop.inputs
        assert command == Command("halt", 7, "terminal", "enough")
        assert isinstance(refused, OrderReport)
        assert (refused.order, refused.status) == (entry(1).id, OrderStatus.REJECTED)


def test_lifted_it_lets_entries_out_again() -> None:
    with a_switch(PATIENT) as bench:
        bench.loop.alive = True
        bench.switch.pull("halt", "enough", "terminal")
        bench.switch.lift()
        bench.let_out(1, entry(1))
        assert bench.sent() == [entry(1).id]
        assert not bench.broker.entries_blocked


def test_a_core_that_takes_the_command_is_left_to_do_it() -> None:
    with a_switch(PATIENT) as bench:
        bench.loop.alive = True
        bench.gate.submit(Batch(1, (), (), book((STOP, 0))))
        bench.settle()
        bench.gate.beat()
        bench.switch.pull("halt", "enough", "terminal")
        bench.let_out(2, exit_of(1))
        assert bench.sent() == [exit_of(1).id]
        assert bench.sent(CancelOrder) == []


def test_over_a_stuck_core_the_gate_takes_over_and_hands_over_behind_all_that_it_did() -> None:
    with a_switch() as bench:
        bench.gate.submit(Batch(1, (), (), book((STOP, 0))))
        bench.settle()
        pulling = threading.Thread(target=bench.switch.pull, args=("halt", "enough", "terminal"))
        pulling.start()
        wait_until(lambda: bench.sent(CancelOrder) == [STOP.id])
        bench.let_out(2, exit_of(1))  # decided before the core was stuck, or by one that knows nothing of this
        assert bench.sent() == []
        bench.switch.hear([report(STOP, OrderStatus.CANCELED)])
        bench.broker.asked.clear()
        assert bench.broker.asked.wait(20)
        bench.switch.hear([account(3)])
        wait_until(lambda: bench.sent() == [f"{BOOK}.1.A.gate.1"])
        [order] = [effect for effect in bench.broker.sent if isinstance(effect, SubmitOrder)]
        bench.switch.hear([report(order, OrderStatus.FILLED, 3)])
        pulling.join(20)
        assert not pulling.is_alive()
        bench.loop.run()
        wait_until(lambda: not bench.gate.taken_over)
        kinds = [type(event).__name__ for event in bench.loop.inputs]
        assert kinds == ["Command", "OrderReport", "GateOrder"]
        bench.let_out(3, exit_of(3))
        assert bench.sent() == [order.id, exit_of(3).id]


def test_a_core_that_gets_stuck_after_it_took_the_command_is_taken_over_too() -> None:
    with a_switch(GateSettings(answer_s=0.05, stall_s=0.05)) as bench:
        bench.gate.submit(Batch(1, (), (), book((STOP, 0))))
        bench.settle()
        bench.gate.beat()
        bench.loop.alive = True
        assert "taken" in bench.switch.pull("halt", "enough", "terminal").sentence
        bench.loop.alive = False
        wait_until(lambda: bench.sent(CancelOrder) == [STOP.id])


def test_an_older_hand_over_ends_no_newer_take_over() -> None:
    with a_switch() as bench:
        first = bench.gate.take_over()
        second = bench.gate.take_over()
        bench.gate.hand_over(first)
        bench.let_out(1, exit_of(1))
        assert bench.sent() == []
        bench.gate.hand_over(second)
        bench.let_out(2, exit_of(2))
        assert bench.sent() == [exit_of(2).id]


def test_the_acknowledgement_waits_for_the_fate_of_an_entry_that_had_left() -> None:
    with a_switch(PATIENT) as bench:
        bench.loop.alive = True
        bench.let_out(1, entry(1))
        answers: list[str] = []
        pulling = threading.Thread(
            target=lambda: answers.append(bench.switch.pull("halt", "enough", "terminal").sentence)
        )
        pulling.start()
        wait_until(lambda: bool(bench.loop.inputs))
        assert answers == []
        bench.switch.hear([report(entry(1), OrderStatus.ACCEPTED)])
        pulling.join(20)
        assert "left before" not in answers[0]


def test_what_could_not_be_written_down_is_acknowledged_as_such() -> None:
    with a_switch(PATIENT, lost="data/HALT: No space left on device") as bench:
        bench.loop.alive = True
        answer = bench.switch.pull("halt", "enough", "terminal")
        assert not answer.durable
        assert "NOT written down (data/HALT: No space left on device)" in answer.sentence
        bench.let_out(1, entry(1))
        assert bench.sent() == []


def test_without_a_broker_a_stuck_loop_is_waited_for_and_that_is_said() -> None:
    with a_switch(broker=False) as bench:
        answer = bench.switch.pull("halt", "enough", "terminal")
        assert "closed when it goes on, or at the next start" in answer.sentence
        assert not bench.gate.taken_over
        state = bench.shown[-1]
        assert isinstance(state, StateChanged)
        assert (state.state, state.reason) == (TradingState.HALTED, "enough")


def test_a_flatten_does_not_weaken_a_halt() -> None:
    with a_switch(PATIENT) as bench:
        bench.loop.alive = True
        bench.switch.pull("halt", "enough", "terminal")
        bench.switch.pull("flatten", "all", "terminal")
        assert bench.switch.pulled == "halt"
        assert bench.gate.entries_blocked == "enough"
