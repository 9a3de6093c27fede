"""latency: how old a tick is when the core has decided on it."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from bench.live import Round, play
from bench.processes.venue import VenueSpec
from bench.results import Number, Options, Result, Target, percentile

ABOUT = (
    "Microseconds from the venue's send() to the end of the core's work on the tick, over a real WebSocket on "
    "loopback, one event a frame, on a schedule that never waits; beside a client that only decodes. Medians over "
    "interleaved rounds, of percentiles of one round each; `quietest` compares the best rounds, which other work on "
    "the machine disturbs least."
)
PER_SECOND = 1_000.0
RATE = 10.0  # venue seconds a second, as the mock exchange has it: the window is warm within two seconds
WARM_UP = (3_000, 100)
MEASURED = (6_000, 200)
ROUNDS = (5, 1)
BROWSERS = (150, 10)
PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


def measure(options: Options) -> Result:
    """Measure the three in turn."""
    warm_up, browsers = options.sized(*WARM_UP), options.sized(*BROWSERS)
    venue = VenueSpec(warm_up + options.sized(*MEASURED), RATE, PER_SECOND)
    kinds = {"decoder": ("decoder", 0), "bot": ("bot", 0), "bot_and_browsers": ("bot", browsers)}
    rounds: dict[str, list[Round]] = {kind: [] for kind in kinds}
    for _ in range(options.sized(*ROUNDS)):
        for kind, (receiver, crowd) in kinds.items():
            rounds[kind].append(play(options, receiver, venue, crowd))
    us = {
        kind: {
            name: [percentile(r.ages[warm_up:], fraction) / 1e3 for r in some] for name, fraction in PERCENTILES.items()
        }
        for kind, some in rounds.items()
    }
    beside = f"{browsers} event streams beside it"
    notes = {"decoder": "only decodes", "bot": "the whole bot", "bot_and_browsers": beside}
    numbers = [
        Number(f"latency.{kind}.{name}", median(values), "us", note=notes[kind])
        for kind, by_name in us.items()
        for name, values in by_name.items()
    ]
    summaries: dict[str, Callable[[list[float]], float]] = {"": median, ".quietest": min}
    for suffix, of in summaries.items():
        decoder, bot, crowded = (of(by_name["p99"]) for by_name in us.values())
        numbers += [
            Number(f"latency.p99_over_decoder{suffix}", bot - decoder, "us", Target(at_most=150)),
            Number(f"latency.p99_with_browsers{suffix}", crowded / bot, "x without", Target(at_most=1.2)),
        ]
    late = median(r.venue_late_us for some in rounds.values() for r in some)
    heard = median(r.events_heard / browsers / r.seconds for r in rounds["bot_and_browsers"])
    cpu = median(r.cpu_seconds / r.seconds for r in rounds["bot"])
    numbers += [
        Number("latency.bot_cpu", cpu * 100, "% of a core"),
        Number("latency.browser_events", heard, "/s each", note="events that each browser got"),
        Number("latency.venue_late_p99", late, "us", note="how late the venue was itself: the machine's noise"),
    ]
    return Result("latency", ABOUT, numbers)
