"""What a subscription remembers: the containers that its operators hold, found by walking their closures."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from actors.engine.authors import is_authors, place_of

CONTAINERS = (list, dict, set, deque, bytearray)
_MOST = 200_000  # objects looked at
_OUTSIDE = ("actors.", "service.", "simulation.", "pipeline.clock")  # what is ours alone, and no operator's memory


class Held(NamedTuple):
    """A container, and how it is called where: `prices in make (mine.py:12)`."""

    container: Any
    where: str
    authors: bool


def containers(root: object) -> dict[int, Held]:
    """Return every container that can be reached from an object, by its identity, with the function that holds it."""
    found: dict[int, Held] = {}
    seen: set[int] = set()
    waiting: deque[tuple[Any, str, bool]] = deque([(root, "", False)])
    while waiting and len(seen) < _MOST:
        value, where, authors = waiting.popleft()
        if id(value) in seen or isinstance(value, ModuleType | type | str | bytes | int | float | None):
            continue
        seen.add(id(value))
        if isinstance(value, CONTAINERS):
            found[id(value)] = Held(value, where, authors)
        waiting.extend(_inside(value, where, authors))
    return found


def _inside(value: Any, where: str, authors: bool) -> Iterator[tuple[Any, str, bool]]:
    if isinstance(value, FunctionType):
        code = value.__code__
        own = is_authors(code.co_filename)
        place = place_of(value)
        for name, cell in zip(code.co_freevars, value.__closure__ or (), strict=False):
            try:
                yield cell.cell_contents, f"{name} in {code.co_name}{f' ({place})' if place else ''}", own
            except ValueError:
                continue  # a name that has no value yet
        if own:
            for name in code.co_names:
                outer = value.__globals__.get(name)
                if isinstance(outer, CONTAINERS):
                    yield outer, f"the global {name} in {code.co_name} ({place})", True
            for default in value.__defaults__ or ():
                yield default, f"a default of {code.co_name} ({place})", True
    elif isinstance(value, MethodType):
        yield value.__self__, where, authors
        yield value.__func__, where, authors
    elif isinstance(value, partial):
        yield from ((part, where, authors) for part in (value.func, *value.args))
    elif isinstance(value, dict):
        yield from ((part, where, authors) for part in list(value.values())[:1_000])
    elif isinstance(value, list | set | deque | tuple):
        yield from ((part, where, authors) for part in list(value)[:1_000])
    elif not type(value).__module__.startswith(_OUTSIDE):
        kind = type(value)
        names = [name for base in kind.__mro__ for name in getattr(base, "__slots__", ())]
        for name in (*getattr(value, "__dict__", {}), *names):
            if (part := getattr(value, name, None)) is not None:
                own = authors or is_authors(getattr(kind.__init__, "__code__", _nowhere).co_filename)
                yield part, f"{name} of {kind.__name__}", own


_nowhere = containers.__code__
