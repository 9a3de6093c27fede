"""Alpaca's own client, unmodified, against an exchange at a port: run as a module, in a process of its own.

The client imports a deprecated part of `websockets`, which would end a test that takes warnings for errors. It
prints one JSON object of what it saw, for the test to judge.
"""

from __future__ import annotations

import asyncio
import json
import queue
import sys
import threading
import time
import urllib.request
from datetime import datetime
from typing import Any

from alpaca.common.exceptions import APIError
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.live import StockDataStream
from alpaca.data.requests import StockBarsRequest, StockLatestQuoteRequest, StockTradesRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderClass, OrderSide, OrderType, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)
from alpaca.trading.stream import TradingStream

PATIENCE_S = 240
"""Real seconds that anything may take before the script gives up."""

BUY: dict[str, Any] = {"side": OrderSide.BUY, "time_in_force": TimeInForce.DAY}
SELL: dict[str, Any] = {"side": OrderSide.SELL, "time_in_force": TimeInForce.DAY}


class Client:
    """The client's parts, all pointed at one port, and what came out of its streams."""

    def __init__(self, port: str, key: str, secret: str) -> None:
        http, ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
        self.trading: Any = TradingClient(key, secret, url_override=http)
        self.history: Any = StockHistoricalDataClient(key, secret, url_override=http)
        self.data: Any = StockDataStream(key, secret, url_override=f"{ws}/v2/iex")
        self.stream: Any = TradingStream(key, secret, url_override=f"{ws}/stream")
        self.ticks: dict[str, queue.Queue[Any]] = {kind: queue.Queue() for kind in ("trades", "quotes", "bars")}
        self.statuses: queue.Queue[Any] = queue.Queue()
        self.arrived: queue.Queue[Any] = queue.Queue()
        self.url, self.key, self.secret = http, key, secret
        self.updates: list[Any] = []

    def start(self) -> None:
        """Run both streams, each in a thread, and return when both speak."""

        def into(box: queue.Queue[Any]) -> Any:
            async def put(message: Any) -> None:
                box.put(message)

            return put

        self.data.subscribe_trades(into(self.ticks["trades"]), "AAPL")
        self.data.subscribe_quotes(into(self.ticks["quotes"]), "AAPL", "MSFT")
        self.data.subscribe_bars(into(self.ticks["bars"]), "*")
        self.data.subscribe_trading_statuses(into(self.statuses), "*")
        self.stream.subscribe_trade_updates(into(self.arrived))
        for part in (self.data, self.stream):
            threading.Thread(target=part.run, daemon=True).start()
        for box in self.ticks.values():
            box.get(timeout=PATIENCE_S)
        # It does not tell when it listens, so ask with an order far from the market until the answer comes.
        while True:
            probe = self.trading.submit_order(LimitOrderRequest(symbol="MSFT", qty=1, limit_price=1, **BUY))
            self.trading.cancel_order_by_id(probe.id)
            try:
                while self.arrived.get(timeout=0.5).event != "canceled":
                    pass
                return
            except queue.Empty:
                continue

    def wait_for(self, order_id: Any, event: str, *, seen: bool = False) -> None:
        """Take updates until one tells this of this order; `seen` is content with one that was taken before."""
        if seen and any(update.order.id == order_id and update.event == event for update in self.updates):
            return
        self.wait_for_any(order_id, (event,))

    def wait_for_any(self, order_id: Any, events: tuple[str, ...]) -> str:
        """Take updates until one tells one of these of this order; return which."""
        while True:
            update = self.arrived.get(timeout=PATIENCE_S)
            self.updates.append(update)
            if update.order.id == order_id and update.event in events:
                return str(getattr(update.event, "value", update.event))

    def wait_until_after(self, moment: datetime) -> None:
        """Ask for the venue's time until it is later than a moment."""
        end = time.monotonic() + PATIENCE_S
        while self.trading.get_clock().timestamp <= moment:
            if time.monotonic() > end:
                raise TimeoutError(f"the venue's time is still not after {moment}")

    def buy(self, symbol: str, qty: int) -> None:
        """Buy shares at the market and wait until they are there."""
        order = self.trading.submit_order(MarketOrderRequest(symbol=symbol, qty=qty, **BUY))
        self.wait_for(order.id, "fill")

    def stop(self) -> None:
        """Close both streams."""
        for part in (self.data, self.stream):
            asyncio.run_coroutine_threadsafe(part.stop_ws(), part._loop).result(PATIENCE_S)


def refusal(call: Any, *arguments: Any, **options: Any) -> list[Any]:
    """Return the status and code of the error that a call must give."""
    try:
        call(*arguments, **options)
    except APIError as error:
        return [error.status_code, error.code]
    raise AssertionError("it was not refused")


def trade(client: Client) -> dict[str, Any]:
    """Order in every way, read everything, close out; return what is for the test to judge."""
    trading = client.trading
    account = trading.get_account()
    first_cash = account.cash
    market = trading.submit_order(MarketOrderRequest(symbol="AAPL", qty=5, client_order_id="first", **BUY))
    client.wait_for(market.id, "fill")
    again = refusal(trading.submit_order, MarketOrderRequest(symbol="AAPL", qty=5, client_order_id="first", **BUY))
    limit = trading.submit_order(LimitOrderRequest(symbol="AAPL", qty=2, limit_price=10.5, **BUY))
    replaced = trading.replace_order_by_id(limit.id, ReplaceOrderRequest(limit_price=11.25))
    trading.cancel_order_by_id(replaced.id)
    client.wait_for(replaced.id, "canceled")
    stop = trading.submit_order(StopOrderRequest(symbol="AAPL", qty=3, stop_price=10, **SELL))
    trailing = trading.submit_order(TrailingStopOrderRequest(symbol="AAPL", qty=2, trail_percent=50, **SELL))
    wash = refusal(trading.submit_order, MarketOrderRequest(symbol="AAPL", qty=1, **BUY))
    oversold = refusal(trading.close_position, "AAPL")
    bracket = trading.submit_order(
        MarketOrderRequest(
            symbol="MSFT",
            qty=3,
            order_class=OrderClass.BRACKET,
            take_profit=TakeProfitRequest(limit_price=5_000),
            stop_loss=StopLossRequest(stop_price=5, limit_price=4),
            **BUY,
        )
    )
    legs = [leg.id for leg in bracket.legs]
    for leg in legs:
        client.wait_for(leg, "new")
    read = trading.get_order_by_id(bracket.id)
    positions = {position.symbol: position.qty for position in trading.get_all_positions()}
    opened = [order.id for order in trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN))]
    closing = trading.close_all_positions(cancel_orders=True)
    for response in closing:
        client.wait_for(response.body.id, "fill")
    updates = [[str(update.order.id), str(update.event), update.qty, update.price] for update in client.updates]
    return {
        "account": [str(account.status.value), first_cash],
        "ids": {
            "market": str(market.id),
            "limit": str(limit.id),
            "replaced": str(replaced.id),
            "stop": str(stop.id),
            "trailing": str(trailing.id),
            "bracket": str(bracket.id),
            "legs": [str(leg) for leg in legs],
            "closing": [str(response.body.id) for response in closing],
        },
        "refusals": [
            again,
            oversold,
            refusal(trading.submit_order, MarketOrderRequest(symbol="AAPL", qty=10_000_000, **BUY)),
            refusal(trading.get_open_position, "AAPL"),
            refusal(trading.cancel_order_by_id, market.id),
            refusal(trading.get_asset, "NOPE"),
            wash,
        ],
        "legs": [[str(leg.type.value), str(leg.status.value)] for leg in read.legs],
        "positions": positions,
        "opened": sorted(map(str, opened)),
        "updates": updates,
        "executions": [str(update.execution_id) for update in client.updates],
        "left": [position.symbol for position in trading.get_all_positions()],
        "cash": trading.get_account().cash,
        "by_client_id": str(trading.get_order_by_client_id("first").id),
        "is_open": trading.get_clock().is_open,
        "next_close": str(trading.get_clock().next_close.replace(tzinfo=None)),
        "closes": [str(day.close) for day in trading.get_calendar()[:2]],
        "trailing_type": trailing.type is OrderType.TRAILING_STOP,
    }


def through_a_halt(client: Client) -> dict[str, Any]:
    """Order a stock while it is halted, which the control call of the exchange brings about."""

    def halt(*symbols: str) -> Any:
        body = json.dumps({"symbols": symbols}).encode()
        request = urllib.request.Request(f"{client.url}/control/halts", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=PATIENCE_S).close()
        return client.statuses.get(timeout=PATIENCE_S)

    halted = halt("MSFT")
    order = client.trading.submit_order(MarketOrderRequest(symbol="MSFT", qty=1, **BUY))
    client.wait_for(order.id, "new")
    waiting = client.trading.get_order_by_id(order.id).status
    resumed = halt()
    client.wait_for(order.id, "fill")
    codes = [[status.symbol, status.status_code, status.status_message] for status in (halted, resumed)]
    return {"statuses": codes, "waiting": str(waiting.value)}


def trade_in_parts(client: Client) -> dict[str, Any]:
    """Buy a part of a share and for an amount of money, and close half of that."""
    trading = client.trading
    first_cash = trading.get_account().cash
    part = trading.submit_order(MarketOrderRequest(symbol="MSFT", qty=0.123456789, **BUY))
    client.wait_for(part.id, "fill")
    spent = trading.submit_order(MarketOrderRequest(symbol="MSFT", notional=100, **BUY))
    client.wait_for(spent.id, "fill")
    held = trading.get_open_position("MSFT").qty
    half = trading.close_position("MSFT", ClosePositionRequest(percentage="50"))
    client.wait_for(half.id, "fill")
    rest = trading.get_open_position("MSFT").qty
    all_of_it = trading.close_position("MSFT")
    client.wait_for(all_of_it.id, "fill")
    orders = [trading.get_order_by_id(order.id) for order in (part, spent, half, all_of_it)]
    return {
        "parts": [[order.qty, order.notional, order.filled_qty] for order in orders],
        "held": [held, rest],
        "cash_in_parts": [first_cash, trading.get_account().cash],
        "fills_in_parts": [
            [str(update.order.side.value), update.order.filled_qty, update.price]
            for update in client.updates
            if update.order.id in {order.id for order in orders} and str(update.event) == "fill"
        ],
        "short_part": refusal(trading.submit_order, MarketOrderRequest(symbol="MSFT", qty=0.5, **SELL)),
        "fractionable": trading.get_asset("MSFT").fractionable,
    }


def look_back(client: Client) -> dict[str, Any]:
    """Read the session's history."""
    both = ["AAPL", "MSFT"]
    trades = client.history.get_stock_trades(StockTradesRequest(symbol_or_symbols=both))
    bars = client.history.get_stock_bars(StockBarsRequest(symbol_or_symbols=both, timeframe=TimeFrame.Minute))
    quotes = client.history.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=both))
    streamed = [client.ticks["trades"].get(timeout=PATIENCE_S) for _ in range(20)]
    told = {trade.id: (trade.price, trade.size) for trade in trades["AAPL"]}
    return {
        "streamed": [trade.id for trade in streamed],
        "agree": all(told[trade.id] == (trade.price, trade.size) for trade in streamed if trade.id in told),
        "told": len(told),
        "bars": len(bars["AAPL"]),
        "spread": quotes["MSFT"].ask_price - quotes["MSFT"].bid_price,
        "bar": client.ticks["bars"].get(timeout=PATIENCE_S).symbol,
        "quote": client.ticks["quotes"].get(timeout=PATIENCE_S).ask_size > 0,
    }


def main() -> None:
    """Do everything and print what came of it."""
    client = Client(*sys.argv[1:4])
    client.start()
    seen = trade(client) | trade_in_parts(client) | look_back(client) | through_a_halt(client)
    client.stop()
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
