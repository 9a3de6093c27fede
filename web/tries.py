"""How often a secret may be guessed: a few times at once, then slowly; from an address, and from all together."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

AT_ONCE = 10
"""Wrong secrets that may come at once from an address."""

EACH_S = 6.0
"""Seconds after which one more may come from it."""

AT_ONCE_OF_ALL = 100
"""Wrong secrets that may come at once from all addresses together."""

EACH_S_OF_ALL = 1.0

_ADDRESSES = 1_000  # remembered; the one that tried the longest time ago is forgotten


class Bucket:
    """So many tries, which come back one by one."""

    def __init__(self, most: int, each_s: float, now: float) -> None:
        self._most = most
        self._each_s = each_s
        self._left = float(most)
        self._seen = now

    def wait_s(self, now: float) -> float:
        """Return how long to wait for the next try; 0 if there is one."""
        self._left = min(self._most, self._left + (now - self._seen) / self._each_s)
        self._seen = now
        return 0.0 if self._left >= 1 else (1 - self._left) * self._each_s

    def move(self, tries: int) -> None:
        """Take tries out, or put them back."""
        self._left += tries


class Tries:
    """Counts tries; `clock` gives monotonic seconds. One that was right is given back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._all = Bucket(AT_ONCE_OF_ALL, EACH_S_OF_ALL, clock())
        self._by_address: OrderedDict[str, Bucket] = OrderedDict()

    def begin(self, address: str) -> float:
        """Take a try for an address; return 0, or how many seconds it has to wait for one."""
        now, bucket = self._clock(), self._bucket(address)
        wait_s = max(bucket.wait_s(now), self._all.wait_s(now))
        if not wait_s:
            bucket.move(-1)
            self._all.move(-1)
        return wait_s

    def give_back(self, address: str) -> None:
        """Return a try that was right."""
        self._bucket(address).move(1)
        self._all.move(1)

    def _bucket(self, address: str) -> Bucket:
        key = _network(address)
        bucket = self._by_address.pop(key, None) or Bucket(AT_ONCE, EACH_S, self._clock())
        self._by_address[key] = bucket
        if len(self._by_address) > _ADDRESSES:
            self._by_address.popitem(last=False)
        return bucket


def _network(address: str) -> str:
    """Return what counts as one address: a subscriber of IPv6 has as many as he likes, IPv4 written as IPv6 has not."""
    try:
        read = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if read.version == 4:
        return address
    return str(read.ipv4_mapped or ipaddress.ip_network((read, 64), strict=False))
