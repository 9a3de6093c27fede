"""The kill switch's twin: the switch itself, with the scheduler in place of its thread and of those who wait for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from actors.gateway.gate import Gate, GateSettings
from actors.gateway.kill_switch import GuardedBroker, KillSwitch
from actors.messages import Command, GateOrder
from actors.orders import OrderReport
from service.live.halt_file import keep
from simulation.scheduler import VirtualScheduler

STEP_S = 0.05
"""Seconds between two looks at what there is to do."""


class LoopLink:
    """The way to the core: what is put there waits, in order, until the loop gets to it.

    `on_loop` calls a function once the loop is not stuck, and not at all if the bot is dead by then.
    """

    def __init__(
        self,
        scheduler: VirtualScheduler,
        on_loop: Callable[[Callable[[], None]], None],
        take: Callable[[Sequence[OrderReport | GateOrder]], None],
        command: Callable[[Command], None],
    ) -> None:
        self._scheduler = scheduler
        self._on_loop = on_loop
        self._take = take
        self._command = command

    def tell(self, inputs: Sequence[OrderReport | GateOrder]) -> None:
        self._later(lambda: self._take(inputs))

    def give(self, command: Command) -> Future[str]:
        return self.call(lambda: self._command(command))

    def call(self, function: Callable[[], None]) -> Future[str]:
        future: Future[str] = Future()

        def work() -> None:
            function()
            future.set_result("")

        self._later(work)
        return future

    def _later(self, work: Callable[[], None]) -> None:
        self._scheduler.after(0, lambda: self._on_loop(work))


class VirtualKillSwitch(KillSwitch):
    """The kill switch without its thread: its driver calls `step`, and no thread waits for an answer."""

    def __init__(
        self,
        scheduler: VirtualScheduler,
        link: LoopLink,
        make_gate: Callable[[KillSwitch], Gate],
        broker: GuardedBroker | None,
        book: str,
        folder: Path,
        now: Callable[[], int],
    ) -> None:
        super().__init__(
            link,
            make_gate,
            broker,
            book,
            lambda name, reason: keep(folder, name, reason),
            now,
            lambda event, sentence: self.said.append(sentence),
            lambda fact: None,
            lambda: scheduler.ran_s,
            GateSettings(),
        )
        self.said: list[str] = []
        self._scheduler = scheduler

    def step(self) -> None:
        """Look once at what there is to do."""
        with self._news:
            self._look()

    def press(self, name: str, guarded: Callable[[Callable[[], None]], None]) -> None:
        """Pull the switch, and do by itself what a core does not that leaves it without an answer.

        `guarded` runs what happens later, if the bot lives.
        """
        _, taken = self._begin(name, f"{name} from somebody", "terminal")

        def look() -> None:
            if not taken.done() and self._broker is not None:
                with self._news:
                    self._take_over(name)

        self._scheduler.after(self._settings.answer_s, lambda: guarded(look))
