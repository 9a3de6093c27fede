"""The finished trades that the dashboard knows: listed, filtered, sorted, added up, and judged by their figures.

It reads no clock and does no I/O. What it holds is bounded: the oldest trades go first.
"""

from __future__ import annotations

import csv
import io
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from actors.portfolio.closed_trades import COLUMNS, ClosedTrade
from actors.portfolio.trade_figures import TradeFigures
from pipeline.events import SECOND
from web.messages import TradesTold

MOST = 10_000
"""Trades that are kept: as many as the bot tells of when it starts."""

MOST_ROWS = 500
"""Of one page of the list."""

_ANSWERS = 32  # that are remembered: many browsers show the same
_TEXT = frozenset(("decision", "symbol", "side", "exit_reason", "origin"))  # columns that are no numbers


class Scope(StrEnum):
    """Which trades are meant: since the bot started, of this trading day, or all that are known."""

    SESSION = "session"
    TODAY = "today"
    ALL = "all"


class Sort(StrEnum):
    """What a list can be sorted by: any column of `microbot trades`, and some that are computed of them."""

    RUN = "run"
    DECISION = "decision"
    SYMBOL = "symbol"
    SIDE = "side"
    QUANTITY = "quantity"
    ENTRY_TS = "entry_ts"
    ENTRY_PRICE = "entry_price"
    EXIT_TS = "exit_ts"
    EXIT_PRICE = "exit_price"
    EXIT_REASON = "exit_reason"
    PNL = "pnl"
    PNL_PCT = "pnl_pct"
    FEES = "fees"
    EQUITY = "equity"
    ORIGIN = "origin"
    HELD = "held"
    ENTRY_SLIPPAGE = "entry_slippage"


class TradeQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which trades are wanted, in which order, and which page of them."""

    scope: Scope = Scope.TODAY
    symbol: Annotated[str, Meta(max_length=64)] = ""
    side: Annotated[str, Meta(max_length=10)] = ""
    reason: Annotated[str, Meta(max_length=64)] = ""
    result: Annotated[str, Meta(max_length=10)] = ""  # win, loss or even
    text: Annotated[str, Meta(max_length=80)] = ""  # that any of its words or its decision contains, in either case
    sort: Sort = Sort.EXIT_TS
    order: Annotated[str, Meta(pattern="^(asc|desc)$")] = "desc"
    offset: Annotated[int, Meta(ge=0)] = 0
    limit: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = 100

    def wants(self, trade: ClosedTrade) -> bool:
        """Whether a trade passes the filters; the scope is looked at elsewhere."""
        if self.symbol and trade.symbol != self.symbol:
            return False
        if self.side and trade.side != self.side:
            return False
        if self.reason and trade.exit_reason != self.reason:
            return False
        if self.result and trade.result != self.result:
            return False
        words = (trade.symbol, trade.side, trade.exit_reason, trade.decision, trade.origin)
        return not self.text or any(self.text.casefold() in word.casefold() for word in words)


class Ledger:
    """Keeps the newest trades, and the figures of each scope; a session's runs are those from `first_run` on."""

    def __init__(self, first_run: int = 0, zone: str = "UTC") -> None:
        self.version = 0  # grows with every trade
        self.left_out = 0  # older trades of the account, which are in the journal alone
        self._zone = _zone(zone)
        self._first_run = first_run
        self._trades: deque[ClosedTrade] = deque(maxlen=MOST)
        self._started: dict[int, int] = {}
        self._day: tuple[int, int] = (0, 0)  # when today begins and ends, ns
        self._count = 0  # trades that were taken, also those that are gone
        self._folds: dict[object, _Fold] = {}  # of the scopes that were asked for
        self._answers: OrderedDict[object, dict[str, Any]] = OrderedDict()

    def take(self, told: TradesTold) -> None:
        """Take trades that the bot tells of, oldest first."""
        self._trades.extend(told.trades)
        self._count += len(told.trades)
        self._started.update(told.started)
        self.left_out = told.left_out
        self.version += 1
        self._answers.clear()

    def page(self, query: TradeQuery, now: int) -> dict[str, Any]:
        """Return a page of the trades that are wanted, what all of them come to, and what can be filtered by.

        `now` is venue time, ns: it says which day is today.
        """
        return self._remembered(now, query, lambda: self._page(query, now))

    def _page(self, query: TradeQuery, now: int) -> dict[str, Any]:
        wanted = self._wanted(query, now)
        shown = wanted[query.offset : query.offset + query.limit]
        within = list(self._of(query.scope, now))
        return {
            "version": self.version,
            "day": self.day(now),
            "rows": [_row(trade) for trade in shown],
            "totals": _totals(wanted),
            "in_scope": len(within),
            "left_out": self.left_out if query.scope is Scope.ALL else 0,
            "symbols": sorted({trade.symbol for trade in within}),
            "reasons": sorted({trade.exit_reason for trade in within}),
            "started": {str(run): self._started[run] for run in {one.run for one in shown} if run in self._started},
        }

    def as_csv(self, query: TradeQuery, now: int) -> str:
        """Return all trades that are wanted as CSV, with the columns of `microbot trades`."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for trade in self._wanted(query, now):
            writer.writerow([_cell(name, getattr(trade, name)) for name in COLUMNS])
        return out.getvalue()

    def figures(self, scope: Scope, now: int) -> dict[str, Any]:
        """Return the figures of a scope's trades."""
        return self._remembered(now, scope, lambda: self._figures(scope, now))

    def _figures(self, scope: Scope, now: int) -> dict[str, Any]:
        fold = self._folds.get(scope)
        if fold is None or (scope is Scope.TODAY and fold.day != self._today(now)):
            fold = self._folds[scope] = _Fold(TradeFigures(self._zone), self._today(now))
        new = min(self._count - fold.seen, len(self._trades))
        for trade in islice(self._trades, len(self._trades) - new, None):
            if self._is_of(scope, trade, fold.day):
                fold.figures.add(trade)
        fold.seen = self._count
        left_out = self.left_out if scope is Scope.ALL else 0
        told = {"version": self.version, "scope": scope, "day": self.day(now), "left_out": left_out}
        return told | fold.figures.data()

    def day(self, now: int) -> str:
        """Return the date of the trading day."""
        return datetime.fromtimestamp(now // SECOND, self._zone).date().isoformat() if now else ""

    def _of(self, scope: Scope, now: int) -> Iterable[ClosedTrade]:
        day = self._today(now)
        return (trade for trade in self._trades if self._is_of(scope, trade, day))

    def _is_of(self, scope: Scope, trade: ClosedTrade, day: tuple[int, int]) -> bool:
        if scope is Scope.SESSION:
            return trade.run >= self._first_run
        return scope is Scope.ALL or day[0] <= trade.exit_ts < day[1]

    def _wanted(self, query: TradeQuery, now: int) -> list[ClosedTrade]:
        found = [trade for trade in self._of(query.scope, now) if query.wants(trade)]
        found.reverse()  # of those that are alike in the column, the newest is the first
        found.sort(key=_KEYS[query.sort], reverse=query.order == "desc")
        return found

    def _today(self, now: int) -> tuple[int, int]:
        """Return when the trading day begins and ends: at midnight where the settings say."""
        if not self._day[0] <= now < self._day[1]:
            date = datetime.fromtimestamp(now // SECOND, self._zone).date()
            self._day = _midnight(date, self._zone), _midnight(date + timedelta(days=1), self._zone)
        return self._day

    def _remembered(self, now: int, key: object, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return an answer, made once for all that ask the same until a trade comes, or another day."""
        whole = (key, self._today(now))
        if whole not in self._answers:
            self._answers[whole] = make()
            if len(self._answers) > _ANSWERS:
                self._answers.popitem(last=False)
        return self._answers[whole]


class _Fold(msgspec.Struct):
    """The figures of a scope as far as its trades were looked at."""

    figures: TradeFigures
    day: tuple[int, int]  # that was today
    seen: int = 0  # trades, the oldest ones


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return UTC


def _midnight(date: Any, zone: tzinfo) -> int:
    return round(datetime.combine(date, time.min, zone).timestamp()) * SECOND


def _slippage(trade: ClosedTrade) -> Decimal:
    return trade.entry_slippage if trade.entry_slippage is not None else Decimal("-Infinity")


_COMPUTED: dict[str, Callable[[ClosedTrade], Any]] = {
    "held": lambda trade: trade.exit_ts - trade.entry_ts,
    "entry_slippage": _slippage,
}


def _key(name: str) -> Callable[[ClosedTrade], Any]:
    def of(trade: ClosedTrade) -> Any:
        return getattr(trade, name)

    return _COMPUTED.get(name, of)


_KEYS = {sort: _key(sort.value) for sort in Sort}


def _row(trade: ClosedTrade) -> dict[str, Any]:
    """Return a trade for the page: numbers as JSON has them."""
    row = msgspec.structs.asdict(trade)
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in row.items()}


def _totals(trades: list[ClosedTrade]) -> dict[str, Any]:
    """Return what trades come to; the win rate is of however few there are, since their number stands beside it."""
    slipped = [trade.entry_slippage for trade in trades if trade.entry_slippage is not None]
    wins = sum(trade.result == "win" for trade in trades)
    return {
        "trades": len(trades),
        "wins": wins,
        "losses": sum(trade.result == "loss" for trade in trades),
        "win_rate": wins / len(trades) if trades else None,
        "pnl": float(sum((trade.pnl for trade in trades), Decimal(0))),
        "fees": float(sum((trade.fees for trade in trades), Decimal(0))),
        "entry_slippage": float(sum(slipped, Decimal(0))) if slipped else None,
    }


def _cell(name: str, value: Any) -> Any:
    """Return a cell of CSV: text that a spreadsheet would take for a formula is quoted, as spreadsheets do."""
    return f"'{value}" if name in _TEXT and str(value).startswith(("=", "+", "-", "@", "\t", "\r")) else value
