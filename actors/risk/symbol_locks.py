"""Symbol locks: symbols whose entries a person does not want, for a while or until further notice."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from actors.actor import Context
from actors.book import SymbolLock
from actors.messages import SymbolCommand, SymbolLocked, SymbolUnlocked
from pipeline.events import SECOND


def until_words(until: int, now: int, zone: str) -> str:
    """Say until when a lock holds (ns; 0: until `unlock`), with the day where that is not the one of `now`.

    >>> until_words(1767628800_000_000_000, 1767623400_000_000_000, "America/New_York")
    'until 11:00 (America/New_York)'
    """
    if not until:
        return "until `unlock`"
    at = ZoneInfo(zone)
    then, here = (datetime.fromtimestamp(ts // SECOND, at) for ts in (until, now))
    day = "" if here.date() == then.date() else f"{then:%Y-%m-%d} "
    return f"until {day}{then:%H:%M} ({zone})"


class _LockEnds(msgspec.Struct, frozen=True):
    """The time of a symbol's lock is over."""

    symbol: str


class SymbolLocks:
    """Keeps the locks; each is of one symbol, and a later command replaces it. Times are ns, of the core's clock."""

    def __init__(self, context: Context, timezone: str) -> None:
        self._context = context
        self._zone = timezone
        self._locks: dict[str, SymbolLock] = {}

    def lock_of(self, symbol: str) -> SymbolLock | None:
        """Return the lock of a symbol, None if there is none in force."""
        lock = self._locks.get(symbol)
        return None if lock is None or 0 < lock.until <= self._context.now else lock

    def said_of(self, symbol: str) -> str:
        """Say until when a symbol is locked and why; empty if it is not."""
        lock = self.lock_of(symbol)
        return "" if lock is None else f"{until_words(lock.until, self._context.now, self._zone)}: {lock.reason}"

    @property
    def words(self) -> dict[str, str]:
        """The same of all that are locked."""
        return {symbol: said for symbol in sorted(self._locks) if (said := self.said_of(symbol))}

    def obey(self, command: SymbolCommand) -> None:
        """Lock or unlock a symbol, as a person asks for."""
        symbol = command.symbol
        if command.name == "unlock":
            self._unlock(symbol, command.reason)
            return
        by = f" by {command.source}" if command.source else ""
        lock = self._locks[symbol] = SymbolLock(command.until, command.reason or f"{command.name}{by}")
        self._context.publish(SymbolLocked(symbol, lock.until, lock.reason, self._context.now, self._context.input))
        self._wake_at_end(symbol, lock)

    def receive(self, ends: _LockEnds) -> None:
        """Lift a lock whose time is over; a later command may have changed that."""
        lock = self._locks.get(ends.symbol)
        if lock is not None and 0 < lock.until <= self._context.now:
            self._unlock(ends.symbol, "its time is over")

    def _unlock(self, symbol: str, reason: str) -> None:
        if self._locks.pop(symbol, None) is not None:
            self._context.publish(SymbolUnlocked(symbol, reason, self._context.now, self._context.input))

    def _wake_at_end(self, symbol: str, lock: SymbolLock) -> None:
        if lock.until:
            self._context.wake(self, _LockEnds(symbol), lock.until)

    def to_book(self) -> dict[str, SymbolLock]:
        """Return the locks, by symbol, to be written down."""
        return dict(self._locks)

    def restore(self, locks: Mapping[str, SymbolLock]) -> None:
        """Go on with the locks of an earlier session."""
        self._locks = dict(locks)
        for symbol, lock in locks.items():
            self._wake_at_end(symbol, lock)
