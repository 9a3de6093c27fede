"""Alpaca's own client reads market data and what there is to know: run as a module, in a process of its own.

It prints one JSON object of what it saw, for the test to judge.
"""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import sys
import threading
from datetime import date, timedelta
from typing import Any

import msgspec
from alpaca.common.enums import Sort
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from alpaca.trading.enums import AssetClass, AssetExchange, AssetStatus
from alpaca.trading.models import AccountConfiguration, PortfolioHistory
from alpaca.trading.requests import (
    CreateWatchlistRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetPortfolioHistoryRequest,
    MarketOrderRequest,
    UpdateWatchlistRequest,
)
from websockets.sync.client import ClientConnection, connect

from tests.mock_exchange.official_client import BUY, PATIENCE_S, Client, refusal

BOTH = ["AAPL", "MSFT"]
LENGTHS = [
    TimeFrame(1, TimeFrameUnit.Minute),
    TimeFrame(5, TimeFrameUnit.Minute),
    TimeFrame(1, TimeFrameUnit.Hour),
    TimeFrame(1, TimeFrameUnit.Day),
    TimeFrame(1, TimeFrameUnit.Week),
    TimeFrame(1, TimeFrameUnit.Month),
    TimeFrame(12, TimeFrameUnit.Month),
]


class Acknowledged(logging.Handler):
    """What the client logs when the server confirms its subscriptions: nothing else tells of it."""

    def __init__(self) -> None:
        super().__init__()
        self.lists: queue.Queue[str] = queue.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a confirmation."""
        if (said := record.getMessage()).startswith("subscribed to "):
            self.lists.put(said.removeprefix("subscribed to "))


def official_stream(client: Client) -> dict[str, Any]:
    """Subscribe to everything of every stock, then to less and less, and to something again."""
    acknowledged = Acknowledged()
    logger = logging.getLogger("alpaca.data.live.websocket")
    logger.setLevel(logging.INFO)
    logger.addHandler(acknowledged)
    boxes: dict[str, queue.Queue[Any]] = {kind: queue.Queue() for kind in ("trades", "quotes", "bars", "again")}

    def into(kind: str) -> Any:
        async def put(message: Any) -> None:
            boxes[kind].put(message)

        return put

    data = client.data
    data.subscribe_trades(into("trades"), "*")
    data.subscribe_quotes(into("quotes"), *BOTH)
    data.subscribe_bars(into("bars"), "*")
    threading.Thread(target=data.run, daemon=True).start()
    symbols = {kind: sorted(both_of(boxes[kind])) for kind in ("trades", "quotes", "bars")}
    lists = [acknowledged.lists.get(timeout=PATIENCE_S)]
    data.unsubscribe_quotes("AAPL")
    lists.append(acknowledged.lists.get(timeout=PATIENCE_S))
    data.unsubscribe_trades("*")
    lists.append(acknowledged.lists.get(timeout=PATIENCE_S))
    data.subscribe_trades(into("again"), "MSFT")
    lists.append(acknowledged.lists.get(timeout=PATIENCE_S))
    again = {boxes["again"].get(timeout=PATIENCE_S).symbol for _ in range(10)}
    asyncio.run_coroutine_threadsafe(data.stop_ws(), data._loop).result(PATIENCE_S)
    return {"symbols": symbols, "lists": lists, "again": sorted(again)}


def both_of(box: queue.Queue[Any]) -> set[str]:
    """Take messages until both stocks have been told of."""
    symbols: set[str] = set()
    while len(symbols) < 2:
        symbols.add(box.get(timeout=PATIENCE_S).symbol)
    return symbols


def raw_stream(client: Client, *, packed: bool) -> list[Any]:
    """Talk to the other feed in one codec, without the client's help; return what control messages say.

    After some of them, what is told of which stock in 25 frames at least, and until so many different things are.
    """
    headers = {"Content-Type": "application/msgpack"} if packed else {}
    seen: list[Any] = []

    def say(ws: ClientConnection, **message: Any) -> None:
        ws.send(msgspec.msgpack.encode(message) if packed else json.dumps(message))

    def heard(ws: ClientConnection) -> Any:
        frame = ws.recv(timeout=PATIENCE_S)
        assert isinstance(frame, bytes) == packed
        return msgspec.msgpack.decode(frame) if isinstance(frame, bytes) else json.loads(frame)

    def until_confirmed(ws: ClientConnection) -> None:
        while (messages := heard(ws))[0]["T"] not in ("success", "subscription", "error"):
            pass
        seen.append(messages[0])

    def told(ws: ClientConnection, different: int) -> None:
        kinds: set[str] = set()
        frames = 0
        while frames < 25 or len(kinds) < different:
            kinds |= {f"{message['T']} {message['S']}" for message in heard(ws)}
            frames += 1
        seen.append(sorted(kinds))

    with connect(f"{client.url.replace('http', 'ws')}/v2/sip", additional_headers=headers) as ws:
        until_confirmed(ws)
        say(ws, action="auth", key=client.key, secret=client.secret)
        until_confirmed(ws)
        say(ws, action="subscribe", trades=["AAPL"], quotes=BOTH)
        until_confirmed(ws)
        told(ws, 3)
        say(ws, action="unsubscribe", quotes=BOTH)
        until_confirmed(ws)
        told(ws, 1)
        say(ws, action="subscribe", trades=["*"])
        until_confirmed(ws)
        say(ws, action="unsubscribe", trades=["AAPL", "*"])
        until_confirmed(ws)
        say(ws, action="dance")
        until_confirmed(ws)
    return seen


def history(client: Client) -> dict[str, Any]:
    """Read all kinds of the session's history, whole and in parts, the latest of each, and every length of bars."""
    ask = client.history
    words: dict[str, Any] = {"symbol_or_symbols": BOTH}
    snapshot = ask.get_stock_snapshot(StockSnapshotRequest(**words, feed=DataFeed.IEX))
    # What is asked for ends before the market's time, so that all answers are about the same.
    end = snapshot["AAPL"].latest_trade.timestamp
    trades = ask.get_stock_trades(StockTradesRequest(**words, end=end, feed=DataFeed.SIP))
    quotes = ask.get_stock_quotes(StockQuotesRequest(**words, end=end))
    backwards = ask.get_stock_trades(StockTradesRequest(**words, end=end, sort=Sort.DESC))
    few = ask.get_stock_trades(StockTradesRequest(**words, end=end, limit=7))
    middle = trades["AAPL"][len(trades["AAPL"]) // 2].timestamp
    late = ask.get_stock_trades(StockTradesRequest(symbol_or_symbols="AAPL", start=middle, end=end))
    pages: dict[str, list[int]] = {}
    token = None
    while True:
        query = {"symbols": ",".join(BOTH), "end": end.isoformat(), "limit": 13, "page_token": token}
        page = ask.get("/stocks/trades", query)
        for symbol, items in page["trades"].items():
            pages.setdefault(symbol, []).extend(item["i"] for item in items)
        if (token := page["next_page_token"]) is None:
            break
    bars = {
        length.value: ask.get_stock_bars(StockBarsRequest(**words, timeframe=length, adjustment=Adjustment.ALL))["AAPL"]
        for length in LENGTHS
    }
    latest = [
        ask.get_stock_latest_trade(StockLatestTradeRequest(**words)),
        ask.get_stock_latest_quote(StockLatestQuoteRequest(**words)),
        ask.get_stock_latest_bar(StockLatestBarRequest(**words)),
    ]
    (minute, five) = (bars["1Min"], bars["5Min"])
    return {
        "told": {symbol: len(trades[symbol]) > 10 and len(quotes[symbol]) > 10 for symbol in BOTH},
        "backwards": all(
            [it.id for it in backwards[symbol]] == [it.id for it in trades[symbol]][::-1] for symbol in BOTH
        ),
        "few": [few.data.keys() == {"AAPL"}, [it.id for it in few["AAPL"]] == [it.id for it in trades["AAPL"]][:7]],
        "late": [it.id for it in late["AAPL"]] == [it.id for it in trades["AAPL"] if it.timestamp >= middle],
        "pages": pages == {symbol: [it.id for it in trades[symbol]] for symbol in BOTH},
        "bars": {
            length: [bar.timestamp.isoformat() for bar in told[:1]] + [sum(bar.trade_count for bar in told) > 0]
            for length, told in bars.items()
        },
        "bars_add_up": sum(bar.volume for bar in minute if bar.timestamp < five[-1].timestamp)
        == sum(bar.volume for bar in five[:-1]),
        "minute_is_its_trades": [
            minute[0].open == trades["AAPL"][0].price,
            minute[0].volume
            == sum(it.size for it in trades["AAPL"] if it.timestamp < minute[0].timestamp + timedelta(minutes=1)),
        ],
        "latest": [sorted(it) for it in latest],
        "snapshot": [
            bool(shot.latest_trade and shot.latest_quote and shot.minute_bar and shot.daily_bar)
            for shot in snapshot.values()
        ],
        "nowhere": ask.get_stock_trades(StockTradesRequest(symbol_or_symbols="NOPE")).data,
        "feeds": [
            refusal(ask.get, "/stocks/trades", {"symbols": "AAPL", "feed": "zzz"})[0],
            refusal(ask.get_stock_trades, StockTradesRequest(symbol_or_symbols="AAPL", feed=DataFeed.OTC))[0],
        ],
    }


def known(client: Client) -> dict[str, Any]:
    """Read the account, clock, calendar and assets; change the account's configuration."""
    trading = client.trading
    account, clock = trading.get_account(), trading.get_clock()
    today = clock.timestamp.date()
    calendar = trading.get_calendar(GetCalendarRequest(start=today, end=today + timedelta(days=2)))
    asset = trading.get_asset("AAPL")
    plain = trading.get_account_configurations()
    forbidden = trading.set_account_configurations(plain.model_copy(update={"suspend_trade": True}))
    refused = refusal(trading.submit_order, MarketOrderRequest(symbol="AAPL", qty=1, **BUY))
    suspended = trading.get_account().trade_suspended_by_user
    allowed = trading.set_account_configurations(plain)
    worth = trading.get_portfolio_history(GetPortfolioHistoryRequest(period="1D", timeframe="1H"))
    assert isinstance(plain, AccountConfiguration)
    assert isinstance(worth, PortfolioHistory)
    return {
        "account": [account.status.value, account.currency, account.cash, account.multiplier, account.shorting_enabled],
        "power": account.buying_power,
        "clock": [clock.is_open, clock.next_close > clock.timestamp],
        "calendar": [(day.date - today).days for day in calendar] == [0, 1, 2] and isinstance(today, date),
        "asset": [asset.symbol, asset.status.value, asset.tradable, asset.asset_class.value],
        "by_id": trading.get_asset(str(asset.id)).symbol,
        "assets": [
            [it.symbol for it in trading.get_all_assets(GetAssetsRequest(**words))]
            for words in (
                {},
                {"status": AssetStatus.ACTIVE, "asset_class": AssetClass.US_EQUITY},
                {"exchange": AssetExchange.NASDAQ},
                {"status": AssetStatus.INACTIVE},
                {"asset_class": AssetClass.CRYPTO},
                {"exchange": AssetExchange.NYSE},
            )
        ],
        "configured": [plain.suspend_trade, forbidden.suspend_trade, suspended, refused, allowed == plain],
        "worth": [worth.equity[0], worth.timeframe],
        "watchlists": watch(trading),
    }


def watch(trading: Any) -> list[Any]:
    """Keep a watchlist for a while; return its stocks after each change."""

    def symbols(watchlist: Any) -> list[str]:
        return [asset.symbol for asset in watchlist.assets]

    made = trading.create_watchlist(CreateWatchlistRequest(name="mine", symbols=BOTH))
    seen: list[Any] = [symbols(trading.get_watchlist_by_id(made.id))]
    seen.append(symbols(trading.remove_asset_from_watchlist_by_id(made.id, "AAPL")))
    seen.append(symbols(trading.add_asset_to_watchlist_by_id(made.id, "AAPL")))
    trading.update_watchlist_by_id(made.id, UpdateWatchlistRequest(name="renamed"))
    seen.append(trading.get_watchlists()[0].name)
    trading.delete_watchlist_by_id(made.id)
    seen.append(len(trading.get_watchlists()))
    return [*seen, refusal(trading.get_watchlist_by_id, made.id)]


def main() -> None:
    """Do everything and print what came of it."""
    client = Client(*sys.argv[1:4])
    seen = known(client) | official_stream(client)
    seen |= {"json": raw_stream(client, packed=False), "msgpack": raw_stream(client, packed=True)}
    seen |= history(client)
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
