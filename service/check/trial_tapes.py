"""The tapes that a strategy is tried on: the one that is given, and others made of it, or of nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random

import msgspec

from actors.engine.core import Input
from mock_exchange import market
from pipeline.events import SECOND, Clock, Gap, Quote, Trade, as_json
from service.errors import UserError
from service.recorded import tapes

MOST_EVENTS = 20_000
"""Of the tape: more would prove the same, and take longer."""

_OTHER = "MIRROR"

_MARKET = (("AAPL", "MSFT"), 7, 1_767_625_200 * SECOND, 1_800.0)
"""What is tried without a tape: symbols, seed, first moment (2026-01-05, 10:00 in New York) and seconds."""


def events_of(tape: Path | None) -> list[Input]:
    """Return the first events of a tape, or of the mock exchange's market. Raises UserError for one without trades."""
    if tape is None:
        lines = [as_json(event) for event in market.tape(*_MARKET)]
        events: list[Input] = [msgspec.json.decode(line, type=Trade | Quote) for line in lines]
    else:
        inputs = (event for batch in tapes.read(tape) for event in batch)
        events = list(islice((event for event in inputs if isinstance(event, Trade | Quote | Clock)), MOST_EVENTS))
    if not any(isinstance(event, Trade) for event in events):
        raise UserError(f"the tape {tape} has no trades: a strategy cannot be tried on it")
    return events


def busiest(events: Iterable[Input]) -> str:
    return Counter(event.symbol for event in events if isinstance(event, Trade)).most_common(1)[0][0]


def mirrored(events: Iterable[Input]) -> Iterator[Input]:
    """Yield every event twice, the second time of another symbol."""
    for event in events:
        yield event
        if isinstance(event, Trade | Quote):
            yield msgspec.structs.replace(event, symbol=_OTHER)


def with_another_future(event: Input) -> Input:
    """Return another future: prices that are a per cent higher."""
    if isinstance(event, Trade):
        return msgspec.structs.replace(event, price=event.price * 1.01, bid=None, ask=None)
    if isinstance(event, Quote):
        return msgspec.structs.replace(event, bid=event.bid * 1.01, ask=event.ask * 1.01)
    return event


def later(events: Sequence[Input], rounds: int) -> Iterator[Input]:
    """Yield the tape again, after its end, so often."""
    span = (max(event.ts for event in events) - min(event.ts for event in events) + SECOND) * rounds  # type: ignore[union-attr]
    for event in events:
        yield msgspec.structs.replace(event, ts=event.ts + span)  # type: ignore[union-attr]


def damaged(events: Sequence[Input]) -> Iterator[tuple[str, list[Input]]]:
    """Yield tapes as bad days have them, each with its name."""
    chance = Random(1)

    def some(change: Callable[[Trade], Iterable[Input]]) -> list[Input]:
        made: list[Input] = []
        for event in events:
            made += change(event) if isinstance(event, Trade) and chance.random() < 0.02 else [event]
        return made

    yield "gaps", some(lambda t: [t, Gap(t.ts, t.symbol, "check")])
    yield "crossed quotes", some(lambda t: [Quote(t.symbol, t.ts, t.price * 1.01, t.price * 0.99), t])
    yield (
        "no quotes",
        [
            msgspec.structs.replace(event, bid=None, ask=None) if isinstance(event, Trade) else event
            for event in events
            if not isinstance(event, Quote)
        ],
    )
    yield "ticks out of order", some(lambda t: [t, msgspec.structs.replace(t, ts=t.ts - SECOND)])
    yield "ticks of one time", some(lambda t: [msgspec.structs.replace(t) for _ in range(5)])
    yield "sizes of 0", some(lambda t: [msgspec.structs.replace(t, size=0.0)])
    yield "jumps of a tenth", some(lambda t: [t, msgspec.structs.replace(t, price=t.price * 1.1), t])
    yield (
        "an hour's silence",
        [
            *events[: len(events) // 2],
            *(msgspec.structs.replace(e, ts=e.ts + 3_600 * SECOND) for e in events[len(events) // 2 :]),  # type: ignore[union-attr]
        ],
    )


WARM_UP = 600  # ticks, one a second, before the position
PATHS: dict[str, Callable[[int], float]] = {
    "rises": lambda n: 1 + 0.00004 * n,
    "falls": lambda n: 1 - 0.00004 * n,
    "rises and falls back": lambda n: 1 + 0.0001 * min(n, 120) - 0.0001 * max(0, n - 120),
    "falls and comes back": lambda n: 1 - 0.0001 * min(n, 120) + 0.0001 * max(0, n - 120),
    "stands still": lambda n: 1.0,
    "jumps up": lambda n: 1.05 if n > 5 else 1.0,
    "jumps down": lambda n: 0.95 if n > 5 else 1.0,
}


LONGEST = 600  # seconds along a path, where no exit waits for longer


def along(path: str, seconds: int = LONGEST) -> Iterator[Input]:
    """Yield a tick a second: a wandering price to warm up by, then so many seconds along a path."""
    chance, start, price = Random(2), 1_767_623_400 * SECOND, 100.0
    for n in range(WARM_UP):
        price *= 1 + chance.gauss(0, 0.0002)
        yield Trade("CHECK", start + n * SECOND, round(price, 2), 100.0, round(price - 0.01, 2), round(price + 0.01, 2))
    for n in range(seconds):
        now = round(price * PATHS[path](n), 4)
        ts = start + (WARM_UP + n) * SECOND
        yield Trade("CHECK", ts, now, 100.0, round(now - 0.01, 4), round(now + 0.01, 4))
