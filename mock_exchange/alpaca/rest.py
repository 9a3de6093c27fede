"""The REST calls: a request and the time in, an answer out."""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec

from mock_exchange.alpaca import account_calls, schema, unverified, watchlists
from mock_exchange.alpaca.calls import (
    NO_FAULTS,
    UNAUTHORIZED,
    Call,
    FaultPolicy,
    Request,
    RequestContext,
    Response,
    answer,
    refuse,
)
from mock_exchange.alpaca.listing import day, listed
from mock_exchange.alpaca.requests import Unreadable, json_object, order_request, parts_of, replacement
from mock_exchange.alpaca.stocks import stocks
from mock_exchange.venue import hours
from mock_exchange.venue.money import exact
from mock_exchange.venue.orders import OPEN, Order, Reason, Refusal
from mock_exchange.venue_state import VenueState

MOST_DAYS = 4_000
"""Of the calendar in one answer."""


def respond(
    venue: VenueState, account: str | None, request: Request, now: int, policy: FaultPolicy = NO_FAULTS
) -> Response:
    """Answer a request of an account; None if it has none. A slash at a path's end makes no difference."""
    if account is None:
        return UNAUTHORIZED
    path = request.path.rstrip("/")
    for pattern, calls in _PATTERNS:
        if (found := pattern.fullmatch(path)) is None:
            continue
        if request.method not in calls:
            return answer({"code": 40510000, "message": "method not allowed"}, 405)
        name = found.groupdict().get("name", "")
        try:
            return calls[request.method](RequestContext(venue, account, request, now, name, policy))
        except Unreadable as error:
            return refuse(error.refusal)
    if (unknown := _NOT_MODELLED.match(path)) is not None:
        return refuse(Refusal(Reason.NOT_MODELLED, f"{unknown[1]} are not modelled by this exchange"))
    return answer({"code": 40410000, "message": "endpoint not found."}, 404)


_NOT_MODELLED = re.compile("/v2/(options|corporate_actions)(?![^/:])")
"""What Alpaca has, and this exchange has not."""


# -- orders ------------------------------------------------------------------------------------------------------------


def _written(context: RequestContext, order: Order) -> schema.Json:
    return schema.order(order, context.matching.orders.legs(order))


def _order_or_refusal(context: RequestContext, order: Order | Refusal) -> Response:
    return refuse(order) if isinstance(order, Refusal) else answer(_written(context, order))


def _submit(context: RequestContext) -> Response:
    wanted = order_request(json_object(context.request.body))
    last = context.matching.prices.get(wanted.symbol, 0)
    if (refusal := unverified.refusal(wanted, last, context.venue.unverified)) is not None:
        return refuse(refusal)
    order = context.matching.submit(context.account, wanted, context.now, reject=context.policy.reject)
    return _order_or_refusal(context, unverified.as_told(order, context.venue.unverified))


def _list_orders(context: RequestContext) -> Response:
    orders = context.matching.orders
    chosen, nested = listed(orders, context.account, context.request.query)
    return answer([schema.order(order, orders.legs(order) if nested else ()) for order in chosen])


def _get_order(context: RequestContext) -> Response:
    return _order_or_refusal(context, context.matching.orders.find(context.account, context.name))


def _get_order_by_client_id(context: RequestContext) -> Response:
    client_order_id = context.request.query.get("client_order_id", "")
    return _order_or_refusal(context, context.matching.orders.find_by_client_id(context.account, client_order_id))


def _replace(context: RequestContext) -> Response:
    old = context.matching.orders.find(context.account, context.name)
    if isinstance(old, Refusal):
        return refuse(old)
    wanted = replacement(json_object(context.request.body), old.trail_bp is not None)
    return _order_or_refusal(context, context.matching.replace(context.account, context.name, wanted, context.now))


def _cancel(context: RequestContext) -> Response:
    if context.policy.cancel_delay_ns:
        order = context.matching.orders.find(context.account, context.name)
        if isinstance(order, Order) and order.status in OPEN:
            context.venue.cancel_later(
                context.account, order, context.now, context.now + context.policy.cancel_delay_ns
            )
            return Response(204)
    order = context.matching.cancel(context.account, context.name, context.now)
    return refuse(order) if isinstance(order, Refusal) else Response(204)


def _cancel_all(context: RequestContext) -> Response:
    canceled = []
    for order in context.matching.orders.open_orders(context.account):
        # One that went with another is canceled too: whose turn it was does not matter.
        result = context.matching.cancel(context.account, order.id, context.now)
        gone = isinstance(result, Order) or result.reason is Reason.NOT_OPEN
        canceled.append({"id": order.id, "status": 200 if gone else 500})
    return answer(canceled, 207)


# -- positions ---------------------------------------------------------------------------------------------------------


def _position(context: RequestContext, symbol: str) -> schema.Json:
    account, price = context.owner, context.matching.prices[symbol]
    return schema.position(symbol, account.positions[symbol], price, account.available(symbol))


def _list_positions(context: RequestContext) -> Response:
    return answer([_position(context, symbol) for symbol in sorted(context.owner.positions)])


def _get_position(context: RequestContext) -> Response:
    symbol = _symbol(context)
    if not context.owner.qty(symbol):
        return refuse(Refusal(Reason.POSITION_NOT_FOUND, "position does not exist"))
    return answer(_position(context, symbol))


def _close(context: RequestContext) -> Response:
    symbol, query = _symbol(context), context.request.query
    held = abs(context.owner.qty(symbol))
    qty = parts_of(query["qty"]) if "qty" in query else None
    if "percentage" in query and held:
        percentage = exact(query["percentage"])
        if percentage is None or not 0 < percentage <= 100:
            raise Unreadable(Reason.BAD_VALUE, "percentage must be > 0 and <= 100")
        qty = int(held * percentage / 100)  # what is finer than a part stays
    return _order_or_refusal(context, context.matching.close(context.account, symbol, qty, context.now))


def _close_all(context: RequestContext) -> Response:
    if context.request.query.get("cancel_orders", "").lower() == "true":
        _cancel_all(context)
    results = []
    for symbol in sorted(context.owner.positions):
        response = _order_or_refusal(context, context.matching.close(context.account, symbol, None, context.now))
        results.append({"symbol": symbol, "status": response.status, "body": msgspec.Raw(response.body)})
    return answer(results, 207)


def _symbol(context: RequestContext) -> str:
    """Return the symbol that the path names, by itself or by its asset's id."""
    by_id = {schema.asset_id(symbol): symbol for symbol in context.venue.symbols}
    return by_id.get(context.name, context.name.upper())


# -- the rest --------------------------------------------------------------------------------------------------------


def _clock(context: RequestContext) -> Response:
    if context.venue.trading_hours:
        return answer(schema.session_clock(context.now))
    return answer(schema.clock(context.now, context.matching.day_end))


def _calendar(context: RequestContext) -> Response:
    opened = schema.day_of(context.venue.start_ns)
    start, end = day(context.request.query, "start", opened), day(context.request.query, "end", opened + timedelta(365))
    if (end - start).days >= MOST_DAYS:
        raise Unreadable(Reason.BAD_VALUE, f"start and end must be less than {MOST_DAYS} days apart")
    if context.venue.trading_hours:
        return answer(list(map(schema.session_day, hours.sessions_of(start, end))))
    return answer([schema.calendar_day(start + timedelta(days)) for days in range((end - start).days + 1)])


def _asset(context: RequestContext) -> Response:
    symbol = _symbol(context)
    if symbol not in context.venue.symbols:
        return refuse(Refusal(Reason.ASSET_NOT_FOUND, f"asset not found for {context.name[:64]}"))
    return answer(context.asset(symbol))


def _assets(context: RequestContext) -> Response:
    assets = [context.asset(symbol) for symbol in context.venue.symbols]
    for name, key in (("status", "status"), ("asset_class", "class"), ("exchange", "exchange")):
        if wanted := context.request.query.get(name):
            assets = [it for it in assets if it[key].lower() == wanted.lower()]
    return answer(assets)


def _stocks(context: RequestContext) -> Response:
    venue = context.venue
    return answer(stocks(venue.history, context.name, context.request.query, context.now, venue.feeds))


_CALLS: dict[str, dict[str, Call]] = {
    "/v2/orders": {"POST": _submit, "GET": _list_orders, "DELETE": _cancel_all},
    "/v2/orders:by_client_order_id": {"GET": _get_order_by_client_id},
    "/v2/orders/{}": {"GET": _get_order, "PATCH": _replace, "DELETE": _cancel},
    "/v2/positions": {"GET": _list_positions, "DELETE": _close_all},
    "/v2/positions/{}": {"GET": _get_position, "DELETE": _close},
    "/v2/account": {"GET": account_calls.account},
    "/v2/account/configurations": {"GET": account_calls.configuration, "PATCH": account_calls.configure},
    "/v2/account/activities": {"GET": account_calls.list_activities},
    "/v2/account/activities/{}": {"GET": account_calls.list_activities},
    "/v2/account/portfolio/history": {"GET": account_calls.portfolio_history},
    "/v2/clock": {"GET": _clock},
    "/v2/calendar": {"GET": _calendar},
    "/v2/assets": {"GET": _assets},
    "/v2/assets/{}": {"GET": _asset},
    "/v2/watchlists": {"GET": watchlists.every, "POST": watchlists.create},
    "/v2/watchlists/{}": {
        "GET": watchlists.one,
        "PUT": watchlists.update,
        "POST": watchlists.add,
        "DELETE": watchlists.delete,
    },
    "/v2/watchlists/(?P<name>[^/]+/[^/]+)": {"DELETE": watchlists.remove},
    "/v2/stocks/(?P<name>.+)": {"GET": _stocks},
}
"""Every path, and the calls that it takes by their methods."""

_PATTERNS = [(re.compile(path.replace("{}", r"(?P<name>[^/]+)")), calls) for path, calls in _CALLS.items()]
