"""The session's history by REST: pages that hold everything once, bars of every length, feeds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from mock_exchange.alpaca.requests import Unreadable
from mock_exchange.alpaca.spans import span
from mock_exchange.alpaca.stocks import stocks
from mock_exchange.events import SECOND, Quote, Trade
from mock_exchange.history import MINUTE, History

START = 1_767_623_400 * SECOND
"""Monday, 5 January 2026, 09:30 in New York."""

NOW = START + 366 * 86_400 * SECOND
NEW_YORK = ZoneInfo("America/New_York")


def history(gaps_by_symbol: dict[str, list[int]]) -> History:
    """Return a history in which each stock was traded and quoted after these gaps, in nanoseconds."""
    made = History(("AAPL", "MSFT", "TSLA"), 60_000)
    for symbol, gaps in gaps_by_symbol.items():
        ts = START
        for number, gap in enumerate(gaps, start=1):
            ts += gap
            made.add(Quote(symbol, ts, 99.0, 101.0, 100, 100))
            made.add(Trade(symbol, ts, 100.0 + number, 100, 99.0, 101.0, number))
    return made


def pages(of: History, kind: str, **query: str) -> list[dict[str, list[Any]]]:
    """Read page after page until there are no more."""
    read: list[dict[str, list[Any]]] = []
    token: str | None = ""
    while token is not None:
        answer = stocks(of, kind, query | ({"page_token": token} if token else {}), NOW)
        read.append(answer[kind])
        token = answer["next_page_token"]
        assert len(read) < 500, "it never ends"
    return read


GAPS = st.lists(st.sampled_from([0, 0, 1, SECOND, 70 * SECOND]), max_size=25)


@given(
    gaps=st.fixed_dictionaries({"AAPL": GAPS, "MSFT": GAPS, "TSLA": GAPS}),
    limit=st.integers(1, 40),
    sort=st.sampled_from(["asc", "desc"]),
    kind=st.sampled_from(["trades", "quotes", "bars"]),
)
def test_pages_of_any_size_hold_what_one_page_holds(
    gaps: dict[str, list[int]], limit: int, sort: str, kind: str
) -> None:
    made, words = history(gaps), {"symbols": "TSLA,AAPL,MSFT", "sort": sort}
    (whole,) = pages(made, kind, **words, limit="10000")
    read = pages(made, kind, **words, limit=str(limit))
    joined: dict[str, list[Any]] = {}
    for page in read:
        for symbol, items in page.items():
            joined.setdefault(symbol, []).extend(items)
    assert joined == whole
    assert list(joined) == sorted(joined)
    assert all(sum(map(len, page.values())) == limit for page in read[:-1])


def test_trades_of_one_time_are_told_once_each_however_small_a_page_is() -> None:
    read = pages(history({"AAPL": [SECOND, 0, 0, 0, SECOND]}), "trades", symbols="AAPL", limit="1")
    assert [page["AAPL"][0]["i"] for page in read] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("token", ["x", "QUFQTA==", "QUFQTHwxfHg=", "QUFQTHwtMXww"])
def test_a_page_token_of_somebody_s_own_making_is_refused(token: str) -> None:
    with pytest.raises(Unreadable, match="invalid page_token"):
        stocks(history({}), "trades", {"symbols": "AAPL", "page_token": token}, NOW)


# -- bars --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "moment", "began"),
    [
        ("1Min", "2026-01-07T14:31:59", "2026-01-07T14:31:00"),
        ("59Min", "1970-01-01T01:00:00", "1970-01-01T00:59:00"),
        ("4Hour", "2026-01-07T14:31:59", "2026-01-07T12:00:00"),
        ("1Day", "2026-01-07T04:59:59", "2026-01-06T05:00:00"),
        ("1Day", "2026-07-07T04:00:00", "2026-07-07T04:00:00"),
        ("1Week", "2026-01-11T23:00:00", "2026-01-05T05:00:00"),
        ("1Month", "2026-03-31T23:00:00", "2026-03-01T05:00:00"),
        ("3Month", "2026-06-01T12:00:00", "2026-04-01T04:00:00"),
        ("12M", "2026-06-01T12:00:00", "2026-01-01T05:00:00"),
    ],
)
def test_a_bar_begins_with_its_minute_hour_date_week_or_month(name: str, moment: str, began: str) -> None:
    length = span(name)
    assert length is not None
    start = length.start(nanoseconds(moment))
    assert datetime.fromtimestamp(start / SECOND, UTC).isoformat() == f"{began}+00:00"


@pytest.mark.parametrize("name", ["0Min", "60Min", "24Hour", "2Day", "2Week", "5Month", "1Year", "Min", "1min", ""])
def test_a_length_that_alpaca_does_not_have_is_none(name: str) -> None:
    assert span(name) is None


@given(ts=st.integers(START, NOW), name=st.sampled_from(["1Min", "7Min", "1Hour", "23Hour", "1Day", "1Week", "2Month"]))
def test_a_bar_holds_its_own_beginning_and_nothing_after_it_begins_before(ts: int, name: str) -> None:
    length = span(name)
    assert length is not None
    start = length.start(ts)
    assert start <= ts
    assert length.start(start) == start


@pytest.mark.parametrize("timeframe", ["1Day", "1Week", "1Month", "12Month"])
def test_a_bar_of_a_day_or_more_has_all_trades_up_to_now(timeframe: str) -> None:
    made = history({"AAPL": [SECOND, 70 * SECOND, SECOND]})
    (bar,) = stocks(made, "AAPL/bars", {"timeframe": timeframe}, NOW)["bars"]
    assert (bar["o"], bar["c"], bar["v"], bar["n"]) == (101.0, 103.0, 300, 3)
    opened = datetime.fromisoformat(bar["t"]).astimezone(NEW_YORK)
    assert (opened.hour, opened.minute) == (0, 0)


def test_longer_bars_add_up_to_the_minutes_in_them() -> None:
    made = history({"AAPL": [20 * SECOND] * 200})
    minutes = stocks(made, "AAPL/bars", {"timeframe": "1Min"}, NOW)["bars"]
    fives = stocks(made, "AAPL/bars", {"timeframe": "5Min"}, NOW)["bars"]
    assert sum(bar["v"] for bar in fives) == sum(bar["v"] for bar in minutes)
    assert fives[0]["o"] == minutes[0]["o"]
    assert len(fives) < len(minutes)


def test_the_latest_bar_is_the_last_complete_one_and_in_the_first_minute_the_running_one() -> None:
    made = history({"AAPL": [SECOND, SECOND]})
    running = stocks(made, "bars/latest", {"symbols": "AAPL,MSFT"}, NOW)["bars"]
    assert {symbol: (bar["t"], bar["c"]) for symbol, bar in running.items()} == {
        "AAPL": ("2026-01-05T14:30:00Z", 102.0)
    }
    shot = stocks(made, "snapshots", {"symbols": "AAPL"}, NOW)["AAPL"]
    assert (shot["minuteBar"], shot["dailyBar"]["v"], shot["prevDailyBar"]) == (running["AAPL"], 200, None)
    made.add(Trade("AAPL", START + MINUTE + SECOND, 150.0, 100, 99.0, 101.0, 3))
    assert stocks(made, "bars/latest", {"symbols": "AAPL"}, NOW)["bars"] == running


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["trades", "trades/latest", "bars", "snapshots", "AAPL/quotes"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"feed": "zzz"}, "invalid feed: zzz"),
        ({"feed": "otc"}, "subscription does not permit querying otc data"),
        ({"adjustment": "raw,none"}, "invalid adjustment: raw,none"),
        ({"sort": "up"}, "invalid sort: up"),
    ],
)
def test_a_word_that_means_nothing_is_refused(path: str, words: dict[str, str], message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        stocks(history({}), path, {"symbols": "AAPL"} | words, NOW)


@pytest.mark.parametrize("feed", ["iex", "sip", "delayed_sip", ""])
def test_every_feed_of_the_plan_tells_the_same(feed: str) -> None:
    made = history({"AAPL": [SECOND]})
    assert stocks(made, "trades", {"symbols": "AAPL", "feed": feed}, NOW) == stocks(
        made, "trades", {"symbols": "AAPL"}, NOW
    )


@pytest.mark.parametrize("timeframe", ["60Min", "2Week", "1Year"])
def test_bars_of_no_length_are_refused(timeframe: str) -> None:
    with pytest.raises(Unreadable, match="invalid timeframe"):
        stocks(history({}), "bars", {"symbols": "AAPL", "timeframe": timeframe}, NOW)


def nanoseconds(moment: str) -> int:
    return int(datetime.fromisoformat(f"{moment}+00:00").timestamp()) * SECOND
