"""Starting the programs in `bench.processes`, and talking with them by lines of JSON."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from bench.results import ROOT

_new_loop: Callable[[], asyncio.AbstractEventLoop] | None
try:
    from uvloop import new_event_loop as _new_loop
except ImportError:  # Windows has none
    _new_loop = None

PATIENCE_S = 60.0
"""Real seconds within which a child must have said what is waited for."""
_ERRORS_TOLD = 4_000  # bytes, of the last that a child wrote to stderr


class ChildFailed(RuntimeError):
    """A child ended, or stayed silent, before it said what was waited for."""


class Child:
    """One child process. It says `{"event": ...}` a line on its stdout; leaving the context ends it."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.name = module
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the context
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"bench.processes.{module}", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._stdin = cast(IO[bytes], self._process.stdin)
        self._stdout = cast(IO[bytes], self._process.stdout)
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._stdout:
            self._said.put(msgspec.json.decode(line, type=dict[str, Any]))
        self._said.put(None)

    def hear(self, event: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait for the next thing that the child says, which must be `event`. Raises ChildFailed."""
        try:
            said = self._said.get(timeout=timeout_s)
        except queue.Empty:
            said = None
        if said is None or said.get("event") != event:
            told = str(said) if said is not None else self._last_errors() or "it said nothing"
            raise ChildFailed(f"{self.name} did not come to {event!r}: {told}")
        return said

    def _last_errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-_ERRORS_TOLD:].decode(errors="replace").strip()

    def say(self, word: str) -> None:
        """Say one line to the child."""
        self._stdin.write(word.encode() + b"\n")
        self._stdin.flush()

    def terminate(self) -> None:
        """Ask the child to end."""
        self._process.terminate()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._process.kill()
        with contextlib.suppress(BrokenPipeError):  # it ended without reading the last word
            self._stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join(timeout=5)
        self._stdout.close()
        self._errors.close()


def tell(event: str, **fields: Any) -> None:
    """Say something to the process that started this one."""
    print(msgspec.json.encode({"event": event, **fields}).decode(), flush=True)


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run a child's program on the kind of event loop that the bot has."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(work)


def most_held() -> int:
    """Return the most bytes of memory that this process held; where it can be told, not those of who started it."""
    status = Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
