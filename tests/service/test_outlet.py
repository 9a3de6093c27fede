"""The outlet: a terminal or a pipe that takes nothing any more breaks nothing, and holds nobody up."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from service import cli, outlet
from service.outlet import OutputGone, Said, Told
from tests.support.live import MICROBOT, PATIENCE_S, environment


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_who_says_something_hears_of_no_error() -> None:
    print("x", file=Said(Broken()), flush=True)
    closed = io.StringIO()
    closed.close()
    print("x", file=Said(closed), flush=True)
    print("x", file=Said(None), flush=True)


def test_a_reader_who_does_not_read_holds_nobody_up_and_hears_what_was_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outlet, "_LAST_S", 0.01)
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        said = Said(stream)
        with said.behind():
            for number in range(5_000):
                said.write(f"{number} {'x' * 100}\n")
        with os.fdopen(reader) as reading:
            while "were not shown" not in (line := reading.readline()):
                assert line


def test_what_waits_at_the_end_is_written() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream, os.fdopen(reader) as reading:
        said = Said(stream)
        with said.behind():
            said.write("the last word\n")
        assert reading.readline() == "the last word\n"


def test_a_result_that_cannot_be_written_is_an_error_of_its_own() -> None:
    with pytest.raises(OutputGone) as gone:
        Told(Broken()).write("x")
    assert gone.value.is_left


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("command", [("--version",), ("exchange", "--faults", "list")])
def test_a_result_that_finds_the_disk_full_is_one_sentence_and_exit_code_1(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [str(MICROBOT), *command],
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_who_has_enough_is_no_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [str(MICROBOT), "exchange", "--faults", "list"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), stdout=writer, stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's closed descriptors")
def test_no_file_of_the_bot_becomes_what_was_closed_at_its_start(tmp_path: Path) -> None:
    shown = "import os; from service import outlet\nwith outlet.guarded(): print(os.open('/dev/zero', os.O_RDONLY) > 2)"
    command = f'{shlex.quote(sys.executable)} -c "{shown}" 2>&- 0<&-'
    done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment(), capture_output=True, check=False)
    assert done.stdout == b"True\n"


def test_the_streams_are_put_back() -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert (sys.stdout, sys.stderr) == before


def test_what_was_said_is_written_before_a_process_ends_at_once() -> None:
    """As one does whose loop is stuck: `os._exit` waits for no thread."""
    program = (
        "import os, sys\nfrom service import outlet\n"
        "with outlet.guarded(), outlet.nobody_waits():\n"
        "    for number in range(300): print('x' * 200, file=sys.stderr)\n"
        "    print('the last word', file=sys.stderr)\n    outlet.drain()\n    os._exit(7)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), check=False, stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == 7
    assert done.stderr.splitlines()[-1] == "the last word"
