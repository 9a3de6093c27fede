"""What clients ask for, read from JSON: orders and their replacements. What cannot be read is refused by name."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from mock_exchange.venue.money import CENT, DOLLAR, SHARE, exact
from mock_exchange.venue.orders import (
    Kind,
    OrderClass,
    OrderRequest,
    Reason,
    Refusal,
    Replacement,
    Side,
    TimeInForce,
)

Json = dict[str, Any]
E = TypeVar("E", bound=StrEnum)


_AUCTIONS = ("opg", "cls")

LEAST_NOTIONAL = 100
"""Cents that an order for an amount of money is for at least."""


class Unreadable(Exception):
    """The request says something that means nothing; `refusal` says what."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(reason, message)


def json_object(body: bytes) -> Json:
    """Read a body that must be a JSON object. Raises Unreadable."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Unreadable(Reason.BAD_REQUEST, "request body format is invalid")
    return value


def order_request(body: Json) -> OrderRequest:
    """Read an order. Raises Unreadable."""
    symbol, side = _text(body, "symbol", required=True) or "", _word(body, "side", Side)
    qty, notional = _size(body)
    order_class = _word(body, "order_class", OrderClass, OrderClass.SIMPLE)
    target = _price(_inner(body, "take_profit"), "limit_price", "take_profit.")
    limit = _price(body, "limit_price")
    return OrderRequest(
        symbol=symbol,
        side=side,
        qty=qty,
        notional=notional,
        kind=_word(body, "type", Kind),
        time_in_force=_time_in_force(body),
        limit=target if order_class is OrderClass.OCO and limit is None else limit,
        stop=_price(body, "stop_price"),
        trail=_price(body, "trail_price"),
        trail_bp=_percent(body, "trail_percent"),
        order_class=order_class,
        target=target,
        stop_loss=_price(_inner(body, "stop_loss"), "stop_price", "stop_loss."),
        stop_loss_limit=_price(_inner(body, "stop_loss"), "limit_price", "stop_loss."),
        client_order_id=_text(body, "client_order_id") or None,
        extended_hours=_flag(body, "extended_hours"),
    )


def replacement(body: Json, trails_by_percent: bool) -> Replacement:
    """Read what is to be changed at an order. Raises Unreadable."""
    wanted = Replacement(
        qty=parts_of(body["qty"]) if body.get("qty") is not None else None,
        time_in_force=_word(body, "time_in_force", TimeInForce) if body.get("time_in_force") is not None else None,
        limit=_price(body, "limit_price"),
        stop=_price(body, "stop_price"),
        trail=None if trails_by_percent else _price(body, "trail"),
        trail_bp=_percent(body, "trail") if trails_by_percent else None,
        client_order_id=_text(body, "client_order_id") or None,
    )
    if wanted == Replacement():
        raise Unreadable(
            Reason.BAD_VALUE, "at least one of qty, time_in_force, limit_price, stop_price, trail is needed"
        )
    return wanted


def parts_of(value: Any) -> int:
    """Read a number of shares, in parts. Raises Unreadable."""
    return _counted(value, "qty", SHARE, "qty must have no more than nine decimals")


def _size(body: Json) -> tuple[int, int | None]:
    """Read how many parts of shares, or how much money, an order is for."""
    qty, notional = body.get("qty"), body.get("notional")
    if qty is not None and notional is not None:
        raise Unreadable(Reason.BAD_VALUE, "only one of qty or notional is accepted")
    if notional is None:
        if qty is None:
            raise Unreadable(Reason.BAD_VALUE, "qty or notional is required")
        return parts_of(qty), None
    cents = _counted(notional, "notional", DOLLAR // CENT, "notional must have no more than two decimals")
    if cents < LEAST_NOTIONAL:
        raise Unreadable(Reason.BAD_VALUE, f"notional must be >= {LEAST_NOTIONAL * CENT // DOLLAR}")
    return 0, cents * CENT * SHARE


def _counted(value: Any, name: str, unit: int, too_fine: str) -> int:
    """Read a number that has to be a whole one of units, of which so many make one."""
    written = format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)  # no exponent
    number = exact(written) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
    if number is None:
        raise Unreadable(Reason.BAD_VALUE, f"{name} must be a number")
    count = number * unit
    if count != count.to_integral_value():
        raise Unreadable(Reason.BAD_VALUE, too_fine)
    return int(count)


def _price(body: Json, name: str, prefix: str = "") -> int | None:
    """Read a price in points; one that is finer than a point is finer than any that is allowed."""
    value = body.get(name)
    if value is None:
        return None
    name = prefix + name
    too_fine = f"invalid {name} {value}. sub-penny increment does not fulfill minimum pricing criteria"
    return _counted(value, name, DOLLAR, too_fine)


def _percent(body: Json, name: str) -> int | None:
    """Read a percentage in hundredths of a percent."""
    value = body.get(name)
    return None if value is None else _counted(value, name, 100, f"{name} must have no more than two decimals")


def _word(body: Json, name: str, words: type[E], default: E | None = None) -> E:
    value = body.get(name)
    if value in (None, "") and default is not None:
        return default
    word = next((word for word in words if word == value), None)
    if word is None:
        problem = "is required" if value in (None, "") else "is invalid"
        raise Unreadable(Reason.BAD_WORD, f"{name} {problem}: one of {', '.join(words)}")
    return word


def _time_in_force(body: Json) -> TimeInForce:
    """Read how long an order stays. Auctions are for accounts that Alpaca's staff enables, which none is here."""
    if (word := body.get("time_in_force")) in _AUCTIONS:
        raise Unreadable(Reason.BAD_VALUE, f"time_in_force {word} is not enabled for this account: contact sales")
    return _word(body, "time_in_force", TimeInForce, TimeInForce.DAY)


def _text(body: Json, name: str, *, required: bool = False) -> str | None:
    value = body.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or (required and not value):
        raise Unreadable(Reason.BAD_VALUE, f"{name} is required" if value is None else f"{name} must be text")
    return value


def _inner(body: Json, name: str) -> Json:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(Reason.BAD_VALUE, f"{name} must be an object")
    return value


def _flag(body: Json, name: str) -> bool:
    value = body.get(name)
    if value not in (None, True, False):
        raise Unreadable(Reason.BAD_VALUE, f"{name} must be true or false")
    return bool(value)
