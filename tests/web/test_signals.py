"""Signals from outside on a real socket: who is let in, and what is refused, in a sentence."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientSession, web

from tests.web.builders import metrics, session
from tests.web.test_app import ASSETS, PATIENCE_S
from web.app import HUB, make_app, make_runner
from web.deadline import Moment
from web.lock import Lock
from web.messages import Answered, Asked, SignalWish
from web.settings import SignalDoor, SignalsSettings, WebSettings

SECRET = "a-secret-of-the-desk-0123456789"
WALL_S = 1_700_000_000
GOOD = {"name": "desk", "symbol": "AAPL", "side": "LONG", "id": "1", "ts": WALL_S}


class Door:
    """A served application that takes signals, and what it passed on."""

    def __init__(self, url: str, client: ClientSession) -> None:
        self.url = url
        self.client = client
        self.asked: list[Asked] = []
        self.answers: Callable[[SignalWish], Answered | None] = lambda wish: Answered(0, True, "heard")
        self.now_s = 0.0  # since the beginning
        self.app: Any = None

    async def send(
        self, body: bytes | dict[str, Any], *, sent: str | None = None, key: str = SECRET, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = str(WALL_S) if sent is None else sent
        signature = hmac.new(key.encode(), f"{sent}.".encode() + text, "sha256").hexdigest()
        named = {"Signal-Timestamp": sent, "Signal-Signature": signature} | headers
        async with self.client.post(f"{self.url}/signals", data=text, headers=named) as answer:
            told = await answer.text()
            return answer.status, json.loads(told) if told.startswith("{") else {"error": told}


def at_a_door(
    scenario: Callable[[Door], Awaitable[None]],
    signals: SignalsSettings | None = SignalsSettings(),  # noqa: B008  # frozen
    secret: str = "",
    **settings: Any,
) -> None:
    async def play() -> None:
        def send(asked: Asked) -> bool:
            door.asked.append(asked)
            assert isinstance(asked.command, SignalWish)
            if (answer := door.answers(asked.command)) is not None:
                app[HUB].tell(Answered(asked.ticket, answer.changed, answer.sentence, answer.wrong, answer.late))
            return True

        def now() -> Moment:
            return Moment(10_000 + round(door.now_s * 1_000), WALL_S * 1_000 + round(door.now_s * 1_000))

        given = SignalDoor(SECRET, signals) if signals is not None else None
        async with asyncio.timeout(PATIENCE_S), ClientSession() as client:
            door = Door("", client)
            app = make_app(
                WebSettings(**settings), ASSETS, send, lambda: 5.0 + door.now_s, now, Lock(secret), signals=given
            )
            door.app = app
            app[HUB].tell(session())
            app[HUB].tell(metrics())
            runner = make_runner(app, 0.5)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                door.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
                await scenario(door)
            finally:
                await runner.cleanup()

    asyncio.run(play())


def test_a_signal_that_is_signed_is_passed_on_and_answered() -> None:
    async def scenario(door: Door) -> None:
        assert await door.send(GOOD) == (200, {"id": "1", "taken": True, "answer": "heard"})
        number = {"name": "bias", "symbol": "AAPL", "value": -0.25, "id": "2", "ts": WALL_S - 1.5, "good_for": 30}
        assert (await door.send(number))[0] == 200
        first, second = (asked.command for asked in door.asked)
        assert first == SignalWish("desk", "AAPL", 1.0, "1", float(WALL_S))
        assert second == SignalWish("bias", "AAPL", -0.25, "2", WALL_S - 1.5, 30.0)
        # Neither the pipe nor a loop that is stuck makes it older than it may be.
        assert door.asked[0].deadline == Moment(13_000, WALL_S * 1_000 + 3_000)

    at_a_door(scenario)


@pytest.mark.parametrize(
    ("changes", "left_ms"), [({"ts": WALL_S - 4.0}, 1_000), ({"ts": WALL_S - 1.5, "good_for": 2}, 500)]
)
def test_nothing_on_the_way_makes_a_signal_older_than_it_may_be(changes: dict[str, Any], left_ms: int) -> None:
    async def scenario(door: Door) -> None:
        assert (await door.send(GOOD | changes))[0] == 200
        assert door.asked[0].deadline == Moment(10_000 + left_ms, WALL_S * 1_000 + left_ms)

    at_a_door(scenario)


def test_without_a_secret_there_is_no_such_path() -> None:
    async def scenario(door: Door) -> None:
        assert (await door.send(GOOD))[0] == 404
        assert door.asked == []

    at_a_door(scenario, None)


@pytest.mark.parametrize(
    "headers",
    [{"key": "another-secret-0123456789"}, {"Signal-Signature": ""}, {"Signal-Signature": "é" * 64}, {"sent": "soon"}],
)
def test_what_is_not_signed_with_the_secret_is_refused(headers: dict[str, str]) -> None:
    async def scenario(door: Door) -> None:
        status, told = await door.send(GOOD, **headers)
        assert (status, door.asked) == (401, [])
        assert "HMAC-SHA256" in told["error"]
        assert SECRET not in told["error"]

    at_a_door(scenario)


def test_the_signature_is_of_the_time_and_of_every_byte() -> None:
    async def scenario(door: Door) -> None:
        text = json.dumps(GOOD).encode()
        of_another_time = hmac.new(SECRET.encode(), b"1700000001." + text, "sha256").hexdigest()
        of_another_body = hmac.new(SECRET.encode(), b"1700000000." + text + b" ", "sha256").hexdigest()
        for signature in (of_another_time, of_another_body):
            assert (await door.send(text, **{"Signal-Signature": signature}))[0] == 401
        assert door.asked == []

    at_a_door(scenario)


@pytest.mark.parametrize(
    ("body", "sent", "said"),
    [
        (GOOD, WALL_S - 6, "6.0 s old"),
        (GOOD | {"ts": WALL_S - 5.5}, WALL_S, "5.5 s old"),
        (GOOD | {"ts": WALL_S - 3, "good_for": 2}, WALL_S, "3.0 s old"),
        (GOOD, WALL_S + 3, "clock"),
        (GOOD | {"ts": WALL_S + 3}, WALL_S, "clock"),
    ],
)
def test_a_signal_of_another_time_is_refused(body: dict[str, Any], sent: int, said: str) -> None:
    async def scenario(door: Door) -> None:
        status, told = await door.send(body, sent=str(sent))
        assert (status, door.asked) == (409, [])
        assert said in told["error"]

    at_a_door(scenario)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"\xff\xfe",
        b"[]",
        {key: value for key, value in GOOD.items() if key != "id"},
        GOOD | {"side": "UP"},
        GOOD | {"value": 1},
        {key: value for key, value in GOOD.items() if key != "side"},
        GOOD | {"side": None, "value": "1"},
        GOOD | {"quantity": 5},
        GOOD | {"ts": str(WALL_S)},
        GOOD | {"id": ""},
        GOOD | {"id": "x" * 65},
        GOOD | {"name": "two\nlines"},
        GOOD | {"good_for": 0},
        GOOD | {"ts": 1e308},
        GOOD | {"ts": -1},
        b'{"name":"desk","symbol":"AAPL","value":1e999,"id":"1","ts":1700000000}',
        b'{"name":"desk","symbol":"AAPL","value":NaN,"id":"1","ts":1700000000}',
    ],
)
def test_what_is_no_signal_is_refused_in_a_sentence(body: Any) -> None:
    async def scenario(door: Door) -> None:
        status, told = await door.send(body)
        assert (status, door.asked) == (400, [])
        assert told["error"].endswith(".")
        assert len(told["error"]) < 200

    at_a_door(scenario)


def test_one_that_is_too_large_is_refused() -> None:
    async def scenario(door: Door) -> None:
        status, told = await door.send(GOOD | {"id": "x" * 5_000})
        assert (status, door.asked) == (413, [])
        assert "too large" in told["error"]

    at_a_door(scenario)


def test_more_than_so_many_a_minute_wait_and_wrong_ones_keep_nobody_waiting() -> None:
    async def scenario(door: Door) -> None:
        wrong = [(await door.send(GOOD, key="another-secret-0123456789"))[0] for _ in range(12)]
        assert wrong == [401] * 10 + [429] * 2
        taken = [(await door.send(GOOD | {"id": str(n)}))[0] for n in range(11)]
        assert taken == [200] * 10 + [429]
        door.now_s = 1.0  # sixty a minute
        again = [(await door.send(GOOD | {"id": str(n)}, sent=str(WALL_S + 1)))[0] for n in (11, 12)]
        assert again == [200, 429]

    at_a_door(scenario)


@pytest.mark.parametrize(
    ("answered", "status"),
    [
        (Answered(0, False, "trading is HALTED: it was not taken"), 409),
        (Answered(0, False, "the strategy of AAPL hears no desk", wrong=True), 404),
        (Answered(0, False, "it came too late, and was not carried out", late=True), 409),
    ],
)
def test_what_the_bot_refuses_is_said_in_its_words(answered: Answered, status: int) -> None:
    async def scenario(door: Door) -> None:
        door.answers = lambda _: answered
        assert await door.send(GOOD) == (status, {"error": answered.sentence})

    at_a_door(scenario)


def test_a_bot_that_does_not_answer_takes_it_no_more() -> None:
    async def scenario(door: Door) -> None:
        door.answers = lambda _: None
        status, told = await door.send(GOOD)
        assert status == 504
        assert "may have taken it" in told["error"]

    at_a_door(scenario, answer_timeout_s=0.05)


def test_a_bot_that_has_stopped_takes_none() -> None:
    async def scenario(door: Door) -> None:
        door.app[HUB].bot_stopped("the bot stopped")
        assert (await door.send(GOOD))[0] == 503
        assert door.asked == []

    at_a_door(scenario)


def test_the_dashboards_secret_is_another_and_other_pages_may_not_send() -> None:
    async def scenario(door: Door) -> None:
        assert (await door.send(GOOD))[0] == 200
        assert (await door.send(GOOD, Origin="https://elsewhere.example"))[0] == 403
        async with door.client.get(f"{door.url}/api/state") as answer:
            assert answer.status == 401

    at_a_door(scenario, secret="the-dashboards-own-secret")
