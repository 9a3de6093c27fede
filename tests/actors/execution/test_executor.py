"""executor: orders with ids of their own, one exit at a time, and positions guarded for as long as they are open."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from actors.actor import UnknownMessage
from actors.execution import decisions, order_cache
from actors.messages import Command, ExitDecided, OrderFilled, OrderSubmitted, PositionClosed, PositionOpened, Refusal
from actors.orders import CancelOrder, Execution, OrderRejected, OrderReport, OrderSide, OrderStatus, SubmitOrder
from actors.portfolio.positions import Positions
from actors.risk.risk import RiskSettings
from pipeline.strategy import StrategySettings
from tests.support.market import at, clock, trade
from tests.support.sessions import PATIENT, RestingBroker, Session

BUY, SELL = OrderSide.BUY, OrderSide.SELL
TEN = RiskSettings(position_size=10.0, cooldown_trades_after_loss=0)


class Desk:
    """A session whose orders rest until the test reports on them."""

    def __init__(self, strategy: StrategySettings = PATIENT, risk: RiskSettings = TEN) -> None:
        self.broker = RestingBroker()
        self.session = Session(strategy=strategy, risk=risk, broker=self.broker)
        self._executions = 0

    @property
    def orders(self) -> list[SubmitOrder]:
        return self.broker.of(SubmitOrder)

    @property
    def last(self) -> SubmitOrder:
        return self.orders[-1]

    def enter(self, seconds: float, symbol: str = "A", side: str = "LONG", price: float = 100) -> Desk:
        """Signal, and fill the whole entry."""
        self.session.feed(trade(seconds, price, symbol=symbol, says=side))
        return self.fill(seconds, price=str(price))

    def fill(
        self,
        seconds: float,
        quantity: str | None = None,
        *,
        price: str = "100",
        order: SubmitOrder | None = None,
        id: str | None = None,
    ) -> Desk:
        """Report an execution of an order (the last one) by its whole quantity, unless told otherwise."""
        of = order or self.last
        self._executions += 1
        shares = of.quantity if quantity is None else Decimal(quantity)
        report = Execution(id or f"e{self._executions}", of.id, of.symbol, of.side, shares, Decimal(price), at(seconds))
        self.session.feed(report)
        return self

    def report(self, seconds: float, status: OrderStatus, filled: str = "0", average: str = "100") -> Desk:
        """Report what the venue knows of the last order."""
        of = self.last
        shares = Decimal(filled)
        price = Decimal(average) if shares else None
        self.session.feed(OrderReport(of.id, of.symbol, of.side, status, of.quantity, shares, price, at(seconds)))
        return self

    def reject(self, seconds: float) -> Desk:
        self.session.feed(OrderRejected(self.last.id, self.last.symbol, at(seconds), "no"))
        return self

    def tick(self, seconds: float, price: float, symbol: str = "A") -> Desk:
        self.session.feed(trade(seconds, price, symbol=symbol))
        return self

    @property
    def held(self) -> dict[str, Decimal]:
        open_positions = self.session.core.positions.open
        return {symbol: p.side.sign * p.quantity for symbol, p in open_positions.items()}


# ------------------------------------------------------------------------------------------------- orders


@pytest.mark.parametrize(("side", "entry", "exit_"), [("LONG", BUY, SELL), ("SHORT", SELL, BUY)])
def test_a_signal_becomes_a_market_order_and_its_exit_the_opposite_one(
    side: str, entry: OrderSide, exit_: OrderSide
) -> None:
    desk = Desk().enter(0, side=side).tick(1, 90).tick(2, 110)
    first, second = desk.orders
    assert (first.symbol, first.side, first.quantity, first.role, first.reason) == (
        "A",
        entry,
        Decimal(10),
        "entry",
        "",
    )
    assert (second.symbol, second.side, second.quantity, second.role) == ("A", exit_, Decimal(10), "exit")
    assert second.reason in ("SL", "TP")


def test_an_order_is_a_fact_before_the_broker_hears_of_it() -> None:
    heard: list[int] = []

    class Broker:
        def receive(self, message: object) -> None:
            heard.append(len(session.of(OrderSubmitted)))

    session = Session(broker=Broker())
    session.feed(trade(0, says="LONG"))
    assert heard == [1]


def test_an_order_carries_the_decision_that_it_came_of() -> None:
    desk = Desk().tick(0, 100).enter(1).tick(2, 90).fill(2, price="90")
    assert {order.decision for order in desk.orders} == {"2"}
    assert {fact.decision for fact in desk.session.of(OrderFilled)} == {"2"}
    assert [fact.decision for fact in desk.session.trades] == ["2"]


def test_an_order_id_is_made_of_its_cause() -> None:
    """Book, decision, symbol, leg and attempt."""
    desk = Desk().enter(0).tick(1, 90)
    assert [order.id for order in desk.orders] == ["paper.1.A.entry.1", "paper.1.A.exit.1"]


def test_the_same_inputs_give_the_same_order_ids() -> None:
    def run() -> list[str]:
        desk = Desk().enter(0).tick(1, 90).fill(1, price="90").enter(2).enter(2, "B")
        return [order.id for order in desk.orders]

    assert run() == run()


def test_order_ids_are_unique_over_many_trades_of_many_symbols() -> None:
    session = Session(risk=RiskSettings(cooldown_trades_after_loss=0))
    for n in range(50):
        symbol = "AB"[n % 2]
        session.feed(trade(n, 100, symbol=symbol, says="LONG"), trade(n + 0.5, 98 if n % 3 else 102, symbol=symbol))
    ids = [fact.order.id for fact in session.of(OrderSubmitted)]
    assert len(ids) == len(set(ids)) == 100


def test_a_second_attempt_has_an_id_of_its_own() -> None:
    desk = Desk().enter(0).tick(1, 90).reject(1).tick(2, 90)
    assert [order.id for order in desk.orders[1:]] == ["paper.1.A.exit.1", "paper.1.A.exit.2"]


def test_a_message_for_somebody_else_is_a_fault() -> None:
    with pytest.raises(UnknownMessage, match="Executor does not know what to do with a str"):
        Session().core.executor.receive("hello")  # type: ignore[arg-type]  # that is the fault


# ---------------------------------------------------------------------------------------------- one exit


def test_a_position_has_at_most_one_exit_order_at_a_time() -> None:
    desk = Desk().enter(0).tick(1, 90).tick(2, 80).tick(3, 110)
    assert len(desk.orders) == 2


def test_a_rejected_exit_is_tried_again_when_an_exit_wants_to_leave_again() -> None:
    desk = Desk().enter(0).tick(1, 90).reject(1)
    assert desk.held == {"A": 10}
    desk.tick(2, 90).fill(2, price="90")
    assert (desk.held, desk.session.exits) == ({}, ["SL"])


def test_a_rejected_order_is_a_fact() -> None:
    desk = Desk().enter(0).tick(1, 90).reject(1)
    assert [fact.order for fact in desk.session.of(OrderRejected)] == ["paper.1.A.exit.1"]


def test_flatten_after_a_rejected_exit_is_what_the_next_try_is_for() -> None:
    desk = Desk().enter(0).tick(1, 90).reject(1)
    desk.session.feed(Command("flatten", at(1.5)))
    assert len(desk.orders) == 2  # no wish is a reason to try sooner
    desk.session.feed(clock(2))
    assert (desk.last.role, desk.last.reason) == ("exit", "FLATTEN")


def test_a_wish_to_leave_a_position_that_is_gone_is_nothing() -> None:
    """Two exits of one tick: the first closes, the second finds nothing."""
    strategy = StrategySettings(profit_target=1e-10, stop_loss=1e-10)
    session = Session(strategy=strategy).feed(trade(0, says="LONG"), trade(1, 100))
    assert session.exits == ["TP"]
    assert len(session.of(OrderSubmitted)) == 2


# ------------------------------------------------------------------------------------- partial executions


def test_partial_executions_open_one_position_at_their_average_price() -> None:
    desk = Desk()
    desk.session.feed(trade(0, says="LONG"))
    desk.fill(0.1, "4", price="100").fill(0.2, "6", price="101")
    assert desk.held == {"A": 10}
    assert [(fact.quantity, fact.entry_price) for fact in desk.session.of(PositionOpened)] == [
        (Decimal(4), Decimal(100)),
        (Decimal(10), Decimal("100.6")),
    ]


def test_a_position_that_grew_is_guarded_at_its_new_average_price() -> None:
    """One percent of 100 is 101, and of 102 it is 103.02."""
    desk = Desk()
    desk.session.feed(trade(0, says="LONG"))
    desk.fill(0.1, "5", price="100").fill(0.2, "5", price="104")
    desk.tick(1, 103)
    assert len(desk.orders) == 1
    assert desk.tick(2, 103.1).last.reason == "TP"


def test_the_time_stop_counts_from_the_first_execution() -> None:
    desk = Desk(strategy=msgspec.structs.replace(PATIENT, time_stop_seconds=5.0))
    desk.session.feed(trade(0, says="LONG"))
    desk.fill(1, "5").fill(3, "5")
    desk.session.feed(clock(5.9))
    assert len(desk.orders) == 1
    desk.session.feed(clock(6))
    assert (desk.last.reason, desk.last.quantity) == ("TIME", Decimal(10))


def test_a_partial_exit_keeps_the_position_and_its_order() -> None:
    desk = Desk().enter(0).tick(1, 90).fill(1, "4", price="90")
    assert (desk.held, desk.session.exits) == ({"A": Decimal(6)}, [])
    desk.tick(2, 85)
    assert len(desk.orders) == 2
    desk.fill(3, "6", price="89")
    [closed] = desk.session.trades
    assert (closed.quantity, closed.exit_price, closed.exit_reason) == (Decimal(10), Decimal("89.4"), "SL")


def test_an_exit_closes_what_is_held_and_not_what_was_asked_for() -> None:
    desk = Desk()
    desk.session.feed(trade(0, says="LONG"))
    entry = desk.last
    desk.fill(0.1, "4").tick(1, 90)
    assert desk.last is entry  # what is left of the entry is taken back first
    desk.report(1.1, OrderStatus.CANCELED, filled="4")
    assert (desk.last.role, desk.last.quantity) == ("exit", Decimal(4))


def test_a_report_that_comes_twice_counts_once() -> None:
    desk = Desk().enter(0).tick(1, 90).fill(1, "4", price="90", id="same").fill(1, "4", price="90", id="same")
    assert desk.held == {"A": Decimal(6)}


def test_a_partial_report_that_comes_twice_does_not_finish_the_order() -> None:
    desk = Desk()
    desk.session.feed(trade(0, says="LONG"))
    desk.fill(0.1, "5", id="e1").fill(0.1, "5", id="e1").fill(0.2, "5", id="e2")
    assert desk.held == {"A": Decimal(10)}


def test_a_partial_exit_that_is_reported_twice_makes_no_room_for_a_second_exit() -> None:
    desk = Desk().enter(0).tick(1, 90).fill(1, "6", price="90", id="same").fill(1, "6", price="90", id="same")
    assert len(desk.tick(2, 85).orders) == 2


def test_an_execution_beyond_the_order_is_booked_also_when_it_comes_by_itself() -> None:
    desk = Desk()
    desk.session.feed(trade(0, says="LONG"))
    desk.fill(0.1, "10", id="e1").fill(0.2, "3", id="e2", order=desk.orders[0])
    assert desk.held == {"A": Decimal(13)}


def test_order_ids_stay_unique_when_an_exit_was_filled_twice_over() -> None:
    """It closes the position and opens the rest the other way, which needs an exit order of its own."""
    desk = Desk().enter(0).tick(1, 90).fill(1, "15", price="90")
    assert desk.held == {"A": Decimal(-5)}
    desk.tick(2, 80)
    ids = [order.id for order in desk.orders]
    assert len(ids) == len(set(ids)) == 3


def test_order_ids_stay_unique_when_one_symbol_ends_like_another() -> None:
    desk = Desk().enter(0, "BRK.B").enter(0, "B")
    desk.tick(1, 90, "BRK.B").reject(1)
    desk.tick(2, 90, "B").fill(2, price="90")
    desk.tick(3, 90, "BRK.B")
    ids = [order.id for order in desk.orders]
    assert len(ids) == len(set(ids))


def test_a_report_of_an_order_that_is_not_ours_is_nothing() -> None:
    session = Session().feed(
        trade(0), Execution("e1", "somebody's", "A", BUY, Decimal(1), Decimal(100), at(1)), trade(2)
    )
    assert session.summary["open_positions"] == 0


# --------------------------------------------------------------------------------- working orders, closing


def test_a_close_while_the_exit_is_under_way_waits_for_it() -> None:
    desk = Desk().enter(0).tick(1, 90)
    desk.session.feed(Command("flatten", at(2)))
    assert len(desk.orders) == 2


@pytest.mark.parametrize("name", ["flatten", "halt"])
def test_closing_everything_does_not_cancel_the_exit_that_is_under_way(name: str) -> None:
    """Or, where it does, another takes its place: else the position stays."""
    desk = Desk().enter(0).tick(1, 90)
    exit_order = desk.last
    desk.session.feed(Command(name, at(2)))
    assert exit_order.id not in [cancel.id for cancel in desk.broker.of(CancelOrder)] or desk.last is not exit_order


def test_reduce_cancels_entries_and_no_exit() -> None:
    desk = Desk().enter(0).tick(1, 90)
    desk.session.feed(trade(1, symbol="B", says="LONG"))
    entry = desk.last
    desk.session.feed(Command("reduce", at(2)))
    assert [cancel.id for cancel in desk.broker.of(CancelOrder)] == [entry.id]


def test_an_entry_that_is_being_taken_back_refuses_signals_until_its_position_is_closed() -> None:
    desk = Desk()
    desk.session.feed(trade(0, says="LONG"))
    entry = desk.last
    desk.fill(0.1, "4").tick(1, 90)
    assert entry.id in desk.session.core.orders.working
    desk.session.feed(trade(2, says="LONG"))
    assert desk.session.verdicts[-1] is Refusal.POSITION_OPEN
    desk.report(2.1, OrderStatus.CANCELED, filled="4").fill(2.2, price="90")
    desk.session.feed(trade(3, says="LONG"))
    assert desk.session.verdicts[-1] is None


# ------------------------------------------------------------------------------------------------- guards


def test_exits_watch_from_the_tick_after_the_entry() -> None:
    """Bought at the ask, the entry's own tick would be a stop loss."""
    session = Session().feed(trade(0, 100, bid=99, ask=102, says="LONG"))
    assert session.exits == []
    assert session.feed(trade(1, 100)).exits == ["SL"]


def test_a_closed_position_is_guarded_no_more() -> None:
    session = Session(strategy=msgspec.structs.replace(PATIENT, time_stop_seconds=5.0))
    session.feed(trade(0, says="LONG"), trade(1, 102), trade(2, 90), clock(100))
    assert session.exits == ["TP"]
    assert not session.core.contexts["A"].guarded
    assert not session.core.contexts["A"].candles.observed


def test_each_position_is_guarded_by_exits_of_its_own() -> None:
    session = Session(risk=RiskSettings(cooldown_trades_after_loss=0)).feed(
        trade(0, 100, says="LONG"), trade(1, 102), trade(2, 200, says="LONG"), trade(3, 201), trade(4, 202)
    )
    assert [(float(t.entry_price), float(t.exit_price)) for t in session.trades] == [(100.0, 102.0), (200.0, 202.0)]


def test_positions_of_several_symbols_leave_by_their_own_ticks() -> None:
    session = Session().feed(
        trade(0, symbol="A", says="LONG"),
        trade(0, symbol="B", says="SHORT"),
        trade(1, 98, symbol="B"),
        trade(2, 98, symbol="A"),
    )
    assert [(t.symbol, t.exit_reason) for t in session.trades] == [("B", "TP"), ("A", "SL")]


def test_the_book_s_name_is_the_first_part_of_an_order_id() -> None:
    assert isinstance(Session().core.positions, Positions)
    [order] = [fact.order for fact in Session().feed(trade(0, says="LONG")).of(OrderSubmitted)]
    assert order.id.partition(".")[0] == "paper"


def test_facts_of_a_trade_come_in_the_order_of_their_causes() -> None:
    session = Session().feed(trade(0, says="LONG"), trade(1, 102))
    assert [type(fact).__name__ for fact in session.facts[1:]] == [
        "SignalRaised",
        "OrderSubmitted",
        "OrderFilled",
        "PositionOpened",
        "ExitDecided",
        "OrderSubmitted",
        "OrderFilled",
        "PositionClosed",
    ]
    assert isinstance(session.facts[-1], PositionClosed)


def test_a_wish_to_leave_is_stated_once_also_while_nothing_can_be_done_about_it() -> None:
    """It makes the book another one: a kill must not forget it."""
    session = Session().feed(trade(0, says="LONG"))
    later = Session().feed(session.core.book(), Command("flatten", at(1)), Command("flatten", at(2)))
    assert [(fact.symbol, fact.reason) for fact in later.of(ExitDecided)] == [("A", "FLATTEN")]
    assert later.core.book().closing == {"A": "FLATTEN"}


def test_the_memory_of_orders_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "REMEMBERED_DECISIONS", 3)
    monkeypatch.setattr(order_cache, "REMEMBERED_ORDERS", 3)
    session = Session(risk=RiskSettings(cooldown_trades_after_loss=0))
    for n in range(20):
        session.feed(trade(n, says="LONG"), trade(n + 0.5, 102))
    orders = session.core.orders
    assert len(session.trades) == 20
    assert (len(orders._over), len(orders.working)) == (3, 0)
    assert len(session.core.executor._decisions) <= 3


def test_an_order_s_id_is_not_used_again_however_much_is_traded_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The venue would take it for the first: what that had filled would be counted once more."""
    monkeypatch.setattr(decisions, "REMEMBERED_DECISIONS", 3)
    desk = Desk().enter(0).tick(1, 90).reject(1)
    for n in range(2, 40):
        symbol = f"B{n}"
        desk.enter(n, symbol).tick(n + 0.2, 102, symbol)
        desk.fill(n + 0.3, price="102", order=next(o for o in desk.orders if (o.symbol, o.role) == (symbol, "exit")))
        desk.session.feed(OrderRejected([o.id for o in desk.orders if o.symbol == "A"][-1], "A", at(n + 0.4), "no"))
    ids = [order.id for order in desk.orders]
    assert len(ids) == len(set(ids))
    assert sum(order.symbol == "A" for order in desk.orders) > 4
