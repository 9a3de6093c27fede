"""`microbot config` and `microbot init`: what is in force and why, and a file that changes nothing."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service import settings, settings_told
from service.errors import UserError
from service.settings import SECTIONS
from tests.support.live import microbot

KEY = re.compile(r"^# (?=\w+ = \S)", re.MULTILINE)


def loaded(text: str, folder: Path) -> settings.Settings:
    file = folder / "settings.toml"
    file.write_text(text, "utf-8")
    return msgspec.structs.replace(settings.load(file, environment={}), set_in={})


def test_the_file_that_init_writes_changes_nothing(tmp_path: Path) -> None:
    assert loaded(settings_told.file_with_defaults("settings.toml"), tmp_path) == settings.load(environment={})


def test_every_key_stands_in_it_with_its_default_and_a_word_of_what_it_means(tmp_path: Path) -> None:
    text = settings_told.file_with_defaults("settings.toml")
    taken = KEY.sub("", text)  # as by somebody who takes each "# " away
    assert loaded(taken, tmp_path) == settings.load(environment={})
    keys = {f"{name}.{key}": getattr(kind(), key) for name, kind in SECTIONS.items() for key in kind.__struct_fields__}
    uncommented = set(settings.load(tmp_path / "settings.toml", environment={}).set_in)
    assert {path for path, default in keys.items() if default is not None} == uncommented
    for path, default in keys.items():
        assert settings_told.meaning(path), path
        if default is None:
            assert f"\n# {path.partition('.')[2]} = " in text.replace(" =\n", " = \n"), path
    assert max(map(len, text.splitlines())) <= 120


def test_init_never_writes_over_a_file(tmp_path: Path) -> None:
    assert microbot("init", cwd=tmp_path).returncode == 0
    file = tmp_path / "settings.toml"
    file.write_text("[risk]\nposition_size = 3\n", "utf-8")
    again = microbot("init", cwd=tmp_path)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "position_size = 3" in file.read_text("utf-8")
    nowhere = microbot("init", "no/such/folder/settings.toml", cwd=tmp_path)
    assert (nowhere.returncode, nowhere.stderr.count("\n")) == (2, 1)


def shown(folder: Path, *options: str, **environ: str) -> dict[str, Any]:
    done = microbot("config", *options, "--json", cwd=folder, **environ)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_config_says_of_each_setting_where_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[risk]\n\ncooldown_trades_after_loss = 5\n", "utf-8")
    options = ("--config", "mine.toml", "--set", "risk.timezone=UTC", "--log-dir", "elsewhere")
    told = shown(tmp_path, *options, MICROBOT_RISK__POSITION_SIZE="3")
    found = {f"{it['section']}.{it['key']}": (it["value"], it["origin"]) for it in told["settings"]}
    assert found["risk.cooldown_trades_after_loss"] == ("5", "mine.toml, line 3")
    assert found["risk.position_size"] == ("3.0", "MICROBOT_RISK__POSITION_SIZE")
    assert found["risk.timezone"] == ('"UTC"', "--set")
    assert found["log.dir"] == ('"elsewhere"', "the command line")
    assert found["execution.slippage_bps"] == ("0.5", "the command's defaults")
    assert found["risk.starting_equity"] == ("10000.0", "default")
    keys = {f"{name}.{key}" for name, kind in SECTIONS.items() for key in kind.__struct_fields__}
    assert keys - {"strategy.parameters"} <= set(found)


def test_config_takes_whatever_run_takes_and_says_what_it_comes_to(tmp_path: Path) -> None:
    told = shown(tmp_path, "--port", "9", "--symbols", "X,Y", "--speed", "3", "--no-record")
    found = {f"{it['section']}.{it['key']}": (it["value"], it["origin"]) for it in told["settings"]}
    assert found["web.port"] == ("9", "the command line")
    assert found["exchange.symbols"] == ('["X","Y"]', "the command line")
    assert found["exchange.speed"] == ("3.0", "the command line")
    refused = microbot("config", "--venue", "coinbase", "--rehearse", cwd=tmp_path)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_what_init_advises_can_be_pasted(tmp_path: Path) -> None:
    (tmp_path / "my bot").mkdir()
    advised = microbot("init", "my bot/50% $x.toml", cwd=tmp_path).stdout
    words = shlex.split(advised.split("`")[1])
    assert words == ["microbot", "run", "--config", "my bot/50% $x.toml"]
    assert (tmp_path / words[-1]).is_file()


def test_config_says_what_a_run_at_a_broker_would_have(tmp_path: Path) -> None:
    told = shown(tmp_path, "limits", "--venue", "alpaca")
    assert "set at the start, for what is traded where" in {it["origin"] for it in told["settings"]}
    assert {it["section"] for it in told["settings"]} == {"limits"}


def test_config_tells_of_a_secret_only_that_there_is_one(tmp_path: Path) -> None:
    secret = "sixteen-letters-and-more"
    done = microbot("config", "web.secret", "--explain", cwd=tmp_path, MICROBOT_WEB__SECRET=secret)
    assert secret not in done.stdout + done.stderr
    assert json.loads(done.stdout)["settings"][0]["value"] == "set"


def test_config_says_which_folders_and_why(tmp_path: Path) -> None:
    told = shown(tmp_path)["folders"]
    assert told["data"] == {"folder": str(tmp_path / "data"), "why": "MICROBOT_DATA_DIR says so"}
    assert told["logs"] == {"folder": str(tmp_path / "logs"), "why": "they go with the data"}
    chosen = shown(tmp_path, "--data-dir", "other", "--set", "log.dir=l")["folders"]
    assert chosen["data"] == {"folder": str(tmp_path / "other"), "why": "--data-dir says so"}
    assert chosen["logs"] == {"folder": str(tmp_path / "l"), "why": "--set says so"}


def test_config_for_people_explains_what_a_setting_means(tmp_path: Path) -> None:
    done = microbot("config", "risk.position_size", "--explain", "--text", cwd=tmp_path)
    assert done.stdout.splitlines()[0] == "[risk]"
    assert settings_told.meaning("risk.position_size") in done.stdout


@pytest.mark.parametrize("options", [("config", "no.such"), ("config", "--set", "no.such=1"), ("config", "--live")])
def test_what_cannot_be_is_one_sentence(options: tuple[str, ...], tmp_path: Path) -> None:
    done = microbot(*options, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_an_unknown_key_of_the_file_is_refused_as_everywhere(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"did you mean risk\.position_size"):
        loaded("[risk]\nposition_sise = 1\n", tmp_path)
