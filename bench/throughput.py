"""throughput: how many ticks a second a live bot sustains."""

from __future__ import annotations

from itertools import islice
from statistics import median

from bench import tape
from bench.live import Round, play
from bench.processes.venue import VenueSpec, write_frames
from bench.results import Number, Options, Result, Target

ABOUT = (
    "The venue pushes a bounded number of ticks (50 a second of its own time) as fast as they are read. Best of "
    "interleaved rounds; ratios to a client that only decodes are medians over the rounds, also by CPU time."
)
COUNT = {1: (200_000, 20_000), 50: (500_000, 20_000)}  # by events a frame
ROUNDS = (5, 1)
TRADES_A_SECOND = 50.0
RECEIVERS = {
    "decoder": "only decodes",
    "feeder": "feed, admission and core",
    "bot": "the whole bot, recording as by default",
    "unrecorded": "the same, not recording",
}


def measure(options: Options) -> Result:
    """Measure with one event a frame, and with many."""
    return Result("throughput", ABOUT, [n for per_frame in COUNT for n in _measure(options, per_frame)])


def _measure(options: Options, per_frame: int) -> list[Number]:
    count = options.sized(*COUNT[per_frame])
    frames = options.folder / f"frames-of-{per_frame}"
    write_frames(frames, islice(tape.trades(7, TRADES_A_SECOND), count), per_frame)
    rates = dict.fromkeys(RECEIVERS, 200.0)  # venue seconds a second: a guess, for the first round only
    rounds: dict[str, list[Round]] = {receiver: [] for receiver in RECEIVERS}
    for _ in range(options.sized(*ROUNDS)):
        for receiver, some in rounds.items():
            some.append(play(options, receiver, VenueSpec(count, rates[receiver], pushed=str(frames))))
            # The bot's clock inputs must not run ahead of the ticks: venue time is declared slower than it will be.
            rates[receiver] = 1e6 / some[-1].us / TRADES_A_SECOND / 2
    name = f"throughput.{per_frame}_a_frame"
    numbers = [
        Number(f"{name}.{receiver}", 1e6 / min(r.us for r in some), "ticks/s", note=RECEIVERS[receiver])
        for receiver, some in rounds.items()
    ]
    target = Target(at_least=0.6) if per_frame == 1 else None
    for receiver in ("feeder", "bot"):
        ratio, cpu_ratio = _ratios(rounds["decoder"], rounds[receiver])
        numbers += [
            Number(f"{name}.{receiver}_ratio", ratio, "x decoder", target),
            Number(f"{name}.{receiver}_cpu_ratio", cpu_ratio, "x decoder", target, "by CPU time"),
        ]
    ratio, cpu_ratio = _ratios(rounds["unrecorded"], rounds["bot"])
    return [
        *numbers,
        Number(f"{name}.recording_ratio", ratio, "x unrecorded", Target(at_least=0.95), "recorded, as by default"),
        Number(f"{name}.recording_cpu_ratio", cpu_ratio, "x unrecorded", None, "by CPU time, on whatever core"),
    ]


def _ratios(yardstick: list[Round], ours: list[Round]) -> tuple[float, float]:
    """Return how fast one receiver is beside another, round by round: by real time, and by CPU time."""
    pairs = list(zip(yardstick, ours, strict=True))
    return median(it.us / our.us for it, our in pairs), median(it.cpu_us / our.cpu_us for it, our in pairs)
