"""The calls about watchlists."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from mock_exchange.alpaca import schema
from mock_exchange.alpaca.calls import RequestContext, Response, answer
from mock_exchange.alpaca.requests import Unreadable, json_object
from mock_exchange.alpaca.stamps import stamp
from mock_exchange.venue.orders import Reason
from mock_exchange.venue_state import Watchlist

MOST_LISTS = 200
"""Of one account."""

MOST_NAME = 64
"""Characters."""


def every(context: RequestContext) -> Response:
    """Answer with all lists of the account, without their stocks."""
    return answer([_written(context, it, with_assets=False) for it in _lists(context).values()])


def create(context: RequestContext) -> Response:
    """Make a list."""
    lists, body = _lists(context), json_object(context.request.body)
    if len(lists) >= MOST_LISTS:
        raise Unreadable(Reason.BAD_VALUE, f"more than {MOST_LISTS} watchlists")
    name = _name(context, body, "")
    context.venue.watchlist_number += 1
    identity = context.venue.ids.of(f"watchlist/{context.account}/{context.venue.watchlist_number}")
    return _kept(context, Watchlist(identity, name, _symbols(context, body.get("symbols")), context.now, context.now))


def one(context: RequestContext) -> Response:
    """Answer with one list."""
    return answer(_written(context, _found(context, context.name)))


def update(context: RequestContext) -> Response:
    """Give a list another name, or other stocks."""
    old, body = _found(context, context.name), json_object(context.request.body)
    name = old.name if body.get("name") is None else _name(context, body, old.id)
    symbols = old.symbols if body.get("symbols") is None else _symbols(context, body["symbols"])
    return _kept(context, replace(old, name=name, symbols=symbols, updated_ns=context.now))


def add(context: RequestContext) -> Response:
    """Append a stock to a list."""
    old, body = _found(context, context.name), json_object(context.request.body)
    symbols = _symbols(context, [*old.symbols, body.get("symbol")])
    return _kept(context, replace(old, symbols=symbols, updated_ns=context.now))


def delete(context: RequestContext) -> Response:
    """Forget a list."""
    del _lists(context)[_found(context, context.name).id]
    return Response(204)


def remove(context: RequestContext) -> Response:
    """Take a stock off a list; the path names both."""
    identity, _, symbol = context.name.partition("/")
    old, symbol = _found(context, identity), symbol.upper()
    if symbol not in old.symbols:
        raise Unreadable(Reason.ASSET_NOT_FOUND, f"{symbol[:20]} is not on the watchlist")
    left = tuple(it for it in old.symbols if it != symbol)
    return _kept(context, replace(old, symbols=left, updated_ns=context.now))


def _lists(context: RequestContext) -> dict[str, Watchlist]:
    return context.venue.watchlists.setdefault(context.account, {})


def _found(context: RequestContext, identity: str) -> Watchlist:
    found = _lists(context).get(identity)
    if found is None:
        raise Unreadable(Reason.WATCHLIST_NOT_FOUND, "watchlist not found")
    return found


def _kept(context: RequestContext, it: Watchlist) -> Response:
    _lists(context)[it.id] = it
    return answer(_written(context, it))


def _name(context: RequestContext, body: schema.Json, own: str) -> str:
    name = body.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= MOST_NAME:
        raise Unreadable(Reason.BAD_VALUE, f"name must be text of 1 to {MOST_NAME} characters")
    if any(it.name == name and it.id != own for it in _lists(context).values()):
        raise Unreadable(Reason.BAD_VALUE, "watchlist name must be unique")
    return name


def _symbols(context: RequestContext, named: Any) -> tuple[str, ...]:
    if named is None:
        return ()
    if not isinstance(named, list):
        raise Unreadable(Reason.BAD_VALUE, "symbols must be a list")
    for symbol in named:
        if not isinstance(symbol, str) or symbol.upper() not in context.venue.symbols:
            raise Unreadable(Reason.BAD_VALUE, f'asset "{str(symbol)[:20]}" not found')
    return tuple(dict.fromkeys(symbol.upper() for symbol in named))


def _written(context: RequestContext, it: Watchlist, *, with_assets: bool = True) -> schema.Json:
    written = {
        "id": it.id,
        "account_id": context.identity,
        "created_at": stamp(it.created_ns),
        "updated_at": stamp(it.updated_ns),
        "name": it.name,
    }
    return written | ({"assets": [context.asset(symbol) for symbol in it.symbols]} if with_assets else {})
