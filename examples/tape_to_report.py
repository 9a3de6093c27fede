"""From a tape to a report, and to what to believe of it: `python examples/tape_to_report.py TAPE`."""

import sys
from collections import Counter

from microbot import backtest, read_tape, report, sweep

TRIED = {
    "strategy.entry_threshold": "0.0003:0.0005:0.0001",  # as of `microbot sweep --param`
    "strategy.volatility_guard_threshold": [0.0003, 0.0005],
}


def main(tape: str) -> None:
    """Look at a tape, decide on it, try other settings, and write the report of the best one."""
    print("events:", dict(Counter(type(event).__name__ for event in read_tape(tape))))

    found = backtest(tape)
    print(found)
    trades = found.to_pandas("trades")  # or to_polars; times are dates in UTC
    print(trades.groupby("exit_reason")["pnl"].agg(["count", "sum"]).to_string())

    swept = sweep(tape, TRIED)
    print(swept)
    print(swept.sentence)
    print(swept.to_pandas()[["setting", *TRIED, "trades", "net"]].sort_values("net").tail(3).to_string(index=False))

    if swept.best is None:  # a report would be of the defaults
        sys.exit(swept.sentence)
    told = report(tape, settings=swept.best, note=f"chosen on this tape out of {swept.summary['tried']} settings")
    print(*told.sentences, sep="\n")
    print("the report:", told.to_html("best.report.html"))


if __name__ == "__main__":
    main(sys.argv[1])
