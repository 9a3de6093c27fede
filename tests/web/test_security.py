from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from web.security import Door, host_name, is_foreign, is_loopback, security_headers


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8080", "bot.lan:9", "desk"]
)
def test_the_door_knows_its_own_names(host: str) -> None:
    assert Door("bot.lan", ["Desk"]).knows(host)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.com", "localhost.evil.com", "evil.com:8080", "127.0.0.1.evil.com", "127.0.0.2", "user@localhost"),
        *("localhost:port", "localhost:99999", "localhost/", "localhost?", "[::1", "", " ", "0.0.0.0", "10.0.0.7"),
    ],
)
def test_the_door_does_not_know_foreign_or_malformed_names(host: str) -> None:
    assert not Door("127.0.0.1").knows(host)


@pytest.mark.parametrize("listening_on", ["0.0.0.0", "::"])
def test_on_every_interface_a_literal_address_is_known_but_a_foreign_name_is_not(listening_on: str) -> None:
    door = Door(listening_on)

    assert door.knows("192.168.1.5:8080")
    assert door.knows("[fe80::1]:8080")
    assert not door.knows("evil.com:8080")


@pytest.mark.parametrize("listening_on", ["127.0.0.1", "bot.lan"])
def test_on_one_interface_no_other_address_is_known(listening_on: str) -> None:
    assert not Door(listening_on).knows("192.168.1.5:8080")


@given(st.text())
def test_any_text_for_a_host_is_known_or_not_but_no_error(host: str) -> None:
    assert Door("127.0.0.1").knows(host) in (True, False)
    assert host_name(host) is None or host


@given(st.text(), st.text())
def test_any_text_for_an_origin_is_foreign_or_not_but_no_error(origin: str, host: str) -> None:
    assert is_foreign({"Origin": origin}, host) in (True, False)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost:8080"},
        {"Origin": "http://LOCALHOST:8080", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_the_own_page_and_programs_are_not_foreign(headers: dict[str, str]) -> None:
    assert not is_foreign(headers, "localhost:8080")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.com"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost:9090"},
        {"Origin": "http://localhost"},
        {"Origin": "file://localhost:8080"},
        {"Origin": "http://[::1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost:8080", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_another_origins_page_is_foreign(headers: dict[str, str]) -> None:
    assert is_foreign(headers, "localhost:8080")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("bot.lan", False)],
)
def test_an_address_is_loopback_or_not(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_the_policy_allows_nothing_but_the_own_files_and_the_given_style_and_script() -> None:
    headers = security_headers(["sha256-abc="], ["sha256-def="])

    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self' 'sha256-def='; style-src 'self' 'sha256-abc='; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
