"""Orders against a displayed market, without a socket and without a clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from mock_exchange.events import SECOND, Quote, Trade
from mock_exchange.venue.account import Account
from mock_exchange.venue.ids import Ids
from mock_exchange.venue.matching import Matching
from mock_exchange.venue.money import CENT, DOLLAR, SHARE
from mock_exchange.venue.orders import (
    OPEN,
    TRANSITIONS,
    Change,
    Kind,
    Order,
    OrderClass,
    OrderRequest,
    Reason,
    Refusal,
    Replacement,
    Side,
    Status,
    TimeInForce,
    Update,
)
from mock_exchange.venue.registry import ImpossibleChange, Registry

START = 1_767_623_400 * SECOND
CASH = 100_000 * DOLLAR * SHARE


class Venue:
    """A venue with one stock and short words for what happens there."""

    def __init__(self, cash: int = CASH) -> None:
        self.ts = START
        self.venue = Matching(["AAPL"], ["ann", "bob"], cash, Ids("test"), START)
        self.updates: list[Update] = []
        self.quote(100.00, 100.02)

    def quote(self, bid: float, ask: float, bid_size: int = 1_000, ask_size: int = 1_000) -> None:
        self.ts += SECOND
        self.venue.apply(Quote("AAPL", self.ts, bid, ask, bid_size, ask_size))
        self.updates += self.venue.orders.take_updates()

    def trade(self, price: float, size: int = 1) -> None:
        self.ts += SECOND
        self.venue.apply(Trade("AAPL", self.ts, price, size, price, price, 1))
        self.updates += self.venue.orders.take_updates()

    def ask_for(self, side: Side, qty: float, account: str = "ann", **words: Any) -> Order | Refusal:
        for name in ("limit", "stop", "trail", "target", "stop_loss", "stop_loss_limit"):
            if name in words:
                words[name] = round(words[name] * DOLLAR)
        if "kind" not in words and "limit" in words:
            words["kind"] = Kind.LIMIT
        request = OrderRequest(symbol="AAPL", side=side, qty=round(qty * SHARE), **words)
        answer = self.venue.submit(account, request, self.ts)
        self.updates += self.venue.orders.take_updates()
        return answer

    def buy(self, qty: float, account: str = "ann", **words: Any) -> Order:
        order = self.ask_for(Side.BUY, qty, account, **words)
        assert isinstance(order, Order), order
        return order

    def sell(self, qty: float, account: str = "ann", **words: Any) -> Order:
        order = self.ask_for(Side.SELL, qty, account, **words)
        assert isinstance(order, Order), order
        return order

    def refused(self, side: Side, qty: float, **words: Any) -> Refusal:
        refusal = self.ask_for(side, qty, **words)
        assert isinstance(refusal, Refusal), refusal
        return refusal

    def now(self, order: Order) -> Order:
        return self.venue.orders[order.id]

    def legs(self, order: Order) -> list[Order]:
        return list(self.venue.orders.legs(self.now(order)))

    def cancel(self, order: Order) -> Order | Refusal:
        answer = self.venue.cancel(order.account, order.id, self.ts)
        self.updates += self.venue.orders.take_updates()
        return answer

    def replace(self, order: Order, **words: Any) -> Order | Refusal:
        answer = self.venue.replace(order.account, order.id, Replacement(**words), self.ts)
        self.updates += self.venue.orders.take_updates()
        return answer

    def fills(self, account: str = "ann") -> list[tuple[str, float, float]]:
        return [
            (update.order.side.value, (update.qty or 0) / SHARE, (update.price or 0) / DOLLAR)
            for update in self.updates
            if update.price is not None and update.order.account == account
        ]

    def changes(self, order: Order) -> list[str]:
        return [update.change.value for update in self.updates if update.order.id == order.id]


# -- kinds of orders --------------------------------------------------------------------------------------------------


def test_a_market_order_is_filled_at_the_other_side_of_the_quote() -> None:
    venue = Venue()
    order = venue.buy(10)
    assert order.status is Status.PENDING_NEW
    assert venue.changes(order) == ["new", "fill"]
    assert venue.fills() == [("buy", 10, 100.02)]
    venue.sell(10)
    assert venue.fills()[-1] == ("sell", 10, 100.0)


def test_a_large_order_takes_what_is_displayed_once_and_waits_for_the_next_quote() -> None:
    venue = Venue()
    venue.quote(100.00, 100.02, ask_size=300)
    order = venue.buy(700)
    assert venue.now(order).status is Status.PARTIALLY_FILLED
    venue.trade(100.01)
    assert venue.now(order).filled == 300 * SHARE
    venue.quote(100.00, 100.05, ask_size=300)
    venue.quote(100.00, 100.04, ask_size=300)
    assert venue.fills() == [("buy", 300, 100.02), ("buy", 300, 100.05), ("buy", 100, 100.04)]
    assert venue.changes(order) == ["new", "partial_fill", "partial_fill", "fill"]


def test_what_others_take_at_the_quote_is_displayed_no_more() -> None:
    venue = Venue()
    venue.quote(100.00, 100.02, ask_size=300)
    venue.trade(100.02, size=250)
    venue.buy(100)
    assert venue.fills() == [("buy", 50, 100.02)]


def test_a_limit_order_waits_for_its_price_and_gets_a_better_one_if_there_is_one() -> None:
    venue = Venue()
    order = venue.buy(10, limit=99.99)
    assert venue.changes(order) == ["new"]
    venue.quote(99.96, 99.98)
    assert venue.fills() == [("buy", 10, 99.98)]


def test_a_stop_is_reached_by_a_trade_and_filled_like_a_market_order() -> None:
    venue = Venue()
    venue.buy(10)
    stop = venue.sell(10, kind=Kind.STOP, stop=99.50)
    venue.quote(99.40, 99.42)
    assert venue.now(stop).filled == 0
    venue.trade(99.45)
    assert venue.fills()[-1] == ("sell", 10, 99.40)


def test_a_stop_limit_that_is_reached_still_waits_for_its_limit() -> None:
    venue = Venue()
    order = venue.buy(10, kind=Kind.STOP_LIMIT, stop=100.50, limit=100.55)
    venue.trade(100.50)
    assert venue.fills() == [("buy", 10, 100.02)]
    late = venue.buy(10, kind=Kind.STOP_LIMIT, stop=101.00, limit=101.05)
    venue.quote(101.10, 101.12)
    venue.trade(101.11)
    assert venue.now(late).status is Status.NEW
    venue.quote(101.00, 101.04)
    assert venue.now(late).status is Status.FILLED
    assert venue.now(order).status is Status.FILLED


def test_a_trailing_stop_follows_the_best_price_and_never_goes_back() -> None:
    venue = Venue()
    venue.trade(100.00)
    venue.buy(10)
    trailing = venue.sell(10, kind=Kind.TRAILING_STOP, trail=0.50)
    venue.trade(101.00)
    venue.trade(100.60)
    assert (venue.now(trailing).best, venue.now(trailing).stop) == (101 * DOLLAR, 1_005_000)
    venue.trade(100.50)
    assert venue.now(trailing).status is Status.FILLED


def test_a_trailing_stop_may_trail_by_percent() -> None:
    venue = Venue()
    venue.trade(100.00)
    trailing = venue.buy(10, kind=Kind.TRAILING_STOP, trail_bp=100)
    venue.trade(90.00)
    assert venue.now(trailing).stop == 909_000
    venue.trade(90.90)
    assert venue.now(trailing).status is Status.FILLED


# -- how long ---------------------------------------------------------------------------------------------------------


def test_immediate_or_cancel_takes_what_is_there_and_cancels_the_rest() -> None:
    venue = Venue()
    venue.quote(100.00, 100.02, ask_size=300)
    order = venue.buy(500, time_in_force=TimeInForce.IOC)
    assert venue.changes(order) == ["new", "partial_fill", "canceled"]
    assert venue.now(order).filled == 300 * SHARE


@pytest.mark.parametrize(("qty", "changes"), [(300, ["new", "fill"]), (301, ["new", "canceled"])])
def test_fill_or_kill_takes_all_or_nothing(qty: int, changes: list[str]) -> None:
    venue = Venue()
    venue.quote(100.00, 100.02, ask_size=300)
    assert venue.changes(venue.buy(qty, time_in_force=TimeInForce.FOK)) == changes


def test_a_day_order_expires_at_the_end_of_the_day_and_one_without_end_stays() -> None:
    venue = Venue()
    day, stays = venue.buy(10, limit=99.0), venue.buy(10, limit=99.0, time_in_force=TimeInForce.GTC)
    venue.ts = venue.venue.day_end - SECOND
    venue.quote(100.00, 100.02)
    assert venue.now(day).status is Status.EXPIRED
    assert venue.now(stays).status is Status.NEW


def test_equity_and_maintenance_at_the_day_s_end_are_noted_and_today_s_loss_counts_at_once() -> None:
    venue = Venue()
    venue.buy(1_000)
    ann = venue.venue.accounts["ann"]
    venue.trade(10.00)
    assert (ann.last_equity, ann.multiplier(venue.venue.prices)) == (CASH, 4)  # $9,980 carry four times as much
    venue.ts = venue.venue.day_end - SECOND
    venue.quote(9.99, 10.00)
    assert ann.last_equity == CASH - 1_000 * SHARE * 900_200
    assert ann.last_maintenance == 1_000 * SHARE * 100_000 * 30 // 100
    venue.trade(2.00)
    assert ann.multiplier(venue.venue.prices) == 1  # $1,980


@pytest.mark.parametrize(
    ("shares", "price", "percent"),
    [
        (100, 2.49, 100),
        (100, 2.50, 50),
        (100, 6.00, 50),
        (100, 6.01, 30),
        (-100, 2.00, 125),  # $2.50 a share
        (-100, 4.00, 100),
        (-100, 10.00, 50),  # $5.00 a share
        (-100, 100.00, 30),
    ],
)
def test_maintenance_margin_is_by_price_and_side(shares: int, price: float, percent: int) -> None:
    account = Account("ann", CASH)
    points = round(price * DOLLAR)
    account.execute("AAPL", shares * SHARE, points)
    assert account.maintenance({"AAPL": points}) == abs(shares) * SHARE * points * percent // 100


@pytest.mark.parametrize(("dollars", "multiplier"), [(1_999, 1), (2_000, 4), (24_999, 4), (25_000, 4)])
def test_from_two_thousand_dollars_on_four_times_as_much_is_carried(dollars: int, multiplier: int) -> None:
    account = Account("ann", dollars * DOLLAR * SHARE)
    assert account.multiplier({}) == multiplier
    assert account.buying_power({}) == multiplier * account.cash
    account.overnight = True
    assert account.buying_power({}) == min(2, multiplier) * account.cash


# -- priority ---------------------------------------------------------------------------------------------------------


def test_who_pays_more_comes_first_then_who_came_first() -> None:
    venue = Venue()
    low = venue.buy(100, limit=99.90)
    high = venue.buy(100, "bob", limit=99.95)
    second = venue.buy(100, limit=99.95)
    venue.quote(99.88, 99.90, ask_size=250)
    assert [venue.now(order).filled // SHARE for order in (high, second, low)] == [100, 100, 50]


# -- orders of several parts ------------------------------------------------------------------------------------------


def a_bracket(venue: Venue, qty: int = 10, **words: Any) -> Order:
    return venue.buy(qty, order_class=OrderClass.BRACKET, target=101.0, stop_loss=99.0, **words)


def test_the_legs_of_a_bracket_wait_for_the_entry() -> None:
    venue = Venue()
    entry = a_bracket(venue, limit=99.90)
    assert [leg.status for leg in venue.legs(entry)] == [Status.HELD, Status.HELD]
    venue.quote(99.88, 99.90)
    assert [leg.status for leg in venue.legs(entry)] == [Status.NEW, Status.NEW]


def test_the_target_that_is_filled_cancels_the_stop() -> None:
    venue = Venue()
    entry = a_bracket(venue)
    venue.quote(101.01, 101.03)
    target, stop = venue.legs(entry)
    assert (target.status, stop.status) == (Status.FILLED, Status.CANCELED)
    assert venue.fills() == [("buy", 10, 100.02), ("sell", 10, 101.01)]


def test_the_stop_that_is_filled_cancels_the_target() -> None:
    venue = Venue()
    entry = a_bracket(venue)
    venue.quote(98.90, 98.92)
    venue.trade(98.91)
    target, stop = venue.legs(entry)
    assert (target.status, stop.status) == (Status.CANCELED, Status.FILLED)
    assert venue.venue.accounts["ann"].positions == {}


def test_a_leg_that_is_partly_filled_leaves_the_other_as_much() -> None:
    venue = Venue()
    entry = a_bracket(venue, 100)
    venue.quote(101.00, 101.02, bid_size=30)
    target, stop = venue.legs(entry)
    assert (target.filled, stop.left) == (30 * SHARE, 70 * SHARE)


def test_an_entry_canceled_while_partly_filled_leaves_legs_for_what_was_filled() -> None:
    venue = Venue()
    venue.venue.legs_for_parts = True
    venue.quote(100.00, 100.02, ask_size=30)
    entry = a_bracket(venue, 100)
    venue.cancel(entry)
    assert [(leg.status, leg.qty // SHARE) for leg in venue.legs(entry)] == [(Status.NEW, 30), (Status.NEW, 30)]


def test_an_entry_canceled_before_it_was_filled_takes_its_legs_along() -> None:
    venue = Venue()
    entry = a_bracket(venue, limit=99.90)
    venue.cancel(entry)
    assert [leg.status for leg in venue.legs(entry)] == [Status.CANCELED, Status.CANCELED]


def test_a_leg_that_is_canceled_takes_the_other_along() -> None:
    venue = Venue()
    target, stop = venue.legs(a_bracket(venue))
    venue.cancel(target)
    assert venue.now(stop).status is Status.CANCELED


def test_one_cancels_the_other_closes_a_position_once() -> None:
    venue = Venue()
    venue.buy(10)
    oco = venue.sell(10, limit=101.0, order_class=OrderClass.OCO, target=101.0, stop_loss=99.0)
    (stop,) = venue.legs(oco)
    assert (venue.now(oco).status, stop.status) == (Status.NEW, Status.NEW)
    venue.trade(98.99)
    assert (venue.now(oco).status, venue.now(stop).status) == (Status.CANCELED, Status.FILLED)


def test_one_triggers_the_other() -> None:
    venue = Venue()
    (stop,) = venue.legs(venue.buy(10, order_class=OrderClass.OTO, stop_loss=99.0))
    assert stop.status is Status.NEW
    assert venue.refused(Side.SELL, 1).reason is Reason.INSUFFICIENT_SHARES  # the stop holds them


# -- replacing and canceling ------------------------------------------------------------------------------------------


def test_a_replaced_order_is_a_new_one_for_what_is_left_and_goes_to_the_end_of_the_queue() -> None:
    venue = Venue()
    first = venue.buy(100, limit=99.90)
    second = venue.buy(100, limit=99.90)
    venue.quote(99.88, 99.90, ask_size=40)
    new = venue.replace(first, time_in_force=TimeInForce.GTC)
    assert isinstance(new, Order)
    assert (new.qty, new.replaces, venue.now(first).replaced_by) == (60 * SHARE, first.id, new.id)
    assert venue.changes(first) == ["new", "partial_fill", "replaced"]
    venue.quote(99.88, 99.90, ask_size=100)
    assert (venue.now(second).filled, venue.now(new).filled) == (100 * SHARE, 0)


def test_a_leg_can_be_moved_and_keeps_its_relatives() -> None:
    venue = Venue()
    entry = a_bracket(venue)
    target, stop = venue.legs(entry)
    moved = venue.replace(stop, stop=995_000)
    assert isinstance(moved, Order)
    venue.trade(99.50)
    assert venue.now(moved).status is Status.FILLED
    assert venue.now(target).status is Status.CANCELED


def test_what_has_ended_can_be_neither_canceled_nor_replaced() -> None:
    venue = Venue()
    order = venue.buy(10)
    told = 'order is already in "filled" state', "unable to replace order in current state"
    for refusal, message in zip((venue.cancel(order), venue.replace(order, limit=DOLLAR)), told, strict=True):
        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.NOT_OPEN
        assert refusal.message == message


def test_another_account_s_order_is_not_found() -> None:
    venue = Venue()
    order = venue.buy(10, limit=99.0)
    refusal = venue.venue.cancel("bob", order.id, venue.ts)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.ORDER_NOT_FOUND


def test_a_rejected_order_is_taken_first() -> None:
    venue = Venue()
    order = venue.venue.submit("ann", OrderRequest(symbol="AAPL", side=Side.BUY, qty=SHARE), venue.ts, reject=True)
    assert isinstance(order, Order)
    assert [update.change for update in venue.venue.orders.take_updates()] == [Change.REJECTED]


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"qty": 0}, "qty must be > 0"),
        ({"kind": Kind.LIMIT}, "limit orders require limit_price"),
        ({"kind": Kind.STOP}, "stop orders require stop_price"),
        ({"kind": Kind.MARKET, "limit": 100.0}, "market orders must not have limit_price"),
        ({"kind": Kind.TRAILING_STOP}, "trailing_stop orders require one of trail_price and trail_percent"),
        ({"limit": 100.005}, "sub-penny increment"),
        ({"limit": -1.0}, "limit_price must be > 0"),
        ({"kind": Kind.STOP, "stop": 1.0, "time_in_force": TimeInForce.IOC}, "ioc is for market and limit orders"),
        ({"extended_hours": True}, "extended hours order must be DAY or GTC limit orders"),
        ({"target": 101.0}, "take_profit and stop_loss need an order_class"),
        ({"order_class": OrderClass.BRACKET, "target": 101.0}, "bracket orders require"),
        ({"order_class": OrderClass.OTO}, "oto orders require either"),
        ({"order_class": OrderClass.BRACKET, "target": 99.0, "stop_loss": 98.0}, "take_profit.limit_price must be >="),
        ({"order_class": OrderClass.BRACKET, "target": 102.0, "stop_loss": 101.0}, "stop_loss.stop_price must be <="),
        ({"client_order_id": "x" * 129}, "client_order_id must be no more than 128 characters"),
    ],
)
def test_a_malformed_order_is_refused_with_a_reason(words: dict[str, Any], message: str) -> None:
    refusal = Venue().refused(Side.BUY, **({"qty": 1} | words))
    assert refusal.reason is (Reason.BAD_WORD if "kind" in words and " require" in message else Reason.BAD_VALUE)
    assert message in refusal.message


def test_below_a_dollar_prices_are_finer() -> None:
    venue = Venue()
    assert venue.now(venue.buy(1, limit=0.1234)).limit == 1_234


def test_a_client_order_id_is_taken_once() -> None:
    venue = Venue()
    venue.buy(1, client_order_id="mine")
    assert venue.refused(Side.BUY, 1, client_order_id="mine").reason is Reason.DUPLICATE_CLIENT_ORDER_ID
    venue.buy(1, "bob", client_order_id="mine")


def test_a_position_cannot_be_sold_twice_nor_turned_over() -> None:
    venue = Venue()
    venue.buy(10)
    venue.sell(6, limit=105.0)
    refusal = venue.refused(Side.SELL, 5)
    assert refusal.message == "insufficient qty available for order (requested: 5, available: 4)"
    assert refusal.details == {"available": "4", "existing_qty": "10", "held_for_orders": "6", "symbol": "AAPL"}
    venue.sell(4)


def test_four_times_the_equity_buys_and_not_a_cent_more() -> None:
    venue = Venue()
    venue.buy(3_999, limit=100.00, time_in_force=TimeInForce.GTC)
    refusal = venue.refused(Side.BUY, 2, limit=99.99)
    assert refusal.reason is Reason.INSUFFICIENT_BUYING_POWER
    assert refusal.details == {"buying_power": "100", "cost_basis": "199.98"}
    venue.buy(1, limit=100.00)


def test_a_canceled_order_gives_its_buying_power_back() -> None:
    venue = Venue()
    venue.cancel(venue.buy(4_000, limit=100.00))
    venue.buy(4_000, limit=100.00)


def test_a_small_account_neither_borrows_nor_sells_short() -> None:
    venue = Venue(cash=1_999 * DOLLAR * SHARE)
    assert venue.refused(Side.BUY, 20, limit=100.0).reason is Reason.INSUFFICIENT_BUYING_POWER
    assert venue.refused(Side.SELL, 1).message == "account is not allowed to short"
    venue.buy(19, limit=100.0)


# -- the books --------------------------------------------------------------------------------------------------------


def test_a_short_sale_earns_when_the_price_falls() -> None:
    venue = Venue()
    venue.sell(10)
    assert venue.venue.accounts["ann"].qty("AAPL") == -10 * SHARE
    venue.quote(98.98, 99.00)
    closing = venue.venue.close("ann", "AAPL", None, venue.ts)
    assert isinstance(closing, Order)
    account = venue.venue.accounts["ann"]
    assert (account.positions, account.cash, account.realized) == ({}, CASH + 10 * DOLLAR * SHARE, 10 * DOLLAR * SHARE)


def test_there_is_nothing_to_close_without_a_position() -> None:
    venue = Venue()
    refusal = venue.venue.close("ann", "AAPL", None, venue.ts)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.POSITION_NOT_FOUND


def test_what_the_table_does_not_list_cannot_happen() -> None:
    venue = Venue()
    order = venue.now(venue.buy(10))
    with pytest.raises(ImpossibleChange, match="is filled, it cannot be canceled"):
        venue.venue.orders.change(order, Change.CANCELED, venue.ts)


def test_the_oldest_ended_orders_are_forgotten() -> None:
    venue = Venue()
    venue.venue.orders = Registry(venue.venue.accounts, Ids("small"), most_ended=3)
    orders = [venue.buy(1, client_order_id=f"{number}") for number in range(5)]
    assert isinstance(venue.venue.orders.find("ann", orders[0].id), Refusal)
    assert venue.now(orders[4]).filled == SHARE
    venue.buy(1, client_order_id="0")


STEPS = st.one_of(
    st.tuples(st.just("quote"), st.integers(9_000, 11_000), st.integers(0, 5), st.integers(0, 60)),
    st.tuples(st.just("trade"), st.integers(9_000, 11_000), st.integers(1, 50)),
    st.tuples(
        st.just("order"),
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(list(Side)),
        st.integers(1, 90),
        st.sampled_from(list(Kind)),
        st.sampled_from(list(TimeInForce)),
        st.integers(9_000, 11_000),
        st.sampled_from(list(OrderClass)),
    ),
    st.tuples(
        st.sampled_from(["part", "money"]),
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(list(Side)),
        st.integers(1, 50_000_000_000),
        st.none() | st.integers(9_000, 11_000),
    ),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("replace"), st.integers(0, 30), st.integers(9_000, 11_000)),
    st.tuples(st.just("close"), st.sampled_from(["ann", "bob"])),
    st.tuples(st.just("day")),
    st.tuples(st.just("season")),
)


def play(venue: Venue, step: tuple[Any, ...], seen: list[Order]) -> None:
    """Do one of the steps; whatever is refused does nothing."""
    match step:
        case ("quote", cents, spread, size):
            venue.quote(cents / 100, (cents + spread) / 100, size, size)
        case ("trade", cents, size):
            venue.trade(cents / 100, size)
        case ("order", account, side, qty, kind, time_in_force, cents, order_class):
            price = cents / 100
            sign = 1 if (side is Side.BUY) is (order_class is not OrderClass.OCO) else -1
            words: dict[str, Any] = {"kind": kind, "time_in_force": time_in_force, "order_class": order_class}
            if kind in (Kind.LIMIT, Kind.STOP_LIMIT):
                words["limit"] = price
            if kind in (Kind.STOP, Kind.STOP_LIMIT):
                words["stop"] = price
            if kind is Kind.TRAILING_STOP:
                words["trail"] = 0.5
            if order_class is not OrderClass.SIMPLE:
                words["stop_loss"] = price - sign
            if order_class in (OrderClass.BRACKET, OrderClass.OCO):
                words["target"] = price + sign
            answer = venue.ask_for(side, qty, account, **words)
            if isinstance(answer, Order):
                seen += [answer, *venue.legs(answer)]
        case ("part" | "money" as size, account, side, billionths, cents):
            size_and_limit: dict[str, Any] = {} if cents is None else {"limit": cents / 100}
            if size == "money":  # from a dollar to five thousand and one
                size_and_limit["notional"] = (100 + billionths // 100_000) * CENT * SHARE
            answer = venue.ask_for(side, 0 if size == "money" else billionths / SHARE, account, **size_and_limit)
            if isinstance(answer, Order):
                seen.append(answer)
        case ("cancel", place) if place < len(seen):
            venue.cancel(seen[place])
        case ("replace", place, cents) if place < len(seen):
            limited = seen[place].limit is not None
            changed = venue.replace(seen[place], **{"limit" if limited else "stop": cents * 100})
            if isinstance(changed, Order):
                seen.append(changed)
        case ("close", account):
            venue.venue.close(account, "AAPL", None, venue.ts)
            venue.updates += venue.venue.orders.take_updates()
        case ("day" | "season" as span,):  # after a season, what is good until canceled is canceled
            venue.ts = venue.venue.day_end + (91 * 86_400 * SECOND if span == "season" else 0)
            venue.venue.roll(venue.ts)
            venue.updates += venue.venue.orders.take_updates()


def check(venue: Venue) -> None:
    """Nothing is lost, nothing appears, and what is set aside is what working orders need."""
    for name, account in venue.venue.accounts.items():
        fills = [it for it in venue.updates if it.price is not None and it.order.account == name]
        signed = [((it.qty or 0) if it.order.side is Side.BUY else -(it.qty or 0), it.price or 0) for it in fills]
        assert account.qty("AAPL") == sum(qty for qty, _ in signed)
        assert account.cash == CASH - sum(qty * price for qty, price in signed) - account.fees
        assert account.fees == sum(charge.amount for charge in venue.venue.fees.charges(name))
        cost = sum(position.cost for position in account.positions.values())
        assert account.cash + cost == CASH + account.realized - account.fees
        assert account.qty("AAPL") * cost >= 0
        open_orders = venue.venue.orders.open_orders(name)
        working = [order for order in open_orders if order.status is not Status.HELD]
        assert account.reserved == sum(order.reserve * order.left for order in working)
        assert account.held.get("AAPL", 0) == sum(order.left for order in working if order.holds)
        for order in venue.venue.orders.every(name, newest_first=False):
            executed = [it for it in fills if it.order.id == order.id]
            assert order.filled == sum(it.qty or 0 for it in executed) <= order.qty
            assert order.paid == sum((it.qty or 0) * (it.price or 0) for it in executed)
            assert (order.status in OPEN) == (order in open_orders)
            if order.notional is not None:
                assert order.paid <= order.notional + max((it.price or 0 for it in executed), default=0)
                assert order.time_in_force is TimeInForce.DAY
            elif order.qty % SHARE == 0:
                assert all((it.qty or 0) % SHARE == 0 for it in executed)
            if order.limit is not None:
                sign = 1 if order.side is Side.BUY else -1
                assert all(sign * (it.price or 0) <= sign * order.limit for it in executed)


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=40))
def test_quantity_and_cash_are_conserved_whatever_happens(steps: list[tuple[Any, ...]]) -> None:
    venue = Venue()
    seen: list[Order] = []
    for step in steps:
        play(venue, step, seen)
        check(venue)


@settings(max_examples=50)
@given(st.lists(STEPS, max_size=40))
def test_updates_follow_the_table_and_the_same_steps_give_the_same_updates(steps: list[tuple[Any, ...]]) -> None:
    floors = [Venue(), Venue()]
    for venue in floors:
        seen: list[Order] = []
        for step in steps:
            play(venue, step, seen)
    assert floors[0].updates == floors[1].updates
    statuses: dict[str, Status] = {}
    for update in floors[0].updates:
        before = statuses.get(update.order.id, Status.HELD if update.order.parent else Status.PENDING_NEW)
        assert TRANSITIONS[before][update.change] is update.order.status
        statuses[update.order.id] = update.order.status
    executions = [update.execution_id for update in floors[0].updates]
    assert len(executions) == len(set(executions))


@settings(max_examples=50)
@given(st.integers(0, 500), st.lists(st.integers(1, 200), min_size=1, max_size=8))
def test_no_more_is_filled_than_was_displayed(displayed: int, wanted: list[int]) -> None:
    venue = Venue()
    venue.quote(100.00, 100.02, ask_size=displayed)
    for place, qty in enumerate(wanted):
        venue.buy(qty, ("ann", "bob")[place % 2])
    assert sum(qty for name in ("ann", "bob") for _, qty, _ in venue.fills(name)) == min(displayed, sum(wanted))


# -- wash trades ------------------------------------------------------------------------------------------------------

BUY_FAR, SELL_FAR = {"limit": 90.0}, {"limit": 110.0}


@pytest.mark.parametrize(
    ("resting", "wanted", "reason"),
    [
        (SELL_FAR, {}, "limit"),
        (SELL_FAR, {"limit": 110.0}, "limit"),
        (SELL_FAR, {"limit": 111.0}, "limit"),
        (SELL_FAR, {"limit": 109.99}, None),
        (SELL_FAR, {"kind": Kind.STOP, "stop": 105.0}, "limit"),
        (SELL_FAR, {"kind": Kind.STOP_LIMIT, "stop": 105.0, "limit": 106.0}, None),
        ({"kind": Kind.STOP, "stop": 90.0}, {"limit": 50.0}, "market/stop"),
        ({"kind": Kind.TRAILING_STOP, "trail": 20.0}, {"limit": 50.0}, None),
        (SELL_FAR, {"kind": Kind.TRAILING_STOP, "trail": 1.0}, None),
        ({"kind": Kind.STOP_LIMIT, "stop": 90.0, "limit": 89.0}, {"limit": 50.0}, None),
    ],
)
def test_a_buy_that_could_meet_a_sale_of_its_account_is_refused(
    resting: dict[str, Any], wanted: dict[str, Any], reason: str | None
) -> None:
    venue = Venue()
    other = venue.sell(5, **resting)
    answer = venue.ask_for(Side.BUY, 5, **wanted)
    if reason is None:
        assert isinstance(answer, Order)
    else:
        details = {"existing_order_id": other.id, "reject_reason": f"opposite side {reason} order exists"}
        assert answer == Refusal(Reason.WASH_TRADE, "potential wash trade detected. use complex orders", details)
    assert isinstance(venue.ask_for(Side.BUY, 5, "bob", **wanted), Order)  # of another account it is none


def test_a_sale_that_could_meet_a_buy_of_its_account_is_refused_until_that_has_ended() -> None:
    venue = Venue()
    other = venue.buy(5, limit=90.0)
    assert venue.refused(Side.SELL, 5).reason is Reason.WASH_TRADE
    assert venue.refused(Side.SELL, 5, limit=90.0).reason is Reason.WASH_TRADE
    kept = venue.sell(5, limit=90.01)
    assert venue.now(kept).status is Status.FILLED
    venue.cancel(other)
    venue.sell(5)


def test_complex_orders_are_not_taken_for_wash_trades_but_their_legs_stand_in_the_way_of_others() -> None:
    venue = Venue()
    venue.buy(5, limit=90.0)
    venue.buy(5, order_class=OrderClass.BRACKET, target=110.0, stop_loss=95.0)
    assert venue.refused(Side.BUY, 1).reason is Reason.WASH_TRADE


def test_a_replacement_is_no_way_around_it() -> None:
    venue = Venue()
    venue.sell(5, limit=110.0)
    bid = venue.buy(5, limit=90.0)
    refusal = venue.replace(bid, limit=110 * DOLLAR)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.WASH_TRADE
    assert isinstance(venue.replace(bid, limit=91 * DOLLAR), Order)


# ------------------------------------------------------------------------------------------- slow and worse fills


def test_worse_fills_are_worse_than_the_quote_and_never_beyond_the_limit() -> None:
    v = Venue()
    v.venue.worse_bps = 10.0
    bought, capped = v.buy(1), v.buy(1, limit=100.05)
    sold = v.sell(2)
    paid = {order.id: v.venue.orders[order.id].paid // v.venue.orders[order.id].filled for order in (bought, capped)}
    assert paid == {bought.id: round(100.02 * 1.001 * DOLLAR), capped.id: round(100.05 * DOLLAR)}
    assert v.venue.orders[sold.id].paid // (2 * SHARE) == round(100.00 * 0.999 * DOLLAR)


def test_a_slow_order_is_filled_at_the_quote_that_it_meets() -> None:
    v = Venue()
    v.venue.order_delay_ns = 3 * SECOND // 2
    slow = v.buy(1)
    assert v.venue.orders[slow.id].status is Status.NEW
    v.quote(101.00, 101.02)
    assert v.venue.orders[slow.id].filled == 0
    v.quote(102.00, 102.02)  # half a second too late for it
    found = v.venue.orders[slow.id]
    assert found.status is Status.FILLED
    assert found.paid == round(101.02 * DOLLAR) * SHARE
    assert [update.ts for update in v.updates if update.change is Change.FILL] == [START + 5 * SECOND // 2]


def test_a_slow_order_that_is_canceled_on_its_way_never_arrives() -> None:
    v = Venue()
    v.venue.order_delay_ns = SECOND // 2
    slow = v.buy(1)
    v.venue.cancel("ann", slow.id, v.ts)
    v.quote(100.00, 100.02)
    assert v.venue.orders[slow.id].status is Status.CANCELED
    assert v.venue.orders[slow.id].filled == 0
