"""disk_watch: a disk that is getting full is said while there is still something to do about it, and not too often."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from service.live.disk_watch import DiskPolicy, DiskWatch
from tests.support.live import Bot
from tests.support.market import START
from web.messages import DiskSeen

GB = 1_000_000_000


def test_a_low_disk_is_said_once_again_at_each_half_and_once_it_is_over() -> None:
    policy = DiskPolicy(2 * GB)
    course = [3 * GB, 2 * GB, 2 * GB - 1, GB + 1, GB - 1, GB - 2, GB // 3, 2 * GB, 2.4 * GB, 2.5 * GB, 3 * GB, GB, 0, 0]
    said = [policy.judge(int(free)) for free in course]
    quiet = None
    assert said == [quiet, quiet, True, quiet, True, quiet, True, quiet, quiet, False, quiet, True, True, quiet]


def watch(folders: list[Path], free: dict[Path, int], warn_bytes: int = 2 * GB) -> tuple[DiskWatch, list[DiskSeen]]:
    shown: list[DiskSeen] = []

    def free_at(folder: Path) -> int:
        if folder not in free:
            raise OSError(5, "Input/output error")
        return free[folder]

    return DiskWatch(folders, warn_bytes, lambda: START, shown.append, free_at), shown


def test_two_folders_of_one_disk_are_one_disk(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    watched, shown = watch([tmp_path, other], {tmp_path: GB, other: GB})
    watched.look()
    watched.look()
    assert shown == [DiskSeen(str(tmp_path), GB, low=True, ts=START)]
    assert "1.00 GB free" in shown[0].sentence


def test_a_disk_that_does_not_say_is_left_out(tmp_path: Path) -> None:
    watched, shown = watch([tmp_path / "missing", tmp_path], {})
    watched.look()
    assert shown == []


def test_without_a_threshold_nothing_is_looked_at(tmp_path: Path) -> None:
    watched, shown = watch([tmp_path], {tmp_path: 0}, warn_bytes=0)
    watched.start()
    watched.stop()
    assert shown == []


def test_the_dashboard_shows_it_also_after_a_restart_of_its_process(tmp_path: Path) -> None:
    with Bot(tmp_path, "--set", f"disk.warn_bytes={10**18}") as bot:

        def told(state: dict[str, object]) -> bool:
            notices = state["notices"]
            assert isinstance(notices, list)
            return any(notice["kind"] == "disk" and "make room" in notice["text"] for notice in notices)

        bot.until(told)
        before = bot.children["web"]
        os.kill(before, signal.SIGKILL)
        bot.until(lambda state: bot.children.get("web") not in (None, before) and told(state))
        bot.stop()
