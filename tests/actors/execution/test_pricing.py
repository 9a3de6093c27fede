"""pricing: limits and stops on the venue's grid, rounded to the side that was meant."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given, strategies as st

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


@given(st.decimals(D("0.000001"), D("2"), places=6), st.sampled_from(OrderSide))
def test_what_is_rounded_is_a_price_that_the_venue_takes(price: Decimal, side: OrderSide) -> None:
    assert is_legal(on_grid(price, side))


def is_legal(price: Decimal) -> bool:
    """Whether a price is on the grid of US stocks (Rule 612 of Regulation NMS): cents, below 1 hundredths of them."""
    return price > 0 and price % (D("0.01") if price >= 1 else D("0.0001")) == 0


NEAR_ONE = st.decimals(D("0.9"), D("1.1"), places=4).map(lambda p: p.quantize(D("0.01")) if p >= 1 else p)


@given(NEAR_ONE | st.decimals(D("0.0001"), D("0.9999"), places=4), st.sampled_from(OrderSide), st.floats(0, 500))
@example(D("0.9999"), BUY, 10.0)
@example(D("0.9990"), BUY, 10.0)
@example(D("1.00"), SELL, 10.0)
@example(D("0.0001"), SELL, 2.0)
def test_a_limit_is_legal_and_never_worse_than_was_asked_by_more_than_a_tick_at_the_quote(
    quoted: Decimal, side: OrderSide, bps: float
) -> None:
    tick = D("0.01") if quoted >= 1 else D("0.0001")
    policy = VenueExecution(OrderSettings(entry_limit_bps=bps))
    limit = entry_limit(policy, Session().feed(quote(0, float(quoted), float(quoted))).core.symbol_view("A"), side)
    assert limit is not None
    assert is_legal(limit)
    asked = quoted * (1 + side.sign * D(str(bps)) / 10_000)
    assert side.sign * (limit - asked) < tick
    assert side.sign * (limit - asked) > -D("0.01")  # nor better by one
    assert side.sign * (limit - quoted) >= 0


def test_ten_points_beyond_a_quote_below_a_dollar_are_not_a_hundred() -> None:
    market = Session().feed(quote(0, 0.9998, 0.9999)).core.symbol_view("A")
    assert entry_limit(VenueExecution(OrderSettings(entry_limit_bps=10)), market, BUY) == D("1.00")
    assert entry_limit(VenueExecution(OrderSettings(entry_limit_bps=100)), market, BUY) == D("1.00")
    assert entry_limit(VenueExecution(OrderSettings(entry_limit_bps=200)), market, BUY) == D("1.01")


@given(NEAR_ONE, st.sampled_from(OrderSide), st.floats(0.001, 0.2))
def test_a_stop_is_legal_and_beyond_what_was_meant_by_less_than_a_tick(
    entry: Decimal, side: OrderSide, away: float
) -> None:
    stop = VenueExecution(OrderSettings(protective_stop=away)).stop_price(entry, side)
    assert stop is not None
    assert is_legal(stop)
    meant = entry * (1 + side.sign * D(str(away)))
    assert 0 <= side.sign * (stop - meant) < (D("0.01") if stop >= 1 else D("0.0001"))


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
