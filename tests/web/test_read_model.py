from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from actors.messages import (
    AccountOpened,
    BrokerChanged,
    ChainFailed,
    ChainRemoved,
    ChainRestarted,
    DayStarted,
    ExitReason,
    FeedChanged,
    FeedState,
    Refusal,
    StateChanged,
    StrategyRefused,
    StrategyReplaced,
    SymbolLocked,
    TradingState,
)
from actors.orders import OrderRejected
from pipeline.events import SECOND, Reading, Side
from tests.web.builders import (
    START,
    at,
    blocked,
    closed,
    feed,
    gauges,
    held,
    metrics,
    one_of_each,
    opened,
    session,
    signal,
    state,
    tick,
    ticks,
)
from web.bars import DAY_WIDTH, PriceCourse
from web.decisions import SIGNALS_SHOWN
from web.messages import ChainLate, Heard, OperatorSeen, OperatorsSeen, QueueSeen, SeriesRecalled, ToWeb, WorthSeen
from web.read_model import NOTICES_SHOWN, TRADES_SHOWN, ReadModel
from web.symbol_view import MARKS_SHOWN, TICKS_SHOWN

SUMMARY_NAMES = {
    *("ticks", "ticks_late", "ticks_rejected", "trades", "wins", "losses", "breakeven", "win_rate", "total_pnl"),
    *("daily_pnl", "equity", "max_drawdown", "max_drawdown_pct", "current_drawdown", "consecutive_losses", "halted"),
    *("open_positions", "funnel", "blocked"),
}


def model_of(*messages: ToWeb, max_symbols: int = 64, chart_points: int = 3_600) -> ReadModel:
    """Return a model that has folded the messages and told of them."""
    model = ReadModel(max_symbols, chart_points)
    for message in messages:
        model.apply(message)
    model.drain()
    return model


def as_json(value: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def snapshot(*messages: ToWeb, **bounds: int) -> Any:
    return as_json(model_of(*messages, **bounds).snapshot())


def told(model: ReadModel) -> dict[str, Any]:
    """Return what the model tells, the last event of each name."""
    return dict(as_json(model.drain()))


def test_every_kind_of_message_is_folded_and_the_snapshot_is_json() -> None:
    assert {"metrics", "symbols", "positions", "trades", "feed", "session", "state", "funnel"} <= set(
        snapshot(*one_of_each())
    )


def test_an_empty_model_has_the_whole_shape_of_the_summary() -> None:
    told = snapshot()

    assert set(told["metrics"]) == SUMMARY_NAMES
    assert told["session"] is None
    assert told["feed"]["state"] == "CONNECTING"
    assert told["bot"] == {"running": True}


def test_the_equity_before_any_metrics_is_the_starting_equity() -> None:
    assert snapshot(session())["metrics"]["equity"] == 10_000.0


def test_a_session_lists_its_symbols_before_their_first_tick() -> None:
    assert list(snapshot(session("MSFT", "AAPL"))["symbols"]) == ["MSFT", "AAPL"]


def test_only_the_settings_of_trading_leave_the_process() -> None:
    told = snapshot(session("AAPL", risk={"position_size": 2.5}, broker={"secret_key": "hunter2"}))

    assert told["session"]["settings"]["risk"] == {"position_size": 2.5}
    assert "hunter2" not in str(told)


def test_a_new_session_starts_everything_over() -> None:
    model = model_of(session(), ticks(150.0), opened(), closed(), feed(), metrics(summary={"trades": 1}))

    model.apply(session("TSLA"))
    events = model.drain()

    assert [name for name, _ in events] == ["snapshot"]
    data = as_json(events[0][1])
    assert (list(data["symbols"]), data["trades"], data["metrics"]["trades"]) == (["TSLA"], [], 0)
    assert model.drain() == []


def test_the_last_fifty_ticks_are_kept_with_bid_and_ask() -> None:
    told = snapshot(ticks(*[100.0 + i for i in range(60)]))["symbols"]["AAPL"]

    assert len(told["ticks"]) == TICKS_SHOWN
    assert told["ticks"][-1] == [at(59), 159.0, 100.0, 158.99, 159.01]
    assert (told["price"], told["first_price"], told["seen"]) == (159.0, 100.0, 60)


def test_ticks_that_the_bot_left_out_are_counted() -> None:
    assert snapshot(ticks(1.0, skipped=7), ticks(1.0, skipped=5))["symbols"]["AAPL"]["skipped"] == 12


def prices_of(model: ReadModel, symbol: str = "AAPL") -> list[tuple[float, ...]]:
    """Return what the model has of a symbol by the second: the second, then open, high, low, close and volume."""
    prices = model.course_of(symbol)
    assert prices is not None
    return [row[:6] for row in prices.since(0)]


def test_the_chart_has_one_bar_a_second_with_all_that_happened_in_it() -> None:
    model = model_of()
    for seconds, price in ((0.1, 10.0), (0.5, 9.0), (0.9, 11.0), (1.2, 12.0), (4.0, 13.0)):
        model.apply(ticks(price, first_at=seconds))

    second = START // 1_000_000_000
    assert prices_of(model) == [
        (second, 10.0, 11.0, 9.0, 11.0, 300.0),
        (second + 1, 12.0, 12.0, 12.0, 12.0, 100.0),
        (second + 4, 13.0, 13.0, 13.0, 13.0, 100.0),
    ]


def test_a_chart_never_goes_back_in_time() -> None:
    model = model_of(ticks(10.0, first_at=5), ticks(11.0, first_at=1), ticks(12.0, first_at=6))

    assert [row[4] for row in prices_of(model)] == [10.0, 12.0]
    assert len(as_json(model.snapshot())["symbols"]["AAPL"]["ticks"]) == 3


def test_the_chart_is_bounded_and_keeps_the_day_after_the_seconds_are_gone() -> None:
    model = model_of(ticks(*[float(1 + i) for i in range(900)]), chart_points=10)

    assert [row[4] for row in prices_of(model)] == [float(i) for i in range(891, 901)]
    prices = model.course_of("AAPL")
    assert prices is not None
    width, rows = prices.between(START / SECOND, START / SECOND + 900, 1)
    assert (width, len(rows)) == (DAY_WIDTH, 900 // DAY_WIDTH)
    assert (rows[0][1], rows[-1][4], sum(row[5] for row in rows)) == (1.0, 900.0, 90_000.0)


def test_prices_of_before_may_come_behind_newer_ones() -> None:
    before, model = PriceCourse(3_600), model_of(ticks(*[5.0] * 3, first_at=99))
    before.see(ticks(*[4.0] * 100).bars)
    for part in before.parts():
        model.apply(SeriesRecalled("AAPL", part))

    rows = prices_of(model)
    assert len(rows) == 102
    assert rows[99] == (START // SECOND + 99, 4.0, 5.0, 4.0, 5.0, 200.0)


def test_what_the_account_is_worth_is_told_by_the_second_and_once() -> None:
    model = model_of(WorthSeen(at(1), 100.0, 0.0))
    for seconds, worth, drawdown in ((2.1, 101.0, 0.0), (2.4, 99.0, 2.0), (2.9, 100.0, 1.0)):
        model.apply(WorthSeen(at(seconds), worth, drawdown))

    assert told(model)["worth"] == [[START // SECOND + 2, 100.0, 99.0, 2.0]]
    assert "worth" not in told(model)


def test_how_far_a_strategy_looks_back_is_told_of_its_symbol() -> None:
    model = model_of(session("AAPL", "MSFT"), metrics(windows={"AAPL": 15.0}))
    shown = as_json(model.snapshot())

    assert shown["windows"] == {"AAPL": 15.0}
    assert [shown["symbols"][name]["window_s"] for name in ("AAPL", "MSFT")] == [15.0, None]


def test_the_mark_of_an_exit_says_what_the_trade_earned() -> None:
    marks = snapshot(ticks(1.0), opened(), closed(pnl="-0.31"))["symbols"]["AAPL"]["marks"]

    assert [(mark["leg"], mark["pnl"]) for mark in marks] == [("entry", None), ("exit", -0.31)]


def test_symbols_beyond_the_bound_are_counted_and_not_kept() -> None:
    told = snapshot(*[ticks(1.0, symbol=name) for name in ("A", "B", "C", "D", "C")], max_symbols=2)

    assert list(told["symbols"]) == ["A", "B"]
    assert told["symbols_ignored"] == 2


def test_ticks_are_told_once_and_all_together() -> None:
    model = model_of(ticks(1.0, 2.0))
    for price in (3.0, 4.0, 5.0):
        model.apply(ticks(price, first_at=price))
    model.apply(ticks(9.0, symbol="MSFT"))

    events = as_json(model.drain())
    assert [name for name, _ in events] == ["ticks"]
    data = events[0][1]["symbols"]
    assert [tick[1] for tick in data["AAPL"]["ticks"]] == [3.0, 4.0, 5.0]
    assert [bar[4] for bar in data["AAPL"]["bars"]] == [3.0, 4.0, 5.0]
    assert data["AAPL"]["seen"] == 5
    assert list(data["MSFT"]["ticks"][0]) == [at(0), 9.0, 100.0, 8.99, 9.01]
    assert model.drain() == []


def test_a_bar_that_changes_within_its_second_is_told_again_as_a_whole() -> None:
    model = model_of(ticks(1.0, first_at=0.1))
    model.apply(ticks(2.0, first_at=0.5))

    assert told(model)["ticks"]["symbols"]["AAPL"]["bars"] == [[START // SECOND, 1.0, 2.0, 1.0, 2.0, 200.0, 1.99, 2.01]]


def test_what_is_not_fetched_stays_bounded() -> None:
    model = model_of(session())
    for i in range(300):
        model.apply(ticks(float(i + 1), first_at=i))
        model.apply(signal(seconds=i, decision=str(i)))
        model.apply(blocked(seconds=i))
        model.apply(closed(seconds=i + 2, decision=str(i)))
        model.apply(feed(reason=str(i)))

    events = model.drain()
    names = [name for name, _ in events]
    assert names.count("signal") == SIGNALS_SHOWN
    assert names.count("trade") == TRADES_SHOWN
    assert names.count("notice") == NOTICES_SHOWN
    data = as_json(events)
    assert len(dict(data)["ticks"]["symbols"]["AAPL"]["ticks"]) == TICKS_SHOWN
    assert len(dict(data)["marks"]["AAPL"]) == MARKS_SHOWN
    kept = as_json(model.snapshot())
    assert (len(kept["trades"]), len(kept["signals"]), len(kept["bursts"])) == (TRADES_SHOWN, SIGNALS_SHOWN, 100)


def test_a_closed_trade_has_the_names_of_the_replay_and_json_numbers() -> None:
    trade = snapshot(closed(pnl="-0.10", reason=ExitReason.SL))["trades"][0]

    assert {
        *("symbol", "side", "quantity", "entry_ts", "entry_price", "exit_ts", "exit_price", "exit_reason", "pnl"),
        *("pnl_pct", "fees"),
    } <= set(trade)
    assert (trade["pnl"], trade["exit_price"], trade["exit_reason"]) == (-0.1, 150.15, "SL")
    assert (trade["entry_ts"], trade["equity"]) == (at(1), 9_999.9)


def test_a_trade_told_twice_counts_once() -> None:
    model = model_of(closed())
    model.apply(closed())

    assert model.drain() == []
    assert len(as_json(model.snapshot())["trades"]) == 1


def test_an_entry_opens_a_position_and_an_exit_closes_it() -> None:
    model = model_of(session())

    model.apply(opened())
    model.apply(metrics(positions=(held(),)))
    (position,) = told(model)["position"]["positions"]
    assert (position["side"], position["quantity"], position["entry_price"]) == ("LONG", 1.0, 150.25)

    model.apply(closed())
    model.apply(metrics())
    after = told(model)
    assert after["position"]["positions"] == []
    assert after["trade"]["exit_reason"] == "TP"


def test_the_open_profit_is_that_of_the_metrics() -> None:
    model = model_of(metrics(positions=(held(),)))
    model.apply(metrics(positions=(held(last_price=149.0, open_profit=-1.25),)))

    (position,) = told(model)["position"]["positions"]
    assert (position["last_price"], position["open_profit"]) == (149.0, -1.25)


def test_the_metrics_decide_which_positions_are_open() -> None:
    model = model_of(metrics(positions=(held("AAPL"), held("TSLA"))))
    model.apply(metrics(positions=(held("TSLA"),)))

    (position,) = told(model)["position"]["positions"]
    assert (position["symbol"], position["time_stop_ts"]) == ("TSLA", at(9))


@pytest.mark.parametrize(("side", "kinds"), [(Side.LONG, ["BUY", "SELL"]), (Side.SHORT, ["SELL", "BUY"])])
def test_a_trade_is_marked_where_it_was_bought_and_sold(side: Side, kinds: list[str]) -> None:
    model = model_of(session())
    model.apply(opened(side=side))
    assert [mark["side"] for mark in told(model)["marks"]["AAPL"]] == kinds[:1]
    model.apply(closed(side=side))
    assert [mark["side"] for mark in told(model)["marks"]["AAPL"]] == kinds[1:]

    marks = as_json(model.snapshot())["symbols"]["AAPL"]["marks"]
    assert [(mark["side"], mark["leg"], mark["label"]) for mark in marks] == [
        (kinds[0], "entry", side.value),
        (kinds[1], "exit", "TP"),
    ]


def test_a_trade_told_without_its_entry_is_marked_at_both_ends() -> None:
    marks = snapshot(closed())["symbols"]["AAPL"]["marks"]

    assert [(mark["leg"], mark["ts"]) for mark in marks] == [("entry", at(1)), ("exit", at(3))]


def test_a_refused_signal_shows_its_reason_and_readings() -> None:
    model = model_of()
    model.apply(signal(reason=Refusal.COOLDOWN))

    data = told(model)["signal"]
    assert (data["decision"], data["reason"], data["decision_id"]) == ("REJECTED", "COOLDOWN", "d1")
    assert data["readings"][0] == {
        "name": "momentum",
        "value": 0.0006,
        "threshold": 0.0005,
        "passed": True,
        "bound": "at_least",
        "unit": "bp",
    }


def test_an_approved_signal_has_no_reason() -> None:
    (data,) = snapshot(signal())["signals"]

    assert (data["decision"], data["reason"]) == ("APPROVED", None)


def test_a_lock_is_noted_with_its_end() -> None:
    settings = {"risk": {"timezone": "America/New_York"}}
    locked = SymbolLocked("AAPL", at(5400), "earnings", START, 1)
    told = snapshot(msgspec.structs.replace(session("AAPL"), settings=settings), locked)
    assert told["notices"][0]["text"] == "AAPL is locked until 11:00 (America/New_York): earnings"


def test_a_blocked_burst_shows_its_reason() -> None:
    model = model_of()
    model.apply(blocked("NEVER_TOGETHER"))

    assert (told(model)["burst"]["reason"], snapshot(blocked())["bursts"][0]["ticks"]) == ("NEVER_TOGETHER", 4)


def test_a_symbol_shows_what_its_last_burst_lacked() -> None:
    told = snapshot(session("AAPL", "MSFT"), blocked(), blocked("NO_RSI", seconds=3))["symbols"]
    assert told["MSFT"]["blocked"] is None
    assert (told["AAPL"]["blocked"]["reason"], told["AAPL"]["blocked"]["ts"]) == ("NO_RSI", at(3))


def test_the_newest_operators_of_a_symbol_are_told_once() -> None:
    model = model_of(session())
    model.drain()
    for rate in (1.0, 2.0):
        model.apply(OperatorsSeen("AAPL", (OperatorSeen("window", rate, "150", 2.5, 0),)))
    shown = [{"name": "window", "rate": 2.0, "last": "150", "us": 2.5, "errors": 0}]
    assert told(model)["operators"] == {"AAPL": shown}
    assert as_json(model.snapshot())["symbols"]["AAPL"]["operators"] == shown
    assert "operators" not in told(model)


def test_only_the_newest_gauges_of_a_symbol_are_told() -> None:
    model = model_of()
    for value in (0.1, 0.2):
        model.apply(gauges("AAPL", Reading("anything", value, 0.5, True, "at_most")))

    (reading,) = told(model)["gauges"]["AAPL"]["readings"]
    assert reading == {"name": "anything", "value": 0.2, "threshold": 0.5, "passed": True, "bound": "at_most"}


def test_exact_numbers_that_crossed_as_text_are_numbers_again() -> None:
    summary = {"total_pnl": "1.23", "equity": Decimal("10001.23"), "wins": 3, "funnel": {"ticks": 9}, "note": "1.0"}
    data = snapshot(metrics(summary=summary))

    assert (data["metrics"]["total_pnl"], data["metrics"]["equity"], data["metrics"]["wins"]) == (1.23, 10_001.23, 3)
    assert data["metrics"]["note"] == "1.0"
    assert data["funnel"] == {
        "ticks": 9,
        "ready": 0,
        "bursts": 0,
        "signals": 0,
        "approved": 0,
        "filled": 0,
        "trades": 0,
    }


def test_a_number_that_is_none_is_null() -> None:
    assert snapshot(metrics(summary={"win_rate": float("nan")}))["metrics"]["win_rate"] is None


def test_metrics_are_told_with_refusals_and_queues() -> None:
    model = model_of()
    model.apply(metrics(refusals={"COOLDOWN": 2}, queues={"journal": 3}, summary={"blocked": {"NO_VOLATILITY": 4}}))

    data = told(model)["metrics"]
    assert (data["refusals"], data["queues"], data["metrics"]["blocked"]) == (
        {"COOLDOWN": 2},
        {"journal": 3},
        {"NO_VOLATILITY": 4},
    )


def test_a_change_of_the_trading_state_is_told_with_its_reason() -> None:
    model = model_of()
    model.apply(state(TradingState.HALTED, "loss limit"))

    data = told(model)
    assert (data["state"]["state"], data["state"]["reason"]) == ("HALTED", "loss limit")
    assert data["notice"]["text"] == "ACTIVE to HALTED: loss limit"


def test_the_metrics_correct_a_trading_state_that_was_missed() -> None:
    model = model_of()
    model.apply(metrics(state=TradingState.PAUSED, state_reason="before the restart"))
    assert told(model)["state"]["state"] == "PAUSED"

    model.apply(metrics(state=TradingState.PAUSED, state_reason="before the restart"))
    assert "state" not in told(model)


def test_a_failed_chain_is_shown_at_its_symbol() -> None:
    model = model_of(session())
    model.apply(metrics(chains={"AAPL": "FAILED: ZeroDivisionError"}))
    assert told(model)["metrics"]["chains"] == {"AAPL": "FAILED: ZeroDivisionError"}

    model.apply(metrics(chains={"AAPL": "RUNNING"}))
    assert as_json(model.snapshot())["symbols"]["AAPL"]["chain"] == "RUNNING"


def test_a_chain_is_shown_as_what_it_is_with_the_reason() -> None:
    model = model_of(session())
    for fact, shown in (
        (ChainFailed("AAPL", "ValueError: a bug", at(1), 2, at(2), 1), "RESTARTING: ValueError: a bug"),
        (ChainRestarted("AAPL", at(2), 3, 1), "RUNNING"),
        (ChainFailed("AAPL", "ValueError: a bug", at(3), 4), "FAILED: ValueError: a bug"),
        (ChainLate("AAPL", "a tick took more than 250 ms, in mine.py:7", at(4)), "SLOW: a tick took more"),
        (ChainRemoved("AAPL", "5 ticks took more than 250 ms", at(5), 9), "REMOVED: 5 ticks took more than 250 ms"),
    ):
        model.apply(fact)
        if not isinstance(fact, ChainLate):  # which is told past the loop, and so past the metrics
            model.apply(metrics(chains={"AAPL": shown}))
        data = told(model)
        assert data["metrics"]["chains"]["AAPL"].startswith(shown)
        assert "AAPL" in data["notice"]["text"]
    assert len(model.snapshot()["notices"]) == 5


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        (
            StrategyReplaced("mine.py:mine", "a1b2c3d4e5", 1_234, at(9), 3),
            "the strategy mine.py:mine (a1b2c3d4) takes over, warmed up with 1,234 trades and quotes",
        ),
        (
            StrategyReplaced("mine.py:mine", "a1b2c3d4e5", 0, at(9), 3),
            "the strategy mine.py:mine (a1b2c3d4) takes over, cold",
        ),
        (
            StrategyRefused("mine.py:mine", "it cannot be loaded", at(9), 0, ("mine.py:3 in <module>", "NameError: x")),
            "the strategy mine.py:mine as it was saved is refused, the one before goes on: it cannot be loaded\n"
            "mine.py:3 in <module>\nNameError: x",
        ),
    ],
)
def test_a_strategy_that_was_saved_is_a_notice(fact: ToWeb, text: str) -> None:
    (notice,) = snapshot(fact)["notices"]
    assert (notice["ts"], notice["text"]) == (at(9), text)


def test_queues_are_shown_with_their_bounds_this_process_s_own_among_them() -> None:
    model = model_of(session(), metrics(bounded=(QueueSeen("gate", 3, 10_000, "inputs", 2),)))
    model.see_queues(QueueSeen("browser", 1, 64, "sendings"))
    assert as_json(model.snapshot())["bounded"] == [
        {"name": "gate", "depth": 3, "limit": 10_000, "unit": "inputs", "dropped": 2},
        {"name": "browser", "depth": 1, "limit": 64, "unit": "sendings", "dropped": 0},
    ]


def test_what_has_no_time_is_not_given_that_of_a_later_tick() -> None:
    assert [notice["ts"] for notice in snapshot(ticks(1.0), FeedChanged(FeedState.CONNECTING))["notices"]] == [0]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (BrokerChanged(FeedState.DOWN, at(9), "cut"), "broker DOWN: cut"),
        (AccountOpened("PA1", Decimal(900), Decimal(1000), at(9), 1), "account PA1 holds 900.00 in cash"),
        (OrderRejected("o1", "AAPL", at(9), "no"), "an order of AAPL was rejected: no"),
    ],
)
def test_news_of_the_broker_is_a_notice(message: ToWeb, text: str) -> None:
    (notice,) = snapshot(message)["notices"]
    assert (notice["ts"], notice["text"]) == (at(9), text)


def test_a_new_day_is_a_notice() -> None:
    (notice,) = snapshot(DayStarted("2026-01-06", Decimal("10001.5"), at(9), 3))["notices"]

    assert notice == {"kind": "day", "ts": at(9), "text": "trading day 2026-01-06 begins with 10,001.50"}


def test_a_feed_that_changed_just_now_is_not_as_old_as_what_it_was_before() -> None:
    model = model_of(session(), feed(), metrics(heard=Heard(3_600.0)))
    assert model.snapshot()["feed"]["age_s"] == 3_600.0
    model.apply(feed(FeedState.DOWN))
    assert dict(model.drain())["feed"]["age_s"] == 0.0
    assert model.snapshot()["feed"]["age_s"] == 0.0


def test_when_the_bot_has_stopped_the_feed_is_down() -> None:
    model = model_of(session(), feed())
    model.bot_stopped("the bot stopped")

    data = told(model)
    assert data["bot"] == {"running": False}
    assert (data["feed"]["state"], data["feed"]["reason"]) == (FeedState.DOWN.value, "the bot stopped")
    assert not model.running


def test_a_tick_without_a_quote_has_nulls() -> None:
    lone = tick(0, 5.0)
    lone = msgspec.structs.replace(lone, bid=None, ask=None)
    model = model_of()
    model.apply(msgspec.structs.replace(ticks(1.0), ticks=(lone,)))

    assert as_json(model.snapshot())["symbols"]["AAPL"]["ticks"] == [[at(0), 5.0, 100.0, None, None]]


def test_folding_a_state_change_without_a_reason_reads_well() -> None:
    (notice,) = snapshot(StateChanged(TradingState.ACTIVE, TradingState.PAUSED, "", at(1), 1))["notices"]

    assert notice["text"] == "PAUSED to ACTIVE"
