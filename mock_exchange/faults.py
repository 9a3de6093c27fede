"""The faults that can be switched on, by name. The seed decides which frames, events and orders they strike."""

from __future__ import annotations

import difflib
import math
import random
from collections.abc import Iterable

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """A switch. Its parameter is written behind its name, as in `drop:500`."""

    name: str
    default: float  # of the parameter
    least: float
    most: float
    parameter: str  # what it means
    effect: str
    group: str = ""  # under which people look for it


def _chance(name: str, default: float, effect: str) -> Fault:
    """Return a switch whose parameter is the chance that it strikes."""
    return Fault(name, default, 0.0, 1.0, "chance", effect)


_GROUPS = {
    "Connections": (
        Fault("handshake", 503, 400, 599, "HTTP status", "no WebSocket is opened"),
        Fault("refuse", 406, 400, 599, "code", "authentication, or a client of the push, is refused in-band"),
        Fault("wrong_key", 1, 1, 1, "no meaning", "no pair of keys is right"),
        Fault("drop", 500, 0, 1e9, "frames", "a connection with market data is cut after so many"),
        Fault("mute", 100, 0, 1e9, "frames", "a connection with market data stays open, but says no more after these"),
        Fault("drop_updates", 10, 0, 1e9, "frames", "the same as drop, of the trading stream"),
        Fault("mute_updates", 2, 0, 1e9, "frames", "the same as mute, of the trading stream"),
        _chance("malformed", 0.01, "a frame is followed by one that cannot be read"),
        _chance("oversized", 0.001, "a frame is followed by one of 2 MiB"),
        _chance("strangers", 0.01, "a frame is followed by one of an unknown symbol or kind"),
        Fault("rude_close", 1, 1, 1, "no meaning", "a client's close is answered by none: the connection is cut"),
        Fault("lingering", 10, 0, 3_600, "real s", "a data connection that is gone counts on for so long (406)"),
    ),
    "Market data": (
        _chance("bad_prices", 0.01, "a trade has no price that can be: NaN, infinite, 0, negative, 1e308 or text"),
        _chance("spikes", 0.001, "a trade has ten times its price"),
        _chance("duplicates", 0.05, "an event is published twice"),
        _chance("reorder", 0.05, "an event is published after the next one"),
        _chance("gaps", 0.05, "an event is not published"),
        _chance("late_times", 0.01, "an event's time is an hour early"),
        _chance("future_times", 0.01, "an event's time is an hour ahead"),
        _chance("crossed", 0.02, "a quote is crossed, locked, or of no size"),
        _chance("average_prices", 0.01, "a trade is followed by a print at an average price, up to 4.8 % away"),
        _chance("late_prints", 0.01, "a trade is followed by a print of an earlier one, out of sequence"),
        _chance("undone", 0.001, "a trade is canceled or corrected a moment later"),
        Fault("burst", 5_000, 1, 1e6, "events", "nothing is published until so many wait, then all at once"),
    ),
    "Orders": (
        Fault("rest", 503, 400, 599, "HTTP status", "no REST call is done"),
        _chance("lost_answers", 0.2, "an order is taken, but answered 504"),
        _chance("rejects", 0.2, "an order is taken, then rejected"),
        _chance("lost_fills", 0.2, "a fill is not reported on the trading stream"),
        _chance("double_fills", 0.2, "a fill is reported twice"),
        _chance("disordered_updates", 0.2, "an update is told after the one that follows it at once"),
        Fault("early_fills", 200, 0, 60_000, "real ms", "an order is answered so long after its fills are reported"),
        Fault("latency", 100, 0, 60_000, "real ms", "a REST call is answered up to so much later"),
        Fault("slow_fills", 1, 1, 1e9, "shares", "a quote lets orders have no more than this"),
        Fault("worse_fills", 1, 0, 1_000, "basis points", "a fill is so much worse than what is displayed"),
        Fault("slow_orders", 100, 0, 60_000, "market ms", "an order is accepted at once, but cannot be filled before"),
        Fault("late_cancels", 5, 0, 86_400, "market s", "a cancel is confirmed at once, but comes into effect later"),
        Fault("foreign_orders", 1, 1, 1e6, "shares", "an order and a position that no client made are in the accounts"),
    ),
}

CATALOGUE = {
    fault.name: msgspec.structs.replace(fault, group=group) for group, faults in _GROUPS.items() for fault in faults
}
"""Every switch there is, by its name."""


class Faults:
    """The switches, and the dice that belong to those that are on."""

    def __init__(self, seed: int, specs: Iterable[str] = ()) -> None:
        self._seed = seed
        self._on: dict[str, float] = {}
        self._dice: dict[str, random.Random] = {}
        self.switch(specs)

    def switch(self, specs: Iterable[str]) -> None:
        """Turn on exactly these, and all others off. Raises ValueError, and changes nothing, for what is none."""
        self._on = dict(map(parse, specs))
        self._dice = {name: random.Random(f"{self._seed}/{name}") for name in self._on}

    def __contains__(self, name: str) -> bool:
        """Return whether a switch is on."""
        return name in self._on

    def __bool__(self) -> bool:
        """Return whether any switch is on."""
        return bool(self._on)

    @property
    def active(self) -> list[str]:
        """The switches that are on, as they would be written."""
        return [f"{name}:{value:g}" for name, value in self._on.items()]

    def value(self, name: str) -> float | None:
        """Return the parameter of a switch, or None if it is off."""
        return self._on.get(name)

    def status(self, name: str) -> int | None:
        """Return the parameter of a switch as a whole number, or None if it is off."""
        value = self._on.get(name)
        return None if value is None else int(value)

    def strikes(self, name: str, dice: random.Random | None = None) -> bool:
        """Draw whether a switch strikes now, by its own dice or others; one that is off never does."""
        chance = self._on.get(name)
        return chance is not None and (dice or self._dice[name]).random() < chance

    def pick(self, name: str, count: int) -> int:
        """Choose one of several ways in which a switch that is on strikes."""
        return self._dice[name].randrange(count)

    def delay_s(self, name: str) -> float:
        """Return the real seconds that a switch of milliseconds asks for, up to its parameter; 0 if it is off."""
        most = self._on.get(name)
        return 0.0 if most is None else most * self._dice[name].random() / 1_000

    def dice_of(self, connection: int) -> random.Random:
        """Return dice of a connection's own: what strikes it does not depend on the others."""
        return random.Random(f"{self._seed}/connection {connection}")


def parse(spec: str) -> tuple[str, float]:
    """Read NAME or NAME:PARAMETER. Raises ValueError, one sentence."""
    name, colon, text = spec.strip().partition(":")
    fault = CATALOGUE.get(name)
    if fault is None:
        near = difflib.get_close_matches(name, CATALOGUE, n=1)
        hint = f"did you mean {near[0]}?" if near else "--faults list names them."
        raise ValueError(f"there is no fault {name[:40]!r}; {hint}")
    try:
        value = float(text) if colon else fault.default
    except ValueError:
        value = math.nan
    if not fault.least <= value <= fault.most:
        bounds = f"from {fault.least:g} to {fault.most:g}"
        raise ValueError(f"{name} takes a number {bounds} ({fault.parameter}), as in {name}:{fault.default:g}")
    return name, value


def parse_lines(text: str) -> tuple[str, ...]:
    """Read switches from a file's text: one a line, and what follows a # is a comment. Raises ValueError."""
    specs = [line.partition("#")[0].strip() for line in text.splitlines()]
    specs = [spec for spec in specs if spec]
    for spec in specs:
        parse(spec)
    return tuple(specs)


def describe() -> str:
    """Name all switches, one a line, for people."""
    return "\n".join(
        f"{fault.name + ':' + format(fault.default, 'g'):22} {fault.effect} ({fault.parameter})"
        for fault in CATALOGUE.values()
    )
