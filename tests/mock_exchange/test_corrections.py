"""Executions that are undone or changed, splits, brackets that end half filled, and what is told of orders beside."""

from __future__ import annotations

import asyncio
import json
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, strategies as st

from mock_exchange import interventions
from mock_exchange.alpaca.schema import report
from mock_exchange.broadcast import Broadcast
from mock_exchange.events import SECOND, Event, Quote, Trade
from mock_exchange.exchange import Exchange
from mock_exchange.faults import Faults
from mock_exchange.prints import Undone
from mock_exchange.settings import ExchangeSettings
from mock_exchange.venue import corrections
from mock_exchange.venue.account import Position
from mock_exchange.venue.money import DOLLAR, SHARE
from mock_exchange.venue.orders import Change, Order, OrderRequest, Refusal, Replacement, Side, Status, Update
from mock_exchange.venue.splits import OpenOrders
from mock_exchange.venue_state import VenueState
from tests.mock_exchange.test_matching import CASH, START, Venue, a_bracket
from tests.mock_exchange.test_server_alpaca import BUY, a_venue


def execution(venue: Venue, number: int = -1) -> str:
    return [update for update in venue.updates if update.price is not None][number].execution_id


def undo(venue: Venue, number: int = -1, qty: float = 0, price: float | None = None) -> Update:
    at = None if price is None else round(price * DOLLAR)
    done = corrections.revise(venue.venue, execution(venue, number), venue.ts, qty=round(qty * SHARE), price=at)
    venue.updates += venue.venue.orders.take_updates()
    return done


def test_a_bust_gives_back_shares_and_money_and_its_order_has_filled_less() -> None:
    venue = Venue()
    order = venue.buy(10)
    told = undo(venue)
    account = venue.venue.accounts["ann"]
    assert (account.cash, account.positions, account.realized) == (CASH, {}, 0)
    assert (venue.now(order).status, venue.now(order).filled, venue.now(order).paid) == (Status.FILLED, 0, 0)
    assert (told.change, told.qty, told.position_qty) == (Change.TRADE_BUST, -10 * SHARE, 0)
    assert told.previous_execution_id == execution(venue)


def test_a_bust_of_an_exit_brings_the_position_back() -> None:
    venue = Venue()
    venue.buy(10)
    venue.sell(10)
    undo(venue)
    assert venue.venue.accounts["ann"].qty("AAPL") == 10 * SHARE


def test_a_bust_of_an_entry_that_was_sold_leaves_the_shares_owed() -> None:
    venue = Venue()
    venue.buy(10)
    venue.sell(10)
    undo(venue, 0)
    assert venue.venue.accounts["ann"].qty("AAPL") == -10 * SHARE


def test_an_order_that_works_is_worked_on_for_what_was_undone() -> None:
    venue = Venue()
    venue.quote(100.00, 100.02, ask_size=4)
    order = venue.buy(10)
    undo(venue)
    assert (venue.now(order).status, venue.now(order).left) == (Status.NEW, 10 * SHARE)
    venue.quote(100.00, 100.02)
    assert (venue.now(order).status, venue.venue.accounts["ann"].qty("AAPL")) == (Status.FILLED, 10 * SHARE)
    assert venue.venue.accounts["ann"].reserved == 0


def test_a_correction_changes_price_and_quantity_and_can_be_corrected_again() -> None:
    venue = Venue()
    order = venue.buy(10)
    undo(venue, qty=8, price=100.10)
    assert (venue.now(order).filled, venue.now(order).paid) == (8 * SHARE, 8 * SHARE * 1_001_000)
    assert CASH - venue.venue.accounts["ann"].cash == 8 * SHARE * 1_001_000
    venue.updates += [update for update in venue.venue.orders.executions("ann") if update not in venue.updates]
    undo(venue)
    assert venue.venue.accounts["ann"].cash == CASH


def test_an_execution_is_undone_once_and_none_that_is_not_there_or_has_legs() -> None:
    venue = Venue()
    venue.buy(10)
    undo(venue)
    with pytest.raises(ValueError, match="already"):
        undo(venue)
    with pytest.raises(ValueError, match="no execution 'nobody'"):
        corrections.revise(venue.venue, "nobody", venue.ts)
    venue.buy(10)
    with pytest.raises(ValueError, match="at most"):
        undo(venue, qty=11)
    a_bracket(venue)
    with pytest.raises(ValueError, match="legs"):
        undo(venue)


def test_what_is_undone_costs_no_fees_and_what_is_changed_those_of_the_change() -> None:
    venue, other = Venue(), Venue()
    for it, qty in ((venue, 1_000), (other, 500)):
        it.quote(100.00, 100.02, bid_size=2_000, ask_size=2_000)
        it.buy(qty)
        it.sell(qty)
    undo(venue, 0, qty=500)
    undo(venue, qty=500)
    fees, others = venue.venue.fees, other.venue.fees
    assert fees.accrued("ann") == others.accrued("ann") > 0
    for it in (venue, other):
        it.venue.roll(it.venue.fees.day_end)
    assert [(it.kind, it.amount, it.parts, it.trades) for it in fees.charges("ann")] == [
        (it.kind, it.amount, it.parts, it.trades) for it in others.charges("ann")
    ]


def test_a_day_of_which_all_was_undone_is_charged_nothing() -> None:
    venue = Venue()
    venue.buy(10)
    undo(venue)
    assert venue.venue.fees.accrued("ann") == 0
    venue.venue.roll(venue.venue.fees.day_end)
    assert list(venue.venue.fees.charges("ann")) == []


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9), st.integers(0, 9), st.booleans()), max_size=12))
def test_whatever_is_undone_cash_and_cost_are_what_the_executions_come_to(
    steps: list[tuple[bool, int, int, bool]],
) -> None:
    venue = Venue()
    for number, (buys, qty, left, undoes) in enumerate(steps):
        venue.quote(99.00 + number, 99.02 + number)
        taken = venue.ask_for(Side.BUY if buys else Side.SELL, qty)  # more than is held is refused
        if isinstance(taken, Order) and undoes and left <= qty:
            undo(venue, qty=left, price=100.5)
    account, orders = venue.venue.accounts["ann"], venue.venue.orders
    paid = {Side.BUY: 0, Side.SELL: 0}
    shares = 0
    for order in orders.every("ann", newest_first=False):
        paid[order.side] += order.paid
        shares += order.filled if order.side is Side.BUY else -order.filled
    assert account.cash == CASH - paid[Side.BUY] + paid[Side.SELL]
    assert account.qty("AAPL") == shares
    cost = sum(position.cost for position in account.positions.values())
    assert account.cash + cost == CASH + account.realized


# ----------------------------------------------------------------------------------------------------- what is told


def state(**settings: object) -> VenueState:
    made = msgspec.convert({"symbols": ["AAPL"], "history_events": 100} | settings, ExchangeSettings)
    venue = VenueState(made, ["ANN"], START)
    venue.advance([Quote("AAPL", START, 200.0, 200.03, 100, 100)])
    return venue


def order_of(venue: VenueState, **words: object) -> Order:
    wanted = msgspec.convert({"symbol": "AAPL", "side": "buy", "qty": 5 * SHARE} | words, OrderRequest)
    order = venue.matching.submit("ANN", wanted, START)
    assert isinstance(order, Order)
    return order


def told(venue: VenueState) -> list[tuple[str, str]]:
    reports = [json.loads(report(update)[1])["data"] for update in venue.take_updates()]
    return [(data["event"], data["order"]["status"]) for data in reports]


UNSEEN = ("accepted", "pending_new", "done_for_day", "trade_bust", "trade_correct")


@pytest.mark.parametrize("events", [(), UNSEEN])
def test_what_nobody_has_seen_on_the_trading_stream_is_told_where_it_is_asked_for(events: tuple[str, ...]) -> None:
    venue = state(stream_events=events)
    order_of(venue)
    done = next(iter(venue.matching.orders.executions("ANN")))
    corrections.revise(venue.matching, done.execution_id, START)
    first = [("accepted", "accepted"), ("pending_new", "pending_new")] if events else []
    last = [("trade_bust", "filled")] if events else []
    assert told(venue) == [*first, ("new", "new"), ("fill", "filled"), *last]
    assert venue.matching.accounts["ANN"].positions == {}  # whether it is told or not


def test_a_bust_names_the_execution_that_it_undoes() -> None:
    venue = state(stream_events=["trade_bust"])
    order_of(venue)
    done = next(iter(venue.matching.orders.executions("ANN")))
    corrections.revise(venue.matching, done.execution_id, START)
    data = json.loads(report(venue.take_updates()[-1])[1])["data"]
    assert (data["qty"], data["position_qty"], data["order"]["filled_qty"]) == ("-5", "0", "0")
    assert data["previous_execution_id"] == done.execution_id != data["execution_id"]


def test_a_cancel_that_takes_a_while_is_pending_and_rejected_if_the_order_is_filled_first() -> None:
    venue = state()
    order = order_of(venue, kind="limit", limit=199 * DOLLAR)
    venue.cancel_later("ANN", order, START, START + 5 * SECOND)
    venue.advance([Quote("AAPL", START + 4 * SECOND, 198.9, 199.0, 100, 100)])
    venue.advance([Quote("AAPL", START + 6 * SECOND, 198.9, 199.0, 100, 100)])
    assert told(venue) == [
        ("new", "new"),
        ("pending_cancel", "pending_cancel"),
        ("fill", "filled"),
        ("order_cancel_rejected", "filled"),
    ]


def test_an_order_whose_cancel_is_pending_is_so_wherever_it_is_shown_and_cannot_be_replaced() -> None:
    venue = state()
    order = order_of(venue, kind="limit", limit=199 * DOLLAR, time_in_force="gtc")
    for _ in range(2):  # asked for twice, it is canceled once
        venue.cancel_later("ANN", order, START, START + 5 * SECOND)
    assert venue.matching.orders[order.id].status is Status.PENDING_CANCEL
    refusal = venue.matching.replace("ANN", order.id, Replacement(limit=198 * DOLLAR), START)
    assert isinstance(refusal, Refusal)
    assert refusal.message == "unable to replace order in current state"
    venue.matching.roll(order.expires_ns)  # when the venue cancels it by itself
    venue.advance([Quote("AAPL", order.expires_ns + 6 * SECOND, 200.0, 200.03, 100, 100)])
    assert told(venue) == [("new", "new"), ("pending_cancel", "pending_cancel"), ("canceled", "canceled")]


def test_a_leg_whose_cancel_is_pending_is_held_until_it_is_canceled_with_its_group() -> None:
    venue = state()
    words = {"kind": "limit", "limit": 199 * DOLLAR, "order_class": "bracket"}
    entry = order_of(venue, **words, target=210 * DOLLAR, stop_loss=190 * DOLLAR)
    leg = venue.matching.orders.legs(entry)[0]
    venue.cancel_later("ANN", leg, START, START + 5 * SECOND)
    assert venue.matching.orders[leg.id].status is Status.HELD
    venue.advance([Quote("AAPL", START + 6 * SECOND, 200.0, 200.03, 100, 100)])
    assert {venue.matching.orders[it].status for it in (entry.id, *entry.legs)} == {Status.CANCELED}


def test_an_order_that_stays_is_done_for_the_day_at_its_end() -> None:
    venue = state(stream_events=["done_for_day"])
    order = order_of(venue, kind="limit", limit=100 * DOLLAR, time_in_force="gtc")
    venue.advance([Quote("AAPL", START + 86_400 * SECOND, 200.0, 200.03, 100, 100)])
    assert told(venue) == [("new", "new"), ("done_for_day", "done_for_day")]
    assert venue.matching.orders[order.id].status is Status.NEW  # and it is traded on tomorrow


@pytest.mark.parametrize(("guards", "status"), [(False, Status.CANCELED), (True, Status.NEW)])
def test_a_bracket_whose_entry_ends_half_filled_guards_nothing_unless_that_is_asked_for(
    guards: bool, status: Status
) -> None:
    venue = Venue()
    venue.venue.legs_for_parts = guards
    venue.quote(100.00, 100.02, ask_size=30)
    entry = a_bracket(venue, 100)
    assert [leg.status for leg in venue.legs(entry)] == [Status.HELD, Status.HELD]
    venue.cancel(entry)
    assert [leg.status for leg in venue.legs(entry)] == [status, status]
    assert venue.venue.accounts["ann"].qty("AAPL") == 30 * SHARE


# ----------------------------------------------------------------------------------------------------------- splits


@pytest.mark.parametrize("ratio", [(2, 1), (3, 2), (1, 5)])
@pytest.mark.parametrize("orders", list(OpenOrders))
def test_a_split_changes_shares_and_price_and_nobodys_worth(ratio: tuple[int, int], orders: OpenOrders) -> None:
    venue, times = state(), Fraction(*ratio)
    order_of(venue, qty=10 * SHARE)
    stop = order_of(venue, side="sell", kind="stop", stop=190 * DOLLAR, qty=10 * SHARE, time_in_force="gtc")
    before = venue.matching.accounts["ANN"].positions["AAPL"]
    venue.split("AAPL", *ratio, orders, START + SECOND)
    assert venue.matching.accounts["ANN"].positions["AAPL"] == Position(int(before.qty * times), before.cost)
    assert venue.matching.prices["AAPL"] == pytest.approx(200.015 * DOLLAR / times, abs=2)
    kept = orders is OpenOrders.KEPT
    assert venue.matching.orders[stop.id].status is (Status.NEW if kept else Status.CANCELED)
    market: tuple[Event, ...] = (
        Quote("AAPL", START + 2 * SECOND, 200.0, 200.02, 100, 100),
        Trade("AAPL", START + 3 * SECOND, 200.0, 1, 200.0, 200.02, 1),
    )
    published = venue.advance(map(venue.splits.adjust, market))
    quote, trade = (event for event in published if isinstance(event, Quote | Trade))
    assert isinstance(trade, Trade)
    assert trade.price == pytest.approx(200 / float(times), abs=0.011)
    assert quote.bid < quote.ask
    sold = kept and times > 1  # an old stop above the new price: sold at the open
    assert (venue.matching.orders[stop.id].status is Status.FILLED) == sold


def test_a_trade_after_a_split_is_canceled_and_corrected_at_the_price_at_which_it_was_told() -> None:
    now = [0]
    told: list[Broadcast] = []
    settings = ExchangeSettings(start_at=START, symbols=("AAPL",))
    exchange = Exchange(settings, Faults(7, ["undone:1"]), lambda: START, lambda: now[0], told.append)
    while not exchange.is_quoted():
        now[0] += SECOND // 10
        exchange.advance()
    exchange.intervene(lambda venue, at: venue.split("AAPL", 2, 1, OpenOrders.CANCELED, at))
    for _ in range(30):
        now[0] += SECOND // 10
        exchange.advance()
    published = [event for broadcast in told for event in broadcast._published]
    trades = {event.id: event for event in published if isinstance(event, Trade)}
    undone = [event for event in published if isinstance(event, Undone) and event.trade.id in trades]
    assert undone
    for it in undone:
        assert it.trade.price == trades[it.trade.id].price
        assert it.corrected is None or it.corrected.price == pytest.approx(it.trade.price + 0.01)


def test_what_was_executed_before_a_split_is_not_undone_after_it() -> None:
    venue = state()
    order_of(venue)
    done = next(iter(venue.matching.orders.executions("ANN")))
    venue.split("AAPL", 2, 1, OpenOrders.CANCELED, START + SECOND)
    with pytest.raises(ValueError, match="before a split"):
        interventions.revise(venue, interventions.Revision(done.execution_id), START + 2 * SECOND)
    assert venue.matching.accounts["ANN"].qty("AAPL") == 10 * SHARE


@pytest.mark.parametrize(("shares", "per"), [(1, 1), (0, 1), (2, 0), (1_001, 1)])
def test_what_is_no_split_is_refused(shares: int, per: int) -> None:
    venue = state()
    with pytest.raises(ValueError, match="shares and per"):
        venue.split("AAPL", shares, per, OpenOrders.KEPT, START)
    with pytest.raises(ValueError, match="'MSFT' has no price"):
        venue.split("MSFT", 2, 1, OpenOrders.KEPT, START)


# ------------------------------------------------------------------------------------------------------- by its calls


def test_executions_are_listed_undone_and_changed_by_a_control_call() -> None:
    async def scenario() -> None:
        async with a_venue(stream_events=("trade_bust", "trade_correct")) as venue, venue.stream() as ws:
            await venue.ask("POST", "/v2/orders", BUY)
            for _ in range(2):
                json.loads(await ws.recv())
            _, answer = await venue.ask("GET", "/control/executions")
            [found] = answer["executions"]
            assert (found["qty"], found["side"], found["symbol"]) == (str(BUY["qty"]), "buy", BUY["symbol"])
            wanted = {"execution": found["execution"], "price": "1.5"}
            status, answer = await venue.ask("POST", "/control/executions", wanted)
            assert (status, answer["executions"][0]["price"]) == (200, "1.5")
            data = json.loads(await ws.recv())["data"]
            assert (data["event"], data["price"]) == ("trade_correct", "1.5")
            last = {"execution": answer["executions"][0]["execution"]}
            _, answer = await venue.ask("POST", "/control/executions", last)
            assert answer["executions"] == []
            assert json.loads(await ws.recv())["data"]["event"] == "trade_bust"
            assert (await venue.ask("GET", "/v2/positions"))[1] == []
            _, activities = await venue.ask("GET", "/v2/account/activities")
            kinds = [it.get("execution_type", it["type"]) for it in activities]
            assert kinds == ["trade_bust", "trade_correct", "fill"]
            for wrong in ({"execution": "nobody"}, wanted, {"execution": "x", "qty": "no"}, {}):
                status, answer = await venue.ask("POST", "/control/executions", wrong)
                assert (status, bool(answer["message"])) == (422, True)
            split = {"symbol": "AAPL", "shares": 2}
            assert (await venue.ask("POST", "/control/splits", split))[0] == 200
            assert (await venue.ask("POST", "/control/splits", split | {"orders": "lost"}))[0] == 422

    asyncio.run(scenario())


def test_alpacas_client_reads_what_is_told_of_an_order_before_it_is_new() -> None:
    models = pytest.importorskip("alpaca.trading.models")
    venue = state(stream_events=["accepted", "pending_new"])
    order = order_of(venue, kind="limit", limit=199 * DOLLAR)
    venue.cancel_later("ANN", order, START, START + 5 * SECOND)
    read = [models.TradeUpdate(**json.loads(report(it)[1])["data"]) for it in venue.take_updates()]
    told = [(it.event, it.order.status.value) for it in read]
    assert told == [(name, name) for name in ("accepted", "pending_new", "new", "pending_cancel")]
