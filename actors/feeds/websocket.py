"""A venue on a WebSocket: one connection at a time, back after every loss."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from random import Random
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

import msgspec
from loguru import logger
from msgspec import Meta
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from actors.feeds.backoff import BackOff
from actors.feeds.feed import Feed, FeedFailed
from actors.feeds.pause import Pause
from actors.feeds.stale import StaleWatch
from actors.frames import FrameConnection
from actors.messages import FeedChanged, FeedState
from pipeline.admission import Admission
from pipeline.events import SECOND, Gap, Quote, Refused, Trade
from pipeline.venue_clock import VenueClock
from pipeline.venues.dialect import Dialect, Turn
from pipeline.venues.simple import SimpleDialect

_log = logger.bind(logger="microbot.feed")
_HERE = ("127.0.0.1", "localhost", "::1")  # no proxy is on the way to ourselves


class FeedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[feed]: how patient the bot is with a venue. All of it in real seconds."""

    stale_after_s: Annotated[float, Meta(gt=0)] = 15.0  # without a message: STALE, and a reconnect
    open_timeout_s: Annotated[float, Meta(gt=0)] = 10.0  # for the handshake
    first_delay_s: Annotated[float, Meta(gt=0)] = 0.2  # before the first reconnect; then it doubles
    most_delay_s: Annotated[float, Meta(gt=0)] = 30.0  # before any reconnect
    max_frame_bytes: Annotated[int, Meta(ge=1024)] = 1 << 20  # a larger frame closes the connection (1009)


class WebSocketFeed(Feed):
    """A venue on a WebSocket, in its dialect (by default the simple push of `pipeline.venues.simple`).

    It reconnects for ever, with growing delays that only the first *data* message resets, subscribes anew, and tells
    the core of every change of state and of the gap that a lost connection leaves. What ends it, as FeedFailed: a
    refusal that no waiting can mend, of the handshake (401, 403, 404) or in the venue's dialect.
    """

    def __init__(
        self,
        url: str,
        settings: FeedSettings,
        clock: VenueClock,
        admission: Admission,
        monotonic: Callable[[], int],
        random: Random,
        symbols: Iterable[str] = (),
        dialect: Callable[[], Dialect] | None = None,
    ) -> None:
        super().__init__(clock, admission, monotonic)
        self.woke_at: Callable[[], float] = lambda: 0.0  # when this process last went on after a stop, monotonic s
        self._took_at = 0  # when the connection brought something last, or began
        self._old_at: int | None = None  # when it had last, before a stop, until there is something new
        self._wakes_until = 0
        self._verdict = Turn()  # what ended the connection
        self.url = url
        self.name = _without_secrets(url)
        self.connects = 0  # connections made
        self._settings = settings
        wanted = tuple(symbols)
        self._new_dialect = dialect or (lambda: SimpleDialect(wanted))
        self._back_off = BackOff(settings.first_delay_s, settings.most_delay_s, random)
        self._pause = Pause(self._back_off)
        self._connection_now: FrameConnection | None = None
        self._had_data = False  # ever: what comes after a lost connection is a gap only then
        self._gap = False
        self._fault: Exception | None = None

    def hold(self, reason: str) -> None:
        """Hang up, and connect no more until `go_on`: who is called is away."""
        self._pause.hold(reason)
        if self._connection_now is not None:
            self._connection_now.transport.abort()

    def go_on(self) -> None:
        """Connect at once: who is called is there again."""
        self._pause.go_on()

    def wake(self) -> None:
        """Hang up, since what the venue sent during a stop of this process is old, and connect again."""
        if self._connection_now is None or self._verdict.lost:
            return
        self._verdict = Turn(lost="this process was stopped, and what came meanwhile is old")
        self._old_at = self._took_at
        self._wakes_until = self._monotonic() + round(self._settings.stale_after_s * SECOND)
        self._connection_now.transport.abort()

    @property
    def wakes(self) -> bool:
        return self._old_at is not None and self._monotonic() < self._wakes_until

    def _now(self) -> int:
        return (self.clock.now(self._old_at) or 0) if self.wakes and self._old_at is not None else super()._now()

    async def _run(self) -> None:
        self._emit([FeedChanged(FeedState.CONNECTING, self._now(), self.name)])
        while True:
            reason = await self._connection()
            if self._fault is not None:
                raise self._fault  # of whoever takes our events: it is no connection's, and no reconnect mends it
            self._gap = self._had_data
            self._change(FeedState.DOWN, self._pause.held or reason)
            delay = self._back_off.next()
            _log.bind(event="feed.reconnecting", delay_s=round(delay, 3), failures=self._back_off.failures).info(
                f"next try in {delay:.1f} s"
            )
            await self._pause.wait(delay)
            self._change(FeedState.CONNECTING)

    async def _connection(self) -> str:
        """Connect and read until the connection is lost; return why."""
        settings = self._settings
        try:
            async with connect(
                self.url,
                compression=None,
                max_size=settings.max_frame_bytes,
                open_timeout=settings.open_timeout_s,
                close_timeout=1,
                ping_interval=20,
                create_connection=FrameConnection,
                proxy=None if urlsplit(self.url).hostname in _HERE else True,
            ) as connection:
                assert isinstance(connection, FrameConnection)
                self.connects += 1
                _log.bind(event="feed.connected", url=self.name, connects=self.connects).info(
                    f"connected to {self.name}"
                )
                return await self._talk(connection)
        except (InvalidURI, ValueError):  # of a port or a host that is none, also UnicodeError
            raise FeedFailed(f"{self.name} is no WebSocket address: it begins with ws:// or wss://") from None
        except InvalidStatus as error:
            status = error.response.status_code
            if status in (401, 403, 404):
                raise FeedFailed(
                    f"{self.name} refused the connection with {status}: check the address and keys"
                ) from None
            return f"handshake refused with {status}"
        except ConnectionClosed as error:
            return f"connection closed ({error.rcvd.code if error.rcvd else 1006})"
        except (InvalidHandshake, EOFError) as error:
            return f"handshake failed: {error}"
        except TimeoutError:
            return "no answer to the handshake"
        except OSError as error:
            return f"no connection: {error.strerror or error}"

    async def _talk(self, connection: FrameConnection) -> str:
        """Talk the venue's dialect, taking messages as they come, until the connection is lost; return why."""
        self._connection_now = connection
        self._dialect = self._new_dialect()
        self._verdict = Turn()
        self._took_at = self._monotonic()
        watch = self._watch = StaleWatch(asyncio.get_running_loop(), self._settings.stale_after_s, connection)
        try:
            for message in self._dialect.opened().send:
                await connection.send(message)
            connection.listen(self._take)
            await connection.wait_closed()
        finally:
            watch.stop()
            self._connection_now = None
            self._fault = connection.fault
        if self._verdict.failed:
            raise FeedFailed(f"{self.name}: {self._verdict.failed}")
        if self._verdict.lost:
            return self._verdict.lost
        if watch.bitten:
            reason = f"no message for {self._settings.stale_after_s:g} s"
            self._change(FeedState.STALE, reason)
            return reason
        if connection.too_large:
            return f"a message was larger than feed.max_frame_bytes, which is {self._settings.max_frame_bytes:,}"
        return f"connection closed ({connection.close_code})"

    def _take(self, messages: list[bytes]) -> None:
        """Decode and admit messages that came together, and hand them on."""
        self._watch.heard = True
        monotonic = self._monotonic()
        if monotonic - self._took_at > SECOND and self.woke_at() * SECOND > self._took_at:
            self.wake()
        if self._verdict.lost:  # what still comes of a connection that is given up is of no use
            return
        self._took_at = monotonic
        turn = self._dialect.received(messages)
        if turn.hello is not None:
            self.clock.declare(turn.hello.ts, turn.hello.rate, monotonic)
        if turn.send:
            self._answering = asyncio.get_running_loop().create_task(self._answer(turn.send))
        if turn.lost or turn.failed:
            self._verdict = turn
            if self._connection_now is not None:
                self._connection_now.transport.abort()
        if turn.unread:
            self._refusals.unread(turn.unread)
        for said in turn.said:
            self._refusals.complaint(self.name, said)
        inputs = self._admit(turn.events, monotonic)
        if not inputs:
            return
        if self.state is not FeedState.LIVE and any(event.__class__ is not Refused for event in inputs):
            self._back_off.reset()
            self._had_data = True
            if self._gap:
                self._gap = False
                self._emit([Gap(self._now(), None, "reconnected")])
            self._change(FeedState.LIVE)
            if self._old_at is not None:
                # First the new quotes, and then the time: what ran out meanwhile is closed at those.
                self._emit(_quotes_of(inputs, self._now()))
                self._old_at = None
        self._emit(inputs)

    async def _answer(self, messages: Iterable[str]) -> None:
        with contextlib.suppress(ConnectionClosed):  # whoever waits for the connection's end hears of it
            for message in messages:
                if self._connection_now is not None:
                    await self._connection_now.send(message)


def _quotes_of(inputs: Iterable[object], ts: int) -> list[Quote]:
    """Return each symbol's first quote, dated back."""
    found: dict[str, Quote] = {}
    for event in inputs:
        if isinstance(event, Trade | Quote) and event.bid is not None and event.ask is not None:
            found.setdefault(event.symbol, Quote(event.symbol, ts, event.bid, event.ask))
    return list(found.values())


def _without_secrets(url: str) -> str:
    """Return an address as it may be shown and logged: without a user's name, password and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the address"  # it is none; what is secret in it cannot be told apart
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
