"""Signals from outside on their way into the core: each once, and none that nothing could come of."""

from __future__ import annotations

import time
from collections.abc import Callable

from loguru import logger

from actors.engine.core import Core
from actors.messages import TradingState
from pipeline.events import SECOND, ExternalSignal
from service.live.commands import CommandResult, Intake
from web.messages import SignalWish, Wish
from web.settings import AHEAD_S

_KEPT_IDS = 10_000
"""Signals that are remembered: at 600 a minute those of a quarter of an hour, and none is taken when a minute old."""

_log = logger.bind(logger="microbot.service")


class ExternalSignals:
    """Takes wishes in, on the bot's loop; those that are no signals go on to the intake as they are.

    `started` is when the bot was started, by the `wall` clock (s): what was sent before is another life's, which may
    have acted on it, and so is what a clock that is ahead has sent.
    """

    def __init__(self, intake: Intake, started: float, wall: Callable[[], float] = time.time) -> None:
        self._intake = intake
        self._started = started
        self._wall = wall
        self._known: dict[str, tuple[SignalWish, CommandResult]] = {}  # by id, the oldest first

    def carry_out(self, wish: Wish) -> CommandResult:
        """Carry out a wish, and return what became of it; of a signal that was here before, what became of it then."""
        if not isinstance(wish, SignalWish):
            return self._intake.carry_out(wish)
        if (known := self._known.get(wish.id)) is not None:
            before, result = known
            if before == wish:
                return result
            return CommandResult(False, f"the id {wish.id} was another signal's: give each an id of its own")
        result = self._take(wish)
        self._known[wish.id] = wish, result
        if len(self._known) > _KEPT_IDS:
            del self._known[next(iter(self._known))]
        words = f"EXTERNAL {self._signal_of(wish, 0).words} {wish.symbol}: {result.sentence}"
        event = "external.taken" if result.changed else "external.refused"
        fields = {"event": event, "name": wish.name, "symbol": wish.symbol, "value": wish.value, "id": wish.id}
        _log.bind(**fields).log("INFO" if result.changed else "WARNING", "{}", words)
        return result

    def _take(self, wish: SignalWish) -> CommandResult:
        intake = self._intake
        if refused := self._refusal(wish, intake.session.core):
            return refused
        intake.feed([self._signal_of(wish, intake.timekeeper.venue_now())])
        state = intake.session.core.risk.state
        more = "" if state is TradingState.ACTIVE else f"; trading is {state}: no new entries"
        return CommandResult(True, f"the strategy of {wish.symbol} hears it with the next tick{more}")

    def _refusal(self, wish: SignalWish, core: Core) -> CommandResult | None:
        """Say why a signal is not taken; None if it is."""
        intake, symbol = self._intake, wish.symbol
        if intake.ending.over or intake.ending.core_failed:
            return CommandResult(False, "the bot is stopping, and takes no more signals")
        if wish.made < self._started + AHEAD_S:
            return CommandResult(False, "it was made before the bot was started: it was not taken")
        if core.risk.state is TradingState.HALTED:
            why = core.risk.state_reason
            return CommandResult(False, f"trading is HALTED{f' ({why})' if why else ''}: it was not taken")
        context = core.contexts.get(symbol)
        if context is None:
            if symbol in intake.symbols:
                return CommandResult(False, f"no tick of {symbol} has come yet: it was not taken")
            known = ", ".join(sorted(core.contexts))
            said = f"no {symbol} is traded here" + (f", only {known}" if known else "")
            return CommandResult(False, said, wrong=True)
        if not context.instance.runs:
            return CommandResult(False, f"the strategy of {symbol} does not run: {context.instance.described}")
        if wish.name not in (names := context.streams.externals.names):
            listened = f"it listens to {', '.join(names)}" if names else "it listens to none: op.external(name) does"
            return CommandResult(False, f"the strategy of {symbol} hears no {wish.name}: {listened}", wrong=True)
        return None

    def _signal_of(self, wish: SignalWish, now: int) -> ExternalSignal:
        """Return the input: what is left of its life counts from `now` (ns, the venue's), whatever rate that has."""
        left_s = max(wish.made + wish.good_for - self._wall(), 0.0)
        until = now + max(1, round(left_s * SECOND)) if wish.good_for else 0
        return ExternalSignal(wish.name, wish.symbol, wish.value, wish.id, now, until)
