"""A bot, its notifier and the watcher as processes, and a webhook that is up, slow or down: what reaches it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.errors import UserError
from service.notify.targets import targets_of
from tests.support.bots import EAGER
from tests.support.live import MICROBOT, PATIENCE_S, Bot, environment, microbot, wait_until
from tests.support.webhook import Webhook

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its processes are stopped by signals")

FAST = ("--speed", 20, "--seed", 7)
AT_ONCE = ("--set", "supervision.first_delay_s=0.05", "--set", "supervision.most_delay_s=0.1")
ONE_KIND = ("--set", 'notify.events=["halts", "feed"]')


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with Webhook() as found:
        yield found


def notifying(hook: Webhook, folder: Path, *options: object) -> Bot:
    (folder / "urls").write_text(f"# mine\n{hook.url}\n")
    return Bot(folder, *FAST, *AT_ONCE, "--set", f"notify.urls_file={folder / 'urls'}", *options)


@contextlib.contextmanager
def watching(hook: Webhook, folder: Path, *options: str) -> Iterator[None]:
    (folder / "data").mkdir(exist_ok=True)
    command = [str(MICROBOT), "watch", "--every", "0.2", "--data-dir", str(folder / "data"), *options]
    env = environment() | {"MICROBOT_NOTIFY_URLS": hook.url}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("watching the bot of ")
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()


def notifier_of(bot: Bot) -> int:
    wait_until(lambda: "service.notify" in bot.children)
    return bot.children["service.notify"]


def of(hook: Webhook, id: str) -> list[dict[str, Any]]:
    return hook.of(lambda message: message["id"] == id)


def test_a_halt_and_a_feed_loss_and_their_ends_reach_the_webhook_in_order_each_under_one_id(
    hook: Webhook, tmp_path: Path
) -> None:
    with notifying(hook, tmp_path, *ONE_KIND, "--set", "feed.stale_after_s=1", "--set", "notify.gap_s=0") as bot:
        bot.until(lambda state: state["feed"]["state"] == "LIVE")
        assert bot.command("halt", "--reason", "I said so").returncode == 0
        halted = hook.until_text("HALTED: I said so.")
        assert (halted["kind"], halted["urgent"], halted["title"]) == ("halts", True, "microbot paper")
        assert halted["events"] == [halted["id"]]
        assert bot.command("resume").returncode == 0
        lifted = hook.until_text("ACTIVE: no longer halted")
        exchange = bot.children["service.live.exchange"]
        os.kill(exchange, signal.SIGSTOP)
        lost = hook.until_text("FEED STALE")
        os.kill(exchange, signal.SIGCONT)
        back = hook.until_text("FEED BACK")
        ids = [halted["id"], lifted["id"], lost["id"], back["id"]]
        bot.stop()
    assert [message["id"] for message in hook.messages if message["id"] in ids] == ids


def test_a_burst_of_fills_is_one_message_and_a_halt_waits_for_none(hook: Webhook, tmp_path: Path) -> None:
    with notifying(hook, tmp_path, *EAGER, "--set", "notify.gap_s=3600") as bot:
        hook.until(lambda message: message["kind"] == "fills")
        bot.until(lambda state: state["metrics"]["trades"] > 3)
        assert bot.command("halt").returncode == 0
        hook.until_text("HALTED: ")
        bot.stop()
    first, last = hook.of(lambda message: message["kind"] == "fills")  # the last one at the end of the session
    assert " fills: " in last["message"]
    assert len(last["events"]) > 1
    assert not set(first["events"]) & set(last["events"])
    with sqlite3.connect(tmp_path / "data" / "microbot.db") as journal:
        kinds = "('order_filled', 'position_closed')"
        (facts,) = journal.execute(f"SELECT count(*) FROM facts WHERE kind IN {kinds}").fetchone()
    journal.close()
    assert len(first["events"]) + len(last["events"]) == min(facts, len(first["events"]) + 100)


def test_a_killed_bot_is_told_by_its_notifier_and_the_watcher_tells_the_same_id_or_nothing(
    hook: Webhook, tmp_path: Path
) -> None:
    with notifying(hook, tmp_path, *ONE_KIND) as bot, watching(hook, tmp_path):
        bot.until(lambda state: state["feed"]["state"] == "LIVE")
        bot.process.kill()
        died = hook.until_text("BOT DIED: ")
        assert died["id"].endswith(f"/1/died/{bot.process.pid}")
        bot.process.wait(PATIENCE_S)
        with notifying(hook, tmp_path, *ONE_KIND) as successor:
            back = hook.until_text("BOT BACK: ")
            assert back["id"] == f"{died['id']}/back"
            successor.until(lambda state: state["feed"]["state"] == "LIVE")
            successor.stop()
    assert {message["id"] for message in hook.messages if "died" in message["id"]} == {died["id"], back["id"]}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_bot_that_dies_together_with_its_notifier_is_told_by_the_watcher_with_what_it_had_not_told(
    hook: Webhook, tmp_path: Path, number: int
) -> None:
    with notifying(hook, tmp_path, *ONE_KIND) as bot, watching(hook, tmp_path):
        bot.until(lambda state: state["feed"]["state"] == "LIVE")
        os.kill(notifier_of(bot), signal.SIGSTOP)
        assert bot.command("halt", "--reason", "before it died").returncode == 0
        bot.until(lambda state: state["state"]["state"] == "HALTED")
        os.kill(notifier_of(bot), signal.SIGKILL)
        bot.process.send_signal(number)
        assert hook.until_text("BOT DIED: ")["id"].endswith(f"/1/died/{bot.process.pid}")
        halted = hook.until_text("HALTED: before it died.")
        assert halted["id"].split("/")[1] == "1"


def test_a_bot_that_is_killed_with_all_of_its_processes_is_told_by_the_next_one(hook: Webhook, tmp_path: Path) -> None:
    with notifying(hook, tmp_path, *ONE_KIND) as bot:
        bot.until(lambda state: state["feed"]["state"] == "LIVE")
        notifier = notifier_of(bot)
        os.kill(notifier, signal.SIGSTOP)
        bot.process.kill()
        os.kill(notifier, signal.SIGKILL)
        bot.process.wait(PATIENCE_S)
    with notifying(hook, tmp_path, *ONE_KIND) as successor:
        died = hook.until_text("BOT DIED: ")
        assert died["id"].endswith(f"/1/died/{bot.process.pid}")
        assert f"; process {successor.process.pid} runs in its place." in died["message"]
        successor.until(lambda state: state["feed"]["state"] == "LIVE")
        successor.stop()


def test_a_notifier_without_an_address_leaves_what_is_to_be_told_to_a_watcher_that_has_one(
    hook: Webhook, tmp_path: Path
) -> None:
    heart = ("--set", f"notify.heartbeat_url={hook.ping_url}", "--set", "notify.heartbeat_s=1")
    with Bot(tmp_path, *FAST, *AT_ONCE, *heart) as bot, watching(hook, tmp_path):
        wait_until(lambda: hook.pings >= 1)
        assert bot.command("halt", "--reason", "I said so").returncode == 0
        hook.until_text("HALTED: I said so.")
        bot.stop()


def test_a_session_that_fails_says_why_before_it_ends(hook: Webhook, tmp_path: Path) -> None:
    with notifying(hook, tmp_path, *ONE_KIND, "--set", "supervision.restarts=0") as bot:
        bot.until(lambda state: state["feed"]["state"] == "LIVE")
        os.kill(bot.children["service.live.exchange"], signal.SIGKILL)
        assert bot.process.wait(PATIENCE_S) == 1
    died = hook.until_text("BOT DIED: ")
    assert died["message"].startswith("BOT DIED: the exchange process could not be kept running (exit code -9).")
    left = json.loads((tmp_path / "data" / "failed.json").read_text())
    assert left == {
        "pid": bot.process.pid,
        "failure": "the exchange process could not be kept running (exit code -9)",
    }


def test_a_stopped_bot_is_stuck_until_it_goes_on(hook: Webhook, tmp_path: Path) -> None:
    with notifying(hook, tmp_path, *ONE_KIND) as bot, watching(hook, tmp_path, "--stuck-after", "1"):
        bot.until(lambda state: state["feed"]["state"] == "LIVE")
        bot.process.send_signal(signal.SIGSTOP)
        stuck = hook.until_text("BOT STUCK: ")
        bot.process.send_signal(signal.SIGCONT)
        assert hook.until_text("BOT BACK: ")["id"] == f"{stuck['id']}/back"
        bot.stop()


def test_a_halt_waits_for_a_receiver_that_is_down_and_outlives_the_notifier(hook: Webhook, tmp_path: Path) -> None:
    hook.status = 503
    with notifying(hook, tmp_path, *ONE_KIND) as bot:
        bot.until(lambda state: state["feed"]["state"] == "LIVE")
        assert bot.command("halt").returncode == 0
        wait_until(lambda: hook.asked >= 2)
        old = notifier_of(bot)
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: bot.children.get("service.notify", old) != old)
        asked = hook.asked
        wait_until(lambda: hook.asked > asked)
        assert hook.messages == []
        hook.status = 200
        halted = hook.until_text("HALTED: ")
        bot.stop()
    assert of(hook, halted["id"]) == [halted]


def test_what_a_bot_could_not_tell_the_next_one_tells(hook: Webhook, tmp_path: Path) -> None:
    hook.status = 503
    with notifying(hook, tmp_path, *ONE_KIND) as bot:
        bot.until(lambda state: state["feed"]["state"] == "LIVE")
        assert bot.command("halt", "--reason", "long ago").returncode == 0
        wait_until(lambda: hook.asked >= 1)
        bot.stop()
    hook.status = 200
    with notifying(hook, tmp_path, *ONE_KIND) as bot:
        first = hook.until_text("HALTED: long ago.")
        assert first["id"].split("/")[1] == "1"
        bot.until(lambda state: state["feed"]["state"] == "LIVE")
        bot.stop()


def test_a_receiver_and_a_notifier_that_hang_keep_nothing_from_trading_and_no_halt_from_arriving(
    hook: Webhook, tmp_path: Path
) -> None:
    hook.hang()
    with notifying(hook, tmp_path, *EAGER, "--set", "notify.gap_s=0") as bot:
        wait_until(lambda: hook.asked >= 1)
        trades = bot.state["metrics"]["trades"]
        bot.until(lambda state: state["metrics"]["trades"] > trades + 3)
        os.kill(notifier_of(bot), signal.SIGSTOP)
        trades = bot.state["metrics"]["trades"]
        bot.until(lambda state: state["metrics"]["trades"] > trades + 3)
        assert bot.command("halt").returncode == 0
        hook.go_on()
        os.kill(notifier_of(bot), signal.SIGCONT)
        halted = hook.until_text("HALTED: ")
        bot.stop()
    assert len({halted["id"], *(message["id"] for message in of(hook, halted["id"]))}) == 1


def test_nothing_that_is_kept_or_shown_has_an_address(hook: Webhook, tmp_path: Path) -> None:
    hook.status = 503
    heart = ("--set", f"notify.heartbeat_url={hook.ping_url}", "--set", "notify.heartbeat_s=1")
    with notifying(
        hook, tmp_path, *heart, "--set", f"notify.urls=['{hook.url}']", "--set", "log.file_level=DEBUG"
    ) as bot:
        wait_until(lambda: hook.pings >= 2)
        assert bot.command("halt").returncode == 0
        wait_until(lambda: hook.asked >= 1)
        bot.line("[")
        shown = json.dumps(bot.get("/api/state")[1]) + json.dumps(bot.get("/api/settings")[1])
        assert "notify" in shown
        bot.stop()
        shown += "\n".join(bot.said)
    kept = [path.read_bytes() for place in ("data", "logs") for path in (tmp_path / place).rglob("*") if path.is_file()]
    assert len(kept) > 5
    assert b"top-secret" not in b"".join([shown.encode(), *kept])


def test_an_address_that_is_wrong_keeps_the_bot_from_starting_with_a_sentence(tmp_path: Path) -> None:
    done = microbot(
        "run", "--port", "0", "--exchange-port", "0", "--set", "notify.urls=['blub://hidden1']", cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "microbot: the notifier cannot start: address 1 of notify.urls (blub://...) is none that "
    )
    assert "hidden1" not in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "notify wants --test: "),
        (("--test",), "there is no address to notify: "),
        (("--test", "--set", "notify.urls=['blub://hidden1']"), "address 1 of notify.urls (blub://...) is none that "),
        (("--test", "--set", "notify.urls='hidden1'"), "notify.urls must be a list"),
        (("--test", "--set", "notify.urls_file=none"), "notify.urls_file none cannot be read: "),
        (("--test", "--set", "notify.quiet_hours=25:00"), "[notify]: quiet_hours must be like 22:00-07:00"),
        (("--test", "--set", "notify.events=['fill']"), "[notify]: events: there is no 'fill': choose of fills, "),
    ],
)
def test_what_cannot_be_tested_is_one_sentence(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    done = microbot("notify", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"microbot: {said}")
    assert done.stderr.count("\n") == 1
    assert "hidden1" not in done.stderr


def test_a_test_says_what_became_of_each_address(hook: Webhook, tmp_path: Path) -> None:
    urls = f"notify.urls=['{hook.url}', 'json://127.0.0.1:1/top-secret-path']"
    done = microbot("notify", "--test", "--set", urls, cwd=tmp_path)
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first == "address 1 (json): delivered"
    assert second.startswith("address 2 (json): NOT delivered: ")
    assert "top-secret" not in done.stdout + done.stderr
    assert [message["kind"] for message in hook.messages] == ["test"]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(UserError, match=r"pip install 'microbot-trading\[notify\]'"):
        targets_of(["json://127.0.0.1/x"])


def test_a_second_watcher_is_refused(hook: Webhook, tmp_path: Path) -> None:
    with watching(hook, tmp_path):
        done = microbot("watch", "--set", f"notify.urls=['{hook.url}']", cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == "microbot: another watcher runs on data: one is enough"
