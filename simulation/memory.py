"""What a bot must remember over a kill, as its auditor sees it: read from the core, not from the book."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from actors.book import AccountDay, SymbolLock, TakenParts
from actors.engine.core import Core
from actors.messages import TradingState


class Memory(msgspec.Struct, frozen=True):
    """What a bot that is started again must know."""

    date: str
    equity: Decimal
    day_start_equity: Decimal
    by_hand: TradingState
    daily_halt: bool
    cooldown: tuple[tuple[str, int], ...]
    positions: tuple[tuple[str, str, Decimal, int], ...]  # symbol, side, shares, ns since when
    closing: tuple[tuple[str, str], ...]  # symbol, reason
    parts: tuple[tuple[str, TakenParts], ...]  # symbol, what was taken of it and what is under way
    working: tuple[str, ...]  # orders at the venue; those in the core end with it
    locks: tuple[tuple[str, SymbolLock], ...]  # by symbol
    account_day: AccountDay | None  # what the limits of the account go by

    @classmethod
    def of(cls, core: Core, *, simulated: bool) -> Memory:
        """Return what a core knows now."""
        risk = core.risk.snapshot()
        positions = core.positions.open.values()
        return cls(
            risk.date,
            core.positions.equity,
            core.risk.day_start_equity,
            risk.state,
            risk.daily_halt,
            tuple(sorted(risk.cooldown.items())),
            tuple(sorted((p.symbol, str(p.side), p.quantity, p.entry_ts) for p in positions)),
            tuple(sorted(core.executor.exits.closing.items())),
            tuple(sorted(core.executor.parts.to_book().items(), key=lambda of: of[0])),
            () if simulated else tuple(sorted(core.orders.working)),
            tuple(sorted(risk.locks.items(), key=lambda of: of[0])),
            risk.account_day,
        )

    def differences(self, other: Memory) -> str:
        """Say what is not as it is in the other."""
        return "; ".join(
            f"{name}: {getattr(self, name)} instead of {getattr(other, name)}"
            for name in self.__struct_fields__
            if getattr(self, name) != getattr(other, name)
        )


class CrashSnapshot(msgspec.Struct, frozen=True):
    """What a killed bot leaves to the audit of the next one."""

    memory: Memory
    had_book: bool
