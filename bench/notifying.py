"""notifying: what notifications cost trading while their receiver takes connections and never answers."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from statistics import median

from bench.latency import MEASURED, PER_SECOND, PERCENTILES, RATE, ROUNDS, WARM_UP
from bench.live import play
from bench.processes.venue import VenueSpec
from bench.results import Number, Options, Result, Target, percentile

ABOUT = (
    "The age of a tick when the core has decided on it, as `latency` measures it: without notifications, and with all "
    "events and a heartbeat a second sent to a receiver that hangs. Medians over interleaved rounds; `quietest` "
    "compares the best ones."
)


def measure(options: Options) -> Result:
    """Measure both in turn."""
    warm_up = options.sized(*WARM_UP)
    venue = VenueSpec(warm_up + options.sized(*MEASURED), RATE, PER_SECOND)
    us: dict[str, dict[str, list[float]]] = {who: {"p50": [], "p99": []} for who in ("without", "with")}
    with hanging() as (address, asked):
        for _ in range(options.sized(*ROUNDS)):
            for who, found in us.items():
                played = play(options, "bot", venue, notify=address if who == "with" else "")
                for name, values in found.items():
                    values.append(percentile(played.ages[warm_up:], PERCENTILES[name]) / 1e3)
        count = len(asked)
    numbers = [
        Number(f"notifying.{who}.{name}", median(values), "us")
        for who, found in us.items()
        for name, values in found.items()
    ]
    before, after = us["without"]["p99"], us["with"]["p99"]
    return Result(
        "notifying",
        ABOUT,
        [
            *numbers,
            Number("notifying.p99", median(after) / median(before), "x without", Target(at_most=1.2)),
            Number("notifying.p99.quietest", min(after) / min(before), "x without", Target(at_most=1.2)),
            Number("notifying.asked", count, "requests", note="that the receiver left without an answer"),
        ],
    )


@contextlib.contextmanager
def hanging() -> Iterator[tuple[str, list[socket.socket]]]:
    """Listen on a port of loopback, and answer nothing: yields its address, and the connections that were made."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):  # the listener was closed
                while True:
                    held.append(listener.accept()[0])

        threading.Thread(target=accept, name="hanging", daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", held
        listener.shutdown(socket.SHUT_RDWR)
    for connection in held:
        connection.close()
