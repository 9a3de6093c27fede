"""The plug-in of pytest: fixtures for tests of strategies.

It is a module by itself, and imports nothing of microbot until a fixture is used: pytest loads it wherever microbot is
installed, also where nothing is tested of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from microbot import Backtest
    from microbot.testing import Tape

_DECIDED: pytest.StashKey[list[Backtest]] = pytest.StashKey()


@pytest.fixture
def tape() -> Callable[..., Tape]:
    """Begin a tape: `tape("AAPL").flat(30).burst(0.002)`, as `microbot.testing.tape` does."""
    from microbot.testing import tape as begin

    return begin


@pytest.fixture
def backtested(request: pytest.FixtureRequest) -> Callable[..., Backtest]:
    """Decide on a tape, as `microbot.backtest` does: `backtested(tape, "my.py:strategy")`.

    Files are looked for beside the test, wherever pytest was started. If the test fails, its report shows what was
    decided last.
    """
    from microbot.testing.diagrams import decide

    folder = request.path.parent
    decided: list[Backtest] = request.node.stash.setdefault(_DECIDED, [])

    def beside(name: Any) -> Any:
        if not isinstance(name, str | Path):
            return name
        file = str(name).rpartition(":")[0] or str(name)
        return str(folder / name) if (folder / file).is_file() else name

    def backtest(tape: Any, strategy: Any = None, **options: Any) -> Backtest:
        __tracebackhide__ = True
        decided.append(decide(beside(tape), strategy=beside(strategy), **options))
        return decided[-1]

    return backtest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what was decided in the report of a test that fails, unless its failure shows it."""
    report = yield
    decided = item.stash.get(_DECIDED, [])
    if report.when == "call" and report.failed and decided:
        from microbot.testing import picture

        shown = picture(decided[-1])
        if shown.splitlines()[0] not in report.longreprtext:
            report.sections.append(("microbot: what was decided", shown))
    return report
