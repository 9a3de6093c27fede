"""`microbot sweep`: many settings over the same tapes, and how much of the best one is the search itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from service import outlet
from service.cli.options import Assignments, Config, DataDir, Json, Strategy, TrustOption, taking
from service.exit_codes import ExitCode
from service.extras import needed
from service.visible import visible, visible_json

if TYPE_CHECKING:
    from research.sweeps.heat import HeatMap
    from research.sweeps.sweep import Answer, Question, Sweep


@dataclass(frozen=True, kw_only=True)
class Given:
    """The options of `sweep`."""

    tapes: Annotated[list[Path], typer.Argument(metavar="TAPE...", help="Tapes, one or several: days, or symbols.")]
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            metavar="SECTION.KEY=VALUES",
            help="What to try: a list (1,2,3), a range with a step (0.0003:0.001:0.0001), LOW:HIGH:log10 for ten "
            "values by ratio, LOW:HIGH to draw from; may be given several times.",
        ),
    ] = None
    method: Annotated[
        Literal["grid", "random", "tpe"],
        typer.Option("--method", help="All, some by chance, or where others did well."),
    ] = "grid"
    trials: Annotated[int, typer.Option("--trials", help="Settings that random and tpe try.")] = 1_000
    objective: Annotated[
        Literal["net", "per_trade", "sharpe"], typer.Option("--objective", help="What the best setting has most of.")
    ] = "net"
    min_trades: Annotated[int, typer.Option("--min-trades", help="With fewer, a setting is not chosen.")] = 10
    windows: Annotated[int, typer.Option("--windows", help="Walk-forward windows out of sample.")] = 4
    rolling: Annotated[
        bool, typer.Option("--rolling", help="Choose on the stretch before a window, not on all before it.")
    ] = False
    purge: Annotated[
        float | None,
        typer.Option("--purge", metavar="SECONDS", help="Gap before a window. [longest window + time in a position]"),
    ] = None
    seed: Annotated[int, typer.Option("--seed", help="Of random and tpe.")] = 1
    engine: Annotated[Literal["auto", "compiled", "exact"], typer.Option("--engine", help="What decides.")] = "auto"
    check: Annotated[int, typer.Option("--check", help="Compiled results that the core decides again.")] = 10
    jobs: Annotated[int | None, typer.Option("--jobs", help="Workers. [one a core]")] = None
    on: Annotated[
        str | None, typer.Option("--on", metavar="WHERE", help="Workers: threads, processes, ray, HOST:PORT.")
    ] = None
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Keep results there. [DATA/sweeps/...]")] = (
        None
    )
    svg: Annotated[bool, typer.Option("--svg/--no-svg", help="Draw heat maps into the folder.")] = True
    config: Config = None
    assignments: Assignments = None
    strategy: Strategy = None
    trust: TrustOption = False
    data_dir: DataDir
    as_json: Json = None

    def question(self) -> Question:
        """Return what is asked. Raises UserError."""
        from research.sweeps.space import space_of
        from research.sweeps.sweep import Question

        return Question(
            tapes=tuple(dict.fromkeys(self.tapes)), space=space_of(self.parameters or ()), method=self.method,
            trials=self.trials, seed=self.seed, objective=self.objective, least=self.min_trades, windows=self.windows,
            rolling=self.rolling, purge_s=self.purge, engine=self.engine, on=self.on, jobs=self.jobs, check=self.check,
            strategy=self.strategy, config=self.config, assignments=tuple(self.assignments or ()),
        )  # fmt: skip


@taking(Given)
def sweep(given: Given) -> None:
    """Try many settings on the same tapes, and say whether to believe the best one.

    Each setting is decided once on each tape. The time of the tapes is parted into walk-forward windows: a setting is
    chosen on what lies before a window, and judged on the window. A sample of the compiled engine's results is decided
    again by the core: where one trade differs there is no report, and exit code 1. What was decided is kept in a
    folder: the same command goes on after a kill. The results are the same for any number of workers. A recording is
    decided with the strategy that it names, if it is a session of the data folder; else with --trust.
    """
    with needed("a sweep needs"):
        from research.sweeps.starting import leave_unloaded

        if given.strategy is None:
            leave_unloaded()
        from research.sweeps import heat, shown, tables
        from research.sweeps.sweep import Sweep

        question = given.question()
    from service.cli import terminal

    if given.svg:
        heat.check_draws()
    with outlet.prints_aside():
        asked = Sweep(
            question,
            lambda name: given.out or given.data_dir / "sweeps" / name,
            terminal.say,
            given.data_dir,
            trust=given.trust,
        )
    answer, maps = _decided(asked, question)
    if outlet.for_machines(given.as_json):
        print(visible_json(msgspec.json.format(msgspec.json.encode(shown.as_json(answer)), indent=2).decode()))
    else:
        shown.print_answer(answer, maps)
    tables.write(answer)  # once the answer is out: a full disk does not take it away
    drawn = heat.write(answer, maps) if given.svg else []
    files = ", ".join(("results.parquet", "trades.parquet", *(path.name for path in drawn)))
    terminal.say(visible(f"kept: {answer.folder} ({files})"))
    if answer.failed:
        terminal.say(answer.failed)
        raise typer.Exit(ExitCode.STRATEGY_FAILED)


def _decided(asked: Sweep, question: Question) -> tuple[Answer, list[HeatMap]]:
    """Decide all of it, and say on the terminal how far that is; a result that cannot be believed is none."""
    from research.sweeps import heat
    from research.sweeps.sweep import Refused
    from service.cli import terminal

    over = question.tapes[0].name if len(question.tapes) == 1 else f"{len(question.tapes)} tapes"
    terminal.say(_announced(asked.method.count, over, asked.chosen.engine.name, asked.chosen.why, question.engine))
    try:
        with _progress(f"sweeping {over}") as progress, outlet.prints_aside():
            answer = asked.run(progress)
            return answer, heat.heat_maps(answer)
    except Refused as refused:
        terminal.say(
            "microbot: REFUSED: the compiled engine decided other than the core, so nothing here is to be believed: "
            f"{refused}. Please report it; --engine exact decides it through the core"
        )
        raise typer.Exit(ExitCode.FAILED) from None
    except KeyboardInterrupt:
        terminal.say(f"stopped; what was decided is kept in {asked.folder}: the same command goes on from there")
        raise


def _announced(count: int, over: str, decides: str, why: str | None, engine: str) -> str:
    settings = "1 setting" if count == 1 else f"{count:,} settings"
    because = f": {why}" if why and engine == "auto" else ""
    return f"{settings} over {over}, decided by the {decides} engine{because}"


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with an estimate on a terminal's stderr; elsewhere, nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, of: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
