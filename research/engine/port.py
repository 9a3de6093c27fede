"""What an engine is: a tape and settings in, for each of them what `microbot replay` would decide."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

import msgspec

from actors.portfolio.lines import SignalLine, TradeLine
from service import strategies
from service.errors import UserError
from service.extras import install
from service.recorded.replay import summary_json
from service.settings import Settings

if TYPE_CHECKING:
    from research.engine.decided import Decided

EngineName = Literal["auto", "compiled", "exact"]

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Outcome(msgspec.Struct):
    """What one tape gives with one choice of settings.

    `signals` and `trades` are in the order in which they happened, with the fields of `signals.jsonl` and
    `trades.jsonl`; `summary` is what `replay` returns, with exact numbers as `Decimal`.
    """

    signals: list[SignalLine]
    trades: list[TradeLine]
    summary: dict[str, Any]

    def files(self) -> dict[str, bytes]:
        """Return the three files of `replay --out` by name: two outcomes are the same if these bytes are."""
        return {
            "signals.jsonl": b"".join(_encode(line) + b"\n" for line in self.signals),
            "trades.jsonl": b"".join(_encode(line) + b"\n" for line in self.trades),
            "summary.json": summary_json(self.summary),
        }


class Engine(Protocol):
    """Decides on tapes. One object may be asked often, and copied into another process (pickled)."""

    @property
    def name(self) -> str:
        """What it is called: "exact" or "compiled"."""

    def decide(self, tape: Path, settings: Sequence[Settings]) -> list[Outcome]:
        """Return an outcome for each of the settings, in their order.

        Raises UserError for a tape that cannot be read, and CannotDecide for what this engine has no way to decide.
        """


@runtime_checkable
class InColumns(Protocol):
    """An engine that decides many settings over one tape together, and answers in columns."""

    def decide_in_columns(self, tape: Path, settings: Sequence[Settings]) -> list[Decided]:
        """Return what each of the settings decides, as `Engine.decide` does; each is in one of the parts."""


class CannotDecide(UserError):
    """A tape or settings that an engine has no way to decide; the sentence says which, and what to do."""


class Chosen(NamedTuple):
    """The engine that was chosen; `why` says in a sentence why it is not the compiled one, None if it is."""

    engine: Engine
    why: str | None


def engine_of(name: EngineName, settings: Iterable[Settings], strategy: strategies.Wanted = None) -> Chosen:
    """Choose an engine for all these settings together.

    "auto" is the compiled one where it can decide as the core does, and else the exact one. Raises UserError, with the
    reason, where the compiled one was asked for and cannot.
    """
    from research.engine.exact import ExactEngine

    if name == "exact":
        return Chosen(ExactEngine(strategy), "the exact engine was asked for")
    why = next(filter(None, (why_not_compiled(each, strategy) for each in settings)), None)
    if why is None:
        try:
            return Chosen(importlib.import_module("research.engine.compiled").CompiledEngine(), None)
        except ImportError:
            why = f"the compiled engine is not installed: {install('research')} adds it"
    if name == "compiled":
        raise CannotDecide(f"{why}; --engine exact decides it through the core, more slowly")
    return Chosen(ExactEngine(strategy), why)


def why_not_compiled(settings: Settings, strategy: strategies.Wanted = None) -> str | None:
    """Say in a sentence why the compiled engine cannot decide as the core does with these settings; None: it can."""
    if strategy is not None:
        called = strategy if isinstance(strategy, str) else getattr(strategy, "reference", "") or "one made in Python"
        return f"the compiled engine has the default strategy alone, and this is {called}"
    if settings.strategies:
        return "the compiled engine has one strategy for all symbols, and the settings have [strategies.NAME]"
    if (window := settings.strategy.window_size) < 1e-9:
        return f"the compiled engine has windows of a nanosecond and more (strategy.window_size = {window!r})"
    for path, sentence in _NOT_COMPILED.items():
        section, _, key = path.partition(".")
        mine = getattr(settings, section)
        if getattr(mine, key) != getattr(_DEFAULTS[section], key):
            return f"the compiled engine {sentence} ({path} = {getattr(mine, key)!r})"
    return None


_DEFAULTS: dict[str, Any] = {name: getattr(Settings(), name) for name in ("execution", "risk", "limits")}

_NOT_COMPILED = {
    "execution.latency_ms": "fills at once, without latency",
    "execution.latency_jitter_ms": "fills at once, without latency",
    "execution.slippage_model": "has no random slippage",
    "execution.liquidity": "fills whole orders, whatever volume is displayed",
    "execution.venue_rules": "has no ticks, lots and buying power",
    "execution.instruments": "has no ticks, lots and buying power",
    "risk.cost_guard": "trades whatever a round trip costs",
    "risk.size": "has positions of a fixed number of shares",
    "risk.drawdown_limit": "has the daily loss limit alone",
    "risk.symbol_loss_limit": "has the daily loss limit alone",
} | {
    f"limits.{key}": "checks no limits of orders"
    for key in (
        "max_quantity",
        "max_notional",
        "max_spread",
        "orders_per_second",
        "repeat_seconds",
        "price_collar",
        "max_exposure",
        "max_positions",
        "trades_per_day",
        "losing_streak",
    )
}
"""Settings that the compiled engine knows at their default alone, and what it does instead, by path."""
