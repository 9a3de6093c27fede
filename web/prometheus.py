"""/metrics: what the dashboard shows, in Prometheus's text format.

The format is version 0.0.4 of https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from actors.messages import FeedState, TradingState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]


class Family(NamedTuple):
    """A metric: its samples differ by their labels."""

    name: str  # without the prefix that all have; a counter's ends in _total
    help: str
    samples: list[tuple[Labels, float]]

    def lines(self) -> Iterator[str]:
        """Yield it as text; nothing where there is no sample."""
        if not self.samples:
            return
        name = f"microbot_{self.name}"
        yield f"# HELP {name} {self.help}"
        yield f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}"
        for labels, value in self.samples:
            told = ",".join(f'{label}="{_escaped(said)}"' for label, said in labels.items())
            yield f"{name}{{{told}}} {_text(value)}" if told else f"{name} {_text(value)}"


def exposition(shown: dict[str, Any], age_s: float | None = None) -> str:
    """Return a snapshot of the read model as text; `age_s` is how old the bot's last message is."""
    families = [*_bot(shown, age_s), *_figures(shown), *_queues(shown), *_symbols(shown), *_measured(shown)]
    return "".join(f"{line}\n" for family in families for line in family.lines())


def _text(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _one(value: float) -> list[tuple[Labels, float]]:
    return [({}, value)]


def _by(label: str, counts: dict[str, float]) -> list[tuple[Labels, float]]:
    return [({label: name}, count) for name, count in counts.items()]


def _bot(shown: dict[str, Any], age_s: float | None) -> Iterator[Family]:
    session, state, feed = shown["session"] or {}, shown["state"]["state"], shown["feed"]["state"]
    who = {name: str(session[name]) for name in ("session", "strategy", "feed", "venue") if session}
    money = {"paper": "true" if session["paper"] else "false"} if session else {}
    yield Family("up", "1 while the bot runs.", _one(shown["bot"]["running"]))
    yield Family("info", "Which session this is.", [(who | money, 1)] if who else [])
    yield Family("state", "1 for the trading state.", [({"state": s.value}, s.value == state) for s in TradingState])
    yield Family("feed_state", "1 for the feed's state.", [({"state": s.value}, s.value == feed) for s in FeedState])
    yield Family("message_age_seconds", "Since the bot's last message.", [] if age_s is None else _one(age_s))


def _figures(shown: dict[str, Any]) -> Iterator[Family]:
    told, funnel = shown["metrics"], shown["funnel"]
    yield Family("ticks_total", "Accepted ticks.", _one(told["ticks"]))
    yield Family("ticks_late_total", "Ticks that came too late to be used.", _one(told["ticks_late"]))
    yield Family("ticks_rejected_total", "Ticks that admission refused.", _one(told["ticks_rejected"]))
    yield Family("bursts_total", "Runs of ticks that point the same way.", _one(funnel["bursts"]))
    yield Family("bursts_blocked_total", "Bursts without a signal.", _by("reason", shown["blocked"]))
    yield Family("signals_total", "Signals of the strategy.", _one(funnel["signals"]))
    yield Family("signals_approved_total", "Signals that risk approved.", _one(funnel["approved"]))
    yield Family("signals_refused_total", "Signals that risk refused.", _by("reason", shown["refusals"]))
    ended = {"won": told["wins"], "lost": told["losses"], "even": told["breakeven"]}
    yield Family("trades_total", "Finished trades.", _by("result", ended))
    yield Family("positions_open", "Open positions.", _one(told["open_positions"]))
    yield Family("profit", "Profit of this run, in money.", _one(told["total_pnl"]))
    yield Family("profit_today", "Profit of the trading day, in money.", _one(told["daily_pnl"]))
    yield Family("equity", "Equity of the closed trades, in money.", _one(told["equity"]))
    if fees := told.get("fees"):
        yield Family("fees_estimated", "Fees of the last days as they are expected, in money.", _one(fees["estimated"]))
        yield Family("fees_charged", "Those that the account was charged.", _one(fees["charged"]))
        yield Family("fees_residual", "Charged beyond what was expected for these days.", _one(fees["residual"]))
    yield Family("drawdown", "Drawdown now, in money.", _one(told["current_drawdown"]))
    yield Family("drawdown_max", "The largest drawdown, in money.", _one(told["max_drawdown"]))


def _queues(shown: dict[str, Any]) -> Iterator[Family]:
    queues = shown["bounded"]
    yield Family("queue_depth", "What waits in a queue.", _by("queue", {q.name: q.depth for q in queues}))
    yield Family("queue_limit", "How much may wait in it.", _by("queue", {q.name: q.limit for q in queues}))
    yield Family("queue_dropped_total", "What it dropped.", _by("queue", {q.name: q.dropped for q in queues}))


def _symbols(shown: dict[str, Any]) -> Iterator[Family]:
    symbols = shown["symbols"]
    priced = {name: view["price"] for name, view in symbols.items() if view["price"] is not None}
    yield Family("price", "Last price.", _by("symbol", priced))
    runs = {name: float(view["chain"] == "RUNNING") for name, view in symbols.items()}
    yield Family("strategy_running", "1 while the symbol's strategy runs as it should.", _by("symbol", runs))
    read = [
        ({"symbol": name, "reading": reading["name"]}, reading["value"])
        for name, view in symbols.items()
        for reading in (view["gauges"] or {"readings": ()})["readings"]
    ]
    yield Family("reading", "What a symbol's newest frame reads.", read)


def _measured(shown: dict[str, Any]) -> Iterator[Family]:
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
    yield Family("operator_rate", "Items a second that an operator passes on, sampled.", rates)
    times = [(labels, seen.us / 1e6) for labels, seen in operators if seen.us is not None]
    yield Family("operator_item_seconds", "Time that it takes for an item, sampled.", times)
    errors: list[tuple[Labels, float]] = [(labels, seen.errors) for labels, seen in operators]
    yield Family("operator_errors_total", "What it raised.", errors)
    yield Family("metric", "An op.metric of the strategy: its last value.", of("last"))
    yield Family("metric_min", "Its smallest value.", of("min"))
    yield Family("metric_max", "Its largest value.", of("max"))
    yield Family("metric_mean", "The mean of its values.", of("mean"))
    yield Family("metric_values_total", "How many values it had.", of("count"))
