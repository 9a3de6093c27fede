"""What a report is about, by what is named: a tape, a session, a folder of `replay --out`, or a journal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from actors.engine.core import Input
from actors.engine.reloading import Reloading
from actors.gateway.sqlite_journal import JournalUnusable, settings_of, strategies_of
from actors.portfolio.lines import SignalLine, TradeLine
from pipeline.events import SECOND
from pipeline.strategy import Strategies, Strategy
from research.report import execution
from research.report.figures import DEFAULT
from research.report.gathered import Costs, Gathered, Trade
from research.report.watching import Watch, open_positions, watched
from service import settings as settings_, strategies
from service.conditions import doubts, never_ready
from service.data_folder import JOURNAL, SESSIONS
from service.errors import UserError, reading, said_plainly
from service.journal_views import explain, history
from service.journal_views.cost_path import cost_path
from service.live.trade_ticks import MOST
from service.recorded import archive, replay as replaying, simulation, tapes
from service.recorded.decisions import Changes
from service.recorded.lines import Lines
from service.recorded.trust import Trust
from service.settings import Settings

_SQLITE = b"SQLite format 3\x00"
_ZONE = "America/New_York"  # of what does not say in which its days are
_END = 253_402_300_800 * SECOND  # of the year 9999
_MOST_STORIES = 2_000
"""Trades of a journal whose costs are read one by one; of more, the newest."""


class Wanted(msgspec.Struct, frozen=True):
    """What is reported on: the path as it was named, what is to be other than recorded, and whom to trust."""

    path: Path
    changes: Changes
    trust: Trust
    progress: Callable[[Path], Any] | None = None  # makes a context whose value is told bytes
    environment: Mapping[str, str] = os.environ  # where settings of MICROBOT_* are looked for


def resolve(named: Path, data_dir: Path) -> Path:
    """Find what was named: a path, else a session of the data folder by its file's name or "last". Raises UserError."""
    with reading(named):
        if named.exists():
            return named
    sessions = data_dir / SESSIONS
    if str(named) == "last":
        with reading(sessions):
            if found := archive.found_in(sessions):
                return found[-1]
        raise UserError(f"there is no session in {sessions} yet: `microbot run` records one")
    with reading(sessions / named):
        if (sessions / named).exists():
            return sessions / named
    raise UserError(
        f"there is no {named}: name a tape, a session (`microbot sessions` lists them; `last` is the newest), "
        "a folder of `microbot replay --out`, or a journal (microbot.db, or the data folder)"
    )


def kind_of(path: Path) -> str:
    """Say what a path is: tape, session, run or journal. Raises UserError for a folder that is none of these."""
    with reading(path):
        if (path / "trades.jsonl").exists():
            return "run"
        if (path / JOURNAL).exists():
            return "journal"
    if path.is_dir():
        raise UserError(
            f"the folder {path} holds neither trades.jsonl (`microbot replay TAPE --out {path}` writes it) nor "
            f"{JOURNAL} (a bot's data folder has it)"
        )
    with reading(path), path.open("rb") as file:
        if file.read(len(_SQLITE)) == _SQLITE:
            return "journal"
    return "tape" if tapes.recorded_settings(path) is None else "session"


def gather(wanted: Wanted) -> Gathered:
    """Gather what is known of a run; a tape and a session are decided for it. Raises UserError."""
    kind = kind_of(wanted.path)
    if kind in ("run", "journal"):
        if wanted.changes:
            raise UserError(
                f"{wanted.path} was decided already: settings and strategies change tapes and sessions only"
            )
        return _of_run(wanted.path) if kind == "run" else _of_journal(wanted.path)
    return _decided(wanted, kind)


# --------------------------------------------------------------------------------------------- tapes and sessions


def _decided(wanted: Wanted, kind: str) -> Gathered:
    path, changes = wanted.path, wanted.changes
    tapes.check(path)
    recorded = tapes.recorded_settings(path)
    effective = settings_.load(
        changes.config,
        changes.assignments,
        recorded=recorded.settings if recorded else None,
        environment=wanted.environment,
    )
    chosen = wanted.trust.strategy(path, recorded, changes.strategy, effective)
    said: list[str] = []
    simulated = recorded is not None and replaying.other_orders(recorded, effective, chosen)
    if simulated:
        effective = simulation.settings_of(path, effective)
        said.append(simulation.said_of(path, effective))
    elif recorded is not None and recorded.book:
        said.append("its orders were filled by a broker: prices and fees are what the venue said, not simulated")
    with _progress(wanted) as progress:
        batches: Iterable[list[Input]] = tapes.read(path, progress, said.append)
        found = decide(
            simulation.without_broker(batches) if simulated else batches,
            effective,
            strategies.lineup(chosen, effective),
            recorded=recorded,
            reloading=replaying.reloading_of(recorded, effective, chosen),
            simulated=simulated,
        )
    named = changes.strategy or (recorded.strategy if recorded else None) or ""
    others = list(effective.strategies)
    said += found.said
    strategy = ", ".join([str(named) or DEFAULT, *others]) if others else str(named)
    orders = execution.of_session(wanted.trust.data_dir, path) if kind == "session" else {}
    return msgspec.structs.replace(found, name=path.name, kind=kind, strategy=strategy, said=said, execution=orders)


def decide(
    batches: Iterable[Sequence[Input]],
    effective: Settings,
    strategy: Strategy | Strategies,
    *,
    recorded: tapes.SettingsRecorded | None = None,
    reloading: Reloading | None = None,
    simulated: bool = False,
) -> Gathered:
    """Decide events with the bot's own core, and gather what the report tells of them."""
    watch = Watch()
    core = replaying.core_of(recorded, effective, strategy, watch.see, reloading=reloading, simulated=simulated)
    watch.begin(core)
    summary = msgspec.json.decode(replaying.summary_json(watched(core, batches, watch)))
    said = [*(doubt.sentence for doubt in doubts(core)), *never_ready(core)]
    if replaying.failed(summary):
        first = summary["failures"]["first"]
        said.append(f"the strategy of {first['symbol']} failed: {first['error']}")
    return Gathered(
        name="events",
        kind="tape",
        trades=watch.trades,
        signals=watch.signals,
        summary=summary,
        zone=effective.core.risk.timezone,
        settings=_told(effective),
        open=open_positions(core),
        bars=watch.bars,
        said=said,
    )


def _progress(wanted: Wanted) -> Any:
    import contextlib

    if wanted.progress is None:
        return contextlib.nullcontext(lambda _: None)
    return wanted.progress(wanted.path)


def _told(effective: Settings) -> dict[str, Any]:
    """Return the settings that decide, by section."""
    core = effective.core
    told: dict[str, Any] = msgspec.to_builtins(
        {"strategy": core.strategy, "risk": core.risk, "execution": core.execution}
    )
    return told


# -------------------------------------------------------------------------------------------- folders and journals


class _Summary(msgspec.Struct):
    """What of a summary is told: the file is decoded into it for its types alone."""

    ticks: int | None = None
    equity: float | None = None
    halted: bool = False
    funnel: dict[str, int] = {}
    blocked: dict[str, int] = {}
    refusals: dict[str, int] = {}


def _of_run(folder: Path) -> Gathered:
    trades = [Trade(line) for line in _rows(folder / "trades.jsonl", TradeLine)]
    for number, trade in enumerate(trades, 1):
        if not (
            trade.value > 0 and trade.line.entry_price > 0 and 0 <= trade.line.entry_ts <= trade.line.exit_ts < _END
        ):
            raise UserError(
                f"the file {folder / 'trades.jsonl'} cannot be read: trade {number:,} has a price or a quantity that "
                "is not above 0, or times that are none"
            )
    signals = _rows(folder / "signals.jsonl", SignalLine) if (folder / "signals.jsonl").exists() else []
    summary: dict[str, Any] = {}
    if (folder / "summary.json").exists():
        try:
            text = (folder / "summary.json").read_bytes()
            msgspec.json.decode(text, type=_Summary)
            summary = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OSError) as error:
            raise UserError(f"the file {folder / 'summary.json'} cannot be read: {error}") from None
    said = [
        "a folder holds no prices: what spread and slippage cost, how far prices went, and the chart are told of the "
        "tape itself"
    ]
    said.append(
        f"a folder does not say which strategy decided, nor what risk.timezone was: days and hours are those of {_ZONE}"
    )
    return Gathered(folder.name, "run", trades, signals, summary, _ZONE, strategy=None, said=said)


def _rows(path: Path, kind: type[Any]) -> list[Any]:
    try:
        with Lines(path, what="file") as source:
            return [msgspec.json.decode(row, type=kind) for _, row in source.filled()]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"the file {path} cannot be read: {error}") from None


def _of_journal(path: Path) -> Gathered:
    folder = path if path.is_dir() else path.parent
    file = path / JOURNAL if path.is_dir() else path
    rows = list(history.rows(file, "trades"))
    trades = []
    for number, row in enumerate(rows):
        values = {name: row[name] for name in TradeLine.__struct_fields__ if name != "id"} | {"id": row["decision"]}
        line = msgspec.convert(values, TradeLine, strict=False)
        costs = worst = best = None
        if file.name == JOURNAL and number >= len(rows) - _MOST_STORIES:
            costs, worst, best = _journaled(folder, row, line)
        trades.append(Trade(line, costs, worst, best))
    signals = []
    for row in history.rows(file, "signals"):
        verdict = row["verdict"]
        told = {name: row[name] for name in SignalLine.__struct_fields__ if name in row}
        told |= {"id": row["decision"], "decision": "APPROVED" if verdict == "approved" else "REJECTED"}
        told |= {"reason": None if verdict == "approved" else str(verdict)}
        signals.append(msgspec.convert(told, SignalLine, strict=False))
    with said_plainly(JournalUnusable):
        told_settings = settings_of(file)
        orders = execution.of_journal(file)
    zone = history.zone_in(told_settings[-1][1]) if told_settings else "UTC"
    said = [f"{len(rows):,} trades of every run that the journal holds"]
    if len(rows) > _MOST_STORIES:
        said.append(f"what trades cost on their way is told of the newest {_MOST_STORIES:,}")
    if any(trade.worst is not None for trade in trades):
        said.append(
            f"how far prices went is told of the ticks that the journal kept around a trade: of more than {MOST:,} "
            "some were left out, and prices may have gone further"
        )
    summary = {"trades": len(trades), "total_pnl": sum(trade.line.pnl for trade in trades)}
    strategy = _strategy_of(file, {row["run"] for row in rows})
    return Gathered(
        file.name, "journal", trades, signals, summary, zone, strategy=strategy, said=said, execution=orders
    )


def _strategy_of(file: Path, runs: set[int]) -> str | None:
    """Name what the runs with trades were decided by: empty for the default strategy, None without any."""
    with said_plainly(JournalUnusable):
        named = strategies_of(file)
    used = dict.fromkeys(name for run, name in named.items() if run in runs)
    return "" if list(used) == [DEFAULT] else ", ".join(used) or None


def _journaled(folder: Path, row: dict[str, Any], line: TradeLine) -> tuple[Costs | None, float | None, float | None]:
    """Return what the journal knows of a trade's way: its costs, and its range by the ticks that are kept around it."""
    try:
        story = explain.story(folder, str(row["origin"] or f"{row['run']}/{row['decision']}"))
    except UserError:
        return None, None, None
    way = cost_path(story)
    costs = None
    if way is not None:
        spread = None if way.spread is None else float(way.spread)
        costs = Costs(
            float(way.at_triggers), spread, float(way.slippage), float(way.fees), float(way.net), not way.missing
        )
    ticks = story.ticks.ticks if story.ticks is not None else ()
    prices = [float(tick[1]) for tick in ticks if line.entry_ts < int(tick[0]) <= line.exit_ts]
    if not prices:
        return costs, None, None
    down, up = min(prices) / line.entry_price - 1, max(prices) / line.entry_price - 1
    if line.side == "SHORT":
        down, up = -up, -down
    return costs, min(down, 0.0), max(up, 0.0)
