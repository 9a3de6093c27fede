"""What outlives a bot: the machine that it runs on, the venue, and what is known of them."""

from __future__ import annotations

from typing import NamedTuple

from simulation.chance import Chance
from simulation.disk import Disk
from simulation.faults import Scenario
from simulation.ledger import Ledgers
from simulation.outside import Outside
from simulation.scheduler import Machine, VirtualScheduler
from simulation.venue import Venue


class Place(NamedTuple):
    """What outlives a bot."""

    scheduler: VirtualScheduler
    machine: Machine
    disk: Disk
    venue: Venue
    chance: Chance
    scenario: Scenario
    ledgers: Ledgers
    outside: Outside
