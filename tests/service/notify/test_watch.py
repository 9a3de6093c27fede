"""What the watcher decides from what it sees."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from service.data_folder import running
from service.data_folder.running import Failed, Running
from service.notify.__main__ import Heartbeat
from service.notify.desk import Incident
from service.notify.watch import Seen, Watch, look_at
from service.private_files import write_private

WELL = Seen(pid=7, claimed=True, silent_s=0.1, run=3)
DEAD = Seen(pid=7, claimed=False, silent_s=None, run=3, held=("AAPL 100",))


def test_a_death_is_told_once_under_the_id_of_run_and_process() -> None:
    watch = Watch(None, 10, 0.0)
    assert watch.look(WELL, 1.0) is None
    event = watch.look(DEAD, 2.0)
    assert event is not None
    assert event.id == "3/died/7"
    assert event.text == "BOT DIED: process 7 ended without a word. Open: AAPL 100."
    assert watch.look(DEAD, 3.0) is None


def test_a_watcher_that_starts_again_does_not_tell_the_same_death_but_the_return() -> None:
    watch = Watch(Incident("3/died/7", 7, stuck=False), 10, 0.0)
    assert watch.look(DEAD, 1.0) is None
    back = watch.look(Seen(pid=8, claimed=True, silent_s=0.0, run=4), 2.0)
    assert back is not None
    assert (back.id, back.text) == ("3/died/7/back", "BOT BACK: process 8 runs.")


def test_a_loop_without_a_sign_of_life_is_stuck_whether_the_process_answers_or_not() -> None:
    for answer in (11.0, None):
        watch = Watch(None, 10, 0.0)
        assert watch.look(WELL, 1.0) is None
        assert watch.look(WELL._replace(silent_s=answer and 9.0), 10.0) is None
        event = watch.look(WELL._replace(silent_s=answer), 12.0)
        assert event is not None
        assert event.id == "3/stuck/7-1"
        assert watch.look(WELL._replace(silent_s=answer and 30.0), 31.0) is None
        back = watch.look(WELL, 32.0)
        assert back is not None
        assert back.id == "3/stuck/7-1/back"


def test_a_bot_that_is_stuck_and_then_dies_is_told_as_dead() -> None:
    watch = Watch(Incident("3/stuck/7-1", 7, stuck=True), 10, 0.0)
    event = watch.look(DEAD, 1.0)
    assert event is not None
    assert event.id == "3/died/7"


def test_a_run_that_failed_says_why_and_one_that_was_stopped_in_order_is_no_incident() -> None:
    watch = Watch(None, 10, 0.0)
    watch.look(WELL, 1.0)
    event = watch.look(Seen(failed=Failed(7, "the core failed: ValueError: no"), run=3), 2.0)
    assert event is not None
    assert event.text == "BOT DIED: the core failed: ValueError: no. Nothing was open."
    watch = Watch(None, 10, 0.0)
    watch.look(WELL, 1.0)
    assert watch.look(Seen(run=3), 2.0) is None
    assert watch.look(Seen(pid=9, claimed=True, silent_s=0.0, run=4), 3.0) is None


def test_a_bot_that_was_restarted_between_two_looks_is_told() -> None:
    watch = Watch(None, 10, 0.0)
    watch.look(WELL, 1.0)
    event = watch.look(Seen(pid=8, claimed=True, silent_s=0.0, run=4), 2.0)
    assert event is not None
    assert event.text == "BOT RESTARTED: process 8 runs in place of 7."


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
