"""The matching engine: clients' orders against what the market displays.

Deterministic and without I/O: events, requests and the time are handed in; ids are derived. The rules:

- An order is filled at the displayed price, never beyond its limit, by at most what is displayed there. What
  one order takes is gone for the next until the market's next quote; what other traders take at the quote is
  gone too. Clients do not trade with each other.
- Of several orders, who pays more (or asks less) comes first, then who came first, whoever's they are.
- Orders may be for parts of a share, or for an amount of money. A displayed share of which somebody takes a part is
  gone as a whole, so that orders for whole shares are filled in whole shares. Parts cannot be sold short.
- A stop is reached by a trade after it was placed, and is a market (or limit) order from then on.
- A leg of a bracket or OTO order goes into the book when its entry is filled; if the entry ends partly filled,
  for that part. Of two legs, what one fills the other has no more; if one is canceled, so is the other.
- A simple order that could meet another one of its account, whatever the market does, is refused: one side is
  without a limit, or the limits reach each other.
- An order that closes a position needs the shares, not held for another order; it cannot turn the position
  over. Any other needs buying power: its limit, stop or quote times its shares, 3% more if it sells short.
- A replaced order is a new one, last in its queue, for what the old one had left, or the quantity given.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from msgspec.structs import replace

from mock_exchange.events import Event, Quote
from mock_exchange.venue.account import MARGIN_EQUITY, Account
from mock_exchange.venue.book import Book
from mock_exchange.venue.checks import flaw
from mock_exchange.venue.day import day_end
from mock_exchange.venue.ids import Ids
from mock_exchange.venue.money import SHARE, money, points, quantity, share_of
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

MOST_OPEN = 5_000
"""Open orders of one account."""

SHORT_SALE_PERCENT = 103
"""Of the ask: what a share sold short counts for."""


class Matching:
    """All books, orders and accounts of the venue."""

    def __init__(self, symbols: Iterable[str], accounts: Iterable[str], cash: int, ids: Ids, start_ns: int) -> None:
        self.accounts = {name: Account(name, cash) for name in accounts}
        self.orders = Registry(self.accounts, ids)
        self.prices: dict[str, int] = {}  # where each stock was traded last, points
        self.most_displayed: int | None = None  # shares that a quote shows to orders at most; None is as it comes
        self._books = {symbol: Book() for symbol in symbols}
        self._ids = ids
        self._day_end = day_end(start_ns)
        self._number = 0

    # -- what can be asked -------------------------------------------------------------------------------------

    @property
    def day_end(self) -> int:
        """The end of the venue's day, when day orders expire."""
        return self._day_end

    # -- the market --------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Let the market move: display a quote or take note of a trade, and fill whom that reaches."""
        self.roll(event.ts)
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

    def halt(self, symbol: str) -> None:
        """Fill no order of a stock until its next quote: nothing is displayed that could."""
        self._books[symbol].withdraw()

    def roll(self, now: int) -> None:
        """End the day if it is over: day orders expire, and equity is noted for the next day's margin."""
        if now < self._day_end:
            return
        for order in chain.from_iterable(map(self.orders.open_orders, self.accounts)):
            current = self.orders[order.id]
            if current.status in OPEN and current.time_in_force is TimeInForce.DAY:
                self._end(current, Change.EXPIRED, self._day_end)
        for account in self.accounts.values():
            account.last_equity = account.equity(self.prices)
        self._day_end = day_end(now)

    def _reach_stops(self, book: Book, ts: int) -> None:
        for order_id in book.trailing():
            self._trail(book, self.orders[order_id], ts)
        while (reached := book.reached_stop()) is not None:
            self._trigger(book, self.orders[reached], ts)

    def _trail(self, book: Book, order: Order, ts: int) -> None:
        """Let a trailing stop follow the latest trade, or be reached by it."""
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
        price = book.price[order.side]
        left = order.left if order.notional is None else _left_at(price, order, order.notional)
        parts = min(left, book.shares[order.side])
        book.shares[order.side] -= parts + -parts % SHARE
        account = self.accounts[order.account]
        position_qty = account.execute(order.symbol, parts if order.side is Side.BUY else -parts, price)
        change = Change.FILL if parts == left else Change.PARTIAL_FILL
        changes = {"filled": order.filled + parts, "paid": order.paid + parts * price}
        if order.notional is not None:
            changes["qty"] = order.filled + left
        order = self.orders.change(order, change, ts, changes, (price, parts, position_qty))
        if order.status is Status.FILLED:
            book.discard(order)
        self._carry_over(book, order, ts)

    def _carry_over(self, book: Book, order: Order, ts: int) -> None:
        """Let an execution have its effect on the order's relatives."""
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
            or self._wash_trade(request, account)
        )
        if refusal:
            return refusal
        if self.orders.count_open(account) >= MOST_OPEN:
            return Refusal(Reason.TOO_MANY_ORDERS, f"more than {MOST_OPEN} open orders")
        request = _measured(request, book)
        claim = self._claim(request, account, book)
        if isinstance(claim, Refusal):
            return claim
        reserve, holds = claim
        taken = self._order(account, request, now, reserve=reserve, holds=holds)
        legs = self._legs(taken, request)
        if legs:
            taken = replace(taken, legs=tuple(leg.id for leg in legs))
        for order in (taken, *legs):
            self.orders.store(None, order)
        if reject:
            self.orders.change(taken, Change.REJECTED, now)
            for leg in legs:
                self.orders.change(leg, Change.CANCELED, now)
        else:
            self._place(book, taken, now)
        return self.orders[taken.id] if reject else taken

    def cancel(self, account: str, order_id: str, now: int) -> Order | Refusal:
        """Cancel an open order, and with it its legs, or the other leg."""
        self.roll(now)
        order = self.orders.find(account, order_id)
        if isinstance(order, Refusal):
            return order
        if order.status not in OPEN:
            return Refusal(Reason.NOT_OPEN, f'order is already in "{order.status}" state')
        self._end(order, Change.CANCELED, now)
        return self.orders[order_id]

    def replace(self, account: str, order_id: str, wanted: Replacement, now: int) -> Order | Refusal:
        """Replace an open order by a changed one, which has an id of its own."""
        self.roll(now)
        old = self.orders.find(account, order_id)
        if isinstance(old, Refusal):
            return old
        if old.status not in OPEN:
            return Refusal(Reason.NOT_OPEN, f'order is already in "{old.status}" state')
        if (old.legs or old.parent) and (wanted.qty is not None or (old.filled and old.legs)):
            return Refusal(Reason.BAD_VALUE, "the quantity of a complex order cannot be replaced, nor a filled entry")
        if wanted.qty is not None and (wanted.qty % SHARE or old.notional is not None or old.qty % SHARE):
            return Refusal(
                Reason.BAD_VALUE, "qty can only be replaced by whole shares, and of an order for whole shares"
            )
        book = self._books[old.symbol]
        request = _replacing(old, wanted)
        refusal = flaw(request, book.last) or self.orders.taken(account, wanted.client_order_id)
        if refusal is None and old.order_class is OrderClass.SIMPLE:
            refusal = self._wash_trade(request, account)
        if refusal:
            return refusal
        request = _measured(request, book)
        claim = (old.reserve, old.holds) if old.parent else self._claim(request, account, book, old)
        if isinstance(claim, Refusal):
            return claim
        new = self._order(account, request, now, reserve=claim[0], holds=claim[1])
        new = replace(new, order_class=old.order_class, legs=old.legs, parent=old.parent, replaces=old.id)
        book.discard(old)
        self.orders.change(old, Change.REPLACED, now, {"replaced_by": new.id})
        self._adopt(old, new)
        if old.status is Status.HELD:
            new = replace(new, status=Status.HELD)
            self.orders.store(None, new)
        else:
            self.orders.store(None, new)
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

    def _wash_trade(self, request: OrderRequest, account: str) -> Refusal | None:
        """Refuse an order that may be filled against one of its own account; complex orders see to that themselves."""
        if request.order_class is not OrderClass.SIMPLE:
            return None
        sign = 1 if request.side is Side.BUY else -1
        for other in self.orders.working(account, request.symbol, request.side.other):
            if request.limit is None or other.limit is None or sign * (request.limit - other.limit) >= 0:
                kind = "market/stop" if other.limit is None else "limit"
                return Refusal(
                    Reason.WASH_TRADE,
                    "potential wash trade detected. use complex orders",
                    {"existing_order_id": other.id, "reject_reason": f"opposite side {kind} order exists"},
                )
        return None

    def _claim(
        self, request: OrderRequest, name: str, book: Book, released: Order | None = None
    ) -> tuple[int, bool] | Refusal:
        """Find what an order needs: points of buying power a share, or parts of the position."""
        account, symbol = self.accounts[name], request.symbol
        position = account.qty(symbol)
        closing = position < 0 if request.side is Side.BUY else position > 0
        if closing or request.order_class is OrderClass.OCO:
            available = account.available(symbol) if closing else 0
            if released is not None and released.holds:
                available += released.left
            if request.qty <= available:
                return 0, True
            requested, there = quantity(request.qty), quantity(available)
            return Refusal(
                Reason.INSUFFICIENT_SHARES,
                f"insufficient qty available for order (requested: {requested}, available: {there})",
                {
                    "available": there,
                    "existing_qty": quantity(abs(position)),
                    "held_for_orders": quantity(account.held.get(symbol, 0)),
                    "symbol": symbol,
                },
            )
        if request.side is Side.SELL and request.fractional:
            return Refusal(Reason.NOT_FRACTIONABLE, "fractional orders cannot be sold short")
        if request.side is Side.SELL and account.equity(self.prices) < MARGIN_EQUITY:
            return Refusal(Reason.INSUFFICIENT_BUYING_POWER, "account is not allowed to short")
        price = _price_to_reserve(request, book.price[Side.BUY])
        power = account.buying_power(self.prices) + (released.reserve * released.left if released else 0)
        if price * request.qty > power:
            return Refusal(
                Reason.INSUFFICIENT_BUYING_POWER,
                "insufficient buying power",
                {"buying_power": money(power), "cost_basis": money(price * request.qty)},
            )
        return price, False

    def _order(self, account: str, request: OrderRequest, now: int, *, reserve: int, holds: bool) -> Order:
        self._number += 1
        order_id = self._ids.next()
        return Order(
            id=order_id,
            client_order_id=request.client_order_id or self._ids.of(f"client/{order_id}"),
            account=account,
            symbol=request.symbol,
            side=request.side,
            kind=request.kind,
            time_in_force=request.time_in_force,
            qty=request.qty,
            notional=request.notional,
            created_ns=now,
            updated_ns=now,
            number=self._number,
            order_class=request.order_class,
            limit=request.limit if request.order_class is not OrderClass.OCO else request.target,
            stop=request.stop,
            trail=request.trail,
            trail_bp=request.trail_bp,
            extended_hours=request.extended_hours,
            reserve=reserve,
            holds=holds,
        )

    def _legs(self, parent: Order, request: OrderRequest) -> list[Order]:
        if request.order_class is OrderClass.SIMPLE:
            return []
        side = parent.side if request.order_class is OrderClass.OCO else parent.side.other
        asked: list[tuple[Kind, int | None, int | None]] = []
        if request.target is not None and request.order_class is not OrderClass.OCO:
            asked.append((Kind.LIMIT, request.target, None))
        if request.stop_loss is not None:
            kind = Kind.STOP if request.stop_loss_limit is None else Kind.STOP_LIMIT
            asked.append((kind, request.stop_loss_limit, request.stop_loss))
        legs = []
        for kind, limit, stop in asked:
            leg = OrderRequest(
                symbol=parent.symbol,
                side=side,
                qty=parent.qty,
                kind=kind,
                time_in_force=parent.time_in_force,
                limit=limit,
                stop=stop,
            )
            order = self._order(parent.account, leg, parent.created_ns, reserve=0, holds=False)
            legs.append(replace(order, order_class=parent.order_class, parent=parent.id, status=Status.HELD))
        return legs

    def _place(self, book: Book, order: Order, now: int) -> None:
        """Put a taken order into the book, fill what can be filled, and take out what may not wait."""
        if order.kind is Kind.TRAILING_STOP:
            self.orders.store(order, order := replace(order, best=book.last, stop=_trailing_stop(order, book.last)))
        fits = book.shares[order.side] >= order.qty
        order = self.orders.change(order, Change.NEW, now)
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
        """Cancel or let expire an order with its relatives; an entry that was partly filled leaves its legs."""
        root = self.orders[order.parent] if order.parent else order
        book = self._books[order.symbol]
        leaves_legs = root is order and order.filled > 0 and order.order_class is not OrderClass.OCO
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


def _measured(request: OrderRequest, book: Book) -> OrderRequest:
    """Return a request for an amount of money with the quantity that this is at its limit, or as the market is now."""
    if request.notional is None:
        return request
    price = request.limit or book.price[request.side] or book.last
    return replace(request, qty=max(1, request.notional // price))


def _left_at(price: int, order: Order, notional: int) -> int:
    """Return what an order for an amount of money has left at a price: never more of a position than it holds.

    A rest that buys not even one part buys that one, so that the order ends.
    """
    parts = max(1, (notional - order.paid) // price)
    return min(order.left, parts) if order.holds else parts


def _price_to_reserve(request: OrderRequest, ask: int) -> int:
    """Return what a share counts for when an order is taken that opens a position."""
    if request.side is Side.SELL:
        return max(request.limit or 0, ask * SHORT_SALE_PERCENT // 100)
    return request.limit or max(request.stop or 0, ask)


def _trailing_stop(order: Order, best: int) -> int:
    distance = order.trail if order.trail is not None else share_of(best, order.trail_bp or 0, 10_000)
    return best - distance if order.side is Side.SELL else best + distance


def _wanted_qty(old: Order, wanted: Replacement) -> int:
    if old.notional is not None:
        return 0
    return wanted.qty if wanted.qty is not None else old.left


def _replacing(old: Order, wanted: Replacement) -> OrderRequest:
    """Return what a replacement asks for as a whole."""
    trails_bp = old.trail_bp is not None
    trailing = old.kind is Kind.TRAILING_STOP
    stop = wanted.stop if wanted.stop is not None else (None if trailing else old.stop)
    return OrderRequest(
        symbol=old.symbol,
        side=old.side,
        qty=_wanted_qty(old, wanted),
        notional=None if old.notional is None else old.notional - old.paid,
        kind=old.kind,
        time_in_force=wanted.time_in_force or old.time_in_force,
        limit=wanted.limit if wanted.limit is not None else old.limit,
        stop=stop,
        trail=old.trail if trails_bp or wanted.trail is None else wanted.trail,
        trail_bp=(wanted.trail if wanted.trail is not None else old.trail_bp) if trails_bp else None,
        client_order_id=wanted.client_order_id,
        extended_hours=old.extended_hours,
    )
