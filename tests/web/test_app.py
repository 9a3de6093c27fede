"""The application on a real socket of the loopback interface."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
import pytest
from aiohttp import ClientResponse, ClientSession, web
from yarl import URL

from actors.messages import Command, FeedChanged, FeedState, RestartChain, TradingState
from pipeline.events import SECOND
from tests.web.builders import START, at, closed, feed, held, listed, metrics, opened, session, signal, ticks
from web import app as web_app
from web.app import COMMANDS, HUB, STUCK_S, make_app, make_runner
from web.assets import FIRST_VIEW, Asset, Assets
from web.commands import SendCommand
from web.deadline import Moment
from web.hub import Hub
from web.messages import Answered, Asked, FromBot, SymbolWish, Wish, WorthSeen
from web.settings import WebSettings

PATIENCE_S = 240
LAZY = 50
ASSETS = Assets(
    "1a2b3c",
    {"index.html": Asset(b"<p>page" + FIRST_VIEW, "text/html", "tag1")},
    {"panels/a.js": Asset(b"1", "text/javascript", "tag2")},
    style_hashes=("sha256-abc=",),
)
T = TypeVar("T")


class Dashboard(msgspec.Struct):
    """A served application, a client for it, and the commands that it passed on."""

    url: URL
    hub: Hub
    client: ClientSession
    commands: list[Wish]
    taking: bool = True
    answering: bool = True
    asked: asyncio.Queue[Asked] = msgspec.field(default_factory=asyncio.Queue)
    now: Moment = Moment(10_000, 1_700_000_000_000)
    past_loop: Callable[[SendCommand], None] = lambda _: None

    @property
    def port(self) -> int:
        assert self.url.port is not None
        return self.url.port

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.client.get(self.url / path, headers=headers) as answer:
            return answer.status, await answer.text()

    async def get_status(self, path: str) -> int:
        async with self.client.get(self.url / path) as answer:
            return answer.status

    async def post(self, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
        sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        async with self.client.post(self.url / "api/command", data=body, headers=sent) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text.startswith("{") else {"error": text}


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[Dashboard]:
    commands: list[Wish] = []
    dashboard: Dashboard

    def send(asked: Asked) -> bool:
        if dashboard.taking:
            commands.append(asked.command)
            dashboard.asked.put_nowait(asked)
            if dashboard.answering:
                dashboard.hub.tell(
                    Answered(asked.ticket, getattr(asked.command, "name", "") != "pause", "trading is as it is")
                )
        return dashboard.taking

    app = make_app(WebSettings(**settings), ASSETS, send, asyncio.get_running_loop().time, lambda: dashboard.now)
    runner = make_runner(app, 0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = URL.build(scheme="http", host="127.0.0.1", port=runner.addresses[0][1])
        async with ClientSession(read_bufsize=1 << 20) as client:
            dashboard = Dashboard(url, app[HUB], client, commands)
            dashboard.past_loop = lambda send: setattr(app[COMMANDS], "send_past_loop", send)
            yield dashboard
    finally:
        await runner.cleanup()


def run(scenario: Callable[[Dashboard], Awaitable[None]], **settings: Any) -> None:
    async def play() -> None:
        async with asyncio.timeout(PATIENCE_S), serving(**settings) as dashboard:
            await scenario(dashboard)

    asyncio.run(play())


@asynccontextmanager
async def listening(
    dashboard: Dashboard, path: str = "events", *without: str
) -> AsyncIterator[Callable[[], Awaitable[tuple[str, Any]]]]:
    """Connect to the event stream; what is yielded waits for the next event's name and data.

    What only keeps the stream alive is left out, and events `without` which the test wants to do.
    """
    async with dashboard.client.get(dashboard.url.join(URL(path))) as answer:
        assert answer.status == 200

        async def next_event() -> tuple[str, Any]:
            while (event := await read_event(answer))[0] in ("stream", "beat", "told", *without):
                pass
            return event

        yield next_event


async def read_event(answer: ClientResponse) -> tuple[str, Any]:
    name = ""
    while line := (await answer.content.readline()).decode():
        key, _, value = line.rstrip("\r\n").partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            return name, json.loads(value)
    return "end", None


def lazy_client(port: int) -> socket.socket:
    """Open the event stream and never read from it."""
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.connect(("127.0.0.1", port))
    lazy.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return lazy


# ---------------------------------------------------------------------------------------- who may come in


@pytest.mark.parametrize(
    "path", ["", "events", "metrics", "api/state", "healthz", "static/1a2b3c/panels/a.js", "nowhere"]
)
def test_a_foreign_host_is_misdirected_wherever_it_asks(path: str) -> None:
    async def scenario(dashboard: Dashboard) -> None:
        status, _ = await dashboard.get(path, Host="evil.com")
        assert status == 421

    run(scenario)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:8080", "desk.lan"])
def test_every_name_of_this_machine_is_answered(host: str) -> None:
    async def scenario(dashboard: Dashboard) -> None:
        assert await dashboard.get("", Host=host) == (200, "<p>page")

    run(scenario, allowed_hosts=("desk.lan",))


@pytest.mark.parametrize("lines", ["", "Host: localhost\r\nHost: evil.com\r\n"])
def test_a_request_without_one_host_is_not_answered(lines: str) -> None:
    async def scenario(dashboard: Dashboard) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", dashboard.port)
        writer.write(f"GET /api/state HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode())
        status = (await reader.readline()).split()[1]
        assert status in (b"400", b"421")
        writer.close()
        await writer.wait_closed()

    run(scenario)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.com"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_another_pages_command_is_forbidden_and_not_passed_on(headers: dict[str, str]) -> None:
    async def scenario(dashboard: Dashboard) -> None:
        status, _ = await dashboard.post(b'{"command":"halt"}', **headers)
        assert (status, dashboard.commands) == (403, [])

    run(scenario)


@pytest.mark.parametrize("path", ["events", "metrics", "api/state"])
def test_another_page_may_not_read_data(path: str) -> None:
    async def scenario(dashboard: Dashboard) -> None:
        async with dashboard.client.get(dashboard.url / path, headers={"Sec-Fetch-Site": "cross-site"}) as answer:
            assert answer.status == 403

    run(scenario)


@pytest.mark.parametrize("path", ["", "api/state", "events", "healthz", "nowhere", "static/nothing.js"])
def test_every_answer_carries_the_security_headers(path: str) -> None:
    async def scenario(dashboard: Dashboard) -> None:
        for host in ("localhost", "evil.com"):
            async with dashboard.client.get(dashboard.url / path, headers={"Host": host}) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "style-src 'self' 'sha256-abc='" in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Referrer-Policy"] == "no-referrer"

    run(scenario)


@pytest.mark.parametrize("beginning", [b"", b"GET /api/st", b"GET /api/state HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_connection_that_never_says_a_whole_request_is_closed_however_it_trickles(
    beginning: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_app, "REQUEST_S", 0.2)

    async def scenario(dashboard: Dashboard) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", dashboard.port)
        writer.write(beginning)
        ended = asyncio.create_task(reader.read())
        while not ended.done():
            if beginning:
                writer.write(b"a")
            await asyncio.wait([ended], timeout=0.02)
        writer.close()

    run(scenario)


@pytest.mark.parametrize("path", ["/api/command", "/api/login", "/api/state", "/nowhere"])
def test_a_request_whose_body_does_not_come_is_answered_and_its_connection_closed(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_app, "REQUEST_S", 0.2)

    async def scenario(dashboard: Dashboard) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", dashboard.port)
        headers = "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
        writer.write(f"POST {path} HTTP/1.1\r\n{headers}\r\n{{".encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 4")
        assert dashboard.commands == []
        writer.close()

    run(scenario)


def test_an_event_stream_is_no_request_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_app, "REQUEST_S", 0.01)

    async def scenario(dashboard: Dashboard) -> None:
        async with listening(dashboard) as next_event:
            await next_event()
            for _ in range(20):  # a third of a second
                dashboard.hub.tell(feed())
                while (await next_event())[0] != "feed":
                    pass

    run(scenario, update_hz=60)


# ---------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize("command", ["pause", "resume", "reduce", "flatten", "halt"])
def test_a_command_is_passed_on_and_answered_with_what_it_did(command: str) -> None:
    async def scenario(dashboard: Dashboard) -> None:
        body = msgspec.json.encode({"command": command, "reason": "because"})
        origin = f"http://127.0.0.1:{dashboard.port}"
        told = {"command": command, "changed": command != "pause", "answer": "trading is as it is"}
        assert await dashboard.post(body, Origin=origin, Sec_Fetch_Site="same-origin") == (200, told)
        assert dashboard.commands == [Command(command, 0, "dashboard", "because")]

    run(scenario)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"null", b"[]", b"{}", b'"halt"', b"\xff", b'{"command":"buy"}', b'{"command":1}'),
        *(b'{"command":"halt","now":true}', b'{"command":"halt","reason":5}', b'{"command":"HALT"}'),
        *(b'{"command":"halt","reason":"two\\nlines"}', b'{"command":"halt","reason":"' + b"x" * 201 + b'"}'),
    ],
)
def test_a_bad_command_is_refused_with_one_sentence(body: bytes) -> None:
    async def scenario(dashboard: Dashboard) -> None:
        status, answer = await dashboard.post(body)
        assert (status, dashboard.commands) == (400, [])
        assert answer["error"].endswith(".")
        assert "\n" not in answer["error"]

    run(scenario)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("api/trades?scope=all&symbol=AAPL", 200, '"in_scope":1'),
        ("api/trades.csv?scope=all", 200, "AAPL"),
        ("api/figures?scope=all", 200, '"trades":1'),
        ("api/trades?limit=none", 400, '{"error":"That cannot be asked: '),
        ("api/figures?scope=mine", 400, '{"error":"That cannot be asked: '),
        ("api/decision?id=1/a1", 404, '{"error":"This bot keeps no journal'),
        ("api/decision", 400, '{"error":"That cannot be asked: '),
    ],
)
def test_trades_and_their_figures_are_answered(path: str, status: int, said: str) -> None:
    async def scenario(dashboard: Dashboard) -> None:
        dashboard.hub.tell(listed(closed()))
        async with dashboard.client.get(dashboard.url.join(URL(path))) as answer:
            assert (answer.status, said in await answer.text()) == (status, True)

    run(scenario)


def test_a_command_that_is_not_json_by_its_type_is_refused() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        status, _ = await dashboard.post(b'{"command":"halt"}', Content_Type="text/plain")
        assert (status, dashboard.commands) == (415, [])

    run(scenario)


def test_a_huge_command_is_refused() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        status, _ = await dashboard.post(b'{"command":"halt","reason":"' + b"x" * 10_000 + b'"}')
        assert (status, dashboard.commands) == (413, [])

    run(scenario)


def test_a_halt_that_the_bot_does_not_answer_in_time_goes_on_to_be_carried_out() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        dashboard.answering = False
        status, told = await dashboard.post(b'{"command":"halt"}')
        assert (status, told["changed"]) == (202, None)
        assert "has not answered yet: it carries it out as soon as it can" in told["answer"]
        assert "`microbot halt` in a terminal" in told["answer"]
        assert dashboard.commands == [Command("halt", 0, "dashboard")]
        dashboard.hub.tell(Answered(1, True, "too late"))  # nobody waits for it any more
        dashboard.answering = True
        assert (await dashboard.post(b'{"command":"halt"}'))[0] == 200

    run(scenario, answer_timeout_s=0.01)


def test_any_other_command_that_is_not_answered_in_time_is_said_to_be_over() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        dashboard.answering = False
        status, told = await dashboard.post(b'{"command":"resume"}')
        assert (status, told["error"]) == (
            504,
            "The bot did not answer within 0.01 s: it is not carried out any more.",
        )
        asked = await dashboard.asked.get()
        assert asked.deadline == dashboard.now.after(0.01)

    run(scenario, answer_timeout_s=0.01)


def test_the_bot_is_told_the_deadline_of_the_page_and_the_id() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        status, clock = await dashboard.get("api/clock")
        assert (status, json.loads(clock)) == (200, {"now": [10_000, 1_700_000_000_000], "within_ms": 3_000})
        body = {"command": "resume", "id": "a", "deadline": [12_000, 1_700_000_002_000]}
        assert (await dashboard.post(msgspec.json.encode(body)))[0] == 200
        asked = await dashboard.asked.get()
        assert (asked.id, asked.deadline) == ("a", Moment(12_000, 1_700_000_002_000))

    run(scenario)


def test_no_page_gives_a_command_more_time_than_there_is() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        body = {"command": "resume", "deadline": [10**12, 10**15]}
        assert (await dashboard.post(msgspec.json.encode(body)))[0] == 200
        assert (await dashboard.asked.get()).deadline == dashboard.now.after(3.0)

    run(scenario)


@pytest.mark.parametrize("late", [(9_999, 1_700_000_002_000), (12_000, 1_699_999_999_999)])
def test_a_command_that_comes_after_its_deadline_by_either_clock_is_not_passed_on(late: tuple[int, int]) -> None:
    async def scenario(dashboard: Dashboard) -> None:
        body = {"command": "resume", "deadline": late}
        status, told = await dashboard.post(msgspec.json.encode(body))
        assert (status, told) == (409, {"error": "It came too late, and was not carried out."})
        assert dashboard.commands == []

    run(scenario)


def test_a_halt_has_no_deadline() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        body = {"command": "halt", "id": "h", "deadline": (1, 1)}
        assert (await dashboard.post(msgspec.json.encode(body)))[0] == 200
        asked = await dashboard.asked.get()
        assert (asked.id, asked.deadline) == ("h", None)

    run(scenario)


def test_a_halt_that_the_loop_does_not_answer_goes_past_it_and_nothing_else_does() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        past: list[Asked] = []

        def send(asked: Asked) -> bool:
            past.append(asked)
            dashboard.hub.tell(Answered(asked.ticket, True, "no entry leaves any more"))
            return True

        dashboard.past_loop(send)
        assert (await dashboard.post(b'{"command":"halt","id":"quick"}'))[1]["answer"] == "trading is as it is"
        dashboard.answering = False
        status, told = await dashboard.post(b'{"command":"halt","id":"h"}')
        assert (status, told["answer"]) == (200, "no entry leaves any more")
        assert (await dashboard.post(b'{"command":"flatten","id":"f"}'))[0] == 504
        assert [(asked.command, asked.id) for asked in past] == [(Command("halt", 0, "dashboard"), "h")]

    run(scenario, answer_timeout_s=1.5)


@pytest.mark.parametrize("trouble", ["the loop's pipe is full", "a setting leaves little time", "it has no id"])
def test_nothing_keeps_a_halt_from_going_past_a_stuck_loop(trouble: str) -> None:
    async def scenario(dashboard: Dashboard) -> None:
        past: list[Asked] = []

        def send(asked: Asked) -> bool:
            past.append(asked)
            dashboard.hub.tell(Answered(asked.ticket, True, "no entry leaves any more"))
            return True

        dashboard.past_loop(send)
        dashboard.answering = False
        dashboard.taking = trouble != "the loop's pipe is full"
        body = {"command": "halt"} | ({} if trouble == "it has no id" else {"id": "h"})
        status, told = await dashboard.post(msgspec.json.encode(body))
        assert (status, told["answer"]) == (200, "no entry leaves any more")
        assert past[0].id

    run(scenario, answer_timeout_s=0.01 if trouble == "a setting leaves little time" else 3.0)


def test_a_halt_goes_past_a_stuck_loop_also_if_its_browser_has_left() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        past: asyncio.Queue[Asked] = asyncio.Queue()

        def send(asked: Asked) -> bool:
            past.put_nowait(asked)
            return True

        dashboard.past_loop(send)
        dashboard.answering = False
        asking = asyncio.create_task(dashboard.post(b'{"command":"halt","id":"h"}'))
        await dashboard.asked.get()
        asking.cancel()
        assert (await past.get()).id == "h"

    run(scenario)


def test_what_the_bot_found_too_late_is_an_error() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        dashboard.answering = False
        asking = asyncio.create_task(dashboard.post(b'{"command":"resume"}'))
        asked = await dashboard.asked.get()
        dashboard.hub.tell(Answered(asked.ticket, False, "it came too late, and was not carried out", late=True))
        assert await asking == (409, {"error": "it came too late, and was not carried out"})

    run(scenario)


def test_whoever_waits_when_the_bot_dies_is_answered_at_once() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        dashboard.answering = False
        names = ("pause", "halt")
        asking = [asyncio.create_task(dashboard.post(msgspec.json.encode({"command": name}))) for name in names]
        for _ in names:
            await dashboard.asked.get()
        dashboard.hub.bot_stopped("the bot stopped")
        sentence = "the bot stopped before it answered: it may have carried that out."
        assert [await task for task in asking] == [(502, {"error": sentence})] * 2

    run(scenario, answer_timeout_s=10_000.0)


def test_a_wish_to_restart_a_strategy_names_its_symbol() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        status, _ = await dashboard.post(b'{"command":"restart","symbol":"AAPL","reason":"mended"}')
        assert (status, dashboard.commands) == (200, [RestartChain("AAPL", 0, "mended")])

    run(scenario)


@pytest.mark.parametrize(
    ("asked", "wish"),
    [
        (b'{"command":"flatten","symbol":"AAPL"}', SymbolWish("flatten", "AAPL", "", "dashboard")),
        (
            b'{"command":"lock","symbol":"AAPL","until":"11:00","reason":"earnings"}',
            SymbolWish("lock", "AAPL", "11:00", "dashboard", "earnings"),
        ),
        (b'{"command":"unlock","symbol":"AAPL"}', SymbolWish("unlock", "AAPL", "", "dashboard")),
        (b'{"command":"flatten"}', Command("flatten", 0, "dashboard")),
    ],
)
def test_a_command_about_one_symbol_is_passed_on_as_it_was_written(asked: bytes, wish: Wish) -> None:
    async def scenario(dashboard: Dashboard) -> None:
        status, _ = await dashboard.post(asked)
        assert (status, dashboard.commands) == (200, [wish])

    run(scenario)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (b'{"command":"lock"}', "Name the symbol to lock."),
        (b'{"command":"unlock"}', "Name the symbol to unlock."),
        (b'{"command":"halt","symbol":"AAPL"}', "The command halt is for the whole bot: leave the symbol out."),
        (b'{"command":"flatten","symbol":"AAPL","until":"11:00"}', "The command flatten has no time to end at."),
    ],
)
def test_a_command_that_is_about_the_wrong_thing_is_refused_in_one_sentence(asked: bytes, said: str) -> None:
    async def scenario(dashboard: Dashboard) -> None:
        status, answer = await dashboard.post(asked)
        assert (status, answer, dashboard.commands) == (400, {"error": said}, [])

    run(scenario)


def test_answers_go_to_who_asked_in_whatever_order_they_come() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        dashboard.answering = False
        names = ("pause", "resume")
        asking = [asyncio.create_task(dashboard.post(msgspec.json.encode({"command": name}))) for name in names]
        for asked in reversed([await dashboard.asked.get() for _ in names]):
            dashboard.hub.tell(Answered(asked.ticket, True, f"this was {asked.command}"))
        assert [(await task)[1]["answer"] for task in asking] == [
            f"this was {Command(name, 0, 'dashboard')}" for name in names
        ]

    run(scenario)


def test_a_command_that_the_bot_does_not_take_is_not_accepted() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        dashboard.taking = False
        assert (await dashboard.post(b'{"command":"halt"}'))[0] == 503
        dashboard.taking = True
        dashboard.hub.bot_stopped("gone")
        assert (await dashboard.post(b'{"command":"halt"}'))[0] == 503
        assert dashboard.commands == []

    run(scenario)


# ------------------------------------------------------------------------------------- state and health


def test_the_state_is_the_snapshot() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        for message in (session(), ticks(150.0), closed(), metrics(summary={"wins": 1})):
            dashboard.hub.tell(message)
        status, text = await dashboard.get("api/state")
        state = json.loads(text)
        assert status == 200
        assert {"metrics", "symbols", "positions", "trades", "feed"} <= set(state)
        assert set(state.pop("figures")) == {"session", "today", "all"}  # a browser asks for those that it shows
        async with listening(dashboard) as next_event:
            assert await next_event() == ("snapshot", state)

    run(scenario)


def test_metrics_are_text_that_a_prometheus_server_reads() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        dashboard.hub.tell(session())
        dashboard.hub.tell(metrics(summary={"ticks": 12}))
        async with dashboard.client.get(dashboard.url / "metrics") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            text = await answer.text()
        assert "\nmicrobot_ticks_total 12.0\n" in text
        assert "\nmicrobot_message_age_seconds 0" in text

    run(scenario)


def test_health_is_good_while_the_bot_is_there_and_503_after() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        status, text = await dashboard.get("healthz")
        assert (status, json.loads(text)["last_message_age_s"]) == (200, None)
        dashboard.hub.tell(feed())
        status, text = await dashboard.get("healthz")
        assert status == 200
        assert json.loads(text)["last_message_age_s"] >= 0
        dashboard.hub.bot_stopped("gone")
        status, text = await dashboard.get("healthz")
        assert (status, json.loads(text)["ok"]) == (503, False)

    run(scenario)


def test_health_is_bad_while_the_bot_is_there_and_says_nothing() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        now = 100.0
        dashboard.hub._clock = lambda: now
        dashboard.hub.tell(feed())
        now += STUCK_S - 0.1
        assert await dashboard.get_status("healthz") == 200
        now += 0.1
        status, text = await dashboard.get("healthz")
        assert (status, json.loads(text)["ok"]) == (503, False)

    run(scenario)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ((), "starting"),
        ((feed(FeedState.STALE),), "feed"),
        ((FeedChanged(FeedState.LIVE, delay_s=900.0),), "feed"),  # entries are refused
        ((feed(), metrics(state=TradingState.PAUSED)), "paused"),
        ((session(), feed(), metrics(chains={"AAPL": "FAILED: a bug"})), "strategy"),
        ((session("AAPL", "MSFT"), feed(), metrics(chains={"AAPL": "FAILED: a bug"})), None),
    ],
)
def test_what_keeps_it_from_entering_is_said_in_a_word(messages: tuple[FromBot, ...], reason: str | None) -> None:
    async def scenario(dashboard: Dashboard) -> None:
        for message in messages:
            dashboard.hub.tell(message)
        status, text = await dashboard.get("readyz")
        told = {"ready": True} if reason is None else {"ready": False, "reason": reason}
        assert (status, json.loads(text)) == (503 if reason else 200, told)
        dashboard.hub.bot_stopped("gone")
        assert json.loads((await dashboard.get("readyz"))[1])["reason"] == "stopped"

    run(scenario)


def test_a_file_that_has_not_changed_is_not_sent_again() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        file = dashboard.url / "static/1a2b3c/panels/a.js"
        async with dashboard.client.get(file) as answer:
            tag = answer.headers["ETag"]
        async with dashboard.client.get(file, headers={"If-None-Match": tag}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")

    run(scenario)


def test_only_listed_files_are_served() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        for path in ("app.py", "..%2F..%2Fapp.py", "%2Fetc%2Fpasswd", "index.html"):
            url = URL(f"http://127.0.0.1:{dashboard.port}/static/1a2b3c/{path}", encoded=True)
            async with dashboard.client.get(url) as answer:
                assert answer.status == 404
        assert await dashboard.get_status("static/panels/a.js") == 404

    run(scenario)


def test_a_file_is_kept_for_ever_under_its_version_and_unknown_under_another() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        async with dashboard.client.get(dashboard.url / "static/1a2b3c/panels/a.js") as answer:
            assert (answer.status, await answer.read()) == (200, b"1")
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        async with dashboard.client.get(dashboard.url / "static/4d5e6f/panels/a.js") as answer:
            assert answer.status == 404
            assert answer.headers["Cache-Control"] == "no-store"
        async with dashboard.client.get(dashboard.url) as answer:
            assert answer.headers["Cache-Control"] == "no-store"  # it has figures in it

    run(scenario)


# ------------------------------------------------------------------------------------------ event stream


def test_a_snapshot_comes_first_and_changes_follow_in_order() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        dashboard.hub.tell(session())
        async with listening(dashboard) as next_event:
            name, data = await next_event()
            assert (name, list(data["symbols"])) == ("snapshot", ["AAPL"])
            for message in (ticks(150.0), signal(), opened(), closed(), feed(), metrics(positions=(held(),))):
                dashboard.hub.tell(message)
            names = [(await next_event())[0] for _ in range(10)]
            of_all = ["signal", "position", "trade", "feed", "notice", "prices", "metrics"]
            assert names == ["ticks", "why", "marks", *of_all]

    run(scenario)


async def get_chart(dashboard: Dashboard, wanted: str) -> tuple[int, Any]:
    async with dashboard.client.get(f"{dashboard.url}/api/chart/{wanted}") as answer:
        return answer.status, await answer.json()


def test_a_stretch_of_the_chart_is_answered_in_columns() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        dashboard.hub.tell(session())
        dashboard.hub.tell(ticks(*[100.0 + i for i in range(90)]))
        dashboard.hub.tell(WorthSeen(at(89), 10_050.0, 2.0))
        second = START // SECOND
        status, told = await get_chart(dashboard, f"AAPL?from={second + 10}&to={second + 59}&points=2")
        assert (status, told["width"], told["first"]) == (200, 30, second)
        assert told["bars"]["time"] == [second, second + 30]
        assert told["bars"]["volume"] == [3_000.0, 3_000.0]
        assert (told["bars"]["open"][1], told["bars"]["high"][1], told["bars"]["close"][1]) == (130.0, 159.0, 159.0)
        assert told["worth"] == {"time": [], "worth": [], "low": [], "drawdown": []}
        _, newest = await get_chart(dashboard, "AAPL")
        assert (newest["width"], len(newest["bars"]["time"])) == (10, 9)
        assert newest["tail"]["time"] == [second + s for s in range(80, 90)]
        assert newest["worth"] == {"time": [second + 80], "worth": [10_050.0], "low": [10_050.0], "drawdown": [2.0]}

    run(scenario)


def test_a_stretch_of_the_chart_that_has_not_changed_is_not_sent_again() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        dashboard.hub.tell(ticks(100.0))
        async with dashboard.client.get(dashboard.url / "api/chart/AAPL") as first:
            tag = first.headers["ETag"]
        assert (await dashboard.get("api/chart/AAPL", **{"If-None-Match": tag}))[0] == 304
        dashboard.hub.tell(ticks(101.0, first_at=1))
        assert (await dashboard.get("api/chart/AAPL", **{"If-None-Match": tag}))[0] == 200

    run(scenario)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("NONE", 404),
        *((f"AAPL?{query}", 400) for query in ("points=0", "points=2001", "points=x", "from=nan", "from=9&to=9")),
    ],
)
def test_a_stretch_of_the_chart_that_cannot_be_is_refused_in_a_sentence(path: str, status: int) -> None:
    async def scenario(dashboard: Dashboard) -> None:
        dashboard.hub.tell(ticks(100.0))
        found, said = await get_chart(dashboard, path)
        assert (found, said["error"][-1]) == (status, ".")

    run(scenario)


def test_ticks_that_come_together_are_one_event() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        dashboard.hub.tell(session())
        async with listening(dashboard, "events", "prices") as next_event:
            await next_event()
            for i in range(200):
                dashboard.hub.tell(ticks(100.0 + i, first_at=i))
            name, data = await next_event()
            assert (name, data["symbols"]["AAPL"]["seen"]) == ("ticks", 200)
            assert len(data["symbols"]["AAPL"]["ticks"]) == 50
            assert len(data["symbols"]["AAPL"]["bars"]) == 200
            dashboard.hub.tell(feed())
            assert (await next_event())[0] == "feed"

    run(scenario)


def test_the_sender_pauses_after_each_sending() -> None:
    async def play() -> None:
        hub = Hub(WebSettings(update_hz=8), lambda: 0.0)
        pauses: list[float] = []
        paused, go_on = asyncio.Event(), asyncio.Event()

        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            paused.set()
            await go_on.wait()

        sender = asyncio.create_task(hub.run(pause))
        hub.tell(ticks(1.0))
        await paused.wait()
        hub.tell(ticks(2.0))  # while it pauses nothing is drained
        assert [name for name, _ in hub.model.drain()] == ["ticks"]
        assert pauses == [1 / 8]
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)

    asyncio.run(play())


def test_the_page_comes_with_what_there_is_to_show() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        assert "first-view" not in (await dashboard.get(""))[1]  # nothing is known yet
        symbol = "</script><script>alert(1)</script>"
        dashboard.hub.tell(ticks(1.0, symbol=symbol))
        dashboard.hub.tell(ticks(2.0, symbol="B"))
        _, page = await dashboard.get("")
        assert page.count("</script>") == 1
        told = json.loads(page.partition('id="first-view">')[2].partition("</script>")[0])
        assert told["quiet_s"] >= 0
        assert told["snapshot"] == json.loads(msgspec.json.encode(dashboard.hub.model.snapshot([symbol])))

    run(scenario)


def test_a_script_in_a_symbol_stays_data() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        symbol = "<script>alert(1)</script>\r\n\r\nevent: trade"
        dashboard.hub.tell(ticks(1.0, symbol=symbol))
        async with listening(dashboard) as next_event:
            name, data = await next_event()
            assert (name, list(data["symbols"])) == ("snapshot", [symbol])

    run(scenario)


def test_a_client_that_does_not_read_is_dropped_while_another_is_served() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        dashboard.hub.tell(session())
        with lazy_client(dashboard.port):
            async with listening(dashboard) as next_event:
                await next_event()
                while dashboard.hub.dropped == 0:
                    dashboard.hub.tell(feed(reason="x" * 100_000))
                    while (await next_event())[0] != "feed":
                        pass
                dashboard.hub.tell(ticks(1.0))
                while (await next_event())[0] != "ticks":
                    pass
                assert dashboard.hub.dropped == 1
                assert dashboard.hub.clients == 1
                dashboard.hub.tell(metrics())
                (browser,) = dashboard.hub.model.snapshot()["bounded"]
                assert (browser.name, browser.limit, browser.dropped) == ("browser", 2, 1)
                assert 0 <= browser.depth <= 2

    run(scenario, client_queue=2, update_hz=60)


def test_a_client_whose_writes_take_too_long_is_dropped() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        with lazy_client(dashboard.port):
            async with listening(dashboard) as next_event:
                await next_event()
                while dashboard.hub.dropped == 0:
                    dashboard.hub.tell(feed(reason="x" * 100_000))
                    while (await next_event())[0] != "feed":
                        pass
                assert json.loads((await dashboard.get("healthz"))[1])["clients_dropped"] == 1

    run(scenario, client_queue=100_000, update_hz=60, write_timeout_s=0.5)


def test_whoever_is_cut_off_for_not_reading_is_counted_however_small_the_sendings() -> None:
    """Small ones are handed to the system at once, which keeps them for a while: it must not cut anybody off first."""

    async def scenario(dashboard: Dashboard) -> None:
        lazy = [lazy_client(dashboard.port) for _ in range(LAZY)]
        try:
            async with listening(dashboard) as next_event:
                await next_event()
                while dashboard.hub.clients <= LAZY:
                    await dashboard.get("healthz")
                while dashboard.hub.clients > 1:
                    dashboard.hub.tell(feed(reason="x" * 10_000))
                    while (await next_event())[0] != "feed":
                        pass
                assert dashboard.hub.dropped == LAZY
        finally:
            for each in lazy:
                each.close()

    run(scenario, update_hz=60, write_timeout_s=1.0)


def test_a_browser_that_leaves_by_itself_is_not_counted_as_cut_off() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        lazy_client(dashboard.port).close()
        async with listening(dashboard) as next_event:
            await next_event()
            while dashboard.hub.clients > 1:
                dashboard.hub.tell(feed())
                await next_event()
            assert dashboard.hub.dropped == 0

    run(scenario, update_hz=60)


def test_a_browser_that_leaves_gives_its_place_back_and_one_too_many_is_told() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        async with listening(dashboard) as next_event:
            await next_event()
            status, text = await dashboard.get("events")
            assert status == 503
            assert "1 places" in text
        while (await dashboard.get_status("events")) == 503:
            pass  # until the server has noticed that it left

    run(scenario, max_clients=1)


def test_everybody_hears_the_last_word_and_then_the_stream_ends() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        async with listening(dashboard) as next_event:
            await next_event()
            dashboard.hub.bot_stopped("gone")
            dashboard.hub.close()
            names = []
            while (name := (await next_event())[0]) != "end":
                names.append(name)
            assert names == ["feed", "notice", "bot"]

    run(scenario)


def test_a_new_session_sends_a_new_snapshot() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        async with listening(dashboard) as next_event:
            await next_event()
            dashboard.hub.tell(session("TSLA"))
            name, data = await next_event()
            assert (name, list(data["symbols"])) == ("snapshot", ["TSLA"])

    run(scenario)
