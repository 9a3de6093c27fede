"""What a run decided, one decision after the other, wherever it is told: a tape, a recording, a folder, the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from actors.engine.core import Core, Input
from actors.gateway.journal import OrderMeasured
from actors.gateway.sqlite_journal import JournalUnusable, facts_of_recording
from actors.messages import (
    Fact,
    OrderFilled,
    OrderSubmitted,
    PositionClosed,
    SignalRaised,
    StateChanged,
)
from actors.orders import OrderRejected
from actors.portfolio.lines import SignalLine, TradeLine
from service import settings, strategies
from service.data_folder import JOURNAL
from service.errors import UserError, said_plainly
from service.recorded import tapes
from service.recorded.lines import Lines
from service.recorded.replay import core_of, reloading_of
from service.recorded.trust import Trust

WRITTEN = ("signal", "trade")
"""The kinds of decisions that a folder of `replay --out` holds."""


class Decision(msgspec.Struct, frozen=True):
    """One decision: what it was, without ids, which are made of input numbers."""

    kind: str  # signal, order, fill, rejection, trade or state
    ts: int  # venue time, ns
    symbol: str
    what: dict[str, Any]
    input: int = 0  # number of the input that led to it; 0 where that is not known

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes two decisions the same."""
        return self.kind, self.ts, self.symbol, self.what


def decision_of(fact: Fact, number: int) -> Decision | None:
    """Return the decision that a fact states; None if it states none."""
    what: dict[str, Any]
    match fact:
        case SignalRaised():
            what = msgspec.structs.asdict(SignalLine.of(fact))
            return Decision("signal", fact.signal.ts, fact.signal.symbol, _plain(what, "ts", "symbol", "id"), number)
        case OrderSubmitted(order=order):
            what = msgspec.structs.asdict(order)
            what["leg"] = what.pop("role")  # as it is called wherever it is written
            return Decision("order", fact.ts, order.symbol, _plain(what, "id", "symbol", "decision"), number)
        case OrderFilled(execution=done):
            what = {"side": done.side, "quantity": done.quantity, "price": done.price}
            what |= {"undone": done.undone, "correction": done.correction}
            return Decision("fill", done.ts, done.symbol, _plain(what), number)
        case OrderRejected():
            return Decision("rejection", fact.ts, fact.symbol, {"reason": fact.reason}, number)
        case PositionClosed():
            what = msgspec.structs.asdict(TradeLine.of(fact))
            return Decision("trade", fact.exit_ts, fact.symbol, _plain(what, "symbol", "id", "exit_ts"), number)
        case StateChanged():
            what = {"state": fact.state, "previous": fact.previous, "reason": fact.reason}
            return Decision("state", fact.ts, "", _plain(what), number)
    return None


def _plain(what: dict[str, Any], *without: str) -> dict[str, Any]:
    """Return what JSON can say of it, so that a decision is the same wherever it comes from."""
    kept = {name: value for name, value in what.items() if name not in without and value is not UNSET}
    plain: dict[str, Any] = msgspec.to_builtins(kept, str_keys=True)
    return {name: _number(what[name], value) for name, value in plain.items()}


def _number(given: Any, plain: Any) -> Any:
    """Return an exact number without the zeros at its end: the journal may have written them."""
    return f"{given.normalize():f}" if hasattr(given, "normalize") else plain


class Changes(msgspec.Struct, frozen=True):
    """What is to be other than it was recorded."""

    config: Path | None = None
    assignments: tuple[str, ...] = ()
    strategy: str | None = None

    def __bool__(self) -> bool:
        return self != Changes()

    def and_(self, more: Changes) -> Changes:
        """Return these changes with more of them on top."""
        return Changes(more.config or self.config, self.assignments + more.assignments, more.strategy or self.strategy)


class Side:
    """One of the two runs: a tape that can be decided again, as often as need be."""

    def __init__(self, path: Path, changes: Changes, trust: Trust) -> None:
        self.path = path
        self._recorded = tapes.recorded_settings(path)
        layer = self._recorded.settings if self._recorded is not None else None
        self.settings = settings.load(changes.config, changes.assignments, recorded=layer)
        tapes.check(path)
        self._strategy = trust.strategy(path, self._recorded, changes.strategy, self.settings)
        self.inputs = 0  # of the whole, once it was decided

    def core(self, see: Callable[[Fact], None]) -> Core:
        """Make a core that decides it from the start."""
        strategy = strategies.lineup(self._strategy, self.settings)
        reloading = reloading_of(self._recorded, self.settings, self._strategy)
        return core_of(self._recorded, self.settings, strategy, see, reloading=reloading)

    def decisions(self) -> Iterator[Decision]:
        """Decide it, input by input."""
        facts: list[tuple[int, Fact]] = []
        core = self.core(lambda fact: facts.append((core.input, fact)))
        for batch in tapes.read(self.path):
            core.run(batch)
            yield from _of(facts)
        core.finish()
        self.inputs = core.input
        yield from _of(facts)

    def at(self, number: int) -> tuple[Core, Input | None]:
        """Decide it up to an input; return the core as it is then, and that input."""
        return self._until(lambda core, event: core.input >= number)

    def at_time(self, ts: int) -> tuple[Core, Input | None]:
        """Decide it up to the last input that is not after a time."""
        return self._until(lambda core, event: getattr(event, "ts", 0) > ts)

    def _until(self, is_enough: Callable[[Core, Input], bool]) -> tuple[Core, Input | None]:
        core = self.core(lambda fact: None)
        last: Input | None = None
        for event in chain.from_iterable(tapes.read(self.path)):
            if is_enough(core, event):
                break
            core.run((event,))
            last = event
        return core, last


def _of(facts: list[tuple[int, Fact]]) -> Iterator[Decision]:
    found = [decision_of(fact, number) for number, fact in facts]
    facts.clear()
    return (decision for decision in found if decision is not None)


def written(folder: Path) -> Iterator[Decision]:
    """Read what `replay --out` wrote, by time. Raises UserError."""
    found: list[Decision] = []
    for name, kind, line, time in (
        ("signals.jsonl", "signal", SignalLine, "ts"),
        ("trades.jsonl", "trade", TradeLine, "exit_ts"),
    ):
        path = folder / name
        if not path.exists():
            raise UserError(f"there is no {path}: `microbot replay TAPE --out {folder}` writes it")
        try:
            with Lines(path, what="file") as source:
                rows = [msgspec.json.decode(row, type=line) for _, row in source.filled()]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UserError(f"the file {path} cannot be read: {error}") from None
        for row in rows:
            what = msgspec.structs.asdict(row)
            found.append(Decision(kind, what[time], what["symbol"], _plain(what, time, "symbol", "id")))
    return iter(sorted(found, key=in_time))


def journaled(data_dir: Path, recording: Path) -> Iterator[Decision]:
    """Read what the journal says was decided while a recording was made. Raises UserError."""
    with said_plainly(JournalUnusable):
        for number, body in facts_of_recording(data_dir / JOURNAL, str(recording.absolute())):
            entry = msgspec.json.decode(body, type=Fact | OrderMeasured)
            decision = None if isinstance(entry, OrderMeasured) else decision_of(entry, number)
            if decision is not None:
                yield decision


def in_time(decision: Decision) -> tuple[int, bool]:
    """Order decisions by time: of those of one moment, a trade ends before the signal that follows it."""
    return decision.ts, decision.kind == "signal"
