"""Alpaca's own client orders in every way it knows: run as a module, in a process of its own.

It prints one JSON object of what it saw, for the test to judge.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from alpaca.common.enums import Sort
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderClass, OrderSide, QueryOrderStatus, TimeInForce
from alpaca.trading.models import TradeActivity
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)

from tests.mock_exchange.official_client import BUY, SELL, Client, refusal

ENDS = ("fill", "canceled", "expired", "rejected", "replaced")
TRIES = 20
"""How often something is tried that needs shares to be displayed just then."""


def kinds(client: Client) -> dict[str, Any]:
    """Place an order of each kind far from the market, for a day and until canceled; return what is answered."""
    place = client.trading.submit_order
    gtc = {"side": OrderSide.BUY, "time_in_force": TimeInForce.GTC}
    taken = [
        place(LimitOrderRequest(symbol="AAPL", qty=1, limit_price=10.01, **BUY)),
        place(LimitOrderRequest(symbol="AAPL", qty=1, limit_price=10.02, extended_hours=True, **gtc)),
        place(StopOrderRequest(symbol="AAPL", qty=1, stop_price=2_000, **BUY)),
        place(StopLimitOrderRequest(symbol="AAPL", qty=1, stop_price=2_000, limit_price=2_001.5, **gtc)),
        place(TrailingStopOrderRequest(symbol="AAPL", qty=1, trail_price=90.5, **BUY)),
        place(TrailingStopOrderRequest(symbol="AAPL", qty=1, trail_percent=40.5, **gtc)),
    ]
    for order in taken:
        client.wait_for(order.id, "new")
    read = [client.trading.get_order_by_id(order.id) for order in taken]
    trails = []
    for order, trail in zip(read[4:], (80, 30.5), strict=True):
        closer = client.trading.replace_order_by_id(order.id, ReplaceOrderRequest(trail=trail))
        client.wait_for(closer.id, "new")
        trails.append([closer.trail_price, closer.trail_percent])
        client.trading.cancel_order_by_id(closer.id)
        client.wait_for(closer.id, "canceled")
    for order in read[:4]:
        client.trading.cancel_order_by_id(order.id)
        client.wait_for(order.id, "canceled")
    return {
        "kinds": [
            [
                order.type.value,
                order.time_in_force.value,
                order.status.value,
                order.limit_price,
                order.stop_price,
                order.trail_price,
                order.trail_percent,
                order.extended_hours,
                order.order_class.value,
            ]
            for order in read
        ],
        "trails": trails,
        "trails_hang": [
            round(float(order.stop_price) / float(order.hwm), 3)
            if order.trail_percent
            else round(float(order.stop_price) - float(order.hwm), 2)
            for order in read
            if order.hwm
        ],
    }


def until_filled(client: Client, make: Callable[[], Any]) -> Any:
    """Repeat an order that must be filled at once until shares are displayed just then."""
    for _ in range(TRIES):
        order = client.trading.submit_order(make())
        if client.wait_for_any(order.id, ENDS) == "fill":
            return client.trading.get_order_by_id(order.id)
    raise AssertionError("it was never filled")


def at_once(client: Client) -> dict[str, Any]:
    """Order what is filled at once or not at all: ioc and fok, market and limit, far too many shares."""
    ioc = {"side": OrderSide.BUY, "time_in_force": TimeInForce.IOC}
    fok = {"side": OrderSide.BUY, "time_in_force": TimeInForce.FOK}
    filled = [
        until_filled(client, lambda: MarketOrderRequest(symbol="AAPL", qty=1, **ioc)),
        until_filled(client, lambda: LimitOrderRequest(symbol="AAPL", qty=1, limit_price=2_000, **ioc)),
        until_filled(client, lambda: LimitOrderRequest(symbol="AAPL", qty=1, limit_price=2_000, **fok)),
    ]
    too_many = client.trading.submit_order(LimitOrderRequest(symbol="AAPL", qty=20_000, limit_price=300, **fok))
    too_low = client.trading.submit_order(LimitOrderRequest(symbol="AAPL", qty=1, limit_price=1, **ioc))
    part = client.trading.submit_order(LimitOrderRequest(symbol="AAPL", qty=20_000, limit_price=300, **ioc))
    for order in (too_many, too_low, part):
        client.wait_for_any(order.id, ENDS)
    ended = [client.trading.get_order_by_id(order.id) for order in (too_many, too_low, part)]
    return {
        "filled_at_once": [[order.time_in_force.value, order.status.value, order.filled_qty] for order in filled],
        "not_at_once": [[order.status.value, order.filled_qty == "0"] for order in ended[:2]],
        "part_at_once": [ended[2].status.value, int(ended[2].filled_qty) < 20_000],
    }


def families(client: Client) -> dict[str, Any]:
    """Place brackets, OTO and OCO orders; see what becomes of their legs."""
    trading = client.trading
    far = {"take_profit": TakeProfitRequest(limit_price=5_000), "stop_loss": StopLossRequest(stop_price=5)}
    gtc = {"side": OrderSide.BUY, "time_in_force": TimeInForce.GTC}
    waits = trading.submit_order(
        LimitOrderRequest(symbol="MSFT", qty=2, limit_price=10, order_class=OrderClass.BRACKET, **far, **gtc)
    )
    client.wait_for(waits.id, "new")
    held = trading.get_order_by_id(waits.id, GetOrderByIdRequest(nested=True))
    (nested,) = trading.get_orders(GetOrdersRequest(nested=True, symbols=["MSFT"]))
    flat = trading.get_orders(GetOrdersRequest(symbols=["MSFT"]))
    trading.cancel_order_by_id(waits.id)
    client.wait_for(held.legs[-1].id, "canceled")

    oto = trading.submit_order(
        MarketOrderRequest(
            symbol="MSFT", qty=2, order_class=OrderClass.OTO, stop_loss=StopLossRequest(stop_price=5), **BUY
        )
    )
    client.wait_for(oto.legs[0].id, "new")
    try:
        trading.replace_order_by_id(oto.legs[0].id, ReplaceOrderRequest(stop_price=6))
        refused = ""
    except APIError as error:
        refused = error.message
    trading.cancel_order_by_id(oto.legs[0].id)
    client.wait_for(oto.legs[0].id, "canceled")

    oco = trading.submit_order(LimitOrderRequest(symbol="MSFT", qty=2, order_class=OrderClass.OCO, **far, **SELL))
    client.wait_for(oco.legs[0].id, "new")
    # The target comes within reach: it is filled, and the stop goes.
    reached = trading.replace_order_by_id(oco.id, ReplaceOrderRequest(limit_price=10))
    client.wait_for(reached.id, "fill")
    client.wait_for(oco.legs[0].id, "canceled", seen=True)

    done = trading.submit_order(
        MarketOrderRequest(
            symbol="MSFT",
            qty=2,
            order_class=OrderClass.BRACKET,
            take_profit=TakeProfitRequest(limit_price=5_000),
            stop_loss=StopLossRequest(stop_price=5, limit_price=4),
            **BUY,
        )
    )
    client.wait_for(done.legs[-1].id, "new")
    stopped = trading.replace_order_by_id(done.legs[-1].id, ReplaceOrderRequest(stop_price=7, limit_price=6))
    client.wait_for(stopped.id, "new")
    target = trading.replace_order_by_id(done.legs[0].id, ReplaceOrderRequest(limit_price=20))
    client.wait_for(target.id, "fill")
    client.wait_for(stopped.id, "canceled", seen=True)
    return {
        "held": [[leg.type.value, leg.side.value, leg.status.value, leg.qty] for leg in held.legs],
        "nested": [str(nested.id) == str(waits.id), len(nested.legs), len(flat)],
        "oto_leg": [oto.legs[0].type.value, oto.legs[0].stop_price, refused],
        "oco": [oco.type.value, oco.limit_price, [leg.type.value for leg in oco.legs]],
        "left": [position.symbol for position in trading.get_all_positions() if position.symbol == "MSFT"],
    }


def filters(client: Client) -> dict[str, Any]:
    """List orders by status, number, time, direction, stock and side; find them by their ids."""
    trading = client.trading

    def place(asked: Any) -> Any:
        # A venue that is behind its clock gives several orders one time, so the next one waits for a later one.
        order = trading.submit_order(asked)
        client.wait_until_after(order.created_at)
        return order

    ids = [
        place(LimitOrderRequest(symbol="AAPL", qty=1, limit_price=11, client_order_id="listed-1", **BUY)),
        place(LimitOrderRequest(symbol="MSFT", qty=1, limit_price=12, client_order_id="listed-2", **BUY)),
        place(LimitOrderRequest(symbol="AAPL", qty=1, limit_price=13, client_order_id="listed-3", **BUY)),
    ]
    moment = [order.created_at for order in ids]

    def listed(**words: Any) -> list[str]:
        orders = trading.get_orders(GetOrdersRequest(**words))
        return [order.client_order_id.partition("-")[2] for order in orders if order.client_order_id[:7] == "listed-"]

    broadcast = timedelta(microseconds=1)
    seen = {
        "default": [order.client_order_id[-1] for order in trading.get_orders()],
        "asc": listed(direction=Sort.ASC),
        "limit": listed(limit=2),
        "symbols": listed(symbols=["AAPL"]),
        "both": listed(symbols=["AAPL", "MSFT"]),
        "after": listed(after=moment[0] + broadcast),
        "until": listed(until=moment[2]),
        "window": listed(after=moment[0] + broadcast, until=moment[2]),
        "closed": listed(status=QueryOrderStatus.CLOSED),
        "sells": listed(side=OrderSide.SELL),
    }
    trading.cancel_order_by_id(ids[1].id)
    client.wait_for(ids[1].id, "canceled")
    seen |= {
        "then_open": listed(),
        "then_closed": listed(status=QueryOrderStatus.CLOSED),
        "then_all": listed(status=QueryOrderStatus.ALL, direction=Sort.ASC, limit=500),
    }
    by_client_id = trading.get_order_by_client_id("listed-2")
    replaced = trading.replace_order_by_id(
        ids[0].id,
        ReplaceOrderRequest(qty=2, limit_price=11.5, time_in_force=TimeInForce.GTC, client_order_id="listed-4"),
    )
    client.wait_for(replaced.id, "new")
    canceled = trading.cancel_orders()
    for response in canceled:
        client.wait_for(response.id, "canceled", seen=True)
    return {
        "filters": seen,
        "by_client_id": [str(by_client_id.id) == str(ids[1].id), by_client_id.status.value],
        "replaced": [
            replaced.qty,
            replaced.limit_price,
            replaced.time_in_force.value,
            replaced.client_order_id,
            str(replaced.replaces) == str(ids[0].id),
            trading.get_order_by_id(ids[0].id).status.value,
            str(trading.get_order_by_id(ids[0].id).replaced_by) == str(replaced.id),
        ],
        "canceled": sorted([str(response.id), response.status] for response in canceled)
        == sorted([str(order.id), 200] for order in (replaced, ids[2])),
        "open": len(trading.get_orders()),
    }


def refusals(client: Client) -> dict[str, Any]:
    """Ask for what cannot be had."""
    trading, nowhere = client.trading, "00000000-0000-4000-8000-000000000000"
    place = trading.submit_order
    mine = place(LimitOrderRequest(symbol="AAPL", qty=1, limit_price=10, client_order_id="mine", **BUY))

    def limit(price: float, symbol: str = "AAPL", **words: Any) -> list[Any]:
        return refusal(place, LimitOrderRequest(symbol=symbol, limit_price=price, **({"qty": 1} | BUY | words)))

    bracket = {"order_class": OrderClass.BRACKET, "take_profit": TakeProfitRequest(limit_price=1)}
    seen = {
        "duplicate": limit(10, client_order_id="mine"),
        "sub_penny": limit(10.001),
        "sub_penny_below_a_dollar": limit(0.12345),
        "symbol": limit(10, symbol="NOPE"),
        "buying_power": limit(10, qty=50_000_000),
        "no_shares": refusal(place, MarketOrderRequest(symbol="AAPL", qty=0, **BUY)),
        "negative": refusal(place, MarketOrderRequest(symbol="AAPL", qty=-1, **BUY)),
        "inverted_bracket": refusal(
            place,
            MarketOrderRequest(symbol="AAPL", qty=1, stop_loss=StopLossRequest(stop_price=5_000), **bracket, **BUY),
        ),
        "oco_without_shares": refusal(
            place,
            LimitOrderRequest(
                symbol="MSFT",
                qty=1,
                order_class=OrderClass.OCO,
                take_profit=TakeProfitRequest(limit_price=5_000),
                stop_loss=StopLossRequest(stop_price=5),
                **SELL,
            ),
        ),
        "get": refusal(trading.get_order_by_id, nowhere),
        "get_by_client_id": refusal(trading.get_order_by_client_id, "nowhere"),
        "replace": refusal(trading.replace_order_by_id, nowhere, ReplaceOrderRequest(qty=2)),
        "cancel": refusal(trading.cancel_order_by_id, nowhere),
        "position": refusal(trading.get_open_position, "MSFT"),
        "close": refusal(trading.close_position, "MSFT"),
    }
    trading.cancel_order_by_id(mine.id)
    client.wait_for(mine.id, "canceled")
    seen["cancel_again"] = refusal(trading.cancel_order_by_id, mine.id)
    seen["replace_ended"] = refusal(trading.replace_order_by_id, mine.id, ReplaceOrderRequest(qty=2))
    return {"refusals": seen}


def positions(client: Client) -> dict[str, Any]:
    """Go long and short, close in parts, then all."""
    trading = client.trading
    client.buy("MSFT", 10)
    long = trading.get_open_position("MSFT")
    parts = []
    for words in ({"qty": "4"}, {"percentage": "50"}):
        order = trading.close_position("MSFT", ClosePositionRequest(**words))
        client.wait_for(order.id, "fill")
        parts.append([order.side.value, order.qty, trading.get_open_position("MSFT").qty])
    rest = trading.close_position("MSFT")
    client.wait_for(rest.id, "fill")
    sold = trading.submit_order(MarketOrderRequest(symbol="MSFT", qty=5, **SELL))
    client.wait_for(sold.id, "fill")
    short = trading.get_open_position("MSFT")
    turned = refusal(trading.submit_order, MarketOrderRequest(symbol="MSFT", qty=9, **BUY))
    cover = trading.submit_order(MarketOrderRequest(symbol="MSFT", qty=2, **BUY))
    client.wait_for(cover.id, "fill")
    covered = trading.get_open_position("MSFT")
    by_asset = trading.get_open_position(str(covered.asset_id)).symbol
    resting = trading.submit_order(StopOrderRequest(symbol="MSFT", qty=3, stop_price=4_000, **BUY))
    client.wait_for(resting.id, "new")
    listed = {position.symbol: position.qty for position in trading.get_all_positions()}
    account = trading.get_account()
    stuck = trading.close_all_positions()
    for response in stuck:
        if response.status == 200:
            client.wait_for(response.body.id, "fill")
    closed = trading.close_all_positions(cancel_orders=True)
    for response in closed:
        client.wait_for(response.body.id, "fill")
    return {
        "long": [long.side.value, long.qty, abs(float(long.cost_basis) - 10 * float(long.avg_entry_price)) < 1e-4],
        "parts": parts,
        "short": [short.side.value, short.qty, short.cost_basis[0], short.qty_available],
        "turned": turned,
        "covered": [covered.qty, by_asset],
        "listed": sorted(listed),
        "short_value": float(account.short_market_value) < 0,
        "stuck": {response.symbol: [response.status, getattr(response.body, "code", None)] for response in stuck},
        "closed": [[response.symbol, response.status, response.body.side.value] for response in closed],
        "flat": trading.get_all_positions() == [],
        "resting": trading.get_order_by_id(resting.id).status.value,
    }


def books(client: Client) -> dict[str, Any]:
    """Return all that was told of all orders, and all that REST tells of them and of the money."""
    trading = client.trading
    orders = trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, limit=500, direction=Sort.ASC))
    # The last of them is told by now: what comes on one stream comes in its order.
    last = trading.submit_order(LimitOrderRequest(symbol="AAPL", qty=1, limit_price=10, **BUY))
    trading.cancel_order_by_id(last.id)
    client.wait_for(last.id, "canceled")
    listed = trading.get("/account/activities", {"activity_types": "FILL", "direction": "asc"})
    activities = [TradeActivity(**it) for it in listed]
    return {
        "orders": {
            str(order.id): [
                order.status.value,
                order.filled_qty,
                order.filled_avg_price,
                order.symbol,
                order.side.value,
            ]
            for order in orders
        },
        "updates": [
            {
                "order": str(update.order.id),
                "event": str(getattr(update.event, "value", update.event)),
                "execution": str(update.execution_id),
                "at": update.timestamp.isoformat(),
                "qty": update.qty,
                "price": update.price,
                "position": update.position_qty,
                "status": update.order.status.value,
                "filled": update.order.filled_qty,
            }
            for update in client.updates
            if update.order.id != last.id
        ],
        "activities": [[it.id.partition("::")[2], str(it.order_id), it.qty, it.price] for it in activities],
        "cash": trading.get_account().cash,
    }


def main() -> None:
    """Do everything and print what came of it."""
    client = Client(*sys.argv[1:4])
    client.start()
    seen: dict[str, Any] = {}
    for part in (kinds, at_once, families, filters, refusals, positions, books):
        seen |= part(client)
    client.stop()
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
