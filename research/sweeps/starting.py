"""What makes a sweep start sooner: libraries that others look for, and that it has no use for, are left unloaded.

pyarrow loads pandas when it makes its first array, to know a pandas one if it sees it; numba loads scipy.linalg when it
loads its first function, for BLAS. Both take longer than to decide a morning with a thousand settings (0.6 s of
processor time together, against 0.1 s). Both libraries look once, and do without what they do not find.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder


def leave_unloaded() -> None:
    """Let pyarrow do without pandas, and numba without BLAS, in this process, if they have not looked yet.

    Only for a command that runs no code of its user: `to_pandas` of pyarrow works no more in the process.
    """
    if "pandas" not in sys.modules:
        with _hidden("pandas"), suppress(ImportError):
            import pyarrow as pa

            pa.array([0])
    if "scipy" not in sys.modules:
        with _hidden("scipy"), suppress(ImportError):
            import numba.np.arraymath  # noqa: F401


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Have a library that is not loaded look as if it were not installed, for as long as the context lasts."""
    finder = _NotThere(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _NotThere(MetaPathFinder):
    """Finds nothing of one name, and leaves all others to the finders behind it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """Raise ModuleNotFoundError for the name."""
        if fullname == self._name:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
