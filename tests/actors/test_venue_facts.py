"""What the broker, the venue and its calendar rule out, by name."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from actors.execution.policy import OrderSettings
from actors.messages import BrokerChanged, FeedState, MarketHours, Refusal
from actors.orders import (
    AccountReport,
    AssetReport,
    CancelOrder,
    Execution,
    HeldAtVenue,
    OrderReport,
    OrderSide,
    OrderStatus,
    SubmitOrder,
)
from actors.risk.limits import LimitSettings
from actors.risk.risk import RiskSettings
from pipeline.events import PriceBand, TradingStatus
from tests.support.market import at, clock, quote, trade
from tests.support.sessions import LIMITS, PATIENT, RestingBroker, Session

D = Decimal
HOUR = 3600
RICH = AccountReport(at(0), "PA1", D(100_000), D(100_000), D(100_000), (), ())
FOR_DAYS = msgspec.structs.replace(PATIENT, time_stop_seconds=1e6, flat_seconds=10**6)
HOURS = MarketHours(((at(0), at(HOUR)), (at(10 * HOUR), at(12 * HOUR))), at(0))


def at_broker(account: AccountReport = RICH, *, size: float = 10.0) -> Session:
    session = Session(
        risk=RiskSettings(position_size=size), broker=RestingBroker(), orders=OrderSettings(), book="mb-bot-s1"
    )
    return session.feed(trade(0, 100), BrokerChanged(FeedState.LIVE, at(0)), account)


def verdict(session: Session, side: str = "LONG", seconds: float = 5) -> Refusal | None:
    return session.feed(trade(seconds, 100, says=side)).verdicts[-1]


def but(**facts: object) -> AccountReport:
    return msgspec.structs.replace(RICH, **facts)


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
def test_an_account_that_may_trade_may_trade(side: str) -> None:
    assert verdict(at_broker(), side) is None


@pytest.mark.parametrize(
    ("account", "side", "reason"),
    [
        (but(blocked="trading is blocked"), "LONG", Refusal.BROKER_BLOCKED),
        (but(shorting=False), "SHORT", Refusal.NOT_SHORTABLE),
        (but(shorting=False), "LONG", None),
        (but(day_trades=3, day_trades_limited=True), "LONG", Refusal.DAY_TRADES),
        (but(day_trades=2, day_trades_limited=True), "LONG", None),
        (but(day_trades=9), "LONG", None),
        (but(buying_power=D(999)), "LONG", Refusal.BUYING_POWER),
        (but(buying_power=D(1000)), "LONG", None),
    ],
)
def test_what_the_account_may_not_do_is_not_tried(account: AccountReport, side: str, reason: Refusal | None) -> None:
    assert verdict(at_broker(account), side) is reason


@pytest.mark.parametrize(("day_trades", "reason"), [(3, Refusal.DAY_TRADES), (2, None)])
def test_a_recording_of_before_is_decided_by_its_day_trades(day_trades: int, reason: Refusal | None) -> None:
    """Pattern day trading ended on 2026-06-04; a report of today says nothing of it."""
    line = msgspec.to_builtins(RICH) | {"day_trades": day_trades, "day_trades_limited": True}
    account = msgspec.json.decode(msgspec.json.encode(line), type=AccountReport)
    assert verdict(at_broker(account)) is reason
    assert "day_trades" not in msgspec.to_builtins(RICH)


def test_the_newest_report_counts() -> None:
    session = at_broker(but(blocked="x"))
    assert verdict(session) is Refusal.BROKER_BLOCKED
    assert verdict(session.feed(RICH), seconds=6) is None


@pytest.mark.parametrize(
    ("asset", "side", "reason"),
    [
        (AssetReport("A", at(1), tradable=False), "LONG", Refusal.NOT_TRADABLE),
        (AssetReport("A", at(1), shortable=False), "SHORT", Refusal.NOT_SHORTABLE),
        (AssetReport("A", at(1), shortable=False), "LONG", None),
        (AssetReport("B", at(1), tradable=False), "LONG", None),
    ],
)
def test_what_the_broker_says_of_a_symbol_counts(asset: AssetReport, side: str, reason: Refusal | None) -> None:
    assert verdict(at_broker().feed(asset), side) is reason


def test_parts_of_a_share_are_not_ordered_where_no_stop_can_rest_for_them() -> None:
    assert verdict(at_broker(size=1.5)) is Refusal.FRACTIONAL


def test_nothing_is_entered_while_trading_in_the_symbol_is_halted() -> None:
    session = Session().feed(trade(0, 100), TradingStatus(at(1), "A", True, "news"))
    assert verdict(session) is Refusal.TRADING_HALT
    assert verdict(session.feed(TradingStatus(at(6), "A", False)), seconds=7) is None


def test_a_halt_of_one_symbol_is_none_of_another() -> None:
    session = Session().feed(trade(0, 100), TradingStatus(at(1), "B", True))
    assert verdict(session) is None


@pytest.mark.parametrize(
    ("low", "high", "reason"), [(95, 105, None), (101, 105, Refusal.PRICE_BAND), (90, 99, Refusal.PRICE_BAND)]
)
def test_nothing_is_entered_outside_the_price_band(low: float, high: float, reason: Refusal | None) -> None:
    session = Session().feed(trade(0, 100), PriceBand(at(1), "A", low, high))
    assert verdict(session) is reason


@pytest.mark.parametrize(("price", "low", "high"), [(0.3, 0.1 + 0.2, 1.0), (0.1 + 0.2, 0.1, 0.3)])
def test_the_edge_of_the_price_band_is_inside_with_float_noise_forgiven(price: float, low: float, high: float) -> None:
    session = Session().feed(trade(0, price), PriceBand(at(1), "A", low, high), trade(2, price, says="LONG"))
    assert session.verdicts == [None]


def test_what_costs_exactly_the_buying_power_is_entered_with_float_noise_forgiven() -> None:
    session = at_broker(but(buying_power=D("0.3")), size=3.0).feed(trade(2, 0.1, says="LONG"))
    assert session.verdicts == [None]


@pytest.mark.parametrize(("ask", "reason"), [(100.9, None), (101.0, None), (101.1, Refusal.PRICE_COLLAR)])
def test_a_quote_far_off_the_last_price_is_not_traded_at(ask: float, reason: Refusal | None) -> None:
    session = Session(limits=LimitSettings(price_collar=0.01)).feed(trade(0, 100), quote(1, 99.9, ask))
    assert verdict(session) is reason


# --------------------------------------------------------------------------------------------- the market's hours


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (10, None),
        (HOUR - 121, None),
        (HOUR - 120, Refusal.MARKET_CLOSED),
        (HOUR, Refusal.MARKET_CLOSED),
        (10 * HOUR - 1, Refusal.MARKET_CLOSED),
        (10 * HOUR, None),
        (13 * HOUR, Refusal.MARKET_CLOSED),
    ],
)
def test_nothing_is_entered_outside_the_hours_or_just_before_the_close(seconds: float, reason: Refusal | None) -> None:
    session = Session().feed(HOURS, trade(1, 100))
    assert verdict(session, seconds=seconds) is reason


def test_nothing_is_entered_before_the_first_hours_that_are_known() -> None:
    session = Session().feed(MarketHours(((at(HOUR), at(2 * HOUR)),), at(0)), trade(1, 100))
    assert verdict(session, seconds=10) is Refusal.MARKET_CLOSED
    assert verdict(session, seconds=HOUR) is None


def test_without_known_hours_the_market_is_always_open() -> None:
    assert verdict(Session().feed(trade(1, 100)), seconds=20 * HOUR) is None


def test_positions_are_closed_before_the_close_of_each_session() -> None:
    session = Session(risk=RiskSettings(cooldown_trades_after_loss=0)).feed(HOURS)
    for close in (HOUR, 12 * HOUR):
        session.feed(trade(close - 300, 100, says="LONG"), clock(close - 121))
        assert session.core.positions.open
        session.feed(clock(close - 120))
        assert not session.core.positions.open
    assert session.exits == ["CLOSE", "CLOSE"]
    assert [trade.exit_ts for trade in session.trades] == [at(HOUR - 120), at(12 * HOUR - 120)]


def held_until(seconds: float, limits: LimitSettings = LIMITS) -> Session:
    """A session with a position, at so many seconds, that has not heard of the hours."""
    return Session(strategy=FOR_DAYS, limits=limits).feed(trade(HOUR - 300, 100, says="LONG"), clock(seconds))


@pytest.mark.parametrize("known_at", [HOUR - 121, HOUR - 120, HOUR - 60, HOUR - 0.5])
def test_positions_are_closed_also_if_the_hours_become_known_shortly_before_the_close(known_at: float) -> None:
    session = held_until(known_at).feed(HOURS, clock(HOUR - 0.1))
    assert session.exits == ["CLOSE"]
    assert verdict(session, seconds=HOUR - 0.05) is Refusal.MARKET_CLOSED
    session.feed(HOURS, clock(HOUR - 0.01))  # told again: it is done
    session.feed(trade(12 * HOUR - 300, 100, says="LONG"), clock(12 * HOUR - 121))
    assert session.exits == ["CLOSE"]
    assert session.feed(clock(12 * HOUR - 120)).exits == ["CLOSE", "CLOSE"]


def test_a_position_that_outlived_the_close_is_closed_before_the_next_one() -> None:
    session = held_until(HOUR).feed(HOURS, clock(12 * HOUR - 121))
    assert session.exits == []
    assert session.feed(clock(12 * HOUR - 120)).exits == ["CLOSE"]


def test_a_close_that_is_put_off_once_positions_were_closed_for_it_closes_them_again() -> None:
    later = MarketHours(((at(0), at(2 * HOUR)),), at(0))
    session = Session(strategy=FOR_DAYS).feed(HOURS, trade(HOUR - 300, 100, says="LONG"))
    session.feed(clock(HOUR - 120), later, trade(HOUR - 60, 100, says="LONG"), clock(2 * HOUR - 121))
    assert session.exits == ["CLOSE"]
    assert session.feed(clock(2 * HOUR - 120)).exits == ["CLOSE", "CLOSE"]


def fill(order: SubmitOrder, seconds: float, quantity: str = "1") -> Execution:
    return Execution(f"e{seconds}", order.id, "A", order.side, D(quantity), D(100), at(seconds))


def test_what_an_entry_fills_after_positions_were_closed_is_closed_too() -> None:
    broker = RestingBroker()
    session = Session(broker=broker).feed(HOURS, trade(HOUR - 121, 100, says="LONG"), clock(HOUR - 120))
    session.feed(fill(broker.of(SubmitOrder)[0], HOUR - 119))
    assert [order.reason for order in broker.of(SubmitOrder)] == ["", "CLOSE"]


def test_a_position_that_is_found_in_the_account_shortly_before_the_close_is_closed() -> None:
    broker = RestingBroker()
    session = Session(strategy=FOR_DAYS, broker=broker, orders=OrderSettings(), book="mb-bot-s2")
    session.feed(trade(HOUR - 60, 100), BrokerChanged(FeedState.LIVE, at(HOUR - 60)), HOURS, clock(HOUR - 50))
    size, order = D(10), "mb-bot-s1.5.A.entry.1"
    entry = OrderReport(order, "A", OrderSide.BUY, OrderStatus.FILLED, size, size, D(100), at(HOUR - 70), "v1")
    session.feed(but(ts=at(HOUR - 49), positions=(HeldAtVenue("A", size, D(100)),), history=(entry,)))
    assert session.core.book().closing == {"A": "CLOSE"}
    assert [order.id for order in broker.of(CancelOrder)] == [order.id for order in broker.of(SubmitOrder)]  # its stop


def test_a_recording_of_before_decides_as_its_session_did() -> None:
    session = held_until(HOUR - 60, LimitSettings(flatten_late=False)).feed(HOURS, clock(12 * HOUR - 121))
    assert session.exits == []
    assert session.feed(clock(12 * HOUR - 120)).exits == ["CLOSE"]
