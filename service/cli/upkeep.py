"""The commands of upkeep: what a person does to a bot's books beside running it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated

import typer

from service import outlet
from service.cli.options import (
    Assignments,
    Config,
    DataDir,
    DataFeedOption,
    Json,
    LogDir,
    Strategy,
    Yes,
    check_data_feed,
    names,
)
from service.data_folder import JOURNAL, place
from service.errors import UserError
from service.exit_codes import ExitCode
from service.options import RunOptions
from service.venues import Venue

Url = Annotated[str | None, typer.Option("--url", metavar="URL", help="In place of the venue's address.")]
Live = Annotated[bool, typer.Option("--live", help="The account with real money.")]


def reconcile(
    *,
    venue: Annotated[Venue, typer.Option("--venue", help="Whose account: alpaca.")] = Venue.ALPACA,
    url: Url = None,
    live: Live = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Take the account's word, and write it into the book.")
    ] = False,
    yes: Yes = False,
    data_dir: DataDir,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = None,
) -> None:
    """Show the book beside the broker's account, and what explains each line; --accept adopts the account.

    What the account does not hold is closed in the book, by reason RECONCILED. What it holds beyond the bot's orders is
    not ours from then on, and left alone. Stop the bot before you accept. Exit code 1 while something differs.
    """
    from service import fact_log, logs, settings, venues
    from service.cli import terminal
    from service.data_folder import running
    from service.journal_views import reconcile as reconciling
    from service.options import RunOptions

    if venue is not Venue.ALPACA:
        raise UserError(f"--venue {venue} has no account to compare with: fills are simulated there")
    if live and url is not None:
        raise UserError("--live and --url exclude each other: choose one")
    if accept and not yes and not terminal.can_ask():
        raise UserError("--accept asks on a terminal; elsewhere say --yes as well")
    if url is not None:
        venues.websocket(url)
    reconciling.check_traded(data_dir)
    effective = settings.load(config, assignments or (), defaults=settings.logs_in(place.logs_of(data_dir)))
    options = RunOptions(venue=venue, url=url, live=live, data_dir=data_dir)
    with running.claim(data_dir) if accept else contextlib.nullcontext():
        book, comparison = reconciling.look(options, effective.broker, os.environ)
        if running.is_claimed(data_dir) and not accept:
            terminal.say("a bot runs on this folder: what is under way may differ for a moment")
        reconciling.show(comparison, as_json=as_json)
        if not comparison.differences:
            return
        if accept:
            reconciling.check_acceptable(comparison)
            if not yes and terminal.ask("Write that into the book? Type yes: ").strip().lower() != "yes":
                accept = False
        if not accept:
            terminal.say(
                "nothing was changed" + ("" if yes else ": `microbot reconcile --accept` takes the account's word")
            )
            raise typer.Exit(ExitCode.FAILED)
        logs.configure(effective.log, zone=effective.risk.timezone)
        for fact in reconciling.write(options, book, comparison):
            fact_log.log_fact(fact)
    terminal.say("written: start the bot, and `microbot resume` if it was halted")


def status(*, data_dir: DataDir, as_json: Json = None) -> None:
    """Say how the bot on a data folder is: state, positions, feed, last trade, P/L of the day, version, uptime.

    Exit code 0 if it trades, or could but for the hour or a pause; else 3 no strategy runs, 4 no bot, 5 HALTED, 6 feed
    or broker down, 7 no answer. That fits a health check.
    """
    import time

    from service.doctor import status as standing

    found = standing.look(data_dir, time.time_ns())
    standing.show(found, as_json=as_json)
    raise typer.Exit(found.code)


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; a file that is there is never written over.")],
    data_dir: DataDir,
    as_json: Json = None,
) -> None:
    """Copy the journal, also while the bot runs: all of one moment, checked, under its name only when it is whole."""
    import json

    from service.journal_views import safekeeping

    said = safekeeping.back_up(data_dir, file)
    print(json.dumps({"file": str(file), "bytes": file.stat().st_size}) if outlet.for_machines(as_json) else said)


def prune(
    *,
    before: Annotated[str, typer.Option("--before", metavar="DATE", help="ISO 8601, of your own clock.")],
    yes: Yes = False,
    data_dir: DataDir,
    as_json: Json = None,
) -> None:
    """Remove what is old: the history of runs that ended before a date, and recordings; the book stays as it is.

    The newest run stays, and so do those in which a position was entered that is still open. The file gets smaller.
    Stop the bot first, and make a backup if you may want the history back.
    """
    from service.cli import terminal
    from service.data_folder import running
    from service.journal_views import history, safekeeping

    if not (data_dir / JOURNAL).is_file():
        raise UserError(f"there is no journal {data_dir / JOURNAL}: `microbot run` writes one")
    at = history.since(before, "--before")
    with running.claim(data_dir):
        old = safekeeping.prune(data_dir, at, remove=False)
        if old and not yes:
            if not terminal.can_ask():
                raise UserError(f"to be removed: {old}. On no terminal say --yes")
            if terminal.ask(f"Remove {old}? Type yes: ").strip().lower() != "yes":
                terminal.say("nothing was removed")
                raise typer.Exit(ExitCode.FAILED)
        if old:
            old = safekeeping.prune(data_dir, at)
    if outlet.for_machines(as_json):
        import msgspec

        print(msgspec.json.encode(old).decode())
    else:
        print(f"removed: {old}" if old else f"nothing is older than that (kept: {old.kept_for_positions})")


def doctor(
    *,
    feed: Annotated[str | None, typer.Option("--feed", metavar="URL|tape:FILE", help="As with `run`.")] = None,
    venue: Annotated[
        Venue | None, typer.Option("--venue", help="As with `run`: its keys, time and data are tried.")
    ] = None,
    url: Url = None,
    live: Live = False,
    symbols: Annotated[
        str | None, typer.Option("--symbols", metavar="A,B", help="To listen to. [AAPL, BTCUSDT, BTC-USD]")
    ] = None,
    data_feed: DataFeedOption = None,
    strategy: Strategy = None,
    wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", help="For the feed's first word.")] = 10.0,
    paper_test: Annotated[
        bool, typer.Option("--paper-test", help="Try on a paper account what cannot be read: a share at most.")
    ] = False,
    yes: Yes = False,
    data_dir: DataDir,
    log_dir: LogDir = None,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Json = None,
) -> None:
    """Check what a start needs, and say in plain words what is wrong and what to do; nothing is changed.

    Python and packages, settings, strategy, folders, disk, clock, ports, the running bot, the journal, and with --feed
    or --venue the keys, the venue's time and its data; at alpaca also what the bot assumes of an account. Exit code 1
    if something failed. --paper-test is another test, alone: it asks first, and sends orders.
    """
    from service.doctor import examination, report

    if venue is not None and feed is not None:
        raise UserError("--venue and --feed exclude each other: choose one")
    if (url is not None or live) and venue is None:
        raise UserError("--url and --live go with --venue: name the venue that is spoken there")
    if live and (venue is not Venue.ALPACA or url is not None):
        raise UserError("--live goes with --venue alpaca, and without --url")
    if not 0 < wait <= 3600:
        raise UserError(f"--wait wants a number of seconds above 0, at most an hour, not {wait:g}")
    options = RunOptions(feed, venue, url, symbols=names(symbols), strategy=strategy, live=live, data_dir=data_dir)
    check_data_feed(data_feed, venue)
    if yes and not paper_test:
        raise UserError("--yes goes with --paper-test, which asks; nothing else here does")
    if paper_test:
        if venue is not Venue.ALPACA or live:
            raise UserError("--paper-test goes with --venue alpaca, and never with --live")
        if not _test_on_paper(options, yes=yes, as_json=as_json):
            raise typer.Exit(ExitCode.FAILED)
        return
    case = examination.Case(options, log_dir, config, tuple(assignments or ()), wait, data_feed)
    if report.show(examination.findings(case, os.environ), as_json=as_json):
        raise typer.Exit(ExitCode.FAILED)


def _test_on_paper(options: RunOptions, *, yes: bool, as_json: bool | None) -> bool:
    """Ask, and make the paper test; return whether nothing failed. Raises UserError where it has no place."""
    from service import venues
    from service.cli import terminal
    from service.data_folder import running
    from service.doctor import paper_test, report

    if missing := [name for name in (venues.KEY, venues.SECRET) if not os.environ.get(name)]:
        raise UserError(
            f"--paper-test needs the keys of a paper account in the environment: set {' and '.join(missing)}"
        )
    if options.url is not None:
        venues.websocket(options.url)  # refused if it is no address
    if running.is_claimed(options.data_dir):
        raise UserError(f"a bot runs on {options.data_dir}: stop it before --paper-test, whose orders would halt it")
    symbol = options.symbols[0] if options.symbols else "AAPL"
    if not yes:
        if not terminal.can_ask():
            raise UserError("--paper-test asks on a terminal; elsewhere say --yes as well")
        question = (
            f"This sends about ten orders for one share of {symbol} to a paper account, cancels them, sells what was "
            "filled, and uses up the account's requests of a minute. Type yes: "
        )
        if terminal.ask(question).strip().lower() != "yes":
            raise UserError("nothing was sent")
    address = venues.address_of(options.url, live=False)
    return not report.show(paper_test.run(address, os.environ, symbol), as_json=as_json)
