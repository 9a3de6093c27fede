"""Who knows the dashboard's secret comes in, and nobody else: the lock by itself, and at the application."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientSession, CookieJar, web
from hypothesis import given, strategies as st
from yarl import URL

from web.app import HUB, make_app, make_runner
from web.assets import Asset, Assets
from web.deadline import Moment
from web.lock import LEAST_LENGTH, Hash, Lock, is_hash, is_secret, parted
from web.messages import Answered, Asked
from web.settings import WebSettings
from web.tries import AT_ONCE, EACH_S

PATIENCE_S = 240
SECRET = "correct-horse-battery"
PAGES = {"index.html": b"<p>the dashboard", "login.html": b"<p>the login"}
FILES = {"dashboard.js": b"1", "login.js": b"2"}


def assets(files: dict[str, bytes]) -> dict[str, Asset]:
    return {name: Asset(body, "text/plain", name) for name, body in files.items()}


ASSETS = Assets("1a2b3c", assets(PAGES), assets(FILES), frozenset(["login.js"]))
OWN = "one-that-a-person-remembers"
HASHED = str(Hash.of(OWN, b"salt" * 4))
BEARER = {"Authorization": f"Bearer {SECRET}"}


class Clock:
    """The time of the dashboard, in seconds; it stands still until it is moved."""

    s = 1_800_000_000.0


class Visitor:
    """A client of a locked dashboard, and the commands that came through."""

    def __init__(self, url: URL, client: ClientSession, commands: list[Asked], clock: Clock) -> None:
        self.clock = clock
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
async def a_visitor(lock: Lock, clock: Clock, **settings: Any) -> AsyncIterator[Visitor]:
    commands: list[Asked] = []

    def send(asked: Asked) -> bool:
        commands.append(asked)
        app[HUB].tell(Answered(asked.ticket, True, "done"))
        return True

    loop_time = asyncio.get_running_loop().time

    def now() -> Moment:
        return Moment(1, int(clock.s * 1_000))

    app = make_app(WebSettings(**settings), ASSETS, send, lambda: loop_time() + clock.s, now, lock)
    runner = make_runner(app, 0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = URL.build(scheme="http", host="127.0.0.1", port=runner.addresses[0][1])
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as client:
            yield Visitor(url, client, commands, clock)
    finally:
        await runner.cleanup()


def run(
    scenario: Callable[[Visitor], Awaitable[None]], secret: str = SECRET, hashed: str = "", **settings: Any
) -> None:
    async def play() -> None:
        async with asyncio.timeout(PATIENCE_S), a_visitor(Lock(secret, hashed), Clock(), **settings) as visitor:
            await scenario(visitor)

    asyncio.run(play())


# ------------------------------------------------------------------------------------------------- by itself


@given(st.text(), st.text())
def test_whatever_is_shown_is_the_secret_or_it_is_not(shown: str, cookie: str) -> None:
    lock = Lock(SECRET)
    assert asyncio.run(lock.opens_for(shown)) is (shown == SECRET)
    assert lock.session_left(cookie, 0.0) == 0


def test_the_cookie_does_not_hold_the_secret_and_is_another_for_another() -> None:
    lock = Lock(SECRET)
    cookie = lock.session(1000)
    assert SECRET not in cookie
    assert lock.session_left(cookie, 400) == 600
    assert Lock(SECRET + "2").session_left(cookie, 400) == 0
    assert Lock(SECRET, HASHED).session_left(cookie, 400) == 0
    for wrong in (SECRET, "", cookie[1:], f"ffff{cookie}", cookie.replace(".", ""), lock.session(2000)[:-1]):
        assert lock.session_left(wrong, 400) == 0


def test_a_session_ends_at_its_time() -> None:
    cookie = Lock(SECRET).session(1000)
    assert Lock(SECRET).session_left(cookie, 999) == 1
    assert Lock(SECRET).session_left(cookie, 1000) == 0
    assert Lock(SECRET).session_left(cookie, 2000) == 0


def test_without_a_secret_everybody_is_admitted() -> None:
    assert Lock().is_open
    assert asyncio.run(Lock().opens_for("anything"))


def test_a_hash_opens_for_what_it_was_made_of_and_tells_nothing() -> None:
    lock = Lock("", HASHED)
    assert not lock.is_open
    assert OWN not in HASHED

    async def scenario() -> None:
        assert not await lock.opens_for(HASHED)
        assert not await lock.opens_for(OWN + "x")
        assert not await lock.opens_for("")
        assert await lock.opens_for(OWN)
        assert await lock.opens_for(OWN)
        assert not await lock.opens_for(OWN + "x")

    asyncio.run(scenario())


def test_one_secret_is_hashed_at_a_time_also_if_a_client_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    first_began, second_began = threading.Event(), threading.Event()
    together: list[bool] = []

    def computed(_hash: Hash, secret: str) -> bytes:
        if secret == "first":
            first_began.set()
            together.append(second_began.wait(0.2))
        second_began.set()
        return b""

    async def scenario() -> None:
        lock = Lock("", HASHED)
        first = asyncio.create_task(lock.opens_for("first"))
        await asyncio.to_thread(first_began.wait)
        first.cancel()
        assert not await lock.opens_for("second")

    monkeypatch.setattr(Hash, "computed", computed)
    asyncio.run(scenario())
    assert together == [False]


def test_two_hashes_of_a_secret_differ_and_can_be_read_back() -> None:
    one, other = Hash.of(OWN, b"a" * 16), Hash.of(OWN, b"b" * 16)
    assert one.key != other.key
    assert Hash.read(str(one)) == one


@pytest.mark.parametrize(
    "text",
    [
        "scrypt:",
        "scrypt:15:8:1:YWFhYWFhYWE=",
        "scrypt:15:8:1:YWFhYWFhYWE=:!!!",
        "scrypt:15:8:1:YWFhYWFhYWE=:YWFh",  # too short a key
        "scrypt:15:8:1:YWE=:YWFhYWFhYWFhYWFhYWFhYQ==",  # too short a salt
        "scrypt:4:8:1:YWFhYWFhYWE=:YWFhYWFhYWFhYWFhYWFhYQ==",  # too easy
        "scrypt:20:32:1:YWFhYWFhYWE=:YWFhYWFhYWFhYWFhYWFhYQ==",  # gigabytes
        "scrypt:x:8:1:YWFhYWFhYWE=:YWFhYWFhYWFhYWFhYWFhYQ==",
        "bcrypt:15:8:1:YWFhYWFhYWE=:YWFhYWFhYWFhYWFhYWFhYQ==",
    ],
)
def test_what_is_no_hash_is_none(text: str) -> None:
    assert not is_hash(text)
    assert is_hash(HASHED)


@pytest.mark.parametrize(
    ("kept", "both"),
    [
        (SECRET, (SECRET, "")),
        (f"{SECRET}\nscrypt:1\n", (SECRET, "scrypt:1")),
        ("scrypt:1", ("", "scrypt:1")),
        ("", ("", "")),
    ],
)
def test_what_is_kept_is_a_secret_and_perhaps_a_hash(kept: str, both: tuple[str, str]) -> None:
    assert parted(kept) == both


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
        *(("GET", "static/1a2b3c/dashboard.js"), ("GET", "static/4d5e6f/login.js"), ("GET", "nowhere")),
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
        assert (await visitor.ask("GET", "api/login"))[0] == 200
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
        assert json.loads((await visitor.ask("GET", "readyz"))[1]) == {"ready": False}
        assert json.loads((await visitor.ask("GET", "readyz", **BEARER))[1]) == {"ready": False, "reason": "starting"}
        assert "clients" in json.loads((await visitor.ask("GET", "healthz", **BEARER))[1])

    run(scenario)


def test_without_a_secret_the_page_is_there_at_once_and_a_login_does_no_harm() -> None:
    async def scenario(visitor: Visitor) -> None:
        assert await visitor.ask("GET", "") == (200, "<p>the dashboard")
        assert (await visitor.ask("GET", "api/login"))[0] == 200
        assert (await visitor.ask("POST", "api/login", {"secret": "whatever"}))[0] == 204

    run(scenario, secret="")


def test_the_secret_that_a_hash_was_made_of_comes_in_and_so_does_the_bots_own() -> None:
    async def scenario(visitor: Visitor) -> None:
        async with visitor.client.post(visitor.url / "api/login", json={"secret": OWN}) as answer:
            assert answer.status == 204
        assert (await visitor.ask("GET", "api/state"))[0] == 200
        visitor.client.cookie_jar.clear()
        assert (await visitor.ask("GET", "api/state"))[0] == 401
        for secret in (SECRET, OWN):
            assert (await visitor.ask("GET", "api/state", Authorization=f"Bearer {secret}"))[0] == 200

    run(scenario, hashed=HASHED)


@pytest.mark.parametrize("how", ["login", "bearer"])
def test_after_ten_wrong_secrets_not_even_the_right_one_is_tried_for_a_while(how: str) -> None:
    async def scenario(visitor: Visitor) -> None:
        async def attempt(secret: str) -> int:
            if how == "bearer":
                return (await visitor.ask("GET", "api/state", Authorization=f"Bearer {secret}"))[0]
            return (await visitor.ask("POST", "api/login", {"secret": secret}))[0]

        right = 200 if how == "bearer" else 204
        assert [await attempt("wrong") for _ in range(AT_ONCE)] == [401] * AT_ONCE
        assert await attempt("wrong") == 429
        assert await attempt(SECRET) == 429
        status, text = await visitor.ask("POST", "api/login", {"secret": SECRET})
        assert (status, json.loads(text)["error"]) == (429, f"Too many wrong secrets: try again in {EACH_S:g} s.")
        visitor.clock.s += EACH_S
        assert await attempt(SECRET) == right
        assert [await attempt(SECRET) for _ in range(2 * AT_ONCE)] == [right] * 2 * AT_ONCE

    run(scenario)


def test_who_is_in_already_notices_nothing_of_others_who_guess() -> None:
    async def scenario(visitor: Visitor) -> None:
        await visitor.ask("POST", "api/login", {"secret": SECRET})
        for _ in range(AT_ONCE + 1):
            status, _ = await visitor.ask("POST", "api/login", {"secret": "wrong"})
        assert status == 429
        assert (await visitor.ask("POST", "api/command", {"command": "halt"}))[0] == 200

    run(scenario)


def test_a_session_ends_for_who_stays_away_and_goes_on_for_who_does_not() -> None:
    async def scenario(visitor: Visitor) -> None:
        await visitor.ask("POST", "api/login", {"secret": SECRET})
        for _ in range(5):
            visitor.clock.s += 1800
            assert (await visitor.ask("GET", "api/login"))[0] == 200
        visitor.clock.s += 3600
        assert (await visitor.ask("GET", "api/login"))[0] == 401
        assert (await visitor.ask("POST", "api/command", {"command": "halt"}))[0] == 401

    run(scenario, session_hours=1)


def test_an_event_stream_does_not_outlive_its_session() -> None:
    async def scenario(visitor: Visitor) -> None:
        await visitor.ask("POST", "api/login", {"secret": SECRET})
        async with visitor.client.get(visitor.url / "events") as answer:
            assert answer.status == 200
            with pytest.raises(ClientPayloadError):
                await answer.read()

    run(scenario, session_hours=2 / 3600)  # two seconds: sessions end at whole ones


def test_who_logs_out_is_out() -> None:
    async def scenario(visitor: Visitor) -> None:
        await visitor.ask("POST", "api/login", {"secret": SECRET})
        assert json.loads((await visitor.ask("GET", "api/login"))[1]) == {"locked": True}
        assert (await visitor.ask("DELETE", "api/login"))[0] == 204
        assert (await visitor.ask("GET", "api/login"))[0] == 401

    run(scenario)
