"""Positions: a fold of executions, exact to the last digit."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Context as DecimalContext, Decimal, localcontext
from fractions import Fraction
from typing import Protocol

import msgspec
from msgspec import UNSET, UnsetType

from actors.actor import Context, Port, assert_known
from actors.book import Book, HeldPosition
from actors.messages import (
    AccountOpened,
    EquityRestated,
    ExitReason,
    FeesReconciled,
    OrderFilled,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    PositionSplit,
    ProfitCorrected,
)
from actors.orders import Execution, FeesReport, HeldAtVenue, OrderSide
from actors.portfolio.fees import FeeLedger, FeeModel, expected, residual
from actors.portfolio.revisions import reversed_of, revise
from pipeline.events import Side

ZERO = Decimal(0)
EXACT = DecimalContext(prec=60)  # sums and products of prices of 15 digits, sizes of 17, and an equity above them
AVERAGES = DecimalContext(prec=28)  # a quotient may have no end
ROUNDING = Decimal("0.000001")  # dollars, of the average prices that venues tell
REMEMBERED_EXECUTIONS = 10_000  # ids kept against a report that is delivered twice


def of_session(book: str, decision: str) -> str:
    """Return how a decision of an earlier session is called in later ones, whose inputs are counted from 1 again."""
    return f"{book.rpartition('-')[2]}-{decision}" if decision.replace("-", "").isdigit() else decision


class Fill(msgspec.Struct, frozen=True):
    """An execution of an order of ours, and what that order was for."""

    execution: Execution
    decision: str
    reason: str  # why the position is being closed; empty for an entry
    of_part: bool = False  # a part of it was to be closed, and the rest stays


class Adopt(msgspec.Struct, frozen=True):
    """Take over a position that an earlier run left in the account."""

    symbol: str
    side: Side
    quantity: Decimal
    entry_price: Decimal
    entry_ts: int
    decision: str


class Invested(msgspec.Struct, frozen=True):
    """What the account holds, at the average prices with which it is in the equity that is counted from."""

    positions: tuple[HeldAtVenue, ...]


class SplitShares(msgspec.Struct, frozen=True):
    """A stock was split: so many shares are held of it now, `ratio` times as many as before."""

    symbol: str
    held: Decimal
    ratio: Fraction


class Position(msgspec.Struct):
    """One open position: what went in and what has come out again. Quantities in shares, values in money."""

    symbol: str
    side: Side
    entry_ts: int
    decision: str
    entered: Decimal = ZERO  # shares bought (or sold short)
    entry_value: Decimal = ZERO
    exited: Decimal = ZERO
    exit_value: Decimal = ZERO
    fees: Decimal = ZERO
    banked: Decimal | UnsetType = UNSET  # P/L of what was closed that is in the equity already
    price_held: float = 0.0  # average entry price, as a reading
    signed_held: float = 0.0  # shares still held as a reading, negative for a short position
    undone: bool = False  # it is what an execution that the venue undid has left: it is to be closed

    @property
    def quantity(self) -> Decimal:
        """Shares still held."""
        return self.entered - self.exited

    @property
    def entry_price(self) -> Decimal:
        """Average price of the entries."""
        return AVERAGES.divide(self.entry_value, self.entered)

    def open_profit(self, price: float) -> float:
        """Profit of what is still held at `price`, without fees: a reading, not a booking."""
        return (price - self.price_held) * self.signed_held

    def profit_of(self, quantity: Decimal, value: Decimal, fees: Decimal) -> Decimal:
        """Return the P/L of shares that were closed for `value` (money), after the fees of both ways."""
        return self.side.sign * (value - quantity * self.entry_price) - fees

    def bank(self, pnl: Decimal) -> None:
        """Note that so much of the P/L is in the equity already."""
        self.banked = (self.banked or ZERO) + pnl

    def enter(self, quantity: Decimal, price: Decimal) -> None:
        """Book an execution that opens or adds."""
        self.entered += quantity
        self.entry_value += quantity * price
        self.update_readings()

    def leave(self, quantity: Decimal, price: Decimal) -> None:
        """Book an execution that reduces or closes."""
        self.exited += quantity
        self.exit_value += quantity * price
        self.update_readings()

    def update_readings(self) -> None:
        # Open profit is looked at on every tick: the exact numbers become readings once a booking, not once a tick.
        self.price_held = float(self.entry_price)
        self.signed_held = self.side.sign * float(self.quantity)


def closed_trade(
    position: Position | HeldPosition, equity: Decimal, exit_ts: int, reason: str, input: int
) -> PositionClosed:
    """Return the trade that a position became, its parts included; `equity` is that of before it was closed."""
    pnl = position.side.sign * (position.exit_value - position.entry_value) - position.fees
    return PositionClosed(
        symbol=position.symbol,
        side=position.side,
        quantity=position.entered,
        entry_ts=position.entry_ts,
        entry_price=AVERAGES.divide(position.entry_value, position.entered),
        exit_ts=exit_ts,
        exit_price=AVERAGES.divide(position.exit_value, position.exited),
        exit_reason=reason,
        pnl=pnl,
        pnl_pct=float(pnl / position.entry_value),
        fees=position.fees,
        equity=equity + pnl - (position.banked or ZERO),
        decision=position.decision,
        input=input,
    )


PositionsMessage = Fill | Adopt | AccountOpened | Invested | FeesReport | SplitShares

PositionNews = PositionOpened | PositionClosed
"""What the positions tell their listeners."""


class PositionsView(Protocol):
    """The positions, as those read them who must not change them."""

    equity_reading: float  # of `equity`

    @property
    def equity(self) -> Decimal: ...

    @property
    def open(self) -> Mapping[str, Position]: ...

    @property
    def filled_at(self) -> Mapping[str, int]: ...

    @property
    def fees(self) -> FeeLedger: ...


class Positions:
    """The actor that books executions.

    It opens a position with the first execution in a symbol, adds, reduces and closes by those that follow. An
    execution that comes twice counts once; one larger than the position closes it and opens the rest the other way.
    What the venue undoes is taken out of its position; where that is closed, it counts as its opposite, at its price.
    `listeners` are told, in this order, of what opened, grew and closed.
    """

    def __init__(
        self,
        context: Context,
        starting_equity: Decimal,
        fees: FeeModel,
        listeners: Sequence[Port[PositionNews]] = (),
    ) -> None:
        self._context = context
        self._listeners = listeners
        self.fees = FeeLedger(fees)
        self.equity = starting_equity
        self.equity_reading = float(starting_equity)  # the same, for what is looked at on every tick
        self.open: dict[str, Position] = {}
        self.filled_at: dict[str, int] = {}  # by symbol: when the newest fill was counted, ns
        self._fills_until = -1  # ns: what fills up to then have earned was in the account's equity when it was seen
        self._invested: dict[str, HeldAtVenue] = {}  # what is in the equity at the account's prices, not at ours
        self._seen: set[str] = set()
        self._seen_order: deque[str] = deque()

    def receive(self, message: PositionsMessage) -> None:
        match message:
            case Fill():
                self._on_fill(message)
            case Adopt():
                self._adopt(message)
            case AccountOpened():
                self._on_account(message)
            case Invested():
                self._invested = {held.symbol: held for held in message.positions}
                for symbol in tuple(self._invested):
                    self._agree(symbol)
            case FeesReport():
                self._on_charges(message)
            case SplitShares():
                self._on_split(message)
            case _:
                assert_known(self, message)

    def _on_fill(self, fill: Fill) -> None:
        execution = fill.execution
        if execution.id in self._seen:
            return
        self._remember(execution.id)
        self.filled_at[execution.symbol] = max(self._context.now, execution.ts)
        with localcontext(EXACT):
            maker = execution.maker is True
            terms = execution.symbol, execution.side, execution.quantity, execution.value, execution.ts
            scheduled = self.fees.charge(*terms, maker=maker)
            fees = self.fees.model.own(execution.quantity, execution.value, maker=maker)
            fees = sum(scheduled.values(), fees)
            self._context.publish(OrderFilled(execution, fill.decision, self._context.input, scheduled or UNSET))
            if execution.undone:
                self._revise(fill, fees)
            else:
                self._book(fill, execution.quantity, fees)
            if self._is_in_account(execution):
                self._agree(execution.symbol)
            else:
                self._invested.pop(execution.symbol, None)

    def _on_charges(self, report: FeesReport) -> None:
        """Compare what the account was charged with what was estimated."""
        with localcontext(EXACT):
            for day in self.fees.note_charges(report):
                reconciled = FeesReconciled(
                    day.date, expected(day), day.charged, residual(day), report.ts, self._context.input
                )
                self._context.publish(reconciled)

    def _on_account(self, opened: AccountOpened) -> None:
        """Count from the account's equity, which has what was closed before, whenever we hear of it."""
        self._count_from(opened.equity)
        if opened.fills_until is UNSET:
            return
        self._fills_until = opened.fills_until
        with localcontext(EXACT):
            for position in self.open.values():
                if position.exited:
                    fees = self._round_trip_fees(position, position.exited, position.exit_value, opened.ts)
                    position.banked = position.profit_of(position.exited, position.exit_value, fees)

    def _is_in_account(self, execution: Execution) -> bool:
        """Whether what an execution earned was in the account's equity when that was seen.

        Its own time is bounded by the market's, which may stand still after a start: the time that it was told with
        is asked, too.
        """
        return max(execution.ts, self._context.told_ts) <= self._fills_until

    def _agree(self, symbol: str) -> None:
        """Once the book holds the shares that the account told of, count them in the equity at the book's price."""
        held, position = self._invested.get(symbol), self.open.get(symbol)
        if held is None or position is None or position.side.sign * position.quantity != held.quantity:
            return
        del self._invested[symbol]
        difference = position.entry_price - held.average
        if abs(difference) > ROUNDING:
            change = held.quantity * difference
            self._count_from(self.equity + change)
            now, number = self._context.now, self._context.input
            self._context.publish(EquityRestated(symbol, change, self.equity, now, number))

    def _count_from(self, equity: Decimal) -> None:
        """Count equity from here."""
        self.equity = equity
        self.equity_reading = float(equity)

    def held(self) -> tuple[HeldPosition, ...]:
        """Return the open positions, to be written down."""
        names = HeldPosition.__struct_fields__
        return tuple(HeldPosition(*(getattr(position, name) for name in names)) for position in self.open.values())

    def restore(self, book: Book) -> None:
        """Go on with the positions of an earlier session."""
        self._count_from(book.tally.equity)
        self.fees.restore(book.fees or ())
        for held in book.positions:
            position = Position(**msgspec.structs.asdict(held))
            position.decision = of_session(book.name, held.decision)
            position.update_readings()
            self.open[held.symbol] = position
            self._say_open(position, adopted=True)

    def _adopt(self, found: Adopt) -> None:
        entry_ts = self._context.not_after_now(found.entry_ts)
        position = Position(found.symbol, found.side, entry_ts, found.decision)
        position.enter(found.quantity, found.entry_price)
        self.open[found.symbol] = position
        self._say_open(position, adopted=True)

    def _on_split(self, split: SplitShares) -> None:
        """Hold other shares that cost what those before cost, and have them guarded at their price."""
        position = self.open[split.symbol]
        before, price = position.quantity, position.entry_price
        with localcontext(EXACT):
            position.exited = position.exited * split.ratio.numerator / split.ratio.denominator
            position.entered = position.exited + split.held
        position.update_readings()
        now, number = self._context.now, self._context.input
        self._context.publish(
            PositionSplit(
                split.symbol,
                before,
                split.held,
                price,
                position.entry_price,
                now,
                position.decision,
                number,
            )
        )
        self._say_open(position)

    def _say_open(self, position: Position, *, adopted: bool = False, undone: str | UnsetType = UNSET) -> None:
        symbol, side, quantity, price = position.symbol, position.side, position.quantity, position.entry_price
        entry_ts, decision, number = position.entry_ts, position.decision, self._context.input
        self._tell(PositionOpened(symbol, side, quantity, price, entry_ts, decision, number, adopted, undone))

    def _round_trip_fees(
        self, position: Position, quantity: Decimal, value: Decimal, ts: int, of_exit: Decimal | None = None
    ) -> Decimal:
        """Return what so many shares cost that were entered with and left for `value` (money), at `ts`."""
        model, symbol, entered = self.fees.model, position.symbol, quantity * position.entry_price
        side = OrderSide.BUY if position.side is Side.LONG else OrderSide.SELL
        of_entry = model.by_schedule(symbol, side, quantity, entered, position.entry_ts).values()
        if of_exit is None:
            of_exit = sum(
                model.by_schedule(symbol, side.opposite, quantity, value, ts).values(), model.own(quantity, value)
            )
        return sum(of_entry, model.own(quantity, entered)) + of_exit

    def _profit_so_far(self, position: Position, ts: int) -> Decimal:
        """Return the P/L of what has come out of a position, after the fees of both ways."""
        fees = self._round_trip_fees(position, position.exited, position.exit_value, ts)
        return position.profit_of(position.exited, position.exit_value, fees)

    def _revise(self, fill: Fill, fees: Decimal) -> None:
        """Take what changes earlier executions into the position that they are in; else book what it comes to.

        `fees` (money) are what it adds to them, below 0 where shares are undone.
        """
        execution, position = fill.execution, self.open.get(fill.execution.symbol)
        ts = execution.ts
        before = None if position is None else self._profit_so_far(position, ts)
        if (
            position is not None
            and before is not None
            and position.decision == fill.decision
            and revise(position, execution, fees)
        ):
            position.update_readings()
            more = self._profit_so_far(position, ts) - before
            if self._is_in_account(execution):
                position.bank(more)
            elif fill.of_part:
                self._bank(position, fill, execution.quantity, more)
            self._say_open(position)
            return
        of_correction = fees if not execution.quantity else ZERO
        if execution.quantity < 0:
            opposite = msgspec.structs.replace(fill, execution=reversed_of(execution), of_part=False)
            self._book(opposite, -execution.quantity, fees)
        elif execution.quantity:
            self._book(fill, execution.quantity, fees)
        if execution.correction:
            self._correct(fill, -execution.side.sign * execution.correction - of_correction)

    def _correct(self, fill: Fill, pnl: Decimal) -> None:
        """Count money that a finished trade brought beyond what was counted of it."""
        execution = fill.execution
        if not self._is_in_account(execution):
            self._count_from(self.equity + pnl)
        reason, decision, number = execution.undone or "", fill.decision, self._context.input
        self._context.publish(
            ProfitCorrected(execution.symbol, pnl, self.equity, reason, execution.ts, decision, number)
        )

    def _book(self, fill: Fill, quantity: Decimal, fees: Decimal) -> None:
        """Book so much of a fill; `fees` (money) is what that costs, below 0 where it undoes shares."""
        execution = fill.execution
        side = Side.LONG if execution.side is OrderSide.BUY else Side.SHORT
        position = self.open.get(execution.symbol)
        undone = execution.undone if position is None else UNSET
        if position is None:
            position = Position(execution.symbol, side, execution.ts, fill.decision, undone=bool(undone))
            self.open[execution.symbol] = position
        if side is position.side:
            position.enter(quantity, execution.price)
            position.fees += fees
            self._say_open(position, undone=undone)
            return
        closing = min(quantity, position.quantity)
        of_exit = fees if closing == quantity else AVERAGES.divide(fees * closing, quantity)
        position.leave(closing, execution.price)
        position.fees += of_exit
        value = closing * execution.price
        if self._is_in_account(execution):
            of_both = self._round_trip_fees(position, closing, value, execution.ts, of_exit)
            position.bank(position.profit_of(closing, value, of_both))
        if position.quantity == 0:
            self._close(position, fill)
        elif fill.of_part:
            of_both = self._round_trip_fees(position, closing, value, execution.ts, of_exit)
            self._bank(position, fill, closing, position.profit_of(closing, value, of_both))
        if quantity > closing:
            self._book(fill, quantity - closing, fees - of_exit)

    def _bank(self, position: Position, fill: Fill, closed: Decimal, pnl: Decimal) -> None:
        """Count the profit of a part in the equity: the rest may stay for long, and the loss limit looks at it.

        Of a part that the venue undid, fewer than no shares were closed.
        """
        execution, entry_price = fill.execution, position.entry_price
        if not self._is_in_account(execution):
            position.bank(pnl)
            self._count_from(self.equity + pnl)
        self._context.publish(
            PositionReduced(
                symbol=position.symbol,
                side=position.side,
                quantity=closed,
                price=execution.price,
                held=position.quantity,
                entry_price=entry_price,
                reason=fill.reason,
                pnl=pnl,
                equity=self.equity,
                ts=execution.ts,
                decision=position.decision,
                input=self._context.input,
            )
        )

    def _close(self, position: Position, fill: Fill) -> None:
        del self.open[position.symbol]
        reason = fill.reason or ExitReason.FLATTEN
        if fill.execution.undone:
            reason = ExitReason.BUST
        trade = closed_trade(position, self.equity, fill.execution.ts, reason, self._context.input)
        self._count_from(trade.equity)
        self._tell(trade)

    def _tell(self, fact: PositionNews) -> None:
        self._context.publish(fact)
        for tell in self._listeners:
            tell(fact)

    def _remember(self, execution_id: str) -> None:
        self._seen.add(execution_id)
        self._seen_order.append(execution_id)
        if len(self._seen_order) > REMEMBERED_EXECUTIONS:
            self._seen.discard(self._seen_order.popleft())
