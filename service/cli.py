"""The command line: `microbot run`, `microbot replay`, and their kin."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from service import arguments, outlet, upkeep
from service.arguments import Assignments, Config, DataDir, FailFast, Json, StrategyOption, TrustOption, folder
from service.aside import prints_aside
from service.errors import UserError
from service.venues import Venue
from service.version import VERSION
from service.visible import visible, visible_json

app = typer.Typer(
    name="microbot",
    help="Trade short momentum bursts on live ticks, on paper.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


STRATEGY_FAILED = 3  # the exit code of a run or a replay in which a strategy raised


class OnExit(StrEnum):
    FLATTEN = "flatten"
    KEEP = "keep"


def _print_version(wanted: bool) -> None:
    if wanted:
        print(VERSION)
        raise typer.Exit


@app.callback()
def microbot(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Trade short momentum bursts on live ticks, on paper."""
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(2)


@app.command()
def replay(
    tape: Annotated[Path, typer.Argument(metavar="TAPE", help="JSON Lines (.gz), a recording, or LOBSTER.")],
    config: Config = None,
    assignments: Assignments = None,
    strategy: StrategyOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write signals, trades and summary there.")
    ] = None,
    fail_fast: FailFast = False,
    trust: TrustOption = False,
    data_dir: DataDir = Path("data"),
    as_json: Json = False,
) -> None:
    """Decide on a tape again: the same tape and settings give the same decisions, byte for byte.

    A recording is decided with the strategy that it names, if it is a session of the data folder; else with --trust.
    Exit code 3 if a strategy failed.
    """
    from service import settings, terminal
    from service.recorded import replay as replaying, tapes
    from service.recorded.trust import Trust

    recorded = tapes.recorded_settings(tape)
    effective = settings.load(config, assignments or (), recorded=recorded.settings if recorded else None)
    chosen = Trust(data_dir, trust, terminal.say).strategy(tape, recorded, strategy)
    told: list[str] = []  # once the progress bar is gone
    with terminal.progress(f"replaying {tape.name}", tapes.size(tape)) as progress, prints_aside():
        summary = replaying.replay(tape, effective, chosen, out, progress, told.append, fail_fast=fail_fast)
    for sentence in told:
        terminal.say(sentence)
    terminal.print_summary(summary, as_json=as_json)
    terminal.say_failures(summary)
    if replaying.failed(summary):
        raise typer.Exit(STRATEGY_FAILED)


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A recording, a tape, or a folder that `replay --out` wrote.")],
    b: Annotated[
        Path | None, typer.Argument(metavar="B", help="Another. [A itself, with the options; or the journal]")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    strategy: StrategyOption = None,
    assignments_b: Annotated[
        list[str] | None, typer.Option("--set-b", metavar="SECTION.KEY=VALUE", help="One setting of B alone.")
    ] = None,
    config_b: Annotated[Path | None, typer.Option("--config-b", metavar="FILE", help="Settings of B alone.")] = None,
    strategy_b: Annotated[
        str | None, typer.Option("--strategy-b", metavar="FILE.py:NAME", help="The strategy of B alone.")
    ] = None,
    trust: TrustOption = False,
    data_dir: DataDir = Path("data"),
    as_json: Json = False,
) -> None:
    """Name the first decision in which two runs differ, with what both saw; exit code 1 if there is one.

    Recordings and tapes are decided anew, each with the settings recorded in it; --set, --config and --strategy
    change them for both, --set-b and its kin for B alone. Without B, A as it was recorded is compared with A under
    these options; without any, with what the journal says was decided live. Ids are not compared: they are made of
    input numbers. Of a folder, only signals and trades can be.
    """
    from service import terminal
    from service.recorded import diff as differing
    from service.recorded.diff import Changes
    from service.recorded.trust import Trust

    both = Changes(config, tuple(assignments or ()), strategy)
    alone = Changes(config_b, tuple(assignments_b or ()), strategy_b)
    with prints_aside():
        found = differing.compare(a, b, both, alone, Trust(data_dir, trust, terminal.say))
    if arguments.for_machines(as_json):
        print(visible_json(differing.as_json(found)))
    else:
        for line in differing.for_people(found):
            print(visible(line))
    if not found.equal:
        raise typer.Exit(1)


@app.command()
def run(
    feed: Annotated[
        str | None,
        typer.Option("--feed", metavar="URL|tape:FILE", help="Market data; without it the mock exchange is started."),
    ] = None,
    venue: Annotated[
        Venue | None, typer.Option("--venue", help="A venue instead: alpaca with its paper orders; others: data only.")
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="In place of the venue's address: a rehearsal.")
    ] = None,
    rehearse: Annotated[
        bool,
        typer.Option("--rehearse", help="Start a mock exchange and trade there as at the venue: no account needed."),
    ] = False,
    port: Annotated[int | None, typer.Option("--port", help="Of the dashboard; 0 takes a free one. [8080]")] = None,
    exchange_port: Annotated[
        int | None,
        typer.Option("--exchange-port", help="Of the mock exchange it starts; 0 takes a free one. [8765]"),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of the mock exchange's market. [7]")] = None,
    speed: Annotated[
        float | None,
        typer.Option("--speed", help="Venue seconds a second: of the mock exchange [10], of a tape or --url [1]."),
    ] = None,
    symbols: Annotated[str | None, typer.Option("--symbols", metavar="A,B", help="What to trade.")] = None,
    strategy: StrategyOption = None,
    config: Config = None,
    assignments: Assignments = None,
    log_dir: Annotated[Path | None, typer.Option("--log-dir", metavar="DIR", help="[logs]", parser=folder)] = None,
    data_dir: DataDir = Path("data"),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin a new book; the old one's history stays in the journal.")
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option("--record", metavar="FILE", help="Record there. [DATA_DIR/sessions/START-VENUE.jsonl.gz]"),
    ] = None,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Record nothing: then nothing can be replayed.")
    ] = False,
    duration: Annotated[
        float | None, typer.Option("--duration", metavar="SECONDS", help="Stop by itself after so many real seconds.")
    ] = None,
    on_exit: Annotated[
        OnExit | None,
        typer.Option(
            "--on-exit",
            help="What becomes of open positions at the end. [flatten; at a broker it asks, or keeps them]",
        ),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="At --venue alpaca: trade real money; asks for the account's number.")
    ] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the dashboard in a browser.")] = False,
    fail_fast: FailFast = False,
    as_json: Json = False,
) -> None:
    """Trade on a live feed, on paper, with a dashboard at http://127.0.0.1:8080.

    Exit code 3 if a strategy failed.
    """
    import msgspec

    from service import logs, settings, terminal
    from service.live import run as running_bot
    from service.options import RunOptions
    from service.recorded import replay as replaying

    wanted = tuple(dict.fromkeys(s.strip() for s in symbols.split(",") if s.strip())) if symbols is not None else ()
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
        on_exit=str(on_exit) if on_exit is not None else None,
        ask=terminal.ask if terminal.can_ask() else None,
        live=live,
        open_browser=open_browser,
        data_dir=data_dir,
        fresh=fresh,
        fail_fast=fail_fast,
    )
    options.check()
    flags = {
        "web.port": port,
        "exchange.port": exchange_port,
        "exchange.seed": seed,
        "exchange.speed": speed if feed is None else None,
        "exchange.symbols": list(wanted) if wanted and feed is None else None,
        "log.dir": str(log_dir) if log_dir is not None else None,
    }
    costs = settings.LIVE_COSTS if venue is not Venue.ALPACA else None  # there, fills are not simulated
    effective = settings.load(config, assignments or (), flags=flags, defaults=costs)
    if effective.web.has_own_secret and any(given.strip().startswith("web.secret") for given in assignments or ()):
        terminal.say(
            "web.secret is on the command line, where every user of this machine can read it: put it into a settings "
            'file or MICROBOT_WEB__SECRET, or set it to "auto"'
        )
    if live:
        options = msgspec.structs.replace(options, account=terminal.ask_account())
    log_file = logs.configure(effective.log, zone=effective.risk.timezone)
    with outlet.nobody_waits(), prints_aside():
        outcome = running_bot.run(effective, options, terminal.say)
    terminal.print_outcome(outcome, log_file, as_json=as_json)
    if outcome.failure or outcome.record_failure:
        raise typer.Exit(1)
    if replaying.failed(outcome.summary):
        raise typer.Exit(STRATEGY_FAILED)


@app.command()
def sessions(data_dir: DataDir = Path("data"), as_json: Json = False) -> None:
    """List the recorded sessions: when, for how long, how much, and whether each is whole."""
    from service.recorded import session_list

    session_list.show(data_dir, as_json=as_json)


Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="ISO 8601; venue time.")]
Csv = Annotated[bool, typer.Option("--csv", help="As CSV.")]
Parquet = Annotated[Path | None, typer.Option("--parquet", metavar="FILE", help="Write Parquet there; needs pyarrow.")]


@app.command()
def trades(
    data_dir: DataDir = Path("data"),
    since: Since = None,
    as_json: Json = False,
    as_csv: Csv = False,
    parquet: Parquet = None,
) -> None:
    """List the finished trades of every run, from the journal; also while the bot runs."""
    _list("trades", data_dir, since, as_json, as_csv, parquet)


@app.command()
def signals(
    data_dir: DataDir = Path("data"),
    since: Since = None,
    as_json: Json = False,
    as_csv: Csv = False,
    parquet: Parquet = None,
) -> None:
    """List the signals and what risk said to each, from the journal."""
    _list("signals", data_dir, since, as_json, as_csv, parquet)


@app.command()
def orders(
    data_dir: DataDir = Path("data"),
    since: Since = None,
    as_json: Json = False,
    as_csv: Csv = False,
    parquet: Parquet = None,
) -> None:
    """List what became of each order, from the journal."""
    _list("orders", data_dir, since, as_json, as_csv, parquet)


def _list(what: str, data_dir: Path, since: str | None, as_json: bool, as_csv: bool, parquet: Path | None) -> None:
    from service.books import history

    if as_json + as_csv + (parquet is not None) > 1:
        raise UserError("--json, --csv and --parquet exclude each other: choose one")
    found = history.rows(data_dir / history.JOURNAL, what, history.since(since))
    if parquet is not None:
        from service.books.parquet import write

        count = write(found, history.columns(what), parquet)
        print(f"{count:,} {what} in {parquet}")
        return
    for_people = not (as_json or as_csv) and sys.stdout.isatty()
    zones = history.zones(data_dir / history.JOURNAL) if for_people else None
    history.show(found, what, as_json=as_json, as_csv=as_csv, zones=zones)


@app.command()
def explain(
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="Its id, or the beginning of it.")],
    data_dir: DataDir = Path("data"),
    run: Annotated[
        int | None, typer.Option("--run", help="Of which run; `microbot signals` names them. [newest]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell the whole story of a decision, from the journal: signal, verdict, orders, fills, exit, and the market."""
    from service.books import explain as explaining

    found = explaining.story(data_dir, decision, run)
    if arguments.for_machines(as_json):
        print(visible_json(explaining.as_json(found)))
    else:
        for line in explaining.for_people(found):
            print(visible(line))


@app.command()
def exchange(
    port: Annotated[int | None, typer.Option("--port", help="0 takes a free one. [8765]")] = None,
    host: Annotated[str | None, typer.Option("--host", help="[127.0.0.1]")] = None,
    symbols: Annotated[str | None, typer.Option("--symbols", metavar="A,B", help="[AAPL,MSFT]")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Fixes prices and gaps. [7]")] = None,
    speed: Annotated[float | None, typer.Option("--speed", help="Market seconds a second. [10]")] = None,
    start_at: Annotated[
        str, typer.Option("--start-at", metavar="T", help="The market's first moment, ISO 8601 with offset.")
    ] = "now",
    write_tape: Annotated[
        Path | None, typer.Option("--write-tape", metavar="FILE", help="Write a tape (.gz) instead of serving.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="Length of that tape.")] = 3600.0,
    key: Annotated[
        list[str] | None, typer.Option("--key", metavar="KEY:SECRET", help="An account; may be given several times.")
    ] = None,
    fault: Annotated[
        list[str] | None, typer.Option("--fault", metavar="NAME[:PARAM]", help="What goes wrong; several times.")
    ] = None,
    faults: Annotated[
        str | None, typer.Option("--faults", metavar="list|FILE", help="Name all faults, or turn on those in a file.")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Serve a market with a seed: a simple push feed, and Alpaca's protocols with orders that are matched."""
    from mock_exchange.faults import describe, parse_lines
    from mock_exchange.run import run as serve, write_tape as write
    from mock_exchange.settings import parse_start_at, parse_symbols
    from service import logs, plain_text, settings

    try:
        start = parse_start_at(start_at)
    except ValueError as error:
        raise UserError(str(error)) from None
    if not 0 < seconds <= 31 * 86_400:
        raise UserError(f"--seconds wants a number above 0, at most a month, not {seconds:g}")
    if faults == "list":
        print(describe())
        raise typer.Exit
    try:
        from_file = parse_lines(plain_text.read(Path(faults))) if faults is not None else ()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or (f"it is {error}" if isinstance(error, plain_text.NoText) else error)
        raise UserError(f"--faults {faults} cannot be read: {why}") from None
    wrong = [*from_file, *(fault or ())]
    flags = {
        "exchange.keys": key,
        "exchange.faults": wrong or None,
        "exchange.port": port,
        "exchange.host": host,
        "exchange.symbols": list(parse_symbols(symbols)) if symbols is not None else None,
        "exchange.seed": seed,
        "exchange.speed": speed,
        "exchange.start_at": start,
    }
    effective = settings.load(config, assignments or (), flags=flags).exchange
    if write_tape is not None and write_tape.is_file():
        raise UserError(f"--write-tape {write_tape} is there already: choose another name, or remove it")
    logs.on_terminal()
    code = write(write_tape, effective, seconds) if write_tape is not None else serve(effective)
    raise typer.Exit(code)


@app.command(name="logs")
def show_logs(
    following: Annotated[bool, typer.Option("-f", "--follow", help="Go on as the log grows.")] = False,
    event: Annotated[
        str | None,
        typer.Option(
            "--event",
            metavar="NAME",
            help="Only this (trade.closed), or with a dot at the end (trade.) all of a kind.",
        ),
    ] = None,
    level: Annotated[str, typer.Option("--level", metavar="LEVEL", help="Only these and graver ones.")] = "DEBUG",
    log_dir: Annotated[Path, typer.Option("--log-dir", metavar="DIR", parser=folder)] = Path("logs"),
    as_json: Json = False,
) -> None:
    """Show the log, for people: [day time] - logger - level - message, in your own time."""
    import msgspec

    from service import logs

    if level.upper() not in logs.LEVELS:
        raise UserError(f"--level wants one of {', '.join(logs.LEVELS)}, not {level}")
    as_json = arguments.for_machines(as_json)
    try:
        for line in logs.follow(log_dir / logs.FILE, wait=following):
            if logs.matches(line, event=event, level=level.upper()):
                shown = visible_json(msgspec.json.encode(line).decode()) if as_json else logs.for_people(line)
                print(shown, flush=following)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _control(name: str, what: str) -> None:
    """Add the command line's twin of a command to the bot."""

    @app.command(name=name, help=what)
    def control(
        reason: Annotated[str, typer.Option("--reason", help="Shown on the dashboard and in the log.")] = "",
        data_dir: DataDir = Path("data"),
    ) -> None:
        from service.live import control as switch, running

        send = switch.send if name in switch.SERVED else running.send
        print(f"{name}: {send(data_dir, name, reason)}")


for _name, _what in {
    "pause": "Enter no more; exits go on.",
    "resume": "Enter again, also after a halt by hand.",
    "reduce": "Enter no more and cancel working entries; exits go on.",
    "flatten": "Close all positions now, then pause; where no bot runs, its next start does.",
    "halt": "Close all positions now and enter no more until `resume`; where no bot runs, its next start does.",
}.items():
    _control(_name, _what)


@app.command()
def restart(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="Whose strategy.")],
    data_dir: DataDir = Path("data"),
) -> None:
    """Begin a symbol's strategy anew that failed, or was removed for being slow."""
    from service.live import running

    print(f"restart: {running.send(data_dir, 'restart', '', symbol)}")


upkeep.add_to(app)

_Misused: Any = typer.BadParameter.__mro__[2]  # the base of all that is wrong with a command line


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; bad input is one sentence and exit code 2."""
    with outlet.guarded():
        try:
            code = _call(arguments)
            sys.stdout.flush()
        except outlet.OutputGone as error:
            if error.is_left:
                raise SystemExit(0) from None  # as `head` has it, with enough
            print(f"microbot: the output cannot be written: {error.why}", file=sys.stderr)
            raise SystemExit(1) from None
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        raise SystemExit(code)


def _call(arguments: list[str] | None) -> int:
    try:
        code = app(args=arguments, prog_name="microbot", standalone_mode=False)
    except UserError as error:
        _refuse(str(error))
    except _Misused as error:
        said = error.format_message().rstrip(".").replace("Value error, ", "")
        command = error.ctx.command_path if getattr(error, "ctx", None) else "microbot"
        _refuse(f"{said[:1].lower()}{said[1:]}; see {command} --help")
    except typer.Abort:
        return 130
    return code if isinstance(code, int) else 0


def _refuse(sentence: str) -> NoReturn:
    print(f"microbot: {visible(sentence)}", file=sys.stderr)
    raise SystemExit(2) from None
