"""The whole command line: what the service has, and the commands that ask questions of recorded data."""

from __future__ import annotations

from typing import NoReturn

from research.commands import calibrate, importing, replay, report, sweep
from service import cli
from service.cli import engines

app = cli.app

cli.app.command(name="import")(importing.import_)
cli.app.command()(report.report)
cli.app.command()(sweep.sweep)
cli.app.command()(replay.replay)  # in place of the service's, which knows one tape
cli.app.command()(calibrate.calibrate)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; bad input is one sentence and exit code 2."""
    engines.OTHERS["compiled-chain"] = _compiled_chain
    cli.main(arguments)


def _compiled_chain() -> engines.Replay:
    from research.engine.compiled_chain import replay

    return replay
