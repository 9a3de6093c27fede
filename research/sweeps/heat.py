"""Heat maps of a sweep: what each pair of parameters earns in sample and out of it, on a terminal and as SVG.

Where there are more than two parameters, a field is the median of all settings that share its two values and traded:
the best of them would show the luck of the search, and not the ground that the best one stands on. Where none traded
there is a dash, and no zero: nothing is known of it.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from service.errors import writing
from service.extras import missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from research.sweeps.answer import Trades
    from research.sweeps.space import Value
    from research.sweeps.sweep import Answer

MOST_VALUES = 12
"""Values of a parameter on an axis; of more, such as those that were drawn, neighbours are put together."""
_MOST_PAIRS = 3  # that are drawn: each further parameter adds many
_NO_TRADE = "-"
_WHERE = ("in sample", "out of sample")
_LOSS, _GAIN = (178, 24, 43), (33, 102, 172)  # the ends of ColorBrewer's RdBu, which colour-blind people tell apart


class Field(msgspec.Struct, frozen=True):
    """One pair of values: the median net result of the settings that have both and traded, and how many have both."""

    x: str
    y: str
    where: str  # "in sample" or "out of sample"
    net: float | None  # None: not one of them traded
    settings: int


class HeatMap(msgspec.Struct, frozen=True):
    """All fields of a pair of parameters; with one parameter alone, `y` is empty."""

    x: str
    y: str
    columns: tuple[str, ...]  # values of x, in their order
    rows: tuple[str, ...]
    fields: tuple[Field, ...]


def heat_maps(answer: Answer) -> list[HeatMap]:
    """Return a map for each pair of parameters, at most three: those that were named first.

    In sample is the time before the last window, and out of sample that window.
    """
    paths, last = answer.question.space.paths, answer.windows[-1]
    nets = (
        _net(answer.trades, last.begins, last.cut, last.purged),
        _net(answer.trades, last.cut, last.ends),
    )
    many = [place for place in range(len(paths)) if len({sample[place] for sample in answer.samples}) > 1]
    two: list[tuple[int, int | None]] = [(x, y) for x, y in combinations(many, 2)]
    pairs = two[:_MOST_PAIRS] or [(place, None) for place in many[:1]]
    return [_map(answer, x, y, nets) for x, y in pairs]


def _net(trades: Trades, begins: int, ends: int, left_by: int | None = None) -> list[float | None]:
    """Return what each setting earned in a stretch of time; None where it made no trade."""
    found = trades.within(begins, ends, left_by)
    return [net if count else None for net, count in zip(found.net().tolist(), found.counts().tolist(), strict=True)]


def _median(values: Sequence[float | None]) -> float | None:
    from statistics import median

    known = [value for value in values if value is not None]
    return median(known) if known else None


def _most(fields: Iterable[Field]) -> float:
    """Return the end of the scale of colours: the largest result, whatever its sign."""
    return max((abs(field.net) for field in fields if field.net is not None), default=0.0) or 1.0


def _map(answer: Answer, x: int, y: int | None, nets: Sequence[Sequence[float | None]]) -> HeatMap:
    paths = answer.question.space.paths
    columns = _labels([sample[x] for sample in answer.samples])
    rows = _labels([sample[y] if y is not None else "" for sample in answer.samples])
    shared: dict[tuple[str, str], list[int]] = {}
    for number, sample in enumerate(answer.samples):
        shared.setdefault((columns[sample[x]], rows[sample[y] if y is not None else ""]), []).append(number)
    fields = tuple(
        Field(column, row, where, _median([net[number] for number in numbers]), len(numbers))
        for where, net in zip(_WHERE, nets, strict=True)
        for (column, row), numbers in shared.items()
    )
    name = "" if y is None else paths[y]
    return HeatMap(paths[x], name, tuple(dict.fromkeys(columns.values())), tuple(dict.fromkeys(rows.values())), fields)


def _labels(values: Sequence[Value]) -> dict[Value, str]:
    """Return what each value is called on an axis, in their order; of too many, equal parts by rank."""
    distinct = list(dict.fromkeys(values))
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in distinct):
        distinct.sort(key=float)
    few = len(distinct) <= MOST_VALUES
    size = 1 if few else -(-len(distinct) // MOST_VALUES)
    parts = [distinct[start : start + size] for start in range(0, len(distinct), size)]
    names: list[str] = []
    for digits in range(6 if few else 3, 18):  # as many as tell them apart
        names = [_said(p[0], digits) if few else f"{_said(p[0], digits)} - {_said(p[-1], digits)}" for p in parts]
        if len(set(names)) == len(parts):
            break
    return {value: name for part, name in zip(parts, names, strict=True) for value in part}


def _said(value: Value, digits: int = 6) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


# ---------------------------------------------------------------------------------------------- terminal


def printed(maps: Sequence[HeatMap]) -> Group:
    """Return maps as tables, in colour where the terminal has any; the numbers say the same."""
    parts: list[Any] = []
    for each in maps:
        for where in _WHERE:
            down = f"{each.x} (across), {each.y} (down)" if each.y else f"{each.x} (down)"
            parts += [Text(f"net result {where}: {down}"), _table(each, where), Text("")]
    return Group(*parts)


def _table(each: HeatMap, where: str) -> Table:
    fields = {(field.x, field.y): field for field in each.fields if field.where == where}
    most = _most(fields.values())
    table = Table(box=None, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("", style="dim")
    if not each.y:  # a column is easier to read than a row
        table.add_column("", justify="right")
        for column in each.columns:
            table.add_row(column, _field(fields.get((column, each.rows[0])), most))
        return table
    for column in each.columns:
        table.add_column(column, justify="right")
    for row in each.rows:
        table.add_row(row, *(_field(fields.get((column, row)), most) for column in each.columns))
    return table


def _field(field: Field | None, most: float) -> Text:
    if field is None or field.net is None:
        return Text(_NO_TRADE)
    share = min(abs(field.net) / most, 1.0)
    end = _GAIN if field.net > 0 else _LOSS
    shade = ",".join(str(round(247 + (part - 247) * share)) for part in end)
    ink = "white" if share > 0.6 else "black"
    return Text(f" {field.net:+.2f} ", style=f"{ink} on rgb({shade})")


# --------------------------------------------------------------------------------------------------- SVG


def specification(each: HeatMap) -> dict[str, Any]:
    """Return a map as a Vega-Lite specification: in sample and out of it side by side, on one scale of colours."""
    most = _most(each.fields)
    values = [msgspec.to_builtins(field) for field in each.fields]
    y: dict[str, Any] = {"field": "y", "type": "ordinal", "sort": list(each.rows), "title": each.y or None}
    no_trade = "datum.net === null"
    color = {
        "field": "net",
        "type": "quantitative",
        "title": "net, median",
        "scale": {"scheme": "redblue", "domain": [-most, most]},
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": values},
        "facet": {"column": {"field": "where", "type": "nominal", "title": None, "sort": list(_WHERE)}},
        "spec": {
            "width": {"step": 44},
            "height": {"step": 30},
            "encoding": {
                "x": {"field": "x", "type": "ordinal", "sort": list(each.columns), "title": each.x},
                "y": y if each.y else y | {"axis": None},
            },
            "layer": [
                {"transform": [{"filter": f"!({no_trade})"}], "mark": {"type": "rect"}, "encoding": {"color": color}},
                {"transform": [{"filter": no_trade}], "mark": {"type": "text", "text": _NO_TRADE}},
            ],
        },
    }


def check_draws() -> None:
    """Raise UserError where what draws heat maps is not installed."""
    if find_spec("vl_convert") is None:
        raise missing("heat maps need vl_convert", otherwise="and --no-svg leaves them out")


def write(answer: Answer, maps: Sequence[HeatMap]) -> list[Path]:
    """Write `heat-1.svg` and on into the answer's folder, and the data of each beside it; return the drawings.

    Raises UserError where what draws them is not installed, or the disk is full.
    """
    check_draws()
    import vl_convert

    written = []
    for number, each in enumerate(maps, 1):
        path = answer.folder / f"heat-{number}.svg"
        drawn = vl_convert.vegalite_to_svg(json.dumps(specification(each)))
        with writing(f"the file {path}"):
            path.write_text(drawn, encoding="utf-8")
        written.append(path)
    return written
