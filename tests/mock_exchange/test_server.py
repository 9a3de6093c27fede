"""The venue on a real socket, on a port that the system gives."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mock_exchange.events import SECOND, Event, Trade
from mock_exchange.market import tape
from mock_exchange.server import CannotListen, Server, listening
from mock_exchange.settings import ExchangeSettings

START = 1_767_623_400 * SECOND
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
PATIENCE_S = 240
"""Real seconds after which a test that hangs fails."""


@contextlib.asynccontextmanager
async def a_server(**changes: Any) -> AsyncIterator[Server]:
    settings = ExchangeSettings(**({"port": 0, "start_at": START, "speed": 100.0} | changes))
    server = Server(settings, wall_ns=lambda: START + 1, monotonic_ns=time.monotonic_ns)
    async with asyncio.timeout(PATIENCE_S), listening(server):
        yield server


async def events_from(ws: ClientConnection, count: int) -> list[Event]:
    """Receive so many events or a few more, whatever frames they come in."""
    events: list[Event] = []
    while len(events) < count:
        frame = await ws.recv()
        events += [msgspec.json.decode(line, type=Event) for line in str(frame).split("\n")]
    return events


async def answer_from(ws: ClientConnection) -> dict[str, Any]:
    """Receive the next message that is no event."""
    while True:
        message = msgspec.json.decode(str(await ws.recv()).split("\n")[0])
        if message["type"] not in ("trade", "quote"):
            assert isinstance(message, dict)
            return message


async def close_code(ws: ClientConnection) -> int | None:
    """Receive until the connection is closed; return the code that the exchange closed it with."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await ws.recv()
    return ws.close_code


def test_the_first_client_is_greeted_and_sees_the_market_from_its_start() -> None:
    async def scenario() -> None:
        async with a_server() as server, connect(server.url) as ws:
            assert msgspec.json.decode(await ws.recv()) == {
                "type": "hello",
                "venue": "mock",
                "ts": START,
                "rate": 100.0,
                "symbols": ["AAPL", "MSFT"],
                "seed": 7,
            }
            events = await events_from(ws, 300)
            assert events == list(itertools.islice(tape(["AAPL", "MSFT"], 7, START, 3_600), len(events)))

    asyncio.run(scenario())


def test_the_market_waits_for_its_first_client_and_then_for_nobody() -> None:
    async def scenario() -> None:
        async with a_server() as server:
            assert server.exchange.published == 0
            async with connect(server.url) as first:
                assert msgspec.json.decode(await first.recv())["ts"] == START
                seen = await events_from(first, 100)
            async with connect(server.url) as second:
                hello = await answer_from(second)
                assert hello["ts"] >= seen[-1].ts
                assert all(event.ts >= hello["ts"] for event in await events_from(second, 20))

    asyncio.run(scenario())


def test_a_market_that_starts_now_starts_when_the_first_client_comes() -> None:
    async def scenario() -> None:
        async with a_server(start_at=None) as server, connect(server.url) as ws:
            assert msgspec.json.decode(await ws.recv())["ts"] == START + 1

    asyncio.run(scenario())


def test_a_client_may_narrow_what_it_gets() -> None:
    async def scenario() -> None:
        async with a_server() as server, connect(server.url + "/any/path") as ws:
            await answer_from(ws)
            await ws.send('{"type":"subscribe","symbols":["MSFT"]}')
            assert await answer_from(ws) == {"type": "subscribed", "symbols": ["MSFT"]}
            assert {event.symbol for event in await events_from(ws, 100)} == {"MSFT"}

    asyncio.run(scenario())


@pytest.mark.parametrize("message", ["nonsense", '{"type":"subscribe","symbols":["NOPE"]}', b"\x00\xff"])
def test_a_bad_subscription_is_answered_and_the_events_go_on(message: str | bytes) -> None:
    async def scenario() -> None:
        async with a_server() as server, connect(server.url) as ws:
            await answer_from(ws)
            await ws.send(message)
            assert (await answer_from(ws))["type"] == "error"
            assert {event.symbol for event in await events_from(ws, 100)} == {"AAPL", "MSFT"}

    asyncio.run(scenario())


def test_a_client_that_does_not_read_is_dropped_while_another_gets_everything() -> None:
    async def scenario() -> None:
        small = {"queue_events": 2_000, "queue_bytes": 200_000, "send_buffer_bytes": 4_096}
        async with a_server(speed=1_000.0, **small) as server:
            address = urlsplit(server.url)
            with socket.socket() as slow:
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
                slow.connect((address.hostname, address.port))
                slow.sendall(HANDSHAKE)
                async with connect(server.url) as reader:
                    await answer_from(reader)
                    events: list[Event] = []
                    while not server.connections.dropped:
                        events += await events_from(reader, 1)
                    events += await events_from(reader, 100)
            assert server.connections.dropped == 1
            for symbol in ("AAPL", "MSFT"):
                ids = [event.id for event in events if isinstance(event, Trade) and event.symbol == symbol]
                assert ids == list(range(ids[0], ids[0] + len(ids)))

    asyncio.run(scenario())


def test_a_client_that_answers_no_ping_is_disconnected() -> None:
    async def scenario() -> None:
        async with a_server(heartbeat_s=0.05) as server:
            address = urlsplit(server.url)
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(HANDSHAKE)
            with contextlib.suppress(ConnectionError):
                while await reader.read(4_096):
                    pass
            writer.close()

    asyncio.run(scenario())


def test_a_message_longer_than_allowed_closes_the_connection() -> None:
    async def scenario() -> None:
        async with a_server(message_bytes=100) as server, connect(server.url) as ws:
            await ws.send("x" * 200)
            assert await close_code(ws) == 1009

    asyncio.run(scenario())


def test_clients_are_told_goodbye_when_the_exchange_stops() -> None:
    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with a_server() as server:
                ws = await stack.enter_async_context(connect(server.url))
                await answer_from(ws)
            assert await close_code(ws) == 1001

    asyncio.run(scenario())


def test_one_client_too_many_is_refused() -> None:
    async def scenario() -> None:
        async with a_server(most_clients=1) as server, connect(server.url) as ws:
            await answer_from(ws)
            with pytest.raises(InvalidStatus) as refused:
                await connect(server.url)
            assert refused.value.response.status_code == 503
            await events_from(ws, 10)

    asyncio.run(scenario())


def test_a_plain_request_is_told_to_connect_a_websocket() -> None:
    async def scenario() -> None:
        async with a_server() as server, aiohttp.ClientSession() as browser:
            async with browser.get(server.url.replace("ws://", "http://")) as response:
                assert response.status == 426
                assert server.url in await response.text()
            assert server.exchange.published == 0  # such a visitor does not open the market

    asyncio.run(scenario())


def test_a_port_in_use_is_told_in_one_sentence() -> None:
    async def scenario() -> None:
        async with a_server() as server:
            port = urlsplit(server.url).port
            with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{port}: the port is in use"):
                async with a_server(port=port):
                    pass

    asyncio.run(scenario())


def test_a_fault_of_the_market_ends_the_pacing_and_is_not_swallowed() -> None:
    class Fault(Exception):
        pass

    readings = itertools.chain([0, 0], itertools.repeat(None))

    def failing_clock() -> int:
        reading = next(readings)
        if reading is None:
            raise Fault
        return reading

    async def scenario() -> None:
        server = Server(ExchangeSettings(port=0, start_at=START), lambda: START, failing_clock)
        async with asyncio.timeout(PATIENCE_S), listening(server) as pacing, connect(server.url):
            with pytest.raises(Fault):
                await pacing

    asyncio.run(scenario())


async def greeting_from(ws: ClientConnection) -> dict[str, Any]:
    """Receive until a greeting comes, alone or among events."""
    while True:
        for line in str(await ws.recv()).split("\n"):
            message = msgspec.json.decode(line)
            if message["type"] == "hello":
                assert isinstance(message, dict)
                return message


def test_the_market_goes_on_at_another_speed_and_its_clients_are_told_the_rate() -> None:
    async def scenario() -> None:
        async with a_server() as server, connect(server.url) as ws, aiohttp.ClientSession() as client:
            before = (await greeting_from(ws))["ts"]
            control = f"{server.url.replace('ws:', 'http:')}/control/speed"
            async with client.post(control, json={"speed": 500}) as answer:
                assert (answer.status, await answer.json()) == (200, {"speed": 500.0})
            greeting = await greeting_from(ws)
            assert greeting["rate"] == 500.0
            assert greeting["ts"] >= before
            for wrong in ({"speed": 0}, {"speed": 1e9}, {"speed": "fast"}, {}):
                async with client.post(control, json=wrong) as answer:
                    assert answer.status == 422
            async with client.get(control) as answer:
                assert await answer.json() == {"speed": 500.0}

    asyncio.run(scenario())
