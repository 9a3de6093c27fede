"""`microbot service`: the files with which something else starts the bot, watches it, and starts it again."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from service.cli.options import taking
from service.cli.run import warn_of_secrets
from service.errors import UserError, make_folder, writing

if TYPE_CHECKING:
    from service.deployment.plan import Plan

app = typer.Typer(
    name="service",
    help="Write a systemd unit, or a Compose file with its image, that runs the bot while nobody looks.",
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


@dataclass(frozen=True, kw_only=True)
class Given:
    """What is to be written, for which run; `show` and `install` have the same options."""

    run: RunWords = None
    system: System = None
    compose: Compose = False
    name: Name = "microbot"
    run_as: RunAs = None
    env_file: EnvFile = None
    watchdog: Watchdog = 30.0
    wheel: Wheel = None

    @property
    def of_system(self) -> bool:
        """Whether a unit of the system's manager is wanted; without a word, root has one."""
        from service.deployment import host

        if self.compose:
            return False
        return self.system if self.system is not None else host.is_root()

    def plan(self) -> Plan:
        """Return what is to be deployed. Raises UserError for what could not run unattended."""
        from service import settings
        from service.data_folder import web_secret
        from service.deployment import host
        from service.deployment.plan import Plan

        self._check()
        given = _options_of_run(self.run or [])
        _check_unattended(given)
        folder, user = Path.cwd(), host.user_of(self.run_as) if self.of_system else None
        if self.compose:
            _check_in_container(given, folder)
        data_dir, logs = host.folders_of(given["data_dir"], self.name, user)
        keys = self.env_file.absolute() if self.env_file is not None else folder / f"{self.name}.env"
        variables, defaults = host.variables_in(keys), settings.logs_in(logs)
        effective = settings.load(given["config"], given["assignments"] or (), environment=variables, defaults=defaults)
        warn_of_secrets(effective, given["assignments"] or ())
        web = effective.web
        web_secret.check(web)
        return Plan(
            name=self.name,
            run=tuple(_without_folders(self.run or [])),
            folder=folder,
            data_dir=folder / data_dir,
            log_dir=folder / (given["log_dir"] or effective.log.dir),
            keys=keys,
            wants_keys=self.env_file is not None,
            watchdog_s=self.watchdog,
            user=user,
            web_port=given["port"] if given["port"] is not None else web.port,
            web_is_local=not web.lacks_secret and web.host in ("127.0.0.1", "::1", "localhost"),
            web_has_secret=bool(web.secret),
        )

    def files(self, plan: Plan) -> list[_File]:
        """Return the files of a plan. Raises UserError for paths that they cannot name."""
        from service.deployment import container, unit
        from service.deployment.plan import command

        for path in (plan.folder, plan.data_dir, plan.log_dir, plan.keys):
            if not str(path).isprintable() or str(path) != str(path).strip():
                raise UserError(f"{str(path)!r} has characters that a service's file cannot name: call it otherwise")
        if not self.compose:
            if set(program := command()[0]) & set("\"'\\"):
                raise UserError(
                    f"systemd starts no program with a quote in its path: install microbot not in {program}"
                )
            return [_File(f"{plan.name}.service", unit.unit_of(plan, system=self.of_system))]
        image = container.dockerfile(self.wheel.name if self.wheel is not None else None)
        return [_File("compose.yaml", container.compose(plan)), _File("Dockerfile", image)]

    def _check(self) -> None:
        if sys.platform == "win32":
            raise UserError(
                "there is no systemd on Windows, and folders are named otherwise in a container: write by hand"
            )
        if self.compose and self.system is not None:
            raise UserError("--system and --user are about systemd: leave them out with --compose")
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,62}", self.name, re.ASCII):
            raise UserError(f"--name wants letters, digits and .-_ after the first, not {self.name!r}")
        if not 1 <= self.watchdog <= 3600:
            raise UserError(f"--watchdog wants a number of seconds from 1 to 3600, not {self.watchdog:g}")
        if self.run_as is not None and not self.of_system:
            raise UserError("--run-as goes with --system: a user's own service runs as that user")
        if self.wheel is not None and not self.compose:
            raise UserError("--wheel goes with --compose: a unit starts the microbot that is installed here")
        if self.wheel is not None and not (self.wheel.is_file() and self.wheel.suffix == ".whl"):
            raise UserError(
                f"--wheel wants a package such as dist/microbot_trading-0.1.0-py3-none-any.whl, not {self.wheel}"
            )


@app.command()
@taking(Given)
def show(given: Given) -> None:
    """Print what `install` writes: for `microbot run` in this folder, by this installation, with these options."""
    files = given.files(given.plan())
    for number, file in enumerate(files):
        if len(files) > 1:
            print(f"{chr(10) if number else ''}# ---- {file.name}")
        print(file.text, end="")


@app.command()
@taking(Given)
def install(given: Given, into: Into = None, force: Force = False) -> None:
    """Write the unit, or the Compose file with its Dockerfile, make the folders, and say what comes next."""
    from service.deployment import host

    plan = given.plan()
    files = given.files(plan)
    usual = Path.cwd() if given.compose else _folder_of_units(os.environ, system=given.of_system)
    folder = (into or usual).resolve()
    if not force:
        for file in files:
            _check_not_another(folder / file.name, file.text)
    if not given.compose:
        host.prepare(plan)
    _write(files, folder)
    if given.compose:
        _copy(given.wheel, folder)
    _say_keys(plan)
    _say_next(plan, folder, given)


def _write(files: list[_File], folder: Path) -> None:
    from service.cli import terminal

    with writing(folder):
        make_folder(folder)
    for file in files:
        with writing(folder / file.name):
            (folder / file.name).write_text(file.text, encoding="utf-8")
        terminal.say(f"written: {folder / file.name}")


def _copy(wheel: Path | None, folder: Path) -> None:
    """Copy the package to where the image is built."""
    import shutil

    if wheel is not None and wheel.absolute().parent != folder:
        with writing(folder / wheel.name):
            shutil.copyfile(wheel, folder / wheel.name)


def _say_next(plan: Plan, folder: Path, given: Given) -> None:
    from service.cli import terminal

    if given.compose:
        terminal.say(f"next: docker compose --project-directory {quote(str(folder))} up --build --detach")
        return
    systemctl = "systemctl" if given.of_system else "systemctl --user"
    # `enable --now` would leave one that runs as it is.
    calls = (f"{systemctl} {call}" for call in ("daemon-reload", f"enable {plan.name}", f"restart {plan.name}"))
    terminal.say(f"next: {' && '.join(calls)}")
    if not given.of_system:
        terminal.say("and, for it to run while you are not logged in, and after a reboot: loginctl enable-linger")
    who = f"sudo -u {plan.user} " if plan.user is not None else ""
    terminal.say(f"then: {who}microbot status --data-dir {quote(str(plan.data_dir))}")


def _say_keys(plan: Plan) -> None:
    """Say what is missing in the file of keys: what only this terminal's environment has, the service has not."""
    from service.cli import terminal
    from service.deployment.host import variables_in
    from service.notify_settings import URLS
    from service.private_files import is_private
    from service.venues import KEY, SECRET

    there = variables_in(plan.keys)
    if not plan.keys.exists():
        if "alpaca" in plan.run:
            terminal.say(f"still missing: {plan.keys}, with lines {KEY}=... and {SECRET}=...")
    elif not is_private(plan.keys):
        terminal.say(f"{plan.keys} can be read by others: `chmod 600` it, and let it belong to the service's user")
    ours = (name for name in os.environ if re.fullmatch(rf"MICROBOT_[A-Z]+__\w+|{URLS}|{KEY}|{SECRET}", name))
    if left := sorted(set(ours) - there.keys()):
        terminal.say(f"the service has no {', '.join(left)} of this environment: {plan.keys} is where it may have them")


def _check_not_another(path: Path, text: str) -> None:
    """Raise UserError where a file is there that says something else."""
    try:
        found = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    if found != text:
        raise UserError(f"{path} is there, and says something else: --force writes over it, --into writes elsewhere")


def _options_of_run(words: list[str]) -> Mapping[str, Any]:
    """Read the options of `microbot run` as it does itself: what is wrong with them is said here, not by a service."""
    from service.cli import app as whole

    command = typer.main.get_command(whole)
    found: Mapping[str, Any] = command.commands["run"].make_context("microbot run", list(words)).params  # type: ignore[attr-defined]
    return found


def _check_unattended(given: Mapping[str, Any]) -> None:
    """Raise UserError for options with which no start but the first would do what is meant."""
    if given["live"] and given["account"] is None:
        raise UserError("a service has no terminal to be asked on: give --live its --account NUMBER")
    if given["record"] is not None:
        raise UserError(
            "a service is started again, and --record never writes over a file: leave it out, and each session is "
            "recorded in the data folder, within [record]'s bounds"
        )
    if given["fresh"]:
        raise UserError(
            "a service is started again, and --fresh would forget its halt, its losses and what is open: leave it out, "
            "and begin the new book with one `microbot run --fresh` by hand"
        )


def _check_in_container(given: Mapping[str, Any], folder: Path) -> None:
    """Raise UserError for what is not there in a container, of whose host it has this folder alone."""
    file = (given["strategy"] or "").rpartition(":")[0]
    for option, path in (("--config", given["config"]), ("--strategy", Path(file) if file else None)):
        if path is not None and (path.is_absolute() or not (folder / path).resolve().is_relative_to(folder.resolve())):
            raise UserError(f"{option} {path} is not there in the container: name a file in this folder, from here")
    if given["port"] == 0:
        raise UserError("--port 0 is no port that a container can publish: choose one")


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


def _folder_of_units(environment: Mapping[str, str], *, system: bool) -> Path:
    if system:
        return Path("/etc/systemd/system")
    return Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"
