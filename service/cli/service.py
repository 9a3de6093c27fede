"""`microbot service`: the files with which something else starts the bot, watches it, and starts it again."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from service.errors import UserError, make_folder, writing

if TYPE_CHECKING:
    from service.deployment.plan import Plan

app = typer.Typer(
    name="service",
    help="Write a systemd unit, or a Compose file with its image, that runs the bot while nobody looks.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

RunWords = Annotated[
    list[str] | None, typer.Argument(metavar="[-- OPTIONS OF RUN]", help="As `microbot run` is started by hand.")
]
System = Annotated[
    bool | None, typer.Option("--system/--user", help="Of the machine, from its start; or of you. [--system for root]")
]
Compose = Annotated[bool, typer.Option("--compose", help="A Compose file and a Dockerfile instead of a unit.")]
Name = Annotated[str, typer.Option("--name", metavar="NAME", help="Of the service.")]
RunAs = Annotated[str | None, typer.Option("--run-as", metavar="USER", help="With --system: whom it runs as. [you]")]
EnvFile = Annotated[
    Path | None, typer.Option("--env-file", metavar="FILE", help="With the keys. [NAME.env here, if it is there]")
]
Watchdog = Annotated[
    float, typer.Option("--watchdog", metavar="SECONDS", help="A core that is stuck so long is killed and restarted.")
]
Wheel = Annotated[
    Path | None, typer.Option("--wheel", metavar="FILE", help="With --compose: install this package in the image.")
]
Into = Annotated[
    Path | None,
    typer.Option("--into", metavar="DIR", help="Write there. [systemd's own folder; with --compose this one]"),
]
Force = Annotated[bool, typer.Option("--force", help="Write over files that say something else.")]


class _File(NamedTuple):
    """A file to be written."""

    name: str
    text: str


@app.command()
def show(
    run: RunWords = None,
    system: System = None,
    compose: Compose = False,
    name: Name = "microbot",
    run_as: RunAs = None,
    env_file: EnvFile = None,
    watchdog: Watchdog = 30.0,
    wheel: Wheel = None,
) -> None:
    """Print what `install` writes: for `microbot run` in this folder, by this installation, with these options."""
    system = _is_system(system, compose=compose)
    files = _files(_plan(run, name, run_as, env_file, watchdog, system=system), wheel, system=system, compose=compose)
    for number, file in enumerate(files):
        if len(files) > 1:
            print(f"{chr(10) if number else ''}# ---- {file.name}")
        print(file.text, end="")


@app.command()
def install(
    run: RunWords = None,
    system: System = None,
    compose: Compose = False,
    name: Name = "microbot",
    run_as: RunAs = None,
    env_file: EnvFile = None,
    watchdog: Watchdog = 30.0,
    wheel: Wheel = None,
    into: Into = None,
    force: Force = False,
) -> None:
    """Write the unit, or the Compose file with its Dockerfile, make the folders, and say what comes next."""
    import shutil

    from service.cli import terminal

    system = _is_system(system, compose=compose)
    plan = _plan(run, name, run_as, env_file, watchdog, system=system)
    files = _files(plan, wheel, system=system, compose=compose)
    folder = (into or (Path.cwd() if compose else _folder_of_units(os.environ, system=system))).resolve()
    if not force:
        for file in files:
            _check_not_another(folder / file.name, file.text)
    with writing(folder):
        make_folder(folder)
    for file in files:
        with writing(folder / file.name):
            (folder / file.name).write_text(file.text, encoding="utf-8")
        terminal.say(f"written: {folder / file.name}")
    if compose:
        if wheel is not None and wheel.absolute().parent != folder:
            with writing(folder / wheel.name):
                shutil.copyfile(wheel, folder / wheel.name)
        _say_keys(plan)
        terminal.say(f"next: docker compose --project-directory {folder} up --build --detach")
        return
    for made in (plan.data_dir, plan.log_dir):
        with writing(made):
            make_folder(made)
            if plan.user is not None and os.geteuid() == 0:
                shutil.chown(made, user=plan.user)
    _say_keys(plan)
    whose = "" if system else " --user"
    terminal.say(f"next: systemctl{whose} daemon-reload && systemctl{whose} enable --now {plan.name}")
    if not system:
        terminal.say("and, for it to run while you are not logged in, and after a reboot: loginctl enable-linger")


def _is_system(wished: bool | None, *, compose: bool) -> bool:
    if compose and wished is not None:
        raise UserError("--system and --user are about systemd: leave them out with --compose")
    return not compose and (wished if wished is not None else os.name == "posix" and os.geteuid() == 0)


def _say_keys(plan: Plan) -> None:
    from service.cli import terminal
    from service.private_files import is_private

    try:
        if not is_private(plan.keys):
            terminal.say(f"{plan.keys} can be read by others: `chmod 600` it, and let it belong to the service's user")
    except FileNotFoundError:
        if "alpaca" in plan.run:
            terminal.say(f"still missing: {plan.keys}, with lines APCA_API_KEY_ID=... and APCA_API_SECRET_KEY=...")


def _check_not_another(path: Path, text: str) -> None:
    """Raise UserError where a file is there that says something else."""
    try:
        found = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    if found != text:
        raise UserError(f"{path} is there, and says something else: --force writes over it, --into writes elsewhere")


def _files(plan: Plan, wheel: Path | None, *, system: bool, compose: bool) -> list[_File]:
    from service.deployment import container, unit

    if not compose:
        if wheel is not None:
            raise UserError("--wheel goes with --compose: a unit starts the microbot that is installed here")
        return [_File(f"{plan.name}.service", unit.unit_of(plan, system=system))]
    if wheel is not None and not (wheel.is_file() and wheel.suffix == ".whl"):
        raise UserError(f"--wheel wants a package such as dist/microbot_trading-0.1.0-py3-none-any.whl, not {wheel}")
    image = container.dockerfile(wheel.name if wheel is not None else None)
    return [_File("compose.yaml", container.compose(plan)), _File("Dockerfile", image)]


def _plan(
    words: list[str] | None, name: str, run_as: str | None, env_file: Path | None, watchdog_s: float, *, system: bool
) -> Plan:
    """Return what is to be deployed. Raises UserError for what could not run unattended."""
    from service import settings
    from service.data_folder import place, web_secret
    from service.deployment.plan import Plan

    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,62}", name, re.ASCII):
        raise UserError(f"--name wants letters, digits and .-_ after the first, not {name!r}")
    if not 1 <= watchdog_s <= 3600:
        raise UserError(f"--watchdog wants a number of seconds from 1 to 3600, not {watchdog_s:g}")
    if run_as is not None and not system:
        raise UserError("--run-as goes with --system: a user's own service runs as that user")
    if sys.platform == "win32":
        raise UserError("there is no systemd on Windows, and folders are named otherwise in a container: write by hand")
    given = _options_of_run(words or [])
    if given["live"] and given["account"] is None:
        raise UserError("a service has no terminal to be asked on: give --live its --account NUMBER")
    folder = Path.cwd()
    logs = settings.logs_in(place.logs_of(given["data_dir"]))
    effective = settings.load(given["config"], given["assignments"] or (), environment={}, defaults=logs)
    web = effective.web
    web_secret.check(web)
    record = given["record"]
    return Plan(
        name=name,
        run=tuple(_without_folders(words or [])),
        folder=folder,
        data_dir=folder / given["data_dir"],
        log_dir=folder / (given["log_dir"] or effective.log.dir),
        writes=((folder / record).parent,) if record is not None else (),
        env_file=env_file.absolute() if env_file is not None else None,
        watchdog_s=watchdog_s,
        user=_user(run_as) if system else None,
        web_port=given["port"] if given["port"] is not None else web.port,
        web_is_local=not web.lacks_secret and web.host in ("127.0.0.1", "::1", "localhost"),
        web_has_secret=bool(web.secret),
    )


def _options_of_run(words: list[str]) -> Mapping[str, Any]:
    """Read the options of `microbot run` as it does itself: what is wrong with them is said here, not by a service."""
    from service.cli import app as whole

    command = typer.main.get_command(whole)
    found: Mapping[str, Any] = command.commands["run"].make_context("microbot run", list(words)).params  # type: ignore[attr-defined]
    return found


def _without_folders(words: list[str]) -> list[str]:
    """Leave out the folders, which a service names from the root on."""
    kept, skipped = [], False
    for word in words:
        if skipped:
            skipped = False
        elif word in ("--data-dir", "--log-dir"):
            skipped = True
        elif not word.startswith(("--data-dir=", "--log-dir=")):
            kept.append(word)
    return kept


def _user(run_as: str | None) -> str:
    """Return whom a system's service runs as: never root, unless that is said. Raises UserError."""
    import getpass
    import pwd

    name = run_as or os.environ.get("SUDO_USER") or getpass.getuser()
    if name == "root" and run_as is None:
        raise UserError("a bot need not be root: name a user of this machine with --run-as")
    try:
        pwd.getpwnam(name)
    except KeyError:
        raise UserError(f"--run-as {name}: there is no such user on this machine") from None
    return name


def _folder_of_units(environment: Mapping[str, str], *, system: bool) -> Path:
    if system:
        return Path("/etc/systemd/system")
    return Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"
