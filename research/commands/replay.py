"""`microbot replay`: of one tape what it decides, of several what would have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli import engines, recorded
from service.cli.options import Assignments, Config, DataDir, FailFast, Json, Strategy, TrustOption
from service.errors import UserError
from service.exit_codes import ExitCode


def replay(
    *,
    tapes: Annotated[
        list[Path], typer.Argument(metavar="TAPE...", help="Tapes, or recordings of sessions; several are compared.")
    ],
    config: Config = None,
    assignments: Assignments = None,
    strategy: Strategy = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write signals, trades and summary there; a folder a tape."),
    ] = None,
    what_if: Annotated[
        bool, typer.Option("--what-if", help="Of one tape too: what its own settings decide, beside the changed ones.")
    ] = False,
    fail_fast: FailFast = False,
    trust: TrustOption = False,
    engine: recorded.Engine = engines.EXACT,
    data_dir: DataDir,
    as_json: Json = None,
) -> None:
    """Decide on a tape again: the same tape and settings give the same decisions, byte for byte.

    Several, or one with --what-if, are decided with their own settings and with --set, --config or --strategy: a table
    says what would have changed. Sessions at a broker get simulated fills then, on both sides.

    A recording is decided with the strategy that it names, if it is a session of the data folder; else with --trust.
    Exit code 3 if a strategy failed.
    """
    if len(tapes) == 1 and not what_if:
        recorded.replay(
            tape=tapes[0],
            config=config,
            assignments=assignments,
            strategy=strategy,
            out=out,
            fail_fast=fail_fast,
            trust=trust,
            engine=engine,
            data_dir=data_dir,
            as_json=as_json,
        )
        return
    if engine != engines.EXACT:
        raise UserError("several tapes, and --what-if, are decided by the exact engine: leave out --engine")
    from research.commands import what_if as command
    from service.recorded.decisions import Changes

    changes = Changes(config, tuple(assignments or ()), strategy)
    found = command.show(tapes, changes, out, data_dir, trust=trust, fail_fast=fail_fast, as_json=as_json)
    if any(session.failures for session in found.sessions):
        raise typer.Exit(ExitCode.STRATEGY_FAILED)
