"""Streams: what a strategy hears beside its own ticks, in which order, and whose fault it is when that fails."""

from __future__ import annotations

from typing import Any

from reactivex import operators as rx

from actors.messages import ChainFailed, SignalRaised
from pipeline.events import Quote, Signal, Trade
from tests.support.market import gap, quote, trade
from tests.support.sessions import ONE_CHANCE, Session


class Heard:
    """A strategy that notes all that it hears, in order, and says nothing."""

    def __init__(self) -> None:
        self.events: list[tuple[str, object]] = []

    def __call__(self, ticks: Any, quotes: Any, market: Any) -> Any:
        def note(event: Trade | Quote) -> None:
            self.events.append((event.symbol, event.price if isinstance(event, Trade) else (event.bid, event.ask)))

        others = market("SPY").ticks
        return ticks.pipe(rx.merge(quotes, others), rx.do_action(note), rx.filter(lambda _: False))

    def of(self, *symbols: str) -> list[object]:
        return [what for symbol, what in self.events if symbol in symbols]


def test_a_quote_is_heard_before_the_tick_that_it_came_with() -> None:
    heard = Heard()
    Session(entries=heard).feed(
        trade(0, 100), trade(1, 101, bid=100.9, ask=101.1), quote(2, 100.8, 101.2), trade(3, 102, bid=103, ask=102)
    )
    assert heard.of("A") == [100, (100.9, 101.1), 101, (100.8, 101.2), 102]  # a crossed quote is none


def test_another_symbol_is_heard_in_the_order_of_the_log_also_before_it_is_known() -> None:
    heard = Heard()
    session = Session(entries=heard).feed(trade(0, 100), trade(1, 400, symbol="SPY"), trade(2, 101))
    # A's strategy hears it once; SPY's own one as its own ticks, and as those of the market.
    assert [what for what in heard.events if what != ("SPY", 400)] == [("A", 100), ("A", 101)]
    assert heard.of("SPY") == [400, 400, 400]
    assert not session.of(ChainFailed)


def follower(ticks: Any, market: Any) -> Any:
    """Go long when SPY prints above 400."""

    def signal(tick: Trade) -> Signal:
        return Signal("A", 0, "LONG", 0)  # type: ignore[arg-type]

    def high(tick: Trade) -> bool:
        return tick.price > 400

    return market("SPY").ticks.pipe(rx.filter(high), rx.map(signal))


def test_a_signal_on_another_symbol_s_tick_is_of_the_own_symbol_at_its_last_price() -> None:
    session = Session(entries=follower, chains=ONE_CHANCE)
    session.feed(trade(0, 100), trade(1, 401, symbol="SPY"))
    [raised] = [fact for fact in session.of(SignalRaised) if fact.signal.symbol == "A"]
    assert (raised.signal.price, raised.signal.ts) == (100, trade(1).ts)
    # SPY's own strategy spoke of A, too: that is its fault, and of nobody else.
    assert [failed.symbol for failed in session.of(ChainFailed)] == ["SPY"]


def brittle(ticks: Any, quotes: Any) -> Any:
    def wide(quote: Quote) -> bool:
        return quote.ask - quote.bid > 1

    def fail(_: Quote) -> Any:
        raise RuntimeError("a wide spread")

    return ticks.pipe(rx.merge(quotes.pipe(rx.filter(wide), rx.map(fail))), rx.ignore_elements())


def test_what_a_quote_sets_off_fails_that_symbol_only() -> None:
    session = Session(entries=brittle, chains=ONE_CHANCE)
    session.feed(
        trade(0), trade(0, symbol="B"), quote(1, 99, 101), quote(2, 99.9, 100.1, symbol="B"), trade(3, symbol="B")
    )
    [failed] = session.of(ChainFailed)
    assert (failed.symbol, failed.error.startswith("RuntimeError: a wide spread (test_streams.py:")) == ("A", True)


def test_a_strategy_that_restarts_hears_each_quote_once() -> None:
    heard = Heard()
    Session(entries=heard).feed(trade(0), gap(1), trade(2), quote(3, 99.0, 101.0))
    assert heard.of("A") == [100, 100, (99.0, 101.0)]
