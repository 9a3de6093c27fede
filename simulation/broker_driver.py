"""Drives the protocol of Alpaca's broker in virtual time: what gets lost on the way to the venue, gets lost here."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import msgspec

from actors.brokers.alpaca import messages
from actors.brokers.alpaca.protocol import AlpacaProtocol
from actors.brokers.alpaca.settings import BrokerSettings
from actors.messages import Report
from actors.orders import OrderCommand
from pipeline.events import SECOND
from simulation.broken import Broken
from simulation.chance import Chance
from simulation.faults import Faults
from simulation.refusals import Refusals
from simulation.scheduler import VirtualScheduler
from simulation.venue import Venue

UNREAD_S = 30.0
"""Seconds that a bot which lives may leave the account unread."""

GARBLED = b"<html>"


class BrokerDriver:
    """One bot's line to the venue; cut, it neither says nor hears anything more."""

    def __init__(
        self,
        scheduler: VirtualScheduler,
        venue: Venue,
        faults: Faults,
        chance: Chance,
        now: Callable[[], int],
        is_ours: Callable[[str], bool],
        on_report: Callable[[list[Report]], None],
        *,
        with_fees: bool = False,
    ) -> None:
        self.mute = False  # the trading stream is connected, and says nothing
        self._settings = BrokerSettings()
        jitter = chance.stream("jitter of the broker")
        self._protocol = AlpacaProtocol(self._settings, venue.symbols, jitter, is_ours, with_fees=with_fees)
        self._scheduler = scheduler
        self._venue = venue
        self._faults = faults
        self._chance = chance
        self._now = now
        self._on_report = on_report
        self._latency = chance.stream("latency of the broker")
        self._refusals = Refusals(scheduler, "trading stream")
        self._cut = False
        self._blocked = False  # entries that are not on the wire yet are refused
        self._timers = 0  # that were set: only the last one counts
        self._connection = 0  # number of the trading stream's last
        self._is_connected = False
        self._may_know: set[str] = set()  # orders that were sent and that the venue may have taken
        self._asked_at_s = scheduler.ran_s  # when the account was asked for last

    def start(self) -> None:
        """Connect, and read the account from now on."""
        self._asked_at_s = self._scheduler.ran_s
        self._handle(messages.Started())

    def send(self, effect: OrderCommand) -> None:
        """Take what the gate lets out."""
        if not self._chance.occurs("deaf", self._faults.deaf, f"what is to be sent gets nowhere ({effect.id})"):
            self._handle(effect)

    def block_entries(self, *, blocked: bool) -> None:
        """Refuse entries that are not on the wire yet, or let them out again."""
        self._blocked = blocked

    def read_account(self) -> None:
        """Look at the account at once."""
        self._handle(messages.ReadAccount())

    def disconnect(self, reason: str) -> None:
        """Drop the trading stream; it comes back by itself."""
        if self._is_connected:
            self._is_connected = False
            self._handle(messages.StreamLost(reason))

    def cut(self) -> None:
        """Stop for good: the bot's process is gone."""
        self._cut = True

    def check(self) -> None:
        """Raise Broken if the account was left unread for long, while it could have been read."""
        if self._scheduler.ran_s - max(self._asked_at_s, self._venue.crowded_until_s) > UNREAD_S:
            raise Broken("account", f"the account was not asked for in {UNREAD_S:g} s")

    # ------------------------------------------------------------------------------------------- the protocol

    def _handle(self, event: messages.Event) -> None:
        if not self._cut:
            now = messages.Now(self._scheduler.now, self._now())
            for action in self._protocol.handle(event, now, entries_blocked=self._blocked):
                self._do(action)
            if self._protocol.has_ended:
                raise Broken("account", "the broker has ended by itself")

    def _do(self, action: messages.Action) -> None:
        match action:
            case messages.Publish(reports):
                self._later(0.0, lambda: self._on_report(list(reports)))
            case messages.SendRequest():
                self._request(action)
            case messages.SetTimer(due_ns):
                self._timers += 1
                number = self._timers
                self._scheduler.at(
                    due_ns, lambda: self._handle(messages.TimerDue()) if number == self._timers else None
                )
            case messages.ConnectStream():
                self._connection += 1
                connection = self._connection
                self._later(self._delay(), lambda: self._connect(connection))
            case messages.DropStream():
                self._connection += 1  # an attempt that is under way comes to nothing
                self._is_connected = False
                self._later(0.0, lambda: self._handle(messages.StreamLost("it was cut here")))
            case _:
                assert_never(action)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._scheduler.after(seconds, lambda: None if self._cut else action())

    def _delay(self) -> float:
        return self._latency.expovariate(1 / self._faults.latency_s)

    # --------------------------------------------------------------------------------------------- the stream

    def _connect(self, connection: int) -> None:
        if connection != self._connection:
            return
        if self._scheduler.now < self._venue.refuses_until:
            self._refusals.count()
            self._handle(messages.StreamLost("the trading stream refused the handshake with 406"))
            return
        self._refusals.over()
        self.mute = False
        self._is_connected = True
        self._handle(messages.StreamListening())

    def deliver_updates(self, updates: list[bytes]) -> None:
        """Take what the trading stream tells, with the faults of the way."""
        occurs, faults = self._chance.occurs, self._faults
        for update in updates if self._is_connected and not self.mute else ():
            if occurs("lost_update", faults.lost_update, "an update of an order is lost"):
                continue
            times = 2 if occurs("double_update", faults.double_update, "an update of an order comes twice") else 1
            garbled = occurs("garbled_update", faults.garbled_update, "an update of an order cannot be read")
            for _ in range(times):
                late = occurs("late_update", faults.late_update, "an update of an order comes late")
                seconds = self._delay() + (late.uniform(0, 4) if late else 0.0)
                self._tell_later(seconds, GARBLED if garbled else update)

    def _tell_later(self, seconds: float, payload: bytes) -> None:
        connection = self._connection

        def tell() -> None:
            if self._is_connected and not self.mute and connection == self._connection:
                self._handle(messages.StreamFrame(payload))

        self._later(seconds, tell)

    # ------------------------------------------------------------------------------------------------ requests

    def _request(self, wanted: messages.SendRequest) -> None:
        """Bring a request to the venue and its answer back: it takes a while, and may get lost either way."""
        occurs, faults, what = self._chance.occurs, self._faults, f"{wanted.method} {wanted.path}"
        is_reading = wanted.method == "GET" and ":" not in wanted.path
        if is_reading:
            self._asked_at_s = self._scheduler.ran_s
        order_id = self._note(wanted)
        if not is_reading and occurs("lost_request", faults.lost_request, f"{what} is lost on its way"):
            self._time_out(wanted)
        elif occurs("unreachable", faults.unreachable, f"there is no connection for {what}"):
            self._may_know.discard(order_id)
            self._answer(self._delay(), wanted, messages.NotSent("no connection"))
        else:
            # It gets there and is done also if the bot is killed meanwhile.
            self._scheduler.after(self._delay(), lambda: self._arrive(wanted, order_id, is_reading=is_reading))

    def _note(self, wanted: messages.SendRequest) -> str:
        """Return the id of an order that is sent. Raises Broken if the venue may have taken it already."""
        if wanted.method != "POST":
            return ""
        order_id = str(msgspec.json.decode(wanted.body or b"{}")["client_order_id"])
        if order_id in self._may_know:
            raise Broken("one order, one cause", f"the order {order_id} was sent to the venue twice")
        self._may_know.add(order_id)
        return order_id

    def _arrive(self, wanted: messages.SendRequest, order_id: str, *, is_reading: bool) -> None:
        occurs, faults, what = self._chance.occurs, self._faults, f"{wanted.method} {wanted.path}"
        if occurs("throttled", faults.throttled, f"{what} is refused (429)"):
            self._may_know.discard(order_id)
            answer = messages.Answer(429, b'{"message":"too many requests."}')
        else:
            done, quota = self._venue.call(
                wanted.method, wanted.path, wanted.body or b"", self._scheduler.now, wanted.query
            )
            told = None
            if not faults.hides_limit:
                told = messages.Quota(quota.limit, max(0, quota.remaining), quota.reset_in_ns / SECOND)
            if quota.exceeded:
                self._may_know.discard(order_id)
            answer = messages.Answer(done.status, done.body, told)
        lost = (
            occurs("lost_reading", faults.lost_answer / 4, f"the answer to {what} is lost")  # it takes several requests
            if is_reading
            else occurs("lost_answer", faults.lost_answer, f"the answer to {what} is lost")
        )
        if lost:
            self._time_out(wanted)
            return
        if answer.body and occurs("garbled_answer", faults.garbled_answer, f"the answer to {what} cannot be read"):
            answer = messages.Answer(answer.status, GARBLED)
        slow = occurs("slow_answer", faults.slow_answer, f"the answer to {what} takes its time")
        within_s = self._settings.request_timeout_s
        self._answer(self._delay() + (slow.uniform(0, within_s) if slow else 0.0), wanted, answer)

    def _time_out(self, wanted: messages.SendRequest) -> None:
        self._answer(self._settings.request_timeout_s, wanted, messages.Unanswered("no answer"))

    def _answer(self, seconds: float, wanted: messages.SendRequest, outcome: messages.Outcome) -> None:
        self._later(seconds, lambda: self._handle(messages.RequestDone(wanted.number, outcome)))
