"""What systemd is told: when the bot is ready, that its core goes on, and nothing that a stuck core could not say."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.messages import BrokerChanged, FeedChanged, FeedState
from service.live.service_manager import Beat, ServiceManager, manager_of, without_manager


class Told:
    """A manager that is told something, and a clock that stands until it is moved."""

    def __init__(self, interval_s: float | None = 10.0, *, with_broker: bool = True, with_feed: bool = True) -> None:
        self.said: list[str] = []
        self.now_s = 1_000.0
        self.inputs = 0
        self.manager = ServiceManager(
            self.said.append, interval_s, lambda: self.now_s, with_broker=with_broker, with_feed=with_feed
        )

    def lines(self, feed: FeedState, broker: FeedState) -> None:
        self.manager.note_fact(FeedChanged(feed))
        self.manager.note_fact(BrokerChanged(broker, 0))

    def beat(self, after_s: float, inputs: int = 1, *, is_fed: bool = True) -> list[str]:
        """Let time pass, have the core take inputs, and return what is said at the next beat."""
        self.now_s += after_s
        self.inputs += inputs
        self.said.clear()
        self.manager.beat(Beat(self.inputs, is_fed))
        return self.said.copy()


def ready(interval_s: float | None = 10.0) -> Told:
    told = Told(interval_s)
    told.lines(FeedState.LIVE, FeedState.LIVE)
    assert "READY=1" in told.beat(0)
    return told


@pytest.mark.parametrize("feed", [FeedState.CONNECTING, FeedState.LIVE])
@pytest.mark.parametrize("broker", [FeedState.DOWN, FeedState.LIVE])
def test_it_is_ready_once_both_lines_to_the_venue_are_there(feed: FeedState, broker: FeedState) -> None:
    told = Told()
    told.lines(feed, broker)
    assert ("READY=1" in told.beat(0)) is (feed is broker is FeedState.LIVE)


def test_it_is_ready_once_and_losing_a_line_takes_nothing_back() -> None:
    told = ready()
    told.lines(FeedState.DOWN, FeedState.DOWN)
    told.beat(1)
    told.lines(FeedState.LIVE, FeedState.LIVE)
    assert told.beat(100) == ["WATCHDOG=1"]


def test_without_a_broker_or_a_live_feed_there_is_none_to_wait_for() -> None:
    assert "READY=1" in Told(with_broker=False, with_feed=False).beat(0)


def test_a_sign_of_life_comes_when_half_of_the_time_is_over() -> None:
    told = ready()
    assert [told.beat(1) for _ in range(12)] == [[], [], [], [], ["WATCHDOG=1"], [], [], [], [], ["WATCHDOG=1"], [], []]


def test_a_core_that_takes_no_input_gives_no_sign_however_often_the_loop_comes_by() -> None:
    told = ready()
    told.beat(5)
    assert [told.beat(1, inputs=0) for _ in range(100)] == [[]] * 100
    assert told.beat(0, inputs=1) == ["WATCHDOG=1"]


def test_while_the_venues_time_is_not_known_no_input_need_come() -> None:
    assert ready().beat(5, inputs=0, is_fed=False) == ["WATCHDOG=1"]


def test_a_start_that_waits_for_the_venue_has_time_as_long_as_the_core_goes_on() -> None:
    told = Told()
    assert told.beat(0) == ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=10000000"]
    assert told.beat(5) == ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=10000000"]
    assert told.beat(5, inputs=0) == []


def test_without_a_watchdog_nothing_is_said_but_while_it_starts_and_stops() -> None:
    told = ready(None)
    assert told.beat(1_000) == []
    told.manager.stopping()
    assert told.said == ["STOPPING=1"]
    assert told.beat(1_000, inputs=0) == ["EXTEND_TIMEOUT_USEC=60000000"]


def test_the_same_status_is_said_once() -> None:
    told = ready()
    told.said.clear()
    for status in ("ACTIVE", "ACTIVE", "HALTED"):
        told.manager.tell(status)
    assert told.said == ["STATUS=ACTIVE", "STATUS=HALTED"]


# ------------------------------------------------------------------------------------------------ the socket


@pytest.mark.parametrize("is_abstract", [True, False])
def test_datagrams_reach_a_socket_by_path_or_in_the_abstract_namespace(is_abstract: bool, tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    name = f"microbot-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}" if is_abstract else path)
        manager = made({"NOTIFY_SOCKET": f"@{name}" if is_abstract else path, "WATCHDOG_USEC": "2000000"})
        assert manager is not None
        manager.tell("ACTIVE; open: nichts — ü")
        assert listening.recv(4_096).decode() == "STATUS=ACTIVE; open: nichts — ü"
        manager.beat(Beat(1, True))
        assert listening.recv(4_096) == b"WATCHDOG=1"
    manager.tell("and nobody listens")  # nor is hurt by that
    manager.close()


@pytest.mark.parametrize(
    ("more", "is_watched"),
    [
        ({"WATCHDOG_USEC": "2000000"}, True),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}, True),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, False),
        ({"WATCHDOG_USEC": "soon"}, False),
        ({"WATCHDOG_USEC": "0"}, False),
        ({}, False),
    ],
)
def test_the_watchdog_is_fed_by_the_process_that_it_watches(
    more: dict[str, str], is_watched: bool, heard: Callable[[], list[str]], listening: str
) -> None:
    manager = made({"NOTIFY_SOCKET": listening} | more)
    assert manager is not None
    manager.beat(Beat(1, True))
    manager.close()
    assert ("WATCHDOG=1" in heard()) is is_watched


@pytest.fixture
def listening(tmp_path: Path) -> str:
    return str(tmp_path / "n")


@pytest.fixture
def heard(listening: str) -> Iterator[Callable[[], list[str]]]:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    found.bind(listening)
    found.setblocking(False)

    def read() -> list[str]:
        texts = []
        while True:
            try:
                texts.append(found.recv(4_096).decode())
            except BlockingIOError:
                return texts

    with found:
        yield read


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_socket_there_is_no_manager(environment: dict[str, str]) -> None:
    assert made(environment) is None


def test_children_hear_nothing_of_the_manager() -> None:
    left = without_manager({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"})
    assert left == {"PATH": "/bin"}


def made(environment: dict[str, str]) -> ServiceManager | None:
    return manager_of(environment, lambda: 0.0, with_broker=False, with_feed=True)
