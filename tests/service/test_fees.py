"""Fees worked out by hand from the schedules, beside what the bot estimates and what the mock exchange charges."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from actors.orders import FeeCharge, FeesReport, OrderSide
from actors.portfolio.fee_rates import STOCKS
from actors.portfolio.fees import FeeLedger, FeeModel, cents_up, expected, residual
from mock_exchange.venue.account import Account
from mock_exchange.venue.fees import Fees
from mock_exchange.venue.ids import Ids
from mock_exchange.venue.money import DOLLAR, SHARE
from mock_exchange.venue.orders import Kind, Order, Side, TimeInForce

NEW_YORK = ZoneInfo("America/New_York")
BUY, SELL = OrderSide.BUY, OrderSide.SELL
NS = 10**9


class Done(NamedTuple):
    """An execution: when (New York), what, and whether the order had rested."""

    at: str
    side: OrderSide
    quantity: str
    price: str
    symbol: str = "AAPL"
    maker: bool = False

    @property
    def ts(self) -> int:
        return int(datetime.fromisoformat(self.at).replace(tzinfo=NEW_YORK).timestamp()) * NS


def estimated(trades: list[Done]) -> dict[str, dict[str, Decimal]]:
    """Return what the bot expects, by day and kind."""
    ledger = FeeLedger(FeeModel(alpaca=True))
    for it in trades:
        value = Decimal(it.quantity) * Decimal(it.price)
        ledger.charge(it.symbol, it.side, Decimal(it.quantity), value, it.ts, maker=it.maker)
    return {name: due for name, day in ledger.days.items() if (due := expected(day))}


def charged(trades: list[Done], *, paper: bool = False) -> dict[str, dict[str, Decimal]]:
    """Return what the mock exchange books, by day and kind."""
    accounts = {"ann": Account("ann", 0)}
    fees = Fees(accounts, Ids("test"), trades[0].ts, paper=paper)
    for number, it in enumerate(trades):
        fees.roll(it.ts)
        parts, price = int(Decimal(it.quantity) * SHARE), int(Decimal(it.price) * DOLLAR)
        order = Order(
            id=str(number),
            client_order_id=str(number),
            account="ann",
            created_ns=it.ts - (NS if it.maker else 0),
            updated_ns=it.ts,
            number=number,
            symbol=it.symbol,
            side=Side.BUY if it.side is BUY else Side.SELL,
            qty=parts,
            kind=Kind.MARKET,
            time_in_force=TimeInForce.DAY,
        )
        fees.note(order, parts, price, it.ts)
    fees.roll(trades[-1].ts + 48 * 3600 * NS)
    booked: dict[str, dict[str, Decimal]] = {}
    for charge in fees.charges("ann"):
        booked.setdefault(charge.day, {})[charge.kind] = Decimal(charge.amount) / (DOLLAR * SHARE)
    assert accounts["ann"].cash == -sum(charge.amount for charge in fees.charges("ann"))
    return booked


def due(**amounts: str) -> dict[str, Decimal]:
    return {kind: Decimal(amount) for kind, amount in amounts.items()}


WORKED = {
    # One share sold on a day of 2026 outside the pause: each kind is less than a cent, and costs one.
    # REG 150 x 20.60 / 1,000,000 = 0.00309; TAF 1 x 0.000195; CAT 1 x 0.000003: $0.03.
    "one sell costs three cents": (
        [Done("2026-09-30 12:00", SELL, "1", "150")],
        {"2026-09-30": due(REG="0.01", TAF="0.01", CAT="0.01")},
    ),
    # The same while the TAF is paused, from 2026-10-01 to 2026-12-31: $0.02.
    "one sell in the pause of the TAF costs two": (
        [Done("2026-11-27 12:00", SELL, "1", "150")],
        {"2026-11-27": due(REG="0.01", CAT="0.01")},
    ),
    # A day with a buy only: CAT 100 x 0.000003 = 0.0003: $0.01.
    "a buy costs one": ([Done("2026-11-27 12:00", BUY, "100", "50")], {"2026-11-27": due(CAT="0.01")}),
    # No SEC fee from 2025-05-14 to 2026-04-03; the TAF of 2025: 1,000 x 0.000166 = 0.166; CAT 0.003.
    "the SEC's rate was zero": (
        [Done("2025-11-03 12:00", SELL, "1000", "20")],
        {"2025-11-03": due(TAF="0.17", CAT="0.01")},
    ),
    # The last day of $27.80 a million, exact to the cent, which is not rounded up: 500 x 200 x 0.0000278 = 2.78;
    # TAF 500 x 0.000166 = 0.083; CAT 0.0015. The day after it: TAF and CAT alone.
    "the SEC's old rate ends": (
        [Done("2025-05-13 12:00", SELL, "500", "200"), Done("2025-05-14 12:00", SELL, "500", "200")],
        {"2025-05-13": due(REG="2.78", TAF="0.09", CAT="0.01"), "2025-05-14": due(TAF="0.09", CAT="0.01")},
    ),
    # 2026-04-03 nothing; 2026-04-04: 100 x 100 x 0.0000206 = 0.206; TAF 100 x 0.000195 = 0.0195; CAT 0.0003.
    "the SEC's new rate begins": (
        [Done("2026-04-03 12:00", SELL, "100", "100"), Done("2026-04-04 12:00", SELL, "100", "100")],
        {"2026-04-03": due(TAF="0.02", CAT="0.01"), "2026-04-04": due(REG="0.21", TAF="0.02", CAT="0.01")},
    ),
    # 60,000 x 0.000195 = 11.70, capped at 9.79; REG 60,000 x 10 x 0.0000206 = 12.36; CAT 60,000 x 0.000003 = 0.18.
    "the cap of the TAF": (
        [Done("2026-06-01 12:00", SELL, "60000", "10")],
        {"2026-06-01": due(REG="12.36", TAF="9.79", CAT="0.18")},
    ),
    # The same shares in two executions: each 30,000 x 0.000195 = 5.85, below the cap; 11.70 together.
    "the cap is of an execution": (
        [Done("2026-06-01 12:00", SELL, "30000", "10"), Done("2026-06-01 12:01", SELL, "30000", "10")],
        {"2026-06-01": due(REG="12.36", TAF="11.70", CAT="0.18")},
    ),
    # Fractions count exactly: 1,000.25 x 48.54 = 48,552.135, x 0.0000206 = 1.000173981, just above a dollar;
    # TAF 1,000.25 x 0.000195 = 0.19504875; CAT 2,000.5 x 0.000003 = 0.0060015.
    "fractions": (
        [Done("2026-06-01 12:00", BUY, "1000.25", "48.50"), Done("2026-06-01 12:01", SELL, "1000.25", "48.54")],
        {"2026-06-01": due(REG="1.01", TAF="0.20", CAT="0.01")},
    ),
    # Of one share at 100: REG 400 x 100 x 0.0000206 = 0.824, not 400 cents; CAT 800 x 0.000003 = 0.0024.
    "four hundred round trips": (
        [
            Done(f"2026-11-27 {10 + number // 60}:{number % 60:02}", side, "1", "100")
            for number in range(400)
            for side in (BUY, SELL)
        ],
        {"2026-11-27": due(REG="0.83", CAT="0.01")},
    ),
    # 23:30 in New York on 2026-09-30 is October in UTC: the TAF is owed still; on 2027-01-01 it is owed again.
    "the day is New York's": (
        [Done("2026-09-30 23:30", SELL, "100", "10"), Done("2027-01-01 00:30", SELL, "100", "10")],
        # REG 100 x 10 x 0.0000206 = 0.0206; TAF 100 x 0.000195 = 0.0195; CAT 0.0003.
        {day: due(REG="0.03", TAF="0.02", CAT="0.01") for day in ("2026-09-30", "2027-01-01")},
    ),
    # Crypto: bought at market 0.1 x 60,000 x 0.25 % = 15.00; sold by a resting order 0.05 x 61,000 x 0.15 % = 4.575.
    "crypto, taker and maker": (
        [
            Done("2026-11-27 12:00", BUY, "0.1", "60000", "BTC/USD"),
            Done("2026-11-27 12:01", SELL, "0.05", "61000", "BTC/USD", maker=True),
        ],
        {"2026-11-27": due(CFEE="19.58")},
    ),
    # 2.5 x 60,000 x 0.25 % = 375.00; from the next day on it is the tier from 100,000: 6,000 x 0.22 % = 13.20;
    # 31 days later the 6,000 alone are left of the 30 days before: 6,000 x 0.25 % = 15.00.
    "crypto by what was traded in 30 days": (
        [
            Done("2026-10-20 12:00", BUY, "2.5", "60000", "BTC/USD"),
            Done("2026-10-21 12:00", BUY, "0.1", "60000", "BTC/USD"),
            Done("2026-11-20 12:00", SELL, "0.1", "60000", "BTC/USD"),
        ],
        {"2026-10-20": due(CFEE="375"), "2026-10-21": due(CFEE="13.20"), "2026-11-20": due(CFEE="15")},
    ),
}


@pytest.mark.parametrize(("trades", "by_hand"), WORKED.values(), ids=WORKED)
def test_bot_and_mock_exchange_come_to_what_is_worked_out_by_hand(
    trades: list[Done], by_hand: dict[str, dict[str, Decimal]]
) -> None:
    assert estimated(trades) == by_hand
    assert charged(trades) == by_hand


def test_a_paper_account_is_charged_nothing() -> None:
    assert charged([Done("2026-09-30 12:00", SELL, "1", "150")], paper=True) == {}


@given(
    st.lists(
        st.builds(
            lambda days, side, parts, cents, maker, symbol: Done(
                f"{date(2025, 1, 1) + timedelta(days)} 12:00",
                side,
                str(Decimal(parts) / SHARE),
                str(Decimal(cents) / 100),
                symbol,
                maker,
            ),
            st.integers(0, 800),
            st.sampled_from((BUY, SELL)),
            st.integers(1, 10**14),
            st.integers(1, 10**6),
            st.booleans(),
            st.sampled_from(("AAPL", "BTC/USD")),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_the_two_tables_agree_on_whatever_is_traded(trades: list[Done]) -> None:
    trades.sort(key=lambda it: it.at)
    assert charged(trades) == estimated(trades)


def test_every_day_has_one_row_of_each_kind_at_most() -> None:
    for kind in ("REG", "TAF", "CAT"):
        rows = [rate for rate in STOCKS if rate.kind == kind]
        assert rows[0].since is None
        assert rows[-1].until is None
        for earlier, later in pairwise(rows):
            assert earlier.until is not None
            assert later.since == earlier.until + timedelta(1)


@pytest.mark.parametrize(
    ("amount", "rounded"), [("0", "0"), ("0.01", "0.01"), ("0.0100000000000000000000000001", "0.02"), ("2.78", "2.78")]
)
def test_a_sum_is_rounded_up_and_an_exact_one_stays(amount: str, rounded: str) -> None:
    assert cents_up(Decimal(amount)) == Decimal(rounded)


# ------------------------------------------------------------------------------------------------ reconciling


def ledger() -> FeeLedger:
    """Return that of a Friday, with $0.02 to come, and of a Monday."""
    found = FeeLedger(FeeModel(alpaca=True))
    for at in ("2026-11-27 12:00", "2026-11-30 12:00"):
        it = Done(at, SELL, "1", "150")
        found.charge("AAPL", it.side, Decimal(1), Decimal(150), it.ts, maker=False)
    return found


def report(*charges: FeeCharge) -> FeesReport:
    return FeesReport(int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()) * NS, charges)


def test_a_charge_goes_to_the_day_that_it_names_or_to_the_last_one_before_it_was_booked() -> None:
    of_friday = FeeCharge("REG", "2026-11-30", Decimal("0.01"))
    of_monday = FeeCharge("REG", "2026-12-02", Decimal("0.05"), "2026-11-30")
    found = ledger()
    changed = found.note_charges(report(of_monday, of_friday))
    assert [(day.date, day.charged, residual(day)) for day in changed] == [
        ("2026-11-27", due(REG="0.01"), Decimal("-0.01")),
        ("2026-11-30", due(REG="0.05"), Decimal("0.03")),
    ]


def test_what_is_listed_twice_counts_once_and_what_comes_later_is_added() -> None:
    found, first = ledger(), FeeCharge("REG", "2026-11-28", Decimal("0.01"))
    assert found.note_charges(report(first))
    assert found.note_charges(report(first)) == []
    (day,) = found.note_charges(report(first, FeeCharge("CAT", "2026-11-28", Decimal("0.01"))))
    assert residual(day) == 0
    assert found.summary()["residual"] == 0.0
    assert found.summary()["estimated"] == 0.04


def test_a_charge_for_a_day_of_which_nothing_is_known_counts_nowhere() -> None:
    assert ledger().note_charges(report(FeeCharge("REG", "2026-10-02", Decimal("0.01"), "2026-10-01"))) == []
