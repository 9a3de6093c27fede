"""`python -m bench.earnings TAPE ...`: what strategies earn on tapes, and what of it the spread takes, as a table.

TAPE is what `microbot replay` reads, Binance's frames as they came (`<ns> <frame>` a line, .gz), or a day of ticks as
QuantConnect's LEAN keeps it (YYYYMMDD_trade.zip): trades alone, which have no spread.
"""

from __future__ import annotations

import gzip
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from math import sqrt
from pathlib import Path
from statistics import stdev
from typing import NamedTuple
from zoneinfo import ZoneInfo

from actors.engine.core import Core, Input
from actors.messages import Fact, PositionClosed, PositionOpened
from bench.results import ROOT
from examples.tapes import TAPES
from pipeline.events import SECOND, Quote, Trade
from pipeline.venues.binance import BinanceDialect
from pipeline.venues.conditions import lean_conditions
from pipeline.venues.dialect import Undone, VolumeOnly
from pipeline.venues.sale_prints import SalePrints
from service import settings, strategies
from service.recorded import tapes

STRATEGIES = {"momentum_burst": None, **{name: f"{ROOT}/examples/{name}.py:strategy" for name in TAPES}}
FILLS: dict[str, dict[str, object]] = {
    "quote": {},
    "last": {"fill": "last"},
    "late": {"latency_ms": 50.0, "latency_jitter_ms": 20.0},
}
"""Bought at the ask and sold at the bid at once; at the last price; at the quote, as late as `microbot run` has it."""

FEWEST = 10  # trades that a standard error is told of

HEAD = (
    "| tape | strategy | trades | won | gross at mid | spread paid | net | net at last price | net with latency |",
    "|---|---|--:|--:|--:|--:|--:|--:|--:|",
)


class Deal(NamedTuple):
    """A finished trade in basis points of its entry: what the middle moved in its favor, and what it brought."""

    gross: float
    net: float


def deals(events: Sequence[Input], strategy: str | None, fills: dict[str, object]) -> list[Deal]:
    """Decide on a tape, and return its finished trades. The size of a position is 0.01: only ratios are told."""
    effective = settings.load(environment={}, given={"risk": {"position_size": 0.01}, "execution": fills})
    found: list[Deal] = []
    entered: dict[str, float] = {}

    def middle(symbol: str, price: float) -> float:
        context = core.contexts[symbol]
        return price if context.bid is None or context.ask is None else (context.bid + context.ask) / 2

    def take(fact: Fact) -> None:
        if isinstance(fact, PositionOpened):
            entered[fact.symbol] = middle(fact.symbol, float(fact.entry_price))
        elif isinstance(fact, PositionClosed):
            entry, left = float(fact.entry_price), float(fact.exit_price)
            moved = middle(fact.symbol, left) - entered[fact.symbol]
            points = 10_000 * fact.side.sign / entry
            found.append(Deal(points * moved, points * (left - entry)))

    core = Core(effective.core, strategies.load(strategy, effective.strategy), take)
    core.run(events)
    return found


def rows(events: Sequence[Input], names: Sequence[str]) -> Iterator[str]:
    """Yield the lines of strategies on a tape, and one of those that did not trade."""
    symbols = {event.symbol for event in events if isinstance(event, Trade)}
    tape = ", ".join(sorted(symbols))
    quoted = any(isinstance(event, Quote) or getattr(event, "bid", None) is not None for event in events)
    idle = []
    for name in names:
        at_quote, at_last, late = (deals(events, STRATEGIES[name], fills) for fills in FILLS.values())
        if not (at_quote or at_last or late):
            idle.append(f"`{name}`")
        elif quoted:
            won = sum(deal.net > 0 for deal in at_quote)
            gross = _mean([deal.gross for deal in at_quote], "+.2f")
            spread = _mean([deal.gross - deal.net for deal in at_quote], ".2f")
            cells = (len(at_quote), won, gross, spread, _net(at_quote), _net(at_last, True), _net(late, True))
            yield f"| {tape} | `{name}` | {' | '.join(map(str, cells))} |"
        else:
            yield f"| {tape} | `{name}` | | | | | | {_net(at_last, True)} | |"
    if idle:
        yield f"| {tape} | {', '.join(idle)} | 0 | | | | | | |"


def _mean(values: Sequence[float], form: str) -> str:
    return f"{sum(values) / len(values):{form}}" if values else ""


def _net(found: list[Deal], counted: bool = False) -> str:
    """Return the mean, its standard error where there are enough trades to have one, and how many there are."""
    nets = [deal.net for deal in found]
    error = f" ± {stdev(nets) / sqrt(len(nets)):.2f}" if len(nets) >= FEWEST else ""
    return f"{_mean(nets, '+.2f')}{error}{f' ({len(nets)})' if counted else ''}".strip()


# ----------------------------------------------------------------------------------------------- what is read


def read(path: Path) -> list[Input]:
    """Return the events of a tape."""
    if re.fullmatch(r"\d{8}_trade\.zip", path.name):
        return list(_lean(path))
    if path.suffix == ".gz":
        with gzip.open(path, "rb") as file:
            if re.match(rb"\d+ \{", file.readline()):
                return list(_binance(path))
    return list(chain.from_iterable(tapes.read(path)))


def _binance(path: Path) -> Iterator[Input]:
    dialect = BinanceDialect()
    with gzip.open(path, "rb") as file:
        for line in file:
            for event in dialect.received([line.split(b" ", 1)[1]]).events:
                if not isinstance(event, VolumeOnly | Undone):  # which this venue has not
                    yield event


def _lean(path: Path) -> Iterator[Input]:
    midnight = datetime.strptime(path.name[:8], "%Y%m%d").replace(tzinfo=ZoneInfo("America/New_York"))
    begun = round(midnight.timestamp()) * SECOND
    prints = SalePrints()
    with zipfile.ZipFile(path) as archive:
        [name] = archive.namelist()
        symbol = name.split("_")[1].upper()
        for line in archive.read(name).decode().splitlines():
            ms, price, size, _, condition, suspicious = line.split(",")
            if suspicious == "0":
                trade = Trade(symbol, begun + int(ms) * 1_000_000, int(price) / 10_000, float(size))
                yield from prints.take(trade, "C", lean_conditions(int(condition or "0", 16)))


def main(paths: Sequence[str]) -> None:
    """Print the table."""
    if not paths:
        sys.exit("name at least one tape: python -m bench.earnings TAPE ...")
    print("\n".join(HEAD))
    for path in map(Path, paths):
        for line in rows(read(path), list(STRATEGIES)):
            print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
