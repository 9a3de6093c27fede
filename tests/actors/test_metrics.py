"""metrics: the counts and the account of summary.json, folded from facts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from actors.messages import BurstBlocked, DayStarted, ExitReason, PositionClosed, Refusal, SignalRaised
from actors.portfolio.metrics import Metrics
from pipeline.events import Side, Signal
from tests.support.market import at


def closed(pnl: str, equity: str) -> PositionClosed:
    return PositionClosed(
        symbol="A",
        side=Side.LONG,
        quantity=Decimal(1),
        entry_ts=at(0),
        entry_price=Decimal(100),
        exit_ts=at(1),
        exit_price=Decimal(100),
        exit_reason=ExitReason.TP,
        pnl=Decimal(pnl),
        pnl_pct=0.0,
        fees=Decimal(0),
        equity=Decimal(equity),
        decision="1",
        input=1,
    )


def folded(*pnls: str, start: str = "1000") -> Metrics:
    """Fold trades with these results."""
    metrics = Metrics(Decimal(start))
    equity = Decimal(start)
    for pnl in pnls:
        equity += Decimal(pnl)
        metrics.fold(closed(pnl, str(equity)))
    return metrics


def summary(metrics: Metrics) -> dict[str, object]:
    return metrics.summary(ticks=0, ready=0, bursts=0, halted=False, open_positions=0)


def raised(reason: Refusal | None) -> SignalRaised:
    signal = Signal("A", at(0), Side.LONG, 100.0, 0.0, 0.0, 0.0)
    return SignalRaised(signal, "1", reason is None, reason, 1)


def test_without_a_trade_everything_is_zero() -> None:
    empty = summary(Metrics(Decimal(1000)))
    assert (empty["trades"], empty["win_rate"], empty["total_pnl"], empty["equity"]) == (0, 0.0, 0.0, 1000.0)
    assert (empty["max_drawdown"], empty["max_drawdown_pct"], empty["current_drawdown"]) == (0.0, 0.0, 0.0)


def test_the_fields_are_those_that_the_replay_command_promises_in_their_order() -> None:
    assert list(summary(Metrics(Decimal(1)))) == [
        "ticks",
        "ticks_late",
        "ticks_rejected",
        "trades",
        "wins",
        "losses",
        "breakeven",
        "win_rate",
        "total_pnl",
        "daily_pnl",
        "equity",
        "max_drawdown",
        "max_drawdown_pct",
        "current_drawdown",
        "consecutive_losses",
        "halted",
        "open_positions",
        "funnel",
        "blocked",
        "refusals",
    ]


def test_trades_are_wins_losses_or_breakeven() -> None:
    found = summary(folded("5", "-3", "0", "1"))
    assert (found["trades"], found["wins"], found["losses"], found["breakeven"]) == (4, 2, 1, 1)
    assert (found["win_rate"], found["total_pnl"]) == (0.5, 3.0)


@pytest.mark.parametrize(
    ("pnl", "kind"), [("2E-9", "wins"), ("5E-10", "breakeven"), ("-5E-10", "breakeven"), ("-2E-9", "losses")]
)
def test_float_noise_is_breakeven(pnl: str, kind: str) -> None:
    assert summary(folded(pnl))[kind] == 1


def test_a_losing_run_is_ended_by_a_win_and_left_by_breakeven() -> None:
    assert folded("-1", "-1").consecutive_losses == 2
    assert folded("-1", "-1", "0").consecutive_losses == 2
    assert folded("-1", "-1", "0", "-1").consecutive_losses == 3
    assert folded("-1", "-1", "1").consecutive_losses == 0
    assert folded("-1", "1", "-1").consecutive_losses == 1


def test_a_drawdown_is_measured_from_the_highest_equity_so_far() -> None:
    found = summary(folded("100", "-30", "-20", "10"))
    assert (found["max_drawdown"], found["current_drawdown"]) == (50.0, 40.0)
    assert found["max_drawdown_pct"] == pytest.approx(50 / 1100)


def test_the_first_equity_is_a_high_too() -> None:
    assert summary(folded("-30"))["max_drawdown"] == 30.0


def test_the_largest_ratio_need_not_be_the_largest_drawdown() -> None:
    """50 of 1000 is a larger part than 60 of 10000."""
    found = summary(folded("-50", "9050", "-60"))
    assert (found["max_drawdown"], found["max_drawdown_pct"]) == (60.0, 0.05)


def test_a_drawdown_that_was_made_good_is_remembered() -> None:
    found = summary(folded("-30", "40"))
    assert (found["max_drawdown"], found["current_drawdown"]) == (30.0, 0.0)


def test_the_day_s_profit_counts_from_the_day_s_start() -> None:
    metrics = folded("5")
    metrics.fold(DayStarted("2026-01-06", Decimal(1005), at(0), 1))
    assert summary(metrics)["daily_pnl"] == 0.0
    metrics.fold(closed("-2", "1003"))
    assert (summary(metrics)["daily_pnl"], summary(metrics)["total_pnl"]) == (-2.0, 3.0)


def test_signals_are_counted_with_what_became_of_them() -> None:
    metrics = Metrics(Decimal(1))
    for reason in (None, Refusal.COOLDOWN, Refusal.COOLDOWN, Refusal.HALTED, None):
        metrics.fold(raised(reason))
    found = metrics.summary(ticks=9, ready=8, bursts=7, halted=True, open_positions=2)
    assert found["funnel"] == {"ticks": 9, "ready": 8, "bursts": 7, "signals": 5, "approved": 2, "trades": 0}
    assert found["refusals"] == {"COOLDOWN": 2, "HALTED": 1}
    assert (found["halted"], found["open_positions"]) == (True, 2)


def test_blocked_bursts_are_counted_by_reason_also_by_one_of_one_s_own() -> None:
    metrics = Metrics(Decimal(1))
    for reason in ("NO_VOLATILITY", "NO_NARROW", "NO_VOLATILITY"):
        metrics.fold(BurstBlocked("A", Side.LONG, 3, reason, at(0)))
    assert summary(metrics)["blocked"] == {
        "NO_VOLUME_SPIKE": 0,
        "NO_VOLATILITY": 2,
        "NEVER_TOGETHER": 0,
        "NO_NARROW": 1,
    }


def test_late_and_refused_ticks_are_in_the_summary() -> None:
    metrics = Metrics(Decimal(1))
    metrics.late = 3
    metrics.rejected["bad trade"] = 2
    metrics.rejected["not JSON"] = 5
    assert (summary(metrics)["ticks_late"], summary(metrics)["ticks_rejected"]) == (3, 7)


@given(st.lists(st.decimals("-100", "100", places=2), max_size=30))
def test_the_account_adds_up(pnls: list[Decimal]) -> None:
    found = summary(folded(*map(str, pnls), start="10000"))
    equities = [Decimal(10_000)]
    for pnl in pnls:
        equities.append(equities[-1] + pnl)
    highs = [max(equities[: place + 1]) for place in range(len(equities))]
    drawdowns = [high - equity for high, equity in zip(highs, equities, strict=True)]
    assert found["equity"] == float(equities[-1])
    assert found["total_pnl"] == float(sum(pnls))
    assert found["max_drawdown"] == float(max(drawdowns))
    assert found["current_drawdown"] == float(drawdowns[-1])
    assert found["max_drawdown_pct"] == float(max(d / h for d, h in zip(drawdowns, highs, strict=True)))
    assert found["trades"] == len(pnls)
