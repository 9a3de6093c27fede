"""Conditions of prints: what each may move, by the code and the tape, the strictest of several counting."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from pipeline.venues.conditions import PrintKind, kind_of, lean_conditions

STRICTNESS = list(PrintKind)
TAPES = ["A", "B", "C", "O", "N"]


@pytest.mark.parametrize("tape", TAPES)
@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        (" @FKX", PrintKind.TICK),
        ("O56", PrintKind.AUCTION),
        ("IL", PrintKind.VOLUME),
        ("T", PrintKind.EXTENDED),
        ("CGHNPRUVWZ47", PrintKind.ELSEWHERE),
        ("MQ9", PrintKind.NO_VOLUME),
    ],
)
def test_each_code_of_the_table_has_its_kind_on_every_tape(tape: str, codes: str, kind: PrintKind) -> None:
    regular = " " if tape in "AB" else "@"
    for code in codes:
        assert kind_of(tape, [regular, code]) == (kind, False)


def test_one_letter_means_different_things_on_different_tapes() -> None:
    average = PrintKind.ELSEWHERE, False
    tick = PrintKind.TICK, False
    assert [kind_of(tape, ["B"]) for tape in TAPES] == [average, average, tick, tick, tick]
    assert [kind_of(tape, ["E"]) for tape in "ABC"] == [tick, tick, average]
    assert [kind_of("C", [code]) for code in "ADYS1"] == [tick] * 5


def test_on_a_tape_that_is_not_known_a_code_is_the_strictest_that_it_may_be() -> None:
    kinds = [kind_of("", [code])[0] for code in (" ", "F", "I", "B", "E", "A")]
    assert kinds == [PrintKind.TICK, PrintKind.TICK, PrintKind.VOLUME, *[PrintKind.ELSEWHERE] * 3]


@pytest.mark.parametrize("conditions", [["?"], [" ", "3"], ["FT"], [""], 5, 1.5, [["@"]], [{}]])
def test_of_a_print_with_an_unknown_code_only_the_size_counts(conditions: object) -> None:
    assert kind_of("A", conditions) == (PrintKind.VOLUME, True)


def test_an_unknown_code_makes_no_volume_of_now_of_an_average_price() -> None:
    assert kind_of("A", ["B", "?"]) == (PrintKind.ELSEWHERE, True)


CODES = st.one_of(st.sampled_from(list(" @ABCDEFGHIKLMNOPQRSTUVWXYZ1456790")), st.text(max_size=2))


@given(st.sampled_from([*TAPES, ""]), st.lists(CODES, max_size=5), CODES)
def test_one_more_condition_never_makes_a_print_less_strict(tape: str, some: list[str], more: str) -> None:
    before, unknown = kind_of(tape, some)
    after, still = kind_of(tape, [*some, more])
    assert STRICTNESS.index(after) >= STRICTNESS.index(before)
    assert still >= unknown


@pytest.mark.parametrize(
    ("flags", "codes"),
    [
        ("1", ["@"]),
        ("20000020", ["F"]),
        ("20002020", ["F", "T"]),
        ("20100200", ["4", "W"]),
        ("4800", ["L", "Z"]),
        ("40", ["O"]),
        ("4000000", ["Q"]),
        ("80000000", ["I"]),
        ("40000000", ["?"]),
        ("100000000", ["?"]),
        ("0", []),
    ],
)
def test_the_bits_of_a_sale_condition_of_lean_are_codes(flags: str, codes: list[str]) -> None:
    assert lean_conditions(int(flags, 16)) == codes
