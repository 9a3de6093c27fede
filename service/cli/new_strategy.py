"""The command that writes a start for a strategy."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer


def new_strategy(
    path: Annotated[Path, typer.Argument(metavar="FILE.py", help="Where; its test and a tape are written beside it.")],
) -> None:
    """Write a strategy to begin with, a test of it and a small tape; nothing is written over."""
    from service import new_strategy as starting
    from service.extras import install
    from service.visible import visible

    made = starting.write(path)
    microbot = "microbot" if shutil.which("microbot") else shlex.quote(sys.argv[0])
    python = "python" if shutil.which("python") == sys.executable else shlex.quote(sys.executable)
    strategy, test, tape = (shlex.quote(str(file)) for file in made)
    lines = [
        f"{made.strategy} is a strategy, {made.test} tests it, {made.tape} is two minutes of the mock exchange. Next:",
        f"  {microbot} check {strategy}:strategy",
        f"  {python} -m pytest {test}",
        f"  {microbot} replay {tape} --strategy {strategy}:strategy",
        f"  {microbot} run --strategy {strategy}:strategy",
    ]
    print(*map(visible, lines), sep="\n")
    if importlib.util.find_spec("pytest") is None:
        print(f"pytest is not installed: {python} -m {install('testing')} adds it.")
