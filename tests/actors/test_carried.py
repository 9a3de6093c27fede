"""What a signal may carry: a quantity, a limit, a time to live and exits of its own; and what becomes of each."""

from __future__ import annotations

from decimal import Decimal
from math import inf, nan
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.book import Book
from actors.brokers.simulated import ExecutionSettings
from actors.messages import (
    ChainFailed,
    Fact,
    GuardChanged,
    OrderChanged,
    OrderFilled,
    OrderSubmitted,
    Refusal,
    RemoveChain,
    SignalRaised,
)
from actors.orders import OrderReport, OrderRole, OrderSide, OrderStatus, SubmitOrder
from actors.risk.limits import LimitSettings
from actors.risk.risk import RiskSettings
from microbot import op
from pipeline.events import Side, Signal, Trade
from pipeline.exits import ExitSignal
from pipeline.operators.lift import Step
from tests.support.desk import D, Desk, S, account
from tests.support.market import at, clock, quote, trade
from tests.support.raising import raised_in
from tests.support.sessions import ONE_CHANCE, Session, encoded

TEN = RiskSettings(position_size=10, cooldown_trades_after_loss=0)
LOSS = op.stop_loss(0.001)


def carrying(**carried: Any) -> Any:
    """Entries that signal at each tick whose id is LONG or SHORT, with what is to be carried."""

    def make(emit: Any, scheduler: Any) -> Step:
        def on_next(tick: Trade) -> None:
            if tick.id in ("LONG", "SHORT"):
                emit(Signal(tick.symbol, tick.ts, Side(str(tick.id)), tick.price, **carried))  # the author's line

        return Step(on_next)

    return op.lift(make)


def session(execution: ExecutionSettings | None = None, **carried: Any) -> Session:
    return Session(entries=carrying(**carried), risk=TEN, execution=execution or ExecutionSettings(), chains=ONE_CHANCE)


def desk(**carried: Any) -> Desk:
    """A desk whose strategy's signals carry something."""
    return Desk(entries=carrying(**carried))


def fills(of: Session) -> list[tuple[int, Decimal, Decimal]]:
    return [(f.execution.ts, f.execution.quantity, f.execution.price) for f in of.of(OrderFilled)]


def statuses(of: Session) -> list[tuple[int, OrderStatus, str]]:
    return [(fact.ts, fact.status, fact.reason) for fact in of.of(OrderChanged)]


# ----------------------------------------------------------------------------------------------- at the boundary


def test_what_is_not_carried_is_not_written() -> None:
    shown = b'"momentum":0.0,"volume_ratio":0.0,"range":0.0,"readings":[]'
    plain = b'{"type":"signal","symbol":"A","ts":1,"side":"LONG","price":2.0,' + shown + b"}"
    short = Signal("A", 1, Side.LONG, 2.0, quantity=None, limit=None, good_for=None, exits=None)
    assert short == Signal("A", 1, Side.LONG, 2.0)
    assert msgspec.json.encode(short) == plain
    order = SubmitOrder("x", "A", OrderSide.BUY, D(1), "1", OrderRole.ENTRY)
    assert b"until" not in msgspec.json.encode(order)


def test_what_is_carried_is_written_and_read_again() -> None:
    heard = session(quantity=3, limit=101, good_for=2.5, exits=[LOSS, op.time_stop(30)]).feed(trade(0, says="LONG"))
    [fact] = heard.of(SignalRaised)
    written = msgspec.json.encode(fact)
    assert b'"quantity":3.0,"limit":101.0,"good_for":2.5,"exits":["stop_loss(0.001)","time_stop(30)"]' in written
    again = msgspec.json.decode(written, type=Fact)
    assert isinstance(again, SignalRaised)
    assert (again.signal.quantity, again.signal.limit, again.signal.good_for) == (3.0, 101.0, 2.5)
    assert msgspec.json.encode(again) == written


WRONG: dict[str, Any] = {
    "no quantity": {"quantity": 0},
    "a quantity below 0": {"quantity": -1},
    "an endless quantity": {"quantity": inf},
    "a quantity as text": {"quantity": "1"},
    "a limit of 0": {"limit": 0.0},
    "a limit that is none": {"limit": nan},
    "no time": {"good_for": 0},
    "more than a day": {"good_for": 86_401},
    "an exit alone": {"exits": LOSS},
    "no exits": {"exits": []},
    "exits that are none": {"exits": ["SL"]},
    "exits as text": {"exits": "SL"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_cannot_be_carried_fails_the_chain_by_its_own_line_and_orders_nothing(wrong: Any) -> None:
    heard = session(**wrong).feed(trade(0, says="LONG"))
    [failed] = heard.of(ChainFailed)
    assert failed.error.startswith("WrongValue: a signal")
    assert failed.error.endswith(f"({raised_in(__file__, '# the author')})")
    assert (heard.of(SignalRaised), heard.of(OrderSubmitted)) == ([], [])


# ----------------------------------------------------------------------------------------------- quantity


def test_a_signal_s_quantity_is_what_is_ordered() -> None:
    heard = session(quantity=2.5).feed(trade(0, says="LONG"))
    assert [fact.order.quantity for fact in heard.of(OrderSubmitted)] == [D("2.5")]
    assert heard.core.positions.open["A"].quantity == D("2.5")


@given(st.floats(0.01, 50), st.sampled_from([None, 4.0]), st.sampled_from([None, 500.0]))
def test_a_quantity_is_traded_as_it_is_or_refused_and_never_beyond_a_limit(
    quantity: float, most: float | None, money: float | None
) -> None:
    limits = LimitSettings(max_quantity=most, max_notional=money)
    heard = Session(entries=carrying(quantity=quantity), risk=TEN, limits=limits).feed(trade(0, 100, says="LONG"))
    [reason] = heard.verdicts
    if quantity > min(10, most or 10) + 1e-9:
        assert reason is Refusal.MAX_QUANTITY
    elif money is not None and quantity * 100 > money + 1e-9:
        assert reason is Refusal.MAX_NOTIONAL
    else:
        assert reason is None
    assert [float(fact.order.quantity) for fact in heard.of(OrderSubmitted)] == ([] if reason else [quantity])


def test_a_broker_whose_stop_cannot_guard_a_part_of_a_share_gets_none() -> None:
    at_desk = desk(quantity=2.5)
    at_desk.session.feed(trade(1, 100, says="LONG"))
    assert (at_desk.session.verdicts, at_desk.orders) == ([Refusal.FRACTIONAL], [])


# ----------------------------------------------------------------------------------------------- limit


@pytest.mark.parametrize("limit", [0.999, 49.9, 200.1, 10_010.0])
def test_a_limit_that_is_no_price_near_the_last_one_fails_and_orders_nothing(limit: float) -> None:
    heard = session(limit=limit).feed(trade(0, 100, says="LONG"))
    [failed] = heard.of(ChainFailed)
    assert f"a signal's limit is {limit:g}, and the last price 100: a limit is a price" in failed.error
    assert heard.of(OrderSubmitted) == []


@pytest.mark.parametrize("limit", [50.0, 200.0])
def test_a_limit_may_be_far_from_the_last_price(limit: float) -> None:
    assert session(limit=limit).feed(trade(0, 100, says="LONG")).of(ChainFailed) == []


LATE = ExecutionSettings(latency_ms=500)
THIN = ExecutionSettings(liquidity="displayed", participation=0.1, patience_s=3)


@pytest.mark.parametrize(("side", "limit", "price"), [("LONG", 100.2, "100.1"), ("SHORT", 99.8, "99.9")])
def test_a_limit_that_the_quote_meets_fills_at_the_quote(side: str, limit: float, price: str) -> None:
    heard = session(limit=limit).feed(trade(0, 100, bid=99.9, ask=100.1, says=side))
    assert fills(heard) == [(at(0), D(10), D(price))]


def test_slippage_takes_a_fill_no_further_than_its_limit() -> None:
    heard = session(ExecutionSettings(slippage_bps=50), limit=100.2).feed(trade(0, bid=99.9, ask=100.1, says="LONG"))
    assert fills(heard) == [(at(0), D(10), D("100.2"))]


@pytest.mark.parametrize(
    ("side", "limit", "worse", "met"),
    [("LONG", 99.5, (99.45, 99.55), (99.3, 99.4)), ("SHORT", 100.5, (100.45, 100.55), (100.6, 100.7))],
)
def test_an_entry_waits_until_its_limit_can_be_had(side: str, limit: float, worse: Any, met: Any) -> None:
    heard = session(limit=limit).feed(trade(0, 100, bid=99.9, ask=100.1, says=side))
    heard.feed(trade(1, sum(worse) / 2, bid=worse[0], ask=worse[1]))
    assert fills(heard) == []
    heard.feed(trade(2, sum(met) / 2, bid=met[0], ask=met[1]))
    assert fills(heard) == [(at(2), D(10), D(str(met[1] if side == "LONG" else met[0])))]
    assert heard.core.orders_over_by == 0


def test_an_entry_whose_limit_is_not_met_is_canceled_when_patience_is_over() -> None:
    heard = session(limit=99.0).feed(trade(0, says="LONG"), trade(2.9), clock(3))
    assert statuses(heard)[-1] == (at(3), OrderStatus.CANCELED, "not filled in time")
    heard.feed(trade(4, 98.0))
    assert fills(heard) == []
    assert not heard.core.symbol_view("A").heeded


def test_the_price_in_force_when_an_order_arrives_is_held_against_its_limit() -> None:
    heard = session(LATE, limit=100.1).feed(trade(0, bid=99.9, ask=100.1, says="LONG"), quote(0.2, 100.2, 100.4))
    heard.feed(clock(1))
    assert fills(heard) == []
    heard.feed(trade(1.5, 100.0, bid=99.8, ask=100.0))
    assert fills(heard) == [(at(1.5), D(10), D("100.0"))]


def test_only_what_others_trade_within_the_limit_fills_an_entry() -> None:
    heard = session(THIN, limit=100.0).feed(trade(0, 100, 100, says="LONG"))
    heard.feed(trade(1, 100.5, 1000), trade(2, 100.0, 40))
    assert fills(heard) == [(at(2), D(4), D("100.0"))]


@given(
    st.sampled_from(["LONG", "SHORT"]),
    st.floats(99.0, 101.0).map(lambda price: round(price, 2)),
    st.lists(st.tuples(st.integers(9_900, 10_100), st.integers(0, 20)), min_size=1, max_size=30),
    st.sampled_from([ExecutionSettings(slippage_bps=5), LATE, THIN, ExecutionSettings(fill="last")]),
)
def test_no_entry_ever_fills_at_a_price_that_is_worse_than_its_limit(
    side: str, limit: float, path: list[tuple[int, int]], execution: ExecutionSettings
) -> None:
    heard = session(execution, limit=limit).feed(trade(0, 100, bid=99.99, ask=100.01, says=side))
    for n, (cents, spread) in enumerate(path):
        price = cents / 100
        heard.feed(trade(0.25 * (n + 1), price, 50, bid=price - spread / 100, ask=price + spread / 100))
    sign = 1 if side == "LONG" else -1
    entries = [f.execution for f in heard.of(OrderFilled) if ".entry." in f.execution.order]
    assert all(sign * (execution.price - Decimal(str(limit))) <= 0 for execution in entries)


@pytest.mark.parametrize(
    ("side", "limit", "sent"),
    [
        ("LONG", 100.05, "100.05"),  # nearer than the 10 points beyond the quote
        ("LONG", 99.507, "99.50"),  # on the grid, and never worse
        ("LONG", 105.0, "100.12"),  # further: what an entry may cost at most holds as well
        ("SHORT", 99.95, "99.95"),
        ("SHORT", 100.503, "100.51"),
        ("SHORT", 95.0, "99.89"),
    ],
)
def test_at_a_venue_the_nearer_of_both_limits_is_sent(side: str, limit: float, sent: str) -> None:
    at_desk = desk(limit=limit)
    at_desk.session.feed(trade(1, 100, says=side))
    assert (at_desk.last.role, at_desk.last.limit) == ("entry", D(sent))


# ----------------------------------------------------------------------------------------------- a time to live


def test_in_the_simulation_an_entry_is_good_for_as_long_as_its_signal_says() -> None:
    short = session(limit=99.0, good_for=1.5).feed(trade(0, says="LONG"), trade(1.4), clock(1.5))
    assert statuses(short)[-1][:2] == (at(1.5), OrderStatus.CANCELED)
    patient = session(limit=99.0, good_for=60).feed(trade(0, says="LONG"), trade(59, 98.9))
    assert fills(patient) == [(at(59), D(10), D("98.9"))]
    assert patient.core.orders_over_by == 0


def test_what_others_do_not_trade_in_that_time_is_canceled() -> None:
    heard = session(THIN, good_for=10).feed(trade(0, says="LONG"), trade(9, 100, 20), trade(11, 100, 1000))
    assert fills(heard) == [(at(9), D(2), D("100.0"))]
    assert (at(10), OrderStatus.CANCELED, "not filled in time") in statuses(heard)


def test_an_order_that_would_arrive_too_late_does_not_fill() -> None:
    heard = session(LATE, good_for=0.4).feed(trade(0, says="LONG"), clock(0.4))
    assert statuses(heard)[-1][:2] == (at(0.4), OrderStatus.CANCELED)
    assert fills(heard.feed(clock(5))) == []


def test_a_signal_that_is_too_old_when_it_is_heard_of_is_refused() -> None:
    def late(seconds: float) -> Session:
        heard = session(good_for=2)
        return heard.feed(trade(0), trade(seconds, symbol="B"), trade(0.5, says="LONG"))

    assert late(2.4).verdicts == [None]
    assert late(2.5).verdicts == [Refusal.EXPIRED]


@pytest.mark.parametrize("good_for", [1.0, 20.0])
def test_at_a_venue_an_entry_is_taken_back_when_it_is_good_no_more(good_for: float) -> None:
    at_desk = desk(limit=99.0, good_for=good_for)
    at_desk.session.feed(trade(1, 100, says="LONG"))
    assert at_desk.last.until == at(1 + good_for)
    at_desk.say(1, S.ACCEPTED).pass_time(1 + good_for - 0.01)
    assert at_desk.canceled == []
    at_desk.pass_time(1 + good_for)
    assert at_desk.canceled == [at_desk.last.id]


def test_what_filled_first_is_not_held_for_long_without_a_stop() -> None:
    """No stop rests while the entry works: what is left of it is taken back as soon as that of any other entry."""
    at_desk = desk(limit=99.0, good_for=600)
    at_desk.session.feed(trade(1, 100, says="LONG"))
    at_desk.say(1, S.ACCEPTED).pass_time(100).say(100, S.PARTIALLY_FILLED, "4", "99")
    at_desk.pass_time(101).say(101, S.PARTIALLY_FILLED, "5", "99").pass_time(102.9)
    assert at_desk.canceled == []
    assert at_desk.pass_time(103).canceled == [at_desk.last.id]
    at_desk.say(103, S.CANCELED, "5", "99")
    assert (at_desk.last.role, at_desk.last.quantity) == ("stop", D(5))


def test_an_entry_that_rested_when_the_bot_was_restarted_is_taken_back() -> None:
    """Nobody knows the exits of its signal any more."""
    before = desk(limit=99.0, good_for=600)
    before.session.feed(trade(1, 100, says="LONG"))
    book = before.say(1, S.ACCEPTED).session.core.book()
    again = msgspec.json.decode(msgspec.json.encode(book), type=Book)
    after = Desk(opened=False)
    after.session.feed(again)
    entry = before.last
    resting = OrderReport(entry.id, "A", entry.side, S.ACCEPTED, entry.quantity, D(0), None, at(2), "v")
    after.session.feed(account(2, orders=(resting,)), resting)
    assert after.pass_time(3.9).canceled == []
    assert after.pass_time(4).canceled == [entry.id]


# ----------------------------------------------------------------------------------------------- exits


def test_a_signal_s_exits_are_those_of_the_position_that_it_opens() -> None:
    heard = session(exits=[op.trailing_stop(0.002)]).feed(trade(0, 100, says="LONG"), trade(1, 100.5), trade(2, 100.2))
    assert heard.exits == ["TRAIL"]
    plain = session().feed(trade(0, 100, says="LONG"), trade(1, 100.5), trade(2, 100.2))
    assert plain.exits == []


def test_exits_may_be_a_function() -> None:
    def at_once(held: Any, market: Any) -> Any:
        assert (held.symbol, held.entry_price) == ("A", 100.0)
        return market.ticks.pipe(op.lift(lambda emit, _: Step(lambda tick: emit(ExitSignal("A", "BORED")))))

    heard = session(exits=at_once).feed(trade(0, 100, says="LONG"), trade(1, 100))
    assert heard.exits == ["BORED"]
    assert heard.of(SignalRaised)[0].signal.exits == ("at_once",)


def test_the_next_position_has_the_exits_of_its_own_signal() -> None:
    """Those of one signal end with its position, and a signal that is refused gives its exits to nobody."""
    wished = iter([[op.stop_loss(0.002)], None, [op.stop_loss(0.0001)], None])

    def make(emit: Any, scheduler: Any) -> Step:
        def on_next(tick: Trade) -> None:
            if tick.id:
                emit(Signal(tick.symbol, 0, Side.LONG, 0.0, exits=next(wished)))

        return Step(on_next)

    heard = Session(entries=op.lift(make), risk=TEN).feed(trade(0, 100, says="LONG"), trade(1, 99.7))
    assert heard.exits == ["SL"]
    heard.feed(trade(2, 100, says="LONG"), trade(3, 100, says="LONG"), trade(4, 99.7))
    assert heard.verdicts == [None, None, Refusal.POSITION_OPEN]
    assert heard.exits == ["SL"]


def test_an_exit_that_raises_is_told_by_its_line_and_the_fallback_is_beneath() -> None:
    def broken(held: Any, market: Any) -> Any:
        raise ValueError("no idea")  # the broken line

    heard = session(exits=broken).feed(trade(0, 100, says="LONG"))
    assert [fact.error for fact in heard.of(ChainFailed)] == [
        f"ValueError: no idea ({raised_in(__file__, '# the broken line')})"
    ]
    assert "the default exits" in heard.of(GuardChanged)[0].guard
    never = session(exits=[op.time_stop(5000)]).feed(trade(0, 100, says="LONG"), clock(599), clock(2001))
    assert never.exits == ["FALLBACK"]


def test_exits_that_return_nothing_are_told_by_their_function() -> None:
    def nothing(held: Any, market: Any) -> Any:  # which says nothing
        return None

    [failed] = session(exits=nothing).feed(trade(0, 100, says="LONG")).of(ChainFailed)
    assert failed.error.endswith(f"(in the strategy made at {raised_in(__file__, '# which says nothing')})")


def test_what_an_older_signal_opens_after_all_does_not_get_the_exits_of_a_newer_one() -> None:
    wished = iter([None, [op.stop_loss(0.0001)]])

    def make(emit: Any, scheduler: Any) -> Step:
        def on_next(tick: Trade) -> None:
            if tick.id:
                emit(Signal(tick.symbol, 0, Side.LONG, 0.0, exits=next(wished)))

        return Step(on_next)

    at_desk = Desk(entries=op.lift(make))
    at_desk.session.feed(trade(1, 100, says="LONG"))
    old = at_desk.last
    at_desk.say(2, S.CANCELED).session.feed(trade(3, 100, says="LONG"))
    assert at_desk.legs == ["entry", "entry"]
    at_desk.session.feed(OrderReport(old.id, "A", old.side, S.FILLED, D(10), D(10), D(100), at(3), "v"))
    assert at_desk.held == {"A": D(10)}
    at_desk.tick(4, 99.9)
    assert "A" not in at_desk.session.core.executor.exits.intents


def test_a_strategy_that_is_removed_takes_the_exits_of_its_signals_along() -> None:
    heard = session(exits=[op.trailing_stop(0.002)]).feed(trade(0, 100, says="LONG"), RemoveChain("A", at(0)))
    heard.feed(trade(1, 99.5))
    assert heard.exits == []
    assert heard.feed(trade(2, 98.9)).exits == ["SL"]


def test_a_position_that_grows_keeps_its_exits() -> None:
    heard = session(THIN, exits=[op.stop_loss(0.002)]).feed(trade(0, says="LONG"), trade(1, 100, 20), trade(2, 100, 50))
    assert len(fills(heard)) == 2
    heard.feed(trade(2.5, 99.7, 200), trade(6, 99.7, 200), trade(7, 99.7, 200))
    assert heard.exits == ["SL"]


def test_after_a_restart_a_position_has_the_exits_of_its_strategy() -> None:
    before = session(exits=[op.stop_loss(0.0001)]).feed(trade(0, 100, says="LONG"))
    book = before.core.book()
    after = session(exits=[op.stop_loss(0.0001)]).feed(book, trade(1, 99.9))
    assert (after.exits, list(after.core.positions.open)) == ([], ["A"])
    assert after.feed(trade(2, 98.9)).exits == ["SL"]


# ----------------------------------------------------------------------------------------------- the same again


@given(st.lists(st.tuples(st.integers(9_950, 10_050), st.sampled_from(["LONG", "SHORT", None])), max_size=40))
def test_the_same_inputs_are_decided_the_same_byte_for_byte(path: list[tuple[int, str | None]]) -> None:
    tape = [trade(n / 2, cents / 100, says=says) for n, (cents, says) in enumerate(path)]

    def decided() -> list[bytes]:
        heard = session(THIN, quantity=7, limit=100.1, good_for=4, exits=[op.trailing_stop(0.001), op.time_stop(3)])
        return encoded(heard.feed(*tape).facts)

    assert decided() == decided()
