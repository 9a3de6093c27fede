"""What the tests of faults share: keys in the environment, and one bot that lives through all faults of market data."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TypeVar

import pytest

from actors.messages import OrderSubmitted, PositionClosed, SignalRaised
from service import tapes
from tests.support.bots import EAGER, ORDERS_IN_A_HURRY, Log, Replayed, at
from tests.support.exchange import KEYS, ExchangeServer
from tests.support.live import Bot, wait_until

T = TypeVar("T")

SPEED = 20
"""Venue seconds a real one."""

LENIENT = ("--set", "feed.stale_after_s=2", "--set", "risk.daily_loss_limit=-0.9")
"""Prices that are ten times too high cost a short position more than a day may."""


@pytest.fixture(autouse=True, scope="session")
def keys() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        yield


class Struck:
    """A bot that trades two symbols at an exchange, and what it says while faults strike it."""

    def __init__(self, exchange: ExchangeServer, bot: Bot) -> None:
        self.exchange = exchange
        self.bot = bot
        self.log = Log(bot)
        self._inputs = 0  # recorded before the fault

    def strike(self, *faults: str) -> None:
        """Turn faults on, and look only at what happens from now on."""
        self.log.forget()
        self._inputs = len(self._recorded())
        self.exchange.strike(*faults)

    def cut(self, *faults: str) -> None:
        """Lose the connection, and turn faults on that meet the next one."""
        self.strike("drop:0")
        wait_until(lambda: bool(self.log.of("feed.changed", state="DOWN")))
        self.strike(*faults)

    def fed(self, kind: type[T]) -> list[T]:
        """Return what the core was fed since the fault was turned on."""
        return [event for event in self._recorded()[self._inputs :] if isinstance(event, kind)]

    def _recorded(self) -> list[object]:
        return [event for batch in tapes.read(self.bot.folder / "r.jsonl") for event in batch]

    def refused(self, count: int) -> None:
        """Wait until the dashboard shows that so many inputs more were refused."""
        before = self.bot.state["metrics"]["ticks_rejected"]
        self.bot.until(lambda state: state["metrics"]["ticks_rejected"] >= before + count)

    def reasons(self) -> set[str]:
        """Return every reason for a refusal that the log explains, since the bot's start."""
        return {line["reason"] for line in Log(self.bot).of("feed.refused")}

    def recovers(self) -> None:
        """Turn all faults off, and wait until both symbols tick again, and may be traded."""
        self.exchange.strike()
        self.goes_on()
        assert self.bot.state["state"]["state"] == "ACTIVE"

    def goes_on(self) -> None:
        """Wait until both symbols tick."""
        before = {name: view["seen"] + view["skipped"] for name, view in self.bot.state["symbols"].items()}
        self.bot.until(
            lambda state: (
                state["feed"]["state"] == "LIVE"
                and all(
                    state["symbols"][name]["seen"] + state["symbols"][name]["skipped"] > seen
                    for name, seen in before.items()
                )
            )
        )


@pytest.fixture(scope="session")
def struck(keys: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Struck]:
    """One bot for all faults of market data; in the end, its books are compared with the venue's."""
    folder = tmp_path_factory.mktemp("struck")
    options = (*EAGER, *ORDERS_IN_A_HURRY, *LENIENT, "--record", "r.jsonl")
    with ExchangeServer("--speed", SPEED, "--seed", 3) as exchange:
        with at(exchange, folder, SPEED, *options, "--on-exit", "flatten") as bot:
            bot.until(lambda state: state["trades"])
            yield Struck(exchange, bot)
            exchange.strike()
            summary = bot.stop()
        books_agree(exchange, Replayed(folder / "r.jsonl"))
        assert exchange.positions == {}
        assert summary["open_positions"] == 0


def books_agree(exchange: ExchangeServer, session: Replayed) -> None:
    """The venue has had the orders that were decided on, each entry once and approved, and all money is booked."""
    submitted = {fact.order.id: fact.order for fact in session.of(OrderSubmitted)}
    approved = {fact.decision for fact in session.of(SignalRaised) if fact.approved}
    at_venue = [order["client_order_id"] for order in exchange.orders]
    assert len(at_venue) == len(set(at_venue))
    assert set(at_venue) <= set(submitted)
    entries = [submitted[order].decision for order in at_venue if submitted[order].leg == "entry"]
    assert len(entries) == len(set(entries))
    assert set(entries) <= approved
    profit = sum((fact.pnl for fact in session.of(PositionClosed)), Decimal(0))
    assert Decimal(exchange.get("/v2/account")["cash"]) - 100_000 == profit.quantize(Decimal("0.01"))


def guarded(exchange: ExchangeServer) -> bool:
    """Whether both symbols are held, and a stop rests for each."""
    stops = {(order["symbol"], order["qty"]) for order in exchange.open_orders if order["type"] == "stop"}
    held = {(symbol, quantity.lstrip("-")) for symbol, quantity in exchange.positions.items()}
    return len(held) == 2 and stops == held
