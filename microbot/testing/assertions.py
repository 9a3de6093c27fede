"""What is said of a backtest: its signals and trades, and a picture of what came instead."""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose

from actors.portfolio.lines import SignalLine, TradeLine
from microbot.backtesting import Backtest
from microbot.testing.diagrams import draw
from microbot.testing.tapes import START
from pipeline.events import SECOND
from service.errors import UserError

_COLUMNS = 80
_STEPS = (1, 2, 5, 10, 30, 60, 300, 600, 1_800, 3_600)  # seconds that a column of a picture may be
_LINES = 40  # that tell of signals and trades

Expected = tuple[str, float] | tuple[str, float, str]
"""Side and seconds from the tape's start; and the reason, of a signal that is refused."""


def assert_signals(found: Backtest, *expected: Expected, symbol: str | None = None) -> None:
    """Assert which signals a strategy gave: all of them, in their order.

        assert_signals(found, ("LONG", 31), ("SHORT", 50, "POSITION_OPEN"))

    Args:
        found: What `backtest` returned.
        expected: Side and seconds from the tape's start. A third word is the reason for which it was refused; without
            one it was approved.
        symbol: Of this symbol alone.

    Raises:
        AssertionError: With a picture of what came instead.
    """
    __tracebackhide__ = True
    wanted = [_checked(signal) for signal in expected]
    start = _start(found)
    came = [
        (str(line.side), (line.ts - start) / SECOND, str(line.reason or ""))
        for line in found.signals
        if symbol in (None, line.symbol)
    ]
    if len(came) == len(wanted) and all(
        side == want[0] and isclose(at, want[1], abs_tol=1e-6) and reason == want[2]
        for (side, at, reason), want in zip(came, wanted, strict=True)
    ):
        return
    said = [f"{side} at {at:g} s{f', refused: {reason}' if reason else ''}" for side, at, reason in wanted]
    raise AssertionError(
        f"expected {_count(len(wanted), 'signal')}, came {len(came)}:\n"
        f"  expected: {'; '.join(said) or 'none'}\n{picture(found)}"
    )


def assert_trades(found: Backtest, *reasons: str, symbol: str | None = None) -> None:
    """Assert for which reasons trades were closed: all of them, in their order.

        assert_trades(found, "TP", "SL")

    Args:
        found: What `backtest` returned.
        reasons: TP, SL, TIME, FLAT, or that of an exit of your own.
        symbol: Of this symbol alone.

    Raises:
        AssertionError: With a picture of what came instead.
    """
    __tracebackhide__ = True
    came = [str(line.exit_reason) for line in found.trades if symbol in (None, line.symbol)]
    if came == list(reasons):
        return
    raise AssertionError(
        f"expected {_count(len(reasons), 'trade')}, came {len(came)}:\n"
        f"  expected: {', '.join(reasons) or 'none'}\n  came:     {', '.join(came) or 'none'}\n{picture(found)}"
    )


def picture(found: Backtest) -> str:
    """Draw what a backtest decided, and say it in words.

    A symbol has a line of its signals, in small letters where they were refused, and one of its trades.
    """
    start = _start(found)
    symbols = dict.fromkeys([line.symbol for line in found.signals])
    last = max([start, *(line.ts for line in found.signals), *(line.exit_ts for line in found.trades)])
    step = next((step for step in _STEPS if (last - start) / SECOND < step * _COLUMNS), 86_400)
    width = (last - start) // (step * SECOND) + 1
    rows = [f"  a column is {step} s, from the tape's start"] if symbols else ["  no signals"]
    for symbol in symbols:
        signals = [line for line in found.signals if line.symbol == symbol]
        trades = [line for line in found.trades if line.symbol == symbol]
        rows.append(f"  {symbol} signals  {_signals(signals, start, step * SECOND, width)}")
        rows.append(f"  {symbol} trades   {_trades(trades, start, step * SECOND, width)}")
    told = sorted(
        [*((line.ts, _signal(line)) for line in found.signals), *((t.exit_ts, _trade(t)) for t in found.trades)]
    )
    rows += [f"  {(ts - start) / SECOND:g} s: {words}" for ts, words in told[:_LINES]]
    if len(told) > _LINES:
        rows.append(f"  ... and {len(told) - _LINES:,} more")
    rows.append("  funnel: " + ", ".join(f"{name} {count:,}" for name, count in found.summary["funnel"].items()))
    if blocked := [f"{name} {count:,}" for name, count in found.summary["blocked"].items() if count]:
        rows.append("  blocked: " + ", ".join(blocked))
    return "\n".join(rows)


def _signals(lines: Sequence[SignalLine], start: int, step: int, width: int) -> str:
    return draw((((line.ts - start) // step, _letter(line)) for line in lines), width)


def _letter(line: SignalLine) -> str:
    return line.side[0] if line.decision == "APPROVED" else line.side[0].lower()


def _trades(lines: Sequence[TradeLine], start: int, step: int, width: int) -> str:
    row = ["-"] * width
    for line in lines:
        first, last = (line.entry_ts - start) // step, (line.exit_ts - start) // step
        row[first : last + 1] = ["[", *"=" * (last - first - 1), "]"] if last > first else ["#"]
    return "".join(row)


def _signal(line: SignalLine) -> str:
    said = f"refused: {line.reason}" if line.decision != "APPROVED" else "approved"
    return f"{line.symbol} {line.side} at {line.price:g}, {said}"


def _trade(line: TradeLine) -> str:
    return f"{line.symbol} {line.side} closed by {line.exit_reason} at {line.exit_price:g}, P/L {line.pnl:+.4f}"


def _start(found: Backtest) -> int:
    return found.equity[0].ts if found.equity else START


def _checked(signal: Expected) -> tuple[str, float, str]:
    match signal:
        case ("LONG" | "SHORT" as side, float() | int() as at):
            return side, float(at), ""
        case ("LONG" | "SHORT" as side, float() | int() as at, str() as reason):
            return side, float(at), reason
    raise UserError(f'a signal is expected as ("LONG", seconds) or ("SHORT", seconds, "REASON"), not {signal!r}')


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
