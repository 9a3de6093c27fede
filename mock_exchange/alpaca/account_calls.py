"""The calls about an account by itself: what it may do, what has happened in it, what it was worth."""

from __future__ import annotations

from typing import Any

import msgspec

from mock_exchange.alpaca import schema
from mock_exchange.alpaca.activities import activities
from mock_exchange.alpaca.calls import RequestContext, Response, answer
from mock_exchange.alpaca.requests import Unreadable, json_object
from mock_exchange.events import SECOND
from mock_exchange.venue.configuration import Configuration
from mock_exchange.venue.money import DOLLAR, SHARE
from mock_exchange.venue.orders import Reason

_DOLLAR = DOLLAR * SHARE  # as an amount


def account(context: RequestContext) -> Response:
    """Answer with the account."""
    prices, opened_ns = context.matching.prices, context.venue.start_ns
    return answer(schema.account(context.owner, prices, context.identity, opened_ns))


def configuration(context: RequestContext) -> Response:
    """Answer with what the account may do."""
    return answer(context.owner.configuration)


def configure(context: RequestContext) -> Response:
    """Change what the account may do: what is named, and nothing else."""
    account = context.owner
    named: dict[str, Any] = {
        name: value for name, value in json_object(context.request.body).items() if value is not None
    }
    try:
        account.configuration = msgspec.convert(
            msgspec.structs.asdict(account.configuration) | named, type=Configuration
        )
    except msgspec.ValidationError as error:
        raise Unreadable(Reason.BAD_VALUE, str(error)) from None
    return answer(account.configuration)


def list_activities(context: RequestContext) -> Response:
    """Answer with a page of what has happened in the account."""
    executions = context.matching.orders.executions(context.account)
    return answer(activities(executions, context.identity, context.name, context.request.query))


def portfolio_history(context: RequestContext) -> Response:
    """Answer with what the account was worth when the market opened, and what it is worth now: two points."""
    first, last = context.owner.first_cash / _DOLLAR, context.owner.equity(context.matching.prices) / _DOLLAR
    return answer(
        {
            "timestamp": [context.venue.start_ns // SECOND, context.now // SECOND],
            "equity": [first, last],
            "profit_loss": [0.0, round(last - first, 4)],
            "profit_loss_pct": [0.0, round((last - first) / first, 8)],
            "base_value": first,
            "timeframe": context.request.query.get("timeframe") or "1D",
        }
    )
