"""A file that is being written: whether it is still the one at its path. An open one goes on to take what is lost."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class FileWatch:
    """Notices that another program removed a file, put another in its place, or cut it off.

    One that is not there yet is known from when it is first seen. `grows` says that it never gets smaller by itself.
    A device or a pipe is not watched. Costs a look at the folder, and so has no place on the tick path.
    """

    def __init__(self, path: Path, *, grows: bool = True) -> None:
        self._path = path.absolute()  # wherever this process goes
        self._grows = grows
        self._known: tuple[int, int] | None = None
        self._size = 0
        self.look()

    def look(self) -> str:
        """Return what happened to the file, in words that follow its name; empty if nothing did."""
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return "was removed while it was written" if self._known is not None else ""
        except OSError as error:
            return f"cannot be seen any more ({error.strerror})"
        if not stat.S_ISREG(found.st_mode) and self._known is None:
            return ""
        identity = found.st_dev, found.st_ino
        if self._known is None:
            self._known = identity
        if identity != self._known:
            return "was replaced by another file while it was written"
        if self._grows and found.st_size < self._size:
            return f"was cut from {self._size:,} to {found.st_size:,} bytes while it was written"
        self._size = found.st_size
        return ""
