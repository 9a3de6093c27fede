"""Watchlists: kept as the client says, each account's its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mock_exchange.test_rest import Desk, read


def make(desk: Desk, name: str = "mine", symbols: Any = ("MSFT", "aapl", "MSFT")) -> Any:
    return read(desk.ask("POST", "/v2/watchlists", body={"name": name, "symbols": symbols}))


def symbols(answer: Any) -> list[str]:
    return [asset["symbol"] for asset in answer["assets"]]


def test_a_list_is_made_read_changed_and_forgotten() -> None:
    desk = Desk()
    made = make(desk)
    path = f"/v2/watchlists/{made['id']}"
    assert symbols(made) == ["MSFT", "AAPL"]
    assert desk.get(path) == made
    assert [(it["id"], it["name"]) for it in desk.get("/v2/watchlists")] == [(made["id"], "mine")]
    assert symbols(read(desk.ask("DELETE", f"{path}/MSFT"))) == ["AAPL"]
    assert symbols(read(desk.ask("POST", path, body={"symbol": "MSFT"}))) == ["AAPL", "MSFT"]
    changed = read(desk.ask("PUT", path, body={"name": "other", "symbols": ["MSFT"]}))
    assert (changed["name"], symbols(changed)) == ("other", ["MSFT"])
    assert symbols(read(desk.ask("PUT", path, body={"name": "third"}))) == ["MSFT"]
    assert read(desk.ask("GET", "/v2/watchlists", "BOB")) == []
    assert desk.ask("GET", path, "BOB").status == 404
    assert desk.ask("DELETE", path).status == 204
    assert desk.get("/v2/watchlists") == []
    assert desk.ask("GET", path).status == 404
    assert make(desk)["id"] != made["id"]


@pytest.mark.parametrize(
    "body",
    [
        {"symbols": ["AAPL"]},
        {"name": ""},
        {"name": "taken"},
        {"name": "new", "symbols": ["NOPE"]},
        {"name": "new", "symbols": "AAPL"},
        {"name": "new", "symbols": [5]},
    ],
)
def test_a_list_that_cannot_be_is_refused(body: Any) -> None:
    desk = Desk()
    make(desk, "taken")
    assert read(desk.ask("POST", "/v2/watchlists", body=body), 422)["code"] == 42210000
    assert len(desk.get("/v2/watchlists")) == 1


def test_a_stock_that_is_not_on_a_list_cannot_be_taken_off() -> None:
    desk = Desk()
    path = f"/v2/watchlists/{make(desk, symbols=['AAPL'])['id']}"
    assert desk.ask("DELETE", f"{path}/MSFT").status == 404
    assert desk.ask("POST", path, body={}).status == 422
