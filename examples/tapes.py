"""A small tape for each strategy of the cookbook: what its sentence asks for, and what lacks one thing of it.

python examples/tapes.py fade > fade.jsonl
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain

import msgspec

from microbot import Quote, Trade

SECOND = 1_000_000_000
OPEN = round(datetime.fromisoformat("2026-01-05T09:30:00-05:00").timestamp()) * SECOND

Event = Trade | Quote


class Tape:
    """Prices of one symbol from the open on, each printed with its quote a cent away on both sides.

    `every` are the seconds between two prices, `size` that of a trade, `spread` the money between bid and ask, `book`
    the sizes wanted at the bid and at the ask.
    """

    def __init__(self, symbol: str = "XYZ", price: float = 100.0, every: float = 0.5) -> None:
        self.symbol = symbol
        self.price = price
        self.every = every
        self.size = 100.0
        self.spread = 0.02
        self.book = (500.0, 500.0)
        self.now = 0.0
        self.events: list[Event] = []

    def rest(self, seconds: float) -> Tape:
        """Print the price for so long, a cent up or down now and then."""
        for n in range(round(seconds / self.every)):
            self._print(self.price + (0.0, 0.01, 0.0, -0.01)[n // 3 % 4])
        return self

    def to(self, price: float, seconds: float) -> Tape:
        """Go to another price in a straight line."""
        came, steps = self.price, round(seconds / self.every)
        for n in range(1, steps + 1):
            self._print(came + (price - came) * n / steps)
        self.price = price
        return self

    def with_(self, **changed: object) -> Tape:
        """Change `size`, `spread` or `book` from here on."""
        for name, value in changed.items():
            setattr(self, name, value)
        return self

    def _print(self, price: float) -> None:
        self.now += self.every
        ts, price = OPEN + round(self.now * SECOND), round(price, 2)
        half, (bid_size, ask_size) = self.spread / 2, self.book
        bid, ask = round(price - half, 4), round(price + half, 4)
        self.events.append(Quote(self.symbol, ts, bid, ask, bid_size, ask_size))
        self.events.append(Trade(self.symbol, ts, price, self.size))


def merged(*tapes: Tape) -> list[Event]:
    """Return the events of several symbols in the order of their times."""
    return sorted(chain.from_iterable(tape.events for tape in tapes), key=lambda event: event.ts)


def rsi_filter() -> list[Event]:
    """A burst out of rest each way; then, each way, one at the end of a slow run that way."""
    tape = Tape().rest(30).to(100.10, 2).rest(40).to(100.00, 2).rest(40)
    tape.to(100.14, 70).to(100.20, 2).to(100.16, 1).rest(40)
    return tape.to(100.02, 65).to(99.96, 2).to(100.00, 1).rest(20).events


def ema_cross() -> list[Event]:
    """Prices that fall and rise, which turns the averages four times; at the second the spread is wide."""
    tape = Tape().to(99.70, 30).to(100.10, 30)
    tape.with_(spread=0.08).to(99.90, 25).with_(spread=0.02)
    return tape.to(100.20, 25).to(99.95, 25).events


def book_lean() -> list[Event]:
    """Four bursts: the book leans with it, and against it; the spread is wide; the book leans with it, downwards."""
    tape = Tape().rest(20).with_(book=(900.0, 100.0)).to(100.10, 2).rest(20)
    tape.with_(book=(300.0, 700.0)).to(100.20, 2).rest(20)
    tape.with_(book=(900.0, 100.0), spread=0.05).to(100.30, 2).with_(spread=0.02, book=(500.0, 500.0)).rest(20)
    return tape.with_(book=(100.0, 900.0)).to(100.20, 2).rest(20).events


def trailing() -> list[Event]:
    """Three bursts: the price runs on, and turns; stays where it is; runs on, and comes back to where we entered."""
    tape = Tape().rest(20).to(100.30, 10).rest(16).to(100.15, 8).rest(20)
    tape.to(100.25, 2).rest(80)
    return tape.to(100.40, 4).rest(16).to(100.26, 6).rest(20).events


def fade() -> list[Event]:
    """A jump up and one down, each of which comes back, and a slow rise that goes as far."""
    tape = Tape().rest(70).to(100.10, 1).to(100.00, 15).rest(70)
    tape.to(99.90, 1).to(100.00, 15).rest(70)
    return tape.to(100.10, 60).rest(30).events


def opening_range() -> list[Event]:
    """Half an hour between two prices, the break-outs after it each way, and one in the last hour of the day."""
    tape = Tape(every=10.0).to(100.60, 600).to(99.60, 600).to(100.20, 600)  # the range is there
    tape.to(100.50, 1_800).to(101.00, 600).to(100.20, 1_200)  # up, and back
    tape.to(99.30, 1_800).to(100.20, 1_200).rest(10_800)  # down, and back
    return tape.to(101.00, 1_200).rest(600).events


def market_filter() -> list[Event]:
    """Four bursts of XYZ: SPY goes with it, stands still, goes the other way, and goes with it downwards."""
    tape = Tape().rest(70).to(100.10, 2).rest(68).to(100.20, 2).rest(68).to(100.30, 2).rest(68).to(100.20, 2).rest(28)
    spy = Tape("SPY", 500.0, every=1.0).rest(40).to(500.20, 32).rest(38)
    spy.rest(100).to(500.00, 42).rest(38).to(499.80, 32).rest(28)
    return merged(tape, spy)


def trend_spike() -> list[Event]:
    """After minutes up a large second up, a large one down, and one up like any other; the same after minutes down."""
    tape = Tape().to(100.32, 250)
    for trend in (1, -1):
        _spikes(tape, trend)
        tape.to(tape.price - trend * 0.60, 240)
    return tape.events


def _spikes(tape: Tape, trend: int) -> None:
    for size, way in ((1_000.0, trend), (1_000.0, -trend), (100.0, trend)):
        tape.rest(11).with_(size=size).to(tape.price + way * 0.05, 1).with_(size=100.0).rest(8)


TAPES: dict[str, Callable[[], list[Event]]] = {
    made.__name__: made
    for made in (rsi_filter, ema_cross, book_lean, trailing, fade, opening_range, market_filter, trend_spike)
}


def lines(name: str) -> Iterator[str]:
    """Yield a tape as JSON Lines."""
    return (msgspec.json.encode(event).decode() for event in TAPES[name]())


if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in TAPES:
        sys.exit(f"name one of {', '.join(TAPES)}")
    print("\n".join(lines(sys.argv[1])))
