"""The boundary: all that an author's strategy says comes into the core here, checked once.

What a signal, a reading or a wish to exit is made of, each has checked where it was made (`pipeline.checked`); here it
is held against what only the core knows: whose strategy speaks, when, and at what price.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from actors.messages import ExitReason
from pipeline.checked import WrongValue, shown
from pipeline.events import Signal
from pipeline.exits import ExitSignal
from pipeline.operators.frame import Frame

Said = TypeVar("Said", Signal, ExitSignal)

_OF_EXITS = frozenset((ExitReason.TP, ExitReason.SL, ExitReason.TIME, ExitReason.FLAT))
_RESERVED = frozenset(ExitReason) - _OF_EXITS
"""Reasons that only the core gives: an exit that took one would be told of, and priced, as what it is not."""


def admit(kind: type[Said], said: Any, symbol: str, now: int, tick_ts: int, price: float) -> Said:
    """Return what an author's stream said, if it is of a kind and about its own symbol as it is now.

    A signal is about the tick that runs (`tick_ts`, ns), or about `now` where a timer speaks, and about the last price;
    a ts or a price of 0 leaves that to be set here. Raises WrongValue, naming what is wrong with it.
    """
    if said.__class__ is not kind:
        raise WrongValue(_wrong_kind(kind, said), said=said)
    if said.symbol != symbol:
        what = "a signal" if kind is Signal else "an exit"
        sentence = f"{what} of the chain of {symbol} must be of {symbol}, not of {shown(said.symbol)}"
        raise WrongValue(sentence, said=said)
    checked: Said = said
    if isinstance(said, Signal):
        signal: Any = _timed(said, now, tick_ts, price)
        checked = signal
    elif said.reason in _RESERVED:
        raise WrongValue(f"the reason {said.reason} is the core's own: name the exit otherwise", said=said)
    return checked


def _timed(signal: Signal, now: int, tick_ts: int, price: float) -> Signal:
    if signal.ts == tick_ts and signal.price == price > 0:
        return signal
    wrong = ""
    if not price > 0:
        wrong = f"there was no trade of {signal.symbol} yet: no signal can be about its price"
    elif signal.ts not in (0, now, tick_ts):
        wrong = f"a signal is about now ({now}; 0 leaves it to be set), and its ts is {signal.ts}"
    elif signal.price not in (0, price):
        wrong = f"a signal is at the last price ({price:g}; 0 leaves it to be set), not at {signal.price:g}"
    if wrong:
        raise WrongValue(wrong, said=signal)
    return msgspec.structs.replace(signal, ts=signal.ts or now, price=price)


def _wrong_kind(kind: type[Signal | ExitSignal], said: Any) -> str:
    if kind is ExitSignal:
        return f"an exit must give an ExitSignal, not {_named(said)}"
    if isinstance(said, Frame):
        return "a strategy must give signals, not frames: put op.bursts() (or op.signals()) at the end of its pipe"
    return f"a strategy must give signals, not {_named(said)}"


def _named(said: Any) -> str:
    return f"a {type(said).__name__} ({shown(said)})"
