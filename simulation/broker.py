"""The broker's twin: what `actors/brokers/alpaca` does on a thread, in virtual time, with its words."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from actors.brokers.alpaca import words
from actors.brokers.alpaca.settings import BrokerSettings
from actors.feeds.backoff import BackOff
from actors.gate import Effect
from actors.messages import BrokerChanged, FeedState, Report
from actors.orders import (
    OVER,
    AccountReport,
    CancelOrder,
    CancelRefused,
    OrderMissing,
    OrderReport,
    SubmitOrder,
    SubmitUnanswered,
)
from mock_exchange.alpaca.calls import Response
from pipeline.events import SECOND
from simulation.agenda import Agenda
from simulation.chance import Chance
from simulation.faults import Faults
from simulation.refusals import Refusals
from simulation.venue import Venue

HISTORY = "/v2/orders?status=closed&limit=500&direction=desc"
OPEN = "/v2/orders?status=open&limit=500&direction=desc"

Then = Callable[[Response | None], None]
"""What to do with an answer; None is one that never came."""


class Broker:
    """One bot's line to the venue; cut, it neither says nor hears anything more."""

    def __init__(
        self,
        agenda: Agenda,
        venue: Venue,
        faults: Faults,
        chance: Chance,
        now: Callable[[], int],
        on_report: Callable[[list[Report]], None],
    ) -> None:
        self.listening = False  # whether the trading stream is up
        self.mute = False  # and says nothing
        self.state = FeedState.CONNECTING
        self._settings = BrokerSettings()
        self._agenda = agenda
        self._venue = venue
        self._faults = faults
        self._chance = chance
        self._now = now
        self._on_report = on_report
        self._cut = False
        self._venue_ids: dict[str, str] = {}
        self._placing: dict[str, list[Callable[[], None]]] = {}  # submits without an answer yet, and who waits for it
        self._had_history = False
        self._failed_polls = 0
        self._told_at = 0  # when the last reading of the account is told, ns
        self._connection = 0
        self._listening_since = 0
        self._refusals = Refusals(agenda, "trading stream")
        self._latency = chance.stream("latency of the broker")
        self._back_off = BackOff(
            self._settings.first_delay_s, self._settings.most_delay_s, chance.stream("jitter of the broker")
        )
        self._told: dict[str, Decimal] = {}  # by order that the stream owes news of: shares that it told of
        self._owed_since: dict[str, int] = {}

    def start(self) -> None:
        """Connect, and look at the account from now on."""
        self._report(BrokerChanged(FeedState.CONNECTING, self._now()))
        self._agenda.after(self._delay(), self._connect)
        self._agenda.after(self._delay(), self._poll)

    def read_account(self) -> None:
        """Look at the account at once."""
        if not self._cut:
            self._look()

    def bar(self, *, barred: bool) -> None:
        """Refuse entries that are not on the wire yet: here, none waits."""

    def cut(self) -> None:
        """Let the bot's process be gone."""
        self._cut = True
        self.listening = False

    # ------------------------------------------------------------------------------------------------- the stream

    def _connect(self) -> None:
        if self._cut or self.listening:
            return
        if self._agenda.now < self._venue.refuses_until:
            self._refusals.count()
            self._lost("the trading stream refused the handshake with 406")
            return
        self._refusals.over()
        self.listening = True
        self.mute = False
        self._connection += 1
        self._listening_since = self._agenda.now
        self._look()

    def disconnect(self, reason: str) -> None:
        """Let the trading stream be gone; it comes back by itself."""
        if not self._cut and self.listening:
            self.listening = False
            if self._agenda.now - self._listening_since >= self._settings.stale_s * SECOND:
                self._back_off.reset()
            self._lost(reason)

    def _lost(self, reason: str) -> None:
        self._told.clear()
        self._owed_since.clear()
        self._change(FeedState.DOWN, reason)
        self._agenda.after(self._back_off.next(), self._connect)

    def _change(self, state: FeedState, reason: str = "") -> None:
        if state is not self.state:
            self.state = state
            self._report(BrokerChanged(state, self._now(), reason))

    def hear(self, updates: list[bytes]) -> None:
        """Take what the trading stream tells, with the faults of the way."""
        occurs, faults = self._chance.occurs, self._faults
        for update in updates if self.listening and not self.mute else ():
            if occurs("lost_update", faults.lost_update, "an update of an order is lost"):
                continue
            times = 2 if occurs("double_update", faults.double_update, "an update of an order comes twice") else 1
            for _ in range(times):
                late = occurs("late_update", faults.late_update, "an update of an order comes late")
                seconds = self._delay() + (late.uniform(0, 4) if late else 0.0)
                connection = self._connection
                self._agenda.after(seconds, lambda u=update, c=connection: self._update(u, c))  # type: ignore[misc]

    def _update(self, payload: bytes, connection: int) -> None:
        told = words.frame(payload)
        if self.listening and not self.mute and connection == self._connection and isinstance(told, words.Update):
            report = words.order_report(told.order, self._now(), told.timestamp)
            self._venue_ids[report.order] = report.venue_id
            if report.status in OVER:
                self._told.pop(report.order, None)
                self._owed_since.pop(report.order, None)
            elif report.filled > self._told.get(report.order, report.filled):
                self._told[report.order] = report.filled
                self._owed_since.pop(report.order, None)
            self._report(report)

    def _owes(self, report: OrderReport) -> None:
        """Note whether the stream owes the news that REST told."""
        told = self._told.get(report.order)
        if told is not None and (report.filled > told or report.status in OVER):
            self._owed_since.setdefault(report.order, self._agenda.now)

    # ------------------------------------------------------------------------------------------------- effects

    def send(self, effect: Effect) -> None:
        """Do what the gate lets out."""
        if self._chance.occurs("deaf", self._faults.deaf, f"what is to be sent gets nowhere ({effect.id})"):
            return
        if isinstance(effect, SubmitOrder):
            self._placing[effect.id] = []
            if self.listening:
                self._told.setdefault(effect.id, Decimal(0))
            self._call("POST", "/v2/orders", words.submission(effect), lambda answer: self._submitted(effect, answer))
        elif isinstance(effect, CancelOrder):
            self._once_placed(effect.id, lambda: self._cancel(effect.id))
        else:
            self._once_placed(effect.id, lambda: self._look_up(effect.id))

    def _submitted(self, order: SubmitOrder, answer: Response | None) -> None:
        now = self._now()
        if answer is None or answer.status >= 500:
            self._report(SubmitUnanswered(order.id, now, "no answer"))
        elif answer.status == 200:
            self._report(self._learn(answer))
        else:
            error = words.refusal(answer.body, answer.status)
            if words.is_duplicate(answer.status, error):
                self._look_up(order.id)
            else:
                self._told.pop(order.id, None)
                self._report(words.rejection(order, now, error.message, passed=words.is_passed(answer.status, error)))
        for waiting in self._placing.pop(order.id, []):
            waiting()

    def _once_placed(self, order: str, then: Callable[[], None]) -> None:
        if order in self._placing:
            self._placing[order].append(then)
        else:
            then()

    def _cancel(self, order: str) -> None:
        def done(answer: Response | None) -> None:
            if answer is None or answer.status >= 300:
                self._report(CancelRefused(order, self._now(), "no" if answer else "no answer"))
            elif not self.listening:
                self._look_up(order)

        venue_id = self._venue_ids.get(order)
        if venue_id is None:
            self._find(order, lambda found: self._cancel(order) if found else done(None))
        else:
            self._call("DELETE", f"/v2/orders/{venue_id}", b"", done)

    def _look_up(self, order: str) -> None:
        def found(report: OrderReport | None) -> None:
            self._report(report or OrderMissing(order, self._now()))

        self._find(order, found)

    def _find(self, order: str, then: Callable[[OrderReport | None], None]) -> None:
        def answered(answer: Response | None) -> None:
            if answer is not None and answer.status == 200:
                then(self._learn(answer))
            elif answer is not None and answer.status == 404:
                then(None)  # what got no answer is silence: the core asks again

        self._call("GET", f"/v2/orders:by_client_order_id?client_order_id={order}", b"", answered)

    def _learn(self, answer: Response) -> OrderReport:
        report = words.order_report(words.decode(answer.body, words.OrderBody), self._now())
        self._venue_ids[report.order] = report.venue_id
        self._owes(report)
        return report

    # ------------------------------------------------------------------------------------------------- the account

    def _poll(self) -> None:
        if not self._cut:
            self._look()
            late = self._agenda.now - self._settings.stale_s * SECOND
            if any(since <= late for since in self._owed_since.values()):
                self.disconnect("the trading stream does not tell what happens to orders")
            self._agenda.after(self._settings.poll_s if self.listening else self._settings.down_poll_s, self._poll)

    def _look(self) -> None:
        """Read the account at one time; what was read comes a while later."""
        if self._chance.occurs("lost_reading", self._faults.lost_answer, "the account cannot be read"):
            self._failed_polls += 1
            if self._failed_polls > 1:
                self._change(FeedState.DOWN, "the venue does not tell of the account")
            return
        self._failed_polls = 0
        venue, now = self._venue, self._agenda.now
        body = words.decode(venue.ask("GET", "/v2/account", b"", now).body, words.AccountBody)
        positions = words.decode_all(venue.ask("GET", "/v2/positions", b"", now).body, words.PositionBody)
        lists = [OPEN] if self._had_history else [OPEN, HISTORY]
        orders = [
            tuple(
                words.order_report(order, now)
                for order in words.decode_all(venue.ask("GET", path, b"", now).body, words.OrderBody)
            )
            for path in lists
        ]
        self._had_history = True
        # The venue's own word for the time, as long as the market data has not told it.
        report = words.account_report(body, self._now() or now, tuple(map(words.held, positions)), *orders)
        # One reading after the other: the account is read by one task, which never overtakes itself.
        self._told_at = max(self._told_at, now + round(self._delay() * SECOND))
        connection = self._connection if self.listening else 0
        self._agenda.at(self._told_at, lambda: self._tell(report, connection))

    def _tell(self, report: AccountReport, connection: int) -> None:
        for order in report.orders:
            self._venue_ids[order.order] = order.venue_id
            self._owes(order)
        self._report(report)
        if self.listening and connection == self._connection:
            self._change(FeedState.LIVE)

    # ------------------------------------------------------------------------------------------------- the way

    def _call(self, method: str, path: str, body: bytes, then: Then) -> None:
        """Make a REST call: it takes a while, and may get lost on its way there or back."""
        occurs, faults, timeout_s = self._chance.occurs, self._faults, self._settings.request_timeout_s

        def arrive() -> None:
            answer = self._venue.ask(method, path, body, self._agenda.now)
            if occurs("lost_answer", faults.lost_answer, f"the answer to {method} {path} is lost"):
                self._agenda.after(timeout_s, lambda: self._answer(then, None))
            else:
                self._agenda.after(self._delay(), lambda: self._answer(then, answer))

        if occurs("lost_request", faults.lost_request, f"{method} {path} is lost on its way"):
            self._agenda.after(timeout_s, lambda: self._answer(then, None))
        else:
            self._agenda.after(self._delay(), arrive)

    def _answer(self, then: Then, answer: Response | None) -> None:
        if not self._cut:
            then(answer)

    def _report(self, report: Report) -> None:
        if not self._cut:
            self._on_report([report])

    def _delay(self) -> float:
        return self._latency.expovariate(1 / self._faults.latency_s)
