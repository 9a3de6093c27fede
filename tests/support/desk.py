"""A session at a broker whose answers the test gives, and what an account says."""

from __future__ import annotations

from decimal import Decimal

from actors.execution.policy import OrderSettings
from actors.messages import (
    BrokerChanged,
    FeedState,
)
from actors.orders import (
    AccountReport,
    CancelOrder,
    HeldAtVenue,
    LookUpOrder,
    OrderReport,
    OrderSide,
    OrderStatus,
    SubmitOrder,
)
from actors.risk.risk import RiskSettings
from pipeline.strategy import Entries, Exits
from tests.support.market import at, clock, quote, trade
from tests.support.sessions import RestingBroker, Session, on_demand

S = OrderStatus
D = Decimal
ORDERS = OrderSettings()
BOOK = "mb-bot-s1"
TEN = RiskSettings(position_size=10.0, cooldown_trades_after_loss=0)


def account(
    seconds: float,
    *positions: HeldAtVenue,
    orders: tuple[OrderReport, ...] = (),
    history: tuple[OrderReport, ...] = (),
) -> AccountReport:
    money = D(100_000)
    return AccountReport(at(seconds), "PA1", money, money, money, positions, orders, history)


class Desk:
    """A session at a broker whose answers the test gives; the account was seen and nothing is in it."""

    def __init__(
        self,
        *,
        orders: OrderSettings = ORDERS,
        opened: bool = True,
        exits: Exits | None = None,
        entries: Entries = on_demand,
    ) -> None:
        self.broker = RestingBroker()
        self.session = Session(entries=entries, risk=TEN, broker=self.broker, orders=orders, book=BOOK, exits=exits)
        self.session.feed(quote(0, 99.99, 100.01), trade(0, 100), BrokerChanged(FeedState.LIVE, at(0)))
        if opened:
            self.session.feed(account(0))

    @property
    def orders(self) -> list[SubmitOrder]:
        return self.broker.of(SubmitOrder)

    @property
    def last(self) -> SubmitOrder:
        return self.orders[-1]

    @property
    def legs(self) -> list[str]:
        return [order.role for order in self.orders]

    @property
    def canceled(self) -> list[str]:
        return [cancel.id for cancel in self.broker.of(CancelOrder)]

    @property
    def looked_up(self) -> list[str]:
        return [question.id for question in self.broker.of(LookUpOrder)]

    @property
    def held(self) -> dict[str, Decimal]:
        positions = self.session.core.positions.open
        return {symbol: p.side.sign * p.quantity for symbol, p in positions.items()}

    def say(
        self, seconds: float, status: OrderStatus, filled: str = "0", average: str = "100", *, of: str = ""
    ) -> Desk:
        """Report on an order: the last one, or the last of a leg."""
        order = [o for o in self.orders if not of or o.role == of][-1]
        price = D(average) if D(filled) else None
        self.session.feed(
            OrderReport(order.id, order.symbol, order.side, status, order.quantity, D(filled), price, at(seconds), "v")
        )
        return self

    def enter(self, seconds: float = 1, side: str = "LONG") -> Desk:
        """Signal, fill the whole entry, and let the venue take the stop."""
        self.session.feed(trade(seconds, 100, says=side))
        return self.say(seconds, S.FILLED, "10").say(seconds, S.ACCEPTED)

    def tick(self, seconds: float, price: float) -> Desk:
        self.session.feed(trade(seconds, price))
        return self

    def pass_time(self, seconds: float) -> Desk:
        self.session.feed(clock(seconds))
        return self


def old(
    leg: str, filled: str, *, status: OrderStatus = S.FILLED, seconds: float = -5, side: OrderSide = OrderSide.BUY
) -> OrderReport:
    average = D(100) if D(filled) else None
    return OrderReport(f"mb-bot-s0.77.A.{leg}.1", "A", side, status, D(10), D(filled), average, at(seconds), f"v{leg}")
