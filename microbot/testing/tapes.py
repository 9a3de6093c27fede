"""Tapes made by hand: what happens in a market, one thing after the other."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from math import isfinite
from os import PathLike
from pathlib import Path
from random import Random

import msgspec
from msgspec.structs import replace

from actors.engine.core import Input
from pipeline.events import LONGEST_SYMBOL, SECOND, Clock, Gap, Quote, Trade, TradingStatus, as_json
from service.errors import UserError, writing

START = 1_767_623_400 * SECOND
"""2026-01-05 09:30 in New York, a whole second: where tapes begin unless they are told otherwise."""


class Tape(msgspec.Struct, frozen=True, kw_only=True):
    """Events in their order, and where they have got to. Each method returns a new tape, longer by what it says.

    A tape is iterable, so `backtest` takes it as it stands; tapes with a common beginning may share it.

    Attributes:
        symbol: Whose trades the methods print.
        start: Where second 0 is, in ns since 1970, UTC.
        now: Where the tape has got to, likewise.
        price: The last price.
        every: Nanoseconds between two trades.
        size: Shares of a usual trade.
        spread: Ask minus bid that each trade brings along, in money; None for trades without a quote.
        events: What happened so far.
    """

    symbol: str
    start: int
    now: int
    price: float
    every: int = SECOND
    size: float = 100.0
    spread: float | None = 0.02
    events: tuple[Input, ...] = ()

    def __iter__(self) -> Iterator[Input]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def __repr__(self) -> str:
        return f"<Tape of {self.symbol}: {len(self):,} events in {self.seconds:g} s, at {self.price:g}>"

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.now - self.start) / SECOND

    # ------------------------------------------------------------------------------------- what trades do

    def flat(self, seconds: float) -> Tape:
        """Trade at the last price for so long."""
        return self.drift(0.0, seconds)

    def drift(self, move: float, seconds: float, *, volume: float = 1.0) -> Tape:
        """Move the price evenly by `move` (a fraction, negative is down); trades are `volume` times the usual size."""
        span = _span(seconds)
        steps = max(1, round(span / self.every))
        target = self.price * (1 + _move(move))
        prices = [self.price + (target - self.price) * n / steps for n in range(1, steps + 1)]
        return self._trades(prices, span, volume)

    def burst(self, move: float, seconds: float = 3.0, *, volume: float = 5.0) -> Tape:
        """Move the price by `move` (a fraction, negative is down) in a short time and on large trades."""
        return self.drift(move, seconds, volume=volume)

    def spike(self, move: float, *, volume: float = 1.0) -> Tape:
        """Print one trade off the price by `move` (a fraction), and the next one back at it."""
        return self._trades([self.price * (1 + _move(move)), self.price], 2 * self.every, volume)

    def wander(self, seconds: float, by: float = 0.0001, *, seed: int = 1) -> Tape:
        """Move the price at random, with a standard deviation of `by` (a fraction) a trade; one seed, one path."""
        span, chance, price = _span(seconds), Random(seed), self.price
        prices = [price := price * max(0.5, 1 + chance.gauss(0, by)) for _ in range(max(1, round(span / self.every)))]
        return self._trades(prices, span)

    def prices(self, *prices: float) -> Tape:
        """Trade at these prices, one after the other."""
        return self._trades(prices, len(prices) * self.every)

    # ------------------------------------------------------------------------------------ and what else does

    def quiet(self, seconds: float) -> Tape:
        """Trade nothing for so long; the time goes on, so that timers fire."""
        now = self.now + _span(seconds)
        return self._with(Clock(now), now=now)

    def gap(self, seconds: float, move: float = 0.0) -> Tape:
        """Miss the market for so long, as at a reconnect: windows warm up again. It goes on elsewhere by `move`."""
        now = self.now + _span(seconds)
        return self._with(
            Clock(now), Gap(now, self.symbol, "missed"), now=now, price=_tidy(self.price * (1 + _move(move)))
        )

    def halt(self, seconds: float, move: float = 0.0) -> Tape:
        """Stop trading at the venue for so long, and resume elsewhere by `move` (a fraction)."""
        now = self.now + _span(seconds)
        stop, resume = (
            TradingStatus(ts, self.symbol, halted, "test") for ts, halted in ((self.now, True), (now, False))
        )
        return self._with(stop, Clock(now), resume, now=now, price=_tidy(self.price * (1 + _move(move))))

    def crossed(self, seconds: float = 1.0) -> Tape:
        """Trade at the last price for so long, with a bid above the ask."""
        return replace(replace(self, spread=-(self.spread or 0.02)).flat(seconds), spread=self.spread)

    def quote(self, bid: float, ask: float, bid_size: float | None = None, ask_size: float | None = None) -> Tape:
        """Quote, now: prices, and shares where they matter. The next trade brings its own quote, unless spread=None."""
        return self._with(Quote(self.symbol, self.now, bid, ask, bid_size, ask_size))

    def beside(self, other: Iterable[Input]) -> Tape:
        """Merge another symbol's tape into this one; of one time, ours comes first. It goes on after both."""
        others = tuple(other)
        events = sorted((*self.events, *others), key=lambda event: getattr(event, "ts", 0))
        return replace(self, events=tuple(events), now=max([self.now, *(getattr(e, "ts", 0) for e in others)]))

    def write(self, path: str | PathLike[str]) -> Path:
        """Write it as a file that `microbot replay` reads, compressed if the name ends in .gz; return its path.

        Raises UserError if the file cannot be written.
        """
        file = Path(path)
        lines = b"".join(as_json(event) + b"\n" for event in self.events)
        with writing(file):
            file.write_bytes(gzip.compress(lines, mtime=0) if file.suffix == ".gz" else lines)
        return file

    # -------------------------------------------------------------------------------------------- inside

    def _trades(self, prices: Iterable[float], span: int, volume: float = 1.0) -> Tape:
        """Trade at these prices, evenly within `span` (ns), the last one at its end."""
        tidy = [_tidy(price) for price in prices]
        made = [
            self._trade(self.now + round(span * n / len(tidy)), price, self.size * volume)
            for n, price in enumerate(tidy, 1)
        ]
        return self._with(*made, now=self.now + span, price=tidy[-1] if tidy else self.price)

    def _trade(self, ts: int, price: float, size: float) -> Trade:
        if self.spread is None:
            return Trade(self.symbol, ts, price, size)
        return Trade(self.symbol, ts, price, size, _tidy(price - self.spread / 2), _tidy(price + self.spread / 2))

    def _with(self, *events: Input, now: int = 0, price: float = 0.0) -> Tape:
        return replace(self, events=(*self.events, *events), now=now or self.now, price=price or self.price)


def tape(
    symbol: str = "AAPL",
    *,
    price: float = 100.0,
    every: float = 1.0,
    size: float = 100.0,
    spread: float | None = 0.02,
    start: int = START,
) -> Tape:
    """Begin a tape with a trade at second 0; its methods say what happens next.

        tape("AAPL").flat(30).burst(0.002).gap(60).flat(10)

    Args:
        symbol: Whose trades these are.
        price: Of the first trade.
        every: Seconds between two trades.
        size: Shares of a usual trade.
        spread: Ask minus bid of each trade's quote, in money; None for trades without one.
        start: The first moment, in ns since 1970, UTC.

    Raises:
        UserError: For what cannot be a tape; so do its methods.
    """
    if not 1 <= len(symbol) <= LONGEST_SYMBOL:
        raise UserError(f"a symbol has 1 to {LONGEST_SYMBOL} characters, and {symbol!r} has {len(symbol)}")
    if not (isfinite(price) and price > 0):
        raise UserError(f"a price must be above 0, not {price:g}")
    begun = Tape(symbol=symbol, start=start, now=start, price=price, every=_span(every), size=size, spread=spread)
    return begun._with(begun._trade(start, price, size))


def _span(seconds: float) -> int:
    """Return seconds as ns. Raises UserError unless they are above 0."""
    if not (isfinite(seconds) and seconds > 0):
        raise UserError(f"a time must be a number of seconds above 0, not {seconds:g}")
    return max(1, round(seconds * SECOND))


def _move(fraction: float) -> float:
    if not (isfinite(fraction) and fraction > -1):
        raise UserError(f"a move is a fraction above -1 (0.01 is one percent), not {fraction:g}")
    return fraction


def _tidy(price: float) -> float:
    """Return a price without float noise: eight digits."""
    return float(f"{price:.8g}")
