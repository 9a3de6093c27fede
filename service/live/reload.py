"""Hot reload: a strategy's files are watched, and what is saved takes the place of the strategy that runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from traceback import format_exception_only

from loguru import logger

from actors.engine.authors import described, traced
from actors.engine.core import Core
from actors.engine.rehearsal import MarketData
from actors.engine.reloading import Reloading
from actors.messages import Fact, StrategyRefused, StrategyReplaced, StrategySource
from pipeline.strategy import Strategies, Strategy
from service import strategies, strategy_source
from service.errors import UserError
from service.recorded.tapes import StrategyWatched
from service.settings import Settings

KEPT = 20_000
"""Trades and quotes that are kept to warm a strategy up, which takes the loop some tenths of a second."""

LOOK_S = 0.2  # real seconds between two looks at the files
_SETTLED = 1  # looks at which they stay as they are: then they are read
_PATIENCE = 5  # looks for which a file that is missing, or does not compile, may be half of a save

_log = logger.bind(logger="microbot.strategy")


class StrategyInForce:
    """The strategy that trades now, and the source that it was made of, where it may be replaced.

    `prepare` makes the next one ready, which the core takes when it is fed the input that names its source.
    """

    def __init__(self, strategy: Strategies, source: StrategySource | None) -> None:
        self.strategy = strategy
        self.source = source
        self._next: tuple[StrategySource, Strategy] | None = None

    def reloading(self) -> Reloading | None:
        """Return what a session's core needs to replace its strategy; None where that is not wished."""
        return Reloading(self._take, KEPT) if self.source is not None else None

    @property
    def watched(self) -> StrategyWatched | None:
        """What a session's recording begins with; None where the strategy is not watched."""
        return StrategyWatched(self.source, KEPT) if self.source is not None else None

    def prepare(self, source: StrategySource, strategy: Strategy) -> None:
        self._next = source, strategy

    def note_fact(self, fact: Fact) -> None:
        """Take note of a strategy that took the place of the one before."""
        if isinstance(fact, StrategyReplaced) and self._next is not None:
            self.source, strategy = self._next
            self.strategy = Strategies(strategy)

    def _take(self, source: StrategySource) -> Strategy:
        if self._next is None or self._next[0] != source:
            raise UserError(f"the strategy {source.short} was not made ready")
        return self._next[1]


class Workshop:
    """Makes a strategy of its source and tries it out, away from the core.

    `kept` returns what a strategy is warmed up with: a core of its own is fed that, so exits are tried as well.
    """

    def __init__(self, settings: Settings, kept: Callable[[], Sequence[MarketData]]) -> None:
        self._settings = settings
        self._kept = kept

    def made(self, source: StrategySource) -> Strategy:
        """Return a strategy that was not run before. Raises UserError if it cannot be built, or raised on trial."""
        with strategy_source.on_trial():
            core = Core(self._settings.core, strategies.chosen(source, self._settings))
            core.run(self._kept())
            core.finish()
            if (first := core.failures.summary()["first"]) is not None:
                said = f"the strategy of {first['symbol']} failed while it was warmed up: {first['error']}"
                raise TrialFailed(said, tuple(first["traceback"]))
        return strategies.chosen(source, self._settings)


class TrialFailed(UserError):
    """A strategy raised on what it was warmed up with; `traceback` has a line each."""

    def __init__(self, sentence: str, traceback: tuple[str, ...]) -> None:
        super().__init__(sentence)
        self.traceback = traceback


class SourceWatch:
    """Looks at the files of a strategy, and has a new one made when they were saved.

    Watched are the strategy's file, what it imports from its own folder, and the folder itself for names that come
    and go. A save is read once nothing has changed for a look; one that does not compile, or is not there, is given
    some looks more, since it may be half done. `make` returns the strategy or raises UserError; `replace` gets what it
    made, `refuse` why there is none.
    """

    def __init__(
        self,
        source: StrategySource,
        make: Callable[[StrategySource], Strategy],
        replace: Callable[[StrategySource, Strategy], object],
        refuse: Callable[[StrategyRefused], object],
    ) -> None:
        self._reference = source.reference
        self._make = make
        self._replace = replace
        self._refuse = refuse
        self._runs = self._tried = source.sha256
        self._watched = set(strategy_source.paths(source))
        self._stamps = self._look_at_files()
        self._waits = False  # for a change to settle
        self._still = 0  # looks since the last change

    def look(self) -> None:
        """Look once; what was saved is tried here, which takes as long as it takes."""
        stamps = self._look_at_files()
        if stamps != self._stamps:
            self._stamps, self._waits, self._still = stamps, True, 0
            return
        self._still += 1
        if self._waits and self._still >= _SETTLED:
            self._read()

    def _read(self) -> None:
        found = ""  # the hash of what is there, or what is wrong with it
        try:
            source = strategy_source.read(self._reference)
            found = source.sha256
            self._watched |= set(strategy_source.paths(source))
            self._stamps = self._look_at_files()
            strategy_source.check_compiles(source)
        except (UserError, SyntaxError, ValueError, RecursionError) as error:
            found = found or str(error)
            if self._still >= _PATIENCE and found != self._tried:
                self._refuse_for(error)
            self._waits = self._still < _PATIENCE
            self._tried = self._tried if self._waits else found
            return
        self._waits = False
        if source.sha256 == self._tried:
            return
        self._tried = source.sha256
        if source.sha256 == self._runs:
            _log.bind(event="strategy.saved", sha256=source.sha256).info(f"{source.short} was saved: it is what runs")
        else:
            self._try(source)

    def _try(self, source: StrategySource) -> None:
        _log.bind(event="strategy.saved", sha256=source.sha256).info(f"{source.short} was saved, and is tried")
        try:
            strategy = self._make(source)
        except Exception as error:  # of any kind: the strategy that runs goes on
            self._refuse_for(error)
        else:
            self._runs = source.sha256
            self._replace(source, strategy)

    def _refuse_for(self, error: Exception) -> None:
        cause = error.__cause__ or error
        if isinstance(error, TrialFailed):
            lines = error.traceback
        elif isinstance(cause, SyntaxError):
            lines = tuple("".join(format_exception_only(cause)).splitlines())
        else:
            lines = traced(cause) if error.__cause__ is not None else ()
        file = strategy_source.split(self._reference)[0]
        said = (
            str(error) if isinstance(error, UserError) else f"the strategy {file} cannot be loaded: {described(error)}"
        )
        self._refuse(StrategyRefused(self._reference, said, 0, 0, lines))

    def _look_at_files(self) -> dict[Path, tuple[int, int, int]]:
        folder = Path(strategy_source.split(self._reference)[0]).parent
        return {path: _stamp(path) for path in sorted({*self._watched, folder})}


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino
