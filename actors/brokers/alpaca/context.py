"""What the parts of the protocol share: the time of the event in hand, what is counted, and what is to be done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from actors.brokers.alpaca.messages import Action, Now, Publish
from actors.brokers.alpaca.request_budget import RequestBudget
from actors.brokers.alpaca.settings import REFUSED_KEYS, BrokerSettings
from actors.feeds.backoff import BackOff
from actors.messages import BrokerChanged, FeedState, Report

_COUNTED = (
    "requests",  # sent by REST
    "failures",  # of those: no answer, or one that the venue is in no state to give
    "unanswered",  # submits whose fate the venue did not tell
    "throttled",  # answers that we ask too often
    "held_back",  # requests that waited for room under the venue's limit
    "no_room",  # entries that were not sent, since there was none
    "duplicates",  # orders that were known already
    "lookups_failed",  # questions given up
    "polls_failed",  # looks at the account that came to nothing
    "reconnects",  # of the trading stream
    "unreadable",  # frames and bodies that were dropped
    "unknown_statuses",  # words for a status that are not documented
    "foreign",  # updates of orders that are not ours
    "turned_away",  # effects that were not taken: too many are on their way
    "faults",  # of this program's own
)


class BrokerContext:
    """What one broker's protocol is about to do, and what its parts have to know of each other.

    `StreamPolicy` alone sets `is_heard`; the protocol sets the time and takes the actions; `AccountPolicy` trusts the
    keys again.
    """

    def __init__(
        self, settings: BrokerSettings, random: Random, is_ours: Callable[[str], bool], speed: float = 1.0
    ) -> None:
        self.settings = settings
        self.is_ours = is_ours  # by the id that an order's maker gave it
        self.now = Now(0, 0)  # of the event in hand
        self.entries_blocked = False  # those that are not on the wire yet are refused
        self.counts = Counter(dict.fromkeys(_COUNTED, 0))
        self.actions: list[Action] = []  # that are wanted of the driver
        self.budget = RequestBudget(settings.requests_per_minute, speed)
        self.doubted_assets: set[str] = set()  # symbols whose asset the venue has just contradicted
        self.account_doubted = False  # the account's own numbers likewise
        self.is_heard = False  # whether the trading stream tells what happens to orders
        self.keys_refused = False  # since the account was read last
        self._random = random
        self._state = FeedState.CONNECTING
        self._reason = ""

    def back_off(self) -> BackOff:
        """Return new delays, for one thing that is tried again."""
        return BackOff(self.settings.first_delay_s, self.settings.most_delay_s, self._random)

    def publish(self, *reports: Report) -> None:
        """Report to the core."""
        self.actions.append(Publish(reports))

    def publish_state(self) -> None:
        """Report how the line to the venue is."""
        self.publish(BrokerChanged(self._state, self.now.venue_ns, self._reason))

    def change(self, state: FeedState, reason: str = "", *, is_final: bool = False) -> None:
        """Report a change of state. While the line is down, only refused keys and the final reason are news."""
        down = state is self._state is FeedState.DOWN
        if (state, reason) == (self._state, self._reason) or (down and not is_final and reason != REFUSED_KEYS):
            return
        self._state, self._reason = state, reason
        self.publish_state()

    def refuse_keys(self) -> None:
        """Know that the venue refused the keys."""
        self.keys_refused = True
        self.change(FeedState.DOWN, REFUSED_KEYS)
