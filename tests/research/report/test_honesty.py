"""What a report says of markets and trades whose edge is known; `make bench ARGS="--only honesty"` has 200 of each."""

from __future__ import annotations

from datetime import UTC
from itertools import pairwise

from research.report.figures import figures_of
from research.statistics.chance import random_walk, trades_with_edge
from research.statistics.intervals import blocks_of, mean_of
from tests.research.report.gatherings import walked

TAPES = 30


def test_a_random_walk_has_no_edge_and_no_profit() -> None:
    said = claimed = 0
    for seed in range(TAPES):
        found = figures_of(walked(seed, 2_500))
        gross = found.luck["gross"]
        assert gross["verdict"] != "too few trades"
        said += gross["verdict"] == "luck"
        claimed += found.luck["net"]["verdict"] == "above zero"
    assert said >= TAPES * 0.9
    assert claimed <= TAPES * 0.05


def test_an_edge_of_two_basis_points_over_four_hundred_trades_is_found() -> None:
    found = 0
    for seed in range(TAPES):
        times, values = trades_with_edge(seed, 2.0)
        found += mean_of(values, blocks_of(times, UTC)).is_above_zero
    assert found >= TAPES * 0.9


def test_the_trades_with_an_edge_have_it_in_the_mean_and_none_without() -> None:
    for edge in (0.0, 2.0):
        values = [value for seed in range(100) for value in trades_with_edge(seed, edge)[1]]
        assert abs(sum(values) / len(values) - edge) < 0.2


def test_a_random_walk_does_not_know_its_past() -> None:
    """Moves that follow each other are not alike: their correlation is that of chance."""
    middles = [(tick.bid + tick.ask) / 2 for tick in random_walk(4, 20_000) if tick.bid and tick.ask]
    moves = [b - a for a, b in pairwise(middles)]
    variance = sum(move * move for move in moves)
    for lag in (1, 5, 20):
        together = sum(a * b for a, b in zip(moves, moves[lag:], strict=False)) / variance
        assert abs(together) < 0.03
