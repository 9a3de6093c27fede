"""Commands where the bot takes them in: none after its deadline, none twice, and a halt however late."""

from __future__ import annotations

import pytest

from actors.gateway.kill_switch import Answer
from actors.messages import Command, RestartChain
from service.live.commands import CommandResult
from service.live.reception import Reception
from web.deadline import Moment
from web.messages import Asked, SymbolWish, Wish

NOW = Moment(50_000, 1_700_000_000_000)


class Bot:
    """What was carried out, and the clocks."""

    def __init__(self) -> None:
        self.done: list[Wish] = []
        self.now = NOW
        self.reception = Reception(self._carry_out, lambda: self.now)

    def _carry_out(self, command: Wish) -> CommandResult:
        self.done.append(command)
        return CommandResult(True, f"done {len(self.done)}")


def test_a_command_is_carried_out_up_to_its_deadline() -> None:
    bot = Bot()
    bot.now = NOW.after(3.0)
    assert bot.reception.take(Asked(1, Command("resume"), "a", NOW.after(3.0))) == CommandResult(True, "done 1")


def test_what_a_stuck_loop_comes_back_to_after_the_deadline_is_refused() -> None:
    bot = Bot()
    deadline = NOW.after(3.0)
    bot.now = NOW.after(5.0)
    for command in (Command("resume"), Command("flatten"), RestartChain("A"), SymbolWish("unlock", "A")):
        said = bot.reception.take(Asked(1, command, "", deadline))
        assert said == CommandResult(False, "it came too late, and was not carried out", late=True)
    assert bot.done == []


def test_a_machine_that_slept_in_between_is_noticed_by_its_wall_clock() -> None:
    bot = Bot()
    bot.now = Moment(NOW.monotonic_ms + 1, NOW.wall_ms + 3_600_000)
    assert bot.reception.take(Asked(1, Command("resume"), "", NOW.after(3.0))).late
    assert bot.done == []


def test_a_wall_clock_that_is_set_back_gives_no_more_time() -> None:
    bot = Bot()
    bot.now = Moment(NOW.monotonic_ms + 3_001, NOW.wall_ms - 3_600_000)
    assert bot.reception.take(Asked(1, Command("resume"), "", NOW.after(3.0))).late


def test_a_halt_that_comes_again_is_carried_out_once_and_answered_alike() -> None:
    bot = Bot()
    first, again = (bot.reception.take(Asked(ticket, Command("halt"), "h")) for ticket in (1, 2))
    bot.now = NOW.after(60.0)
    bot.reception.take(Asked(3, Command("resume"), "r", bot.now.after(3.0)))
    late = bot.reception.take(Asked(4, Command("halt"), "h"))  # it was on its way all the while
    assert first == again == late == CommandResult(True, "done 1")
    assert bot.done == [Command("halt"), Command("resume")]


def test_a_halt_past_a_stuck_loop_pulls_the_kill_switch_once_and_is_left_alone_by_the_loop() -> None:
    bot, pulled = Bot(), []

    def pull(name: str, reason: str, source: str) -> Answer:
        pulled.append((name, reason, source))
        assert bot.reception.take(Asked(7, Command("halt"), "h")).sentence.startswith("the gate lets no entry out")
        return Answer(True, "no entry leaves any more")

    bot.reception = Reception(bot._carry_out, lambda: bot.now, pull)
    asked = Asked(1, Command("halt", 0, "dashboard", "lunch"), "h")
    for _ in range(2):
        assert bot.reception.take_past_loop(asked) == CommandResult(True, "no entry leaves any more")
    assert bot.reception.take(asked) == CommandResult(True, "no entry leaves any more")
    assert (pulled, bot.done) == ([("halt", "lunch", "dashboard")], [])


def test_a_halt_in_which_the_loop_is_stuck_pulls_the_kill_switch_all_the_same() -> None:
    pulled: list[str] = []

    def pull(name: str, _reason: str, _source: str) -> Answer:
        pulled.append(name)
        return Answer(True, "no entry leaves any more")

    asked = Asked(1, Command("halt"), "h")

    def carry_out(_: object) -> CommandResult:
        said = reception.take_past_loop(asked)  # a thread, while the loop gets no further than here
        assert said == CommandResult(True, "no entry leaves any more")
        return CommandResult(True, "halted")

    reception = Reception(carry_out, lambda: NOW, pull)
    reception.take(asked)
    assert pulled == ["halt"]


def test_a_halt_whose_pull_failed_is_carried_out_by_the_next_that_comes() -> None:
    bot = Bot()

    def pull(*_: str) -> Answer:
        raise OSError("no space left on device")

    bot.reception = Reception(bot._carry_out, lambda: bot.now, pull)
    asked = Asked(1, Command("halt"), "h")
    for _ in range(2):
        with pytest.raises(OSError, match="no space left"):
            bot.reception.take_past_loop(asked)
    assert bot.reception.take(asked) == CommandResult(True, "done 1")


def test_what_was_carried_out_in_time_is_not_said_to_be_late_when_it_comes_again() -> None:
    bot = Bot()
    asked = Asked(1, Command("resume"), "r", NOW.after(3.0))
    bot.reception.take(asked)
    bot.now = NOW.after(5.0)
    assert bot.reception.take(asked) == CommandResult(True, "done 1")
    assert bot.done == [Command("resume")]


def test_nothing_but_a_halt_with_an_id_goes_past_the_loop() -> None:
    reception = Reception(Bot()._carry_out, lambda: NOW, lambda *_: Answer(True, "pulled"))
    for asked in (Asked(1, Command("resume"), "r"), Asked(1, Command("halt")), Asked(1, RestartChain("A"), "s")):
        assert reception.take_past_loop(asked).wrong


def test_commands_without_an_id_are_each_their_own() -> None:
    bot = Bot()
    for ticket in range(3):
        bot.reception.take(Asked(ticket, Command("halt")))
    assert len(bot.done) == 3


def test_only_the_newest_ids_are_remembered() -> None:
    bot = Bot()
    for number in range(500):
        bot.reception.take(Asked(number, Command("halt"), str(number)))
    bot.reception.take(Asked(1, Command("halt"), "499"))
    assert len(bot.done) == 500
    bot.reception.take(Asked(1, Command("halt"), "0"))
    assert len(bot.done) == 501
