"""The way into the core: whatever is fed to it, and commands, with what they did for the person who gave them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from loguru import logger

from actors.engine.core import Core, Input
from actors.messages import COMMANDS, Command, HaltCause, RestartChain, TradingState
from service.live import symbol_commands
from service.live.bookkeeping import Bookkeeping
from service.live.brokerage import Brokerage
from service.live.halt_file import HaltFile
from service.live.session import Session
from service.live.slow_strategies import SlowStrategies
from service.live.stopping import Ending
from service.live.timekeeping import Timekeeper
from web.messages import SymbolWish

_log = logger.bind(logger="microbot.service")


class Standing(NamedTuple):
    """How the bot stands before or after a command."""

    state: TradingState
    halt_cause: HaltCause | None
    held: tuple[str, ...] = ()  # symbols with an open position


class CommandResult(NamedTuple):
    """Whether a command changed anything, and what."""

    changed: bool
    sentence: str
    wrong: bool = False  # there is no such thing as the command is about
    late: bool = False  # it came after its deadline, and was not carried out


_STOPPING = CommandResult(False, "the bot is stopping, and takes no more commands")


def standing(core: Core) -> Standing:
    """Return how the bot stands now."""
    return Standing(core.risk.state, core.risk.halt_cause, tuple(core.positions.open))


def restarted(core: Core, symbol: str) -> CommandResult:
    """Say what a wish to restart a symbol's strategy will do, before it is carried out."""
    context = core.contexts.get(symbol)
    if context is None:
        known = ", ".join(sorted(core.contexts))
        said = f"no {symbol or 'such symbol'} is traded here" + (f", only {known}" if known else "")
        return CommandResult(False, said, wrong=True)
    if context.instance.runs:
        return CommandResult(False, f"the strategy of {symbol} runs already")
    return CommandResult(True, f"the strategy of {symbol} restarts, and warms up{symbol_commands.others(core, symbol)}")


def result_of(command: str, before: Standing, after: Standing) -> CommandResult:
    """Say what a command did, given how the bot stood before and after it.

    >>> active = Standing(TradingState.ACTIVE, None, ("AAPL",))
    >>> result_of("flatten", active, Standing(TradingState.PAUSED, None)).sentence
    '1 position closed, trading is PAUSED now'
    >>> result_of("pause", active, Standing(TradingState.PAUSED, None, ("AAPL",))).sentence
    'trading is PAUSED now: no new entries; AAPL keeps its exits'
    """
    said = []
    if command in ("flatten", "halt") and before.held:
        many = f"{len(before.held)} position{'' if len(before.held) == 1 else 's'}"
        said.append(f"{many} {'being closed' if after.held else 'closed'}")
    if after.state is not before.state:
        goes_on = f": no new entries{_kept(after.held)}" if command in ("pause", "reduce") else ""
        said.append(f"trading is {after.state} now{goes_on}")
    else:
        said.append(_unchanged(command, after))
    return CommandResult(len(said) > 1 or after.state is not before.state, ", ".join(said))


def _kept(held: tuple[str, ...]) -> str:
    """Say which positions go on; of many, the first few by name."""
    if not held:
        return ""
    named, more = held[:3], len(held) - 3
    last = f"{more} more" if more > 0 else named[-1]
    before = ", ".join(named if more > 0 else named[:-1])
    return f"; {f'{before} and {last} keep their' if before else f'{last} keeps its'} exits"


def _unchanged(command: str, now: Standing) -> str:
    if now.halt_cause is HaltCause.LOSS_LIMIT:
        until = "trading stays HALTED by the daily loss limit until the next trading day"
        return f"{until}: `resume` does not lift that" if command == "resume" else f"{until}, and then until `resume`"
    if now.state is TradingState.HALTED and command != "halt":
        return "trading stays HALTED: only `resume` lifts that"
    return f"trading was {now.state} already"


@dataclass(frozen=True)
class Intake:
    """The one way into the core, on the loop: for market data, time, reports and commands alike.

    The last session's book is fed first, as soon as it is due. A core that raises once decides nothing more: the run
    fails, and what comes after that is ignored.
    """

    session: Session
    books: Bookkeeping
    timekeeper: Timekeeper
    brokerage: Brokerage | None
    halt_file: HaltFile
    slow_strategies: SlowStrategies
    ending: Ending
    say: Callable[[str], None]  # to the terminal
    symbols: tuple[str, ...] = ()  # that are asked for, whether a tick of them came or not

    def feed(self, inputs: Sequence[Input], heard_at: int | None = None) -> None:
        """Run inputs to their end. Raises what the core raises, once the run is marked as failed.

        `heard_at` is when another thread heard of them, in ns of the monotonic clock; None: now.
        """
        if self.ending.over or self.ending.core_failed:  # what comes while the parts are taken down
            return
        if not self.timekeeper.venue_now():
            self.timekeeper.hear_account_time(inputs, heard_at)
        try:
            if self.books.pending:
                book = self.books.due(inputs, self.timekeeper.venue_now(), self.say)
                if book is not None:
                    self.session.take([book])
            self.session.take(inputs)
        except Exception as error:  # from wherever these inputs come
            self.ending.fail_core(error)
            raise
        if self.brokerage is not None:
            self.brokerage.check_leaving(self.session.core)

    def carry_out(self, command: Command | RestartChain | SymbolWish) -> CommandResult:
        """Carry out a command; the kill switch's files follow what the dashboard says."""
        if isinstance(command, RestartChain):
            return self._restart(command)
        if isinstance(command, SymbolWish):
            return self._for_symbol(command)
        if command.name not in COMMANDS:
            unknown = f"there is no command {command.name!r}"
            _log.bind(event="command.unknown", name=command.name).warning(unknown)
            return CommandResult(False, unknown)
        said = _log.bind(event="command.taken", command=command.name, source=command.source)
        said.info(f"COMMAND {command.name}")
        if self.ending.over:
            return _STOPPING
        if command.name == "resume" and (refused := self.halt_file.lift()):
            return CommandResult(False, refused)
        source = command.source or "dashboard"
        lost = self.halt_file.hold(command.name, command.reason) if source == "dashboard" else ""
        before = standing(self.session.core)
        self.feed([msgspec.structs.replace(command, ts=command.ts or self.timekeeper.venue_now(), source=source)])
        done = result_of(command.name, before, standing(self.session.core))
        return done if not lost else CommandResult(done.changed, f"{done.sentence}; {lost}")

    def _restart(self, wish: RestartChain) -> CommandResult:
        if self.ending.over:
            return _STOPPING
        _log.bind(event="command.taken", command="restart", symbol=wish.symbol).info(f"COMMAND restart {wish.symbol}")
        done = restarted(self.session.core, wish.symbol)
        if done.changed:
            self.slow_strategies.forgive(wish.symbol)
            self.feed([msgspec.structs.replace(wish, ts=self.timekeeper.venue_now())])
        return done

    def _for_symbol(self, wish: SymbolWish) -> CommandResult:
        if self.ending.over:
            return _STOPPING
        said = _log.bind(event="command.taken", command=wish.command, symbol=wish.symbol, source=wish.source)
        said.info(f"COMMAND {wish.command} {wish.symbol}")
        core = self.session.core
        known = frozenset(
            (*core.contexts, *core.positions.open, *core.claims, *core.risk.locks.to_book(), *self.symbols)
        )
        zone = core.settings.risk.timezone
        try:
            command = symbol_commands.command_of(wish, known, self.timekeeper.venue_now(), zone)
        except symbol_commands.CannotBe as error:
            return CommandResult(False, str(error), wrong=True)
        symbol = command.symbol
        before = {
            "was_held": symbol in core.positions.open,
            "was_locked": core.risk.locks.lock_of(symbol) is not None,
        }
        self.feed([command])
        changed, sentence = symbol_commands.done_by(command, self.session.core, **before, zone=zone)
        return CommandResult(changed, sentence)


class Mailbox:
    """Takes inputs, commands and calls from any thread. Until it is opened, they wait.

    Code that posts knows the mailbox alone, so gate, broker and kill switch can be built before what they report to.
    Once the loop is closed, inputs are dropped: the next start reads the account again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._intake: Intake | None = None
        self._waiting: deque[Callable[[Intake], None]] = deque()  # on the loop alone

    def open(self, intake: Intake) -> None:
        """Deliver to `intake` from now on; call it on the loop."""
        self._intake = intake
        while self._waiting:
            self._waiting.popleft()(intake)

    def tell(self, inputs: Sequence[Input]) -> None:
        """Feed inputs to the core."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            heard_at = time.monotonic_ns()
            self._post(lambda intake: intake.feed(inputs, heard_at))

    def give(self, command: Command) -> Future[str]:
        """Carry out a command; the result says what it did."""
        return self._ask(lambda intake: intake.carry_out(command).sentence)

    def call(self, function: Callable[[], None]) -> Future[str]:
        """Call a function behind everything that was posted before it."""

        def work(_: Intake) -> str:
            function()
            return ""

        return self._ask(work)

    def _ask(self, work: Callable[[Intake], str]) -> Future[str]:
        future: Future[str] = Future()

        def answer(intake: Intake) -> None:
            try:
                future.set_result(work(intake))
            except BaseException as error:
                future.set_exception(RuntimeError(str(error)))
                raise

        try:
            self._post(answer)
        except RuntimeError as error:
            future.set_exception(error)
        return future

    def _post(self, message: Callable[[Intake], None]) -> None:
        self._loop.call_soon_threadsafe(self._deliver, message)

    def _deliver(self, message: Callable[[Intake], None]) -> None:
        if self._intake is None:
            self._waiting.append(message)
        else:
            message(self._intake)
