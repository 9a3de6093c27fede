"""The venue: the mock exchange's market and matching engine, asked without a socket."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from urllib.parse import parse_qsl

from actors.brokers.alpaca import words
from actors.orders import OrderReport
from mock_exchange.alpaca.calls import Conduct, Request, Response
from mock_exchange.alpaca.rest import respond
from mock_exchange.alpaca.updates import report
from mock_exchange.events import Event
from mock_exchange.floor import Floor
from mock_exchange.market import Market
from mock_exchange.venue.money import DOLLAR
from pipeline.events import SECOND
from simulation.faults import Faults

ACCOUNT = "SIMULATION"
CASH = 100_000  # dollars


class Venue:
    """One account at the mock exchange, its market, and the updates that wait to be told."""

    def __init__(self, symbols: tuple[str, ...], seed: int, start: int, faults: Faults, random: Random) -> None:
        self.faults = faults
        self.symbols = symbols
        self._random = random
        self._market = Market(symbols, seed, start)
        self._floor = Floor(symbols, (ACCOUNT,), cash=CASH * DOLLAR, seed=seed, start_ns=start, history_events=1_000)

    @property
    def next_ts(self) -> int:
        """When the market moves next, ns."""
        return self._market.next_ts

    @property
    def quoted(self) -> bool:
        """Whether every symbol has a price."""
        return len(self._floor.matching.prices) == len(self.symbols)

    def advance(self, now: int) -> list[Event]:
        """Let the market move up to `now`; return what happened there."""
        self._floor.matching.most_displayed = 1 if self.faults.thin_book else None
        events = self._market.due(now, 10_000)
        self._floor.advance(events)
        return events

    def ask(self, method: str, path: str, body: bytes, now: int) -> Response:
        """Make a REST call."""
        path, _, query = path.partition("?")
        slow = method == "DELETE" and self._random.random() < self.faults.slow_cancel
        ordering = (method, path) == ("POST", "/v2/orders")
        conduct = Conduct(
            reject=ordering and self._random.random() < self.faults.reject, cancel_delay_ns=SECOND if slow else 0
        )
        return respond(self._floor, ACCOUNT, Request(method, path, dict(parse_qsl(query)), body), now, conduct)

    def updates(self) -> list[bytes]:
        """Take the updates that are to be told, as the trading stream tells them."""
        return [encoded for _, encoded in map(report, self._floor.take_updates())]

    # -- what an auditor asks ---------------------------------------------------------------------------------

    def cash(self, now: int) -> Decimal:
        """Money in the account."""
        return words.decode(self.ask("GET", "/v2/account", b"", now).body, words.AccountBody).cash

    def positions(self, now: int) -> dict[str, Decimal]:
        """Shares held, negative for a short position."""
        held = words.decode_all(self.ask("GET", "/v2/positions", b"", now).body, words.PositionBody)
        return {position.symbol: position.quantity for position in map(words.held, held)}

    def orders(self, now: int) -> dict[str, OrderReport]:
        """Every order of the account, by our id."""
        found: dict[str, OrderReport] = {}
        until = ""
        while True:
            path = f"/v2/orders?status=all&limit=500&direction=desc{until}"
            page = words.decode_all(self.ask("GET", path, b"", now).body, words.OrderBody)
            new = [body for body in page if body.our_id not in found]
            if not new:
                return found
            found |= {body.our_id: words.order_report(body, now) for body in new}
            until = f"&until={new[-1].submitted_at}"
