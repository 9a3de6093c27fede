"""The bot's event loop, for the programs that are compared with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

new_event_loop: Callable[[], asyncio.AbstractEventLoop] | None
try:
    from uvloop import new_event_loop
except ImportError:  # Windows has none
    new_event_loop = None
