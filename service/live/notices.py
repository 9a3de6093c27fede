"""What the notifier is told of a run: once a second how the bot is, by its loop; and at the end that this is one."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType

from actors.engine.core import Core
from actors.messages import Fact, FeedChanged, StateChanged
from service.errors import Stopped, UserError
from service.live.children import NotifierProcess
from service.live.parts import Plan
from service.notify import texts
from service.notify.messages import Beat, Configured, Ended
from service.notify_settings import NotifySettings

_EVERY = 10  # looks: the run looks ten times a second


class Notices:
    """Tells the notifier. All of it happens on the loop; the journal's facts, the notifier reads by itself."""

    def __init__(self, plan: Plan, settings: NotifySettings, run: Callable[[], int | None]) -> None:
        folder = str(plan.options.data_dir.absolute())
        configured = Configured(settings, folder, os.getpid(), run() or 0)
        self.process = NotifierProcess(configured)
        self._share = plan.settings.risk.daily_loss_limit  # of the day's first equity
        self._run = run
        self._looks = 0
        self._feed: FeedChanged | None = None
        self._state: StateChanged | None = None
        self._state_run = 0

    def note_fact(self, fact: Fact) -> None:
        """Take a fact, if it is a state that the journal may not hold."""
        if isinstance(fact, FeedChanged):
            self._feed = fact
        elif isinstance(fact, StateChanged):
            self._state, self._state_run = fact, self._run() or 0

    def look(self, core: Core) -> None:
        """Tell how the bot is, at every tenth look."""
        self._looks += 1
        if self._looks % _EVERY == 0:
            self.process.send(self._beat(core))

    def _beat(self, core: Core) -> Beat:
        positions = core.positions
        worth = positions.equity_reading
        for held in positions.open.values():
            price = core.contexts[held.symbol].price
            worth += held.open_profit(price) if price > 0 else 0.0
        start = float(core.risk.day_start_equity)
        limit = start * self._share
        words = texts.held_in_words((each.symbol, each.side, each.quantity) for each in positions.open.values())
        now = core.risk.date, worth - start, limit, words
        return Beat(self._run() or 0, *now, self._feed, self._state, self._state_run)

    def goodbye(
        self, failure: Callable[[], str]
    ) -> Callable[[type[BaseException] | None, BaseException | None, TracebackType | None], None]:
        """Return what tells, when a stack of contexts is left, that the bot ends, and why if it failed."""

        def leave(_: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
            raised = (
                "" if error is None or isinstance(error, UserError | Stopped) else f"{type(error).__name__}: {error}"
            )
            self.process.send(Ended(failure() or raised))

        return leave
