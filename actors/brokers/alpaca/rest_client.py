"""Calls and questions to the venue, as conversations: again only where nothing was done, and in bounds."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from actors.brokers.alpaca import codec
from actors.brokers.alpaca.context import BrokerContext
from actors.brokers.alpaca.conversations import Steps
from actors.brokers.alpaca.messages import Answer, Outcome, RequestKind, SendRequest
from actors.brokers.alpaca.request_budget import is_over_quota
from actors.brokers.alpaca.settings import REFUSED_KEYS

REPETITIONS = 3
"""How often a question without an answer is asked again."""


class Failed(Exception):
    """A question got no answer that says anything."""

    def __init__(self, reason: str, *, keys: bool = False) -> None:
        super().__init__(reason)
        self.keys = keys  # they were refused: asking again would not help


class RestClient:
    """Knows what to ask, and which answer means what."""

    def __init__(self, context: BrokerContext) -> None:
        self._context = context
        self._keys_worked = False  # with the last question but those that were refused for them

    def call(self, request: SendRequest) -> Steps[Outcome]:
        """Send a request; again for a minute while it is refused for its frequency, but no entry: it would be late.

        What is sent again waits where all requests wait for room (`RequestBudget`).
        """
        context = self._context
        give_up_ns = context.now.monotonic_ns + context.budget.minute_ns
        outcome: Outcome = yield request
        while is_over_quota(outcome) and request.kind is not RequestKind.ENTRY:
            if context.now.monotonic_ns >= give_up_ns:
                break
            outcome = yield request
        return outcome

    def _ask(self, request: SendRequest, *, missing: bool = False) -> Steps[bytes | None]:
        """Ask a question, once. What is missing is None, if that is an answer. Raises Failed."""
        answer: Outcome = yield request
        if not isinstance(answer, Answer):
            raise Failed(answer.reason)
        if answer.status == 200:
            self._keys_worked = True
            return answer.body
        refusal = codec.refusal(answer.body, answer.status)
        if missing and codec.is_missing(answer.status, refusal):
            return None
        if codec.is_about_keys(answer.status, refusal):
            # Keys that work are not refused from one question to the next: once may be chance, or a proxy in between.
            worked, self._keys_worked = self._keys_worked, False
            if not worked:
                self._context.refuse_keys()
                raise Failed(REFUSED_KEYS, keys=True)
        raise Failed(refusal.message)

    def read(self, path: str, kind: type[codec.T], query: Mapping[str, str] | None = None) -> Steps[codec.T]:
        """Ask for what there always is. Raises Failed, and Unreadable."""
        return codec.decode((yield from self._ask(SendRequest("GET", path, query))) or b"", kind)

    def order(self, client_order_id: str) -> Steps[codec.OrderBody | None]:
        """Ask for an order by our id; None if the venue does not know it. Raises Failed, and Unreadable."""
        query = {"client_order_id": client_order_id}
        request = SendRequest("GET", "/v2/orders:by_client_order_id", query, kind=RequestKind.LOOK_UP)
        return self._find(request, codec.OrderBody)

    def asset(self, symbol: str) -> Steps[codec.AssetBody | None]:
        """Ask for an asset; None if the venue does not know it. Raises Failed, and Unreadable."""
        return self._find(SendRequest("GET", f"/v2/assets/{quote(symbol, safe='')}"), codec.AssetBody)

    def _find(self, request: SendRequest, kind: type[codec.T]) -> Steps[codec.T | None]:
        answer = yield from self._ask(request, missing=True)
        return codec.decode(answer, kind) if answer is not None else None
