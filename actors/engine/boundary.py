"""The boundary: all that an author's strategy says comes into the core here, checked once.

What a signal, a reading or a wish to exit is made of, each has checked where it was made (`pipeline.checked`); here it
is held against what only the core knows: whose strategy speaks, when, and at what price.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from actors.messages import ExitReason
from pipeline.checked import WrongValue, shown
from pipeline.events import Signal
from pipeline.exits import ExitSignal, SignalExits
from pipeline.operators.frame import Frame

Said = TypeVar("Said", Signal, ExitSignal)

_OF_EXITS = frozenset((ExitReason.TP, ExitReason.SL, ExitReason.TIME, ExitReason.FLAT))
_RESERVED = frozenset(ExitReason) - _OF_EXITS
"""Reasons that only the core gives: an exit that took one would be told of, and priced, as what it is not."""


_FAR = 2.0  # times the last price, up or down: a limit beyond is no price, but a fraction, a distance or in cents


def admit_signal(said: Any, symbol: str, now: int, tick_ts: int, price: float) -> Signal:
    """Return what an author's entries said, if it is a signal about its own symbol as it is now.

    It is about the tick that runs (`tick_ts`, ns), or about `now` where a timer speaks, and about the last price; a ts
    or a price of 0 leaves that to be set here. A limit is between half and twice that price. Raises WrongValue, naming
    what is wrong with it.
    """
    if isinstance(said, Frame):
        sentence = "a strategy must give signals, not frames: put op.bursts() (or op.signals()) at the end of its pipe"
        raise WrongValue(sentence, said=said)
    signal = _of_kind(Signal, "a strategy must give signals", said)
    _check_symbol("a signal", signal, symbol)
    if signal.exits is not UNSET:
        signal = _with_exits(signal)
    limit = signal.limit
    if isinstance(limit, float) and price > 0 and not price / _FAR <= limit <= price * _FAR:
        raise WrongValue(
            f"a signal's limit is {limit:g}, and the last price {price:g}: a limit is a price, as frame.price * 0.999",
            said=signal,
        )
    if signal.ts == tick_ts and signal.price == price > 0:
        return signal
    wrong = ""
    if not price > 0:
        wrong = f"there was no trade of {symbol} yet: no signal can be about its price"
    elif signal.ts not in (0, now, tick_ts):
        wrong = f"a signal is about now ({now}; 0 leaves it to be set), and its ts is {signal.ts}"
    elif signal.price not in (0, price):
        wrong = f"a signal is at the last price ({price:g}; 0 leaves it to be set), not at {signal.price:g}"
    if wrong:
        raise WrongValue(wrong, said=signal)
    return msgspec.structs.replace(signal, ts=signal.ts or now, price=price)


def _with_exits(signal: Signal) -> Signal:
    try:
        exits = SignalExits.of("a signal", signal.exits)
    except WrongValue as wrong:
        raise WrongValue(str(wrong), said=signal) from None
    return msgspec.structs.replace(signal, exits=exits)


def admit_exit(said: Any, symbol: str) -> ExitSignal:
    """Return what an author's exits said, if it is a wish to leave its own symbol. Raises WrongValue."""
    wish = _of_kind(ExitSignal, "an exit must give an ExitSignal", said)
    _check_symbol("an exit", wish, symbol)
    if wish.reason in _RESERVED:
        raise WrongValue(f"the reason {wish.reason} is the core's own: name the exit otherwise", said=wish)
    return wish


def _of_kind(kind: type[Said], demand: str, said: Any) -> Said:
    if said.__class__ is not kind:
        raise WrongValue(f"{demand}, not a {type(said).__name__} ({shown(said)})", said=said)
    found: Said = said
    return found


def _check_symbol(what: str, said: Signal | ExitSignal, symbol: str) -> None:
    if said.symbol != symbol:
        raise WrongValue(f"{what} of the chain of {symbol} must be of {symbol}, not of {shown(said.symbol)}", said=said)
