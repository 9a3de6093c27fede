"""Backtests from Python: the core of the live bot, fed from a tape, with what it decided as plain values."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from actors.engine.core import Input
from actors.messages import AccountOpened, DayStarted, EntryLooked, Fact, PositionClosed, SignalRaised
from actors.portfolio.lines import SignalLine, TradeLine
from pipeline.checked import shown
from pipeline.strategy import Entries, Strategy
from service import settings as settings_, strategies
from service.data_folder import place
from service.errors import UserError
from service.extras import missing
from service.recorded import replay as replaying, tapes
from service.recorded.trust import Trust

if TYPE_CHECKING:
    import pandas
    import polars

Tape = str | PathLike[str] | Iterable[Input]
"""A file (JSON Lines, `.gz`, a recording, Parquet, LOBSTER), or its events in their order."""

SettingsGiven = Mapping[str, Any] | str | PathLike[str]
"""What differs from the defaults, by section or by path (`{"risk.position_size": 10}`), or the name of a TOML file."""

Table = Literal["trades", "signals", "equity", "readings"]

_BATCH = 1_000  # events that are checked before they are fed


_BLANKS: dict[Any, Any] = {int: 0, float: 0.0, bool: False}


def _times_of(columns: Iterable[str]) -> list[str]:
    return [name for name in columns if name == "ts" or name.endswith("_ts")]


class EquityPoint(msgspec.Struct, frozen=True):
    """Equity of the closed trades, in money, from `ts` (ns since 1970, UTC) on."""

    ts: int
    equity: float


class ReadingPoint(msgspec.Struct, frozen=True):
    """What one condition saw at a ready tick: value and threshold in the condition's own unit.

    Likewise a number of `op.readings`, with the threshold 0 and passed; and a rule of `op.when`: 1 (LONG) or -1 (SHORT)
    where it holds, else 0.
    """

    ts: int
    symbol: str
    name: str
    value: float
    threshold: float
    passed: bool


class StrategyFailed(UserError):
    """A strategy raised while it decided.

    `result` is the `Backtest` up to there; `traceback` are the lines of the first failure's.
    """

    def __init__(self, result: Backtest) -> None:
        first = result.summary["failures"]["first"]
        super().__init__(f"the strategy of {first['symbol']} failed: {first['error']}")
        self.result = result
        self.traceback: tuple[str, ...] = tuple(first["traceback"])


class Backtest:
    """What a backtest decided, as plain values in the order in which they happened.

    Attributes:
        trades: Finished trades, with the fields of `trades.jsonl`.
        signals: Signals and what risk said to each, with the fields of `signals.jsonl`.
        equity: A point where the tape begins, at each day's start and after each trade.
        summary: The counts, the money and the funnel, as in `summary.json`.
    """

    def __init__(self, *, readings: bool = False) -> None:
        self.trades: list[TradeLine] = []
        self.signals: list[SignalLine] = []
        self.equity: list[EquityPoint] = []
        self.summary: dict[str, Any] = {}
        self._readings: list[ReadingPoint] | None = [] if readings else None

    @property
    def readings(self) -> list[ReadingPoint]:
        """What each condition saw at each ready tick. Raises UserError unless the backtest was told to keep them."""
        if self._readings is None:
            raise UserError("the readings were not kept: readings=True keeps them")
        return self._readings

    def to_frame(self, table: Table = "trades", library: Literal["pandas", "polars"] | None = None) -> Any:
        """Return a table as a data frame: of pandas where that is installed, else of polars.

        A row each, a column a field; times stay ns since 1970, UTC (`pandas.to_datetime(frame.exit_ts, utc=True)` makes
        dates of them). Raises UserError for a table that there is not, and where the library is missing.
        """
        kinds: dict[str, type[msgspec.Struct]] = {
            "trades": TradeLine,
            "signals": SignalLine,
            "equity": EquityPoint,
            "readings": ReadingPoint,
        }
        if table not in kinds:
            raise UserError(f"there is no table {table!r}: there are {', '.join(kinds)}")
        rows = getattr(self, table)
        columns = {name: [getattr(row, name) for row in rows] for name in kinds[table].__struct_fields__}
        if not rows:  # one row that goes again: without any, a library knows no types
            columns = {field.name: [_BLANKS.get(field.type, "")] for field in msgspec.structs.fields(kinds[table])}
        for name in (library,) if library is not None else ("pandas", "polars"):
            try:
                frame = importlib.import_module(name).DataFrame(columns)
            except ImportError:
                continue
            return frame if rows else frame[:0]
        wanted = library or "pandas or polars"
        raise missing(f"data frames need {wanted}")

    def to_pandas(self, table: Table = "trades") -> pandas.DataFrame:
        """Return a table as a data frame of pandas: a row each, a column a field, times as dates in UTC.

        Raises UserError for a table that there is not, and where pandas is missing.
        """
        frame = self.to_frame(table, "pandas")
        to_datetime = importlib.import_module("pandas").to_datetime
        for name in _times_of(frame.columns):
            frame[name] = to_datetime(frame[name], unit="ns", utc=True)
        return frame

    def to_polars(self, table: Table = "trades") -> polars.DataFrame:
        """Return a table as a data frame of polars: a row each, a column a field, times as dates in UTC.

        Raises UserError for a table that there is not, and where polars is missing.
        """
        frame = self.to_frame(table, "polars")
        datetime = importlib.import_module("polars").Datetime("ns", "UTC")
        return cast("polars.DataFrame", frame.cast(dict.fromkeys(_times_of(frame.columns), datetime)))

    def __repr__(self) -> str:
        pnl = self.summary.get("total_pnl", 0.0)
        ticks = self.summary.get("ticks", 0)
        return f"<Backtest: {ticks:,} ticks, {len(self.signals)} signals, {len(self.trades)} trades, P/L {pnl:+.2f}>"

    def _take(self, fact: Fact) -> None:
        """Keep what a fact says of trades, signals, equity and readings."""
        if isinstance(fact, SignalRaised):
            self.signals.append(SignalLine.of(fact))
        elif isinstance(fact, PositionClosed):
            self.trades.append(TradeLine.of(fact))
            self.equity.append(EquityPoint(fact.exit_ts, float(fact.equity)))
        elif isinstance(fact, DayStarted | AccountOpened):
            self.equity.append(EquityPoint(fact.ts, float(fact.equity)))
        elif isinstance(fact, EntryLooked) and self._readings is not None:
            self._readings += (
                ReadingPoint(fact.ts, fact.symbol, seen.name, seen.value, seen.threshold, seen.passed)
                for seen in fact.readings
            )


def backtest(
    tape: Tape,
    *,
    strategy: Strategy | Entries | str | None = None,
    settings: SettingsGiven | None = None,
    readings: bool = False,
    fail_fast: bool = True,
) -> Backtest:
    """Decide on a tape as the bot would, and return what it decided.

    It decides what `microbot replay` decides on the same tape with the same settings; of the environment nothing is
    read. What a person should know of the tape or the strategy's conditions is said by `warnings.warn`.

    Args:
        tape: A file, or events in the order of their `ts`. A recording brings its own settings, beneath yours.
        strategy: A function from ticks to signals (it gets the default exits), a `Strategy`, or "FILE.py:NAME". None
            takes the one that a recording of this data folder names, else the default one.
        settings: What differs from the defaults: `{"risk": {"position_size": 10}}` and `{"risk.position_size": 10}`
            say the same. Or the name of a TOML file.
        readings: Keep what each condition saw at each ready tick: a point a tick and condition, in memory.
        fail_fast: End at the first input at which the strategy raises. If False, its chain begins again within its
            budget, as live, and `summary["failures"]` tells.

    Raises:
        UserError: In one sentence, for a tape, a strategy or settings that cannot be used.
        StrategyFailed: A UserError too: the strategy raised, and `fail_fast` is on.
    """
    return _decided(tape, strategy, settings, readings=readings, fail_fast=fail_fast)


def replay(
    tape: str | PathLike[str],
    *,
    strategy: Strategy | Entries | str | None = None,
    settings: SettingsGiven | None = None,
    out: str | PathLike[str] | None = None,
    trust: bool = False,
    data_dir: str | PathLike[str] | None = None,
    readings: bool = False,
    fail_fast: bool = False,
) -> Backtest:
    """Decide a recorded session, or any tape, again: the command `microbot replay` as a function.

    A recording is decided with its own settings and strategy; `settings` and `strategy` change them. The strategy file
    that a recording names is run only if the recording is a session of `data_dir`, or with `trust`.

    Args:
        tape: A recording, JSON Lines (`.gz`), Parquet, or LOBSTER.
        strategy: As of `backtest`.
        settings: As of `backtest`, over those that were recorded.
        out: A folder for `signals.jsonl`, `trades.jsonl` and `summary.json`; it is made if need be.
        trust: Run the strategy file that a recording from elsewhere names.
        data_dir: The bot's data folder; None: that of a command which is told none (`microbot config`).
        readings: As of `backtest`.
        fail_fast: As of `backtest`.

    Raises:
        UserError: As of `backtest`, and if `out` cannot be written.
        StrategyFailed: As of `backtest`.
    """
    trusted = Trust(place.folder(data_dir), trust)
    return _decided(
        Path(tape), strategy, settings, trusted, Path(out) if out else None, readings=readings, fail_fast=fail_fast
    )


def read_tape(path: str | PathLike[str]) -> Iterator[Input]:
    """Return a tape's events in their order: `Trade`, `Quote`, `Clock`, and what else a recording holds.

    The file is read while you iterate. Raises UserError if there is none, or if it is no tape.
    """
    file = Path(path)
    tapes.check(file)
    return (event for batch in tapes.read(file, say=warnings.warn) for event in batch)


def _decided(
    tape: Tape,
    strategy: Strategy | Entries | str | None,
    settings: SettingsGiven | None,
    trusted: Trust | None = None,
    out: Path | None = None,
    *,
    readings: bool,
    fail_fast: bool,
) -> Backtest:
    result = Backtest(readings=readings)
    told: list[str] = []
    if isinstance(tape, str | PathLike):
        path = Path(tape)
        trusted = trusted or Trust(place.usual().data)
        tapes.size(path)
        recorded = tapes.recorded_settings(path)
        chosen = _settings(settings, recorded)
        wanted: strategies.Wanted = strategy
        if strategy is None or isinstance(strategy, str):
            wanted = trusted.strategy(path, recorded, strategy, chosen)
        else:
            trusted.strategy(path, recorded, "made in Python", chosen)  # those of [strategies.NAME] are named
        summary = replaying.replay(
            path, chosen, wanted, out, say=told.append, see=result._take, fail_fast=fail_fast, debug=readings
        )
    else:
        chosen = _settings(settings, None)
        made = strategies.lineup(strategy, chosen)
        summary = replaying.decide(
            _checked(tape), chosen, made, result._take, told.append, fail_fast=fail_fast, debug=readings
        )
    result.summary = msgspec.json.decode(replaying.summary_json(summary))
    if fail_fast and replaying.failed(summary):
        raise StrategyFailed(result)
    for sentence in told:
        warnings.warn(sentence, stacklevel=3)  # at the line that called `backtest` or `replay`
    return result


def no_settings(given: object) -> UserError:
    """Return what is said of settings that are none."""
    return UserError(f"settings= is a {type(given).__name__}: it must be a mapping, or the name of a TOML file")


def _settings(given: SettingsGiven | None, recorded: tapes.SettingsRecorded | None) -> settings_.Settings:
    layer = recorded.settings if recorded is not None else None
    if given is None or isinstance(given, Mapping):
        return settings_.load(given=given, recorded=layer, environment={})
    if isinstance(given, str | PathLike):
        return settings_.load(Path(given), recorded=layer, environment={})
    raise no_settings(given)


def _checked(events: Iterable[Input]) -> Iterator[list[Input]]:
    """Read events as a tape of them would be read. Raises UserError, naming the first that no tape can hold."""
    try:
        numbered = enumerate(events, 1)
    except TypeError:
        raise UserError(f"the tape is a {type(events).__name__}: it must be a file, or events") from None
    encode = msgspec.json.Encoder(enc_hook=_number).encode
    reader = tapes.Reader()
    while batch := list(islice(numbered, _BATCH)):
        read: list[Input] = []
        for number, event in batch:
            try:
                found = reader.lines([encode(event)])
            except (TypeError, ValueError) as error:
                raise UserError(f"event {number} of the tape cannot be read: {error} ({shown(event)})") from None
            if not found or reader.refused:
                why = reader.why or "no known type"
                raise UserError(f"event {number} of the tape cannot be read: {why} ({shown(event)})")
            read += found
        yield read


def _number(value: Any) -> Any:
    """Return a number of NumPy, as it stands in a data frame, as the number of Python that it is."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a {type(value).__name__} is neither number nor text")
