"""Where a setting came from: the last who set it, with a file's line or a variable's name; and no secret."""

from __future__ import annotations

from pathlib import Path

from service.live.brokerage import at_broker
from service.setting_origins import ADJUSTED, in_force
from service.settings import SECTIONS, Settings, load
from service.toml_lines import lines_of
from web.messages import SettingSeen

SECRET = "correct-horse-battery-staple-42"


def seen(settings: Settings) -> dict[str, SettingSeen]:
    sections = {name: getattr(settings, name) for name in SECTIONS}
    sections |= {f"strategies.{name}": use for name, use in settings.strategies.items()}
    return {f"{one.section}.{one.key}": one for one in in_force(sections, settings.set_in)}


def test_each_setting_says_who_set_it_last(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        "# what I trade\n[risk]\nposition_size = 2\ndaily_loss_limit = -0.1\n\n"
        f'[ web ] # here\nsecret = "{SECRET}"\n"port" = 1\n[strategies.cross]\nsymbols = ["AAPL"]\nfast = 3\n'
    )
    found = seen(
        load(
            path,
            ["strategy.window_size=9", "strategy.mine=4"],
            flags={"web.port": 2},
            environment={"MICROBOT_RISK__DAILY_LOSS_LIMIT": "-0.2"},
            defaults={"execution": {"latency_ms": 50.0}},
        )
    )
    assert found["risk.position_size"] == SettingSeen("risk", "position_size", "2.0", "1.0", f"{path}, line 3")
    assert found["risk.daily_loss_limit"].origin == "MICROBOT_RISK__DAILY_LOSS_LIMIT"
    assert found["strategy.window_size"].origin == "--set"
    assert found["strategy.mine"] == SettingSeen("strategy", "mine", "4.0", "", "--set")
    assert (found["web.port"].value, found["web.port"].origin) == ("2", "the command line")
    assert found["execution.latency_ms"].origin == "the command's defaults"
    assert found["strategies.cross.fast"].origin == f"{path}, line 11"
    assert found["strategies.cross.symbols"].origin == f"{path}, line 10"
    assert found["risk.starting_equity"] == SettingSeen("risk", "starting_equity", "10000.0", "10000.0", "default")


def test_a_secret_is_said_to_be_set_and_never_told() -> None:
    given = {"MICROBOT_WEB__SECRET": SECRET, "MICROBOT_EXCHANGE__KEYS": '["ME:HIDDEN"]'}
    found = seen(load(environment=given))
    assert (found["web.secret"].value, found["web.secret"].default) == ("set", "not set")
    assert found["exchange.keys"].value == "set"
    assert SECRET not in repr(found)
    assert "HIDDEN" not in repr(found)


def test_what_was_set_at_the_start_for_a_venue_is_no_default() -> None:
    found = seen(at_broker(load(environment={})))
    assert found["limits.max_spread"].origin == ADJUSTED


def test_every_setting_is_there_and_the_lines_of_a_file_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    found = seen(Settings())
    expected = {f"{name}.{field}" for name, kind in SECTIONS.items() for field in kind.__struct_fields__}
    assert expected - set(found) == {"strategy.parameters"}
    assert {one.origin for one in found.values()} == {"default"}
    assert lines_of(tmp_path / "none.toml") == {}


def test_the_lines_of_keys_are_found_however_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    lines = ("top = 1", "[ risk ] # mine", "  'fast' = 3", "slow=4 # x = 4", 'a."b" = 2', "list = [", '  "x = 1",', "]")
    path.write_text("\n".join((*lines, "[strategies.cross]", f"{' ' * 100_000}x", "symbols = []")), "utf-8-sig")
    found = {"top": 1, "risk.fast": 3, "risk.slow": 4, "risk.a.b": 5, "risk.list": 6, "risk.x": 7}
    assert lines_of(path) == found | {"strategies.cross.symbols": 11}
