"""Marbles with prices: a stream as a line of text, a column a moment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from math import isclose
from typing import Any, NamedTuple

from msgspec.structs import replace
from reactivex import Observable, operators as rx

from actors.engine.core import Input
from microbot.backtesting import Backtest, SettingsGiven, StrategyFailed, backtest
from microbot.testing.tapes import START, Tape
from pipeline.clock import SymbolClock
from pipeline.events import SECOND, Clock, Quote, Signal, Trade
from pipeline.strategy import Streams, asked_for
from service.errors import UserError

_UNITS = {"ms": 1e-3, "s": 1.0, "min": 60.0}


class Said(NamedTuple):
    """What a stream said, and when: seconds from the tape's start."""

    seconds: float
    value: Any


class _Drawn(NamedTuple):
    """A picture, read: each marble's column and letter, and the column of `|`, None without one."""

    marbles: list[tuple[int, str]]
    end: int | None
    columns: int


def marbles(
    picture: str,
    *,
    each: str | float = "1s",
    symbol: str = "AAPL",
    size: float = 100.0,
    start: int = START,
    **values: Any,
) -> Tape:
    """Return the tape that a picture shows: a column is `each`, a letter what happens then.

        marbles("--a-b--|", a=100.0, b=100.2, each="1s")

    A number is a `Trade` at that price, a pair a `Quote` (bid, ask), an event is itself, with its time. `-` is nothing,
    `(ab)` happens at the time of the bracket and takes its four columns, `|` is where the tape ends: until there the
    clock goes on. Spaces count for nothing.

    Args:
        picture: The marbles.
        each: A column: "250ms", "1s", "2min", or seconds.
        symbol: Whose trades and quotes these are.
        size: Shares of a trade.
        start: The first column, in ns since 1970, UTC.
        values: What each letter is.

    Raises:
        UserError: For a picture that cannot be read, and for a letter without a value.
    """
    drawn, column = _read(picture), _span(each)
    events: list[Input] = [Clock(start)]
    for place, letter in drawn.marbles:
        events.append(_event(letter, _named(letter, values), start + place * column, symbol, size))
    if drawn.end is not None:
        events.append(Clock(start + drawn.end * column))
    prices = [event.price for event in events if isinstance(event, Trade)]
    now = max(getattr(event, "ts", start) for event in events)
    price = prices[-1] if prices else 100.0
    return Tape(symbol=symbol, start=start, now=now, price=price, every=column, size=size, events=tuple(events))


def said(
    stream: Callable[..., Observable[Any]], tape: Iterable[Input], *, settings: SettingsGiven | None = None
) -> list[Said]:
    """Return what a stream says on a tape: of an operator, of a pipe, of a strategy's function.

    It hears what a strategy hears, in the bot's own core: the ticks, or what its parameters ask for by name (`ticks`,
    `quotes`, `clock`, `market`). On a tape of several symbols it is that of the first.

    Raises:
        StrategyFailed: If it raises.
        UserError: For a tape or a stream that cannot be used.
    """
    __tracebackhide__ = True
    events = tuple(tape)
    return _listened(stream, events, _start(tape, events), settings)[0]


def assert_marbles(
    stream: Callable[..., Observable[Any]],
    tape: Iterable[Input],
    says: str,
    *,
    each: str | float = "1s",
    show: Callable[[Any], Any] = lambda value: value,
    settings: SettingsGiven | None = None,
    **values: Any,
) -> None:
    """Assert that a stream says on a tape what a picture shows, each in its column.

        heard = marbles("a-b-c-|", a=100.0, b=100.1, c=100.2)
        assert_marbles(op.candles(seconds=2), heard, "--x-y-z", show=lambda c: c.close, x=100.0, y=100.1, z=100.2)

    Args:
        stream: As of `said`.
        tape: What it hears: of `marbles`, of `tape`, or events.
        says: The picture of what it says. A `|` says that it ends there; without one, its end is not looked at.
        each: A column, as of `marbles`.
        show: What is compared of each value, such as `lambda frame: frame["rsi"]`. A signal is compared by its side.
        settings: As of `backtest`.
        values: What each letter is. Numbers are compared to float noise.

    Raises:
        AssertionError: With the picture of what came instead.
        StrategyFailed: If the stream raises.
    """
    __tracebackhide__ = True
    drawn, column = _read(says), _span(each)
    wanted = [(place, letter, _named(letter, values)) for place, letter in drawn.marbles]
    events = tuple(tape)
    start = _start(tape, events)
    found, end = _listened(stream, events, start, settings)
    came = [(_nanoseconds(at) // column, show(value)) for at, value in found]
    ended = None if end is None else (end - start) // column
    in_time = drawn.end in (None, ended) and [place for place, _ in came] == [place for place, _, _ in wanted]
    if in_time and all(_equal(value, want) for (_, value), (_, _, want) in zip(came, wanted, strict=True)):
        return
    trades = [((event.ts - start) // column, "o") for event in events if isinstance(event, Trade)]
    letters = [next((letter for _, letter, want in wanted if _equal(value, want)), "?") for _, value in came]
    drawn_came = [(place, letter) for (place, _), letter in zip(came, letters, strict=True)]
    width = max([drawn.columns, *(place + 1 for place, _ in (*trades, *came))])
    rows = [
        "the stream says something else:",
        f"  trades    {draw(trades, width)}",
        f"  expected  {draw(drawn.marbles, width, drawn.end)}",
        f"  came      {draw(drawn_came, width, ended)}",
        *(f"  expected {letter} at {place * column / SECOND:g} s: {want!r}" for place, letter, want in wanted),
        *(f"  came {n} at {at:g} s: {value!r}" for n, (at, _), (_, value) in zip(letters, found, came, strict=True)),
    ]
    raise AssertionError("\n".join(rows))


def draw(found: Iterable[tuple[int, str]], width: int, end: int | None = None) -> str:
    """Draw letters in their columns; `+` is more than one in a column."""
    line = ["-"] * width
    for place, letter in found:
        line[place] = letter if line[place] == "-" else "+"
    if end is not None:
        line[end:] = ["|" if end >= width or line[end] == "-" else "+"]
    return "".join(line)


def decide(tape: Any, **options: Any) -> Backtest:
    """Decide as `backtest` does; what it raises shows the lines of the author that failed, and none of ours."""
    __tracebackhide__ = True
    try:
        return backtest(tape, **options)
    except UserError as error:
        if isinstance(error, StrategyFailed):
            error.add_note("\n".join(error.traceback))
        raise error.with_traceback(None) from None


# ------------------------------------------------------------------------------------------------ inside


def _listened(
    stream: Callable[..., Observable[Any]], events: Sequence[Input], start: int, settings: SettingsGiven | None
) -> tuple[list[Said], int | None]:
    """Return what a stream said, and the time at which it ended (ns)."""
    __tracebackhide__ = True
    heard: list[Said] = []
    ends: list[int] = []

    def listening(ticks: Any, quotes: Any, clock: SymbolClock, market: Any) -> Observable[Any]:
        streams = Streams(ticks, quotes, clock, market)
        spoken = stream(*(getattr(streams, name) for name in asked_for(stream)))
        if not isinstance(spoken, Observable):
            raise TypeError(f"it must return what ticks.pipe(...) gives, not a {type(spoken).__name__}")

        def note(value: Any) -> None:
            if clock.symbol_index == 0:
                heard.append(Said((clock.clock.now - start) / SECOND, value))

        def end() -> None:
            if clock.symbol_index == 0:
                ends.append(clock.clock.now)

        return spoken.pipe(rx.do_action(note, on_completed=end), rx.ignore_elements())

    decide(events, strategy=listening, settings=settings)
    return heard, ends[0] if ends else None


def _read(picture: str) -> _Drawn:
    found: list[tuple[int, str]] = []
    group: int | None = None
    end: int | None = None
    text = picture.replace(" ", "")
    for column, mark in enumerate(text):
        if end is not None and (mark, group) != (")", end):
            raise UserError(f"the marbles {picture!r} go on after their end, |")
        if mark == "(" and group is None:
            group = column
        elif mark == ")" and group is not None:
            group = None
        elif mark == "|":
            end = column if group is None else group
        elif mark.isalnum():
            found.append((column if group is None else group, mark))
        elif mark != "-" or group is not None:
            raise UserError(
                f"the marbles {picture!r} have {mark!r} in column {column}: they are letters, -, (ab) and |"
            )
    if group is not None:
        raise UserError(f"the marbles {picture!r} have a ( without its )")
    return _Drawn(found, end, len(text))


def _named(letter: str, values: dict[str, Any]) -> Any:
    if letter not in values:
        raise UserError(f"the marble {letter!r} has no value: give it one, as in {letter}=100.0")
    return values[letter]


def _event(letter: str, value: Any, ts: int, symbol: str, size: float) -> Input:
    if hasattr(value, "ts"):
        return replace(value, ts=ts)  # type: ignore[no-any-return]
    if isinstance(value, tuple | list) and len(value) == 2:
        return Quote(symbol, ts, float(value[0]), float(value[1]))
    try:
        return Trade(symbol, ts, float(value), size)
    except (TypeError, ValueError):
        raise UserError(f"the marble {letter!r} is {value!r}: it must be a price, (bid, ask), or an event") from None


def _span(each: str | float) -> int:
    """Return a column's length in ns. Raises UserError for what is none."""
    found = re.fullmatch(r"\s*(\d*\.?\d+)\s*(ms|s|min)?\s*", str(each))
    length = round(float(found[1]) * _UNITS[found[2] or "s"] * SECOND) if found else 0
    if length <= 0:
        raise UserError(f"each={each!r} is no time: say it as in '250ms', '1s' or '2min', or in seconds")
    return length


def _start(tape: Iterable[Input], events: Sequence[Input]) -> int:
    """Return where second 0 is (ns): of plain events, at the first."""
    return tape.start if isinstance(tape, Tape) else next((e.ts for e in events if hasattr(e, "ts")), START)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * SECOND)


def _equal(value: Any, wanted: Any) -> bool:
    if isinstance(value, Signal):
        return bool(value.side == wanted)
    if isinstance(value, float | int) and isinstance(wanted, float | int):
        return isclose(value, wanted, rel_tol=1e-9, abs_tol=1e-12)
    return bool(value == wanted)
