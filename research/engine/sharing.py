"""Many settings over one tape: whatever several of them have in common is worked out once.

    tape -> facts (once) -> readings (a window) -> bursts (a threshold) -> signals (a pair of conditions)
         -> exits (an entry and its exit settings) -> trades (a choice of settings)

What a choice decides in one symbol depends on no other symbol, but for the daily loss limit. So each is decided
without that limit, with a bound of what it was down by at worst; where the bound does not rule the limit out, and
where floats cannot tell what the pipeline's exact money would, the choice is decided in full, through the core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from threading import Lock
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from actors.risk.limits import LimitSettings
from pipeline.events import EPSILON, SECOND
from research.engine import walks
from research.engine.columns import Columns
from research.engine.facts import SymbolFacts, TapeFacts, facts_of
from research.engine.fills import earned, filled
from research.engine.readings import Windowed, windowed
from service.settings import Settings

REASONS = ("", "TP", "SL", "TIME", "FLAT", "HALT")
"""Exit reasons by the code that `Trades.reason` has."""

_WINDOWS_KEPT = 4
_MOST_NS = 4 * 10**18
_MEMO_PLACES = 1 << 18
_MARGIN = 1e-7  # of the equity: what float sums may be off


class Trades(NamedTuple):
    """Finished trades in the order in which they closed, an entry each in every array.

    `symbol` is an index of the tape's symbols as the core heard of them, `side` 1 or -1, `reason` an index of REASONS;
    `entry_row` and `exit_row` are the rows of the tape that led to entry and exit (by a timer: the first that brought
    the time); times in ns, prices, `pnl` (after fees) and `fees` in the symbol's currency, as `trades.jsonl` has them.
    """

    symbol: Any
    side: Any
    reason: Any
    entry_row: Any
    entry_ts: Any
    entry_price: Any
    exit_row: Any
    exit_ts: Any
    exit_price: Any
    pnl: Any
    fees: Any

    def __len__(self) -> int:  # a row is a trade
        return len(self.symbol)


class Funnel(msgspec.Struct, frozen=True):
    """Counts of one choice of settings over a tape, as `summary.json` has them."""

    ticks: int
    ready: int
    bursts: int
    signals: int
    approved: int
    trades: int
    no_volume_spike: int
    no_volatility: int
    never_together: int
    position_open: int  # signals refused, by reason
    cooldown: int
    halted: int


class Result(NamedTuple):
    """What one choice of settings decides on a tape; `in_full` says that it was decided through the core.

    Its trades are a part of a table that others have theirs in as well.
    """

    table: Trades
    start: int
    stop: int
    funnel: Funnel
    open_positions: int
    in_full: bool = False

    @property
    def trades(self) -> Trades:
        """Its finished trades, in the order in which they closed."""
        return Trades(*(column[self.start : self.stop] for column in self.table))


InFull = Callable[[TapeFacts, Settings], Result]


def can_share(settings: Settings) -> bool:
    """Whether settings ask for nothing but what is worked out here; what they ask beside that is decided in full."""
    execution, risk, limits = settings.execution, settings.risk, settings.limits
    plain = (
        execution.slippage_model == "fixed"
        and execution.liquidity == "unlimited"
        and execution.fees == "none"
        and not (execution.latency_ms or execution.latency_jitter_ms or execution.fee_bps or execution.venue_rules)
        and not (execution.instruments or settings.strategies)
        and risk.size == "shares"
        and risk.drawdown_limit is None
        and risk.symbol_loss_limit is None
        and risk.cost_guard != "refuse"
    )
    none = LimitSettings(flatten_before_close_s=limits.flatten_before_close_s, flatten_late=limits.flatten_late)
    return (
        plain
        and limits == none
        and _ns(settings.strategy.window_size) >= 1
        and _ns(settings.strategy.time_stop_seconds) >= 1
    )


def _ns(seconds: float) -> int:
    return round(seconds * SECOND)


class SharedTape:
    """A tape in memory with its facts, and the readings that were asked for last. Threads may share it."""

    def __init__(self, columns: Columns) -> None:
        self.facts = facts_of(columns)
        self._lock = Lock()
        self._readings: dict[tuple[int, int], tuple[Windowed, bool]] = {}
        self._fills: dict[tuple[int, Decimal], tuple[Any, Any]] = {}

    def readings(self, symbol: int, window: int) -> tuple[Windowed, bool]:
        """Return what a window (ns) shows at a symbol's ticks, and whether all of it are finite numbers."""
        with self._lock:
            its = self.facts.symbols[symbol]
            found = self._readings.pop((symbol, window), None) or windowed(its.ts, its.price, its.size, window)
            self._readings[symbol, window] = found  # the newest last
            while len(self._readings) > _WINDOWS_KEPT * len(self.facts.symbols):
                del self._readings[next(iter(self._readings))]
            return found

    def forget_readings(self) -> None:
        """Give their memory back; what is asked for again is computed again."""
        with self._lock:
            self._readings.clear()

    def fills(self, symbol: int, slippage: Decimal) -> tuple[Any, Any]:
        """Return what fills cost in a symbol at each quote, and at each tick's price, with so much slippage."""
        with self._lock:
            key = symbol, slippage
            if key not in self._fills:
                if len(self._fills) >= _WINDOWS_KEPT * len(self.facts.symbols):
                    self._fills.clear()
                its = self.facts.symbols[symbol]
                self._fills[key] = _fills(its.ask, its.bid, slippage), _fills(its.price, its.price, slippage)
            return self._fills[key]


def _fills(buy: Any, sell: Any, slippage: Decimal) -> Any:
    found = np.empty(len(buy), walks.FILL)
    found["buy"], found["sell"] = filled(buy, 1 + slippage), filled(sell, 1 - slippage)
    return found


class _Group(NamedTuple):
    """Settings that share window, readiness and what a fill costs: indices of them in the order of their choices."""

    window: int
    min_ticks: int
    at_quote: bool
    slippage: Decimal
    midnights: Any
    order: Any
    choices: Any


class _Found(NamedTuple):
    """Trades of one symbol, with the setting that each is of."""

    setting: Any
    symbol: int
    trades: Any


def decide_many(tape: SharedTape, settings: Sequence[Settings], in_full: InFull | None = None) -> list[Result]:
    """Decide on a tape with each of the settings, in their order.

    `in_full` decides those that cannot be shared: by default, the core.
    """
    from research.engine.in_full import through_core

    facts = tape.facts
    shared = [at for at, each in enumerate(settings) if can_share(each)]
    chosen = [settings[at] for at in shared]
    counts = np.zeros((len(chosen), walks.COUNTS), np.int64)
    groups = _groups(chosen, facts)
    days = 1 + max((len(group.midnights) for group in groups), default=0)
    low, closed = np.zeros((len(chosen), days)), np.zeros((len(chosen), days))
    sound = np.ones(len(chosen), np.bool_)
    found: list[_Found] = []
    for symbol, its in enumerate(facts.symbols):
        if len(its.ts):
            found += [_decide(tape, symbol, group, counts, low, closed, sound) for group in groups]
    sound &= counts[:, walks.DOUBTFUL] == 0
    sound &= _is_bounded(chosen, low, closed)
    results = _results(facts, chosen, counts, found)
    fall_back = in_full or through_core
    decided = {at: result for at, result, is_sound in zip(shared, results, sound.tolist(), strict=True) if is_sound}
    return [decided[at] if at in decided else fall_back(facts, each) for at, each in enumerate(settings)]


def _groups(settings: Sequence[Settings], facts: TapeFacts) -> list[_Group]:
    """Sort settings into groups, those of one window side by side."""
    by_key: dict[tuple[Any, ...], list[int]] = {}
    for at, each in enumerate(settings):
        s, e = each.strategy, each.execution
        slippage = Decimal(str(e.slippage_bps)) / 10_000
        key = _ns(s.window_size), s.min_ticks, e.fill == "quote", slippage, each.risk.timezone
        by_key.setdefault(key, []).append(at)
    midnights = {zone: _midnights(zone, facts) for zone in {each.risk.timezone for each in settings}}
    groups = []
    for key, members in sorted(by_key.items(), key=lambda item: item[0]):
        choices = _choices([settings[at] for at in members])
        order = np.lexsort((choices["least"], choices["more"], choices["up"]))
        groups.append(_Group(*key[:4], midnights[key[4]], np.array(members)[order], choices[order]))
    return groups


def _choices(settings: Sequence[Settings]) -> Any:
    exits: dict[tuple[float, ...], int] = {}
    rows = []
    for each in settings:
        s, risk = each.strategy, each.risk
        entering = s.entry_threshold, s.volume_spike_multiplier, s.volatility_guard_threshold
        hold, flat = min(_ns(s.time_stop_seconds), _MOST_NS), min(s.flat_seconds * SECOND, _MOST_NS)
        leaving = s.profit_target, s.stop_loss, s.flat_threshold, hold, flat
        same = exits.setdefault(leaving, len(exits))
        fee = 2 * each.execution.fee_per_share * risk.position_size
        skipped = min(risk.cooldown_trades_after_loss, _MOST_NS)
        rows.append((*entering, *leaving, same, skipped, risk.position_size, fee))
    found = np.array(rows, walks.CHOICE)
    for name in ("up", "least", "goal", "floor"):
        found[name] -= EPSILON
    for name in ("more", "limit"):
        found[name] += EPSILON
    found["floor"] = -found["floor"]
    return found


def _decide(
    tape: SharedTape,
    symbol: int,
    group: _Group,
    counts: Any,
    low: Any,
    closed: Any,
    sound: Any,
) -> _Found:
    """Decide on one symbol with a group of settings, and add to what is counted and bounded of them."""
    its, choices = tape.facts.symbols[symbol], group.choices
    seen, finite = tape.readings(symbol, group.window)
    sound[group.order] &= finite
    at_quote, at_last = tape.fills(symbol, group.slippage)
    if not group.at_quote:
        at_quote = at_quote[:0]
    own = np.zeros((len(choices), walks.COUNTS), np.int64)
    ends = np.zeros(len(choices), np.int64)
    memo, last = _memo(its, choices), tape.facts.last
    trades = walks.decide(
        tuple(its.course), tuple(seen), at_quote, at_last, last, group.min_ticks, choices, memo, own, ends
    )
    counts[group.order] += own
    mine = np.zeros((len(choices), low.shape[1])), np.zeros((len(choices), low.shape[1]))
    walks.bound_losses(its.course.ticks, choices, ends, trades, group.midnights, *mine)
    low[group.order] += mine[0]
    closed[group.order] += mine[1]
    return _Found(np.repeat(group.order, np.diff(ends, prepend=0)), symbol, trades)


def _memo(its: SymbolFacts, choices: Any) -> Any:
    """Return an empty memo: of one place where no two choices have the same exits."""
    places = 1
    if len(np.unique(choices["exits"])) < len(choices):
        while places < min(2 * len(its.ts), _MEMO_PLACES):
            places *= 2
    memo = np.zeros(places, walks.EXIT)
    memo["key"] = -1
    return memo


def _midnights(timezone: str, facts: TapeFacts) -> Any:
    """Return when the trading days begin after the first of a tape, in ns."""
    if not len(facts.now) or not facts.last:
        return np.empty(0, np.int64)
    zone = ZoneInfo(timezone)
    first = int(facts.now[np.searchsorted(facts.now, 0, side="right")])
    day = datetime.fromtimestamp(first // SECOND, zone).date()
    found: list[int] = []
    while True:
        day += timedelta(days=1)
        begins = round(datetime.combine(day, time.min, zone).astimezone(UTC).timestamp()) * SECOND
        if begins > facts.last:
            return np.array(found, np.int64)
        found.append(begins)


def _is_bounded(settings: Sequence[Settings], low: Any, closed: Any) -> Any:
    """Say of which settings it is certain that the daily loss limit was never reached."""
    start = np.array([each.risk.starting_equity for each in settings], float)
    limit = np.array([each.risk.daily_loss_limit for each in settings], float)
    begun = start[:, None] + np.cumsum(closed, axis=1) - closed  # equity at the beginning of each day
    margin = _MARGIN * np.abs(begun) + EPSILON
    return np.all(low > limit[:, None] * begun + margin, axis=1)


def _results(facts: TapeFacts, settings: Sequence[Settings], counts: Any, found: Iterable[_Found]) -> list[Result]:
    """Put the trades of all symbols together, by setting and in the order in which they closed."""
    parts = [_columns(facts, settings, each) for each in found]
    if not parts:
        parts = [tuple(np.empty(0, np.int64) for _ in range(2 + len(Trades._fields)))]
    setting, rank, *columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    trades = Trades(*columns)
    order = np.lexsort((trades.symbol, rank, trades.exit_ts, rank == _OF_TICK, trades.exit_row, setting))
    setting, trades = setting[order], Trades(*(column[order] for column in columns))
    bounds = np.searchsorted(setting, np.arange(len(settings) + 1)).tolist()
    results, ticks = [], facts.ticks
    for at, row in enumerate(counts.tolist()):
        start, stop = bounds[at], bounds[at + 1]
        seen = row[walks.READY], row[walks.BURSTS], row[walks.SIGNALS], row[walks.APPROVED], stop - start
        blocked = row[walks.NO_SPIKE], row[walks.NO_RANGE], row[walks.NEVER]
        funnel = Funnel(ticks, *seen, *blocked, row[walks.HELD], row[walks.COOLED], 0)
        results.append(Result(trades, start, stop, funnel, row[walks.STILL_OPEN]))
    return results


_OF_TICK = 9


def _columns(facts: TapeFacts, settings: Sequence[Settings], found: _Found) -> tuple[Any, ...]:
    """Return the setting of each finished trade, the rank of its exit among those at one time, and its columns."""
    done = found.trades["reason"] != walks.OPEN
    setting, trades = found.setting[done], found.trades[done]
    its = facts.symbols[found.symbol]
    reason, side, exit_ts = trades["reason"], trades["side"], trades["ts"]
    by_timer = reason >= walks.TIME
    exit_row = np.where(by_timer, np.searchsorted(facts.now, exit_ts), its.row[trades["left"]])
    rank = np.where(by_timer, reason, _OF_TICK)
    symbol = np.full(len(setting), found.symbol, np.int32)
    entered = its.row[trades["entered"]], its.course.ticks["now"][trades["entered"]], trades["entry"]
    quantities = [each.risk.position_size for each in settings]
    fees = [each.execution.fee_per_share for each in settings]
    money = earned(side, trades["entry"], trades["exit"], setting, quantities, fees)
    return setting, rank, symbol, side, reason, *entered, exit_row, exit_ts, trades["exit"], *money
