"""What changed between two states of the same JSON data, as a patch that a browser merges into its copy.

A patch of an object has up to three parts: `=` holds the members to set as they are, `+` patches of members that are
objects or lists themselves, `-` the names of members that are gone. A list of unchanged length is patched like an
object whose names are its indices; any other list is set as a whole. `merge` in `web/static/store.js` is the other end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MOST_DEPTH = 8
"""Levels that are compared; what differs further down is set as a whole."""

Patch = dict[str, Any]


def difference(old: dict[str, Any], new: dict[str, Any], depth: int = MOST_DEPTH) -> Patch:
    """Return what turns `old` into `new`; empty if they are equal.

    >>> difference({"a": 1, "b": {"c": 1, "d": 2}, "e": 0}, {"a": 2, "b": {"c": 1, "d": 3}})
    {'=': {'a': 2}, '+': {'b': {'=': {'d': 3}}}, '-': ['e']}
    """
    return _patch(old, new, depth, [name for name in old if name not in new])


def _patch(old: Any, new: Any, depth: int, gone: list[str]) -> Patch:
    names: Iterable[Any] = new if isinstance(new, dict) else range(len(new))
    values: dict[str, Any] = {}
    patches: dict[str, Patch] = {}
    for name in names:
        now = new[name]
        if isinstance(old, dict) and name not in old:
            values[name] = now
        elif (patch := _of_member(old[name], now, depth - 1)) is None:
            values[str(name)] = now
        elif patch:
            patches[str(name)] = patch
    parts = {"=": values, "+": patches, "-": gone}
    return {part: told for part, told in parts.items() if told}


def _of_member(was: Any, now: Any, depth: int) -> Patch | None:
    """Return the patch of a member, empty if it is as it was; None if it has to be set as a whole."""
    if was is now:
        return {}
    if depth > 0 and isinstance(was, dict) and isinstance(now, dict):
        return difference(was, now, depth)
    if depth > 0 and isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        patch = _patch(was, now, depth, [])
        return patch if 2 * len(patch.get("=", ())) <= len(now) else None
    if type(was) is not type(now):
        return None
    return {} if was == now or (was != was and now != now) else None  # a NaN is equal to nothing, itself included
