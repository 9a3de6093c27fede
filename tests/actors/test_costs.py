"""Costs as they are: fees by value and by schedule, the cost guard, ticks, lots, and what the equity carries."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from reactivex import Observable, operators as rx

from actors.brokers.simulated import ExecutionSettings
from actors.engine.core import CoreSettings
from actors.messages import Command, FeesReconciled, OrderFilled, PositionClosed, PositionReduced, Refusal
from actors.orders import FeeCharge, FeesReport, OrderSide
from actors.portfolio.fees import FeeLedger, FeeModel
from actors.risk.instruments import Instrument, Instruments
from actors.risk.risk import RiskSettings
from pipeline.events import SECOND, Side, Signal, Trade
from pipeline.exits.listed import take_profit
from tests.support.market import START, trade
from tests.support.sessions import PATIENT, Session

D = Decimal
ALPACA = ExecutionSettings(fees="alpaca")
REAL = ExecutionSettings(venue_rules=True)
NOVEMBER = int(datetime(2026, 11, 27, 15, tzinfo=UTC).timestamp()) * SECOND


def shifted(seconds: float) -> float:
    """Return seconds of these tests for that many seconds after a morning of November 2026."""
    return (NOVEMBER - START) / SECOND + seconds


def at_99(ticks: Observable[Trade]) -> Observable[Signal]:
    """Signal at each tick that says LONG, for 99.00 at the most."""

    def signal(tick: Trade) -> Signal:
        return Signal(tick.symbol, tick.ts, Side.LONG, tick.price, 0, 0, 0, limit=99.0)

    def says_long(tick: Trade) -> bool:
        return tick.id == "LONG"

    return ticks.pipe(rx.filter(says_long), rx.map(signal))


def round_trip(execution: ExecutionSettings, quantity: float = 10, symbol: str = "A", **exits: Any) -> Session:
    """Buy at 100.00 and sell at 102.00 on 2026-11-27."""
    session = Session(execution=execution, risk=RiskSettings(position_size=quantity), **exits)
    return session.feed(trade(shifted(0), 100, symbol=symbol, says="LONG"), trade(shifted(1), 102, symbol=symbol))


# ------------------------------------------------------------------------------------------------------ fees


def test_a_fee_by_value_is_paid_at_entry_and_exit() -> None:
    (done,) = round_trip(ExecutionSettings(fee_bps=10, fee_per_share=0.01)).of(PositionClosed)
    assert done.fees == D("1.00") + D("1.02") + D("0.20")  # 10 bps of 1,000 and of 1,020, a cent for each of 20 shares
    assert done.pnl == 20 - done.fees


def test_an_order_that_rested_pays_as_a_maker_and_one_that_did_not_as_a_taker() -> None:
    session = Session(
        execution=ExecutionSettings(fee_bps=10, maker_fee_bps=2, liquidity="displayed", participation=1.0),
        entries=at_99,
    )
    session.feed(trade(0, 100, 5, says="LONG"), trade(1, 99, 5), trade(2, 102, 5), trade(3, 102, 5))
    entry, exit = session.of(OrderFilled)
    assert entry.execution.maker is True
    assert exit.execution.maker is msgspec.UNSET
    (done,) = session.of(PositionClosed)
    assert done.fees == D("99") * 2 / 10_000 + D("102") * 10 / 10_000


def test_each_fill_says_what_it_is_estimated_to_cost_and_the_trade_has_it() -> None:
    session = round_trip(ALPACA)
    entry, exit = session.of(OrderFilled)
    assert entry.fees == {"CAT": D("0.00003")}
    assert exit.fees == {"REG": 1020 * D("0.0000206"), "CAT": D("0.00003")}
    (done,) = session.of(PositionClosed)
    assert done.fees == D("0.00006") + 1020 * D("0.0000206")
    assert done.pnl == 20 - done.fees
    assert session.core.summary()["fees"] == {
        "estimated": 0.04,
        "charged": 0.0,
        "residual": 0.0,
        "days": {"2026-11-27": {"estimated": {"REG": 0.03, "CAT": 0.01}, "charged": {}, "residual": None}},
    }


def test_without_a_schedule_nothing_is_estimated_and_the_summary_says_nothing() -> None:
    session = round_trip(ExecutionSettings())
    assert [fact.fees for fact in session.of(OrderFilled)] == [msgspec.UNSET] * 2
    assert "fees" not in session.core.summary()
    assert b"fees" not in msgspec.json.encode(session.of(OrderFilled)) + msgspec.json.encode(session.core.book())


def test_what_parts_and_the_rest_earn_adds_up_to_what_the_trade_earned_after_fees() -> None:
    execution = ExecutionSettings(fees="alpaca", fee_bps=3, fee_per_share=0.005)
    session = round_trip(execution, exits=lambda held, market: take_profit(0.005, 0.4).begin(held, market))
    (part,) = session.of(PositionReduced)
    model, at = execution.fee_model, NOVEMBER
    fees = sum(
        (model.own(D(4), value) + sum(model.by_schedule("A", side, D(4), value, at).values()))
        for side, value in ((OrderSide.BUY, D(400)), (OrderSide.SELL, D(408)))
    )
    assert part.pnl == 8 - fees
    session.feed(trade(shifted(2), 101), Command("flatten"))
    (done,) = session.of(PositionClosed)
    assert session.core.positions.equity == 10_000 + done.pnl
    assert done.fees == model.own(D(10), D(1000)) + D("0.00003") + model.own(D(4), D(408)) + model.own(
        D(6), D(606)
    ) + 1014 * D("0.0000206") + D("0.00003")


def test_what_is_charged_is_told_beside_the_estimate_and_survives_in_the_book() -> None:
    session = round_trip(ALPACA)
    later = Session(execution=ALPACA).feed(session.core.book())
    charges = (FeeCharge("REG", "2026-11-28", D("0.03")), FeeCharge("CAT", "2026-11-28", D("0.02")))
    later.feed(FeesReport(NOVEMBER, charges), FeesReport(NOVEMBER, charges))
    (told,) = later.of(FeesReconciled)
    assert (told.date, told.expected, told.charged, told.residual) == (
        "2026-11-27",
        {"REG": D("0.03"), "CAT": D("0.01")},
        {"REG": D("0.03"), "CAT": D("0.02")},
        D("0.01"),
    )


@pytest.mark.parametrize(
    ("at", "fees"),
    [
        ("2026-11-27", 0.206e-4 + 2 * 0.000003 / 100),  # of a share at 100: the SEC's once, CAT twice
        ("2026-09-30", 0.206e-4 + 2 * 0.000003 / 100 + 0.000195 / 100),
        ("2025-11-03", 2 * 0.000003 / 100 + 0.000166 / 100),
    ],
)
def test_the_cost_guard_counts_what_the_day_charges(at: str, fees: float) -> None:
    ts = int(datetime.fromisoformat(f"{at}T15:00+00:00").timestamp()) * SECOND
    settings = CoreSettings(execution=ExecutionSettings(fees="alpaca", fee_bps=1, fill="last"))
    session = Session().feed(trade(0, 100))
    cost = settings.costs.round_trip(session.core.contexts["A"], ts)
    assert cost == pytest.approx(fees + 0.0002, rel=1e-9)


def test_an_entry_whose_fees_eat_the_target_is_refused() -> None:
    target = msgspec.structs.replace(PATIENT, profit_target=0.00495)
    risk = RiskSettings(cost_guard="refuse")
    for fees, verdict in (("alpaca", Refusal.COST), ("none", None)):
        session = Session(strategy=target, risk=risk, execution=ExecutionSettings(fees=fees, fill="last"))  # type: ignore[arg-type]
        assert session.feed(trade(0, 100, symbol="BTC/USD", says="LONG")).verdicts == [verdict]  # twice 0.25 %


@pytest.mark.parametrize("shares", [100, 60_000])  # of 60,000 the TAF is at its most
def test_what_is_undone_gives_back_what_it_cost(shares: int) -> None:
    june = int(datetime(2026, 6, 1, 15, tzinfo=UTC).timestamp()) * SECOND
    ledger = FeeLedger(FeeModel(alpaca=True))
    for quantity in (D(shares), D(-shares)):
        ledger.charge("A", OrderSide.SELL, quantity, quantity * 10, june, maker=False)
    assert set(ledger.days["2026-06-01"].estimated.values()) == {D(0)}


# ----------------------------------------------------------------------------------------- ticks, lots, buying power


def test_a_fill_is_on_the_grid_against_us() -> None:
    slipping = msgspec.structs.replace(REAL, slippage_bps=1.234567)
    entry, exit = round_trip(slipping).of(OrderFilled)
    assert (entry.execution.price, exit.execution.price) == (D("100.02"), D("101.98"))
    off, _ = round_trip(msgspec.structs.replace(slipping, venue_rules=False)).of(OrderFilled)
    assert off.execution.price == D("100.01234567")


@pytest.mark.parametrize(
    ("price", "side", "limit", "filled"),
    [
        ("397.646924681279", "BUY", None, "397.65"),
        ("397.646924681279", "SELL", None, "397.64"),
        ("397.65", "BUY", None, "397.65"),
        ("0.99991", "BUY", None, "1.0000"),
        ("0.12345", "SELL", None, "0.1234"),
        ("100.004", "BUY", "100.005", "100.00"),  # a cent more would be beyond the limit
        ("100.006", "SELL", "100.005", "100.01"),
        ("0.00001", "SELL", None, "0.0001"),
    ],
)
def test_the_grid_of_a_stock_is_cents_and_below_a_dollar_a_hundredth(
    price: str, side: str, limit: str | None, filled: str
) -> None:
    at_limit = D(limit) if limit is not None else None
    assert Instruments({}).on_tick("A", D(price), OrderSide(side), at_limit) == D(filled)


@given(
    st.decimals("0.0001", 100_000, places=8),
    st.sampled_from(OrderSide),
    st.sampled_from((0.01, 0.05, 0.0001, 2.5)),
)
def test_a_price_moves_by_less_than_a_step_and_never_in_our_favour(price: D, side: OrderSide, tick: float) -> None:
    moved = Instruments({"A": Instrument(tick=tick)}).on_tick("A", price, side)
    assert moved % D(str(tick)) == 0
    assert 0 <= side.sign * (moved - price) < D(str(tick)) or moved == D(str(tick))


def test_a_table_of_instruments_switches_the_rules_on() -> None:
    table = ExecutionSettings(instruments={"A": Instrument(tick=0.5), "B": Instrument(lot=0.1)}, slippage_bps=1)
    (entry, _) = round_trip(table).of(OrderFilled)
    assert entry.execution.price == D("100.5")
    assert round_trip(table, 0.25, "B").verdicts == [Refusal.LOT_SIZE]
    assert round_trip(table, 0.3, "B").verdicts == [None]


def test_fills_in_parts_are_whole_lots() -> None:
    thin = ExecutionSettings(liquidity="displayed", participation=0.1, instruments={"A": Instrument(lot=5)})
    session = Session(execution=thin, risk=RiskSettings(position_size=20))
    session.feed(trade(0, 100, says="LONG"), trade(0.1, 100, 70), trade(0.2, 100, 60), trade(0.3, 100, 500))
    assert [fact.execution.quantity for fact in session.of(OrderFilled)] == [D(5), D(5), D(10)]


@pytest.mark.parametrize(
    ("symbol", "price", "quantity", "side", "equity", "verdict"),
    [
        ("BTC/USD", 60_000, 1, "LONG", 10_000, Refusal.BUYING_POWER),
        ("BTC/USD", 60_000, 0.1, "LONG", 10_000, None),
        ("BTC/USD", 60_000, 0.1, "SHORT", 10_000, Refusal.NOT_SHORTABLE),
        ("A", 100, 400, "LONG", 10_000, None),  # four times the equity
        ("A", 100, 401, "LONG", 10_000, Refusal.BUYING_POWER),
        ("A", 100, 388, "SHORT", 10_000, None),  # taken to need 3 % more
        ("A", 100, 389, "SHORT", 10_000, Refusal.BUYING_POWER),
        ("A", 100, 19, "LONG", 1_999, None),  # no margin below $2,000
        ("A", 100, 20, "LONG", 1_999, Refusal.BUYING_POWER),
        ("A", 100, 1, "SHORT", 1_999, Refusal.NOT_SHORTABLE),
    ],
)
def test_what_the_equity_does_not_carry_is_refused_by_name(
    symbol: str, price: float, quantity: float, side: str, equity: float, verdict: Refusal | None
) -> None:
    risk = RiskSettings(position_size=quantity, starting_equity=equity)
    signal = trade(0, price, symbol=symbol, says=side)
    assert Session(execution=REAL, risk=risk).feed(signal).verdicts == [verdict]
    assert Session(risk=risk).feed(signal).verdicts == [None]  # a bare replay asks nobody


def test_what_is_held_and_what_is_ordered_count_together() -> None:
    slow = msgspec.structs.replace(REAL, latency_ms=500)
    session = Session(execution=slow, risk=RiskSettings(position_size=150))
    session.feed(trade(0, 100, says="LONG"), trade(1, 100), trade(1.1, 100, symbol="B", says="LONG"))
    session.feed(trade(1.2, 100, symbol="C", says="LONG"), trade(1.3, 68, symbol="D", says="LONG"))
    assert session.verdicts == [None, None, Refusal.BUYING_POWER, Refusal.BUYING_POWER]
    session = Session(execution=slow, risk=RiskSettings(position_size=150))
    session.feed(trade(0, 100, says="LONG"), trade(1, 100), trade(1.1, 100, symbol="B", says="LONG"))
    assert session.feed(trade(1.3, 66, symbol="D", says="LONG")).verdicts == [None, None, None]


def test_a_leverage_of_the_table_holds() -> None:
    assert Instruments({"A": Instrument(leverage=2)}).leverage("A", 10_000) == 2
    assert FeeModel().round_trip("A", 0.0, 0) == 0.0
