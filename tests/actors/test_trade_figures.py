"""The figures of closed trades, beside a slow reference that computes each by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.portfolio.closed_trades import ClosedTrade
from actors.portfolio.trade_figures import CURVE_POINTS, LEAST_TRADES, Exposure, TradeFigures, figures
from pipeline.events import SECOND

START = 1_767_623_400 * SECOND  # 2026-01-05 14:30 UTC
BASE = Decimal(10_000)


def trade(pnl: str, seconds: int = 0, held: int = 5, **changes: Any) -> ClosedTrade:
    entry = START + seconds * SECOND
    made = ClosedTrade(
        run=1,
        decision=str(seconds),
        symbol="AAPL",
        side="LONG",
        quantity=Decimal(1),
        entry_ts=entry,
        entry_price=Decimal(100),
        exit_ts=entry + held * SECOND,
        exit_price=Decimal(100) + Decimal(pnl),
        exit_reason="TP",
        pnl=Decimal(pnl),
        pnl_pct=float(Decimal(pnl) / 100),
        fees=Decimal("0.01"),
        equity=BASE + Decimal(pnl),
        origin=f"1/{seconds}",
    )
    return msgspec.structs.replace(made, **changes)


@st.composite
def histories(draw: st.DrawFn) -> list[ClosedTrade]:
    equity, found = BASE, []
    for pnl in draw(st.lists(st.decimals("-50", "50", places=2), max_size=40)):
        equity += pnl
        known = draw(st.booleans())
        found.append(
            trade(
                str(pnl),
                seconds=draw(st.integers(0, 200_000)),
                held=draw(st.integers(0, 900)),
                symbol=draw(st.sampled_from(["AAPL", "MSFT"])),
                exit_reason=draw(st.sampled_from(["TP", "SL", "TIME"])),
                equity=equity,
                entry_slippage=draw(st.decimals("-1", "1", places=2)) if known else None,
            )
        )
    return found


def mean(values: list[Decimal], least: int = LEAST_TRADES) -> float | None:
    return float(sum(values) / len(values)) if values and len(values) >= least else None


def open_seconds(trades: list[ClosedTrade]) -> float:
    """Walk over every moment at which a position is opened or closed, and count how many are open."""
    moves = sorted([(t.entry_ts, 1) for t in trades] + [(t.exit_ts, -1) for t in trades])
    total, count, last = 0, 0, 0
    for ts, step in moves:
        total += ts - last if count else 0
        count, last = count + step, ts
    return total / SECOND


def falls(trades: list[ClosedTrade]) -> tuple[list[Decimal], list[Decimal]]:
    """Return the equity after each trade, and how far each is below the highest up to it."""
    curve = [BASE]
    for one in trades:
        curve.append(curve[-1] + one.pnl)
    return curve, [max(curve[: place + 1]) - value for place, value in enumerate(curve)]


@given(histories())
def test_each_figure_is_what_its_definition_says(trades: list[ClosedTrade]) -> None:
    found = figures(trades)
    wins = [t.pnl for t in trades if t.pnl > 0]
    losses = [t.pnl for t in trades if t.pnl < 0]
    stops = [t for t in trades if t.exit_reason == "TIME"]
    enough = len(trades) >= LEAST_TRADES
    _, below = falls(trades)
    assert found["trades"] == len(trades)
    assert (found["wins"], found["losses"]) == (len(wins), len(losses))
    assert found["breakeven"] == len(trades) - len(wins) - len(losses)
    assert found["total_pnl"] == pytest.approx(float(sum(t.pnl for t in trades)))
    assert found["before_fees"] == pytest.approx(float(sum(t.pnl + t.fees for t in trades)))
    assert found["win_rate"] == (len(wins) / len(trades) if enough else None)
    assert found["expectancy"] == pytest.approx(mean([t.pnl for t in trades]))
    assert found["average_win"] == pytest.approx(mean(wins, 1))
    assert found["average_loss"] == pytest.approx(mean(losses, 1))
    assert found["profit_factor"] == pytest.approx(float(sum(wins) / -sum(losses)) if enough and losses else None)
    if enough and wins and losses:
        average_win, average_loss = mean(wins, 1), mean(losses, 1)
        assert average_win is not None
        assert average_loss is not None
        assert found["payoff_ratio"] == pytest.approx(average_win / -average_loss)
    won = sum(t.pnl > 0 for t in stops)
    assert (found["time_stops"], found["time_stops_won"]) == (len(stops), won)
    assert found["time_stop_accuracy"] == (won / len(stops) if len(stops) >= LEAST_TRADES else None)
    slipped = [t.entry_slippage for t in trades if t.entry_slippage is not None]
    assert found["entry_slippage"] == pytest.approx(float(sum(slipped)) if slipped else None)
    assert found["entry_slippage_trades"] == len(slipped)
    assert found["exposure_s"] == pytest.approx(open_seconds(trades))
    assert found["current_drawdown"] == pytest.approx(float(below[-1]))
    assert found["max_drawdown"] == pytest.approx(float(max(below)))


@given(histories())
def test_groups_add_up_to_the_whole(trades: list[ClosedTrade]) -> None:
    zone = ZoneInfo("America/New_York")
    found = figures(trades, zone)
    for name in ("by_symbol", "by_exit_reason", "by_hour"):
        groups = found[name].values()
        assert sum(group["trades"] for group in groups) == len(trades)
        assert sum(group["pnl"] for group in groups) == pytest.approx(found["total_pnl"])
    hours = {f"{datetime.fromtimestamp(t.entry_ts / SECOND, zone):%H}" for t in trades}
    assert set(found["by_hour"]) == hours


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=30))
def test_time_in_the_market_is_counted_once_in_whatever_order_trades_end(spans: list[tuple[int, int]]) -> None:
    exposure = Exposure()
    for start, held in spans:
        exposure.add(start, start + held)
    assert exposure.ns == len({moment for start, held in spans for moment in range(start, start + held)})


def test_a_drawdown_says_from_when_to_when_it_was() -> None:
    pnls = ["10", "-4", "-3", "9", "-1"]
    trades = [trade(pnl, seconds=10 * place, equity=BASE + sum(map(Decimal, pnls[: place + 1])))
              for place, pnl in enumerate(pnls)]  # fmt: skip
    found = figures(trades)
    assert (found["max_drawdown"], found["current_drawdown"]) == (7.0, 1.0)
    assert found["max_drawdown_since_ts"] == trades[0].exit_ts
    assert found["max_drawdown_ts"] == trades[2].exit_ts
    assert found["drawdown_since_ts"] == trades[3].exit_ts
    assert found["max_drawdown_pct"] == pytest.approx(7 / 10_010)


def test_a_loss_at_once_is_a_drawdown_from_the_equity_before_it() -> None:
    assert figures([trade("-5")])["max_drawdown"] == 5.0


def test_what_rounding_leaves_is_neither_won_nor_lost() -> None:
    found = figures([trade("0.0000000001")])
    assert (found["wins"], found["losses"], found["breakeven"]) == (0, 0, 1)


@pytest.mark.parametrize("count", [1, CURVE_POINTS - 1, CURVE_POINTS, 5 * CURVE_POINTS + 3])
def test_the_curve_is_bounded_and_ends_with_the_newest_trade(count: int) -> None:
    fold = TradeFigures(UTC)
    for place in range(count):
        fold.add(trade("1", seconds=10 * place))
    curve = fold.data()["curve"]
    assert 0 < len(curve) <= CURVE_POINTS
    assert curve[-1][1] == count
    assert [value for _, value in curve] == sorted(value for _, value in curve)
