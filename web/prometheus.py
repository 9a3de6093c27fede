"""/metrics: what the dashboard shows, in the format that the server that asks prefers of Prometheus's own.

The families are made of the read model at each asking: nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from actors.messages import FeedState, TradingState

Labels = dict[str, str]


class _Shown(Collector):
    """The families of one snapshot."""

    def __init__(self, shown: dict[str, Any], age_s: float | None) -> None:
        self._shown = shown
        self._age_s = age_s

    def collect(self) -> Iterable[Metric]:
        """Yield the families that have samples."""
        shown = self._shown
        families = (_bot(shown, self._age_s), _figures(shown), _queues(shown), _symbols(shown), _measured(shown))
        return (family for some in families for family in some if family.samples)


def exposition(shown: dict[str, Any], age_s: float | None = None, accept: str = "") -> tuple[bytes, str]:
    """Return a snapshot of the read model as text, and its content type.

    `age_s` is how old the bot's last message is, `accept` what the asking server takes, as HTTP has it.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Shown(shown, age_s))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _family(name: str, text: str, samples: list[tuple[Labels, float]]) -> Metric:
    """Make a metric without the prefix that all have; a counter's name ends in _total. Samples differ by labels."""
    made = (CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily)(f"microbot_{name}", text)
    for labels, value in samples:
        made.add_sample(f"microbot_{name}", labels, float(value))
    return made


def _one(value: float) -> list[tuple[Labels, float]]:
    return [({}, value)]


def _by(label: str, counts: dict[str, float]) -> list[tuple[Labels, float]]:
    return [({label: name}, count) for name, count in counts.items()]


def _bot(shown: dict[str, Any], age_s: float | None) -> Iterator[Metric]:
    session, state, feed = shown["session"] or {}, shown["state"]["state"], shown["feed"]["state"]
    who = {name: str(session[name]) for name in ("session", "strategy", "feed", "venue") if session}
    money = {"paper": "true" if session["paper"] else "false"} if session else {}
    yield _family("up", "1 while the bot runs.", _one(shown["bot"]["running"]))
    yield _family("info", "Which session this is.", [(who | money, 1)] if who else [])
    yield _family("state", "1 for the trading state.", [({"state": s.value}, s.value == state) for s in TradingState])
    yield _family("feed_state", "1 for the feed's state.", [({"state": s.value}, s.value == feed) for s in FeedState])
    yield _family("message_age_seconds", "Since the bot's last message.", [] if age_s is None else _one(age_s))


def _figures(shown: dict[str, Any]) -> Iterator[Metric]:
    told, funnel = shown["metrics"], shown["funnel"]
    yield _family("ticks_total", "Accepted ticks.", _one(told["ticks"]))
    yield _family("ticks_late_total", "Ticks that came too late to be used.", _one(told["ticks_late"]))
    yield _family("ticks_rejected_total", "Ticks that admission refused.", _one(told["ticks_rejected"]))
    yield _family("bursts_total", "Runs of ticks that point the same way.", _one(funnel["bursts"]))
    yield _family("bursts_blocked_total", "Bursts without a signal.", _by("reason", shown["blocked"]))
    yield _family("signals_total", "Signals of the strategy.", _one(funnel["signals"]))
    yield _family("signals_approved_total", "Signals that risk approved.", _one(funnel["approved"]))
    yield _family("signals_refused_total", "Signals that risk refused.", _by("reason", shown["refusals"]))
    ended = {"won": told["wins"], "lost": told["losses"], "even": told["breakeven"]}
    yield _family("trades_total", "Finished trades.", _by("result", ended))
    yield _family("positions_open", "Open positions.", _one(told["open_positions"]))
    yield _family("profit", "Profit of this run, in money.", _one(told["total_pnl"]))
    yield _family("profit_today", "Profit of the trading day, in money.", _one(told["daily_pnl"]))
    yield _family("equity", "Equity of the closed trades, in money.", _one(told["equity"]))
    if fees := told.get("fees"):
        yield _family("fees_estimated", "Fees expected of the last days, in money.", _one(fees["estimated"]))
        yield _family("fees_charged", "Those that the account was charged.", _one(fees["charged"]))
        yield _family("fees_residual", "Charged beyond what was expected for these days.", _one(fees["residual"]))
    yield _family("drawdown", "Drawdown now, in money.", _one(told["current_drawdown"]))
    yield _family("drawdown_max", "The largest drawdown, in money.", _one(told["max_drawdown"]))


def _queues(shown: dict[str, Any]) -> Iterator[Metric]:
    queues = shown["bounded"]
    yield _family("queue_depth", "What waits in a queue.", _by("queue", {q.name: q.depth for q in queues}))
    yield _family("queue_limit", "How much may wait in it.", _by("queue", {q.name: q.limit for q in queues}))
    yield _family("queue_dropped_total", "What it dropped.", _by("queue", {q.name: q.dropped for q in queues}))


def _symbols(shown: dict[str, Any]) -> Iterator[Metric]:
    symbols = shown["symbols"]
    priced = {name: view["price"] for name, view in symbols.items() if view["price"] is not None}
    yield _family("price", "Last price.", _by("symbol", priced))
    runs = {name: float(view["chain"] == "RUNNING") for name, view in symbols.items()}
    yield _family("strategy_running", "1 while the symbol's strategy runs as it should.", _by("symbol", runs))
    read = [
        ({"symbol": name, "reading": reading["name"]}, reading["value"])
        for name, view in symbols.items()
        for reading in (view["gauges"] or {"readings": ()})["readings"]
    ]
    yield _family("reading", "What a symbol's newest frame reads.", read)


def _measured(shown: dict[str, Any]) -> Iterator[Metric]:
    measured = shown["metrics"].get("metrics", {})

    def of(figure: str) -> list[tuple[Labels, float]]:
        return [
            ({"symbol": symbol, "name": name}, found[figure])
            for symbol, by_name in measured.items()
            for name, found in by_name.items()
        ]

    operators = [
        ({"symbol": symbol, "operator": seen.name}, seen)
        for symbol, view in shown["symbols"].items()
        for seen in view["operators"]
    ]
    rates = [(labels, seen.rate) for labels, seen in operators if seen.rate is not None]
    yield _family("operator_rate", "Items a second that an operator passes on, sampled.", rates)
    times = [(labels, seen.us / 1e6) for labels, seen in operators if seen.us is not None]
    yield _family("operator_item_seconds", "Time that it takes for an item, sampled.", times)
    errors: list[tuple[Labels, float]] = [(labels, seen.errors) for labels, seen in operators]
    yield _family("operator_errors_total", "What it raised.", errors)
    yield _family("metric", "An op.metric of the strategy: its last value.", of("last"))
    yield _family("metric_min", "Its smallest value.", of("min"))
    yield _family("metric_max", "Its largest value.", of("max"))
    yield _family("metric_mean", "The mean of its values.", of("mean"))
    yield _family("metric_values_total", "How many values it had.", of("count"))
