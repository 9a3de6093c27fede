"""The protocol of Alpaca's broker: all that it decides, as values in and values out, without a socket or a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import assert_never

from actors.brokers.alpaca import codec, messages
from actors.brokers.alpaca.account import Account
from actors.brokers.alpaca.context import BrokerContext
from actors.brokers.alpaca.conversations import Conversations, Steps
from actors.brokers.alpaca.order_client import OrderClient
from actors.brokers.alpaca.order_tracker import OrderTracker
from actors.brokers.alpaca.rest_client import Failed, RestClient
from actors.brokers.alpaca.settings import NO_UPDATES, REFUSED_KEYS, BrokerSettings
from actors.brokers.alpaca.stream_policy import StreamPolicy
from actors.messages import FeedState
from actors.orders import CancelOrder, CancelRefused, LookUpOrder, SubmitOrder
from pipeline.events import SECOND


class AlpacaProtocol:
    """Takes what happens (`handle`), and returns what is to be done about it.

    What the core decides is not decided here: an effect is tried once (again only where the venue has certainly not
    taken it), and its fate is told as it is, also where it is not known. The account is read every `poll_s`, and at
    once after each connect. Of an order that is not ours, only the account's next report tells, and it comes soon.
    """

    def __init__(
        self, settings: BrokerSettings, symbols: Iterable[str], random: Random, is_ours: Callable[[str], bool]
    ) -> None:
        self.has_ended = False  # everything is told, and no event is handled any more
        self._has_started = False
        self._timer_ns: int | None = None  # that is set
        self._stop_by_ns: int | None = None  # once we stop: when the grace is over

        self._began_ns = 0  # when the last reading of the account began
        self._is_reading = False
        self._read_at_once = False
        self._read_early = False
        self._failed_polls = 0  # in a row

        self._context = context = BrokerContext(settings, random, is_ours)
        self.counts = context.counts
        self._conversations = Conversations(context)
        self._tracker = OrderTracker(context)
        self._stream = StreamPolicy(context)
        client = RestClient(context)
        self._account = Account(context, client, self._tracker, symbols)
        self._orders = OrderClient(context, client, self._tracker, self._conversations)

    @property
    def done(self) -> int:
        """Effects whose fate is told."""
        return self._orders.done

    def handle(
        self, event: messages.Event, now: messages.Now, *, entries_blocked: bool = False
    ) -> list[messages.Action]:
        """Take what happened, and return what is to be done, in its order.

        While entries are blocked, those that are not on the wire yet do not leave.
        """
        if self.has_ended:
            return []
        self._context.now, self._context.entries_blocked = now, entries_blocked
        self._take(event)
        if not self.has_ended:
            self._go_on()
        actions = self._context.actions.copy()
        self._context.actions.clear()
        return actions

    def _take(self, event: messages.Event) -> None:
        match event:
            case messages.StreamFrame(payload):
                self._on_frame(payload)
            case messages.RequestDone(number, outcome):
                self._conversations.go_on(number, outcome)
            case messages.TimerDue():
                self._timer_ns = None
            case SubmitOrder():
                self._read_early |= self._account.wants(event.symbol)
                self._orders.take(event)
            case CancelOrder() | LookUpOrder():
                self._orders.take(event)
            case messages.StreamListening():
                self._stream.listening()
                self._read_at_once = True  # what happened before, nobody told
            case messages.StreamLost():
                self._tracker.unwatch_all()
                self._context.change(FeedState.DOWN, self._stream.lost(event))
            case messages.Started():
                self._has_started = self._read_at_once = True
                self._context.publish_state()
                self._stream.start()
            case messages.Hold(reason):
                self._stream.hold(reason)
            case messages.GoOn():
                self._stream.go_on()
            case messages.ReadAccount():
                self._read_at_once = True
            case messages.Stop(grace_s):
                self._stop_by_ns = self._context.now.monotonic_ns + round(grace_s * SECOND)
            case messages.Fault(error):
                self.counts["faults"] += 1
                self._context.change(FeedState.DOWN, f"the broker's thread ended by a fault: {error}")
                self._end()
            case _:
                assert_never(event)

    def _go_on(self) -> None:
        """Do all that can be done now, and have a timer set for what comes later."""
        now_ns = self._context.now.monotonic_ns
        self._conversations.run(now_ns)
        while (due_ns := self._next_reading_ns) is not None and due_ns <= now_ns:
            self._is_reading = True
            self._conversations.start(self._read())
            self._conversations.run(now_ns)
        if self._stop_by_ns is not None and (self._orders.is_idle or self._stop_by_ns <= now_ns):
            self._end()
            return
        self._stream.connect_if_due()
        dues_ns = (self._conversations.due_ns, self._stream.due_ns, self._next_reading_ns, self._stop_by_ns)
        due_ns = min((due_ns for due_ns in dues_ns if due_ns is not None), default=None)
        if due_ns is not None and due_ns != self._timer_ns:
            self._timer_ns = due_ns
            self._context.actions.append(messages.SetTimer(due_ns))

    def _end(self) -> None:
        self.has_ended = True
        self._orders.give_up("the broker was stopped")

    # ---------------------------------------------------------------------------------------------- the stream

    def _on_frame(self, payload: str | bytes) -> None:
        try:
            message = codec.frame(payload)
            if isinstance(message, codec.Update):
                self._on_update(message)
        except codec.Unreadable:
            self.counts["unreadable"] += 1
            self._read_early = True  # it may have told of a fill
            return
        if isinstance(message, codec.Authorization) and message.status != "authorized":
            self._stream.drop(REFUSED_KEYS, refused=True)
        elif isinstance(message, codec.Listening) and codec.UPDATES not in message.streams:
            self._stream.drop(NO_UPDATES)

    def _on_update(self, update: codec.Update) -> None:
        """Report what happened to an order. Raises Unreadable."""
        self._tracker.news += 1
        report = self._tracker.report(update.order, update.timestamp)
        if not self._context.is_ours(report.order):
            self.counts["foreign"] += 1
            self._read_early = True
            return
        self._tracker.note_update(report)
        if update.event == "order_cancel_rejected":
            self._context.publish(report, CancelRefused(report.order, report.ts, "the venue rejected the cancel"))
        else:
            self._context.publish(report)

    # ---------------------------------------------------------------------------------------------- the account

    @property
    def _next_reading_ns(self) -> int | None:
        """When the account is to be read next, in monotonic time; None while it is being read, and before the start."""
        settings = self._context.settings
        if self._is_reading or not self._has_started:
            return None
        if self._read_at_once:
            return 0
        if self._context.keys_refused:
            interval_s = settings.refused_delay_s
        elif self._failed_polls or (self._context.is_heard and not self._read_early):
            interval_s = settings.poll_s
        else:
            interval_s = settings.down_poll_s
        return self._began_ns + round(interval_s * SECOND)

    def _read(self) -> Steps[None]:
        """Read the account once."""
        self._began_ns = self._context.now.monotonic_ns
        self._read_at_once = self._read_early = False
        connection = self._stream.number if self._context.is_heard else 0
        try:
            yield from self._account.assets()
            report = yield from self._account.read()
        except (Failed, codec.Unreadable) as error:
            self.counts["polls_failed"] += 1
            self._failed_polls += 1
            if self._failed_polls > 1:  # once may be chance
                self._context.change(FeedState.DOWN, f"the venue does not tell of the account: {error}")
        else:
            self._failed_polls = 0
            self._context.keys_refused = False
            self._context.publish(report)
            if connection and self._context.is_heard and connection == self._stream.number:
                self._context.change(FeedState.LIVE)
        self._is_reading = False
        if self._tracker.are_late():  # it answers pings, but does not tell what REST told
            self._stream.drop("the trading stream does not tell what happens to orders")
