"""What compiles a function with numba: the one door to it, so that all of them are compiled alike."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function at its first call, and keep the machine code beside the source for the next process.

    Floats are those of Python, operation by operation (no fast math, nothing fused), so that what is decided is the
    same to the last bit. It runs without the GIL; a division by zero gives inf or nan, and raises nothing. Arguments
    are numbers, arrays and tuples of these: what is kept names no class of ours, which may be called otherwise one day.
    """
    dispatcher: Any = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    file = dispatcher._cache._cache_file
    file._source_stamp = (file._source_stamp, _STAMP)
    return cast(F, dispatcher)


def inlined(function: F) -> F:
    """Make a function part of each compiled one that calls it: a tenth of the kernel's time, for the window's step.

    What takes a record whose fields others have more of must be, too: numba would take one for the other, and warn.
    """
    return cast(F, numba.njit(inline="always", error_model="numpy")(function))


def _stamp() -> str:
    """Return what changes with any source of this room.

    numba looks at the file of a function alone, and what is kept of it holds the functions of other files that it
    calls: a change of those has to be seen as well.
    """
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return blake2b(b"".join(source.read_bytes() for source in sources), digest_size=16).hexdigest()


_STAMP = _stamp()
