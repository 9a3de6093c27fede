"""Refusals explained: why the feed's input was not taken, with an example, a few times and not each time."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from loguru import logger

from pipeline.admission import IMPLAUSIBLE_TIME, NOT_SUBSCRIBED, PRICE_COLLAR, TOO_MANY_SYMBOLS
from pipeline.venues.dialect import Unread
from pipeline.venues.units import other_unit

_KINDS = 200  # reasons and symbols that are counted apart; all further ones are counted together
_LONGEST = 300  # characters of an example, and of what a venue says

_log = logger.bind(logger="microbot.feed")

_RULES = {
    IMPLAUSIBLE_TIME: ", see admission.max_skew_s",
    PRICE_COLLAR: ", see admission.price_collar",
    NOT_SUBSCRIBED: ", see --symbols",
    TOO_MANY_SYMBOLS: ", see admission.max_symbols",
}


class Tally:
    """Counts, and says which counts are worth a word: the 1st, 10th, 100th, 1000th ... of a kind."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}

    def count(self, reason: str, subject: str, by: int = 1) -> int:
        """Count some; return how many there were if that is worth a word, else 0."""
        kind = (reason, subject[:_LONGEST])
        if kind not in self._counts and len(self._counts) >= _KINDS:
            kind = ("", "")
        before = self._counts.get(kind, 0)
        count = self._counts[kind] = before + by
        # Worth a word is the 1st, and where the count gets to one more digit.
        return count if len(str(count)) > len(str(before)) or not before else 0


class Refusals:
    """Logs what was refused and what the venue complains of. Called only where there is something of the kind."""

    def __init__(self) -> None:
        self._refused = Tally()
        self._said = Tally()

    def unread(self, refused: Iterable[Unread]) -> None:
        """Take what the dialect could not read, or admission did not let in."""
        for reason, symbol, example, times in refused:
            if count := self._refused.count(reason, symbol, times):
                _explain(reason, symbol, example, count)

    def complaint(self, name: str, said: str) -> None:
        """Take what a venue calls an error."""
        if count := self._said.count("", said):
            bound = _log.bind(event="feed.error", said=said[:_LONGEST], count=count)
            bound.warning(f"{name} says{_times(count)}: {said[:_LONGEST]}")


def _explain(reason: str, symbol: str, example: bytes | msgspec.Struct, count: int) -> None:
    data = example if isinstance(example, bytes) else msgspec.json.encode(example)
    text = data[: _LONGEST * 4].decode(errors="backslashreplace")[:_LONGEST]
    bound = _log.bind(event="feed.refused", reason=reason, symbol=symbol, count=count, example=text)
    if unit := reason == IMPLAUSIBLE_TIME and other_unit(getattr(example, "ts", 0)):
        bound.bind(unit=unit).warning(
            f"refused{_times(count)} (its time is in {unit}, and must be in nanoseconds): {text}"
        )
    else:
        bound.info(f"refused{_times(count)} ({reason}{_RULES.get(reason, '')}): {text}")


def _times(count: int) -> str:
    return "" if count == 1 else f", {count:,} times by now"
