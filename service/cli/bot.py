"""The commands to a bot that runs, and the one that shows its log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from service import outlet
from service.cli.options import DataDir, Json, folder
from service.data_folder import place
from service.errors import UserError
from service.exit_codes import ExitCode
from service.visible import visible_json


def _usual_logs() -> Path:
    return place.logs_of(place.usual().data)


def show_logs(
    *,
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
    log_dir: Annotated[
        Path,
        typer.Option(
            "--log-dir",
            metavar="DIR",
            help="[./logs, or the system's beside its data folder]",
            parser=folder,
            default_factory=_usual_logs,
            show_default=False,
        ),
    ],
    as_json: Json = None,
) -> None:
    """Show the log, for people: [day time] - logger - level - message, in your own time."""
    import msgspec

    from service import logs

    if level.upper() not in logs.LEVELS:
        raise UserError(f"--level wants one of {', '.join(logs.LEVELS)}, not {level}")
    as_json = outlet.for_machines(as_json)
    try:
        for line in logs.follow(log_dir / logs.FILE, wait=following):
            if logs.matches(line, event=event, level=level.upper()):
                shown = visible_json(msgspec.json.encode(line).decode()) if as_json else logs.for_people(line)
                print(shown, flush=following)
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.DONE) from None


COMMANDS = {
    "pause": "Enter no more; exits go on.",
    "resume": "Enter again, also after a halt by hand.",
    "reduce": "Enter no more and cancel working entries; exits go on.",
    "halt": "Close all positions now and enter no more until `resume`; where no bot runs, its next start does.",
}
"""Commands to the bot, and what is said of each."""


Reason = Annotated[str, typer.Option("--reason", help="Shown on the dashboard and in the log.")]


def command_to_bot(name: str) -> Callable[..., None]:
    """Return the command line's twin of a command to the bot."""

    def control(
        *,
        reason: Reason = "",
        data_dir: DataDir,
    ) -> None:
        from service.data_folder import running
        from service.live import control as switch

        send = switch.send if name in switch.SERVED else running.send
        print(f"{name}: {send(data_dir, name, reason)}")

    return control


def flatten(
    *,
    symbol: Annotated[str | None, typer.Argument(metavar="[SYMBOL]", help="Close this one alone, and lock it.")] = None,
    reason: Reason = "",
    data_dir: DataDir,
) -> None:
    """Close all positions now, then pause; where no bot runs, its next start does. With SYMBOL: that one alone."""
    from service.data_folder import running
    from service.live import control as switch

    if symbol == "":  # of a variable that was not set, most likely: that is no wish to close everything
        raise UserError("flatten wants a symbol that is not empty; without one, it closes everything")
    if symbol is not None:
        print(f"flatten: {running.send(data_dir, 'flatten', reason, symbol)}")
    else:
        print(f"flatten: {switch.send(data_dir, 'flatten', reason)}")


def lock(
    *,
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="What to enter no more.")],
    until: Annotated[
        str, typer.Option("--until", metavar="HH:MM", help="When it ends, in the exchange's time; else at `unlock`.")
    ] = "",
    reason: Reason = "",
    data_dir: DataDir,
) -> None:
    """Refuse a symbol's entries, also over a restart; what is open keeps its exits, and no other symbol is touched."""
    from service.data_folder import running

    print(f"lock: {running.send(data_dir, 'lock', reason, symbol, until)}")


def unlock(
    *,
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="What to enter again.")],
    reason: Reason = "",
    data_dir: DataDir,
) -> None:
    """Allow a symbol's entries again, after `lock` or `flatten SYMBOL`."""
    from service.data_folder import running

    print(f"unlock: {running.send(data_dir, 'unlock', reason, symbol)}")


def restart(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="Whose strategy.")],
    data_dir: DataDir,
) -> None:
    """Start a symbol's strategy again that failed, or was removed for being slow."""
    from service.data_folder import running

    print(f"restart: {running.send(data_dir, 'restart', '', symbol)}")
