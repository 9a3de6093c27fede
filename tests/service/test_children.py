"""The other two processes: how they are started, what goes over their pipes, and that they end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect

from actors.messages import Command, DayStarted, TradingState
from mock_exchange.settings import ExchangeSettings
from pipeline.events import SECOND
from service.live import children
from service.live.children import ExchangeProcess, UrgentPipe, WebProcess
from service.live.commands import CommandResult
from tests.support.live import PATIENCE_S, events_logged
from tests.support.market import START
from web.messages import Answered, Asked, Listening, MetricsSeen, Wish
from web.pipe import MAX_FRAME, FrameWriter, from_bot
from web.settings import MAY_PASS, WebSettings

DAY = DayStarted("2026-01-05", Decimal(1), START, 1)
METRICS = MetricsSeen(1, TradingState.ACTIVE, "", {}, (), {}, {}, {})


def frame(*messages: object) -> str:
    """Write frames as a Python expression, for a child that says them."""
    return repr(b"".join(FrameWriter().frame(message) for message in messages))


SAY = "import os, sys, time\nsay = lambda data: os.write(1, data)\nread = lambda: sys.stdin.buffer.read()\n"
"""What a child of a test begins with. It must not need anything to import, so that it starts at once."""


class Spawned:
    """Starts scripts in place of modules, one after the other, and remembers how they were called."""

    def __init__(self, *scripts: str) -> None:
        self.arguments: list[tuple[str, ...]] = []
        self.processes: list[Process] = []
        self._scripts = scripts

    async def __call__(self, *arguments: str, **options: Any) -> Process:
        script = self._scripts[min(len(self.processes), len(self._scripts) - 1)]
        self.arguments.append(arguments)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", SAY + script), stdin=PIPE, stdout=PIPE, stderr=PIPE, **options
        )
        self.processes.append(process)
        return process

    def settings(self, place: int) -> WebSettings:
        """Return the settings that a web process was given."""
        return msgspec.json.decode(self.arguments[place][-1], type=WebSettings)

    def exchange(self, place: int) -> ExchangeSettings:
        """Return the settings that an exchange was given."""
        return msgspec.json.decode(self.arguments[place][-1], type=ExchangeSettings)


@pytest.fixture
def spawn(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Spawned]:
    def put(*scripts: str) -> Spawned:
        spawned = Spawned(*scripts)
        monkeypatch.setattr(children, "_spawn", spawned)
        return spawned

    return put


class Web:
    """A web process as the bot holds it, and what came from it."""

    def __init__(self, settings: WebSettings) -> None:
        self.commands: list[Wish] = []
        self.starts = 0
        self.urgent = UrgentPipe()
        self.process = WebProcess(settings, self._on_command, self._history, self.urgent)
        self.news = asyncio.Event()

    def _on_command(self, asked: Asked) -> CommandResult:
        self.commands.append(asked.command)
        return CommandResult(True, f"{getattr(asked.command, 'name', 'restart')} it is")

    def _history(self) -> list[object]:
        self.starts += 1
        return [DAY]


@contextlib.asynccontextmanager
async def running(settings: WebSettings) -> AsyncIterator[tuple[Web, asyncio.Task[str]]]:
    """Run the web process until it listens or ended; end it afterwards."""
    web = Web(settings)
    task = asyncio.create_task(web.process.run())
    listening = asyncio.create_task(web.process.listening.wait())
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.wait([task, listening], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield web, task
    finally:
        listening.cancel()
        task.cancel()
        await asyncio.wait([task, listening], timeout=PATIENCE_S)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# ------------------------------------------------------------------------------------------------------------ web


def test_a_web_process_that_listens_is_told_what_it_has_to_know(spawn: Callable[..., Spawned]) -> None:
    async def scenario() -> None:
        spawned = spawn(f"say({frame(Listening(8123))}); read()")
        async with running(WebSettings(port=0)) as (web, _):
            assert web.process.port == 8123
            assert web.starts == 1
            assert spawned.settings(0) == WebSettings(port=0)
            assert spawned.arguments[0][0] == "web"

    asyncio.run(scenario())


def test_commands_come_up_the_pipe_however_the_bytes_are_cut(spawn: Callable[..., Spawned]) -> None:
    wishes = [Command("pause", 0, "dashboard", "lunch"), Command("resume", 0, "dashboard")]
    one_by_one = (
        f"data = {frame(Listening(1), *map(Asked, range(2), wishes))}\n"
        "for byte in data: say(bytes([byte])); time.sleep(0.0005)\nread()"
    )

    async def scenario() -> None:
        spawn(one_by_one)
        async with running(WebSettings()) as (web, _), asyncio.timeout(PATIENCE_S):
            while len(web.commands) < 2:  # noqa: ASYNC110  # the process has nobody else to tell
                await asyncio.sleep(0.001)
            assert web.commands == wishes

    asyncio.run(scenario())


def test_a_bad_message_costs_only_itself(spawn: Callable[..., Spawned]) -> None:
    bad = (3).to_bytes(4, "big") + b"\xc1\xc1\xc1"
    script = (
        f"say({frame(Listening(1))}); say({bad!r}); time.sleep(0.02); say({frame(Asked(1, Command('halt')))}); read()"
    )

    async def scenario() -> None:
        spawn(script)
        async with running(WebSettings()) as (web, task), asyncio.timeout(PATIENCE_S):
            while not web.commands:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            assert web.commands == [Command("halt")]
            assert not task.done()

    asyncio.run(scenario())


def test_a_bad_message_does_not_keep_back_those_that_came_with_it(spawn: Callable[..., Spawned]) -> None:
    bad = (3).to_bytes(4, "big") + b"\xc1\xc1\xc1"
    script = f"say({frame(Listening(1))} + {bad!r} + {frame(Asked(1, Command('halt')))}); read()"

    async def scenario() -> None:
        spawn(script)
        async with running(WebSettings()) as (web, _), asyncio.timeout(PATIENCE_S):
            while not web.commands:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            assert web.commands == [Command("halt")]

    asyncio.run(scenario())


def test_a_process_whose_pipe_is_out_of_step_is_ended(spawn: Callable[..., Spawned]) -> None:
    async def scenario() -> None:
        spawn(f"say({frame(Listening(1))} + {(MAX_FRAME + 1).to_bytes(4, 'big')!r}); time.sleep(60)")
        async with running(WebSettings()) as (_, task), asyncio.timeout(PATIENCE_S):
            assert await task == "exit code -15"

    asyncio.run(scenario())


def test_a_command_is_answered_under_its_ticket(spawn: Callable[..., Spawned], tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    script = (
        f"say({frame(Listening(1), Asked(7, Command('halt')))}); data = read(); open({str(kept)!r}, 'wb').write(data)"
    )

    async def scenario() -> None:
        spawn(script)
        async with running(WebSettings()) as (web, _), asyncio.timeout(PATIENCE_S):
            while not web.commands:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    asyncio.run(scenario())
    reader = from_bot()
    reader.feed(kept.read_bytes())
    assert list(reader.messages()) == [DAY, Answered(7, True, "halt it is")]


def test_what_is_told_reaches_the_process_in_order_and_whole(spawn: Callable[..., Spawned], tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    script = f"say({frame(Listening(1))}); data = read(); open({str(kept)!r}, 'wb').write(data)"

    async def scenario() -> None:
        spawn(script)
        async with running(WebSettings()) as (web, _):
            for _ in range(100):
                web.process.send(METRICS)

    asyncio.run(scenario())
    reader = from_bot()
    reader.feed(kept.read_bytes())
    assert list(reader.messages()) == [DAY] + [METRICS] * 100


def test_what_happens_while_a_process_is_told_the_history_comes_behind_it(
    spawn: Callable[..., Spawned], tmp_path: Path
) -> None:
    kept, go = tmp_path / "kept", tmp_path / "go"
    waits = f"while not os.path.exists({str(go)!r}): time.sleep(0.001)"
    script = f"say({frame(Listening(1))})\n{waits}\ndata = read(); open({str(kept)!r}, 'wb').write(data)"
    history = [MetricsSeen(1, TradingState.ACTIVE, "x" * 100_000, {}, (), {}, {}, {})] * 60  # 6 MB

    async def scenario() -> None:
        spawn(script)
        web = Web(WebSettings())

        def told() -> list[MetricsSeen]:
            web.news.set()
            return history

        web.process._history = told
        async with asyncio.timeout(PATIENCE_S):
            task = asyncio.create_task(web.process.run())
            await web.news.wait()  # then it writes as much as goes into the pipe
            web.process.send(DAY)
            go.touch()
            await web.process.listening.wait()
            web.process.send(METRICS)
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(scenario())
    reader = from_bot()
    reader.feed(kept.read_bytes())
    assert list(reader.messages()) == [*history, DAY, METRICS]


def test_nothing_is_told_to_a_process_that_is_not_there(spawn: Callable[..., Spawned]) -> None:
    async def scenario() -> None:
        web = Web(WebSettings())
        web.process.send(METRICS)
        assert web.process.waiting == 0
        spawn(f"say({frame(Listening(1))})")
        async with asyncio.timeout(PATIENCE_S):
            assert await web.process.run() == "exit code 0"
        web.process.send(METRICS)
        assert web.process.waiting == 0

    asyncio.run(scenario())


def test_a_process_that_does_not_read_costs_messages_and_never_waiting(spawn: Callable[..., Spawned]) -> None:
    large = MetricsSeen(1, TradingState.ACTIVE, "x" * 100_000, {}, (), {}, {}, {})

    async def scenario() -> None:
        spawn(f"say({frame(Listening(1))}); time.sleep(60)")
        async with running(WebSettings()) as (web, _):
            for _ in range(100):
                web.process.send(large)
            assert web.process.dropped >= 40
            assert 4 << 20 <= web.process.waiting <= (4 << 20) + 200_000
            web.process._process.kill()  # type: ignore[union-attr]  # its pipe is full: it would not hear a goodbye

    asyncio.run(scenario())


def test_a_message_too_large_for_the_pipe_is_dropped_and_counted(spawn: Callable[..., Spawned]) -> None:
    async def scenario() -> None:
        spawn(f"say({frame(Listening(1))}); read()")
        async with running(WebSettings()) as (web, _):
            web.process.send(MetricsSeen(1, TradingState.ACTIVE, "x" * (1 << 20), {}, (), {}, {}, {}))
            assert web.process.dropped == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(("code", "may_pass"), [(2, False), (MAY_PASS, True)])
def test_a_process_that_cannot_listen_says_why_and_nobody_waits_for_it(
    code: int, may_pass: bool, spawn: Callable[..., Spawned]
) -> None:
    async def scenario() -> None:
        spawn(f"sys.stderr.write('hello\\nport 1 is in use\\n'); sys.exit({code})")
        async with running(WebSettings()) as (web, task):
            assert f"exit code {code}" in await asyncio.wait_for(task, PATIENCE_S)
            assert (web.process.refused, web.process.may_pass) == ("port 1 is in use", may_pass)
            assert web.process.listening.is_set()
            assert web.process.port == 0

    asyncio.run(scenario())


def test_a_restarted_process_listens_where_the_first_one_did(spawn: Callable[..., Spawned]) -> None:
    async def scenario() -> None:
        spawned = spawn(f"say({frame(Listening(8123))}); sys.exit(1)")
        web = Web(WebSettings(port=0))
        async with asyncio.timeout(PATIENCE_S):
            assert await web.process.run() == "exit code 1"
            assert await web.process.run() == "exit code 1"
        assert [spawned.settings(place).port for place in range(2)] == [0, 8123]
        assert web.starts == 2

    asyncio.run(scenario())


def test_a_restarted_process_that_cannot_listen_any_more_may_be_tried_again(spawn: Callable[..., Spawned]) -> None:
    async def scenario() -> None:
        spawn(f"say({frame(Listening(8123))}); sys.exit(1)", "sys.exit(2)")
        web = Web(WebSettings(port=0))
        async with asyncio.timeout(PATIENCE_S):
            await web.process.run()
            await web.process.run()
        assert not web.process.refused

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "script",
    [
        f"say({frame(Listening(1))}); read()",
        f"say({frame(Listening(1))}); time.sleep(60)",
        f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); say({frame(Listening(1))}); time.sleep(60)",
    ],
    ids=["at the end of its input", "when asked", "when killed"],
)
def test_a_process_ends_one_way_or_the_other(script: str, spawn: Callable[..., Spawned]) -> None:
    async def scenario() -> None:
        spawned = spawn(script)
        async with running(WebSettings()):
            (process,) = spawned.processes
            assert alive(process.pid)
        assert not alive(process.pid)

    asyncio.run(scenario())


# ------------------------------------------------------------------------------------------------------- exchange


@contextlib.asynccontextmanager
async def an_exchange(exchange: ExchangeProcess) -> AsyncIterator[asyncio.Task[str]]:
    task = asyncio.create_task(exchange.run())
    try:
        await asyncio.wait_for(exchange.listening.wait(), PATIENCE_S)
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=PATIENCE_S)


def test_the_exchange_is_started_with_its_settings_and_found_by_its_first_line(spawn: Callable[..., Spawned]) -> None:
    async def scenario() -> None:
        spawned = spawn("print('mock exchange: listening on ws://127.0.0.1:8765 (A)', flush=True); read()")
        settings = ExchangeSettings(
            port=0, symbols=("A", "B"), speed=20.0, start_at=START, keys=("K:S",), faults=("mute:100",), most_clients=3
        )
        exchange = ExchangeProcess(settings, lambda: 0)
        async with an_exchange(exchange):
            assert exchange.url == "ws://127.0.0.1:8765"
            assert not exchange.refused
        assert spawned.exchange(0) == settings
        assert spawned.arguments[0][0] == "service.live.exchange"

    asyncio.run(scenario())


def test_a_restarted_exchange_listens_where_the_first_did_and_goes_on_where_its_time_was(
    spawn: Callable[..., Spawned],
) -> None:
    async def scenario() -> None:
        now = 0
        spawned = spawn("print('mock exchange: listening on ws://127.0.0.1:8765 (A)', flush=True)")
        exchange = ExchangeProcess(ExchangeSettings(port=0), lambda: now)
        async with asyncio.timeout(PATIENCE_S):
            await exchange.run()
            now = START + 90 * SECOND
            await exchange.run()
        assert (spawned.exchange(0).port, spawned.exchange(0).start_at) == (0, None)
        assert (spawned.exchange(1).port, spawned.exchange(1).start_at) == (8765, now)

    asyncio.run(scenario())


def test_an_exchange_that_cannot_listen_says_why(spawn: Callable[..., Spawned]) -> None:
    async def scenario() -> None:
        spawn("sys.stderr.write('mock exchange: the port is in use\\n'); sys.exit(2)")
        exchange = ExchangeProcess(ExchangeSettings(), lambda: 0)
        async with an_exchange(exchange):
            assert exchange.refused == "the port is in use"
            assert exchange.url == ""

    asyncio.run(scenario())


def test_an_exchange_that_says_nothing_at_all_is_refused_too(spawn: Callable[..., Spawned]) -> None:
    async def scenario() -> None:
        spawn("sys.exit(1)")
        exchange = ExchangeProcess(ExchangeSettings(), lambda: 0)
        async with an_exchange(exchange):
            assert exchange.refused

    asyncio.run(scenario())


def test_the_real_exchange_serves_and_ends_with_its_context() -> None:
    async def scenario() -> None:
        exchange = ExchangeProcess(ExchangeSettings(port=0, speed=100.0), lambda: 0)
        async with (
            an_exchange(exchange),
            asyncio.timeout(PATIENCE_S),
            connect(exchange.url, proxy=None) as socket,
        ):
            assert msgspec.json.decode(await socket.recv())["type"] == "hello"
        with pytest.raises(OSError):  # noqa: PT011  # refused, whatever this system calls it
            await asyncio.open_connection("127.0.0.1", int(exchange.url.rpartition(":")[2]))

    asyncio.run(scenario())


def test_what_a_child_warns_of_is_a_warning_and_what_it_merely_says_is_not(spawn: Callable[..., Spawned]) -> None:
    said = ["[09:31:07] - INFO - all is well", "[09:31:07] - WARNING - hm", "Traceback", "  File", "[x] - ERROR - no"]
    many = [f"warning {number}" for number in range(1_000)]

    async def scenario() -> list[str]:
        lines = [*said, *many]
        spawn(f"import sys\nfor line in {lines!r}: print(line, file=sys.stderr, flush=True)\nsys.exit(1)")
        with events_logged() as events:
            await asyncio.wait_for(ExchangeProcess(ExchangeSettings(), lambda: 0).run(), PATIENCE_S)
        return [event["level"] for event in events if event.get("event") == "child.said"]

    levels = asyncio.run(scenario())
    assert levels[:5] == ["DEBUG", "WARNING", "WARNING", "WARNING", "ERROR"]
    assert levels.count("DEBUG") > 700
    assert len(levels) == 1_005


def test_a_line_of_a_child_that_is_too_long_is_cut_and_those_after_it_are_heard(spawn: Callable[..., Spawned]) -> None:
    async def scenario() -> ExchangeProcess:
        spawn("sys.stderr.write('x' * 500_000 + '\\nno room\\n')\nsys.exit(2)")
        exchange = ExchangeProcess(ExchangeSettings(), lambda: 0)
        assert await asyncio.wait_for(exchange.run(), PATIENCE_S) == "exit code 2: no room"
        return exchange

    with events_logged() as events:
        assert asyncio.run(scenario()).refused == "no room"
    assert 1 < len([event for event in events if event.get("event") == "child.said"]) < 20


@pytest.mark.parametrize("name", ["APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "APCA_LATER"])
def test_a_child_inherits_no_keys_and_everything_else(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("SOMETHING_ELSE", "kept")
    handed: list[dict[str, str]] = []

    async def scenario() -> None:
        async def take(*arguments: str, env: dict[str, str], **options: Any) -> None:
            handed.append(env)

        monkeypatch.setattr(asyncio, "create_subprocess_exec", take)
        await children._spawn("web")

    asyncio.run(scenario())
    (environment,) = handed
    assert "s3cret" not in repr(environment)
    assert environment["SOMETHING_ELSE"] == "kept"
