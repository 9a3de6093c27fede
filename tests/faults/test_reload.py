"""A strategy is saved while it trades: no tick is lost or heard twice, and the recordings prove it without the file."""

from __future__ import annotations

import json
import signal
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec

from actors.messages import ReplaceStrategy
from pipeline.events import Trade
from service.recorded import tapes
from service.recorded.decisions import Changes
from service.recorded.diff import compare
from service.recorded.trust import Trust
from tests.support.bots import Log
from tests.support.live import Bot, microbot, wait_until

MINE = '''
"""Signals at every nth tick, and tells in it how many it has heard, which tick it is, and which version speaks."""

from beside import VERSION
from microbot import Side, Signal, Step, op, param


def counting(every):
    def make(emit, scheduler):
        heard = 0

        def on_next(tick):
            nonlocal heard
            heard += 1
            if heard % every == 0:
                side = Side.LONG if heard % (2 * every) else Side.SHORT
                emit(Signal(tick.symbol, tick.ts, side, tick.price, float(heard), float(tick.id), float(VERSION)))

        return Step(on_next)

    return op.lift(make)


def strategy(ticks):
    return ticks.pipe(counting(int(param("every", 5, 1, 100))))


exits = [op.time_stop(seconds=4), op.trailing_stop(0.0002)]
'''
SYMBOLS = ("AAPL", "MSFT", "NVDA", "SPY", "TSLA")
BUSY = (
    *("--speed", 40, "--seed", 7, "--symbols", ",".join(SYMBOLS), "--set", "risk.daily_loss_limit=-0.9"),
    *("--set", "admission.max_skew_s=3600"),  # a busy machine is late
)


def save(folder: Path, version: int, text: str = MINE) -> None:
    (folder / "beside.py").write_text(f"VERSION = {version}\n")
    (folder / "mine.py").write_text(text)


def ticks(path: Path) -> dict[str, list[Any]]:
    """Return the ids of the trades in a recording, by symbol: the exchange counts each symbol's from 1."""
    found = defaultdict(list)
    for batch in tapes.read(path):
        for event in batch:
            if isinstance(event, Trade):
                found[event.symbol].append(event.id)
    return found


def reloads(path: Path) -> list[ReplaceStrategy]:
    return [event for batch in tapes.read(path) for event in batch if isinstance(event, ReplaceStrategy)]


def began_with(path: Path) -> str:
    first = tapes.recorded_settings(path)
    assert first is not None
    assert first.watched is not msgspec.UNSET
    return first.watched.source.files["beside.py"]


def recordings(folder: Path) -> list[Path]:
    return sorted((folder / "data" / "sessions").glob("*.gz"))


def signals(path: Path, folder: Path) -> list[dict[str, Any]]:
    """Decide on a recording again, and return its signals."""
    done = microbot("replay", path, "--out", folder / "decided", cwd=folder)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (folder / "decided" / "signals.jsonl").read_text().splitlines()]


def test_reloads_under_load_lose_and_repeat_no_tick(tmp_path: Path) -> None:
    save(tmp_path, 1)
    with Bot(tmp_path, *BUSY, "--strategy", "mine.py:strategy", "--watch", "--set", "strategy.every=3") as bot:
        log = Log(bot)
        bot.until(lambda state: state["metrics"]["trades"] > 3)
        for version in range(2, 6):
            save(tmp_path, version)
            wait_until(lambda n=version - 1: len(log.of("strategy.replaced")) == n)  # type: ignore[misc]
            said = len(log.of("signal.approved")) + len(log.of("signal.refused"))
            wait_until(lambda n=said: len(log.of("signal.approved")) + len(log.of("signal.refused")) > n + 20)  # type: ignore[misc]
            if version == 3:
                save(tmp_path, 3, MINE.replace("return op.lift(make)", "return op.lift(make"))
                wait_until(lambda: log.of("strategy.refused") != [])
                notices = bot.until(lambda state: any("refused" in n["text"] for n in state["notices"]))["notices"]
                assert any("SyntaxError: '(' was never closed" in notice["text"] for notice in notices)
        summary = bot.stop()
    assert "SyntaxError: '(' was never closed (mine.py:" in "".join(bot.said)
    for name in ("mine.py", "beside.py"):
        (tmp_path / name).unlink()

    (path,) = recordings(tmp_path)
    counted = ticks(path)
    assert {symbol: ids for symbol, ids in counted.items() if ids != list(range(1, len(ids) + 1))} == {}
    assert sum(map(len, counted.values())) == summary["ticks"]
    assert [event.source.files["beside.py"] for event in reloads(path)] == [f"VERSION = {n}\n" for n in range(2, 6)]

    done = microbot("replay", path, "--json", cwd=tmp_path)
    assert json.loads(done.stdout) == summary
    compared = microbot("diff", path, "--json", cwd=tmp_path)
    assert json.loads(compared.stdout)["equal"], compared.stdout

    found = signals(path, tmp_path)
    # Of each symbol, whichever version speaks has heard as many ticks as there were.
    assert [one for one in found if one["momentum"] != one["volume_ratio"]] == []
    assert {one["range"] for one in found} == {1, 2, 3, 4, 5}
    for symbol in SYMBOLS:
        heard = [one["momentum"] for one in found if one["symbol"] == symbol]
        assert heard == [3.0 * n for n in range(1, len(heard) + 1)]
        assert len(heard) == len(counted[symbol]) // 3


def test_each_session_of_a_run_holds_the_strategy_that_it_began_with_and_a_kill_forgets_no_reload(
    tmp_path: Path,
) -> None:
    save(tmp_path, 1)
    options = (*BUSY, "--strategy", "mine.py:strategy", "--watch", "--set", "record.session_bytes=20000")
    with Bot(tmp_path, *options) as bot:
        log = Log(bot)
        for version in (2, 3, 4):
            begun = max(1, len(recordings(tmp_path)))  # one more begins with the version before
            wait_until(lambda n=begun: len(recordings(tmp_path)) > n)  # type: ignore[misc]
            save(tmp_path, version)
            wait_until(lambda n=version: len(log.of("strategy.replaced")) == n - 1)  # type: ignore[misc]
        said = len(log.of("signal.approved"))
        wait_until(lambda: len(log.of("signal.approved")) > said)
        bot.process.send_signal(signal.SIGKILL)
    save(tmp_path, 5)
    for path in recordings(tmp_path):
        found = compare(path, None, Changes(), Changes(), Trust(tmp_path / "data"))
        assert found.equal, msgspec.json.encode(found)
    assert {"VERSION = 1\n", "VERSION = 2\n", "VERSION = 3\n"} <= {began_with(path) for path in recordings(tmp_path)}

    with Bot(tmp_path, *options) as bot:
        before = len(Log(bot).of("signal.approved"))
        log = Log(bot)
        wait_until(lambda: len(log.of("signal.approved")) > before + 3)
        bot.stop()
    assert began_with(recordings(tmp_path)[-1]) == "VERSION = 5\n"
