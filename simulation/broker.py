"""The broker's twin: what `actors/brokers/alpaca` does on a thread, in virtual time, with its words."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from actors.brokers.alpaca import words
from actors.gate import Effect
from actors.messages import BrokerChanged, FeedState, Report
from actors.orders import CancelOrder, CancelRefused, OrderMissing, OrderReport, SubmitOrder, SubmitUnanswered
from mock_exchange.alpaca.calls import Response
from pipeline.events import SECOND
from simulation.agenda import Agenda
from simulation.faults import NONE, Faults
from simulation.venue import Venue

TIMEOUT_S = 5.0
POLL_S = 5.0
DOWN_POLL_S = 1.0
HISTORY = "/v2/orders?status=closed&limit=500&direction=desc"
OPEN = "/v2/orders?status=open&limit=500&direction=desc"

Then = Callable[[Response | None], None]
"""What to do with an answer; None is one that never came."""


class Broker:
    """One bot's line to the venue; cut, it neither says nor hears anything more."""

    def __init__(
        self, agenda: Agenda, venue: Venue, faults: Faults, random: Random, on_report: Callable[[list[Report]], None]
    ) -> None:
        self.listening = False  # whether the trading stream is up
        self._agenda = agenda
        self._venue = venue
        self._faults = faults
        self._random = random
        self._on_report = on_report
        self._cut = False
        self._venue_ids: dict[str, str] = {}
        self._placing: dict[str, list[Callable[[], None]]] = {}  # submits without an answer yet, and who waits for it
        self._had_history = False
        self._told_at = 0  # when the last reading of the account is told, ns

    def start(self) -> None:
        """Connect, and look at the account from now on."""
        self._report(BrokerChanged(FeedState.CONNECTING, self._agenda.now))
        self._agenda.after(self._delay(), self.connect)
        self._agenda.after(self._delay(), self._poll)

    def cut(self) -> None:
        """Let the bot's process be gone."""
        self._cut = True
        self.listening = False

    def calm(self) -> None:
        """From now on nothing gets lost."""
        self._faults = NONE

    def connect(self) -> None:
        """Let the trading stream be up again."""
        if not self._cut and not self.listening:
            self.listening = True
            self._look()
            self._report(BrokerChanged(FeedState.LIVE, self._agenda.now))

    def disconnect(self) -> None:
        """Let the trading stream be gone."""
        if not self._cut and self.listening:
            self.listening = False
            self._report(BrokerChanged(FeedState.DOWN, self._agenda.now, "the stream was cut"))

    def hear(self, updates: list[bytes]) -> None:
        """Take what the trading stream tells, with the faults of the way."""
        for update in updates if self.listening else ():
            if self._random.random() < self._faults.lost_update:
                continue
            times = 2 if self._random.random() < self._faults.double_update else 1
            for _ in range(times):
                late = self._random.uniform(0, 4) if self._random.random() < self._faults.late_update else 0.0
                self._agenda.after(self._delay() + late, lambda update=update: self._update(update))  # type: ignore[misc]

    # ------------------------------------------------------------------------------------------------- effects

    def send(self, effect: Effect) -> None:
        """Do what the gate lets out."""
        if self._random.random() < self._faults.deaf:
            return
        if isinstance(effect, SubmitOrder):
            self._placing[effect.id] = []
            self._call("POST", "/v2/orders", words.submission(effect), lambda answer: self._submitted(effect, answer))
        elif isinstance(effect, CancelOrder):
            self._once_placed(effect.id, lambda: self._cancel(effect.id))
        else:
            self._once_placed(effect.id, lambda: self._look_up(effect.id))

    def _submitted(self, order: SubmitOrder, answer: Response | None) -> None:
        now = self._agenda.now
        if answer is None or answer.status >= 500:
            self._report(SubmitUnanswered(order.id, now, "no answer"))
        elif answer.status == 200:
            self._report(self._learn(answer))
        else:
            error = words.refusal(answer.body, answer.status)
            if words.is_duplicate(answer.status, error):
                self._look_up(order.id)
            else:
                self._report(words.rejection(order, now, error.message))
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
                self._report(CancelRefused(order, self._agenda.now, "no" if answer else "no answer"))
            elif not self.listening:
                self._look_up(order)

        venue_id = self._venue_ids.get(order)
        if venue_id is None:
            self._find(order, lambda found: self._cancel(order) if found else done(None))
        else:
            self._call("DELETE", f"/v2/orders/{venue_id}", b"", done)

    def _look_up(self, order: str) -> None:
        def found(report: OrderReport | None) -> None:
            self._report(report or OrderMissing(order, self._agenda.now))

        self._find(order, found)

    def _find(self, order: str, then: Callable[[OrderReport | None], None]) -> None:
        def answered(answer: Response | None) -> None:
            if answer is not None and answer.status == 200:
                then(self._learn(answer))
            elif answer is not None and answer.status == 404:
                then(None)  # what got no answer is silence: the core asks again

        self._call("GET", f"/v2/orders:by_client_order_id?client_order_id={order}", b"", answered)

    def _learn(self, answer: Response) -> OrderReport:
        report = words.order_report(words.decode(answer.body, words.OrderBody), self._agenda.now)
        self._venue_ids[report.order] = report.venue_id
        return report

    # ------------------------------------------------------------------------------------------------- the account

    def _poll(self) -> None:
        if not self._cut:
            self._look()
            self._agenda.after(POLL_S if self.listening else DOWN_POLL_S, self._poll)

    def _look(self) -> None:
        """Read the account at one time; what was read comes a while later."""
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
        report = words.account_report(body, now, tuple(map(words.held, positions)), *orders)
        for order in report.orders:
            self._venue_ids[order.order] = order.venue_id
        # One reading after the other: the account is read by one task, which never overtakes itself.
        self._told_at = max(self._told_at, now + round(self._delay() * SECOND))
        self._agenda.at(self._told_at, lambda: self._report(report))

    # ------------------------------------------------------------------------------------------------- the way

    def _call(self, method: str, path: str, body: bytes, then: Then) -> None:
        """Make a REST call: it takes a while, and may get lost on its way there or back."""

        def arrive() -> None:
            answer = self._venue.ask(method, path, body, self._agenda.now)
            if self._random.random() < self._faults.lost_answer:
                self._agenda.after(TIMEOUT_S, lambda: self._answer(then, None))
            else:
                self._agenda.after(self._delay(), lambda: self._answer(then, answer))

        if self._random.random() < self._faults.lost_request:
            self._agenda.after(TIMEOUT_S, lambda: self._answer(then, None))
        else:
            self._agenda.after(self._delay(), arrive)

    def _answer(self, then: Then, answer: Response | None) -> None:
        if not self._cut:
            then(answer)

    def _update(self, payload: bytes) -> None:
        told = words.frame(payload)
        if self.listening and isinstance(told, words.Update):
            report = words.order_report(told.order, self._agenda.now, told.timestamp)
            self._venue_ids[report.order] = report.venue_id
            self._report(report)

    def _report(self, report: Report) -> None:
        if not self._cut:
            self._on_report([report])

    def _delay(self) -> float:
        return self._random.expovariate(1 / self._faults.latency_s)
