"""A webhook on loopback, in a thread of its own: it takes messages, refuses them, or lets its callers wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Self

from aiohttp import web

from tests.support.live import PATIENCE_S, wait_until


class Webhook:
    """Keeps what it was sent, in order. `status` is what it answers; while `open` is not set, it answers nothing."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.asked = 0  # requests, refused ones among them
        self.pings = 0
        self.status = 200
        self.port = 0
        self._open = asyncio.Event()
        self._open.set()
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    @property
    def url(self) -> str:
        """Its address, as apprise has it."""
        return f"json://127.0.0.1:{self.port}/hook/top-secret-path"

    @property
    def ping_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ping/top-secret-uuid"

    def hang(self) -> None:
        """Take requests from now on, and answer none."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def go_on(self) -> None:
        self._loop.call_soon_threadsafe(self._open.set)

    def of(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        return [message for message in list(self.messages) if wanted(message)]

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a message, and return the first that is so."""
        wait_until(lambda: bool(self.of(wanted)))
        return self.of(wanted)[0]

    def until_text(self, beginning: str) -> dict[str, Any]:
        return self.until(lambda message: str(message["message"]).startswith(beginning))

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/hook/top-secret-path", self._take)
        app.router.add_get("/ping/top-secret-uuid", self._ping)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        self._up.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked += 1
        await self._open.wait()
        if self.status == 200:
            self.messages.append(body)
        return web.Response(status=self.status)

    async def _ping(self, _: web.Request) -> web.Response:
        self.pings += 1
        return web.Response()
