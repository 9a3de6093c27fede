"""Telemetry: what the web process is told, bounded and off the tick path."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest
from reactivex import never

from actors.engine.core import Input
from actors.messages import (
    BurstBlocked,
    Command,
    FeedChanged,
    FeedState,
    PositionClosed,
    PositionOpened,
    RemoveChain,
    SignalRaised,
    StateChanged,
    TradingState,
)
from microbot import op
from pipeline.events import SECOND, Side
from pipeline.exits.exit import ListedExits
from pipeline.exits.listed import flat_market, stop_loss
from pipeline.strategy import StrategySettings, momentum_burst
from service.live.heard import TickAges
from service.live.telemetry import KEPT_INPUTS, TICKS_SHOWN, Telemetry
from tests.support.market import START, at, clock, quote, trade
from tests.support.raising import raised_in
from tests.support.random_tapes import seeded_tape
from tests.support.sessions import PATIENT, Session
from web.chart import chart_of
from web.messages import (
    Answered,
    Bar,
    GaugesSeen,
    Heard,
    MetricsSeen,
    NoEntry,
    SeriesRecalled,
    SessionStarted,
    SymbolRecalled,
    Tick,
    TicksSeen,
    Workings,
    WorthSeen,
)
from web.pipe import FrameWriter, from_bot
from web.read_model import ReadModel

STARTED = SessionStarted("1", "test", "ws://127.0.0.1:1", "test", ("A",), True, START, {})
M = TypeVar("M")


class Bot:
    """A core with its telemetry, fed by a test."""

    def __init__(self, chart_points: int = 3_600, max_symbols: int = 64, **options: Any) -> None:
        self.session = Session(**options)
        self.telemetry = Telemetry(self.session.core, STARTED, chart_points=chart_points, max_symbols=max_symbols)
        self._told = 0

    def feed(self, *inputs: Input) -> Bot:
        self.session.feed(*inputs)
        self.telemetry.gather(inputs)
        facts, self._told = self.session.facts[self._told :], len(self.session.facts)
        for fact in facts:
            self.telemetry.note_fact(fact)
        return self

    def told(self, kind: type[M]) -> list[M]:
        """Return the messages of one kind since the last call, and forget the others."""
        return [message for message in self.telemetry.messages() if isinstance(message, kind)]

    @property
    def metrics(self) -> MetricsSeen:
        (metrics,) = self.told(MetricsSeen)
        return metrics


def test_ticks_are_told_once_by_symbol_and_in_order() -> None:
    bot = Bot().feed(trade(0), trade(1, 101.0), trade(1, 50.0, symbol="B"), trade(2, 102.0))
    shown = [(seen.symbol, seen.ticks) for seen in bot.told(TicksSeen)]
    assert shown == [
        ("A", tuple(Tick(at(s), 100.0 + s, 10.0, None, None) for s in range(3))),
        ("B", (Tick(at(1), 50.0, 10.0, None, None),)),
    ]
    assert bot.told(TicksSeen) == []


def test_a_tick_carries_the_quote_in_force_whether_it_came_with_it_or_before() -> None:
    bot = Bot().feed(
        trade(0),
        trade(1, bid=99.0, ask=101.0),
        trade(2),
        quote(3, 99.5, 100.5),
        trade(4),
        trade(4, symbol="B"),
    )
    (a, b) = bot.told(TicksSeen)
    assert [(tick.bid, tick.ask) for tick in a.ticks] == [(None, None), (99.0, 101.0), (99.0, 101.0), (99.5, 100.5)]
    assert [(tick.bid, tick.ask) for tick in b.ticks] == [(None, None)]
    (later,) = bot.feed(trade(5)).told(TicksSeen)
    assert (later.ticks[0].bid, later.ticks[0].ask) == (99.5, 100.5)


def test_more_ticks_than_are_shown_are_skipped_and_counted_and_the_last_are_kept() -> None:
    bot = Bot().feed(*(trade(n / 100, 100 + n / 100) for n in range(TICKS_SHOWN + 7)), trade(9, symbol="B"))
    a, b = bot.told(TicksSeen)
    assert len(a.ticks) == TICKS_SHOWN
    assert a.skipped == 7
    assert a.ticks[-1].price == 100 + (TICKS_SHOWN + 6) / 100
    assert b.skipped == 0


def test_ticks_that_are_not_shown_count_for_the_chart() -> None:
    earlier = [trade(0.2, 101), trade(0.9, 102), trade(1.0, 107), trade(1.5, 104)]
    (seen,) = Bot().feed(*earlier, *(trade(2 + n / 100, 105) for n in range(TICKS_SHOWN))).told(TicksSeen)
    second = at(0) // SECOND
    assert (len(seen.ticks), seen.skipped) == (TICKS_SHOWN, 4)
    assert seen.bars == (
        Bar(second, 101, 102, 101, 102, 20.0),
        Bar(second + 1, 107, 107, 104, 104, 20.0),
        Bar(second + 2, 105, 105, 105, 105, 10.0 * TICKS_SHOWN),
    )


def test_exactly_as_many_ticks_as_are_shown_skip_none() -> None:
    (seen,) = Bot().feed(*(trade(n / 100) for n in range(TICKS_SHOWN))).told(TicksSeen)
    assert (len(seen.ticks), seen.skipped) == (TICKS_SHOWN, 0)


def test_a_burst_of_fifty_thousand_ticks_stays_small_and_its_last_price_is_right() -> None:
    bot = Bot()
    burst: list[Input] = [trade(n / 1000, 100 + n % 7 / 100) for n in range(50_000)]
    for start in range(0, len(burst), 500):
        bot.feed(*burst[start : start + 500])
    assert len(bot.telemetry._inputs) <= 20_000
    (seen,) = bot.told(TicksSeen)
    assert (len(seen.ticks), len(seen.bars)) == (TICKS_SHOWN, 20)
    assert seen.ticks[-1].ts == at(49.999)
    assert bot.session.core.ticks == 50_000


def test_what_the_dashboard_shows_is_told_and_what_it_does_not_is_left_out() -> None:
    bot = Bot().feed(trade(0, says="LONG"), Command("halt", at(1)), FeedChanged(FeedState.DOWN, at(2), "gone"))
    messages = bot.telemetry.messages()
    kinds = {type(message).__name__ for message in messages}
    assert kinds == {
        *("TicksSeen", "DayStarted", "SignalRaised", "OrderSubmitted", "PositionOpened"),
        *("StateChanged", "PositionClosed", "FeedChanged", "WorthSeen", "MetricsSeen"),
    }


def test_facts_are_told_in_their_order_after_the_ticks_and_before_the_metrics() -> None:
    bot = Bot().feed(trade(0, says="LONG"), Command("pause", at(1)), Command("flatten", at(2)))
    kinds = [type(message) for message in bot.telemetry.messages()]
    assert kinds[0] is TicksSeen
    assert kinds[-1] is MetricsSeen
    facts = [kind for kind in kinds if kind in (SignalRaised, PositionOpened, StateChanged, PositionClosed)]
    assert facts == [SignalRaised, PositionOpened, StateChanged, PositionClosed]
    assert bot.told(SignalRaised) == []


def test_gauges_are_the_newest_readings_of_every_symbol() -> None:
    settings = StrategySettings(window_size=2.0, min_ticks=2)
    bot = Bot(entries=momentum_burst(settings).entries)
    bot.feed(*(trade(second, 100 + second) for second in range(6)), trade(6, 50.0, symbol="B"))
    a, b = bot.told(GaugesSeen)
    assert (a.symbol, a.ts, a.ready) == ("A", at(5), True)
    assert [reading.name for reading in a.readings] == ["momentum", "volume_spike", "volatility_guard"]
    assert (b.symbol, b.ready) == ("B", False)


def test_a_symbol_without_a_tick_has_no_gauges() -> None:
    assert Bot().feed(quote(0, 99.0, 101.0)).told(GaugesSeen) == []


def test_an_entry_that_was_filled_is_counted_once_and_its_decision_is_followed() -> None:
    bot, model = Bot(), ReadModel()
    model.apply(STARTED)
    bot.feed(trade(0, says="LONG"), Command("flatten", at(1)), Command("resume", at(2)), trade(3, says="SHORT"))
    for message in bot.telemetry.messages():
        model.apply(message)
    shown = model.snapshot()
    assert shown["funnel"]["filled"] == 2
    assert [one["outcome"].stage for one in shown["signals"]] == ["closed", "filled"]
    assert recalled(bot).snapshot()["signals"] == shown["signals"]


def test_what_rules_an_entry_out_is_what_risk_would_say() -> None:
    bot = Bot().feed(trade(0), trade(0, symbol="B"))
    assert bot.metrics.no_entry == {}
    bot.feed(Command("pause", at(1)))
    assert bot.metrics.no_entry == {"A": NoEntry("PAUSED"), "B": NoEntry("PAUSED")}
    bot.feed(Command("resume", at(2)), trade(3, says="LONG"))
    assert bot.metrics.no_entry == {"A": NoEntry("POSITION_OPEN")}
    bot.feed(trade(4, 90.0))  # stopped out
    assert bot.metrics.no_entry == {"A": NoEntry("COOLDOWN", signals_left=2)}
    bot.feed(trade(6, says="LONG"))
    assert bot.metrics.no_entry == {"A": NoEntry("COOLDOWN", signals_left=1)}
    bot.feed(trade(7, says="LONG"), trade(8, says="LONG"), Command("flatten", at(9)), Command("resume", at(9)))
    assert bot.metrics.no_entry == {}


def test_asking_what_rules_an_entry_out_changes_nothing() -> None:
    tape = list(seeded_tape(7, 400))
    entries = momentum_burst(StrategySettings(window_size=2.0, min_ticks=2, entry_threshold=0.0001)).entries
    asked, unasked = Bot(entries=entries), Bot(entries=entries)
    for event in tape:
        asked.feed(event)
        asked.telemetry.messages()
        unasked.feed(event)
    assert asked.session.facts == unasked.session.facts
    assert len(asked.session.facts) > 50


def test_a_position_tells_of_the_flat_candles_that_its_exit_has_seen() -> None:
    bot = Bot(exits=ListedExits([flat_market(3, 0.0001), stop_loss(0.1)])).feed(trade(0.5, says="LONG"))
    seen = []
    for second in range(1, 4):
        bot.feed(clock(second + 0.1))
        (position,) = bot.metrics.positions
        seen.append((position.flat_candles, position.flat_candles_of))
    assert seen == [(0, 3), (1, 3), (2, 3)]
    assert bot.feed(clock(4.1)).metrics.positions == ()


def test_the_age_of_a_tick_is_in_real_seconds() -> None:
    times = iter((100.0, 100.0, 102.0, 104.0, 104.0, 104.0, 109.5))
    ages = TickAges(lambda: next(times))
    for symbol in "AAAB":
        ages.note_ticks([symbol])
    ages.note_feed()
    assert ages.heard() == Heard(5.5, {"A": (5.5, 2.0), "B": (5.5, 0.0)})


def test_a_night_does_not_make_long_gaps_usual_and_a_market_that_slows_down_does() -> None:
    now = 100.0
    ages = TickAges(lambda: now)

    def usual_after(gap_s: float, times: int) -> float:
        nonlocal now
        for _ in range(times):
            now += gap_s
            ages.note_ticks(["A"])
        return ages.heard().ticks["A"][1]

    assert usual_after(0.5, 20) == 0.5
    assert usual_after(16 * 3_600.0, 1) < 1.0
    assert usual_after(0.5, 20) < 0.75
    assert usual_after(20.0, 40) > 15.0


def test_metrics_are_those_of_the_summary_with_state_and_refusals() -> None:
    bot = Bot().feed(trade(0), Command("pause", at(1), "dashboard", "lunch"), trade(2, says="LONG"))
    metrics = bot.metrics
    assert metrics.summary == bot.session.summary
    assert metrics.now == at(2)
    assert (metrics.state, metrics.state_reason) == (TradingState.PAUSED, "lunch")
    assert metrics.refusals == {"PAUSED": 1}
    assert metrics.chains == {"A": "RUNNING"}
    assert metrics.positions == ()


def test_an_open_position_is_shown_at_the_last_price_with_its_deadline() -> None:
    bot = Bot().feed(trade(0, 100.0, says="SHORT"), trade(1, 99.5))
    (position,) = bot.metrics.positions
    assert (position.symbol, position.side, position.quantity) == ("A", Side.SHORT, 1.0)
    assert (position.entry_price, position.entry_ts, position.last_price) == (100.0, at(0), 99.5)
    assert position.open_profit == pytest.approx(0.5)
    assert position.time_stop_ts == at(PATIENT.time_stop_seconds)  # the exit's own, not the default's


def test_an_open_position_shows_where_its_exits_leave_as_they_move() -> None:
    exits = ListedExits([op.profit_target(0.02), op.trailing_stop(0.005), op.stop_loss(0.01)])
    bot = Bot(exits=exits).feed(trade(0, 100.0, says="LONG"))

    def levels() -> dict[str, float]:
        (position,) = bot.metrics.positions
        return {level.reason: round(level.price, 6) for level in position.levels}

    assert levels() == {"TP": 102.0, "TRAIL": 99.5, "SL": 99.0}
    bot.feed(trade(1, 101.5))
    assert levels() == {"TP": 102.0, "TRAIL": round(101.5 * 0.995, 6), "SL": 99.0}
    bot.feed(Command("flatten", at(2)))
    assert bot.session.core.contexts["A"].levels == ()


def test_exits_of_an_authors_own_tell_of_no_level() -> None:
    (position,) = Bot(exits=lambda held, market: never()).feed(trade(0, 100.0, says="LONG")).metrics.positions
    assert position.levels == ()


def test_what_the_account_is_worth_has_open_profit_in_it_and_each_closed_trade() -> None:
    bot = Bot().feed(trade(0, 100.0, says="LONG"), trade(1, 100.5))
    (first,) = bot.told(WorthSeen)
    start = float(bot.session.core.metrics.day_start_equity)
    assert (first.ts, first.worth, first.drawdown) == (at(1), start + 0.5, 0.0)
    bot.feed(trade(2, 100.25), Command("flatten", at(3)), trade(3.5, 100.0))
    closed, now = bot.told(WorthSeen)
    assert closed.worth == float(bot.session.core.metrics.equity)
    assert (now.worth, now.drawdown) == (closed.worth, first.worth - closed.worth)


def test_a_failed_chain_is_shown_with_its_error() -> None:
    def broken(ticks: Any) -> Any:
        raise RuntimeError("a typo")

    metrics = Bot(entries=broken).feed(trade(0)).metrics
    assert metrics.chains["A"] == f"RESTARTING: RuntimeError: a typo ({raised_in(__file__, 'raise RuntimeError(')})"


def test_inputs_that_are_not_even_kept_are_counted() -> None:
    bot = Bot()
    most = KEPT_INPUTS
    for count, gathered, left_out in ((most, most, 0), (5, most, 5), (most + 3, most, most + 8)):
        bot.telemetry.gather([trade(0)] * count)
        assert (bot.telemetry.gathered, bot.telemetry.left_out) == (gathered, left_out)


def test_a_chain_that_was_slow_of_late_is_told_for_as_long_as_it_runs() -> None:
    bot = Bot().feed(trade(0), trade(0, symbol="B"), RemoveChain("B", at(1), "too slow"))
    bot.telemetry.slow = {"A": "a tick took more than 250 ms", "B": "a tick took more than 2000 ms"}
    assert bot.metrics.chains == {"A": "SLOW: a tick took more than 250 ms", "B": "REMOVED: too slow"}


def test_the_depths_of_queues_are_told_as_their_owners_wrote_them() -> None:
    bot = Bot()
    bot.telemetry.queues = {"gate": 3, "web_dropped": 7}
    first = bot.metrics
    bot.telemetry.queues["gate"] = 4
    assert first.queues == {"gate": 3, "web_dropped": 7}
    assert bot.metrics.queues["gate"] == 4


def test_a_restarted_web_process_is_told_the_session_and_what_happened_in_it() -> None:
    bot = Bot().feed(trade(0, says="LONG"), Command("flatten", at(1)))
    bot.telemetry.messages()
    history = bot.telemetry.history()
    assert history[0] == STARTED
    kinds = [type(message) for message in history]
    assert [kind for kind in kinds if kind in (SignalRaised, PositionOpened, PositionClosed, StateChanged)] == [
        *(SignalRaised, PositionOpened, StateChanged, PositionClosed),
    ]
    assert {MetricsSeen, SymbolRecalled, SeriesRecalled} <= set(kinds)
    assert [type(message) for message in bot.telemetry.history()] == kinds


def recalled(bot: Bot) -> ReadModel:
    """Return what a web process shows that was started just now and told the history."""
    model, reader, writer = ReadModel(), from_bot(), FrameWriter()
    reader.feed(b"".join(writer.frame(message) for message in bot.telemetry.history()))
    for message in reader.messages():
        assert not isinstance(message, Answered | Workings)
        model.apply(message)
    return model


def test_a_restarted_web_process_shows_the_chart_and_the_ticks_of_before() -> None:
    bot, model = Bot(), ReadModel()
    model.apply(STARTED)
    for second in range(200):
        bot.feed(*(trade(second + part / 4, 100 + second + part / 4) for part in range(4)))
        for message in bot.telemetry.messages():
            model.apply(message)
    bot.feed(trade(200, 1.0))  # of this one it is told with the next messages
    again = recalled(bot)
    before, after = model.snapshot()["symbols"]["A"], again.snapshot()["symbols"]["A"]
    for name in ("price", "bid", "ask", "ts", "first_price", "seen", "ticks"):
        assert after[name] == before[name], name
    assert len(after["ticks"]) == TICKS_SHOWN
    until = {"to": str(at(200) // SECOND)}
    for query in (until, until | {"from": str(at(0) // SECOND), "points": "5"}):
        assert chart_of(again, "A", query) == chart_of(model, "A", query)
    prices = again.course_of("A")
    assert prices is not None
    assert [row[1:6] for row in prices.since(0)] == [(100 + s, 100.75 + s, 100 + s, 100.75 + s, 40) for s in range(200)]


def test_a_restarted_web_process_may_hear_news_before_it_has_heard_all_of_the_history() -> None:
    bot, model = Bot(), ReadModel()
    model.apply(STARTED)
    bot.feed(*(trade(part / 4, 100 + part / 4) for part in range(400)))
    for message in bot.telemetry.messages():
        model.apply(message)
    before, again = bot.telemetry.history(), ReadModel()
    bot.feed(*(trade(99.8 + part / 4, 50 + part / 4) for part in range(8)))
    news = bot.telemetry.messages()
    for message in news:
        model.apply(message)
    split = next(n for n, message in enumerate(before) if isinstance(message, SeriesRecalled))
    for message in (*before[:split], *news, *before[split:]):
        again.apply(message)
    assert chart_of(again, "A", {}) == chart_of(model, "A", {})
    assert again.snapshot()["symbols"]["A"]["seen"] == 408


def test_a_restarted_web_process_shows_each_trade_and_signal_once() -> None:
    bot = Bot().feed(trade(0, says="LONG"), Command("flatten", at(1)))
    model = recalled(bot)  # before the facts were told
    for message in bot.telemetry.messages():
        model.apply(message)
    shown = model.snapshot()
    assert [len(shown[name]) for name in ("trades", "signals")] == [1, 1]
    assert [mark.leg for mark in shown["symbols"]["A"]["marks"]] == ["entry", "exit"]
    assert [notice.kind for notice in shown["notices"]] == ["day", "state"]


def test_what_is_kept_of_the_market_is_bounded() -> None:
    bot = Bot(chart_points=5, max_symbols=1)
    for second in range(20):
        bot.feed(trade(second), trade(second, symbol="B"))
        bot.telemetry.messages()
    (kept,) = [message for message in bot.telemetry.history() if isinstance(message, SymbolRecalled)]
    assert (kept.symbol, kept.seen, len(kept.ticks)) == ("A", 20, 20)
    parts = [message.part for message in bot.telemetry.history() if isinstance(message, SeriesRecalled)]
    assert [len(part.fine[0]) // 8 for part in parts] == [5, 5]  # of the account, and of one symbol


def test_a_long_chart_crosses_the_pipe_in_several_frames() -> None:
    bot = Bot(chart_points=100_000)
    for start in range(0, 75_000, 15_000):
        bot.telemetry.gather([trade(second) for second in range(start, start + 15_000)])
        bot.telemetry.messages()
    history, writer = bot.telemetry.history(), FrameWriter()
    kept = [message for message in history if isinstance(message, SeriesRecalled) and message.symbol]
    assert len(kept) > 1
    assert sum(len(message.part.fine[0]) // 8 for message in kept) == 75_000
    assert all(writer.frame(message) for message in kept)


def test_history_is_bounded_and_the_newest_of_it_is_kept() -> None:
    bot = Bot()
    for second in range(1500):
        bot.feed(Command("pause" if second % 2 else "resume", at(second)))
    changes = [message for message in bot.telemetry.history() if isinstance(message, StateChanged)]
    assert 900 <= len(changes) <= 1000
    assert changes[-1].ts == at(1499)


def test_bursts_that_gave_no_signal_are_told_but_are_no_history() -> None:
    settings = StrategySettings(window_size=2.0, min_ticks=2, volume_spike_multiplier=1000.0)
    bot = Bot(entries=momentum_burst(settings).entries)
    bot.feed(*(trade(second, 100 + second) for second in range(6)), trade(7, 90.0), clock(60))
    assert bot.told(BurstBlocked)
    assert not [message for message in bot.telemetry.history() if isinstance(message, BurstBlocked)]


def test_everything_that_is_told_goes_through_the_pipe_and_comes_out_equal() -> None:
    settings = StrategySettings(window_size=2.0, min_ticks=2, entry_threshold=0.0001, volume_spike_multiplier=0.5)
    bot = Bot(entries=momentum_burst(settings).entries)
    writer, reader = FrameWriter(), from_bot()
    told: list[Any] = []
    for event in seeded_tape(1, ticks=600):
        bot.feed(event)
        if bot.session.core.input % 50 == 0:
            told += bot.telemetry.messages()
    told += bot.telemetry.history()
    assert {PositionClosed, SignalRaised, GaugesSeen} <= {type(message) for message in told}
    for message in told:
        reader.feed(writer.frame(message))
    assert [type(message) for message in reader.messages()] == [type(message) for message in told]


def test_ticks_that_were_not_even_kept_are_counted_among_the_skipped() -> None:
    bot = Bot()
    for start in range(0, 30_000, 500):
        bot.feed(*(trade(n / 1000) for n in range(start, start + 500)))
    (seen,) = bot.told(TicksSeen)
    assert len(seen.ticks) + seen.skipped == 30_000
    (later,) = bot.feed(trade(60)).told(TicksSeen)
    assert later.skipped == 0


def test_ticks_of_one_batch_that_were_not_even_kept_are_counted_also_of_a_symbol_of_which_none_was() -> None:
    bot = Bot().feed(*(trade(0, symbol="B") for _ in range(7)), *(trade(n / 1000) for n in range(30_000)))
    (seen,) = bot.told(TicksSeen)
    assert len(seen.ticks) + seen.skipped == 30_000
    told = bot.feed(trade(60), trade(60, symbol="B")).told(TicksSeen)
    assert {message.symbol: message.skipped for message in told} == {"A": 0, "B": 7}


def test_a_restarted_web_process_knows_the_feed_and_the_trades_however_many_signals_came_since() -> None:
    bot = Bot().feed(FeedChanged(FeedState.LIVE, START), trade(0, says="LONG"), Command("flatten", at(1)))
    bot.feed(*(trade(2 + second, says="LONG") for second in range(1500)))
    history = bot.telemetry.history()
    assert [message for message in history if isinstance(message, FeedChanged)] == [FeedChanged(FeedState.LIVE, START)]
    assert [message for message in history if isinstance(message, PositionClosed)] == bot.session.trades
    assert [message for message in history if isinstance(message, SignalRaised)][-1].signal.ts == at(1501)
