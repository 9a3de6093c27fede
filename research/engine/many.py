"""The compiled engine for sweeps: many settings over one tape in memory, what they decide in columns."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from research.engine import columns
from research.engine.columns import Columns, Unreadable
from research.engine.compiled import CompiledEngine, decided
from research.engine.decided import COUNTS, Decided, of_outcomes
from research.engine.facts import TapeFacts
from research.engine.machine import BeyondReckoning
from research.engine.port import CannotDecide
from research.engine.sharing import REASONS, Funnel, Result, SharedTape, Trades, can_share, decide_many
from service.recorded import columnar
from service.recorded.tapes import files_of
from service.settings import Settings

MOST_ROWS = 5_000_000
"""Events of a tape that is held in memory; a longer one is streamed, and its settings share nothing."""

_KEPT = 2  # tapes in memory: those of the tasks that are under way


def decide_in_columns(tape: Path, settings: Sequence[Settings]) -> list[Decided]:
    """Decide on a tape with each of the settings, as `CompiledEngine.decide` does; each is in one of the parts.

    Raises UserError for a tape that is none, and CannotDecide for what only the core can decide on.
    """
    try:
        held = _held(tape)
        if held is None:
            return [of_outcomes(range(len(settings)), CompiledEngine().decide(tape, settings))]
        able = [at for at, each in enumerate(settings) if can_share(each)]
        found = decide_many(held, [settings[at] for at in able], _left_over)
        shared = {at: result for at, result in zip(able, found, strict=True) if not result.in_full}
        others = [at for at in range(len(settings)) if at not in shared]
        parts = [_of_results(held.facts, shared, settings)] if shared else []
        if others:
            alone = decided((held.facts.columns,), [settings[at] for at in others])
            parts.append(of_outcomes(others, alone))
        return parts
    except (Unreadable, BeyondReckoning) as error:
        raise CannotDecide(f"{error} ({tape}); --engine exact decides it through the core, more slowly") from None


_NOTHING = Trades(*(np.empty(0) for _ in Trades._fields))


def _left_over(facts: TapeFacts, settings: Settings) -> Result:
    """Leave settings that cannot be shared to the kernel: it is as exact as the core, and faster."""
    return Result(_NOTHING, 0, 0, Funnel(*(0 for _ in Funnel.__struct_fields__)), 0, in_full=True)


def _of_results(facts: TapeFacts, shared: dict[int, Result], settings: Sequence[Settings]) -> Decided:
    """Put results, which have their trades in one table, into columns."""
    results = list(shared.values())
    counts: dict[str, Any] = {name: [getattr(result.funnel, name) for result in results] for name in COUNTS}
    counts["trades"] = [result.stop - result.start for result in results]
    counts["open"] = [result.open_positions for result in results]
    counts["failures"] = [0] * len(results)
    mine = np.array(counts["trades"], np.int64)
    starts = np.array([result.start for result in results], np.int64)
    rows = np.repeat(starts - (np.cumsum(mine) - mine), mine) + np.arange(int(mine.sum()))
    table = Trades(*(column[rows] for column in results[0].table))
    quantity = np.repeat(np.array([settings[at].risk.position_size for at in shared], float), mine)
    trades = {
        "symbol": np.array(facts.names, object)[table.symbol] if len(rows) else [],
        "side": np.where(table.side > 0, "LONG", "SHORT").astype(object),
        "quantity": quantity,
        "entry_ts": table.entry_ts,
        "entry_price": table.entry_price,
        "exit_ts": table.exit_ts,
        "exit_price": table.exit_price,
        "exit_reason": np.array(REASONS, object)[table.reason],
        "pnl": table.pnl,
        "fees": table.fees,
    }
    return Decided(list(shared), counts, trades)


# -------------------------------------------------------------------------------------------------- tapes

_lock = Lock()
_tapes: OrderedDict[tuple[tuple[str, int, int], ...], SharedTape | None] = OrderedDict()


def _held(tape: Path) -> SharedTape | None:
    """Return a tape in memory, where the threads of this process share it; None for one that is too long."""
    key = tuple((str(file.resolve()), (state := file.stat()).st_size, state.st_mtime_ns) for file in files_of(tape))
    with _lock:
        if key not in _tapes:
            _tapes[key] = _read(tape)
            while len(_tapes) > _KEPT:
                _tapes.popitem(last=False)
        _tapes.move_to_end(key)
        return _tapes[key]


def _read(tape: Path) -> SharedTape | None:
    if columnar.is_columnar(tape) and columnar.info(tape).rows > MOST_ROWS:
        return None  # before 200 MB of it are held in vain
    batches: list[Columns] = []
    for batch in columns.read(tape):
        batches.append(batch)
        if sum(map(len, batches)) > MOST_ROWS:
            return None
    return SharedTape(_joined(batches))


def _joined(batches: Sequence[Columns]) -> Columns:
    """Put batches into one."""
    if len(batches) == 1:
        return batches[0]
    if not batches:
        return columns.columns_of([])
    others, rows = [], 0
    for batch in batches:
        others += [(rows + row, event) for row, event in batch.others]
        rows += len(batch)
    kind, symbol, ts, price, size, bid, ask = (
        np.concatenate(parts) for parts in zip(*(batch[:7] for batch in batches), strict=True)
    )
    return Columns(kind, symbol, ts, price, size, bid, ask, batches[-1].symbols, others)
