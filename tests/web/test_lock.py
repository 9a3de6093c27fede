"""Who knows the dashboard's secret comes in, and nobody else: the lock by itself, and at the application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, CookieJar, web
from hypothesis import given, strategies as st
from yarl import URL

from web.app import HUB, make_app
from web.assets import Asset, Assets
from web.deadline import Moment
from web.lock import LEAST_LENGTH, Lock, is_secret
from web.messages import Answered, Asked
from web.settings import WebSettings

PATIENCE_S = 240
SECRET = "correct-horse-battery"
PAGES = {"index.html": b"<p>the dashboard", "login.html": b"<p>the login"}
FILES = {"dashboard.js": b"1", "login.js": b"2"}


def assets(files: dict[str, bytes]) -> dict[str, Asset]:
    return {name: Asset(body, "text/plain", name) for name, body in files.items()}


ASSETS = Assets("1a2b3c", assets(PAGES), assets(FILES), frozenset(["login.js"]))
BEARER = {"Authorization": f"Bearer {SECRET}"}


class Visitor:
    """A client of a locked dashboard, and the commands that came through."""

    def __init__(self, url: URL, client: ClientSession, commands: list[Asked]) -> None:
        self.url = url
        self.client = client
        self.commands = commands

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, str]:
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        async with self.client.request(method, self.url / path, json=body, headers=sent) as answer:
            if answer.content_type == "text/event-stream":
                return answer.status, (await answer.content.readline()).decode()
            return answer.status, await answer.text()


@asynccontextmanager
async def a_visitor(secret: str) -> AsyncIterator[Visitor]:
    commands: list[Asked] = []

    def send(asked: Asked) -> bool:
        commands.append(asked)
        app[HUB].tell(Answered(asked.ticket, True, "done"))
        return True

    app = make_app(WebSettings(), ASSETS, send, asyncio.get_running_loop().time, lambda: Moment(1, 1), secret)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = URL.build(scheme="http", host="127.0.0.1", port=runner.addresses[0][1])
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as client:
            yield Visitor(url, client, commands)
    finally:
        await runner.cleanup()


def run(scenario: Callable[[Visitor], Awaitable[None]], secret: str = SECRET) -> None:
    async def play() -> None:
        async with asyncio.timeout(PATIENCE_S), a_visitor(secret) as visitor:
            await scenario(visitor)

    asyncio.run(play())


# ------------------------------------------------------------------------------------------------- by itself


@given(st.text(), st.text())
def test_whatever_is_shown_is_the_secret_or_it_is_not(shown: str, cookie: str) -> None:
    lock = Lock(SECRET)
    assert lock.opens_for(shown) is (shown == SECRET)
    assert lock.admits({"Authorization": shown}, cookie) is (
        cookie == lock.session or shown.lower() == f"bearer {SECRET}" or shown == f"Bearer {SECRET}"
    )


def test_the_cookie_does_not_hold_the_secret_and_is_another_for_another() -> None:
    assert SECRET not in Lock(SECRET).session
    assert Lock(SECRET).session != Lock(SECRET + "2").session
    assert not Lock(SECRET).admits({}, SECRET)
    assert not Lock(SECRET).admits({}, "")


def test_without_a_secret_everybody_is_admitted() -> None:
    assert Lock("").admits({}, "")
    assert Lock("").opens_for("anything")


@pytest.mark.parametrize(
    "text", ["", "auto", "x" * (LEAST_LENGTH - 1), "x" * 20 + "\n", "with a blank in it", "ü" * 20]
)
def test_what_cannot_be_sent_or_can_be_guessed_is_no_secret(text: str) -> None:
    assert not is_secret(text)
    assert is_secret("x" * LEAST_LENGTH)


# -------------------------------------------------------------------------------------------- at the application


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "events"), ("GET", "api/state"), ("GET", "metrics"), ("HEAD", "api/state"), ("POST", "api/command")),
        *(
            ("GET", "static/1a2b3c/dashboard.js"),
            ("GET", "static/4d5e6f/login.js"),
            ("GET", "nowhere"),
            ("PUT", "api/command"),
        ),
    ],
)
def test_without_the_secret_there_is_nothing_but_401(method: str, path: str) -> None:
    async def scenario(visitor: Visitor) -> None:
        wish = {"command": "halt"}
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": f"microbot-{visitor.url.port}={SECRET}"}):
            status, text = await visitor.ask(method, path, wish if method == "POST" else None, **headers)
            assert status == 401
            assert SECRET not in text
        assert visitor.commands == []

    run(scenario)


def test_with_the_secret_as_a_bearer_token_everything_is_as_ever() -> None:
    async def scenario(visitor: Visitor) -> None:
        assert await visitor.ask("GET", "", **BEARER) == (200, "<p>the dashboard")
        assert (await visitor.ask("GET", "api/state", **BEARER))[0] == 200
        assert (await visitor.ask("GET", "events", **BEARER))[0] == 200
        assert (await visitor.ask("POST", "api/command", {"command": "halt"}, **BEARER))[0] == 200
        assert len(visitor.commands) == 1

    run(scenario)


def test_a_browser_hands_the_secret_in_once_and_has_a_cookie_then() -> None:
    async def scenario(visitor: Visitor) -> None:
        assert await visitor.ask("GET", "") == (200, "<p>the login")
        assert (await visitor.ask("GET", "api/login"))[0] == 401
        async with visitor.client.post(visitor.url / "api/login", json={"secret": SECRET}) as answer:
            assert answer.status == 204
            cookie = answer.headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert SECRET not in cookie
        assert (await visitor.ask("GET", "api/login"))[0] == 204
        assert await visitor.ask("GET", "") == (200, "<p>the dashboard")
        assert (await visitor.ask("GET", "events"))[0] == 200
        assert (await visitor.ask("POST", "api/command", {"command": "halt"}))[0] == 200

    run(scenario)


@pytest.mark.parametrize("body", [{"secret": "wrong"}, {"secret": ""}, {"secret": 5}, {}, None, {"secret": "x" * 1001}])
def test_a_wrong_secret_gets_no_cookie(body: object) -> None:
    async def scenario(visitor: Visitor) -> None:
        async with visitor.client.post(visitor.url / "api/login", json=body) as answer:
            assert answer.status in (400, 401, 415)
            assert "Set-Cookie" not in answer.headers
            assert SECRET not in await answer.text()

    run(scenario)


def test_a_foreign_page_may_not_even_try_a_secret() -> None:
    async def scenario(visitor: Visitor) -> None:
        wish = {"secret": SECRET}
        assert (await visitor.ask("POST", "api/login", wish, Origin="http://evil.com"))[0] == 403
        assert (await visitor.ask("POST", "api/login", wish, Host="evil.com"))[0] == 421

    run(scenario)


def test_of_its_health_a_stranger_hears_one_word() -> None:
    async def scenario(visitor: Visitor) -> None:
        assert json.loads((await visitor.ask("GET", "healthz"))[1]) == {"ok": True}
        assert "clients" in json.loads((await visitor.ask("GET", "healthz", **BEARER))[1])

    run(scenario)


def test_without_a_secret_the_page_is_there_at_once_and_a_login_does_no_harm() -> None:
    async def scenario(visitor: Visitor) -> None:
        assert await visitor.ask("GET", "") == (200, "<p>the dashboard")
        assert (await visitor.ask("GET", "api/login"))[0] == 204
        assert (await visitor.ask("POST", "api/login", {"secret": "whatever"}))[0] == 204

    run(scenario, secret="")
