"""Signals from outside where the bot takes them in: each once, and none that nothing could come of."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from actors.messages import Command
from pipeline.events import ExternalSignal
from service import signals_secret
from service.errors import UserError
from service.live.commands import CommandResult, Intake
from service.live.external_signals import ExternalSignals
from service.settings import load
from tests.pipeline.operators.test_external import desk
from tests.support.market import at, trade
from tests.support.sessions import Session
from web.messages import SignalWish
from web.settings import SignalsSettings

START_S = 1_700_000_000.0
HEARD = "the strategy of A hears it with the next tick"


class Bot:
    """A core that listens to the desk, and what was fed to it."""

    def __init__(self, *, entries: Any = desk) -> None:
        self.session = Session(entries=entries).feed(trade(0))
        self.fed: list[Any] = []
        self.wall = START_S + 10
        intake = SimpleNamespace(
            session=self.session,
            timekeeper=SimpleNamespace(venue_now=lambda: at(1)),
            ending=SimpleNamespace(over=False, core_failed=False),
            symbols=("A", "LATER"),
            feed=self._feed,
            carry_out=lambda command: CommandResult(True, f"carried out {command.name}"),
        )
        self.intake = intake
        self.signals = ExternalSignals(cast(Intake, intake), START_S, lambda: self.wall)

    def _feed(self, inputs: Any) -> None:
        self.fed += inputs
        self.session.feed(*inputs)

    def take(self, **changes: Any) -> CommandResult:
        wish = SignalWish("desk", "A", 1.0, "1", START_S + 9)
        return self.signals.carry_out(msgspec.structs.replace(wish, **changes))


def test_a_signal_becomes_an_input_with_what_is_left_of_its_life() -> None:
    bot = Bot()
    assert bot.take() == CommandResult(True, HEARD)
    assert bot.take(id="2", value=-1.0, good_for=5.0) == CommandResult(True, HEARD)
    assert bot.fed == [
        ExternalSignal("desk", "A", 1.0, "1", at(1)),
        ExternalSignal("desk", "A", -1.0, "2", at(1), at(5)),  # a second of its five was gone
    ]


def test_one_that_comes_again_is_answered_as_before_and_does_nothing_more() -> None:
    bot = Bot()
    assert [bot.take() for _ in range(3)] == [CommandResult(True, HEARD)] * 3
    bot.session.feed(Command("halt", at(2)))
    assert bot.take() == CommandResult(True, HEARD)
    assert len(bot.fed) == 1


def test_an_id_is_that_of_one_signal() -> None:
    bot = Bot()
    bot.take()
    found = bot.take(value=-1.0)
    assert (found.changed, len(bot.fed)) == (False, 1)
    assert "id of its own" in found.sentence


@pytest.mark.parametrize(
    ("changes", "wrong", "said"),
    [
        ({"name": "dusk"}, True, "hears no dusk: it listens to desk"),
        ({"symbol": "B"}, True, "no B is traded here, only A"),
        ({"symbol": "LATER"}, False, "no tick of LATER has come yet"),
        ({"made": START_S - 1}, False, "before the bot was started"),
        ({"made": START_S + 0.9}, False, "before the bot was started"),  # by a clock that may be a second ahead
    ],
)
def test_what_nothing_could_come_of_is_refused(changes: dict[str, Any], wrong: bool, said: str) -> None:
    bot = Bot()
    found = bot.take(**changes)
    assert (found.changed, found.wrong, bot.fed) == (False, wrong, [])
    assert said in found.sentence


def test_a_halted_bot_refuses_and_says_why() -> None:
    bot = Bot()
    bot.session.feed(Command("halt", at(0.5), reason="enough"))
    assert bot.take() == CommandResult(False, "trading is HALTED (enough): it was not taken")
    assert bot.fed == []


def test_a_paused_bot_takes_it_and_says_that_nothing_is_entered() -> None:
    bot = Bot()
    bot.session.feed(Command("pause", at(0.5)))
    assert bot.take() == CommandResult(True, f"{HEARD}; trading is PAUSED: no new entries")


def test_a_strategy_that_does_not_run_hears_nothing() -> None:
    def failing(ticks: Any) -> Any:
        raise ValueError("no")

    found = Bot(entries=failing).take()
    assert found.changed is False
    assert "does not run: RESTARTING" in found.sentence


def test_a_bot_that_stops_takes_none_and_commands_go_on_as_they_are() -> None:
    bot = Bot()
    assert bot.signals.carry_out(Command("pause")) == CommandResult(True, "carried out pause")
    bot.intake.ending.over = True
    assert bot.take().changed is False


def test_a_bot_whose_core_has_failed_takes_none() -> None:
    bot = Bot()
    bot.intake.ending.core_failed = True
    assert bot.take().changed is False


# ------------------------------------------------------------------------------------------------- the secret


def test_the_secret_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("0123456789abcdef-file\n")
    of_file = signals_secret.door_of(SignalsSettings(secret_file=str(file)))
    settings = load(environment={"MICROBOT_SIGNALS__SECRET": "0123456789abcdef-env"}).signals
    of_env = signals_secret.door_of(settings)
    assert of_file is not None
    assert of_env is not None
    assert (of_file.secret, of_env.secret) == ("0123456789abcdef-file", "0123456789abcdef-env")
    assert "0123456789" not in str(of_env.open_settings)
    assert signals_secret.door_of(SignalsSettings()) is None


@pytest.mark.parametrize("text", ["", "short\n", "two words of a secret", "one-line-of-secret\nand-another-line"])
def test_a_file_without_a_secret_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(text)
    with pytest.raises(UserError, match="openssl rand"):
        signals_secret.door_of(SignalsSettings(secret_file=str(file)))
    with pytest.raises(UserError, match="cannot be read"):
        signals_secret.door_of(SignalsSettings(secret_file=str(tmp_path / "none")))


def test_a_secret_that_is_none_is_refused_and_not_told() -> None:
    with pytest.raises(UserError) as refused:
        load(environment={"MICROBOT_SIGNALS__SECRET": "short-one"})
    assert "short-one" not in str(refused.value)
    both = {"MICROBOT_SIGNALS__SECRET": "0123456789abcdef-env", "MICROBOT_SIGNALS__SECRET_FILE": "there"}
    with pytest.raises(UserError, match="set one of them"):
        load(environment=both)
