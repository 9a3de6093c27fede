"""events: what every value on the way of a tick looks like."""

from __future__ import annotations

import msgspec
import pytest

from pipeline import events
from pipeline.events import Reading, Side, Signal
from pipeline.operators import frame as frames
from tests.support.frames import frame
from tests.support.market import trade


def test_a_long_position_earns_when_the_price_rises_and_a_short_one_when_it_falls() -> None:
    assert (Side.LONG.sign, Side.SHORT.sign) == (1, -1)


@pytest.mark.parametrize(
    "value", [trade(0), frame(), Reading("a", 1.0, 1.0, True), events.Clock(1), Signal("A", 1, Side.LONG, 1.0)]
)
def test_words_that_everybody_shares_cannot_be_changed(value: msgspec.Struct) -> None:
    with pytest.raises(AttributeError):
        setattr(value, value.__struct_fields__[0], None)


def test_an_event_is_one_line_of_json_with_its_type() -> None:
    line = events.as_json(trade(0, 100.5, 2.0, bid=100.0, ask=101.0))
    assert b"\n" not in line
    assert msgspec.json.decode(line) == {
        "type": "trade",
        "symbol": "A",
        "ts": trade(0).ts,
        "price": 100.5,
        "size": 2.0,
        "bid": 100.0,
        "ask": 101.0,
        "id": None,
    }


@pytest.mark.parametrize("name", ["Condition", "Frame", "Window", "signal_of"])
def test_strategies_of_recorded_sessions_find_what_they_import_from_here(name: str) -> None:
    assert getattr(events, name) is getattr(frames, name)


def test_what_is_not_there_is_not_found() -> None:
    with pytest.raises(ImportError):
        from pipeline.events import Nothing  # type: ignore[attr-defined]  # noqa: F401
