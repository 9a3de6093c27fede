"""A morning as Alpaca's stream tells it, in its documented forms, from the frames to the decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from actors.engine.core import Core, CoreSettings, Input
from actors.messages import Fact, SignalRaised
from mock_exchange.alpaca.data_schema import Codec, streamed
from mock_exchange.faults import Faults
from mock_exchange.market import tape
from mock_exchange.prints import Reports
from mock_exchange.settings import ExchangeSettings
from mock_exchange.venue_state import VenueState
from pipeline.admission import Admission, AdmissionSettings
from pipeline.events import SECOND, Gap, Prints, Refused, Trade
from pipeline.strategy import StrategySettings, momentum_burst
from pipeline.venue_clock import VenueClock
from pipeline.venues.alpaca import AlpacaDialect
from pipeline.venues.conditions import UNDONE, PrintKind
from pipeline.venues.dialect import nanoseconds
from tests.support.alpaca_stream import BEGUN, GREETING, OTHERS, a_morning, of_every_form, stripped

RISING = StrategySettings(time_stop_seconds=5)


class Heard:
    """A dialect, admission and core that are told messages, each at the time that it has."""

    def __init__(self, *, strategy: StrategySettings = RISING) -> None:
        self.inputs: list[Input] = []
        self.facts: list[Fact] = []
        self.core = Core(CoreSettings(strategy=strategy), momentum_burst(strategy), self.facts.append)
        self._dialect = AlpacaDialect("K", "S", ["AAPL", "F"])
        clock = VenueClock()
        clock.declare(BEGUN, 1.0, 0)
        self._admission = Admission(AdmissionSettings(), clock, ["AAPL", "F"])

    def take(self, messages: Sequence[dict[str, Any]], ts: int) -> None:
        turn = self._dialect.received([msgspec.json.encode(messages)])
        assert (turn.failed, turn.lost) == ("", "")
        admitted = self._admission.admit(turn.events, ts - BEGUN)
        self.inputs += admitted
        self.core.run(admitted)

    def hear(self, day: Iterable[tuple[int, dict[str, Any]]]) -> Heard:
        for message in GREETING:
            self.take([message], BEGUN)
        for ts, message in day:
            self.take([message], ts)
        return self

    def counted(self, kind: type[Refused | Prints]) -> dict[str, int]:
        found: dict[str, int] = {}
        for event in self.inputs:
            if isinstance(event, kind):
                name = event.reason if isinstance(event, Refused) else event.kind
                found[name] = found.get(name, 0) + event.count
        return found

    @property
    def signals(self) -> list[tuple[int, str, float, float, float]]:
        found = [fact for fact in self.facts if isinstance(fact, SignalRaised)]
        return [(f.signal.ts, f.signal.side, f.signal.price, f.signal.momentum, f.signal.volume_ratio) for f in found]


AVERAGE = {"c": [" ", "B"], "z": "A", "s": 125_984}
"""An average price, as one was printed of a stock on tape A: 4.8 % away from the market."""


def with_average(day: list[tuple[int, dict[str, Any]]], at_s: float) -> list[tuple[int, dict[str, Any]]]:
    """Add an average price at a time of the morning."""
    ts = BEGUN + round(at_s * SECOND)
    place = next(n for n, (when, _) in enumerate(day) if when >= ts)
    last = next(m for _, m in reversed(day[:place]) if m["T"] == "t" and m["S"] == "F")
    average = last | AVERAGE | {"p": round(last["p"] * 1.048, 2), "i": 900_000}
    return [*day[:place], (day[place][0], average | {"t": day[place][1]["t"]}), *day[place:]]


@pytest.mark.parametrize("at_s", [20, 37, 49.5, 51, 70])
def test_an_average_price_far_away_moves_no_signal_and_moves_one_without_its_condition(at_s: float) -> None:
    day = a_morning()
    told = Heard().hear(day)
    assert len(told.signals) > 3
    averaged = with_average(day, at_s)
    assert Heard().hear(averaged).signals == told.signals
    assert Heard().hear(stripped(averaged)).signals != Heard().hear(stripped(day)).signals


def test_a_replay_of_what_was_let_in_decides_alike() -> None:
    told = Heard().hear(with_average(a_morning(), 30))
    again: list[Fact] = []
    Core(CoreSettings(strategy=RISING), momentum_burst(RISING), again.append).run(told.inputs)
    assert msgspec.json.encode(again) == msgspec.json.encode(told.facts)


def test_the_sizes_of_odd_lots_are_in_the_ticks() -> None:
    day = a_morning()
    told = Heard().hear(day)
    ticks = sum(event.size for event in told.inputs if isinstance(event, Trade))
    odd = sum(m["s"] for _, m in day if m["T"] == "t" and "I" in m["c"])
    whole = sum(m["s"] for _, m in day if m["T"] == "t" and "I" not in m["c"])
    assert odd > 0
    assert whole <= ticks <= whole + odd
    assert ticks > whole
    assert told.counted(Prints) == {PrintKind.VOLUME: sum(m["T"] == "t" and "I" in m["c"] for _, m in day)}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.permutations(of_every_form()), st.lists(st.integers(1, 9), min_size=1))
def test_every_documented_form_goes_in_in_any_order_and_grouping_without_a_counted_unknown(
    messages: list[dict[str, Any]], groups: list[int]
) -> None:
    heard = Heard()
    heard.hear([])
    place = 0
    while place < len(messages):
        for size in groups:
            if group := messages[place : place + size]:
                heard.take(group, BEGUN + SECOND)
            place += size
    assert heard.counted(Refused) == {}
    counted = heard.counted(Prints)
    assert {PrintKind.VOLUME, PrintKind.ELSEWHERE, PrintKind.EXTENDED, PrintKind.AUCTION} <= counted.keys()
    undone = sum(message["T"] in ("x", "c") for message in messages)
    assert counted.get(UNDONE, 0) + sum(isinstance(event, Gap) for event in heard.inputs) == undone


@pytest.mark.parametrize("message", OTHERS, ids=lambda message: message["T"])
def test_what_is_no_trade_and_no_quote_is_none_that_is_unknown(message: dict[str, Any]) -> None:
    heard = Heard().hear([(BEGUN + SECOND, message)])
    assert heard.counted(Refused) == {}


@pytest.mark.parametrize("symbol", ["AAPL", "S1"])
def test_the_mock_exchange_s_stream_with_all_kinds_of_prints_goes_in_without_a_refusal(symbol: str) -> None:
    reports = Reports(Faults(3, ["average_prices:0.05", "late_prints:0.05", "undone:0.2"]))
    state = VenueState(ExchangeSettings(symbols=(symbol,), halts=(f"{symbol}@60+20",)), ["ANN"], BEGUN)
    clock = VenueClock()
    clock.declare(BEGUN, 1.0, 0)
    admission = Admission(AdmissionSettings(), clock)
    dialect = AlpacaDialect("K", "S", [])
    inputs: list[Input] = []
    told = state.advance(reports(tape([symbol], 7, BEGUN, 180)))
    for message in (streamed(it, Codec.JSON)[2] for it in told):
        ts = nanoseconds(msgspec.json.decode(message)["t"])
        assert ts is not None
        inputs += admission.admit(dialect.received([b"[" + message + b"]"]).events, ts - BEGUN)
    assert [event for event in inputs if isinstance(event, Refused)] == []
    kinds = {event.kind for event in inputs if isinstance(event, Prints)}
    assert {PrintKind.VOLUME, PrintKind.ELSEWHERE} <= kinds
    gaps = {event.reason for event in inputs if isinstance(event, Gap)}
    assert gaps == {"a print was canceled", "a print was corrected"}
