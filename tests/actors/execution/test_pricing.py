"""pricing: limits and stops on the venue's grid, rounded to the side that was meant."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from actors.actor import SymbolView
from actors.execution.policy import OrderSettings, VenueExecution, on_grid
from actors.orders import OrderSide
from tests.support.market import quote, trade
from tests.support.sessions import Session

BUY, SELL = OrderSide.BUY, OrderSide.SELL
D = Decimal


@pytest.mark.parametrize(
    ("price", "side", "rounded"),
    [
        ("100.001", BUY, "100.01"),
        ("100.009", SELL, "100.00"),
        ("100.01", BUY, "100.01"),
        ("0.12341", BUY, "0.1235"),
        ("0.12349", SELL, "0.1234"),
        ("1", SELL, "1.00"),
    ],
)
def test_prices_are_rounded_to_cents_and_below_one_to_hundredths_of_them(
    price: str, side: OrderSide, rounded: str
) -> None:
    assert on_grid(D(price), side) == D(rounded)


@given(st.decimals(D("0.01"), 100_000, places=6), st.sampled_from(OrderSide))
def test_rounding_never_moves_a_price_by_a_whole_step_or_to_the_other_side(price: Decimal, side: OrderSide) -> None:
    moved = side.sign * (on_grid(price, side) - price)
    assert 0 <= moved < (D("0.01") if price >= 1 else D("0.0001"))


def entry_limit(policy: VenueExecution, view: SymbolView, side: OrderSide) -> Decimal | None:
    return policy.entry_terms(view, side).limit


def exit_limit(policy: VenueExecution, view: SymbolView, side: OrderSide) -> Decimal | None:
    return policy.exit_terms(view, side, 0, at_market=False).limit


def test_limits_are_a_little_beyond_the_quote_and_without_one_beyond_the_last_price() -> None:
    policy = VenueExecution(OrderSettings(entry_limit_bps=10, exit_limit_bps=0))
    session = Session().feed(trade(0, 50))
    market = session.core.symbol_view("A")
    assert entry_limit(policy, market, BUY) == D("50.05")
    session.feed(quote(1, 99.99, 100.01))
    assert (entry_limit(policy, market, BUY), entry_limit(policy, market, SELL)) == (D("100.12"), D("99.89"))
    assert (exit_limit(policy, market, BUY), exit_limit(policy, market, SELL)) == (D("100.01"), D("99.99"))


def test_without_any_price_there_is_no_limit() -> None:
    assert exit_limit(VenueExecution(OrderSettings()), Session().core.symbol_view("A"), SELL) is None


@pytest.mark.parametrize(("side", "stop"), [(SELL, "99.49"), (BUY, "100.52")])
def test_a_stop_is_never_nearer_than_it_was_meant(side: OrderSide, stop: str) -> None:
    price = VenueExecution(OrderSettings(protective_stop=0.005)).stop_price(D("100.015"), side)
    assert price is not None
    assert price == D(stop) or side is SELL
    assert abs(price / D("100.015") - 1) >= D("0.005")
