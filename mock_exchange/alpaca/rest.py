"""The REST calls: a request and the time in, an answer out."""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec

from mock_exchange.alpaca import owner, watching, words
from mock_exchange.alpaca.calls import (
    GOOD_CONDUCT,
    UNAUTHORIZED,
    Call,
    Conduct,
    Request,
    Response,
    Visit,
    answer,
    refuse,
)
from mock_exchange.alpaca.listing import day, listed
from mock_exchange.alpaca.requests import Unreadable, json_object, order_request, parts_of, replacement
from mock_exchange.alpaca.stocks import stocks
from mock_exchange.floor import Floor
from mock_exchange.venue.money import exact
from mock_exchange.venue.orders import OPEN, Order, Reason, Refusal

MOST_DAYS = 4_000
"""Of the calendar in one answer."""


def respond(floor: Floor, account: str | None, request: Request, now: int, conduct: Conduct = GOOD_CONDUCT) -> Response:
    """Answer a request of an account; None is somebody without one. A slash at a path's end makes no difference."""
    if account is None:
        return UNAUTHORIZED
    path = request.path.rstrip("/")
    call, name = _EXACTLY.get((request.method, path)), ""
    if call is None:
        call, name = _matching(request.method, path)
    if call is not None:
        try:
            return call(Visit(floor, account, request, now, name, conduct))
        except Unreadable as error:
            return refuse(error.refusal)
    if (unknown := _NOT_MODELLED.match(path)) is not None:
        return refuse(Refusal(Reason.NOT_MODELLED, f"{unknown[1]} are not modelled by this exchange"))
    known = any(pattern.fullmatch(path) for _, pattern, _ in _CALLS)
    if known:
        return answer({"code": 40510000, "message": "method not allowed"}, 405)
    return answer({"code": 40410000, "message": "endpoint not found."}, 404)


def _matching(asked: str, path: str) -> tuple[Call | None, str]:
    """Find the call whose path names something, and what it names."""
    for method, pattern, call in _CALLS:
        if method == asked and (found := pattern.fullmatch(path)) is not None:
            return call, found.groupdict().get("name", "")
    return None, ""


_NOT_MODELLED = re.compile("/v2/(options|corporate_actions)(?![^/:])")
"""What Alpaca has, and this exchange has not."""


# -- orders ------------------------------------------------------------------------------------------------------------


def _written(visit: Visit, order: Order) -> words.WrittenOrder:
    return words.order(order, visit.floor.matching.orders.legs(order))


def _order_or_refusal(visit: Visit, order: Order | Refusal) -> Response:
    return refuse(order) if isinstance(order, Refusal) else answer(_written(visit, order))


def _submit(visit: Visit) -> Response:
    wanted = order_request(json_object(visit.request.body))
    order = visit.floor.matching.submit(visit.account, wanted, visit.now, reject=visit.conduct.reject)
    return _order_or_refusal(visit, order)


def _list_orders(visit: Visit) -> Response:
    orders = visit.floor.matching.orders
    chosen, nested = listed(orders, visit.account, visit.request.query)
    return answer([words.order(order, orders.legs(order) if nested else ()) for order in chosen])


def _get_order(visit: Visit) -> Response:
    return _order_or_refusal(visit, visit.floor.matching.orders.find(visit.account, visit.name))


def _get_order_by_client_id(visit: Visit) -> Response:
    client_order_id = visit.request.query.get("client_order_id", "")
    return _order_or_refusal(visit, visit.floor.matching.orders.find_by_client_id(visit.account, client_order_id))


def _replace(visit: Visit) -> Response:
    old = visit.floor.matching.orders.find(visit.account, visit.name)
    if isinstance(old, Refusal):
        return refuse(old)
    wanted = replacement(json_object(visit.request.body), old.trail_bp is not None)
    return _order_or_refusal(visit, visit.floor.matching.replace(visit.account, visit.name, wanted, visit.now))


def _cancel(visit: Visit) -> Response:
    if visit.conduct.cancel_delay_ns:
        order = visit.floor.matching.orders.find(visit.account, visit.name)
        if isinstance(order, Order) and order.status in OPEN:
            visit.floor.cancel_later(visit.account, visit.name, visit.now + visit.conduct.cancel_delay_ns)
            return Response(204)
    order = visit.floor.matching.cancel(visit.account, visit.name, visit.now)
    return refuse(order) if isinstance(order, Refusal) else Response(204)


def _cancel_all(visit: Visit) -> Response:
    canceled = []
    for order in visit.floor.matching.orders.open_orders(visit.account):
        # One that went with another is canceled too: nobody needs to know whose turn it was.
        result = visit.floor.matching.cancel(visit.account, order.id, visit.now)
        gone = isinstance(result, Order) or result.reason is Reason.NOT_OPEN
        canceled.append({"id": order.id, "status": 200 if gone else 500})
    return answer(canceled, 207)


# -- positions ---------------------------------------------------------------------------------------------------------


def _position(visit: Visit, symbol: str) -> words.Json:
    account, prices = visit.floor.matching.accounts[visit.account], visit.floor.matching.prices
    return words.position(symbol, account.positions[symbol], prices[symbol], account.available(symbol))


def _list_positions(visit: Visit) -> Response:
    positions = visit.floor.matching.accounts[visit.account].positions
    return answer([_position(visit, symbol) for symbol in sorted(positions)])


def _get_position(visit: Visit) -> Response:
    symbol = _symbol(visit)
    if not visit.floor.matching.accounts[visit.account].qty(symbol):
        return refuse(Refusal(Reason.POSITION_NOT_FOUND, "position does not exist"))
    return answer(_position(visit, symbol))


def _close(visit: Visit) -> Response:
    symbol, query = _symbol(visit), visit.request.query
    held = abs(visit.floor.matching.accounts[visit.account].qty(symbol))
    qty = parts_of(query["qty"]) if "qty" in query else None
    if "percentage" in query and held:
        percentage = exact(query["percentage"])
        if percentage is None or not 0 < percentage <= 100:
            raise Unreadable(Reason.BAD_VALUE, "percentage must be > 0 and <= 100")
        qty = int(held * percentage / 100)  # what is finer than a part stays
    return _order_or_refusal(visit, visit.floor.matching.close(visit.account, symbol, qty, visit.now))


def _close_all(visit: Visit) -> Response:
    matching = visit.floor.matching
    if visit.request.query.get("cancel_orders", "").lower() == "true":
        _cancel_all(visit)
    results = []
    for symbol in sorted(matching.accounts[visit.account].positions):
        response = _order_or_refusal(visit, matching.close(visit.account, symbol, None, visit.now))
        results.append({"symbol": symbol, "status": response.status, "body": msgspec.Raw(response.body)})
    return answer(results, 207)


def _symbol(visit: Visit) -> str:
    """Return the symbol that the path names, by itself or by its asset's id."""
    by_id = {words.asset_id(symbol): symbol for symbol in visit.floor.symbols}
    return by_id.get(visit.name, visit.name.upper())


# -- the rest --------------------------------------------------------------------------------------------------------


def _clock(visit: Visit) -> Response:
    return answer(words.clock(visit.now, visit.floor.matching.day_end))


def _calendar(visit: Visit) -> Response:
    opened = words.day_of(visit.floor.start_ns)
    start, end = day(visit.request.query, "start", opened), day(visit.request.query, "end", opened + timedelta(365))
    if (end - start).days >= MOST_DAYS:
        raise Unreadable(Reason.BAD_VALUE, f"start and end must be less than {MOST_DAYS} days apart")
    return answer([words.calendar_day(start + timedelta(days)) for days in range((end - start).days + 1)])


def _asset(visit: Visit) -> Response:
    symbol = _symbol(visit)
    if symbol not in visit.floor.symbols:
        return refuse(Refusal(Reason.ASSET_NOT_FOUND, f"asset not found for {visit.name[:64]}"))
    return answer(words.asset(symbol))


def _assets(visit: Visit) -> Response:
    assets = [words.asset(symbol) for symbol in visit.floor.symbols]
    for name, key in (("status", "status"), ("asset_class", "class"), ("exchange", "exchange")):
        if wanted := visit.request.query.get(name):
            assets = [it for it in assets if it[key].lower() == wanted.lower()]
    return answer(assets)


def _stocks(visit: Visit) -> Response:
    return answer(stocks(visit.floor.history, visit.name, visit.request.query, visit.now))


_CALLS: list[tuple[str, re.Pattern[str], Call]] = [
    (method, re.compile(path.replace("{}", r"(?P<name>[^/]+)")), call)
    for method, path, call in (
        ("POST", "/v2/orders", _submit),
        ("GET", "/v2/orders", _list_orders),
        ("DELETE", "/v2/orders", _cancel_all),
        ("GET", "/v2/orders:by_client_order_id", _get_order_by_client_id),
        ("GET", "/v2/orders/{}", _get_order),
        ("PATCH", "/v2/orders/{}", _replace),
        ("DELETE", "/v2/orders/{}", _cancel),
        ("GET", "/v2/positions", _list_positions),
        ("DELETE", "/v2/positions", _close_all),
        ("GET", "/v2/positions/{}", _get_position),
        ("DELETE", "/v2/positions/{}", _close),
        ("GET", "/v2/account", owner.account),
        ("GET", "/v2/account/configurations", owner.configuration),
        ("PATCH", "/v2/account/configurations", owner.configure),
        ("GET", "/v2/account/activities", owner.list_activities),
        ("GET", "/v2/account/activities/{}", owner.list_activities),
        ("GET", "/v2/account/portfolio/history", owner.portfolio_history),
        ("GET", "/v2/clock", _clock),
        ("GET", "/v2/calendar", _calendar),
        ("GET", "/v2/assets", _assets),
        ("GET", "/v2/assets/{}", _asset),
        ("GET", "/v2/watchlists", watching.watchlists),
        ("POST", "/v2/watchlists", watching.create),
        ("GET", "/v2/watchlists/{}", watching.watchlist),
        ("PUT", "/v2/watchlists/{}", watching.update),
        ("POST", "/v2/watchlists/{}", watching.add),
        ("DELETE", "/v2/watchlists/{}", watching.delete),
        ("DELETE", "/v2/watchlists/(?P<name>[^/]+/[^/]+)", watching.remove),
        ("GET", "/v2/stocks/(?P<name>.+)", _stocks),
    )
]
"""Every call: its method, its path, and who answers it."""

_EXACTLY = {
    (method, pattern.pattern): call for method, pattern, call in _CALLS if re.escape(pattern.pattern) == pattern.pattern
}
"""Those whose path names nothing: they need not be searched for."""
