"""The mock exchange's switches, passed on from the dashboard: only to the exchange that the bot itself has started.

GET  /api/exchange         how it is, or null where the bot runs on no mock exchange of its own
POST /api/exchange/faults  {"faults": [...]}: exactly those are on     POST /api/exchange/speed  {"speed": 50}
POST /api/exchange/halts   {"symbols": [...]}: exactly those are halted
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from web.http import body_of, json_answer, refused
from web.hub import Hub
from web.messages import Workings

CONTROLS = ("faults", "halts", "speed")
"""Of the exchange's control calls, those that are passed on."""

_ANSWER_S = 5.0


class Unreachable(Exception):
    """The exchange does not answer, and why."""


class MockPanel:
    """Passes requests on to the mock exchange, if there is one."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve the paths."""
        router.add_get("/api/exchange", self._state)
        router.add_post("/api/exchange/{control}", self._control)

    @property
    def _mock(self) -> Workings | None:
        workings = self._hub.workings
        return workings if workings is not None and workings.exchange else None

    async def _state(self, _request: web.Request) -> web.Response:
        if (mock := self._mock) is None:
            return json_answer({"exchange": None})
        try:
            async with _session() as session:
                answers = await asyncio.gather(*(_ask(session, "GET", mock.exchange, control) for control in CONTROLS))
        except Unreachable as problem:
            return json_answer({"exchange": {"rehearsal": mock.rehearsal, "trouble": str(problem)}})
        told: dict[str, Any] = {"rehearsal": mock.rehearsal, "trouble": ""}
        for _, answer in answers:
            told |= answer
        return json_answer({"exchange": told})

    async def _control(self, request: web.Request) -> web.Response:
        control = request.match_info["control"]
        if control not in CONTROLS:
            return refused(404, f"There is no such control: it is one of {', '.join(CONTROLS)}.")
        if request.content_type != "application/json":
            return refused(415, "Send what is wanted as application/json.")
        body = await body_of(request)
        if (mock := self._mock) is None:
            return refused(403, "This bot does not run on a mock exchange of its own.")
        if control == "speed" and mock.rehearsal:
            return refused(
                403, "The speed of a rehearsal is fixed: the venue's protocol has no word for a change of it."
            )
        try:
            async with _session() as session:
                status, answer = await _ask(session, "POST", mock.exchange, control, body)
        except Unreachable as problem:
            return refused(502, f"{problem}.")
        if status != 200:
            return refused(status, str(answer.get("message", "the mock exchange refused that")))
        return json_answer(answer)


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_S))


async def _ask(
    session: aiohttp.ClientSession, method: str, exchange: str, control: str, body: bytes | None = None
) -> tuple[int, dict[str, Any]]:
    """Ask a control call of the exchange. Raises Unreachable."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    url = f"{exchange}/control/{control}"
    try:
        async with session.request(method, url, data=body, headers=headers, allow_redirects=False) as answer:
            return answer.status, msgspec.json.decode(await answer.read(), type=dict[str, Any])
    except TimeoutError:
        raise Unreachable(f"the mock exchange does not answer within {_ANSWER_S:g} s") from None
    except (aiohttp.ClientError, OSError) as problem:
        raise Unreachable(f"the mock exchange cannot be reached: {problem}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Unreachable("the mock exchange answers what cannot be read") from None
