"""Replay: feed a tape to the core, and write down what it decides."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import msgspec
from msgspec import UNSET
from reactivex.internal import noop

from actors.actor import Receiver
from actors.engine.core import Core, Input
from actors.engine.reloading import Reloading
from actors.messages import ChainFailed, Fact, PositionClosed, SignalRaised, StrategySource
from actors.orders import OrderCommand
from actors.portfolio.lines import SignalLine, TradeLine
from pipeline.strategy import Strategies, Strategy
from service import settings as settings_, strategies
from service.conditions import doubts, never_in_turn, never_ready
from service.errors import make_folder, writing
from service.recorded import simulation, tapes
from service.settings import Settings

_encode = msgspec.json.Encoder(decimal_format="number").encode
PAPER = "paper"  # what the order ids of a simulated session begin with, unless it goes on from another


class Decisions:
    """Writes signals.jsonl, trades.jsonl and summary.json into a folder, which is made if need be."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with writing(f"the folder {folder}"), ExitStack() as stack:
            make_folder(folder)
            self._signals = stack.enter_context(self._open("signals.jsonl"))
            self._trades = stack.enter_context(self._open("trades.jsonl"))
            self._files = stack.pop_all()

    def _open(self, name: str) -> IO[bytes]:
        return (self._folder / name).open("wb")

    def see(self, fact: Fact) -> None:
        """Write a fact down if it is a decision."""
        if isinstance(fact, SignalRaised):
            self._signals.write(_encode(SignalLine.of(fact)) + b"\n")
        elif isinstance(fact, PositionClosed):
            self._trades.write(_encode(TradeLine.of(fact)) + b"\n")

    def finish(self, summary: dict[str, object]) -> None:
        """Write the summary."""
        with writing(f"the folder {self._folder}"):
            self.close()
            (self._folder / "summary.json").write_bytes(summary_json(summary))

    def close(self) -> None:
        """Close the files."""
        self._files.close()


def summary_json(summary: dict[str, object]) -> bytes:
    """Return a summary as indented JSON with a final newline."""
    return msgspec.json.format(_encode(summary), indent=2) + b"\n"


def failed(summary: dict[str, object]) -> bool:
    """Whether a strategy raised in what a summary tells of."""
    failures = summary.get("failures")
    return isinstance(failures, dict) and bool(failures["count"])


def replay(
    tape: Path,
    settings: Settings,
    strategy: strategies.Wanted = None,
    out: Path | None = None,
    progress: tapes.Progress = lambda _: None,
    say: tapes.Say = lambda _: None,
    *,
    see: Callable[[Fact], None] = noop,
    fail_fast: bool = False,
    debug: bool = False,
    simulated: bool | None = None,
    begin: Callable[[Core], None] = noop,
) -> dict[str, object]:
    """Feed a tape to a fresh core and return the summary; with `out`, write the three files there.

    The recording of a session at a broker has what the broker said to that session's orders. Where settings or strategy
    are others than its own, fills are simulated instead, and that is said; `simulated` decides that for the caller.

    `begin` is told the core, and `see` each fact, with `debug` every look at an entry as well. `fail_fast` ends it with
    the first input at which a strategy raises.
    """
    tapes.check(tape)  # a missing tape, and what is none, is said before a folder is made
    recorded = tapes.recorded_settings(tape)
    asked = simulated
    if asked is None:
        simulated = recorded is not None and other_orders(recorded, settings, strategy)
    if simulated:
        settings = simulation.settings_of(tape, settings)
        if asked is None:
            say(simulation.said_of(tape, settings))
    chosen = strategies.lineup(strategy, settings)

    with ExitStack() as stack:
        decisions = stack.enter_context(contextlib.closing(Decisions(out))) if out is not None else None

        def look(fact: Fact) -> None:
            see(fact)
            if decisions is not None:
                decisions.see(fact)

        batches: Iterable[list[Input]] = tapes.read(tape, progress, say)
        if simulated:
            batches = simulation.without_broker(batches)
        reloading = reloading_of(recorded, settings, strategy)
        summary = decide(
            batches,
            settings,
            chosen,
            look,
            say,
            recorded=recorded,
            reloading=reloading,
            fail_fast=fail_fast,
            debug=debug,
            simulated=bool(simulated),
            begin=begin,
        )
        if decisions is not None:
            decisions.finish(summary)
    return summary


def decide(
    batches: Iterable[Iterable[Input]],
    settings: Settings,
    strategy: Strategy | Strategies,
    see: Callable[[Fact], None] = noop,
    say: tapes.Say = lambda _: None,
    *,
    recorded: tapes.SettingsRecorded | None = None,
    reloading: Reloading | None = None,
    fail_fast: bool = False,
    debug: bool = False,
    simulated: bool = False,
    begin: Callable[[Core], None] = noop,
) -> dict[str, object]:
    """Feed inputs to a fresh core and return the summary; say what a person has to know of how it went."""
    failures: dict[str, list[str]] = {}  # of the strategy, by symbol

    def look(fact: Fact) -> None:
        see(fact)
        if isinstance(fact, ChainFailed):
            failures.setdefault(fact.symbol, []).append(fact.error)

    core = core_of(recorded, settings, strategy, look, reloading=reloading, debug=debug, simulated=simulated)
    begin(core)
    for batch in batches:
        core.run(_until_failure(core, batch) if fail_fast else batch)
        if fail_fast and core.failures.by_symbol:
            say(f"a strategy failed at input {core.input:,}, and --fail-fast ends the replay there")
            break
    core.finish()
    exits = [context.chain.strategy.exits for context in core.contexts.values()]
    for sentence in dict.fromkeys(said for each in exits for said in never_in_turn(each, settings.core.fallback)):
        say(sentence)
    for doubt in doubts(core):
        say(doubt.sentence)
    for sentence in never_ready(core):
        say(sentence)
    for symbol, errors in failures.items():
        times = "once" if len(errors) == 1 else f"{len(errors)} times"
        say(f"the strategy of {symbol} failed {times}, at last by {errors[-1]}")
    return core.summary()


def _until_failure(core: Core, batch: Iterable[Input]) -> Iterator[Input]:
    for event in batch:
        yield event
        if core.failures.by_symbol:
            return


def core_of(
    recorded: tapes.SettingsRecorded | None,
    settings: Settings,
    strategy: Strategy | Strategies,
    see: Callable[[Fact], None],
    *,
    reloading: Reloading | None = None,
    debug: bool = False,
    broker: Receiver[OrderCommand] | None = None,
    simulated: bool = False,
) -> Core:
    """Make the core that decides on a tape again, or a recording as its session's did.

    `broker` is told what a session at a broker would send, in place of `Nowhere`; with `simulated`, fills are simulated
    in it instead.
    """
    of_old = recorded is not None and recorded.now != tapes.MARKETS
    name, venue = (recorded and recorded.paper_book) or PAPER, None
    if recorded is not None and recorded.book and not simulated:
        # What the broker said is in the recording: orders go nowhere.
        name, venue = recorded.book, broker or Nowhere()
    return Core(
        settings.core,
        strategy,
        see,
        book=name,
        debug=debug,
        broker=venue,
        any_time_moves=of_old,
        reloading=reloading,
    )


def other_orders(recorded: tapes.SettingsRecorded, settings: Settings, strategy: strategies.Wanted) -> bool:
    """Whether a session at a broker may send other orders now than it did: what the broker said is of those alone."""
    if not recorded.book:
        return False
    then = settings_.load(recorded=recorded.settings, environment={})
    same = strategy == recorded.strategy or isinstance(strategy, StrategySource)
    return not same or settings.core != then.core


def reloading_of(
    recorded: tapes.SettingsRecorded | None, settings: Settings, strategy: strategies.Wanted
) -> Reloading | None:
    """Return what replaces the strategy where the recording says so; None where another was chosen, which stays."""
    if recorded is None or recorded.watched is UNSET or not isinstance(strategy, StrategySource):
        return None
    return Reloading(lambda source: strategies.load_source(source, settings.strategy), recorded.watched.kept)


class Nowhere:
    """The broker of a replay: it takes every order, and sends none."""

    def receive(self, message: object) -> None: ...
