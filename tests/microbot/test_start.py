"""microbot_start: a room that is somebody else's is said in one sentence, before anything of it runs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import microbot_start
from tests.support.live import microbot
from tests.support.shared import ROOT


def test_all_rooms_are_our_own_here() -> None:
    assert microbot_start.stranger() == ""


def test_the_rooms_are_those_of_the_wheel() -> None:
    assert all((ROOT / room / "__init__.py").is_file() for room in microbot_start.ROOMS)


def test_another_s_room_that_is_found_first_is_refused_before_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "web.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    done = microbot("--version", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"microbot: the package web is {tmp_path / 'web.py'}, ")
    assert "pipx install microbot-trading" in done.stderr


def test_a_room_that_lost_its_beginning_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = _copied(tmp_path, monkeypatch)
    (here / "web" / "__init__.py").unlink()  # as the end of another package of that name leaves it
    assert "the package web is " in microbot_start.stranger(here)
    shutil.rmtree(here / "web")
    monkeypatch.setattr(sys, "path", [str(here)])
    assert "the package web is missing" in microbot_start.stranger(here)


def test_a_room_that_another_package_was_written_over_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = _copied(tmp_path, monkeypatch)
    assert microbot_start.stranger(here) == ""
    (here / "web" / "__init__.py").write_text("# of another package\n", encoding="utf-8")
    assert "web was written over by another package" in microbot_start.stranger(here)


def _copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay the beginnings of the rooms out as a wheel is installed, and find them first."""
    files, record = {}, []
    for room in microbot_start.ROOMS:
        name = f"{room}/__init__.py"
        files[name] = (ROOT / name).read_bytes()
        record.append(f"{name},sha256={microbot_start._hash(ROOT / name)},{len(files[name])}")
    dist = "microbot_trading-0.dist-info"
    files[f"{dist}/METADATA"] = b"Metadata-Version: 2.1\nName: microbot-trading\nVersion: 0\n"
    files[f"{dist}/RECORD"] = "\n".join(record).encode()
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path.resolve()
