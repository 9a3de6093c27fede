"""Limits of the whole account: each refuses by name, with its numbers, closes what it says it closes, and is kept."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from actors.book import Book
from actors.execution.policy import OrderSettings
from actors.messages import (
    Command,
    Fact,
    HaltCause,
    OrderSubmitted,
    PositionOpened,
    Refusal,
    SignalRaised,
    StateChanged,
    SymbolHalted,
)
from actors.orders import AccountReport, OrderRejected, OrderRole
from actors.risk.limits import LimitSettings
from actors.risk.risk import RiskSettings
from pipeline.events import Trade
from tests.support.market import at, quote, trade
from tests.support.sessions import RestingBroker, Session

MIDNIGHT = 14.5 * 3600  # from START, 09:30, to the end of the day in New York
FREE: dict[str, Any] = {"cooldown_trades_after_loss": 0, "daily_loss_limit": -0.9, "fallback_stop": 0.9}
CALM = RiskSettings(**FREE)


def risk(**values: Any) -> RiskSettings:
    return RiskSettings(**FREE | values)


def buy(seconds: float, symbol: str = "A", price: float = 100.0) -> Trade:
    return trade(seconds, price, symbol=symbol, says="LONG")


def sell_short(seconds: float, symbol: str, price: float = 100.0) -> Trade:
    return trade(seconds, price, symbol=symbol, says="SHORT")


def lose(seconds: float, symbol: str = "A") -> tuple[Trade, Trade]:
    """Enter, and lose 2 % by the stop loss."""
    return buy(seconds, symbol), trade(seconds + 1, 98.0, symbol=symbol)


def win(seconds: float, symbol: str = "A") -> tuple[Trade, Trade]:
    return buy(seconds, symbol), trade(seconds + 1, 102.0, symbol=symbol)


def whys(session: Session) -> list[str]:
    return [fact.why for fact in session.of(SignalRaised) if isinstance(fact.why, str)]


def again(session: Session, settings: RiskSettings = CALM, limits: LimitSettings | None = None) -> Session:
    """Begin the next session with the book of one, as it is written down."""
    book = msgspec.json.decode(msgspec.json.encode(session.core.book()), type=Book)
    return Session(risk=settings, limits=limits or LimitSettings(), book="paper-2").feed(book)


# ------------------------------------------------------------------------------------------------- what is open


def test_positions_of_all_symbols_are_counted() -> None:
    session = Session(risk=CALM, limits=LimitSettings(max_positions=2))
    session.feed(buy(0, "A"), sell_short(1, "B"), buy(2, "C"), trade(3, 102.0, symbol="A"), buy(4, "C"))
    assert session.verdicts == [None, None, Refusal.MAX_POSITIONS, None]
    assert whys(session) == ["2 positions are open or being entered, limits.max_positions is 2"]


def test_an_entry_that_is_not_filled_yet_counts_until_it_is_over() -> None:
    broker = RestingBroker()
    session = Session(risk=CALM, limits=LimitSettings(max_positions=1), broker=broker).feed(buy(0, "A"), buy(1, "B"))
    session.feed(OrderRejected(broker.messages[0].id, "A", at(2), "no"), buy(3, "B"))
    assert session.verdicts == [None, Refusal.MAX_POSITIONS, None]


def test_two_signals_of_one_input_are_counted_together() -> None:
    session = Session(risk=CALM, limits=LimitSettings(max_positions=1)).feed(trade(0, symbol="B"))
    [first] = Session().feed(buy(0, "A")).of(SignalRaised)
    for symbol in ("A", "B"):
        session.core.tell(session.core.risk, msgspec.structs.replace(first.signal, symbol=symbol))
    session.feed(trade(1, symbol="A"))
    assert session.verdicts == [None, Refusal.MAX_POSITIONS]


@pytest.mark.parametrize(
    ("most", "expected"),
    [(300.0, [None, None, None]), (299.99, [None, None, Refusal.MAX_EXPOSURE])],
)
def test_money_at_stake_is_added_up_long_and_short(most: float, expected: list[Refusal | None]) -> None:
    session = Session(risk=CALM, limits=LimitSettings(max_exposure=most))
    session.feed(buy(0, "A"), sell_short(1, "B"), buy(2, "C"))
    assert session.verdicts == expected


def test_money_at_stake_is_at_the_last_price_and_what_is_entered_at_the_price_to_pay() -> None:
    session = Session(risk=risk(position_size=10.0), limits=LimitSettings(max_exposure=2_000))
    session.feed(buy(0, "A"), trade(1, 99.5, symbol="A"), quote(2, 100.0, 101.0, symbol="B"), buy(2, "B"))
    assert session.verdicts == [None, Refusal.MAX_EXPOSURE]
    assert whys(session) == ["995.00 at stake and 1,010.00 more are 2,005.00, limits.max_exposure is 2,000.00"]


def test_an_entry_under_way_is_money_at_stake_at_its_limit_or_the_last_price() -> None:
    session = Session(risk=CALM, broker=RestingBroker()).feed(buy(0, "A"), trade(1, 101.0))
    assert session.core.risk.account.exposure() == 101
    [order] = session.core.orders.working.values()
    order.request = msgspec.structs.replace(order.request, limit=Decimal("102.5"))
    assert session.core.risk.account.exposure() == Decimal("102.5")


# -------------------------------------------------------------------------------------------------- how often


def test_trades_of_a_day_are_counted_and_the_next_day_begins_with_none() -> None:
    session = Session(risk=CALM, limits=LimitSettings(trades_per_day=2))
    session.feed(*win(0), *win(2, "B"), buy(4, "C"), buy(MIDNIGHT, "C"))
    assert session.verdicts == [None, None, Refusal.TRADES_PER_DAY, None]
    assert whys(session) == ["2 positions opened today and 0 entries under way, limits.trades_per_day is 2"]


def test_an_entry_that_came_to_nothing_is_no_trade() -> None:
    broker = RestingBroker()
    session = Session(risk=CALM, limits=LimitSettings(trades_per_day=1), broker=broker).feed(buy(0, "A"), buy(1, "B"))
    session.feed(OrderRejected(broker.messages[0].id, "A", at(2), "no"), buy(3, "B"))
    assert session.verdicts == [None, Refusal.TRADES_PER_DAY, None]


def test_a_position_that_fills_in_parts_is_one_trade() -> None:
    account = Session(risk=CALM, limits=LimitSettings(trades_per_day=2)).feed(buy(0)).core.risk.account
    [opened] = Session().feed(buy(0)).of(PositionOpened)
    account.opened(opened)
    account.opened(opened)
    day = account.to_book()
    assert day is not None
    assert day.trades == 1


def test_after_a_losing_streak_nothing_is_entered_until_the_next_day() -> None:
    session = Session(risk=CALM, limits=LimitSettings(losing_streak=2))
    session.feed(*lose(0), *win(2), *lose(4, "B"), *lose(6), buy(8, "C"), buy(MIDNIGHT, "C"))
    assert session.verdicts == [None, None, None, None, Refusal.LOSING_STREAK, None]
    [said] = whys(session)
    assert said.startswith("2 losing trades in a row, limits.losing_streak is 2")


def test_a_streak_goes_on_over_midnight_until_it_is_reached_and_then_begins_again() -> None:
    session = Session(risk=CALM, limits=LimitSettings(losing_streak=2)).feed(
        *lose(0), *lose(MIDNIGHT), buy(MIDNIGHT + 2)
    )
    session.feed(*lose(MIDNIGHT + 86_400), buy(MIDNIGHT + 86_403))
    assert session.verdicts == [None, None, Refusal.LOSING_STREAK, None, None]


# -------------------------------------------------------------------------------------------------- drawdown


DEEP = risk(drawdown_limit=-0.01, starting_equity=1_000.0, position_size=3.0)


def test_a_drawdown_over_days_closes_all_and_halts_until_resume() -> None:
    session = Session(risk=DEEP).feed(*lose(0), buy(MIDNIGHT, "B"), buy(MIDNIGHT + 1, "C"))
    session.feed(trade(MIDNIGHT + 2, 98.5, symbol="C"))  # 6 lost yesterday, and 4.50 open
    assert session.exits == ["SL", "SL", "HALT"]
    session.feed(buy(MIDNIGHT + 4), buy(2 * MIDNIGHT + 86_400))
    assert session.verdicts[-2:] == [Refusal.DRAWDOWN, Refusal.DRAWDOWN]
    assert session.core.risk.halt_cause is HaltCause.DRAWDOWN
    assert whys(session)[-1] == (
        "drawdown limit: 989.50 is 1.05 % below the highest equity of 1,000.00, risk.drawdown_limit is -0.01"
    )
    assert session.states == ["HALTED"]


def test_resume_measures_the_drawdown_from_where_the_equity_is() -> None:
    session = Session(risk=DEEP).feed(*lose(0), *lose(3), buy(6))
    session.feed(Command("resume", at(7)), *lose(8), buy(11))
    assert session.verdicts == [None, None, Refusal.DRAWDOWN, None, None]


@pytest.mark.parametrize(("equity", "floor"), [(500, 495.0), (100_000, 99_000.0)])
def test_the_drawdown_is_measured_from_the_equity_of_the_account_and_not_from_the_setting(
    equity: int, floor: float
) -> None:
    money = Decimal(equity)
    session = Session(broker=RestingBroker(), orders=OrderSettings(), risk=DEEP)
    session.feed(AccountReport(at(0), "PA1", money, money, money, (), ()), trade(1, 100))
    assert session.states == []
    assert session.core.risk.account.floor == pytest.approx(floor)


def test_profits_raise_what_it_is_measured_from() -> None:
    session = Session(risk=DEEP).feed(*win(0), *win(2))  # 1,012
    session.feed(*lose(4), buy(6), trade(7, 98.6))  # 1,006, and 4.20 open: 1,001.80 is 1.008 % below
    assert session.states == ["HALTED"]


def test_a_halt_of_the_drawdown_outlives_restarts_and_so_does_the_highest_equity() -> None:
    first = Session(risk=DEEP).feed(*win(0), *lose(2))
    second = again(first, DEEP).feed(*lose(4), buy(7))
    assert second.verdicts == [None, Refusal.DRAWDOWN]
    third = again(second, DEEP).feed(buy(8))
    assert third.verdicts == [Refusal.DRAWDOWN]
    assert third.feed(Command("resume", at(9)), buy(10)).verdicts[-1] is None
    fourth = again(third, DEEP)
    assert fourth.core.risk.account.floor == third.core.risk.account.floor


def test_a_book_of_before_has_the_highest_equity_in_its_tally() -> None:
    old = Session(risk=risk(starting_equity=1_000.0, position_size=3.0)).feed(*win(0), *lose(2)).core.book()
    assert b"account_day" not in msgspec.json.encode(old)
    session = Session(risk=DEEP, book="paper-2").feed(old, *lose(4), buy(7))
    assert session.verdicts == [None, Refusal.DRAWDOWN]


def test_a_mismatch_on_top_of_it_does_not_make_it_forgotten() -> None:
    session = Session(risk=DEEP).feed(*lose(0), *lose(3))
    session.core.risk._manual.halt(HaltCause.MISMATCH, "the account and the book differ: A")
    assert session.core.risk.snapshot().halted_before.startswith("drawdown limit")
    before = session.core.risk.account.floor
    session.feed(Command("resume", at(5)))
    assert session.core.risk.account.floor < before


def test_both_halts_at_once_leave_the_drawdowns_for_the_next_day() -> None:
    both = msgspec.structs.replace(DEEP, daily_loss_limit=-0.01)
    session = Session(risk=both).feed(*lose(0), *lose(3), buy(6), buy(MIDNIGHT))
    assert session.verdicts == [None, None, Refusal.HALTED, Refusal.DRAWDOWN]
    assert [fact.state for fact in session.of(StateChanged)] == ["HALTED"]


# ------------------------------------------------------------------------------------------- a symbol's loss


ONE = risk(symbol_loss_limit=-0.01, starting_equity=1_000.0, position_size=3.0)


def test_a_symbol_that_lost_its_part_is_closed_and_refused_for_the_day_and_no_other_is() -> None:
    session = Session(risk=ONE).feed(buy(0, "B"), buy(0), trade(1, 97.0), buy(3), trade(4, 99.7), trade(5, 99.6))
    [halted] = session.of(SymbolHalted)
    assert (halted.symbol, session.exits) == ("A", ["SL", "HALT"])
    session.feed(buy(6), trade(7, 102.0, symbol="B"), buy(8, "B"), buy(MIDNIGHT))
    assert session.verdicts == [None, None, None, Refusal.SYMBOL_LOSS, None, None]
    assert whys(session)[0].startswith("its profit of the day was -10.20, risk.symbol_loss_limit is -0.01 of the")


def test_a_symbols_loss_is_remembered_over_a_restart() -> None:
    first = Session(risk=ONE).feed(buy(0), trade(1, 97.0))
    second = again(first, ONE).feed(buy(3), trade(4, 99.7), trade(5, 99.6), buy(6))
    assert second.exits == ["HALT"]
    assert second.verdicts == [None, Refusal.SYMBOL_LOSS]
    assert again(second, ONE).feed(buy(7), buy(8, "B")).verdicts == [Refusal.SYMBOL_LOSS, None]


# ----------------------------------------------------------------------------------------------- the book, replays


@pytest.mark.parametrize(
    ("limits", "before", "after", "expected"),
    [
        (LimitSettings(trades_per_day=2), (*win(0), *win(2)), buy(4), Refusal.TRADES_PER_DAY),
        (LimitSettings(trades_per_day=2), (*win(0), buy(2, "B")), buy(4), Refusal.TRADES_PER_DAY),
        (LimitSettings(trades_per_day=3), (*win(0), buy(2, "B")), buy(4), None),
        (LimitSettings(losing_streak=2), (*lose(0), *lose(3)), buy(6), Refusal.LOSING_STREAK),
        (LimitSettings(max_positions=1), (buy(0, "B"),), buy(4), Refusal.MAX_POSITIONS),
        (LimitSettings(max_exposure=150), (buy(0, "B"),), buy(4), Refusal.MAX_EXPOSURE),
    ],
)
def test_what_is_counted_goes_on_in_the_next_session(
    limits: LimitSettings, before: tuple[Trade, ...], after: Trade, expected: Refusal | None
) -> None:
    first = Session(risk=CALM, limits=limits).feed(*before)
    assert again(first, limits=limits).feed(after).verdicts == [expected]


def test_without_such_a_limit_neither_book_nor_verdict_says_anything_new() -> None:
    session = Session(risk=CALM).feed(*lose(0), buy(3), buy(4))
    written = msgspec.json.encode(session.core.book())
    assert b"account_day" not in written
    assert b"locks" not in written
    said: list[Fact] = [fact for fact in session.facts if isinstance(fact, SignalRaised)]
    assert all(
        b'"why"' not in msgspec.json.encode(fact) and b'"sized"' not in msgspec.json.encode(fact) for fact in said
    )


@pytest.mark.parametrize(
    "values",
    [
        {"max_exposure": 0},
        {"max_positions": 0},
        {"trades_per_day": 0},
        {"trades_per_day": 1.5},
        {"losing_streak": 0},
    ],
)
def test_limits_out_of_range_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(values, LimitSettings)


@pytest.mark.parametrize("name", ["drawdown_limit", "symbol_loss_limit"])
@pytest.mark.parametrize("value", [0, 0.1, -1.5])
def test_fractions_that_may_be_lost_are_below_zero(name: str, value: float) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({name: value}, RiskSettings)


def test_every_limit_is_at_rest_while_exits_are_sent() -> None:
    limits = LimitSettings(max_exposure=100.0, max_positions=1, trades_per_day=1, losing_streak=1)
    session = Session(risk=CALM, limits=limits).feed(*lose(0))
    roles = [fact.order.role for fact in session.of(OrderSubmitted)]
    assert roles == [OrderRole.ENTRY, OrderRole.EXIT]
