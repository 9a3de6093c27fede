"""What several modules here want: the command line, called in this process."""

from __future__ import annotations

import pytest

from service import outlet
from tests.service.test_cli import run

__all__ = ["at_a_terminal", "run"]


@pytest.fixture
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands print for people, although the tests read what they print."""
    monkeypatch.setattr(outlet, "for_machines", lambda as_json: as_json)
