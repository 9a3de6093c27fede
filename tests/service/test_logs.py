"""Logs: the documented lines, one flat object a line in the file, rotation, and reading it all back."""

from __future__ import annotations

import errno
import io
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from loguru import logger

from actors.messages import (
    NOT_OUTLIVED,
    AccountOpened,
    BookReconciled,
    BrokerChanged,
    BurstBlocked,
    ChainFailed,
    ChainRemoved,
    ChainRestarted,
    Command,
    DayStarted,
    EntryLooked,
    EquityRestated,
    ExitDecided,
    Fact,
    FeedChanged,
    FeedState,
    FeesReconciled,
    GateActed,
    GuardChanged,
    OrderChanged,
    OrderFilled,
    OrderSubmitted,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    PositionSplit,
    ProfitCorrected,
    Refusal,
    SignalRaised,
    StateChanged,
    StopPassed,
    StrategyHalted,
    StrategyRefused,
    StrategyReplaced,
    SymbolHalted,
    SymbolLocked,
    SymbolStale,
    SymbolUnlocked,
    TradingState,
)
from actors.orders import Execution, OrderRejected, OrderRole, OrderSide, OrderStatus, SubmitOrder
from microbot import op
from pipeline.events import Reading, Side, Signal
from pipeline.exits import SignalExits
from pipeline.strategy import StrategySettings, momentum_burst
from service import fact_log, logs
from service.errors import UserError
from service.settings import LogSettings
from tests.support.live import loguru_restored
from tests.support.market import START, at, trade
from tests.support.random_tapes import seeded_tape
from tests.support.sessions import Session

ORDER = SubmitOrder("1", "A", OrderSide.BUY, Decimal(1), "17", OrderRole.ENTRY)
HOSTILE = [
    "{x}",
    "{}",
    "{0}",
    "{",
    "}",
    "{{}}",
    "{extra[_json]}",
    "<red>",
    "</red>",
    "<level>",
    "\\<red>",
    "%s",
    'a"b\\',
]


@pytest.fixture(autouse=True)
def _loguru() -> Iterator[None]:
    with loguru_restored():
        yield


class Logs:
    """Logs as the bot sets them up, in a folder of their own."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.terminal = io.StringIO()
        self.path = logs.configure(LogSettings(dir=str(folder / "logs"), **changes), terminal=self.terminal)

    @property
    def said(self) -> list[str]:
        """Lines of the terminal, without their times."""
        time = re.compile(r"^\[\d\d:\d\d:\d\d\.\d{3} [A-Z]+\]")
        return [time.sub("[time]", line) for line in self.terminal.getvalue().splitlines()]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line, type=dict[str, Any]) for line in self.path.read_bytes().splitlines()]


def opened(symbol: str = "AAPL", price: str = "150.25") -> PositionOpened:
    return PositionOpened(symbol, Side.LONG, Decimal(1), Decimal(price), START, "17", 17)


def closed(price: str, pnl: str, pct: float, *, reason: str = "TP", symbol: str = "AAPL") -> PositionClosed:
    money = Decimal(price), reason, Decimal(pnl), pct, Decimal(0), Decimal(10_000)
    return PositionClosed(symbol, Side.LONG, Decimal(1), START, Decimal("150.25"), at(4), *money, "17", 18)


def signal(symbol: str = "AAPL", reason: Refusal | None = None) -> SignalRaised:
    raised = Signal(symbol, START, Side.LONG, 150.25, 0.0006, 2.1, 0.002, (Reading("momentum", 0.0006, 0.0005, True),))
    return SignalRaised(raised, "17", reason is None, reason, 17)


# ---------------------------------------------------------------------------------------------- the documented lines


def test_an_entry_and_an_exit_look_as_documented(tmp_path: Path) -> None:
    found = Logs(tmp_path)
    fact_log.log_fact(opened())
    fact_log.log_fact(closed("150.48", "0.23", 0.00153))
    assert found.said == [
        "[time] - microbot.executor - INFO - OPEN LONG AAPL @ $150.25",
        "[time] - microbot.executor - INFO - CLOSE LONG AAPL @ $150.48 (TP) | PnL: $0.23 (0.15%)",
    ]


@pytest.mark.parametrize(
    ("pnl", "pct", "shown"),
    [
        ("-0.12", -0.0008, "-$0.12 (-0.08%)"),
        ("0", 0.0, "$0.00 (0.00%)"),
        ("-0.01", -0.00001, "-$0.01 (0.00%)"),
        ("-0.001", -0.0000001, "-$0.001 (0.00%)"),
        ("0.0000131", 0.0000001, "$0.000013 (0.00%)"),
        ("-1234.5", -0.5, "-$1234.50 (-50.00%)"),
        ("99999.994", 1.5, "$99999.99 (150.00%)"),
    ],
)
def test_money_has_its_sign_before_the_dollar(pnl: str, pct: float, shown: str, tmp_path: Path) -> None:
    found = Logs(tmp_path)
    fact_log.log_fact(closed("150.13", pnl, pct, reason="SL"))
    assert found.said == [f"[time] - microbot.executor - INFO - CLOSE LONG AAPL @ $150.13 (SL) | PnL: {shown}"]


def test_at_debug_every_look_at_an_entry_says_what_each_condition_saw(tmp_path: Path) -> None:
    found = Logs(tmp_path, level="DEBUG")
    readings = (
        Reading("momentum", 0.00061, 0.0005, True),
        Reading("volume_spike", 2.14, 1.5, True),
        Reading("volatility_guard", 0.0012, 0.001, True),
    )
    fact_log.log_fact(EntryLooked("AAPL", START, readings))
    momentum, spike, guard = (line.split(" - DEBUG - ")[1] for line in found.said)
    assert momentum == "Momentum: 0.0006 (threshold: 0.0005)"
    assert spike.startswith("Volume spike: 2.1x avg")
    assert guard == "Volatility guard: 0.0012 (threshold: 0.001)"


def test_below_debug_looks_and_orders_are_not_shown(tmp_path: Path) -> None:
    found = Logs(tmp_path)
    fact_log.log_fact(EntryLooked("AAPL", START, (Reading("momentum", 0.0006, 0.0005, True),)))
    fact_log.log_fact(OrderSubmitted(ORDER, START, 1))
    assert found.said == []
    assert found.path.read_bytes() == b""


def test_terminal_and_file_have_levels_of_their_own(tmp_path: Path) -> None:
    found = Logs(tmp_path, level="WARNING", file_level="DEBUG")
    fact_log.log_fact(EntryLooked("AAPL", START, (Reading("momentum", 0.0006, 0.0005, True),)))
    fact_log.log_fact(opened())
    fact_log.log_fact(FeedChanged(FeedState.DOWN, START, "gone"))
    assert len(found.said) == 1
    assert [line["level"] for line in found.lines] == ["DEBUG", "INFO", "WARNING"]


CANCELED = OrderStatus.CANCELED


@pytest.mark.parametrize(
    ("fact", "level"),
    [
        (FeedChanged(FeedState.STALE, START), "WARNING"),
        (FeedChanged(FeedState.DOWN, START), "WARNING"),
        (FeedChanged(FeedState.LIVE, START), "INFO"),
        (SymbolStale("AAPL", True, START), "WARNING"),
        (SymbolStale("AAPL", False, START), "INFO"),
        (StateChanged(TradingState.HALTED, TradingState.ACTIVE, "loss", START, 1), "WARNING"),
        (StateChanged(TradingState.PAUSED, TradingState.ACTIVE, "", START, 1), "INFO"),
        (OrderRejected("1", "A", START, "no funds"), "WARNING"),
        (OrderChanged("1", "A", CANCELED, OrderStatus.SUBMITTED, Decimal(0), START, 1, "", NOT_OUTLIVED), "WARNING"),
        (OrderChanged("s.1.A.entry.1", "A", CANCELED, OrderStatus.ACCEPTED, Decimal(0), START, 1), "INFO"),
        (ChainFailed("A", "a typo", START, 1), "ERROR"),
        (ChainRemoved("A", "too slow", START, 1), "ERROR"),
        (ChainRestarted("A", START, 1, 2), "WARNING"),
    ],
    ids=repr,
)
def test_what_a_person_has_to_look_at_is_graver_than_what_is_usual(fact: Fact, level: str, tmp_path: Path) -> None:
    found = Logs(tmp_path)
    fact_log.log_fact(fact)
    assert [line["level"] for line in found.lines] == [level]


@pytest.mark.parametrize(("role", "filled"), [("entry", 1), ("stop", 0), ("exit", 0)])
def test_the_end_of_an_order_that_did_something_or_that_another_follows_is_no_news(
    role: str, filled: int, tmp_path: Path
) -> None:
    found = Logs(tmp_path)
    order = f"s.1.A.{role}.1"
    fact_log.log_fact(OrderChanged(order, "A", CANCELED, OrderStatus.ACCEPTED, Decimal(filled), START, 1))
    assert found.lines == []


def test_a_strategy_that_is_refused_is_told_with_its_traceback(tmp_path: Path) -> None:
    found = Logs(tmp_path)
    lines = ("mine.py:3 in <module>", "ZeroDivisionError: division by zero")
    fact_log.log_fact(StrategyRefused("mine.py:mine", "it cannot be loaded", START, traceback=lines))
    first, *rest = (line.split(" - ERROR - ")[1] for line in found.said)
    assert "mine.py:mine as it was saved is refused, the one before goes on: it cannot be loaded" in first
    assert rest == [f"  {line}" for line in lines]


@pytest.mark.parametrize("kind", ["exit", "cancel"])
def test_what_the_venue_refuses_again_and_again_is_said_at_growing_counts(kind: str, tmp_path: Path) -> None:
    found = Logs(tmp_path, level="WARNING", file_level="WARNING")
    for n in range(1, 1_001):
        if kind == "exit":
            fact_log.log_fact(OrderRejected(f"o{n}", "A", START, "no", n))
        else:
            unknown, pending = OrderStatus.UNKNOWN, OrderStatus.CANCEL_PENDING
            fact_log.log_fact(OrderChanged("o1", "A", unknown, pending, Decimal(0), START, n, "", "no", n))
    assert [line["refusals"] for line in found.lines] == [1, 10, 100, 1000]


# ----------------------------------------------------------------------------------------------------------- the file

EVENTS: dict[str, Fact] = {
    "signal.approved": signal(),
    "signal.refused": signal(reason=Refusal.COOLDOWN),
    "order.submitted": OrderSubmitted(ORDER, START, 1),
    "order.filled": OrderFilled(Execution("1/1", "1", "A", OrderSide.BUY, Decimal(1), Decimal("1.5"), START), "17", 1),
    "order.rejected": OrderRejected("1", "A", START, "no funds"),
    "position.opened": opened(),
    "exit.decided": ExitDecided("A", "TP", START, 1),
    "stop.passed": StopPassed("A", "o1", Decimal("100.5"), None, Decimal("100.7"), START, "17", 1),
    "position.reduced": PositionReduced(
        *("A", Side.LONG, Decimal(5), Decimal("100.1"), Decimal(5), Decimal(100), "TP"),
        *(Decimal("0.5"), Decimal("10000.5"), START, "17", 1),
    ),
    "position.split": PositionSplit(*("A", Decimal(10), Decimal(20), Decimal(100), Decimal(50)), *(START, "17", 1)),
    "trade.corrected": ProfitCorrected("A", Decimal(1), Decimal(10_001), "trade_correct", START, "17", 1),
    "trade.closed": closed("150.48", "0.23", 0.0015),
    "state.changed": StateChanged(TradingState.PAUSED, TradingState.ACTIVE, "lunch", START, 1),
    "strategy.halted": StrategyHalted("cross", ("A", "B"), START, 1),
    "symbol.locked": SymbolLocked("A", at(60), "earnings", START, 1),
    "symbol.unlocked": SymbolUnlocked("A", "its time is over", START, 1),
    "symbol.halted": SymbolHalted("A", "its profit of the day was -51.00", START, 1),
    "gate.acted": GateActed("cancel", "", START, 1, "o1"),
    "day.started": DayStarted("2026-01-05", Decimal(10_000), START, 1),
    "chain.failed": ChainFailed("A", "a typo", START, 1, at(1), 2),
    "guard.changed": GuardChanged("A", "the fallback alone (600 s)", "its exits ended", START, 1),
    "chain.restarted": ChainRestarted("A", START, 1, 2),
    "chain.removed": ChainRemoved("A", "a tick took 5 s in slow.py:12", START, 1),
    "strategy.replaced": StrategyReplaced("mine.py:mine", "a1b2c3d4e5", 1_234, START, 1),
    "strategy.refused": StrategyRefused("mine.py:mine", "ZeroDivisionError: division by zero (mine.py:3)", START),
    "burst.blocked": BurstBlocked("A", Side.LONG, 3, "NO_VOLUME_SPIKE", START),
    "order.changed": OrderChanged(
        "o1", "A", OrderStatus.FILLED, OrderStatus.SUBMITTED, Decimal(1), START, 4, "venue-1"
    ),
    "account.opened": AccountOpened("PA1", Decimal(900), Decimal(1000), START, 1),
    "book.reconciled": BookReconciled("PA1", ("A: the account holds 7, the book 0",), {"A": Decimal(7)}, (), START),
    "broker.changed": BrokerChanged(FeedState.DOWN, START, "gone"),
    "feed.changed": FeedChanged(FeedState.LIVE, START, "here"),
    "equity.restated": EquityRestated("A", Decimal("0.02"), Decimal("10000.02"), START, 1),
    "fees.reconciled": FeesReconciled(
        "2026-11-27", {"CAT": Decimal("0.01")}, {"CAT": Decimal("0.02")}, Decimal("0.01"), START, 1
    ),
    "feed.symbol_stale": SymbolStale("AAPL", True, START, "nothing of it for 15 s"),
    "entry.looked": EntryLooked("A", START, (Reading("momentum", 0.0006, 0.0005, True),)),
}


@pytest.mark.parametrize("event", EVENTS)
def test_every_fact_is_one_object_in_the_file_with_the_same_first_fields(event: str, tmp_path: Path) -> None:
    found = Logs(tmp_path, file_level="DEBUG")
    fact_log.log_fact(EVENTS[event])
    (line,) = found.lines
    assert list(line)[:5] == ["ts", "level", "logger", "event", "message"]
    assert line["event"] == event
    assert line["logger"].startswith("microbot.")
    assert isinstance(line["ts"], int)
    assert line["ts"] > START  # the line's own time is not that of the market
    assert line["message"]


@pytest.mark.parametrize(
    ("quantity", "correction", "told"),
    [
        (-4, None, "UNDONE by the venue (trade_bust): SELL 4 A @ $99.50 never was"),
        (0, "-1", "CORRECTED by the venue (trade_bust): SELL A, -$1.00 in price"),
    ],
)
def test_what_the_venue_undid_is_a_warning(quantity: int, correction: str | None, told: str, tmp_path: Path) -> None:
    found = Logs(tmp_path, level="WARNING", file_level="WARNING")
    done = Execution("o/6", "o", "A", OrderSide.SELL, Decimal(quantity), Decimal("99.5"), START, undone="trade_bust")
    if correction is not None:
        done = msgspec.structs.replace(done, correction=Decimal(correction))
    fact_log.log_fact(OrderFilled(done, "17", 1))
    (line,) = found.lines
    assert (line["message"], line["undone"]) == (told, "trade_bust")


def test_every_kind_of_fact_is_logged() -> None:
    kinds = {type(fact) for fact in EVENTS.values()}
    assert kinds == set(Fact.__args__)


def test_a_closed_trade_has_its_fields_as_numbers_and_plain_words(tmp_path: Path) -> None:
    found = Logs(tmp_path)
    fact_log.log_fact(closed("150.48", "0.23", 0.0015))
    (line,) = found.lines
    del line["ts"]
    assert line == {
        "level": "INFO",
        "logger": "microbot.executor",
        "event": "trade.closed",
        "message": "CLOSE LONG AAPL @ $150.48 (TP) | PnL: $0.23 (0.15%)",
        "symbol": "AAPL",
        "side": "LONG",
        "quantity": 1,
        "entry_ts": START,
        "entry_price": 150.25,
        "exit_ts": at(4),
        "run": None,
        "venue_ts": at(4),
        "zone": "UTC",
        "exit_price": 150.48,
        "reason": "TP",
        "pnl": 0.23,
        "pnl_pct": 0.0015,
        "fees": 0,
        "equity": 10000,
        "decision": "17",
        "input": 18,
    }


def test_what_a_signal_carries_is_in_its_line_and_in_that_of_its_order(tmp_path: Path) -> None:
    found = Logs(tmp_path, file_level="DEBUG")
    exits = SignalExits.of("a test", [op.stop_loss(0.001), op.time_stop(9)])
    asking: list[dict[str, Any]] = [{}, {"quantity": 2, "limit": 101.5, "good_for": 3, "exits": exits}]
    for more in asking:
        signal = Signal("A", START, Side.LONG, 100.0, **more)
        fact_log.log_fact(SignalRaised(signal, "1", True, None, 1))
    fact_log.log_fact(OrderSubmitted(msgspec.structs.replace(ORDER, until=at(3)), START, 1))
    plain, carrying, ordered = found.lines
    carried = {name: carrying[name] for name in carrying.keys() - plain.keys()}
    assert carried == {"quantity": 2, "limit": 101.5, "good_for": 3, "exits": ["stop_loss(0.001)", "time_stop(9)"]}
    assert ordered["until"] == at(3)


def test_one_decision_id_runs_from_the_signal_to_the_close(tmp_path: Path) -> None:
    found = Logs(tmp_path, file_level="DEBUG")
    session = Session()
    session.feed(trade(0, symbol="AAPL"), trade(1, symbol="AAPL", says="LONG"), Command("flatten", at(2)))
    session.feed(Command("resume", at(3)), trade(4, symbol="AAPL", says="SHORT"), Command("flatten", at(5)))
    for fact in session.facts:
        fact_log.log_fact(fact)
    told = [(line["event"], line["decision"]) for line in found.lines if "decision" in line]
    way = ("signal.approved", "order.submitted", "order.filled", "position.opened")
    back = ("order.submitted", "order.filled", "trade.closed")
    first, second = dict.fromkeys(decision for _, decision in told)
    assert told == [(event, decision) for decision in (first, second) for event in (*way, *back)]


def test_a_whole_session_is_logged_line_by_line(tmp_path: Path) -> None:
    settings = StrategySettings(window_size=2.0, min_ticks=2, entry_threshold=0.0001, volume_spike_multiplier=0.5)
    session = Session(entries=momentum_burst(settings).entries, debug=True)
    session.feed(*seeded_tape(1, ticks=300))
    found = Logs(tmp_path, file_level="DEBUG", level="ERROR")
    for fact in session.facts:
        fact_log.log_fact(fact)
    assert len(found.lines) == sum(len(list(fact_log.lines(fact))) for fact in session.facts)
    assert {"entry.looked", "signal.approved", "trade.closed"} <= {line["event"] for line in found.lines}


@pytest.mark.parametrize("word", HOSTILE)
def test_braces_and_tags_in_a_symbol_are_shown_as_they_are(word: str, tmp_path: Path) -> None:
    found = Logs(tmp_path, level="DEBUG", file_level="DEBUG")
    fact_log.log_fact(opened(symbol=word))
    fact_log.log_fact(signal(symbol=word))
    fact_log.log_fact(FeedChanged(FeedState.DOWN, START, word))
    fact_log.log_fact(EntryLooked(word, START, (Reading("momentum", 1.0, 2.0, False),)))
    fact_log.log_fact(ChainFailed(word, word, START, 1))
    assert found.said[0] == f"[time] - microbot.executor - INFO - OPEN LONG {word} @ $150.25"
    assert len(found.said) == len(found.lines) == 5
    assert [line.get("symbol", word) for line in found.lines] == [word] * 5
    assert all(word in line["message"] for line in found.lines if line["event"] != "entry.looked")


@pytest.mark.parametrize("word", HOSTILE)
def test_an_exception_with_braces_and_tags_is_logged_with_its_traceback(word: str, tmp_path: Path) -> None:
    found = Logs(tmp_path)
    try:
        raise ValueError(word)
    except ValueError as error:
        logger.bind(logger="microbot.service", event="session.failed").opt(exception=error).critical(
            f"the core failed: {word}"
        )
    (line,) = found.lines
    assert line["message"] == f"the core failed: {word}"
    assert line["exception"] == repr(ValueError(word))
    assert found.said[0] == f"[time] - microbot.service - CRITICAL - the core failed: {word}"
    assert "Traceback" in found.said[1]
    assert f"  ValueError: {word}" in found.said


def test_a_fault_that_ends_a_thread_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, told = Logs(tmp_path), []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_type))

    def fail() -> None:
        raise ZeroDivisionError("a fault of ours")

    with logs.thread_faults():
        for work in (fail, sys.exit):
            thread = threading.Thread(target=work, name="{looks}")
            thread.start()
            thread.join()
    (line,) = found.lines
    assert line["event"] == "thread.failed"
    assert line["message"] == "the thread '{looks}' has ended by a fault"
    assert line["exception"] == "ZeroDivisionError('a fault of ours')"
    assert told == [ZeroDivisionError, SystemExit]  # whoever was told before still is


CONTROLS = {
    "\x1b[2J\x1b]0;owned\x07": r"\x1b[2J\x1b]0;owned\x07",
    "A\n[09:31:07.123] - microbot.risk - INFO - all is well": r"A\n[09:31:07.123] - microbot.risk - INFO - all is well",
    "A\r\x08\x7f": r"A\r\x08\x7f",
    "\x9b31m\u202e\u2028": r"\x9b31m\u202e\u2028",
}


@pytest.mark.parametrize("word", CONTROLS)
def test_what_moves_a_cursor_is_escaped_on_the_terminal_and_kept_in_the_file(word: str, tmp_path: Path) -> None:
    found = Logs(tmp_path)
    fact_log.log_fact(opened(symbol=word))
    fact_log.log_fact(FeedChanged(FeedState.DOWN, START, word))
    assert found.said[0] == f"[time] - microbot.executor - INFO - OPEN LONG {CONTROLS[word]} @ $150.25"
    assert len(found.terminal.getvalue().split("\n")) == 3
    assert "".join(found.terminal.getvalue().split("\n")).isprintable()
    assert found.lines[0]["symbol"] == word
    shown = [logs.for_people(line) for line in logs.follow(found.path, wait=False)]
    assert all(line.isprintable() for line in shown)
    assert CONTROLS[word] in shown[0]


@pytest.mark.parametrize("word", CONTROLS)
def test_what_moves_a_cursor_is_escaped_in_a_traceback_too_which_looks_like_no_line_of_the_log(
    word: str, tmp_path: Path
) -> None:
    found = Logs(tmp_path)
    try:
        raise ValueError(word)
    except ValueError as error:
        logger.opt(exception=error).error("it failed")
    first, *others = found.terminal.getvalue().removesuffix("\n").split("\n")
    assert first.endswith("it failed")
    assert all(line.startswith("  ") and line.isprintable() for line in others)


def test_a_very_long_name_loses_its_middle_on_the_terminal(tmp_path: Path) -> None:
    found = Logs(tmp_path)
    fact_log.log_fact(opened(symbol="A" * 100_000))
    assert len(found.said[0]) < 1_200
    assert found.said[0].endswith("AAA @ $150.25")


def test_fields_that_json_does_not_know_are_written_as_words(tmp_path: Path) -> None:
    found = Logs(tmp_path)
    logger.bind(event="x", path=Path("/a"), error=ValueError("b"), amount=Decimal("1.50")).info("hello")
    (line,) = found.lines
    assert (line["path"], line["error"], line["amount"]) == ("/a", "b", 1.5)
    assert line["logger"] == "microbot"


def test_a_line_with_a_line_break_in_it_is_still_one_line_of_the_file(tmp_path: Path) -> None:
    found = Logs(tmp_path)
    logger.bind(event="x").info("one\ntwo")
    logger.bind(event="y").info("three")
    assert [line["message"] for line in found.lines] == ["one\ntwo", "three"]


def test_what_libraries_log_arrives_from_warning_on(tmp_path: Path) -> None:
    found = Logs(tmp_path)
    library = logging.getLogger("websockets.client")
    library.info("not this")
    library.warning("{x} of <red> %s", "that")
    library.critical("the end")
    library.log(logging.WARNING + 1, "a level of its own")
    assert [(line["logger"], line["event"], line["level"], line["message"]) for line in found.lines] == [
        ("websockets.client", "library", "WARNING", "{x} of <red> that"),
        ("websockets.client", "library", "CRITICAL", "the end"),
        ("websockets.client", "library", "WARNING", "a level of its own"),
    ]


def test_a_later_bot_appends_to_the_log_of_an_earlier_one(tmp_path: Path) -> None:
    Logs(tmp_path)
    fact_log.log_fact(opened("A"))
    found = Logs(tmp_path)
    fact_log.log_fact(opened("B"))
    assert [line["symbol"] for line in found.lines] == ["A", "B"]


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    with pytest.raises(UserError, match="--log-dir"):
        Logs(tmp_path)


# ----------------------------------------------------------------------------------------------------------- rotation


@pytest.mark.parametrize("keep", [1, 3])
def test_a_full_log_is_rotated_and_only_so_many_old_ones_are_kept(keep: int, tmp_path: Path) -> None:
    found = Logs(tmp_path, max_bytes=10_000, keep=keep, level="ERROR")
    for number in range(600):  # about 70 kB
        logger.bind(event="x", number=number).info("hello")
    files = list(found.path.parent.iterdir())
    assert len(files) == keep + 1
    assert found.path in files
    assert all(path.stat().st_size <= 10_000 for path in files)
    numbers = sorted(msgspec.json.decode(line)["number"] for path in files for line in path.read_bytes().splitlines())
    assert numbers == list(range(numbers[0], 600))  # nothing is lost in between


# ------------------------------------------------------------------------------------------------------- reading back


class Enough(Exception):
    """The reader waits, and the test has nothing more to do to its log."""


def line(number: int) -> bytes:
    return b'{"ts":1,"n":%d}\n' % number


class Log:
    """A log that somebody else writes: at each wait of the reader, the next step is done to it."""

    def __init__(self, path: Path, *steps: Callable[[], None]) -> None:
        self.path = path
        self.waits = 0
        self._steps = list(steps)

    def wait(self, seconds: float) -> None:
        self.waits += 1
        if not self._steps:
            raise Enough
        self._steps.pop(0)()

    def append(self, data: bytes) -> Callable[[], None]:
        def step() -> None:
            with self.path.open("ab") as file:
                file.write(data)

        return step

    def rotate(self) -> None:
        self.path.rename(self.path.with_suffix(".old"))
        self.path.touch()

    def then(self, *steps: Callable[[], None]) -> Log:
        self._steps += steps
        return self

    @property
    def followed(self) -> list[int]:
        """Follow until there is nothing more to do, and return the numbers of the lines."""
        numbers = []
        reader = logs.follow(self.path, wait=True, sleep=self.wait)
        try:
            for found in reader:
                numbers.append(found["n"])  # noqa: PERF401  # the reader ends by an exception
        except Enough:
            pass
        return numbers


@pytest.fixture
def log(tmp_path: Path) -> Log:
    (tmp_path / "microbot.jsonl").write_bytes(line(1) + line(2))
    return Log(tmp_path / "microbot.jsonl")


def test_without_waiting_a_log_is_read_to_its_end(log: Log) -> None:
    assert [found["n"] for found in logs.follow(log.path, wait=False)] == [1, 2]


def test_following_goes_on_as_the_log_grows(log: Log) -> None:
    assert log.then(log.append(line(3) + line(4)), log.append(b""), log.append(line(5))).followed == [1, 2, 3, 4, 5]


def test_a_half_written_line_is_waited_for(log: Log) -> None:
    whole = line(3)
    assert log.then(log.append(whole[:4]), log.append(whole[4:9]), log.append(whole[9:])).followed == [1, 2, 3]


def test_following_goes_on_across_a_rotation(log: Log) -> None:
    assert log.then(log.append(line(3)), log.rotate, log.append(line(4)), log.append(line(5))).followed == [
        1,
        2,
        3,
        4,
        5,
    ]


def test_following_goes_on_after_the_log_was_copied_and_cut(log: Log) -> None:
    cut = log.then(log.append(line(3)), lambda: os.truncate(log.path, 0), log.append(line(4)), log.append(line(5)))
    assert cut.followed == [1, 2, 3, 4, 5]


def test_every_line_names_its_run_and_the_venue_s_time(tmp_path: Path) -> None:
    found = Logs(tmp_path)
    logs.know(logs.Context("America/New_York", lambda: 7, lambda: at(9)))
    fact_log.log_fact(opened())
    logger.bind(event="x").info("no fact")
    assert [(line["run"], line["venue_ts"]) for line in found.lines] == [(7, START), (7, at(9))]
    shown = [logs.for_people(line) for line in logs.follow(found.path, wait=False)]
    assert all(" EST] - " in line for line in shown)


def test_a_fact_from_before_any_time_is_known_has_no_venue_s_time(tmp_path: Path) -> None:
    found = Logs(tmp_path)
    fact_log.log_fact(FeedChanged(FeedState.CONNECTING, 0, "somewhere"))
    assert [line["venue_ts"] for line in found.lines] == [None]


def test_a_time_that_is_the_machine_s_although_there_is_a_venue_is_marked(tmp_path: Path) -> None:
    told = io.StringIO()
    logs.configure(LogSettings(dir=str(tmp_path)), terminal=told)
    logger.info("of no venue")
    now = 0
    logs.know(logs.Context("UTC", lambda: 7, lambda: now))
    logger.info("before it spoke")
    now = at(9)
    logger.info("since then")
    assert [line.split("]")[0][-4:] for line in told.getvalue().splitlines()] == [" UTC", "UTC*", " UTC"]


@pytest.mark.parametrize("event", EVENTS)
def test_every_fact_s_line_has_the_fact_s_own_time(event: str, tmp_path: Path) -> None:
    found = Logs(tmp_path, file_level="DEBUG")
    logs.know(logs.Context("UTC", lambda: 7, lambda: 5))
    fact_log.log_fact(EVENTS[event])
    assert {line["venue_ts"] for line in found.lines} <= {START, at(4)}


def test_a_fact_that_cannot_be_logged_is_told_there_and_raises_nothing(tmp_path: Path) -> None:
    found = Logs(tmp_path)
    fact_log.log_fact(FeedChanged)  # type: ignore[arg-type]  # whatever it is
    assert [line["event"] for line in found.lines] == ["log.failed"]


def test_a_line_cut_short_by_a_crash_is_left_out(log: Log) -> None:
    assert log.then(log.append(b'{"ts":1,"n":' + line(3)), log.append(line(4))).followed == [1, 2, 4]
    log.append(b"nonsense\n[1]\n\n" + line(5) + b'{"n":')()
    assert [found["n"] for found in logs.follow(log.path, wait=False)] == [1, 2, 4, 5]


def test_a_log_that_is_not_there_yet_is_waited_for_or_said(tmp_path: Path) -> None:
    log = Log(tmp_path / "microbot.jsonl")
    assert log.then(lambda: None, log.append(line(1))).followed == [1]
    with pytest.raises(UserError, match="there is no log"):
        list(logs.follow(tmp_path / "other.jsonl", wait=False))


def test_while_the_new_file_is_not_there_yet_following_waits(log: Log) -> None:
    gone = log.then(log.path.unlink, lambda: None, log.append(line(3)))
    assert gone.followed == [1, 2, 3]


@pytest.mark.parametrize(
    ("event", "level", "matching"),
    [
        (None, "DEBUG", True),
        ("trade.closed", "DEBUG", True),
        ("trade", "DEBUG", True),
        ("trade.", "DEBUG", True),
        ("trade.closed.", "DEBUG", False),
        (".", "DEBUG", False),
        ("trade.close", "DEBUG", False),
        ("tra", "DEBUG", False),
        ("signal", "DEBUG", False),
        (None, "WARNING", True),
        (None, "ERROR", False),
    ],
)
def test_lines_are_chosen_by_event_and_level(event: str | None, level: str, matching: bool) -> None:
    assert logs.matches({"event": "trade.closed", "level": "WARNING"}, event=event, level=level) is matching


@pytest.mark.parametrize(("until", "said"), [(0, "until `unlock`"), (at(60), "for 1 min"), (at(61), "for 2 min")])
def test_a_lock_s_line_says_how_long_it_holds(until: int, said: str) -> None:
    [line] = fact_log.lines(SymbolLocked("A", until, "earnings", START, 1))
    assert line.message == f"A is LOCKED {said}: earnings"


def test_what_is_graver_than_every_level_is_always_shown() -> None:
    assert logs.matches({"event": "session.failed", "level": "CRITICAL"}, event=None, level="ERROR")


def test_a_line_of_the_file_looks_to_people_as_it_did_on_the_terminal(tmp_path: Path) -> None:
    found = Logs(tmp_path)
    fact_log.log_fact(opened())
    (shown,) = [logs.for_people(found) for found in logs.follow(found.path, wait=False)]
    assert re.sub(r"^\[[\d :.-]+ UTC\]", "[time]", shown) == found.said[0]


def test_what_was_written_just_before_a_rotation_is_not_lost(log: Log) -> None:
    def at_once() -> None:
        log.append(line(3))()
        log.rotate()
        log.append(line(4))()

    assert log.then(at_once, log.append(line(5))).followed == [1, 2, 3, 4, 5]


def test_a_line_cut_inside_a_character_is_left_out(log: Log) -> None:
    log.append(b'{"ts":1,"message":"caf\xc3' + line(3) + line(4))()
    assert [found["n"] for found in logs.follow(log.path, wait=False)] == [1, 2, 4]


@pytest.mark.parametrize("event", EVENTS)
def test_every_line_of_a_fact_is_flat(event: str, tmp_path: Path) -> None:
    found = Logs(tmp_path, file_level="DEBUG")
    fact_log.log_fact(EVENTS[event])
    assert not [name for name, value in found.lines[0].items() if isinstance(value, dict | list)]


class Gone(io.StringIO):
    """A terminal that is no more."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")


class Nameless:
    """A value of which nothing can be said."""

    def __repr__(self) -> str:
        raise ValueError("no words")


def test_nobody_who_logs_hears_of_a_terminal_that_is_gone_or_of_a_value_without_words(tmp_path: Path) -> None:
    path = logs.configure(LogSettings(dir=str(tmp_path)), terminal=Gone())
    logger.bind(event="test.lost", value=Nameless()).info("lost")
    logger.bind(event="test.kept").info("kept")
    assert [msgspec.json.decode(line)["event"] for line in path.read_bytes().splitlines()][-1] == "test.kept"
