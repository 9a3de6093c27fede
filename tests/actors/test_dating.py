"""Whose clock an input's time is of: only the market's moves `now`, and every class of input has a rule."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest

from actors.book import Book
from actors.engine.core import Core, Input
from actors.execution.policy import OrderSettings
from actors.messages import (
    BrokerChanged,
    Command,
    FeedChanged,
    FeedState,
    GateOrder,
    MarketHours,
    RemoveChain,
    ReplaceStrategy,
    RestartChain,
    Rollover,
    StateChanged,
    StrategySource,
    SymbolCommand,
    SymbolStale,
)
from actors.orders import (
    AccountReport,
    AssetReport,
    CancelRefused,
    Execution,
    FeeCharge,
    FeesReport,
    HeldAtVenue,
    OrderMissing,
    OrderRejected,
    OrderReport,
    OrderRole,
    OrderSide,
    OrderStatus,
    SubmitOrder,
    SubmitUnanswered,
)
from actors.risk.risk import RiskSettings
from pipeline.events import SECOND, Clock, ExternalSignal, Gap, PriceBand, Prints, Quote, Refused, Trade, TradingStatus
from pipeline.strategy import StrategySettings
from tests.support.desk import BOOK
from tests.support.market import START, at, clock, trade
from tests.support.sessions import PATIENT, RestingBroker, Session

DAY = 86_400 * SECOND
D = Decimal
BUY = OrderSide.BUY
ORDER = SubmitOrder("mb-bot-s0.1.A.exit.1", "A", BUY, D(1), "1", OrderRole.EXIT)


def of_time(ts: int) -> dict[type, Any]:
    """Return an input of each class, dated to `ts`, if it has a time."""
    everything = (
        Trade("A", ts, 100.0, 1.0),
        Quote("A", ts, 99.0, 101.0),
        Clock(ts),
        Gap(ts, "A", "3 trades are missing"),
        Refused("bad price"),
        TradingStatus(ts, "A", halted=False),
        PriceBand(ts, "A", 1.0, 1000.0),
        Command("pause", ts),
        FeedChanged(FeedState.LIVE, ts),
        MarketHours(((START - DAY, START + 9 * DAY),), ts),
        RemoveChain("B", ts),
        RestartChain("B", ts),
        SymbolCommand("lock", "B", ts, ts + DAY),
        ReplaceStrategy(StrategySource("mine.py:mine", {"mine.py": ""}, ""), 0, ts),
        Rollover("size", "paper-2", ts),
        Execution("e1", ORDER.id, "A", BUY, D(1), D(100), ts),
        OrderRejected("nobody's", "A", ts, "no"),
        OrderReport("nobody's", "A", BUY, OrderStatus.FILLED, D(1), D(1), D(100), ts),
        SubmitUnanswered("nobody's", ts, "no answer"),
        OrderMissing("nobody's", ts),
        CancelRefused("nobody's", ts, "no"),
        BrokerChanged(FeedState.LIVE, ts),
        AccountReport(ts, "PA1", D(100), D(100), D(100), (), ()),
        AssetReport("A", ts),
        SymbolStale("A", True, ts),
        FeesReport(ts, (FeeCharge("TAF", "2026-03-03", D("0.01"), "2026-03-02"),)),
        Prints("odd lot", 3, 41.0),
        ExternalSignal("desk", "A", 1.0, "1", ts),
        GateOrder(ORDER, ts),
        msgspec.structs.replace(Session().feed(clock(0)).core.book(), ts=ts),
    )
    return {type(event): event for event in everything}


def at_a_desk() -> Session:
    return Session(broker=RestingBroker(), orders=OrderSettings(), book=BOOK).feed(trade(0, 100))


MARKET = (Trade, Quote, Clock)


def test_every_class_of_input_has_a_case_here() -> None:
    assert set(get_args(Input)) == set(of_time(START))


@pytest.mark.parametrize("kind", MARKET, ids=lambda k: k.__name__)
def test_what_the_market_says_moves_now_to_its_time_and_never_back(kind: type) -> None:
    core = at_a_desk().core
    core.run([of_time(at(5))[kind], of_time(at(3))[kind]])
    assert core.now == at(5)


OTHERS = [kind for kind in get_args(Input) if kind not in (*MARKET, Book)]


@pytest.mark.parametrize("off", [-10 * DAY, DAY, 3600 * SECOND, 1 << 62])
@pytest.mark.parametrize("kind", OTHERS, ids=lambda k: k.__name__)
def test_nothing_else_moves_now_whatever_time_it_has(kind: type, off: int) -> None:
    core = at_a_desk().core
    core.run([of_time(START + off)[kind]])
    assert core.now == START


@pytest.mark.parametrize("kind", OTHERS, ids=lambda k: k.__name__)
def test_nothing_else_begins_a_day_or_lifts_the_halt_of_one(kind: type) -> None:
    session = Session(
        risk=RiskSettings(daily_loss_limit=-0.0001, position_size=100.0), broker=None, strategy=PATIENT
    ).feed(trade(0, 100), trade(1, 100, says="LONG"), trade(2, 98))
    assert session.core.risk.snapshot().daily_halt
    session.core.run([of_time(START + DAY)[kind]])
    assert session.core.risk.snapshot().daily_halt
    assert session.states == ["HALTED"]


@pytest.mark.parametrize("kind", OTHERS, ids=lambda k: k.__name__)
def test_nothing_else_closes_a_position_by_time(kind: type) -> None:
    session = Session(strategy=StrategySettings(profit_target=0.5, stop_loss=0.4, flat_seconds=1000))
    session.feed(trade(0, 100), trade(1, 100, says="LONG"))
    later = of_time(START + 3600 * SECOND)[kind]
    session.core.run([] if kind in (Execution, GateOrder) else [later])  # nobody sends those where fills are simulated
    assert not session.trades
    session.feed(clock(9))
    assert session.exits == ["TIME"]


def test_a_class_that_is_no_input_is_refused() -> None:
    class Stranger(msgspec.Struct):
        ts: int

    with pytest.raises(AssertionError):
        at_a_desk().core.run([Stranger(at(1))])  # type: ignore[list-item]  # that is the point


@pytest.mark.parametrize("ahead", [45 * SECOND, DAY])
def test_a_fill_that_a_broker_dates_ahead_is_of_now_and_its_time_stop_comes_in_time(ahead: int) -> None:
    broker = RestingBroker()
    exits = StrategySettings(profit_target=0.5, stop_loss=0.4, flat_seconds=1000, time_stop_seconds=8)
    session = Session(broker=broker, orders=OrderSettings(), book=BOOK, strategy=exits)
    session.feed(
        trade(0, 100),
        BrokerChanged(FeedState.LIVE, at(0)),
        AccountReport(at(0), "PA1", D(10**5), D(10**5), D(10**5), (), ()),
    )
    session.feed(trade(1, 100, says="LONG"))
    (order,) = broker.of(SubmitOrder)
    filled = OrderReport(order.id, "A", BUY, OrderStatus.FILLED, D(1), D(1), D(100), at(1) + ahead)
    session.core.run([filled])
    assert session.core.positions.open["A"].entry_ts == at(1)
    session.feed(clock(9))
    assert session.core.executor.exits.intents["A"].reason == "TIME"


def test_a_position_that_was_found_is_not_held_since_a_later_time() -> None:
    entry = OrderReport("mb-bot-s0.77.A.entry.1", "A", BUY, OrderStatus.FILLED, D(10), D(10), D(100), START + DAY, "v1")
    found = AccountReport(START + DAY, "PA1", D(9), D(9), D(9), (HeldAtVenue("A", D(10), D(100)),), (), (entry,))
    session = at_a_desk()
    session.core.run([found])
    assert session.core.positions.open["A"].entry_ts == START


def test_facts_that_pass_a_time_on_do_not_pass_on_a_later_one() -> None:
    session = at_a_desk()
    session.core.run([BrokerChanged(FeedState.LIVE, START + DAY)])
    assert session.of(BrokerChanged)[-1].ts == START


def test_a_recording_of_old_is_decided_as_it_was() -> None:
    """Whatever had a time moved `now` then: a time stop fired at a report."""

    def exits(*, of_old: bool) -> list[str]:
        session = Session()
        session.core = Core(
            session.core.settings, session.core._strategies, session.facts.append, any_time_moves=of_old
        )
        session.core.run([trade(0, 100), Gap(at(3601), "A"), Command("pause", at(7200)), trade(7300, 100)])
        return [str(fact.ts) for fact in session.of(StateChanged)]

    assert exits(of_old=True) == [str(at(7200))]
    assert exits(of_old=False) == [str(at(0))]


def test_a_day_that_came_before_the_book_s_does_not_begin_anew_and_lift_its_halt() -> None:
    halted = msgspec.structs.replace(Session().feed(clock(0)).core.book(), daily_halt=True)
    session = Session()
    session.core.run([msgspec.structs.replace(halted, ts=START - DAY), Clock(START - DAY + SECOND)])
    assert session.core.risk.state == "HALTED"
    session.core.run([Clock(START + SECOND), Clock(START + DAY)])
    assert session.core.risk.state == "ACTIVE"
