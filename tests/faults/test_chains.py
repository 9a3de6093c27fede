"""A strategy that raises or dawdles: it costs its own symbol, is seen, and the others go on as if nothing had been."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.engine.core import Core
from actors.engine.strategy_instance import ChainSettings, InstanceState
from actors.messages import ChainFailed, ChainRemoved, ChainRestarted, Fact, PositionClosed, SignalRaised
from mock_exchange.events import Trade as Print
from mock_exchange.market import tape
from pipeline import operators as op
from pipeline.events import SECOND, Trade
from pipeline.operators.lift import Step
from pipeline.strategy import momentum_burst
from service import settings, strategies
from service.recorded import tapes
from tests.support.bots import Log
from tests.support.live import PATIENCE_S, Bot, microbot, wait_until
from tests.support.market import START
from tests.support.raising import raised_in
from tests.support.random_tapes import QUICK
from tests.support.sessions import Session

SICK = '''
"""The default strategy in a hurry, and the same with an operator that raises on every tick of AAPL."""

from reactivex import operators as ops

from pipeline.strategy import Strategy, StrategySettings, default_exits, momentum_burst

SETTINGS = StrategySettings(window_size=5, entry_threshold=0.0001, volume_spike_multiplier=0.5,
                            volatility_guard_threshold=0.0001)


def raising(tick):
    if tick.symbol == "AAPL":
        raise ValueError("my bug")
    return tick


def mistaken(ticks):
    return momentum_burst(SETTINGS).entries(ticks.pipe(ops.map(raising)))


sick = Strategy("sick", mistaken, default_exits(SETTINGS))
healthy = momentum_burst(SETTINGS)
'''

BUG = f"ValueError: my bug ({raised_in('mine.py', 'raise ValueError(', text=SICK)})"

SLOW = '''
"""The default strategy in a hurry; at AAPL's ticks it waits for a file."""

import time
from pathlib import Path

from reactivex import operators as ops

from pipeline.strategy import Strategy, StrategySettings, default_exits, momentum_burst

SETTINGS = StrategySettings(window_size=5, entry_threshold=0.0001, volume_spike_multiplier=0.5,
                            volatility_guard_threshold=0.0001)
LEAVE = Path(__file__).with_name("leave")


def waiting(tick):
    while tick.symbol == "AAPL" and not LEAVE.exists():
        time.sleep(0.01)  # here
    return tick


def dawdling(ticks):
    return momentum_burst(SETTINGS).entries(ticks.pipe(ops.map(waiting)))


slow = Strategy("slow", dawdling, default_exits(SETTINGS))
'''

FAST = ("--speed", 50, "--seed", 7, "--symbols", "AAPL,MSFT", "--set", "risk.daily_loss_limit=-0.9")


def of_msft(facts: list[Fact]) -> list[Any]:
    """Return what was decided for MSFT; equity is everybody's, and input numbers count removals, too."""
    decided = [fact for fact in facts if isinstance(fact, SignalRaised | PositionClosed)]
    plain = [msgspec.to_builtins(fact) for fact in decided]
    mine = [fact for fact in plain if "MSFT" in (fact.get("symbol"), fact.get("signal", {}).get("symbol"))]
    return [{name: value for name, value in fact.items() if name != "equity"} for fact in mine]


def replayed(path: Path, strategy: str) -> list[Fact]:
    """Decide on a recording again, with another strategy."""
    recorded = tapes.recorded_settings(path)
    assert recorded is not None
    effective = settings.load(environment={}, recorded=recorded.settings)
    facts: list[Fact] = []
    core = Core(effective.core, strategies.load(strategy, effective.strategy), facts.append)
    for batch in tapes.read(path):
        core.run(batch)
    core.finish()
    return facts


# ------------------------------------------------------------------------------------------------ an operator raises


def test_an_operator_that_raises_on_every_tick_leaves_the_other_symbols_ticks_and_decisions_as_they_are() -> None:
    """On an hour of the mock market, in the core itself."""
    prints = (event for event in tape(["AAPL", "MSFT"], 7, START, 3_600) if isinstance(event, Print))
    ticks = [Trade(event.symbol, event.ts, event.price, event.size, event.bid, event.ask) for event in prints]

    def chain(sick: str | None) -> Any:
        def raising(tick: Trade) -> Trade:
            if tick.symbol == sick:
                raise ValueError("my bug")
            return tick

        step = op.lift(lambda emit, scheduler: Step(lambda tick: emit(raising(tick))))
        return lambda ticks: momentum_burst(QUICK).entries(step(ticks))

    heard: dict[str | None, Session] = {
        sick: Session(entries=chain(sick), strategy=QUICK, chains=ChainSettings()).feed(*ticks)
        for sick in ("AAPL", None)
    }
    sick, healthy = heard["AAPL"], heard[None]
    assert len(of_msft(healthy.facts)) > 20
    assert of_msft(sick.facts) == of_msft(healthy.facts)
    assert sick.core.ticks == healthy.core.ticks == len(ticks)
    frames = [session.core.contexts["MSFT"].probe.ready for session in heard.values()]
    assert frames[0] == frames[1] > 1000
    assert (len(sick.of(ChainFailed)), len(sick.of(ChainRestarted))) == (4, 3)
    assert sick.core.contexts["AAPL"].instance.state is InstanceState.FAILED


def test_a_bot_restarts_a_strategy_that_raises_within_its_budget_shows_it_failed_and_trades_the_others(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.py").write_text(SICK)
    with Bot(tmp_path, *FAST, "--strategy", "mine.py:sick", "--record", "r.jsonl") as bot:
        state = bot.until(lambda state: state["symbols"]["AAPL"]["chain"].startswith("FAILED"))
        assert state["symbols"]["AAPL"]["chain"] == f"FAILED: {BUG}"
        assert state["chains"]["MSFT"] == "RUNNING"
        ticks = state["symbols"]["AAPL"]["seen"]
        bot.until(lambda state: state["symbols"]["AAPL"]["seen"] > ticks + 50 and len(state["trades"]) > 3)
        log = Log(bot)
        assert [line["restarts_left"] for line in log.of("chain.failed", symbol="AAPL")] == [2, 1, 0, 0]
        assert len(log.of("chain.restarted")) == 3
        assert (
            bot.command("restart", "AAPL").stdout
            == "restart: the strategy of AAPL restarts, and warms up; other symbols go on\n"
        )
        bot.until(lambda _: len(log.of("chain.failed")) == 8)
        refused = bot.command("restart", "TSLA")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "no TSLA is traded here, only AAPL, MSFT" in refused.stderr
        summary = bot.stop(code=3)
    assert summary["failed"] == {"AAPL": f"FAILED: {BUG}"}
    assert (summary["failures"]["count"], summary["failures"]["first"]["error"]) == (8, BUG)
    assert any(f"AAPL is FAILED: {BUG}" in line for line in bot.said)
    sick, healthy = (replayed(tmp_path / "r.jsonl", str(tmp_path / f"mine.py:{name}")) for name in ("sick", "healthy"))
    assert of_msft(sick) == of_msft(healthy)
    assert len(of_msft(sick)) > 3
    assert len([fact for fact in sick if isinstance(fact, ChainFailed)]) == 8


def test_to_fail_fast_ends_a_run_with_the_first_failure(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SICK)
    with Bot(tmp_path, *FAST, "--strategy", "mine.py:sick", "--fail-fast") as bot:
        summary = bot.ended(3)
    assert summary["failures"]["by_symbol"].keys() == {"AAPL"}
    assert any("--fail-fast ends the session" in line for line in bot.said)


def test_a_position_whose_exits_ended_is_shown_as_what_it_is_and_closed_by_the_fallback(tmp_path: Path) -> None:
    """The page says what guards it, and counts down to that; the log says it as well."""
    (tmp_path / "mine.py").write_text(
        f'{SICK}\nimport reactivex\nbare = Strategy("bare", healthy.entries, lambda held, market: reactivex.empty())\n'
    )
    options = (*FAST, "--strategy", "mine.py:bare", "--set", "risk.fallback_hold_s=120", "--record", "r.jsonl")
    with Bot(tmp_path, *options) as bot:
        (position, *_) = bot.until(lambda state: any(p["guard"] for p in state["positions"]))["positions"]
        assert (position["exits"], position["time_stop_ts"]) == ("NONE", None)
        assert position["guard"].startswith("the fallback alone (it closes it 0.5 % against it or 120 s after")
        assert position["fallback_ts"] == position["entry_ts"] + 120 * SECOND
        bot.until(lambda state: len(state["trades"]) > 1)
        assert {line["symbol"] for line in Log(bot).of("guard.changed")} <= {"AAPL", "MSFT"}
        assert Log(bot).of("guard.changed")
        bot.stop()
    closed = [
        f for f in replayed(tmp_path / "r.jsonl", str(tmp_path / "mine.py:bare")) if isinstance(f, PositionClosed)
    ]
    assert "FALLBACK" in {fact.exit_reason for fact in closed}
    assert {fact.exit_reason for fact in closed} <= {"FALLBACK", "FLATTEN"}


# ------------------------------------------------------------------------------------------------ an operator dawdles


def test_an_operator_that_dawdles_is_named_while_it_does_and_removed_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SLOW)
    here = [line.endswith("# here") for line in SLOW.splitlines()].index(True) + 1
    place, before = f"mine.py:{here}", f"mine.py:{here - 1}"  # the file that it waits for is looked for in between
    options = (*FAST, "--strategy", "mine.py:slow", "--set", "watch.budget_ms=100", "--set", "watch.gross_ms=300")
    with Bot(tmp_path, *options, "--record", "r.jsonl") as bot:
        stuck = bot.until(lambda state: "it is removed as soon as it returns" in state["symbols"]["AAPL"]["chain"])
        assert stuck["symbols"]["AAPL"]["chain"].startswith("SLOW: a tick took more than 300 ms, in mine.py:")
        slow = Log(bot).of("chain.slow")
        assert [(line["symbol"], line["level"]) for line in slow] == [("AAPL", "WARNING"), ("AAPL", "ERROR")]
        assert {line["place"] for line in slow} <= {place, before}
        assert bot.state["now"] == stuck["now"]  # the loop is still stuck: nothing else was heard of
        (tmp_path / "leave").touch()
        state = bot.until(lambda state: state["symbols"]["AAPL"]["chain"].startswith("REMOVED"))
        bot.until(
            lambda later: (
                later["symbols"]["MSFT"]["seen"] > state["symbols"]["MSFT"]["seen"] + 50 and len(later["trades"]) > 1
            )
        )
        assert len(Log(bot).of("chain.removed", symbol="AAPL")) == 1
        summary = bot.stop()
    assert summary["failed"]["AAPL"].startswith("REMOVED: a tick took more than 300 ms, in mine.py:")
    again = microbot("replay", "r.jsonl", "--json", "--trust", cwd=tmp_path)
    assert msgspec.json.decode(again.stdout) == summary
    facts = replayed(tmp_path / "r.jsonl", str(tmp_path / "mine.py:slow"))
    (removed,) = [fact for fact in facts if isinstance(fact, ChainRemoved)]
    aapl = [fact for fact in facts if isinstance(fact, SignalRaised) and fact.signal.symbol == "AAPL"]
    assert [fact for fact in aapl if fact.input > removed.input] == []


# ------------------------------------------------------------------------------------------ an operator never returns


def is_stuck(state: Any) -> bool:
    """Whether the dashboard names the strategy that does not return; the symbol may not be there yet."""
    return "AAPL" in state["symbols"] and "it is removed as soon as it returns" in state["symbols"]["AAPL"]["chain"]


NEVER = ("--strategy", "mine.py:slow", "--set", "watch.budget_ms=100", "--set", "watch.gross_ms=300")
STUCK = re.compile(
    r"the loop is stuck in mine\.py:\d+, of AAPL's chain, and cannot stop in order: "
    "the process ends; what is open stays in the book for the next start"
)


def test_a_halt_from_the_dashboard_gets_past_a_strategy_that_is_stuck_and_is_carried_out_once(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SLOW)
    with Bot(tmp_path, *FAST, *NEVER, "--set", "web.answer_timeout_s=20") as bot:
        bot.until(is_stuck)
        status, said = bot.post("/api/command", {"command": "halt", "id": "h", "reason": "lunch"})
        assert status == 200
        assert said["answer"].startswith("no entry leaves any more")
        assert (tmp_path / "data" / "HALT").is_file()
        status, again = bot.post("/api/command", {"command": "halt", "id": "h", "reason": "lunch"})
        assert (status, again["answer"]) == (200, said["answer"])
        (tmp_path / "leave").touch()
        bot.until(lambda state: state["state"]["state"] == "HALTED" and state["state"]["reason"] == "lunch")
        bot.until(lambda state: state["metrics"]["ticks"] > 50)
        assert [line["command"] for line in Log(bot).of("command.taken")] == ["halt"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_asked_to_stop_it_ends_and_names_the_line_although_the_loop_is_stuck(
    number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(SLOW)
    with Bot(tmp_path, *FAST, *NEVER) as bot:
        bot.until(is_stuck)
        bot.process.send_signal(number)
        assert bot.process.wait(PATIENCE_S) == 1
        wait_until(lambda: bot.said[-1:] == [""])  # all was heard
        assert sum(bool(STUCK.search(line)) for line in bot.said) == 1, bot.said
        assert [line["level"] for line in Log(bot).of("session.stuck")] == ["CRITICAL"]


def test_asked_twice_it_ends_at_once_although_the_loop_is_stuck(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SLOW)
    with Bot(tmp_path, *FAST, *NEVER) as bot:
        bot.until(is_stuck)

        def ended() -> bool:
            bot.process.send_signal(signal.SIGTERM)
            return bot.process.poll() is not None

        wait_until(ended)
        assert bot.process.returncode == 128 + signal.SIGTERM
