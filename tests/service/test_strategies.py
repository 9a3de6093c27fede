"""strategies: loading what a user wrote, and saying in one sentence what is wrong with it."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from actors.engine.core import Core, CoreSettings
from pipeline.exits import ListedExits
from pipeline.strategy import Strategy, StrategySettings
from service import strategies
from service.errors import UserError
from tests.support.market import trade

SETTINGS = StrategySettings()

GOOD = '''
"""A strategy as its author writes it."""
from pipeline import operators as op
from pipeline.strategy import Strategy, StrategySettings, default_exits

LIMIT = 5

def strategy(ticks):
    return ticks.pipe(op.window(seconds=1, min_ticks=1), op.momentum(0.0005), op.bursts())

def other(ticks):
    return ticks.pipe(op.window(seconds=1, min_ticks=1), op.momentum(0.001), op.bursts())

whole = Strategy("my own", other, default_exits(StrategySettings()))
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    return path


def load(reference: str) -> Strategy:
    return strategies.load(reference, SETTINGS)


def test_without_a_reference_it_is_the_default_strategy() -> None:
    assert strategies.load(None, SETTINGS).name == "momentum_burst"


def test_a_function_is_named_by_its_file_and_name(file: Path) -> None:
    assert load(f"{file}:other").name == "mine:other"


def test_the_name_may_be_left_out(file: Path) -> None:
    assert load(str(file)).name == "mine:strategy"


def test_a_whole_strategy_is_taken_as_it_is(file: Path) -> None:
    assert load(f"{file}:whole").name == "my own"


def test_what_was_loaded_trades_with_the_default_exits_of_the_settings(file: Path) -> None:
    settings = StrategySettings(time_stop_seconds=2.0)
    core = Core(CoreSettings(settings), strategies.load(f"{file}:strategy", settings))
    core.run([trade(0), trade(0.5), trade(1, 101), trade(9, 101)])
    assert core.summary()["trades"] == 1


def test_two_files_of_one_name_do_not_meet(tmp_path: Path) -> None:
    loaded = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "mine.py"
        path.write_text(f"{GOOD}\nwhole = Strategy({folder!r}, other, default_exits(StrategySettings()))\n")
        loaded.append(load(f"{path}:whole").name)
    assert loaded == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "reference", "sentence"),
    [
        (None, "mine.py:strategy", r"^there is no strategy file .*mine\.py: name the strategy as FILE\.py:NAME$"),
        ("", "mine.py:strategy", r"mine\.py has no strategy; it has no functions$"),
        ("def a(t): ...\ndef b(t): ...\n", "mine.py:c", r"mine\.py has no c; it has a, b$"),
        ("limit = 5\n", "mine.py:limit", r"mine\.py:limit is a int: it must be a function of ticks, or a Strategy$"),
        (
            "def broken(:\n",
            "mine.py:broken",
            r"the strategy .*mine\.py cannot be loaded: SyntaxError: [^\n(]+ \(mine\.py:1\)$",
        ),
        (
            "import nowhere_at_all\n",
            "mine.py:x",
            r"cannot be loaded: ModuleNotFoundError: No module named 'nowhere_at_all' \(mine\.py:1\)$",
        ),
        ("1 / 0\n", "mine.py:x", r"cannot be loaded: ZeroDivisionError: division by zero \(mine\.py:1\)$"),
        (
            "def s(ticks): ticks.pipe()\n",
            "mine.py:s",
            r"mine\.py:s returns nothing: is there a `return` [^\n]+ \(mine\.py:1\)$",
        ),
        (
            "def s(ticks): return 5\n",
            "mine.py:s",
            r"mine\.py:s must return what ticks\.pipe\(\.\.\.\) gives, not a int \(mine\.py:1\)$",
        ),
        ("def s(ticks): return s\n", "mine.py:s", r"mine\.py:s must return .+, not a function \(mine\.py:1\)$"),
        (
            "async def s(ticks): return ticks\n",
            "mine.py:s",
            r"mine\.py:s must return .+, not a coroutine \(mine\.py:1\)$",
        ),
        (
            "def s(): ...\n",
            "mine.py:s",
            r"mine\.py:s cannot be given what it asks for: it must take at least one parameter, the ticks",
        ),
        (
            "def s(t, n): ...\n",
            "mine.py:s",
            r"mine\.py:s cannot be given what it asks for: its parameter 't' is none of .+ \(mine\.py:1\)$",
        ),
        (
            "def s(t): return t.pope()\n",
            "mine.py:s",
            r"mine\.py:s cannot be built: AttributeError: [^\n]+ \(mine\.py:1\)$",
        ),
        ("from reactivex import nowhere\n", "mine.py:s", r"cannot be loaded: ImportError: [^\n]+ \(mine\.py:1\)$"),
        ("\n\nif True\n    x = 1\n", "mine.py:s", r"cannot be loaded: SyntaxError: expected ':' \(mine\.py:3\)$"),
        (
            "from pipeline import operators as op\n\ndef s(ticks):\n    return ticks.pipe(\n        op.momentun(1))\n",
            "mine.py:s",
            r"cannot be built: AttributeError: [^\n]+ \(mine\.py:5\)$",
        ),
        (
            "from pipeline import operators as op\n\ndef s(ticks):\n    return ticks.pipe(\n"
            "        op.window(), op.volume_spike(2), op.bursts())\n",
            "mine.py:s",
            r"mine\.py:s cannot be built: ValueError: [^\n]+: put op\.momentum\(0\.0005\), or [^\n]+ \(mine\.py:4\)$",
        ),
        (
            "from microbot import op\n\ndef s(ticks):\n    return ticks.pipe(op.candle(seconds=1))\n",
            "mine.py:s",
            r"cannot be built: AttributeError: there is no op\.candle: did you mean op\.candles\? \(mine\.py:4\)$",
        ),
        ("def s(t): raise SystemExit(3)\n", "mine.py:s", r"mine\.py:s cannot be built: SystemExit: 3 \(mine\.py:1\)$"),
        (
            "from pipeline.strategy import Strategy\ns = Strategy('x', lambda t: None, lambda h, m: None)\n",
            "mine.py:s",
            r"mine\.py:s returns nothing",
        ),
        (
            "from pipeline.strategy import Strategy\nfrom pipeline import operators as op\n"
            "s = Strategy('x', lambda t: op.bursts()(t), lambda held: None)\n",
            "mine.py:s",
            r"the exits of .*mine\.py:s must take the position and the market, but too many positional",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    content: str | None, reference: str, sentence: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "mine.py").write_text(content)
    with pytest.raises(UserError, match=sentence):
        load(str(tmp_path / reference))


@pytest.mark.parametrize(
    ("exits", "said"),
    [
        ("exits = op.time_stop(20)", r"exits is one exit, op\.time_stop\(20\): write a list, exits = \["),
        (
            "def exits(held, market): return op.stop_loss(0.001)",
            r"exits is a function: .+ or give a function of held and market to Strategy\(",
        ),
        ("exits = {op.time_stop(20)}", r"exits is \{Exit\("),
    ],
)
@pytest.mark.parametrize("made", ["", "from functools import partial\nstrategy = partial(strategy)\n"])
def test_exits_beside_a_function_that_are_no_list_are_refused(exits: str, said: str, made: str, tmp_path: Path) -> None:
    body = "def strategy(ticks): return ticks.pipe(op.window(), op.momentum(0.001), op.bursts())"
    (tmp_path / "mine.py").write_text(f"from microbot import op\n{body}\n{exits}\n{made}")
    with pytest.raises(UserError, match=rf"^the exits beside .*mine\.py:strategy cannot be used: {said}"):
        load(str(tmp_path / "mine.py:strategy"))


def test_exits_are_listed_beside_a_function_that_is_wrapped(tmp_path: Path) -> None:
    body = "def s(ticks, far): return ticks.pipe(op.window(), op.momentum(far), op.bursts())"
    made = "strategy = partial(s, far=0.001)\nexits = [op.time_stop(20)]"
    (tmp_path / "mine.py").write_text(f"from functools import partial\nfrom microbot import op\n{body}\n{made}\n")
    found = load(str(tmp_path / "mine.py:strategy")).exits
    assert isinstance(found, ListedExits)
    assert [each.name for each in found.exits] == ["time_stop(20)"]


READINGS = "op.candles(seconds=1), op.readings(fast=op.ema(9), slow=op.ema(21))"
GOES = 'op.when(op.above("fast", "slow"), go="LONG")'


@pytest.mark.parametrize(
    ("pipe", "exits", "said"),
    [
        (f'{READINGS}, op.when(op.above("fats", "slow"), go="LONG"), op.signals()', "", "op.when asks .+ mean 'fast'"),
        (f'{READINGS}, {GOES}, op.require("rsi", below=70), op.signals()', "", "puts fast, slow on the frames, not"),
        (f'{READINGS}, {GOES}, op.require(op.not_(op.rising("slo"))), op.signals()', "", "require .+ mean 'slow'"),
        (f'{READINGS}, op.when(op.confirm(op.vote(op.crosses_above("x", 1), at_least=1), 2), go="LONG")', "", "'x'"),
        (f'{READINGS}, op.readings(n=op.score((op.above("fst", 1), 1)))', "", "readings: n asks .+ mean 'fast'"),
        (f"{READINGS}, op.readings(fast=op.ema(5)), {GOES}, op.signals()", "", "is a reading fast before it"),
        ('op.when(op.above("fast", 1), go="LONG"), op.signals()', "", r"'fast', and no op\.readings puts it"),
        (f'{READINGS}, op.when(op.above("momentum", 0.1), go="LONG"), op.signals()', "", "momentum, which looks back"),
        (
            f"{READINGS}, {GOES}, op.signals()",
            'op.exit_when(op.below("fats", 1))',
            "an exit of .+ 'fats'.+ mean 'fast'",
        ),
        (f'{READINGS}, {GOES}, op.signals(), op.cool_off(5), op.metric("m", f)', 'op.volatility_stop("atr")', "'atr'"),
        (f'{READINGS}, {GOES[:-1]}, exits=[op.volatility_stop("atr")]), op.signals()', "", "an exit of .+ 'atr'"),
        (f"{READINGS}, {GOES}, op.once_per('a'), op.once_per('b')", "", r"once_per\('b'\) makes signals .+ leave one"),
        (f"{READINGS}, {GOES}, op.signals(), op.bursts()", "", r"op\.bursts\(\) makes signals of frames, and what"),
        (f"{READINGS}, {GOES}, op.bursts(), op.cool_off(5), op.signals()", "", r"op\.signals\(\) makes signals"),
        (
            f"{READINGS}, {GOES}, op.cool_off(5), op.once_per('a')",
            "",
            r"cool_off drops signals, and gets frames, those",
        ),
    ],
)
def test_names_and_an_order_that_cannot_work_are_found_as_it_is_loaded(
    pipe: str, exits: str, said: str, tmp_path: Path
) -> None:
    listed = f"exits = [{exits}]\n" if exits else ""
    body = f"f = float\ndef strategy(ticks): return ticks.pipe({pipe})\n{listed}"
    (tmp_path / "mine.py").write_text(f"from microbot import op\n{body}")
    with pytest.raises(UserError, match=said):
        load(str(tmp_path / "mine.py:strategy"))


@pytest.mark.parametrize(
    "pipe",
    [
        f'op.window(), {READINGS.split(", ", 1)[1]}, op.when(op.above("momentum", "fast"), go="LONG"), op.signals()',
        f'{READINGS}, op.readings(n=op.score((op.above("fast", 1), 1))), op.when(op.above("n", "slow"), go="LONG"), '
        "op.once_per('a'), op.cool_off(5)",
        f'{READINGS}, op.when(op.above("fast", 1), go="LONG", exits=[op.volatility_stop("atr")]), '
        'op.readings(atr=op.atr(14)), op.metric("m", lambda frame: frame["atr"]), op.once_per("a")',
        f'{READINGS}, rx.map(lambda frame: frame), op.when(op.above("any", 1), go="LONG"), op.once_per("a")',
    ],
)
def test_names_that_are_there_or_may_be_are_taken(pipe: str, tmp_path: Path) -> None:
    head = "from microbot import op\nfrom reactivex import operators as rx\n"
    (tmp_path / "mine.py").write_text(f"{head}def strategy(ticks): return ticks.pipe({pipe})\n")
    assert load(str(tmp_path / "mine.py:strategy")).name == "mine:strategy"


def test_a_file_that_is_no_python_is_said(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with pytest.raises(UserError, match=r"^.*notes\.txt is no Python file: name the strategy as FILE\.py:NAME$"):
        load(f"{path}:strategy")


@pytest.mark.parametrize("written", ["def s(ticks, n=3)", "def s(*ticks)", "def s(ticks, *, n=3)"])
def test_further_parameters_with_values_of_their_own_are_taken(written: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"from pipeline import operators as op\n{written}:\n    return op.bursts()(ticks)\n")
    assert load(f"{path}:s").name == "mine:s"


def test_a_folder_is_no_strategy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no strategy file"):
        load(f"{tmp_path}:strategy")


def test_a_file_that_ends_the_program_is_said_in_one_sentence(tmp_path: Path) -> None:
    """As a script does that parses its own command line."""
    path = tmp_path / "script.py"
    path.write_text("raise SystemExit(3)\n")
    with pytest.raises(UserError, match="cannot be loaded: SystemExit"):
        load(f"{path}:strategy")


def test_what_lies_beside_the_strategy_can_be_imported_and_shadows_nothing(tmp_path: Path) -> None:
    (tmp_path / "my_own_sibling.py").write_text("THRESHOLD = 0.5\n")
    (tmp_path / "string.py").write_text("raise RuntimeError('this is not the library')\n")
    (tmp_path / "signal.py").write_text(
        "import string\nfrom my_own_sibling import THRESHOLD\nfrom reactivex import operators as ops\n"
        "def strategy(ticks):\n    return ticks.pipe(ops.filter(lambda tick: THRESHOLD > 1))\n"
    )
    before = sys.path.copy()
    try:
        assert load(f"{tmp_path / 'signal.py'}:strategy").name == "signal:strategy"
        assert set(sys.path) == {*before, str(tmp_path)}
        assert sys.path.index(str(tmp_path)) > sys.path.index(sysconfig.get_path("stdlib"))
    finally:
        sys.path[:] = before
        sys.modules.pop("my_own_sibling", None)
