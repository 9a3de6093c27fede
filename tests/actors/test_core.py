"""core: one ordered log of inputs, run to completion; the same inputs state the same facts."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from actors.engine import core as cores
from actors.engine.core import Core, CoreSettings, Input, MailboxOverflow
from actors.messages import (
    Command,
    Fact,
    FeedChanged,
    FeedState,
    OrderFilled,
    OrderSubmitted,
    PositionClosed,
    PositionOpened,
    SignalRaised,
)
from actors.orders import Execution, OrderSide
from actors.risk.risk import RiskSettings
from pipeline.admission import Admission, AdmissionSettings
from pipeline.events import NEW_LEVEL, SECOND, Clock, Gap, Prints, Quote, Refused, Trade
from pipeline.strategy import StrategySettings, momentum_burst
from pipeline.venue_clock import VenueClock
from pipeline.venues.conditions import UNDONE
from tests.support.decisions import decided_by_core, decided_by_model, differences
from tests.support.market import START, at, clock, quote, trade
from tests.support.random_tapes import core_settings, tapes
from tests.support.sessions import RestingBroker, Session, encoded

some = settings(max_examples=40)
"""Each of many properties over the whole core is tried on fewer tapes than the one against the model."""


def facts_of(chosen: CoreSettings, tape: list[Input]) -> list[Fact]:
    """Run a core over a tape, without ending it, and return what it stated."""
    facts: list[Fact] = []
    Core(chosen, momentum_burst(chosen.strategy), facts.append).run(tape)
    return facts


# --------------------------------------------------------------------------------------------- properties


@given(core_settings(), tapes())
def test_the_core_decides_what_the_model_decides(chosen: CoreSettings, tape: list[Input]) -> None:
    expected = decided_by_model(chosen, tape)
    assert differences(expected, decided_by_core(chosen, momentum_burst(chosen.strategy), tape)) == []


@some
@given(core_settings(), tapes())
def test_the_same_inputs_state_the_same_facts_byte_for_byte(chosen: CoreSettings, tape: list[Input]) -> None:
    assert encoded(facts_of(chosen, tape)) == encoded(facts_of(chosen, tape))


@some
@given(core_settings(), tapes(), st.integers(0, 400))
def test_a_prefix_of_the_tape_gives_a_prefix_of_the_facts(chosen: CoreSettings, tape: list[Input], cut: int) -> None:
    whole, part = facts_of(chosen, tape), facts_of(chosen, tape[:cut])
    assert encoded(part) == encoded(whole)[: len(part)]


@some
@given(core_settings(), tapes(), st.lists(st.integers(0, 400), max_size=4))
def test_how_inputs_are_batched_changes_nothing(chosen: CoreSettings, tape: list[Input], cuts: list[int]) -> None:
    facts: list[Fact] = []
    core = Core(chosen, momentum_burst(chosen.strategy), facts.append)
    edges = [0, *sorted(min(cut, len(tape)) for cut in cuts), len(tape)]
    for start, end in pairwise(edges):
        core.run(tape[start:end])
    assert encoded(facts) == encoded(facts_of(chosen, tape))


@some
@given(core_settings(), tapes())
def test_a_symbol_never_has_two_positions(chosen: CoreSettings, tape: list[Input]) -> None:
    open_now: set[str] = set()
    for fact in facts_of(chosen, tape):
        if isinstance(fact, PositionOpened):
            assert fact.symbol not in open_now
            open_now.add(fact.symbol)
        elif isinstance(fact, PositionClosed):
            open_now.remove(fact.symbol)


@some
@given(core_settings(), tapes())
def test_no_order_goes_out_without_an_approval(chosen: CoreSettings, tape: list[Input]) -> None:
    """And none of them twice: each leg of an approved decision has one order."""
    approved: set[str] = set()
    legs: set[tuple[str, str]] = set()
    for fact in facts_of(chosen, tape):
        if isinstance(fact, SignalRaised) and fact.approved:
            approved.add(fact.decision)
        elif isinstance(fact, OrderSubmitted):
            assert fact.order.decision in approved
            assert (fact.order.decision, fact.order.role) not in legs
            legs.add((fact.order.decision, fact.order.role))


@some
@given(core_settings(), tapes())
def test_equity_is_the_start_plus_every_trade(chosen: CoreSettings, tape: list[Input]) -> None:
    equity = Decimal(str(chosen.risk.starting_equity))
    for fact in facts_of(chosen, tape):
        if isinstance(fact, PositionClosed):
            equity += fact.pnl
            assert fact.equity == equity


@some
@given(core_settings(), tapes())
def test_every_order_is_filled_once_and_every_id_is_its_own(chosen: CoreSettings, tape: list[Input]) -> None:
    facts = facts_of(chosen, tape)
    orders = [fact.order.id for fact in facts if isinstance(fact, OrderSubmitted)]
    fills = [fact.execution.order for fact in facts if isinstance(fact, OrderFilled)]
    assert orders == fills
    assert len(set(orders)) == len(orders)


@some
@given(core_settings(), tapes())
def test_facts_are_numbered_by_inputs_that_never_go_back(chosen: CoreSettings, tape: list[Input]) -> None:
    numbers = [fact.input for fact in facts_of(chosen, tape) if isinstance(fact, SignalRaised | PositionClosed)]
    assert numbers == sorted(numbers)
    assert all(1 <= number <= len(tape) for number in numbers)


@some
@given(core_settings(), tapes())
def test_the_summary_counts_every_input_that_is_a_trade(chosen: CoreSettings, tape: list[Input]) -> None:
    session = decided_by_core(chosen, momentum_burst(chosen.strategy), tape)["summary"]
    assert session["ticks"] + session["ticks_late"] == sum(isinstance(event, Trade) for event in tape)
    assert session["ticks_rejected"] == sum(isinstance(event, Refused) for event in tape)


def test_another_symbol_changes_nothing_but_the_account() -> None:
    alone = Session().feed(trade(0, says="LONG"), trade(2, 102))
    among = Session().feed(trade(0, says="LONG"), trade(1, symbol="B"), trade(2, 102))
    assert [t.pnl for t in alone.trades] == [t.pnl for t in among.trades]


# ------------------------------------------------------------------------------------------------- ticks


def test_a_late_trade_is_counted_and_nothing_else() -> None:
    session = Session().feed(trade(5, bid=99.9, ask=100.1), trade(4, 50, bid=1, ask=2, says="LONG"))
    context = session.core.contexts["A"]
    assert (session.summary["ticks"], session.summary["ticks_late"]) == (1, 1)
    assert (context.price, context.bid, context.ask) == (100.0, 99.9, 100.1)
    assert session.verdicts == []


def test_a_trade_of_the_same_time_is_not_late() -> None:
    assert Session().feed(trade(5), trade(5)).summary["ticks"] == 2


def test_late_is_measured_by_the_symbol_s_own_trades() -> None:
    """Neither another symbol's trade, nor a quote, nor a clock makes a trade late."""
    session = Session().feed(trade(5), quote(6, 1, 2, symbol="B"), clock(7), trade(3, symbol="B"))
    assert (session.summary["ticks"], session.summary["ticks_late"]) == (2, 0)


def test_a_late_trade_does_not_make_the_next_one_late() -> None:
    assert Session().feed(trade(5), trade(1), trade(4.9), trade(5)).summary["ticks_late"] == 2


def test_a_refused_trade_is_counted_and_nothing_else() -> None:
    session = Session().feed(Refused("bad trade"), Refused("not JSON"))
    assert (session.summary["ticks"], session.summary["ticks_rejected"]) == (0, 2)
    assert session.core.now == 0


def test_now_is_the_largest_time_seen() -> None:
    session = Session()
    moves: list[tuple[Input, float]] = [(trade(5), 5), (trade(3, symbol="B"), 5), (quote(6, 1, 2), 6), (clock(4), 6)]
    for event, now in moves:
        session.feed(event)
        assert session.core.now == at(now)


@pytest.mark.parametrize(
    "event",
    [
        trade(5, symbol="B"),
        quote(5, 1, 2, symbol="B"),
        quote(5, 0, 0),
        clock(5),
        Gap(at(5)),
        Command("pause", at(5)),
        FeedChanged(FeedState.LIVE, at(5)),
        Execution("e", "nobody's", "A", OrderSide.BUY, Decimal(1), Decimal(1), at(5)),
    ],
)
def test_every_input_with_a_time_fires_the_timers_on_its_way(event: Input) -> None:
    strategy = StrategySettings(time_stop_seconds=3.0, flat_seconds=1000)
    session = Session(strategy=strategy).feed(trade(0, says="LONG"), event)
    assert [(t.exit_reason, t.exit_ts) for t in session.trades] == [("TIME", at(3))]


def test_an_event_before_now_fires_no_timer() -> None:
    strategy = StrategySettings(time_stop_seconds=3.0, flat_seconds=1000)
    session = Session(strategy=strategy).feed(trade(1, symbol="B"), trade(0, says="LONG"), quote(0.5, 1, 2), clock(1))
    assert session.core.now == at(1)
    assert session.trades == []


def test_timers_fire_before_the_event_is_handled() -> None:
    """The stop fills at the quote before the one that comes with the event."""
    strategy = StrategySettings(time_stop_seconds=3.0, flat_seconds=1000)
    session = Session(strategy=strategy).feed(trade(0, bid=100, ask=100, says="LONG"), quote(3, 50, 51))
    assert float(session.trades[0].exit_price) == 100.0


def test_a_trade_s_own_quote_is_taken_before_its_exits() -> None:
    session = Session().feed(trade(0, bid=100, ask=100, says="LONG"), trade(1, 105, bid=104, ask=106))
    assert float(session.trades[0].exit_price) == 104.0


def test_a_trade_s_own_quote_is_taken_after_the_timers_on_its_way() -> None:
    strategy = StrategySettings(time_stop_seconds=3.0, flat_seconds=1000)
    session = Session(strategy=strategy).feed(trade(0, bid=100, ask=100, says="LONG"), trade(4, 100, bid=50, ask=51))
    assert float(session.trades[0].exit_price) == 100.0


def test_a_symbol_is_first_seen_with_its_first_trade_or_quote() -> None:
    session = Session().feed(quote(0, 1, 2, symbol="C"), trade(1, symbol="A"), quote(2, 0, 0, symbol="B"))
    assert [(context.symbol, context.index) for context in session.core.contexts.values()] == [
        ("C", 0),
        ("A", 1),
        ("B", 2),
    ]


def test_a_tick_on_a_whole_second_closes_the_candle_before_it_also_where_nobody_listens() -> None:
    """The candle of second 1 rises from 100 to 101, so the first flat one is that of second 2."""
    strategy = StrategySettings(flat_seconds=1, profit_target=1, stop_loss=1, time_stop_seconds=1000)
    session = Session(strategy=strategy).feed(trade(0.5, 100), trade(1, 101, says="LONG"), clock(9))
    assert [(t.exit_reason, t.exit_ts) for t in session.trades] == [("FLAT", at(3))]


# ------------------------------------------------------------------------------------------------ quotes


def in_force(*events: Input) -> tuple[float | None, float | None]:
    context = Session().feed(*events).core.contexts["A"]
    return context.bid, context.ask


def test_there_is_no_quote_before_the_first() -> None:
    assert in_force(trade(0)) == (None, None)


def test_a_quote_is_in_force_until_the_next() -> None:
    assert in_force(quote(0, 1, 2), trade(1), quote(2, 3, 4)) == (3, 4)


def test_a_quote_with_equal_sides_is_taken() -> None:
    assert in_force(quote(0, 2, 2)) == (2, 2)


def test_a_quote_before_now_is_still_taken() -> None:
    assert in_force(clock(9), quote(1, 1, 2)) == (1, 2)


def test_a_quote_with_a_trade_is_taken() -> None:
    assert in_force(trade(0, bid=1, ask=2)) == (1, 2)


def test_a_trade_without_a_quote_keeps_the_one_in_force() -> None:
    assert in_force(quote(0, 1, 2), trade(1)) == (1, 2)


BAD_SIDES = [(3, 2), (0, 2), (-1, 2), (2, 0), (float("inf"), float("inf")), (1, float("inf")), (float("nan"), 2)]


@pytest.mark.parametrize(("bid", "ask"), BAD_SIDES)
def test_a_bad_quote_keeps_the_earlier_one_and_moves_the_time(bid: float, ask: float) -> None:
    session = Session().feed(quote(0, 1, 2), quote(5, bid, ask))
    context = session.core.contexts["A"]
    assert (context.bid, context.ask, session.core.now) == (1, 2, at(5))


@pytest.mark.parametrize(("bid", "ask"), [*BAD_SIDES, (5, None), (None, 5), (None, None)])
def test_a_bad_quote_with_a_trade_keeps_the_earlier_one_and_takes_the_trade(
    bid: float | None, ask: float | None
) -> None:
    session = Session().feed(quote(0, 1, 2), trade(5, 105, bid=bid, ask=ask))
    context = session.core.contexts["A"]
    assert (context.bid, context.ask, context.price) == (1, 2, 105)


def test_at_a_new_level_nothing_is_filled_at_a_quote_of_the_old_one() -> None:
    level = Gap(at(2), "A", NEW_LEVEL)
    other = quote(1, 5, 6, symbol="B")
    session = Session().feed(trade(0, bid=100, ask=100, says="LONG"), other, level, trade(2, 150))
    assert [(t.exit_reason, float(t.exit_price)) for t in session.trades] == [("TP", 150.0)]
    assert [(context.bid, context.ask) for context in session.core.contexts.values()] == [(None, None), (5, 6)]


def test_the_way_to_a_new_level_is_no_momentum() -> None:
    eager = StrategySettings(
        window_size=1.0, min_ticks=1, volume_spike_multiplier=0.0, volatility_guard_threshold=0.0, profit_target=1.0
    )
    clock = VenueClock()
    clock.declare(START, 1.0, 0)
    admission = Admission(AdmissionSettings(), clock)
    tape = [trade(n / 2, 100.0) for n in range(6)] + [trade(3 + n / 10, 150.0) for n in range(12)]
    session = Session(entries=momentum_burst(eager).entries, strategy=eager)
    session.feed(*admission.admit(tape, 5 * SECOND))
    assert session.summary["ticks"] == 6 + 8
    assert session.of(SignalRaised) == []


# -------------------------------------------------------------------------------------------- the mailboxes


class Echo:
    """An actor that answers itself."""

    def __init__(self, session: Session, most: int | None = None) -> None:
        self.session = session
        self.most = most
        self.heard: list[Any] = []

    def receive(self, message: Any) -> None:
        self.heard.append(message)
        if self.most is None or len(self.heard) < self.most:
            self.session.core.tell(self, message + 1)


def test_actors_that_talk_in_circles_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "MAX_MESSAGES_PER_INPUT", 50)
    session = Session()
    session.core.tell(Echo(session), 1)
    with pytest.raises(MailboxOverflow, match="one input set off more than 50 messages") as caught:
        session.feed(clock(0))
    assert caught.value.limit == 50


def test_as_many_messages_as_allowed_are_delivered_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "MAX_MESSAGES_PER_INPUT", 50)
    session = Session()
    echo = Echo(session, most=50)
    session.core.tell(echo, 1)
    session.feed(clock(0))
    assert echo.heard == list(range(1, 51))


def test_messages_are_delivered_before_the_next_input_is_taken() -> None:
    session = Session()
    inputs: list[int] = []

    class Listener:
        def receive(self, message: object) -> None:
            inputs.append(session.core.input)

    session.core.tell(Listener(), "hello")
    session.feed(trade(0), trade(1))
    assert inputs == [1]


def test_the_orders_of_a_broker_outside_wait_for_its_reports() -> None:
    broker = RestingBroker()
    session = Session(broker=broker).feed(trade(0, says="LONG"))
    assert session.summary["open_positions"] == 0
    order = broker.messages[0]
    session.feed(Execution("e1", order.id, "A", order.side, order.quantity, Decimal(100), at(1)))
    assert session.summary["open_positions"] == 1


# ------------------------------------------------------------------------------------------- the summary


def test_an_empty_tape_has_a_summary() -> None:
    session = Session()
    session.core.finish()
    summary = session.summary
    assert (summary["ticks"], summary["trades"], summary["equity"], summary["halted"]) == (0, 0, 10_000.0, False)
    assert session.facts == []


def test_the_end_of_a_tape_closes_no_position() -> None:
    session = Session().feed(trade(0, says="LONG"))
    session.core.finish()
    assert session.summary["open_positions"] == 1


def test_the_end_of_a_tape_counts_bursts_that_still_run() -> None:
    settings = StrategySettings(window_size=1.0, min_ticks=1)
    session = Session(entries=momentum_burst(settings).entries).feed(trade(0), trade(0.5), trade(1, 101))
    assert session.summary["blocked"]["NO_VOLUME_SPIKE"] == 0
    session.core.finish()
    assert session.summary["blocked"]["NO_VOLUME_SPIKE"] == 1
    assert session.summary["funnel"]["bursts"] == 1


def test_nobody_has_to_listen() -> None:
    core = Core(CoreSettings(), momentum_burst(StrategySettings()))
    core.run([trade(0), Quote("A", START, 1, 2), Clock(START)])
    assert core.summary()["ticks"] == 1


def test_settings_reach_the_actors() -> None:
    session = Session(risk=RiskSettings(starting_equity=123.45))
    assert session.core.positions.equity == Decimal("123.45")
    assert session.summary["equity"] == 123.45


# ------------------------------------------------------------------------------------------ prints that are undone


def warm(*, until: float, strategy: StrategySettings) -> Core:
    core = Core(CoreSettings(strategy=strategy), momentum_burst(strategy))
    core.run(trade(n / 4, 100.0) for n in range(round(until * 4) + 1))
    return core


def canceled(core: Core, seconds: float) -> bool:
    """Cancel the tick of that time; return whether the window is warm at the next one."""
    core.run([Gap(core.now, "A", "a print was canceled", at(seconds)), Trade("A", core.now, 100.0, 10.0)])
    frame = core.contexts["A"].probe.frame
    assert frame is not None
    return frame.ready


def test_a_cancel_restarts_the_window_that_holds_the_print_and_no_other() -> None:
    strategy = StrategySettings(window_size=15.0)
    assert not canceled(warm(until=60, strategy=strategy), 59)
    assert not canceled(warm(until=60, strategy=strategy), 45.25)
    older = warm(until=60, strategy=strategy)
    assert canceled(older, 45)
    assert older.summary()["prints"] == {UNDONE: 1}


def test_the_price_of_a_print_that_was_the_last_one_is_forgotten_when_it_is_canceled() -> None:
    core = warm(until=60, strategy=StrategySettings())
    core.run([Gap(core.now, "A", "", at(59))])
    assert core.contexts["A"].price == 100.0
    core.run([Gap(core.now, "A", "", at(60))])
    assert core.contexts["A"].price == 0.0


def test_prints_that_are_no_ticks_are_counted_by_kind_and_move_nothing() -> None:
    core = Core(CoreSettings(), momentum_burst(StrategySettings()))
    assert "prints" not in core.summary()
    core.run([trade(0), Prints("odd", 2, 7.0), Prints("auction", 1, 1e6), Prints("odd", 1, 1.0)])
    summary = core.summary()
    assert (summary["prints"], summary["prints_shares"]) == ({"auction": 1, "odd": 3}, {"auction": 1e6, "odd": 8.0})
    assert (summary["ticks"], summary["ticks_rejected"], core.now) == (1, 0, at(0))


def test_without_a_window_a_cancel_restarts_the_strategy_and_another_symbol_s_does_not() -> None:
    session = Session()
    begun: list[str] = []
    session.feed(trade(0), trade(0, symbol="B"))
    for name, context in session.core.contexts.items():
        context.instance.begins = lambda name=name: begun.append(name)  # type: ignore[method-assign,misc]
    session.feed(Gap(at(9), "A", "a print was canceled", at(0)))
    assert begun == ["A"]
