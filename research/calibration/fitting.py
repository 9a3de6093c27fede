"""The fit: latency, slippage and liquidity of the simulator, so that it does to these orders what the broker did."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean, median, stdev
from typing import Any, Literal

import msgspec

from actors.brokers.simulated import ExecutionSettings
from actors.orders import OrderRole
from pipeline.events import SECOND
from research.calibration.imitated import imitated
from research.calibration.observed import HORIZON, LiveOrder
from service.order_course import latencies as latencies, shortfalls

FEW = 15
"""Orders below which nothing is fitted."""

_MOST_BPS = 100.0  # of slippage: more is no slippage
_RISING = 0.1  # share of fills that more slippage makes dearer, below which limits cap too many of them
_SAME_BPS = 0.001
_FAR = 12.0  # means of the exponential beyond which a latency is another thing's: by chance, one in 160,000 is
_RAGGED = 0.05  # share of orders that are not filled whole at once, from which on liquidity is limited
_LEAST_RAGGED = 3
_STEPS = 7  # of a grid
_PARTS = (0.0, 0.25, 0.5, 1.0)


class Measured(msgspec.Struct, frozen=True):
    """One quantity, as it was live and as it is simulated with the settings found."""

    name: str
    unit: str
    live: float
    simulated: float
    error: float | None = None  # standard error of the live mean, where it is one
    orders: int = 0  # that it is of, or fills

    @property
    def left(self) -> float:
        """What is left of the error: simulated less live."""
        return self.simulated - self.live


class Fit(msgspec.Struct):
    """The settings that were found, by their names in [execution], and how well they do."""

    settings: dict[str, Any]
    too_few: dict[str, int]  # what was not fitted, and the orders that there were for it
    measured: list[Measured]
    notes: list[str]
    orders: int = 0


def fit(orders: Sequence[LiveOrder], base: ExecutionSettings) -> Fit:
    """Find latency, slippage and liquidity of these orders; `base` has the other settings of the simulation.

    Latency is exponential beyond a least one, by its likelihood. The rest is found by simulation: the parameter with
    which the simulated broker, given the same orders in the same market, comes to what the broker came to (McFadden,
    A method of simulated moments, 1989).
    """
    found = Fit({}, {}, [], [], len(orders))
    plain = ExecutionSettings(fill="quote", seed=base.seed, instruments=base.instruments, venue_rules=base.venue_rules)
    settings = _fit_latency(orders, plain, found)
    settings = _fit_liquidity(orders, settings, found)
    settings = _fit_slippage(orders, settings, found)
    found.measured = compare(orders, settings) if orders else []
    return found


def _with(settings: ExecutionSettings, **changes: Any) -> ExecutionSettings:
    return msgspec.structs.replace(settings, **changes)


# ------------------------------------------------------------------------------------------------ latency


def exponential(values: Sequence[float]) -> tuple[float, float]:
    """Fit a least value and an exponential mean beyond it: the estimates of least variance without a bias.

    Source: Sarhan, Estimation of the mean and standard deviation by order statistics (1954), for two parameters.

    >>> exponential([10.0, 12.0, 14.0])
    (9.0, 3.0)
    """
    count, least = len(values), min(values)
    beyond = (fmean(values) - least) * count / (count - 1)
    shift = least - beyond / count
    return (shift, beyond) if shift >= 0 else (0.0, max(fmean(values), 0.0))


def _fit_latency(orders: Sequence[LiveOrder], settings: ExecutionSettings, found: Fit) -> ExecutionSettings:
    values = latencies(orders)
    if len(values) < FEW:
        found.too_few["latency"] = len(values)
        return settings
    far = min(values) + _FAR * (median(values) - min(values)) / math.log(2) + 1.0
    usual = [value for value in values if value <= far]
    if len(usual) < len(values):
        found.notes.append(f"{len(values) - len(usual)} fills later than {far:.0f} ms are not counted as latency")
    shift, beyond = exponential(usual)
    chosen = {"latency_ms": round(shift, 1), "latency_jitter_ms": round(beyond, 1)}
    found.settings |= chosen
    return _with(settings, **chosen)


# ---------------------------------------------------------------------------------------------- liquidity


def _is_whole(order: LiveOrder) -> bool:
    return len(order.fills) == 1 and order.filled == order.order.quantity


def _fit_liquidity(orders: Sequence[LiveOrder], settings: ExecutionSettings, found: Fit) -> ExecutionSettings:
    """Find the fraction of the volume that reproduces how orders fill up, if they do not at once."""
    fair = [order for order in orders if order.was_marketable(_over(order))]
    if len(fair) < FEW:
        found.too_few["liquidity"] = len(fair)
        return settings
    ragged = sum(not _is_whole(order) for order in fair)
    if ragged < max(_LEAST_RAGGED, _RAGGED * len(fair)):
        found.settings["liquidity"] = "unlimited"
        return settings
    patience = _patience(orders, settings, found)
    settings = _with(settings, liquidity="displayed", latency_jitter_ms=0.0, **patience)

    def distance(participation: float, latency_ms: float) -> float:
        tried = _with(settings, participation=participation, latency_ms=latency_ms)
        return fmean(_apart(order, imitated(order, tried)) for order in fair)

    # A first fill waits for others' trades as well: how much of that was latency is found along with the rest.
    first, tries = median(latencies(fair) or [0.0]), []
    for part in _PARTS:
        participation = _least(lambda share, part=part: distance(share, part * first), 0.0005, 1.0)  # type: ignore[misc]
        tries.append((distance(participation, part * first), participation, part * first))
    _, participation, latency_ms = min(tries)
    chosen = {"participation": round(participation, 4), "latency_ms": round(latency_ms, 1), "latency_jitter_ms": 0.0}
    found.settings |= {"liquidity": "displayed", **chosen, **patience}
    return _with(settings, **chosen)


def _over(order: LiveOrder) -> int:
    whole = order.filled == order.order.quantity
    return order.fills[-1].ts if whole else min(order.cancel_ts or order.ended_ts, order.ts + HORIZON)


def _patience(orders: Sequence[LiveOrder], settings: ExecutionSettings, found: Fit) -> dict[str, float]:
    entries = [order for order in orders if order.order.role is OrderRole.ENTRY and order.cancel_ts is not None]
    waited = [(order.cancel_ts or 0) - order.ts for order in entries]
    if len(waited) < FEW:
        found.too_few["patience"] = len(waited)
        return {}
    return {"patience_s": max(0.1, round(median(waited) / SECOND - settings.latency_ms / 1_000, 1))}


def _apart(one: LiveOrder, other: LiveOrder) -> float:
    """Return seconds by which two courses of one order differ: the area between their filled fractions over time."""
    quantity = float(one.order.quantity)
    end = one.ts + HORIZON if one.cancel_ts is None else one.cancel_ts
    steps = sorted(
        [(min(fill.ts, end), float(fill.quantity) / quantity) for fill in one.fills]
        + [(min(fill.ts, end), -float(fill.quantity) / quantity) for fill in other.fills]
    )
    area, gap, before = 0.0, 0.0, one.ts
    for ts, change in (*steps, (end, 0.0)):
        area += abs(gap) * max(ts - before, 0) / SECOND
        gap, before = gap + change, max(ts, before)
    return area


def _least(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function of one positive number is least: on a grid of its logarithm, made finer twice."""
    a, b = math.log(low), math.log(high)
    for _ in range(3):
        grid = [a + (b - a) * step / (_STEPS - 1) for step in range(_STEPS)]
        values = [function(math.exp(at)) for at in grid]
        best = values.index(min(values))
        a, b = grid[max(0, best - 1)], grid[min(_STEPS - 1, best + 1)]
    return math.exp(grid[best])


# ----------------------------------------------------------------------------------------------- slippage


def slippages(orders: Sequence[LiveOrder]) -> list[float]:
    """Return basis points against us of each fill, beside the quote in force at its time; above 0 it cost something."""
    found = []
    for order in orders:
        for fill in order.fills:
            quoted = order.quote_at(fill.ts)
            if quoted:
                found.append(order.order.side.sign * (float(fill.price) - quoted) / quoted * 10_000)
    return found


def _fit_slippage(orders: Sequence[LiveOrder], settings: ExecutionSettings, found: Fit) -> ExecutionSettings:
    from scipy.stats import wasserstein_distance

    live = slippages(orders)
    if len(live) < FEW:
        found.too_few["slippage"] = len(live)
        return settings
    wanted = fmean(live)
    if wanted < 0:
        found.notes.append(
            f"fills were {-wanted:.2f} bp better than the quote on average: the simulator knows 0 at best"
        )
    candidates = []
    models: tuple[Literal["fixed", "random"], ...] = ("fixed", "random")
    for model in models:
        tried = _with(settings, slippage_model=model)
        reached, capped = _mean_reached(orders, tried, wanted)
        bps = round(reached, 2)
        of_it = slippages([imitated(order, _with(tried, slippage_bps=bps)) for order in orders])
        apart = float(wasserstein_distance(live, of_it)) if of_it else math.inf
        candidates.append((apart, model, bps, capped))
    _, chosen_model, bps, capped = min(candidates, key=lambda candidate: candidate[:3])
    if capped is not None:
        found.notes.append(
            f"fills were {wanted:.2f} bp worse than the quote on average, and simulated ones come to {capped:.2f} bp "
            "before their limits hold them: slippage_bps is the least that does, and says nothing of orders "
            "without a limit"
        )
    found.settings |= {"slippage_model": chosen_model, "slippage_bps": bps}
    return _with(settings, slippage_model=chosen_model, slippage_bps=bps)


def _mean_reached(
    orders: Sequence[LiveOrder], settings: ExecutionSettings, wanted: float
) -> tuple[float, float | None]:
    """Return the slippage with which the simulated fills cost on average what is wanted.

    A limit caps what its fill can cost. Where so many are at theirs that the mean no longer rises, what more slippage
    would do is not known of these orders: then it is the least with which they cost what they then do, which is the
    second value, else None.
    """

    def mean(bps: float) -> float:
        of_it = slippages([imitated(order, _with(settings, slippage_bps=bps)) for order in orders])
        return fmean(of_it) if of_it else 0.0

    low, high = 0.0, min(max(2.0 * wanted, 1.0), _MOST_BPS)
    if mean(low) >= wanted:
        return 0.0, None
    reached = mean(high)
    while reached < wanted and high < _MOST_BPS:
        further = min(2 * high, _MOST_BPS)
        then = mean(further)
        if then - reached < _RISING * (further - high):
            break
        high, reached = further, then
    aim = min(wanted, reached - _SAME_BPS)
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if mean(middle) < aim else (low, middle)
    return (low + high) / 2, None if reached >= wanted else reached


# ------------------------------------------------------------------------------------------- what is left


def compare(orders: Sequence[LiveOrder], settings: ExecutionSettings) -> list[Measured]:
    """Measure these orders as they fared live, and as they fare in the simulator with these settings."""
    import numpy as np

    others = [imitated(order, settings) for order in orders]
    rows = []
    for name, unit, values in (
        ("latency", "ms", latencies),
        ("slippage", "bp", slippages),
        ("shortfall from the quote at sending", "bp", shortfalls),
    ):
        live, simulated = values(orders), values(others)
        if not live or not simulated:
            continue
        error = stdev(live) / math.sqrt(len(live)) if len(live) > 1 else None
        rows.append(Measured(f"{name}, mean", unit, fmean(live), fmean(simulated), error, len(live)))
        for label, q in (("median", 0.5), ("90 %", 0.9)):
            sides = float(np.quantile(live, q)), float(np.quantile(simulated, q))
            rows.append(Measured(f"{name}, {label}", unit, *sides, orders=len(live)))
    for name, share in (
        ("filled, of the shares ordered", _fill_ratio),
        ("orders filled whole at once", lambda found: fmean(map(_is_whole, found))),
        ("fills an order", lambda found: fmean(len(order.fills) for order in found)),
    ):
        unit = "" if name.startswith("fills") else "%"
        rows.append(Measured(name, unit, share(orders), share(others), orders=len(orders)))
    return rows


def _fill_ratio(orders: Sequence[LiveOrder]) -> float:
    return float(sum(order.filled for order in orders) / sum(order.order.quantity for order in orders))
