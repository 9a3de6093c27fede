"""window: from ticks to frames, each with the statistics of a sliding time window."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from operator import attrgetter

from pipeline.events import SECOND, Trade
from pipeline.operators.frame import Condition, Frame
from pipeline.operators.framing import Framing, Join
from pipeline.operators.lift import Operator, Scheduler, Step
from pipeline.probe import Probe

_size = attrgetter("size")

# A running sum gathers float noise, of the order of the largest value that it had. It is added up afresh after this
# many ticks left the window, and at once when it has thinned out to this share of that largest value.
_RESUM_EVERY = 512
_THINNED = 1e-3

_NO_TICK = Trade("", -(1 << 62), 0.0, 0.0)
"""Fills an empty window, and leaves it when the first tick comes."""


def window(seconds: float = 15.0, min_ticks: int = 3) -> Operator[Trade, Frame]:
    """Frame every tick with its window: the ticks with ts in (tick.ts - seconds, tick.ts], itself included.

    A frame is `ready` once `seconds` have passed since the window was last empty and it holds `min_ticks`.

    Ticks must come in order of ts. The memory is that of the ticks of one window.
    """
    if not seconds > 0:
        raise ValueError(f"window: seconds must be more than 0, not {seconds}")
    if min_ticks < 1:
        raise ValueError(f"window: min_ticks must be 1 or more, not {min_ticks}")
    span = round(seconds * SECOND)

    def framing(emit: Callable[[Frame], None], scheduler: Scheduler, join: Join) -> Step:
        probe = Probe.of(scheduler)
        probe.warm_up = max(probe.warm_up, span)
        probe.min_ticks = max(probe.min_ticks, min_ticks)
        return _window(span, min_ticks, join(()), emit)

    return lambda source: Framing(source, "op.window", framing, windowed=True)


def _window(span: int, min_ticks: int, conditions: tuple[Condition, ...], emit: Callable[[Frame], None]) -> Step:
    ticks = deque([_NO_TICK])
    highs = deque([_NO_TICK])  # falling prices: the first is the window's highest
    lows = deque([_NO_TICK])  # rising prices: the first is the window's lowest
    append, popleft = ticks.append, ticks.popleft
    oldest = _NO_TICK
    newest = 0.0  # the last tick's price; 0 before the window's first
    warm_from = 0  # since when the window has not been empty
    volume = notional = 0.0  # sums over `ticks` of size and of price x size
    most = 0.0  # the largest volume since the sums were last added up afresh
    left = -1  # ticks that left since then; the first to leave is none

    def on_next(tick: Trade) -> None:
        nonlocal oldest, newest, warm_from, volume, notional, most, left
        ts, price = tick.ts, tick.price
        append(tick)
        start = ts - span
        if oldest.ts <= start:
            while oldest.ts <= start:  # at the latest the new tick is within the window
                popleft()
                left += 1
                size = oldest.size
                volume -= size
                notional -= size * oldest.price
                if highs[0] is oldest:
                    highs.popleft()
                if lows[0] is oldest:
                    lows.popleft()
                oldest = ticks[0]
            if volume < most * _THINNED or (left >= _RESUM_EVERY and left >= len(ticks) - 1):
                volume, notional = _sums_without_newest(ticks)
                most, left = volume, 0
            if oldest is tick:
                warm_from = ts
                newest = volume = most = notional = 0.0
        size = tick.size
        old_volume, old_notional = volume, notional  # without this tick
        volume += size
        if volume > most:
            most = volume
        notional += size * price
        # The newest tick is the last of both, so that the next one can shorten only one of them.
        if price == newest:
            highs[-1] = lows[-1] = tick
        else:
            if price > newest:
                while highs and highs[-1].price <= price:
                    highs.pop()
            else:
                while lows and lows[-1].price >= price:
                    lows.pop()
            highs.append(tick)
            lows.append(tick)
            newest = price
        count, base = len(ticks), oldest.price
        ready = count >= min_ticks and warm_from <= start
        high, low = highs[0].price, lows[0].price
        emit(Frame(tick, price, ready, price / base - 1, count, base, old_volume, old_notional, high, low, conditions))

    return Step(on_next)


def _sums_without_newest(ticks: deque[Trade]) -> tuple[float, float]:
    others = list(ticks)[:-1]
    return sum(map(_size, others)), sum([tick.price * tick.size for tick in others])
