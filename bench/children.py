"""Starting the programs in `bench.processes`, and talking with them by lines of JSON."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
from types import TracebackType
from typing import Any

import msgspec

from bench.results import ROOT

PATIENCE_S = 60.0
"""Real seconds within which a child must have said what is waited for."""


class ChildFailed(RuntimeError):
    """A child ended, or stayed silent, before it said what was waited for."""

    def __init__(self, name: str, waited_for: str, said: str) -> None:
        super().__init__(f"{name} did not come to {waited_for!r}: {said or 'it said nothing'}")
        self.name = name


class Child:
    """One child process. It says `{"event": ...}` a line on its stdout; leaving the context ends it."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.name = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"bench.processes.{module}", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._errors: list[str] = []
        self._threads = [threading.Thread(target=read, daemon=True) for read in (self._read, self._read_errors)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(msgspec.json.decode(line, type=dict[str, Any]))
        self._said.put(None)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._errors = [*self._errors[-20:], line.decode(errors="replace").rstrip()]

    def hear(self, event: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait for the next thing that the child says, which must be `event`. Raises ChildFailed."""
        try:
            said = self._said.get(timeout=timeout_s)
        except queue.Empty:
            said = None
        if said is None or said.get("event") != event:
            raise ChildFailed(self.name, event, "\n".join(self._errors) if said is None else str(said))
        return said

    def say(self, word: str) -> None:
        """Say one line to the child."""
        assert self._process.stdin is not None
        self._process.stdin.write(word.encode() + b"\n")
        self._process.stdin.flush()

    def terminate(self) -> None:
        """Ask the child to end."""
        self._process.terminate()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended without reading the last word
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join(timeout=5)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


def tell(event: str, **fields: Any) -> None:
    """Say something to the process that started this one."""
    print(msgspec.json.encode({"event": event, **fields}).decode(), flush=True)
