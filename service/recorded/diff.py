"""The difference of two runs: the first decision that is not the same, what both saw there, and what led to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path

import msgspec

from actors.engine.core import Core, Input
from pipeline.events import Reading
from service.errors import UserError
from service.figures import reading
from service.recorded import decisions, tapes
from service.recorded.decisions import Changes, Decision, Side
from service.recorded.trust import Trust


class Seen(msgspec.Struct, frozen=True):
    """What one side saw when the input had been dealt with."""

    readings: tuple[Reading, ...]
    state: str  # the trading state
    position: str  # in the symbol; empty without one


class LedBy(msgspec.Struct, frozen=True):
    """The input that led to a decision."""

    number: int
    ts: int
    event: Input | None


class Difference(msgspec.Struct, frozen=True):
    """How two runs compare. `a` or `b` is None where that side decided nothing of the kind."""

    equal: bool
    compared: int  # decisions that were the same
    first: str  # names of the two sides
    second: str
    a: Decision | None = None
    b: Decision | None = None
    input: LedBy | None = None
    a_saw: Seen | None = None
    b_saw: Seen | None = None
    ends_at: int = 0  # input with which a recording broke off that the journal has decisions after; else 0


def compare(a: Path, b: Path | None, both: Changes, alone: Changes, trust: Trust) -> Difference:
    """Compare two runs; without `b`, A as recorded with A changed, or with the journal. Raises UserError."""
    if b is None:
        return _with_itself(a, both.and_(alone), trust)
    if (a.is_dir() and both) or (b.is_dir() and both.and_(alone)):
        raise UserError("a folder was decided already: settings and strategies change tapes and recordings only")
    first, second = _side(a, both, trust), _side(b, both.and_(alone), trust)
    if first is not None and second is not None:
        _say_of_feeds(a, b, trust)
        return _explained(first, second, _first(first.decisions(), second.decisions(), str(a), str(b)))
    found = _first(_known(first, a), _known(second, b), str(a), str(b))
    return _explained(first, second, found)


def _say_of_feeds(a: Path, b: Path, trust: Trust) -> None:
    """Tell of two recordings whose volumes cannot be compared: IEX alone has about 2.5 % of what SIP has."""
    feeds = [recorded.data_feed for path in (a, b) if (recorded := tapes.recorded_settings(path)) is not None]
    if len(set(filter(None, feeds))) > 1:
        trust.say(f"{a} is of the feed {feeds[0]}, {b} of {feeds[1]}: their volumes cannot be compared")


def _with_itself(a: Path, changes: Changes, trust: Trust) -> Difference:
    side = _side(a, Changes(), trust)
    if side is None:
        raise UserError(f"{a} is a folder: name another run to compare it with")
    if changes:
        other = Side(a, changes, msgspec.structs.replace(trust, say=lambda _: None))  # the same was said already
        return _explained(side, other, _first(side.decisions(), other.decisions(), str(a), "changed"))
    found = _first(side.decisions(), decisions.journaled(trust.data_dir, a), str(a), "the journal")
    if found.a is None and found.b is not None and found.b.input > side.inputs:
        # A bot that was killed: the last inputs were lost on their way to the recording, which is written behind.
        return msgspec.structs.replace(found, equal=True, b=None, ends_at=side.inputs)
    return _explained(side, None, found)


def _side(path: Path, changes: Changes, trust: Trust) -> Side | None:
    """Return a run that can be decided again; None for a folder."""
    return None if path.is_dir() else Side(path, changes, trust)


def _known(side: Side | None, path: Path) -> Iterator[Decision]:
    """Return what can be compared with a folder."""
    if side is None:
        return decisions.written(path)
    found = (decision for decision in side.decisions() if decision.kind in decisions.WRITTEN)
    return iter(sorted(found, key=decisions.in_time))


def _first(a: Iterator[Decision], b: Iterator[Decision], first: str, second: str) -> Difference:
    compared = 0
    for one, other in zip_longest(a, b):
        if one is None or other is None or one.key != other.key:
            one, other = _earlier(one, other)
            return Difference(False, compared, first, second, one, other)
        compared += 1
    return Difference(True, compared, first, second)


def _earlier(a: Decision | None, b: Decision | None) -> tuple[Decision | None, Decision | None]:
    """Leave out the later of two decisions that have nothing to do with each other."""
    if a is None or b is None or (a.kind, a.ts, a.symbol) == (b.kind, b.ts, b.symbol):
        return a, b
    return (a, None) if (a.ts, a.input or b.input) <= (b.ts, b.input or a.input) else (None, b)


def _explained(a: Side | None, b: Side | None, found: Difference) -> Difference:
    """Decide both sides once more, up to the difference, and look at what they see there."""
    decision = found.a or found.b
    if decision is None:
        return found
    number = (found.a.input if found.a is not None else 0) or (found.b.input if found.b is not None else 0)
    own, other = (a, b) if found.a is not None and found.a.input else (b, a)
    if own is None:  # only a folder, or the journal, tells of it
        own, other = other, None
    if own is None:
        return found
    core, event = own.at(number) if number else own.at_time(decision.ts)
    led = LedBy(core.input, getattr(event, "ts", 0) or core.now, event)
    seen: dict[int, Seen] = {id(own): _seen(core, decision.symbol)}
    if other is not None:
        there, same = other.at(core.input)
        if same != event:  # the two were not fed the same
            there, _ = other.at_time(decision.ts)
        seen[id(other)] = _seen(there, decision.symbol)
    return msgspec.structs.replace(found, input=led, a_saw=seen.get(id(a)), b_saw=seen.get(id(b)))


def _seen(core: Core, symbol: str) -> Seen:
    context = core.contexts.get(symbol)
    frame = context.probe.frame if context is not None else None
    held = core.positions.open.get(symbol)
    position = f"{held.side} {held.quantity:f} @ {held.entry_price:f}" if held is not None else ""
    return Seen(frame.readings if frame is not None else (), str(core.risk.state), position)


# ---------------------------------------------------------------------------------------------------- telling


def as_json(found: Difference) -> str:
    """Return it as one JSON object."""
    told = msgspec.to_builtins(found)
    if not found.ends_at:
        del told["ends_at"]  # of a recording that did not break off, it says nothing
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode()


def for_people(found: Difference) -> Iterator[str]:
    """Say it in a few lines."""
    yield f"A: {found.first}"
    yield f"B: {found.second}"
    if found.equal:
        yield f"no difference: {found.compared:,} decisions are the same"
        if found.ends_at:
            yield f"the recording breaks off with input {found.ends_at:,}: the journal is compared as far as that"
        return
    decision = found.a or found.b
    assert decision is not None
    same = f"the first {found.compared:,} decisions are the same; the next differs"
    yield f"{same if found.compared else 'the first decision differs'}: {_name(decision)}"
    for side, said in (("A", found.a), ("B", found.b)):
        yield f"  {side}: {_said(said, found.b if side == 'A' else found.a)}"
    if found.input is not None:
        event = msgspec.json.encode(found.input.event).decode()
        yield f"input {found.input.number:,} at {_time(found.input.ts)}: {event}"
    yield from _saw(found)


def _name(decision: Decision) -> str:
    return f"{decision.kind.upper()} {decision.symbol} at {_time(decision.ts)}".replace("  ", " ")


def _said(decision: Decision | None, other: Decision | None) -> str:
    if decision is None:
        return "nothing"
    differs = [name for name, value in decision.what.items() if other is not None and other.what.get(name) != value]
    words = [f"{name} {value}" for name, value in decision.what.items() if value is not None and value != ""]
    return ", ".join(words) + (f"   (differs in {', '.join(differs)})" if differs else "")


def _saw(found: Difference) -> Iterator[str]:
    for side, seen in (("A", found.a_saw), ("B", found.b_saw)):
        if seen is not None:
            held = f", holding {seen.position}" if seen.position else ""
            yield f"  {side} saw ({seen.state}{held}):"
            for one in seen.readings:
                yield f"    {reading(**msgspec.structs.asdict(one))}"


def _time(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts // 10**9, UTC):%Y-%m-%d %H:%M:%S}.{ts % 10**9:09d} UTC"
