"""A program whose workers never come back: `python -m tests.research.workers.endless KIND`, to be interrupted."""

from __future__ import annotations

import os
import sys
import threading

from research.workers.choice import workers_of


def hang(_: int) -> None:
    """Say which process this is, and never return."""
    os.write(1, f"{os.getpid()}\n".encode())
    threading.Event().wait()


if __name__ == "__main__":
    with workers_of(sys.argv[1], 2) as workers:
        for _ in workers.run(hang, [1, 2, 3]):
            pass
