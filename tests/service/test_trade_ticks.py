"""trade_ticks: what was traded around a trade, bounded, in its order, and no more than that."""

from __future__ import annotations

from decimal import Decimal

from actors.gateway.journal import TradeTicks
from actors.messages import PositionClosed, PositionOpened
from pipeline.events import Side
from service.live.trade_ticks import AFTER_NS, MOST, TickKeeper
from tests.support.market import at
from web.messages import Tick

ONE = Decimal(1)


def ticks(*seconds: float) -> list[Tick]:
    return [Tick(at(second), 100.0 + second, 1.0, None, None) for second in seconds]


def opened(second: float, symbol: str = "A") -> PositionOpened:
    return PositionOpened(symbol, Side.LONG, ONE, ONE, at(second), "7", 1)


def closed(entry: float, leave: float, symbol: str = "A") -> PositionClosed:
    return PositionClosed(symbol, Side.LONG, ONE, at(entry), ONE, at(leave), ONE, "TP", ONE, 0.1, ONE, ONE, "7", 9)


def seconds(kept: TradeTicks) -> list[float]:
    return [(tick[0] if isinstance(tick, tuple) else tick.ts) / 1e9 - at(0) / 1e9 for tick in kept.ticks]


def test_a_trade_has_the_ticks_from_a_window_before_its_entry_until_a_while_after_its_exit() -> None:
    keeper = TickKeeper(15, 8)
    keeper.note_ticks("A", ticks(*range(30)))
    keeper.note_fact(opened(29))
    assert keeper.finished(at(29)) == []
    keeper.note_ticks("A", ticks(*range(30, 40)))
    keeper.note_fact(closed(29, 39))
    assert keeper.finished(at(39)) == []
    keeper.note_ticks("B", ticks(40, 41))
    keeper.note_ticks("A", ticks(40, 44, 45, 50))
    assert keeper.finished(at(44)) == []  # there may be more of it
    (kept,) = keeper.finished(at(50))
    assert (kept.decision, kept.symbol, kept.every) == ("7", "A", 1)
    assert [round(s) for s in seconds(kept)] == [*range(14, 41), 44]
    assert AFTER_NS == 5_000_000_000
    assert keeper.finished(at(60)) == []


def test_a_trade_that_opens_and_closes_between_two_looks_is_kept_too() -> None:
    keeper = TickKeeper(5, 8)
    keeper.note_ticks("A", ticks(*range(10)))
    keeper.note_fact(opened(8))
    keeper.note_fact(closed(8, 8.5))
    (kept,) = keeper.finished(at(9), all_of_them=True)
    assert [round(s) for s in seconds(kept)] == [*range(3, 10)]


def test_a_long_trade_is_thinned_and_keeps_its_beginning_and_its_end() -> None:
    keeper = TickKeeper(5, 8)
    keeper.note_ticks("A", ticks(0))
    keeper.note_fact(opened(0))
    keeper.finished(at(0))
    for start in range(1, 10_001, 100):
        keeper.note_ticks("A", ticks(*range(start, start + 100)))
    keeper.note_fact(closed(0, 10_000))
    (kept,) = keeper.finished(at(20_000))
    told = seconds(kept)
    assert len(told) < MOST
    assert kept.every == 16
    assert told == sorted(told)
    assert told[0] == 0
    assert told[-1] > 9_950


def test_no_more_symbols_are_remembered_than_are_shown() -> None:
    keeper = TickKeeper(5, 1)
    keeper.note_ticks("A", ticks(1))
    keeper.note_ticks("B", ticks(1))
    keeper.note_fact(opened(1, "B"))
    keeper.note_fact(closed(1, 2, "B"))
    (kept,) = keeper.finished(at(10))
    assert list(kept.ticks) == []
