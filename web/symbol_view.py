"""What the dashboard shows of one symbol: ticks, chart, marks and gauges, each of them bounded."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from actors.messages import BurstBlocked, PositionClosed, PositionOpened
from actors.orders import OrderSide
from pipeline.events import Side
from web.bars import PriceCourse, Row
from web.messages import GaugesSeen, Heard, OperatorSeen, SymbolRecalled, Tick, TicksSeen
from web.readings import reading_data
from web.recent import Recent
from web.why import Why

TICKS_SHOWN = 50
MARKS_SHOWN = 200
BARS_TOLD = 600
"""Bars of a second in one event at most; a page that misses some asks for the chart again."""


class Mark(msgspec.Struct, frozen=True):
    """A buy or sell mark on the chart: a position's entry or exit. `ts` in nanoseconds."""

    ts: int
    price: float
    side: OrderSide
    leg: str  # "entry" or "exit"
    label: str  # LONG or SHORT at an entry, the reason at an exit
    decision_id: str
    pnl: float | None = None  # what the trade earned, at an exit


class SymbolView:
    """The state of one symbol, and which parts of it have changed since they were last told."""

    def __init__(self, name: str, chart_points: int) -> None:
        self.name = name
        self.chain = "RUNNING"
        self.seen_gauges: GaugesSeen | None = None
        self.why: Why | None = None  # it is not entered, or what becomes of what is held
        self.operators: tuple[OperatorSeen, ...] = ()
        self.measured: dict[str, Any] = {}  # the strategy's own metrics by name, ready for JSON
        self.blocked: BurstBlocked | None = None  # the last burst that gave no signal
        self.window_s: float | None = None  # that the strategy looks back
        self.ticks_seen = 0
        self.ticks_skipped = 0  # seen by the bot, left out of its messages
        self._first_price: float | None = None
        self._ticks: Recent[Tick] = Recent(TICKS_SHOWN)
        self.prices = PriceCourse(chart_points)
        self._marks: Recent[Mark] = Recent(MARKS_SHOWN)
        self._untold_since = math.inf  # the first second whose bar has changed
        self._price_told = True
        self._changed: set[str] = set()  # "gauges", "operators", "measured", "why"

    @property
    def last(self) -> Tick | None:
        """The newest tick."""
        return self._ticks.shown[-1] if self._ticks.shown else None

    def see(self, seen: TicksSeen) -> None:
        """Add ticks in the order in which they happened."""
        for tick in seen.ticks:
            if self._first_price is None:
                self._first_price = tick.price
            self._ticks.add(tick)
            self.ticks_seen += 1
            self._price_told = False
        self.ticks_skipped += seen.skipped
        self._untold_since = min(self._untold_since, self.prices.see(seen.bars))

    def recall(self, message: SymbolRecalled) -> None:
        """Take in what was shown before this process started; newer ticks may have come already."""
        self._first_price = message.first_price
        newer = list(self._ticks.shown)
        self._ticks.shown.clear()
        self._ticks.shown.extend((*message.ticks, *newer))
        self.ticks_seen += message.seen

    def see_gauges(self, message: GaugesSeen) -> None:
        """Replace the gauges."""
        self.seen_gauges = message
        self._changed.add("gauges")

    def see_operators(self, operators: tuple[OperatorSeen, ...]) -> None:
        """Replace what is known of the operators."""
        self.operators = operators
        self._changed.add("operators")

    def see_measured(self, measured: dict[str, Any]) -> None:
        """Replace the strategy's own metrics."""
        if measured != self.measured:
            self.measured = measured
            self._changed.add("measured")

    def see_why(self, why: Why) -> None:
        """Replace the sentence."""
        if why != self.why:
            self.why = why
            self._changed.add("why")

    @property
    def gauges(self) -> dict[str, Any] | None:
        """The gauges, ready for JSON."""
        seen = self.seen_gauges
        if seen is None:
            return None
        readings = [reading_data(reading) for reading in seen.readings]
        return {"symbol": seen.symbol, "ts": seen.ts, "ready": seen.ready, "readings": readings}

    def mark_entry(self, opened: PositionOpened | PositionClosed) -> None:
        """Mark where a position was entered, once per decision."""
        if any(mark.decision_id == opened.decision and mark.leg == "entry" for mark in self._marks.shown):
            return
        side = OrderSide.BUY if opened.side is Side.LONG else OrderSide.SELL
        self._marks.add(
            Mark(opened.entry_ts, float(opened.entry_price), side, "entry", opened.side.value, opened.decision)
        )

    def mark_exit(self, closed: PositionClosed) -> None:
        """Mark where a position was closed, and its entry too if that was never told."""
        self.mark_entry(closed)
        side = OrderSide.SELL if closed.side is Side.LONG else OrderSide.BUY
        reason = closed.exit_reason
        price, pnl = float(closed.exit_price), float(closed.pnl)
        self._marks.add(Mark(closed.exit_ts, price, side, "exit", reason, closed.decision, pnl))

    def untold(self, part: str) -> Any:
        """Return what is new of a part since it was last told, ready for JSON; None if nothing is.

        `ticks` and `marks` are those that are new; the other parts are told whole.
        """
        if part == "ticks":
            return self.untold_ticks()
        if part == "marks":
            return self.untold_marks() or None
        return getattr(self, part) if part in self._changed else None

    def untold_marks(self) -> list[Mark]:
        """Return the marks that are new since they were last told."""
        return list(self._marks.untold)

    def untold_ticks(self) -> dict[str, Any] | None:
        """Return the ticks and bars that are new since they were last told, None if there are none."""
        if not self._ticks.untold:
            return None
        bars: list[Row] = self.prices.since(self._untold_since)[-BARS_TOLD:]
        return {"ticks": list(self._ticks.untold), "bars": bars, "seen": self.ticks_seen, "skipped": self.ticks_skipped}

    def forget_untold(self) -> None:
        """Count everything as told."""
        self._ticks.untold.clear()
        self._marks.untold.clear()
        self._untold_since = math.inf
        self._changed.clear()

    def untold_price(self) -> tuple[float, float | None, int] | None:
        """Return the last price, the first one and the time of the last, None if no tick came since the last call."""
        last = self.last
        if self._price_told or last is None:
            return None
        self._price_told = True
        return last.price, self._first_price, last.ts

    def moment(self, now: int, heard: Heard) -> dict[str, Any]:
        """Return what is true at this moment only, ready for JSON: the age of the newest tick, and the sentence."""
        age_s, gap_s = heard.ticks.get(self.name, (None, None))
        said = self.why.sentence(now) if self.why is not None else ""
        return {"age_s": age_s, "gap_s": gap_s, "why": self.why, "sentence": said}

    def brief(self) -> dict[str, Any]:
        """Return what a list of symbols shows, ready for JSON."""
        last = self.last
        return {
            "price": last.price if last else None,
            "ts": last.ts if last else None,
            "first_price": self._first_price,
            "chain": self.chain,
        }

    def snapshot(self) -> dict[str, Any]:
        """Return everything but the chart, ready for JSON: ticks as [ts, price, size, bid, ask]."""
        last = self.last
        return self.brief() | {
            "bid": last.bid if last else None,
            "ask": last.ask if last else None,
            "seen": self.ticks_seen,
            "skipped": self.ticks_skipped,
            "ticks": list(self._ticks.shown),
            "marks": list(self._marks.shown),
            "gauges": self.gauges,
            "window_s": self.window_s,
            "blocked": self.blocked,
            "operators": self.operators,
            "measured": self.measured,
        }
