"""Alpaca's trading stream: one connection, from the handshake until it is lost, and the truth about its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import NoReturn

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from actors.brokers.alpaca import codec
from actors.brokers.alpaca.messages import StreamFrame, StreamListening, StreamLost
from actors.brokers.alpaca.settings import NO_UPDATES, REFUSED_KEYS, BrokerSettings
from actors.feeds.addresses import QUIET, ConnectThere, proxy_to, refused_status

MOST_BYTES = 1 << 20
"""Of a frame; a larger one closes the connection (1009)."""

CLOSE_S = 0.2
"""Real seconds for the closing handshake: nothing that is still to come is worth waiting for."""

_MUTE = "the trading stream did not answer"


Tell = Callable[[StreamListening | StreamFrame | StreamLost], None]
"""Takes what the stream tells, on its own loop: that it listens, what is not of the handshake, and how it ended."""


class _Lost(Exception):
    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.event = StreamLost(reason, refused)


class TradingStream:
    """Connects once for each `run`. No redirect is followed: the keys go where they were meant to.

    A socket that is open but mute is noticed by pings without pongs; a venue that answers pings and sends no updates is
    for the owner to notice.
    """

    def __init__(self, url: str, key: str, secret: str, settings: BrokerSettings) -> None:
        self._url = url
        self._authentication = codec.authentication(key, secret)
        self._settings = settings

    async def run(self, tell: Tell) -> None:
        """Connect and listen until the connection is lost, and tell why, unless it is cancelled."""
        try:
            connection = await self._open()
            try:
                async with connection:
                    await self._listen(connection, tell)
            finally:
                connection.transport.abort()  # a goodbye that was cut short leaves it open
        except ConnectionClosed as error:
            tell(StreamLost(f"the trading stream was closed ({error.rcvd.code if error.rcvd else 1006})"))
        except _Lost as lost:
            tell(lost.event)

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
            raise _Lost("the trading stream has no WebSocket address: it begins with ws:// or wss://") from None
        except InvalidStatus as error:
            status = error.response.status_code
            if codec.is_about_keys(status, codec.refusal(bytes(error.response.body or b""), status)):
                raise _Lost(REFUSED_KEYS, refused=True) from None
            raise _Lost(f"the trading stream refused the handshake with {refused_status(error)}") from None
        except (InvalidHandshake, EOFError):
            raise _Lost("the trading stream failed in the handshake") from None
        except TimeoutError:
            raise _Lost(_MUTE) from None
        except OSError as error:
            raise _Lost(f"no connection to the trading stream: {error.strerror or type(error).__name__}") from None

    async def _listen(self, connection: ClientConnection, tell: Tell) -> NoReturn:
        await connection.send(self._authentication)
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                while not await self._greeted(connection, tell):
                    pass
        except TimeoutError:
            raise _Lost(_MUTE) from None
        tell(StreamListening())
        while True:
            tell(StreamFrame(await connection.recv()))

    async def _greeted(self, connection: ClientConnection, tell: Tell) -> bool:
        """Take one message of the handshake; return whether it was the last. Raises _Lost if we may not listen."""
        payload = await connection.recv()
        message = None
        with contextlib.suppress(codec.Unreadable):  # which its hearer finds, too
            message = codec.frame(payload)
        if isinstance(message, codec.Authorization):
            if message.status != "authorized":
                raise _Lost(REFUSED_KEYS, refused=True)
            await connection.send(codec.LISTEN)
            return False
        if isinstance(message, codec.Listening):
            if codec.UPDATES not in message.streams:
                raise _Lost(NO_UPDATES)
            return True
        tell(StreamFrame(payload))
        return False
