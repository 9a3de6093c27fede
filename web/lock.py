"""The dashboard's lock: a client that knows its secret may see and command the bot.

A program sends the secret itself, as `Authorization: Bearer SECRET`. A browser sends it once, in the body of a POST,
and gets a cookie: the time until which it is let in, signed with a key from which the secret cannot be found. It is
never part of an address that is sent.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Self

AUTO = "auto"
"""The setting with which the bot makes a secret at random, and keeps it."""

LEAST_LENGTH = 16
"""Characters of a secret at least."""

_WHAT_FOR = b"microbot dashboard session"
_SCHEME = "scrypt"
_COST, _BLOCKS, _LANES = 15, 8, 3  # 32 MB and a quarter of a second: see OWASP's list of parameters
_MOST_MEMORY = 256 << 20


def is_secret(text: str) -> bool:
    """Whether a text will do as a secret: long enough, and in characters that a header can carry."""
    return len(text) >= LEAST_LENGTH and text.isascii() and text.isprintable() and " " not in text


class Hash(NamedTuple):
    """A secret that cannot be found from it, written as `scrypt:COST:BLOCKS:LANES:SALT:KEY`."""

    cost: int  # the logarithm of scrypt's n
    blocks: int
    lanes: int
    salt: bytes
    key: bytes

    @classmethod
    def of(cls, secret: str, salt: bytes) -> Self:
        """Hash a secret with a salt of its own."""
        unkeyed = cls(_COST, _BLOCKS, _LANES, salt, b"\0" * 32)
        return unkeyed._replace(key=unkeyed.computed(secret))

    @classmethod
    def read(cls, text: str) -> Self:
        """Read one as it is written. Raises ValueError."""
        scheme, *parts = text.split(":")
        if scheme != _SCHEME or len(parts) != 5:
            raise ValueError("not a hash")
        cost, blocks, lanes = (int(part) for part in parts[:3])
        try:
            salt, key = (base64.b64decode(part, validate=True) for part in parts[3:])
        except binascii.Error:
            raise ValueError("not a hash") from None
        read = cls(cost, blocks, lanes, salt, key)
        if not (10 <= cost <= 20 and 1 <= lanes <= 16 and len(salt) >= 8 and len(key) >= 16 and 1 <= blocks <= 32):
            raise ValueError("not a hash that is strong enough and can be computed")
        if read.memory > _MOST_MEMORY:
            raise ValueError("a hash that takes too much memory")
        return read

    @property
    def memory(self) -> int:
        """Bytes that it takes to compute."""
        return 128 * self.blocks * ((1 << self.cost) + self.lanes + 2)

    def __str__(self) -> str:
        """Write it as it is read."""
        salt, key = (base64.b64encode(part).decode() for part in (self.salt, self.key))
        return f"{_SCHEME}:{self.cost}:{self.blocks}:{self.lanes}:{salt}:{key}"

    def computed(self, secret: str) -> bytes:
        """Compute the key of a secret; takes its time, by design."""
        return hashlib.scrypt(
            secret.encode(errors="replace"),
            salt=self.salt,
            n=1 << self.cost,
            r=self.blocks,
            p=self.lanes,
            maxmem=2 * self.memory,
            dklen=len(self.key),
        )


def is_hash(text: str) -> bool:
    """Whether a text stands for a secret instead of being one."""
    try:
        Hash.read(text)
    except ValueError:
        return False
    return True


def parted(kept: str) -> tuple[str, str]:
    """Part what is kept of secrets into one that is a secret, and one that is a hash; each may be missing."""
    lines = [line.strip() for line in kept.splitlines()]
    hashes = [line for line in lines if line.startswith(f"{_SCHEME}:")]
    return next((line for line in lines if line not in hashes), ""), next(iter(hashes), "")


class Lock:
    """Compares what is shown to it with the secret, in constant time; without a secret it is open to everyone.

    `secret` opens it, and so does the one that `hashed` was made of. Sessions end by themselves, at the times that they
    were made for, and all at once where a secret is changed.
    """

    def __init__(self, secret: str = "", hashed: str = "") -> None:
        self._secret = secret
        self._hash = Hash.read(hashed) if hashed else None
        self._key = hmac.digest(f"{secret}\n{hashed}".encode(), _WHAT_FOR, "sha256")
        self._proved = b""  # what was shown when it was right, under a key: hashed once, a program may show it often
        self._hasher = ThreadPoolExecutor(1, "scrypt")  # one at a time, also if a client leaves: each takes memory

    @property
    def is_open(self) -> bool:
        """Whether there is no secret."""
        return not self._secret and self._hash is None

    async def opens_for(self, shown: str) -> bool:
        """Whether this is the secret."""
        if self.is_open or (self._secret and _same(shown, self._secret)):
            return True
        if self._hash is None:
            return False
        told = self._signed(f"proved {shown}").encode()
        if hmac.compare_digest(told, self._proved):
            return True
        key = await asyncio.get_running_loop().run_in_executor(self._hasher, self._hash.computed, shown)
        if right := hmac.compare_digest(key, self._hash.key):
            self._proved = told
        return right

    def session(self, until: float) -> str:
        """Return the cookie of a browser that is let in until that time, in seconds since 1970."""
        ends = f"{int(until):x}"
        return f"{ends}.{self._signed(ends)}"

    def session_left(self, cookie: str, now: float) -> float:
        """Return for how many seconds a browser with this cookie is let in yet; 0 if it is not."""
        ends, _, signature = cookie.partition(".")
        if not _same(signature, self._signed(ends)):
            return 0.0
        return max(0.0, int(ends, 16) - now)  # it is signed, so it is a number of ours

    def _signed(self, text: str) -> str:
        return hmac.new(self._key, text.encode(errors="replace"), hashlib.sha256).hexdigest()


def _same(shown: str, kept: str) -> bool:
    return hmac.compare_digest(shown.encode(errors="replace"), kept.encode())
