"""Prints as they are reported: conditions by tape, round lots by price, what may move a bar, what is undone."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from mock_exchange.alpaca import data_schema
from mock_exchange.alpaca.data_schema import Codec, streamed
from mock_exchange.alpaca.schema import asset
from mock_exchange.alpaca.stamps import stamp
from mock_exchange.alpaca.stocks import stocks
from mock_exchange.events import SECOND, Trade
from mock_exchange.faults import Faults
from mock_exchange.halts import TradingStatus
from mock_exchange.history import MINUTE, History
from mock_exchange.market import tape
from mock_exchange.price_process import start_price
from mock_exchange.prints import Print, Reports, Undone, conditions_of, moves, regular, round_lot, tape_of
from mock_exchange.settings import ExchangeSettings
from mock_exchange.venue.assets import Asset
from mock_exchange.venue_state import VenueState

START = 1_767_623_400 * SECOND
SYMBOLS = [*("AAPL", "MSFT"), *(f"S{n}" for n in range(40))]
NYSE = next(symbol for symbol in SYMBOLS if tape_of(symbol) == "A")


def trade(size: int, price: float = 100.0, *, id: int = 1, ts: int = START, symbol: str = "AAPL") -> Trade:
    return Trade(symbol, ts, price, size, price - 0.01, price + 0.01, id)


def test_a_stock_is_reported_on_the_tape_of_where_it_is_listed() -> None:
    assert {tape_of(symbol) for symbol in SYMBOLS} == {"A", "B", "C"}
    assert {(tape_of(symbol), asset(symbol, Asset())["exchange"], regular(symbol)) for symbol in SYMBOLS} == {
        *(("A", "NYSE", " "), ("B", "ARCA", " "), ("C", "NASDAQ", "@"))
    }


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=5))
def test_a_round_lot_is_smaller_the_dearer_a_stock_is(symbol: str) -> None:
    assert round_lot(symbol) == (100 if start_price(symbol) <= 250 else 40)


@pytest.mark.parametrize(
    ("symbol", "size", "odd"), [("AAPL", 99, 1), ("AAPL", 100, 0), ("MSFT", 39, 1), ("MSFT", 40, 0)]
)
def test_what_is_less_than_a_round_lot_is_an_odd_lot(symbol: str, size: int, odd: bool) -> None:
    it = trade(size, start_price(symbol), symbol=symbol)
    assert ("I" in conditions_of(it)) == odd
    assert moves(it).close == (not odd)


def test_a_third_of_the_market_s_trades_are_sweeps_and_half_of_them_odd_lots() -> None:
    told = [conditions_of(event) for event in tape(["AAPL"], 7, START, 3_000) if isinstance(event, Trade)]
    assert {tuple(codes) for codes in told} == {("@",), ("@", "F"), ("@", "I"), ("@", "F", "I")}
    assert 0.3 < sum("F" in codes for codes in told) / len(told) < 0.4
    assert 0.3 < sum("I" in codes for codes in told) / len(told) < 0.6


# ------------------------------------------------------------------------------------------------------------- history


def a_minute(*prints: Trade | Print | Undone) -> History:
    history = History(("AAPL",), 1_000)
    for it in prints:
        history.add(it)
    return history


def bar_of(history: History) -> dict[str, float]:
    history.add(trade(100, ts=START + MINUTE, id=99))
    (bar,) = stocks(history, "AAPL/bars", {}, START + 2 * MINUTE)["bars"]
    return {key: bar[key] for key in ("o", "h", "l", "c", "v", "n", "vw")}


def beside(price: float, size: int, *codes: str, id: int = 7) -> Print:
    return Print("AAPL", START, price, size, id, codes)


def test_an_odd_lot_and_an_average_price_move_no_bar_s_price_and_a_late_print_its_range() -> None:
    whole = {"o": 100.0, "h": 100.0, "l": 100.0, "c": 100.0, "vw": 100.0}
    assert bar_of(a_minute(trade(100), trade(5, 150.0))) == whole | {"v": 105, "n": 2}
    assert bar_of(a_minute(trade(100), beside(104.8, 125_984, "@", "W"))) == whole | {"v": 126_084, "n": 2}
    late = whole | {"h": 103.0, "vw": 101.5, "v": 200, "n": 2}
    assert bar_of(a_minute(trade(100), beside(103.0, 100, "@", "Z"))) == late


def test_a_minute_of_odd_lots_has_no_bar_and_no_latest_trade() -> None:
    history = a_minute(trade(5), trade(6, id=2))
    assert stocks(history, "AAPL/trades/latest", {}, START)["trade"] is None
    assert len(stocks(history, "AAPL/trades", {}, START)["trades"]) == 2
    assert stocks(history, "AAPL/bars/latest", {}, START)["bar"] is None
    history.add(trade(100, ts=START + MINUTE, id=3))
    assert stocks(history, "AAPL/bars", {}, START + 2 * MINUTE)["bars"] == []
    assert stocks(history, "AAPL/trades/latest", {}, START)["trade"]["i"] == 3


def test_what_is_undone_says_so_and_is_taken_out_of_the_volume() -> None:
    wrong = trade(500, id=2)
    history = a_minute(trade(100), wrong, Undone("AAPL", START, wrong))
    assert [it.get("u") for it in stocks(history, "AAPL/trades", {}, START)["trades"]] == [None, "canceled"]
    assert bar_of(history)["v"] == 100


# ------------------------------------------------------------------------------------------------------------- reports


def reported(*specs: str, symbol: str = "AAPL", seconds: float = 60.0) -> list[object]:
    return list(Reports(Faults(1, specs))(tape([symbol], 7, START, seconds)))


def test_without_a_switch_nothing_is_reported_but_the_market_s_events() -> None:
    assert reported() == list(tape(["AAPL"], 7, START, 60.0))


@pytest.mark.parametrize(("symbol", "codes"), [("AAPL", ("@", "W")), (NYSE, (" ", "B"))])
def test_average_prices_have_the_code_of_their_tape_and_are_off_the_market(symbol: str, codes: tuple[str, ...]) -> None:
    found = [it for it in reported("average_prices:0.5", symbol=symbol) if isinstance(it, Print)]
    assert {it.conditions for it in found} == {codes}
    off = [abs(it.price / start_price(symbol) - 1) for it in found]
    assert 0.03 < max(off) < 0.06
    assert len({it.id for it in found}) == len(found)


def test_late_prints_tell_of_trades_of_before() -> None:
    events = reported("late_prints:0.2")
    late = [it for it in events if isinstance(it, Print)]
    made = {(it.price, it.size) for it in events if isinstance(it, Trade)}
    assert late
    assert all(it.conditions == ("@", "Z") and (it.price, it.size) in made for it in late)


def test_a_cancel_and_a_correction_name_the_trade_as_it_was() -> None:
    undone = [it for it in reported("undone:0.5") if isinstance(it, Undone)]
    cancel = next(it for it in undone if it.corrected is None)
    channel, symbol, _ = streamed(cancel, Codec.JSON)
    assert (channel, symbol) == ("cancelErrors", "AAPL")
    told = data_schema.undone(cancel, stamp)
    assert (told["i"], told["p"], told["s"], told["a"]) == (cancel.trade.id, cancel.trade.price, cancel.trade.size, "C")
    correction = next(it for it in undone if it.corrected is not None)
    assert streamed(correction, Codec.JSON)[0] == "corrections"
    told = data_schema.undone(correction, stamp)
    assert (told["oi"], told["os"], told["cs"]) == (correction.trade.id, correction.trade.size, correction.trade.size)
    assert told["cp"] == pytest.approx(told["op"] + 0.01)


def test_prints_beside_the_market_fill_no_order_and_are_kept_back_while_it_is_halted() -> None:
    state = VenueState(ExchangeSettings(), ["ANN"], START)
    state.advance([trade(100)])
    before = dict(state.matching.prices)
    assert state.advance([beside(150.0, 100, "@", "W")]) == [beside(150.0, 100, "@", "W")]
    assert state.matching.prices == before
    state.halt(["AAPL"], START)
    assert state.advance([beside(150.0, 100, "@", "W")]) == []


@pytest.mark.parametrize(
    ("symbol", "halted", "reason", "code", "why"),
    [
        ("AAPL", True, "LUDP", "P", "LUDP"),
        ("AAPL", True, "T1", "H", "T1"),
        ("AAPL", False, "LUDP", "T", "LUDP"),
        (NYSE, True, "LUDP", "2", "M"),
        (NYSE, False, "T1", "3", "P"),
    ],
)
def test_a_halt_has_the_codes_of_its_tape(symbol: str, halted: bool, reason: str, code: str, why: str) -> None:
    told = data_schema.status(TradingStatus(symbol, START, halted, reason), stamp)
    assert (told["sc"], told["rc"], told["z"]) == (code, why, tape_of(symbol))
