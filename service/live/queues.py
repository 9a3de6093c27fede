"""The queues of a run, as the dashboard shows them."""

from __future__ import annotations

from actors.brokers.alpaca.broker import MOST_IN_FLIGHT, AlpacaBroker
from actors.engine.core import Core
from actors.gateway.gate import Gate
from pipeline.clock import MAX_TIMERS
from service.live.children import MAX_WAITING, WebProcess
from service.live.telemetry import KEPT_INPUTS, Telemetry
from web.messages import QueueSeen


def depths(gate: Gate, web: WebProcess, broker: AlpacaBroker | None) -> dict[str, int]:
    """Return what waits in each queue, and what was dropped."""
    counts = {} if broker is None else {f"broker_{name}": count for name, count in broker.counts.items() if count}
    return {"gate": gate.depth, "web_bytes": web.waiting, "web_dropped": web.dropped, **counts}


def bounded(
    core: Core, gate: Gate, web: WebProcess, telemetry: Telemetry, broker: AlpacaBroker | None
) -> tuple[QueueSeen, ...]:
    """Return the queues that have a bound."""
    queues = [
        QueueSeen("gate", gate.depth, gate.limit, "inputs", gate.overflowed),
        QueueSeen("dashboard pipe", web.waiting, MAX_WAITING, "bytes", web.dropped),
        QueueSeen("ticks to show", telemetry.gathered, KEPT_INPUTS, "inputs", telemetry.left_out),
        QueueSeen("timers", core.clock.waiting, MAX_TIMERS, "timers"),
    ]
    if broker is not None:
        counts = broker.counts
        queues.append(QueueSeen("broker", counts["in_flight"], MOST_IN_FLIGHT, "orders", counts["turned_away"]))
    return tuple(queues)
