"""What regulators and the venue charge for a trade, by date: the table that the bot's estimates go by.

Dates are those of the trade in New York, both included; None is open. `docs/BROKER.md` says what is not verified.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import NamedTuple

ZERO = Decimal(0)
_TICKER = 5


class FeeRate(NamedTuple):
    """One row: what a trade of a day between `since` and `until` costs under one name."""

    kind: str  # what the account's FEE activity calls it (`activity_sub_type`)
    since: date | None
    until: date | None
    source: str
    per_dollar: Decimal = ZERO  # of the trade's value
    per_share: Decimal = ZERO  # money
    most: Decimal | None = None  # money an execution
    of_buys: bool = False  # buys pay it as well


REG, TAF, CAT, CFEE = "REG", "TAF", "CAT", "CFEE"
KINDS = (REG, TAF, CAT, CFEE)
"""SEC Section 31, FINRA's trading activity fee, the consolidated audit trail, and what Alpaca takes for crypto."""

STOCKS = (
    FeeRate(REG, None, date(2025, 5, 13), "SEC fee rate advisory 2024-2", per_dollar=Decimal("0.0000278")),
    FeeRate(REG, date(2025, 5, 14), date(2026, 4, 3), "SEC fee rate advisory 2025-2"),
    FeeRate(REG, date(2026, 4, 4), None, "SEC fee rate advisory 2026-2", per_dollar=Decimal("0.0000206")),
    FeeRate(
        TAF,
        None,
        date(2025, 12, 31),
        "FINRA by-laws, schedule A, 2024 and 2025",
        per_share=Decimal("0.000166"),
        most=Decimal("8.30"),
    ),
    FeeRate(
        TAF, date(2026, 1, 1), date(2026, 9, 30), "the same, 2026", per_share=Decimal("0.000195"), most=Decimal("9.79")
    ),
    FeeRate(TAF, date(2026, 10, 1), date(2026, 12, 31), "SR-FINRA-2026-021, Rel. 34-106409"),
    FeeRate(TAF, date(2027, 1, 1), None, "SR-FINRA-2026-020", per_share=Decimal("0.000195"), most=Decimal("9.79")),
    FeeRate(CAT, None, None, "Alpaca's fee schedule of 2026-09-17", per_share=Decimal("0.000003"), of_buys=True),
)
"""What trades in US stocks cost beside the commission, which is 0; each kind has one row a day."""

CRYPTO = (  # from so much traded in 30 days, in dollars: fraction of the value that a maker and a taker pay
    (Decimal(0), Decimal("0.0015"), Decimal("0.0025")),
    (Decimal(100_000), Decimal("0.0012"), Decimal("0.0022")),
    (Decimal(500_000), Decimal("0.0010"), Decimal("0.0020")),
    (Decimal(1_000_000), Decimal("0.0008"), Decimal("0.0018")),
    (Decimal(10_000_000), Decimal("0.0005"), Decimal("0.0015")),
    (Decimal(25_000_000), Decimal("0.0002"), Decimal("0.0013")),
    (Decimal(50_000_000), Decimal("0.0002"), Decimal("0.0012")),
    (Decimal(100_000_000), Decimal("0.0000"), Decimal("0.0010")),
)
"""Alpaca's crypto fees as of 2026-09-30."""


def stock_rates(day: date) -> tuple[FeeRate, ...]:
    """Return the rows that hold on a day."""
    return tuple(r for r in STOCKS if (r.since is None or r.since <= day) and (r.until is None or day <= r.until))


def crypto_rate(volume: Decimal, *, maker: bool) -> Decimal:
    """Return the fraction of a trade's value that is charged, by what was traded in the 30 days before (money)."""
    _, of_maker, of_taker = next(tier for tier in reversed(CRYPTO) if volume >= tier[0])
    return of_maker if maker else of_taker


def is_crypto(symbol: str) -> bool:
    """Whether a symbol is a pair, as venues write it; tickers of US stocks have five letters at most, and no dash.

    >>> [is_crypto(symbol) for symbol in ("BTC/USD", "BTC-USD", "BTCUSDT", "GOOGL", "BRK.B", "BAC.PRL")]
    [True, True, True, False, False, False]
    """
    return "/" in symbol or "-" in symbol or (len(symbol) > _TICKER and "." not in symbol)
