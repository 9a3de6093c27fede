"""The protocol of Alpaca's broker: all that it decides, as values in and values out, without a socket or a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from random import Random
from typing import assert_never

from actors.brokers.alpaca import codec, messages
from actors.brokers.alpaca.account import Account
from actors.brokers.alpaca.account_policy import AccountPolicy
from actors.brokers.alpaca.context import BrokerContext
from actors.brokers.alpaca.conversations import Conversations
from actors.brokers.alpaca.order_client import OrderClient
from actors.brokers.alpaca.order_tracker import OrderTracker
from actors.brokers.alpaca.rest_client import RestClient
from actors.brokers.alpaca.settings import NO_UPDATES, REFUSED_KEYS, BrokerSettings
from actors.brokers.alpaca.stream_policy import StreamPolicy
from actors.messages import FeedState
from actors.orders import CancelOrder, CancelRefused, LookUpOrder, SubmitOrder
from pipeline.events import SECOND


class State(IntEnum):
    """How far a protocol's life has come."""

    CREATED = 0
    RUNNING = 1
    STOPPING = 2
    ENDED = 3


class AlpacaProtocol:
    """Decides what to send to Alpaca and what to report, without I/O.

    Call `handle` with each event and carry out the returned actions in order. After `has_ended` it returns none.
    An order is sent once. Only after a 429 is it sent again, within a bound and after the venue's reset, and an entry
    not even then. An outcome we cannot know is reported as `SubmitUnanswered`; the core looks it up. Of an order that
    is not ours, only the account's next report tells, and it comes soon.

    `symbols`: assets to read at the start. `random`: jitter of delays. `is_ours`: whether a client order id is this
    bot's. `speed`: venue seconds a second, for its limit on requests. `with_fees`: read what the account is charged.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        symbols: Iterable[str],
        random: Random,
        is_ours: Callable[[str], bool],
        speed: float = 1.0,
        *,
        with_fees: bool = False,
    ) -> None:
        self._state = State.CREATED
        self._timer_ns: int | None = None  # due time of the timer in force; None: no timer
        self._stop_by_ns: int | None = None  # monotonic: end of the grace; None: not stopping
        self._context = context = BrokerContext(settings, random, is_ours, speed)
        self.counts = context.counts
        self._conversations = Conversations(context)
        self._tracker = OrderTracker(context)
        self._stream = StreamPolicy(context)
        client = RestClient(context)
        self._account = Account(context, client, self._tracker, symbols)
        self._readings = AccountPolicy(context, self._account, self._tracker, self._stream, with_fees=with_fees)
        self._orders = OrderClient(context, client, self._tracker, self._conversations)

    @property
    def has_ended(self) -> bool:
        """Whether everything is told, and no event is handled any more."""
        return self._state is State.ENDED

    @property
    def settled_count(self) -> int:
        """Effects whose fate is told."""
        return self._orders.settled_count

    def handle(
        self, event: messages.Event, now: messages.Now, *, entries_blocked: bool = False
    ) -> list[messages.Action]:
        """Take what happened, and return what is to be done, in its order.

        While entries are blocked, those that are not on the wire yet do not leave.
        """
        if self.has_ended:
            return []
        self._context.now, self._context.entries_blocked = now, entries_blocked
        self._dispatch(event)
        if not self.has_ended:
            self._advance()
        actions = self._context.actions.copy()
        self._context.actions.clear()
        return actions

    def _dispatch(self, event: messages.Event) -> None:
        now_ns = self._context.now.monotonic_ns
        match event:
            case messages.StreamFrame(payload):
                self._on_frame(payload)
            case messages.RequestDone(number, outcome):
                self._conversations.resume(number, outcome)
            case messages.TimerDue():
                self._timer_ns = None
            case SubmitOrder():
                if self._account.request_asset(event.symbol):
                    self._readings.request_early()
                self._orders.take(event)
            case CancelOrder() | LookUpOrder():
                self._orders.take(event)
            case messages.StreamListening():
                self._stream.on_listening(now_ns)
                self._readings.request_at_once()  # for what happened while it was not listening
            case messages.StreamLost():
                self._tracker.unwatch_all()
                self._context.change(FeedState.DOWN, self._stream.on_lost(event, now_ns))
            case messages.Started():
                if self._state is not State.CREATED:
                    raise RuntimeError("the broker was started before")
                self._state = State.RUNNING
                self._readings.request_at_once()
                self._context.publish_state()
                self._stream.start(now_ns)
            case messages.Hold(reason):
                self._stream.hold(reason)
            case messages.GoOn():
                self._stream.release(now_ns)
            case messages.ReadAccount():
                self._readings.request_at_once()
            case messages.Stop(grace_s):
                self._state = State.STOPPING
                self._stop_by_ns = now_ns + round(grace_s * SECOND)
            case messages.Fault(error):
                self.counts["faults"] += 1
                self._context.change(FeedState.DOWN, f"the broker's thread ended by a fault: {error}", is_final=True)
                self._end()
            case _:
                assert_never(event)

    def _advance(self) -> None:
        """Do all that can be done now, and have a timer set for what comes later."""
        now_ns = self._context.now.monotonic_ns
        self._conversations.run(now_ns)
        if self._context.doubted_assets or self._context.account_doubted:
            self._readings.request_early()
        if (due_ns := self._readings.due_ns) is not None and due_ns <= now_ns:
            self._conversations.start(self._readings.begin(now_ns))
            self._conversations.run(now_ns)
        if self._stop_by_ns is not None and (self._orders.is_idle or self._stop_by_ns <= now_ns):
            self._end()
            return
        self._stream.connect_if_due(now_ns)
        dues_ns = (self._conversations.due_ns, self._stream.due_ns, self._readings.due_ns, self._stop_by_ns)
        due_ns = min((due_ns for due_ns in dues_ns if due_ns is not None), default=None)
        if due_ns is not None and due_ns != self._timer_ns:
            self._timer_ns = due_ns
            self._context.actions.append(messages.SetTimer(due_ns))

    def _end(self) -> None:
        self._state = State.ENDED
        self._orders.give_up("the broker was stopped")
        actions = self._context.actions
        actions[:] = [a for a in actions if isinstance(a, messages.Publish)]  # what was told unknown must not leave

    # ---------------------------------------------------------------------------------------------- the stream

    def _on_frame(self, payload: str | bytes) -> None:
        try:
            message = codec.frame(payload)
            if isinstance(message, codec.Update):
                self._on_update(message)
        except codec.Unreadable:
            self.counts["unreadable"] += 1
            self._readings.request_early()  # it may have told of a fill
            return
        if isinstance(message, codec.Authorization) and message.status != "authorized":
            self._stream.drop(REFUSED_KEYS, refused=True)
        elif isinstance(message, codec.Listening) and codec.UPDATES not in message.streams:
            self._stream.drop(NO_UPDATES)

    def _on_update(self, update: codec.Update) -> None:
        """Report what happened to an order. Raises Unreadable."""
        self._tracker.note_change()
        report = codec.with_reason(self._tracker.report(update.order, update.timestamp), update)
        if not self._context.is_ours(report.order):
            self.counts["foreign"] += 1
            self._readings.request_early()
            return
        if update.event in codec.REVISIONS:
            report = codec.revised(report, update)
            self.counts["revisions"] += 1
            self._readings.request_early()  # the account holds something else now
        self._tracker.note_update(report)
        if update.event == "order_cancel_rejected":
            self._context.publish(report, CancelRefused(report.order, report.ts, "the venue rejected the cancel"))
        else:
            self._context.publish(report)
