"""The feed, admission and the core, and nothing around them."""

from __future__ import annotations

import asyncio
import sys
import time
from random import Random
from typing import Any

import msgspec

from actors.engine.core import Core, CoreSettings
from actors.feeds.websocket import FeedSettings, WebSocketFeed
from bench.processes.loop import new_event_loop
from bench.processes.probe import Probe, ReceiverSpec
from pipeline.admission import Admission, AdmissionSettings
from pipeline.strategy import StrategySettings, momentum_burst
from pipeline.venue_clock import VenueClock

ANY_TIME = 1e9
"""Seconds of skew: a tape that is pushed as fast as it is read keeps no time, and must not be refused for it."""


async def receive(spec: ReceiverSpec) -> None:
    """Feed a core until the parent ends this process."""
    probe = Probe(spec)
    clock = VenueClock(ANY_TIME)
    clock.expect(time.time_ns(), time.monotonic_ns())
    admission = Admission(AdmissionSettings(max_skew_s=ANY_TIME), clock)
    feed = WebSocketFeed(spec.url, FeedSettings(), clock, admission, time.monotonic_ns, Random(0))
    core = Core(CoreSettings(), momentum_burst(StrategySettings()))
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(inputs: list[Any]) -> None:
        core.run(inputs)
        probe.see(inputs)

    subscription = feed.subscribe(take, done.set_exception)
    asyncio.get_running_loop().add_reader(sys.stdin, done.set_result, None)  # the parent has closed its end
    try:
        await done
    finally:
        subscription.dispose()


def main(arguments: str) -> None:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(receive(msgspec.json.decode(arguments, type=ReceiverSpec)))


if __name__ == "__main__":
    main(*sys.argv[1:])
