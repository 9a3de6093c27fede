"""The size of an entry: never more than it was meant to cost or to risk, exact, and what the journal says of it."""

from __future__ import annotations

from decimal import Decimal, localcontext

import msgspec
import pytest
from hypothesis import given, strategies as st
from msgspec import UNSET

from actors.brokers.simulated import ExecutionSettings
from actors.engine.boundary import admit_signal
from actors.execution.policy import OrderSettings
from actors.messages import OrderSubmitted, Refusal, SignalRaised, Sized
from actors.risk.instruments import Instrument
from actors.risk.limits import LimitSettings
from actors.risk.risk import RiskSettings
from actors.risk.sizing import MILLIONTH, MOST_SHARES, WHOLE, SizeMethod, Sizing, arithmetic
from pipeline.events import Side, Signal
from pipeline.exits.listed import break_even, profit_target, stop_loss, trailing_stop
from pipeline.strategy import StrategyUse, default_exits
from tests.actors.test_several_strategies import Several
from tests.support.market import Quoted, quote, trade
from tests.support.sessions import PATIENT, RestingBroker, Session

D = Decimal
METHODS: tuple[SizeMethod, ...] = ("dollars", "percent", "risk_per_stop")
EQUITY_OF = D(10_000)
METHOD = st.sampled_from(METHODS)
AMOUNT = st.floats(0.01, 1e7)
PRICE = st.floats(0.0001, 1e6)
STOP = st.floats(0.0001, 0.5)
STEP = st.sampled_from((WHOLE, MILLIONTH))
EQUITY = st.decimals("0.01", "1e8", places=9)
SHARE = st.none() | st.floats(0.01, 1).map(lambda share: D(str(share)))
SIDE = st.sampled_from(list(Side))


def sized(
    method: SizeMethod,
    amount: float,
    price: float,
    step: Decimal = WHOLE,
    *,
    stop: float | None = 0.01,
    equity: Decimal = EQUITY_OF,
    share: Decimal | None = None,
    side: Side = Side.LONG,
) -> Sized:
    signal = Signal("A", 0, side, price)
    return Sizing(method, amount, step, lambda _: stop).size(signal, Quoted(price, price, price), equity, share)


# ------------------------------------------------------------------------------------------------ what is computed


@pytest.mark.parametrize(
    ("method", "amount", "step", "expected"),
    [
        ("dollars", 5_000, WHOLE, "20"),  # 5,000 / 249 = 20.08
        ("dollars", 5_000, MILLIONTH, "20.080321"),
        ("dollars", 248.99, WHOLE, "0"),
        ("dollars", 249, WHOLE, "1"),
        ("percent", 10, WHOLE, "4"),  # 1,000 of 10,000
        ("percent", 2.49, WHOLE, "1"),  # 249 exactly
        ("risk_per_stop", 50, WHOLE, "20"),  # 1 % of 249 is 2.49 a share
        ("risk_per_stop", 50, MILLIONTH, "20.080321"),
        ("risk_per_stop", 2.48, WHOLE, "0"),
    ],
)
def test_a_size_is_money_divided_by_what_a_share_costs_or_risks(
    method: SizeMethod, amount: float, step: Decimal, expected: str
) -> None:
    assert sized(method, amount, 249.0, step).quantity == D(expected)


@given(METHOD, AMOUNT, PRICE, STEP, STOP, EQUITY, SHARE, SIDE)
def test_an_entry_never_costs_or_risks_more_than_it_was_meant_to_and_one_step_more_would(
    method: SizeMethod,
    amount: float,
    price: float,
    step: Decimal,
    stop: float,
    equity: Decimal,
    share: Decimal | None,
    side: Side,
) -> None:
    found = sized(method, amount, price, step, stop=stop, equity=equity, share=share, side=side)
    with localcontext(prec=100):
        meant = D(str(amount)) * (share or 1) * (equity / 100 if method == "percent" else 1)
        each = D(repr(price)) * (D(str(stop)) if method == "risk_per_stop" else 1)
        assert found.quantity * each <= meant
        assert (found.quantity + step) * each > meant or found.quantity == MOST_SHARES
        assert found.quantity % step == 0
        assert 0 <= found.quantity <= MOST_SHARES


@given(METHOD, AMOUNT, AMOUNT, PRICE, PRICE, STEP)
def test_more_money_is_never_fewer_shares_and_a_dearer_share_never_more(
    method: SizeMethod, amount: float, other: float, price: float, dearer: float, step: Decimal
) -> None:
    less, more = sorted((amount, other))
    assert sized(method, less, price, step).quantity <= sized(method, more, price, step).quantity
    cheap, dear = sorted((price, dearer))
    assert sized(method, amount, dear, step).quantity <= sized(method, amount, cheap, step).quantity


@given(AMOUNT, PRICE, STOP, STOP)
def test_a_wider_stop_is_never_more_shares(amount: float, price: float, stop: float, other: float) -> None:
    near, far = sorted((stop, other))
    assert (
        sized("risk_per_stop", amount, price, stop=far).quantity
        <= sized("risk_per_stop", amount, price, stop=near).quantity
    )


@pytest.mark.parametrize("equity", ["0", "-100"])
def test_of_no_equity_a_part_is_nothing(equity: str) -> None:
    assert sized("percent", 10, 100.0, MILLIONTH, equity=D(equity)).quantity == 0


def test_where_no_stop_is_known_nothing_can_be_sized_by_it() -> None:
    found = sized("risk_per_stop", 100, 100.0, stop=None)
    assert (found.quantity, arithmetic(found)) == (D(0), "100 / 0 a share: no stop is known: 0 shares")


@pytest.mark.parametrize(("side", "quantity"), [(Side.LONG, "9"), (Side.SHORT, "10")])
def test_it_is_the_quote_to_trade_at_that_counts(side: Side, quantity: str) -> None:
    market = Quoted(100.0, 99.9, 100.1)
    found = Sizing("dollars", 1_000.0, WHOLE, lambda _: None).size(Signal("A", 0, side, 100.0), market, D(0), None)
    assert found.quantity == D(quantity)


# ---------------------------------------------------------------------------------------------------- its arithmetic


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (sized("dollars", 5_000, 187.5), "5,000 / 187.5 a share = 26.67, rounded down to 26 shares"),
        (sized("percent", 10, 249.0), "1,000 (10 % of 10,000) / 249 a share = 4.02, rounded down to 4 shares"),
        (
            sized("risk_per_stop", 50, 249.0, MILLIONTH),
            "50 / 2.49 a share to the stop (1 % of 249) = 20.08, rounded down to 20.080321 shares",
        ),
        (
            sized("dollars", 5_000, 100.0, share=D("0.5")),
            "2,500 after the strategy's share of 0.5 / 100 a share = 25.00, rounded down to 25 shares",
        ),
    ],
)
def test_the_arithmetic_is_told(found: Sized, said: str) -> None:
    assert arithmetic(found) == said
    assert msgspec.json.decode(msgspec.json.encode(found), type=Sized) == found  # as the journal has it


# ----------------------------------------------------------------------------------------------------- in a session


def risk(size: str, amount: float, **more: float) -> RiskSettings:
    return msgspec.convert({"size": size, "size_amount": amount} | more, RiskSettings)


def test_an_entry_has_the_size_that_its_signal_tells_of() -> None:
    session = Session(risk=risk("dollars", 1_000)).feed(quote(0, 99.0, 101.0), trade(0, says="LONG"))
    [order], [raised] = session.of(OrderSubmitted), session.of(SignalRaised)
    assert order.order.quantity == D("9.900990")  # 1,000 / 101, in millionths where fills are simulated
    assert isinstance(raised.sized, Sized)
    assert raised.sized.quantity == order.order.quantity


def test_at_a_venue_it_is_whole_shares_since_no_stop_rests_for_a_part_of_one() -> None:
    session = Session(risk=risk("dollars", 1_000), broker=RestingBroker(), orders=OrderSettings())
    [raised] = session.feed(trade(0, 101.0, says="LONG")).of(SignalRaised)
    assert isinstance(raised.sized, Sized)
    assert raised.sized.quantity == 9


def test_it_is_whole_lots_where_the_table_of_instruments_has_one() -> None:
    table = ExecutionSettings(instruments={"A": Instrument(lot=0.3)}, fill="last")
    session = Session(risk=risk("dollars", 1_000), execution=table)
    session.feed(trade(0, 101.0, says="LONG"), trade(1, 101.0, symbol="B", says="LONG"))
    assert session.verdicts == [None, None]
    assert [fact.order.quantity for fact in session.of(OrderSubmitted)] == [D("9.9"), D("9.900990")]


def test_the_stop_that_rests_at_the_venue_counts_where_it_is_the_nearest() -> None:
    orders = OrderSettings(protective_stop=0.004)
    session = Session(risk=risk("risk_per_stop", 10), broker=RestingBroker(), orders=orders)
    [raised] = session.feed(trade(0, 100.0, says="LONG")).of(SignalRaised)
    assert isinstance(raised.sized, Sized)
    assert (raised.sized.stop, raised.sized.quantity) == (0.004, D(25))


def test_a_size_of_nothing_is_refused_by_name_with_its_arithmetic() -> None:
    session = Session(risk=risk("percent", 0.0000001)).feed(trade(0, says="LONG"))
    [raised] = session.of(SignalRaised)
    assert raised.reason is Refusal.SIZE_ZERO
    assert isinstance(raised.sized, Sized)
    assert raised.sized.quantity == 0


def test_percent_follows_what_trades_earned() -> None:
    session = Session(risk=risk("percent", 10, cooldown_trades_after_loss=0))
    session.feed(trade(0, says="LONG"), trade(1, 60.0), trade(2, 100.0, says="LONG"))
    quantities = [fact.order.quantity for fact in session.of(OrderSubmitted) if fact.order.role == "entry"]
    assert quantities == [D(10), D("9.6")]  # ten shares lost 400


@pytest.mark.parametrize(
    ("exits", "expected"),
    [
        ([stop_loss(0.002), trailing_stop(0.001)], 0.001),
        ([stop_loss(0.002), trailing_stop(0.001, after=0.01)], 0.002),
        ([profit_target(0.01), break_even(0.001)], 0.005),  # the fallback's
        (default_exits(PATIENT), PATIENT.stop_loss),
        (lambda held, market: default_exits(PATIENT)(held, market), 0.005),
    ],
)
def test_the_stop_is_the_nearest_that_the_exits_know_of_or_else_the_fallback(exits: object, expected: float) -> None:
    strategy = msgspec.structs.replace(PATIENT, stop_loss=0.002) if expected != PATIENT.stop_loss else PATIENT
    session = Session(risk=risk("risk_per_stop", 1.0), exits=exits, strategy=strategy)  # type: ignore[arg-type]
    [raised] = session.feed(trade(0, says="LONG")).of(SignalRaised)
    assert isinstance(raised.sized, Sized)
    assert raised.sized.stop == expected


def test_exits_that_a_signal_carries_are_those_that_its_size_goes_by() -> None:
    context = Session().feed(trade(0)).core.contexts["A"]
    plain, carrying = (Signal("A", 0, Side.LONG, 100.0, exits=exits) for exits in (UNSET, [stop_loss(0.003)]))
    admitted = admit_signal(carrying, "A", 0, 0, 100.0)
    assert (context.stop_of(plain), context.stop_of(admitted)) == (PATIENT.stop_loss, 0.003)


def test_a_strategy_has_its_share_of_the_money() -> None:
    session = Several({"half": StrategyUse(symbols=("A",), share=0.5)}, risk=risk("dollars", 1_000))
    session.feed(trade(0, symbol="A", says="LONG"), trade(1, symbol="B", says="LONG"))
    quantities = {fact.order.symbol: fact.order.quantity for fact in session.of(OrderSubmitted)}
    assert quantities == {"A": 5, "B": 10}


def test_what_is_computed_is_still_held_against_the_limits() -> None:
    session = Session(risk=risk("dollars", 1_000), limits=LimitSettings(max_quantity=9)).feed(trade(0, says="LONG"))
    assert session.verdicts == [Refusal.MAX_QUANTITY]


# -------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": "percent"}, 'size = "percent" wants risk.size_amount, percent of the equity, such as 10'),
        ({"size": "dollars"}, 'size = "dollars" wants risk.size_amount, money, such as 1000'),
        ({"size_amount": 5.0}, 'size_amount is of size = "dollars", "percent" or "risk_per_stop": set risk.size'),
    ],
)
def test_a_size_without_what_it_needs_is_refused_in_one_sentence(values: dict[str, object], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said[:40]):
        msgspec.convert(values, RiskSettings)
