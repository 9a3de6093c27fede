"""A sweep from its question to its answer: choose settings, decide them, keep what was decided, check it, judge it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from actors.messages import StrategySource
from research.engine.port import CannotDecide, Chosen, Engine, EngineName, engine_of
from research.sweeps import methods, sample_check
from research.sweeps.cells import Cells, Store, Task, base_key, cell_key, decided, tape_digest
from research.sweeps.purging import purge_of, said_of
from research.sweeps.sample_check import Cell, Checked
from research.sweeps.space import Sample, Space
from research.sweeps.timeline import Timeline, Window, is_quoted, spans_of
from research.sweeps.unchanged import Unchanged
from research.workers.blocks import cost_of, plan
from research.workers.choice import workers_of
from research.workers.port import Workers
from service import settings as settings_, strategies
from service.errors import UserError
from service.recorded import tapes
from service.recorded.tapes import SettingsRecorded
from service.recorded.trust import Trust
from service.settings import Settings

if TYPE_CHECKING:
    from research.sweeps.answer import Found, Objective, Trades

Say = Callable[[str], None]
Progress = Callable[[int, int], None]
"""Told how many cells are decided, of how many."""

DECIDING = ("strategy", "strategies", "risk", "execution", "limits", "orders", "chains")
_MOST_WINDOWS = 50
_MOST_TRIALS = 1_000_000
_LONGEST_PURGE_S = 366 * 86_400
_AT_ONCE = {"compiled": 512, "exact": 64}
"""The most settings of one task, by engine: what is lost when a sweep is stopped."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is swept over, and how."""

    tapes: tuple[Path, ...]
    space: Space
    method: methods.MethodName = "grid"
    trials: int = 1_000  # of random and tpe
    seed: int = 1
    objective: Objective = "net"
    least: int = 10  # trades below which a setting is not chosen
    windows: int = 4
    rolling: bool = False
    purge_s: float | None = None  # None: the longest window and time in a position
    engine: EngineName = "auto"
    on: str | None = None
    jobs: int | None = None
    check: int = 10
    strategy: str | None = None
    config: Path | None = None
    assignments: tuple[str, ...] = ()
    environment: Mapping[str, str] = os.environ  # where settings of MICROBOT_* are looked for


class Answer(msgspec.Struct, kw_only=True):
    """What a sweep gave: `found` is its judgement, `samples` the settings in the order in which they were tried."""

    question: Question
    engine: str
    why: str | None  # it is not the compiled one
    samples: list[Sample]
    found: Found
    cells: Cells  # of each tape one after the other, each with all settings
    trades: Trades
    windows: tuple[Window, ...]
    timeline: Timeline
    checked: Checked | None
    folder: Path

    @property
    def failed(self) -> str:
        """Say with how many of its settings a strategy raised, on a tape or more; nothing where it did with none."""
        failures = self.cells.cells["failures"].to_numpy().reshape(-1, len(self.samples))  # a row a tape
        count = int((failures.sum(axis=0) > 0).sum())
        of = f"{count:,} of {len(self.samples):,} settings"
        said = f"a strategy FAILED with {of}, and decided less there: `microbot replay` with one says where"
        return said if count else ""

    def number(self, setting: int | None) -> dict[str, Any]:
        """Return a setting by its number, as path and value."""
        return {} if setting is None else self.question.space.given(self.samples[setting])


class Refused(Exception):
    """The compiled engine decided other than the core: there is no answer. The text names the first difference."""


class Sweep:
    """One sweep. Making it checks the question; `run` decides it.

    `folder` gives the folder for results by the name that a sweep has of its own; `data_dir` is the bot's, beside which
    no cluster is started, and whose own sessions may say which strategy is run; others may with `trust`. Raises
    UserError for a tape, settings, a strategy or parameters that cannot be used, before anything is decided.
    """

    def __init__(
        self,
        question: Question,
        folder: Callable[[str], Path],
        say: Say = lambda _: None,
        data_dir: Path = Path("data"),
        *,
        trust: bool = False,
    ) -> None:
        check_numbers(question)
        self.question = question
        self._data_dir = data_dir
        self._say = say
        self._unchanged = Unchanged()
        if question.config is not None:
            self._unchanged.note([question.config])
        for tape in question.tapes:
            tapes.size(tape)  # a missing one is said first
            self._unchanged.note(tapes.files_of(tape))
        self._recorded = {tape: _recorded(tape) for tape in question.tapes}
        for path in question.space.paths:
            _check_decides(path)
        corners = {tape: self._made_corners(tape) for tape in question.tapes}
        self._corners = tuple(settings for mine in corners.values() for settings in mine)
        self.strategy = self._one_strategy(corners, Trust(data_dir, trust, say))
        self._lineups = [strategies.lineup(self.strategy, each) for each in self._corners]  # each may be refused
        self.method = methods.method_of(question.method, question.space, question.trials, question.seed)
        self.chosen = engine_of(question.engine, self._corners, self.strategy)
        self._digests = {tape: tape_digest(tape) for tape in question.tapes}
        self._strategy = self._strategy_digest()
        self.folder = folder(self._name())

    # ------------------------------------------------------------------------------------------ settings

    def settings(self, tape: Path, sample: Sample) -> Settings:
        """Return the settings that a sample is on a tape. Raises UserError for a value out of range."""
        q = self.question
        recorded = self._recorded[tape]
        layer = recorded.settings if recorded is not None else None
        given = q.space.given(sample)
        return settings_.load(q.config, q.assignments, flags=given, recorded=layer, environment=q.environment)

    def _made_corners(self, tape: Path) -> list[Settings]:
        """Return settings in which each value of each parameter occurs. Raises UserError for one out of range."""
        axes = self.question.space.axes
        first = tuple(axis.ends[0] for axis in axes)
        return [
            self.settings(tape, (*first[:place], value, *first[place + 1 :]))
            for place, axis in enumerate(axes)
            for value in axis.ends
        ]

    def _one_strategy(self, corners: Mapping[Path, Sequence[Settings]], trust: Trust) -> str | StrategySource | None:
        """Return the strategy that decides all tapes: the one that was asked for, else the one that they name.

        Nothing is loaded yet. Raises UserError for one that may not be run, and where tapes name several.
        """
        asked = self.question.strategy
        found = {tape: trust.strategy(tape, self._recorded[tape], asked, mine[0]) for tape, mine in corners.items()}
        (first, strategy), *others = found.items()
        for tape, other in others:
            if other != strategy:
                raise UserError(
                    f"{first} was made with {_called(strategy)}, {tape} with {_called(other)}: name the one to sweep "
                    "over (--strategy FILE.py:NAME), or sweep over each of them alone"
                )
        return strategy

    def _strategy_digest(self) -> str:
        """Return what the strategy's code is, so that cells of an earlier one are not taken for its own."""
        mine = self.strategy
        is_source = isinstance(mine, StrategySource)  # as a recording holds it, whatever its files are by now
        found = hashlib.sha256((mine.sha256 if isinstance(mine, StrategySource) else str(mine)).encode())
        files: dict[str, None] = {}
        for lineup in self._lineups:
            for strategy in (*(() if is_source else (lineup.rest,)), *lineup.named.values()):
                files |= dict.fromkeys(strategy.files)
        self._unchanged.note(map(Path, files))
        for file in files:
            found.update(Path(file).read_bytes())
        return found.hexdigest()

    def _name(self) -> str:
        """Name the folder after the first tape and the question: the same question goes on where it was."""
        q = self.question
        asked = msgspec.to_builtins([q.space, q.method, q.trials, q.seed, q.assignments], str_keys=True)
        parts = [*self._digests.values(), self._strategy, str(asked), q.config.read_text() if q.config else ""]
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return f"{q.tapes[0].name.partition('.')[0]}-{digest[:8]}"

    # ----------------------------------------------------------------------------------------------- run

    def run(self, progress: Progress = lambda done, of: None) -> Answer:
        """Decide all cells that the folder does not have, and return the answer.

        Raises Refused where a sample of the compiled engine's cells is not what the core decides. Ctrl-C loses the
        tasks that were under way, and nothing else. Raises UserError where another sweep is at work in the folder.
        """
        store = Store(self.folder)
        with store.alone():
            try:
                return self._run(store, self.chosen, progress)
            except CannotDecide as error:
                if self.question.engine != "auto":
                    raise
                self._say(f"{error}: the exact engine does it")
                self.chosen = engine_of("exact", (), self.strategy)._replace(why=str(error))
                return self._run(store, self.chosen, progress)

    def _run(self, store: Store, chosen: Chosen, progress: Progress) -> Answer:
        q = self.question
        timeline = Timeline(span for tape in q.tapes for span in spans_of(tape))
        windows = timeline.windows(q.windows, self._purge(), rolling=q.rolling)
        if bare := [tape.name for tape in q.tapes if not is_quoted(tape)]:
            self._say(
                f"no quotes in {', '.join(bare[:3])}{' ...' if bare[3:] else ''}: fills there are at last prices and "
                "pay no spread, so every setting looks better than it is, by about a spread a trade"
            )
        kept = store.read()
        known = set(kept.cells["key"].to_pylist())
        method = methods.method_of(q.method, q.space, q.trials, q.seed)
        total = method.count * len(q.tapes)
        samples: list[Sample] = []
        cells: list[Cell] = []
        before = windows[0].purged  # what TPE may see: the first sample, which no window is judged by
        with workers_of(q.on, q.jobs, chosen.engine.name, self._data_dir, self._say) as workers:
            while asked := method.ask():
                fresh = self._cells(chosen.engine, asked, len(samples))
                samples += asked
                cells += fresh
                missing = [cell for cell in fresh if cell.key not in known]
                parts = [kept]
                for part in self._decided(workers, chosen.engine, missing):
                    self._unchanged.check()
                    store.add(part)
                    parts.append(part)
                    known |= set(part.cells["key"].to_pylist())
                    progress(len(cells) - len(missing) + sum(len(p.cells) for p in parts[1:]), total)
                kept = Cells.joined(parts)
                if q.method == "tpe":
                    method.tell(self._scores(kept, fresh, len(asked), before, timeline))
        self._unchanged.check()
        return self._answer(chosen, samples, cells, kept, timeline, windows)

    def _cells(self, engine: Engine, samples: Sequence[Sample], first: int) -> list[Cell]:
        """Return the cells of samples on all tapes, tape by tape."""
        found = []
        for tape in self.question.tapes:
            base = base_key(self._digests[tape], engine.name, self._strategy)
            for number, sample in enumerate(samples, first):
                settings = self.settings(tape, sample)
                found.append(Cell(tape, settings, cell_key(base, settings), number))
        return found

    def _decided(self, workers: Workers, engine: Engine, cells: Sequence[Cell]) -> Iterator[Cells]:
        """Have cells decided, and yield them task by task, in order."""
        by_tape: dict[Path, dict[str, Cell]] = {}
        for cell in cells:
            by_tape.setdefault(cell.tape, {}).setdefault(cell.key, cell)
        work = [(tape, list(mine.values())) for tape, mine in by_tape.items()]
        costs = [cost_of(tape, engine.name) for tape in by_tape]
        tasks = []
        for block in plan(costs, [len(mine) for _, mine in work], workers.jobs, _AT_ONCE[engine.name]):
            tape, mine = work[block.tape]
            part = [mine[place] for place in block.settings]
            tasks.append(Task(workers.ship(tape), engine, tuple(c.settings for c in part), tuple(c.key for c in part)))
        for _, found in workers.run(decided, tasks):
            yield found

    # -------------------------------------------------------------------------------------------- answer

    def _purge(self) -> float:
        if self.question.purge_s is not None:
            return self.question.purge_s
        found = purge_of(self._lineups, self._corners)
        if (said := said_of(found)) is not None:
            self._say(said)
        return found.seconds

    def _scores(
        self, kept: Cells, cells: Sequence[Cell], count: int, before: int, timeline: Timeline
    ) -> Sequence[float]:
        """Return the scores of a batch by the first window's sample; the fewer trades, the worse what has too few."""
        mine = trades_of(kept, cells, count, cells[0].number).within(0, before, before)
        scores = mine.scores(self.question.objective, self.question.least, timeline)
        counts = mine.counts()
        lowest = -1e12
        return [float(score) if score > lowest else lowest + int(n) for score, n in zip(scores, counts, strict=True)]

    def _answer(
        self,
        chosen: Chosen,
        samples: list[Sample],
        cells: Sequence[Cell],
        kept: Cells,
        timeline: Timeline,
        windows: tuple[Window, ...],
    ) -> Answer:
        from research.sweeps.answer import found_in

        q = self.question
        ordered = sorted(cells, key=lambda cell: (q.tapes.index(cell.tape), cell.number))
        mine = kept.taken([cell.key for cell in ordered])
        trades = trades_of(mine, ordered, len(samples), 0)
        zone = ZoneInfo(ordered[0].settings.risk.timezone)
        found = found_in(trades, timeline, windows, q.objective, q.least, zone)
        checked = None
        if chosen.engine.name != "exact" and q.check:
            traded = [count > 0 for count in mine.cells["trades"].to_pylist()]
            chosen_ones = [found.best, *(fold.chosen for fold in found.folds)]
            numbers = [number for number in chosen_ones if number is not None]
            sample = sample_check.drawn(ordered, traded, q.check, numbers)
            checked = sample_check.checked(sample, mine, self.strategy)
            self._unchanged.check()  # as the sample was decided by what the files hold now
            if checked.difference:
                raise Refused(checked.difference)
        return Answer(
            question=q, engine=chosen.engine.name, why=chosen.why, samples=samples, found=found, cells=mine,
            trades=trades, windows=windows, timeline=timeline, checked=checked, folder=self.folder,
        )  # fmt: skip


def trades_of(kept: Cells, cells: Sequence[Cell], settings: int, first: int) -> Trades:
    """Return the trades of cells by setting, `first` being the number of setting 0."""
    import numpy as np

    from research.sweeps.answer import Trades

    mine = kept.taken([cell.key for cell in cells])
    numbers = np.array([cell.number - first for cell in cells], dtype=np.int64)
    column = {name: mine.trades[name].to_numpy() for name in ("entry_ts", "exit_ts", "pnl")}
    setting = np.repeat(numbers, mine.cells["trades"].to_numpy())
    return Trades(settings, setting, column["entry_ts"], column["exit_ts"], column["pnl"])


def check_numbers(q: Question) -> None:
    """Raise UserError for a number that is out of range."""
    if not 1 <= q.trials <= _MOST_TRIALS:
        raise UserError(f"--trials wants 1 to {_MOST_TRIALS:,}, not {q.trials}")
    if not 1 <= q.windows <= _MOST_WINDOWS:
        raise UserError(f"--windows wants 1 to {_MOST_WINDOWS}, not {q.windows}")
    if q.least < 1:
        raise UserError(f"--min-trades wants 1 or more, not {q.least}")
    if q.check < 0:
        raise UserError(f"--check wants 0 or more, not {q.check}")
    if q.purge_s is not None and not 0 <= q.purge_s <= _LONGEST_PURGE_S:
        raise UserError(f"--purge wants 0 seconds or more, and at most a year of them, not {q.purge_s:g}")


def _called(strategy: str | StrategySource | None) -> str:
    if strategy is None:
        return "the default strategy"
    return strategy if isinstance(strategy, str) else f"{strategy.reference} as it holds it"


def _recorded(tape: Path) -> SettingsRecorded | None:
    """Return what a recording was made with. Raises UserError for one of a broker's session."""
    tapes.check(tape)
    recorded = tapes.recorded_settings(tape)
    if recorded is not None and recorded.book:
        raise UserError(
            f"{tape} is the recording of a session at a broker, whose fills are those of its own orders: sweep over "
            "a tape of the market, or a session on paper"
        )
    return recorded


def _check_decides(path: str) -> None:
    """Raise UserError for a setting that no decision on a tape depends on."""
    section = path.partition(".")[0]
    if section in settings_.SECTIONS and section not in DECIDING:
        raise UserError(f"--param {path} decides nothing on a tape: sweep over {', '.join(DECIDING[:-1])} or chains")
