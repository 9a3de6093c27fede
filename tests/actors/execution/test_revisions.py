"""Executions that the venue undoes or changes: positions, profit and account agree after, and nothing is left open."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.book import Book
from actors.brokers.alpaca import codec
from actors.messages import ExitReason, OrderFilled, PositionReduced, ProfitCorrected, TradingState
from actors.orders import AccountReport, HeldAtVenue, LookUpOrder, OrderReport, OrderRole, OrderSide, OrderStatus
from actors.portfolio.fees import FeeLedger, FeeModel
from microbot import op
from pipeline.exits import ListedExits
from tests.support.desk import ORDERS, TEN, Desk, account
from tests.support.market import at, clock, quote, trade
from tests.support.sessions import RestingBroker, Session

S = OrderStatus
D = Decimal
BUST, CORRECT = "trade_bust", "trade_correct"
TIMED = ListedExits([op.time_stop(8)])


class Bench(Desk):
    """A desk that also keeps the account: what the executions come to, whatever order they are told in."""

    def revise(
        self,
        seconds: float,
        filled: str,
        average: str = "100",
        *,
        of: str,
        event: str = BUST,
        status: OrderStatus = S.FILLED,
    ) -> Bench:
        """Report that of an order, the last of a role, so many shares are left at that average."""
        self.session.feed(self.report(seconds, filled, average, of=of, event=event, status=status))
        return self

    def report(
        self,
        seconds: float,
        filled: str,
        average: str = "100",
        *,
        of: str,
        event: str | None = None,
        status: OrderStatus = S.FILLED,
    ) -> OrderReport:
        order = [o for o in self.orders if o.role == of][-1]
        price = D(average) if D(filled) else None
        told = OrderReport(
            order.id, order.symbol, order.side, status, order.quantity, D(filled), price, at(seconds), "v"
        )
        return told if event is None else msgspec.structs.replace(told, revises=event)

    @property
    def cash(self) -> Decimal:
        """Money in the account, by the executions that were booked."""
        spent = (f.execution.side.sign * f.execution.value for f in self.session.of(OrderFilled))
        return 100_000 - sum(spent, D(0))

    def agrees(self) -> None:
        """The book is the account: shares, and equity at cost."""
        shares: dict[str, Decimal] = {}
        for fact in self.session.of(OrderFilled):
            done = fact.execution
            shares[done.symbol] = shares.get(done.symbol, D(0)) + done.side.sign * done.quantity
        assert self.held == {symbol: held for symbol, held in shares.items() if held}
        positions = self.session.core.positions
        cost = sum((p.side.sign * p.quantity * p.entry_price for p in positions.open.values()), D(0))
        banked = sum(  # what was closed of a position that is open is in the cash, and not in the equity yet
            (
                p.side.sign * (p.exit_value - p.exited * p.entry_price) - (p.banked or D(0))
                for p in positions.open.values()
            ),
            D(0),
        )
        assert abs(positions.equity + banked - cost - self.cash) < D("1e-15")
        assert self.session.summary["equity"] == pytest.approx(float(positions.equity))


def closed_by_stop(side: str = "LONG") -> Bench:
    """A position of ten, closed by its stop with a loss of five."""
    bench = Bench()
    bench.enter(1, side)
    price = "99.5" if side == "LONG" else "100.5"
    bench.say(2, S.FILLED, "10", price, of="stop")
    assert [trade.pnl for trade in bench.session.trades] == [-5]
    return bench


# ----------------------------------------------------------------------------------------- an open position


def test_a_bust_of_a_part_of_an_entry_makes_the_position_smaller_and_its_stop_with_it() -> None:
    bench = Bench()
    bench.enter()
    bench.revise(2, "6", of="entry")
    assert bench.held == {"A": D(6)}
    bench.agrees()
    bench.say(2.1, S.CANCELED, of="stop")
    assert (bench.last.role, bench.last.quantity) == (OrderRole.STOP, D(6))
    bench.say(2.2, S.ACCEPTED, of="stop").say(3, S.FILLED, "6", "99.5", of="stop")
    [closed] = bench.session.trades
    assert (closed.quantity, closed.pnl, closed.exit_reason) == (D(6), D(-3), "STOP")
    bench.agrees()


def test_a_bust_of_a_whole_entry_leaves_nothing_open_and_costs_nothing() -> None:
    bench = Bench()
    bench.enter()
    bench.revise(2, "0", of="entry")
    assert bench.held == {}
    assert bench.canceled == [bench.orders[1].id]  # its stop
    [closed] = bench.session.trades
    assert (closed.pnl, closed.fees, closed.exit_reason) == (D(0), D(0), "BUST")
    bench.agrees()


def test_a_bust_of_a_part_of_an_exit_that_goes_on_is_closed_by_it() -> None:
    bench = Bench(exits=TIMED)
    bench.enter().pass_time(9)  # TIME
    bench.say(9.1, S.CANCELED, of="stop").say(9.2, S.PARTIALLY_FILLED, "6", "101", of="exit")
    assert bench.held == {"A": D(4)}
    bench.revise(9.3, "2", "101", of="exit", status=S.PARTIALLY_FILLED)
    assert bench.held == {"A": D(8)}
    bench.agrees()
    bench.say(9.4, S.CANCELED, "2", "101", of="exit")
    assert (bench.last.role, bench.last.quantity) == (OrderRole.EXIT, D(8))
    bench.say(9.5, S.FILLED, "8", "101", of="exit")
    [closed] = bench.session.trades
    assert (closed.quantity, closed.pnl, closed.exit_reason) == (D(10), D(10), "TIME")
    bench.agrees()


def test_a_bust_of_a_part_that_was_taken_leaves_its_shares_to_the_other_exits() -> None:
    half = ListedExits([op.take_profit(0.001, part=0.5), op.time_stop(100)])
    bench = Bench(exits=half)
    bench.enter().tick(2, 100.2)
    bench.say(2.1, S.CANCELED, of="stop").say(2.2, S.ACCEPTED, of="stop").say(2.3, S.FILLED, "5", "100.2", of="part")
    assert bench.session.core.positions.equity == 100_001
    bench.revise(3, "2", "100.2", of="part")
    assert bench.held == {"A": D(8)}
    assert [(f.quantity, f.pnl) for f in bench.session.of(PositionReduced)] == [(D(5), D(1)), (D(-3), D("-0.6"))]
    bench.agrees()
    bench.say(3.1, S.CANCELED, of="stop")
    assert (bench.last.role, bench.last.quantity) == (OrderRole.STOP, D(8))  # and no part is sent again
    bench.say(3.2, S.ACCEPTED, of="stop").say(4, S.FILLED, "8", "99.5", of="stop")
    [closed] = bench.session.trades
    assert closed.pnl == D("0.4") - 4
    bench.agrees()


def test_a_correction_of_the_price_of_an_entry_moves_the_entry_the_stop_and_the_profit() -> None:
    bench = Bench()
    bench.enter()
    bench.revise(2, "10", "100.1", of="entry", event=CORRECT)
    assert bench.session.core.positions.open["A"].entry_price == D("100.1")
    bench.agrees()
    bench.say(3, S.FILLED, "10", "99.5", of="stop")
    assert [trade.pnl for trade in bench.session.trades] == [-6]
    bench.agrees()


# ----------------------------------------------------------------------------------------- a closed position


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
def test_what_a_bust_of_a_stops_fill_brings_back_is_closed_at_market_at_once(side: str) -> None:
    bench = closed_by_stop(side)
    left = "99.5" if side == "LONG" else "100.5"
    bench.revise(3, "6", left, of="stop")
    assert {symbol: abs(held) for symbol, held in bench.held.items()} == {"A": 4}
    bench.agrees()
    assert (bench.last.role, bench.last.quantity, bench.last.limit) == (OrderRole.EXIT, D(4), None)
    assert bench.last.reason == ExitReason.BUST
    bench.say(3.1, S.FILLED, "4", "99", of="exit")
    assert bench.held == {}
    # Six were closed by the stop, and four at 99: what the account has earned.
    assert sum(trade.pnl for trade in bench.session.trades) == (-7 if side == "LONG" else 1)
    bench.agrees()


@pytest.mark.parametrize("left", ["6", "0"])
def test_a_bust_of_an_entry_whose_position_is_closed_turns_it_over_and_that_is_closed_at_once(left: str) -> None:
    bench = closed_by_stop()
    bench.revise(3, left, of="entry")
    shares = 10 - D(left)
    assert bench.held == {"A": -shares}
    bench.agrees()
    assert (bench.last.side, bench.last.quantity, bench.last.reason) == (OrderSide.BUY, shares, "BUST")
    bench.say(3.1, S.FILLED, str(shares), "99.5", of="exit")
    assert bench.held == {}
    assert sum(trade.pnl for trade in bench.session.trades) == -5 + shares * D("0.5")
    bench.agrees()


def test_a_bust_of_more_of_an_entry_than_is_held_yet_closes_the_trade_and_the_rest_the_other_way() -> None:
    bench = Bench(exits=TIMED)
    bench.enter().pass_time(9)
    bench.say(9.1, S.CANCELED, of="stop").say(9.2, S.PARTIALLY_FILLED, "6", "101", of="exit")
    bench.revise(9.3, "3", of="entry")
    assert bench.held == {"A": D(-3)}
    bench.agrees()
    bench.say(9.4, S.CANCELED, "6", "101", of="exit")
    assert (bench.last.side, bench.last.quantity) == (OrderSide.BUY, D(3))
    bench.say(9.5, S.FILLED, "3", "101", of="exit")
    assert sum(trade.pnl for trade in bench.session.trades) == 3
    bench.agrees()


def test_a_correction_of_the_price_of_a_closed_trade_is_in_the_equity_and_no_trade() -> None:
    bench = closed_by_stop()
    bench.revise(3, "10", "99.6", of="stop", event=CORRECT)
    assert bench.held == {}
    assert [(f.pnl, f.equity, f.reason) for f in bench.session.of(ProfitCorrected)] == [(D(1), D(99_996), CORRECT)]
    assert (bench.session.summary["trades"], bench.session.summary["total_pnl"]) == (1, -4.0)
    bench.agrees()


def test_what_comes_back_while_another_position_is_open_joins_it_and_is_guarded_with_it() -> None:
    bench = closed_by_stop()
    bench.session.feed(trade(4, 100, says="LONG"))
    bench.say(4, S.FILLED, "10", of="entry").say(4, S.ACCEPTED, of="stop")
    first = bench.orders[1]
    told = OrderReport(first.id, "A", first.side, S.FILLED, D(10), D(6), D("99.5"), at(5), "v", revises=BUST)
    bench.session.feed(told)
    assert bench.held == {"A": D(14)}
    assert bench.session.core.positions.open["A"].quantity == 14
    bench.say(5.1, S.CANCELED, of="stop")
    assert (bench.last.role, bench.last.quantity) == (OrderRole.STOP, D(14))
    bench.agrees()


FEES = FeeModel(per_share=D("0.01"), taker=D("0.001"))


@pytest.mark.parametrize(
    ("left", "average", "of", "event"),
    [
        ("10", "99.6", "stop", CORRECT),
        ("10", "100.2", "entry", CORRECT),
        ("6", "99.5", "stop", BUST),
        ("0", "100", "entry", BUST),
    ],
)
@pytest.mark.parametrize("stopped", ["0", "7", "10"])
def test_each_fee_counts_once_whatever_is_undone(stopped: str, left: str, average: str, of: str, event: str) -> None:
    bench = Bench()
    bench.session.core.positions.fees = FeeLedger(FEES)
    bench.enter()
    if stopped != "0":
        bench.say(2, S.FILLED if stopped == "10" else S.PARTIALLY_FILLED, stopped, "99.5", of="stop")
    bench.revise(3, min(left, stopped, key=D) if of == "stop" else left, average, of=of, event=event)
    charged = sum((FEES.own(f.execution.quantity, f.execution.value) for f in bench.session.of(OrderFilled)), D(0))
    positions = bench.session.core.positions
    not_yet = gross = D(0)  # of what is open still
    for held in positions.open.values():
        not_yet += held.fees
        gross += held.side.sign * (held.exit_value - held.entry_value)
    assert positions.equity - not_yet + gross == bench.cash - charged


# ----------------------------------------------------------------------------------------- twice, late, unheard


def test_a_bust_that_is_told_again_counts_once_and_what_is_older_counts_no_more() -> None:
    bench = Bench()
    bench.enter()
    for seconds, report in (
        (2, bench.report(2, "6", of="entry", event=BUST)),
        (2, bench.report(2, "6", of="entry", event=BUST)),
        (1, bench.report(1, "10", of="entry")),  # the fill, told again
        (1.5, bench.report(1.5, "8", of="entry", event=BUST)),  # an earlier bust, told late
        (2, bench.report(2, "6", of="entry")),
    ):
        bench.session.feed(report)
        assert bench.held == {"A": D(6)}, seconds
    bench.agrees()


def test_a_bust_that_is_older_than_what_is_counted_is_in_that_already() -> None:
    bench = Bench()
    bench.session.feed(trade(1, 100, says="LONG"))
    bench.say(1, S.PARTIALLY_FILLED, "5").say(1.2, S.PARTIALLY_FILLED, "7")  # 3 were undone at 1.1, 5 more filled
    bench.revise(1.1, "2", of="entry", status=S.PARTIALLY_FILLED)
    assert bench.held == {"A": D(7)}


def test_as_many_shares_as_were_undone_may_be_filled_again() -> None:
    bench = Bench()
    bench.session.feed(trade(1, 100, says="LONG"))
    bench.say(1, S.PARTIALLY_FILLED, "5")
    bench.revise(1.1, "2", of="entry", status=S.PARTIALLY_FILLED)
    bench.say(1.2, S.PARTIALLY_FILLED, "5")
    assert bench.held == {"A": D(5)}
    bench.agrees()


def test_a_report_of_fewer_shares_is_only_old_where_nobody_says_that_any_were_undone() -> None:
    bench = Bench()
    bench.enter().say(2, S.FILLED, "6", of="entry")
    assert bench.held == {"A": D(10)}


def holds(shares: str) -> HeldAtVenue:
    return HeldAtVenue("A", D(shares), D(100))


def test_a_bust_that_only_the_account_shows_is_asked_for_and_counted() -> None:
    bench = Bench()
    bench.enter()
    stop = bench.report(1, "0", of="stop", status=S.ACCEPTED)
    for seconds in (3, 6):
        bench.session.feed(account(seconds, holds("6"), orders=(stop,)))
    entry = bench.orders[0].id
    assert entry in [question.id for question in bench.broker.of(LookUpOrder)]
    bench.session.feed(bench.report(6.1, "6", of="entry"))
    assert bench.held == {"A": D(6)}
    assert bench.session.of(OrderFilled)[-1].execution.undone == "recounted"
    bench.session.feed(account(9, holds("6"), orders=(stop,)), account(30, holds("6"), orders=(stop,)))
    assert bench.session.core.risk.state is TradingState.ACTIVE
    bench.agrees()


def test_the_answer_to_an_order_that_comes_after_its_fill_undoes_nothing_although_the_order_is_doubted() -> None:
    """The order was taken and filled in one instant, and both say so; the account is looked at again meanwhile."""
    bench = Bench()
    bench.enter()
    stop = bench.report(1, "0", of="stop", status=S.ACCEPTED)
    for seconds in (3, 6):
        bench.session.feed(account(seconds, orders=(stop,)))
    assert bench.orders[0].id in [question.id for question in bench.broker.of(LookUpOrder)]
    bench.session.feed(bench.report(1, "0", of="entry", status=S.ACCEPTED))
    assert bench.held == {"A": D(10)}
    bench.session.feed(bench.report(6.1, "6", of="entry"))
    assert bench.held == {"A": D(6)}  # it is doubted until it was answered


def test_a_difference_that_no_order_explains_halts_by_name() -> None:
    bench = Bench()
    bench.enter()
    stop = bench.report(1, "0", of="stop", status=S.ACCEPTED)
    for seconds in range(3, 40, 3):
        bench.session.feed(account(seconds, holds("6"), orders=(stop,)), bench.report(seconds, "10", of="entry"))
    risk = bench.session.core.risk
    assert (risk.state, bench.held) == (TradingState.HALTED, {"A": D(10)})
    assert "A: the account holds 6, the book 10" in risk.state_reason


# ----------------------------------------------------------------------------------------- over lives


def next_life(bench: Bench, *reports: AccountReport) -> Session:
    """Kill the bot, and have another one go on from its book."""
    book = msgspec.json.decode(msgspec.json.encode(bench.session.core.book()), type=Book)
    later = Session(risk=TEN, broker=RestingBroker(), orders=ORDERS, book="mb-bot-s2", exits=TIMED)
    return later.feed(book, quote(30, 99.99, 100.01), trade(30, 100), *reports)


def test_a_bust_while_the_bot_was_away_is_counted_at_its_start() -> None:
    bench = Bench()
    bench.enter()
    history = (bench.report(20, "6", of="entry"),)
    stop = bench.report(1, "0", of="stop", status=S.ACCEPTED)
    later = next_life(bench, account(30, holds("6"), orders=(stop,), history=history))
    assert later.core.positions.open["A"].quantity == 6
    assert later.core.risk.state is TradingState.ACTIVE
    assert later.core.positions.equity == 100_000 + 600  # cash of the account, and what it holds at cost


def test_what_a_bust_brought_back_while_the_bot_was_away_is_taken_over_and_closed() -> None:
    bench = closed_by_stop()
    history = (bench.report(1, "10", of="entry"), bench.report(20, "6", "99.5", of="stop"))
    later = next_life(bench, account(30, holds("4"), history=history)).feed(clock(31))
    assert later.core.positions.open["A"].quantity == 4
    assert later.core.executor.exits.intents["A"].reason == ExitReason.TIME


def test_that_what_a_bust_left_is_to_be_closed_outlives_a_kill() -> None:
    bench = closed_by_stop()
    bench.revise(3, "6", "99.5", of="stop")
    assert bench.session.core.book().closing == {"A": "BUST"}
    exit_ = bench.report(3, "0", of="exit", status=S.ACCEPTED)
    later = next_life(bench, account(30, holds("4"), orders=(exit_,)))
    assert later.core.executor.exits.intents["A"].reason == ExitReason.BUST


# ----------------------------------------------------------------------------------------- any order of things


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 4), st.booleans()), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_reports_in_any_order_come_to_what_the_newest_says(steps: list[tuple[int, int, bool]], chance: object) -> None:
    """Fills and busts of one order, told twice, late and mixed up: the last word counts."""
    bench = Bench()
    bench.session.feed(trade(1, 100, says="LONG"))
    filled, reports = D(0), []
    for number, (shares, price, bust) in enumerate(steps):
        filled = max(D(0), filled - shares) if bust else min(D(9), filled + shares)
        average = str(98 + price)
        event = BUST if bust else None
        reports.append(
            bench.report(1 + number / 100, str(filled), average, of="entry", event=event, status=S.PARTIALLY_FILLED)
        )
    mixed = [*reports, *reports]
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    last = max(range(len(mixed)), key=lambda place: mixed[place].ts)
    mixed.append(mixed[last])
    for report in mixed:
        bench.session.feed(report)
    assert bench.held.get("A", D(0)) == filled
    bench.agrees()


def test_an_order_of_old_recordings_is_written_as_before() -> None:
    """What is new of executions and reports is left out where it says nothing."""
    bench = Bench()
    bench.enter()
    report = bench.report(1, "10", of="entry")
    written = msgspec.json.encode([report, *bench.session.facts])
    assert not [word for word in (b"revises", b"undone", b"correction") if word in written]


# ----------------------------------------------------------------------------------------- as Alpaca tells it


@pytest.mark.parametrize("event", [BUST, CORRECT])
def test_an_update_that_revises_is_of_no_earlier_than_it_says(event: str) -> None:
    """The form of the broker API's schema: `qty` may be negative, and is not needed; the order says what is left."""
    order = {"id": "v", "client_order_id": "one", "symbol": "A", "side": "buy", "status": "filled", "qty": "10"}
    order |= {"filled_qty": "6", "filled_avg_price": "100", "updated_at": "2026-01-05T14:30:01Z"}
    data = {"event": event, "order": order, "qty": "-4", "price": "100", "timestamp": "2026-01-05T14:30:05Z"}
    data |= {"execution_id": "e2", "previous_execution_id": "e1"}
    update = codec.frame(msgspec.json.encode({"stream": "trade_updates", "data": data}))
    assert isinstance(update, codec.Update)
    assert update.event in codec.REVISIONS
    report = codec.revised(codec.order_report(update.order, 0), update)
    assert (report.revises, report.filled, report.ts) == (event, D(6), codec.nanoseconds("2026-01-05T14:30:05Z"))


def test_a_bust_heard_after_news_of_since_and_of_before_leaves_what_was_told_last() -> None:
    bench = Bench()
    bench.session.feed(trade(1, 100, says="LONG"))
    told = {
        number: bench.report(1 + number / 100, filled, of="entry", event=event, status=S.PARTIALLY_FILLED)
        for number, filled, event in ((1, "5", None), (2, "3", BUST), (3, "4", None))
    }
    for number in (3, 1, 2, 3):
        bench.session.feed(told[number])
    assert bench.held["A"] == 4
    bench.agrees()
