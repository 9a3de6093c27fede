"""The calls about an account by itself: what it may do, what has happened in it, what it was worth."""

from __future__ import annotations

from typing import Any

import msgspec

from mock_exchange.alpaca import words
from mock_exchange.alpaca.activities import activities
from mock_exchange.alpaca.calls import Response, Visit, answer
from mock_exchange.alpaca.requests import Unreadable, json_object
from mock_exchange.alpaca.stamps import SECOND
from mock_exchange.venue.configuration import Configuration
from mock_exchange.venue.money import DOLLAR, SHARE
from mock_exchange.venue.orders import Reason

_DOLLAR = DOLLAR * SHARE  # as an amount


def account(visit: Visit) -> Response:
    """Answer with the account."""
    matching = visit.floor.matching
    return answer(
        words.account(matching.accounts[visit.account], matching.prices, _identity(visit), visit.floor.start_ns)
    )


def configuration(visit: Visit) -> Response:
    """Answer with what the account may do."""
    return answer(visit.floor.matching.accounts[visit.account].configuration)


def configure(visit: Visit) -> Response:
    """Change what the account may do: what is named, and nothing else."""
    account = visit.floor.matching.accounts[visit.account]
    named: dict[str, Any] = {
        name: value for name, value in json_object(visit.request.body).items() if value is not None
    }
    try:
        account.configuration = msgspec.convert(
            msgspec.structs.asdict(account.configuration) | named, type=Configuration
        )
    except msgspec.ValidationError as error:
        raise Unreadable(Reason.BAD_VALUE, str(error)) from None
    return answer(account.configuration)


def list_activities(visit: Visit) -> Response:
    """Answer with a page of what has happened in the account."""
    executions = visit.floor.matching.orders.executions(visit.account)
    return answer(activities(executions, _identity(visit), visit.name, visit.request.query))


def portfolio_history(visit: Visit) -> Response:
    """Answer with what the account was worth when the market opened, and what it is worth now: two points."""
    matching = visit.floor.matching
    account = matching.accounts[visit.account]
    first, last = account.first_cash / _DOLLAR, account.equity(matching.prices) / _DOLLAR
    return answer(
        {
            "timestamp": [visit.floor.start_ns // SECOND, visit.now // SECOND],
            "equity": [first, last],
            "profit_loss": [0.0, round(last - first, 4)],
            "profit_loss_pct": [0.0, round((last - first) / first, 8)],
            "base_value": first,
            "timeframe": visit.request.query.get("timeframe") or "1D",
        }
    )


def _identity(visit: Visit) -> str:
    return visit.floor.ids.of(f"account/{visit.account}")
