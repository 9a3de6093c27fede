"""A venue on a WebSocket: one connection at a time, back after every loss, and nothing but sound events out of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

from actors.feeds.feed import Batch, FeedFailed
from actors.feeds.quiet import LEARNT, Heard
from actors.feeds.stale import LOOKS
from actors.feeds.websocket import FeedSettings
from actors.messages import FeedChanged, FeedState, MarketHours, Refusal, SymbolStale
from pipeline.admission import DUPLICATE, IMPLAUSIBLE_TIME, NOT_SUBSCRIBED
from pipeline.events import SECOND, Clock, Gap, Refused, Trade, TradingStatus
from pipeline.strategy import StrategySettings
from pipeline.venues.dialect import EMPTY_FRAME, TOO_MANY, UNKNOWN_TYPE, Event, Turn
from pipeline.venues.jsonl import BAD_TRADE, NOT_AN_OBJECT, NOT_JSON
from pipeline.venues.simple import SimpleDialect
from tests.support.live import (
    HASTY,
    Heard as Listened,
    a_raw_server,
    a_venue,
    drop,
    events_logged,
    feeds_ended,
    hello,
    listening_to,
    print_of,
    says,
    stay,
)
from tests.support.market import START, trade
from tests.support.sessions import Session

CONNECTING, LIVE, STALE, DOWN = FeedState.CONNECTING, FeedState.LIVE, FeedState.STALE, FeedState.DOWN


def switching(head: bytes) -> bytes:
    """Return the answer to a client's handshake, of which that is the head."""
    key = next(line for line in head.decode().splitlines() if line.lower().startswith("sec-websocket-key"))
    accept = accept_key(key.partition(": ")[2])
    upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    return b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade.encode()


def text_frame(data: bytes) -> bytes:
    """Return a message as a server sends it."""
    return Frame(Opcode.TEXT, data).serialize(mask=False)


@contextlib.asynccontextmanager
async def blurting(*messages: bytes) -> AsyncIterator[str]:
    """Serve a venue that says all that it has to with the handshake, goodbye included; yields its address."""

    async def blurt(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(switching(head) + b"".join(map(text_frame, messages)) + b"\x88\x02\x03\xe8")
        writer.close()

    async with a_raw_server(blurt) as port:
        yield f"ws://127.0.0.1:{port}"


def refused(heard: Listened) -> list[str]:
    return [event.reason for event in heard.of(Refused)]


# ------------------------------------------------------------------------------------------------- one connection


def test_a_feed_says_that_it_connects_and_with_the_first_tick_that_it_is_live() -> None:
    async def scenario() -> None:
        async with a_venue(says(hello(), print_of(1), print_of(2))) as venue, listening_to(venue.url) as listener:
            await listener.heard.until(lambda: listener.heard.ids == [1, 2])
            assert listener.heard.states == [CONNECTING, LIVE]
            assert listener.heard.inputs[-3:-1] == [
                FeedChanged(LIVE, listener.heard.of(FeedChanged)[1].ts),
                print_of(1),
            ]
            assert listener.feed.connects == 1

    asyncio.run(scenario())


def test_a_hello_alone_makes_no_feed_live() -> None:
    async def scenario() -> None:
        async with a_venue(says(hello(rate=5.0))) as venue, listening_to(venue.url) as listener:
            async with asyncio.timeout(20):
                while listener.feed.clock.rate != 5.0:  # noqa: ASYNC110  # the clock has nobody to tell
                    await asyncio.sleep(0.001)
            assert listener.heard.states == [CONNECTING]

    asyncio.run(scenario())


def test_a_hello_sets_venue_time_and_its_rate() -> None:
    async def scenario() -> None:
        async with (
            a_venue(says(hello(START, 1000.0), print_of(1))) as venue,
            listening_to(venue.url, settings=HASTY) as listener,
        ):
            await listener.heard.until(lambda: bool(listener.heard.ids))
            now = listener.feed.clock.now(time.monotonic_ns())
            assert now is not None
            assert now >= START
            assert listener.feed.clock.rate == 1000.0
            assert listener.heard.of(FeedChanged)[-1].ts >= START

    asyncio.run(scenario())


def test_the_wanted_symbols_are_asked_for_and_no_others_enter() -> None:
    async def scenario() -> None:
        script = says(hello(), print_of(1, symbol="A"), print_of(2, symbol="X"), print_of(3, symbol="B"))
        async with a_venue(script) as venue, listening_to(venue.url, "A", "B") as listener:
            await venue.until(lambda: bool(venue.said and venue.said[0]))
            await listener.heard.until(lambda: listener.heard.ids == [1, 3])
            assert [json.loads(word) for word in venue.said[0]] == [{"type": "subscribe", "symbols": ["A", "B"]}]
            assert refused(listener.heard) == [NOT_SUBSCRIBED]

    asyncio.run(scenario())


def test_without_a_wish_nothing_is_asked_for() -> None:
    async def scenario() -> None:
        async with a_venue(says(print_of(1))) as venue, listening_to(venue.url) as listener:
            await listener.heard.until(lambda: bool(listener.heard.ids))
            assert venue.said == [[]]

    asyncio.run(scenario())


def test_frames_of_one_event_of_lines_of_an_array_and_of_bytes_are_all_read() -> None:
    one, two, three, four, five, six = (msgspec.json.encode(print_of(number)) for number in range(1, 7))

    async def scenario() -> None:
        frames = (
            one.decode(),
            (two + b"\n" + three + b"\n").decode(),
            (b"[" + four + b"," + five + b"]").decode(),
            six,
        )
        async with a_venue(says(*frames)) as venue, listening_to(venue.url) as listener:
            await listener.heard.until(lambda: len(listener.heard.ids) == 6)
            assert listener.heard.ids == [1, 2, 3, 4, 5, 6]

    asyncio.run(scenario())


def test_a_message_in_fragments_is_one_message() -> None:
    async def scenario() -> None:
        async def in_parts(connection: ServerConnection) -> None:
            text = msgspec.json.encode(print_of(1)).decode()
            await connection.send([text[:10], text[10:30], text[30:]])
            await connection.send(msgspec.json.encode(print_of(2)).decode())
            await stay(connection)

        async with a_venue(in_parts) as venue, listening_to(venue.url) as listener:
            await listener.heard.until(lambda: len(listener.heard.ids) == 2)
            assert listener.heard.ids == [1, 2]

    asyncio.run(scenario())


def test_a_feed_has_one_subscriber() -> None:
    async def scenario() -> None:
        async with a_venue(stay) as venue, listening_to(venue.url) as listener:
            with pytest.raises(RuntimeError, match="one subscriber"):
                listener.feed.subscribe(Listened())

    asyncio.run(scenario())


def test_a_feed_that_is_disposed_of_closes_its_connection() -> None:
    async def scenario() -> None:
        async with a_venue(stay) as venue, listening_to(venue.url) as listener:
            await venue.until(lambda: bool(venue.connections))
            listener.subscription.dispose()
            await asyncio.wait_for(venue.connections[0].wait_closed(), 20)
            await feeds_ended()
            assert not listener.heard.errors
            assert not listener.heard.ended
            assert venue.asked == 1

    asyncio.run(scenario())


def test_what_the_subscriber_raises_ends_the_feed_and_is_handed_back_to_it() -> None:
    def fail(batch: Batch) -> None:
        if any(isinstance(event, Trade) for event in batch):
            raise ZeroDivisionError("the core failed")

    async def scenario() -> None:
        async with a_venue(says(print_of(1))) as venue, listening_to(venue.url, take=fail) as listener:
            await listener.heard.until(lambda: bool(listener.heard.errors))
            assert isinstance(listener.heard.errors[0], ZeroDivisionError)
            await feeds_ended()
            assert venue.asked == 1

    asyncio.run(scenario())


def test_what_is_secret_in_an_address_is_shown_nowhere() -> None:
    async def scenario() -> None:
        with events_logged() as events:
            async with a_venue(says(print_of(1), then=None)) as venue:
                secret = venue.url.replace("ws://", "ws://me:s3cret@") + "/feed?token=s3cret"
                async with listening_to(secret) as listener:
                    await listener.heard.until(lambda: listener.heard.states.count(DOWN) >= 2)
            assert "s3cret" not in repr(listener.heard.inputs)
            assert "s3cret" not in repr(events)
            assert "/feed" in listener.heard.inputs[0].reason

    asyncio.run(scenario())


# ---------------------------------------------------------------------------------------------- a venue's dialect


class Shy:
    """A dialect of one word a message: it greets, answers a question, and knows two ways to be refused."""

    def opened(self) -> Turn:
        return Turn(send=("hello", "my name is bot"))

    def received(self, messages: list[bytes]) -> Turn:
        turn = Turn()
        for message in messages:
            match message:
                case b"who?":
                    turn = msgspec.structs.replace(turn, send=(*turn.send, "bot", "really"))
                case b"later":
                    turn = msgspec.structs.replace(turn, lost="too many connections")
                case b"never":
                    turn = msgspec.structs.replace(turn, failed="the key is wrong: set another")
                case number:
                    turn = msgspec.structs.replace(turn, events=[*turn.events, print_of(int(number))])
        return turn


def test_a_dialect_says_what_it_has_to_first_and_answers_what_it_is_asked() -> None:
    async def scenario() -> None:
        async with (
            a_venue(says("1", "who?", "2"), asks=True) as venue,
            listening_to(venue.url, dialect=Shy) as listener,
        ):
            await listener.heard.until(lambda: listener.heard.ids == [1, 2])
            await venue.until(lambda: len(venue.said[0]) == 4)
            assert venue.said[0] == ["hello", "my name is bot", "bot", "really"]

    asyncio.run(scenario())


def test_a_refusal_in_band_is_tried_again_with_growing_delays_until_data_comes() -> None:
    async def scenario() -> None:
        refusals = [says("later")] * 4
        with events_logged() as events:
            async with (
                a_venue(*refusals, says("1", "later"), says("2")) as venue,
                listening_to(venue.url, dialect=Shy) as listener,
            ):
                await listener.heard.until(lambda: 2 in listener.heard.ids)
                assert listener.feed.connects == 6
                reasons = [change.reason for change in listener.heard.of(FeedChanged) if change.state is DOWN]
                assert reasons == ["too many connections"] * 5
        waits = [event["failures"] for event in events if event.get("event") == "feed.reconnecting"]
        assert waits in ([1, 2, 3, 4, 5], [1, 2, 3, 4, 1])  # both words of the fifth may come together

    asyncio.run(scenario())


def test_a_refusal_that_waiting_does_not_mend_ends_the_feed_with_its_sentence() -> None:
    async def scenario() -> None:
        async with a_venue(says("never")) as venue, listening_to(venue.url, dialect=Shy) as listener:
            await listener.heard.until(lambda: bool(listener.heard.errors))
            await feeds_ended()
            (error,) = listener.heard.errors
            assert isinstance(error, FeedFailed)
            assert "the key is wrong" in str(error)
            assert listener.heard.inputs[-1].state is DOWN
            assert venue.asked == 1

    asyncio.run(scenario())


def test_every_connection_begins_its_dialect_anew() -> None:
    made = 0

    def shy() -> Shy:
        nonlocal made
        made += 1
        return Shy()

    async def scenario() -> None:
        async with (
            a_venue(says("1", then=None), says("2", then=None), says("3"), asks=True) as venue,
            listening_to(venue.url, dialect=shy) as listener,
        ):
            await listener.heard.until(lambda: 3 in listener.heard.ids)
            assert made == 3
            assert [said[:1] for said in venue.said] == [["hello"]] * 3

    asyncio.run(scenario())


# --------------------------------------------------------------------------------------------- lost connections


def test_ten_drops_are_ten_reconnects_and_every_first_tick_counts_once() -> None:
    async def scenario() -> None:
        # Each connection repeats the last two trades of the one before, as venues do.
        scripts = [says(*(print_of(3 * n + k) for k in range(-2, 3)), then=None) for n in range(10)]
        async with (
            a_venue(*scripts, says(print_of(30), print_of(31)), asks=True) as venue,
            listening_to(venue.url, "A") as listener,
        ):
            heard = listener.heard
            await heard.until(lambda: 31 in heard.ids)
            assert listener.feed.connects == 11
            assert venue.asked == 11
            assert [[json.loads(word)["type"] for word in said] for said in venue.said] == [["subscribe"]] * 11
            assert heard.ids == list(range(-2, 32))
            assert refused(heard) == [DUPLICATE] * 18
            assert heard.states == [CONNECTING, LIVE, *[DOWN, CONNECTING, LIVE] * 10]
            assert len(heard.of(Gap)) == 10

    asyncio.run(scenario())


def test_the_gap_of_a_reconnect_stands_before_what_comes_after_it() -> None:
    async def scenario() -> None:
        async with (
            a_venue(says(print_of(1), then=None), says(print_of(2), print_of(3))) as venue,
            listening_to(venue.url) as listener,
        ):
            heard = listener.heard
            await heard.until(lambda: heard.ids == [1, 2, 3])
            kinds = [type(event) for event in heard.inputs]
            assert kinds == [FeedChanged] * 2 + [Trade] + [FeedChanged] * 2 + [Gap, FeedChanged, Trade, Trade]
            (gap,) = heard.of(Gap)
            assert gap.symbol is None
            assert gap.ts >= print_of(1).ts

    asyncio.run(scenario())


class WithStatuses(SimpleDialect):
    """The simple push, which also tells of halts and resumptions: as `halted` or `resumed`, in A."""

    def received(self, messages: list[bytes]) -> Turn:
        events: list[Event] = []
        for message in messages:
            if message in (b"halted", b"resumed"):
                events.append(TradingStatus(START, "A", message == b"halted"))
            else:
                events += super().received([message]).events
        return Turn(events=events)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (["halted"], [print_of(2, symbol="B"), print_of(3)], [True, False]),  # the resumption was missed
        (["halted", "resumed"], [print_of(2, symbol="B"), print_of(3)], [True, False]),  # it was not
        (["halted"], [print_of(2, symbol="B"), print_of(3, symbol="B")], [True]),  # no trade: it may be halted still
    ],
)
def test_a_halt_whose_resumption_was_missed_ends_with_the_next_trade(
    before: list[str], after: list[Trade], told: list[bool]
) -> None:
    async def scenario() -> None:
        async with (
            a_venue(says(print_of(1), *before, then=None), says(*after)) as venue,
            listening_to(venue.url, dialect=lambda: WithStatuses(())) as listener,
        ):
            heard = listener.heard
            await heard.until(lambda: heard.ids == [1, 2, 3])
            assert [status.halted for status in heard.of(TradingStatus)] == told

    asyncio.run(scenario())


def test_a_trade_on_the_connection_that_told_of_a_halt_ends_none() -> None:
    """It may have been made before the halt, and come late."""

    async def scenario() -> None:
        async with (
            a_venue(says(print_of(1), "halted", print_of(2))) as venue,
            listening_to(venue.url, dialect=lambda: WithStatuses(())) as listener,
        ):
            await listener.heard.until(lambda: 2 in listener.heard.ids)
            assert all(status.halted for status in listener.heard.of(TradingStatus))

    asyncio.run(scenario())


def test_there_is_no_gap_before_the_first_data() -> None:
    async def scenario() -> None:
        async with (
            a_venue(says(then=None), says(hello(), then=None), says(print_of(1), print_of(2))) as venue,
            listening_to(venue.url) as listener,
        ):
            await listener.heard.until(lambda: listener.heard.ids == [1, 2])
            assert not listener.heard.of(Gap)
            assert listener.feed.connects == 3

    asyncio.run(scenario())


@pytest.mark.parametrize("word", [hello(), print_of(1)], ids=["a greeting", "data"])
def test_delays_grow_while_no_connection_lasts_whatever_each_of_them_brings(word: str | Trade) -> None:
    settings = FeedSettings(first_delay_s=0.004, most_delay_s=0.02)

    async def scenario() -> None:
        with events_logged() as events:
            async with (
                a_venue(*[says(word, then=None)] * 8, says(print_of(2))) as venue,
                listening_to(venue.url, settings=settings, seed=3) as listener,
            ):
                await listener.heard.until(lambda: 2 in listener.heard.ids)
        waits = [event for event in events if event.get("event") == "feed.reconnecting"]
        assert [wait["failures"] for wait in waits] == [1, 2, 3, 4, 5, 6, 7, 8]
        chance = Random(3)
        for wait in waits:
            delay = min(0.02, 0.004 * 2 ** (wait["failures"] - 1)) * (0.5 + chance.random() / 2)
            assert wait["delay_s"] == pytest.approx(delay, abs=0.0006)  # it is logged in whole milliseconds

    asyncio.run(scenario())


@pytest.mark.parametrize(("lasts_s", "failures"), [(14.9, [1, 2, 3, 4]), (15.1, [1, 2, 1, 2])])
def test_only_a_connection_on_which_data_came_for_long_makes_delays_short_again(
    lasts_s: float, failures: list[int]
) -> None:
    class Watch:
        """A clock of its own, so that nobody waits and a slow machine changes nothing."""

        ns = 0

    async def scenario() -> None:
        async def lasts(connection: ServerConnection) -> None:
            await connection.send(msgspec.json.encode(print_of(1)).decode())
            await listener.heard.until(lambda: listener.heard.states[-1] is LIVE)
            Watch.ns += round(lasts_s * SECOND)
            drop(connection)

        short = says(print_of(2), then=None)
        with events_logged() as events:
            async with (
                a_venue(short, short, lasts, says(hello(), then=None), says(print_of(9))) as venue,
                listening_to(venue.url, monotonic=lambda: Watch.ns) as listener,
            ):
                await listener.heard.until(lambda: 9 in listener.heard.ids)
        assert [event["failures"] for event in events if event.get("event") == "feed.reconnecting"] == failures

    asyncio.run(scenario())


def test_connects_a_minute_are_bounded_although_the_delays_are_short_and_somebody_calls() -> None:
    settings = msgspec.structs.replace(HASTY, connects_per_minute=3)

    async def scenario() -> None:
        with events_logged() as events:
            async with (
                a_venue(says(print_of(1), then=None)) as venue,
                listening_to(venue.url, settings=settings, monotonic=lambda: 0) as listener,
            ):
                await listener.heard.until(lambda: listener.heard.states.count(DOWN) == 3)
                listener.feed.go_on()
                for _ in range(20):
                    await asyncio.sleep(0)
                assert listener.heard.states[-1] is DOWN
                assert venue.asked == 3
        waits = [event["delay_s"] for event in events if event.get("event") == "feed.reconnecting"]
        assert max(waits[:2]) < 1
        assert waits[2] == 60.0

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_venue_that_is_busy_is_tried_again(status: int) -> None:
    async def scenario() -> None:
        async with (
            a_venue(says(print_of(1)), statuses=(status,) * 3) as venue,
            listening_to(venue.url) as listener,
        ):
            await listener.heard.until(lambda: listener.heard.ids == [1])
            assert venue.asked == 4
            assert listener.feed.connects == 1
            assert listener.heard.states == [CONNECTING, *[DOWN, CONNECTING] * 3, LIVE]
            assert str(status) in listener.heard.of(FeedChanged)[1].reason
            assert not listener.heard.of(Gap)

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_venue_that_refuses_us_is_asked_once_and_the_operator_is_told(status: int) -> None:
    async def scenario() -> None:
        async with a_venue(stay, statuses=(status,) * 9) as venue, listening_to(venue.url) as listener:
            await listener.heard.until(lambda: bool(listener.heard.errors))
            await feeds_ended()
            (error,) = listener.heard.errors
            assert isinstance(error, FeedFailed)
            assert str(status) in str(error)
            assert venue.url in str(error)
            assert listener.heard.inputs[-1].state is DOWN
            assert listener.heard.inputs[-1].reason == str(error)
            assert venue.asked == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [302, 401, 403, 404])
def test_a_venue_that_has_let_us_in_and_refuses_us_later_is_waited_for(status: int) -> None:
    async def scenario() -> None:
        async def once(connection: ServerConnection) -> None:
            await connection.send(msgspec.json.encode(print_of(1)).decode())
            venue.refuse(status, status, status)
            drop(connection)

        with events_logged() as events:
            async with a_venue(once, says(print_of(2))) as venue, listening_to(venue.url) as listener:
                await listener.heard.until(lambda: 2 in listener.heard.ids)
                assert not listener.heard.errors
                assert venue.asked == 5
                downs = [change.reason for change in listener.heard.of(FeedChanged) if change.state is DOWN]
                assert [str(status) in reason and "waiting" in reason for reason in downs] == [False, True, True, True]
        waits = [event for event in events if event.get("event") == "feed.reconnecting"]
        assert [wait["failures"] for wait in waits] == [1, 2, 3, 4]
        assert str(status) in waits[-1]["reason"]

    asyncio.run(scenario())


class Granting(Shy):
    """A dialect whose venue says first that we may have what we want."""

    def received(self, messages: list[bytes]) -> Turn:
        granted = b"granted" in messages
        turn = super().received([message for message in messages if message != b"granted"])
        return msgspec.structs.replace(turn, granted=granted)


@pytest.mark.parametrize(("dialect", "first"), [(Shy, "1"), (Granting, "granted")])
def test_a_refusal_in_band_is_waited_out_once_the_venue_has_taken_us(dialect: type[Shy], first: str) -> None:
    async def scenario() -> None:
        async with (
            a_venue(says(first, then=None), says("never"), says("2"), asks=True) as venue,
            listening_to(venue.url, dialect=dialect) as listener,
        ):
            await listener.heard.until(lambda: 2 in listener.heard.ids)
            assert not listener.heard.errors
            downs = [change.reason for change in listener.heard.of(FeedChanged) if change.state is DOWN]
            assert "the key is wrong" in downs[1]
            assert "waiting" in downs[1]

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_nowhere(status: int) -> None:
    async def scenario() -> None:
        async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {other.url}/\r\nContent-Length: 0\r\n\r\n"
            writer.write(head.encode())
            writer.close()

        async with (
            a_venue(says(print_of(1))) as other,
            a_raw_server(elsewhere) as port,
            listening_to(f"ws://me:s3cret@127.0.0.1:{port}", dialect=Shy) as listener,
        ):
            await listener.heard.until(lambda: bool(listener.heard.errors or listener.heard.ids))
            assert other.asked == 0
            assert isinstance(listener.heard.errors[0], FeedFailed)
            assert "redirect" in str(listener.heard.errors[0])
            assert "s3cret" not in repr(listener.heard.inputs)

    asyncio.run(scenario())


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "127.0.0.1", "ws://"])
def test_an_address_that_is_none_ends_the_feed_with_a_sentence(url: str) -> None:
    async def scenario() -> None:
        async with listening_to(url) as listener:
            await listener.heard.until(lambda: bool(listener.heard.errors))
            assert isinstance(listener.heard.errors[0], FeedFailed)
            assert url in str(listener.heard.errors[0])

    asyncio.run(scenario())


def test_a_venue_that_is_not_there_is_waited_for() -> None:
    async def scenario() -> None:
        async with a_venue(stay) as venue:
            url = venue.url
        async with listening_to(url) as listener:
            await listener.heard.until(lambda: len(listener.heard.states) >= 6)
            assert listener.heard.states[:6] == [CONNECTING, DOWN] * 3
            assert not listener.heard.errors

    asyncio.run(scenario())


def test_a_server_that_does_not_speak_http_is_tried_again() -> None:
    async def scenario() -> None:
        calls = 0

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal calls
            calls += 1
            writer.write(b"\x00\x01 SSH-2.0 hello\r\n\r\n")
            writer.close()

        async with a_raw_server(talk) as port, listening_to(f"ws://127.0.0.1:{port}") as listener:
            await listener.heard.until(lambda: listener.heard.states.count(DOWN) >= 2)
            assert calls >= 2
            assert not listener.heard.errors

    asyncio.run(scenario())


def test_a_handshake_that_is_not_answered_is_given_up() -> None:
    async def scenario() -> None:
        async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        impatient = msgspec.structs.replace(HASTY, open_timeout_s=0.02)
        async with (
            a_raw_server(mute) as port,
            listening_to(f"ws://127.0.0.1:{port}", settings=impatient) as listener,
        ):
            await listener.heard.until(lambda: listener.heard.states.count(DOWN) >= 2)
            assert not listener.heard.errors

    asyncio.run(scenario())


# ------------------------------------------------------------------------------------------------------ mute sockets


def test_a_socket_that_is_open_but_mute_is_stale_and_then_left() -> None:
    impatient = msgspec.structs.replace(HASTY, stale_after_s=0.05, silent_after_s=0.2)

    async def scenario() -> None:
        async with (
            a_venue(says(print_of(1)), says(print_of(2), print_of(3))) as venue,
            listening_to(venue.url, settings=impatient) as listener,
        ):
            heard = listener.heard
            await heard.until(lambda: 3 in heard.ids)
            assert heard.states[:6] == [CONNECTING, LIVE, STALE, DOWN, CONNECTING, LIVE]
            assert heard.ids == [1, 2, 3]

    asyncio.run(scenario())


def test_a_silence_is_over_with_the_next_message_and_no_reason_to_hang_up() -> None:
    impatient = msgspec.structs.replace(HASTY, stale_after_s=0.05)

    async def scenario() -> None:
        goes_on = asyncio.Event()

        async def pauses(connection: ServerConnection) -> None:
            await connection.send(msgspec.json.encode(print_of(1)).decode())
            await goes_on.wait()
            await connection.send(msgspec.json.encode(print_of(2)).decode())
            await stay(connection)

        async with a_venue(pauses) as venue, listening_to(venue.url, settings=impatient) as listener:
            heard = listener.heard
            await heard.until(lambda: STALE in heard.states)
            goes_on.set()
            await heard.until(lambda: 2 in heard.ids)
            assert heard.states[:4] == [CONNECTING, LIVE, STALE, LIVE]
            assert listener.feed.connects == 1

    asyncio.run(scenario())


class HandWatch:
    """A watch over a connection that looks when the test says so."""

    made: list[HandWatch]

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        stale_after_s: float,
        silent_after_s: float,
        expects_news: Callable[[], bool],
        on_stale: Callable[[], None],
        on_silent: Callable[[], None],
        on_look: Callable[[], None],
    ) -> None:
        self.heard = False
        self.expects_news = expects_news
        self.on_stale = on_stale
        self.on_silent = on_silent
        self.on_look = on_look
        self.made.append(self)

    def stop(self) -> None:
        """Do nothing: it has no timer."""


@pytest.fixture
def watches(monkeypatch: pytest.MonkeyPatch) -> list[HandWatch]:
    """Have the feeds' watches in the test's hand; returns them, the newest last."""
    monkeypatch.setattr("actors.feeds.websocket.StaleWatch", HandWatch)
    made: list[HandWatch] = []
    monkeypatch.setattr(HandWatch, "made", made, raising=False)
    return made


def test_data_are_expected_while_the_market_is_open_and_where_no_hours_are_known(watches: list[HandWatch]) -> None:
    async def scenario() -> None:
        async with a_venue(says(hello(), print_of(1))) as venue, listening_to(venue.url) as listener:
            await listener.heard.until(lambda: 1 in listener.heard.ids)
            assert watches[-1].expects_news()
            for sessions, expected in ((), False), (((START - SECOND, START + 3600 * SECOND),), True):
                listener.feed.expect(MarketHours(sessions, START))
                assert watches[-1].expects_news() is expected

    asyncio.run(scenario())


@pytest.mark.parametrize(("lasts_s", "failures"), [(14.9, 4), (15.1, 2)])
def test_how_long_a_connection_had_data_is_counted_over_its_silences(
    watches: list[HandWatch], lasts_s: float, failures: int
) -> None:
    class Watch:
        """A clock of its own, so that nobody waits and a slow machine changes nothing."""

        ns = 0

    async def scenario() -> None:
        async def pauses(connection: ServerConnection) -> None:
            await connection.send(msgspec.json.encode(print_of(3)).decode())
            await listener.heard.until(lambda: listener.heard.states[-1] is LIVE)
            watches[-1].on_stale()
            Watch.ns += round(lasts_s * SECOND)
            await connection.send(msgspec.json.encode(print_of(4)).decode())
            await listener.heard.until(lambda: listener.heard.states[-1] is LIVE)
            drop(connection)

        short = says(print_of(2), then=None)
        with events_logged() as events:
            async with (
                a_venue(short, short, pauses, says(hello(), then=None), says(print_of(9))) as venue,
                listening_to(venue.url, monotonic=lambda: Watch.ns) as listener,
            ):
                await listener.heard.until(lambda: 9 in listener.heard.ids)
        waits = [event["failures"] for event in events if event.get("event") == "feed.reconnecting"]
        assert waits[-1] == failures

    asyncio.run(scenario())


def test_a_symbol_that_falls_silent_is_stale_alone_and_its_next_data_end_that_before_they_are_used(
    watches: list[HandWatch],
) -> None:
    bot = Session()

    async def scenario() -> None:
        said: asyncio.Queue[Trade | None] = asyncio.Queue()

        async def speaks(connection: ServerConnection) -> None:
            await connection.send(hello())
            while (told := await said.get()) is not None:
                await connection.send(msgspec.json.encode(told).decode())

        async with (
            a_venue(speaks) as venue,
            listening_to(venue.url, take=lambda batch: bot.core.run(batch)) as listener,
        ):
            numbers = itertools.count(1)

            async def hear(*symbols: str, says: str = "") -> None:
                for symbol in symbols:
                    told = print_of(next(numbers), symbol=symbol)
                    said.put_nowait(msgspec.structs.replace(told, id=says or told.id))
                    heard = len(listener.heard.ids) + 1
                    await listener.heard.until(lambda: len(listener.heard.ids) == heard)  # noqa: B023  # at once
                watches[-1].on_look()

            for _ in range(LEARNT + 2):
                await hear("A", "B")
            for _ in range(LOOKS):
                await hear("B")
            await hear("B", says="LONG")
            assert [(it.symbol, it.stale) for it in listener.heard.of(SymbolStale)] == [("A", True)]
            assert listener.heard.of(SymbolStale)[0].reason == "nothing of it for 15 s, where 4 s were the most of late"
            await hear("A", says="SHORT")
            assert [(it.symbol, it.stale) for it in listener.heard.of(SymbolStale)] == [("A", True), ("A", False)]
            said.put_nowait(None)

    asyncio.run(scenario())
    assert bot.verdicts == [None, None]


@pytest.mark.parametrize("hours", [None, MarketHours((), START)], ids=["feed stale", "market closed"])
def test_while_nothing_is_expected_no_symbol_is_stale(watches: list[HandWatch], hours: MarketHours | None) -> None:
    async def scenario() -> None:
        prints = [print_of(number, symbol=symbol) for number in range(1, 4) for symbol in "AB"]
        async with a_venue(says(hello(), *prints)) as venue, listening_to(venue.url) as listener:
            await listener.heard.until(lambda: len(listener.heard.ids) == len(prints))
            quiet = listener.feed._quiet
            assert quiet is not None
            for ts in range(1, LEARNT + 3):
                quiet.look([Heard("A", ts, halted=False)])
            watches[-1].on_look()  # the trade's time is news
            if hours is None:
                watches[-1].on_stale()
            else:
                listener.feed.expect(hours)
            for _ in range(100):
                watches[-1].on_look()
            assert not listener.heard.of(SymbolStale)

    asyncio.run(scenario())


def test_while_a_feed_is_stale_entries_are_refused_and_exits_fire_on_the_clock() -> None:
    impatient = msgspec.structs.replace(HASTY, stale_after_s=0.05, first_delay_s=30.0, most_delay_s=30.0)
    patient_exits = StrategySettings(profit_target=1, stop_loss=0.5, time_stop_seconds=8, flat_seconds=1000)

    async def scenario() -> None:
        bot = Session(strategy=patient_exits)
        enter = Trade("A", START, 100.0, 10.0, None, None, "LONG")
        async with (
            a_venue(says(hello(), enter)) as venue,
            listening_to(venue.url, settings=impatient, take=lambda batch: bot.core.run(batch)) as listener,
        ):
            await listener.heard.until(lambda: STALE in listener.heard.states)
            assert len(bot.core.positions.open) == 1
            bot.feed(trade(1, says="LONG", symbol="B"))
            assert bot.verdicts == [None, Refusal.STALE_FEED]
            bot.feed(Clock(START + 60 * SECOND))
            assert bot.exits == ["TIME"]

    asyncio.run(scenario())


# ------------------------------------------------------------------------------------------------- malformed frames

GOOD = json.dumps({"type": "trade", "symbol": "A", "ts": START, "price": 100.0, "size": 1.0})


def changed(**fields: Any) -> str:
    return json.dumps(json.loads(GOOD) | fields)


MALFORMED: dict[str, tuple[str | bytes, list[str]]] = {
    "truncated": (GOOD[:-9], [NOT_JSON]),
    "not JSON": ("nonsense", [NOT_JSON]),
    "bad UTF-8 in a binary frame": (b'{"type":"trade","symbol":"\xff\xfe"}', [NOT_JSON]),
    "binary": (bytes(range(128, 256)), [NOT_JSON]),
    "empty": ("", [EMPTY_FRAME]),
    "empty and binary": (b"", [EMPTY_FRAME]),
    "null": ("null", [NOT_AN_OBJECT]),
    "a number": ("17", [NOT_AN_OBJECT]),
    "10,000 levels deep": ("[" * 10_000 + "]" * 10_000, [NOT_JSON]),
    "10,000 levels deep and cut": ("[" * 10_000, [NOT_JSON]),
    "a price as a string": (changed(price="100"), [BAD_TRADE]),
    "a price of NaN": (changed(price=float("nan")), [BAD_TRADE]),
    "a price without end": (changed(price=float("inf")), [BAD_TRADE]),
    "a price of 0": (changed(price=0), [BAD_TRADE]),
    "a negative price": (changed(price=-1), [BAD_TRADE]),
    "a size of NaN": (changed(size=float("nan")), [BAD_TRADE]),
    "a negative size": (changed(size=-1), [BAD_TRADE]),
    "a price of 1e308": (changed(price=1e308), ["price collar"]),
    "a time as a float": (changed(ts=START + 0.5), [BAD_TRADE]),
    "an hour ahead": (changed(ts=START + 3600 * SECOND), [IMPLAUSIBLE_TIME]),
    "an hour behind": (changed(ts=START - 3600 * SECOND), [IMPLAUSIBLE_TIME]),
    "no symbol": (changed(symbol=""), [BAD_TRADE]),
    "a type that nobody knows": ('{"type":"status","message":"x"}', [UNKNOWN_TYPE]),
    "no type": ('{"message":"x"}', [UNKNOWN_TYPE]),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_frame_is_dropped_and_counted_and_the_next_tick_is_processed(name: str) -> None:
    frame, reasons = MALFORMED[name]

    async def scenario() -> None:
        async with (
            a_venue(says(hello(), print_of(1), frame, print_of(2))) as venue,
            listening_to(venue.url) as listener,
        ):
            heard = listener.heard
            await heard.until(lambda: 2 in heard.ids)
            assert heard.ids == [1, 2]
            assert refused(heard) == reasons
            assert heard.states == [CONNECTING, LIVE]
            assert listener.feed.connects == 1

    asyncio.run(scenario())


def test_text_that_is_no_utf_8_is_dropped_or_costs_the_connection_and_no_more() -> None:
    async def scenario() -> None:
        async def bad_text(connection: ServerConnection) -> None:
            await connection.send(b'{"type":"trade","symbol":"\xff"}', text=True)
            await connection.send(msgspec.json.encode(print_of(1)), text=True)
            await stay(connection)

        async with a_venue(bad_text, says(print_of(1))) as venue, listening_to(venue.url) as listener:
            await listener.heard.until(lambda: 1 in listener.heard.ids)
            assert not listener.heard.errors

    asyncio.run(scenario())


def test_a_frame_of_two_mebibytes_closes_the_connection_and_the_feed_comes_back() -> None:
    async def scenario() -> None:
        async with (
            a_venue(says(print_of(1), "x" * (2 << 20)), says(print_of(2))) as venue,
            listening_to(venue.url) as listener,
        ):
            await listener.heard.until(lambda: listener.heard.ids == [1, 2])
            assert venue.connections[0].close_code == 1009
            assert listener.feed.connects == 2
            assert not refused(listener.heard)
            (down,) = [change.reason for change in listener.heard.of(FeedChanged) if change.state is DOWN]
            assert down == "a message was larger than feed.max_frame_bytes, which is 1,048,576"

    asyncio.run(scenario())


def test_a_message_of_two_mebibytes_in_fragments_is_refused_too() -> None:
    async def scenario() -> None:
        async def in_parts(connection: ServerConnection) -> None:
            await connection.send(["x" * (1 << 19)] * 4)
            await stay(connection)

        async with a_venue(in_parts, says(print_of(1))) as venue, listening_to(venue.url) as listener:
            await listener.heard.until(lambda: listener.heard.ids == [1])
            assert venue.connections[0].close_code == 1009
            assert "feed.max_frame_bytes" in listener.heard.of(FeedChanged)[1].reason

    asyncio.run(scenario())


def test_a_venue_to_which_our_message_was_too_large_is_not_taken_for_one_whose_was() -> None:
    async def scenario() -> None:
        async def complains(connection: ServerConnection) -> None:
            await connection.close(1009)

        async with a_venue(complains, says(print_of(1))) as venue, listening_to(venue.url) as listener:
            await listener.heard.until(lambda: listener.heard.ids == [1])
            (down,) = [change.reason for change in listener.heard.of(FeedChanged) if change.state is DOWN]
            assert down == "connection closed (1009)"

    asyncio.run(scenario())


def test_what_a_venue_said_before_it_hung_up_is_decided_on_in_full() -> None:
    async def scenario() -> None:
        prints = [msgspec.json.encode(print_of(number)) for number in range(1000)]
        async with blurting(*prints) as url, listening_to(url) as listener:
            await listener.heard.until(lambda: DOWN in listener.heard.states)
            assert listener.heard.ids == list(range(1000))
            assert len(listener.heard.batches) < 100  # several messages a turn

    asyncio.run(scenario())


class Listener(Shy):
    """A dialect that waits to be spoken to."""

    def opened(self) -> Turn:
        return Turn()


def test_a_refusal_that_comes_with_the_goodbye_is_heard() -> None:
    async def scenario() -> None:
        async with blurting(b"never") as url, listening_to(url, dialect=Listener) as listener:
            await listener.heard.until(lambda: bool(listener.heard.errors) or DOWN in listener.heard.states)
            await feeds_ended()
            (error,) = listener.heard.errors
            assert "the key is wrong" in str(error)

    asyncio.run(scenario())


@pytest.mark.parametrize("item", ["1", "null", '{"type":"trade"}', '{"type":"zz"}', "{}"])
@pytest.mark.parametrize("between", [",", "\n"])
def test_a_frame_of_nothing_but_junk_costs_a_few_inputs_and_all_of_it_is_counted(item: str, between: str) -> None:
    many = (1 << 20) // (len(item) + 1) - 2
    frame = between.join([item] * many)

    async def scenario() -> None:
        junk = f"[{frame}]" if between == "," else frame
        async with (
            a_venue(says(hello(), print_of(1), junk, print_of(2))) as venue,
            listening_to(venue.url) as listener,
        ):
            await listener.heard.until(lambda: 2 in listener.heard.ids)
            refusals = listener.heard.of(Refused)
            assert sum(refusal.count for refusal in refusals) == many
            assert len(refusals) <= 2
            assert TOO_MANY in refused(listener.heard)
            assert listener.feed.connects == 1

    asyncio.run(scenario())


def test_a_thousand_trades_at_once_all_arrive_in_order() -> None:
    async def scenario() -> None:
        async with (
            a_venue(says(hello(), *(print_of(number) for number in range(1000)))) as venue,
            listening_to(venue.url) as listener,
        ):
            await listener.heard.until(lambda: 999 in listener.heard.ids)
            assert listener.heard.ids == list(range(1000))

    asyncio.run(scenario())


# ---------------------------------------------------------------------------------------------- what feeds fell over


def test_a_venue_that_closes_at_once_is_tried_again_although_we_subscribe() -> None:
    async def scenario() -> None:
        # The goodbye comes with the handshake: when the client wants to speak, the connection is closing.
        async with blurting() as url, listening_to(url, "A") as listener:
            await listener.heard.until(lambda: listener.heard.states.count(DOWN) >= 3 or bool(listener.heard.errors))
            assert not listener.heard.errors

    asyncio.run(scenario())


def test_garbage_is_no_data() -> None:
    async def scenario() -> None:
        garbage = [says("garbage", then=None)] * 4
        with events_logged() as events:
            async with a_venue(*garbage, says(print_of(1))) as venue, listening_to(venue.url) as listener:
                await listener.heard.until(lambda: listener.heard.ids == [1])
                assert listener.heard.states.count(LIVE) == 1
                assert refused(listener.heard) == [NOT_JSON] * 4
                assert not listener.heard.of(Gap)
        waits = [event["failures"] for event in events if event.get("event") == "feed.reconnecting"]
        assert waits == [1, 2, 3, 4]

    asyncio.run(scenario())


def test_nothing_is_heard_of_a_feed_that_was_disposed_of() -> None:
    async def scenario() -> None:
        async def chatter(connection: ServerConnection) -> None:
            for number in itertools.count():
                await connection.send(msgspec.json.encode(print_of(number)).decode())
                await asyncio.sleep(0)

        async with a_venue(chatter) as venue, listening_to(venue.url) as listener:
            await listener.heard.until(lambda: len(listener.heard.ids) > 3)
            listener.subscription.dispose()
            heard = len(listener.heard.inputs)
            await feeds_ended()
            assert len(listener.heard.inputs) == heard

    asyncio.run(scenario())


@pytest.mark.parametrize("url", ["ws://127.0.0.1:99999", "ws://127.0.0.1:abc", "ws://a..b", "ws://[::1"])
def test_an_address_with_a_port_or_a_host_that_is_none_ends_the_feed_with_a_sentence(url: str) -> None:
    async def scenario() -> None:
        async with listening_to(url) as listener:
            await listener.heard.until(lambda: bool(listener.heard.errors))
            assert isinstance(listener.heard.errors[0], FeedFailed)

    asyncio.run(scenario())


def test_a_venue_on_this_machine_is_reached_past_every_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    async def scenario() -> None:
        async with a_venue(says(print_of(1))) as venue, listening_to(venue.url) as listener:
            await listener.heard.until(lambda: bool(listener.heard.ids) or DOWN in listener.heard.states)
            assert listener.heard.ids == [1]

    asyncio.run(scenario())


# -------------------------------------------------------------------------------------------------------------- holding


def test_a_feed_that_is_held_hangs_up_and_calls_nobody_until_it_may_go_on_and_then_at_once() -> None:
    async def scenario() -> None:
        patient = FeedSettings(first_delay_s=10_000.0, most_delay_s=10_000.0)
        async with (
            a_venue(says(print_of(1)), says(print_of(2))) as venue,
            listening_to(venue.url, settings=patient) as it,
        ):
            await it.heard.until(lambda: it.heard.ids == [1])
            it.feed.hold("the exchange ended")
            await it.heard.until(lambda: it.heard.states[-1] is FeedState.DOWN)
            assert it.heard.of(FeedChanged)[-1].reason == "the exchange ended"
            assert venue.asked == 1
            it.feed.go_on()
            await it.heard.until(lambda: it.heard.ids == [1, 2])
            assert [gap.reason for gap in it.heard.of(Gap)] == ["reconnected"]

    asyncio.run(scenario())
