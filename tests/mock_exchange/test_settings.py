"""The exchange's settings, and how words on a command line become some."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mock_exchange.settings import ExchangeSettings, parse_start_at, parse_symbols


def test_the_defaults_are_settings() -> None:
    settings = ExchangeSettings()
    assert (settings.host, settings.port, settings.symbols) == ("127.0.0.1", 8765, ("AAPL", "MSFT"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"host": ""}, "host must name an address"),
        ({"port": -1}, "port must be from 0 to 65535, not -1"),
        ({"port": 65_536}, "port must be from 0 to 65535, not 65536"),
        ({"speed": 0.0}, "speed must be above 0 and at most 1000, not 0"),
        ({"speed": 1_000.5}, "speed must be above 0 and at most 1000, not 1000.5"),
        ({"speed": float("nan")}, "speed must be above 0"),
        ({"start_at": 0}, "start_at must be a time"),
        ({"start_at": 2**63}, "start_at must be a time"),
        ({"symbols": ()}, "symbols must name 1 to 500 stocks, not 0"),
        ({"symbols": tuple(f"S{n}" for n in range(501))}, "symbols must name 1 to 500 stocks, not 501"),
        ({"symbols": ("AAPL", "msft")}, "in capitals, not 'msft'"),
        ({"symbols": ("AAPL", "")}, "in capitals, not ''"),
        ({"symbols": ("AAPL", "MSFT", "AAPL")}, "AAPL is named twice"),
        ({"most_clients": 0}, "most_clients must be at least 1"),
        ({"queue_events": 0}, "queue_events must be at least 1"),
        ({"queue_bytes": 0}, "queue_bytes must be at least 1"),
        ({"frame_events": 0}, "frame_events must be at least 1"),
        ({"send_buffer_bytes": 0}, "send_buffer_bytes must be at least 1"),
        ({"message_bytes": 0}, "message_bytes must be at least 1"),
        ({"heartbeat_s": 0.0}, "heartbeat_s must be above 0"),
        ({"most_lag_s": float("inf")}, "most_lag_s must be above 0"),
    ],
)
def test_a_value_out_of_range_is_refused_in_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        ExchangeSettings(**changes)
    assert "\n" not in str(caught.value)


def test_settings_are_read_from_plain_values_and_unknown_keys_refused() -> None:
    settings = msgspec.convert({"port": 0, "symbols": ["NVDA"]}, ExchangeSettings)
    assert (settings.port, settings.symbols) == (0, ("NVDA",))
    with pytest.raises(msgspec.ValidationError, match="prot"):
        msgspec.convert({"prot": 0}, ExchangeSettings)
    with pytest.raises(msgspec.ValidationError, match="speed must be above 0"):
        msgspec.convert({"speed": 0}, ExchangeSettings)


def test_a_start_is_read_to_the_nanosecond() -> None:
    assert parse_start_at("now") is None
    assert parse_start_at("2026-01-05T09:30:00-05:00") == 1_767_623_400_000_000_000
    assert parse_start_at("2026-01-05T14:30:00.123456Z") == 1_767_623_400_123_456_000


@pytest.mark.parametrize("text", ["tomorrow", "", "2026-01-05T09:30:00", "2026-13-05T09:30:00Z"])
def test_a_start_without_a_time_or_an_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^start-at "):
        parse_start_at(text)


def test_symbols_are_parted_by_commas_and_made_capitals() -> None:
    assert parse_symbols("AAPL, msft") == ("AAPL", "MSFT")
