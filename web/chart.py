"""What `GET /api/chart/SYMBOL?from=&to=&points=` answers: a stretch of a symbol's prices, and of the account's worth.

`from` and `to` are Unix seconds: without `to` it is the newest there is, without `from` an hour before that. The bars
are as wide as they have to be, so that no more than `points` cover the stretch; with the shadow of each bar, however
wide, stands what was highest and lowest in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from web.bars import PRICES, WORTH, columns, width_for
from web.read_model import ReadModel

MOST_POINTS = 2_000
"""Bars of an answer at most; a day has 1,440 minutes."""

_POINTS = 600
_HOUR = 3_600.0
_TAIL_S = 300

_encode = msgspec.json.Encoder().encode


class UnknownSymbol(Exception):
    """Nothing is known of a symbol."""


def chart_of(model: ReadModel, symbol: str, query: Mapping[str, str]) -> bytes:
    """Return the answer as JSON: bars in columns. Raises UnknownSymbol, and ValueError for a senseless query.

    A bar of prices has `time` (when it begins), open, high, low, close, volume, and the bid and ask in force at its
    end, null where they are not known. One of the account has `worth` at its end, the `low` of that, and the deepest
    `drawdown`. A second in which nothing happened has no bar.
    """
    prices = model.course_of(symbol)
    if prices is None:
        raise UnknownSymbol(f"The dashboard shows no symbol {symbol[:40]!r}.")
    until = _number(query, "to", model.now_s)
    since = _number(query, "from", until - _HOUR)
    points = _number(query, "points", _POINTS)
    if not 1 <= points <= MOST_POINTS:
        raise ValueError(f"points must be from 1 to {MOST_POINTS}, not {points:g}.")
    if not since < until:
        raise ValueError("from must be earlier than to.")
    width, bars = prices.between(since, until, width_for(until - since, int(points)))
    _, worth = model.worth.between(since, until, width)
    answer: dict[str, Any] = {"symbol": symbol, "from": since, "to": until, "width": width, "first": prices.first}
    answer["bars"] = columns(("time", *PRICES), bars)
    # The seconds of the newest bar, so that who goes on with what the stream says counts none of them twice.
    tail = prices.since(bars[-1][0]) if bars and 1 < width <= _TAIL_S else []
    answer["tail"] = columns(("time", *PRICES), [row for row in tail if row[0] < bars[-1][0] + width])
    answer["worth"] = columns(("time", *WORTH), worth)
    return _encode(answer)


def _number(query: Mapping[str, str], name: str, default: float) -> float:
    try:
        found = float(query.get(name, default))
    except ValueError:
        found = math.nan
    if not abs(found) < 1e12:
        raise ValueError(f"{name} must be a number.")
    return found
