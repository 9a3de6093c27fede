"""A watch on the disks that a bot writes to: it warns while there is still something to do about it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from loguru import logger

from actors.supervision.periodic import Periodic
from web.messages import DiskSeen

LOOK_S = 30.0  # real seconds between two looks
_AGAIN = 0.5  # of what was free when it was said: then it is said again
_ENOUGH = 1.25  # of the threshold: from there on it is no more called low, so a file that comes and goes is silent


class DiskPolicy:
    """When to say something of one disk: once below the threshold, again at each half of it, and once it is over."""

    def __init__(self, warn_bytes: int) -> None:
        self._warn_bytes = warn_bytes
        self._said: int | None = None  # free bytes when it was last said; None while the disk is not low

    def judge(self, free: int) -> bool | None:
        """Return True to say that it is low, False that it is no more, None to say nothing."""
        if free < self._warn_bytes and (self._said is None or free < self._said * _AGAIN):
            self._said = free
            return True
        if self._said is not None and free >= self._warn_bytes * _ENOUGH:
            self._said = None
            return False
        return None


class DiskWatch:
    """Looks at the disks of some folders now and then, on a thread that a disk which stands still may hold up.

    `show` is called on that thread.
    """

    def __init__(
        self,
        folders: Iterable[Path],
        warn_bytes: int,
        now: Callable[[], int],
        show: Callable[[DiskSeen], object],
        free_at: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._folders = tuple(folder.absolute() for folder in folders)
        self._warn_bytes = warn_bytes
        self._now = now
        self._show = show
        self._free_at = free_at
        self._policies: dict[int, DiskPolicy] = {}  # by device
        self._periodic = Periodic("disk", self.look, LOOK_S)

    def start(self) -> None:
        """Look, now and from now on."""
        if self._warn_bytes:
            self._periodic.start()

    def stop(self) -> None:
        """Look no more; a look that a disk holds up is not waited for."""
        self._periodic.end()

    def look(self) -> None:
        """Look once, and say what there is to say."""
        for place, device, free in self._found():
            self._note(place, device, free)

    def _found(self) -> list[tuple[Path, int, int]]:
        """Return each disk once, with what is free on it; one that does not say is left out."""
        found: dict[int, tuple[Path, int, int]] = {}
        for folder in self._folders:
            try:
                device = os.stat(folder).st_dev
                found.setdefault(device, (folder, device, self._free_at(folder)))
            except OSError:
                continue  # the log says what cannot be written there
        return list(found.values())

    def _note(self, place: Path, device: int, free: int) -> None:
        low = self._policies.setdefault(device, DiskPolicy(self._warn_bytes)).judge(free)
        if low is None:
            return
        seen = DiskSeen(str(place), free, low, self._now())
        log = logger.bind(logger="microbot.service", event="disk.low" if low else "disk.enough", free=free)
        log.log("WARNING" if low else "INFO", "{}", seen.sentence)
        self._show(seen)
