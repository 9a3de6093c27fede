"""Routes the read model's events to streams: to all of them, or to those that look at a symbol.

Metrics and positions, which the model states as a whole each time, are sent as what changed of them. Metrics and the
prices of all symbols are sent a few times a second, however often they change.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

import msgspec

from web.deltas import difference
from web.read_model import OF_A_SYMBOL, Event, ReadModel

OVERVIEW_S = 0.4
"""Seconds between two updates of the metrics and of all prices."""

_HURRIED = frozenset(("trade", "state", "bot"))
"""Events that the metrics do not lag behind."""

_encoder = msgspec.json.Encoder()


def encode_events(events: Iterable[Event]) -> bytes:
    r"""Encode events as the event stream's text, each one's data as JSON on one line.

    >>> encode_events([("feed", {"state": "LIVE"})])
    b'event: feed\ndata: {"state":"LIVE"}\n\n'
    """
    return b"".join(b"event: %b\ndata: %b\n\n" % (name.encode(), _encoder.encode(data)) for name, data in events)


class EventRouter:
    """Splits events by the browsers that they are for, and remembers what all have of metrics and positions."""

    def __init__(self, model: ReadModel) -> None:
        self.due_at = inf  # when what was held back is due, by the clock of `route`
        self._model = model
        self._told: dict[str, Any] = {}  # the parts of metrics and positions as the browsers have them
        self._metrics_changed = False  # and that is not told yet
        self._next_overview = 0.0

    def start_over(self) -> None:
        """Take the model's state as told: all browsers get a snapshot."""
        self._told = {}
        for data in self._model.standing().values():
            self._changes(data)
        self._model.prices()
        self._metrics_changed = False
        self.due_at = inf

    def route(self, events: list[Event], now: float, *, whole: bool) -> tuple[list[Event], dict[str, list[Event]]]:
        """Return the events for all browsers, and by symbol those for browsers that look at it.

        `now` is monotonic seconds. `whole` holds nothing back.
        """
        common: list[Event] = []
        by_symbol: dict[str, list[Event]] = {}
        hurried = whole
        for name, data in events:
            if name in OF_A_SYMBOL:
                for symbol, told in (data["symbols"] if name == "ticks" else data).items():
                    own = {symbol: told}
                    by_symbol.setdefault(symbol, []).append((name, data | {"symbols": own} if name == "ticks" else own))
            elif name == "metrics":
                self._metrics_changed = True
            elif name == "position":
                common += [(name, changes) for changes in self._changes(data)]
            else:
                common.append((name, data))
            hurried |= name in _HURRIED
            if name in ("metrics", "ticks"):
                self.due_at = self._next_overview
        if hurried or now >= self.due_at:
            common += self._overview(now)
        return common, by_symbol

    def _overview(self, now: float) -> list[Event]:
        self.due_at, self._next_overview = inf, now + OVERVIEW_S
        prices = self._model.prices()
        said: list[Event] = [("prices", {"now": self._model.now, "symbols": prices})] if prices else []
        if self._metrics_changed:
            said += [("metrics", changes) for changes in self._changes(self._model.standing()["metrics"])]
            self._metrics_changed = False
        return said

    def _changes(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what is new in it, in a list that is empty if nothing is."""
        now = msgspec.to_builtins(data)
        changes = difference({part: self._told[part] for part in now if part in self._told}, now)
        self._told |= now
        return [changes] if changes else []
