"""`microbot demo`: all of it at once, in a folder that is gone when it ends."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import typer

from service.cli.run import Duration, Open, Port, Seed, Speed
from service.errors import writing
from service.exit_codes import ExitCode


def demo(
    port: Port = None,
    seed: Seed = None,
    speed: Speed = None,
    duration: Duration = None,
    open_browser: Open = False,
) -> None:
    """Show a mock exchange, the bot and its dashboard; Ctrl-C ends it with a summary, and nothing is kept.

    Book and log lie in a temporary folder: nothing is left in the current one, and no other bot's data is touched.
    Settings files and variables do not count. Where another bot's dashboard has the port, a free one is taken.
    """
    from loguru import logger

    from service import logs, outlet, settings
    from service.cli import terminal
    from service.listening import problem_of
    from service.live import run as running_bot
    from service.options import RunOptions

    flags: dict[str, Any] = {"exchange.port": 0, "exchange.seed": seed, "exchange.speed": speed, "web.port": port}
    with writing("a temporary folder"):
        temporary = tempfile.TemporaryDirectory(prefix="microbot-demo-", ignore_cleanup_errors=True)
    with temporary as folder:
        flags["log.dir"] = folder
        effective = settings.load(flags=flags, defaults=settings.LIVE_COSTS, environment={})
        if port is None and problem_of(effective.web.host, effective.web.port):
            effective = settings.load(flags=flags | {"web.port": 0}, defaults=settings.LIVE_COSTS, environment={})
        options = RunOptions(data_dir=Path(folder), recorded=False, duration_s=duration, open_browser=open_browser)
        options.check()
        logs.configure(effective.log, zone=effective.risk.timezone)
        terminal.say(
            f"demo: Ctrl-C ends it, and nothing of it is kept (until then, for other commands: --data-dir {folder})"
        )
        try:
            with outlet.nobody_waits(), outlet.prints_aside():
                outcome = running_bot.run(effective, options, terminal.say, environment={})
        finally:
            logger.remove()  # its file is in the folder
        terminal.print_outcome(outcome, None)
    if outcome.failure:
        raise typer.Exit(ExitCode.FAILED)
