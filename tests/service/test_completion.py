"""Shell completion: what each shell is given, and what it gets to an unfinished line."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.live import MICROBOT, PATIENCE_S, environment, microbot

ASKED = {
    "bash": {"COMP_WORDS": "microbot run --venue co", "COMP_CWORD": "3"},
    "zsh": {"_TYPER_COMPLETE_ARGS": "microbot run --venue co"},
    "fish": {"_TYPER_COMPLETE_ARGS": "microbot run --venue co", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_what_fits(shell: str, tmp_path: Path) -> None:
    told = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    script = microbot("--show-completion", shell, cwd=tmp_path, **told)
    assert f"_MICROBOT_COMPLETE=complete_{shell}" in script.stdout, script.stderr
    found = microbot(cwd=tmp_path, _MICROBOT_COMPLETE=f"complete_{shell}", **ASKED[shell])
    assert "coinbase" in found.stdout, found.stderr
    assert "binance" not in found.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_itself_completes_a_command(tmp_path: Path) -> None:
    told = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    script = microbot("--show-completion", "bash", cwd=tmp_path, **told).stdout
    ask = f"COMP_WORDS=(microbot explai); COMP_CWORD=1; _microbot_completion {MICROBOT}; echo ${{COMPREPLY[0]}}"
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{ask}"],
        env=environment(), cwd=tmp_path, timeout=PATIENCE_S, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "explain\n", done.stderr
