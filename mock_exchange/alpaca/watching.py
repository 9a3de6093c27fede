"""The calls about watchlists."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from mock_exchange.alpaca import words
from mock_exchange.alpaca.calls import Response, Visit, answer
from mock_exchange.alpaca.requests import Unreadable, json_object
from mock_exchange.alpaca.stamps import stamp
from mock_exchange.venue.orders import Reason
from mock_exchange.watchlists import MOST_LISTS, Watchlist

MOST_NAME = 64
"""Characters."""


def watchlists(visit: Visit) -> Response:
    """Answer with all lists of the account, without their stocks."""
    return answer([_written(visit, it, with_assets=False) for it in _lists(visit).values()])


def create(visit: Visit) -> Response:
    """Make a list."""
    lists, body = _lists(visit), json_object(visit.request.body)
    if len(lists) >= MOST_LISTS:
        raise Unreadable(Reason.BAD_VALUE, f"more than {MOST_LISTS} watchlists")
    name = _name(visit, body, "")
    visit.floor.watchlist_number += 1
    identity = visit.floor.ids.of(f"watchlist/{visit.account}/{visit.floor.watchlist_number}")
    return _kept(visit, Watchlist(identity, name, _symbols(visit, body.get("symbols")), visit.now, visit.now))


def watchlist(visit: Visit) -> Response:
    """Answer with one list."""
    return answer(_written(visit, _found(visit, visit.name)))


def update(visit: Visit) -> Response:
    """Give a list another name, or other stocks."""
    old, body = _found(visit, visit.name), json_object(visit.request.body)
    name = old.name if body.get("name") is None else _name(visit, body, old.id)
    symbols = old.symbols if body.get("symbols") is None else _symbols(visit, body["symbols"])
    return _kept(visit, replace(old, name=name, symbols=symbols, updated_ns=visit.now))


def add(visit: Visit) -> Response:
    """Append a stock to a list."""
    old, body = _found(visit, visit.name), json_object(visit.request.body)
    symbols = _symbols(visit, [*old.symbols, body.get("symbol")])
    return _kept(visit, replace(old, symbols=symbols, updated_ns=visit.now))


def delete(visit: Visit) -> Response:
    """Forget a list."""
    del _lists(visit)[_found(visit, visit.name).id]
    return Response(204)


def remove(visit: Visit) -> Response:
    """Take a stock off a list; the path names both."""
    identity, _, symbol = visit.name.partition("/")
    old, symbol = _found(visit, identity), symbol.upper()
    if symbol not in old.symbols:
        raise Unreadable(Reason.ASSET_NOT_FOUND, f"{symbol[:20]} is not on the watchlist")
    left = tuple(it for it in old.symbols if it != symbol)
    return _kept(visit, replace(old, symbols=left, updated_ns=visit.now))


def _lists(visit: Visit) -> dict[str, Watchlist]:
    return visit.floor.watchlists.setdefault(visit.account, {})


def _found(visit: Visit, identity: str) -> Watchlist:
    found = _lists(visit).get(identity)
    if found is None:
        raise Unreadable(Reason.WATCHLIST_NOT_FOUND, "watchlist not found")
    return found


def _kept(visit: Visit, it: Watchlist) -> Response:
    _lists(visit)[it.id] = it
    return answer(_written(visit, it))


def _name(visit: Visit, body: words.Json, own: str) -> str:
    name = body.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= MOST_NAME:
        raise Unreadable(Reason.BAD_VALUE, f"name must be text of 1 to {MOST_NAME} characters")
    if any(it.name == name and it.id != own for it in _lists(visit).values()):
        raise Unreadable(Reason.BAD_VALUE, "watchlist name must be unique")
    return name


def _symbols(visit: Visit, named: Any) -> tuple[str, ...]:
    if named is None:
        return ()
    if not isinstance(named, list):
        raise Unreadable(Reason.BAD_VALUE, "symbols must be a list")
    for symbol in named:
        if not isinstance(symbol, str) or symbol.upper() not in visit.floor.symbols:
            raise Unreadable(Reason.BAD_VALUE, f'asset "{str(symbol)[:20]}" not found')
    return tuple(dict.fromkeys(symbol.upper() for symbol in named))


def _written(visit: Visit, it: Watchlist, *, with_assets: bool = True) -> words.Json:
    written = {
        "id": it.id,
        "account_id": visit.floor.ids.of(f"account/{visit.account}"),
        "created_at": stamp(it.created_ns),
        "updated_at": stamp(it.updated_ns),
        "name": it.name,
    }
    return written | ({"assets": [words.asset(symbol) for symbol in it.symbols]} if with_assets else {})
