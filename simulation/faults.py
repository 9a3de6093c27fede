"""The faults of one run: how often what goes wrong, drawn from the run's seed."""

from __future__ import annotations

from random import Random

import msgspec


class Faults(msgspec.Struct, frozen=True):
    """Chances are of each occasion; times are mean seconds between two occasions, 0 for never."""

    latency_s: float = 0.02  # mean, of each way between bot and venue
    lost_request: float = 0.0  # a request never arrives, and is not answered
    lost_answer: float = 0.0  # a request is done, and its answer lost
    deaf: float = 0.0  # what the gate lets out gets nowhere, and nobody says so
    reject: float = 0.0  # the venue takes an order and rejects it
    double_update: float = 0.0  # an update comes twice
    late_update: float = 0.0  # an update comes seconds late, after others
    lost_update: float = 0.0  # an update never comes
    slow_cancel: float = 0.0  # a cancel is confirmed, and comes into effect a second later
    thin_book: bool = False  # a quote shows one share: fills come in parts
    lost_tick: float = 0.0
    double_tick: float = 0.0
    bad_tick: float = 0.0  # a price ten times too high, or a time an hour off
    stream_down_s: float = 0.0  # the trading stream is gone for some seconds
    feed_down_s: float = 0.0  # the market data likewise
    crash_s: float = 0.0  # the bot is killed, and started again some seconds later
    command_s: float = 0.0  # somebody gives a command

    @classmethod
    def drawn(cls, random: Random) -> Faults:
        """Draw the faults of a run: each is on in about half of them, and rarer or more frequent."""

        def chance(most: float) -> float:
            return random.uniform(0, most) if random.random() < 0.5 else 0.0

        def every(least_s: float) -> float:
            return random.uniform(least_s, 4 * least_s) if random.random() < 0.5 else 0.0

        return cls(
            latency_s=random.choice((0.001, 0.02, 0.2)),
            lost_request=chance(0.1),
            lost_answer=chance(0.2),
            deaf=chance(0.03),
            reject=chance(0.1),
            double_update=chance(0.3),
            late_update=chance(0.2),
            lost_update=chance(0.2),
            slow_cancel=chance(0.3),
            thin_book=random.random() < 0.5,
            lost_tick=chance(0.05),
            double_tick=chance(0.1),
            bad_tick=chance(0.01),
            stream_down_s=every(30),
            feed_down_s=every(40),
            crash_s=every(40),
            command_s=every(30),
        )


NONE = Faults()
"""A world in which everything works, and takes its time."""
