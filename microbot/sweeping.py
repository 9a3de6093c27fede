"""Sweeps from Python: many settings over the same tapes. Whatever is heavy is imported when one is made."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from microbot.asking import layers
from microbot.backtesting import SettingsGiven
from service.data_folder import place
from service.errors import UserError
from service.extras import needed

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from research.sweeps.sweep import Answer

Parameters = Mapping[str, Iterable[Any]]
"""What to try, by the path of the setting: numbers, words, or the text of `--param` ("0.0003:0.001:0.0001")."""

SweepTable = Literal["settings", "trades"]


class SweepRefused(UserError):
    """The compiled engine decided other than the core, in a sample: nothing of the sweep is to be believed."""


class SweepResult:
    """What a sweep found.

    Attributes:
        best: The best setting, by path, over all of the time; None if none made enough trades.
        believe: Whether what it earned out of sample is told from luck and from the search itself.
        sentence: The same in words.
        summary: Everything that the statistics say, as `microbot sweep --json` prints it.
        folder: Where the results are kept; the same sweep goes on from there.
    """

    def __init__(self, answer: Answer) -> None:
        from research.sweeps import shown

        self._answer = answer
        found = answer.found
        self.best: dict[str, Any] | None = None if found.best is None else answer.number(found.best)
        self.believe: bool = found.believe
        self.sentence: str = found.sentence
        self.summary: dict[str, Any] = shown.as_json(answer)
        self.folder: Path = answer.folder

    def to_arrow(self, table: SweepTable = "settings") -> pyarrow.Table:
        """Return a table: a row a setting with what it came to, or a row a trade of each of them.

        Raises UserError for a table that there is not.
        """
        from research.sweeps import tables

        made = {"settings": tables.settings_table, "trades": tables.trades_table}
        if table not in made:
            raise UserError(f"there is no table {table!r}: there are {', '.join(made)}")
        return made[table](self._answer)

    def to_pandas(self, table: SweepTable = "settings") -> pandas.DataFrame:
        """Return a table as a data frame of pandas. Raises UserError for a table that there is not."""
        return self.to_arrow(table).to_pandas()

    def to_polars(self, table: SweepTable = "settings") -> polars.DataFrame:
        """Return a table as a data frame of polars. Raises UserError for a table that there is not."""
        import polars

        found = polars.from_arrow(self.to_arrow(table))
        assert isinstance(found, polars.DataFrame)
        return found

    def __repr__(self) -> str:
        believed = "believed" if self.believe else "not believed"
        return f"<SweepResult: {len(self._answer.samples):,} settings, the best {believed}: {self.best}>"


def sweep(
    tapes: str | PathLike[str] | Iterable[str | PathLike[str]],
    parameters: Parameters,
    *,
    method: Literal["grid", "random", "tpe"] = "grid",
    trials: int = 1_000,
    objective: Literal["net", "per_trade", "sharpe"] = "net",
    min_trades: int = 10,
    windows: int = 4,
    rolling: bool = False,
    purge_s: float | None = None,
    seed: int = 1,
    strategy: str | None = None,
    settings: SettingsGiven | None = None,
    engine: Literal["auto", "compiled", "exact"] = "auto",
    check: int = 10,
    jobs: int | None = None,
    on: str | None = None,
    out: str | PathLike[str] | None = None,
    data_dir: str | PathLike[str] | None = None,
    trust: bool = False,
) -> SweepResult:
    """Try many settings on the same tapes, and say whether to believe the best one: `microbot sweep` as a function.

    The results are the same for any number of workers; as in a backtest nothing of the environment is read. It needs
    `pip install 'microbot-trading[research]'`.

    Args:
        tapes: A file, or several: days, or symbols.
        parameters: What to try: `{"strategy.entry_threshold": [0.0005, 0.001]}`, or texts as of `--param`.
        method: All of them, some by chance, or where others did well.
        trials: Settings that `random` and `tpe` try.
        objective: What the best setting has most of.
        min_trades: With fewer, a setting is not chosen.
        windows: Walk-forward windows out of sample.
        rolling: Choose on the stretch before a window, instead of on all before it.
        purge_s: Seconds left out before a window; None: the longest window and time in a position.
        seed: Of `random` and `tpe`.
        strategy: "FILE.py:NAME", or the name of an installed one; None: the default one.
        settings: What differs from the defaults in all of them, or the name of a TOML file.
        engine: What decides; `auto`: the compiled one, where it can.
        check: Results of the compiled engine that the core decides again.
        jobs: Workers; None: one a core.
        on: What the workers are; None: what suits the engine.
        out: Where results are kept; None: the data folder's sweeps, in one named after the question.
        data_dir: The bot's data folder, whose sessions are decided with the strategy that they name; None: that of a
            command which is told none (`microbot config`).
        trust: Run the strategy file that a recording from elsewhere names.

    Raises:
        UserError: In one sentence, for tapes, parameters or settings that cannot be used, and without the extra.
        SweepRefused: A UserError too: a sample of the compiled engine's results is not what the core decides.
    """
    named = [tapes] if isinstance(tapes, str | PathLike) else list(tapes)
    config, assignments = layers(settings)
    folder = Path(out) if out is not None else None
    with needed("a sweep needs"):
        from research.sweeps.space import space_from
        from research.sweeps.sweep import Question, Refused, Sweep

        question = Question(
            tapes=tuple(dict.fromkeys(map(Path, named))), space=space_from(parameters), method=method, trials=trials,
            seed=seed, objective=objective, least=min_trades, windows=windows, rolling=rolling, purge_s=purge_s,
            engine=engine, on=on, jobs=jobs, check=check, strategy=strategy, config=config, assignments=assignments,
            environment={},
        )  # fmt: skip
        try:
            data = place.folder(data_dir)
            asked = Sweep(question, lambda name: folder or data / "sweeps" / name, data_dir=data, trust=trust)
            answer = asked.run()
        except Refused as refused:
            raise SweepRefused(f"the compiled engine decided other than the core: {refused}") from None
    if answer.failed:
        warnings.warn(answer.failed, stacklevel=2)
    return SweepResult(answer)
