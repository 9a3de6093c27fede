"""What compiles a function with numba: the one door to it, so that all of them are compiled alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function at its first call, and keep the machine code beside the source for the next process.

    Floats are those of Python, operation by operation (no fast math, nothing fused), so that what is decided is the
    same to the last bit. It runs without the GIL; a division by zero gives inf or nan, and raises nothing.
    """
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
