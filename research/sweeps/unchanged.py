"""What a sweep reads again and again has to stay as it was: its cells are kept under what it was at the beginning."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from service.errors import UserError

_State = tuple[int, int, int, int]


class Unchanged:
    """Files by what the system says of them: a look at each costs nothing, whatever their length."""

    def __init__(self) -> None:
        self._states: dict[Path, _State | None] = {}

    def note(self, paths: Iterable[Path]) -> None:
        """Note how files are now; do so before they are read for the first time."""
        for path in paths:
            self._states.setdefault(path, _state(path))

    def check(self) -> None:
        """Raise UserError if a file is no longer what it was when it was noted."""
        for path, state in self._states.items():
            if _state(path) != state:
                raise UserError(
                    f"{path} was changed while it was swept over: what was decided since then is not kept; begin "
                    "again, and leave it as it is"
                )


def _state(path: Path) -> _State | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
