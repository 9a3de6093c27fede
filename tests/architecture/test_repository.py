"""What must not get into the repository: addresses in lock files, one machine's paths, other people's files."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import msgspec
import pytest

import hatch_build

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

# Written in pieces, so that this file does not hold what it looks for.
PERSONAL_FOLDERS = ["/" + folder + "/" for folder in ("home", "root", "Users")]


def pins(lock: Path) -> dict[str, str]:
    """Read the locked version of each package."""
    pin = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==([^ ]+)", re.MULTILINE)
    return dict(pin.findall(lock.read_text(encoding="utf-8")))


def committed_files() -> list[str]:
    """List what git has or would take; without git (in a source archive) there is nothing to keep out."""
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            encoding="utf-8",
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def test_there_is_a_lock_to_run_one_to_test_one_for_the_site_and_one_for_node() -> None:
    assert [lock.name for lock in LOCKS] == ["docs.txt", "node.txt", "run.txt", "test.txt"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_address(lock: Path) -> None:
    for line in lock.read_text(encoding="utf-8").splitlines():
        requirement = line.partition("#")[0]
        assert "://" not in line
        assert "file:" not in line
        assert " @ " not in requirement
        assert not requirement.startswith(("/", "-", ".")), line


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_pins_every_package_by_hash(lock: Path) -> None:
    entries = re.split(r"^(?=[a-z0-9])", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert entries
    pinned = re.compile(r"^[a-z0-9._-]+(\[[a-z0-9,_-]+\])?==\S+( ; .+)? \\\n    --hash=sha256:[0-9a-f]{64}")
    for entry in entries:
        assert pinned.match(entry), entry


def test_the_tests_run_with_the_versions_that_run() -> None:
    run, test = pins(ROOT / "requirements" / "run.txt"), pins(ROOT / "requirements" / "test.txt")
    assert run.items() <= test.items()
    site = pins(ROOT / "requirements" / "docs.txt")  # it is installed beside them
    assert all(test.get(name, version) == version for name, version in site.items())


def test_no_file_names_a_folder_of_somebody_s_machine() -> None:
    found = []
    for name in committed_files():
        content = (ROOT / name).read_bytes()
        found += [f"{name}: {folder}" for folder in PERSONAL_FOLDERS if folder.encode() in content]
    assert found == []


def test_the_lock_of_the_page_s_tools_pins_every_package_and_names_no_registry() -> None:
    lock = msgspec.json.decode((ROOT / "package-lock.json").read_bytes())
    packages = [package for name, package in lock["packages"].items() if name]
    assert packages
    assert [package for package in packages if "resolved" in package or not package.get("integrity")] == []
    wanted = msgspec.json.decode((ROOT / "package.json").read_bytes())["devDependencies"]
    assert wanted == lock["packages"][""]["devDependencies"]
    assert [version for version in wanted.values() if not re.fullmatch(r"[0-9.]+", version)] == []
    assert wanted["lightweight-charts"] == hatch_build.CHARTS.version  # types, of what draws


def test_no_file_of_the_page_s_libraries_is_committed() -> None:
    assert [
        name
        for name in committed_files()
        if "vendor/" in name or Path(name).name.startswith(("lightweight-charts", "lit-html"))
    ] == []
