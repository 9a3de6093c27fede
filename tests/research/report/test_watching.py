"""Where a trade's money went, and how far prices went: of decisions on tapes of a few ticks."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors.engine.core import Core, CoreSettings, Input
from actors.messages import OrderFilled, PositionClosed, SignalRaised
from actors.orders import Execution, OrderRole, OrderSide, SubmitOrder
from pipeline.events import Clock, Quote, Side, Signal, Trade
from pipeline.strategy import StrategySettings, momentum_burst
from research.report import gathered, watching
from research.report.gathered import Bars, Gathered
from research.report.watching import Ways, widen
from research.statistics.chance import random_walk
from tests.research.report.gatherings import EAGER, decided, walked
from tests.support.market import at, clock, quote

QUICK = (
    *("strategy.window_size=5", "strategy.min_ticks=2", "strategy.volume_spike_multiplier=1"),
    *("strategy.volatility_guard_threshold=0.0005", "strategy.flat_seconds=60"),
)


def tick(seconds: float, price: float, size: float, bid: float, ask: float) -> Trade:
    return Trade("A", at(seconds), price, size, bid, ask)


def burst() -> list[Input]:
    """A quiet market, then a jump by 0.2 % with volume, at a quote of 100.18 to 100.22."""
    quiet: list[Input] = [tick(second, 100.0, 10, 99.99, 100.01) for second in range(7)]
    return [*quiet, tick(7, 100.2, 100, 100.18, 100.22)]


def only(found: Gathered) -> gathered.Trade:
    assert len(found.trades) == 1
    return found.trades[0]


def test_a_trade_goes_from_the_middle_at_its_signal_to_the_middle_at_its_exit_less_what_it_paid() -> None:
    then = [tick(8, 100.28, 10, 100.26, 100.30), tick(9, 100.40, 10, 100.36, 100.40)]
    trade = only(decided([*burst(), *then], *QUICK, "execution.fee_per_share=0.01", "risk.position_size=10"))
    # In: middle 100.20, ask 100.22. The target of 0.15 % is met at 100.40: middle 100.38, bid 100.36.
    assert trade.line.exit_reason == "TP"
    assert trade.costs is not None
    assert trade.costs.gross == pytest.approx((100.38 - 100.20) * 10)
    assert trade.costs.spread == pytest.approx((0.02 + 0.02) * 10)
    assert trade.costs.slippage == 0.0
    assert trade.costs.fees == pytest.approx(0.2)
    assert trade.costs.net == trade.line.pnl == pytest.approx(1.8 - 0.4 - 0.2)


def test_slippage_is_what_is_paid_beyond_the_side_of_the_quote() -> None:
    then = [tick(8, 100.5, 10, 100.48, 100.5)]
    trade = only(decided([*burst(), *then], *QUICK, "execution.slippage_bps=1"))
    assert trade.costs is not None
    assert trade.costs.slippage == pytest.approx((100.22 + 100.48) / 10_000)
    assert trade.costs.spread == pytest.approx(0.02 + 0.01)


def test_what_waiting_for_a_fill_costs_is_slippage() -> None:
    """The order is 100 ms on its way, and the quote goes up by a cent: the trigger stays the signal's quote."""
    then: list[Input] = [quote(7.05, 100.19, 100.23), clock(7.2), tick(8, 100.5, 10, 100.48, 100.5), clock(8.2)]
    trade = only(decided([*burst(), *then], *QUICK, "execution.latency_ms=100"))
    assert trade.line.entry_price == pytest.approx(100.23)
    assert trade.costs is not None
    assert trade.costs.slippage == pytest.approx(0.01)


def closed(entry: Decimal, out: Decimal) -> PositionClosed:
    """A finished trade of one share, without fees."""
    return PositionClosed(
        symbol="A",
        side=Side.LONG,
        quantity=Decimal(1),
        entry_ts=at(3),
        entry_price=entry,
        exit_ts=at(3),
        exit_price=out,
        exit_reason="TIME",
        pnl=out - entry,
        pnl_pct=0.0,
        fees=Decimal(0),
        equity=Decimal(1),
        decision="d",
        input=2,
    )


def test_an_entry_that_is_asked_for_again_is_measured_from_its_signal() -> None:
    core = Core(CoreSettings(), momentum_burst(StrategySettings()), lambda _: None)
    ways = Ways(core)
    core.run([tick(1, 100.0, 1, 99.9, 100.1)])
    signal = Signal("A", at(1), Side.LONG, 100.0, 0.0, 0.0, 0.0)
    ways.signal(SignalRaised(signal, "d", True, None, 1))
    core.run([quote(2, 100.9, 101.1)])
    for number, role, side, price in ((1, "entry", "BUY", "101.1"), (2, "exit", "SELL", "100.9")):
        order = SubmitOrder(str(number), "A", OrderSide(side), Decimal(1), "d", OrderRole(role))
        ways.ordered(order)
        done = Execution(order.id, order.id, "A", order.side, Decimal(1), Decimal(price), at(3))
        ways.filled(OrderFilled(done, "d", 2))
    costs = ways.closed(closed(Decimal("101.1"), Decimal("100.9")))
    assert costs is not None
    # The middle went from 100 to 101, the spread took 0.1 twice, and what came before the second order a whole dollar.
    assert (costs.gross, costs.spread, costs.slippage, costs.net) == (1.0, 0.2, 1.0, -0.2)


def test_a_trade_that_a_stop_closed_has_its_costs() -> None:
    """The stop's own price is its trigger: what the spread cost there is in the slippage."""
    core = Core(CoreSettings(), momentum_burst(StrategySettings()), lambda _: None)
    ways = Ways(core)
    core.run([tick(1, 100.0, 1, 99.9, 100.1)])
    stop = SubmitOrder("2", "A", OrderSide.SELL, Decimal(1), "d", OrderRole.STOP, stop=Decimal("99"))
    entry = SubmitOrder("1", "A", OrderSide.BUY, Decimal(1), "d", OrderRole.ENTRY)
    for order, price in ((entry, "100.1"), (stop, "98.8")):
        ways.ordered(order)
        done = Execution(order.id, order.id, "A", order.side, Decimal(1), Decimal(price), at(3))
        ways.filled(OrderFilled(done, "d", 2))
    costs = ways.closed(closed(Decimal("100.1"), Decimal("98.8")))
    assert costs is not None
    assert (costs.gross, costs.spread, costs.slippage, costs.net) == (-1.0, 0.1, 0.2, -1.3)
    assert not costs.is_all_quoted


@pytest.mark.parametrize("scale", ["1", "0.00000001234", "1000000"])
def test_the_steps_of_a_trade_are_the_same_share_of_any_price(scale: str) -> None:
    unit = Decimal(scale)
    core = Core(CoreSettings(), momentum_burst(StrategySettings()), lambda _: None)
    ways = Ways(core)
    ways_of = (("1", "BUY", "ENTRY", 100, "100.1"), ("2", "SELL", "EXIT", 101, "100.8"))
    for second, (number, side, role, middle, price) in enumerate(ways_of, 1):
        at_middle, half = middle * float(unit), 0.1 * float(unit)
        core.run([tick(second, at_middle, 1, at_middle - half, at_middle + half)])
        order = SubmitOrder(number, "A", OrderSide[side], Decimal(1), "d", OrderRole[role])
        ways.ordered(order)
        done = Execution(number, number, "A", order.side, Decimal(1), Decimal(price) * unit, at(3))
        ways.filled(OrderFilled(done, "d", 2))
    costs = ways.closed(closed(Decimal("100.1") * unit, Decimal("100.8") * unit))
    assert costs is not None
    shares = [step / float(unit) for step in (costs.gross, costs.spread or 0.0, costs.slippage, costs.net)]
    assert shares == pytest.approx([1.0, 0.2, 0.1, 0.7], rel=1e-6)


def test_without_quotes_the_last_price_is_the_middle_and_no_spread_is_told() -> None:
    events = [*burst(), tick(8, 100.5, 10, 100.48, 100.5)]
    bare = [Trade(e.symbol, e.ts, e.price, e.size) for e in events if isinstance(e, Trade)]
    trade = only(decided(bare, *QUICK))
    assert trade.costs is not None
    assert trade.costs.spread is None
    assert trade.costs.gross == pytest.approx(0.3)


def test_the_steps_of_every_trade_add_up() -> None:
    found = walked(2, 3_000, "execution.slippage_bps=0.5", "execution.fee_per_share=0.002", "execution.latency_ms=50")
    assert len(found.trades) > 20
    for trade in found.trades:
        costs = trade.costs
        assert costs is not None
        assert costs.spread is not None
        assert costs.gross - costs.spread - costs.slippage - costs.fees == pytest.approx(costs.net, abs=1e-6)
        assert costs.net == trade.line.pnl


def test_excursions_are_those_of_the_prices_that_the_exits_saw() -> None:
    then = [
        tick(8, 100.19, 10, 100.18, 100.2),  # 3 bp against the entry at 100.22
        tick(9, 100.30, 10, 100.29, 100.31),  # 8 bp for it
        tick(40, 90.0, 10, 89.9, 90.1),  # the time stop acted long before
    ]
    trade = only(decided([*burst(), *then], *QUICK))
    assert trade.line.exit_reason == "TIME"
    assert trade.worst == pytest.approx(100.19 / 100.22 - 1)
    assert trade.best == pytest.approx(100.30 / 100.22 - 1)


def test_the_tick_of_the_entry_is_no_excursion() -> None:
    """It printed at 100.20, and the entry was bought at 100.22: no exit has seen that price."""
    trade = only(decided([*burst(), tick(8, 100.25, 10, 100.24, 100.26), tick(40, 100.2, 1, 100.1, 100.3)], *QUICK))
    assert trade.worst == 0.0
    assert trade.best == pytest.approx(100.25 / 100.22 - 1)


def test_excursions_do_not_depend_on_how_a_tape_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = walked(5, 2_000)
    monkeypatch.setattr(watching, "_KEPT", 1)
    from research.report import sources
    from service import settings, strategies

    effective = settings.load(assignments=EAGER, environment={})
    cut = sources.decide([[event] for event in random_walk(5, 2_000)], effective, strategies.lineup(None, effective))
    assert [(t.worst, t.best, t.costs) for t in cut.trades] == [(t.worst, t.best, t.costs) for t in whole.trades]
    assert cut.bars == whole.bars
    assert len(whole.trades) > 10


def test_a_short_position_has_its_excursions_the_other_way_round() -> None:
    quiet: list[Input] = [tick(second, 100.0, 10, 99.99, 100.01) for second in range(7)]
    down = [*quiet, tick(7, 99.8, 100, 99.78, 99.82), tick(8, 99.81, 1, 99.8, 99.82), tick(9, 99.60, 1, 99.58, 99.62)]
    trade = only(decided(down, *QUICK))
    assert trade.line.side == "SHORT"
    assert trade.worst == pytest.approx(-(99.81 / 99.78 - 1))
    assert trade.best == pytest.approx(-(99.60 / 99.78 - 1))


def test_a_position_that_is_still_open_is_described_at_the_last_price() -> None:
    found = decided([*burst(), tick(8, 100.25, 10, 100.24, 100.26)], *QUICK)
    assert not found.trades
    (position,) = found.open
    assert (position["symbol"], position["side"], position["price"]) == ("A", "LONG", 100.25)
    assert position["open_pnl"] == pytest.approx(0.03)


def test_bars_that_are_made_wider_keep_the_last_price_of_each() -> None:
    bars = Bars(1, [10, 11, 12, 15], [1.0, 2.0, 3.0, 4.0])
    widen(bars, 5)
    assert (bars.width_s, bars.seconds, bars.prices) == (5, [10, 15], [3.0, 4.0])


def test_prices_are_kept_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MOST_BARS", 50)
    found = walked(1, 1_000)
    bars = found.bars["WALK"]
    assert len(bars.seconds) <= 51
    assert bars.width_s > 1
    assert bars.seconds == sorted(set(bars.seconds))


def test_late_ticks_are_no_part_of_prices() -> None:
    late = Trade("A", at(1), 500.0, 1, 499.0, 501.0)
    found = decided([*burst(), late, Quote("A", at(7.5), 100.18, 100.22), Clock(at(9))], *QUICK)
    assert max(found.bars["A"].prices) == 100.2
