"""The other processes: the mock exchange, and those at the end of a pipe, web and notifier; supervised, all of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
import threading
import time
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from loguru import logger

from actors.feeds.backoff import BackOff
from actors.supervision.supervisor import ChildSpec, Dependant, SupervisionSettings, Supervisor
from mock_exchange.settings import ExchangeSettings
from service.errors import NotNow, Stopped, UserError
from service.exit_codes import ExitCode
from service.live.command_pipe import CommandPipe
from service.live.commands import CommandResult
from service.live.service_manager import without_manager
from service.logs import LEVELS
from service.notify.messages import Configured
from service.notify_settings import URLS
from web.messages import Answered, Asked, Listening
from web.pipe import FrameTooLarge, FrameWriter, PipeError, from_web
from web.settings import MAY_PASS, SECRET_VARIABLE, SignalDoor, WebSettings

_LEVEL = re.compile(r"\[[^]]*\] - ([A-Z]+) - ")  # how a child's own log lines begin
_MOST_GRAVE = 200  # lines of one process that reach the terminal: beyond it, only a log at DEBUG has them
_NOTIFY = URLS.removesuffix("URLS")
SHUTDOWN_S = 2.0  # real seconds that another process may take to end
_START_S = 60.0  # real seconds that another process may take until it listens
LAST_NOTICE_S = 12.0  # real seconds that the notifier has to end; half of them to send what happened last
_MOST_CATCHING_UP = 50_000  # messages that wait for a web process that starts, its history among them
MAX_WAITING = 4 << 20  # bytes in the pipe to a web process that does not read; beyond it messages are dropped


async def _spawn(*arguments: str, more: dict[str, str] | None = None, **options: Any) -> Process:
    # A session of its own: Ctrl-C reaches the bot alone, which then ends the others in order. They end by
    # themselves when their standard input does, however the bot died.
    # -P: without the folder that we are in, where a `signal.py` or a `web/` of the user's would be found first.
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", *arguments),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
        env=without_manager(without_keys(os.environ)) | (more or {}),
        **options,
    )


def without_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what opens an account, or a chat of the owner's.

    No child trades, and the web process talks to strangers; the notifier has its addresses by its pipe, and what
    signals from outside are signed with is the web process's alone.
    """
    secret = ("APCA_", _NOTIFY, SECRET_VARIABLE)
    return {name: value for name, value in environment.items() if not name.upper().startswith(secret)}


async def _end(process: Process, within_s: float = 2.0) -> None:
    """End a child: close its input, then insist."""
    if process.stdin is not None:
        process.stdin.close()
    for insist in (None, process.terminate, process.kill):
        with contextlib.suppress(ProcessLookupError):
            if insist is not None:
                insist()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), within_s / 2)
            return


class ExchangeProcess:
    """The mock exchange in a process of its own, on the same port for as long as the bot runs."""

    def __init__(self, settings: ExchangeSettings, venue_now: Callable[[], int]) -> None:
        self.url = ""  # where it listens; empty as long as it does not
        self.refused = ""  # why it cannot start at all, in its own words
        self.may_pass = True  # what it was refused for: its port
        self.listening = asyncio.Event()  # while it does; also set when it cannot
        self._settings = settings
        self._venue_now = venue_now  # ns: where a restarted market goes on, so that its time never runs back

    async def run(self) -> str:
        """Run the process to its end; return why it ended."""
        process = await _spawn("service.live.exchange", msgspec.json.encode(self._current()).decode())
        assert process.stdout is not None
        async with _heard(process, "microbot.exchange") as heard:
            try:
                line = (await process.stdout.readline()).decode()
                self.url = self.url or next((word for word in line.split() if word.startswith("ws://")), "")
                if not self.url:
                    await heard.to_the_end()
                    self.refused = heard.last.removeprefix("mock exchange: ") or "it ended at once"
                self.listening.set()
                code = await process.wait()
            finally:
                self.listening.clear()
        return heard.why(code)

    def _current(self) -> ExchangeSettings:
        """Return the settings with the port that it has, and the moment that its market has come to."""
        port = int(self.url.rpartition(":")[2].strip("/") or self._settings.port)
        return msgspec.structs.replace(self._settings, port=port, start_at=self._venue_now() or self._settings.start_at)


class _Heard:
    """What a child says on stderr. It is read, so that the child never waits for us, and logged."""

    def __init__(self, stream: asyncio.StreamReader, name: str) -> None:
        self.last = ""  # the last line
        self._last_level = "WARNING"
        self._graver = 0  # lines so far that are to be looked at
        self._hearing = asyncio.create_task(self._hear(stream, name))

    async def to_the_end(self) -> None:
        """Wait for its last words, for a second at most."""
        await asyncio.wait([self._hearing], timeout=1)

    def why(self, code: int) -> str:
        """Say why the child ended, with its own words for an exit code that has some."""
        return f"exit code {code}" + (f": {self.last}" if code == 2 and self.last else "")

    async def _hear(self, stream: asyncio.StreamReader, name: str) -> None:
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # one that is longer than what is held of it: the stream has thrown that away
                line = b"(a very long line)\n"
            if not line:
                return
            self.last = line.decode(errors="replace").rstrip()
            level = self._level(self.last)
            logger.bind(logger=name, event="child.said").log(level, "{}", _LEVEL.sub("", self.last))

    def _level(self, line: str) -> str:
        """Return the level of a line: its own, or that of the one that it goes on from; else it is a warning."""
        if (found := _LEVEL.match(line)) is not None:
            self._last_level = found[1] if found[1] in LEVELS else "ERROR"
        elif not line.startswith((" ", "\t")):
            self._last_level = "WARNING"
        if self._last_level not in ("DEBUG", "INFO"):
            self._graver += 1
            if self._graver > _MOST_GRAVE:
                return "DEBUG"
        return "DEBUG" if self._last_level in ("DEBUG", "INFO") else self._last_level


@contextlib.asynccontextmanager
async def _heard(process: Process, name: str, within_s: float = 2.0) -> AsyncIterator[_Heard]:
    """Hear a child for as long as the context lasts, and end it then: it has half of the seconds to end by itself."""
    assert process.stderr is not None
    heard = _Heard(process.stderr, name)
    try:
        yield heard
    finally:
        await _end(process, within_s)
        await heard.to_the_end()


class FedProcess:
    """A process that is told at the end of a pipe. `send` never blocks: what waits is bounded, and dropped beyond that.

    `history` is what a new process has to know that the old one knew.
    """

    def __init__(self, history: Callable[[], Sequence[Any]]) -> None:
        self.refused = ""  # why it cannot start at all, in its own words
        self.may_pass = False  # what it was refused for
        self.listening = asyncio.Event()  # also set when it cannot
        self._dropped = 0  # messages that found the pipe full
        self._history = history
        self._writer = FrameWriter()
        self._process: Process | None = None
        self._catching_up: deque[Any] | None = None  # what a new process is still to be told before all else

    async def run(self) -> str:
        """Run the process to its end; return why it ended."""
        raise NotImplementedError

    def send(self, message: Any) -> None:
        """Send one message, if the process is there and reads."""
        if self._process is None or self._process.stdin is None:
            return
        transport = self._process.stdin.transport
        if self._catching_up is not None and len(self._catching_up) < _MOST_CATCHING_UP:
            self._catching_up.append(message)
        elif self._catching_up is not None or transport.is_closing() or transport.get_write_buffer_size() > MAX_WAITING:
            self._dropped += 1
        else:
            self._write(transport, message)

    def _write(self, transport: asyncio.WriteTransport, message: Any) -> None:
        try:
            transport.write(self._writer.frame(message))
        except PipeError:
            self._dropped += 1

    @property
    def dropped(self) -> int:
        """Messages that did not reach the process."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """Bytes on their way to the process."""
        return self._process.stdin.transport.get_write_buffer_size() if self._process and self._process.stdin else 0

    async def _send_history(self, stdin: asyncio.StreamWriter) -> None:
        """Send what the old process knew, as fast as it is read, and behind it what happens meanwhile."""
        waiting = self._catching_up = deque(self._history())
        try:
            while waiting:
                self._write(stdin.transport, waiting.popleft())
                await stdin.drain()
        except ConnectionError:
            pass  # it has ended
        finally:
            self._catching_up = None

    async def _feed(self, process: Process) -> None:
        """Tell a process that is there what it has to know, and from then on what happens."""
        assert process.stdin is not None
        self._process = process
        await self._send_history(process.stdin)
        self.listening.set()

    def _refuse(self, why: str, *, may_pass: bool = False) -> None:
        """Say why it cannot start at all."""
        self.refused, self.may_pass = why, may_pass
        self.listening.set()


class WebProcess(FedProcess):
    """The web process and its pipes: it is told what `web.pipe.FromBot` names, and brings commands."""

    def __init__(
        self,
        settings: WebSettings,
        on_command: Callable[[Asked], CommandResult],
        history: Callable[[], Sequence[Any]],
        urgent: UrgentPipe,
        secret_file: Path | None = None,
        explain: Sequence[str] = (),
        commands: CommandPipe | None = None,
        signals: SignalDoor | None = None,
    ) -> None:
        super().__init__(history)
        self.port = 0  # where it listens; 0 as long as it does not
        self._settings = settings
        self._on_command = on_command
        # Every user of the machine can read a command line: the secret is in a file that only this one can.
        self._secret_flag = ("--secret-file", str(secret_file)) if secret_file is not None else ()
        self._explain_flag = ("--explain", msgspec.json.encode(explain).decode()) if explain else ()
        # Only this user can read a process's environment.
        self._secrets = {"more": {SECRET_VARIABLE: signals.secret}} if signals is not None else {}
        self._signals_flag = ("--signals", msgspec.json.encode(signals.open_settings).decode()) if signals else ()
        self._urgent = urgent
        self._commands = commands  # that do not wait for the loop

    async def run(self) -> str:
        """Run the process to its end; return why it ended."""
        settings = msgspec.structs.replace(self._settings, port=self.port or self._settings.port, secret="")
        with contextlib.ExitStack() as stack:
            flag, options = stack.enter_context(self._urgent.opened())
            if self._commands is not None:
                more, inherited = stack.enter_context(self._commands.opened())
                flag, options = (*flag, *more), options | {"pass_fds": (*options.get("pass_fds", ()), *inherited)}
            words = (
                *flag,
                *self._secret_flag,
                *self._explain_flag,
                *self._signals_flag,
                "--settings",
                msgspec.json.encode(settings).decode(),
            )
            process = await _spawn("web", *words, **options, **self._secrets)
        async with _heard(process, "microbot.web") as heard:
            try:
                await self._read(process)
                code = await process.wait()
            finally:
                self._process = None
                self._urgent.close()
        if code in (ExitCode.REFUSED, MAY_PASS) and not self.port:
            self._refuse(heard.last or "the web process cannot listen", may_pass=code == MAY_PASS)
        return heard.why(code)

    @property
    def dropped(self) -> int:
        """Messages that did not reach the process, those past the loop included."""
        return self._dropped + self._urgent.dropped

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        reader = from_web()
        while data := await process.stdout.read(65_536):
            reader.feed(data)
            try:
                for message in reader.messages(_tell_bad_message):
                    if isinstance(message, Listening):
                        self.port = message.port
                        await self._feed(process)
                    else:
                        done = self._on_command(message)
                        self.send(Answered(message.ticket, *done))
            except FrameTooLarge as error:
                _tell_bad_message(error)
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()  # nothing that it says can be read any more: another one takes its place
                return


class NotifierProcess(FedProcess):
    """The notifier and its pipe: it is told what `service.notify.messages.FromBot` names, the settings first."""

    def __init__(self, configured: Configured) -> None:
        super().__init__(lambda: ())
        self._configured = configured

    async def run(self) -> str:
        """Run the process to its end; return why it ended."""
        process = await _spawn("service.notify")
        async with _heard(process, "microbot.notify", within_s=LAST_NOTICE_S) as heard:
            try:
                assert process.stdin is not None
                assert process.stdout is not None
                with contextlib.suppress(ConnectionError):
                    process.stdin.write(self._writer.frame(self._configured))
                    await process.stdin.drain()
                if await process.stdout.read(1):  # it says that it is there, and nothing else
                    await self._feed(process)
                code = await process.wait()
            finally:
                self._process = None
        if code == 2 and not self.listening.is_set():
            self._refuse(heard.last or "the notifier cannot start")
        return heard.why(code)


def _tell_bad_message(error: PipeError) -> None:
    logger.bind(logger="microbot.web", event="web.bad_message").warning(str(error))


@dataclass(eq=False)
class Processes:
    """The other processes of a run, under supervision."""

    stop: asyncio.Event
    random: Random
    settings: SupervisionSettings
    on_given_up: Callable[[ChildSpec, str], None]
    _supervisors: dict[str, Supervisor] = field(default_factory=dict, init=False)

    async def start(
        self,
        stack: contextlib.AsyncExitStack,
        name: str,
        child: ExchangeProcess | FedProcess,
        what: str,
        *,
        vital: bool,
        shutdown_s: float = SHUTDOWN_S,
    ) -> None:
        """Start a child under supervision, wait until it listens or says why it cannot, and end it with the stack.

        Once a `vital` one is given up, the session ends. Raises Stopped if the session is to stop
        meanwhile, and UserError, which calls it `what`, if it cannot start; NotNow where the next one may.
        """

        async def run() -> str:
            reason = await child.run()
            if child.refused:
                await self.stop.wait()  # it never listened, and never will: starting fails with its own words
            return reason

        settings = self.settings
        back_off = BackOff(settings.first_delay_s, settings.most_delay_s, self.random)
        spec = ChildSpec(
            name,
            run,
            settings.restarts,
            settings.within_s,
            shutdown_s=shutdown_s,
            vital=vital,
            ready=lambda: child.listening.wait(),
        )
        supervisor = self._supervisors[name] = Supervisor(spec, back_off, time.monotonic, self.on_given_up)
        supervisor.start()
        stack.push_async_callback(supervisor.stop)
        waits = [asyncio.ensure_future(event.wait()) for event in (child.listening, self.stop)]
        done, _ = await asyncio.wait(waits, timeout=_START_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if self.stop.is_set():
            raise Stopped
        if not done:
            child.refused, child.may_pass = f"it did not start within {_START_S:g} s", True
        if child.refused:
            raise (NotNow if child.may_pass else UserError)(f"the {what} cannot start: {child.refused}")

    def depend(self, name: str, dependant: Dependant) -> None:
        """Stop and start an edge with a process, if we started that one."""
        if name in self._supervisors:
            self._supervisors[name].depend(dependant)


class UrgentPipe:
    """A pipe of its own, written by any thread: the loop, which writes the other one, may be stuck.

    A frame is written whole or not at all, and the writer never waits: a pipe that is full, or not there (as on
    Windows, where a child inherits none), drops it.
    """

    def __init__(self) -> None:
        self.dropped = 0  # messages
        self._lock = threading.Lock()
        self._writer = FrameWriter(limit=4096)  # what a pipe takes whole, or not at all
        self._fd = -1

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        """Open the pipe for a child that is started meanwhile: yields its arguments, and the options of its start."""
        if sys.platform == "win32":
            yield (), {}
            return
        reader, writer = os.pipe()
        try:
            os.set_blocking(writer, False)
            yield ("--news", str(reader)), {"pass_fds": (reader,)}
        except BaseException:
            os.close(writer)
            raise
        finally:
            os.close(reader)
        with self._lock:
            self._fd = writer

    def send(self, message: Any) -> bool:
        """Write a message; False if it had to be dropped."""
        with self._lock, contextlib.suppress(OSError, PipeError):
            if self._fd >= 0:
                os.write(self._fd, self._writer.frame(message))
                return True
        self.dropped += 1
        return False

    def close(self) -> None:
        """Close the pipe; the child reads its end."""
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
