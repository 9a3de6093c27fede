"""Ways to decide on a tape beside the core alone: rooms above the service bring them, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from service.errors import UserError
from service.extras import needed

if TYPE_CHECKING:  # a command line that only says its version has no need of them
    from service.settings import Settings
    from service.strategies import Wanted

EXACT = "exact"
"""The core alone, as live."""


class Replay(Protocol):
    """Decides on a tape as `service.recorded.replay.replay` does, byte for byte, or says why that has to."""

    def __call__(
        self,
        tape: Path,
        settings: Settings,
        strategy: Wanted,
        out: Path | None,
        progress: Callable[[int], None],
        say: Callable[[str], None],
        *,
        fail_fast: bool,
    ) -> dict[str, object]: ...


OTHERS: dict[str, Callable[[], Replay]] = {}
"""By name, what imports an engine, and returns it: whoever puts the command line together adds to them."""


def replay_of(name: str) -> Replay:
    """Return the replay of an engine. Raises UserError for a name that is none, and where its libraries are missing."""
    if name == EXACT:
        from service.recorded.replay import replay

        return replay
    if (load := OTHERS.get(name)) is None:
        raise UserError(f"there is no engine {name!r}: there are {', '.join((EXACT, *OTHERS))}")
    with needed(f"the engine {name} needs"):
        return load()
