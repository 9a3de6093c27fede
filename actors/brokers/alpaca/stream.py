"""Alpaca's trading stream: connects, authenticates, listens, and does it again for as long as it takes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import NamedTuple, NoReturn

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from actors.brokers.alpaca import words
from actors.brokers.alpaca.settings import REFUSED_KEYS, BrokerSettings
from actors.feeds.addresses import QUIET, ConnectThere, proxy_to, refused_status
from actors.feeds.backoff import BackOff, Quota
from actors.feeds.pause import Pause

MOST_BYTES = 1 << 20
"""Of a frame; a larger one closes the connection (1009)."""

CLOSE_S = 0.2
"""Real seconds for the closing handshake: nothing that is still to come is worth waiting for."""

_MUTE = "the trading stream did not answer"


class Listener(NamedTuple):
    """Whom the stream talks to, on its own loop."""

    listening: Callable[[], None]  # from now on, what happens is told
    update: Callable[[words.Update], None]
    unreadable: Callable[[], None]  # a frame was dropped: it may have told of a fill
    lost: Callable[[str], None]  # the connection, or the attempt to make one, and why


class Lost(Exception):
    """The connection is of no use any more, and why."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.refused = refused  # the keys: trying again soon would not help


class TradingStream:
    """One connection at a time, made again after growing, jittered delays.

    Only a connection that lasted `stale_s` resets them: one that is cut again and again has each time listened, too.
    There are never more than MOST_CONNECTS a minute, and no redirect is followed: the keys go where they were meant to.
    Refused keys are tried again slowly, since somebody may put them right at the venue. A socket that is open but mute
    is noticed by pings that nobody answers; one whose venue answers pings and tells nothing is for the owner to notice,
    who then calls `drop`.
    """

    def __init__(
        self,
        url: str,
        key: str,
        secret: str,
        settings: BrokerSettings,
        random: Random,
        counts: Counter[str],
        listener: Listener,
    ) -> None:
        self._url = url
        self._authentication = words.authentication(key, secret)
        self._settings = settings
        self._counts = counts
        self._listener = listener
        self._back_off = BackOff(settings.first_delay_s, settings.most_delay_s, random)
        self._pause = Pause(self._back_off)
        self._quota = Quota()
        self._connection: ClientConnection | None = None
        self._listening_since: float | None = None
        self._dropped = ""  # why the owner wants another connection

    def drop(self, reason: str) -> None:
        """Cut the connection, if there is one; the next one follows."""
        if self._connection is not None:
            self._dropped = reason
            self._connection.transport.abort()

    def hold(self, reason: str) -> None:
        """Hang up, and connect no more until `go_on`: who is called is away."""
        self._pause.hold(reason)
        self.drop(reason)

    def go_on(self) -> None:
        """Connect at once: who is called is there again."""
        self._pause.go_on()

    async def run(self) -> NoReturn:
        """Connect and listen, for ever."""
        time = asyncio.get_running_loop().time
        while True:
            self._quota.take(time())
            try:
                await self._connect()
            except Lost as lost:
                reason, refused = self._pause.held or self._dropped or lost.reason, lost.refused
            since, self._listening_since = self._listening_since, None
            if since is not None and time() - since >= self._settings.stale_s:
                self._back_off.reset()
            self._listener.lost(reason)
            await self._pause.wait(self._settings.refused_delay_s if refused else self._back_off.next())
            await asyncio.sleep(self._quota.left(time()))
            self._counts["reconnects"] += 1

    async def _connect(self) -> NoReturn:
        """Connect and listen until the connection is lost. Raises Lost."""
        self._dropped = ""
        connection = self._connection = await self._open()
        try:
            async with connection:
                await self._listen(connection)
        except ConnectionClosed as error:
            raise Lost(f"the trading stream was closed ({error.rcvd.code if error.rcvd else 1006})") from None
        finally:
            connection.transport.abort()  # a goodbye that was cut short leaves it open
            self._connection = None

    async def _open(self) -> ClientConnection:
        try:
            return await ConnectThere(
                self._url,
                compression=None,
                max_size=MOST_BYTES,
                open_timeout=self._settings.request_timeout_s,
                close_timeout=CLOSE_S,
                ping_interval=self._settings.stale_s / 2,
                ping_timeout=self._settings.stale_s / 2,
                logger=QUIET,
                proxy=proxy_to(self._url),
            )
        except (InvalidURI, ValueError):  # of a port or a host that is none, also UnicodeError
            raise Lost("the trading stream has no WebSocket address: it begins with ws:// or wss://") from None
        except InvalidStatus as error:
            status = error.response.status_code
            if words.is_about_keys(status, words.refusal(bytes(error.response.body or b""), status)):
                raise Lost(REFUSED_KEYS, refused=True) from None
            raise Lost(f"the trading stream refused the handshake with {refused_status(error)}") from None
        except (InvalidHandshake, EOFError):
            raise Lost("the trading stream failed in the handshake") from None
        except TimeoutError:
            raise Lost(_MUTE) from None
        except OSError as error:
            raise Lost(f"no connection to the trading stream: {error.strerror or type(error).__name__}") from None

    async def _listen(self, connection: ClientConnection) -> NoReturn:
        await connection.send(self._authentication)
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                while not await self._greeted(connection):
                    pass
        except TimeoutError:
            raise Lost(_MUTE) from None
        self._listening_since = asyncio.get_running_loop().time()
        self._listener.listening()
        while True:
            message = self._read(await connection.recv())
            if isinstance(message, words.Update):
                self._listener.update(message)
            elif isinstance(message, words.Authorization | words.Listening):
                self._answer(message)

    async def _greeted(self, connection: ClientConnection) -> bool:
        """Take one message of the handshake; return whether it was the last."""
        message = self._read(await connection.recv())
        if isinstance(message, words.Authorization | words.Listening) and self._answer(message):
            await connection.send(words.LISTEN)
        return isinstance(message, words.Listening)

    def _answer(self, message: words.Authorization | words.Listening) -> bool:
        """Take an answer of the venue's; return whether we may listen. Raises Lost if we may not."""
        if isinstance(message, words.Authorization):
            if message.status != "authorized":
                raise Lost(REFUSED_KEYS, refused=True)
            return True
        if words.UPDATES not in message.streams:
            raise Lost("the trading stream does not tell of orders")
        return False

    def _read(self, payload: str | bytes) -> words.Authorization | words.Listening | words.Update | None:
        with contextlib.suppress(words.Unreadable):
            return words.frame(payload)
        self._counts["unreadable"] += 1
        self._listener.unreadable()
        return None
