"""What a proxy says counts if the proxy is known; and the dashboard below a path of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tests.web.test_lock import SECRET, Clock, Visitor, a_visitor
from web.lock import Lock
from web.proxy import Caller, Proxies
from web.settings import WebSettings

PATIENCE_S = 240
FORWARDED = {
    "Host": "127.0.0.1:8080",
    "X-Forwarded-Host": "bot.example.com",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "203.0.113.9",
}


def run(scenario: Callable[[Visitor], Awaitable[None]], secret: str = "", **settings: Any) -> None:
    async def play() -> None:
        async with asyncio.timeout(PATIENCE_S), a_visitor(Lock(secret), Clock(), **settings) as visitor:
            await scenario(visitor)

    asyncio.run(play())


# ------------------------------------------------------------------------------------------------- by itself


@pytest.mark.parametrize(
    ("trusted", "address", "believed"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("10.0.0.0/8", "10.9.8.7", True),
        ("10.0.0.0/8", "11.9.8.7", False),
        ("::1", "::1", True),
        ("::1", "127.0.0.1", False),
        ("fd00::/8", "fd12::1", True),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "unix:", False),
    ],
)
def test_only_a_proxy_that_is_named_is_believed(trusted: str, address: str, believed: bool) -> None:
    seen = Proxies([trusted]).caller(address, False, FORWARDED)
    assert seen == (
        Caller("bot.example.com", True, "203.0.113.9") if believed else Caller("127.0.0.1:8080", False, address)
    )


def test_what_it_does_not_say_stays_as_it_is() -> None:
    assert Proxies(["127.0.0.1"]).caller("127.0.0.1", True, {"Host": "a"}) == Caller("a", True, "127.0.0.1")
    said = {"Host": "a", "X-Forwarded-Proto": "gopher"}
    assert Proxies(["127.0.0.1"]).caller("127.0.0.1", True, said) == Caller("a", True, "127.0.0.1")


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("10.10.10.10, 203.0.113.9", "203.0.113.9"),  # the client said the first of itself
        ("203.0.113.9, 127.0.0.1", "203.0.113.9"),  # a second proxy of ours
        ("127.0.0.1, 127.0.0.1", "127.0.0.1"),
        (" , ", "127.0.0.1"),
    ],
)
def test_the_client_is_the_nearest_that_is_no_proxy_of_ours(forwarded: str, address: str) -> None:
    seen = Proxies(["127.0.0.1"]).caller("127.0.0.1", False, {"Host": "a", "X-Forwarded-For": forwarded})
    assert seen.address == address


@given(st.dictionaries(st.sampled_from(sorted(FORWARDED)), st.text(max_size=40)), st.text(max_size=20))
def test_whatever_a_stranger_forwards_it_changes_nothing(headers: dict[str, str], address: str) -> None:
    assert Proxies(["192.0.2.7"]).caller(address, False, headers) == Caller(headers.get("Host", ""), False, address)


@pytest.mark.parametrize("trusted", [["nginx"], ["10.0.0.0/99"], [""]])
def test_what_is_no_address_is_no_proxy(trusted: list[str]) -> None:
    with pytest.raises(ValueError, match="trusted_proxies"):
        WebSettings(trusted_proxies=tuple(trusted))


@pytest.mark.parametrize("path", ["bot", "/bot//", "/../", "/a b/", "/b?x", "/böt/", "https://a/", "//a/"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="base_path"):
        WebSettings(base_path=path)


@pytest.mark.parametrize(
    ("path", "base"), [("", ""), ("/", ""), ("/bot", "/bot"), ("/bot/", "/bot"), ("/a/b.c/", "/a/b.c")]
)
def test_a_path_may_end_with_a_slash_or_not(path: str, base: str) -> None:
    assert WebSettings(base_path=path).base == base


# -------------------------------------------------------------------------------------------- at the application


def test_below_a_path_everything_is_there_and_nothing_beside_it() -> None:
    async def scenario(visitor: Visitor) -> None:
        assert await visitor.ask("GET", "bot/") == (200, "<p>the dashboard")
        for path in ("bot/api/state", "bot/metrics", "bot/healthz", "bot/static/1a2b3c/dashboard.js", "bot/events"):
            assert (await visitor.ask("GET", path))[0] == 200
        assert (await visitor.ask("POST", "bot/api/command", {"command": "halt"}))[0] == 200
        for path in ("api/state", "metrics", "healthz", "static/1a2b3c/dashboard.js", "botany/", "bot/bot/"):
            assert (await visitor.ask("GET", path))[0] == 404
        for path in ("", "bot"):  # a person who types the address
            async with visitor.client.get(visitor.url / path, allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Location"]) == (302, "/bot/")

    run(scenario, base_path="/bot/")


def test_below_a_path_a_stranger_gets_as_little_as_elsewhere() -> None:
    async def scenario(visitor: Visitor) -> None:
        assert await visitor.ask("GET", "bot/") == (200, "<p>the login")
        for path in (
            "bot/api/state",
            "bot/metrics",
            "bot/events",
            "bot/static/1a2b3c/dashboard.js",
        ):
            assert (await visitor.ask("GET", path))[0] == 401
        assert (await visitor.ask("GET", "bot/static/1a2b3c/login.js"))[0] == 200
        assert (await visitor.ask("GET", "bot/api/state", Sec_Fetch_Site="cross-site"))[0] == 403
        async with visitor.client.post(visitor.url / "bot/api/login", json={"secret": SECRET}) as answer:
            assert answer.status == 204
            assert "Path=/bot/" in answer.headers["Set-Cookie"]
        assert (await visitor.ask("GET", "bot/api/state"))[0] == 200

    run(scenario, SECRET, base_path="/bot/")


@pytest.mark.parametrize("trusted", [(), ("127.0.0.1",)])
def test_behind_tls_of_a_known_proxy_the_cookie_is_for_tls_alone(trusted: tuple[str, ...]) -> None:
    async def scenario(visitor: Visitor) -> None:
        forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "bot.example.com"}
        headers = forwarded | {"Origin": "https://bot.example.com" if trusted else str(visitor.url).rstrip("/")}
        wish = {"secret": SECRET}
        async with visitor.client.post(visitor.url / "api/login", json=wish, headers=headers) as answer:
            assert answer.status == 204
            assert ("Secure" in answer.headers["Set-Cookie"]) is bool(trusted)

    run(scenario, SECRET, trusted_proxies=trusted, allowed_hosts=("bot.example.com",))


def test_a_name_that_a_proxy_forwards_is_to_be_allowed_like_any_other() -> None:
    async def scenario(visitor: Visitor) -> None:
        assert (await visitor.ask("GET", "api/state", X_Forwarded_Host="evil.com"))[0] == 421
        assert (await visitor.ask("GET", "api/state", X_Forwarded_Host="localhost"))[0] == 200

    run(scenario, trusted_proxies=("127.0.0.1",))


def test_wrong_secrets_count_for_the_client_whom_the_proxy_names() -> None:
    async def scenario(visitor: Visitor) -> None:
        async def attempt(secret: str, client: str) -> int:
            return (await visitor.ask("POST", "api/login", {"secret": secret}, X_Forwarded_For=client))[0]

        assert [await attempt("wrong", "203.0.113.9") for _ in range(11)][-1] == 429
        assert await attempt(SECRET, "203.0.113.9") == 429
        assert await attempt(SECRET, "203.0.113.10") == 204

    run(scenario, SECRET, trusted_proxies=("127.0.0.1",))
