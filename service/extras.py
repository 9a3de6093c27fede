"""The extras of the distribution: how they are installed, and how it is said that one is missing."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import UserError

LIBRARIES = frozenset(
    (
        *(
            "apprise",
            "arch",
            "databento_dbn",
            "hypothesis",
            "loky",
            "numba",
            "numpy",
            "optuna",
            "pandas",
            "polars",
            "pyarrow",
        ),
        *("pytest", "ray", "scipy", "vl_convert"),
    )
)
"""What extras add, by the names that are imported."""


def install(*extras: str) -> str:
    """Return the command that installs extras.

    >>> install("research", "ray")
    "pip install 'microbot-trading[research,ray]'"
    """
    return f"pip install 'microbot-trading[{','.join(extras)}]'"


def missing(need: str, *extras: str, otherwise: str = "") -> UserError:
    """Return the error that says what needs which library, and how to get it; `otherwise` is how to do without.

    >>> str(missing("a sweep needs numba"))
    "a sweep needs numba: pip install 'microbot-trading[research]' adds it"
    """
    return UserError(f"{need}: {install(*(extras or ('research',)))} adds it{otherwise and f', {otherwise}'}")


@contextmanager
def needed(need: str, *extras: str) -> Iterator[None]:
    """Raise `missing` where a library of an extra cannot be imported meanwhile; `need` is its sentence so far.

    An ImportError of anything else goes through: a strategy's own may lack what no extra adds.
    """
    try:
        yield
    except ImportError as error:
        library = (error.name or "").partition(".")[0]
        if library not in LIBRARIES:
            raise
        raise missing(f"{need} {library}", *extras) from None


def check(need: str, *libraries: str) -> None:
    """Raise `missing` for the first of these libraries of the extra research that is not installed."""
    for library in libraries:
        if importlib.util.find_spec(library) is None:
            raise missing(f"{need} {library}")
