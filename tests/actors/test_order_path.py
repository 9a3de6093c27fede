"""The order path with a broker outside: limits, time-outs, protective stops, and what is lost on the way."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors.messages import (
    BrokerChanged,
    Command,
    FeedState,
    GateOrder,
    MarketHours,
    OrderChanged,
    OrderSubmitted,
    PositionOpened,
    Refusal,
    TradingState,
)
from actors.orders import (
    AccountReport,
    CancelOrder,
    CancelRefused,
    HeldAtVenue,
    LookUpOrder,
    OrderMissing,
    OrderRejected,
    OrderReport,
    OrderSide,
    OrderStatus,
    SubmitOrder,
    SubmitUnanswered,
)
from actors.pricing import OrderSettings
from actors.risk import RiskSettings
from tests.support.market import at, clock, quote, trade
from tests.support.sessions import RestingBroker, Session

S = OrderStatus
D = Decimal
STYLE = OrderSettings()
BOOK = "mb-bot-s1"
TEN = RiskSettings(position_size=10.0, cooldown_trades_after_loss=0)


def account(
    seconds: float,
    *positions: HeldAtVenue,
    orders: tuple[OrderReport, ...] = (),
    history: tuple[OrderReport, ...] = (),
) -> AccountReport:
    money = D(100_000)
    return AccountReport(at(seconds), "PA1", money, money, money, positions, orders, history)


class Desk:
    """A session at a broker whose answers the test gives; the account was seen and nothing is in it."""

    def __init__(self, *, style: OrderSettings = STYLE, opened: bool = True) -> None:
        self.broker = RestingBroker()
        self.session = Session(risk=TEN, broker=self.broker, style=style, book=BOOK)
        self.session.feed(quote(0, 99.99, 100.01), trade(0, 100), BrokerChanged(FeedState.LIVE, at(0)))
        if opened:
            self.session.feed(account(0))

    @property
    def orders(self) -> list[SubmitOrder]:
        return self.broker.of(SubmitOrder)

    @property
    def last(self) -> SubmitOrder:
        return self.orders[-1]

    @property
    def legs(self) -> list[str]:
        return [order.leg for order in self.orders]

    @property
    def canceled(self) -> list[str]:
        return [cancel.id for cancel in self.broker.of(CancelOrder)]

    @property
    def looked_up(self) -> list[str]:
        return [question.id for question in self.broker.of(LookUpOrder)]

    @property
    def held(self) -> dict[str, Decimal]:
        positions = self.session.core.positions.open
        return {symbol: p.side.sign * p.quantity for symbol, p in positions.items()}

    def say(
        self, seconds: float, status: OrderStatus, filled: str = "0", average: str = "100", *, of: str = ""
    ) -> Desk:
        """Report on an order: the last one, or the last of a leg."""
        order = [o for o in self.orders if not of or o.leg == of][-1]
        price = D(average) if D(filled) else None
        self.session.feed(
            OrderReport(order.id, order.symbol, order.side, status, order.quantity, D(filled), price, at(seconds), "v")
        )
        return self

    def enter(self, seconds: float = 1, side: str = "LONG") -> Desk:
        """Signal, fill the whole entry, and let the venue take the stop."""
        self.session.feed(trade(seconds, 100, says=side))
        return self.say(seconds, S.FILLED, "10").say(seconds, S.ACCEPTED)

    def tick(self, seconds: float, price: float) -> Desk:
        self.session.feed(trade(seconds, price))
        return self

    def pass_time(self, seconds: float) -> Desk:
        self.session.feed(clock(seconds))
        return self


# ---------------------------------------------------------------------------------------------------- entries


@pytest.mark.parametrize(("side", "limit"), [("LONG", "100.12"), ("SHORT", "99.89")])
def test_an_entry_never_costs_more_than_a_little_beyond_the_quote(side: str, limit: str) -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says=side))
    assert (desk.last.leg, desk.last.limit, desk.last.stop, desk.last.rests) == ("entry", D(limit), None, False)
    assert desk.last.id == f"{BOOK}.5.A.entry.1"


def test_an_entry_that_is_not_filled_in_time_is_taken_back() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1, S.ACCEPTED).pass_time(3.9)
    assert desk.canceled == []
    desk.pass_time(4)
    assert desk.canceled == [desk.last.id]
    desk.say(4, S.CANCELED)
    assert desk.legs == ["entry"]
    desk.session.feed(trade(5, 100, says="LONG"))
    assert desk.legs == ["entry", "entry"]


def test_a_partly_filled_entry_has_exits_at_once_and_a_stop_when_it_is_over() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1, S.PARTIALLY_FILLED, "4")
    assert desk.held == {"A": D(4)}
    assert desk.legs == ["entry"]  # a stop beside it would cross it
    desk.pass_time(4).say(4, S.CANCELED, "4")
    assert desk.legs == ["entry", "stop"]
    assert desk.last.quantity == 4
    desk.tick(5, 98.5)
    assert desk.canceled == [desk.orders[0].id, desk.last.id]
    desk.say(5, S.CANCELED)
    assert (desk.last.leg, desk.last.quantity, desk.last.reason) == ("exit", D(4), "SL")


def test_a_symbol_whose_position_is_open_is_not_free_when_an_order_of_it_ends() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1, S.PARTIALLY_FILLED, "4").pass_time(4).say(4, S.CANCELED, "4")
    desk.session.feed(trade(5, 100, says="LONG"))
    assert desk.session.verdicts == [None, Refusal.POSITION_OPEN]


def test_a_symbol_whose_order_works_is_not_free_when_its_position_is_closed() -> None:
    """The gate closed it; the stop that it took back is not gone yet."""
    desk = Desk().enter()
    by_gate = SubmitOrder(f"{BOOK}.5.A.gate.1", "A", OrderSide.SELL, D(10), "5", "gate", "HALT")
    filled = OrderReport(by_gate.id, "A", OrderSide.SELL, S.FILLED, D(10), D(10), D(100), at(2), "v")
    desk.session.feed(GateOrder(by_gate, at(2)), filled)
    assert desk.held == {}
    desk.session.feed(trade(3, 100, says="LONG"))
    assert desk.session.verdicts == [None, Refusal.POSITION_OPEN]
    desk.say(3.1, S.CANCELED, of="stop").session.feed(trade(4, 100, says="LONG"))
    assert desk.session.verdicts[-1] is None


def test_every_part_that_is_filled_is_a_change_of_its_order() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1, S.PARTIALLY_FILLED, "4").say(1.1, S.PARTIALLY_FILLED, "6").say(1.2, S.PARTIALLY_FILLED, "6")
    assert [fact.filled for fact in desk.session.of(OrderChanged)] == [4, 6]


def test_a_rejected_entry_leaves_the_symbol_free() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1, S.REJECTED)
    assert len(desk.session.of(OrderRejected)) == 1
    desk.session.feed(trade(2, 100, says="LONG"))
    assert desk.session.verdicts == [None, None]


# ---------------------------------------------------------------------------------------------- protective stops


@pytest.mark.parametrize(
    ("side", "stop", "closing"), [("LONG", "99.50", OrderSide.SELL), ("SHORT", "100.50", OrderSide.BUY)]
)
def test_a_filled_entry_leaves_a_stop_at_the_venue(side: str, stop: str, closing: OrderSide) -> None:
    desk = Desk().enter(side=side)
    assert desk.legs == ["entry", "stop"]
    assert (desk.last.side, desk.last.quantity, desk.last.stop, desk.last.rests) == (closing, D(10), D(stop), True)


def test_a_stop_that_was_reached_closes_the_position_and_its_loss_is_booked() -> None:
    desk = Desk().enter().say(2, S.FILLED, "10", "99.4")
    assert desk.held == {}
    [closed] = desk.session.trades
    assert (closed.exit_reason, closed.pnl) == ("STOP", D(-6))


def test_an_exit_takes_the_stop_back_first_and_waits_for_that() -> None:
    desk = Desk().enter().tick(2, 101.5)
    assert desk.legs == ["entry", "stop"]
    assert desk.canceled == [desk.last.id]
    desk.say(2.1, S.CANCELED)
    assert desk.legs == ["entry", "stop", "exit"]
    assert (desk.last.reason, desk.last.quantity) == ("TP", D(10))


def test_a_stop_that_fills_while_it_is_taken_back_leaves_nothing_to_exit() -> None:
    desk = Desk().enter().tick(2, 98.5).say(2.1, S.FILLED, "10", "99.4")
    assert desk.legs == ["entry", "stop"]
    assert desk.session.exits == ["STOP"]


def test_a_stop_that_was_partly_reached_stays_for_the_rest() -> None:
    desk = Desk().enter().say(2, S.PARTIALLY_FILLED, "3", "99.4")
    assert desk.held == {"A": D(7)}
    assert desk.canceled == []


def test_a_stop_for_less_than_is_held_is_replaced_by_one_for_all_of_it() -> None:
    """The entry was over, and a part of it that was filled before that is told only now."""
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1.1, S.CANCELED, "4").say(1.2, S.ACCEPTED)
    short = desk.last
    assert (short.leg, short.quantity) == ("stop", D(4))
    desk.say(2, S.CANCELED, "6", of="entry")
    assert desk.canceled == [short.id]
    desk.say(2.1, S.CANCELED)
    assert (desk.last.leg, desk.last.quantity) == ("stop", D(6))


def test_a_stop_that_is_gone_is_set_again() -> None:
    """Somebody canceled it by hand, or it expired."""
    desk = Desk().enter().say(2, S.CANCELED)
    assert desk.legs == ["entry", "stop", "stop"]
    assert desk.last.id.endswith(".stop.2")


def test_a_stop_that_is_refused_is_tried_again_and_then_the_position_is_closed() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1, S.FILLED, "10").say(1, S.REJECTED)
    assert desk.legs == ["entry", "stop"]
    desk.pass_time(2).say(2, S.REJECTED)
    assert desk.legs == ["entry", "stop", "stop"]
    desk.pass_time(4).say(4, S.REJECTED)
    assert desk.legs == ["entry", "stop", "stop", "stop", "exit"]
    assert (desk.last.reason, desk.last.limit) == ("NO_STOP", None)


# ------------------------------------------------------------------------------------------------------- exits


def test_an_exit_is_priced_anew_and_at_last_sent_at_market() -> None:
    desk = Desk().enter().tick(2, 101.5).say(2, S.CANCELED)
    limits = [desk.last.limit]
    for n in range(3):
        began = 2 + n
        desk.say(began, S.ACCEPTED).session.feed(quote(began + 0.5, 101.4 - n, 101.6 - n))
        desk.pass_time(began + 0.99)
        assert desk.last.id not in desk.canceled
        desk.pass_time(began + 1)
        assert desk.canceled[-1] == desk.last.id
        desk.say(began + 1, S.CANCELED)
        limits.append(desk.last.limit)
    assert limits == [D("99.97"), D("101.37"), D("100.37"), None]
    desk.say(6, S.FILLED, "10", "100")
    assert desk.held == {}
    assert desk.session.exits == ["TP"]


def test_what_is_left_after_a_partial_exit_is_sent_anew() -> None:
    desk = Desk().enter().tick(2, 101.5).say(2, S.CANCELED).say(2.5, S.PARTIALLY_FILLED, "4", "101.5")
    desk.pass_time(3).say(3, S.CANCELED, "4", "101.5")
    assert (desk.last.leg, desk.last.quantity) == ("exit", D(6))


def test_an_exit_that_is_wished_again_at_every_tick_ends_at_market_all_the_same() -> None:
    desk = Desk().enter().tick(2, 101.5).say(2, S.CANCELED)
    for n in range(3):
        began = 2 + n
        desk.say(began, S.ACCEPTED).tick(began + 0.5, 101.6).tick(began + 0.6, 101.7)
        desk.pass_time(began + 1).say(began + 1, S.CANCELED)
    assert (desk.last.leg, desk.last.limit, desk.last.reason) == ("exit", None, "TP")


def test_a_stop_loss_does_not_wait_for_a_price() -> None:
    desk = Desk().enter().tick(2, 98.5).say(2, S.CANCELED)
    assert (desk.last.reason, desk.last.limit) == ("SL", None)


def test_what_is_closed_before_the_market_closes_does_not_wait_for_a_price() -> None:
    desk = Desk()
    desk.session.feed(MarketHours(((at(0), at(600)),), at(0)))
    desk.enter().pass_time(480).say(480, S.CANCELED)
    assert (desk.last.reason, desk.last.limit) == ("CLOSE", None)


def test_flatten_hastens_an_exit_that_waits_for_a_price() -> None:
    desk = Desk().enter().tick(2, 101.5).say(2, S.CANCELED).say(2, S.ACCEPTED)
    waiting = desk.last
    desk.session.feed(Command("flatten", at(2.2)))
    assert desk.canceled[-1] == waiting.id
    desk.say(2.3, S.CANCELED)
    assert (desk.last.leg, desk.last.limit) == ("exit", None)


@pytest.mark.parametrize("command", ["flatten", "halt"])
def test_an_entry_that_fills_after_everything_was_to_be_closed_is_closed_too(command: str) -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"), Command(command, at(1.1)))
    desk.say(1.2, S.PARTIALLY_FILLED, "4").say(1.3, S.CANCELED, "4")
    assert (desk.last.leg, desk.last.quantity, desk.last.limit) == ("exit", D(4), None)
    desk.say(1.4, S.FILLED, "4")
    desk.session.feed(Command("resume", at(2)))
    desk.enter(3)
    assert desk.held == {"A": D(10)}  # what was to be closed is closed: this one is another
    assert desk.last.leg == "stop"


def test_an_exit_at_a_price_that_is_rejected_goes_at_market_next() -> None:
    desk = Desk().enter().tick(2, 101.5).say(2, S.CANCELED)
    desk.say(2, S.REJECTED).pass_time(3)
    at_a_price, at_market = (order.limit is not None for order in desk.orders if order.leg == "exit")
    assert at_a_price
    assert not at_market


def test_an_order_that_was_taken_begins_the_waiting_anew() -> None:
    desk = Desk().enter().tick(2, 98.5).say(2, S.CANCELED).say(2, S.REJECTED).pass_time(3).say(3, S.REJECTED)
    desk.pass_time(4.9)
    assert desk.legs.count("exit") == 2
    desk.pass_time(5).say(5, S.CANCELED)  # taken, and canceled by somebody: the next goes at once
    assert desk.legs.count("exit") == 4
    desk.say(5, S.REJECTED).pass_time(6)
    assert desk.legs.count("exit") == 5


def test_a_rejected_exit_is_sent_again_later_each_time() -> None:
    desk = Desk().enter().tick(2, 98.5).say(2, S.CANCELED).say(2, S.REJECTED)
    times = []
    for quarter in range(9, 100):
        before = len(desk.orders)
        desk.pass_time(quarter / 4)
        if len(desk.orders) > before:
            times.append(quarter / 4)
            desk.say(quarter / 4, S.REJECTED)
    assert times == [3, 5, 9, 17]
    assert desk.held == {"A": D(10)}


def test_a_refused_exit_never_waits_longer_than_half_a_minute() -> None:
    desk = Desk().enter().tick(2, 98.5).say(2, S.CANCELED).say(2, S.REJECTED)
    times = []
    for second in range(3, 130):
        before = len(desk.orders)
        desk.pass_time(second)
        if len(desk.orders) > before:
            times.append(second)
            desk.say(second, S.REJECTED)
    assert times == [3, 5, 9, 17, 33, 63, 93, 123]


def test_there_is_never_more_than_one_exit_at_a_time() -> None:
    desk = Desk().enter().tick(2, 98.5).tick(2.1, 98).say(2.2, S.CANCELED).tick(2.3, 97).tick(2.4, 96)
    desk.session.feed(Command("flatten", at(2.5)), Command("halt", at(2.6)))
    assert desk.legs == ["entry", "stop", "exit"]


# ------------------------------------------------------------------------------------------- what gets lost


def test_an_unanswered_submit_is_looked_up_and_never_sent_again() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.session.feed(SubmitUnanswered(desk.last.id, at(2), "504"))
    assert desk.looked_up == [desk.last.id]
    desk.session.feed(trade(2.5, 100, says="LONG"))
    assert desk.session.verdicts[-1] is Refusal.POSITION_OPEN
    desk.say(3, S.FILLED, "10")
    assert desk.held == {"A": D(10)}
    assert desk.legs == ["entry", "stop"]


def test_an_order_that_was_to_be_taken_back_while_unknown_is_once_it_turns_up() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.session.feed(SubmitUnanswered(desk.last.id, at(2), "504"), Command("flatten", at(2.1)))
    assert desk.canceled == []  # of what, nobody knows
    desk.say(2.5, S.ACCEPTED)
    assert desk.canceled == [desk.last.id]


def test_silence_is_an_unanswered_submit_too() -> None:
    desk = Desk(style=OrderSettings(entry_timeout_s=60))
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.pass_time(5.9)
    assert desk.looked_up == []
    desk.pass_time(6)
    assert desk.looked_up == [desk.last.id]
    statuses = [fact.status for fact in desk.session.of(OrderChanged)]
    assert statuses == [S.UNKNOWN]


def test_an_answer_is_waited_for_from_what_was_asked_last() -> None:
    desk = Desk(style=OrderSettings(entry_timeout_s=4.5))
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1.1, S.ACCEPTED).pass_time(5.5)
    assert desk.canceled == [desk.last.id]
    desk.pass_time(10.4)  # five seconds after the submit were over at 6
    assert desk.looked_up == []
    desk.pass_time(10.5)
    assert desk.looked_up == [desk.last.id]


def test_an_order_that_nobody_knows_for_long_was_never_placed() -> None:
    desk = Desk(style=OrderSettings(entry_timeout_s=60))
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.session.feed(SubmitUnanswered(desk.last.id, at(1), "cut"))
    for second in range(1, 11):
        desk.pass_time(second)
        desk.session.feed(OrderMissing(desk.last.id, at(second)))
        assert desk.session.core.executor.is_working("A")
    desk.pass_time(11).session.feed(OrderMissing(desk.last.id, at(11)))
    assert not desk.session.core.executor.is_working("A")
    assert [fact.reason for fact in desk.session.of(OrderRejected)] == ["the venue never got it"]
    assert len(desk.looked_up) == 6  # at once, and every two seconds


def test_what_is_told_of_an_unknown_order_again_does_not_put_off_its_end() -> None:
    desk = Desk(style=OrderSettings(entry_timeout_s=60))
    desk.session.feed(trade(1, 100, says="LONG"))
    for second in (1, 6):
        desk.session.feed(SubmitUnanswered(desk.last.id, at(second), "cut"))
    desk.session.feed(OrderMissing(desk.last.id, at(11)))
    assert not desk.session.core.executor.is_working("A")


def test_a_late_answer_that_an_order_is_missing_does_not_end_one_that_is_there() -> None:
    desk = Desk(style=OrderSettings(entry_timeout_s=60))
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1.1, S.ACCEPTED).session.feed(OrderMissing(desk.last.id, at(30)))
    assert desk.session.core.executor.is_working("A")


def test_an_order_that_turns_up_after_all_is_taken_back() -> None:
    desk = Desk(style=OrderSettings(entry_timeout_s=60))
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.session.feed(SubmitUnanswered(desk.last.id, at(1), "cut"))
    desk.session.feed(OrderMissing(desk.last.id, at(12)))
    desk.say(13, S.ACCEPTED)
    assert desk.canceled == [desk.last.id]
    desk.say(13.1, S.PARTIALLY_FILLED, "2").say(13.2, S.CANCELED, "2")
    assert desk.held == {"A": D(2)}
    assert (desk.last.leg, desk.last.quantity) == ("stop", D(2))


def test_a_cancel_that_is_refused_is_looked_up_and_repeated_after_a_while() -> None:
    desk = Desk().enter().tick(2, 98.5)
    stop = desk.last
    desk.session.feed(CancelRefused(stop.id, at(2.1), "pending"))
    assert desk.looked_up == [stop.id]
    desk.say(2.2, S.ACCEPTED)
    assert desk.canceled == [stop.id]
    desk.pass_time(4)
    assert desk.canceled == [stop.id, stop.id]


def test_a_cancel_without_an_answer_is_looked_up() -> None:
    desk = Desk().enter().tick(2, 98.5).pass_time(7)
    assert desk.looked_up == [desk.last.id]
    desk.say(7.5, S.CANCELED)
    assert desk.legs == ["entry", "stop", "exit"]


def test_news_of_an_order_that_nobody_sent_is_nothing() -> None:
    desk = Desk()
    desk.session.feed(
        SubmitUnanswered("x", at(1), "504"),
        CancelRefused("x", at(1), "pending"),
        OrderMissing("x", at(1)),
        OrderRejected("x", "A", at(1), "no"),
    )
    assert (desk.orders, desk.looked_up, desk.session.of(OrderRejected)) == ([], [], [])


def test_a_refusal_that_is_told_twice_counts_once() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    told = OrderRejected(desk.last.id, "A", at(1.1), "no")
    desk.session.feed(told, told, trade(2, 100, says="LONG"))
    assert len(desk.session.of(OrderRejected)) == 1
    assert desk.session.verdicts == [None, None]


def test_news_that_comes_twice_counts_once() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    for _ in range(3):
        desk.say(1, S.FILLED, "10", of="entry")
    assert desk.held == {"A": D(10)}
    assert desk.legs == ["entry", "stop"]


# ------------------------------------------------------------------------------------------------- the account


def test_nothing_is_entered_before_the_account_was_seen() -> None:
    desk = Desk(opened=False)
    desk.session.feed(trade(1, 100, says="LONG"))
    assert desk.session.verdicts == [Refusal.BROKER_DOWN]


@pytest.mark.parametrize("state", [FeedState.DOWN, FeedState.CONNECTING])
def test_nothing_is_entered_while_the_broker_cannot_be_heard(state: FeedState) -> None:
    desk = Desk()
    desk.session.feed(BrokerChanged(state, at(1)), trade(1, 100, says="LONG"))
    assert desk.session.verdicts == [Refusal.BROKER_DOWN]
    assert [fact.state for fact in desk.session.of(BrokerChanged)] == [FeedState.LIVE, state]


@pytest.mark.parametrize("side", [OrderSide.BUY, OrderSide.SELL])
def test_an_order_that_is_not_ours_halts_and_is_listed(side: OrderSide) -> None:
    desk = Desk()
    foreign = OrderReport("x", "B", side, S.ACCEPTED, D(3), D(0), None, at(1), "v9")
    desk.session.feed(account(1, orders=(foreign,)))
    assert desk.session.core.risk.state is TradingState.HALTED
    assert f"an order to {side.lower()} 3 B is not ours (v9)" in desk.session.core.risk.state_reason
    assert desk.canceled == []


def test_a_mismatch_is_said_also_while_halted_and_again_after_a_resume() -> None:
    desk = Desk()
    foreign = OrderReport("x", "B", OrderSide.BUY, S.ACCEPTED, D(3), D(0), None, at(1), "v9")
    desk.session.feed(Command("halt", at(1)), account(2, orders=(foreign,)))
    assert "v9" in desk.session.core.risk.state_reason
    desk.session.feed(Command("resume", at(3)), account(4, orders=(foreign,)))
    assert desk.session.states[-2:] == ["ACTIVE", "HALTED"]


def test_a_mismatch_takes_back_an_entry_that_works_and_no_stop() -> None:
    stranger = OrderReport("manual", "X", OrderSide.BUY, S.ACCEPTED, D(1), D(0), None, at(2))
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"), account(2, orders=(stranger,)))
    assert desk.session.core.risk.state is TradingState.HALTED
    assert desk.canceled == [desk.last.id]
    guarded = Desk().enter()
    guarded.session.feed(account(2, HeldAtVenue("A", D(10), D(100)), orders=(stranger,)))
    assert guarded.session.core.risk.state is TradingState.HALTED
    assert guarded.canceled == []


def test_a_position_that_is_not_ours_halts_at_the_start_and_is_left_alone() -> None:
    desk = Desk(opened=False)
    desk.session.feed(account(1, HeldAtVenue("B", D(7), D(50))))
    assert desk.session.core.risk.state is TradingState.HALTED
    assert "B: the account holds 7, the book 0" in desk.session.core.risk.state_reason
    assert desk.orders == []
    desk.session.feed(account(2, HeldAtVenue("B", D(7), D(50))), account(30, HeldAtVenue("B", D(7), D(50))))
    assert desk.session.states == ["HALTED"]  # said once


def test_a_difference_that_lasts_halts_and_one_that_passes_does_not() -> None:
    desk = Desk().enter()
    stop = OrderReport(desk.last.id, "A", desk.last.side, S.ACCEPTED, D(10), D(0), None, at(1), "v")
    desk.session.feed(account(2, orders=(stop,)))
    desk.session.feed(account(7, HeldAtVenue("A", D(10), D(100)), orders=(stop,)))
    desk.session.feed(account(13, HeldAtVenue("A", D(9), D(100)), orders=(stop,)))
    desk.session.feed(account(22, HeldAtVenue("A", D(9), D(100)), orders=(stop,)))
    assert desk.session.states == []
    desk.session.feed(account(23, HeldAtVenue("A", D(9), D(100)), orders=(stop,)))
    assert desk.session.states == ["HALTED"]
    assert "the account holds 9, the book 10" in desk.session.core.risk.state_reason
    assert desk.held == {"A": D(10)}
    assert desk.canceled == []


def test_a_difference_waits_longer_for_an_order_that_is_being_asked_for() -> None:
    """The exit was filled; the news of it, and the first answers about it, got lost."""
    desk = Desk().enter()
    desk.tick(2, 102).say(2, S.CANCELED).say(2, S.ACCEPTED)
    assert desk.last.leg == "exit"
    desk.session.feed(account(5), account(15), account(34))
    assert desk.session.states == []
    desk.session.feed(account(35))
    assert desk.session.states == ["HALTED"]


def test_what_the_account_s_open_orders_filled_counts_and_none_of_them_is_looked_up() -> None:
    """The stream was down while a part was filled."""
    desk = Desk(style=OrderSettings(entry_timeout_s=60))
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1.1, S.ACCEPTED)
    entry = OrderReport(desk.last.id, "A", desk.last.side, S.PARTIALLY_FILLED, D(10), D(4), D(100), at(2), "v")
    desk.session.feed(account(2, HeldAtVenue("A", D(4), D(100)), orders=(entry,)))
    assert desk.held == {"A": D(4)}
    assert desk.looked_up == []


def test_an_order_that_is_no_longer_open_is_looked_up() -> None:
    """The stream was down while it was filled."""
    desk = Desk().enter()
    desk.session.feed(account(5))
    assert desk.looked_up == [desk.last.id]
    desk.say(5.1, S.FILLED, "10", "99.4")
    assert desk.session.exits == ["STOP"]


def old(
    leg: str, filled: str, *, status: OrderStatus = S.FILLED, seconds: float = -5, side: OrderSide = OrderSide.BUY
) -> OrderReport:
    average = D(100) if D(filled) else None
    return OrderReport(f"mb-bot-s0.77.A.{leg}.1", "A", side, status, D(10), D(filled), average, at(seconds), f"v{leg}")


def test_a_restart_adopts_its_position_and_the_stop_that_rests_for_it() -> None:
    stop = old("stop", "0", status=S.ACCEPTED, side=OrderSide.SELL)
    desk = Desk(opened=False)
    desk.session.feed(account(1, HeldAtVenue("A", D(10), D(100)), orders=(stop,), history=(old("entry", "10"),)))
    assert desk.held == {"A": D(10)}
    assert desk.orders == []
    position = desk.session.core.positions.open["A"]
    assert (position.entry_ts, position.decision) == (at(-5), "s0-77")
    assert [fact.adopted for fact in desk.session.of(PositionOpened)] == [True]
    assert [order.venue_id for order in desk.session.core.executor.open_orders()] == ["vstop"]
    desk.session.feed(trade(1.5, 100, says="LONG"))
    assert desk.session.verdicts == [Refusal.POSITION_OPEN]
    assert desk.canceled == []
    desk.tick(2, 98.5)
    assert desk.canceled == [stop.order]
    desk.session.feed(old("stop", "0", status=S.CANCELED, side=OrderSide.SELL, seconds=2))
    assert (desk.last.leg, desk.last.quantity, desk.last.id) == ("exit", D(10), f"{BOOK}.s0-77.A.exit.1")


def test_a_position_that_our_orders_do_not_add_up_to_is_not_taken_over() -> None:
    """Ten of the twelve shares may be ours: which, nobody can say."""
    desk = Desk(opened=False)
    for seconds in (1, 12):
        desk.session.feed(account(seconds, HeldAtVenue("A", D(12), D(100)), history=(old("entry", "10"),)))
    assert (desk.held, desk.orders) == ({}, [])
    assert "A: the account holds 12, the book 0" in desk.session.core.risk.state_reason


def test_what_is_left_of_an_adopted_position_was_entered_with_its_entry_and_not_with_its_exit() -> None:
    stop = old("stop", "3", status=S.PARTIALLY_FILLED, side=OrderSide.SELL, seconds=-2)
    desk = Desk(opened=False)
    desk.session.feed(account(1, HeldAtVenue("A", D(7), D(100)), orders=(stop,), history=(old("entry", "10"),)))
    assert desk.held == {"A": D(7)}
    assert desk.session.core.positions.open["A"].entry_ts == at(-5)


@pytest.mark.parametrize(
    "name", ["", "s0", "s0.77.A.entry", "s0.77.A.entry.x", "s0.77.A.hedge.1", "s0.77..entry.1", "s0..A.entry.1"]
)
def test_an_order_with_a_name_that_only_begins_like_ours_is_not_ours(name: str) -> None:
    """Another program's, of the same bot id."""
    desk = Desk()
    theirs = OrderReport(f"mb-bot-{name}", "A", OrderSide.BUY, S.ACCEPTED, D(3), D(0), None, at(1), "v9")
    desk.session.feed(account(1, orders=(theirs,)))
    assert desk.session.states == ["HALTED"]
    assert desk.canceled == []


def test_an_order_of_an_earlier_run_that_turns_up_late_is_taken_back() -> None:
    late = old("entry", "0", status=S.ACCEPTED)
    desk = Desk()
    desk.session.feed(late)  # its news alone say nothing: the account's next report does
    assert desk.canceled == []
    desk.session.feed(account(3, orders=(late,)), account(4, orders=(late,)))
    assert desk.canceled == [late.order]
    assert desk.session.states == []


def test_a_restart_sets_a_stop_where_there_is_none() -> None:
    """The last run was killed between the fill of its entry and its stop."""
    desk = Desk(opened=False)
    desk.session.feed(account(1, HeldAtVenue("A", D(10), D(100)), history=(old("entry", "10"),)))
    assert (desk.last.leg, desk.last.quantity) == ("stop", D(10))


def test_a_restart_takes_back_an_entry_that_still_works() -> None:
    desk = Desk(opened=False)
    entry = old("entry", "4", status=S.PARTIALLY_FILLED)
    desk.session.feed(account(1, HeldAtVenue("A", D(4), D(100)), orders=(entry,), history=(entry,)))
    assert desk.canceled == [entry.order]
    assert desk.held == {"A": D(4)}
    desk.session.feed(old("entry", "6", status=S.CANCELED, seconds=2))
    assert desk.held == {"A": D(6)}
    assert desk.session.core.positions.open["A"].entry_price == 100  # what was filled before counts for the average
    assert (desk.last.leg, desk.last.quantity) == ("stop", D(6))


def test_a_position_that_ran_out_of_time_while_nobody_watched_is_closed_at_once() -> None:
    desk = Desk(opened=False)
    desk.session.feed(account(1, HeldAtVenue("A", D(10), D(100)), history=(old("entry", "10", seconds=-2000),)))
    desk.pass_time(1.1)
    assert desk.session.core.executor.is_working("A")
    desk.say(1.2, S.ACCEPTED, of="stop").say(1.3, S.CANCELED, of="stop")
    assert (desk.last.leg, desk.last.reason) == ("exit", "TIME")


def test_the_equity_is_the_accounts() -> None:
    desk = Desk(opened=False)
    desk.session.feed(account(1, HeldAtVenue("A", D(10), D(100)), history=(old("entry", "10"),)))
    assert desk.session.core.positions.equity == D(101_000)
    assert desk.session.summary["equity"] == 101_000
    assert desk.session.core.risk.day_start_equity == D(101_000)
    assert (desk.session.summary["daily_pnl"], desk.session.summary["current_drawdown"]) == (0, 0)


# --------------------------------------------------------------------------------------------------- replays


def test_the_same_inputs_with_reports_give_the_same_orders() -> None:
    def run() -> list[SubmitOrder]:
        desk = Desk().enter().tick(2, 101.5).say(2, S.CANCELED).say(3, S.FILLED, "10", "101.4").enter(5, "SHORT")
        return [fact.order for fact in desk.session.of(OrderSubmitted)]

    assert run() == run()


# ------------------------------------------------------------------------------------- what the gate did by itself


def test_an_order_of_the_gate_is_the_exit_that_a_halt_needs() -> None:
    desk = Desk().enter()
    stop = desk.last
    by_gate = SubmitOrder(f"{BOOK}.5.A.gate.1", "A", OrderSide.SELL, D(10), "5", "gate", "HALT")
    # The core was stuck; it hears of all that at once: the stop's end, the command, the gate's order and its fill.
    desk.session.feed(
        OrderReport(stop.id, "A", stop.side, S.CANCELED, D(10), D(0), None, at(20), "v"),
        GateOrder(by_gate, at(20)),
        Command("halt", at(21)),
    )
    another = desk.last  # a stop that the gate will not have let out
    assert another.id != stop.id
    desk.session.feed(OrderReport(another.id, "A", stop.side, S.CANCELED, D(10), D(0), None, at(21), "w"))
    assert "exit" not in desk.legs
    assert by_gate.id not in desk.canceled
    report = OrderReport(by_gate.id, "A", OrderSide.SELL, S.FILLED, D(10), D(10), D(99), at(22), "v")
    desk.session.feed(report, report)
    assert desk.held == {}
    [trade] = desk.session.trades
    assert (trade.exit_reason, trade.exit_price) == ("HALT", D(99))
    assert [fact.order.leg for fact in desk.session.of(OrderSubmitted)].count("gate") == 1


def test_an_order_of_the_gate_without_news_is_looked_up() -> None:
    desk = Desk().enter()
    by_gate = SubmitOrder(f"{BOOK}.5.A.gate.1", "A", OrderSide.SELL, D(10), "5", "gate", "HALT")
    desk.session.feed(GateOrder(by_gate, at(20)), GateOrder(by_gate, at(20)))
    assert [fact.order.leg for fact in desk.session.of(OrderSubmitted)].count("gate") == 1
    desk.pass_time(30)
    assert by_gate.id in desk.looked_up
