"""A real browser for the tests of the page, and the web process as the bot starts it."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

import msgspec
import pytest
from playwright.async_api import Browser as Chromium, Locator, Page, async_playwright, expect

from actors.messages import Command
from web.messages import Answered, Asked, FromBot, FromWeb, Listening
from web.pipe import FrameWriter, from_web

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path(os.environ.get("MICROBOT_CHROMIUM", "/usr/bin/chromium"))
CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)
PATIENCE_S = 240
"""Seconds after which something that has to happen is given up; nothing waits that long when all is well."""
expect.set_options(timeout=PATIENCE_S * 1000)

T = TypeVar("T")


async def push(button: Locator, key: str = "Enter") -> None:
    """Press it by the keyboard, as soon as it can be pressed: a click is lost where news move what it aims at."""
    await expect(button).to_be_visible()
    await expect(button).to_be_enabled()
    await button.press(key)


class WebProcess:
    """`python -m web` with the bot's ends of its pipes."""

    def __init__(self, *arguments: str, **settings: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "web", *arguments, "--settings", msgspec.json.encode(settings).decode()],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._writer = FrameWriter()
        self._reader = from_web()
        self._read: list[FromWeb] = []
        self.port = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    @property
    def stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def listening(self) -> Self:
        """Wait for the first frame, which says the port."""
        first = self.next_message()
        assert isinstance(first, Listening)
        self.port = first.port
        return self

    def tell(self, *messages: FromBot) -> None:
        self.write(b"".join(self._writer.frame(message) for message in messages))

    def write(self, data: bytes) -> None:
        self.stdin.write(data)
        self.stdin.flush()

    def next_message(self) -> FromWeb:
        """Wait for a frame on its stdout."""
        assert self.process.stdout is not None
        while not self._read:
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            assert data, "the web process closed its stdout"
            self._reader.feed(data)
            self._read.extend(self._reader.messages())
        return self._read.pop(0)

    def next_command(self, answer: str = "done") -> Command:
        """Wait for a command, and answer it."""
        message = self.next_message()
        assert isinstance(message, Asked)
        assert isinstance(message.command, Command)
        self.tell(Answered(message.ticket, True, answer))
        return message.command

    def end(self) -> tuple[int, str]:
        """Let stdin end, as when the bot has gone; return the exit code and what stderr says."""
        self.stdin.close()
        return self.exited()

    def exited(self) -> tuple[int, str]:
        """Wait until it exits by itself; return the exit code and what stderr says."""
        assert self.process.stderr is not None
        return self.process.wait(PATIENCE_S), self.process.stderr.read().decode()

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        return self._request("GET", path, None, headers)

    def post(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        return self._request("POST", path, msgspec.json.encode(body), {"Content-Type": "application/json"} | headers)

    def _request(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def stream(self) -> EventStream:
        return EventStream(self.port)


class EventStream:
    """A client of `/events` that waits for what it is asked for."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self._connection.request("GET", "/events")
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._answer.close()
        self._connection.close()

    def events(self) -> Iterator[tuple[str, Any]]:
        """Yield name and data of each event, until the stream ends."""
        name = ""
        for line in self._answer:
            key, _, value = line.decode().rstrip("\r\n").partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                yield name, json.loads(value)

    def until(self, wanted: str, where: Callable[[Any], bool] = lambda data: True) -> Any:
        """Return the data of the next event of this name for which `where` is true."""
        for name, data in self.events():
            if name == wanted and where(data):
                return data
        raise AssertionError(f"the stream ended without a {wanted}")


class Visit(msgspec.Struct):
    """What happened in the browser while a scenario was played."""

    errors: list[str] = []
    requests: list[str] = []

    def hear(self, kind: str, text: str) -> None:
        """Keep what the browser's console complains of."""
        if kind in ("error", "warning"):
            self.errors.append(text)


class Browser:
    """A headless Chromium in a thread of its own, so that plain test functions can play scenarios in it.

    A scenario is an async function of a Playwright page. Every visit has a fresh profile.
    """

    def __init__(self, executable: Path = CHROMIUM) -> None:
        if not os.access(executable, os.X_OK):
            pytest.fail(
                f"The tests of the dashboard need Chromium, and there is none at {executable}. Install it "
                "('apt-get install chromium' on Debian), or name yours in MICROBOT_CHROMIUM.",
                pytrace=False,
            )
        self._executable = executable
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="browser")

    def __enter__(self) -> Self:
        self._thread.start()
        self._playwright_manager = async_playwright()
        self._chromium = self._run(self._launch())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._chromium.close())
        self._run(self._playwright_manager.__aexit__(kind, error, trace))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(3 * PATIENCE_S)

    async def _launch(self) -> Chromium:
        playwright = await self._playwright_manager.__aenter__()
        return await playwright.chromium.launch(executable_path=self._executable, args=list(CHROMIUM_FLAGS))

    def visit(self, url: str, scenario: Callable[[Page], Awaitable[object]], **context: Any) -> Visit:
        """Open the address and play the scenario; return the errors shown and the requests made meanwhile."""
        return self._run(self._visit(url, scenario, context))

    async def _visit(self, url: str, scenario: Callable[[Page], Awaitable[object]], context: dict[str, Any]) -> Visit:
        visit = Visit()
        profile = await self._chromium.new_context(**context)
        try:
            page = await profile.new_page()
            page.set_default_timeout(PATIENCE_S * 1000)
            page.on("console", lambda said: visit.hear(said.type, said.text))
            page.on("pageerror", lambda error: visit.errors.append(str(error)))
            page.on("request", lambda request: visit.requests.append(request.url))
            await page.goto(url)
            await scenario(page)
        finally:
            await profile.close()
        return visit


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium for the whole run; without one the test fails and says how to get it."""
    with Browser() as chromium:
        yield chromium


@pytest.fixture
def web_process() -> Iterator[WebProcess]:
    """The web process, listening on a free port of the loopback interface; a busy machine has its time to answer."""
    with WebProcess(port=0, answer_timeout_s=60.0) as process:
        yield process.listening()
