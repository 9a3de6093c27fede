"""Who may talk to the dashboard: pure checks of what a browser sends, and the headers sent with every answer.

The server listens on loopback, but every page in the user's browser can reach loopback too. The Host check defeats a
foreign name that was made to point here (DNS rebinding), the origin check a foreign page that posts here, and the
Content-Security-Policy whatever text should find its way into the page.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def host_name(header: str) -> str | None:
    """Return the host of a Host header without its port, lower case and unbracketed; None if it is malformed.

    >>> host_name("[::1]:8080"), host_name("LocalHost"), host_name("a:b:c")
    ('::1', 'localhost', None)
    """
    try:
        parts = urlsplit(f"//{header}")
        parts.port  # noqa: B018  # the property raises on a port that is none
    except ValueError:
        return None
    return parts.hostname if header and parts.netloc == header and "@" not in header else None


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    address = _address(host)
    return address.is_loopback if address is not None else host == "localhost"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


class Door:
    """Decides which requests come in.

    `listening_on` is the configured host, `allowed` holds further names. On a wildcard address any literal IP address
    is let in as well: the interfaces' addresses are the ways to call it, and a rebound name is never a literal.
    """

    def __init__(self, listening_on: str, allowed: Iterable[str] = ()) -> None:
        self._names = LOOPBACK_HOSTS | {listening_on.lower()} | {name.lower() for name in allowed}
        address = _address(listening_on)
        self._any_address = address is not None and address.is_unspecified

    def knows(self, host_header: str) -> bool:
        """Whether a Host header names this dashboard, with any port."""
        name = host_name(host_header)
        if name is None:
            return False
        return name in self._names or (self._any_address and _address(name) is not None)


def is_foreign(headers: Mapping[str, str], host_header: str) -> bool:
    """Whether a browser sent this request on behalf of another origin's page.

    Every current browser states an Origin with a POST and Sec-Fetch-Site with everything. A program such as curl states
    neither and is let through: an attacker who can run one here needs no foreign page.
    """
    if headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = headers.get("Origin")
    if origin is None:
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:
        return True
    return parts.scheme not in ("http", "https") or parts.netloc.lower() != host_header.lower()


def _own_and(hashes: Iterable[str]) -> str:
    return " ".join(["'self'", *(f"'{one}'" for one in hashes)])


def security_headers(styles: Iterable[str], scripts: Iterable[str]) -> dict[str, str]:
    """Return the headers of every answer; `styles` and `scripts` are the inline ones to allow, as "sha256-..."."""
    policy = {
        "default-src": "'none'",
        "script-src": _own_and(scripts),
        "style-src": _own_and(styles),
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
