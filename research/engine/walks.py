"""From readings to trades, compiled: many settings over one symbol, each step done once for all that share it.

Settings come sorted by what they ask of an entry. Bursts are found once for each entry threshold, among the ticks that
passed the threshold before it; of a burst, only ticks are kept that no earlier one of it dominates (a size and a range
at least as large), since the first tick to meet both conditions is never dominated. Signals are found once for each
pair of conditions. A walk then goes from signal to exit to the next signal that finds no position.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.events import EPSILON, SECOND
from research.engine.facts import BLOCK, SymbolFacts
from research.engine.jit import compiled
from research.engine.readings import Windowed

OPEN, TP, SL, TIME, FLAT = 0, 1, 2, 3, 4
"""How a position ended; OPEN: it did not, before the tape did."""

READY, BURSTS, SIGNALS, NO_SPIKE, NO_RANGE, NEVER, APPROVED, HELD, COOLED, STILL_OPEN, DOUBTFUL = range(11)
COUNTS = 11
"""What is counted of a choice of settings.

HELD and COOLED are signals refused for an open position and in the cooldown. DOUBTFUL: a trade came so near to even
that float numbers cannot tell whether it was a loss.
"""

CHUNK = 16
CHUNK_OF_TICKS = np.dtype(
    [
        ("low", np.float64),  # of the moves, whichever way
        ("high", np.float64),
        ("ratio", np.float64),  # the largest
        ("range", np.float64),
        ("first", np.int32),  # ticks
        ("last", np.int32),
        ("side", np.int32),  # 1 or -1 where they follow each other and all point there; else 0
    ],
    align=True,
)
"""What is known of ticks that point somewhere, so many together."""

_RECENT = 8  # of a burst's ticks, with which a further one is compared
_NOISE = 4e-16  # relative error of a price, and of what is reckoned from it


class Fills(NamedTuple):
    """What is paid at each quote and at each tick's price, slippage included; quotes count with `at_quote` alone."""

    at_quote: bool
    buy: Any
    sell: Any
    buy_last: Any
    sell_last: Any


class Choices(NamedTuple):
    """Settings, sorted by `up`, `more` and `least`: an entry each in every array.

    A tick points LONG at a momentum of `up`, and has to have a volume ratio above `more` and a range of `least`. `goal`
    and `floor` are moves to leave at, `hold` and `flat` the ns of time stop and of flat candles, `limit` the move up to
    which one is flat; `exits` is the same for settings whose exits are. `fee` is money for both ways of `quantity`.
    """

    up: Any
    more: Any
    least: Any
    goal: Any
    floor: Any
    hold: Any
    flat: Any
    limit: Any
    exits: Any
    cooldown: Any
    quantity: Any
    fee: Any


class Ticks(NamedTuple):
    """Ticks that point somewhere, by their index, with what decides on them."""

    tick: Any
    momentum: Any
    ratio: Any
    range: Any


class Bursts(NamedTuple):
    """Bursts, each with the end of its records (`tick`, `ratio`, `range` of those that no earlier one dominates)."""

    side: Any
    end: Any
    most_ratio: Any
    most_range: Any
    tick: Any
    ratio: Any
    range: Any


class Memo(NamedTuple):
    """Exits that were found before, by entry and exit settings, each in the one place that it may have."""

    key: Any
    found: Any


@compiled
def pointing(seen: Windowed, min_ticks: int, up: float, ticks: Ticks) -> tuple[int, int]:
    """Collect the ready ticks that point somewhere; return how many are ready, and how many point."""
    ready = found = 0
    for tick in range(len(seen.depth)):
        if seen.depth[tick] < min_ticks:
            continue
        ready += 1
        momentum = seen.momentum[tick]
        if momentum >= up or momentum <= -up:
            ticks.tick[found] = tick
            ticks.momentum[found] = momentum
            ticks.ratio[found] = seen.volume_ratio[tick]
            ticks.range[found] = seen.range[tick]
            found += 1
    return ready, found


@compiled
def chunked(ticks: Ticks, count: int, chunks: Any) -> int:
    """Summarize the ticks, CHUNK by CHUNK; return how many chunks there are."""
    number = 0
    for start in range(0, count, CHUNK):
        end = min(start + CHUNK, count)
        chunk = chunks[number]
        chunk.first, chunk.last = ticks.tick[start], ticks.tick[end - 1]
        low = high = abs(ticks.momentum[start])
        ratio, spread, up = ticks.ratio[start], ticks.range[start], ticks.momentum[start] > 0
        is_run = chunk.last - chunk.first == end - 1 - start
        for at in range(start + 1, end):
            momentum = ticks.momentum[at]
            low, high = min(low, abs(momentum)), max(high, abs(momentum))
            ratio, spread = max(ratio, ticks.ratio[at]), max(spread, ticks.range[at])
            is_run = is_run and (momentum > 0) == up
        chunk.low, chunk.high, chunk.ratio, chunk.range = low, high, ratio, spread
        chunk.side = (1 if up else -1) if is_run and low > 0 else 0
        number += 1
    return number


@compiled
def find_bursts(
    ticks: Ticks, count: int, chunks: Any, up: float, more: float, least: float, alone: bool, out: Bursts
) -> int:
    """Find the bursts at a threshold, and return how many there are.

    Records are only of ticks with a ratio above `more` and a range of `least`; where that pair of conditions is
    `alone`, the first of a burst will do.
    """
    bursts = records = first = 0  # `first` record of the burst that runs
    following, pointed = -1, 0
    most_ratio = most_range = 0.0
    for number in range((count + CHUNK - 1) // CHUNK):
        chunk = chunks[number]
        if chunk.high < up:
            continue
        if (
            chunk.low >= up > 0 and chunk.first == following and chunk.side == pointed
            and not (chunk.ratio > more and chunk.range >= least and not (alone and records > first))
        ):  # fmt: skip  # all of it goes on with the burst, and has no record
            most_ratio, most_range = max(most_ratio, chunk.ratio), max(most_range, chunk.range)
            following = chunk.last + 1
            continue
        for at in range(number * CHUNK, min(number * CHUNK + CHUNK, count)):
            momentum = ticks.momentum[at]
            if momentum >= up:
                side = 1
            elif momentum <= -up:
                side = -1
            else:
                continue
            tick, ratio, spread = ticks.tick[at], ticks.ratio[at], ticks.range[at]
            if tick != following or side != pointed:
                if bursts > 0:
                    out.most_ratio[bursts - 1], out.most_range[bursts - 1] = most_ratio, most_range
                    out.end[bursts - 1] = records
                out.side[bursts] = side
                bursts += 1
                most_ratio, most_range, first, pointed = ratio, spread, records, side
            else:
                most_ratio, most_range = max(most_ratio, ratio), max(most_range, spread)
            following = tick + 1
            if ratio > more and spread >= least:
                if records > first and (
                    alone or is_dominated(out, max(first, records - _RECENT), records, ratio, spread)
                ):
                    continue
                out.tick[records], out.ratio[records], out.range[records] = tick, ratio, spread
                records += 1
    if bursts > 0:
        out.most_ratio[bursts - 1], out.most_range[bursts - 1] = most_ratio, most_range
        out.end[bursts - 1] = records
    return bursts


@compiled
def thinned(ticks: Ticks, count: int, chunks: Any, up: float) -> int:
    """Move the ticks that point at a threshold to the front, if that spares enough of them; return how many remain."""
    mixed = 0
    for number in range((count + CHUNK - 1) // CHUNK):
        mixed += chunks[number].low < up
    if mixed * CHUNK < count >> 2:
        return count
    kept = 0
    for at in range(count):
        momentum = ticks.momentum[at]
        if momentum >= up or momentum <= -up:
            ticks.tick[kept], ticks.momentum[kept] = ticks.tick[at], momentum
            ticks.ratio[kept], ticks.range[kept] = ticks.ratio[at], ticks.range[at]
            kept += 1
    chunked(ticks, kept, chunks)
    return kept


@compiled
def is_dominated(out: Bursts, first: int, last: int, ratio: float, spread: float) -> bool:
    """Whether one of these records has both a ratio and a range that are as large."""
    for record in range(last - 1, first - 1, -1):  # noqa: SIM110  # numba has no generators that are as fast
        if out.ratio[record] >= ratio and out.range[record] >= spread:
            return True
    return False


@compiled
def find_signals(bursts: Bursts, count: int, more: float, least: float, tick: Any, side: Any, counts: Any) -> int:
    """Find the signal of each burst, the first tick that meets both conditions; return how many have one.

    What stood in the way of the others is counted.
    """
    found = start = 0
    no_spike = no_range = never = 0
    for burst in range(count):
        end = bursts.end[burst]
        if not bursts.most_ratio[burst] > more:
            no_spike += 1
        elif not bursts.most_range[burst] >= least:
            no_range += 1
        else:
            record = start
            while record < end and not (bursts.ratio[record] > more and bursts.range[record] >= least):
                record += 1
            if record < end:
                tick[found], side[found] = bursts.tick[record], bursts.side[burst]
                found += 1
            else:
                never += 1
        start = end
    counts[BURSTS], counts[SIGNALS] = count, found
    counts[NO_SPIKE], counts[NO_RANGE], counts[NEVER] = no_spike, no_range, never
    return found


@compiled
def timer_of(facts: SymbolFacts, tick: int, hold: int, flat: int, limit: float) -> tuple[int, int]:
    """Return when a position that is opened at a tick closes by time (ns), and whether as TIME or as FLAT.

    A second without a trade is flat: only those with trades can break a run of flat ones.
    """
    entered = facts.ticks[tick].now
    due = entered + hold
    base = -(-entered // SECOND) * SECOND  # the end of the last candle that does not count, or of one that is not flat
    second = facts.ticks[tick].second
    while second < len(facts.seconds) and base + flat < due:
        end = facts.seconds[second].end
        if end > base + flat:
            break
        if end > base and not facts.seconds[second].move <= limit:
            base = end
        second += 1
    return (base + flat, FLAT) if base + flat < due else (due, TIME)


@compiled
def leave(
    facts: SymbolFacts, last: int, tick: int, side: int, entry: float, choices: Choices, at: int
) -> tuple[int, int, int, int, int]:
    """Find the end of a position: return tick, quote and time (ns) of its exit, how it ended, and the tick after it.

    That is the first at which the symbol has no position any more; the exit's tick is the last one until then.
    """
    due, reason = timer_of(facts, tick, choices.hold[at], choices.flat[at], choices.limit[at])
    goal, floor = choices.goal[at], choices.floor[at]
    high, low = (goal, floor) if side > 0 else (-floor, -goal)
    noise = entry * 1e-14 * (1.0 + abs(high) + abs(low))
    above, below = entry * (1.0 + high) - noise, entry * (1.0 + low) + noise  # nothing leaves between the two
    ticks = len(facts.ticks)
    number = tick + 1
    while number < ticks:
        if number % BLOCK == 0:
            end = min(number + BLOCK, ticks)
            block = facts.blocks[number // BLOCK]
            if block.high < above and block.low > below and block.latest < due:
                number = end
                continue
        at_tick = facts.ticks[number]
        if at_tick.now >= due:
            break
        price = at_tick.price
        if price >= above or price <= below:
            move = price / entry - 1
            target, stop = (move >= high, move <= low) if side > 0 else (move <= low, move >= high)
            if target or stop:
                return number, at_tick.quote, at_tick.now, TP if target else SL, number + 1
        number += 1
    quote = facts.ticks[number - 1].quote
    if due > last:
        return number - 1, quote, last, OPEN, ticks
    beyond = facts.ticks[number].quote if number < ticks else len(facts.quote_now) - 1
    while quote < beyond:  # to the last quote of before the time was due
        middle = (quote + beyond + 1) // 2
        if facts.quote_now[middle] < due:
            quote = middle
        else:
            beyond = middle - 1
    return number - 1, quote, due, reason, number


@compiled
def remembered(
    memo: Memo, facts: SymbolFacts, last: int, tick: int, side: int, entry: float, choices: Choices, at: int
) -> int:
    """Return where the memo has the end of a position, which is found now unless it is there."""
    key = (choices.exits[at] * len(facts.ticks) + tick) * 2 + (side > 0)
    place = ((key * 0x1E3779B97F4A7C15) >> 20) & (len(memo.key) - 1)
    if memo.key[place] != key:
        memo.key[place] = key
        found = memo.found[place]
        found[0], found[1], found[2], found[3], found[4] = leave(facts, last, tick, side, entry, choices, at)
    return int(place)


@compiled
def price_of(fills: Fills, buys: bool, tick: int, quote: int) -> float:
    """Return what a fill costs at a tick, with a quote in force (-1: none yet)."""
    if fills.at_quote and quote >= 0:
        return float(fills.buy[quote] if buys else fills.sell[quote])
    return float(fills.buy_last[tick] if buys else fills.sell_last[tick])


@compiled
def walk(
    facts: SymbolFacts, fills: Fills, last: int, tick: Any, side: Any, signals: int, choices: Choices, at: int,
    memo: Memo, times: Any, prices: Any, trades: int, counts: Any,
) -> int:  # fmt: skip
    """Walk from signal to exit to the next signal, and write trades behind those before; return how many there are.

    Of a trade, `times` gets tick, exit tick, time of the exit, side x reason, and the first tick after it; `prices`
    the entry's and the exit's.
    """
    quantity, fee = choices.quantity[at], choices.fee[at]
    signal = skip = 0
    while signal < signals:
        entered, direction = tick[signal], side[signal]
        signal += 1
        if skip > 0:
            skip -= 1
            counts[COOLED] += 1
            continue
        counts[APPROVED] += 1
        entry = price_of(fills, direction > 0, entered, facts.ticks[entered].quote)
        if len(memo.key) > 0:
            found = memo.found[remembered(memo, facts, last, entered, direction, entry, choices, at)]
            left, quote, ts, reason, free = found[0], found[1], found[2], found[3], found[4]
        else:
            left, quote, ts, reason, free = leave(facts, last, entered, direction, entry, choices, at)
        price = price_of(fills, direction < 0, left, quote)
        times[trades, 0], times[trades, 1], times[trades, 2] = entered, left, ts
        times[trades, 3], times[trades, 4] = direction * 8 + reason, free
        prices[trades, 0], prices[trades, 1] = entry, price
        trades += 1
        start = signal
        while signal < signals and tick[signal] < free:
            signal += 1
        counts[HELD] += signal - start
        if reason == OPEN:
            counts[STILL_OPEN] += 1
            break
        pnl = direction * (price - entry) * quantity - fee
        noise = fee * _NOISE if price == entry else (quantity * (price + entry) + fee) * _NOISE
        if abs(pnl + EPSILON) <= noise:
            counts[DOUBTFUL] += 1
        if pnl < -EPSILON:
            skip = choices.cooldown[at]
    return trades


@compiled
def decide(
    facts: SymbolFacts, seen: Windowed, fills: Fills, last: int, min_ticks: int, choices: Choices, memo: Memo,
    counts: Any, ends: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """Decide with all the choices over one symbol; return their trades, of which each has those up to its `ends`."""
    room = len(facts.ticks)
    ticks = Ticks(np.empty(room, np.int32), np.empty(room), np.empty(room), np.empty(room))
    ready, pointed = pointing(seen, min_ticks, choices.up[0], ticks)
    bursts = Bursts(
        np.empty(pointed, np.int8), np.empty(pointed, np.int64), np.empty(pointed), np.empty(pointed),
        np.empty(pointed, np.int32), np.empty(pointed), np.empty(pointed),
    )  # fmt: skip
    chunks = np.empty(pointed // CHUNK + 1, CHUNK_OF_TICKS)
    chunked(ticks, pointed, chunks)
    tick, side = np.empty(pointed, np.int32), np.empty(pointed, np.int8)
    times, prices = np.empty((64, 5), np.int64), np.empty((64, 2))
    trades = start = burst_count = signals = 0
    for at in range(len(choices.up)):
        if at == 0 or choices.up[at] != choices.up[at - 1]:
            start = at
            end = at
            while end < len(choices.up) and choices.up[end] == choices.up[at]:
                end += 1
            more, least = choices.more[start:end].min(), choices.least[start:end].min()
            alone = choices.more[start:end].max() == more and choices.least[start:end].max() == least
            pointed = thinned(ticks, pointed, chunks, choices.up[at])
            burst_count = find_bursts(ticks, pointed, chunks, choices.up[at], more, least, alone, bursts)
        if at == start or choices.more[at] != choices.more[at - 1] or choices.least[at] != choices.least[at - 1]:
            signals = find_signals(bursts, burst_count, choices.more[at], choices.least[at], tick, side, counts[at])
        else:
            counts[at, :APPROVED] = counts[at - 1, :APPROVED]
        counts[at, READY] = ready
        if trades + signals > len(times):
            times, prices = grown(times, prices, trades, 2 * (trades + signals))
        trades = walk(
            facts, fills, last, tick, side, signals, choices, at, memo, times, prices, trades, counts[at]
        )  # fmt: skip
        ends[at] = trades
    return times[:trades], prices[:trades]


@compiled
def grown(times: Any, prices: Any, trades: int, room: int) -> tuple[Any, Any]:
    """Return the trades in arrays with more room."""
    more_times, more_prices = np.empty((room, 5), np.int64), np.empty((room, 2))
    more_times[:trades], more_prices[:trades] = times[:trades], prices[:trades]
    return more_times, more_prices


@compiled
def bound_losses(
    facts: SymbolFacts, choices: Choices, ends: Any, times: Any, prices: Any, midnights: Any, low: Any, closed: Any
) -> None:
    """Add to each day's P/L what the trades of each choice closed with in it, and to `low` the least that was seen.

    That is a bound, in money: while it is held, a position is down by its stop at most, or by what it was at its entry.
    """
    trade = 0
    for at in range(len(ends)):
        day = 0
        profit = least = 0.0
        while trade < ends[at]:
            tick, left = times[trade, 0], times[trade, 2]
            side = 1.0 if times[trade, 3] > 0 else -1.0
            entry, price = prices[trade, 0], prices[trade, 1]
            at_entry, at_stop = side * (facts.ticks[tick].price - entry), (choices.floor[at] - EPSILON) * entry
            worst = choices.quantity[at] * min(at_entry, at_stop) * (1 + 1e-9)
            while day < len(midnights) and midnights[day] <= facts.ticks[tick].now:
                low[at, day] += least
                closed[at, day] += profit
                profit = least = 0.0
                day += 1
            least = min(least, profit + worst)
            while day < len(midnights) and midnights[day] <= left:
                low[at, day] += least
                closed[at, day] += profit
                profit, least = 0.0, min(0.0, worst)
                day += 1
            if (times[trade, 3] & 7) != OPEN:
                profit += side * (price - entry) * choices.quantity[at] - choices.fee[at]
                least = min(least, profit)
            trade += 1
        low[at, day] += least
        closed[at, day] += profit
