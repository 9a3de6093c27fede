"""Chance: what goes wrong and when, drawn from a seed, each occurrence numbered so that it can be left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

import msgspec


class Occurrence(msgspec.Struct, frozen=True):
    """A fault that happened."""

    at: int  # venue time, ns
    kind: str
    number: int  # among those of its kind
    words: str

    @property
    def key(self) -> str:
        """What a mask calls it."""
        return f"{self.kind}:{self.number}"


class Chance:
    """Decides whether a fault occurs.

    Each kind has a stream of its own, and each occurrence the randomness that it needs: leaving one out (`only` names
    those that may happen, by key) changes no other. `now` gives venue time in ns, for the record.
    """

    def __init__(self, seed: int, now: Callable[[], int], only: Iterable[str] | None = None) -> None:
        self.occurred: list[Occurrence] = []
        self._seed = seed
        self._now = now
        self._only = None if only is None else frozenset(only)
        self._streams: dict[str, Random] = {}
        self._counts: dict[str, int] = {}
        self._calm = False

    def calm(self) -> None:
        """From now on nothing goes wrong."""
        self._calm = True

    def stream(self, name: str) -> Random:
        """Return the generator of that name, made of the seed."""
        found = self._streams.get(name)
        if found is None:
            found = self._streams[name] = Random(f"{self._seed}/{name}")
        return found

    def occurs(self, kind: str, probability: float, words: str) -> Random | None:
        """Return the randomness of a fault if it occurs now, None if it does not."""
        if probability <= 0 or self._calm or self.stream(kind).random() >= probability:
            return None
        number = self._counts[kind] = self._counts.get(kind, 0) + 1
        occurrence = Occurrence(self._now(), kind, number, words)
        if self._only is not None and occurrence.key not in self._only:
            return None
        self.occurred.append(occurrence)
        return Random(f"{self._seed}/{occurrence.key}")

    def detail(self, words: str) -> None:
        """Say more of the fault that occurred last."""
        last = self.occurred[-1]
        self.occurred[-1] = msgspec.structs.replace(last, words=f"{last.words}: {words}")


def written(keys: Iterable[str]) -> str:
    """Write a mask as one word: kind:number+number,kind:number; `-` is that nothing may happen."""
    numbers: dict[str, list[int]] = {}
    for key in keys:
        kind, _, number = key.partition(":")
        numbers.setdefault(kind, []).append(int(number))
    parts = (f"{kind}:{'+'.join(map(str, sorted(numbers[kind])))}" for kind in sorted(numbers))
    return ",".join(parts) or "-"


def read(mask: str) -> frozenset[str]:
    """Read what `written` wrote. Raises ValueError."""
    keys: set[str] = set()
    for part in mask.split(",") if mask != "-" else ():
        kind, colon, numbers = part.partition(":")
        if not kind or not colon:
            raise ValueError(f"{part!r} is no kind:number+number")
        keys |= {f"{kind}:{int(number)}" for number in numbers.split("+")}
    return frozenset(keys)
