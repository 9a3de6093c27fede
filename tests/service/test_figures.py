"""Figures for people: one way for instants, prices, money and percentages."""

from __future__ import annotations

from decimal import Decimal

import pytest

from service import figures

AT = 1_767_623_467_123_456_789


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0000131, "0.0000131"),
        (Decimal("0.0000131"), "0.0000131"),
        ("1.31E-5", "0.0000131"),
        (150.25, "150.25"),
        (397.644919311003, "397.64492"),
        (-397.644919311003, "-397.64492"),
        (150, "150.00"),
        (150.1 + 0.2, "150.30"),
        (Decimal("123456789012.123456789"), "123456789012.12"),
        (1e-12, "0.000000000001"),
    ],
)
def test_a_price_has_the_decimals_that_it_has(value: float | Decimal | str, shown: str) -> None:
    assert figures.price(value) == shown


@pytest.mark.parametrize("nothing", [0.0, -0.0, -1e-9, Decimal("-0.000000"), -0.00001])
def test_nothing_has_no_sign(nothing: float | Decimal) -> None:
    assert figures.percent(float(nothing)) == "0.00%"
    assert not nothing or figures.money(nothing).startswith("-$0.0000")
    assert nothing or figures.money(nothing) == "$0.00"


def test_an_instant_is_named_with_its_zone() -> None:
    assert figures.instant(AT, "America/New_York") == "2026-01-05 09:31:07.123 EST"
    assert figures.of_day(AT, "America/New_York") == "09:31:07.123 EST"
    assert figures.instant(AT, "no/such zone") == "2026-01-05 14:31:07.123 UTC"
    assert figures.instant(-5) == "1970-01-01 00:00:00.000 UTC"
    assert figures.instant(1 << 80).startswith("9999")
