"""A broker outside of the core: orders leave through the gate, and fills come back as inputs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

import pytest
from hypothesis import given, settings, strategies as st

from actors.actor import UnknownMessage
from actors.book import Book
from actors.brokers.outbox import Outbox
from actors.engine.core import Input
from actors.gateway.gate import Batch, Gate, GateSettings
from actors.gateway.journal import Entry, Run
from actors.messages import Command, ExitReason, OrderFilled, PositionClosed, PositionOpened, Refusal
from actors.orders import CancelOrder, Execution, OrderCommand, OrderRejected, OrderRole, OrderSide, SubmitOrder
from actors.risk.risk import RiskSettings
from pipeline.strategy import StrategySettings
from tests.support.live import PATIENCE_S
from tests.support.market import at, clock, trade
from tests.support.sessions import Session

ORDER = SubmitOrder("1", "A", OrderSide.BUY, Decimal(1), "1", OrderRole.ENTRY)
TIGHT = StrategySettings(profit_target=0.01, stop_loss=0.01, time_stop_seconds=8, flat_seconds=1000)


def test_what_is_collected_is_taken_once_and_in_order() -> None:
    outbox = Outbox()
    outbox.receive(ORDER)
    outbox.receive(CancelOrder("1"))
    assert outbox.take() == [ORDER, CancelOrder("1")]
    assert outbox.take() == []


def test_a_message_that_is_no_order_stops_the_core() -> None:
    with pytest.raises(UnknownMessage, match="Outbox"):
        Outbox().receive("hello")


class Journal:
    """Remembers what was appended, and waits while it is held."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.free = threading.Event()
        self.free.set()

    def begin(self, run: Run) -> None:
        """No run begins here."""

    def append(self, number: int, facts: Sequence[Entry], book: Book | None = None) -> None:
        assert self.free.wait(PATIENCE_S)
        self.numbers.append(number)

    def close(self) -> None:
        """Nothing to let go of."""


class Broker:
    """Remembers each effect, and what was durable when it came."""

    def __init__(self, journal: Journal) -> None:
        self.sent: list[OrderCommand] = []
        self.durable: list[int] = []
        self._journal = journal
        self._news = threading.Condition()

    def send(self, effect: OrderCommand) -> None:
        with self._news:
            self.sent.append(effect)
            self.durable.append(self._journal.numbers[-1] if self._journal.numbers else 0)
            self._news.notify_all()

    def wait_for(self, count: int) -> list[OrderCommand]:
        """Wait until so many effects came."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.sent) >= count, PATIENCE_S)
            return self.sent

    def order(self, place: int) -> SubmitOrder:
        order = self.wait_for(place + 1)[place]
        assert isinstance(order, SubmitOrder)
        return order


class Bot:
    """A core whose broker is outside: a gate, and a test on its other side."""

    def __init__(self, shares: float = 10.0) -> None:
        self.outbox = Outbox()
        self.session = Session(strategy=TIGHT, broker=self.outbox, risk=RiskSettings(position_size=shares))
        self.journal = Journal()
        self.broker = Broker(self.journal)
        self.gate = Gate(self.journal, self.broker, settings=GateSettings(stall_s=1000.0))
        self._passed = 0

    def feed(self, *events: Input) -> None:
        """Feed inputs one by one, and hand over what each led to."""
        for event in events:
            self.session.feed(event)
            facts, self._passed = self.session.facts[self._passed :], len(self.session.facts)
            self.gate.submit(Batch(self.session.core.input, facts, self.outbox.take()))

    def fill(self, order: SubmitOrder, quantity: float, price: float, seconds: float, part: int = 1) -> Execution:
        """Report a fill of an order, as an input."""
        amounts = Decimal(str(quantity)), Decimal(str(price))
        execution = Execution(f"{order.id}/{part}", order.id, order.symbol, order.side, *amounts, at(seconds))
        self.feed(execution)
        return execution

    @property
    def held(self) -> Decimal:
        position = self.session.core.positions.open.get("A")
        return position.quantity if position else Decimal(0)


@contextmanager
def a_bot(shares: float = 10.0) -> Iterator[Bot]:
    bot = Bot(shares)
    bot.gate.start()
    try:
        yield bot
    finally:
        bot.journal.free.set()
        assert bot.gate.stop(PATIENCE_S)


def test_an_order_leaves_only_after_the_journal_holds_the_input_that_led_to_it() -> None:
    with a_bot() as bot:
        bot.journal.free.clear()
        bot.feed(trade(0), trade(1, says="LONG"))
        assert bot.broker.sent == []
        bot.journal.free.set()
        assert bot.broker.order(0).role == "entry"
        assert bot.broker.durable == [2]


def test_an_order_that_left_is_no_position_until_it_is_filled() -> None:
    with a_bot() as bot:
        bot.feed(trade(0, says="LONG"))
        order = bot.broker.order(0)
        assert (order.symbol, order.side, order.quantity) == ("A", OrderSide.BUY, Decimal(10))
        assert bot.held == 0
        bot.feed(trade(1, says="LONG"))
        assert bot.session.verdicts == [None, Refusal.POSITION_OPEN]
        bot.fill(order, 10, 100.5, 2)
        assert bot.held == 10
        (opened,) = bot.session.of(PositionOpened)
        assert (opened.entry_price, opened.entry_ts) == (Decimal("100.5"), at(2))


def test_a_whole_trade_in_parts_is_booked_to_the_last_digit() -> None:
    with a_bot() as bot:
        bot.feed(trade(0, says="LONG"))
        entry = bot.broker.order(0)
        bot.fill(entry, 4, 100.0, 1, part=1)
        bot.fill(entry, 6, 100.1, 1.5, part=2)
        assert bot.held == 10
        bot.feed(trade(2, 102.0))  # beyond the profit target
        leaving = bot.broker.order(1)
        assert (leaving.role, leaving.side, leaving.quantity, leaving.reason) == (
            "exit",
            OrderSide.SELL,
            Decimal(10),
            "TP",
        )
        bot.fill(leaving, 3, 102.0, 3, part=1)
        assert bot.held == 7
        assert not bot.session.trades
        bot.fill(leaving, 7, 101.9, 4, part=2)
        (closed,) = bot.session.trades
        assert closed.quantity == 10
        assert closed.entry_price == Decimal("100.06")
        assert closed.exit_price == Decimal("101.93")
        assert closed.pnl == Decimal("18.70")
        assert (closed.exit_reason, closed.exit_ts) == (ExitReason.TP, at(4))
        assert bot.held == 0


def test_a_position_has_one_exit_order_at_a_time() -> None:
    with a_bot() as bot:
        bot.feed(trade(0, says="LONG"))
        bot.fill(bot.broker.order(0), 10, 100, 1)
        bot.feed(trade(2, 102.0), trade(3, 103.0), trade(4, 97.0), clock(60), Command("flatten", at(61)))
        exits = [e for e in bot.broker.wait_for(2) if isinstance(e, SubmitOrder) and e.role == "exit"]
        assert len(exits) == 1


def test_a_fill_that_is_reported_twice_counts_once() -> None:
    with a_bot() as bot:
        bot.feed(trade(0, says="LONG"))
        execution = bot.fill(bot.broker.order(0), 10, 100, 1)
        bot.feed(execution, execution)
        assert bot.held == 10
        assert len(bot.session.of(OrderFilled)) == 1


def test_a_rejected_entry_leaves_the_way_free_for_the_next_signal() -> None:
    with a_bot() as bot:
        bot.feed(trade(0, says="LONG"))
        bot.feed(OrderRejected(bot.broker.order(0).id, "A", at(1), "no funds"), trade(2, says="LONG"))
        assert bot.session.verdicts == [None, None]
        first, second = bot.broker.order(0), bot.broker.order(1)
        assert first.id != second.id


def test_a_rejected_exit_is_tried_again_under_an_id_of_its_own() -> None:
    with a_bot() as bot:
        bot.feed(trade(0, says="LONG"))
        bot.fill(bot.broker.order(0), 10, 100, 1)
        bot.feed(trade(2, 102.0))
        first = bot.broker.order(1)
        bot.feed(OrderRejected(first.id, "A", at(3), "halted"), Command("flatten", at(4)))
        second = bot.broker.order(2)
        assert (second.role, second.quantity) == ("exit", Decimal(10))
        assert second.id != first.id


def test_reducing_cancels_a_working_entry_and_leaves_a_working_exit_alone() -> None:
    with a_bot() as bot:
        bot.feed(trade(0, says="LONG"), trade(0, says="LONG", symbol="B"))
        entry, other = bot.broker.order(0), bot.broker.order(1)
        bot.fill(entry, 10, 100, 1)
        bot.feed(trade(2, 102.0), Command("reduce", at(3)))
        sent = bot.broker.wait_for(4)
        assert sent[3] == CancelOrder(other.id)
        assert [effect for effect in sent if isinstance(effect, CancelOrder)] == [CancelOrder(other.id)]


def test_a_halt_cancels_what_works_and_closes_what_is_open() -> None:
    with a_bot() as bot:
        bot.feed(trade(0, says="LONG"), trade(0, says="LONG", symbol="B"))
        bot.fill(bot.broker.order(0), 10, 100, 1)
        other = bot.broker.order(1)
        bot.feed(Command("halt", at(2)))
        sent = bot.broker.wait_for(4)
        assert sent[2] == CancelOrder(other.id)
        leaving = sent[3]
        assert isinstance(leaving, SubmitOrder)
        assert (leaving.role, leaving.reason) == ("exit", "HALT")


def test_order_ids_are_made_of_their_cause() -> None:
    def ids() -> list[str]:
        with a_bot() as bot:
            bot.feed(trade(0), trade(1, says="SHORT"))
            bot.fill(bot.broker.order(0), 10, 100, 1)
            bot.feed(trade(2, 98.0))
            return [effect.id for effect in bot.broker.wait_for(2)]

    assert ids() == ids()
    assert len(set(ids())) == 2


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=5),
    st.lists(st.integers(1, 5), min_size=1, max_size=5),
    st.sampled_from(["LONG", "SHORT"]),
)
def test_however_an_order_is_filled_the_position_is_the_sum_of_its_parts(
    entries: list[int], exits: list[int], side: str
) -> None:
    shares = sum(entries)
    exits = _cut_to(exits, shares)
    outbox = Outbox()
    session = Session(strategy=TIGHT, broker=outbox, risk=RiskSettings(position_size=float(shares)))
    session.feed(trade(0, says=side))
    filled = 0
    for leg, parts in (("entry", entries), ("exit", exits)):
        (order,) = outbox.take()
        assert isinstance(order, SubmitOrder)
        assert (order.role, order.quantity) == (leg, Decimal(shares))
        for number, part in enumerate(parts):
            price = Decimal(100 + number)
            execution = Execution(f"{order.id}/{number}", order.id, "A", order.side, Decimal(part), price, at(1))
            session.feed(execution)
            filled += part if leg == "entry" else -part
            position = session.core.positions.open.get("A")
            assert (position.quantity if position else 0) == filled
        session.feed(Command("flatten", at(2)))
    assert len(session.trades) == 1
    assert not session.core.orders.working


def _cut_to(parts: list[int], total: int) -> list[int]:
    """Change the last parts so that they come to `total`."""
    cut: list[int] = []
    for part in parts:
        if sum(cut) < total:
            cut.append(min(part, total - sum(cut)))
    return cut if sum(cut) == total else [*cut, total - sum(cut)]


def test_closed_trades_are_facts_of_the_input_that_filled_them() -> None:
    with a_bot() as bot:
        bot.feed(trade(0, says="LONG"))
        bot.fill(bot.broker.order(0), 10, 100, 1)
        bot.feed(trade(2, 102.0))
        bot.fill(bot.broker.order(1), 10, 102, 3)
        (closed,) = bot.session.of(PositionClosed)
        assert closed.input == bot.session.core.input == 6  # the clock moved before each fill
