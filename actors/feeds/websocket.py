"""A venue on a WebSocket: one connection at a time, back after every loss."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from random import Random
from typing import Annotated, Literal

import msgspec
from loguru import logger
from msgspec import Meta
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import CloseCode

from actors.feeds.addresses import QUIET, ConnectThere, handshake_failure, proxy_to, refused_status, shown
from actors.feeds.backoff import MOST_CONNECTS, BackOff, Quota
from actors.feeds.connection import BatchConnection
from actors.feeds.feed import Batch, Feed, FeedFailed
from actors.feeds.pause import Pause
from actors.feeds.quiet import Heard, QuietSymbols
from actors.feeds.stale import LOOKS, StaleWatch
from actors.messages import FeedState, MarketHours, SymbolStale
from pipeline.admission import Admission
from pipeline.events import SECOND, Gap, Refused, Trade, TradingStatus
from pipeline.venue_clock import VenueClock
from pipeline.venues.dialect import Dialect, Turn
from pipeline.venues.simple import SimpleDialect

_log = logger.bind(logger="microbot.feed")

_PING_S = 20.0
"""Real seconds between two pings of ours: whether they are answered, not whether there is news, judges the link."""

_PONG_S = 20.0
"""Real seconds that an answer to one may take."""

# Answers to a handshake that no waiting mends, as long as the venue has never let us in: keys, no access, no such page,
# and a redirect.
_FINAL = frozenset((301, 302, 303, 307, 308, 401, 403, 404))


class FeedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[feed]: how patient the bot is with a venue. All of it in real seconds."""

    stale_after_s: Annotated[float, Meta(gt=0)] = 15.0  # without a message: STALE, and entries are refused
    # Of one symbol, silent for so many times its longest silence of late: its own entries are refused; 0: never.
    symbol_stale_times: Annotated[float, Meta(ge=0)] = 3.0
    silent_after_s: Annotated[float, Meta(gt=0)] = 165.0  # without a message while the market is open: a reconnect
    data_feed: Literal["auto", "iex", "sip", "delayed_sip", "test"] = "iex"  # of Alpaca; auto: the best the plan has
    open_timeout_s: Annotated[float, Meta(gt=0)] = 10.0  # for the handshake
    first_delay_s: Annotated[float, Meta(gt=0)] = 0.2  # before the first reconnect; then it doubles
    most_delay_s: Annotated[float, Meta(gt=0)] = 30.0  # before any reconnect
    connects_per_minute: Annotated[int, Meta(ge=1)] = MOST_CONNECTS  # at most, whatever becomes of them
    max_frame_bytes: Annotated[int, Meta(ge=1024)] = 1 << 20  # a larger frame closes the connection (1009)


class _Connected:
    """What belongs to one connection, and ends with it."""

    def __init__(self, connection: BatchConnection, dialect: Dialect, watch: StaleWatch) -> None:
        self.connection = connection
        self.dialect = dialect
        self.watch = watch
        self.was_silent = False  # for so long that it was cut
        self.verdict = Turn()  # how the dialect ended it

    def hang_up(self) -> None:
        """Cut the connection: a goodbye would wait for a peer that may be mute."""
        self.connection.transport.abort()


class WebSocketFeed(Feed):
    """A venue on a WebSocket, in its dialect (by default the simple push of `pipeline.venues.simple`).

    It reconnects for ever, with growing delays that only a connection resets on which *data* came for `stale_after_s`,
    and not more than `connects_per_minute` times a minute; it subscribes again, and tells the core of every change of
    state and of the gap that a lost connection leaves. What ends it, as FeedFailed: a refusal that no waiting can mend,
    of the handshake (401, 403, 404, a redirect) or in the venue's dialect. Once the venue has granted what was asked
    for, or sent data, such a refusal passes as any other: it waits, and says for what.
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
        delay_s: float = 0,
    ) -> None:
        super().__init__(clock, admission, monotonic, delay_s)
        self.url = url
        self.name = shown(url)
        self.connects = 0  # connections made
        self._settings = settings
        wanted = tuple(symbols)
        self._new_dialect = dialect or (lambda: SimpleDialect(wanted))
        self._back_off = BackOff(settings.first_delay_s, settings.most_delay_s, random)
        self._pause = Pause(self._back_off)
        self._quota = Quota(settings.connects_per_minute)
        self._connected: _Connected | None = None
        self._answers: set[asyncio.Task[None]] = set()  # on their way to the venue
        self._had_data = False  # ever: what comes after a lost connection is a gap only then
        self._live_since: int | None = None  # ns, monotonic: when this connection brought its first data
        self._worked = False  # ever: what we want and who we are is right, and a refusal passes
        self._gap = False
        self._doubted_halts: set[str] = set()  # told before the connection was lost: they may have ended since
        self._fault: Exception | None = None
        self._hours: MarketHours | None = None  # None: data are always expected
        self._quiet = QuietSymbols(LOOKS, settings.symbol_stale_times) if settings.symbol_stale_times else None

    def hold(self, reason: str) -> None:
        """Hang up, and connect no more until `go_on`: who is called is away."""
        self._pause.hold(reason)
        if self._connected is not None:
            self._connected.hang_up()

    def go_on(self) -> None:
        """Connect at once: who is called is there again."""
        self._pause.go_on()

    def expect(self, hours: MarketHours) -> None:
        """Take silence for what it is while the market is closed. Without a word of hours, data are always expected."""
        self._hours = hours

    def _expects_data(self) -> bool:
        now = self._now()
        return self._hours is None or any(opens <= now < closes for opens, closes in self._hours.sessions)

    def _on_stale(self) -> None:
        if self.state is FeedState.LIVE:
            self._change(FeedState.STALE, f"no message for {self._settings.stale_after_s:g} s")

    def _on_look(self) -> None:
        """Look which symbols are silent for too long, while there is a feed that could speak of them."""
        if self._quiet is None:
            return
        if self.state is not FeedState.LIVE or not self._expects_data():
            self._quiet.start_over()
            return
        admission, every_s = self._admission, self._settings.stale_after_s / LOOKS
        heard = (Heard(name, admission.newest(name), halted) for name, halted in admission.heard)
        for name, looks, longest in self._quiet.look(heard):
            reason = f"nothing of it for {looks * every_s:.0f} s, where {longest * every_s:.0f} s were the most of late"
            self._emit([SymbolStale(name, stale=True, ts=self._now(), reason=reason)])

    def _on_silent(self) -> None:
        if (here := self._connected) is not None:
            here.was_silent = True
            here.hang_up()

    async def _run(self) -> None:
        self._emit([self._changed(FeedState.CONNECTING, self.name)])
        while True:
            self._quota.take(self._monotonic() / SECOND)
            reason = await self._connection()
            if self._fault is not None:
                raise self._fault  # of the code that takes our events, not of a connection: no reconnect mends it
            self._gap = self._had_data
            self._change(FeedState.DOWN, self._pause.held or reason)
            self._judge_life()
            delay = max(self._back_off.next(), self._quota.left(self._monotonic() / SECOND))
            _log.bind(
                event="feed.reconnecting", delay_s=round(delay, 3), failures=self._back_off.failures, reason=reason
            ).info(f"next try in {delay:.1f} s: {self._pause.held or reason}")
            await self._pause.wait(delay)
            # Also where a call has ended the wait.
            await asyncio.sleep(self._quota.left(self._monotonic() / SECOND))
            self._change(FeedState.CONNECTING)

    def _judge_life(self) -> None:
        """Reset the delays if the connection that was lost has lasted: one that is cut each time had data, too."""
        since, self._live_since = self._live_since, None
        if since is not None and self._monotonic() - since >= self._settings.stale_after_s * SECOND:
            self._back_off.reset()

    def _refused(self, sentence: str) -> str:
        """Return why there is no connection, if that may pass. Raises FeedFailed if it will not."""
        if not self._worked:
            raise FeedFailed(sentence) from None
        return f"{sentence}; it worked before: waiting until it does again"

    async def _connection(self) -> str:
        """Connect and read until the connection is lost; return why."""
        settings = self._settings
        try:
            async with ConnectThere(
                self.url,
                compression=None,
                max_size=settings.max_frame_bytes,
                open_timeout=settings.open_timeout_s,
                close_timeout=1,
                ping_interval=_PING_S,
                ping_timeout=_PONG_S,
                create_connection=BatchConnection,
                logger=QUIET,
                proxy=proxy_to(self.url),
            ) as connection:
                self.connects += 1
                _log.bind(event="feed.connected", url=self.name, connects=self.connects).info(
                    f"connected to {self.name}"
                )
                assert isinstance(connection, BatchConnection)  # as was asked for
                return await self._talk(connection)
        except (InvalidURI, ValueError):  # of a port or a host that is none, also UnicodeError
            raise FeedFailed(f"{self.name} is no WebSocket address: it begins with ws:// or wss://") from None
        except InvalidStatus as error:
            said = refused_status(error)
            if error.response.status_code in _FINAL:
                return self._refused(f"{self.name} refused the connection with {said}: check the address and keys")
            return f"handshake refused with {said}"
        except ConnectionClosed as error:
            return f"connection closed ({error.rcvd.code if error.rcvd else 1006})"
        except (InvalidHandshake, EOFError) as error:
            return f"handshake failed: {handshake_failure(error)}"
        except TimeoutError:
            return "no answer to the handshake"
        except OSError as error:
            return f"no connection: {error.strerror or error}"

    async def _talk(self, connection: BatchConnection) -> str:
        """Talk the venue's dialect, taking messages as they come, until the connection is lost; return why."""
        settings, loop = self._settings, asyncio.get_running_loop()
        limits = settings.stale_after_s, settings.silent_after_s
        watch = StaleWatch(loop, *limits, self._expects_data, self._on_stale, self._on_silent, self._on_look)
        here = self._connected = _Connected(connection, self._new_dialect(), watch)
        try:
            for message in here.dialect.opened().send:
                await connection.send(message)
            connection.take_batches(lambda messages: self._take_batch(here, messages))
            while True:  # it brings no messages: they come in batches
                await connection.recv()
        except ConnectionClosed as error:
            return self._why_lost(here, error)
        finally:
            here.watch.stop()
            self._connected = None

    def _why_lost(self, here: _Connected, error: ConnectionClosed) -> str:
        if here.verdict.failed:
            return self._refused(f"{self.name}: {here.verdict.failed}")
        if here.verdict.lost:
            return here.verdict.lost
        if here.was_silent:
            return f"no message for {self._settings.silent_after_s:g} s"
        if error.sent is not None and error.sent.code == CloseCode.INTERNAL_ERROR and not error.rcvd_then_sent:
            return f"no answer to a ping for {_PONG_S:g} s"
        if error.sent is not None and error.sent.code == CloseCode.MESSAGE_TOO_BIG and not error.rcvd_then_sent:
            return f"a message was larger than feed.max_frame_bytes, which is {self._settings.max_frame_bytes:,}"
        return f"connection closed ({here.connection.close_code})"

    def _take_batch(self, here: _Connected, messages: list[bytes]) -> None:
        if self._connected is not here or here.verdict.lost or here.verdict.failed or self._fault is not None:
            return
        try:
            self._take(here, messages)
        except Exception as fault:  # asyncio would only log it: it is the feed's to pass on
            self._fault = fault
            here.hang_up()

    def _take(self, here: _Connected, messages: list[bytes]) -> None:
        """Decode and admit messages that came together, and hand them on."""
        here.watch.heard = True
        turn = here.dialect.received(messages)
        monotonic = self._monotonic()
        if turn.hello is not None:
            self.clock.declare(turn.hello.ts, turn.hello.rate, monotonic)
        if turn.send:
            answer = asyncio.get_running_loop().create_task(self._answer(here.connection, turn.send))
            self._answers.add(answer)
            answer.add_done_callback(self._answers.discard)
        self._worked = self._worked or turn.granted
        if turn.lost or turn.failed:
            here.verdict = turn
            here.hang_up()
        if turn.unread:
            self._refusals.unread(turn.unread)
        for said in turn.said:
            self._refusals.complaint(self.name, said)
        inputs = self._admit(turn.events, monotonic)
        if not inputs:
            return
        if self.state is not FeedState.LIVE and any(event.__class__ is not Refused for event in inputs):
            self._had_data = self._worked = True
            if self._live_since is None:  # else it was only quiet
                self._live_since = monotonic
            if self._gap:
                self._gap = False
                self._emit([Gap(self._now(), None, "reconnected")])
                self._doubted_halts = set(self._admission.halted)
            self._change(FeedState.LIVE)
        if self._quiet is not None and self._quiet.stale:
            again = self._quiet.heard_again(self._admission.newest)
            inputs = [*(SymbolStale(name, stale=False, ts=self._now()) for name in again), *inputs]
        if self._doubted_halts:
            self._emit_resumptions(inputs)
        self._emit(inputs)

    def _emit_resumptions(self, inputs: Batch) -> None:
        """Report that trading goes on where a symbol is traded whose halt was told before the connection was lost.

        The venue tells of a resumption once: one that was missed would halt the symbol here for ever. While a symbol
        is halted, no trade comes that may set the last price.
        """
        for event in inputs:
            if isinstance(event, Trade) and event.symbol in self._doubted_halts & self._admission.halted:
                self._admission.halted.discard(event.symbol)
                self._emit([TradingStatus(event.ts, event.symbol, False, "it is traded again")])
        self._doubted_halts &= self._admission.halted

    async def _answer(self, connection: BatchConnection, messages: Iterable[str]) -> None:
        with contextlib.suppress(ConnectionClosed):  # the code that waits for the connection's end hears of it
            for message in messages:
                await connection.send(message)
