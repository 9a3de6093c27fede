"""metric: a number of your own, shown on the dashboard, in /metrics and in the summary."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from reactivex import Observable

from pipeline.checked import number, text
from pipeline.operators.frame import Frame
from pipeline.operators.lift import Lifted, Operator, Scheduler, Step, directed, given_by
from pipeline.probe import Probe, named_twice


def metric(name: str, f: Callable[[Any], float]) -> Operator[Any, Any]:
    """Follow `f` of whatever comes by, and pass it on as it is; stands anywhere in a pipe.

    ```
    ticks     --1-----3-----2--
              metric("size", lambda tick: tick.size)
    out       --1-----3-----2--       last 2, min 1, max 3, mean 2, count 3
    ```

    Last, min, max, mean and count are shown, by symbol, on the dashboard, in `/metrics` and in the summary (`metrics`).
    Of frames, only the ready ones are measured: the others may have no readings yet. Cost: that of `f`, and 0.2 us.

    Raises TypeError if `f` is no function; ValueError, as the pipe is built, for two of one name; WrongValue where `f`
    gives no finite number.

    >>> gap = metric("gap", lambda frame: frame["fast"] - frame["slow"])
    """
    named = text("op.metric: a metric's name is", name)
    if not callable(f):
        raise TypeError(f"op.metric({named!r}, ...) takes a function of what comes by, not {f!r}")
    gave = f"the metric {named!r} gave"

    def make(emit: Callable[[Any], None], scheduler: Scheduler) -> Step:
        add = Probe.of(scheduler).metric(named).add

        def on_next(item: Any) -> None:
            if item.__class__ is not Frame or item.ready:
                value: Any = f(item)
                if value.__class__ is not float or value - value != 0.0:  # infinite, or no number at all
                    value = number(gave, value, f)
                add(value)
            emit(item)

        return Step(on_next)

    def operator(source: Observable[Any]) -> Observable[Any]:
        if _built:
            if named in _built[-1]:
                raise named_twice(named)
            _built[-1].add(named)
        found: Lifted[Any] = Lifted(source, make, given_by(source), directed(source), f"metric {named}")
        return found.keeping(signals=bool(getattr(source, "signals", False)))

    return operator


_built: list[set[str]] = []  # the names in the pipe that is being built


@contextmanager
def metrics_told_apart() -> Iterator[None]:
    """Refuse two metrics of one name in what the block builds."""
    _built.append(set())
    try:
        yield
    finally:
        _built.pop()
