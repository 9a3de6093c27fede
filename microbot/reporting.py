"""Reports from Python: what `microbot report` writes. Whatever is heavy is imported when one is made."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from microbot.asking import layers
from microbot.backtesting import SettingsGiven
from service.extras import needed

if TYPE_CHECKING:
    from research.report.figures import Figures
    from research.report.gathered import Gathered


class Report:
    """What a run did, where its money went, and what of it is luck.

    Attributes:
        summary: All figures, as `microbot report --json` prints them.
        sentences: What they come to, in words.
    """

    def __init__(self, figures: Figures, gathered: Gathered) -> None:
        from research.report import text, words

        self._figures = figures
        self._gathered = gathered
        self.summary: dict[str, Any] = msgspec.json.decode(text.as_json(figures))
        self.sentences: list[str] = words.first_lines(figures)

    def to_markdown(self) -> str:
        """Return it as Markdown."""
        from research.report import text

        return text.as_markdown(self._figures)

    def to_html(self, path: str | PathLike[str]) -> Path:
        """Write it as one page that needs nothing else, and return where.

        Raises UserError if it cannot be written, and where a file is in its place that is no report.
        """
        from research.report import page_file
        from research.report.page import page

        file = Path(path)
        page_file.check(file)
        with needed("a report needs"):
            made = page(self._figures, self._gathered)
        page_file.write(file, made)
        return file

    def __repr__(self) -> str:
        return f"<Report: {self.sentences[0] if self.sentences else 'nothing'}>"


def report(
    run: str | PathLike[str],
    *,
    strategy: str | None = None,
    settings: SettingsGiven | None = None,
    note: str | None = None,
    trust: bool = False,
    data_dir: str | PathLike[str] | None = None,
) -> Report:
    """Report what a run did: `microbot report` as a function. It needs `pip install 'microbot-trading[research]'`.

    As in a backtest, nothing of the environment is read.

    Args:
        run: A tape, a recorded session ("last": the newest), a folder of `replay --out`, or a bot's data folder.
        strategy: "FILE.py:NAME", or the name of an installed one; None: the recorded one, else the default one.
        settings: What differs from the defaults, or from those recorded; or the name of a TOML file.
        note: How the settings were found, if that was on this run ("chosen on this tape out of 9 settings"): it stands
            above the verdict, and what is above zero is then not called more than luck.
        trust: Run the strategy file that a recording from elsewhere names.
        data_dir: The bot's data folder; None: that of a command which is told none (`microbot config`).

    Raises:
        UserError: In one sentence, for what cannot be reported on, and without the extra.
    """
    with needed("a report needs"):
        from research.report import sources
        from research.report.figures import figures_of
        from service.data_folder import place
        from service.recorded.decisions import Changes
        from service.recorded.trust import Trust

        folder = place.folder(data_dir)
        path = sources.resolve(Path(run), folder)
        changes = Changes(*layers(settings), strategy)
        found = sources.gather(sources.Wanted(path, changes, Trust(folder, trust), environment={}))
        figures = figures_of(found)
        figures.note = note or ""
        return Report(figures, found)
