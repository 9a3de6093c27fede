"""What looks after something every so often: the thread of each watch."""

from __future__ import annotations

import threading
from collections.abc import Callable

from loguru import logger


class Periodic:
    """Calls `look` at its start and every `interval_s` seconds, on a thread of its own, until it is stopped.

    A look that raises ends the thread; that is logged as `NAME.failed`, since nothing else would show it.
    """

    def __init__(self, name: str, look: Callable[[], object], interval_s: float) -> None:
        self._name = name
        self._look = look
        self._interval_s = interval_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Look, now and from now on."""
        self._thread.start()

    def end(self) -> None:
        """Look no more; one that goes on is not waited for. From any thread, also from a look."""
        self._over.set()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Look no more, and wait so long for a look that goes on; one that never comes back is left to the process."""
        self._over.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                self._look()
                self._over.wait(self._interval_s)
        except Exception:
            log = logger.bind(logger=f"microbot.{self._name}", event=f"{self._name}.failed")
            log.exception("{}", f"the {self._name} watch has ended by a fault")
