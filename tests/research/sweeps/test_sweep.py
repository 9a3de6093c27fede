"""A sweep as a whole: what it decides, keeps, checks and says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from pipeline.events import Trade
from research.engine.exact import ExactEngine
from research.engine.port import Chosen, Outcome
from research.importing import importer
from research.importing.notes import Options
from research.sweeps import sample_check, sweep as sweeping, tables
from research.sweeps.cells import tape_digest
from research.sweeps.sample_check import Cell
from research.sweeps.space import space_of
from research.sweeps.sweep import Answer, Question, Refused, Sweep
from service import settings as settings_
from service.errors import UserError
from service.recorded import columnar
from service.recorded.replay import replay
from service.settings import Settings
from tests.support.market import tape
from tests.support.random_tapes import seeded_tape

FREE = ("strategy.volatility_guard_threshold=0",)  # so that small tapes have trades
THRESHOLDS = "strategy.entry_threshold=0.0002:0.0010:0.0002"
TARGETS = "strategy.profit_target=0.001,0.002"
WRITTEN = ("results.parquet", "trades.parquet")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tapes") / "day.jsonl"
    path.write_bytes(tape(seeded_tape(3, 2_000)))
    return path


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tapes") / "hour.jsonl"
    path.write_bytes(tape(seeded_tape(4, 500)))
    return path


def asked(day: Path, *parameters: str, **others: object) -> Question:
    return msgspec.structs.replace(
        Question(
            tapes=(day,), space=space_of(parameters or (THRESHOLDS, TARGETS)), engine="exact", on="serial",
            assignments=FREE,
        ),
        **others,
    )  # fmt: skip


def answered(question: Question, folder: Path) -> Answer:
    answer = Sweep(question, lambda _: folder).run()
    tables.write(answer)
    return answer


def test_each_setting_has_the_trades_of_its_own_replay(day: Path, tmp_path: Path) -> None:
    answer = answered(asked(day), tmp_path / "sweep")
    rows = pq.read_table(tmp_path / "sweep" / "trades.parquet").to_pylist()
    results = pq.read_table(tmp_path / "sweep" / "results.parquet").to_pylist()
    assert len(answer.samples) == len(results) == 10
    for number in (1, 4, 10):
        given = answer.number(number - 1)
        out = tmp_path / str(number)
        replay(day, settings_.load(None, FREE, flags=given), out=out)
        lines = [msgspec.json.decode(line) for line in (out / "trades.jsonl").read_bytes().splitlines()]
        mine = [row for row in rows if row["setting"] == number]
        kept = [{name: line[name] for name in mine[0] if name in line} for line in lines]
        assert kept == [{name: row[name] for name in row if name not in ("setting", "tape")} for row in mine]
        assert results[number - 1]["trades"] == len(lines) > 0
        assert results[number - 1]["net"] == pytest.approx(sum(line["pnl"] for line in lines))
        assert {path: results[number - 1][path] for path in given} == given
        early = sum(row["pnl"] for row in mine if row["exit_ts"] <= answer.windows[0].purged)
        assert results[number - 1]["net_1"] == pytest.approx(early)


def test_the_results_are_the_same_bytes_for_any_number_of_workers(day: Path, tmp_path: Path) -> None:
    answered(asked(day), tmp_path / "one")
    answered(asked(day, on="threads", jobs=3), tmp_path / "three")
    for name in WRITTEN:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "three" / name).read_bytes()


def test_tpe_too_is_the_same_for_any_number_of_workers(hour: Path, tmp_path: Path) -> None:
    wide = ("strategy.entry_threshold=0.0001:0.002:log", "strategy.time_stop_seconds=2:20")
    for name, jobs in (("one", None), ("two", 2)):
        on = "threads" if jobs else "serial"
        answer = answered(asked(hour, *wide, least=1, method="tpe", trials=40, on=on, jobs=jobs), tmp_path / name)
        assert len(set(answer.samples)) == 40
    for name in WRITTEN:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_what_tpe_is_told_ends_before_the_first_window_that_judges(
    hour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = ("strategy.entry_threshold=0.0001:0.002:log", "strategy.time_stop_seconds=2:20")
    question = asked(hour, *wide, least=1, method="tpe", trials=36)
    whole = Sweep(question, lambda _: tmp_path / "whole").run()
    real = sweeping.trades_of

    def without_the_end(*given: object) -> object:
        found = real(*given)  # type: ignore[arg-type]
        return found.within(0, whole.windows[0].purged)

    monkeypatch.setattr(sweeping, "trades_of", without_the_end)
    assert Sweep(question, lambda _: tmp_path / "blind").run().samples == whole.samples


class Counting(ExactEngine):
    """The exact engine, which counts what it is asked for, and can be killed."""

    def __init__(self, most: int = 10**9) -> None:
        super().__init__()
        self.asked = 0
        self._most = most

    def decide(self, tape: Path, settings: Sequence[Settings]) -> list[Outcome]:
        if self.asked + len(settings) > self._most:
            raise KeyboardInterrupt
        self.asked += len(settings)
        return super().decide(tape, settings)


def with_engine(monkeypatch: pytest.MonkeyPatch, engine: ExactEngine) -> None:
    monkeypatch.setattr(sweeping, "engine_of", lambda *_: Chosen(engine, None))


def test_a_sweep_that_was_stopped_goes_on_where_it_was(
    day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "_AT_ONCE", {"exact": 3})
    answered(asked(day), tmp_path / "whole")
    with_engine(monkeypatch, Counting(most=6))
    with pytest.raises(KeyboardInterrupt):
        answered(asked(day), tmp_path / "stopped")
    half = sorted((tmp_path / "stopped" / "cells").glob("*.cells.parquet"))
    (tmp_path / "stopped" / "cells" / "part-000002.trades.parquet").write_bytes(b"half a file")  # it was being written
    with_engine(monkeypatch, engine := Counting())
    answered(asked(day), tmp_path / "stopped")
    assert (len(half), engine.asked) == (2, 5)
    for name in WRITTEN:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes()


def test_cells_are_found_again_by_a_wider_sweep_and_not_by_other_settings_tapes_or_code(
    day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decides(question: Question) -> int:
        with_engine(monkeypatch, engine := Counting())
        answered(question, tmp_path / "sweep")
        return engine.asked

    other = tmp_path / "other.jsonl"
    other.write_bytes(day.read_bytes() + b"\n")
    assert decides(asked(day, "strategy.entry_threshold=0.0004,0.0006")) == 2
    assert decides(asked(day, "strategy.entry_threshold=0.0004,0.0006,0.0008", windows=3)) == 1
    assert decides(asked(day, "strategy.entry_threshold=0.0004", assignments=(*FREE, "strategy.min_ticks=5"))) == 1
    assert decides(asked(day, "strategy.entry_threshold=0.0004", assignments=(*FREE, "log.level=DEBUG"))) == 0
    assert decides(asked(other, "strategy.entry_threshold=0.0004")) == 1
    monkeypatch.setattr("research.sweeps.cells.code_digest", lambda: "another version")
    assert decides(asked(day, "strategy.entry_threshold=0.0004")) == 1


def test_several_tapes_are_decided_each_by_itself_and_judged_together(day: Path, tmp_path: Path) -> None:
    later = tmp_path / "later.jsonl"
    day_ns = 86_400 * 10**9
    later.write_bytes(tape(msgspec.structs.replace(e, ts=e.ts + day_ns) for e in seeded_tape(5, 1_000)))  # type: ignore[union-attr]
    both = answered(asked(day, tapes=(day, later)), tmp_path / "both")
    one, two = (answered(asked(each), tmp_path / each.stem) for each in (day, later))
    assert both.trades.net() == pytest.approx(one.trades.net() + two.trades.net())
    assert len(both.timeline.spans) == 2
    assert both.timeline.length == one.timeline.length + two.timeline.length


def test_parameters_of_a_strategy_of_ones_own_are_swept(day: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from microbot import op, param\n"
        "def burst(ticks):\n"
        "    return ticks.pipe(op.window(15, 3), op.momentum(param('least', 0.0005, 0.0001, 0.1)), op.bursts())\n"
    )
    question = asked(day, "strategy.least=0.0002,0.0005,0.001", strategy=f"{mine}:burst", assignments=())
    answer = answered(question, tmp_path / "sweep")
    counts = answer.trades.counts().tolist()
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]
    with pytest.raises(UserError, match=r"'least' must be from 0\.0001 to 0\.1"):
        Sweep(asked(day, "strategy.least=0.0002,0.5", strategy=f"{mine}:burst", assignments=()), lambda _: tmp_path)
    mine.write_text(mine.read_text().replace("15, 3", "10, 3"))
    with_new_code = Sweep(question, lambda _: tmp_path / "sweep")
    assert not set(with_new_code.run().cells.cells["key"].to_pylist()) & set(answer.cells.cells["key"].to_pylist())


@pytest.mark.parametrize(
    ("parameter", "sentence"),
    [
        ("strategy.entry_treshold=1,2", r"no setting strategy\.entry_treshold.*did you mean strategy\.entry_threshold"),
        ("strategy.entry_threshold=0,1", r"strategy\.entry_threshold must be a number above 0, not 0"),
        ("log.level=INFO,DEBUG", "decides nothing on a tape"),
        ("nothing.at_all=1,2", "there is no section"),
    ],
)
def test_a_parameter_that_there_is_not_is_said_before_anything_is_decided(
    day: Path, tmp_path: Path, parameter: str, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        Sweep(asked(day, parameter), lambda _: tmp_path)
    assert not list(tmp_path.iterdir())


class Mutant(ExactEngine):
    """An engine that calls itself compiled, and takes one trade of every setting for a cent more."""

    name = "compiled"

    def decide(self, tape: Path, settings: Sequence[Settings]) -> list[Outcome]:
        outcomes = super().decide(tape, settings)
        for outcome in outcomes:
            if outcome.trades:
                outcome.trades[-1] = msgspec.structs.replace(outcome.trades[-1], pnl=outcome.trades[-1].pnl + 0.01)
        return outcomes


class Faithful(ExactEngine):
    name = "compiled"


def test_one_trade_that_the_core_decides_otherwise_refuses_the_answer(
    day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_engine(monkeypatch, Mutant())
    with pytest.raises(Refused, match=r"setting \d+ on day\.jsonl, trade \d+: pnl is .* and .* by the core"):
        Sweep(asked(day, check=1), lambda _: tmp_path / "mutant").run()
    with_engine(monkeypatch, Faithful())
    answer = Sweep(asked(day, check=4), lambda _: tmp_path / "faithful").run()
    assert answer.checked is not None
    assert answer.checked.cells == 4
    assert answer.checked.trades > 0
    assert answer.checked.difference is None


def test_the_best_setting_is_always_in_the_sample_and_the_sample_is_always_the_same(
    day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []
    real = sample_check.checked

    def noted(sample: Sequence[Cell], *others: object) -> object:
        seen.append([cell.number for cell in sample])
        return real(sample, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(sample_check, "checked", noted)
    with_engine(monkeypatch, Faithful())
    question = asked(day, check=3)
    answers = [Sweep(question, lambda _: tmp_path / "one").run(), Sweep(question, lambda _: tmp_path / "two").run()]
    assert seen[0] == seen[1]
    assert answers[0].found.best in seen[0]


def test_the_sample_has_the_choices_and_looks_at_others_on_all_tapes() -> None:
    cells = [Cell(Path(f"{day}.jsonl"), Settings(), f"{day}-{n}", n) for day in range(12) for n in range(30)]
    traded = [cell.number != 29 for cell in cells]
    sample = sample_check.drawn(cells, traded, 10, [7, 7, 3, 7, 5])
    numbers = [cell.number for cell in sample]
    assert len({cell.key for cell in sample}) == 10
    assert numbers[:3] == [7, 3, 5]
    assert 29 in numbers
    assert len(set(numbers)) > 6
    assert len({cell.tape for cell in sample}) > 4
    assert len(sample_check.drawn(cells, traded, 10, range(20))) == 10
    assert len({cell.number for cell in sample_check.drawn(cells, traded, 10, range(20))} - set(range(5))) >= 4
    assert [cell.number for cell in sample_check.drawn(cells, traded, 1, [7, 3])] == [7]


COMPILED = ("strategy.entry_threshold=0.0002:0.0010:0.0002", "strategy.time_stop_seconds=4,8", "execution.fee_bps=0,1")


def test_the_compiled_engine_gives_the_results_of_the_core_shared_or_not(day: Path, tmp_path: Path) -> None:
    """Fees by value are what settings cannot share: those with them are decided one by one."""
    pytest.importorskip("numba")
    compiled = answered(asked(day, *COMPILED, engine="compiled", check=20), tmp_path / "compiled")
    answered(asked(day, *COMPILED), tmp_path / "exact")
    for name in WRITTEN:
        mine, core = (pq.read_table(tmp_path / folder / name).to_pydict() for folder in ("compiled", "exact"))
        assert mine.keys() == core.keys()
        for column, values in core.items():
            numbers = values and isinstance(values[0], float)
            assert mine[column] == (pytest.approx(values, rel=1e-9, nan_ok=True) if numbers else values)
    assert compiled.checked is not None
    assert compiled.checked.cells == 20
    assert compiled.checked.trades > 100


def test_a_compiled_engine_that_goes_wrong_is_found_out_by_the_sample(
    day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = pytest.importorskip("research.engine.many")
    real = many.decide_many

    def wrong(*given: object) -> object:
        results = real(*given)
        results[0].table.exit_ts[:] += 1
        return results

    monkeypatch.setattr(many, "decide_many", wrong)
    with pytest.raises(Refused, match="exit_ts is"):
        Sweep(asked(day, COMPILED[0], engine="compiled", check=1), lambda _: tmp_path).run()


def test_a_long_tape_is_streamed_and_gives_the_same(day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = pytest.importorskip("research.engine.many")
    answered(asked(day, COMPILED[0], engine="compiled"), tmp_path / "held")
    many._tapes.clear()
    monkeypatch.setattr(many, "MOST_ROWS", 100)
    answered(asked(day, COMPILED[0], engine="compiled"), tmp_path / "streamed")
    many._tapes.clear()
    held, streamed = (pq.read_table(tmp_path / folder / "trades.parquet") for folder in ("held", "streamed"))
    assert held.equals(streamed)


def test_of_a_long_tape_in_columns_no_row_is_held_before_it_is_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = pytest.importorskip("research.engine.many")
    path, rows = tmp_path / "t.parquet", columnar.rows_of(seeded_tape(3, 300))
    with columnar.TapeWriter(path, columnar.TapeInfo()) as writer:
        writer.write(rows)
        writer.finish({})
    with monkeypatch.context() as patched:
        patched.setattr(many, "MOST_ROWS", len(rows) - 1)
        patched.setattr(many.columns, "read", lambda _: pytest.fail("the tape is read"))
        assert many._read(path) is None
    monkeypatch.setattr(many, "MOST_ROWS", len(rows))
    assert len(many._read(path).facts.columns) == len(rows)


def session(path: Path, **said: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    first = msgspec.json.encode({"type": "settings", "settings": {}, **said}) + b"\n"
    path.write_bytes(first + tape(seeded_tape(3, 300)))
    return path


OWN = (
    "from pathlib import Path\n"
    "from microbot import op\n"
    "Path(__file__).with_suffix('.ran').touch()\n"
    "def mine(ticks):\n"
    "    return ticks.pipe(op.window(15, 3), op.momentum(0.0002), op.bursts())\n"
)


@pytest.mark.parametrize("where", ["strategies", "strategy"])
def test_a_recording_from_elsewhere_runs_no_code_unless_it_is_trusted(tmp_path: Path, where: str) -> None:
    evil = tmp_path / "evil.py"
    evil.write_text(OWN)
    named = {"file": f"{evil}:mine", "symbols": ["A"]}
    said = {"settings": {"strategies": {"x": named}}} if where == "strategies" else {"strategy": f"{evil}:mine"}
    from_elsewhere = session(tmp_path / "got.jsonl", **said)
    question = asked(from_elsewhere, "strategy.profit_target=0.001,0.002", assignments=())
    plain = session(tmp_path / "plain.jsonl")
    for tapes in ((from_elsewhere,), (plain, from_elsewhere)):
        with pytest.raises(UserError, match=r"evil\.py:mine, which would be run.*--trust"):
            Sweep(msgspec.structs.replace(question, tapes=tapes), lambda _: tmp_path / "sweep", data_dir=tmp_path)
    assert not evil.with_suffix(".ran").exists()
    Sweep(question, lambda _: tmp_path / "sweep", data_dir=tmp_path, trust=True)
    assert evil.with_suffix(".ran").exists()


def test_a_session_is_decided_with_the_strategy_that_it_was_made_with(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    reference = f"{tmp_path / 'own.py'}:mine"
    mine = session(tmp_path / "data" / "sessions" / "one.jsonl", strategy=reference)
    question = asked(mine, "strategy.profit_target=0.001", assignments=())
    not_read = asked(mine, "strategy.min_ticks=3,4", assignments=())
    with pytest.raises(UserError, match="does not read"):
        Sweep(not_read, lambda _: tmp_path / "no", data_dir=tmp_path / "data")
    by_itself = Sweep(question, lambda _: tmp_path / "a", data_dir=tmp_path / "data").run()
    replay(mine, settings_.load(None, (), flags=by_itself.number(0), recorded={}), reference, out=tmp_path / "replayed")
    lines = (tmp_path / "replayed" / "trades.jsonl").read_bytes().splitlines()
    assert by_itself.cells.cells["trades"].to_pylist() == [len(lines)] != [0]


def test_tapes_that_name_several_strategies_are_refused_until_one_is_named(day: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    mine = session(tmp_path / "data" / "sessions" / "one.jsonl", strategy=f"{tmp_path / 'own.py'}:mine")
    question = asked(day, "strategy.profit_target=0.001", tapes=(day, mine), assignments=())
    with pytest.raises(UserError, match=r"day\.jsonl was made with the default strategy, .*own\.py:mine.*--strategy"):
        Sweep(question, lambda _: tmp_path / "a", data_dir=tmp_path / "data")
    named = msgspec.structs.replace(question, strategy=f"{tmp_path / 'own.py'}:mine")
    Sweep(named, lambda _: tmp_path / "a", data_dir=tmp_path / "data")


@pytest.mark.parametrize("what", ["tape", "strategy", "config"])
def test_nothing_is_kept_of_what_was_decided_after_a_file_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    files = {"tape": tmp_path / "a.jsonl", "strategy": tmp_path / "own.py", "config": tmp_path / "own.toml"}
    files["tape"].write_bytes(tape(seeded_tape(3, 300)))
    files["strategy"].write_text(OWN)
    files["config"].write_text("[risk]\nposition_size = 2\n")
    question = asked(
        files["tape"], "strategy.profit_target=0.001,0.002,0.003", assignments=(),
        strategy=f"{files['strategy']}:mine", config=files["config"],
    )  # fmt: skip
    monkeypatch.setattr(sweeping, "_AT_ONCE", {"exact": 1})
    sweep = Sweep(question, lambda _: tmp_path / "sweep")

    def change(done: int, of: int) -> None:
        files[what].write_bytes(files[what].read_bytes() + b"\n")

    with pytest.raises(UserError, match=f"{files[what].name} was changed while it was swept over"):
        sweep.run(change)
    assert len(list((tmp_path / "sweep" / "cells").glob("*.cells.parquet"))) == 1


def test_a_pair_of_files_is_known_by_both(tmp_path: Path) -> None:
    message, book = (tmp_path / f"X_2024-01-02_34200000_57600000_{kind}_1.csv" for kind in ("message", "orderbook"))
    message.write_text("34200.1,4,1,1,100,1\n")
    book.write_text("101,1,99,1\n")
    before = [tape_digest(half) for half in (message, book)]
    book.write_text("103,1,99,1\n")
    assert not set(before) & {tape_digest(half) for half in (message, book)}


def test_two_sweeps_are_not_at_work_in_one_folder(hour: Path, tmp_path: Path) -> None:
    question = asked(hour, "strategy.entry_threshold=0.0004,0.0006")
    sentences = []

    def meanwhile(done: int, of: int) -> None:
        with pytest.raises(UserError) as refused:
            Sweep(question, lambda _: tmp_path / "sweep").run()
        sentences.append(str(refused.value))

    Sweep(question, lambda _: tmp_path / "sweep").run(meanwhile)
    assert sentences
    assert all(said.startswith(f"another sweep is at work in {tmp_path / 'sweep'}") for said in sentences)
    Sweep(question, lambda _: tmp_path / "sweep").run()  # the lock went with the sweep that had it


@pytest.mark.parametrize("half", ["cells", "trades"])
def test_a_part_that_is_damaged_or_of_two_sweeps_is_decided_again(
    hour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    whole = answered(asked(hour, TARGETS), tmp_path / "sweep").cells
    assert len(whole.trades)
    path = tmp_path / "sweep" / "cells" / f"part-000000.{half}.parquet"
    other = pq.read_table(path)
    for damaged in (b"", b"half a file", path.read_bytes()[:-100], None):
        if damaged is None:
            pq.write_table(other.slice(1), path)
        else:
            path.write_bytes(damaged)
        (tmp_path / "sweep" / "cells" / "part-000001.cells.parquet").unlink(missing_ok=True)
        with_engine(monkeypatch, engine := Counting())
        again = answered(asked(hour, TARGETS), tmp_path / "sweep").cells
        assert engine.asked == 2
        assert again.trades.equals(whole.trades)


def test_the_gap_before_a_window_is_that_of_all_strategies(day: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN.replace("15, 3", "900, 3"))
    own = f"{tmp_path / 'own.py'}:mine"
    uses = ('strategies.slow.symbols=["A"]', "strategies.slow.window_size=600", "strategies.slow.time_stop_seconds=50")
    mine = ('strategies.slow.symbols=["A"]', f"strategies.slow.file={own}", "strategies.slow.time_stop_seconds=70")
    said: list[str] = []
    for expected, question in (
        (15 + 9, asked(day, "strategy.time_stop_seconds=8,9")),
        (600 + 50, asked(day, "strategy.profit_target=0.001", assignments=uses)),
        (900 + 70, asked(day, "strategy.profit_target=0.001", assignments=mine)),
        (900 + 9, asked(day, "strategy.time_stop_seconds=8,9", strategy=own, assignments=())),
    ):
        window, *_ = Sweep(question, lambda _: tmp_path / "sweep", said.append).run().windows
        assert window.cut - window.purged == expected * 10**9
    assert said == []


def test_a_gap_that_may_be_too_short_is_said(day: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        OWN + "exits = [op.stop_loss(0.003), op.profit_target(param('target', 0.002, 0.0001, 0.1))]\n"
    )
    (tmp_path / "own.py").write_text((tmp_path / "own.py").read_text().replace("import op\n", "import op, param\n"))
    said: list[str] = []
    question = asked(day, "strategy.target=0.001,0.002", strategy=f"{tmp_path / 'own.py'}:mine", assignments=())
    Sweep(question, lambda _: tmp_path / "sweep", said.append).run()
    assert [line for line in said if line.startswith("the gap before each window is 15 s, and how far own:mine looks")]
    said.clear()
    Sweep(msgspec.structs.replace(question, purge_s=90), lambda _: tmp_path / "sweep", said.append).run()
    assert said == []


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("quoted", [False, True])
def test_that_a_tape_has_no_quotes_is_said(form: str, quoted: bool, tmp_path: Path) -> None:
    """Fills are at last prices then, whatever execution.fill says, and the best setting pays no spread."""
    events = [event for event in seeded_tape(3, 800) if isinstance(event, Trade)]
    events = [msgspec.structs.replace(event, bid=None, ask=None) for event in events]
    events[-1] = msgspec.structs.replace(events[-1], bid=1.0, ask=2.0) if quoted else events[-1]
    path = tmp_path / f"bare.{form}"
    path.write_bytes(tape(events))
    if form == "parquet":
        lines = path.rename(tmp_path / "bare.jsonl")
        importer.run([lines], path, Options())
    said: list[str] = []
    question = Question(tapes=(path,), space=space_of(("strategy.min_ticks=2,3",)), engine="exact", on="serial")
    Sweep(question, lambda _: tmp_path / "sweep", said.append).run()
    assert any(line.startswith(f"no quotes in bare.{form}: ") for line in said) is not quoted
