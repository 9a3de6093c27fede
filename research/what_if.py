"""What if: recorded sessions decided with other settings, beside what they decide with their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from actors.engine.core import Core
from actors.messages import Fact, OrderFilled, OrderSubmitted, PositionClosed, SignalRaised
from research.report.gathered import Costs
from research.report.watching import Ways
from research.statistics.intervals import LEAST_TRADES, Interval, blocks_of, mean_of
from service import settings as settings_
from service.errors import UserError
from service.figures import zone_of
from service.recorded import replay as replaying, simulation, tapes
from service.recorded.decisions import Changes
from service.recorded.trust import Trust
from service.settings import Settings
from service.strategies import Wanted

FEW = LEAST_TRADES
"""Trades below which a difference says nothing."""


class Figures(msgspec.Struct):
    """What one or more sessions came to; money in the symbols' currency."""

    signals: int = 0
    approved: int = 0
    trades: int = 0
    wins: int = 0
    losses: int = 0
    breakeven: int = 0
    gross: float = 0.0  # P/L of the prices that were paid: spread and slippage are in it, fees are not
    spread: float = 0.0  # half of it at each trigger, of the trades of which it is known
    slippage: float = 0.0  # paid beyond the quote's side at the trigger, of these; above 0 against us
    not_known: int = 0  # trades of which no quote is known at any trigger
    fees: float = 0.0
    net: float = 0.0
    open_positions: int = 0  # at the end, in none of the figures above
    open_pnl: float = 0.0  # of these, at the last price, less the fees so far
    exits: dict[str, int] = {}  # trades by the reason of their exit
    exits_net: dict[str, float] = {}  # what these came to, after fees

    @property
    def win_rate(self) -> float:
        """Wins of all trades, a fraction; 0 without a trade."""
        return self.wins / self.trades if self.trades else 0.0


class Moved(msgspec.Struct):
    """What became of the trades: by the signal that each began with."""

    same: int = 0
    other_exit: int = 0  # the same entry signal, closed otherwise or not at all, or entered at another price
    gone: int = 0
    new: int = 0


class SessionIf(msgspec.Struct):
    """One session. Of one at a broker, both sides are simulated, and `at_broker` is what the broker's fills came to."""

    file: str
    before: Figures
    after: Figures | None  # None where nothing is changed
    moved: Moved | None
    at_broker: Figures | None = None
    failures: int = 0  # of strategies, on any side
    fills: str = ""  # what a simulated fill costs, where the session's own were a broker's


class Change(msgspec.Struct, frozen=True):
    """One setting that is other than it was."""

    setting: str
    before: Any
    after: Any


class WhatIf(msgspec.Struct):
    """Sessions, one after the other and in all."""

    changes: list[Change]  # of any session, that one side has and the other has not
    sessions: list[SessionIf]
    in_all: SessionIf
    by_trade: Interval | None = None  # of the difference in P/L net of a trade, by the signals that either side traded
    on_both_sides: list[Change] = []  # of sessions at a broker: their [execution], by which both sides are simulated

    @property
    def few(self) -> bool:
        """Whether there are too few trades on either side for the difference to mean anything."""
        after = self.in_all.after
        return min(self.in_all.before.trades, after.trades if after is not None else FEW) < FEW


class _Held(NamedTuple):
    """A position that is open at the end: when it began, and what it would come to at the last price."""

    entry_ts: int
    pnl: Decimal


class _Taken:
    """The decisions of one run."""

    def __init__(self) -> None:
        self.costs: list[Costs | None] = []  # of each trade
        self._ways: Ways | None = None
        self._core: Core | None = None
        self.trades: dict[str, PositionClosed] = {}
        self.signals = self.approved = 0

    def begin(self, core: Core) -> None:
        self._core, self._ways = core, Ways(core)

    @property
    def held(self) -> dict[str, _Held]:
        """What is open, by the signal that each began with: closed at the last price, without the fee of that."""
        assert self._core is not None
        found = {}
        for symbol, position in self._core.positions.open.items():
            context = self._core.contexts.get(symbol)
            price = Decimal(str(context.price)) if context is not None and context.price else position.entry_price
            value = position.exit_value + position.quantity * price
            pnl = position.profit_of(position.entered, value, position.fees)
            found[position.decision] = _Held(position.entry_ts, pnl)
        return found

    @property
    def came_to(self) -> dict[str, _Held]:
        """What each signal that was traded came to, closed or still open."""
        return self.held | {key: _Held(trade.entry_ts, trade.pnl) for key, trade in self.trades.items()}

    def see(self, fact: Fact) -> None:
        ways = self._ways
        assert ways is not None  # facts come of a core that was begun with
        match fact:
            case PositionClosed():
                self.trades[fact.decision] = fact
                self.costs.append(ways.closed(fact))
            case SignalRaised():
                self.signals += 1
                self.approved += fact.approved
                ways.signal(fact)
            case OrderSubmitted():
                ways.ordered(fact.order)
            case OrderFilled():
                ways.filled(fact)

    def figures(self, summary: dict[str, Any]) -> Figures:
        """Return what it came to; the sums are exact before they are floats."""
        trades = list(self.trades.values())
        net, fees = _sum(trade.pnl for trade in trades), _sum(trade.fees for trade in trades)
        found = Figures(self.signals, self.approved, len(trades), gross=float(net + fees), fees=float(fees))
        known = [costs for costs in self.costs if costs is not None and costs.spread is not None]
        found.spread = sum(costs.spread or 0.0 for costs in known)
        found.slippage = sum(costs.slippage for costs in known)
        found.not_known = len(self.costs) - len(known)
        found.net, found.open_positions = float(net), summary["open_positions"]
        found.open_pnl = float(_sum(held.pnl for held in self.held.values()))
        found.wins = sum(trade.pnl > 0 for trade in trades)
        found.losses = sum(trade.pnl < 0 for trade in trades)
        found.breakeven = found.trades - found.wins - found.losses
        for reason in sorted({str(trade.exit_reason) for trade in trades}):
            of_it = [trade for trade in trades if trade.exit_reason == reason]
            found.exits[reason], found.exits_net[reason] = len(of_it), float(_sum(trade.pnl for trade in of_it))
        return found


def _sum(values: Iterable[Decimal]) -> Decimal:
    return sum(values, Decimal(0))


def _moved(before: _Taken, after: _Taken) -> Moved:
    one, other = before.trades.keys(), after.trades.keys()
    same = sum(_course(before.trades[key]) == _course(after.trades[key]) for key in one & other)
    gone, new = one - other - after.held.keys(), other - one - before.held.keys()
    return Moved(same, len((one | other) - gone - new) - same, len(gone), len(new))


def _by_trade(before: _Taken, after: _Taken) -> list[tuple[int, float]]:
    """Return what each signal that was traded on either side brought more than before, with the time of its entry.

    What is open at the end counts at the last price: else to let a loser run would be to have lost nothing.
    """
    ones, others = before.came_to, after.came_to
    found = []
    for key in ones | others:
        one, other = ones.get(key), others.get(key)
        entry = one or other
        assert entry is not None
        found.append((entry.entry_ts, float((other.pnl if other else 0) - (one.pnl if one else 0))))
    return sorted(found)


def _interval(changes: Sequence[tuple[int, float]], zone: str) -> Interval | None:
    """Return the mean of the changes with its interval; None without the libraries that count it."""
    try:
        return mean_of([by for _, by in changes], blocks_of([ts for ts, _ in changes], zone_of(zone)))
    except ImportError:
        return None


def _course(trade: PositionClosed) -> tuple[Any, ...]:
    entry = trade.entry_ts, trade.entry_price, trade.quantity
    return *entry, trade.exit_ts, trade.exit_price, trade.exit_reason


class _Run(NamedTuple):
    """One of the ways in which a session is decided."""

    settings: Settings
    strategy: Wanted
    simulated: bool
    out: Path | None


class _Session:
    """A session as it was recorded, and as it is to be."""

    def __init__(self, path: Path, changes: Changes, trust: Trust) -> None:
        tapes.check(path)
        self.path = path
        self.recorded = tapes.recorded_settings(path)
        layer = self.recorded.settings if self.recorded is not None else None
        self.own = settings_.load(recorded=layer, environment={})
        self.changed = settings_.load(changes.config, changes.assignments, recorded=layer)
        self.at_broker = bool(self.recorded and self.recorded.book)
        self.strategy: Wanted = trust.strategy(path, self.recorded, None, self.own)
        self.other: Wanted = self.strategy
        self.by_trade: list[tuple[int, float]] = []  # once it is decided: what each signal brings more
        if changes.strategy is not None:
            self.other = trust.strategy(path, self.recorded, changes.strategy, self.changed)

    @property
    def is_changed(self) -> bool:
        return self.other != self.strategy or self.own.core != self.changed.core

    def changes(self) -> tuple[list[Change], list[Change]]:
        """Name what one side has other than the other, and what both sides have other than it was recorded."""
        before, after = (msgspec.to_builtins(each.core) for each in (self.own, self.changed))
        found = [Change(path, *values) for path, values in _differences(before, after, "")]
        if self.other != self.strategy:
            found.append(Change("--strategy", _named(self.strategy), _named(self.other)))
        both = [change for change in found if self.at_broker and change.setting.startswith("execution.")]
        return [change for change in found if change not in both], both

    def runs(self, out: Path | None) -> list[_Run]:
        """Return how it is to be decided: as it was, beside as it would be; at a broker, as that filled it, first.

        At a broker nothing came of the session's own [execution]: both sides imitate the broker by the same one.
        """
        if not self.is_changed:
            return [_Run(self.own, self.strategy, False, out)]
        after = _Run(self.changed, self.other, self.at_broker, out)
        if not self.at_broker:
            return [_Run(self.own, self.strategy, False, None), after]
        own = msgspec.structs.replace(self.own, execution=self.changed.execution, set_in=self.changed.set_in)
        return [_Run(self.own, self.strategy, False, None), _Run(own, self.strategy, True, None), after]

    def decide(self, out: Path | None, progress: tapes.Progress, say: tapes.Say, *, fail_fast: bool) -> SessionIf:
        """Decide it in each way."""
        runs, size, failures = self.runs(out), tapes.size(self.path), 0
        taken, figures = [], []
        for number, run in enumerate(runs):
            seen, before = _Taken(), number * size

            def read(done: int, before: int = before) -> None:
                progress(before + done)

            summary = replaying.replay(
                self.path,
                run.settings,
                run.strategy,
                run.out,
                read,
                say,
                see=seen.see,
                begin=seen.begin,
                fail_fast=fail_fast,
                simulated=run.simulated,
            )
            failures += replaying.failed(summary)
            taken.append(seen)
            figures.append(seen.figures(summary))
        row = SessionIf(str(self.path), figures[-1], None, None, failures=failures)
        if self.is_changed:
            row.before, row.after, row.moved = figures[-2], figures[-1], _moved(*taken[-2:])
            self.by_trade = _by_trade(*taken[-2:])
        if len(runs) > 2:
            row.at_broker, row.fills = figures[0], simulation.costs_of(self.changed)
        return row


def _named(strategy: Wanted) -> str:
    return strategy if isinstance(strategy, str) else getattr(strategy, "reference", None) or "momentum_burst"


def _differences(before: dict[str, Any], after: dict[str, Any], path: str) -> list[tuple[str, tuple[Any, Any]]]:
    found: list[tuple[str, tuple[Any, Any]]] = []
    for key in dict.fromkeys((*before, *after)):
        one, other = before.get(key), after.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            found += _differences(one, other, f"{path}{key}.")
        elif one != other:
            found.append((f"{path}{key}", (one, other)))
    return found


def what_if(
    paths: Sequence[Path],
    changes: Changes,
    trust: Trust,
    *,
    out: Path | None = None,
    progress: Callable[[int], None] = lambda _: None,
    say: tapes.Say = lambda _: None,
    fail_fast: bool = False,
) -> WhatIf:
    """Decide sessions with changed settings, beside what they decide with their own.

    Each begins as it did, with the book that it had then. With `out`, the changed decisions of each are written into a
    folder of its name there. `progress` is told bytes, of `passes` times all files. Raises UserError.
    """
    _check(paths, out)
    sessions = [_Session(path, changes, trust) for path in paths]
    found: list[SessionIf] = []
    done = 0
    for session in sessions:
        folder = None if out is None else out / _stem(session.path)

        def read(bytes_read: int, before: int = done) -> None:
            progress(before + bytes_read)

        found.append(session.decide(folder, read, say, fail_fast=fail_fast))
        done += tapes.size(session.path) * len(session.runs(None))
    one_side, both_sides = zip(*(session.changes() for session in sessions), strict=True)
    by_trade = [change for session in sessions for change in session.by_trade]
    interval = _interval(by_trade, sessions[0].own.risk.timezone) if by_trade else None
    return WhatIf(_merged(one_side), found, _in_all(found), interval, _merged(both_sides))


def _merged(changes: Iterable[list[Change]]) -> list[Change]:
    """Return the changes of several sessions, each setting once."""
    named: dict[str, Change] = {}
    for change in chain.from_iterable(changes):
        before = named.setdefault(change.setting, change)
        if before.before != change.before:  # the sessions differed
            named[change.setting] = msgspec.structs.replace(change, before="...")
    return list(named.values())


def passes(path: Path, *, changed: bool) -> int:
    """Return how often a session is read: at most, of one at a broker, thrice."""
    recorded = tapes.recorded_settings(path)
    return (3 if recorded is not None and recorded.book else 2) if changed else 1


def _check(paths: Sequence[Path], out: Path | None) -> None:
    seen: dict[Path, Path] = {}
    stems: dict[str, Path] = {}
    for path in paths:
        tapes.size(path)  # a missing one is said first
        if path.resolve() in seen:
            raise UserError(f"{path} is named twice: name each session once")
        seen[path.resolve()] = path
        if out is not None and (other := stems.setdefault(_stem(path), path)) != path:
            raise UserError(f"{path} and {other} would be written into one folder of --out: rename one")


def _stem(path: Path) -> str:
    """Return a file's name without what says of which kind it is.

    >>> _stem(Path("data/sessions/20260105T143000Z-alpaca-2.jsonl.gz"))
    '20260105T143000Z-alpaca-2'
    """
    return path.name.partition(".")[0] or path.name


def _in_all(sessions: Sequence[SessionIf]) -> SessionIf:
    befores = [each.before for each in sessions]
    if not any(each.after is not None for each in sessions):
        return SessionIf("in all", _summed(befores), None, None)
    afters = [each.after if each.after is not None else each.before for each in sessions]
    moved = Moved()
    for each in sessions:
        of_it = each.moved if each.moved is not None else Moved(same=each.before.trades)
        moved = Moved(*(a + b for a, b in zip(_values(moved), _values(of_it), strict=True)))
    at_broker = [each.at_broker for each in sessions if each.at_broker is not None]
    broker = _summed(at_broker) if len(at_broker) == len(sessions) else None
    return SessionIf("in all", _summed(befores), _summed(afters), moved, broker)


def _values(moved: Moved) -> tuple[int, ...]:
    return msgspec.structs.astuple(moved)


def _summed(figures: Sequence[Figures]) -> Figures:
    found = Figures()
    for each in figures:
        for name in Figures.__struct_fields__:
            before, more = getattr(found, name), getattr(each, name)
            if isinstance(more, dict):
                merged = {key: before.get(key, 0) + more.get(key, 0) for key in sorted({*before, *more})}
                setattr(found, name, merged)
            else:
                setattr(found, name, before + more)
    return found
