"""Plain calls are answered at the door, everything else is handed over: without a socket, and on one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given, strategies as st

from mock_exchange import door
from mock_exchange.alpaca.calls import Request, Response
from mock_exchange.door import MOST_HEAD_BYTES, Call, Desk, Door, Verdict, read, written
from mock_exchange.events import SECOND
from mock_exchange.server import Server, listening
from mock_exchange.settings import ExchangeSettings

START = 1_767_623_400 * SECOND
PATIENCE_S = 30
KEYS = b"APCA-API-KEY-ID: ANN\r\nAPCA-API-SECRET-KEY: 1\r\n"
GET = b"GET /v2/clock HTTP/1.1\r\nHost: here\r\n\r\n"
ORDER = b'{"symbol":"AAPL","qty":"1","side":"buy","type":"market","time_in_force":"day"}'


def post(body: bytes = ORDER, more: bytes = b"", path: bytes = b"/v2/orders") -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n%b%b\r\n" % (path, len(body), KEYS, more)
    return head + body


# -- reading -----------------------------------------------------------------------------------------------------------


def test_a_plain_call_is_read_with_its_query_headers_and_body() -> None:
    data = post(path=b"/v2/orders?after=2026-01-05T14:30:00%2B01:00&symbols=A,B&symbols=C&empty=&nested=a+b")
    call = read(data + b"GET", 1_000)
    assert isinstance(call, Call)
    assert (call.asked.method, call.asked.path, call.asked.body) == ("POST", "/v2/orders", ORDER)
    assert call.asked.query == {
        "after": "2026-01-05T14:30:00+01:00",
        "symbols": "A,B",
        "empty": "",
        "nested": "a b",
    }
    assert (call.headers["APCA-API-KEY-ID"], call.headers["APCA-API-SECRET-KEY"]) == ("ANN", "1")
    assert (call.keep_alive, call.size) == (True, len(data))


@given(st.integers(0, len(post()) - 1))
def test_a_call_that_is_not_whole_is_waited_for(cut: int) -> None:
    assert read(post()[:cut], 1_000) is Verdict.MORE


@pytest.mark.parametrize(
    "data",
    [
        GET.replace(b"1.1", b"1.0"),
        GET.replace(b"GET", b"OPTIONS"),
        GET.replace(b"/v2/clock", b"/"),
        GET.replace(b"/v2/clock", b"/v2/iex"),
        GET.replace(b"/v2/clock", b"/v2/cl%6Fck"),
        GET.replace(b"/v2/clock", b"http://here/v2/clock"),
        GET.replace(b"Host: here\r\n", b""),
        GET.replace(b"here", b"here\r\nHost: there"),
        GET.replace(b"here", b"here\r\n folded"),
        GET.replace(b"here", b"here\r\nUpgrade: websocket"),
        GET.replace(b"here", b"here\r\nConnection: Upgrade"),
        GET.replace(b"here", b"h\xc3\xa9re"),
        post(more=b"Transfer-Encoding: chunked\r\n"),
        post(more=b"Expect: 100-continue\r\n"),
        post(more=b"Content-Encoding: gzip\r\n"),
        post(more=b"Content-Length: 1\r\n"),
        post(b"x" * 1_001),
        b"POST /v2/orders HTTP/1.1\r\nHost: here\r\nContent-Length: -1\r\n\r\n",
        b"x" * MOST_HEAD_BYTES,
        b"\r\n\r\n",
    ],
)
def test_what_is_not_plain_is_none_of_the_door_s(data: bytes) -> None:
    assert read(data, 1_000) is Verdict.OTHER


@given(st.binary(max_size=200), st.booleans())
def test_arbitrary_bytes_give_a_verdict(data: bytes, behind_a_line: bool) -> None:
    read(GET[:-2] + data + b"\r\n\r\n" if behind_a_line else data, 100)


def test_an_answer_without_a_body_has_none() -> None:
    assert b"\r\n\r\n" in written(Response(204), keep_alive=True)
    assert b"Content-Length" not in written(Response(204), keep_alive=True)
    assert b"Content-Length: 0\r\n\r\n" in written(Response(404), keep_alive=True)
    assert b"Connection: close\r\n" in written(Response(200, b"{}"), keep_alive=False)


# -- answering ---------------------------------------------------------------------------------------------------------


class Wire(asyncio.Transport):
    """A transport that keeps what is written and remembers what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.reading = True
        self.closed = False
        self.aborted = asyncio.Event()

    def write(self, data: Any) -> None:
        self.sent += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted.set()


class Visitor:
    """A door with a client, and the calls that came through it."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.asked: list[str] = []
        self.quoted = asyncio.Event()
        self.quoted.set()
        self.delay_s = delay_s
        self.doors: set[Door] = set()
        self.wire = Wire()
        self.door = Door(Desk(self._respond, self._ready, 1_000, asyncio.Protocol), self.doors)
        self.door.connection_made(self.wire)

    def _respond(self, asked: Request, headers: Mapping[str, str]) -> tuple[Response, float] | None:
        if not self.quoted.is_set():
            return None
        self.asked.append(asked.path)
        return Response(200, asked.path.encode()), self.delay_s

    async def _ready(self) -> None:
        await self.quoted.wait()

    @property
    def answers(self) -> list[bytes]:
        return [part.rpartition(b"\r\n\r\n")[2] for part in self.wire.sent.split(b"HTTP/1.1 ")[1:]]


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scenario()

    asyncio.run(within())


def get(path: bytes) -> bytes:
    return GET.replace(b"/v2/clock", path)


def test_calls_that_come_together_are_answered_in_their_order_one_a_turn() -> None:
    async def scenario() -> None:
        visitor = Visitor()
        visitor.door.data_received(get(b"/v2/a") + get(b"/v2/b") + get(b"/v2/c")[:-1])
        assert visitor.answers == [b"/v2/a"]
        await asyncio.sleep(0)
        assert visitor.answers == [b"/v2/a", b"/v2/b"]
        await asyncio.sleep(0)
        visitor.door.data_received(b"\n")
        assert visitor.answers == [b"/v2/a", b"/v2/b", b"/v2/c"]

    play(scenario)


def test_a_late_answer_holds_back_the_next_call() -> None:
    async def scenario() -> None:
        visitor = Visitor(delay_s=0.001)
        visitor.door.data_received(get(b"/v2/a") + get(b"/v2/b"))
        assert (visitor.asked, visitor.answers, visitor.wire.reading) == (["/v2/a"], [], False)
        while len(visitor.answers) < 2:  # noqa: ASYNC110  # the door has nobody to tell
            await asyncio.sleep(0.001)
        assert visitor.answers == [b"/v2/a", b"/v2/b"]

    play(scenario)


def test_a_call_waits_until_there_is_an_answer_to_it() -> None:
    async def scenario() -> None:
        visitor = Visitor()
        visitor.quoted.clear()
        visitor.door.data_received(get(b"/v2/a"))
        await asyncio.sleep(0)
        assert (visitor.asked, visitor.wire.reading) == ([], False)
        visitor.quoted.set()
        while not visitor.wire.reading:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert visitor.answers == [b"/v2/a"]

    play(scenario)


def test_a_client_that_does_not_read_its_answers_is_asked_no_more() -> None:
    async def scenario() -> None:
        visitor = Visitor()
        visitor.door.pause_writing()
        visitor.door.data_received(get(b"/v2/a"))
        assert (visitor.asked, visitor.wire.reading) == ([], False)
        visitor.door.resume_writing()
        assert (visitor.asked, visitor.wire.reading) == (["/v2/a"], True)

    play(scenario)


def test_a_client_that_never_reads_its_answers_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "IDLE_S", 0.01)
    monkeypatch.setattr(door, "REQUEST_S", 0.01)

    async def scenario() -> None:
        visitor = Visitor()
        visitor.door.data_received(get(b"/v2/a"))
        visitor.door.pause_writing()
        await visitor.wire.aborted.wait()

    play(scenario)


def test_a_client_whose_answer_takes_long_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "IDLE_S", 0.0)
    monkeypatch.setattr(door, "REQUEST_S", 0.0)

    async def scenario() -> None:
        visitor = Visitor(delay_s=0.05)
        visitor.door.data_received(get(b"/v2/a"))
        while not visitor.answers:  # the door has nobody to tell
            assert not visitor.wire.closed
            await asyncio.sleep(0.001)

    play(scenario)


def test_a_client_that_wants_to_go_is_answered_first_and_nothing_after_it() -> None:
    async def scenario() -> None:
        visitor = Visitor()
        visitor.door.data_received(GET.replace(b"here", b"here\r\nConnection: close") + GET)
        assert (visitor.answers, visitor.wire.closed) == ([b"/v2/clock"], True)
        await asyncio.sleep(0)
        assert visitor.asked == ["/v2/clock"]

    play(scenario)


def test_a_connection_that_is_lost_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        visitor = Visitor()
        visitor.quoted.clear()
        visitor.door.data_received(GET)
        assert visitor.doors
        visitor.wire.close()
        visitor.door.connection_lost(None)
        assert not visitor.doors
        await asyncio.sleep(0)
        visitor.quoted.set()
        await asyncio.sleep(0)
        assert visitor.asked == []

    play(scenario)


# -- on a socket -------------------------------------------------------------------------------------------------------


async def responses(reader: asyncio.StreamReader, count: int) -> list[tuple[int, Any]]:
    """Read so many responses, each with the length of its body."""
    found = []
    for _ in range(count):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0] or 0)
        body = await reader.readexactly(length)
        found.append((int(head.split()[1]), msgspec.json.decode(body) if body else None))
    return found


@pytest.mark.parametrize("quoted", [True, False])
def test_plain_calls_and_others_share_a_connection(quoted: bool) -> None:
    async def scenario() -> None:
        settings = ExchangeSettings(port=0, start_at=START, speed=100.0, keys=("ANN:1",), allowed_hosts=("here",))
        exchange = Server(settings, wall_ns=lambda: START, monotonic_ns=time.monotonic_ns)
        async with listening(exchange):
            if quoted:
                await exchange.quoted()
            reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(exchange.url).port)
            chunked = post(b"", b"Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"")
            chunked += b"%x\r\n%b\r\n0\r\n\r\n" % (len(ORDER), ORDER)
            writer.write(get(b"/v2/account") + post() + chunked + post())
            unauthorized, first, second, third = await responses(reader, 4)
            assert unauthorized == (401, {"message": "unauthorized"})
            orders = [first, second, third]
            assert [status for status, _ in orders] == [200] * 3
            assert len({order["id"] for _, order in orders}) == 3
            key = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            writer.write(
                b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + key + b"\r\n"
            )
            assert (await responses(reader, 1))[0][0] == 101
            assert b'"type":"hello"' in await reader.readuntil(b"}")
            writer.close()

    play(scenario)


def test_stopping_closes_connections_on_which_nothing_is_asked() -> None:
    async def scenario() -> None:
        settings = ExchangeSettings(port=0, allowed_hosts=("here",))
        exchange = Server(settings, wall_ns=lambda: START, monotonic_ns=time.monotonic_ns)
        async with listening(exchange):
            reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(exchange.url).port)
            writer.write(get(b"/v2/clock"))
            assert (await responses(reader, 1))[0][0] == 401
        assert await reader.read() == b""
        writer.close()

    play(scenario)
