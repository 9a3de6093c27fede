"""Conditions of prints: what may set the last price, by the code and the tape, the strictest of several counting."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from pipeline.venues.conditions import NO_LAST_PRICE, ODD_LOT, UNKNOWN_CONDITION, why_no_last_price


@pytest.mark.parametrize("tape", ["A", "B", "C"])
@pytest.mark.parametrize("code", [" ", "@", "F", "K", "X", "O", "5", "6"])
def test_prints_of_the_continuous_market_and_of_auctions_set_the_last_price(tape: str, code: str) -> None:
    assert why_no_last_price(tape, [code]) == ""


@pytest.mark.parametrize("tape", ["A", "B", "C"])
@pytest.mark.parametrize("code", list("CGHLMNPQRTUVWZ479"))
def test_what_was_priced_elsewhere_or_earlier_sets_none(tape: str, code: str) -> None:
    assert why_no_last_price(tape, [" ", code]) == NO_LAST_PRICE


def test_one_letter_means_different_things_on_different_tapes() -> None:
    assert [why_no_last_price(tape, ["B"]) for tape in "ABC"] == [NO_LAST_PRICE, NO_LAST_PRICE, ""]
    assert [why_no_last_price(tape, ["E"]) for tape in "ABC"] == ["", "", NO_LAST_PRICE]
    assert [why_no_last_price("C", [code]) for code in "ADYS1"] == [""] * 5


def test_on_a_tape_that_is_not_known_only_what_sets_it_everywhere_does() -> None:
    assert [why_no_last_price("", [code]) for code in (" ", "F", "B", "E", "A")] == ["", "", *[NO_LAST_PRICE] * 3]


def test_an_odd_lot_is_told_from_what_is_worse() -> None:
    assert why_no_last_price("C", ["@", "I"]) == ODD_LOT
    assert why_no_last_price("C", ["@", "I", "T"]) == NO_LAST_PRICE


@pytest.mark.parametrize("conditions", [["?"], [" ", "3"], ["FT"], [""], 5, 1.5])
def test_what_nobody_knows_sets_none_and_is_told_apart(conditions: object) -> None:
    assert why_no_last_price("A", conditions) == UNKNOWN_CONDITION


@given(st.sampled_from(["A", "B", "C", "O", "N", ""]), st.lists(st.text(max_size=2), max_size=5), st.text(max_size=2))
def test_one_more_condition_never_lets_a_print_set_the_price(tape: str, some: list[str], more: str) -> None:
    if why_no_last_price(tape, some):
        assert why_no_last_price(tape, [*some, more])
