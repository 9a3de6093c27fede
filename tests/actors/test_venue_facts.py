"""What the broker, the venue and its calendar rule out, by name."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from actors.execution.policy import OrderSettings
from actors.messages import BrokerChanged, FeedState, MarketHours, Refusal
from actors.orders import AccountReport, AssetReport
from actors.risk.limits import LimitSettings
from actors.risk.risk import RiskSettings
from pipeline.events import PriceBand, TradingStatus
from tests.support.market import at, clock, quote, trade
from tests.support.sessions import RestingBroker, Session

D = Decimal
HOUR = 3600
RICH = AccountReport(at(0), "PA1", D(100_000), D(100_000), D(100_000), (), ())
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
