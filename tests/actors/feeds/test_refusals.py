"""Refusals explained: with an example, seldom, and of each symbol."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.feeds.refusals import Tally
from pipeline.admission import CROSSED_QUOTE, DUPLICATE, NOT_SUBSCRIBED, PRICE_COLLAR
from pipeline.events import SECOND, Refused, Trade
from pipeline.venues.alpaca import AlpacaDialect
from pipeline.venues.binance import BinanceDialect
from pipeline.venues.coinbase import CoinbaseDialect
from pipeline.venues.dialect import EMPTY_FRAME, UNKNOWN_TYPE, Dialect
from pipeline.venues.jsonl import BAD_TRADE, NOT_JSON
from pipeline.venues.simple import SimpleDialect
from tests.support.live import a_venue, events_logged, hello, listening_to, print_of, says
from tests.support.market import START


def logged(*frames: Any, until: int, symbols: tuple[str, ...] = (), **options: Any) -> list[dict[str, Any]]:
    """Let a venue say something; return what the feed logged by the time that it had a trade's id."""

    async def scenario() -> list[dict[str, Any]]:
        with events_logged() as events:
            async with (
                a_venue(says(hello(), *frames, print_of(until))) as venue,
                listening_to(venue.url, *symbols, **options) as listener,
            ):
                await listener.heard.until(lambda: until in listener.heard.ids)
        return [event for event in events if event.get("event") in ("feed.refused", "feed.error")]

    return asyncio.run(scenario())


def refusals(events: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(event["reason"], event["symbol"], event["count"]) for event in events if event["event"] == "feed.refused"]


def test_the_first_refusal_of_a_reason_and_symbol_is_told_with_an_example() -> None:
    far = [print_of(n, symbol=symbol, price=500.0) for n, symbol in ((3, "A"), (4, "B"), (5, "A"))]
    events = logged(print_of(1), print_of(2, symbol="B"), *far, until=6)
    assert refusals(events) == [(PRICE_COLLAR, "A", 1), (PRICE_COLLAR, "B", 1)]
    assert json.loads(events[0]["example"])["id"] == 3


def test_later_ones_are_told_when_they_are_ten_a_hundred_and_a_thousand() -> None:
    unknown = "\n".join(f'{{"type":"trade","symbol":"X","ts":{START},"price":1,"size":1}}' for _ in range(1234))
    events = logged(unknown, until=1, symbols=("A",))
    assert refusals(events) == [(NOT_SUBSCRIBED, "X", count) for count in (1, 10, 100, 1000)]


def test_a_trade_that_loses_its_quote_is_explained_and_so_is_what_comes_after_it() -> None:
    crossed = Trade("A", START + 1, 100.0, 1.0, 101.0, 99.0, 2)
    events = logged(print_of(1), crossed, print_of(3, price=500.0), until=4)
    assert refusals(events) == [(CROSSED_QUOTE, "A", 1), (PRICE_COLLAR, "A", 1)]
    assert [json.loads(event["example"])["id"] for event in events] == [2, 3]


def test_what_comes_after_the_gap_of_a_new_level_is_explained() -> None:
    first, *level = [print_of(n, symbol="B", price=500.0 if n > 1 else 100.0) for n in range(1, 6)]
    opening = Trade("B", START + SECOND // 100, 500.0, 1.0, 501.0, 499.0, 6)
    batch = "\n".join(msgspec.json.encode(event).decode() for event in (first, *level, opening, *level))
    events = logged(batch, until=7)
    assert refusals(events) == [(PRICE_COLLAR, "B", 1), (CROSSED_QUOTE, "B", 1), (DUPLICATE, "B", 1)]
    assert [json.loads(event["example"])["id"] for event in events] == [2, 6, 2]


def test_what_cannot_be_read_is_shown_as_it_came() -> None:
    frames = ("nonsense \x1b[2J", '{"type":"clock","ts":1}\n{"type":"trade","symbol":"A"}\n', b"[\xff")
    events = logged(*frames, until=1)
    told = {event["reason"]: event["example"] for event in events if event["event"] == "feed.refused"}
    assert told[NOT_JSON] == "nonsense \x1b[2J"
    assert told[BAD_TRADE] == '{"type":"trade","symbol":"A"}'


def test_what_nobody_knows_and_what_is_empty_is_shown_as_it_came() -> None:
    events = logged('{"type":"status"}', "", until=1)
    assert [(event["reason"], event["example"]) for event in events] == [
        (UNKNOWN_TYPE, '{"type":"status"}'),
        (EMPTY_FRAME, ""),
    ]


@pytest.mark.parametrize(
    "dialect", [AlpacaDialect("key", "secret", ["A"]), BinanceDialect(), CoinbaseDialect(["A"]), SimpleDialect()]
)
def test_every_refusal_of_a_dialect_has_its_example(dialect: Dialect) -> None:
    frames = [b"nonsense", b"[]", b"{}", b'{"type":"x"}', b'[{"T":"z"}]', b'{"type":"match"}', b'[{"T":"t"}]', b""]
    turn = dialect.received(frames)
    assert [it.reason for it in turn.unread] == [e.reason for e in turn.events if isinstance(e, Refused)]
    assert sum(it.times for it in turn.unread) > 2


def test_an_example_is_short() -> None:
    (event,) = logged("x" * 100_000, until=1)
    assert len(event["example"]) <= 300


def test_what_a_venue_of_a_dialect_of_its_own_says_is_explained_with_its_symbol() -> None:
    dialect = AlpacaDialect("key", "secret", ())
    dialect.received([b'[{"T":"success","msg":"connected"}]'])
    bad = b'[{"T":"t","S":"A","t":"never","p":1,"s":1},{"T":"q","S":"B","t":"2026-01-05T15:00:00Z"}]'
    turn = dialect.received([b"nonsense", bad])
    assert [(it.reason, it.symbol) for it in turn.unread] == [
        ("not JSON", ""),
        ("bad time", "A"),
        ("empty quote", "B"),
    ]
    assert dialect.received([]).unread == []


def test_what_a_venue_calls_an_error_is_a_warning_with_its_words() -> None:
    said = '{"type":"error","message":"The symbol \'X\' is not traded here."}'
    (event,) = logged(said, said, until=1)
    assert (event["event"], event["level"], event["count"]) == ("feed.error", "WARNING", 1)
    assert event["said"] == "The symbol 'X' is not traded here."


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=200))
def test_however_many_names_a_venue_invents_little_is_kept_and_little_said(kinds: list[tuple[str, str]]) -> None:
    tally = Tally()
    told = sum(bool(tally.count(reason, subject)) for reason, subject in kinds)
    assert told >= bool(kinds)
    assert len(tally._counts) <= 201


@pytest.mark.parametrize(("times", "told"), [(1, [1]), (9, [1]), (10, [1, 10]), (1000, [1, 10, 100, 1000])])
def test_a_tally_speaks_at_powers_of_ten(times: int, told: list[int]) -> None:
    tally = Tally()
    assert [count for _ in range(times) if (count := tally.count("reason", "A"))] == told


def test_a_flood_of_new_names_is_told_of_together() -> None:
    tally = Tally()
    told = sum(bool(tally.count("reason", str(number))) for number in range(10_000))
    assert told <= 200 + 5
