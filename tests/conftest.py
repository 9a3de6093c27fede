"""What all tests share: hypothesis without time limits, their order, and a word on the data beside the repository."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

from tests.support import shared
from tests.support.live import FREE_PORTS, OWN_FOLDER

# A busy machine is slow, and that is no fault of the code: examples have no deadline. A failing one is printed so
# that it can be run again.
settings.register_profile("microbot", deadline=None, print_blob=True)
settings.load_profile("microbot")

# A bot that this machine runs already has the usual ports, also where a test runs one in its own process.
os.environ.update(FREE_PORTS)
# Nor is that bot's folder for data one to test in: what is told no other uses `data`, in whatever folder it runs.
os.environ.update(OWN_FOLDER)

# What a job in the background ignores, the bots that it starts would ignore as well.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_report_header() -> str:
    """Say whether the recorded data is there: without it the tests that use it fall back on small tapes."""
    return shared.describe()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: a test of a minute that begins last leaves the other workers idle."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
