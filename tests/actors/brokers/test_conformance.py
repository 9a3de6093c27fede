"""The conformance kit: Alpaca's broker at the mock exchange, the simulated one, and adapters with planted faults."""

from __future__ import annotations

import asyncio
import heapq
import threading
import urllib.request
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from actors.brokers.alpaca.broker import AlpacaBroker
from actors.brokers.alpaca.settings import AlpacaAddress
from actors.brokers.simulated import ExecutionSettings, SimulatedBroker
from actors.messages import Report
from actors.orders import CancelOrder, Execution, OrderCommand, OrderReport, SubmitOrder, SubmitUnanswered
from microbot.testing.brokers import OURS, Bench, BrokerTests, Situation
from mock_exchange.server import Server
from pipeline.events import SECOND, Trade
from tests.support.alpaca import HASTY, KEY, SECRET, an_exchange
from tests.support.live import PATIENCE_S
from tests.support.market import START

FAULTS = {
    Situation.PARTIAL_FILLS: ("slow_fills:1",),
    Situation.LATE_REJECTIONS: ("rejects:1",),
    Situation.LOST_ANSWERS: ("lost_answers:1",),
    Situation.LOST_FILLS: ("lost_fills:1",),
    Situation.DOUBLE_FILLS: ("double_fills:1",),
    Situation.EARLY_FILLS: ("early_fills:300",),
    Situation.LATE_CANCELS: ("late_cancels:150",),
    Situation.DISORDER: ("disordered_updates:1",),
    Situation.STREAM_MUTE: ("mute_updates:0",),
    Situation.STREAM_DOWN: ("drop_updates:0", "handshake:503"),
    Situation.GARBAGE: ("malformed:1", "strangers:1"),
    Situation.TOO_MANY: ("rest:429",),
    Situation.AWAY: ("rest:503",),
    Situation.KEYS_REVOKED: ("wrong_key",),
    Situation.FOREIGN: ("foreign_orders:3",),
}
"""The switches of the mock exchange that bring a situation about."""


class MockBench(Bench):
    """Alpaca's broker, before a mock exchange on a thread of its own."""

    patience_s = PATIENCE_S / 4
    situations = frozenset(Situation)

    def __init__(self, make: Callable[..., AlpacaBroker] = AlpacaBroker) -> None:
        self._make = make
        self._opened = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._server: Server
        self._closing: asyncio.Event
        self._brokers: list[AlpacaBroker] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        async with an_exchange() as self._server:
            self._opened.set()
            await self._closing.wait()

    def __enter__(self) -> MockBench:
        self._thread.start()
        assert self._opened.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        for broker in self._brokers:
            broker.stop(5.0)
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(PATIENCE_S)

    def connect(self, on_report: Callable[[list[Report]], None]) -> AlpacaBroker:
        url = self._server.url
        address = AlpacaAddress(url.replace("ws", "http", 1), f"{url}/stream")
        ours: Callable[[str], bool] = lambda order_id: order_id.startswith(OURS)  # noqa: E731
        broker = self._make(address, KEY, SECRET, HASTY, [self.symbol], on_report, lambda: START, Random(1), ours)
        self._brokers.append(broker)
        broker.start()
        return broker

    def strike(self, *situations: Situation) -> None:
        async def switch() -> None:
            self._server.exchange.switch([fault for each in situations for fault in FAULTS[each]])

        asyncio.run_coroutine_threadsafe(switch(), self._loop).result(PATIENCE_S)

    def _ask(self, path: str) -> Any:
        url = self._server.url.replace("ws", "http", 1) + path
        keys = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
        with urllib.request.urlopen(urllib.request.Request(url, headers=keys), timeout=PATIENCE_S) as answer:
            return msgspec.json.decode(answer.read())

    def held(self) -> Decimal:
        return sum((Decimal(it["qty"]) for it in self._ask("/v2/positions")), Decimal(0))

    def orders(self) -> int:
        return len(self._ask("/v2/orders?status=all&limit=500"))


class TestAlpacaAtTheMock(BrokerTests):
    """The adapter that there is passes all of it."""

    def bench(self) -> MockBench:
        return MockBench()


# ------------------------------------------------------------------------------------------------- the simulated one


class SimulatedBench(Bench):
    """The simulated broker, in a core of one symbol whose time and trades go on by turns."""

    symbol = "A"
    patience_s = 5.0
    situations = frozenset({Situation.PARTIAL_FILLS})

    def __init__(self) -> None:
        self.now, self.input, self.index, self.held_at_input, self.told_ts = START, 0, 0, 0, -1
        self.bid: float | None = 99.99
        self.ask: float | None = 100.01
        self.price = 100.0
        self._due: list[tuple[int, int, Any]] = []
        self._listener: Any = None
        self._filled = Decimal(0)
        self._taken: set[str] = set()

    def __enter__(self) -> SimulatedBench:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def connect(self, on_report: Callable[[list[Report]], None]) -> SimulatedBench:
        self._on_report = on_report
        self._broker = SimulatedBroker(ExecutionSettings(), self, self)
        return self

    def strike(self, *situations: Situation) -> None:
        if situations:
            settings = ExecutionSettings(liquidity="displayed", participation=0.1, patience_s=60)
            self._broker = SimulatedBroker(settings, self, self)

    def held(self) -> Decimal:
        return self._filled

    def orders(self) -> int:
        return len(self._taken)

    def turn(self) -> None:
        self.now += SECOND // 10
        if self._listener is not None:
            self._listener.receive(Trade("A", self.now, self.price, 10.0))
        while self._due and self._due[0][0] <= self.now:
            self._broker.receive(heapq.heappop(self._due)[2])

    # what the kit asks of a broker

    def send(self, effect: OrderCommand) -> None:
        if isinstance(effect, SubmitOrder):
            self._taken.add(effect.id)
        self._broker.receive(effect)

    def stop(self, timeout_s: float) -> bool:
        return True

    # what the broker asks of a core

    def symbol_view(self, symbol: str) -> SimulatedBench:
        return self

    def tell(self, actor: object, message: Any) -> None:
        if isinstance(message, Execution):
            self._filled += message.side.sign * message.quantity
        self._on_report([message])

    def wake(self, actor: object, message: Any, at: int) -> None:
        heapq.heappush(self._due, (at, len(self._due), message))

    def listen(self, symbol: str, actor: Any) -> None:
        self._listener = actor

    def not_after_now(self, ts: int) -> int:
        return min(ts, self.now)

    def publish(self, fact: object) -> None:
        raise AssertionError("the broker states no facts")

    def receive(self, message: object) -> None:
        raise AssertionError("a report is told")


class TestSimulated(BrokerTests):
    """The simulated broker passes what applies to it."""

    def bench(self) -> SimulatedBench:
        return SimulatedBench()


# ------------------------------------------------------------------------------------------------ planted faults


class SendsAgain(AlpacaBroker):
    """Sends an order whose answer is lost again, under a new id."""

    def __init__(self, *arguments: Any) -> None:
        arguments = (*arguments[:5], self._heard(arguments[5]), *arguments[6:])
        self._orders: dict[str, SubmitOrder] = {}
        super().__init__(*arguments)

    def send(self, effect: OrderCommand) -> None:
        if isinstance(effect, SubmitOrder):
            self._orders[effect.id] = effect
        super().send(effect)

    def _heard(self, on_report: Callable[[list[Report]], None]) -> Callable[[list[Report]], None]:
        def hear(reports: list[Report]) -> None:
            for report in reports:
                if isinstance(report, SubmitUnanswered) and not report.order.endswith("again"):
                    self.send(replace(self._orders[report.order], id=f"{report.order}again"))
            on_report(reports)

        return hear


class AddsUp(AlpacaBroker):
    """Takes each report of a fill for a new one, and adds it to those before."""

    def __init__(self, *arguments: Any) -> None:
        sums: dict[str, Decimal] = {}
        on_report = arguments[5]

        def hear(reports: list[Report]) -> None:
            told: list[Report] = []
            for it in reports:
                if isinstance(it, OrderReport) and it.filled:
                    sums[it.order] = sums.get(it.order, Decimal(0)) + it.filled
                    told.append(replace(it, filled=sums[it.order]))
                else:
                    told.append(it)
            on_report(told)

        changed: list[Any] = [*arguments[:5], hear, *arguments[6:]]
        super().__init__(*changed)


class ForgetsLateFills(AlpacaBroker):
    """Believes that nothing is filled any more once a cancel was sent."""

    def __init__(self, *arguments: Any) -> None:
        on_report, self._canceled = arguments[5], dict[str, Decimal | None]()

        def hear(reports: list[Report]) -> None:
            told: list[Report] = []
            for it in reports:
                if isinstance(it, OrderReport) and it.order in self._canceled:
                    known = self._canceled[it.order]
                    known = self._canceled[it.order] = it.filled if known is None else known
                    it = replace(it, filled=known, average=it.average if known else None)
                told.append(it)
            on_report(told)

        changed: list[Any] = [*arguments[:5], hear, *arguments[6:]]
        super().__init__(*changed)

    def send(self, effect: OrderCommand) -> None:
        if isinstance(effect, CancelOrder):
            self._canceled.setdefault(effect.id, None)
        super().send(effect)


@pytest.mark.parametrize(
    ("planted", "test", "said"),
    [
        (SendsAgain, "test_an_order_whose_answer_is_lost_is_not_sent_again_and_found_by_its_id", "was sent again"),
        (AddsUp, "test_a_fill_that_is_told_twice_counts_once", "more was filled than was ordered"),
        (ForgetsLateFills, "test_fills_after_a_cancel_are_told", "executions reported come to"),
    ],
)
def test_a_planted_fault_is_found_by_the_test_of_its_name(planted: type[AlpacaBroker], test: str, said: str) -> None:
    with MockBench(planted) as bench, pytest.raises(AssertionError, match=said):
        getattr(BrokerTests(), test)(bench)
    with MockBench(planted) as bench:  # and only where it shows
        BrokerTests().test_a_resting_order_is_canceled_and_was_not_filled(bench)
