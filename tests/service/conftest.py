"""What several modules here want: the command line, called in this process."""

from __future__ import annotations

from tests.service.test_cli import run

__all__ = ["run"]
