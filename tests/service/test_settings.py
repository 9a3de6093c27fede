"""settings: who overrules whom, and what is wrong said in one sentence that names its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from service import settings
from service.errors import UserError
from service.settings import SECTIONS, Settings, as_layer, load


def file(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "settings.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def assigned(*assignments: str) -> Settings:
    return load(None, assignments, environment={})


def complaint(*assignments: str, **more: Any) -> str:
    """Return the sentence in which settings are refused."""
    with pytest.raises(UserError) as caught:
        load(more.pop("config", None), assignments, **{"environment": {}} | more)
    sentence = str(caught.value)
    assert sentence
    assert "\n" not in sentence
    return sentence


# ------------------------------------------------------------------------------------------ who overrules


def test_without_any_source_the_defaults_count() -> None:
    assert assigned() == Settings()


def test_each_source_overrules_the_one_beneath(tmp_path: Path) -> None:
    """Recording, file, environment, --set, options: each has one setting that no later one names."""
    sources: dict[str, Any] = {
        "recorded": {"strategy": {"min_ticks": 1, "flat_seconds": 1, "window_size": 1.0}},
        "config": file(tmp_path, "[strategy]\nflat_seconds = 2\nwindow_size = 2\n[risk]\nposition_size = 2\n"),
        "environment": {"MICROBOT_STRATEGY__WINDOW_SIZE": "3", "MICROBOT_RISK__POSITION_SIZE": "3"},
        "assignments": ["risk.position_size=4", "web.port=4444"],
        "flags": {"web.port": 5555},
    }
    found = load(**sources)
    assert found.strategy.min_ticks == 1
    assert found.strategy.flat_seconds == 2
    assert found.strategy.window_size == 3.0
    assert found.risk.position_size == 4.0
    assert found.web.port == 5555


SOURCES = ["defaults", "recorded", "config", "environment", "assignments", "flags"]


@pytest.mark.parametrize("above", range(len(SOURCES)))
def test_of_all_sources_that_name_a_setting_the_uppermost_counts(above: int, tmp_path: Path) -> None:
    every: dict[str, Any] = {
        "defaults": {"risk": {"position_size": 1.0}},
        "recorded": {"risk": {"position_size": 2.0}},
        "config": file(tmp_path, "[risk]\nposition_size = 3\n"),
        "environment": {"MICROBOT_RISK__POSITION_SIZE": "4"},
        "assignments": ["risk.position_size=5"],
        "flags": {"risk.position_size": 6},
    }
    named = {name: every[name] for name in SOURCES[: above + 1]}
    assert load(**{"environment": {}} | named).risk.position_size == above + 1


def test_what_runs_live_is_simulated_with_costs_and_what_is_recorded_of_it_keeps_them() -> None:
    live = load(defaults=settings.LIVE_COSTS, environment={}).core
    assert live.costs.slippage > 0
    assert live.execution.latency_ms > 0
    assert load(recorded=as_layer(live), environment={}).core == live
    assert Settings().core.costs.slippage == 0


def test_the_last_of_several_assignments_counts() -> None:
    assert assigned("risk.position_size=2", "risk.position_size=3").risk.position_size == 3


def test_an_option_that_was_not_given_is_none() -> None:
    assert load(flags={"web.port": None}, environment={}) == Settings()


def test_a_section_may_be_named_by_several_sources_for_different_keys(tmp_path: Path) -> None:
    found = load(file(tmp_path, "[risk]\nposition_size = 2\n"), ["risk.starting_equity=500"], environment={})
    assert (found.risk.position_size, found.risk.starting_equity) == (2.0, 500.0)


def test_what_is_recorded_makes_the_same_settings_again() -> None:
    found = assigned("strategy.window_size=7.5", "risk.timezone=UTC", "execution.fill=last").core
    assert load(recorded=as_layer(found), environment={}).core == found


def test_the_core_gets_the_sections_that_decide() -> None:
    found = assigned("strategy.min_ticks=9", "risk.position_size=9", "execution.slippage_bps=9").core
    assert (found.strategy.min_ticks, found.risk.position_size, found.execution.slippage_bps) == (9, 9.0, 9.0)


# ------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("risk.position_size=2", "risk.position_size", 2.0),
        ("risk.position_size = 2.5", "risk.position_size", 2.5),
        ("risk.position_size=1e3", "risk.position_size", 1000.0),
        ("risk.position_size=1_000", "risk.position_size", 1000.0),
        ("risk.timezone=UTC", "risk.timezone", "UTC"),
        ("risk.timezone=America/New_York", "risk.timezone", "America/New_York"),
        ('risk.timezone="Asia/Tokyo"', "risk.timezone", "Asia/Tokyo"),
        ("execution.fill=last", "execution.fill", "last"),
        ("execution.fill='last'", "execution.fill", "last"),
        ("log.dir=some where/else", "log.dir", "some where/else"),
        ("log.dir=a=b", "log.dir", "a=b"),
        ('exchange.symbols=["A", "B"]', "exchange.symbols", ("A", "B")),
    ],
)
def test_a_value_is_toml_and_a_bare_word_is_a_string(assignment: str, path: str, value: object) -> None:
    section, _, key = path.partition(".")
    assert getattr(getattr(assigned(assignment), section), key) == value


def test_a_value_cannot_bring_further_settings_along() -> None:
    assert "risk.position_size" in complaint("risk.position_size=1\nstarting_equity = 5")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("MICROBOT_RISK__POSITION_SIZE", "2", 2.0), ("MICROBOT_EXECUTION__FILL", "last", "last")],
)
def test_the_environment_names_section_and_key_with_two_underscores_between(name: str, text: str, value: Any) -> None:
    found = load(environment={name: text})
    assert value in (found.risk.position_size, found.execution.fill)


def test_other_names_of_the_environment_are_none_of_ours() -> None:
    environment = {
        "MICROBOT_SHARED": "/x",
        "MICROBOT_CHROMIUM": "/y",
        "PATH": "/bin",
        "OTHER__RISK__X": "1",
        "RISK__POSITION_SIZE": "9",
    }
    assert load(environment=environment) == Settings()


def test_the_environment_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MICROBOT_RISK__POSITION_SIZE", "7")
    assert load().risk.position_size == 7.0


# ------------------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize(
    ("assignment", "hint"),
    [
        (
            "strategy.windowsize=true",
            "there is no setting strategy.windowsize (--set), and a parameter of a strategy of your own takes a "
            "number, not True: did you mean strategy.window_size?",
        ),
        (
            "strategy.window=abc",
            "there is no setting strategy.window (--set), and a parameter of a strategy of your own takes a number, "
            "not 'abc': did you mean strategy.window_size?",
        ),
        ("risk.position=3", "there is no setting risk.position (--set): did you mean risk.position_size?"),
        ("strategi.window_size=3", "there is no section [strategi] (--set): did you mean strategy?"),
        ("risk.window_size=3", "there is no setting risk.window_size (--set): did you mean strategy.window_size?"),
        ("STRATEGY.window_size=3", "there is no section [STRATEGY] (--set)"),
    ],
)
def test_an_unknown_name_is_refused_with_a_guess(assignment: str, hint: str) -> None:
    assert complaint(assignment).startswith(hint)


def test_a_section_like_no_other_is_refused_with_all_there_are() -> None:
    assert complaint("qqqqqq.x=1").startswith("there is no section [qqqqqq] (--set): there are strategy, risk, ")


def test_a_key_like_no_other_is_refused_with_all_there_are() -> None:
    sentence = complaint("execution.qqqqqq=1")
    assert sentence.startswith("there is no setting execution.qqqqqq (--set): there are ")
    assert "execution.fill, execution.slippage_bps, execution.fee_per_share" in sentence


def test_every_source_is_named_where_its_name_is_unknown(tmp_path: Path) -> None:
    config = file(tmp_path, "[risk]\nsizes = 1\n")
    assert f"risk.sizes ({config})" in complaint(config=config)
    assert "risk.sizes (the environment)" in complaint(environment={"MICROBOT_RISK__SIZES": "1"})
    assert "risk.sizes (--set)" in complaint("risk.sizes=1")
    assert "risk.sizes (the recording)" in complaint(recorded={"risk": {"sizes": 1}})
    assert "risk.sizes (the command line)" in complaint(flags={"risk.sizes": 1})


@pytest.mark.parametrize(
    ("assignment", "path"),
    [
        ("risk.position_size=true", "risk.position_size"),
        ("risk.position_size=two", "risk.position_size"),
        ('risk.position_size="2"', "risk.position_size"),
        ("risk.position_size=[2]", "risk.position_size"),
        ("risk.position_size={a = 1}", "risk.position_size"),
        ("risk.position_size=", "risk.position_size"),
        ("risk.position_size=2026-01-05", "risk.position_size"),
        ("strategy.min_ticks=3.5", "strategy.min_ticks"),
        ("strategy.min_ticks=3.0", "strategy.min_ticks"),
        ("strategy.min_ticks=true", "strategy.min_ticks"),
        ("risk.timezone=5", "risk.timezone"),
        ("execution.fill=5", "execution.fill"),
        ("log.dir=true", "log.dir"),
        ("exchange.symbols=A", "exchange.symbols"),
        ("exchange.symbols=[1]", "exchange.symbols[0]"),
    ],
)
def test_a_wrong_type_is_refused_with_its_path(assignment: str, path: str) -> None:
    sentence = complaint(assignment)
    assert sentence.startswith(f"{path} must be ")
    assert ", not " in sentence
    assert "`" not in sentence


@pytest.mark.parametrize(
    ("assignment", "path"),
    [
        ("risk.position_size=0", "risk.position_size"),
        ("risk.position_size=-1", "risk.position_size"),
        ("risk.daily_loss_limit=0.05", "risk.daily_loss_limit"),
        ("risk.daily_loss_limit=0", "risk.daily_loss_limit"),
        ("risk.max_open_positions=2", "risk.max_open_positions"),
        ("risk.cooldown_trades_after_loss=-1", "risk.cooldown_trades_after_loss"),
        ("strategy.window_size=0", "strategy.window_size"),
        ("strategy.min_ticks=0", "strategy.min_ticks"),
        ("strategy.flat_seconds=0", "strategy.flat_seconds"),
        ("execution.fill=middle", "execution.fill"),
        ("execution.slippage_bps=-1", "execution.slippage_bps"),
        ("execution.fee_per_share=-0.1", "execution.fee_per_share"),
        ("web.port=70000", "web.port"),
        ("log.keep=0", "log.keep"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_path_and_what_it_is(assignment: str, path: str) -> None:
    sentence = complaint(assignment)
    assert sentence.startswith(f"{path} must be ")
    assert ", not " in sentence


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("execution.fill=middle", "execution.fill must be 'last' or 'quote', not 'middle'"),
        (
            "execution.instruments={A={tik=1}}",
            "execution.instruments: there is no key `tik` ({'A': {'tik': 1}})",
        ),
        ("risk.cost_guard=loud", "risk.cost_guard must be 'off', 'refuse' or 'warn', not 'loud'"),
        ("risk.max_open_positions=2", "risk.max_open_positions must be 1, not 2"),
        ("risk.daily_loss_limit=0", "risk.daily_loss_limit must be a number below 0, not 0"),
        ("risk.daily_loss_limit=-3", "risk.daily_loss_limit must be a number of at least -1, not -3"),
        ("strategy.window_size=1e9", "strategy.window_size must be a number of at most 86,400, not 1000000000.0"),
        ("limits.max_spread=0", "limits.max_spread must be a number above 0, not 0"),
        ("web.port=70000", "web.port must be a whole number of at most 65,535, not 70000"),
        ("web.host=", "web.host must be a text with a length of at least 1, not ''"),
        ("limits.orders_per_second=x", "limits.orders_per_second must be a whole number, not 'x'"),
        ("exchange.symbols=[1]", "exchange.symbols[0] must be a text, not 1"),
    ],
)
def test_a_value_is_refused_with_what_it_may_be(assignment: str, sentence: str) -> None:
    assert complaint(assignment) == sentence


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("MICROBOT_POSITION_SIZE", "did you mean MICROBOT_RISK__POSITION_SIZE?"),
        ("MICROBOT_RISK_POSITION_SIZE", "did you mean MICROBOT_RISK__POSITION_SIZE?"),
        ("MICROBOT_LOG_LEVEL", "did you mean MICROBOT_LOG__LEVEL?"),
        ("MICROBOT_FOO", "a variable names section and key, such as MICROBOT_RISK__POSITION_SIZE"),
        ("MICROBOT_", "a variable names section and key, such as MICROBOT_RISK__POSITION_SIZE"),
    ],
)
def test_a_variable_without_a_section_is_refused_with_a_guess(name: str, hint: str) -> None:
    assert complaint(environment={name: "1"}) == f"there is no setting {name} (the environment): {hint}"


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "+inf"])
@pytest.mark.parametrize("path", ["strategy.window_size", "risk.daily_loss_limit", "execution.slippage_bps"])
def test_a_number_must_be_finite(path: str, value: str) -> None:
    assert complaint(f"{path}={value}").startswith(f"{path} must be a finite number, not ")


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("risk.timezone=Mars/Olympus", "timezone 'Mars/Olympus' is not known: use a name like America/New_York"),
        ("risk.timezone=../../etc/passwd", "is not known"),
        ("risk.timezone=", "is not known"),
        ("log.level=LOUD", "'LOUD' is no level: use DEBUG, INFO, WARNING or ERROR"),
    ],
)
def test_a_value_that_means_nothing_is_refused_with_its_section(assignment: str, words: str) -> None:
    sentence = complaint(assignment)
    assert words in sentence
    assert assignment.partition(".")[0] in sentence


@pytest.mark.parametrize("assignment", ["", "risk", "risk.position_size", "position_size=2", "=2", ".x=1", "risk.=1"])
def test_an_assignment_of_another_form_is_refused_with_an_example(assignment: str) -> None:
    sentence = complaint(assignment)
    assert sentence == f"--set wants SECTION.KEY=VALUE, such as risk.position_size=2, not {assignment!r}"


# ------------------------------------------------------------------------------------------------- files


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "missing.toml"
    assert complaint(config=path) == f"there is no settings file {path}"


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    assert complaint(config=tmp_path).startswith(f"the settings file {tmp_path} cannot be read: ")


@pytest.mark.parametrize("content", ["[risk\n", "risk = \n", "[risk]\nposition_size = 1\nposition_size = 2\n", b"\xff"])
def test_a_file_that_is_no_toml_is_said_with_its_place(content: str | bytes, tmp_path: Path) -> None:
    path = file(tmp_path, content)
    assert complaint(config=path).startswith(f"the settings file {path} is not TOML: ")


@pytest.mark.parametrize("content", ["position_size = 2\n", "[[risk]]\nposition_size = 2\n", 'risk = "high"\n'])
def test_a_setting_outside_of_a_section_is_said(content: str, tmp_path: Path) -> None:
    path = file(tmp_path, content)
    name = "risk" if "risk" in content else "position_size"
    assert complaint(config=path).startswith(f"{name} in {path} stands outside of a section: put it under one of ")


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load(file(tmp_path, "# nothing yet\n[risk]\n"), environment={}) == Settings()


# ----------------------------------------------------------------------------------------------- whatever


@given(st.text(max_size=30))
def test_any_assignment_gives_settings_or_one_sentence(text: str) -> None:
    try:
        assigned(text)
    except UserError as error:
        assert str(error)  # noqa: PT017  # only some of the texts are refused


@given(
    st.sampled_from(["risk.position_size", "strategy.min_ticks", "risk.timezone", "log.level"]), st.text(max_size=20)
)
def test_any_value_gives_settings_or_one_sentence(path: str, text: str) -> None:
    try:
        found = assigned(f"{path}={text}")
    except UserError:
        return
    assert isinstance(found, Settings)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().risk = Settings().risk  # type: ignore[misc]  # that is what is tested


def test_every_section_refuses_unknown_keys_by_itself() -> None:
    for kind in SECTIONS.values():
        with pytest.raises(msgspec.ValidationError, match="unknown field"):
            msgspec.convert({"surprise": 1}, kind)


def test_every_section_is_a_field_of_the_settings() -> None:
    assert {*SECTIONS, "strategies", "set_in"} == set(Settings.__struct_fields__)
    assert settings.ENVIRONMENT == "MICROBOT_"
