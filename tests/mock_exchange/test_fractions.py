"""Orders for parts of a share and for amounts of money, in the engine and through Alpaca's REST calls."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mock_exchange.venue.money import DOLLAR, SHARE, money, quantity
from mock_exchange.venue.orders import Order, Reason, Refusal, Side, Status
from tests.mock_exchange.test_matching import Venue
from tests.mock_exchange.test_rest import Desk, read

HUNDRED = 100 * DOLLAR * SHARE


@given(st.integers(-(10**24), 10**24))
def test_amounts_and_quantities_are_written_with_all_of_their_decimals(value: int) -> None:
    for written, unit in ((money(value), DOLLAR * SHARE), (quantity(value), SHARE)):
        assert Decimal(written) * unit == value
        assert "." not in written or not written.endswith(("0", "."))


# -- through REST -----------------------------------------------------------------------------------------------------


def test_a_fractional_buy_is_filled_and_the_account_is_exact() -> None:
    desk = Desk()
    order = desk.order(qty="0.123456789")
    assert (order["qty"], order["notional"]) == ("0.123456789", None)
    filled = desk.get(f"/v2/orders/{order['id']}")
    assert (filled["status"], filled["filled_qty"], filled["filled_avg_price"]) == ("filled", "0.123456789", "100.02")
    position = desk.get("/v2/positions/AAPL")
    assert (position["qty"], position["qty_available"], position["avg_entry_price"]) == (
        *("0.123456789", "0.123456789"),
        "100.02",
    )
    cost = Decimal("0.123456789") * Decimal("100.02")
    assert Decimal(position["cost_basis"]) == cost
    assert Decimal(desk.get("/v2/account")["cash"]) == 100_000 - cost


def test_a_notional_order_has_no_quantity_and_spends_its_money() -> None:
    desk = Desk()
    order = desk.order(qty=None, notional="100")
    assert (order["qty"], order["notional"], order["filled_qty"]) == (None, "100", "0")
    filled = desk.get(f"/v2/orders/{order['id']}")
    assert (filled["status"], filled["qty"], filled["notional"]) == ("filled", None, "100")
    assert filled["filled_qty"] == "0.999800039"
    left = Decimal(100) - Decimal(filled["filled_qty"]) * Decimal("100.02")
    assert 0 <= left < Decimal("0.000001")


def test_a_quantity_may_be_a_small_json_number() -> None:
    assert Desk().order(qty=0.000001)["qty"] == "0.000001"


@pytest.mark.parametrize(
    ("query", "sold", "rest"), [({"percentage": "50"}, "1.5", "1.5"), ({"qty": "0.5"}, "0.5", "2.5")]
)
def test_part_of_an_odd_position_can_be_closed(query: dict[str, str], sold: str, rest: str) -> None:
    desk = Desk()
    desk.order(qty="3")
    assert read(desk.ask("DELETE", "/v2/positions/AAPL", **query))["qty"] == sold
    assert desk.get("/v2/positions/AAPL")["qty"] == rest
    desk.ask("DELETE", "/v2/positions/AAPL")
    assert desk.get("/v2/positions") == []


def test_what_is_finer_than_a_billionth_stays_when_a_percentage_is_closed() -> None:
    desk = Desk()
    desk.order(qty="0.000000003")
    assert read(desk.ask("DELETE", "/v2/positions/AAPL", percentage="50"))["qty"] == "0.000000001"
    assert desk.get("/v2/positions/AAPL")["qty"] == "0.000000002"


@pytest.mark.parametrize(
    ("size", "change"),
    [
        ({"qty": "2"}, {"qty": "1.5"}),
        ({"qty": "0.5"}, {"qty": "2"}),
    ],
)
def test_only_whole_shares_replace_whole_shares(size: dict[str, Any], change: dict[str, str]) -> None:
    desk = Desk()
    order = desk.order(type="limit", limit_price="90", **size)
    body = read(desk.ask("PATCH", f"/v2/orders/{order['id']}", body=change), 422)
    assert body["message"] == "qty can only be replaced by whole shares, and of an order for whole shares"


def test_a_notional_order_cannot_be_replaced_at_all() -> None:
    desk = Desk()
    order = desk.order(qty=None, notional="100", type="limit", limit_price="50")
    for change in ({"limit_price": "80"}, {"qty": "2"}):
        refused = read(desk.ask("PATCH", f"/v2/orders/{order['id']}", body=change), 422)
        assert refused == {"code": 42210000, "message": "notional orders cannot be replaced"}
    assert desk.get(f"/v2/orders/{order['id']}")["status"] == "new"


# -- in the engine ----------------------------------------------------------------------------------------------------


def test_a_part_of_a_displayed_share_uses_it_up() -> None:
    venue = Venue()
    venue.quote(100.00, 100.02, ask_size=2)
    venue.buy(0.5)
    whole = venue.buy(2)
    assert venue.fills() == [("buy", 0.5, 100.02), ("buy", 1, 100.02)]
    venue.quote(100.00, 100.02, ask_size=1)
    assert venue.now(whole).status is Status.FILLED


def test_a_notional_buy_that_waits_spends_what_is_left_at_the_new_price() -> None:
    venue = Venue()
    venue.quote(99.98, 100.00, ask_size=1)
    order = venue.buy(0, notional=3 * HUNDRED)
    assert venue.now(order).filled == SHARE
    venue.quote(79.98, 80.00)
    assert venue.fills() == [("buy", 1, 100.0), ("buy", 2.5, 80.0)]
    assert (venue.now(order).status, venue.now(order).paid) == (Status.FILLED, 3 * HUNDRED)
    assert venue.venue.accounts["ann"].reserved == 0


def test_a_rest_that_buys_nothing_ends_the_order() -> None:
    venue = Venue()
    venue.quote(0.98, 1.00, ask_size=99)
    order = venue.buy(0, notional=99 * DOLLAR * SHARE + 10_000)  # a billionth more than 99 shares
    venue.quote(49.98, 50.00)
    assert (venue.now(order).status, venue.now(order).filled) == (Status.FILLED, 99 * SHARE + 1)


def test_a_notional_sale_never_sells_more_than_was_set_aside_for_it() -> None:
    venue = Venue()
    venue.quote(99.98, 100.00)
    venue.buy(1.5)
    venue.quote(100.00, 100.02, bid_size=0)
    sale = venue.sell(0, notional=HUNDRED)
    kept = venue.sell(0.5, limit=105.0)
    venue.quote(50.00, 50.02)
    assert (venue.now(sale).status, venue.now(sale).filled) == (Status.FILLED, SHARE)
    assert venue.venue.accounts["ann"].qty("AAPL") == venue.now(kept).left == SHARE // 2


def test_a_notional_sale_takes_in_its_money_when_the_price_rises() -> None:
    venue = Venue()
    venue.buy(1)
    venue.quote(100.00, 100.02, bid_size=0)
    sale = venue.sell(0, notional=HUNDRED)
    venue.quote(125.00, 125.02)
    assert (venue.now(sale).filled, venue.now(sale).paid) == (SHARE * 8 // 10, HUNDRED)
    assert venue.venue.accounts["ann"].held["AAPL"] == 0


def test_parts_cannot_be_sold_beyond_the_position() -> None:
    venue = Venue()
    venue.buy(0.5)
    assert venue.refused(Side.SELL, 0.500000001).reason is Reason.INSUFFICIENT_SHARES
    assert venue.refused(Side.SELL, 1).message == "insufficient qty available for order (requested: 1, available: 0.5)"
    venue.sell(0.5)
    assert venue.refused(Side.SELL, 0.5).reason is Reason.NOT_FRACTIONABLE


def test_half_of_an_odd_short_position_can_be_bought_back() -> None:
    venue = Venue()
    venue.sell(3)
    closing = venue.venue.close("ann", "AAPL", 3 * SHARE // 2, venue.ts)
    assert isinstance(closing, Order)
    assert venue.venue.accounts["ann"].qty("AAPL") == -3 * SHARE // 2


def test_a_notional_order_is_refused_when_it_costs_more_than_the_account_may_buy() -> None:
    venue = Venue(cash=99 * DOLLAR * SHARE)
    refusal = venue.ask_for(Side.BUY, 0, notional=HUNDRED)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.INSUFFICIENT_BUYING_POWER
    assert refusal.details["buying_power"] == "99"
