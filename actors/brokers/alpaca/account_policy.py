"""When the account is read, and what a reading, or one that fails, tells of the line."""

from __future__ import annotations

from actors.brokers.alpaca import codec
from actors.brokers.alpaca.account import Account
from actors.brokers.alpaca.context import BrokerContext
from actors.brokers.alpaca.conversations import Steps
from actors.brokers.alpaca.order_tracker import OrderTracker
from actors.brokers.alpaca.rest_client import Failed
from actors.brokers.alpaca.stream_policy import StreamPolicy
from actors.messages import FeedState
from pipeline.events import SECOND

FEES_MINUTES = 15
"""The venue's minutes between two readings of the fees, which are booked once a day."""


class AccountPolicy:
    """One reading at a time: every `poll_s`, every `down_poll_s` while no stream tells of orders, or when asked for.

    One that took many requests is followed by a longer pause, so that readings leave room under the venue's limit.
    """

    def __init__(
        self,
        context: BrokerContext,
        account: Account,
        tracker: OrderTracker,
        stream: StreamPolicy,
        *,
        with_fees: bool = False,
    ) -> None:
        self._context = context
        self._account = account
        self._tracker = tracker
        self._stream = stream
        self._began_ns: int | None = None  # monotonic: start of the last reading; None: before the first
        self._pause_ns = 0  # from there to the next, at the least: the limit on requests asks for it
        self._is_reading = False  # a reading waits for its answers
        self._read_at_once = False  # as soon as no reading runs
        self._read_early = False  # after down_poll_s: something happened that only the account can tell
        self._failures = 0  # readings in a row
        self._fees_due_ns: int | None = 0 if with_fees else None  # when the fees are read again; None: never

    def request_at_once(self) -> None:
        """Have the account read as soon as no reading runs."""
        self._read_at_once = True

    def request_early(self) -> None:
        """Have the account read after `down_poll_s`: something happened that only it can tell."""
        self._read_early = True

    @property
    def due_ns(self) -> int | None:
        """When the next reading is due, in monotonic time; None while one runs, and until the first is requested."""
        settings = self._context.settings
        if self._is_reading:
            return None
        if self._read_at_once:
            return 0
        if self._began_ns is None:
            return None
        if self._context.keys_refused:
            interval_s = settings.refused_delay_s
        elif self._failures or (self._context.is_heard and not self._read_early):
            interval_s = settings.poll_s
        else:
            interval_s = settings.down_poll_s
        return self._began_ns + max(round(interval_s * SECOND), self._pause_ns)

    def begin(self, now_ns: int) -> Steps[None]:
        """Return a reading, to be started now."""
        self._began_ns = now_ns
        self._is_reading = True
        self._read_at_once = self._read_early = False
        return self._read(self._stream.number if self._context.is_heard else 0)

    def _read(self, connection: int) -> Steps[None]:
        """Read the account once, behind that connection of the stream; 0: behind none."""
        budget = self._context.budget
        sent_before = budget.total_readings
        try:
            yield from self._account.assets()
            report = yield from self._account.read()
        except (Failed, codec.Unreadable) as error:
            self._context.counts["polls_failed"] += 1
            self._failures += 1
            if self._failures > 1:  # once may be chance
                self._context.change(FeedState.DOWN, f"the venue does not tell of the account: {error}")
        else:
            self._failures = 0
            self._context.keys_refused = False
            self._context.publish(report)
            if connection and self._context.is_heard and connection == self._stream.number:
                self._context.change(FeedState.LIVE)
                yield from self._read_fees()
        self._is_reading = False
        self._pause_ns = budget.pause_after_reading(budget.total_readings - sent_before)
        if self._tracker.has_overdue_updates():  # it answers pings, but does not tell what REST told
            self._stream.drop("the trading stream does not tell what happens to orders")

    def _read_fees(self) -> Steps[None]:
        """Read the fees now and then, while all is well; what fails is tried again then, and tells of no line."""
        now_ns = self._context.now.monotonic_ns
        if self._fees_due_ns is None or now_ns < self._fees_due_ns:
            return
        self._fees_due_ns = now_ns + FEES_MINUTES * self._context.budget.minute_ns
        try:
            yield from self._account.charges()
        except (Failed, codec.Unreadable):
            self._context.counts["fees_failed"] += 1
