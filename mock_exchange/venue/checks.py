"""What an order must be by itself, whatever its account has."""

from __future__ import annotations

from mock_exchange.venue.money import CENT, DOLLAR, SHARE
from mock_exchange.venue.orders import Kind, OrderClass, OrderRequest, Reason, Refusal, Side, TimeInForce
from mock_exchange.venue.stops import already_reached

MOST_SHARES = 1_000_000_000  # whole ones
MOST_PRICE = 10_000_000 * DOLLAR
MOST_ID_LENGTH = 128


def flaw(request: OrderRequest, last: int) -> Refusal | None:
    """Return what is wrong with a request, or None; `last` is where the stock is traded."""
    if missing := _missing(request):
        return Refusal(Reason.BAD_WORD, missing)
    message = _shape(request) or _prices(request) or _complex(request, last)
    return Refusal(Reason.BAD_VALUE, message) if message else already_reached(request, last)


def sub_penny(price: int) -> bool:
    """Return whether a price is finer than allowed: a cent from one dollar on, a hundredth of that below."""
    return price >= DOLLAR and price % CENT != 0


def _needed_prices(request: OrderRequest) -> tuple[tuple[str, int | None, Kind], ...]:
    """Return prices by name, each with the kind of order that needs it; a stop limit needs both."""
    return ("limit_price", request.limit, Kind.LIMIT), ("stop_price", request.stop, Kind.STOP)


def _trails(request: OrderRequest) -> int:
    return (request.trail is not None) + (request.trail_bp is not None)


def _missing(request: OrderRequest) -> str | None:
    for name, price, kind in _needed_prices(request):
        if price is None and request.kind in (kind, Kind.STOP_LIMIT):
            return f"{request.kind} orders require {name}"
    if request.kind is Kind.TRAILING_STOP and not _trails(request):
        return "trailing_stop orders require one of trail_price and trail_percent"
    return None


def _shape(request: OrderRequest) -> str | None:
    if request.notional is None and not 0 < request.qty <= MOST_SHARES * SHARE:
        return "qty must be > 0" if request.qty <= 0 else f"qty must be <= {MOST_SHARES}"
    if request.client_order_id is not None and len(request.client_order_id) > MOST_ID_LENGTH:
        return f"client_order_id must be no more than {MOST_ID_LENGTH} characters"
    if request.fractional and (message := _fractional(request)):
        return message
    for name, price, kind in _needed_prices(request):
        if price is not None and request.kind not in (kind, Kind.STOP_LIMIT):
            return f"{request.kind} orders must not have {name}"
    trails = _trails(request)
    if request.kind is Kind.TRAILING_STOP and trails > 1:
        return "trailing_stop orders require one of trail_price and trail_percent"
    if request.kind is not Kind.TRAILING_STOP and trails:
        return f"{request.kind} orders must not have trail_price or trail_percent"
    at_once = request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    if at_once and request.kind not in (Kind.MARKET, Kind.LIMIT):
        return f"{request.time_in_force} is for market and limit orders"
    if request.extended_hours and (request.kind is not Kind.LIMIT or at_once):
        return "extended hours order must be DAY or GTC limit orders"
    return None


def _fractional(request: OrderRequest) -> str | None:
    if request.kind is Kind.TRAILING_STOP:
        return "fractional orders must be market, limit, stop or stop_limit orders"
    if request.notional is not None and request.kind not in (Kind.MARKET, Kind.LIMIT):
        return "notional orders must be market or limit orders"
    if request.order_class is not OrderClass.SIMPLE:
        return "fractional orders must be simple orders"
    if request.time_in_force is not TimeInForce.DAY:
        return "fractional orders must be DAY orders"
    return None


def _prices(request: OrderRequest) -> str | None:
    prices = {
        "limit_price": request.limit,
        "stop_price": request.stop,
        "trail_price": request.trail,
        "take_profit.limit_price": request.target,
        "stop_loss.stop_price": request.stop_loss,
        "stop_loss.limit_price": request.stop_loss_limit,
    }
    for name, price in prices.items():
        if price is None:
            continue
        if not 0 < price <= MOST_PRICE:
            return f"{name} must be > 0" if price <= 0 else f"{name} must be <= {MOST_PRICE // DOLLAR}"
        if sub_penny(price):
            return f"invalid {name} {price / DOLLAR:g}. sub-penny increment does not fulfill minimum pricing criteria"
    if request.trail_bp is not None and not 0 < request.trail_bp < 10_000:
        return "trail_percent must be > 0 and < 100"
    return None


def _complex(request: OrderRequest, last: int) -> str | None:
    legs = (request.target is not None) + (request.stop_loss is not None)
    if request.order_class is OrderClass.SIMPLE:
        return "take_profit and stop_loss need an order_class" if legs else None
    if request.stop_loss is None and request.stop_loss_limit is not None:
        return "stop_loss.stop_price is required"
    if request.time_in_force not in (TimeInForce.DAY, TimeInForce.GTC):
        return "complex orders are only valid for time_in_force day and gtc"
    if request.extended_hours:
        return "complex orders do not support extended_hours"
    if request.order_class is OrderClass.OTO and legs != 1:
        return "oto orders require either take_profit or stop_loss"
    if request.order_class is OrderClass.BRACKET and legs != 2:
        return "bracket orders require take_profit.limit_price and stop_loss.stop_price"
    if request.order_class is OrderClass.OCO and (legs != 2 or request.kind is not Kind.LIMIT):
        return "oco orders must be limit orders and require take_profit.limit_price and stop_loss.stop_price"
    return _leg_prices(request, last)


def _leg_prices(request: OrderRequest, last: int) -> str | None:
    """The target lies beyond the entry's price and the stop before it, by a cent at least.

    The stop lies as far before the present price as well; of an OCO order the target is the base.
    """
    oco = request.order_class is OrderClass.OCO
    base = (request.target if oco else request.limit or request.stop) or last
    opening = request.side.other if oco else request.side  # the side of the position that the legs close
    sign, more, less = (1, ">=", "<=") if opening is Side.BUY else (-1, "<=", ">=")
    target, stop = request.target, request.stop_loss
    if target is not None and not oco and sign * (target - base) < CENT:
        return f"take_profit.limit_price must be {more} base_price {'+' if sign > 0 else '-'} 0.01"
    if stop is not None and min(sign * (base - stop), sign * (last - stop)) < CENT:
        return f"stop_loss.stop_price must be {less} base_price {'-' if sign > 0 else '+'} 0.01"
    if target is not None and stop is not None and sign * (target - stop) <= 0:
        return f"take_profit.limit_price must be {more[0]} stop_loss.stop_price"
    return None
