"""Several strategies in one core: each has its own symbols, exits, share of the risk, figures and failures."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from reactivex import Observable, operators as rx

from actors.book import Book, StrategyDay
from actors.engine.core import Core, CoreSettings, Input
from actors.messages import Fact, OrderSubmitted, PositionClosed, Refusal, SignalRaised, StrategyHalted
from actors.risk.limits import LimitSettings
from actors.risk.risk import RiskSettings
from microbot.testing.hypothesis import ticks
from pipeline.events import Signal, Trade
from pipeline.exits import ExitSignal, Held, Market
from pipeline.strategy import Strategies, Strategy, StrategySettings, StrategyUse, default_exits, momentum_burst
from tests.support.market import quote, trade
from tests.support.sessions import PATIENT, on_demand

DAY = 24 * 3600
RISK = RiskSettings(position_size=100, daily_loss_limit=-0.02, cooldown_trades_after_loss=0, fallback_stop=0.9)
Make = Callable[[StrategySettings], Strategy]


def use(*symbols: str, share: float = 1.0, **values: Any) -> StrategyUse:
    return StrategyUse(symbols=symbols, share=share, **(msgspec.structs.asdict(PATIENT) | values))


def on_call(settings: StrategySettings) -> Strategy:
    return Strategy("on call", on_demand, default_exits(settings))


class Several:
    """A core with strategies that signal on demand, unless `makes` says otherwise."""

    def __init__(self, uses: dict[str, StrategyUse], makes: dict[str, Make] | None = None, **sections: Any) -> None:
        self.facts: list[Fact] = []
        self.settings = CoreSettings(PATIENT, **({"risk": RISK} | sections), strategies=uses)
        named = {name: (makes or {}).get(name, on_call)(found) for name, found in uses.items()}
        self.core = Core(self.settings, Strategies(on_call(PATIENT), named), self.facts.append)

    def feed(self, *events: Input) -> Several:
        self.core.run(events)
        return self

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    @property
    def verdicts(self) -> list[tuple[str, Refusal | None]]:
        return [(fact.signal.symbol, fact.reason) for fact in self.of(SignalRaised)]

    def figures(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.core.summary()["strategies"][name]  # type: ignore[index]
        return found


def buy(seconds: float, symbol: str, price: float = 100.0) -> Trade:
    return trade(seconds, price, symbol=symbol, says="LONG")


# --------------------------------------------------------------------------------------- whose symbol it is


def test_each_symbol_has_the_exits_of_its_strategy() -> None:
    session = Several({"quick": use("A", time_stop_seconds=2.0), "slow": use("B", time_stop_seconds=5.0)})
    session.feed(buy(0, "A"), buy(0, "B"), buy(0, "C"), trade(10, symbol="A"))
    assert [(done.symbol, done.exit_ts - done.entry_ts) for done in session.of(PositionClosed)] == [
        ("A", 2_000_000_000),
        ("B", 5_000_000_000),
    ]


def test_a_failure_costs_the_symbols_of_its_strategy_alone() -> None:
    def raises(settings: StrategySettings) -> Strategy:
        def fail(tick: Trade) -> Signal:
            raise RuntimeError

        def entries(ticks: Observable[Trade]) -> Observable[Signal]:
            return ticks.pipe(rx.map(fail))

        return Strategy("raises", entries, default_exits(settings))

    session = Several({"bad": use("A", "B"), "good": use("C")}, {"bad": raises})
    session.feed(buy(0, "A"), buy(1, "B"), buy(2, "C"), buy(3, "D"))
    assert session.verdicts == [("C", None), ("D", None)]
    assert [session.figures(name)["failures"] for name in ("bad", "good", "default")] == [2, 0, 0]


def test_settings_that_name_a_strategy_that_is_not_given_are_refused() -> None:
    with pytest.raises(ValueError, match="that were not given: cross"):
        Core(CoreSettings(strategies={"cross": use("A")}), on_call(PATIENT))


@given(ticks(), ticks())
def test_each_decides_beside_others_what_it_decides_alone(first: list[Trade], second: list[Trade]) -> None:
    """Signals and trades, but for what counts for all of them: inputs, and the equity."""
    values = {"A": {"entry_threshold": 0.0006}, "B": {"entry_threshold": 0.0009, "min_ticks": 2}}
    tape = first + [msgspec.structs.replace(tick, symbol="B") for tick in second]
    tape.sort(key=lambda tick: tick.ts)

    def decided(core: Core, facts: list[Fact], symbol: str) -> list[Any]:
        core.run(tape)
        return [
            (fact.signal, fact.reason) if isinstance(fact, SignalRaised) else (fact.entry_ts, fact.exit_ts, fact.pnl)
            for fact in facts
            if isinstance(fact, SignalRaised | PositionClosed)
            and (fact.signal.symbol if isinstance(fact, SignalRaised) else fact.symbol) == symbol
        ]

    for symbol, own in values.items():
        settings = StrategySettings(**own)  # type: ignore[arg-type]
        alone: list[Fact] = []
        core = Core(CoreSettings(settings), momentum_burst(settings), alone.append)
        uses = {name: StrategyUse(symbols=(name,), **found) for name, found in values.items()}  # type: ignore[arg-type]
        named = {name: momentum_burst(found) for name, found in uses.items()}
        facts: list[Fact] = []
        beside = Core(
            CoreSettings(strategies=uses), Strategies(momentum_burst(StrategySettings()), named), facts.append
        )
        assert decided(beside, facts, symbol) == decided(core, alone, symbol)


def test_the_cost_guard_goes_by_the_target_of_the_symbols_strategy() -> None:
    session = Several(
        {"near": use("A", profit_target=0.0001)},
        risk=msgspec.structs.replace(RISK, cost_guard="refuse"),
        limits=LimitSettings(),
    )
    session.feed(quote(0, 99.9, 100.1, symbol="A"), quote(0, 99.9, 100.1, symbol="B"), buy(1, "A"), buy(2, "B"))
    assert session.verdicts == [("A", Refusal.COST), ("B", None)]


# ---------------------------------------------------------------------------------------- its share of the risk


def test_a_share_is_that_of_the_size_of_a_position() -> None:
    session = Several({"half": use("A", share=0.5), "tenth": use("B", share=0.1)})
    session.feed(buy(0, "A"), buy(1, "B"), buy(2, "C"))
    assert [fact.order.quantity for fact in session.of(OrderSubmitted)] == [50, 10, 100]


def lost(share: float = 0.5) -> Several:
    """`half` may lose 1 % of 10,000 in a day: 100, which is 2 of the price of its 50 shares."""
    session = Several({"half": use("A", "B", share=share, stop_loss=0.5), "other": use("C", stop_loss=0.5)})
    return session.feed(buy(0, "A"), buy(0, "C"), trade(1, 98.01, symbol="A"))


def test_up_to_its_share_of_the_loss_limit_it_goes_on() -> None:
    assert lost().of(StrategyHalted) == []


def test_its_open_loss_halts_it_and_nothing_else() -> None:
    session = lost().feed(trade(2, 98.0, symbol="A"), buy(3, "B"), buy(4, "D"))
    [halted] = session.of(StrategyHalted)
    assert (halted.strategy, halted.symbols) == ("half", ("A", "B"))
    assert [(done.symbol, done.exit_reason) for done in session.of(PositionClosed)] == [("A", "HALT")]
    assert session.verdicts[-2:] == [("B", Refusal.STRATEGY_HALTED), ("D", None)]
    assert "C" in session.core.positions.open
    assert session.core.risk.state == "ACTIVE"
    assert [session.figures(name)["halted"] for name in ("half", "other", "default")] == [True, False, False]


def test_finished_and_open_losses_of_its_symbols_count_together() -> None:
    session = Several({"half": use("A", "B", share=0.5, stop_loss=0.01)})
    session.feed(buy(0, "A"), trade(1, 99, symbol="A"))  # stopped out at 99: it has lost 50
    session.feed(buy(2, "B"), trade(3, 99.01, symbol="B"))
    assert session.of(StrategyHalted) == []
    session.feed(trade(4, 98.9, symbol="B"))
    assert [halted.strategy for halted in session.of(StrategyHalted)] == ["half"]


def losing_half(settings: StrategySettings) -> Strategy:
    def below_99(tick: Trade) -> bool:
        return tick.price <= 99

    def half_of(tick: Trade) -> ExitSignal:
        return ExitSignal(tick.symbol, "SL", 0.5)

    def half_below_99(held: Held, market: Market) -> Observable[ExitSignal]:
        return market.ticks.pipe(rx.filter(below_99), rx.map(half_of))

    return Strategy("loses half", on_demand, half_below_99)


def test_the_loss_of_a_part_counts_at_once_and_over_a_restart() -> None:
    uses = {"half": use("A", share=0.5)}
    session = Several(uses, {"half": losing_half}).feed(buy(0, "A"), trade(1, 98.1, symbol="A"))  # 25 x 1.9 are lost
    session.feed(trade(2, 97.91, symbol="A"))
    assert session.of(StrategyHalted) == []
    book = session.core.book()
    for life in (session, Several(uses, {"half": losing_half}).feed(book)):
        life.feed(trade(3, 97.9, symbol="A"))  # of the others, 25 x 2.1
        assert [halted.strategy for halted in life.of(StrategyHalted)] == ["half"]


def test_the_next_trading_day_lifts_it() -> None:
    session = lost().feed(trade(2, 98.0, symbol="A"), buy(DAY, "A"))
    assert session.verdicts[-1] == ("A", None)
    assert session.figures("half")["halted"] is False


def test_a_restart_does_not_lift_it_and_goes_on_counting() -> None:
    before = lost().feed(trade(2, 98.0, symbol="A"))
    book = msgspec.json.decode(msgspec.json.encode(before.core.book()), type=Book)
    assert book.strategies == {"half": StrategyDay(Decimal(-100), True), "other": StrategyDay(Decimal(0))}
    after = Several(dict(before.settings.strategies)).feed(book, buy(10, "B"))
    assert after.verdicts == [("B", Refusal.STRATEGY_HALTED)]


def test_what_was_lost_before_a_restart_counts_after_it() -> None:
    before = Several({"half": use("A", share=0.5, stop_loss=0.01)}).feed(buy(0, "A"), trade(1, 99, symbol="A"))
    after = Several({"half": use("A", share=0.5, stop_loss=0.5)}).feed(before.core.book())
    after.feed(buy(10, "A"), trade(11, 99.01, symbol="A"))
    assert after.of(StrategyHalted) == []
    after.feed(trade(12, 98.9, symbol="A"))
    assert len(after.of(StrategyHalted)) == 1


# ------------------------------------------------------------------------------------------- figures, and nothing else


def test_the_figures_of_all_strategies_add_up_to_those_of_the_account() -> None:
    session = Several({"one": use("A"), "two": use("B", share=0.5)})
    session.feed(*(buy(0, symbol) for symbol in "ABC"), *(buy(1, symbol) for symbol in "ABC"))
    session.feed(*(trade(2, price, symbol=symbol) for symbol, price in (("A", 102), ("B", 98), ("C", 103))))
    summary: dict[str, Any] = session.core.summary()
    rows = summary["strategies"]
    assert {name: row["symbols"] for name, row in rows.items()} == {"one": ["A"], "two": ["B"], "default": ["C"]}
    assert {name: row["total_pnl"] for name, row in rows.items()} == {"one": 200.0, "two": -100.0, "default": 300.0}
    for name in ("trades", "wins", "losses", "total_pnl"):
        assert sum(row[name] for row in rows.values()) == summary[name]
    for name in ("signals", "approved"):
        assert sum(row[name] for row in rows.values()) == summary["funnel"][name]
    assert all(row["refusals"] == {"POSITION_OPEN": 1} for row in rows.values())


def test_with_one_strategy_nothing_is_told_of_several() -> None:
    core = Core(CoreSettings(PATIENT), on_call(PATIENT))
    core.run([buy(0, "A")])
    assert "strategies" not in core.summary()
    assert b"strategies" not in msgspec.json.encode(core.book())
