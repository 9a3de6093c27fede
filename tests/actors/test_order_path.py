"""The order path with a broker outside: limits, time-outs, protective stops, exits, and what the gate does."""

from __future__ import annotations

import pytest

from actors.execution.policy import OrderSettings
from actors.messages import (
    Command,
    GateOrder,
    MarketHours,
    OrderChanged,
    OrderSubmitted,
    Refusal,
)
from actors.orders import (
    OrderRejected,
    OrderReport,
    OrderRole,
    OrderSide,
    SubmitOrder,
)
from pipeline.events import NEW_TIME, Gap
from pipeline.exits import time_stop
from tests.support.desk import BOOK, D, Desk, S
from tests.support.market import at, clock, quote, trade

# ---------------------------------------------------------------------------------------------------- entries


@pytest.mark.parametrize(("side", "limit"), [("LONG", "100.12"), ("SHORT", "99.89")])
def test_an_entry_never_costs_more_than_a_little_beyond_the_quote(side: str, limit: str) -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says=side))
    assert (desk.last.role, desk.last.limit, desk.last.stop, desk.last.rests) == ("entry", D(limit), None, False)
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
    assert (desk.last.role, desk.last.quantity, desk.last.reason) == ("exit", D(4), "SL")


def test_a_symbol_whose_position_is_open_is_not_free_when_an_order_of_it_ends() -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"))
    desk.say(1, S.PARTIALLY_FILLED, "4").pass_time(4).say(4, S.CANCELED, "4")
    desk.session.feed(trade(5, 100, says="LONG"))
    assert desk.session.verdicts == [None, Refusal.POSITION_OPEN]


def test_a_symbol_whose_order_works_is_not_free_when_its_position_is_closed() -> None:
    """The gate closed it; the stop that it took back is not gone yet."""
    desk = Desk().enter()
    by_gate = SubmitOrder(f"{BOOK}.5.A.gate.1", "A", OrderSide.SELL, D(10), "5", OrderRole.GATE, "HALT")
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


def test_the_stop_stays_until_there_is_a_price_to_leave_at() -> None:
    desk = Desk(exits=lambda held, market: time_stop(held, 8, market.clock)).enter(1)
    desk.session.feed(Gap(at(5), None, NEW_TIME)).feed(clock(10), clock(500))
    assert (desk.legs, desk.canceled) == (["entry", "stop"], [])
    desk.tick(501, 100.2)
    assert desk.canceled == [desk.last.id]
    desk.say(501.1, S.CANCELED)
    assert (desk.last.role, desk.last.reason) == ("exit", "TIME")


def test_an_exit_that_is_priced_anew_after_every_price_was_forgotten_leaves_a_stop_meanwhile() -> None:
    desk = Desk(exits=lambda held, market: time_stop(held, 8, market.clock)).enter(1).pass_time(9)
    desk.say(9.1, S.CANCELED, of="stop").say(9.2, S.ACCEPTED)
    assert desk.last.limit is not None
    desk.session.feed(Gap(at(9.5), None, NEW_TIME)).feed(clock(12))
    desk.say(12.1, S.CANCELED)
    assert desk.legs == ["entry", "stop", "exit", "stop"]
    desk.say(12.2, S.ACCEPTED).tick(13, 100.2).say(13.1, S.CANCELED)
    assert desk.legs[-1] == "exit"


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
    assert (short.role, short.quantity) == ("stop", D(4))
    desk.say(2, S.CANCELED, "6", of="entry")
    assert desk.canceled == [short.id]
    desk.say(2.1, S.CANCELED)
    assert (desk.last.role, desk.last.quantity) == ("stop", D(6))


def test_a_stop_for_more_than_is_held_is_replaced_by_one_for_what_is() -> None:
    """The gate closed a part: reached, the stop would sell what nobody has."""
    desk = Desk().enter()
    stop = desk.last
    by_gate = SubmitOrder(f"{BOOK}.5.A.gate.1", "A", OrderSide.SELL, D(10), "5", OrderRole.GATE, "HALT")
    part = OrderReport(by_gate.id, "A", OrderSide.SELL, S.CANCELED, D(10), D(4), D(100), at(2), "v")
    desk.session.feed(GateOrder(by_gate, at(2)), part)
    assert desk.held == {"A": D(6)}
    assert desk.canceled == [stop.id]
    desk.say(2.1, S.CANCELED, of="stop")
    assert (desk.last.role, desk.last.quantity) == ("stop", D(6))


def test_a_stop_is_replaced_when_the_position_has_become_one_of_the_other_side() -> None:
    """The gate's order was filled beyond what was held, by as much as that."""
    desk = Desk().enter()
    by_gate = SubmitOrder(f"{BOOK}.5.A.gate.1", "A", OrderSide.SELL, D(20), "5", OrderRole.GATE, "HALT")
    filled = OrderReport(by_gate.id, "A", OrderSide.SELL, S.FILLED, D(20), D(20), D(100), at(2), "v")
    desk.session.feed(GateOrder(by_gate, at(2)), filled)
    assert desk.held == {"A": D(-10)}
    desk.say(2.1, S.CANCELED, of="stop")
    assert (desk.last.role, desk.last.side, desk.last.quantity) == ("stop", OrderSide.BUY, D(10))


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
    assert (desk.last.role, desk.last.quantity) == ("exit", D(6))


def test_an_exit_that_is_wished_again_at_every_tick_ends_at_market_all_the_same() -> None:
    desk = Desk().enter().tick(2, 101.5).say(2, S.CANCELED)
    for n in range(3):
        began = 2 + n
        desk.say(began, S.ACCEPTED).tick(began + 0.5, 101.6).tick(began + 0.6, 101.7)
        desk.pass_time(began + 1).say(began + 1, S.CANCELED)
    assert (desk.last.role, desk.last.limit, desk.last.reason) == ("exit", None, "TP")


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
    assert (desk.last.role, desk.last.limit) == ("exit", None)


@pytest.mark.parametrize("command", ["flatten", "halt"])
def test_an_entry_that_fills_after_everything_was_to_be_closed_is_closed_too(command: str) -> None:
    desk = Desk()
    desk.session.feed(trade(1, 100, says="LONG"), Command(command, at(1.1)))
    desk.say(1.2, S.PARTIALLY_FILLED, "4").say(1.3, S.CANCELED, "4")
    assert (desk.last.role, desk.last.quantity, desk.last.limit) == ("exit", D(4), None)
    desk.say(1.4, S.FILLED, "4")
    desk.session.feed(Command("resume", at(2)))
    desk.enter(3)
    assert desk.held == {"A": D(10)}  # what was to be closed is closed: this one is another
    assert desk.last.role == "stop"


def test_an_exit_at_a_price_that_is_rejected_goes_at_market_next() -> None:
    desk = Desk().enter().tick(2, 101.5).say(2, S.CANCELED)
    desk.say(2, S.REJECTED).pass_time(3)
    at_a_price, at_market = (order.limit is not None for order in desk.orders if order.role == "exit")
    assert at_a_price
    assert not at_market


def test_an_exit_that_we_took_back_begins_the_waiting_again() -> None:
    desk = Desk(orders=OrderSettings(reprices=0)).enter().tick(2, 101.5).say(2, S.CANCELED)
    desk.say(2, S.ACCEPTED).pass_time(3).say(3, S.CANCELED)
    assert desk.legs.count("exit") == 2
    desk.say(3, S.REJECTED).pass_time(4).say(4, S.REJECTED).pass_time(5.9)
    assert desk.legs.count("exit") == 3
    desk.pass_time(6).say(6, S.ACCEPTED).session.feed(Command("flatten", at(6)))
    desk.session.core.executor._manager.cancel(desk.session.core.orders.working[desk.last.id])
    desk.say(6.1, S.CANCELED).say(6.2, S.REJECTED).pass_time(7.1)
    assert desk.legs.count("exit") == 5
    desk.pass_time(7.2)
    assert desk.legs.count("exit") == 6


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
    by_gate = SubmitOrder(f"{BOOK}.5.A.gate.1", "A", OrderSide.SELL, D(10), "5", OrderRole.GATE, "HALT")
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
    assert [fact.order.role for fact in desk.session.of(OrderSubmitted)].count(OrderRole.GATE) == 1


def test_an_order_of_the_gate_without_news_is_looked_up() -> None:
    desk = Desk().enter()
    by_gate = SubmitOrder(f"{BOOK}.5.A.gate.1", "A", OrderSide.SELL, D(10), "5", OrderRole.GATE, "HALT")
    desk.session.feed(GateOrder(by_gate, at(20)), GateOrder(by_gate, at(20)))
    assert [fact.order.role for fact in desk.session.of(OrderSubmitted)].count(OrderRole.GATE) == 1
    desk.pass_time(30)
    assert by_gate.id in desk.looked_up
