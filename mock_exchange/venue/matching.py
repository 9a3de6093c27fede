"""The matching engine: clients' orders against what the market displays.

Deterministic and without I/O: events, requests and the time are handed in; ids are derived. The rules:

- An order is filled at the displayed price, never beyond its limit, by at most what is displayed there. What
  one order takes is gone for the next until the market's next quote; what other traders take at the quote is
  gone too. Clients do not trade with each other.
- Of several orders, the one that pays more (or asks less) comes first, then the earliest, of all accounts alike.
- Orders may be for parts of a share, or for an amount of money. A displayed share of which a part is taken is
  gone as a whole, so that orders for whole shares are filled in whole shares. Parts cannot be sold short.
- A stop is reached by a trade after it was placed, and is a market (or limit) order from then on. One that the
  latest trade has reached already is refused; a buy stop is given a limit (see `stops`).
- What is good until canceled is canceled by the venue after 90 days (see `aging`).
- A leg of a bracket or OTO order goes into the book when its entry is completely filled. If the entry ends partly
  filled, its legs end with it, or are placed for that part where `legs_for_parts` is on: what Alpaca does is not
  verified. Of two legs, what one fills the other has no more; if one is canceled, so is the other.
- A simple order that could meet another one of its account, whatever the market does, is refused: one side is
  without a limit, or the limits reach each other. Complex orders and trailing stops are exempt.
- An order that closes a position needs the shares, not held for another order; it cannot turn the position
  over. Any other needs buying power: its limit, stop or quote times its shares, 3% more if it sells short.
- A replaced order is a new one, last in its queue, for what the old one had left, or the quantity given.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import chain

from msgspec.structs import asdict, replace

from mock_exchange.events import Event, Quote
from mock_exchange.venue import hours
from mock_exchange.venue.account import Account
from mock_exchange.venue.aging import Aging
from mock_exchange.venue.assets import Asset
from mock_exchange.venue.book import Book
from mock_exchange.venue.checks import flaw
from mock_exchange.venue.claims import Claim, claim_of, measured, wash_trade
from mock_exchange.venue.day import day_end
from mock_exchange.venue.fees import Fees
from mock_exchange.venue.ids import Ids
from mock_exchange.venue.money import SHARE, points, share_of
from mock_exchange.venue.order_factory import OrderFactory
from mock_exchange.venue.orders import (
    OPEN,
    SIDES,
    Change,
    Kind,
    Order,
    OrderClass,
    OrderRequest,
    Reason,
    Refusal,
    Replacement,
    Side,
    Status,
    TimeInForce,
)
from mock_exchange.venue.registry import MOST_SHOWN, Registry
from mock_exchange.venue.stops import as_asked, capped

MOST_OPEN = 5_000
"""Open orders of one account."""


class Matching:
    """All books, orders and accounts of the venue."""

    def __init__(
        self,
        symbols: Iterable[str],
        accounts: Iterable[str],
        cash: int,
        ids: Ids,
        start_ns: int,
        *,
        trading_hours: bool = False,
        paper: bool = False,
    ) -> None:
        self.accounts = {name: Account(name, cash) for name in accounts}
        self.fees = Fees(self.accounts, Ids(ids.of("fees")), start_ns, paper=paper)
        self.orders = Registry(self.accounts, ids)
        self.prices: dict[str, int] = {}  # where each stock was traded last, points
        self.assets = dict.fromkeys(symbols, Asset())
        self.most_displayed: int | None = None  # shares that a quote shows to orders at most; None is as it comes
        self.worse_bps = 0.0  # basis points by which an execution is worse than what is displayed
        self.order_delay_ns = 0  # between an order's acceptance and the moment at which it can be filled
        self.legs_for_parts = False  # whether legs guard what an entry has bought that ends partly filled
        self._books = {symbol: Book() for symbol in self.assets}
        self._new_orders = OrderFactory(ids)
        self._on_the_way: list[tuple[int, str]] = []  # orders that are accepted, and due in the book at a time
        self._aging = Aging(self.orders, self.accounts, start_ns)
        # The end of the venue's day, when day orders expire: a close of New York, or else 16:00 there on each date.
        self._end_of_day = hours.close_after if trading_hours else day_end
        self._trading_hours = trading_hours
        self.day_end = self._end_of_day(start_ns)

    # -- the market --------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Apply an event of the market: display a quote or record a trade, and fill the orders that it reaches."""
        self.roll(event.ts)
        while self._on_the_way and self._on_the_way[0][0] <= event.ts:
            self._arrive(*heappop(self._on_the_way))
        book = self._books[event.symbol]
        if isinstance(event, Quote):
            most = self.most_displayed
            bid_size, ask_size = event.bid_size or 0, event.ask_size or 0
            if most is not None:
                bid_size, ask_size = min(bid_size, most), min(ask_size, most)
            book.show(points(event.bid), points(event.ask), bid_size * SHARE, ask_size * SHARE)
        else:
            book.note_trade(points(event.price), event.size * SHARE)
            if not book.empty():
                self._reach_stops(book, event.ts)
        self.prices[event.symbol] = book.last
        if not book.empty():
            self._match(book, event.ts)

    def close_books(self) -> None:
        """Fill no order of any stock until its next quote; orders that come meanwhile wait for the open."""
        for book in self._books.values():
            book.close()

    def halt(self, symbol: str) -> None:
        """Fill no order of a stock until its next quote: nothing is displayed that could."""
        self._books[symbol].withdraw()

    def reprice(self, symbol: str, price: int) -> None:
        """Have a stock be worth something else at once, and display nothing until its next quote."""
        self.prices[symbol] = self._books[symbol].last = price
        self.halt(symbol)

    def roll(self, now: int) -> None:
        """End the day if it is over: day orders expire, and equity and margin are noted as the last ones.

        The fees' day ends by itself, at midnight.
        """
        self.fees.roll(now)
        if self._trading_hours:
            for account in self.accounts.values():
                account.overnight = hours.is_overnight(now)
        if now >= self._aging.due:
            for aged, due in self._aging.canceled(now):
                self._end(aged, Change.CANCELED, due)
        if now < self.day_end:
            return
        if self._trading_hours:
            self.close_books()
        for order in chain.from_iterable(map(self.orders.open_orders, self.accounts)):
            current = self.orders[order.id]
            if current.status in OPEN and current.time_in_force is TimeInForce.DAY:
                self._end(current, Change.EXPIRED, self.day_end)
        for account in self.accounts.values():
            account.last_equity = account.equity(self.prices)
            account.last_maintenance = account.maintenance(self.prices)
        self.day_end = self._end_of_day(now)

    def _reach_stops(self, book: Book, ts: int) -> None:
        for order_id in book.trailing():
            self._trail(book, self.orders[order_id], ts)
        while (reached := book.reached_stop()) is not None:
            self._trigger(book, self.orders[reached], ts)

    def _trail(self, book: Book, order: Order, ts: int) -> None:
        """Move a trailing stop after the latest trade, or trigger it."""
        assert order.best is not None
        best = max(order.best, book.last) if order.side is Side.SELL else min(order.best, book.last)
        stop = _trailing_stop(order, best)
        if best != order.best:
            self.orders.store(order, order := replace(order, best=best, stop=stop, updated_ns=ts))
        if book.last <= stop if order.side is Side.SELL else book.last >= stop:
            self._trigger(book, order, ts)

    def _trigger(self, book: Book, order: Order, ts: int) -> None:
        book.discard(order)
        self.orders.store(order, order := replace(order, triggered=True, updated_ns=ts))
        book.add(order)

    def _match(self, book: Book, ts: int) -> None:
        """Fill orders for as long as one can be filled: a fill may place legs, which may be filled in turn."""
        waiting = True
        while waiting:
            waiting = False
            for side in SIDES:
                while (order_id := book.marketable(side)) is not None:
                    self._execute(book, self.orders[order_id], ts)
                    waiting = True

    def _execute(self, book: Book, order: Order, ts: int) -> None:
        price = _worsened(book.price[order.side], order, self.worse_bps)
        left = order.left if order.notional is None else _left_at(price, order, order.notional)
        parts = min(left, book.shares[order.side])
        book.shares[order.side] -= parts + -parts % SHARE
        account = self.accounts[order.account]
        position_qty = account.execute(order.symbol, parts if order.side is Side.BUY else -parts, price)
        self.fees.note(order, parts, price, ts)
        change = Change.FILL if parts == left else Change.PARTIAL_FILL
        changes = {"filled": order.filled + parts, "paid": order.paid + parts * price}
        if order.notional is not None:
            changes["qty"] = order.filled + left
        execution = {"price": price, "qty": parts, "position_qty": position_qty}
        order = self.orders.change(order, change, ts, changes, execution)
        if order.status is Status.FILLED:
            book.discard(order)
        self._carry_over(book, order, ts)

    def _carry_over(self, book: Book, order: Order, ts: int) -> None:
        """Apply an execution to the order's parent, legs and rivals."""
        if order.parent is None and order.order_class in (OrderClass.BRACKET, OrderClass.OTO):
            if order.status is Status.FILLED:
                self._place_legs(book, order, order.filled, ts)
            return
        for rival in self._rivals(order):
            if order.status is Status.FILLED:
                book.discard(rival)
                self.orders.change(rival, Change.CANCELED, ts)
            else:
                self.orders.store(rival, replace(rival, qty=rival.filled + order.left, updated_ns=ts))

    def _rivals(self, order: Order) -> list[Order]:
        """Return the open orders that close the same shares as this one."""
        root = self.orders[order.parent] if order.parent else order
        family = [*self.orders.legs(root), root] if root.order_class is OrderClass.OCO else list(self.orders.legs(root))
        return [member for member in family if member.id != order.id and member.status in OPEN]

    # -- clients -----------------------------------------------------------------------------------------------

    def submit(self, account: str, request: OrderRequest, now: int, *, reject: bool = False) -> Order | Refusal:
        """Take an order and fill what can be filled at once; return it as it was taken, or why it is not.

        `reject` takes it and rejects it afterwards, as a venue may.
        """
        self.roll(now)
        book = self._books.get(request.symbol)
        if book is None:
            return Refusal(Reason.BAD_VALUE, f'asset "{request.symbol[:MOST_SHOWN]}" not found')
        if not book.last:
            return Refusal(Reason.BAD_VALUE, f'asset "{request.symbol}" has no quote yet')
        refusal = (
            flaw(request, book.last)
            or self.orders.taken(account, request.client_order_id)
            or self.accounts[account].forbids(request)
            or self.assets[request.symbol].forbids(request, self.accounts[account])
            or wash_trade(request, account, self.orders)
        )
        if refusal:
            return refusal
        if self.orders.count_open(account) >= MOST_OPEN:
            return Refusal(Reason.TOO_MANY_ORDERS, f"more than {MOST_OPEN} open orders")
        request = measured(capped(request), book)
        claim = claim_of(request, self.accounts[account], book, self.prices)
        if isinstance(claim, Refusal):
            return claim
        taken = self._new_orders.order(account, request, now, claim)
        legs = self._new_orders.legs(taken, request)
        if legs:
            taken = replace(taken, legs=tuple(leg.id for leg in legs))
        for order in (taken, *legs):
            self.orders.store(None, order)
        self.orders.announce(taken, Change.ACCEPTED, now)
        self.orders.announce(taken, Change.PENDING_NEW, now)
        if reject:
            self.orders.change(taken, Change.REJECTED, now)
            for leg in legs:
                self.orders.change(leg, Change.CANCELED, now)
        else:
            self._place(book, taken, now)
        return self.orders[taken.id] if reject else taken

    def cancel(self, account: str, order_id: str, now: int) -> Order | Refusal:
        """Cancel an open order, and with it its legs, or the other leg."""
        order = self._find_open(account, order_id, now)
        if isinstance(order, Refusal):
            return order
        self._end(order, Change.CANCELED, now)
        return self.orders[order_id]

    def replace(self, account: str, order_id: str, wanted: Replacement, now: int) -> Order | Refusal:
        """Replace an open order by a changed one, which has an id of its own."""
        old = self._find_open(account, order_id, now)
        if isinstance(old, Refusal) and old.reason is not Reason.NOT_OPEN:
            return old
        if isinstance(old, Refusal) or old.status is Status.PENDING_CANCEL:
            return Refusal(Reason.NOT_OPEN, "unable to replace order in current state")
        if old.order_class is OrderClass.OTO:
            return Refusal(Reason.BAD_VALUE, "oto orders cannot be replaced")
        if old.notional is not None:
            return Refusal(Reason.BAD_VALUE, "notional orders cannot be replaced")
        if (old.legs or old.parent) and (wanted.qty is not None or (old.filled and old.legs)):
            return Refusal(Reason.BAD_VALUE, "the quantity of a complex order cannot be replaced, nor a filled entry")
        if wanted.qty is not None and (wanted.qty % SHARE or old.qty % SHARE):
            return Refusal(
                Reason.BAD_VALUE, "qty can only be replaced by whole shares, and of an order for whole shares"
            )
        book = self._books[old.symbol]
        request = _replacing(old, wanted)
        refusal = flaw(request, book.last) or self.orders.taken(account, wanted.client_order_id)
        if refusal is None and old.order_class is OrderClass.SIMPLE:
            refusal = wash_trade(request, account, self.orders)
        if refusal:
            return refusal
        request = measured(capped(request), book)
        claim: Claim | Refusal = Claim(old.reserve, holds=old.holds)
        if not old.parent:
            claim = claim_of(request, self.accounts[account], book, self.prices, released=old)
        if isinstance(claim, Refusal):
            return claim
        new = self._new_orders.order(account, request, now, claim)
        held = old.status is Status.HELD
        status = Status.HELD if held else new.status
        new = replace(
            new, order_class=old.order_class, legs=old.legs, parent=old.parent, replaces=old.id, status=status
        )
        book.discard(old)
        self.orders.change(old, Change.REPLACED, now, {"replaced_by": new.id})
        self._adopt(old, new)
        self.orders.store(None, new)
        if not held:
            self._place(book, new, now)
        return new

    def close(self, account: str, symbol: str, qty: int | None, now: int) -> Order | Refusal:
        """Sell a position at the market, or buy back an owed one; `qty` parts of it, or all."""
        held = self.accounts[account].qty(symbol)
        if not held:
            return Refusal(Reason.POSITION_NOT_FOUND, "position does not exist")
        side = Side.SELL if held > 0 else Side.BUY
        return self.submit(account, OrderRequest(symbol=symbol, side=side, qty=abs(held) if qty is None else qty), now)

    # -- how -----------------------------------------------------------------------------------------------------

    def _find_open(self, account: str, order_id: str, now: int) -> Order | Refusal:
        self.roll(now)
        order = self.orders.find(account, order_id)
        if isinstance(order, Order) and order.status not in OPEN:
            return Refusal(Reason.NOT_OPEN, f'order is already in "{order.status}" state')
        return order

    def _place(self, book: Book, order: Order, now: int) -> None:
        """Put an accepted order to work: at once, unless orders take their time to the book."""
        if order.kind is Kind.TRAILING_STOP:
            self.orders.store(order, order := replace(order, best=book.last, stop=_trailing_stop(order, book.last)))
        order = self.orders.change(order, Change.NEW, now)
        if self.order_delay_ns:
            heappush(self._on_the_way, (now + self.order_delay_ns, order.id))
        else:
            self._enter(book, order, now)

    def _arrive(self, due: int, order_id: str) -> None:
        """Put an order that was on its way into the book, unless it was canceled meanwhile."""
        order = self.orders[order_id]
        if order.status in OPEN:
            self._enter(self._books[order.symbol], order, due)

    def _enter(self, book: Book, order: Order, now: int) -> None:
        """Put an order into the book, fill what can be filled, and take out what may not wait."""
        fits = book.shares[order.side] >= order.qty
        book.add(order)
        if order.order_class is OrderClass.OCO and order.parent is None:
            self._place_legs(book, order, order.qty, now)
        if order.time_in_force is not TimeInForce.FOK or fits:
            self._match(book, now)
        order = self.orders[order.id]
        if order.status in OPEN and order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            self._end(order, Change.CANCELED, now)

    def _place_legs(self, book: Book, parent: Order, qty: int, ts: int) -> None:
        """Put the legs of an order into the book; the shares are set aside for one of them only."""
        holds = parent.order_class is not OrderClass.OCO
        for leg in self.orders.legs(parent):
            if leg.status is Status.HELD:
                book.add(self.orders.change(leg, Change.NEW, ts, {"qty": qty, "holds": holds}))
                holds = False

    def _end(self, order: Order, change: Change, ts: int) -> None:
        """Cancel or let expire an order with its relatives; a partly filled entry may leave its legs."""
        root = self.orders[order.parent] if order.parent else order
        book = self._books[order.symbol]
        is_entry = root is order and order.order_class is not OrderClass.OCO
        leaves_legs = self.legs_for_parts and is_entry and order.filled > 0
        for member in (root, *self.orders.legs(root)):
            if member.status in OPEN and not (leaves_legs and member.status is Status.HELD):
                book.discard(member)
                self.orders.change(member, change, ts)
        if leaves_legs and root.legs:
            self._place_legs(book, root, root.filled, ts)
            self._match(book, ts)

    def _adopt(self, old: Order, new: Order) -> None:
        """Hand the relatives of a replaced order to its successor."""
        for leg in self.orders.legs(old):
            self.orders.store(leg, replace(leg, parent=new.id))
        if old.parent is not None:
            parent = self.orders[old.parent]
            self.orders.store(
                parent, replace(parent, legs=tuple(new.id if leg == old.id else leg for leg in parent.legs))
            )


def _worsened(price: int, order: Order, bps: float) -> int:
    """Return what an order gets where fills are worse than what is displayed: never beyond its limit."""
    if not bps:
        return price
    by = round(price * bps / 10_000)
    if order.side is Side.BUY:
        return price + by if order.limit is None else min(price + by, order.limit)
    return max(1, price - by) if order.limit is None else max(price - by, order.limit)


def _left_at(price: int, order: Order, notional: int) -> int:
    """Return what an order for an amount of money has left at a price: never more of a position than it holds.

    A rest that buys not even one part buys that one, so that the order ends.
    """
    parts = max(1, (notional - order.paid) // price)
    return min(order.left, parts) if order.holds else parts


def _trailing_stop(order: Order, best: int) -> int:
    distance = order.trail if order.trail is not None else share_of(best, order.trail_bp or 0, 10_000)
    return best - distance if order.side is Side.SELL else best + distance


def _replacing(old: Order, wanted: Replacement) -> OrderRequest:
    """Return what a replacement asks for as a whole."""
    terms = old.terms | {"qty": old.left, "order_class": OrderClass.SIMPLE}
    if old.kind is Kind.TRAILING_STOP:
        terms["stop"] = None
    terms |= as_asked(old, wanted)
    changes = {name: value for name, value in asdict(wanted).items() if value is not None}
    return OrderRequest(**terms | changes)
