"""Alpaca's protocols and the switches for faults on a real socket, on a port that the system gives."""

from __future__ import annotations

import asyncio
import contextlib
import json
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

from mock_exchange.events import SECOND
from mock_exchange.server import Server, listening
from mock_exchange.settings import ExchangeSettings

START = 1_767_623_400 * SECOND
KEYS = {"APCA-API-KEY-ID": "ANN", "APCA-API-SECRET-KEY": "1"}
AUTH = {"action": "auth", "key": "ANN", "secret": "1"}
BUY = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
PATIENCE_S = 240
"""Real seconds after which a test that hangs fails."""


class Venue:
    """An exchange that listens, and a client of its REST calls."""

    def __init__(self, server: Server, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.url = server.url
        self.http = http

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        url = self.url.replace("ws://", "http://") + path
        async with self.http.request(method, url, headers=KEYS, json=body) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def switch(self, *faults: str) -> None:
        assert (await self.ask("POST", "/control/faults", {"faults": faults}))[0] == 200

    @contextlib.asynccontextmanager
    async def stream(self) -> AsyncIterator[ClientConnection]:
        """Yield a connection that listens to trade updates."""
        async with connect(self.url + "/stream", additional_headers=KEYS) as ws:
            await ws.send(msgspec.json.encode({"action": "listen", "data": {"streams": ["trade_updates"]}}).decode())
            assert msgspec.json.decode(await ws.recv())["stream"] == "listening"
            yield ws


@contextlib.asynccontextmanager
async def a_venue(*faults: str, **changes: Any) -> AsyncIterator[Venue]:
    words: dict[str, Any] = {
        "port": 0,
        "start_at": START,
        "speed": 100.0,
        "keys": ("ANN:1", "BOB:2"),
        "faults": faults,
    } | changes
    server = Server(ExchangeSettings(**words), wall_ns=lambda: START, monotonic_ns=time.monotonic_ns)
    async with asyncio.timeout(PATIENCE_S), listening(server), aiohttp.ClientSession() as http:
        yield Venue(server, http)


async def say(ws: ClientConnection, **message: Any) -> Any:
    """Send a message on a feed in JSON and return the next control message."""
    await ws.send(json.dumps(message))
    return await control(ws)


async def unpacked(ws: ClientConnection) -> Any:
    """Receive a binary frame of the feed in msgpack."""
    frame = await ws.recv()
    assert isinstance(frame, bytes)
    return msgspec.msgpack.decode(frame)


async def control(ws: ClientConnection) -> Any:
    while True:
        messages = msgspec.json.decode(await ws.recv())
        if messages[0]["T"] in ("success", "error", "subscription"):
            assert len(messages) == 1
            return messages[0]


async def closed(ws: ClientConnection) -> int | None:
    """Receive until the connection is closed; return the code."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await ws.recv()
    return ws.close_code


# -- protocols ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("feed", ["iex", "sip"])
def test_a_feed_speaks_json_unless_asked_for_msgpack(feed: str) -> None:
    async def scenario() -> None:
        async with a_venue() as venue, connect(f"{venue.url}/v2/{feed}") as ws:
            assert (await control(ws))["msg"] == "connected"
            assert (await say(ws, **AUTH))["msg"] == "authenticated"
            assert (await say(ws, action="subscribe", trades=["AAPL"]))["trades"] == ["AAPL"]
            frame = await ws.recv()
            assert isinstance(frame, str)
            assert {trade["S"] for trade in json.loads(frame)} == {"AAPL"}

    asyncio.run(scenario())


def test_a_feed_in_msgpack_takes_fragmented_messages() -> None:
    async def scenario() -> None:
        headers = {"Content-Type": "application/msgpack", **KEYS}
        async with a_venue() as venue, connect(venue.url + "/v2/iex", additional_headers=headers) as ws:
            words = [(await unpacked(ws))[0]["msg"] for _ in range(2)]
            assert words == ["connected", "authenticated"]
            request = msgspec.msgpack.encode({"action": "subscribe", "quotes": ["*"]})
            await ws.send([request[:5], request[5:9], request[9:]])
            assert (await unpacked(ws))[0]["quotes"] == ["*"]
            assert (await unpacked(ws))[0]["T"] == "q"

    asyncio.run(scenario())


def test_a_second_connection_is_refused_until_the_first_is_gone() -> None:
    async def scenario() -> None:
        async with a_venue() as venue:
            async with connect(venue.url + "/v2/iex", additional_headers=KEYS) as first:
                await control(first)
                assert (await control(first))["msg"] == "authenticated"
                async with connect(venue.url + "/v2/iex") as second:
                    await control(second)
                    assert (await say(second, **AUTH))["code"] == 406
                    assert (await say(second, **AUTH))["code"] == 406  # it stays open
            while True:
                async with connect(venue.url + "/v2/iex") as third:
                    await control(third)
                    if (await say(third, **AUTH)).get("msg") == "authenticated":
                        return

    asyncio.run(scenario())


def test_a_connection_that_is_gone_may_count_on_for_a_while() -> None:
    async def scenario() -> None:
        async with a_venue("lingering:3600") as venue:
            async with connect(venue.url + "/v2/iex", additional_headers=KEYS) as first:
                await control(first)
                assert (await control(first))["msg"] == "authenticated"
            async with connect(venue.url + "/v2/iex", additional_headers=KEYS) as second:
                await control(second)
                assert (await control(second))["code"] == 406
            async with connect(venue.url + "/v2/sip", additional_headers=KEYS) as other:
                await control(other)
                assert (await control(other))["msg"] == "authenticated"

    asyncio.run(scenario())


@pytest.mark.parametrize(("faults", "code"), [((), 1000), (("rude_close",), 1006)])
def test_a_close_may_be_answered_by_none(faults: tuple[str, ...], code: int) -> None:
    async def scenario() -> None:
        async with a_venue(*faults) as venue, connect(venue.url + "/v2/iex", close_timeout=PATIENCE_S) as ws:
            await control(ws)
            await ws.close()
            assert ws.close_code == code

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["iex", "sip", "delayed_sip", "test"])
def test_each_feed_has_its_endpoint_and_the_plan_says_who_may_listen(name: str) -> None:
    async def scenario() -> None:
        async with (
            a_venue(feeds=("iex",)) as venue,
            connect(f"{venue.url}/v2/{name}", additional_headers=KEYS) as ws,
        ):
            await control(ws)
            granted = (await control(ws)).get("code") is None
            assert granted is (name in ("iex", "test"))
            if name == "test":
                assert (await say(ws, action="subscribe", quotes=["FAKEPACA"]))["quotes"] == ["FAKEPACA"]
                quote = msgspec.json.decode(await ws.recv())[0]
                assert (quote["T"], quote["S"]) == ("q", "FAKEPACA")

    asyncio.run(scenario())


def test_without_sip_in_the_plan_its_recent_data_are_refused_by_rest() -> None:
    async def scenario() -> None:
        async with a_venue(feeds=("iex",)) as venue:
            refused = {"code": 42210000, "message": "subscription does not permit querying recent SIP data"}
            for path in ("AAPL/trades/latest?feed=sip", "AAPL/trades?feed=sip", "snapshots?symbols=AAPL&feed=sip"):
                assert await venue.ask("GET", f"/v2/stocks/{path}") == (403, refused)
            for path in ("AAPL/trades?feed=sip&end=2020-01-01", "AAPL/trades/latest?feed=iex"):
                assert (await venue.ask("GET", f"/v2/stocks/{path}"))[0] == 200

    asyncio.run(scenario())


def test_who_does_not_authenticate_in_time_is_sent_away() -> None:
    async def scenario() -> None:
        async with a_venue(auth_timeout_s=0.01) as venue, connect(venue.url + "/v2/iex") as ws:
            assert (await control(ws))["msg"] == "connected"
            assert (await control(ws))["code"] == 404
            assert await closed(ws) is not None

    asyncio.run(scenario())


@pytest.mark.parametrize("path", ["/stream", "/stream/"])
def test_the_trading_stream_answers_in_binary(path: str) -> None:
    async def scenario() -> None:
        async with a_venue() as venue, connect(venue.url + path) as ws:
            await ws.send(json.dumps({"action": "authenticate", "data": {"key_id": "ANN", "secret_key": "1"}}))
            frame = await ws.recv()
            assert isinstance(frame, bytes)
            assert json.loads(frame)["data"]["status"] == "authorized"

    asyncio.run(scenario())


def test_an_order_over_rest_is_reported_on_the_stream_to_its_account_only() -> None:
    async def scenario() -> None:
        async with a_venue() as venue, venue.stream() as ws:
            status, order = await venue.ask("POST", "/v2/orders", BUY)
            assert (status, order["status"]) == (200, "pending_new")
            new, fill = [json.loads(await ws.recv())["data"] for _ in range(2)]
            assert (new["event"], fill["event"]) == ("new", "fill")
            assert new["order"]["id"] == fill["order"]["id"] == order["id"]
            _, positions = await venue.ask("GET", "/v2/positions")
            assert [(it["symbol"], it["qty"]) for it in positions] == [("AAPL", "1")]
            status, nothing = await venue.ask("DELETE", "/v2/positions/MSFT")
            assert (status, nothing["code"]) == (404, 40410000)

    asyncio.run(scenario())


def test_a_stranger_gets_no_answer_and_does_not_open_the_market() -> None:
    async def scenario() -> None:
        async with a_venue() as venue:
            url = venue.url.replace("ws://", "http://")
            wrong = {"APCA-API-KEY-ID": "MOCK-KEY", "APCA-API-SECRET-KEY": "wrong"}
            async with venue.http.get(f"{url}/v2/account", headers=wrong) as response:
                assert (response.status, await response.json()) == (401, {"message": "unauthorized."})
            async with venue.http.get(f"{url}/v2/account") as response:
                assert (response.status, response.content_type) == (401, "text/html")
                assert "nginx" in await response.text()
            for headers in (wrong, {}):
                async with venue.http.get(f"{url}/v2/stocks/AAPL/trades", headers=headers) as response:
                    assert (response.status, await response.json()) == (403, {"message": "forbidden."})
            assert venue.server.exchange.published == 0

    asyncio.run(scenario())


def test_a_client_stuck_on_a_feed_delays_nobody_and_is_dropped() -> None:
    async def scenario() -> None:
        small = {"queue_events": 500, "queue_bytes": 50_000, "send_buffer_bytes": 4_096, "feed_connections": 2}
        async with a_venue(speed=1_000.0, **small) as venue, venue.stream() as updates:
            address = urlsplit(venue.url)
            keys = {"Host": address.netloc, "Upgrade": "websocket", "Connection": "Upgrade", **KEYS}
            head = f"GET /v2/iex HTTP/1.1\r\n{_lines(keys)}"
            with socket.socket() as stuck:
                stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
                stuck.connect((address.hostname, address.port))
                stuck.sendall(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n".encode())
                stuck.setblocking(False)
                assert await asyncio.get_running_loop().sock_recv(stuck, 12) == b"HTTP/1.1 101"
                stuck.sendall(_masked(b'{"action":"subscribe","trades":["*"],"quotes":["*"]}'))
                async with connect(venue.url + "/v2/iex", additional_headers=KEYS, close_timeout=0.1) as ws:
                    await control(ws)
                    await control(ws)
                    await say(ws, action="subscribe", trades=["AAPL"])
                    ids: list[int] = []
                    while not venue.server.connections.dropped:
                        ids += [trade["i"] for trade in json.loads(await ws.recv())]
                        assert (await venue.ask("POST", "/v2/orders", BUY))[0] == 200
                        assert json.loads(await updates.recv())["data"]["event"] == "new"
                        assert json.loads(await updates.recv())["data"]["event"] == "fill"
                    assert ids == list(range(ids[0], ids[0] + len(ids)))
            assert venue.server.connections.dropped == 1

    asyncio.run(scenario())


def _lines(headers: dict[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def _masked(payload: bytes) -> bytes:
    """Return a client's text frame; a mask of zeros changes nothing."""
    return bytes((0x81, 0x80 | len(payload))) + bytes(4) + payload


# -- faults ------------------------------------------------------------------------------------------------------------


def test_faults_are_listed_and_switched_while_it_runs() -> None:
    async def scenario() -> None:
        async with a_venue("latency:1") as venue:
            status, answer = await venue.ask("GET", "/control/faults")
            assert (status, answer["faults"]) == (200, ["latency:1"])
            assert "drop" in [fault["name"] for fault in answer["known"]]
            await venue.switch("drop:5", "gaps")
            assert (await venue.ask("GET", "/control/faults"))[1]["faults"] == ["drop:5", "gaps:0.05"]
            status, answer = await venue.ask("POST", "/control/faults", {"faults": ["drp"]})
            assert (status, answer["message"]) == (422, "there is no fault 'drp'; did you mean drop?")
            nonsense: Any
            for nonsense in ({}, {"faults": 5}, [], {"faults": [], "more": 1}):
                assert (await venue.ask("POST", "/control/faults", nonsense))[0] == 422
            url = venue.url.replace("ws://", "http://") + "/control/faults"
            async with venue.http.post(url, data=b'{"faults":[]}', headers={"Content-Type": "text/plain"}) as response:
                assert response.status == 415

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [401, 403, 429, 503])
@pytest.mark.parametrize("path", ["/", "/v2/iex", "/stream"])
def test_a_handshake_may_be_refused(status: int, path: str) -> None:
    async def scenario() -> None:
        async with a_venue(f"handshake:{status}") as venue:
            with pytest.raises(InvalidStatus) as refused:
                await connect(venue.url + path)
            assert refused.value.response.status_code == status
            await venue.switch()
            async with connect(venue.url + path):
                pass

    asyncio.run(scenario())


def test_who_authenticates_may_be_refused_in_band() -> None:
    async def scenario() -> None:
        async with a_venue("refuse:406") as venue:
            async with connect(venue.url + "/v2/iex") as ws:
                await control(ws)
                assert (await say(ws, **AUTH))["code"] == 406
                assert await closed(ws) is not None
            async with connect(venue.url) as ws:
                assert json.loads(await ws.recv())["type"] == "error"
                assert await closed(ws) is not None

    asyncio.run(scenario())


def test_no_key_may_be_right() -> None:
    async def scenario() -> None:
        async with a_venue("wrong_key") as venue:
            assert (await venue.ask("GET", "/v2/account"))[0] == 401
            async with connect(venue.url + "/v2/iex") as ws:
                await control(ws)
                assert (await say(ws, **AUTH))["code"] == 402
            async with connect(venue.url + "/stream") as ws:
                await ws.send(json.dumps({"action": "authenticate", "data": {"key_id": "ANN", "secret_key": "1"}}))
                assert json.loads(await ws.recv())["data"]["status"] == "unauthorized"

    asyncio.run(scenario())


def test_a_connection_may_be_cut() -> None:
    async def scenario() -> None:
        async with a_venue("drop:5", frame_events=1) as venue:
            for _ in range(3):
                async with connect(venue.url) as ws:
                    frames = 0
                    with contextlib.suppress(ConnectionClosed):
                        while True:
                            await ws.recv()
                            frames += 1
                    assert frames == 5

    asyncio.run(scenario())


def test_a_connection_may_fall_silent_and_stay_open() -> None:
    async def scenario() -> None:
        async with a_venue("mute:5", frame_events=1) as venue, connect(venue.url) as mute:
            for _ in range(5):
                await mute.recv()
            async with connect(venue.url + "/v2/iex", additional_headers=KEYS) as ws:
                assert (await control(ws))["msg"] == "connected"
            assert await (await mute.ping()) >= 0
            await venue.switch()
            assert await mute.recv()

    asyncio.run(scenario())


def test_an_order_may_be_taken_and_its_answer_lost() -> None:
    async def scenario() -> None:
        async with a_venue("lost_answers:1") as venue:
            body = {**BUY, "client_order_id": "mine"}
            assert (await venue.ask("POST", "/v2/orders", body))[0] == 504
            await venue.switch()
            status, answer = await venue.ask("POST", "/v2/orders", body)
            assert (status, answer["code"]) == (422, 40010001)
            _, order = await venue.ask("GET", "/v2/orders:by_client_order_id?client_order_id=mine")
            assert order["status"] == "filled"

    asyncio.run(scenario())


def test_an_order_may_be_rejected_after_it_was_taken() -> None:
    async def scenario() -> None:
        async with a_venue("rejects:1") as venue, venue.stream() as ws:
            status, order = await venue.ask("POST", "/v2/orders", BUY)
            assert status == 200
            update = json.loads(await ws.recv())["data"]
            assert (update["event"], update["order"]["id"]) == ("rejected", order["id"])

    asyncio.run(scenario())


def test_fills_may_come_before_the_answer() -> None:
    async def scenario() -> None:
        # The answer takes as long as the whole test may: it ends without it.
        async with a_venue("early_fills:60000") as venue, venue.stream() as ws:
            asking = asyncio.create_task(venue.ask("POST", "/v2/orders", BUY))
            events = [json.loads(await ws.recv())["data"]["event"] for _ in range(2)]
            assert events == ["new", "fill"]
            assert not asking.done()
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking

    asyncio.run(scenario())


def test_a_cancel_may_be_confirmed_before_it_comes_into_effect() -> None:
    async def scenario() -> None:
        async with a_venue("late_cancels:5") as venue, venue.stream() as ws:
            _, order = await venue.ask("POST", "/v2/orders", {**BUY, "type": "limit", "limit_price": "1"})
            assert (await venue.ask("DELETE", f"/v2/orders/{order['id']}"))[0] == 204
            new, pending, canceled = [json.loads(await ws.recv())["data"] for _ in range(3)]
            assert [told["event"] for told in (new, pending, canceled)] == ["new", "pending_cancel", "canceled"]
            assert canceled["timestamp"] > new["timestamp"]

    asyncio.run(scenario())


def test_no_call_may_be_done() -> None:
    async def scenario() -> None:
        async with a_venue("rest:429", "latency:1") as venue:
            assert (await venue.ask("POST", "/v2/orders", BUY))[0] == 429
            await venue.switch()
            assert (await venue.ask("GET", "/v2/orders?status=all")) == (200, [])

    asyncio.run(scenario())


def test_orders_of_nobody_appear_once() -> None:
    async def scenario() -> None:
        async with a_venue() as venue:
            await venue.switch("foreign_orders:3")
            _, positions = await venue.ask("GET", "/v2/positions")
            _, orders = await venue.ask("GET", "/v2/orders")
            assert [it["qty"] for it in positions] == ["3"]
            assert [it["qty"] for it in orders] == ["3"]

    asyncio.run(scenario())


# -- halts -------------------------------------------------------------------------------------------------------------


def test_a_stock_is_halted_and_resumed_from_this_machine_and_both_are_told() -> None:
    async def scenario() -> None:
        async with a_venue() as venue, connect(f"{venue.url}/v2/iex", additional_headers=KEYS) as ws:
            await control(ws)
            await control(ws)
            await say(ws, action="subscribe", statuses=["*"], lulds=["AAPL"])
            seen = await heard(ws, "l")
            assert seen["d"] < seen["u"]
            assert await venue.ask("POST", "/control/halts", {"symbols": ["AAPL"]}) == (200, {"halted": ["AAPL"]})
            halted = await heard(ws, "s")
            assert (halted["S"], halted["sc"], halted["rc"]) == ("AAPL", "P", "LUDP")
            status, order = await venue.ask("POST", "/v2/orders", BUY)
            assert (status, order["status"]) == (200, "pending_new")
            assert await venue.ask("POST", "/control/halts", {"symbols": []}) == (200, {"halted": []})
            resumed = await heard(ws, "s")
            assert (resumed["S"], resumed["sc"]) == ("AAPL", "T")

    asyncio.run(scenario())


async def heard(ws: ClientConnection, kind: str) -> Any:
    """Return the next message of a kind on a feed in JSON."""
    while True:
        for message in msgspec.json.decode(await ws.recv()):
            if message["T"] == kind:
                return message


@pytest.mark.parametrize("body", [{"symbols": ["TSLA"]}, {"symbols": "AAPL"}, {"stocks": []}, None])
def test_what_cannot_be_halted_is_refused_and_changes_nothing(body: Any) -> None:
    async def scenario() -> None:
        async with a_venue() as venue:
            status, answer = await venue.ask("POST", "/control/halts", body)
            assert status == (415 if body is None else 422)
            assert answer["message"]
            assert await venue.ask("GET", "/control/halts") == (200, {"halted": []})

    asyncio.run(scenario())


# -- what aiohttp answers by itself ------------------------------------------------------------------------------------


def test_a_body_that_is_too_long_is_refused_in_json() -> None:
    async def scenario() -> None:
        async with a_venue(message_bytes=1_000) as venue:
            status, answer = await venue.ask("POST", "/v2/orders", BUY | {"client_order_id": "x" * 1_000})
            assert status == 413
            assert answer["message"]

    asyncio.run(scenario())


def test_a_call_that_no_path_takes_is_refused_in_json() -> None:
    async def scenario() -> None:
        async with a_venue() as venue:
            status, answer = await venue.ask("POST", "/elsewhere", {})
            assert (status, bool(answer["message"])) == (405, True)

    asyncio.run(scenario())


def test_calls_of_other_versions_are_not_found_in_json() -> None:
    async def scenario() -> None:
        async with a_venue() as venue:
            status, answer = await venue.ask("GET", "/v1beta1/news")
            assert (status, answer["code"]) == (404, 40410000)

    asyncio.run(scenario())


def test_faults_of_orders_strike_also_behind_a_slash() -> None:
    async def scenario() -> None:
        async with a_venue("lost_answers:1") as venue:
            assert (await venue.ask("POST", "/v2/orders/", BUY))[0] == 504

    asyncio.run(scenario())


def test_calls_beyond_the_limit_of_the_minute_are_refused_and_each_answer_says_what_is_left() -> None:
    async def scenario() -> None:
        async with a_venue(requests_per_minute=2, speed=1.0) as venue:
            told = []
            for _ in range(3):
                url = venue.url.replace("ws://", "http://") + "/v2/account"
                async with venue.http.get(url, headers=KEYS) as response:
                    named = (response.headers[f"X-RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset"))
                    told.append((response.status, *map(int, named)))
            assert [it[:3] for it in told] == [(200, 2, 1), (200, 2, 0), (429, 2, 0)]
            assert all(0 < reset - START / SECOND <= 61 for *_, reset in told)

    asyncio.run(scenario())
