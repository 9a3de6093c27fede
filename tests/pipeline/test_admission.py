"""What may enter the log: every reason to refuse, the rule of the new level, and what no feed can bring about."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from pipeline.admission import (
    BAD_PRICE,
    BAD_SIZE,
    CROSSED_QUOTE,
    DUPLICATE,
    IMPLAUSIBLE_TIME,
    NOT_SUBSCRIBED,
    OUTDATED,
    PRICE_COLLAR,
    TOO_MANY_SYMBOLS,
    Admission,
    AdmissionSettings,
)
from pipeline.events import (
    NEW_LEVEL,
    NEW_TIME,
    SECOND,
    Clock,
    Gap,
    PriceBand,
    Prints,
    Quote,
    Refused,
    Trade,
    TradingStatus,
)
from pipeline.venue_clock import VenueClock
from pipeline.venues.conditions import UNDONE
from pipeline.venues.dialect import Event, Undone, VolumeOnly
from tests.support.market import START, at, trade as print_of

HOUR = 3600 * SECOND
NAN, INFINITY = math.nan, math.inf


def an_admission(symbols: Iterable[str] = (), **changes: float) -> Admission:
    """Return an admission whose venue has said that it is START now; our own clock stands still at 0."""
    clock = VenueClock()
    clock.declare(START, 1.0, 0)
    return Admission(AdmissionSettings(**changes), clock, symbols)  # type: ignore[arg-type]  # some are integers


def tick(
    price: float = 100.0,
    size: float = 10.0,
    *,
    bid: float | None = None,
    ask: float | None = None,
    id: int | str | None = None,
    symbol: str = "A",
    ts: int = START,
) -> Trade:
    return Trade(symbol, ts, price, size, bid, ask, id)


def verdicts(admission: Admission, *events: Event, monotonic: int = 0) -> list[str]:
    """Say of each event that came out whether it was admitted, or why it was refused, or of a gap what it is."""
    return [e.reason if isinstance(e, Refused | Gap) else "admitted" for e in admission.admit(events, monotonic)]


# ---------------------------------------------------------------------------------------------- trades by themselves


def test_a_sound_trade_enters_as_it_is() -> None:
    trade = tick(bid=99.99, ask=100.01, id=1)
    assert an_admission().admit([trade], 0) == [trade]


@pytest.mark.parametrize("price", [0.0, -100.0, NAN, INFINITY, -INFINITY])
def test_a_price_that_is_none_is_refused(price: float) -> None:
    assert verdicts(an_admission(), tick(price), tick()) == [BAD_PRICE, "admitted"]


@pytest.mark.parametrize("size", [-1.0, NAN, INFINITY, -INFINITY])
def test_a_size_that_is_none_is_refused(size: float) -> None:
    assert verdicts(an_admission(), tick(size=size), tick()) == [BAD_SIZE, "admitted"]


def test_a_size_of_zero_is_one() -> None:
    assert verdicts(an_admission(), tick(size=0.0)) == ["admitted"]


def test_a_huge_price_is_refused_by_the_collar_and_not_by_an_overflow() -> None:
    assert verdicts(an_admission(), tick(), tick(1e308), tick(5e-324)) == ["admitted", PRICE_COLLAR, PRICE_COLLAR]


# ------------------------------------------------------------------------------------------------------- duplicates


def test_a_trade_id_enters_once() -> None:
    assert verdicts(an_admission(), tick(id=1), tick(id=1), tick(id=2)) == ["admitted", DUPLICATE, "admitted"]


def test_what_is_sent_again_after_a_reconnect_is_refused_and_what_is_new_enters() -> None:
    admission = an_admission()
    verdicts(admission, *(tick(id=n) for n in range(10)))
    again = [tick(id=n) for n in range(5, 12)]
    assert verdicts(admission, *again) == [DUPLICATE] * 5 + ["admitted"] * 2


def test_ids_are_those_of_a_symbol() -> None:
    assert verdicts(an_admission(), tick(id="x"), tick(id="x", symbol="B")) == ["admitted", "admitted"]


def test_trades_without_an_id_are_never_duplicates() -> None:
    assert verdicts(an_admission(), tick(), tick()) == ["admitted", "admitted"]


def test_the_oldest_ids_are_forgotten_first() -> None:
    admission = an_admission(remembered_ids=3)
    verdicts(admission, *(tick(id=n) for n in range(4)))
    assert verdicts(admission, tick(id=1), tick(id=3), tick(id=0)) == [DUPLICATE, DUPLICATE, "admitted"]


def test_ids_are_bounded_over_all_symbols_together_and_the_newest_of_each_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.admission.MOST_REMEMBERED", 60)
    admission = an_admission(remembered_ids=30)
    for symbol in map(str, range(10)):
        verdicts(admission, *(tick(id=n, symbol=symbol) for n in range(50)))
        assert sum(len(it.id_order) for it in admission._symbols.values()) <= 60
        assert sum(len(it.ids) for it in admission._symbols.values()) <= 60
    for symbol in map(str, range(10)):
        assert verdicts(admission, *(tick(id=n, symbol=symbol) for n in (43, 49))) == ["admitted", DUPLICATE]


# ------------------------------------------------------------------------------------------------------------- time


@pytest.mark.parametrize("off", [-HOUR, HOUR])
def test_a_trade_a_quote_or_a_clock_an_hour_off_is_refused_and_leaves_time_alone(off: int) -> None:
    for event in (tick(ts=START + off), Quote("A", START + off, 99.0, 101.0), Clock(START + off)):
        assert verdicts(an_admission(), tick(), event, tick()) == ["admitted", IMPLAUSIBLE_TIME, "admitted"]


def test_three_that_agree_on_a_later_hour_are_followed_at_the_start_behind_a_gap_of_all_symbols() -> None:
    ts = START + HOUR
    events: list[Event] = [tick(ts=ts), Quote("A", ts, 99.0, 101.0), Clock(ts), tick(ts=ts), tick()]
    admission = an_admission()
    found = [verdicts(admission, event, monotonic=n * SECOND // 10) for n, event in enumerate(events)]
    assert found == [[IMPLAUSIBLE_TIME], [IMPLAUSIBLE_TIME], [NEW_TIME, "admitted"], ["admitted"], [IMPLAUSIBLE_TIME]]


def test_nothing_admitted_is_later_than_venue_time_whatever_it_says() -> None:
    """A minute ahead is within what is believed, and once made a symbol deaf for that minute."""
    soon = START + 59 * SECOND
    for event in (tick(ts=soon), Quote("A", soon, 99.0, 101.0), Clock(soon)):
        (admitted,) = an_admission().admit([event], 0)
        assert admitted == msgspec.structs.replace(event, ts=START)
    inside = tick(ts=START + SECOND)
    assert an_admission().admit([inside], 0) == [inside]


@pytest.mark.parametrize("ts", [-5, 0, START - HOUR, START + HOUR, 1 << 80])
def test_a_gap_is_of_now_whatever_time_the_message_has_that_told_of_it(ts: int) -> None:
    assert an_admission().admit([Gap(ts, "A", "1 trades are missing")], 0) == [Gap(START, "A", "1 trades are missing")]


def test_a_gap_before_any_time_is_known_breaks_nothing_and_is_refused() -> None:
    assert verdicts(Admission(AdmissionSettings(), VenueClock()), Gap(START, "A", "x")) == [IMPLAUSIBLE_TIME]


def test_what_is_from_before_a_pause_is_not_taken_any_more() -> None:
    admission = an_admission()
    admission.pause(START)
    old = START - 1
    assert verdicts(admission, tick(ts=old), Quote("A", old, 99.0, 101.0), tick(), Quote("A", START, 99.0, 101.0)) == [
        OUTDATED,
        OUTDATED,
        "admitted",
        "admitted",
    ]
    admission.pause(0)
    assert verdicts(admission, tick(ts=old)) == ["admitted"]


def test_trades_that_are_not_used_are_counted_by_symbol_and_reason() -> None:
    admission = an_admission(["A", "B"])
    events = (tick(), tick(150), tick(-1), tick(ts=START + HOUR), tick(symbol="B", id=1), tick(symbol="B", id=1))
    verdicts(admission, *events, tick(symbol="C"), tick(-1, symbol="C"))
    assert admission.refused == {
        "A": {PRICE_COLLAR: 1, BAD_PRICE: 1, IMPLAUSIBLE_TIME: 1},
        "B": {DUPLICATE: 1},
    }


@pytest.mark.parametrize("off", [-HOUR, HOUR])
def test_however_many_of_one_frame_agree_on_another_hour_they_are_one_witness(off: int) -> None:
    ts = START + off
    events: list[Event] = [tick(ts=ts), Quote("A", ts, 99.0, 101.0), Clock(ts), *[tick(ts=ts)] * 7]
    assert verdicts(an_admission(), *events, tick()) == [IMPLAUSIBLE_TIME] * 10 + ["admitted"]


def test_the_first_word_of_a_venue_that_declared_no_time_is_not_traded_on() -> None:
    admission = Admission(AdmissionSettings(), VenueClock())
    assert verdicts(admission, tick(ts=START + HOUR), tick(ts=START + HOUR)) == [IMPLAUSIBLE_TIME] * 2
    found = [verdicts(admission, tick(), monotonic=n * SECOND // 10)[0] for n in range(4)]
    assert found == [IMPLAUSIBLE_TIME, IMPLAUSIBLE_TIME, "admitted", "admitted"]


def test_a_trade_of_an_implausible_time_moves_no_price_level() -> None:
    admission = an_admission()
    assert verdicts(admission, tick(100), tick(105, ts=START + HOUR), tick(112)) == [
        "admitted",
        IMPLAUSIBLE_TIME,
        PRICE_COLLAR,
    ]


# ------------------------------------------------------------------------------------------------------ price collar


@pytest.mark.parametrize("price", [111.0, 89.0, 1000.0, 1.0])
def test_a_single_price_outside_the_collar_is_refused(price: float) -> None:
    assert verdicts(an_admission(), tick(), tick(price), tick(101)) == ["admitted", PRICE_COLLAR, "admitted"]


@pytest.mark.parametrize(("inside", "outside"), [(125.0, 125.01), (75.0, 74.99)])
def test_a_price_exactly_at_the_collar_is_inside(inside: float, outside: float) -> None:
    assert verdicts(an_admission(price_collar=0.25), tick(), tick(inside)) == ["admitted", "admitted"]
    assert verdicts(an_admission(price_collar=0.25), tick(), tick(outside)) == ["admitted", PRICE_COLLAR]


def test_the_collar_is_around_the_last_admitted_price() -> None:
    assert verdicts(an_admission(), tick(100), tick(109), tick(118), tick(99)) == ["admitted"] * 3 + [PRICE_COLLAR]


def test_the_first_price_of_a_symbol_has_no_collar() -> None:
    assert verdicts(an_admission(), tick(100), tick(5000, symbol="B")) == ["admitted", "admitted"]


def test_the_fifth_trade_in_a_row_at_a_far_off_level_is_admitted_and_those_after_it() -> None:
    admission = an_admission()
    found = verdicts(admission, tick(), *[tick(150)] * 6)
    assert found == ["admitted"] + [PRICE_COLLAR] * 4 + [NEW_LEVEL] + ["admitted"] * 2
    assert verdicts(admission, tick(100)) == [PRICE_COLLAR]


@pytest.mark.parametrize("trades", [2, 3, 7])
def test_how_many_make_a_level_is_a_setting(trades: int) -> None:
    found = verdicts(an_admission(collar_trades=trades), tick(), *[tick(150)] * trades)
    assert found == ["admitted"] + [PRICE_COLLAR] * (trades - 1) + [NEW_LEVEL, "admitted"]


def test_a_new_level_opens_with_a_gap_of_its_symbol_at_its_time() -> None:
    opening = tick(150, ts=START + 1, bid=149.9, ask=150.1)
    admitted = an_admission().admit([tick(), *[tick(150)] * 4, opening, tick(150)], 0)
    assert admitted[-3:] == [Gap(START + 1, "A", NEW_LEVEL), opening, tick(150)]


def test_trades_outside_the_collar_that_made_no_level_leave_no_gap() -> None:
    found = verdicts(an_admission(), tick(), *[tick(150)] * 4, tick(101), tick(102))
    assert found == ["admitted"] + [PRICE_COLLAR] * 4 + ["admitted"] * 2


def test_a_trade_inside_the_collar_makes_those_outside_of_it_start_over() -> None:
    prices = [150] * 4 + [101] + [150] * 4
    found = verdicts(an_admission(), tick(), *(tick(p) for p in prices))
    assert found == ["admitted"] + [PRICE_COLLAR] * 4 + ["admitted"] + [PRICE_COLLAR] * 4


def test_far_off_trades_that_do_not_agree_make_no_level() -> None:
    found = verdicts(an_admission(), tick(), *(tick(p) for p in (150, 200, 150, 200, 150, 200, 150, 200)))
    assert found == ["admitted"] + [PRICE_COLLAR] * 8


def test_the_level_is_the_first_of_the_far_off_trades_and_not_the_one_before() -> None:
    crawling = (150, 160, 170, 180, 190, 200)  # each within a tenth of the one before, soon not of the first
    assert verdicts(an_admission(), tick(), *(tick(p) for p in crawling)) == ["admitted"] + [PRICE_COLLAR] * 6


def test_a_trade_exactly_at_the_bound_of_the_level_counts_for_it_and_one_beyond_starts_a_level_of_its_own() -> None:
    at_bound = [tick(200), tick(250), tick(150), tick(200), tick(250)]
    found = verdicts(an_admission(price_collar=0.25), tick(), *at_bound)
    assert found == ["admitted"] + [PRICE_COLLAR] * 4 + [NEW_LEVEL, "admitted"]
    beyond = [tick(200), tick(250.01), tick(250), tick(250), tick(250), tick(250)]
    found = verdicts(an_admission(price_collar=0.25), tick(), *beyond)
    assert found == ["admitted"] + [PRICE_COLLAR] * 5 + [NEW_LEVEL, "admitted"]


def test_what_is_refused_for_another_reason_neither_counts_for_a_level_nor_against_it() -> None:
    events = [tick(150, id=1), tick(150, id=1), tick(-1), tick(150, ts=START + HOUR), *[tick(150)] * 4]
    found = verdicts(an_admission(), tick(), *events)
    assert found == [
        "admitted",
        PRICE_COLLAR,
        DUPLICATE,
        BAD_PRICE,
        IMPLAUSIBLE_TIME,
        *[PRICE_COLLAR] * 3,
        NEW_LEVEL,
        "admitted",
    ]


def test_symbols_have_levels_of_their_own() -> None:
    events: list[Event] = [tick(symbol="A"), tick(symbol="B")]
    for _ in range(4):
        events += [tick(150, symbol="A"), tick(150, symbol="B")]
    assert verdicts(an_admission(), *events) == ["admitted"] * 2 + [PRICE_COLLAR] * 8
    found = verdicts(an_admission(), *events, tick(150, symbol="A"))
    assert found == ["admitted"] * 2 + [PRICE_COLLAR] * 8 + [NEW_LEVEL, "admitted"]


# ------------------------------------------------------------------------------------------------------------ quotes

UNSOUND = [
    (101.0, 99.0),  # crossed
    (100.0, 100.0),  # locked
    (0.0, 100.0),
    (-1.0, 100.0),
    (100.0, INFINITY),
    (NAN, 100.0),
    (100.0, NAN),
    (111.0, 112.0),  # beyond the collar, above and below
    (88.0, 89.0),
]


@pytest.mark.parametrize(("bid", "ask"), UNSOUND)
def test_no_order_is_priced_from_an_unsound_quote(bid: float, ask: float) -> None:
    assert verdicts(an_admission(), tick(), Quote("A", START, bid, ask)) == ["admitted", CROSSED_QUOTE]


@pytest.mark.parametrize(("bid", "ask"), [*UNSOUND, (99.0, None)])
def test_an_unsound_quote_is_taken_off_the_trade_that_it_came_with(bid: float, ask: float | None) -> None:
    admitted = an_admission().admit([tick(), tick(100, 5, bid=bid, ask=ask, id=7)], 0)
    assert admitted == [tick(), Refused(CROSSED_QUOTE), tick(100, 5, id=7)]


def test_a_trade_with_half_a_quote_keeps_no_part_of_it() -> None:
    (admitted,) = an_admission().admit([tick(ask=101.0)], 0)
    assert isinstance(admitted, Trade)
    assert admitted.bid is None


def test_a_quote_around_the_last_price_enters_as_it_is() -> None:
    quote = Quote("A", START, 99.99, 100.01)
    assert an_admission().admit([tick(), quote], 0) == [tick(), quote]


def test_the_quote_on_a_trade_is_looked_at_around_the_price_of_that_trade() -> None:
    trade = tick(109, bid=115.0, ask=115.1)  # too far from 100, near enough to 109
    assert an_admission().admit([tick(), trade], 0) == [tick(), trade]


def test_a_quote_before_the_first_trade_has_only_its_own_sides_to_be_judged_by() -> None:
    assert verdicts(an_admission(), Quote("A", START, 5.0, 6.0), Quote("A", START, 6.0, 5.0)) == [
        "admitted",
        CROSSED_QUOTE,
    ]


def test_a_quote_moves_no_price_level() -> None:
    assert verdicts(an_admission(), tick(100), Quote("A", START, 108.0, 109.0), tick(112)) == [
        "admitted",
        "admitted",
        PRICE_COLLAR,
    ]


# ----------------------------------------------------------------------------------------------------------- symbols


def test_only_the_wanted_symbols_enter() -> None:
    events: list[Event] = [
        tick(symbol="A"),
        tick(symbol="B"),
        Quote("C", START, 1.0, 2.0),
        Quote("A", START, 99.0, 101.0),
        Clock(START),
    ]
    found = verdicts(an_admission(["A"]), *events)
    assert found == ["admitted", NOT_SUBSCRIBED, NOT_SUBSCRIBED, "admitted", "admitted"]


def test_without_a_wish_every_symbol_enters() -> None:
    assert verdicts(an_admission(), tick(symbol="A"), Quote("B", START, 1.0, 2.0)) == ["admitted", "admitted"]


def test_without_a_wish_the_first_symbols_enter_and_no_more_than_the_settings_say() -> None:
    admission = an_admission(max_symbols=2)
    events: list[Event] = [tick(symbol="A"), Quote("B", START, 1.0, 2.0), tick(symbol="C"), Quote("D", START, 1.0, 2.0)]
    assert verdicts(admission, *events) == ["admitted", "admitted", TOO_MANY_SYMBOLS, TOO_MANY_SYMBOLS]
    assert verdicts(admission, tick(symbol="A"), tick(symbol="B")) == ["admitted", "admitted"]
    assert len(admission._symbols) == 2


def test_the_symbols_that_were_asked_for_enter_however_many_they_are() -> None:
    events = [tick(symbol=symbol) for symbol in "ABC"]
    assert verdicts(an_admission("ABC", max_symbols=2), *events) == ["admitted"] * 3


def test_a_feed_that_names_symbols_without_end_is_refused_all_but_the_first_thousand() -> None:
    found = verdicts(an_admission(), *(tick(symbol=f"S{number}") for number in range(1500)))
    assert found == ["admitted"] * 1000 + [TOO_MANY_SYMBOLS] * 500


@pytest.mark.parametrize("most", [0, -1, 1.5])
def test_a_number_of_symbols_that_is_none_is_refused(most: float) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"max_symbols": most}, AdmissionSettings)


def test_a_symbol_that_is_not_wanted_has_no_say_in_the_time() -> None:
    admission = an_admission(["A"])
    verdicts(admission, *[tick(symbol="B", ts=START + HOUR)] * 5)
    assert verdicts(admission, tick()) == ["admitted"]


# -------------------------------------------------------------------------------------------------- all that may come


def test_what_the_decoder_refused_and_gaps_pass_in_their_place() -> None:
    events: list[Event] = [tick(), Refused("not JSON"), Gap(START), tick(101)]
    assert an_admission().admit(events, 0) == events


MOMENTS = st.sampled_from([0, 0, 0, 0, 1, SECOND // 2, -SECOND // 2, 30 * SECOND, 61 * SECOND, HOUR, -HOUR])
NUMBERS = st.one_of(
    st.sampled_from([100.0, 100.0, 101.0, 99.0, 110.0, 90.0, 111.0, 150.0, 150.0, 155.0, 1e308, 5e-324, 0.0, -1.0]),
    st.floats(),
)
SYMBOLS = st.sampled_from("ABC")


@st.composite
def an_event(draw: st.DrawFn) -> Event:
    kind = draw(st.sampled_from("tttttqcrg"))
    ts = START + draw(MOMENTS)
    match kind:
        case "t":
            ids = st.one_of(st.none(), st.integers(0, 9), st.sampled_from(["x", "y"]))
            sides = st.one_of(st.none(), NUMBERS)
            return Trade(draw(SYMBOLS), ts, draw(NUMBERS), draw(NUMBERS), draw(sides), draw(sides), draw(ids))
        case "q":
            return Quote(draw(SYMBOLS), ts, draw(NUMBERS), draw(NUMBERS))
        case "c":
            return Clock(ts)
        case "r":
            return Refused("not JSON")
        case _:
            return Gap(ts)


def without_quote(event: Event) -> Event:
    """Return what is left of a trade whose quote was taken off."""
    return msgspec.structs.replace(event, bid=None, ask=None) if isinstance(event, Trade) else event


BATCHES = st.lists(st.lists(an_event(), max_size=10), max_size=8)
SLOW = [HealthCheck.too_slow]  # batches of batches take their time to draw, on a busy machine too long
COLLAR = 0.1 + 1e-6  # the bound itself is not what this is about


@settings(max_examples=60, suppress_health_check=SLOW)
@given(BATCHES, st.sampled_from([(), ("A",), ("A", "B")]), st.sampled_from([2, 5]))
def test_whatever_comes_nothing_outside_the_rules_enters_and_the_order_is_kept(
    batches: list[list[Event]], wanted: tuple[str, ...], collar_trades: int
) -> None:
    clock = VenueClock()
    clock.declare(START, 1.0, 0)
    admission = Admission(AdmissionSettings(collar_trades=collar_trades), clock, wanted)
    last: dict[str, float] = {}
    ids: set[tuple[str, int | str, int]] = set()
    for number, batch in enumerate(batches):
        coming = iter(batch)
        monotonic = SECOND * number // 10
        for event in admission.admit(batch, monotonic):
            if isinstance(event, Trade | Quote | Clock):
                # So early, three that agree about a later time are believed.
                now = START + monotonic if not clock.jumps else clock.now(monotonic) or 0
                assert event.ts <= now + SECOND
            if isinstance(event, Refused | Gap):
                continue
            # What enters came, and after what entered before it: the search goes on from there.
            came = next((e for e in coming if event in (*as_dated(e, event), e, without_quote(e))), None)
            assert came is not None, f"{event} did not come"
            if isinstance(event, Trade | Quote) and event.bid is not None:
                assert event.ask is not None
                assert 0 < event.bid < event.ask < INFINITY
            if isinstance(event, Trade | Quote):
                assert not wanted or event.symbol in wanted
            if isinstance(event, Trade) and isinstance(came, Trade):
                assert 0 < event.price < INFINITY
                assert 0 <= event.size < INFINITY
                named = (event.symbol, event.id or 0, came.ts)  # as it came: two may be dated to one moment
                assert event.id is None or named not in ids
                ids |= {named} if event.id is not None else set()
                if not -COLLAR <= event.price / last.setdefault(event.symbol, event.price) - 1 <= COLLAR:
                    so_far = [e for b in batches[: number + 1] for e in b]
                    trades = [e for e in so_far if isinstance(e, Trade) and e.symbol == event.symbol]
                    # Two prices within a tenth of a level are within 0.23 of each other.
                    assert sum(abs(t.price / event.price - 1) <= 0.23 for t in trades) >= collar_trades
                last[event.symbol] = event.price


def as_dated(event: Event, admitted: Event) -> tuple[Event, ...]:
    """Return an event, with and without its quote, at the time of the one that was admitted."""
    if isinstance(event, Trade | Quote | Clock) and isinstance(admitted, Trade | Quote | Clock):
        dated = msgspec.structs.replace(event, ts=admitted.ts)
        return dated, without_quote(dated)
    return ()


@settings(max_examples=50, suppress_health_check=SLOW)
@given(BATCHES)
def test_every_event_comes_out_again_or_is_refused_by_a_reason(batches: list[list[Event]]) -> None:
    admission = an_admission()
    for number, batch in enumerate(batches):
        out = admission.admit(batch, number * SECOND)
        levels = sum(isinstance(e, Gap) and e.reason in (NEW_LEVEL, NEW_TIME) for e in out)
        taken_off = len(out) - len(batch) - levels  # a quote that was taken off a trade is counted beside it
        assert 0 <= taken_off <= sum(isinstance(e, Trade) and e.bid is not None for e in batch)
        assert all(not isinstance(e, Refused) or e.reason for e in out)


@settings(max_examples=50, suppress_health_check=SLOW)
@given(BATCHES, st.lists(an_event(), min_size=1, max_size=8))
def test_what_enters_depends_on_nothing_that_comes_later(batches: list[list[Event]], later: list[Event]) -> None:
    one, other = an_admission(), an_admission()
    prefix = [one.admit(batch, n) for n, batch in enumerate(batches)]
    whole = [other.admit(batch, n) for n, batch in enumerate([*batches, later])]
    assert repr(whole[: len(prefix)]) == repr(prefix)


@pytest.mark.parametrize("price", [110.0, 90.0])
def test_float_noise_does_not_put_a_price_at_the_bound_outside(price: float) -> None:
    assert verdicts(an_admission(), tick(), tick(price)) == ["admitted", "admitted"]
    assert verdicts(an_admission(), tick(), tick(2 * 100.0), *[tick(2 * price)] * 4)[-1] == "admitted"


@pytest.mark.parametrize(("bid", "ask"), [(0.01, 199_999.99), (99.99, 200.0), (1.0, 100.01)])
def test_no_order_is_priced_from_a_stub_quote(bid: float, ask: float) -> None:
    assert verdicts(an_admission(), tick(), Quote("A", START, bid, ask)) == ["admitted", CROSSED_QUOTE]


def test_ids_that_begin_anew_later_are_no_duplicates() -> None:
    assert verdicts(an_admission(), tick(id=1), tick(id=1, ts=START + SECOND)) == ["admitted", "admitted"]


@pytest.mark.parametrize("ts", [1 << 63, 10**30])
def test_a_time_beyond_every_calendar_is_implausible_also_as_the_first_word(ts: int) -> None:
    clock = VenueClock()
    clock.expect(START, 0)
    admission = Admission(AdmissionSettings(), clock)
    assert verdicts(admission, tick(ts=ts), tick()) == [IMPLAUSIBLE_TIME, "admitted"]


# ------------------------------------------------------------------------------------- trading statuses and price bands


def test_a_halt_and_a_price_band_enter_as_they_are() -> None:
    notices: list[Event] = [TradingStatus(START, "A", True, "Trading Halt"), PriceBand(START, "A", 95.0, 105.0)]
    assert an_admission(["A"]).admit(notices, 0) == notices


def test_a_notice_of_a_symbol_that_is_not_wanted_is_refused() -> None:
    notices = TradingStatus(START, "B", True), PriceBand(START, "B", 95.0, 105.0)
    assert verdicts(an_admission(["A"]), *notices) == [NOT_SUBSCRIBED, NOT_SUBSCRIBED]


@pytest.mark.parametrize(("low", "high"), [(0.0, 105.0), (105.0, 95.0), (95.0, INFINITY), (NAN, 105.0), (95.0, NAN)])
def test_a_band_that_is_none_is_refused(low: float, high: float) -> None:
    assert verdicts(an_admission(), PriceBand(START, "A", low, high)) == [BAD_PRICE]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_halt_of_an_implausible_time_holds_from_now_on_and_does_not_move_the_clock(hours: int) -> None:
    admission = an_admission()
    far = TradingStatus(START + hours * HOUR, "A", True)
    assert admission.admit([far] * 5, 0) == [TradingStatus(START, "A", True)] * 5
    assert verdicts(admission, tick()) == ["admitted"]


def test_a_halt_keeps_its_own_time_where_that_is_plausible() -> None:
    halt = TradingStatus(START - 30 * SECOND, "A", halted=True)
    assert an_admission().admit([halt], 0) == [halt]


def test_a_band_below_a_dollar_is_one() -> None:
    band = PriceBand(START, "A", 0.4, 0.6)
    assert an_admission().admit([band], 0) == [band]


def test_what_was_beyond_doubt_an_hour_ago_is_not_now() -> None:
    admission = an_admission()
    assert verdicts(admission, tick()) == ["admitted"]
    assert verdicts(admission, tick(), monotonic=HOUR) == [IMPLAUSIBLE_TIME]


def test_what_the_venue_s_new_time_puts_in_doubt_is_refused_in_the_same_batch() -> None:
    """Three batches agree on another hour; what follows the third witness in its own batch is judged by it."""
    admission = an_admission()
    for n in (1, 2):
        assert verdicts(admission, tick(ts=START + HOUR + n * SECOND), monotonic=n * SECOND) == [IMPLAUSIBLE_TIME]
    told = verdicts(admission, tick(ts=START + HOUR + 3 * SECOND), tick(), monotonic=3 * SECOND)
    assert told == [NEW_TIME, "admitted", IMPLAUSIBLE_TIME]


def test_a_halted_symbol_is_one_from_before_its_first_trade_until_it_is_known_that_it_is_traded_again() -> None:
    admission = an_admission()
    admission.admit([TradingStatus(START, "A", halted=True)], 0)
    admission.admit([tick(100.0)], 0)
    assert dict(admission.heard) == {"A": True}
    admission.halted.discard("A")  # as the feed does whose connection was lost meanwhile
    assert dict(admission.heard) == {"A": False}


def test_a_halt_that_is_the_first_thing_heard_is_taken_at_its_word() -> None:
    clock = VenueClock()
    clock.expect(START, 0)
    admission = Admission(AdmissionSettings(), clock)
    assert verdicts(admission, TradingStatus(0, "A", True), TradingStatus(START, "A", True)) == [
        IMPLAUSIBLE_TIME,
        "admitted",
    ]


def test_a_trade_that_is_dated_to_now_stays_behind_the_one_before_it() -> None:
    """One that was in time by a second made the next, which was a little more ahead, be dated before it: not used."""
    admission = an_admission()
    for seconds in (1, 2):
        admission.admit([print_of(seconds)], seconds * SECOND)
    admitted = admission.admit([print_of(3.9), print_of(4.5), print_of(3, symbol="B"), print_of(20)], 3 * SECOND)
    assert [event.ts for event in admitted if isinstance(event, Trade)] == [at(3.9), at(3.9), at(3), at(3.9)]


# -------------------------------------------------------------------------------------- prints of which the size counts


def odd(size: float, id: int | str | None = None, *, ts: int = START, symbol: str = "A") -> VolumeOnly:
    return VolumeOnly(symbol, ts, size, id)


def canceled(id: int | str, price: float = 100.0, size: float = 10.0, *, corrected: float = 0.0) -> Undone:
    return Undone("A", START, "a print was canceled", id, price, size, corrected)


def sizes(events: Iterable[Event]) -> list[float]:
    return [event.size for event in events if isinstance(event, Trade)]


def test_sizes_of_volume_only_prints_are_added_to_the_symbol_s_next_tick() -> None:
    admission = an_admission()
    assert admission.admit([odd(3), tick(symbol="B"), odd(4)], 0) == [tick(symbol="B")]
    assert sizes(admission.admit([tick(size=10), tick(size=10)], 0)) == [17, 10]


def test_a_tick_that_is_refused_or_late_leaves_them_to_the_next() -> None:
    admission = an_admission()
    events: list[Event] = [tick(), odd(5), tick(200.0), tick(ts=START - 1), tick(size=1)]
    assert sizes(admission.admit(events, 0)) == [10, 10, 6]


def test_a_volume_only_print_that_comes_again_is_added_once() -> None:
    admission = an_admission()
    assert admission.admit([odd(5, 1), odd(5, 1)], 0) == [Refused(DUPLICATE)]
    assert sizes(admission.admit([tick(size=1)], 0)) == [6]


@pytest.mark.parametrize("size", [-1.0, NAN, INFINITY, 1e16])
def test_a_size_that_is_no_print_s_is_not_added(size: float) -> None:
    admission = an_admission()
    assert verdicts(admission, odd(size)) == [BAD_SIZE]
    assert sizes(admission.admit([tick(size=1)], 0)) == [1]


def test_volume_of_a_symbol_that_is_not_wanted_or_of_another_time_is_refused() -> None:
    assert verdicts(an_admission(["B"]), odd(1)) == [NOT_SUBSCRIBED]
    assert verdicts(an_admission(), odd(1, ts=START + 2 * HOUR)) == [IMPLAUSIBLE_TIME]


def test_what_waits_from_before_a_pause_is_dropped() -> None:
    admission = an_admission()
    admission.admit([odd(5)], 0)
    admission.pause(START)
    assert verdicts(admission, odd(5, ts=START - 1)) == [OUTDATED]
    assert sizes(admission.admit([tick(size=1)], 0)) == [1]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1000)), max_size=60))
def test_no_share_is_lost_and_none_is_counted_twice(prints: list[tuple[bool, int]]) -> None:
    events: list[Event] = [tick(size=size, id=n) if whole else odd(size, n) for n, (whole, size) in enumerate(prints)]
    events.append(tick(size=0))
    shares = sum(sizes(an_admission().admit(events, 0)))
    assert shares == sum(size for _, size in prints)


# ------------------------------------------------------------------------------------------- cancels and corrections


def test_a_cancel_of_a_tick_is_a_gap_with_the_tick_s_time() -> None:
    admission = an_admission()
    admission.admit([tick(id="D1", ts=START - SECOND)], 0)
    assert admission.admit([canceled("D1")], 0) == [Gap(START, "A", "a print was canceled", START - SECOND)]


def test_the_time_of_a_volume_only_print_is_that_of_the_tick_which_has_its_size() -> None:
    admission = an_admission()
    admission.admit([odd(5, "D1", ts=START - 30 * SECOND), tick(id="D2", ts=START - SECOND)], 0)
    assert admission.admit([canceled("D1", size=5)], 0) == [Gap(START, "A", "a print was canceled", START - SECOND)]


def test_a_size_that_still_waits_is_taken_out_or_corrected() -> None:
    admission = an_admission()
    undone = [canceled("D1", size=5), canceled("D2", size=7, corrected=3)]
    assert admission.admit([odd(5, "D1"), odd(7, "D2"), *undone], 0) == [Prints(UNDONE, 1, 5), Prints(UNDONE, 1, 7)]
    assert sizes(admission.admit([tick(size=1)], 0)) == [4]


@pytest.mark.parametrize(
    "undone", [canceled("X1"), canceled("D1", 105.0 * 1.2), canceled("D1", 0.0), canceled("D1", NAN)]
)
def test_a_cancel_of_what_was_not_used_is_counted(undone: Undone) -> None:
    admission = an_admission()
    admission.admit([tick(id="D1")], 0)
    assert admission.admit([undone], 0) == [Prints(UNDONE, 1, 10)]
    assert an_admission().admit([undone], 0) == [Prints(UNDONE, 1, 10)]


def test_a_print_and_its_cancel_may_come_together_and_alternate() -> None:
    admission = an_admission()
    told = admission.admit([tick(id="D1"), canceled("D1"), tick(id="D2"), canceled("D2")], 0)
    assert [event.__class__ for event in told] == [Trade, Gap, Trade, Gap]
