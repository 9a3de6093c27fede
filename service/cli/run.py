"""`microbot run`: its options, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def run(
    *,
    feed: Feed = None,
    venue: VenueOption = None,
    url: Url = None,
    rehearse: Rehearse = False,
    port: Port = None,
    base_path: BasePath = None,
    exchange_port: ExchangePort = None,
    seed: Seed = None,
    speed: Speed = None,
    symbols: Symbols = None,
    data_feed: DataFeedOption = None,
    strategy: Strategy = None,
    config: Config = None,
    assignments: Assignments = None,
    log_dir: LogDir = None,
    data_dir: DataDir,
    fresh: Fresh = False,
    record: Record = None,
    no_record: NoRecord = False,
    duration: Duration = None,
    watchdog: Watchdog = None,
    on_exit: OnExitOption = None,
    live: Live = False,
    account: Account = None,
    open_browser: Open = False,
    fail_fast: FailFast = False,
    watch: Watch = False,
    as_json: Json = None,
) -> None:
    """Trade on a live feed, on paper, with a dashboard at http://127.0.0.1:8080.

    Exit code 3 if a strategy failed.
    """
    from service.options import RunOptions

    wanted = names(symbols)
    if symbols is not None and not wanted:
        raise UserError("--symbols wants names parted by commas, such as AAPL,MSFT")
    options = RunOptions(
        feed=feed,
        venue=venue,
        url=url,
        rehearse=rehearse,
        speed=speed if speed is not None else 1.0,
        symbols=wanted,
        strategy=strategy,
        record=record,
        recorded=not no_record,
        duration_s=duration,
        watchdog_s=watchdog,
        on_exit=on_exit,
        live=live,
        account=account.strip() if account is not None else None,
        open_browser=open_browser,
        data_dir=data_dir,
        fresh=fresh,
        fail_fast=fail_fast,
        watch=watch,
    )
    own = feed is None  # an exchange of its own, which the settings are about
    market = {"seed": seed, "speed": speed if own else None, "symbols": list(wanted) or None if own else None}
    check_data_feed(data_feed, venue)
    flags = {
        "feed.data_feed": data_feed,
        "web.port": port,
        "web.base_path": base_path,
        "exchange.port": exchange_port,
        "log.dir": str(log_dir) if log_dir is not None else None,
    }
    _start(
        options, config, assignments or (), flags | {f"exchange.{key}": given for key, given in market.items()}, as_json
    )


def _start(
    options: RunOptions, config: Path | None, assignments: Sequence[str], flags: Mapping[str, Any], as_json: bool | None
) -> None:
    """Run, and exit by how that ended."""
    import msgspec

    from service import logs
    from service.cli import terminal
    from service.live import run as running_bot
    from service.recorded import replay as replaying

    options = msgspec.structs.replace(
        options,
        ask=terminal.ask if terminal.can_ask() else None,
        of_check=_of_check(config, assignments, options.data_dir),
    )
    options.check()
    effective = settings_for(options, config, assignments, flags)
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
    log_file = logs.configure(effective.log, zone=effective.risk.timezone)
    with outlet.nobody_waits(), outlet.prints_aside():
        outcome = running_bot.run(effective, options, terminal.say)
    terminal.print_outcome(outcome, log_file, as_json=as_json)
    if outcome.failure or outcome.record_failure:
        raise typer.Exit(ExitCode.REFUSED if outcome.refused else ExitCode.FAILED)
    if replaying.failed(outcome.summary):
        raise typer.Exit(ExitCode.STRATEGY_FAILED)


def settings_for(
    options: RunOptions, config: Path | None, assignments: Sequence[str], flags: Mapping[str, Any]
) -> Settings:
    """Read the settings; what trading costs by default depends on who fills the orders, and whom that one charges."""
    from service import settings

    logs = settings.logs_in(place.logs_of(options.data_dir))
    if options.venue is not Venue.ALPACA:
        costs = settings.LIVE_COSTS if options.venue is None else settings.ELSEWHERE
        return settings.load(config, assignments, flags=flags, defaults=costs | logs)
    charged = settings.load(config, assignments, flags=flags, defaults=settings.VENUE_FEES | logs)
    if options.live or (options.rehearse and not charged.exchange.paper):
        return charged
    return settings.load(config, assignments, flags=flags, defaults=logs)  # a paper account is charged no fees


def _of_check(config: Path | None, assignments: Sequence[str], data_dir: Path) -> tuple[str, ...]:
    """Return what of the command line `microbot check` wants as well: what makes the strategy what it is, and where."""
    words = ["--config", str(config)] if config is not None else []
    for assignment in assignments:
        words += ["--set", assignment] if assignment.strip().startswith("strateg") else []
    return *words, *(("--data-dir", str(data_dir)) if data_dir != place.usual().data else ())
