"""`microbot service`: units and containers with this installation's paths; what could not run unattended is refused."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, strategies as st

from service.deployment import container, host, unit
from service.deployment.plan import STOP_S, Plan, command
from service.errors import UserError
from service.version import VERSION
from tests.support.live import microbot
from tests.support.supervisor import read_unit, words_of

ANALYZE = shutil.which("systemd-analyze")
ODD = Path('/srv/my "bot" 50% $HOME')


def plan(*run: str, folder: Path = Path("/srv/bot"), user: str | None = None) -> Plan:
    return Plan("microbot", run, folder, folder / "data", folder / "logs", folder / "microbot.env", user=user)


# ------------------------------------------------------------------------------------------------------ units


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r"), min_size=1)))
def test_a_command_line_is_read_back_as_it_was_meant(words: list[str]) -> None:
    found = read_unit(unit.unit_of(plan(*words), system=False))["Service"]["ExecStart"]
    assert words_of(found) == [*command(), "run", *words, "--data-dir", "/srv/bot/data", "--log-dir", "/srv/bot/logs"]


@pytest.mark.parametrize("system", [True, False])
@pytest.mark.parametrize("folder", [Path("/"), ODD])
@pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze")
def test_systemd_takes_the_unit(system: bool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ANALYZE is not None
    program = tmp_path / "a $b 50%" / "microbot"  # which has to be there, and to be started
    program.parent.mkdir()
    program.symlink_to(command()[0])
    monkeypatch.setattr(unit, "command", lambda: (str(program),))
    written = plan("--set", 'web.secret="50% of $X"', folder=folder, user=None)
    path = tmp_path / "microbot.service"
    path.write_text(unit.unit_of(written, system=system))
    found = subprocess.run([ANALYZE, "verify", path], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_systems_unit_is_sandboxed_and_a_users_starts_where_that_is_not_allowed() -> None:
    assert "LimitCORE=0" in unit.unit_of(plan(), system=False)  # the watchdog's SIGABRT would write the keys down
    whole, own = (read_unit(unit.unit_of(plan(folder=ODD, user="me"), system=system)) for system in (True, False))
    assert whole["Service"]["ProtectSystem"] == "strict"
    assert whole["Service"]["User"] == "me"
    assert words_of(whole["Service"]["ReadWritePaths"].replace("$", "$$")) == [str(ODD / "data"), str(ODD / "logs")]
    assert whole["Install"]["WantedBy"] == "multi-user.target"
    assert own["Install"]["WantedBy"] == "default.target"
    for lines in (whole["Service"], own["Service"]):
        assert (lines["NoNewPrivileges"], lines["Type"]) == ("yes", "notify")
        assert lines["OOMPolicy"] == "continue"  # else the end of its dashboard is the end of the bot
        assert int(lines["TimeoutStopSec"]) == STOP_S
    assert not any(key.startswith(("Protect", "Private", "User")) for key in own["Service"])


# -------------------------------------------------------------------------------------------------- containers


def test_a_container_is_not_root_writes_two_volumes_and_is_asked_whether_it_is_well() -> None:
    text = container.compose(plan("--venue", "alpaca", "--symbols", "A$B"))
    found = dict(re.findall(r"^    (\w+): (.+)$", text, re.MULTILINE))
    said = json.loads(found["command"])
    assert said[:5] == ["run", "--venue", "alpaca", "--symbols", "A$$B"]
    assert said[5:9] == ["--data-dir", "/data", "--log-dir", "/logs"]
    assert said[9:11] == ["--watchdog", "30"]
    assert said[11:] == ["--set", "web.host=0.0.0.0", "--set", 'web.secret="auto"']
    assert (found["user"], found["read_only"]) == ('"10001:10001"', "true")
    assert found["stop_grace_period"] == f"{STOP_S}s"
    image = container.dockerfile("m.whl").splitlines()
    assert image[0] == "FROM python:3.11-slim"
    installed = 'RUN pip install --no-cache-dir "/tmp/m.whl[notify]" && rm "/tmp/m.whl"'
    assert image.index("USER microbot") > image.index(installed)
    assert ' CMD ["microbot", "status", "--data-dir", "/data"]' in image
    assert f'"microbot-trading[notify]=={VERSION}"' in container.dockerfile()


@pytest.mark.parametrize("name", ["12", "true", "null", "1e3"])
def test_a_container_may_be_called_what_yaml_takes_for_something_else(name: str) -> None:
    text = container.compose(msgspec.structs.replace(plan(), name=name))
    assert f'\nservices:\n  "{name}":\n' in f"\n{text}"


# -------------------------------------------------------------------------------------------------- the command


def test_a_unit_is_written_with_this_folder_and_this_installation_and_not_over_another(tmp_path: Path) -> None:
    run = ("--", "--symbols", "AAPL", "--data-dir", "mine", "--log-dir=elsewhere")
    written = microbot("service", "install", "--user", "--into", "units", *run, cwd=tmp_path)
    assert written.returncode == 0, written.stderr
    systemctl = "systemctl --user"  # of one that runs already, as it was written before, `enable --now` changes nothing
    calls = f"{systemctl} daemon-reload && {systemctl} enable microbot && {systemctl} restart microbot"
    assert calls in written.stderr
    text = (tmp_path / "units" / "microbot.service").read_text()
    assert text == microbot("service", "show", "--user", *run, cwd=tmp_path).stdout
    lines = read_unit(text)["Service"]
    folders = ["--data-dir", str(tmp_path / "mine"), "--log-dir", str(tmp_path / "elsewhere")]
    here = [str(Path(sys.executable).with_name("microbot")), "run", "--symbols", "AAPL"]
    assert words_of(lines["ExecStart"]) == here + folders
    assert lines["WorkingDirectory"] == str(tmp_path)
    assert (tmp_path / "mine").is_dir()
    other = (*("service", "install", "--user", "--into", "units", "--watchdog", "9"), *run)
    refused = microbot(*other, cwd=tmp_path)
    assert refused.returncode == 2
    assert "says something else" in refused.stderr
    assert microbot(*other[:2], "--force", *other[2:], cwd=tmp_path).returncode == 0


def test_a_secret_that_everybody_could_read_in_a_unit_is_warned_of(tmp_path: Path) -> None:
    told = microbot("service", "show", "--user", "--", "--set", "web.secret=0123456789abcdef", cwd=tmp_path)
    assert told.returncode == 0
    assert "web.secret is on the command line, where every user of this machine can read it" in told.stderr


def test_without_a_word_it_says_in_one_line_that_one_is_missing(tmp_path: Path) -> None:
    refused = microbot("service", cwd=tmp_path)
    assert (refused.returncode, refused.stderr) == (2, "microbot: missing command; see microbot service --help\n")


def test_a_container_is_written_beside_its_package(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "m-1-py3-none-any.whl").write_bytes(b"x")
    (tmp_path / "microbot.env").write_text("A=1\n")
    (tmp_path / "microbot.env").chmod(0o644)
    wheel = ("--wheel", "dist/m-1-py3-none-any.whl")
    written = microbot("service", "install", "--compose", *wheel, cwd=tmp_path)
    assert written.returncode == 0, written.stderr
    assert "can be read by others" in written.stderr
    assert {"compose.yaml", "Dockerfile", "m-1-py3-none-any.whl"} <= set(os.listdir(tmp_path))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--", "--venue", "alpaca", "--symbols", "A", "--live"), "give --live its --account NUMBER"),
        (("--", "--nonsense"), "no such option: --nonsense"),
        (("--user", "--", "--set", "risk.position_sice=2"), "position_sice"),
        (("--", "--record", "s.jsonl.gz"), "--record never writes over a file"),
        (("--", "--fresh"), "--fresh would forget"),
        (("--compose", "--", "--strategy", "../mine.py:strategy"), "--strategy ../mine.py is not there"),
        (("--compose", "--", "--strategy", "/opt/mine.py:strategy"), "--strategy /opt/mine.py is not there"),
        (("--compose", "--", "--config", "/etc/microbot.toml"), "--config /etc/microbot.toml is not there"),
        (("--compose", "--", "--port", "0"), "--port 0 is no port"),
        (("--user", "--", "--data-dir", "a\nUser=root"), "cannot name"),
        (("--user", "--", "--data-dir", "blank "), "cannot name"),
        (("--user", "--env-file", "\udcff.env"), "cannot name"),
        (("--name", "a b"), "--name wants letters"),
        (("--watchdog", "0"), "--watchdog wants"),
        (("--user", "--run-as", "me"), "--run-as goes with --system"),
        (("--system", "--run-as", "no-such-user-here"), "no such user"),
        (("--compose", "--user"), "leave them out with --compose"),
        (("--compose", "--wheel", "nowhere.whl"), "--wheel wants"),
        (("--user", "--wheel", "x.whl"), "--wheel goes with --compose"),
    ],
)
def test_what_could_not_run_unattended_is_one_sentence(words: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    refused = microbot("service", "show", *words, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert sentence in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


# ----------------------------------------------------------------------------------------------- another user


ROOT_ALONE = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="for root to do")


@ROOT_ALONE
def test_the_service_of_another_user_has_folders_that_are_nobodys_own_yet(tmp_path: Path) -> None:
    run_as = ("--system", "--run-as", "nobody", "--name", "mine")

    def words(*run: str) -> list[str]:
        text = microbot("service", "show", *run_as, "--", *run, cwd=tmp_path, MICROBOT_DATA_DIR="").stdout
        return words_of(read_unit(text)["Service"]["ExecStart"])

    assert words()[-4:] == ["--data-dir", "/var/lib/mine", "--log-dir", "/var/log/mine"]
    assert str(tmp_path / "here") in words("--data-dir", "here")


@ROOT_ALONE
def test_a_unit_whose_user_could_not_start_it_is_not_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    refused = microbot("service", "install", "--system", "--run-as", "nobody", "--into", "units", cwd=tmp_path)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "nobody cannot start" in refused.stderr
    assert os.listdir(tmp_path) == []


@ROOT_ALONE
def test_folders_that_were_there_stay_whose_they_are_and_new_ones_are_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    shared, new = tmp_path / "shared", tmp_path / "new"
    shared.mkdir(mode=0o755)
    monkeypatch.setattr(host, "_can", lambda *words: words[-2:] != ("-w", str(shared)))
    there = msgspec.structs.replace(plan(folder=tmp_path, user="nobody"), data_dir=new, log_dir=new)
    host.prepare(there)
    assert (new.stat().st_uid, new.stat().st_mode & 0o777) == (nobody, 0o700)
    with pytest.raises(UserError, match="nobody cannot write to"):
        host.prepare(msgspec.structs.replace(there, log_dir=shared))
    assert shared.stat().st_uid == 0


def test_what_only_the_terminal_has_in_its_environment_is_named_and_not_its_values(tmp_path: Path) -> None:
    (tmp_path / "microbot.env").write_text("APCA_API_KEY_ID=k\n")
    (tmp_path / "microbot.env").chmod(0o600)
    ours = {"APCA_API_KEY_ID": "k", "APCA_API_SECRET_KEY": "hush", "MICROBOT_RISK__POSITION_SIZE": "2"}
    written = microbot("service", "install", "--user", "--into", "units", cwd=tmp_path, **ours)
    said = next(line for line in written.stderr.splitlines() if "of this environment" in line)
    assert {"APCA_API_SECRET_KEY", "MICROBOT_RISK__POSITION_SIZE"} <= set(re.findall(r"\w+", said))
    assert "APCA_API_KEY_ID" not in said
    assert "hush" not in written.stderr


def test_the_settings_in_the_services_environment_are_those_that_its_files_go_by(tmp_path: Path) -> None:
    lines = ("# mine", "MICROBOT_WEB__PORT=9123", "MICROBOT_WEB__SECRET='a-secret-of-16-and-more'", "OTHER=x=y")
    (tmp_path / "microbot.env").write_text("\n".join(lines))
    assert host.variables_in(tmp_path / "microbot.env")["OTHER"] == "x=y"
    text = microbot("service", "show", "--compose", cwd=tmp_path).stdout
    assert "127.0.0.1:9123:9123" in text
    assert "web.secret" not in text  # which would overrule it
    (tmp_path / "microbot.env").write_text("MICROBOT_WEB__PROT=9123\n")
    refused = microbot("service", "show", "--compose", cwd=tmp_path)
    assert (refused.returncode, "web.prot" in refused.stderr) == (2, True)
