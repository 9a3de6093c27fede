"""How orders fare: each stage's time and the slippage, and a word where they part from what the simulator assumes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.brokers.simulated import ExecutionSettings
from actors.execution.policy import OrderSettings
from actors.gateway.journal import OrderMeasured
from actors.gateway.sqlite_journal import facts_of_recording
from actors.messages import BrokerChanged, FeedState, OrderSubmitted
from actors.orders import OrderReport, OrderRole, OrderSide, OrderStatus, SubmitOrder
from pipeline.events import SECOND
from pipeline.venue_clock import VenueClock
from service.data_folder import JOURNAL
from service.live.bookkeeping import Bookkeeping
from service.live.execution_quality import ENOUGH, ExecutionQuality, apart, assumed_by
from service.options import RunOptions
from service.order_course import Fill, LiveOrder
from service.recorded.decisions import journaled
from service.settings import load
from tests.support.bots import EAGER, at as at_exchange
from tests.support.desk import BOOK, account
from tests.support.exchange import KEYS, ExchangeServer
from tests.support.live import events_logged, microbot
from tests.support.market import START, at, trade
from tests.support.sessions import RestingBroker, Session

MS = SECOND // 1_000
ASSUMED = ExecutionSettings(latency_ms=50.0, latency_jitter_ms=20.0, slippage_bps=0.5)


def desk(broker: RestingBroker) -> Session:
    """Return a session at a broker whose account was seen."""
    session = Session(broker=broker, orders=OrderSettings(), book=BOOK)
    return session.feed(trade(0, 100.0, bid=99.99, ask=100.01), BrokerChanged(FeedState.LIVE, at(0)), account(0))


class Watched:
    """A session at a broker whose orders are followed, and a monotonic clock of the test's own."""

    def __init__(self, assumed: ExecutionSettings = ASSUMED, *, at_broker: bool = True) -> None:
        self.broker = RestingBroker()
        self.session = desk(self.broker)
        clock = VenueClock()
        clock.declare(START, 1.0, 0)
        self.received, self.monotonic = at(1) - START + 30 * MS, at(1) - START + 34 * MS
        self.quality = ExecutionQuality(
            self.session.core,
            assumed,
            clock,
            lambda: self.received,
            lambda: self.monotonic,
            at_broker=at_broker,
        )
        self._told = 0

    def feed(self, *events: Any) -> None:
        self.session.feed(*events)
        for fact in self.session.facts[self._told :]:
            self.quality.note_fact(fact)
        self._told = len(self.session.facts)

    def report(self, order: SubmitOrder, status: OrderStatus, ts: int, price: str = "") -> None:
        filled = order.quantity if price else Decimal(0)
        average = Decimal(price) if price else None
        self.feed(OrderReport(order.id, order.symbol, order.side, status, order.quantity, filled, average, ts))

    @property
    def measured(self) -> list[OrderMeasured]:
        """What goes to the journal."""
        found: list[OrderMeasured] = []

        class Writer:
            write = staticmethod(found.append)

        self.quality.write(Writer())  # type: ignore[arg-type]
        return found


def entered(watched: Watched) -> SubmitOrder:
    watched.feed(trade(1, 100.0, says="LONG", bid=99.99, ask=100.01))
    return watched.session.of(OrderSubmitted)[0].order


def test_an_order_that_is_over_was_measured_from_its_tick_to_its_fill() -> None:
    watched = Watched()
    order = entered(watched)
    watched.report(order, OrderStatus.ACCEPTED, at(1.2))
    assert watched.measured == []
    watched.report(order, OrderStatus.FILLED, at(1.5), "100.02")
    (found,) = watched.measured
    assert watched.measured == []
    assert (found.symbol, found.role, found.filled) == ("A", "entry", order.quantity)
    assert (found.venue_to_receipt_ms, found.receipt_to_decision_ms) == (30.0, 4.0)
    assert found.submit_to_accept_ms == pytest.approx(200)
    assert found.accept_to_fill_ms == pytest.approx(300)
    assert found.submit_to_fill_ms == pytest.approx(500)
    assert found.slippage_bps == pytest.approx(2.0)
    assert found.slippage == pytest.approx(0.02 * float(order.quantity))


def test_what_was_better_than_the_trigger_is_below_zero_and_an_order_that_was_not_filled_has_none() -> None:
    watched = Watched()
    order = entered(watched)
    watched.report(order, OrderStatus.FILLED, at(1.5), "99.99")
    (found,) = watched.measured
    assert found.slippage_bps == pytest.approx(-1.0)
    assert found.submit_to_accept_ms is None  # it was never heard of

    other = Watched()
    other.report(entered(other), OrderStatus.CANCELED, at(1.5))
    (found,) = other.measured
    assert found.filled == 0
    assert found.slippage is None
    assert found.submit_to_fill_ms is None


def test_figures_are_of_each_symbol_and_of_all_beside_what_is_assumed() -> None:
    watched = Watched()
    assert watched.quality.figures()["all"] == {"orders": 0}
    order = entered(watched)
    watched.report(order, OrderStatus.FILLED, at(1.5), "100.02")
    watched.quality.settle()
    told = watched.quality.figures()
    assert told["assumed"] == {"latency_ms": 50.0, "latency_jitter_ms": 20.0, "slippage_bps": 0.5}
    assert told["all"]["submit_to_fill_ms"] == {"p50": 500.0, "p99": 500.0, "count": 1}
    assert told["symbols"]["A"] == told["all"]
    assert told["simulated"] is False
    assert msgspec.json.encode(told)


def test_the_facts_are_the_same_whether_orders_are_followed_or_not() -> None:
    watched = Watched()
    order = entered(watched)
    watched.report(order, OrderStatus.FILLED, at(1.5), "100.02")
    plain = desk(RestingBroker())
    plain.feed(trade(1, 100.0, says="LONG", bid=99.99, ask=100.01))
    plain.feed(
        OrderReport(
            order.id, "A", order.side, OrderStatus.FILLED, order.quantity, order.quantity, Decimal("100.02"), at(1.5)
        )
    )
    assert watched.session.facts == plain.facts


def test_the_journal_keeps_what_was_measured_and_a_comparison_leaves_it_out(tmp_path: Path) -> None:
    watched = Watched()
    order = entered(watched)
    watched.report(order, OrderStatus.FILLED, at(1.5), "100.02")
    books = Bookkeeping(RunOptions(data_dir=tmp_path))
    recording = tmp_path / "r.jsonl"
    run = books.run("test", "test", BOOK, watched.session.core.settings, recording)
    books.journal.begin(run)
    books.journal.append(1, [*watched.session.facts])
    without = list(journaled(tmp_path, recording))
    books.journal.append(2, watched.measured)
    books.journal.close()
    kinds = [msgspec.json.decode(body)["type"] for _, body in facts_of_recording(tmp_path / JOURNAL, run.recording)]
    assert kinds.count("order_measured") == 1
    assert list(journaled(tmp_path, recording)) == without


# ------------------------------------------------------------------------------------ beside the simulator


def fared(latency_ms: float, bps: float, count: int = ENOUGH) -> list[LiveOrder]:
    """Return orders whose latency and cost are those, a little more and a little less."""
    found = []
    for n in range(count):
        order = SubmitOrder(f"{BOOK}.{n}.A.entry.1", "A", OrderSide.BUY, Decimal(1), str(n), OrderRole.ENTRY)
        spread = 0.1 if n % 2 else -0.1
        price = Decimal(str(round(100.01 * (1 + (bps + spread) / 10_000), 8)))
        ts = START + round((latency_ms + spread) * MS)
        found.append(LiveOrder(order, START, 99.99, 100.01, 100.0, [Fill(ts, Decimal(1), price)]))
    return found


@pytest.mark.parametrize(
    ("latency_ms", "bps", "said"),
    [
        (64, 0.5, ""),
        (140, 0.5, ""),
        (160, 0.5, "fills take 160 ms (median of 20), the simulator assumes 64"),
        (5, 0.5, "fills take 5 ms (median of 20), the simulator assumes 64"),
        (64, 1.4, ""),
        (64, 3.0, "fills cost 3.00 bp beyond the quote (mean of 20), assumed are 0.50"),
        (64, -2.0, "fills cost -2.00 bp beyond the quote (mean of 20), assumed are 0.50"),
    ],
)
def test_orders_that_fare_otherwise_by_a_clear_margin_are_told_of(latency_ms: float, bps: float, said: str) -> None:
    assert apart(fared(latency_ms, bps), ASSUMED) == said
    assert apart(fared(latency_ms, bps, ENOUGH - 1), ASSUMED) == ""


def test_a_symbol_is_warned_of_once_a_session_and_never_where_fills_are_simulated() -> None:
    def follow(watched: Watched) -> int:
        for live in fared(400, 0.5, ENOUGH + 5):
            course = msgspec.structs.replace(live.order)
            watched.quality.note_fact(OrderSubmitted(course, live.ts, 1))
            watched.quality._open[course.id].live = live
            live.status = OrderStatus.FILLED
            watched.quality._over.append(course.id)
        with events_logged() as logged:
            watched.quality.settle()
        told = watched.quality.parted()
        assert len([line for line in logged if line.get("event") == "execution.parted"]) == len(told)
        return len(told)

    watched = Watched()
    watched.feed(trade(0, 100.0))
    assert [follow(watched), follow(watched)] == [1, 0]
    watched.quality.follow(watched.session.core)
    assert follow(watched) == 1
    simulated = Watched(at_broker=False)
    simulated.feed(trade(0, 100.0))
    assert follow(simulated) == 0


def test_at_a_broker_the_simulator_is_taken_to_be_that_of_a_run_without_one_unless_it_was_set() -> None:
    assert assumed_by(load(environment={}), at_broker=True).latency_ms == 50.0
    chosen = load(environment={"MICROBOT_EXECUTION__LATENCY_MS": "7"})
    assert assumed_by(chosen, at_broker=True).latency_ms == 7.0
    assert assumed_by(chosen, at_broker=True).slippage_bps == 0.5
    assert assumed_by(load(environment={}), at_broker=False) == load(environment={}).execution


# ------------------------------------------------------------------------------------------ in real processes


def test_a_bot_at_a_venue_tells_how_its_orders_fare_and_its_session_compares_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    options = (*EAGER, "--set", "risk.daily_loss_limit=-0.9")
    with (
        ExchangeServer("--speed", 10, "--seed", 3) as exchange,
        at_exchange(exchange, tmp_path, 10, *options) as bot,
    ):
        told = bot.until(lambda state: state["execution"]["all"]["orders"] > 1)["execution"]
        bot.stop()
    assert told["simulated"] is False
    for name in ("receipt_to_decision_ms", "submit_to_accept_ms", "submit_to_fill_ms", "slippage_bps"):
        figure = told["all"][name]
        assert figure["count"] > 0
        assert figure["p50"] <= figure["p99"]
    (path,) = (tmp_path / "data" / "sessions").glob("*.gz")
    kinds = [
        msgspec.json.decode(body)["type"] for _, body in facts_of_recording(tmp_path / "data" / JOURNAL, str(path))
    ]
    assert kinds.count("order_measured") >= told["all"]["orders"]
    compared = microbot("diff", path, "--json", cwd=tmp_path)
    assert msgspec.json.decode(compared.stdout)["equal"], compared.stdout
