"""Partial exits: which part of a position is to be closed, and what it takes next, while the rest stays guarded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_DOWN, Decimal
from fractions import Fraction

import msgspec

from actors.actor import SymbolView
from actors.book import ALL_PARTS, Book, CountedOrder, TakenParts
from actors.execution.actions import Action, Cancel, Submit, closing_side, keep_stop
from actors.execution.exits import AT_ONCE
from actors.execution.known_orders import OrderName
from actors.execution.order_cache import Order
from actors.execution.policy import ExecutionPolicy
from actors.orders import OrderRole, SubmitOrder
from actors.portfolio.positions import EXACT, ZERO, Position
from pipeline.exits import ExitSignal

PART_TRIES = 3
"""A part that the venue refuses so often in a row is given up: the stop guards all of the position again."""

_SHARE, _MILLIONTH = Decimal(1), Decimal("0.000001")


def shares_of(held: Decimal, part: float) -> Decimal:
    """Return how many shares a part of what is held is: the nearest whole number (of two, the smaller), one at least.

    Of a position in fractions of a share it is millionths. It is never more than is held.

    >>> [str(shares_of(Decimal(held), part)) for held, part in (("10", 0.5), ("9", 1 / 3), ("3", 0.5), ("1", 0.5))]
    ['5', '3', '1', '1']
    """
    step = _SHARE if held == held.to_integral_value() else _MILLIONTH
    exact = EXACT.multiply(held, Decimal(repr(part)))
    return min(max(exact.quantize(step, ROUND_HALF_DOWN, EXACT), step), held)


class PartialExit(msgspec.Struct):
    """What exits have taken of one position, and what they are taking.

    `until` is a level, as `Position.exited` counts: so it does not matter what order filled what, or how often that is
    looked at.
    """

    taken: tuple[str, ...] = ()  # exits by name
    until: Decimal | None = None  # shares that are to be out of the position in all; None: no part is under way
    reason: str = ""
    tries: int = 0
    at_market: bool = False

    def open(self, position: Position) -> Decimal:
        """Return the shares that are still to be closed."""
        return max(self.until - position.exited, ZERO) if self.until is not None else ZERO

    def end(self) -> None:
        """Want nothing more; what was taken stays taken."""
        self.until = None


class PartialExits:
    """The parts of positions that are to be closed, by symbol, and the decisions that follow from them.

    Each exit takes its part of a position once. An intent to close all of it ends what is under way.
    """

    def __init__(self, policy: ExecutionPolicy) -> None:
        self.parts: dict[str, PartialExit] = {}
        self._policy = policy

    def to_book(self) -> dict[str, TakenParts]:
        """Return what is to be written down."""
        return {symbol: TakenParts(part.taken, part.until, part.reason) for symbol, part in self.parts.items()}

    def restore(self, book: Book, positions: Mapping[str, Position]) -> list[str]:
        """Go on with what an earlier session wrote down; return the symbols of which it wrote something."""
        self.parts = {
            symbol: PartialExit(told.taken, told.until, told.reason, at_market=told.reason in AT_ONCE)
            for symbol, told in (book.parts or {}).items()
            if symbol in positions
        }
        return list(self.parts)

    def note_found(self, order_id: str, positions: Mapping[str, Position]) -> None:
        """Have no exit take a part of a position any more if an order for one is found that the book does not know.

        Which exit it was for is not known: none is to take its part twice.
        """
        name = OrderName.of(order_id)
        position = positions.get(name.symbol) if name is not None and name.role is OrderRole.PART else None
        if name is not None and position is not None and position.decision == name.kept_decision:
            part = self.parts.setdefault(name.symbol, PartialExit())
            if ALL_PARTS not in part.taken:
                part.taken += (ALL_PARTS,)

    def note_known(self, counted: CountedOrder, positions: Mapping[str, Position]) -> None:
        """Know of an order that is over; of a position that no book has, it may have closed a part."""
        name = OrderName.of(counted.order)
        if counted.filled and name is not None and name.symbol not in self.parts:
            self.note_found(counted.order, positions)

    def under_way(self, symbol: str) -> bool:
        """Return whether a part is to be closed now."""
        part = self.parts.get(symbol)
        return part is not None and part.until is not None

    def request(self, position: Position, wish: ExitSignal) -> Decimal | None:
        """Note that an exit wants its part of what stays, and return how many shares that are.

        Zero if it has had it already; None if nothing would be left: then nothing is noted.
        """
        part, name = self.parts.get(position.symbol) or PartialExit(), wish.name or wish.reason
        if name in part.taken or ALL_PARTS in part.taken:
            return ZERO
        going = part.open(position)
        stays = position.quantity - going
        shares = shares_of(stays, wish.part) if stays > 0 else ZERO
        if shares >= stays:
            return None
        self.parts[position.symbol] = PartialExit(
            (*part.taken, name), position.exited + going + shares, wish.reason, at_market=wish.reason in AT_ONCE
        )
        return shares

    def scale(self, symbol: str, ratio: Fraction) -> None:
        """Have a part that is under way be of so many times as many shares: the stock was split."""
        if (part := self.parts.get(symbol)) is not None and part.until is not None:
            part.until = EXACT.divide(part.until * ratio.numerator, Decimal(ratio.denominator))

    def end(self, symbol: str) -> None:
        """End what is under way."""
        if (part := self.parts.get(symbol)) is not None:
            part.end()

    def forget(self, symbol: str) -> None:
        """Know of nothing: the position is closed."""
        self.parts.pop(symbol, None)

    def refused(self, symbol: str, times: int, *, rejected: bool) -> None:
        """Go at market after a refusal; after some in a row, give the part up."""
        if (part := self.parts.get(symbol)) is not None:
            part.at_market = part.at_market or rejected
            if times >= PART_TRIES:
                part.end()

    def to_close(
        self, position: Position, view: SymbolView, working: Sequence[Order], priceless: set[str]
    ) -> PartialExit | None:
        """Return what is to be done of a part; None where nothing is, and while it waits for a price (`priceless`)."""
        part = self.parts.get(position.symbol)
        if part is None:
            return None
        if not part.open(position):
            part.end()
        elif view.bid is None and not view.price > 0 and all(order.role is not OrderRole.PART for order in working):
            priceless.add(position.symbol)
            return None
        priceless.discard(position.symbol)
        return part if part.until is not None else None

    def close(
        self,
        position: Position,
        part: PartialExit,
        view: SymbolView,
        working: Sequence[Order],
        waits: Mapping[OrderRole, bool],
    ) -> list[Action]:
        """Return the next step: the stop is for what stays before an order for the part is sent.

        So both together never come to more than is held, and the rest is never without its stop for longer than one is
        replaced. `waits` says of which role the venue refused an order not long ago.
        """
        entries = [order for order in working if order.role is OrderRole.ENTRY]
        if entries or any(order.role.closes_now for order in working):
            return [Cancel(order) for order in entries]
        stops = [order for order in working if order.role is OrderRole.STOP]
        shares = part.open(position)
        kept = keep_stop(position, stops, self._policy, position.quantity - shares)
        if any(isinstance(action, Cancel) for action in kept):
            return kept
        actions: list[Action] = [] if waits[OrderRole.STOP] else kept
        if len(working) > len(stops) or waits[OrderRole.PART]:
            return actions
        side = closing_side(position.side)
        terms = self._policy.exit_terms(view, side, part.tries, at_market=part.at_market)
        part.tries += 1
        symbol, decision = position.symbol, position.decision
        return [*actions, Submit(SubmitOrder("", symbol, side, shares, decision, OrderRole.PART, part.reason), terms)]
