"""The mock exchange's switches by way of the dashboard: passed on to the bot's own exchange, and to nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mock_exchange.server import Server, listening
from mock_exchange.settings import ExchangeSettings
from tests.web.test_app import Dashboard, serving
from web.messages import SettingSeen, Workings

START = 1_767_623_400 * 1_000_000_000
PATIENCE_S = 240


def run(
    scenario: Callable[[Dashboard, Server], Awaitable[None]], *, rehearsal: bool = False, there: bool = True
) -> None:
    """Play a scenario with a dashboard of a bot that has a mock exchange, or has none."""

    async def play() -> None:
        settings = ExchangeSettings(port=0, start_at=START)
        server = Server(settings, wall_ns=lambda: START, monotonic_ns=time.monotonic_ns)
        async with asyncio.timeout(PATIENCE_S), listening(server), serving() as dashboard:
            exchange = server.url.replace("ws:", "http:").rstrip("/") if there else ""
            dashboard.hub.tell(Workings("", (), exchange, rehearsal))
            await scenario(dashboard, server)

    asyncio.run(play())


async def post(dashboard: Dashboard, control: str, body: Any, **headers: str) -> tuple[int, Any]:
    url = dashboard.url / "api" / "exchange" / control
    async with dashboard.client.post(url, json=body, headers=headers) as answer:
        is_json = answer.content_type == "application/json"
        return answer.status, await answer.json() if is_json else {"error": await answer.text()}


async def state(dashboard: Dashboard) -> Any:
    async with dashboard.client.get(dashboard.url / "api" / "exchange") as answer:
        assert answer.status == 200
        return (await answer.json())["exchange"]


def test_the_switches_and_the_speed_of_the_bot_s_own_exchange_are_turned() -> None:
    async def scenario(dashboard: Dashboard, server: Server) -> None:
        told = await state(dashboard)
        assert (told["faults"], told["halted"], told["speed"], told["rehearsal"]) == ([], [], 10.0, False)
        assert {fault["group"] for fault in told["known"]} == {"Connections", "Market data", "Orders"}
        assert (await post(dashboard, "faults", {"faults": ["duplicates:0.5"]}))[0] == 200
        assert (await post(dashboard, "speed", {"speed": 50}))[0] == 200
        assert (await post(dashboard, "halts", {"symbols": ["AAPL"]}))[0] == 200
        assert (server.exchange.faults.active, server.exchange.speed) == (["duplicates:0.5"], 50.0)
        told = await state(dashboard)
        assert (told["faults"], told["halted"], told["speed"]) == (["duplicates:0.5"], ["AAPL"], 50.0)

    run(scenario)


def test_what_the_exchange_refuses_is_said_in_its_own_words() -> None:
    async def scenario(dashboard: Dashboard, _: Server) -> None:
        status, told = await post(dashboard, "faults", {"faults": ["duplicats"]})
        assert (status, told["error"]) == (422, "there is no fault 'duplicats'; did you mean duplicates?")

    run(scenario)


@pytest.mark.parametrize("control", ["assets", "executions", "splits", "..", "faults%2F..%2Fsplits", "x"])
def test_no_other_path_is_passed_on(control: str) -> None:
    async def scenario(dashboard: Dashboard, _: Server) -> None:
        assert (await post(dashboard, control, {}))[0] in (404, 405)

    run(scenario)


def test_without_a_mock_exchange_of_the_bot_s_own_nothing_is_shown_and_all_is_refused() -> None:
    async def scenario(dashboard: Dashboard, _: Server) -> None:
        assert await state(dashboard) is None
        for control in ("faults", "speed", "halts"):
            status, told = await post(dashboard, control, {"faults": []})
            assert (status, "does not run on a mock exchange" in told["error"]) == (403, True)

    run(scenario, there=False)


def test_a_page_of_another_origin_turns_nothing() -> None:
    async def scenario(dashboard: Dashboard, server: Server) -> None:
        status, _ = await post(dashboard, "faults", {"faults": ["drop:1"]}, Origin="http://evil.example")
        assert (status, server.exchange.faults.active) == (403, [])

    run(scenario)


def test_the_speed_of_a_rehearsal_is_not_changed() -> None:
    async def scenario(dashboard: Dashboard, server: Server) -> None:
        assert (await post(dashboard, "speed", {"speed": 50}))[0] == 403
        assert server.exchange.speed == 10.0
        assert (await post(dashboard, "faults", {"faults": ["rejects:1"]}))[0] == 200

    run(scenario, rehearsal=True)


def test_an_exchange_that_is_gone_is_said_to_be() -> None:
    async def scenario(dashboard: Dashboard, _: Server) -> None:
        dashboard.hub.tell(Workings("", (), "http://127.0.0.1:9", rehearsal=False))
        assert "cannot be reached" in (await state(dashboard))["trouble"]
        status, told = await post(dashboard, "faults", {"faults": []})
        assert (status, "cannot be reached" in told["error"]) == (502, True)

    run(scenario)


def test_the_settings_are_answered_as_the_bot_told_them() -> None:
    seen = SettingSeen("risk", "position_size", "2.0", "1.0", "--set")

    async def scenario(dashboard: Dashboard, _: Server) -> None:
        assert await dashboard.get("api/settings") == (200, '{"settings":[]}')
        dashboard.hub.tell(Workings("", (seen,)))
        status, text = await dashboard.get("api/settings")
        assert (status, '"origin":"--set"' in text) == (200, True)

    run(scenario)
