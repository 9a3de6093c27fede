"""Whose strategy a replay runs: a recording names a file, and to load it is to run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from actors.messages import StrategySource
from service import strategy_files
from service.data_folder import SESSIONS
from service.errors import UserError
from service.recorded.tapes import SettingsRecorded
from service.settings import Settings


class Trust(msgspec.Struct, frozen=True):
    """Which recordings may say what is run: those that this bot made, and all if a person says so."""

    data_dir: Path
    everything: bool = False  # by --trust
    say: Callable[[str], None] = lambda _: None

    def strategy(
        self, path: Path, recorded: SettingsRecorded | None, chosen: str | None, settings: Settings
    ) -> str | StrategySource | None:
        """Return the strategy to run: the one that was chosen, else the one that the recording names, and say so.

        A recording in which the strategy was replaced carries its source along.

        Raises UserError if a recording from elsewhere names one, also in its [strategies.NAME] as far as the effective
        settings have them from it, or if there is no such file.
        """
        for name, use in settings.strategies.items():
            if use.file and recorded is not None and "file" not in settings.chosen_in(f"strategies.{name}"):
                self._take(path, use.file, f"--set strategies.{name}.file=FILE.py:NAME")
        if chosen is not None or recorded is None or recorded.strategy is None:
            return chosen
        named, watched = recorded.strategy, recorded.watched
        if watched is not msgspec.UNSET:
            self._check(path, named, "--strategy")
            self.say(f"running the strategy {named} as the recording {path} holds it (--strategy takes another)")
            return watched.source
        self._take(path, named, "--strategy")
        return named

    def _check(self, path: Path, named: str, other: str) -> None:
        if not (self.everything or self._is_own(path)):
            raise UserError(
                f"{path} names the strategy {named}, which would be run, and is no session of {self.data_dir}: "
                f"trust it (--trust), or name another ({other})"
            )

    def _take(self, path: Path, named: str, other: str) -> None:
        self._check(path, named, other)
        if not strategy_files.is_there(named):
            where = "" if Path(named).is_absolute() else "; it is named relative to the folder in which the bot ran"
            raise UserError(
                f"{path} names the strategy {named}, and there is no such file{where}: "
                f"replay it from there, or name the file with {other}"
            )
        self.say(f"running the strategy that the recording {path} names: {named} ({other} takes another)")

    def _is_own(self, path: Path) -> bool:
        return path.resolve().parent == (self.data_dir / SESSIONS).resolve()
