"""The dashboard's secret: when a start is refused, where it is kept, and who finds it there."""

from __future__ import annotations

import gzip
import json
import socket
import stat
import threading
from pathlib import Path

import pytest

from service import settings
from service.data_folder import running, web_secret
from service.doctor import machine
from service.doctor.findings import Verdict
from service.errors import UserError
from tests.support.live import PATIENCE_S, Bot, microbot
from web.lock import Hash, is_hash, is_secret, parted
from web.settings import WebSettings

SECRET = "correct-horse-battery"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "bot.lan", "8.8.8.8"])
def test_off_loopback_a_start_without_a_secret_is_refused(host: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"set web\.secret"):
        web_secret.prepare(WebSettings(host=host), tmp_path)
    assert web_secret.prepare(WebSettings(host=host, secret=SECRET), tmp_path) == SECRET


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_on_loopback_it_is_optional(host: str, tmp_path: Path) -> None:
    assert web_secret.prepare(WebSettings(host=host), tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_the_secret_is_kept_for_this_user_alone_whatever_was_there(tmp_path: Path) -> None:
    for name in ("web-secret", "web-secret.new"):
        (tmp_path / name).write_text("for everybody")
        (tmp_path / name).chmod(0o666)
    assert web_secret.prepare(WebSettings(secret=SECRET), tmp_path) == SECRET
    assert stat.S_IMODE((tmp_path / "web-secret").stat().st_mode) == 0o600
    assert web_secret.headers(tmp_path) == {"Authorization": f"Bearer {SECRET}"}


def test_auto_makes_a_secret_once_and_another_where_others_could_have_read_it(tmp_path: Path) -> None:
    auto = WebSettings(secret="auto")
    made = web_secret.prepare(auto, tmp_path)
    assert is_secret(made)
    assert web_secret.prepare(auto, tmp_path) == made
    (tmp_path / "web-secret").chmod(0o644)
    again = web_secret.prepare(auto, tmp_path)
    assert again != made
    assert web_secret.kept_in(tmp_path) == again


def test_beside_a_hash_the_bots_commands_have_a_secret_of_their_own(tmp_path: Path) -> None:
    hashed = str(Hash.of(SECRET, b"salt" * 4))
    given = WebSettings(secret=hashed)
    made = web_secret.prepare(given, tmp_path)
    assert is_secret(made)
    assert made != SECRET
    assert web_secret.prepare(given, tmp_path) == made
    assert parted((tmp_path / "web-secret").read_text()) == (made, hashed)
    assert web_secret.headers(tmp_path) == {"Authorization": f"Bearer {made}"}
    assert web_secret.address("http://a", web_secret.shown(given, made)) == "http://a"
    assert web_secret.prepare(WebSettings(secret="auto"), tmp_path) == made
    assert hashed not in (tmp_path / "web-secret").read_text()


def test_a_secret_that_cannot_be_kept_is_said_without_it(tmp_path: Path) -> None:
    (tmp_path / "web-secret").mkdir()
    with pytest.raises(UserError, match="cannot be kept") as refused:
        web_secret.prepare(WebSettings(secret=SECRET), tmp_path)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("value", ["short", '"with a blank in it ............"', "12345678901234567890", "true"])
def test_what_is_no_secret_is_refused_without_being_repeated(value: str) -> None:
    with pytest.raises(UserError, match="secret must be") as refused:
        settings.load(None, [f"web.secret={value}"], environment={})
    assert value.strip('"') not in str(refused.value)


def test_a_browser_is_opened_with_a_file_since_everybody_reads_its_command_line(tmp_path: Path) -> None:
    url = "http://127.0.0.1:8080"
    assert web_secret.page(url, "", tmp_path) == url
    told = web_secret.page(url, SECRET + "/+\"'<&", tmp_path)
    assert SECRET not in told
    file = tmp_path / "dashboard.html"
    assert told == file.as_uri()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f'url={url}/#secret={SECRET}%2F%2B%22%27%3C%26">' in file.read_text()


# -------------------------------------------------------------------------------------------------- the whole bot


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_the_bot_does_not_start_off_loopback_without_a_secret(host: str, tmp_path: Path) -> None:
    refused = microbot("run", "--port", 0, "--exchange-port", 0, "--set", f"web.host='{host}'", cwd=tmp_path)
    assert refused.returncode == 2
    (sentence,) = refused.stderr.splitlines()
    assert "web.secret" in sentence
    assert not (tmp_path / "data" / "microbot.db").exists()


def test_a_locked_bot_is_commanded_by_its_owner_and_tells_its_secret_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(f'[web]\nsecret = "{SECRET}"\n')
    with Bot(tmp_path, "--config", "settings.toml") as bot:
        assert bot.dashboard == f"http://127.0.0.1:{bot.port}"  # nobody sits at a terminal, and a log is read later
        assert bot.get("/api/state")[0] == 401
        assert bot.get("/healthz") == (200, {"ok": True})
        for command, state in (("pause", "PAUSED"), ("resume", "ACTIVE"), ("reduce", "REDUCING"), ("halt", "HALTED")):
            done = bot.command(command)
            assert done.returncode == 0, done.stderr
            assert state in done.stdout
        found = microbot("doctor", "--json", "--set", "web.port=0", "--set", "exchange.port=0", cwd=tmp_path).stdout
        (state_of_bot,) = (line for line in map(json.loads, found.splitlines()) if line["check"] == "bot")
        assert "is HALTED" in state_of_bot["found"]
        for pid in (bot.process.pid, *bot.children.values()):
            assert SECRET not in Path(f"/proc/{pid}/cmdline").read_text()
        (tmp_path / "data" / "web-secret").unlink()
        refused = bot.command("pause")
        assert refused.returncode == 2
        assert "web-secret" in refused.stderr
        bot.stop()
    for path in (tmp_path / "logs").iterdir():
        assert SECRET not in path.read_text()
    for path in (tmp_path / "data").rglob("*"):
        content = b"" if path.is_dir() else path.read_bytes()
        assert SECRET.encode() not in (gzip.decompress(content) if path.suffix == ".gz" else content), path


def test_a_secret_on_the_command_line_is_said_to_be_readable_there(tmp_path: Path) -> None:
    with Bot(tmp_path, "--set", f"web.secret={SECRET}") as bot:
        assert bot.dashboard
        assert [line for line in bot.said if "web.secret" in line]
        assert not [line for line in bot.said if SECRET in line and "dashboard:" not in line]


def test_a_redirect_is_not_followed_with_the_secret(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, running.claim(tmp_path) as claimed:
        port = server.getsockname()[1]
        web_secret.prepare(WebSettings(secret=SECRET), tmp_path)
        claimed.publish(f"http://127.0.0.1:{port}")

        def redirect() -> None:
            caller, _ = server.accept()
            with caller:
                caller.recv(10_000)
                caller.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\n\r\n" % port)
                caller.shutdown(socket.SHUT_WR)
                while caller.recv(10_000):  # a connection that is closed on unread bytes is reset, answer and all
                    pass

        thread = threading.Thread(target=redirect)
        thread.start()
        with pytest.raises(UserError, match="refused pause: Found"):
            running.send(tmp_path, "pause", "")
        thread.join(PATIENCE_S)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()  # nobody came a second time


# ----------------------------------------------------------------------------------------------------- the doctor


@pytest.mark.parametrize(
    ("given", "others", "verdict"),
    [
        (WebSettings(), [], Verdict.OK),
        (WebSettings(), ["ann"], Verdict.WARNING),
        (WebSettings(secret=SECRET), ["ann"], Verdict.OK),
        (WebSettings(allowed_hosts=("bot.lan",)), [], Verdict.WARNING),
        (WebSettings(host="0.0.0.0"), [], Verdict.FAILED),
        (WebSettings(host="0.0.0.0", secret="auto"), ["ann"], Verdict.OK),
    ],
)
def test_the_doctor_recommends_a_secret_where_others_reach_the_dashboard(
    given: WebSettings, others: list[str], verdict: Verdict
) -> None:
    finding = machine.dashboard_secret(given, others)
    assert finding.verdict is verdict
    assert ("web.secret=auto" in finding.remedy) is (verdict is not Verdict.OK)
    assert SECRET not in str(finding)


def test_the_other_users_are_people_and_not_us() -> None:
    assert "root" not in machine.other_users()
    assert "nobody" not in machine.other_users()


def test_without_a_terminal_a_secret_comes_from_a_file_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    found = microbot("hash-secret", "--secret-file", "secret", cwd=tmp_path)
    assert (found.returncode, is_hash(found.stdout.strip())) == (0, True)
    refused = microbot("hash-secret", cwd=tmp_path, said=f"{SECRET}\n")
    assert refused.returncode == 2
    assert "elsewhere say --secret-file" in refused.stderr


def test_a_bot_with_the_hash_of_a_secret_opens_for_it_and_prints_neither(tmp_path: Path) -> None:
    hashed = microbot("hash-secret", "--secret-file", "-", cwd=tmp_path, said=f"{SECRET}\n").stdout.strip()
    (tmp_path / "settings.toml").write_text(f'[web]\nsecret = "{hashed}"\n')
    with Bot(tmp_path, "--config", "settings.toml") as bot:
        assert bot.dashboard == f"http://127.0.0.1:{bot.port}"
        assert bot.get("/api/state")[0] == 401
        assert bot.get("/api/state", Authorization=f"Bearer {SECRET}")[0] == 200
        assert bot.command("pause").returncode == 0
        for pid in (bot.process.pid, *bot.children.values()):
            assert hashed not in Path(f"/proc/{pid}/cmdline").read_text()
        bot.stop()
