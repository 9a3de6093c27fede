"""What the dialects share: exact times, and numbers that may be strings."""

from __future__ import annotations

from math import isnan

import pytest

from pipeline.venues.dialect import nanoseconds, number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-28T16:59:00Z", 1_711_645_140_000_000_000),
        ("2024-03-28T16:59:00.1Z", 1_711_645_140_100_000_000),
        ("2024-03-28T16:59:00.114612043Z", 1_711_645_140_114_612_043),
    ],
)
def test_times_are_exact_to_the_nanosecond(text: str, expected: int) -> None:
    assert nanoseconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2024-03-28T16:59:00",
        "2024-03-28T16:59:00+01:00",
        "2024-13-28T16:59:00Z",
        "2024-03-28T16:59:00.1234567890Z",
        "2024-03-28T16:59:00.-1Z",
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert nanoseconds(text) is None


def test_numbers_may_be_strings_and_nonsense_is_not_a_number() -> None:
    assert number("0.001") == 0.001
    assert isnan(number("x"))
    assert isnan(number(None))
