"""The kernel: the default strategy and risk in one compiled pass over columns, tick to decisions, for one setting.

It decides what `actors/engine`, `actors/risk` and the operators of the default strategy decide with simulated fills, in
the same order and on the same floats. It does no bookkeeping: what it decides are records, which
`research/engine/booking.py` books by the pipeline's exact money code.

Two things need that code while a tape is decided: whether a trade was a loss (the cooldown), and the equity (the daily
loss limit). The kernel reckons both in floats and knows how far it may be off. Where the answer would hang on that, or
where a price has too many digits to be filled exactly here, it stops, says what it has to know (`ASK_...`), and goes on
from there once it was told. So a run is a sequence of calls of `run`, each of which goes on where the last one stopped,
also in the middle of a row: every step of a row is either done twice without harm, or marked as done.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.events import EPSILON, SECOND
from research.engine.jit import compiled
from research.engine.windows import WINDOW, is_full, push

NEVER = 1 << 62

# ---------------------------------------------------------------------------------------- what is told by numbers

DONE, GROW, FULL, ASK_EXIT, ASK_ENTRY, ASK_EQUITY, BEYOND = range(7)
"""Why `run` returned: the batch is over; a ring or the records are full; a question; numbers beyond reckoning."""

SIGNAL, EXIT, DAY = range(3)
"""What a record says: a signal and the answer to it, the end of a position, the beginning of a trading day."""

APPROVED, HALTED, POSITION_OPEN, COOLDOWN = range(4)
"""What became of a signal."""

TP, SL, TIME, FLAT, HALT = range(5)
"""Why a position was closed."""

TRADE, QUOTE, CLOCK = range(3)

SPIKE_MET, RANGE_MET = 1, 2

# --------------------------------------------------------------------------------------------------------- state

STATE = np.dtype(
    [
        *WINDOW,
        ("bid", np.float64),  # the quote in force; 0 before the first
        ("ask", np.float64),
        ("price", np.float64),  # the last
        ("previous", np.float64),  # close of the candle before the one that runs; 0 without one
        ("candle_end", np.int64),  # ns
        ("last_ts", np.int64),  # of the last tick
        ("order", np.int64),  # in which symbols were heard of; -1: not yet
        ("burst", np.int64),  # direction of the one that runs, 0 for none
        ("signalled", np.int64),
        ("met", np.int64),  # bits of the gates that some tick of the burst met
        ("side", np.int64),  # of the open position, 0 without one
        ("signed", np.float64),  # shares of it, negative for a short one
        ("entry", np.float64),  # its entry price
        ("entry_ts", np.int64),
        ("time_due", np.int64),  # when its time stop fires
        ("flat_run", np.int64),  # flat candles in a row
        ("held", np.int64),  # input at which there was a position, last
        ("cooldown", np.int64),  # signals still to be skipped
    ],
    align=True,
)
"""What is known of a symbol."""

ACCOUNT = np.dtype(
    [
        ("before", np.int64),  # inputs before this batch
        ("row", np.int64),  # of the batch: where to go on
        ("now", np.int64),
        ("next_due", np.int64),  # when a timer may fire
        ("day", np.int64),  # index of the next midnight
        ("heard", np.int64),  # symbols heard of
        ("open", np.int64),  # positions
        ("halted", np.int64),
        ("equity", np.float64),
        ("floor", np.float64),  # equity and open profit at or below this: halt
        ("error", np.float64),  # how far these two may be off, at most; 0: they are what the pipeline has
        ("advancing", np.int64),  # timers are being fired
        ("halting", np.int64),  # positions are being closed
        ("asked", np.int64),  # the question that the last call ended with
        ("pending", np.int64),  # symbol that it is about
        ("entry", np.float64),  # the answers: the entry's price,
        ("after", np.float64),  # the equity after the exit,
        ("loss", np.int64),  # and whether it was a loss
        ("records", np.int64),
        ("ticks", np.int64),
        ("late", np.int64),
        ("ready", np.int64),
        ("bursts", np.int64),
        ("no_spike", np.int64),  # bursts without a signal, by what stood in the way
        ("no_range", np.int64),
        ("never_together", np.int64),
    ],
    align=True,
)
"""What is known of all symbols together, and where a run stands."""

RECORD = np.dtype(
    [
        ("what", np.int8),
        ("reason", np.int8),
        ("side", np.int8),
        ("symbol", np.int32),
        ("input", np.int64),  # number of the input that led to it, from 1
        ("ts", np.int64),  # the tick's of a signal
        ("now", np.int64),  # when it was filled, or began
        ("price", np.float64),  # of the tick
        ("quoted", np.float64),  # at which an order is filled, before slippage
        ("momentum", np.float64),
        ("volume_ratio", np.float64),
        ("range", np.float64),
    ],
    align=True,
)
"""A decision."""


RULES = np.dtype(
    [
        ("span", np.int64),  # ns, of the window
        ("min_ticks", np.int64),
        ("up", np.float64),  # momentum that points LONG
        ("down", np.float64),
        ("spike", np.float64),  # volume ratio that is not enough
        ("least_range", np.float64),
        ("goal", np.float64),  # move that takes the profit
        ("stop", np.float64),
        ("hold", np.int64),  # ns, until the time stop
        ("flat_candles", np.int64),
        ("flat_limit", np.float64),
        ("loss_limit", np.float64),  # fraction of the day's first equity, negative
        ("cooldown", np.int64),
        ("quantity", np.float64),  # shares
        ("at_quote", np.bool_),
        ("buy", np.int64),  # a fill's price is that quoted x buy / 10^places; 0: more digits than fit
        ("sell", np.int64),
        ("places", np.int64),
        ("share_fee", np.float64),  # money a share, each way
        ("value_fee", np.float64),  # fraction of the value, each way
        ("ask_all", np.bool_),  # no exit is reckoned here
    ],
    align=True,
)
"""The settings as the kernel asks them; thresholds have float noise in them already, as the pipeline's have."""

_TENS = np.array([10.0**n for n in range(23)])  # each exact
_DIGITS = 15  # of a fill's price
_MOST = 10**_DIGITS
_NOISE = 1e-14  # fraction of the sums by which a P/L in floats is off, at most: 45 roundings
_DRIFT = 1e-15  # likewise an equity, by one more trade

# ---------------------------------------------------------------------------------------------------------- money


@compiled
def fill_of(quoted: float, factor: int, places: int) -> float:
    """Return the price of a fill as the simulated broker has it: to 15 digits, half to even; -1 where that is not sure.

    It reckons with the whole number that the digits of a price are. A price of more digits than 15 has none here.
    """
    if not 1e-6 <= quoted < 1e14 or factor <= 0:
        return -1.0
    scale = _DIGITS - 1 - int(np.floor(np.log10(quoted)))
    if scale < 0 or scale > 22:
        return -1.0
    whole = np.rint(quoted * _TENS[scale])
    if whole >= 9e15 or whole / _TENS[scale] != quoted:
        return -1.0
    if places == 0 and whole < _MOST:
        return quoted
    digits = int(whole)
    while digits % 10 == 0:
        digits //= 10
        scale -= 1
    if digits >= _MOST or digits > (1 << 62) // factor:
        return -1.0
    digits *= factor
    scale += places
    cut = 1
    while digits // cut >= _MOST:
        cut *= 10
        scale -= 1
    if cut > 1:
        rest = digits % cut
        digits //= cut
        if 2 * rest > cut or (2 * rest == cut and digits % 2 == 1):
            digits += 1
    while digits % 10 == 0:
        digits //= 10
        scale -= 1
    if scale > 22 or scale < -22:
        return -1.0
    return float(digits / _TENS[scale] if scale >= 0 else digits * _TENS[-scale])


@compiled
def quoted_for(own: Any, buying: bool, rules: Any) -> float:
    """Return what an order would trade at now, without slippage."""
    if rules.at_quote:
        quote = own.ask if buying else own.bid
        if quote > 0.0:
            return float(quote)
    return float(own.price)


# --------------------------------------------------------------------------------------------------------- exits


@compiled
def leave(a: Any, states: Any, opened: Any, records: Any, symbol: int, reason: int, row: int, rules: Any) -> int:
    """Decide that a position is closed now, and close it if what it earned is sure enough; else ask."""
    own = states[symbol]
    buying = own.side < 0
    quoted = quoted_for(own, buying, rules)
    record = records[a.records]
    record.what, record.reason, record.side, record.symbol = EXIT, reason, own.side, symbol
    record.input, record.ts, record.now = a.before + row + 1, own.last_ts, a.now
    record.price, record.quoted = own.price, quoted
    record.momentum = record.volume_ratio = record.range = 0.0
    a.records += 1
    a.pending = symbol
    fill = fill_of(quoted, rules.buy if buying else rules.sell, rules.places)
    if fill < 0.0 or rules.ask_all:
        return ASK_EXIT
    quantity = rules.quantity
    traded = (own.entry + fill) * quantity
    fees = 2.0 * rules.share_fee * quantity + traded * rules.value_fee
    pnl = own.side * (fill - own.entry) * quantity - fees
    noise = (traded + fees) * _NOISE if fees > 0.0 or fill != own.entry else 0.0
    if abs(pnl + EPSILON) <= noise:
        return ASK_EXIT
    a.after = a.equity + pnl
    a.loss = pnl < -EPSILON
    if noise > 0.0:
        a.error += noise + (abs(a.after) + abs(a.floor)) * _DRIFT
    close(a, states, opened, rules)
    return DONE


@compiled
def close(a: Any, states: Any, opened: Any, rules: Any) -> None:
    """Close the position whose exit was decided last, with what that came to."""
    own = states[a.pending]
    own.side = 0
    place = 0
    while opened[place] != a.pending:
        place += 1
    a.open -= 1
    for at in range(place, a.open):  # their order is that in which they were opened
        opened[at] = opened[at + 1]
    a.equity = a.after
    if a.loss:
        own.cooldown = rules.cooldown


@compiled
def check_losses(a: Any, states: Any, opened: Any) -> int:
    """Begin to close all positions if the day's loss limit is reached; ask where that is not sure."""
    if a.halted:
        return DONE
    worth = a.equity
    for at in range(a.open):
        own = states[opened[at]]
        worth += (own.price - own.entry) * own.signed
    limit = a.floor + EPSILON
    if worth - 2.0 * a.error > limit:
        return DONE
    if a.error > 0.0 and worth + 2.0 * a.error > limit:
        return ASK_EQUITY
    a.halted = a.halting = 1
    return DONE


@compiled
def close_all(a: Any, states: Any, opened: Any, records: Any, row: int, rules: Any) -> int:
    """Close what is open, in the order in which the symbols were first heard of."""
    while a.open > 0:
        first = opened[0]
        for at in range(1, a.open):
            if states[opened[at]].order < states[first].order:
                first = opened[at]
        asked = leave(a, states, opened, records, first, HALT, row, rules)
        if asked:
            return asked
    a.halting = 0
    return DONE


@compiled
def exit_one(a: Any, states: Any, opened: Any, records: Any, symbol: int, reason: int, row: int, rules: Any) -> int:
    """Close a position, and all others if that was the day's last allowed loss."""
    asked = leave(a, states, opened, records, symbol, reason, row, rules)
    if asked:
        return asked
    asked = check_losses(a, states, opened)
    if asked:
        return asked
    return close_all(a, states, opened, records, row, rules) if a.halting else DONE


@compiled
def watch(a: Any, states: Any, opened: Any, records: Any, symbol: int, row: int, rules: Any) -> int:
    """Show a tick to the exits of its symbol's position, then look at the loss limit."""
    own = states[symbol]
    if own.side != 0:
        own.held = a.before + row
        if not a.halting:
            move = own.side * (own.price / own.entry - 1)
            reason = TP if move >= rules.goal else SL if move <= rules.stop else -1
            if reason >= 0:
                asked = exit_one(a, states, opened, records, symbol, reason, row, rules)
                if asked:
                    return asked
    if a.halting:
        asked = close_all(a, states, opened, records, row, rules)
        if asked:
            return asked
    if own.side != 0:
        asked = check_losses(a, states, opened)
        if asked:
            return asked
        if a.halting:
            return close_all(a, states, opened, records, row, rules)
    return DONE


# -------------------------------------------------------------------------------------------------------- timers


@compiled
def advance(a: Any, states: Any, opened: Any, records: Any, midnights: Any, ts: int, row: int, rules: Any) -> int:
    """Move the time to `ts`; on the way fire what is due: midnight, then time stops, then candles, then by symbol."""
    a.advancing = 1
    if a.halting:
        asked = close_all(a, states, opened, records, row, rules)
        if asked:
            return asked
    while True:
        due, rank, order, symbol = midnights[a.day], 0, -1, -1
        for at in range(a.open):
            own = states[opened[at]]
            if own.time_due < due or (own.time_due == due and rank == 1 and own.order < order):
                due, rank, order, symbol = own.time_due, 1, own.order, opened[at]
            elif own.time_due == due and rank == 2:
                rank, order, symbol = 1, own.order, opened[at]
            if own.candle_end < due or (own.candle_end == due and rank == 2 and own.order < order):
                due, rank, order, symbol = own.candle_end, 2, own.order, opened[at]
        if due > ts:
            a.next_due = due
            break
        a.now = max(a.now, due)
        asked = DONE
        if rank == 0:
            begin_day(a, records, row, rules)
        elif rank == 1:
            asked = exit_one(a, states, opened, records, symbol, TIME, row, rules)
        elif closes_flat(states[symbol], rules):
            asked = exit_one(a, states, opened, records, symbol, FLAT, row, rules)
        if asked:
            return asked
    a.now = max(a.now, ts)
    a.advancing = 0
    return DONE


@compiled
def begin_day(a: Any, records: Any, row: int, rules: Any) -> None:
    """Begin a trading day: losses count from here, and the halt for those before ends."""
    a.day += 1
    a.halted = 0
    a.floor = a.equity * (1 + rules.loss_limit)
    if a.records == 0 or records[a.records - 1].what != DAY:  # days on which nothing happened are one
        record = records[a.records]
        record.what, record.input, record.now = DAY, a.before + row + 1, a.now
        a.records += 1


@compiled
def closes_flat(own: Any, rules: Any) -> bool:
    """Close a candle, and say whether that is the last of the flat ones that close the position."""
    end, before = own.candle_end, own.previous
    own.candle_end = end + SECOND
    own.previous = own.price
    if end - SECOND < own.entry_ts:
        return False
    is_flat = before > 0.0 and abs(own.price / before - 1) <= rules.flat_limit
    own.flat_run = own.flat_run + 1 if is_flat else 0
    return bool(own.flat_run >= rules.flat_candles)


# ------------------------------------------------------------------------------------------------------- entries


@compiled
def end_burst(a: Any, own: Any) -> None:
    """Count what stood in the way of a burst that is over and gave no signal."""
    if not own.signalled:
        if not own.met & SPIKE_MET:
            a.no_spike += 1
        elif not own.met & RANGE_MET:
            a.no_range += 1
        else:
            a.never_together += 1


@compiled
def enter(
    a: Any, states: Any, opened: Any, records: Any, symbol: int, row: int, ratio: float, reach: float, rules: Any
) -> int:
    """Decide on a signal of the tick that runs, and open its position; ask for a price that cannot be filled here."""
    own = states[symbol]
    momentum = own.price / own.oldest_price - 1
    if not np.isfinite(momentum):
        return BEYOND
    own.signalled = 1
    reason = APPROVED
    if a.halted:
        reason = HALTED
    elif own.side != 0 or own.held == a.before + row:
        reason = POSITION_OPEN
    elif own.cooldown > 0:
        reason = COOLDOWN
        own.cooldown -= 1
    quoted = quoted_for(own, own.burst > 0, rules)
    record = records[a.records]
    record.what, record.reason, record.side, record.symbol = SIGNAL, reason, own.burst, symbol
    record.input, record.ts, record.now = a.before + row + 1, own.last_ts, a.now
    record.price, record.quoted = own.price, quoted
    record.momentum, record.volume_ratio, record.range = momentum, ratio, reach
    a.records += 1
    if reason != APPROVED:
        return DONE
    own.side = own.burst
    own.signed = own.burst * rules.quantity
    own.entry = fill_of(quoted, rules.buy if own.burst > 0 else rules.sell, rules.places)
    own.entry_ts = a.now
    own.time_due = a.now + rules.hold
    own.flat_run = 0
    opened[a.open] = symbol
    a.open += 1
    a.next_due = min(a.next_due, own.time_due, own.candle_end)
    a.pending = symbol
    return ASK_ENTRY if own.entry < 0.0 else DONE


@compiled
def run(
    account: Any, states: Any, ring: Any, opened: Any, records: Any, events: Any, midnights: Any, settings: Any
) -> int:
    """Go on through a batch of events; return why it stopped: `DONE` at its end, or what is to be seen to first."""
    a, rules = account[0], settings[0]
    kinds, symbols, times, prices, sizes, bids, asks = events
    if a.asked == ASK_EXIT:
        close(a, states, opened, rules)
    elif a.asked == ASK_ENTRY:
        states[a.pending].entry = a.entry
    if a.asked == ASK_EXIT or a.asked == ASK_EQUITY:
        check_losses(a, states, opened)  # what it is asked about is exact now
    a.asked = DONE
    for row in range(a.row, len(kinds)):
        kind = kinds[row]
        if kind > CLOCK:
            continue
        ts, symbol = times[row], symbols[row]
        own = states[symbol]
        if kind == TRADE:
            if ts < own.last_ts:
                a.late += 1
                continue
            if is_full(own):
                a.row, a.pending = row, symbol
                return GROW
        if a.records + 2 * a.open + 4 > len(records) and not (a.advancing or a.halting):
            a.row = row
            return FULL
        if ts > a.now or a.advancing:
            if ts >= a.next_due or a.advancing:
                asked = advance(a, states, opened, records, midnights, ts, row, rules)
                if asked:
                    a.row, a.asked = row, asked
                    return asked
            else:
                a.now = ts
        if kind == CLOCK:
            continue
        if own.order < 0:
            own.order = a.heard
            a.heard += 1
        bid, ask = bids[row], asks[row]
        if 0.0 < bid <= ask < np.inf:
            own.bid, own.ask = bid, ask
        if kind == QUOTE:
            continue
        price, size = prices[row], sizes[row]
        own.last_ts = ts
        if a.now >= own.candle_end:
            if own.candle_end > 0:
                own.previous = own.price
            own.candle_end = (a.now // SECOND + 1) * SECOND
        own.price = price
        if own.side != 0 or own.held == a.before + row:
            asked = watch(a, states, opened, records, symbol, row, rules)
            if asked:
                a.row, a.asked = row, asked
                return asked
        others = push(own, ring, ts, price, size, rules.span)
        a.ticks += 1
        count = own.next - own.oldest
        direction = 0
        if count >= rules.min_ticks and own.warm_from <= ts - rules.span:
            a.ready += 1
            momentum = price / own.oldest_price - 1
            if momentum >= rules.up:
                direction = 1
            elif momentum <= rules.down:
                direction = -1
        if direction != own.burst:
            if own.burst != 0:
                end_burst(a, own)
            own.burst = direction
            if direction != 0:
                own.signalled = own.met = 0
                a.bursts += 1
        if direction != 0 and not own.signalled:
            ratio = size * (count - 1) / others if others > 0.0 else 0.0
            spikes = rules.spike < ratio
            met = own.met | SPIKE_MET if spikes else own.met
            if spikes or not met & RANGE_MET:
                reach = own.high / own.low - 1
                if not (np.isfinite(ratio) and np.isfinite(reach)):
                    a.row = row
                    return BEYOND
                if rules.least_range <= reach:
                    met |= RANGE_MET
                    if spikes:
                        asked = enter(a, states, opened, records, symbol, row, ratio, reach, rules)
                        if asked:
                            a.row, a.asked = row + 1, asked
                            return asked
            elif not np.isfinite(ratio):
                a.row = row
                return BEYOND
            own.met = met
    a.row = len(kinds)
    return DONE


@compiled
def finish(account: Any, states: Any) -> None:
    """End the tape: bursts that still run are counted."""
    for symbol in range(len(states)):
        if states[symbol].burst != 0:
            end_burst(account[0], states[symbol])
            states[symbol].burst = 0
