"""Addresses: what is shown of one has no secret in it, however it was typed."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from actors.feeds.addresses import shown


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("wss://me:s3cret@v.example/feed?token=s3cret#s3cret", "wss://v.example/feed"),
        ("me:s3cret@v.example:80", "v.example:80"),
        ("ws://me:s3cr@et@v.example/feed", "ws://v.example/feed"),
        ("//me:s3cret@v.example", "v.example"),
        ("wss://v.example:9443/stream?streams=a@trade", "wss://v.example:9443/stream"),
        ("wss://v.example:9443/ws/a@trade", "wss://v.example:9443"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("ws://[::1]:1/x", "ws://[::1]:1/x"),
        ("ws://[::1", "ws://[::1"),
        ("nonsense", "nonsense"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, said: str) -> None:
    assert shown(address) == said


@given(
    st.sampled_from(["wss://", "ws://", "http://", "", "//", "wss:/", "wss//"]),
    st.text("/?#@:[]% ", max_size=3),
    st.text("/?#@:[]% ", max_size=3),
    st.sampled_from(["", ":1", "/feed", "/a@b", "?a=b"]),
)
def test_no_password_is_shown_whatever_stands_in_it(scheme: str, before: str, after: str, rest: str) -> None:
    assert "s3cret" not in shown(f"{scheme}me:{before}s3cret{after}@v.example{rest}")
