"""The door of the exchange: plain REST calls are answered on the spot, everything else is handed to aiohttp.

A call in HTTP/1.1 that is whole, and asks for nothing but an answer, needs neither a task nor a stream for its body:
what it comes to is written in the same turn of the loop in which it was read. The first thing on a connection that is
anything else (a handshake, a chunked body, a header that is odd) hands the connection over for good.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from http import HTTPStatus
from typing import NamedTuple, cast
from urllib.parse import parse_qsl

from mock_exchange.alpaca.calls import Request, Response

MOST_HEAD_BYTES = 8_192
"""Of a request's line and headers; with longer ones aiohttp has to deal."""

IDLE_S = 75.0
"""Real seconds after which a connection on which nothing more is asked is closed."""

REQUEST_S = 10.0
"""Real seconds that a request may take to come in, from its first byte; the first one, from the connection on."""

_LINE = re.compile(rb"(GET|POST|PATCH|DELETE) (/v2/[A-Za-z0-9._~:/-]*)(?:\?([A-Za-z0-9._~:/?&=%+,*-]*))? HTTP/1\.1")
_HEADER = re.compile(rb"([A-Za-z0-9-]+):[ \t]*([\x20-\x7e]*?)[ \t]*")
_FEEDS = (b"/v2/iex", b"/v2/sip")
_NOT_PLAIN = frozenset({"TRANSFER-ENCODING", "UPGRADE", "EXPECT", "CONTENT-ENCODING"})


class Call(NamedTuple):
    """A plain call: what is asked, by whom, and whether more is to come on its connection."""

    asked: Request
    headers: Mapping[str, str]  # by their names in capitals
    keep_alive: bool
    size: int  # bytes that it took


class Verdict(Enum):
    """Why there is no call to answer."""

    MORE = "more"  # it is not whole yet
    OTHER = "other"  # it is none that is answered here


def read(data: bytes, most_bytes: int) -> Call | Verdict:
    """Read a call from the beginning of what came; its body may have `most_bytes`.

    >>> read(b"GET /v2/clock HTTP/1.1\\r\\nHost: here\\r\\n\\r\\n", 0).asked.path
    '/v2/clock'
    """
    end = data.find(b"\r\n\r\n", 0, MOST_HEAD_BYTES)
    if end < 0:
        return Verdict.MORE if len(data) < MOST_HEAD_BYTES else Verdict.OTHER
    line, *lines = data[:end].split(b"\r\n")
    found = _LINE.fullmatch(line)
    if found is None:
        return Verdict.OTHER
    method, path, query = found.groups()
    headers: dict[str, str] = {}
    for header in lines:
        parts = _HEADER.fullmatch(header)
        if parts is None:
            return Verdict.OTHER
        name = parts[1].decode().upper()
        if name in headers or name in _NOT_PLAIN:
            return Verdict.OTHER
        headers[name] = parts[2].decode()
    connection, length = headers.get("CONNECTION", "keep-alive").lower(), headers.get("CONTENT-LENGTH", "0")
    plain = connection in ("keep-alive", "close") and length.isdigit() and len(length) < 10
    if not plain or int(length) > most_bytes or "HOST" not in headers or path in _FEEDS:
        return Verdict.OTHER
    size = end + 4 + int(length)
    if len(data) < size:
        return Verdict.MORE
    words: dict[str, str] = {}
    for name, value in parse_qsl(query.decode(), keep_blank_values=True) if query else ():
        words.setdefault(name, value)
    asked = Request(method.decode(), path.decode(), words, data[end + 4 : size])
    return Call(asked, headers, connection == "keep-alive", size)


_HEADS = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\nServer: mock exchange\r\n".encode()
    for status in HTTPStatus
}


def written(response: Response, *, keep_alive: bool) -> bytes:
    """Return a response as it goes out."""
    head = _HEADS.get(response.status) or f"HTTP/1.1 {response.status} Unknown\r\n".encode()
    close = b"" if keep_alive else b"Connection: close\r\n"
    if response.status == HTTPStatus.NO_CONTENT:
        return b"%b%b\r\n" % (head, close)
    kind = b"Content-Type: application/json\r\n" if response.body else b""
    return b"%b%b%bContent-Length: %d\r\n\r\n%b" % (head, close, kind, len(response.body), response.body)


class Desk(NamedTuple):
    """Who answers calls."""

    respond: Callable[[Request, Mapping[str, str]], tuple[Response, float] | None]  # None: there is something to await
    ready: Callable[[], Awaitable[None]]  # what to await; afterwards there is an answer
    most_bytes: int  # of a call's body
    behind: Callable[[], asyncio.Protocol]  # makes who takes over a connection


class Door(asyncio.Protocol):
    """One connection, for as long as nothing but plain calls come on it. They are answered in their order."""

    def __init__(self, desk: Desk, doors: set[Door]) -> None:
        self._desk = desk
        self._doors = doors  # all that are open
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._begun = False  # what is in it is a part of a request, and has its time
        self._busy = False  # an answer is under way ...
        self._stuffed = False  # ... or the client does not read: in both cases what comes waits
        self._task: asyncio.Task[None] | None = None
        self._due = 0.0  # when what has to come next has to be here: it is not put off by a part of it
        self._look_at = 0.0  # when that is looked at
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a call."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by their class
        self._doors.add(self)
        self._expect(REQUEST_S)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget what was under way."""
        self._let_go()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer what is whole."""
        if self._buffer:
            self._buffer += data
        else:
            self._buffer = data
            self._begun = False
        self._go_on()

    def pause_writing(self) -> None:
        """Answer no more for now: the client does not read."""
        self._hold(stuffed=True)

    def resume_writing(self) -> None:
        """Go on: the client reads again."""
        self._hold(stuffed=False)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def _go_on(self) -> None:
        """Take the next call, if it is whole."""
        if self._busy or self._stuffed or self._transport is None or self._transport.is_closing():
            return
        call = read(self._buffer, self._desk.most_bytes)
        if call is Verdict.OTHER:
            self._hand_over()
        elif call is Verdict.MORE:
            if self._buffer and not self._begun:
                self._begun = True
                self._expect(REQUEST_S)
        else:
            self._buffer = self._buffer[call.size :]
            self._begun = False
            self._due = self._loop.time() + IDLE_S  # the timer may find that out when it looks
            answer = self._desk.respond(call.asked, call.headers)
            if answer is None or answer[1]:
                self._hold(busy=True)
                self._task = self._loop.create_task(self._later(call, answer))
            else:
                self._write(answer[0], call)
                if self._buffer:
                    self._loop.call_soon(self._go_on)  # others have their turn in between

    async def _later(self, call: Call, answer: tuple[Response, float] | None) -> None:
        while answer is None:
            await self._desk.ready()
            answer = self._desk.respond(call.asked, call.headers)
        response, delay_s = answer
        await asyncio.sleep(delay_s)
        self._write(response, call)
        self._due = self._loop.time() + IDLE_S
        self._hold(busy=False)

    def _write(self, response: Response, call: Call) -> None:
        assert self._transport is not None
        self._transport.write(written(response, keep_alive=call.keep_alive))
        if not call.keep_alive:
            self._transport.close()

    def _hold(self, *, busy: bool | None = None, stuffed: bool | None = None) -> None:
        """Note why what comes has to wait, or no longer."""
        self._busy = self._busy if busy is None else busy
        self._stuffed = self._stuffed if stuffed is None else stuffed
        if self._transport is None or self._transport.is_closing():
            return
        if self._busy or self._stuffed:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
            self._go_on()

    def _hand_over(self) -> None:
        transport, self._transport = self._transport, None
        assert transport is not None
        self._let_go()
        protocol = self._desk.behind()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(self._buffer)

    def _expect(self, within_s: float) -> None:
        """Give the next request so many seconds."""
        self._due = self._loop.time() + within_s
        if self._timer is None or self._due < self._look_at:
            self._watch()

    def _watch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._look_at = max(self._due, self._loop.time())
        self._timer = self._loop.call_at(self._look_at, self._cut_if_late)

    def _cut_if_late(self) -> None:
        if self._loop.time() < self._due:
            self._watch()
        elif self._busy:
            self._due = self._loop.time() + IDLE_S  # it waits for us
            self._watch()
        elif self._transport is not None and self._stuffed:
            self._transport.abort()  # closing it would wait until the client has read what it does not read
        else:
            self.close()

    def _let_go(self) -> None:
        self._doors.discard(self)
        if self._timer is not None:
            self._timer.cancel()
