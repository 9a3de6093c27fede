"""The machine around the kernel: its memory, which grows as a tape goes on, and the answers to its questions."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from actors.engine.core_settings import CoreSettings
from actors.engine.trading_day import LAST_DAY
from pipeline.events import EPSILON, SECOND
from research.engine import kernel
from research.engine.booking import Booking, Counts
from research.engine.columns import OTHER, Columns
from research.engine.kernel import NEVER
from research.engine.windows import FIRST_SLOTS, SLOT, move

LEAST_RECORDS = 4096


class BeyondReckoning(ValueError):
    """A tape holds numbers at which the core's strategy fails, and compiled code cannot follow it."""


class Machine:
    """Decides a tape for one setting, batch after batch, and books what is decided.

    `feed` takes the batches in order, `finish` ends the tape. In between it may be pickled, and goes on elsewhere.
    Memory is that of one window a symbol, and the decisions.
    """

    def __init__(self, settings: CoreSettings) -> None:
        self.booking = Booking(settings)
        self.rules = rules_of(settings)
        self._zone = settings.risk.timezone
        self._midnights: Any = np.empty(0, np.int64)
        self._symbols = 0  # whose state there is
        self._states = np.zeros(0, kernel.STATE)
        self._opened = np.empty(0, np.int64)
        self._ring = np.zeros(0, SLOT)
        self._slots = 0  # of the ring that are taken
        self._records = np.zeros(LEAST_RECORDS, kernel.RECORD)
        self._booked = 0  # records
        self._account = np.zeros(1, kernel.ACCOUNT)
        self._settle()

    @property
    def _view(self) -> Any:
        """The account's fields, by name."""
        return self._account.view(np.recarray)[0]

    def feed(self, batch: Columns) -> None:
        """Decide the next events. Raises BeyondReckoning."""
        account = self._view
        self._make_room(len(batch.symbols))
        if not len(batch):
            return
        self._know_days(batch)
        for _, event in batch.others:
            self.booking.count(event)
        account.row = 0
        events = batch[:7]
        while True:
            why = kernel.run(
                self._account,
                self._states,
                self._ring,
                self._opened,
                self._records,
                events,
                self._midnights,
                self.rules,
            )
            if why == kernel.BEYOND:
                number = int(account.before + account.row + 1)
                raise BeyondReckoning(f"with input {number:,} of the tape a reading of its window is no finite number")
            if why == kernel.GROW:
                self._grow(int(account.pending))
                continue
            self._book(batch)
            if why == kernel.DONE:
                break
        account.before += len(batch)

    def finish(self) -> None:
        """End the tape: bursts that still run are counted."""
        kernel.finish(self._account, self._states)

    def counts(self) -> Counts:
        """Return what was counted so far."""
        a = self._view
        return Counts(
            ticks=int(a.ticks),
            late=int(a.late),
            ready=int(a.ready),
            bursts=int(a.bursts),
            no_spike=int(a.no_spike),
            no_range=int(a.no_range),
            never_together=int(a.never_together),
            halted=bool(a.halted),
        )

    def _book(self, batch: Columns) -> None:
        """Book the records so far, and tell the kernel what that came to."""
        account = self._view
        self.booking.book(self._records[self._booked : account.records], batch.symbols)
        if account.asked in (kernel.DONE, kernel.FULL):
            account.records = 0
        self._booked = int(account.records)
        account.entry = self.booking.entry_price
        account.loss = self.booking.was_loss
        self._settle()

    def _settle(self) -> None:
        """Set equity and loss floor to what they are exactly."""
        account = self._view
        account.after = account.equity = float(self.booking.equity)
        account.floor = self.booking.loss_floor
        account.error = 0.0

    def _make_room(self, symbols: int) -> None:
        """Have a state for each symbol, with a ring of its own."""
        before = self._symbols
        if symbols <= before:
            return
        states = np.zeros(symbols, kernel.STATE)
        states[:before] = self._states
        new = states[before:]
        new["order"] = new["held"] = new["left"] = -1
        new["mask"] = FIRST_SLOTS - 1
        new["offset"] = self._slots + FIRST_SLOTS * np.arange(symbols - before)
        self._take((symbols - before) * FIRST_SLOTS)
        self._states = states
        opened = np.zeros(symbols, np.int64)
        opened[:before] = self._opened
        self._opened = opened
        if len(self._records) < LEAST_RECORDS + 4 * symbols:
            records = np.zeros(2 * (LEAST_RECORDS + 4 * symbols), kernel.RECORD)
            records[: len(self._records)] = self._records
            self._records = records
        self._symbols = symbols

    def _grow(self, symbol: int) -> None:
        """Give a symbol's window twice the slots."""
        state = self._states[symbol]
        slots = 2 * (int(state["mask"]) + 1)
        offset = self._slots
        self._take(slots)
        move(self._ring, state, slots, self._ring, offset)

    def _take(self, slots: int) -> None:
        """Take slots at the ring's end, which is made longer where it has too few."""
        self._slots += slots
        if self._slots > len(self._ring):
            longer = np.zeros(max(self._slots, 2 * len(self._ring)), SLOT)
            longer[: len(self._ring)] = self._ring
            self._ring = longer

    def _know_days(self, batch: Columns) -> None:
        """Have every midnight up to the one after the batch's last time."""
        timed = batch.ts[batch.kind != OTHER]
        if not len(timed):
            return
        known = self._midnights
        last = int(timed.max())
        if len(known) and known[-2] > last:
            return
        first = int(known[-2]) if len(known) else int(timed[0])
        self._midnights = np.array([*known[:-1], *midnights(self._zone, first, last), NEVER], np.int64)
        account = self._view
        account.next_due = min(account.next_due or NEVER, self._midnights[account.day])


def midnights(timezone: str, after: int, last: int) -> list[int]:
    """Return when each trading day begins (ns) from the one after `after` (ns) to the first one after `last`."""
    zone = ZoneInfo(timezone)
    day = datetime.fromtimestamp(after // SECOND, zone).date()
    found: list[int] = []
    while (not found or found[-1] <= last) and day < LAST_DAY:
        day += timedelta(days=1)
        at = round(datetime.combine(day, time.min, zone).astimezone(UTC).timestamp()) * SECOND
        if datetime.fromtimestamp(at // SECOND, zone).date() == day:
            found.append(at)
    return found or [NEVER]


def rules_of(settings: CoreSettings) -> Any:
    """Return the settings as the kernel asks them: an array of one."""
    s, risk, execution = settings.strategy, settings.risk, settings.execution
    buy, sell, places = _factors(execution.slippage_bps)
    model = execution.fee_model
    rules = {
        "span": round(s.window_size * SECOND),
        "min_ticks": s.min_ticks,
        "up": s.entry_threshold - EPSILON,
        "down": EPSILON - s.entry_threshold,
        "spike": s.volume_spike_multiplier + EPSILON,
        "least_range": s.volatility_guard_threshold - EPSILON,
        "goal": s.profit_target - EPSILON,
        "stop": -s.stop_loss + EPSILON,
        "hold": min(round(s.time_stop_seconds * SECOND), NEVER // 2),
        "flat_candles": min(s.flat_seconds, NEVER),
        "flat_limit": s.flat_threshold + EPSILON,
        "loss_limit": risk.daily_loss_limit,
        "cooldown": min(risk.cooldown_trades_after_loss, NEVER),
        "quantity": float(Decimal(str(risk.position_size))),
        "at_quote": execution.fill == "quote",
        "buy": buy,
        "sell": sell,
        "places": places,
        "share_fee": float(model.per_share),
        "value_fee": float(model.taker),
        "ask_all": model.alpaca,
    }
    return np.array([tuple(rules[name] for name in kernel.RULES.names or ())], kernel.RULES)


def _factors(slippage_bps: float) -> tuple[int, int, int]:
    """Return what prices are multiplied by for buys and sales, as whole numbers, and their places; 0: too long."""
    slippage = (Decimal(str(slippage_bps)) / 10_000).normalize()
    if not slippage:
        return 1, 1, 0
    places = max(0, -int(slippage.as_tuple().exponent))
    if places > 17:
        return 0, 0, 0
    one, more = 10**places, int(slippage.scaleb(places))
    return one + more, one - more, places
