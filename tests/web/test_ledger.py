"""The list of trades: filtered, sorted, paged, added up, as CSV, and by scope."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.messages import ExitReason, PositionClosed
from actors.portfolio.closed_trades import COLUMNS
from actors.portfolio.trade_figures import figures
from pipeline.events import SECOND, Side
from service.journal_views import history
from tests.web.builders import at, closed, listed
from web import ledger as ledgers
from web.ledger import MOST, Ledger, Scope, Sort, TradeQuery

DAY_S = 86_400
NOW = at(60)
ZONE = "America/New_York"

TRADES = (
    closed("AAPL", pnl="0.30", seconds=3, decision="a1"),
    closed("MSFT", Side.SHORT, "-0.10", ExitReason.SL, 4, "m2"),
    closed("AAPL", Side.SHORT, "-0.20", ExitReason.TIME, 5, "a3"),
    closed("MSFT", pnl="0", reason=ExitReason.TIME, seconds=6, decision="m4"),
)


def ledger_of(*trades: PositionClosed, run: int = 7) -> Ledger:
    ledger = Ledger(run, ZONE)
    ledger.take(listed(*trades, run=run))
    return ledger


def ids(ledger: Ledger, now: int = NOW, **query: Any) -> list[str]:
    return [row["decision"] for row in ledger.page(TradeQuery(**query), now)["rows"]]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, ["m4", "a3", "m2", "a1"]),
        ({"symbol": "AAPL"}, ["a3", "a1"]),
        ({"side": "SHORT"}, ["a3", "m2"]),
        ({"reason": "TIME"}, ["m4", "a3"]),
        ({"result": "win"}, ["a1"]),
        ({"result": "even"}, ["m4"]),
        ({"text": "sl"}, ["m2"]),
        ({"text": "7/A"}, ["a3", "a1"]),
        ({"symbol": "AAPL", "result": "loss"}, ["a3"]),
        ({"sort": Sort.PNL}, ["a1", "m4", "m2", "a3"]),
        ({"sort": Sort.PNL, "order": "asc"}, ["a3", "m2", "m4", "a1"]),
        ({"sort": Sort.HELD, "order": "asc"}, ["a1", "m2", "a3", "m4"]),
        ({"sort": Sort.SYMBOL, "order": "asc"}, ["a3", "a1", "m4", "m2"]),
        ({"offset": 1, "limit": 2}, ["a3", "m2"]),
    ],
)
def test_trades_are_filtered_sorted_and_paged(query: dict[str, Any], wanted: list[str]) -> None:
    assert ids(ledger_of(*TRADES), **query) == wanted


@pytest.mark.parametrize("sort", list(Sort))
def test_every_column_sorts_both_ways(sort: Sort) -> None:
    ledger = ledger_of(*TRADES)
    assert sorted(ids(ledger, sort=sort)) == sorted(ids(ledger, sort=sort, order="asc")) == ["a1", "a3", "m2", "m4"]


def test_totals_are_of_all_that_pass_the_filters_and_not_of_the_page() -> None:
    page = ledger_of(*TRADES).page(TradeQuery(side="SHORT", limit=1), NOW)
    assert page["totals"]["trades"] == 2
    assert page["totals"]["pnl"] == pytest.approx(-0.30)
    assert (page["totals"]["wins"], page["totals"]["losses"], page["totals"]["win_rate"]) == (0, 2, 0.0)
    assert page["in_scope"] == 4
    assert page["symbols"] == ["AAPL", "MSFT"]


def test_scopes_are_the_runs_since_the_start_the_trading_day_and_all() -> None:
    ledger = Ledger(7, ZONE)
    yesterday = closed(seconds=-DAY_S, decision="y")
    ledger.take(listed(yesterday, closed(decision="earlier"), run=6, left_out=3))
    ledger.take(listed(closed(seconds=9, decision="now"), run=7, left_out=3))
    assert ids(ledger, scope=Scope.SESSION) == ["now"]
    assert ids(ledger, scope=Scope.TODAY) == ["now", "earlier"]
    assert ids(ledger, scope=Scope.ALL) == ["now", "earlier", "y"]
    assert ledger.page(TradeQuery(scope=Scope.ALL), NOW)["left_out"] == 3
    assert [ledger.figures(scope, NOW)["trades"] for scope in Scope] == [1, 2, 3]


def test_today_is_another_day_after_midnight_where_the_settings_say() -> None:
    ledger = ledger_of(*TRADES)
    midnight = at(14.5 * 3600)  # nine hours and a half into the session of New York's 5 January
    assert len(ids(ledger, midnight - 1)) == 4
    assert ids(ledger, midnight) == []
    assert ledger.figures(Scope.TODAY, midnight - 1)["trades"] == 4
    assert ledger.figures(Scope.TODAY, midnight)["trades"] == 0
    assert (ledger.day(midnight - 1), ledger.day(midnight)) == ("2026-01-05", "2026-01-06")


@given(st.lists(st.lists(st.sampled_from(TRADES), max_size=4), max_size=6))
def test_figures_that_go_on_are_those_of_all_trades_at_once(told: list[list[PositionClosed]]) -> None:
    ledger = Ledger(7, ZONE)
    for trades in told:
        ledger.take(listed(*trades, run=7))
        ledger.figures(Scope.ALL, NOW)
    whole = figures((trade for part in told for trade in listed(*part, run=7).trades), ledgers._zone(ZONE))
    assert {name: ledger.figures(Scope.ALL, NOW)[name] for name in whole} == whole


def test_the_csv_has_the_columns_and_the_exact_numbers_of_the_command_line() -> None:
    assert history.COLUMNS["trades"] == COLUMNS
    text = ledger_of(*TRADES).as_csv(TradeQuery(side="SHORT", limit=1), NOW)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["decision"] for row in rows] == ["a3", "m2"]  # all that pass, whatever the page
    assert rows[1]["pnl"] == "-0.10"
    assert rows[1]["run"] == "7"
    assert list(rows[0]) == list(COLUMNS)


def test_text_that_a_spreadsheet_would_compute_is_quoted() -> None:
    text = ledger_of(closed("=1+1", pnl="-0.10")).as_csv(TradeQuery(), NOW)
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["symbol"], row["pnl"]) == ("'=1+1", "-0.10")


def test_the_oldest_trades_go_first_and_an_answer_is_made_once() -> None:
    ledger = Ledger(7, ZONE)
    ledger.take(listed(*[closed(decision=str(n)) for n in range(MOST)], run=7))
    first = ledger.page(TradeQuery(), NOW)
    assert ledger.page(TradeQuery(), NOW + SECOND) is first
    ledger.take(listed(closed(seconds=9, decision="new"), run=7))
    assert ledger.page(TradeQuery(), NOW)["totals"]["trades"] == MOST
    assert ids(ledger)[0] == "new"
    assert ids(ledger, sort=Sort.EXIT_TS, order="asc", limit=500)[-1] != "0"


def test_slippage_is_what_was_paid_beyond_the_signals_price() -> None:
    short = closed(side=Side.SHORT)
    told = listed(short, signal_price=150.30)
    assert told.trades[0].entry_slippage == Decimal("0.05")  # sold at 150.25
    assert listed(closed(), signal_price=150.30).trades[0].entry_slippage == Decimal("-0.05")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(told), type=type(told)) == told
