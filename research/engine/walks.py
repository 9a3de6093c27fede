"""From readings to trades, compiled: many settings over one symbol, each step done once for all that share it.

Settings come sorted by what they ask of an entry. Bursts are found once for each entry threshold, among the ticks that
passed the threshold before it; of a burst, only ticks are kept that no earlier one of it dominates (a size and a range
at least as large), since the first tick to meet both conditions is never dominated. Signals are found once for each
pair of conditions. A walk then goes from signal to exit to the next signal that finds no position.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.events import EPSILON, SECOND
from research.engine.facts import BLOCK
from research.engine.jit import compiled

Tuple = tuple[Any, ...]
"""Compiled code is given tuples where others have names: its cache would be unreadable once a class has another."""

OPEN, TP, SL, TIME, FLAT = range(5)
"""How a position ended; OPEN: it did not, before the tape did."""

READY, BURSTS, SIGNALS, NO_SPIKE, NO_RANGE, NEVER, APPROVED, HELD, COOLED, STILL_OPEN, DOUBTFUL = range(11)
COUNTS = 11
"""What is counted of a choice of settings.

HELD and COOLED are signals refused for an open position and in the cooldown. DOUBTFUL: a trade came so near to even
that float numbers cannot tell whether it was a loss.
"""

CHUNK = 16
"""Ticks that point somewhere and are summed up together."""

_RECENT = 8  # of a burst's ticks, with which a further one is compared
_NOISE = 4e-16  # relative error of a price, and of what is reckoned from it
_MIX = 0x1E3779B97F4A7C15  # spreads keys over the places of a memo

CHOICE = np.dtype(
    [
        ("up", np.float64),  # momentum that points LONG; its negative points SHORT
        ("more", np.float64),  # volume ratio that is not enough
        ("least", np.float64),  # range that is
        ("goal", np.float64),  # move that takes the profit
        ("floor", np.float64),  # move that stops the loss
        ("limit", np.float64),  # up to which a second's move is flat
        ("hold", np.int64),  # ns until the time stop
        ("flat", np.int64),  # ns of flat seconds in a row
        ("exits", np.int64),  # the same number for choices with the same exits
        ("cooldown", np.int64),  # signals
        ("quantity", np.float64),  # shares
        ("fee", np.float64),  # money, for both ways
    ],
    align=True,
)
"""Settings as a walk asks for them; float noise is forgiven in them already. Sorted by `up`, `more` and `least`."""

POINTING = np.dtype(
    [("momentum", np.float64), ("ratio", np.float64), ("range", np.float64), ("tick", np.int64)], align=True
)
"""A tick that points somewhere."""

CHUNK_OF_TICKS = np.dtype(
    [
        ("low", np.float64),  # of the moves, whichever way
        ("high", np.float64),
        ("ratio", np.float64),  # the largest
        ("range", np.float64),
        ("first", np.int64),  # ticks
        ("last", np.int64),
        ("side", np.int64),  # 1 or -1 where they follow each other and all point there; else 0
    ],
    align=True,
)
"""What is known of ticks that point somewhere, so many together."""

BURST = np.dtype([("ratio", np.float64), ("range", np.float64), ("end", np.int64), ("side", np.int64)], align=True)
"""A burst: the largest of its readings, and where those of its ticks end (POINTING) that none before dominates."""

SIGNAL = np.dtype([("tick", np.int64), ("side", np.int64)], align=True)

EXIT = np.dtype(
    [
        ("key", np.int64),  # of what led to it, in a memo
        ("tick", np.int64),  # the last that was handled by then
        ("quote", np.int64),  # in force
        ("ts", np.int64),  # ns
        ("reason", np.int64),
        ("free", np.int64),  # the first tick that finds no position any more
    ],
    align=True,
)

TRADE = np.dtype(
    [
        ("entry", np.float64),  # prices
        ("exit", np.float64),
        ("ts", np.int64),  # of the exit, ns
        ("entered", np.int64),  # tick
        ("left", np.int64),  # the last tick that was handled by the exit
        ("side", np.int64),
        ("reason", np.int64),
    ],
    align=True,
)

FILL = np.dtype([("buy", np.float64), ("sell", np.float64)], align=True)
"""What is paid and got at a quote, or at a tick's price, slippage included."""


# -------------------------------------------------------------------------------------------------------- entries


@compiled
def pointing(seen: Tuple, min_ticks: int, up: float, ticks: Any) -> tuple[int, int]:
    """Collect the ready ticks that point somewhere; return how many are ready, and how many point.

    `seen` are the arrays of `Windowed`.
    """
    momenta, ratios, ranges, depths = seen
    ready = found = 0
    for tick in range(len(depths)):
        if depths[tick] < min_ticks:
            continue
        ready += 1
        momentum = momenta[tick]
        if momentum >= up or momentum <= -up:
            one = ticks[found]
            one.tick, one.momentum = tick, momentum
            one.ratio, one.range = ratios[tick], ranges[tick]
            found += 1
    return ready, found


@compiled
def sum_up(ticks: Any, count: int, chunks: Any) -> None:
    """Sum up ticks that point somewhere, CHUNK by CHUNK."""
    for start in range(0, count, CHUNK):
        end = min(start + CHUNK, count)
        chunk, head = chunks[start // CHUNK], ticks[start]
        chunk.first, chunk.last = head.tick, ticks[end - 1].tick
        low = high = abs(head.momentum)
        ratio, spread, up = head.ratio, head.range, head.momentum > 0
        is_run = chunk.last - chunk.first == end - 1 - start
        for at in range(start + 1, end):
            one = ticks[at]
            low, high = min(low, abs(one.momentum)), max(high, abs(one.momentum))
            ratio, spread = max(ratio, one.ratio), max(spread, one.range)
            is_run = is_run and (one.momentum > 0) == up
        chunk.low, chunk.high, chunk.ratio, chunk.range = low, high, ratio, spread
        chunk.side = (1 if up else -1) if is_run and low > 0 else 0


@compiled
def thinned(ticks: Any, count: int, chunks: Any, up: float) -> int:
    """Move the ticks that point at a threshold to the front, if that spares enough of them; return how many remain."""
    mixed = 0
    for number in range((count + CHUNK - 1) // CHUNK):
        mixed += chunks[number].low < up
    if mixed * CHUNK < count >> 2:
        return count
    kept = 0
    for at in range(count):
        momentum = ticks[at].momentum
        if momentum >= up or momentum <= -up:
            ticks[kept] = ticks[at]
            kept += 1
    sum_up(ticks, kept, chunks)
    return kept


@compiled
def find_bursts(
    ticks: Any, count: int, chunks: Any, up: float, more: float, least: float, alone: bool, bursts: Any, records: Any
) -> int:
    """Find the bursts at a threshold, and return how many there are.

    Records are only of ticks with a ratio above `more` and a range of `least`; where that pair of conditions is
    `alone`, the first of a burst will do.
    """
    found = kept = first = 0  # `first` record of the burst that runs
    following, pointed = -1, 0
    ratio = spread = 0.0
    for number in range((count + CHUNK - 1) // CHUNK):
        chunk = chunks[number]
        if chunk.high < up:
            continue
        if chunk.low >= up > 0 and chunk.first == following and chunk.side == pointed:
            needed = chunk.ratio > more and chunk.range >= least and not (alone and kept > first)
            if not needed:  # all of it goes on with the burst, and has no record
                ratio, spread = max(ratio, chunk.ratio), max(spread, chunk.range)
                following = chunk.last + 1
                continue
        for at in range(number * CHUNK, min(number * CHUNK + CHUNK, count)):
            one = ticks[at]
            side = 1 if one.momentum >= up else -1 if one.momentum <= -up else 0
            if side == 0:
                continue
            if one.tick != following or side != pointed:
                if found > 0:
                    end_burst(bursts[found - 1], ratio, spread, kept)
                bursts[found].side = side
                found += 1
                ratio, spread, first, pointed = one.ratio, one.range, kept, side
            else:
                ratio, spread = max(ratio, one.ratio), max(spread, one.range)
            following = one.tick + 1
            if one.ratio > more and one.range >= least:
                if kept > first and (alone or is_dominated(records, max(first, kept - _RECENT), kept, one)):
                    continue
                records[kept] = one
                kept += 1
    if found > 0:
        end_burst(bursts[found - 1], ratio, spread, kept)
    return found


@compiled
def end_burst(burst: Any, ratio: float, spread: float, end: int) -> None:
    """Write down a burst that is over."""
    burst.ratio, burst.range, burst.end = ratio, spread, end


@compiled
def is_dominated(records: Any, first: int, last: int, one: Any) -> bool:
    """Whether one of these records has both a ratio and a range that are as large as a tick's."""
    for at in range(last - 1, first - 1, -1):  # numba has no generators that are as fast
        if records[at].ratio >= one.ratio and records[at].range >= one.range:
            return True
    return False


@compiled
def find_signals(bursts: Any, count: int, records: Any, more: float, least: float, signals: Any, counts: Any) -> int:
    """Find the signal of each burst, the first tick that meets both conditions; return how many have one.

    What stood in the way of the others is counted.
    """
    found = start = 0
    no_spike = no_range = never = 0
    for number in range(count):
        burst = bursts[number]
        if not burst.ratio > more:
            no_spike += 1
        elif not burst.range >= least:
            no_range += 1
        else:
            at = start
            while at < burst.end and not (records[at].ratio > more and records[at].range >= least):
                at += 1
            if at < burst.end:
                signals[found].tick, signals[found].side = records[at].tick, burst.side
                found += 1
            else:
                never += 1
        start = burst.end
    counts[BURSTS], counts[SIGNALS] = count, found
    counts[NO_SPIKE], counts[NO_RANGE], counts[NEVER] = no_spike, no_range, never
    return found


# ---------------------------------------------------------------------------------------------------------- exits


@compiled
def timer_of(ticks: Any, seconds: Any, tick: int, choice: Any) -> tuple[int, int]:
    """Return when a position that is opened at a tick closes by time (ns), and whether as TIME or as FLAT.

    A second without a trade is flat: only those with trades can break a run of flat ones.
    """
    entry = ticks[tick]
    due, flat, limit = entry.now + choice.hold, choice.flat, choice.limit
    base = -(-entry.now // SECOND) * SECOND  # end of the last candle that does not count, or of one that is not flat
    at = entry.second
    while at < len(seconds) and base + flat < due:
        second = seconds[at]
        if second.end > base + flat:
            break
        if second.end > base and not second.move <= limit:
            base = second.end
        at += 1
    return (base + flat, FLAT) if base + flat < due else (due, TIME)


@compiled
def leave(course: Tuple, last: int, tick: int, side: int, entry: float, choice: Any, out: Any) -> None:
    """Find the end of a position that is opened at a tick, at a price of `entry`; the tape ends at `last` (ns).

    `course` are the arrays of `Course`.
    """
    ticks, seconds, blocks, quotes = course
    due, reason = timer_of(ticks, seconds, tick, choice)
    out.reason = reason
    high, low = (choice.goal, choice.floor) if side > 0 else (-choice.floor, -choice.goal)
    noise = entry * 1e-14 * (1.0 + abs(high) + abs(low))
    above, below = entry * (1.0 + high) - noise, entry * (1.0 + low) + noise  # nothing leaves between the two
    end = len(ticks)
    at = tick + 1
    while at < end:
        if at % BLOCK == 0:
            block = blocks[at // BLOCK]
            if block.high < above and block.low > below and block.latest < due:
                at += BLOCK
                continue
        one = ticks[at]
        if one.now >= due:
            break
        if one.price >= above or one.price <= below:
            move = one.price / entry - 1
            target, stop = (move >= high, move <= low) if side > 0 else (move <= low, move >= high)
            if target or stop:
                out.tick, out.quote, out.ts, out.free = at, one.quote, one.now, at + 1
                out.reason = TP if target else SL
                return
        at += 1
    at = min(at, end)
    out.tick, out.ts, out.free = at - 1, due, at
    out.quote = ticks[at - 1].quote
    if due > last:
        out.reason, out.ts, out.free = OPEN, last, end
        return
    beyond = ticks[at].quote if at < end else len(quotes) - 1
    while out.quote < beyond:  # to the last quote of before the time was due
        middle = (out.quote + beyond + 1) // 2
        if quotes[middle] < due:
            out.quote = middle
        else:
            beyond = middle - 1


@compiled
def price_of(at_quote: Any, at_last: Any, buys: bool, tick: int, quote: int) -> float:
    """Return what a fill costs at a tick, with a quote in force (-1: none yet); none counts if `at_quote` is empty."""
    fill = at_quote[quote] if quote >= 0 and len(at_quote) > 0 else at_last[tick]
    return float(fill.buy if buys else fill.sell)


@compiled
def walk(
    course: Tuple, at_quote: Any, at_last: Any, last: int, signals: Any, count: int, choice: Any, memo: Any,
    trades: Any, written: int, counts: Any,
) -> int:  # fmt: skip
    """Walk from signal to exit to the next signal, and write trades behind those before; return how many there are.

    The memo has one place for an exit that was found before, or as many as are a power of two.
    """
    ticks = course[0]
    at = skip = 0
    while at < count:
        signal = signals[at]
        at += 1
        if skip > 0:
            skip -= 1
            counts[COOLED] += 1
            continue
        counts[APPROVED] += 1
        tick, side = signal.tick, signal.side
        entry = price_of(at_quote, at_last, side > 0, tick, ticks[tick].quote)
        key = (choice.exits * len(ticks) + tick) * 2 + (side > 0)
        found = memo[((key * _MIX) >> 20) & (len(memo) - 1)]
        if found.key != key:
            found.key = key
            leave(course, last, tick, side, entry, choice, found)
        price = price_of(at_quote, at_last, side < 0, found.tick, found.quote)
        trade = trades[written]
        written += 1
        trade.entry, trade.exit, trade.ts, trade.entered = entry, price, found.ts, tick
        trade.left, trade.side, trade.reason = found.tick, side, found.reason
        before = at
        while at < count and signals[at].tick < found.free:
            at += 1
        counts[HELD] += at - before
        if found.reason == OPEN:
            counts[STILL_OPEN] += 1
            break
        pnl = side * (price - entry) * choice.quantity - choice.fee
        noise = choice.fee * _NOISE
        if price != entry:
            noise += choice.quantity * (price + entry) * _NOISE
        if abs(pnl + EPSILON) <= noise:
            counts[DOUBTFUL] += 1
        if pnl < -EPSILON:
            skip = choice.cooldown
    return written


# ------------------------------------------------------------------------------------------------------- together


@compiled
def decide(
    course: Tuple, seen: Tuple, at_quote: Any, at_last: Any, last: int, min_ticks: int, choices: Any, memo: Any,
    counts: Any, ends: Any,
) -> Any:  # fmt: skip
    """Decide with all the choices over one symbol; return their trades, of which each has those up to its `ends`."""
    ticks = np.empty(len(course[0]), POINTING)
    ready, pointed = pointing(seen, min_ticks, choices[0].up, ticks)
    chunks = np.empty(pointed // CHUNK + 1, CHUNK_OF_TICKS)
    sum_up(ticks, pointed, chunks)
    bursts, records, signals = np.empty(pointed, BURST), np.empty(pointed, POINTING), np.empty(pointed, SIGNAL)
    trades = np.empty(64, TRADE)
    written = start = found = count = 0
    for at in range(len(choices)):
        choice = choices[at]
        if at == 0 or choice.up != choices[at - 1].up:
            start = end = at
            more, least, alone = choice.more, choice.least, True
            while end < len(choices) and choices[end].up == choice.up:
                alone = alone and choices[end].more == more and choices[end].least == least
                more, least = min(more, choices[end].more), min(least, choices[end].least)
                end += 1
            pointed = thinned(ticks, pointed, chunks, choice.up)
            found = find_bursts(ticks, pointed, chunks, choice.up, more, least, alone, bursts, records)
        if at == start or choice.more != choices[at - 1].more or choice.least != choices[at - 1].least:
            count = find_signals(bursts, found, records, choice.more, choice.least, signals, counts[at])
        else:
            counts[at, :APPROVED] = counts[at - 1, :APPROVED]
        counts[at, READY] = ready
        if written + count > len(trades):
            more_room = np.empty(2 * (written + count), TRADE)
            more_room[:written] = trades[:written]
            trades = more_room
        written = walk(
            course, at_quote, at_last, last, signals, count, choice, memo, trades, written, counts[at]
        )  # fmt: skip
        ends[at] = written
    return trades[:written]


@compiled
def bound_losses(ticks: Any, choices: Any, ends: Any, trades: Any, midnights: Any, low: Any, closed: Any) -> None:
    """Add to each day's P/L what the trades of each choice closed with in it, and to `low` the least that was seen.

    That is a bound, in money: while it is held, a position is down by its stop at most, or by what it was at its entry.
    """
    number = 0
    for at in range(len(ends)):
        choice = choices[at]
        day = 0
        profit = least = 0.0
        while number < ends[at]:
            trade = trades[number]
            number += 1
            tick = ticks[trade.entered]
            at_entry, at_stop = trade.side * (tick.price - trade.entry), (choice.floor - EPSILON) * trade.entry
            worst = choice.quantity * min(at_entry, at_stop) * (1 + 1e-9)
            while day < len(midnights) and midnights[day] <= tick.now:
                low[at, day] += least
                closed[at, day] += profit
                profit = least = 0.0
                day += 1
            least = min(least, profit + worst)
            while day < len(midnights) and midnights[day] <= trade.ts:
                low[at, day] += least
                closed[at, day] += profit
                profit, least = 0.0, min(0.0, worst)
                day += 1
            if trade.reason != OPEN:
                profit += trade.side * (trade.exit - trade.entry) * choice.quantity - choice.fee
                least = min(least, profit)
        low[at, day] += least
        closed[at, day] += profit
