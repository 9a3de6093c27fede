"""LOBSTER: exact times, both kinds of executions, quotes only where there is news, and bad rows in one sentence."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, strategies as st

from pipeline.events import SECOND, Quote, Refused, Trade
from pipeline.venues.lobster import BadRecording, Name, events

MIDNIGHT = 1_340_251_200 * SECOND  # 2012-06-21 00:00 in New York
NAME = Name("AAPL", date(2012, 6, 21), "message")
NO_BOOK = "9999999999,0,-9999999999,0"
BOOK = "5859400,200,5853300,18"  # ask 585.94, bid 585.33


def message(seconds: str = "34200.5", kind: int = 4, size: str = "100", price: str = "5859400") -> str:
    return f"{seconds},{kind},16113575,{size},{price},1"


def read(*rows: tuple[str, str]) -> list[Trade | Quote | Refused]:
    """Read rows, each a message with its book."""
    return list(events(NAME, [row[0] for row in rows], [row[1] for row in rows]))


# -------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("AAPL_2012-06-21_34200000_57600000_message_1.csv", Name("AAPL", date(2012, 6, 21), "message")),
        ("GOOG_2012-06-21_34200000_57600000_orderbook_10.csv", Name("GOOG", date(2012, 6, 21), "orderbook")),
        ("folder/BRK.B_2026-01-05_1_2_message_5.csv", Name("BRK.B", date(2026, 1, 5), "message")),
    ],
)
def test_a_file_s_name_says_symbol_date_and_kind(path: str, name: Name) -> None:
    assert Name.of(path) == name


@pytest.mark.parametrize(
    "path",
    [
        "AAPL.csv",
        "AAPL_2012-06-21_1_2_message_1.txt",
        "AAPL_2012-06-21_1_2_trades_1.csv",
        "AAPL_2012-13-41_1_2_message_1.csv",
        "",
    ],
)
def test_another_name_says_nothing(path: str) -> None:
    assert Name.of(path) is None


# ------------------------------------------------------------------------------------------------- trades


def test_an_execution_is_a_trade_without_a_quote() -> None:
    [trade] = read((message(), NO_BOOK))
    assert trade == Trade("AAPL", MIDNIGHT + 34_200 * SECOND + SECOND // 2, 585.94, 100.0)


@pytest.mark.parametrize("kind", [4, 5])
def test_visible_and_hidden_executions_are_trades(kind: int) -> None:
    assert len(read((message(kind=kind), NO_BOOK))) == 1


@pytest.mark.parametrize("kind", [1, 2, 3, 6, 7])
def test_no_other_row_is_a_trade(kind: int) -> None:
    assert read((message(kind=kind), NO_BOOK)) == []


@pytest.mark.parametrize(
    ("seconds", "nanoseconds"),
    [
        ("34200", 34_200_000_000_000),
        ("34200.1", 34_200_100_000_000),
        ("34200.017459617", 34_200_017_459_617),
        ("34200.000000001", 34_200_000_000_001),
        ("46799.999999999", 46_799_999_999_999),
        ("34200.1234567899", 34_200_123_456_789),
    ],
)
def test_times_are_exact_to_the_nanosecond(seconds: str, nanoseconds: int) -> None:
    """As floats, most of these would be off by microseconds."""
    [trade] = read((message(seconds), NO_BOOK))
    assert isinstance(trade, Trade)
    assert trade.ts == MIDNIGHT + nanoseconds


@given(st.integers(0, 86_399), st.integers(0, 999_999_999))
def test_every_time_is_exact(seconds: int, nanoseconds: int) -> None:
    [trade] = read((message(f"{seconds}.{nanoseconds:09}"), NO_BOOK))
    assert isinstance(trade, Trade)
    assert trade.ts == MIDNIGHT + seconds * SECOND + nanoseconds


def test_midnight_is_new_york_s_in_winter_too() -> None:
    winter = Name("AAPL", date(2012, 1, 20), "message")
    [trade] = list(events(winter, [message("0")], [NO_BOOK]))
    assert isinstance(trade, Trade)
    assert trade.ts == 1_327_035_600 * SECOND


# ------------------------------------------------------------------------------------------------- quotes


def test_every_row_may_bring_a_quote_whatever_its_type() -> None:
    [quote] = read((message(kind=1), BOOK))
    assert quote == Quote("AAPL", MIDNIGHT + 34_200 * SECOND + SECOND // 2, 585.33, 585.94)


def test_a_trade_comes_before_the_quote_of_its_row() -> None:
    assert [type(event) for event in read((message(), BOOK))] == [Trade, Quote]


def test_only_a_quote_that_differs_from_the_last_is_one() -> None:
    rows = [(message(kind=1), BOOK), (message(kind=1), BOOK), (message(kind=1), "5859500,1,5853300,18")]
    assert [quote.ask for quote in read(*rows) if isinstance(quote, Quote)] == [585.94, 585.95]


def test_sizes_in_the_book_are_no_news() -> None:
    assert len(read((message(kind=1), BOOK), (message(kind=1), "5859400,999,5853300,999"))) == 1


@pytest.mark.parametrize(
    "book",
    [
        NO_BOOK,
        "9999999999,0,5853300,18",
        "5859400,200,-9999999999,0",
        "-9999999999,0,5853300,18",
        "5853300,1,5859400,1",
        "5859400,1,0,1",
    ],
    ids=["both empty", "no ask", "no bid", "negative ask", "crossed", "bid of zero"],
)
def test_a_book_with_an_empty_or_crossed_side_is_no_quote(book: str) -> None:
    assert read((message(kind=1), book)) == []


def test_a_locked_book_is_a_quote() -> None:
    [quote] = read((message(kind=1), "5859400,1,5859400,1"))
    assert isinstance(quote, Quote)
    assert quote.bid == quote.ask == 585.94


def test_an_empty_side_in_between_does_not_make_the_same_quote_news() -> None:
    rows = [(message(kind=1), BOOK), (message(kind=3), NO_BOOK), (message(kind=1), BOOK)]
    assert len(read(*rows)) == 1


def test_deeper_levels_of_the_book_are_ignored() -> None:
    assert read((message(kind=1), BOOK + ",5859800,200,5853000,150")) == read((message(kind=1), BOOK))


# ----------------------------------------------------------------------------------------------- bad rows


@pytest.mark.parametrize(
    ("row", "book"),
    [
        ("nonsense", BOOK),
        ("", BOOK),
        ("34200.5,4", BOOK),
        ("34x00.5,4,1,100,5859400,1", BOOK),
        ("34200.5e3,4,1,100,5859400,1", BOOK),
        ("34200.5,4,1,many,5859400,1", BOOK),
        ("34200.5,4,1,100,585.94,1", BOOK),
        (message(), ""),
        (message(), "5859400"),
        (message(), "a,b,c,d"),
    ],
)
def test_a_row_that_cannot_be_read_is_said_in_one_sentence(row: str, book: str) -> None:
    with pytest.raises(BadRecording, match=r"^row \d+ of the AAPL recording cannot be read \(.+\)$"):
        read((row, book))


def test_the_row_that_cannot_be_read_is_named() -> None:
    with pytest.raises(BadRecording, match=r"^row 2 of the AAPL recording"):
        read((message(), BOOK), ("nonsense", BOOK), (message(), BOOK))


@pytest.mark.parametrize(("messages", "books"), [(2, 1), (1, 2), (0, 1)])
def test_files_of_different_length_do_not_fit(messages: int, books: int) -> None:
    with pytest.raises(BadRecording, match="of the AAPL recording cannot be read"):
        list(events(NAME, [message()] * messages, [BOOK] * books))


@pytest.mark.parametrize(("messages", "books"), [(2, 1), (1, 2), (0, 1)])
def test_files_of_different_length_are_named_as_such(messages: int, books: int) -> None:
    with pytest.raises(BadRecording) as caught:
        list(events(NAME, [message()] * messages, [BOOK] * books))
    assert "zip()" not in str(caught.value)


def test_what_came_before_a_bad_row_was_given() -> None:
    stream = events(NAME, [message(), "nonsense"], [NO_BOOK, NO_BOOK])
    assert isinstance(next(stream), Trade)
    with pytest.raises(BadRecording):
        next(stream)


def test_a_field_without_end_is_said_in_one_sentence() -> None:
    with pytest.raises(BadRecording):
        read((message(price="1" * 200_000), NO_BOOK))


@pytest.mark.parametrize(
    "row", [message(price="0"), message(price="-5"), message(size="nan"), message(size="inf"), message(size="-5")]
)
def test_a_trade_that_is_none_is_refused(row: str) -> None:
    """No price of zero or below, and no size that is negative or no number: as on any tape."""
    assert read((row, NO_BOOK)) == [Refused("bad trade")]


def test_an_empty_recording_has_no_events() -> None:
    assert list(events(NAME, [], [])) == []


NUMBERISH = st.lists(st.text(alphabet="0123456789.,-eEnaif ", max_size=30), max_size=4)


@given(NUMBERISH, NUMBERISH)
def test_any_rows_give_events_or_a_bad_recording(messages: list[str], books: list[str]) -> None:
    try:
        found = list(events(NAME, messages, books))
    except BadRecording:
        return
    assert all(isinstance(event, Trade | Quote | Refused) for event in found)
