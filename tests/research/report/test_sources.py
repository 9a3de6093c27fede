"""Tapes, sessions, folders and journals as the source of a report, and what is no source."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.engine.core import Core, Input
from actors.gateway.journal import Entry, OrderMeasured, Run, TradeTicks
from actors.gateway.sqlite_journal import SqliteJournal
from actors.messages import Fact, PositionClosed
from pipeline.strategy import momentum_burst
from research.report.beside import live_beside_replay
from research.report.page import page
from research.report.sources import Wanted, gather, resolve
from research.report.text import as_markdown
from research.report.words import execution_cells
from research.statistics.chance import random_walk
from service import settings
from service.data_folder import JOURNAL, SESSIONS
from service.errors import UserError
from service.recorded import replay
from service.recorded.decisions import Changes
from service.recorded.trust import Trust
from tests.research.report.gatherings import EAGER, figures, line, record
from tests.support import shared
from tests.support.market import tape

NOTHING = Changes()


def wanted(path: Path, *assignments: str) -> Wanted:
    return Wanted(path, Changes(assignments=assignments), Trust(path.parent))


def stated(events: list[Input], *assignments: str) -> list[tuple[int, Fact]]:
    """Return what a live core says of events, with the number of the input each is said at."""
    said: list[tuple[int, Fact]] = []
    chosen = settings.load(assignments=assignments, environment={}).core
    core = Core(chosen, momentum_burst(chosen.strategy), lambda fact: said.append((core.input, fact)))
    core.run(events)
    return said


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("summary.json", '{"equity": "x"}', "Expected `float | null`, got `str`"),
        ("summary.json", '{"funnel": 3}', "Expected `object`, got `int`"),
        ("summary.json", '{"refusals": {"COOLDOWN": "many"}}', "Expected `int`, got `str`"),
        ("summary.json", "[" * 5_000, "cannot be read"),
        ("trades.jsonl", '"entry_price":0', "trade 1 has a price or a quantity that is not above 0"),
        ("trades.jsonl", '"quantity":0', "trade 1 has a price or a quantity that is not above 0"),
        ("trades.jsonl", '"exit_ts":1' + "0" * 25, "or times that are none"),
    ],
)
def test_a_folder_that_holds_nonsense_is_refused_in_a_sentence(tmp_path: Path, name: str, text: str, said: str) -> None:
    row = msgspec.json.encode(line(1, 2.0)).decode()
    key = text.partition(":")[0]
    wrong = re.sub(f"{key}:[^,]*", text, row) if name == "trades.jsonl" else text
    (tmp_path / "trades.jsonl").write_text(row + "\n")
    (tmp_path / name).write_text(wrong + "\n")
    with pytest.raises(UserError, match=re.escape(said)) as refused:
        figures(gather(wanted(tmp_path)))
    assert name in str(refused.value)


def test_a_file_that_may_not_be_read_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "walk.jsonl"
    path.write_bytes(b"")

    def refused(self: Path, *_: object) -> object:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(UserError, match=r"walk\.jsonl cannot be read: Permission denied"):
        gather(wanted(path))
    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(UserError, match=r"walk\.jsonl cannot be read: Permission denied"):
        resolve(path, tmp_path)


def journal(
    folder: Path, recording: Path, facts: Sequence[tuple[int, Entry]], strategy: str = "momentum_burst"
) -> Path:
    opened = SqliteJournal(folder / JOURNAL, "simulated", durable=False)
    opened.begin(Run(1, "1", strategy, "test", True, "paper", {}, str(recording.absolute())))
    for number, fact in facts:
        opened.append(number, [fact])
    opened.close()
    return folder / JOURNAL


@pytest.fixture
def events() -> list[Input]:
    return list(random_walk(3, 2_000))


@pytest.fixture
def session(tmp_path: Path, events: list[Input]) -> Path:
    (tmp_path / SESSIONS).mkdir()
    return record(tmp_path / SESSIONS / "20260105T143000Z-walk.jsonl.gz", events, *EAGER)


def test_a_tape_is_decided_as_replay_decides_it(tmp_path: Path, events: list[Input]) -> None:
    path = tmp_path / "walk.jsonl"
    path.write_bytes(tape(events))
    found = gather(wanted(path, *EAGER))
    folder = tmp_path / "out"
    summary = replay.replay(path, settings.load(assignments=EAGER, environment={}), None, folder)
    written = gather(wanted(folder))
    assert (found.kind, written.kind) == ("tape", "run")
    assert [trade.line for trade in found.trades] == [trade.line for trade in written.trades]
    assert found.signals == written.signals
    assert found.summary["total_pnl"] == pytest.approx(summary["total_pnl"])
    assert written.summary == found.summary
    assert len(found.trades) > 10


def test_a_folder_says_what_it_does_not_hold_and_takes_no_settings(tmp_path: Path, events: list[Input]) -> None:
    path = tmp_path / "walk.jsonl"
    path.write_bytes(tape(events))
    replay.replay(path, settings.load(assignments=EAGER, environment={}), None, tmp_path / "out")
    found = gather(wanted(tmp_path / "out"))
    assert "a folder holds no prices" in found.said[0]
    assert "days and hours are those of America/New_York" in found.said[1]
    assert found.strategy is None
    with pytest.raises(UserError, match="was decided already"):
        gather(wanted(tmp_path / "out", "risk.position_size=2"))


def test_a_session_is_decided_with_its_own_settings_and_compared_with_what_it_did(
    tmp_path: Path, session: Path, events: list[Input]
) -> None:
    facts = stated(events, *EAGER)
    trust = Trust(tmp_path)
    found = gather(Wanted(session, NOTHING, trust))
    assert found.kind == "session"
    assert len(found.trades) == sum(isinstance(fact, PositionClosed) for _, fact in facts)
    without = live_beside_replay(session, found, NOTHING, trust)
    assert without.equal is None
    assert "There is no journal" in without.sentence
    journal(tmp_path, session, facts)
    same = live_beside_replay(session, found, NOTHING, trust)
    assert same.equal
    assert same.table[1:] == [["live", *same.table[2][1:]], ["replay", *same.table[1][1:]]]
    changes = Changes(assignments=("strategy.stop_loss=0.01",))
    other = live_beside_replay(session, gather(Wanted(session, changes, trust)), changes, trust)
    assert other.equal
    assert other.table[2][0] == "with what was changed"
    assert other.table[2][1:] != other.table[1][1:]


@pytest.mark.parametrize(("strategy", "told"), [("momentum_burst", ""), ("mine", "mine")])
def test_a_journal_says_which_strategy_its_trades_are_of(
    tmp_path: Path, session: Path, events: list[Input], strategy: str, told: str
) -> None:
    path = journal(tmp_path, session, stated(events, *EAGER), strategy)
    assert gather(wanted(path)).strategy == told


def test_how_far_prices_went_is_told_of_the_ticks_that_a_journal_kept(
    tmp_path: Path, session: Path, events: list[Input]
) -> None:
    facts = stated(events, *EAGER)
    number, closed = next((number, fact) for number, fact in facts if isinstance(fact, PositionClosed))
    ticks = [[closed.exit_ts, float(closed.entry_price) * 1.01, 1.0, None, None]]
    (tmp_path / "without").mkdir()
    without = gather(wanted(journal(tmp_path / "without", session, facts)))
    assert not any("how far prices went" in said for said in without.said)
    kept: Any = TradeTicks(closed.decision, closed.symbol, 2, ticks)
    path = journal(tmp_path, session, [*facts, (number, kept)])
    found = gather(wanted(path))
    assert any(trade.worst is not None for trade in found.trades)
    assert any("of more than 1,000 some were left out" in said for said in found.said)


def test_the_first_difference_between_live_and_replay_is_named(
    tmp_path: Path, session: Path, events: list[Input]
) -> None:
    facts = stated(events, *EAGER)
    number, lost = next((n, f) for n, f in facts if isinstance(f, PositionClosed))
    journal(tmp_path, session, [entry for entry in facts if entry[1] is not lost])
    trust = Trust(tmp_path)
    found = live_beside_replay(session, gather(Wanted(session, NOTHING, trust)), NOTHING, trust)
    assert found.equal is False
    assert any("TRADE WALK" in said for said in found.lines)
    assert any(f"input {number:,}" in said for said in found.lines)


def test_a_session_that_the_journal_does_not_know_is_said_to_be_unknown(
    tmp_path: Path, session: Path, events: list[Input]
) -> None:
    journal(tmp_path, tmp_path / "another.jsonl.gz", stated(events, *EAGER))
    trust = Trust(tmp_path)
    found = live_beside_replay(session, gather(Wanted(session, NOTHING, trust)), NOTHING, trust)
    assert found.equal is None
    assert "the journal" in found.sentence


def test_the_newest_session_is_the_one_that_was_written_last(tmp_path: Path, session: Path) -> None:
    """The sessions that go on from one are numbered behind its name, and what is no session is none."""
    later = [f"20260105T143000Z-walk{name}" for name in ("-9.jsonl.gz", "-10.jsonl.gz")]
    for number, name in enumerate([*later, "zz.jsonl"], 1):
        path = session.with_name(name)
        path.write_bytes(b"")
        os.utime(path, (2e9 + number, 2e9 + number))
    assert resolve(Path("last"), tmp_path).name == "20260105T143000Z-walk-10.jsonl.gz"


def test_a_session_is_found_by_its_name_and_the_newest_as_last(tmp_path: Path, session: Path) -> None:
    assert resolve(Path(session.name), tmp_path) == session
    assert resolve(Path("last"), tmp_path) == session
    with pytest.raises(UserError, match="there is no session"):
        resolve(Path("last"), tmp_path / "elsewhere")
    with pytest.raises(UserError, match="name a tape, a session"):
        resolve(Path("nothing.jsonl"), tmp_path)


def test_a_journal_tells_the_trades_of_every_run(tmp_path: Path, session: Path, events: list[Input]) -> None:
    facts = stated(events, *EAGER)
    file = journal(tmp_path, session, facts)
    decided = gather(Wanted(session, NOTHING, Trust(tmp_path)))
    for named in (file, tmp_path):
        found = gather(Wanted(named, NOTHING, Trust(tmp_path)))
        assert found.kind == "journal"
        assert [t.line.pnl for t in found.trades] == pytest.approx([t.line.pnl for t in decided.trades])
        assert len(found.signals) == len(decided.signals)


def test_how_orders_fared_is_told_of_a_journal_and_of_the_session_alone(
    tmp_path: Path, session: Path, events: list[Input]
) -> None:
    facts = stated(events, *EAGER)
    assert gather(wanted(journal(tmp_path, session, facts))).execution == {}
    measured = [(len(events), order(number)) for number in range(1, 201)]
    file = journal(tmp_path, session, [*measured, (len(events), order(900, "B"))])
    journal(tmp_path, session.with_name("another.jsonl.gz"), [(1, order(5000))])
    of_session = gather(Wanted(session, NOTHING, Trust(tmp_path)))
    assert list(of_session.execution["symbols"]) == ["A", "B"]
    assert of_session.execution["symbols"]["A"]["orders"] == 200
    assert of_session.execution["symbols"]["A"]["submit_to_accept_ms"] == {"p50": 100.0, "p99": 198.0, "count": 200}
    assert "venue_to_receipt_ms" not in of_session.execution["symbols"]["A"]
    assert of_session.execution["all"]["slippage_bps"] == {"p50": -1.01, "p99": -0.03, "count": 201}
    assert gather(wanted(file)).execution["all"]["orders"] == 202
    found = figures(of_session)
    assert execution_cells(found)[:2] == [
        ["", "orders", "sent to accepted", "slippage"],
        ["A", "200", "100 / 198 ms", "\N{MINUS SIGN}1.0 / 0.0 bp"],
    ]
    assert "| all" in as_markdown(found)
    assert "<h2>How orders fared</h2>" in page(found, of_session)


def order(number: int, symbol: str = "A") -> OrderMeasured:
    """An order that was taken so many ms after it was sent, and gained a hundredth of that in basis points."""
    told: Any = {"submit_to_accept_ms": number, "slippage_bps": -number / 100}
    return OrderMeasured(f"o-{number}", symbol, f"d-{number}", "ENTRY", 1, Decimal(1), Decimal(1), **told)


def test_what_is_no_source_says_what_would_be_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds neither trades\.jsonl"):
        gather(wanted(tmp_path))
    readme = tmp_path / "README.md"
    readme.write_text("# Not a tape\n")
    with pytest.raises(UserError, match="is none: line 1"):
        gather(wanted(readme))
    torn = tmp_path / "out"
    torn.mkdir()
    (torn / "trades.jsonl").write_text('{"symbol": 1}\n')
    with pytest.raises(UserError, match="cannot be read"):
        gather(wanted(torn))


def test_every_real_vector_is_gathered_as_replay_decides_it() -> None:
    """Falls back on the tapes of tests/data where ../shared is absent."""
    found = shared.vectors()[:6] or tuple(
        shared.load(path) for path in sorted((shared.ROOT / "tests" / "data").glob("*.expected.json"))
    )
    for vector in found:
        chosen = [f"{name}={value!r}".replace("'", '"') for name, value in vector.expected.get("settings", {}).items()]
        gathered = gather(Wanted(vector.tape, Changes(assignments=tuple(chosen)), Trust(vector.tape.parent)))
        assert len(gathered.trades) == vector.expected["summary"]["trades"], vector.name
        assert gathered.summary["total_pnl"] == pytest.approx(vector.expected["summary"]["total_pnl"]), vector.name
