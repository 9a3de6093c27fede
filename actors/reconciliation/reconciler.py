"""Reconciler: adopts at the start what is ours, compares the account with the book, halts on what is not explained."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec

from actors.actor import Context, Port, assert_known
from actors.book import Book, CountedOrder
from actors.execution.known_orders import Knowledge, NamedOrder, OrderName, named_orders, submitted
from actors.execution.messages import (
    AccountLacks,
    AdoptOrder,
    FromReconciler,
    KnownOrder,
    MissedOrder,
    Reconciled,
    RecountOrders,
    StockSplit,
)
from actors.execution.order_cache import OrdersView
from actors.messages import AccountOpened
from actors.orders import AccountReport, LookUpOrder, OrderReport, OrderRole, OrderSide, OrderStatus
from actors.portfolio.positions import Adopt, Invested, PositionsView, SplitShares
from actors.reconciliation.splits import split_of
from actors.risk.risk import Mismatch
from actors.risk.venue_facts import ForeignOrders
from pipeline.events import SECOND, Side

ZERO = Decimal(0)
_ASKED = 3  # times as long may a difference last while one of our orders in the symbol is being asked for


class Suspect(NamedTuple):
    """A difference between the account and the book in one symbol that may yet be explained."""

    shares: Decimal  # that the account holds beyond the book and what is not ours
    seen_at: int  # when it was last seen, ns
    lasted: int  # for how long it has been seen, ns


def entry_of(symbol: str, quantity: Decimal, orders: Iterable[NamedOrder]) -> NamedOrder | None:
    """Return the newest entry in a symbol, if all orders of ours add up to `quantity`; else nothing explains it."""
    of_symbol = [(name, order) for name, order in orders if name.symbol == symbol]
    filled = sum((order.side.sign * order.filled for _, order in of_symbol), ZERO)
    entries = [(name, order) for name, order in of_symbol if name.role is OrderRole.ENTRY and order.filled]
    return max(entries, key=lambda entry: (entry[1].ts, entry[0])) if entries and filled == quantity else None


class Reconciler:
    """The actor that hears of the account.

    The first report adopts: a position is ours if the orders with our ids add up to it. Every report is compared
    with the book; a difference that lasts is a mismatch, and so is an order or a position that nothing
    explains, unless a person has accepted that it is there (`microbot reconcile`).
    """

    def __init__(
        self,
        context: Context,
        positions: PositionsView,
        orders: OrdersView,
        patience_s: float,
        ours: str,
        tell_executor: Port[FromReconciler],
        tell_risk: Port[AccountReport | AccountOpened | Mismatch | ForeignOrders],
        tell_positions: Port[AccountOpened | Adopt | Invested | SplitShares],
    ) -> None:
        self._context = context
        self._positions = positions
        self._orders = orders
        self._patience_s = patience_s  # venue seconds that a difference may last
        self._ours = ours  # what every book of ours begins with
        self._suspects: dict[str, Suspect] = {}  # by symbol
        self._lacking: set[str] = set()  # symbols of which the executor was told that the account lacks shares
        self._seen = False
        self._account = ""  # the number of the account that the book is of
        self._knowledge = Knowledge()  # of that book
        self._names_counted = True  # whether all that is counted is named, for a book that is written now
        self.foreign: Mapping[str, Decimal] = {}  # accepted as not ours: shares by symbol, signed
        self.foreign_orders: tuple[str, ...] = ()  # accepted as not ours: the venue's ids
        self._tell_executor = tell_executor
        self._tell_risk = tell_risk
        self._tell_positions = tell_positions

    def completed(self, book: Book) -> Book:
        """Return a book that is written now with what is known of the account in it.

        Before the account was seen, what the book before it has missed is not told yet, however new this one is.
        """
        return msgspec.structs.replace(
            book,
            foreign=dict(self.foreign),
            foreign_orders=self.foreign_orders,
            known_until=0 if self._seen else self._knowledge.until,
            gate_orders=() if self._names_counted else self._knowledge.heard,
            names_counted=self._names_counted,
        )

    def receive(self, message: AccountReport) -> None:
        if not isinstance(message, AccountReport):
            assert_known(self, message)
        if self._account and message.number != self._account:
            reason = f"the book is of the account {self._account}, the keys are of {message.number}"
            self._tell_risk(Mismatch((f"{reason} (--fresh begins a new book)",)))
            return
        opening = not self._seen
        if opening:
            if message.ts < self._knowledge.until and not message.history:
                return  # read for the session before this one: what happened until the book is not in it
            self._seen = True
            unclear = self._open(message)
        else:
            unclear = self._tell_splits(message)
        differences = self._quantities(message, unclear, opening=opening) + self._compare_orders(message.orders)
        self._tell_risk(message)
        if differences:
            self._tell_risk(Mismatch(tuple(differences)))

    def restore(self, book: Book) -> None:
        """Know whose account the book is of, of when it is, and what in the account is not ours."""
        self._account = book.account
        self._knowledge = Knowledge(book)
        self._names_counted = self._knowledge.names_all
        self.foreign = book.foreign
        self.foreign_orders = book.foreign_orders

    # --------------------------------------------------------------------------------------- the start

    def _open(self, report: AccountReport) -> set[str]:
        """Take over what is in the account at the start; return the symbols of which the book is about to change."""
        invested = sum((p.quantity * p.average for p in report.positions), ZERO)
        resumed = self._account == report.number
        equity = report.cash + invested
        if report.accrued_fees and self._positions.fees.model.alpaca:
            equity -= report.accrued_fees  # they are in the P/L of the trades, and in the cash still
        number = self._context.input
        opened = AccountOpened(report.number, report.cash, equity, report.ts, number, resumed, report.fills_until)
        self._context.publish(opened)
        self._tell_positions(opened)
        self._tell_positions(Invested(report.positions))
        self._tell_risk(opened)
        named = named_orders(report, self._ours)
        missed = self._tell_missed(named, report)
        adopted: set[str] = set()
        # What the book knows, it knows: what happened meanwhile is looked up, and a difference that lasts counts.
        in_book = {*missed, *self._positions.open, *(order.symbol for order in self._orders.working.values())}
        for held in report.positions:
            if held.symbol in in_book or self._positions.filled_at.get(held.symbol, 0) >= report.ts:
                continue  # a fill that was counted since the reading began is not in it
            quantity = held.quantity - self.foreign.get(held.symbol, ZERO)
            if quantity == 0:
                continue
            entry = entry_of(held.symbol, quantity, named)
            if entry is None:
                if not self._orders.has_had(held.symbol):  # else it may be closed since it was read
                    # No order can explain it any more.
                    self._suspects[held.symbol] = Suspect(quantity, self._context.now, _FOREVER)
                continue
            side = Side.LONG if quantity > 0 else Side.SHORT
            name, order = entry
            # Beside shares that are not ours the account's average is of both.
            price = held.average if quantity == held.quantity else order.average or held.average
            adopted.add(held.symbol)
            self._tell_positions(
                Adopt(held.symbol, side, abs(quantity), price, order.ts or report.ts, name.kept_decision)
            )
        self._tell_known(named, with_history=bool(report.history))
        for order in report.orders:
            self._adopt_order(order, adopted)
        # Before anything is sent for a position: an old stop would be sold at once.
        unclear = missed or self._tell_splits(report)
        self._tell_executor(Reconciled())
        return unclear

    def _tell_splits(self, report: AccountReport) -> set[str]:
        """Have positions be of the shares that the account has of them, where their stock was split: in symbols."""
        split = set()
        for held in report.positions:
            position = self._positions.open.get(held.symbol)
            heard_since = self._positions.filled_at.get(held.symbol, 0) >= report.ts
            if position is None or held.symbol in self.foreign or heard_since:
                continue
            if (ratio := split_of(position, held)) is not None:
                self._tell_positions(SplitShares(held.symbol, abs(held.quantity), ratio))
                self._tell_executor(StockSplit(held.symbol, ratio))
                split.add(held.symbol)
        return split

    def _tell_missed(self, named: list[NamedOrder], report: AccountReport) -> set[str]:
        """Tell the executor of orders that the book lacks, whole or in part; return the symbols of those with fills.

        While a journal cannot be written, exits and cancels go out all the same. What is counted so is not adopted as
        well.
        """
        symbols = set()
        booked = {symbol: p.side.sign * p.quantity for symbol, p in self._positions.open.items()}
        ours = {held.symbol: held.quantity - self.foreign.get(held.symbol, ZERO) for held in report.positions}
        undone = {order.order for _, order in self._knowledge.undone(named, booked, ours)}
        for name, order in sorted(named, key=lambda pair: pair[1].ts):
            missed = self._knowledge.misses(name, order) or order.order in undone
            if missed and self._orders.get(order.order) is None:
                counted = self._knowledge.counted(order.order)
                self._tell_executor(MissedOrder(submitted(name, order), order, counted))
                if order.filled or order.order in undone:
                    symbols.add(name.symbol)
        return symbols

    def _tell_known(self, named: Iterable[NamedOrder], *, with_history: bool) -> None:
        """Have the fills named that are counted without having been booked one by one: by an adoption, or long ago."""
        for name, order in named:
            if self._orders.get(order.order) is None and not self._knowledge.misses(name, order):
                counted = CountedOrder(order.order, order.filled, order.filled * (order.average or ZERO))
                self._tell_executor(KnownOrder(counted))
        self._names_counted = self._names_counted or with_history

    def _adopt_order(self, order: OrderReport, adopted: Container[str]) -> None:
        name = OrderName.of(order.order, self._ours)
        if name is None or self._orders.get(order.order) is not None:
            return
        keep = name.role is OrderRole.STOP and order.symbol in adopted  # whether it fits, who guards the position looks
        self._tell_executor(AdoptOrder(submitted(name, order), order, keep))

    # ------------------------------------------------------------------------------------ every report

    def _compare_orders(self, reports: Iterable[OrderReport]) -> list[str]:
        """Hand the executor what is said of its orders; return those that are not ours."""
        open_at_venue = set()
        strange = []
        accepted = set()
        for report in reports:
            open_at_venue.add(report.order)
            if self._orders.get(report.order) is not None:
                self._tell_executor(report)
            elif OrderName.of(report.order, self._ours) is not None:
                self._adopt_order(report, ())  # of an earlier run, and late: it is taken back
            elif report.venue_id in self.foreign_orders:
                accepted.add(report.symbol)
            else:
                strange.append(strange_order(report))
        if self.foreign_orders:
            self._tell_risk(ForeignOrders(frozenset(accepted)))
        for entry in self._orders.working.values():
            if entry.status in _AT_VENUE and entry.id not in open_at_venue:
                self._tell_executor(LookUpOrder(entry.id))  # it should be among them
        return strange

    def _quantities(self, report: AccountReport, unclear: Container[str], *, opening: bool) -> list[str]:
        """Compare the positions; a difference counts once it has stayed the same for a while.

        It may take longer to know of an order that is under way and not open at the venue: its answers can get lost.
        What two readings say to be lacking, or the first, is not to be closed meanwhile.
        """
        open_at_venue = {order.order for order in report.orders}
        asked = {o.symbol for o in self._orders.working.values() if o.id not in open_at_venue}
        account = {held.symbol: held.quantity for held in report.positions}
        book = {symbol: p.side.sign * p.quantity for symbol, p in self._positions.open.items()}
        differences = []
        suspects: dict[str, Suspect] = {}
        for symbol in sorted({*account, *book, *self.foreign}):
            ours, theirs = book.get(symbol, ZERO), account.get(symbol, ZERO)
            foreign = self.foreign.get(symbol, ZERO)
            if self._positions.filled_at.get(symbol, 0) >= report.ts:
                if (before := self._suspects.get(symbol)) is not None:
                    suspects[symbol] = before  # the account was read before that fill: it shows nothing new
                continue
            if ours + foreign == theirs:
                self._tell_lack(symbol, ZERO, report.ts)
                continue
            patience = round(self._patience_s * (_ASKED if symbol in asked else 1) * SECOND)
            suspect = suspects[symbol] = self._suspect(symbol, theirs - ours - foreign, patience // 2)
            if (opening or suspect.lasted) and symbol not in unclear:
                has = max((theirs - foreign) * (1 if ours > 0 else -1), ZERO)
                self._tell_lack(symbol, max(abs(ours) - has, ZERO), report.ts)
            if 0 < suspect.lasted < patience:
                self._tell_executor(RecountOrders(symbol))  # an execution may have been undone, and we not have heard
            if suspect.lasted >= patience:
                differences.append(difference(symbol, theirs, ours, foreign))
        self._suspects = suspects
        return differences

    def _tell_lack(self, symbol: str, shares: Decimal, ts: int) -> None:
        """Tell the executor how many shares of a position the account lacks, and when it lacks none any more."""
        if shares or symbol in self._lacking:
            self._tell_executor(AccountLacks(symbol, shares, ts))
        if shares:
            self._lacking.add(symbol)
        else:
            self._lacking.discard(symbol)

    def _suspect(self, symbol: str, shares: Decimal, most: int) -> Suspect:
        """Add to how long a difference has been seen; what passed since the last look counts up to `most` ns.

        Time leaps after a pause and after a restart, and nothing was heard meanwhile that could have explained it.
        It stays the same difference while we trade: what is in the account and in no book moves with both.
        """
        now, before = self._context.now, self._suspects.get(symbol)
        if before is None or before.shares != shares:
            return Suspect(shares, now, 0)
        since = max(before.seen_at, self._positions.filled_at.get(symbol, 0))
        return Suspect(shares, now, before.lasted + min(now - since, most))


def difference(symbol: str, account: Decimal, book: Decimal, foreign: Decimal) -> str:
    """Say in a few words how much of a symbol is where."""
    beside = f" beside {foreign:f} that are not ours" if foreign else ""
    return f"{symbol}: the account holds {account:f}, the book {book:f}{beside}"


def strange_order(report: OrderReport) -> str:
    """Say in a few words which open order is not ours."""
    side = "buy" if report.side is OrderSide.BUY else "sell"
    return f"an order to {side} {report.quantity:f} {report.symbol} is not ours ({report.venue_id})"


_FOREVER = 10**18
"""Longer than anything is waited for, ns: a difference that has lasted so long is one at once."""


_AT_VENUE = frozenset((OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCEL_PENDING))
