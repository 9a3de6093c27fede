"""Feeds: a market-data connection, or a tape being played, as an Observable of inputs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
from loguru import logger
from msgspec import Meta
from reactivex import abc
from reactivex.disposable import Disposable
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from actors.frames import FrameConnection
from actors.messages import FeedChanged, FeedState
from actors.refusals import Refusals
from pipeline.admission import Admission
from pipeline.events import SECOND, Clock, Gap, Quote, Refused, Trade
from pipeline.operators.lift import Callbacks, Direct, Scheduler
from pipeline.venue_clock import VenueClock
from pipeline.venues.dialect import Dialect, Turn
from pipeline.venues.simple import SimpleDialect

Batch = list[Any]
"""Inputs of the core, in order."""

_log = logger.bind(logger="microbot.feed")
_HERE = ("127.0.0.1", "localhost", "::1")  # no proxy is on the way to ourselves


class FeedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[feed]: how patient the bot is with a venue. All of it in real seconds."""

    stale_after_s: Annotated[float, Meta(gt=0)] = 15.0  # without a message: STALE, and a reconnect
    open_timeout_s: Annotated[float, Meta(gt=0)] = 10.0  # for the handshake
    first_delay_s: Annotated[float, Meta(gt=0)] = 0.2  # before the first reconnect; then it doubles
    most_delay_s: Annotated[float, Meta(gt=0)] = 30.0  # before any reconnect
    max_frame_bytes: Annotated[int, Meta(ge=1024)] = 1 << 20  # a larger frame closes the connection (1009)


class BackOff:
    """Growing, jittered delays: first x 2^n up to the most, times a random 0.5 to 1. `reset` starts over."""

    def __init__(self, first_s: float, most_s: float, random: Random) -> None:
        self._first = first_s
        self._most = most_s
        self._random = random
        self.failures = 0

    def next(self) -> float:
        """Return how long to wait, in seconds."""
        delay = min(self._most, self._first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return delay * (0.5 + self._random.random() / 2)

    def reset(self) -> None:
        self.failures = 0


class FeedFailed(Exception):
    """The feed cannot go on, and trying again would not help; the sentence says what to do."""


class _Feed(Direct[Batch]):
    """What the feeds share: subscribing starts a task on the running loop, disposing ends it."""

    def __init__(self, clock: VenueClock, admission: Admission, monotonic: Callable[[], int]) -> None:
        super().__init__()
        self.clock = clock
        self.state = FeedState.CONNECTING
        self._admission = admission
        self._refusals = Refusals()
        self._monotonic = monotonic
        self._emit: Callable[[Batch], None] = lambda _: None
        self._task: asyncio.Task[None] | None = None

    def attach(self, observer: Callbacks, scheduler: Scheduler) -> abc.DisposableBase:
        """Start the feed; it has one subscriber at a time."""
        if self._task is not None and not self._task.done():
            raise RuntimeError("a feed has one subscriber: it is one connection")
        self._emit = observer.on_next
        task = self._task = asyncio.get_running_loop().create_task(self._play(observer), name="feed")

        def dispose() -> None:
            self._emit = lambda _: None  # a connection says goodbye, and may still bring something until it is closed
            task.cancel()

        return Disposable(dispose)

    async def _play(self, observer: Callbacks) -> None:
        try:
            await self._run()
        except FeedFailed as error:
            self._change(FeedState.DOWN, str(error))
            observer.on_error(error)
        except Exception as error:  # the core's own failure comes back through emit: it is the subscriber's to judge
            observer.on_error(error)
        else:
            observer.on_completed()

    async def _run(self) -> None:
        raise NotImplementedError

    def _change(self, state: FeedState, reason: str = "") -> None:
        if state is not self.state or reason:
            self.state = state
            self._emit([FeedChanged(state, self._now(), reason)])

    def _now(self) -> int:
        return self.clock.now(self._monotonic()) or 0


class WebSocketFeed(_Feed):
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
        self.url = url
        self.name = _without_secrets(url)
        self.connects = 0  # connections made
        self._settings = settings
        wanted = tuple(symbols)
        self._new_dialect = dialect or (lambda: SimpleDialect(wanted))
        self._back_off = BackOff(settings.first_delay_s, settings.most_delay_s, random)
        self._had_data = False  # ever: what comes after a lost connection is a gap only then
        self._gap = False
        self._fault: Exception | None = None

    async def _run(self) -> None:
        self._emit([FeedChanged(FeedState.CONNECTING, self._now(), self.name)])
        while True:
            reason = await self._connection()
            if self._fault is not None:
                raise self._fault  # of whoever takes our events: it is no connection's, and no reconnect mends it
            self._gap = self._had_data
            self._change(FeedState.DOWN, reason)
            delay = self._back_off.next()
            _log.bind(event="feed.reconnecting", delay_s=round(delay, 3), failures=self._back_off.failures).info(
                f"next try in {delay:.1f} s"
            )
            await asyncio.sleep(delay)
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
        watch = self._watch = _StaleWatch(asyncio.get_running_loop(), self._settings.stale_after_s, connection)
        try:
            for message in self._dialect.opened().send:
                await connection.send(message)
            connection.listen(self._take)
            await connection.wait_closed()
        finally:
            watch.stop()
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
        turn = self._dialect.received(messages)
        monotonic = self._monotonic()
        if turn.hello is not None:
            self.clock.declare(turn.hello.ts, turn.hello.rate, monotonic)
        if turn.send:
            self._answering = asyncio.get_running_loop().create_task(self._answer(turn.send))
        if turn.lost or turn.failed:
            self._verdict = turn
            self._connection_now.transport.abort()
        if turn.said:
            for said in turn.said:
                self._refusals.complaint(self.name, said)
        if turn.unread:
            self._refusals.unread(turn.unread)
        inputs = self._admission.admit(turn.events, monotonic)
        if inputs != turn.events:  # the very same objects, nearly always: a comparison that costs next to nothing
            self._refusals.compare(turn.events, inputs)
        if not inputs:
            return
        if self.state is not FeedState.LIVE and any(event.__class__ is not Refused for event in inputs):
            self._back_off.reset()
            self._had_data = True
            if self._gap:
                self._gap = False
                self._emit([Gap(self._now(), None, "reconnected")])
            self._change(FeedState.LIVE)
        self._emit(inputs)

    async def _answer(self, messages: Iterable[str]) -> None:
        with contextlib.suppress(ConnectionClosed):  # whoever waits for the connection's end hears of it
            for message in messages:
                await self._connection_now.send(message)


def _without_secrets(url: str) -> str:
    """Return an address as it may be shown and logged: without a user's name, password and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the address"  # it is none; what is secret in it cannot be told apart
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


class _StaleWatch:
    """Drops a connection that was mute for a while; one timer, not one per message."""

    def __init__(self, loop: asyncio.AbstractEventLoop, after_s: float, connection: FrameConnection) -> None:
        self.heard = False
        self.bitten = False
        self._loop = loop
        self._after = after_s
        self._connection = connection
        self._timer = loop.call_later(after_s, self._look)

    def _look(self) -> None:
        if self.heard:
            self.heard = False
            self._timer = self._loop.call_later(self._after, self._look)
        else:
            self.bitten = True
            self._connection.transport.abort()

    def stop(self) -> None:
        self._timer.cancel()


class TapeFeed(_Feed):
    """A tape played at `rate` times its own speed; it completes at the tape's end."""

    def __init__(
        self,
        batches: Iterator[Batch],
        rate: float,
        clock: VenueClock,
        admission: Admission,
        monotonic: Callable[[], int],
    ) -> None:
        super().__init__(clock, admission, monotonic)
        self._batches = batches
        self._rate = rate

    async def _run(self) -> None:
        self._emit([FeedChanged(FeedState.CONNECTING, 0, "tape")])
        start: int | None = None
        due: Batch = []
        for batch in self._batches:
            for event in batch:
                ts = event.ts if isinstance(event, Trade | Quote | Clock) else 0
                if ts and start is None:
                    start = ts
                    self.clock.declare(ts, self._rate, self._monotonic())
                    self._change(FeedState.LIVE)
                if ts and ts > self._now():
                    self._flush(due)
                    due = []
                    await self._until(ts)
                if isinstance(event, Trade | Quote | Clock | Refused):
                    due.append(event)
            self._flush(due)
            due = []
            await asyncio.sleep(0)  # a tape behind its time must not keep commands and browsers waiting

    async def _until(self, ts: int) -> None:
        ahead = ts - self._now()
        if ahead > 0:
            await asyncio.sleep(ahead / self._rate / SECOND)

    def _flush(self, events: Batch) -> None:
        if events:
            inputs = self._admission.admit(events, self._monotonic())
            if inputs != events:
                self._refusals.compare(events, inputs)
            self._emit(inputs)
