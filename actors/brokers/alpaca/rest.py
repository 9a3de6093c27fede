"""Alpaca's REST interface: one attempt at a request, and the truth about what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
)

from actors.brokers.alpaca.messages import Answer, NotSent, Unanswered
from actors.feeds.addresses import proxy_to

MOST_BYTES = 8 << 20
"""Of an answer; 500 orders come to less than one mebibyte."""

MOST_CONNECTIONS = 32

_BODY = {"Content-Type": "application/json"}


class Rest:
    """Sends requests, each once, and each for a bounded time. To be used and closed on one loop."""

    def __init__(self, url: str, key: str, secret: str, timeout_s: float) -> None:
        self._url = url.rstrip("/")
        self._headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
        self._timeout_s = timeout_s

    @cached_property
    def _session(self) -> ClientSession:  # which wants to be made on its loop
        return ClientSession(
            headers=self._headers,
            timeout=ClientTimeout(total=self._timeout_s),
            connector=TCPConnector(limit=MOST_CONNECTIONS),
            cookie_jar=DummyCookieJar(),
            trust_env=proxy_to(self._url) is not None,
        )

    async def close(self) -> None:
        await self._session.close()

    async def call(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Send a request and return the answer, of whatever status. Raises NotSent or Unanswered."""
        headers = None if body is None else _BODY
        try:
            async with self._session.request(
                method, self._url + path, params=query, data=body, headers=headers, allow_redirects=False
            ) as response:
                received = bytearray()
                async for chunk in response.content.iter_any():
                    received += chunk
                    if len(received) > MOST_BYTES:
                        raise ValueError(f"an answer of more than {MOST_BYTES} bytes")
                return Answer(response.status, bytes(received))
        except (ClientConnectorError, ConnectionTimeoutError) as error:
            raise NotSent(_said(error)) from None
        except TimeoutError:
            raise Unanswered(f"no answer within {self._timeout_s:g} s") from None
        except (ClientError, OSError, ValueError) as error:
            raise Unanswered(_said(error)) from None


def _said(error: Exception) -> str:
    """Return a failure in a few words; none of these holds a header."""
    strerror = getattr(error, "strerror", None)
    return f"{type(error).__name__}: {strerror}" if strerror else type(error).__name__
