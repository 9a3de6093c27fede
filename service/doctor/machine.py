"""The machine: Python, packages, folders, disk, time zones, the chart library."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.doctor.findings import Finding, failed, ok, warning
from service.settings import DiskSettings
from service.version import DISTRIBUTION, VERSION
from web.assets import CHART_LIBRARY, STATIC, Asset, load_assets
from web.settings import WebSettings

LEAST_PYTHON = (3, 11)
_LEAST_BYTES = 200_000_000
_FIRST_USER, _NOBODY = 1_000, 60_000  # the numbers between which a system gives its people theirs
_NO_SHELLS = ("nologin", "false", "sync")
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)\s*(?:>=\s*(?P<least>[\d.]+))?\s*(?:;\s*(?P<marker>.*))?")


def python(version: tuple[int, ...], executable: str) -> Finding:
    """Judge the Python that runs us."""
    found = f"{'.'.join(map(str, version[:3]))} at {executable}"
    if version[:2] < LEAST_PYTHON:
        remedy = "microbot needs Python 3.11 or newer: pipx install --python python3.11, or make run PYTHON=python3.11"
        return failed("python", found, remedy)
    return ok("python", found)


def packages(requirements: Iterable[str], version_of: Callable[[str], str]) -> Finding:
    """Judge what is installed; `version_of` raises PackageNotFoundError for what is not."""
    missing, old = [], []
    for requirement in requirements:
        wanted = _REQUIREMENT.match(requirement)
        if wanted is None or not _applies(wanted["marker"] or ""):
            continue
        name = wanted["name"]
        try:
            installed = version_of(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if wanted["least"] and _numbers(installed) < _numbers(wanted["least"]):
            old.append(f"{name} {installed} (at least {wanted['least']})")
    if missing or old:
        found = "; ".join(filter(None, (f"missing: {', '.join(missing)}" * bool(missing), ", ".join(old))))
        return failed(
            "packages",
            found,
            "install it again: `pipx reinstall microbot-trading`; in a checkout remove .venv, then `make run`",
        )
    return ok("packages", f"microbot {VERSION} and what it needs")


def installed_packages() -> Finding:
    """Look at the packages of this environment."""
    try:
        return packages(metadata.requires(DISTRIBUTION) or (), metadata.version)
    except metadata.PackageNotFoundError:
        return failed(
            "packages",
            "microbot itself is not installed",
            "install it: `pipx install microbot-trading`; in a checkout `make run`",
        )


def _applies(marker: str) -> bool:
    return "extra" not in marker and not ("win32" in marker and ("!=" in marker) == (sys.platform == "win32"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def folder(check: str, path: Path, option: str) -> Finding:
    """Try to write where the bot will; a folder that is not there is not made."""
    place = _nearest(path)
    try:
        if not place.is_dir():
            raise NotADirectoryError(20, os.strerror(20))
        with tempfile.NamedTemporaryFile(dir=place, prefix=".microbot-doctor-") as file:
            file.write(b"x")
    except OSError as error:
        said = f"{path} cannot be written: {error.strerror}"
        return failed(check, said, f"make {place} a folder that you may write, or choose another with {option}")
    return ok(check, f"{path.absolute()} can be written" + ("" if path.exists() else "; the bot will make it"))


def _nearest(path: Path) -> Path:
    """Return a path, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.parents) if place.exists())


def disk_of(path: Path, few: int = DiskSettings().warn_bytes) -> Finding:
    """Look at the disk of a folder that may not be there yet."""
    place = _nearest(path.absolute())
    return disk(shutil.disk_usage(place).free, place, few)


def disk(free: int, place: Path, few: int = DiskSettings().warn_bytes) -> Finding:
    """Judge free bytes, of which less than `few` is to be said: the journal must never find the disk full."""
    found = f"{free / 1e9:,.1f} GB free at {place}"
    if free < _LEAST_BYTES:
        return failed("disk", found, "make room: a full disk halts the bot (`microbot prune` removes old runs)")
    if free < few:
        return warning("disk", found, "make room soon: `microbot prune` removes old runs")
    return ok("disk", found)


def time_zone(name: str) -> Finding:
    """Look a time zone up: a trading day begins at midnight there."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return failed(
            "time zone",
            f"{name} is not known here",
            "install tzdata: it comes with microbot: `pipx reinstall microbot-trading`, or pip install tzdata",
        )
    return ok("time zone", f"{name} is known")


def dashboard_secret(settings: WebSettings, others: Sequence[str]) -> Finding:
    """Judge who may command the bot at its dashboard; `others` are the machine's other users."""
    check = "dashboard secret"
    if settings.lacks_secret:
        said = f"web.host {settings.host} shows the dashboard to the network, and there is no secret"
        return failed(check, said, "a start is refused: --set web.secret=auto, or --set web.host=127.0.0.1")
    if settings.secret:
        return ok(check, "it is needed to see or command the bot")
    if others:
        some = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        said = f"there is none, and this machine has other users ({some}), who can see and command the bot"
        return warning(check, said, "--set web.secret=auto")
    if settings.allowed_hosts:
        said = f"there is none, and others may reach it as {settings.allowed_hosts[0]}"
        return warning(check, said, "--set web.secret=auto, unless what stands before it asks for one")
    return ok(check, f"none is needed: only this machine reaches {settings.host}, and it has no other users")


def other_users() -> list[str]:
    """Return who else can log in on this machine, as far as it says."""
    if sys.platform == "win32":
        return []
    import pwd

    own = os.getuid()
    return sorted(
        user.pw_name
        for user in pwd.getpwall()
        if _FIRST_USER <= user.pw_uid < _NOBODY and user.pw_uid != own and not user.pw_shell.endswith(_NO_SHELLS)
    )


def page(static: Path = STATIC) -> Finding:
    """Read the dashboard's files, as it does; the build puts the libraries among them."""
    remedy = "run `python hatch_build.py`"
    try:
        files = load_assets(static).files
    except (OSError, ValueError) as problem:
        return failed("page", f"the dashboard cannot start: {problem}", remedy)
    if not files.get(CHART_LIBRARY, Asset(b"", "", "")).body:
        return warning("page", f"{static / CHART_LIBRARY} is missing: the dashboard shows no chart", remedy)
    return ok("page", f"the dashboard's files are there ({sum(len(it.body) for it in files.values()) / 1000:,.0f} kB)")
