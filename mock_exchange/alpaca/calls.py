"""REST calls: the request, the response, and the context in which a request is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from mock_exchange.alpaca import schema
from mock_exchange.venue.account import Account
from mock_exchange.venue.matching import Matching
from mock_exchange.venue.orders import Reason, Refusal
from mock_exchange.venue_state import VenueState

CODES = {
    Reason.BAD_REQUEST: (400, 40010000),
    Reason.DUPLICATE_CLIENT_ORDER_ID: (422, 40010001),
    Reason.UNAUTHORIZED: (401, None),
    Reason.INSUFFICIENT_BUYING_POWER: (403, 40310000),
    Reason.INSUFFICIENT_SHARES: (403, 40310000),
    Reason.WASH_TRADE: (403, 40310000),
    Reason.NOT_FRACTIONABLE: (403, 40310000),
    Reason.POSITION_NOT_FOUND: (404, 40410000),
    Reason.ORDER_NOT_FOUND: (404, 40410000),
    Reason.ASSET_NOT_FOUND: (404, 40410000),
    Reason.BAD_VALUE: (422, 42210000),
    Reason.BAD_WORD: (422, 40010001),
    Reason.NOT_OPEN: (422, 42210000),
    Reason.TOO_MANY_ORDERS: (429, 42910000),
    Reason.WATCHLIST_NOT_FOUND: (404, 40410000),
    Reason.NOT_COVERED: (403, 40310000),
    Reason.NO_RECENT_SIP: (403, 42210000),
    Reason.NOT_MODELLED: (404, 40410000),
    Reason.FORBIDDEN_BY_OWNER: (403, 40310000),
}
"""The HTTP status and Alpaca's code of each reason."""


class Request(msgspec.Struct, frozen=True):
    """A request as it was sent."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes = b""


class Response(msgspec.Struct, frozen=True):
    """A status, and JSON or nothing."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}
    content_type: str = "application/json"


class FaultPolicy(msgspec.Struct, frozen=True):
    """The faults that a request meets."""

    reject: bool = False  # take the order, and reject it afterwards
    cancel_delay_ns: int = 0  # answer that the order is canceled, but cancel it so much later


NO_FAULTS = FaultPolicy()

Call = Callable[["RequestContext"], Response]

_encode = msgspec.json.Encoder().encode


class RequestContext(msgspec.Struct, frozen=True):
    """One request of a client whose account is known, at a time of the market."""

    venue: VenueState
    account: str
    request: Request
    now: int
    name: str  # the order, position or stock that the path names
    policy: FaultPolicy

    @property
    def matching(self) -> Matching:
        """The venue's matching engine."""
        return self.venue.matching

    @property
    def owner(self) -> Account:
        """What the client owns."""
        return self.venue.matching.accounts[self.account]

    @property
    def identity(self) -> str:
        """The account's id."""
        return self.venue.ids.of(f"account/{self.account}")

    def asset(self, symbol: str) -> schema.Json:
        """Write a stock as it is now."""
        return schema.asset(symbol, self.matching.assets[symbol], easy_to_borrow=self.venue.easy_to_borrow)


def answer(value: Any, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(status, _encode(value))


def refuse(refusal: Refusal) -> Response:
    """Answer with a refusal."""
    status, code = CODES[refusal.reason]
    body: dict[str, Any] = {} if code is None else {"code": code}
    return answer({**body, "message": refusal.message, **refusal.details}, status)


TOO_MANY_REQUESTS = answer({"code": 42910000, "message": "too many requests"}, 429)
UNAUTHORIZED = refuse(Refusal(Reason.UNAUTHORIZED, "unauthorized."))
_FORBIDDEN = answer({"message": "forbidden."}, 403)
_NGINX = Response(
    401,
    b"<html>\r\n<head><title>401 Authorization Required</title></head>\r\n<body>\r\n"
    b"<center><h1>401 Authorization Required</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
    content_type="text/html",
)

DATA = "/v2/stocks/"
"""What begins like this is on a host of its own at Alpaca, that of the market data."""


def unauthorized(path: str, *, with_keys: bool) -> Response:
    """Answer one who has no right pair of keys: the trading host answers otherwise than that of the data."""
    if path.startswith(DATA):
        return _FORBIDDEN
    return UNAUTHORIZED if with_keys else _NGINX
