"""external: the last word from outside, for as long as it is fresh; an input like every other."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from actors.messages import Command, Refusal, SignalRaised
from pipeline import operators as op
from pipeline.checked import WrongValue
from pipeline.events import ExternalSignal, Side
from tests.support.market import at, gap, trade
from tests.support.sessions import Session, encoded


def said(
    second: float, value: float = 1.0, name: str = "desk", symbol: str = "A", number: int = 1, until: float = 0
) -> ExternalSignal:
    return ExternalSignal(name, symbol, value, str(number), at(second), at(until) if until else 0)


def desk(ticks: Any) -> Any:
    """Do what the desk says, within 5 s."""
    return ticks.pipe(
        op.readings(desk=op.external("desk", within=5), age=op.external_age("desk")),
        op.when(op.above("desk", 0.5), go="LONG"),
        op.when(op.below("desk", -0.5), go="SHORT"),
        op.once_per("word from the desk"),
    )


def seen(*events: Any, within: float = 5.0, otherwise: float = 0.0) -> list[tuple[float, float]]:
    """Return value and age at each tick."""
    found: list[tuple[float, float]] = []

    def watching(ticks: Any) -> Any:
        indicators = {"desk": op.external("desk", within=within, otherwise=otherwise), "age": op.external_age("desk")}

        def note(frame: Any) -> float:
            found.append((frame["desk"], frame["age"]))
            return 0.0

        return ticks.pipe(
            op.readings(**indicators), op.running_condition("noted", lambda: note, either_way=1.0), op.bursts()
        )

    Session(entries=watching).feed(*events)
    return found


DAY = 86_400.0


def test_the_last_word_holds_for_as_long_as_it_is_fresh_and_is_as_old_as_it_is() -> None:
    told = [trade(0), said(1), trade(2), trade(6), trade(7), said(8, -1.0), said(8.5, 0.25), trade(9)]
    assert seen(*told) == [(0.0, DAY), (1.0, 1.0), (1.0, 5.0), (0.0, 6.0), (0.25, 0.5)]


def test_what_is_said_may_be_good_for_less_and_stands_for_another_number_where_nothing_was() -> None:
    told = [trade(0), said(1, until=3), trade(2), trade(3)]
    assert seen(*told, otherwise=-7.0) == [(-7.0, DAY), (1.0, 1.0), (-7.0, 2.0)]


def test_another_name_and_another_symbol_are_not_heard() -> None:
    assert seen(trade(0), said(1, name="other"), said(1, symbol="B"), trade(2)) == [(0.0, DAY), (0.0, DAY)]


def test_a_gap_restarts_the_strategy_and_leaves_what_was_said() -> None:
    assert seen(trade(0), said(1), gap(2), trade(3)) == [(0.0, DAY), (1.0, 2.0)]


def test_two_symbols_hear_each_their_own() -> None:
    session = Session(entries=desk).feed(
        trade(0), trade(0, symbol="B"), said(1, symbol="B", value=-1.0), trade(2), trade(2, symbol="B")
    )
    assert [(fact.signal.symbol, fact.signal.side) for fact in session.of(SignalRaised)] == [("B", Side.SHORT)]


def test_a_signal_carries_what_was_said_and_in_force_and_passes_through_risk() -> None:
    words = said(1)
    session = Session(entries=desk).feed(trade(0), words, trade(2), trade(10), said(11, number=2), trade(12))
    first, second = session.of(SignalRaised)
    assert (first.signal.external, first.approved) == ((words,), True)
    assert session.verdicts == [None, Refusal.POSITION_OPEN]
    assert [one.id for one in second.signal.external or ()] == ["2"]


def test_a_paused_bot_refuses_the_entry_as_that_of_any_other_signal() -> None:
    session = Session(entries=desk).feed(trade(0), Command("pause", at(0.5)), said(1), trade(2))
    assert session.verdicts == [Refusal.PAUSED]


def test_an_author_cannot_say_that_something_was_said_from_outside() -> None:
    from pipeline.events import Signal
    from pipeline.operators.lift import Step

    def lying(ticks: Any) -> Any:
        def make(emit: Any, scheduler: Any) -> Step:
            return Step(lambda tick: emit(Signal(tick.symbol, tick.ts, Side.LONG, tick.price, external=(said(0),))))

        return ticks.pipe(op.lift(make))

    session = Session(entries=lying).feed(trade(1))
    assert session.of(SignalRaised)[0].signal.external is UNSET


def test_the_same_inputs_state_the_same_facts() -> None:
    events = [trade(n / 2) for n in range(40)]
    events[10:10] = [said(4.6)]  # type: ignore[list-item]
    events[30:30] = [said(14.1, -1.0, number=2)]  # type: ignore[list-item]
    once, twice = (Session(entries=desk).feed(*events) for _ in range(2))
    assert encoded(once.facts) == encoded(twice.facts)
    assert len(once.of(SignalRaised)) == 2


def test_outside_of_a_bot_nothing_is_heard() -> None:
    from reactivex import from_iterable

    frames: list[Any] = []
    from_iterable([trade(0), trade(1)]).pipe(op.readings(desk=op.external("desk"))).subscribe(frames.append)
    assert [frame["desk"] for frame in frames] == [0.0, 0.0]


@pytest.mark.parametrize("wrong", [{"name": ""}, {"within": 0}, {"within": 86_401}, {"otherwise": float("nan")}])
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(WrongValue):
        op.external(**{"name": "desk"} | wrong)
