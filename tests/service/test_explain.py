"""explain: the story of a decision, from a journal that a session wrote."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from reactivex import operators as rx

from actors.brokers.simulated import ExecutionSettings
from actors.engine.core import CoreSettings
from actors.gateway import sqlite_journal
from actors.gateway.journal import Run as JournalRun, TradeTicks
from actors.gateway.sqlite_journal import SqliteJournal, story
from actors.messages import OrderSubmitted, PositionClosed, SignalRaised
from actors.orders import FeeCharge, FeesReport
from actors.risk.limits import LimitSettings
from actors.risk.risk import RiskSettings
from microbot import op
from pipeline.events import Reading, Side, Signal
from pipeline.parameters import Parameters
from pipeline.strategy import Strategies, Strategy, StrategySettings, StrategyUse, momentum_burst
from service.data_folder import JOURNAL
from service.journal_views import explain
from service.journal_views.explain import sparkline
from service.live.bookkeeping import Bookkeeping
from service.options import RunOptions
from service.settings import as_layer
from tests.service.test_cli import Run
from tests.support.live import microbot
from tests.support.market import at, trade
from tests.support.sessions import PATIENT, Session

pytestmark = pytest.mark.usefixtures("at_a_terminal")

COSTLY = ExecutionSettings(fill="last", slippage_bps=10.0, fee_per_share=0.01)


def write(folder: Path, *sessions: tuple[str, Session], ticks: TradeTicks | None = None) -> None:
    """Journal what sessions stated, each under the name of its book."""
    opened = SqliteJournal(folder / JOURNAL, "simulated", durable=False)
    for name, session in sessions:
        opened.begin(JournalRun(1, "1", "momentum_burst", "test", True, name, {}, "/r.jsonl.gz"))
        for fact in session.facts:
            opened.append(getattr(fact, "input", 0), [fact])
        if ticks is not None:
            opened.append(9, [ticks])
    opened.close()


def a_trade() -> Session:
    return Session(execution=COSTLY).feed(trade(0), trade(1, says="LONG"), trade(2, says="LONG"), trade(3, 102.0))


def test_how_a_size_came_about_and_the_numbers_of_a_refusal_are_told(tmp_path: Path, run: Run) -> None:
    risk = RiskSettings(size="dollars", size_amount=5_000)
    session = Session(risk=risk, limits=LimitSettings(max_exposure=9_000))
    session.feed(trade(0), trade(1, 187.5, says="LONG"), trade(2, 187.5, symbol="B", says="SHORT"))
    write(tmp_path, ("paper", session))
    first, second = (run("explain", fact.decision, "--data-dir", tmp_path).out for fact in session.of(SignalRaised))
    assert "size (dollars): 5,000 / 187.5 a share = 26.67, rounded down to 26.666666 shares" in first
    assert "ORDER entry: BUY 26.666666" in first
    why = "5,000.00 at stake and 5,000.00 more are 10,000.00, limits.max_exposure is 9,000.00"
    assert f"risk: refused, most exposure reached (MAX_EXPOSURE): {why}" in second


def test_the_story_of_a_trade_is_told_from_its_signal_to_what_it_cost(tmp_path: Path, run: Run) -> None:
    session = a_trade()
    (done,) = session.of(PositionClosed)
    around = [(at(second), 100.0 + second, 1.0, None, None) for second in range(5)]
    write(tmp_path, ("paper", session), ticks=TradeTicks(done.decision, "A", 1, around))
    told = run("explain", done.decision, "--data-dir", tmp_path)
    assert told.code == 0, told.err
    for part in (
        *("SIGNAL LONG A @ 100", "risk: approved", "ORDER entry: BUY 1", "FILL BUY 1 @ 100.10"),
        *("ORDER exit (TP): SELL 1", "FILL SELL 1 @ 101.898", "CLOSED by TP after 2.0 s", "P/L $1.778"),
        *("$1.798 before fees of $0.02", "entry slippage $0.10", "recorded in /r.jsonl.gz", "E entry, X exit"),
    ):
        assert part in told.out
    machine = json.loads(run("explain", done.decision, "--data-dir", tmp_path, "--json").out)
    costs = {name: Decimal(value) for name, value in machine["costs"].items()}
    assert costs["pnl"] == done.pnl == costs["before_fees"] - costs["fees"]
    assert (costs["fees"], costs["entry_slippage"]) == (Decimal("0.02"), Decimal("0.1"))
    assert [fact["type"] for fact in machine["facts"]].count("order_filled") == 2
    assert machine["ticks"]["ticks"] == [list(tick) for tick in around]


def test_the_fees_of_a_trade_are_told_by_kind_and_those_of_its_day_as_they_were_charged(
    tmp_path: Path, run: Run
) -> None:
    session = Session(execution=ExecutionSettings(fill="last", fees="alpaca")).feed(
        trade(0), trade(1, says="LONG"), trade(3, 102.0)
    )
    (done,) = session.of(PositionClosed)
    # The day of this trade is 2026-01-05, when the SEC asked for nothing: TAF 0.000195, and CAT 0.000003 each way.
    charges = (FeeCharge("TAF", "2026-01-06", Decimal("0.02")), FeeCharge("CAT", "2026-01-06", Decimal("0.01")))
    session.feed(FeesReport(at(9), charges))
    write(tmp_path, ("paper", session))
    told = run("explain", done.decision, "--data-dir", tmp_path).out
    for part in (
        "FILL BUY 1 @ 100.00, fees $0.000003 by estimate (CAT $0.000003)",
        "FILL SELL 1 @ 102.00, fees $0.0002 by estimate (TAF $0.0002, CAT $0.000003)",
        "fees of all trades of 2026-01-05: $0.03 charged, $0.02 expected, residual $0.01",
    ):
        assert part in told
    machine = json.loads(run("explain", done.decision, "--data-dir", tmp_path, "--json").out)
    assert Decimal(machine["costs"]["fees"]) == Decimal("0.000201")
    assert [fact["residual"] for fact in machine["charges"]] == ["0.01"]


def test_the_numbers_and_rules_of_a_signal_are_told(tmp_path: Path, run: Run) -> None:
    session = a_trade()
    (raised,) = session.of(SignalRaised)[:1]
    readings = (
        Reading("fast", 151.371, 0.0, True, "none"),
        Reading("fast above slow", 1.0, 1.0, True, "rule"),
        Reading("fast below slow", 0.0, 1.0, False, "rule"),
        Reading("fall", -1.0, 1.0, True, "rule"),
        Reading("rsi", 39.1425, 70.0, True, "less_than"),
    )
    session.facts[session.facts.index(raised)] = structs.replace(
        raised, signal=structs.replace(raised.signal, readings=readings)
    )
    write(tmp_path, ("paper", session))
    told = run("explain", raised.decision, "--data-dir", tmp_path).out.splitlines()
    first = next(n for n, line in enumerate(told) if "SIGNAL" in line)
    assert told[first + 1 : first + 6] == [
        "  fast: 151.371",
        "  fast above slow: holds, LONG",
        "  fast below slow: does not hold",
        "  fall: holds, SHORT",
        "  rsi: 39.1425 (less than 70) passed",
    ]


def declaring(name: str, default: float, value: float) -> Strategy:
    parameters = Parameters({name: value})
    parameters.declare(name, default, 0, 100)
    return structs.replace(momentum_burst(StrategySettings()), parameters=parameters)


CLAIMED = {"cross": StrategyUse(symbols=("A",))}


@pytest.mark.parametrize(
    ("used", "first", "then"),
    [
        ({}, "(cross, rest)", "  with fast = 12 (default 9, 0 to 100)"),
        (CLAIMED, "(cross)", "  with far = 0.5 (default 0.25, 0 to 100)"),
        ({"cross": StrategyUse(symbols=("B",))}, "(cross, rest)", "  with fast = 12 (default 9, 0 to 100)"),
    ],
    ids=["one strategy", "the symbol is claimed", "another is"],
)
def test_the_parameters_that_a_decision_was_made_with_are_told(
    used: dict[str, StrategyUse], first: str, then: str, tmp_path: Path, run: Run
) -> None:
    session = a_trade()
    books = Bookkeeping(RunOptions(data_dir=tmp_path))
    strategies = Strategies(declaring("fast", 9, 12), {"cross": declaring("far", 0.25, 0.5)})
    effective = CoreSettings(strategies=used)
    books.journal.begin(books.run("cross, rest", "test", "paper", effective, None, strategies))
    for fact in session.facts:
        books.journal.append(getattr(fact, "input", 0), [fact])
    books.journal.close()
    told = run("explain", session.of(PositionClosed)[0].decision, "--data-dir", tmp_path).out.splitlines()
    assert (told[0].endswith(first), told[1]) == (True, then)


def test_parameters_are_noted_only_of_strategies_that_have_any(tmp_path: Path) -> None:
    books, plain = Bookkeeping(RunOptions(data_dir=tmp_path)), momentum_burst(StrategySettings())
    strategies = Strategies(plain, {"cross": declaring("far", 0.25, 0.5), "calm": plain})
    noted = books.run("s", "v", "b", CoreSettings(), None, strategies).settings
    assert "parameters" not in noted
    assert [(name, [of["name"] for of in found]) for name, found in noted["parameters_of"].items()] == [
        ("cross", ["far"])
    ]
    books.journal.close()


def test_a_run_without_parameters_is_noted_as_before(tmp_path: Path) -> None:
    books = Bookkeeping(RunOptions(data_dir=tmp_path))
    assert books.run("s", "v", "b", CoreSettings(), None).settings == as_layer(CoreSettings())
    books.journal.close()


def test_the_story_of_a_trade_shows_prices_with_the_digits_that_they_have(tmp_path: Path, run: Run) -> None:
    session = Session(strategy=PATIENT, execution=ExecutionSettings(fill="last"))
    session.feed(trade(0, 0.0000131), trade(1, 0.0000131, says="LONG"), trade(2, 0.0000127), trade(9000, 0.0000127))
    (done,) = session.of(PositionClosed)
    around = [(at(second), price, 1.0, None, None) for second, price in enumerate((0.0000131, 0.0000127))]
    write(tmp_path, ("paper", session), ticks=TradeTicks(done.decision, "A", 1, around))
    told = run("explain", done.decision, "--data-dir", tmp_path).out
    for part in (
        *("SIGNAL LONG A @ 0.0000131", "FILL BUY 1 @ 0.0000131", "FILL SELL 1 @ 0.0000127"),
        *("A, 0.0000131 -> 0.0000127", "A: 0.0000127 to 0.0000131", "P/L -$0.0000004", "entry slippage $0.00"),
    ):
        assert part in told


def test_the_story_of_an_order_shows_its_limit_and_its_stop_with_the_digits_that_they_have() -> None:
    order = {"leg": "stop", "reason": "", "side": "SELL", "quantity": "1", "id": "o", "limit": None, "stop": "1.31E-5"}
    for at_price in ({}, {"limit": "1.31E-5", "stop": None}):
        (line,) = explain._told({"type": "order_submitted", "order": order | at_price, "ts": 1, "zone": "UTC"})
        assert "0.0000131" in line


def test_the_story_of_a_trade_tells_of_its_parts() -> None:
    fact = {"type": "position_reduced", "symbol": "A", "quantity": "5", "price": "100.1", "held": "5.0", "ts": 1}
    (line,) = explain._told(fact | {"entry_price": "100", "reason": "TP", "pnl": "0.50", "zone": "UTC"})
    assert line.endswith("REDUCED by TP: 5 of A @ 100.10, P/L $0.50, 5 held on from 100.00")


def test_a_refused_signal_has_a_story_too(tmp_path: Path, run: Run) -> None:
    session = a_trade()
    refused = session.of(SignalRaised)[1]
    write(tmp_path, ("paper", session))
    told = run("explain", refused.decision, "--data-dir", tmp_path)
    assert "risk: refused, position open (POSITION_OPEN)" in told.out
    assert "ORDER" not in told.out


def test_a_reading_is_told_with_what_was_wanted_of_it(tmp_path: Path, run: Run) -> None:
    session = a_trade()
    raised = session.of(SignalRaised)[0]
    readings = (
        Reading("momentum", -0.0008, 0.0005, True, "either_way"),
        Reading("volume_spike", 2.5, 1.5, True, "more_than"),
        Reading("gap", 0.2, 0.1, False, "at_most"),
        Reading("range", 0.3, 0.1, True),
    )
    signal = structs.replace(raised.signal, readings=readings)
    with closing(SqliteJournal(tmp_path / JOURNAL, "simulated", durable=False)) as journal:
        journal.begin(JournalRun(1, "1", "momentum_burst", "test", True, "paper", {}, ""))
        journal.append(raised.input, [structs.replace(raised, signal=signal)])
    told = run("explain", raised.decision, "--data-dir", tmp_path)
    for line in (
        *("momentum: -0.0008 (at least ±0.0005) passed", "volume_spike: 2.5 (more than 1.5) passed"),
        *("gap: 0.2 (at most 0.1) not passed", "range: 0.3 (at least 0.1) passed"),
    ):
        assert f"  {line}\n" in told.out


def test_a_position_that_outlived_its_session_keeps_its_story(tmp_path: Path, run: Run) -> None:
    first = Session(book="paper-s1").feed(trade(0), trade(1, says="LONG"))
    second = Session(book="paper-s2").feed(first.core.book(), trade(5, 102.0))
    write(tmp_path, ("paper-s1", first), ("paper-s2", second))
    decision = first.of(SignalRaised)[0].decision
    told = run("explain", decision, "--run", "1", "--data-dir", tmp_path)
    assert "SIGNAL LONG A" in told.out
    assert f"taken over by run 2 as decision s1-{decision}" in told.out
    assert "CLOSED by TP" in told.out


def carried(folder: Path, *, ticks: bool = False) -> tuple[Session, Session]:
    """Journal two sessions, both called as a process's first one is: the second closes what the first had opened.

    The second has a decision of its own under the first one's number.
    """
    first = Session().feed(trade(0), trade(1, says="LONG"))
    second = Session().feed(first.core.book(), trade(5, 102.0), trade(6, says="LONG", symbol="B"))
    second.feed(*(trade(second, 102.0, symbol="B") for second in (7, 8)))
    around = [(at(second), 100.0 + second, 1.0, None, None) for second in range(5, 9)]
    kept = TradeTicks(second.trades[0].decision, "A", 1, around) if ticks else None
    write(folder, ("paper", first), ("paper", second), ticks=kept)
    return first, second


@pytest.mark.parametrize("asked", ["paper-2", "2 --run 1", "1/2", "2"])
def test_a_decision_has_its_whole_story_under_every_name_that_is_shown(asked: str, tmp_path: Path, run: Run) -> None:
    carried(tmp_path)
    told = run("explain", *asked.split(), "--data-dir", tmp_path)
    assert told.code == 0, told.err
    parts = ("decision 2 of run 1", "SIGNAL LONG A @ 100", "[paper.2.A.entry.1]", "as decision paper-2", "CLOSED by TP")
    for part in parts:
        assert part in told.out
    assert "SIGNAL LONG B" not in told.out
    machine = json.loads(run("explain", *asked.split(), "--data-dir", tmp_path, "--json").out)
    assert machine["costs"]["entry_slippage"] is not None
    assert [fact["run"] for fact in machine["facts"]] == sorted(fact["run"] for fact in machine["facts"])


def test_a_trade_and_its_signal_and_orders_are_joined_by_their_origin(tmp_path: Path, run: Run) -> None:
    _, second = carried(tmp_path)
    found = {
        what: [json.loads(line) for line in run(what, "--data-dir", tmp_path, "--json").out.splitlines()]
        for what in ("signals", "orders", "trades")
    }
    assert [row["origin"] for row in found["trades"]] == ["1/2", f"2/{second.trades[1].decision}"]
    signals = {row["origin"]: row for row in found["signals"] if row["verdict"] == "approved"}
    for trade_ in found["trades"]:
        assert signals[trade_["origin"]]["symbol"] == trade_["symbol"]
        orders = [row for row in found["orders"] if row["origin"] == trade_["origin"] and row["status"] == "submitted"]
        assert [(row["symbol"], row["leg"]) for row in orders] == [(trade_["symbol"], leg) for leg in ("entry", "exit")]


def test_a_decision_that_three_sessions_had_is_one(tmp_path: Path, run: Run) -> None:
    first = Session().feed(trade(0), trade(1, says="LONG"))
    second = Session().feed(first.core.book(), trade(5), trade(5, symbol="B", says="LONG"))
    third = Session().feed(second.core.book(), trade(6, 102.0), trade(6, 102.0, symbol="B"))
    write(tmp_path, ("paper", first), ("paper", second), ("paper", third))
    rows = [json.loads(line) for line in run("trades", "--data-dir", tmp_path, "--json").out.splitlines()]
    assert [(row["symbol"], row["origin"]) for row in rows] == [("A", "1/2"), ("B", "2/3")]
    for asked, symbol in (("1/2", "A"), ("2/3", "B")):
        told = run("explain", asked, "--data-dir", tmp_path).out
        assert f"SIGNAL LONG {symbol}" in told
        assert told.count("CLOSED by TP") == 1


def test_a_name_that_two_decisions_were_taken_over_under_says_how_to_ask_for_one(tmp_path: Path, run: Run) -> None:
    first = Session().feed(trade(0), trade(1, says="LONG"))
    second = Session().feed(first.core.book(), trade(5, symbol="B", says="LONG"))
    assert [p.decision for p in second.core.book().positions] == ["paper-2", "2"]
    third = Session().feed(second.core.book(), trade(6, 102.0), trade(6, 102.0, symbol="B"))
    write(tmp_path, ("paper", first), ("paper", second), ("paper", third))
    vague = run("explain", "paper-2", "--data-dir", tmp_path)
    assert vague.code == 2
    assert "1/2 (A), 2/2 (B)" in vague.err
    assert "SIGNAL LONG B" in run("explain", "2/2", "--data-dir", tmp_path).out
    assert "SIGNAL LONG A" in run("explain", "1/2", "--data-dir", tmp_path).out


def test_an_entry_that_ended_with_its_session_has_its_end_in_its_story(tmp_path: Path, run: Run) -> None:
    slow = ExecutionSettings(latency_ms=5_000)
    first = Session(execution=slow).feed(trade(0), trade(1, says="LONG"))
    second = Session(execution=slow).feed(first.core.book(), trade(6, says="LONG"), trade(12), trade(13))
    write(tmp_path, ("paper", first), ("paper", second))
    told = run("explain", "1/2", "--data-dir", tmp_path).out
    assert "paper.2.A.entry.1 submitted -> canceled: the session that sent it ended" in told
    own = second.of(SignalRaised)[0].decision
    assert own == "2"  # its order has the same id
    assert "canceled" not in run("explain", f"2/{own}", "--data-dir", tmp_path).out


def test_a_story_tells_what_the_signal_carried(tmp_path: Path, run: Run) -> None:
    asking: dict[str, Any] = {
        "quantity": 0.5,
        "limit": 100.25,
        "good_for": 2.5,
        "exits": [op.stop_loss(0.001), op.time_stop(9)],
    }

    def entries(ticks: Any) -> Any:
        return ticks.pipe(rx.map(lambda _: Signal("A", 0, Side.LONG, 0.0, **asking)), rx.take(1))

    write(tmp_path, ("paper", Session(entries=entries).feed(trade(0))))
    told = run("explain", "1", "--data-dir", tmp_path).out
    wish = "0.5 shares; 100.25 at worst; a fill within 2.5 s; exits of its own: stop_loss(0.001), time_stop(9)"
    assert f"\n  it asks for {wish}\n  risk: approved\n" in told
    write(tmp_path, ("paper", a_trade()))
    assert "asks for" not in run("explain", "2", "--data-dir", tmp_path).out


def test_a_chart_that_begins_after_the_entry_does_not_mark_it(tmp_path: Path, run: Run) -> None:
    carried(tmp_path, ticks=True)
    told = run("explain", "1/2", "--data-dir", tmp_path).out
    assert "X exit" in told
    assert "E entry" not in told
    assert "no ticks of its entry are kept: it was 4.0 s before these" in told


def test_an_entry_and_an_exit_in_one_column_are_both_seen(tmp_path: Path, run: Run) -> None:
    session = a_trade()
    done = session.trades[0]
    around = [(at(second), 100.0 + second % 3, 1.0, None, None) for second in range(0, 1000, 1)]
    write(tmp_path, ("paper", session), ticks=TradeTicks(done.decision, "A", 1, around))
    assert "* entry and exit" in run("explain", done.decision, "--data-dir", tmp_path).out


def test_an_origin_and_another_run_exclude_each_other(tmp_path: Path, run: Run) -> None:
    carried(tmp_path)
    refused = run("explain", "1/2", "--run", "2", "--data-dir", tmp_path)
    assert refused.code == 2
    assert "leave one of them out" in refused.err


def test_the_beginning_of_an_id_is_enough_if_it_is_the_only_one(tmp_path: Path, run: Run) -> None:
    events = [trade(second, says="LONG" if second > 99 else None) for second in range(112)]
    write(tmp_path, ("paper", Session().feed(*events)))
    found = run("explain", "112", "--data-dir", tmp_path)
    assert found.out.startswith("decision 112 of run 1")
    vague = run("explain", "11", "--data-dir", tmp_path)
    assert vague.code == 2
    assert "3 decisions begin with 11: 110, 111, 112" in vague.err
    unknown = run("explain", "7", "--data-dir", tmp_path)
    assert (unknown.code, unknown.err.count("\n")) == (2, 1)
    assert "knows no decision 7" in unknown.err


def test_of_two_runs_the_newest_is_meant_unless_one_is_named(tmp_path: Path, run: Run) -> None:
    write(tmp_path, ("paper", a_trade()), ("paper", a_trade()))
    assert run("explain", "2", "--data-dir", tmp_path).out.startswith("decision 2 of run 2")
    assert run("explain", "2", "--run", "1", "--data-dir", tmp_path).out.startswith("decision 2 of run 1")


def test_a_sparkline_goes_up_with_the_price_and_stands_still_without() -> None:
    assert sparkline([(0, 0.0), (1, 2.0), (2, 7.0)], 3) == "▁▃█"
    assert sparkline([(0, 5.0), (3, 5.0)], 4) == "▁▁▁▁"


# ------------------------------------------------------------------------------------------------- the journal


def test_ticks_around_a_trade_come_back_as_they_were_kept(tmp_path: Path) -> None:
    kept = TradeTicks("2", "A", 4, [(at(0), 1 / 3, 2.0, 0.3, None)])
    write(tmp_path, ("paper", a_trade()), ticks=kept)
    found = story(tmp_path / JOURNAL, "2").ticks
    assert found is not None
    assert (found.decision, found.every, [tuple(tick) for tick in found.ticks]) == ("2", 4, list(kept.ticks))


def test_a_journal_of_the_first_version_is_taken_over_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    path = tmp_path / JOURNAL
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"BEGIN; {sqlite_journal._SCRIPTS[0]} PRAGMA user_version=1; COMMIT;")
        connection.execute("INSERT INTO runs VALUES (1, 1, '1', 's', 'test', 1, 'paper', '{}')")
        fact = a_trade().of(SignalRaised)[0]
        body = sqlite_journal._encode(fact).decode()
        connection.execute("INSERT INTO facts VALUES (1, 1, 2, 'signal', 1, 'A', '2', ?)", (body,))
        connection.commit()
    assert run("explain", "2", "--data-dir", tmp_path).code == 0  # as it is
    write(tmp_path, ("paper", a_trade()))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (sqlite_journal.VERSION,)
        assert connection.execute("SELECT recording FROM runs ORDER BY id").fetchall() == [("",), ("/r.jsonl.gz",)]
    assert run("explain", "2", "--run", "1", "--data-dir", tmp_path).out.startswith("decision 2 of run 1 (s)")


# ------------------------------------------------------------------------------------------------------ parquet


def test_trades_are_written_as_parquet_with_times_and_numbers(tmp_path: Path, run: Run) -> None:
    import pyarrow
    import pyarrow.parquet

    session = a_trade()
    (done,) = session.of(PositionClosed)
    write(tmp_path, ("paper", session))
    for what, rows in (("trades", 1), ("signals", 2), ("orders", 4)):
        told = run(what, "--data-dir", tmp_path, "--parquet", tmp_path / f"{what}.parquet")
        assert (told.code, told.err) == (0, "")
        table = pyarrow.parquet.read_table(tmp_path / f"{what}.parquet")
        assert table.num_rows >= rows
        listed = [json.loads(line) for line in run(what, "--data-dir", tmp_path, "--json").out.splitlines()]
        assert table.num_rows == len(listed)
        assert table.column_names == list(listed[0])
    table = pyarrow.parquet.read_table(tmp_path / "trades.parquet")
    assert table.schema.field("exit_ts").type == pyarrow.timestamp("ns", "UTC")
    row: dict[str, Any] = table.to_pylist()[0]
    assert row["pnl"] == float(done.pnl)
    assert table.column("exit_ts").cast(pyarrow.int64()).to_pylist() == [done.exit_ts]
    assert datetime.fromtimestamp(done.exit_ts // 10**9, UTC).year == 2026
    again = run("trades", "--data-dir", tmp_path, "--parquet", tmp_path / "trades.parquet")
    assert again.code == 2
    assert "is there already" in again.err


def test_an_empty_table_is_one_too(tmp_path: Path, run: Run) -> None:
    import pyarrow.parquet

    write(tmp_path, ("paper", Session().feed(trade(0))))
    assert run("trades", "--data-dir", tmp_path, "--parquet", tmp_path / "t.parquet").code == 0
    assert pyarrow.parquet.read_table(tmp_path / "t.parquet").num_rows == 0


def test_without_pyarrow_one_sentence_says_how_to_install_it(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, ("paper", a_trade()))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused = run("trades", "--data-dir", tmp_path, "--parquet", tmp_path / "t.parquet")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == "microbot: --parquet needs pyarrow: pip install 'microbot-trading[parquet]' adds it\n"
    assert not (tmp_path / "t.parquet").exists()


def test_two_formats_at_once_are_refused(tmp_path: Path) -> None:
    refused = microbot("trades", "--csv", "--parquet", "t.parquet", cwd=tmp_path)
    assert refused.returncode == 2
    assert "exclude each other" in refused.stderr


def test_the_story_of_a_trade_tells_what_was_undone_and_what_that_came_to() -> None:
    zone = {"zone": "UTC", "ts": 1}
    done = {"side": "SELL", "quantity": "-4", "price": "99.5", "ts": 1, "undone": "trade_bust"}
    opened = {"type": "position_opened", "symbol": "A", "side": "LONG", "quantity": "4", "entry_price": "99.5"}
    lines = [
        line
        for fact in (
            {"type": "order_filled", "execution": done},
            {"type": "order_filled", "execution": done | {"quantity": "0", "correction": "-1"}},
            opened | {"entry_ts": 1, "adopted": False, "undone": "trade_bust"},
            {"type": "profit_corrected", "pnl": "1", "reason": "trade_correct"},
            {"type": "position_split", "symbol": "A", "before": "10", "quantity": "20"}
            | {"price_before": "100", "entry_price": "50"},
        )
        for line in explain._told(fact | zone)
    ]
    assert [line.split("  ", 1)[1] for line in lines] == [
        "UNDONE SELL 4 @ 99.50 (trade_bust)",
        "CORRECTED SELL, -$1.00 in price (trade_bust)",
        "OPEN LONG 4 A from 99.50 by what was undone: it is closed",
        "P/L corrected by $1.00 (trade_correct)",
        "SPLIT of A: 10 @ 100.00 are 20 @ 50.00 now",
    ]


# ------------------------------------------------------------------------- what the black box shows


def traded(folder: Path, *, recording: str = "/r.jsonl.gz", every: int = 1) -> tuple[str, Session]:
    """Journal a trade with the ticks around it: bid and ask are a cent beside each price."""
    session = a_trade()
    decision = session.of(SignalRaised)[0].decision
    ticks = [
        [trade(n).ts, price, 100.0, price - 0.01, price + 0.01] for n, price in enumerate((100.0, 100.0, 100.0, 102.0))
    ]
    write(folder, ("paper", session), ticks=TradeTicks(decision, "A", every, ticks))
    return decision, session


def test_the_costs_of_a_trade_lead_from_its_triggers_to_what_was_left(tmp_path: Path, run: Run) -> None:
    decision, session = traded(tmp_path)
    told = json.loads(run("explain", decision, "--json", "--data-dir", tmp_path).out)
    path = told["cost_path"]
    net = Decimal(path["at_triggers"]) - sum(Decimal(path[name]) for name in ("spread", "slippage", "fees"))
    (closed,) = session.of(PositionClosed)
    assert net == Decimal(path["net"]) == closed.pnl
    assert Decimal(path["fees"]) == closed.fees
    entry, exit_ = path["steps"]
    assert (entry["trigger"], entry["trigger_price"], entry["leg"]) == ("signal", "100.00", "entry")
    assert (exit_["trigger"], exit_["leg"]) == ("order", "exit")
    assert Decimal(entry["spread"]) == Decimal("0.01") * Decimal(entry["quantity"])
    assert Decimal(entry["slippage"]) == (Decimal(entry["price"]) - Decimal("100.01")) * Decimal(entry["quantity"])
    assert path["missing"] == []


def test_without_ticks_the_price_at_the_exit_is_not_known_and_that_is_said(tmp_path: Path, run: Run) -> None:
    session = a_trade()
    write(tmp_path, ("paper", session))
    told = json.loads(run("explain", session.of(SignalRaised)[0].decision, "--json", "--data-dir", tmp_path).out)
    assert told["cost_path"] is None
    assert any("no ticks of it are kept" in sentence for sentence in told["missing"])
    assert any("/r.jsonl.gz is gone" in sentence for sentence in told["missing"])


def test_what_the_log_says_of_a_decision_is_told_and_nothing_else(tmp_path: Path, run: Run) -> None:
    decision, session = traded(tmp_path)
    (closed,) = session.of(PositionClosed)
    order = session.of(OrderSubmitted)[0].order.id

    def line(message: str, **fields: Any) -> str:
        told = {"ts": 1, "level": "INFO", "logger": "microbot.risk", "message": message, "run": 1, "zone": "UTC"}
        return json.dumps(told | {"venue_ts": closed.entry_ts} | fields, separators=(",", ":"))

    lines = [
        line("its own", decision=decision, venue_ts=1),
        line("of its order", order=order, venue_ts=1),
        line("of its symbol meanwhile", symbol="A"),
        line("of its symbol later", symbol="A", venue_ts=closed.exit_ts + 10**10),
        line("of another symbol", symbol="B"),
        line("a warning", level="WARNING"),
        line("of another run", decision=decision, run=2),
        '{"cut short',
    ]
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "microbot.2026-01-01_00-00-00_0.jsonl").write_text(line("in a rotated file", decision=decision) + "\n")
    (logs / "microbot.jsonl").write_text("\n".join(lines))
    told = json.loads(run("explain", decision, "--json", "--data-dir", tmp_path, "--log-dir", logs).out)
    said = [found["message"] for found in told["log"]]
    assert said == ["in a rotated file", "its own", "of its order", "of its symbol meanwhile", "a warning"]
    assert "a warning" in run("explain", decision, "--data-dir", tmp_path, "--log-dir", logs).out


def test_a_log_without_a_line_of_it_is_said_to_have_none(tmp_path: Path, run: Run) -> None:
    decision, _ = traded(tmp_path)
    told = run("explain", decision, "--data-dir", tmp_path, "--log-dir", tmp_path / "elsewhere")
    assert (told.code, told.out.splitlines()[-1].partition(":")[0]) == (0, "the log has no line of it")


def test_what_was_read_at_an_exit_wants_the_recording(tmp_path: Path, run: Run) -> None:
    decision, _ = traded(tmp_path)
    said = run("explain", decision, "--at-exit", "--data-dir", tmp_path)
    assert said.code == 2
    assert "the recording /r.jsonl.gz is gone" in said.err
