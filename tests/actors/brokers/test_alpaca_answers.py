"""The broker against a venue by script: every answer that a request can get, and the readings of an account."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import itertools
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web
from websockets.frames import Frame, Opcode

from actors.brokers.alpaca.settings import REFUSED_KEYS, BrokerSettings
from actors.feeds.backoff import MOST_CONNECTS
from actors.messages import BrokerChanged, FeedState
from actors.orders import (
    AccountReport,
    CancelOrder,
    CancelRefused,
    LookUpOrder,
    OrderMissing,
    OrderReport,
    OrderRole,
    OrderSide,
    OrderStatus,
    SubmitUnanswered,
)
from tests.support.alpaca import (
    HASTY,
    TOO_MANY,
    UNLIMITED,
    Reply,
    a_broker,
    a_scripted_venue,
    body,
    breaks,
    on_a_loop,
    order,
    refuses,
    says,
)
from tests.support.live import a_raw_server
from tests.support.market import START

POST = "POST /v2/orders"
DELETE = "DELETE /v2/orders/v-one"
FIND = "GET /v2/orders:by_client_order_id"
MISSING = refuses(404, "order not found for one", 40410000)

PATIENT = BrokerSettings(poll_s=600.0, first_delay_s=0.01, most_delay_s=0.02, refused_delay_s=600.0)
"""A broker that looks at the account only when the stream has just begun."""

IMPATIENT = msgspec.structs.replace(PATIENT, request_timeout_s=0.2)
"""The same, for venues that never answer: it gives up soon, and so would with one that a busy machine keeps waiting."""


# -------------------------------------------------------------------------------------------------------------- submits


@pytest.mark.parametrize(
    "reply",
    [
        breaks,
        says(500, {"message": "internal"}),
        says(502, text="<html>"),
        says(504, {"message": "gateway timeout"}),
        says(408, {"message": "request timeout"}),
        says(302, {}),
        says(200, text="<html>"),
        says(200, {"status": "new"}),
        says(200, body("another")),
        says(200, body(filled_qty="5")),
    ],
)
@on_a_loop
async def test_an_answer_that_does_not_tell_the_fate_of_an_order_says_so_and_nothing_is_sent_again(
    reply: Reply,
) -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url, PATIENT) as (broker, reported):
        venue.script[POST] = [reply]
        broker.send(order())
        await reported.until(lambda: reported.of(SubmitUnanswered))
        assert len(venue.calls(POST)) == 1
        assert broker.counts["unanswered"] == 1
        assert not reported.of(OrderReport)


@on_a_loop
async def test_an_order_is_unanswered_after_the_time_that_a_request_has() -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url, IMPATIENT) as (broker, reported):
        venue.script[POST] = [venue.waits]
        broker.send(order())
        await reported.until(lambda: reported.of(SubmitUnanswered))
        assert "0.2 s" in reported.of(SubmitUnanswered)[0].reason


@pytest.mark.parametrize(("status", "code"), [(400, 40010000), (403, 40310000), (404, None), (422, 42210000)])
@on_a_loop
async def test_an_order_that_is_refused_is_rejected_in_the_venues_words(status: int, code: int | None) -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url, PATIENT) as (broker, reported):
        venue.script[POST] = [refuses(status, "not like this", code)]
        broker.send(order())
        await reported.until(lambda: reported.statuses() == [OrderStatus.REJECTED])
        assert reported.of(OrderReport)[0].reason == "not like this"


@pytest.mark.parametrize("passed", [True, False])
@on_a_loop
async def test_a_stop_that_the_price_has_passed_is_reported_as_that(passed: bool) -> None:
    why = "stop price must be less than current price" if passed else "stop price must be > 0"
    async with a_scripted_venue() as venue, a_broker(venue.url, PATIENT) as (broker, reported):
        venue.script[POST] = [
            says(422, {"code": 42210000, "message": why} | ({"market_price": "162.6"} if passed else {}))
        ]
        broker.send(order(side=OrderSide.SELL, stop="167.01", rests=True, role=OrderRole.STOP))
        await reported.until(lambda: reported.statuses() == [OrderStatus.REJECTED])
        assert (reported.of(OrderReport)[0].passed, reported.of(OrderReport)[0].reason) == (passed, why)


@on_a_loop
async def test_an_order_that_no_connection_could_take_is_rejected() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        async with a_broker(f"ws://127.0.0.1:{taken.getsockname()[1]}", PATIENT) as (broker, reported):
            broker.send(order())
            await reported.until(lambda: reported.statuses() == [OrderStatus.REJECTED])
            assert "could not reach the venue" in reported.of(OrderReport)[0].reason


@on_a_loop
async def test_an_exit_that_came_too_often_is_sent_again_under_the_same_id() -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url, PATIENT) as (broker, reported):
        venue.script[POST] = [TOO_MANY, TOO_MANY, says(200, body())]
        broker.send(order(role=OrderRole.EXIT))
        await reported.until(lambda: reported.statuses() == [OrderStatus.ACCEPTED])
        assert len(venue.calls(POST)) == 3
        assert len(set(venue.calls(POST))) == 1
        assert broker.counts["throttled"] == 2


@on_a_loop
async def test_an_entry_that_is_blocked_is_never_on_the_wire_and_an_exit_is() -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url, PATIENT) as (broker, reported):
        venue.script[POST] = [says(200, body())]
        broker.block_entries(blocked=True)
        broker.send(order())
        await reported.until(lambda: reported.statuses() == [OrderStatus.REJECTED])
        assert reported.of(OrderReport)[0].reason == "entries are halted"
        assert venue.calls(POST) == []
        broker.send(msgspec.structs.replace(order(), role="gate"))
        await reported.until(lambda: reported.statuses()[1:] == [OrderStatus.ACCEPTED])
        broker.block_entries(blocked=False)
        broker.send(order())
        await reported.until(lambda: reported.statuses()[2:] == [OrderStatus.ACCEPTED])


@pytest.mark.parametrize("found", [MISSING, breaks, says(503, {})])
@on_a_loop
async def test_an_id_that_is_known_but_not_found_leaves_the_fate_open(found: Reply) -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url, PATIENT) as (broker, reported):
        venue.script |= {POST: [refuses(422, "client_order_id must be unique", 40010001)], FIND: [found]}
        broker.send(order())
        await reported.until(lambda: reported.of(SubmitUnanswered))
        assert len(venue.calls(POST)) == 1


@pytest.mark.parametrize("reply", [refuses(401, "unauthorized"), refuses(403, "forbidden.")])
@on_a_loop
async def test_keys_that_are_refused_with_an_order_take_the_line_down(reply: Reply) -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url, PATIENT) as (broker, reported):
        await reported.live()
        venue.script[POST] = [reply]
        broker.send(order())
        await reported.until(lambda: reported.statuses() == [OrderStatus.REJECTED])
        assert (reported.of(BrokerChanged)[-1].state, reported.of(BrokerChanged)[-1].reason) == (
            FeedState.DOWN,
            REFUSED_KEYS,
        )


# -------------------------------------------------------------------------------------------------------------- cancels


@pytest.mark.parametrize("reply", [MISSING, refuses(422, "not cancelable"), says(500, {}), breaks, refuses(401, "no")])
@on_a_loop
async def test_a_cancel_that_is_not_confirmed_is_refused_with_a_reason(reply: Reply) -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url, PATIENT) as (broker, reported):
        venue.script |= {POST: [says(200, body())], DELETE: [reply]}
        broker.send(order())
        await reported.until(lambda: reported.statuses() == [OrderStatus.ACCEPTED])
        broker.send(CancelOrder("one"))
        await reported.until(lambda: reported.of(CancelRefused))
        assert reported.of(CancelRefused)[0].reason
        assert venue.calls(DELETE)


@on_a_loop
async def test_a_cancel_whose_answer_is_lost_is_refused_with_a_reason() -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url, IMPATIENT) as (broker, reported):
        venue.script |= {POST: [says(200, body())], DELETE: [venue.waits]}
        broker.send(order())
        broker.send(CancelOrder("one"))
        await reported.until(lambda: reported.of(CancelRefused))


@on_a_loop
async def test_a_cancel_that_came_too_often_is_sent_again() -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url, PATIENT) as (broker, reported):
        await reported.live()
        venue.script |= {POST: [says(200, body())], DELETE: [TOO_MANY, says(204)]}
        broker.send(order())
        broker.send(CancelOrder("one"))
        await reported.until(lambda: broker.counts["in_flight"] == 0)
        assert len(venue.calls(DELETE)) == 2
        assert not reported.of(CancelRefused)


@on_a_loop
async def test_an_order_that_is_found_to_be_over_is_not_canceled() -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url, PATIENT) as (broker, reported):
        venue.script[FIND] = [says(200, body(status="filled", filled_qty="5", filled_avg_price="1.5"))]
        broker.send(CancelOrder("one"))
        await reported.until(lambda: reported.statuses() == [OrderStatus.FILLED])
        assert not venue.calls(DELETE)


# ------------------------------------------------------------------------------------------------------------- look-ups


@on_a_loop
async def test_a_question_is_asked_again_until_it_is_answered() -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url, PATIENT) as (broker, reported):
        venue.script[FIND] = [says(500, {}), breaks, says(200, body())]
        broker.send(LookUpOrder("one"))
        await reported.until(lambda: reported.statuses() == [OrderStatus.ACCEPTED])


@pytest.mark.parametrize("reply", [says(500, {}), refuses(404, "endpoint not found."), says(200, text="<html>")])
@on_a_loop
async def test_a_question_without_an_answer_is_given_up_and_counted(reply: Reply) -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url, PATIENT) as (broker, reported):
        venue.script |= {FIND: [reply], POST: [refuses(422, "no")]}
        broker.send(LookUpOrder("one"))
        broker.send(order("two"))
        await reported.until(lambda: reported.statuses("two"))
        await reported.until(lambda: broker.counts["lookups_failed"] == 1)
        assert len(venue.calls(FIND)) == 4
        assert not reported.of(OrderMissing)


@on_a_loop
async def test_questions_that_a_venue_does_not_answer_do_not_pile_up() -> None:
    """However often an order is asked for meanwhile, it comes to one more question."""
    async with a_scripted_venue() as venue, a_broker(venue.url) as (broker, reported):
        venue.script[FIND] = [venue.waits, says(200, body())]
        for _ in range(20):
            broker.send(LookUpOrder("one"))
        await reported.until(lambda: venue.calls(FIND))
        await reported.until(lambda: broker.counts["in_flight"] == 1)  # the others are done with
        assert len(venue.calls(FIND)) == 1
        venue.gate.set()
        await reported.until(lambda: reported.statuses() == [OrderStatus.ACCEPTED] * 2)
        await reported.until(lambda: broker.counts["in_flight"] == 0)
        assert len(venue.calls(FIND)) == 3  # the second is the first's repetition, since that got no answer


@on_a_loop
async def test_a_question_waits_for_the_submit_that_runs() -> None:
    """Until it is answered, the venue may not know the order: it would be called missing."""
    async with a_scripted_venue() as venue, a_broker(venue.url) as (broker, reported):
        venue.script |= {POST: [venue.waits], FIND: [says(200, body())]}
        broker.send(order())
        broker.send(LookUpOrder("one"))
        await reported.another_account()
        await reported.another_account()
        assert not venue.calls(FIND)
        venue.gate.set()
        await reported.until(lambda: reported.statuses() == [OrderStatus.ACCEPTED])


@on_a_loop
async def test_ids_and_symbols_may_hold_any_character() -> None:
    symbol, id = "BTC/USD", "entry 1&2+%/ä"
    async with a_scripted_venue() as venue, a_broker(venue.url, PATIENT) as (broker, reported):
        asked: list[str] = []

        async def found(request: web.Request) -> web.StreamResponse:
            asked.append(request.query["client_order_id"])
            return await says(200, body(id))(request)

        async def asset(request: web.Request) -> web.StreamResponse:
            asked.append(request.raw_path)
            return await says(200, {"symbol": symbol, "tradable": True})(request)

        venue.script |= {POST: [says(504, {})], FIND: [found], f"GET /v2/assets/{symbol}": [asset]}
        broker.send(order(id, symbol=symbol))
        broker.send(LookUpOrder(id))
        await reported.until(lambda: reported.statuses(id))
        await reported.until(lambda: len(asked) == 2)
        assert sorted(asked) == ["/v2/assets/BTC%2FUSD", id]


# ---------------------------------------------------------------------------------------------------------- the account


@pytest.mark.parametrize("rested", [True, False])
@on_a_loop
async def test_a_fill_between_two_readings_is_no_position_from_nowhere(rested: bool) -> None:
    """An order fills after the positions were read and before the orders, and the stream is late with it.

    Whether an earlier reading saw it rest or not, no account is told in which it is neither open nor held.
    """
    ticks = itertools.count(START)
    async with a_scripted_venue() as venue:
        placed = 0  # when
        may_fill, filling, filled = not rested, False, False

        async def place(request: web.Request) -> web.StreamResponse:
            nonlocal placed
            placed = next(ticks)
            return await says(200, body())(request)

        async def positions(request: web.Request) -> web.StreamResponse:
            nonlocal filling
            filling = bool(placed and may_fill)
            return await says(200, [{"symbol": "AAPL", "qty": "5", "avg_entry_price": "1"}] if filled else [])(request)

        async def orders(request: web.Request) -> web.StreamResponse:
            nonlocal filled
            filled = filling
            return await says(200, [body()] if placed and not filled else [])(request)

        venue.script |= {POST: [place], "GET /v2/positions": [positions], "GET /v2/orders": [orders]}
        async with a_broker(venue.url, now=ticks.__next__) as (broker, reported):
            await reported.live()
            broker.send(order())
            if rested:
                await reported.until(lambda: reported.account.orders)
                may_fill = True
            await reported.until(lambda: reported.account.positions)
            accounts = [account for account in reported.of(AccountReport) if account.ts > placed]
            assert all(bool(account.positions) is not bool(account.orders) for account in accounts)


@on_a_loop
async def test_open_orders_are_read_page_by_page() -> None:
    """Of 1,100 open orders, all as old as their neighbours, none is lost at the edge of a page."""
    written = [
        body(f"{number:04}", submitted_at=f"2026-01-02T15:{59 - number // 100:02}:00Z") for number in range(1_100)
    ]

    async def orders(request: web.Request) -> web.StreamResponse:
        until = request.query.get("until", "9")
        page = [it for it in written if it["submitted_at"] < until.replace(".000000001Z", "Z~")]
        return await says(200, page[:500])(request)

    async with a_scripted_venue() as venue:
        venue.script["GET /v2/orders"] = [orders]
        async with a_broker(venue.url) as (_, reported):
            await reported.live()
            assert sorted(report.order for report in reported.account.orders) == [
                it["client_order_id"] for it in written
            ]


@pytest.mark.parametrize(
    ("call", "reply"),
    [
        ("GET /v2/account", says(200, {"account_number": "PA1", "cash": "NaN", "equity": "1", "buying_power": "1"})),
        ("GET /v2/account", says(200, text="<html>")),
        ("GET /v2/account", TOO_MANY),
        ("GET /v2/positions", says(200, [{"symbol": "AAPL"}])),
        ("GET /v2/orders", says(200, [body(qty="NaN")])),
        ("GET /v2/orders", says(200, text="[" * 10_000)),
        ("GET /v2/orders", says(200, text=" " * (9 << 20))),
        ("GET /v2/assets/AAPL", says(200, [])),
    ],
)
@on_a_loop
async def test_an_account_that_cannot_be_read_is_not_told_and_the_line_is_down(call: str, reply: Reply) -> None:
    async with a_scripted_venue() as venue:
        good = venue.script[call]
        venue.script[call] = [reply]
        async with a_broker(venue.url) as (broker, reported):
            await reported.until(lambda: reported.states[-1:] == [FeedState.DOWN])
            assert not reported.of(AccountReport)
            assert broker.counts["polls_failed"] > 1
            venue.script[call] = good
            await reported.live()


@on_a_loop
async def test_an_order_of_the_past_that_cannot_be_read_costs_no_more_than_itself() -> None:
    async with a_scripted_venue() as venue:

        async def orders(request: web.Request) -> web.StreamResponse:
            past = [body("bad", qty="NaN"), body("good", status="canceled")]
            return await says(200, past if request.query["status"] == "all" else [])(request)

        venue.script["GET /v2/orders"] = [orders]
        async with a_broker(venue.url) as (_, reported):
            await reported.live()
            assert [report.order for report in reported.of(AccountReport)[0].history] == ["good"]


# ----------------------------------------------------------------------------------------------------------- the stream


def update(event: str, **fields: Any) -> bytes:
    return msgspec.json.encode({"stream": "trade_updates", "data": {"event": event, "order": body(**fields)}})


@on_a_loop
async def test_updates_are_read_from_text_and_binary_frames() -> None:
    async with a_scripted_venue() as venue:
        venue.frames = [update("new"), update("canceled", status="canceled").decode()]
        async with a_broker(venue.url) as (_, reported):
            await reported.until(lambda: reported.statuses() == [OrderStatus.ACCEPTED, OrderStatus.CANCELED])


@on_a_loop
async def test_a_cancel_that_the_venue_rejects_afterwards_is_refused() -> None:
    async with a_scripted_venue() as venue:
        venue.frames = [update("order_cancel_rejected")]
        async with a_broker(venue.url) as (_, reported):
            await reported.until(lambda: reported.of(CancelRefused))
            assert reported.statuses() == [OrderStatus.ACCEPTED]


@on_a_loop
async def test_an_update_whose_order_cannot_be_read_is_counted_and_the_account_looked_at() -> None:
    async with a_scripted_venue() as venue:
        venue.frames = [update("fill", filled_qty="5"), update("new", status="sunshine")]
        often = BrokerSettings(requests_per_minute=UNLIMITED, poll_s=600.0, down_poll_s=0.05)
        async with a_broker(venue.url, often) as (broker, reported):
            await reported.until(lambda: reported.statuses() == [OrderStatus.ACCEPTED])
            assert broker.counts["unreadable"] == 1
            assert broker.counts["unknown_statuses"] == 1
            await reported.another_account()


@on_a_loop
async def test_a_connection_that_is_cut_again_and_again_waits_longer_each_time() -> None:
    async with a_scripted_venue() as venue:
        venue.hangs_up = True
        async with a_broker(venue.url) as (broker, reported):
            await reported.until(lambda: broker.counts["reconnects"] > 4)
            assert broker._protocol._stream.back_off.failures > 4
            venue.hangs_up = False
            await reported.live()


@contextlib.asynccontextmanager
async def a_mute_venue(*frames: bytes) -> AsyncIterator[tuple[str, list[int]]]:
    """Open a venue that shakes hands, says some frames, and from then on neither speaks nor answers a ping."""
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if head.startswith("GET /stream"):
                connections.append(len(connections))
                key = next(line.split(": ")[1] for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
                digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
                accept = base64.b64encode(digest).decode()
                lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
                writer.write("\r\n".join([*lines, f"Sec-WebSocket-Accept: {accept}", "", ""]).encode())
                writer.writelines(Frame(Opcode.TEXT, frame).serialize(mask=False) for frame in frames)
                await asyncio.Event().wait()
        writer.close()

    async with a_raw_server(serve) as port:
        yield f"ws://127.0.0.1:{port}", connections


@pytest.mark.parametrize("greets", [True, False])
@on_a_loop
async def test_a_socket_that_is_open_but_mute_is_noticed(greets: bool) -> None:
    frames = (
        b'{"stream":"authorization","data":{"status":"authorized"}}',
        b'{"stream":"listening","data":{"streams":["trade_updates"]}}',
    )
    hasty = BrokerSettings(
        requests_per_minute=UNLIMITED,
        request_timeout_s=0.2,
        poll_s=600.0,
        down_poll_s=600.0,
        first_delay_s=0.01,
        stale_s=0.2,
    )
    async with (
        a_mute_venue(*(frames if greets else ())) as (url, connections),
        a_broker(url, hasty) as (broker, reported),
    ):
        await reported.until(lambda: reported.states[-1:] == [FeedState.DOWN])
        await reported.until(lambda: len(connections) > 2)
        assert broker.counts["reconnects"] > 1


# ----------------------------------------------------------------------------------------------------------------- stop


@on_a_loop
async def test_a_request_that_runs_may_end_before_the_broker_stops() -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url) as (broker, reported):
        arrived = asyncio.Event()

        async def slow(request: web.Request) -> web.StreamResponse:
            arrived.set()
            await venue.gate.wait()
            return await says(200, body())(request)

        venue.script[POST] = [slow]
        broker.send(order())
        await arrived.wait()
        stopping = asyncio.create_task(asyncio.to_thread(broker.stop, 5.0))
        venue.gate.set()
        assert await stopping
        await reported.until(lambda: reported.statuses() == [OrderStatus.ACCEPTED])


@on_a_loop
async def test_a_request_that_never_ends_does_not_keep_the_broker_from_stopping() -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url) as (broker, reported):
        arrived = asyncio.Event()

        async def hangs(request: web.Request) -> web.StreamResponse:
            arrived.set()
            return await venue.waits(request)

        venue.script[POST] = [hangs]
        broker.send(order())
        await arrived.wait()
        assert await asyncio.to_thread(broker.stop, 0.5)
        await reported.until(lambda: reported.of(SubmitUnanswered))
        assert reported.of(SubmitUnanswered)[0].reason == "the broker was stopped"


# ------------------------------------------------------------------------------------------------- refusals that pass

HTML = "<html><head><title>403 Forbidden</title></head><body>nginx</body></html>"


@pytest.mark.parametrize(("status", "text"), [(403, HTML), (403, ""), (403, '{"code":40310000,"message":"no data"}')])
@on_a_loop
async def test_an_answer_that_does_not_speak_of_keys_does_not_call_them_wrong(status: int, text: str) -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url, HASTY) as (_, reported):
        refused, asset = says(status, text=text), says(200, {"symbol": "AAPL", "tradable": True})
        venue.script["GET /v2/assets/AAPL"] = [refused, refused, asset]  # what is asked for first of all
        await reported.live()
        assert REFUSED_KEYS not in [change.reason for change in reported.of(BrokerChanged)]


@on_a_loop
async def test_keys_that_work_are_not_wrong_for_one_refusal_and_are_for_two_in_a_row() -> None:
    async with a_scripted_venue() as venue, a_broker(venue.url, HASTY) as (_, reported):
        await reported.live()
        forbidden = refuses(403, "forbidden.")
        venue.script["GET /v2/positions"] = [forbidden, says(200, [])]
        await reported.another_account()
        await reported.another_account()
        assert REFUSED_KEYS not in [change.reason for change in reported.of(BrokerChanged)]
        venue.script["GET /v2/positions"] = [forbidden]
        await reported.until(lambda: reported.of(BrokerChanged)[-1].reason == REFUSED_KEYS)


@on_a_loop
async def test_a_handshake_that_is_refused_by_who_stands_in_between_is_tried_again_soon() -> None:
    async with a_scripted_venue() as venue:
        stream, refusals = venue.stream, iter([403, 403, 403])

        async def refusing(request: web.Request) -> web.StreamResponse:
            status = next(refusals, None)
            return web.Response(status=status, text=HTML) if status is not None else await stream(request)

        venue.stream = refusing  # type: ignore[method-assign]
        async with a_broker(venue.url, HASTY) as (broker, reported):
            await reported.live()
            assert broker.counts["reconnects"] == 3
            assert REFUSED_KEYS not in [change.reason for change in reported.of(BrokerChanged)]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@on_a_loop
async def test_the_trading_stream_and_the_questions_follow_no_redirect(status: int) -> None:
    reached: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        reached.append(str(request.headers.get("APCA-API-KEY-ID")))
        return web.Response()

    async with a_scripted_venue() as other, a_scripted_venue() as venue:
        other.stream = other.answer = note  # type: ignore[method-assign]
        there = other.url.replace("ws", "http", 1)

        async def elsewhere(request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers={"Location": there + request.path})

        venue.stream = venue.answer = elsewhere  # type: ignore[method-assign]
        async with a_broker(venue.url, HASTY) as (broker, reported):
            await reported.until(lambda: broker.counts["reconnects"] > 1 and broker.counts["polls_failed"] > 1)
            assert "redirect" in "".join(change.reason for change in reported.of(BrokerChanged))
        assert reached == []


@on_a_loop
async def test_the_trading_stream_connects_no_more_than_its_quota_although_somebody_calls() -> None:
    async with a_scripted_venue() as venue:
        venue.hangs_up = True
        calls = 0
        stream = venue.stream

        async def counted(request: web.Request) -> web.StreamResponse:
            nonlocal calls
            calls += 1
            return await stream(request)

        venue.stream = counted  # type: ignore[method-assign]
        hasty = msgspec.structs.replace(PATIENT, first_delay_s=0.001, most_delay_s=0.001)
        async with a_broker(venue.url, hasty) as (broker, reported):
            await reported.until(lambda: calls == MOST_CONNECTS)
            polls = len(reported.of(AccountReport))
            for _ in range(3):
                broker.go_on()
                broker.read_account()
                await reported.until(lambda seen=polls: len(reported.of(AccountReport)) > seen)  # type: ignore[misc]
                polls = len(reported.of(AccountReport))
            assert calls == MOST_CONNECTS
