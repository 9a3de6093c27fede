"""Timekeeping: what moves a session's time, what a pause leaves behind, and a feed that goes back in time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from actors.book import Book, moved_back
from actors.engine.core import Core, CoreSettings, Input
from actors.gateway.journal import Run as JournalRun
from actors.messages import BrokerChanged, Command, Fact, FeedState, MarketHours, Rollover
from actors.orders import AccountReport
from actors.risk.risk import RiskSettings
from pipeline.admission import IMPLAUSIBLE_TIME, OUTDATED, Admission, AdmissionSettings
from pipeline.events import NEW_TIME, SECOND, Clock, Gap, Quote, Refused, Trade
from pipeline.strategy import Strategy, StrategySettings, default_exits
from pipeline.venue_clock import VenueClock
from service.live.session import Session
from service.live.timekeeping import PAUSE_NS, Timekeeper
from tests.service.test_session import Witness
from tests.support.market import START, at
from tests.support.sessions import Session as Fed, on_demand

HOUR = 3600 * SECOND
ONE = Decimal(1)
SHORT = StrategySettings(profit_target=0.5, stop_loss=0.4, flat_seconds=1000, time_stop_seconds=8)
STRATEGY = Strategy("test", on_demand, default_exits(SHORT))


class Machine:
    """A bot's session between a feed and a clock, on a machine whose clocks the test moves."""

    def __init__(self, *, busy: bool = False) -> None:
        self.monotonic = 1_000 * SECOND
        self.wall = START + 600 * SECOND  # it is wrong, and nobody minds
        self.away_s: list[float] = []  # what was told of pauses
        self.clock = VenueClock()
        self.admission = Admission(AdmissionSettings(), self.clock)
        # Where the loop is busy the process runs all the while; where it is stopped, nothing of it does.
        running_s = (lambda: self.monotonic / SECOND) if busy else (lambda: 0.0)
        self.keeper = Timekeeper(
            self.clock,
            self.admission,
            lambda: self.monotonic,
            lambda: self.wall,
            running_s=running_s,
            on_away=self.away_s.append,
        )
        self.witness = Witness()
        self.facts: list[Fact] = []
        core = Core(CoreSettings(SHORT, RiskSettings(cooldown_trades_after_loss=0)), STRATEGY, self.facts.append)
        nobody: Any = self.witness
        self.session = Session(core, self.facts, nobody, nobody, nobody.gather, (nobody.read,), timekeeper=self.keeper)
        self.venue = START
        for _ in range(30):
            self.live(0.1)

    @property
    def core(self) -> Core:
        return self.session.core

    @property
    def inputs(self) -> list[Input]:
        return [event for batch in self.witness.of("recorded") for event in batch]

    @property
    def exits(self) -> list[str]:
        return [str(fact.exit_reason) for fact in self.witness.of("read") if type(fact).__name__ == "PositionClosed"]

    def pass_time(self, seconds: float) -> None:
        """Let time pass everywhere."""
        by = round(seconds * SECOND)
        self.monotonic += by
        self.wall += by
        self.venue += by

    def sleep(self, seconds: float) -> None:
        """Let the machine sleep: its monotonic clock stands still meanwhile."""
        self.wall += round(seconds * SECOND)
        self.venue += round(seconds * SECOND)

    def beat(self) -> None:
        if inputs := self.keeper.beat(self.core.now):
            self.session.take(inputs)

    def hear(self, *, ts: int | None = None, says: str | None = None, price: float = 100.0, symbol: str = "A") -> None:
        ts = self.venue if ts is None else ts
        event = Trade(symbol, ts, price, 10.0, price - 0.01, price + 0.01, says)
        self.session.take(self.admission.admit([event], self.keeper.monotonic()))

    def live(self, seconds: float, **heard: Any) -> None:
        """Let time pass, and the feed and the clock be heard."""
        self.pass_time(seconds)
        self.hear(**heard)
        self.beat()


def test_what_is_told_from_elsewhere_meets_a_core_that_has_the_venue_s_time_of_now() -> None:
    machine = Machine()
    machine.pass_time(0.07)
    machine.session.take([Command("pause", machine.wall)])
    assert machine.inputs[-2:] == [Clock(machine.venue), Command("pause", machine.wall)]
    assert machine.core.now == machine.venue


@pytest.mark.parametrize("ahead", [45 * SECOND, 600 * SECOND])
def test_a_machine_s_clock_that_is_ahead_delays_no_time_stop(ahead: int) -> None:
    """Market hours were told with the machine's time, and moved `now` ahead by as much as it was wrong."""
    machine = Machine()
    machine.wall = machine.venue + ahead
    machine.session.take([MarketHours(((START - HOUR, START + HOUR),), machine.wall)])
    machine.live(0.1, says="LONG")
    entered = machine.core.now
    while not machine.exits:
        machine.live(0.1)
        assert machine.core.now <= entered + 9 * SECOND
    assert machine.exits == ["TIME"]
    assert machine.core.now - entered == 8 * SECOND


def test_a_book_is_taken_up_before_anything_moves_the_time_of_its_session() -> None:
    machine = Machine()
    machine.pass_time(1)
    book = msgspec.structs.replace(machine.core.book(), ts=machine.core.now)
    machine.session.take([book])
    assert machine.inputs[-1] == book
    assert machine.core.now == machine.venue - SECOND


# ------------------------------------------------------------------------------------------------------------ pauses


def test_what_ran_out_while_the_process_was_stopped_is_closed_at_the_first_price_after_it() -> None:
    machine = Machine()
    machine.live(0.1, says="LONG")
    machine.pass_time(20)
    machine.beat()  # the clock's turn may come before the socket's
    assert machine.inputs[-2:] == [Gap(machine.venue, None, NEW_TIME), Clock(machine.venue)]
    assert machine.core.positions.open
    assert not machine.exits  # it is due, but there is no price yet
    machine.hear(ts=machine.venue - 19 * SECOND, price=99.0)  # what lay on the socket all the while
    assert machine.inputs[-1] == Refused(OUTDATED)
    assert not machine.exits
    machine.live(0.2, price=101.0)
    assert machine.exits == ["TIME"]
    (closed,) = [fact for fact in machine.witness.of("read") if type(fact).__name__ == "PositionClosed"]
    assert float(closed.exit_price) == 100.99  # the bid of now, and not that of before


def test_a_pause_is_noticed_also_where_the_socket_s_turn_comes_first() -> None:
    machine = Machine()
    machine.live(0.1, says="LONG")
    machine.pass_time(20)
    machine.hear(ts=machine.venue - 19 * SECOND, price=99.0, says="SHORT")
    assert machine.inputs[-3:] == [Gap(machine.venue, None, NEW_TIME), Clock(machine.venue), Refused(OUTDATED)]
    assert not machine.exits


def test_a_moment_s_stall_is_no_pause_but_what_came_meanwhile_is_read_before_the_time_is_told() -> None:
    machine = Machine()
    machine.pass_time(PAUSE_NS / SECOND / 2)
    before = machine.core.now
    machine.beat()
    assert machine.core.now == before
    machine.hear(ts=machine.venue - SECOND)
    machine.beat()
    assert machine.core.now == machine.venue
    assert not any(isinstance(event, Gap) for event in machine.inputs)


def test_a_loop_that_is_busy_is_late_and_not_away_and_takes_all_that_came_meanwhile() -> None:
    """A burst of ticks, or a strategy that takes seconds: nobody's windows begin again for it."""
    machine = Machine(busy=True)
    before = len(machine.inputs)
    machine.pass_time(20)
    machine.hear(ts=machine.venue - 19 * SECOND)
    machine.beat()
    machine.beat()
    assert machine.core.now == machine.venue
    assert {type(event) for event in machine.inputs[before:]} == {Trade, Clock}


def test_after_a_pause_late_news_is_taken_again_before_long() -> None:
    machine = Machine()
    machine.pass_time(20)
    machine.beat()
    stopped = machine.venue
    for _ in range(110):
        machine.live(0.1)
    machine.hear(ts=stopped - 5 * SECOND, symbol="B")
    assert isinstance(machine.inputs[-1], Trade)


@pytest.mark.parametrize("slept", [30, 3600])
def test_a_machine_that_slept_goes_on_at_the_first_message_and_at_no_price_of_before(slept: int) -> None:
    machine = Machine()
    machine.live(0.1, says="LONG")
    machine.sleep(slept)
    machine.beat()
    before = len(machine.inputs)
    machine.live(0.1, price=101.0)
    assert [type(event) for event in machine.inputs[before : before + 2]] == [Gap, Trade]
    assert machine.core.now == machine.venue
    assert machine.exits == ["TIME"]
    (closed,) = [fact for fact in machine.witness.of("read") if type(fact).__name__ == "PositionClosed"]
    assert float(closed.exit_price) == 100.99


def test_how_long_the_process_was_stopped_is_told_once_however_the_pause_is_noticed() -> None:
    for notice in (Machine.beat, Machine.hear):
        machine = Machine()
        machine.pass_time(20)
        notice(machine)
        for _ in range(30):
            machine.live(0.1)
        assert machine.away_s == [20.0]


@pytest.mark.parametrize("naps", [1, 2])
def test_how_long_the_machine_slept_is_told_once_the_venue_bears_it_out(naps: int) -> None:
    machine = Machine()
    for _ in range(naps):
        machine.sleep(300)
        machine.beat()
    assert machine.away_s == []
    for _ in range(30):
        machine.live(0.1)
    assert machine.away_s == [pytest.approx(naps * 300, abs=0.2)]


def test_nothing_is_told_of_a_loop_that_is_busy_of_a_clock_that_is_set_or_of_a_feed_that_jumps_ahead() -> None:
    busy = Machine(busy=True)
    busy.pass_time(20)
    busy.beat()
    alone = Machine()
    alone.wall += HOUR
    jumping = Machine()
    jumping.venue += HOUR
    for machine in (busy, alone, jumping):
        for _ in range(130):
            machine.live(0.1)
        assert machine.away_s == []
    assert jumping.core.now == jumping.venue


# ------------------------------------------------------------------------------------------ far ahead, and far back


def test_six_messages_an_hour_ahead_make_no_symbol_deaf() -> None:
    machine = Machine()
    for _ in range(6):
        machine.live(0.2, ts=machine.venue + HOUR)
        assert machine.inputs[-2] == Refused(IMPLAUSIBLE_TIME)
    ticks = machine.core.ticks
    machine.live(0.2)
    assert (machine.core.ticks, machine.core.now, machine.core.metrics.late) == (ticks + 1, machine.venue, 0)


def test_a_feed_that_stays_at_an_earlier_time_gets_a_session_of_its_own_there_with_deadlines_moved_alike() -> None:
    machine = Machine()
    for _ in range(95):
        machine.live(0.1, ts=machine.venue - HOUR)
    machine.live(0.1)  # the right time once more: nothing comes of it
    machine.live(0.1, says="LONG")
    assert machine.keeper.earlier() is None
    entered = machine.core.now
    machine.venue -= HOUR
    while (to := machine.keeper.earlier()) is None:
        machine.live(0.1, says="x")
        assert machine.core.now < entered + 12 * SECOND
    assert machine.exits == ["TIME"]  # meanwhile time goes on as it did
    old = machine.core
    assert to == old.now - HOUR

    def begin(on_fact: Any) -> Core:
        return Core(old.settings, STRATEGY, on_fact, book="paper-2")

    nobody: Any = machine.witness
    run = JournalRun(0, "", "", "", True, "paper-2", {})
    machine.session.roll_over(Rollover("time", "paper-2", old.now), begin, nobody, run, to)
    machine.keeper.go_back()
    ticks = machine.core.ticks
    machine.live(0.1)
    assert (machine.core.ticks, machine.core.now) == (ticks + 1, machine.venue)


def test_a_book_that_goes_back_in_time_leaves_its_positions_as_long_as_they_had() -> None:
    fed = Fed(strategy=SHORT).feed(
        Trade("A", at(0), 100.0, 1.0), Trade("A", at(1), 100.0, 1.0, id="LONG"), Clock(at(4))
    )
    halted = msgspec.structs.replace(fed.core.book(), daily_halt=True, date="2026-01-05")
    back = moved_back(halted, at(4) - 30 * HOUR)
    again = Fed(strategy=SHORT)
    again.core.run([back, Trade("A", at(4) - 30 * HOUR, 100.0, 1.0), Clock(at(8.9) - 30 * HOUR)])
    assert not again.trades
    assert again.core.risk.state == "HALTED"  # the day before does not begin anew, and its halt does not end
    again.core.run([Clock(at(9) - 30 * HOUR)])
    assert again.exits == ["TIME"]


def test_what_holds_is_handed_on_to_a_session_at_an_earlier_time_without_moving_it() -> None:
    machine = Machine()
    machine.session.take([BrokerChanged(FeedState.LIVE, machine.venue), MarketHours(((1, 2),), machine.wall)])
    old = machine.core
    core = Core(old.settings, STRATEGY, book="paper-2")
    to = old.now - HOUR
    core.run([moved_back(old.book(), to), *old.standing()])
    assert core.now == to


# --------------------------------------------------------------------------------------- before the market is heard


def test_a_broker_s_word_for_the_time_is_one_among_witnesses_while_the_market_is_silent() -> None:
    machine = Machine()
    clock = VenueClock()
    keeper = Timekeeper(clock, Admission(AdmissionSettings(), clock), lambda: machine.monotonic, lambda: machine.wall)
    account = AccountReport(START + HOUR, "PA1", ONE, ONE, ONE, (), ())
    keeper.hear_account_time([account, Command("pause", START)])
    assert clock.now(machine.monotonic) is None
    clock.expect(START, machine.monotonic)
    keeper.hear_account_time([msgspec.structs.replace(account, ts=START + SECOND)])
    assert clock.now(machine.monotonic) == START + SECOND


def test_an_account_that_has_waited_for_the_loop_tells_the_time_at_which_it_was_heard() -> None:
    machine = Machine()
    clock = VenueClock()
    keeper = Timekeeper(clock, Admission(AdmissionSettings(), clock), lambda: machine.monotonic, lambda: machine.wall)
    clock.expect(START, machine.monotonic)
    heard_at = machine.monotonic - 10 * SECOND
    keeper.hear_account_time([AccountReport(START - 9 * SECOND, "PA1", ONE, ONE, ONE, (), ())], heard_at)
    assert clock.now(machine.monotonic) == START + SECOND


def test_an_account_that_took_long_to_read_tells_the_time_at_which_its_reading_began() -> None:
    machine = Machine()
    clock = VenueClock()
    keeper = Timekeeper(clock, Admission(AdmissionSettings(), clock), lambda: machine.monotonic, lambda: machine.wall)
    clock.expect(START, machine.monotonic)
    account = AccountReport(START - 9 * SECOND, "PA1", ONE, ONE, ONE, (), (), took=10 * SECOND)
    keeper.hear_account_time([account])
    assert clock.now(machine.monotonic) == START + SECOND


def test_a_quote_is_never_later_than_the_venue_s_clock_whatever_door_it_comes_by() -> None:
    machine = Machine()
    admitted = machine.admission.admit([Quote("A", machine.venue + 50 * SECOND, 99.0, 101.0)], machine.monotonic)
    assert admitted == [Quote("A", machine.venue, 99.0, 101.0)]
    assert isinstance(machine.core.book(), Book)
