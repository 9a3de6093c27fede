"""The switches, and what goes wrong with market data, updates and frames when they are on."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from mock_exchange.alpaca.data_schema import Codec
from mock_exchange.broadcast import Broadcast
from mock_exchange.connection_faults import JSON_FEED, MSGPACK_FEED, PUSH, UPDATES, ConnectionFaults, Frame, JunkFrames
from mock_exchange.events import SECOND, Event, Quote, Trade
from mock_exchange.faults import CATALOGUE, Faults, describe, parse, parse_lines
from mock_exchange.market import tape
from mock_exchange.market_data_faults import HOUR, BadPriceTrade, MarketDataFaults, Published, reported
from mock_exchange.settings import ExchangeSettings
from mock_exchange.venue.money import SHARE
from mock_exchange.venue.orders import Order, OrderRequest, Side, Update
from mock_exchange.venue_state import VenueState

START = 1_767_623_400 * SECOND
EVENTS: list[Event] = list(itertools.islice(tape(["AAPL", "MSFT"], 7, START, 3_600), 2_000))


def told(*specs: str, seed: int = 7) -> list[Published]:
    """Return what is told of EVENTS, in turns of a few."""
    market_data_faults = MarketDataFaults(Faults(seed, specs))
    return [it for turn in range(0, len(EVENTS), 7) for it in market_data_faults(EVENTS[turn : turn + 7])]


def trades(events: Sequence[Published]) -> list[Trade]:
    return [event for event in events if isinstance(event, Trade)]


def quotes(events: Sequence[Published]) -> list[Quote]:
    return [event for event in events if isinstance(event, Quote)]


# -- switches ----------------------------------------------------------------------------------------------------------


def test_a_switch_has_a_parameter_or_its_default() -> None:
    assert parse("drop") == ("drop", 500)
    assert parse(" drop:20 ") == ("drop", 20)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("drp", "there is no fault 'drp'; did you mean drop?"),
        ("xyzzy", "there is no fault 'xyzzy'; --faults list names them."),
        ("drop:x", "drop takes a number from 0 to 1e\\+09 \\(frames\\), as in drop:500"),
        ("gaps:2", "gaps takes a number from 0 to 1 "),
        ("gaps:nan", "gaps takes a number"),
        ("gaps:", "gaps takes a number"),
    ],
)
def test_what_is_no_switch_is_refused_in_one_sentence(spec: str, sentence: str) -> None:
    faults = Faults(7, ["mute"])
    with pytest.raises(ValueError, match=sentence):
        faults.switch(["drop", spec])
    assert faults.active == ["mute:100"]


def test_switching_turns_all_others_off() -> None:
    faults = Faults(7, ["mute", "gaps:0.5"])
    faults.switch(["drop:3"])
    assert faults.active == ["drop:3"]
    assert "mute" not in faults
    faults.switch([])
    assert not faults


def test_a_file_names_one_a_line() -> None:
    assert parse_lines("# row 1\ndrop:20\n\n  gaps  # row 9\n") == ("drop:20", "gaps")
    with pytest.raises(ValueError, match="did you mean gaps"):
        parse_lines("gap")


def test_every_switch_is_described_as_it_is_written() -> None:
    lines = describe().splitlines()
    assert len(lines) == len(CATALOGUE)
    assert [parse(line.split()[0])[0] for line in lines] == list(CATALOGUE)


# -- market data -------------------------------------------------------------------------------------------------------

DISTORTING = [
    *("bad_prices", "spikes:0.1", "duplicates", "reorder", "gaps", "late_times", "future_times", "crossed:0.2"),
    "burst:100",
]


def test_without_a_switch_what_happened_is_told() -> None:
    assert told() == EVENTS
    assert told("latency", "drop") == EVENTS


@pytest.mark.parametrize("spec", DISTORTING)
def test_the_seed_decides_what_is_struck(spec: str) -> None:
    first, again, other = (Broadcast(told(spec, seed=seed), ()).lines for seed in (7, 7, 8))
    assert first == again
    assert (first != other) == (spec != "burst:100")


def test_duplicates_are_told_right_after_one_another() -> None:
    seen = told("duplicates:0.2")
    assert len(EVENTS) < len(seen) < 1.5 * len(EVENTS)
    assert [event for event, _ in itertools.groupby(seen)] == EVENTS


def test_reordered_events_change_places_with_the_next() -> None:
    seen = told("reorder:0.2")
    assert seen != EVENTS
    assert sorted(seen, key=repr) == sorted(EVENTS[: len(seen)], key=repr) or len(seen) == len(EVENTS) - 1
    places = {id(event): place for place, event in enumerate(EVENTS)}
    assert all(abs(places[id(event)] - place) <= 1 for place, event in enumerate(seen))


def test_gaps_leave_events_out_and_change_no_other() -> None:
    seen = told("gaps:0.2")
    assert 0.7 * len(EVENTS) < len(seen) < 0.9 * len(EVENTS)
    rest: Iterator[Published] = iter(EVENTS)
    assert all(event in rest for event in seen)


@pytest.mark.parametrize(("spec", "shift"), [("late_times:0.2", -HOUR), ("future_times:0.2", HOUR)])
def test_times_are_an_hour_off(spec: str, shift: int) -> None:
    shifts = [
        event.ts - true.ts
        for event, true in zip(told(spec), EVENTS, strict=True)
        if not isinstance(event, BadPriceTrade)
    ]
    assert set(shifts) == {0, shift}


def test_spikes_are_ten_times_the_price() -> None:
    ratios = {
        round(seen.price / true.price, 3) for seen, true in zip(trades(told("spikes:0.2")), trades(EVENTS), strict=True)
    }
    assert ratios == {1.0, 10.0}


def test_quotes_are_crossed_locked_or_empty() -> None:
    seen = quotes(told("crossed:0.5"))
    assert any(quote.bid > quote.ask for quote in seen)
    assert any(quote.bid == quote.ask for quote in seen)
    assert any(quote.bid_size == quote.ask_size == 0 for quote in seen)


def test_prices_that_cannot_be_are_told_in_every_dialect() -> None:
    broadcast = Broadcast(told("bad_prices:1"), ())
    lines = b"\n".join(line for _, line in broadcast.lines)
    for price in (b"NaN", b"Infinity", b"0.0", b"-1.0", b"1e308", b'"126.55 dollars"'):
        assert b'"price":' + price in lines
    spoilt = [
        msgspec.msgpack.decode(it) for channel, _, it in broadcast.data(Codec.MSGPACK, "iex") if channel == "trades"
    ]
    assert {str(trade["p"]) for trade in spoilt} == {"nan", "inf", "0.0", "-1.0", "1e+308", "126.55 dollars"}
    assert any(b'"p":NaN' in it for _, _, it in broadcast.data(Codec.JSON, "iex"))


def test_a_burst_is_all_that_waited_at_once() -> None:
    market_data_faults = MarketDataFaults(Faults(7, ["burst:100"]))
    turns = [market_data_faults([event]) for event in EVENTS[:250]]
    assert [len(turn) for turn in turns if turn] == [100, 100]
    assert [event for turn in turns for event in turn] == EVENTS[:200]


def test_what_waits_is_told_when_the_switch_is_turned_off() -> None:
    faults = Faults(7, ["burst:100", "reorder:1"])
    market_data_faults = MarketDataFaults(faults)
    assert market_data_faults(EVENTS[:9]) == []
    faults.switch([])
    assert sorted(map(repr, market_data_faults(EVENTS[9:10]))) == sorted(map(repr, EVENTS[:10]))


@given(st.lists(st.sampled_from(DISTORTING), unique=True), st.integers(0, 5))
def test_whatever_is_on_nothing_is_invented(specs: list[str], seed: int) -> None:
    symbols = {it.symbol for it in told(*specs, seed=seed)}
    assert symbols <= {"AAPL", "MSFT"}


# -- orders ------------------------------------------------------------------------------------------------------------


def updates_of_a_purchase() -> list[Update]:
    venue = VenueState(ExchangeSettings(symbols=("AAPL",), history_events=100), ["ANN"], START)
    venue.advance([Quote("AAPL", START, 200.0, 200.03, 100, 100)])
    venue.matching.submit("ANN", OrderRequest(symbol="AAPL", side=Side.BUY, qty=3 * SHARE), START + SECOND)
    return venue.take_updates()


@pytest.mark.parametrize(
    ("spec", "events"),
    [
        ("latency", ["new", "fill"]),
        ("lost_fills:1", ["new"]),
        ("double_fills:1", ["new", "fill", "fill"]),
        ("disordered_updates:1", ["fill", "new"]),
    ],
)
def test_only_fills_are_lost_or_doubled(spec: str, events: list[str]) -> None:
    seen = reported(updates_of_a_purchase(), Faults(7, [spec]))
    assert [update.change.value for update in seen] == events
    assert len({update.execution_id for update in seen}) == len(set(events))


def test_few_shares_a_quote_fill_an_order_slowly() -> None:
    venue = VenueState(ExchangeSettings(symbols=("AAPL",), history_events=100), ["ANN"], START)
    venue.matching.most_displayed = 2
    venue.advance([Quote("AAPL", START, 200.0, 200.03, 100, 100)])
    venue.matching.submit("ANN", OrderRequest(symbol="AAPL", side=Side.BUY, qty=5 * SHARE), START + SECOND)
    for second in (2, 3):
        venue.advance([Quote("AAPL", START + second * SECOND, 200.0, 200.03, 100, 100)])
    assert [update.qty for update in venue.take_updates()] == [None, 2 * SHARE, 2 * SHARE, SHARE]


def test_an_order_may_be_filled_before_its_cancel_comes_into_effect() -> None:
    venue = VenueState(ExchangeSettings(symbols=("AAPL",), history_events=100), ["ANN"], START)
    venue.advance([Quote("AAPL", START, 200.0, 200.03, 100, 3)])
    order = venue.matching.submit("ANN", OrderRequest(symbol="AAPL", side=Side.BUY, qty=9 * SHARE), START)
    assert isinstance(order, Order)
    venue.cancel_later("ANN", order, START, START + 5 * SECOND)
    for second in (4, 6):
        venue.advance([Quote("AAPL", START + second * SECOND, 200.0, 200.03, 100, 3)])
    assert [update.change.value for update in venue.take_updates()] == [
        "new",
        "partial_fill",
        "pending_cancel",
        "partial_fill",
        "canceled",
    ]


def test_foreign_orders_are_a_position_and_an_order_that_waits() -> None:
    venue = VenueState(ExchangeSettings(symbols=("AAPL",), history_events=100), ["ANN", "BOB"], START)
    venue.advance([Quote("AAPL", START, 200.0, 200.03, 100, 100)])
    venue.plant_foreign_orders(5, START)
    for name in ("ANN", "BOB"):
        assert venue.matching.accounts[name].qty("AAPL") == 5 * SHARE
        assert [order.qty for order in venue.matching.orders.open_orders(name)] == [5 * SHARE]


# -- frames ------------------------------------------------------------------------------------------------------------


def sent(words: JunkFrames, *specs: str, frames: int = 100, connection: int = 1) -> tuple[list[Frame], bool]:
    faults = ConnectionFaults(Faults(7, specs), connection, words)
    out = [frame for number in range(frames) for frame in faults.passed(Frame(b"%d" % number))]
    return out, faults.cut


def test_without_a_switch_frames_pass() -> None:
    assert sent(PUSH, frames=2) == ([Frame(b"0"), Frame(b"1")], False)


def test_a_dropped_connection_is_cut_and_a_mute_one_is_not() -> None:
    assert [len(frames) for frames, _ in (sent(PUSH, "drop:10"), sent(PUSH, "mute:10"))] == [10, 10]
    assert [cut for _, cut in (sent(PUSH, "drop:10"), sent(PUSH, "mute:10"))] == [True, False]


def test_the_trading_stream_has_switches_of_its_own() -> None:
    assert sent(UPDATES, "drop:10", "mute:10") == sent(UPDATES)
    assert sent(PUSH, "drop_updates:1", "mute_updates:1") == sent(PUSH)
    assert sent(UPDATES, "drop_updates:10")[1]
    assert len(sent(UPDATES, "mute_updates:10")[0]) == 10


@pytest.mark.parametrize("words", [PUSH, JSON_FEED, MSGPACK_FEED, UPDATES])
def test_frames_that_cannot_be_read_come_between_good_ones(words: JunkFrames) -> None:
    out, _ = sent(words, "malformed:1", frames=200)
    assert [payload for payload, _ in out[::2]] == [b"%d" % number for number in range(200)]
    assert set(out[1::2]) == set(words.unreadable)
    assert out == sent(words, "malformed:1", frames=200)[0]
    assert out != sent(words, "malformed:1", frames=200, connection=2)[0]


def test_malformed_frames_of_the_feed_are_malformed() -> None:
    class Message(msgspec.Struct, rename={"kind": "T", "symbol": "S"}):
        kind: str
        symbol: str
        t: Any

    for payload, binary in MSGPACK_FEED.unreadable:
        assert binary
        with pytest.raises((msgspec.DecodeError, RecursionError)):
            msgspec.msgpack.decode(payload, type=list[Message])


def test_an_oversized_frame_is_of_two_mebibytes() -> None:
    out, _ = sent(PUSH, "oversized:1", frames=1)
    assert [len(payload) for payload, _ in out] == [1, 2 << 20]


def test_strangers_are_well_formed() -> None:
    for words in (PUSH, JSON_FEED, UPDATES):
        for payload in words.strange:
            assert msgspec.json.decode(payload)
    for payload in MSGPACK_FEED.strange:
        assert msgspec.msgpack.decode(payload)


def test_latency_is_up_to_its_parameter() -> None:
    faults = Faults(7, ["latency:200"])
    delays = [faults.delay_s("latency") for _ in range(100)]
    assert 0 <= min(delays) < max(delays) <= 0.2
    assert Faults(7).delay_s("latency") == 0
    assert math.isclose(sum(delays) / 100, 0.1, rel_tol=0.2)
