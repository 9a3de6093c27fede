"""How a sweep chooses the settings that it tries: all of a grid, some at random, or where earlier ones did well."""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from research.sweeps.space import Axis, Sample, Space
from service.extras import needed

MethodName = Literal["grid", "random", "tpe"]
BATCH = 32
"""Settings that TPE asks for at once. It is fixed, so that the number of workers changes nothing."""
_DRAWS = 50  # times as many draws as settings, to find some that were not tried yet


class Method(Protocol):
    """Asked for settings until there are none, and told how each batch did before it is asked for the next."""

    count: int  # settings that it will ask for, at most

    def ask(self) -> list[Sample]:
        """Return the next settings to try, all new; none at the end."""

    def tell(self, scores: Sequence[float]) -> None:
        """Take the scores of the settings that were asked for last, in their order: more is better."""


def method_of(name: MethodName, space: Space, trials: int, seed: int) -> Method:
    """Return a method. Raises UserError for a grid of what has no steps, or where TPE is not installed."""
    if name == "grid":
        return _AtOnce(list(space.grid()))
    finite = all(axis.values for axis in space.axes)
    if finite and space.count() <= trials:
        return _AtOnce(list(space.grid()))  # they are all
    return _AtOnce(_drawn(space, trials, seed)) if name == "random" else _Tpe(space, trials, seed)


class _AtOnce:
    """Settings that were all known from the beginning."""

    def __init__(self, samples: list[Sample]) -> None:
        self._left = samples
        self.count = len(samples)

    def ask(self) -> list[Sample]:
        asked, self._left = self._left, []
        return asked

    def tell(self, scores: Sequence[float]) -> None: ...


def _drawn(space: Space, trials: int, seed: int) -> list[Sample]:
    """Draw settings evenly over the space, each once (Bergstra and Bengio 2012)."""
    chance = random.Random(seed)
    found: dict[Sample, None] = {}
    for _ in range(trials * _DRAWS):
        found.setdefault(tuple(axis.at(chance.random()) for axis in space.axes))
        if len(found) == trials:
            break
    return list(found)


class _Tpe:
    """The tree-structured Parzen estimator (Bergstra and others 2011) of optuna, asked in batches of a fixed size."""

    def __init__(self, space: Space, trials: int, seed: int) -> None:
        with needed("--method tpe needs"):
            import optuna
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that an option of it may change in a later version
            sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=BATCH, constant_liar=True)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._axes = space.axes
        self._distributions = {axis.path: _distribution(optuna, axis) for axis in space.axes}
        self.count = trials
        self._known: dict[Sample, float] = {}
        self._asked: list[tuple[Any, Sample]] = []

    def ask(self) -> list[Sample]:
        fresh: dict[Sample, None] = {}
        for _ in range(_DRAWS):
            self._asked = []
            for _ in range(min(BATCH, self.count - len(self._known))):
                trial = self._study.ask(self._distributions)
                sample = tuple(_plain(axis, trial.params[axis.path]) for axis in self._axes)
                self._asked.append((trial, sample))
                if sample not in self._known:
                    fresh.setdefault(sample)
            if fresh or not self._asked:
                break
            self._tell()  # it asked for known ones alone: it is told again, and asked for others
        return list(fresh)

    def tell(self, scores: Sequence[float]) -> None:
        fresh = dict.fromkeys(sample for _, sample in self._asked if sample not in self._known)
        self._known |= dict(zip(fresh, scores, strict=True))
        self._tell()

    def _tell(self) -> None:
        for trial, sample in self._asked:
            self._study.tell(trial, self._known[sample])


def _distribution(optuna: Any, axis: Axis) -> Any:
    """Return what an axis is to optuna: values of a list by their place, so that it knows which are neighbours."""
    kinds = optuna.distributions
    if axis.values and all(isinstance(each, int | float) for each in axis.values):
        return kinds.IntDistribution(0, len(axis.values) - 1)
    if axis.values:
        return kinds.CategoricalDistribution(list(range(len(axis.values))))
    if axis.whole:
        return kinds.IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return kinds.FloatDistribution(axis.low, axis.high, log=axis.log)


def _plain(axis: Axis, found: Any) -> Any:
    return axis.values[found] if axis.values else axis.plain(found)
