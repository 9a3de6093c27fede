"""Locks on files, which the system lets go of when a process ends, whatever ends it."""

from __future__ import annotations

import sys


def is_locked(fileno: int) -> bool:
    """Whether another process has locked an open file; nobody else who looks is taken for one that has."""
    return not _try(fileno, shared=True)


def try_lock(fileno: int) -> bool:
    """Lock an open file for this process; return False at once if another one has it."""
    return _try(fileno, shared=False)


def _try(fileno: int, *, shared: bool) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(fileno, msvcrt.LK_NBLCK, 1)  # it knows no shared ones
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(fileno, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
