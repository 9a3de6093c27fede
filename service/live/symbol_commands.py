"""Commands about one symbol: what is wished for, with times as people write them, becomes an input of the core."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from actors.engine.core import Core
from actors.messages import SymbolCommand
from actors.risk.symbol_locks import until_words
from pipeline.events import SECOND
from web.messages import SymbolWish

_FORMS = ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")


class CannotBe(Exception):
    """Raised for a wish that cannot be carried out; its text says why, and what to do."""


def command_of(wish: SymbolWish, known: frozenset[str], now: int, zone: str) -> SymbolCommand:
    """Return what a wish asks of the core at `now` (ns, the venue's; 0 while that is not known). Raises CannotBe.

    `known` are the symbols that the bot trades. A time is read in `zone`, where the exchange is.
    """
    if wish.symbol not in known:
        named = ", ".join(sorted(known))
        raise CannotBe(f"no {wish.symbol or 'such symbol'} is traded here" + (f", only {named}" if named else ""))
    until = until_of(wish.until, now, zone) if wish.until else 0
    return SymbolCommand(wish.command, wish.symbol, now, until, wish.source, wish.reason)


def until_of(text: str, now: int, zone: str) -> int:
    """Return the time (ns) that a text names: HH:MM of the day of `now` in `zone`, or with its day. Raises CannotBe.

    >>> until_of("11:00", 1767623400 * SECOND, "America/New_York") // SECOND - 1767623400
    5400
    """
    at = ZoneInfo(zone)
    if not now:
        raise CannotBe("the exchange's time is not known yet: try again once ticks come, or leave --until out")
    here = datetime.fromtimestamp(now / SECOND, at)
    wanted = _parsed(text.strip(), here)
    if wanted is None:
        raise CannotBe(f"--until wants a time such as 11:00, or 2026-01-05 11:00, not {text[:40]!r}")
    local = wanted.replace(tzinfo=at)
    until = round(local.timestamp()) * SECOND
    if datetime.fromtimestamp(until / SECOND, at).replace(tzinfo=None) != wanted:
        raise CannotBe(f"there is no {wanted:%H:%M} on {wanted:%Y-%m-%d} in {zone}: clocks go forward then")
    if until <= now:
        raise CannotBe(f"{text.strip()} is past: it is {here:%Y-%m-%d %H:%M} in {zone}")
    return until


def _parsed(text: str, here: datetime) -> datetime | None:
    """Return the local time that a text names, None if it names none."""
    for form in _FORMS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007  # of the exchange's zone, which is known
        except ValueError:
            continue
    try:
        clock = datetime.strptime(text, "%H:%M")  # noqa: DTZ007
    except ValueError:
        return None
    return datetime.combine(here.date(), clock.time())


def done_by(command: SymbolCommand, core: Core, *, was_held: bool, was_locked: bool, zone: str) -> tuple[bool, str]:
    """Say whether a command that the core has taken changed anything, and what."""
    symbol, held = command.symbol, command.symbol in core.positions.open
    if command.name == "unlock":
        return was_locked, f"{symbol} is unlocked" if was_locked else f"{symbol} was not locked"
    locked = f"{symbol} is locked {until_words(command.until, core.now, zone)}"
    rest = others(core, symbol)
    if command.name == "lock":
        return True, f"{locked}{'; its open position keeps its exits' if held else ''}{rest}"
    if not was_held:
        return True, f"nothing of {symbol} was open; {locked}{rest}"
    return True, f"1 position {'being closed' if held else 'closed'}, {locked}{rest}"


def others(core: Core, symbol: str) -> str:
    """Say that the other symbols go on, if there are any."""
    return "; other symbols go on" if any(other != symbol for other in core.contexts) else ""
