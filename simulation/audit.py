"""The audit: what must hold after every step, whatever goes wrong. docs/SIMULATION.md says it in words."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from actors.book import Book
from actors.engine.core import Core, Input
from actors.execution.exits import AT_ONCE
from actors.execution.order_cache import OrderCache
from actors.execution.partial_exits import shares_of
from actors.gateway.journal import Entry
from actors.messages import (
    AccountOpened,
    Command,
    ExitReason,
    Fact,
    FeedState,
    GateActed,
    HaltCause,
    OrderFilled,
    OrderSubmitted,
    PositionClosed,
    PositionOpened,
    SignalRaised,
    StateChanged,
    SymbolCommand,
    TradingState,
)
from actors.orders import (
    AccountReport,
    Execution,
    OrderCommand,
    OrderRejected,
    OrderReport,
    OrderRole,
    OrderSide,
    SubmitOrder,
)
from pipeline.events import SECOND, Clock, ExternalSignal, Quote, Side, Signal, Trade
from simulation.broken import Broken
from simulation.feed import Feed
from simulation.guard import GuardAudit
from simulation.hand_audit import HandAudit
from simulation.ledger import Ledger
from simulation.limit_rules import LimitRules
from simulation.memory import CrashSnapshot, Memory
from simulation.outside import Words
from simulation.place import Place
from simulation.stop_audit import StopAudit
from simulation.venue import Venue

_ROUNDING = Decimal("0.001")
"""Money a share by which a fill may be off its price: what a venue tells is the rounded average of all of them."""

_MARKET = (Trade, Quote)
_OVERDUE = AT_ONCE | {ExitReason.TIME}
"""Why a position may be left whose deadline passed while no bot ran: what may not wait overrules its time."""


class Audit:
    """Follows one life of the bot through its facts, and looks at its core and at what leaves the gate."""

    def __init__(self, core: Core, feed: Feed, place: Place, before: CrashSnapshot | None) -> None:
        self.facts: list[Fact] = []
        self.submitted: set[str] = set()
        self.of_session: set[str] = set()  # of those, the orders of the session that runs
        self.had_book = before is not None and before.had_book  # whether the journal holds one by now
        self._core = core
        self._earlier = 0  # inputs of the sessions before it in this life
        self._handed_over: Memory | None = None  # by the session before it
        self._feed = feed
        self._venue, self._ledgers, self._outside = place.venue, place.ledgers, place.outside
        self._simulated = place.scenario.simulated
        self._most = place.scenario.most  # shares that one position may have
        self._limits = LimitRules(core)
        self._parts = place.scenario.parts
        self._time_stop = round(core.settings.strategy.time_stop_seconds * SECOND)
        self._before = before
        self._later_life = before is not None  # it counts from the account, in which the venue has its own cost
        self._by_hand = TradingState.ACTIVE
        self.awaiting = self.had_book  # the book is not taken up yet
        self.restoring = False  # it is being taken up
        if before is not None:
            if not before.had_book and msgspec.structs.replace(before.memory, date="") != self._memory():
                raise Broken("memory", f"there is no book, and there was {before.memory}")
            self._by_hand = before.memory.by_hand
        self._approved: dict[str, Signal] = {}  # by decision
        self._stops = StopAudit(place.venue.reached)
        self._words = Words()
        self._heard: set[str] = set()  # symbols of which an admitted tick came
        self._guard, self._hand = GuardAudit(), HandAudit(core, place.venue)
        self._late_since: dict[str, int] = {}  # positions beyond their deadline that are not being left yet
        self._overdue: set[str] = set()  # positions whose deadline passed while no bot ran
        self._left: set[str] = set()  # orders that left the gate
        self.of_gate: set[str] = set()  # of those, the gate's own
        self._journaled: set[str] = set()  # orders of which the journal knows
        self._failed_at = 0  # input whose facts could not be appended, and no book since
        self._news = True
        self._undone: list[OrderReport] = []  # what the core is told that the venue undid
        self._wishes = 0
        self._memories: deque[tuple[int, Memory]] = deque([(0, self._memory())])

    # ------------------------------------------------------------------------------------------------- facts

    def check_fact(self, fact: Fact) -> None:
        """Check a fact as it is stated."""
        self.facts.append(fact)
        self._news = True
        if isinstance(fact, SignalRaised):
            self._words.check(fact.signal, self._core.now)
            if fact.approved:
                self._approved[fact.decision] = fact.signal
        elif isinstance(fact, OrderSubmitted):
            self._check_order(fact.order)
        elif isinstance(fact, OrderFilled):
            self._check_fill(fact)
        elif isinstance(fact, OrderRejected):
            self._guard.note_rejected(fact)
        elif isinstance(fact, AccountOpened):
            self._guard.account_seen = True
            self._hand.note_opened(self._ledgers.said)
        elif isinstance(fact, StateChanged) and self._core.risk.snapshot().halt_cause is HaltCause.DRAWDOWN:
            self._by_hand = TradingState.HALTED
        elif isinstance(fact, PositionClosed):
            self._stops.closed(fact.symbol)
        elif isinstance(fact, PositionOpened) and fact.adopted and not self.restoring:
            if self._venue.busts:
                self._note_found(fact)
                return
            raise Broken("memory", f"{fact.symbol}: the position is in the account, and the book has forgotten it")

    def _note_found(self, fact: PositionOpened) -> None:
        """Book what was found in the account at the start: what a bust has left while the bot was away."""
        side = OrderSide.BUY if fact.side is Side.LONG else OrderSide.SELL
        name = f"{fact.symbol} found at {fact.input} of {self._core.book().name}"
        found = Execution(name, "", fact.symbol, side, fact.quantity, fact.entry_price, fact.entry_ts)
        self._ledgers.say(self._earlier + fact.input, found, self._core.risk.date)

    def _check_order(self, order: SubmitOrder) -> None:
        core, symbol = self._core, order.symbol
        if self.awaiting and not self.restoring:
            raise Broken("memory", f"the order {order.id} was sent before the book was taken up")
        if order.id in self.submitted:
            raise Broken("one order, one cause", f"the order {order.id} was sent twice")
        self.submitted.add(order.id)
        self.of_session.add(order.id)
        if order.role != OrderRole.ENTRY:
            self._stops.check_order(order)
            self._hand.check_order(order, self._ledgers.said)
            if symbol not in core.positions.open:
                raise Broken("one order, one cause", f"the {order.role} {order.id} has no position")
            if symbol in self._overdue and order.role == OrderRole.EXIT and order.reason not in _OVERDUE:
                raise Broken("deadlines", f"{symbol} was left by {order.reason}, and its time was over before")
            at_price = self._simulated or order.limit is not None
            if order.reason == ExitReason.TIME and at_price and symbol not in self._heard:
                raise Broken("deadlines", f"{symbol} was left at a price of an earlier life")
            return
        if order.decision not in self._approved:
            raise Broken("one order, one cause", f"the entry {order.id} was never approved")
        self._check_entry(order, self._approved[order.decision])
        self._limits.check_entry(order, core)
        if core.risk.state is not TradingState.ACTIVE or self._by_hand is not TradingState.ACTIVE:
            raise Broken("states", f"the entry {order.id} was sent while {core.risk.state} ({self._by_hand} by hand)")
        if not self._feed.connected or self._feed.state is not FeedState.LIVE:
            raise Broken("states", f"the entry {order.id} was sent while the feed was {self._feed.state}")
        if symbol in core.positions.open or len(core.orders.of(symbol)) > 1:
            raise Broken("one position", f"the entry {order.id} was sent although {symbol} is being traded")

    def _check_entry(self, order: SubmitOrder, signal: Signal) -> None:
        """An entry is what its signal asked for, at no worse a limit, and for no longer."""
        quantity = self._limits.quantity(signal, self._core.symbol_view(order.symbol))
        if order.quantity != quantity or (order.until or None) != signal.good_until:
            raise Broken("one order, one cause", f"the entry {order.id} is not what its signal asked for")
        if signal.limit:
            worst = Decimal(repr(signal.limit))
            if order.limit is None or order.side.better(order.limit, worst) != order.limit:
                raise Broken("one order, one cause", f"the entry {order.id} has a limit worse than {worst}")

    def _check_fill(self, fact: OrderFilled) -> None:
        order = fact.execution.order
        known = self._core.orders.get(order)
        limit = known.request.limit if known is not None else None
        if (
            limit is not None
            and not fact.execution.undone
            and fact.execution.side.sign * (fact.execution.price - limit) > _ROUNDING
        ):
            raise Broken("executions", f"{order}: filled at {fact.execution.price}, worse than its limit {limit}")
        self._ledgers.say(self._earlier + fact.input, fact.execution, self._core.risk.date)
        self._hand.note_execution(fact.execution)
        filled = self._ledgers.said.filled[order]
        self._check_parts(fact.execution.symbol)
        if known is not None and known.role is OrderRole.ENTRY:
            self._limits.check_fill(self._core, self._ledgers.said)
        if not self._simulated and filled > self._venue.filled(order):
            raise Broken("executions", f"{order}: {filled} shares are booked, more than the venue has filled")

    def _check_parts(self, symbol: str) -> None:
        """Each exit takes its part of a position once, however often the bot is killed."""
        said = self._ledgers.said
        taken, entered = said.parted.get(symbol), said.entered.get(symbol)
        if taken and entered and not self._venue.busts:  # an entry that is undone leaves less to take parts of
            most = sum(shares_of(entered, part) for part in self._parts)
            if taken > most:
                raise Broken("parts", f"{symbol}: {taken} of {entered} shares were closed as parts, {most} at most are")

    # ------------------------------------------------------------------------------------------------- the journal

    @property
    def position(self) -> int:
        """How many inputs the bot has taken in this life: a rollover restarts the core's count, but not this one."""
        return self._earlier + self._core.input

    def on_appended(self, position: int, facts: Sequence[Entry], book: Book | None) -> None:
        """Hear that the journal holds what the input at a position led to."""
        orders = [fact.order for fact in facts if isinstance(fact, OrderSubmitted | GateActed)]
        self._journaled |= {order.id for order in orders if order is not None}
        if book is not None:
            self.had_book = True
            self._failed_at = 0
            self._ledgers.keep(position)

    def on_failed(self, position: int) -> None:
        """Hear that a book could not be written."""
        self._failed_at = self._failed_at or position

    def leaving(self, effect: OrderCommand, halted: str | None, pulled: str) -> None:
        """Check an effect that leaves the gate; `halted` and `pulled` are why it refuses entries, if it does."""
        if not isinstance(effect, SubmitOrder):
            return
        if effect.id in self._left:
            raise Broken("one order, one cause", f"the order {effect.id} left twice")
        self._left.add(effect.id)
        if effect.role == OrderRole.GATE:
            self.of_gate.add(effect.id)
            self._hand.check_gate_order(effect, self._feed.now())
        if effect.role == OrderRole.ENTRY and halted:
            raise Broken("states", f"the entry {effect.id} left the gate although it had halted ({halted})")
        if effect.role == OrderRole.ENTRY and pulled:
            raise Broken("states", f"the entry {effect.id} left although the kill switch was pulled ({pulled})")
        if effect.id not in self._journaled and not halted:
            raise Broken("output commit", f"the order {effect.id} left before the journal knew of it")

    # ------------------------------------------------------------------------------------------------- every step

    def note_inputs(self, inputs: Sequence[Input]) -> None:
        """Know what the core is about to be fed."""
        for event in inputs:
            if isinstance(event, _MARKET):
                self._heard.add(event.symbol)
            elif not isinstance(event, Clock):
                self._news = True
                if isinstance(event, Command):
                    self._note_command(event)
                elif isinstance(event, SymbolCommand):
                    self._limits.note(event)
                elif isinstance(event, ExternalSignal):
                    self._outside.take(event, self._by_hand)
                    self._words.note(event, self._core.now)
                elif isinstance(event, OrderReport):
                    self._stops.note_report(event)
                    if event.revises:
                        self._undone.append(event)
                elif isinstance(event, AccountReport) and len(inputs) == 1:
                    self._hand.note_reading(event, self._ledgers.said)

    def step(self) -> None:
        """Look at the core between two inputs, or after a few that came at once."""
        core = self._core
        if self.awaiting:
            return
        for symbol, position in core.positions.open.items():
            if position.quantity > self._most and not self._venue.busts:
                raise Broken("one position", f"{symbol}: the book holds {position.quantity}, not {self._most} at most")
            if not core.contexts[symbol].guarded:
                raise Broken("guarded", f"{symbol}: an open position has no exits")
            self._check_deadline(symbol)
            if self._parts:
                check_closing(symbol, position.quantity, core.orders, self._venue)
            if not self._simulated:
                self._guard.check(symbol, core, *self._hand.touched(symbol, self._ledgers.said))
                self._stops.check_resting(symbol, core)
        if self._undone:
            check_undone(self._undone, core.orders)
            self._undone.clear()
        if self._late_since or self._overdue:
            self._forget()
        if self._news or len(core.executor.exits.intents) != self._wishes:
            self._look()

    def _look(self) -> None:
        """Compare what the core holds with what it said, and remember what it must not forget."""
        core = self._core
        self._news = False
        self._wishes = len(core.executor.exits.intents)
        held = {symbol: p.side.sign * p.quantity for symbol, p in core.positions.open.items()}
        if held != self._ledgers.said.positions:
            raise Broken("executions", f"the book holds {held}, its executions come to {self._ledgers.said.positions}")
        for order in core.orders.working.values():
            if order.request.until and core.now > order.request.until and not order.unwanted:
                raise Broken("deadlines", f"the entry {order.id} is good no more, and works")
        memory = self._memory()
        differs = core.risk.snapshot().halt_cause is HaltCause.MISMATCH  # a daily loss limit may stand before it
        if differs and (self._venue.busts or self._venue.hand.last):
            self._by_hand = TradingState.HALTED  # not each execution that was undone can be known
        elif differs:
            raise Broken("both sides", f"the bot found a mismatch where there is none: {core.risk.state_reason}")
        if memory.by_hand is not self._by_hand:
            raise Broken("states", f"the state set by hand is {memory.by_hand}, and should be {self._by_hand}")
        if memory != self._memories[-1][1]:
            self._memories.append((self.position, memory))
            if len(self._memories) > 1_000:
                self._memories.popleft()

    def _check_deadline(self, symbol: str) -> None:
        """A position whose time is over is on its way out at the next moment."""
        core = self._core
        since = self._ledgers.said.since.get(symbol)
        if since is None or core.now < since + self._time_stop or symbol in core.executor.exits.intents:
            self._late_since.pop(symbol, None)
        elif core.now > self._late_since.setdefault(symbol, core.now):
            raise Broken("deadlines", f"{symbol}: its time was over at {since + self._time_stop}, now is {core.now}")

    def _forget(self) -> None:
        positions = self._core.positions.open
        self._guard.forget(positions)
        for symbol in self._late_since.keys() - positions.keys():
            del self._late_since[symbol]
        self._overdue &= positions.keys()

    def _note_command(self, command: Command) -> None:
        """Note, as the auditor understands it, what the user wants."""
        if command.name == "resume":
            self._by_hand = TradingState.ACTIVE
        elif command.name == "halt":
            self._by_hand = TradingState.HALTED
        elif self._by_hand is not TradingState.HALTED:
            self._by_hand = TradingState.REDUCING if command.name == "reduce" else TradingState.PAUSED

    # ------------------------------------------------------------------------------------------------- lives

    def restored(self, book: Book) -> None:
        """After a new life took its book up: compare it with what the last one knew."""
        self.awaiting = False
        memory = self._memory()
        if self._before is not None and memory != self._before.memory:
            raise Broken("memory", memory.differences(self._before.memory))
        self._memories = deque([(0, memory)])
        self._limits.take_up(dict(memory.locks))
        since, closing = self._ledgers.said.since, dict(memory.closing)
        now = self._feed.now() or book.ts
        self._overdue = {s for s, at in since.items() if at + self._time_stop <= now and s not in closing}

    def follow(self, core: Core) -> None:
        """Follow the session that begins now, in the same life, behind one that has ended."""
        self._handed_over = self._memory()
        self._memories.append((self.position, self._handed_over))
        self._earlier += self._core.input
        self._core = core
        self.restoring = True
        self.of_session.clear()
        self._approved.clear()
        self._heard.clear()
        self._stops = StopAudit(self._venue.reached)
        self._words = Words()
        self._guard.account_seen, self._hand = False, HandAudit(core, self._venue)

    def rolled_over(self) -> None:
        """After the new session took up the book and what holds: it knows what the old one knew."""
        self.restoring = False
        memory = self._memory()
        if self._handed_over is not None and memory != self._handed_over:
            raise Broken("memory", f"after a rollover {memory.differences(self._handed_over)}")
        self._memories.append((self.position, memory))

    def crash_snapshot(self, waiting_from: int | None) -> CrashSnapshot:
        """Return what the next life must know; what waits for the journal from that input on may be lost."""
        if self.awaiting and self._before is not None:
            return self._before
        if self._news:
            self._memories.append((self.position, self._memory()))
        limit = min((n - 1 for n in (waiting_from, self._failed_at or None) if n), default=1 << 62)
        known = [memory for number, memory in self._memories if number <= limit]
        return CrashSnapshot(known[-1] if known else self._memories[0][1], self.had_book)

    def _memory(self) -> Memory:
        return Memory.of(self._core, simulated=self._simulated)

    # ------------------------------------------------------------------------------------------------- the end

    def differs(self) -> bool:
        """Return whether the bot is halted since the account holds something else, by executions that were undone."""
        halted = self._core.book().halt_cause is HaltCause.MISMATCH  # a daily loss limit may stand before it
        return halted and self._venue.busts > 0 and self._ledgers.said.positions != self._venue.positions()

    def settled(self) -> None:
        """Compare both sides, when nothing is under way any more."""
        if self._simulated:
            compare_earned(self._ledgers.said, self._core)
            return
        # After an execution was undone while no bot ran, the account knows of money that no execution tells of.
        with_cash = not (self._venue.busts and self._later_life)
        compare_account(self._ledgers.said, self._core, self._venue, with_cash=with_cash)


def check_undone(told: Sequence[OrderReport], orders: OrderCache) -> None:
    """What the venue said that it undid of an order that is known is counted no more."""
    for report in told:
        order = orders.get(report.order)
        if order is not None and order.counted_at <= report.ts and order.filled > report.filled:
            raise Broken("executions", f"{order.id}: {order.filled} shares are counted, {report.filled} are left")


def check_closing(symbol: str, quantity: Decimal, orders: OrderCache, venue: Venue) -> None:
    """What stop and exit may close together is never more than is held."""
    working = [order for order in orders.of(symbol) if order.role is not OrderRole.ENTRY]
    if any(order.role is OrderRole.PART for order in working):
        closing = sum(order.open for order in working)
        if closing > quantity and not venue.busts:  # the venue may undo shares that an order is for
            raise Broken("parts", f"{symbol}: orders may close {closing} shares, and {quantity} are held")


def compare_earned(said: Ledger, core: Core) -> None:
    """Compare what the book earned with its executions where nothing is open; raise Broken where they differ."""
    earned = core.positions.equity - Decimal(str(core.settings.risk.starting_equity))
    if not said.positions and earned != said.cash:
        raise Broken("both sides", f"the book earned {earned}, its executions come to {said.cash}")


def compare_account(said: Ledger, core: Core, venue: Venue, *, with_cash: bool) -> None:
    """Compare shares, cash and equity of the book with the account's; raise Broken where they differ."""
    hand, positions, cash = venue.hand.done, venue.positions(), venue.cash()
    ours = {s: held for s, of in positions.items() if (held := of - venue.hand.shares(s))}
    ours |= {s: -of for s, of in hand.positions.items() if s not in positions}
    if said.positions != ours:
        by_hand = f", of which {hand.positions} by hand" if hand.positions else ""
        raise Broken("both sides", f"the book holds {said.positions}, the account {positions}{by_hand}")
    if not with_cash:
        return
    if abs(100_000 + said.cash + hand.cash - cash) > Decimal("0.005"):
        raise Broken("both sides", f"by the book there are {100_000 + said.cash} in cash, the account holds {cash}")
    if venue.hand.last:
        return  # what a hand has earned is in the account's equity from the next start on
    # Fees are in the equity as they are estimated, and in the account rounded up to the cent, each of three a day.
    equity, fees = core.positions.equity, venue.charged() + venue.accrued()
    cash -= fees
    if not positions and abs(equity - cash) > Decimal("0.1" if fees else "0.005"):
        raise Broken("both sides", f"by the book the equity is {equity}, the account holds {cash}")
