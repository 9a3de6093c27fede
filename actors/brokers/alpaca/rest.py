"""Alpaca's REST interface: one attempt at a request, and the truth about what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
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

from actors.brokers.alpaca.messages import Answer, NotSent, Outcome, Quota, Unanswered
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
    ) -> Outcome:
        """Send a request and return what became of it: an answer of whatever status, or why there is none."""
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
                return Answer(response.status, bytes(received), _quota(response.headers))
        except (ClientConnectorError, ConnectionTimeoutError) as error:
            return NotSent(_said(error))
        except TimeoutError:
            return Unanswered(f"no answer within {self._timeout_s:g} s")
        except (ClientError, OSError, ValueError) as error:
            return Unanswered(_said(error))


def _quota(headers: Mapping[str, str]) -> Quota | None:
    """Read the headers of the limit on requests, if they are there; the reset by the venue's own clock."""
    try:
        limit, remaining = int(headers["X-RateLimit-Limit"]), int(headers["X-RateLimit-Remaining"])
    except (KeyError, ValueError):
        return None
    try:
        now_s = parsedate_to_datetime(headers["Date"]).timestamp()
        reset_in_s = float(headers["X-RateLimit-Reset"]) - now_s
    except (KeyError, ValueError):
        return Quota(max(1, limit), remaining, None)
    return Quota(max(1, limit), remaining, min(max(0.0, reset_in_s), 60.0))


def _said(error: Exception) -> str:
    """Return a failure in a few words; none of these holds a header."""
    strerror = getattr(error, "strerror", None)
    return f"{type(error).__name__}: {strerror}" if strerror else type(error).__name__
