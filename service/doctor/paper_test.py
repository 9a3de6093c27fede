"""The paper test: what cannot be known by reading is tried, with one share at most, on a paper account.

Each question is asked of the venue, and its answer printed beside what the bot assumes. Whatever was sent is canceled
after each question, and what was filled is closed, also when the test is interrupted.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import uuid4

import msgspec

from actors.brokers.alpaca import codec
from actors.brokers.alpaca.messages import Answer, Outcome, StreamFrame, StreamListening, StreamLost
from actors.brokers.alpaca.rest import Rest
from actors.brokers.alpaca.settings import AlpacaAddress, BrokerSettings
from actors.brokers.alpaca.stream import TradingStream
from service.doctor.assumptions import ANSWER_S, read, said
from service.doctor.findings import Finding, failed, ok, warning
from service.venues import KEY, SECRET

DATA_URL = "https://data.alpaca.markets"
_AT_ALPACA = ".alpaca.markets"

_CENT = Decimal("0.01")
_OVER = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})
_TIDY_S = 10.0  # real seconds for all that is still open, after a question
_LOOK_S = 0.2
_MOST_REQUESTS = 400  # to meet the limit on requests: twice what is assumed
_AT_ONCE = 20
_AWAY = (Decimal("0.9"), Decimal("0.5"), Decimal("0.1"))  # of the price: limits that are further and further away
_DIFFERS = "the mock exchange, and the bot, assume otherwise: note it, and tell the project"


class Stopped(Exception):
    """The test cannot go on; the text says why."""


def run(address: AlpacaAddress, environment: Mapping[str, str], symbol: str) -> list[Finding]:
    """Make the test; return what was found, also of a test that was interrupted by a signal."""
    return asyncio.run(_run(address, environment, symbol))


async def _run(address: AlpacaAddress, environment: Mapping[str, str], symbol: str) -> list[Finding]:
    test = PaperTest(address, environment, symbol)
    task = asyncio.create_task(test.make())
    if sys.platform != "win32":
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return test.findings


class PaperTest:
    """One test on one account; `findings` fills while it is made."""

    def __init__(self, address: AlpacaAddress, environment: Mapping[str, str], symbol: str) -> None:
        key, secret = environment.get(KEY, ""), environment.get(SECRET, "")
        data_url = DATA_URL if address.rest_url.endswith(_AT_ALPACA) else address.rest_url
        self.findings: list[Finding] = []
        self._rest = Rest(address.rest_url, key, secret, ANSWER_S)
        self._data = Rest(data_url, key, secret, ANSWER_S)
        self._stream = TradingStream(address.stream_url, key, secret, BrokerSettings())
        self._symbol = symbol
        self._prefix = f"mb-test-{uuid4().hex[:8]}"
        self._sent: list[str] = []  # our ids of orders that may be at the venue
        self._count = 0
        self._held = Decimal(0)  # shares that orders which are over have bought, and none has sold
        self._events: list[str] = []  # that the trading stream told of our orders
        self._listens = asyncio.Event()

    async def make(self) -> None:
        """Ask every question; tidy up in any case."""
        listening: asyncio.Task[None] | None = None
        try:
            price, power = await self._begin()
            listening = asyncio.create_task(self._stream.run(self._hear))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._listens.wait(), ANSWER_S)
            questions: tuple[Callable[[], Awaitable[Finding]], ...] = (
                lambda: self._buy_stop(price),
                lambda: self._passed_stop(price),
                lambda: self._price_away(price),
                lambda: self._beyond_buying_power(power),
                lambda: self._same_id(price),
                lambda: self._at_once_or_never(price),
                self._told,
            )
            for question in questions:
                self.findings.append(await question())
                await self._tidy()
            self.findings.append(await self._limit())
        except Stopped as stopped:
            self.findings.append(failed("paper test", str(stopped), "" if self._count else "nothing was sent"))
        except asyncio.CancelledError:
            self.findings.append(failed("paper test", "it was interrupted", "what it had not tried is not shown"))
            raise
        finally:
            await self._end(listening)

    async def _end(self, listening: asyncio.Task[None] | None) -> None:
        """Close everything, whatever has happened; a second signal does not keep it from that."""
        ending = asyncio.create_task(self._close(listening))
        while not ending.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(ending)

    async def _close(self, listening: asyncio.Task[None] | None) -> None:
        sent = self._count
        try:
            await self._tidy()
            if sent:
                self.findings.append(ok("tidying up", f"of {sent} orders none is open, and nothing of them is held"))
        except Stopped as stopped:
            remedy = f"look at the account: the orders of this test begin with {self._prefix}"
            self.findings.append(failed("tidying up", str(stopped), remedy))
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])
        await self._rest.close()
        await self._data.close()

    # ------------------------------------------------------------------------------------------- before and after

    async def _begin(self) -> tuple[Decimal, Decimal]:
        """Return the symbol's price and the buying power. Raises Stopped where the test has no place."""
        told = await self._rest.call("GET", "/v2/account")
        body = read(told)
        if not isinstance(body, dict):
            raise Stopped(f"the account cannot be read: {said(told)}")
        if not str(body.get("account_number", "")).startswith("PA"):
            raise Stopped("this is no paper account: its number does not begin with PA")
        held = read(await self._rest.call("GET", "/v2/positions"))
        orders = read(await self._rest.call("GET", "/v2/orders", {"status": "open"}))
        if held is None or orders is None:
            raise Stopped("positions and orders cannot be read")
        if any(it.get("symbol") == self._symbol for it in (*held, *orders)):
            raise Stopped(f"the account holds {self._symbol}, or an order of it: name another with --symbols")
        try:
            return await self._price(), Decimal(body["buying_power"])
        except (KeyError, TypeError, InvalidOperation):
            raise Stopped("the account tells no buying power") from None

    async def _price(self) -> Decimal:
        """Return the last trade's price, or before any the ask. Raises Stopped without either."""
        for kind, inside, name in (("trades", "trade", "p"), ("quotes", "quote", "ap")):
            asked = await self._data.call("GET", f"/v2/stocks/{self._symbol}/{kind}/latest", {"feed": "iex"})
            with contextlib.suppress(KeyError, TypeError, InvalidOperation):
                price = Decimal(str(read(asked)[inside][name]))
                if price > 1:
                    return price
        why = "" if isinstance(read(asked), dict) else f": {said(asked)}"
        raise Stopped(f"{self._symbol} has no price above $1{why}")

    async def _submit(self, client_order_id: str | None = None, **words: object) -> Outcome:
        """Send an order for one share. Its id is noted before: what becomes of it is looked up in any case."""
        self._count += 1
        order_id = client_order_id or f"{self._prefix}-{self._count}"
        if order_id not in self._sent:
            self._sent.append(order_id)
        wanted = {"symbol": self._symbol, "qty": "1", "side": "buy", "time_in_force": "day"}
        body = msgspec.json.encode({**wanted, "client_order_id": order_id, **words})
        return await self._rest.call("POST", "/v2/orders", body=body)

    async def _look_up(self, order_id: str) -> dict[str, Any] | None:
        """Return an order as the venue knows it; None if it does not know it. Raises Stopped without an answer."""
        query = {"client_order_id": order_id}
        for last in (False, False, True):
            outcome = await self._rest.call("GET", "/v2/orders:by_client_order_id", query)
            if isinstance(body := read(outcome), dict):
                return body
            if last and isinstance(outcome, Answer) and outcome.status == 404:
                return None  # a single one may only be early
            await asyncio.sleep(_LOOK_S)
        raise Stopped(f"what became of {order_id} is not known: {said(outcome)}")

    async def _until_over(self, order_id: str, *, cancel: bool) -> dict[str, Any] | None:
        """Return an order once it is over; None if the venue does not know it."""
        while True:
            order = await self._look_up(order_id)
            if order is None or order["status"] in _OVER:
                return order
            if cancel:
                await self._rest.call("DELETE", f"/v2/orders/{order['id']}")
            await asyncio.sleep(_LOOK_S)

    async def _tidy(self) -> None:
        """Cancel what is open of ours, and sell what it bought. Raises Stopped if something stays."""
        try:
            async with asyncio.timeout(_TIDY_S):
                for order_id in self._sent.copy():
                    await self._settle(order_id, cancel=True)
                if self._held > 0:
                    await self._submit(side="sell", type="market", qty=codec.plain(self._held))
                    await self._settle(self._sent[-1], cancel=False)
        except TimeoutError:
            raise Stopped(f"not everything is over after {_TIDY_S:g} s: {', '.join(self._sent)}") from None
        if self._held > 0:
            raise Stopped(f"{codec.plain(self._held)} {self._symbol} could not be sold again")

    async def _settle(self, order_id: str, *, cancel: bool) -> None:
        """Wait until an order is over, and count what it has bought or sold. Raises Stopped without an answer."""
        order = await self._until_over(order_id, cancel=cancel)
        self._sent.remove(order_id)
        if order is not None:
            self._held += Decimal(order["filled_qty"] or 0) * (1 if order["side"] == "buy" else -1)

    def _hear(self, told: StreamListening | StreamFrame | StreamLost) -> None:
        if isinstance(told, StreamListening):
            self._listens.set()
        elif isinstance(told, StreamFrame):
            with contextlib.suppress(codec.Unreadable):
                message = codec.frame(told.payload)
                if isinstance(message, codec.Update) and message.order.our_id.startswith(self._prefix):
                    self._events.append(message.event)

    # --------------------------------------------------------------------------------------------------- questions

    async def _buy_stop(self, price: Decimal) -> Finding:
        check = "a buy stop"
        stop = (price * Decimal("1.2")).quantize(_CENT)
        above = Decimal("0.025") if stop >= 50 else Decimal("0.04")
        body = read(await self._submit(type="stop", stop_price=str(stop)))
        if not isinstance(body, dict):
            return warning(check, "it is not taken", _DIFFERS)
        limit = body.get("limit_price")
        found = f"type {body.get('type')}, limit_price {limit}"
        assumed = (stop * (1 + above)).quantize(_CENT)
        if body.get("type") == "stop_limit" and limit and abs(Decimal(limit) - assumed) <= _CENT:
            return ok(check, f"becomes a stop limit, as assumed: {found}")
        return warning(check, f"{found}; assumed: type stop_limit, limit_price {assumed}", _DIFFERS)

    async def _passed_stop(self, price: Decimal) -> Finding:
        outcome = await self._submit(type="stop", stop_price=str((price * Decimal("0.8")).quantize(_CENT)))
        assumed = (
            isinstance(outcome, Answer)
            and outcome.status == 422
            and codec.refusal(outcome.body, 422).market_price is not None
        )
        return _compared("a passed stop", outcome, "422 with market_price", as_assumed=assumed)

    async def _price_away(self, price: Decimal) -> Finding:
        for part in _AWAY:
            outcome = await self._submit(type="limit", limit_price=str((price * part).quantize(_CENT)))
            if not isinstance(read(outcome), dict):
                found = f"at {part:.0%} of the price: {said(outcome)}; assumed: no such limit"
                return warning("a far limit", found, _DIFFERS)
        return ok("a far limit", f"is taken down to {min(_AWAY):.0%} of the price, as assumed")

    async def _beyond_buying_power(self, power: Decimal) -> Finding:
        outcome = await self._submit(type="limit", limit_price=str((power * Decimal("1.1") + 1).quantize(_CENT)))
        refusal = codec.refusal(outcome.body, outcome.status) if isinstance(outcome, Answer) else codec.ErrorBody()
        assumed = refusal.code == 40310000 and "buying power" in refusal.message
        return _compared("too dear", outcome, "403, code 40310000: insufficient buying power", as_assumed=assumed)

    async def _same_id(self, price: Decimal) -> Finding:
        order_id, words = f"{self._prefix}-same", {"type": "limit", "limit_price": str((price / 2).quantize(_CENT))}
        await self._submit(order_id, **words)
        outcome = await self._submit(order_id, **words)
        if not isinstance(outcome, Answer):
            return warning("the same id twice", said(outcome), "try again")
        refusal = codec.refusal(outcome.body, outcome.status)
        if not codec.is_duplicate(outcome.status, refusal):
            found = f"{said(outcome)}; assumed: 422, code {codec.DUPLICATE_CODE}"
            return failed("the same id twice", found, "an order could be bought twice: do not trade there")
        assumed = refusal.code == codec.DUPLICATE_CODE
        return _compared("the same id twice", outcome, f"code {codec.DUPLICATE_CODE}", as_assumed=assumed)

    async def _at_once_or_never(self, price: Decimal) -> Finding:
        words = {"type": "limit", "limit_price": str((price / 2).quantize(_CENT)), "time_in_force": "ioc"}
        outcome = await self._submit(**words)
        return _compared("an ioc order", outcome, "it is taken", as_assumed=isinstance(read(outcome), dict))

    async def _told(self) -> Finding:
        check = "trading stream"
        if not self._listens.is_set():
            return warning(check, "it did not listen", "try again")
        found = ", ".join(dict.fromkeys(self._events)) or "nothing"
        if {"new", "canceled"} <= set(self._events):
            return ok(check, f"told {found}; assumed: new and canceled at least")
        return warning(check, f"told {found}; assumed: new and canceled at least", _DIFFERS)

    async def _limit(self) -> Finding:
        """Ask until the venue says that it is too much; the account is refused everything for a minute then."""
        check = "too many requests"
        for _ in range(0, _MOST_REQUESTS, _AT_ONCE):
            outcomes = await asyncio.gather(*[self._rest.call("GET", "/v2/clock") for _ in range(_AT_ONCE)])
            refused = next((it for it in outcomes if isinstance(it, Answer) and it.status == 429), None)
            if refused is not None:
                quota = refused.quota
                told = "no X-RateLimit headers" if quota is None else f"X-RateLimit-Limit {quota.limit}"
                assumed = quota is not None and b"too many requests" in refused.body
                found = "429, code 42910000: too many requests, with X-RateLimit headers"
                return _compared(check, refused, found, as_assumed=assumed, more=f", {told}")
        return warning(check, f"no 429 after {_MOST_REQUESTS} of them; assumed: after 200 in a minute", _DIFFERS)


def _compared(check: str, outcome: Outcome, assumed: str, *, as_assumed: bool, more: str = "") -> Finding:
    found = said(outcome) + more
    if as_assumed:
        return ok(check, f"{found}, as assumed")
    return warning(check, f"{found}; assumed: {assumed}", _DIFFERS)
