"""Questions to the venue, and requests that something be done: again only where nothing was done, and in bounds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from urllib.parse import quote

from actors.brokers.alpaca import words
from actors.brokers.alpaca.rest import Answer, NotSent, Rest, Unanswered
from actors.brokers.alpaca.settings import REFUSED_KEYS
from actors.feeds.backoff import BackOff

REPETITIONS = 3
"""How often what was refused for its frequency, and a question without an answer, is sent again."""

_AT_ONCE = 4
"""Questions of orders under way at a time, so that orders never wait behind them."""


class Failed(Exception):
    """A question got no answer that says anything."""

    def __init__(self, reason: str, *, keys: bool = False) -> None:
        super().__init__(reason)
        self.keys = keys  # they were refused: asking again would not help


class Questions:
    """Asks by REST. `refuse_keys` is called when the venue refuses them; to be made on the loop that uses it."""

    def __init__(
        self,
        rest: Rest,
        counts: Counter[str],
        back_off: Callable[[], BackOff],
        refuse_keys: Callable[[], None],
    ) -> None:
        self._rest = rest
        self._counts = counts
        self._back_off = back_off
        self._refuse_keys = refuse_keys
        self._keys_worked = False  # with the last question but those that were refused for them
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._rest.close()

    async def call(
        self, method: str, path: str, body: bytes | None = None, wanted: Callable[[], bool] = lambda: True
    ) -> Answer:
        """Ask for something to be done; again if that was refused for asking too often, and is still wanted.

        Raises NotSent or Unanswered.
        """
        back_off = self._back_off()
        answer = await self._rest.call(method, path, body=body)
        for _ in range(REPETITIONS):
            if answer.status != 429:
                break
            self._counts["throttled"] += 1
            await asyncio.sleep(back_off.next())
            if not wanted():
                break
            answer = await self._rest.call(method, path, body=body)
        return answer

    async def ask(self, path: str, query: Mapping[str, str] | None = None, *, missing: bool = False) -> bytes | None:
        """Ask a question, once. What is missing is None, if that is an answer. Raises Failed."""
        try:
            answer = await self._rest.call("GET", path, query)
        except (NotSent, Unanswered) as error:
            raise Failed(str(error)) from None
        if answer.status == 200:
            self._keys_worked = True
            return answer.body
        refusal = words.refusal(answer.body, answer.status)
        if missing and words.is_missing(answer.status, refusal):
            return None
        if answer.status == 429:
            self._counts["throttled"] += 1
        if words.is_about_keys(answer.status, refusal):
            # Keys that work are not refused from one question to the next: once may be chance, or somebody in between.
            worked, self._keys_worked = self._keys_worked, False
            if not worked:
                self._refuse_keys()
                raise Failed(REFUSED_KEYS, keys=True)
        raise Failed(refusal.message)

    async def list(self, path: str, kind: type[words.T], query: Mapping[str, str] | None = None) -> list[words.T]:
        """Ask for a list. Raises Failed, and Unreadable."""
        return words.decode_all(await self.ask(path, query) or b"", kind)

    async def order(self, order: str) -> words.OrderBody | None:
        """Ask for an order by our id; None if the venue does not know it. Raises Failed, and Unreadable."""
        async with self._turns:
            answer = await self.ask("/v2/orders:by_client_order_id", {"client_order_id": order}, missing=True)
        return words.decode(answer, words.OrderBody) if answer is not None else None

    async def asset(self, symbol: str) -> words.AssetBody | None:
        """Ask for an asset; None if the venue does not know it. Raises Failed, and Unreadable."""
        answer = await self.ask(f"/v2/assets/{quote(symbol, safe='')}", missing=True)
        return words.decode(answer, words.AssetBody) if answer is not None else None
