"""The machine: Python, packages, folders, disk, time zones, the chart library."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.doctor.findings import Finding, failed, ok, warning
from web.assets import CHART_LIBRARY, STATIC

LEAST_PYTHON = (3, 11)
_LEAST_BYTES, _FEW_BYTES = 200_000_000, 2_000_000_000
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)\s*(?:>=\s*(?P<least>[\d.]+))?\s*(?:;\s*(?P<marker>.*))?")


def python(version: tuple[int, ...], executable: str) -> Finding:
    """Judge the Python that runs us."""
    found = f"{'.'.join(map(str, version[:3]))} at {executable}"
    if version[:2] < LEAST_PYTHON:
        return failed(
            "python", found, "microbot needs Python 3.11 or newer: `make run PYTHON=python3.11` installs anew"
        )
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
        return failed("packages", found, "install what is locked: remove .venv, then `make run`")
    return ok("packages", f"microbot {version_of('microbot')} and what it needs")


def installed_packages() -> Finding:
    """Look at the packages of this environment."""
    try:
        return packages(metadata.requires("microbot") or (), metadata.version)
    except metadata.PackageNotFoundError:
        return failed("packages", "microbot itself is not installed", "install it: `make run`, or pip install")


def _applies(marker: str) -> bool:
    return "extra" not in marker and not ("win32" in marker and ("!=" in marker) == (sys.platform == "win32"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def folder(check: str, path: Path, option: str) -> Finding:
    """Try to write where the bot will; a folder that is not there is not made."""
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        if not place.is_dir():
            raise NotADirectoryError(20, os.strerror(20))
        with tempfile.NamedTemporaryFile(dir=place, prefix=".microbot-doctor-") as file:
            file.write(b"x")
    except OSError as error:
        said = f"{path} cannot be written: {error.strerror}"
        return failed(check, said, f"make {place} a folder that you may write, or choose another with {option}")
    return ok(check, f"{path.absolute()} can be written" + ("" if path.exists() else "; the bot will make it"))


def disk_of(path: Path) -> Finding:
    """Look at the disk of a folder that may not be there yet."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return disk(shutil.disk_usage(place).free, place)


def disk(free: int, place: Path) -> Finding:
    """Judge free bytes: the journal must never find the disk full."""
    found = f"{free / 1e9:,.1f} GB free at {place}"
    if free < _LEAST_BYTES:
        return failed("disk", found, "make room: a full disk halts the bot (`microbot prune` removes old runs)")
    if free < _FEW_BYTES:
        return warning("disk", found, "make room soon: `microbot prune` removes old runs")
    return ok("disk", found)


def time_zone(name: str) -> Finding:
    """Look a time zone up: a trading day begins at midnight there."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return failed(
            "time zone", f"{name} is not known here", "install tzdata: `make run` does, or pip install tzdata"
        )
    return ok("time zone", f"{name} is known")


def chart_library(static: Path = STATIC) -> Finding:
    """Look for the library that draws the dashboard's chart: the build puts it there."""
    path = static / CHART_LIBRARY
    if not path.is_file() or path.stat().st_size == 0:
        return warning("chart", f"{path} is missing: the dashboard shows no chart", "run `python hatch_build.py`")
    return ok("chart", f"the library is there ({path.stat().st_size / 1000:,.0f} kB)")
