"""Rotation: a session ends, another goes on where it was, and each recording by itself decides what was decided."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from reactivex import Observable

from actors.engine.core import Core, CoreSettings, Input
from actors.gateway.journal import Run as JournalRun
from actors.gateway.sqlite_journal import _LEFT_OUT, _encode
from actors.messages import (
    NOT_OUTLIVED,
    Fact,
    FeedChanged,
    FeedState,
    PositionClosed,
    Refusal,
    RemoveChain,
    Rollover,
    SignalRaised,
)
from pipeline import operators as op
from pipeline.events import Prints, Signal, Trade
from pipeline.strategy import Strategy, default_exits
from service import settings, strategies
from service.live.bookkeeping import new_book, next_book
from service.live.rotation import RotationPolicy as Due
from service.live.telemetry import together
from service.recorded import tapes
from service.recorded.decisions import Changes, Side
from service.recorded.replay import core_of
from service.recorded.trust import Trust
from tests.service.test_session import Witness, a_session
from tests.support.bots import EAGER, PATIENT, at as at_exchange
from tests.support.exchange import KEYS, ExchangeServer
from tests.support.live import Bot, microbot
from tests.support.market import at, clock, trade
from tests.support.sessions import PATIENT as PATIENT_EXITS, Session, on_demand

TINY = ("--set", "record.session_bytes=6000")
FAST = ("--speed", "50", *EAGER)
BEFORE_MIDNIGHT = 1_767_675_540  # 2026-01-05 23:59 in New York


def runs(folder: Path) -> list[tuple[int, str, str]]:
    """Return id, book and recording of each session that the journal knows."""
    with closing(sqlite3.connect(folder / "data" / "microbot.db")) as connection:
        return connection.execute("SELECT id, name, recording FROM runs ORDER BY id").fetchall()


def stated_live(folder: Path, run: int) -> list[str]:
    """Return what the core of a session stated, as the journal has it.

    What the gate did by itself is none of that, nor is how the orders fared.
    """
    others = "'gate_acted', 'order_measured'"
    with closing(sqlite3.connect(folder / "data" / "microbot.db")) as connection:
        wanted = f"SELECT body FROM facts WHERE run = ? AND kind NOT IN ({others}) ORDER BY id"
        rows = connection.execute(wanted, (run,))
        return [body for (body,) in rows]


def stated_again(recording: Path) -> tuple[list[str], Core, list[Input]]:
    recorded = tapes.recorded_settings(recording)
    assert recorded is not None
    effective = settings.load(recorded=recorded.settings, environment={})
    facts: list[Fact] = []
    core = core_of(recorded, effective, strategies.load(None, effective.strategy), facts.append)
    inputs = [event for batch in tapes.read(recording) for event in batch]
    core.run(inputs)
    core.finish()
    return [_encode(fact).decode() for fact in facts if not isinstance(fact, _LEFT_OUT)], core, inputs


def assert_each_replays(folder: Path, summary: dict[str, Any]) -> list[list[Input]]:
    """Check that every session decides again, byte for byte, what the journal says; return their inputs."""
    sessions = []
    trades = 0
    known = runs(folder)
    for number, (run, book, recording) in enumerate(known):
        facts, core, inputs = stated_again(Path(recording))
        assert facts == stated_live(folder, run)
        assert core.book().name == book
        trades += core.metrics.trades
        if number + 1 < len(known):
            end = inputs[-1]
            assert isinstance(end, Rollover)
            assert end.next_book == known[number + 1][1]
        sessions.append(inputs)
        assert tapes.ended(Path(recording)) is not None
    assert summary["trades"] == trades
    assert float(core.metrics.equity) == summary["equity"]
    return sessions


def test_a_live_session_that_rolls_over_with_a_position_open_replays_in_its_parts(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST, *PATIENT, *TINY) as bot:
        bot.until(lambda state: len(state["positions"]) == 2)
        bot.until(lambda state: len(runs(tmp_path)) >= 4)
        seen = bot.until(lambda state: len(state["positions"]) == 2)["metrics"]["ticks"]
        bot.command("flatten")
        state = bot.until(lambda state: not state["positions"])
        assert state["metrics"]["trades"] == 2  # of the run, not of its last session
        assert state["metrics"]["ticks"] >= seen > 0
        summary = bot.stop()
    sessions = assert_each_replays(tmp_path, summary)
    books = [inputs[0] for inputs in sessions[1:]]
    assert len(books) >= 3
    assert max(len(book.positions) for book in books) == 2  # type: ignore[union-attr]
    assert summary["trades"] == 2
    assert summary["ticks"] > sum(type(event).__name__ == "Trade" for event in sessions[-1])


def test_a_busy_session_loses_no_trade_and_no_order_at_a_rollover(tmp_path: Path) -> None:
    slow = ("--set", "execution.latency_ms=400")
    with Bot(tmp_path, *FAST, *TINY, *slow) as bot:
        bot.until(lambda state: state["metrics"]["trades"] >= 8 and len(runs(tmp_path)) >= 3)
        summary = bot.stop()
    sessions = assert_each_replays(tmp_path, summary)
    assert len({book for _, book, _ in runs(tmp_path)}) == len(sessions)
    listed = [json.loads(line) for line in microbot("sessions", "--json", cwd=tmp_path).stdout.splitlines()]
    assert [row["state"] for row in listed] == ["whole"] * len(sessions)
    assert [row["inputs"] for row in listed] == [len(inputs) for inputs in sessions]
    for row in listed:
        same = microbot("diff", row["file"], cwd=tmp_path)
        assert (same.returncode, same.stderr) == (0, "")


def test_a_new_trading_day_begins_a_new_session(tmp_path: Path) -> None:
    start = ("--set", f"exchange.start_at={BEFORE_MIDNIGHT * 10**9}")
    with Bot(tmp_path, *FAST, *PATIENT, *start) as bot:
        bot.until(lambda state: state["positions"])
        bot.until(lambda state: len(runs(tmp_path)) == 2)
        summary = bot.stop()
    first, second = assert_each_replays(tmp_path, summary)
    assert isinstance(first[-1], Rollover)
    assert first[-1].reason == "day"
    assert second[0].date == "2026-01-06"  # type: ignore[union-attr]


def test_a_session_at_a_broker_rolls_over_with_its_stops_at_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with ExchangeServer("--speed", 20) as exchange, at_exchange(exchange, tmp_path, 20, *EAGER, *PATIENT, *TINY) as bot:
        bot.until(lambda state: len(state["positions"]) == 2)
        bot.until(lambda state: len(runs(tmp_path)) >= 3)
        bot.command("flatten")
        exchange.until_flat()
        bot.until(lambda state: not state["positions"])
        summary = bot.stop()
        assert exchange.open_orders == []
        orders = [order["client_order_id"] for order in exchange.orders]
        assert len(set(orders)) == len(orders)
    assert_each_replays(tmp_path, summary)
    assert summary["trades"] == 2


def test_trading_at_a_broker_goes_on_after_a_rollover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with ExchangeServer("--speed", 40) as exchange, at_exchange(exchange, tmp_path, 40, *EAGER, *TINY) as bot:
        bot.until(lambda state: len(runs(tmp_path)) >= 3)
        trades = bot.state["metrics"]["trades"]
        bot.until(lambda state: state["metrics"]["trades"] >= trades + 2)
        summary = bot.stop()
    assert_each_replays(tmp_path, summary)


# ------------------------------------------------------------------------------------------------- what it does


def test_the_head_of_a_session_is_recorded_and_journaled_and_no_news_to_the_readers() -> None:
    session, witness = a_session()
    stale = FeedChanged(FeedState.STALE, at(1), "mute")
    session.take([trade(0), trade(1, says="LONG"), stale])
    old = session.core
    witness.calls.clear()
    end = Rollover("size", "paper-2", old.now)
    next_run = JournalRun(1, "1", "s", "test", True, "paper-2", {})
    recorder: Any = Witness()

    def begin(on_fact: Callable[[Fact], None]) -> Core:
        return Core(CoreSettings(), Strategy("test", on_demand, default_exits(PATIENT_EXITS)), on_fact, book="paper-2")

    session.roll_over(end, begin, recorder, next_run)
    assert session.core is not old
    assert witness.of("recorded") == [[end]]
    assert recorder.of("recorded") == [[old.book(), stale]]
    batches = witness.of("gate")
    assert [batch.run for batch in batches if batch.run is not None] == [next_run]
    assert batches[-1].book is not None
    assert batches[-1].book.name == "paper-2"
    assert batches[-1].book.positions == session.core.book().positions != ()
    assert witness.of("read") == []
    session.take([trade(2)])
    assert [type(event) for event in recorder.of("recorded")[-1]] == [Trade]
    assert witness.of("gate")[len(batches) :] == [] or witness.of("gate")[-1].run is None


def test_the_readers_are_told_of_an_order_that_ended_with_its_session() -> None:
    session, witness = a_session(latency_ms=5_000)
    session.take([trade(0), trade(1, says="LONG")])
    witness.calls.clear()
    end = Rollover("size", "paper-2", session.core.now)
    next_run = JournalRun(1, "1", "s", "test", True, "paper-2", {})

    def begin(on_fact: Callable[[Fact], None]) -> Core:
        return Core(CoreSettings(), Strategy("test", on_demand, default_exits(PATIENT_EXITS)), on_fact, book="paper-2")

    session.roll_over(end, begin, None, next_run)
    (told,) = witness.of("read")
    assert (told.order, told.reason) == ("paper.2.A.entry.1", NOT_OUTLIVED)
    assert told in witness.of("gate")[-1].facts


# ------------------------------------------------------------------------------------------------- when it is due


def test_orders_on_their_way_hold_a_rollover_up_for_a_while() -> None:
    from actors.brokers.simulated import ExecutionSettings

    session = Session(execution=ExecutionSettings(latency_ms=1000)).feed(trade(0))
    now = [0.0]
    due = Due(30, lambda: now[0])
    assert due.due(session.core, full=False) is None
    session.feed(trade(1, says="LONG"))
    assert due.due(session.core, full=True) is None
    now[0] = 29.0
    assert due.due(session.core, full=True) is None
    now[0] = 30.0
    assert due.due(session.core, full=True) == "size"
    assert due.due(session.core, full=True) is None  # it starts over
    session.feed(clock(3))
    assert due.due(session.core, full=True) == "size"
    session.feed(clock(86_400))
    assert due.due(session.core, full=False) == "day"
    assert due.due(session.core, full=False) is None


def test_a_core_in_which_nothing_has_happened_does_not_roll_over() -> None:
    assert Due(30).due(Session().core, full=True) is None


def test_a_session_is_told_what_held_at_the_end_of_the_one_before() -> None:
    session = Session().feed(trade(0), FeedChanged(FeedState.STALE, at(1), "mute"))
    head: list[Input] = [session.core.book(), *session.core.standing()]
    after = Session().feed(*head, trade(2, says="LONG"))
    assert after.verdicts == [Refusal.STALE_FEED]


def test_a_chain_that_was_too_slow_stays_removed_in_the_next_session() -> None:
    session = Session().feed(trade(0), trade(0, symbol="B"), RemoveChain("A", at(1), "slow"))
    head: list[Input] = [session.core.book(), *session.core.standing()]
    after = Session().feed(*head, trade(2, says="LONG"), trade(2, symbol="B", says="LONG"))
    assert [fact.signal.symbol for fact in after.of(SignalRaised)] == ["B"]


def test_books_have_other_names_however_often_sessions_change_in_a_second() -> None:
    books = ["paper"]
    for _ in range(12):
        books.append(next_book(books[-1], 1_767_623_400.9))
    assert len(set(books)) == len(books)
    assert books[1:3] == ["paper-20260105T143000", "paper-20260105T143000x2"]


def test_what_a_strategy_measures_goes_on_from_session_to_session() -> None:
    def entries(ticks: Observable[Trade]) -> Observable[Signal]:
        return on_demand(ticks.pipe(op.metric("price", lambda tick: tick.price)))

    one, two = (Session(entries=entries) for _ in range(2))
    one.feed(trade(0, 100.0), trade(1, 106.0), trade(2, 5.0, symbol="B"))
    two.feed(trade(3, 100.0), trade(4, 98.0))
    both = together(one.core.summary(), two.core.summary())
    assert both["metrics"] == {
        "A": {"price": {"last": 98.0, "min": 98.0, "max": 106.0, "mean": 101.0, "count": 4}},
        "B": {"price": {"last": 5.0, "min": 5.0, "max": 5.0, "mean": 5.0, "count": 1}},
    }
    assert "metrics" not in together(Session().core.summary(), Session().core.summary())


def test_totals_are_those_of_all_sessions_together() -> None:
    one = Session().feed(trade(0), trade(1, says="LONG"), trade(2, 102.0))
    two = Session().feed(one.core.book(), trade(3), trade(4, says="LONG"), trade(5, 98.0))
    assert [len(s.of(PositionClosed)) for s in (one, two)] == [1, 1]
    both = together(one.core.summary(), two.core.summary())
    assert (both["trades"], both["wins"], both["losses"], both["win_rate"]) == (2, 1, 1, 0.5)
    assert both["total_pnl"] == pytest.approx(both["equity"] - 10_000)
    assert both["ticks"] == both["funnel"]["ticks"] == 6
    assert both["funnel"]["signals"] == 2


def test_a_recording_says_which_book_its_order_ids_begin_with(tmp_path: Path) -> None:
    from service.recorded.recording import Recorder

    path = tmp_path / "r.jsonl.gz"
    Recorder(path, CoreSettings(), None, "", "paper-7").close()
    side = Side(path, Changes(), Trust(tmp_path))
    assert side.core(lambda fact: None).book().name == "paper-7"


def test_a_process_that_starts_within_the_same_second_has_another_name_for_its_orders() -> None:
    now = 1_767_623_400.1
    first = new_book("mb-0", "", now)
    assert first == "mb-0-20260105T143000"
    assert new_book("mb-0", first, now + 0.8) == "mb-0-20260105T143000x2"
    assert new_book("mb-0", first, now + 1) == "mb-0-20260105T143001"
    assert new_book("mb-0", "paper", now) == first  # the last session's fills were simulated


def test_prints_that_are_no_plain_ticks_add_up_over_the_sessions_of_a_run() -> None:
    before, after = (Session() for _ in range(2))
    before.feed(Prints("auction", 1, 500.0), Prints("odd", 2, 7.0))
    after.feed(Prints("odd", 1, 3.0))
    both = together(before.core.summary(), after.core.summary())
    assert (both["prints"], both["prints_shares"]) == ({"auction": 1, "odd": 3}, {"auction": 500.0, "odd": 10.0})
    assert "prints" not in together(Session().core.summary(), Session().core.summary())
