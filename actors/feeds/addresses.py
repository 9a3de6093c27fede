"""Addresses: what of one may be shown, and how it is connected to."""

from __future__ import annotations

import logging
import re
from typing import Literal
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidProxy, InvalidStatus

# At DEBUG, websockets logs what it sends, and what opens a stream may hold a secret.
QUIET = logging.getLogger("microbot.websockets")
QUIET.setLevel(logging.INFO)

_HERE = ("127.0.0.1", "localhost", "::1")  # no proxy is on the way to ourselves
_LONGEST = 300  # characters of a reason
_SCHEME = re.compile("[a-zA-Z][a-zA-Z0-9+.-]*")
_TAIL = re.compile("[/?#]")  # begins what follows the host
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:@\[\]]+)(:\d+)?")


def shown(url: str) -> str:
    """Return an address as it may be shown, logged and kept: without a user's name, password, query and fragment.

    It need not be a sound one: what people mistype has the same secrets in it. One whose secrets cannot be told apart
    is not shown at all.

    >>> shown("wss://me:s3cret@venue.example/feed?token=s3cret"), shown("me:s3cret@venue.example")
    ('wss://venue.example/feed', 'venue.example')
    """
    scheme, colon, rest = url.partition("://")
    if not colon or _SCHEME.fullmatch(scheme) is None:
        scheme, colon, rest = "", "", url.lstrip("/")
    end = _TAIL.search(rest)
    authority, tail = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    host = authority.rpartition("@")[2]
    path = re.split("[?#]", tail, maxsplit=1)[0]
    if "@" in tail:
        # It belongs to the path, or ends a password in which the host seems to end.
        if not colon or "@" in authority or _HOST.fullmatch(host) is None:
            return "the address"
        path = path if "@" not in path else ""
    return f"{scheme}{colon}{host}{path}"


def proxy_to(url: str) -> Literal[True] | None:
    """Return what `proxy` of `connect` should be: the environment's, but for this machine."""
    return None if urlsplit(url).hostname in _HERE else True


def handshake_failure(error: Exception) -> str:
    """Say why a handshake failed; a proxy's address, which may hold a password, is left out."""
    if isinstance(error, InvalidProxy):
        return "the proxy in the environment has no sound address"
    return str(error)[:_LONGEST]  # it may quote what was answered


class ConnectThere(connect):
    """Connects to the address that it was given and to no other.

    The library follows redirects, and a server that answers in the venue's place could so have our keys sent to any
    host.
    """

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def refused_status(error: InvalidStatus) -> str:
    """Say how a handshake was refused, in a few words."""
    status = error.response.status_code
    if 300 <= status < 400:
        return f"{status}, a redirect to another address, which is not followed"
    return str(status)
