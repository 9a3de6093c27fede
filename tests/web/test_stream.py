"""What the streams are sent: what is looked at, what changed, and what was missed. The page's own store folds it."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tests.web.builders import blocked, closed, feed, gauges, held, metrics, opened, session, ticks
from tests.web.test_app import Dashboard, run
from web.deltas import difference
from web.hub import Hub
from web.messages import FromBot, Heard
from web.replay_buffer import MOST_SENDINGS, Look, ReplayBuffer
from web.settings import WebSettings

FOLD = Path(__file__).parent / "unit" / "fold.mjs"
AAPL, MSFT = frozenset(["AAPL"]), frozenset(["MSFT"])

plain = st.none() | st.integers(-3, 3) | st.text("ab", max_size=2)
json_data = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner), max_leaves=12
)


def merged(target: Any, patch: dict[str, Any]) -> Any:
    """Merge as the page does."""
    target = dict(target) if isinstance(target, dict) else {str(i): one for i, one in enumerate(target)}
    target |= patch.get("=", {})
    for name, inner in patch.get("+", {}).items():
        was = target[name]
        made = merged(was, inner)
        target[name] = list(made.values()) if isinstance(was, list) else made
    return {name: one for name, one in target.items() if name not in patch.get("-", [])}


@given(st.dictionaries(st.sampled_from("abc"), json_data), st.dictionaries(st.sampled_from("abc"), json_data))
def test_a_patch_turns_the_old_data_into_the_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    patch = difference(old, new)

    assert merged(old, patch) == new
    assert bool(patch) == (old != new)


def test_a_patch_says_no_more_than_what_changed() -> None:
    old = {"positions": [{"symbol": "A", "profit": 1.0}, {"symbol": "B", "profit": 2.0}], "nan": float("nan")}
    new = {"positions": [{"symbol": "A", "profit": 1.0}, {"symbol": "B", "profit": 3.0}], "nan": float("nan")}

    assert difference(old, new) == {"+": {"positions": {"+": {"1": {"=": {"profit": 3.0}}}}}}


def test_what_lies_deeper_than_is_compared_is_set_as_a_whole() -> None:
    assert difference({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 1, "d": 3}}}, depth=2) == {
        "+": {"a": {"=": {"b": {"c": 1, "d": 3}}}}
    }


class Listener:
    """A client of the hub, without a socket."""

    def __init__(
        self, hub: Hub, look: Look = frozenset(), last_id: str = "", transport: asyncio.WriteTransport | None = None
    ) -> None:
        self._following = hub._following(look, last_id, transport)
        self.client = self._following.__enter__()
        self.last_id = last_id

    def events(self) -> list[tuple[str, Any]]:
        """Return what came since the last call, but what keeps the stream alive."""
        found = []
        while self.client.depth:
            payload = self.client._queue.get_nowait()
            for block in (payload or b"").decode().strip().split("\n\n"):
                fields = dict(line.split(": ", 1) for line in block.splitlines())
                self.last_id = fields.get("id", self.last_id)
                if fields["event"] not in ("beat", "told"):
                    found.append((fields["event"], json.loads(fields["data"])))
        return found

    def leave(self) -> None:
        self._following.__exit__(None, None, None)


class Desk:
    """A hub and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.hub = Hub(WebSettings(), lambda: self.now)
        self.tell(session("AAPL", "MSFT", "NVDA"), ticks(150.0), ticks(400.0, symbol="MSFT"), gauges("AAPL"))

    def tell(self, *messages: FromBot, seconds: float = 1.0) -> None:
        """Tell the hub what the bot says, and let it send that."""
        for message in messages:
            self.hub.tell(message)
        self.now += seconds
        self.hub.flush()

    def join(self, look: Look = frozenset(), last_id: str = "") -> Listener:
        listener = Listener(self.hub, look, last_id)
        self.hub.flush()
        return listener


def test_all_is_told_of_what_is_looked_at_and_only_prices_of_the_others() -> None:
    desk = Desk()
    listener = desk.join(AAPL)
    ((name, data),) = listener.events()
    assert name == "snapshot"
    assert data["symbols"]["AAPL"]["gauges"] is not None
    assert data["symbols"]["MSFT"]["price"] == 400.0
    assert not {"ticks", "history", "gauges"} & set(data["symbols"]["MSFT"])

    desk.tell(ticks(151.0, first_at=1), ticks(401.0, 402.0, symbol="MSFT", first_at=1), gauges("AAPL"), gauges("MSFT"))
    told = dict(listener.events())
    assert list(told["ticks"]["symbols"]) == list(told["gauges"]) == ["AAPL"]
    assert told["prices"]["symbols"]["MSFT"][:2] == [402.0, 400.0]


def test_who_asks_for_nothing_that_is_shown_looks_at_the_first_symbol() -> None:
    desk = Desk()
    for wanted in (frozenset[str](), frozenset(["TSLA"])):
        ((_, data),) = desk.join(wanted).events()
        assert [name for name, view in data["symbols"].items() if "ticks" in view] == ["AAPL"]


def test_prices_are_told_a_few_times_a_second_however_often_they_change() -> None:
    desk = Desk()
    listener = desk.join(AAPL)
    listener.events()
    names = []
    for i in range(20):
        desk.tell(ticks(400.0 + i, symbol="MSFT", first_at=i), metrics(seconds=i), seconds=0.1)
        names += [name for name, _ in listener.events()]
    assert 4 <= names.count("prices") == names.count("metrics") <= 6


def test_what_was_held_back_is_told_when_its_time_has_come_without_another_word_of_the_bot() -> None:
    desk = Desk()
    listener = desk.join(AAPL)
    desk.tell(ticks(401.0, symbol="MSFT"))
    listener.events()
    desk.tell(ticks(402.0, symbol="MSFT"), seconds=0.1)
    assert listener.events() == []
    assert desk.hub._due_in_s() <= 0.4
    desk.tell()
    assert dict(listener.events())["prices"]["symbols"]["MSFT"][0] == 402.0


def test_a_bot_in_which_nothing_changes_sends_nothing() -> None:
    desk = Desk()
    listener = desk.join(AAPL)
    for _ in range(2):  # in the second it is told that no sending waits any more
        desk.tell(metrics(positions=(held(),)))
        listener.events()
    for _ in range(5):
        desk.tell(metrics(positions=(held(),)))
        assert listener.events() == []


def test_who_begins_to_look_at_a_symbol_gets_all_of_it_and_each_tick_once() -> None:
    desk = Desk()
    listener = desk.join(AAPL)
    listener.events()
    desk.hub.tell(ticks(401.0, symbol="MSFT", first_at=1))
    assert desk.hub.look(listener.client.name, MSFT)
    desk.hub.tell(ticks(402.0, symbol="MSFT", first_at=2))
    desk.tell()
    events = listener.events()
    assert [name for name, _ in events if name in ("ticks", "look")] == ["look"]
    look = dict(events)["look"]
    assert look["looked"] == ["MSFT"]
    assert [tick[1] for tick in look["symbols"]["MSFT"]["ticks"]] == [400.0, 401.0, 402.0]

    desk.tell(ticks(403.0, symbol="MSFT", first_at=3), ticks(155.0, first_at=3))
    assert [tick[1] for tick in dict(listener.events())["ticks"]["symbols"]["MSFT"]["ticks"]] == [403.0]


def test_a_stream_that_is_not_there_looks_at_nothing() -> None:
    assert not Desk().hub.look("nobody", AAPL)


def test_who_comes_back_gets_what_it_missed_and_no_snapshot() -> None:
    desk = Desk()
    listener = desk.join(AAPL)
    listener.events()
    listener.leave()
    desk.tell(ticks(151.0, first_at=1))
    desk.tell(ticks(152.0, first_at=2), closed())
    desk.tell(metrics(heard=Heard(30.0, {"AAPL": (20.0, 0.2)})))
    back = desk.join(AAPL, listener.last_id)
    events = back.events()
    assert [data["symbols"]["AAPL"]["ticks"][0][1] for name, data in events if name == "ticks"] == [151.0, 152.0]
    assert {"trade", "marks"} <= {name for name, _ in events}
    assert events[-1] == ("heard", {"feed_s": 30.0, "ticks": {"AAPL": [20.0, 0.2]}})  # older than the page takes it for
    assert desk.join(AAPL, back.last_id).events() == []


@pytest.mark.parametrize("case", ["another run", "other symbols", "too old", "no id", "to come", "session"])
def test_who_cannot_go_on_gets_a_snapshot(case: str) -> None:
    desk = Desk()
    listener = desk.join(AAPL)
    desk.tell(ticks(150.5, first_at=1))
    listener.events()
    run_, number, look = listener.last_id.split(".")
    if case == "too old":
        for i in range(MOST_SENDINGS + 1):
            desk.tell(ticks(151.0, first_at=i + 2))
            listener.events()
    if case == "session":
        desk.tell(session("AAPL"))
    last_id = {
        "another run": f"ffffffff.{number}.{look}",
        "no id": "1' or",
        "to come": f"{run_}.{int(number) + 1000}.{look}",
    }.get(case, ".".join((run_, number, look)))
    ((name, _),) = desk.join(MSFT if case == "other symbols" else AAPL, last_id).events()
    assert name == "snapshot"


def test_what_is_kept_for_those_that_come_back_is_bounded_in_bytes() -> None:
    sendings = ReplayBuffer("run")
    for _ in range(5):
        sendings.add(b"x" * 400_000, {}, frozenset())
    assert sendings._size <= 1 << 20
    assert sendings.missed("run.0.00000000", frozenset()) is None


def test_an_unheard_symbol_is_not_encoded_for_ever() -> None:
    desk = Desk()
    desk.join(AAPL).leave()
    for i in range(MOST_SENDINGS + 2):
        desk.tell(ticks(151.0, first_at=i))
    assert desk.hub._looked_at == {}


class Pipe(asyncio.WriteTransport):
    """A transport that holds bytes which the system does not take."""

    held = 0
    aborted = False

    def get_write_buffer_size(self) -> int:
        return self.held

    def abort(self) -> None:
        self.aborted = True


def test_who_does_not_read_is_dropped_and_counted_though_no_write_waits_for_long() -> None:
    """Small sendings are taken by a buffer for a long time: how old what waits there is, decides."""
    desk, pipe = Desk(), Pipe()
    listener = Listener(desk.hub, AAPL, transport=pipe)
    for seconds in (0, 4.9, 0.2):
        pipe.held = 10
        desk.tell(feed(), seconds=seconds)
        listener.events()
        if not seconds:
            pipe.held = 0
            desk.tell(feed(), seconds=9)
            assert not pipe.aborted
    assert not pipe.aborted
    desk.tell(feed(), seconds=5)
    assert (pipe.aborted, desk.hub.dropped) == (True, 1)
    desk.tell(feed(), seconds=5)
    assert desk.hub.dropped == 1


MESSAGES: list[Callable[[int], FromBot]] = [
    lambda i: ticks(150.0 + i, 150.5 + i, first_at=2 * i),
    lambda i: ticks(400.0 + i, 401.0 + i, symbol="MSFT", first_at=2 * i),
    lambda i: gauges("MSFT" if i % 2 else "AAPL"),
    lambda i: opened(decision=f"d{i}", seconds=i),
    lambda i: closed(decision=f"d{i}", seconds=i),
    lambda i: metrics(seconds=2 * i, positions=(held(open_profit=float(i)),), refusals={f"R{i % 3}": i}),
    lambda i: metrics(seconds=2 * i, summary={"trades": i, "metrics": {"AAPL": {"vwap": {"last": float(i)}}}}),
    lambda i: metrics(seconds=2 * i, chains={"AAPL": "FAILED: a bug", "NVDA": "RUNNING"}, locks={f"L{i % 2}": "why"}),
    lambda i: blocked(seconds=i),
    lambda i: feed(reason=str(i)),
]


@given(
    steps=st.lists(
        st.one_of(st.integers(0, len(MESSAGES) - 1), st.sampled_from(["AAPL", "MSFT", "break"])), max_size=30
    )
)
def test_a_page_that_folded_every_event_shows_what_one_shows_that_has_just_come(
    steps: list[int | str], fold: Fold
) -> None:
    """Whatever it looked at meanwhile, and however often its stream broke."""
    desk = Desk()
    listener = desk.join(AAPL)
    wanted, events = AAPL, listener.events()
    for i, step in enumerate(steps, 1):
        if step == "break":
            listener.leave()
            desk.tell(ticks(160.0 + i, first_at=2 * i))
            listener = desk.join(wanted, listener.last_id)
        elif isinstance(step, str):
            wanted = frozenset([step])
            desk.hub.look(listener.client.name, wanted)
            desk.tell(seconds=0.1)
        else:
            desk.tell(MESSAGES[step](i), seconds=0.1)
        events += listener.events()
    fresh = desk.join(wanted).events()
    events += listener.events()

    assert fold(events) == fold(fresh)


class Fold:
    """The page's own store, in Node: folds a list of events, and says what it shows then."""

    def __init__(self) -> None:
        node = shutil.which("node")
        assert node is not None, "the unit tests of the page need Node.js"
        self._node = subprocess.Popen([node, str(FOLD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, events: list[tuple[str, Any]]) -> Any:
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.write(json.dumps(events).encode() + b"\n")
        self._node.stdin.flush()
        return json.loads(self._node.stdout.readline())

    def close(self) -> None:
        self._node.communicate()


@pytest.fixture(scope="module")
def fold() -> Iterator[Fold]:
    folding = Fold()
    yield folding
    folding.close()


def test_a_stream_says_its_name_and_looks_elsewhere_when_it_is_told_to() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        dashboard.hub.tell(session("AAPL", "MSFT"))
        async with dashboard.client.get(dashboard.url / "events") as answer:
            assert answer.headers["Cache-Control"] == "no-cache, no-transform"
            assert answer.headers["X-Accel-Buffering"] == "no"
            assert await answer.content.readline() == b"retry: 1000\n"
            await answer.content.readline()
            stream = json.loads((await answer.content.readline())[len("data: ") :])["stream"]
            while b"event: snapshot" not in await answer.content.readline():
                pass
            for look, status in ((["MSFT", "nobody"], 204), (["x"] * 17, 400), ("MSFT", 400)):
                body = {"stream": stream, "look": look}
                async with dashboard.client.post(dashboard.url / "api/look", json=body) as said:
                    assert said.status == status
            async with dashboard.client.post(dashboard.url / "api/look", json={"stream": "x", "look": []}) as said:
                assert said.status == 404
            while b"event: look" not in await answer.content.readline():
                pass
            assert json.loads((await answer.content.readline())[len("data: ") :])["looked"] == ["MSFT"]

    run(scenario)


def test_who_no_stream_gets_through_to_can_ask_for_what_it_would_have_said() -> None:
    async def scenario(dashboard: Dashboard) -> None:
        async def asked(after: str) -> str:
            url = (dashboard.url / "api/changes").with_query(look="AAPL", after=after)
            async with dashboard.client.get(url) as answer:
                assert answer.status == 200
                return await answer.text()

        dashboard.hub.tell(session())
        first = await asked("")
        assert "event: snapshot" in first
        last_id = first.split("id: ")[1].split("\n")[0]
        dashboard.hub.tell(feed(reason="so"))
        second = await asked(last_id)
        assert "event: feed" in second
        assert "snapshot" not in second
        third = await asked(second.split("id: ")[1].split("\n")[0])
        assert "event: feed" not in third
        assert len(third) < 200

    run(scenario, update_hz=60)
