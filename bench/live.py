"""One round of live data: a venue, a receiver and, for a bot, browsers, each a process of its own."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

import msgspec

from bench.children import Child
from bench.processes.receiver import ReceiverSpec
from bench.processes.venue import VenueSpec
from bench.results import Options


class Round(msgspec.Struct, frozen=True):
    """What one receiver did with what one venue sent."""

    events: int  # that were timed: those after the first that came
    seconds: float  # until the last was dealt with
    cpu_seconds: float  # of the receiving process, all its threads, in that time
    ages: list[int]  # ns from socket to decision, where events were stamped
    venue_late_us: float = 0.0  # p99 of the schedule's lag: the load's own noise
    events_heard: int = 0  # by the browsers

    # A quick round may come in one go, and be over before a clock has moved: its numbers mean nothing, and are some.

    @property
    def us(self) -> float:
        """Microseconds an event."""
        return max(1e-6, self.seconds) / max(1, self.events) * 1e6

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU time an event."""
        return max(1e-6, self.cpu_seconds) / max(1, self.events) * 1e6


def play(
    options: Options, receiver: str, venue: VenueSpec, browsers: int = 0, mute: int = 0, notify: str = ""
) -> Round:
    """Run `receiver` (decoder, feeder, bot or unrecorded) on what the venue sends, to the last event.

    What is unrecorded is a bot, too. `mute` browsers read nothing. Notifications go to `notify` (host:port).
    """
    with ExitStack() as stack:
        exchange = stack.enter_context(Child("venue", msgspec.json.encode(venue).decode()))
        folder = Path(mkdtemp(dir=options.folder))
        url = exchange.hear("listening")["url"]
        unrecorded = receiver == "unrecorded"
        program = "bot" if unrecorded else receiver
        spec = ReceiverSpec(
            url, venue.count, stamped=venue.per_second > 0, folder=str(folder), recorded=not unrecorded, notify=notify
        )
        client = stack.enter_context(Child("receiver", program, msgspec.json.encode(spec).decode()))
        dashboard = client.hear("dashboard")["url"] if program == "bot" else ""
        exchange.hear("connected")
        crowd = None
        if browsers:
            crowd = stack.enter_context(Child("browsers", dashboard, str(browsers), str(mute)))
            crowd.hear("connected")
        exchange.say("go")
        received = client.hear("received", timeout_s=120)
        sent = exchange.hear("sent")
        heard = 0
        if crowd is not None:
            crowd.say("enough")
            heard = int(crowd.hear("heard")["events"])
        if program == "bot":
            client.terminate()
        exchange.say("enough")
    return msgspec.convert({**received, "venue_late_us": sent["late_p99_us"], "events_heard": heard}, Round)
