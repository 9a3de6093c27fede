"""readme: what it shows to copy does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from actors.core import Core, CoreSettings
from actors.messages import ChainFailed, Fact, SignalRaised
from pipeline.strategy import StrategySettings
from service import strategies
from tests.support.market import trade

README = Path(__file__).parents[2] / "README.md"
SHOWN = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("code", SHOWN)
def test_each_strategy_that_is_shown_can_be_run(code: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.py"
    path.write_text(code, encoding="utf-8")
    facts: list[Fact] = []
    core = Core(CoreSettings(), strategies.load(f"{path}:strategy", StrategySettings()), facts.append)
    core.run([trade(0, 100, size=10), trade(1, 100, size=1000), trade(2, 101, size=10)])
    assert not any(isinstance(fact, ChainFailed) for fact in facts)
    assert sum(isinstance(fact, SignalRaised) for fact in facts) == ("Signal(" in code)


def test_the_exit_codes_are_told() -> None:
    assert re.findall(r"^\| (\d+) \|", README.read_text(encoding="utf-8"), re.MULTILINE) == ["0", "1", "2", "3", "130"]
