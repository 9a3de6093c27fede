"""The web process as the bot sees it: frames in, frames out, exit codes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from actors.messages import Command
from tests.web.builders import blocked, closed, feed, metrics, session, ticks
from tests.web.conftest import WebProcess
from web.__main__ import Given, read_arguments, serve
from web.hub import Hub
from web.messages import FromWeb, Listening
from web.pipe import MAX_FRAME, FrameWriter, from_web
from web.settings import MAY_PASS, WebSettings

SECRET = "the-secret-of-a-test"


def test_what_the_bot_says_can_be_read_as_state(web_process: WebProcess) -> None:
    with web_process.stream() as stream:
        web_process.tell(session(), feed(), ticks(150.0, 150.25), closed())
        stream.until("snapshot", lambda data: data["session"] is not None)
        web_process.tell(metrics(summary={"trades": 1}))
        stream.until("metrics", lambda data: data["+"]["metrics"]["="]["trades"] == 1)

    status, state = web_process.get("/api/state")
    assert status == 200
    assert state["symbols"]["AAPL"]["price"] == 150.25
    assert state["metrics"]["trades"] == 1
    assert state["trades"][0]["pnl"] == 0.23
    assert state["feed"]["state"] == "LIVE"


def test_a_users_command_comes_out_of_stdout_and_its_answer_in_at_stdin(web_process: WebProcess) -> None:
    with ThreadPoolExecutor(1) as browser:
        wish = {"command": "halt", "reason": "lunch"}
        answer = browser.submit(web_process.post, "/api/command", wish, Origin=web_process.url)
        assert web_process.next_command("trading is HALTED now") == Command("halt", 0, "dashboard", "lunch")

        assert answer.result() == (200, {"command": "halt", "changed": True, "answer": "trading is HALTED now"})


def test_when_the_bot_has_gone_browsers_are_told_and_the_process_exits_with_zero(web_process: WebProcess) -> None:
    web_process.tell(session(), feed())
    with web_process.stream() as stream:
        stream.until("snapshot", lambda data: data["session"] is not None)
        web_process.stdin.close()
        events = list(stream.events())

    assert ("bot", {"running": False}) in events
    assert web_process.exited() == (0, "")


def test_a_bot_that_is_killed_in_the_middle_of_a_frame_has_gone_too(web_process: WebProcess) -> None:
    web_process.write(FrameWriter().frame(session())[:-3])

    assert web_process.end() == (0, "")


def test_a_browser_that_does_not_read_does_not_delay_the_exit(web_process: WebProcess) -> None:
    with socket.create_connection(("127.0.0.1", web_process.port)) as lazy:
        lazy.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with web_process.stream() as stream:
            stream.until("snapshot")
            for i in range(20):
                web_process.tell(feed(reason=f"{i} " + "x" * 100_000))
            stream.until("feed")
        assert web_process.end()[0] == 0


def test_a_frame_that_is_no_message_is_skipped_with_a_word(web_process: WebProcess) -> None:
    with web_process.stream() as stream:
        stream.until("snapshot")
        web_process.write(b"\x00\x00\x00\x01\xc1" + FrameWriter().frame(blocked()))
        assert stream.until("burst")["reason"] == "NO_VOLUME_SPIKE"

    code, said = web_process.end()
    assert code == 0
    assert len(said.splitlines()) == 1


def test_a_pipe_out_of_step_ends_the_process_with_one(web_process: WebProcess) -> None:
    web_process.write((MAX_FRAME + 1).to_bytes(4, "big"))

    code, said = web_process.exited()
    assert code == 1
    assert len(said.splitlines()) == 1


def test_sigterm_ends_the_process_orderly_and_sigint_is_the_bots_business(web_process: WebProcess) -> None:
    web_process.process.send_signal(signal.SIGINT)
    assert web_process.get("/healthz")[0] == 200

    web_process.process.send_signal(signal.SIGTERM)
    assert web_process.exited() == (0, "")


def test_a_port_in_use_is_one_sentence_and_says_that_it_may_pass() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with WebProcess(port=port) as process:
            code, said = process.exited()

    assert code == MAY_PASS
    assert len(said.splitlines()) == 1
    assert str(port) in said


def test_a_host_that_is_not_ours_is_one_sentence_and_says_that_it_may_pass() -> None:
    with WebProcess(host="192.0.2.1", port=0, secret=SECRET) as process:
        code, said = process.exited()

    assert code == MAY_PASS
    assert len(said.splitlines()) == 1


def test_settings_come_as_json() -> None:
    assert read_arguments([]) == Given(WebSettings(), None, "", ())
    given = ["--settings", '{"port": 1, "max_clients": 9}', "--news", "7"]
    assert read_arguments(given) == Given(WebSettings(port=1, max_clients=9), 7, "", ())


def test_the_secret_comes_from_a_file_or_from_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "web-secret"
    file.write_text(f"{SECRET}\n")
    assert read_arguments(["--secret-file", str(file), "--settings", '{"host":"0.0.0.0"}']).secret == SECRET
    assert read_arguments(["--settings", f'{{"secret":"{SECRET}"}}']).secret == SECRET


@pytest.mark.parametrize("content", [None, b"", b"short", b"\xff" * 20])
def test_without_the_secret_that_was_promised_nothing_is_served(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "web-secret"
    if content is not None:
        file.write_bytes(content)
    with WebProcess("--secret-file", str(file), port=0) as process:
        code, said = process.exited()
    assert code == 2
    assert "secret" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "bot.lan"])
def test_off_loopback_nothing_is_served_without_a_secret(host: str) -> None:
    with WebProcess(host=host, port=0) as process:
        code, said = process.exited()
    assert code == 2
    assert "wants a secret" in said


@pytest.mark.parametrize("given", ['{"prot": 1}', '{"port": -1}', "[]", "{"])
def test_settings_that_are_none_are_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        read_arguments(["--settings", given])

    assert refused.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_sender_that_fails_ends_the_process_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run(_hub: Hub) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Hub, "run", run)
    reading, bots_end = os.pipe()
    webs_end, writing = os.pipe()
    try:
        assert asyncio.run(serve(Given(WebSettings(port=0), None, "", ()), reading, writing)) == 1
    finally:
        os.close(bots_end)  # which also ends the thread that reads
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert isinstance(read_first(webs_end), Listening)


def read_first(fd: int) -> FromWeb:
    """Return the first message that came up a pipe, and close it."""
    reader = from_web()
    reader.feed(os.read(fd, 1 << 16))
    os.close(fd)
    return next(reader.messages())
