"""Orders at the venue: submits, cancels and look-ups, each tried as often as it may be, and its fate told as it is."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from urllib.parse import quote

from actors.brokers.alpaca import codec
from actors.brokers.alpaca.context import BrokerContext
from actors.brokers.alpaca.conversations import Conversations, Steps
from actors.brokers.alpaca.messages import Answer, NotSent, RequestKind, SendRequest, Unanswered
from actors.brokers.alpaca.order_tracker import OrderTracker
from actors.brokers.alpaca.rest_client import REPETITIONS, Failed, RestClient
from actors.brokers.alpaca.settings import REFUSED_KEYS
from actors.messages import Report
from actors.orders import (
    OVER,
    CancelOrder,
    CancelRefused,
    OrderCommand,
    OrderMissing,
    OrderReport,
    OrderRole,
    SubmitOrder,
    SubmitUnanswered,
    rejection,
)

_KINDS = {
    OrderRole.ENTRY: RequestKind.ENTRY,
    OrderRole.EXIT: RequestKind.EXIT,
    OrderRole.PART: RequestKind.EXIT,
    OrderRole.STOP: RequestKind.STOP,
    OrderRole.GATE: RequestKind.EXIT,
}


class OrderClient:
    """Turns effects into conversations.

    Submits of a symbol go out one after the other, as they were decided. A cancel or a look-up waits for the running
    submit of its order: until that is answered, the venue may not know it. Where that submit waits for room under the
    venue's limit, it waits among the exits from then on: what the core is to do next hangs on it. One look-up of an
    order is under way at a time; all that are asked for meanwhile come to one more.
    """

    def __init__(
        self, context: BrokerContext, client: RestClient, tracker: OrderTracker, conversations: Conversations
    ) -> None:
        self.settled_count = 0  # effects whose fate is told
        self._context = context
        self._client = client
        self._tracker = tracker
        self._conversations = conversations
        self._in_hand: dict[int, OrderCommand] = {}  # effects whose fate is not told yet, in the order of their coming
        self._taken = 0
        self._submits: dict[str, deque[Steps[None]]] = {}  # by symbol: the one that runs, and those that wait for it
        # By order whose submit is not answered: the submit, and what waits for that.
        self._unanswered_submits: dict[str, tuple[Steps[None], list[Steps[None]]]] = {}
        self._looked_up: dict[str, bool] = {}  # by order that is being looked up: whether to do it once more

    @property
    def is_idle(self) -> bool:
        """Whether the fate of every effect is told."""
        return not self._in_hand

    def take(self, effect: OrderCommand) -> None:
        """Begin with an effect, or let it wait for its turn."""
        self._taken += 1
        self._in_hand[self._taken] = effect
        steps = self._do(self._taken, effect)
        if isinstance(effect, SubmitOrder):
            queue = self._submits.setdefault(effect.symbol, deque())
            queue.append(steps)
            self._unanswered_submits.setdefault(effect.id, (steps, []))
            if len(queue) == 1:
                self._conversations.start(steps)
        elif (found := self._unanswered_submits.get(effect.id)) is not None:
            submit, behind = found
            behind.append(steps)
            self._conversations.hurry(submit)
        else:
            self._conversations.start(steps)

    def give_up(self, reason: str) -> None:
        """Report what is left as unknown: its outcome was not heard."""
        for effect in self._in_hand.values():
            self._publish_unknown(effect, reason)
        self.settled_count += len(self._in_hand)
        self._in_hand.clear()

    def _do(self, number: int, effect: OrderCommand) -> Steps[None]:
        try:
            if isinstance(effect, SubmitOrder):
                yield from self._submit(effect)
            elif isinstance(effect, CancelOrder):
                yield from self._cancel(effect)
            else:
                yield from self._look_up(effect.id)
        except Exception as error:  # any fault of ours: this order is reported as unknown, and the others go out
            self._context.counts["faults"] += 1
            self._publish_unknown(effect, f"a fault of the broker: {type(error).__name__}")
        self.settled_count += 1
        del self._in_hand[number]
        if isinstance(effect, SubmitOrder):
            self._start_next(effect)

    def _start_next(self, answered: SubmitOrder) -> None:
        """Start what waited for a submit to be answered."""
        queue = self._submits[answered.symbol]
        queue.popleft()
        if queue:
            self._conversations.start(queue[0])
        else:
            del self._submits[answered.symbol]
        _, behind = self._unanswered_submits.pop(answered.id, (None, ()))
        for steps in behind:
            self._conversations.start(steps)

    def _publish_unknown(self, effect: OrderCommand, reason: str) -> None:
        if isinstance(effect, SubmitOrder):
            self._context.publish(self._unanswered(effect, reason))
        elif isinstance(effect, CancelOrder):
            self._context.publish(CancelRefused(effect.id, self._context.now.venue_ns, reason))
        else:
            self._context.counts["lookups_failed"] += 1

    # ---------------------------------------------------------------------------------------------- submits

    def _submit(self, order: SubmitOrder) -> Steps[None]:
        self._tracker.note_change()
        if self._context.is_heard:
            self._tracker.watch(order.id, Decimal(0))
        report = yield from self._place(order)
        self._tracker.note_change()
        self._context.publish(report)

    def _place(self, order: SubmitOrder) -> Steps[Report]:
        if self._is_blocked(order):
            return self._rejected(order, "entries are halted")
        kind = _KINDS[order.role]
        if kind is RequestKind.ENTRY and not self._context.budget.has_room(kind, self._context.now.monotonic_ns):
            self._context.counts["no_room"] += 1
            return self._rejected(order, "no room for an entry under the venue's limit on requests")
        request = SendRequest("POST", "/v2/orders", body=codec.submission(order), kind=kind)
        answer = yield from self._client.call(request)
        if isinstance(answer, NotSent):
            return self._rejected(order, f"could not reach the venue: {answer.reason}")
        if isinstance(answer, Unanswered):
            return self._unanswered(order, answer.reason)
        if 200 <= answer.status < 300:
            return self._taken_order(order, answer.body)
        return (yield from self._refused(order, answer))

    def _is_blocked(self, order: SubmitOrder) -> bool:
        return self._context.entries_blocked and order.role == OrderRole.ENTRY

    def _taken_order(self, order: SubmitOrder, body: bytes) -> Report:
        try:
            report = self._tracker.report(codec.decode(body, codec.OrderBody))
        except codec.Unreadable:
            return self._unanswered(order, "the venue's answer cannot be read")
        if report.order != order.id:
            return self._unanswered(order, "the venue answered with another order")
        self._tracker.note_answer(report)
        return report

    def _refused(self, order: SubmitOrder, answer: Answer) -> Steps[Report]:
        """Say what an answer means that does not take the order."""
        status, refusal = answer.status, codec.refusal(answer.body, answer.status)
        if codec.is_duplicate(status, refusal):
            return (yield from self._known_already(order, refusal.message))
        if status == 429:
            return self._rejected(order, "too many requests")
        if codec.is_about_keys(status, refusal):
            self._context.refuse_keys()
            return self._rejected(order, REFUSED_KEYS)
        if codec.is_about_asset(status, refusal):
            self._context.doubted_assets.add(order.symbol)
        elif codec.is_about_money(status, refusal):
            self._context.account_doubted = True
        if status >= 500 or status < 400 or status == 408:
            return self._unanswered(order, f"the venue answered {status}")
        return self._rejected(order, refusal.message, passed=codec.is_passed(status, refusal, order))

    def _known_already(self, order: SubmitOrder, message: str) -> Steps[Report]:
        """Find the order that has this id already: most likely it is this one, and the answer was lost."""
        self._context.counts["duplicates"] += 1
        try:
            found = yield from self._find(order.id)
        except Failed as error:
            return self._unanswered(order, f"{message}, and {error}")
        return found or self._unanswered(order, f"{message}, and the venue does not find it")

    def _rejected(self, order: SubmitOrder, reason: str, *, passed: bool = False) -> OrderReport:
        self._tracker.unwatch(order.id)
        return rejection(order, self._context.now.venue_ns, reason, passed=passed)

    def _unanswered(self, order: SubmitOrder, reason: str) -> SubmitUnanswered:
        self._context.counts["unanswered"] += 1
        return SubmitUnanswered(order.id, self._context.now.venue_ns, reason)

    # ---------------------------------------------------------------------------------- cancels and look-ups

    def _cancel(self, order: CancelOrder) -> Steps[None]:
        venue_id = self._tracker.venue_id(order.id)
        try:
            if venue_id is None:
                found = yield from self._find(order.id)
                if found is None:
                    raise Failed("the venue knows no such order")
                self._context.publish(found)
                if found.status in OVER:
                    return
                venue_id = found.venue_id
            self._tracker.note_change()
            path = f"/v2/orders/{quote(venue_id, safe='')}"
            answer = yield from self._client.call(SendRequest("DELETE", path, kind=RequestKind.EXIT))
            if not isinstance(answer, Answer):
                raise Failed(answer.reason)
            if not 200 <= answer.status < 300:
                refusal = codec.refusal(answer.body, answer.status)
                if codec.is_about_keys(answer.status, refusal):
                    self._context.refuse_keys()
                raise Failed(refusal.message)
        except Failed as error:
            self._context.publish(CancelRefused(order.id, self._context.now.venue_ns, str(error)))
            return
        if not self._context.is_heard:  # no stream reports its end
            yield from self._look_up(order.id)

    def _look_up(self, order_id: str) -> Steps[None]:
        """Ask what became of an order; what a venue that does not answer is asked meanwhile comes to one more."""
        if order_id in self._looked_up:
            self._looked_up[order_id] = True
            return
        self._looked_up[order_id] = True
        try:
            while self._looked_up[order_id]:
                self._looked_up[order_id] = False
                yield from self._look_up_once(order_id)
        finally:
            del self._looked_up[order_id]

    def _look_up_once(self, order_id: str) -> Steps[None]:
        back_off = self._context.back_off()
        for repetition in range(REPETITIONS + 1):
            if repetition:
                yield back_off.next()
            try:
                found = yield from self._find(order_id)
            except Failed as error:
                if error.keys:
                    break
                continue
            self._context.publish(found or OrderMissing(order_id, self._context.now.venue_ns))
            return
        self._context.counts["lookups_failed"] += 1

    def _find(self, order_id: str) -> Steps[OrderReport | None]:
        """Ask for an order by our id; None if the venue does not know it. Raises Failed."""
        try:
            body = yield from self._client.order(order_id)
            report = self._tracker.report(body) if body is not None else None
        except codec.Unreadable as error:
            self._context.counts["unreadable"] += 1
            raise Failed(str(error)) from None
        if report is not None:
            self._tracker.note_answer(report)
        return report
