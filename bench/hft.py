"""hftbacktest on the tape of a benchmark: momentum over a window, and leave by target, stop or time.

It needs `pip install hftbacktest`, which the project does not. The depth is one level that changes with the quote.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import hftbacktest as hft
import numba
import numpy as np
from hftbacktest.order import IOC

from pipeline.events import SECOND, Trade

_SLOTS = 1 << 12


@numba.njit(cache=False)
def _decide(hbt: Any, threshold: float, goal: float, stop: float, span: int, hold: int) -> int:
    times, prices = np.zeros(_SLOTS, np.int64), np.zeros(_SLOTS)
    oldest = newest = order = trades = 0
    side, entry, since = 0, 0.0, 0
    while True:
        told = hbt.wait_next_feed(False, 10**18)
        if told == 1 or told < 0:
            return trades
        found = hbt.last_trades(0)
        for at in range(len(found)):
            ts, price = found[at].exch_ts, found[at].px
            times[newest % _SLOTS], prices[newest % _SLOTS] = ts, price
            newest += 1
            while times[oldest % _SLOTS] <= ts - span:
                oldest += 1
            momentum = price / prices[oldest % _SLOTS] - 1
            if side != 0:
                move = side * (price / entry - 1)
                if move >= goal or move <= -stop or ts - since >= hold:
                    order += 1
                    if side > 0:
                        hbt.submit_sell_order(0, order, hbt.depth(0).best_bid, 1.0, IOC, hft.LIMIT, False)
                    else:
                        hbt.submit_buy_order(0, order, hbt.depth(0).best_ask, 1.0, IOC, hft.LIMIT, False)
                    side = 0
                    trades += 1
            elif newest - oldest > 2 and abs(momentum) >= threshold:
                side, entry, since = 1 if momentum > 0 else -1, price, ts
                order += 1
                if side > 0:
                    hbt.submit_buy_order(0, order, hbt.depth(0).best_ask, 1.0, IOC, hft.LIMIT, False)
                else:
                    hbt.submit_sell_order(0, order, hbt.depth(0).best_bid, 1.0, IOC, hft.LIMIT, False)
        if len(found):
            hbt.clear_last_trades(0)
        if order:
            hbt.clear_inactive_orders(0)


def run(events: Sequence[Trade], *, only_new: bool = False) -> tuple[float, int]:
    """Return the CPU time that it takes, and how many trades it made; with new quotes alone, or with all."""
    data = _rows(events, only_new=only_new)
    asset = (
        hft.BacktestAsset()
        .data([data])
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(0.01)
        .lot_size(1.0)
        .roi_lb(0.0)
        .roi_ub(1_000.0)
        .last_trades_capacity(64)
    )
    hbt = hft.ROIVectorMarketDepthBacktest([asset])
    began = time.process_time()
    trades = _decide(hbt, 0.0015, 0.0015, 0.0005, 15 * SECOND, 8 * SECOND)
    spent = time.process_time() - began
    hbt.close()
    return spent, int(trades)


def _rows(events: Sequence[Trade], *, only_new: bool = False) -> Any:
    """Return the tape as its events: each quote sets a level a side; only those that differ, if that is wanted."""
    both = hft.EXCH_EVENT | hft.LOCAL_EVENT
    rows: list[tuple[Any, ...]] = []
    bid = ask = 0.0
    for trade in events:
        if trade.bid is not None and trade.ask is not None and not (only_new and (trade.bid, trade.ask) == (bid, ask)):
            for side, before, now in ((hft.BUY_EVENT, bid, trade.bid), (hft.SELL_EVENT, ask, trade.ask)):
                if before and before != now:
                    rows.append((hft.DEPTH_EVENT | both | side, trade.ts, trade.ts, before, 0.0, 0, 0, 0.0))
                rows.append((hft.DEPTH_EVENT | both | side, trade.ts, trade.ts, now, 1e6, 0, 0, 0.0))
            bid, ask = trade.bid, trade.ask
        rows.append((hft.TRADE_EVENT | both | hft.BUY_EVENT, trade.ts, trade.ts, trade.price, trade.size, 0, 0, 0.0))
    return np.array(rows, hft.event_dtype)
