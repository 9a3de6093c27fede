"""Who may do something here: pairs of a key and a secret, each with an account of its own."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping

KEY_HEADER = "APCA-API-KEY-ID"
SECRET_HEADER = "APCA-API-SECRET-KEY"


class Keys:
    """The pairs that are known, written KEY:SECRET. An account is called by its key."""

    def __init__(self, pairs: Iterable[str]) -> None:
        self._secrets = dict(pair.split(":", 1) for pair in pairs)

    @property
    def accounts(self) -> tuple[str, ...]:
        """The names of all accounts."""
        return tuple(self._secrets)

    def account(self, key: object, secret: object) -> str | None:
        """Return the account that a pair opens, or None."""
        if not isinstance(key, str) or not isinstance(secret, str):
            return None
        known = self._secrets.get(key)
        # The time of a comparison that stops at the first difference would tell how much of a secret is right.
        return key if known is not None and hmac.compare_digest(known.encode(), secret.encode()) else None

    def account_of(self, headers: Mapping[str, str]) -> str | None:
        """Return the account that a request's headers open, or None."""
        return self.account(headers.get(KEY_HEADER), headers.get(SECRET_HEADER))
