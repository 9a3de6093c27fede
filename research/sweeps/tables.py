"""A sweep's results as tables: a row a setting, and a row a trade, in Parquet for whoever reads on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from research.statistics.overfitting import sharpe
from research.sweeps.answer import BLOCKS
from research.sweeps.cells import write_table

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from research.sweeps.sweep import Answer


def settings_table(answer: Answer) -> pa.Table:
    """Return a row for each setting: its parameters, what it came to, and what it earned in each stretch of time.

    `net` is money after fees, `sharpe` of a block of time and not annualised, `max_drawdown` that of its worst tape;
    `net_1` is the first window's sample, less the gap, `net_2` and on are what each window has out of sample.
    """
    import pyarrow as pa

    trades, count = answer.trades, len(answer.samples)
    table: dict[str, Any] = {"setting": list(range(1, count + 1))}
    for place, axis in enumerate(answer.question.space.axes):
        values = [sample[place] for sample in answer.samples]
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        table[axis.path] = [float(value) for value in values] if numbers and not axis.whole else values
    for name in ("signals", "approved"):
        table[name] = answer.cells.cells[name].to_numpy().reshape(-1, count).sum(axis=0)
    table["trades"] = trades.counts()
    table["wins"] = np.bincount(trades.setting[trades.pnl > 0], minlength=count)
    table["net"] = trades.net()
    table["per_trade"] = np.where(table["trades"] > 0, table["net"] / np.maximum(table["trades"], 1), np.nan)
    table["sharpe"] = sharpe(trades.by_block(answer.timeline.blocks(trades.entry, BLOCKS)))
    table["max_drawdown"] = _drawdowns(answer)
    table["net_1"] = trades.within(0, answer.windows[0].cut, answer.windows[0].purged).net()
    for number, window in enumerate(answer.windows, 2):
        table[f"net_{number}"] = trades.within(window.cut, window.ends).net()
    return pa.table(table)


def _drawdowns(answer: Answer) -> NDArray[np.float64]:
    """Return for each setting the furthest that its closed trades were below their highest sum, on any one tape."""
    counts = answer.cells.cells["trades"].to_numpy()
    count = len(answer.samples)
    found = np.zeros(count)
    end = 0
    for cell, trades in enumerate(counts):
        start, end = end, end + int(trades)
        sums = np.cumsum(answer.trades.pnl[start:end])
        if len(sums):
            fallen = np.maximum(np.maximum.accumulate(sums), 0.0) - sums
            found[cell % count] = max(found[cell % count], float(fallen.max()))
    return found


def trades_table(answer: Answer) -> pa.Table:
    """Return a row for each trade of each setting: `setting` and `tape` say whose, the rest is as in trades.jsonl."""
    import pyarrow as pa

    counts = answer.cells.cells["trades"].to_numpy()
    tapes = np.repeat(np.arange(len(answer.question.tapes)), len(answer.samples))
    names = [tape.name for tape in answer.question.tapes]
    table = answer.cells.trades
    table = table.add_column(0, "tape", pa.DictionaryArray.from_arrays(np.repeat(tapes, counts), names))
    return table.add_column(0, "setting", pa.array(answer.trades.setting + 1))


def write(answer: Answer) -> None:
    """Write `results.parquet` and `trades.parquet` into the answer's folder: the same answer gives the same bytes."""
    write_table(answer.folder / "results.parquet", settings_table(answer))
    write_table(answer.folder / "trades.parquet", trades_table(answer))
