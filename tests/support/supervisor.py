"""A stand-in for systemd: starts what a unit says, hears sd_notify, kills and starts again as systemd does.

It knows what the bot's units say of starting and stopping, and refuses any other line of [Service] that it does not
know. Sandboxing is read and left alone.
"""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.support.live import PATIENCE_S, wait_until

_SANDBOX = re.compile(
    r"Protect\w+|Private\w+|Restrict(AddressFamilies|Namespaces|Realtime|SUIDSGID)|ReadWritePaths|LockPersonality"
    r"|NoNewPrivileges|UMask|SystemCall\w+|CapabilityBoundingSet|User|TimeoutStartSec|LimitCORE|OOMPolicy"
)
_ESCAPES = {"n": "\n", "t": "\t"}


def read_unit(text: str) -> dict[str, dict[str, str]]:
    """Return a unit's sections; a key that comes twice is none that the bot's units have."""
    found: dict[str, dict[str, str]] = {}
    for line in text.split("\n"):
        if line.startswith("["):
            section = found[line.strip("[]")] = {}
        elif line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            assert key not in section, f"{key} comes twice"
            section[key] = value
    return found


def words_of(line: str) -> list[str]:
    """Split a command line as systemd.service(5) says: quotes, backslashes, %% and $$."""
    words, word, quote, is_word = [], "", "", False
    letters = iter(line)
    for letter in letters:
        if letter == "\\":
            escaped = next(letters)
            word += _ESCAPES.get(escaped, escaped)
        elif letter in "\"'" and quote in ("", letter):
            quote, is_word = ("" if quote else letter), True
        elif letter in "%$":
            assert next(letters) == letter, "no specifier and no variable is expected"
            word += letter
        elif letter == " " and not quote:
            words += [word] if word or is_word else []
            word, is_word = "", False
        else:
            word += letter
    assert not quote
    return [*words, *([word] if word or is_word else [])]


class Start:
    """One start of the service: its process, and what it said, with the seconds since then."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.at_s = time.monotonic()
        self.said: list[tuple[float, str]] = []
        self.fed_s = self.at_s  # when the watchdog was fed last
        self.aborted_after_s: float | None = None  # since the watchdog was fed last
        self.code: int | None = None

    def has_said(self, what: str) -> bool:
        return any(text == what for _, text in self.said)


class Supervisor:
    """Runs the service of a unit until the block ends; a thread of its own does what systemd would."""

    def __init__(self, unit: str, environment: Mapping[str, str]) -> None:
        sections = read_unit(unit)
        self._service = dict(sections["Service"])
        self._starts_left = int(sections["Unit"]["StartLimitBurst"])
        self.starts: list[Start] = []
        self.given_up = ""  # why it is not started any more
        service = self._service
        assert (service.pop("Type"), service.pop("NotifyAccess")) == ("notify", "main")
        assert (service.pop("Restart"), service.pop("KillMode")) == ("on-failure", "mixed")
        self._watchdog_s = float(service.pop("WatchdogSec"))
        self._restart_s = float(service.pop("RestartSec"))
        self._stop_s = float(service.pop("TimeoutStopSec"))
        self._prevent = {int(code) for code in service.pop("RestartPreventExitStatus").split()}
        self._words = words_of(service.pop("ExecStart"))
        self._folder = service.pop("WorkingDirectory")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._address = f"microbot-test-{os.getpid()}-{id(self)}"
        self._socket.bind("\0" + self._address)
        own = {"NOTIFY_SOCKET": f"@{self._address}", "WATCHDOG_USEC": str(round(self._watchdog_s * 1e6))}
        file = service.pop("EnvironmentFile")
        told = [*_lines(file), service.pop("Environment")]
        self._environment = dict(environment) | dict(line.split("=", 1) for line in told) | own
        unknown = [key for key in service if not _SANDBOX.fullmatch(key)]
        assert not unknown, f"a line that this stand-in does not know: {unknown}"
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(PATIENCE_S)
        for start in self.starts:
            if start.process.poll() is None:
                start.process.kill()
                start.process.wait(PATIENCE_S)
        self._socket.close()

    @property
    def current(self) -> Start:
        return self.starts[-1]

    def until_ready(self, start: int) -> Start:
        """Wait until the start of this number (from 1 on) says that it is ready."""
        wait_until(
            lambda: bool(self.given_up) or (len(self.starts) >= start and self.starts[start - 1].has_said("READY=1"))
        )
        assert not self.given_up, self.given_up
        return self.starts[start - 1]

    def stop(self) -> int:
        """Stop the service as `systemctl stop` does; return the exit code."""
        start = self.current
        self._ending.set()
        self._thread.join(PATIENCE_S)
        start.process.send_signal(signal.SIGTERM)
        code = start.process.wait(self._stop_s)
        self._hear(start, 0.0)
        return code

    def _run(self) -> None:
        while not self._ending.is_set():
            if not self._starts_left:
                self.given_up = "it was started too often"
                return
            self._starts_left -= 1
            start = self._start()
            while not self._ending.is_set() and start.process.poll() is None:
                self._hear(start, 0.05)
                silent_s = time.monotonic() - start.fed_s
                if start.has_said("READY=1") and silent_s > self._watchdog_s and start.aborted_after_s is None:
                    start.aborted_after_s = silent_s
                    start.process.send_signal(signal.SIGABRT)
            if self._ending.is_set():
                return
            start.code = start.process.returncode
            if start.code == 0 or start.code in self._prevent:
                self.given_up = f"it ended with exit code {start.code}"
                return
            self._ending.wait(self._restart_s)

    def _start(self) -> Start:
        process = subprocess.Popen(
            self._words, cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        start = Start(process)
        self.starts.append(start)
        return start

    def _hear(self, start: Start, wait_s: float) -> None:
        while select.select([self._socket], [], [], wait_s)[0]:
            wait_s = 0.0
            for text in self._socket.recv(65_536).decode().splitlines():
                start.said.append((time.monotonic() - start.at_s, text))
                if text in ("WATCHDOG=1", "READY=1"):
                    start.fed_s = time.monotonic()


def _lines(named: str) -> list[str]:
    """Return the lines of an EnvironmentFile=; with a - before it, it may be missing."""
    path = Path(named.removeprefix("-"))
    if named.startswith("-") and not path.exists():
        return []
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
