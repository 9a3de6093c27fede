"""The parts of a run that others are made from: what the process has, what everything stands on, and the way out."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from actors.gateway.gate import Gate
from actors.gateway.kill_switch import KillSwitch
from pipeline.admission import Admission
from pipeline.venue_clock import VenueClock
from service.data_folder.running import Claim
from service.live.bookkeeping import Bookkeeping
from service.live.brokerage import Brokerage
from service.live.ending import Ending
from service.live.halt_file import HaltFile
from service.live.mailbox import Mailbox
from service.live.processes import Processes
from service.live.running_clock import RunningClock
from service.live.stopping import Stopping
from service.live.stuck_exit import StuckExit
from service.live.timekeeping import Timekeeper
from service.live.urgent_pipe import UrgentPipe


class Host(NamedTuple):
    """What the process has before there is anything to run in it: where it is seen, and how it ends."""

    say: Callable[[str], None]  # to the terminal
    claimed: Claim  # the data folder
    secret: str  # of the dashboard; empty where there is none
    ending: Ending
    stopping: Stopping
    stuck: StuckExit


class Groundwork(NamedTuple):
    """What every other part stands on: time, the journal, the way to the loop, and the other processes."""

    clock: VenueClock
    admission: Admission
    timekeeper: Timekeeper
    running_s: RunningClock
    mailbox: Mailbox
    books: Bookkeeping
    processes: Processes
    urgent: UrgentPipe
    random: Random  # jitter of reconnects only: it decides nothing


class WayOut(NamedTuple):
    """What the core's effects go through, and what can stop them."""

    brokerage: Brokerage | None
    switch: KillSwitch
    gate: Gate
    halt_file: HaltFile
