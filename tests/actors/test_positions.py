"""positions: a fold of executions, exact to the last digit."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, strategies as st

from actors.actor import UnknownMessage
from actors.messages import ExitReason, Fact, OrderFilled, PositionClosed, PositionOpened
from actors.orders import Execution, OrderSide
from actors.portfolio.fees import FeeModel
from actors.portfolio.positions import REMEMBERED_EXECUTIONS, Fill, Positions
from pipeline.events import Side
from tests.support.market import at

BUY, SELL = OrderSide.BUY, OrderSide.SELL


class Book:
    """Positions with a context that keeps what they say."""

    def __init__(self, equity: str = "10000", fee: str = "0", listeners: Sequence[str] = ()) -> None:
        self.input = 7
        self.told_ts = -1
        self.now = at(0)
        self.facts: list[Fact] = []
        self.told: list[tuple[str, object]] = []
        told = [lambda fact, name=name: self.told.append((name, fact)) for name in listeners]
        self.positions = Positions(self, Decimal(equity), FeeModel(Decimal(fee)), told)

    def publish(self, fact: Fact) -> None:
        self.facts.append(fact)

    def not_after_now(self, ts: int) -> int:
        return min(ts, self.now)

    def tell(self, actor: object, message: object) -> None:
        raise AssertionError("positions know nobody but their listeners")

    def wake(self, actor: object, message: object, at: int) -> None:
        raise AssertionError("positions wait for nothing")

    def listen(self, symbol: str, actor: object) -> None:
        raise AssertionError("positions need no market")

    def symbol_view(self, symbol: str) -> Any:
        raise AssertionError("positions need no market")

    def fill(
        self, side: OrderSide, quantity: str, price: str, *, symbol: str = "A", id: str = "", seconds: float = 0
    ) -> Book:
        """Report an execution; without an id, one of its own."""
        execution = Execution(
            id or f"e{len(self.facts)}.{seconds}",
            "order",
            symbol,
            side,
            Decimal(quantity),
            Decimal(price),
            at(seconds),
        )
        self.positions.receive(Fill(execution, "d1", "SL"))
        return self

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    @property
    def signed(self) -> dict[str, Decimal]:
        """What is held, by symbol, negative for a short position."""
        return {symbol: p.side.sign * p.quantity for symbol, p in self.positions.open.items()}


# ------------------------------------------------------------------------------------------ one by one


def test_the_first_execution_opens_a_position() -> None:
    book = Book().fill(BUY, "10", "100.5", seconds=3)
    [opened] = book.of(PositionOpened)
    assert (opened.symbol, opened.side, opened.quantity, opened.entry_price) == ("A", Side.LONG, 10, Decimal("100.5"))
    assert (opened.entry_ts, opened.decision, opened.input) == (at(3), "d1", 7)


def test_a_sell_opens_a_short_position() -> None:
    assert Book().fill(SELL, "10", "100").signed == {"A": Decimal(-10)}


def test_an_execution_the_same_way_adds_and_averages_the_price() -> None:
    book = Book().fill(BUY, "10", "100", seconds=1).fill(BUY, "30", "101", seconds=2)
    opened = book.of(PositionOpened)[-1]
    assert (opened.quantity, opened.entry_price, opened.entry_ts) == (40, Decimal("100.75"), at(1))


def test_an_execution_the_other_way_reduces_and_says_nothing_yet() -> None:
    book = Book().fill(BUY, "10", "100").fill(SELL, "4", "101")
    assert book.signed == {"A": Decimal(6)}
    assert book.of(PositionClosed) == []
    assert book.positions.equity == 10_000


def test_the_last_execution_closes_the_position_at_the_average_exit_price() -> None:
    book = Book().fill(BUY, "10", "100", seconds=1).fill(SELL, "4", "101", seconds=2).fill(SELL, "6", "102", seconds=3)
    [closed] = book.of(PositionClosed)
    assert (closed.symbol, closed.side, closed.quantity) == ("A", Side.LONG, 10)
    assert (closed.entry_ts, closed.entry_price) == (at(1), 100)
    assert (closed.exit_ts, closed.exit_price, closed.exit_reason) == (at(3), Decimal("101.6"), ExitReason.SL)
    assert closed.pnl == 16
    assert closed.equity == book.positions.equity == 10_016
    assert closed.pnl_pct == 0.016
    assert (closed.decision, closed.input) == ("d1", 7)
    assert book.signed == {}


def test_a_short_position_earns_when_the_price_falls() -> None:
    [closed] = Book().fill(SELL, "10", "100").fill(BUY, "10", "99").of(PositionClosed)
    assert (closed.side, closed.pnl, closed.pnl_pct) == (Side.SHORT, 10, 0.01)


def test_fees_are_paid_at_both_ends_and_for_every_share() -> None:
    [closed] = Book(fee="0.005").fill(BUY, "10", "100").fill(BUY, "5", "100").fill(SELL, "15", "101").of(PositionClosed)
    assert (closed.fees, closed.pnl) == (Decimal("0.150"), Decimal("14.850"))


def test_an_execution_that_comes_twice_counts_once() -> None:
    book = Book().fill(BUY, "10", "100", id="same").fill(BUY, "10", "100", id="same")
    assert book.signed == {"A": Decimal(10)}
    assert len(book.of(OrderFilled)) == 1


def test_an_execution_larger_than_the_position_closes_it_and_opens_the_rest_the_other_way() -> None:
    book = Book(fee="0.01").fill(BUY, "10", "100").fill(SELL, "15", "101", seconds=5)
    [closed] = book.of(PositionClosed)
    assert (closed.quantity, closed.pnl, closed.fees) == (10, Decimal("9.80"), Decimal("0.20"))
    assert book.signed == {"A": Decimal(-5)}
    rest = book.of(PositionOpened)[-1]
    assert (rest.side, rest.quantity, rest.entry_price, rest.entry_ts) == (Side.SHORT, 5, 101, at(5))


def test_positions_of_two_symbols_do_not_meet() -> None:
    book = Book().fill(BUY, "10", "100").fill(SELL, "10", "100", symbol="B")
    assert book.signed == {"A": Decimal(10), "B": Decimal(-10)}


def test_a_close_without_a_reason_was_asked_for() -> None:
    book = Book().fill(BUY, "1", "100")
    execution = Execution("x", "o", "A", SELL, Decimal(1), Decimal(100), at(1))
    book.positions.receive(Fill(execution, "d1", ""))
    assert book.of(PositionClosed)[0].exit_reason is ExitReason.FLATTEN


def test_listeners_are_told_in_order_of_what_opened_and_closed() -> None:
    book = Book(listeners=("first", "second"))
    book.fill(BUY, "10", "100").fill(SELL, "10", "100")
    assert [(listener, type(message)) for listener, message in book.told] == [
        ("first", PositionOpened),
        ("second", PositionOpened),
        ("first", PositionClosed),
        ("second", PositionClosed),
    ]


def test_the_fill_is_stated_before_what_it_does_to_the_position() -> None:
    book = Book().fill(BUY, "10", "100").fill(SELL, "10", "100")
    assert [type(fact) for fact in book.facts] == [OrderFilled, PositionOpened, OrderFilled, PositionClosed]


@pytest.mark.parametrize(("side", "sign"), [(BUY, 1), (SELL, -1)])
def test_open_profit_is_that_of_what_is_still_held(side: OrderSide, sign: int) -> None:
    other = SELL if side is BUY else BUY
    book = Book().fill(side, "10", "100").fill(other, "4", "100")
    assert book.positions.open["A"].open_profit(101.0) == pytest.approx(6.0 * sign)


def test_open_profit_follows_the_average_price() -> None:
    book = Book().fill(BUY, "10", "100").fill(BUY, "10", "102")
    assert book.positions.open["A"].open_profit(101.0) == pytest.approx(0.0)


def test_the_memory_of_executions_has_a_bound() -> None:
    book = Book()
    for number in range(REMEMBERED_EXECUTIONS + 5):
        book.fill(BUY if number % 2 else SELL, "1", "100", id=f"e{number}")
    assert len(book.positions._seen) == len(book.positions._seen_order) == REMEMBERED_EXECUTIONS


def test_a_message_for_somebody_else_is_a_fault() -> None:
    with pytest.raises(UnknownMessage, match="Positions does not know what to do with a str"):
        Book().positions.receive("hello")  # type: ignore[arg-type]  # that is the fault


# --------------------------------------------------------------------------------------------- as a fold

execution = st.tuples(
    st.sampled_from([BUY, SELL]),
    st.decimals("0.01", "100", places=2),
    st.decimals("0.01", "1000", places=4),
    st.sampled_from(["A", "B"]),
    st.integers(0, 12),  # the id: some come twice
)
executions = st.lists(execution, max_size=40)


def fold(values: Sequence[tuple[Any, ...]], fee: str) -> tuple[Book, list[tuple[Any, ...]]]:
    """Book executions; return the book, and those that count because their id is new."""
    book = Book(fee=fee)
    distinct: dict[int, tuple[Any, ...]] = {}
    for value in values:
        side, quantity, price, symbol, id_ = value
        book.fill(side, str(quantity), str(price), symbol=symbol, id=f"e{id_}")
        distinct.setdefault(id_, value)
    return book, list(distinct.values())


@given(executions)
def test_a_position_is_the_signed_sum_of_its_distinct_executions(values: list[tuple[Any, ...]]) -> None:
    book, distinct = fold(values, "0")
    total: dict[str, Decimal] = {}
    for side, quantity, _, symbol, _ in distinct:
        total[symbol] = total.get(symbol, Decimal(0)) + side.sign * quantity
    assert book.signed == {symbol: quantity for symbol, quantity in total.items() if quantity}


@given(executions, st.sampled_from(["0", "0.005"]))
def test_money_is_neither_made_nor_lost(values: list[tuple[Any, ...]], fee: str) -> None:
    """Equity is the start plus cash received, less cash paid, less fees, plus the cost of what is still held."""
    book, distinct = fold(values, fee)
    cash = sum((-side.sign * quantity * price for side, quantity, price, _, _ in distinct), Decimal(0))
    fees = sum((quantity * Decimal(fee) for _, quantity, *_ in distinct), Decimal(0))
    held = book.positions.open.values()
    invested = sum((p.side.sign * (p.entry_value - p.exit_value) for p in held), Decimal(0))
    unpaid = sum((p.fees for p in held), Decimal(0))
    assert book.positions.equity == 10_000 + cash - fees + invested + unpaid


@given(executions, st.sampled_from(["0", "0.005"]))
def test_equity_is_the_start_plus_every_trade(values: list[tuple[Any, ...]], fee: str) -> None:
    book, _ = fold(values, fee)
    closed = book.of(PositionClosed)
    running = Decimal(10_000)
    for fact in closed:
        running += fact.pnl
        assert fact.equity == running
    assert book.positions.equity == running
    assert book.positions.equity_reading == float(running)


@given(executions, st.integers(0, 40))
def test_a_prefix_of_the_executions_gives_a_prefix_of_the_facts(values: list[tuple[Any, ...]], cut: int) -> None:
    whole, _ = fold(values, "0.005")
    part, _ = fold(values[:cut], "0.005")
    assert part.facts == whole.facts[: len(part.facts)]


@given(executions)
def test_no_position_is_empty_or_negative(values: list[tuple[Any, ...]]) -> None:
    book, _ = fold(values, "0")
    assert all(position.quantity > 0 for position in book.positions.open.values())
    assert all(fact.quantity > 0 for fact in book.of(PositionOpened) + book.of(PositionClosed))


def test_money_is_exact_also_with_as_many_digits_as_a_price_and_a_size_can_have() -> None:
    """A price has up to 15 digits, and a size such as a third of a share up to 17."""
    book = (
        Book().fill(BUY, "0.3333333333333333", "33.3344444444444").fill(SELL, "0.3333333333333333", "33.9988666666667")
    )
    pnl = Fraction("0.3333333333333333") * (Fraction("33.9988666666667") - Fraction("33.3344444444444"))
    assert Fraction(book.positions.equity) == 10_000 + pnl
