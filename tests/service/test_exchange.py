"""The exchange as the bot starts it: what its log says of clients, and what it does not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace

import msgspec
import pytest

from mock_exchange.settings import ExchangeSettings
from service.live import exchange


def raised(error: Exception) -> Callable[[], None]:
    def complain() -> None:
        try:
            raise error
        except Exception:
            logging.getLogger("aiohttp.server").exception("Error handling request")

    return complain


@pytest.mark.parametrize(
    ("complain", "told"),
    [
        (raised(ConnectionResetError("Cannot write to closing transport")), 0),
        (raised(BrokenPipeError()), 0),
        (raised(ValueError("a fault")), 1),
        (lambda: logging.getLogger("aiohttp.server").error("a fault"), 1),
    ],
)
def test_a_client_that_hangs_up_is_no_fault_and_everything_else_is_told(
    complain: Callable[[], None], told: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    served: list[ExchangeSettings] = []

    def serve(settings: ExchangeSettings, *, stop_on_stdin_eof: bool) -> int:
        served.append(settings)
        complain()
        return 0

    monkeypatch.setattr(exchange, "run", serve)
    monkeypatch.setattr(exchange, "logger", SimpleNamespace(remove=lambda: None, add=lambda *_, **__: None))
    server = logging.getLogger("aiohttp.server")
    monkeypatch.setattr(server, "filters", [])
    settings = ExchangeSettings(seed=5)
    assert exchange.main([msgspec.json.encode(settings).decode()]) == 0
    assert served == [settings]
    assert len([record for record in caplog.records if record.name == server.name]) == told
