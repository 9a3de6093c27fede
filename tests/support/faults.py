"""A bot that faults strike, and what has to be true of it all the same."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from actors.messages import OrderSubmitted, PositionClosed, SignalRaised
from pipeline.events import Refused
from service.recorded import tapes
from tests.support.bots import Log, Replayed
from tests.support.exchange import ExchangeServer, is_stop
from tests.support.live import Bot, wait_until

T = TypeVar("T")


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
        """Wait until so many inputs more were refused, beside prints that set no price, of which a market is full."""

        def so_far() -> int:
            return sum(event.count for event in self.fed(Refused))

        wait_until(lambda: so_far() >= count)

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


def books_agree(exchange: ExchangeServer, session: Replayed) -> None:
    """The venue has had the orders that were decided on, each entry once and approved, and all money is booked."""
    submitted = {fact.order.id: fact.order for fact in session.of(OrderSubmitted)}
    approved = {fact.decision for fact in session.of(SignalRaised) if fact.approved}
    at_venue = [order["client_order_id"] for order in exchange.orders]
    assert len(at_venue) == len(set(at_venue))
    assert set(at_venue) <= set(submitted)
    entries = [submitted[order].decision for order in at_venue if submitted[order].role == "entry"]
    assert len(entries) == len(set(entries))
    assert set(entries) <= approved
    profit = sum((fact.pnl + fact.fees for fact in session.of(PositionClosed)), Decimal(0))
    assert exchange.earned == profit.quantize(Decimal("0.01"))


def guarded(exchange: ExchangeServer, *symbols: str) -> bool:
    """Whether these symbols are held (by default both), and no others, each with a stop for all of it."""
    held = {(symbol, quantity.lstrip("-")) for symbol, quantity in exchange.positions.items()}
    stops = {(order["symbol"], order["qty"]) for order in exchange.open_orders if is_stop(order)}
    return {symbol for symbol, _ in held} == set(symbols or ("AAPL", "MSFT")) and stops == held


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has; 0 where there is no telling."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) * 1024
