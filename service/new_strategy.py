"""A start for an author: a strategy that works, a test of it, and a small tape."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NamedTuple

from mock_exchange import market
from pipeline.events import SECOND, as_json
from service.errors import UserError, make_folder, writing
from service.strategy_files import FOLDERS

_MARKET = (("AAPL",), 7, 1_767_625_200 * SECOND, 120.0)
"""The tape: symbols, seed, first moment (2026-01-05, 10:00 in New York) and seconds."""

_STRATEGY = '''\
"""NAME: two averages of one-second candles cross; go with the cross, unless the market has run already."""

from microbot import op, param


def strategy(ticks, quotes):
    # A parameter is declared where it is used: name, default, lowest and highest value. `--set strategy.fast=12`
    # sets it.
    fast = op.ema(param("fast", 9, 2, 100))
    slow = op.ema(param("slow", 21, 5, 400))
    return ticks.pipe(
        op.candles(seconds=1),  # without it, everything below is asked at every tick
        # Readings are numbers that are followed, each under its name.
        op.readings(fast=fast, slow=slow, rsi=op.rsi(14), spread=op.spread(quotes)),
        # What points where ...
        op.when(op.crosses_above("fast", "slow"), go="LONG"),
        op.when(op.crosses_below("fast", "slow"), go="SHORT"),
        # ... and what else must hold: leave a line out, and only its condition is gone.
        op.require("rsi", below=70),
        op.require("spread", at_most=0.0004),  # a fraction of the price
        op.once_per("cross"),  # one signal each time
    )


# How to leave a position; of two that are due at once, the first in the list wins.
exits = [op.trailing_stop(0.001), op.break_even(after=0.0008), op.time_stop(seconds=20)]
'''

_TEST = '''\
"""Tests of NAME.py. `backtested` comes with microbot: it decides on a tape as the bot would."""

from microbot.testing import assert_signals, assert_trades, tape

STRATEGY = "NAME.py:strategy"
FALLEN = tape("AAPL").flat(30).drift(-0.002, seconds=30)  # a trade a second: it stands, and falls by 0.2 %


def test_a_fall_and_a_turn_are_followed_until_an_exit_is_due(backtested):
    found = backtested(FALLEN.drift(0.003, seconds=20).burst(-0.0015), STRATEGY)
    assert_signals(found, ("SHORT", 32), ("LONG", 69))  # seconds from the tape's start
    assert_trades(found, "TIME", "TRAIL")


def test_nothing_is_traded_where_nothing_happens(backtested):
    assert_signals(backtested(tape("AAPL").flat(120), STRATEGY))


def test_a_wide_spread_keeps_it_out(backtested):
    wide = tape("AAPL", spread=0.10).flat(30).drift(-0.002, seconds=30).drift(0.003, seconds=20)
    assert_signals(backtested(wide, STRATEGY))


def test_it_trades_on_the_tape_beside_it(backtested):
    found = backtested("NAME_tape.jsonl", STRATEGY)
    assert found.trades
'''


class Written(NamedTuple):
    """The files of a new strategy."""

    strategy: Path
    test: Path
    tape: Path


def write(path: Path) -> Written:
    """Write a strategy at `path`, its test and a tape beside it.

    Raises UserError if one of them is there already, if the name is none of a module of one's own, or if they cannot
    be written.
    """
    name = path.stem
    if path.suffix != ".py" or not name.isidentifier():
        raise UserError(f"a strategy is a file such as my.py: letters, digits and _, and {path.name or path} is none")
    files = Written(path, path.with_name(f"test_{name}.py"), path.with_name(f"{name}_tape.jsonl"))
    for file in files:
        if file.exists() or file.is_symlink():
            raise UserError(f"{file} is there already: choose another name, or remove it")
    elsewhere = [folder for folder in sys.path if folder not in FOLDERS]
    if name in sys.stdlib_module_names or PathFinder.find_spec(name, elsewhere) is not None:
        raise UserError(f"there is a Python module {name} already, which {path.name} would hide: choose another name")
    with writing(path):
        make_folder(path.parent)
    lines = b"".join(as_json(event) + b"\n" for event in market.tape(*_MARKET))
    texts = (_STRATEGY.replace("NAME", name), _TEST.replace("NAME", name))
    for file, content in zip(files, (*(text.encode() for text in texts), lines), strict=True):
        with writing(file), file.open("xb") as out:
            out.write(content)
    return files
