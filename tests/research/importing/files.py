"""Small files of every format, made here, and where the large ones are."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import databento_dbn
import pyarrow as pa
import pyarrow.parquet as pq

from research.importing.notes import Options
from tests.support.shared import SHARED

DATA = SHARED / "data"
_dbn: Any = databento_dbn  # its stubs want a list of levels of which there is one, and names where there are enums
ABSENT = "there is no recorded data in ../shared/data: small files of our own stand in for it"

LOBSTER_MESSAGES = "34200.000000001,4,1,100,1000000,1\n34201.5,1,2,50,1000100,-1\n34202.25,5,0,10,1000050,1\n"
LOBSTER_BOOKS = "9999999999,0,-9999999999,0\n1000200,10,1000100,20\n1000200,10,1000100,20\n"

LEAN_TRADES = "\n".join(
    (
        "34200000,487400,500,P,0,0",
        "34200250.5,487500,40,Q,80000000,0",  # an odd lot: its size is the next tick's
        "34200300,487600,100,Q,20000020,0",
        "34200400,999900,100,Q,0,1",  # suspicious
        "34200500,487000,100,D,100000,0",  # an average price
        "34200600,487500,900,N,40,0",  # an opening print: its price alone
        "",
    )
)
LEAN_QUOTES = "\n".join(
    (
        "34200000,487300,200,0,0,P,1,0",
        "34200000,0,0,487500,300,Q,1,0",  # now both sides are there
        "34200100,487400,100,0,0,Q,1,0",  # a better bid
        "34200200,0,0,487600,100,P,1,0",  # a worse ask: nothing changes
        "34200300,487400,0,0,0,Q,1,0",  # the better bid is taken back
        "34200400,0,0,487500,0,Q,1,0",  # the best ask is taken back: the worse one stands
        "",
    )
)
BINANCE_SPOT_2025 = "1,61837.63,0.02,1236.75,1735689600123456,True,True\n2,61837.64,0.5,1,1735689600123457,False,True\n"
BINANCE_FUTURES = (
    "id,price,qty,quote_qty,time,is_buyer_maker\n"
    "7,61800.1,0.003,185.4,1723075200005,true\n"
    "8,61800.2,1,61800.2,1723075200006,false\n"
)
BINANCE_BOOK = (
    "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n"
    "1,61800.0,3,61800.1,2,1723075200004,1723075200009\n"
    "2,61800.1,3,61800.2,2,1723075200006,1723075200011\n"
)
BINANCE_FRAMES = (
    b'1723161254087896568 {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":11,'
    b'"p":"61837.63","q":"0.02","T":1723161255342,"m":true,"M":true}}\n'
    b'1723161254116723068 {"stream":"btcusdt@bookTicker","data":{"u":5,"s":"BTCUSDT","b":"61837.63","B":"3.7",'
    b'"a":"61837.64","A":"1.6"}}\n'
)
COINBASE = (
    b'{"type":"subscriptions","channels":[]}\n'
    b'{"type":"last_match","trade_id":10,"product_id":"BTC-USD","price":"100","size":"1","time":"2024-08-08T12:00:00Z"}\n'
    b'{"type":"match","trade_id":11,"product_id":"BTC-USD","price":"100.5","size":"0.25",'
    b'"time":"2024-08-08T12:00:00.123456Z","side":"sell"}\n'
    b'{"type":"match","trade_id":13,"product_id":"BTC-USD","price":"100.6","size":"1",'
    b'"time":"2024-08-08T12:00:01Z","side":"buy"}\n'
    b'{"type":"ticker","product_id":"BTC-USD","best_bid":"100.5","best_ask":"100.7","price":"100.6",'
    b'"time":"2024-08-08T12:00:01.5Z"}\n'
)
FINNHUB = (
    b'{"type":"ping"}\n'
    b'{"data":[{"c":["1","12"],"p":164.01,"s":"AAPL","t":1680286537580,"v":5},'
    b'{"c":["1","8"],"p":164.02,"s":"AAPL","t":1680286538064,"v":142},'
    b'{"c":["1"],"p":-1,"s":"AAPL","t":1680286538065,"v":1}],"type":"trade"}\n'
)
ALPACA = (
    b'[{"T":"success","msg":"authenticated"}]\n'
    b'[{"T":"t","S":"AAPL","i":4617,"x":"V","p":171.24,"s":100,"c":["@"],"z":"C","t":"2024-03-28T16:59:00.114612043Z"},'
    b'{"T":"q","S":"AAPL","bx":"V","bp":171.22,"bs":2,"ax":"V","ap":171.24,"as":1,"c":["R"],"z":"C",'
    b'"t":"2024-03-28T16:59:00.11462648Z"}]\n'
    b'[{"T":"x","S":"AAPL","i":4617,"x":"V","p":171.24,"s":100,"a":"C","z":"C","t":"2024-03-28T16:59:02Z"}]\n'
)
ALPACA_PAGES = (
    b'{"trades":{"AAPL":[{"t":"2024-03-28T14:00:00Z","x":"V","p":171,"s":100,"c":["@"],"i":1,"z":"C"},'
    b'{"t":"2024-03-28T14:00:02Z","x":"V","p":171.2,"s":100,"c":["@"],"i":2,"z":"C"}]},"next_page_token":"a"}\n'
    b'{"trades":{"MSFT":[{"t":"2024-03-28T14:00:01Z","x":"V","p":420,"s":100,"c":["@"],"i":1,"z":"C"}]},'
    b'"next_page_token":null}\n'
)
TARDIS = (
    "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
    "bitmex,XBTUSD,1583020803145000,1583020803307160,ccc3,sell,8531.5,2152\n"
    "bitmex,XBTUSD,1583020803276000,1583020803336743,b46c,sell,8531.5,1\n"
)
TAPE = (
    b'{"type":"quote","symbol":"AAPL","ts":1767623400000000000,"bid":150.0,"ask":150.02}\n'
    b'{"type":"trade","symbol":"AAPL","ts":1767623400123456789,"price":150.01,"size":100,"bid":150.0,"ask":150.02}\n'
    b'{"type":"clock","ts":1767623401000000000}\n'
    b'{"type":"trade","symbol":"AAPL","ts":1767623400000000001,"price":150.01,"size":100}\n'  # late
    b'{"type":"trade","symbol":"AAPL","ts":1767623402000000000,"price":0,"size":100}\n'
)
CSV = "time,px,qty,sym\n2024-08-08T09:30:00.000000001,100.5,10,AAPL\n2024-08-08T09:30:01,100.6,20,AAPL\n"


def zipped(path: Path, members: Iterable[tuple[str, str]]) -> Path:
    """Write a zip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members:
            archive.writestr(name, text)
    return path


def written(path: Path, content: bytes | str) -> Path:
    """Write a file; by its suffix, compressed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    if path.suffix == ".gz":
        data = gzip.compress(data)
    elif path.suffix == ".zst":
        data = pa.Codec("zstd").compress(data, asbytes=True)
    path.write_bytes(data)
    return path


@dataclass
class _Interval:
    start_date: date
    end_date: date
    symbol: str


@dataclass
class _Mapping:
    raw_symbol: str
    intervals: list[_Interval]


def dbn(*records: bytes, schema: str = "mbp-1") -> bytes:
    """Write Databento's encoding of an instrument 7 that is called QQQ: its beginning, and records as they are."""
    metadata = _dbn.Metadata(
        dataset="XNAS.ITCH",
        start=1_719_878_280_000_000_000,
        stype_in=_dbn.SType.RAW_SYMBOL,
        stype_out=_dbn.SType.INSTRUMENT_ID,
        schema=_dbn.Schema.from_str(schema),
        symbols=["QQQ"],
        mappings=[_Mapping("QQQ", [_Interval(date(2024, 7, 1), date(2024, 7, 3), "7")])],
    )
    return bytes(metadata) + b"".join(records)


def dbn_record(ts: int, action: str, price: float, size: int, bid: tuple[float, int], ask: tuple[float, int]) -> bytes:
    """Write one record of mbp-1."""
    record = _dbn.MBP1Msg(
        publisher_id=1,
        instrument_id=7,
        ts_event=ts,
        price=round(price * 1e9),
        size=size,
        action=_dbn.Action(action),
        side=_dbn.Side.BID,
        depth=0,
        ts_recv=ts + 5,
        levels=_dbn.BidAskPair(round(bid[0] * 1e9), round(ask[0] * 1e9), bid[1], ask[1]),
    )
    return bytes(record)


def everything(folder: Path) -> dict[str, Path]:
    """Write a file of every format; each by the format's name."""
    lobster = "AAPL_2012-06-21_34200000_57600000_{}_1.csv"
    pair = [(lobster.format("message"), LOBSTER_MESSAGES), (lobster.format("orderbook"), LOBSTER_BOOKS)]
    quoted = dbn_record(1_719_878_280_000_000_001, "A", 99, 1, (99, 1), (101, 2))
    printed = dbn_record(1_719_878_280_000_000_002, "T", 101, 2, (99, 1), (101, 2))
    lean = folder / "equity/usa/tick/aig"
    table = pa.table({"when": [1_723_075_200_005], "p": [61.5], "q": [2.0]})
    pq.write_table(table, folder / "odd.parquet")
    return {
        "lobster": zipped(folder / "AAPL.zip", pair),
        "lean": zipped(lean / "20131007_trade.zip", [("20131007_aig_Trade_Tick.csv", LEAN_TRADES)]),
        "lean-quotes": zipped(lean / "20131007_quote.zip", [("20131007_aig_Quote_Tick.csv", LEAN_QUOTES)]),
        "binance": zipped(
            folder / "BTCUSDT-trades-2025-01-01.zip", [("BTCUSDT-trades-2025-01-01.csv", BINANCE_SPOT_2025)]
        ),
        "binance-futures": zipped(
            folder / "um" / "BTCUSDT-trades-2024-08-08.zip", [("BTCUSDT-trades-2024-08-08.csv", BINANCE_FUTURES)]
        ),
        "binance-book": zipped(
            folder / "um" / "BTCUSDT-bookTicker-2024-08-08.zip", [("BTCUSDT-bookTicker-2024-08-08.csv", BINANCE_BOOK)]
        ),
        "binance-frames": written(folder / "binance.gz", BINANCE_FRAMES),
        "coinbase": written(folder / "coinbase.jsonl", COINBASE),
        "finnhub": written(folder / "finnhub.jsonl", FINNHUB),
        "alpaca": written(folder / "alpaca.jsonl", ALPACA),
        "alpaca-history": written(folder / "pages.json", ALPACA_PAGES),
        "tardis": written(folder / "bitmex_trades.csv.gz", TARDIS),
        "databento": written(folder / "qqq.dbn.zst", dbn(quoted, printed)),
        "tape": written(folder / "tape.jsonl.gz", TAPE),
        "csv": written(folder / "ticks.csv", CSV),
        "parquet": folder / "odd.parquet",
    }


OPTIONS: dict[str, Options] = {
    "csv": Options(columns={"ts": "time", "price": "px", "size": "qty", "symbol": "sym"}, timezone="America/New_York"),
    "parquet": Options(columns={"ts": "when", "price": "p", "size": "q"}, symbol="BTC"),
}
"""What has to be said of those that do not speak for themselves."""
