"""Trading halts and price bands: what is told of them, and what they do to orders."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from mock_exchange.events import SECOND, Event, Quote, Trade
from mock_exchange.halts import Halts, Plan, TradingStatus, parse
from mock_exchange.luld_bands import STEP, Indicator, LuldBands, PriceBand
from mock_exchange.market import tape
from mock_exchange.settings import ExchangeSettings
from mock_exchange.venue.money import SHARE
from mock_exchange.venue.orders import Kind, Order, OrderRequest, Side, Status, TimeInForce
from mock_exchange.venue_state import MarketEvent, VenueState

START = 1_767_623_400 * SECOND


def at(seconds: float) -> int:
    return START + round(seconds * SECOND)


def quote(seconds: float, price: float = 100.0, symbol: str = "AAPL") -> Quote:
    return Quote(symbol, at(seconds), price, price + 0.02, 500, 500)


def trade(seconds: float, price: float = 100.0, symbol: str = "AAPL") -> Trade:
    return Trade(symbol, at(seconds), price, 10, price, price + 0.02, 1)


class Venue:
    """A venue that is told what happens, and an account on it."""

    def __init__(self, *halts: str) -> None:
        self.venue = VenueState(ExchangeSettings(history_events=1_000, halts=halts), ["ANN"], START)
        self.now = START

    def tell(self, *events: Event) -> list[MarketEvent]:
        self.now = events[-1].ts
        return self.venue.advance(events)

    def halt(self, *symbols: str) -> list[MarketEvent]:
        return self.venue.halt(symbols, self.now)

    def order(self, side: Side = Side.BUY, symbol: str = "AAPL", **words: Any) -> Order:
        order = self.venue.matching.submit(
            "ANN", OrderRequest(symbol=symbol, side=side, qty=5 * SHARE, **words), self.now
        )
        assert isinstance(order, Order), order
        return order

    def status(self, order: Order) -> Status:
        return self.venue.matching.orders[order.id].status


def statuses(told: list[MarketEvent]) -> list[TradingStatus]:
    return [it for it in told if isinstance(it, TradingStatus)]


def bands(told: list[MarketEvent]) -> list[PriceBand]:
    return [it for it in told if isinstance(it, PriceBand)]


# -- plans -------------------------------------------------------------------------------------------------------------


def test_a_plan_names_a_stock_when_and_for_how_long() -> None:
    assert parse("AAPL") == Plan("AAPL")
    assert parse(" AAPL@60 ") == Plan("AAPL", 60.0)
    assert parse("BRK.B@0.5+30") == Plan("BRK.B", 0.5, 30.0)
    assert parse("AAPL@60=T1") == Plan("AAPL", 60.0, None, "T1")


@pytest.mark.parametrize("text", ["", "@5", "AAPL@", "AAPL@x", "AAPL@1+", "AAPL@-1", "AAPL@1+2+3", "AAPL=", "AAPL=t1"])
def test_what_is_no_plan_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="a halt is written SYMBOL"):
        parse(text)


def test_a_reason_that_is_none_is_refused_and_the_others_named() -> None:
    with pytest.raises(ValueError, match="the reason of a halt is one of LUDP, T1, T12, not T99"):
        parse("AAPL@5=T99")


def test_a_stock_resumes_with_the_reason_that_it_was_halted_for() -> None:
    halts = Halts(["AAPL@1+1=T12"], START)
    assert [it.reason for it in halts.due(at(5))] == ["T12", "T12"]


def test_settings_take_plans_of_their_own_symbols_only() -> None:
    assert ExchangeSettings(halts=("MSFT@5+5",)).halts == ("MSFT@5+5",)
    with pytest.raises(ValueError, match="halts must be of the symbols AAPL, MSFT, not 'TSLA'"):
        ExchangeSettings(halts=("TSLA",))


def test_plans_come_true_in_their_order_and_once() -> None:
    halts = Halts(["AAPL@10+5", "MSFT@12"], START)
    assert halts.due(at(9)) == []
    assert halts.due(at(20)) == [
        TradingStatus("AAPL", at(10), True),
        TradingStatus("MSFT", at(12), True),
        TradingStatus("AAPL", at(15), False),
    ]
    assert halts.due(at(99)) == []
    assert halts.halted == {"MSFT"}


def test_a_halt_by_hand_replaces_the_others_and_what_is_so_already_is_not_told() -> None:
    halts = Halts(["MSFT@30"], START)
    assert halts.switch(["AAPL"], at(1)) == [TradingStatus("AAPL", at(1), True)]
    assert halts.switch(["AAPL"], at(2)) == []
    assert halts.switch(["MSFT"], at(3)) == [TradingStatus("AAPL", at(3), False), TradingStatus("MSFT", at(3), True)]
    assert halts.due(at(30)) == []


# -- what halts do -----------------------------------------------------------------------------------------------------


def test_nothing_is_told_of_a_halted_stock_and_others_go_on() -> None:
    venue = Venue("AAPL@10+10")
    told = venue.tell(quote(1), trade(2), trade(11), quote(12), trade(13, 400.0, "MSFT"), trade(21, 103.0), quote(22))
    assert statuses(told) == [TradingStatus("AAPL", at(10), True), TradingStatus("AAPL", at(20), False)]
    assert [it.ts for it in told if isinstance(it, Trade | Quote) and it.symbol == "AAPL"] == list(
        map(at, (1, 2, 21, 22))
    )
    assert [it.ts for it in told if isinstance(it, Trade) and it.symbol == "MSFT"] == [at(13)]
    assert [it.ts for it in venue.venue.history.trades["AAPL"].between(0, at(99), 9, newest_first=False)] == [
        at(2),
        at(21),
    ]


@pytest.mark.parametrize(
    "words", [{}, {"kind": Kind.LIMIT, "limit": 2_000_000}, {"side": Side.SELL, "kind": Kind.STOP, "stop": 999_900}]
)
def test_orders_wait_while_their_stock_is_halted_and_are_filled_by_its_first_quote_afterwards(
    words: dict[str, Any],
) -> None:
    venue = Venue()
    venue.tell(quote(1), trade(2))
    venue.halt("AAPL")
    order = venue.order(**words)
    venue.tell(quote(3), trade(4, 90.0), quote(5, 90.0))
    assert venue.status(order) is Status.NEW
    venue.halt()
    assert venue.status(order) is Status.NEW  # nobody has offered anything yet
    venue.tell(trade(6, 95.0), quote(7, 95.0))
    filled = venue.venue.matching.orders[order.id]
    assert filled.status is Status.FILLED
    assert filled.paid == 5 * SHARE * (950_200 if filled.side is Side.BUY else 950_000)


def test_an_order_that_waited_before_the_halt_waits_through_it_and_can_be_canceled() -> None:
    venue = Venue()
    venue.tell(quote(1))
    order = venue.order(kind=Kind.LIMIT, limit=500_000)
    venue.halt("AAPL")
    venue.tell(quote(2, 40.0), trade(3, 400.0, "MSFT"))
    assert venue.status(order) is Status.NEW
    assert isinstance(venue.venue.matching.cancel("ANN", order.id, venue.now), Order)


@pytest.mark.parametrize("at_once", [TimeInForce.IOC, TimeInForce.FOK])
def test_an_order_that_may_not_wait_ends_unfilled(at_once: TimeInForce) -> None:
    venue = Venue()
    venue.tell(quote(1))
    venue.halt("AAPL")
    assert venue.status(venue.order(time_in_force=at_once)) is Status.CANCELED


def test_day_orders_of_a_halted_stock_expire_all_the_same() -> None:
    venue = Venue()
    venue.tell(quote(1))
    venue.halt("AAPL")
    order = venue.order()
    venue.tell(quote(24 * 3_600))
    assert venue.status(order) is Status.EXPIRED


def test_a_stock_halted_from_the_start_has_a_price_but_nobody_trades_it() -> None:
    venue = Venue("AAPL")
    told = venue.tell(quote(1), trade(2), quote(3))
    assert statuses(told) == [TradingStatus("AAPL", START, True)]
    assert venue.venue.matching.prices["AAPL"] == 1_000_100
    assert venue.status(venue.order()) is Status.NEW


@given(st.integers(0, 1_000), st.lists(st.tuples(st.floats(0, 60), st.floats(0, 60)), min_size=1, max_size=4))
@settings(max_examples=25)
def test_no_order_is_ever_filled_while_its_stock_is_halted(seed: int, spans: list[tuple[float, float]]) -> None:
    venue = Venue(*(f"AAPL@{begin:.3f}+{length:.3f}" for begin, length in spans))
    halted = False
    for place, event in enumerate(tape(["AAPL"], seed, START, 60)):
        for it in venue.tell(event):
            halted = it.halted if isinstance(it, TradingStatus) else halted
        if place % 10 == 0:
            venue.order()
        fills = [update for update in venue.venue.take_updates() if update.price is not None]
        assert not (halted and fills)


# -- bands -------------------------------------------------------------------------------------------------------------


def test_bands_are_told_with_the_first_trade_and_when_they_change() -> None:
    venue = Venue()
    told = venue.tell(quote(1), trade(2), trade(3, 110.0), trade(31), trade(62), trade(92))
    assert bands(told) == [
        PriceBand("AAPL", at(2), 95.0, 105.0, Indicator.OPENING),
        PriceBand("AAPL", at(31), 99.75, 110.25, Indicator.UPDATE),  # around the mean of 100 and 110
        PriceBand("AAPL", at(62), 98.17, 108.5, Indicator.UPDATE),
        PriceBand("AAPL", at(92), 97.38, 107.62, Indicator.UPDATE),
    ]


def test_bands_forget_what_is_older_than_five_minutes() -> None:
    told = LuldBands()
    told.add("AAPL", 100.0, START)
    for step in range(1, 11):
        told.add("AAPL", 200.0, START + step * STEP)
    last = told.add("AAPL", 200.0, START + 11 * STEP)
    assert last == PriceBand("AAPL", START + 11 * STEP, 190.0, 210.0, Indicator.UPDATE)
    late = told.add("AAPL", 50.0, START + 99 * STEP)
    assert late == PriceBand("AAPL", START + 99 * STEP, 47.5, 52.5, Indicator.UPDATE)


@pytest.mark.parametrize(
    ("price", "down", "up"), [(3.0, 2.85, 3.15), (1.0, 0.8, 1.2), (0.5, 0.35, 0.65), (0.1, 0.025, 0.175)]
)
def test_cheap_stocks_have_wider_bands(price: float, down: float, up: float) -> None:
    band = LuldBands().add("AAPL", price, START)
    assert band is not None
    assert (band.down, band.up) == pytest.approx((down, up), abs=0.0051)


def test_a_halt_and_a_resumption_are_told_with_the_band() -> None:
    venue = Venue()
    venue.tell(quote(1), trade(2))
    halted, resumed = venue.halt("AAPL"), venue.halt()
    assert halted == [TradingStatus("AAPL", at(2), True), PriceBand("AAPL", at(2), 95.0, 105.0, Indicator.SUSPENDED)]
    assert resumed == [TradingStatus("AAPL", at(2), False), PriceBand("AAPL", at(2), 95.0, 105.0, Indicator.REOPENING)]
