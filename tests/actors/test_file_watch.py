"""The watch on a file that is being written: what other programs do to it is noticed, what we do is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.gateway.file_watch import FileWatch


def remove(path: Path) -> None:
    path.unlink()


def move_its_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def cut(path: Path) -> None:
    os.truncate(path, 3)


HARMS: dict[Callable[[Path], None], str] = {
    remove: "was removed",
    move_its_folder: "was removed",
    replace: "was replaced",
    cut: "was cut from 10 to 3",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "file").write_bytes(b"0123456789")
    return folder / "file"


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_done_to_the_file_is_said(harm: Callable[[Path], None], path: Path) -> None:
    watch = FileWatch(path)
    assert watch.look() == ""
    harm(path)
    assert watch.look().startswith(HARMS[harm])
    assert watch.look().startswith(HARMS[harm])  # it is not forgotten


def test_a_file_that_grows_is_the_same(path: Path) -> None:
    watch = FileWatch(path)
    with path.open("ab") as file:
        file.write(b"more")
    assert watch.look() == ""


def test_one_that_may_get_smaller_may(path: Path) -> None:
    watch = FileWatch(path, grows=False)
    cut(path)
    assert watch.look() == ""


def test_one_that_comes_later_is_known_from_then_on(tmp_path: Path) -> None:
    watch = FileWatch(tmp_path / "later")
    assert watch.look() == ""
    (tmp_path / "later").touch()
    assert watch.look() == ""
    remove(tmp_path / "later")
    assert watch.look() == "was removed while it was written"


def test_another_working_folder_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(path.parent)
    watch = FileWatch(Path("file"))
    monkeypatch.chdir(tmp_path)
    assert watch.look() == ""


def test_a_device_is_not_watched() -> None:
    assert FileWatch(Path(os.devnull)).look() == ""
