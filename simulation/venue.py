"""The venue: the mock exchange's market and matching engine, asked without a socket."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from random import Random

import msgspec

from actors.brokers.alpaca import codec
from actors.orders import Execution, OrderReport, OrderSide
from mock_exchange.alpaca.calls import TOO_MANY_REQUESTS, FaultPolicy, Request, Response
from mock_exchange.alpaca.rate_limit import Quota, RateLimit
from mock_exchange.alpaca.rest import respond
from mock_exchange.alpaca.schema import report
from mock_exchange.events import Event
from mock_exchange.market import Market, Sessions
from mock_exchange.settings import ExchangeSettings
from mock_exchange.venue import corrections
from mock_exchange.venue.money import DOLLAR, SHARE
from mock_exchange.venue.orders import Change, Update
from mock_exchange.venue_state import VenueState
from pipeline.events import SECOND
from simulation.broken import Broken
from simulation.chance import Chance
from simulation.faults import Faults
from simulation.gaps import Gaps
from simulation.hand_trades import HandTrades
from simulation.ledger import ZERO, Ledger

ACCOUNT = "SIMULATION"
CASH = 100_000  # dollars
FOREVER = 1 << 62
RECENT = 60 * SECOND
"""ns: an execution that is older is not undone."""


class Venue:
    """One account at the mock exchange, its market, and the updates that wait to be told."""

    def __init__(
        self,
        symbols: tuple[str, ...],
        seed: int,
        start: int,
        faults: Faults,
        chance: Chance,
        sessions: Sessions | None = None,
        *,
        paper: bool = True,
    ) -> None:
        self.symbols = symbols
        self.refuses_until = 0  # venue time, ns: connection attempts before it are refused
        self.crowded_until_s = 0.0  # of the time that ran: another program may have used up the account's requests
        self.busts = 0  # executions that were undone, all of them or in part
        self.reached: set[str] = set()  # orders of ours that were refused, for their stop was reached already
        self._gaps = Gaps()
        self._executed = Ledger()  # the auditor's own sum of the venue's executions
        self._filled: dict[str, Decimal] = {}  # shares, by order, whatever was undone since
        self._untold: list[Update] = []  # waits for the trading stream
        self._faults = faults
        self._chance = chance
        self._market = Market(symbols, seed, start, sessions)
        by_hours = sessions is not None
        settings = ExchangeSettings(
            symbols=symbols, seed=seed, cash=CASH, history_events=1_000, trading_hours=by_hours, paper=paper
        )
        self._floor = VenueState(settings, (ACCOUNT,), start)
        self.hand = HandTrades(self._floor.matching, ACCOUNT)
        self._rate_limit = RateLimit(settings.requests_per_minute)
        self._floor.matching.most_displayed = 1 if faults.thin_book else None
        if faults.tells_busts:
            self._floor.matching.orders.announced = frozenset({Change.TRADE_BUST, Change.TRADE_CORRECT})

    @property
    def next_ts(self) -> int:
        """When the market moves next, ns."""
        return self._market.next_ts

    @property
    def quoted(self) -> bool:
        """Whether every symbol has a price."""
        return len(self._floor.matching.prices) == len(self.symbols)

    def calm(self) -> None:
        """From now on quotes show all that there is."""
        self._floor.matching.most_displayed = None
        self.refuses_until = 0

    def worsen_fills(self, bps: float) -> None:
        """Fill orders at so many basis points worse than what is displayed, but never beyond their limit."""
        self._floor.matching.worse_bps = bps

    def advance(self, now: int) -> list[Event]:
        """Advance the market up to `now`; return what happened there."""
        events = self._gaps.apply(self._market.due(now, 10_000))
        self._floor.advance(events)
        return events

    def close_market(self, now: int) -> None:
        """Let the venue's day end, if it is over: no event of a closed market does."""
        self._floor.matching.roll(now)

    def gap(self, symbol: str, fraction: float, now: int) -> None:
        """Have a stock's price gap by a fraction of it, with a trade there; until its next quote there is no other."""
        matching = self._floor.matching
        matching.halt(symbol)
        if (trade := self._gaps.jump(symbol, fraction, now)) is not None:
            matching.apply(trade)

    def call(
        self, method: str, path: str, body: bytes, now: int, query: Mapping[str, str] | None = None
    ) -> tuple[Response, Quota]:
        """Make a REST call as a client does, who is counted: one too many is refused."""
        quota = self._rate_limit.take(ACCOUNT, now)
        return TOO_MANY_REQUESTS if quota.exceeded else self.ask(method, path, body, now, query), quota

    def ask(self, method: str, path: str, body: bytes, now: int, query: Mapping[str, str] | None = None) -> Response:
        """Make a REST call that is not counted."""
        occurs, faults = self._chance.occurs, self._faults
        ordering = (method, path) == ("POST", "/v2/orders")
        slow = method == "DELETE" and occurs("slow_cancel", faults.slow_cancel, "a cancel takes a second")
        rejects = ordering and occurs("reject", faults.reject, "the venue rejects an order")
        conduct = FaultPolicy(reject=bool(rejects), cancel_delay_ns=SECOND if slow else 0)
        answer = respond(self._floor, ACCOUNT, Request(method, path, query or {}, body), now, conduct)
        if ordering and answer.status == 422 and "market_price" in msgspec.json.decode(answer.body):
            self.reached.add(msgspec.json.decode(body)["client_order_id"])
        return answer

    def updates(self) -> list[bytes]:
        """Take the updates that are to be told, as the trading stream tells them."""
        self._gather()
        updates, self._untold = self._untold, []
        return [encoded for _, encoded in map(report, updates)]

    def _gather(self) -> None:
        for update in self._floor.take_updates():
            self._untold.append(update)
            if update.qty is not None and update.price is not None and update.previous_execution_id is None:
                order, side = update.order, OrderSide[update.order.side.name]
                quantity, price = Decimal(update.qty) / SHARE, Decimal(update.price) / DOLLAR
                ids = update.execution_id, order.client_order_id
                execution = Execution(*ids, order.symbol, side, quantity, price, update.ts)
                self._executed.book(execution)
                if order.client_order_id in self.hand.orders:
                    self.hand.book(execution)
                self._filled[order.client_order_id] = self._filled.get(order.client_order_id, ZERO) + quantity

    def bust(self, random: Random, now: int) -> str:
        """Undo an execution of the last minute, or a part of it; return what that was, in words."""
        self._gather()
        orders = self._floor.matching.orders
        found = [
            it
            for it in orders.executions(ACCOUNT)
            if it.ts > now - RECENT and it.previous_execution_id is None and it.execution_id not in orders.revised
        ]
        if not found:
            return "there is none"
        done = random.choice(found)
        assert done.qty is not None
        assert done.price is not None
        left = random.randrange(done.qty // SHARE) * SHARE
        corrections.revise(self._floor.matching, done.execution_id, now, qty=left)
        self.busts += 1
        undone, price = Decimal(left - done.qty) / SHARE, Decimal(done.price) / DOLLAR
        order, side = done.order, OrderSide[done.order.side.name]
        name = f"{done.execution_id}~"
        self._executed.book(Execution(name, order.client_order_id, order.symbol, side, undone, price, now))
        return f"{-undone:f} of {order.client_order_id}"

    # -- what an auditor asks ---------------------------------------------------------------------------------

    def filled(self, order: str) -> Decimal:
        """Shares of an order of ours that were filled by now, whatever of that was undone since."""
        self._gather()
        return self._filled.get(order, ZERO)

    def check_account(self, most: Decimal) -> None:
        """Look at the account: what it holds must come of its executions. Raises Broken."""
        held, executed = self.positions(), self._executed
        if (held, self.cash()) != (executed.positions, CASH + executed.cash):
            raise Broken("executions", f"the account holds {held}, its executions come to {executed.positions}")
        for symbol, quantity in held.items():
            if abs(quantity - self.hand.shares(symbol)) > most and not self.busts:
                raise Broken(
                    "one position", f"{symbol}: the account holds {quantity}, more than the {most} of a position"
                )

    def cash(self) -> Decimal:
        """Money that would be in the account without the fees."""
        return Decimal(self._floor.matching.accounts[ACCOUNT].cash) / (DOLLAR * SHARE) + self.charged()

    def accrued(self) -> Decimal:
        """Fees that the account owes for today, in money."""
        return Decimal(self._floor.matching.fees.accrued(ACCOUNT)) / (DOLLAR * SHARE)

    def charged(self) -> Decimal:
        """Fees that the account was charged so far, in money."""
        return Decimal(self._floor.matching.accounts[ACCOUNT].fees) / (DOLLAR * SHARE)

    def positions(self) -> dict[str, Decimal]:
        """Shares held, negative for a short position."""
        account = self._floor.matching.accounts[ACCOUNT]
        return {symbol: Decimal(position.qty) / SHARE for symbol, position in account.positions.items()}

    def orders(self, now: int) -> dict[str, OrderReport]:
        """Every order of the account, by our id."""
        found: dict[str, OrderReport] = {}
        query = {"status": "all", "limit": "500", "direction": "desc"}
        while True:
            page = codec.decode(self.ask("GET", "/v2/orders", b"", now, query).body, list[codec.OrderBody])
            new = [body for body in page if body.our_id not in found]
            if not new:
                return found
            found |= {body.our_id: codec.order_report(body, now) for body in new}
            query["until"] = str(new[-1].submitted_at)
