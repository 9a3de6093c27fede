"""`microbot run`, as a process: what it shows, what it takes, how it ends, and what it leaves behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.book import Book
from actors.brokers.simulated import ExecutionSettings
from actors.engine.core import Core, Input
from actors.gateway.journal import Entry, MemoryJournal
from mock_exchange.market import tape
from service import cli, logs
from service.cli import terminal
from service.live import assembly, bookkeeping, children, run
from service.options import Outcome, RunOptions
from service.recorded.recording import Recorder
from service.settings import LIVE_COSTS, Settings, load
from tests.support.live import Bot, a_venue, alive, loguru_restored, microbot, stay, wait_until
from tests.support.market import START

EAGER = (
    *("strategy.window_size=3", "strategy.entry_threshold=0.0001", "strategy.volume_spike_multiplier=0.5"),
    *("strategy.volatility_guard_threshold=0.00005", "risk.cooldown_trades_after_loss=0"),
)
"""Settings that enter within a second or two of the market that a seed makes."""

PATIENT = (
    *("strategy.profit_target=0.5", "strategy.stop_loss=0.5"),
    *("strategy.time_stop_seconds=100000", "strategy.flat_seconds=100000"),
)
"""Settings that leave nothing again by themselves."""


def with_settings(*assignments: str) -> list[str]:
    return [word for assignment in assignments for word in ("--set", assignment)]


FAST = ("--seed", "7", "--speed", "50", *with_settings(*EAGER))

LIVE = load(defaults=LIVE_COSTS, environment={}).execution

METRICS = {
    *("ticks", "ticks_late", "ticks_rejected", "trades", "wins", "losses", "breakeven", "win_rate", "total_pnl"),
    *("daily_pnl", "equity", "max_drawdown", "max_drawdown_pct", "current_drawdown", "consecutive_losses", "halted"),
    "open_positions",
}
"""What summary.json and the dashboard both name."""


def test_a_bot_without_a_broker_starts_without_the_client_of_one() -> None:
    """aiohttp takes as long to load as all the rest."""
    code = "import sys, research.cli, service.live.run; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """One bot for all the tests that leave it running."""
    with Bot(tmp_path_factory.mktemp("bot"), *FAST) as bot:
        bot.until(lambda state: state["metrics"]["ticks"] > 0)
        yield bot


# ----------------------------------------------------------------------------------------------- what a fill costs


@pytest.mark.parametrize(
    ("arguments", "execution"),
    [
        ((), LIVE),
        (("--feed", "tape:t.jsonl"), LIVE),
        (("--venue", "binance", "--symbols", "BTCUSDT"), msgspec.structs.replace(LIVE, fees="none")),
        (("--venue", "alpaca", "--rehearse"), ExecutionSettings(fees="alpaca")),
        (("--venue", "alpaca", "--rehearse", "--set", "exchange.paper=true"), ExecutionSettings()),
        (("--venue", "alpaca", "--symbols", "AAPL"), ExecutionSettings()),
        (("--set", "execution.slippage_bps=0"), msgspec.structs.replace(LIVE, slippage_bps=0.0)),
        (("--config", "settings.toml"), msgspec.structs.replace(LIVE, latency_ms=5.0)),
    ],
    ids=["exchange", "tape", "venue", "broker", "paper broker", "paper account", "--set", "--config"],
)
def test_fills_are_simulated_with_costs_unless_it_is_told_otherwise(
    arguments: tuple[str, ...], execution: ExecutionSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings.toml").write_text("[execution]\nlatency_ms = 5\n")
    found: list[Settings] = []

    def take(settings: Settings, *_: object) -> Outcome:
        found.append(settings)
        return Outcome({"failed": {}}, (), None)

    monkeypatch.setattr(run, "run", take)
    with loguru_restored(), pytest.raises(SystemExit) as ended:
        cli.main(["run", *arguments])
    assert ended.value.code == 0
    assert [settings.execution for settings in found] == [execution]


# --------------------------------------------------------------------------------------------------- while it runs


def test_the_dashboard_is_there_healthy_and_its_ticks_grow(bot: Bot) -> None:
    assert bot.dashboard.startswith("http://127.0.0.1:")
    assert bot.get("/healthz")[0] == 200
    before = bot.state["metrics"]["ticks"]
    state = bot.until(lambda state: state["metrics"]["ticks"] > before)
    assert set(state["metrics"]) >= METRICS
    assert set(state["symbols"]) == {"AAPL", "MSFT"}
    assert state["session"]["strategy"] == "momentum_burst"
    assert state["session"]["session"].split()[-1] in ("EST", "EDT")  # in the zone of all times on the dashboard


def test_the_dashboard_is_opened_in_a_browser_where_that_is_wished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in one of the terminal, which returns when it is closed: nobody waits for that."""
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > opened\nexec sleep 5\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    with Bot(tmp_path, *FAST, "--open") as bot:
        bot.until(lambda state: state["metrics"]["ticks"] > 0)
        wait_until((tmp_path / "opened").exists)
        assert (tmp_path / "opened").read_text().strip() == bot.dashboard


def test_a_loop_that_only_starts_is_not_called_stuck(bot: Bot) -> None:
    log = (bot.folder / "logs" / "microbot.jsonl").read_bytes()
    assert b'"gate.stall"' not in log


def test_commands_act_on_it_and_the_last_one_lifts_them_all(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    for command, state in (
        ("pause", "PAUSED"),
        ("resume", "ACTIVE"),
        ("reduce", "REDUCING"),
        ("flatten", "PAUSED"),
        ("halt", "HALTED"),
        ("resume", "ACTIVE"),
    ):
        with pytest.raises(SystemExit) as ended:
            cli.main([command, "--data-dir", str(bot.folder / "data"), "--reason", f"to see {command}"])
        assert ended.value.code == 0
        found = bot.until(lambda found, state=state: found["state"]["state"] == state)  # type: ignore[misc]
        if state != "ACTIVE":
            assert found["state"]["reason"] == f"to see {command}"


def test_a_command_that_changes_nothing_is_not_said_to_have_done_something(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    for command in ("halt", "pause", "resume", "resume"):
        with pytest.raises(SystemExit):
            cli.main([command, "--data-dir", str(bot.folder / "data")])
    halted, *others = capsys.readouterr().out.splitlines()
    assert halted.endswith("trading is HALTED now")
    assert others == [
        "pause: trading stays HALTED: only `resume` lifts that",
        "resume: trading is ACTIVE now",
        "resume: trading was ACTIVE already",
    ]


def test_a_second_bot_on_the_same_folder_is_refused(bot: Bot) -> None:
    second = microbot("run", "--port", "0", "--exchange-port", "0", "--data-dir", bot.folder / "data", cwd=bot.folder)
    assert second.returncode == 1
    assert said(second.stderr) == 1
    assert str(bot.process.pid) in second.stderr
    assert bot.dashboard in second.stderr
    assert bot.get("/healthz")[0] == 200


def said(stderr: str) -> int:
    """Count the sentences that are no log events."""
    assert "Traceback" not in stderr
    return sum(bool(line) and not line.startswith("[") for line in stderr.splitlines())


def closes(bot: Bot, symbol: str) -> dict[float, float]:
    """Return the last price of each second that the dashboard's chart of a symbol has."""
    since = bot.state["now"] // 1_000_000_000 - 1_900
    _, told = bot.get(f"/api/chart/{symbol}?points=2000&from={since}")
    assert told["width"] == 1
    return dict(zip(told["bars"]["time"], told["bars"]["close"], strict=True))


def test_a_killed_web_process_comes_back_at_the_same_place_and_knows_the_trades(tmp_path: Path) -> None:
    with Bot(tmp_path, *with_settings(*EAGER)) as bot:
        before = bot.until(lambda state: state["trades"])
        charts = {symbol: closes(bot, symbol) for symbol in before["symbols"]}
        port, ticks, old = bot.port, before["metrics"]["ticks"], bot.children["web"]

        def told_of(state: dict[str, Any]) -> bool:  # of each symbol, as much as before
            return all(state["symbols"][symbol]["seen"] >= shown["seen"] for symbol, shown in before["symbols"].items())

        os.kill(old, signal.SIGKILL)
        wait_until(lambda: bot.children.get("web", old) != old)
        after = bot.until(lambda state: state["metrics"]["ticks"] > ticks and told_of(state))
        assert bot.port == port
        assert [trade for trade in before["trades"][-5:] if trade not in after["trades"]] == []
        for symbol in before["symbols"]:
            # All but the newest second, which was not over yet.
            *over, _ = charts[symbol].items()
            again = closes(bot, symbol)
            assert {second: again.get(second) for second, _ in over} == dict(over)
        assert bot.process.poll() is None


# --------------------------------------------------------------------------------------------------------- its ends


def test_asked_to_stop_it_closes_what_is_open_sums_up_and_leaves_nothing_running(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST, *with_settings(*PATIENT), "--symbols", "AAPL") as bot:
        state = bot.until(lambda state: state["positions"])
        assert set(state["symbols"]) == {"AAPL"}
        assert state["feed"]["state"] == "LIVE"
        children = bot.children
        assert set(children) == {"web", "service.live.exchange"}
        summary = bot.stop(signal.SIGTERM)
        assert set(summary) >= METRICS
        assert summary["open_positions"] == 0
        assert summary["trades"] >= 1
        wait_until(lambda: not any(alive(pid) for pid in children.values()))
        assert not (tmp_path / "data" / "running.json").exists()
        closed = log_of(tmp_path, "trade.closed")
        assert closed[-1]["reason"] == "FLATTEN"
        assert len(closed) == summary["trades"]


def test_an_order_that_takes_its_time_is_not_waited_for_at_the_end(tmp_path: Path) -> None:
    """The recording's last word is the time at which it was filled, so that a replay ends as it did."""
    slow = ("execution.liquidity=displayed", "execution.participation=1", "execution.patience_s=3600")
    large = ("risk.position_size=60000", "risk.starting_equity=1e9")
    options = (*FAST, *with_settings(*PATIENT, *slow, *large), "--symbols", "AAPL", "--record", "r.jsonl")
    with Bot(tmp_path, *options) as bot:
        bot.until(lambda state: state["positions"])
        summary = bot.stop()
    assert summary["open_positions"] == 0
    replayed = microbot("replay", "r.jsonl", cwd=tmp_path)
    assert msgspec.json.decode(replayed.stdout) == summary


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_interrupted_and_told_to_keep_it_says_what_stays_open(number: signal.Signals, tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST, *with_settings(*PATIENT), "--on-exit", "keep") as bot:
        bot.until(lambda state: state["positions"])
        summary = bot.stop(number)
        assert summary["open_positions"] >= 1
        symbols = bot.line("still open: ").split(", ")
        assert len(symbols) == summary["open_positions"]
        assert set(symbols) <= {"AAPL", "MSFT"}
        assert not log_of(tmp_path, "trade.closed")


def test_nothing_in_the_current_folder_is_taken_for_a_module_of_the_bot(tmp_path: Path) -> None:
    for name in ("signal", "string", "select", "logging", "json", "uvloop"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('this is not the library')\n")
    for name in ("web", "service", "mock_exchange", "aiohttp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "signal.py").write_text("import reactivex\n\ndef strategy(ticks):\n    return reactivex.never()\n")
    with Bot(tmp_path, "--strategy", "signal.py") as bot:
        bot.until(lambda state: state["metrics"]["ticks"])
        bot.process.send_signal(signal.SIGTERM)
        assert bot.ended()["ticks"]


def test_a_lock_is_refused_answered_and_kept_over_a_kill(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST) as bot:
        bot.until(lambda state: state["metrics"]["ticks"])
        for given, said in (
            (("NOSUCH",), "no NOSUCH is traded here, only AAPL"),
            (("AAPL", "--until", "noon"), "--until wants a time such as 11:00"),
            (("AAPL", "--until", "2026-01-05 09:00"), "2026-01-05 09:00 is past: it is "),
        ):
            refused = microbot("lock", *given, cwd=tmp_path)
            assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr
        assert microbot("flatten", "", cwd=tmp_path).returncode == 2
        done = microbot("lock", "AAPL", "--until", "2199-01-05 11:00", "--reason", "earnings", cwd=tmp_path)
        # What follows depends on whether it holds a position at that moment.
        assert done.stdout.startswith("lock: AAPL is locked until 2199-01-05 11:00 (America/New_York)"), done.stderr
        flat = microbot("flatten", "MSFT", cwd=tmp_path)
        assert "MSFT is locked until `unlock`" in flat.stdout, flat.stderr
        bot.process.kill()
        bot.process.wait()
    with Bot(tmp_path, *FAST) as bot:
        locks = bot.until(lambda state: state["metrics"]["ticks"] and state["locks"])["locks"]
        assert locks == {
            "AAPL": "until 2199-01-05 11:00 (America/New_York): earnings",
            "MSFT": "until `unlock`: flatten from the terminal",
        }
        assert microbot("unlock", "MSFT", cwd=tmp_path).stdout == "unlock: MSFT is unlocked\n"
        bot.until(lambda state: set(state["locks"]) == {"AAPL"})


def test_an_unknown_symbol_has_no_strategy_to_restart(bot: Bot) -> None:
    bot.until(lambda state: state["metrics"]["ticks"])
    refused = microbot("restart", "NOSUCH", cwd=bot.folder)
    assert refused.returncode == 2
    assert "no NOSUCH is traded here" in refused.stderr


def test_killed_it_takes_the_other_two_processes_with_it(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST) as bot:
        bot.until(lambda state: state["metrics"]["ticks"])
        children = bot.children
        assert set(children) == {"web", "service.live.exchange"}
        bot.process.kill()
        bot.process.wait()
        wait_until(lambda: not any(alive(pid) for pid in children.values()))
        done = bot.command("pause")
        assert done.returncode == 2
        assert said(done.stderr) == 1


def test_after_its_duration_it_ends_by_itself(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST, "--duration", "0.3") as bot:
        assert bot.ended()["ticks"] >= 0


def log_of(folder: Path, event: str) -> list[dict[str, Any]]:
    """Return the lines of the log that are of one event."""
    lines = (folder / "logs" / "microbot.jsonl").read_bytes().splitlines()
    return [
        line for line in (msgspec.json.decode(line, type=dict[str, Any]) for line in lines) if line["event"] == event
    ]


# -------------------------------------------------------------------------------------------------- tapes and feeds


LATE = "admission.max_skew_s=100000"
"""A busy machine plays a fast tape late, and every second of ours is a thousand of the tape's."""


def write_tape(path: Path, seconds: float) -> int:
    """Write the market with a seed as a tape; return its trades."""
    lines = [msgspec.json.encode(event) for event in tape(("AAPL", "MSFT"), 7, START, seconds)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return sum(b'"trade"' in line for line in lines)


def test_a_tape_ends_the_session_by_itself_and_its_recording_replays_to_the_same(tmp_path: Path) -> None:
    trades = write_tape(tmp_path / "tape.jsonl", 300)
    feed = ("--feed", "tape:tape.jsonl", "--speed", "1000", *with_settings(*EAGER, LATE))
    with Bot(tmp_path, *feed, "--record", "r.jsonl.gz") as bot:
        summary = bot.ended()
    assert summary["ticks"] == trades
    assert summary["trades"] >= 3
    replayed = microbot("replay", "r.jsonl.gz", "--out", "out", cwd=tmp_path)
    assert replayed.returncode == 0, replayed.stderr
    assert msgspec.json.decode(replayed.stdout) == summary
    closed = log_of(tmp_path, "trade.closed")
    again = [msgspec.json.decode(line) for line in (tmp_path / "out" / "trades.jsonl").read_bytes().splitlines()]
    assert [(t["id"], t["pnl"], t["exit_ts"]) for t in again] == [
        (t["decision"], t["pnl"], t["exit_ts"]) for t in closed
    ]


def test_a_venue_that_refuses_us_ends_the_session_with_one_sentence(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_venue(stay, statuses=(403,) * 20) as venue:
            command = ("run", "--feed", venue.url, "--port", "0")
            done = await asyncio.to_thread(microbot, *command, cwd=tmp_path)
            assert done.returncode == 1
            assert sum(line.startswith("microbot: ") for line in done.stderr.splitlines()) == 1
            assert "403" in done.stderr
            assert "Traceback" not in done.stderr
            assert venue.asked == 1

    asyncio.run(scenario())


# --------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "arguments",
    [
        ("--feed", "http://127.0.0.1:1"),
        ("--feed", "127.0.0.1:1"),
        ("--feed", "ws://host:99999"),
        ("--feed", "ws://host:0"),
        ("--feed", "ws://host:port"),
        ("--feed", "ws://[::1"),
        ("--feed", "ws://a..b"),
        ("--feed", "wss://"),
        ("--venue", "binance", "--symbols", "A", "--url", "http://host:99999"),
        ("--venue", "binance", "--symbols", "A", "--url", "ws://[::1"),
        ("--feed", "tape:nowhere.jsonl"),
        ("--feed", "tape:."),
        ("--feed", "tape:torn.jsonl.gz"),
        ("--feed", "tape:diary.txt"),
        ("--speed", "0"),
        ("--speed", "-1"),
        ("--speed", "nan"),
        ("--speed", "inf"),
        ("--speed", "5000"),
        ("--duration", "0"),
        ("--duration", "-5"),
        ("--duration", "nan"),
        ("--watchdog", "0"),
        ("--watchdog", "nan"),
        ("--account", "1"),
        ("--symbols", ""),
        ("--symbols", " , "),
        ("--symbols", "a_b"),
        ("--venue", "binance"),
        ("--venue", "nowhere", "--symbols", "A"),
        ("--venue", "binance", "--symbols", "A", "--feed", "ws://127.0.0.1:1"),
        ("--url", "ws://127.0.0.1:1"),
        ("--rehearse",),
        ("--rehearse", "--venue", "binance", "--symbols", "A"),
        ("--rehearse", "--venue", "alpaca", "--symbols", "A", "--url", "http://127.0.0.1:1"),
        ("--record", "r.jsonl", "--no-record"),
        ("--live",),
        ("--live", "--venue", "alpaca", "--symbols", "A"),
        ("--on-exit", "sell"),
        ("--set", "risk.position_size=-1"),
        ("--set", "execution.fill=never"),
        ("--port", "99999"),
        ("--exchange-port", "-1"),
        ("--seed", "1", "--set", "risk.position_sice=2"),
        ("--config", "nowhere.toml"),
        ("--strategy", "nowhere.py:strategy"),
        ("--record", "."),
        ("--record", "torn.jsonl.gz"),
        ("--data-dir", "torn.jsonl.gz"),
        ("--log-dir", "torn.jsonl.gz"),
        ("--data-dir", ""),
        ("--log-dir", ""),
        ("--set", "risk.position_size=1e308"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(assembly, "ExchangeProcess", Unneeded)
    (tmp_path / "torn.jsonl.gz").write_bytes(b"\x1f\x8b\x08nonsense")
    (tmp_path / "diary.txt").write_text("today it rained\n" * 50)
    assert refusal(capsys, "--port", "0", "--exchange-port", "0", *arguments).startswith("microbot: ")


def test_a_dashboard_port_in_use_is_one_sentence_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(assembly, "ExchangeProcess", Unneeded)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        sentence = refusal(capsys, "--port", port, code=1)
    assert port in sentence
    assert "dashboard" in sentence
    assert not (tmp_path / "data" / "running.json").exists()


def test_an_exchange_port_in_use_is_one_sentence_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        sentence = refusal(capsys, "--port", "0", "--exchange-port", port, code=1)
    assert port in sentence
    assert "exchange" in sentence


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """Run the command in this process until it ends with that code, and return the one sentence that it says."""
    with loguru_restored(), pytest.raises(SystemExit) as ended:
        cli.main(["run", *arguments])
    assert ended.value.code == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said(printed.err) == 1
    return next(line for line in printed.err.splitlines() if line and not line.startswith("["))


class Unneeded:
    """An exchange that says that it listens, where nobody will connect."""

    def __init__(self, *_: object, **__: object) -> None:
        self.url = "ws://127.0.0.1:9"
        self.refused = ""
        self.listening = asyncio.Event()

    async def run(self) -> str:
        self.listening.set()
        await asyncio.Event().wait()
        return ""


@pytest.mark.parametrize("arguments", [("--speed", "abc"), ("--on-exit", "sell"), ("--duration", ""), ("--nonsense",)])
def test_an_option_that_cannot_be_read_is_exit_code_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", *arguments])
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


# ------------------------------------------------------------------------------------------- what fails on the inside


def run_a_tape(folder: Path, record: Path | None = None, core: type[Core] = Core) -> Outcome:
    """Play a tape through the command's own wiring, in this process."""
    write_tape(folder / "tape.jsonl", 60)
    assignments = ["web.port=0", f"log.dir='{folder / 'logs'}'", LATE, *EAGER]
    feed = f"tape:{folder / 'tape.jsonl'}"
    options = RunOptions(feed=feed, speed=100.0, record=record, data_dir=folder / "data")
    with loguru_restored():
        settings = load(assignments=assignments, environment={})
        logs.configure(settings.log)
        return run.run(settings, options, lambda sentence: None, core)


def test_a_core_that_fails_ends_the_session_with_its_error(tmp_path: Path) -> None:
    class Failing(Core):
        def run(self, inputs: Any) -> None:
            super().run(inputs)
            if self.ticks > 5:
                raise ZeroDivisionError("a fault of ours")

    outcome = run_a_tape(tmp_path, core=Failing)
    assert outcome.failure == "the core failed: ZeroDivisionError: a fault of ours"
    assert not (tmp_path / "data" / "running.json").exists()


def test_a_journal_that_fails_halts_the_bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(MemoryJournal):
        def append(self, number: int, facts: Sequence[Entry], book: Book | None = None) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(bookkeeping, "MemoryJournal", Full)
    outcome = run_a_tape(tmp_path)
    assert outcome.failure == "the journal does not hold all of this session: [Errno 28] No space left on device"
    assert outcome.summary["halted"] is True
    assert outcome.summary["open_positions"] == 0


def test_the_feeds_inputs_the_clocks_and_the_commands_all_pass_one_way(tmp_path: Path) -> None:
    threads: set[str] = set()
    fed: list[str] = []

    class Watched(Core):
        def run(self, inputs: Any) -> None:
            events: list[Input] = list(inputs)
            threads.add(threading.current_thread().name)
            fed.extend(type(event).__name__ for event in events)
            super().run(events)

    outcome = run_a_tape(tmp_path, core=Watched)
    assert outcome.failure == ""
    assert threads == {threading.current_thread().name}
    assert {"FeedChanged", "Trade", "Quote", "Clock"} <= set(fed)


def test_a_recording_that_stops_is_told_once_and_does_not_stop_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopping(Recorder):
        def write(self, inputs: Sequence[Input]) -> None:
            self.failed = "the disk is full"
            self.lost = 1234

    monkeypatch.setattr(assembly, "Recorder", Stopping)
    outcome = run_a_tape(tmp_path, tmp_path / "r.jsonl")
    assert outcome.failure == ""
    assert outcome.record_failure == "the disk is full (1,234 inputs are not in it)"
    assert outcome.summary["ticks"]
    assert [line["message"] for line in log_of(tmp_path, "recording.stopped")] == ["the disk is full"]


def test_the_last_words_of_a_session_name_what_a_full_disk_kept_from_the_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def last_words(failure: str) -> str:
        terminal.print_outcome(Outcome({"failed": {}}, (), Path("r.jsonl"), failure), tmp_path / "log")
        return capsys.readouterr().err

    assert "recorded: r.jsonl" in last_words("")
    assert "recorded:" not in last_words("the recording stopped")
    assert "microbot: the recording stopped\n" in last_words("the recording stopped")


def test_a_session_that_does_not_start_leaves_no_recording_in_the_way_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "nowhere.jsonl" in refusal(capsys, "--feed", "tape:nowhere.jsonl", "--record", "r.jsonl")
    assert not (tmp_path / "r.jsonl").exists()


# -------------------------------------------------------------------------------------------- what sessions fell over


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
def test_the_recording_of_a_bot_that_was_killed_replays_up_to_its_last_whole_line(name: str, tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST, "--record", name) as bot:
        seen = bot.until(lambda state: state["metrics"]["ticks"] > 20)["metrics"]["ticks"]
        bot.until(lambda state: state["metrics"]["ticks"] > seen)  # what was seen before is written by now
        bot.process.kill()
        bot.process.wait()
    replayed = microbot("replay", name, cwd=tmp_path)
    assert replayed.returncode == 0, replayed.stderr
    summary = msgspec.json.decode(replayed.stdout)
    assert summary["ticks"] >= seen
    assert summary["ticks_rejected"] == 0
    if name.endswith(".gz"):
        assert f"{name} ends in mid-stream" in replayed.stderr


@pytest.mark.parametrize("on_exit", ["flatten", "keep"])
def test_the_recording_of_a_busy_session_replays_to_the_summary_that_it_printed(on_exit: str, tmp_path: Path) -> None:
    busy = ("--speed", "1000", *with_settings(*EAGER, LATE), "--on-exit", on_exit, "--record", "r.jsonl")
    with Bot(tmp_path, *busy) as bot:
        bot.until(lambda state: state["metrics"]["trades"] >= 3)
        summary = bot.stop()
    replayed = microbot("replay", "r.jsonl", cwd=tmp_path)
    assert msgspec.json.decode(replayed.stdout) == summary


def test_a_killed_exchange_comes_back_and_its_ticks_with_it(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST) as bot:
        before = bot.until(lambda state: state["metrics"]["ticks"] > 20)["metrics"]
        old = bot.children["service.live.exchange"]
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: bot.children.get("service.live.exchange", old) != old)
        after = bot.until(lambda state: state["metrics"]["ticks"] > before["ticks"] + 20)["metrics"]
        assert after["ticks_rejected"] == before["ticks_rejected"]


def test_a_web_process_that_never_listens_is_given_up_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Mute(Unneeded):
        async def run(self) -> str:
            await asyncio.Event().wait()
            return ""

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(assembly, "ExchangeProcess", Unneeded)
    monkeypatch.setattr(assembly, "WebProcess", Mute)
    monkeypatch.setattr(children, "_START_S", 0.01)
    assert "dashboard" in refusal(capsys, "--port", "0", code=1)  # the machine may have been busy


class Slow(Unneeded):
    """A process that takes for ever to start, and whose bot is asked to stop meanwhile."""

    ended = 0

    async def run(self) -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            type(self).ended += 1
        return ""


@pytest.mark.parametrize("child", ["ExchangeProcess", "WebProcess"])
def test_asked_to_stop_while_another_process_still_starts_it_does_not_wait_for_it(
    child: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = Slow.ended
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(assembly, "ExchangeProcess", Unneeded)
    monkeypatch.setattr(assembly, child, Slow)
    with loguru_restored(), pytest.raises(SystemExit) as code:
        cli.main(["run", "--port", "0", "--json", "--record", "r.jsonl"])
    assert code.value.code == 0
    assert msgspec.json.decode(capsys.readouterr().out)["ticks"] == 0
    assert Slow.ended == ended + 1
    assert not (tmp_path / "r.jsonl").exists()
    assert not (tmp_path / "data" / "running.json").exists()


def test_the_address_of_a_dashboard_on_ipv6_has_brackets(tmp_path: Path) -> None:
    with Bot(tmp_path, *FAST, *with_settings("web.host='::1'")) as bot:
        assert bot.dashboard.startswith("http://[::1]:")
