"""The drawings of a report as Vega-Lite specifications, plain dictionaries; `svg` draws one.

Colours are the page's CSS variables, so that one drawing is right by day, by night and on paper.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from research.report.figures import Figures, Row
from research.report.words import signed, step_name
from service.extras import needed

Spec = dict[str, Any]

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_WIDTH, _HEIGHT = 290, 170
MOST_POINTS = 200
"""Points of a scatter plot; of more trades, every second, third ... is drawn."""
MOST_BARS = 16
"""Groups of a bar chart; the others are in the table beneath."""
_REASONS = ("var(--accent)", "var(--up)", "var(--down)", "var(--warn)", "var(--violet)", "var(--muted)")
_TONE: Spec = {"condition": {"test": "datum.value < 0", "value": "var(--down)"}, "value": "var(--up)"}

_DOT = re.compile(r'<path transform="translate\(([-\d.]+),([-\d.]+)\)" d="M([\d.]+),0A[^"]*"')

_ONCE: Spec = {"values": [{}]}
"""The data of what is drawn once, and not for each row."""
_ZERO: Spec = {
    "data": _ONCE,
    "mark": {"type": "rule", "color": "var(--line-strong)"},
    "encoding": {"y": {"datum": 0}},
}

_CONFIG: Spec = {
    "aria": False,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "titleFontWeight": "normal",
        "gridColor": "var(--grid)",
        "domainColor": "var(--line-strong)",
        "tickColor": "var(--line-strong)",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "labelLimit": 130,
        "labelFlush": False,
        "labelOverlap": True,
        "labelSeparation": 8,  # px: a browser's font may be wider than the one that is measured with
    },
    "legend": {"labelColor": "var(--muted)", "titleColor": "var(--muted)", "labelFontSize": 11, "orient": "top"},
    "text": {"color": "var(--text)", "fontSize": 11},
    "rule": {"color": "var(--text)"},
}


def svg(spec: Spec, label: str = "") -> str:
    """Draw a specification; `label` says what it shows to those who cannot see it.

    Raises UserError where the library that draws is not installed.
    """
    with needed("the page needs"):
        import vl_convert
    whole = {
        "$schema": _SCHEMA,
        "background": None,
        "config": _CONFIG,
        "padding": {"left": 12, "right": 8, "top": 6, "bottom": 4},
        **spec,
    }
    named = f'<svg role="img" aria-label="{escape(label)}" '
    return slim(vl_convert.vegalite_to_svg(whole)).replace("<svg ", named, 1)


def slim(text: str) -> str:
    """Leave out of a drawing what draws nothing: empty paths, roles, and noise behind the decimals."""
    text = re.sub(r'<path class="(?:background|foreground)"[^>]*? d="(?:M0,0h0v0h0Z)?"[^>]*/>', "", text)
    text = re.sub(r' (?:aria-[a-z]+|role|class|xmlns:xlink|version|pointer-events|font-family)="[^"]*"', "", text)
    text = _DOT.sub(r'<circle cx="\1" cy="\2" r="\3"', text)
    text = re.sub(r"(\d+\.\d{2})\d+", r"\1", text)
    return text.replace(' opacity="1"', "").replace("<g></g>", "")


def _spec(values: Iterable[Row], **more: Any) -> Spec:
    return {"width": _WIDTH, "height": _HEIGHT, "data": {"values": list(values)}, **more}


def _quantity(field: str, title: str, **more: Any) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, **more}


def drawings(found: Figures) -> Iterator[tuple[str, str, Spec]]:
    """Return each drawing: its name, what it shows in a sentence, and its specification."""
    if found.trades:
        yield "exits", "Trades by what they came to, and by why they ended", exits(found)
        yield "hours", f"Mean a trade by the hour of its entry ({found.source['zone']})", means(found.hours, "hour")
        if len(found.symbols) > 1:
            yield "symbols", "Mean a trade by symbol", means(found.symbols[:MOST_BARS], "")
        yield "holding", "How long positions were held", holding(found)
    if found.excursions["points"]:
        yield "excursions", "How far the price went against (left) and for (up) each trade, in bp", excursions(found)
    if found.trades:
        yield "order", "Trades in their order", in_order(found)
    if found.funnel.get("funnel"):
        yield "funnel", "From ticks to trades: each step's count", funnel(found.funnel["funnel"])
    lost = _lost(found.funnel)
    if lost:
        yield "blocked", "Why bursts gave no signal, and signals no trade", reasons(lost)


def money(found: Figures) -> Spec:
    """Draw the steps of a trade's money as bars that hang on each other, in basis points."""
    rows, level = [], 0.0
    for step in found.money["steps"]:
        mean = step.bp.mean or 0.0
        start, end = (level, level - mean) if step.is_cost else (0.0, mean)
        reach = None if step.bp.low is None or step.bp.high is None else (step.bp.high - step.bp.low) / 2
        name = {"gross": "before costs"}.get(step.name, step_name(step.name, found.money["gross_is"]))
        row = {"step": name, "start": start, "end": end, "value": -mean if step.is_cost else mean}
        row["label"] = signed(float(row["value"]))
        if reach is not None and step.bp.low is not None and step.bp.high is not None:
            low, high = (start - step.bp.high, start - step.bp.low) if step.is_cost else (step.bp.low, step.bp.high)
            row |= {"low": low, "high": high}
        row["top"] = max(start, end, float(row.get("high", end)))
        rows.append(row)
        level = end
    x = {"field": "step", "type": "nominal", "sort": None, "title": None, "axis": {"labelAngle": 0}}
    return _spec(
        rows,
        layer=[
            _ZERO,
            {
                "mark": {"type": "bar", "size": 34},
                "encoding": {"x": x, "y": _quantity("start", "bp a trade"), "y2": {"field": "end"}, "color": _TONE},
            },
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {"x": x, "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "text", "dy": -8},
                "encoding": {"x": x, "y": {"field": "top", "type": "quantitative"}, "text": {"field": "label"}},
            },
        ],
    )


def exits(found: Figures) -> Spec:
    """Draw how many trades came to how much, stacked by why they ended."""
    values = [row["net_bp"] for row in found.trades]
    width = _round(max((max(values) - min(values)) / 24, 0.1))
    counts: dict[tuple[float, str], int] = {}
    for row in found.trades:
        key = math.floor(row["net_bp"] / width) * width, row["exit_reason"]
        counts[key] = counts.get(key, 0) + 1
    order = [row["name"] for row in found.exits]
    rows = [{"from": low, "to": low + width, "reason": why, "trades": count} for (low, why), count in counts.items()]
    return _spec(
        rows,
        mark={"type": "bar", "stroke": "var(--card)", "strokeWidth": 0.5},
        encoding={
            "x": _quantity("from", "bp a trade, after costs", bin={"binned": True, "step": width}),
            "x2": {"field": "to"},
            "y": _quantity("trades", "trades", axis={"tickMinStep": 1}, stack=True),
            "color": {
                "field": "reason",
                "type": "nominal",
                "title": None,
                "scale": {"domain": order, "range": [_REASONS[n % len(_REASONS)] for n in range(len(order))]},
            },
        },
    )


def means(groups: list[Row], title: str) -> Spec:
    """Draw the mean a trade of each group with its interval, and the number of its trades."""
    rows = []
    for group in groups:
        net = group["net_bp"]
        row = {"name": group["name"], "value": net.mean, "trades": f"{group['trades']:,}"}
        row["top"] = max(0.0, net.mean)
        if net.low is not None and net.high is not None:
            row |= {"low": net.low, "high": net.high, "top": max(0.0, net.high)}
        rows.append(row)
    x: Spec = {"field": "name", "type": "nominal", "sort": None, "title": title or None}
    x["axis"] = {"labelAngle": 0 if len(rows) <= 8 else -45}
    return _spec(
        rows,
        layer=[
            _ZERO,
            {
                "mark": {"type": "bar", "size": min(34, round(160 / len(rows)))},
                "encoding": {"x": x, "y": _quantity("value", "bp a trade, after costs"), "color": _TONE},
            },
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {"x": x, "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "text", "dy": -8, "color": "var(--muted)"},
                "encoding": {"x": x, "y": {"field": "top", "type": "quantitative"}, "text": {"field": "trades"}},
            },
        ],
    )


def holding(found: Figures) -> Spec:
    """Draw how long positions were held."""
    seconds = found.holding["seconds"]
    width = _round(max((seconds[-1] - seconds[0]) / 24, 0.05))
    counts: dict[float, int] = {}
    for held in seconds:
        low = math.floor(held / width) * width
        counts[low] = counts.get(low, 0) + 1
    return _spec(
        [{"from": low, "to": low + width, "trades": count} for low, count in counts.items()],
        mark={"type": "bar", "color": "var(--accent)", "stroke": "var(--card)", "strokeWidth": 0.5},
        encoding={
            "x": _quantity("from", "seconds held", bin={"binned": True, "step": width}),
            "x2": {"field": "to"},
            "y": _quantity("trades", "trades", axis={"tickMinStep": 1}),
        },
    )


def excursions(found: Figures) -> Spec:
    """Draw each trade's worst and best price, beside the stop and the target."""
    told = found.excursions
    points = thinned(told["points"], MOST_POINTS)
    rules: list[Spec] = []
    for field, axis, value in (("stop", "x", told["stop_bp"]), ("target", "y", told["target_bp"])):
        if value is not None:
            where = -value if axis == "x" else value
            rules.append(
                {
                    "data": _ONCE,
                    "mark": {"type": "rule", "strokeDash": [4, 3], "color": "var(--warn)"},
                    "encoding": {axis: {"datum": where}},
                }
            )
            # Each beside its line, at the end at which the other's is not.
            text: Spec = {"type": "text", "color": "var(--warn)", "align": "left" if axis == "x" else "right"}
            text |= {"dx": 4, "dy": 0} if axis == "x" else {"dx": 0, "dy": -6}
            other, end = ("y", _HEIGHT - 8) if axis == "x" else ("x", _WIDTH)
            place: Spec = {axis: {"datum": where}, other: {"value": end}}
            rules.append({"data": _ONCE, "mark": text, "encoding": place | {"text": {"value": field}}})
    rows = [{"worst": p["worst_bp"], "best": p["best_bp"], "value": p["net_bp"]} for p in points]
    return _spec(
        rows,
        layer=[
            {
                "mark": {"type": "circle", "size": 30, "opacity": 0.6},
                "encoding": {
                    "x": _quantity("worst", "against, bp (MAE)"),
                    "y": _quantity("best", "for, bp (MFE)"),
                    "color": _TONE,
                },
            },
            *rules,
        ],
    )


def in_order(found: Figures) -> Spec:
    """Draw what trades came to one after the other; of many, sums of as many neighbours as it takes."""
    values = [row["pnl"] for row in sorted(found.trades, key=lambda row: row["exit_ts"])]
    group = math.ceil(len(values) / MOST_POINTS)
    rows = [
        {"number": first + 1, "to": first + len(part) + 1, "value": math.fsum(part)}
        for first in range(0, len(values), group)
        if (part := values[first : first + group])
    ]
    title = "trade" if group == 1 else f"trade (a bar is {group})"
    return _spec(
        rows,
        mark={"type": "bar", "stroke": "var(--card)", "strokeWidth": 0.3},
        encoding={
            "x": _quantity("number", title, axis={"tickMinStep": 1}, scale={"zero": False, "nice": False}),
            "x2": {"field": "to"},
            "y": _quantity("value", "P/L, $"),
            "y2": {"datum": 0},
            "color": _TONE,
        },
    )


def funnel(counts: Row) -> Spec:
    """Draw the funnel: how many ticks, bursts, signals and trades there were; bars by the logarithm."""
    rows = [{"step": name, "bar": math.log10(count + 1), "count": f"{count:,}"} for name, count in counts.items()]
    return _bars(rows)


def reasons(counts: Row) -> Spec:
    """Draw how often each reason stood in the way."""
    return _bars([{"step": name, "bar": count, "count": f"{count:,}"} for name, count in counts.items()])


def _bars(rows: list[Row]) -> Spec:
    y: Spec = {
        "field": "step",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"domain": False, "ticks": False},
    }
    most = max((row["bar"] for row in rows), default=1) or 1
    x: Spec = {"field": "bar", "type": "quantitative", "axis": None, "scale": {"domain": [0, most * 1.25]}}
    return _spec(
        rows,
        layer=[
            {"mark": {"type": "bar", "color": "var(--spread)", "height": {"band": 0.7}}, "encoding": {"x": x, "y": y}},
            {
                "mark": {"type": "text", "align": "left", "dx": 5},
                "encoding": {"x": x, "y": y, "text": {"field": "count"}},
            },
        ],
        height=max(60, 24 * len(rows)),
    ) | {"width": 190}


def _lost(told: Row) -> Row:
    found = {**(told.get("blocked") or {}), **(told.get("refusals") or {})}
    return {name: count for name, count in found.items() if count}


def thinned(rows: list[Row], most: int) -> list[Row]:
    """Return at most so many rows, evenly chosen.

    >>> thinned([{"n": n} for n in range(5)], 3)
    [{'n': 0}, {'n': 2}, {'n': 4}]
    """
    return rows[:: math.ceil(len(rows) / most)] if rows else rows


def _round(width: float) -> float:
    """Return the next round width of a bin: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(width))
    return next(round(power * step, 10) for step in (1, 2, 5, 10) if power * step >= width * 0.999)
