"""The commands about notifications: a test of the addresses, and the watcher."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import Assignments, Config, DataDir
from service.errors import UserError
from service.notify_settings import NotifySettings


def notify(
    test: Annotated[bool, typer.Option("--test", help="Send one message to each address.")] = False,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Send a test message to each address of [notify], and say what became of it; exit code 1 if one was not taken."""
    import time

    from service.notify.targets import targets_of

    if not test:
        raise UserError("notify wants --test: `microbot run` sends what happens by itself, once there is an address")
    failed = False
    for target in targets_of(_wanted(config, assignments).urls):
        now = time.time()
        body = {"id": f"test/{now:.0f}", "kind": "test", "urgent": False, "events": [], "at": now, "late_s": 0.0}
        failure = target.send("This is a test: messages of the bot arrive here.", "microbot", body)
        failed = failed or bool(failure)
        print(f"{target.name}: {f'NOT delivered: {failure}' if failure else 'delivered'}")
    if failed:
        raise typer.Exit(1)


def watch(
    *,
    every: Annotated[float, typer.Option("--every", metavar="SECONDS", min=0.1, help="Between two looks.")] = 2.0,
    stuck_after: Annotated[
        float, typer.Option("--stuck-after", metavar="SECONDS", min=1, help="Without a sign of life it is stuck.")
    ] = 10.0,
    data_dir: DataDir,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Watch the bot of a data folder: tell the addresses of [notify] when it died, is stuck or halted, and is back.

    Run it beside the bot, started by something else than the bot. Ctrl-C ends it.
    """
    import asyncio
    import contextlib
    import signal

    from service.cli import terminal
    from service.notify.targets import targets_of
    from service.notify.watch import Watcher

    settings = _wanted(config, assignments)
    targets = targets_of(settings.urls)
    if not data_dir.is_dir():
        raise UserError(f"there is no folder {data_dir}: name the bot's --data-dir, where `microbot run` was started")

    watcher = Watcher(data_dir, settings, targets, terminal.say, every_s=every, stuck_s=stuck_after)

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # not on Windows
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
        terminal.say(f"watching the bot of {data_dir} every {every:g} s")
        await watcher.watch(stop)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())


def _wanted(config: Path | None, assignments: list[str] | None) -> NotifySettings:
    """Return the settings, with an address at least. Raises UserError."""
    from service import settings
    from service.notify_settings import URLS, resolved

    found = resolved(settings.load(config, assignments or ()).notify)
    if not found.urls:
        raise UserError(
            f"there is no address to notify: set notify.urls or notify.urls_file, or {URLS} in the environment"
        )
    return found
