"""`microbot run`: its options, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service import outlet
from service.cli.options import (
    Assignments,
    Config,
    DataDir,
    DataFeedOption,
    FailFast,
    Json,
    LogDir,
    Strategy,
    check_data_feed,
    names,
    taking,
)
from service.data_folder import place
from service.errors import UserError
from service.exit_codes import ExitCode
from service.venues import Venue

if TYPE_CHECKING:
    from service.options import RunOptions
    from service.settings import Settings


class OnExit(StrEnum):
    """What becomes of open positions at the end."""

    FLATTEN = "flatten"
    KEEP = "keep"


Feed = Annotated[
    str | None,
    typer.Option("--feed", metavar="URL|tape:FILE", help="Market data; without it the mock exchange is started."),
]
VenueOption = Annotated[
    Venue | None, typer.Option("--venue", help="A venue instead: alpaca with its paper orders; others: data only.")
]
Url = Annotated[str | None, typer.Option("--url", metavar="URL", help="In place of the venue's address: a rehearsal.")]
Rehearse = Annotated[
    bool, typer.Option("--rehearse", help="Start a mock exchange and trade there as at the venue: no account needed.")
]
Port = Annotated[int | None, typer.Option("--port", help="Of the dashboard; 0 takes a free one. [8080]")]
ExchangePort = Annotated[
    int | None, typer.Option("--exchange-port", help="Of the mock exchange it starts; 0 takes a free one. [8765]")
]
BasePath = Annotated[
    str | None,
    typer.Option("--base-path", metavar="/PATH/", help="Of the dashboard, behind a proxy that has other things too."),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Of the mock exchange's market. [7]")]
Speed = Annotated[
    float | None,
    typer.Option("--speed", help="Venue seconds a second: of the mock exchange [10], of a tape or --url [1]."),
]
Symbols = Annotated[str | None, typer.Option("--symbols", metavar="A,B", help="What to trade.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Begin a new book; the old one's history stays in the journal.")]
Record = Annotated[
    Path | None, typer.Option("--record", metavar="FILE", help="Record there. [DATA_DIR/sessions/START-VENUE.jsonl.gz]")
]
NoRecord = Annotated[bool, typer.Option("--no-record", help="Record nothing: then nothing can be replayed.")]
Duration = Annotated[
    float | None, typer.Option("--duration", metavar="SECONDS", help="Stop by itself after so many real seconds.")
]
Watchdog = Annotated[
    float | None,
    typer.Option("--watchdog", metavar="SECONDS", help="End, with exit code 1, where the core is stuck for so long."),
]
OnExitOption = Annotated[
    OnExit | None,
    typer.Option(
        "--on-exit", help="What becomes of open positions at the end. [flatten; at a broker it asks, or keeps them]"
    ),
]
Live = Annotated[
    bool, typer.Option("--live", help="At --venue alpaca: trade real money; asks for the account's number.")
]
Account = Annotated[
    str | None,
    typer.Option(
        "--account", metavar="NUMBER", help="At --venue alpaca: trade in this account only; --live asks no more."
    ),
]
Watch = Annotated[
    bool, typer.Option("--watch", help="Of --strategy: when the file is saved, go on with what it holds then.")
]
Open = Annotated[bool, typer.Option("--open", help="Open the dashboard in a browser.")]


@dataclass(frozen=True, kw_only=True)
class RunGiven:
    """The options of `run`, as they are given; `config` has the same, and tells what they come to."""

    feed: Feed = None
    venue: VenueOption = None
    url: Url = None
    rehearse: Rehearse = False
    port: Port = None
    base_path: BasePath = None
    exchange_port: ExchangePort = None
    seed: Seed = None
    speed: Speed = None
    symbols: Symbols = None
    data_feed: DataFeedOption = None
    strategy: Strategy = None
    config: Config = None
    assignments: Assignments = None
    log_dir: LogDir = None
    data_dir: DataDir
    fresh: Fresh = False
    record: Record = None
    no_record: NoRecord = False
    duration: Duration = None
    watchdog: Watchdog = None
    on_exit: OnExitOption = None
    live: Live = False
    account: Account = None
    open_browser: Open = False
    fail_fast: FailFast = False
    watch: Watch = False
    as_json: Json = None

    def options(self, ask: Callable[[str, Callable[[], bool]], str] | None) -> RunOptions:
        """Return what they say beyond the settings; `ask` puts questions. Raises UserError for what cannot be."""
        from service.options import RunOptions

        wanted = names(self.symbols)
        if self.symbols is not None and not wanted:
            raise UserError("--symbols wants names parted by commas, such as AAPL,MSFT")
        check_data_feed(self.data_feed, self.venue)
        options = RunOptions(
            feed=self.feed,
            venue=self.venue,
            url=self.url,
            rehearse=self.rehearse,
            speed=self.speed if self.speed is not None else 1.0,
            symbols=wanted,
            strategy=self.strategy,
            record=self.record,
            recorded=not self.no_record,
            duration_s=self.duration,
            watchdog_s=self.watchdog,
            on_exit=self.on_exit,
            ask=ask,
            live=self.live,
            account=self.account.strip() if self.account is not None else None,
            open_browser=self.open_browser,
            data_dir=self.data_dir,
            fail_fast=self.fail_fast,
            watch=self.watch,
            fresh=self.fresh,
            of_check=self._of_check(),
        )
        options.check()
        return options

    def settings(self) -> Settings:
        """Return the settings with them. Raises UserError.

        What trading costs by default depends on who fills the orders, and whom that one charges.
        """
        from service import settings

        def load(defaults: settings.Layer) -> Settings:
            logs = settings.logs_in(place.logs_of(self.data_dir))
            return settings.load(self.config, self.assignments or (), flags=self._flags(), defaults=defaults | logs)

        if self.venue is not Venue.ALPACA:
            return load(settings.LIVE_COSTS if self.venue is None else settings.ELSEWHERE)
        charged = load(settings.VENUE_FEES)
        if self.live or (self.rehearse and not charged.exchange.paper):
            return charged
        return load({})  # a paper account is charged no fees

    def _flags(self) -> dict[str, Any]:
        """Return those that are settings, by their paths; None where they are not given."""
        own = self.feed is None  # an exchange of its own, which the settings are about
        return {
            "feed.data_feed": self.data_feed,
            "web.port": self.port,
            "web.base_path": self.base_path,
            "log.dir": str(self.log_dir) if self.log_dir is not None else None,
            "exchange.port": self.exchange_port,
            "exchange.seed": self.seed,
            "exchange.speed": self.speed if own else None,
            "exchange.symbols": list(names(self.symbols)) or None if own else None,
        }

    def _of_check(self) -> tuple[str, ...]:
        """Return what `microbot check` wants of them as well: what makes the strategy what it is, and where."""
        words = ["--config", str(self.config)] if self.config is not None else []
        for assignment in self.assignments or ():
            words += ["--set", assignment] if assignment.strip().startswith("strateg") else []
        return *words, *(("--data-dir", str(self.data_dir)) if self.data_dir != place.usual().data else ())


@taking(RunGiven)
def run(given: RunGiven) -> None:
    """Trade on a live feed, on paper, with a dashboard at http://127.0.0.1:8080.

    Exit code 3 if a strategy failed.
    """
    from service import logs
    from service.cli import terminal
    from service.live import run as running_bot
    from service.recorded import replay as replaying

    options = given.options(terminal.ask if terminal.can_ask() else None)
    effective = given.settings()
    warn_of_secrets(effective, given.assignments or ())
    log_file = logs.configure(effective.log, zone=effective.risk.timezone)
    with outlet.nobody_waits(), outlet.prints_aside():
        outcome = running_bot.run(effective, options, terminal.say)
    terminal.print_outcome(outcome, log_file, as_json=given.as_json)
    if outcome.failure or outcome.record_failure:
        raise typer.Exit(ExitCode.REFUSED if outcome.refused else ExitCode.FAILED)
    if replaying.failed(outcome.summary):
        raise typer.Exit(ExitCode.STRATEGY_FAILED)


def warn_of_secrets(effective: Settings, assignments: Sequence[str]) -> None:
    """Say of secrets on the command line that every user of this machine can read them."""
    from service.cli import terminal

    if effective.web.has_own_secret and any(given.strip().startswith("web.secret") for given in assignments):
        terminal.say(
            "web.secret is on the command line, where every user of this machine can read it: put it into a settings "
            'file or MICROBOT_WEB__SECRET, or set it to "auto"'
        )
    if effective.signals.secret and any(given.strip().startswith("signals.secret=") for given in assignments):
        terminal.say(
            "signals.secret is on the command line, where every user of this machine can read it: put it into a "
            "settings file, into MICROBOT_SIGNALS__SECRET, or into the file that signals.secret_file names"
        )
