"""The intake: the one way into the core, for market data, time, reports and commands alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from actors.engine.core import Input
from service.live.bookkeeping import Bookkeeping
from service.live.brokerage import Brokerage
from service.live.ending import Ending
from service.live.session import Session
from service.live.timekeeping import Timekeeper


class Intake:
    """Feeds inputs to the session, on the loop: the last session's book first, as soon as it is due.

    A core that raises once decides nothing more: the run fails, and what comes after that is ignored.
    """

    def __init__(
        self,
        session: Session,
        books: Bookkeeping,
        timekeeper: Timekeeper,
        brokerage: Brokerage | None,
        ending: Ending,
        say: Callable[[str], None],
    ) -> None:
        self._session = session
        self._books = books
        self._timekeeper = timekeeper
        self._brokerage = brokerage
        self._ending = ending
        self._say = say

    def feed(self, inputs: Sequence[Input]) -> None:
        """Run inputs to their end. Raises what the core raises, once the run is marked as failed."""
        if self._ending.over or self._ending.core_failed:  # what comes while the parts are taken down
            return
        if not self._timekeeper.venue_now():
            self._timekeeper.hear_account_time(inputs)
        try:
            if self._books.pending:
                book = self._books.due(inputs, self._timekeeper.venue_now(), self._say)
                if book is not None:
                    self._session.take([book])
            self._session.take(inputs)
        except Exception as error:  # from wherever these inputs come
            self._ending.fail_core(error)
            raise
        if self._brokerage is not None:
            self._brokerage.check_leaving(self._session.core)
