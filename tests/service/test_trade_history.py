"""The trades that the dashboard is told of: of earlier sessions in the same account, and each as it ends."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from actors.gateway.journal import Run
from actors.gateway.kept_trades import KeptTrades
from actors.gateway.sqlite_journal import SqliteJournal
from actors.messages import AccountOpened, Fact
from actors.portfolio.closed_trades import COLUMNS, ClosedTrade
from service.journal_views import history
from service.live import trade_history
from service.live.trade_history import TradeHistory
from tests.web.builders import START, closed, opened, signal

ACCOUNT = "PA1"
BOOK = "alpaca paper"


def account(number: str) -> AccountOpened:
    return AccountOpened(number, Decimal(100), Decimal(100), START, 1)


def write(path: Path, *sessions: tuple[str, list[Fact]], book: str = BOOK) -> SqliteJournal:
    """Journal what sessions stated, each under the name of its book; the book is that of the last one."""
    journal = SqliteJournal(path, book, durable=False)
    for number, (name, facts) in enumerate(sessions, 1):
        journal.begin(Run(number, "1", "burst", "test", True, name, {}))
        journal.append(1, facts)
    return journal


def kept(journal: SqliteJournal, *, at_broker: bool = False, most: int = 100) -> KeptTrades:
    found = journal.kept_trades(most, at_broker=at_broker)
    journal.close()
    return found


def decisions(trades: list[ClosedTrade] | tuple[ClosedTrade, ...]) -> list[str]:
    return [trade.decision for trade in trades]


def test_trades_of_earlier_sessions_are_read_oldest_first_with_what_their_entries_slipped_by(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    first: list[Fact] = [signal(decision="1"), opened(decision="1", price="150.30"), closed(decision="1")]
    found = kept(write(path, ("paper", first), ("paper", [closed(decision="2", pnl="-1.00")])))
    one, two = found.trades
    assert (one.run, one.decision, one.origin, one.entry_slippage) == (1, "1", "1/1", Decimal("0.00"))
    assert (two.run, two.pnl, two.entry_slippage) == (2, Decimal("-1.00"), None)
    assert found.started == {1: 1, 2: 2}
    rows = list(history.rows(path, "trades"))
    told = [
        {name: value for name, value in msgspec.to_builtins(trade).items() if name in COLUMNS} for trade in found.trades
    ]
    assert told == rows


def test_only_the_newest_are_read_and_the_others_counted(tmp_path: Path) -> None:
    facts: list[Fact] = [closed(decision=str(n)) for n in range(5)]
    found = kept(write(tmp_path / "j.sqlite", ("paper", facts)), most=2)
    assert (decisions(found.trades), found.left_out) == (["3", "4"], 3)


def test_trades_of_another_account_and_of_simulated_fills_are_left_out_at_a_broker(tmp_path: Path) -> None:
    def journal() -> SqliteJournal:
        sessions: list[tuple[str, list[Fact]]] = [
            ("paper", [closed(decision="simulated")]),
            ("mb-1", [account("OTHER"), closed(decision="other")]),
            ("mb-1-b", [account(ACCOUNT), closed(decision="ours")]),
        ]
        made = write(tmp_path / "j.sqlite", *sessions)
        with made._writing():
            made._connection.execute("REPLACE INTO books VALUES (?, 3, 1, '{}', NULL)", (BOOK,))
        return made

    assert decisions(kept(journal(), at_broker=True).trades) == ["ours"]
    assert decisions(kept(SqliteJournal(tmp_path / "none.sqlite", BOOK, durable=False), at_broker=True).trades) == []


def test_simulated_fills_have_no_account(tmp_path: Path) -> None:
    sessions: list[tuple[str, list[Fact]]] = [
        ("paper", [closed(decision="simulated")]),
        ("mb-1", [account(ACCOUNT), closed(decision="real")]),
    ]
    assert decisions(kept(write(tmp_path / "j.sqlite", *sessions, book="simulated")).trades) == ["simulated"]


def test_each_trade_is_told_once_and_all_to_a_web_process_that_starts() -> None:
    trades = TradeHistory(KeptTrades(), 4, "paper", START)
    trades.note_fact(signal(decision="1"))
    trades.note_fact(opened(decision="1", price="150.35"))
    assert trades.new() == []
    trades.note_fact(closed(decision="1"))
    (told,) = trades.new()
    assert [(one.run, one.origin, one.entry_slippage) for one in told.trades] == [(4, "4/1", Decimal("0.00"))]
    assert told.started == {4: START}
    assert trades.new() == []
    trades.note_fact(closed(decision="2"))
    assert [decisions(one.trades) for one in trades.told()] == [["1", "2"]]
    assert trades.new() == []  # it was told with all


def test_a_position_that_is_carried_into_the_next_session_keeps_its_origin() -> None:
    trades = TradeHistory(KeptTrades(), 4, "paper", START)
    trades.note_fact(signal(decision="17"))
    trades.note_fact(opened(decision="17"))
    trades.follow("paper-2", START + 1)
    trades.note_fact(closed(decision="paper-17"))
    trades.note_fact(closed(decision="17"))  # another one: ids are made of input numbers, which start over
    (told,) = trades.new()
    assert [(one.run, one.origin) for one in told.trades] == [(5, "4/17"), (5, "5/17")]
    assert told.trades[0].entry_slippage is not None
    assert told.started == {5: START + 1}


def test_a_position_that_outlived_the_bot_keeps_its_origin(tmp_path: Path) -> None:
    sessions: list[tuple[str, list[Fact]]] = [
        ("paper", [opened(decision="17"), opened("MSFT", decision="18"), closed("MSFT", decision="18")]),
        ("paper-2", []),
    ]
    found = kept(write(tmp_path / "j.sqlite", *sessions))
    assert found.carried == {("paper-17", "AAPL"): "1/17"}
    trades = TradeHistory(found, 3, "paper-3", START)
    trades.note_fact(closed(decision="paper-17"))
    assert trades.new()[0].trades[0].origin == "1/17"


def test_without_a_journal_runs_are_not_counted() -> None:
    trades = TradeHistory(KeptTrades(), 0, "paper", START)
    trades.follow("paper-2", START)
    trades.note_fact(closed())
    assert trades.new()[0].trades[0].run == 0


def test_it_is_bounded_and_says_what_it_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trade_history, "MOST", 3)
    monkeypatch.setattr(trade_history, "_A_MESSAGE", 2)
    trades = TradeHistory(KeptTrades(left_out=10), 1, "paper", START)
    for number in range(5):
        trades.note_fact(closed(decision=str(number)))
    told = trades.told()
    assert [decisions(part.trades) for part in told] == [["2", "3"], ["4"]]
    assert {part.left_out for part in told} == {12}
