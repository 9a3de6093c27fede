"""Many event streams of one dashboard, read to the last byte and not looked at; the last of them read nothing."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import cast
from urllib.parse import urlsplit

from bench.children import run_loop, tell


class Browser(asyncio.Protocol):
    """One event stream: asks for it, then counts what comes."""

    def __init__(self, host: str, ready: asyncio.Future[None], *, mute: bool) -> None:
        self.events = 0
        self._mute = mute
        self._request = f"GET /events HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n".encode()
        self._ready = ready

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.events += data.count(b"event: ")
        if not self._ready.done():
            if data.startswith(b"HTTP/1.1 200"):
                self._ready.set_result(None)
                if self._mute:
                    self._transport.pause_reading()
            else:
                self._ready.set_exception(RuntimeError(data[:200].decode(errors="replace")))


async def browse(url: str, count: int, mute: int) -> None:
    """Connect, say so, and read until the parent closes standard input."""
    loop = asyncio.get_running_loop()
    where = urlsplit(url)
    address = where.hostname or "", where.port or 80
    browsers = []
    for number in range(count + mute):
        ready: asyncio.Future[None] = loop.create_future()
        _, browser = await loop.create_connection(partial(Browser, where.netloc, ready, mute=number >= count), *address)
        await ready
        browsers.append(browser)
    tell("connected")
    closed: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sys.stdin, closed.set_result, None)
    await closed
    loop.remove_reader(sys.stdin)
    tell("heard", events=sum(browser.events for browser in browsers))


if __name__ == "__main__":
    run_loop(browse(sys.argv[1], *map(int, sys.argv[2:])))
