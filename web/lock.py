"""The dashboard's lock: a client that knows its secret may see and command the bot.

A program sends the secret itself, as `Authorization: Bearer SECRET`. A browser sends it once, in the body of a POST,
and gets a cookie: a keyed hash from which the secret cannot be found. It is never part of an address that is sent.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

AUTO = "auto"
"""The setting with which the bot makes a secret at random, and keeps it."""

LEAST_LENGTH = 16
"""Characters of a secret at least: the number of guesses is not limited."""

_WHAT_FOR = b"microbot dashboard session"


def is_secret(text: str) -> bool:
    """Whether a text will do as a secret: long enough, and in characters that a header can carry."""
    return len(text) >= LEAST_LENGTH and text.isascii() and text.isprintable() and " " not in text


class Lock:
    """Compares what is shown to it with the secret, in constant time; without a secret it is open to everyone."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self.session = hmac.new(secret.encode(), _WHAT_FOR, hashlib.sha256).hexdigest() if secret else ""

    def opens_for(self, secret: str) -> bool:
        """Whether this is the secret."""
        return not self._secret or _same(secret, self._secret)

    def admits(self, headers: Mapping[str, str], cookie: str) -> bool:
        """Whether a request proves that it knows the secret: by its Authorization header, or by its session cookie."""
        if not self._secret:
            return True
        scheme, _, shown = headers.get("Authorization", "").partition(" ")
        return (scheme.lower() == "bearer" and self.opens_for(shown.strip())) or _same(cookie, self.session)


def _same(shown: str, kept: str) -> bool:
    return hmac.compare_digest(shown.encode(errors="replace"), kept.encode())
