"""Eight kills, some of each moment, and what must be true afterwards; `make kill` does the same two hundred times."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kills.killing import FAULTS, SPEED, Killing
from tests.kills.moments import histogram
from tests.support.exchange import KEYS, ExchangeServer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("kills", "simulated"), [(6, False), (2, True)])
def test_a_bot_that_is_killed_again_and_again_loses_and_doubles_nothing(
    kills: int, simulated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    words = [word for fault in FAULTS for word in ("--fault", fault)]
    with ExchangeServer("--speed", SPEED, *words) as exchange:
        killing = Killing(exchange, tmp_path, seed=4, simulated=simulated)
        for _ in range(kills):
            killing.kill()
        assert killing.end() == [], histogram(killing.kills)
    assert any(kill.position for kill in killing.kills), histogram(killing.kills)
