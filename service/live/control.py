"""Control: the ways to the kill switch. A socket, a file and a signal reach it while the bot's loop is stuck."""

from __future__ import annotations

import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
from loguru import logger

from actors.gateway.kill_switch import FLATTEN, HALT, Answer, KillSwitch
from service.data_folder import running
from service.errors import UserError
from service.live.commands import Mailbox
from service.live.control_socket import HEAR_S, MOST_BYTES, ControlSocket, Reply, Request
from service.live.halt_file import HaltFile, file_of, keep, reason_of, remove
from service.outlet import deaf_to

SERVED = (HALT, FLATTEN, "resume")
"""Commands that know of the kill switch."""

_LOOK_S = 0.2  # real seconds between two looks for the files, and for the signal
_ANSWER_S = 20.0  # real seconds for the gate to answer
_SIGNAL = None if sys.platform in ("win32", "darwin") else signal.SIGUSR1


# --------------------------------------------------------------------------------------------------- in the bot


def signal_blocked() -> AbstractContextManager[None]:
    """Keep SIGUSR1 from all threads that begin within: one of them waits for it."""
    return deaf_to(() if _SIGNAL is None else (_SIGNAL,))


class Control:
    """The threads on which a session's kill switch is served: its socket, its files and its signal."""

    def __init__(self, folder: Path, switch: KillSwitch, halt_file: HaltFile, mailbox: Mailbox) -> None:
        self._folder = folder
        self._switch = switch
        self._halt_file = halt_file
        self._mailbox = mailbox
        self._token = secrets.token_urlsafe(32)
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener: threading.Thread | None = None  # waits for the signal
        self._socket = ControlSocket(self._token, self.pull, lambda: switch.gate.silent_s)

    def serve(self, claimed: running.Claim) -> None:
        """Block entries at once if a file says so, listen on the socket, and publish where that is.

        Raises UserError if the data folder cannot be written. Call `close` afterwards.
        """
        self._switch.start()
        self._halt_file.block_entries()
        self._start("kill switch socket", self._socket.serve)
        claimed.publish_control(self._socket.address, self._token)

    def begin(self) -> None:
        """Give the core what the files say, now that it can be given something; from here on, watch them."""
        if (command := self._halt_file.pending_command()) is not None:
            log(f"gate.{command.name}", f"{file_of(self._folder, command.name)}: {command.reason}")
            self._mailbox.give(command)
        self._start("kill switch file", self._watch_files)
        if _SIGNAL is not None:
            with signal_blocked():  # the thread has it blocked from its first moment on
                self._listener = self._start("kill switch signal", self._await_signal)

    def pull(self, name: str, reason: str, source: str) -> Answer:
        """Pull the switch, from any thread but the loop's."""
        return self._switch.pull(name, reason or f"{name} from the {source}", source)

    def close(self) -> None:
        """End the threads."""
        self._ending.set()
        self._socket.close()
        self._switch.stop()
        if self._listener is not None and self._listener.is_alive() and self._listener.ident is not None:
            assert _SIGNAL is not None
            signal.pthread_kill(self._listener.ident, _SIGNAL)  # nothing else wakes it
        for thread in self._threads:
            thread.join(1.0)

    def _start(self, name: str, target: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _watch_files(self) -> None:
        failed = False
        while not self._ending.wait(_LOOK_S):
            try:
                self._look_for_files()
                failed = False
            except OSError as error:
                if not failed:
                    log("gate.fault", f"the files of the kill switch cannot be looked for: {error}")
                failed = True

    def _look_for_files(self) -> None:
        for name in (HALT, FLATTEN):
            if self._switch.pulled in (HALT, name):
                break
            if (reason := reason_of(self._folder, name)) is not None:
                self.pull(name, reason, f"the file {name.upper()}")

    def _await_signal(self) -> None:
        assert _SIGNAL is not None
        while True:
            # Not `sigtimedwait`: when a stop (SIGSTOP, Ctrl-Z) cuts that short and its time is up meanwhile, Python
            # returns a struct that was not filled. This one goes on waiting, and what it returns is looked at.
            told = signal.sigwaitinfo({_SIGNAL})
            if self._ending.is_set():
                return
            if told.si_signo != _SIGNAL:
                continue
            try:
                self.pull(HALT, f"SIGUSR1 of process {told.si_pid}", "signal")
            except Exception as error:  # of any kind: a kill switch that dies silently is worse
                log("gate.fault", f"the kill switch failed: {type(error).__name__}: {error}")


def log(event: str, sentence: str) -> None:
    """Log what the kill switch does, by an event's name and a sentence."""
    say = logger.bind(logger="microbot.gate", event=event)
    say.log("INFO" if event == "gate.handed_over" else "WARNING", "{}", sentence)


# ------------------------------------------------------------------------------------------------ on the terminal


def send(folder: Path, command: str, reason: str) -> str:
    """Give the bot of a data folder `halt`, `flatten` or `resume`; return what it did. Raises UserError."""
    bot = running.find(folder)
    if bot is None or not running.is_claimed(folder):
        return _leave(folder, command, reason)
    if command == "resume" or not bot.control:
        return running.send(folder, command, reason)
    host, _, port = bot.control.rpartition(":")
    request = Request(bot.token, command, reason)
    try:
        with socket.create_connection((host, int(port)), HEAR_S) as connection:
            connection.settimeout(_ANSWER_S)
            connection.sendall(msgspec.json.encode(request) + b"\n")
            reply = msgspec.json.decode(connection.makefile("rb").readline(MOST_BYTES), type=Reply)
    except (OSError, ValueError, msgspec.MsgspecError):
        raise UserError(_unheard(folder, command, reason, bot.pid)) from None
    if not reply.done:
        raise UserError(f"the bot refused {command}: {reply.answer}")
    return reply.answer


def _leave(folder: Path, command: str, reason: str) -> str:
    """Leave a command to the next start, where no bot runs."""
    if not folder.is_dir():
        raise UserError(f"no bot runs on {folder}, and there is no such folder: name its --data-dir")
    if command == "resume":
        if not any(file_of(folder, name).exists() for name in (HALT, FLATTEN)):
            raise UserError(
                f"no bot runs on {folder}, and nothing was left for its next start: what its book remembers, HALTED or "
                "PAUSED, `microbot resume` lifts once it runs"
            )
        if refused := remove(folder):
            raise UserError(refused)
        return f"no bot runs on {folder}: what was left for its next start is lifted (not what its book remembers)"
    if lost := keep(folder, command, reason or f"{command} from the terminal"):
        raise UserError(f"no bot runs on {folder}, and {command} cannot be left for the next start: {lost}")
    then = "closes all positions and is " + ("HALTED" if command == HALT else "PAUSED")
    return (
        f"no bot runs on {folder}, so nothing happens now; the next start is armed: it {then}, until `microbot resume` "
        f"({file_of(folder, command)})"
    )


def _unheard(folder: Path, command: str, reason: str, pid: int) -> str:
    lost = keep(folder, command, reason or f"{command} from the terminal")
    said = f"the bot (process {pid}) does not answer"
    if lost:
        return f"{said}, and {lost}: stop the process, and look at the venue"
    return (
        f"{said}; {file_of(folder, command)} is written: it {command}s as soon as it can, or at its next start "
        "(to be sure now, end the process: protective stops stay at the venue)"
    )
