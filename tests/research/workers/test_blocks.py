"""Tasks have every setting of every tape once, take their second, and are enough for all workers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from research.workers.blocks import LEAST_S, Cost, cost_of, plan
from service.recorded.columnar import TapeInfo, TapeWriter, rows_of
from tests.support.market import tape
from tests.support.random_tapes import seeded_tape

costs = st.builds(Cost, st.floats(0, 20), st.floats(0, 60))


@given(st.lists(st.tuples(costs, st.integers(0, 400)), max_size=5), st.integers(1, 64), st.integers(1, 500))
def test_each_setting_is_in_one_block_of_its_tape(work: list[tuple[Cost, int]], jobs: int, most: int) -> None:
    blocks = plan([cost for cost, _ in work], [count for _, count in work], jobs, most)
    done = [(block.tape, setting) for block in blocks for setting in block.settings]
    assert done == [(tape, setting) for tape, (_, count) in enumerate(work) for setting in range(count)]
    assert all(0 < len(block.settings) <= most for block in blocks)


def test_what_a_tape_costs_goes_by_its_events(tmp_path: Path) -> None:
    short, long = tmp_path / "short.jsonl", tmp_path / "long.jsonl"
    short.write_bytes(tape(seeded_tape(1, 500)))
    long.write_bytes(tape(seeded_tape(1, 5_000)))
    cost = cost_of(long, "exact")
    assert 9 < cost.each_s / cost_of(short, "exact").each_s < 11
    assert cost.each_s > 10 * cost_of(long, "compiled").each_s
    columns = tmp_path / "long.parquet"
    with TapeWriter(columns, TapeInfo()) as writer:
        writer.write(rows_of(list(seeded_tape(1, 5_000))))
        writer.finish({})
    assert cost_of(columns, "exact").each_s == pytest.approx(cost.each_s, rel=0.3)


def test_quick_settings_come_in_blocks_of_a_second() -> None:
    (only,) = plan([Cost(0.0, 0.000_1)], [1_000], 8)
    assert only.settings == range(1_000)  # a tenth of a second: nothing to share out
    blocks = plan([Cost(0.0, 0.001)], [6_000], 8)
    assert {len(block.settings) for block in blocks} == {1_000}  # six seconds: as many blocks, though workers are eight


def test_long_work_is_shared_out_evenly() -> None:
    blocks = plan([Cost(0.1, 1.0)], [1_000], 10)
    assert len(blocks) == 40
    assert {len(block.settings) for block in blocks} == {25}


def test_a_tape_is_not_read_again_for_every_few_settings() -> None:
    assert len(plan([Cost(30.0, 1.0)], [1_000], 2)) == 4  # not eight: of 300 s each, so that reading is a tenth
    assert len(plan([Cost(30.0, 1.0)], [100], 8)) == 8  # but no worker is idle
    assert len(plan([Cost(30.0, 1.0)] * 20, [100] * 20, 8)) == 20  # other tapes are there for them


def test_blocks_of_many_tapes_take_their_second_each() -> None:
    for block in plan([Cost(0.01, 0.004)] * 250, [1_000] * 250, 4):
        assert len(block.settings) * 0.004 >= LEAST_S
