"""What the watcher decides from what it sees."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.data_folder import running
from service.data_folder.running import Failed, Running
from service.locking import try_lock
from service.notify import desk, watch as watching
from service.notify.__main__ import Heartbeat
from service.notify.desk import LOCK, Incident
from service.notify.event import Event
from service.notify.watch import Seen, Watch, Watcher, look_at
from service.notify_settings import NotifySettings
from service.private_files import write_private
from tests.service.notify.test_desk import HALT, RUN, FakeTarget, Office
from tests.support.live import PATIENCE_S

WELL = Seen(pid=7, claimed=True, silent_s=0.1, run=3)
DEAD = Seen(pid=7, claimed=False, silent_s=None, run=3, held=("AAPL 100",))


class Timed(Watch):
    """Looked by at times, in seconds since the first look."""

    last = 0.0

    def at(self, seen: Seen, now: float) -> Event | None:
        passed, self.last = now - self.last, now
        return self.look(seen, passed, now)


def test_a_death_is_told_once_under_the_id_of_run_and_process() -> None:
    watch = Timed(None, 10)
    assert watch.at(WELL, 1.0) is None
    event = watch.at(DEAD, 2.0)
    assert event is not None
    assert event.id == "3/died/7"
    assert event.text == "BOT DIED: process 7 ended without a word. Open: AAPL 100."
    assert watch.at(DEAD, 3.0) is None


def test_a_watcher_that_starts_again_does_not_tell_the_same_death_but_the_return() -> None:
    watch = Timed(Incident("3/died/7", 7, stuck=False), 10)
    assert watch.at(DEAD, 1.0) is None
    back = watch.at(Seen(pid=8, claimed=True, silent_s=0.0, run=4), 2.0)
    assert back is not None
    assert (back.id, back.text) == ("3/died/7/back", "BOT BACK: process 8 runs.")


def test_a_loop_without_a_sign_of_life_is_stuck_whether_the_process_answers_or_not() -> None:
    for answer in (11.0, None):
        watch = Timed(None, 10)
        assert watch.at(WELL, 1.0) is None
        assert watch.at(WELL._replace(silent_s=answer and 9.0), 10.0) is None
        event = watch.at(WELL._replace(silent_s=answer), 12.0)
        assert event is not None
        assert event.id == "3/stuck/7-1"
        assert watch.at(WELL._replace(silent_s=answer and 30.0), 31.0) is None
        back = watch.at(WELL, 32.0)
        assert back is not None
        assert back.id == "3/stuck/7-1/back"


def test_one_look_without_an_answer_is_no_stuck_bot() -> None:
    watch = Timed(None, 10)
    watch.at(WELL, 1.0)
    assert watch.at(WELL._replace(silent_s=None), 30.0) is None
    assert watch.at(WELL._replace(silent_s=None), 32.0) is not None


def test_a_bot_that_is_stuck_and_then_dies_is_told_as_dead() -> None:
    watch = Timed(Incident("3/stuck/7-1", 7, stuck=True), 10)
    event = watch.at(DEAD, 1.0)
    assert event is not None
    assert event.id == "3/died/7"


def test_a_run_that_failed_says_why_and_one_that_was_stopped_in_order_is_no_incident() -> None:
    watch = Timed(None, 10)
    watch.at(WELL, 1.0)
    event = watch.at(Seen(failed=Failed(7, "the core failed: ValueError: no"), run=3, held=()), 2.0)
    assert event is not None
    assert event.text == "BOT DIED: the core failed: ValueError: no. Nothing was open."
    watch = Timed(None, 10)
    watch.at(WELL, 1.0)
    assert watch.at(Seen(run=3), 2.0) is None
    assert watch.at(Seen(pid=9, claimed=True, silent_s=0.0, run=4), 3.0) is None


@pytest.mark.parametrize("pid", [8, 7])  # in a container, each bot has the same number
def test_a_bot_that_was_killed_and_started_again_between_two_looks_is_told(pid: int) -> None:
    watch = Timed(None, 10)
    watch.at(WELL._replace(started=1), 1.0)
    watch.at(Seen(run=3), 2.0)  # the next one is starting
    next_one = Seen(pid=pid, claimed=True, silent_s=0.0, run=4, held=(), started=2, killed=(7, 1), killed_run=3)
    event = watch.at(next_one, 3.0)
    assert event is not None
    assert event.id == "3/died/7"
    assert event.text == (
        f"BOT DIED: process 7 ended without a word; process {pid} runs in its place. Nothing was open."
    )
    assert watch.at(next_one, 4.0) is None


def test_a_bot_that_was_stopped_and_started_again_between_two_looks_is_no_incident() -> None:
    watch = Timed(None, 10)
    watch.at(WELL._replace(started=1), 1.0)
    assert watch.at(Seen(pid=8, claimed=True, silent_s=0.0, run=4, started=2), 2.0) is None


def test_what_is_seen_of_a_bot_names_the_one_before_it_if_that_was_killed(tmp_path: Path) -> None:
    office = Office(tmp_path)
    write_private(tmp_path / "running.json", msgspec.json.encode(Running(7, "", "127.0.0.1:1", "token", started_ts=1)))
    with running.claim(tmp_path) as claimed:
        claimed.publish("http://127.0.0.1:1")
        office.begin(msgspec.structs.replace(RUN, started_ts=2**62)).close()
        seen = look_at(tmp_path)
    assert (seen.killed, seen.killed_run, seen.run) == ((7, 1), 1, 2)
    office.journal.close()


def test_a_bot_that_ends_in_order_while_it_is_looked_at_has_not_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "running.json"

    def has_ended(folder: Path) -> bool:
        file.unlink()
        return False

    write_private(file, msgspec.json.encode(Running(7, "", "127.0.0.1:1", "token")))
    assert look_at(tmp_path).pid == 7
    monkeypatch.setattr(running, "is_claimed", has_ended)
    assert look_at(tmp_path) == Seen()


def test_a_heartbeat_goes_out_only_while_the_loop_beats_and_no_more_often_than_asked() -> None:
    heartbeat = Heartbeat(60)
    assert not heartbeat.due(0, 1.0)
    assert heartbeat.due(1, 1.0)
    assert not heartbeat.due(30, 31.0)
    assert heartbeat.due(60, 61.0)
    assert not heartbeat.due(60, 500.0)  # the loop is stuck
    assert heartbeat.due(61, 501.0)
    assert not heartbeat.due(62, 502.0)
    assert not heartbeat.due(62, 561.0)  # and got stuck after a beat that was not told


# ------------------------------------------------------------------------------------------------- its looks


class Watched:
    """A data folder without a notifier, one watcher after the other, and what reaches an address."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *targets: Any) -> None:
        self.office = Office(folder)
        self.office.work()
        self.target = FakeTarget()
        self.targets = targets or (self.target,)
        self.folder = folder
        self.now = 0.0
        self.said: list[str] = []
        self._monkeypatch = monkeypatch
        self.watcher = self.open()
        self.see(WELL)

    def see(self, seen: Seen) -> None:
        self._monkeypatch.setattr(watching, "look_at", lambda folder: seen)

    def open(self) -> Watcher:
        made: list[Any] = [self.folder, NotifySettings(gap_s=0), self.targets, self.said.append]
        self.watcher = Watcher(*made, every_s=2, stuck_s=10, monotonic=lambda: self.now)
        return self.watcher

    def reopen(self) -> None:
        self.watcher.close()
        self.open()

    def look(self, passed_s: float = 2.0, times: int = 1) -> list[str]:
        """Look, and return what has reached the address."""
        before = len(self.target.texts)

        async def looks() -> None:
            for _ in range(times):
                self.now += passed_s
                await self.watcher.look()
                await self.watcher.settle()

        asyncio.run(looks())
        return self.target.texts[before:]


Watching = Callable[..., Watched]


@pytest.fixture
def watching_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watching]:
    found: list[Watched] = []

    def begin(folder: Path, *targets: Any) -> Watched:
        found.append(Watched(folder, monkeypatch, *targets))
        return found[-1]

    yield begin
    for watched in found:
        watched.watcher.close()


@contextmanager
def a_notifier(folder: Path) -> Iterator[None]:
    with (folder / LOCK).open("wb") as lock:
        assert try_lock(lock.fileno())
        yield


def test_on_a_full_disk_a_halt_is_told_once_in_a_notifier_s_place(
    tmp_path: Path, watching_at: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watching_at(tmp_path)
    watched.office.write(7, HALT)

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(desk, "write_private", full)
    assert watched.look(times=3) == ["HALTED: by hand. Flat."]


def test_a_receiver_that_is_down_is_said_once_in_a_notifier_s_place(tmp_path: Path, watching_at: Watching) -> None:
    watched = watching_at(tmp_path)
    watched.target.failure = "503"
    watched.office.write(7, HALT)
    watched.look(times=5)
    assert watched.said == ["address 1 (json) takes no messages, they wait: 503"]


def test_a_notifier_that_was_there_meanwhile_is_gone_on_from(tmp_path: Path, watching_at: Watching) -> None:
    watched = watching_at(tmp_path)
    assert watched.look() == []
    watched.office.write(7, HALT)
    watched.office.open()
    assert watched.office.work() == ["HALTED: by hand. Flat."]
    assert watched.look() == []


def test_a_folder_that_cannot_be_looked_at_is_told_once_and_so_is_its_return(
    tmp_path: Path, watching_at: Watching
) -> None:
    watched = watching_at(tmp_path / "data")
    watched.office.journal.close()
    away = tmp_path / "away"
    (tmp_path / "data").rename(away)
    (text,) = watched.look(times=4)
    assert text == (
        f"WATCHER BLIND: {tmp_path / 'data'} cannot be looked at: No such file or directory. "
        "What the bot does is not known."
    )
    shutil.copytree(away, tmp_path / "data")
    assert watched.look(times=2) == ["WATCHER SEES AGAIN."]


def test_a_folder_that_may_not_be_looked_at_any_more_is_told_too(
    tmp_path: Path, watching_at: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at, read = watching.look_at, Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "running.json":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return read(path)

    watched = watching_at(tmp_path)
    monkeypatch.setattr(watching, "look_at", look_at)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", refuse)
        (text,) = watched.look(times=4)
    assert text.startswith(f"WATCHER BLIND: {tmp_path} cannot be looked at: Permission denied; ask as the user ")
    assert watched.look(times=2) == ["WATCHER SEES AGAIN."]


def test_a_machine_that_wakes_up_is_no_stuck_bot_and_one_that_never_answers_is(
    tmp_path: Path, watching_at: Watching
) -> None:
    watched = watching_at(tmp_path)
    watched.look()
    watched.see(WELL._replace(silent_s=None))
    assert watched.look(passed_s=28_800) == []
    assert watched.look() == []
    (text,) = watched.look(times=6)
    assert text.startswith("BOT STUCK: process 7 shows no sign of life for ")


def test_a_death_that_a_watcher_saw_and_had_not_told_the_next_one_tells(tmp_path: Path, watching_at: Watching) -> None:
    watched = watching_at(tmp_path)
    watched.see(DEAD)
    with a_notifier(tmp_path):  # which may be telling it
        assert watched.look() == []
        watched.reopen()
        (text,) = watched.look(times=5)
    assert text.startswith("BOT DIED: process 7 ")
    watched.reopen()
    assert watched.look(times=5) == []


def test_an_address_that_hangs_holds_up_neither_a_look_nor_another_address(
    tmp_path: Path, watching_at: Watching
) -> None:
    go_on, all_told = threading.Event(), threading.Event()

    class Hanging(FakeTarget):
        key = "b"

        def send(self, *_: Any) -> str:
            go_on.wait(PATIENCE_S)
            return "too late"

    class Up(FakeTarget):
        def send(self, *message: Any) -> str:
            found = super().send(*message)
            if len(self.texts) == 3:
                all_told.set()
            return found

    up = Up()
    watched = watching_at(tmp_path, Hanging(), up)
    watched.see(DEAD)
    watched.office.write(7, HALT)

    async def looks() -> None:
        await watched.watcher.look()
        watched.see(WELL._replace(pid=8))
        await watched.watcher.look()
        told = await asyncio.to_thread(all_told.wait, PATIENCE_S)
        go_on.set()
        assert told

    asyncio.run(looks())
    assert sorted(text.split(":")[0] for text in up.texts) == ["BOT BACK", "BOT DIED", "HALTED"]
