"""What a proxy forwards about its client, and which proxies are trusted with that."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Caller(NamedTuple):
    """Who asks, and how."""

    host: str  # the name by which it calls the dashboard, with a port if need be
    secure: bool  # whether by TLS
    address: str


class Proxies:
    """The addresses of trusted proxies, each alone or as a network such as 10.0.0.0/8. Raises ValueError.

    Headers that others forward are ignored: any client can send them.
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in trusted)

    def trusts(self, address: str) -> bool:
        """Whether a proxy at this address is trusted."""
        try:
            read = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(read in network for network in self._networks)

    def caller(self, address: str, secure: bool, headers: Mapping[str, str]) -> Caller:
        """Return who asks, for a connection from `address` that is `secure` itself, with the request's headers."""
        host = headers.get("Host", "")
        if not self.trusts(address):
            return Caller(host, secure, address)
        scheme = _last(headers.get("X-Forwarded-Proto", "")).lower()
        return Caller(
            _last(headers.get("X-Forwarded-Host", "")) or host,
            secure if scheme not in ("http", "https") else scheme == "https",
            self._first_untrusted(headers.get("X-Forwarded-For", "")) or address,
        )

    def _first_untrusted(self, forwarded: str) -> str:
        """Return the rightmost address that is no trusted proxy: what is left of it, that client may have made up."""
        steps = [step.strip() for step in forwarded.split(",") if step.strip()]
        return next((step for step in reversed(steps) if not self.trusts(step)), steps[0] if steps else "")


def _last(value: str) -> str:
    """Return what the nearest proxy added to a comma-separated list."""
    return value.rpartition(",")[2].strip()
