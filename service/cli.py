"""The command line: `microbot run`, `microbot replay`, and their kin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from service.errors import UserError

app = typer.Typer(
    name="microbot",
    help="Trade short momentum bursts on live ticks, on paper.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, as TOML.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting; may be given several times."),
]
StrategyOption = Annotated[
    str | None, typer.Option("--strategy", metavar="FILE.py:NAME", help="A strategy of your own.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def microbot(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Trade short momentum bursts on live ticks, on paper."""
    if version:
        from importlib.metadata import version as version_of

        print(version_of("microbot"))
        raise typer.Exit


@app.command()
def replay(
    tape: Annotated[Path, typer.Argument(metavar="TAPE", help="JSON Lines (.gz), a recording, or LOBSTER.")],
    config: Config = None,
    assignments: Assignments = None,
    strategy: StrategyOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write signals, trades and summary there.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Decide on a tape again: the same tape and settings give the same decisions, byte for byte."""
    from service import replay as replaying
    from service import settings, tapes, terminal

    recorded = tapes.recorded_settings(tape)
    effective = settings.load(config, assignments or (), recorded=recorded.settings if recorded else None)
    chosen = strategy or (recorded.strategy if recorded else None)
    with terminal.progress(f"replaying {tape.name}", tapes.size(tape)) as progress:
        summary = replaying.replay(tape, effective, chosen, out, progress)
    terminal.print_summary(summary, as_json=as_json)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; bad input is one sentence and exit code 2."""
    try:
        return app(args=arguments)
    except UserError as error:
        print(f"microbot: {error}", file=sys.stderr)
        raise SystemExit(2) from None
