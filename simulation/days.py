"""Many days, unattended: the bot at a market that keeps trading hours, with holidays, early closes and daylight saving.

Nights are skipped, and so is the middle of each session, where less of it is asked for: as if the machine slept.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from actors.messages import ExitReason, OrderSubmitted, PositionClosed, SignalRaised, TradingState
from actors.orders import OrderRole
from mock_exchange.venue import hours
from mock_exchange.venue.hours import TradingSession
from pipeline.events import SECOND
from simulation.broken import Broken
from simulation.faults import EAGER, NONE, Scenario
from simulation.world import World

FIRST_DAY = date(2026, 10, 26)
"""Followed by the end of daylight saving, Thanksgiving and two early closes within 60 days."""

EDGE_S = 60.0  # of a night, what is run before the open and after the close
ENTER_WITHIN_S = 300.0
"""Seconds after an open within which the strategy, which trades all the time, has to have entered."""
_FLAT_WITHIN_S = 120.0  # until nothing is held, before the middle of a session is skipped
_FLATTEN_NS = round(EAGER.limits.flatten_before_close_s * SECOND)


class DayResult(NamedTuple):
    """What one day came to. Times are in ns since the epoch."""

    session: TradingSession
    entries: int  # orders
    trades: int
    first_entry: int
    last_exit: int
    closed_by_hours: int  # positions that were closed since the market was about to close

    def __str__(self) -> str:
        opens, closes = hours.clock_times(self.session)
        after, before = (
            (self.first_entry - self.session.opens) / SECOND,
            (self.session.closes - self.last_exit) / SECOND,
        )
        return (
            f"{opens:%a %Y-%m-%d %H:%M}-{closes:%H:%M} {opens:%Z}: {self.entries} entries, {self.trades} trades; first "
            f"entry {after:.1f} s after the open, flat {before:.1f} s before the close"
        )


class Days:
    """Runs the bot through `days` dates from `first` on; `minutes` of each session's beginning and of its end."""

    def __init__(self, seed: int, first: date, days: int, minutes: float) -> None:
        self.sessions = hours.sessions_of(first, first + timedelta(days - 1))
        self._edge_ns, self._part_ns = round(EDGE_S * SECOND), round(minutes * 60 * SECOND)
        start = self.sessions[0].opens - self._edge_ns if self.sessions else 0
        self.world = World(seed, Scenario(NONE, start=start, sessions=self._when_prices_move))

    def run(self) -> Iterator[DayResult]:
        """Yield what each day comes to. Raises Broken as soon as a rule does not hold, the days' own ones included."""
        world = self.world
        try:
            world.begin()
            for session in self.sessions:
                yield self._day(session)
            world.settle()
        finally:
            world.close()

    def _when_prices_move(self, ts: int) -> Iterator[TradingSession]:
        """Yield the parts of the sessions that are run, and whole sessions beyond the last."""
        for session in self.sessions:
            if session.closes - session.opens > 2 * self._part_ns:
                yield TradingSession(session.opens, session.opens + self._part_ns)
                yield TradingSession(session.closes - self._part_ns, session.closes)
            else:
                yield session
        yield from hours.sessions_from(self.sessions[-1].closes if self.sessions else ts)

    def _day(self, session: TradingSession) -> DayResult:
        scheduler, bot = self.world.scheduler, self.world.bot
        scheduler.skip_to(session.opens - self._edge_ns)
        scheduler.run_to(session.opens + self._part_ns)
        if scheduler.now < session.closes - self._part_ns:
            self._run_until_flat()
            scheduler.skip_to(session.closes - self._part_ns)
        scheduler.run_to(session.closes)
        self._check_flat()
        self.world.venue.close_market(scheduler.now)
        scheduler.run_to(session.closes + self._edge_ns)
        result = self._result(session)
        for part in bot.parts[:-1]:  # that of months is not to be kept in memory
            part.log.clear()
            part.facts.clear()
        bot.audit.facts.clear()
        return result

    def _run_until_flat(self) -> None:
        scheduler = self.world.scheduler
        end = scheduler.now + round(_FLAT_WITHIN_S * SECOND)
        while self.world.bot.core.positions.open and scheduler.now < end:
            scheduler.run_to(scheduler.now + SECOND)

    def _check_flat(self) -> None:
        """At the close nothing is held, and nothing works, on either side."""
        core, venue = self.world.bot.core, self.world.venue
        held = {symbol: position.quantity for symbol, position in core.positions.open.items()} or venue.positions()
        if held or core.orders.working:
            raise Broken("flat at the close", f"the bot holds {held}, and its orders work: {[*core.orders.working]}")
        if core.risk.state is not TradingState.ACTIVE:
            raise Broken("unattended", f"the bot is {core.risk.state}: {core.risk.state_reason}")

    def _result(self, session: TradingSession) -> DayResult:
        facts = self.world.bot.audit.facts
        entries = [f.ts for f in facts if isinstance(f, OrderSubmitted) and f.order.role == OrderRole.ENTRY]
        trades = [f for f in facts if isinstance(f, PositionClosed)]
        if not entries or entries[0] - session.opens > ENTER_WITHIN_S * SECOND:
            refused = sorted({str(f.reason) for f in facts if isinstance(f, SignalRaised) and f.reason is not None})
            why = f"; signals were refused as {', '.join(refused)}" if refused else ""
            raise Broken("entries on the open", f"none within {ENTER_WITHIN_S:g} s of the open{why}")
        if outside := [ts for ts in entries if not session.opens <= ts < session.closes - _FLATTEN_NS]:
            raise Broken("entries in hours", f"an entry was sent at {outside[0]}, outside of {session}")
        closing = sum(trade.exit_reason == ExitReason.CLOSE for trade in trades)
        return DayResult(session, len(entries), len(trades), entries[0], max(t.exit_ts for t in trades), closing)
