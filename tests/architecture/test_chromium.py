"""`.ci/chromium`: a missing browser is installed or complained of, and never passed over."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ensure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Shadow apt-get by one that only notes that it was called; return the note's path."""
    note = tmp_path / "called"
    apt_get = tmp_path / "apt-get"
    apt_get.write_text(f"#!/bin/sh\necho called >{note}\n", encoding="utf-8")
    apt_get.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return note


def chromium(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", ROOT / ".ci" / "chromium", path], check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def test_a_browser_in_place_is_taken_without_a_word(ensure: Path, tmp_path: Path) -> None:
    browser = tmp_path / "chromium"
    browser.touch(mode=0o755)
    result = chromium(browser)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert not ensure.exists()


def test_a_missing_browser_of_one_s_own_fails_in_one_sentence_and_installs_nothing(
    ensure: Path, tmp_path: Path
) -> None:
    result = chromium(tmp_path / "elsewhere")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"the tests need Chromium at {tmp_path / 'elsewhere'}" in result.stderr
    assert not ensure.exists()
