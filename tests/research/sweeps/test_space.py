"""The settings of a sweep: how they are written, and in which order they are drawn."""

from __future__ import annotations

import pytest

from research.sweeps.methods import BATCH, method_of
from research.sweeps.space import Axis, Sample, space_from, space_of
from service.errors import UserError


def test_a_range_has_its_ends_and_every_step_as_they_are_written() -> None:
    (axis,) = space_of(["strategy.entry_threshold=0.0003:0.001:0.0001"]).axes
    assert axis.values == (0.0003, 0.0004, 0.0005, 0.0006, 0.0007, 0.0008, 0.0009, 0.001)
    assert space_of(["risk.position_size = 1 : 10 : 4"]).axes[0].values == (1, 5, 9)


def test_a_list_has_numbers_and_words_each_once() -> None:
    space = space_of(["execution.fill=quote, last", "strategy.min_ticks=3,5,3", "execution.slippage_bps=0.5,1"])
    assert [axis.values for axis in space.axes] == [("quote", "last"), (3, 5), (0.5, 1)]
    assert space.count() == 8


def test_a_log_range_goes_by_ratio() -> None:
    (axis,) = space_of(["strategy.entry_threshold=0.0001:0.01:log3"]).axes
    assert axis.values == (0.0001, 0.001, 0.01)
    assert space_of(["strategy.min_ticks=1:100:log3"]).axes[0].values == (1, 10, 100)
    assert space_of(["strategy.entry_threshold=0.0001:0.01:log"]).axes[0].log


def test_whole_numbers_are_drawn_whole_by_ratio_too() -> None:
    (axis,) = space_of(["strategy.min_ticks=2:500:log"]).axes
    drawn = [int(axis.at(place / 10_000)) for place in range(10_000)]
    assert all(type(value) is int for value in (*axis.ends, axis.at(0.3), axis.at(0.9999)))
    assert (min(drawn), max(drawn)) == (2, 500)
    assert 4_900 < sum(value < 32 for value in drawn) < 5_100
    method = method_of("tpe", space_of(["strategy.min_ticks=2:500:log"]), 20, 1)
    assert all(type(value) is int for (value,) in method.ask())


def test_the_grid_has_every_combination_the_last_parameter_fastest() -> None:
    assert list(space_of(["a.b=1,2", "a.c=3,4"]).grid()) == [(1, 3), (1, 4), (2, 3), (2, 4)]


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ([], "at least one --param"),
        (["strategy.entry_threshold"], r"SECTION\.KEY=VALUES"),
        (["entry_threshold=1,2"], r"SECTION\.KEY=VALUES"),
        (["a.b=1,2", "a.b=3"], "given twice"),
        (["a.b=2:1:1"], "lower one first"),
        (["a.b=1:2:0"], "a step above 0"),
        (["a.b=1:x:1"], "'x' is none"),
        (["a.b=1:1e999999:1"], "'1e999999' is none"),
        (["a.b=1:2:1e-999999"], "'1e-999999' is none"),
        (["a.b=1:2:1e-200"], "more than 10,000 values"),
        (["a.b=1:2:3:4"], "LOW:HIGH:STEP"),
        (["a.b=0:1:log5"], "begins above 0"),
        (["a.b=1:9:log1"], "a count of values"),
        (["a.b=1,,2"], "empty value"),
        (["a.b=0:1:0.000001"], "make its step larger"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(parameters: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        space_of(parameters)


def test_a_range_without_a_step_makes_no_grid_and_a_large_one_is_refused() -> None:
    with pytest.raises(UserError, match="a range without a step"):
        method_of("grid", space_of(["a.b=0.1:0.2"]), 10, 1)
    wide = [f"a.p{number}=1:100:1" for number in range(4)]
    with pytest.raises(UserError, match="100,000,000 combinations"):
        method_of("grid", space_of(wide), 10, 1)


def test_python_gives_lists_of_its_own_or_of_numpy() -> None:
    import numpy as np

    space = space_from({"a.b": [1, 2], "a.c": np.array([0.1, 0.2]), "a.d": "1:3:1"})
    assert [axis.values for axis in space.axes] == [(1, 2), (0.1, 0.2), (1, 2, 3)]
    with pytest.raises(UserError, match="wants a list of values"):
        space_from({"a.b": 3})


def test_random_settings_are_within_their_ranges_each_once_and_the_same_for_a_seed() -> None:
    space = space_of(["a.b=1:6", "a.c=0.001:0.1:log", "a.d=x,y", "a.e=0.5:1.5"])
    drawn = method_of("random", space, 200, 7).ask()
    assert drawn == method_of("random", space, 200, 7).ask() != method_of("random", space, 200, 8).ask()
    assert len(set(drawn)) == 200
    assert {sample[0] for sample in drawn} == {1, 2, 3, 4, 5, 6}
    assert all(0.001 <= float(sample[1]) <= 0.1 and 0.5 <= float(sample[3]) <= 1.5 for sample in drawn)
    small = sum(float(sample[1]) < 0.01 for sample in drawn)  # half of a range of two decades
    assert 70 < small < 130


def test_a_space_that_is_no_larger_than_the_trials_is_tried_whole() -> None:
    space = space_of(["a.b=1,2", "a.c=3,4"])
    assert method_of("random", space, 10, 1).ask() == list(space.grid())
    assert method_of("tpe", space, 10, 1).count == 4


def followed(seed: int, trials: int) -> list[Sample]:
    """Let TPE look for the smallest distance to a point."""
    method = method_of("tpe", space_of(["a.b=0:100:1", "a.c=0.0:1.0"]), trials, seed)
    tried: list[Sample] = []
    while asked := method.ask():
        tried += asked
        method.tell([-abs(float(b) - 30) / 100 - abs(float(c) - 0.7) for b, c in asked])
    return tried


def test_tpe_comes_nearer_to_what_did_well_in_batches_of_a_fixed_size_the_same_for_a_seed() -> None:
    tried = followed(3, 5 * BATCH)
    assert tried == followed(3, 5 * BATCH)
    assert len(set(tried)) == 5 * BATCH
    distance = [abs(float(b) - 30) / 100 + abs(float(c) - 0.7) for b, c in tried]
    assert sum(distance[-BATCH:]) < 0.6 * sum(distance[:BATCH])


def test_tpe_ends_once_it_has_tried_what_it_may() -> None:
    method = method_of("tpe", space_of([f"a.b=1:{BATCH + 8}:1"]), BATCH + 4, 1)
    count = 0
    while asked := method.ask():
        count += len(asked)
        method.tell([0.0] * len(asked))
    assert count == BATCH + 4


def test_an_axis_gives_each_of_its_values_an_equal_part() -> None:
    axis = Axis("a.b", (1, 2, 3, 4))
    assert [axis.at(share / 8) for share in range(8)] == [1, 1, 2, 2, 3, 3, 4, 4]
