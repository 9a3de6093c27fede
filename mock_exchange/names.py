"""Who may call the exchange: by its own names only, and no page of another origin.

Every page in a browser of this machine can reach loopback. One whose name was made to point here (DNS rebinding) says
so in its Host header, one of another site in its Origin: neither may place orders, turn on faults, or take up
connections.
Programs send the name that they were given, and no origin.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Refusal(NamedTuple):
    """Why a caller is not served: a status of HTTP, and a sentence."""

    status: int
    sentence: str


class Names:
    """The names of an exchange that listens on a host; `allowed` are further ones.

    On a wildcard address every literal address is one as well: a rebound name is never a literal.
    """

    def __init__(self, listening_on: str, allowed: Iterable[str] = ()) -> None:
        self._names = LOOPBACK | {listening_on.lower()} | {name.lower() for name in allowed}
        address = _address(listening_on)
        self._any_address = address is not None and address.is_unspecified
        self._knows = lru_cache(maxsize=256)(self._look_up)

    def refusal(self, hosts: Sequence[str], origin: str | None, site: str | None) -> Refusal | None:
        """Say why a caller is refused, by all its Host headers, Origin and Sec-Fetch-Site; None if it is served."""
        if len(hosts) != 1 or not self._knows(hosts[0]):
            return Refusal(
                HTTPStatus.MISDIRECTED_REQUEST,
                "the exchange does not answer to that host name: call it by its address, or name it in allowed_hosts",
            )
        if site not in (None, "same-origin", "none") or (origin is not None and _netloc(origin) != hosts[0].lower()):
            return Refusal(HTTPStatus.FORBIDDEN, "a page of another origin may not talk to the exchange")
        return None

    def _look_up(self, host: str) -> bool:
        """Whether a Host header names the exchange, with any port."""
        try:
            parts = urlsplit(f"//{host}")
            name = parts.hostname
            parts.port  # noqa: B018  # the property raises on a port that is none
        except ValueError:
            return False
        if not name or parts.netloc != host or "@" in host:
            return False
        return name in self._names or (self._any_address and _address(name) is not None)


def _netloc(origin: str) -> str:
    """Return host and port of an origin of the web; empty for any other."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return parts.netloc.lower() if parts.scheme in ("http", "https", "ws", "wss") else ""


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
