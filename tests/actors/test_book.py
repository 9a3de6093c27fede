"""The book: written down at any moment and taken up again, it decides as if nothing had happened."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from actors.book import Book
from actors.brokers.simulated import ExecutionSettings
from actors.execution.policy import OrderSettings
from actors.messages import (
    NOT_OUTLIVED,
    SHUTDOWN,
    AccountOpened,
    BrokerChanged,
    Command,
    FeedState,
    OrderChanged,
    OrderSubmitted,
    PositionOpened,
    Refusal,
    StateChanged,
    TradingState,
)
from actors.orders import (
    AccountReport,
    CancelOrder,
    HeldAtVenue,
    LookUpOrder,
    OrderMissing,
    OrderReport,
    OrderSide,
    OrderStatus,
    SubmitOrder,
    SubmitUnanswered,
)
from actors.risk.risk import RiskSettings
from pipeline.strategy import StrategySettings
from tests.support.market import at, clock, quote, trade
from tests.support.sessions import RestingBroker, Session

D = Decimal
TIMED = StrategySettings(profit_target=0.01, stop_loss=0.01, time_stop_seconds=8, flat_seconds=1000)


def written(session: Session) -> Book:
    """Write the book down and read it back, as a file would."""
    return msgspec.json.decode(msgspec.json.encode(session.core.book()), type=Book)


def resumed(session: Session, **options: object) -> Session:
    """Let a new session go on from the book of another."""
    return Session(**options).feed(written(session))  # type: ignore[arg-type]


def test_a_book_that_is_taken_up_is_the_same_book() -> None:
    risk = RiskSettings(position_size=10.0)
    session = Session(risk=risk).feed(trade(0, 100, says="LONG"), trade(1, 98), trade(2, 100, says="SHORT"))
    session.feed(trade(3, 100, symbol="B", says="LONG"), trade(4, 100.5, symbol="B"))
    before = session.core.book()
    assert before.positions
    assert before.cooldown == {"A": 1}
    after = resumed(session, risk=risk).core.book()
    positions = tuple(msgspec.structs.replace(p, decision=f"paper-{p.decision}") for p in before.positions)
    assert after == msgspec.structs.replace(before, positions=positions)


def test_a_position_keeps_its_deadline() -> None:
    session = Session(strategy=TIMED).feed(trade(0, 100, says="LONG"))
    later = resumed(session, strategy=TIMED).feed(trade(5, 100), clock(7.9))
    assert later.core.positions.open
    later.feed(clock(8))
    assert later.exits == ["TIME"]
    assert later.trades[0].entry_ts == at(0)


def test_a_deadline_that_passed_meanwhile_exits_at_the_first_price_and_never_at_a_remembered_one() -> None:
    session = Session(strategy=TIMED).feed(trade(0, 100, says="LONG"))
    later = resumed(session, strategy=TIMED).feed(clock(100))
    assert later.core.positions.open  # there is no price yet
    later.feed(quote(101, 95.0, 95.1), clock(110))
    assert [(t.exit_reason, t.exit_price) for t in later.trades] == [("TIME", D("95.0"))]


def test_a_position_without_a_price_is_no_loss() -> None:
    risk = RiskSettings(position_size=50.0)  # all that was paid for B is more than may be lost in a day
    session = Session(risk=risk).feed(trade(0, 100, says="LONG"), trade(0, 50, symbol="B", says="LONG"))
    later = resumed(session, risk=risk).feed(trade(1, 100), trade(2, 100), trade(3, 100))
    assert later.states == []
    assert len(later.core.positions.open) == 2


@pytest.mark.parametrize(("price", "reason"), [(102.0, "TP"), (98.0, "SL")])
def test_a_position_is_guarded_at_its_old_entry_price(price: float, reason: str) -> None:
    session = Session().feed(trade(0, 100, says="LONG"))
    assert resumed(session).feed(trade(50, price)).exits == [reason]


def test_a_position_in_the_book_stands_in_the_way_of_another() -> None:
    session = Session().feed(trade(0, 100, says="LONG"))
    assert resumed(session).feed(trade(1, 100, says="LONG")).verdicts == [Refusal.POSITION_OPEN]


@pytest.mark.parametrize("command", ["pause", "reduce", "halt"])
def test_a_state_set_by_hand_survives(command: str) -> None:
    session = Session().feed(trade(0, 100), Command(command, at(1)))
    later = resumed(session)
    assert later.states == [session.core.risk.state]  # which is a fact of this session, too
    assert later.core.risk.state is session.core.risk.state
    assert later.core.risk.state_reason == session.core.risk.state_reason
    assert later.feed(trade(2, 100, says="LONG")).verdicts[0] is not None
    assert later.feed(Command("resume", at(3))).core.risk.state is TradingState.ACTIVE


@pytest.mark.parametrize(("name", "during"), [("flatten", "PAUSED"), ("reduce", "REDUCING")])
def test_what_a_shutdown_sets_ends_with_its_session(name: str, during: str) -> None:
    session = Session().feed(trade(0, 100), Command(name, at(1), SHUTDOWN), trade(2, 100, says="LONG"))
    assert session.states == [during]
    assert session.core.risk.state_reason == "the session ends"
    assert session.verdicts == [Refusal(during)]
    assert resumed(session).feed(trade(3, 100, says="LONG")).verdicts == [None]


def test_a_shutdown_does_not_lift_a_halt_and_leaves_a_pause_a_pause() -> None:
    for name, after in (("halt", "HALTED"), ("pause", "PAUSED")):
        session = Session().feed(trade(0, 100), Command(name, at(1)), Command("reduce", at(2), SHUTDOWN))
        assert resumed(session).core.risk.state == after


def test_the_days_losses_and_its_halt_go_on_until_the_next_day() -> None:
    risk = RiskSettings(position_size=100.0, daily_loss_limit=-0.01, cooldown_trades_after_loss=0)
    session = Session(risk=risk).feed(trade(0, 100, says="LONG"), trade(1, 98.5))
    assert session.core.risk.state is TradingState.HALTED
    later = resumed(session, risk=risk).feed(trade(10, 100, says="LONG"))
    assert later.verdicts == [Refusal.HALTED]
    assert later.summary["daily_pnl"] == session.summary["daily_pnl"]
    later.feed(trade(24 * 3600, 100, says="LONG"))
    assert later.verdicts == [Refusal.HALTED, None]


def test_what_was_lost_of_the_day_before_a_restart_counts_for_its_limit() -> None:
    risk = RiskSettings(position_size=100.0, daily_loss_limit=-0.01, cooldown_trades_after_loss=0)
    session = Session(risk=risk).feed(trade(0, 100, says="LONG"), trade(1, 99.4), Command("flatten", at(2)))
    later = resumed(session.feed(Command("resume", at(3))), risk=risk)
    later.feed(trade(4, 100, says="LONG"), trade(5, 99.7))  # 60 lost and 30 of 100
    assert later.states == []
    later.feed(trade(6, 99.5))
    assert later.states == ["HALTED"]


def test_cooldown_goes_on() -> None:
    session = Session().feed(trade(0, 100, says="LONG"), trade(1, 98), trade(2, 100, says="LONG"))
    later = resumed(session).feed(trade(3, 100, says="LONG"), trade(4, 100, says="LONG"))
    assert later.verdicts == [Refusal.COOLDOWN, None]


def test_drawdown_and_the_losing_run_go_on() -> None:
    session = Session().feed(trade(0, 100, says="LONG"), trade(1, 98))
    later = resumed(session)
    for name in ("equity", "daily_pnl", "max_drawdown", "max_drawdown_pct", "current_drawdown", "consecutive_losses"):
        assert later.summary[name] == session.summary[name]
    assert later.summary["trades"] == 0  # of this session


def test_decisions_of_an_earlier_session_have_names_of_their_own_and_keep_them() -> None:
    first = Session(book="mb-x-s1").feed(trade(0, 100, says="LONG"))
    second = resumed(first, book="mb-x-s2")
    third = resumed(second, book="mb-x-s3")
    assert [(fact.decision, fact.adopted) for fact in second.of(PositionOpened)] == [("s1-1", True)]
    assert [fact.decision for fact in third.of(PositionOpened)] == ["s1-1"]


def test_a_halt_that_is_taken_up_says_so_and_what_changes_afterwards_does_not() -> None:
    first = Session(book="mb-x-s1").feed(trade(0, 100), Command("halt", at(1)))
    second = resumed(first, book="mb-x-s2").feed(Command("resume", at(2)), Command("halt", at(3)))
    assert [fact.taken_up for fact in first.of(StateChanged)] == [False]
    assert [(fact.state, fact.taken_up) for fact in second.of(StateChanged)] == [
        (TradingState.HALTED, True),
        (TradingState.ACTIVE, False),
        (TradingState.HALTED, False),
    ]


# ------------------------------------------------------------------------------------------------- at a broker


def at_broker(*, book: str = "mb-bot-s1") -> Session:
    return Session(risk=RiskSettings(position_size=10.0), broker=RestingBroker(), orders=OrderSettings(), book=book)


def account(
    seconds: float, *positions: HeldAtVenue, orders: tuple[OrderReport, ...] = (), number: str = "PA1"
) -> AccountReport:
    money = D(100_000)
    return AccountReport(at(seconds), number, money, money, money, positions, orders)


def sent(session: Session) -> list[SubmitOrder]:
    broker = session.core.broker
    assert isinstance(broker, RestingBroker)
    return broker.of(SubmitOrder)


def test_what_was_to_be_closed_is_closed_after_a_kill() -> None:
    """Killed between the command and the broker's answer: the position, its stop and the wish are in the book."""
    session = at_broker().feed(trade(0, 100), BrokerChanged(FeedState.LIVE, at(0)), account(0))
    session.feed(trade(1, 100, says="LONG"))

    def news(of: SubmitOrder, status: OrderStatus, filled: str, seconds: float) -> OrderReport:
        average = D(100) if D(filled) else None
        return OrderReport(of.id, "A", of.side, status, D(10), D(filled), average, at(seconds), "v")

    session.feed(news(sent(session)[0], OrderStatus.FILLED, "10", 1))
    stop = sent(session)[1]
    session.feed(news(stop, OrderStatus.ACCEPTED, "0", 1), Command("flatten", at(2)))
    later = at_broker(book="mb-bot-s2").feed(written(session), news(stop, OrderStatus.CANCELED, "0", 2))
    assert sent(later) == []  # not before the account was seen; and no stop for what is to be closed
    later.feed(account(3, HeldAtVenue("A", D(10), D(100))))
    [exit_] = sent(later)  # without a price yet: what may not wait goes at market
    assert (exit_.role, exit_.quantity, exit_.limit, exit_.reason) == ("exit", D(10), None, "FLATTEN")


def test_an_entry_that_was_under_way_stands_in_the_way_of_another() -> None:
    live = BrokerChanged(FeedState.LIVE, at(0))
    session = at_broker().feed(trade(0, 100), live, account(0), trade(1, 100, says="LONG"))
    assert len(sent(session)) == 1
    later = at_broker(book="mb-bot-s2").feed(written(session), live, account(2), trade(3, 100, says="LONG"))
    assert later.verdicts == [Refusal.POSITION_OPEN]
    assert sent(later) == []


def test_orders_that_were_under_way_are_looked_up_and_their_fills_counted() -> None:
    session = at_broker().feed(trade(0, 100), BrokerChanged(FeedState.LIVE, at(0)), account(0))
    session.feed(trade(1, 100, says="LONG"))
    [entry] = sent(session)
    later = at_broker(book="mb-bot-s2").feed(written(session))
    broker = later.core.broker
    assert isinstance(broker, RestingBroker)
    assert [question.id for question in broker.of(LookUpOrder)] == [entry.id]
    assert [fact.status for fact in later.of(OrderChanged)] == [OrderStatus.UNKNOWN]
    later.feed(BrokerChanged(FeedState.LIVE, at(5)), account(5, HeldAtVenue("A", D(10), D(100))))
    assert later.core.risk.state is TradingState.ACTIVE  # the look-up is under way: no mismatch, and nothing adopted
    later.feed(OrderReport(entry.id, "A", entry.side, OrderStatus.FILLED, D(10), D(10), D(100), at(2), "v"))
    assert {s: p.quantity for s, p in later.core.positions.open.items()} == {"A": D(10)}
    # The stop names the session that decided on the position: this one's input 4 is another.
    assert [(order.role, order.id) for order in broker.of(SubmitOrder)] == [("stop", "mb-bot-s2.s1-4.A.stop.1")]


def test_an_entry_that_a_simulated_broker_had_is_told_to_have_ended_with_its_session() -> None:
    slow = ExecutionSettings(latency_ms=5_000)
    session = Session(execution=slow).feed(trade(0, 100), trade(1, 100, says="LONG"))
    (sent_,) = session.of(OrderSubmitted)
    later = resumed(session, execution=slow)
    (told,) = later.of(OrderChanged)
    assert (told.order, told.symbol, told.reason) == (sent_.order.id, "A", NOT_OUTLIVED)
    assert (told.previous, told.status, told.filled) == (OrderStatus.SUBMITTED, OrderStatus.CANCELED, D(0))
    assert told.decision == f"paper-{sent_.order.decision}"
    assert later.core.book().orders == ()
    assert resumed(later, execution=slow).of(OrderChanged) == []  # it is told once
    later.feed(trade(3, 100), trade(9, 100))
    assert later.core.positions.open == {}


def test_an_exit_that_a_simulated_broker_had_is_told_to_have_ended_and_is_sent_again() -> None:
    slow = ExecutionSettings(latency_ms=5_000)
    session = Session(execution=slow).feed(trade(0, 100), trade(1, 100, says="LONG"), trade(7, 100), trade(8, 102))
    exit_ = session.of(OrderSubmitted)[-1].order
    assert exit_.role == "exit"
    later = resumed(session, execution=slow)
    (told,) = later.of(OrderChanged)
    assert (told.order, told.status, told.reason) == (exit_.id, OrderStatus.CANCELED, NOT_OUTLIVED)
    later.feed(trade(9, 102), trade(15, 102))
    assert [(order.order.role, order.order.decision) for order in later.of(OrderSubmitted)] == [("exit", told.decision)]
    assert later.exits == ["TP"]


def test_a_position_that_is_found_closed_before_the_account_is_seen_leaves_no_wish_behind() -> None:
    session = at_broker().feed(trade(0, 100), BrokerChanged(FeedState.LIVE, at(0)), account(0))
    session.feed(trade(1, 100, says="LONG"))

    def filled(of: SubmitOrder, seconds: float) -> OrderReport:
        return OrderReport(of.id, "A", of.side, OrderStatus.FILLED, D(10), D(10), D(100), at(seconds), "v")

    session.feed(filled(sent(session)[0], 1))
    stop = sent(session)[-1]
    session.feed(OrderReport(stop.id, "A", stop.side, OrderStatus.ACCEPTED, D(10), D(0), None, at(1), "v"))
    session.feed(Command("flatten", at(2)))
    session.feed(OrderReport(stop.id, "A", stop.side, OrderStatus.CANCELED, D(10), D(0), None, at(2), "v"))
    later = at_broker(book="mb-bot-s2").feed(written(session), filled(sent(session)[-1], 3))
    assert [trade.exit_reason for trade in later.trades] == ["FLATTEN"]
    assert written(later).closing == {}


def test_what_an_entry_fills_after_a_flatten_is_closed_also_after_a_kill() -> None:
    session = at_broker().feed(trade(0, 100), BrokerChanged(FeedState.LIVE, at(0)), account(0))
    session.feed(trade(1, 100, says="LONG"), Command("flatten", at(2)))
    [entry] = sent(session)
    assert written(session).closing == {"A": "FLATTEN"}
    later = at_broker(book="mb-bot-s2").feed(written(session), account(3))
    later.feed(OrderReport(entry.id, "A", entry.side, OrderStatus.ACCEPTED, D(10), D(0), None, at(3), "v"))
    broker = later.core.broker
    assert isinstance(broker, RestingBroker)
    assert [cancel.id for cancel in broker.of(CancelOrder)] == [entry.id]  # it was to be taken back, and still is
    later.feed(OrderReport(entry.id, "A", entry.side, OrderStatus.FILLED, D(10), D(10), D(100), at(4), "v"))
    assert [(order.role, order.reason) for order in sent(later)] == [("exit", "FLATTEN")]


def test_an_order_that_was_unknown_already_is_looked_up_again() -> None:
    session = at_broker().feed(trade(0, 100), BrokerChanged(FeedState.LIVE, at(0)), account(0))
    session.feed(trade(1, 100, says="LONG"))
    [entry] = sent(session)
    session.feed(SubmitUnanswered(entry.id, at(2), "no answer"))
    later = at_broker(book="mb-bot-s2").feed(written(session))
    broker = later.core.broker
    assert isinstance(broker, RestingBroker)
    assert [question.id for question in broker.of(LookUpOrder)] == [entry.id]
    later.feed(clock(5))
    assert [question.id for question in broker.of(LookUpOrder)] == [entry.id, entry.id]
    began = 2.0  # where the later session's time goes on
    later.feed(OrderMissing(entry.id, at(began + 9.9)))
    assert later.core.orders.is_working("A")  # it may be slow: what was waited before the kill does not count
    later.feed(OrderMissing(entry.id, at(began + 10)))
    assert not later.core.orders.is_working("A")


def test_an_exit_that_left_while_the_journal_failed_is_counted_and_not_sent_again() -> None:
    session = at_broker().feed(trade(0, 100), BrokerChanged(FeedState.LIVE, at(0)), account(0))
    session.feed(trade(1, 100, says="LONG"))
    [entry] = sent(session)
    session.feed(OrderReport(entry.id, "A", entry.side, OrderStatus.FILLED, D(10), D(10), D(100), at(1), "v"))
    session.feed(clock(2))
    old = written(session)  # of which the disk was full afterwards
    unjournaled = OrderReport(
        f"mb-bot-s1.{entry.decision}.A.exit.1",
        "A",
        OrderSide.SELL,
        OrderStatus.FILLED,
        D(10),
        D(10),
        D(101),
        at(4),
        "x",
    )
    known = OrderReport(entry.id, "A", entry.side, OrderStatus.FILLED, D(10), D(10), D(100), at(1), "v")
    later = at_broker(book="mb-bot-s2").feed(old)
    money = D(100_010)
    later.feed(AccountReport(at(20), "PA1", money, money, money, (), (), (unjournaled, known)))
    assert sent(later) == []
    assert [(trade.exit_reason, trade.exit_price) for trade in later.trades] == [("FLATTEN", D(101))]
    later.feed(AccountReport(at(40), "PA1", money, money, money, (), ()))
    assert later.core.risk.state is TradingState.ACTIVE


def test_what_ran_out_meanwhile_waits_at_a_broker_too_for_a_price_to_be_sold_at() -> None:
    session = at_broker().feed(trade(0, 100), BrokerChanged(FeedState.LIVE, at(0)), account(0))
    session.feed(trade(1, 100, says="LONG"))
    [entry] = sent(session)
    session.feed(OrderReport(entry.id, "A", entry.side, OrderStatus.FILLED, D(10), D(10), D(100), at(1), "v"))
    book = msgspec.structs.replace(written(session), orders=())  # its stop was not journaled
    later = at_broker(book="mb-bot-s2").feed(book, BrokerChanged(FeedState.LIVE, at(1500)))
    later.feed(account(1500, HeldAtVenue("A", D(10), D(100))), clock(1501))
    [stop] = sent(later)
    assert (stop.role, stop.reason) == ("stop", "STOP")  # until there is one, a stop guards it
    later.feed(OrderReport(stop.id, "A", stop.side, OrderStatus.ACCEPTED, D(10), D(0), None, at(1501), "w"))
    later.feed(trade(1502, 100))
    later.feed(OrderReport(stop.id, "A", stop.side, OrderStatus.CANCELED, D(10), D(0), None, at(1502), "w"))
    leaving = sent(later)[1:]
    assert [(order.role, order.reason, order.limit) for order in leaving] == [("exit", "TIME", D("99.98"))]


@pytest.mark.parametrize(("leg", "taken_back"), [("exit", True), ("stop", False)])
def test_an_order_that_left_while_the_journal_failed_and_still_works(leg: str, taken_back: bool) -> None:
    """What is left of an exit is taken back; a stop does what stops are for."""
    session = at_broker().feed(trade(0, 100), BrokerChanged(FeedState.LIVE, at(0)), account(0))
    session.feed(trade(1, 100, says="LONG"))
    [entry] = sent(session)
    session.feed(OrderReport(entry.id, "A", entry.side, OrderStatus.FILLED, D(10), D(10), D(100), at(1), "v"))
    stop = sent(session)[-1]
    session.feed(OrderReport(stop.id, "A", stop.side, OrderStatus.CANCELED, D(10), D(0), None, at(2), "w"), clock(2))
    book = msgspec.structs.replace(written(session), orders=())  # the stop that it set anew is not in it either
    missed = f"mb-bot-s1.{entry.decision}.A.{leg}.7"
    works = OrderReport(missed, "A", OrderSide.SELL, OrderStatus.ACCEPTED, D(10), D(0), None, at(4), "x")
    later = at_broker(book="mb-bot-s2").feed(book, BrokerChanged(FeedState.LIVE, at(5)))
    later.feed(account(5, HeldAtVenue("A", D(10), D(100)), orders=(works,)))
    broker = later.core.broker
    assert isinstance(broker, RestingBroker)
    assert (missed in [cancel.id for cancel in broker.of(CancelOrder)]) is taken_back


def test_a_halt_at_the_start_closes_nothing_that_the_gate_has_closed_already() -> None:
    session = at_broker().feed(trade(0, 100), BrokerChanged(FeedState.LIVE, at(0)), account(0))
    session.feed(trade(1, 100, says="LONG"))
    [entry] = sent(session)
    session.feed(OrderReport(entry.id, "A", entry.side, OrderStatus.FILLED, D(10), D(10), D(100), at(1), "v"))
    by_gate = f"mb-bot-s1.{entry.decision}.A.gate.1"
    closed = OrderReport(by_gate, "A", OrderSide.SELL, OrderStatus.FILLED, D(10), D(10), D(101), at(4), "x")
    stop = sent(session)[-1]
    canceled = OrderReport(stop.id, "A", OrderSide.SELL, OrderStatus.CANCELED, D(10), D(0), None, at(4), "y")
    later = at_broker(book="mb-bot-s2").feed(written(session), Command("halt", at(5)), canceled)
    money = D(100_010)
    later.feed(AccountReport(at(20), "PA1", money, money, money, (), (), (closed,)))
    assert [order.role for order in sent(later)] == []
    assert [(trade.exit_reason, trade.exit_price) for trade in later.trades] == [("HALT", D(101))]
    later.feed(AccountReport(at(40), "PA1", money, money, money, (), ()))
    assert later.core.risk.state_reason == "halt"


def test_the_day_goes_on_at_the_same_account_and_another_account_halts() -> None:
    session = at_broker().feed(trade(0, 100), account(0))
    less = D(99_000)
    later = at_broker().feed(written(session), AccountReport(at(5), "PA1", less, less, less, (), ()))
    assert later.core.risk.day_start_equity == session.core.risk.day_start_equity
    assert [later.summary[name] for name in ("equity", "daily_pnl", "current_drawdown")] == [99_000, -1000, 1000]
    assert later.states == []
    other = at_broker().feed(written(session), account(5, number="PA2"))
    assert other.states == ["HALTED"]
    assert "the keys are of PA2" in other.core.risk.state_reason
    assert other.of(AccountOpened) == []


def test_an_order_that_was_accepted_as_not_ours_bars_its_symbol_and_no_other() -> None:
    """The venue would refuse what crosses it: our stop, or our exit."""
    theirs = OrderReport("x", "A", OrderSide.SELL, OrderStatus.ACCEPTED, D(3), D(0), None, at(1), "v9")
    session = at_broker().feed(trade(0, 100), account(0))
    book = msgspec.structs.replace(written(session), foreign_orders=("v9",))
    later = at_broker().feed(book, BrokerChanged(FeedState.LIVE, at(1)), account(1, orders=(theirs,)))
    later.feed(trade(2, 100, says="LONG"), trade(2, 100, symbol="B", says="LONG"))
    assert later.verdicts == [Refusal.FOREIGN_ORDER, None]
    later.feed(account(3), trade(4, 100, says="LONG"))  # it is gone
    assert later.verdicts[-1] is None
