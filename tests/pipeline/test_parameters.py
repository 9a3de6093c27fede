"""Parameters of a strategy: declared where they are used, set from outside, held within their bounds."""

from __future__ import annotations

import pytest

from pipeline.parameters import Parameters, param


def test_a_parameter_that_nobody_sets_is_its_default() -> None:
    assert param("fast", 9, 2, 100) == 9


def test_what_was_chosen_is_given_while_it_is_in_force_and_only_then() -> None:
    parameters = Parameters({"fast": 12.0})
    with parameters.in_force():
        assert param("fast", 9, 2, 100) == 12
        assert isinstance(param("fast", 9, 2, 100), int)
        assert param("width", 1.5, 0.5, 3.0) == 1.5
    assert param("fast", 9, 2, 100) == 9
    assert [str(found) for found in parameters.declared.values()] == ["fast = 12 (2 to 100)", "width = 1.5 (0.5 to 3)"]


@pytest.mark.parametrize("value", [1, 101, 9.5, float("nan")])
def test_a_value_out_of_bounds_or_of_another_kind_is_refused(value: float) -> None:
    with Parameters({"fast": value}).in_force(), pytest.raises((ValueError, TypeError), match="'fast'"):
        param("fast", 9, 2, 100)


def test_a_parameter_is_declared_alike_wherever_it_is() -> None:
    with Parameters().in_force():
        param("fast", 9, 2, 100)
        param("fast", 9, 2, 100)
        with pytest.raises(ValueError, match="declared twice"):
            param("fast", 9, 2, 50)


@pytest.mark.parametrize(("name", "default"), [("two words", 9), ("fast", 1), ("fast", 101)])
def test_a_declaration_that_makes_no_sense_is_refused(name: str, default: int) -> None:
    with pytest.raises(ValueError, match="parameter"):
        param(name, default, 2, 100)
