"""Tasks have every setting of every tape once, take their second, and are enough for all workers."""

from __future__ import annotations

from hypothesis import given, strategies as st

from research.workers.blocks import LEAST_S, Cost, plan

costs = st.builds(Cost, st.floats(0, 20), st.floats(0, 60))


@given(st.lists(costs, max_size=5), st.integers(0, 400), st.integers(1, 64))
def test_each_setting_is_in_one_block_of_each_tape(costs: list[Cost], settings: int, jobs: int) -> None:
    done = [(block.tape, setting) for block in plan(costs, settings, jobs) for setting in block.settings]
    assert done == [(tape, setting) for tape in range(len(costs)) for setting in range(settings)]


def test_quick_settings_come_in_blocks_of_a_second() -> None:
    (only,) = plan([Cost(0.0, 0.000_1)], 1_000, 8)
    assert only.settings == range(1_000)  # a tenth of a second: nothing to share out
    blocks = plan([Cost(0.0, 0.001)], 6_000, 8)
    assert {len(block.settings) for block in blocks} == {1_000}  # six seconds: as many blocks, though workers are eight


def test_long_work_is_shared_out_evenly() -> None:
    blocks = plan([Cost(0.1, 1.0)], 1_000, 10)
    assert len(blocks) == 40
    assert {len(block.settings) for block in blocks} == {25}


def test_a_tape_is_not_read_again_for_every_few_settings() -> None:
    assert len(plan([Cost(30.0, 1.0)], 1_000, 2)) == 4  # not eight: of 300 s each, so that reading is a tenth
    assert len(plan([Cost(30.0, 1.0)], 100, 8)) == 8  # but no worker is idle
    assert len(plan([Cost(30.0, 1.0)] * 20, 100, 8)) == 20  # other tapes are there for them


def test_blocks_of_many_tapes_take_their_second_each() -> None:
    for block in plan([Cost(0.01, 0.004)] * 250, 1_000, 4):
        assert len(block.settings) * 0.004 >= LEAST_S
