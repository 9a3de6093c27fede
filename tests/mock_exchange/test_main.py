"""The exchange as a command: what it prints, what it writes, how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from mock_exchange.events import SECOND, Event
from mock_exchange.faults import describe
from mock_exchange.market import tape
from mock_exchange.run import run, write_tape
from mock_exchange.settings import ExchangeSettings
from service.cli import main
from tests.support.live import ROOT, environment

START = 1_767_623_400 * SECOND
COMMAND = [sys.executable, "-W", "error", "-m", "microbot", "exchange"]
Process = subprocess.Popen[str]
PATIENCE_S = 240
"""Real seconds after which a test that hangs fails."""


@contextlib.contextmanager
def a_process(*options: str, command: Sequence[str] = (*COMMAND, "--port", "0")) -> Iterator[tuple[Process, str]]:
    """Start an exchange on any port; yield it and the first line it prints."""
    pipe = subprocess.PIPE
    with Process(
        [*command, *options], cwd=ROOT, env=environment(), stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as it:
        try:
            assert it.stdout is not None
            yield it, it.stdout.readline()
        finally:
            it.kill()


def test_the_first_line_says_where_it_listens_and_that_it_waits() -> None:
    with a_process("--symbols", "aapl,NVDA", "--seed", "3", "--speed", "2.5") as (_, line):
        pattern = r"mock exchange: listening on ws://127\.0\.0\.1:\d+ \(AAPL, NVDA; seed 3; speed 2\.5x\), "
        assert re.fullmatch(pattern + "waiting for clients\n", line)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order_with_a_client_connected(number: signal.Signals) -> None:
    async def last_words(process: Process, url: str) -> int | None:
        async with asyncio.timeout(PATIENCE_S), connect(url) as ws:
            await ws.recv()
            process.send_signal(number)
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await ws.recv()
            return ws.close_code

    with a_process() as (process, line):
        url = line.split()[4]
        assert asyncio.run(last_words(process, url)) == 1001
        _, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert "Traceback" not in errors


def test_the_end_of_standard_input_ends_it_if_it_was_told_to() -> None:
    command = [sys.executable, "-W", "error", "-m", "service.live.exchange"]
    with a_process('{"port": 0}', command=command) as (process, _):
        _, errors = process.communicate(timeout=PATIENCE_S)  # closes its standard input
        assert process.returncode == 0
        assert "Traceback" not in errors


def test_a_port_in_use_ends_it_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(ExchangeSettings(port=port)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"mock exchange: cannot listen on 127.0.0.1:{port}: the port is in use\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--port", "x"], "invalid value for '--port'"),
        (["--port", "70000"], "[exchange]: port must be from 0 to 65535, not 70000"),
        (["--speed", "0"], "[exchange]: speed must be above 0 and at most 1000, not 0"),
        (["--symbols", "AAPL,aapl"], "[exchange]: symbols must differ, but AAPL is named twice"),
        (["--start-at", "2026-01-05T09:30:00"], "start-at needs an offset from UTC"),
        (["--prot", "1"], "no such option: --prot"),
        (["--write-tape", "x", "--seconds", "0"], "--seconds wants a number above 0"),
    ],
)
def test_bad_options_end_it_with_one_sentence(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["exchange", *options])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith(f"microbot: {sentence}")
    assert err.count("\n") == 1


def test_a_tape_written_by_another_process_is_the_same_tape(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    options = ["--write-tape", str(path), "--seconds", "60", "--seed", "3", "--start-at", "2026-01-05T09:30:00-05:00"]
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    events = [msgspec.json.decode(line, type=Event) for line in path.read_bytes().splitlines()]
    assert events == list(tape(["AAPL", "MSFT"], 3, START, 60))
    assert done.stdout == f"mock exchange: wrote {len(events):,} events of 60 s to {path}\n"


def test_a_compressed_tape_holds_the_same_lines_and_is_the_same_file_each_time(tmp_path: Path) -> None:
    settings = ExchangeSettings(symbols=("AAPL",), start_at=START)
    for name in ("plain.jsonl", "one.jsonl.gz", "two.jsonl.gz"):
        assert write_tape(tmp_path / name, settings, 30) == 0
    one, two = ((tmp_path / name).read_bytes() for name in ("one.jsonl.gz", "two.jsonl.gz"))
    assert one == two
    assert gzip.decompress(one) == (tmp_path / "plain.jsonl").read_bytes()


def test_a_tape_that_cannot_be_written_is_told_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "missing" / "tape.jsonl"
    assert write_tape(path, ExchangeSettings(), 1) == 2
    assert capsys.readouterr().err == f"mock exchange: cannot write {path}: no such file or directory\n"


def test_all_faults_are_named_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["exchange", "--faults", "list"])
    assert not ended.value.code
    assert capsys.readouterr().out == describe() + "\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--fault", "drp"], "[exchange]: there is no fault 'drp'; did you mean drop?"),
        (["--faults", "missing.txt"], "--faults missing.txt cannot be read: No such file or directory"),
        (["--key", "nocolon"], "[exchange]: keys must be pairs such as KEY:SECRET"),
        (["--key", "A:1", "--key", "A:2"], "[exchange]: keys must differ, but A is named twice"),
    ],
)
def test_bad_faults_and_keys_end_it_with_one_sentence(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["exchange", *options])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"microbot: {sentence}")


def test_faults_come_from_a_file_and_from_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "faults.txt"
    file.write_text("# a bad day\nlatency:5\n")
    with a_process("--faults", str(file), "--fault", "gaps:0.1", "--key", "ANN:1") as (_, line):
        url = line.split()[4].replace("ws://", "http://")
        with urllib.request.urlopen(f"{url}/control/faults", timeout=PATIENCE_S) as response:
            assert msgspec.json.decode(response.read())["faults"] == ["latency:5", "gaps:0.1"]
