"""REST calls as bytes on a connection: kept alive, pipelined, chunked, and beside a WebSocket's handshake."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from mock_exchange.events import SECOND
from mock_exchange.server import Server, listening
from mock_exchange.settings import ExchangeSettings

START = 1_767_623_400 * SECOND
PATIENCE_S = 30
KEYS = b"APCA-API-KEY-ID: ANN\r\nAPCA-API-SECRET-KEY: 1\r\n"
ORDER = b'{"symbol":"AAPL","qty":"1","side":"buy","type":"market","time_in_force":"day"}'


def get(path: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: here\r\n\r\n" % path


def post(body: bytes, length: bytes) -> bytes:
    return b"POST /v2/orders HTTP/1.1\r\nHost: here\r\n%b%b\r\n\r\n%b" % (KEYS, length, body)


def a_server() -> Server:
    settings = ExchangeSettings(port=0, start_at=START, speed=100.0, keys=("ANN:1",), allowed_hosts=("here",))
    return Server(settings, wall_ns=lambda: START, monotonic_ns=time.monotonic_ns)


async def responses(reader: asyncio.StreamReader, count: int) -> list[tuple[int, Any]]:
    """Read so many responses, each with the length of its body."""
    found = []
    for _ in range(count):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0] or 0)
        body = await reader.readexactly(length)
        is_page = body.startswith(b"<html>")
        found.append((int(head.split()[1]), body if is_page or not body else msgspec.json.decode(body)))
    return found


@pytest.mark.parametrize("quoted", [True, False])
def test_calls_of_all_kinds_share_a_connection_and_are_answered_in_their_order(quoted: bool) -> None:
    async def scenario() -> None:
        server = a_server()
        async with asyncio.timeout(PATIENCE_S), listening(server):
            if quoted:
                await server.pacer.wait_for_quotes()
            reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.url).port)
            plain = post(ORDER, b"Content-Length: %d" % len(ORDER))
            chunked = post(b"%x\r\n%b\r\n0\r\n\r\n" % (len(ORDER), ORDER), b"Transfer-Encoding: chunked")
            writer.write(get(b"/v2/account") + plain + chunked + plain)
            unauthorized, *orders = await responses(reader, 4)
            assert unauthorized[0] == 401
            assert b"nginx" in unauthorized[1]
            assert [status for status, _ in orders] == [200] * 3
            assert len({order["id"] for _, order in orders}) == 3
            handshake = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            writer.write(get(b"/").removesuffix(b"\r\n") + handshake + key)
            assert (await responses(reader, 1))[0][0] == 101
            assert b'"type":"hello"' in await reader.readuntil(b"}")
            writer.close()

    asyncio.run(scenario())


def test_stopping_closes_connections_on_which_nothing_is_asked() -> None:
    async def scenario() -> None:
        server = a_server()
        async with asyncio.timeout(PATIENCE_S):
            async with listening(server):
                reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.url).port)
                writer.write(get(b"/v2/clock"))
                assert (await responses(reader, 1))[0][0] == 401
            assert await reader.read() == b""
            writer.close()

    asyncio.run(scenario())
