"""external: what a program outside says of the symbol, and how old that is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactivex.disposable import Disposable

from pipeline.checked import number, positive, text
from pipeline.events import SECOND, ExternalSignal
from pipeline.externals import Externals
from pipeline.operators.indicator import Begin, Indicator, Measure

LONGEST_S = 86_400.0
"""Seconds that what is said may count as fresh; the age of what was never said."""


def external(name: str, *, within: float = 10.0, otherwise: float = 0.0) -> Indicator:
    """Return what was said last of the symbol under a name: 1 for LONG, -1 for SHORT, or the number that was sent.

    ```
    said       ------L----------
    ticks      --t-----t-----t--
               readings(desk=external("desk", within=2))
    desk       --0-----1-----0--   the last tick comes more than 2 s after it was said
    ```

    It comes by `POST /signals`, is an input like every other, and is looked at with each item of the pipe. It holds for
    `within` seconds after it came, a day at most, and no longer than it says itself (`good_for`); before and after,
    the value is `otherwise`. What is said later under the name takes its place. O(1): 0.3 us an item.

    Raises WrongValue for a `within` that is not above 0.

    >>> desk = external("desk", within=5)
    """
    fresh_ns = round(positive("op.external: within is", within, most=LONGEST_S) * SECOND)
    else_value = number("op.external: otherwise is", otherwise)
    return _of(
        name,
        fresh_ns,
        f"external {name!r}",
        lambda signal, _: signal.value if signal is not None else else_value,
        fresh=True,
    )


def external_age(name: str) -> Indicator:
    """Return the seconds since something was last said of the symbol under a name: a day at most, and before the first.

    O(1): 0.3 us an item.
    """

    def age(signal: ExternalSignal | None, now: int) -> float:
        return LONGEST_S if signal is None else min((now - signal.ts) / SECOND, LONGEST_S)

    return _of(name, 0, f"age of external {name!r}", age, fresh=False)


def _of(
    name: str, within: int, called: str, value_of: Callable[[ExternalSignal | None, int], float], *, fresh: bool
) -> Indicator:
    name = text("op.external: the name is", name)

    def begin(start: Begin) -> Measure:
        externals, now = Externals.of(start.scheduler)
        listener = externals.listen(name, within)
        start.subscriptions.add(Disposable(listener.stop))

        def value(_: Any) -> float:
            at = now()
            return value_of(externals.fresh(listener, at) if fresh else externals.newest(name, at), at)

        return value

    return Indicator(called, begin)
