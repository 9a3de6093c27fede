"""The other two processes: the mock exchange, and the web process at the end of its pipes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import Any

import msgspec
from loguru import logger

from actors.messages import Command
from mock_exchange.settings import ExchangeSettings
from service.errors import UserError
from web.pipe import FrameWriter, Listening, PipeError, from_web
from web.settings import WebSettings

_START_TIMEOUT_S = 15.0
_MAX_WAITING = 4 << 20  # bytes in the pipe to a web process that does not read; beyond it messages are dropped


async def _spawn(*arguments: str, **options: Any) -> asyncio.subprocess.Process:
    # A session of its own: Ctrl-C reaches the bot alone, which then ends the others in order. They end by
    # themselves when their standard input does, however the bot died.
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, stdin=asyncio.subprocess.PIPE, start_new_session=True, **options
    )


async def _end(process: asyncio.subprocess.Process, within_s: float = 2.0) -> None:
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
    """The mock exchange in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.url = url
        self._process = process

    @classmethod
    async def start(cls, settings: ExchangeSettings) -> ExchangeProcess:
        """Start it and wait until it listens. Raises UserError with its own words if it does not."""
        arguments = [
            *("--host", settings.host, "--port", str(settings.port), "--symbols", ",".join(settings.symbols)),
            *("--seed", str(settings.seed), "--speed", str(settings.speed), "--stop-on-stdin-eof"),
        ]
        process = await _spawn(
            "mock_exchange", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        line = b""
        with contextlib.suppress(TimeoutError):
            line = await asyncio.wait_for(process.stdout.readline(), _START_TIMEOUT_S)
        found = [word for word in line.decode().split() if word.startswith("ws://")]
        if not found:
            process.kill()
            said = (await process.stderr.read()).decode().strip().splitlines()
            raise UserError(said[-1] if said else "the mock exchange did not start")
        exchange = cls(process, found[0])
        exchange._drains = [
            asyncio.create_task(_drain(process.stdout)),
            asyncio.create_task(_drain(process.stderr, "microbot.exchange")),
        ]
        return exchange

    _drains: list[asyncio.Task[None]]

    async def ended(self) -> str:
        """Wait until it ends by itself; return why."""
        return f"exit code {await self._process.wait()}"

    async def stop(self) -> None:
        await _end(self._process)
        for task in self._drains:
            task.cancel()


async def _drain(stream: asyncio.StreamReader, name: str = "") -> None:
    """Read a child's output to its end, so that it never waits for us; log it where that helps."""
    while line := await stream.readline():
        if name:
            logger.bind(logger=name, event="child.said").debug(line.decode(errors="replace").rstrip())


class WebProcess:
    """The web process and its pipes. `tell` never blocks: what waits is bounded, and dropped beyond that."""

    def __init__(
        self,
        settings: WebSettings,
        on_command: Callable[[Command], None],
        on_start: Callable[[WebProcess], None],
    ) -> None:
        self.port = 0  # where it listens; 0 as long as it does not
        self.dropped = 0  # messages
        self.refused = ""  # why it cannot start at all, in its own words
        self.listening = asyncio.Event()  # also set when it cannot
        self._settings = settings
        self._on_command = on_command
        self._on_start = on_start  # tells a new process what the old one knew
        self._writer = FrameWriter()
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> str:
        """Run the process to its end; return why it ended."""
        settings = msgspec.structs.replace(self._settings, port=self.port or self._settings.port)
        process = await _spawn(
            *("web", "--settings", msgspec.json.encode(settings).decode()),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        said: list[str] = []
        hearing = asyncio.create_task(self._hear(process.stderr, said))
        try:
            await self._read(process)
            code = await process.wait()
        finally:
            self._process = None
            await _end(process)
            await asyncio.wait([hearing], timeout=1)
        if code == 2:
            self.refused = said[-1] if said else "the web process cannot listen"
            self.listening.set()
        return f"exit code {code}" + (f": {said[-1]}" if said else "")

    def tell(self, message: Any) -> None:
        """Send one message of `actors.messages.ToWeb`, if the process is there and reads."""
        if self._process is None or self._process.stdin is None:
            return
        transport = self._process.stdin.transport
        if transport.is_closing() or transport.get_write_buffer_size() > _MAX_WAITING:
            self.dropped += 1
            return
        try:
            transport.write(self._writer.frame(message))
        except PipeError:
            self.dropped += 1

    @property
    def waiting(self) -> int:
        """Bytes on their way to the process."""
        return self._process.stdin.transport.get_write_buffer_size() if self._process and self._process.stdin else 0

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        reader = from_web()
        while data := await process.stdout.read(65_536):
            reader.feed(data)
            try:
                for message in reader.messages():
                    if isinstance(message, Listening):
                        self.port = message.port
                        self._process = process
                        self._on_start(self)
                        self.listening.set()
                    else:
                        self._on_command(message)
            except PipeError as error:
                logger.bind(logger="microbot.web", event="web.bad_message").warning(str(error))

    async def _hear(self, stream: asyncio.StreamReader, said: list[str]) -> None:
        while line := await stream.readline():
            said[:] = [line.decode(errors="replace").rstrip()]
            logger.bind(logger="microbot.web", event="child.said").debug(said[0])
