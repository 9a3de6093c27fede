"""Who the exchange serves: programs that call it by its name; no rebound name, no other origin's page, no laggard."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import ClientSession
from hypothesis import given, strategies as st

from mock_exchange import handlers, server as server_module
from mock_exchange.events import SECOND
from mock_exchange.names import Names
from mock_exchange.server import Server, listening
from mock_exchange.settings import ExchangeSettings

START = 1_767_623_400 * SECOND
PATIENCE_S = 240
KEYS = {"APCA-API-KEY-ID": "ANN", "APCA-API-SECRET-KEY": "1"}
ORDER = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
FOREIGN = [
    (421, {"Host": "evil.com"}),
    (421, {"Host": "localhost.evil.com:8765"}),
    (421, {"Host": "10.0.0.7"}),
    (403, {"Origin": "http://evil.com"}),
    (403, {"Origin": "null"}),
    (403, {"Sec-Fetch-Site": "cross-site"}),
    (403, {"Sec-Fetch-Site": "same-site"}),
]


@contextlib.asynccontextmanager
async def a_server() -> AsyncIterator[tuple[Server, ClientSession, str]]:
    settings = ExchangeSettings(port=0, start_at=START, speed=100.0, keys=("ANN:1",), allowed_hosts=("Desk.lan",))
    server = Server(settings, wall_ns=lambda: START, monotonic_ns=time.monotonic_ns)
    async with asyncio.timeout(PATIENCE_S), listening(server), ClientSession() as client:
        yield server, client, server.url.replace("ws:", "http:")


@pytest.mark.parametrize(("status", "headers"), FOREIGN)
def test_a_foreign_page_places_no_order_turns_on_no_fault_and_takes_no_socket(
    status: int, headers: dict[str, str]
) -> None:
    async def scenario() -> None:
        async with a_server() as (server, client, url):
            for method, path, sent in (
                ("POST", "/v2/orders", {"json": ORDER}),
                ("POST", "/v2/orders", {"data": b"{}", "chunked": True}),
                ("DELETE", "/v2/orders", {}),
                ("GET", "/v2/account", {}),
                ("POST", "/control/faults", {"json": {"faults": ["mute"]}}),
                ("POST", "/control/halts", {"json": {"symbols": ["AAPL"]}}),
                ("GET", "/control/faults", {}),
            ):
                async with client.request(method, url + path, headers=KEYS | headers, **sent) as answer:
                    assert (answer.status, path) == (status, path)
                    assert "message" in await answer.json()
            for path in ("/", "/v2/iex", "/stream"):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await client.ws_connect(url + path, headers=headers)
                assert refused.value.status == status
            assert not server.exchange.faults
            assert not server.exchange.halted
            async with client.get(url + "/v2/orders", headers=KEYS) as answer:
                assert await answer.json() == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "LOCALHOST:1"},
        {"Host": "[::1]:8765"},
        {"Host": "desk.lan"},
        {"Host": "localhost:8765", "Origin": "http://localhost:8765"},  # some WebSocket clients say it
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_program_is_served_by_any_name_of_the_exchange(headers: dict[str, str]) -> None:
    async def scenario() -> None:
        async with a_server() as (_, client, url):
            async with client.post(url + "/v2/orders", json=ORDER, headers=KEYS | headers) as answer:
                assert answer.status == 200
            async with client.post(url + "/control/faults", json={"faults": []}, headers=headers) as answer:
                assert answer.status == 200
            async with client.ws_connect(url, headers=headers) as ws:
                assert (await ws.receive_json())["type"] == "hello"

    asyncio.run(scenario())


def test_on_every_interface_a_literal_address_is_a_name_and_a_rebound_one_is_not() -> None:
    for host in ("0.0.0.0", "::"):
        names = Names(host)
        assert names.refusal(["192.168.1.5:8765"], None, None) is None
        assert names.refusal(["evil.com"], None, None) is not None
    assert Names("127.0.0.1").refusal(["192.168.1.5:8765"], None, None) is not None


@given(st.lists(st.text(), max_size=2), st.none() | st.text(), st.none() | st.text())
def test_any_headers_are_served_or_refused_but_no_error(hosts: list[str], origin: str | None, site: str | None) -> None:
    refused = Names("127.0.0.1").refusal(hosts, origin, site)
    assert refused is None or refused.status in (403, 421)


# ---------------------------------------------------------------------------------------------------- in time


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET /v2/clo",
        b"POST /v2/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
        b"GET /v2/clock HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v2/cl",
    ],
)
def test_a_request_that_does_not_become_whole_is_cut_off_however_it_trickles(
    beginning: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "IDLE_S", 0.2)
    monkeypatch.setattr(server_module, "LINGER_S", 0.1)
    monkeypatch.setattr(handlers, "BODY_S", 0.1)

    async def scenario() -> None:
        async with a_server() as (server, _, _url):
            reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.url).port)
            writer.write(beginning)
            ended = asyncio.create_task(reader.read())
            while not ended.done():
                if beginning:
                    writer.write(b"a")
                await asyncio.wait([ended], timeout=0.02)
            writer.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("path", ["/control/faults", "/v1beta1/news"])
def test_a_body_that_does_not_come_is_waited_for_no_longer(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "BODY_S", 0.1)

    async def scenario() -> None:
        async with a_server() as (server, _, _url):
            reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.url).port)
            head = (
                f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
            )
            writer.write(head.encode() + b"\r\n{")
            assert (await reader.readline()).split()[1] == b"408"
            writer.close()

    asyncio.run(scenario())
