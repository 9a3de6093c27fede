"""The kill switch: halts and closes out at the gate, whatever the strategy and the core are doing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, wait
from typing import NamedTuple, Protocol

from actors.gateway.close_out import CloseOut
from actors.gateway.gate import Batch, Gate, GateSettings
from actors.gateway.shadow_ledger import ShadowLedger
from actors.messages import Command, ExitReason, GateActed, GateOrder, Report, StateChanged, TradingState
from actors.orders import CancelOrder, OrderReport, SubmitOrder, rejection

HALT, FLATTEN = "halt", "flatten"
_STEPS = 20  # in which an answer is waited for
_STEP_S = 0.05  # real seconds between two looks at what there is to do
_FLIGHT_S = 2.0  # real seconds that an acknowledgement waits for the fate of entries that had left
_REPORT_S = 8.0  # real seconds after which it tells how far the gate has come


class Loop(Protocol):
    """The way to the core: what is put there is taken in order, once the loop is alive."""

    def tell(self, inputs: Sequence[OrderReport | GateOrder]) -> None:
        """Feed inputs to the core."""

    def give(self, command: Command) -> Future[str]:
        """Give the core a command; the result says what it did."""

    def call(self, function: Callable[[], None]) -> Future[str]:
        """Call a function on the loop, after everything that was put there before."""


class GuardedBroker(Protocol):
    """What the kill switch needs of a broker beyond what the gate sends it."""

    def block_entries(self, *, blocked: bool) -> None: ...

    def read_account(self) -> None: ...


class Answer(NamedTuple):
    """What a pull of the switch did: whether it will survive a restart, and in words."""

    durable: bool
    sentence: str


class _TakenOver(NamedTuple):
    """What is under way while the core decides nothing."""

    epoch: int
    close_out: CloseOut
    alive: Future[str]  # is done once the loop lives again


class KillSwitch:
    """Serves `halt` and `flatten` from whatever thread asks.

    `pull` blocks entries at the gate and at the broker, writes down that it was pulled (`keep`, which returns why that
    failed), and gives the core the command. A core that takes it within `answer_s` cancels and closes as ever. Over
    one that does not, or that gets stuck before it has finished, the gate takes over: its own thread cancels and
    closes, and feeds what it did to the core. With the first sign of life it hands over again, behind all of that, so
    that nothing is done twice. Without a broker behind the gate the positions are in the core, and wait for it.
    """

    def __init__(
        self,
        loop: Loop,
        make_gate: Callable[[KillSwitch], Gate],
        broker: GuardedBroker | None,
        book: str,
        keep: Callable[[str, str], str],
        now: Callable[[], int],
        say: Callable[[str, str], None],
        show: Callable[[GateActed | StateChanged], None],
        running_s: Callable[[], float],
        settings: GateSettings,
    ) -> None:
        self.pulled = ""  # halt or flatten, until it is lifted
        self._loop = loop
        self._broker = broker
        self._book = book
        self._keep = keep
        self._now = now
        self._say = say  # takes an event's name and a sentence
        self._show = show  # takes what was done, and a state of which the core cannot tell
        self._running_s = running_s  # seconds in which this process ran: a stopped one is not stuck
        self._settings = settings
        self._ledger = ShadowLedger()
        self._attempts: dict[str, int] = {}
        self._switching = threading.Lock()  # so that all or nothing of it is blocked
        self._news = threading.Condition()  # guards the ledger and what follows
        self._taken_over: _TakenOver | None = None  # while the gate has
        self._ask_at = 0.0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="kill switch", daemon=True)
        self.gate = make_gate(self)  # it is told to `see` and to `refuse` here

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._news:
            self._stopping = True
            self._news.notify_all()
        self._thread.join(1.0)

    # ------------------------------------------------------------------------------------- what it hears

    def see(self, batch: Batch) -> None:
        """Look at what is on its way out, on the gate's thread."""
        with self._news:
            self._ledger.fold_batch(batch.number, batch.facts, batch.book)
            for effect in batch.effects:
                if isinstance(effect, SubmitOrder):
                    self._ledger.add_order(effect)

    def hear(self, reports: Sequence[Report]) -> None:
        """Hear the broker, on its thread."""
        with self._news:
            for report in reports:
                self._ledger.fold_report(report)
            self._news.notify_all()

    def refuse(self, order: SubmitOrder, reason: str) -> None:
        """Answer an order that the gate did not let out, on its thread."""
        report = rejection(order, self._now(), f"the gate: {reason}")
        self.hear([report])
        self._loop.tell([report])

    # --------------------------------------------------------------------------------------- the switch

    def block_entries(self, name: str, reason: str | None) -> None:
        """Block entries from here on."""
        with self._switching:
            self.pulled = name
            self.gate.block_entries(reason)
            if self._broker is not None:
                self._broker.block_entries(blocked=bool(name))

    def lift(self) -> None:
        """Allow entries again."""
        self.block_entries("", None)

    def pull(self, name: str, reason: str, source: str) -> Answer:
        """Halt, or flatten, and return once no entry can leave any more, it is written down, and acted on."""
        lost, taken = self._begin(name, reason, source)
        flying = self._await_flight()
        said = ["no entry leaves any more"]
        if lost:
            said.append(f"NOT written down ({lost}): it will not survive a restart")
        if flying:
            said.append(f"{flying} left before and is not answered yet: it will be taken back")
        try:
            said.append(self._answer_to(taken))
        except TimeoutError:
            state = TradingState.HALTED if self.pulled == HALT else TradingState.PAUSED
            self._show(StateChanged(state, TradingState.ACTIVE, reason, self._now(), self._ledger.number))
            said.append(self._act(name))
        except (CancelledError, RuntimeError):
            said.append("the bot is stopping")
        return Answer(not lost, "; ".join(said))

    def _answer_to(self, taken: Future[str]) -> str:
        """Wait for the answer, in steps: a stop of this process uses up no more than one. Raises TimeoutError."""
        for _ in range(_STEPS):
            wait([taken], self._settings.answer_s / _STEPS)
        return taken.result(0)

    def _begin(self, name: str, reason: str, source: str) -> tuple[str, Future[str]]:
        """Block entries, write it down, and give the core the command; return why it is not written, and its answer."""
        if not (self.pulled == HALT and name == FLATTEN):
            self.block_entries(name, reason)
        lost = self._keep(name, reason)
        self._journal(GateActed(name, f"{reason} ({source})", self._now(), self._ledger.number))
        # It is of now, whenever the core takes it: a book that is written then does not know what the gate did.
        return lost, self._loop.give(Command(name, self._now(), source, reason))

    def _await_flight(self) -> str:
        """Wait for the fate of entries that had left; return one that is still not known."""
        with self._news:
            self._news.wait_for(lambda: not self._ledger.entries_in_flight(), _FLIGHT_S)
            return next(iter(self._ledger.entries_in_flight()), "")

    def _act(self, name: str) -> str:
        """Do by itself what the stuck core does not; return what was done, or how far that is."""
        if self._broker is None:
            return (
                "the loop is stuck, and simulated positions are in it: "
                "they are closed when it goes on, or at the next start"
            )
        with self._news:
            self._take_over(name)
            self._news.wait_for(lambda: self._taken_over is None or self._taken_over.close_out.is_done, _REPORT_S)
            if self._taken_over is None:
                return "the loop goes on, and the core closes what is left"
            return _described(self._taken_over.close_out)

    # ------------------------------------------------------------------------------ the kill switch's thread

    def _take_over(self, name: str) -> None:
        if self._taken_over is None:
            epoch, alive = self.gate.take_over(), self._loop.call(lambda: None)
            reason = ExitReason.FLATTEN if name == FLATTEN else ExitReason.HALT
            close_out = CloseOut(self._ledger, self._ledger.book or self._book, reason, self._attempts)
            self._taken_over = _TakenOver(epoch, close_out, alive)
            self._say("gate.took_over", "the loop is stuck: the gate takes orders back and closes positions by itself")
        self._news.notify_all()

    def _run(self) -> None:
        with self._news:
            while not self._stopping:
                try:
                    self._look()
                except Exception as error:  # of any kind: a kill switch that dies silently is worse
                    self._say("gate.fault", f"the kill switch failed: {type(error).__name__}: {error}")
                busy = self._taken_over is not None or self._is_open()
                self._news.wait(_STEP_S if busy else self._settings.stall_s / 4)

    def _is_open(self) -> bool:
        """Whether there is something to close at the broker that a core which gets stuck would leave open."""
        pulled = self._broker is not None and self.pulled
        return bool(pulled and (self._ledger.positions() or self._ledger.working()))

    def _look(self) -> None:
        taken_over = self._taken_over
        if taken_over is None:
            if self._is_open() and self.gate.silent_s > self._settings.answer_s:
                self._take_over(self.pulled)
            return
        if taken_over.alive.done():
            self._hand_over(taken_over.epoch)
            return
        effects = taken_over.close_out.step(self._running_s())
        for effect in effects:
            if isinstance(effect, SubmitOrder):
                self._ledger.add_order(effect)
                self._loop.tell([GateOrder(effect, self._now())])
                self._journal(GateActed("close", effect.reason, self._now(), self._ledger.number, effect.id, effect))
            elif isinstance(effect, CancelOrder):
                self._journal(GateActed("cancel", "", self._now(), self._ledger.number, effect.id))
        if effects:
            self.gate.submit(Batch(self._ledger.number, (), effects))
        elif self._broker is not None and taken_over.close_out.wants_account and self._running_s() >= self._ask_at:
            self._ask_at = self._running_s() + 10 * _STEP_S
            self._broker.read_account()
        self._news.notify_all()

    def _hand_over(self, epoch: int) -> None:
        """Hand the decisions back to the core, once it has heard of everything that was done here."""
        self._taken_over = None
        self._loop.call(lambda: self.gate.hand_over(epoch))
        self._say("gate.handed_over", "the loop goes on: the core decides again")
        self._news.notify_all()

    def _journal(self, fact: GateActed) -> None:
        self.gate.submit(Batch(self._ledger.number, (fact,)))
        self._show(fact)


def _described(close_out: CloseOut) -> str:
    """Say what was done, and whether that is all."""
    closed = ", ".join(f"{shares:f} {symbol}" for symbol, shares in sorted(close_out.closed.items())) or "nothing"
    what = "has" if close_out.is_done else "is still at it: it has"
    did = f"the loop is stuck, and the gate {what} taken back {len(close_out.canceled)} orders and closed {closed}"
    return "; ".join((did, *close_out.differs.values()))
