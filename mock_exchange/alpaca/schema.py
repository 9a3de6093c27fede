"""Orders, positions and accounts as Alpaca writes them: JSON objects in which money is text."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from mock_exchange.alpaca.stamps import stamp
from mock_exchange.prints import tape_of
from mock_exchange.venue import hours
from mock_exchange.venue.account import MARGIN_EQUITY, OVERNIGHT, Account, Position
from mock_exchange.venue.assets import EASY, Asset
from mock_exchange.venue.day import day_end, in_new_york
from mock_exchange.venue.fees import Fees
from mock_exchange.venue.hours import TradingSession
from mock_exchange.venue.ids import Ids
from mock_exchange.venue.money import DOLLAR, average, money, quantity, share_of, text
from mock_exchange.venue.orders import Change, Order, Side, Status, Update

EXCHANGES = {"A": "NYSE", "B": "ARCA", "C": "NASDAQ"}
"""Where a stock is listed, by its tape."""

ASSETS = Ids("assets of the mock exchange")

Json = dict[str, Any]

_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=1_024)
def asset_id(symbol: str) -> str:
    """Return a stock's id, the same at every venue."""
    return ASSETS.of(symbol)


def asset(symbol: str, it: Asset, *, easy_to_borrow: bool = True) -> Json:
    """Write a stock; with the two deprecated fields, which alpaca-py 0.44 requires or reads, or without."""
    deprecated = {"easy_to_borrow": it.borrow_status == EASY, "maintenance_margin_requirement": 30}
    return {
        "id": asset_id(symbol),
        "class": "us_equity",
        "exchange": EXCHANGES[tape_of(symbol)],
        "symbol": symbol,
        "name": f"{symbol} of the mock exchange",
        "status": it.status,
        "tradable": it.tradable,
        "marginable": True,
        "margin_requirement_long": "30",
        "margin_requirement_short": "30",
        "shortable": it.shortable,
        "borrow_status": it.borrow_status,
        "fractionable": it.fractionable,
        "attributes": it.attributes,
        **(deprecated if easy_to_borrow else {}),
    }


def order(it: Order, legs: tuple[Order, ...] = ()) -> Json:
    """Write an order, with its legs if they are given."""
    created, status = stamp(it.created_ns), it.status
    ended = stamp(it.ended_ns) if it.ended_ns else None
    return {
        "id": it.id,
        "client_order_id": it.client_order_id,
        "created_at": created,
        "updated_at": stamp(it.updated_ns),
        "submitted_at": created,
        "filled_at": ended if status is Status.FILLED else None,
        "expires_at": stamp(it.expires_ns) if it.expires_ns else None,
        "expired_at": ended if status is Status.EXPIRED else None,
        "canceled_at": ended if status is Status.CANCELED else None,
        "failed_at": ended if status is Status.REJECTED else None,
        "replaced_at": ended if status is Status.REPLACED else None,
        "replaced_by": it.replaced_by,
        "replaces": it.replaces,
        "asset_id": asset_id(it.symbol),
        "symbol": it.symbol,
        "asset_class": "us_equity",
        "notional": None if it.notional is None else money(it.notional),
        "qty": quantity(it.qty) if it.notional is None else None,
        "filled_qty": quantity(it.filled),
        "filled_avg_price": average(it.paid, it.filled) if it.filled else None,
        "order_class": it.order_class,
        "order_type": it.kind,
        "type": it.kind,
        "side": it.side,
        "position_intent": _INTENTS[it.side, it.holds or it.parent is not None],
        "time_in_force": it.time_in_force,
        "limit_price": _price(it.limit),
        "stop_price": _price(it.stop),
        "status": status,
        "extended_hours": it.extended_hours,
        "legs": [order(leg) for leg in legs] if legs else None,
        "trail_percent": None if it.trail_bp is None else text(it.trail_bp * DOLLAR // 100),
        "trail_price": _price(it.trail),
        "hwm": _price(it.best),
    }


_INTENTS = {
    (Side.BUY, False): "buy_to_open",
    (Side.BUY, True): "buy_to_close",
    (Side.SELL, False): "sell_to_open",
    (Side.SELL, True): "sell_to_close",
}


def _price(points: int | None) -> str | None:
    return None if points is None else text(points)


Report = tuple[str, bytes]
"""An update as the trading stream sends it: the account whose order it is about, and its JSON."""


_SHOWN = frozenset({Change.ACCEPTED, Change.PENDING_NEW, Change.PENDING_CANCEL, Change.DONE_FOR_DAY})
"""What an order's status is called at the moment at which it is told."""


def report(it: Update) -> Report:
    """Encode what happened to an order for the trading stream."""
    data: Json = {
        "event": it.change,
        "execution_id": it.execution_id,
        "order": order(it.order, it.legs),
        "timestamp": stamp(it.ts),
        **({"reason": it.reason} if it.reason else {}),
    }
    if it.price is not None:
        data["price"] = text(it.price)
        data["qty"] = quantity(it.qty or 0)
        data["position_qty"] = quantity(it.position_qty or 0)
    if it.previous_execution_id is not None:
        data["previous_execution_id"] = it.previous_execution_id
    if it.change in _SHOWN:
        data["order"]["status"] = it.change
    return it.order.account, _encode({"stream": "trade_updates", "data": data})


def position(symbol: str, it: Position, price: int, available: int) -> Json:
    """Write a position at a price."""
    value = it.qty * price
    profit = value - it.cost
    return {
        "asset_id": asset_id(symbol),
        "symbol": symbol,
        "exchange": EXCHANGES[tape_of(symbol)],
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": quantity(it.qty),
        "qty_available": quantity(available if it.qty > 0 else -available),
        "side": "long" if it.qty > 0 else "short",
        "avg_entry_price": average(abs(it.cost), abs(it.qty)),
        "market_value": money(value),
        "cost_basis": money(it.cost),
        "unrealized_pl": money(profit),
        "unrealized_plpc": _ratio(profit, abs(it.cost)),
        "unrealized_intraday_pl": money(profit),
        "unrealized_intraday_plpc": _ratio(profit, abs(it.cost)),
        "current_price": text(price),
        "lastday_price": text(price),
        "change_today": "0",
    }


def _ratio(part: int, whole: int) -> str:
    """Write a fraction to four decimals."""
    return text(share_of(DOLLAR, part, whole)) if whole else "0"


def account(it: Account, prices: dict[str, int], identity: str, opened_ns: int, fees: Fees) -> Json:
    """Write an account at these prices, with the fees that it owes for today.

    The fields are those that Alpaca's schema of 2026-08-13 names.
    """
    long = sum(position.qty * prices[symbol] for symbol, position in it.positions.items() if position.qty > 0)
    short = sum(position.qty * prices[symbol] for symbol, position in it.positions.items() if position.qty < 0)
    equity, power = it.equity(prices), it.buying_power(prices)
    multiplier = it.multiplier(prices)
    carried = min(OVERNIGHT, multiplier)  # by Regulation T
    return {
        "id": identity,
        "account_number": "PA" + identity.replace("-", "")[:10].upper(),
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "balance_asof": stamp(opened_ns)[:10],
        "created_at": stamp(opened_ns),
        "cash": money(it.cash),
        "portfolio_value": money(equity),
        "equity": money(equity),
        "last_equity": money(it.last_equity),
        "long_market_value": money(long),
        "short_market_value": money(short),
        "initial_margin": money(share_of(long - short, 1, carried)),
        "maintenance_margin": money(it.maintenance(prices)),
        "last_maintenance_margin": money(it.last_maintenance),
        "intraday_adjustments": "0",
        "sma": money(it.last_equity),
        "buying_power": money(power),
        "regt_buying_power": money(max(0, carried * equity - (long - short) - it.reserved)),
        "non_marginable_buying_power": money(max(0, it.cash + 2 * short - it.reserved)),
        "options_buying_power": "0",
        "options_approved_level": 0,
        "options_trading_level": 0,
        "accrued_fees": money(fees.accrued(it.name)),
        "pending_reg_taf_fees": money(fees.accrued(it.name, ("REG", "TAF"))),
        "pending_transfer_in": "0",
        "pending_transfer_out": "0",
        "multiplier": str(multiplier),
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": it.configuration.suspend_trade,
        "shorting_enabled": equity >= MARGIN_EQUITY and not it.configuration.no_shorting,
    }


def day_of(ts: int) -> date:
    """Return the date of the venue's day that holds a moment."""
    return in_new_york(day_end(ts)).date()


def calendar_day(day: date) -> Json:
    """Write a day of the venue, of which there is one for each date: it lasts from 16:00 on the date before to 16:00.

    Its opening is written as the first minute of the date itself, since Alpaca's calendar knows no other.
    """
    settled = (day + timedelta(1)).isoformat()
    times = {"open": "00:00", "close": "16:00", "session_open": "1600", "session_close": "1600"}
    return {"date": day.isoformat(), **times, "settlement_date": settled}


def session_day(session: TradingSession) -> Json:
    """Write a day on which the market is open; its trades settle on the next such day (T+1)."""
    opens, closes = hours.clock_times(session)
    return {
        "date": opens.date().isoformat(),
        "open": f"{opens:%H:%M}",
        "close": f"{closes:%H:%M}",
        "session_open": "0400",
        "session_close": "2000" if closes.hour >= 16 else "1700",
        "settlement_date": hours.date_of(hours.session_after(session.closes)).isoformat(),
    }


def clock(now: int, day_end: int) -> Json:
    """Write the clock of a venue that never closes: its next day begins when this one ends."""
    ends = in_new_york(day_end).isoformat()
    return {"timestamp": in_new_york(now).isoformat(), "is_open": True, "next_open": ends, "next_close": ends}


def session_clock(now: int) -> Json:
    """Write the clock of a venue that keeps trading hours."""
    return {
        "timestamp": in_new_york(now).isoformat(),
        "is_open": hours.is_open(now),
        "next_open": in_new_york(hours.next_open(now)).isoformat(),
        "next_close": in_new_york(hours.close_after(now)).isoformat(),
    }
