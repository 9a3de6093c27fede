"""What receives a venue's frames: a client that only decodes, feed and core alone, or the whole bot.

A client that decodes is what any receiver of these frames has to do at the least. The bot is wired by
`service.live.run` as in earnest. In each a probe looks at the clock once an event is dealt with.
"""

from __future__ import annotations

import asyncio
import sys
import time
from array import array
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from actors.engine.core import Core, CoreSettings
from actors.feeds.websocket import FeedSettings, WebSocketFeed
from bench.children import run_loop, tell
from pipeline.admission import Admission, AdmissionSettings
from pipeline.events import Clock, Quote, Refused, Trade
from pipeline.strategy import StrategySettings, momentum_burst
from pipeline.venue_clock import VenueClock
from pipeline.venues.dialect import Hello

_ANY_TIME = 1e9
"""Seconds of skew: a tape that is pushed as fast as it is read keeps no time, and must not be refused for it."""


class ReceiverSpec(msgspec.Struct, frozen=True):
    """What a receiver is to do."""

    url: str
    count: int  # events that will come
    stamped: bool  # ids are the times at which they were sent
    folder: str = ""  # for logs and data
    recorded: bool = True  # by a bot, as it is by default
    notify: str = ""  # where a bot sends notifications, as host:port; empty: nowhere


class Probe:
    """Counts what comes, and says so when all of it has come: how long it took, and how old each event was.

    It costs a tick a few tenths of a microsecond, the same in every receiver.
    """

    def __init__(self, spec: ReceiverSpec) -> None:
        self._left = spec.count
        self._stamped = spec.stamped
        self._ages = array("q")  # ns
        self._timed = 0  # events that came after the first ones
        self._began = 0
        self._cpu_began = 0.0

    def see(self, events: list[Any]) -> None:
        """Take events that came together and have just been dealt with: all of them market data, or none."""
        kind: type = type(events[-1])
        if kind is not Trade and kind is not Refused:
            return
        if self._stamped:
            now = time.monotonic_ns()
            self._ages.extend(now - event.id for event in events if type(event) is Trade and type(event.id) is int)
        self._left -= len(events)
        if not self._began:
            self._timed = self._left
            self._began, self._cpu_began = time.monotonic_ns(), time.process_time()
        if self._left <= 0:
            seconds, cpu_seconds = (time.monotonic_ns() - self._began) / 1e9, time.process_time() - self._cpu_began
            tell("received", events=self._timed, seconds=seconds, cpu_seconds=cpu_seconds, ages=self._ages.tolist())


async def decode_only(spec: ReceiverSpec) -> None:
    """Decode what comes until the connection is closed."""
    decoder = msgspec.json.Decoder(Trade | Quote | Clock | Hello)
    decode, decode_lines, see = decoder.decode, decoder.decode_lines, Probe(spec).see
    async with connect(spec.url, compression=None) as socket:
        try:
            async for message in socket:
                see(decode_lines(message) if "\n" in message else [decode(message)])
        except ConnectionClosed:
            pass  # the venue goes without a word when all is measured


async def feed_a_core(spec: ReceiverSpec) -> None:
    """Feed a core, by way of feed and admission, until the parent ends this process."""
    probe = Probe(spec)
    clock = VenueClock(_ANY_TIME)
    clock.expect(time.time_ns(), time.monotonic_ns())
    admission = Admission(AdmissionSettings(max_skew_s=_ANY_TIME), clock)
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


def run_bot(spec: ReceiverSpec) -> None:
    """Run the whole bot until the parent ends this process."""
    from service import logs, settings
    from service.live.run import run
    from service.options import RunOptions

    folder = Path(spec.folder)
    flags: dict[str, Any] = {"web.port": 0, "log.dir": str(folder / "logs")}
    if spec.notify:
        flags |= {
            "notify.urls": [f"json://{spec.notify}/"],
            "notify.heartbeat_url": f"http://{spec.notify}/",
            "notify.heartbeat_s": 1.0,
            "notify.gap_s": 0.0,
        }
    if not spec.stamped:
        flags["admission.max_skew_s"] = _ANY_TIME
    effective = settings.load(flags=flags, environment={})
    probe = Probe(spec)

    class ProbedCore(Core):
        def run(self, inputs: Any) -> None:
            super().run(inputs)
            probe.see(inputs)

    def say(sentence: str) -> None:
        if sentence.startswith("dashboard: "):
            tell("dashboard", url=sentence.removeprefix("dashboard: "))

    logs.configure(effective.log)
    options = RunOptions(feed=spec.url, data_dir=folder / "data", recorded=spec.recorded)
    run(effective, options, say, ProbedCore)


def main(kind: str, arguments: str) -> None:
    spec = msgspec.json.decode(arguments, type=ReceiverSpec)
    if kind == "bot":
        run_bot(spec)
    else:
        run_loop({"decoder": decode_only, "feeder": feed_a_core}[kind](spec))


if __name__ == "__main__":
    main(*sys.argv[1:])
