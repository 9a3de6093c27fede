"""A day of round trips at the mock exchange: what the bot estimates is what the account is charged, to the cent."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from actors.brokers.alpaca import codec
from actors.brokers.simulated import ExecutionSettings
from actors.messages import FeesReconciled, OrderFilled, PositionClosed
from pipeline.events import SECOND
from pipeline.strategy import StrategySettings
from simulation.faults import EAGER, NONE, Faults, Scenario
from simulation.world import World

MINUTES = 40  # before midnight in New York, and a quarter of an hour after it
AFTER_S = 900
BUSY = StrategySettings(
    window_size=1.0,
    entry_threshold=0.00001,
    volume_spike_multiplier=0.01,
    volatility_guard_threshold=0.0,
    min_ticks=2,
    time_stop_seconds=2.0,
    profit_target=0.0003,
    stop_loss=0.0003,
)
"""Trades with every move, and leaves after two seconds at the latest."""


def midnight(*day: int, utc_hour: int) -> int:
    """Return the midnight of New York with which a day begins, in ns."""
    year, month, date = day
    return int(datetime(year, month, date, utc_hour, tzinfo=UTC).timestamp()) * SECOND


def ran(end: int, faults: Faults = NONE, quantity: float = 3.0) -> World:
    """Trade until midnight, and a while beyond it."""
    settings = msgspec.structs.replace(
        EAGER,
        strategy=BUSY,
        risk=msgspec.structs.replace(EAGER.risk, cooldown_trades_after_loss=0, position_size=quantity),
        execution=ExecutionSettings(fees="alpaca"),
    )
    world = World(3, Scenario(faults, settings, start=end - MINUTES * 60 * SECOND))
    world.run(MINUTES * 60 + AFTER_S)
    return world


def booked(world: World) -> dict[tuple[str, str], Decimal]:
    """Return what the venue lists as charged, by day and kind."""
    body = world.venue.ask("GET", "/v2/account/activities/FEE", b"", world.scheduler.now).body
    charges = map(codec.fee_charge, codec.decode(body, list[codec.ChargeBody]))
    return {(charge.day, charge.kind): charge.amount for charge in charges}


@pytest.mark.parametrize(
    ("end", "kinds"),
    [
        (midnight(2026, 9, 23, utc_hour=4), {"REG", "TAF", "CAT"}),
        (midnight(2026, 11, 28, utc_hour=5), {"REG", "CAT"}),  # in Q4 2026 the TAF is paused
    ],
)
def test_the_estimates_of_a_day_of_400_round_trips_equal_what_is_charged(end: int, kinds: set[str]) -> None:
    world = ran(end, quantity=70.0)
    day = str(datetime.fromtimestamp(end / SECOND - 86_400 / 2, UTC).date())
    facts = world.bot.audit.facts
    trades = [fact for fact in facts if isinstance(fact, PositionClosed) and fact.exit_ts < end]
    assert len(trades) >= 400

    charged = {kind: amount for (of, kind), amount in booked(world).items() if of == day}
    assert charged.keys() == kinds
    assert sum(charged.values()) > 1
    (told,) = (fact for fact in facts if isinstance(fact, FeesReconciled) and fact.date == day)
    assert told.expected == told.charged == charged
    assert told.residual == 0

    # The same by hand, of the fills that the bot stated: what was sold, and how many shares changed hands.
    fills = [f.execution for f in facts if isinstance(f, OrderFilled) and f.execution.ts < end]
    sold = [fill for fill in fills if fill.side == "SELL"]
    by_hand = {
        "REG": sum(fill.quantity * fill.price for fill in sold) * Decimal("20.60") / 1_000_000,
        "TAF": sum(fill.quantity for fill in sold) * Decimal("0.000195"),
        "CAT": sum(fill.quantity for fill in fills) * Decimal("0.000003"),
    }
    for kind in kinds:
        assert 0 <= charged[kind] - by_hand[kind] < Decimal("0.01")


def test_a_day_whose_fills_are_told_badly_is_estimated_to_the_cent_all_the_same() -> None:
    faults = Faults(
        double_update=0.3,
        late_update=0.2,
        lost_update=0.2,
        lost_answer=0.1,
        thin_book=True,
        roll_over_s=300,
        crash_s=400,
    )
    end = midnight(2026, 9, 23, utc_hour=4)
    world = ran(end, faults)
    told = [fact for bot in world.bots for fact in bot.audit.facts if isinstance(fact, FeesReconciled)]
    assert len(world.bots) > 2
    assert told
    assert {fact.date for fact in told} == {"2026-09-22"}
    assert told[-1].residual == 0


def test_the_fees_of_what_the_venue_undoes_go_from_the_estimate_and_from_the_charge() -> None:
    end = midnight(2026, 9, 23, utc_hour=4)
    world = ran(end, Faults(bust_s=60.0), quantity=70.0)
    assert world.venue.busts > 5
    told = [fact for fact in world.bot.audit.facts if isinstance(fact, FeesReconciled) and fact.date == "2026-09-22"]
    assert told[-1].expected == told[-1].charged
