"""The brokerage: a real broker behind the gate, and what a session with one needs beyond a simulated one."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from actors.blotter import Order
from actors.brokers.alpaca.broker import AlpacaBroker
from actors.brokers.alpaca.settings import AlpacaAddress, BrokerSettings
from actors.brokers.outbox import Outbox
from actors.core import Core
from actors.messages import Report
from actors.orders import OrderStatus
from service.errors import UserError
from service.settings import Settings
from service.venues import KEY, SECRET

LIVE = AlpacaAddress("https://api.alpaca.markets", "wss://api.alpaca.markets/stream")
PAPER = AlpacaAddress()
_LIMITS: dict[str, Any] = {"max_spread": 0.002, "price_collar": 0.02, "orders_per_second": 5, "repeat_seconds": 1.0}
"""What holds at a broker where `[limits]` says nothing."""
_BOT_ID = re.compile("[0-9a-f]{8}")


class Brokerage:
    """One session's broker, its outbox in the core, and the book that its order ids begin with."""

    def __init__(
        self,
        address: AlpacaAddress,
        environment: Mapping[str, str],
        settings: BrokerSettings,
        symbols: tuple[str, ...],
        data_dir: Path,
        on_report: Callable[[list[Report]], None],
        now: Callable[[], int],
        random: Random,
    ) -> None:
        bot = bot_id(data_dir)
        self.book = f"mb-{bot}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
        self.outbox = Outbox()
        try:
            self.broker = AlpacaBroker(
                address,
                environment.get(KEY, ""),
                environment.get(SECRET, ""),
                settings,
                symbols,
                on_report,
                now,
                random,
                is_ours=lambda order: order.startswith(f"mb-{bot}-"),
            )
        except ValueError as error:
            raise UserError(str(error)) from None


def bot_id(data_dir: Path) -> str:
    """Return the name by which this data folder's bots know their orders again; it is made at the first start."""
    path = data_dir / "bot-id"
    try:
        known = path.read_text().strip()
    except FileNotFoundError:
        known = secrets.token_hex(4)
        path.write_text(known + "\n")
    if not _BOT_ID.fullmatch(known):
        raise UserError(f"{path} should hold 8 hexadecimal digits, and does not: put back what was in it")
    return known


def at_broker(settings: Settings) -> Settings:
    """Return the settings with those limits set that nobody should be without at a broker.

    Raises UserError for a protective stop that would come before the strategy's own.
    """
    stop, loss = settings.orders.protective_stop, settings.strategy.stop_loss
    if stop <= loss:
        raise UserError(
            f"orders.protective_stop ({stop:g}) must be wider than strategy.stop_loss ({loss:g}): it is the last resort"
        )
    given = settings.limits
    missing = {name: value for name, value in _LIMITS.items() if getattr(given, name) is None}
    return msgspec.structs.replace(settings, limits=msgspec.structs.replace(given, **missing))


def address_of(url: str | None, *, live: bool) -> AlpacaAddress:
    """Return where the broker is: `url` is the mock exchange of a rehearsal, in http or ws."""
    if url is None:
        return LIVE if live else PAPER
    rest = re.sub("^ws", "http", url.rstrip("/"))
    return AlpacaAddress(rest, re.sub("^http", "ws", rest) + "/stream")


def at_rest(core: Core) -> bool:
    """Whether nothing is on its way: no order works but protective stops that the venue has taken."""
    return all(_rests(entry) for entry in core.executor.blotter.working.values())


def _rests(entry: Order) -> bool:
    return entry.order.leg == "stop" and entry.status is OrderStatus.ACCEPTED and not entry.unwanted


def still_open(core: Core) -> tuple[str, ...]:
    """Describe each open position, and the stop that rests for it at the venue."""
    stops = {e.order.symbol: e.order.stop for e in core.executor.blotter.working.values() if _rests(e)}
    described = []
    for symbol, position in core.positions.open.items():
        stop = stops.get(symbol)
        guard = f"its stop rests at {stop:f}" if stop is not None else "NO STOP rests for it"
        described.append(f"{symbol} {position.side} {position.quantity:f} @ {position.entry_price:.2f} ({guard})")
    return tuple(described)
