"""Taking a strategy that a user wrote: named as FILE.py:NAME, installed with a package, or made in Python."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec
from reactivex import Observable

from actors.engine.authors import described, place_of
from actors.messages import StrategySource
from pipeline.checked import WrongValue, shown, text
from pipeline.clock import InputClock, SymbolClock
from pipeline.events import Signal
from pipeline.exits import ListedExits
from pipeline.exits.exit import Exit
from pipeline.operators.framing import check_asked
from pipeline.operators.lift import Source, asked_by_exits, given_by
from pipeline.parameters import Parameters
from pipeline.strategy import (
    EXIT_KEYS,
    Entries,
    Exits,
    Strategies,
    Strategy,
    StrategySettings,
    Streams,
    asked_for,
    default_exits,
    momentum_burst,
)
from service import strategy_files
from service.errors import UserError
from service.settings import Settings, no_strategy_setting
from service.strategy_source import executed, paths, split

Wanted = Strategy | Entries | StrategySource | str | None
"""A strategy as it is asked for: FILE.py:NAME or an installed name, its source, one made in Python; None: default."""


def chosen(wanted: Wanted, settings: Settings) -> Strategy:
    """Return the default strategy, one that is named or whose source is given, or one that was made in Python.

    Whichever way it came, it is checked alike, for settings that it reads. Raises UserError also for a key of
    [strategy] that was chosen and that it does not read: it would do nothing. What a recording carries along is not
    refused.
    """
    if wanted is None or isinstance(wanted, str):
        strategy, called = load(wanted, settings.strategy), str(wanted)
    elif isinstance(wanted, StrategySource):
        strategy, called = load_source(wanted, settings.strategy), wanted.reference
    else:
        called = str(getattr(wanted, "__name__", None) or getattr(wanted, "name", None) or "strategy=")
        strategy = checked(wanted, called, called, settings.strategy, Parameters(settings.strategy.parameters))
    if wanted is None:
        _check_read(strategy, None, settings.chosen_in("strategy"))
    else:
        _check_read(strategy, called, settings.chosen_in("strategy"))
    return strategy


def lineup(wanted: Wanted, settings: Settings) -> Strategies:
    """Return the strategies of [strategies.NAME], and beside them the `chosen` one for all other symbols.

    Raises UserError as `chosen` does, with the section.
    """
    named = {name: named_one(name, settings) for name in settings.strategies}
    return Strategies(chosen(wanted, settings), named)


def named_one(name: str, settings: Settings) -> Strategy:
    """Return the strategy of [strategies.NAME]. Raises UserError as `lineup` does."""
    use = settings.strategies[name]
    try:
        strategy = load(use.file or None, use)
        if clashing := strategy.parameters.declared.keys() & set(_OF_USE):
            raise UserError(f"it declares the parameter {min(clashing)!r}, a setting of ours: name it otherwise")
        set_in = settings.chosen_in(f"strategies.{name}")
        mine = {key: origin for key, origin in set_in.items() if key not in _OF_USE}
        _check_read(strategy, use.file or None, mine, f"strategies.{name}")
    except UserError as error:
        raise UserError(f"strategies.{name}: {error}") from error
    return strategy


def one(reference: str, settings: Settings) -> tuple[Strategy, Settings]:
    """Return a strategy alone, with the settings that it has: that of [strategies.NAME] by its name, or any other.

    Positions are of its share of `risk.position_size`. Raises UserError as `lineup` does.
    """
    if reference in settings.strategies:
        strategy, values = named_one(reference, settings), settings.strategies[reference]
        size = Decimal(str(settings.risk.position_size)) * Decimal(str(values.share))
        amount = settings.risk.size_amount
        part = None if amount is None else float(Decimal(str(amount)) * Decimal(str(values.share)))
        risk = msgspec.structs.replace(settings.risk, position_size=float(size), size_amount=part)
        return strategy, msgspec.structs.replace(settings, strategy=values, strategies={}, risk=risk)
    return chosen(reference, settings), msgspec.structs.replace(settings, strategies={})


_OF_USE = ("file", "symbols", "share")


def _check_read(strategy: Strategy, called: str | None, set_in: Mapping[str, str], section: str = "strategy") -> None:
    """Raise UserError for a key that was set, and that the strategy does not read; `called` None: the default one."""
    reads = sorted((*strategy.reads, *strategy.parameters.declared))
    ignored = [key for key in set_in if key not in reads and key != "parameters"]
    if ignored and called is None:
        raise no_strategy_setting(ignored[0], set_in[ignored[0]], section)
    if ignored:
        named = ", ".join(f"{section}.{key} ({set_in[key]})" for key in ignored)
        known = f"only {', '.join(reads)}" if reads else f"none of [{section}]"
        raise UserError(f"{called} does not read {named}: it reads {known}; leave it out, or set it in the strategy")


def load(reference: str | None, settings: StrategySettings) -> Strategy:
    """Return the default strategy, or the one that FILE.py:NAME or an installed package's name says, as `checked` does.

    The file may import others beside it. Raises UserError with the place of the fault if the file cannot be loaded or
    the strategy cannot be built.
    """
    if reference is None:
        return momentum_burst(settings)
    found = strategy_files.find(reference)
    parameters = Parameters(settings.parameters)
    with _said_of(found.file), parameters.in_force():
        module = found.load()
    made = found.taken_from(module)
    strategy = checked(made, f"{found.file}:{found.attribute}", found.name, settings, parameters)
    files = tuple(map(str, found.files()))  # once it was built: that may import more
    return msgspec.structs.replace(strategy, reference=found.reference, files=files)


def load_source(source: StrategySource, settings: StrategySettings) -> Strategy:
    """Return the strategy that a source is of, whatever its files hold by now, as `load` does. Raises UserError."""
    file, attribute = split(source.reference)
    parameters = Parameters(settings.parameters)
    with _said_of(file), parameters.in_force():
        module = executed(source)
    made = strategy_files.taken_from(module, file, attribute)
    strategy = checked(made, f"{file}:{attribute}", f"{Path(file).stem}:{attribute}", settings, parameters)
    files = tuple(map(str, paths(source)))
    return msgspec.structs.replace(strategy, reference=f"{file}:{attribute}", files=files)


@contextmanager
def _said_of(file: str) -> Iterator[None]:
    """Raise what a file raises, which is the author's to see, as a UserError of one sentence."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f"the strategy {file} cannot be loaded: {described(error)}") from error


def checked(made: object, place: str, name: str, settings: StrategySettings, parameters: Parameters) -> Strategy:
    """Return as a strategy what an author made: a `Strategy`, or a function from ticks to signals.

    A function gets `name`, and the exits that are listed beside it (`exits = [...]`), else the default ones. It is
    built once for trial, with its parameters, so that what is wrong with it is found now and not at the first tick.
    Raises UserError, naming `place`, if it cannot be built.
    """
    if isinstance(made, Strategy):
        try:
            text(f"the name of the strategy {place} is", made.name)
        except WrongValue as error:
            raise UserError(str(error)) from None
        _check_takes(made.exits, 2, f"the exits of {place} must take the position and the market")
        strategy = msgspec.structs.replace(made, parameters=parameters)
    elif callable(made):
        listed = _listed_beside(made, place)
        strategy = Strategy(
            name, made, listed or default_exits(settings), frozenset() if listed else EXIT_KEYS, parameters
        )
    else:
        raise UserError(f"{place} is a {type(made).__name__}: it must be a function of ticks, or a Strategy")
    _try_out(strategy, place)
    if clashing := [key for key in parameters.declared if key in StrategySettings.__struct_fields__]:
        raise UserError(f"{place} declares the parameter {clashing[0]!r}, a setting of ours: name it otherwise")
    return strategy


def _check_exits_ask(strategy: Strategy, signals: Observable[Signal], place: str) -> None:
    """Raise UserError for exits that ask for a reading which the strategy's frames do not have."""
    asked = getattr(strategy.exits, "asks", frozenset()) | asked_by_exits(signals)
    try:
        check_asked(f"an exit of {place}", asked, signals)
    except WrongValue as error:
        raise UserError(str(error)) from None


def _listed_beside(made: Callable[..., object], place: str) -> ListedExits | None:
    """Return the exits that are listed beside a function; None where there are none. Raises UserError."""
    function = inspect.unwrap(made.func if isinstance(made, partial) else made)
    own = getattr(function, "__globals__", {}).get("exits")
    if own is None or inspect.ismodule(own):
        return None
    try:
        if isinstance(own, list | tuple):
            return ListedExits(own)
    except (TypeError, ValueError) as error:
        raise UserError(f"the exits beside {place} cannot be used: {error}") from None
    raise UserError(
        f"the exits beside {place} cannot be used: exits is {_kind_of(own)}: write a list, "
        "exits = [op.stop_loss(0.001)], or give a function of held and market to Strategy(NAME, ENTRIES, EXITS)"
    )


def _kind_of(own: object) -> str:
    if isinstance(own, Exit):
        return f"one exit, op.{own.name}"
    return "a function" if inspect.isfunction(own) else shown(own)


def _check_takes(made: Entries | Exits, count: int, said: str) -> str:
    """Check that a function takes so many parameters, and return where it begins, in parentheses. Raises UserError."""
    begins = place_of(made)
    at = f" ({begins})" if begins else ""
    try:
        inspect.signature(made).bind(*[None] * count)
    except TypeError as error:
        raise UserError(f"{said}, but {error}{at}") from None
    except ValueError:
        pass  # a callable without a signature: calling it will tell
    return at


def _try_out(strategy: Strategy, place: str) -> None:
    """Build what the core will build when a symbol's first tick comes. Raises UserError if that fails."""
    begins = place_of(strategy.entries)
    at = f" ({begins})" if begins else ""
    try:
        asked_for(strategy.entries)
    except TypeError as error:
        raise UserError(f"{place} cannot be given what it asks for: {error}{at}") from None
    clock = SymbolClock(InputClock())

    def streams(_: str = "") -> Streams:
        return Streams(Source(), Source(), clock, streams)

    try:
        signals: object = strategy.signals(streams())
    except (Exception, SystemExit) as error:  # whatever it raises is the author's to see, in one sentence
        raise UserError(f"the strategy {place} cannot be built: {described(error)}") from error
    if isinstance(signals, Observable):
        if given := given_by(signals):
            ends = "op.bursts() (a signal a burst), op.once_per(...) or op.signals() (at each tick that meets all)"
            raise UserError(
                f"the strategy {place} must end in signals, and ends in {given}: end its pipe with {ends}{at}"
            )
        _check_exits_ask(strategy, signals, place)
        return
    if signals is None:
        raise UserError(f"the strategy {place} returns nothing: is there a `return` before ticks.pipe(...)?{at}")
    if inspect.iscoroutine(signals):
        signals.close()
    raise UserError(f"the strategy {place} must return what ticks.pipe(...) gives, not a {type(signals).__name__}{at}")
