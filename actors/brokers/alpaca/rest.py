"""Alpaca's REST interface: one attempt at a request, and the truth about what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

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
    """Sends requests, each once, and each for a bounded time. To be made and closed on the loop that uses it.

    `counts` takes requests and failures; the keys go into the session's headers and nowhere else.
    """

    def __init__(self, url: str, key: str, secret: str, timeout_s: float, counts: Counter[str]) -> None:
        self._url = url.rstrip("/")
        self._counts = counts
        self._timeout_s = timeout_s
        self._session = ClientSession(
            headers={"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret},
            timeout=ClientTimeout(total=timeout_s),
            connector=TCPConnector(limit=MOST_CONNECTIONS),
            cookie_jar=DummyCookieJar(),
            trust_env=proxy_to(url) is not None,
        )

    async def close(self) -> None:
        await self._session.close()

    async def call(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Send a request and return the answer, of whatever status. Raises NotSent or Unanswered."""
        self._counts["requests"] += 1
        try:
            answer = await self._call(method, path, query, body)
        except (ClientConnectorError, ConnectionTimeoutError) as error:
            self._counts["failures"] += 1
            raise NotSent(_said(error)) from None
        except TimeoutError:
            self._counts["failures"] += 1
            raise Unanswered(f"no answer within {self._timeout_s:g} s") from None
        except (ClientError, OSError, ValueError) as error:
            self._counts["failures"] += 1
            raise Unanswered(_said(error)) from None
        if answer.status >= 500 or answer.status in (401, 429):
            self._counts["failures"] += 1
        return answer

    async def _call(self, method: str, path: str, query: Mapping[str, str] | None, body: bytes | None) -> Answer:
        headers = None if body is None else _BODY
        async with self._session.request(
            method, self._url + path, params=query, data=body, headers=headers, allow_redirects=False
        ) as response:
            received = bytearray()
            async for chunk in response.content.iter_any():
                received += chunk
                if len(received) > MOST_BYTES:
                    raise ValueError(f"an answer of more than {MOST_BYTES} bytes")
            return Answer(response.status, bytes(received))


def _said(error: Exception) -> str:
    """Return a failure in a few words; none of these holds a header."""
    strerror = getattr(error, "strerror", None)
    return f"{type(error).__name__}: {strerror}" if strerror else type(error).__name__
