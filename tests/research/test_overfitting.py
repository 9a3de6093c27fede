"""Figures of overfitting, beside what their authors published, a second implementation, and truths that are planted."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from research.statistics.overfitting import (
    backtest_overfitting,
    deflated_sharpe,
    distinct_columns,
    expected_best,
    probabilistic_sharpe,
    sharpe,
    superior_predictive_ability,
)


@pytest.mark.parametrize(
    ("trials", "skew", "kurtosis", "published"), [(100, -3, 10, 0.9004), (46, -3, 10, 0.9505), (88, 0, 3, 0.9505)]
)
def test_the_deflated_sharpe_ratio_is_that_of_its_authors_example(
    trials: int, skew: float, kurtosis: float, published: float
) -> None:
    """Bailey and Lopez de Prado (2014), "A numerical example": 2.5 a year, five years of days, variance 1/2 a year."""
    hurdle = expected_best(0.5 / 250, trials)
    found = probabilistic_sharpe(2.5 / math.sqrt(250), hurdle, 1250, skew, kurtosis)
    assert found == pytest.approx(published, abs=5e-5)


def test_the_best_of_many_without_an_edge_is_as_good_as_expected() -> None:
    chance = np.random.default_rng(5)
    best = [chance.normal(0, 0.1, 200).max() for _ in range(4_000)]
    assert expected_best(0.01, 200) == pytest.approx(np.mean(best), rel=0.02)


def test_the_deflated_sharpe_ratio_tells_an_edge_from_the_best_of_many() -> None:
    chance = np.random.default_rng(2)
    luck, edge = [], []
    for _ in range(100):
        results = chance.normal(0, 1, (60, 100))
        found = deflated_sharpe(results, int(sharpe(results).argmax()))
        assert found is not None
        luck.append(found.probability)
        results[:, 7] += 1.0
        planted = deflated_sharpe(results, 7)
        assert planted is not None
        edge.append(planted.probability)
    assert np.mean(np.array(luck) >= 0.95) <= 0.05
    assert np.mean(np.array(edge) >= 0.95) >= 0.95


def test_more_trials_deflate_more_and_what_never_varies_has_none() -> None:
    results = np.random.default_rng(1).normal(0.3, 1, (60, 20))
    few, many = deflated_sharpe(results, 3), deflated_sharpe(results, 3, trials=2_000)
    assert few is not None
    assert many is not None
    assert many.probability < few.probability
    assert deflated_sharpe(np.zeros((60, 20)), 3) is None


@pytest.mark.parametrize("measure", ["mean", "sharpe"])
def test_of_settings_without_an_edge_the_best_is_below_the_median_as_often_as_not(measure: str) -> None:
    chance = np.random.default_rng(3)
    found = [backtest_overfitting(chance.normal(size=(60, 30)), measure) for _ in range(60)]  # type: ignore[arg-type]
    shares = [each.probability for each in found if each is not None]
    # Of means it is a little above one half: the halves add up to the whole, so what was luck in one is missing in
    # the other (Bailey and others 2015, section 5).
    assert len(shares) == 60
    assert 0.45 < np.mean(shares) < 0.72


@pytest.mark.parametrize("measure", ["mean", "sharpe"])
def test_a_setting_with_an_edge_is_no_overfitting(measure: str) -> None:
    results = np.random.default_rng(4).normal(size=(60, 30))
    results[:, 11] += 1.5
    found = backtest_overfitting(results, measure)  # type: ignore[arg-type]
    assert found is not None
    assert found.probability < 0.01
    assert found.loss < 0.01
    assert found.ways == math.comb(12, 6)


def test_overfitting_is_counted_way_by_way_as_its_authors_define_it() -> None:
    from itertools import combinations

    results = np.random.default_rng(8).normal(size=(8, 5)).round(1)
    low = lost = 0
    for chosen in combinations(range(4), 2):
        rows = [row for group in chosen for row in (2 * group, 2 * group + 1)]
        others = [row for row in range(8) if row not in rows]
        best = results[rows].mean(axis=0).argmax()
        outside = results[others].mean(axis=0)
        rank = 1 + (outside < outside[best]).sum() + ((outside == outside[best]).sum() - 1) / 2
        low += math.log(rank / 6 / (1 - rank / 6)) <= 0
        lost += outside[best] < 0
    found = backtest_overfitting(results, groups=4)
    assert found is not None
    assert (found.probability, found.loss, found.ways) == (low / 6, lost / 6, 6)


def test_too_few_blocks_or_settings_have_no_such_probability() -> None:
    assert backtest_overfitting(np.ones((60, 1))) is None
    assert backtest_overfitting(np.ones((10, 5))) is None


@pytest.mark.parametrize(("seed", "edge"), [(1, 0.0), (3, 0.2)])
def test_spa_and_the_reality_check_agree_with_another_implementation(seed: int, edge: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bootstrap = pytest.importorskip("arch.bootstrap")
    results = np.random.default_rng(seed).normal(size=(64, 40))
    results[:, 5] += edge
    results[:, 20:] -= 0.6  # poor ones, which only the reality check is bothered by
    found = superior_predictive_ability(results, block=8, samples=2_000)
    theirs = bootstrap.SPA(np.zeros(64), -results, reps=2_000, block_size=8, seed=7)
    theirs.compute()
    assert found is not None
    assert found.spa == pytest.approx(theirs.pvalues["consistent"], abs=0.05)
    assert found.reality_check == pytest.approx(theirs.pvalues["upper"], abs=0.05)


def test_without_an_edge_spa_seldom_sees_one_and_with_one_it_does() -> None:
    chance = np.random.default_rng(9)
    luck = edge = 0
    for _ in range(60):
        results = chance.normal(size=(60, 20))
        found = superior_predictive_ability(results, block=2, samples=200)
        results[:, 3] += 0.8
        planted = superior_predictive_ability(results, block=2, samples=200)
        assert found is not None
        assert planted is not None
        luck += found.spa <= 0.05
        edge += planted.spa <= 0.05
    assert luck <= 8
    assert edge >= 57


def test_settings_that_decide_alike_are_one_trial() -> None:
    results = np.array([[1.0, 2.0, 1.0], [0.0, 3.0, 0.0]])
    assert distinct_columns(results).tolist() == [0, 1]


def test_the_test_of_superiority_is_the_same_for_settings_at_once_or_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = np.random.default_rng(3).normal(0.02, 1, (60, 37))
    whole = superior_predictive_ability(results)
    for columns in (1, 5, 36):
        monkeypatch.setattr("research.statistics.overfitting._COLUMNS", columns)
        assert superior_predictive_ability(results) == whole
