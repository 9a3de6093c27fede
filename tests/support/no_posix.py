"""A Python that lacks what Windows lacks, for the bot and each process that it starts: as their `sitecustomize`.

It stays a POSIX Python, so what is shown is that nothing of ours asks for what is not there; not how Windows answers.
"""

from __future__ import annotations

import asyncio.unix_events
import importlib
import os
import signal
import sys
import types

POSIX_ONLY = ("fcntl", "grp", "pwd", "resource", "syslog", "termios", "tty", "uvloop")
NO_SIGNALS = (
    *("SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE"),
    *("SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGUSR1", "SIGUSR2"),
)
NO_FUNCTIONS: dict[types.ModuleType, tuple[str, ...]] = {
    os: ("fork", "geteuid", "getpgid", "getuid", "killpg", "setsid", "uname"),
    signal: (
        *("alarm", "pthread_kill", "pthread_sigmask", "setitimer"),
        *("sigpending", "sigwait", "sigwaitinfo", "sigtimedwait"),
    ),
}
LIBRARIES = (
    *("asyncio", "ctypes", "multiprocessing.synchronize", "sqlite3", "subprocess", "tempfile"),
    *("aiohttp", "exchange_calendars", "loguru", "msgspec", "platformdirs", "prometheus_client"),
    *("rich.console", "typer", "websockets"),
)


def _msvcrt() -> types.ModuleType:
    """Return what we use of Windows' own module: a lock on a file that one process has."""
    import fcntl

    def locking(fd: int, mode: int, _: int) -> None:
        fcntl.flock(fd, mode)

    found = types.ModuleType("msvcrt")
    found.__dict__.update(locking=locking, LK_NBLCK=fcntl.LOCK_EX | fcntl.LOCK_NB)
    return found


def begin() -> None:
    """Take away what Windows has not, once the libraries are there: they have Windows' ways of their own."""
    for name in LIBRARIES:
        importlib.import_module(name)
    sys.modules["msvcrt"] = _msvcrt()
    sys.platform = "win32"
    for name in POSIX_ONLY:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it fails
    for name in NO_SIGNALS:
        delattr(signal, name)
    for module, names in NO_FUNCTIONS.items():
        for name in names:
            delattr(module, name)

    kill = os.kill

    def kill_windows(pid: int, number: int) -> None:
        if number == 0:  # there it is Ctrl-C, and not the question whether a process is there
            raise AssertionError("os.kill(pid, 0) interrupts a process on Windows")
        kill(pid, number)

    os.kill = kill_windows

    def refuse(*_: object) -> None:
        raise NotImplementedError

    asyncio.unix_events._UnixSelectorEventLoop.add_signal_handler = refuse  # type: ignore[method-assign,assignment]
