"""A sweep starts without libraries that it has no use for, and they are there for others."""

from __future__ import annotations

import subprocess
import sys

LOADED = """
import sys
from research.sweeps.starting import leave_unloaded
leave_unloaded()
import pyarrow as pa, numpy as np, numba
pa.table({"a": [1, 2], "b": np.array([0.5, 1.5])})
numba.njit(lambda x: x.sum())(np.ones(3))
assert not {"pandas", "scipy"} & set(sys.modules), {"pandas", "scipy"} & set(sys.modules)
import scipy.special
import pandas
"""


def test_neither_pandas_nor_scipy_is_loaded_and_both_can_be() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
