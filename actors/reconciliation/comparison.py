"""Comparison: the book beside the account, what explains each line, and what it takes to make them agree.

Pure: a book, an account and what the venue says of the book's orders give a comparison; a comparison that a person
accepts gives the next book. Quantities are shares, negative for a short position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from actors.book import Book, HeldPosition
from actors.execution.known_orders import Knowledge, OrderName, named_orders
from actors.messages import BookReconciled, ExitReason, Fact, HaltCause
from actors.orders import AccountReport, OrderReport, OrderSide
from actors.portfolio.metrics import Metrics
from actors.portfolio.positions import AVERAGES, closed_trade
from actors.reconciliation.reconciler import difference, entry_of, strange_order

ZERO = Decimal(0)
_NOT_ENTERED = ": until it is over, its symbol is not entered, since the venue refuses what crosses it"
RECONCILED = f"{HaltCause.RECONCILED}: `resume` trades again"


class Verdict(StrEnum):
    """What is to be said of one line."""

    AGREES = "agrees"
    EXPLAINED = "explained"  # the next start sorts it out by itself, from the bot's own orders
    NOT_IN_ACCOUNT = "not in the account"  # the book holds what the account does not
    NOT_IN_BOOK = "not in the book"  # the account holds what nothing of ours explains
    QUANTITY = "quantities differ"
    NOT_OURS = "not ours"  # an open order that the bot did not send

    @property
    def differs(self) -> bool:
        return self not in (Verdict.AGREES, Verdict.EXPLAINED)


class SymbolLine(msgspec.Struct, frozen=True):
    """One symbol on both sides, and what accepting the account would do to it."""

    symbol: str
    book: Decimal  # shares that the book holds
    meanwhile: Decimal  # shares that its orders have filled since: the next start books them
    foreign: Decimal  # shares that were accepted as not ours before
    account: Decimal
    verdict: Verdict
    explanation: str
    closes: Decimal = ZERO  # shares that accepting closes in the book
    price: Decimal | None = None  # at which; None: at the entry's price, since no better one is known
    foreign_after: Decimal = ZERO  # shares that are not ours from then on
    stuck: bool = False  # the book has to learn of its own fills first

    @property
    def in_words(self) -> str:
        return difference(self.symbol, self.account, self.book + self.meanwhile, self.foreign)


class OrderLine(msgspec.Struct, frozen=True):
    """One working order: of the book, of the account, or of both."""

    order: str  # our id; the venue's, if it is not ours
    symbol: str
    side: OrderSide
    quantity: Decimal
    verdict: Verdict
    explanation: str
    venue_id: str = ""


class Comparison(msgspec.Struct, frozen=True):
    """The book and the account, line by line."""

    account: str  # its number
    book_account: str  # the number of the account that the book is of; empty before it was seen
    ts: int  # venue time
    symbols: tuple[SymbolLine, ...]
    orders: tuple[OrderLine, ...]

    @property
    def same_account(self) -> bool:
        return self.book_account in ("", self.account)

    @property
    def differences(self) -> tuple[str, ...]:
        """What nothing explains, each in a few words."""
        of_symbols = (line.in_words for line in self.symbols if line.verdict.differs)
        of_orders = (line.explanation for line in self.orders if line.verdict.differs)
        return (*of_symbols, *of_orders)

    @property
    def stuck(self) -> tuple[str, ...]:
        """Symbols that cannot be accepted before the bot has booked its own fills."""
        return tuple(line.symbol for line in self.symbols if line.stuck)


def compare(book: Book, account: AccountReport, fates: Mapping[str, OrderReport], ours: str) -> Comparison:
    """Put the book beside the account.

    `fates` are what the venue says of the book's working orders, by id, without those that it does not know. `ours` is
    what every order id of this bot begins with.
    """
    named = named_orders(account, ours)
    strangers = [order for order in account.history if not order.order.startswith(ours)]
    booked = {position.symbol: position for position in book.positions}
    known = {entry.order.id for entry in book.orders}
    # As at a start: what the book has not counted of orders of ours is counted.
    knowledge = Knowledge(book)
    shares = {p.symbol: p.side.sign * (p.entered - p.exited) for p in book.positions}
    ours_held = {p.symbol: p.quantity - book.foreign.get(p.symbol, ZERO) for p in account.positions}
    undone = {order.order for _, order in knowledge.undone(named, shares, ours_held)}
    news = [
        order
        for name, order in named
        if order.order not in known and (knowledge.misses(name, order) or order.order in undone)
    ]
    newer = [(order, more) for order in news if (more := order.filled - knowledge.counted(order.order).filled)]
    working = {entry.order.symbol for entry in book.orders} | {order.symbol for order, _ in newer}
    held = {position.symbol: position.quantity for position in account.positions}
    lines = []
    for symbol in sorted({*booked, *held, *book.foreign, *working}):
        line = _line(book, symbol, booked.get(symbol), held.get(symbol, ZERO), _meanwhile(book, symbol, fates, newer))
        unknown = symbol not in booked and symbol not in working and line.verdict.differs
        if unknown and entry_of(symbol, line.account - line.foreign, named) is not None:  # as at a start
            why = "the bot's own orders add up to it: the next start takes it over"
            line = replace(line, verdict=Verdict.EXPLAINED, explanation=why, foreign_after=line.foreign)
        if line.closes:
            line = _priced(line, booked.get(symbol), strangers)
        if line.account or line.book or line.meanwhile or line.foreign:
            lines.append(line)
    return Comparison(account.number, book.account, account.ts, tuple(lines), _orders(book, account, fates, ours))


def accept(book: Book, comparison: Comparison) -> tuple[Book, tuple[Fact, ...]]:
    """Return the book as the account has it, and the facts that tell how it became so.

    What the account does not hold is closed in the book; what it holds beyond that is not ours, and is left alone from
    now on. Orders stay as they are: the next start asks what became of them, as it always does. A halt stays a halt.
    """
    cause, reason = book.halt_cause, book.reason
    if cause is HaltCause.MISMATCH:  # what it was halted for before that still holds
        by_hand = book.halted_before
        deep = by_hand.startswith(HaltCause.DRAWDOWN)
        before = HaltCause.DRAWDOWN if deep else HaltCause.COMMAND
        cause, reason = (before, by_hand) if by_hand else (HaltCause.RECONCILED, RECONCILED)
    metrics = Metrics(book.tally.equity)
    metrics.restore(book.tally)
    closes = {line.symbol: line for line in comparison.symbols if line.closes}
    positions = []
    facts: list[Fact] = []
    for position in book.positions:
        line = closes.get(position.symbol)
        left = position if line is None else _reduced(position, line)
        if line is not None and left.exited == left.entered:
            closed = closed_trade(left, metrics.equity, comparison.ts, ExitReason.RECONCILED, 0)
            metrics.fold(closed)
            facts.append(closed)
        else:
            positions.append(left)
    still_held = {position.symbol for position in positions}
    foreign = {line.symbol: line.foreign_after for line in comparison.symbols if line.foreign_after}
    orders = tuple(line.venue_id for line in comparison.orders if line.venue_id)
    facts.append(BookReconciled(comparison.account, comparison.differences, foreign, orders, comparison.ts))
    accepted = replace(
        book,
        tally=metrics.tally,
        reason=reason,
        positions=tuple(positions),
        account=comparison.account,
        parts={symbol: parts for symbol, parts in (book.parts or {}).items() if symbol in still_held} or UNSET,
        closing={symbol: why for symbol, why in book.closing.items() if symbol in still_held},
        foreign=foreign,
        foreign_orders=orders,
        halt_cause=cause,
        halted_before="",
    )
    return accepted, tuple(facts)


# ------------------------------------------------------------------------------------------------- positions


def _meanwhile(
    book: Book, symbol: str, fates: Mapping[str, OrderReport], newer: Iterable[tuple[OrderReport, Decimal]]
) -> Decimal:
    """Return the shares that our orders in a symbol filled since the book was written; `newer` says how many beside."""
    shares = sum((order.side.sign * more for order, more in newer if order.symbol == symbol), ZERO)
    for entry in book.orders:
        fate = fates.get(entry.order.id)
        if entry.order.symbol == symbol and fate is not None and fate.filled != entry.filled:
            shares += entry.order.side.sign * (fate.filled - entry.filled)
    return shares


def _line(book: Book, symbol: str, position: HeldPosition | None, held: Decimal, meanwhile: Decimal) -> SymbolLine:
    booked = position.side.sign * (position.entered - position.exited) if position is not None else ZERO
    foreign = book.foreign.get(symbol, ZERO)
    ours = booked + meanwhile
    if ours + foreign == held:
        verdict = Verdict.EXPLAINED if meanwhile else Verdict.AGREES
        why = f"the bot's orders filled {meanwhile:+f} since; the next start books it" if meanwhile else ""
        if foreign and not why:
            why = f"{foreign:f} of it are not ours, as accepted before"
        return SymbolLine(symbol, booked, meanwhile, foreign, held, verdict, why, foreign_after=foreign)
    # Ours is kept as far as the account can hold it; what is beyond that is not ours.
    kept = ours if abs(ours) <= abs(held) else held
    if ours * held < 0:
        kept = ZERO
    closes = abs(ours - kept)
    bookable = min(abs(booked), abs(ours)) if booked * ours > 0 else ZERO
    if kept == ours:
        verdict = Verdict.NOT_IN_BOOK if ours == 0 and held else Verdict.QUANTITY
    else:
        verdict = Verdict.NOT_IN_ACCOUNT if kept == 0 else Verdict.QUANTITY
    told, foreign_after = _told(ours, kept, held - kept), held - kept
    return SymbolLine(
        symbol, booked, meanwhile, foreign, held, verdict, told, closes, None, foreign_after, closes > bookable
    )


def _told(ours: Decimal, kept: Decimal, foreign: Decimal) -> str:
    told = []
    if ours != kept:
        told.append(f"{abs(ours - kept):f} of the book's are gone: accepting closes them in the book")
    if foreign:
        told.append(f"no order of the bot explains {foreign:f}: accepting leaves them alone, as not ours")
    return "; ".join(told) or "what was accepted as not ours is gone: accepting forgets it"


def _priced(line: SymbolLine, position: HeldPosition | None, strangers: list[OrderReport]) -> SymbolLine:
    """Look for the price at which what is gone went: other people's orders that add up to just that."""
    if line.stuck:
        why = "; first the bot has to book its own fills: start it once, then reconcile"
        return replace(line, explanation=line.explanation + why)
    assert position is not None  # of a symbol in which nothing is held, nothing can be closed
    out = [
        order
        for order in strangers
        if (order.symbol, order.side.sign, order.filled > 0) == (line.symbol, -position.side.sign, True)
        and order.ts >= position.entry_ts
    ]
    if sum((order.filled for order in out), ZERO) == line.closes and all(o.average is not None for o in out):
        value = sum((order.filled * (order.average or ZERO) for order in out), ZERO)
        price = AVERAGES.divide(value, line.closes)
        why = f" at {_money(price)}, the price of the order, not ours, that closed them"
        return replace(line, price=price, explanation=line.explanation + why)
    entry = AVERAGES.divide(position.entry_value, position.entered)
    why = f" at {_money(entry)}, what they cost, since the price at which they went is not known: P/L 0 before fees"
    return replace(line, explanation=line.explanation + why)


def _money(price: Decimal) -> str:
    places = max(4, 7 - price.adjusted())  # of a coin that costs next to nothing, too
    return f"${price:,.{places}f}".rstrip("0").rstrip(".")


def _reduced(position: HeldPosition, line: SymbolLine) -> HeldPosition:
    # The entry's value itself, where all of it goes at what it cost: an average may have no end.
    if line.price is None and line.closes == position.entered:
        value = position.entry_value
    else:
        value = line.closes * (line.price or AVERAGES.divide(position.entry_value, position.entered))
    return replace(position, exited=position.exited + line.closes, exit_value=position.exit_value + value)


# ---------------------------------------------------------------------------------------------------- orders


def _orders(book: Book, account: AccountReport, fates: Mapping[str, OrderReport], ours: str) -> tuple[OrderLine, ...]:
    lines = []
    known = {entry.order.id for entry in book.orders}
    for entry in book.orders:
        order, fate = entry.order, fates.get(entry.order.id)
        if fate is None:
            verdict, why = Verdict.EXPLAINED, "the venue does not know it: the next start gives it up"
        elif fate.filled != entry.filled or fate.status != entry.status:
            verdict, why = Verdict.EXPLAINED, f"{fate.status}, {fate.filled:f} filled: the next start books that"
        else:
            verdict, why = Verdict.AGREES, f"{order.role}, {entry.status}"
        lines.append(OrderLine(order.id, order.symbol, order.side, order.quantity, verdict, why))
    for report in account.orders:
        if report.order in known:
            continue
        venue_id = ""
        if OrderName.of(report.order, ours) is not None:
            verdict, why = (
                Verdict.EXPLAINED,
                "the bot's, of an earlier session: the next start keeps it or takes it back",
            )
        elif report.venue_id in book.foreign_orders:
            verdict, why, venue_id = Verdict.AGREES, f"not ours, as accepted before{_NOT_ENTERED}", report.venue_id
        else:
            verdict, why, venue_id = Verdict.NOT_OURS, strange_order(report), report.venue_id
        lines.append(OrderLine(report.order, report.symbol, report.side, report.quantity, verdict, why, venue_id))
    return tuple(lines)
