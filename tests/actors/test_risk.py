"""risk: every reason to refuse, every command, every trading state, and what ends which."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.actor import UnknownMessage
from actors.brokers.simulated import ExecutionSettings
from actors.engine.core import Core, CoreSettings
from actors.messages import (
    COMMANDS,
    Command,
    DayStarted,
    ExitReason,
    FeedChanged,
    FeedState,
    HaltCause,
    OrderSubmitted,
    Refusal,
    SignalRaised,
    StateChanged,
    SymbolStale,
    TradingState,
)
from actors.orders import CancelOrder, Execution, OrderRejected, OrderRole, SubmitOrder
from actors.risk.risk import RiskSettings, UnknownCommand
from pipeline.events import Clock
from pipeline.strategy import StrategySettings, momentum_burst
from tests.support.market import at, clock, quote, trade
from tests.support.sessions import PATIENT, RestingBroker, Session

HOUR = 3600.0
MIDNIGHT = 14.5 * HOUR  # from START, 09:30, to the end of the day in New York


def command(name: str, seconds: float, source: str = "", reason: str = "") -> Command:
    return Command(name, at(seconds), source, reason)


def feed(state: FeedState, seconds: float) -> FeedChanged:
    return FeedChanged(state, at(seconds))


def execution(order: SubmitOrder, quantity: str, price: str, seconds: float) -> Execution:
    """Report that an order was filled."""
    return Execution(f"e{seconds}", order.id, "A", order.side, Decimal(quantity), Decimal(price), at(seconds))


def tight(limit: float = -0.001, equity: float = 1000.0, **more: object) -> RiskSettings:
    """Settings in which a loss of a dollar in a thousand is the limit, and no cooldown is in the way."""
    values = {"daily_loss_limit": limit, "starting_equity": equity, "cooldown_trades_after_loss": 0} | more
    return msgspec.convert(values, RiskSettings)


def halted_by_loss() -> Session:
    """A session that lost its dollar with the tick of second 1."""
    return Session(risk=tight()).feed(trade(0, says="LONG"), trade(1, 99.0))


# ----------------------------------------------------------------------------------------------- approval


def test_a_signal_is_approved_where_nothing_stands_in_its_way() -> None:
    session = Session().feed(trade(0, says="LONG"))
    assert session.verdicts == [None]
    assert session.summary["open_positions"] == 1


def test_a_signal_and_its_verdict_are_one_fact() -> None:
    [fact] = Session().feed(trade(0), trade(1, says="SHORT")).of(SignalRaised)
    assert (fact.signal.ts, fact.signal.side) == (at(1), "SHORT")
    assert (fact.approved, fact.reason, fact.decision, fact.input) == (True, None, "2", 2)


def test_the_size_of_a_position_is_a_setting() -> None:
    [order] = Session(risk=RiskSettings(position_size=2.5)).feed(trade(0, says="LONG")).of(OrderSubmitted)
    assert order.order.quantity == Decimal("2.5")


def test_signals_of_one_input_have_decisions_of_their_own() -> None:
    session = Session().feed(trade(0))
    signal = Session().feed(trade(0, says="LONG")).of(SignalRaised)[0].signal
    for _ in range(3):
        session.core.tell(session.core.risk, signal)
    session.feed(clock(1))
    session.feed(trade(2, says="LONG"))
    assert [fact.decision for fact in session.of(SignalRaised)] == ["2", "2-2", "2-3", "3"]


# ------------------------------------------------------------------------------------------ POSITION_OPEN


def test_an_open_position_refuses_signals_of_its_symbol_only() -> None:
    session = Session().feed(trade(0, says="LONG"), trade(1, says="LONG"), trade(1, symbol="B", says="LONG"))
    assert session.verdicts == [None, Refusal.POSITION_OPEN, None]


def test_a_working_order_refuses_signals_of_its_symbol() -> None:
    session = Session(broker=RestingBroker()).feed(trade(0, says="LONG"), trade(1, says="LONG"))
    assert session.verdicts == [None, Refusal.POSITION_OPEN]


def test_an_order_that_was_rejected_makes_way_for_the_next_signal() -> None:
    broker = RestingBroker()
    session = Session(broker=broker).feed(trade(0, says="LONG"))
    session.feed(OrderRejected(broker.messages[0].id, "A", at(1), "no buying power"), trade(2, says="LONG"))
    assert session.verdicts == [None, None]


@pytest.mark.parametrize(("side", "price"), [("LONG", 101.0), ("LONG", 99.0), ("SHORT", 101.0), ("SHORT", 99.0)])
def test_the_tick_that_closes_a_position_opens_none(side: str, price: float) -> None:
    """By a profit target or a stop loss; the next tick may open one."""
    risk = RiskSettings(cooldown_trades_after_loss=0)
    session = Session(risk=risk).feed(trade(0, says=side), trade(1, price, says="LONG"), trade(1, says="LONG"))
    assert session.verdicts == [None, Refusal.POSITION_OPEN, None]


@pytest.mark.parametrize("settings", [{"time_stop_seconds": 2.0}, {"flat_seconds": 1}])
def test_a_position_that_a_timer_closed_before_the_tick_does_not_stand_in_its_way(settings: dict[str, float]) -> None:
    strategy = msgspec.structs.replace(PATIENT, **settings)
    session = Session(strategy=strategy).feed(trade(0, says="LONG"), trade(2, says="LONG"))
    assert session.exits == ["TIME" if "time_stop_seconds" in settings else "FLAT"]
    assert session.verdicts == [None, None]


def test_a_position_that_another_symbol_s_tick_closed_does_not_stand_in_the_way_the_next_day() -> None:
    session = Session(risk=tight()).feed(
        trade(0, symbol="A", says="LONG"), trade(0, symbol="B", says="LONG"), trade(1, 98.5, symbol="A")
    )
    assert session.exits == ["SL", "HALT"]
    session.feed(trade(MIDNIGHT, symbol="B", says="LONG"))
    assert session.verdicts[-1] is None


# ----------------------------------------------------------------------------------------------- COOLDOWN


def lose(session: Session, seconds: float, symbol: str = "A") -> Session:
    """Enter and leave with a loss, within half a second."""
    session.feed(trade(seconds, 100, symbol=symbol, says="LONG"), trade(seconds + 0.5, 99, symbol=symbol))
    assert session.trades[-1].pnl < 0
    return session


def knock(session: Session, seconds: float, symbol: str = "A") -> Refusal | None:
    """Raise a signal and return what risk says to it."""
    return session.feed(trade(seconds, 100, symbol=symbol, says="LONG")).verdicts[-1]


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_so_many_signals_are_skipped_after_a_loss(count: int) -> None:
    session = lose(Session(risk=RiskSettings(cooldown_trades_after_loss=count)), 0)
    said = [knock(session, 1 + n) for n in range(count + 1)]
    assert said == [Refusal.COOLDOWN] * count + [None]


def test_a_loss_cools_down_its_own_symbol_only() -> None:
    session = lose(Session(), 0)
    assert knock(session, 1, "B") is None
    assert knock(session, 1, "A") is Refusal.COOLDOWN


def test_a_win_skips_nothing() -> None:
    session = Session().feed(trade(0, says="LONG"), trade(1, 102))
    assert session.exits == ["TP"]
    assert knock(session, 2) is None


def test_breakeven_skips_nothing() -> None:
    session = Session(strategy=msgspec.structs.replace(PATIENT, time_stop_seconds=1.0)).feed(trade(0, says="LONG"))
    assert knock(session, 1) is None
    assert session.trades[0].pnl == 0


def test_a_loss_within_the_noise_skips_nothing() -> None:
    costs = ExecutionSettings(fee_per_share=4e-10)
    session = Session(strategy=msgspec.structs.replace(PATIENT, time_stop_seconds=1.0), execution=costs)
    session.feed(trade(0, says="LONG"))
    assert knock(session, 1) is None
    assert session.trades[0].pnl == Decimal("-8E-10")


def test_only_a_signal_refused_for_the_cooldown_counts_as_skipped() -> None:
    session = lose(Session(), 0)
    session.feed(command("pause", 1))
    assert [knock(session, 2), knock(session, 3)] == [Refusal.PAUSED, Refusal.PAUSED]
    session.feed(command("resume", 4), feed(FeedState.STALE, 4))
    assert knock(session, 5) is Refusal.STALE_FEED
    session.feed(feed(FeedState.LIVE, 6))
    assert [knock(session, 7), knock(session, 8), knock(session, 9)] == [Refusal.COOLDOWN, Refusal.COOLDOWN, None]


def test_the_closing_tick_s_own_signal_is_refused_for_the_position_and_not_skipped() -> None:
    session = Session().feed(trade(0, says="LONG"), trade(1, 99, says="LONG"))
    assert session.verdicts[-1] is Refusal.POSITION_OPEN
    assert [knock(session, 2), knock(session, 3), knock(session, 4)] == [Refusal.COOLDOWN, Refusal.COOLDOWN, None]


def test_a_new_loss_starts_the_count_anew_and_adds_nothing_to_it() -> None:
    """A second loss during the cooldown comes of an exit that was filled twice over."""
    broker = RestingBroker()
    session = Session(broker=broker).feed(trade(0, says="LONG"))
    session.feed(execution(broker.messages[0], "1", "100", 0), trade(1, 98))
    session.feed(execution(broker.messages[1], "2", "98", 1), trade(2, 100))
    session.feed(execution(broker.messages[2], "1", "100", 2))
    assert [trade.pnl < 0 for trade in session.trades] == [True, True]
    assert [knock(session, 3 + n) for n in range(3)] == [Refusal.COOLDOWN, Refusal.COOLDOWN, None]


def test_a_cooldown_goes_on_over_midnight() -> None:
    session = lose(Session(), 0)
    assert knock(session, 1) is Refusal.COOLDOWN
    assert knock(session, MIDNIGHT + 1) is Refusal.COOLDOWN
    assert knock(session, MIDNIGHT + 2) is None


# --------------------------------------------------------------------------------------------- STALE_FEED


@pytest.mark.parametrize("state", [FeedState.CONNECTING, FeedState.STALE, FeedState.DOWN])
def test_a_feed_that_is_not_live_refuses_signals_until_it_is(state: FeedState) -> None:
    session = Session().feed(trade(0), feed(state, 1), trade(2, says="LONG"))
    session.feed(feed(FeedState.LIVE, 3), trade(4, says="LONG"))
    assert session.verdicts == [Refusal.STALE_FEED, None]


def test_a_feed_that_is_not_live_closes_nothing_and_exits_go_on() -> None:
    session = Session().feed(trade(0, says="LONG"), feed(FeedState.STALE, 1))
    assert session.exits == []
    assert session.feed(trade(2, 102)).exits == ["TP"]


def test_the_state_of_the_feed_is_a_fact_too() -> None:
    changed = FeedChanged(FeedState.DOWN, at(1), "closed by the venue")
    assert Session().feed(changed).facts[-1] == changed


# -------------------------------------------------------------------------------------------- STALE_SYMBOL


def symbol_stale(symbol: str, seconds: float, *, stale: bool = True) -> SymbolStale:
    return SymbolStale(symbol, stale, at(seconds), "nothing of it for 15 s")


def test_a_stale_symbol_s_signals_are_refused_and_no_other_s() -> None:
    session = Session().feed(trade(0), symbol_stale("A", 1), trade(2, says="LONG"), trade(2, says="LONG", symbol="B"))
    session.feed(symbol_stale("A", 3, stale=False), trade(4, says="LONG"))
    assert session.verdicts == [Refusal.STALE_SYMBOL, None, None]
    assert session.summary["refusals"] == {"STALE_SYMBOL": 1}


def test_a_stale_symbol_s_position_is_kept_and_its_exits_go_on() -> None:
    session = Session().feed(trade(0, says="LONG"), symbol_stale("A", 1))
    assert session.exits == []
    assert session.feed(trade(2, 102)).exits == ["TP"]


def test_a_stale_symbol_is_a_fact_once() -> None:
    session = Session().feed(trade(0), symbol_stale("A", 1), symbol_stale("A", 2), symbol_stale("B", 3, stale=False))
    assert session.of(SymbolStale) == [symbol_stale("A", 1)]


def test_a_next_session_goes_on_with_it() -> None:
    before = Session().feed(trade(0), symbol_stale("A", 1))
    after = Session().feed(before.core.book(), *before.core.standing(), trade(2, says="LONG"))
    assert after.verdicts == [Refusal.STALE_SYMBOL]


# -------------------------------------------------------------------------------------------- DELAYED_FEED


def test_a_feed_that_is_minutes_late_refuses_signals_and_exits_go_on() -> None:
    session = Session().feed(trade(0, says="LONG"), FeedChanged(FeedState.LIVE, at(1), delay_s=900.0))
    session.feed(trade(1, says="LONG", symbol="B"), feed(FeedState.DOWN, 2), trade(2, says="LONG", symbol="B"))
    assert session.verdicts == [None, Refusal.DELAYED_FEED, Refusal.STALE_FEED]
    assert session.feed(trade(3, 102)).exits == ["TP"]


# -------------------------------------------------------------------------------------- the order of checks


def test_a_halt_is_said_before_anything_else() -> None:
    session = lose(Session(), 0).feed(feed(FeedState.DOWN, 1), command("halt", 1))
    assert knock(session, 2) is Refusal.HALTED


@pytest.mark.parametrize(("name", "refusal"), [("pause", Refusal.PAUSED), ("reduce", Refusal.REDUCING)])
def test_the_state_is_said_before_the_feed_the_position_and_the_cooldown(name: str, refusal: Refusal) -> None:
    session = Session().feed(trade(0, says="LONG"), feed(FeedState.DOWN, 1), command(name, 1))
    assert knock(session, 2) is refusal


def test_a_stale_feed_is_said_before_the_position() -> None:
    session = Session().feed(trade(0, says="LONG"), feed(FeedState.DOWN, 1))
    assert knock(session, 2) is Refusal.STALE_FEED


def test_a_position_is_said_before_the_cooldown_and_uses_nothing_of_it_up() -> None:
    """Both at once come of an exit that was filled twice over: it closes with a loss, and opens the other way."""
    broker = RestingBroker()
    session = Session(broker=broker).feed(trade(0, says="LONG"))
    session.feed(execution(broker.messages[0], "1", "100", 0), trade(1, 98))
    session.feed(execution(broker.messages[1], "2", "98", 1))
    assert [knock(session, 2), knock(session, 3)] == [Refusal.POSITION_OPEN] * 2
    session.feed(trade(4, 90), execution(broker.messages[2], "1", "90", 4))
    assert session.trades[-1].pnl > 0
    assert [knock(session, 5), knock(session, 6), knock(session, 7)] == [Refusal.COOLDOWN, Refusal.COOLDOWN, None]


# ----------------------------------------------------------------------------------- commands and states

AFTER = {
    ("ACTIVE", "pause"): "PAUSED",
    ("ACTIVE", "resume"): "ACTIVE",
    ("ACTIVE", "reduce"): "REDUCING",
    ("ACTIVE", "flatten"): "PAUSED",
    ("ACTIVE", "halt"): "HALTED",
    ("PAUSED", "pause"): "PAUSED",
    ("PAUSED", "resume"): "ACTIVE",
    ("PAUSED", "reduce"): "REDUCING",
    ("PAUSED", "flatten"): "PAUSED",
    ("PAUSED", "halt"): "HALTED",
    ("REDUCING", "pause"): "PAUSED",
    ("REDUCING", "resume"): "ACTIVE",
    ("REDUCING", "reduce"): "REDUCING",
    ("REDUCING", "flatten"): "PAUSED",
    ("REDUCING", "halt"): "HALTED",
    ("HALTED", "pause"): "HALTED",
    ("HALTED", "resume"): "ACTIVE",
    ("HALTED", "reduce"): "HALTED",
    ("HALTED", "flatten"): "HALTED",
    ("HALTED", "halt"): "HALTED",
}
INTO = {"ACTIVE": "resume", "PAUSED": "pause", "REDUCING": "reduce", "HALTED": "halt"}


@pytest.mark.parametrize(("state", "name"), AFTER)
def test_a_command_moves_a_state_as_the_table_says(state: str, name: str) -> None:
    session = Session().feed(trade(0), command(INTO[state], 1), command(name, 2))
    assert session.core.risk.state == AFTER[state, name]


@pytest.mark.parametrize(
    ("state", "refusal"),
    [
        ("ACTIVE", None),
        ("PAUSED", Refusal.PAUSED),
        ("REDUCING", Refusal.REDUCING),
        ("HALTED", Refusal.HALTED),
    ],
)
def test_each_state_refuses_entries_in_its_own_name(state: str, refusal: Refusal | None) -> None:
    assert knock(Session().feed(trade(0), command(INTO[state], 1)), 2) is refusal


@pytest.mark.parametrize("name", ["pause", "reduce"])
def test_a_weak_command_keeps_positions_and_their_exits(name: str) -> None:
    session = Session().feed(trade(0, says="LONG"), command(name, 1))
    assert session.exits == []
    assert session.feed(trade(2, 102)).exits == ["TP"]


@pytest.mark.parametrize(("name", "reason"), [("flatten", "FLATTEN"), ("halt", "HALT")])
def test_a_strong_command_closes_every_position_at_once_in_the_order_of_first_sight(name: str, reason: str) -> None:
    session = Session().feed(
        quote(0, 99, 101, symbol="C"),
        trade(0, symbol="B", says="LONG"),
        trade(0, symbol="A", says="SHORT"),
        trade(0, symbol="C", says="LONG"),
        command(name, 1),
    )
    assert [(t.symbol, t.exit_reason, t.exit_ts) for t in session.trades] == [
        ("C", reason, at(1)),
        ("B", reason, at(1)),
        ("A", reason, at(1)),
    ]
    assert session.summary["open_positions"] == 0


@pytest.mark.parametrize("name", ["flatten", "halt"])
def test_a_strong_command_closes_also_what_was_kept_by_a_weak_one(name: str) -> None:
    session = Session().feed(trade(0, says="LONG"), command("pause", 1), command(name, 2))
    assert len(session.trades) == 1


def test_flatten_closes_also_while_halted() -> None:
    """A position may come back after a halt: an execution that was under way."""
    broker = RestingBroker()
    session = Session(broker=broker).feed(trade(0, says="LONG"), command("halt", 1))
    [entry] = broker.of(SubmitOrder)
    session.feed(Execution("late", entry.id, "A", entry.side, entry.quantity, Decimal(100), at(2)))
    session.feed(command("flatten", 3))
    assert session.core.risk.state is TradingState.HALTED
    assert [order.role for order in broker.of(SubmitOrder)] == ["entry", "exit"]


@pytest.mark.parametrize(("name", "cancels"), [("pause", 0), ("resume", 0), ("reduce", 1), ("flatten", 1), ("halt", 1)])
def test_only_commands_stronger_than_pause_cancel_a_working_entry(name: str, cancels: int) -> None:
    broker = RestingBroker()
    Session(broker=broker).feed(trade(0, says="LONG"), command(name, 1))
    [order] = broker.of(SubmitOrder)
    assert [cancel.id for cancel in broker.of(CancelOrder)] == [order.id] * cancels


def test_a_change_of_state_is_a_fact_with_its_reason() -> None:
    session = Session().feed(trade(0), command("pause", 1, source="dashboard"), command("halt", 2, reason="fat finger"))
    session.feed(command("resume", 3))
    assert [(f.state, f.previous, f.reason, f.ts, f.input) for f in session.of(StateChanged)] == [
        ("PAUSED", "ACTIVE", "pause by dashboard", at(1), 3),
        ("HALTED", "PAUSED", "fat finger", at(2), 5),
        ("ACTIVE", "HALTED", "", at(3), 7),
    ]


def test_the_reason_of_a_state_is_known_and_a_refused_command_does_not_change_it() -> None:
    session = Session().feed(trade(0), command("halt", 1, reason="first"), command("pause", 2, reason="second"))
    assert (session.core.risk.state, session.core.risk.state_reason) == ("HALTED", "first")


def test_a_command_that_changes_nothing_states_nothing() -> None:
    assert Session().feed(trade(0), command("resume", 1)).states == []
    assert Session().feed(trade(0), command("pause", 1), command("pause", 2)).states == ["PAUSED"]


def test_a_command_moves_the_time() -> None:
    session = Session(strategy=msgspec.structs.replace(PATIENT, time_stop_seconds=2.0))
    session.feed(trade(0, says="LONG"), command("pause", 5))
    assert [(t.exit_reason, t.exit_ts) for t in session.trades] == [("TIME", at(2))]


def test_a_command_that_is_none_is_a_fault_with_its_name() -> None:
    with pytest.raises(UnknownCommand, match="there is no command 'explode'") as caught:
        Session().feed(command("explode", 0))
    assert caught.value.name == "explode"


def test_a_message_for_somebody_else_is_a_fault() -> None:
    session = Session()
    with pytest.raises(UnknownMessage, match="Risk does not know what to do with a str") as caught:
        session.core.risk.receive("hello")  # type: ignore[arg-type]  # that is the fault
    assert (caught.value.actor, caught.value.message) == (session.core.risk, "hello")


# ------------------------------------------------------------------------------------- the daily loss limit


def test_the_loss_limit_halts_and_refuses() -> None:
    session = halted_by_loss()
    assert session.states == ["HALTED"]
    assert knock(session, 2) is Refusal.HALTED
    assert session.summary["halted"] is True


def test_the_loss_limit_states_its_reason() -> None:
    [fact] = halted_by_loss().of(StateChanged)
    assert (fact.state, fact.previous, fact.reason, fact.ts) == ("HALTED", "ACTIVE", "daily loss limit", at(1))


def test_a_loss_just_above_the_limit_does_not_halt() -> None:
    session = Session(risk=tight()).feed(trade(0, says="LONG"), trade(1, 99.0 + 1e-6))
    assert session.states == []


def test_a_loss_of_exactly_the_limit_halts_with_float_noise_forgiven() -> None:
    session = Session(risk=tight()).feed(trade(0, says="LONG"), trade(1, 99.0 + 5e-10))
    assert session.states == ["HALTED"]


def test_the_limit_is_a_fraction_of_the_day_s_first_equity() -> None:
    """A dollar of a thousand; after a win of ten, a dollar and a cent of a thousand and ten."""
    session = Session(risk=tight()).feed(trade(0, says="LONG"), trade(1, 110))
    assert session.trades[-1].pnl == 10
    session.feed(trade(MIDNIGHT, 100, says="LONG"), trade(MIDNIGHT + 1, 98.995))
    assert session.states == []
    session.feed(trade(MIDNIGHT + 2, 100, says="LONG"), trade(MIDNIGHT + 3, 99.995))
    session.feed(trade(MIDNIGHT + 4, 98.99))
    assert session.states == ["HALTED"]


def test_profit_of_the_day_is_lost_before_the_limit_counts() -> None:
    session = Session(risk=tight()).feed(trade(0, says="LONG"), trade(1, 102), trade(2, 100, says="LONG"))
    assert session.feed(trade(3, 98)).states == []
    assert session.feed(trade(4, 100, says="LONG"), trade(5, 99)).states == ["HALTED"]


def loose() -> StrategySettings:
    """Exits so far away that only the loss limit closes a position."""
    return msgspec.structs.replace(PATIENT, profit_target=10.0, stop_loss=10.0)


def test_open_profit_counts_at_the_last_price() -> None:
    session = Session(strategy=loose(), risk=tight()).feed(trade(0, says="LONG"), trade(1, 99.5))
    assert session.states == []
    assert session.feed(trade(2, 99.0)).exits == ["HALT"]


def test_open_profit_counts_of_all_symbols() -> None:
    session = Session(strategy=loose(), risk=tight()).feed(trade(0, says="LONG"), trade(0, symbol="B", says="SHORT"))
    session.feed(trade(1, 99.5), trade(1, 100.4, symbol="B"))
    assert session.states == []
    assert session.feed(trade(2, 100.5, symbol="B")).exits == ["HALT", "HALT"]


def test_open_profit_of_one_symbol_makes_up_for_the_loss_of_another() -> None:
    session = Session(strategy=loose(), risk=tight()).feed(trade(0, says="LONG"), trade(0, symbol="B", says="LONG"))
    assert session.feed(trade(1, 105), trade(1, 97, symbol="B")).states == []


def test_open_profit_is_without_fees() -> None:
    costs = ExecutionSettings(fee_per_share=0.5)
    session = Session(strategy=loose(), risk=tight(), execution=costs).feed(trade(0, says="LONG"), trade(1, 99.5))
    assert session.states == []


def test_fees_count_once_they_are_paid() -> None:
    costs = ExecutionSettings(fee_per_share=0.5)
    strategy = msgspec.structs.replace(PATIENT, time_stop_seconds=1.0)
    session = Session(strategy=strategy, risk=tight(), execution=costs).feed(trade(0, says="LONG"), clock(1))
    assert (session.exits, session.states) == (["TIME"], ["HALTED"])


def test_the_limit_is_looked_at_after_a_close_by_a_timer() -> None:
    strategy = msgspec.structs.replace(loose(), time_stop_seconds=2.0)
    session = Session(strategy=strategy, risk=tight()).feed(
        trade(0, says="LONG"), quote(1, 98.0, 98.1), trade(1, symbol="B", says="LONG"), clock(2)
    )
    assert [(t.symbol, t.exit_reason, t.exit_ts) for t in session.trades] == [
        ("A", "TIME", at(2)),
        ("B", "HALT", at(2)),
    ]


def test_the_tick_that_opens_a_position_does_not_look_at_the_limit() -> None:
    """Bought at the ask, it is under water at once; it is looked at from the next tick on."""
    session = Session(strategy=loose(), risk=tight()).feed(trade(0, 100, bid=99, ask=102, says="LONG"))
    assert session.states == []
    assert session.feed(trade(1, 100)).exits == ["HALT"]


def test_an_exit_goes_before_the_limit_and_keeps_its_reason() -> None:
    session = Session(risk=tight()).feed(trade(0, says="LONG"), trade(1, 98))
    assert session.exits == ["SL"]
    assert session.states == ["HALTED"]


def test_a_halt_closes_all_other_symbols_in_the_order_of_first_sight() -> None:
    session = Session(risk=tight()).feed(
        quote(0, 99.9, 100.1, symbol="D"),
        trade(0, symbol="C", says="LONG"),
        trade(0, symbol="A", says="LONG"),
        trade(0, symbol="B", says="LONG"),
        trade(0, symbol="D", says="LONG"),
        trade(1, 98, symbol="A"),
    )
    assert [(t.symbol, t.exit_reason) for t in session.trades] == [
        ("A", "SL"),
        ("D", "HALT"),
        ("C", "HALT"),
        ("B", "HALT"),
    ]


def test_the_signal_of_the_tick_whose_close_halted_is_refused_as_halted() -> None:
    session = Session(risk=tight()).feed(trade(0, says="LONG"), trade(1, 98, says="LONG"))
    assert session.verdicts == [None, Refusal.HALTED]


def test_resume_does_not_lift_the_daily_halt() -> None:
    session = halted_by_loss().feed(command("resume", 2))
    assert session.core.risk.state is TradingState.HALTED
    assert session.states == ["HALTED"]


@pytest.mark.parametrize("name", ["pause", "reduce", "flatten"])
def test_no_weaker_command_lifts_the_daily_halt_and_it_takes_effect_the_next_day(name: str) -> None:
    session = halted_by_loss().feed(command(name, 2))
    assert knock(session, 3) is Refusal.HALTED
    session.feed(clock(MIDNIGHT))
    assert session.core.risk.state == AFTER["ACTIVE", name]


def test_a_new_day_lifts_the_daily_halt() -> None:
    session = halted_by_loss()
    assert knock(session, MIDNIGHT - 1) is Refusal.HALTED
    assert knock(session, MIDNIGHT) is None
    fact = session.of(StateChanged)[-1]
    assert (fact.state, fact.previous, fact.reason) == ("ACTIVE", "HALTED", "a new trading day")


def test_the_daily_halt_can_come_again_the_next_day() -> None:
    session = halted_by_loss().feed(trade(MIDNIGHT, says="LONG"), trade(MIDNIGHT + 1, 98))
    assert session.states == ["HALTED", "ACTIVE", "HALTED"]


def test_a_new_day_does_not_lift_a_halt_by_hand() -> None:
    session = Session().feed(trade(0), command("halt", 1), clock(MIDNIGHT))
    assert session.core.risk.state is TradingState.HALTED
    assert knock(session, MIDNIGHT + 1) is Refusal.HALTED


def test_a_halt_by_hand_outlives_the_daily_halt_that_it_fell_into() -> None:
    session = halted_by_loss().feed(command("halt", 2), clock(MIDNIGHT))
    assert session.core.risk.state is TradingState.HALTED
    assert session.feed(command("resume", MIDNIGHT + 1)).core.risk.state is TradingState.ACTIVE


def test_resume_lifts_the_halt_by_hand_and_leaves_the_daily_one() -> None:
    session = halted_by_loss().feed(command("halt", 2), command("resume", 3))
    assert session.core.risk.state is TradingState.HALTED
    assert session.feed(clock(MIDNIGHT)).core.risk.state is TradingState.ACTIVE


def test_the_daily_halt_is_the_reason_shown_while_it_is_on() -> None:
    session = halted_by_loss().feed(command("pause", 2, reason="lunch"))
    assert session.core.risk.state_reason == "daily loss limit"
    assert session.feed(clock(MIDNIGHT)).core.risk.state_reason == "lunch"


def test_why_the_bot_is_halted_is_no_matter_of_words() -> None:
    session = halted_by_loss().feed(command("halt", 2, reason="the account and the book differ"))
    assert session.core.risk.halt_cause is HaltCause.LOSS_LIMIT
    assert session.feed(clock(MIDNIGHT)).core.risk.halt_cause is HaltCause.COMMAND
    assert session.core.book().halt_cause is HaltCause.COMMAND
    assert session.feed(command("resume", MIDNIGHT + 1)).core.risk.halt_cause is None


TICKS = st.tuples(
    st.sampled_from(["A", "B"]), st.sampled_from([98.0, 99.5, 100.0, 102.0]), st.sampled_from(["", "LONG", "SHORT"])
)


@given(steps=st.lists(st.one_of(TICKS, st.sampled_from(COMMANDS), st.just("next day")), max_size=40))
def test_nothing_is_entered_unless_active_and_only_a_new_day_ends_the_daily_halt(
    steps: list[str | tuple[str, float, str]],
) -> None:
    session = Session(risk=tight())
    now = 0.0
    for step in steps:
        risk, told = session.core.risk.snapshot(), len(session.facts)
        state = session.core.risk.state
        now += 1
        if step == "next day":
            now += 24 * HOUR
            session.feed(clock(now))
        elif isinstance(step, str):
            session.feed(command(step, now))
        else:
            symbol, price, says = step
            session.feed(trade(now, price, symbol=symbol, says=says))
        for fact in session.facts[told:]:
            if isinstance(fact, StateChanged):
                state = fact.state
            elif isinstance(fact, OrderSubmitted) and fact.order.role == OrderRole.ENTRY:
                assert state is TradingState.ACTIVE
        assert state is session.core.risk.state
        if risk.daily_halt and step != "next day":
            assert session.core.risk.snapshot().daily_halt


# --------------------------------------------------------------------------------------------------- days


def days(session: Session) -> list[tuple[str, int]]:
    return [(fact.date, fact.ts) for fact in session.of(DayStarted)]


def test_the_first_time_seen_begins_the_first_day() -> None:
    assert days(Session().feed(clock(0))) == [("2026-01-05", at(0))]


@pytest.mark.parametrize("event", [trade(0), quote(0, 1, 2), clock(0), feed(FeedState.LIVE, 0), command("pause", 0)])
def test_any_input_with_a_time_may_begin_the_first_day(event: object) -> None:
    assert days(Session().feed(event)) == [("2026-01-05", at(0))]  # type: ignore[arg-type]  # any of the inputs


def test_a_day_begins_at_midnight_where_the_settings_say() -> None:
    session = Session().feed(trade(0), clock(MIDNIGHT - 0.001))
    assert len(days(session)) == 1
    session.feed(clock(MIDNIGHT))
    assert days(session)[1] == ("2026-01-06", at(MIDNIGHT))


@pytest.mark.parametrize(("zone", "hours"), [("UTC", 9.5), ("Asia/Tokyo", 0.5), ("America/Los_Angeles", 17.5)])
def test_midnight_is_that_of_the_timezone(zone: str, hours: float) -> None:
    session = Session(risk=RiskSettings(timezone=zone)).feed(trade(0), clock((hours + 23) * HOUR))
    assert days(session)[1][1] == at(hours * HOUR)


def test_a_day_begins_at_its_midnight_also_when_the_next_event_comes_later() -> None:
    """On the way to the event, a timer that is due after midnight finds the new day begun."""
    session = Session(strategy=msgspec.structs.replace(PATIENT, time_stop_seconds=20.0), risk=tight())
    session.feed(trade(MIDNIGHT - 10, says="LONG"), quote(MIDNIGHT - 9, 98.9, 99), clock(MIDNIGHT + HOUR))
    assert [type(fact) for fact in session.facts if isinstance(fact, DayStarted | StateChanged)] == [
        DayStarted,
        DayStarted,
        StateChanged,
    ]
    assert session.trades[0].exit_ts == at(MIDNIGHT + 10)
    assert days(session)[1] == ("2026-01-06", at(MIDNIGHT))


def test_a_time_stop_due_before_midnight_belongs_to_the_old_day() -> None:
    session = Session(strategy=msgspec.structs.replace(PATIENT, time_stop_seconds=5.0), risk=tight())
    session.feed(trade(MIDNIGHT - 10, says="LONG"), quote(MIDNIGHT - 9, 98.9, 99), clock(MIDNIGHT + HOUR))
    assert session.states == ["HALTED", "ACTIVE"]
    assert session.core.risk.day_start_equity == Decimal("998.9")


def test_a_time_stop_due_at_midnight_belongs_to_the_new_day() -> None:
    session = Session(strategy=msgspec.structs.replace(PATIENT, time_stop_seconds=10.0), risk=tight())
    session.feed(trade(MIDNIGHT - 10, says="LONG"), quote(MIDNIGHT - 9, 98.9, 99), clock(MIDNIGHT))
    assert session.states == ["HALTED"]
    assert session.core.risk.day_start_equity == 1000


def test_of_the_days_passed_over_only_the_last_begins_and_at_its_midnight() -> None:
    """No timer and no event enters the others, so nothing can tell whether they began."""
    session = Session().feed(trade(0), clock(MIDNIGHT + 48 * HOUR + 1))
    assert days(session) == [("2026-01-05", at(0)), ("2026-01-08", at(MIDNIGHT + 48 * HOUR))]


def test_a_day_that_a_timer_enters_begins_also_when_the_next_event_comes_days_later() -> None:
    strategy = msgspec.structs.replace(PATIENT, time_stop_seconds=20.0)
    session = Session(strategy=strategy, risk=tight()).feed(trade(MIDNIGHT - 10, says="LONG"))
    session.feed(quote(MIDNIGHT - 9, 98.9, 99), clock(MIDNIGHT + 96 * HOUR))
    assert session.trades[0].exit_ts == at(MIDNIGHT + 10)
    assert [date for date, _ in days(session)] == ["2026-01-05", "2026-01-06", "2026-01-10"]
    assert session.states == ["HALTED", "ACTIVE"]  # of the day before, which ends at the last of these midnights
    assert days(session)[-1][1] == session.of(StateChanged)[-1].ts


def test_a_timer_that_was_cancelled_enters_no_day() -> None:
    strategy = msgspec.structs.replace(PATIENT, time_stop_seconds=24 * HOUR, profit_target=0.5)
    session = Session(strategy=strategy).feed(trade(0, says="LONG"), trade(1, 200), clock(MIDNIGHT + 96 * HOUR))
    assert session.trades[0].exit_reason == "TP"
    assert [date for date, _ in days(session)] == ["2026-01-05", "2026-01-10"]


@pytest.mark.parametrize("ts", [10**30, 253_402_200_000 * 10**9])
def test_a_time_at_the_end_of_the_calendar_begins_no_day_after_another(ts: int) -> None:
    session = Session().feed(trade(0), Clock(ts), Clock(ts + 1), trade(1), Clock(2 * ts))
    assert [date for date, _ in days(session)] == ["2026-01-05", "9999-12-30"]


@pytest.mark.parametrize(
    ("noon_utc", "hours"),
    [(1_772_884_800, 23), (1_793_448_000, 25)],  # 2026-03-07 and 2026-10-31: the clocks change the night after
)
def test_a_day_is_as_long_as_the_timezone_makes_it(noon_utc: int, hours: int) -> None:
    start = noon_utc - at(0) / 1e9
    session = Session().feed(clock(start), clock(start + 24 * HOUR), clock(start + 48 * HOUR))
    first, second = (ts for _, ts in days(session)[1:3])
    assert second - first == round(hours * HOUR) * 1_000_000_000


def test_a_new_day_counts_losses_from_its_first_equity() -> None:
    session = lose(Session(), 0).feed(clock(MIDNIGHT))
    fact = session.of(DayStarted)[-1]
    assert fact.equity == Decimal("9999")
    assert session.core.risk.day_start_equity == Decimal("9999")
    assert (session.summary["daily_pnl"], session.summary["total_pnl"]) == (0.0, -1.0)


def test_a_losing_run_goes_on_over_midnight() -> None:
    session = lose(Session(risk=RiskSettings(cooldown_trades_after_loss=0)), 0)
    assert lose(session, MIDNIGHT + 1).summary["consecutive_losses"] == 2


def test_beyond_the_calendar_no_day_begins_and_nothing_breaks() -> None:
    session = Session().feed(clock(1e13), clock(1e13 + 86_400))
    assert days(session) == []


# ------------------------------------------------------------------------------------------------ settings


def test_a_timezone_that_is_none_is_refused_with_an_example() -> None:
    with pytest.raises(ValueError, match="timezone 'Mars/Olympus' is not known: use a name like America/New_York"):
        RiskSettings(timezone="Mars/Olympus")


@pytest.mark.parametrize(
    "values",
    [
        {"max_open_positions": 2},
        {"daily_loss_limit": 0},
        {"daily_loss_limit": 0.05},
        {"daily_loss_limit": -1.5},
        {"cooldown_trades_after_loss": -1},
        {"position_size": 0},
        {"starting_equity": 0},
        {"fallback_stop": 0},
        {"fallback_stop": 1},
        {"fallback_hold_s": 0},
        {"surprise": 1},
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(values, RiskSettings)


def test_the_defaults_are_those_of_the_strategy() -> None:
    assert msgspec.to_builtins(RiskSettings()) == {
        "max_open_positions": 1,
        "daily_loss_limit": -0.05,
        "cooldown_trades_after_loss": 2,
        "position_size": 1.0,
        "starting_equity": 10_000.0,
        "timezone": "America/New_York",
        "cost_guard": "warn",
        "fallback_stop": 0.005,
        "fallback_hold_s": 600.0,
        "size": "shares",
        "size_amount": None,
        "drawdown_limit": None,
        "symbol_loss_limit": None,
    }


def test_a_halt_by_hand_closes_with_the_reason_halt() -> None:
    session = Session().feed(trade(0, says="SHORT"), command("halt", 1))
    assert [t.exit_reason for t in session.trades] == [ExitReason.HALT]
    core = Core(CoreSettings(), momentum_burst(StrategySettings()))
    core.run([command("halt", 0)])
    assert core.summary()["halted"] is True
