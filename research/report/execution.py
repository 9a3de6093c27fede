"""How orders fared: what the journal measured of each, as p50 and p99, of all and by symbol."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from actors.gateway.journal import OrderMeasured
from actors.gateway.sqlite_journal import JournalUnusable, facts_of_recording, read
from service.data_folder import JOURNAL
from service.order_course import MEASURES, percentiles

_KIND = str(OrderMeasured.__struct_config__.tag)


def of_journal(file: Path) -> dict[str, Any]:
    """Return the figures of a journal's orders as `microbot status` has them; empty if none was measured.

    That is `all`, and `symbols` by name: the number of `orders`, and of each measure p50, p99 and count. Raises
    JournalUnusable.
    """
    return _figures_of(read(file, (_KIND,)))


def of_session(data_dir: Path, recording: Path) -> dict[str, Any]:
    """Return the figures of the orders that were sent while a recording was made; empty where nobody knows."""
    if not (data_dir / JOURNAL).exists():
        return {}
    try:
        bodies = facts_of_recording(data_dir / JOURNAL, str(recording.absolute()))
        facts = (msgspec.json.decode(body) for _, body in bodies)
        return _figures_of(fact for fact in facts if fact["type"] == _KIND)
    except JournalUnusable:
        return {}


def _figures_of(orders: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for order in orders:
        found[order["symbol"]].append(order)
    if not found:
        return {}
    everything = [order for some in found.values() for order in some]
    return {"all": _of(everything), "symbols": {symbol: _of(some) for symbol, some in sorted(found.items())}}


def _of(orders: list[Mapping[str, Any]]) -> dict[str, Any]:
    told: dict[str, Any] = {"orders": len(orders)}
    for name in MEASURES:
        if figures := percentiles(order[name] for order in orders if name in order):
            told[name] = figures
    return told
