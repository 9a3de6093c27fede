"""The commands for what was recorded: decide on it again, compare it, list it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from service import outlet
from service.cli import engines
from service.cli.options import Assignments, Config, DataDir, FailFast, Json, Strategy, TrustOption
from service.errors import UserError
from service.exit_codes import ExitCode
from service.visible import visible, visible_json

Engine = Annotated[
    str, typer.Option("--engine", metavar="NAME", help="exact, or compiled-chain: the default strategy's, sooner.")
]


def replay(
    *,
    tape: Annotated[Path, typer.Argument(metavar="TAPE", help="JSON Lines (.gz), a recording, Parquet, or LOBSTER.")],
    config: Config = None,
    assignments: Assignments = None,
    strategy: Strategy = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write signals, trades and summary there.")
    ] = None,
    fail_fast: FailFast = False,
    trust: TrustOption = False,
    engine: Engine = engines.EXACT,
    data_dir: DataDir,
    as_json: Json = None,
) -> None:
    """Decide on a tape again: the same tape and settings give the same decisions, byte for byte.

    A recording is decided with the strategy that it names, if it is a session of the data folder; else with --trust.
    Exit code 3 if a strategy failed.
    """
    from service import settings
    from service.cli import terminal
    from service.recorded import replay as replaying, tapes
    from service.recorded.trust import Trust

    decide = engines.replay_of(engine)
    recorded = tapes.recorded_settings(tape)
    effective = settings.load(config, assignments or (), recorded=recorded.settings if recorded else None)
    chosen = Trust(data_dir, trust, terminal.say).strategy(tape, recorded, strategy, effective)
    told: list[str] = []  # once the progress bar is gone
    with terminal.progress(f"replaying {tape.name}", tapes.size(tape)) as progress, outlet.prints_aside():
        summary = decide(tape, effective, chosen, out, progress, told.append, fail_fast=fail_fast)
    for sentence in told:
        terminal.say(sentence)
    terminal.print_summary(summary, as_json=as_json)
    terminal.say_failures(summary)
    if replaying.failed(summary):
        raise typer.Exit(ExitCode.STRATEGY_FAILED)


def check(
    *,
    strategy: Annotated[str, typer.Argument(metavar="FILE.py:NAME", help="A strategy of your own.")],
    tape: Annotated[
        Path | None, typer.Option("--tape", metavar="FILE", help="Try it on this. [half an hour of the mock exchange]")
    ] = None,
    budget_ms: Annotated[float, typer.Option("--budget-ms", help="What one call of its code may take.")] = 1.0,
    config: Config = None,
    assignments: Assignments = None,
    data_dir: DataDir,
    as_json: Json = None,
) -> None:
    """Prove a strategy before it trades: no look-ahead, no clock or chance, bounded, fast, with exits that fire.

    Each failure names the operator and shows the smallest tape that has it. Exit code 1 if there is one. One that
    passes is noted in the data folder: `run --live` wants that of the strategy as it is then.
    """
    from service import settings, strategies
    from service.check.checks import Checks
    from service.check.trial_tapes import events_of
    from service.cli import terminal
    from service.data_folder import stamps

    if not budget_ms > 0:
        raise UserError(f"--budget-ms wants a number above 0, not {budget_ms:g}")
    effective = settings.load(config, assignments or ())
    with outlet.prints_aside():
        chosen, effective = strategies.one(strategy, effective)
        subject = stamps.Subject.of(chosen, effective.strategy)  # as it was when it was loaded
        findings = Checks(chosen, effective, events_of(tape), budget_ms).all_of_them()
    sound = True
    while True:
        with outlet.prints_aside():  # what the strategy prints is none of the findings
            finding = next(findings, None)
        if finding is None:
            break
        sound = sound and finding.passed
        if outlet.for_machines(as_json):
            print(visible_json(msgspec.json.encode(finding._asdict()).decode()))
        else:
            terminal.say_finding(finding)
    if not sound:
        stamps.take_back(data_dir, subject)
        raise typer.Exit(ExitCode.FAILED)
    stamps.stamp(data_dir, subject, tape, budget_ms)


def diff(
    *,
    a: Annotated[Path, typer.Argument(metavar="A", help="A recording, a tape, or a folder that `replay --out` wrote.")],
    b: Annotated[
        Path | None, typer.Argument(metavar="B", help="Another. [A itself, with the options; or the journal]")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    strategy: Strategy = None,
    assignments_b: Annotated[
        list[str] | None, typer.Option("--set-b", metavar="SECTION.KEY=VALUE", help="One setting of B alone.")
    ] = None,
    config_b: Annotated[Path | None, typer.Option("--config-b", metavar="FILE", help="Settings of B alone.")] = None,
    strategy_b: Annotated[
        str | None, typer.Option("--strategy-b", metavar="FILE.py:NAME", help="The strategy of B alone.")
    ] = None,
    trust: TrustOption = False,
    data_dir: DataDir,
    as_json: Json = None,
) -> None:
    """Name the first decision in which two runs differ, with what both saw; exit code 1 if there is one.

    Recordings and tapes are decided again, each with the settings recorded in it; --set, --config and --strategy
    change them for both, --set-b and its kin for B alone. Without B, A as it was recorded is compared with A under
    these options; without any, with what the journal says was decided live. Ids are not compared: they are made of
    input numbers. Of a folder, only signals and trades can be.
    """
    from service.cli import terminal
    from service.recorded import diff as differing
    from service.recorded.decisions import Changes
    from service.recorded.trust import Trust

    both = Changes(config, tuple(assignments or ()), strategy)
    alone = Changes(config_b, tuple(assignments_b or ()), strategy_b)
    with outlet.prints_aside():
        found = differing.compare(a, b, both, alone, Trust(data_dir, trust, terminal.say))
    if outlet.for_machines(as_json):
        print(visible_json(differing.as_json(found)))
    else:
        for line in differing.for_people(found):
            print(visible(line))
    if not found.equal:
        raise typer.Exit(ExitCode.FAILED)


def sessions(data_dir: DataDir, as_json: Json = None) -> None:
    """List the recorded sessions: when, for how long, how much, and whether each is whole."""
    from service.recorded import session_list

    session_list.show(data_dir, as_json=as_json)
