"""Exits to be listed: each is made once, and begins with each position."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from reactivex import Observable

from pipeline.exits.held import ExitSignal, Held
from pipeline.exits.market import Market
from pipeline.operators.lift import merge


class Exit(msgspec.Struct, frozen=True, eq=False):
    """One way to leave; `begin` is called once a position, so its memory is that position's own."""

    name: str
    begin: Callable[[Held, Market], Observable[ExitSignal]]


def exits_of(listed: Iterable[Any]) -> Callable[[Held, Market], Observable[ExitSignal]]:
    """Make of a list of exits what a `Strategy` takes; of two that are due at once, the first in the list wins.

    Raises TypeError for what is no exit, ValueError without any.
    """
    exits = tuple(listed)
    if not exits:
        raise ValueError("exits is an empty list: name at least one, such as op.stop_loss(0.001)")
    for given in exits:
        if not isinstance(given, Exit):
            raise TypeError(f"exits lists {given!r}, which is no exit such as op.stop_loss(0.001)")

    def begin(held: Held, market: Market) -> Observable[ExitSignal]:
        return merge(*(given.begin(held, market) for given in exits))

    return begin
