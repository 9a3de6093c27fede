"""The benchmarks run, and give the numbers that they promise. What the numbers are is nothing for a test."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import islice
from math import isfinite
from pathlib import Path

import msgspec
import pytest

from bench import tape
from bench.__main__ import BENCHMARKS, RESEARCH, chosen, main
from bench.results import Number, Options, Report, Target, percentile
from pipeline.venues.jsonl import JsonLines

_ALONE = ("serial.rate", "serial.each")
_SHARED_OUT = ("rate", "cpu", "each_task", "up")
KEYS = {
    "replay": [f"at_{rate}_a_second{what}" for rate in (5, 50) for what in ("", ".process")],
    "operators": [
        *("window", "momentum", "volume_spike", "volatility_guard", "bursts", "pipe", "candles"),
        *("profit_target", "stop_loss", "time_stop", "flat_market", "all_exits", "core_empty", "core", "loop"),
        *("twelve_conditions", "twelve_with_readings"),
    ],
    "symbols": [
        *(f"{n}.{what}" for n in (2, 10, 50, "ten_strategies") for what in ("together", "alone", "added")),
        "ten_strategies.more_calls",
    ],
    "memory": [f"{kind}.{what}" for kind in ("core", "session") for what in ("before", "after", "growth")],
    "throughput": [
        f"{n}_a_frame.{what}"
        for n in (1, 50)
        for what in (
            *("decoder", "feeder", "bot", "unrecorded"),
            *("feeder_ratio", "feeder_cpu_ratio", "bot_ratio", "bot_cpu_ratio"),
            *("recording_ratio", "recording_cpu_ratio"),
        )
    ],
    "latency": [
        *(f"{who}.{p}" for who in ("decoder", "bot", "bot_and_browsers") for p in ("p50", "p99", "p99.9")),
        *(f"{what}{suffix}" for suffix in ("", ".quietest") for what in ("p99_over_decoder", "p99_with_browsers")),
        *("bot_cpu", "browser_events", "venue_late_p99"),
    ],
    "notifying": [
        *(f"{who}.{p}" for who in ("without", "with") for p in ("p50", "p99")),
        "p99",
        "p99.quietest",
        "asked",
    ],
    "page": [
        *("first_numbers", "scripting_10x", "scripting_500x", "stream_of_60_symbols", "heap"),
        *("crowd_memory", "crowd_dropped", "crowd_tick_p99"),
    ],
    "columns": [
        f"at_{rate}_a_second.{name}{what}"
        for rate in (5, 50)
        for name in ("exact", "compiled_chain")
        for what in ("", "_ratio")
    ],
    "columns-long": [f"{name}.{what}" for name in ("exact", "compiled_chain") for what in ("cpu", "memory")],
    "sweeps": [f"settings_1000{what}" for what in ("", ".checked_50", ".all_kept")],
    "importing": [f"{source}{what}" for source in ("csv", "binance") for what in ("", ".peak")],
    "sharing": [f"{tape}.{what}" for tape in ("calm", "busy") for what in ("facts", "thresholds", "random")],
    "compiled": [
        *("one_symbol", "one_symbol.booked", "many_symbols", "many_symbols.booked"),
        *(("hftbacktest", "ratio", "hftbacktest_new_quotes", "ratio_new_quotes") if find_spec("hftbacktest") else ()),
        *("streamed", "memory", "cold_start", "cached_start"),
    ],
    "honesty": ["walks.luck", "walks.claimed", "walks.trades", "edge.found", "walks.cpu"],
    "workers": [  # and those of Ray, in full
        *(f"compiled.{what}" for what in (*_ALONE, *(f"threads.{each}" for each in _SHARED_OUT))),
        *(f"exact.{what}" for what in (*_ALONE, *(f"processes.{each}" for each in _SHARED_OUT))),
    ],
}


def test_every_benchmark_is_tested() -> None:
    assert KEYS.keys() == BENCHMARKS.keys()


def test_what_belongs_to_research_is_measured_in_one_run_each_once() -> None:
    found = chosen(["workers", "research"])
    assert found[0] == "workers"
    assert len(found) == len(set(found)) == len([name for name in RESEARCH if name in BENCHMARKS]) > 1
    assert chosen(None) == list(BENCHMARKS)


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs_and_gives_its_numbers(name: str, tmp_path: Path) -> None:
    result = BENCHMARKS[name](Options(tmp_path, quick=True))
    assert result.name == name
    assert result.keys == [f"{name}.{key}" for key in KEYS[name]]
    assert all(isfinite(number.value) for number in result.numbers)


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results" / "latest.json"
    assert main(["--quick", "--only", "symbols", "--json", str(path), "--shared", str(tmp_path)]) == 0
    report = msgspec.json.decode(path.read_bytes(), type=Report)
    assert [result.name for result in report.results] == ["symbols"]
    assert report.machine.commit
    assert report.quick
    said = capsys.readouterr().out
    assert "There is no yardstick" in said
    assert "10.added" in said


def test_a_replay_is_measured_beside_a_yardstick_where_there_is_one(tmp_path: Path) -> None:
    script = tmp_path / "fused.py"
    script.write_text("def run(lines):\n    return sum(1 for _ in lines), 0, []\n", encoding="utf-8")
    keys = BENCHMARKS["replay"](Options(tmp_path, script, quick=True)).keys
    wanted = [f"replay.at_{rate}_a_second.{what}" for rate in (5, 50) for what in ("fused", "ratio", "cpu_ratio")]
    assert set(wanted) <= set(keys)


def test_a_seed_fixes_a_tape_to_the_byte(tmp_path: Path) -> None:
    first, again = (
        tape.write(tmp_path / name, islice(tape.trades(7, 5), 500)).read_bytes() for name in ("first", "again")
    )
    assert first == again
    assert first != tape.write(tmp_path / "other", islice(tape.trades(8, 5), 500)).read_bytes()


def test_a_tape_is_read_as_it_was_made(tmp_path: Path) -> None:
    made = list(islice(tape.trades(7, 5), 500))
    assert JsonLines[object]().chunk(tape.write(tmp_path / "tape", made).read_bytes()) == made
    assert any(trade.bid is None for trade in made)
    assert any(trade.bid is not None for trade in made)


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([5, 1, 4, 2, 3], 0.5) == 3
    assert percentile(range(1, 1_001), 0.999) == 999
    assert percentile([7], 0.99) == 7


def test_a_target_is_a_bound_on_either_side() -> None:
    assert Number("a", 2.0, "x", Target(at_least=2.0)).met
    assert Number("a", 2.1, "x", Target(at_most=2.0)).met is False
    assert Number("a", 2.0, "x").met is None
