"""The bot at a broker as tests want it: settings with no time to lose, what a session decided, and what it logged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from actors.messages import Fact
from service import settings, strategies
from service.recorded import replay, tapes
from tests.support.exchange import ExchangeServer
from tests.support.live import PATIENCE_S, Bot

HASTY = (
    *("--set", "broker.poll_s=0.3", "--set", "broker.down_poll_s=0.1", "--set", "broker.request_timeout_s=1"),
    *("--set", "broker.requests_per_minute=1000000"),
    *("--set", "broker.first_delay_s=0.05", "--set", "broker.most_delay_s=0.5"),
    *("--set", "feed.first_delay_s=0.05", "--set", "feed.most_delay_s=0.5"),
)
"""A broker that is asked often: a test has no time to lose."""

EAGER = (
    *("--set", "strategy.entry_threshold=0.0001", "--set", "strategy.volume_spike_multiplier=0.5"),
    *("--set", "strategy.volatility_guard_threshold=0.0001", "--set", "risk.cooldown_trades_after_loss=0"),
    *("--set", "strategy.window_size=5", "--set", "risk.position_size=3"),
)
"""A strategy that trades all the time."""

PATIENT = (
    *("--set", "strategy.profit_target=0.5", "--set", "strategy.stop_loss=0.4", "--set", "orders.protective_stop=0.45"),
    *("--set", "strategy.time_stop_seconds=100000", "--set", "strategy.flat_seconds=100000"),
)
"""A strategy that never leaves."""

STORIES = ("--set", f"web.story_timeout_s={PATIENCE_S}")
"""Who reads the story of a decision yields to all other work of a busy machine."""

ORDERS_IN_A_HURRY = (
    *("--set", "orders.answer_timeout_s=40", "--set", "orders.look_up_s=8", "--set", "orders.missing_s=60"),
    *("--set", "orders.entry_timeout_s=20", "--set", "orders.reprice_s=8", "--set", "orders.retry_s=4"),
)
"""Forty venue seconds pass in a real one, and answers take as long as ever."""


def at(exchange: ExchangeServer, folder: Path, speed: float, *options: object) -> Bot:
    """Start the bot at an exchange."""
    where = ("--venue", "alpaca", "--url", exchange.url, "--speed", speed, "--symbols", "AAPL,MSFT")
    return Bot(folder, *where, *HASTY, *options)


class Replayed:
    """What a recorded session decided, replayed."""

    def __init__(self, path: Path) -> None:
        recorded = tapes.recorded_settings(path)
        assert recorded is not None
        assert recorded.book
        effective = settings.load(environment={}, recorded=recorded.settings)
        self.facts: list[Fact] = []
        strategy = strategies.load(recorded.strategy and str(path.parent / recorded.strategy), effective.strategy)
        core = replay.core_of(recorded, effective, strategy, self.facts.append)
        for batch in tapes.read(path):
            core.run(batch)
        core.finish()
        self.core = core

    def of(self, kind: Any) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


class Log:
    """What a bot has logged since a moment: at first, since its start."""

    def __init__(self, bot: Bot) -> None:
        self._path = bot.folder / "logs" / "microbot.jsonl"
        self._from = 0

    def forget(self) -> None:
        """Ignore what was logged so far."""
        self._from = self._path.stat().st_size if self._path.exists() else 0

    def of(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the lines of one event, or those of them whose fields are so."""
        return [line for line in self._lines() if line["event"] == event and fields.items() <= line.items()]

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._from)
            for line in file:
                if line.endswith(b"\n"):  # else it is being written
                    yield json.loads(line)
