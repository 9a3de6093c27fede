"""The cookbook: each strategy signals on its tape when, and only when, its sentence says so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from bench import pictures
from examples.tapes import OPEN, SECOND, TAPES
from microbot import Backtest, backtest
from service import settings, strategies
from service.check.checks import Checks
from service.check.trial_tapes import events_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "COOKBOOK.md"


class Recipe(NamedTuple):
    """When it signals; and what else would, without one clause of the sentence: the clause is what keeps it quiet.

    Times are seconds since the open. They follow from the tape: the doc strings of `examples/tapes.py` tell its course.
    """

    signals: list[tuple[float, str]]
    without: dict[str, list[tuple[float, str]]]


RECIPES = {
    "rsi_filter": Recipe(
        [(31, "LONG"), (73, "SHORT")],
        {"overbought=100": [(185, "LONG")], "oversold=0": [(293, "SHORT")]},
    ),
    "ema_cross": Recipe([(41, "LONG"), (94, "LONG"), (123, "SHORT")], {"widest=1": [(75, "SHORT")]}),
    "book_lean": Recipe(
        [(21, "LONG"), (87.5, "SHORT")],
        {"lean=-1": [(43.5, "LONG")], "widest=1": [(65.5, "LONG")]},
    ),
    "trailing": Recipe(
        [(21.5, "LONG"), (49, "SHORT"), (75.5, "LONG"), (157.5, "LONG"), (178.5, "SHORT")],
        {"burst=0.0004": []},
    ),
    "fade": Recipe([(70.5, "SHORT"), (156.5, "LONG")], {"far=2": [(251, "SHORT")]}),
    "opening_range": Recipe([(3_780, "LONG"), (6_660, "SHORT")], {"last_minutes=0": [(19_860, "LONG")]}),
    "market_filter": Recipe(
        [(71.5, "LONG"), (281.5, "SHORT")],
        {"least=-1": [(141.5, "LONG"), (211.5, "LONG")]},
    ),
    "trend_spike": Recipe([(262, "LONG"), (562, "SHORT")], {"times=0": [(302, "LONG"), (602, "SHORT")]}),
}


def decided(name: str, **chosen: float) -> Backtest:
    given = {f"strategy.{parameter}": value for parameter, value in chosen.items()}
    return backtest(TAPES[name](), strategy=str(ROOT / "examples" / f"{name}.py:strategy"), settings=given)


def signals(found: Backtest) -> list[tuple[float, str]]:
    return [((signal.ts - OPEN) / SECOND, signal.side) for signal in found.signals]


def test_every_tape_has_its_recipe() -> None:
    assert TAPES.keys() == RECIPES.keys()


@pytest.mark.parametrize("name", RECIPES)
def test_it_signals_when_and_only_when_its_sentence_says(name: str) -> None:
    assert signals(decided(name)) == RECIPES[name].signals


@pytest.mark.parametrize(
    ("name", "clause", "more"),
    [(name, clause, more) for name, recipe in RECIPES.items() for clause, more in recipe.without.items() if more],
)
def test_each_clause_is_what_keeps_it_quiet(name: str, clause: str, more: list[tuple[float, str]]) -> None:
    parameter, _, value = clause.partition("=")
    assert set(more) <= set(signals(decided(name, **{parameter: float(value)})))
    assert set(more).isdisjoint(RECIPES[name].signals)


def test_the_exits_close_as_the_sentence_says() -> None:
    assert [trade.exit_reason for trade in decided("trailing").trades] == ["TRAIL", "TIME", "BREAK_EVEN"]
    ran, stayed, came_back = decided("trailing").trades
    assert ran.exit_price < 100.30 * 0.999 < ran.exit_price + 0.04  # the first price that is 0.1 % off the best one
    assert stayed.exit_ts - stayed.entry_ts == 60 * SECOND
    assert came_back.entry_price - 0.05 < came_back.exit_price < came_back.entry_price
    assert {trade.exit_reason for trade in decided("fade").trades} == {"MEAN"}


@pytest.mark.parametrize("name", RECIPES)
def test_it_is_under_twenty_lines_and_begins_with_its_sentence(name: str) -> None:
    lines = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 20
    assert re.fullmatch(r'"""Go .*\."""', lines[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_the_check_passes(name: str) -> None:
    effective = settings.load(environment={})
    strategy = strategies.chosen(str(ROOT / "examples" / f"{name}.py:strategy"), effective)
    checks = Checks(strategy, effective, events_of(None)[:2_000], 5.0)
    assert [finding for finding in checks.all_of_them() if not finding.passed] == []


def test_the_page_shows_each_file_and_its_picture() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert re.findall(r'^--8<-- "examples/(\w+)\.py"$', page, re.MULTILINE) == list(RECIPES)
    assert re.findall(r"\(cookbook/(\w+)\.svg\)", page) == list(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_the_picture_is_the_one_that_make_pictures_draws(name: str) -> None:
    assert (PAGE.parent / "cookbook" / f"{name}.svg").read_text(encoding="utf-8") == pictures.draw(name)
