"""The simulated broker's models: how long a fill takes, by how much it slips, and how much of it there is."""

from __future__ import annotations

import statistics
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st

from actors.brokers.simulated import ExecutionSettings
from actors.engine.core import Core, CoreSettings, Input
from actors.messages import COMMANDS, Command, Fact, OrderChanged, OrderFilled, OrderSubmitted, PositionOpened, Refusal
from actors.orders import CancelOrder, Execution, OrderRejected, OrderRole, OrderSide, OrderStatus, SubmitOrder
from actors.portfolio.fees import FeeModel
from actors.risk.limits import Costs
from actors.risk.risk import RiskSettings
from pipeline.events import Side, Trade
from pipeline.strategy import momentum_burst
from tests.support.market import at, clock, gap, quote, trade
from tests.support.random_tapes import core_settings, lifelike, tapes
from tests.support.sessions import PATIENT, Session, encoded

BUY, SELL = OrderSide.BUY, OrderSide.SELL
D = Decimal
SLOW = ExecutionSettings(latency_ms=500)
TEN = RiskSettings(position_size=10, cooldown_trades_after_loss=0)


def thin(**more: Any) -> ExecutionSettings:
    """Return an execution that fills a tenth of what others trade, for two seconds."""
    return msgspec.structs.replace(ExecutionSettings(liquidity="displayed", participation=0.1, patience_s=2), **more)


def fills(session: Session) -> list[tuple[int, Decimal, Decimal]]:
    """Return when how much was filled, and at what price."""
    found = [fact.execution for fact in session.of(OrderFilled)]
    return [(e.ts, e.quantity, e.price) for e in found]


def canceled(session: Session) -> list[tuple[int, Decimal]]:
    """Return when an order was canceled, and how much of it had been filled."""
    return [(fact.ts, fact.filled) for fact in session.of(OrderChanged) if fact.status is OrderStatus.CANCELED]


def held(session: Session) -> dict[str, Decimal]:
    return {symbol: p.side.sign * p.quantity for symbol, p in session.core.positions.open.items()}


# ------------------------------------------------------------------------------------------------- latency


def test_an_order_fills_by_the_clock_at_the_quote_in_force_then() -> None:
    session = Session(execution=SLOW).feed(trade(0, bid=99.9, ask=100.1, says="LONG"), quote(0.2, 100.3, 100.5))
    assert fills(session) == []
    assert session.core.orders.is_working("A")
    session.feed(clock(0.499))
    assert fills(session) == []
    session.feed(clock(7))
    assert fills(session) == [(at(0.5), D(1), D("100.5"))]
    assert not session.core.orders.is_working("A")


def test_a_tick_beyond_a_silence_does_not_price_the_fill_that_was_due_in_it() -> None:
    session = Session(execution=SLOW).feed(trade(0, 100, says="LONG"), trade(60, 200, bid=199, ask=201))
    assert fills(session) == [(at(0.5), D(1), D("100.0"))]


def test_an_exit_takes_its_time_too() -> None:
    session = Session(execution=SLOW).feed(trade(0, 100, says="LONG"), trade(1, 102), trade(1.2, 101), clock(3))
    assert fills(session) == [(at(0.5), D(1), D("100.0")), (at(1.5), D(1), D("101.0"))]
    assert session.exits == ["TP"]


def test_while_an_order_is_on_its_way_no_second_entry_is_sent() -> None:
    session = Session(execution=SLOW).feed(trade(0, says="LONG"), trade(0.1, says="LONG"))
    assert session.verdicts == [None, Refusal.POSITION_OPEN]


def test_jitter_comes_on_top_and_differs_from_order_to_order() -> None:
    settings = ExecutionSettings(latency_ms=50, latency_jitter_ms=20)
    delays = []
    for number in range(400):
        symbol = f"S{number}"
        session = Session(execution=settings)
        session.feed(*(clock(0) for _ in range(number)), trade(1, symbol=symbol, says="LONG"), clock(9))
        [(ts, _, _)] = fills(session)
        delays.append((ts - at(1)) / 1e6)
    assert min(delays) > 50
    assert len(set(delays)) == 400
    assert 66 < statistics.fmean(delays) < 74


def test_jitter_may_be_all_there_is() -> None:
    session = Session(execution=ExecutionSettings(latency_jitter_ms=20)).feed(trade(1, says="LONG"))
    assert fills(session) == []
    assert len(fills(session.feed(clock(9)))) == 1


def test_an_order_without_a_price_at_its_fill_is_rejected_and_frees_its_symbol() -> None:
    session = Session(execution=SLOW)
    order = SubmitOrder("o", "A", BUY, D(1), "d", OrderRole.ENTRY)
    session.core.orders.add(order)
    session.core.tell(session.core.broker, order)
    session.feed(clock(1), clock(2))
    assert [fact.reason for fact in session.of(OrderRejected)] == ["no price seen yet"]
    assert session.core.orders_over_by == 0
    assert not session.core.orders.is_working("A")


# ------------------------------------------------------------------------------------------------ slippage


def slips(bps: float, seed: int = 7) -> list[float]:
    """Return by how many basis points many fills slipped, both ways."""
    settings = ExecutionSettings(slippage_model="random", slippage_bps=bps, seed=seed, fill="last")
    session = Session(execution=settings, risk=RiskSettings(cooldown_trades_after_loss=0))
    for second in range(0, 4000, 4):
        session.feed(trade(second, 100, says="LONG" if second % 8 else "SHORT"), trade(second + 2, 100 * 1.5))
        session.feed(trade(second + 3, 100))
    found = [fact.execution for fact in session.of(OrderFilled)]
    return [float(e.side.sign * (e.price / (100 if n % 2 == 0 else 150) - 1)) * 10_000 for n, e in enumerate(found)]


def test_random_slippage_is_against_us_with_the_mean_that_is_set() -> None:
    found = slips(2.0)
    assert len(found) > 1000
    assert min(found) >= 0
    assert 1.85 < statistics.fmean(found) < 2.15
    assert len(set(found)) > 1000


def test_the_seed_fixes_what_is_random() -> None:
    assert slips(2.0) == slips(2.0)
    assert slips(2.0) != slips(2.0, seed=8)


def test_what_is_random_about_an_order_is_its_own() -> None:
    """Whether another symbol trades as well changes nothing of it but the numbers of the inputs."""
    settings = ExecutionSettings(slippage_model="random", slippage_bps=5, latency_jitter_ms=100)

    def run(other: str | None) -> list[bytes]:
        session = Session(execution=settings).feed(
            trade(0, symbol="B", says=other), trade(0, says="LONG"), trade(2, 105), clock(9)
        )
        return encoded(fact for fact in session.of(OrderFilled) if fact.execution.symbol == "A")

    assert run("LONG") == run(None)
    assert len(run(None)) == 2


def test_the_largest_slippage_leaves_a_sale_something() -> None:
    settings = ExecutionSettings(slippage_model="random", slippage_bps=9_999)
    session = Session(execution=settings)
    for second in range(0, 200, 2):
        session.feed(trade(second, says="SHORT"), Command("flatten", at(second + 1)), Command("resume", at(second + 1)))
    prices = [price for _, _, price in fills(session)]
    assert prices
    assert min(prices) == D("1.000")


def test_the_cost_guard_knows_the_mean() -> None:
    execution = ExecutionSettings(slippage_model="random", slippage_bps=5)
    costs = CoreSettings(PATIENT, execution=execution).costs
    assert costs == Costs(target=0.01, slippage=0.0005, at_quote=True, fees=FeeModel(Decimal("0.0")))


# ----------------------------------------------------------------------------------------------- liquidity


def test_an_entry_fills_in_parts_as_others_trade_in_whole_shares() -> None:
    session = Session(execution=thin(), risk=TEN).feed(trade(0, size=1000, says="LONG"))
    assert fills(session) == []  # what was traded before it arrived is gone
    session.feed(trade(0.5, 100, 35), trade(0.6, 100, 4), trade(1, 100.2, 1), quote(1.1, 100.3, 100.4))
    assert fills(session) == [(at(0.5), D(3), D("100.0")), (at(1), D(1), D("100.2"))]
    session.feed(trade(1.2, 100.2, 1e6, bid=100.3, ask=100.4))
    assert fills(session)[2:] == [(at(1.2), D(6), D("100.4"))]
    assert held(session) == {"A": D(10)}
    assert len(session.of(PositionOpened)) == 3
    assert session.core.orders_over_by == 0


def test_an_order_for_a_fraction_fills_in_millionths() -> None:
    session = Session(execution=thin(), risk=RiskSettings(position_size=0.5)).feed(trade(0, says="LONG"))
    session.feed(trade(0.5, size=1.2345678), trade(1, size=100))
    assert [quantity for _, quantity, _ in fills(session)] == [D("0.123456"), D("0.376544")]


def test_others_trades_in_other_symbols_late_ones_and_those_before_the_arrival_fill_nothing() -> None:
    session = Session(execution=thin(latency_ms=500), risk=TEN).feed(trade(0, says="LONG"))
    session.feed(trade(0.4, size=1e6), trade(0.7, symbol="B", size=1e6), trade(0.3, size=1e6))
    assert fills(session) == []
    session.feed(trade(0.8, size=20))
    assert fills(session) == [(at(0.8), D(2), D("100.0"))]


def test_what_is_left_of_an_entry_is_canceled_when_patience_ends() -> None:
    session = Session(execution=thin(), risk=TEN).feed(trade(0, says="LONG"), trade(1, size=30), clock(5))
    assert canceled(session) == [(at(2), D(3))]
    assert held(session) == {"A": D(3)}
    assert not session.core.orders.is_working("A")
    session.feed(trade(6, size=1e6), trade(7, size=1e6, says="LONG"))
    assert held(session) == {"A": D(3)}
    assert session.verdicts == [None, Refusal.POSITION_OPEN]


def test_an_entry_that_found_nobody_frees_its_symbol() -> None:
    session = Session(execution=thin(), risk=TEN).feed(trade(0, says="LONG"), clock(3), trade(4, says="SHORT"))
    assert canceled(session) == [(at(2), D(0))]
    assert session.verdicts == [None, None]


def test_what_is_left_of_an_exit_goes_at_market_for_more_when_patience_ends() -> None:
    session = Session(execution=thin(impact_bps=10, fill="last"), risk=TEN)
    session.feed(trade(0, says="LONG"), trade(1, size=100), trade(2, 102), trade(3, 102, 40), trade(3.5, 103, 0))
    assert held(session) == {"A": D(6)}
    session.feed(clock(9))
    assert fills(session)[1:] == [(at(3), D(4), D("102.0")), (at(4), D(6), D("102.8970"))]
    [closed] = session.trades
    assert (closed.quantity, closed.exit_ts, closed.exit_reason) == (D(10), at(4), "TP")
    assert closed.exit_price == (4 * D(102) + 6 * D("102.897")) / 10


def test_an_exit_takes_back_what_is_left_of_its_entry_first() -> None:
    session = Session(execution=thin(), risk=TEN).feed(trade(0, says="LONG"), trade(1, size=30), trade(1.5, 90, 1))
    assert canceled(session) == [(at(1.5), D(3))]
    exits = [fact.order for fact in session.of(OrderSubmitted) if fact.order.role == "exit"]
    assert [(order.side, order.quantity, order.reason) for order in exits] == [(SELL, D(3), "SL")]
    session.feed(trade(1.6, 90, 30))
    assert session.exits == ["SL"]
    assert held(session) == {}


def test_the_tick_that_fills_the_rest_of_an_exit_opens_no_position() -> None:
    session = Session(execution=thin(), risk=TEN).feed(trade(0, says="LONG"), trade(1, size=100), trade(2, 102))
    session.feed(trade(2.5, 102, 1000, says="LONG"))
    assert session.exits == ["TP"]
    assert session.verdicts == [None, Refusal.POSITION_OPEN]


def test_the_exits_watch_from_the_tick_after_the_one_that_opened_the_position() -> None:
    session = Session(execution=thin(), risk=TEN).feed(trade(0, bid=99, ask=100, says="LONG"))
    session.feed(trade(1, 90, 1000))
    assert held(session) == {"A": D(10)}
    assert [fact.order.role for fact in session.of(OrderSubmitted)] == ["entry"]
    session.feed(trade(1.1, 90))
    assert [fact.order.reason for fact in session.of(OrderSubmitted)] == ["", "SL"]


def test_once_no_order_waits_the_trades_are_nobodys_business_but_the_strategys() -> None:
    session = Session(execution=thin(), risk=TEN).feed(trade(0, says="LONG"))
    context = session.core.contexts["A"]
    assert context.heeded
    session.feed(trade(1, size=1000), trade(2, 90), trade(3, 90, 1000))
    assert (session.exits, context.listener, context.heeded) == (["SL"], None, False)


# -------------------------------------------------------------------------------- cancels, halts, and the end


@pytest.mark.parametrize("execution", [SLOW, thin(), thin(latency_ms=500)], ids=["slow", "thin", "both"])
@pytest.mark.parametrize("command", ["halt", "flatten", "reduce"])
def test_a_command_takes_back_an_entry_that_waits(command: str, execution: ExecutionSettings) -> None:
    session = Session(execution=execution, risk=TEN).feed(trade(0, says="LONG"), Command(command, at(0.2)))
    assert canceled(session) == [(at(0.2), D(0))]
    session.feed(trade(0.3, size=1e6), trade(3, size=1e6), clock(9))
    assert fills(session) == []
    assert session.core.orders_over_by == 0


@pytest.mark.parametrize("command", ["halt", "flatten"])
def test_a_command_closes_what_was_filled_and_takes_back_the_rest(command: str) -> None:
    session = Session(execution=thin(), risk=TEN).feed(trade(0, says="LONG"), trade(1, size=30))
    session.feed(Command(command, at(1.2)), clock(9))
    assert canceled(session) == [(at(1.2), D(3))]
    assert [(t.quantity, t.exit_ts, t.exit_reason.lower()) for t in session.trades] == [(D(3), at(3.2), command)]


def test_a_halt_while_an_exit_waits_sends_no_second_one() -> None:
    session = Session(execution=thin(), risk=TEN).feed(trade(0, says="LONG"), trade(1, size=100), trade(2, 102))
    session.feed(Command("halt", at(2.1)), trade(2.5, 102, 40), clock(9))
    assert [fact.order.role for fact in session.of(OrderSubmitted)] == ["entry", "exit"]
    assert session.exits == ["TP"]
    assert held(session) == {}


def test_a_loss_limit_that_is_reached_while_an_entry_fills_takes_back_the_rest() -> None:
    risk = msgspec.structs.replace(TEN, starting_equity=1000, daily_loss_limit=-0.01)
    exits = msgspec.structs.replace(PATIENT, stop_loss=0.9)
    session = Session(execution=thin(), risk=risk, strategy=exits)
    session.feed(trade(0, says="LONG"), trade(1, size=40), trade(1.5, 90, 1), trade(1.6, 90, 1000))
    assert session.states == ["HALTED"]
    assert canceled(session) == [(at(1.5), D(4))]
    assert session.exits == ["HALT"]


def test_a_gap_loses_no_order() -> None:
    session = Session(execution=SLOW).feed(trade(0, says="LONG"), gap(0.1), gap(0.2, "A"), clock(1))
    assert held(session) == {"A": D(1)}


def test_a_cancel_of_an_order_that_does_not_wait_is_not_answered() -> None:
    session = Session(execution=thin())
    broker = session.core.broker
    assert broker is not None
    broker.receive(CancelOrder("nobody's"))
    session.feed(clock(1))
    assert [fact for fact in session.facts if isinstance(fact, OrderChanged)] == []


def test_what_waits_is_over_by_the_time_that_is_told() -> None:
    session = Session(execution=thin(latency_ms=500), risk=TEN).feed(trade(0, says="LONG"))
    assert session.core.orders_over_by == at(2.5)
    session.feed(clock(2.5))
    assert session.core.orders_over_by == 0


# ---------------------------------------------------------------------------------------------- whatever comes


def fed(core_settings: CoreSettings, events: list[Input]) -> tuple[list[Fact], Core]:
    facts: list[Fact] = []
    core = Core(core_settings, momentum_burst(core_settings.strategy), facts.append)
    core.run(events)
    core.finish()
    return facts, core


def of_orders(facts: list[Fact]) -> tuple[dict[str, OrderSubmitted], dict[str, list[Execution]]]:
    submitted = {fact.order.id: fact for fact in facts if isinstance(fact, OrderSubmitted)}
    executions: dict[str, list[Execution]] = {order: [] for order in submitted}
    for fact in facts:
        if isinstance(fact, OrderFilled):
            executions[fact.execution.order].append(fact.execution)
    return submitted, executions


@st.composite
def sessions(draw: st.DrawFn) -> tuple[CoreSettings, list[Input]]:
    """Draw a tape with commands in it, and settings with every model."""
    events = draw(tapes(most=250))
    for command in draw(st.lists(st.sampled_from(COMMANDS), max_size=4)):
        events.insert(draw(st.integers(0, len(events))), Command(command, 0, "test"))
    size = draw(st.sampled_from([0.5, 1.0, 7.0]))
    settings = draw(core_settings())
    risk = msgspec.structs.replace(settings.risk, position_size=size)
    return msgspec.structs.replace(settings, risk=risk, execution=draw(lifelike())), events


PLENTY = hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@PLENTY
@given(sessions())
def test_no_more_is_filled_than_was_ordered_and_positions_are_the_sums_of_fills(
    drawn: tuple[CoreSettings, list[Input]],
) -> None:
    facts, core = fed(*drawn)
    submitted, executions = of_orders(facts)
    sums: dict[str, Decimal] = {}
    for order, parts in executions.items():
        ordered = submitted[order].order
        assert sum(part.quantity for part in parts) <= ordered.quantity
        assert all(part.quantity > 0 and part.price > 0 for part in parts)
        assert len({part.id for part in parts}) == len(parts)
        for part in parts:
            sums[part.symbol] = sums.get(part.symbol, D(0)) + part.side.sign * part.quantity
    open_now = {symbol: p.side.sign * p.quantity for symbol, p in core.positions.open.items()}
    assert open_now == {symbol: total for symbol, total in sums.items() if total}
    for fact in facts:  # an exit is as large as what it closes: nothing is ever turned round
        if isinstance(fact, PositionOpened):
            assert submitted[f"paper.{fact.decision}.{fact.symbol}.entry.1"].order.side is side_of(fact)


def side_of(fact: PositionOpened) -> OrderSide:
    return BUY if fact.side is Side.LONG else SELL


@PLENTY
@given(sessions())
def test_nothing_is_filled_before_its_time_and_an_order_that_is_due_is_over(
    drawn: tuple[CoreSettings, list[Input]],
) -> None:
    settings, events = drawn
    facts, core = fed(settings, events)
    submitted, executions = of_orders(facts)
    latency = round(settings.execution.latency_ms * 1e6)
    for order, parts in executions.items():
        assert all(part.ts >= submitted[order].ts + latency for part in parts)
    working = core.orders.working
    assert bool(working) == bool(core.orders_over_by)
    assert core.orders_over_by == 0 or core.orders_over_by > core.now
    core.run([clock(10 * 24 * 3600)])
    core.run([clock(20 * 24 * 3600)])
    assert not working
    assert core.orders_over_by == 0


@PLENTY
@given(sessions())
def test_slippage_is_never_in_our_favour(drawn: tuple[CoreSettings, list[Input]]) -> None:
    """A fill is stated while the quote that it was made at is still in force."""
    settings, events = drawn
    quoted: list[tuple[Execution, float]] = []
    at_quote = settings.execution.fill == "quote"

    def see(fact: Fact) -> None:
        if isinstance(fact, OrderFilled):
            context = core.contexts[fact.execution.symbol]
            quote = (context.ask if fact.execution.side is BUY else context.bid) if at_quote else None
            quoted.append((fact.execution, context.price if quote is None else quote))

    core = Core(settings, momentum_burst(settings.strategy), see)
    core.run(events)
    for execution, price in quoted:
        assert execution.side.sign * (execution.price - D(repr(price))) >= 0


@PLENTY
@given(sessions())
def test_no_more_is_filled_than_a_share_of_what_others_traded_but_for_the_rest_of_an_exit(
    drawn: tuple[CoreSettings, list[Input]],
) -> None:
    settings, events = drawn
    x = settings.execution
    limited = msgspec.structs.replace(settings, execution=msgspec.structs.replace(x, liquidity="displayed"))
    facts, _ = fed(limited, events)
    submitted, executions = of_orders(facts)
    for order, parts in executions.items():
        fact = submitted[order]
        # A trade counts when it comes, and may be a second older than the others of that time.
        volumes = [(e.ts, D(repr(e.size))) for e in events if isinstance(e, Trade) and e.symbol == fact.order.symbol]
        last_due = max((part.ts for part in parts), default=0)
        filled = D(0)
        for part in parts:
            filled += part.quantity
            traded = sum(size for ts, size in volumes if fact.ts - 10**9 <= ts <= part.ts)
            rest = fact.order.role == "exit" and part.ts == last_due and filled == fact.order.quantity
            assert rest or filled <= D(str(x.participation)) * traded


@PLENTY
@given(sessions())
def test_the_same_inputs_and_seed_state_the_same_facts(drawn: tuple[CoreSettings, list[Input]]) -> None:
    assert encoded(fed(*drawn)[0]) == encoded(fed(*drawn)[0])
