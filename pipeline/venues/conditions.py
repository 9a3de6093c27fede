"""Conditions of US stock prints: what a print may move, its price and its size looked at apart.

A print is reported with a code for each condition that it was made under. What was priced elsewhere or earlier (an
average price, one agreed before, a late report) is no move of the market now, and neither is the price of an odd lot,
whose shares were bought now all the same. The codes mean different things on different tapes: `B` is an average price
on tapes A and B, and a bunched trade on tape C.

Source: CTA and UTP specifications, table of sale conditions (consolidated last and volume), read strictly: what sets
the last price only as the first print of a day does not set it here, and neither do late prints (`L`) and extended
hours (`T`).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class PrintKind(StrEnum):
    """What a print is to a strategy. Of several conditions the strictest counts: the last of this list."""

    TICK = "tick"  # a tick, with its price and its size
    AUCTION = "auction"  # a tick with its price; its shares met at one moment, and are counted apart
    VOLUME = "size added to the next tick"  # odd lots, sold last, and codes that are not known: no price of now
    EXTENDED = "extended hours"  # neither: it belongs to another session than the one that is traded
    ELSEWHERE = "priced elsewhere or earlier"  # neither: volume of the day, but no trade of this moment
    NO_VOLUME = "official price"  # of a market center: no trade was made


UNKNOWN_CONDITION = "unknown print condition"
"""How codes are counted that stand in no table."""

UNDONE = "canceled or corrected outside of the window"
"""How cancels and corrections are counted of prints that no window holds."""

_CONTINUOUS = frozenset((" ", "@", "F", "K", "X"))
_NYSE = _CONTINUOUS | {"E"}  # tapes A and B: NYSE, and the exchanges that are neither it nor NASDAQ
_NASDAQ = _CONTINUOUS | {"A", "B", "D", "S", "Y", "1"}  # tape C, and those that go by its codes: O (OTC), N (overnight)
_AUCTIONS = frozenset("O56")
_ADDED = frozenset("IL")

_TICKS = {"A": _NYSE, "B": _NYSE, "C": _NASDAQ, "O": _NASDAQ, "N": _NASDAQ}
"""Codes of plain ticks, by tape; on a tape that is not known, those of all tapes."""

_SIZES = {tape: ticks | _ADDED for tape, ticks in _TICKS.items()}
_ANY_SIZE = _CONTINUOUS | _ADDED

_EXTENDED = frozenset("T")
_ELSEWHERE = frozenset("BCGHNPRUVWZ47")
_NO_VOLUME = frozenset("MQ9")
_KNOWN = _NYSE | _NASDAQ | _AUCTIONS | _ADDED | _EXTENDED | _ELSEWHERE | _NO_VOLUME


def is_tick(tape: str, conditions: object) -> bool:
    """Whether a print is a plain tick, as most are: the quick question, before that of `kind_of`."""
    return isinstance(conditions, list) and _TICKS.get(tape, _CONTINUOUS).issuperset(conditions)


def kind_of(tape: str, conditions: object) -> tuple[PrintKind, bool]:
    """Return what a print is, and whether it has a code that stands in no table. O(1).

    A code that is a tick's on another tape only is taken for the strictest that it may be. `conditions` is as it came;
    what is no list of codes is not known.

    >>> [kind_of("C", codes)[0].name for codes in (["@", "F"], ["@", "I"], ["O"], ["W"])]
    ['TICK', 'VOLUME', 'AUCTION', 'ELSEWHERE']
    >>> kind_of("A", [" ", "?"])
    (<PrintKind.VOLUME: 'size added to the next tick'>, True)
    """
    if not isinstance(conditions, list) or not all(isinstance(code, str) for code in conditions):
        return PrintKind.VOLUME, True
    if is_tick(tape, conditions):
        return PrintKind.TICK, False
    if _SIZES.get(tape, _ANY_SIZE).issuperset(conditions):
        return PrintKind.VOLUME, False
    codes = set(conditions) - _TICKS.get(tape, _CONTINUOUS)
    unknown = not _KNOWN.issuperset(codes)
    if codes & _NO_VOLUME:
        return PrintKind.NO_VOLUME, unknown
    # What is left beside these is a tick's code on another tape.
    if codes & _ELSEWHERE or codes & _KNOWN - _AUCTIONS - _ADDED - _EXTENDED:
        return PrintKind.ELSEWHERE, unknown
    if codes & _EXTENDED:
        return PrintKind.EXTENDED, unknown
    if codes & _ADDED or unknown:
        return PrintKind.VOLUME, unknown
    return PrintKind.AUCTION, unknown


# LEAN keeps a print's conditions as one number, a bit each. Source: QuantConnect/Lean, TradeConditionFlags.cs.
# CAP elections (27) are automatic executions, option trades (18) contingent ones; that a print is exempt from the rule
# on trade-throughs (29) is no condition, and what 30 means is not documented.
_LEAN = dict(enumerate("@CNRYFO654TL1TZSABVDWXHKMPQ@@", 0)) | {29: "", 30: "?", 31: "I"}


def lean_conditions(flags: int) -> list[str]:
    """Return the codes, as those of tape C, of a sale condition in LEAN's ticks.

    >>> lean_conditions(0x20000020), lean_conditions(0x100000)
    (['F'], ['W'])
    """
    return [code for bit in _bits(flags) if (code := _LEAN.get(bit, "?"))]


def _bits(flags: int) -> Iterable[int]:
    return (bit for bit in range(flags.bit_length()) if flags >> bit & 1)
