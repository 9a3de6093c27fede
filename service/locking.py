"""Locks on files, which the system lets go of when a process ends, whatever ends it."""

from __future__ import annotations

import sys


def try_lock(fileno: int) -> bool:
    """Lock an open file for this process; return False at once if another one has it."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(fileno, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(fileno, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
