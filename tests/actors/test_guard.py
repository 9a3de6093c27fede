"""guard: a fallback stands under every position, whatever its exits do, and what is shown of them is true."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import reactivex
from reactivex import operators as ops

from actors.brokers.simulated import ExecutionSettings
from actors.engine.core import CoreSettings
from actors.engine.guard import Fallback, GuardedBy
from actors.messages import ExitReason, GuardChanged, OrderSubmitted, RemoveChain
from actors.orders import OrderStatus as S
from actors.risk.risk import RiskSettings
from pipeline import operators as op
from pipeline.events import NEW_TIME, Gap
from pipeline.exits import ExitSignal, stop_loss, time_stop
from pipeline.operators.lift import Step
from pipeline.strategy import StrategySettings
from tests.support.desk import Desk
from tests.support.market import at, clock, trade
from tests.support.sessions import PATIENT, Session, on_demand

DEFAULTS = StrategySettings()
WITHOUT = RiskSettings(fallback_stop=None, fallback_hold_s=None)


def failing(*_: Any) -> Any:
    raise ValueError("my bug")


def step(on_next: Callable[[Any], None]) -> Any:
    return op.lift(lambda emit, scheduler: Step(on_next))


SILENT: dict[str, Any] = {
    "empty": lambda held, market: reactivex.empty(),
    "never": lambda held, market: reactivex.never(),
    "ended by a tick": lambda held, market: market.ticks.pipe(ops.take(1), ops.ignore_elements()),
    "raising at each tick": lambda held, market: market.ticks.pipe(step(failing)),
    "raising at each candle": lambda held, market: market.candles.pipe(step(failing)),
    "saying something else": lambda held, market: market.ticks,
    "of another symbol": lambda held, market: market.ticks.pipe(ops.map(lambda tick: ExitSignal("B", "MINE"))),
    "late": lambda held, market: market.ticks.pipe(ops.skip(2), ops.take(1), ops.flat_map(lambda _: reactivex.never())),
    "waiting for too long": lambda held, market: time_stop(held, 1e6, market.clock),
}
EXITS = pytest.mark.parametrize("exits", SILENT.values(), ids=SILENT)


@EXITS
@pytest.mark.parametrize(("side", "price"), [("LONG", 99.5), ("SHORT", 100.5)])
def test_a_position_whose_exits_do_nothing_is_closed_when_it_fell_too_far(exits: Any, side: str, price: float) -> None:
    session = Session(exits=exits, strategy=DEFAULTS).feed(trade(0, says=side), trade(1), trade(2), trade(3))
    near = 100 + (price - 100) * 0.99
    assert session.feed(trade(4, near)).exits == []
    assert session.feed(trade(5, price)).exits == ["FALLBACK"]


@EXITS
def test_a_position_whose_exits_do_nothing_is_closed_when_it_was_held_for_too_long(exits: Any) -> None:
    session = Session(exits=exits, strategy=DEFAULTS).feed(trade(0, says="LONG"), trade(1), trade(2), trade(3))
    assert session.feed(clock(599.999)).exits == []
    assert session.feed(clock(600)).exits == ["FALLBACK"]
    assert session.trades[0].exit_ts == at(600)


@pytest.mark.parametrize("exits", [failing, lambda held, market: reactivex.throw(ValueError("at once"))])
def test_exits_that_cannot_even_be_subscribed_have_the_fallback_beneath_the_default_ones(exits: Any) -> None:
    """Which are so patient here that they leave it to the fallback."""
    session = Session(exits=exits, strategy=StrategySettings(stop_loss=0.9, profit_target=0.9, flat_seconds=10**6))
    guard = session.feed(trade(0, says="LONG")).core.contexts["A"].guard_now
    assert guard is not None
    assert (guard.by, guard.fallback.stop, guard.fallback.hold_s) == (GuardedBy.DEFAULT, 1.8, 600.0)


def test_it_is_at_least_twice_as_wide_and_as_long_as_the_settings_exits() -> None:
    assert Fallback.of(0.005, 600.0, 0.0005, 8.0) == Fallback(0.005, 600.0)
    assert Fallback.of(0.005, 600.0, 0.004, 400.0) == Fallback(0.008, 800.0)
    assert Fallback.of(None, None, 0.004, 400.0) == Fallback()


def test_the_settings_say_where_it_stands() -> None:
    risk = RiskSettings(fallback_stop=0.002, fallback_hold_s=20.0)
    session = Session(exits=SILENT["never"], strategy=DEFAULTS, risk=risk)
    assert session.feed(trade(0, says="LONG"), trade(1, 99.8)).exits == ["FALLBACK"]
    assert Session(exits=SILENT["never"], strategy=DEFAULTS, risk=risk).feed(
        trade(0, says="LONG"), clock(20)
    ).exits == ["FALLBACK"]


def test_an_exit_of_the_same_tick_comes_first() -> None:
    session = Session(exits=lambda held, market: market.ticks.pipe(stop_loss(held, 0.005)), strategy=DEFAULTS)
    assert session.feed(trade(0, says="LONG"), trade(1, 99.0)).exits == ["SL"]


def test_a_time_stop_of_the_same_moment_comes_first() -> None:
    session = Session(exits=lambda held, market: time_stop(held, 600, market.clock), strategy=DEFAULTS)
    assert session.feed(trade(0, says="LONG"), clock(700)).exits == ["TIME"]


def test_it_ends_with_its_position() -> None:
    risk = RiskSettings(cooldown_trades_after_loss=0)
    session = Session(exits=SILENT["never"], strategy=DEFAULTS, risk=risk).feed(trade(0, says="LONG"), trade(1, 99))
    session.feed(trade(500, 99, says="LONG"), clock(700), trade(701, 100))
    assert session.exits == ["FALLBACK"]  # the second position has its own six hundred seconds
    assert session.feed(clock(1_100)).exits == ["FALLBACK", "FALLBACK"]


def test_without_one_as_in_recordings_of_old_nothing_of_it_is_decided() -> None:
    session = Session(exits=SILENT["empty"], strategy=DEFAULTS, risk=WITHOUT)
    assert session.feed(trade(0, says="LONG"), trade(1, 60), clock(1e6)).exits == []


def test_it_leaves_at_a_price_that_an_order_on_its_way_may_get() -> None:
    """With fills that take their time, too."""
    session = Session(exits=SILENT["never"], strategy=DEFAULTS, execution=ExecutionSettings(latency_ms=500.0))
    session.feed(trade(0, says="LONG"), trade(1), trade(2, 99), trade(3, 99))
    assert session.exits == ["FALLBACK"]


def test_a_strategy_that_takes_all_the_timers_leaves_the_core_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the default exits have any then; the fallback does, and so have orders and the day."""
    monkeypatch.setattr("pipeline.clock.MAX_TIMERS", 100)

    def greedy(ticks: Any) -> Any:
        def hoard(emit: Any, symbol_clock: Any) -> Step:
            def on_next(_: Any) -> None:
                for n in range(1_000):
                    symbol_clock.at(at(1e6 + n), int)

            return Step(on_next)

        return op.merge(on_demand(ticks), op.lift(hoard)(ticks))

    session = Session(entries=greedy, strategy=DEFAULTS, execution=ExecutionSettings(latency_ms=100.0))
    session.feed(trade(0, says="LONG"), trade(1))
    assert shown(session).startswith("the fallback alone")
    session.feed(clock(600), clock(601), clock(90_000))
    assert session.exits == ["FALLBACK"]


# ---------------------------------------------------------------------------------------------------- at a broker


def test_a_position_at_a_broker_has_it_too() -> None:
    desk = Desk(exits=SILENT["empty"]).enter().pass_time(2001)  # twice the patient time stop
    desk.say(2001.1, S.CANCELED, of="stop")
    assert (desk.last.role, desk.last.reason, desk.last.limit) == ("exit", "FALLBACK", None)


def test_an_exit_that_waits_for_a_price_is_hastened_by_it_and_leaves_at_market() -> None:
    desk = Desk(exits=lambda held, market: time_stop(held, 8, market.clock)).enter()
    desk.session.feed(Gap(at(5), None, NEW_TIME), clock(2000))
    assert (desk.legs, desk.canceled) == (["entry", "stop"], [])  # nothing is sent without a price, and the stop stays
    desk.pass_time(2001).say(2001.1, S.CANCELED, of="stop")
    assert (desk.last.role, desk.last.reason, desk.last.limit) == ("exit", "TIME", None)


def test_a_position_that_is_taken_up_again_after_a_restart_has_it_from_its_entry_on() -> None:
    before = Session(exits=SILENT["never"], strategy=DEFAULTS).feed(trade(0, says="LONG"), trade(1))
    after = Session(exits=SILENT["empty"], strategy=DEFAULTS).feed(before.core.book(), clock(599))
    assert after.exits == []
    assert after.feed(clock(600), trade(601)).exits == ["FALLBACK"]


# -------------------------------------------------------------------------------------------------- what is shown


def shown(session: Session) -> str:
    guard = session.core.contexts["A"].guard_now
    assert guard is not None
    return guard.words


def test_exits_that_ended_are_not_said_to_guard_it() -> None:
    session = Session(exits=SILENT["empty"], strategy=DEFAULTS).feed(trade(0, says="LONG"))
    assert shown(session) == "the fallback alone (it closes it 0.5 % against it or 600 s after its entry)"
    [changed] = session.of(GuardChanged)
    assert (changed.symbol, changed.guard, changed.input) == ("A", shown(session), 1)
    assert shown(Session(exits=SILENT["empty"], risk=WITHOUT).feed(trade(0, says="LONG"))) == "nothing"


def test_exits_that_have_said_to_leave_and_ended_are_no_news() -> None:
    exits: Any = lambda held, market: market.ticks.pipe(ops.take(1), ops.map(lambda tick: ExitSignal("A", "MINE")))  # noqa: E731
    session = Session(exits=exits).feed(trade(0, says="LONG"), trade(1))
    assert (session.exits, session.of(GuardChanged)) == (["MINE"], [])


def test_an_exit_that_raised_is_said() -> None:
    session = Session(exits=SILENT["raising at each tick"]).feed(trade(0, says="LONG"))
    assert shown(session).startswith("its own exits, and beneath them the fallback")
    session.feed(trade(1), trade(2))
    assert shown(session).startswith("its own exits (one of them failed), and beneath")
    assert len(session.of(GuardChanged)) == 1


def test_the_default_exits_in_the_place_of_its_own_are_said() -> None:
    session = Session(exits=SILENT["never"]).feed(trade(0, says="LONG"), RemoveChain("A", at(1), "too slow"))
    assert shown(session).startswith("the default exits, and beneath")
    assert [fact.reason for fact in session.of(GuardChanged)] == ["its strategy was removed"]


def test_the_time_that_is_left_is_that_of_the_position_s_own_exits() -> None:
    own: Any = lambda held, market: op.merge(time_stop(held, 30, market.clock), time_stop(held, 20, market.clock))  # noqa: E731
    context = Session(exits=own, strategy=DEFAULTS).feed(trade(0, says="LONG")).core.contexts["A"]
    assert context.time_stop_ts == at(20)
    without = Session(exits=SILENT["never"], strategy=DEFAULTS).feed(trade(0, says="LONG")).core.contexts["A"]
    assert (without.time_stop_ts, without.guard_now and without.guard_now.fallback_ts) == (None, at(600))


def test_the_time_that_is_left_goes_with_what_waits_for_it() -> None:
    session = Session(strategy=PATIENT).feed(trade(0, says="LONG"), trade(1, 105))
    assert (session.exits, session.core.contexts["A"].time_stop_ts) == (["TP"], None)
    swallowed: Any = lambda held, market: time_stop(held, 5, market.clock).pipe(ops.ignore_elements())  # noqa: E731
    session = Session(exits=swallowed, strategy=DEFAULTS).feed(trade(0, says="LONG"), clock(6))
    assert (session.exits, session.core.contexts["A"].time_stop_ts) == ([], None)


def test_its_reason_does_not_wait_for_a_better_price() -> None:
    from actors.execution.exits import AT_ONCE

    assert ExitReason.FALLBACK in AT_ONCE


def test_the_core_s_settings_know_it() -> None:
    settings = msgspec.structs.replace(CoreSettings(), strategy=StrategySettings(stop_loss=0.01))
    assert settings.fallback == Fallback(0.02, 600.0)


def test_only_one_order_leaves_however_often_it_would_speak() -> None:
    session = Session(exits=SILENT["never"], strategy=DEFAULTS, execution=ExecutionSettings(latency_ms=60_000.0))
    session.feed(trade(0, says="LONG"), clock(61), *(trade(62 + n, 99 - n) for n in range(5)))
    assert [fact.order.role for fact in session.of(OrderSubmitted)] == ["entry", "exit"]
