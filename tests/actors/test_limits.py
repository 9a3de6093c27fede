"""Each limit refuses by name what breaks it, and nothing else."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from actors.engine.core import Core, CoreSettings
from actors.messages import Fact, Refusal, SignalRaised
from actors.portfolio.fees import FeeModel
from actors.risk.limits import Costs, Limits, LimitSettings, spread
from actors.risk.risk import RiskSettings
from pipeline.events import SECOND, Side, Signal, Trade
from pipeline.operators.lift import lift
from pipeline.strategy import Strategy, StrategySettings, default_exits
from tests.support.market import Quoted, quote, trade
from tests.support.sessions import Session

NOW = 1_767_623_400 * SECOND
FREE = Costs(target=0.0015, slippage=0.0, at_quote=True)


def refusal(
    settings: LimitSettings, market: Quoted | None = None, quantity: str = "10", costs: Costs = FREE
) -> Refusal | None:
    return Limits(settings, costs).refusal(market or Quoted(), Side.LONG, Decimal(quantity), NOW)


def test_without_limits_nothing_is_refused() -> None:
    assert refusal(LimitSettings(), Quoted(bid=1.0, ask=1000.0), "1000000") is None


@pytest.mark.parametrize(("quantity", "expected"), [("10", None), ("10.1", Refusal.MAX_QUANTITY)])
def test_an_oversized_order_is_refused(quantity: str, expected: Refusal | None) -> None:
    assert refusal(LimitSettings(max_quantity=10), quantity=quantity) is expected


@pytest.mark.parametrize(("quantity", "expected"), [("10", None), ("11", Refusal.MAX_NOTIONAL)])
def test_an_order_of_too_much_money_is_refused(quantity: str, expected: Refusal | None) -> None:
    assert refusal(LimitSettings(max_notional=1000), quantity=quantity) is expected


@pytest.mark.parametrize(("ask", "expected"), [(100.1, None), (100.3, Refusal.SPREAD)])
def test_a_wide_spread_is_refused(ask: float, expected: Refusal | None) -> None:
    assert refusal(LimitSettings(max_spread=0.002), Quoted(bid=100.0, ask=ask)) is expected


@pytest.mark.parametrize(
    ("settings", "market", "quantity"),
    [
        (LimitSettings(max_quantity=0.3), Quoted(), str(0.1 + 0.2)),
        (LimitSettings(max_notional=0.3), Quoted(price=0.1), "3"),
        (LimitSettings(max_spread=0.1), Quoted(price=1.0, bid=0.95, ask=1.05), "1"),
        (LimitSettings(price_collar=0.1), Quoted(price=1.0, bid=1.0, ask=1.1), "1"),
    ],
)
def test_exactly_the_limit_is_allowed_with_float_noise_forgiven(
    settings: LimitSettings, market: Quoted, quantity: str
) -> None:
    assert refusal(settings, market, quantity) is None


def test_a_round_trip_that_costs_exactly_the_target_is_not_too_dear() -> None:
    costs = Costs(target=0.3, slippage=0.0, at_quote=False, fees=FeeModel(per_share=Decimal("0.15")))
    assert not costs.too_dear(Quoted(price=1.0), NOW)
    assert not Costs(target=0.1, slippage=0.0, at_quote=True).too_dear(Quoted(1.0, 0.95, 1.05), NOW)


@pytest.mark.parametrize(
    ("side", "bid", "ask", "expected"),
    [
        (Side.SHORT, 98.0, 100.0, Refusal.PRICE_COLLAR),
        (Side.LONG, 98.0, 100.0, None),
        (Side.SHORT, 100.0, 102.0, None),
        (Side.LONG, 100.0, 102.0, Refusal.PRICE_COLLAR),
        (Side.LONG, None, None, None),
    ],
)
def test_the_collar_is_around_the_side_of_the_quote_that_is_traded_at(
    side: Side, bid: float | None, ask: float | None, expected: Refusal | None
) -> None:
    limits = Limits(LimitSettings(price_collar=0.01), FREE)
    assert limits.refusal(Quoted(bid=bid, ask=ask), side, Decimal(1), NOW) is expected


def test_of_several_limits_the_first_is_named() -> None:
    """In the order of the settings; each one that is lifted lets the next be named."""
    broken = {"max_quantity": 1, "max_notional": 1, "max_spread": 0.001, "price_collar": 0.001}
    named = []
    while broken:
        limits = Limits(msgspec.convert({**broken, "repeat_seconds": 5, "orders_per_second": 1}, LimitSettings), FREE)
        named.append(limits.refusal(Quoted(bid=99.0, ask=101.0), Side.LONG, Decimal(10), NOW))
        del broken[next(iter(broken))]
    assert named == [Refusal.MAX_QUANTITY, Refusal.MAX_NOTIONAL, Refusal.SPREAD, Refusal.PRICE_COLLAR]


def test_what_costs_too_much_is_named_before_a_repeat_and_that_before_the_rate() -> None:
    settings = LimitSettings(repeat_seconds=5, orders_per_second=1)
    for dear, expected in ((True, Refusal.COST), (False, Refusal.REPEATED)):
        limits = Limits(settings, Costs(0.001, 0.01, at_quote=True), refuse_dear=dear)
        limits.entered("AAPL", Side.LONG, Decimal(1), NOW)
        assert limits.refusal(Quoted(), Side.LONG, Decimal(1), NOW) is expected
        assert limits.refusal(Quoted(), Side.SHORT, Decimal(1), NOW) is (expected if dear else Refusal.RATE_LIMIT)


def test_there_is_no_spread_without_a_quote() -> None:
    assert spread(Quoted(bid=None, ask=None)) == 0.0


@pytest.mark.parametrize(("guard", "expected"), [("off", None), ("warn", None), ("refuse", Refusal.COST)])
def test_only_a_refusing_cost_guard_refuses_what_cannot_pay_for_itself(guard: str, expected: Refusal | None) -> None:
    risk = RiskSettings(cost_guard=guard)  # type: ignore[arg-type]  # a parameter's str is no Literal
    session = Session(strategy=StrategySettings(profit_target=0.0015), risk=risk)
    session.feed(quote(0, 99.9, 100.1), trade(1, 100, says="LONG"))
    assert session.verdicts == [expected]


def test_a_round_trip_costs_spread_slippage_and_fees_twice() -> None:
    fees = FeeModel(per_share=Decimal("0.005"))
    costs = Costs(target=0.0015, slippage=0.0001, at_quote=True, fees=fees)
    assert costs.round_trip(Quoted(bid=99.95, ask=100.05), NOW) == pytest.approx(0.001 + 0.0002 + 0.0001)


def test_a_share_of_less_than_one_pays_its_fees_and_has_a_collar_too() -> None:
    market = Quoted(price=0.5, bid=0.5, ask=0.6)
    costs = Costs(0.0015, 0.0, at_quote=False, fees=FeeModel(per_share=Decimal("0.005")))
    assert costs.round_trip(market, NOW) == pytest.approx(0.02)
    assert refusal(LimitSettings(price_collar=0.1), market) is Refusal.PRICE_COLLAR


def test_at_last_prices_the_spread_costs_nothing() -> None:
    assert Costs(0.0015, 0.0, at_quote=False).round_trip(Quoted(bid=90.0, ask=110.0), NOW) == 0.0


def test_entries_beyond_the_rate_are_refused_until_a_second_has_passed() -> None:
    limits = Limits(LimitSettings(orders_per_second=2), FREE)
    for _ in range(2):
        assert limits.refusal(Quoted(), Side.LONG, Decimal(1), NOW) is None
        limits.entered("AAPL", Side.LONG, Decimal(1), NOW)
    assert limits.refusal(Quoted(), Side.LONG, Decimal(1), NOW + SECOND - 1) is Refusal.RATE_LIMIT
    assert limits.refusal(Quoted(), Side.LONG, Decimal(1), NOW + SECOND) is None


def test_an_identical_entry_is_refused_until_its_time_has_passed_but_another_is_not() -> None:
    limits = Limits(LimitSettings(repeat_seconds=5), FREE)
    limits.entered("AAPL", Side.LONG, Decimal(1), NOW)
    assert limits.refusal(Quoted(), Side.LONG, Decimal(1), NOW + 5 * SECOND - 1) is Refusal.REPEATED
    assert limits.refusal(Quoted(), Side.LONG, Decimal(1), NOW + 5 * SECOND) is None
    assert limits.refusal(Quoted(), Side.SHORT, Decimal(1), NOW) is None
    assert limits.refusal(Quoted(), Side.LONG, Decimal(2), NOW) is None


def test_a_runaway_strategy_is_throttled_by_name() -> None:
    """A strategy that signals at every tick and loses its position at once never gets beyond the rate."""

    def every_tick(ticks: object) -> object:
        def make(emit: object, scheduler: object) -> object:
            from pipeline.operators.lift import Step

            def on_next(tick: Trade) -> None:
                emit(Signal(tick.symbol, tick.ts, Side.LONG, tick.price, 0.0, 0.0, 0.0))  # type: ignore[operator]

            return Step(on_next)

        return lift(make)(ticks)  # type: ignore[arg-type]

    exits = default_exits(StrategySettings(time_stop_seconds=0.0001))
    facts: list[Fact] = []
    settings = CoreSettings(limits=LimitSettings(orders_per_second=5))
    core = Core(settings, Strategy("runaway", every_tick, exits), facts.append)  # type: ignore[arg-type]
    core.run(Trade("AAPL", NOW + n * SECOND // 1000, 100.0, 1.0) for n in range(1000))
    raised = [fact for fact in facts if isinstance(fact, SignalRaised)]
    assert sum(fact.approved for fact in raised) == 5
    assert sum(fact.reason is Refusal.RATE_LIMIT for fact in raised) > 900
