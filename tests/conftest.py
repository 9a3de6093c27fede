"""What all tests share: hypothesis without time limits, and a word on the data that lies beside the repository."""

from __future__ import annotations

from hypothesis import settings

from tests.support import shared

# A busy machine is slow, and that is no fault of the code: examples have no deadline. A failing one is printed so
# that it can be run again.
settings.register_profile("microbot", deadline=None, print_blob=True)
settings.load_profile("microbot")


def pytest_report_header() -> str:
    """Say whether the recorded data is there: without it the tests that use it fall back on small tapes."""
    return shared.describe()
