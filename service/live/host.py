"""The host of a run: what the process has before there is anything to run in it, and keeps until it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from service.data_folder.running import Claim
from service.live.ending import Ending
from service.live.stopping import Stopping
from service.live.stuck_exit import StuckExit


class Host(NamedTuple):
    """How a run talks to the terminal, where others find it, and how it ends."""

    say: Callable[[str], None]  # to the terminal
    claimed: Claim  # the data folder
    secret: str  # of the dashboard; empty where there is none
    ending: Ending
    stopping: Stopping
    stuck: StuckExit
