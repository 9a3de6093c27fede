"""Ids that look random and are not: the same venue gives the same ones again."""

from __future__ import annotations

import hashlib

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class Ids:
    """Makes UUIDs of a name: the venue's seed and start, say, so that two sessions never share one."""

    def __init__(self, name: str) -> None:
        self._hash = hashlib.blake2b(name.encode(), digest_size=16)
        self._count = 0

    def next(self) -> str:
        """Return one more id."""
        self._count += 1
        return self.of(f"#{self._count}")

    def of(self, what: str) -> str:
        """Return the id of something that has a name itself."""
        digest = self._hash.copy()
        digest.update(what.encode())
        hexes = digest.hexdigest()
        # As str(uuid.UUID(..., version=4)) would write it, in a tenth of the time.
        return f"{hexes[:8]}-{hexes[8:12]}-4{hexes[13:16]}-{_VARIANT[hexes[16]]}{hexes[17:20]}-{hexes[20:]}"
