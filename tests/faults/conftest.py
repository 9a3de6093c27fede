"""What the tests of faults share: keys in the environment, and one bot that lives through all faults of market data."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.bots import EAGER, ORDERS_IN_A_HURRY, Replayed, at
from tests.support.exchange import KEYS, ExchangeServer
from tests.support.faults import Struck, books_agree

SPEED = 20
"""Venue seconds a real one."""

LENIENT = (
    *("--set", "feed.stale_after_s=2", "--set", "feed.silent_after_s=3", "--set", "feed.connects_per_minute=1000"),
    *("--set", "risk.daily_loss_limit=-0.9"),
)
"""Connections are lost all the time, and prices that are ten times too high cost a short position more than a day may.
"""


@pytest.fixture(autouse=True, scope="module")
def keys() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def struck(keys: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Struck]:
    """One bot for all faults of market data; in the end, its books are compared with the venue's."""
    folder = tmp_path_factory.mktemp("struck")
    options = (*EAGER, *ORDERS_IN_A_HURRY, *LENIENT, "--record", "r.jsonl")
    with ExchangeServer("--speed", SPEED, "--seed", 3) as exchange:
        with at(exchange, folder, SPEED, *options, "--on-exit", "flatten") as bot:
            bot.until(lambda state: state["trades"])
            yield Struck(exchange, bot)
            exchange.strike()
            summary = bot.stop()
        books_agree(exchange, Replayed(folder / "r.jsonl"))
        assert exchange.positions == {}
        assert summary["open_positions"] == 0
