"""The audit of a person's hand: what it took is closed by nobody else, what it left stays guarded, and it is said."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from actors.engine.core import Core
from actors.messages import HaltCause
from actors.orders import AccountReport, Execution, OrderRole, OrderStatus, SubmitOrder
from pipeline.events import SECOND
from simulation.broken import Broken
from simulation.ledger import ZERO, Ledger
from simulation.venue import Venue

RESTS_S = 30.0
"""Seconds that an order may rest for more than the account has, once readings agreed that it has less."""

_UNTOLD = (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN)


class _Lack(NamedTuple):
    """Shares of a position that the account has no more, as readings of it agree."""

    shares: Decimal
    read_at: int  # the newest of these readings, ns
    agreed_at: int  # when they came to agree, ns
    asked: frozenset[str]  # orders without an answer at that time: what they did may be what is lacking


class HandAudit:
    """Follows one session's readings of the account, by books of the auditor's own. Raises Broken ("by hand")."""

    def __init__(self, core: Core, venue: Venue) -> None:
        self._core = core
        self._venue = venue
        self._lacks: dict[str, _Lack] = {}  # by symbol
        self._differed: dict[str, tuple[Decimal, int]] = {}  # by symbol: by how much at the last reading, heard when
        self._filled_at: dict[str, int] = {}  # by symbol: when the newest fill was counted, ns
        self._read_at = 0  # the last reading, ns

    # ------------------------------------------------------------------------------------------- what is known

    def note_reading(self, report: AccountReport, said: Ledger) -> None:
        """Know what the bot is about to be told of the account."""
        self._read_at, now = report.ts, max(self._core.now, report.ts)  # a core that starts is behind
        account = {held.symbol: held.quantity for held in report.positions}
        for symbol in self._venue.symbols:
            if self._filled_at.get(symbol, 0) >= report.ts:
                continue  # it was read before that fill
            differs = account.get(symbol, ZERO) - said.positions.get(symbol, ZERO)
            before, heard_at = self._differed.get(symbol, (ZERO, now))
            self._differed[symbol] = differs, now
            if not differs:
                self._lacks.pop(symbol, None)
            elif before == differs and now > max(heard_at, self._filled_at.get(symbol, 0)):
                self._agree(symbol, said, now)

    def note_opened(self, said: Ledger) -> None:
        """Know that the reading that was told last is the session's first one: it counts by itself."""
        for symbol, (differs, heard_at) in self._differed.items():
            if differs:
                self._agree(symbol, said, heard_at)

    def note_execution(self, execution: Execution) -> None:
        """Know of an execution: one that is told late, or undone, may be what was lacking."""
        symbol = execution.symbol
        self._filled_at[symbol] = max(self._core.now, execution.ts)
        lack = self._lacks.get(symbol)
        late = lack is not None and (execution.ts <= lack.read_at or execution.order in lack.asked)
        if late or execution.undone:
            self._lacks.pop(symbol, None)

    def _agree(self, symbol: str, said: Ledger, now: int) -> None:
        held = said.positions.get(symbol, ZERO)
        has = self._of(held, held + self._differed[symbol][0])
        before = self._lacks.get(symbol)
        asked = frozenset(order.id for order in self._core.orders.of(symbol) if order.status in _UNTOLD)
        shares = max(abs(held) - has, ZERO)
        same = before is not None and before.shares == shares
        self._lacks[symbol] = _Lack(
            shares,
            self._read_at,
            before.agreed_at if before is not None and same else now,
            before.asked if before is not None else asked,
        )

    @staticmethod
    def _of(held: Decimal, account: Decimal) -> Decimal:
        """Shares in the account that an order which closes `held` would close."""
        return max(account if held > 0 else -account, ZERO)

    # ------------------------------------------------------------------------------------------------- the rules

    def closable(self, symbol: str, said: Ledger) -> Decimal | None:
        """Return the shares of a position that may be closed, by the venue's truth or by what the bot was told.

        None where the bot need not know that any are lacking.
        """
        held, lack = said.positions.get(symbol, ZERO), self._lacks.get(symbol)
        if lack is None or not lack.shares:
            return None
        return max(abs(held) - lack.shares, self.in_account(symbol, said))

    def in_account(self, symbol: str, said: Ledger) -> Decimal:
        """Return the shares that the account really has of a position."""
        return self._of(said.positions.get(symbol, ZERO), self._venue.positions().get(symbol, ZERO))

    def check_order(self, order: SubmitOrder, said: Ledger) -> None:
        """Nothing that closes is sent for more than the account is known to have, since a hand was in its symbol."""
        most = self.closable(order.symbol, said) if order.symbol in self._venue.hand.last else None
        if most is not None and order.quantity > most:
            raise Broken(
                "by hand", f"the {order.role} {order.id} is for {order.quantity} shares, and the account has {most}"
            )

    def touched(self, symbol: str, said: Ledger) -> tuple[int, bool]:
        """Return when a hand last did something in a symbol, ns (0: never), and whether that left nothing to guard.

        What the venue undid may leave nothing, too: the book opens a position, and the account comes to none by it.
        An order that is there rests for no more than the account has.
        """
        last = self._venue.hand.last.get(symbol)
        if last is None:
            return 0, bool(self._venue.busts) and not self.in_account(symbol, said)
        most = self.closable(symbol, said)
        if most is not None and self._core.now > self._lacks[symbol].agreed_at + RESTS_S * SECOND:
            orders = [o for o in self._core.orders.of(symbol) if o.role is not OrderRole.ENTRY and not o.unwanted]
            if sum(order.open for order in orders) > most:
                raise Broken("by hand", f"{[o.id for o in orders]} rest for {RESTS_S:g} s, the account has {most}")
        return last, not self.in_account(symbol, said)

    def check_gate_order(self, order: SubmitOrder, now: int) -> None:
        """What the gate sends by itself, after readings of its own, is for no more than the account has."""
        last = self._venue.hand.last.get(order.symbol)
        if last is None or now < last + RESTS_S * SECOND:
            return
        account = self._venue.positions().get(order.symbol, ZERO)
        if order.quantity > max(-order.side.sign * account, ZERO):
            raise Broken(
                "by hand", f"the gate's {order.id} is for {order.quantity} shares, the account holds {account}"
            )


def is_said(core: Core, venue: Venue) -> bool:
    """Whether the bot is halted for all that a hand has changed in the account, with each symbol in its sentence."""
    changed, book = venue.hand.done.positions, core.book()
    return not changed or (
        book.halt_cause is HaltCause.MISMATCH  # a daily loss limit may stand before it
        and all(f"{symbol}: the account holds " in book.reason for symbol in changed)
    )


def check_said(core: Core, venue: Venue) -> None:
    """Check that the bot says what a hand has changed. Raises Broken."""
    if not is_said(core, venue):
        changed = venue.hand.done.positions
        raise Broken("by hand", f"a hand has changed {changed} in the account, and the bot says {core.book().reason!r}")


def is_closed(core: Core, venue: Venue) -> bool:
    """Whether neither side holds anything; after a hand has changed the account: whether it has none of the book's."""
    positions, held = core.positions.open, venue.positions()
    if not venue.hand.done.positions:
        return not positions and not held
    return all(p.side.sign * held.get(symbol, ZERO) <= 0 for symbol, p in positions.items())
