"""The command line: `microbot run`, `microbot replay`, and the other commands, a module a group."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer

from service import outlet
from service.cli import (
    bot,
    configuring,
    demo,
    exchange,
    hash_secret,
    journal,
    new_strategy,
    notify,
    recorded,
    run,
    service,
    upkeep,
)
from service.errors import NotNow, UserError
from service.exit_codes import ExitCode
from service.version import VERSION
from service.visible import visible

app = typer.Typer(
    name="microbot",
    help="Trade short momentum bursts on live ticks, on paper.",
    invoke_without_command=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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
        raise typer.Exit(ExitCode.REFUSED)


_command: Callable[..., None]
for _command in (
    recorded.replay,
    new_strategy.new_strategy,
    recorded.check,
    recorded.diff,
    run.run,
    demo.demo,
    recorded.sessions,
):
    app.command()(_command)
for _name, _what in journal.LISTS.items():
    app.command(name=_name, help=_what)(journal.list_of(_name))
for _command in (journal.explain, exchange.exchange):
    app.command()(_command)
app.command(name="logs")(bot.show_logs)
for _name, _what in bot.COMMANDS.items():
    app.command(name=_name, help=_what)(bot.command_to_bot(_name))
for _command in (
    bot.flatten,
    bot.lock,
    bot.unlock,
    bot.restart,
    upkeep.status,
    upkeep.doctor,
    configuring.config,
    configuring.init,
    upkeep.reconcile,
    upkeep.backup,
    upkeep.prune,
    hash_secret.hash_secret,
    notify.notify,
    notify.watch,
):
    app.command()(_command)
app.add_typer(service.app)

_Misused: Any = typer.BadParameter.__mro__[2]  # the base of all that is wrong with a command line


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; bad input is one sentence and exit code 2."""
    with outlet.guarded():
        try:
            _check_here()
            code = _call(arguments)
            sys.stdout.flush()
        except outlet.OutputGone as error:
            if error.is_left:
                raise SystemExit(ExitCode.DONE) from None  # as `head` has it, with enough
            print(f"microbot: the output cannot be written: {error.why}", file=sys.stderr)
            raise SystemExit(ExitCode.FAILED) from None
        except KeyboardInterrupt:
            raise SystemExit(ExitCode.INTERRUPTED) from None
        raise SystemExit(code)


def _check_here() -> None:
    """Refuse to be in a folder that is gone: nothing that is named from it can be found."""
    try:
        os.getcwd()
    except OSError as error:
        _refuse(f"the folder that this is called in is gone ({error.strerror}): go to another one")


def _call(arguments: list[str] | None) -> int:
    try:
        code = app(args=arguments, prog_name="microbot", standalone_mode=False)
    except NotNow as error:
        _refuse(str(error), ExitCode.FAILED)
    except UserError as error:
        _refuse(str(error))
    except _Misused as error:
        said = error.format_message().rstrip(".").replace("Value error, ", "")
        command = error.ctx.command_path if getattr(error, "ctx", None) else "microbot"
        _refuse(f"{said[:1].lower()}{said[1:]}; see {command} --help")
    except typer.Abort:
        return ExitCode.INTERRUPTED
    return code if isinstance(code, int) else ExitCode.DONE


def _refuse(sentence: str, code: ExitCode = ExitCode.REFUSED) -> NoReturn:
    print(f"microbot: {visible(sentence)}", file=sys.stderr)
    raise SystemExit(code) from None
