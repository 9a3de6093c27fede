"""A broker's session without its broker: the market and the people that were heard, for other orders than were sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import msgspec

from actors.book import Book
from actors.engine.core import Input
from actors.execution.messages import OrderNews
from actors.messages import BrokerChanged
from actors.orders import AccountReport, FeesReport
from service.recorded import tapes
from service.settings import Settings

_OF_BROKER = (OrderNews, BrokerChanged, AccountReport, FeesReport)
_LOOKED_AT = 100_000  # inputs, in which a session's first account report is looked for


def without_broker(batches: Iterable[list[Input]]) -> Iterator[list[Input]]:
    """Leave out what the broker said of orders and account: with other orders, it would have said something else.

    What it said of an asset (whether it can be borrowed) and people's commands stay.
    """
    for batch in batches:
        yield [event for event in batch if not isinstance(event, _OF_BROKER)]


def settings_of(tape: Path, settings: Settings) -> Settings:
    """Return the settings with the equity that the account had at the session's start, unless they name another.

    Limits and sizes are parts of it, and without the broker's reports nothing else tells of it.
    """
    if "starting_equity" in settings.chosen_in("risk"):
        return settings
    for number, event in enumerate(chain.from_iterable(tapes.read(tape))):
        if isinstance(event, Book) or number > _LOOKED_AT:
            break  # a book that the session went on with has its equity
        if isinstance(event, AccountReport) and event.equity > 0:
            risk = msgspec.structs.replace(settings.risk, starting_equity=float(event.equity))
            return msgspec.structs.replace(settings, risk=risk)
    return settings


def said_of(tape: Path, settings: Settings) -> str:
    """Say that fills are simulated, and at what cost."""
    return (
        f"{tape} is of a session at a broker, which never saw the orders of other settings: fills are simulated "
        f"({costs_of(settings)}); `microbot calibrate` finds what the broker's cost"
    )


def costs_of(settings: Settings) -> str:
    """Name what a simulated fill costs, in a few words."""
    execution = settings.execution
    jitter = f" + {execution.latency_jitter_ms:g}" if execution.latency_jitter_ms else ""
    liquidity = f", {execution.participation:.0%} of the volume" if execution.liquidity == "displayed" else ""
    return (
        f"{execution.slippage_bps:g} bp of {execution.slippage_model} slippage, "
        f"{execution.latency_ms:g}{jitter} ms of latency{liquidity}"
    )
