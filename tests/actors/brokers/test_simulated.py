"""The simulated broker: what a fill costs, and that it answers by reports."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from actors.actor import UnknownMessage
from actors.brokers.simulated import ExecutionSettings, SimulatedBroker
from actors.messages import OrderFilled
from actors.orders import CancelOrder, Execution, OrderRejected, OrderRole, OrderSide, SubmitOrder
from actors.risk.risk import RiskSettings
from tests.support.market import at, quote, trade
from tests.support.sessions import PATIENT, Session

BUY, SELL = OrderSide.BUY, OrderSide.SELL


class Market:
    """A context with one view, and the reports that come back."""

    def __init__(self, *, bid: float | None = None, ask: float | None = None, price: float = 100.0) -> None:
        self.bid, self.ask, self.price = bid, ask, price
        self.symbol, self.index, self.held_at_input = "A", 0, 0
        self.input, self.told_ts = 5, -1
        self.now = at(3)
        self.reports: list[Any] = []

    def symbol_view(self, symbol: str) -> Market:
        assert symbol == "A"
        return self

    def tell(self, actor: object, message: object) -> None:
        assert actor is self
        self.reports.append(message)

    def receive(self, message: object) -> None:
        raise AssertionError("a report is told, and never handed over directly")

    def wake(self, actor: object, message: object, at: int) -> None:
        raise AssertionError("the broker fills at once")

    def listen(self, symbol: str, actor: object) -> None:
        raise AssertionError("the broker waits for no trades")

    def not_after_now(self, ts: int) -> int:
        return min(ts, self.now)

    def publish(self, fact: object) -> None:
        raise AssertionError("the broker states no facts")


def order(side: OrderSide, quantity: str = "2") -> SubmitOrder:
    return SubmitOrder("o1", "A", side, Decimal(quantity), "d1", OrderRole.ENTRY)


def filled(side: OrderSide, market: Market, **settings: Any) -> Decimal:
    """Return the price at which a market order fills."""
    SimulatedBroker(ExecutionSettings(**settings), market, market).receive(order(side))
    [report] = market.reports
    assert isinstance(report, Execution)
    return report.price


def test_a_buy_fills_at_the_ask_and_a_sell_at_the_bid() -> None:
    assert filled(BUY, Market(bid=99.99, ask=100.01)) == Decimal("100.01")
    assert filled(SELL, Market(bid=99.99, ask=100.01)) == Decimal("99.99")


@pytest.mark.parametrize("side", [BUY, SELL])
def test_without_a_quote_yet_it_fills_at_the_last_price(side: OrderSide) -> None:
    assert filled(side, Market(price=100.5)) == Decimal("100.5")


@pytest.mark.parametrize("side", [BUY, SELL])
def test_fill_last_fills_at_the_last_price_whatever_is_quoted(side: OrderSide) -> None:
    assert filled(side, Market(bid=99.99, ask=100.01, price=100.5), fill="last") == Decimal("100.5")


@pytest.mark.parametrize(
    ("side", "settings", "price"),
    [
        (BUY, {"slippage_bps": 1}, "100.020001"),
        (SELL, {"slippage_bps": 1}, "99.980001"),
        (BUY, {"slippage_bps": 2.5, "fill": "last"}, "100.025"),
        (SELL, {"slippage_bps": 2.5, "fill": "last"}, "99.975"),
    ],
)
def test_slippage_moves_every_fill_against_us(side: OrderSide, settings: dict[str, Any], price: str) -> None:
    assert filled(side, Market(bid=99.99, ask=100.01), **settings) == Decimal(price)


def test_a_fill_s_price_is_exact_from_here_on() -> None:
    assert filled(BUY, Market(price=0.1 + 0.2), fill="last") == Decimal("0.300000000000000")
    assert filled(BUY, Market(price=100.1), fill="last", slippage_bps=3) == Decimal("100.13003")


def test_an_order_fills_whole_and_at_once_by_a_report() -> None:
    market = Market(bid=99.0, ask=101.0)
    SimulatedBroker(ExecutionSettings(), market, market).receive(order(BUY, "2.5"))
    assert market.reports == [Execution("o1/1", "o1", "A", BUY, Decimal("2.5"), Decimal("101.0"), at(3))]


def test_an_order_in_a_market_without_any_price_is_rejected() -> None:
    market = Market(price=0.0)
    SimulatedBroker(ExecutionSettings(), market, market).receive(order(BUY))
    assert market.reports == [OrderRejected("o1", "A", at(3), "no price seen yet")]


def test_there_is_never_anything_to_cancel() -> None:
    market = Market()
    SimulatedBroker(ExecutionSettings(), market, market).receive(CancelOrder("o1"))
    assert market.reports == []


def test_a_message_for_somebody_else_is_a_fault() -> None:
    market = Market()
    with pytest.raises(UnknownMessage, match="SimulatedBroker does not know what to do with a str"):
        SimulatedBroker(ExecutionSettings(), market, market).receive("hello")


# -------------------------------------------------------------------------------------------- in the core


def test_entry_and_exit_pay_the_spread() -> None:
    session = Session().feed(trade(0, 100, bid=99.9, ask=100.1, says="LONG"), trade(1, 102, bid=101.9, ask=102.1))
    [closed] = session.trades
    assert (closed.entry_price, closed.exit_price, closed.pnl) == (
        Decimal("100.1"),
        Decimal("101.9"),
        Decimal("1.80"),
    )


def test_a_short_position_pays_the_spread_the_other_way_round() -> None:
    session = Session().feed(trade(0, 100, bid=99.9, ask=100.1, says="SHORT"), trade(1, 98, bid=97.9, ask=98.1))
    [closed] = session.trades
    assert (closed.entry_price, closed.exit_price) == (Decimal("99.9"), Decimal("98.1"))


def test_a_timed_exit_fills_at_the_quote_in_force_then() -> None:
    strategy = msgspec.structs.replace(PATIENT, time_stop_seconds=5.0)
    session = Session(strategy=strategy).feed(trade(0, says="LONG"), quote(4, 99.5, 99.6), quote(6, 90, 91))
    assert [(t.exit_ts, t.exit_price) for t in session.trades] == [(at(5), Decimal("99.5"))]


def test_a_timed_exit_without_a_quote_fills_at_the_last_known_price() -> None:
    strategy = msgspec.structs.replace(PATIENT, time_stop_seconds=5.0)
    session = Session(strategy=strategy).feed(trade(0, says="LONG"), trade(3, 100.25), trade(9, 90))
    assert [(t.exit_ts, t.exit_price) for t in session.trades] == [(at(5), Decimal("100.25"))]


def test_costs_add_up() -> None:
    """1 bp of 100 and of 102 for ten shares, and a cent a share at both ends."""
    costs = ExecutionSettings(slippage_bps=1, fee_per_share=0.01, fill="last")
    session = Session(execution=costs, risk=RiskSettings(position_size=10)).feed(
        trade(0, 100, says="LONG"), trade(1, 102)
    )
    [closed] = session.trades
    assert (closed.entry_price, closed.exit_price) == (Decimal("100.01"), Decimal("101.9898"))
    assert closed.fees == Decimal("0.2")
    assert closed.pnl == Decimal("19.598")
    assert closed.pnl_pct == pytest.approx(19.598 / 1000.1)


def test_the_time_of_a_fill_is_now_and_not_that_of_a_late_tick() -> None:
    """Another symbol moved the time on before this tick came."""
    session = Session().feed(trade(10, symbol="B"), trade(9, says="LONG"))
    assert [fact.execution.ts for fact in session.of(OrderFilled)] == [at(10)]


@pytest.mark.parametrize(
    "values",
    [
        *({"fill": "middle"}, {"slippage_bps": -1}, {"slippage_bps": 10_000}, {"fee_per_share": -0.1}, {"surprise": 1}),
        *({"slippage_model": "none"}, {"latency_ms": -1}, {"latency_jitter_ms": 60_001}, {"liquidity": "endless"}),
        *({"participation": 0}, {"participation": 1.1}, {"patience_s": 0}, {"impact_bps": -1}, {"seed": -1}),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(values, ExecutionSettings)


def test_the_defaults_are_those_of_the_strategy() -> None:
    found = ExecutionSettings()
    assert (found.fill, found.slippage_bps, found.fee_per_share) == ("quote", 0.0, 0.0)
    assert (found.slippage_model, found.latency_ms, found.latency_jitter_ms) == ("fixed", 0.0, 0.0)
    assert found.liquidity == "unlimited"
