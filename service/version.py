"""Which microbot this is; the build takes its version from here."""

from __future__ import annotations

VERSION = "0.1.0"

DISTRIBUTION = "microbot-trading"
"""What a package index calls it; the command is `microbot`."""
